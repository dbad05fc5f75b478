//! All else is as without TLS: files, WebSockets, downloads, uploads, logins, limits, and going on after a crash.

use std::io::{Read, Write};
use std::thread;
use std::time::Duration;

use serde_json::json;
use sha2::{Digest, Sha256};

use super::client::{Place, call, until};
use crate::bench_client::{Frame, get};
use crate::net::process::{Folder, Server, read_all, read_answer, site, status};

#[test]
fn files_come_as_without_tls() {
    let place = Place::new();
    let plain = Server::start(&site("counter"), &[]);
    let mut http = place.http();
    for path in [
        "/_lunette/theme.css",
        "/_lunette/client.js",
        "/_lunette/none",
    ] {
        let ours = http.request("GET", path, "");
        let same = get(plain.address, path, "").expect("an answer");
        match ours {
            Ok(ours) => assert_eq!((ours.status, ours.body), (same.status, same.body), "{path}"),
            Err(error) => panic!("{path}: {error}"),
        }
    }
}

#[test]
fn a_page_is_told_what_changes_and_large_values_too() {
    let place = Place::new();
    let session = place.session();
    let mut page = place.page(&session);
    until(&mut page, "\"varId\":2");
    call(&mut page, 10, "add()");
    until(&mut page, "\"value\":1");
    call(&mut page, 11, "grow()");
    assert!(until(&mut page, "xxxx").len() > 1_000_000);
    // The largest message there may be, and one more byte.
    page.send(&" ".repeat(1 << 20)).expect("sent");
    until(&mut page, "bad-message");
    let _ = page.send(&" ".repeat((1 << 20) + 1));
    let closed = loop {
        match page.receive_frame().expect("a close") {
            Frame::Text(_) => {}
            Frame::Close { code, .. } => break code,
        }
    };
    assert_eq!(closed, 1009);
    until(&mut place.page(&session), "\"value\":1");
}

#[test]
fn a_download_comes_whole_to_fast_and_slow_readers() {
    let place = Place::new();
    let mut page = place.page(&place.session());
    for (id, slow) in [(10, false), (11, true)] {
        call(&mut page, id, "export()");
        let told = until(&mut page, "/download/");
        let at = told.find("/download/").expect("an address") - 33;
        let url = told[at..].split('"').next().expect("its end").to_owned();
        let mut tls = place.tls();
        write!(
            tls,
            "GET {url} HTTP/1.0\r\nHost: {}\r\n\r\n",
            place.server.address
        )
        .expect("sent");
        let mut bytes = Vec::new();
        let mut part = [0; 100_000];
        loop {
            if slow && bytes.len() < 1 << 20 {
                thread::sleep(Duration::from_millis(1));
            }
            match tls.read(&mut part).expect("an end that is said") {
                0 => break,
                count => bytes.extend_from_slice(&part[..count]),
            }
        }
        let head = bytes
            .windows(4)
            .position(|four| four == b"\r\n\r\n")
            .expect("a head");
        let body = &bytes[head + 4..];
        assert_eq!(body.len(), 64 << 16, "{slow}");
        for (at, piece) in body.chunks(1 << 16).enumerate() {
            assert_eq!(&piece[..8], format!("{:08}", 63 - at).as_bytes());
        }
    }
}

#[test]
fn a_file_is_taken_in() {
    let place = Place::with("[upload]\ndir = \"incoming\"\n", &[]);
    let mut page = place.page(&place.session());
    let content: Vec<u8> = (0..3_000_000u32).flat_map(u32::to_le_bytes).collect();
    let create = json!([{ "type": "create", "data": { "id": 10, "parentId": 1, "properties": {
        "path": "receive(_)", "access": "action", "upload": content.len().to_string(), "uploadName": "a",
        "uploadType": "" } } }]);
    page.send(&json!({ "userEvent": true, "messages": create }).to_string())
        .expect("sent");
    let told = until(&mut page, "/upload/");
    let at = told.find("/upload/").expect("an address") - 33;
    let url = told[at..].split('"').next().expect("its end");
    let mut tls = place.tls();
    write!(
        tls,
        "PUT {url} HTTP/1.1\r\nHost: {}\r\nContent-Length: {}\r\n\r\n",
        place.server.address,
        content.len()
    )
    .expect("sent");
    tls.write_all(&content).expect("sent");
    assert!(status(&read_answer(&mut tls)).starts_with('2'));
    let digest: String = Sha256::digest(&content)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    until(&mut page, &format!("{} {digest}", content.len()));
}

