//! WebSocketEndpoint: one WebSocket, from the bytes of a peer to its messages and back.
//!
//! tungstenite reads, through a pipe in memory that holds what arrived (large frames until they are
//! whole). Frames to the peer are not
//! masked and so are only a header and the text: they are written straight into the output, which
//! saves two copies. What tungstenite itself answers (pongs, the reply to a close) goes there too.

use std::io::{self, Read, Write};

use tungstenite::error::Error;
use tungstenite::handshake::derive_accept_key;
use tungstenite::protocol::{Message, Role, WebSocket, WebSocketConfig};

use super::limits::{BUFFER_KEPT_BYTES, NetLimits};
use super::output::OutputQueue;

pub use tungstenite::{Bytes, Utf8Bytes as Text};

/// Close codes of RFC 6455 section 7.4.1 that are used here.
pub mod close_code {
    pub const PROTOCOL_ERROR: u16 = 1002;
    pub const UNSUPPORTED: u16 = 1003;
    /// Never sent: the connection ended without a close.
    pub const ABNORMAL: u16 = 1006;
    pub const BAD_TEXT: u16 = 1007;
    pub const POLICY: u16 = 1008;
    pub const TOO_BIG: u16 = 1009;
    pub const INTERNAL_ERROR: u16 = 1011;
    pub const RESTARTING: u16 = 1012;
    pub const TRY_LATER: u16 = 1013;
    /// The peer closed without giving a code; never sent.
    pub const NO_STATUS: u16 = 1005;
}

/// The tail of a reader's buffer must hold any frame header (14 bytes), and most frames.
const READ_BUFFER_BYTES: usize = 1024;

/// Something a peer sent.
#[derive(Debug, PartialEq, Eq)]
pub enum Incoming {
    Text(Text),
    Binary(Bytes),
    /// The peer answered a ping.
    Alive,
    /// The peer sent one, which was answered.
    Pinged,
    /// The peer closed, or broke the protocol and was told so with this code. Nothing follows.
    Closed {
        code: u16,
        reason: &'static str,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    /// Our close is queued; the peer's is awaited.
    Closing,
    Closed,
}

/// The server's end of one WebSocket.
pub struct WebSocketEndpoint {
    socket: WebSocket<Pipe>,
    state: State,
    message_bytes: usize,
}

/// Appends the answer that turns an HTTP connection into a WebSocket.
pub fn write_handshake(key: &str, subprotocol: Option<&str>, out: &mut Vec<u8>) {
    out.extend_from_slice(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
          Sec-WebSocket-Accept: ",
    );
    out.extend_from_slice(derive_accept_key(key.as_bytes()).as_bytes());
    if let Some(subprotocol) = subprotocol {
        out.extend_from_slice(b"\r\nSec-WebSocket-Protocol: ");
        out.extend_from_slice(subprotocol.as_bytes());
    }
    out.extend_from_slice(b"\r\n\r\n");
}

impl WebSocketEndpoint {
    /// An open endpoint. `output` holds what still goes out before the first frame, `tail` what
    /// the peer sent after its handshake.
    pub fn new(output: OutputQueue, tail: &[u8], limits: &NetLimits) -> WebSocketEndpoint {
        let pipe = Pipe {
            input: tail.to_vec(),
            frame_bytes: limits.message_bytes as u64,
            output,
            ..Pipe::default()
        };
        WebSocketEndpoint {
            socket: new_socket(pipe, limits.message_bytes),
            state: State::Open,
            message_bytes: limits.message_bytes,
        }
    }

    /// Takes what arrived.
    pub fn feed(&mut self, bytes: &[u8]) {
        if self.state != State::Closed {
            let pipe = self.pipe();
            pipe.input.extend_from_slice(bytes);
            pipe.waits = false;
        }
    }

    /// Whether something that was fed has not been looked at.
    pub fn has_input(&self) -> bool {
        self.state != State::Closed && self.socket.get_ref().has_input()
    }

    /// What the peer said next; `None`: nothing more until more is fed.
    pub fn read(&mut self) -> Option<Incoming> {
        while self.state != State::Closed {
            match self.socket.read() {
                Ok(Message::Text(text)) if self.state == State::Open => {
                    return Some(Incoming::Text(text));
                }
                Ok(Message::Binary(data)) if self.state == State::Open => {
                    return Some(Incoming::Binary(data));
                }
                Ok(Message::Ping(_)) => return Some(Incoming::Pinged),
                Ok(Message::Pong(_)) => return Some(Incoming::Alive),
                Ok(Message::Close(frame)) => {
                    // Queues the reply; "closed" is all it can report.
                    let _ = self.socket.flush();
                    self.state = State::Closed;
                    self.release();
                    let code = frame.map_or(close_code::NO_STATUS, |f| f.code.into());
                    return Some(Incoming::Closed {
                        code,
                        reason: "closed by the peer",
                    });
                }
                // After our close nothing counts but the peer's.
                Ok(Message::Text(_) | Message::Binary(_) | Message::Frame(_)) => {}
                Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.rest();
                    return None;
                }
                Err(error) => return Some(self.fail_for(&error)),
            }
        }
        None
    }

