//! Replay: runs a recording again and compares what comes out with what came out then.
//!
//! A shell around core like the live server; events come from the file, effects go to a comparison.
//! Nothing else is read: the site, the limits, the seed and all times are in the recording.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

mod difference;
mod export;
pub mod named;
mod sessions;

use crate::core::effect::Effect;
use crate::core::event::Event;
use crate::core::id::SessionId;
use crate::core::limits::SessionLimits;
use crate::core::manager::{ManagerConfig, SessionManager};
use crate::core::outside::{HostAnswer, HostCall, Outgoing, Outside};
use crate::core::script::Runtime;
use crate::core::site::Site;
use crate::core::topic;
use crate::journal::{
    Detail, Digest, Header, JournalError, Output, RawEvent, Record, Secrets, decode_edits,
};
use crate::lua::state::{StateError, StateLimits};
use crate::lua::{DIALECT, LuaRuntime};
use crate::wire;

pub use crate::journal::StoreError;
pub use crate::journal::{FORMAT_VERSION, Reader, transcript};
pub use difference::Difference;
use difference::shown_difference;
pub use export::{Exported, export};
pub use sessions::{drop_session, list_sessions, read_session, session_named, sessions_json};

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
    /// The call at the end of the file that nobody knows the answer to; its event is not replayed.
    pub interrupted: Option<String>,
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

impl Report {
    /// 0: everything is as recorded; 5: something diverged.
    pub fn exit_code(&self) -> u8 {
        if self.divergence.is_some() { 5 } else { 0 }
    }
}

/// Runs the recording in `reader` again on a runtime that `make_runtime` makes for its header, up to
/// the first divergence.
pub fn replay<R: Runtime>(reader: &Reader, make_runtime: impl FnOnce(&Header) -> R) -> Report {
    let header = reader.header();
    let mut manager = SessionManager::new(make_runtime(header), config_of(header));
    Report {
        notes: notes(header),
        torn_bytes: reader.torn_bytes(),
        interrupted: reader.interrupted().map(|last| last.call.to_owned()),
        ..rerun(&mut manager, reader, &mut |_| {})
    }
}

/// What is seen of a session that is run again.
#[derive(Clone, Copy, Debug)]
pub enum Seen<'a> {
    /// This is about to happen.
    Event(&'a RawEvent<'a>),
    /// That came of it.
    Output(&'a Output<'a>),
    /// That was logged, which is not part of what is compared.
    Line { level: u8, text: &'a str },
}

