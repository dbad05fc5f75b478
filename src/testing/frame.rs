//! A frame of the server, read: what it says of variables.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;

use super::store::{Fault, VarNo};

/// One message.
#[derive(Debug)]
pub enum Told {
    Update(Update),
    Destroy(VarNo),
    Error(Refusal),
    Objects,
}

/// What is new of a variable.
#[derive(Debug, Deserialize)]
pub struct Update {
    #[serde(rename = "varId")]
    pub var: VarNo,
    #[serde(default)]
    pub properties: BTreeMap<String, String>,
    /// Null is a value, too.
    #[serde(default, deserialize_with = "whatever_is_there")]
    pub value: Option<Value>,
    /// The value, as parts of the one before and new elements.
    pub pieces: Option<Vec<Value>>,
}

#[derive(Deserialize)]
struct Destroyed {
    #[serde(rename = "varId")]
    var: VarNo,
}

/// An error on a variable.
#[derive(Debug, Deserialize)]
pub struct Refusal {
    #[serde(rename = "varId")]
    pub var: VarNo,
    code: String,
    description: String,
    #[serde(default)]
    detail: Detail,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Detail {
    fields: BTreeMap<String, String>,
    traceback: String,
    source: String,
}

fn whatever_is_there<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(from).map(Some)
}

/// What is in it is read when it is known what it tells.
#[derive(Deserialize)]
struct Message<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(borrow)]
    data: &'a RawValue,
}

/// The messages of a frame; none, if it is not one of the server's.
pub fn read(frame: &[u8]) -> Vec<Told> {
    let text = std::str::from_utf8(frame).unwrap_or_default();
    let messages = match text.starts_with('[') {
        true => serde_json::from_str(text),
        false => serde_json::from_str(text).map(|message| vec![message]),
    };
    let messages: Vec<Message> = messages.unwrap_or_default();
    let told: Result<Vec<Told>, _> = messages.iter().map(told).collect();
    told.unwrap_or_default()
}

fn told(message: &Message) -> serde_json::Result<Told> {
    let data = message.data.get();
    match message.kind {
        "update" => serde_json::from_str(data).map(Told::Update),
        "destroy" => serde_json::from_str(data).map(|Destroyed { var }| Told::Destroy(var)),
        "error" => serde_json::from_str(data).map(Told::Error),
        "objects" => Ok(Told::Objects),
        unknown => Err(serde::de::Error::custom(unknown)),
    }
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Fault {
        let Refusal {
            code,
            description,
            detail,
            ..
        } = refusal;
        let Detail {
            fields,
            traceback,
            source,
        } = detail;
        let mut parts = vec![description.as_str()];
        let of_fields: Vec<String> = fields
            .iter()
            .map(|(field, what)| format!("{field}: {what}"))
            .collect();
        if !fields.is_empty() {
            // What no variable shows is told twice.
            let told = |part: &&str| !fields.values().any(|what| what == part);
            parts = description.split("; ").filter(told).collect();
            parts.extend(of_fields.iter().map(String::as_str));
        }
        parts.retain(|part| !part.is_empty());
        let said = parts.join("; ");
        let traceback = [traceback, source].join("\n").trim().to_owned();
        Fault {
            text: if parts.is_empty() { code } else { said },
            traceback: (!traceback.is_empty()).then_some(traceback),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_of_the_server_is_read_as_it_writes_them() {
        let frame = br#"[{"type":"update","data":{"varId":2,"value":null,"properties":{"type":""}}},
            {"type":"update","data":{"varId":3,"pieces":[0,2,["x"]]}},{"type":"destroy","data":{"varId":4}},
            {"type":"error","data":{"varId":5,"code":"invalid","description":"no; too old",
             "detail":{"fields":{"age":"too old"}}}},{"type":"objects","data":{"objects":[{}]}}]"#;
        let told = read(frame);
        assert_eq!(told.len(), 5);
        let Told::Update(update) = &told[0] else {
            panic!("{told:?}")
        };
        assert_eq!((update.var, &update.value), (2, &Some(Value::Null)));
        assert_eq!(update.properties["type"], "");
        assert!(
            matches!(&told[1], Told::Update(Update { value: None, pieces: Some(p), .. }) if p.len() == 3)
        );
        assert!(matches!(&told[2], Told::Destroy(4)));
        let Some(Told::Error(refusal)) = told.into_iter().nth(3) else {
            panic!("an error is the fourth")
        };
        assert_eq!(Fault::from(refusal).text, "no; age: too old");
        assert_eq!(read(br#"{"type":"destroy","data":{"varId":4}}"#).len(), 1);
        assert!(read(b"{").is_empty());
        assert!(read(br#"{"type":"update","data":{"varId":2,"properties":{"a":1}}}"#).is_empty());
    }
}
