//! Golden transcripts: `tests/golden/*.txt` are scripts with what must come out below each step.
//!
//! Run with `LUNETTE_UPDATE=1` to write what came out into the files; then read the diff: a
//! transcript is accepted because it is right, not because it is what happened.
//!
//! A file is a sequence of lines:
//!
//! ```text
//! # a comment
//! limits gas=100000                a limit of SessionLimits; before the first step
//! saved {"a":1}                    what a session before this one saved by session:checkpoint
//! log 0                            show log lines up to this level, too
//! --- lua/main.lua                 a file of the site, up to the next line that begins with ---
//! --- viewdefs/App.DEFAULT.html
//! ---
//! attach a                         a frontend joins; the first one opens the session
//! a > {"type":"watch",...}         it sends this frame
//! a: watch 1; create 2 1 name      it sends a batch with userEvent false, in short:
//!                                    watch ID.. | unwatch ID.. | destroy ID.. | get ID.. | objects N..
//!                                    create ID PARENT PATH [NAME=VALUE..] [nowatch] [= JSON]; PATH - is none
//!                                    set ID JSON | call ID | prop ID NAME=VALUE..
//! a! call 2                        the same with userEvent true
//! advance 100                      time passes; what is due happens
//! message TOPIC JSON               another session published this; the session's own arrive by themselves
//! fetch TOKEN, drop TOKEN          a browser takes the next piece of a download, or no longer does
//! detach a
//! edit lua/main.lua                a file of the site is edited: its new text are the following lines that
//! | local App = ...                  begin with |, without that and the space behind it
//! edit lua/a.lua gone              a file is removed; several edits one after the other are one event
//! & a: set 2 "x"                   in the same millisecond as the step before
//! ```
//!
//! Ten milliseconds pass before every other step, so that coalesced output shows at once. Lines that
//! begin with a space are output: `<` a frame, byte for byte, the messages of an array below one another.
//!
//! Every script is recorded while it runs and replayed afterwards: that must give the same again, also
//! when the session is frozen and thawed after each event.

use std::fs;
use std::path::{Path, PathBuf};

use lunette::core::download::Demand;
use lunette::core::effect::Effect;
use lunette::core::event::{Event, Opening, Turn};
use lunette::core::id::{ConnectionId, SessionId};
use lunette::core::limits::SessionLimits;
use lunette::core::manager::{ManagerConfig, SessionManager};
use lunette::core::site::{Edits, Site};
use lunette::journal::{Header, Output, RawEvent, Reader, Writer, encode_edits, show_frame};
use lunette::lua::LuaRuntime;
use lunette::replay::{replay, to_event};

use crate::checkpoints::Often;

const SESSION: SessionId = SessionId(1);
const SEED: u64 = 42;
const ADDRESS: &str = "/00112233445566778899aabbccddeeff";
const STEP_MS: u64 = 10;
/// 2024-01-01T00:00:00Z, less the second at which a script begins.
const WALL_AT_ZERO: i64 = 1_704_067_199_000;
/// A timer that makes another one without end would keep a script from ending.
const EVENTS_MAX: usize = 10_000;

#[test]
fn scripts_give_their_transcripts() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let update = std::env::var_os("LUNETTE_UPDATE").is_some();
    let mut paths: Vec<PathBuf> = fs::read_dir(&dir)
        .expect("tests/golden is there")
        .map(|entry| entry.expect("tests/golden is readable").path())
        .filter(|path| path.extension().is_some_and(|e| e == "txt"))
        .collect();
    paths.sort();
    assert!(!paths.is_empty(), "no scripts in tests/golden");
    let mut failures = Vec::new();
    for path in &paths {
        let name = path.file_name().expect("a file").to_string_lossy();
        let expected = fs::read_to_string(path).expect("scripts are UTF-8");
        let (actual, problem) = play(&name, &expected);
        if let Some(problem) = problem {
            failures.push(format!("tests/golden/{name}: {problem}"));
        }
        if actual == expected {
            continue;
        }
        if update {
            fs::write(path, &actual).expect("tests/golden is writable");
        } else {
            failures.push(first_difference(&name, &expected, &actual));
        }
    }
    let (count, all) = (failures.len(), paths.len());
    assert!(
        failures.is_empty(),
        "{count} failures in {all} scripts (LUNETTE_UPDATE=1 rewrites them; read the diff):\n\n{}",
        failures.join("\n")
    );
}

