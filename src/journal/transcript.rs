//! A recording as text that people and `diff` can read.

use std::fmt::{self, Write};

use serde_json::value::RawValue;

use super::secrets::variables;
use super::{Detail, Header, Output, RawEvent, RawPiece, Reader, Record, Secrets, decode_edits};
use crate::core::download::Demand;
use crate::core::event::{Opening, Turn};
use crate::core::id::ConnectionId;
use crate::core::legible::legible;

/// The exact turns, events and frames. `>` is what a connection sent, `<` what it was sent; a frame
/// of several messages has a line for each, and below it where the variables are that it is about. [`Secrets`]
/// are left out. The same recording always gives the same text.
pub fn transcript(reader: &Reader) -> String {
    let mut shown = Transcript {
        out: String::new(),
        secrets: Secrets::of(reader.header()),
    };
    push_header(&mut shown.out, reader.format(), reader.header());
    let mut turn_number = 0;
    for record in reader.records() {
        shown.begin_turn(record.turn_number, record.turn, &mut turn_number);
        shown.push_record(&record);
    }
    if let Some(last) = reader.interrupted() {
        shown.begin_turn(last.turn_number, last.turn, &mut turn_number);
        shown.push_event(&last.event);
        for output in &last.answered {
            shown.push_output(output);
        }
        push_line(
            &mut shown.out,
            format_args!("  host: {} -> interrupted", last.call),
        );
    }
    let mut out = shown.out;
    if reader.torn_bytes() > 0 {
        let (torn, whole) = (reader.torn_bytes(), reader.whole_bytes());
        push_line(
            &mut out,
            format_args!("\ntorn: {torn} bytes of an unfinished record after byte {whole}"),
        );
    }
    out
}

/// A transcript as far as it got.
struct Transcript {
    out: String,
    secrets: Secrets,
}

impl Transcript {
    fn begin_turn(&mut self, number: u64, turn: Turn, last: &mut u64) {
        if number != std::mem::replace(last, number) {
            let Turn { now, wall } = turn;
            push_line(
                &mut self.out,
                format_args!("\nturn {number} now {now} wall {wall}"),
            );
        }
    }

    fn push_record(&mut self, record: &Record<'_>) {
        self.push_event(&record.event);
        for output in &record.outputs {
            self.push_output(output);
        }
        if let Some(digest) = record.digest {
            push_line(&mut self.out, format_args!("  {digest}"));
        }
    }

    fn push_event(&mut self, event: &RawEvent<'_>) {
        // Creates are understood with the variables they create.
        self.secrets.hear(event);
        let shown = self.secrets.event(event, |event| event.to_string());
        push_line(&mut self.out, format_args!("{shown}"));
        if let RawEvent::Frame { connection, text } = *event {
            self.push_places("", connection, text.as_bytes());
        }
    }

    fn push_output(&mut self, output: &Output<'_>) {
        let shown = self.secrets.output(output, |output| output.to_string());
        let shown = shown.replace('\n', "\n  ");
        push_line(&mut self.out, format_args!("  {shown}"));
        if let Output::Frame { connection, text } = *output {
            self.push_places("  ", connection, text);
        }
    }

    /// Tells where the variables of a frame are.
    fn push_places(&mut self, indent: &str, connection: ConnectionId, text: &[u8]) {
        let about = variables(&String::from_utf8_lossy(text));
        let places = about.iter().filter_map(|&var| {
            let path = self.secrets.paths().of(connection, var)?;
            Some(format!("{var} is {}", one_line(&path)))
        });
        let places: Vec<String> = places.collect();
        if !places.is_empty() {
            let below = " ".repeat(format!("{connection} > ").len());
            let places = places.join(", ");
            push_line(&mut self.out, format_args!("{indent}{below}({places})"));
        }
    }
}

fn push_header(out: &mut String, format: u16, header: &Header) {
    let Header {
        engine,
        build,
        arch,
        pointer_bits,
        arena_class,
        dialect,
        sid,
        started,
        detail,
        session,
        limits,
        site,
        secret,
        owner,
    } = header;
    push_line(out, format_args!("recording format {format}"));
    let build = match build.as_str() {
        "" => String::new(),
        build => format!(" build {build}"),
    };
    push_line(
        out,
        format_args!(
            "engine {engine}{build}, {arch}, {pointer_bits} bits, arena class {arena_class}, {dialect}"
        ),
    );
    push_line(out, format_args!("session {session}"));
    if !owner.is_empty() {
        push_line(out, format_args!("of the user {}", one_line(owner)));
    }
    if !sid.is_empty() {
        push_line(out, format_args!("address /{sid}, begun at {started}"));
    }
    if *detail == Detail::Digest {
        push_line(
            out,
            format_args!("frames sent are not in it, only their digests"),
        );
    }
    push_line(out, format_args!("{limits:?}"));
    if !secret.is_empty() {
        push_line(out, format_args!("secret {}", secret.join(", ")));
    }
    for (path, content) in site.files() {
        let (size, check) = (content.len(), crc32c::crc32c(content));
        push_line(out, format_args!("file {path} {size} bytes {check:08x}"));
    }
}

