//! What journals write: bytes and calls of an action, of ticks and of days of them, as a server would keep them.
//! Shared by the bench, which prints them, and a test, which holds them to what flash can bear.

use std::path::Path;
use std::rc::Rc;

use lunette::core::effect::Effect;
use lunette::core::event::{Opening, Turn};
use lunette::core::id::{ConnectionId, SessionId};
use lunette::core::limits::SessionLimits;
use lunette::core::manager::{ManagerConfig, SessionManager};
use lunette::core::site::Site;
use lunette::journal::{Detail, Disk, Header, Output, RawEvent, Rules, Store, Writer};
use lunette::lua::LuaRuntime;
use lunette::replay::to_event;

use crate::memory_disk::{MemoryDisk, Written};

const SESSION: SessionId = SessionId(1);
const TAB: ConnectionId = ConnectionId(5);
const START: i64 = 1_700_000_000_000;

const COUNTER: &str = include_str!("../tests/sites/counter/lua/main.lua");
const OPEN: &str = r#"[{"type":"watch","data":{"varId":1}},{"type":"create","data":{"id":2,"parentId":1,"properties":{"path":"count"}}},{"type":"create","data":{"id":3,"parentId":1,"properties":{"path":"increment()","access":"action"}}},{"type":"create","data":{"id":4,"parentId":1,"properties":{"path":"name"}}}]"#;
pub const ACTION: &str =
    r#"{"userEvent":true,"messages":[{"type":"update","data":{"varId":3,"value":null}}]}"#;
const TICKING: &str = "local App = session:prototype('App', { count = 0, hidden = 0 })
local app = session:create(App)
session:createAppVariable(app)
session:setInterval(function() app.FIELD = app.FIELD + 1 end, 1000)";

/// A session as a server runs it, with its journal.
pub struct Journaled {
    manager: SessionManager<LuaRuntime>,
    writer: Option<Writer>,
    /// Whose lock it holds.
    _store: Store,
    frame: Vec<u8>,
    turn: Turn,
}

impl Journaled {
    /// Its state directory is `dir` on this disk.
    pub fn new(main: &str, detail: Detail, disk: Rc<dyn Disk>, dir: &Path) -> Journaled {
        let files = [("lua/main.lua".to_owned(), main.as_bytes().to_vec())];
        let config = ManagerConfig {
            site: Site::new(files.into_iter().collect()),
            limits: SessionLimits::default(),
            verbosity: 0,
        };
        let store = Store::open(disk, dir, Rules::default()).expect("a store");
        let limits = SessionLimits::default();
        let header = Header {
            sid: "0123456789abcdef0123456789abcdef".into(),
            started: START,
            detail,
            ..Header::here(SESSION, config.site.clone(), limits, 0, "bench")
        };
        let writer = store.create(&header).expect("a journal");
        let runtime = LuaRuntime::new().expect("the runtime can be made");
        let mut journaled = Journaled {
            manager: SessionManager::new(runtime, config),
            writer: Some(writer),
            _store: store,
            frame: Vec::new(),
            turn: Turn {
                now: 0,
                wall: START,
            },
        };
        let opening = Opening {
            seed: 5,
            url: "/",
            ..Opening::default()
        };
        journaled.take(&RawEvent::SessionOpened(opening));
        journaled.take(&RawEvent::FrontendJoined { connection: TAB });
        journaled.receive(OPEN);
        journaled
    }

    /// The counter of the test sites, on screen.
    pub fn counter(detail: Detail, disk: Rc<dyn Disk>, dir: &Path) -> Journaled {
        Journaled::new(COUNTER, detail, disk, dir)
    }

    /// From now on nothing is written down: to compare with.
    pub fn stop_writing(&mut self) {
        self.writer = None;
    }

    pub fn receive(&mut self, text: &str) {
        self.take(&RawEvent::Frame {
            connection: TAB,
            text,
        });
    }

    /// Lets time pass and runs what is due then.
    pub fn tick(&mut self, ms: u64, drift: i64) {
        self.turn.now += ms;
        self.turn.wall += ms as i64 + drift;
        while self.manager.next_due(self.turn.now).is_some() {
            self.take(&RawEvent::TimersDue);
        }
    }

    /// One event in a turn of its own.
    fn take(&mut self, raw: &RawEvent<'_>) {
        let event = to_event(raw, SESSION, self.manager.site());
        if let Some(writer) = &mut self.writer {
            writer.event(self.turn, raw);
        }
        self.manager.handle_event(event, self.turn);
        while let Some(effect) = self.manager.poll_effect() {
            match &mut self.writer {
                Some(writer) => {
                    if let Some(output) = Output::of(&effect, &mut self.frame) {
                        writer.output(&output);
                    }
                }
                None => {
                    if let Effect::Send { batch, .. } = &effect {
                        self.frame.clear();
                        lunette::wire::write_batch(batch, &mut self.frame);
                    }
                }
            }
        }
        if let Some(writer) = &mut self.writer {
            writer.commit().expect("written");
        }
    }