fn runtime() -> LuaRuntime {
    LuaRuntime::new().expect("a runtime can be made")
}

/// Runs a script. Returns its text with what came out, and what is wrong with its recording.
fn play(name: &str, script: &str) -> (String, Option<String>) {
    let (head, steps) = read_head(name, script);
    let mut text = script[..script.len() - steps.len()].to_owned();
    let mut stage = Stage::new(name, head);
    for line in steps.lines() {
        if line.starts_with(' ') {
            continue;
        }
        let edits = line.starts_with("edit ") || line.starts_with('|');
        if !edits && !stage.edits.is_empty() {
            stage.site_changed();
            text.push_str(&std::mem::take(&mut stage.out));
        }
        text.push_str(line);
        text.push('\n');
        if edits {
            stage.edit(line);
        } else if !line.is_empty() && !line.starts_with('#') {
            stage.step(line);
            stage.deliver();
            text.push_str(&std::mem::take(&mut stage.out));
        }
    }
    if !stage.edits.is_empty() {
        stage.site_changed();
        text.push_str(&std::mem::take(&mut stage.out));
    }
    (text, stage.check_recording())
}

/// What a script says before its first step.
struct Head {
    site: Site,
    limits: SessionLimits,
    log_level: Option<u8>,
    saved: String,
}

fn read_head<'a>(name: &str, script: &'a str) -> (Head, &'a str) {
    let mut files: Vec<(String, Vec<u8>)> = Vec::new();
    let mut limits = SessionLimits::default();
    let mut saved = String::new();
    let mut log_level = None;
    let mut in_file = false;
    let mut at = 0;
    for line in script.split_inclusive('\n') {
        let words: Vec<&str> = line.split_whitespace().collect();
        match (words.as_slice(), in_file) {
            (["---"], _) => in_file = false,
            (["---", path], _) => {
                files.push(((*path).to_owned(), Vec::new()));
                in_file = true;
            }
            (_, true) => {
                let (_, content) = files.last_mut().expect("in a file");
                content.extend_from_slice(line.as_bytes());
            }
            (["limits", settings @ ..], false) => {
                settings
                    .iter()
                    .for_each(|s| set_limit(name, &mut limits, s));
            }
            (["saved", ..], false) => saved = line["saved ".len()..].trim().to_owned(),
            (["log", level], false) => log_level = level.parse().ok(),
            ([], false) => {}
            ([first, ..], false) if first.starts_with('#') => {}
            _ => break,
        }
        at += line.len();
    }
    let site = Site::new(files.into_iter().collect());
    let head = Head {
        site,
        limits,
        log_level,
        saved,
    };
    (head, &script[at..])
}

fn set_limit(name: &str, limits: &mut SessionLimits, setting: &str) {
    let wrong = || panic!("{name}: no such limit: {setting}");
    let (limit, value) = setting.split_once('=').unwrap_or_else(wrong);
    let number: u64 = match value {
        "true" => 1,
        "false" => 0,
        _ => value
            .parse()
            .unwrap_or_else(|_| panic!("{name}: no number: {setting}")),
    };
    match limit {
        "lua_memory" => limits.lua_memory = number as usize,
        "gas" => limits.gas = number,
        "variables" => limits.variables = number as usize,
        "timers" => limits.timers = number as usize,
        "property_bytes" => limits.property_bytes = number as usize,
        "subscriptions" => limits.subscriptions = number as usize,
        "session_timeout_ms" => limits.session_timeout_ms = number,
        "unused_timeout_ms" => limits.unused_timeout_ms = number,
        "coalesce_ms" => limits.coalesce_ms = number,
        "remote_code" => limits.remote_code = number == 1,
        "private_paths" => limits.private_paths = number == 1,
        "dev" => limits.dev = number == 1,
        _ => {
            wrong();
        }
    }
}

