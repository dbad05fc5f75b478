//! Answers about objects: one of them after a turn, what the turn changed in all, and when a field changed.

use serde_json::{Value, json};

use super::{ROWS_MAX, changes_of, entry};
use crate::core::peek::{Held, Key, Root};
use crate::inspect::objects::{Found, Snapshot};
use crate::inspect::probe::Probe;
use crate::inspect::shown::{describe, is_secret};
use crate::inspect::{Inspector, WORK_PER_ANSWER};
use crate::journal::Secrets;

/// An object after a turn, and what the turn changed in all objects.
pub fn objects(inspector: &mut Inspector, rest: &str) -> Option<Value> {
    let mut parts = rest.splitn(3, '/');
    let turn: u64 = parts.next()?.parse().ok()?;
    entry(inspector, turn)?;
    let root = match parts.next()? {
        "app" => Root::App,
        number => Root::Number(number.parse().ok()?),
    };
    let path = read_path(parts.next().unwrap_or("[]"))?;
    let secrets = &inspector.index.secrets;
    let found = inspector
        .window
        .at(&inspector.reader, turn, WORK_PER_ANSWER);
    let Some((now, before)) = found.ok()? else {
        return Some(json!({ "pending": true }));
    };
    let changed: Vec<Value> = now
        .differing(before)
        .into_iter()
        .flat_map(|(now, before)| differing_fields(now, before, secrets))
        .collect();
    let hidden = path
        .split_last()
        .is_some_and(|(key, path)| is_secret(secrets, root, path, key));
    let found = now.object(root, &path).filter(|_| !hidden);
    let mut answer = match found {
        Some(found) => of_object(found, (now, before), (root, &path), secrets),
        None => json!({ "missing": true }),
    };
    answer["crumbs"] = crumbs(root, &path);
    answer["count"] = now.len().into();
    answer["is_cut"] = now.is_cut.into();
    answer["changed_left_out"] = changed.len().saturating_sub(ROWS_MAX).into();
    answer["changed"] = changed.into_iter().take(ROWS_MAX).collect();
    Some(answer)
}

/// The way to an object as links to what lies on it.
fn crumbs(root: Root, path: &[Key]) -> Value {
    let first = match root {
        Root::App => "app".to_owned(),
        Root::Number(number) => format!("object {number}"),
    };
    let crumb = |length: usize| match length.checked_sub(1) {
        None => json!({ "name": first, "path": "[]" }),
        Some(last) => json!({ "name": key_text(&path[last]), "path": write_path(&path[..length]) }),
    };
    (0..=path.len()).map(crumb).collect()
}

fn of_object(
    found: &Found,
    (now, before): (&Snapshot, &Snapshot),
    (root, path): (Root, &[Key]),
    secrets: &Secrets,
) -> Value {
    let describe = |key: &Key, held: &Held| describe(secrets, root, path, key, held);
    let object = &found.object;
    // What was at this way before, be it the same object or not.
    let was = before.object(root, path).map(|was| &was.object);
    let mut fields: Vec<Value> = Vec::new();
    for (key, held) in object.fields.iter().take(ROWS_MAX) {
        let old = was.and_then(|was| was.field(key));
        let mark = match (was, old) {
            (None, _) => "",
            (Some(_), None) => "new",
            (Some(_), Some(old)) if old != held => "changed",
            (Some(_), Some(_)) => "",
        };
        let mut to = path.to_vec();
        to.push(key.clone());
        let is_object = matches!(held, Held::Object { .. })
            && now.object(root, &to).is_some()
            && !is_secret(secrets, root, path, key);
        fields.push(json!({
            "key": key_text(key),
            "value": describe(key, held),
            "was": old.filter(|_| mark == "changed").map(|old| describe(key, old)).filter(|was| *was != describe(key, held)),
            "mark": mark,
            "object": is_object,
            "path": write_path(&to),
            "can_follow": root == Root::App && !matches!(key, Key::Other(_)),
        }));
    }
    let gone = was.into_iter().flat_map(|was| &was.fields);
    for (key, held) in gone.filter(|(key, _)| object.field(key).is_none()) {
        fields.push(json!({ "key": key_text(key), "value": describe(key, held), "mark": "gone", "object": false }));
    }
    json!({
        "kind": object.type_name,
        "number": object.number,
        "length": object.length,
        "fields": fields,
        "left_out": object.left_out + object.fields.len().saturating_sub(ROWS_MAX),
    })
}

fn differing_fields(now: &Found, before: &Found, secrets: &Secrets) -> Vec<Value> {
    let mut keys: Vec<&Key> = now
        .object
        .fields
        .iter()
        .chain(&before.object.fields)
        .map(|(k, _)| k)
        .collect();
    keys.sort_unstable();
    keys.dedup();
    let differs = |key: &&Key| now.object.field(key) != before.object.field(key);
    let show = |key: &Key, held: Option<&Held>| {
        held.map(|held| describe(secrets, now.root, &now.path, key, held))
    };
    let one = |key: &Key| {
        json!({
            "name": way_text(now, key),
            "root": match now.root { Root::App => json!("app"), Root::Number(n) => json!(n) },
            "path": write_path(&now.path),
            "kind": now.object.type_name,
            "was": show(key, before.object.field(key)),
            "value": show(key, now.object.field(key)),
        })
    };
    keys.into_iter().filter(differs).map(one).collect()
}

fn way_text(found: &Found, key: &Key) -> String {
    let mut text = match found.root {
        Root::App => String::new(),
        Root::Number(number) => format!("object {number}"),
    };
    for key in found.path.iter().chain([key]) {
        push_key(&mut text, key);
    }
    text
}

fn push_key(text: &mut String, key: &Key) {
    if !text.is_empty() && matches!(key, Key::Name(_)) {
        text.push('.');
    }
    text.push_str(&key_text(key));
}

fn key_text(key: &Key) -> String {
    match key {
        Key::Index(index) => format!("[{index}]"),
        Key::Name(name) => name.to_string(),
        Key::Other(text) => format!("[{text}]"),
    }
}

/// A way as JSON: texts are names, numbers places.
fn write_path(path: &[Key]) -> String {
    let keys = path.iter().map(|key| match key {
        Key::Index(index) => json!(index),
        Key::Name(name) | Key::Other(name) => json!(name),
    });
    keys.collect::<Value>().to_string()
}

fn read_path(text: &str) -> Option<Vec<Key>> {
    let keys: Vec<Value> = serde_json::from_str(text).ok()?;
    let key = |key: Value| match key {
        Value::String(name) => Some(Key::Name(name.into())),
        key => key.as_i64().map(Key::Index),
    };
    keys.into_iter().map(key).collect()
}

/// When a field of an object changed, be it of the same object or another at its place.
pub fn field(inspector: &mut Inspector, path: &str) -> Option<Value> {
    let path = read_path(path)?;
    let mut probe = match inspector.probe.take() {
        Some(probe) if probe.path() == path => probe,
        _ => Probe::new(&inspector.reader, path).ok()?,
    };
    let pending = probe.go_on(&inspector.reader, &inspector.index, WORK_PER_ANSWER);
    let answer = match pending {
        Some(turn) => json!({ "pending": true, "turn": turn }),
        None => {
            let mut name = String::new();
            probe.path().iter().for_each(|key| push_key(&mut name, key));
            let changes = probe.changes().iter();
            let changes = changes.map(|(turn, value)| (*turn, value.clone(), false));
            changes_of(inspector, name, changes)
        }
    };
    inspector.probe = Some(probe);
    Some(answer)
}
