//! Recorder and Writer: recording while sessions run.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::code::{push_bytes, push_signed, push_varint};
use super::{Header, Output, RawEvent, RawPiece};
use crate::core::download::Demand;
use crate::core::event::Turn;
use crate::core::id::ConnectionId;

/// Length, sequence and two checksums.
pub(super) const RECORD_HEAD: usize = 4 + 8 + 4 + 4;

/// Bit of a record's first byte: a new turn begins, its time follows.
pub(super) const BEGINS_TURN: u8 = 0x80;

/// Room that a writer keeps between turns; what a big answer took beyond it is given back.
const KEPT_BYTES: usize = 4 << 10;

/// The directory of `--record DIR`: a file for each session that begins.
#[derive(Clone, Debug)]
pub struct Recorder {
    dir: PathBuf,
}

impl Recorder {
    /// Records into `dir`, which is made (for its owner only) if it is missing.
    ///
    /// # Errors
    /// When it cannot be made or is no directory.
    pub fn new(dir: &Path) -> io::Result<Recorder> {
        if !dir.is_dir() {
            DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        }
        Ok(Recorder { dir: dir.into() })
    }

    /// Where the session with this SID is recorded. A SID is hexadecimal, as the server vends them.
    pub fn path(&self, sid: &str) -> PathBuf {
        self.dir.join(format!("{sid}.lnt"))
    }
}

/// Records one session. An event is followed by its outputs; [`Writer::commit`] writes what the
/// turn brought and must come before any of the turn's frames goes out.
///
/// After an I/O error the writer is off: everything it is told is dropped and the session goes on.
#[derive(Debug)]
pub struct Writer {
    /// `None`: an I/O error switched recording off.
    pub(super) file: Option<File>,
    /// Records of this turn. The last one is open: its head is filled in by `finish_record`.
    pub(super) buffer: Vec<u8>,
    open_at: Option<usize>,
    sequence: u64,
    turn: Turn,
    in_turn: bool,
    connections: Vec<(ConnectionId, u64)>,
    last_connection: u64,
}

impl Writer {
    /// Makes the file at `path`, readable for its owner only, and writes the header.
    ///
    /// # Errors
    /// When the file exists already or cannot be written.
    pub fn create(path: &Path, header: &Header) -> io::Result<Writer> {
        let mut file = OpenOptions::new()
            .append(true)
            .create_new(true)
            .mode(0o600)
            .open(path)?;
        let mut bytes = Vec::new();
        header.push(&mut bytes);
        file.write_all(&bytes)?;
        Ok(Writer {
            file: Some(file),
            buffer: Vec::new(),
            open_at: None,
            sequence: 0,
            turn: Turn::default(),
            in_turn: false,
            connections: Vec::new(),
            last_connection: 0,
        })
    }

    /// Whether it still records.
    pub fn is_on(&self) -> bool {
        self.file.is_some()
    }

    /// Begins the record of an event that is handled at `turn`.
    pub fn event(&mut self, turn: Turn, event: &RawEvent<'_>) {
        if self.file.is_none() {
            return;
        }
        self.finish_record();
        self.open_at = Some(self.buffer.len());
        self.buffer.extend_from_slice(&[0; RECORD_HEAD]);
        let kind_at = self.buffer.len();
        self.buffer.push(0);
        let begins = !self.in_turn || turn != self.turn;
        if begins {
            let now = turn.now.wrapping_sub(self.turn.now) as i64;
            push_signed(&mut self.buffer, now);
            push_signed(&mut self.buffer, turn.wall.wrapping_sub(self.turn.wall));
            self.turn = turn;
            self.in_turn = true;
        }
        let kind = self.push_event(event);
        self.buffer[kind_at] = if begins { kind | BEGINS_TURN } else { kind };
    }

    fn push_event(&mut self, event: &RawEvent<'_>) -> u8 {
        match *event {
            RawEvent::SessionOpened(opening) => {
                self.buffer.extend_from_slice(&opening.seed.to_le_bytes());
                for text in [
                    opening.url,
                    opening.address,
                    opening.locale,
                    opening.timezone,
                ] {
                    push_bytes(&mut self.buffer, text.as_bytes());
                }
                1
            }
            RawEvent::FrontendJoined { connection } => {
                self.push_connection(connection);
                2
            }
            RawEvent::FrontendLeft { connection } => {
                self.push_connection(connection);
                self.connections.retain(|&(id, _)| id != connection);
                3
            }
            RawEvent::Frame { connection, text } => {
                self.push_connection(connection);
                push_bytes(&mut self.buffer, text.as_bytes());
                4
            }
            RawEvent::TimersDue => 5,
            RawEvent::MessagePublished { topic, value, only } => {
                push_bytes(&mut self.buffer, topic.as_bytes());
                push_bytes(&mut self.buffer, value.as_bytes());
                push_varint(&mut self.buffer, only.unwrap_or(0));
                8
            }
            RawEvent::Download { token, demand } => {
                self.buffer.extend_from_slice(&token.to_le_bytes());
                push_varint(&mut self.buffer, u64::from(demand == Demand::Dropped));
                9
            }
            RawEvent::Upload { upload, news } => {
                push_varint(&mut self.buffer, upload);
                news.push(&mut self.buffer);
                10
            }
            RawEvent::Process { process, news } => {
                push_varint(&mut self.buffer, process);
                news.push(&mut self.buffer);
                7
            }
            RawEvent::SiteChanged { edits } => {
                push_bytes(&mut self.buffer, edits);
                6
            }
        }
    }

