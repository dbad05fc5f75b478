//! Secrets: what of a recording's frames is not for other eyes.
//!
//! Secret is what is written to or shown of a variable whose path one of the given patterns names, or whose
//! path a template gives to an `<input type="password">`; and in any value, what stands under the name of such
//! a field. Recordings themselves keep all of it: nothing could be run again without.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Paths, RawEvent, decode_edits};
use crate::core::id::ConnectionId;
use crate::core::site::Site;

/// What stands in place of a secret: JSON.
const BLANK: &str = "\"***\"";

/// Knows what is secret, and blanks it.
#[derive(Debug, Default)]
pub struct Secrets {
    /// Segments of absolute paths; `*` is any one. All below them is meant, too.
    patterns: Vec<Vec<String>>,
    /// Paths and names of password fields.
    fields: BTreeSet<String>,
    /// Values blanked so far.
    pub blanked: u64,
}

impl Secrets {
    /// Of the site's templates and of these patterns, such as `login.password` or `users.*.pin`.
    pub fn of(site: &Site, patterns: &[String]) -> Secrets {
        let segments = |pattern: &String| pattern.split('.').map(str::to_owned).collect();
        let mut secrets = Secrets {
            patterns: patterns.iter().map(segments).collect(),
            ..Secrets::default()
        };
        site.files()
            .for_each(|(path, content)| secrets.read(path, content));
        secrets
    }

    /// Learns from an event: the site may have new templates.
    pub fn hear(&mut self, event: &RawEvent<'_>) {
        if let RawEvent::SiteChanged { edits } = event {
            for (path, content) in decode_edits(edits).unwrap_or_default() {
                self.read(&path, &content.unwrap_or_default());
            }
        }
    }

    fn read(&mut self, path: &str, content: &[u8]) {
        let text = String::from_utf8_lossy(content);
        if path.ends_with(".html") {
            self.fields.extend(password_fields(&text));
        }
    }

    /// The frame with its secrets blanked. All other bytes stay, but a frame that cannot be understood shows
    /// nothing if there are secrets at all.
    pub fn blank<'a>(
        &mut self,
        paths: &Paths,
        connection: ConnectionId,
        frame: &'a [u8],
    ) -> Cow<'a, [u8]> {
        if self.patterns.is_empty() && self.fields.is_empty() {
            return frame.into();
        }
        let text = std::str::from_utf8(frame).ok();
        let Some(found) = text.and_then(|text| self.find(paths, connection, text)) else {
            return BLANK.as_bytes().into();
        };
        self.blanked += found.len() as u64;
        let mut blanked = Vec::new();
        let mut at = 0;
        for range in found {
            blanked.extend_from_slice(&frame[at..range.start]);
            blanked.extend_from_slice(BLANK.as_bytes());
            at = range.end;
        }
        if at == 0 {
            return frame.into();
        }
        blanked.extend_from_slice(&frame[at..]);
        blanked.into()
    }

    /// Where secrets stand, in order; `None`: the frame cannot be understood.
    fn find(
        &self,
        paths: &Paths,
        connection: ConnectionId,
        frame: &str,
    ) -> Option<Vec<Range<usize>>> {
        let mut found = Vec::new();
        for message in messages(frame)? {
            let data = serde_json::from_str::<Seen<'_>>(message.get()).ok()?.data;
            let Some(data) = data else {
                continue;
            };
            let created = data.properties.and_then(|all| all.path);
            let secret =
                self.is_secret(paths, connection, data.var.or(data.id), created.as_deref());
            for value in [data.value, data.pieces].into_iter().flatten() {
                match secret {
                    true => found.push(range(frame, value)),
                    false => self.find_fields(frame, value, &mut found),
                }
            }
            if let Some(objects) = data.objects {
                self.find_fields(frame, objects, &mut found);
            }
        }
        // Nothing is no secret: a field that is still empty shows as it is.
        found.retain(|range| !matches!(&frame[range.clone()], "null" | "\"\""));
        found.sort_by_key(|range| range.start);
        Some(found)
    }

    fn is_secret(
        &self,
        paths: &Paths,
        connection: ConnectionId,
        var: Option<i64>,
        created: Option<&str>,
    ) -> bool {
        let Some(var) = var else {
            return false;
        };
        let own = created.or(paths.last_part(connection, var));
        if own.is_some_and(|path| self.fields.contains(bare(path))) {
            return true;
        }
        paths.of(connection, var).is_some_and(|path| {
            let path: Vec<&str> = path.split('.').collect();
            self.patterns.iter().any(|pattern| {
                let fits = |(a, b): (&String, &&str)| a == "*" || a == bare(b);
                pattern.len() <= path.len() && pattern.iter().zip(&path).all(fits)
            })
        })
    }

    /// Members of objects that have the name of a password field.
    fn find_fields(&self, frame: &str, value: &RawValue, found: &mut Vec<Range<usize>>) {
        if let Ok(members) = serde_json::from_str::<BTreeMap<Cow<'_, str>, &RawValue>>(value.get())
        {
            for (name, member) in members {
                match self.fields.contains(&*name) {
                    true => found.push(range(frame, member)),
                    false => self.find_fields(frame, member, found),
                }
            }
        } else if let Ok(items) = serde_json::from_str::<Vec<&RawValue>>(value.get()) {
            for item in items {
                self.find_fields(frame, item, found);
            }
        }
    }
}

