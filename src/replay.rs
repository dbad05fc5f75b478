//! Replay: runs a recording again and compares what comes out with what came out then.
//!
//! A shell around core like the live server; events come from the file, effects go to a comparison.
//! Nothing else is read: the site, the limits, the seed and all times are in the recording.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::path::Path;

use serde_json::Value;
use thiserror::Error;

use crate::core::effect::Effect;
use crate::core::event::Event;
use crate::core::id::{APP, ConnectionId, SessionId, WireId};
use crate::core::manager::{ManagerConfig, SessionManager};
use crate::core::message::Message;
use crate::core::outside::{HostAnswer, HostCall, Outgoing, Outside};
use crate::core::script::Runtime;
use crate::core::session::Session;
use crate::core::site::Site;
use crate::core::topic;
use crate::journal::{Header, JournalError, Output, RawEvent, Reader, Record, decode_edits};
use crate::lua::state::{StateError, StateLimits};
use crate::lua::{DIALECT, LuaRuntime};
use crate::wire;

pub use crate::journal::FORMAT_VERSION;

/// What a replay found.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Turns and events that were run again, the one that diverged included.
    pub turns: u64,
    pub events: u64,
    /// Outputs that were compared, frames among them.
    pub outputs: u64,
    pub frames: u64,
    /// What differs between the recording's engine or machine and this one: with any, equal frames
    /// are luck to be glad of, not something that was promised.
    pub notes: Vec<String>,
    /// Bytes of an unfinished record at the end of the file, not replayed.
    pub torn_bytes: usize,
    pub divergence: Option<Box<Divergence>>,
}

/// The first output that is not what was recorded.
#[derive(Clone, Debug)]
pub struct Divergence {
    pub turn_number: u64,
    pub sequence: u64,
    pub now_ms: u64,
    /// The event, as a transcript shows it.
    pub event: String,
    /// Each as a transcript shows it; `None`: there was none.
    pub recorded: Option<String>,
    pub replayed: Option<String>,
    /// Where the code is that asked the machine for something else, or again.
    pub at: Option<String>,
    pub difference: Option<Difference>,
}

/// The first variable about which two frames differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    pub var: WireId,
    /// Its path from variable 1, if the recording says how it was created.
    pub path: Option<String>,
    /// `value`, `property NAME`, `code`, ...
    pub part: String,
    pub recorded: String,
    pub replayed: String,
}

impl Report {
    /// 0: everything is as recorded; 5: something diverged.
    pub fn exit_code(&self) -> u8 {
        if self.divergence.is_some() { 5 } else { 0 }
    }
}

/// Runs the recording in `reader` again on a runtime that `make_runtime` makes for its header, up to
/// the first divergence.
pub fn replay<R: Runtime>(reader: &Reader, make_runtime: impl FnOnce(&Header) -> R) -> Report {
    let mut replayer = Replayer::new(reader, make_runtime(reader.header()), 0);
    for record in reader.records() {
        if !replayer.step(reader, &record) {
            break;
        }
    }
    replayer.report
}

/// A recording that runs again, one record after the other.
pub struct Replayer<R: Runtime> {
    manager: SessionManager<R>,
    session: SessionId,
    frame: Vec<u8>,
    /// Log lines of the last step, with their levels; not part of what is compared.
    pub lines: Vec<(u8, String)>,
    /// What was found so far.
    pub report: Report,
}

impl<R: Runtime> Replayer<R> {
    /// Before the first record. Log lines above `verbosity` are not made.
    pub fn new(reader: &Reader, runtime: R, verbosity: u8) -> Replayer<R> {
        let header = reader.header();
        let config = ManagerConfig {
            site: header.site.clone(),
            limits: header.limits.clone(),
            verbosity,
        };
        Replayer {
            manager: SessionManager::new(runtime, config),
            session: header.session,
            frame: Vec::new(),
            lines: Vec::new(),
            report: Report {
                notes: notes(header),
                torn_bytes: reader.torn_bytes(),
                ..Report::default()
            },
        }
    }

