//! Hostile scripts: each of `tests/hostile/*.lua` ends in a clean error of its own session, after the same gas in every
//! run, while the session beside it goes on; afterwards the session itself works. See `bench/battery.rs` for the format.
//!
//! One message has a million units of gas here, where users have ten: that is enough to be endless, and the tests run
//! unoptimised. `LUNETTE_LONG=1` runs all of it with the default limits, too.

mod faults;

use std::fs;
use std::sync::atomic::{AtomicU64, Ordering};

use lunette::core::event::{Opening, Turn};
use lunette::core::id::SessionId;
use lunette::core::limits::SessionLimits;
use lunette::core::manager::{ManagerConfig, SessionManager};
use lunette::core::site::Site;
use lunette::journal::{Header, Output, RawEvent, Reader, Writer};
use lunette::lua::LuaRuntime;
use lunette::replay::{replay, to_event};

use crate::battery::{Attack, HOSTILE, Outcome, Recorder, attacks, run};
use crate::checkpoints::{Often, survives};

const GAS: u64 = 1_000_000;
const MEMORY: usize = 4 << 20;
/// What may be in use after a script, beyond what was before: half a collection's worth of garbage.
const LEFT_OVER: usize = 256 << 10;
/// Tells a child where to write what it saw.
const OUT: &str = "LUNETTE_HOSTILE_OUT";

fn limits(attack: &Attack) -> SessionLimits {
    SessionLimits {
        gas: attack.gas.unwrap_or(GAS),
        lua_memory: attack.memory.unwrap_or(MEMORY),
        remote_code: true,
        grants: attack.grants(),
        ..SessionLimits::default()
    }
}

#[test]
fn every_script_ends_cleanly() {
    all_end_cleanly(|attack| {
        let limits = limits(attack);
        let (outcome, mut problems) = run_twice(attack, &limits);
        problems.extend(wrong_end(attack, &outcome));
        let left = outcome.memory_after.saturating_sub(outcome.memory_before);
        if !attack.keeps && outcome.failed.is_none() && left > LEFT_OVER {
            problems.push(format!("{left} bytes of memory stay in use"));
        }
        problems
    });
}

#[test]
fn every_script_ends_cleanly_with_the_default_limits() {
    if std::env::var("LUNETTE_LONG").is_err() {
        println!("skipped: takes minutes; LUNETTE_LONG=1 runs it");
        return;
    }
    // Where there is more, some come to another end than the one that they say, or do no harm.
    all_end_cleanly(|attack| {
        let limits = SessionLimits {
            remote_code: true,
            grants: attack.grants(),
            ..SessionLimits::default()
        };
        run_twice(attack, &limits).1
    });
}

fn all_end_cleanly(problems: impl Fn(&Attack) -> Vec<String>) {
    let attacks = attacks();
    assert!(attacks.len() >= 90, "only {} scripts", attacks.len());
    let wanted = std::env::var("LUNETTE_HOSTILE").unwrap_or_default();
    let mut failures = Vec::new();
    for attack in attacks
        .iter()
        .filter(|attack| attack.name.contains(&wanted))
    {
        let problems = problems(attack);
        if !problems.is_empty() {
            failures.push(format!(
                "tests/hostile/{}.lua:\n  {}",
                attack.name,
                problems.join("\n  ")
            ));
        }
    }
    assert!(
        failures.is_empty(),
        "{} of {}:\n{}",
        failures.len(),
        attacks.len(),
        failures.join("\n")
    );
}

/// Runs a script twice, and its recording: how it ended, and what is wrong whatever its end is.
fn run_twice(attack: &Attack, limits: &SessionLimits) -> (Outcome, Vec<String>) {
    let mut recording = Recording::new(attack, limits);
    let outcome = run(attack, limits, Some(&mut recording));
    let again = run(attack, limits, None);
    if std::env::var_os("LUNETTE_HOSTILE_SHOW").is_some() {
        println!("{}", outcome.transcript);
    }
    let mut problems = outcome.complaints.clone();
    if outcome.transcript != again.transcript || outcome.gas != again.gas {
        let (one, two) = (&outcome.transcript, &again.transcript);
        let differs = one.lines().zip(two.lines()).find(|(one, two)| one != two);
        problems.push(format!(
            "two runs differ: gas {} and {}, {differs:?}",
            outcome.gas, again.gas
        ));
    }
    problems.extend(recording.check());
    (outcome, problems)
}

fn wrong_end(attack: &Attack, outcome: &Outcome) -> Option<String> {
    let (code, variable) = match attack.expect.split_once(' ') {
        Some((code, id)) => (code, id.parse().expect("an id")),
        None => (&*attack.expect, attack.place.variable()),
    };
    let text = &attack.text;
    let fine = match code {
        "failed" => outcome
            .failed
            .as_ref()
            .is_some_and(|why| why.contains(text)),
        "log" => outcome.errors.is_empty() && outcome.logs.iter().any(|line| line.contains(text)),
        "nothing" => outcome.errors.is_empty() && outcome.failed.is_none(),
        code => outcome
            .errors
            .iter()
            .any(|(var, told, why)| *var == variable && told == code && why.contains(text)),
    };
    (!fine).then(|| {
        let head = |text: &String| text.chars().take(300).collect::<String>();
        let errors: Vec<_> = outcome
            .errors
            .iter()
            .take(4)
            .map(|(var, code, text)| (var, code, head(text)))
            .collect();
        let logs: Vec<_> = outcome.logs.iter().take(4).map(head).collect();
        format!(
            "expected {} {text:?}, but: errors {errors:?}, failed {:?}, gas {}, log {logs:?}",
            attack.expect, outcome.failed, outcome.gas
        )
    })
}

