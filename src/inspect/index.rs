//! Index: what the first run of a recording leaves behind, so that most questions need no other one: a line
//! for each turn, and for each variable what it showed and since when.
//!
//! After each turn every variable is looked at, and only what differs is kept. Long values are cut; past
//! [`BYTES_MAX`] the index is full.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::run::Run;
use crate::core::event::Turn;
use crate::core::id::{ConnectionId, VarId, WireId};
use crate::core::property::Properties;
use crate::core::script::ErrorCode;
use crate::core::variable::Variable;
use crate::journal::words::{self, Names, cut, shorten};
use crate::journal::{
    BLANK, Header, Output, Place, RawEvent, Reader, Secrets, show_frame, spelled,
};

/// Bytes of values and lines that are kept, about. A recording of 100,000 turns with some changes in
/// each takes a tenth of it.
const BYTES_MAX: usize = 256 << 20;
/// Bytes of a value, or of a log line, that are kept.
const TEXT_MAX: usize = 1_000;
/// Letters of a frame, or of something else that came out, that are told.
pub const ENTRY_MAX: usize = 4_000;
/// What a record of the index takes besides its texts, about.
const MOMENT_BYTES: usize = 100;
const TURN_BYTES: usize = 200;

/// See the module's description.
#[derive(Debug, Default)]
pub struct Index {
    pub turns: Vec<TurnEntry>,
    pub tracks: BTreeMap<VarId, Track>,
    pub lines: Vec<Line>,
    /// The variables that are there after the last turn, by id.
    live: Vec<VarId>,
    /// What pages call theirs.
    names: BTreeMap<(u64, WireId), VarId>,
    /// Lines of the turn that runs, and what it sent where the recording has only digests of that.
    heard: Vec<(u8, String)>,
    sent: Vec<Sent>,
    events: u32,
    scratch: Vec<u8>,
    bytes: usize,
    /// What is not kept.
    pub secrets: Secrets,
}

/// One turn.
#[derive(Debug)]
pub struct TurnEntry {
    /// Before its first record.
    pub place: Place,
    pub turn: Turn,
    /// What happened, in a few words.
    pub label: Box<str>,
    pub events: u32,
    /// Frames of pages and to them.
    pub frames: (u32, u32),
    /// Variables that were made, are gone, show something else.
    pub made: u32,
    pub gone: u32,
    pub changed: u32,
    /// As often as somebody was told that something is wrong: a variable, a page or the log.
    pub errors: u32,
    /// Where its log lines begin.
    pub lines: usize,
    /// What came out in the first run, if the recording has only digests of it.
    pub sent: Box<[Sent]>,
}

/// Something that came out, as a page shows it.
#[derive(Debug)]
pub struct Sent {
    /// Which of the turn's events it came of, from 1.
    pub event: u32,
    /// The page that a frame went to.
    pub page: Option<u64>,
    pub is_call: bool,
    is_error: bool,
    pub text: Box<str>,
    /// Letters that it has beyond those.
    pub left_out: usize,
}

/// A log line.
#[derive(Debug)]
pub struct Line {
    pub level: u8,
    pub text: Box<str>,
}

/// One variable, all its life.
#[derive(Debug)]
pub struct Track {
    /// The page that it belongs to; `None`: all.
    pub view: Option<u64>,
    pub wire: WireId,
    pub parent: Option<VarId>,
    /// Its own path, from the parent on.
    pub path: Box<str>,
    /// By its path it may show what is secret.
    concerns_secrets: bool,
    /// The turn in which it was made, and the one in which it went.
    pub born: u64,
    pub gone: u64,
    /// What it showed, each with the turn since when.
    pub moments: Vec<(u64, Moment)>,
}

/// What a variable shows at one time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moment {
    /// JSON; of a long one the beginning.
    pub value: Rc<str>,
    /// Names and values, but for the path.
    pub properties: Rc<[(Box<str>, Box<str>)]>,
    pub error: Option<Rc<str>>,
    /// The error is that the path leads nowhere: what a template shows is gone before the template is.
    pub is_lost: bool,
}

