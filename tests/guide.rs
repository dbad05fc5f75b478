//! The Lua guide is true: every example of `lua/README.md` is run.
//!
//! An example is a block of code marked ```` ```lua ```` (its `main.lua`; ```` ```lua a/b.lua ```` is another
//! file of the same site) and the block ```` ```steps ```` behind it, which says what happens:
//!
//! ```text
//! set PATH = JSON              a page writes through the path
//! call PATH [= JSON]           it calls the method at the end of the path
//! expect PATH = JSON           what it shows; an object shows as {...}, an array with its objects as {...}
//! expect PATH fails TEXT       the error that stands on it; TEXT is a part of it
//! submit PATH fails TEXT       it calls the method, which fails
//! advance MS                   time passes
//! message TOPIC = JSON         another session publishes
//! edit                         the next block of Lua replaces main.lua while the session runs
//! ```
//!
//! A path may lead through variables with properties: `rows?wrapper=lua.ViewList > items > 0 > item > name`.
//! Code blocks with other marks are not run. A `lua` block without steps must load without an error.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use lunette::core::effect::Effect;
use lunette::core::event::{Event, Opening, Turn};
use lunette::core::id::{ConnectionId, SessionId};
use lunette::core::manager::{ManagerConfig, SessionManager};
use lunette::core::site::Site;
use lunette::core::topic::Message;
use lunette::lua::LuaRuntime;
use lunette::wire;
use serde_json::{Value, json};

const SESSION: SessionId = SessionId(1);
const PAGE: ConnectionId = ConnectionId(1);
/// 2026-01-02T03:04:05Z.
const WALL: i64 = 1_767_323_045_000;

#[test]
fn every_example_does_what_it_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("lua/README.md");
    let text = fs::read_to_string(path).expect("the guide is there");
    let mut failures = Vec::new();
    let mut count = 0;
    for example in examples(&text) {
        count += 1;
        if let Err(problem) = run(&example) {
            failures.push(format!("lua/README.md:{problem}"));
        }
    }
    assert!(count >= 18, "only {count} examples were found");
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

/// Files, and steps with their line numbers.
#[derive(Default)]
struct Example {
    line: usize,
    files: BTreeMap<String, Vec<u8>>,
    steps: Vec<(usize, String)>,
}

fn examples(text: &str) -> Vec<Example> {
    let mut all: Vec<Example> = Vec::new();
    let mut lines = text.lines().enumerate();
    while let Some((at, line)) = lines.next() {
        let Some(mark) = line.strip_prefix("```").filter(|mark| !mark.is_empty()) else {
            continue;
        };
        let block: Vec<(usize, &str)> = lines
            .by_ref()
            .take_while(|(_, line)| *line != "```")
            .map(|(at, line)| (at + 1, line))
            .collect();
        let code = || {
            block
                .iter()
                .map(|(_, line)| format!("{line}\n"))
                .collect::<String>()
        };
        match mark.split_once(' ').unwrap_or((mark, "main.lua")) {
            ("steps", _) => {
                let example = all.last_mut().expect("steps come behind an example");
                let steps = block.iter().filter(|(_, line)| !line.trim().is_empty());
                example
                    .steps
                    .extend(steps.map(|(at, line)| (*at, (*line).to_owned())));
            }
            ("lua", file) => {
                let fresh = file == "main.lua";
                if fresh {
                    all.push(Example {
                        line: at + 1,
                        ..Example::default()
                    });
                }
                let example = all.last_mut().expect("a module comes behind main.lua");
                example
                    .files
                    .insert(format!("lua/{file}"), code().into_bytes());
            }
            _ => {}
        }
    }
    all
}

fn run(example: &Example) -> Result<(), String> {
    let mut page = Page::open(example).map_err(|text| format!("{}: {text}", example.line))?;
    for (at, step) in &example.steps {
        page.step(step.trim())
            .map_err(|text| format!("{at}: {step}: {text}"))?;
    }
    Ok(())
}

/// A page that creates a variable for each path it is asked about, and knows what it was told.
struct Page {
    manager: SessionManager<LuaRuntime>,
    now: u64,
    ids: BTreeMap<String, i64>,
    values: BTreeMap<i64, Value>,
    errors: BTreeMap<i64, String>,
}

impl Page {
    fn open(example: &Example) -> Result<Page, String> {
        let config = ManagerConfig {
            site: Site::new(example.files.clone()),
            ..ManagerConfig::default()
        };
        let runtime = LuaRuntime::new().expect("a runtime can be made");
        let mut page = Page {
            manager: SessionManager::new(runtime, config),
            now: 0,
            ids: BTreeMap::new(),
            values: BTreeMap::new(),
            errors: BTreeMap::new(),
        };
        let opening: Opening = Opening {
            seed: 1,
            url: "/".into(),
            address: "/SESSION".into(),
            locale: "de-CH".into(),
            timezone: "Europe/Zurich".into(),
        };
        let session = SESSION;
        page.handle(Event::SessionOpened { session, opening });
        page.handle(Event::FrontendJoined {
            session,
            connection: PAGE,
        });
        match page.errors.remove(&1) {
            Some(error) => Err(error),
            None => {
                page.send(&[json!({"type": "watch", "data": {"varId": 1}})]);
                Ok(page)
            }
        }
    }

