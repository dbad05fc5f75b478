//! Running out: of descriptors, of connections, of patience with a peer that does not read.

use std::io::Write;
use std::net::TcpStream;

use super::process::{Server, read_all, read_answer, site, status};
use super::websocket::{WATCH_APP, attach, frame, new_session, receive};
use crate::bench_system as system;

const ASSET: &[u8] = b"GET /_lunette/theme.css HTTP/1.1\r\nHost: localhost\r\n\r\n";

#[test]
fn when_descriptors_run_out_it_serves_on_and_takes_more_as_they_come_free() {
    let server = Server::start_with_descriptors(&site("counter"), 24, &[]);
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
