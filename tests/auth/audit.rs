//! What is written down of what people do: who, where and what came of it, and never a value.

use std::fs;

use serde_json::json;

use super::client::{CREATE, Place, say, value_of};
use crate::net::process::status;

const SETTINGS: &str =
    "[auth]\nmode = \"users\"\nusers = \"users\"\n[audit]\nfile = \"audit.log\"\n";

fn lines(place: &Place, name: &str) -> Vec<String> {
    let text = fs::read_to_string(place.folder.0.join(name)).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// Waits for a line that ends like this.
fn wait_for(place: &Place, name: &str, end: &str) -> String {
    for _ in 0..600 {
        if let Some(line) = lines(place, name)
            .into_iter()
            .find(|line| line.ends_with(end))
        {
            return line;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    panic!("no line ends with {end}: {:#?}", lines(place, name));
}

#[test]
fn logins_refusals_writes_and_calls_are_written_down_without_values() {
    let place = Place::new(SETTINGS, &[]);
    let mut client = place.stranger();
    client.get("/secret-looking");
    client.log_in("ann", "guessed pass", "/");
    client.log_in("ann", "correct horse", "/");
    let session = client.session();
    let mut open = client.attach(&session).unwrap();
    say(&mut open, CREATE);
    value_of(&mut open, 2);
    let update =
        |id: u64, value: &str| json!({"type": "update", "data": {"varId": id, "value": value}});
    let create = |id: u64, path: &str| {
        let access = if path == "fail()" { "action" } else { "rw" };
        json!({"type": "create", "data": {"id": id, "parentId": 1, "properties": {"path": path, "access": access}}})
    };
    let deeds = json!([
        update(3, "typed-value"),
        update(4, "argument-value"),
        create(5, "fail()"),
        update(5, "argument-value"),
        create(6, "password"),
        json!({"type": "update", "data": {"varId": 1, "properties": {"lua": "code-value()"}}}),
        update(2, "typed-value"),
    ]);
    say(&mut open, &deeds.to_string());
    let bob = place.bob();
    assert_eq!(status(&bob.attach(&session).unwrap_err()), "404");
    client.post("/logout", "");
    wait_for(&place, "audit.log", "user=\"ann\" logout outcome=ok");
    let written = lines(&place, "audit.log");
    let told: Vec<String> = written
        .iter()
        .map(|line| {
            let (time, rest) = line.split_once(' ').expect("a time");
            assert!(time.starts_with("20") && time.ends_with('Z'), "{line}");
            rest.replace(&session, "SID")
        })
        .collect();
    let expected = [
        "request from=127.0.0.1 path=\"/secret-looking\" outcome=401",
        "user=\"ann\" login from=127.0.0.1 outcome=wrong",
        "request from=127.0.0.1 path=\"/login\" outcome=401",
        "user=\"ann\" login from=127.0.0.1 outcome=ok",
        "user=\"ann\" write session=SID path=\"count\" outcome=ok",
        "user=\"ann\" call session=SID path=\"add()\" outcome=lua-error",
        "user=\"ann\" call session=SID path=\"fail()\" outcome=lua-error",
        "user=\"ann\" path session=SID path=\"password\" outcome=unauthorized",
        "user=\"ann\" code session=SID path=\"\" outcome=unauthorized",
        "user=\"ann\" write session=SID path=\"who()\" outcome=bad-access",
        "user=\"bob\" login from=127.0.0.1 outcome=ok",
        "user=\"ann\" logout outcome=ok",
    ];
    assert_eq!(told, expected);
    let all = written.concat();
    for value in ["value", "guessed", "correct", "horse"] {
        assert!(!all.contains(value), "{all}");
    }
}

#[test]
fn a_file_that_was_renamed_is_begun_anew() {
    let place = Place::new(SETTINGS, &[]);
    place.stranger().get("/first");
    wait_for(&place, "audit.log", "path=\"/first\" outcome=401");
    let file = |name: &str| place.folder.0.join(name);
    fs::rename(file("audit.log"), file("audit.log.1")).unwrap();
    // The name is looked at once a second, when there is something to write.
    while !file("audit.log").exists() {
        place.stranger().get("/again");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    wait_for(&place, "audit.log", "path=\"/again\" outcome=401");
    assert!(lines(&place, "audit.log.1")[0].ends_with("path=\"/first\" outcome=401"));
    assert!(
        !lines(&place, "audit.log")
            .iter()
            .any(|line| line.contains("/first"))
    );
}

#[test]
fn a_name_cannot_forge_a_line() {
    let place = Place::new(SETTINGS, &[]);
    let name = "ann%22%0A2026-01-01T00:00:00Z+user=bob+login";
    place
        .stranger()
        .post("/login", &format!("name={name}&password=x"));
    wait_for(&place, "audit.log", "outcome=wrong");
    let written = lines(&place, "audit.log");
    assert_eq!(written.len(), 2, "{written:?}");
    assert!(written[0].contains(r#"user="ann\"\n2026"#), "{written:?}");
}

#[test]
fn a_file_that_cannot_be_written_is_told_before_anything_is_served() {
    let place = Place::new("", &["--state", "none"]);
    place
        .folder
        .write("lunette.toml", "[audit]\nfile = \"nowhere/audit.log\"\n");
    let run = std::process::Command::new(env!("CARGO_BIN_EXE_lunette"))
        .args(["--state", "none", "--port", "0", "--dir"])
        .arg(&place.folder.0)
        .output()
        .expect("it runs");
    assert_eq!(run.status.code(), Some(3), "{run:?}");
    assert!(
        String::from_utf8_lossy(&run.stderr).contains("file of [audit]"),
        "{run:?}"
    );
}

/// Who is not let in does not fill the disk, whatever is asked for.
#[test]
fn strangers_write_few_and_short_lines() {
    let place = Place::new(SETTINGS, &[]);
    let stranger = place.stranger();
    let long = "a".repeat(10_000);
    for _ in 0..100 {
        assert_eq!(status(&stranger.get(&format!("/{long}"))), "401");
    }
    let bob = place.bob();
    wait_for(
        &place,
        "audit.log",
        "user=\"bob\" login from=127.0.0.1 outcome=ok",
    );
    let written = lines(&place, "audit.log");
    let refused = written.iter().filter(|line| line.contains("aaa"));
    assert_eq!(refused.clone().count(), 20, "{written:#?}");
    assert!(refused.clone().all(|line| line.len() < 400), "{written:#?}");
    let log = place.server().log().len();
    for _ in 0..100 {
        let host = format!("Host: {}x\r\n\r\n", "a.".repeat(5_000));
        let answer = place
            .server()
            .ask(format!("GET / HTTP/1.1\r\nConnection: close\r\n{host}").as_bytes());
        assert_eq!(status(&answer), "421");
    }
    let told = place.server().log()[log..].to_owned();
    assert!(
        told.contains("allowed_hosts") && told.len() < 20_000,
        "{told}"
    );
    assert_eq!(status(&bob.get("/")), "307");
}
