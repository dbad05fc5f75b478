//! Reader: a recording read back, checked as a whole before any of it is used.

use std::collections::VecDeque;
use std::path::Path;

use super::decode::{read_event, read_output};
use super::disk::RealDisk;
use super::edits::are_named;
use super::encode::{Digest, Numbers};
use super::header::{LookUp, RawHeader};
use super::scan::{Layout, UNREADABLE, corrupt, scan};
use super::store;
use super::ticks::{Step, TickReader};
use super::writer::{
    ANSWER_HERE, ANSWERED, BEGINS_TURN, DIGEST, DRIFTED, FRAME_DIFFERS, GOES_ON, INTENT, Progress,
    SITE_CHANGED, TICKS,
};
use super::{Header, JournalError, Mark, OLDEST_VERSION, Output, RawAnswer, RawEvent};
use crate::core::code::Decoder;
use crate::core::event::Turn;
use crate::core::id::ConnectionId;

/// A recording whose every record has been checked.
#[derive(Debug)]
pub struct Reader {
    format: u16,
    header: Header,
    /// What is in `file` begins here.
    start: Mark,
    file: Vec<u8>,
    first: usize,
    layout: Layout,
    end: End,
    /// The last event is there, but not all that came of it.
    interrupted: bool,
}

/// What was the case behind an event.
#[derive(Clone, Debug)]
struct End {
    turn: Turn,
    sequence: u64,
    turn_number: u64,
    /// The connections that are there, by the recording's numbers, and the last number that was vended.
    joined: Vec<ConnectionId>,
    last: u64,
}

impl End {
    fn of(mark: &Mark) -> End {
        End {
            turn: mark.turn,
            sequence: mark.sequence,
            turn_number: mark.turn_number,
            joined: mark.joined.clone(),
            last: mark.last,
        }
    }

    /// This event comes behind it.
    fn pass(&mut self, turn: Turn, sequence: u64, turn_number: u64, event: &RawEvent<'_>) {
        (self.turn, self.sequence, self.turn_number) = (turn, sequence, turn_number);
        let connection = match *event {
            RawEvent::FrontendJoined { connection } => {
                self.joined.push(connection);
                connection
            }
            RawEvent::FrontendLeft { connection } => {
                self.joined.retain(|&c| c != connection);
                connection
            }
            RawEvent::Frame { connection, .. } => connection,
            _ => return,
        };
        self.last = self.last.max(connection.count());
    }
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
    /// All, or where there is a digest of all of them those that a replay needs.
    pub outputs: Vec<Output<'a>>,
    /// `None`: the outputs are all there, if any.
    pub digest: Option<Digest>,
}

/// The last event of a file that ends while something outside was being done for it.
#[derive(Clone, Debug, PartialEq)]
pub struct Interrupted<'a> {
    pub sequence: u64,
    pub turn_number: u64,
    pub turn: Turn,
    pub event: RawEvent<'a>,
    /// Calls and their answers before that, in their order: [`Output::HostCalled`] all.
    pub answered: Vec<Output<'a>>,
    /// The line of the call that was about to be made, or was.
    pub call: &'a str,
}

impl Reader {
    /// Reads and checks the recording at `path`. The site's files are looked for in the state directory that
    /// it lies in, if it names them only.
    ///
    /// # Errors
    /// When it cannot be read, is of another format, or is damaged. A torn tail is no error.
    pub fn open(path: &Path) -> Result<Reader, JournalError> {
        let disk = RealDisk;
        let file =
            store::read_journal(&disk, path).map_err(|source| JournalError::io(path, source))?;
        Reader::resolved(file, &mut |name, sha256, bytes| {
            store::site_file_beside(&disk, path, name, sha256, bytes)
        })
    }

    /// Checks the content of a recording with its site inside.
    ///
    /// # Errors
    /// See [`Reader::open`].
    pub fn new(file: Vec<u8>) -> Result<Reader, JournalError> {
        Reader::resolved(file, &mut |name, _, _| {
            Err(JournalError::SiteFile {
                name: name.to_owned(),
                problem: "is not inside, as it would be in a recording of --record or export"
                    .into(),
            })
        })
    }

    pub(super) fn resolved(
        file: Vec<u8>,
        look_up: &mut LookUp<'_>,
    ) -> Result<Reader, JournalError> {
        let raw = RawHeader::read(&file)?;
        let header = raw.resolve(look_up)?;
        Reader::with_header(file, &raw, header, look_up)
    }