impl fmt::Display for RawEvent<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RawEvent::SessionOpened(opening) => {
                let Opening { seed, url, .. } = opening;
                write!(f, "opened seed {seed:016x} at {url}")
            }
            RawEvent::FrontendJoined { connection } => write!(f, "{connection} joined"),
            RawEvent::FrontendLeft { connection } => write!(f, "{connection} left"),
            RawEvent::Frame { connection, text } => {
                f.write_str(&show_frame(&format!("{connection} > "), text.as_bytes()))
            }
            RawEvent::TimersDue => f.write_str("timers due"),
            RawEvent::MessagePublished { topic, value, .. } => {
                write!(f, "message {} {}", one_line(topic), one_line(value))
            }
            RawEvent::Download { demand, .. } => match demand {
                Demand::Next => f.write_str("download: next piece"),
                Demand::Dropped => f.write_str("download: dropped"),
            },
            RawEvent::Upload { upload, news } => write!(f, "upload {upload} {news}"),
            RawEvent::Process { process, news } => write!(f, "process {process} {news}"),
            RawEvent::Ended { reason } => write!(f, "ended: {}", one_line(reason)),
            RawEvent::SiteChanged { edits } => {
                f.write_str("site changed")?;
                for (path, content) in decode_edits(edits).unwrap_or_default() {
                    match content {
                        Some(content) => {
                            let (size, check) = (content.len(), crc32c::crc32c(&content));
                            write!(f, "\n  file {path} {size} bytes {check:08x}")?;
                        }
                        None => write!(f, "\n  file {path} removed")?,
                    }
                }
                Ok(())
            }
        }
    }
}

impl fmt::Display for Output<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Output::Frame { connection, text } => {
                f.write_str(&show_frame(&format!("{connection} < "), text))
            }
            Output::Close {
                connection,
                code,
                reason,
            } => write!(f, "{connection} closed {code} {}", one_line(reason)),
            Output::SessionFailed { description } => {
                write!(f, "session failed: {}", one_line(description))
            }
            Output::SessionEnded => f.write_str("session ended"),
            Output::Published {
                topic,
                value,
                retain,
            } => {
                let retained = if *retain { " (retained)" } else { "" };
                write!(
                    f,
                    "published {} {}{retained}",
                    one_line(topic),
                    one_line(value)
                )
            }
            Output::Download { piece, .. } => match piece {
                RawPiece::Begin { name, mime } => write!(f, "download {} {mime}", one_line(name)),
                RawPiece::Data(data) => write!(
                    f,
                    "download {} bytes {:08x}",
                    data.len(),
                    crc32c::crc32c(data)
                ),
                RawPiece::End => f.write_str("download ends"),
                RawPiece::Failed(reason) => write!(f, "download fails: {}", one_line(reason)),
            },
            Output::HostCalled { call, answer } => write!(f, "host: {call} -> {answer}"),
            Output::Upload { upload, action } => write!(f, "upload {upload}: {action}"),
            Output::Saved { data } => write!(f, "saved {data}"),
            Output::Process { process, action } => write!(f, "process {process}: {action}"),
        }
    }
}

fn push_line(out: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing into a String cannot fail.
    let _ = writeln!(out, "{line}");
}

/// `lead` and a frame. The messages of an array stand below one another; nothing else of the frame's
/// bytes is changed, but control characters are shown as escapes.
pub fn show_frame(lead: &str, frame: &[u8]) -> String {
    let text = String::from_utf8_lossy(frame);
    let Some(messages) = messages(&text) else {
        return format!("{lead}{}", one_line(&text));
    };
    let indent = format!(",\n{}", " ".repeat(lead.len() + 1));
    let lines: Vec<String> = messages.iter().map(|m| one_line(m.get())).collect();
    format!("{lead}[{}]", lines.join(&indent))
}

/// The messages of a frame that is an array without white space between them.
fn messages(text: &str) -> Option<Vec<&RawValue>> {
    if !text.starts_with('[') {
        return None;
    }
    let messages: Vec<&RawValue> = serde_json::from_str(text).ok()?;
    let length: usize = messages.iter().map(|m| m.get().len() + 1).sum();
    (length + 1 == text.len()).then_some(messages)
}

/// The text with all its control characters escaped.
pub(super) fn one_line(text: &str) -> String {
    legible(text, &[])
}
