//! Marks: places between two records of a journal from which it can be read on without what is before them.

use crate::core::code::{Decoder, Sink, push_bytes, push_signed, push_varint};
use crate::core::event::Turn;
use crate::core::id::ConnectionId;

/// Where reading goes on, and what was the case there. The default is the beginning.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    /// Bytes of the file before it.
    pub offset: u64,
    /// The checksum of all records before it.
    pub(super) check: u32,
    /// Of the last record before it.
    pub sequence: u64,
    pub turn_number: u64,
    pub turn: Turn,
    /// The connections that are there, by the recording's numbers, and the last number that was vended.
    pub(super) joined: Vec<ConnectionId>,
    pub(super) last: u64,
}

impl Mark {
    /// Appends the mark.
    pub fn push(&self, out: &mut Vec<u8>) {
        push_varint(out, self.offset);
        out.put(&self.check.to_le_bytes());
        push_varint(out, self.sequence);
        push_varint(out, self.turn_number);
        push_varint(out, self.turn.now);
        push_signed(out, self.turn.wall);
        push_varint(out, self.last);
        let mut joined = Vec::new();
        for connection in &self.joined {
            push_varint(&mut joined, connection.0);
        }
        push_bytes(out, &joined);
    }

    /// Reads what [`Mark::push`] wrote.
    pub fn read(from: &mut Decoder<'_>) -> Option<Mark> {
        let mut mark = Mark {
            offset: from.varint()?,
            check: from.u32()?,
            sequence: from.varint()?,
            turn_number: from.varint()?,
            turn: Turn {
                now: from.varint()?,
                wall: from.signed()?,
            },
            last: from.varint()?,
            joined: Vec::new(),
        };
        let mut joined = Decoder::new(from.bytes()?);
        while !joined.is_empty() {
            mark.joined.push(ConnectionId(joined.varint()?));
        }
        Some(mark)
    }
}
