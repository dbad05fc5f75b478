//! One connection from its first byte to its last, without its socket.
//!
//! The owner of the socket calls [`Connection::receive`] with what arrived, takes
//! [`Action`]s until there are none, answers requests, and sends what [`Connection::pending`]
//! shows. Time only comes in through `now`, in milliseconds, and where something may be answered with the
//! calendar's, as a [`Turn`]; [`Connection::deadline`] says when [`Connection::handle_timeout`] wants to be
//! called next.

use std::io::Read;

use super::http::{Refusal, Request, parse_head};
use super::limits::{BURST_SECONDS, NetLimits, PIPELINE_BACKLOG_BYTES};
use super::output::OutputQueue;
use super::response::{Body, Response};
use super::websocket::{Incoming, Text, WebSocketEndpoint, close_code, write_handshake};
use crate::core::event::Turn;

/// What the owner shall know or do.
#[derive(Debug, PartialEq, Eq)]
pub enum Action {
    /// Answer with [`Connection::respond`] or [`Connection::upgrade`] before asking for more.
    Request(Box<Request>),
    /// A request could not be accepted; the peer was told.
    Refused(Refusal),
    /// What came of the body that [`Connection::accept_body`] let in; after the last portion the
    /// request waits for its answer.
    Body { data: Vec<u8>, last: bool },
    /// A text frame.
    Text(Text),
    /// Something that needs no handling but counts against the share of this turn.
    Alive,
    /// The WebSocket is over; comes at most once. 1006: it ended without a close.
    Left { code: u16, reason: &'static str },
}

enum State {
    /// Between requests, or inside a head when `input` is not empty.
    Head,
    /// The owner has a request to answer.
    Answering,
    /// The body of the request to answer is coming in.
    Body,
    WebSocket(Box<WebSocketEndpoint>),
    /// Nothing more is read; what is queued still goes out, then our side is shut, then the peer's
    /// end is awaited so that it can read all of it.
    Draining,
    /// The socket can be closed.
    Finished,
}

/// A body that is read as the peer takes it.
struct Stream {
    reader: Box<dyn Read>,
    left: u64,
}

/// An answer whose length nobody knows when it begins (RFC 9112 section 7.1).
struct Chunks {
    /// Each piece has its length in front; without, the end of the connection is the end.
    framed: bool,
    keep_alive: bool,
}

/// See the module's description.
pub struct Connection {
    state: State,
    /// Bytes of a head that is not complete, and of requests behind it.
    input: Vec<u8>,
    /// The WebSocket has its own.
    output: OutputQueue,
    stream: Option<Stream>,
    chunks: Option<Chunks>,
    /// Bytes of the request's body that the owner has not had.
    body_left: u64,
    deadline: u64,
    /// The first head is timed from the start of the connection, later ones from their first byte.
    answered_any: bool,
    /// Whether `input` may hold a head that is complete or wrong: a line break or NUL came since it was
    /// last looked at.
    look: bool,
    peer_finished: bool,
    shut: bool,
    unanswered_pings: usize,
    allowance: Allowance,
}

/// What is left of the messages that a connection may send: a bucket that fills by the rate.
#[derive(Debug, Default)]
struct Allowance {
    /// When it would be full again; in thousandths of a millisecond, so that any rate counts.
    full_at_us: u64,
}

impl Allowance {
    /// Takes one message out; whether there was one.
    fn spend(&mut self, limits: &NetLimits, now: u64) -> bool {
        let Some(each_us) = 1_000_000u64.checked_div(limits.message_rate) else {
            return true;
        };
        let now_us = now.saturating_mul(1_000);
        let full_at_us = self.full_at_us.max(now_us) + each_us;
        if full_at_us > now_us + BURST_SECONDS * 1_000_000 {
            return false;
        }
        self.full_at_us = full_at_us;
        true
    }
}

/// How much of a streamed body is read at a time.
const STREAM_BYTES: usize = 64 * 1024;

impl Connection {
    /// A connection that was accepted now.
    pub fn new(limits: &NetLimits, now: u64) -> Connection {
        Connection {
            state: State::Head,
            input: Vec::new(),
            output: OutputQueue::default(),
            stream: None,
            chunks: None,
            body_left: 0,
            deadline: now + limits.head_timeout_ms,
            answered_any: false,
            look: false,
            peer_finished: false,
            shut: false,
            unanswered_pings: 0,
            allowance: Allowance::default(),
        }
    }