    /// What was written while `act` ran, and what it left to be written.
    fn measure(&mut self, disk: &MemoryDisk, act: impl FnOnce(&mut Journaled)) -> Written {
        self.flush();
        let before = disk.written();
        act(self);
        self.flush();
        let after = disk.written();
        Written {
            calls: after.calls - before.calls,
            bytes: after.bytes - before.bytes,
            stored: after.stored - before.stored,
        }
    }

    fn flush(&mut self) {
        if let Some(writer) = &mut self.writer {
            writer.flush().expect("written");
        }
    }
}

/// Waking late by a millisecond or two, as a loaded machine does, while another clock is adjusted.
fn unsteady(i: u64) -> (u64, i64) {
    let dice = i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
    (1000 + dice % 3, (dice / 3 % 3) as i64 - 1)
}

const DAY: u64 = 86_400;
const KEYS: usize = 20_000;

/// All figures, each with what it is of.
pub fn figures() -> Vec<(&'static str, Written)> {
    let (mut counter, disk) = in_memory(COUNTER);
    counter.turn.now += 3000;
    counter.turn.wall += 3001;
    let first = counter.measure(&disk, |session| session.receive(ACTION));
    counter.turn.now += 700;
    counter.turn.wall += 700;
    let again = counter.measure(&disk, |session| session.receive(ACTION));
    vec![
        ("journal: an action and its frame", first),
        ("journal: the same action again", again),
        ("journal: a tick that shows something", ticks("count", 1)),
        ("journal: a tick that shows nothing", ticks("hidden", 1)),
        (
            "journal: an hour of ticks that show something",
            ticks("count", 3600),
        ),
        (
            "journal: an hour of ticks that show nothing",
            ticks("hidden", 3600),
        ),
        (
            "journal: a day of steady ticks that show nothing",
            idle_day(|_| (1000, 0)),
        ),
        (
            "journal: a day of unsteady ticks that show nothing",
            idle_day(unsteady),
        ),
        ("journal: a day of ticks that show something", shown_day()),
        ("journal: a day of typing, 20,000 keys", typing_day()),
    ]
}

fn in_memory(main: &str) -> (Journaled, MemoryDisk) {
    let disk = MemoryDisk::default();
    let session = Journaled::new(
        main,
        Detail::Digest,
        Rc::new(disk.clone()),
        Path::new("state"),
    );
    (session, disk)
}

/// So many ticks of a real session.
fn ticks(field: &str, count: u64) -> Written {
    let (mut session, disk) = in_memory(&TICKING.replace("FIELD", field));
    // What the beginning left to be told.
    session.tick(500, 0);
    session.measure(&disk, |_| {});
    session.measure(&disk, |session| {
        for i in 0..count {
            let (ms, drift) = unsteady(i);
            session.tick(ms, drift);
        }
    })
}

/// A writer alone: the session behind it would take minutes.
fn written_by(act: impl FnOnce(&mut Writer, &mut Turn)) -> Written {
    let (mut session, disk) = in_memory(COUNTER);
    let mut turn = session.turn;
    session.measure(&disk, |session| {
        if let Some(writer) = &mut session.writer {
            act(writer, &mut turn);
        }
    })
}

fn idle_day(step: impl Fn(u64) -> (u64, i64)) -> Written {
    written_by(|writer, turn| {
        for i in 0..DAY {
            pass(turn, step(i));
            writer.event(*turn, &RawEvent::TimersDue);
            writer.commit().expect("written");
        }
    })
}

fn shown_day() -> Written {
    written_by(|writer, turn| {
        for i in 0..DAY {
            pass(turn, unsteady(i));
            writer.event(*turn, &RawEvent::TimersDue);
            writer.output(&Output::Frame {
                connection: TAB,
                text: b"{}",
            });
            writer.commit().expect("written");
        }
    })
}

/// Texts of 40 letters, typed one after the other, each letter in a frame.
fn typing_day() -> Written {
    written_by(|writer, turn| {
        let mut typed = String::new();
        for i in 0..KEYS {
            if i % 40 == 0 {
                typed.clear();
            }
            typed.push(char::from(b'a' + (i * 7 % 26) as u8));
            let text = format!(
                r#"{{"userEvent":true,"messages":[{{"type":"update","data":{{"varId":4,"value":"{typed}"}}}}]}}"#
            );
            pass(turn, (80 + i as u64 * 37 % 200, 0));
            writer.event(
                *turn,
                &RawEvent::Frame {
                    connection: TAB,
                    text: &text,
                },
            );
            writer.output(&Output::Frame {
                connection: TAB,
                text: b"{}",
            });
            writer.commit().expect("written");
        }
    })
}

fn pass(turn: &mut Turn, (ms, drift): (u64, i64)) {
    turn.now += ms;
    turn.wall += ms as i64 + drift;
}
