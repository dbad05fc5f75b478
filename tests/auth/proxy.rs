//! A proxy in front that has asked people who they are, and who else may say so: nobody.

use std::io::Write;
use std::process::Command;

use super::client::{FORM, Place};
use crate::access::eventually;
use crate::net::process::{Folder, read_answer, status};

const PROXY: &str = "[server]\ntrusted_proxies = [\"127.0.0.1\"]\n[auth]\nmode = \"proxy\"\nheader_user = \"X-User\"\n\
    header_groups = \"X-Groups\"\nheader_email = \"X-Email\"\n";

#[test]
fn a_trusted_proxy_says_who_it_is() {
    let place = Place::new(PROXY, &[]);
    let ann = place
        .stranger()
        .with("X-User: ann\r\nX-Groups: staff, admin\r\nX-Email: ann@example.org\r\n");
    let session = ann.session();
    assert_eq!(ann.who(&session), "\"ann/staff+admin/ann@example.org\"");
    let bob = place.stranger().with("x-user: bob\r\n");
    assert_eq!(status(&bob.attach(&session).unwrap_err()), "404");
    for unclear in [
        "",
        "X-User: \r\n",
        "X-User: ann\r\nX-User: bob\r\n",
        "X-Other: ann\r\n",
    ] {
        let answer = place.stranger().with(unclear).get("/");
        assert_eq!(status(&answer), "403", "{answer}");
        assert!(answer.contains("did not say who you are"), "{answer}");
    }
    let utf8 = place.stranger().with("X-User: J\u{f6}rg\r\n");
    assert_eq!(utf8.who(&utf8.session()), "\"J\u{f6}rg//-\"");
}

#[test]
fn nobody_else_is_believed() {
    let place = Place::new(&PROXY.replace("127.0.0.1", "10.0.0.0/8"), &[]);
    let eve = place
        .stranger()
        .with("X-User: ann\r\nX-Forwarded-For: 10.1.2.3\r\n");
    let answer = eve.get("/");
    assert_eq!(status(&answer), "403");
    assert!(answer.contains("through its proxy only"), "{answer}");
    assert_eq!(
        status(&eve.attach("0123456789abcdef0123456789abcdef").unwrap_err()),
        "403"
    );
    assert!(
        place.server().log().contains("trusted_proxies"),
        "{}",
        place.server().log()
    );
}

#[test]
fn what_a_proxy_tells_of_the_browser_counts() {
    let settings = "[server]\ntrusted_proxies = [\"127.0.0.1\"]\n[auth]\nmode = \"users\"\nusers = \"users\"\n";
    let place = Place::new(settings, &["-v"]);
    let mut ann = place
        .stranger()
        .with("X-Forwarded-Proto: https\r\nX-Forwarded-For: 198.51.100.7, 127.0.0.1\r\n");
    let answer = ann.log_in("ann", "correct horse", "/");
    assert!(
        answer.contains("; HttpOnly; SameSite=Lax; Secure\r\n"),
        "{answer}"
    );
    assert!(
        place
            .server()
            .log()
            .contains("\"ann\" logged in from 198.51.100.7"),
        "{}",
        place.server().log()
    );
    // Guesses of one browser are not those of another behind the same proxy.
    let guess = |address: &str| {
        let mut eve = place
            .stranger()
            .with(&format!("X-Forwarded-For: {address}\r\n"));
        status(&eve.log_in("ann", "guess", "/")).to_owned()
    };
    let answers: Vec<String> = (0..6).map(|_| guess("203.0.113.9")).collect();
    assert_eq!(answers[5], "429");
    assert_eq!(guess("203.0.113.10"), "401");
    // What the browser itself says of where it is, in front of what the proxy adds, is not believed.
    assert_eq!(guess("198.51.100.7, 203.0.113.9"), "429");
}

