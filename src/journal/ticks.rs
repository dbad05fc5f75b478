//! Ticks: timers that led to nothing anybody saw, many in a few bytes.
//!
//! Each has its exact time as the distance from the turn before: of `now`, and how much more (or less)
//! `wall` went on. A timer of steady period has few distances, so each distance is written once, and a
//! tick is half a byte that says which; a run of the same one is a count.

use crate::core::code::{unzigzag, zigzag};
use crate::core::event::Turn;

/// Distances that half a byte can name; the two codes above are for the rest.
const BOOK_MAX: usize = 14;
const RUN: u8 = 14;
const NEW: u8 = 15;
/// A run shorter than this is not worth its count.
const RUN_MIN: u64 = 3;

/// How far a turn lies behind the one before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Step {
    pub now: i64,
    /// What the wall clock went on beyond that.
    pub drift: i64,
}

impl Step {
    pub fn between(before: Turn, after: Turn) -> Step {
        let now = after.now.wrapping_sub(before.now) as i64;
        let wall = after.wall.wrapping_sub(before.wall);
        Step {
            now,
            drift: wall.wrapping_sub(now),
        }
    }

    pub fn after(self, before: Turn) -> Turn {
        Turn {
            now: before.now.wrapping_add(self.now as u64),
            wall: before.wall.wrapping_add(self.now).wrapping_add(self.drift),
        }
    }
}

/// Ticks that are not written yet.
#[derive(Debug, Default)]
pub(super) struct Ticks {
    count: u64,
    book: Vec<Step>,
    last: Option<Step>,
    /// How often `last` is to be repeated.
    run: u64,
    nibbles: Nibbles,
}

impl Ticks {
    pub fn push(&mut self, step: Step) {
        self.count += 1;
        if self.last == Some(step) {
            self.run += 1;
            return;
        }
        self.end_run();
        self.write(step);
        self.last = Some(step);
    }

    fn write(&mut self, step: Step) {
        if let Some(place) = self.book.iter().position(|&known| known == step) {
            self.nibbles.push(place as u8);
            return;
        }
        self.nibbles.push(NEW);
        self.nibbles.push_number(zigzag(step.now));
        self.nibbles.push_number(zigzag(step.drift));
        if self.book.len() < BOOK_MAX {
            self.book.push(step);
        }
    }

    fn end_run(&mut self) {
        let run = std::mem::take(&mut self.run);
        if run >= RUN_MIN {
            self.nibbles.push(RUN);
            self.nibbles.push_number(run - RUN_MIN);
        } else if let Some(last) = self.last {
            (0..run).for_each(|_| self.write(last));
        }
    }

    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Bytes they take so far.
    pub fn len(&self) -> usize {
        self.nibbles.bytes.len()
    }

    /// How many there are, and their encoding; none are left.
    pub fn take(&mut self) -> (u64, Vec<u8>) {
        self.end_run();
        let taken = std::mem::take(self);
        (taken.count, taken.nibbles.bytes)
    }
}

/// Half bytes, the low one of a byte first.
#[derive(Debug, Default)]
struct Nibbles {
    bytes: Vec<u8>,
    half: bool,
}

impl Nibbles {
    fn push(&mut self, nibble: u8) {
        match self.bytes.last_mut() {
            Some(last) if self.half => *last |= nibble << 4,
            _ => self.bytes.push(nibble),
        }
        self.half = !self.half;
    }

    /// Three bits a nibble, low ones first, the top bit set on all but the last.
    fn push_number(&mut self, mut number: u64) {
        while number >= 8 {
            self.push(8 | (number & 7) as u8);
            number >>= 3;
        }
        self.push(number as u8);
    }
}

/// Reads what [`Ticks::take`] gave.
#[derive(Clone, Debug, Default)]
pub(super) struct TickReader<'a> {
    left: u64,
    bytes: &'a [u8],
    at: usize,
    book: Vec<Step>,
    last: Option<Step>,
    run: u64,
}

