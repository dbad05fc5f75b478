//! One socket and its connection: reading, answering, sending, closing.

use std::io::{ErrorKind, Read, Write};
use std::net::IpAddr;
use std::rc::Rc;

use mio::Token;

use super::Server;
use super::auth::{Form, Login};
use super::downloads::Fetch;
use super::origin::Origin;
use super::routes::{Answer, Desk, NO_SESSION};
use super::sessions::Found;
use super::tls::{Channel, Heard, Written};
use super::uploads::Put;
use super::world::{FIRST_PEER, World};
use crate::core::event::Turn;
use crate::core::id::{ConnectionId, SessionId, Timestamp};
use crate::core::script::Runtime;
use crate::net::connection::{Action, Connection};
use crate::net::http::Request;
use crate::net::limits::NetLimits;
use crate::net::response::Response;
use crate::net::websocket::close_code;

/// A socket with its connection.
pub struct Peer<S> {
    pub stream: S,
    pub connection: Connection,
    /// Between the two, if the server has a certificate.
    pub tls: Option<Box<Channel>>,
    /// Once it is a WebSocket: of which session, and by which name core knows it.
    pub frontend: Option<(SessionId, ConnectionId)>,
    /// The socket may have more; the poll tells only once.
    pub readable: bool,
    /// The peer has shut its side: after the last bytes comes the end, without another event.
    pub hung_up: bool,
    /// The deadline that is in the server's table.
    pub armed: Option<Timestamp>,
    /// The download it fetches.
    pub fetch: Option<Fetch>,
    /// The request for it, until the answer has begun.
    pub fetching: Option<Box<Request>>,
    /// The part of an upload that it sends.
    pub put: Option<Put>,
    /// Where it is, if it came over a network.
    pub address: Option<IpAddr>,
    /// Where its last request began: before a trusted proxy.
    pub origin: Option<IpAddr>,
    /// Whose share of all connections it takes.
    pub share: Option<Origin>,
    /// Who sent the last request; with a WebSocket, the one that began it.
    pub login: Option<Rc<Login>>,
    /// The form that it sends.
    pub form: Option<Form>,
    is_ready: bool,
    is_touched: bool,
    wants_writable: bool,
    /// All is sent; the socket is shut as soon as TLS has said so.
    is_ending: bool,
}

/// Reads from one socket in a turn: what arrives meanwhile waits until the others had theirs.
const READS_PER_TURN: usize = 4;
/// Agreements of TLS that go on in a turn: each takes up to a millisecond, for which nobody else is served. More wait,
/// in the order they came, and pages that are here go on meanwhile.
pub const AGREEMENTS_PER_TURN: usize = 16;
/// Writes to one socket in a turn, for the same reason.
const WRITES_PER_TURN: usize = 16;

impl<S: Read + Write> Peer<S> {
    pub fn new(stream: S, connection: Connection, tls: Option<Channel>) -> Peer<S> {
        Peer {
            stream,
            connection,
            tls: tls.map(Box::new),
            frontend: None,
            readable: false,
            hung_up: false,
            armed: None,
            fetch: None,
            fetching: None,
            put: None,
            address: None,
            origin: None,
            share: None,
            login: None,
            form: None,
            is_ready: false,
            is_touched: false,
            wants_writable: false,
            is_ending: false,
        }
    }

    /// Puts it on the list of those that have something to read.
    pub fn mark_ready(&mut self, key: usize, ready: &mut Vec<usize>) {
        if !self.is_ready {
            self.is_ready = true;
            ready.push(key);
        }
    }

    /// Puts it on the list of those to look at in step "write".
    pub fn touch(&mut self, key: usize, touched: &mut Vec<usize>) {
        if !self.is_touched {
            self.is_touched = true;
            touched.push(key);
        }
    }

    /// Whether what it sent is part of an agreement of TLS.
    fn is_agreeing(&self) -> bool {
        self.readable && self.tls.as_ref().is_some_and(|tls| tls.is_agreeing())
    }

    fn has_input(&self) -> bool {
        self.connection.has_work() || (self.readable && self.connection.wants_input())
    }