#[test]
fn each_form_in_which_proxies_tell_addresses_is_understood() {
    let settings = "[server]\ntrusted_proxies = [\"127.0.0.1\", \"10.0.0.0/8\"]\n[auth]\nmode = \"users\"\n\
                    users = \"users\"\n[audit]\nfile = \"audit.log\"\n";
    let place = Place::new(settings, &[]);
    let forms: [(&[u8], &str); 10] = [
        (b"X-Forwarded-For: 192.0.2.1", "192.0.2.1"),
        // What the browser itself sends comes first, in the same field or in one of its own.
        (b"X-Forwarded-For: 198.51.100.1, 192.0.2.2", "192.0.2.2"),
        (
            b"X-Forwarded-For: 198.51.100.1\r\nX-Forwarded-For: 192.0.2.3",
            "192.0.2.3",
        ),
        (b"X-Forwarded-For: \xff\xfe, 192.0.2.4", "192.0.2.4"),
        (
            b"X-Forwarded-For: \xff\r\nX-Forwarded-For: 192.0.2.5",
            "192.0.2.5",
        ),
        // Through several proxies, each of which is trusted.
        (
            b"X-Forwarded-For: 192.0.2.6, 10.1.2.3, 10.1.2.4",
            "192.0.2.6",
        ),
        (b"X-Forwarded-For: 192.0.2.7:50123", "192.0.2.7"),
        (b"X-Forwarded-For: [2001:db8::8]:443", "2001:db8::8"),
        (b"X-Forwarded-For: ::ffff:192.0.2.9", "192.0.2.9"),
        // Where nothing is said, it is the proxy.
        (b"X-Forwarded-For: unknown", "127.0.0.1"),
    ];
    for (field, address) in forms {
        let mut stream = place.server().connect();
        let host = place.server().address;
        let body = "next=/&name=ann&password=wrong";
        let head = format!(
            "POST /login HTTP/1.1\r\nHost: {host}\r\nContent-Type: {FORM}\r\nContent-Length: {}\r\n",
            body.len()
        );
        let request = [head.as_bytes(), field, b"\r\n\r\n", body.as_bytes()].concat();
        stream.write_all(&request).expect("sent");
        let answer = read_answer(&mut stream);
        assert_eq!(status(&answer), "401", "{answer}");
        let logged = format!("refused a login as \"ann\" from {address}\n");
        let log = place.server().log();
        assert!(log.ends_with(&logged), "{address}: {log}");
        let audit =
            || std::fs::read_to_string(place.folder.0.join("audit.log")).expect("it is kept");
        let noted = [
            format!("login from={address} outcome=wrong"),
            format!("request from={address} path=\"/login\" outcome=401"),
        ];
        // At the end of the turn.
        eventually(&noted[0], || {
            noted.iter().all(|noted| audit().contains(noted))
        });
    }
}

#[test]
fn what_is_refused_is_told_with_where_it_came_from() {
    let settings = "[server]\ntrusted_proxies = [\"127.0.0.1\"]\n";
    let place = Place::new(settings, &[]);
    let eve = place
        .stranger()
        .with("X-Forwarded-For: 192.0.2.1\r\nOrigin: https://evil.example\r\n");
    let session = place.stranger().session();
    assert_eq!(status(&eve.attach(&session).unwrap_err()), "403");
    let log = place.server().log();
    assert!(
        log.contains("\"https://evil.example\"") && log.contains("(from 192.0.2.1)"),
        "{log}"
    );
    // Over TLS to the proxy, its page must have come so, too.
    let host = place.server().address;
    let by_tls = |origin: &str| {
        let fields = format!("X-Forwarded-Proto: https\r\nOrigin: {origin}://{host}\r\n");
        place.stranger().with(&fields).attach(&session)
    };
    assert_eq!(status(&by_tls("http").unwrap_err()), "403");
    assert!(by_tls("https").is_ok());
}

#[test]
fn what_would_protect_nothing_is_refused_before_it_starts() {
    for (settings, flags, told) in [
        (
            "[auth]\nmode = \"token\"\n",
            "",
            "lunette.toml:2: mode is \"token\": set token",
        ),
        (
            "[auth]\nmode = \"token\"\ntoken = \"short\"\n",
            "",
            "lunette.toml:3: token must have",
        ),
        (
            "[auth]\ntoken = \"0123456789abcdef\"\n",
            "",
            "token is set, but mode of [auth] is not",
        ),
        (
            "[auth]\nmode = \"users\"\nusers = \"none\"\n",
            "",
            "none: No such file",
        ),
        (
            "[auth]\nmode = \"proxy\"\nheader_user = \"X-User\"\n",
            "",
            "set trusted_proxies of [server]",
        ),
        (
            "[auth]\nmode = \"users\"\nusers = \"users\"\nmax_age = \"1s\"\n",
            "",
            "max_age is 1s: a login lasts",
        ),
        (
            "[server]\ntrusted_proxies = [\"proxy\"]\n",
            "",
            "has \"proxy\", which is no address",
        ),
        ("", "--host 0.0.0.0", "mode of [auth]"),
    ] {
        let folder = Folder::new();
        folder.write("lua/main.lua", "session:createAppVariable({})");
        folder.write("lunette.toml", settings);
        let run = Command::new(env!("CARGO_BIN_EXE_lunette"))
            .args(["--state", "none", "--port", "0", "--dir"])
            .arg(&folder.0)
            .args(flags.split_whitespace())
            .output()
            .expect("it runs");
        let text = String::from_utf8_lossy(&run.stderr).into_owned();
        assert_eq!(run.status.code(), Some(3), "{settings}: {text}");
        assert!(text.contains(told), "{settings}: {text}");
        assert!(
            !text.contains("0123456789abcdef"),
            "no secrets in errors: {text}"
        );
    }
}

#[test]
fn other_machines_may_come_if_they_must_log_in() {
    let place = Place::new(
        "[auth]\nmode = \"users\"\nusers = \"users\"\n",
        &["--host", "0.0.0.0"],
    );
    assert_eq!(status(&place.stranger().get("/")), "401");
}