    /// Runs the next record. Returns whether all came out as recorded; if not, the report says what
    /// did not, and there is no going on.
    pub fn step(&mut self, reader: &Reader, record: &Record<'_>) -> bool {
        self.report.turns = record.turn_number;
        self.report.events += 1;
        self.lines.clear();
        self.manager.set_outside(Box::new(Recorded::of(record)));
        let event = to_event(&record.event, self.session, self.manager.site());
        self.manager.handle_event(event, record.turn);
        let Err(mut divergence) = self.compare(record) else {
            return true;
        };
        if let Some(difference) = &mut divergence.difference {
            difference.path = path_of(reader, record, difference.var);
        }
        self.report.divergence = Some(divergence);
        false
    }

    /// The session as it is now; `None`: it never began, or has ended.
    pub fn session(&mut self) -> Option<&mut Session<R::Script>> {
        self.manager.look_into(self.session)
    }

    /// Compares what the event just handled led to with what its record says.
    fn compare(&mut self, record: &Record<'_>) -> Result<(), Box<Divergence>> {
        let mut recorded = record.outputs.iter();
        let mut compared = Ok(());
        while let Some(effect) = self.manager.poll_effect() {
            if let Effect::Log { level, text, .. } = effect {
                self.lines.push((level, text));
                continue;
            }
            let Some(replayed) = Output::of(&effect, &mut self.frame).filter(|_| compared.is_ok())
            else {
                continue;
            };
            self.report.outputs += 1;
            self.report.frames += u64::from(matches!(replayed, Output::Frame { .. }));
            match recorded.next() {
                Some(output) if *output == replayed => {}
                output => {
                    let mut divergence = Divergence::new(record, output, Some(&replayed));
                    divergence.at = asked_at(&effect);
                    compared = Err(divergence);
                }
            }
        }
        compared?;
        match recorded.next() {
            Some(missing) => Err(Divergence::new(record, Some(missing), None)),
            None => Ok(()),
        }
    }
}

/// Where the code is that asked the machine.
fn asked_at(effect: &Effect) -> Option<String> {
    match effect {
        Effect::Outside {
            outgoing: Outgoing::Called { at, .. },
            ..
        } if !at.is_empty() => Some(at.clone()),
        _ => None,
    }
}

/// The machine as it answered then: the calls of one event, in their order.
#[derive(Debug)]
struct Recorded(VecDeque<(String, HostAnswer)>);

impl Recorded {
    fn of(record: &Record<'_>) -> Recorded {
        let called = |output: &Output<'_>| match *output {
            Output::HostCalled { call, answer } => Some((call.to_owned(), answer.into())),
            _ => None,
        };
        Recorded(record.outputs.iter().filter_map(called).collect())
    }
}

impl Outside for Recorded {
    fn call(&mut self, _: SessionId, call: &HostCall) -> HostAnswer {
        match self.0.pop_front() {
            Some((recorded, answer)) if recorded == call.to_string() => answer,
            // What comes of it does not matter: comparing outputs will find this call first.
            _ => {
                self.0.clear();
                let text = "the recording has no answer to this".into();
                HostAnswer::Failed { code: 0, text }
            }
        }
    }
}

/// What makes an exact replay of this recording here more than was promised.
fn notes(header: &Header) -> Vec<String> {
    let site = header.site.clone();
    let limits = header.limits.clone();
    let here = Header::here(header.session, site, limits, header.arena_class, "");
    let mut notes = Vec::new();
    if header.engine != here.engine {
        notes.push(format!(
            "recorded by lunette {}, this is {}: a difference may come from that",
            header.engine, here.engine
        ));
    }
    if (&header.arch, header.pointer_bits) != (&here.arch, here.pointer_bits) {
        notes.push(format!(
            "recorded on {} ({} bits), this is {} ({} bits): memory is laid out differently, so memory \
             limits and the order of tables keyed by tables may differ; only frames are compared",
            header.arch, header.pointer_bits, here.arch, here.pointer_bits
        ));
    }
    notes
}

/// A recorded event as core takes it; `site` is the one before the event.
pub fn to_event(event: &RawEvent<'_>, session: SessionId, site: &Site) -> Event {
    match *event {
        RawEvent::SessionOpened(opening) => Event::SessionOpened {
            session,
            opening: opening.map(Into::into),
        },
        RawEvent::FrontendJoined { connection } => Event::FrontendJoined {
            session,
            connection,
        },
        RawEvent::FrontendLeft { connection } => Event::FrontendLeft {
            session,
            connection,
        },
        RawEvent::Frame { connection, text } => Event::BatchReceived {
            session,
            connection,
            batch: wire::read_batch(text),
        },
        RawEvent::TimersDue => Event::TimersDue { session },
        RawEvent::MessagePublished { topic, value, only } => Event::MessagePublished {
            session,
            message: topic::Message {
                topic: topic.into(),
                value: value.into(),
                only,
            },
        },
        RawEvent::Download { token, demand } => Event::Download {
            session,
            token,
            demand,
        },
        RawEvent::Upload { upload, news } => Event::Upload {
            session,
            upload,
            news: news.into(),
        },
        RawEvent::Process { process, news } => Event::Process {
            session,
            process,
            news: news.into(),
        },
        RawEvent::SiteChanged { edits } => Event::SiteChanged {
            session,
            change: site.edit(decode_edits(edits).unwrap_or_default()),
        },
    }
}

