//! The first thing about which two frames differ.

use serde_json::Value;

use crate::core::id::WireId;

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

/// The first place where two frames differ, told as the frames may be shown.
pub(super) fn shown_difference(
    frames: (&[u8], &[u8]),
    shown: (&[u8], &[u8]),
) -> Option<Difference> {
    first_difference(shown.0, shown.1).or_else(|| {
        // What may be shown is the same: it is a secret that differs.
        Some(Difference {
            recorded: "a secret".into(),
            replayed: "another".into(),
            ..first_difference(frames.0, frames.1)?
        })
    })
}

/// The first place where two frames say different things.
pub(super) fn first_difference(recorded: &[u8], replayed: &[u8]) -> Option<Difference> {
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
