//! Recorder and Writer: recording while sessions run.

use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use thiserror::Error;

use super::disk::{Disk, RealDisk};
use super::encode::{Digest, Numbers, push_event, push_output};
use super::files::{File, Files};
use super::frames::Recent;
use super::ticks::{Step, Ticks};
use super::{Detail, Header, Mark, Output, RawAnswer, RawEvent};
use crate::core::code::{push_bytes, push_signed, push_varint};
use crate::core::event::Turn;
use crate::core::id::Timestamp;

/// Bits of a record's first byte: a new turn begins, its time follows; the wall clock drifted.
pub(super) const BEGINS_TURN: u8 = 0x80;
pub(super) const DRIFTED: u8 = 0x40;
/// Kinds of records besides events.
pub(super) const GOES_ON: u8 = 0;
pub(super) const OPENED: u8 = 1;
pub(super) const SITE_CHANGED: u8 = 6;
pub(super) const FRAME_DIFFERS: u8 = 11;
pub(super) const TICKS: u8 = 12;
pub(super) const OPENED_BY: u8 = 13;
/// Things that stand among outputs.
pub(super) const ANSWERED: u8 = 10;
pub(super) const INTENT: u8 = 11;
pub(super) const ANSWER_HERE: u8 = 12;
pub(super) const SAVED: u8 = 13;
pub(super) const DIGEST: u8 = 0x80;

/// Room that a writer keeps between turns; what a big answer took beyond it is given back.
const KEPT_BYTES: usize = 1 << 10;
/// What may wait to be written under [`Durability::None`].
const WAITING_BYTES: usize = 64 << 10;
/// What ticks may take that wait for something to be written with: hours of them.
const TICKS_BYTES: usize = 2 << 10;

/// What a record survives, once its turn is committed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// Nothing for sure: records wait for each other.
    None,
    /// The end of the process, however sudden: a copy a turn into memory that outlives it, or a write where
    /// the file system has no such memory.
    #[default]
    Process,
    /// A power cut: the caller calls [`Writer::sync`] after the commit.
    Power,
}

/// What a writer may use, and when it writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    pub durability: Durability,
    /// Bytes of one session's journal, which stops when it has more.
    pub max_session: u64,
    /// How long records may wait under [`Durability::None`], ms.
    pub flush_ms: u64,
}

impl Default for Policy {
    fn default() -> Policy {
        Policy {
            durability: Durability::Process,
            max_session: u64::MAX,
            flush_ms: 1000,
        }
    }
}

/// Why a session is not recorded any more. What was recorded is a prefix of what happened.
#[derive(Debug, Error)]
pub enum Stopped {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("its journal has {bytes} bytes, more than one session may take")]
    SessionFull { bytes: u64 },
    #[error("there is too little room for the journals of all sessions, and its was the largest")]
    GivenUp,
}

/// The directory of `--record DIR`: a file for each session that begins.
#[derive(Clone, Debug)]
pub struct Recorder {
    dir: PathBuf,
    files: Rc<Files>,
}

impl Recorder {
    /// Records into `dir`, which is made (for its owner only) if it is missing.
    ///
    /// # Errors
    /// When it cannot be made or is no directory.
    pub fn new(dir: &Path) -> io::Result<Recorder> {
        let disk = Rc::new(RealDisk);
        if !dir.is_dir() {
            disk.make_dir(dir)?;
        }
        let files = Rc::new(Files::new(disk));
        Ok(Recorder {
            dir: dir.into(),
            files,
        })
    }

    /// Where the session with this SID is recorded. A SID is hexadecimal, as the server vends them.
    pub fn path(&self, sid: &str) -> PathBuf {
        self.dir.join(format!("{sid}.lnt"))
    }

    /// Begins the recording of a session, with all that its header says inside.
    ///
    /// # Errors
    /// When the file exists already or cannot be written.
    pub fn begin(&self, header: &Header) -> io::Result<Writer> {
        let (bytes, check) = header.encode();
        let file = self.files.create(&self.path(&header.sid))?;
        Writer::begin(file, &bytes, check, header.detail, Policy::default())
    }
}

