//! Frames to messages and back: the only place that knows the protocol's spelling.
//!
//! Value JSON itself is made in core and the script, straight into the output buffer; here it is
//! copied between the protocol's own words.
//!
//! # Beyond the base protocol
//!
//! A client that wants them asks, variable by variable, with properties of its `create`; one that
//! does not never sees them.
//!
//! - `delta=true`: an `update` may carry `pieces` in place of `value` when the value is an array and
//!   so was the one told before, whichever is shorter. Pieces are what the new array consists of, in
//!   order: two numbers `START,COUNT` are COUNT elements of the old array from index START on, with a
//!   negative COUNT going down from there; an array is new elements. Of `[a,b,c,d]`, `[[x],0,4]` makes
//!   `[x,a,b,c,d]`, `[0,1,2,2]` makes `[a,c,d]`, `[3,-4]` makes `[d,c,b,a]`. After `watch`, `get`, or
//!   a write of the client's own the value comes whole.
//! - `identity=true`, on a variable with a `lua.ViewList` wrapper: the client addresses rows by their
//!   items, each in a variable of its own (`create` without a path, `"value":{"obj":N}`, below the
//!   `items` variable), and not by index. Items then stay the same as far as possible: an element
//!   that is new takes over an item whose element is gone. `not-found` on such a `create` means that
//!   the item is gone, and that a newer array says so.
//! - `window=N`, on the same: `items` has N elements at first; setting property `range` to `FIRST` or
//!   `FIRST-LAST` (counted from 0, both included) moves them, at most four times N. Fields `count` and
//!   `first` of the list say how long the whole array is and where `items` begins.
//! - `fields=true`, on a variable that is called: when its method refuses single fields, `error` has a
//!   `detail` with their names and texts, `{"fields":{"NAME":"text"}}`, whether variables show them or
//!   not. `description` is, as ever, what no variable shows, and may be empty here.
//!
//! After a batch of creates and destroys alone, of a client that has used one of the first two, only
//! what it made is read, unless that runs code: method paths of others are not called for it.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::core::batch::{OutgoingBatch, OutgoingMessage};
use crate::core::json;
use crate::core::message::{Batch, Json, Message, PropertyList};
use crate::core::script::ErrorCode;

/// Reads one text frame of a frontend. Never fails: what cannot be read becomes
/// [`Message::Bad`], which core answers with an error.
pub fn read_batch(text: &str) -> Batch {
    read_batch_with(text, usize::MAX)
}

/// The same, for a session that is told at most so many errors at once: how many more messages cannot be read is
/// counted. What comes of it is the same, and takes less.
pub fn read_batch_with(text: &str, errors: usize) -> Batch {
    match text.trim_start().as_bytes().first() {
        Some(b'[') => match serde_json::from_str::<Vec<&RawValue>>(text) {
            Ok(messages) => Batch {
                user_event: false,
                messages: read_messages(&messages, errors),
            },
            Err(error) => bad_frame(&error),
        },
        Some(b'{') => read_object(text, errors),
        _ => Batch {
            user_event: false,
            messages: vec![bad(0, "a frame must be a JSON object or array".into())],
        },
    }
}

fn bad(var: i64, description: String) -> Message {
    Message::Bad { var, description }
}

fn bad_frame(error: &serde_json::Error) -> Batch {
    Batch {
        user_event: false,
        messages: vec![bad(0, format!("not a frame of messages: {error}"))],
    }
}

/// A batch or a single message.
#[derive(Deserialize)]
struct RawFrame<'a> {
    #[serde(rename = "userEvent", default)]
    user_event: Option<bool>,
    #[serde(borrow, default)]
    messages: Option<Vec<&'a RawValue>>,
    #[serde(rename = "type", borrow, default)]
    kind: Option<&'a RawValue>,
}

