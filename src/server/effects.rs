//! Between inputs and core: events go in with their record, effects are carried out.

use super::Server;
use super::world::World;
use crate::core::effect::Effect;
use crate::core::event::{Event, Turn};
use crate::core::id::{ConnectionId, SessionId};
use crate::core::outside::Outgoing;
use crate::core::script::Runtime;
use crate::core::session::Session;
use crate::journal::{Output, RawEvent};
use crate::net::websocket::close_code;
use crate::wire;

/// A notice, as core would have told it: but core must not know what the disk does.
const STOPPED: &str = concat!(
    r#"{"type":"update","data":{"varId":1,"properties":{"notices":"[{\"text\":\"The server cannot write to "#,
    r#"its disk. What you do here works, and is lost if the server is started again.\",\"kind\":\"error\"}]"}}}"#
);

impl<R: Runtime + Clone, W: World> Server<R, W> {
    /// Lets one event happen. `raw` is how it is recorded.
    pub(super) fn handle(&mut self, event: Event, raw: &RawEvent<'_>) {
        let session = event.session();
        if self.core.must_wake(&event, self.turn.now) && self.wake(session).is_err() {
            // It sleeps on; who comes to its page is told.
            return self.let_sleep(session);
        }
        let before = self.core.memory_of(session);
        self.counters.events += 1;
        self.recordings.borrow_mut().event(session, self.turn, raw);
        self.record_button.event(session, self.turn, &event);
        self.begin_look(session);
        self.run_event(session, event, self.turn);
        self.end_look(session, raw);
        self.note_growth(before, self.core.memory_of(session));
        self.note_idleness(session);
    }

    /// Lets an event happen of which the record has been begun.
    pub(super) fn run_event(&mut self, session: SessionId, event: Event, turn: Turn) {
        if let Some(keeper) = &mut self.keeper {
            keeper.begin_event(session);
        }
        self.core.handle_event(event, turn);
        while let Some(effect) = self.core.poll_effect() {
            self.carry_out(session, effect);
        }
        self.post(session);
        let Some(keeper) = &mut self.keeper else {
            return;
        };
        keeper.end_event();
        if keeper.suspects()
            && let Some(sid) = self.sessions.sid(session)
        {
            keeper.acquit(&sid.to_string());
        }
    }

    fn carry_out(&mut self, session: SessionId, effect: Effect) {
        self.record_button.effect(session, &effect);
        if self.is_written_down || self.looking.looks_into(session) {
            let mut frame = std::mem::take(&mut self.frame);
            if let Some(output) = Output::of(&effect, &mut frame) {
                self.recordings.borrow_mut().output(session, &output);
            }
            let rest = match effect {
                Effect::Send { connection, .. } => {
                    self.looking.note_frame(session, frame.len());
                    self.send(session, connection, |out| out.extend_from_slice(&frame));
                    None
                }
                effect => Some(effect),
            };
            frame.clear();
            self.frame = frame;
            if let Some(effect) = rest {
                self.perform(session, effect);
            }
        } else {
            self.perform(session, effect);
        }
    }

    /// Does what an effect says.
    fn perform(&mut self, of: SessionId, effect: Effect) {
        match effect {
            Effect::Send { connection, batch } => {
                self.send(of, connection, |out| wire::write_batch(&batch, out));
            }
            Effect::Close {
                connection,
                code,
                reason,
            } => {
                if let Some(&key) = self.by_connection.get(&connection) {
                    self.close(key, code, &reason);
                }
            }
            Effect::Outside { session, outgoing } => {
                match outgoing {
                    // It was answered while the script ran.
                    Outgoing::Called { .. } => {}
                    Outgoing::Process { process, action } => {
                        self.orders.push((session, process, action));
                    }
                    Outgoing::Upload { upload, action } => {
                        self.act_on_upload(session, upload, action);
                    }
                }
            }
            Effect::Log {
                session,
                level,
                text,
            } => {
                if let Some(captured) = &mut self.captured {
                    captured.line(&text);
                }
                self.looking.note_line(session, level, &text);
                match self.quotas.spend(session, text.len(), self.turn.now) {
                    Ok(()) => self.log.session(level, session, format_args!("{text}")),
                    Err(Some(instead)) => self.log.session(0, session, format_args!("{instead}")),
                    Err(None) => {}
                }
            }
            Effect::Done { session, deed } => self.note_deed(session, &deed),
            // Core has it queued for those who subscribed.
            Effect::Published { .. } => {}
            // It is in the journal.
            Effect::Saved { .. } => {}
            Effect::Download {
                session,
                token,
                piece,
            } => self.send_piece(session, token, piece),
            Effect::SessionFailed {
                session,
                description,
            } => {
                self.end_session(session);
                self.sessions.fail(session, description);
                self.close_all_of(session);
            }
            Effect::SessionEnded { session } => {
                self.end_session(session);
                self.sessions.end(session);
            }
        }
    }

