//! HTTP and WebSockets as a browser speaks them, from bytes to bytes.

use crate::net::websocket::masked;

/// A masking key; which one does not matter to the server.
const MASK: [u8; 4] = [0x5a, 0x01, 0xc3, 0x7e];

/// An HTTP answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut fields = self.head.lines().filter_map(|line| line.split_once(": "));
        let (_, value) = fields.find(|(key, _)| key.eq_ignore_ascii_case(name))?;
        Some(value)
    }
}

/// Takes a whole answer off the front of what arrived.
pub fn take_answer(inbox: &mut Vec<u8>) -> Option<Answer> {
    let end = inbox.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let head = String::from_utf8(inbox[..end].to_vec()).expect("heads are ASCII");
    let status = head.split(' ').nth(1).and_then(|text| text.parse().ok());
    let answer = Answer {
        status: status.unwrap_or_else(|| panic!("no status: {head}")),
        head,
    };
    let length = answer.header("content-length").map_or(0, |text| {
        text.parse::<usize>().expect("a length is a number")
    });
    let length = if answer.status == 101 { 0 } else { length };
    if inbox.len() < end + length {
        return None;
    }
    inbox.drain(..end + length);
    Some(answer)
}

pub fn get(path: &str, fields: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept: text/html\r\n{fields}\r\n")
        .into_bytes()
}

pub fn upgrade(path: &str, linked: bool) -> Vec<u8> {
    let subprotocol = match linked {
        true => "Sec-WebSocket-Protocol: lunette.1\r\n",
        false => "",
    };
    format!(
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{subprotocol}\r\n"
    )
    .into_bytes()
}

/// What the server said.
#[derive(Debug, PartialEq, Eq)]
pub enum Frame {
    Text(String),
    Ping(Vec<u8>),
    Pong,
    Close(u16),
}

const TEXT: u8 = 1;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// Takes a whole frame off the front of what arrived.
pub fn take_frame(inbox: &mut Vec<u8>) -> Option<Frame> {
    let (&first, &second) = (inbox.first()?, inbox.get(1)?);
    assert!(
        first & 0x80 != 0 && second & 0x80 == 0,
        "server frames are whole and unmasked"
    );
    let (length, head) = match second {
        126 => (
            u16::from_be_bytes(inbox.get(2..4)?.try_into().ok()?) as usize,
            4,
        ),
        127 => (
            u64::from_be_bytes(inbox.get(2..10)?.try_into().ok()?) as usize,
            10,
        ),
        short => (short as usize, 2),
    };
    let payload = inbox.get(head..head + length)?.to_vec();
    inbox.drain(..head + length);
    Some(match first & 0x0f {
        TEXT => Frame::Text(String::from_utf8(payload).expect("texts are UTF-8")),
        PING => Frame::Ping(payload),
        PONG => Frame::Pong,
        CLOSE => Frame::Close(
            payload
                .get(..2)
                .map_or(1005, |code| u16::from_be_bytes([code[0], code[1]])),
        ),
        other => panic!("a frame of kind {other}"),
    })
}

/// A text in `parts` frames.
pub fn text(text: &str, parts: usize) -> Vec<u8> {
    let bytes = text.as_bytes();
    let size = bytes.len().div_ceil(parts.max(1)).max(1);
    let mut out = Vec::new();
    let chunks: Vec<&[u8]> = match bytes.is_empty() {
        true => vec![bytes],
        false => bytes.chunks(size).collect(),
    };
    for (i, chunk) in chunks.iter().enumerate() {
        let kind = if i == 0 { TEXT } else { 0 };
        frame(&mut out, kind, i + 1 == chunks.len(), chunk);
    }
    out
}

pub fn pong(payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    frame(&mut out, PONG, true, payload);
    out
}

pub fn ping() -> Vec<u8> {
    let mut out = Vec::new();
    frame(&mut out, PING, true, b"?");
    out
}

pub fn close(code: u16) -> Vec<u8> {
    let mut out = Vec::new();
    frame(&mut out, CLOSE, true, &code.to_be_bytes());
    out
}

fn frame(out: &mut Vec<u8>, kind: u8, last: bool, payload: &[u8]) {
    let first = kind | if last { 0x80 } else { 0 };
    out.extend(masked(MASK, first, payload));
}
