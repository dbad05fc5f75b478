//! Whole servers with many sessions on a virtual clock and a virtual network: what users, networks, calendars and
//! editors do follows from a seed, and so does all that comes of it.
//!
//! - [`world`]: sockets and clocks for the server; [`net`]: pipes that delay, tear and break, and the agenda.
//! - [`disk`]: files that survive what files survive, and the death of the process between any two writes.
//! - [`tab`]: a browser's tab, with [`socket`] (HTTP, WebSocket), [`link`] (numbered frames, resuming) and [`page`]
//!   (variables, as [`template`]s ask for them), all written from the protocol and stricter than the client.
//! - [`town`]: who does what, what goes wrong, and what is asked when all is quiet; [`vandal`]: hostile peers.
//! - [`evidence`]: each thing that was done took effect once and in order; [`recordings`]: every session replays and
//!   is what its tabs saw.
//! - [`run`]: one simulation.

mod app;
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

use std::panic;

use run::{Outcome, Simulation};

/// Simulations of an ordinary test run; with `LUNETTE_LONG=1` as many times more.
const SEEDS: u64 = 40;
const LONGER: u64 = 50;
/// Things that happen between two silences, and silences.
const DEEDS: usize = 120;
const ROUNDS: usize = 2;

fn simulate(seed: u64) -> Outcome {
    let run = move || Simulation::new(seed, DEEDS, ROUNDS).run();
    match panic::catch_unwind(run) {
        Ok(outcome) => outcome,
        Err(reason) => {
            println!(
                "seed {seed} fails; again, and with LUNETTE_TRACE=1 event by event:\n  \
                 LUNETTE_SEED={seed} cargo test --test lunette -- sim::one --nocapture"
            );
            panic::resume_unwind(reason)
        }
    }
}

/// The simulation with the number of `LUNETTE_SEED`, else a small one.
#[test]
fn one() {
    let seed = std::env::var("LUNETTE_SEED").ok();
    let seed = seed.map_or(1, |seed| seed.parse().expect("LUNETTE_SEED is a number"));
    println!("{:?}", simulate(seed));
}

#[test]
fn many() {
    let long = std::env::var("LUNETTE_LONG").as_deref() == Ok("1");
    let mut total = Outcome::default();
    for seed in 1..=SEEDS * if long { LONGER } else { 1 } {
        total.add(&simulate(seed));
    }
    println!("{total:?}");
}