    /// Takes what arrived.
    pub fn receive(&mut self, bytes: &[u8], limits: &NetLimits, now: u64) {
        match &mut self.state {
            State::Head | State::Answering => {
                if self.input.is_empty() && self.answered_any {
                    self.deadline = now + limits.head_timeout_ms;
                }
                // NUL ends a head, too: a browser that was told https here shall hear so at once.
                self.look |= bytes.iter().any(|byte| matches!(byte, b'\n' | 0))
                    || self.input.len() + bytes.len() >= limits.head_bytes;
                self.input.extend_from_slice(bytes);
            }
            State::Body => {
                self.deadline = now + limits.stall_timeout_ms;
                self.input.extend_from_slice(bytes);
            }
            State::WebSocket(endpoint) => {
                self.unanswered_pings = 0;
                endpoint.feed(bytes);
            }
            State::Draining | State::Finished => {}
        }
    }

    /// The peer will send nothing more; it may still read.
    pub fn receive_end(&mut self) {
        self.peer_finished = true;
    }

    /// The socket failed.
    pub fn abort(&mut self) {
        self.peer_finished = true;
        self.stream = None;
        match &mut self.state {
            // Kept until the owner has seen that it is over.
            State::WebSocket(endpoint) => endpoint.output().clear(),
            _ => {
                self.output.clear();
                self.state = State::Finished;
            }
        }
    }

    /// Whether more from the socket is welcome: not while what came before waits.
    pub fn wants_input(&self) -> bool {
        match &self.state {
            State::Head => !(self.look || self.peer_finished),
            State::Answering => false,
            State::Body => self.input.is_empty() && !self.peer_finished,
            State::WebSocket(endpoint) => !(endpoint.has_input() || self.peer_finished),
            State::Draining => !self.peer_finished,
            State::Finished => false,
        }
    }

    /// Whether [`Connection::next`] may have something without more input.
    pub fn has_work(&self) -> bool {
        match &self.state {
            State::Head => (self.look || self.peer_finished) && !self.is_backed_up(),
            State::Body => !self.input.is_empty() || self.peer_finished,
            State::WebSocket(endpoint) => endpoint.has_input() || self.peer_finished,
            State::Answering | State::Draining | State::Finished => false,
        }
    }

    /// The next thing for the owner.
    pub fn next(&mut self, limits: &NetLimits, turn: Turn) -> Option<Action> {
        match &mut self.state {
            State::Head => self.next_request(limits, turn),
            State::Body => self.next_of_body(),
            State::WebSocket(endpoint) => match endpoint.read() {
                Some(Incoming::Binary(_)) => {
                    let reason = "binary frames are not part of this protocol";
                    Some(self.dismiss(close_code::UNSUPPORTED, reason, limits, turn))
                }
                Some(Incoming::Text(_) | Incoming::Alive | Incoming::Pinged)
                    if !self.allowance.spend(limits, turn.now) =>
                {
                    Some(self.dismiss(close_code::POLICY, "too many messages", limits, turn))
                }
                Some(Incoming::Text(text)) => Some(Action::Text(text)),
                Some(Incoming::Pinged) if endpoint.is_backed_up(limits.output_bytes) => {
                    Some(self.dismiss(close_code::TRY_LATER, "reads too slowly", limits, turn))
                }
                Some(Incoming::Alive | Incoming::Pinged) => {
                    endpoint.make_room(limits.output_bytes);
                    Some(Action::Alive)
                }
                Some(Incoming::Closed { code, reason }) => {
                    self.leave_websocket(limits, turn.now);
                    Some(Action::Left { code, reason })
                }
                None if self.peer_finished => {
                    self.state = State::Finished;
                    Some(Action::Left {
                        code: close_code::ABNORMAL,
                        reason: "ended without a close",
                    })
                }
                None => None,
            },
            State::Answering | State::Draining | State::Finished => None,
        }
    }

