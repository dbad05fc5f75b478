//! HTTP over a real socket: each refusal closes, files stay inside, names are checked.

use std::io::Write;
use std::net::Shutdown;
use std::os::unix::fs::symlink;

use super::process::{Folder, Server, read_all, read_answer, site, status};
use crate::fuzz::targets::unescape;

/// What is wrong, the status that must come with the end of the connection after it, and what is sent.
fn refusals() -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let lines = include_str!("refusals.txt").lines();
    let lines = lines.filter(|line| !line.starts_with('#'));
    let refusal = |line: &'static str| {
        let (status, rest) = line.split_once(' ').expect("a status");
        let (what, request) = rest.split_once(": ").expect("what is wrong");
        (what, status, unescape(request))
    };
    lines.map(refusal).collect()
}

/// What every answer says beside its own.
fn check_fields(what: &str, answer: &str) {
    let (head, _) = answer.split_once("\r\n\r\n").expect("a whole head");
    for field in [
        "Date: ",
        "X-Content-Type-Options: nosniff",
        "Referrer-Policy: ",
    ] {
        assert!(head.contains(field), "{what}: no {field}: {answer}");
    }
}

#[test]
fn each_refusal_is_told_and_closes() {
    let server = Server::start(&site("counter"), &[]);
    let follow_up = b"GET /_lunette/client.js HTTP/1.1\r\nHost: localhost\r\n\r\n";
    for (what, expected, request) in refusals() {
        for bytes in [&request, &[&request[..], follow_up].concat()] {
            let answer = server.ask(bytes);
            assert_eq!(status(&answer), expected, "{what}: {answer}");
            assert_eq!(
                answer.matches("Content-Length: ").count(),
                1,
                "{what}: {answer}"
            );
            assert!(answer.contains("Connection: close\r\n"), "{answer}");
            check_fields(what, &answer);
        }
    }
    let long = format!("GET /{} HTTP/1.1\r\n", "x".repeat(20_000));
    assert_eq!(status(&server.ask(long.as_bytes())), "431");
    let many = "x: y\r\n".repeat(70);
    let many = format!("GET / HTTP/1.1\r\nHost: localhost\r\n{many}\r\n");
    assert_eq!(status(&server.ask(many.as_bytes())), "431");
    assert!(server.log().contains("allowed_hosts"), "{}", server.log());
}

#[test]
fn requests_follow_each_other_on_one_connection() {
    let server = Server::start(&site("counter"), &[]);
    let asset = "GET /_lunette/client.js HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let head = asset.replace("GET", "HEAD");
    let last = asset.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n");
    let answers = server.ask(format!("{head}{head}{last}").as_bytes());
    assert_eq!(answers.matches("HTTP/1.1 200 OK\r\n").count(), 3);
    let mut stream = server.connect();
    let whole = {
        stream.write_all(asset.as_bytes()).expect("sent");
        read_answer(&mut stream)
    };
    for byte in asset.as_bytes() {
        stream.write_all(&[*byte]).expect("sent");
    }
    assert!(undated(&read_answer(&mut stream)) == undated(&whole));
    // Somebody who only reads from now on still gets the answer.
    stream.write_all(asset.as_bytes()).expect("sent");
    stream.shutdown(Shutdown::Write).expect("half closed");
    assert!(undated(&read_all(&mut stream)) == undated(&whole));
}

/// The same answer at any time.
fn undated(answer: &str) -> String {
    let lines = answer.lines().filter(|line| !line.starts_with("Date: "));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn old_peers_are_answered_once() {
    let server = Server::start(&site("counter"), &[]);
    let old =
        "GET /_lunette/theme.css HTTP/1.0\r\nHost: localhost\r\nConnection: keep-alive\r\n\r\n";
    let answer = server.ask(format!("{old}{old}").as_bytes());
    assert_eq!(answer.matches("HTTP/1.1 200 OK\r\n").count(), 1);
    assert!(answer.contains("Connection: close\r\n"));
    check_fields("HTTP/1.0", &answer);
}

#[test]
fn a_head_that_never_ends_is_given_up() {
    let server = Server::start(&site("counter"), &[]);
    let mut silent = server.connect();
    let mut slow = server.connect();
    slow.write_all(b"GET / HTTP/1.1\r\nHost: local")
        .expect("sent");
    assert_eq!(status(&read_all(&mut slow)), "408");
    assert_eq!(read_all(&mut silent), "");
}

#[test]
fn static_files_are_checked_and_stay_inside() {
    let folder = Folder::new();
    folder.write(
        "lua/main.lua",
        "session:createAppVariable({ type = \"App\" })",
    );
    folder.write("html/index.html", "<p>own page</p>");
    folder.write("html/sub/a b.css", "a{}");
    folder.write("html/big.bin", vec![b'x'; 3_000_000]);
    folder.write("secret.txt", "secret");
    symlink("../secret.txt", folder.0.join("html/out.txt")).expect("a link");
    symlink("sub", folder.0.join("html/in")).expect("a link");
    symlink("..", folder.0.join("html/up")).expect("a link");
    folder.write("html/sub/.env", "secret");
    let server = Server::start(&folder.0, &[]);
    let get = |path: &str, fields: &str| {
        let head =
            format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{fields}\r\n");
        server.ask(head.as_bytes())
    };
    let css = get("/sub/a%20b.css", "");
    assert!(
        css.starts_with("HTTP/1.1 200 ") && css.ends_with("\r\n\r\na{}"),
        "{css}"
    );
    assert!(css.contains("Content-Type: text/css") && css.contains("nosniff"));
    let tag = css
        .split("ETag: ")
        .nth(1)
        .and_then(|rest| rest.split("\r\n").next());
    let fresh = get(
        "/in/a%20b.css",
        &format!("If-None-Match: {}\r\n", tag.expect("a tag")),
    );
    assert_eq!(status(&fresh), "304");
    for path in [
        "/out.txt",
        "/up/secret.txt",
        "/up/html/sub/a%20b.css",
        "/up/lua/main.lua",
        "/sub",
        "/sub/.env",
        "/in/.env",
    ] {
        let answer = get(path, "");
        let inside = path == "/up/html/sub/a%20b.css";
        assert_eq!(
            status(&answer),
            if inside { "200" } else { "404" },
            "{path}: {answer}"
        );
        let shown = folder.0.to_string_lossy();
        assert!(!answer.contains(&*shown), "{path}: {answer}");
    }
    assert!(get("/big.bin", "").len() > 3_000_000);
    let redirect = get("/contacts/7?x", "Accept: text/html\r\n");
    let location = redirect
        .split("Location: ")
        .nth(1)
        .and_then(|rest| rest.split("\r\n").next());
    let location = location.expect("a link to a session");
    assert!(location.ends_with("/contacts/7?x"), "{location}");
    let page = get(location, "");
    assert!(
        page.ends_with("<p>own page</p>") && page.contains("'unsafe-inline'"),
        "{page}"
    );
    assert!(page.contains("Set-Cookie: ui-session="));
}
