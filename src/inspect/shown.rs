//! Shown: what of a recording may be seen, wherever in it one looks.

use crate::core::peek::{Held, Key, Root};
use crate::journal::{BLANK, Header, Place, Reader, Record, Secrets};

/// Follows the recording, since variables are told of once. Going back begins from the start.
#[derive(Debug)]
pub struct Shown {
    secrets: Secrets,
    place: Option<Place>,
    /// The last event that was heard.
    sequence: u64,
}

impl Shown {
    /// Before the first event.
    pub fn new(header: &Header) -> Shown {
        Shown {
            secrets: Secrets::of(header),
            place: None,
            sequence: 0,
        }
    }

    /// What is secret when the event of this record has happened.
    pub fn at(&mut self, reader: &Reader, record: &Record<'_>) -> &mut Secrets {
        if record.sequence < self.sequence {
            *self = Shown::new(reader.header());
        }
        let mut records = match self.place {
            Some(place) => reader.records_from(place),
            None => reader.records(),
        };
        while self.sequence < record.sequence
            && let Some(next) = records.next()
        {
            self.secrets.hear(&next.event);
            self.sequence = next.sequence;
        }
        self.place = Some(records.place());
        &mut self.secrets
    }
}

/// What a field holds, in the words of a page, unless it is secret. `path`: the way to its object.
pub fn describe(secrets: &Secrets, root: Root, path: &[Key], key: &Key, held: &Held) -> String {
    if !is_empty(held) && is_secret(secrets, root, path, key) {
        return BLANK.into();
    }
    match held {
        Held::Plain(json) => json.to_string(),
        Held::Opaque(kind) => (*kind).into(),
        Held::Object {
            type_name, length, ..
        } => match (&**type_name, length) {
            ("", 0) => "{}".into(),
            ("", length) => format!("array of {length}"),
            (name, _) => name.into(),
        },
    }
}

/// Nothing is no secret.
fn is_empty(held: &Held) -> bool {
    matches!(held, Held::Plain(json) if matches!(&**json, "null" | "nil" | "\"\""))
}

/// Whether a field is secret: by its way from the app, or by its name alone.
pub fn is_secret(secrets: &Secrets, root: Root, path: &[Key], key: &Key) -> bool {
    if !secrets.are_there() {
        return false;
    }
    let names: Vec<String> = path.iter().chain([key]).map(name).collect();
    if names.iter().any(|name| secrets.is_name(name)) {
        return true;
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    root == Root::App && secrets.is_secret(&names, "")
}

/// As patterns have it: places in arrays count from 0 there.
fn name(key: &Key) -> String {
    match key {
        Key::Index(index) => (index - 1).to_string(),
        Key::Name(name) | Key::Other(name) => name.to_string(),
    }
}