    fn fail_for(&mut self, error: &Error) -> Incoming {
        match error {
            Error::Capacity(_) => self.fail(close_code::TOO_BIG, "the message is too big"),
            Error::Utf8(_) => self.fail(close_code::BAD_TEXT, "the text is not UTF-8"),
            Error::Protocol(_) => self.fail(close_code::PROTOCOL_ERROR, "not a valid frame"),
            _ => self.fail(close_code::INTERNAL_ERROR, "the WebSocket failed"),
        }
    }

    /// Tells the peer what it did wrong. tungstenite only reports.
    fn fail(&mut self, code: u16, reason: &'static str) -> Incoming {
        if self.state == State::Open {
            push_close(code, reason, self.output().tail());
        }
        self.state = State::Closed;
        self.release();
        Incoming::Closed { code, reason }
    }

    /// Appends one text frame; `write` appends its text, valid UTF-8. Ignored once closing.
    pub fn send_text(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        if self.state == State::Open {
            push_text(self.output().tail(), write);
        }
    }

    /// Asks whether the peer is there.
    pub fn ping(&mut self) {
        if self.state == State::Open {
            self.output().tail().extend_from_slice(&[0x89, 0]);
        }
    }

    /// Starts closing: after this only the peer's close is awaited. `reason` is cut at 123 bytes.
    pub fn close(&mut self, code: u16, reason: &str) {
        if self.state == State::Open {
            push_close(code, reason, self.output().tail());
            self.pipe().sent_close = true;
            self.state = State::Closing;
        }
    }

    /// Whether frames can still be sent.
    pub fn is_open(&self) -> bool {
        self.state == State::Open
    }

    /// Whether both ends have closed, or the peer cannot be understood any more.
    pub fn is_closed(&self) -> bool {
        self.state == State::Closed
    }

    /// What waits to be sent.
    pub fn output(&mut self) -> &mut OutputQueue {
        &mut self.pipe().output
    }

    /// Gives back the room of what was sent, if more than so many bytes are held.
    pub fn make_room(&mut self, bytes: usize) {
        if self.queued().held() > bytes {
            self.output().compact();
        }
    }

    /// Whether more than so many bytes wait for the peer.
    pub fn is_backed_up(&self, bytes: usize) -> bool {
        self.queued().len() > bytes
    }

    /// What waits to be sent, to look at.
    pub fn queued(&self) -> &OutputQueue {
        &self.socket.get_ref().output
    }

    fn pipe(&mut self) -> &mut Pipe {
        self.socket.get_mut()
    }

    /// All that can be read of what was fed has been. tungstenite's buffer never shrinks: after a large frame, and
    /// between messages, it is replaced by a fresh one.
    fn rest(&mut self) {
        let pipe = self.pipe();
        pipe.forget_what_was_read();
        if pipe.frames.was_large && pipe.frames.is_between_messages() && self.state == State::Open {
            let mut pipe = std::mem::take(self.pipe());
            pipe.frames.was_large = false;
            self.socket = new_socket(pipe, self.message_bytes);
        }
    }

    /// Nothing will be read any more.
    fn release(&mut self) {
        let pipe = self.pipe();
        pipe.input = Vec::new();
        pipe.read = 0;
    }
}

fn new_socket(pipe: Pipe, message_bytes: usize) -> WebSocket<Pipe> {
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(0)
        .max_frame_size(Some(message_bytes))
        .max_message_size(Some(message_bytes));
    WebSocket::from_raw_socket(pipe, Role::Server, Some(config))
}

const FINAL_TEXT: u8 = 0x81;
const FINAL_CLOSE: u8 = 0x88;

/// A frame header is 2, 4 or 10 bytes, by the length that is known only afterwards: four are left
/// free, and the text is moved when that was wrong (two bytes back if it is short).
fn push_text(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[FINAL_TEXT, 0, 0, 0]);
    write(out);
    let len = out.len() - start - 4;
    if len < 126 {
        out[start + 1] = len as u8;
        out.copy_within(start + 4.., start + 2);
        out.truncate(out.len() - 2);
    } else if let Ok(short) = u16::try_from(len) {
        out[start + 1] = 126;
        out[start + 2..start + 4].copy_from_slice(&short.to_be_bytes());
    } else {
        let end = out.len();
        out.resize(end + 6, 0);
        out.copy_within(start + 4..end, start + 10);
        out[start + 1] = 127;
        out[start + 2..start + 10].copy_from_slice(&(len as u64).to_be_bytes());
    }
}