impl<'a> TickReader<'a> {
    pub fn new(count: u64, bytes: &'a [u8]) -> TickReader<'a> {
        TickReader {
            left: count,
            bytes,
            ..TickReader::default()
        }
    }

    /// The next one; `None`: there is none, or it cannot be read.
    pub fn next(&mut self) -> Option<Step> {
        self.left = self.left.checked_sub(1)?;
        if self.run > 0 {
            self.run -= 1;
            return self.last;
        }
        let step = match self.nibble()? {
            RUN => {
                self.run = self.number()?.checked_add(RUN_MIN - 1)?;
                return self.last;
            }
            NEW => {
                let step = Step {
                    now: unzigzag(self.number()?),
                    drift: unzigzag(self.number()?),
                };
                if self.book.len() < BOOK_MAX {
                    self.book.push(step);
                }
                step
            }
            place => *self.book.get(usize::from(place))?,
        };
        self.last = Some(step);
        self.last
    }

    /// Whether all were read, and nothing is left over.
    pub fn is_done(&self) -> bool {
        self.left == 0 && self.run == 0 && self.at.div_ceil(2) == self.bytes.len()
    }

    fn nibble(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at / 2)?;
        let nibble = if self.at.is_multiple_of(2) {
            byte & 15
        } else {
            byte >> 4
        };
        self.at += 1;
        Some(nibble)
    }

    fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(3) {
            let nibble = self.nibble()?;
            let bits = u64::from(nibble & 7);
            if shift == 63 && bits > 1 {
                return None;
            }
            number |= bits << shift;
            if nibble & 8 == 0 {
                return Some(number);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn back(steps: &[Step]) -> usize {
        let mut ticks = Ticks::default();
        steps.iter().for_each(|&step| ticks.push(step));
        let (count, bytes) = ticks.take();
        assert!(ticks.is_empty());
        let mut reader = TickReader::new(count, &bytes);
        for (i, step) in steps.iter().enumerate() {
            assert_eq!(reader.next(), Some(*step), "{i}");
        }
        assert!(reader.is_done());
        assert_eq!(reader.next(), None);
        bytes.len()
    }

    fn step(now: i64, drift: i64) -> Step {
        Step { now, drift }
    }

    #[test]
    fn every_step_comes_back() {
        for long in 0..12 {
            back(&vec![step(1000, 0); long]);
        }
        let wild: Vec<Step> = (0..100)
            .map(|i| step((i * i) % 19 - 3, i % 5 - 2))
            .collect();
        back(&wild);
        back(&[
            step(i64::MAX, i64::MIN),
            step(i64::MIN, i64::MAX),
            step(0, 0),
        ]);
    }

    #[test]
    fn a_steady_day_costs_next_to_nothing_and_an_unsteady_one_half_a_byte_a_tick() {
        assert!(back(&vec![step(1000, 0); 86_400]) <= 8);
        let unsteady: Vec<Step> = (0..86_400)
            .map(|i| step(1000 + i * 7 % 3, (i * 5 % 3) - 1))
            .collect();
        assert!(back(&unsteady) <= 43_300);
    }

    #[test]
    fn turns_survive_a_clock_that_is_set_back() {
        let before = Turn { now: 5, wall: 9 };
        for after in [
            Turn { now: 6, wall: -1 },
            Turn {
                now: u64::MAX,
                wall: i64::MIN,
            },
        ] {
            assert_eq!(Step::between(before, after).after(before), after);
        }
    }

    #[test]
    fn nonsense_ends() {
        for bytes in [&[][..], &[0], &[0xfe], &[0xff; 40], &[14]] {
            let mut reader = TickReader::new(5, bytes);
            while reader.next().is_some() {}
            assert!(!reader.is_done() || reader.left > 0, "{bytes:?}");
        }
    }
}
