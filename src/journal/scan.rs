//! The first look at a file: where its records are, whether all of them check, and frames that stand there
//! only as the difference to the one before.

use super::JournalError;
use super::edits;
use super::frames::rebuilt;
use super::header::LookUp;
use super::writer::{BEGINS_TURN, DRIFTED, FRAME_DIFFERS, SITE_CHANGED, head_check};
use super::{FORMAT_VERSION, OLDEST_VERSION};
use crate::core::code::Decoder;

/// Length, sequence and two checksums of a record of format 2.
const OLD_HEAD: usize = 4 + 8 + 4 + 4;
/// The longest length, its checksum and that of the record.
const LENGTH_MAX: usize = 5;
/// What a disk writes at a time: after a power cut some of them may be zeros still.
const SECTOR: usize = 512;

/// What was found.
#[derive(Debug)]
pub(super) struct Layout {
    /// The payload of each record.
    pub payloads: Vec<Span>,
    /// Where the last whole record ends, and its checksum.
    pub end: usize,
    pub check: u32,
    /// Frames rebuilt, and edits whose contents were looked up, in their order.
    pub texts: Vec<u8>,
    /// The place of each of them in there.
    pub rebuilt: Vec<Span>,
}

/// A part of the file, or of the texts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    pub at: usize,
    pub length: usize,
}

impl Span {
    pub fn of<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        &bytes[self.at..self.at + self.length]
    }
}

/// Finds the records of a file, or of the rest of one, from `at` on, and where a torn tail begins. `check` is the
/// checksum of what is before them; `look_up` finds the contents of edited files that they only name.
pub(super) fn scan(
    file: &[u8],
    format: u16,
    at: usize,
    check: u32,
    look_up: &mut LookUp<'_>,
) -> Result<Layout, JournalError> {
    let mut scan = Scan {
        file,
        at,
        check,
        sequence: 0,
    };
    let mut texts = Texts::default();
    let mut payloads = Vec::new();
    loop {
        let start = scan.at;
        let found = match format {
            OLDEST_VERSION => scan.next_old(),
            _ => scan.next(),
        };
        let Some(payload) = found? else {
            break;
        };
        if format == FORMAT_VERSION {
            let taken = texts.take(file, payload);
            let named = taken.ok_or_else(|| corrupt(start, UNREADABLE))?;
            if let Some(edits) = named {
                texts.put(&edits::resolve(edits, look_up)?);
            }
        }
        payloads.push(payload);
    }
    Ok(Layout {
        payloads,
        end: scan.at,
        check: scan.check,
        texts: texts.bytes,
        rebuilt: texts.rebuilt,
    })
}

pub(super) const UNREADABLE: &str = "a record checks but cannot be read";

pub(super) fn corrupt(at: usize, reason: &'static str) -> JournalError {
    JournalError::Corrupt {
        offset: at as u64,
        reason,
    }
}

struct Scan<'a> {
    file: &'a [u8],
    at: usize,
    check: u32,
    sequence: u64,
}

type Found = Result<Option<Span>, JournalError>;

