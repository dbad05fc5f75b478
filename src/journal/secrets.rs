//! Secrets: what of a recording is not for other eyes.
//!
//! Secret is what is written to or shown of a variable whose path one of the recording's patterns names
//! (`login.pin`, `users.*.pin`; all below it, too), or whose path a template gives to an `<input
//! type="password">`; and in any value, what stands under the name of such a field. In what has no path, such as
//! messages, the last name of a pattern is enough. What code puts elsewhere (into logs, files, other values)
//! nobody can know. Recordings themselves keep all of it: nothing could be run again without.

mod fields;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Header, Output, Paths, RawEvent, Reader, Record, decode_edits};
use crate::core::event::Opening;
use crate::core::gather::gather;
use crate::core::id::{APP, ConnectionId};
use crate::core::site::Site;
use fields::password_fields;

/// What stands in place of a secret: JSON.
pub const BLANK: &str = "\"***\"";
/// Any name.
const ANY: &str = "*";

/// Knows what is secret, and blanks it. Follows a session event by event, since paths are told once.
#[derive(Debug, Default)]
pub struct Secrets {
    /// Segments of absolute paths.
    patterns: Vec<Vec<String>>,
    /// Paths and names of password fields.
    fields: BTreeSet<String>,
    /// What patterns end in.
    names: BTreeSet<String>,
    paths: Paths,
    /// What was told before is not known: what has no known path is secret.
    came_late: bool,
    /// Values blanked so far.
    pub blanked: u64,
}

/// What of a value is secret: where these ways lead to, from it on. The empty way: all of it.
type Ways<'a> = Vec<&'a [String]>;

impl Secrets {
    /// Of a recording, before its first event.
    pub fn of(header: &Header) -> Secrets {
        Secrets::of_site(&header.site, &header.secret)
    }

    /// Of a site's templates and of these patterns.
    pub fn of_site(site: &Site, patterns: &[String]) -> Secrets {
        let segments = |pattern: &String| pattern.split('.').map(str::to_owned).collect();
        let patterns: Vec<Vec<String>> = patterns.iter().map(segments).collect();
        let names = patterns.iter().filter_map(|pattern| pattern.last());
        let mut secrets = Secrets {
            names: gather(names.filter(|name| *name != ANY).cloned()),
            patterns,
            ..Secrets::default()
        };
        secrets.learn(site);
        secrets
    }

    /// Learns of the templates of a site.
    pub fn learn(&mut self, site: &Site) {
        for (path, content) in site.files() {
            self.read(path, content);
        }
    }

    /// Of a recording, when this event of it has happened.
    pub fn at(reader: &Reader, record: &Record<'_>) -> Secrets {
        let mut secrets = Secrets::of(reader.header());
        secrets.came_late = !reader.is_whole();
        for earlier in reader.records() {
            secrets.hear(&earlier.event);
            if earlier.sequence >= record.sequence {
                break;
            }
        }
        secrets
    }

    /// Where the variables are.
    pub fn paths(&self) -> &Paths {
        &self.paths
    }

    /// Learns from an event: variables were created, the site may have new templates.
    pub fn hear(&mut self, event: &RawEvent<'_>) {
        self.paths.hear(event);
        if let RawEvent::SiteChanged { edits } = event {
            for (path, content) in decode_edits(edits).unwrap_or_default() {
                self.read(&path, &content.unwrap_or_default());
            }
        }
    }

    fn read(&mut self, path: &str, content: &[u8]) {
        if path.ends_with(".html") {
            self.fields
                .extend(password_fields(&String::from_utf8_lossy(content)));
        }
    }

    /// Whether anything may be secret.
    pub fn are_there(&self) -> bool {
        !self.patterns.is_empty() || !self.fields.is_empty()
    }

