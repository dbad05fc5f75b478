//! The text of a recording: what people read, edit and keep beside the code. Reading it is strict: whatever
//! is not understood is told with its line and what was probably meant.

use std::fmt::{self, Display, Formatter};

use serde_json::Value;

use super::answers::{Answer, News, parse_call, parse_news};
use super::path::seen;
use super::time::{parse_time, show_time};
use super::upload::{self, File};
use crate::config::nearest::nearest;
use crate::journal::Secrets;

/// The first line of every recording, with the version of the format.
pub const FIRST_LINE: &str = "recording 1";

/// What a session begins with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    pub seed: u64,
    /// Milliseconds since 1970-01-01 UTC.
    pub time: i64,
    pub url: String,
    pub locale: String,
    pub timezone: String,
    /// What a session before it saved (`session:checkpoint`): JSON, or empty.
    pub saved: String,
}

impl Default for Header {
    fn default() -> Header {
        Header {
            seed: 1,
            // 2026-01-01T00:00:00Z: any time will do, as long as it is always the same.
            time: 1_767_225_600_000,
            url: "/".into(),
            locale: String::new(),
            timezone: String::new(),
            saved: String::new(),
        }
    }
}

/// One thing that happens, or is expected.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    Set {
        path: String,
        value: Value,
    },
    Call {
        path: String,
        argument: Option<Value>,
    },
    Submit {
        path: String,
        fields: Value,
    },
    Upload {
        path: String,
        file: File,
    },
    Go {
        url: String,
    },
    Advance {
        ms: u64,
    },
    Attach {
        page: u64,
    },
    Detach {
        page: Option<u64>,
    },
    Publish {
        topic: String,
        value: Value,
    },
    Answer {
        call: String,
        answer: Answer,
    },
    Process {
        process: u64,
        news: News,
    },
    Expect {
        path: String,
        value: Value,
    },
    ExpectError {
        path: String,
        text: String,
    },
    ExpectCount {
        path: String,
        count: u64,
    },
    ExpectNone {
        path: String,
    },
}

/// How each kind of line is written, in the order in which they are told.
const FORMS: [(&str, &str); 22] = [
    ("seed", "seed NUMBER"),
    ("time", "time 2026-01-31T12:00:00Z"),
    ("url", "url /PATH"),
    ("locale", "locale de-CH"),
    ("timezone", "timezone Europe/Zurich"),
    ("saved", "saved VALUE"),
    ("answer", "answer CALL => ANSWER"),
    ("set", "set PATH VALUE"),
    ("call", "call PATH, or call PATH VALUE"),
    ("submit", "submit PATH {\"field\": VALUE}"),
    ("upload", upload::FORM),
    ("go", "go /PATH"),
    ("advance", "advance MILLISECONDS"),
    ("attach", "attach, or attach NUMBER"),
    ("detach", "detach, or detach NUMBER"),
    ("publish", "publish TOPIC VALUE"),
    (
        "process",
        "process NUMBER stdout \"TEXT\", stderr \"TEXT\" or exit {\"code\": 0}",
    ),
    ("expect", "expect PATH VALUE"),
    ("expect-error", "expect-error PATH \"TEXT\""),
    ("expect-count", "expect-count PATH NUMBER"),
    ("expect-none", "expect-none PATH"),
    ("recording", FIRST_LINE),
];

/// A line as it stands in the file, and what it says; `None`: a comment, a blank line, a part of the header.
#[derive(Clone, Debug)]
pub struct Line {
    pub text: String,
    pub step: Option<Step>,
}

/// A recording that was read.
#[derive(Clone, Debug)]
pub struct Recording {
    pub header: Header,
    pub lines: Vec<Line>,
}

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {text}")]
pub struct ScriptError {
    pub line: usize,
    pub text: String,
}