    fn next_request(&mut self, limits: &NetLimits, turn: Turn) -> Option<Action> {
        if self.is_backed_up() {
            return None;
        }
        if self.look {
            match parse_head(&self.input, limits) {
                Ok(Some((request, len))) => {
                    self.input.drain(..len);
                    self.look = !self.input.is_empty();
                    self.state = State::Answering;
                    self.body_left = request.body_bytes();
                    return Some(Action::Request(Box::new(request)));
                }
                Ok(None) => self.look = false,
                Err(refusal) => return Some(self.refuse(refusal, limits, turn)),
            }
        }
        if self.peer_finished {
            self.drain(limits.close_timeout_ms, turn.now);
        }
        None
    }

    /// What is there of the body. A peer that ends before it has sent all cannot be helped: what came
    /// is the owner's.
    fn next_of_body(&mut self) -> Option<Action> {
        if self.input.is_empty() {
            if self.peer_finished {
                self.state = State::Finished;
            }
            return None;
        }
        let mut data = std::mem::take(&mut self.input);
        if data.len() as u64 > self.body_left {
            self.input = data.split_off(self.body_left as usize);
        }
        self.body_left -= data.len() as u64;
        let last = self.body_left == 0;
        if last {
            self.state = State::Answering;
            self.look = !self.input.is_empty();
        }
        Some(Action::Body { data, last })
    }

    fn refuse(&mut self, refusal: Refusal, limits: &NetLimits, turn: Turn) -> Action {
        Response::from(refusal).write(None, turn.wall, self.output.tail());
        self.drain(limits.close_timeout_ms, turn.now);
        Action::Refused(refusal)
    }

    /// Answers the request that was handed out, or says why there is no answer at all if there
    /// was none (`request` is `None`).
    pub fn respond(
        &mut self,
        request: Option<&Request>,
        response: Response,
        limits: &NetLimits,
        turn: Turn,
    ) {
        // What is left of a body would be read as the next request.
        let unread = std::mem::take(&mut self.body_left) > 0;
        let response = if unread {
            response.close(true)
        } else {
            response
        };
        let written = response.write(request, turn.wall, self.output.tail());
        self.stream = written.stream.map(|(reader, left)| Stream { reader, left });
        self.answered_any = true;
        if written.keep_alive {
            self.state = State::Head;
            self.deadline = turn.now + limits.stall_timeout_ms;
        } else {
            self.drain(limits.stall_timeout_ms, turn.now);
        }
        self.refill();
    }

    /// Lets the body of the request that was handed out in: it comes by [`Action::Body`] before the
    /// request is answered. `waits`: the peer sends it when it hears that it is welcome.
    pub fn accept_body(&mut self, waits: bool, limits: &NetLimits, now: u64) {
        if self.body_left == 0 {
            return;
        }
        if waits && self.input.is_empty() {
            let tail = self.output.tail();
            tail.extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
        }
        self.state = State::Body;
        self.deadline = now + limits.stall_timeout_ms;
    }

    /// Begins to answer the request that was handed out with a body of unknown length: pieces follow
    /// by [`Connection::push_chunk`], and [`Connection::end_chunks`] ends it.
    pub fn begin_chunks(
        &mut self,
        request: Option<&Request>,
        response: Response,
        limits: &NetLimits,
        turn: Turn,
    ) {
        let framed = request.is_some_and(Request::takes_chunks);
        let response = response.body(Body::Chunks { framed }).close(!framed);
        let written = response.write(request, turn.wall, self.output.tail());
        self.chunks = Some(Chunks {
            framed,
            keep_alive: written.keep_alive,
        });
        self.answered_any = true;
        self.deadline = turn.now + limits.stall_timeout_ms;
    }