/// The journal of session 1.
struct Recording {
    path: std::path::PathBuf,
    writer: Writer,
}

impl Recording {
    fn new(attack: &Attack, limits: &SessionLimits) -> Recording {
        // Two tests do so at once.
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let (process, number) = (std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let file = format!("lunette-hostile-{process}-{number}-{}.lnt", attack.name);
        let path = std::env::temp_dir().join(file);
        let header = Header::here(HOSTILE, attack.site(), limits.clone(), 0, "hostile");
        let writer = Writer::create(&path, &header).expect("a recording can be made");
        Recording { path, writer }
    }

    /// What differs when it is replayed.
    fn check(mut self) -> Option<String> {
        self.writer.commit().expect("the recording can be written");
        let reader = Reader::open(&self.path).expect("what was just written can be read");
        let _ = fs::remove_file(&self.path);
        let report = replay(&reader, |_| {
            LuaRuntime::new().expect("a runtime can be made")
        });
        if report.exit_code() != 0 {
            return Some(format!("its recording does not replay: {report}"));
        }
        let problem = survives(&reader, Often::Sometimes).err()?;
        Some(format!("frozen and thawed it is another: {problem}"))
    }
}

impl Recorder for Recording {
    fn event(&mut self, turn: Turn, event: &RawEvent<'_>) {
        self.writer.commit().expect("the recording can be written");
        self.writer.event(turn, event);
    }

    fn output(&mut self, output: &Output<'_>) {
        self.writer.output(output);
    }
}

#[test]
fn every_function_of_the_api_is_called_with_wrong_arguments() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &str| fs::read_to_string(root.join(path)).expect("the sources are there");
    let script = read("tests/hostile/call-everything.lua");
    let mut found = 0;
    for file in ["api", "handle", "messages", "process", "ui", "upload"] {
        let source = read(&format!("src/lua/{file}.rs"));
        let (_, methods) = source.split_once("METHODS: ").expect("a list of methods");
        let (methods, _) = methods.split_once("];").expect("its end");
        for name in methods.split("(\"").skip(1) {
            let name = name.split('"').next().expect("a name");
            assert!(script.contains(&format!("\"{name}\"")), "{file}: {name}");
            found += 1;
        }
    }
    assert!(found > 45, "only {found} methods are found");
}

fn gas_of_each() -> String {
    let attacks = attacks();
    let lines = attacks.iter().step_by(7).map(|attack| {
        let outcome = run(attack, &limits(attack), None);
        format!(
            "{} {} {}\n",
            attack.name,
            outcome.gas,
            outcome.transcript.len()
        )
    });
    lines.collect()
}

#[test]
fn child() {
    if let Some(path) = std::env::var_os(OUT) {
        fs::write(path, gas_of_each()).expect("the parent made room for it");
    }
}

#[test]
fn another_process_uses_the_same_gas() {
    let path = std::env::temp_dir().join(format!("lunette-hostile-{}.txt", std::process::id()));
    let program = std::env::current_exe().expect("this is a program");
    let mut child = std::process::Command::new(program);
    let output = child
        .args(["--exact", "hostile::child"])
        .env(OUT, &path)
        .output()
        .expect("it runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let seen = fs::read_to_string(&path).expect("the child wrote it");
    let _ = fs::remove_file(&path);
    assert_eq!(seen, gas_of_each());
}

/// A file that another session has compiled before costs this one the same.
#[test]
fn the_cache_of_compiled_files_makes_no_difference() {
    let main = "require('module') local s = ('a'):rep(300) for i = 1, 5 do s:find('.-b') end \
                session:createAppVariable({})";
    let files = [("lua/main.lua", main), ("lua/module.lua", "return { 1 }")];
    let files = files.map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec()));
    let config = ManagerConfig {
        site: Site::new(files.into_iter().collect()),
        ..ManagerConfig::default()
    };
    let runtime = LuaRuntime::new().expect("a runtime can be made");
    let mut manager = SessionManager::new(runtime, config);
    let gas = [1, 2].map(|number| {
        let session = SessionId(number);
        let event = RawEvent::SessionOpened(Opening {
            seed: 1,
            url: "/",
            ..Opening::default()
        });
        let event = to_event(&event, session, manager.site());
        manager.handle_event(event, Turn::default());
        manager.session(session).expect("it started").gas_used()
    });
    assert!(gas[0] > 10_000, "{gas:?}");
    assert_eq!(gas[0], gas[1]);
}