fn read_object(text: &str, errors: usize) -> Batch {
    let frame: RawFrame = match serde_json::from_str(text) {
        Ok(frame) => frame,
        Err(error) => return bad_frame(&error),
    };
    match (frame.messages, frame.kind) {
        (Some(messages), _) => Batch {
            user_event: frame.user_event.unwrap_or(false),
            messages: read_messages(&messages, errors),
        },
        (None, Some(_)) => Batch {
            user_event: false,
            messages: vec![read_message(text)],
        },
        (None, None) => Batch {
            user_event: frame.user_event.unwrap_or(false),
            messages: match frame.user_event {
                Some(_) => Vec::new(),
                None => vec![bad(0, "a frame needs \"messages\" or \"type\"".into())],
            },
        },
    }
}

#[derive(Deserialize)]
#[serde(expecting = "an object with type and data")]
struct RawMessage<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct CreateData<'a> {
    id: i64,
    #[serde(default)]
    parent_id: i64,
    #[serde(default)]
    properties: Pairs,
    #[serde(default)]
    nowatch: bool,
    #[serde(borrow, default, deserialize_with = "present")]
    value: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct UpdateData<'a> {
    var_id: i64,
    #[serde(borrow, default, deserialize_with = "present")]
    value: Option<&'a RawValue>,
    #[serde(default)]
    properties: Pairs,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct VarData {
    var_id: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ComplaintData {
    var_id: i64,
    #[serde(default)]
    code: String,
    #[serde(default)]
    description: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct GetData {
    var_ids: Vec<i64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct GetObjectsData {
    obj_ids: Vec<u64>,
}

/// `null` that is there is a value; a missing key is none.
fn present<'de, D: Deserializer<'de>>(d: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(d).map(Some)
}

fn read_messages(texts: &[&RawValue], errors: usize) -> Vec<Message> {
    let (mut messages, mut bad, mut count) = (Vec::new(), 0, 0);
    for text in texts {
        let message = read_message(text.get());
        let is_bad = matches!(message, Message::Bad { .. });
        bad += usize::from(is_bad);
        match is_bad && bad > errors {
            true => count += 1,
            false => messages.push(message),
        }
    }
    if count > 0 {
        messages.push(Message::Unread { count });
    }
    messages
}

fn read_message(text: &str) -> Message {
    let raw: RawMessage = match serde_json::from_str(text) {
        Ok(raw) => raw,
        Err(error) => return bad(0, format!("not a message: {error}")),
    };
    let data = raw.data.map_or("{}", RawValue::get);
    let read = match &*raw.kind {
        "create" => read_create(data),
        "update" => serde_json::from_str::<UpdateData>(data).map(|d| Message::Update {
            var: d.var_id,
            value: d.value.map(to_json),
            properties: d.properties.0,
        }),
        "watch" => var_data(data).map(|var| Message::Watch { var }),
        "unwatch" => var_data(data).map(|var| Message::Unwatch { var }),
        "destroy" => var_data(data).map(|var| Message::Destroy { var }),
        "get" => serde_json::from_str::<GetData>(data).map(|d| Message::Get { vars: d.var_ids }),
        "getObjects" => serde_json::from_str::<GetObjectsData>(data)
            .map(|d| Message::GetObjects { objects: d.obj_ids }),
        "error" => serde_json::from_str::<ComplaintData>(data).map(|d| Message::Complaint {
            var: d.var_id,
            description: format!("{} {}", d.code, d.description),
        }),
        other => {
            let description = format!("unknown message type: {other}");
            return bad(blamed(data), description);
        }
    };
    read.unwrap_or_else(|error| bad(blamed(data), format!("bad {} message: {error}", raw.kind)))
}

fn read_create(data: &str) -> serde_json::Result<Message> {
    serde_json::from_str::<CreateData>(data).map(|d| Message::Create {
        id: d.id,
        parent: d.parent_id,
        properties: d.properties.0,
        nowatch: d.nowatch,
        value: d.value.map(to_json),
    })
}

fn var_data(data: &str) -> serde_json::Result<i64> {
    serde_json::from_str::<VarData>(data).map(|d| d.var_id)
}

fn to_json(raw: &RawValue) -> Json {
    Json(raw.get().into())
}

/// Which variable a message that could not be read is about, if it says so at all.
fn blamed(data: &str) -> i64 {
    let Ok(value) = serde_json::from_str::<serde_json::Value>(data) else {
        return 0;
    };
    let id = value.get("varId").or_else(|| value.get("id"));
    id.and_then(serde_json::Value::as_i64).unwrap_or(0)
}

/// Properties as sent: strings; other plain values are taken as their text, `null` unsets.
#[derive(Default)]
struct Pairs(PropertyList);

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Pairs, D::Error> {
        struct PairsVisitor;
        impl<'de> Visitor<'de> for PairsVisitor {
            type Value = Pairs;

            fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
                f.write_str("an object of property texts")
            }

            fn visit_unit<E>(self) -> Result<Pairs, E> {
                Ok(Pairs::default())
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
                let mut pairs = Vec::with_capacity(map.size_hint().unwrap_or(4));
                while let Some(name) = map.next_key::<Cow<str>>()? {
                    let Text(value) = map.next_value()?;
                    pairs.push((name.into(), value));
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_any(PairsVisitor)
    }
}

struct Text(Box<str>);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Text, D::Error> {
        struct TextVisitor;
        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text;

            fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
                f.write_str("the text of a property")
            }

            fn visit_str<E>(self, text: &str) -> Result<Text, E> {
                Ok(Text(text.into()))
            }

            fn visit_unit<E>(self) -> Result<Text, E> {
                Ok(Text("".into()))
            }

            fn visit_bool<E>(self, value: bool) -> Result<Text, E> {
                Ok(Text(if value { "true" } else { "false" }.into()))
            }

            fn visit_i64<E>(self, value: i64) -> Result<Text, E> {
                Ok(Text(value.to_string().into()))
            }

            fn visit_u64<E>(self, value: u64) -> Result<Text, E> {
                Ok(Text(value.to_string().into()))
            }

            fn visit_f64<E>(self, value: f64) -> Result<Text, E> {
                Ok(Text(value.to_string().into()))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Text, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Err(serde::de::Error::custom(
                    "properties are texts, not objects",
                ))
            }
        }
        deserializer.deserialize_any(TextVisitor)
    }
}

/// Appends the text frame of a flush: one object, or an array when there is more than one message.
pub fn write_batch(batch: &OutgoingBatch, out: &mut Vec<u8>) {
    out.reserve(batch.data.len() + 64 * batch.messages.len());
    let several = batch.messages.len() != 1;
    if several {
        out.push(b'[');
    }
    for (i, message) in batch.messages.iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        write_message(&batch.data, message, out);
    }
    if several {
        out.push(b']');
    }
}