impl Recording {
    /// Reads a recording.
    ///
    /// # Errors
    /// The first line that is wrong.
    pub fn parse(text: &str) -> Result<Recording, ScriptError> {
        let mut reading = Reading::default();
        for (at, line) in text.lines().enumerate() {
            reading
                .line(line)
                .map_err(|text| ScriptError { line: at + 1, text })?;
        }
        if !reading.begun {
            let text = format!("a recording begins with the line \"{FIRST_LINE}\"");
            return Err(ScriptError { line: 1, text });
        }
        Ok(Recording {
            header: reading.header,
            lines: reading.lines,
        })
    }
}

#[derive(Default)]
struct Reading {
    begun: bool,
    /// A step stood already: the header is over.
    stepped: bool,
    header: Header,
    lines: Vec<Line>,
}

impl Reading {
    fn line(&mut self, line: &str) -> Result<(), String> {
        let content = line.trim();
        let step = match content.is_empty() || content.starts_with('#') {
            true => None,
            false => self.content(content)?,
        };
        let text = line.to_owned();
        self.lines.push(Line { text, step });
        Ok(())
    }

    fn content(&mut self, content: &str) -> Result<Option<Step>, String> {
        let (word, rest) = content
            .split_once(char::is_whitespace)
            .unwrap_or((content, ""));
        let rest = rest.trim();
        if word == "recording" || !self.begun {
            if self.begun || content != FIRST_LINE {
                let text = format!("a recording begins with the line \"{FIRST_LINE}\", once");
                return Err(format!("{text}; here stands \"{content}\""));
            }
            self.begun = true;
            return Ok(None);
        }
        if self.header_line(word, rest)? {
            if self.stepped {
                return Err(format!("\"{word}\" belongs before the first step"));
            }
            return Ok(None);
        }
        let step = step(word, rest)?;
        self.stepped |= !matches!(step, Step::Answer { .. });
        Ok(Some(step))
    }

