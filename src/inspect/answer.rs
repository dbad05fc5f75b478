//! Answers: the recording as JSON, a shape for each question. What can be long is cut, and says so.
//!
//! ```text
//! recording                  {done, percent} and, when it is done, what the file is, and activity
//! turns/FIRST-LAST           [{turn, ms, label, frames, changes, errors, lines}]
//! turn/N                     {turn, ms, since, wall, label, entries: [{way, who, text}], lines, faults, ...}
//! variables/N/all|changed/TEXT
//!                            {count, left_out, rows: [{id, depth, name, path, value, was, object, mark, ...}]}
//! history/ID                 {path, changes: [{turn, ms, value, failed}], left_out}
//! objects/N/app|NUMBER/PATH  {pending} or {kind, crumbs, fields, changed, ...} or {missing}
//! field/PATH                 {pending, turn} or as history; PATH is a JSON array of names and places
//! find/N/next|previous/errors|changes|text/TEXT
//!                            {turn}, without one if there is none
//! ```

mod objects;
mod variables;

use serde_json::{Value, json};

pub use objects::{field, objects};
pub use variables::{history, variables};

use super::Inspector;
use super::index::{ENTRY_MAX, Sent, TurnEntry};
use crate::journal::words::cut;
use crate::journal::{Output, RawEvent, Record, show_frame};

/// Rows of variables, fields of an object, changes of a history: more than one reads through.
const ROWS_MAX: usize = 500;
/// Entries of one turn.
const ENTRIES_MAX: usize = 200;
/// Bars of the picture of the whole recording.
const BARS: usize = 120;

/// What the file is, as far as it was read.
pub fn recording(inspector: &Inspector, done: bool) -> Value {
    let (reader, turns) = (&inspector.reader, &inspector.index.turns);
    if !done {
        let read = inspector
            .first_run
            .as_ref()
            .map_or(0, |run| reader.bytes_before(run.place()));
        return json!({ "done": false, "turns": turns.len(), "percent": 100 * read / reader.whole_bytes() });
    }
    let header = reader.header();
    let sum = |of: fn(&TurnEntry) -> u32| turns.iter().map(|turn| u64::from(of(turn))).sum::<u64>();
    let divergence = inspector.divergence.as_ref().map(|divergence| {
        let difference = divergence.difference.as_ref().map(|d| {
            json!({
                "path": d.path.clone().unwrap_or_else(|| format!("variable {}", d.var)),
                "part": d.part, "recorded": d.recorded, "replayed": d.replayed,
            })
        });
        json!({
            "turn": divergence.turn_number,
            "event": divergence.event,
            "recorded": divergence.recorded.as_deref().map(|text| cut(text, ENTRY_MAX)),
            "replayed": divergence.replayed.as_deref().map(|text| cut(text, ENTRY_MAX)),
            "at": divergence.at,
            "difference": difference,
        })
    });
    json!({
        "done": true,
        "name": inspector.name,
        "engine": header.engine,
        "arch": header.arch,
        "session": header.session.0,
        "turns": turns.len(),
        "frames": sum(|turn| turn.frames.0 + turn.frames.1),
        "errors": sum(|turn| turn.errors),
        "ms": turns.last().map_or(0, |turn| ms(inspector, turn)),
        "notes": inspector.notes,
        "divergence": divergence,
        "activity": bars(turns, |turn| turn.made + turn.gone + turn.changed),
        "trouble": bars(turns, |turn| turn.errors),
    })
}

/// The turns in at most [`BARS`] groups, each with the sum over its turns.
fn bars(turns: &[TurnEntry], of: fn(&TurnEntry) -> u32) -> Vec<u64> {
    let count = turns.len().min(BARS);
    let part = |bar: usize| &turns[bar * turns.len() / count..(bar + 1) * turns.len() / count];
    let sum = |turns: &[TurnEntry]| turns.iter().map(|turn| u64::from(of(turn))).sum();
    (0..count).map(|bar| sum(part(bar))).collect()
}