impl Moment {
    /// An error that somebody should look at.
    pub fn fault(&self) -> Option<&str> {
        self.error.as_deref().filter(|_| !self.is_lost)
    }
}

/// The variable did not go.
pub const NEVER: u64 = u64::MAX;

impl Track {
    /// Whether it was there after this turn.
    pub fn is_there(&self, turn: u64) -> bool {
        self.born <= turn && turn < self.gone
    }

    /// What it showed after this turn, and since when.
    pub fn at(&self, turn: u64) -> Option<&(u64, Moment)> {
        let after = self.moments.partition_point(|(since, _)| *since <= turn);
        self.moments.get(after.checked_sub(1)?)
    }
}

impl Index {
    /// Before the first turn.
    pub fn new(header: &Header) -> Index {
        Index {
            secrets: Secrets::of(header),
            ..Index::default()
        }
    }

    /// Whether no more fits in.
    pub fn is_full(&self) -> bool {
        self.bytes > BYTES_MAX
    }

    /// The turn that runs goes on with this event.
    pub fn note_event(&mut self, event: &RawEvent<'_>) {
        self.secrets.hear(event);
        self.events += 1;
    }

    /// Keeps what came of it, for a recording that has not got that itself.
    pub fn note_output(&mut self, output: &Output<'_>) {
        let event = self.events;
        let sent = self.secrets.output(output, |output| {
            let text = match output {
                Output::Frame { text, .. } => show_frame("", text),
                other => other.to_string(),
            };
            Sent {
                event,
                page: match output {
                    Output::Frame { connection, .. } => Some(connection.0),
                    _ => None,
                },
                is_call: matches!(output, Output::HostCalled { .. }),
                is_error: is_error(output),
                left_out: text.chars().count().saturating_sub(ENTRY_MAX),
                text: cut(&text, ENTRY_MAX).into(),
            }
        });
        self.bytes += sent.text.len() + MOMENT_BYTES;
        self.sent.push(sent);
    }

    /// Keeps what the turn that runs has logged.
    pub fn note_line(&mut self, level: u8, text: &str) {
        self.heard.push((level, text.to_owned()));
    }

    /// Takes in the turn that has just been run, whose records begin at `place`. Returns how many variables
    /// were looked at.
    pub fn take_turn(&mut self, reader: &Reader, place: Place, run: &mut Run) -> usize {
        let number = run.turn_number();
        let mut entry = TurnEntry {
            place,
            turn: Turn::default(),
            label: Box::default(),
            events: 0,
            frames: (0, 0),
            made: 0,
            gone: 0,
            changed: 0,
            errors: 0,
            lines: self.lines.len(),
            sent: std::mem::take(&mut self.sent).into(),
        };
        self.events = 0;
        let logged = self.keep_lines();
        let looked_at = self.look(number, run, &mut entry);
        let mut told = 0;
        let mut labels = Vec::new();
        let records = reader.records_from(place);
        for record in records.take_while(|record| record.turn_number == number) {
            entry.turn = record.turn;
            entry.events += 1;
            entry.frames.0 += u32::from(matches!(record.event, RawEvent::Frame { .. }));
            for output in &record.outputs {
                entry.frames.1 += u32::from(matches!(output, Output::Frame { .. }));
                told += u32::from(is_error(output));
            }
            // Of those that are kept all the same there is a copy.
            if record.digest.is_some() {
                let sent = entry.sent.iter().filter(|sent| sent.event == entry.events);
                let sent = sent.filter(|sent| sent.page.is_some());
                let (frames, errors) = sent.fold((0, 0), |(frames, errors), sent| {
                    (frames + 1, errors + u32::from(sent.is_error))
                });
                entry.frames.1 += frames;
                told += errors;
            }
            labels.push(words::label(&record.event, self));
        }
        // One error is often told in several places.
        entry.errors = entry.errors.max(told).max(logged);
        entry.label = words::join_labels(&labels).into();
        self.bytes += TURN_BYTES + entry.label.len();
        self.turns.push(entry);
        looked_at
    }

