//! The two-process battery: whatever Lua decides by address, hash, clock or compiler must come out
//! byte-identical in every process, directory and build.
//!
//! A child is this test binary again, told by the environment to write what it saw to a file. The
//! tests that build the crate anew take minutes: they run with `LUNETTE_LONG=1` (`tests/run --long`).

use lunette::lua::determinism::self_check;
use lunette::lua::state::{State, StateLimits, TurnTime, set_turn};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where a child writes; its presence makes a child.
const OUT: &str = "LUNETTE_DETERMINISM_OUT";
/// How many states a child makes before, so that its window is another one.
const BEFORE: &str = "LUNETTE_DETERMINISM_BEFORE";
const CHILD: &str = "determinism::child";

const BATTERY: &str = r#"
local out = {}
local function say(...)
  local parts = {}
  for i = 1, select('#', ...) do parts[i] = tostring((select(i, ...))) end
  out[#out + 1] = table.concat(parts, ' ')
end
local function order(name, t)
  local names = {}
  for k, v in pairs(t) do names[#names + 1] = tostring(v) end
  say(name, table.concat(names, ','))
end

local strings, tables, functions, mixed = {}, {}, {}, {}
for i = 1, 200 do
  strings['key' .. i * 7919] = i
  tables[{}] = i
  functions[function() return i end] = i
  mixed[i % 3 == 0 and i / 2 or i % 3 == 1 and {} or 'm' .. i] = i
end
for _, library in ipairs {string, table, math, coroutine, os, utf8} do
  for name, f in pairs(library) do functions[f] = name end
end
for name, f in pairs(_G) do if type(f) == 'function' then functions[f] = name end end
functions[ipairs {}], functions[utf8.codes ''] = 'ipairs iterator', 'codes iterator'
functions[('x'):gmatch '.'], functions[coroutine.wrap(print or next)] = 'gmatch iterator', 'wrapped'
for name, f in pairs(getmetatable '') do if type(f) == 'function' then functions[f] = name end end
order('strings', strings) order('tables', tables) order('functions', functions) order('mixed', mixed)
local threads = {}
for i = 1, 50 do threads[coroutine.create(next)] = i end
order('threads', threads)
order('globals', _G)

say('tostring', {}, function() end, tostring, string.format, coroutine.create(next), io, nil, true)
say('numbers', 3.0, -0.0, 1e15, 1e100, 2^53, 1/3, 0/0, -(0/0), 1/0, 10 // 3, 7 // 2.0, 1e15 .. '', 3.0 .. '')
say('formats', string.format('%d %x %5.1f %q %g %a %s', 3.9, 255, 2.25, 'a\nb\0', 1e20, 0.1, {}))

local list = {}
for i = 1, 100 do list[i] = (i * 7919) % 101 end
pcall(table.sort, list, function(a, b) return a % 10 <= b % 7 end)
say('sort', table.concat(list, ','))
local many = {}
for i = 1, 3000 do many[i] = i < 1500 and i or 3000 - i end
table.sort(many, function(a, b) return a < b end)
say('many', many[1], many[1500], many[3000])

local numbers = {}
for i = 1, 50 do numbers[i] = math.random(1000) end
say('random', table.concat(numbers, ','), math.random(), math.random(0))
math.randomseed(42) say('seeded', math.random(1000000))
math.randomseed() say('reseeded', math.random(1000000))
say('time', os.time(), os.clock(), os.date(), os.date('!%Y-%m-%dT%H:%M:%S'), os.time {year = 2024, month = 14, day = -3})
say('errors', pcall(error, {}), select(2, pcall(function() local x = nil; return x.y end)))
say('errors', select(2, pcall(string.rep)), select(2, pcall(setmetatable, 1)), select(2, pcall(next, {}, {})))
say('load', load('x ='), loadstring('return 1'))

local digest, live = {}, {}
for turn = 1, 300 do
  for i = 1, 60 do
    local item = {turn = turn, name = 'item' .. turn .. '.' .. i, f = function() return turn end}
    live[item] = true
    if i % 4 == 0 then live['s' .. (turn * i) % 97] = {item.name:rep(i)} end
  end
  for item in pairs(live) do
    if type(item) == 'table' and (item.turn or 0) < turn - 3 then live[item] = nil end
  end
  digest[turn] = string.format('%.3f', collectgarbage('count'))
end
say('collection', table.concat(digest, ' '))
order('left', live)
return table.concat(out, '\n')
"#;

fn battery() -> String {
    if let Err(error) = self_check() {
        return format!("self-check: {error}");
    }
    let before = std::env::var(BEFORE).map_or(0, |text| text.parse().unwrap());
    let limits = StateLimits::default();
    let _others: Vec<State> = (0..before)
        .map(|seed| State::new(seed, limits).unwrap())
        .collect();
    set_turn(TurnTime {
        now_ms: 12_345,
        wall_ms: 1_700_000_000_123,
    });
    let mut text = String::new();
    for seed in [1, 2, 1] {
        let state = State::new(seed, limits).unwrap();
        state.budget().refill(1_000_000_000);
        let seen = state.evaluate(c"=battery", BATTERY).unwrap();
        let gas = state.budget().used();
        let bytes = (
            state.memory_used(),
            state.memory_peak(),
            state.memory_held(),
        );
        writeln!(text, "seed {seed}\n{seen}\ngas {gas} bytes {bytes:?}").unwrap();
    }
    text
}

/// Where this process has its code, stack and heap: differs between processes when addresses do.
fn addresses() -> String {
    let (stack, heap) = (0u8, Box::new(0u8));
    format!(
        "{:p} {:p} {:p}",
        battery as *const (), &raw const stack, heap
    )
}

/// Not a test of its own: what a child process does.
#[test]
fn child() {
    if let Ok(out) = std::env::var(OUT) {
        std::fs::write(&out, battery()).unwrap();
        std::fs::write(format!("{out}.addresses"), addresses()).unwrap();
    }
}

struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("lunette {name} {}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn run_child(scratch: &Scratch, name: &str, before: u32, padding: usize) -> (String, String) {
    let out = scratch.file(name);
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", CHILD])
        .env(OUT, &out)
        .env(BEFORE, before.to_string())
        .env("LUNETTE_PADDING", "x".repeat(padding))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
    let addresses = std::fs::read_to_string(scratch.file(&format!("{name}.addresses"))).unwrap();
    (std::fs::read_to_string(out).unwrap(), addresses)
}

/// Names the first place that differs, in a message one can read.
fn assert_same(one: &str, two: &str, what: &str) {
    for (first, second) in one.lines().zip(two.lines()) {
        let at = first.bytes().zip(second.bytes()).position(|(a, b)| a != b);
        if let Some(at) = at.or((first.len() != second.len()).then_some(0)) {
            let from = at.saturating_sub(40);
            let part = |text: &str| {
                text.get(from..(at + 60).min(text.len()))
                    .unwrap_or(text)
                    .to_string()
            };
            panic!("{what}: `{}` against `{}`", part(first), part(second));
        }
    }
    assert_eq!(one.len(), two.len(), "{what}");
}

#[test]
fn processes_agree() {
    let scratch = Scratch::new("battery");
    let here = battery();
    assert!(here.lines().count() > 40, "{here}");
    let mut places = Vec::new();
    for (name, before, padding) in [
        ("one", 0, 0),
        ("two", 0, 4321),
        ("three", 5, 77),
        ("four", 70, 1),
    ] {
        let (seen, addresses) = run_child(&scratch, name, before, padding);
        assert_same(&here, &seen, name);
        places.push(addresses);
    }
    let randomized = std::fs::read_to_string("/proc/sys/kernel/randomize_va_space");
    if randomized.is_ok_and(|text| text.trim() == "2") {
        assert_ne!(
            places[0], places[1],
            "the addresses did not differ, so this showed nothing"
        );
    }
}

#[test]
fn seeds_make_a_difference_and_only_they() {
    let text = battery();
    let parts: Vec<&str> = text
        .split("seed ")
        .skip(1)
        .map(|part| part.split_once('\n').unwrap().1)
        .collect();
    assert_eq!(parts.len(), 3);
    assert_same(parts[0], parts[2], "two states of one seed");
    let line = |part: &str, name: &str| {
        part.lines()
            .find(|line| line.starts_with(name))
            .map(str::to_string)
    };
    assert_ne!(line(parts[0], "random"), line(parts[1], "random"));
    assert_ne!(line(parts[0], "strings"), line(parts[1], "strings"));
}

// Builds of the crate elsewhere.

fn long() -> bool {
    let long = std::env::var("LUNETTE_LONG").is_ok_and(|value| value == "1");
    if !long {
        println!("skipped: builds the crate, which takes minutes; LUNETTE_LONG=1 runs it");
    }
    long
}

fn copy(from: &Path, to: &Path) {
    if from.is_dir() {
        std::fs::create_dir_all(to).unwrap();
        for entry in std::fs::read_dir(from).unwrap() {
            let name = entry.unwrap().file_name();
            copy(&from.join(&name), &to.join(&name));
        }
    } else if from.exists() {
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::copy(from, to).unwrap();
    }
}

/// Copies the sources to a directory with a space in its name, builds them there, runs the battery.
fn build_elsewhere(scratch: &Scratch, flags: &[&str], profile: &[&str]) -> String {
    let source = Path::new(env!("CARGO_MANIFEST_DIR"));
    let place = scratch.file("some where");
    let parts = [
        "Cargo.toml",
        "Cargo.lock",
        "build.rs",
        "src",
        "lua",
        "tests",
        "bench",
        "LICENSE",
        "README.md",
    ];
    for part in parts.iter().chain(flags) {
        copy(&source.join(part), &place.join(part));
    }
    let out = scratch.file("out");
    let output = Command::new(env!("CARGO"))
        .args(["test", "--offline", "--test", "lunette"])
        .args(profile)
        .args(["--", "--exact", CHILD])
        .current_dir(&place)
        .env("CARGO_TARGET_DIR", scratch.file("target"))
        .env(OUT, &out)
        .env_remove("CFLAGS")
        .env_remove("CPATH")
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    std::fs::read_to_string(out).unwrap()
}

#[test]
fn a_build_in_another_directory_agrees() {
    if long() {
        let scratch = Scratch::new("another directory");
        let seen = build_elsewhere(&scratch, &[".cargo"], &[]);
        assert_same(&battery(), &seen, "built elsewhere");
    }
}

#[test]
fn debug_and_release_agree() {
    if long() {
        let scratch = Scratch::new("other profile");
        let profile: &[&str] = if cfg!(debug_assertions) {
            &["--release"]
        } else {
            &[]
        };
        let seen = build_elsewhere(&scratch, &[".cargo"], profile);
        assert_same(&battery(), &seen, "built with the other profile");
    }
}

#[test]
fn a_build_without_the_header_is_noticed() {
    if long() {
        let scratch = Scratch::new("no flags");
        let seen = build_elsewhere(&scratch, &[], &[]);
        assert!(
            seen.contains("self-check: Lua was built without its determinism header"),
            "{seen}"
        );
        assert!(seen.contains(".cargo/config.toml"), "{seen}");
    }
}
