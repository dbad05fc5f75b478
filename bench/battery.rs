//! The battery of hostile scripts, `tests/hostile/*.lua`, on the real core with the real Lua: tests assert what each
//! ends in, the bench how long that takes.
//!
//! A script says in its first comment lines what it is about:
//!
//! ```text
//! -- What it attacks, in words.
//! -- where: getter          where it runs, see `Place`
//! -- expect: limit          the code of the error it ends in, on the variable that ran it or the one whose id is
//!                           behind it; `failed`: the session
//!                           does not start; `log`: an error that is only logged; `nothing`: no error at all
//! -- text: gas limit        what the error's text must contain
//! -- gas: 300000            gas of one message where the default is more than the point of the script needs
//! -- memory: 16777216       the same of its Lua memory
//! -- keeps                  what it keeps alive is its own affair
//! -- granted                with all that a site can grant
//! ```
//!
//! Each runs in session 1, beside session 2, whose user goes on clicking.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use lunette::core::effect::Effect;
use lunette::core::event::{Opening, Turn};
use lunette::core::id::{ConnectionId, SessionId};
use lunette::core::limits::SessionLimits;
use lunette::core::manager::{ManagerConfig, SessionManager};
use lunette::core::outside::{Grants, HostAnswer, HostCall, Outside};
use lunette::core::site::Site;
use lunette::journal::{Output, RawEvent, RawProgress};
use lunette::lua::LuaRuntime;
use lunette::replay::to_event;
use serde_json::{Value, json};

/// The session that the script runs in, and the one beside it.
pub const HOSTILE: SessionId = SessionId(1);
const NEIGHBOUR: SessionId = SessionId(2);
const SEED: u64 = 42;
/// Long after the time that the scripts' timers wait.
const WALL_AT_ZERO: i64 = 1_704_067_200_000;
/// Timers that start each other do so for ever: this many turns show it.
const TURNS: usize = 6;

/// The app of both sessions. What it needs of Lua it has before the script can touch it.
const MAIN: &str = r#"
App = session:prototype("App", { n = 0 })
app = session:create(App)
local id = session.id
function app:fine() self.n = self.n + 1 end
function app:tidy() kept = nil local t for i = 1, 8000 do t = { i } end end
session:createAppVariable(app)
if id == "1" then require("attack") end
"#;

/// Where a script runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// While the session starts.
    Main,
    /// `app:attack()` is called as an action.
    Action,
    /// The file is required by an action.
    Require,
    /// `app:attack()` is read.
    Getter,
    /// `app:attack(value)` is written.
    Setter,
    /// `Attack:new()` of `wrapper=Attack`.
    Wrapper,
    /// `Attack:sync()`, when the value of a variable with that wrapper has changed.
    Sync,
    /// `Attack:destroy()`, when that variable is destroyed.
    Destroy,
    /// `Attack:new()` of `create=Attack`.
    Create,
    /// The list `app.list` is presented with `itemWrapper=Attack`.
    List,
    /// `app:attack(file)` gets a file that was uploaded: endless, of zeros.
    Upload,
    /// The action `app:attack()` starts timers.
    Timer,
    /// All of it in one event: the action three times, a getter `app:spin()`, and `Attack:destroy()`.
    Event,
    /// The file is what property `lua` of variable 1 is set to.
    Code,
}

/// A hostile script.
#[derive(Clone, Debug)]
pub struct Attack {
    pub name: String,
    pub place: Place,
    pub expect: String,
    pub text: String,
    pub gas: Option<u64>,
    pub memory: Option<usize>,
    pub keeps: bool,
    pub granted: bool,
    source: String,
}

/// All scripts, in the order of their names.
pub fn attacks() -> Vec<Attack> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hostile");
    let entries = fs::read_dir(&dir).expect("tests/hostile is there");
    let mut paths: Vec<_> = entries
        .map(|entry| entry.expect("tests/hostile is readable").path())
        .filter(|path| path.extension().is_some_and(|e| e == "lua"))
        .collect();
    paths.sort();
    paths.iter().map(|path| read(path)).collect()
}

fn read(path: &Path) -> Attack {
    let name = path.file_stem().expect("a file").to_string_lossy();
    let source = fs::read_to_string(path).expect("scripts are UTF-8");
    let head: Vec<&str> = source
        .lines()
        .map_while(|line| line.strip_prefix("-- "))
        .collect();
    let get = |key: &str| {
        let value = head
            .iter()
            .find_map(|line| line.strip_prefix(key)?.strip_prefix(": "));
        value.map(str::to_owned)
    };
    let number = |key: &str| get(key).map(|text| text.parse().expect("a number"));
    let place = get("where").unwrap_or_else(|| panic!("{name}: no line `-- where:`"));
    Attack {
        place: Place::named(&place).unwrap_or_else(|| panic!("{name}: no such place: {place}")),
        expect: get("expect").unwrap_or_else(|| panic!("{name}: no line `-- expect:`")),
        text: get("text").unwrap_or_default(),
        gas: number("gas"),
        memory: number("memory").map(|bytes| bytes as usize),
        keeps: head.contains(&"keeps"),
        granted: head.contains(&"granted"),
        name: name.into_owned(),
        source,
    }
}