    /// What the variable that page `view` calls `wire` is.
    pub fn named(&self, view: u64, wire: WireId) -> Option<(VarId, &Track)> {
        let own = self.names.get(&(view, wire)).copied();
        let id = own.unwrap_or(VarId(wire));
        let track = self.tracks.get(&id)?;
        (own.is_some() || track.view.is_none()).then_some((id, track))
    }

    /// The path of a variable from variable 1 on.
    pub fn full_path(&self, id: VarId) -> String {
        let mut parts = Vec::new();
        let mut at = Some(id);
        while let Some(track) = at.and_then(|id| self.tracks.get(&id)) {
            if !track.path.is_empty() {
                parts.push(&*track.path);
            }
            at = track.parent;
        }
        parts.reverse();
        parts.join(".")
    }

    /// The log lines of a turn, from 1.
    pub fn lines_of(&self, turn: u64) -> &[Line] {
        let start = |at: usize| self.turns.get(at).map_or(self.lines.len(), |t| t.lines);
        &self.lines[start(turn as usize - 1)..start(turn as usize)]
    }

    /// Keeps what was logged, and counts what everybody shall see.
    fn keep_lines(&mut self) -> u32 {
        let mut urgent = 0;
        for (level, text) in std::mem::take(&mut self.heard) {
            urgent += u32::from(level == 0);
            let text: Box<str> = shorten(text.as_bytes(), TEXT_MAX).into();
            self.bytes += text.len() + MOMENT_BYTES;
            self.lines.push(Line { level, text });
        }
        urgent
    }

    /// Notes what differs from the turn before, variable by variable.
    fn look(&mut self, number: u64, run: &mut Run, entry: &mut TurnEntry) -> usize {
        let mut live = Vec::with_capacity(self.live.len());
        if let Some(session) = run.session() {
            let all: Vec<_> = session.host().vars.iter().collect();
            for (id, slot) in all {
                self.scratch.clear();
                session.read_value(slot, &mut self.scratch);
                let vars = &session.host().vars;
                let Some(variable) = vars.get(slot) else {
                    continue;
                };
                live.push(id);
                if !self.tracks.contains_key(&id) {
                    let parent = variable.parent().and_then(|slot| vars.get(slot));
                    self.add(number, variable, parent.map(|parent| parent.id));
                    entry.made += 1;
                }
                self.leave_out_secrets(id);
                self.compare(number, variable, entry);
            }
        }
        for id in std::mem::take(&mut self.live) {
            if live.binary_search(&id).is_err()
                && let Some(track) = self.tracks.get_mut(&id)
            {
                track.gone = number;
                entry.gone += 1;
                if let Some(view) = track.view {
                    self.names.remove(&(view, track.wire));
                }
            }
        }
        self.live = live;
        self.live.len()
    }

    fn add(&mut self, number: u64, variable: &Variable, parent: Option<VarId>) {
        let view = variable.view.map(|view| view.0);
        if let Some(view) = view {
            self.names.insert((view, variable.wire), variable.id);
        }
        let path = variable.properties.get("path").unwrap_or("");
        self.bytes += MOMENT_BYTES + path.len();
        let track = Track {
            view,
            wire: variable.wire,
            parent,
            path: path.into(),
            concerns_secrets: false,
            born: number,
            gone: NEVER,
            moments: Vec::new(),
        };
        self.tracks.insert(variable.id, track);
        let whole = self.full_path(variable.id);
        let concerned = self.secrets.concern(&spelled(&whole), path);
        if let Some(track) = self.tracks.get_mut(&variable.id) {
            track.concerns_secrets = concerned;
        }
    }