#[derive(Deserialize)]
struct Seen<'a> {
    #[serde(borrow)]
    data: Option<SeenData<'a>>,
}

/// Of a message what may tell a secret.
#[derive(Deserialize)]
struct SeenData<'a> {
    #[serde(rename = "varId")]
    var: Option<i64>,
    id: Option<i64>,
    #[serde(borrow)]
    value: Option<&'a RawValue>,
    #[serde(borrow)]
    pieces: Option<&'a RawValue>,
    #[serde(borrow)]
    objects: Option<&'a RawValue>,
    #[serde(borrow)]
    properties: Option<SeenProperties<'a>>,
}

#[derive(Deserialize)]
struct SeenProperties<'a> {
    #[serde(borrow)]
    path: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Frame<'a> {
    #[serde(borrow)]
    messages: Option<Vec<&'a RawValue>>,
}

/// The messages of a frame, however they are put together.
pub(super) fn messages(frame: &str) -> Option<Vec<&RawValue>> {
    if frame.trim_start().starts_with('[') {
        return serde_json::from_str(frame).ok();
    }
    match serde_json::from_str::<Frame<'_>>(frame).ok()?.messages {
        Some(messages) => Some(messages),
        None => Some(vec![serde_json::from_str(frame).ok()?]),
    }
}

/// The variables that a frame's messages are about, in order, each once; not those it creates.
pub(super) fn variables(frame: &str) -> Vec<i64> {
    #[derive(Deserialize)]
    struct About {
        data: Option<AboutData>,
    }
    #[derive(Deserialize)]
    struct AboutData {
        #[serde(rename = "varId")]
        var: Option<i64>,
    }
    let mut all = Vec::new();
    for message in messages(frame).unwrap_or_default() {
        let about = serde_json::from_str::<About>(message.get()).ok();
        if let Some(var) = about.and_then(|about| about.data?.var)
            && !all.contains(&var)
        {
            all.push(var);
        }
    }
    all
}

/// Where a part of the frame's text stands in it.
fn range(frame: &str, part: &RawValue) -> Range<usize> {
    let start = part.get().as_ptr() as usize - frame.as_ptr() as usize;
    start..start + part.get().len()
}

/// A path without its properties.
fn bare(path: &str) -> &str {
    path.split('?').next().unwrap_or(path)
}

/// What `<input type="password">` elements of a template write to, and their names.
fn password_fields(template: &str) -> Vec<String> {
    let mut fields = Vec::new();
    for tag in template.split('<').skip(1) {
        let name = tag.split(|c: char| c.is_whitespace()).next();
        if !name.is_some_and(|name| name.eq_ignore_ascii_case("input")) {
            continue;
        }
        let attributes = attributes(&tag["input".len()..]);
        let value = |of: &str| {
            let found = attributes.iter().find(|(name, _)| name == of);
            found.map(|(_, value)| value.as_str())
        };
        if !value("type").is_some_and(|kind| kind.eq_ignore_ascii_case("password")) {
            continue;
        }
        fields.extend(value("name").map(str::to_owned));
        if let Some(path) = value("ui-value").map(bare) {
            fields.push(path.to_owned());
            fields.extend(path.rsplit('.').next().map(str::to_owned));
        }
    }
    fields
}

