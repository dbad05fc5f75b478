//! Inputs: mutations of a corpus and of what of them came out in a new way. The same seed makes the same inputs, and the
//! one under way is printed when a target panics.

use std::collections::BTreeSet;
use std::fmt;

use super::targets::Target;

/// What a run came to.
pub struct Outcome {
    pub executions: u64,
    /// How many kinds of outcomes there were.
    pub classes: usize,
    /// Inputs that are mutated further.
    pub pool: usize,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Outcome {
            executions,
            classes,
            pool,
        } = self;
        write!(
            f,
            "{executions} executions, {classes} kinds of outcomes, {pool} inputs to mutate"
        )
    }
}

/// Longer inputs show nothing that shorter ones do not, and take longer.
const INPUT_MAX: usize = 4096;
const POOL_MAX: usize = 4096;
/// Mutations of one input, at most.
const STEPS_MAX: usize = 6;
/// Bytes at which things end or begin.
const BOUNDS: [u8; 16] = [
    0, 1, 2, 9, 10, 13, 31, 32, 47, 125, 126, 127, 128, 0xbf, 0xc0, 0xff,
];

/// Runs a target so often.
pub fn fuzz(target: &Target, executions: u64, seed: u64) -> Outcome {
    let mut pool = (target.corpus)();
    let mut classes = BTreeSet::new();
    for input in &pool {
        classes.insert(execute(target, input));
    }
    let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let mut input = Vec::new();
    for _ in 0..executions {
        input.clear();
        input.extend_from_slice(&pool[dice.roll(pool.len())]);
        for _ in 0..=dice.roll(STEPS_MAX) {
            mutate(&mut input, &pool, target.words, &mut dice);
        }
        let longest = target.longest.unwrap_or(INPUT_MAX);
        input.truncate(longest);
        if classes.insert(execute(target, &input)) && pool.len() < POOL_MAX {
            pool.push(input.clone());
        }
    }
    Outcome {
        executions,
        classes: classes.len(),
        pool: pool.len(),
    }
}

fn execute(target: &Target, input: &[u8]) -> u64 {
    let shown = Shown(target.name, input);
    let class = (target.run)(input);
    drop(shown);
    class
}

/// An input that is printed if what is done with it panics.
struct Shown<'a>(&'a str, &'a [u8]);

impl Drop for Shown<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}: {}", self.0, self.1.escape_ascii());
        }
    }
}

fn mutate(input: &mut Vec<u8>, pool: &[Vec<u8>], words: &[&str], dice: &mut Dice) {
    let at = dice.roll(input.len() + 1);
    let reach = (input.len() - at).min(1 << dice.roll(8));
    let length = dice.roll(reach + 1);
    match dice.roll(10) {
        0 if at < input.len() => input[at] ^= 1 << dice.roll(8),
        1 if at < input.len() => input[at] = BOUNDS[dice.roll(BOUNDS.len())],
        2 if at < input.len() => {
            input[at] = input[at].wrapping_add(dice.roll(7) as u8).wrapping_sub(3)
        }
        3 => drop(input.drain(at..at + length)),
        4 => {
            let part = input[at..at + length].to_vec();
            let to = dice.roll(input.len() + 1);
            input.splice(to..to, part);
        }
        5 => {
            let other = &pool[dice.roll(pool.len())];
            let from = dice.roll(other.len() + 1);
            input.truncate(at);
            input.extend_from_slice(&other[from..]);
        }
        6 => {
            let bytes: Vec<u8> = (0..=dice.roll(8)).map(|_| dice.roll(256) as u8).collect();
            input.splice(at..at, bytes);
        }
        7 => input.truncate(at),
        // Much of one thing.
        8 if at < input.len() => {
            let part = input[at..(at + 1 + length).min(input.len())].to_vec();
            let part = part.repeat(1 << dice.roll(8));
            input.splice(at..at, part.into_iter().take(INPUT_MAX));
        }
        _ if words.is_empty() => input.insert(at, dice.roll(256) as u8),
        _ => {
            let word = words[dice.roll(words.len())];
            input.splice(at..at, word.bytes());
        }
    }
}

/// The same everywhere (xorshift64).
pub struct Dice(pub u64);

impl Dice {
    /// From 0 up, below `sides`.
    pub fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) as usize % sides
    }
}
