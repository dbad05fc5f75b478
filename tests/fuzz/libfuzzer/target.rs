//! Every target: which one it is, the name of the program says.

#![no_main]

#[allow(dead_code, reason = "libFuzzer makes the inputs")]
#[path = "../generator.rs"]
mod generator;
#[allow(dead_code, reason = "and has a corpus of its own")]
#[path = "../targets/mod.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let named = |target: &&targets::Target| target.name == env!("CARGO_BIN_NAME");
    let target = targets::TARGETS.iter().find(named);
    (target.expect("a target of this name").run)(data);
});