    pub(super) fn with_header(
        file: Vec<u8>,
        raw: &RawHeader,
        header: Header,
        look_up: &mut LookUp<'_>,
    ) -> Result<Reader, JournalError> {
        let layout = scan(&file, raw.format, raw.end, raw.check, look_up)?;
        Reader {
            format: raw.format,
            header,
            start: Mark::default(),
            file,
            first: raw.end,
            layout,
            end: End::of(&Mark::default()),
            interrupted: false,
        }
        .checked()
    }

    /// What stands in a recording behind a mark: `rest` is the file from there on.
    pub(super) fn behind(
        mark: &Mark,
        rest: Vec<u8>,
        raw: &RawHeader,
        header: Header,
        look_up: &mut LookUp<'_>,
    ) -> Result<Reader, JournalError> {
        let layout = scan(&rest, raw.format, 0, mark.check, look_up)?;
        Reader {
            format: raw.format,
            header,
            start: mark.clone(),
            file: rest,
            first: 0,
            layout,
            end: End::of(mark),
            interrupted: false,
        }
        .checked()
    }

    fn checked(self) -> Result<Reader, JournalError> {
        let mut reader = self;
        let mut end = reader.end.clone();
        let mut records = reader.records();
        while let Some(record) = records.read() {
            let record = record?;
            end.pass(
                record.turn,
                record.sequence,
                record.turn_number,
                &record.event,
            );
        }
        reader.interrupted = records.interrupted.is_some();
        reader.end = end;
        Ok(reader)
    }

    /// The version of the file's format.
    pub fn format(&self) -> u16 {
        self.format
    }

    /// What stands before the first event.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// These paths are secret, too.
    pub fn keep_secret(&mut self, paths: &[String]) {
        let known = &mut self.header.secret;
        for path in paths {
            if !known.contains(path) {
                known.push(path.clone());
            }
        }
    }

    /// No event may use more gas than this. Returns what it could use.
    pub fn bound_gas(&mut self, gas: u64) -> u64 {
        let limit = &mut self.header.limits.gas;
        std::mem::replace(limit, gas.min(*limit))
    }

    /// Where the first record begins.
    pub fn header_bytes(&self) -> usize {
        self.first
    }

    /// Bytes of an unfinished record at the end that were left aside; 0: the file is whole.
    pub fn torn_bytes(&self) -> usize {
        self.file.len() - self.layout.end
    }

    /// Where the last whole record ends: what a file with a torn tail is cut to.
    pub fn whole_bytes(&self) -> usize {
        self.start.offset as usize + self.layout.end
    }

    /// Where it begins: a recording that is read as a whole, at the default.
    pub fn start(&self) -> &Mark {
        &self.start
    }

    /// Whether it has the recording from its beginning.
    pub fn is_whole(&self) -> bool {
        self.start.offset == 0
    }

    /// The time of the last event.
    pub fn last_turn(&self) -> Turn {
        self.end.turn
    }

    /// How many events [`Reader::records`] tells of.
    pub fn events(&self) -> u64 {
        self.end.sequence - self.start.sequence
    }

    /// All records in order; without the event that was [`Reader::interrupted`].
    pub fn records(&self) -> Records<'_> {
        Records {
            format: self.format,
            file: &self.file,
            layout: &self.layout,
            place: 0,
            rebuilt: 0,
            ticks: None,
            ticks_read: 0,
            sequence: self.start.sequence,
            turn_number: self.start.turn_number,
            turn: self.start.turn,
            interrupted: None,
        }
    }

    /// The event behind [`Reader::records`] that the file does not tell the end of.
    pub fn interrupted(&self) -> Option<Interrupted<'_>> {
        if !self.interrupted {
            return None;
        }
        let mut records = self.records();
        while records.next().is_some() {}
        records.interrupted
    }

    /// The connections that are there at the end, by the recording's numbers.
    pub fn joined(&self) -> Vec<ConnectionId> {
        self.very_end(self.interrupted().as_ref()).joined
    }

    fn very_end(&self, interrupted: Option<&Interrupted<'_>>) -> End {
        let mut end = self.end.clone();
        if let Some(open) = interrupted {
            end.pass(open.turn, open.sequence, open.turn_number, &open.event);
        }
        end
    }

    /// What a writer has to know that goes on behind the last whole record. `live` tells how the connections
    /// that are still there are called from now on.
    pub(super) fn progress(&self, live: impl Fn(ConnectionId) -> ConnectionId) -> Progress {
        let interrupted = self.interrupted();
        let end = self.very_end(interrupted.as_ref());
        let joined = end.joined.iter().map(|&c| (live(c), c.0));
        Progress {
            turn: end.turn,
            sequence: end.sequence,
            turn_number: end.turn_number,
            check: self.layout.check,
            bytes: self.whole_bytes() as u64,
            numbers: Numbers::resumed(joined.collect(), end.last),
            answered: interrupted.map(|i| i.answered.len()),
        }
    }

    /// The records behind a place in this recording.
    pub fn records_from(&self, place: Place) -> Records<'_> {
        let mut records = Records {
            place: place.payloads,
            rebuilt: place.rebuilt,
            sequence: place.sequence,
            turn_number: place.turn_number,
            turn: place.turn,
            ..self.records()
        };
        if place.ticks > 0 {
            // They were read before, so they can be read.
            let last = place.payloads.checked_sub(1);
            let payload = last.and_then(|last| self.layout.payloads.get(last));
            let mut from = Decoder::new(payload.map_or(&[], |span| span.of(&self.file)));
            let count = from.byte().and_then(|_| from.varint()).unwrap_or(0);
            let mut ticks = TickReader::new(count, from.rest());
            for _ in 0..place.ticks {
                ticks.next();
            }
            records.ticks = Some(ticks);
            records.ticks_read = place.ticks;
        }
        records
    }

    /// Bytes of the file before a place.
    pub fn bytes_before(&self, place: Place) -> usize {
        let next = self.layout.payloads.get(place.payloads);
        next.map_or(self.layout.end, |span| span.at)
    }
}

