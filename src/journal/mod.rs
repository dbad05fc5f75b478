//! Recordings: the inputs of one session and what came out, one append-only file a session.
//!
//! A recording holds all that a session depends on (its site's files or their checksums, limits, seed, and
//! every event with its time) and what it sent, or a digest of that, so that `crate::replay` can run it again
//! anywhere and compare byte for byte. [`Recorder`] and [`Writer`] make one while a session runs, [`Reader`]
//! reads one, [`transcript`] shows one as text. [`Store`] is the state directory of a server, where the
//! journals of its sessions are; [`Archive`] reads that. All they do to files goes through a [`Disk`].
//! Imports `wire` and `core` only.
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
//! version  = u16                          FORMAT_VERSION; 2 is read, too, others are refused
//! length   = u32                          bytes of header
//! check    = u32                          CRC32C of version, length and header
//! header   = engine(text) build(text) arch(text) pointer_bits(varint) arena_class(varint) dialect(text)
//!            sid(text) started(signed varint: ms since 1970) detail(varint: 0 full, 1 digest)
//!            session(varint)              the number vended to it, seen by Lua
//!            limits                       varints, in the order of SessionLimits' fields, but for the last
//!            grants(varint)               bits from the lowest: io, os, files, spawn, blocking
//!            count(varint) command(text)* what may be spawned
//!            count(varint) file*          the site, sorted by path
//!            (count(varint) secret(text)* (owner(text) viewdef_paths(varint) (rules(varint) gc_pause(varint)?)?)?)?
//!                                         paths whose values are not shown, if there are any, and if that is not
//!                                         all: who alone may come back to it, and the last of the limits; without
//!                                         rules 0, those of before there were any; without gc_pause 200
//! file     = path(text) 0(varint) content(bytes)
//!          | path(text) 1(varint) sha256(32 bytes) size(varint)      the content is in the store
//!
//! record   = length length_check check payload
//! length   = varint                       bytes of payload, at least 1
//! length_check = u16                      the low half of the CRC32C of length as stored
//! check    = u32                          CRC32C of length and payload of this record and of all before it,
//!                                         beginning with the header's check
//! payload  = kind turn? event output*     outputs up to the end of the payload
//!          | 0 output*                    goes on with an event behind an intent
//!          | 12 count(varint) tick*       TimersDue so often, each a turn of its own without outputs
//! kind     = u8                           bit 7: begins a turn; bit 6: drift follows; bits 0 to 5: which event
//! turn     = now(signed varint) drift(signed varint)?
//!            only with bit 7: by how much now went on since the turn before (the first: since 0), and by how
//!            much more the wall clock did
//! event    = 1 SessionOpened    seed(u64) url(text) address(text) locale(text) timezone(text)
//!                              saved(text) notice(text)      not in format 2
//!          | 2 FrontendJoined   connection(varint)
//!          | 3 FrontendLeft     connection(varint)
//!          | 4 frame received   connection(varint) frame(text), exactly as it came
//!          | 5 TimersDue
//!          | 6 SiteChanged      edits(bytes), which are:
//!                              count(varint) then for each, sorted by path:
//!                              path(text) there(varint) what
//!                              there 0: removed; 1: content(bytes); 2: sha256(32 bytes) size(varint), the
//!                              content is in the store, as those of a header's files may be
//!          | 7 process          process(varint) news
//!          | 8 MessagePublished topic(text) value(text) only(varint)  0: for all subscriptions
//!          | 9 Download         token(u128) demand(varint)           0 next, 1 dropped
//!          | 10 Upload          upload(varint) progress
//!          | 11 frame received  connection(varint) front(varint) back(varint) middle(bytes)
//!                              so many bytes of the connection's last frame, middle, its so many last bytes
//!          | 13 SessionOpened   as 1, and user(text): somebody had to log in
//!          | 14 Ended           reason(text)
//! output   = 1 frame sent       connection(varint) frame(bytes)
//!          | 2 close            connection(varint) code(varint) reason(text)
//!          | 3 SessionFailed    description(text)
//!          | 4 SessionEnded
//!          | 5 host call        call(text) answer
//!          | 6 process          process(varint) action(text)
//!          | 7 published        topic(text) value(text) retain(varint)
//!          | 8 download         token(u128) 0 name(text) mime(text) | 1 data(bytes) | 2 | 3 reason(text)
//!          | 9 upload           upload(varint) action(text)
//!          | 10 answered        call(text) answer     written ahead of its place among the outputs, which is
//!          | 12                 here, if they are kept
//!          | 11 intent          call(text)            is about to be made; ends the payload. The event goes on
//!                              in the next record; in the last one of the file nobody knows what came of it
//!          | 80+n count(varint, if n is 7F) check(u32)       n < 7F: count. Digest of all outputs of the event:
//!                              their number and CRC32C; ends the payload. Of them only 3, 4, 5 and 13 are there
//!          | 13 saved           data(text)
//! call, action = one line of text, see core::outside
//! progress = 1 ready | 2 finished sha256(32 bytes) | 3 failed text
//!            a file's content is not recorded; what the script reads of it is an answer
//! answer   = 1 done | 2 nothing | 3 bytes | 4 failed code(signed varint) text
//!          | 5 ran output(bytes) exit
//! news     = 1 stdout lines(bytes) | 2 stderr lines(bytes) | 3 exited exit
//! exit     = flags(u8) code(signed varint)? signal(signed varint)? error(text)?
//!            bits from the lowest: code, signal, timeout, interrupted, error
//! tick     = place | E run | F now drift  half bytes, the low one of a byte first
//! place    = 0 to D                       the step so called: how far now and drift went on
//! E run    = run(number)                  the last step again, run + 3 times
//! F now drift = numbers, zigzag           a new step, called by the next place that is free, if any
//! number   = half bytes                   three bits each, low ones first, the top bit set on all but the last
//! ```
//!
//! Format 2 has neither build, sid, started and detail nor the 0 and 1 before the content of files in its
//! header, whose check leaves out version and length; the head of its records is length(u32) sequence(u64)
//! head_check(u32: CRC32C of both) payload_check(u32), a turn has the difference of both clocks, SessionOpened
//! ends behind timezone, and of kinds there are events 1 to 10 and outputs 1 to 9.
//!
//! Connections are numbered 1, 2, 3 in the order in which they joined this session, so that a
//! recording does not depend on what else the server did.
//!
//! The length has a checksum of its own so that a flipped bit in it is told from a file that
//! ends early: an incomplete record at the end (or zeros in place of it or of its last sectors, which some
//! file systems leave there after a power cut) is a *torn tail* and is cut off; everything else that does not
//! check is corruption, and the file is refused with the offset. Checks go on from record to record, so that
//! none can be missing.

