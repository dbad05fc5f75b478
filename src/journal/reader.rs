//! Reader: a recording read back, checked as a whole before any of it is used.

use std::path::Path;

use super::code::Decoder;
use super::writer::{BEGINS_TURN, RECORD_HEAD};
use super::{
    Header, JournalError, Output, RawAnswer, RawEvent, RawNews, RawPiece, RawProgress, decode_edits,
};
use crate::core::download::Demand;
use crate::core::event::{Opening, Turn};
use crate::core::id::ConnectionId;

/// A recording whose every record has been checked.
#[derive(Debug)]
pub struct Reader {
    header: Header,
    file: Vec<u8>,
    first: usize,
    end: usize,
}

/// One event and what it led to. Connections have the recording's own numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Record<'a> {
    /// 1, 2, 3 in the file.
    pub sequence: u64,
    /// Number of the turn it belongs to: 1, 2, 3.
    pub turn_number: u64,
    pub turn: Turn,
    pub event: RawEvent<'a>,
    pub outputs: Vec<Output<'a>>,
}

impl Reader {
    /// Reads and checks the recording at `path`.
    ///
    /// # Errors
    /// When it cannot be read, is of another format, or is damaged. A torn tail is no error.
    pub fn open(path: &Path) -> Result<Reader, JournalError> {
        match std::fs::read(path) {
            Ok(file) => Reader::new(file),
            Err(source) => Err(JournalError::Io {
                path: path.into(),
                source,
            }),
        }
    }

    /// Checks the content of a recording.
    ///
    /// # Errors
    /// See [`Reader::open`].
    pub fn new(file: Vec<u8>) -> Result<Reader, JournalError> {
        let (header, first) = Header::read(&file)?;
        let mut records = Walk::new(&file, first, file.len());
        while let Some(record) = records.next() {
            record?;
        }
        let end = records.at;
        Ok(Reader {
            header,
            file,
            first,
            end,
        })
    }

    /// What stands before the first event.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Where the first record begins.
    pub fn header_bytes(&self) -> usize {
        self.first
    }

    /// Bytes of an unfinished record at the end that were left aside; 0: the file is whole.
    pub fn torn_bytes(&self) -> usize {
        self.file.len() - self.end
    }

    /// Where the last whole record ends: what a file with a torn tail is cut to.
    pub fn whole_bytes(&self) -> usize {
        self.end
    }

    /// All records in order.
    pub fn records(&self) -> Records<'_> {
        Records(Walk::new(&self.file, self.first, self.end))
    }

    /// The records behind a place in this recording.
    pub fn records_from(&self, place: Place) -> Records<'_> {
        Records(Walk {
            file: &self.file,
            end: self.end,
            at: place.at,
            sequence: place.sequence,
            turn_number: place.turn_number,
            turn: place.turn,
        })
    }
}

/// A place between two records, to come back to.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    at: usize,
    sequence: u64,
    turn_number: u64,
    turn: Turn,
}

impl Place {
    /// Bytes from the start of the file.
    pub fn offset(self) -> usize {
        self.at
    }
}

/// The records of a [`Reader`].
#[derive(Debug)]
pub struct Records<'a>(Walk<'a>);

impl Records<'_> {
    /// Behind the record that came last.
    pub fn place(&self) -> Place {
        let walk = &self.0;
        Place {
            at: walk.at,
            sequence: walk.sequence,
            turn_number: walk.turn_number,
            turn: walk.turn,
        }
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Record<'a>;

    fn next(&mut self) -> Option<Record<'a>> {
        // They were all read once when the reader was made, so none fails now.
        self.0.next()?.ok()
    }
}

#[derive(Debug)]
struct Walk<'a> {
    file: &'a [u8],
    at: usize,
    end: usize,
    sequence: u64,
    turn_number: u64,
    turn: Turn,
}