/// One session on the real core with the real Lua, recorded.
struct Stage {
    name: String,
    manager: SessionManager<LuaRuntime>,
    writer: Writer,
    recording: PathBuf,
    log_level: Option<u8>,
    saved: String,
    now: u64,
    opened: bool,
    connections: Vec<String>,
    /// Files edited since the last step, and the one whose text is being read.
    edits: Edits,
    edited: String,
    out: String,
}

impl Stage {
    fn new(name: &str, head: Head) -> Stage {
        let config = ManagerConfig {
            site: head.site.clone(),
            limits: head.limits.clone(),
            verbosity: head.log_level.unwrap_or(0),
        };
        let file = format!("lunette-golden-{}-{name}.lnt", std::process::id());
        let recording = std::env::temp_dir().join(file);
        let header = Header::here(SESSION, head.site, head.limits, 0, "golden");
        Stage {
            name: name.to_owned(),
            manager: SessionManager::new(runtime(), config),
            writer: Writer::create(&recording, &header).expect("a recording can be made"),
            recording,
            log_level: head.log_level,
            saved: head.saved,
            now: 1000,
            opened: false,
            connections: Vec::new(),
            edits: Edits::new(),
            edited: String::new(),
            out: String::new(),
        }
    }

    fn step(&mut self, line: &str) {
        let line = match line.strip_prefix("& ") {
            Some(at_once) => at_once,
            None if line.starts_with("advance") => line,
            None => {
                self.advance(STEP_MS);
                line
            }
        };
        let name = self.name.clone();
        let wrong = || panic!("{name}: no such step: {line}");
        if let Some((who, frame)) = line.split_once(" > ") {
            return self.frame(who, frame);
        }
        let (first, rest) = line.split_once(' ').unwrap_or_else(wrong);
        if let Some(who) = first.strip_suffix(':') {
            return self.frame(who, &batch(&name, false, rest));
        }
        if let Some(who) = first.strip_suffix('!') {
            return self.frame(who, &batch(&name, true, rest));
        }
        match first {
            "attach" => self.attach(rest),
            "detach" => {
                let connection = self.connection(rest);
                self.event(&RawEvent::FrontendLeft { connection });
            }
            "message" => {
                let (topic, value) = rest.split_once(' ').unwrap_or_else(wrong);
                self.message(topic, value, None);
            }
            "fetch" => self.download(rest, Demand::Next),
            "drop" => self.download(rest, Demand::Dropped),
            "advance" => {
                let ms = rest.parse().unwrap_or_else(|_| panic!("{name}: {line}"));
                self.advance(ms);
            }
            _ => {
                wrong();
            }
        }
    }

    fn edit(&mut self, line: &str) {
        if let Some(text) = line.strip_prefix('|') {
            let content = self.edits.get_mut(&self.edited).and_then(Option::as_mut);
            let content = content.unwrap_or_else(|| panic!("{}: {line}: no file", self.name));
            content.extend_from_slice(text.strip_prefix(' ').unwrap_or(text).as_bytes());
            content.push(b'\n');
            return;
        }
        let words: Vec<&str> = line.split_whitespace().collect();
        self.edited = words[1].to_owned();
        let content = (words.get(2) != Some(&"gone")).then(Vec::new);
        self.edits.insert(self.edited.clone(), content);
    }

    /// What the edits were gathered for.
    fn site_changed(&mut self) {
        self.advance(STEP_MS);
        let edits = encode_edits(&std::mem::take(&mut self.edits));
        self.event(&RawEvent::SiteChanged { edits: &edits });
    }

    fn attach(&mut self, who: &str) {
        if !self.opened {
            self.opened = true;
            let saved = std::mem::take(&mut self.saved);
            let url = "/inbox?unread=1";
            self.event(&RawEvent::SessionOpened(Opening {
                seed: SEED,
                url,
                address: ADDRESS,
                locale: "de-CH",
                timezone: "Europe/Zurich",
                saved: &saved,
                ..Opening::default()
            }));
        }
        self.connections.push(who.to_owned());
        let connection = self.connection(who);
        self.event(&RawEvent::FrontendJoined { connection });
    }