mod decode;
mod disk;
mod edits;
mod encode;
mod files;
mod frames;
mod header;
mod ledger;
mod mapped;
mod mark;
mod outside;
mod paths;
mod place;
mod reader;
mod scan;
mod secrets;
mod store;
mod tail;
mod ticks;
mod transcript;
pub mod words;
mod writer;

use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::core::download::{Demand, Piece, Token};
use crate::core::effect::Effect;
use crate::core::event::Opening;
use crate::core::id::ConnectionId;
use crate::core::outside::ProcessId;
use crate::core::upload::UploadId;
use crate::core::watch::WatchHandle;
use crate::wire;

pub use disk::{Disk, DiskFile, Entry, Lock, Mapping, RealDisk};
pub use edits::{decode_edits, encode_edits};
pub use encode::Digest;
pub use header::{BUILD, Detail, Header};
pub use ledger::Ledger;
pub use mapped::MappedFile;
pub use mark::Mark;
pub use outside::{RawAnswer, RawExit, RawNews, RawProgress};
pub use paths::Paths;
pub use place::state_dir;
pub use reader::{Interrupted, Place, Reader, Record, Records};
pub use secrets::{BLANK, Secrets, spelled};
pub use store::{Archive, Listed, Rules, Standing, Store, StoreError, is_sid};
pub use transcript::{show_frame, transcript};
pub use writer::{Durability, Policy, Recorder, Stopped, Writer};

/// The version of the format that is written, and the oldest that is read.
pub const FORMAT_VERSION: u16 = 3;
const OLDEST_VERSION: u16 = 2;

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
    /// The server had to end the session.
    Ended {
        reason: &'a str,
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
    /// The app saved itself; JSON.
    Saved {
        data: &'a str,
    },
}

impl<'a> Output<'a> {
    /// Whether it is there even if of the others there is a digest: a replay or recovery needs it.
    pub fn is_kept(&self) -> bool {
        matches!(
            self,
            Output::HostCalled { .. }
                | Output::SessionFailed { .. }
                | Output::SessionEnded
                | Output::Saved { .. }
        )
    }

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
            Effect::Saved { data, .. } => Some(Output::Saved { data }),
            Effect::Log { .. } | Effect::Done { .. } => None,
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

/// Why a recording cannot be used. Offsets count bytes from the start of the file.
#[derive(Debug, Error)]
pub enum JournalError {
    /// The file could not be read at all.
    #[error(
        "{path}: {source}. A recording is a file that --record or export made, or a session by its id"
    )]
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
        "the recording has format {found}, this engine reads formats {OLDEST_VERSION} to {FORMAT_VERSION}: replay it with the engine that made it"
    )]
    Version { found: u16 },
    /// The file ends inside its header: the session never began.
    #[error("the recording ends inside its header: nothing was recorded")]
    NoHeader,
    /// The file was damaged or altered; nothing of it is used.
    #[error("the recording is damaged at byte {offset}: {reason}")]
    Corrupt { offset: u64, reason: &'static str },
    /// The recording names a file of its site that is elsewhere, where it is missing or altered.
    #[error("the site's file {name}, which the recording needs: {problem}")]
    SiteFile { name: String, problem: String },
}

impl JournalError {
    fn io(path: &Path, source: std::io::Error) -> JournalError {
        let path = path.into();
        JournalError::Io { path, source }
    }
}

#[cfg(test)]
mod tests;
