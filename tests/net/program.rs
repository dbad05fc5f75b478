//! The program as seen from a shell: signals, exit codes, messages, recording and replaying.

use std::io::Write;
use std::net::TcpStream;
use std::process::{Command, Output};

use super::process::{Folder, Server, read_all, site};
use super::websocket::{WATCH_APP, attach, close_code, frame, new_session, receive};

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_lunette"))
        .args(arguments)
        .output()
        .expect("the program runs")
}

fn fails_with(code: i32, arguments: &[&str], text: &str) {
    let output = run(arguments);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {errors}");
    assert!(errors.contains(text), "{arguments:?}: {errors}");
    assert!(output.stdout.is_empty(), "{arguments:?}");
}

#[test]
fn the_first_signal_closes_politely() {
    for signal in ["TERM", "INT"] {
        let mut server = Server::start(&site("counter"), &[]);
        let mut page = attach(&server, &new_session(&server));
        let mut idle = server.connect();
        server.signal(signal);
        assert_eq!(close_code(&mut page), 1012);
        page.write_all(&frame(0x88, &1012u16.to_be_bytes()))
            .expect("sent");
        assert_eq!(read_all(&mut page), "");
        assert_eq!(read_all(&mut idle), "");
        assert!(
            TcpStream::connect(server.address).is_err(),
            "nobody is let in any more"
        );
        drop((page, idle));
        let status = server.child.wait().expect("it ends");
        assert_eq!(status.code(), Some(0), "{signal}");
    }
}

#[test]
fn the_second_signal_ends_at_once() {
    let mut server = Server::start(&site("counter"), &[]);
    let mut page = attach(&server, &new_session(&server));
    server.signal("TERM");
    // The page does not answer, so that the server waits for it.
    assert_eq!(close_code(&mut page), 1012);
    server.signal("TERM");
    let status = server.child.wait().expect("it ends");
    assert_eq!(status.code(), Some(130));
}

#[test]
fn errors_say_what_to_do_and_have_their_exit_codes() {
    let folder = Folder::new();
    let empty = folder.0.to_string_lossy().into_owned();
    fails_with(2, &["serve", "--nonsense"], "--nonsense");
    fails_with(2, &["serve", "--recover", "sometimes"], "lazy, eager, none");
    fails_with(3, &["serve", "--host", "0.0.0.0"], "--insecure-no-auth");
    fails_with(
        3,
        &["serve", "--dir", &format!("{empty}/none")],
        "--dir must name a directory",
    );
    fails_with(3, &["serve", "--dir", &empty], "lua/main.lua");
    fails_with(3, &["serve", "--gas", "1"], "gas");
    let server = Server::start(&site("counter"), &[]);
    assert_eq!(server.scheme, "http");
    let port = server.address.port().to_string();
    fails_with(4, &["serve", "--port", &port], "--port");
    let version = run(&["version"]);
    let text = String::from_utf8_lossy(&version.stdout);
    assert!(
        text.contains(env!("CARGO_PKG_VERSION")) && text.contains("format"),
        "{text}"
    );
}

#[test]
fn the_log_tells_the_sequence_in_its_order() {
    let server = Server::start(&site("counter"), &["-vv"]);
    let session = new_session(&server);
    let mut page = attach(&server, &session);
    page.write_all(&frame(0x81, WATCH_APP.as_bytes()))
        .expect("sent");
    receive(&mut page);
    let log = server.log();
    let mut rest = log.as_str();
    for step in [
        "frontend connects to WebSocketEndpoint",
        "SessionManager.createSession",
        "Session.create(1)",
        "LuaRuntime.createLuaSession(1)",
        "own Lua state",
        "global \"session\" set",
        "main.lua executes",
        "session:createAppVariable(value, props)",
        "VariableStore.create(1)",
        "WatchManager watches (1, \"lua\")",
        "luaSession returned",
        "Session.setLuaSession(luaSession)",
        "connection acknowledged",
    ] {
        let Some(at) = rest.find(step) else {
            panic!("{step:?} is not in its place:\n{log}");
        };
        rest = &rest[at + step.len()..];
    }
}

#[test]
fn a_recorded_session_replays() {
    let folder = Folder::new();
    let dir = folder.0.to_string_lossy().into_owned();
    let mut server = Server::start(&site("counter"), &["--record", &dir]);
    let session = new_session(&server);
    let mut page = attach(&server, &session);
    let create = r#"[{"type":"watch","data":{"varId":1}},
        {"type":"create","data":{"id":2,"parentId":1,"properties":{"path":"count"}}},
        {"type":"create","data":{"id":3,"parentId":1,"properties":{"path":"increment()","access":"action"}}}]"#;
    let act =
        r#"{"userEvent":true,"messages":[{"type":"update","data":{"varId":3,"value":null}}]}"#;
    page.write_all(&frame(0x81, create.as_bytes()))
        .expect("sent");
    receive(&mut page);
    for _ in 0..3 {
        page.write_all(&frame(0x81, act.as_bytes())).expect("sent");
        receive(&mut page);
    }
    page.write_all(&frame(0x88, &1000u16.to_be_bytes()))
        .expect("sent");
    close_code(&mut page);
    server.signal("TERM");
    server.child.wait().expect("it ends");
    let file = format!("{dir}/{session}.lnt");
    let replay = run(&["replay", &file]);
    let report = String::from_utf8_lossy(&replay.stdout).into_owned();
    assert_eq!(replay.status.code(), Some(0), "{report}");
    let transcript = run(&["transcript", &file]);
    let text = String::from_utf8_lossy(&transcript.stdout);
    assert!(text.contains("increment()"), "{text}");
    fails_with(1, &["replay", &format!("{dir}/none.lnt")], "none.lnt");
}
