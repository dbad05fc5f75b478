//! Frontends: how a peer becomes one of a session, with a link or without, and what happens when its
//! connection is lost.

use super::Server;
use super::inbox::Input;
use super::origin::Origin;
use super::routes::Joining;
use super::world::World;
use crate::core::event::Opening;
use crate::core::id::{ConnectionId, SessionId};
use crate::core::script::Runtime;
use crate::net::limits::NetLimits;
use crate::net::link::{Resume, SUBPROTOCOL, Taken};
use crate::net::links::Resumed;
use crate::net::websocket::close_code;

/// A page that is left, or that gives its view up, says so with one of these; all else is a connection
/// that was lost.
const LEAVING: [u16; 3] = [1000, 1001, close_code::NO_STATUS];

impl<R: Runtime + Clone, W: World> Server<R, W> {
    /// Turns the peer's connection into a WebSocket of the session: of the view that it wants to go on
    /// with, or of a new one. Returns whether that was possible.
    pub(super) fn join(&mut self, key: usize, joining: &Joining<'_>) -> bool {
        if !self.takes_share(key) {
            return false;
        }
        let subprotocol = joining.linked.then_some(SUBPROTOCOL);
        let mut asked = None;
        if let Some(session) = self.sessions.live(joining.sid)
            && let Err(lost) = self.wake(session)
        {
            if lost.passes() {
                return false;
            }
            let user = self.user_of(key);
            self.begin_anew(session, joining.sid, joining.place, &user);
        }
        if let Some(session) = self.sessions.live(joining.sid)
            && self.recordings.borrow().is_beyond_disk(session)
        {
            return false;
        }
        if let Some(resume) = joining.resume
            && let Some(session) = self.sessions.live(joining.sid)
        {
            match self.links.resume(session, resume) {
                Resumed::Again(connection) => {
                    self.upgrade(key, joining.secret, subprotocol);
                    self.resume(key, session, connection, resume);
                    return true;
                }
                Resumed::Anew { handled, replaces } => {
                    self.counters.resyncs += 1;
                    asked = handled;
                    if let Some(before) = replaces {
                        self.let_go(session, before);
                    }
                }
            }
        }
        let Some((session, connection)) = self.attach(key, joining) else {
            return false;
        };
        self.upgrade(key, joining.secret, subprotocol);
        self.links.join(session, connection, joining.linked);
        self.inbox.push(session, Input::Join(connection, asked));
        true
    }

    fn upgrade(&mut self, key: usize, secret: &str, subprotocol: Option<&str>) {
        let connection = &mut self.peers[key].connection;
        connection.upgrade(secret, subprotocol, &self.limits, self.turn.now);
    }

    /// Makes the peer a frontend of the session; its first one begins it.
    fn attach(&mut self, key: usize, joining: &Joining<'_>) -> Option<(SessionId, ConnectionId)> {
        let Joining { sid, place, .. } = *joining;
        if self.sessions.live(sid).is_none() {
            let owner = self.sessions.owner(sid);
            let origin = self.peers[key].origin.map(Origin::of);
            let memory = self.memory_used();
            let room = self
                .sessions
                .check_room((owner, origin), true, &self.door.room, memory);
            if let Err(refusal) = room {
                self.tell_full(refusal.reason);
                return None;
            }
        }
        let seed = self.world.random().seed().ok()?;
        let (session, begins_at) = self.sessions.attach(sid, self.turn.now)?;
        if let Some(url) = begins_at {
            if let (None, Some(at)) = (self.sessions.owner(sid), self.peers[key].origin) {
                self.sessions.begun_from(session, Origin::of(at));
            }
            let opening = Opening {
                seed,
                url,
                address: format!("{}/{sid}", self.routes.base()).into(),
                locale: place.locale.into(),
                timezone: place.timezone.into(),
                user: self.user_of(key),
                ..Opening::default()
            };
            self.inbox
                .push(session, Input::Open(sid, Box::new(opening)));
        }
        self.last_connection += 1;
        let connection = ConnectionId(self.last_connection);
        self.hold(key, session, connection);
        Some((session, connection))
    }

    /// Who is there, as `session.user` has it; empty if nobody logs in here.
    fn user_of(&self, key: usize) -> Box<str> {
        let login = self.peers[key].login.as_ref();
        login.map_or("".into(), |login| login.user.clone())
    }

    fn hold(&mut self, key: usize, session: SessionId, connection: ConnectionId) {
        self.peers[key].frontend = Some((session, connection));
        self.by_connection.insert(connection, key);
    }