/// A place between two records, to come back to.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    payloads: usize,
    rebuilt: usize,
    /// Of the payload before it, if that is of ticks.
    ticks: u64,
    sequence: u64,
    turn_number: u64,
    turn: Turn,
}

/// The records of a [`Reader`].
#[derive(Debug)]
pub struct Records<'a> {
    format: u16,
    file: &'a [u8],
    layout: &'a Layout,
    /// How many payloads, and how many rebuilt frames, were read.
    place: usize,
    rebuilt: usize,
    ticks: Option<TickReader<'a>>,
    ticks_read: u64,
    sequence: u64,
    turn_number: u64,
    turn: Turn,
    interrupted: Option<Interrupted<'a>>,
}

impl Records<'_> {
    /// Behind the record that came last.
    pub fn place(&self) -> Place {
        Place {
            payloads: self.place,
            rebuilt: self.rebuilt,
            ticks: match self.ticks {
                Some(_) => self.ticks_read,
                None => 0,
            },
            sequence: self.sequence,
            turn_number: self.turn_number,
            turn: self.turn,
        }
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Record<'a>;

    fn next(&mut self) -> Option<Record<'a>> {
        // They were all read once when the reader was made, so none fails now.
        self.read()?.ok()
    }
}

/// What stands behind an event, perhaps in several records.
#[derive(Default)]
struct Outcome<'a> {
    outputs: Vec<Output<'a>>,
    /// Answers told of before their outputs.
    answered: VecDeque<Output<'a>>,
    digest: Option<Digest>,
    intent: Option<&'a str>,
}