impl Divergence {
    fn new(
        record: &Record<'_>,
        recorded: Option<&Output<'_>>,
        replayed: Option<&Output<'_>>,
    ) -> Box<Divergence> {
        let difference = match (recorded, replayed) {
            (Some(Output::Frame { text: a, .. }), Some(Output::Frame { text: b, .. })) => {
                first_difference(a, b)
            }
            _ => None,
        };
        Box::new(Divergence {
            turn_number: record.turn_number,
            sequence: record.sequence,
            now_ms: record.turn.now,
            event: record.event.to_string(),
            recorded: recorded.map(Output::to_string),
            replayed: replayed.map(Output::to_string),
            at: None,
            difference,
        })
    }
}

/// The first place where two frames say different things.
fn first_difference(recorded: &[u8], replayed: &[u8]) -> Option<Difference> {
    let (recorded, replayed) = (messages(recorded)?, messages(replayed)?);
    let count = recorded.len().max(replayed.len());
    (0..count).find_map(|i| match (recorded.get(i), replayed.get(i)) {
        (Some(a), Some(b)) if a == b => None,
        (a, b) => Some(message_difference(a, b)),
    })
}

fn messages(frame: &[u8]) -> Option<Vec<Value>> {
    match serde_json::from_slice(frame).ok()? {
        Value::Array(messages) => Some(messages),
        message => Some(vec![message]),
    }
}

fn message_difference(recorded: Option<&Value>, replayed: Option<&Value>) -> Difference {
    let var_of = |m: Option<&Value>| m.and_then(|m| m.pointer("/data/varId")?.as_i64());
    let text = |v: Option<&Value>| v.map_or("nothing".to_owned(), Value::to_string);
    let whole = Difference {
        var: var_of(recorded).or(var_of(replayed)).unwrap_or(0),
        path: None,
        part: "message".into(),
        recorded: text(recorded),
        replayed: text(replayed),
    };
    let (Some(a), Some(b)) = (recorded, replayed) else {
        return whole;
    };
    let same = |at: &str| a.pointer(at) == b.pointer(at);
    if !same("/type") || !same("/data/varId") {
        return whole;
    }
    let part = |part: String, at: &str| Difference {
        var: whole.var,
        path: None,
        part,
        recorded: text(a.pointer(at)),
        replayed: text(b.pointer(at)),
    };
    for at in ["value", "code", "description", "objects"] {
        let pointer = format!("/data/{at}");
        if !same(&pointer) {
            return part(at.into(), &pointer);
        }
    }
    for name in property_names(a).chain(property_names(b)) {
        let escaped = name.replace('~', "~0").replace('/', "~1");
        let pointer = format!("/data/properties/{escaped}");
        if !same(&pointer) {
            return part(format!("property {name}"), &pointer);
        }
    }
    whole
}

fn property_names(message: &Value) -> impl Iterator<Item = &String> {
    let properties = message.pointer("/data/properties");
    let properties = properties.and_then(Value::as_object);
    properties.into_iter().flat_map(serde_json::Map::keys)
}

