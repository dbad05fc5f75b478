//! All integration tests, one binary. A module a topic; each says in its first lines what it proves.

mod access;
mod auth;
mod base_client;
mod browser;
mod checkpoints;
mod client;
mod determinism;
mod dice;
mod fuzz;
mod golden;
mod guide;
mod hostile;
mod lists;
mod million;
mod monkey;
mod net;
mod operate;
mod properties;
mod recovery;
mod replay;
mod rfc6455;
mod sim;
mod soak;
mod suites;
mod testing;
mod tidy;
#[cfg(feature = "tls")]
mod tls;
mod turns;

/// The battery that its bench runs, too.
#[allow(dead_code, reason = "the bench uses the rest")]
#[path = "../bench/battery.rs"]
mod battery;
/// What journals write, which the bench prints.
#[allow(dead_code, reason = "the bench uses the rest")]
#[path = "../bench/journal.rs"]
mod bench_journal;
/// A disk that fails when it is told to.
#[allow(dead_code, reason = "the bench uses less")]
#[path = "../bench/disk.rs"]
mod memory_disk;
// What the load generator and the tests have in common: a client of the base protocol, a server as a
// child process, and what they ask of the system.
#[allow(dead_code, reason = "the load generator uses the rest")]
#[path = "../bench/client.rs"]
mod bench_client;
#[allow(dead_code, reason = "the load generator uses the rest")]
#[path = "../bench/process.rs"]
mod bench_process;
#[allow(dead_code, reason = "the load generator uses the rest")]
#[path = "../bench/system.rs"]
mod bench_system;
