//! Words: what an event was, in a few words that a person reads at a glance, and long texts by their
//! beginning. For those who look into recordings and into sessions that run.

use std::borrow::Cow;

use super::RawEvent;
use crate::core::id::{APP, ConnectionId, WireId};
use crate::core::message::Message;
use crate::wire;

/// Letters of a value, and of the label of a turn.
const VALUE_MAX: usize = 40;
const LABEL_MAX: usize = 120;

/// Who knows what pages' variables are. Pages have the numbers of their connections in a recording.
pub trait Names {
    /// The path from the app on of what page `page` calls `var`.
    fn path(&self, page: ConnectionId, var: WireId) -> Option<String>;

    /// JSON of a value of it, as it may be seen.
    fn shown(&self, page: ConnectionId, var: WireId, value: &str) -> String;
}

/// What an event was. The names are those of after its turn.
pub fn label(event: &RawEvent<'_>, names: &dyn Names) -> String {
    match *event {
        RawEvent::SessionOpened(opening) => format!("session begins at {}", opening.url),
        RawEvent::FrontendJoined { connection } => format!("page {connection} comes"),
        RawEvent::FrontendLeft { connection } => format!("page {connection} goes"),
        RawEvent::Frame { connection, text } => of_frame(connection, text, names),
        RawEvent::TimersDue => "timer".into(),
        RawEvent::MessagePublished { topic, .. } => format!("message of {topic}"),
        // Their transcript begins with words.
        event => first_line(&event.to_string()).into(),
    }
}

/// The labels of a turn's events in one.
pub fn join_labels(labels: &[String]) -> String {
    let mut joined = String::new();
    let mut last = "";
    for label in labels {
        if label == last {
            continue;
        }
        if !joined.is_empty() {
            joined.push_str("; ");
        }
        joined.push_str(label);
        last = label;
    }
    cut(&joined, LABEL_MAX)
}

/// The text, or its first letters.
pub fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or("")
}

/// What a page did. Calls and writes are what a person did; the rest is told if there is nothing else.
fn of_frame(connection: ConnectionId, text: &str, names: &dyn Names) -> String {
    let mut done = Vec::new();
    let mut templates = Vec::new();
    let (mut made, mut gone, mut others) = (0, 0, 0);
    for message in wire::read_batch(text).messages {
        match message {
            Message::Update {
                var,
                value: Some(value),
                ..
            } => done.push(of_write(connection, var, &value.0, names)),
            Message::Update {
                var, properties, ..
            } => {
                let path = name(connection, var, names);
                for (name, value) in properties {
                    match &*name {
                        "viewdef" => templates.push(format!("{path} as {value}")),
                        _ => done.push(format!("{name} of {path} = {}", cut(&value, VALUE_MAX))),
                    }
                }
            }
            Message::Create { .. } => made += 1,
            Message::Destroy { .. } => gone += 1,
            Message::Complaint { description, .. } => {
                done.push(format!("complaint: {}", first_line(&description)));
            }
            Message::Bad { .. } => done.push("a message that cannot be read".into()),
            Message::Unread { count } => done.push(format!("{count} more that cannot be read")),
            Message::Watch { .. }
            | Message::Unwatch { .. }
            | Message::Get { .. }
            | Message::GetObjects { .. } => others += 1,
        }
    }
    if let (true, Some(template)) = (done.is_empty(), templates.first()) {
        done.push(format!("page {connection} shows {template}"));
    }
    let counts = [(made, "shows"), (gone, "lets go of"), (others, "asks for")];
    if let (true, Some((count, what))) = (done.is_empty(), counts.iter().find(|(n, _)| *n > 0)) {
        let plural = if *count == 1 { "" } else { "s" };
        done.push(format!("page {connection} {what} {count} variable{plural}"));
    }
    done.join(", ")
}

fn of_write(connection: ConnectionId, var: WireId, value: &str, names: &dyn Names) -> String {
    let path = name(connection, var, names);
    let value = names.shown(connection, var, value);
    let value = cut(&value, VALUE_MAX);
    match path.ends_with(')') {
        true if value == "null" => format!("call {path}"),
        true => format!("call {path} with {value}"),
        false => format!("set {path} = {value}"),
    }
}

/// A variable by its path.
fn name(connection: ConnectionId, var: WireId, names: &dyn Names) -> String {
    match names.path(connection, var) {
        Some(path) if !path.is_empty() => path,
        _ if var == APP.0 => "app".into(),
        _ => format!("variable {var}"),
    }
}

/// A text as it is kept: of a long one its first `most` bytes, length and checksum, so that it is told from others.
pub fn shorten(text: &[u8], most: usize) -> Cow<'_, str> {
    if text.len() <= most {
        return String::from_utf8_lossy(text);
    }
    let start = String::from_utf8_lossy(&text[..most]);
    let (length, check) = (text.len(), crc32c::crc32c(text));
    format!("{start} … ({length} bytes, {check:08x})").into()
}
