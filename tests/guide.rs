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
//! prop PATH NAME = TEXT        it sets a property of the variable
//! advance MS                   time passes
//! message TOPIC = JSON         another session publishes
//! upload PATH = {"name": ...}  it uploads a file with this name, type and content
//! ```
//!
//! A path may lead through variables with properties: `rows?wrapper=lua.ViewList > items > 0 > item > name`.
//! A block ```` ```lua edit main.lua ```` is a file that is saved while the session runs; more steps may follow. A
//! `lua` block without steps must load without an error. Everything is granted to the examples; files are those that
//! they have written, and the programs `echo` and `false` are all there is. Blocks with other marks are not run.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::rc::Rc;

use lunette::core::effect::Effect;
use lunette::core::event::{Event, Opening, Turn};
use lunette::core::id::{ConnectionId, SessionId};
use lunette::core::limits::SessionLimits;
use lunette::core::manager::{ManagerConfig, SessionManager};
use lunette::core::outside::{
    Grants, HostAnswer, HostCall, Outgoing, Outside, ProcessAction, ProcessExit, ProcessId,
    ProcessNews, Stream, WriteMode,
};
use lunette::core::site::Site;
use lunette::core::topic::Message;
use lunette::core::upload::{UploadAction, UploadId, UploadNews};
use lunette::lua::LuaRuntime;
use lunette::wire;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

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

/// Files, and what happens then.
#[derive(Default)]
struct Example {
    line: usize,
    files: BTreeMap<String, Vec<u8>>,
    parts: Vec<Part>,
}

