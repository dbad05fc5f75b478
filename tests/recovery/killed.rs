//! Killed at random points under load: nothing that was acknowledged is lost, nothing happens twice.

use std::time::Duration;

use serde_json::json;

use super::page::Page;
use super::survives::{ADD, CREATE, MAIN, Place};
use crate::dice::Dice;

/// Crashes: the exact places are up to the machine, the script is not.
const CRASHES: usize = 100;
const CRASHES_LONG: usize = 1_000;
const PAGES: usize = 4;

#[test]
fn whenever_it_is_killed_each_action_happens_once() {
    let crashes = match std::env::var_os("LUNETTE_LONG") {
        Some(_) => CRASHES_LONG,
        None => CRASHES,
    };
    let mut dice = Dice::seeded(11);
    let mut place = Place::new(MAIN, &[]);
    let mut pages: Vec<(Page, u64)> = (0..PAGES)
        .map(|_| {
            let mut page = place.page();
            page.act(CREATE).expect("acknowledged");
            (page, 0)
        })
        .collect();
    for crash in 0..crashes {
        for _ in 0..dice.roll(12) {
            let (page, sent) = &mut pages[dice.roll(PAGES)];
            for _ in 0..=dice.roll(6) {
                *sent += 1;
                page.send(ADD).expect("sent");
            }
            if dice.roll(3) == 0 {
                page.settle().expect("acknowledged");
            }
        }
        std::thread::sleep(Duration::from_micros(dice.roll(3_000) as u64));
        let address = place.crash().address;
        for (page, sent) in &mut pages {
            page.resume(address).expect("it is there again");
            assert_eq!(page.greeting["resumed"], true, "crash {crash}");
            page.settle().expect("acknowledged");
            assert_eq!(page.value(2), Some(json!(*sent)), "crash {crash}");
        }
    }
}