/// Names, in lower case, and values of a tag's attributes, from behind its name on.
fn attributes(mut rest: &str) -> Vec<(String, String)> {
    let mut all = Vec::new();
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == '/');
        let end = rest.find(|c: char| c.is_whitespace() || matches!(c, '=' | '>' | '/'));
        let (name, behind) = rest.split_at(end.unwrap_or(rest.len()));
        if name.is_empty() {
            return all;
        }
        rest = behind.trim_start();
        let mut value = "";
        if let Some(given) = rest.strip_prefix('=') {
            let given = given.trim_start();
            let quote = given.chars().next().filter(|c| matches!(c, '"' | '\''));
            let (text, ends): (&str, Option<usize>) = match quote {
                Some(quote) => (&given[1..], given[1..].find(quote)),
                None => (given, given.find(|c: char| c.is_whitespace() || c == '>')),
            };
            value = &text[..ends.unwrap_or(text.len())];
            rest = &text[value.len()..];
            rest = rest.strip_prefix(['"', '\'']).unwrap_or(rest);
        }
        all.push((name.to_ascii_lowercase(), value.to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: ConnectionId = ConnectionId(1);

    fn secrets(template: &str, patterns: &[&str]) -> Secrets {
        let files = [("viewdefs/A.DEFAULT.html".to_owned(), template.into())];
        let site = Site::new(files.into_iter().collect());
        let patterns: Vec<String> = patterns.iter().map(|&p| p.to_owned()).collect();
        Secrets::of(&site, &patterns)
    }

    #[test]
    fn password_fields_are_found_however_they_are_written() {
        let template = "<template><INPUT TYPE=Password ui-value='login.word?keypress'><input\n  \
             type=\"password\" name=\"pin\"/><input name=\"mail\"><input type=password name=x></template>";
        let fields = secrets(template, &[]).fields;
        let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
        assert_eq!(fields, ["login.word", "pin", "word", "x"]);
    }

    #[test]
    fn secrets_are_blanked_and_all_else_stays() {
        let mut secrets = secrets("<input type=password ui-value=word name=pin>", &["a.*.key"]);
        let mut paths = Paths::default();
        let creates = r#"[{"type":"create","data":{"id":2,"parentId":1,"properties":{"path":"word"},"value":"old"}},{"type":"create","data":{"id":3,"parentId":1,"properties":{"path":"a.0"}}},{"type":"create","data":{"id":4,"parentId":3,"properties":{"path":"key.more"}}},{"type":"create","data":{"id":5,"parentId":1,"properties":{"path":"save(_)"}}}]"#;
        paths.hear(&RawEvent::Frame {
            connection: A,
            text: creates,
        });
        let mut blank = |text: &str| {
            let blanked = secrets.blank(&paths, A, text.as_bytes()).into_owned();
            String::from_utf8(blanked).unwrap()
        };
        assert_eq!(blank(creates), creates.replace("\"old\"", "\"***\""));
        let update = |var: i64, value: &str| {
            format!(
                r#"{{"userEvent":true, "messages":[{{"type":"update","data":{{"varId":{var},"value":{value}}}}}]}}"#
            )
        };
        for (var, value, shown) in [
            (2, "\"s\\\"ecret\"", BLANK),
            (2, "\"\"", "\"\""),
            (3, "\"shown\"", "\"shown\""),
            (4, "[1,2]", BLANK),
            (5, r#"{"pin":1,"mail":"m"}"#, r#"{"pin":"***","mail":"m"}"#),
            (5, r#"[{"a":{"pin":[]}}]"#, r#"[{"a":{"pin":"***"}}]"#),
        ] {
            assert_eq!(blank(&update(var, value)), update(var, shown));
        }
        assert_eq!(blank("no JSON: word"), BLANK);
        assert_eq!(secrets.blanked, 5);
    }

    #[test]
    fn without_secrets_nothing_is_touched() {
        let mut secrets = secrets("<input type=text ui-value=word>", &[]);
        let shown = secrets.blank(&Paths::default(), A, b"no JSON");
        assert_eq!(&*shown, b"no JSON");
    }
}
