//! What goes into core.

use super::id::{ConnectionId, SessionId, Timestamp};
use super::message::Batch;
use super::site::SiteChange;

/// The time of one turn of the loop, read once by the shell and frozen for all that happens in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Turn {
    /// Milliseconds on a clock that never goes backwards; timers are measured on it.
    pub now: Timestamp,
    /// Milliseconds since 1970-01-01 UTC; `os.time` and `os.date` read it.
    pub wall: i64,
}

/// One thing that happened to one session. Typed and already parsed.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The first frontend of a session is about to attach: runs the seed sequence. `seed` is 64
    /// bits from the operating system, recorded; hash seeds and `math.random` come from it.
    /// `url` is the address the frontend asked for, as path and query behind the session's own.
    SessionOpened {
        session: SessionId,
        seed: u64,
        url: Box<str>,
    },
    /// A WebSocket of this session is open.
    FrontendJoined {
        session: SessionId,
        connection: ConnectionId,
    },
    /// That WebSocket is gone; its view's variables go with it.
    FrontendLeft {
        session: SessionId,
        connection: ConnectionId,
    },
    /// One frame from a frontend, read by `wire::read_batch`.
    BatchReceived {
        session: SessionId,
        connection: ConnectionId,
        batch: Batch,
    },
    /// Something of this session is due, as told by `SessionManager::next_due`: timers, coalesced
    /// output or expiry.
    TimersDue { session: SessionId },
    /// Files of the site were edited. All sessions hear of it in one turn, one after the other.
    SiteChanged {
        session: SessionId,
        change: SiteChange,
    },
}

impl Event {
    /// The session the event belongs to.
    pub fn session(&self) -> SessionId {
        match self {
            Event::SessionOpened { session, .. }
            | Event::FrontendJoined { session, .. }
            | Event::FrontendLeft { session, .. }
            | Event::BatchReceived { session, .. }
            | Event::TimersDue { session }
            | Event::SiteChanged { session, .. } => *session,
        }
    }
}