    /// Whether the line was one of the header.
    fn header_line(&mut self, word: &str, rest: &str) -> Result<bool, String> {
        let header = &mut self.header;
        match word {
            "seed" => header.seed = rest.parse().map_err(|_| form(word))?,
            "time" => header.time = parse_time(rest).ok_or_else(|| form(word))?,
            "url" => header.url = address(word, rest)?,
            "locale" => header.locale = rest.into(),
            "timezone" => header.timezone = rest.into(),
            "saved" => header.saved = json(rest)?.to_string(),
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// What is said of a line of the wrong form.
fn form(word: &str) -> String {
    let form = FORMS.iter().find(|(known, _)| *known == word);
    format!("write {}", form.map_or(word, |(_, form)| form))
}

fn address(word: &str, rest: &str) -> Result<String, String> {
    match rest.starts_with('/') && !rest.contains(char::is_whitespace) {
        true => Ok(rest.into()),
        false => Err(form(word)),
    }
}

fn step(word: &str, rest: &str) -> Result<Step, String> {
    let number = |text: &str| text.parse::<u64>().map_err(|_| form(word));
    Ok(match word {
        "set" => {
            let (path, value) = path_and_value(word, rest)?;
            Step::Set { path, value }
        }
        "call" => {
            let (path, argument) = path_and_rest(word, rest)?;
            let argument = match argument {
                "" => None,
                text => Some(json(text)?),
            };
            Step::Call { path, argument }
        }
        "submit" => {
            let (path, fields) = path_and_value(word, rest)?;
            if !fields.is_object() {
                return Err(form(word));
            }
            Step::Submit { path, fields }
        }
        "upload" => {
            let (path, file) = path_and_value(word, rest)?;
            let file = File::parse(&file).ok_or_else(|| form(word))?;
            Step::Upload { path, file }
        }
        "go" => Step::Go {
            url: address(word, rest)?,
        },
        "advance" => Step::Advance { ms: number(rest)? },
        "attach" => Step::Attach {
            page: if rest.is_empty() { 1 } else { number(rest)? },
        },
        "detach" => Step::Detach {
            page: (!rest.is_empty()).then(|| number(rest)).transpose()?,
        },
        "publish" => {
            let (topic, value) = rest.split_once(' ').ok_or_else(|| form(word))?;
            let topic = match topic.starts_with('"') {
                true => return publish_quoted(rest),
                false => topic.to_owned(),
            };
            let value = json(value.trim())?;
            Step::Publish { topic, value }
        }
        "answer" => {
            let (call, answer) = parse_call(rest)?;
            Step::Answer { call, answer }
        }
        "process" => {
            let (process, news) = rest.split_once(' ').ok_or_else(|| form(word))?;
            Step::Process {
                process: number(process)?,
                news: parse_news(news.trim()).ok_or_else(|| form(word))?,
            }
        }
        "expect" | "expect-error" | "expect-count" | "expect-none" => expectation(word, rest)?,
        _ => {
            let known = FORMS.iter().map(|(known, _)| *known);
            return Err(format!(
                "there is no \"{word}\"{}",
                nearest(word, known, "", "")
            ));
        }
    })
}

fn expectation(word: &str, rest: &str) -> Result<Step, String> {
    Ok(match word {
        "expect" => {
            let (path, value) = path_and_value(word, rest)?;
            Step::Expect { path, value }
        }
        "expect-error" => {
            let (path, value) = path_and_value(word, rest)?;
            let text = value.as_str().ok_or_else(|| form(word))?.to_owned();
            Step::ExpectError { path, text }
        }
        "expect-count" => {
            let (path, count) = path_and_rest(word, rest)?;
            let count = count.parse().map_err(|_| form(word))?;
            Step::ExpectCount { path, count }
        }
        _ => match path_and_rest(word, rest)? {
            (path, "") => Step::ExpectNone { path },
            _ => return Err(form(word)),
        },
    })
}

/// A topic with white space in it stands in quotes.
fn publish_quoted(rest: &str) -> Result<Step, String> {
    let mut values = serde_json::Deserializer::from_str(rest).into_iter::<Value>();
    match (values.next(), values.next(), values.next()) {
        (Some(Ok(Value::String(topic))), Some(Ok(value)), None) => {
            Ok(Step::Publish { topic, value })
        }
        _ => Err(form("publish")),
    }
}

fn path_and_value(word: &str, rest: &str) -> Result<(String, Value), String> {
    let (path, value) = path_and_rest(word, rest)?;
    match value {
        "" => Err(form(word)),
        value => Ok((path, json(value)?)),
    }
}

/// A path ends at white space outside of brackets and texts.
fn path_and_rest<'t>(word: &str, rest: &'t str) -> Result<(String, &'t str), String> {
    let end = super::path::end_of(rest);
    let (path, after) = rest.split_at(end);
    match path.is_empty() {
        true => Err(form(word)),
        false => Ok((path.to_owned(), after.trim())),
    }
}

fn json(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|_| {
        format!(
            "{text} is no value: write \"a text\" in double quotes, 3, true, null, [..] or {{..}}"
        )
    })
}

impl Display for Header {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "{FIRST_LINE}")?;
        writeln!(f, "seed {}", self.seed)?;
        writeln!(f, "time {}", show_time(self.time))?;
        writeln!(f, "url {}", self.url)?;
        let more = [
            ("locale", &self.locale),
            ("timezone", &self.timezone),
            ("saved", &self.saved),
        ];
        for (name, value) in more {
            if !value.is_empty() {
                writeln!(f, "{name} {value}")?;
            }
        }
        Ok(())
    }
}

impl Step {
    /// Whether it would write down a secret that the page shows.
    pub fn tells_secret(&self, secrets: &Secrets) -> bool {
        match self {
            Step::Expect { path, value } => seen(secrets, path, value) != *value,
            _ => false,
        }
    }
}

