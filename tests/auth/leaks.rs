//! What strangers and users learn of the machine: no path of a file, whatever nonsense they send. Only `--dev` tells.

use std::io::Write;

use serde_json::json;

use super::client::{Place, say};
use crate::net::process::read_all;
use crate::net::websocket::{new_session, try_receive};

const MAIN: &str = r#"
local App = session:prototype("App", { text = "" })
function App:fail() error({}) end
function App:missing() require("nothing.here") end
function App:raise() error("raised") end
function App:deep() local function f() return f() + 1 end return f() end
function App:set(value) self.text = value.a.b.c end
function App:open() return io.open("/etc/passwd") end
session:createAppVariable(session:create(App))
"#;

/// Whether a text tells of a place on this machine.
fn tells_a_place(place: &Place, text: &str) -> bool {
    let folder = place.folder.0.display().to_string();
    let home = env!("CARGO_MANIFEST_DIR");
    let state = place.folder.0.join("state").display().to_string();
    let machine = ["etc", "home", "root", "tmp", "work"].map(|dir| format!("/{dir}/"));
    let places = [folder.as_str(), home, &state, ".rs:"];
    let mut all = places.into_iter().chain(machine.iter().map(String::as_str));
    all.any(|path| text.contains(path))
}

#[test]
fn requests_of_all_kinds_are_told_no_path() {
    let place = Place::new("", &[]);
    place.folder.write("html/a.txt", "a");
    let long = "a".repeat(5000);
    for target in [
        "/nothing.css",
        "/../../etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/a.txt/b",
        "/html/../lunette.toml",
        "/.hidden",
        "/%00",
        "/%ff%fe.png",
        "/_lunette/nothing.js",
        "/_lunette/record/x",
        "/ws/x",
        "/ws/0123456789abcdef0123456789abcdef",
        "/0123456789abcdef0123456789abcdef/upload/0123456789abcdef0123456789abcdef",
        "/0123456789abcdef0123456789abcdef/download/x",
        "/lua/main.lua",
        "/viewdefs/App.DEFAULT.html",
        "/lunette.toml",
        "/a.txt%00.png",
        "/con/aux",
        "//etc/passwd",
        &format!("/{long}"),
        &format!("/{long}.css"),
    ] {
        for accept in ["text/html", "*/*"] {
            for method in ["GET", "HEAD", "PUT", "POST", "BREW"] {
                let answer = place.server().ask(
                    format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\nAccept: {accept}\r\nConnection: close\r\n\r\n").as_bytes(),
                );
                assert!(
                    answer.starts_with("HTTP/1.1 "),
                    "{method} {target}: {answer}"
                );
                assert!(
                    !tells_a_place(&place, &answer),
                    "{method} {target}: {answer}"
                );
            }
        }
    }
    let mut stream = place.server().connect();
    stream.write_all(&[0xff; 300]).unwrap();
    stream.write_all(b"\r\n\r\n").unwrap();
    assert!(!tells_a_place(&place, &read_all(&mut stream)));
}

/// Everything that a page is told when it tries all of this.
fn frames(place: &Place) -> String {
    let mut client = place
        .stranger()
        .attach(&new_session(place.server()))
        .unwrap();
    let actions = [
        "fail()",
        "missing()",
        "raise()",
        "deep()",
        "open()",
        "nothing()",
        "a.b.c()",
    ];
    let mut messages = vec![json!({"type": "watch", "data": {"varId": 1}})];
    for (at, path) in actions.iter().enumerate() {
        let id = at + 2;
        messages.push(json!({"type": "create", "data": {"id": id, "parentId": 1, "properties": {"path": path, "access": "action"}}}));
        messages.push(json!({"type": "update", "data": {"varId": id, "value": null}}));
    }
    for (at, path) in [
        "deep()",
        "missing()",
        "open()",
        "set(_)",
        "..",
        "a[",
        "text.x.y",
        "@",
        "text?wrapper=Nothing",
        "?create=x",
    ]
    .iter()
    .enumerate()
    {
        let id = at + 20;
        messages.push(json!({"type": "create", "data": {"id": id, "parentId": 1, "properties": {"path": path}}}));
        messages.push(json!({"type": "update", "data": {"varId": id, "value": {"a": 1}}}));
    }
    messages.push(json!({"type": "getObjects", "data": {"objIds": [999]}}));
    messages.push(json!({"type": "nonsense"}));
    messages
        .push(json!({"type": "update", "data": {"varId": 1, "properties": {"lua": "error('x')"}}}));
    say(&mut client, &json!(messages).to_string());
    for nonsense in [
        "",
        "{",
        "[[[[",
        "null",
        "\"a\"",
        "[{}]",
        "[{\"type\":\"create\"}]",
    ] {
        say(&mut client, nonsense);
    }
    // A binary frame is the end, so that all that comes before it is seen.
    client
        .write_all(&crate::net::websocket::frame(0x82, b"x"))
        .unwrap();
    let mut all = String::new();
    while let Ok((first, payload)) = try_receive(&mut client) {
        all.push_str(&String::from_utf8_lossy(&payload));
        if first == 0x88 {
            break;
        }
    }
    assert!(all.contains("raised"), "{all}");
    all
}

#[test]
fn frames_tell_no_path_of_this_machine() {
    let mut place = Place::new("", &["--state", "none"]);
    place.folder.write("lua/main.lua", MAIN);
    place.crash();
    let all = frames(&place);
    assert!(!tells_a_place(&place, &all), "{all}");
    assert!(
        !all.contains("traceback") && !all.contains("stack"),
        "{all}"
    );
}

#[test]
fn a_site_that_cannot_start_tells_no_path_of_this_machine() {
    for main in [
        "error('no')",
        "local x = = 1",
        "require('nothing')",
        "io.open('/etc/passwd')",
        "return 1",
    ] {
        let mut place = Place::new("", &["--state", "none"]);
        place.folder.write("lua/main.lua", main);
        place.crash();
        let session = new_session(place.server());
        let mut client = place.stranger().attach(&session).unwrap();
        let mut all = String::new();
        while let Ok((_, payload)) = try_receive(&mut client) {
            all.push_str(&String::from_utf8_lossy(&payload));
        }
        all.push_str(&place.stranger().get(&format!("/{session}")));
        assert!(all.contains("could not start"), "{main}: {all}");
        assert!(
            !tells_a_place(&place, &all) && !all.contains("traceback"),
            "{main}: {all}"
        );
    }
}
