//! All links of a server: which view is whose, which of them have lost their connection, and for how
//! long they are kept.
//!
//! A view is known to core by one [`ConnectionId`] for as long as it lives, over all its connections.
//! Pure: time comes in, and what is to be sent or told to core is for the caller.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::limits::NetLimits;
use super::link::{Link, Resume, Taken};
use crate::core::code::{Decoder, push_varint};
use crate::core::id::{ConnectionId, SessionId, Timestamp};

/// Views that have ended and of which a session still knows how far they had got: a client that comes
/// back too late learns which of its frames took effect.
const ENDED_MAX: usize = 64;

/// Views of one session, and of all, that are kept without a connection. A user has a few tabs and
/// loses them at once; all users of a server lose theirs when a network goes. Each costs what a page
/// costs that is looked at, for as long as it is kept.
const DETACHED_OF_SESSION_MAX: usize = 16;
const DETACHED_MAX: usize = 1_024;
/// Bytes of frames that all of them together are kept for.
const DETACHED_BYTES_MAX: usize = 64 << 20;

/// A view with a link.
#[derive(Debug)]
struct LinkedView {
    session: SessionId,
    number: u64,
    link: Link,
    /// It has lost its connection: when it is given up.
    until: Option<Timestamp>,
}

#[derive(Debug, Default)]
struct SessionLinks {
    /// Frontends that have joined, with a link or without. Views are numbered by it, as in recordings.
    joined: u64,
    views: BTreeMap<u64, ConnectionId>,
    /// Number, and how many frames of the client's took effect.
    ended: VecDeque<(u64, u64)>,
}

/// What becomes of a client that wants to go on with a view.
#[derive(Debug, PartialEq, Eq)]
pub enum Resumed {
    /// It goes on.
    Again(ConnectionId),
    /// It cannot. How many of its frames have taken effect, if that is known, and the view of before,
    /// which is to end.
    Anew {
        handled: Option<u64>,
        replaces: Option<ConnectionId>,
    },
}

/// The links of one session as its journal tells of them. Whether a frontend had a link is not in there:
/// that one had none harms nobody, since it will not ask for it.
#[derive(Debug, Default)]
pub struct Recalled {
    joined: u64,
    views: BTreeMap<ConnectionId, (u64, Link)>,
    ended: VecDeque<(u64, u64)>,
    /// Frontends whose views have ended, which they are still to be told.
    gone: BTreeSet<ConnectionId>,
}

impl Recalled {
    /// What [`Links::write`] wrote; `None`: it is something else.
    pub fn read(bytes: &[u8]) -> Option<Recalled> {
        let mut from = Decoder::new(bytes);
        let mut recalled = Recalled {
            joined: from.varint()?,
            ..Recalled::default()
        };
        for _ in 0..from.varint()? {
            let number = from.varint()?;
            let link = Link::read(&mut from)?;
            // Views are numbered as connections are in a journal: in the order in which they joined.
            recalled.views.insert(ConnectionId(number), (number, link));
        }
        while !from.is_empty() {
            recalled.ended.push_back((from.varint()?, from.varint()?));
        }
        Some(recalled)
    }

    /// A frontend joined.
    pub fn join(&mut self, connection: ConnectionId) {
        self.joined += 1;
        self.views
            .insert(connection, (self.joined, Link::default()));
    }

    /// A view ended.
    pub fn leave(&mut self, connection: ConnectionId) {
        self.gone.remove(&connection);
        if let Some((number, link)) = self.views.remove(&connection) {
            remember_end(&mut self.ended, number, &link);
        }
    }

    /// A frame came and took effect.
    pub fn take(&mut self, connection: ConnectionId, frame: &str) {
        if let Some((_, link)) = self.views.get_mut(&connection) {
            link.recall(frame);
        }
    }

    /// A frame was sent. Those of the last `bytes` are kept.
    pub fn send(&mut self, connection: ConnectionId, frame: &[u8], bytes: usize) {
        if let Some((_, link)) = self.views.get_mut(&connection) {
            link.push(|out| out.extend_from_slice(frame));
            link.trim(bytes);
        }
    }

    /// The session has a frontend of this connection; without a link, if its view is not known.
    pub fn know(&mut self, connection: ConnectionId) {
        let ConnectionId(number) = connection;
        // It was frozen before it heard of the end.
        if self.ended.iter().any(|&(ended, _)| ended == number) {
            self.gone.insert(connection);
            return;
        }
        self.views
            .entry(connection)
            .or_insert_with(|| (number, Link::default()));
    }

    /// The frontends that the session has.
    pub fn frontends(&self) -> impl Iterator<Item = ConnectionId> {
        self.views.keys().chain(&self.gone).copied()
    }

    /// Those of them that are to be told that they are no more.
    pub fn gone(&self) -> impl Iterator<Item = ConnectionId> {
        self.gone.iter().copied()
    }
}