    /// Hands on the event, which was heard, as it may be seen.
    pub fn event<T>(&mut self, event: &RawEvent<'_>, see: impl FnOnce(&RawEvent<'_>) -> T) -> T {
        match *event {
            RawEvent::Frame { connection, text } => {
                let text = self.frame(connection, text.as_bytes());
                let text = &String::from_utf8_lossy(&text);
                see(&RawEvent::Frame { connection, text })
            }
            RawEvent::MessagePublished { topic, value, only } => {
                let value = &self.unplaced(value);
                see(&RawEvent::MessagePublished { topic, value, only })
            }
            RawEvent::SessionOpened(opening) => {
                let saved = &self.unplaced(opening.saved);
                see(&RawEvent::SessionOpened(Opening { saved, ..opening }))
            }
            _ => see(event),
        }
    }

    /// Hands on an output as it may be seen.
    pub fn output<T>(&mut self, output: &Output<'_>, see: impl FnOnce(&Output<'_>) -> T) -> T {
        match *output {
            Output::Frame { connection, text } => {
                let text = &self.frame(connection, text);
                see(&Output::Frame { connection, text })
            }
            Output::Published {
                topic,
                value,
                retain,
            } => {
                let value = &self.unplaced(value);
                see(&Output::Published {
                    topic,
                    value,
                    retain,
                })
            }
            Output::Saved { data } => see(&Output::Saved {
                data: &self.unplaced(data),
            }),
            _ => see(output),
        }
    }

    /// The frame with its secrets blanked. All other bytes stay, but a frame that cannot be understood shows
    /// nothing if there are secrets at all.
    pub fn frame<'a>(&mut self, connection: ConnectionId, frame: &'a [u8]) -> Cow<'a, [u8]> {
        if !self.are_there() {
            return frame.into();
        }
        let text = std::str::from_utf8(frame).ok();
        let Some((text, found)) = text.and_then(|t| Some((t, self.find(connection, t)?))) else {
            return BLANK.as_bytes().into();
        };
        match self.cut_out(text, found) {
            Cow::Borrowed(text) => text.as_bytes().into(),
            Cow::Owned(text) => text.into_bytes().into(),
        }
    }

    /// The value, as JSON, of what is at this path, as it may be seen. `own`: what the path ends in, as a template
    /// has it.
    pub fn value<'a>(&self, path: &[&str], own: &str, value: &'a str) -> Cow<'a, str> {
        let mut found = Vec::new();
        if let Ok(json) = serde_json::from_str::<&RawValue>(value) {
            self.find_in(value, json, &self.ways(path, own), false, &mut found);
        } else if self.is_secret(path, own) {
            return BLANK.into();
        }
        cut_out(value, found).0
    }

    /// JSON of which no path is known, as it may be seen.
    pub fn unplaced<'a>(&mut self, value: &'a str) -> Cow<'a, str> {
        let mut found = Vec::new();
        if let Ok(json) = serde_json::from_str::<&RawValue>(value) {
            self.find_in(value, json, &Ways::new(), true, &mut found);
        }
        self.cut_out(value, found)
    }

    /// Whether all that is at this path is secret.
    pub fn is_secret(&self, path: &[&str], own: &str) -> bool {
        self.ways(path, own).iter().any(|way| way.is_empty())
    }

    /// Whether something of what is at this path may be secret by its path.
    pub fn concern(&self, path: &[&str], own: &str) -> bool {
        !self.ways(path, own).is_empty()
    }

    /// Whether a field of this name is secret, of whatever object.
    pub fn is_name(&self, name: &str) -> bool {
        self.fields.contains(name) || self.names.contains(name)
    }

    /// Puts blanks where secrets stand, and counts them.
    fn cut_out<'a>(&mut self, text: &'a str, found: Vec<Range<usize>>) -> Cow<'a, str> {
        let (shown, blanked) = cut_out(text, found);
        self.blanked += blanked;
        shown
    }

    /// Where secrets stand in a frame; `None`: it cannot be understood.
    fn find(&self, connection: ConnectionId, frame: &str) -> Option<Vec<Range<usize>>> {
        let mut found = Vec::new();
        for message in messages(frame)? {
            let data = serde_json::from_str::<Seen<'_>>(message.get()).ok()?.data;
            let Some(data) = data else {
                continue;
            };
            let created = data.properties.and_then(|all| all.path);
            let ways = self.ways_of(connection, data.var.or(data.id), created.as_deref());
            if let Some(value) = data.value {
                self.find_in(frame, value, &ways, false, &mut found);
            }
            if let Some(pieces) = data.pieces {
                // They are parts of an array, wherever in it: below any of its elements.
                self.find_in(frame, pieces, &ways, true, &mut found);
            }
            if let Some(objects) = data.objects {
                self.find_in(frame, objects, &Ways::new(), true, &mut found);
            }
        }
        Some(found)
    }

    /// What is secret of a variable.
    fn ways_of(
        &self,
        connection: ConnectionId,
        var: Option<i64>,
        created: Option<&str>,
    ) -> Ways<'_> {
        let Some(var) = var else {
            return Ways::new();
        };
        let own = created.or(self.paths.last_part(connection, var));
        match self.paths.of(connection, var) {
            Some(path) => self.ways(&spelled(&path), own.unwrap_or("")),
            None if self.came_late && var != APP.0 => vec![&[]],
            None => self.ways(&[], own.unwrap_or("")),
        }
    }

    fn ways(&self, path: &[&str], own: &str) -> Ways<'_> {
        if self.fields.contains(bare(own)) {
            return vec![&[]];
        }
        let way = |pattern| -> Option<&[String]> {
            path.iter()
                .try_fold(pattern, |rest: &[String], name| behind(rest, name))
        };
        self.patterns.iter().filter_map(|p| way(p)).collect()
    }

    /// Looks for secrets in a value. `loose`: names alone tell what is secret.
    fn find_in(
        &self,
        text: &str,
        value: &RawValue,
        ways: &Ways<'_>,
        loose: bool,
        found: &mut Vec<Range<usize>>,
    ) {
        if ways.iter().any(|way| way.is_empty()) {
            return found.push(range(text, value));
        }
        let below = |name: &str| ways.iter().filter_map(|way| behind(way, name)).collect();
        if let Ok(members) = serde_json::from_str::<BTreeMap<Cow<'_, str>, &RawValue>>(value.get())
        {
            for (name, member) in members {
                let named = self.fields.contains(&*name) || (loose && self.names.contains(&*name));
                match named {
                    true => found.push(range(text, member)),
                    false => self.find_in(text, member, &below(&name), loose, found),
                }
            }
        } else if let Ok(items) = serde_json::from_str::<Vec<&RawValue>>(value.get()) {
            for (at, item) in items.into_iter().enumerate() {
                self.find_in(text, item, &below(&at.to_string()), loose, found);
            }
        }
    }
}

