//! Running out: of descriptors, of connections, of patience with a peer that does not read.

use std::io::Write;
use std::net::TcpStream;

use super::process::{Folder, Server, read_all, read_answer, site, status};
use super::websocket::{WATCH_APP, attach, close_code, frame, new_session, receive};
use crate::bench_system as system;

const ASSET: &[u8] = b"GET /_lunette/theme.css HTTP/1.1\r\nHost: localhost\r\n\r\n";

#[test]
fn when_descriptors_run_out_it_serves_on_and_takes_more_as_they_come_free() {
    let server = Server::start_limited(&site("counter"), "-n 24", &[]);
    let mut streams: Vec<TcpStream> = (0..40).map(|_| server.connect()).collect();
    // The first is in, the last only waits in the kernel's queue.
    streams[0].write_all(ASSET).expect("sent");
    assert_eq!(status(&read_answer(&mut streams[0])), "200");
    let mut last = streams.pop().expect("forty of them");
    last.write_all(ASSET).expect("sent");
    while !server.log().contains("cannot take more connections") {
        std::thread::yield_now();
    }
    streams[0].write_all(ASSET).expect("sent");
    assert_eq!(status(&read_answer(&mut streams[0])), "200");
    // Nobody connects anew: the server comes back to those that wait by itself.
    drop(streams);
    assert_eq!(status(&read_answer(&mut last)), "200");
    let log = server.log();
    assert_eq!(log.matches("cannot take more").count(), 1, "{log}");
    assert!(
        log.contains("allows 24 open files: 1024 connections need"),
        "{log}"
    );
}

#[test]
fn connections_past_the_limit_are_told_so() {
    system::raise_descriptor_limit();
    let server = Server::start(&site("counter"), &[]);
    let mut streams: Vec<TcpStream> = (0..1_024).map(|_| server.connect()).collect();
    let mut refused = server.connect();
    let answer = read_all(&mut refused);
    assert!(
        status(&answer) == "503" && answer.contains("Retry-After"),
        "{answer}"
    );
    let first = &mut streams[0];
    first.write_all(ASSET).expect("sent");
    assert_eq!(status(&read_answer(first)), "200");
    // So many that they do not even get a place to wait in are told, too.
    let more: Vec<TcpStream> = (0..100).map(|_| server.connect()).collect();
    for mut stream in more {
        assert_eq!(status(&read_all(&mut stream)), "503");
    }
    drop(streams);
    loop {
        let answer = server.ask(b"HEAD / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        if status(&answer) == "200" {
            break;
        }
        assert_eq!(status(&answer), "503");
    }
}

