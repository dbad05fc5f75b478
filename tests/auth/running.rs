//! Running a server into which people log in: SIGHUP, and commands that ask it over its socket.

use std::process::Output;

use super::client::{CREATE, Place, say, value_of};
use crate::access::eventually;
use crate::net::process::status;
use crate::operate::{complaint, lunette, printed};

const SETTINGS: &str =
    "[auth]\nmode = \"users\"\nusers = \"users\"\n[audit]\nfile = \"audit.log\"\n";

/// A command that asks the server of this place.
fn ask(place: &Place, command: &[&str]) -> Output {
    let state = place.folder.0.join("state").display().to_string();
    lunette(&[command, &["--state", &state]].concat())
}

fn audit(place: &Place) -> String {
    std::fs::read_to_string(place.folder.0.join("audit.log")).unwrap_or_default()
}

#[test]
fn hup_leaves_people_logged_in_and_their_pages_open() {
    let place = Place::new(SETTINGS, &["-v"]);
    let ann = place.ann();
    let session = ann.session();
    let mut page = ann.attach(&session).expect("it is hers");
    say(&mut page, CREATE);
    assert_eq!(value_of(&mut page, 2), "\"ann//-\"");
    // Who may come in is not changed while people are in; the rest is.
    place.folder.write(
        "lunette.toml",
        "[server]\nallowed_hosts = [\"app.example\"]\n[auth]\nmode = \"token\"\ntoken = \"0123456789abcdef\"\n",
    );
    place.server().signal("HUP");
    eventually("the settings were read", || {
        place.server().log().contains("settings were read again")
    });
    let log = place.server().log();
    assert!(log.contains("not taken over: [auth], [audit];"), "{log}");
    assert!(!log.contains("0123456789abcdef"), "no secrets: {log}");
    say(
        &mut page,
        r#"{"userEvent":true,"messages":[{"type":"update","data":{"varId":4,"value":null}}]}"#,
    );
    assert_eq!(value_of(&mut page, 3), "1");
    assert_eq!(ann.who(&session), "\"ann//-\"");
    let token = place
        .stranger()
        .with("Authorization: Bearer 0123456789abcdef\r\n");
    assert_eq!(status(&token.get("/")), "401");
    assert_eq!(status(&place.stranger().get("/")), "401");
    // Settings that are wrong let nobody in either.
    place
        .folder
        .write("lunette.toml", "[auth]\nmode = \"open\"\n");
    place.server().signal("HUP");
    eventually("the mistake is told", || {
        place
            .server()
            .log()
            .contains("the settings of before stay in use")
    });
    assert_eq!(status(&place.stranger().get("/")), "401");
    assert_eq!(place.ann().who(&session), "\"ann//-\"");
}

#[test]
fn commands_reach_sessions_of_people_and_are_written_down_as_the_operators() {
    let mut place = Place::new(SETTINGS, &[]);
    let session = {
        let ann = place.ann();
        let session = ann.session();
        let mut page = ann.attach(&session).expect("it is hers");
        say(&mut page, CREATE);
        value_of(&mut page, 2);
        session
    };
    let listed = printed(&ask(&place, &["sessions", "--json"]));
    assert!(listed.contains(&session), "{listed}");
    assert_eq!(printed(&ask(&place, &["get", &session, "count"])), "0\n");
    printed(&ask(&place, &["update", &session, "add()"]));
    let name = printed(&ask(&place, &["eval", &session, "session.user.name"]));
    assert_eq!(name, "ann\n", "it is still hers");
    let done = format!("operator call session={session} path=\"add()\" outcome=ok");
    eventually("it is written down", || audit(&place).contains(&done));
    // What the socket tells is not told where browsers come in.
    for path in ["/sessions", "/metrics", "/healthz", "/get", "/eval"] {
        let answer = place.stranger().get_as(path, "*/*");
        assert_eq!(status(&answer), "401", "{path}: {answer}");
    }
    let wrong = complaint(&ask(&place, &["get", &"0".repeat(32)]), 1);
    assert!(!wrong.contains("ann"), "{wrong}");
    place.crash();
    assert_eq!(printed(&ask(&place, &["get", &session, "count"])), "1\n");
    assert_eq!(status(&place.bob().attach(&session).unwrap_err()), "404");
    assert_eq!(place.ann().who(&session), "\"ann//-\"");
}
