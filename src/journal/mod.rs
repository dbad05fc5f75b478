//! Recordings: the inputs of one session and what came out, one append-only file a session.
//!
//! A recording holds all that a session depends on (its site's files, limits, seed, and every
//! event with its time) and what it sent, so that `crate::replay` can run it again anywhere and
//! compare byte for byte. [`Recorder`] and [`Writer`] make one while a session runs, [`Reader`]
//! reads one, [`transcript`] shows one as text. Imports `wire` and `core` only.
//!
//! # The file
//!
//! Fixed-size integers are little-endian. A *varint* is LEB128: seven bits a byte, low ones first,
//! the top bit set on all but the last. A *signed varint* is zigzag-coded first (0, -1, 1, -2 are
//! 0, 1, 2, 3). *Bytes* are a varint length and as many bytes; a *text* is bytes of UTF-8.
//!
//! ```text
//! file     = magic version length check header record*
//! magic    = 89 4C 4E 54 0D 0A 1A 0A      (catches copies "converted" as text)
//! version  = u16                          FORMAT_VERSION; another one is refused
//! length   = u32                          bytes of header
//! check    = u32                          CRC32C of header
//! header   = engine(text) arch(text) pointer_bits(varint) arena_class(varint) dialect(text)
//!            session(varint)              the number vended to it, seen by Lua
//!            limits                       varints, in the order of SessionLimits' fields, but for the last
//!            grants(varint)               bits from the lowest: io, os, files, spawn, blocking
//!            count(varint) command(text)* what may be spawned
//!            count(varint) file*          the site, sorted by path
//! file     = path(text) content(bytes)
//!
//! record   = length sequence head_check payload_check payload
//! length   = u32                          bytes of payload
//! sequence = u64                          1, 2, 3, ...
//! head_check    = u32                     CRC32C of length and sequence as stored
//! payload_check = u32                     CRC32C of payload
//! payload  = kind turn? event output*     outputs up to the end of the payload
//! kind     = u8                           bit 7: begins a turn; bits 0 to 6: which event
//! turn     = now(signed varint) wall(signed varint)
//!            only with bit 7: the difference to the turn before, which for the first is 0, 0
//! event    = 1 SessionOpened    seed(u64) url(text) address(text) locale(text) timezone(text)
//!          | 2 FrontendJoined   connection(varint)
//!          | 3 FrontendLeft     connection(varint)
//!          | 4 frame received   connection(varint) frame(text), exactly as it came
//!          | 5 TimersDue
//!          | 6 SiteChanged      edits(bytes), which are:
//!                              count(varint) then for each, sorted by path:
//!                              path(text) there(varint: 0 removed, 1) content(bytes, if there)
//!          | 7 process          process(varint) news
//!          | 8 MessagePublished topic(text) value(text) only(varint)  0: for all subscriptions
//!          | 9 Download         token(u128) demand(varint)           0 next, 1 dropped
//!          | 10 Upload          upload(varint) progress
//! output   = 1 frame sent       connection(varint) frame(bytes)
//!          | 2 close            connection(varint) code(varint) reason(text)
//!          | 3 SessionFailed    description(text)
//!          | 4 SessionEnded
//!          | 5 host call        call(text) answer
//!          | 6 process          process(varint) action(text)
//!          | 9 upload           upload(varint) action(text)
//! call, action = one line of text, see core::outside
//! progress = 1 ready | 2 finished sha256(32 bytes) | 3 failed text
//!            a file's content is not recorded; what the script reads of it is an answer
//! answer   = 1 done | 2 nothing | 3 bytes | 4 failed code(signed varint) text
//!          | 5 ran output(bytes) exit
//! news     = 1 stdout lines(bytes) | 2 stderr lines(bytes) | 3 exited exit
//! exit     = flags(u8) code(signed varint)? signal(signed varint)? error(text)?
//!            bits from the lowest: code, signal, timeout, interrupted, error
//!          | 7 published        topic(text) value(text) retain(flag)
//!          | 8 download         token(u128) 0 name(text) mime(text) | 1 data(bytes) | 2 | 3 reason(text)
//! ```
//!
//! Connections are numbered 1, 2, 3 in the order in which they joined this session, so that a
//! recording does not depend on what else the server did.
//!
//! The head has a checksum of its own so that a flipped bit in a length is told from a file that
//! ends early: an incomplete record at the end (or zeros, which some file systems leave there after
//! a power cut) is a *torn tail* and is cut off; everything else that does not check is corruption,
//! and the file is refused with the offset.

mod code;
mod header;
mod outside;
mod reader;
mod transcript;
mod writer;

use std::path::PathBuf;

use thiserror::Error;

use crate::core::download::{Demand, Piece, Token};
use crate::core::effect::Effect;
use crate::core::event::Opening;
use crate::core::id::ConnectionId;
use crate::core::outside::ProcessId;
use crate::core::site::Edits;
use crate::core::upload::UploadId;
use crate::core::watch::WatchHandle;
use crate::wire;
use code::{Decoder, push_bytes, push_varint};

pub use header::Header;
pub use outside::{RawAnswer, RawExit, RawNews, RawProgress};
pub use reader::{Place, Reader, Record, Records};
pub use transcript::{show_frame, transcript};
pub use writer::{Recorder, Writer};

/// The version of the format that is written and read.
pub const FORMAT_VERSION: u16 = 2;

const MAGIC: [u8; 8] = *b"\x89LNT\r\n\x1a\n";