fn remember_end(ended: &mut VecDeque<(u64, u64)>, number: u64, link: &Link) {
    ended.push_back((number, link.received().0));
    if ended.len() > ENDED_MAX {
        ended.pop_front();
    }
}

/// See the module's description.
#[derive(Debug, Default)]
pub struct Links {
    views: BTreeMap<ConnectionId, LinkedView>,
    sessions: BTreeMap<SessionId, SessionLinks>,
    due: BTreeSet<(Timestamp, ConnectionId)>,
    owing: Vec<ConnectionId>,
}

impl Links {
    /// A frontend joins a session under this name; only with `linked` it has a link.
    pub fn join(&mut self, session: SessionId, connection: ConnectionId, linked: bool) {
        let links = self.sessions.entry(session).or_default();
        links.joined += 1;
        if linked {
            let number = links.joined;
            links.views.insert(number, connection);
            let view = LinkedView {
                session,
                number,
                link: Link::default(),
                until: None,
            };
            self.views.insert(connection, view);
        }
    }

    /// A client wants to go on with a view of this session. If it can, [`Links::resend`] comes next.
    pub fn resume(&mut self, session: SessionId, resume: Resume) -> Resumed {
        let anew = |handled, replaces| Resumed::Anew { handled, replaces };
        let Some(links) = self.sessions.get(&session) else {
            return anew(None, None);
        };
        let Some(&connection) = links.views.get(&resume.view) else {
            let ended = links
                .ended
                .iter()
                .find(|(number, _)| *number == resume.view);
            return anew(ended.map(|&(_, handled)| handled), None);
        };
        let Some(view) = self.views.get_mut(&connection) else {
            return anew(None, None);
        };
        let good = |(number, check)| view.link.can_resume(number, check);
        if !resume.received.is_some_and(good) {
            return anew(Some(view.link.received().0), Some(connection));
        }
        if let Some(until) = view.until.take() {
            self.due.remove(&(until, connection));
        }
        Resumed::Again(connection)
    }

    /// The greeting of a connection that has a link. `asked` is how many of the client's frames took effect in the view
    /// that it asked for in vain.
    pub fn greeting(
        &self,
        connection: ConnectionId,
        resumed: bool,
        asked: Option<u64>,
        server: &str,
    ) -> Option<String> {
        let LinkedView { number, link, .. } = self.views.get(&connection)?;
        let null = || "null".to_owned();
        let (handled, check) = if resumed {
            let (received, check) = link.received();
            (received.to_string(), check.to_string())
        } else {
            (asked.map_or_else(null, |n| n.to_string()), null())
        };
        Some(format!(
            r#"{{"view":{number},"resumed":{resumed},"handled":{handled},"check":{check},"server":"{server}"}}"#
        ))
    }

    /// Hands out what a resumed view lacks, as it travels.
    pub fn resend(&mut self, connection: ConnectionId, received: u64, send: impl FnMut(&[u8])) {
        if let Some(view) = self.views.get_mut(&connection) {
            view.link.resend(received, send);
            self.owing.push(connection);
        }
    }

