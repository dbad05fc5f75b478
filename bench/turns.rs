//! Benches of whole events in a real session: detection, crossing into Lua, a fresh session.

use std::collections::BTreeMap;
use std::hint::black_box;

use lunette::core::download::Demand;
use lunette::core::effect::Effect;
use lunette::core::event::{Event, Opening, Turn};
use lunette::core::id::{ConnectionId, SessionId};
use lunette::core::limits::SessionLimits;
use lunette::core::manager::{ManagerConfig, SessionManager};
use lunette::core::session::Session;
use lunette::core::site::Site;
use lunette::lua::{LuaRuntime, LuaSession};
use lunette::wire::{read_batch, write_batch};

use crate::{ACTION, Harness, print_line};

/// How many variables a page has in the benches of detection.
const VARIABLES: usize = 1000;
/// How many sessions stand side by side to measure the memory of one.
const SESSIONS: u64 = 300;
const DAY_MS: u64 = 24 * 60 * 60 * 1000;

const APP: &str = "
local App = session:prototype('App', { count = 0 })
function App:increment() self.count = self.count + 1 end
function App:two() return 2 end
local app = session:create(App)
for i = 1, 1000 do app['field' .. i] = i end
app.texts = {}
for i = 1, 1000 do app.texts[i] = 'text ' .. i end
session:createAppVariable(app)
";
const SMALL: &str =
    "session:createAppVariable(session:create(session:prototype('App', { count = 0 })))";

/// Sessions that hear what one of them says, and can save it.
const ROOM: &str = "
local app = { heard = 0, said = 0 }
session:subscribe('room', function(n) app.heard = n end)
function app:say() self.said = self.said + 1; session:publish('room', self.said) end
local piece = string.rep('x', 16384)
function app:save() self.link = session:download('x', 'text/plain', function() return piece end) end
session:createAppVariable(app)
";
const OPEN_ROOM: &str = r#"[{"type":"watch","data":{"varId":1}},
{"type":"create","data":{"id":2,"parentId":1,"properties":{"path":"heard"}}},
{"type":"create","data":{"id":3,"parentId":1,"properties":{"path":"say()","access":"action"}}},
{"type":"create","data":{"id":4,"parentId":1,"properties":{"path":"save()","access":"action"}}},
{"type":"create","data":{"id":5,"parentId":1,"properties":{"path":"link"}}}]"#;
const SAY: &str =
    r#"{"userEvent":true,"messages":[{"type":"update","data":{"varId":3,"value":null}}]}"#;
const SAVE: &str =
    r#"{"userEvent":true,"messages":[{"type":"update","data":{"varId":4,"value":null}}]}"#;
const SUBSCRIBERS: u64 = 100;
/// Turns a row of ten thousand to the front, or takes it away again.
const LIST: &str = "
local App = session:prototype('App', { rows = EMPTY })
local Row = session:prototype('Row', { name = '' })
local app = session:create(App, { rows = {} })
for i = 1, 10000 do app.rows[i] = setmetatable({ name = 'row ' .. i }, Row) end
local front = setmetatable({ name = 'front' }, Row)
function app:edit()
  if self.rows[1] == front then table.remove(self.rows, 1) else table.insert(self.rows, 1, front) end
end
function app:reverse()
  local rows = {}
  for i = #self.rows, 1, -1 do rows[#rows + 1] = self.rows[i] end
  self.rows = rows
end
session:createAppVariable(app)
";

type Manager = SessionManager<LuaRuntime>;

/// Room for 100,000 rows.
fn limits() -> SessionLimits {
    SessionLimits {
        gas: 100_000_000,
        lua_memory: 64 << 20,
        ..SessionLimits::default()
    }
}

fn manager(main: &str) -> Manager {
    let files = BTreeMap::from([("lua/main.lua".to_owned(), main.as_bytes().to_vec())]);
    let config = ManagerConfig {
        site: Site::new(files),
        limits: limits(),
        ..ManagerConfig::default()
    };
    let runtime = LuaRuntime::new().expect("a Lua state can be made");
    SessionManager::new(runtime, config)
}

/// One session with one page.
pub struct Page {
    manager: Manager,
    turn: Turn,
}

/// An event that changes nothing, so that all it does is look.
pub const NOTHING: &str = r#"{"userEvent":true,"messages":[]}"#;

impl Page {
    const SESSION: SessionId = SessionId(1);
    const CONNECTION: ConnectionId = ConnectionId(1);

    /// A page that watches a variable for each of `paths`.
    fn open(paths: impl Iterator<Item = String>) -> Page {
        Page::open_app(APP, paths.map(|path| (1, path)))
    }

