//! Nothing typed is ever lost and no call is made twice, whatever the network does: the client's own modules in a
//! JavaScript engine against the real core, over a network that delays, cuts and forgets, on a virtual clock.
//!
//! - [`engine`]: the modules of `src/web` that need no page, and `page.js` around them.
//! - `modules.js`: checks of single modules.
//! - [`shell`]: core and links without sockets.
//! - [`schedule`]: a seeded walk through the app under a seeded network, and what must hold at its end.

mod engine;
mod schedule;
mod shell;

use schedule::{Faults, Schedule};

/// As many schedules; `LUNETTE_SEED=N` runs only that one, and with `LUNETTE_TRACE=1` it tells what arrived when.
fn run_all(count: u64, faults: &Faults) {
    let only = std::env::var("LUNETTE_SEED").ok();
    let only: Option<u64> = only.map(|seed| seed.parse().expect("LUNETTE_SEED is a number"));
    let mut totals = schedule::Totals::default();
    for seed in only.map_or(1..=count, |seed| seed..=seed) {
        totals.add(&Schedule::new(seed, faults).run());
    }
    println!("{totals:?}");
    if only.is_none() {
        faults.check(&totals);
    }
}

/// Paths, keys, links and the outbox, one by one.
#[test]
fn modules_that_need_no_page_do_what_they_say() {
    let complaints = engine::Engine::start().complaints();
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

/// Cuts that all end within the window: each view goes on.
#[test]
fn after_any_cut_the_view_goes_on_and_equals_one_that_was_never_cut() {
    run_all(600, &Faults::CUTS);
}

/// Cuts that last too long, bring too much, or after which the two ends do not have the same history: the present
/// state in full, nothing typed lost, no call lost or made twice.
#[test]
fn a_view_that_cannot_go_on_is_made_anew_and_nothing_is_lost() {
    run_all(400, &Faults::ANEW);
}
