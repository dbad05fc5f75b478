//! What browsers typed, on the terminal of whoever runs the server: nothing of it is a command there.

use std::net::TcpStream;
use std::process::{Command, Output, Stdio};

use super::{counting, lunette, printed};
use crate::net::process::Server;
use crate::net::websocket::{WATCH_APP, attach, frame, new_session, receive};

/// Clears the screen; sets the window's title; both again with the controls that are one letter of two bytes.
const COMMANDS: &str = "a\u{1b}[2J\u{1b}]0;b\u{7}\u{9b}2J\u{9d}0;c\u{9c}\u{7f}z";

/// Runs the program in a terminal; all that reaches it.
fn in_terminal(arguments: &[&str]) -> String {
    let quoted = |text: &&str| format!("'{text}'");
    let mut line: Vec<String> = vec![quoted(&env!("CARGO_BIN_EXE_lunette"))];
    line.extend(arguments.iter().map(quoted));
    let shown: Output = Command::new("script")
        .args(["-q", "-c", &line.join(" "), "/dev/null"])
        .stdin(Stdio::null())
        .output()
        .expect("script of bsdutils makes a terminal");
    String::from_utf8(shown.stdout).expect("UTF-8")
}

#[test]
fn a_terminal_gets_no_commands_from_browsers() {
    let folder = counting("");
    let state = folder.0.join("state").to_string_lossy().into_owned();
    let mut server = Server::start(&folder.0.join("site"), &["--state", &state]);
    let session = new_session(&server);
    let mut page: TcpStream = attach(&server, &session);
    let mut say = |text: &str| {
        std::io::Write::write_all(&mut page, &frame(0x81, text.as_bytes())).expect("sent");
        receive(&mut page);
    };
    say(WATCH_APP);
    let properties = serde_json::json!({ "path": "rows.0.name", "access": "rw" });
    let create = serde_json::json!({ "id": 2, "parentId": 1, "properties": properties });
    say(&serde_json::json!([{ "type": "create", "data": create }]).to_string());
    let update = serde_json::json!({ "varId": 2, "value": COMMANDS });
    say(&serde_json::json!([{ "type": "update", "data": update }]).to_string());
    let asked = |command: &[&'static str]| {
        let of_session = [command[0], &session, "--state", &state];
        [&of_session, &command[1..]]
            .concat()
            .into_iter()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let quiet = |arguments: Vec<String>| {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let shown = in_terminal(&arguments);
        let command = shown
            .chars()
            .find(|&c| c.is_control() && !"\r\n\t".contains(c));
        assert_eq!(command, None, "{arguments:?}: {shown:?}");
        assert!(
            shown.contains("[2J"),
            "it is shown: {arguments:?}: {shown:?}"
        );
    };
    for command in [
        &["get", "rows.0.name"][..],
        &["get"],
        &["get", "--json"],
        &["eval", "app.rows[1].name"],
        &["eval", "print(app.rows[1].name)"],
        &["eval", "error(app.rows[1].name)"],
        &["eval", "--json", "app.rows[1].name"],
    ] {
        quiet(asked(command));
    }
    // Programs get what is there.
    let piped = asked(&["get", "rows.0.name"]);
    let piped: Vec<&str> = piped.iter().map(String::as_str).collect();
    assert_eq!(printed(&lunette(&piped)), format!("{COMMANDS}\n"));
    server.signal("TERM");
    drop(page);
    server.child.wait().expect("it ends");
    quiet(asked(&["transcript"]));
}