/// Records one session. An event is followed by its outputs; [`Writer::commit`] writes what the
/// turn brought and must come before any of the turn's frames goes out.
///
/// After an I/O error, or when there is no room, the writer is off: everything it is told is dropped and
/// the session goes on.
#[derive(Debug)]
pub struct Writer {
    /// `None`: recording is off.
    pub(super) file: Option<File>,
    policy: Policy,
    detail: Detail,
    /// Whole records that are not written yet, since when, and bytes that are.
    pub(super) buffer: Vec<u8>,
    waits_since: Option<Timestamp>,
    written: u64,
    /// The checksum of all records up to here.
    check: u32,
    turn: Turn,
    sequence: u64,
    turn_number: u64,
    in_turn: bool,
    /// The event that was told last, as far as it is known.
    open: Open,
    ticks: Ticks,
    numbers: Numbers,
    recent: Recent,
    /// What is known of the last event's outputs when they are not kept.
    digest: Digest,
}

/// A record that is being made.
#[derive(Debug, Default)]
struct Open {
    /// Nothing: there is none.
    payload: Vec<u8>,
    /// It is a tick, if nothing comes of it.
    tick: Option<Step>,
    /// Answers that were told when they were given; they come again as outputs.
    answered: usize,
}

/// How far the last event of a journal got, for a writer that goes on with it.
#[derive(Debug, Default)]
pub(super) struct Progress {
    pub turn: Turn,
    pub sequence: u64,
    pub turn_number: u64,
    pub check: u32,
    pub bytes: u64,
    pub numbers: Numbers,
    /// Answers of the last event, when an intent stands behind it that nothing came of.
    pub answered: Option<usize>,
}

impl Writer {
    /// Makes the file at `path`, readable for its owner only, and writes the header.
    ///
    /// # Errors
    /// When the file exists already or cannot be written.
    pub fn create(path: &Path, header: &Header) -> io::Result<Writer> {
        let (bytes, check) = header.encode();
        let file = Rc::new(Files::new(Rc::new(RealDisk))).create(path)?;
        Writer::begin(file, &bytes, check, header.detail, Policy::default())
    }

    /// Writes the header of a file that was just made.
    pub(super) fn begin(
        file: File,
        header: &[u8],
        check: u32,
        detail: Detail,
        policy: Policy,
    ) -> io::Result<Writer> {
        file.write_through(header)?;
        let progress = Progress {
            check,
            bytes: header.len() as u64,
            ..Progress::default()
        };
        Ok(Writer::resume(file, progress, detail, policy))
    }

    /// Goes on behind what is in the file.
    pub(super) fn resume(file: File, progress: Progress, detail: Detail, policy: Policy) -> Writer {
        let mut open = Open::default();
        if let Some(answered) = progress.answered {
            open.payload.push(GOES_ON);
            open.answered = answered;
        }
        Writer {
            file: Some(file),
            policy,
            detail,
            buffer: Vec::new(),
            waits_since: None,
            written: progress.bytes,
            check: progress.check,
            turn: progress.turn,
            sequence: progress.sequence,
            turn_number: progress.turn_number,
            in_turn: false,
            open,
            ticks: Ticks::default(),
            numbers: progress.numbers,
            recent: Recent::default(),
            digest: Digest::default(),
        }
    }

    /// Whether it still records.
    pub fn is_on(&self) -> bool {
        self.file.is_some()
    }

    /// Bytes in the file, or on their way there.
    pub fn bytes(&self) -> u64 {
        self.written
    }

    /// Begins the record of an event that is handled at `turn`.
    pub fn event(&mut self, turn: Turn, event: &RawEvent<'_>) {
        if self.file.is_none() {
            return;
        }
        self.finish_record(true);
        let begins = !self.in_turn || turn != self.turn;
        self.sequence += 1;
        self.turn_number += u64::from(begins);
        let step = Step::between(self.turn, turn);
        let payload = &mut self.open.payload;
        payload.push(0);
        let mut flags = 0;
        if begins {
            flags |= BEGINS_TURN;
            push_signed(payload, step.now);
            if step.drift != 0 {
                flags |= DRIFTED;
                push_signed(payload, step.drift);
            }
            self.turn = turn;
            self.in_turn = true;
        }
        if let RawEvent::FrontendLeft { connection } = *event {
            self.recent.forget(self.numbers.of(connection));
        }
        let mut kind = push_event(event, &mut self.numbers, payload);
        match *event {
            RawEvent::Frame { connection, text } => {
                let number = self.numbers.of(connection);
                if self.recent.push(number, text.as_bytes(), payload) {
                    kind = FRAME_DIFFERS;
                }
            }
            RawEvent::TimersDue if begins => self.open.tick = Some(step),
            _ => {}
        }
        payload[0] = kind | flags;
    }

