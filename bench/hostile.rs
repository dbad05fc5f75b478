//! How long each script of the hostile battery takes with the default limits, worst first, against the 250 ms that
//! one may: `cargo bench --bench hostile`; `-- WORD` those whose name contains it, `-- =NAME` that one, `-- ordinary` only what ordinary code
//! costs, `-- --smoke` just a few of them.
//!
//! The time is that of the longest event: its messages, what detection ran after them, and what was tidied up. `x loop`
//! compares it with a plain loop of the same gas in the same run, so that it means the same on every machine.

#[allow(dead_code, reason = "the tests use the rest")]
mod battery;

use std::hint::black_box;
use std::time::{Duration, Instant};

use battery::{attacks, run};
use lunette::core::limits::SessionLimits;
use lunette::lua::state::{State, StateLimits};

/// What one script may take.
const TARGET: Duration = Duration::from_millis(250);
const SMOKE_EVERY: usize = 20;

fn main() {
    let mut smoke = false;
    let mut wanted = String::new();
    for argument in std::env::args().skip(1) {
        match argument.as_str() {
            "--bench" => {}
            "--smoke" => smoke = true,
            word => wanted = word.to_owned(),
        }
    }
    if wanted == "ordinary" {
        return ordinary();
    }
    let loop_ns = plain_loop();
    let mut lines: Vec<(Duration, String)> = Vec::new();
    let mut late = 0;
    let step = if smoke { SMOKE_EVERY } else { 1 };
    for attack in attacks().iter().step_by(step) {
        let exact = wanted
            .strip_prefix('=')
            .is_some_and(|name| name == attack.name);
        if !exact && !attack.name.contains(&wanted) {
            continue;
        }
        let limits = SessionLimits {
            remote_code: true,
            grants: attack.grants(),
            ..SessionLimits::default()
        };
        let outcome = run(attack, &limits, None);
        let time = outcome.worst;
        late += usize::from(time > TARGET);
        let ms = time.as_secs_f64() * 1e3;
        let gas = outcome.worst_gas as f64;
        let per_gas = ms * 1e6 / gas.max(1.0);
        let line = format!(
            "{:<32} {ms:>9.1} {:>9.2} {per_gas:>8.1} {:>8.1}  {}",
            attack.name,
            gas / 1e6,
            per_gas / loop_ns,
            outcome
                .errors
                .first()
                .map_or("", |(_, _, text)| first_words(text)),
        );
        lines.push((time, line));
    }
    lines.sort_by_key(|(time, _)| std::cmp::Reverse(*time));
    println!("a plain loop: {loop_ns:.2} ns per gas");
    println!(
        "{:<32} {:>9} {:>9} {:>8} {:>8}",
        "worst event of", "ms", "M gas", "ns/gas", "x loop"
    );
    for (_, line) in &lines {
        println!("{line}");
    }
    println!(
        "{late} of {} scripts take longer than {} ms",
        lines.len(),
        TARGET.as_millis()
    );
    if !smoke && wanted.is_empty() {
        ordinary();
    }
}

fn first_words(text: &str) -> &str {
    let end = text.char_indices().nth(60).map_or(text.len(), |(at, _)| at);
    &text[..end]
}

fn state() -> State {
    let limits = StateLimits {
        memory: 16 << 20,
        gas: u64::MAX / 4,
        ..StateLimits::default()
    };
    State::new(1, limits).expect("a state can be made")
}

/// Nanoseconds per unit of gas of `while true do end`.
fn plain_loop() -> f64 {
    let state = state();
    let mut best = f64::MAX;
    for _ in 0..5 {
        state.budget().refill(10_000_000);
        let began = Instant::now();
        let ended = state.evaluate(c"=bench", "while true do end");
        let time = began.elapsed().as_secs_f64();
        assert!(ended.is_err());
        best = best.min(time * 1e9 / state.budget().used() as f64);
    }
    best
}

/// What apps do, one thing a line.
const ORDINARY: &[(&str, &str)] = &[
    ("an addition", "x = x + i"),
    ("a call", "f(i)"),
    ("a method of a prototype", "object:get()"),
    (
        "a new table of three fields",
        "local t = { a = i, b = 2, c = 3 }",
    ),
    ("a closure", "local g = function() return i end"),
    ("joining a text and a number", "local s = 'item ' .. i"),
    ("tostring of a float", "local s = tostring(i + 0.5)"),
    (
        "string.format('%d %s')",
        "local s = string.format('%d %s', i, 'x')",
    ),
    (
        "string.format('%.2f')",
        "local s = string.format('%.2f', i)",
    ),
    (
        "find a word in 100 bytes",
        "local a = text:find('word', 1, true)",
    ),
    (
        "match a date",
        "local y, m, d = ('2024-05-06'):match('^(%d+)-(%d+)-(%d+)$')",
    ),
    ("gsub of 100 bytes", "local s = text:gsub('%s+', ' ')"),
    (
        "balanced brackets in 100 bytes",
        "local s = brackets:gsub('%b()', '')",
    ),
    (
        "sort 100 numbers",
        "local t = {} for k = 1, 100 do t[k] = (k * 37) % 101 end table.sort(t)",
    ),
    (
        "insert and remove at the end of 100",
        "table.insert(list, i) table.remove(list)",
    ),
    (
        "insert and remove in front of 100",
        "table.insert(list, 1, i) table.remove(list, 1)",
    ),
    ("concat 100 texts", "local s = table.concat(list, ',')"),
    (
        "pairs over 100 fields",
        "for k, v in pairs(map) do x = v end",
    ),
    (
        "ipairs over 100 items",
        "for k, v in ipairs(list) do x = v end",
    ),
    ("pcall", "pcall(f, i)"),
    (
        "a coroutine of two steps",
        "local co = coroutine.wrap(function() coroutine.yield(1) end) co() co()",
    ),
    ("load of a short chunk", "local g = load('return 1 + 2')"),
];

/// What ordinary code costs: gas and time of one round.
fn ordinary() {
    const ROUNDS: u64 = 2000;
    let head = "local x, text = 0, ('a word or two '):rep(7) local brackets = ('f(a, (b)) '):rep(10)
        local function f(a) return a end local object = setmetatable({ n = 1 }, { __index = { get = function(self) return self.n end } })
        local list, map = {}, {} for i = 1, 100 do list[i] = i map['key' .. i] = i end ";
    println!(
        "\n{:<40} {:>8} {:>8} {:>8}",
        "ordinary code", "gas", "ns", "ns/gas"
    );
    for (name, code) in ORDINARY {
        let state = state();
        let source = format!("{head} for i = 1, {ROUNDS} do {code} end");
        let empty = cost(&state, &format!("{head} for i = 1, {ROUNDS} do end"));
        let (gas, ns) = cost(&state, &source);
        let gas = (gas - empty.0) / ROUNDS as f64;
        let ns = (ns - empty.1) / ROUNDS as f64;
        println!("{name:<40} {gas:>8.1} {ns:>8.1} {:>8.1}", ns / gas);
    }
}

fn cost(state: &State, source: &str) -> (f64, f64) {
    let chunk = format!("chunk = function() {source}\nend");
    state.evaluate(c"=bench", &chunk).expect("the code is good");
    let mut best = (0.0, f64::MAX);
    for _ in 0..5 {
        state.budget().refill(u64::MAX / 4);
        let began = Instant::now();
        black_box(state.evaluate(c"=bench", "chunk()")).expect("the code is good");
        let ns = began.elapsed().as_secs_f64() * 1e9;
        best = (state.budget().used() as f64, best.1.min(ns));
    }
    best
}
