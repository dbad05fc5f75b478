//! What was read and waits for step "run".

use std::collections::BTreeSet;
use std::ops::Range;

use super::sessions::Sid;
use crate::core::download::{Demand, Token};
use crate::core::event::Opening;
use crate::core::id::{ConnectionId, SessionId};
use crate::core::outside::{ProcessId, ProcessNews};
use crate::core::upload::{UploadId, UploadNews};

/// Input for one session, as it came.
pub enum Input {
    /// The first attach.
    Open(Sid, Box<Opening>),
    /// With how many frames of the view that it asked for in vain took effect.
    Join(ConnectionId, Option<u64>),
    Leave(ConnectionId),
    /// One text frame; its text is in [`Inbox::texts`].
    Frame(ConnectionId, Range<usize>),
    Download(Token, Demand),
    /// Bounded by how many files there are.
    Upload(UploadId, UploadNews),
    /// Bounded by how many processes there are: one chunk of each is read a turn.
    Process(ProcessId, ProcessNews),
}

impl Input {
    /// Whether it is of a page's connection: these stay in order. Of all others there are few at a time.
    pub fn is_of_a_page(&self) -> bool {
        matches!(self, Input::Join(..) | Input::Leave(_) | Input::Frame(..))
    }
}

/// Inputs in the order they came. One buffer holds the texts of all frames, so that reading costs
/// no allocation.
#[derive(Default)]
pub struct Inbox {
    pub inputs: Vec<(SessionId, Input)>,
    pub texts: String,
    /// Who had its share of a turn while more of it waited, which comes first now; bytes of that.
    waiting: BTreeSet<SessionId>,
    kept_bytes: usize,
}

/// While this much text waits, no more is read: it bounds a turn and the memory it takes.
const TEXT_BYTES_MAX: usize = 4 << 20;
/// Room that is kept for the next turn.
const TEXT_BYTES_KEPT: usize = 64 << 10;

impl Inbox {
    /// Queues an input.
    pub fn push(&mut self, session: SessionId, input: Input) {
        self.inputs.push((session, input));
    }

    /// Queues a frame.
    pub fn push_frame(&mut self, session: SessionId, connection: ConnectionId, text: &str) {
        let start = self.texts.len();
        self.texts.push_str(text);
        let range = start..self.texts.len();
        self.push(session, Input::Frame(connection, range));
    }

    /// Queues what the turn before had no time for. Before anything that this one brings.
    pub fn keep(&mut self, session: SessionId, input: Input, texts: &str) {
        self.requeue(session, input, texts);
        self.waiting.insert(session);
        self.kept_bytes = self.texts.len();
    }

    /// Queues what came meanwhile.
    pub fn append(&mut self, behind: Inbox) {
        for (session, input) in behind.inputs {
            self.requeue(session, input, &behind.texts);
        }
    }

    fn requeue(&mut self, session: SessionId, input: Input, texts: &str) {
        match input {
            Input::Frame(connection, range) => {
                self.push_frame(session, connection, &texts[range]);
            }
            input => self.push(session, input),
        }
    }

    /// Whether something of this session was kept. Nothing more is read from its pages then: what is kept of
    /// each is no more than its connection had.
    pub fn waits(&self, session: SessionId) -> bool {
        self.waiting.contains(&session)
    }

    /// Whether reading shall wait for the next turn.
    pub fn is_full(&self) -> bool {
        self.texts.len() - self.kept_bytes >= TEXT_BYTES_MAX
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.inputs.is_empty()
    }

    /// Forgets what was handled and keeps a little room.
    pub fn clear(&mut self) {
        self.inputs.clear();
        self.waiting.clear();
        self.kept_bytes = 0;
        self.texts.clear();
        self.texts.shrink_to(TEXT_BYTES_KEPT);
        self.inputs.shrink_to(256);
    }
}