    /// The connection that was last attached under this name.
    fn connection(&self, who: &str) -> ConnectionId {
        let at = self.connections.iter().rposition(|name| name == who);
        let at = at.unwrap_or_else(|| panic!("{}: {who} was never attached", self.name));
        ConnectionId(at as u64 + 1)
    }

    fn message(&mut self, topic: &str, value: &str, only: Option<u64>) {
        self.event(&RawEvent::MessagePublished { topic, value, only });
    }

    fn download(&mut self, token: &str, demand: Demand) {
        let token = u128::from_str_radix(token, 16).expect("a token is hexadecimal");
        self.event(&RawEvent::Download { token, demand });
    }

    /// What the session published to itself arrives.
    fn deliver(&mut self) {
        for _ in 0..self.manager.messages_waiting() {
            if let Some(Event::MessagePublished { message, .. }) = self.manager.take_message() {
                self.message(&message.topic, &message.value, message.only);
            }
        }
    }

    fn frame(&mut self, who: &str, text: &str) {
        let connection = self.connection(who);
        self.event(&RawEvent::Frame { connection, text });
    }

    fn advance(&mut self, ms: u64) {
        let target = self.now + ms;
        let mut events = 0;
        while let Some(due) = self.manager.poll_timeout().filter(|&due| due <= target) {
            self.now = self.now.max(due);
            self.event(&RawEvent::TimersDue);
            events += 1;
            assert!(events < EVENTS_MAX, "{}: timers without end", self.name);
        }
        self.now = target;
    }

    /// One event in a turn of its own.
    fn event(&mut self, event: &RawEvent<'_>) {
        let turn = Turn {
            now: self.now,
            wall: WALL_AT_ZERO + self.now as i64,
        };
        self.writer.event(turn, event);
        let event = to_event(event, SESSION, self.manager.site());
        self.manager.handle_event(event, turn);
        let mut frame = Vec::new();
        while let Some(effect) = self.manager.poll_effect() {
            match (Output::of(&effect, &mut frame), &effect) {
                (Some(output), _) => {
                    self.writer.output(&output);
                    self.show(&output);
                }
                (None, Effect::Log { level, text, .. }) if Some(*level) <= self.log_level => {
                    let text = text.replace('\n', "\n    | ");
                    self.out.push_str(&format!("  log {level} {text}\n"));
                }
                (None, _) => {}
            }
        }
        self.writer.commit().expect("the recording can be written");
    }

    fn show(&mut self, output: &Output<'_>) {
        let name = |c: &ConnectionId| &*self.connections[c.0 as usize - 1];
        let line = match output {
            Output::Frame { connection, text } => {
                let parsed = serde_json::from_slice::<serde_json::Value>(text);
                assert!(parsed.is_ok(), "{}: sent no JSON: {output}", self.name);
                show_frame(&format!("  {} < ", name(connection)), text)
            }
            Output::Close {
                connection,
                code,
                reason,
            } => format!("  {} closed {code} {reason}", name(connection)),
            Output::Published { value, .. } if value.len() > 200 => {
                format!("  published {} bytes", value.len())
            }
            Output::SessionFailed { .. }
            | Output::SessionEnded
            | Output::HostCalled { .. }
            | Output::Process { .. }
            | Output::Upload { .. }
            | Output::Published { .. }
            | Output::Saved { .. }
            | Output::Download { .. } => format!("  {output}"),
        };
        self.out.push_str(&line);
        self.out.push('\n');
    }

    fn check_recording(self) -> Option<String> {
        let reader = Reader::open(&self.recording).expect("what was just written can be read");
        let _ = fs::remove_file(&self.recording);
        let report = replay(&reader, |_| runtime());
        if report.exit_code() != 0 {
            return Some(format!("its recording does not replay:\n{report}"));
        }
        let survives = crate::checkpoints::survives(&reader, Often::Always);
        let problem = survives.err()?;
        Some(format!("frozen and thawed it is another:\n{problem}"))
    }
}

