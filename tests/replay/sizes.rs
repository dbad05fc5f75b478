//! What journals write must be little enough for flash.

use crate::bench_journal::{ACTION, figures};

/// Most bytes and calls of `write`, and bytes stored in the tail, by the beginning of what a figure is of.
const MOST: [(&str, usize, usize, usize); 10] = [
    (
        "an action and its frame",
        40 + ACTION.len(),
        1,
        80 + ACTION.len(),
    ),
    ("the same action again", 30, 1, 70),
    ("a tick that shows something", 16, 1, 56),
    ("a tick that shows nothing", 16, 1, 56),
    (
        "an hour of ticks that show something",
        16 * 3600,
        1,
        48 * 3600,
    ),
    ("an hour of ticks that show nothing", 2000, 1, 2040),
    ("a day of steady ticks that show nothing", 40, 1, 80),
    (
        "a day of unsteady ticks that show nothing",
        45_000,
        1,
        46_000,
    ),
    (
        "a day of ticks that show something",
        16 * 86_400,
        17,
        48 * 86_400,
    ),
    ("a day of typing, 20,000 keys", 25 * 20_000, 5, 57 * 20_000),
];

#[test]
fn what_is_written_is_little_enough_for_flash() {
    let figures = figures();
    assert_eq!(figures.len(), MOST.len());
    for ((name, written), (of, bytes, calls, stored)) in figures.into_iter().zip(MOST) {
        assert_eq!(name, format!("journal: {of}"));
        assert!(
            written.bytes <= bytes && written.calls <= calls && written.stored <= stored,
            "{name}: {written:?}, at most {bytes} bytes in {calls} calls, {stored} stored"
        );
    }
}
