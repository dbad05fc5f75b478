//! Whatever becomes of the bytes of a frozen session, thawing them is an error or gives a session; it
//! never panics and never takes more memory than they are worth.

use std::collections::BTreeMap;

use lunette::core::code::Decoder;
use lunette::core::event::{Event, Opening, Turn};
use lunette::core::host::Host;
use lunette::core::id::{ConnectionId, SessionId};
use lunette::core::limits::SessionLimits;
use lunette::core::manager::{ManagerConfig, SessionManager};
use lunette::core::script::{Runtime, ScriptError};
use lunette::core::site::Site;
use lunette::lua::{LuaRuntime, LuaSession};
use lunette::wire::read_batch;

const SESSION: SessionId = SessionId(1);
/// The version and the checksum.
const HEAD_LEN: usize = 6;

/// An app that has begun something of everything.
const MAIN: &str = r#"
App = session:prototype("App", { n = 1, rows = EMPTY, link = "" })
Row = session:prototype("Row", { name = "" })
local app = session:create(App)
app.rows = { session:create(Row, { name = "a" }), session:create(Row, { name = "b" }) }
function app:fail() error("no") end
function app:refuse() return nil, "not so", { n = "too small" } end
function app:more() table.insert(self.rows, 1, session:create(Row, { name = "c" })) end
session:createAppVariable(app)
session:registerVariable("app", app)
session:setInterval(function() app.n = app.n + 1 end, 1000)
session:setTimeout(function() end, 5000)
session:subscribe("t", function() end)
session:watchProperty(1, "x", function() end)
app.link = session:download("a.txt", "text/plain", function() end)
app.link = session:download("b.txt", "text/plain", function() return "b" end)
"#;

const FRAMES: [&str; 5] = [
    r#"{"userEvent":true,"messages":[{"type":"watch","data":{"varId":1}},
{"type":"create","data":{"id":2,"parentId":1,"properties":{"path":"n","priority":"high"}}},
{"type":"create","data":{"id":3,"parentId":1,"properties":{"path":"rows?wrapper=lua.ViewList","delta":"true"}}},
{"type":"create","data":{"id":4,"parentId":3,"properties":{"path":"items"}}},
{"type":"create","data":{"id":5,"parentId":4,"properties":{"path":"0.item.name"},"nowatch":true}},
{"type":"create","data":{"id":6,"parentId":1,"properties":{"path":"fail()","access":"r"}}},
{"type":"create","data":{"id":7,"parentId":1,"properties":{"path":"refuse()","access":"action"}}},
{"type":"create","data":{"id":8,"parentId":1,"properties":{"path":"@app.n"}}},
{"type":"create","data":{"id":9,"parentId":1,"properties":{"path":"receive(_)","upload":"12","uploadName":"x"}}},
{"type":"create","data":{"id":10,"parentId":1,"properties":{"path":"more()","access":"action"}}},
{"type":"create","data":{"id":11,"parentId":1,"properties":{"path":"n"}}}]}"#,
    r#"{"userEvent":true,"messages":[{"type":"update","data":{"varId":7,"value":null}},
{"type":"update","data":{"varId":10,"value":null}},{"type":"destroy","data":{"varId":11}}]}"#,
    r#"{"userEvent":true,"messages":[{"type":"update","data":{"varId":1,"properties":{"url":"/a","x":"1"}}}]}"#,
    r#"[{"type":"error","data":{"varId":3,"description":"cannot show it"}}]"#,
    // Too soon to be told.
    r#"[{"type":"update","data":{"varId":2,"value":7}},{"type":"watch","data":{"varId":5}}]"#,
];

/// Scripts that are new when they are thawed: what is wrong with core's part is for core to notice.
#[derive(Clone)]
struct Fresh(LuaRuntime);

impl Fresh {
    fn new() -> Fresh {
        Fresh(LuaRuntime::new().expect("a runtime can be made"))
    }
}

impl Runtime for Fresh {
    type Script = LuaSession;

    fn create_session(
        &mut self,
        id: SessionId,
        host: &mut Host,
    ) -> Result<LuaSession, ScriptError> {
        self.0.create_session(id, host)
    }

    fn thaw(&mut self, id: SessionId, host: &mut Host, _: &[u8]) -> Result<LuaSession, String> {
        let made = self.0.create_session(id, host);
        made.map_err(|error| error.message)
    }
}

