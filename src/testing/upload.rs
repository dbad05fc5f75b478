//! Files that users upload, as a recording has them: `upload PATH {"name": "a.csv", "type": "text/csv", "text": "a,b"}`.
//!
//! A content that is no text stands in `hex`. One that nobody knows any more is told by `size` and `sha256`, and
//! what was read of it by answers, as for other files.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use sha2::{Digest, Sha256 as Sum};

use super::answers::Answer;
use super::take::Take;
use crate::core::code::hex;
use crate::core::event::Event;
use crate::core::outside::HostAnswer;
use crate::core::upload::{Announced, Sha256, UploadId, UploadNews};

/// How a line says it.
pub const FORM: &str = "upload PATH {\"name\": \"a.csv\", \"type\": \"text/csv\", \"text\": \"CONTENT\"}, with \"hex\": \"00FF\" for \
                        a content that is no text, or \"size\" and \"sha256\" for one that is not known";

/// See the module's description.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    pub name: String,
    pub mime: String,
    pub size: u64,
    pub sha256: Sha256,
    /// `None`: nobody knows.
    pub content: Option<Vec<u8>>,
}

impl File {
    /// The file that was announced so, with this checksum, and its content, if that is known.
    pub fn new(announced: &Announced, sha256: Sha256, content: Option<Vec<u8>>) -> File {
        File {
            name: announced.name.to_string(),
            mime: announced.mime.to_string(),
            size: announced.size,
            sha256,
            content,
        }
    }

    /// The same with another content.
    pub fn with(self, content: &[u8]) -> File {
        File {
            size: content.len() as u64,
            sha256: sum(content),
            content: Some(content.to_vec()),
            ..self
        }
    }

    /// Reads what [`File::value`] makes; `None`: it is something else.
    pub fn parse(value: &Value) -> Option<File> {
        let fields = value.as_object()?;
        let known = ["name", "type", "text", "hex", "size", "sha256"];
        if fields.keys().any(|field| !known.contains(&field.as_str())) {
            return None;
        }
        let text = |name: &str| match fields.get(name) {
            None => Some(None),
            Some(value) => value.as_str().map(|text| Some(text.to_owned())),
        };
        let (name, mime) = (text("name")??, text("type")?.unwrap_or_default());
        let content = match (text("text")?, text("hex")?) {
            (Some(text), None) => Some(text.into_bytes()),
            (None, Some(digits)) => Some(parse_hex(&digits)?),
            (None, None) => None,
            (Some(_), Some(_)) => return None,
        };
        let told = (fields.get("size"), text("sha256")?);
        let (size, sha256) = match (&content, told) {
            (Some(content), (None, None)) => (content.len() as u64, sum(content)),
            (None, (Some(size), Some(digits))) => {
                (size.as_u64()?, parse_hex(&digits)?.try_into().ok()?)
            }
            _ => return None,
        };
        Some(File {
            name,
            mime,
            size,
            sha256,
            content,
        })
    }

    /// As a line says it.
    pub fn value(&self) -> Value {
        let mut fields = Map::new();
        fields.insert("name".into(), self.name.as_str().into());
        if !self.mime.is_empty() {
            fields.insert("type".into(), self.mime.as_str().into());
        }
        match &self.content {
            Some(content) => match std::str::from_utf8(content) {
                Ok(text) => drop(fields.insert("text".into(), text.into())),
                Err(_) => {
                    fields.insert("hex".into(), hex(content).into());
                }
            },
            None => {
                fields.insert("size".into(), self.size.into());
                fields.insert("sha256".into(), hex(&self.sha256).into());
            }
        }
        Value::Object(fields)
    }
}

fn sum(content: &[u8]) -> Sha256 {
    Sum::digest(content).into()
}

fn parse_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text
        .chars()
        .map(|c| c.to_digit(16).map(|digit| digit as u8))
        .collect();
    let digits = digits?;
    let pairs = digits.chunks_exact(2);
    let is_whole = pairs.remainder().is_empty();
    is_whole.then(|| pairs.map(|pair| pair[0] << 4 | pair[1]).collect())
}

/// The contents of files that were uploaded, as far as they were kept, or as the app has read all of them.
pub fn contents(take: &Take) -> BTreeMap<UploadId, Vec<u8>> {
    let mut parts: BTreeMap<UploadId, Vec<(usize, &[u8])>> = BTreeMap::new();
    let mut known = BTreeMap::new();
    let mut sums = BTreeMap::new();
    for moment in &take.moments {
        if let Event::Upload { upload, news, .. } = &moment.event
            && let UploadNews::Finished { sha256 } = news
        {
            sums.insert(*upload, *sha256);
            parts.entry(*upload).or_default();
        }
        if let Some((upload, content)) = &moment.file {
            known.insert(*upload, content.clone());
        }
        for (call, answer) in &moment.answers {
            if let (Some((upload, offset)), HostAnswer::Bytes(bytes)) = (read_of(call), answer) {
                parts.entry(upload).or_default().push((offset, bytes));
            }
        }
    }
    for (upload, mut parts) in parts {
        parts.sort_unstable();
        let mut content = Vec::new();
        for (offset, bytes) in parts {
            if offset > content.len() {
                break;
            }
            let more = bytes.get(content.len() - offset..);
            content.extend_from_slice(more.unwrap_or_default());
        }
        known.entry(upload).or_insert(content);
    }
    known.retain(|upload, content| sums.get(upload) == Some(&sum(content)));
    known
}

/// Which upload is read by this call, and from where on.
fn read_of(call: &str) -> Option<(UploadId, usize)> {
    let (upload, rest) = call.strip_prefix("read upload ")?.split_once(" from ")?;
    let (offset, _) = rest.split_once(',')?;
    Some((upload.parse().ok()?, offset.parse().ok()?))
}

/// Whether a recording with the content of this upload needs no such answer.
pub fn is_answered(call: &str, answer: &Answer, knows: impl Fn(UploadId) -> bool) -> bool {
    let moved = || {
        let (upload, _) = call.strip_prefix("move upload ")?.split_once(" to ")?;
        let is_done = *answer == Answer::Host(HostAnswer::Done);
        upload.parse().ok().filter(|_| is_done)
    };
    let upload = read_of(call).map(|(upload, _)| upload).or_else(moved);
    upload.is_some_and(knows)
}

/// What the shell says of a file that is whole.
pub fn news(file: &File) -> [UploadNews; 2] {
    let sha256 = file.sha256;
    [UploadNews::Ready, UploadNews::Finished { sha256 }]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_as_they_are_told_and_nothing_else_is() {
        let digits = "ab".repeat(32);
        for text in [
            r#"{"name":"a","text":"x\n"}"#,
            r#"{"hex":"00ff","name":"a","type":"image/png"}"#,
            &format!(r#"{{"name":"a","sha256":"{digits}","size":7}}"#),
        ] {
            let value = serde_json::from_str(text).unwrap();
            let file = File::parse(&value).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(file.value(), value, "{text}");
        }
        for text in [
            r#"{"text":"x"}"#,
            r#"{"name":"a"}"#,
            r#"{"name":"a","text":1}"#,
            r#"{"name":"a","hex":"0"}"#,
            r#"{"name":"a","text":"x","size":1}"#,
            r#"{"name":"a","text":"x","hex":"00"}"#,
            r#"{"name":"a","size":1,"sha256":"ab"}"#,
            r#"{"name":"a","text":"x","mime":"b"}"#,
        ] {
            let value = serde_json::from_str(text).unwrap();
            assert!(File::parse(&value).is_none(), "{text}");
        }
    }
}