/// An event as it is recorded: what came, before it was parsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RawEvent<'a> {
    SessionOpened(Opening<&'a str>),
    FrontendJoined {
        connection: ConnectionId,
    },
    FrontendLeft {
        connection: ConnectionId,
    },
    /// One text frame of a frontend.
    Frame {
        connection: ConnectionId,
        text: &'a str,
    },
    TimersDue,
    MessagePublished {
        topic: &'a str,
        value: &'a str,
        only: Option<WatchHandle>,
    },
    Download {
        token: Token,
        demand: Demand,
    },
    /// An upload may begin, is whole, or has failed.
    Upload {
        upload: UploadId,
        news: RawProgress<'a>,
    },
    /// A process of the session wrote lines or ended.
    Process {
        process: ProcessId,
        news: RawNews<'a>,
    },
    /// Files of the site were edited; see [`encode_edits`].
    SiteChanged {
        edits: &'a [u8],
    },
}

/// What an event made the session do. Log lines are not recorded: they depend on `-v`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output<'a> {
    /// A text frame for a frontend, as `wire::write_batch` encoded it.
    Frame {
        connection: ConnectionId,
        text: &'a [u8],
    },
    Close {
        connection: ConnectionId,
        code: u16,
        reason: &'a str,
    },
    SessionFailed {
        description: &'a str,
    },
    SessionEnded,
    /// The script asked the machine for something. The answer is an input: a replay gives it again.
    HostCalled {
        call: &'a str,
        answer: RawAnswer<'a>,
    },
    /// Something was to be done to a process, as one line.
    Process {
        process: ProcessId,
        action: &'a str,
    },
    /// Something was to be done to the content of an upload, as one line.
    Upload {
        upload: UploadId,
        action: &'a str,
    },
    Published {
        topic: &'a str,
        value: &'a str,
        retain: bool,
    },
    Download {
        token: Token,
        piece: RawPiece<'a>,
    },
}

impl<'a> Output<'a> {
    /// An effect as it is recorded, what is written for it in `frame`. `None`: log lines, which are not.
    pub fn of(effect: &'a Effect, frame: &'a mut Vec<u8>) -> Option<Output<'a>> {
        match effect {
            Effect::Send { connection, batch } => {
                frame.clear();
                wire::write_batch(batch, frame);
                Some(Output::Frame {
                    connection: *connection,
                    text: frame,
                })
            }
            Effect::Close {
                connection,
                code,
                reason,
            } => Some(Output::Close {
                connection: *connection,
                code: *code,
                reason,
            }),
            Effect::SessionFailed { description, .. } => {
                Some(Output::SessionFailed { description })
            }
            Effect::SessionEnded { .. } => Some(Output::SessionEnded),
            Effect::Outside { outgoing, .. } => Some(Output::of_outgoing(outgoing, frame)),
            Effect::Published {
                topic,
                value,
                retain,
                ..
            } => Some(Output::Published {
                topic,
                value,
                retain: *retain,
            }),
            Effect::Download { token, piece, .. } => Some(Output::Download {
                token: *token,
                piece: RawPiece::of(piece),
            }),
            Effect::Log { .. } => None,
        }
    }
}

/// A piece of a download as it is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RawPiece<'a> {
    Begin { name: &'a str, mime: &'a str },
    Data(&'a [u8]),
    End,
    Failed(&'a str),
}

impl RawPiece<'_> {
    /// How a piece is recorded.
    pub fn of(piece: &Piece) -> RawPiece<'_> {
        match piece {
            Piece::Begin { name, mime } => RawPiece::Begin { name, mime },
            Piece::Data(data) => RawPiece::Data(data),
            Piece::End => RawPiece::End,
            Piece::Failed(reason) => RawPiece::Failed(reason),
        }
    }
}

/// Edits of a site as they are recorded: once for all sessions.
pub fn encode_edits(edits: &Edits) -> Vec<u8> {
    let mut out = Vec::new();
    push_varint(&mut out, edits.len() as u64);
    for (path, content) in edits {
        push_bytes(&mut out, path.as_bytes());
        push_varint(&mut out, u64::from(content.is_some()));
        if let Some(content) = content {
            push_bytes(&mut out, content);
        }
    }
    out
}

/// What [`encode_edits`] wrote; `None`: it is something else.
pub fn decode_edits(bytes: &[u8]) -> Option<Edits> {
    let mut from = Decoder::new(bytes);
    let mut edits = Edits::new();
    for _ in 0..from.varint()? {
        let path = from.text()?.to_owned();
        let content = match from.flag()? {
            true => Some(from.bytes()?.to_vec()),
            false => None,
        };
        edits.insert(path, content);
    }
    from.is_empty().then_some(edits)
}

/// Why a recording cannot be used. Offsets count bytes from the start of the file.
#[derive(Debug, Error)]
pub enum JournalError {
    /// The file could not be read at all.
    #[error("{path}: {source}")]
    Io {
        path: PathBuf,
        source: std::io::Error,
    },
    /// Something else than a recording was given.
    #[error(
        "not a recording: it does not begin with the mark of one (files of --record end in .lnt)"
    )]
    NotAJournal,
    /// Made by an older or newer engine; replay it with that one.
    #[error(
        "the recording has format {found}, this engine reads format {FORMAT_VERSION}: replay it with the engine that made it"
    )]
    Version { found: u16 },
    /// The file ends inside its header: the session never began.
    #[error("the recording ends inside its header: nothing was recorded")]
    NoHeader,
    /// The file was damaged or altered; nothing of it is used.
    #[error("the recording is damaged at byte {offset}: {reason}")]
    Corrupt { offset: u64, reason: &'static str },
}

#[cfg(test)]
mod tests;
