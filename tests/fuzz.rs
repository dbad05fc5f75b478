//! What comes from outside, mutated a fixed number of times from fixed seeds and a corpus: nothing panics, and what
//! each target of `tests/fuzz/targets` promises holds. `cargo bench --bench fuzz` runs as many as one likes, and
//! `LUNETTE_LONG` a minute's worth of each.

mod generator;
pub mod targets;

use generator::fuzz;
use targets::{TARGETS, Target};

/// Executions of a target that take some seconds.
fn executions(target: &Target) -> u64 {
    match std::env::var_os("LUNETTE_LONG") {
        Some(_) => 50 * target.some,
        None => target.some,
    }
}

fn run(name: &str) {
    let target = TARGETS.iter().find(|target| target.name == name);
    let target = target.expect("a target of this name");
    let outcome = fuzz(target, executions(target), 1);
    println!("{name}: {outcome}");
    assert!(
        outcome.classes >= target.classes,
        "{name} reached {} kinds of outcomes, once it was {}: its corpus or what is told apart has gone",
        outcome.classes,
        target.classes
    );
}

#[test]
fn heads_of_requests() {
    run("http-head");
}

#[test]
fn websockets_whole_in_pieces_and_stalled() {
    run("websocket");
}

#[test]
fn frames_of_messages() {
    run("message");
}

#[test]
fn journals() {
    run("journal");
}

#[test]
fn paths_of_files() {
    run("static-path");
}

#[test]
fn paths_of_variables() {
    run("path");
}

#[test]
fn viewdefs() {
    run("viewdef");
}

#[test]
fn every_target_has_a_test() {
    let here = include_str!("fuzz.rs");
    for target in TARGETS {
        assert!(
            here.contains(&format!("run(\"{}\")", target.name)),
            "{}",
            target.name
        );
    }
}
