//! Labels: what happened in a turn, in a few words that a person reads at a glance.

use super::index::Index;
use crate::core::id::{APP, ConnectionId, WireId};
use crate::core::message::Message;
use crate::journal::{BLANK, RawEvent, Record};
use crate::wire;

/// Letters of a value, and of the label of a turn.
const VALUE_MAX: usize = 40;
const LABEL_MAX: usize = 120;

/// What one event was. The index has the variables as they were after its turn.
pub fn of(record: &Record<'_>, index: &Index) -> String {
    match record.event {
        RawEvent::SessionOpened(opening) => format!("session begins at {}", opening.url),
        RawEvent::FrontendJoined { connection } => format!("page {connection} comes"),
        RawEvent::FrontendLeft { connection } => format!("page {connection} goes"),
        RawEvent::Frame { connection, text } => of_frame(connection, text, index),
        RawEvent::TimersDue => "timer".into(),
        RawEvent::MessagePublished { topic, .. } => format!("message of {topic}"),
        // Their transcript begins with words.
        _ => first_line(&record.event.to_string()).into(),
    }
}

/// The labels of a turn's events in one.
pub fn join(labels: Vec<String>) -> String {
    let mut joined = String::new();
    let mut last = "";
    for label in &labels {
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
fn of_frame(connection: ConnectionId, text: &str, index: &Index) -> String {
    let mut done = Vec::new();
    let mut templates = Vec::new();
    let (mut made, mut gone, mut others) = (0, 0, 0);
    for message in wire::read_batch(text).messages {
        match message {
            Message::Update {
                var,
                value: Some(value),
                ..
            } => done.push(of_write(connection, var, &value.0, index)),
            Message::Update {
                var, properties, ..
            } => {
                let path = name(connection, var, index);
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

fn of_write(connection: ConnectionId, var: WireId, value: &str, index: &Index) -> String {
    let path = name(connection, var, index);
    let known = index.named(connection.0, var);
    let value = match known {
        Some((id, _)) => index.shown(id, value),
        None if index.secrets.are_there() => BLANK.into(),
        None => value.to_owned(),
    };
    let value = cut(&value, VALUE_MAX);
    match path.ends_with(')') {
        true if value == "null" => format!("call {path}"),
        true => format!("call {path} with {value}"),
        false => format!("set {path} = {value}"),
    }
}

/// A variable by its path. Pages are numbered as they came, by both core and recordings.
fn name(connection: ConnectionId, var: WireId, index: &Index) -> String {
    let path = index
        .named(connection.0, var)
        .map(|(id, _)| index.full_path(id));
    match path {
        Some(path) if !path.is_empty() => path,
        _ if var == APP.0 => "app".into(),
        _ => format!("variable {var}"),
    }
}