    /// Blanks what is secret of a variable's value in `scratch`.
    fn leave_out_secrets(&mut self, id: VarId) {
        let concerned = self.tracks.get(&id).is_none_or(|t| t.concerns_secrets);
        // In a table there may be a field that is secret wherever it is; an object is told by its number only.
        let is_table = matches!(self.scratch.first(), Some(b'{' | b'['));
        let looks = concerned || (is_table && !self.scratch.starts_with(b"{\"obj\":"));
        if self.secrets.are_there()
            && looks
            && let Ok(value) = std::str::from_utf8(&self.scratch)
        {
            let shown = self.shown(id, value);
            self.scratch = shown.into_bytes();
        }
    }

    /// A value of a variable as it may be seen.
    pub fn shown(&self, id: VarId, value: &str) -> String {
        let own = self.tracks.get(&id).map_or("", |track| &*track.path);
        let path = self.full_path(id);
        self.secrets.value(&spelled(&path), own, value).into_owned()
    }

    /// Compares a variable, whose value is in `scratch`, with what was kept of it last.
    fn compare(&mut self, number: u64, variable: &Variable, entry: &mut TurnEntry) {
        let Some(track) = self.tracks.get_mut(&variable.id) else {
            return;
        };
        let value = shorten(&self.scratch, TEXT_MAX);
        let error = variable.error.as_ref().map(|fault| &*fault.message);
        let code = variable.error.as_ref().map(|fault| fault.code);
        let last = track.moments.last().map(|(_, moment)| moment);
        let same_properties =
            last.is_some_and(|last| same_properties(&last.properties, &variable.properties));
        if let Some(last) = last
            && *last.value == *value
            && last.error.as_deref() == error
            && same_properties
        {
            return;
        }
        entry.changed += u32::from(last.is_some());
        let moment = Moment {
            value: match last.filter(|last| *last.value == *value) {
                Some(last) => last.value.clone(),
                None => Rc::from(&*value),
            },
            properties: match last.filter(|_| same_properties) {
                Some(last) => last.properties.clone(),
                None => properties(&variable.properties).collect(),
            },
            error: error.map(Rc::from),
            is_lost: code == Some(ErrorCode::PathFailure),
        };
        let was_fault = last.and_then(Moment::fault);
        entry.errors += u32::from(moment.fault().is_some() && moment.fault() != was_fault);
        self.bytes += MOMENT_BYTES + value.len() + error.map_or(0, str::len);
        if !same_properties {
            self.bytes += variable.properties.weight();
        }
        track.moments.push((number, moment));
    }
}

impl Names for Index {
    fn path(&self, page: ConnectionId, var: WireId) -> Option<String> {
        // Pages are numbered as they came, by both core and recordings.
        let (id, _) = self.named(page.0, var)?;
        Some(self.full_path(id))
    }

    fn shown(&self, page: ConnectionId, var: WireId, value: &str) -> String {
        match self.named(page.0, var) {
            Some((id, _)) => self.shown(id, value),
            None if self.secrets.are_there() => BLANK.into(),
            None => value.to_owned(),
        }
    }
}

fn properties(all: &Properties) -> impl Iterator<Item = (Box<str>, Box<str>)> {
    let shown = all.iter().filter(|p| is_shown(p.name, p.value));
    shown.map(|p| (p.name.into(), p.value.into()))
}

/// The path is the variable's name; templates in a property are told by the type alone.
fn is_shown(name: &str, value: &str) -> bool {
    !value.is_empty() && !matches!(name, "path" | "viewdefs")
}

fn same_properties(kept: &[(Box<str>, Box<str>)], now: &Properties) -> bool {
    let now = now.iter().filter(|p| is_shown(p.name, p.value));
    let kept = kept.iter();
    kept.map(|(name, value)| (&**name, &**value))
        .eq(now.map(|p| (p.name, p.value)))
}

/// Whether somebody was told that something went wrong.
fn is_error(output: &Output<'_>) -> bool {
    match output {
        Output::SessionFailed { .. } => true,
        Output::Frame { text, .. } => {
            let text = String::from_utf8_lossy(text);
            let mut errors = text.split("{\"type\":\"error\",\"data\":{").skip(1);
            errors.any(|data| !data.contains("\"code\":\"path-failure\""))
        }
        _ => false,
    }
}