impl<'a> Walk<'a> {
    fn new(file: &'a [u8], first: usize, end: usize) -> Walk<'a> {
        Walk {
            file,
            at: first,
            end,
            sequence: 0,
            turn_number: 0,
            turn: Turn::default(),
        }
    }

    /// The next record; `None` at the end of the file and at a torn tail, where `at` then points.
    fn next(&mut self) -> Option<Result<Record<'a>, JournalError>> {
        let rest = &self.file[self.at..self.end];
        let (head, rest) = rest.split_at_checked(RECORD_HEAD)?;
        if head.iter().chain(rest).all(|&b| b == 0) {
            return None;
        }
        let u32_at =
            |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        if crc32c::crc32c(&head[..12]) != u32_at(12) {
            return Some(Err(
                self.corrupt("a record's head does not match its checksum")
            ));
        }
        let payload = rest.get(..u32_at(0) as usize)?;
        if crc32c::crc32c(payload) != u32_at(16) {
            return Some(Err(self.corrupt("a record does not match its checksum")));
        }
        let sequence = u64::from(u32_at(4)) | u64::from(u32_at(8)) << 32;
        if sequence != self.sequence + 1 {
            return Some(Err(self.corrupt("a record is missing before this one")));
        }
        self.sequence = sequence;
        let Some(record) = self.read_payload(payload) else {
            return Some(Err(self.corrupt("a record checks but cannot be read")));
        };
        self.at += RECORD_HEAD + payload.len();
        Some(Ok(record))
    }

    fn corrupt(&self, reason: &'static str) -> JournalError {
        JournalError::Corrupt {
            offset: self.at as u64,
            reason,
        }
    }

    fn read_payload(&mut self, payload: &'a [u8]) -> Option<Record<'a>> {
        let mut from = Decoder::new(payload);
        let kind = from.byte()?;
        if kind & BEGINS_TURN != 0 {
            self.turn_number += 1;
            self.turn.now = self.turn.now.wrapping_add(from.signed()? as u64);
            self.turn.wall = self.turn.wall.wrapping_add(from.signed()?);
        }
        let event = read_event(kind & !BEGINS_TURN, &mut from)?;
        let mut outputs = Vec::new();
        while !from.is_empty() {
            outputs.push(read_output(&mut from)?);
        }
        Some(Record {
            sequence: self.sequence,
            turn_number: self.turn_number,
            turn: self.turn,
            event,
            outputs,
        })
    }
}

fn read_event<'a>(kind: u8, from: &mut Decoder<'a>) -> Option<RawEvent<'a>> {
    Some(match kind {
        1 => RawEvent::SessionOpened(Opening {
            seed: from.u64()?,
            url: from.text()?,
            address: from.text()?,
            locale: from.text()?,
            timezone: from.text()?,
        }),
        2 => RawEvent::FrontendJoined {
            connection: ConnectionId(from.varint()?),
        },
        3 => RawEvent::FrontendLeft {
            connection: ConnectionId(from.varint()?),
        },
        4 => RawEvent::Frame {
            connection: ConnectionId(from.varint()?),
            text: from.text()?,
        },
        5 => RawEvent::TimersDue,
        8 => RawEvent::MessagePublished {
            topic: from.text()?,
            value: from.text()?,
            only: Some(from.varint()?).filter(|&only| only != 0),
        },
        9 => RawEvent::Download {
            token: from.u128()?,
            demand: match from.flag()? {
                false => Demand::Next,
                true => Demand::Dropped,
            },
        },
        10 => RawEvent::Upload {
            upload: from.varint()?,
            news: RawProgress::read(from)?,
        },
        7 => RawEvent::Process {
            process: from.varint()?,
            news: RawNews::read(from)?,
        },
        6 => {
            let edits = from.bytes()?;
            decode_edits(edits)?;
            RawEvent::SiteChanged { edits }
        }
        _ => return None,
    })
}

fn read_output<'a>(from: &mut Decoder<'a>) -> Option<Output<'a>> {
    Some(match from.byte()? {
        1 => Output::Frame {
            connection: ConnectionId(from.varint()?),
            text: from.bytes()?,
        },
        2 => Output::Close {
            connection: ConnectionId(from.varint()?),
            code: u16::try_from(from.varint()?).ok()?,
            reason: from.text()?,
        },
        3 => Output::SessionFailed {
            description: from.text()?,
        },
        4 => Output::SessionEnded,
        7 => Output::Published {
            topic: from.text()?,
            value: from.text()?,
            retain: from.flag()?,
        },
        8 => Output::Download {
            token: from.u128()?,
            piece: match from.byte()? {
                0 => RawPiece::Begin {
                    name: from.text()?,
                    mime: from.text()?,
                },
                1 => RawPiece::Data(from.bytes()?),
                2 => RawPiece::End,
                3 => RawPiece::Failed(from.text()?),
                _ => return None,
            },
        },
        5 => Output::HostCalled {
            call: from.text()?,
            answer: RawAnswer::read(from)?,
        },
        9 => Output::Upload {
            upload: from.varint()?,
            action: from.text()?,
        },
        6 => Output::Process {
            process: from.varint()?,
            action: from.text()?,
        },
        _ => return None,
    })
}