enum Part {
    /// With its line number.
    Step(usize, String),
    /// A file and its new content.
    Edit(String, Vec<u8>),
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
                let steps = steps.map(|(at, line)| Part::Step(*at, (*line).to_owned()));
                example.parts.extend(steps);
            }
            ("lua", edit) if edit.starts_with("edit ") => {
                let example = all.last_mut().expect("edits come behind an example");
                let file = edit.replacen("edit ", "lua/", 1);
                let content = code().into_bytes();
                example.parts.push(Part::Edit(file, content));
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
    for part in &example.parts {
        match part {
            Part::Step(at, step) => page
                .step(step.trim())
                .map_err(|text| format!("{at}: {step}: {text}"))?,
            Part::Edit(file, content) => page.edit(file, content),
        }
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
    started: Vec<(ProcessId, ProcessAction)>,
    /// The upload that was announced last, and what was uploaded.
    announced: Option<UploadId>,
    uploaded: Uploaded,
}

type Uploaded = Rc<RefCell<BTreeMap<UploadId, Vec<u8>>>>;

/// Files in memory.
#[derive(Debug, Default)]
struct Disk {
    files: BTreeMap<Vec<u8>, Vec<u8>>,
    uploaded: Uploaded,
}

impl Outside for Disk {
    fn call(&mut self, _: SessionId, call: &HostCall) -> HostAnswer {
        match call {
            HostCall::Read { path } => match self.files.get(path) {
                Some(content) => HostAnswer::Bytes(content.clone()),
                None => HostAnswer::Failed {
                    code: 2,
                    text: "No such file or directory".into(),
                },
            },
            HostCall::Write {
                path,
                mode,
                content,
            } => {
                let file = self.files.entry(path.clone()).or_default();
                if *mode != WriteMode::Append {
                    file.clear();
                }
                file.extend_from_slice(content);
                HostAnswer::Done
            }
            HostCall::ReadUpload {
                upload,
                offset,
                length,
            } => {
                let content = &self.uploaded.borrow()[upload];
                let rest = content.iter().skip(*offset as usize).take(*length as usize);
                HostAnswer::Bytes(rest.copied().collect())
            }
            HostCall::MoveUpload { upload, to } => {
                let content = self.uploaded.borrow_mut().remove(upload);
                let content = content.unwrap_or_default();
                self.files.insert(to.clone(), content);
                HostAnswer::Done
            }
            _ => HostAnswer::Nothing,
        }
    }
}

impl Page {
    fn open(example: &Example) -> Result<Page, String> {
        let grants = Grants {
            files: true,
            io: true,
            os: true,
            spawn: true,
            commands: vec!["echo".into(), "false".into()],
            ..Grants::default()
        };
        let config = ManagerConfig {
            site: Site::new(example.files.clone()),
            limits: SessionLimits {
                grants,
                ..SessionLimits::default()
            },
            ..ManagerConfig::default()
        };
        let runtime = LuaRuntime::new().expect("a runtime can be made");
        let mut page = Page {
            manager: SessionManager::new(runtime, config),
            now: 0,
            ids: BTreeMap::new(),
            values: BTreeMap::new(),
            errors: BTreeMap::new(),
            started: Vec::new(),
            announced: None,
            uploaded: Uploaded::default(),
        };
        let disk = Disk {
            uploaded: page.uploaded.clone(),
            ..Disk::default()
        };
        page.manager.set_outside(Box::new(disk));
        let opening: Opening = Opening {
            seed: 1,
            url: "/".into(),
            address: "/SESSION".into(),
            locale: "de-CH".into(),
            timezone: "Europe/Zurich".into(),
            ..Opening::default()
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
            match effect {
                Effect::Send { batch, .. } => {
                    frame.clear();
                    wire::write_batch(&batch, &mut frame);
                    self.hear(&serde_json::from_slice(&frame).expect("frames are JSON"));
                }
                Effect::Outside {
                    outgoing: Outgoing::Process { process, action },
                    ..
                } => self.started.push((process, action)),
                Effect::Outside {
                    outgoing: Outgoing::Upload { upload, action },
                    ..
                } => {
                    let open = matches!(action, UploadAction::Open { .. });
                    self.announced = open.then_some(upload).or(self.announced);
                }
                _ => {}
            }
        }
    }

    /// Programs run at once: `echo` says its arguments, `false` fails.
    fn run_programs(&mut self) {
        for (process, action) in std::mem::take(&mut self.started) {
            let ProcessAction::Spawn(order) = action else {
                continue;
            };
            let code = i32::from(order.command != b"echo");
            let mut news = vec![ProcessNews::Exited(ProcessExit {
                code: Some(code),
                ..ProcessExit::default()
            })];
            if code == 0 {
                let mut text = order.arguments.join(&b" "[..]);
                text.push(b'\n');
                let stream = Stream::Out;
                news.insert(0, ProcessNews::Lines { stream, text });
            }
            for news in news {
                self.handle(Event::Process {
                    session: SESSION,
                    process,
                    news,
                });
            }
        }
    }

    /// A file of the site is saved.
    fn edit(&mut self, file: &str, content: &[u8]) {
        self.advance(10);
        let edits = BTreeMap::from([(file.to_owned(), Some(content.to_vec()))]);
        let change = self.manager.site().edit(edits);
        self.handle(Event::SiteChanged {
            session: SESSION,
            change,
        });
        self.advance(10);
    }

    fn hear(&mut self, frame: &Value) {
        let mut messages = match frame {
            Value::Array(messages) => messages.clone(),
            single => vec![single.clone()],
        };
        // An error stands although the same frame takes the value off the screen.
        messages.sort_by_key(|message| message["type"] == "error");
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
        self.run_programs();
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
        let (path, json) = match rest.split_once(" = ").filter(|_| verb != "prop") {
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
            "prop" => self.set_property(rest),
            "upload" => self.upload(path, &json),
            "advance" => {
                self.advance(rest.parse().map_err(|_| "milliseconds are missing")?);
                Ok(())
            }
            "message" => {
                let message = Message {
                    number: 0,
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

    /// A file arrives whole.
    fn upload(&mut self, path: &str, file: &Value) -> Result<(), String> {
        let text = |name: &str| file[name].as_str().unwrap_or_default();
        let content = text("content").as_bytes();
        let id = self.ids.len() as i64 + 2;
        self.ids.insert(format!("upload {id}"), id);
        let properties = json!({"path": path, "access": "action", "upload": content.len().to_string(),
            "uploadName": text("name"), "uploadType": text("type")});
        self.send(&[json!({"type": "create",
            "data": {"id": id, "parentId": 1, "properties": properties}})]);
        self.no_error(id)?;
        let upload = self.announced.take().ok_or("nothing was announced")?;
        self.uploaded.borrow_mut().insert(upload, content.to_vec());
        let sha256 = Sha256::digest(content).into();
        for news in [UploadNews::Ready, UploadNews::Finished { sha256 }] {
            self.advance(10);
            let session = SESSION;
            self.handle(Event::Upload {
                session,
                upload,
                news,
            });
        }
        self.advance(10);
        self.no_error(id)
    }

    /// `PATH NAME = TEXT`.
    fn set_property(&mut self, rest: &str) -> Result<(), String> {
        let (path, set) = rest.rsplit_once(" = ").ok_or("it sets nothing")?;
        let (path, name) = path.rsplit_once(' ').ok_or("it names no property")?;
        let id = self.variable(path, None);
        let properties = json!({ name: set });
        self.send(&[json!({"type": "update", "data": {"varId": id, "properties": properties}})]);
        self.no_error(id)
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
