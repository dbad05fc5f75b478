//! The fuzzing targets of the tests, as often as one likes: `cargo bench --bench fuzz -- TARGET.. --runs 10000000`; without a
//! name all of them. `--seed N` begins elsewhere. An input at which a target panics is printed.

#[path = "../tests/fuzz/generator.rs"]
mod generator;
#[path = "../tests/fuzz/targets/mod.rs"]
mod targets;

use std::time::Instant;

use generator::fuzz;
use targets::TARGETS;

/// What part of the runs of a test shows that a target runs at all.
const SMOKE_PART: u64 = 50;

fn main() {
    let (mut runs, mut smoke, mut seed, mut names) = (None, false, 1, Vec::new());
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut number = |what: &str| -> u64 {
            let number = arguments.next().and_then(|text| text.parse().ok());
            number.unwrap_or_else(|| panic!("{what} wants a number"))
        };
        match argument.as_str() {
            "--bench" => {}
            "--smoke" => smoke = true,
            "--runs" => runs = Some(number("--runs")),
            "--seed" => seed = number("--seed"),
            _ => names.push(argument),
        }
    }
    for target in TARGETS {
        if !names.is_empty() && !names.iter().any(|name| name == target.name) {
            continue;
        }
        let usual = match smoke {
            true => target.some / SMOKE_PART,
            false => target.some * SMOKE_PART,
        };
        let runs = runs.unwrap_or(usual);
        let began = Instant::now();
        let outcome = fuzz(target, runs, seed);
        let seconds = began.elapsed().as_secs_f64();
        println!(
            "{:<12} {outcome}; {seconds:.1} s, {:.0}/s",
            target.name,
            runs as f64 / seconds
        );
        if runs >= target.some && outcome.classes < target.classes {
            println!(
                "             in the tests there are {} kinds of outcomes",
                target.classes
            );
        }
    }
}