    fn handle(&mut self, event: Event) {
        let turn = Turn {
            now: self.now,
            wall: WALL + self.now as i64,
        };
        self.manager.handle_event(event, turn);
        let mut frame = Vec::new();
        while let Some(effect) = self.manager.poll_effect() {
            if let Effect::Send { batch, .. } = effect {
                frame.clear();
                wire::write_batch(&batch, &mut frame);
                self.hear(&serde_json::from_slice(&frame).expect("frames are JSON"));
            }
        }
    }

    fn hear(&mut self, frame: &Value) {
        let messages = match frame {
            Value::Array(messages) => messages.clone(),
            single => vec![single.clone()],
        };
        for message in messages {
            let data = &message["data"];
            let id = data["varId"].as_i64().unwrap_or(0);
            match message["type"].as_str() {
                Some("update") => {
                    if let Some(value) = data.get("value") {
                        self.values.insert(id, value.clone());
                        self.errors.remove(&id);
                    }
                }
                Some("error") => {
                    let text = data["description"].as_str().unwrap_or_default();
                    self.errors.insert(id, text.to_owned());
                }
                _ => {}
            }
        }
    }

    fn send(&mut self, messages: &[Value]) {
        self.advance(10);
        let frame = json!({"userEvent": true, "messages": messages}).to_string();
        self.handle(Event::BatchReceived {
            session: SESSION,
            connection: PAGE,
            batch: wire::read_batch(&frame),
        });
        self.deliver();
    }

    /// What the session published to itself.
    fn deliver(&mut self) {
        while let Some(event) = self.manager.take_message() {
            self.handle(event);
        }
    }

    fn advance(&mut self, ms: u64) {
        let target = self.now + ms;
        while let Some(due) = self.manager.poll_timeout().filter(|&due| due <= target) {
            self.now = self.now.max(due);
            self.handle(Event::TimersDue { session: SESSION });
            self.deliver();
        }
        self.now = target;
    }

    /// The variable at a path, created if the page has none there yet.
    fn variable(&mut self, path: &str, access: Option<&str>) -> i64 {
        let mut parent = 1;
        let mut name = String::new();
        let parts: Vec<&str> = path.split(" > ").map(str::trim).collect();
        for (i, part) in parts.iter().enumerate() {
            // The same path with another access is another variable.
            let access = access.filter(|_| i + 1 == parts.len());
            name = format!("{name} > {part} {}", access.unwrap_or_default());
            if let Some(&id) = self.ids.get(&name) {
                parent = id;
                continue;
            }
            let id = self.ids.len() as i64 + 2;
            let mut properties = json!({ "path": part });
            if let Some(access) = access {
                properties["access"] = access.into();
            }
            self.ids.insert(name.clone(), id);
            self.send(&[json!({"type": "create",
                "data": {"id": id, "parentId": parent, "properties": properties}})]);
            parent = id;
        }
        parent
    }

    fn write(&mut self, id: i64, value: &Value) {
        self.send(&[json!({"type": "update", "data": {"varId": id, "value": value}})]);
    }

    fn step(&mut self, step: &str) -> Result<(), String> {
        let (verb, rest) = step.split_once(' ').unwrap_or((step, ""));
        let (path, json) = match rest.split_once(" = ") {
            Some((path, json)) => {
                let value = serde_json::from_str(json).map_err(|e| e.to_string())?;
                (path.trim(), value)
            }
            None => (rest, Value::Null),
        };
        match verb {
            "set" => {
                let id = self.variable(path, None);
                self.write(id, &json);
                self.no_error(id)
            }
            "call" => {
                let id = self.variable(path, Some("action"));
                self.write(id, &json);
                self.no_error(id)
            }
            "submit" => {
                let (path, expected) = path
                    .split_once(" fails ")
                    .ok_or("it says not how it fails")?;
                let id = self.variable(path, Some("action"));
                self.write(id, &json);
                self.fails(id, expected)
            }
            "expect" => match path.split_once(" fails ") {
                Some((path, expected)) => {
                    let id = self.variable(path, None);
                    self.fails(id, expected)
                }
                None => {
                    let id = self.variable(path, None);
                    self.no_error(id)?;
                    let shown = plain(self.values.get(&id).unwrap_or(&Value::Null));
                    match shown == json {
                        true => Ok(()),
                        false => Err(format!("it shows {shown}")),
                    }
                }
            },
            "advance" => {
                self.advance(rest.parse().map_err(|_| "milliseconds are missing")?);
                Ok(())
            }
            "message" => {
                let message = Message {
                    topic: path.into(),
                    value: json.to_string().into(),
                    only: None,
                };
                self.advance(10);
                self.handle(Event::MessagePublished {
                    session: SESSION,
                    message,
                });
                Ok(())
            }
            _ => Err("there is no such step".into()),
        }
    }

    fn no_error(&self, id: i64) -> Result<(), String> {
        self.errors
            .get(&id)
            .map_or(Ok(()), |text| Err(text.clone()))
    }

    fn fails(&self, id: i64, expected: &str) -> Result<(), String> {
        match self.errors.get(&id) {
            Some(text) if text.contains(expected) => Ok(()),
            Some(text) => Err(format!("it fails with: {text}")),
            None => Err("it does not fail".into()),
        }
    }
}

/// The value with its objects as `{}`: their numbers mean nothing to a reader.
fn plain(value: &Value) -> Value {
    match value {
        Value::Object(_) => json!({}),
        Value::Array(items) => items.iter().map(plain).collect(),
        other => other.clone(),
    }
}