    /// Queues a frame. A peer that does not take what it is sent is let go: the session lives on,
    /// and the page can come back for the present state.
    fn send(
        &mut self,
        session: SessionId,
        connection: ConnectionId,
        write: impl FnOnce(&mut Vec<u8>),
    ) {
        if connection.is_trusted() {
            if let Some(captured) = &mut self.captured {
                captured.frame(write);
            }
            return;
        }
        let key = self.by_connection.get(&connection).copied();
        let taken = match (self.links.get_mut(connection), key) {
            (Some(link), Some(key)) => {
                link.push(write);
                let endpoint = &mut self.peers[key].connection;
                let taken = endpoint.send_text(&self.limits, |out| link.write_last(out));
                link.trim(self.limits.resume_bytes);
                taken
            }
            (Some(link), None) => {
                link.push(write);
                if !link.trim(self.limits.resume_bytes) {
                    // When its page is back the present state is less to tell.
                    self.let_go(session, connection);
                }
                return;
            }
            (None, Some(key)) => self.peers[key].connection.send_text(&self.limits, write),
            (None, None) => return,
        };
        let Some(key) = key else {
            return;
        };
        let peer = &mut self.peers[key];
        if taken {
            return peer.touch(key, &mut self.touched);
        }
        self.counters.slow += 1;
        self.log.line(
            1,
            format_args!(
                "connection {connection} reads too slowly: {} bytes wait; closed",
                peer.connection.pending().len()
            ),
        );
        self.close(key, close_code::TRY_LATER, "too slow");
        self.unlink(key, close_code::ABNORMAL);
    }

    /// These sessions have lost their journals: those who use them should know, or must not hear of what is not
    /// written.
    pub(super) fn tell_stopped(&mut self, sessions: &[SessionId]) {
        for &session in sessions {
            let is_beyond_disk = self.recordings.borrow().is_beyond_disk(session);
            if is_beyond_disk {
                self.orders.retain(|&(of, ..)| of != session);
            }
            let connections = self.core.session(session).map(Session::connections);
            let connections: Vec<ConnectionId> = connections.into_iter().flatten().collect();
            for connection in connections {
                if is_beyond_disk {
                    self.silence(connection);
                    continue;
                }
                self.send(session, connection, |out| {
                    out.extend_from_slice(STOPPED.as_bytes());
                });
            }
        }
    }

    /// What waits to be sent to a connection is not, and it ends.
    fn silence(&mut self, connection: ConnectionId) {
        if let Some(&key) = self.by_connection.get(&connection) {
            let peer = &mut self.peers[key];
            peer.connection.abort();
            peer.touch(key, &mut self.touched);
        }
    }

    pub(super) fn close(&mut self, key: usize, code: u16, reason: &str) {
        let peer = &mut self.peers[key];
        peer.connection
            .close(code, reason, &self.limits, self.turn.now);
        peer.touch(key, &mut self.touched);
    }

    /// Others may have attached in the very turn in which the session failed.
    fn close_all_of(&mut self, session: SessionId) {
        let of_session = |link: Option<(SessionId, _)>| link.is_some_and(|(s, _)| s == session);
        let keys: Vec<usize> = self
            .peers
            .iter()
            .filter(|(_, peer)| of_session(peer.frontend))
            .map(|(key, _)| key)
            .collect();
        for key in keys {
            self.close(key, close_code::INTERNAL_ERROR, "the session failed");
        }
    }
}
