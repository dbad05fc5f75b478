//! What comes out of core.

use super::batch::OutgoingBatch;
use super::deed::Deed;
use super::download::{Piece, Token};
use super::id::{ConnectionId, SessionId};
use super::outside::Outgoing;

/// One thing the shell shall do. Effects come in one deterministic order.
#[derive(Debug)]
pub enum Effect {
    /// Encode with `wire::write_batch` and send as one text frame.
    Send {
        connection: ConnectionId,
        batch: OutgoingBatch,
    },
    /// Close that WebSocket with this close code (RFC 6455 section 7.4) after what was sent before.
    Close {
        connection: ConnectionId,
        code: u16,
        reason: String,
    },
    /// The script asked the machine for something and has its answer, or something shall be done to a
    /// process or an upload of its. Recorded; only what is said of those is still to be done.
    Outside {
        session: SessionId,
        outgoing: Outgoing,
    },
    /// A line for the log. Level 0 always shows; 1 to 4 need as many `-v`.
    Log {
        session: SessionId,
        level: u8,
        text: String,
    },
    /// A page did something. Only where somebody wants to know; not recorded, since it follows from what is.
    Done { session: SessionId, deed: Deed },
    /// The session published a message. Who subscribed gets it by `SessionManager::take_message`;
    /// this is for the record.
    Published {
        session: SessionId,
        topic: Box<str>,
        /// JSON.
        value: Box<str>,
        retain: bool,
    },
    /// Send this to the browser that fetches the download.
    Download {
        session: SessionId,
        token: Token,
        piece: Piece,
    },
    /// What the app saves of itself, by `session:checkpoint`, for a session that begins in place of this
    /// one should it ever be impossible to rebuild it.
    Saved {
        session: SessionId,
        /// JSON.
        data: Box<str>,
    },
    /// The session could not start: `main.lua` failed or is missing. The session is gone; the page
    /// of its id shows `description` from now on.
    SessionFailed {
        session: SessionId,
        description: String,
    },
    /// The session expired and is gone.
    SessionEnded { session: SessionId },
}