impl Display for Step {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Step::Set { path, value } => write!(f, "set {path} {value}"),
            Step::Call {
                path,
                argument: None,
            } => write!(f, "call {path}"),
            Step::Call {
                path,
                argument: Some(value),
            } => write!(f, "call {path} {value}"),
            Step::Submit { path, fields } => write!(f, "submit {path} {fields}"),
            Step::Upload { path, file } => write!(f, "upload {path} {}", file.value()),
            Step::Go { url } => write!(f, "go {url}"),
            Step::Advance { ms } => write!(f, "advance {ms}"),
            Step::Attach { page: 1 } => f.write_str("attach"),
            Step::Attach { page } => write!(f, "attach {page}"),
            Step::Detach { page: None } => f.write_str("detach"),
            Step::Detach { page: Some(page) } => write!(f, "detach {page}"),
            Step::Publish { topic, value } => {
                let plain =
                    !topic.is_empty() && !topic.contains(|c: char| c == '"' || c.is_whitespace());
                match plain {
                    true => write!(f, "publish {topic} {value}"),
                    false => write!(f, "publish {} {value}", Value::from(topic.as_str())),
                }
            }
            Step::Answer { call, answer } => write!(f, "answer {call} => {answer}"),
            Step::Process { process, news } => write!(f, "process {process} {news}"),
            Step::Expect { path, value } => write!(f, "expect {path} {value}"),
            Step::ExpectError { path, text } => {
                write!(f, "expect-error {path} {}", Value::from(text.as_str()))
            }
            Step::ExpectCount { path, count } => write!(f, "expect-count {path} {count}"),
            Step::ExpectNone { path } => write!(f, "expect-none {path}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        Recording::parse(text).unwrap_err().to_string()
    }

    #[test]
    fn every_line_prints_as_it_is_read() {
        let lines = [
            "set name \"Ann\"",
            "set has(\"a b\", x).y null",
            "call rows[id=7].remove()",
            "call rows[0].put(_) 3.5",
            "submit save(_) {\"mail\":\"a@b.org\",\"rooms\":1}",
            "upload receive(_) {\"name\":\"a.txt\",\"text\":\"x\"}",
            "go /contacts?x=1",
            "advance 1500",
            "attach",
            "attach 2",
            "detach",
            "detach 2",
            "publish news {\"a\":1}",
            "publish \"two words\" null",
            "answer read \"a \\\" => b\" => bytes \"text\\n\"",
            "answer getenv \"HOME\" => nothing",
            "answer replace \"a\" 3 bytes 01020304 => done",
            "answer remove \"a\" => error 2 \"No such file\"",
            "answer read \"x\" => hex \"00ff\"",
            "answer run \"ls\" with 0 bytes 00000000 => ran {\"code\":1} \"out\"",
            "answer spawn \"df\" \"-P\" without input => process 1",
            "process 1 stdout \"a\\n\"",
            "process 1 exit {\"code\":0}",
            "expect a.b [1,null,\"x\"]",
            "expect-error save(_) \"taken\"",
            "expect-count rows 3",
            "expect-none rows[mail=\"a b\"]",
        ];
        let text = format!("{FIRST_LINE}\n{}", lines.join("\n"));
        let read = Recording::parse(&text).unwrap_or_else(|error| panic!("{error}"));
        for (line, was) in read.lines[1..].iter().zip(lines) {
            assert_eq!(
                line.step.as_ref().map(Step::to_string).as_deref(),
                Some(was)
            );
        }
        let header = Header {
            locale: "de-CH".into(),
            timezone: "Europe/Zurich".into(),
            saved: "{\"a\":1}".into(),
            ..Header::default()
        };
        assert_eq!(
            Recording::parse(&header.to_string()).unwrap().header,
            header
        );
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        assert!(refused("").contains("begins with the line \"recording 1\""));
        assert!(refused("recording 9").starts_with("line 1: "));
        let told = refused("recording 1\n\n# fine\nexpct a 1");
        assert_eq!(told, "line 4: there is no \"expct\"; did you mean expect?");
        let told = refused("recording 1\nset name Ann");
        assert!(told.contains("Ann is no value: write \"a text\""), "{told}");
        assert_eq!(
            refused("recording 1\nset name"),
            "line 2: write set PATH VALUE"
        );
        assert_eq!(
            refused("recording 1\ncall x()\nseed 3"),
            "line 3: \"seed\" belongs before the first step"
        );
        assert!(refused("recording 1\ntime yesterday").contains("time 2026-01-31T12:00:00Z"));
        assert!(refused("recording 1\nanswer read \"x\"").contains("=>"));
    }
}
