//! Frozen sessions, sleeping ones and ones that are made again: what comes of every later event is what
//! would have come of it had nothing of that happened. The oracle is always a session that just lived on.

mod addresses;
mod damage;
mod sleep;
mod twin;

use std::collections::BTreeMap;

use lunette::core::event::{Event, Opening, Turn};
use lunette::core::id::{ConnectionId, SessionId};
use lunette::core::manager::{ManagerConfig, SessionManager};
use lunette::core::site::Site;
use lunette::journal::{Output, Reader};
use lunette::lua::LuaRuntime;
use lunette::replay::{Recorded, to_event};
use lunette::wire::read_batch;

use crate::dice::Dice;
use crate::monkey::{Monkey, site};
use twin::Twin;

/// After which events a session is frozen and thawed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Often {
    /// After each of them.
    Always,
    /// After the first ones and some of the later ones, where each takes a while.
    Sometimes,
}

impl Often {
    fn is_due(self, event: usize) -> bool {
        self == Often::Always || event < 6 || event.is_multiple_of(16)
    }
}

/// Runs a recording again, frozen and thawed again and again.
///
/// # Errors
/// What differs, and after which event; or what cannot be carried.
pub fn survives(reader: &Reader, often: Often) -> Result<(), String> {
    let header = reader.header();
    let config = ManagerConfig {
        site: header.site.clone(),
        limits: header.limits.clone(),
        verbosity: 4,
    };
    let mut twin = Twin::new(config);
    twin.looks = often == Often::Always;
    for (number, record) in reader.records().enumerate() {
        let event = to_event(&record.event, header.session, twin.plain().site());
        twin.set_outside(|| Box::new(Recorded::of(&record)));
        let done = twin.handle(event, record.turn);
        // What it publishes to itself arrives by the recording.
        while twin.take_message()?.is_some() {}
        done.and_then(|_| match often.is_due(number) {
            true => twin.checkpoint(),
            false => Ok(()),
        })
        .map_err(|text| format!("record {}: {text}", record.sequence))?;
    }
    match twin.refusals.first() {
        Some(reason) => Err(format!("it cannot be frozen: {reason}")),
        None => Ok(()),
    }
}

/// What came out, frames byte for byte.
fn effects(manager: &mut SessionManager<LuaRuntime>) -> Vec<String> {
    let mut frame = Vec::new();
    let mut all = Vec::new();
    while let Some(effect) = manager.poll_effect() {
        all.push(match Output::of(&effect, &mut frame) {
            Some(output) => output.to_string(),
            None => format!("{effect:?}"),
        });
    }
    all
}

/// A few sessions of a site with a few pages each, at which monkeys sit.
struct Zoo {
    twin: Twin,
    turn: Turn,
    dice: Dice,
    site: Site,
    /// Who sits at which connection of which session.
    pages: Vec<(SessionId, ConnectionId, Monkey)>,
    joined: BTreeMap<SessionId, u64>,
}

impl Zoo {
    fn open(name: &str, seed: u64) -> Zoo {
        let site = site(name);
        let config = ManagerConfig {
            site: site.clone(),
            verbosity: 4,
            ..ManagerConfig::default()
        };
        let mut zoo = Zoo {
            twin: Twin::new(config),
            turn: Turn {
                now: 1_000,
                wall: 1_704_067_200_000,
            },
            dice: Dice::seeded(seed),
            site,
            pages: Vec::new(),
            joined: BTreeMap::new(),
        };
        for id in 1..=2 {
            let session = SessionId(id);
            let opening = Opening {
                seed: seed + id,
                url: "/".into(),
                ..Opening::default()
            };
            zoo.happens(Event::SessionOpened { session, opening });
            zoo.join(session);
        }
        zoo
    }

    fn happens(&mut self, event: Event) {
        let done = self.twin.handle(event, self.turn);
        done.unwrap_or_else(|text| panic!("{text}"));
    }