    /// Reads a text of a frontend's; `None`: it has no link, so that the text is a frame as it is.
    pub fn take<'t>(&mut self, connection: ConnectionId, text: &'t str) -> Option<Taken<'t>> {
        let taken = self.views.get_mut(&connection)?.link.take(text);
        if taken == Taken::Question {
            self.owing.push(connection);
        }
        Some(taken)
    }

    /// A frame of this frontend takes effect now.
    pub fn handle(&mut self, connection: ConnectionId) {
        if let Some(view) = self.views.get_mut(&connection) {
            view.link.handle();
            self.owing.push(connection);
        }
    }

    /// The links of a session that was run again, in place of all that was known of it. Its views have
    /// no connection and are kept for as long as those that lose theirs now; `name` gives each its name.
    pub fn adopt(
        &mut self,
        session: SessionId,
        recalled: Recalled,
        limits: &NetLimits,
        now: Timestamp,
        mut name: impl FnMut(ConnectionId) -> ConnectionId,
    ) {
        self.end_session(session);
        let mut links = SessionLinks {
            joined: recalled.joined,
            views: BTreeMap::new(),
            ended: recalled.ended,
        };
        for (recorded, (number, mut link)) in recalled.views {
            let connection = name(recorded);
            link.trim(limits.resume_bytes);
            links.views.insert(number, connection);
            let view = LinkedView {
                session,
                number,
                link,
                until: None,
            };
            self.views.insert(connection, view);
            self.detach(connection, limits, now);
        }
        self.sessions.insert(session, links);
    }

    /// Appends what is known of a session's views, for [`Recalled::read`].
    pub fn write(&self, session: SessionId, out: &mut Vec<u8>) {
        let none = SessionLinks::default();
        let links = self.sessions.get(&session).unwrap_or(&none);
        push_varint(out, links.joined);
        push_varint(out, links.views.len() as u64);
        for (number, connection) in &links.views {
            push_varint(out, *number);
            match self.views.get(connection) {
                Some(view) => view.link.write(out),
                None => Link::default().write(out),
            }
        }
        for (number, handled) in &links.ended {
            push_varint(out, *number);
            push_varint(out, *handled);
        }
    }

    /// The link of a frontend that has one.
    pub fn get_mut(&mut self, connection: ConnectionId) -> Option<&mut Link> {
        self.views.get_mut(&connection).map(|view| &mut view.link)
    }

    /// Those that may be owed an acknowledgement, with their sessions. Who cannot have it
    /// yet comes back by [`Links::owe`].
    pub fn take_owing(&mut self) -> Vec<(SessionId, ConnectionId)> {
        let mut owing = std::mem::take(&mut self.owing);
        owing.dedup();
        let session = |connection| {
            let view = self.views.get(&connection)?;
            Some((view.session, connection))
        };
        owing.into_iter().filter_map(session).collect()
    }

    /// An acknowledgement has to wait.
    pub fn owe(&mut self, connection: ConnectionId) {
        self.owing.push(connection);
    }

    /// The connection of this frontend is lost. Returns whether the view is kept; if not it has no link.
    pub fn detach(&mut self, connection: ConnectionId, limits: &NetLimits, now: Timestamp) -> bool {
        let Some(view) = self.views.get_mut(&connection) else {
            return false;
        };
        let until = now + limits.resume_window_ms;
        if let Some(before) = view.until.replace(until) {
            self.due.remove(&(before, connection));
        }
        self.due.insert((until, connection));
        true
    }

    /// A view without a connection that is one too many: the oldest of this session's, or of all.
    pub fn excess(&self, session: SessionId) -> Option<(SessionId, ConnectionId)> {
        let mut own = 0;
        let mut bytes = 0;
        for (_, connection) in &self.due {
            let view = self.views.get(connection)?;
            own += usize::from(view.session == session);
            bytes += view.link.kept_bytes();
        }
        let oldest = |of: Option<SessionId>| {
            let mut all = self.due.iter().filter_map(|(_, connection)| {
                let session = self.views.get(connection)?.session;
                Some((session, *connection))
            });
            all.find(|(session, _)| of.is_none_or(|of| of == *session))
        };
        if own > DETACHED_OF_SESSION_MAX {
            return oldest(Some(session));
        }
        let too_many = self.due.len() > DETACHED_MAX || bytes > DETACHED_BYTES_MAX;
        too_many.then(|| oldest(None)).flatten()
    }

    /// The view is over. Returns its number, if it has a link.
    pub fn end(&mut self, connection: ConnectionId) -> Option<u64> {
        let view = self.views.remove(&connection)?;
        if let Some(until) = view.until {
            self.due.remove(&(until, connection));
        }
        if let Some(links) = self.sessions.get_mut(&view.session) {
            links.views.remove(&view.number);
            remember_end(&mut links.ended, view.number, &view.link);
        }
        Some(view.number)
    }

    /// The session is over, and with it all its views.
    pub fn end_session(&mut self, session: SessionId) {
        let Some(links) = self.sessions.remove(&session) else {
            return;
        };
        for connection in links.views.into_values() {
            self.end(connection);
        }
    }

    /// How many views there are, and how many of them are without a connection.
    pub fn count(&self) -> (usize, usize) {
        (self.views.len(), self.due.len())
    }

    /// When a view without a connection is given up next.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.due.first().map(|&(until, _)| until)
    }

    /// A view that nobody has come back for, with its session.
    pub fn overdue(&self, now: Timestamp) -> Option<(SessionId, ConnectionId)> {
        let &(until, connection) = self.due.first()?;
        let session = self.views.get(&connection)?.session;
        (until <= now).then_some((session, connection))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A session may be frozen when its view has ended and it has not heard of that.
    #[test]
    fn a_view_that_has_ended_does_not_live_again_with_less_than_was_acknowledged() {
        let (session, page) = (SessionId(1), ConnectionId(1));
        let mut links = Links::default();
        links.join(session, page, true);
        links.take(page, "1 0 x");
        links.handle(page);
        links.end(page);
        let mut written = Vec::new();
        links.write(session, &mut written);

        let mut recalled = Recalled::read(&written).unwrap();
        recalled.know(page);
        assert_eq!(recalled.frontends().collect::<Vec<_>>(), [page]);
        assert_eq!(recalled.gone().collect::<Vec<_>>(), [page]);
        let mut after = Links::default();
        after.adopt(session, recalled, &NetLimits::default(), 0, |name| name);
        let resume = Resume {
            view: 1,
            received: None,
        };
        let handled = Some(1);
        let replaces = None;
        assert_eq!(
            after.resume(session, resume),
            Resumed::Anew { handled, replaces }
        );

        // It may hear of it right behind.
        let mut recalled = Recalled::read(&written).unwrap();
        recalled.know(page);
        recalled.leave(page);
        assert_eq!(recalled.gone().count(), 0);
    }
}
