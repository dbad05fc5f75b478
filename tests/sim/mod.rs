//! Whole servers with many sessions on a virtual clock and a virtual network: what users, networks, calendars and
//! editors do follows from a seed, and so does all that comes of it.
//!
//! - [`world`]: sockets and clocks for the server; [`net`]: pipes that delay, tear and break, and the agenda.
//! - [`disk`]: files that survive what files survive, and the death of the process between any two writes.
//! - [`tab`]: a browser's tab, with [`socket`] (HTTP, WebSocket), [`link`] (numbered frames, resuming) and [`page`]
//!   (variables, as [`template`]s ask for them), all written from the protocol and stricter than the client.
//! - [`town`]: who is there, and what is asked when all is quiet; [`deeds`]: what happens until then, [`input`] by
//!   users, the rest to them; [`vandal`]: hostile peers.
//! - [`evidence`]: each thing that was done took effect once and in order; [`recordings`]: every session replays and
//!   is what its tabs saw.
//! - [`run`]: one simulation.

mod app;
mod deeds;
mod disk;
mod evidence;
mod input;
mod link;
mod net;
mod page;
mod recordings;
mod run;
mod socket;
mod tab;
mod template;
mod town;
mod values;
mod vandal;
mod world;

use std::fs;
use std::panic::{self, UnwindSafe};

use disk::TROUBLES;
use lunette::journal::Durability;
use run::{Outcome, Simulation};
use town::Plan;

/// Simulations of an ordinary test run; with `LUNETTE_LONG=1` so many times as many.
const SEEDS: u64 = 80;
const LONGER: u64 = 25;
const PLAN: Plan = Plan {
    deeds: 120,
    rounds: 2,
    is_kind: false,
};

/// Somebody who does 200 things, undisturbed: of the app that writes them down.
const SCRIPT: Plan = Plan {
    deeds: 200,
    rounds: 1,
    is_kind: true,
};
const SCRIPT_SEED: u64 = 2;
/// Somebody who does 30 things, while one call of the disk goes wrong.
const SHORT_SCRIPT: Plan = Plan {
    deeds: 30,
    rounds: 1,
    is_kind: true,
};
/// One in so many calls of the disk does in an ordinary run; with `LUNETTE_LONG=1` each in turn.
const CALLS_APART: u64 = 29;
/// One in so many writes is the server's last in an ordinary run; with `LUNETTE_LONG=1` each is.
const WRITES_APART: u64 = 17;

fn is_long() -> bool {
    std::env::var("LUNETTE_LONG").as_deref() == Ok("1")
}

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{name} is a number")),
    )
}

/// Runs it; if something does not hold, says how to see that again.
fn simulate(settings: &str, run: impl FnOnce() -> Outcome + UnwindSafe) -> Outcome {
    match panic::catch_unwind(run) {
        Ok(outcome) => outcome,
        Err(reason) => {
            println!(
                "again, and with LUNETTE_TRACE=1 event by event:\n  \
                 {settings} cargo test --test lunette -- sim::one --nocapture"
            );
            panic::resume_unwind(reason)
        }
    }
}

fn run_seed(seed: u64) -> Outcome {
    simulate(&format!("LUNETTE_SEED={seed}"), move || {
        Simulation::new(seed, PLAN).run()
    })
}

fn run_script(write: u64) -> Outcome {
    let run = move || Simulation::new(SCRIPT_SEED, SCRIPT).dies_in(write).run();
    simulate(&format!("LUNETTE_WRITE={write}"), run)
}

/// Runs the short script with trouble in a call of the disk; `kind`: which, of which durability.
fn run_troubled(call: u64, kind: u64) -> Outcome {
    let [kinds, troubles] = [kind, kind / 2].map(|kind| kind as usize);
    let durability = [Durability::Process, Durability::Power][kinds % 2];
    let trouble = (call, TROUBLES[troubles % TROUBLES.len()]);
    let run =
        move || Simulation::with_trouble(SCRIPT_SEED, SHORT_SCRIPT, durability, trouble).run();
    simulate(&format!("LUNETTE_CALL={call} LUNETTE_KIND={kind}"), run)
}

/// The simulation with the number of `LUNETTE_SEED`, the one that ends in write `LUNETTE_WRITE`, or the one with trouble of
/// kind `LUNETTE_KIND` in call `LUNETTE_CALL` of the disk; else a small one.
#[test]
fn one() {
    let outcome = match (number("LUNETTE_WRITE"), number("LUNETTE_CALL")) {
        (Some(write), _) => run_script(write),
        (None, Some(call)) => run_troubled(call, number("LUNETTE_KIND").unwrap_or(0)),
        (None, None) => run_seed(number("LUNETTE_SEED").unwrap_or(1)),
    };
    println!("{outcome:?}");
}

/// Many users, apps, faults: nothing is lost, doubled, mixed up or kept for ever, and all of it replays.
#[test]
fn whole_servers_hold_what_they_promise() {
    let began = cpu_ms();
    let mut total = Outcome::default();
    for seed in 1..=SEEDS * if is_long() { LONGER } else { 1 } {
        total.add(&run_seed(seed));
    }
    println!("{total:?}");
    if let (Some(began), Some(ended)) = (began, cpu_ms()) {
        let used = (ended - began).max(1);
        println!(
            "{used} ms of processor time, {} times real time",
            total.simulated_ms / used
        );
    }
}

/// What this thread has computed so far, where the system tells.
fn cpu_ms() -> Option<u64> {
    let text = fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let nanoseconds: u64 = text.split_whitespace().next()?.parse().ok()?;
    Some(nanoseconds / 1_000_000)
}

/// The process may end in any of its writes, to a file or a socket, or in the middle of it.
#[test]
fn whichever_write_is_the_last_nothing_acknowledged_is_lost() {
    let writes = run_script(u64::MAX).writes;
    let apart = if is_long() { 1 } else { WRITES_APART };
    let mut ends = 0;
    for write in (1..=writes).step_by(apart as usize) {
        ends += run_script(write).lives - 1;
    }
    println!("{ends} ends within {writes} writes");
    assert!(ends >= writes / apart, "{ends} of {writes}");
}

/// Any call of the disk may go wrong: what is only half done is gone on with; else the session goes on without its journal,
/// which is a beginning of what happened, or nothing more is taken, and what was acknowledged is there.
#[test]
fn whichever_call_of_the_disk_goes_wrong_nothing_is_damaged() {
    let kinds = 2 * TROUBLES.len() as u64;
    let mut runs = 0;
    for kind in 0..kinds {
        let calls = run_troubled(u64::MAX, kind).calls;
        let apart = if is_long() { 1 } else { CALLS_APART };
        for call in (1 + kind..=calls).step_by(apart as usize) {
            run_troubled(call, kind);
            runs += 1;
        }
    }
    println!("{runs} calls went wrong");
    assert!(runs > kinds, "{runs} runs");
}