/// The path from variable 1 of what `record`'s receiver calls `var`, from the creates before it.
fn path_of(reader: &Reader, record: &Record<'_>, var: WireId) -> Option<String> {
    let receiver = record.outputs.iter().find_map(|o| match o {
        Output::Frame { connection, .. } => Some(*connection),
        _ => None,
    });
    let mut known: BTreeMap<(ConnectionId, WireId), (WireId, String)> = BTreeMap::new();
    for earlier in reader.records().take(record.sequence as usize) {
        let RawEvent::Frame { connection, text } = earlier.event else {
            continue;
        };
        for message in wire::read_batch(text).messages {
            if let Message::Create {
                id,
                parent,
                properties,
                ..
            } = message
            {
                let path = properties.into_iter().find(|(name, _)| &**name == "path");
                let path = path.map_or(String::new(), |(_, path)| path.into());
                known.insert((connection, id), (parent, path));
            }
        }
    }
    let mut at = var;
    let mut parts = Vec::new();
    while at != APP.0 && parts.len() <= known.len() {
        let (parent, path) = known.get(&(receiver?, at))?;
        parts.push(path.as_str());
        at = *parent;
    }
    parts.reverse();
    (!parts.is_empty()).then(|| parts.join("."))
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for note in &self.notes {
            writeln!(f, "note: {note}")?;
        }
        if self.torn_bytes > 0 {
            let torn = self.torn_bytes;
            writeln!(
                f,
                "note: the file ends in an unfinished record ({torn} bytes), left out"
            )?;
        }
        let (turns, events, frames) = (self.turns, self.events, self.frames);
        match &self.divergence {
            None => writeln!(
                f,
                "replayed {turns} turns, {events} events: {frames} frames compared, all as recorded"
            ),
            Some(divergence) => {
                writeln!(
                    f,
                    "diverged in turn {turns} after {events} events, at output {} (frame {frames})",
                    self.outputs
                )?;
                divergence.fmt(f)
            }
        }
    }
}

impl fmt::Display for Divergence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let show = |output: &Option<String>| match output {
            Some(text) => text.replace('\n', "\n            "),
            None => "nothing".into(),
        };
        writeln!(
            f,
            "  at        {} ms, record {}",
            self.now_ms, self.sequence
        )?;
        writeln!(
            f,
            "  event     {}",
            self.event.replace('\n', "\n            ")
        )?;
        writeln!(f, "  recorded  {}", show(&self.recorded))?;
        writeln!(f, "  replayed  {}", show(&self.replayed))?;
        if let Some(at) = &self.at {
            writeln!(f, "  asked at  {at}")?;
        }
        let Some(difference) = &self.difference else {
            return Ok(());
        };
        let path = match &difference.path {
            Some(path) => format!(" ({path})"),
            None => String::new(),
        };
        writeln!(
            f,
            "  variable {}{path}, {}: recorded {}, replayed {}",
            difference.var, difference.part, difference.recorded, difference.replayed
        )
    }
}

/// Why a recording was not replayed at all.
#[derive(Debug, Error)]
pub enum ReplayError {
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// Another language would do something else from the first line on.
    #[error(
        "the recording is of {found}, this engine runs {DIALECT}: replay it with the engine that made it"
    )]
    Dialect { found: String },
    #[error(transparent)]
    Runtime(#[from] StateError),
}

/// What `lunette replay FILE` does: needs nothing but the file. The report can be printed and has
/// the exit code.
///
/// # Errors
/// When the file cannot be read, is damaged, or was made by an engine too different from this one.
pub fn replay_file(path: &Path) -> Result<Report, ReplayError> {
    let reader = open(path)?;
    let runtime = LuaRuntime::new()?;
    let mut report = replay(&reader, |_| runtime);
    report.notes.extend(space_note(reader.header()));
    Ok(report)
}

/// Opens a recording that this engine can run again.
///
/// # Errors
/// See [`replay_file`].
pub fn open(path: &Path) -> Result<Reader, ReplayError> {
    let reader = Reader::open(path)?;
    let header = reader.header();
    if header.dialect != DIALECT {
        let found = header.dialect.clone();
        return Err(ReplayError::Dialect { found });
    }
    Ok(reader)
}

/// What to know of a replay whose Lua states are of another size.
pub fn space_note(header: &Header) -> Option<String> {
    let limits = StateLimits {
        memory: header.limits.lua_memory,
        gas: header.limits.gas,
    };
    let (recorded, here) = (header.arena_class, limits.class() as u64);
    (recorded != here).then(|| {
        format!(
            "recorded with {recorded} bytes of address space for a session, this engine gives it {here}: \
             the order of tables keyed by tables may differ; only frames are compared"
        )
    })
}

/// What `lunette transcript FILE` prints.
///
/// # Errors
/// When the file cannot be read or is damaged.
pub fn transcript_file(path: &Path) -> Result<String, JournalError> {
    Ok(crate::journal::transcript(&Reader::open(path)?))
}

#[cfg(test)]
mod tests;
