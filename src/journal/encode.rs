//! Events and outputs as bytes: the same for what is stored and for what only a digest is kept of.

use std::fmt;

use super::writer::{OPENED, OPENED_BY, SAVED, SITE_CHANGED};
use super::{Output, RawEvent, RawPiece};
use crate::core::code::{Sink, push_bytes, push_varint};
use crate::core::download::Demand;
use crate::core::id::ConnectionId;

/// The session's own numbers of its connections: 1, 2, 3 in the order in which they were first seen. Those who run
/// the server are told apart from browsers by them, see [`ConnectionId::TRUSTED`].
#[derive(Clone, Debug, Default)]
pub(super) struct Numbers {
    known: Vec<(ConnectionId, u64)>,
    last: u64,
}

impl Numbers {
    /// Goes on after `last`, with these connections known.
    pub fn resumed(known: Vec<(ConnectionId, u64)>, last: u64) -> Numbers {
        Numbers { known, last }
    }

    /// The numbers of those that are there, and the last that was vended.
    pub fn mark(&self) -> (Vec<ConnectionId>, u64) {
        let known = self.known.iter().map(|&(_, number)| ConnectionId(number));
        (known.collect(), self.last)
    }

    /// The number of a connection, vended when it is first seen.
    pub fn of(&mut self, connection: ConnectionId) -> u64 {
        if let Some(&(_, number)) = self.known.iter().find(|(id, _)| *id == connection) {
            return number;
        }
        self.last += 1;
        let number = self.last | (connection.0 & ConnectionId::TRUSTED);
        self.known.push((connection, number));
        number
    }

    /// The connection is gone.
    pub fn forget(&mut self, connection: ConnectionId) {
        self.known.retain(|&(id, _)| id != connection);
    }
}

/// Appends an event; returns its kind. Of a frame only the connection: its text is for the caller.
pub(super) fn push_event(event: &RawEvent<'_>, numbers: &mut Numbers, out: &mut impl Sink) -> u8 {
    match *event {
        RawEvent::SessionOpened(opening) => {
            out.put(&opening.seed.to_le_bytes());
            for text in [
                opening.url,
                opening.address,
                opening.locale,
                opening.timezone,
                opening.saved,
                opening.notice,
            ] {
                push_bytes(out, text.as_bytes());
            }
            if opening.user.is_empty() {
                return OPENED;
            }
            push_bytes(out, opening.user.as_bytes());
            OPENED_BY
        }
        RawEvent::FrontendJoined { connection } => {
            push_varint(out, numbers.of(connection));
            2
        }
        RawEvent::FrontendLeft { connection } => {
            push_varint(out, numbers.of(connection));
            numbers.forget(connection);
            3
        }
        RawEvent::Frame { connection, .. } => {
            push_varint(out, numbers.of(connection));
            4
        }
        RawEvent::TimersDue => 5,
        RawEvent::SiteChanged { edits } => {
            push_bytes(out, edits);
            SITE_CHANGED
        }
        RawEvent::Process { process, news } => {
            push_varint(out, process);
            news.push(out);
            7
        }
        RawEvent::MessagePublished { topic, value, only } => {
            push_bytes(out, topic.as_bytes());
            push_bytes(out, value.as_bytes());
            push_varint(out, only.unwrap_or(0));
            8
        }
        RawEvent::Download { token, demand } => {
            out.put(&token.to_le_bytes());
            push_varint(out, u64::from(demand == Demand::Dropped));
            9
        }
        RawEvent::Upload { upload, news } => {
            push_varint(out, upload);
            news.push(out);
            10
        }
        RawEvent::Ended { reason } => {
            push_bytes(out, reason.as_bytes());
            14
        }
    }
}

/// Appends an output; `number` tells the recording's number of a connection.
pub(super) fn push_output(
    output: &Output<'_>,
    mut number: impl FnMut(ConnectionId) -> u64,
    out: &mut impl Sink,
) {
    match *output {
        Output::Frame { connection, text } => {
            out.put(&[1]);
            push_varint(out, number(connection));
            push_bytes(out, text);
        }
        Output::Close {
            connection,
            code,
            reason,
        } => {
            out.put(&[2]);
            push_varint(out, number(connection));
            push_varint(out, u64::from(code));
            push_bytes(out, reason.as_bytes());
        }
        Output::SessionFailed { description } => {
            out.put(&[3]);
            push_bytes(out, description.as_bytes());
        }
        Output::SessionEnded => out.put(&[4]),
        Output::HostCalled { call, answer } => {
            out.put(&[5]);
            push_bytes(out, call.as_bytes());
            answer.push(out);
        }
        Output::Process { process, action } => {
            out.put(&[6]);
            push_varint(out, process);
            push_bytes(out, action.as_bytes());
        }
        Output::Published {
            topic,
            value,
            retain,
        } => {
            out.put(&[7]);
            push_bytes(out, topic.as_bytes());
            push_bytes(out, value.as_bytes());
            push_varint(out, u64::from(retain));
        }
        Output::Download { token, piece } => {
            out.put(&[8]);
            out.put(&token.to_le_bytes());
            push_piece(&piece, out);
        }
        Output::Upload { upload, action } => {
            out.put(&[9]);
            push_varint(out, upload);
            push_bytes(out, action.as_bytes());
        }
        Output::Saved { data } => {
            out.put(&[SAVED]);
            push_bytes(out, data.as_bytes());
        }
    }
}

fn push_piece(piece: &RawPiece<'_>, out: &mut impl Sink) {
    match *piece {
        RawPiece::Begin { name, mime } => {
            out.put(&[0]);
            push_bytes(out, name.as_bytes());
            push_bytes(out, mime.as_bytes());
        }
        RawPiece::Data(data) => {
            out.put(&[1]);
            push_bytes(out, data);
        }
        RawPiece::End => out.put(&[2]),
        RawPiece::Failed(reason) => {
            out.put(&[3]);
            push_bytes(out, reason.as_bytes());
        }
    }
}

/// What is kept of outputs that are not: how many there were, and a CRC32C of their encodings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Digest {
    pub count: u64,
    pub check: u32,
}

impl Digest {
    /// Counts an output in. Its connections have the numbers of the recording.
    pub fn add(&mut self, output: &Output<'_>) {
        self.add_numbered(output, |connection| connection.0);
    }

    pub(super) fn add_numbered(
        &mut self,
        output: &Output<'_>,
        number: impl FnMut(ConnectionId) -> u64,
    ) {
        self.count += 1;
        push_output(output, number, self);
    }
}

impl Sink for Digest {
    fn put(&mut self, bytes: &[u8]) {
        self.check = crc32c::crc32c_append(self.check, bytes);
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let outputs = if self.count == 1 { "output" } else { "outputs" };
        write!(f, "{} {outputs}, digest {:08x}", self.count, self.check)
    }
}
