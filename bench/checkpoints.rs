//! Benches of freezing and thawing a session, by how long it has lived; what a sleeping one takes.

use std::hint::black_box;
use std::time::Instant;

use lunette::core::event::{Event, Opening, Turn};
use lunette::core::id::{ConnectionId, SessionId};
use lunette::core::manager::{Dormant, ManagerConfig, SessionManager};
use lunette::core::site::Site;
use lunette::lua::LuaRuntime;
use lunette::wire::read_batch;

use crate::dice::Dice;
use crate::monkey::{Monkey, site};
use crate::turns::resident_kib;
use crate::{Harness, print_line};

const SESSION: SessionId = SessionId(1);
const ROUNDS: usize = 50;
/// How many sessions sleep side by side to measure the memory of one.
const SLEEPERS: u64 = 100_000;

pub fn run(harness: &Harness) {
    let ages: &[usize] = if harness.smoke {
        &[1]
    } else {
        &[1, 100, 10_000]
    };
    let name = "freeze: a sleeping session in the manager";
    if harness.wants(name) {
        measure_sleepers(name);
    }
    for site in ["counter", "address_book"] {
        for &age in ages {
            let name = format!("freeze: {site}, {age} events");
            if harness.wants(&name) {
                measure(harness, &name, site, age);
            }
        }
    }
}

fn runtime() -> LuaRuntime {
    LuaRuntime::new().expect("a runtime can be made")
}

/// Prints what the manager keeps of a session that sleeps, with a deadline and two topics of which one
/// is its own.
fn measure_sleepers(name: &str) {
    let mut manager = SessionManager::new(runtime(), ManagerConfig::default());
    let before = resident_kib();
    for n in 1..=SLEEPERS {
        let dormant = Dormant {
            due: Some(n * 1_000),
            ends: true,
            topics: Some(vec!["all".into(), format!("user {n}").into()]),
        };
        manager.restore_dormant(SessionId(n), &dormant);
    }
    let bytes = (resident_kib() - before) * 1024.0 / SLEEPERS as f64;
    black_box(&manager);
    println!("{name:<52} {bytes:>21.0} bytes");
}

/// Prints the bytes of a session of this age, and what freezing and thawing it take.
fn measure(harness: &Harness, name: &str, site_name: &str, age: usize) {
    let site = site(site_name);
    let mut manager = aged(&site, age);
    let rounds = if harness.smoke { 1 } else { ROUNDS };
    let (mut freezing, mut thawing) = (Vec::new(), Vec::new());
    let mut bytes = 0;
    for _ in 0..rounds {
        let started = Instant::now();
        let frozen = black_box(manager.freeze(SESSION)).expect("it can be frozen");
        freezing.push(started.elapsed().as_secs_f64() * 1e6);
        bytes = frozen.len();
        manager.end(SESSION, "it is thawed next");
        let limits = ManagerConfig::default().limits;
        let started = Instant::now();
        let thawed = black_box(manager.thaw(SESSION, &frozen, site.clone(), limits));
        thawing.push(started.elapsed().as_secs_f64() * 1e6);
        thawed.expect("it can be thawed");
        while manager.poll_effect().is_some() {}
    }
    for (what, mut times) in [("", freezing), (", back", thawing)] {
        times.sort_by(f64::total_cmp);
        print_line(
            &format!("{name}{what}"),
            times[0],
            times[times.len() / 2],
            "us",
        );
    }
    println!("{:<52} {bytes:>21} bytes", format!("{name}, size"));
}

/// A session in whose page so much has happened.
fn aged(site: &Site, age: usize) -> SessionManager<LuaRuntime> {
    let config = ManagerConfig {
        site: site.clone(),
        ..ManagerConfig::default()
    };
    let mut manager = SessionManager::new(runtime(), config);
    let mut turn = Turn::default();
    let mut happens = |event| {
        turn.now += 20;
        manager.handle_event(event, turn);
        while manager.poll_effect().is_some() {}
    };
    let (session, connection) = (SESSION, ConnectionId(1));
    happens(Event::SessionOpened {
        session,
        opening: Opening::default(),
    });
    happens(Event::FrontendJoined {
        session,
        connection,
    });
    let mut monkey = Monkey::new(site);
    let mut dice = Dice::seeded(1);
    for n in 0..age {
        let frame = match n {
            0 => monkey.greeting(),
            _ => monkey.act(&mut dice),
        };
        happens(Event::BatchReceived {
            session,
            connection,
            batch: read_batch(&frame),
        });
    }
    manager
}
