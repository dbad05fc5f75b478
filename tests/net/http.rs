//! HTTP over a real socket: each refusal closes, files stay inside, names are checked.

use std::io::Write;
use std::net::Shutdown;
use std::os::unix::fs::symlink;

use super::process::{Folder, Server, read_all, read_answer, site, status};

/// What is sent and the status that must come, with the end of the connection after it.
const REFUSALS: &[(&str, &str)] = &[
    (
        "400",
        "GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n",
    ),
    (
        "400",
        "GET / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n",
    ),
    (
        "400",
        "GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n",
    ),
    (
        "400",
        "GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: +5\r\n\r\nabcde",
    ),
    (
        "400",
        "GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5, 5\r\n\r\nabcde",
    ),
    (
        "400",
        "GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nabcde",
    ),
    ("400", "GET / HTTP/1.1\r\n\r\n"),
    (
        "400",
        "GET / HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n",
    ),
    ("421", "GET / HTTP/1.1\r\nHost: rebound.example\r\n\r\n"),
    (
        "400",
        "GET http://localhost/ HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ),
    (
        "405",
        "CONNECT localhost:80 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ),
    ("400", "GET / HTTP/1.1\nHost: localhost\n\n"),
    ("400", "\r\nGET / HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    ("400", "GET / HTTP/1.1\r\nHost: local\0host\r\n\r\n"),
    ("501", "get / HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    ("501", "BREW / HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    ("405", "POST / HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    (
        "400",
        "GET / HTTP/1.1\r\nHost: localhost\r\n folded: x\r\n\r\n",
    ),
    ("400", "GET /\u{e4} HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    ("400", "GET /\" HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    ("400", "GET /\\ HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    (
        "400",
        "GET /%2e%2e/lua/main.lua HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ),
    (
        "400",
        "GET /%252e%252e/lua/main.lua HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ),
    (
        "400",
        "GET /../lua/main.lua HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ),
    (
        "404",
        "GET /.git/config HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ),
    ("404", "GET /none.css HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    ("400", "GET / HTTP/1.0\r\n\r\n"),
    ("400", "GET /\r\n"),
    ("505", "GET / HTTP/3.0\r\nHost: localhost\r\n\r\n"),
];

#[test]
fn each_refusal_is_told_and_closes() {
    let server = Server::start(&site("counter"), &[]);
    for (expected, request) in REFUSALS {
        let follow_up =
            format!("{request}GET /_lunette/client.js HTTP/1.1\r\nHost: localhost\r\n\r\n");
        for bytes in [request, follow_up.as_str()] {
            let answer = server.ask(bytes.as_bytes());
            assert_eq!(status(&answer), *expected, "{bytes:?}: {answer}");
            assert_eq!(
                answer.matches("Content-Length: ").count(),
                1,
                "{bytes:?}: {answer}"
            );
            assert!(answer.contains("Connection: close\r\n"), "{answer}");
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
    assert!(read_answer(&mut stream) == whole);
    // Somebody who only reads from now on still gets the answer.
    stream.write_all(asset.as_bytes()).expect("sent");
    stream.shutdown(Shutdown::Write).expect("half closed");
    assert!(read_all(&mut stream) == whole);
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
    assert_eq!(status(&get("/out.txt", "")), "404");
    assert_eq!(status(&get("/sub", "")), "404");
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