    /// The page of a view is back: it gets what it lacks.
    fn resume(&mut self, key: usize, session: SessionId, connection: ConnectionId, resume: Resume) {
        self.part(connection, "the page has another connection");
        self.hold(key, session, connection);
        self.log
            .session(1, session, format_args!("view {} goes on", resume.view));
        self.greet(connection, true, None);
        let received = resume.received.map_or(0, |(number, _)| number);
        let connection_of_peer = &mut self.peers[key].connection;
        // What is kept is bounded by itself, and all of it has to go.
        let limits = NetLimits {
            output_bytes: usize::MAX,
            ..self.limits.clone()
        };
        self.links.resend(connection, received, |text| {
            let _ = connection_of_peer.send_text(&limits, |out| out.extend_from_slice(text));
        });
        self.peers[key].touch(key, &mut self.touched);
    }

    /// Tells a client with a link which view it has.
    pub(super) fn greet(&mut self, connection: ConnectionId, resumed: bool, asked: Option<u64>) {
        let Some(&key) = self.by_connection.get(&connection) else {
            return;
        };
        let greeting = self.links.greeting(connection, resumed, asked, &self.boot);
        let Some(text) = greeting else {
            return;
        };
        let peer = &mut self.peers[key];
        let write = |out: &mut Vec<u8>| out.extend_from_slice(text.as_bytes());
        let _ = peer.connection.send_text(&self.limits, write);
        peer.touch(key, &mut self.touched);
    }

    /// A text of a frontend's.
    pub(super) fn take_text(
        &mut self,
        key: usize,
        session: SessionId,
        connection: ConnectionId,
        text: &str,
    ) {
        if !self.recordings.borrow().takes_input(session) {
            // It is not acknowledged, so that the page keeps it.
            return self.close(key, close_code::TRY_LATER, "the disk takes nothing");
        }
        match self.links.take(connection, text) {
            None => self.inbox.push_frame(session, connection, text),
            Some(Taken::Frame(frame)) => self.inbox.push_frame(session, connection, frame),
            Some(Taken::Nothing | Taken::Question) => {}
            Some(Taken::Broken(reason)) => self.close(key, close_code::PROTOCOL_ERROR, reason),
        }
    }

    /// Acknowledges what has taken effect and brought no answer.
    pub(super) fn acknowledge(&mut self) {
        for (session, connection) in self.links.take_owing() {
            let waits = self
                .core
                .session(session)
                .is_some_and(|session| session.has_news());
            if waits {
                // The acknowledgement goes with them, or after them.
                self.links.owe(connection);
                continue;
            }
            let (Some(link), Some(&key)) = (
                self.links.get_mut(connection),
                self.by_connection.get(&connection),
            ) else {
                continue;
            };
            if !link.owes() {
                continue;
            }
            let peer = &mut self.peers[key];
            let _ = peer
                .connection
                .send_text(&self.limits, |out| link.write_ack(out));
            peer.touch(key, &mut self.touched);
        }
    }

    /// The peer is no frontend any more: its page was left, or will come back for its view.
    pub(super) fn unlink(&mut self, key: usize, code: u16) {
        let Some((session, connection)) = self.peers[key].frontend.take() else {
            return;
        };
        self.by_connection.remove(&connection);
        let now = self.turn.now;
        if LEAVING.contains(&code) || !self.links.detach(connection, &self.limits, now) {
            self.let_go(session, connection);
        }
        while let Some((session, connection)) = self.links.excess(session) {
            self.let_go(session, connection);
        }
    }

    /// Views that nobody has come back for.
    pub(super) fn time_out_views(&mut self) {
        while let Some((session, connection)) = self.links.overdue(self.turn.now) {
            self.let_go(session, connection);
        }
    }

    /// A view is over.
    pub(super) fn let_go(&mut self, session: SessionId, connection: ConnectionId) {
        self.part(connection, "the view is over");
        if let Some(view) = self.links.end(connection) {
            self.log
                .session(1, session, format_args!("view {view} is over"));
        }
        self.inbox.push(session, Input::Leave(connection));
    }

    /// Closes the connection of a view, if it has one, and leaves the view alone.
    fn part(&mut self, connection: ConnectionId, why: &str) {
        if let Some(key) = self.by_connection.remove(&connection) {
            self.peers[key].frontend = None;
            self.close(key, close_code::TRY_LATER, why);
        }
    }

    /// The session is over.
    pub(super) fn end_session(&mut self, session: SessionId) {
        let sid = self.sessions.sid(session);
        self.recordings.borrow_mut().end(session, sid);
        if let Some(keeper) = &mut self.keeper
            && let Err(error) = keeper.tidy(self.turn.wall)
        {
            self.log.line(0, format_args!("old journals stay: {error}"));
        }
        self.progress.remove(&session);
        self.drop_checkpoint(sid);
        self.record_button.end(session);
        self.looking.end(session);
        self.told_lost.remove(&session);
        self.links.end_session(session);
        self.orders.retain(|&(of, ..)| of != session);
        self.processes.end_session(session, self.turn.now);
        self.end_uploads(session);
        self.ended += 1;
    }
}
