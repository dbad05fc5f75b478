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

/// The simulation with the number of `LUNETTE_SEED`, or the one that ends in write `LUNETTE_WRITE`; else a small one.
#[test]
fn one() {
    let outcome = match number("LUNETTE_WRITE") {
        Some(write) => run_script(write),
        None => run_seed(number("LUNETTE_SEED").unwrap_or(1)),
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