impl Scan<'_> {
    /// The payload of the next record; `None` at the end of the file and at a torn tail.
    fn next(&mut self) -> Found {
        let rest = &self.file[self.at..];
        let mut from = Decoder::new(rest);
        let Some(length) = from.varint() else {
            // The length goes on to the end of the file, or for too long.
            return match rest.len() <= LENGTH_MAX {
                true => Ok(None),
                false => self.bad("the length of a record cannot be read", self.file.len()),
            };
        };
        let size = rest.len() - from.rest().len();
        let (Some(head), Some(check)) = (from.take(2), from.u32()) else {
            return Ok(None);
        };
        if size > LENGTH_MAX || head != head_check(&rest[..size]) {
            let reason = "the length of a record does not match its checksum";
            return self.bad(reason, self.file.len());
        }
        let at = self.file.len() - from.rest().len();
        let length = length as usize;
        let Some(payload) = from.take(length) else {
            return Ok(None);
        };
        let sum = crc32c::crc32c_append(self.check, &rest[..size]);
        if crc32c::crc32c_append(sum, payload) != check {
            let reason = "a record does not match its checksum, or one before it is missing";
            return self.bad(reason, at + length);
        }
        self.check = check;
        self.at = at + length;
        Ok(Some(Span { at, length }))
    }

    /// A record that does not check and ends at `end`: damage, unless the disk did not come to write all of it.
    fn bad(&self, reason: &'static str, end: usize) -> Found {
        let zeros = self.file.iter().rev().take_while(|&&b| b == 0).count();
        let zeros_from = self.file.len() - zeros;
        let sector = zeros_from.next_multiple_of(SECTOR);
        if zeros_from <= self.at || (sector < self.file.len() && sector < end) {
            return Ok(None);
        }
        Err(corrupt(self.at, reason))
    }

    fn next_old(&mut self) -> Found {
        let rest = &self.file[self.at..];
        let Some((head, rest)) = rest.split_at_checked(OLD_HEAD) else {
            return Ok(None);
        };
        if head.iter().chain(rest).all(|&b| b == 0) {
            return Ok(None);
        }
        let u32_at =
            |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let bad = |reason| Err(corrupt(self.at, reason));
        if crc32c::crc32c(&head[..12]) != u32_at(12) {
            return bad("a record's head does not match its checksum");
        }
        let length = u32_at(0) as usize;
        let Some(payload) = rest.get(..length) else {
            return Ok(None);
        };
        if crc32c::crc32c(payload) != u32_at(16) {
            return bad("a record does not match its checksum");
        }
        let sequence = u64::from(u32_at(4)) | u64::from(u32_at(8)) << 32;
        if sequence != self.sequence + 1 {
            return bad("a record is missing before this one");
        }
        self.sequence = sequence;
        let at = self.at + OLD_HEAD;
        self.at = at + length;
        Ok(Some(Span { at, length }))
    }
}

/// Frames as they came.
#[derive(Default)]
struct Texts {
    bytes: Vec<u8>,
    rebuilt: Vec<Span>,
    /// The last frame of each connection: whether it was rebuilt, and where it is.
    last: Vec<(u64, bool, Span)>,
}

impl Texts {
    /// Looks at a record; `None`: it cannot be read. Returns edits whose contents must be looked up.
    fn take<'a>(&mut self, file: &'a [u8], payload: Span) -> Option<Option<&'a [u8]>> {
        let bytes = payload.of(file);
        let mut from = Decoder::new(bytes);
        let kind = from.byte()?;
        if kind & BEGINS_TURN != 0 {
            from.varint()?;
            if kind & DRIFTED != 0 {
                from.varint()?;
            }
        }
        match kind & !(BEGINS_TURN | DRIFTED) {
            4 => {
                let connection = from.varint()?;
                let length = from.bytes()?.len();
                let at = payload.at + payload.length - from.rest().len() - length;
                self.keep(connection, false, Span { at, length });
            }
            FRAME_DIFFERS => {
                let connection = from.varint()?;
                let (front, back) = (from.varint()? as usize, from.varint()? as usize);
                let middle = from.bytes()?;
                let (_, rebuilt_before, span) =
                    *self.last.iter().find(|(id, ..)| *id == connection)?;
                let last = span.of(if rebuilt_before { &self.bytes } else { file });
                let text = rebuilt(last, front, back, middle)?;
                std::str::from_utf8(&text).ok()?;
                let span = self.put(&text);
                self.keep(connection, true, span);
            }
            SITE_CHANGED => {
                let edits = from.bytes()?;
                return Some(edits::are_named(edits)?.then_some(edits));
            }
            _ => {}
        }
        Some(None)
    }

    fn put(&mut self, bytes: &[u8]) -> Span {
        let (at, length) = (self.bytes.len(), bytes.len());
        self.bytes.extend_from_slice(bytes);
        self.rebuilt.push(Span { at, length });
        Span { at, length }
    }

    fn keep(&mut self, connection: u64, rebuilt: bool, span: Span) {
        match self.last.iter_mut().find(|(id, ..)| *id == connection) {
            Some(last) => (last.1, last.2) = (rebuilt, span),
            None => self.last.push((connection, rebuilt, span)),
        }
    }
}
