use lunette::core::effect::Effect;
use lunette::core::event::{Event, Turn};
use lunette::core::id::{ConnectionId, SessionId};
use lunette::core::manager::{ManagerConfig, SessionManager};
use lunette::core::site::Site;
use lunette::lua::LuaRuntime;
use lunette::wire;

#[test]
fn smoke() {
    let files = [
        (
            "lua/main.lua",
            r#"
local App = session:prototype("App", { count = 0, name = "ready", rows = EMPTY })
function App:increment() self.count = self.count + 1 end
local Row = session:prototype("Row", { name = "", count = 0 })
function App:fill() for i = 1, 3 do self.rows[i] = session:create(Row, { name = "row " .. i }) end end
function App:touch() self.rows[2].count = self.rows[2].count + 1 end
function App:append() table.insert(self.rows, session:create(Row, { name = "new" })) end
function App:boom() error("bad thing") end
function App:loop() while true do end end
local app = App:new({ rows = {} })
print("hello", session.id)
session:createAppVariable(app)
session:setInterval(function() app.count = app.count + 100 end, 100)
"#,
        ),
        (
            "viewdefs/App.DEFAULT.html",
            "<template><div></div></template>",
        ),
    ];
    let site = Site::new(
        files
            .map(|(k, v)| (k.to_owned(), v.as_bytes().to_vec()))
            .into_iter()
            .collect(),
    );
    let config = ManagerConfig {
        site,
        verbosity: 4,
        ..Default::default()
    };
    let mut m = SessionManager::new(LuaRuntime::new().unwrap(), config);
    let session = SessionId(1);
    let connection = ConnectionId(1);
    let mut now = 0;
    let mut go = |m: &mut SessionManager<LuaRuntime>, e: Event, at: u64| {
        m.handle_event(
            e,
            Turn {
                now: at,
                wall: 1_700_000_000_000 + at as i64,
            },
        );
        while let Some(e) = m.poll_effect() {
            match e {
                Effect::Send { batch, .. } => {
                    let mut out = Vec::new();
                    wire::write_batch(&batch, &mut out);
                    println!("<<< {}", String::from_utf8(out).unwrap());
                }
                other => println!("--- {other:?}"),
            }
        }
    };
    go(&mut m, Event::SessionOpened { session, seed: 7 }, 0);
    go(
        &mut m,
        Event::FrontendJoined {
            session,
            connection,
        },
        0,
    );
    for text in [
        r#"{"userEvent":false,"messages":[{"type":"watch","data":{"varId":1}}]}"#,
        r#"{"userEvent":false,"messages":[{"type":"create","data":{"id":2,"parentId":1,"properties":{"path":"count","access":"r","elementId":"ui-1"}}},{"type":"create","data":{"id":3,"parentId":1,"properties":{"path":"name","elementId":"ui-2"}}},{"type":"create","data":{"id":4,"parentId":1,"properties":{"path":"increment()","access":"action","priority":"low","elementId":"ui-3"}}}]}"#,
        r#"{"userEvent":true,"messages":[{"type":"update","data":{"varId":4,"value":null}}]}"#,
        r#"{"userEvent":true,"messages":[{"type":"update","data":{"varId":4,"value":null}},{"type":"update","data":{"varId":4,"value":null}}]}"#,
        r#"{"userEvent":false,"messages":[{"type":"create","data":{"id":5,"parentId":1,"properties":{"path":"name","access":"r"}}}]}"#,
        r#"{"userEvent":true,"messages":[{"type":"update","data":{"varId":3,"value":"bob"}}]}"#,
        r#"{"userEvent":true,"messages":[{"type":"watch","data":{"varId":2}}]}"#,
        r#"{"userEvent":true,"messages":[{"type":"create","data":{"id":6,"parentId":1,"properties":{"path":"rows","wrapper":"lua.ViewList"}}},{"type":"create","data":{"id":20,"parentId":1,"properties":{"path":"fill()","access":"action"}}},{"type":"create","data":{"id":21,"parentId":1,"properties":{"path":"touch()","access":"action"}}},{"type":"create","data":{"id":22,"parentId":1,"properties":{"path":"append()","access":"action"}}}]}"#,
        r#"{"userEvent":true,"messages":[{"type":"update","data":{"varId":20,"value":null}}]}"#,
        r#"{"userEvent":true,"messages":[{"type":"create","data":{"id":7,"parentId":6,"properties":{"path":"items"}}},{"type":"create","data":{"id":8,"parentId":7,"properties":{"path":"1"}}},{"type":"create","data":{"id":9,"parentId":8,"properties":{"path":"item"}}},{"type":"create","data":{"id":10,"parentId":9,"properties":{"path":"count"}}}]}"#,
        r#"{"userEvent":true,"messages":[{"type":"update","data":{"varId":21,"value":null}}]}"#,
        r#"{"userEvent":true,"messages":[{"type":"update","data":{"varId":22,"value":null}}]}"#,
        r#"{"userEvent":true,"messages":[{"type":"destroy","data":{"varId":7}}]}"#,
        r#"{"userEvent":true,"messages":[{"type":"create","data":{"id":30,"parentId":1,"properties":{"path":"boom()","access":"action"}}},{"type":"update","data":{"varId":30,"value":null}},{"type":"update","data":{"varId":99,"value":null}},{"type":"getObjects","data":{"objIds":[2,77]}}]}"#,
        r#"{"userEvent":true,"messages":[{"type":"create","data":{"id":31,"parentId":1,"properties":{"path":"loop()","access":"action"}}},{"type":"update","data":{"varId":31,"value":null}}]}"#,
        r#"{"userEvent":true,"messages":[{"type":"get","data":{"varIds":[1]}}]}"#,
    ] {
        println!(">>> {text}");
        now += 1;
        go(
            &mut m,
            Event::BatchReceived {
                session,
                connection,
                batch: wire::read_batch(text),
            },
            now,
        );
    }
    println!("due {:?}", m.poll_timeout());
    go(&mut m, Event::TimersDue { session }, 100);
    go(
        &mut m,
        Event::FrontendLeft {
            session,
            connection,
        },
        101,
    );
    println!("mem {}", m.session(session).unwrap().memory_used());
}
