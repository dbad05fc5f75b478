//! Benches of whole events in a real session: detection, crossing into Lua, a fresh session.

use std::collections::BTreeMap;
use std::hint::black_box;

use lunette::core::event::{Event, Turn};
use lunette::core::id::{ConnectionId, SessionId};
use lunette::core::manager::{ManagerConfig, SessionManager};
use lunette::core::site::Site;
use lunette::lua::LuaRuntime;
use lunette::wire::read_batch;

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

fn manager(main: &str) -> Manager {
    let files = BTreeMap::from([("lua/main.lua".to_owned(), main.as_bytes().to_vec())]);
    let config = ManagerConfig {
        site: Site::new(files),
        ..ManagerConfig::default()
    };
    let runtime = LuaRuntime::new().expect("a Lua state can be made");
    SessionManager::new(runtime, config)
}

/// One session with one page.
struct Page {
    manager: Manager,
    turn: Turn,
}

impl Page {
    const SESSION: SessionId = SessionId(1);
    const CONNECTION: ConnectionId = ConnectionId(1);

    /// A page of a session that runs `main`.
    fn of(main: &str) -> Page {
        let mut page = Page {
            manager: manager(main),
            turn: Turn::default(),
        };
        page.handle(Event::SessionOpened {
            session: Page::SESSION,
            seed: 1,
            url: "/".into(),
        });
        page.handle(Event::FrontendJoined {
            session: Page::SESSION,
            connection: Page::CONNECTION,
        });
        page
    }

    /// A page that watches a variable for each of `paths`.
    fn open(paths: impl Iterator<Item = String>) -> Page {
        let mut page = Page::of(APP);
        let mut frame = r#"[{"type":"watch","data":{"varId":1}}"#.to_owned();
        for (id, path) in (2..).zip(paths) {
            let access = if path == "increment()" {
                r#","access":"action""#
            } else {
                ""
            };
            frame += &format!(
                r#",{{"type":"create","data":{{"id":{id},"parentId":1,"properties":{{"path":"{path}"{access}}}}}}}"#
            );
        }
        page.receive(&(frame + "]"));
        page
    }

    fn receive(&mut self, frame: &str) {
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
    lists(harness);
    sessions(harness);
}

/// Edits of a list of ten thousand rows of which the page has the array alone: sync, comparison, numbers and what is
/// told, whole or in pieces.
fn lists(harness: &Harness) {
    for (path, name) in [("edit()", "front"), ("reverse()", "reverse")] {
        for (delta, how) in [("", "whole"), (r#","delta":"true""#, "in pieces")] {
            let mut page = Page::of(LIST);
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
    let nothing = r#"{"userEvent":true,"messages":[]}"#;
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
                seed: next,
                url: "/".into(),
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
                seed: session,
                url: "/".into(),
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

fn resident_kib() -> f64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm
        .split(' ')
        .nth(1)
        .and_then(|field| field.parse::<f64>().ok());
    pages.unwrap_or(f64::NAN) * 4.0
}