impl Place {
    fn named(name: &str) -> Option<Place> {
        Some(match name {
            "main" => Place::Main,
            "action" => Place::Action,
            "require" => Place::Require,
            "getter" => Place::Getter,
            "setter" => Place::Setter,
            "wrapper" => Place::Wrapper,
            "sync" => Place::Sync,
            "destroy" => Place::Destroy,
            "create" => Place::Create,
            "list" => Place::List,
            "upload" => Place::Upload,
            "timer" => Place::Timer,
            "event" => Place::Event,
            "code" => Place::Code,
            _ => return None,
        })
    }

    /// The variable on which the error is expected.
    pub fn variable(self) -> i64 {
        if self == Place::Code { 1 } else { 10 }
    }
}

impl Attack {
    /// What its site grants it.
    pub fn grants(&self) -> Grants {
        let on = self.granted;
        Grants {
            io: on,
            os: on,
            files: on,
            spawn: on,
            blocking: on,
            commands: vec!["true".into()],
        }
    }

    pub fn site(&self) -> Site {
        let arm = "function app:attack() return require('bad') end";
        let file = match self.place {
            Place::Require => arm,
            Place::Code => "",
            _ => &self.source,
        };
        let mut files = BTreeMap::from([
            ("lua/main.lua".to_owned(), MAIN.as_bytes().to_vec()),
            ("lua/attack.lua".to_owned(), file.as_bytes().to_vec()),
            (
                "lua/unique.lua".to_owned(),
                b"n = (n or 0) + 1 error('unique ' .. n)".to_vec(),
            ),
            ("lua/broken.lua".to_owned(), b"this is no Lua".to_vec()),
        ]);
        if self.place == Place::Require {
            files.insert("lua/bad.lua".to_owned(), self.source.as_bytes().to_vec());
        }
        Site::new(files)
    }

    /// What the user of session 1 does, a frame each; `None`: time passes.
    fn frames(&self) -> Vec<Option<String>> {
        let create = |id: i64, properties: Value| {
            message(
                "create",
                &json!({ "id": id, "parentId": 1, "properties": properties }),
            )
        };
        let attack = |properties: Value| create(10, properties);
        let call = |id: i64| message("update", &json!({ "varId": id, "value": null }));
        let action = json!({ "path": "attack()", "access": "action" });
        let wrapped = json!({ "path": "value", "wrapper": "Attack" });
        let frame = |messages: &[String]| {
            Some(format!(
                r#"{{"userEvent":true,"messages":[{}]}}"#,
                messages.join(",")
            ))
        };
        match self.place {
            Place::Main => vec![],
            Place::Action | Place::Require => vec![frame(&[attack(action), call(10)])],
            Place::Timer => {
                let mut frames = vec![frame(&[attack(action), call(10)])];
                frames.extend(vec![None; TURNS]);
                frames
            }
            Place::Upload => {
                let file = json!({ "path": "attack(_)", "access": "action", "upload": "1" });
                vec![frame(&[attack(file)])]
            }
            Place::Getter => vec![frame(&[attack(json!({ "path": "attack()" }))])],
            Place::Setter => {
                let set = message("update", &json!({ "varId": 10, "value": "x" }));
                vec![frame(&[attack(json!({ "path": "attack(_)" })), set])]
            }
            Place::Wrapper => vec![frame(&[attack(wrapped)])],
            Place::Sync => {
                let change = json!({ "path": "change()", "access": "action" });
                let change = create(11, change);
                vec![frame(&[attack(wrapped)]), frame(&[change, call(11)])]
            }
            Place::Destroy => {
                let destroy = message("destroy", &json!({ "varId": 10 }));
                vec![frame(&[attack(wrapped)]), frame(&[destroy])]
            }
            Place::Create => vec![frame(&[attack(
                json!({ "path": "value", "create": "Attack" }),
            )])],
            Place::List => {
                let list =
                    json!({ "path": "list", "wrapper": "lua.ViewList", "itemWrapper": "Attack" });
                vec![frame(&[attack(list)])]
            }
            Place::Event => {
                let first = frame(&[attack(action), create(11, wrapped)]);
                let getter = create(12, json!({ "path": "spin()" }));
                let destroy = message("destroy", &json!({ "varId": 11 }));
                vec![
                    first,
                    frame(&[getter, call(10), call(10), call(10), destroy]),
                ]
            }
            Place::Code => {
                let set = json!({ "varId": 1, "properties": { "lua": self.source } });
                vec![frame(&[message("update", &set)])]
            }
        }
    }
}

