//! What is read as text: frames of messages, paths of files and of variables, viewdefs.

use std::collections::BTreeMap;

use lunette::core::message::{Batch, Json, Message};
use lunette::core::path::{Path, split_properties};
use lunette::core::site::Site;
use lunette::core::viewdef::Viewdefs;
use lunette::net::static_path::static_name;
use lunette::testing::template::{Template, parse_binding};
use lunette::wire::read_batch;
use serde_json::Value;
use serde_json::value::RawValue;

use super::class;

/// A frame has a message for each that it holds, whatever is wrong with them, and the values in them are JSON.
pub fn message(data: &[u8]) -> u64 {
    let text = String::from_utf8_lossy(data);
    let Batch {
        user_event,
        messages,
    } = read_batch(&text);
    if let Ok(array) = serde_json::from_str::<Vec<&RawValue>>(&text) {
        assert_eq!(messages.len(), array.len());
    }
    let kinds: Vec<_> = messages.iter().map(kind).collect();
    let told = kinds.iter().take(3).collect::<Vec<_>>();
    class((user_event, kinds.len().min(4), told))
}

fn kind(message: &Message) -> (u8, bool, usize, String) {
    let check = |value: &Option<Json>| {
        if let Some(Json(text)) = value {
            // Numbers beyond all others are JSON, and no value of this crate's.
            serde_json::from_str::<&RawValue>(text).expect("JSON inside of a message");
        }
        value.is_some()
    };
    let none = String::new;
    match message {
        Message::Create {
            properties, value, ..
        } => (1, check(value), properties.len().min(4), none()),
        Message::Update {
            properties, value, ..
        } => (2, check(value), properties.len().min(4), none()),
        Message::Watch { .. } => (3, false, 0, none()),
        Message::Unwatch { .. } => (4, false, 0, none()),
        Message::Destroy { .. } => (5, false, 0, none()),
        Message::Get { vars } => (6, false, vars.len().min(4), none()),
        Message::GetObjects { objects } => (7, false, objects.len().min(4), none()),
        Message::Complaint { .. } => (8, false, 0, none()),
        Message::Bad { description, .. } => {
            let words = description.split(|c: char| !c.is_ascii_lowercase());
            (
                9,
                false,
                0,
                words.filter(|word| !word.is_empty()).take(3).collect(),
            )
        }
        Message::Unread { .. } => unreachable!("nothing bounds what is read here"),
    }
}

/// A name leads nowhere but into the folder, and is the same when it is encoded in another way.
pub fn static_path(data: &[u8]) -> u64 {
    // What else is in a request's target has been refused with it.
    let ascii = data.iter().map(|b| char::from(b & 0x7f));
    let ascii: String = ascii
        .filter(|c| c.is_ascii_graphic() && !"\"<>#\\?".contains(*c))
        .collect();
    let path = format!("/{}", ascii.trim_start_matches('/'));
    match static_name(&path) {
        Err(refusal) => class(refusal.reason),
        Ok(name) => {
            let parts: Vec<_> = name.split('/').collect();
            let good = |part: &&str| !part.is_empty() && !part.starts_with('.');
            assert!(name.is_empty() || parts.iter().all(good), "{path}: {name}");
            assert!(
                !name.contains(|c: char| c == '\\' || c.is_ascii_control()),
                "{path}: {name}"
            );
            let encode = |part: &&str| {
                part.bytes()
                    .map(|b| format!("%{b:02X}"))
                    .collect::<String>()
            };
            let encoded: Vec<_> = parts.iter().map(encode).collect();
            assert_eq!(
                static_name(&format!("/{}", encoded.join("/"))),
                Ok(name.clone()),
                "{path}"
            );
            class((parts.len().min(5), name.is_ascii(), name.is_empty()))
        }
    }
}

/// A path that can be read has one spelling, which means the same.
pub fn path(data: &[u8]) -> u64 {
    let text = String::from_utf8_lossy(data);
    let (front, properties) = split_properties(&text);
    let (bound, _) = parse_binding(&text);
    assert_eq!(bound, front.trim());
    match Path::parse(front) {
        Err(error) => class((
            std::mem::discriminant(&error),
            error.to_string().len().min(90) / 8,
        )),
        Ok(path) => {
            let spelled = path.to_string();
            assert_eq!(
                Path::parse(&spelled).as_ref(),
                Ok(&path),
                "{front} is spelled {spelled}"
            );
            let mut names = Vec::new();
            path.registered_names(&mut names);
            class((
                (path.ends_in_call(), path.is_setter(), path.is_private()),
                names.len().min(3),
                properties.len().min(3),
                spelled.len().ilog2_or_zero(),
            ))
        }
    }
}

trait Log {
    fn ilog2_or_zero(self) -> u32;
}

impl Log for usize {
    fn ilog2_or_zero(self) -> u32 {
        self.checked_ilog2().unwrap_or(0)
    }
}

/// A viewdef arrives in the page as it was written, and what `lunette test` sees in it are bindings that can be read.
pub fn viewdef(data: &[u8]) -> u64 {
    let template = Template::compile(&String::from_utf8_lossy(data));
    let seen = format!("{template:?}");
    let content = data.to_vec();
    let site = Site::new(BTreeMap::from([(
        "viewdefs/T.DEFAULT.html".to_owned(),
        content,
    )]));
    let viewdefs = Viewdefs::new(&site);
    let told = viewdefs.has("T");
    if told {
        let mut out = Vec::new();
        viewdefs.push_property(["T"].into_iter(), &mut out);
        let property: Value = serde_json::from_slice(&out).expect("JSON");
        let inner = property["viewdefs"].as_str().expect("a text");
        let inner: Value = serde_json::from_str(inner).expect("JSON in the text");
        assert_eq!(inner["T.DEFAULT"].as_str().map(str::as_bytes), Some(data));
    }
    class((
        told,
        viewdefs.problems.len(),
        seen.len().ilog2_or_zero(),
        seen.matches("Deed").count().min(4),
        seen.matches("Slot").count().min(4),
    ))
}