/// The text with blanks where secrets stand, and how many they are.
fn cut_out(text: &str, mut found: Vec<Range<usize>>) -> (Cow<'_, str>, u64) {
    // Nothing is no secret: a field that is still empty shows as it is.
    found.retain(|range| !matches!(&text[range.clone()], "null" | "\"\""));
    if found.is_empty() {
        return (text.into(), 0);
    }
    found.sort_unstable_by_key(|range| range.start);
    let mut shown = String::new();
    let mut at = 0;
    for range in &found {
        shown.push_str(&text[at..range.start]);
        shown.push_str(BLANK);
        at = range.end;
    }
    shown.push_str(&text[at..]);
    (shown.into(), found.len() as u64)
}

/// What is left of a pattern behind a name; a pattern that has come to its end covers all below it.
fn behind<'a>(pattern: &'a [String], name: &str) -> Option<&'a [String]> {
    match pattern.split_first() {
        None => Some(pattern),
        Some((first, rest)) => (first == ANY || first == bare(name)).then_some(rest),
    }
}

/// The names of an absolute path as patterns have them: without what lists put between themselves and their
/// rows, and without ways back.
pub fn spelled(path: &str) -> Vec<&str> {
    let is_row = |name: &&str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_digit());
    let mut names: Vec<&str> = Vec::new();
    let mut back = 0;
    for name in path.split('.') {
        if name.is_empty() {
            back += 1;
            continue;
        }
        // Two dots lead to the object around, two more to the next.
        names.truncate(
            names
                .len()
                .saturating_sub(usize::div_ceil(std::mem::take(&mut back), 3)),
        );
        match name {
            _ if name.starts_with('@') => names.clear(),
            "item" if names.last().is_some_and(is_row) => continue,
            // A row that holds its item has no place of its own.
            "item" if names.last() == Some(&"items") => {
                names.pop();
                names.push("");
                continue;
            }
            _ if is_row(&name) && names.last() == Some(&"items") => drop(names.pop()),
            _ => {}
        }
        names.push(name);
    }
    names
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

#[cfg(test)]
mod tests {
    use super::*;

    const A: ConnectionId = ConnectionId(1);

    fn secrets(template: &str, patterns: &[&str]) -> Secrets {
        let files = [("viewdefs/A.DEFAULT.html".to_owned(), template.into())];
        let site = Site::new(files.into_iter().collect());
        let patterns: Vec<String> = patterns.iter().map(|&p| p.to_owned()).collect();
        Secrets::of_site(&site, &patterns)
    }