/// A batch written in short.
fn batch(name: &str, user_event: bool, short: &str) -> String {
    let mut messages = Vec::new();
    for part in short.split("; ") {
        message(part, &mut messages).unwrap_or_else(|| panic!("{name}: no such message: {part}"));
    }
    format!(
        r#"{{"userEvent":{user_event},"messages":[{}]}}"#,
        messages.join(",")
    )
}

fn message(short: &str, into: &mut Vec<String>) -> Option<()> {
    let (verb, rest) = short.trim().split_once(' ')?;
    let words: Vec<&str> = rest.split_whitespace().collect();
    let mut push = |kind: &str, data: String| {
        into.push(format!(r#"{{"type":"{kind}","data":{{{data}}}}}"#));
    };
    match verb {
        "watch" | "unwatch" | "destroy" => {
            words
                .iter()
                .for_each(|id| push(verb, format!(r#""varId":{id}"#)));
        }
        "get" => push(verb, format!(r#""varIds":[{}]"#, words.join(","))),
        "objects" => push("getObjects", format!(r#""objIds":[{}]"#, words.join(","))),
        "call" => push("update", format!(r#""varId":{rest},"value":null"#)),
        "set" => {
            let (id, value) = rest.split_once(' ')?;
            push("update", format!(r#""varId":{id},"value":{value}"#));
        }
        "prop" => {
            let (id, properties) = words.split_first()?;
            let properties = pairs(None, properties);
            push(
                "update",
                format!(r#""varId":{id},"properties":{{{properties}}}"#),
            );
        }
        "create" => push(verb, create(rest)?),
        _ => return None,
    }
    Some(())
}

fn create(short: &str) -> Option<String> {
    let (short, value) = match short.split_once(" = ") {
        Some((short, value)) => (short, format!(r#","value":{value}"#)),
        None => (short, String::new()),
    };
    let mut words: Vec<&str> = short.split_whitespace().collect();
    let nowatch = match words.last() {
        Some(&"nowatch") => {
            words.pop();
            r#","nowatch":true"#
        }
        _ => "",
    };
    let [id, parent, path, properties @ ..] = words.as_slice() else {
        return None;
    };
    let properties = pairs(Some(path).filter(|p| **p != "-"), properties);
    Some(format!(
        r#""id":{id},"parentId":{parent},"properties":{{{properties}}}{nowatch}{value}"#
    ))
}

fn pairs(path: Option<&&str>, words: &[&str]) -> String {
    let text = |s: &str| serde_json::to_string(s).expect("texts are JSON");
    let path = path.map(|path| format!(r#""path":{}"#, text(path)));
    let pair = |word: &&str| {
        let (name, value) = word.split_once('=').unwrap_or((word, "true"));
        format!("{}:{}", text(name), text(value))
    };
    let all: Vec<String> = path.into_iter().chain(words.iter().map(pair)).collect();
    all.join(",")
}

fn first_difference(name: &str, expected: &str, actual: &str) -> String {
    let (expected, actual): (Vec<_>, Vec<_>) =
        (expected.lines().collect(), actual.lines().collect());
    let same = expected.iter().zip(&actual).take_while(|(a, b)| a == b);
    let at = same.count();
    let step = actual[..at].iter().rposition(|line| !line.starts_with(' '));
    let from = step.unwrap_or(at);
    let show = |lines: &[&str]| {
        let rest = lines.get(from + 1..).unwrap_or_default();
        let output = rest.iter().take_while(|line| line.starts_with(' '));
        output.map(|line| format!("{line}\n")).collect::<String>()
    };
    format!(
        "tests/golden/{name}:{}: after: {}\nexpected\n{}but got\n{}",
        at + 1,
        actual.get(from).unwrap_or(&"(the start)"),
        show(&expected),
        show(&actual)
    )
}