#[test]
fn who_does_not_read_is_let_go_and_others_hear_on() {
    let place = Place::with("[net]\noutput_bytes = \"128K\"\n", &["-v"]);
    let session = place.session();
    let mut honest = place.page(&session);
    let deaf: Vec<_> = (0..5).map(|_| place.page(&session)).collect();
    call(&mut honest, 10, "flood()");
    while place.server.log().matches("reads too slowly").count() < deaf.len() {
        honest.receive().expect("it hears on");
    }
    for _ in 0..10 {
        honest.receive().expect("it hears on");
    }
    assert_eq!(
        place.server.log().matches("reads too slowly").count(),
        deaf.len()
    );
}

#[test]
fn cookies_stay_in_tls_and_pages_without_it_are_strangers() {
    let place = Place::with(
        "[auth]\nmode = \"token\"\ntoken = \"0123456789abcdef\"\n",
        &[],
    );
    let host = place.server.address;
    let log_in = |origin: &str| {
        let body = "next=/&password=0123456789abcdef";
        place.ask(&format!(
            "POST /login HTTP/1.1\r\nHost: {host}\r\nOrigin: {origin}\r\nContent-Length: {}\r\n\
             Content-Type: application/x-www-form-urlencoded\r\n\r\n{body}",
            body.len()
        ))
    };
    assert_eq!(status(&log_in(&format!("http://{host}"))), "403");
    let answer = log_in(&format!("https://{host}"));
    assert_eq!(status(&answer), "303", "{answer}");
    assert!(
        answer.contains("; HttpOnly; SameSite=Lax; Secure\r\n"),
        "{answer}"
    );
    let cookie = answer.split("Set-Cookie: ").nth(1).expect("a cookie");
    let cookie = format!("Cookie: {}\r\n", cookie.split(';').next().expect("it"));
    let answer = place.get("/", &cookie);
    let session = &answer.split("Location: /").nth(1).expect("an address")[..32];
    let page = place.get(
        &format!("/{session}"),
        &format!("{cookie}Accept: text/html\r\n"),
    );
    let own = page.split("Set-Cookie: ui-session=").nth(1);
    let own = own.and_then(|rest| rest.split("\r\n").next());
    assert!(
        own.is_some_and(|own| own.ends_with("; SameSite=Lax; Secure")),
        "{page}"
    );
    let upgrade = |origin: &str| {
        let upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
        let answer = place.get(
            &format!("/ws/{session}"),
            &format!("{cookie}{upgrade}Origin: {origin}\r\n"),
        );
        status(&answer).to_owned()
    };
    assert_eq!(upgrade(&format!("http://{host}")), "403");
    assert_eq!(upgrade(&format!("https://{host}")), "101");
}

#[test]
fn browsers_are_told_to_come_no_other_way_if_the_site_says_so() {
    let told = |answer: &str| {
        let field = answer.split("Strict-Transport-Security: ").nth(1);
        field.map(|rest| rest.split("\r\n").next().unwrap_or_default().to_owned())
    };
    let ask = |settings: &str| told(&Place::with(settings, &[]).get("/", ""));
    assert_eq!(ask(""), None);
    assert_eq!(
        ask("hsts = \"180d\"\n").as_deref(),
        Some("max-age=15552000")
    );
    assert_eq!(ask("hsts = 0\n").as_deref(), Some("max-age=0"));
    // Whoever came without TLS could have been told by anybody.
    let variables = [("LUNETTE_HSTS", "180d")];
    let plain = Server::start_in(&site("counter"), &[], &variables);
    let answer = plain.ask(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    assert_eq!(told(&answer), None);
}

#[test]
fn a_session_goes_on_after_a_crash() {
    let state = Folder::new();
    let dir = state.0.to_str().expect("UTF-8");
    let mut place = Place::with("", &["--state", dir]);
    let session = place.session();
    let mut page = place.page(&session);
    call(&mut page, 10, "add()");
    until(&mut page, "\"value\":1");
    place.crash();
    let mut page = place.page(&session);
    until(&mut page, "\"value\":1");
    call(&mut page, 10, "add()");
    until(&mut page, "\"value\":2");
}

#[test]
fn a_server_that_stops_says_so_in_tls() {
    let mut place = Place::new();
    let mut page = place.page(&place.session());
    until(&mut page, "\"varId\":2");
    let mut waiting = place.tls();
    waiting.flush().expect("agreed");
    place.server.signal("TERM");
    let code = loop {
        match page.receive_frame().expect("a close") {
            Frame::Text(_) => {}
            Frame::Close { code, .. } => break code,
        }
    };
    assert_eq!(code, 1012);
    assert_eq!(read_all(&mut waiting), "");
    drop((page, waiting));
    assert!(place.server.child.wait().is_ok_and(|end| end.success()));
}
