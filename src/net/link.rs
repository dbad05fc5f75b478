//! A link: what lets a view outlive its connections. Clients that offer the WebSocket subprotocol
//! `lunette.1` have one; those of the base protocol do not.
//!
//! Both ends number their frames, tell each other how far they have got, and keep what the other has
//! not acknowledged. When a connection breaks, the client opens another, says which of the server's
//! frames it has, and both send again what is missing: each frame takes effect exactly once.
//!
//! # What travels
//!
//! ```text
//! text     = number " " ack " " frame      a frame of the base protocol, see crate::wire
//!          | "0 " ack                      only an acknowledgement
//!          | "0 " ack " ?"                 the same, and an acknowledgement is asked for
//! number   = 1, 2, 3, ... in each direction
//! ack      = the last frame of the other side that has taken effect, 0 for none
//! ```
//!
//! An acknowledgement from the server says that the frame was handled *and* that all it changed was
//! told: what an acknowledged frame did not change stayed as it was. A value that comes with an older
//! acknowledgement than the client's own write is older than that write.
//!
//! The first text of each connection is the server's greeting, an object:
//!
//! ```text
//! {"view":3,"resumed":true,"handled":17,"check":2868014,"server":"9f0c..."}
//! ```
//!
//! `view` names the view inside its session. The client sends it back, with the number of the last
//! frame it has and a *check* of them, in the address of its next connection:
//! `/ws/SID?view=3&received=41&check=1823`. `resumed` says whether the view goes on; if not it is a new
//! one, and the client makes its variables anew. `handled` and `check` are the server's side of the
//! same for the view that was asked for, as far as it is known (else null). `server` changes when the
//! server is started again.
//!
//! A check is the CRC32C of all frames up to a number, without what a link puts in front, one after
//! the other: two ends whose checks agree have the same history, and so the same state. If they do
//! not, or more is missing than was kept, the view is not resumed.

use std::collections::VecDeque;
use std::io::Write as _;

use crate::core::code::{Decoder, push_bytes, push_varint};

/// The subprotocol that asks for a link.
pub const SUBPROTOCOL: &str = "lunette.1";

/// What a client says of the view that it wants to go on with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resume {
    pub view: u64,
    /// The last of the server's frames that it has, and the check of all up to there. `None`: it
    /// gives the view up.
    pub received: Option<(u64, u32)>,
}

