//! A frame of the server, read: what it says of variables.

use std::collections::BTreeMap;

use serde_json::Value;

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
#[derive(Debug)]
pub struct Update {
    pub var: VarNo,
    pub properties: BTreeMap<String, String>,
    /// Null is a value, too.
    pub value: Option<Value>,
    /// The value, as parts of the one before and new elements.
    pub pieces: Option<Vec<Value>>,
}

/// An error on a variable.
#[derive(Debug)]
pub struct Refusal {
    pub var: VarNo,
    code: String,
    description: String,
    fields: BTreeMap<String, String>,
    traceback: String,
    source: String,
}

/// The messages of a frame; none, if it is not one of the server's.
pub fn read(frame: &[u8]) -> Vec<Told> {
    let messages = match serde_json::from_slice(frame) {
        Ok(Value::Array(messages)) => messages,
        Ok(message) => vec![message],
        Err(_) => return Vec::new(),
    };
    let told: Option<Vec<Told>> = messages.into_iter().map(told).collect();
    told.unwrap_or_default()
}

fn told(mut message: Value) -> Option<Told> {
    let kind = text(&mut message, "type")?;
    let mut data = part(&mut message, "data");
    if kind == "objects" {
        return Some(Told::Objects);
    }
    let var = data.get("varId")?.as_i64()?;
    Some(match kind.as_str() {
        "update" => Told::Update(Update {
            var,
            properties: texts(part(&mut data, "properties"))?,
            value: data.get_mut("value").map(Value::take),
            pieces: match part(&mut data, "pieces") {
                Value::Null => None,
                Value::Array(pieces) => Some(pieces),
                _ => return None,
            },
        }),
        "destroy" => Told::Destroy(var),
        "error" => {
            let mut detail = part(&mut data, "detail");
            Told::Error(Refusal {
                var,
                code: text(&mut data, "code")?,
                description: text(&mut data, "description")?,
                fields: texts(part(&mut detail, "fields"))?,
                traceback: text(&mut detail, "traceback").unwrap_or_default(),
                source: text(&mut detail, "source").unwrap_or_default(),
            })
        }
        _ => return None,
    })
}

/// What is there under this name, taken out; null, if nothing is.
fn part(of: &mut Value, name: &str) -> Value {
    of.get_mut(name).map(Value::take).unwrap_or_default()
}

fn text(of: &mut Value, name: &str) -> Option<String> {
    match part(of, name) {
        Value::String(text) => Some(text),
        _ => None,
    }
}

/// An object of nothing but texts; none are in null.
pub fn texts(of: Value) -> Option<BTreeMap<String, String>> {
    let mut texts = BTreeMap::new();
    match of {
        Value::Null => {}
        Value::Object(all) => {
            for (name, value) in all {
                let Value::String(text) = value else {
                    return None;
                };
                texts.insert(name, text);
            }
        }
        _ => return None,
    }
    Some(texts)
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Fault {
        let Refusal {
            code,
            description,
            fields,
            traceback,
            source,
            ..
        } = refusal;
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