/// Runs the events of a recording again in a manager that has its site and limits and no such session,
/// up to the first divergence. Connections have the recording's numbers.
pub fn rerun<R: Runtime>(
    manager: &mut SessionManager<R>,
    reader: &Reader,
    seen: &mut dyn FnMut(Seen<'_>),
) -> Report {
    let mut report = Report::default();
    for record in reader.records() {
        if !step(manager, reader, &record, &mut report, seen) {
            break;
        }
    }
    report
}

/// Runs the next record of a recording. Returns whether all came out as recorded; if not, the report says
/// what did not, and there is no going on.
pub fn step<R: Runtime>(
    manager: &mut SessionManager<R>,
    reader: &Reader,
    record: &Record<'_>,
    report: &mut Report,
    seen: &mut dyn FnMut(Seen<'_>),
) -> bool {
    let header = reader.header();
    report.turns = record.turn_number;
    report.events += 1;
    manager.set_outside(Box::new(Recorded::of(record)));
    let event = to_event(&record.event, header.session, manager.site());
    seen(Seen::Event(&record.event));
    manager.handle_event(event, record.turn);
    let mut told = Told::new(reader, record);
    match compare(manager, &mut told, header.detail, report, seen) {
        Ok(()) => true,
        Err(divergence) => {
            report.divergence = Some(divergence);
            false
        }
    }
}

/// What a manager needs to run the session of this header.
pub fn config_of(header: &Header) -> ManagerConfig {
    ManagerConfig {
        site: header.site.clone(),
        limits: header.limits.clone(),
        verbosity: 0,
    }
}

/// The machine as it answered then: the calls of one event, in their order.
#[derive(Debug)]
pub struct Recorded(VecDeque<(String, HostAnswer)>);

impl Recorded {
    /// For the time of the event of `record`.
    pub fn of(record: &Record<'_>) -> Recorded {
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
pub fn notes(header: &Header) -> Vec<String> {
    let site = header.site.clone();
    let limits = header.limits.clone();
    let here = Header::here(header.session, site, limits, header.arena_class, "");
    let mut notes = Vec::new();
    if header.engine != here.engine {
        notes.push(format!(
            "recorded by lunette {}, this is {}: a difference may come from that",
            header.engine, here.engine
        ));
    } else if !header.build.is_empty() && header.build != here.build {
        notes.push(format!(
            "recorded by another build of lunette {}: a difference may come from that",
            header.engine
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
                number: 0,
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
        RawEvent::Ended { reason } => Event::Ended {
            session,
            reason: reason.into(),
        },
    }
}

/// Compares what the event just handled led to with what its record says.
fn compare<R: Runtime>(
    manager: &mut SessionManager<R>,
    told: &mut Told<'_>,
    detail: Detail,
    report: &mut Report,
    seen: &mut dyn FnMut(Seen<'_>),
) -> Result<(), Box<Divergence>> {
    let record = told.record;
    let effects: Vec<Effect> = std::iter::from_fn(|| manager.poll_effect()).collect();
    let mut recorded = record.outputs.iter();
    let mut digest = Digest::default();
    let mut frame = Vec::new();
    // All of them, also when what follows is found to differ.
    for effect in &effects {
        if let Effect::Log { level, text, .. } = effect {
            seen(Seen::Line {
                level: *level,
                text,
            });
        }
    }
    for effect in &effects {
        let Some(replayed) = Output::of(effect, &mut frame) else {
            continue;
        };
        seen(Seen::Output(&replayed));
        report.outputs += 1;
        report.frames += u64::from(matches!(replayed, Output::Frame { .. }));
        if detail == Detail::Digest {
            digest.add(&replayed);
            if !replayed.is_kept() {
                continue;
            }
        }
        match recorded.next() {
            Some(output) if *output == replayed => {}
            output => {
                let mut divergence = told.divergence(output, Some(&replayed));
                divergence.at = asked_at(effect);
                return Err(divergence);
            }
        }
    }
    if let Some(missing) = recorded.next() {
        return Err(told.divergence(Some(missing), None));
    }
    let expected = record.digest.unwrap_or_default();
    match detail {
        Detail::Digest if digest != expected => {
            Err(told.divergence_of_digests(expected, digest, &effects))
        }
        Detail::Digest | Detail::Full => Ok(()),
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

/// A record that may have to be told of, without its secrets.
struct Told<'a> {
    reader: &'a Reader,
    record: &'a Record<'a>,
}

impl<'a> Told<'a> {
    fn new(reader: &'a Reader, record: &'a Record<'a>) -> Told<'a> {
        Told { reader, record }
    }

    /// Of what was recorded there is a digest only; what came out now is all there.
    fn divergence_of_digests(
        &self,
        recorded: Digest,
        replayed: Digest,
        effects: &[Effect],
    ) -> Box<Divergence> {
        let mut divergence = self.divergence(None, None);
        divergence.recorded = Some(format!(
            "{recorded} (this file has no frames, only their digests)"
        ));
        let mut secrets = Secrets::at(self.reader, self.record);
        let mut frame = Vec::new();
        let mut text = replayed.to_string();
        for effect in effects {
            if let Some(output) = Output::of(effect, &mut frame) {
                let output = secrets.output(&output, |output| output.to_string());
                text = format!("{text}\n{output}");
            }
        }
        divergence.replayed = Some(text);
        divergence
    }

    fn divergence(
        &self,
        recorded: Option<&Output<'_>>,
        replayed: Option<&Output<'_>>,
    ) -> Box<Divergence> {
        let record = self.record;
        let mut secrets = Secrets::at(self.reader, record);
        let difference = match (recorded, replayed) {
            (
                Some(Output::Frame {
                    connection,
                    text: a,
                }),
                Some(Output::Frame { text: b, .. }),
            ) => {
                let mut blank = |text| secrets.frame(*connection, text).into_owned();
                let mut difference = shown_difference((a, b), (&blank(a), &blank(b)));
                if let Some(difference) = &mut difference {
                    difference.path = secrets.paths().of(*connection, difference.var);
                }
                difference
            }
            _ => None,
        };
        let mut shown = |output: &Output<'_>| secrets.output(output, |output| output.to_string());
        Box::new(Divergence {
            turn_number: record.turn_number,
            sequence: record.sequence,
            now_ms: record.turn.now,
            recorded: recorded.map(&mut shown),
            replayed: replayed.map(&mut shown),
            event: secrets.event(&record.event, |event| event.to_string()),
            at: None,
            difference,
        })
    }
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
        if let Some(call) = &self.interrupted {
            writeln!(
                f,
                "note: the file ends while this was being done, its event is left out: {call}"
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
    #[error("{path}: {source}")]
    Output { path: PathBuf, source: io::Error },
}

/// The runtime that can run the session of this header.
pub fn runtime_for(header: &Header) -> Result<LuaRuntime, ReplayError> {
    match header.dialect == DIALECT {
        true => Ok(LuaRuntime::new()?),
        false => Err(ReplayError::Dialect {
            found: header.dialect.clone(),
        }),
    }
}

/// Opens the recording in a file.
///
/// # Errors
/// When it cannot be read or is damaged.
pub fn read_file(path: &Path) -> Result<Reader, JournalError> {
    Reader::open(path)
}

/// What `lunette replay` does: needs nothing but the recording. The report can be printed and has the exit code.
///
/// # Errors
/// When it was made by an engine too different from this one.
pub fn replay_here(reader: &Reader) -> Result<Report, ReplayError> {
    let header = reader.header();
    let runtime = runtime_for(header)?;
    let mut report = replay(reader, |_| runtime);
    report.notes.extend(space_note(header));
    Ok(report)
}

/// Times the usual gas of an event, from which on an endless loop takes longer than anybody waits.
const LONG: u64 = 100;

/// What to know before a recording is run in which one event may take that long.
pub fn gas_note(header: &Header) -> Option<String> {
    let (gas, usual) = (header.limits.gas, SessionLimits::default().gas);
    (gas / LONG > usual).then(|| {
        format!(
            "an event of this recording may use {gas} gas, {} times what is usual. If this does not end, interrupt it \
             (Ctrl-C, twice for inspect), or let replay and inspect bound each event by --gas N",
            gas / usual
        )
    })
}

/// What to know of a replay whose events could use this much gas when they were recorded.
pub fn bound_note(header: &Header, recorded: u64) -> Option<String> {
    let gas = header.limits.gas;
    (gas < recorded).then(|| {
        format!("an event may use {gas} gas, by --gas, and could use {recorded}: a difference may come from that")
    })
}

/// What to know of a replay whose Lua states are of another size.
pub fn space_note(header: &Header) -> Option<String> {
    let limits = StateLimits::from(&header.limits);
    let (recorded, here) = (header.arena_class, limits.class() as u64);
    (recorded != here).then(|| {
        format!(
            "recorded with {recorded} bytes of address space for a session, this engine gives it {here}: \
             the order of tables keyed by tables may differ; only frames are compared"
        )
    })
}

#[cfg(test)]
mod tests;