    /// A page of an app that watches a variable for each parent and path.
    pub fn open_app(main: &str, variables: impl Iterator<Item = (usize, String)>) -> Page {
        let mut page = Page {
            manager: manager(main),
            turn: Turn::default(),
        };
        page.handle(Event::SessionOpened {
            session: Page::SESSION,
            opening: Opening {
                seed: 1,
                url: "/".into(),
                ..Opening::default()
            },
        });
        page.join();
        page.receive(&creates(2, variables));
        page
    }

    /// The session, to look into it.
    pub fn session(&mut self) -> &mut Session<LuaSession> {
        let session = self.manager.look_into(Page::SESSION);
        session.expect("it is awake")
    }

    /// All of the session, as bytes.
    pub fn freeze(&mut self) -> Vec<u8> {
        let frozen = self.manager.freeze(Page::SESSION);
        frozen.expect("the session can be carried")
    }

    /// Lets go of the session, and puts it back from its bytes.
    pub fn sleep(&mut self) {
        self.manager.hibernate(Page::SESSION);
    }

    /// See [`Page::sleep`].
    pub fn wake(&mut self, frozen: &[u8]) {
        let (site, limits) = (self.manager.site().clone(), limits());
        let woken = self.manager.thaw(Page::SESSION, frozen, site, limits);
        woken.expect("its place is free");
    }

    /// The frontend is there.
    pub fn join(&mut self) {
        self.handle(Event::FrontendJoined {
            session: Page::SESSION,
            connection: Page::CONNECTION,
        });
    }

    /// The frontend is gone.
    pub fn leave(&mut self) {
        self.handle(Event::FrontendLeft {
            session: Page::SESSION,
            connection: Page::CONNECTION,
        });
    }

    pub fn receive(&mut self, frame: &str) {
        let (session, connection) = (Page::SESSION, Page::CONNECTION);
        self.handle(Event::BatchReceived {
            session,
            connection,
            batch: read_batch(frame),
        });
    }

    fn handle(&mut self, event: Event) {
        self.turn.now += 1;
        self.manager.handle_event(event, self.turn);
        while let Some(effect) = self.manager.poll_effect() {
            black_box(effect);
        }
    }
}

/// The frame of a page that watches variable 1 and creates variables below it, with ids from `first` on.
pub fn creates(first: usize, variables: impl Iterator<Item = (usize, String)>) -> String {
    let mut frame = r#"[{"type":"watch","data":{"varId":1}}"#.to_owned();
    for (id, (parent, path)) in (first..).zip(variables) {
        let access = if path == "increment()" {
            r#","access":"action""#
        } else {
            ""
        };
        frame += &format!(
            r#",{{"type":"create","data":{{"id":{id},"parentId":{parent},"properties":{{"path":"{path}"{access}}}}}}}"#
        );
    }
    frame + "]"
}

pub fn run(harness: &Harness) {
    detection(harness);
    let mut page = Page::open(
        ["count", "count", "increment()"]
            .into_iter()
            .map(str::to_owned),
    );
    harness.bench("turn: an action, from frame to effect", 1, || {
        page.receive(ACTION)
    });
    messages(harness);
    lists(harness);
    sessions(harness);
}

/// Edits of a list of ten thousand rows of which the page has the array alone: sync, comparison, numbers and what is
/// told, whole or in pieces.
fn lists(harness: &Harness) {
    for (path, name) in [("edit()", "front"), ("reverse()", "reverse")] {
        for (delta, how) in [("", "whole"), (r#","delta":"true""#, "in pieces")] {
            let mut page = Page::open_app(LIST, std::iter::empty());
            page.receive(&format!(
                r#"[{{"type":"create","data":{{"id":2,"parentId":1,"properties":{{"path":"rows","wrapper":"lua.ViewList","identity":"true"}}}}}},
                {{"type":"create","data":{{"id":3,"parentId":2,"properties":{{"path":"items"{delta}}}}}}},
                {{"type":"create","data":{{"id":4,"parentId":1,"properties":{{"path":"{path}","access":"action"}}}}}}]"#
            ));
            harness.bench(&format!("list of 10,000: {name}, told {how}"), 1, || {
                page.receive(ACTION)
            });
        }
    }
}

/// Events that change nothing, so that all they do is look.
fn detection(harness: &Harness) {
    let nothing = NOTHING;
    let mut page = Page::open(std::iter::empty());
    harness.bench("turn: an event, nothing to detect", 1, || {
        page.receive(nothing)
    });
    let mut page = Page::open((1..=VARIABLES).map(|i| format!("field{i}")));
    harness.bench("detect: an unchanged field", VARIABLES, || {
        page.receive(nothing)
    });
    let mut page = Page::open((0..VARIABLES).map(|_| "two()".to_owned()));
    harness.bench("detect: an unchanged result of a method", VARIABLES, || {
        page.receive(nothing)
    });
    let mut page = Page::open((0..VARIABLES).map(|i| format!("texts.{i}")));
    harness.bench(
        "detect: an unchanged element, two steps away",
        VARIABLES,
        || page.receive(nothing),
    );
    let mut page = Page::open(std::iter::once("texts".to_owned()));
    harness.bench(
        "detect: an element of an unchanged array",
        VARIABLES,
        || page.receive(nothing),
    );
}