    /// Adds something that the event last begun made the session do.
    pub fn output(&mut self, output: &Output<'_>) {
        let open = &mut self.open;
        if open.payload.is_empty() {
            return;
        }
        open.tick = None;
        let number = |connection| self.numbers.of(connection);
        let digested = self.detail == Detail::Digest;
        if digested {
            self.digest.add_numbered(output, number);
        }
        let number = |connection| self.numbers.of(connection);
        match output {
            Output::HostCalled { .. } if open.answered > 0 => {
                open.answered -= 1;
                if !digested {
                    open.payload.push(ANSWER_HERE);
                }
            }
            output if digested && !output.is_kept() => {}
            output => push_output(output, number, &mut open.payload),
        }
    }

    /// The outputs of the event last begun have this digest: when only that is known of them.
    pub fn set_digest(&mut self, digest: Digest) {
        self.digest = digest;
    }

    /// Something outside is about to be changed on behalf of the event last begun. Writes that, and all that
    /// led to it, at once: it must not be done before this has returned.
    ///
    /// # Errors
    /// As for [`Writer::commit`], and under [`Durability::Power`] as for [`Writer::sync`].
    pub fn intent(&mut self, call: &str) -> Result<(), Stopped> {
        if self.open.payload.is_empty() {
            return Ok(());
        }
        self.open.tick = None;
        self.open.payload.push(INTENT);
        push_bytes(&mut self.open.payload, call.as_bytes());
        let answered = self.open.answered;
        self.finish_record(false);
        self.open.payload.push(GOES_ON);
        self.open.answered = answered;
        self.write()?;
        match self.policy.durability {
            Durability::Power => self.sync(),
            Durability::None | Durability::Process => Ok(()),
        }
    }

    /// A call of the event last begun was answered. Told of one, it must be told of all of the event, in
    /// their order; they come again as outputs.
    pub fn answer(&mut self, call: &str, answer: &RawAnswer<'_>) {
        let open = &mut self.open;
        if open.payload.is_empty() {
            return;
        }
        open.tick = None;
        open.payload.push(ANSWERED);
        push_bytes(&mut open.payload, call.as_bytes());
        answer.push(&mut open.payload);
        open.answered += 1;
    }

    /// Ends the turn and writes its records with one write, or has them wait for more under
    /// [`Durability::None`]. Does nothing when there are none.
    ///
    /// # Errors
    /// Once, when the file cannot be written or has no room: recording of this session is off from then on.
    pub fn commit(&mut self) -> Result<(), Stopped> {
        self.finish_record(true);
        self.in_turn = false;
        if self.ticks.len() >= TICKS_BYTES {
            self.push_ticks();
        }
        if self.buffer.is_empty() {
            return Ok(());
        }
        if self.policy.durability == Durability::None {
            let since = *self.waits_since.get_or_insert(self.turn.now);
            let waited = self.turn.now.saturating_sub(since);
            if self.buffer.len() < WAITING_BYTES && waited < self.policy.flush_ms {
                return Ok(());
            }
        }
        self.write()
    }

    /// When [`Writer::flush`] shall be called, should nothing happen before.
    pub fn flush_due(&self) -> Option<Timestamp> {
        self.waits_since
            .map(|since| since.saturating_add(self.policy.flush_ms))
    }

    /// Writes all that waits, ticks included: before the session sleeps or the server ends.
    ///
    /// # Errors
    /// As for [`Writer::commit`].
    pub fn flush(&mut self) -> Result<(), Stopped> {
        self.finish_record(true);
        self.in_turn = false;
        self.push_ticks();
        self.write()?;
        self.act(File::settle)
    }

    /// Asks whether what was written before could be kept: see [`super::Store::take_failed`].
    ///
    /// # Errors
    /// As for [`Writer::commit`].
    pub fn check(&mut self) -> Result<(), Stopped> {
        self.act(File::check)
    }

    fn act(&mut self, act: impl FnOnce(&File) -> io::Result<()>) -> Result<(), Stopped> {
        let done = self.file.as_ref().map_or(Ok(()), act);
        done.map_err(|error| self.stop(error.into()))
    }