/// What is in a text of the client's.
#[derive(Debug, PartialEq, Eq)]
pub enum Taken<'t> {
    /// A frame that is new.
    Frame(&'t str),
    /// Nothing that is new.
    Nothing,
    /// Nothing, but an acknowledgement is asked for.
    Question,
    /// Not what a link can say; the reason is for the peer.
    Broken(&'static str),
}

/// A frame that the other side may not have yet.
#[derive(Debug)]
struct Kept {
    text: Box<[u8]>,
    /// What had taken effect when it was made: sent again it must not claim to know of more.
    ack: u64,
    /// The check of all frames up to this one.
    check: u32,
}

/// The server's end of one.
#[derive(Debug, Default)]
pub struct Link {
    /// The number of our last frame.
    sent: u64,
    /// Our last frames that are kept, oldest first.
    kept: VecDeque<Kept>,
    kept_bytes: usize,
    /// The check of all frames before those.
    check_before: u32,
    /// The number of the client's last frame, and the check of all of them.
    received: u64,
    received_check: u32,
    /// Its last frame that has taken effect, and the last of which it was told so.
    handled: u64,
    told: u64,
    /// It wants to be told even so.
    asked: bool,
}

/// What a kept frame costs beside its text.
const KEPT_OVERHEAD: usize = size_of::<Kept>();

impl Link {
    /// Reads a text of the client's.
    pub fn take<'t>(&mut self, text: &'t str) -> Taken<'t> {
        let Some((number, ack, rest)) = parse(text) else {
            return Taken::Broken("a text of this subprotocol is: number, acknowledgement, frame");
        };
        if ack > self.sent {
            return Taken::Broken("a frame that was never sent is acknowledged");
        }
        self.acknowledge(ack);
        match (number, rest) {
            (0, None) => Taken::Nothing,
            (0, Some("?")) => {
                self.asked = true;
                Taken::Question
            }
            (0, Some(_)) => Taken::Broken("frames are numbered from 1"),
            (_, None) => Taken::Broken("a number without a frame"),
            (number, Some(frame)) => self.receive(number, frame),
        }
    }

    fn receive<'t>(&mut self, number: u64, frame: &'t str) -> Taken<'t> {
        if number <= self.received {
            return Taken::Nothing;
        }
        if number > self.received + 1 {
            return Taken::Broken("a frame is missing before this one");
        }
        self.received = number;
        self.received_check = crc32c::crc32c_append(self.received_check, frame.as_bytes());
        Taken::Frame(frame)
    }

    fn acknowledge(&mut self, ack: u64) {
        while self.sent - (self.kept.len() as u64) < ack {
            self.forget_oldest();
        }
        if self.kept.is_empty() && self.kept.capacity() > 16 {
            self.kept = VecDeque::new();
        }
    }

    fn forget_oldest(&mut self) {
        if let Some(oldest) = self.kept.pop_front() {
            self.kept_bytes -= oldest.text.len() + KEPT_OVERHEAD;
            self.check_before = oldest.check;
        }
    }

    /// The client's next frame takes effect now.
    pub fn handle(&mut self) {
        self.handled += 1;
    }

    /// Appends all of it, for [`Link::read`].
    pub fn write(&self, out: &mut Vec<u8>) {
        let Link {
            sent,
            kept,
            kept_bytes: _,
            check_before,
            received,
            received_check,
            handled,
            // What was told is told again.
            told: _,
            asked: _,
        } = self;
        for number in [*sent, *received, *handled, kept.len() as u64] {
            push_varint(out, number);
        }
        out.extend_from_slice(&check_before.to_le_bytes());
        out.extend_from_slice(&received_check.to_le_bytes());
        for Kept {
            text,
            ack,
            check: _,
        } in kept
        {
            push_varint(out, *ack);
            push_bytes(out, text);
        }
    }

    /// What [`Link::write`] wrote; `None`: it is something else.
    pub fn read(from: &mut Decoder<'_>) -> Option<Link> {
        let mut link = Link {
            sent: from.varint()?,
            received: from.varint()?,
            handled: from.varint()?,
            ..Link::default()
        };
        let count = from.varint()?;
        link.check_before = from.u32()?;
        link.received_check = from.u32()?;
        let mut check = link.check_before;
        for _ in 0..count {
            let ack = from.varint()?;
            let text: Box<[u8]> = from.bytes()?.into();
            check = crc32c::crc32c_append(check, &text);
            link.kept_bytes += text.len() + KEPT_OVERHEAD;
            link.kept.push_back(Kept { text, ack, check });
        }
        (count <= link.sent).then_some(link)
    }

    /// A frame of the client's that took effect earlier, as a journal has it.
    pub fn recall(&mut self, frame: &str) {
        let next = self.received + 1;
        self.receive(next, frame);
        self.handle();
    }

    /// Whether the client has not been told of all that has taken effect.
    pub fn owes(&self) -> bool {
        self.asked || self.told < self.handled
    }

    /// Makes the next frame; `write` appends its text. It is [`Link::write_last`] that sends it.
    pub fn push(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let mut text = Vec::new();
        write(&mut text);
        let before = self
            .kept
            .back()
            .map_or(self.check_before, |kept| kept.check);
        let check = crc32c::crc32c_append(before, &text);
        self.sent += 1;
        self.kept_bytes += text.len() + KEPT_OVERHEAD;
        self.kept.push_back(Kept {
            text: text.into_boxed_slice(),
            ack: self.handled,
            check,
        });
    }

    fn tell_handled(&mut self) {
        self.told = self.handled;
        self.asked = false;
    }

    /// Appends the frame that was pushed last as it travels.
    pub fn write_last(&mut self, out: &mut Vec<u8>) {
        self.tell_handled();
        if let Some(last) = self.kept.back() {
            write_text(out, self.sent, last);
        }
    }

    /// What its kept frames take.
    pub fn kept_bytes(&self) -> usize {
        self.kept_bytes
    }

    /// Forgets the oldest frames until the rest is at most so many bytes. Returns whether there was
    /// no need to.
    pub fn trim(&mut self, bytes: usize) -> bool {
        let fits = self.kept_bytes <= bytes;
        while self.kept_bytes > bytes {
            self.forget_oldest();
        }
        fits
    }

    /// Appends an acknowledgement of all that has taken effect.
    pub fn write_ack(&mut self, out: &mut Vec<u8>) {
        self.tell_handled();
        let _ = write!(out, "0 {}", self.handled);
    }

    /// Whether all that the client lacks is here, and it has what was sent.
    pub fn can_resume(&self, received: u64, check: u32) -> bool {
        let first = self.sent - self.kept.len() as u64;
        if received < first || received > self.sent {
            return false;
        }
        let at = match received.checked_sub(first + 1) {
            None => self.check_before,
            Some(index) => self.kept[index as usize].check,
        };
        at == check
    }

    /// Hands out each frame after number `received` as it travels. The client is owed an
    /// acknowledgement then, which has to wait until all that it speaks of was told.
    pub fn resend(&mut self, received: u64, mut send: impl FnMut(&[u8])) {
        self.acknowledge(received.min(self.sent));
        let first = self.sent - self.kept.len() as u64;
        let mut text = Vec::new();
        for (number, kept) in (first + 1..).zip(&self.kept) {
            text.clear();
            write_text(&mut text, number, kept);
            send(&text);
        }
        self.asked = true;
    }

    /// The number of the client's last frame, and the check of all of them. They have taken effect, or
    /// will before anything that comes later.
    pub fn received(&self) -> (u64, u32) {
        (self.received, self.received_check)
    }
}

/// Number, acknowledgement, and what follows.
fn parse(text: &str) -> Option<(u64, u64, Option<&str>)> {
    let (number, rest) = text.split_once(' ')?;
    let (ack, rest) = match rest.split_once(' ') {
        Some((ack, rest)) => (ack, Some(rest)),
        None => (rest, None),
    };
    Some((parse_number(number)?, parse_number(ack)?, rest))
}

/// Digits only, few enough that JavaScript can count as far.
pub fn parse_number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.len() <= 15 && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

fn write_text(out: &mut Vec<u8>, number: u64, kept: &Kept) {
    let _ = write!(out, "{number} {} ", kept.ack);
    out.extend_from_slice(&kept.text);
}

#[cfg(test)]
#[path = "link_tests.rs"]
mod tests;