/// A session with something of everything, frozen, without its script.
fn frozen() -> (ManagerConfig, Vec<u8>) {
    let main = ("lua/main.lua".to_owned(), MAIN.as_bytes().to_vec());
    let config = ManagerConfig {
        site: Site::new(BTreeMap::from([main])),
        ..ManagerConfig::default()
    };
    let mut manager = SessionManager::new(Fresh::new(), config.clone());
    let session = SESSION;
    let connection = ConnectionId(1);
    let mut events = vec![
        Event::SessionOpened {
            session,
            opening: Opening::default(),
        },
        Event::FrontendJoined {
            session,
            connection,
        },
    ];
    events.extend(FRAMES.map(|frame| Event::BatchReceived {
        session,
        connection,
        batch: read_batch(frame),
    }));
    for (event, n) in events.into_iter().zip(0..) {
        let turn = Turn {
            now: 1_000 + n,
            wall: 2_000 + n as i64,
        };
        manager.handle_event(event, turn);
        while manager.poll_effect().is_some() {}
    }
    let session = manager.session(SESSION).expect("it began");
    assert!(session.has_news());
    let mut bytes = manager.freeze(SESSION).expect("it can be frozen");
    let mut from = Decoder::new(&bytes[HEAD_LEN..]);
    from.bytes().expect("core's part");
    bytes.truncate(bytes.len() - from.rest().len());
    check_anew(&mut bytes);
    (config, bytes)
}

fn check_anew(bytes: &mut [u8]) {
    let check = crc32c::crc32c(&bytes[HEAD_LEN..]);
    bytes[2..HEAD_LEN].copy_from_slice(&check.to_le_bytes());
}

fn thaw(config: &ManagerConfig, bytes: &[u8]) -> Result<(), String> {
    let mut manager = SessionManager::new(Fresh::new(), config.clone());
    let limits = SessionLimits::default();
    manager.thaw(SESSION, bytes, config.site.clone(), limits)
}

/// As [`thaw`], with many tries on one runtime.
struct Thawing {
    manager: SessionManager<Fresh>,
    config: ManagerConfig,
}

impl Thawing {
    fn thaws(&mut self, bytes: &[u8]) -> bool {
        let limits = self.config.limits.clone();
        let site = self.config.site.clone();
        let thawed = self.manager.thaw(SESSION, bytes, site, limits).is_ok();
        if thawed {
            self.goes_on();
        }
        self.manager.end(SESSION, "the next one comes");
        while self.manager.poll_effect().is_some() {}
        thawed
    }
}

impl Thawing {
    /// Whatever it is, it takes events.
    fn goes_on(&mut self) {
        let session = SESSION;
        let connection = ConnectionId(2);
        let joined = Event::FrontendJoined {
            session,
            connection,
        };
        let asked = Event::BatchReceived {
            session,
            connection,
            batch: read_batch(FRAMES[0]),
        };
        let left = Event::FrontendLeft {
            session,
            connection: ConnectionId(1),
        };
        for event in [joined, asked, Event::TimersDue { session }, left] {
            let turn = Turn {
                now: 10_000,
                wall: 0,
            };
            self.manager.handle_event(event, turn);
        }
    }
}

fn thawing() -> (Thawing, Vec<u8>) {
    let (config, bytes) = frozen();
    let manager = SessionManager::new(Fresh::new(), config.clone());
    (Thawing { manager, config }, bytes)
}

#[test]
fn what_is_cut_or_altered_is_refused() {
    let (mut thawing, bytes) = thawing();
    assert!(thawing.thaws(&bytes));
    for end in 0..bytes.len() {
        assert!(!thawing.thaws(&bytes[..end]), "cut at {end}");
    }
    for bit in 0..bytes.len() * 8 {
        let mut altered = bytes.clone();
        altered[bit / 8] ^= 1 << (bit % 8);
        assert!(!thawing.thaws(&altered), "bit {bit}");
    }
}

#[test]
fn what_is_wrong_with_a_right_checksum_harms_nobody() {
    let (mut thawing, bytes) = thawing();
    let mut survived = 0;
    for at in HEAD_LEN..bytes.len() {
        for with in [&[0xff; 9][..], &[bytes[at] ^ 1]] {
            let mut altered = bytes.clone();
            let end = bytes.len().min(at + with.len());
            altered[at..end].copy_from_slice(&with[..end - at]);
            check_anew(&mut altered);
            survived += usize::from(thawing.thaws(&altered));
        }
    }
    // Most of it is numbers and texts, which are as good as others.
    assert!(survived > bytes.len() / 2, "{survived}");
}

#[test]
fn other_sessions_and_versions_are_told_apart() {
    let (config, mut bytes) = frozen();
    let mut manager = SessionManager::new(Fresh::new(), config.clone());
    let limits = SessionLimits::default();
    let other = manager.thaw(SessionId(7), &bytes, config.site.clone(), limits);
    assert!(other.is_err_and(|text| text.contains("session 1, not 7")));
    bytes[0] += 1;
    let version = thaw(&config, &bytes);
    assert!(version.is_err_and(|text| text.contains("version 4, this engine reads version 3")));
}

/// Whoever changes what is written raises the version, and this.
#[test]
fn the_layout_is_the_one_of_its_version() {
    let (_, bytes) = frozen();
    let layout = (bytes[0], bytes.len(), crc32c::crc32c(&bytes[HEAD_LEN..]));
    assert_eq!(
        layout,
        (3, 1017, 3_115_163_323),
        "see VERSION in src/core/frozen.rs"
    );
}