fn write_message(data: &[u8], message: &OutgoingMessage, out: &mut Vec<u8>) {
    match *message {
        OutgoingMessage::Update {
            var,
            value,
            pieces,
            properties,
        } => {
            out.extend_from_slice(b"{\"type\":\"update\",\"data\":{\"varId\":");
            json::push_int(out, var);
            if let Some(value) = value {
                out.extend_from_slice(if pieces {
                    b",\"pieces\":"
                } else {
                    b",\"value\":"
                });
                out.extend_from_slice(&data[value.range()]);
            }
            if let Some(properties) = properties {
                out.extend_from_slice(b",\"properties\":");
                out.extend_from_slice(&data[properties.range()]);
            }
            out.extend_from_slice(b"}}");
        }
        OutgoingMessage::Destroy { var } => {
            out.extend_from_slice(b"{\"type\":\"destroy\",\"data\":{\"varId\":");
            json::push_int(out, var);
            out.extend_from_slice(b"}}");
        }
        OutgoingMessage::Error {
            var,
            code,
            description,
            detail,
        } => {
            out.extend_from_slice(b"{\"type\":\"error\",\"data\":{\"varId\":");
            json::push_int(out, var);
            out.extend_from_slice(b",\"code\":\"");
            out.extend_from_slice(code_text(code).as_bytes());
            out.extend_from_slice(b"\",\"description\":");
            json::push_str(out, &data[description.range()]);
            if let Some(detail) = detail {
                out.extend_from_slice(b",\"detail\":");
                out.extend_from_slice(&data[detail.range()]);
            }
            out.extend_from_slice(b"}}");
        }
        OutgoingMessage::Objects { objects } => {
            out.extend_from_slice(b"{\"type\":\"objects\",\"data\":{\"objects\":");
            out.extend_from_slice(&data[objects.range()]);
            out.extend_from_slice(b"}}");
        }
    }
}

