//! What the machine answered, as lines of a recording, and who gives those answers again.
//!
//! A call is matched by its one line of text ([`HostCall`]), arguments and all; one that ends in `*` fits
//! whatever begins alike. Equal calls are answered in the order of the recording, and the last answer stays.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};
use std::rc::Rc;

use serde_json::{Map, Value};

use crate::core::id::SessionId;
use crate::core::outside::{HostAnswer, HostCall, Outside, ProcessExit, ProcessNews, Stream};
use crate::core::upload::UploadId;

/// What was answered to a call.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    Host(HostAnswer),
    /// It was a `spawn`, and the lines `process N` tell what came of it.
    Process(u64),
}

/// What is heard of a process.
#[derive(Clone, Debug, PartialEq)]
pub struct News(pub ProcessNews);

/// Reads `CALL => ANSWER`.
///
/// # Errors
/// What is wrong with it.
pub fn parse_call(text: &str) -> Result<(String, Answer), String> {
    const FORM: &str = "write answer CALL => ANSWER, where ANSWER is done, nothing, bytes \"TEXT\", hex \"00FF\", \
                        error CODE \"TEXT\", ran {\"code\":0} \"OUTPUT\" or process NUMBER";
    let (call, answer) = split_arrow(text).ok_or(FORM)?;
    let answer = parse_answer(answer.trim()).ok_or(FORM)?;
    Ok((call.trim().to_owned(), answer))
}

/// Texts in a call may have an arrow in them; a call that is cut off by its `*` may end inside of one.
fn split_arrow(text: &str) -> Option<(&str, &str)> {
    let (mut quoted, mut escaped) = (false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '=' if !quoted && text[at..].starts_with("=> ") => {
                return Some((&text[..at], &text[at + 3..]));
            }
            _ => {}
        }
    }
    let (call, answer) = text.split_once("* => ")?;
    Some((&text[..call.len() + 1], answer))
}

fn parse_answer(text: &str) -> Option<Answer> {
    let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
    let rest = rest.trim();
    Some(match (word, rest) {
        ("done", "") => Answer::Host(HostAnswer::Done),
        ("nothing", "") => Answer::Host(HostAnswer::Nothing),
        ("bytes" | "hex", _) => Answer::Host(HostAnswer::Bytes(parse_bytes(text)?)),
        ("process", number) => Answer::Process(number.parse().ok()?),
        ("error", rest) => {
            let (code, text) = rest.split_once(' ')?;
            let text: String = serde_json::from_str(text).ok()?;
            let code = code.parse().ok()?;
            Answer::Host(HostAnswer::Failed { code, text })
        }
        ("ran", rest) => {
            let mut values = serde_json::Deserializer::from_str(rest).into_iter::<Value>();
            let exit = parse_exit(&values.next()?.ok()?)?;
            let output = rest[values.byte_offset()..].trim();
            let output = match output.starts_with('"') {
                true => serde_json::from_str::<String>(output).ok()?.into_bytes(),
                false => parse_bytes(output)?,
            };
            Answer::Host(HostAnswer::Ran { output, exit })
        }
        _ => return None,
    })
}

fn parse_bytes(text: &str) -> Option<Vec<u8>> {
    let (word, value) = text.split_once(' ')?;
    let value: String = serde_json::from_str(value).ok()?;
    match word {
        "bytes" => Some(value.into_bytes()),
        "hex" => {
            let digits: Vec<u8> = value
                .chars()
                .map(|c| c.to_digit(16).map(|d| d as u8))
                .collect::<Option<_>>()?;
            let pairs = digits.chunks_exact(2);
            pairs
                .remainder()
                .is_empty()
                .then(|| pairs.map(|pair| pair[0] << 4 | pair[1]).collect())
        }
        _ => None,
    }
}

fn parse_exit(value: &Value) -> Option<ProcessExit> {
    let mut exit = ProcessExit::default();
    for (name, value) in value.as_object()? {
        let number = || i32::try_from(value.as_i64()?).ok();
        match name.as_str() {
            "code" => exit.code = Some(number()?),
            "signal" => exit.signal = Some(number()?),
            "timeout" => exit.timeout = value.as_bool()?,
            "interrupted" => exit.interrupted = value.as_bool()?,
            "error" => exit.error = Some(value.as_str()?.to_owned()),
            _ => return None,
        }
    }
    Some(exit)
}

/// Reads `stdout "TEXT"`, `stderr "TEXT"` or `exit {..}`; `None`: it is something else.
pub fn parse_news(text: &str) -> Option<News> {
    let (word, rest) = text.split_once(' ')?;
    let lines = |stream| {
        let rest = rest.trim();
        let text = match rest.starts_with('"') {
            true => serde_json::from_str::<String>(rest).ok()?.into_bytes(),
            false => parse_bytes(rest)?,
        };
        Some(News(ProcessNews::Lines { stream, text }))
    };
    match word {
        "stdout" => lines(Stream::Out),
        "stderr" => lines(Stream::Err),
        "exit" => {
            let value = serde_json::from_str(rest).ok()?;
            Some(News(ProcessNews::Exited(parse_exit(&value)?)))
        }
        _ => None,
    }
}

/// Bytes as a text, or by their digits; `word` stands before a text.
fn show_bytes(f: &mut Formatter<'_>, word: &str, bytes: &[u8]) -> fmt::Result {
    match std::str::from_utf8(bytes) {
        Ok(text) => write!(f, "{word}{}", Value::from(text)),
        Err(_) => {
            f.write_str("hex \"")?;
            bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
            f.write_str("\"")
        }
    }
}