    /// Writes all that waits and names the place behind it. `None`: recording is off.
    ///
    /// # Errors
    /// As for [`Writer::commit`].
    pub fn mark(&mut self) -> Result<Option<Mark>, Stopped> {
        self.flush()?;
        if self.file.is_none() {
            return Ok(None);
        }
        // The next frames stand there whole: who reads on from here has none before them.
        self.recent = Recent::default();
        let (joined, last) = self.numbers.mark();
        Ok(Some(Mark {
            offset: self.written,
            check: self.check,
            sequence: self.sequence,
            turn_number: self.turn_number,
            turn: self.turn,
            joined,
            last,
        }))
    }

    /// How many events were recorded.
    pub fn events(&self) -> u64 {
        self.sequence
    }

    /// Waits until all that was committed would survive a power cut.
    ///
    /// # Errors
    /// Once, when the disk says no: nobody knows then what it has, so recording is off from then on.
    pub fn sync(&mut self) -> Result<(), Stopped> {
        self.act(File::sync)
    }

    fn write(&mut self) -> Result<(), Stopped> {
        self.waits_since = None;
        let Some(file) = &self.file else {
            return Ok(());
        };
        if self.buffer.is_empty() {
            return Ok(());
        }
        let written = file.write(&self.buffer);
        self.written += self.buffer.len() as u64;
        self.buffer.clear();
        self.buffer.shrink_to(KEPT_BYTES);
        let bytes = self.written;
        if let Err(error) = written {
            return Err(self.stop(error.into()));
        }
        if bytes > self.policy.max_session {
            return Err(self.stop(Stopped::SessionFull { bytes }));
        }
        Ok(())
    }

    /// Its file is gone, to make room for others: recording is off from now on.
    pub fn give_up(&mut self) -> Stopped {
        self.stop(Stopped::GivenUp)
    }

    fn stop(&mut self, why: Stopped) -> Stopped {
        self.file = None;
        self.buffer = Vec::new();
        self.open = Open::default();
        self.ticks = Ticks::default();
        self.recent = Recent::default();
        self.digest = Digest::default();
        why
    }

    /// Ends the record that is being made; `whole`: its event has led to all it will.
    fn finish_record(&mut self, whole: bool) {
        if self.open.payload.is_empty() {
            return;
        }
        if let Some(step) = self.open.tick.take() {
            self.open.payload.clear();
            self.ticks.push(step);
            return;
        }
        self.push_ticks();
        let payload = &mut self.open.payload;
        if whole && self.digest.count > 0 {
            push_digest(std::mem::take(&mut self.digest), payload);
        }
        push_record(payload, &mut self.check, &mut self.buffer);
        payload.clear();
        payload.shrink_to(KEPT_BYTES);
        self.open.answered = 0;
    }

    fn push_ticks(&mut self) {
        if self.ticks.is_empty() {
            return;
        }
        let (count, bytes) = self.ticks.take();
        let mut payload = vec![TICKS];
        push_varint(&mut payload, count);
        payload.extend_from_slice(&bytes);
        push_record(&payload, &mut self.check, &mut self.buffer);
    }
}

fn push_digest(digest: Digest, payload: &mut Vec<u8>) {
    let Digest { count, check } = digest;
    match u8::try_from(count) {
        Ok(count) if count < 0x7f => payload.push(DIGEST | count),
        _ => {
            payload.push(0xff);
            push_varint(payload, count);
        }
    }
    payload.extend_from_slice(&check.to_le_bytes());
}

/// The head's own checksum, which tells a flipped bit in a length from a file that ends early.
pub(super) fn head_check(length: &[u8]) -> [u8; 2] {
    let [low, high, ..] = crc32c::crc32c(length).to_le_bytes();
    [low, high]
}

/// Appends a record to `out`; `check` goes from the one before to this one's.
fn push_record(payload: &[u8], check: &mut u32, out: &mut Vec<u8>) {
    let start = out.len();
    // A frame has at most a few MiB, a record a few frames for each of at most 1,024 connections;
    // gas bounds the answers of host calls in one event to about 300 MiB.
    push_varint(out, payload.len() as u64);
    let length = &out[start..];
    let head = head_check(length);
    *check = crc32c::crc32c_append(*check, length);
    *check = crc32c::crc32c_append(*check, payload);
    out.extend_from_slice(&head);
    out.extend_from_slice(&check.to_le_bytes());
    out.extend_from_slice(payload);
}