/// How an error code is spelled.
pub fn code_text(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::PathFailure => "path-failure",
        ErrorCode::NotFound => "not-found",
        ErrorCode::BadAccess => "bad-access",
        ErrorCode::BadMessage => "bad-message",
        ErrorCode::LuaError => "lua-error",
        ErrorCode::Limit => "limit",
        ErrorCode::Unauthorized => "unauthorized",
        ErrorCode::Invalid => "invalid",
        ErrorCode::BadValue => "bad-value",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_forms_of_a_frame() {
        let watch = [Message::Watch { var: 1 }];
        let single = r#"{"type":"watch","data":{"varId":1}}"#;
        let batch = format!(r#"{{"userEvent":true,"messages":[{single}]}}"#);
        assert_eq!(read_batch(single).messages, watch);
        assert_eq!(read_batch(&format!("[{single}]")).messages, watch);
        let read = read_batch(&batch);
        assert!(read.user_event);
        assert_eq!(read.messages, watch);
        assert!(
            read_batch(r#"{"userEvent":false,"messages":[]}"#)
                .messages
                .is_empty()
        );
    }

    #[test]
    fn what_cannot_be_read_and_would_not_be_told_is_counted() {
        let text = r#"[0,{"type":"watch","data":{"varId":1}},{},[],{"type":"x"},{"type":"watch","data":{"varId":2}}]"#;
        let all = read_batch(text).messages;
        let some = read_batch_with(text, 2).messages;
        assert_eq!(read_batch_with(text, 4).messages, all);
        assert_eq!(some[..3], all[..3]);
        let rest = [Message::Watch { var: 2 }, Message::Unread { count: 2 }];
        assert_eq!(some[3..], rest);
    }

    #[test]
    fn null_is_a_value_and_absence_is_none() {
        let read = |text| read_batch(text).messages.remove(0);
        let update = |value: Option<&str>| Message::Update {
            var: 2,
            value: value.map(|v| Json(v.into())),
            properties: Vec::new(),
        };
        assert_eq!(
            read(r#"{"type":"update","data":{"varId":2,"value":null}}"#),
            update(Some("null"))
        );
        assert_eq!(
            read(r#"{"data":{"varId":2},"type":"update"}"#),
            update(None)
        );
    }

    #[test]
    fn unknown_fields_are_ignored_and_bad_messages_stand_alone() {
        let text = r#"[{"type":"create","data":{"id":2,"parentId":1,"widget":{"x":[1]},
            "properties":{"path":"a","n":3,"u":null}}},{"type":"zzz","data":{"varId":7}},
            {"type":"watch","data":{"varId":"1"}},7]"#;
        let messages = read_batch(text).messages;
        assert_eq!(messages.len(), 4);
        assert!(
            matches!(&messages[0], Message::Create { id: 2, properties, .. }
            if properties.len() == 3 && &*properties[1].1 == "3")
        );
        assert!(matches!(messages[1], Message::Bad { var: 7, .. }));
        assert!(matches!(messages[2], Message::Bad { var: 0, .. }));
        assert!(matches!(messages[3], Message::Bad { var: 0, .. }));
        for text in ["{\"userEvent\":tru", "42", "", "{}", "[1", "\u{0}"] {
            assert!(
                matches!(read_batch(text).messages[..], [Message::Bad { .. }]),
                "{text}"
            );
        }
    }
}
