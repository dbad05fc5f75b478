//! What goes into core.

use super::carry::carry;
use super::download::{Demand, Token};
use super::id::{ConnectionId, SessionId, Timestamp};
use super::message::Batch;
use super::outside::{ProcessId, ProcessNews};
use super::site::SiteChange;
use super::topic::Message;
use super::upload::{UploadId, UploadNews};

/// The time of one turn of the loop, read once by the shell and frozen for all that happens in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Turn {
    /// Milliseconds on a clock that never goes backwards; timers are measured on it.
    pub now: Timestamp,
    /// Milliseconds since 1970-01-01 UTC; `os.time` and `os.date` read it.
    pub wall: i64,
}

/// How a session begins. All of it is recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Opening<T = Box<str>> {
    /// 64 bits from the operating system; hash seeds and `math.random` come from it.
    pub seed: u64,
    /// What the frontend asked for: path and query behind the session's own address, at least `/`.
    pub url: T,
    /// The session's own address: the path of its page, such as `/0123456789abcdef0123456789abcdef`.
    pub address: T,
    /// The browser's language, such as `de-CH`, and time zone, such as `Europe/Zurich`; empty when
    /// it did not say.
    pub locale: T,
    pub timezone: T,
    /// What the session before it, which could not be rebuilt, saved last by `session:checkpoint`: JSON, or
    /// empty.
    pub saved: T,
    /// What its first page is to be told, or empty.
    pub notice: T,
    /// Who it belongs to, as a JSON object with `name`, `groups` and perhaps `email`; empty: nobody logs in here.
    pub user: T,
}

impl<T: AsRef<str>> Opening<T> {
    /// The same with texts of another kind.
    pub fn map<'a, U>(&'a self, text: impl Fn(&'a str) -> U) -> Opening<U> {
        Opening {
            seed: self.seed,
            url: text(self.url.as_ref()),
            address: text(self.address.as_ref()),
            locale: text(self.locale.as_ref()),
            timezone: text(self.timezone.as_ref()),
            saved: text(self.saved.as_ref()),
            notice: text(self.notice.as_ref()),
            user: text(self.user.as_ref()),
        }
    }
}

/// One thing that happened to one session. Typed and already parsed.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The first frontend of a session is about to attach: runs the seed sequence.
    SessionOpened {
        session: SessionId,
        opening: Opening,
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
    /// A message of a topic that the session subscribed to, from `SessionManager::take_message`.
    MessagePublished {
        session: SessionId,
        message: Message,
    },
    /// A browser fetches what `session:download` offered.
    Download {
        session: SessionId,
        token: Token,
        demand: Demand,
    },
    /// An upload of this session may begin, is whole, or has failed.
    Upload {
        session: SessionId,
        upload: UploadId,
        news: UploadNews,
    },
    /// A process of this session wrote lines or ended.
    Process {
        session: SessionId,
        process: ProcessId,
        news: ProcessNews,
    },
    /// Files of the site were edited. All sessions hear of it in one turn, one after the other.
    SiteChanged {
        session: SessionId,
        change: SiteChange,
    },
    /// The shell has to end this session; its pages hear why.
    Ended {
        session: SessionId,
        reason: Box<str>,
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
            | Event::MessagePublished { session, .. }
            | Event::Download { session, .. }
            | Event::Upload { session, .. }
            | Event::Process { session, .. }
            | Event::SiteChanged { session, .. }
            | Event::Ended { session, .. } => *session,
        }
    }
}

carry!(struct Turn { now, wall });
carry!(struct Opening { seed, url, address, locale, timezone, saved, notice, user });
