//! Where people log in, a page gets what viewdefs show, and nothing else of the objects behind them.

use std::net::TcpStream;

use serde_json::{Value, json};

use super::client::{Place, messages, say};
use crate::net::websocket::receive;

const MAIN: &str = r#"
Row = session:prototype("Row", { label = "", password = "hidden" })
Admin = session:prototype("Admin", {})
function Admin:new(at) return session:create(Admin, { made = true }) end
local App = session:prototype("App", { name = "shown", password = "hidden", rows = EMPTY })
function App:wipe() self.name = "wiped" end
local app = session:create(App)
app.rows = { session:create(Row, { label = "a" }), session:create(Row, { label = "b" }) }
session:createAppVariable(app)
"#;
const APP: &str = r#"<template><input ui-value="name"><div ui-viewlist="rows"></div></template>"#;
const ROW: &str = r#"<template><p ui-value="label"></p></template>"#;

fn place(settings: &str) -> Place {
    let mut place = Place::new(settings, &["--state", "none"]);
    place.folder.write("lua/main.lua", MAIN);
    place.folder.write("viewdefs/App.DEFAULT.html", APP);
    place.folder.write("viewdefs/Row.DEFAULT.html", ROW);
    place.crash();
    place
}

struct Probe {
    session: String,
    stream: TcpStream,
    last: u64,
}

impl Probe {
    fn open(place: &Place) -> Probe {
        Probe::open_of(place, &place.ann().session())
    }