fn push_close(code: u16, reason: &str, out: &mut Vec<u8>) {
    // A control frame holds 125 bytes, two of them the code.
    let mut end = reason.len().min(123);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    let reason = &reason[..end];
    out.extend_from_slice(&[FINAL_CLOSE, 2 + reason.len() as u8]);
    out.extend_from_slice(&code.to_be_bytes());
    out.extend_from_slice(reason.as_bytes());
}

/// What tungstenite takes for a socket.
#[derive(Debug, Default)]
struct Pipe {
    input: Vec<u8>,
    /// How much of `input` has been read.
    read: usize,
    /// What is in `input` is the beginning of a frame that is kept back until more comes.
    waits: bool,
    /// The largest frame there may be.
    frame_bytes: u64,
    output: OutputQueue,
    frames: FrameTracker,
    /// Nothing may follow our close (RFC 6455 section 5.5.1), so pongs and replies are dropped.
    sent_close: bool,
}

impl Pipe {
    fn has_input(&self) -> bool {
        self.read < self.input.len() && !self.waits
    }

    fn forget_what_was_read(&mut self) {
        self.input.drain(..self.read);
        self.read = 0;
        if self.input.is_empty() && self.input.capacity() > BUFFER_KEPT_BYTES {
            self.input = Vec::new();
        }
    }

    /// Whether what comes next shall be kept back: tungstenite makes room for a frame as soon as it has
    /// the header, and so a few bytes would cost as much as the largest frame. Headers are passed whole,
    /// small frames as they come; one that is too large is refused by its header alone.
    fn keeps_back(&self) -> bool {
        if self.frames.left > 0 {
            return false;
        }
        let unread = &self.input[self.read..];
        let Some((header, payload)) = frame_header(unread) else {
            return true;
        };
        let is_large = payload > READ_BUFFER_BYTES as u64 && payload <= self.frame_bytes;
        is_large && (unread.len() as u64) < header + payload
    }
}

impl Read for Pipe {
    /// Never reads past the end of a frame, so that nothing of the next one is in tungstenite's
    /// buffer while this one's message is handled.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.waits = self.keeps_back();
        if !self.has_input() || buffer.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let unread = &self.input[self.read..];
        let n = self.frames.pass(unread, buffer.len());
        buffer[..n].copy_from_slice(&unread[..n]);
        self.read += n;
        Ok(n)
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !self.sent_close {
            self.output.tail().extend_from_slice(bytes);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Bytes of the header at the start of these, and of the payload that it announces (RFC 6455 section 5.2);
/// `None`: it is not complete.
fn frame_header(bytes: &[u8]) -> Option<(u64, u64)> {
    let second = *bytes.get(1)?;
    let length_bytes = match second & 0x7f {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    let mask_bytes = if second & 0x80 != 0 { 4 } else { 0 };
    let header = 2 + length_bytes + mask_bytes;
    if bytes.len() < header {
        return None;
    }
    let length = match length_bytes {
        0 => u64::from(second & 0x7f),
        n => bytes[2..2 + n]
            .iter()
            .fold(0, |sum, &byte| sum << 8 | u64::from(byte)),
    };
    Some((header as u64, length))
}

/// Knows where frames end, and nothing else about them.
#[derive(Debug, Default)]
struct FrameTracker {
    /// Bytes of the present frame that have not been passed.
    left: u64,
    /// A message's last frame has not come.
    fragmented: bool,
    /// A frame made tungstenite's buffer grow.
    was_large: bool,
}

impl FrameTracker {
    /// How many of these next bytes belong to the present frame, of `at_most`. They begin with a whole
    /// header if a frame begins.
    fn pass(&mut self, bytes: &[u8], at_most: usize) -> usize {
        if self.left == 0
            && let Some((header, payload)) = frame_header(bytes)
        {
            let (last, is_control) = (bytes[0] & 0x80 != 0, bytes[0] & 0x08 != 0);
            if !is_control {
                self.fragmented = !last;
            }
            self.was_large |= payload > READ_BUFFER_BYTES as u64;
            self.left = payload.saturating_add(header);
        }
        let left = usize::try_from(self.left).unwrap_or(usize::MAX);
        let passed = left.min(bytes.len()).min(at_most);
        self.left -= passed as u64;
        passed
    }

    fn is_between_messages(&self) -> bool {
        self.left == 0 && !self.fragmented
    }
}

#[cfg(test)]
#[path = "websocket_tests.rs"]
mod tests;