/// Milliseconds since the recording began.
fn ms(inspector: &Inspector, turn: &TurnEntry) -> u64 {
    let first = inspector.index.turns.first();
    turn.turn.now - first.map_or(0, |first| first.turn.now)
}

fn entry(inspector: &Inspector, turn: u64) -> Option<&TurnEntry> {
    inspector.index.turns.get((turn as usize).checked_sub(1)?)
}

/// One line a turn.
pub fn turns(inspector: &Inspector, range: &str) -> Option<Value> {
    let (first, last) = range.split_once('-')?;
    let first: u64 = first.parse::<u64>().ok()?.max(1);
    let last = last.parse::<u64>().ok()?.min(first + ROWS_MAX as u64);
    let lines = (first..=last).map_while(|turn| {
        let entry = entry(inspector, turn)?;
        Some(json!({
            "turn": turn,
            "ms": ms(inspector, entry),
            "label": entry.label,
            "frames": entry.frames.0 + entry.frames.1,
            "changes": entry.made + entry.gone + entry.changed,
            "errors": entry.errors,
            "lines": inspector.index.lines_of(turn).len(),
        }))
    });
    Some(lines.collect())
}

/// All of a turn but its state.
pub fn turn(inspector: &mut Inspector, number: &str) -> Option<Value> {
    let number: u64 = number.parse().ok()?;
    let place = entry(inspector, number)?.place;
    let Inspector {
        reader,
        shown,
        index,
        ..
    } = &mut *inspector;
    let sent = &index.turns.get(number as usize - 1)?.sent;
    let mut entries = Vec::new();
    let records = reader.records_from(place);
    for (at, record) in (1..).zip(records.take_while(|record| record.turn_number == number)) {
        let secrets = shown.at(reader, &record);
        entries.push(secrets.event(&record.event, of_event));
        let outputs = record.outputs.iter().filter(|_| sent.is_empty());
        entries.extend(outputs.map(|output| secrets.output(output, of_output)));
        entries.extend(sent.iter().filter(|sent| sent.event == at).map(of_sent));
    }
    let inspector = &*inspector;
    let index = &inspector.index;
    let at = entry(inspector, number)?;
    let since = entry(inspector, number - 1).map_or(0, |before| at.turn.now - before.turn.now);
    let left_out = entries.len().saturating_sub(ENTRIES_MAX);
    entries.truncate(ENTRIES_MAX);
    let lines = index.lines_of(number).iter();
    let lines: Vec<_> = lines
        .map(|line| json!({ "level": line.level, "text": line.text }))
        .collect();
    let faults = index.tracks.iter().filter_map(|(id, track)| {
        let (since, moment) = track.at(number).filter(|(since, _)| *since == number)?;
        let fault = moment.fault()?;
        let before = track.at(since - 1).and_then(|(_, before)| before.fault());
        let path = variables::path_of(inspector, *id);
        (before != Some(fault)).then(|| json!({ "path": path, "text": fault }))
    });
    Some(json!({
        "turn": number,
        "ms": ms(inspector, at),
        "since": since,
        "wall": at.turn.wall,
        "label": at.label,
        "events": at.events,
        "made": at.made,
        "gone": at.gone,
        "changed": at.changed,
        "errors": at.errors,
        "entries": entries,
        "left_out": left_out,
        "lines": lines,
        "faults": faults.take(ROWS_MAX).collect::<Vec<_>>(),
    }))
}

fn of_event(event: &RawEvent<'_>) -> Value {
    match *event {
        RawEvent::Frame { connection, text } => one_entry(
            "in",
            &format!("page {connection}"),
            &show_frame("", text.as_bytes()),
        ),
        event => one_entry("event", "", &event.to_string()),
    }
}

fn of_output(output: &Output<'_>) -> Value {
    match output {
        Output::Frame { connection, text } => {
            one_entry("out", &format!("page {connection}"), &show_frame("", text))
        }
        Output::HostCalled { .. } => one_entry("host", "", &output.to_string()),
        _ => one_entry("effect", "", &output.to_string()),
    }
}