fn exit_value(exit: &ProcessExit) -> Value {
    let mut out = Map::new();
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            out.insert(name.into(), value);
        }
    };
    put("code", exit.code.map(Value::from));
    put("signal", exit.signal.map(Value::from));
    put("timeout", exit.timeout.then_some(Value::Bool(true)));
    put("interrupted", exit.interrupted.then_some(Value::Bool(true)));
    put("error", exit.error.clone().map(Value::from));
    Value::Object(out)
}

impl Display for Answer {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Answer::Process(number) => write!(f, "process {number}"),
            Answer::Host(HostAnswer::Done) => f.write_str("done"),
            Answer::Host(HostAnswer::Nothing) => f.write_str("nothing"),
            Answer::Host(HostAnswer::Bytes(bytes)) => show_bytes(f, "bytes ", bytes),
            Answer::Host(HostAnswer::Failed { code, text }) => {
                write!(f, "error {code} {}", Value::from(text.as_str()))
            }
            Answer::Host(HostAnswer::Ran { output, exit }) => {
                write!(f, "ran {} ", exit_value(exit))?;
                show_bytes(f, "", output)
            }
        }
    }
}

impl Display for News {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.0 {
            ProcessNews::Lines { stream, text } => {
                write!(f, "{} ", stream.name())?;
                show_bytes(f, "", text)
            }
            ProcessNews::Exited(exit) => write!(f, "exit {}", exit_value(exit)),
        }
    }
}

/// The answers of a recording, and what was asked that it does not have.
#[derive(Debug, Default)]
pub struct Answers {
    recorded: Vec<(String, Answer, bool)>,
    /// Who is asked instead, to be added to the recording.
    machine: Option<Box<dyn Outside>>,
    /// Files that were uploaded.
    files: BTreeMap<UploadId, Vec<u8>>,
    /// Calls without an answer.
    missing: Vec<String>,
    /// What the machine answered.
    added: Vec<(String, Answer)>,
}

impl Answers {
    /// These answers; what is missing is asked of `machine`, if there is one.
    pub fn new(recorded: Vec<(String, Answer)>, machine: Option<Box<dyn Outside>>) -> Answers {
        let recorded = recorded
            .into_iter()
            .map(|(call, answer)| (call, answer, false));
        Answers {
            recorded: recorded.collect(),
            machine,
            ..Answers::default()
        }
    }

    /// The recorded answer to a call; remembers that there is none.
    pub fn find(&mut self, call: &str) -> Option<Answer> {
        let mut last = None;
        for (pattern, answer, used) in &mut self.recorded {
            if fits(pattern, call) {
                last = Some(answer.clone());
                if !std::mem::replace(used, true) {
                    break;
                }
            }
        }
        if last.is_none() {
            self.missing.push(call.to_owned());
        }
        last
    }

    /// Whether no answer was recorded for a call that was made; asked once for each.
    pub fn take_missing(&mut self, call: &str) -> bool {
        let found = self.missing.iter().position(|missing| missing == call);
        found.map(|at| self.missing.remove(at)).is_some()
    }

    /// What the machine answered and belongs into the recording.
    pub fn take_added(&mut self) -> Vec<(String, Answer)> {
        std::mem::take(&mut self.added)
    }

    /// A file with this content was uploaded.
    pub fn file(&mut self, upload: UploadId, content: Vec<u8>) {
        self.files.insert(upload, content);
    }

    /// What needs no line in the recording.
    fn of_file(&self, call: &HostCall) -> Option<HostAnswer> {
        match call {
            HostCall::ReadUpload {
                upload,
                offset,
                length,
            } => {
                let content = self.files.get(upload)?;
                let from = (*offset as usize).min(content.len());
                let most = usize::try_from(*length).unwrap_or(usize::MAX);
                let to = from.saturating_add(most).min(content.len());
                Some(HostAnswer::Bytes(content[from..to].to_vec()))
            }
            HostCall::MoveUpload { upload, .. } => {
                let text = call.to_string();
                let is_recorded = self.recorded.iter().any(|(line, ..)| fits(line, &text));
                (self.files.contains_key(upload) && !is_recorded).then_some(HostAnswer::Done)
            }
            _ => None,
        }
    }

    fn call(&mut self, session: SessionId, call: &HostCall) -> HostAnswer {
        if let Some(answer) = self.of_file(call) {
            return answer;
        }
        let text = call.to_string();
        if let Some(Answer::Host(answer)) = self.find(&text) {
            return answer;
        }
        if let Some(machine) = &mut self.machine {
            self.missing.retain(|missing| *missing != text);
            let answer = machine.call(session, call);
            self.added.push((text, Answer::Host(answer.clone())));
            return answer;
        }
        HostAnswer::Failed {
            code: 0,
            text: "the recording has no answer to this".into(),
        }
    }
}

/// Whether the line of an answer is for this call.
fn fits(pattern: &str, call: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => call.starts_with(start),
        None => pattern == call,
    }
}

/// Gives the answers to a session.
#[derive(Clone, Debug)]
pub struct Prompter(pub Rc<RefCell<Answers>>);

impl Outside for Prompter {
    fn call(&mut self, session: SessionId, call: &HostCall) -> HostAnswer {
        self.0.borrow_mut().call(session, call)
    }
}