    fn open_of(place: &Place, session: &str) -> Probe {
        let mut stream = place.ann().attach(session).unwrap();
        say(&mut stream, r#"[{"type":"watch","data":{"varId":1}}]"#);
        receive(&mut stream);
        let session = session.into();
        Probe {
            session,
            stream,
            last: 1,
        }
    }

    /// The value of a new variable, or the code of the error.
    fn ask(&mut self, parent: u64, properties: Value) -> String {
        self.last += 1;
        let id = self.last;
        let create = json!([{"type": "create", "data": {"id": id, "parentId": parent, "properties": properties}}]);
        say(&mut self.stream, &create.to_string());
        self.told_of(id)
    }

    fn told_of(&mut self, id: u64) -> String {
        loop {
            let (_, payload) = receive(&mut self.stream);
            for message in messages(&payload) {
                let data = &message["data"];
                if data["varId"] == id && data["code"].is_string() {
                    return data["code"].as_str().unwrap_or_default().to_owned();
                }
                if data["varId"] == id && !data["value"].is_null() {
                    return data["value"].to_string();
                }
            }
        }
    }
}

const USERS: &str = "[auth]\nmode = \"users\"\nusers = \"users\"\n";

#[test]
fn a_page_gets_what_viewdefs_show_and_nothing_else() {
    let place = place(USERS);
    let mut probe = Probe::open(&place);
    assert_eq!(probe.ask(1, json!({"path": "name"})), "\"shown\"");
    let list = json!({"path": "rows", "wrapper": "lua.ViewList", "identity": "true"});
    assert!(probe.ask(1, list).starts_with('{'));
    let (list, items) = (probe.last, json!({"path": "items"}));
    assert!(probe.ask(list, items).starts_with('['));
    let row = probe.ask(probe.last, json!({"path": "0"}));
    assert!(row.starts_with('{'), "{row}");
    let item = probe.ask(probe.last, json!({"path": "item"}));
    assert!(item.starts_with('{'), "{item}");
    let item = probe.last;
    assert_eq!(probe.ask(item, json!({"path": "label"})), "\"a\"");
    for (parent, properties) in [
        (1, json!({"path": "password"})),
        (1, json!({"path": "wipe()", "access": "action"})),
        (1, json!({"path": "rows.0.password"})),
        (1, json!({"path": "rows.0.label"})),
        (item, json!({"path": "password"})),
        (item, json!({"path": "label", "wrapper": "Admin"})),
        (item, json!({"path": "label", "create": "Admin"})),
        (1, json!({"path": "", "type": "Row"})),
        (1, json!({"path": "", "wrapper": "Admin"})),
        (list, json!({"path": "value"})),
    ] {
        assert_eq!(
            probe.ask(parent, properties.clone()),
            "unauthorized",
            "{properties}"
        );
    }
    // What a type is cannot be said by a page, nor what is behind a number be asked for.
    assert!(probe.ask(1, json!({"path": ""})).starts_with('{'));
    let own = probe.last;
    let change = json!([{"type": "update", "data": {"varId": own, "properties": {"type": "Row"}}},
        {"type": "getObjects", "data": {"objIds": [1, 2, 3]}}]);
    say(&mut probe.stream, &change.to_string());
    assert_eq!(probe.told_of(0), "unauthorized");
    assert_eq!(probe.ask(own, json!({"path": "label"})), "unauthorized");
    assert_eq!(probe.ask(own, json!({"path": "name"})), "\"shown\"");
}

/// What an attribute shows nobody writes, whatever a page says of its access.
#[test]
fn what_a_viewdef_only_shows_is_not_written() {
    let place = place(USERS);
    let app = r#"<template><input ui-value="name"><p ui-value="password"></p><b ui-class-on="rows?access=r"></b>
        <i ui-view="rows"></i><button ui-action="wipe()"></button></template>"#;
    place.folder.write("viewdefs/App.DEFAULT.html", app);
    let mut place = place;
    place.crash();
    let mut probe = Probe::open(&place);
    for path in ["password", "rows"] {
        for access in ["rw", "w", "action"] {
            let asked = json!({"path": path, "access": access});
            assert_eq!(probe.ask(1, asked), "unauthorized", "{path} {access}");
        }
        assert_ne!(probe.ask(1, json!({"path": path})), "unauthorized");
        let write = json!({"type": "update", "data": {"varId": probe.last, "value": "mine"}});
        say(&mut probe.stream, &write.to_string());
        assert_eq!(probe.told_of(probe.last), "bad-access", "{path}");
    }
    // It is called when it is pressed, and not to be read again and again.
    assert_eq!(
        probe.ask(1, json!({"path": "wipe()", "access": "r"})),
        "unauthorized"
    );
    // What the user can change is changed, and what was asked for without need as it is.
    probe.ask(1, json!({"path": "name"}));
    let write = json!({"type": "update", "data": {"varId": probe.last, "value": "typed"}});
    say(&mut probe.stream, &write.to_string());
    let mut other = Probe::open_of(&place, &probe.session);
    assert_eq!(
        other.ask(1, json!({"path": "name", "access": "r"})),
        "\"typed\""
    );
    assert_eq!(other.ask(1, json!({"path": "password"})), "\"hidden\"");
}

#[test]
fn a_page_that_begins_anew_asks_for_all_of_it_at_once() {
    let place = place(USERS);
    let mut probe = Probe::open(&place);
    let create = |id: u64, parent: u64, properties: Value| json!({"type": "create", "data": {"id": id, "parentId": parent, "properties": properties}});
    let all = json!([
        create(2, 1, json!({"path": "rows", "wrapper": "lua.ViewList"})),
        create(3, 2, json!({"path": "items"})),
        create(4, 3, json!({"path": "1"})),
        create(5, 4, json!({"path": "item"})),
        create(6, 5, json!({"path": "password"})),
        create(7, 5, json!({"path": "label"})),
    ]);
    say(&mut probe.stream, &all.to_string());
    let (_, payload) = receive(&mut probe.stream);
    let frame = String::from_utf8(payload).unwrap();
    assert!(frame.contains(r#""varId":7,"value":"b""#), "{frame}");
    assert!(
        frame.contains(r#""varId":6,"#) && frame.contains("unauthorized"),
        "{frame}"
    );
    assert!(!frame.contains("hidden"), "{frame}");
}

#[test]
fn a_site_may_let_pages_ask_for_anything() {
    let place = place(&format!("{USERS}[security]\npaths = \"any\"\n"));
    assert_eq!(
        Probe::open(&place).ask(1, json!({"path": "password"})),
        "\"hidden\""
    );
}

#[test]
fn what_was_refused_is_refused_again_in_a_replay() {
    let mut place = place(USERS);
    place.folder.write("recordings/.keep", "");
    let recordings = place.folder.0.join("recordings");
    let ann = {
        let flags = ["--state", "none", "--record", recordings.to_str().unwrap()];
        place.server = Some(crate::net::process::Server::start(&place.folder.0, &flags));
        let mut probe = Probe::open(&place);
        assert_eq!(probe.ask(1, json!({"path": "password"})), "unauthorized");
        assert_eq!(probe.ask(1, json!({"path": "name"})), "\"shown\"");
        probe
    };
    drop(ann);
    drop(place.server.take());
    let recording = recordings
        .read_dir()
        .unwrap()
        .flatten()
        .map(|entry| entry.path());
    let recording = recording
        .filter(|path| path.extension().is_some_and(|end| end == "lnt"))
        .last()
        .unwrap();
    let run = std::process::Command::new(env!("CARGO_BIN_EXE_lunette"))
        .arg("replay")
        .arg(&recording)
        .output()
        .expect("it runs");
    assert!(run.status.success(), "{run:?}");
}

#[test]
fn a_test_of_a_site_has_a_user_and_finds_rows_by_their_keys() {
    let place = Place::new(USERS, &["--state", "none"]);
    let main = MAIN.replace("name = \"shown\"", "name = session.user.name");
    place.folder.write("lua/main.lua", main);
    let app = APP.replace("\"rows\"", "\"rows?key=password\"");
    place.folder.write("viewdefs/App.DEFAULT.html", app);
    place.folder.write("viewdefs/Row.DEFAULT.html", ROW);
    let text = "recording 1\nuser {\"name\": \"ann\", \"groups\": []}\n\nexpect name \"ann\"\n\
                expect rows[password=\"hidden\"].label \"a\"\n";
    place.folder.write("tests/user.lunette", text);
    let run = std::process::Command::new(env!("CARGO_BIN_EXE_lunette"))
        .arg("test")
        .arg(&place.folder.0)
        .output()
        .expect("it runs");
    assert!(run.status.success(), "{run:?}");
}