    fn blank(secrets: &mut Secrets, text: &str) -> String {
        String::from_utf8(secrets.frame(A, text.as_bytes()).into_owned()).unwrap()
    }

    fn update(var: i64, value: &str) -> String {
        format!(
            r#"{{"userEvent":true, "messages":[{{"type":"update","data":{{"varId":{var},"value":{value}}}}}]}}"#
        )
    }

    #[test]
    fn secrets_are_blanked_and_all_else_stays() {
        let patterns = ["a.*.key", "table.own", "rows.*.pin"];
        let mut secrets = secrets("<input type=password ui-value=word name=pin>", &patterns);
        let created = [
            (2, 1, "word"),
            (3, 1, "a.0"),
            (4, 3, "key.more"),
            (5, 1, "save(_)"),
            (6, 1, "table"),
            (7, 1, "rows"),
            (8, 7, "items"),
            (9, 8, "3"),
            (10, 9, "item.pin"),
            (11, 9, "item.name"),
            (12, 4, "..key"),
            (13, 8, ""),
            (14, 13, "item"),
            (15, 14, "pin"),
            (16, 14, "name"),
        ];
        let create = |(id, parent, path)| {
            format!(
                r#"{{"type":"create","data":{{"id":{id},"parentId":{parent},"properties":{{"path":"{path}"}},"value":"old"}}}}"#
            )
        };
        let creates = format!("[{}]", created.map(create).join(","));
        secrets.hear(&RawEvent::Frame {
            connection: A,
            text: &creates,
        });
        let shown = blank(&mut secrets, &creates);
        for (id, _, path) in created {
            let is_blank = shown.contains(&format!(r#""path":"{path}"}},"value":"***""#));
            assert_eq!(
                is_blank,
                [2, 4, 10, 12, 15].contains(&id),
                "{path} in {shown}"
            );
        }
        for (var, value, shown) in [
            (2, "\"s\\\"ecret\"", BLANK),
            (2, "\"\"", "\"\""),
            (3, "\"shown\"", "\"shown\""),
            (3, r#"{"key":1,"other":2}"#, r#"{"key":"***","other":2}"#),
            (4, "[1,2]", BLANK),
            (5, r#"{"pin":1,"mail":"m"}"#, r#"{"pin":"***","mail":"m"}"#),
            (5, r#"[{"a":{"pin":[]}}]"#, r#"[{"a":{"pin":"***"}}]"#),
            (6, r#"{"own":1,"key":2}"#, r#"{"own":"***","key":2}"#),
            (
                7,
                r#"[{"pin":1},{"x":[{"own":2}]}]"#,
                r#"[{"pin":"***"},{"x":[{"own":2}]}]"#,
            ),
            (11, "\"Ann\"", "\"Ann\""),
        ] {
            assert_eq!(blank(&mut secrets, &update(var, value)), update(var, shown));
        }
        assert_eq!(blank(&mut secrets, "no JSON: word"), BLANK);
        assert_eq!(secrets.blanked, 5 + 7);
    }

    #[test]
    fn what_has_no_path_is_told_by_names() {
        let mut secrets = secrets("", &["login.key"]);
        let (topic, value) = ("t", r#"{"key":"k","a":[{"key":1}]}"#);
        let shown = r#"{"key":"***","a":[{"key":"***"}]}"#;
        let event = RawEvent::MessagePublished {
            topic,
            value,
            only: None,
        };
        secrets.event(&event, |event| {
            let only = None;
            let value = shown;
            assert_eq!(*event, RawEvent::MessagePublished { topic, value, only });
        });
        secrets.output(&Output::Saved { data: value }, |output| {
            assert_eq!(*output, Output::Saved { data: shown });
        });
        assert!(secrets.is_name("key") && !secrets.is_name("login"));
        // Of an object in a frame nobody knows where it is.
        let objects = r#"[{"type":"objects","data":{"objects":[{"obj":3,"key":5}]}}]"#;
        assert!(blank(&mut secrets, objects).contains(r#""key":"***""#));
    }

    #[test]
    fn without_secrets_nothing_is_touched() {
        let mut secrets = secrets("<input type=text ui-value=word>", &[]);
        assert_eq!(blank(&mut secrets, "no JSON"), "no JSON");
    }
}