fn message(kind: &str, data: &Value) -> String {
    json!({ "type": kind, "data": data }).to_string()
}

fn action(id: i64) -> String {
    let call = message("update", &json!({ "varId": id, "value": null }));
    format!(r#"{{"userEvent":true,"messages":[{call}]}}"#)
}

/// What a script did.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Codes and texts of the errors told, with their variables.
    pub errors: Vec<(i64, String, String)>,
    /// Lines of the log.
    pub logs: Vec<String>,
    /// Why the session did not start.
    pub failed: Option<String>,
    /// All that came out, for comparison.
    pub transcript: String,
    /// Gas that the script took, and Lua memory before it and at the end.
    pub gas: u64,
    pub memory_before: usize,
    pub memory_after: usize,
    /// The event that took the longest, and its gas.
    pub worst: Duration,
    pub worst_gas: u64,
    /// What went wrong beside it.
    pub complaints: Vec<String>,
}

/// Hears of each event of session 1, and of each output.
pub trait Recorder {
    fn event(&mut self, turn: Turn, event: &RawEvent<'_>);
    fn output(&mut self, output: &Output<'_>);
}

/// Uploaded files are endless here; all else fails.
#[derive(Debug)]
struct Zeros;

impl Outside for Zeros {
    fn call(&mut self, _: SessionId, call: &HostCall) -> HostAnswer {
        match call {
            HostCall::ReadUpload { length, .. } => HostAnswer::Bytes(vec![0; *length as usize]),
            _ => HostAnswer::Failed {
                code: 0,
                text: "there is nothing".into(),
            },
        }
    }
}

/// Two sessions beside each other.
struct Stage<'r> {
    manager: SessionManager<LuaRuntime>,
    recorder: Option<&'r mut dyn Recorder>,
    now: u64,
    outcome: Outcome,
    clicks: i64,
    rounds: usize,
}

/// Runs a script with these limits.
pub fn run(
    attack: &Attack,
    limits: &SessionLimits,
    recorder: Option<&mut dyn Recorder>,
) -> Outcome {
    let config = ManagerConfig {
        site: attack.site(),
        limits: limits.clone(),
        verbosity: 0,
    };
    let runtime = LuaRuntime::new().expect("a runtime can be made");
    let mut stage = Stage {
        manager: SessionManager::new(runtime, config),
        recorder,
        now: 1000,
        outcome: Outcome::default(),
        clicks: 0,
        rounds: 8 + limits.lua_memory / (1 << 20),
    };
    stage.manager.set_outside(Box::new(Zeros));
    stage.open(NEIGHBOUR);
    stage.open(HOSTILE);
    stage.neighbour_goes_on();
    if stage.outcome.failed.is_none() {
        stage.play(attack);
    } else {
        stage.outcome.gas = stage.outcome.worst_gas;
    }
    stage.outcome
}

impl Stage<'_> {
    fn open(&mut self, session: SessionId) {
        let connection = ConnectionId(session.0);
        self.event(
            session,
            &RawEvent::SessionOpened(Opening {
                seed: SEED,
                url: "/",
                user: r#"{"name":"hostile"}"#,
                ..Opening::default()
            }),
        );
        self.event(session, &RawEvent::FrontendJoined { connection });
        let field = json!({ "id": 2, "parentId": 1, "properties": { "path": "n" } });
        let mut messages = vec![
            message("watch", &json!({ "varId": 1 })),
            message("create", &field),
        ];
        for (id, path) in [(3, "fine()"), (4, "tidy()")] {
            let properties = json!({ "path": path, "access": "action" });
            let data = json!({ "id": id, "parentId": 1, "properties": properties });
            messages.push(message("create", &data));
        }
        self.frame(session, &format!("[{}]", messages.join(",")));
    }

    fn play(&mut self, attack: &Attack) {
        self.frame(HOSTILE, &action(4));
        self.outcome.memory_before = self.used().1;
        let (gas, _) = self.used();
        // What happened before is no attack.
        (self.outcome.worst, self.outcome.worst_gas) = (Duration::ZERO, 0);
        for frame in attack.frames() {
            match frame {
                Some(frame) => self.frame(HOSTILE, &frame),
                None => self.pass_time(),
            }
            self.neighbour_goes_on();
        }
        if attack.place == Place::Upload {
            let sha256 = [0; 32];
            for news in [RawProgress::Ready, RawProgress::Finished { sha256 }] {
                self.now += 10;
                self.event(HOSTILE, &RawEvent::Upload { upload: 1, news });
                self.neighbour_goes_on();
            }
        }
        self.outcome.gas = self.used().0 - gas;
        let (worst, worst_gas) = (self.outcome.worst, self.outcome.worst_gas);
        self.session_goes_on();
        // Enough garbage for a collection.
        for _ in 0..self.rounds {
            self.frame(HOSTILE, &action(4));
        }
        self.outcome.memory_after = self.used().1;
        (self.outcome.worst, self.outcome.worst_gas) = (worst, worst_gas);
        let told = format!("gas {}, memory {}\n", self.used().0, self.used().1);
        self.outcome.transcript += &told;
    }

