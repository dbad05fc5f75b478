//! Peers that do not come to an agreement: cut off, slow, silent, endless, or that speak something else.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;

use rustls::ClientConnection;
use rustls::pki_types::ServerName;
use rustls::version::{TLS12, TLS13};

use super::client::{Place, any};
use crate::access::eventually;
use crate::bench_client::wire;
use crate::net::process::{Server, read_all, site, status};

/// What a client says first.
fn hello() -> Vec<u8> {
    let name = ServerName::try_from(wire::NAME).expect("a name");
    let mut client = ClientConnection::new(any(), name).expect("a client");
    let mut bytes = Vec::new();
    client.write_tls(&mut bytes).expect("into memory");
    bytes
}

/// A connection that was not answered: all that came up to its end.
fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    // That the server closed it with something unread is an end, too.
    let _ = stream.read_to_end(&mut bytes);
    bytes
}

/// An alert, or nothing.
fn is_no_answer(bytes: &[u8]) -> bool {
    matches!(bytes.first(), None | Some(0x15))
}

/// How many connections the server has, as it tells.
fn connections(admin: &str) -> u64 {
    let mut stream = TcpStream::connect(admin).expect("a connection");
    stream
        .write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .expect("sent");
    let told = read_all(&mut stream);
    let line = told
        .lines()
        .find_map(|line| line.strip_prefix("lunette_connections "));
    line.and_then(|count| count.parse().ok()).expect("a number")
}

#[test]
fn cut_off_at_any_byte_leaves_nothing_behind() {
    let mut place = Place::with("", &["--admin-listen", "127.0.0.1:0"]);
    let line = place.server.next_line();
    let admin = line
        .trim()
        .rsplit_once("://")
        .expect("an address")
        .1
        .to_owned();
    let hello = hello();
    for end in 0..hello.len() {
        let mut stream = place.server.connect();
        stream.write_all(&hello[..end]).expect("sent");
        if end % 2 == 0 {
            stream.shutdown(Shutdown::Write).expect("shut");
            rest(&mut stream);
        }
    }
    for version in [&TLS13, &TLS12] {
        let client = wire::client(&[version]);
        // What ends the agreement, with the request behind it.
        let length = second_flight(&place, &client, None);
        for end in (0..length).step_by(3) {
            second_flight(&place, &client, Some(end));
        }
    }
    place.serves_on();
    eventually("all are gone", || connections(&admin) == 0);
}

/// Sends what follows on the server's first words, up to this byte. Returns how long it is.
fn second_flight(place: &Place, client: &Arc<rustls::ClientConfig>, end: Option<usize>) -> usize {
    let mut tls = place.tls_as(client);
    tls.conn
        .writer()
        .write_all(b"HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .expect("kept");
    let mut bytes = Vec::new();
    while tls.conn.wants_write() {
        tls.conn.write_tls(&mut bytes).expect("into memory");
    }
    tls.sock.write_all(&bytes).expect("sent");
    bytes.clear();
    while !tls.conn.wants_write() {
        tls.conn.read_tls(&mut tls.sock).expect("an answer");
        tls.conn.process_new_packets().expect("TLS");
    }
    while tls.conn.wants_write() {
        tls.conn.write_tls(&mut bytes).expect("into memory");
    }
    tls.sock
        .write_all(&bytes[..end.unwrap_or(bytes.len())])
        .expect("sent");
    bytes.len()
}

#[test]
fn an_agreement_that_takes_too_long_is_given_up() {
    let place = Place::with("[net]\nhead_timeout = \"1s\"\n", &[]);
    let hello = hello();
    let mut slow: Vec<TcpStream> = (0..100).map(|_| place.server.connect()).collect();
    let mut silent = place.server.connect();
    let mut half = place.tls();
    half.flush().expect("agreed");
    // A byte from time to time does not help.
    for byte in &hello[..hello.len() / 2] {
        for stream in &mut slow {
            let _ = stream.write_all(&[*byte]);
        }
    }
    place.serves_on();
    for stream in slow.iter_mut().chain([&mut silent]) {
        assert!(is_no_answer(&rest(stream)));
    }
    assert_eq!(read_all(&mut half), "");
    place.serves_on();
}

#[test]
fn what_is_no_tls_is_told_so() {
    let place = Place::with("", &["-v"]);
    let plain = place
        .server
        .ask(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!(status(&plain), "400");
    assert!(plain.contains("begin the address with https://"), "{plain}");
    // Before the request is there to the end, too.
    assert_eq!(status(&place.server.ask(b"G")), "400");
    for garbage in [
        &b"\x00\x01\x02"[..],
        &[0xff; 100],
        &[0x16; 5],
        &[0x80; 3000],
    ] {
        let mut stream = place.server.connect();
        stream.write_all(garbage).expect("sent");
        let _ = stream.shutdown(Shutdown::Write);
        assert!(is_no_answer(&rest(&mut stream)));
    }
    let log = place.server.log();
    assert!(
        log.contains("from 127.0.0.1: it speaks plain HTTP"),
        "{log}"
    );
    assert!(log.matches("refused what is no TLS").count() >= 4, "{log}");
    place.serves_on();
}

#[test]
fn tls_where_there_is_none_is_told_so() {
    let server = Server::start(&site("counter"), &[]);
    let mut stream = server.connect();
    stream.write_all(&hello()).expect("sent");
    assert!(rest(&mut stream).starts_with(b"HTTP/1.1 400"));
}

#[test]
fn an_agreement_without_end_is_cut_off() {
    let place = Place::with("", &["-v"]);
    let mut stream = place.server.connect();
    // A first word of 60,000 bytes, in records as large as they may be.
    let mut message = vec![1, 0, 0xea, 0x60];
    message.resize(60_004, 0);
    for part in message.chunks(1 << 14) {
        let length = (part.len() as u16).to_be_bytes();
        let record = [&[0x16, 3, 1, length[0], length[1]], part].concat();
        // It may be closed before all is sent.
        let _ = stream.write_all(&record);
    }
    rest(&mut stream);
    eventually("it is told", || {
        place.server.log().contains("a handshake this long is none")
    });
    place.serves_on();
}

#[test]
fn a_record_that_was_altered_ends_the_connection_and_not_the_session() {
    let place = Place::with("", &["-v"]);
    let session = place.session();
    let mut tls = place.tls();
    let host = place.server.address;
    write!(
        tls,
        "GET /ws/{session} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    .expect("sent");
    let mut start = [0; 12];
    tls.read_exact(&mut start).expect("an answer");
    assert_eq!(&start, b"HTTP/1.1 101");
    tls.conn.writer().write_all(b"anything").expect("kept");
    let mut bytes = Vec::new();
    tls.conn.write_tls(&mut bytes).expect("into memory");
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    tls.sock.write_all(&bytes).expect("sent");
    let mut all = Vec::new();
    assert!(tls.read_to_end(&mut all).is_err(), "an alert comes");
    place.page(&session);
    place.serves_on();
    assert!(
        place.server.log().contains("refused what is no TLS"),
        "{}",
        place.server.log()
    );
}