/// Sessions with a page each, in one room.
fn open_room() -> Manager {
    let mut room = manager(ROOM);
    let turn = Turn::default();
    for session in (1..=SUBSCRIBERS).map(SessionId) {
        let opening = Opening {
            seed: session.0,
            ..Opening::default()
        };
        room.handle_event(Event::SessionOpened { session, opening }, turn);
        let connection = ConnectionId(session.0);
        room.handle_event(
            Event::FrontendJoined {
                session,
                connection,
            },
            turn,
        );
        let batch = read_batch(OPEN_ROOM);
        room.handle_event(
            Event::BatchReceived {
                session,
                connection,
                batch,
            },
            turn,
        );
    }
    room
}

/// A message from one session to many, and a download.
fn messages(harness: &Harness) {
    let mut room = open_room();
    let mut turn = Turn::default();
    let drain = |room: &mut Manager| {
        while let Some(effect) = room.poll_effect() {
            black_box(effect);
        }
    };
    let act = |room: &mut Manager, frame: &str, turn: Turn| {
        let event = Event::BatchReceived {
            session: SessionId(1),
            connection: ConnectionId(1),
            batch: read_batch(frame),
        };
        room.handle_event(event, turn);
        drain(room);
    };
    harness.bench(
        "message: published, told and shown, per subscriber",
        SUBSCRIBERS as usize,
        || {
            turn.now += 20;
            act(&mut room, SAY, turn);
            while let Some(event) = room.take_message() {
                room.handle_event(event, turn);
                drain(&mut room);
            }
        },
    );
    let event = Event::BatchReceived {
        session: SessionId(1),
        connection: ConnectionId(1),
        batch: read_batch(SAVE),
    };
    room.handle_event(event, turn);
    let token = offered_token(&mut room);
    harness.bench("download: a piece of 16 KiB", 1, || {
        turn.now += 1;
        let event = Event::Download {
            session: SessionId(1),
            token,
            demand: Demand::Next,
        };
        room.handle_event(event, turn);
        drain(&mut room);
    });
}

/// The token at the end of the address that the page was told.
fn offered_token(room: &mut Manager) -> u128 {
    let mut frame = Vec::new();
    while let Some(effect) = room.poll_effect() {
        if let Effect::Send { batch, .. } = effect {
            write_batch(&batch, &mut frame);
        }
    }
    let text = String::from_utf8_lossy(&frame);
    let (_, rest) = text.split_once("/download/").expect("an address was told");
    u128::from_str_radix(&rest[..32], 16).expect("a token is hexadecimal")
}

fn sessions(harness: &Harness) {
    let mut standing = manager(SMALL);
    let mut turn = Turn::default();
    let mut next = 1;
    harness.bench("session: open, run main.lua, expire", 1, || {
        turn.now += DAY_MS;
        let session = SessionId(next);
        next += 1;
        standing.handle_event(
            Event::SessionOpened {
                session,
                opening: Opening {
                    seed: next,
                    url: "/".into(),
                    ..Opening::default()
                },
            },
            turn,
        );
        turn.now += DAY_MS;
        standing.handle_event(Event::TimersDue { session }, turn);
        while let Some(effect) = standing.poll_effect() {
            black_box(effect);
        }
    });
    if !harness.wants("session: memory") {
        return;
    }
    assert!(standing.is_empty(), "every session expired");
    let before = resident_kib();
    for session in next..next + SESSIONS {
        standing.handle_event(
            Event::SessionOpened {
                session: SessionId(session),
                opening: Opening {
                    seed: session,
                    url: "/".into(),
                    ..Opening::default()
                },
            },
            turn,
        );
    }
    let grown = (resident_kib() - before) / SESSIONS as f64;
    let used = standing
        .session(SessionId(next))
        .map_or(0, |session| session.memory_used());
    print_line(
        "session: memory, resident and as Lua counts",
        grown,
        used as f64 / 1024.0,
        "KiB",
    );
}

/// What this process has in memory.
pub fn resident_kib() -> f64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm
        .split(' ')
        .nth(1)
        .and_then(|field| field.parse::<f64>().ok());
    pages.unwrap_or(f64::NAN) * 4.0
}