    /// One read from the socket into the connection. Returns how many bytes, and what was wrong with them.
    fn receive(&mut self, scratch: &mut [u8], server: &Limits<'_>) -> (usize, Option<String>) {
        match self.stream.read(scratch) {
            Ok(0) => {
                self.readable = false;
                self.connection.receive_end();
            }
            Ok(n) => {
                let complaint = self.take(&scratch[..n], server);
                // A short read has emptied the socket, and more makes a new event: the system call
                // that would only say "nothing more" is saved. The end has made its event already.
                self.readable = n == scratch.len() || self.hung_up;
                return (n, complaint);
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => self.readable = false,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => {
                self.readable = false;
                self.connection.abort();
            }
        }
        (0, None)
    }

    fn take(&mut self, bytes: &[u8], server: &Limits<'_>) -> Option<String> {
        let (limits, turn) = (server.limits, server.turn);
        let connection = &mut self.connection;
        let Some(tls) = &mut self.tls else {
            connection.receive(bytes, limits, turn.now);
            return None;
        };
        match tls.receive(bytes, |plain| connection.receive(plain, limits, turn.now)) {
            Heard::Fine => None,
            Heard::End => {
                connection.receive_end();
                None
            }
            Heard::PlainHttp => {
                self.tls = None;
                // One that was too many has its answer already.
                if connection.pending().is_empty() {
                    let text = "this port speaks TLS: begin the address with https://";
                    connection.respond(None, Response::error_text(400, text), limits, turn);
                }
                Some("it speaks plain HTTP".into())
            }
            Heard::Broken(why) => {
                connection.abort();
                Some(why)
            }
        }
    }

    /// Whether there is something for the socket.
    fn has_output(&self) -> bool {
        let pending = self.connection.pending();
        match &self.tls {
            Some(tls) => tls.has_output(pending),
            None => !pending.is_empty(),
        }
    }

    /// Sends until nothing is left, the socket takes no more, or others wait; adds the bytes to `total`. Returns
    /// whether the socket is full.
    fn send(&mut self, server: &Limits<'_>, total: &mut u64) -> bool {
        for _ in 0..WRITES_PER_TURN {
            if !self.has_output() {
                return false;
            }
            let pending = self.connection.pending();
            let written = match &mut self.tls {
                Some(tls) => tls.send(&mut self.stream, pending),
                None => {
                    let written = self.stream.write(pending);
                    written.map(|n| Written { bytes: n, sent: n })
                }
            };
            match written {
                Ok(Written { bytes, sent }) => {
                    *total += bytes as u64;
                    // That an agreement makes progress moves no deadline.
                    if sent > 0 {
                        self.connection.sent(sent, server.limits, server.turn.now);
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return true,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => self.connection.abort(),
            }
        }
        false
    }

    /// Tells by TLS that nothing more comes. Returns whether the socket is full.
    fn say_end(&mut self, server: &Limits<'_>, total: &mut u64) -> bool {
        match &mut self.tls {
            Some(tls) => tls.say_end(),
            None => return false,
        }
        self.send(server, total)
    }
}

/// What a connection wants to know of its server.
struct Limits<'a> {
    limits: &'a NetLimits,
    turn: Turn,
}

impl<R: Runtime + Clone, W: World> Server<R, W> {
    /// Takes this turn's share of what the peer sent.
    pub(super) fn read_peer(&mut self, key: usize) {
        let Some(peer) = self.peers.get_mut(key) else {
            return;
        };
        peer.is_ready = false;
        if let Some((session, _)) = peer.frontend
            && self.inbox.waits(session)
        {
            return peer.mark_ready(key, &mut self.ready);
        }
        if peer.is_agreeing() {
            if self.agreements_left == 0 {
                return peer.mark_ready(key, &mut self.ready);
            }
            self.agreements_left -= 1;
        }
        let (mut actions_left, mut reads_left) = (self.limits.messages_per_turn, READS_PER_TURN);
        loop {
            let peer = &mut self.peers[key];
            if actions_left > 0
                && !self.inbox.is_full()
                && let Some(action) = peer.connection.next(&self.limits, self.turn)
            {
                actions_left -= 1;
                self.act(key, action);
                continue;
            }
            if reads_left == 0 || !peer.readable || !peer.connection.wants_input() {
                break;
            }
            reads_left -= 1;
            let server = Limits {
                limits: &self.limits,
                turn: self.turn,
            };
            let (bytes, complaint) = peer.receive(&mut self.scratch, &server);
            self.counters.bytes_in += bytes as u64;
            if let Some(why) = complaint {
                self.tell_broken(key, &why);
            }
        }
        let peer = &mut self.peers[key];
        if peer.has_input() {
            peer.mark_ready(key, &mut self.ready);
        }
        peer.touch(key, &mut self.touched);
    }

    /// A peer does not speak TLS as it should.
    fn tell_broken(&mut self, key: usize, why: &str) {
        self.counters.refused_requests += 1;
        let from = self.peers[key].address;
        let from = from.map_or("-".into(), |from| from.to_string());
        let line = format_args!("refused what is no TLS from {from}: {why}");
        self.log.line(1, line);
    }

    /// Does what a connection asks for.
    pub(super) fn act(&mut self, key: usize, action: Action) {
        match action {
            Action::Text(_) | Action::Alive if self.has_expired(key) => {}
            Action::Text(text) => {
                if let Some((session, connection)) = self.peers[key].frontend {
                    self.take_text(key, session, connection, &text);
                }
            }
            Action::Alive => {}
            Action::Body { data, last } => match self.peers[key].form.take() {
                Some(form) => self.take_form(key, form, &data, last),
                None => self.take_body(key, &data, last),
            },
            Action::Request(request) => self.answer(key, request),
            Action::Refused(refusal) => {
                self.peers[key].put = None;
                self.peers[key].form = None;
                self.note_refused(key, None, refusal.status);
                self.counters.refused_requests += 1;
                self.log
                    .line(1, format_args!("refused a request: {refusal}"));
            }
            Action::Left { code, reason } => {
                if let Some((session, connection)) = self.peers[key].frontend {
                    let line = format_args!("connection {connection} closed: {code} {reason}");
                    self.log.session(1, session, line);
                    self.counters.slow += u64::from(code == close_code::TRY_LATER);
                }
                self.unlink(key, code);
            }
        }
    }

    fn answer(&mut self, key: usize, mut request: Box<Request>) {
        request.strip(self.routes.base());
        let peer = &self.peers[key];
        let (address, over_tls) = (peer.address, peer.tls.is_some());
        request.passage = self.door.passage(&request, address, over_tls);
        self.counters.requests += 1;
        let Some(request) = self.pass_door(key, request) else {
            return;
        };
        let now = self.turn.now;
        let login = self.peers[key].login.clone();
        let memory = self.memory_used();
        let mut desk = Desk {
            sessions: &mut self.sessions,
            owner: login.as_ref().map(|login| &*login.name),
            origin: self.peers[key].origin.map(Origin::of),
            random: self.world.random(),
            now,
            room: self.door.room,
            memory,
            full: None,
            notice: None,
        };
        let answer = self.routes.answer(&request, &mut desk);
        let full = desk.full;
        if let Some(notice) = desk.notice {
            let from = request.passage.from;
            let name = from.map_or("-".into(), |from| from.to_string());
            self.complain(from, format_args!("{notice} (from {name})"));
        }
        if let Some(what) = full {
            self.tell_full(what);
        }
        let response = match answer {
            Answer::Response(response) => response,
            Answer::Download { sid, token } => {
                if self.sessions.live(sid).is_some() {
                    return self.fetch(key, sid, token, request);
                }
                Response::error_text(404, NO_SESSION)
            }
            Answer::Upload { sid, token } => {
                return self.answer_upload(key, sid, token, request);
            }
            Answer::Variables(sid) => self.tell_variables(&request, sid),
            Answer::Record { sid, wish } => self.press_record(&request, sid, wish),
            Answer::WebSocket(joining) => {
                if self.join(key, &joining) {
                    return;
                }
                match self.sessions.find(joining.sid, self.turn.now) {
                    // It had ended with an earlier process, which was known only now.
                    Found::Unknown => Response::error_text(404, NO_SESSION),
                    _ => Response::error_text(503, "no session can be made now; try again later"),
                }
            }
        };
        let response = self.as_asked(&request, response);
        self.log
            .line(3, format_args!("{} {}", response.status(), request.path()));
        self.note_refused(key, Some(&request), response.status());
        self.peers[key]
            .connection
            .respond(Some(&request), response, &self.limits, self.turn);
    }

    /// An answer as it is for who asked: addresses begin with what all do here, and cookies that go over TLS stay there.
    pub(super) fn as_asked(&self, request: &Request, response: Response) -> Response {
        let response = response.below(self.routes.base());
        match request.passage.is_secure {
            true => response.over_tls(self.config.hsts_ms),
            false => response,
        }
    }

    /// Sends what waits and brings deadline and interests up to date. Returns whether the socket
    /// is to be closed.
    pub(super) fn write_peer(&mut self, key: usize) -> bool {
        let server = Limits {
            limits: &self.limits,
            turn: self.turn,
        };
        let peer = &mut self.peers[key];
        peer.is_touched = false;
        let mut blocked = peer.send(&server, &mut self.counters.bytes_out);
        self.ask_for_piece(key);
        let peer = &mut self.peers[key];
        let server = Limits {
            limits: &self.limits,
            turn: self.turn,
        };
        peer.is_ending |= peer.connection.take_shutdown();
        let is_finished = peer.connection.is_finished();
        if peer.is_ending || is_finished {
            blocked = peer.say_end(&server, &mut self.counters.bytes_out);
        }
        if is_finished {
            return true;
        }
        if peer.is_ending && !blocked {
            peer.is_ending = false;
            self.world.shut(&mut peer.stream);
        }
        if blocked != peer.wants_writable {
            peer.wants_writable = blocked;
            let token = Token(key + FIRST_PEER);
            let watched = self.world.watch_writable(&mut peer.stream, token, blocked);
            if watched.is_err() {
                peer.connection.abort();
            }
        }
        if !blocked && peer.has_output() {
            peer.touch(key, &mut self.touched);
        }
        if peer.has_input() {
            peer.mark_ready(key, &mut self.ready);
        }
        let deadline = Some(peer.connection.deadline());
        if peer.armed != deadline {
            if let Some(armed) = peer.armed {
                self.deadlines.remove(&(armed, key));
            }
            peer.armed = deadline;
            self.deadlines.extend(deadline.map(|due| (due, key)));
        }
        false
    }

    /// Closes the socket. Only at the end of a turn: until then its place must not be reused.
    pub(super) fn free(&mut self, key: usize) {
        self.unlink(key, close_code::ABNORMAL);
        self.drop_fetch(key);
        self.door.forget(key);
        let peer = self.peers.remove(key);
        if let Some(armed) = peer.armed {
            self.deadlines.remove(&(armed, key));
        }
        if let Some(share) = peer.share {
            self.crowd.give_back(share);
        }
        if peer.wants_writable {
            self.dropped += self.limits.output_bytes;
        }
        drop(peer);
        self.accepting.descriptor_freed();
    }
}