fn of_sent(sent: &Sent) -> Value {
    let (way, who) = match sent.page {
        Some(page) => ("out", format!("page {page}")),
        None if sent.is_call => ("host", String::new()),
        None => ("effect", String::new()),
    };
    json!({ "way": way, "who": who, "text": sent.text, "left_out": sent.left_out })
}

fn one_entry(way: &str, who: &str, text: &str) -> Value {
    let left_out = text.chars().count().saturating_sub(ENTRY_MAX);
    json!({ "way": way, "who": who, "text": cut(text, ENTRY_MAX), "left_out": left_out })
}

/// A history, as all have it: turns, values, and whether they are errors.
fn changes_of(
    inspector: &Inspector,
    path: String,
    changes: impl ExactSizeIterator<Item = (u64, String, bool)>,
) -> Value {
    let left_out = changes.len().saturating_sub(ROWS_MAX);
    let line = |(turn, value, failed)| {
        let ms = entry(inspector, turn).map_or(0, |entry| ms(inspector, entry));
        json!({ "turn": turn, "ms": ms, "value": value, "failed": failed })
    };
    let changes: Vec<Value> = changes.take(ROWS_MAX).map(line).collect();
    json!({ "path": path, "changes": changes, "left_out": left_out })
}

/// The next turn of a kind, forth or back.
pub fn find(inspector: &mut Inspector, rest: &str) -> Option<Value> {
    let mut parts = rest.splitn(4, '/');
    let from: u64 = parts.next()?.parse().ok()?;
    let forward = parts.next()? == "next";
    let what = parts.next()?;
    let wanted = parts.next().unwrap_or("").to_lowercase();
    let last = inspector.index.turns.len() as u64;
    let fits = |turn: &u64| {
        let Some(at) = entry(inspector, *turn) else {
            return false;
        };
        match what {
            "errors" => at.errors > 0,
            "changes" => at.made + at.gone + at.changed > 0,
            _ => says(inspector, *turn, wanted.as_bytes()),
        }
    };
    let turn = match forward {
        true => (from + 1..=last).find(fits),
        false => (1..from).rev().find(fits),
    };
    Some(json!({ "turn": turn }))
}

/// Whether a turn has this text somewhere: in its label, its frames, other events and effects, or the log.
fn says(inspector: &mut Inspector, turn: u64, wanted: &[u8]) -> bool {
    let Inspector {
        reader,
        shown,
        index,
        ..
    } = inspector;
    let Some(at) = index.turns.get(turn as usize - 1) else {
        return false;
    };
    let has = |text: &[u8]| contains(text, wanted);
    let in_event = |event: &RawEvent<'_>| match event {
        RawEvent::Frame { text, .. } => has(text.as_bytes()),
        event => has(event.to_string().as_bytes()),
    };
    let in_output = |output: &Output<'_>| match output {
        Output::Frame { text, .. } => has(text),
        other => has(other.to_string().as_bytes()),
    };
    // What is secret is not found; it is left out only where something else would be.
    let mut in_record = |record: Record<'_>| {
        let mut outputs = record.outputs.iter();
        if !in_event(&record.event) && !outputs.any(in_output) {
            return false;
        }
        let secrets = shown.at(reader, &record);
        let mut outputs = record.outputs.iter();
        secrets.event(&record.event, in_event)
            || outputs.any(|output| secrets.output(output, in_output))
    };
    let mut lines = index.lines_of(turn).iter();
    has(at.label.as_bytes())
        || at.sent.iter().any(|sent| has(sent.text.as_bytes()))
        || lines.any(|line| has(line.text.as_bytes()))
        || reader
            .records_from(at.place)
            .take_while(|record| record.turn_number == turn)
            .any(&mut in_record)
}

/// Whether a text is in another; ASCII letters are the same large and small.
fn contains(text: &[u8], wanted: &[u8]) -> bool {
    !wanted.is_empty()
        && text
            .windows(wanted.len())
            .any(|part| part.eq_ignore_ascii_case(wanted))
}
