//! Random walks: seeded frontends do anything they like to one session, while its code is edited or not. What each was told must be what
//! the server has when it is asked for everything, and the recording must replay.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use crate::checkpoints::{Often, survives};
use lunette::core::event::{Opening, Turn};
use lunette::core::id::{ConnectionId, SessionId};
use lunette::core::limits::SessionLimits;
use lunette::core::manager::{ManagerConfig, SessionManager};
use lunette::core::site::{Edits, Site};
use lunette::journal::{Header, Output, RawEvent, Reader, Writer, encode_edits};
use lunette::lua::LuaRuntime;
use lunette::replay::{replay, to_event};
use serde_json::{Value, json};

const SESSION: SessionId = SessionId(5);
const STEPS: u32 = 200;
const MAIN: &str = r##"
App = session:prototype("App", { n = 0, text = "t", rows = EMPTY, pick = EMPTY, deep = EMPTY, ticks = 0 })
Row = session:prototype("Row", { name = "", n = 0 })
Twice = session:prototype("Twice", {})
function Twice:new(v) local w = session:create(Twice, { value = v:getValue() }) w:sync() return w end
function Twice:sync() self.twice = type(self.value) == "number" and self.value * 2 or nil end
local app = session:create(App)
app.rows, app.deep, serial = {}, { a = { b = 1 }, list = { 1, { 2, 3 } } }, 0
local function row() serial = serial + 1 return session:create(Row, { name = "r" .. serial }) end
local function any() return #app.rows > 0 and math.random(#app.rows) or nil end
local acts = {
  function() table.insert(app.rows, math.random(#app.rows + 1), row()) end,
  function() if any() then table.remove(app.rows, any()) end end,
  function() if any() then app.rows[any()].n = math.random(9) end end,
  function() local i, j = any(), any() if i then app.rows[i], app.rows[j] = app.rows[j], app.rows[i] end end,
  function() app.pick = any() and app.rows[any()] or nil end,
  function() app.n = math.random(3) end,
  function() app.deep = math.random(2) == 1 and { a = { b = math.random(9) }, list = { math.random(3) } } or nil end,
  function() app.rows = { table.unpack(app.rows) } end,
  function() app.text = ({ "x", "y", 5, false, 2.5 })[math.random(5)] end,
  function() session:setTimeout(function() app.ticks = app.ticks + 1 end, math.random(30)) end,
}
function app:act() acts[math.random(#acts)]() end
function app:sum() local s = 0 for _, r in ipairs(self.rows) do s = s + r.n end return s end
function app:setText(v) self.text = v end
function app:loud(...) if select("#", ...) > 0 then self.text = string.upper(tostring((...))) end return self.text end
function app:names() local t = {} for i, r in ipairs(self.rows) do t[i] = r.name end return table.concat(t, " ") end
session:createAppVariable(app)
session:createVariable(1, "n")
session:setInterval(function() app.ticks = app.ticks + 1 end, 50)
"##;
const PATHS: [&str; 24] = [
    "n",
    "text",
    "rows",
    "rows.0",
    "rows.1.name",
    "rows.0.n",
    "pick",
    "pick.name",
    "deep",
    "deep.a.b",
    "deep.list",
    "deep.list.1",
    "ticks",
    "sum()",
    "names()",
    "loud()?access=rw",
    "act()?access=action",
    "setText(_)",
    "rows?wrapper=lua.ViewList",
    "n?wrapper=Twice",
    "name",
    "items",
    "item",
    "twice",
];
const VALUES: [&str; 12] = [
    "null",
    "1",
    "2",
    "\"x\"",
    "\"Y\"",
    "true",
    "2.5",
    "[]",
    "[1,2]",
    "[1,[2,3]]",
    "{\"k\":1}",
    "{\"obj\":2}",
];

/// One tab, as a client that believes all it is told and what it wrote itself.
struct Tab {
    connection: ConnectionId,
    next_id: i64,
    /// What it shows of each variable; `None`: it was told of an error and shows what it likes.
    shown: BTreeMap<i64, Option<Value>>,
    watched: BTreeMap<i64, bool>,
    /// Those that show a wrapper, to which no client writes.
    wrapped: BTreeSet<i64>,
}

struct Walk {
    seed: u64,
    random: u64,
    manager: SessionManager<LuaRuntime>,
    writer: Writer,
    file: PathBuf,
    now: u64,
    tabs: Vec<Tab>,
    joined: u64,
    trail: Vec<String>,
}

impl Walk {
    fn new(seed: u64) -> Walk {
        let files = [("lua/main.lua".to_owned(), MAIN.as_bytes().to_vec())];
        let site = Site::new(files.into_iter().collect());
        let limits = SessionLimits::default();
        let config = ManagerConfig {
            site: site.clone(),
            limits: limits.clone(),
            verbosity: 0,
        };
        let file = format!("lunette-walk-{}-{seed}.lnt", std::process::id());
        let file = std::env::temp_dir().join(file);
        let header = Header::here(SESSION, site, limits, 0, "walk");
        let runtime = LuaRuntime::new().expect("a runtime");
        let mut walk = Walk {
            seed,
            random: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            manager: SessionManager::new(runtime, config),
            writer: Writer::create(&file, &header).expect("a recording"),
            file,
            now: 100,
            tabs: Vec::new(),
            joined: 0,
            trail: Vec::new(),
        };
        walk.event(&RawEvent::SessionOpened(Opening {
            seed,
            url: "/",
            ..Opening::default()
        }));
        walk.join();
        walk
    }

    fn below(&mut self, end: usize) -> usize {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random >> 11) as usize % end
    }

    fn step(&mut self) {
        match self.below(40) {
            0 if self.tabs.len() < 3 => self.join(),
            1 if self.tabs.len() > 1 => self.leave(),
            2..=6 => self.advance(),
            7 => self.ask_everything(),
            _ => self.batch(),
        }
    }

    /// The code is edited, for better or worse.
    fn edit(&mut self) {
        let number = self.below(5);
        let added = [
            "function App:mutate() self.mutated = (self.mutated or 0) + 1 end\n",
            "function Row:mutate() self.n = self.n + 1 if self.n > 5 then error('too many') end end\n",
            "this is no Lua\n",
            "error('not to the end')\n",
            "session:setTimeout(function() app.n = 1 end, 5)\n",
            "",
        ];
        let main = MAIN.replace(
            "ticks = 0 }",
            &format!("ticks = 0, extra{number} = {number} }}"),
        );
        let main = main.replace("n = 0 })\nTwice", &format!("n = {number} }})\nTwice"));
        let main = format!("{main}{}", added[self.below(added.len())]);
        let template = format!("<template><p ui-value=\"n\">{number}</p></template>");
        let mut edits = Edits::from([("lua/main.lua".to_owned(), Some(main.into_bytes()))]);
        match self.below(4) {
            0 => edits.insert("viewdefs/Row.DEFAULT.html".into(), Some(template.into())),
            1 => edits.insert(
                "viewdefs/App.DEFAULT.html".into(),
                Some(b"nothing".to_vec()),
            ),
            2 => edits.insert("viewdefs/Row.DEFAULT.html".into(), None),
            _ => None,
        };
        self.trail.push(format!("edit {edits:?}"));
        let edits = encode_edits(&edits);
        self.event(&RawEvent::SiteChanged { edits: &edits });
    }

    fn join(&mut self) {
        self.joined += 1;
        let connection = ConnectionId(self.joined);
        self.trail.push(format!("{connection} joined"));
        self.tabs.push(Tab {
            connection,
            next_id: 2,
            shown: BTreeMap::from([(1, Some(Value::Null)), (-1, Some(Value::Null))]),
            watched: BTreeMap::from([(1, true), (-1, true)]),
            wrapped: BTreeSet::from([1]),
        });
        self.event(&RawEvent::FrontendJoined { connection });
        let at = self.tabs.len() - 1;
        let watch = |id: i64| json!({"type":"watch","data":{"varId":id}});
        self.frame(at, true, vec![watch(1), watch(-1)]);
    }

    fn leave(&mut self) {
        let at = self.below(self.tabs.len());
        let connection = self.tabs.remove(at).connection;
        self.trail.push(format!("{connection} left"));
        self.event(&RawEvent::FrontendLeft { connection });
    }

    fn advance(&mut self) {
        let target = self.now + self.below(40) as u64;
        self.trail.push(format!("advance to {target}"));
        while let Some(due) = self.manager.poll_timeout().filter(|&due| due <= target) {
            self.now = self.now.max(due);
            self.event(&RawEvent::TimersDue);
        }
        self.now = target;
    }

    fn batch(&mut self) {
        let at = self.below(self.tabs.len());
        let user_event = self.below(2) == 0;
        let count = 1 + self.below(4);
        let messages = (0..count).map(|_| self.message(at)).collect();
        self.frame(at, user_event, messages);
    }

    fn message(&mut self, at: usize) -> Value {
        let ids: Vec<i64> = self.tabs[at].shown.keys().copied().collect();
        let id = ids[self.below(ids.len())];
        let kind = self.below(12);
        let path = PATHS[self.below(PATHS.len())];
        let value = VALUES[self.below(VALUES.len())];
        let value: Value = serde_json::from_str(value).expect("JSON");
        let tab = &mut self.tabs[at];
        match kind {
            0..=4 => {
                let new = tab.next_id;
                tab.next_id += 1;
                tab.shown.insert(new, Some(Value::Null));
                tab.watched.insert(new, true);
                if path.contains("wrapper=") {
                    tab.wrapped.insert(new);
                }
                json!({"type":"create","data":{"id":new,"parentId":id,"properties":{"path":path}}})
            }
            5..=7 if !tab.wrapped.contains(&id) => {
                tab.shown.insert(id, Some(value.clone()));
                json!({"type":"update","data":{"varId":id,"value":value}})
            }
            8 if id > 1 => json!({"type":"destroy","data":{"varId":id}}),
            9 | 10 => {
                let on = kind == 9;
                tab.watched.insert(id, on);
                let kind = if on { "watch" } else { "unwatch" };
                json!({"type":kind,"data":{"varId":id}})
            }
            _ => json!({"type":"update","data":{"varId":id,"properties":{"note":path}}}),
        }
    }

    fn frame(&mut self, at: usize, user_event: bool, messages: Vec<Value>) {
        let connection = self.tabs[at].connection;
        let text = json!({"userEvent":user_event,"messages":messages}).to_string();
        self.trail.push(format!("{connection} > {text}"));
        let text = &text;
        self.event(&RawEvent::Frame { connection, text });
    }

    /// After all is told, every tab asks for all it watches: the answer must be what it shows.
    fn ask_everything(&mut self) {
        self.now += 10;
        self.event(&RawEvent::TimersDue);
        for at in 0..self.tabs.len() {
            let tab = &self.tabs[at];
            let watched = |id: &&i64| tab.watched.get(id) == Some(&true);
            let ids: Vec<i64> = tab.shown.keys().filter(watched).copied().collect();
            let before = tab.shown.clone();
            self.frame(at, true, vec![json!({"type":"get","data":{"varIds":ids}})]);
            for (id, shown) in before {
                let now = &self.tabs[at].shown[&id];
                if let (Some(shown), Some(now)) = (&shown, now)
                    && ids.contains(&id)
                {
                    let (seed, trail) = (self.seed, self.trail.join("\n"));
                    assert!(
                        same(shown, now),
                        "seed {seed}: tab {at} shows {shown} for variable {id}, the server has {now}\n{trail}"
                    );
                }
            }
        }
    }

    fn event(&mut self, event: &RawEvent<'_>) {
        let turn = Turn {
            now: self.now,
            wall: 0,
        };
        self.writer.event(turn, event);
        let event = to_event(event, SESSION, self.manager.site());
        self.manager.handle_event(event, turn);
        let mut frame = Vec::new();
        while let Some(effect) = self.manager.poll_effect() {
            if let Some(output) = Output::of(&effect, &mut frame) {
                self.writer.output(&output);
                if let Output::Frame { connection, text } = output {
                    self.trail.push(format!("  {output}"));
                    let tab = self.tabs.iter_mut().find(|t| t.connection == connection);
                    let told = tab.expect("only those who are there are told").told(text);
                    told.unwrap_or_else(|e| {
                        panic!("seed {}: {e}\n{}", self.seed, self.trail.join("\n"))
                    });
                }
            }
        }
        self.writer.commit().expect("recorded");
    }

    fn finish(self) {
        let reader = Reader::open(&self.file).expect("a whole recording");
        let _ = std::fs::remove_file(&self.file);
        let report = replay(&reader, |_| LuaRuntime::new().expect("a runtime"));
        assert_eq!(report.exit_code(), 0, "seed {}: {report}", self.seed);
        assert_eq!(
            survives(&reader, Often::Sometimes),
            Ok(()),
            "seed {}",
            self.seed
        );
    }
}

impl Tab {
    /// Believes a frame; says what cannot be believed.
    fn told(&mut self, frame: &[u8]) -> Result<(), String> {
        let messages = match serde_json::from_slice(frame).expect("frames are JSON") {
            Value::Array(messages) => messages,
            message => vec![message],
        };
        let mut valued = BTreeSet::new();
        for message in messages {
            let data = &message["data"];
            let id = data["varId"].as_i64().expect("every message has one");
            let known = self.shown.contains_key(&id);
            match message["type"].as_str() {
                Some("update") if known && (data.get("value").is_none() || valued.insert(id)) => {
                    if let Some(value) = data.get("value") {
                        self.shown.insert(id, Some(value.clone()));
                    }
                }
                Some("destroy") if known => {
                    self.shown.remove(&id);
                }
                Some("error") => {
                    self.shown.entry(id).and_modify(|shown| *shown = None);
                }
                _ => {
                    return Err(format!(
                        "told of {id}, which it does not have, or twice of its value"
                    ));
                }
            }
        }
        Ok(())
    }
}

/// 2 and 2.0 are the same number.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Value::Number(a), Value::Number(b)) => a.as_f64() == b.as_f64(),
        _ => a == b,
    }
}

#[test]
fn random_walks_end_where_the_server_is_and_replay() {
    let seeds = match std::env::var("LUNETTE_SEED") {
        Ok(seed) => {
            let seed: u64 = seed.parse().expect("LUNETTE_SEED is a number");
            seed..seed + 1
        }
        Err(_) => 1..41,
    };
    for (seed, edits) in seeds.flat_map(|seed| [(seed, false), (seed, true)]) {
        let mut walk = Walk::new(seed);
        for _ in 0..STEPS {
            if edits && walk.below(15) == 0 {
                walk.edit();
            }
            walk.step();
        }
        walk.ask_everything();
        walk.finish();
    }
}
