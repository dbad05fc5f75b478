//! What was read and waits for step "run".

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

/// Inputs in the order they came. One buffer holds the texts of all frames, so that reading costs
/// no allocation.
#[derive(Default)]
pub struct Inbox {
    pub inputs: Vec<(SessionId, Input)>,
    pub texts: String,
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

    /// Whether reading shall wait for the next turn.
    pub fn is_full(&self) -> bool {
        self.texts.len() >= TEXT_BYTES_MAX
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.inputs.is_empty()
    }

    /// Forgets what was handled and keeps a little room.
    pub fn clear(&mut self) {
        self.inputs.clear();
        self.texts.clear();
        self.texts.shrink_to(TEXT_BYTES_KEPT);
        self.inputs.shrink_to(256);
    }
}