impl<'a> Records<'a> {
    fn read(&mut self) -> Option<Result<Record<'a>, JournalError>> {
        loop {
            if let Some(tick) = self.next_tick() {
                return Some(Ok(tick));
            }
            let payload = *self.layout.payloads.get(self.place)?;
            self.place += 1;
            let bytes = payload.of(self.file);
            let read = if self.format == OLDEST_VERSION {
                self.read_old(bytes).map(Some)
            } else {
                self.read_payload(bytes)
            };
            match read {
                Some(Some(record)) => return Some(Ok(record)),
                Some(None) if self.interrupted.is_some() => return None,
                Some(None) => {}
                None => return Some(Err(corrupt(payload.at, UNREADABLE))),
            }
        }
    }

    fn next_tick(&mut self) -> Option<Record<'a>> {
        let ticks = self.ticks.as_mut()?;
        let Some(step) = ticks.next() else {
            self.ticks = None;
            return None;
        };
        self.ticks_read += 1;
        self.begin_turn(step.after(self.turn));
        Some(self.record(RawEvent::TimersDue, Vec::new(), None))
    }

    fn begin_turn(&mut self, turn: Turn) {
        self.turn_number += 1;
        self.sequence += 1;
        self.turn = turn;
    }

    fn record(
        &self,
        event: RawEvent<'a>,
        outputs: Vec<Output<'a>>,
        digest: Option<Digest>,
    ) -> Record<'a> {
        Record {
            sequence: self.sequence,
            turn_number: self.turn_number,
            turn: self.turn,
            event,
            outputs,
            digest,
        }
    }

    fn read_old(&mut self, payload: &'a [u8]) -> Option<Record<'a>> {
        let mut from = Decoder::new(payload);
        let kind = from.byte()?;
        self.sequence += 1;
        if kind & BEGINS_TURN != 0 {
            self.turn_number += 1;
            self.turn.now = self.turn.now.wrapping_add(from.signed()? as u64);
            self.turn.wall = self.turn.wall.wrapping_add(from.signed()?);
        }
        let event = read_event(kind & !BEGINS_TURN, true, &mut from)?;
        let mut outputs = Vec::new();
        while !from.is_empty() {
            outputs.push(read_output(from.byte()?, &mut from)?);
        }
        Some(self.record(event, outputs, None))
    }

    /// `Some(None)`: ticks follow, or the event was interrupted.
    fn read_payload(&mut self, payload: &'a [u8]) -> Option<Option<Record<'a>>> {
        let mut from = Decoder::new(payload);
        let flags = from.byte()?;
        let kind = flags & !(BEGINS_TURN | DRIFTED);
        if kind == TICKS {
            let count = from.varint()?;
            let ticks = TickReader::new(count, from.rest());
            let mut probe = ticks.clone();
            while probe.next().is_some() {}
            self.ticks = Some(ticks);
            self.ticks_read = 0;
            return (flags == TICKS && probe.is_done()).then_some(None);
        }
        if flags & BEGINS_TURN != 0 {
            let now = from.signed()?;
            let drift = match flags & DRIFTED {
                0 => 0,
                _ => from.signed()?,
            };
            self.begin_turn(Step { now, drift }.after(self.turn));
        } else {
            self.sequence += 1;
        }
        let event = match kind {
            FRAME_DIFFERS => self.read_difference(&mut from)?,
            SITE_CHANGED => self.read_edits(&mut from)?,
            kind => read_event(kind, false, &mut from)?,
        };
        let mut outcome = Outcome::default();
        outcome.read(&mut from)?;
        while let Some(call) = outcome.intent.take() {
            let Some(span) = self.layout.payloads.get(self.place) else {
                self.interrupted = Some(Interrupted {
                    sequence: self.sequence,
                    turn_number: self.turn_number,
                    turn: self.turn,
                    event,
                    answered: outcome.answered.into(),
                    call,
                });
                return Some(None);
            };
            self.place += 1;
            let mut from = Decoder::new(span.of(self.file));
            if from.byte()? != GOES_ON {
                return None;
            }
            outcome.read(&mut from)?;
        }
        outcome.outputs.extend(outcome.answered);
        Some(Some(self.record(event, outcome.outputs, outcome.digest)))
    }

    fn read_difference(&mut self, from: &mut Decoder<'a>) -> Option<RawEvent<'a>> {
        let connection = ConnectionId(from.varint()?);
        let _ = (from.varint()?, from.varint()?, from.bytes()?);
        let text = std::str::from_utf8(self.next_rebuilt()?).ok()?;
        Some(RawEvent::Frame { connection, text })
    }

    fn read_edits(&mut self, from: &mut Decoder<'a>) -> Option<RawEvent<'a>> {
        let edits = from.bytes()?;
        let edits = match are_named(edits)? {
            false => edits,
            true => self.next_rebuilt()?,
        };
        Some(RawEvent::SiteChanged { edits })
    }

    fn next_rebuilt(&mut self) -> Option<&'a [u8]> {
        let span = self.layout.rebuilt.get(self.rebuilt)?;
        self.rebuilt += 1;
        Some(span.of(&self.layout.texts))
    }
}

impl<'a> Outcome<'a> {
    /// Reads what stands up to the end of a payload.
    fn read(&mut self, from: &mut Decoder<'a>) -> Option<()> {
        while !from.is_empty() {
            if self.intent.is_some() || self.digest.is_some() {
                return None;
            }
            match from.byte()? {
                ANSWERED => self.answered.push_back(Output::HostCalled {
                    call: from.text()?,
                    answer: RawAnswer::read(from)?,
                }),
                INTENT => self.intent = Some(from.text()?),
                ANSWER_HERE => self.outputs.push(self.answered.pop_front()?),
                kind if kind & DIGEST != 0 => {
                    let count = match kind & !DIGEST {
                        0x7f => from.varint()?,
                        count => u64::from(count),
                    };
                    let check = from.u32()?;
                    self.digest = Some(Digest { count, check });
                }
                kind => self.outputs.push(read_output(kind, from)?),
            }
        }
        Some(())
    }
}