    fn join(&mut self, session: SessionId) {
        let joined = self.joined.entry(session).or_default();
        *joined += 1;
        let connection = ConnectionId(*joined);
        self.happens(Event::FrontendJoined {
            session,
            connection,
        });
        let mut monkey = Monkey::new(&self.site);
        let frame = monkey.greeting();
        self.pages.push((session, connection, monkey));
        self.receives(session, connection, &frame);
    }

    fn receives(&mut self, session: SessionId, connection: ConnectionId, frame: &str) {
        self.happens(Event::BatchReceived {
            session,
            connection,
            batch: read_batch(frame),
        });
    }

    fn step(&mut self) {
        self.turn.now += self.dice.roll(30) as u64;
        self.turn.wall += self.dice.roll(30) as i64;
        match self.dice.roll(40) {
            0 | 5 => {
                let session = SessionId(1 + self.dice.roll(2) as u64);
                self.join(session);
            }
            1 | 4 if !self.pages.is_empty() => {
                let gone = self.dice.roll(self.pages.len());
                let (session, connection, _) = self.pages.swap_remove(gone);
                self.happens(Event::FrontendLeft {
                    session,
                    connection,
                });
            }
            2 => self.turn.now += 100_000,
            3 => self.edit(),
            _ if !self.pages.is_empty() => {
                let at = self.dice.roll(self.pages.len());
                let (session, connection, monkey) = &mut self.pages[at];
                let (session, connection) = (*session, *connection);
                let frame = match self.dice.roll(3) {
                    0 => monkey.act(&mut self.dice),
                    _ => monkey.frame(&mut self.dice),
                };
                self.receives(session, connection, &frame);
            }
            _ => {}
        }
        self.settle();
    }

    /// A file of the site is edited, or restored.
    fn edit(&mut self) {
        let files: Vec<(&str, &[u8])> = self.site.files().collect();
        let (path, content) = files[self.dice.roll(files.len())];
        let mut content = content.to_vec();
        if self.dice.roll(2) == 0 && path.ends_with(".lua") {
            content.extend_from_slice(b"\n-- edited\n");
        }
        let edits = BTreeMap::from([(path.to_owned(), Some(content))]);
        let change = self.twin.plain().site().edit(edits);
        for session in self.twin.plain().session_ids() {
            let change = change.clone();
            self.happens(Event::SiteChanged { session, change });
        }
    }

    /// What was published arrives, and what is due happens.
    fn settle(&mut self) {
        while let Some(event) = self.twin.take_message().unwrap_or_else(|e| panic!("{e}")) {
            self.happens(event);
        }
        let now = self.turn.now;
        for _ in 0..50 {
            let Some(session) = self.twin.plain().next_due(now) else {
                break;
            };
            self.happens(Event::TimersDue { session });
        }
    }
}

#[test]
fn whatever_a_page_does_a_thawed_session_goes_on_alike() {
    let sites = [
        "adder",
        "address_book",
        "counter",
        "jobs",
        "list",
        "longlist",
        "messages",
        "paths",
        "tasks",
        "ticks",
        "typing",
    ];
    let mut sums = [0; 4];
    for (name, seed) in sites.into_iter().flat_map(|name| [(name, 1), (name, 2)]) {
        let mut zoo = Zoo::open(name, seed);
        for step in 0..60 {
            zoo.step();
            let same = match zoo.dice.roll(8) {
                0..3 => zoo.twin.checkpoint(),
                session @ (3 | 4) => zoo.twin.doze(SessionId(session as u64 - 2)),
                _ => Ok(()),
            };
            same.unwrap_or_else(|text| panic!("{name}, seed {seed}, step {step}: {text}"));
        }
        let twin = &zoo.twin;
        assert!(twin.refusals.is_empty(), "{name}: {:?}", twin.refusals);
        let [values, errors] = twin.told;
        let done = [twin.checkpoints, twin.woken, values, errors];
        sums.iter_mut()
            .zip(done)
            .for_each(|(sum, done)| *sum += done);
    }
    let [checkpoints, woken, values, errors] = sums;
    let much = checkpoints > 100 && woken > 20 && values > 1_000 && errors > 1_000;
    assert!(much, "the monkeys were lazy: {sums:?}");
}
