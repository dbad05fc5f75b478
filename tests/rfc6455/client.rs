//! A client that sends what a case says, honest or not, and compares what comes back.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use crate::net::websocket::{self, try_receive};

pub const TEXT: u8 = 0x81;
pub const BINARY: u8 = 0x82;
pub const CLOSE: u8 = 0x88;
pub const PING: u8 = 0x89;
pub const PONG: u8 = 0x8a;

/// What is sent, and what must come.
pub struct Case {
    pub name: String,
    pub send: Vec<u8>,
    pub expect: Vec<(u8, Vec<u8>)>,
    /// The close that ends it; `None`: the peer is still there, and answers ours.
    pub close: Option<Vec<u8>>,
    /// Payload of its largest message.
    pub bytes: usize,
}

impl Case {
    pub fn new(name: impl Into<String>) -> Case {
        Case {
            name: name.into(),
            send: Vec::new(),
            expect: Vec::new(),
            close: None,
            bytes: 0,
        }
    }

    /// Sends a frame.
    pub fn send(mut self, first: u8, payload: &[u8]) -> Case {
        self.send.extend(masked(first, payload));
        self
    }

    pub fn send_raw(mut self, bytes: &[u8]) -> Case {
        self.send.extend_from_slice(bytes);
        self
    }

    /// Expects a frame.
    pub fn expect(mut self, first: u8, payload: &[u8]) -> Case {
        self.expect.push((first, payload.to_vec()));
        self
    }

    /// Sends a message and expects it back.
    pub fn echo(self, first: u8, payload: &[u8]) -> Case {
        self.send(first, payload).expect(first, payload)
    }

    /// Expects a close with this code.
    pub fn fails(self, code: u16) -> Case {
        self.closes(&code.to_be_bytes())
    }

    /// Expects a close that begins with this, or is empty.
    pub fn closes(mut self, payload: &[u8]) -> Case {
        self.close = Some(payload.to_vec());
        self
    }
}

/// A client's frame.
pub fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    websocket::masked([0x9c, 0x01, 0xf0, 0x6e], first, payload)
}

/// A message in frames of at most `size` bytes.
pub fn fragments(first: u8, payload: &[u8], size: usize) -> Vec<u8> {
    let count = payload.len().div_ceil(size).max(1);
    let mut out = Vec::new();
    for i in 0..count {
        let part = &payload[i * size..payload.len().min((i + 1) * size)];
        let opcode = if i == 0 { first & 0x7f } else { 0 };
        let last = if i + 1 == count { 0x80 } else { 0 };
        out.extend(masked(opcode | last, part));
    }
    out
}

/// Runs a case in one piece, in small pieces, and byte by byte where that is not too many.
pub fn run(address: SocketAddr, case: &Case) {
    for portion in [usize::MAX, 997, 1] {
        if case.send.len() / portion < 3000 {
            run_in(address, case, portion);
        }
    }
}

fn run_in(address: SocketAddr, case: &Case, portion: usize) {
    let mut stream = connect(address);
    let mut sender = stream.try_clone().expect("a second handle");
    let bytes = case.send.clone();
    // Beside the reading, so that neither end waits for the other with full buffers. A peer that has seen
    // enough may close before all is sent.
    let sending = thread::spawn(move || {
        bytes
            .chunks(portion)
            .try_for_each(|part| sender.write_all(part))
    });
    let told = format!("{} in portions of {portion}", case.name);
    for (i, (first, payload)) in case.expect.iter().enumerate() {
        let (got, came) =
            try_receive(&mut stream).unwrap_or_else(|error| panic!("{told}: frame {i}: {error}"));
        let start = &came[..came.len().min(130)];
        assert!(
            got == *first && came == *payload,
            "{told}: frame {i} is {got:x} {start:x?}"
        );
    }
    let ended = match &case.close {
        Some(close) => close.clone(),
        None => {
            let sent = sending.join().expect("the sender lives");
            sent.unwrap_or_else(|error| panic!("{told}: {error}"));
            let close = 1000u16.to_be_bytes();
            stream
                .write_all(&masked(CLOSE, &close))
                .expect("it listens");
            close.to_vec()
        }
    };
    let (got, came) =
        try_receive(&mut stream).unwrap_or_else(|error| panic!("{told}: no close: {error}"));
    let same = if ended.is_empty() {
        came.is_empty()
    } else {
        came.starts_with(&ended)
    };
    assert!(
        got == CLOSE && same,
        "{told}: not closed by {ended:?} but {got:x} {came:x?}"
    );
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest);
    assert!(rest.is_empty(), "{told}: after the close came {rest:x?}");
}

fn connect(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).expect("the echo listens");
    stream.set_nodelay(true).expect("no delay");
    let patience = Some(Duration::from_secs(30));
    stream.set_read_timeout(patience).expect("a deadline");
    let head = "GET /echo HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    stream.write_all(head.as_bytes()).expect("sent");
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("an answer");
        answer.push(byte[0]);
    }
    assert!(answer.starts_with(b"HTTP/1.1 101 "));
    stream
}