    /// Adds something that the event last begun made the session do.
    pub fn output(&mut self, output: &Output<'_>) {
        if self.open_at.is_none() {
            return;
        }
        match *output {
            Output::Frame { connection, text } => {
                self.buffer.push(1);
                self.push_connection(connection);
                push_bytes(&mut self.buffer, text);
            }
            Output::Close {
                connection,
                code,
                reason,
            } => {
                self.buffer.push(2);
                self.push_connection(connection);
                push_varint(&mut self.buffer, u64::from(code));
                push_bytes(&mut self.buffer, reason.as_bytes());
            }
            Output::SessionFailed { description } => {
                self.buffer.push(3);
                push_bytes(&mut self.buffer, description.as_bytes());
            }
            Output::SessionEnded => self.buffer.push(4),
            Output::HostCalled { call, answer } => {
                self.buffer.push(5);
                push_bytes(&mut self.buffer, call.as_bytes());
                answer.push(&mut self.buffer);
            }
            Output::Process { process, action } => {
                self.buffer.push(6);
                push_varint(&mut self.buffer, process);
                push_bytes(&mut self.buffer, action.as_bytes());
            }
            Output::Upload { upload, action } => {
                self.buffer.push(9);
                push_varint(&mut self.buffer, upload);
                push_bytes(&mut self.buffer, action.as_bytes());
            }
            Output::Published {
                topic,
                value,
                retain,
            } => {
                self.buffer.push(7);
                push_bytes(&mut self.buffer, topic.as_bytes());
                push_bytes(&mut self.buffer, value.as_bytes());
                push_varint(&mut self.buffer, u64::from(retain));
            }
            Output::Saved { data } => {
                self.buffer.push(10);
                push_bytes(&mut self.buffer, data.as_bytes());
            }
            Output::Download { token, piece } => {
                self.buffer.push(8);
                self.buffer.extend_from_slice(&token.to_le_bytes());
                self.push_piece(&piece);
            }
        }
    }

    fn push_piece(&mut self, piece: &RawPiece<'_>) {
        match *piece {
            RawPiece::Begin { name, mime } => {
                self.buffer.push(0);
                push_bytes(&mut self.buffer, name.as_bytes());
                push_bytes(&mut self.buffer, mime.as_bytes());
            }
            RawPiece::Data(data) => {
                self.buffer.push(1);
                push_bytes(&mut self.buffer, data);
            }
            RawPiece::End => self.buffer.push(2),
            RawPiece::Failed(reason) => {
                self.buffer.push(3);
                push_bytes(&mut self.buffer, reason.as_bytes());
            }
        }
    }

    /// Writes the turn's records with one write and ends the turn. Does nothing when there are none.
    ///
    /// # Errors
    /// Once, when the file cannot be written: recording of this session is off from then on.
    pub fn commit(&mut self) -> io::Result<()> {
        self.finish_record();
        self.in_turn = false;
        if self.buffer.is_empty() {
            return Ok(());
        }
        let written = match &mut self.file {
            Some(file) => file.write_all(&self.buffer),
            None => Ok(()),
        };
        self.buffer.clear();
        self.buffer.shrink_to(KEPT_BYTES);
        if written.is_err() {
            self.file = None;
            self.buffer = Vec::new();
        }
        written
    }

    fn finish_record(&mut self) {
        let Some(start) = self.open_at.take() else {
            return;
        };
        self.sequence += 1;
        let payload = start + RECORD_HEAD;
        // A frame has at most a few MiB, a record a few frames for each of at most 1,024 connections;
        // gas bounds the answers of host calls in one event to about 300 MiB.
        let length = (self.buffer.len() - payload) as u32;
        let check = crc32c::crc32c(&self.buffer[payload..]);
        let head = &mut self.buffer[start..payload];
        head[..4].copy_from_slice(&length.to_le_bytes());
        head[4..12].copy_from_slice(&self.sequence.to_le_bytes());
        let head_check = crc32c::crc32c(&head[..12]);
        head[12..16].copy_from_slice(&head_check.to_le_bytes());
        head[16..].copy_from_slice(&check.to_le_bytes());
    }

    /// Appends the session's own number of a connection, vended when it is first seen.
    fn push_connection(&mut self, connection: ConnectionId) {
        let known = self.connections.iter().find(|&&(id, _)| id == connection);
        let number = match known {
            Some(&(_, number)) => number,
            None => {
                self.last_connection += 1;
                self.connections.push((connection, self.last_connection));
                self.last_connection
            }
        };
        push_varint(&mut self.buffer, number);
    }
}
