//! What the server writes into the audit log, and whom it tells that there is no room.

use std::fmt::Arguments;
use std::net::IpAddr;

use super::complaints::quoted;
use crate::core::deed::Deed;
use crate::core::id::SessionId;
use crate::core::script::Runtime;
use crate::net::http::Request;
use crate::server::Server;
use crate::server::origin::Origin;
use crate::server::world::World;

/// Being full is told so often, however many are sent away.
const FULL_EVERY_MS: u64 = 60_000;

impl<R: Runtime + Clone, W: World> Server<R, W> {
    /// Adds a line of this user's.
    pub(super) fn note(&mut self, user: Option<&str>, what: Arguments<'_>) {
        if let Some(audit) = &mut self.door.audit {
            audit.line(self.turn.wall, user, what);
        }
    }

    /// A line of the log about somebody who was refused.
    pub(in crate::server) fn complain(&mut self, at: Option<IpAddr>, what: Arguments<'_>) {
        let origin = at.map(Origin::of);
        if self.door.complaints.may_tell(origin, self.turn.now) {
            self.log.line(0, what);
        }
    }

    /// Adds what a page did.
    pub(in crate::server) fn note_deed(&mut self, session: SessionId, deed: &Deed) {
        let (Some(audit), Some(sid)) = (&mut self.door.audit, self.sessions.sid(session)) else {
            return;
        };
        let user = self.sessions.owner(sid).filter(|_| !deed.by_operator);
        audit.deed(self.turn.wall, user, sid, deed);
    }

    /// Adds a request that was refused. That there is nothing at an address is no refusal.
    pub(in crate::server) fn note_refused(
        &mut self,
        key: usize,
        request: Option<&Request>,
        status: u16,
    ) {
        if self.door.audit.is_none() || status < 400 || status == 404 {
            return;
        }
        let peer = &self.peers[key];
        let origin = peer.origin.map(Origin::of);
        if !self.door.refusals.may_tell(origin, self.turn.now) {
            return;
        }
        let peer = &self.peers[key];
        let login = peer.login.clone();
        let user = login.as_ref().map(|login| &*login.name);
        let path = quoted(request.map_or("", Request::path));
        let from = peer.origin.map_or("-".into(), |from| from.to_string());
        let what = format_args!("request from={from} path={path} outcome={status}");
        self.note(user, what);
    }

    /// At the end of a turn.
    pub(in crate::server) fn flush_audit(&mut self) {
        let now = self.turn.now;
        if let Some((count, origins)) = self.door.complaints.take_untold(now) {
            let text =
                format_args!("refused {count} more requests of {origins} addresses in a minute");
            self.log.line(0, text);
        }
        if let Some((count, origins)) = self.door.refusals.take_untold(now) {
            let what = format_args!("request more={count} addresses={origins} outcome=refused");
            self.note(None, what);
        }
        if let Some(audit) = &mut self.door.audit
            && let Err(error) = audit.flush(self.turn.wall)
        {
            self.log.line(
                0,
                format_args!("what was done is not written down: {error}"),
            );
        }
    }

    /// Somebody was sent away.
    pub(in crate::server) fn tell_full(&mut self, what: &str) {
        let now = self.turn.now;
        if self
            .door
            .told_full
            .is_none_or(|at| now >= at + FULL_EVERY_MS)
        {
            self.door.told_full = Some(now);
            self.log.line(
                0,
                format_args!("refused a session, and perhaps more: {what}"),
            );
        }
    }
}