    /// Adds to the body; nothing if there is none under way, or the piece is empty.
    pub fn push_chunk(&mut self, data: &[u8]) {
        let Some(chunks) = &self.chunks else {
            return;
        };
        if data.is_empty() {
            // An empty chunk would end the body.
            return;
        }
        let out = self.output.tail();
        if chunks.framed {
            out.extend_from_slice(format!("{:x}\r\n", data.len()).as_bytes());
        }
        out.extend_from_slice(data);
        if chunks.framed {
            out.extend_from_slice(b"\r\n");
        }
    }

    /// The body is complete.
    pub fn end_chunks(&mut self, limits: &NetLimits, now: u64) {
        let Some(chunks) = self.chunks.take() else {
            return;
        };
        if chunks.framed {
            self.output.tail().extend_from_slice(b"0\r\n\r\n");
        }
        if chunks.keep_alive {
            self.state = State::Head;
            self.deadline = now + limits.stall_timeout_ms;
        } else {
            self.drain(limits.stall_timeout_ms, now);
        }
    }

    /// Answers a handshake: from now on this is a WebSocket.
    pub fn upgrade(&mut self, key: &str, subprotocol: Option<&str>, limits: &NetLimits, now: u64) {
        write_handshake(key, subprotocol, self.output.tail());
        let output = std::mem::take(&mut self.output);
        let tail = std::mem::take(&mut self.input);
        let endpoint = WebSocketEndpoint::new(output, &tail, limits);
        self.state = State::WebSocket(Box::new(endpoint));
        self.deadline = limits.next_ping(now);
    }

    /// Queues one text frame; `write` appends its text. Returns whether there was room; if not,
    /// nothing was queued and the owner shall close or send less.
    #[must_use]
    pub fn send_text(&mut self, limits: &NetLimits, write: impl FnOnce(&mut Vec<u8>)) -> bool {
        let State::WebSocket(endpoint) = &mut self.state else {
            return true;
        };
        endpoint.make_room(limits.output_bytes);
        let before = endpoint.queued().len();
        endpoint.send_text(write);
        let after = endpoint.queued().len();
        if after > limits.output_bytes && before > 0 {
            let tail = endpoint.output().tail();
            tail.truncate(tail.len() - (after - before));
            return false;
        }
        true
    }

    /// Closes a WebSocket from our side.
    pub fn close(&mut self, code: u16, reason: &str, limits: &NetLimits, now: u64) {
        if let State::WebSocket(endpoint) = &mut self.state
            && endpoint.is_open()
        {
            endpoint.close(code, reason);
            self.deadline = now + limits.close_timeout_ms;
        }
    }

    /// Ends a connection politely, whatever it is: a WebSocket with this close code, others as
    /// soon as what is queued is sent.
    pub fn finish(&mut self, code: u16, reason: &str, limits: &NetLimits, now: u64) {
        match self.state {
            State::WebSocket(_) => self.close(code, reason, limits, now),
            State::Head | State::Answering | State::Body => {
                self.drain(limits.close_timeout_ms, now);
            }
            State::Draining | State::Finished => {}
        }
    }

    /// What is to be sent now.
    pub fn pending(&self) -> &[u8] {
        match &self.state {
            State::WebSocket(endpoint) => endpoint.queued().pending(),
            _ => self.output.pending(),
        }
    }

    /// The first `n` bytes of [`Connection::pending`] were sent.
    pub fn sent(&mut self, n: usize, limits: &NetLimits, now: u64) {
        match &mut self.state {
            State::WebSocket(endpoint) => {
                endpoint.output().consume(n);
                return;
            }
            State::Draining if !self.shut => {
                // With the last byte nothing is left for the peer but to hang up.
                let is_last = n >= self.output.len() && self.stream.is_none();
                let patience_ms = match is_last {
                    true => limits.close_timeout_ms,
                    false => limits.stall_timeout_ms,
                };
                self.deadline = now + patience_ms;
            }
            State::Draining => {}
            State::Head | State::Answering | State::Body | State::Finished => {
                self.deadline = now + limits.stall_timeout_ms;
            }
        }
        self.output.consume(n);
        self.refill();
        if self.output.is_empty() && matches!(self.state, State::Head) {
            self.deadline = now + limits.idle_timeout_ms;
        }
    }