    fn used(&self) -> (u64, usize) {
        let session = self.manager.session(HOSTILE);
        session.map_or((0, 0), |s| (s.gas_used(), s.memory_used()))
    }

    /// The neighbour clicks and sees at once what it did.
    fn neighbour_goes_on(&mut self) {
        self.clicks += 1;
        let seen = self.click(NEIGHBOUR);
        if seen != Some(self.clicks) {
            let text = format!("the neighbour saw {seen:?} for click {}", self.clicks);
            self.outcome.complaints.push(text);
        }
    }

    fn session_goes_on(&mut self) {
        let (first, second) = (self.click(HOSTILE), self.click(HOSTILE));
        let steps = first.zip(second).map(|(first, second)| second - first);
        if steps != Some(1) {
            let text = format!("the session itself saw {first:?}, then {second:?}");
            self.outcome.complaints.push(text);
        }
    }

    /// What variable 2 shows after the action `fine()`.
    fn click(&mut self, session: SessionId) -> Option<i64> {
        let before = self.outcome.transcript.len();
        self.frame(session, &action(3));
        let told = self.outcome.transcript[before..]
            .rsplit_once(r#"{"varId":2,"value":"#)?
            .1;
        let end = told.find(|c: char| !c.is_ascii_digit())?;
        told[..end].parse().ok()
    }

    fn pass_time(&mut self) {
        self.now += 10;
        while let Some(session) = self.manager.next_due(self.now) {
            let before = self.outcome.transcript.len();
            self.event(session, &RawEvent::TimersDue);
            if self.manager.next_due(self.now) == Some(session) {
                // Still due: in the next turn, after the others.
                self.now += 1;
                break;
            }
            assert!(self.outcome.transcript.len() >= before);
        }
    }

    fn frame(&mut self, session: SessionId, text: &str) {
        self.now += 20;
        let connection = ConnectionId(session.0);
        self.event(session, &RawEvent::Frame { connection, text });
    }

    fn event(&mut self, session: SessionId, event: &RawEvent<'_>) {
        let turn = Turn {
            now: self.now,
            wall: WALL_AT_ZERO + self.now as i64,
        };
        let hostile = session == HOSTILE;
        if let Some(recorder) = self.recorder.as_mut().filter(|_| hostile) {
            recorder.event(turn, event);
        }
        let (gas, _) = self.used();
        let event = to_event(event, session, self.manager.site());
        let began = Instant::now();
        self.manager.handle_event(event, turn);
        let took = began.elapsed();
        if hostile && took > self.outcome.worst {
            self.outcome.worst = took;
            self.outcome.worst_gas = self.used().0 - gas;
        }
        self.take_effects(hostile);
    }

    fn take_effects(&mut self, hostile: bool) {
        let mut frame = Vec::new();
        while let Some(effect) = self.manager.poll_effect() {
            let output = Output::of(&effect, &mut frame);
            if let (Some(recorder), Some(output)) =
                (self.recorder.as_mut().filter(|_| hostile), &output)
            {
                recorder.output(output);
            }
            match (output, &effect) {
                (Some(Output::SessionFailed { .. }), Effect::SessionFailed { description, .. }) => {
                    self.outcome.failed = Some(description.clone());
                }
                (Some(output), _) => {
                    if let Output::Frame { text, .. } = &output {
                        self.outcome.note_errors(text);
                    }
                    self.outcome.transcript += &format!("{output}\n");
                }
                (None, Effect::Log { text, session, .. }) => {
                    self.outcome.transcript += &format!("log {session} {text}\n");
                    self.outcome.logs.push(text.clone());
                }
                (None, _) => {}
            }
        }
    }
}

impl Outcome {
    fn note_errors(&mut self, frame: &[u8]) {
        let Ok(frame) = serde_json::from_slice::<Value>(frame) else {
            self.complaints.push("a frame is no JSON".into());
            return;
        };
        let one = [frame];
        let messages = one[0].as_array().map_or(&one[..], Vec::as_slice);
        for message in messages.iter().filter(|m| m["type"] == "error") {
            let data = &message["data"];
            let text = |key: &str| data[key].as_str().unwrap_or_default().to_owned();
            let id = data["varId"].as_i64().unwrap_or_default();
            self.errors.push((id, text("code"), text("description")));
        }
    }
}
