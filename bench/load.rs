//! The load generator: `cargo bench --bench load`. It starts the release binary of this build on loopback, works
//! it through the scenarios of bench/README.md, measures the server's processor time and memory through `/proc`,
//! and prints one table. Beside every figure stands the floor (floor.rs), measured in the same run.
//!
//! `-- --smoke` runs everything in small, `-- SCENARIO...` only some, `-- --json` prints JSON,
//! `-- --server PATH` measures another binary.

mod client;
mod edits;
mod floods;
mod floor;
mod links;
mod lists;
mod pages;
mod process;
mod report;
mod scenarios;
mod small;
mod state;
mod subject;
mod system;
mod tls;
mod uploads;

use std::io;
use std::process::ExitCode;
use std::time::Instant;

use report::Report;
use subject::{FLOOR_MODE, Subject};

/// How much of everything: the full run takes about five minutes, the small one seconds.
pub struct Scale {
    pub starts: usize,
    pub idle_seconds: u64,
    pub attached_sessions: usize,
    pub new_sessions: usize,
    /// How often server and floor take turns in `sessions` and `actions`.
    pub rounds: usize,
    pub actions: usize,
    pub round_trips: usize,
    pub rows: usize,
    pub renders: usize,
    pub touches: usize,
    pub long_rows: usize,
    pub window_rows: usize,
    pub long_renders: usize,
    pub edits: usize,
    pub ticking_sessions: usize,
    pub tick_seconds: u64,
    pub saves: usize,
    pub uploads: usize,
    pub upload_mib: usize,
    /// Actions of which each waits for the disk.
    pub synced_actions: usize,
    pub sleepers: usize,
    /// How many events sessions have lived through before they sleep.
    pub ages: &'static [usize],
    /// Sessions that the server leaves behind when it is killed.
    pub left_sessions: usize,
    pub replayed_actions: usize,
    /// Of those that flood a server: connections, pages that never read and for how long, requests, attempts to connect,
    /// floods of messages.
    pub flooders: usize,
    pub deaf_pages: usize,
    pub deaf_seconds: u64,
    pub reservations: usize,
    pub attempts: usize,
    pub message_floods: usize,
    /// Of small hosts: people on the demo, and how long it is looked at what is written.
    pub small_pages: usize,
    pub flash_seconds: u64,
}

const FULL: Scale = Scale {
    starts: 15,
    idle_seconds: 3,
    attached_sessions: 500,
    new_sessions: 1200,
    rounds: 5,
    actions: 20_000,
    round_trips: 5000,
    rows: 1000,
    renders: 9,
    touches: 300,
    long_rows: 10_000,
    window_rows: 50_000,
    long_renders: 5,
    edits: 15,
    ticking_sessions: 1000,
    tick_seconds: 6,
    saves: 20,
    uploads: 5,
    upload_mib: 200,
    synced_actions: 300,
    sleepers: 20_000,
    ages: &[100, 1000, 10_000, 100_000],
    left_sessions: 1000,
    replayed_actions: 100_000,
    flooders: 1000,
    deaf_pages: 200,
    deaf_seconds: 20,
    reservations: 20_000,
    attempts: 10_000,
    message_floods: 20,
    small_pages: 50,
    flash_seconds: 180,
};

const SMOKE: Scale = Scale {
    starts: 2,
    idle_seconds: 1,
    attached_sessions: 20,
    new_sessions: 40,
    rounds: 1,
    actions: 400,
    round_trips: 100,
    rows: 20,
    renders: 1,
    touches: 5,
    long_rows: 60,
    window_rows: 300,
    long_renders: 1,
    edits: 2,
    ticking_sessions: 20,
    tick_seconds: 1,
    saves: 3,
    uploads: 1,
    upload_mib: 2,
    synced_actions: 20,
    sleepers: 300,
    ages: &[100, 1000],
    left_sessions: 20,
    replayed_actions: 1000,
    flooders: 20,
    deaf_pages: 3,
    deaf_seconds: 1,
    reservations: 300,
    attempts: 1100,
    message_floods: 1,
    small_pages: 3,
    flash_seconds: 2,
};

type Scenario = fn(&Subject, &Scale, &mut Report) -> io::Result<()>;

const SCENARIOS: [(&str, Scenario); 29] = [
    ("idle", scenarios::idle),
    ("memory", scenarios::memory),
    ("sessions", scenarios::sessions),
    ("actions", scenarios::actions),
    ("link", links::link),
    ("tls", tls::tls),
    ("list", pages::list),
    ("long-list", lists::long_list),
    ("window", lists::window),
    ("ticks", pages::ticks),
    ("edit", edits::edit),
    ("upload", uploads::upload),
    ("recording", state::recording),
    ("hibernation", state::hibernation),
    ("wake", state::wake),
    ("recovery", state::recovery),
    ("replay", state::replay),
    ("slow-heads", floods::slow_heads),
    ("header-bombs", floods::header_bombs),
    ("deaf", floods::deaf),
    ("reservations", floods::reservations),
    ("descriptors", floods::descriptors),
    ("connections", floods::connections),
    ("messages", floods::messages),
    ("small-host", small::small_host),
    ("idle-pages", small::idle_pages),
    ("flash", small::flash),
    ("first-load", pages::first_load),
    ("binary", pages::binary),
];

struct Options {
    smoke: bool,
    json: bool,
    server: String,
    chosen: Vec<String>,
}

fn main() -> ExitCode {
    if let Ok(mode) = std::env::var(FLOOR_MODE) {
        let served = floor::serve(mode == "ticks");
        eprintln!("the floor ended: {served:?}");
        return ExitCode::FAILURE;
    }
    let options = match parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(message) => {
            eprintln!("{message}");
            return ExitCode::from(2);
        }
    };
    system::raise_descriptor_limit();
    let scale = if options.smoke { SMOKE } else { FULL };
    let subject = Subject {
        binary: options.server,
    };
    let mut report = Report::default();
    let mut failed = false;
    for (name, run) in SCENARIOS {
        if !options.chosen.is_empty() && !options.chosen.iter().any(|chosen| chosen == name) {
            continue;
        }
        let started = Instant::now();
        let own_before = system::own_cpu_seconds();
        report.begin(name);
        if let Err(error) = run(&subject, &scale, &mut report) {
            eprintln!("{name}: failed: {error}");
            failed = true;
        }
        report.end(
            system::own_cpu_seconds() - own_before,
            started.elapsed().as_secs_f64(),
        );
    }
    print!(
        "{}",
        if options.json {
            report.json()
        } else {
            report.table()
        }
    );
    if failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

fn parse(arguments: impl Iterator<Item = String>) -> Result<Options, String> {
    let server = env!("CARGO_BIN_EXE_lunette").to_owned();
    let mut options = Options {
        smoke: false,
        json: false,
        server,
        chosen: Vec::new(),
    };
    let mut arguments = arguments;
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            // What `cargo bench` adds for harnesses of the usual kind.
            "--bench" => {}
            "--smoke" => options.smoke = true,
            "--json" => options.json = true,
            "--server" => {
                options.server = arguments
                    .next()
                    .ok_or("--server wants the path of a binary")?
            }
            name if SCENARIOS.iter().any(|(known, _)| *known == name) => {
                options.chosen.push(argument)
            }
            other => {
                let names: Vec<_> = SCENARIOS.iter().map(|(name, _)| *name).collect();
                return Err(format!(
                    "unknown argument {other}; the scenarios are: {}",
                    names.join(" ")
                ));
            }
        }
    }
    Ok(options)
}