#[test]
fn a_peer_that_does_not_read_is_let_go_and_its_session_lives() {
    let server = Server::start(&site("counter"), &["-v"]);
    let session = new_session(&server);
    let mut deaf = attach(&server, &session);
    let watches = vec![r#"{"type":"watch","data":{"varId":1}}"#; 1000].join(",");
    let bytes = frame(0x81, format!("[{watches}]").as_bytes());
    let nonsense = vec![r#"{"type":"nonsense","data":{"varId":1}}"#; 1000].join(",");
    let bytes = [bytes, frame(0x81, format!("[{nonsense}]").as_bytes())].concat();
    // Ends some seconds after the server has sent its close: so long it reads on, waiting for ours.
    let mut sent = 0;
    while deaf.write_all(&bytes).is_ok() {
        sent += bytes.len();
        assert!(sent < 1 << 36, "it takes input for ever");
    }
    assert!(
        server.log().contains("reads too slowly"),
        "{}",
        server.log()
    );
    let mut page = attach(&server, &session);
    page.write_all(&frame(0x81, WATCH_APP.as_bytes()))
        .expect("sent");
    assert_eq!(receive(&mut page).0, 0x81);
}

/// A counter site with these settings in section `[net]`.
fn limited(net: &str) -> (Folder, Server) {
    let folder = Folder::new();
    let main = "session:createAppVariable({ type = 'App', text = ('x'):rep(3000) })";
    folder.write("lua/main.lua", main);
    folder.write("lunette.toml", format!("[net]\n{net}"));
    let server = Server::start(&folder.0, &["-v"]);
    (folder, server)
}

#[test]
fn heads_are_as_long_and_take_as_long_as_the_site_says() {
    let (_folder, server) = limited("head_bytes = 1024\nheaders = 8\nhead_timeout = \"1s\"");
    let with = |fields: &str| {
        let head =
            format!("HEAD / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{fields}\r\n");
        status(&server.ask(head.as_bytes())).to_owned()
    };
    let fields = |count| {
        (0..count)
            .map(|i| format!("x{i}: y\r\n"))
            .collect::<String>()
    };
    assert_eq!(with(&fields(6)), "200");
    assert_eq!(with(&fields(7)), "431");
    assert_eq!(with(&format!("x: {}\r\n", "y".repeat(900))), "200");
    assert_eq!(with(&format!("x: {}\r\n", "y".repeat(1000))), "431");
    assert_eq!(status(&server.ask(b"GET / HT")), "408");
}

#[test]
fn messages_are_as_long_as_the_site_says() {
    let (_folder, server) = limited("message_bytes = \"2K\"");
    let session = new_session(&server);
    let mut page = attach(&server, &session);
    let text = |len| frame(0x81, &vec![b' '; len]);
    page.write_all(&text(2048)).expect("sent");
    assert_eq!(receive(&mut page).0, 0x81, "only a bad one");
    page.write_all(&text(2049)).expect("sent");
    assert_eq!(close_code(&mut page), 1009);
    let mut pieces = attach(&server, &session);
    let half = frame(0x01, &[b' '; 1500]);
    let rest = frame(0x80, &[b' '; 1500]);
    pieces.write_all(&[half, rest].concat()).expect("sent");
    assert_eq!(close_code(&mut pieces), 1009);
}

#[test]
fn silent_peers_are_pinged_and_given_up_as_the_site_says() {
    let (_folder, server) = limited("ping_interval = \"200ms\"\nmissed_pongs = 3");
    let mut silent = attach(&server, &new_session(&server));
    for _ in 0..3 {
        assert_eq!(receive(&mut silent), (0x89, Vec::new()));
    }
    assert_eq!(read_all(&mut silent), "");
    assert!(
        server.log().contains("no longer answers"),
        "{}",
        server.log()
    );
}

#[test]
fn connections_and_waiting_output_are_as_many_as_the_site_says() {
    let (_folder, server) = limited("connections = 2\noutput_bytes = 1024");
    let session = new_session(&server);
    // A frame that is larger is sent when nothing else waits.
    let mut page = attach(&server, &session);
    page.write_all(&frame(0x81, WATCH_APP.as_bytes()))
        .expect("sent");
    assert_eq!(receive(&mut page).0, 0x81);
    let create = r#"{"type":"create","data":{"id":2,"parentId":1,"properties":{"path":"text"}}}"#;
    page.write_all(&frame(0x81, create.as_bytes()))
        .expect("sent");
    assert!(receive(&mut page).1.len() > 3000);
    let _second = server.connect();
    assert_eq!(status(&server.ask(b"")), "503");
}

#[test]
fn who_sends_too_many_messages_is_closed_and_its_session_lives() {
    let server = Server::start(&site("counter"), &["-v", "--message-rate", "2"]);
    let session = new_session(&server);
    let mut page = attach(&server, &session);
    let watch = frame(0x81, WATCH_APP.as_bytes());
    for _ in 0..20 {
        page.write_all(&watch).expect("sent");
    }
    // More than what time alone gives back.
    page.write_all(&watch.repeat(200)).expect("sent");
    assert_eq!(close_code(&mut page), 1008);
    assert!(
        server.log().contains("1008 too many messages"),
        "{}",
        server.log()
    );
    let mut again = attach(&server, &session);
    again.write_all(&watch).expect("sent");
    assert_eq!(receive(&mut again).0, 0x81);
}