    /// Reads on in a streamed body. A file that became shorter meanwhile ends the connection:
    /// the peer sees that bytes are missing.
    fn refill(&mut self) {
        let Some(stream) = &mut self.stream else {
            return;
        };
        if !self.output.is_empty() && self.output.len() >= STREAM_BYTES {
            return;
        }
        let portion = stream.left.min(STREAM_BYTES as u64);
        let got = (&mut stream.reader)
            .take(portion)
            .read_to_end(self.output.tail());
        stream.left -= portion;
        if !matches!(got, Ok(n) if n as u64 == portion) {
            self.abort();
        } else if stream.left == 0 {
            self.stream = None;
        }
    }

    /// Whether our sending side shall be shut now, once.
    pub fn take_shutdown(&mut self) -> bool {
        let all_sent = self.output.is_empty() && self.stream.is_none();
        if !matches!(self.state, State::Draining) || self.shut || !all_sent {
            return false;
        }
        self.shut = true;
        true
    }

    /// Whether the socket can be closed.
    pub fn is_finished(&self) -> bool {
        match self.state {
            State::Finished => true,
            State::Draining => self.shut && self.peer_finished,
            State::Head | State::Answering | State::Body | State::WebSocket(_) => false,
        }
    }

    /// When [`Connection::handle_timeout`] is due.
    pub fn deadline(&self) -> u64 {
        self.deadline
    }

    /// Time has passed: pings a silent peer, gives up a slow one.
    pub fn handle_timeout(&mut self, limits: &NetLimits, turn: Turn) -> Option<Action> {
        if turn.now < self.deadline {
            return None;
        }
        match &mut self.state {
            State::Head if self.input.is_empty() || !self.output.is_empty() => {
                self.state = State::Finished;
                None
            }
            State::Head => {
                let refusal = Refusal {
                    status: 408,
                    reason: "the request took too long",
                };
                Some(self.refuse(refusal, limits, turn))
            }
            State::Body => {
                let refusal = Refusal {
                    status: 408,
                    reason: "the upload stalled: ask how much is here, and send the rest",
                };
                Some(self.refuse(refusal, limits, turn))
            }
            State::WebSocket(endpoint)
                if endpoint.is_open() && self.unanswered_pings < limits.missed_pongs =>
            {
                endpoint.ping();
                self.unanswered_pings += 1;
                self.deadline = limits.next_ping(turn.now);
                None
            }
            State::WebSocket(_) => {
                self.state = State::Finished;
                Some(Action::Left {
                    code: close_code::ABNORMAL,
                    reason: "the peer no longer answers",
                })
            }
            State::Answering | State::Draining | State::Finished => {
                self.state = State::Finished;
                None
            }
        }
    }

    fn is_backed_up(&self) -> bool {
        self.stream.is_some() || self.output.len() > PIPELINE_BACKLOG_BYTES
    }

    /// Closes a WebSocket whose peer does not behave, without listening any more.
    fn dismiss(
        &mut self,
        code: u16,
        reason: &'static str,
        limits: &NetLimits,
        turn: Turn,
    ) -> Action {
        self.close(code, reason, limits, turn.now);
        self.leave_websocket(limits, turn.now);
        Action::Left { code, reason }
    }

    fn leave_websocket(&mut self, limits: &NetLimits, now: u64) {
        if let State::WebSocket(endpoint) = &mut self.state {
            self.output = std::mem::take(endpoint.output());
        }
        self.drain(limits.close_timeout_ms, now);
    }

    fn drain(&mut self, patience_ms: u64, now: u64) {
        self.state = State::Draining;
        self.input = Vec::new();
        self.deadline = now + patience_ms;
    }
}

#[cfg(test)]
#[path = "connection_tests.rs"]
mod tests;
