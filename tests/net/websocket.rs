//! WebSockets over a real socket: who may open one, how they end, that sessions outlive them.

use std::io::{self, Read, Write};
use std::net::TcpStream;

use super::process::{Server, read_all, read_answer, site, status};

pub const WATCH_APP: &str = r#"[{"type":"watch","data":{"varId":1}}]"#;

/// A client's frame, masked with zeros.
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    masked([0; 4], first, payload)
}

/// A client's frame.
pub fn masked(mask: [u8; 4], first: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![first];
    match payload.len() {
        n @ 0..126 => out.push(0x80 | n as u8),
        n @ 126..65536 => {
            out.push(0x80 | 126);
            out.extend_from_slice(&(n as u16).to_be_bytes());
        }
        n => {
            out.push(0x80 | 127);
            out.extend_from_slice(&(n as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(&mask);
    let mask = mask.iter().cycle();
    out.extend(payload.iter().zip(mask).map(|(byte, mask)| byte ^ mask));
    out
}

/// The server's next frame: its first byte and payload.
pub fn receive(stream: &mut impl Read) -> (u8, Vec<u8>) {
    try_receive(stream).expect("a frame")
}

/// The same from a server that may be gone.
pub fn try_receive(stream: &mut impl Read) -> io::Result<(u8, Vec<u8>)> {
    let mut header = [0; 2];
    stream.read_exact(&mut header)?;
    let length = match header[1] {
        126 => {
            let mut bytes = [0; 2];
            stream.read_exact(&mut bytes)?;
            usize::from(u16::from_be_bytes(bytes))
        }
        127 => {
            let mut bytes = [0; 8];
            stream.read_exact(&mut bytes)?;
            u64::from_be_bytes(bytes) as usize
        }
        short => usize::from(short),
    };
    let mut payload = vec![0; length];
    stream.read_exact(&mut payload)?;
    Ok((header[0], payload))
}

/// The code of the close that comes next, after whatever else.
pub fn close_code(stream: &mut impl Read) -> u16 {
    loop {
        let (first, payload) = receive(stream);
        if first == 0x88 {
            return u16::from_be_bytes([payload[0], payload[1]]);
        }
    }
}

pub fn new_session(server: &Server) -> String {
    let mut stream = server.connect();
    let request = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
    stream.write_all(request.as_bytes()).expect("sent");
    let answer = read_answer(&mut stream);
    let location = answer.split("Location: /").nth(1);
    let location = location.unwrap_or_else(|| panic!("{answer}"));
    location[..32].to_owned()
}

pub fn handshake(session: &str, host: &str, fields: &str) -> String {
    format!(
        "GET /ws/{session} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{fields}\r\n"
    )
}

pub fn attach(server: &Server, session: &str) -> TcpStream {
    let mut stream = server.connect();
    let request = handshake(session, "localhost", "");
    stream.write_all(request.as_bytes()).expect("sent");
    let answer = read_answer(&mut stream);
    assert_eq!(status(&answer), "101", "{answer}");
    stream
}

/// The number of the app object as a fresh page of the session sees it.
fn app_object(server: &Server, session: &str) -> String {
    let mut stream = attach(server, session);
    stream
        .write_all(&frame(0x81, WATCH_APP.as_bytes()))
        .expect("sent");
    let (first, payload) = receive(&mut stream);
    assert_eq!(first, 0x81);
    let text = String::from_utf8(payload).expect("JSON");
    let value = text.split("\"value\":").nth(1).expect("a value");
    value.split('}').next().unwrap_or_default().to_owned()
}

#[test]
fn every_error_has_its_close_code_and_the_session_survives() {
    let server = Server::start(&site("counter"), &["-v"]);
    let session = new_session(&server);
    let object = app_object(&server, &session);
    let mut unmasked = frame(0x81, b"[]");
    unmasked[1] &= 0x7f;
    let table: &[(u16, Vec<u8>)] = &[
        (1002, unmasked),
        (1002, frame(0xc1, b"[]")),
        (1002, frame(0x83, b"[]")),
        (1002, frame(0x80, b"[]")),
        (1003, frame(0x82, b"[]")),
        (1007, frame(0x81, b"\xff\xfe")),
        (1009, frame(0x81, &vec![b' '; (1 << 20) + 1])),
        (1000, frame(0x88, &1000u16.to_be_bytes())),
    ];
    for (code, bytes) in table {
        let mut stream = attach(&server, &session);
        // A server that has seen enough may close before all is written.
        let _ = stream.write_all(bytes);
        assert_eq!(close_code(&mut stream), *code);
        assert_eq!(read_all(&mut stream), "", "the end follows the close");
    }
    assert_eq!(app_object(&server, &session), object);
}

#[test]
fn a_message_in_pieces_and_pings_are_understood() {
    let server = Server::start(&site("counter"), &[]);
    let mut stream = attach(&server, &new_session(&server));
    let (start, end) = WATCH_APP.as_bytes().split_at(9);
    let bytes = [frame(0x01, start), frame(0x89, b"hello"), frame(0x80, end)].concat();
    for byte in bytes {
        stream.write_all(&[byte]).expect("sent");
    }
    assert_eq!(receive(&mut stream), (0x8a, b"hello".to_vec()));
    let (first, text) = receive(&mut stream);
    assert_eq!(first, 0x81);
    assert!(text.starts_with(b"[{\"type\":\"update\""));
    // The largest message there may be is only a bad one.
    let largest = frame(0x81, &vec![b' '; 1 << 20]);
    stream.write_all(&largest).expect("sent");
    let (first, text) = receive(&mut stream);
    assert_eq!(first, 0x81);
    assert!(String::from_utf8_lossy(&text).contains("bad-message"));
}

#[test]
fn only_pages_from_here_and_known_sessions_get_in() {
    let server = Server::start(
        &site("counter"),
        &["--allowed-origins", "https://friend.example"],
    );
    let session = new_session(&server);
    let ask = |session: &str, host: &str, origin: &str| {
        let fields = format!("Origin: {origin}\r\n");
        let mut stream = server.connect();
        let request = handshake(session, host, &fields);
        stream.write_all(request.as_bytes()).expect("sent");
        read_answer(&mut stream)
    };
    let foreign = ask(&session, "localhost", "https://evil.example");
    assert_eq!(status(&foreign), "403");
    assert!(foreign.contains("allowed_origins"), "{foreign}");
    assert_eq!(status(&ask(&session, "localhost", "null")), "403");
    // Two are not as good as none.
    let two = "http://localhost\r\nOrigin: https://evil.example";
    assert_eq!(status(&ask(&session, "localhost", two)), "403");
    assert_eq!(
        status(&ask(&session, "evil.example", "http://evil.example")),
        "421"
    );
    assert_eq!(
        status(&ask(&session, "localhost", "http://localhost")),
        "101"
    );
    assert_eq!(
        status(&ask(&session, "localhost", "https://friend.example")),
        "101"
    );
    let unknown = ask(&"0".repeat(32), "localhost", "http://localhost");
    assert!(
        status(&unknown) == "404" && unknown.ends_with("Session not found\n"),
        "{unknown}"
    );
    let log = server.log();
    assert!(
        log.contains("https://evil.example") && log.contains("allowed_origins"),
        "{log}"
    );
    assert!(log.contains("allowed_hosts"), "{log}");
}

#[test]
fn a_site_that_fails_says_so_once_and_its_page_says_why() {
    let server = Server::start(&site("broken"), &[]);
    let session = new_session(&server);
    let mut stream = attach(&server, &session);
    let (first, text) = receive(&mut stream);
    let text = String::from_utf8_lossy(&text).into_owned();
    assert!(
        first == 0x81 && text.contains("lua-error") && text.contains("main.lua"),
        "{text}"
    );
    assert_eq!(close_code(&mut stream), 1011);
    let get = |path: &str| {
        let head = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept: text/html\r\n\r\n");
        server.ask(head.as_bytes())
    };
    let page = get(&format!("/{session}"));
    assert!(
        status(&page) == "500" && page.contains("main.lua:6"),
        "{page}"
    );
    let again = server.ask(handshake(&session, "localhost", "").as_bytes());
    assert_eq!(status(&again), "404");
}
