//! Long lists on the real core, without a browser: what a client makes of the pieces it is told is always the
//! array that the server has, rows addressed by their items show their elements, and a windowed list of 50,000
//! rows is sorted and filtered within the gas of one event.

use std::collections::BTreeMap;

use lunette::core::effect::Effect;
use lunette::core::event::{Event, Opening, Turn};
use lunette::core::id::{ConnectionId, SessionId};
use lunette::core::limits::SessionLimits;
use lunette::core::manager::{ManagerConfig, SessionManager};
use lunette::core::site::Site;
use lunette::lua::LuaRuntime;
use lunette::wire::{read_batch, write_batch};
use serde_json::{Value, json};

const SESSION: SessionId = SessionId(1);
const CONNECTION: ConnectionId = ConnectionId(1);

/// One page of one session: what it was told, variable by variable.
struct Page {
    manager: SessionManager<LuaRuntime>,
    now: u64,
    values: BTreeMap<i64, Value>,
    errors: Vec<String>,
    /// Updates that came as pieces, and bytes of the last frame.
    pieces: usize,
    bytes: usize,
}

impl Page {
    fn open(main: &str, limits: SessionLimits) -> Page {
        let files = [("lua/main.lua".to_owned(), main.as_bytes().to_vec())];
        let config = ManagerConfig {
            site: Site::new(files.into_iter().collect()),
            limits,
            verbosity: 0,
        };
        let runtime = LuaRuntime::new().expect("a runtime");
        let mut page = Page {
            manager: SessionManager::new(runtime, config),
            now: 0,
            values: BTreeMap::new(),
            errors: Vec::new(),
            pieces: 0,
            bytes: 0,
        };
        page.handle(Event::SessionOpened {
            session: SESSION,
            opening: Opening {
                seed: 1,
                url: "/".into(),
                ..Opening::default()
            },
        });
        page.handle(Event::FrontendJoined {
            session: SESSION,
            connection: CONNECTION,
        });
        page.send(&[json!({"type": "watch", "data": {"varId": 1}})]);
        page
    }

    fn handle(&mut self, event: Event) {
        self.now += 20;
        let turn = Turn {
            now: self.now,
            ..Turn::default()
        };
        self.manager.handle_event(event, turn);
        while let Some(effect) = self.manager.poll_effect() {
            if let Effect::Send { batch, .. } = effect {
                let mut frame = Vec::new();
                write_batch(&batch, &mut frame);
                self.bytes = frame.len();
                match serde_json::from_slice(&frame).expect("frames are JSON") {
                    Value::Array(messages) => messages.iter().for_each(|m| self.hear(m)),
                    message => self.hear(&message),
                }
            }
        }
    }

    fn hear(&mut self, message: &Value) {
        let data = &message["data"];
        let id = data["varId"].as_i64().unwrap_or(0);
        match message["type"].as_str() {
            Some("error") => self.errors.push(data["description"].to_string()),
            Some("destroy") => drop(self.values.remove(&id)),
            _ => {
                if let Some(value) = data.get("value") {
                    self.values.insert(id, value.clone());
                }
                if let Some(pieces) = data.get("pieces") {
                    assert!(data.get("value").is_none(), "one or the other: {data}");
                    self.pieces += 1;
                    let made = apply(&self.values[&id], pieces);
                    self.values.insert(id, made);
                }
            }
        }
    }

    fn send(&mut self, messages: &[Value]) {
        let frame = json!({"userEvent": true, "messages": messages}).to_string();
        self.handle(Event::BatchReceived {
            session: SESSION,
            connection: CONNECTION,
            batch: read_batch(&frame),
        });
    }

    /// Presses the button behind action variable `id`; errors are the test's failure.
    fn call(&mut self, id: i64, value: &Value) {
        self.send(&[json!({"type": "update", "data": {"varId": id, "value": value}})]);
        assert_eq!(self.errors, Vec::<String>::new());
    }

    fn value(&self, id: i64) -> &Value {
        self.values.get(&id).unwrap_or(&Value::Null)
    }
}

fn create(id: i64, parent: i64, properties: &Value) -> Value {
    json!({"type": "create", "data": {"id": id, "parentId": parent, "properties": properties}})
}

/// A variable that holds an item.
fn hold(id: i64, parent: i64, item: &Value) -> Value {
    json!({"type": "create", "data": {"id": id, "parentId": parent, "value": item}})
}

/// What a client does with pieces: two numbers are a run of the old array, an array is new elements.
fn apply(old: &Value, pieces: &Value) -> Value {
    let old = old.as_array().expect("pieces only follow an array");
    let mut made = Vec::new();
    let mut start = None;
    for piece in pieces.as_array().expect("pieces are an array") {
        match (piece, start.take()) {
            (Value::Array(new), None) => made.extend(new.iter().cloned()),
            (number, None) => start = number.as_i64(),
            (number, Some(start)) => {
                let count = number.as_i64().expect("a count follows a start");
                let runs =
                    (0..count.abs()).map(|i| old[(start + i * count.signum()) as usize].clone());
                made.extend(runs);
            }
        }
    }
    assert_eq!(start, None, "a start without a count: {pieces}");
    Value::Array(made)
}

const EDITS: &str = r#"
local App = session:prototype("App", { rows = EMPTY, numbers = EMPTY })
local Row = session:prototype("Row", { name = "" })
local app = session:create(App)
app.rows, app.numbers, serial = {}, {}, 0
local function row() serial = serial + 1 return session:create(Row, { name = "r" .. serial }) end
local function any() return #app.rows > 0 and math.random(#app.rows) or nil end
for i = 1, 30 do app.rows[i] = row() end
for i = 1, 30 do app.numbers[i] = 1000 + i end
local acts = {
  function() table.insert(app.rows, math.random(#app.rows + 1), row()) end,
  function() table.insert(app.rows, 1, row()) end,
  function() app.rows[#app.rows + 1] = row() end,
  function() if any() then table.remove(app.rows, any()) end end,
  function() if any() then table.insert(app.rows, any(), table.remove(app.rows, any())) end end,
  function() if any() then app.rows[any()] = row() end end,
  function() local i, j = any(), any() if i then app.rows[i], app.rows[j] = app.rows[j], app.rows[i] end end,
  function() table.sort(app.rows, function(a, b) return a.name < b.name end) end,
  function() local r = {} for i = #app.rows, 1, -1 do r[#r + 1] = app.rows[i] end app.rows = r end,
  function() local r = {} for i, x in ipairs(app.rows) do if math.random(3) > 1 then r[#r + 1] = x end end app.rows = r end,
  function() local r = {} for i = 1, math.random(12) do r[i] = row() end app.rows = r end,
  function() if any() then app.rows[#app.rows + 1] = app.rows[any()] end end,
  function() app.rows = math.random(8) == 1 and {} or app.rows end,
  function() if any() then local r = app.rows[any()] r.name = r.name .. "x" end end,
  function() table.remove(app.numbers, 1) app.numbers[#app.numbers + 1] = math.random(9) end,
  function() app.numbers[math.random(#app.numbers)] = math.random(5000) end,
}
function app:act(n) for _ = 1, n do acts[math.random(#acts)]() end end
function app:names() local t = {} for i, r in ipairs(self.rows) do t[i] = r.name end return table.concat(t, " ") end
session:createAppVariable(app)
"#;

/// What is shown of each row, as a client that holds items would show it.
struct Rows {
    list: i64,
    first_id: i64,
    /// Item, its variable.
    held: Vec<(Value, i64)>,
}

impl Rows {
    /// Lets go of items that the array has not, and takes those that are new.
    fn follow(&mut self, page: &mut Page) {
        let items = page
            .value(self.list + 1)
            .as_array()
            .cloned()
            .unwrap_or_default();
        let (stay, go) = self
            .held
            .drain(..)
            .partition(|(item, _)| items.contains(item));
        self.held = stay;
        let go: Vec<(Value, i64)> = go;
        let mut messages: Vec<Value> = go
            .iter()
            .map(|(_, id)| json!({"type": "destroy", "data": {"varId": id}}))
            .collect();
        for item in items {
            if self.held.iter().any(|(held, _)| *held == item) {
                continue;
            }
            let id = self.first_id;
            self.first_id += 2;
            messages.push(hold(id, self.list + 1, &item));
            messages.push(create(id + 1, id, &json!({"path": "item.name"})));
            self.held.push((item, id));
        }
        page.send(&messages);
        assert_eq!(page.errors, Vec::<String>::new());
    }

    fn names(&self, page: &Page) -> String {
        let items = page
            .value(self.list + 1)
            .as_array()
            .cloned()
            .unwrap_or_default();
        let id = |item: &Value| {
            self.held
                .iter()
                .find(|(held, _)| held == item)
                .map(|(_, id)| *id)
        };
        let name = |item: &Value| {
            page.value(id(item).expect("a row") + 1)
                .as_str()
                .unwrap_or("")
                .to_owned()
        };
        items.iter().map(name).collect::<Vec<_>>().join(" ")
    }
}

#[test]
fn any_edits_leave_the_client_with_the_array_of_the_server() {
    for seed in 1..=12_u64 {
        let main = format!("math.randomseed({seed})\n{EDITS}");
        let mut page = Page::open(&main, SessionLimits::default());
        let list = json!({"path": "rows", "wrapper": "lua.ViewList", "identity": "true"});
        let window = json!({"path": "rows?wrapper=lua.ViewList&window=4", "identity": "true"});
        page.send(&[
            create(2, 1, &json!({"path": "act(_)"})),
            create(3, 1, &json!({"path": "names()"})),
            create(4, 1, &json!({"path": "rows", "delta": "true"})),
            create(5, 1, &json!({"path": "rows"})),
            create(6, 1, &json!({"path": "numbers", "delta": "true"})),
            create(7, 1, &json!({"path": "numbers"})),
            create(10, 1, &list),
            create(11, 10, &json!({"path": "items", "delta": "true"})),
            create(12, 10, &json!({"path": "items"})),
            create(20, 1, &window),
            create(21, 20, &json!({"path": "items", "delta": "true"})),
            create(22, 20, &json!({"path": "first"})),
        ]);
        let rows = |list, first_id| Rows {
            list,
            first_id,
            held: Vec::new(),
        };
        let (mut all, mut part) = (rows(10, 1_000), rows(20, 100_001));
        for step in 0..120_u64 {
            all.follow(&mut page);
            part.follow(&mut page);
            let names = page.value(3).as_str().unwrap_or("").to_owned();
            let at = format!("seed {seed}, step {step}");
            if page.value(5).is_array() {
                assert_eq!(page.value(4), page.value(5), "{at}");
            }
            assert_eq!(page.value(6), page.value(7), "{at}");
            assert_eq!(page.value(11), page.value(12), "{at}");
            assert_eq!(all.names(&page), names, "{at}");
            let first = page.value(22).as_u64().unwrap_or(0) as usize;
            let shown: Vec<&str> = names.split(' ').skip(first).take(part.held.len()).collect();
            assert_eq!(part.names(&page), shown.join(" "), "{at}");
            page.call(2, &json!(1 + (seed + step) % 3));
            if step % 5 == 0 {
                let range = json!({"range": format!("{}", (step * 7 + seed) % 30)});
                page.send(&[json!({"type": "update", "data": {"varId": 20, "properties": range}})]);
            }
        }
        assert!(page.pieces > 100, "pieces were told {} times", page.pieces);
    }
}

const LONG: &str = r#"
local App = session:prototype("App", { rows = EMPTY, all = EMPTY })
local Row = session:prototype("Row", { name = "", n = 0 })
local app = session:create(App)
app.all = {}
for i = 1, 50000 do app.all[i] = setmetatable({ name = "row " .. i, n = i * 7919 % 50021 }, Row) end
app.rows = app.all
function app:sort() table.sort(self.rows, function(a, b) return a.n < b.n end) end
function app:byName() table.sort(self.rows, function(a, b) return a.name < b.name end) end
function app:filter(text)
  local found = {}
  for _, row in ipairs(self.all) do if row.name:find(text, 1, true) then found[#found + 1] = row end end
  self.rows = found
end
function app:touch(i) self.rows[i].name = self.rows[i].name .. "!" end
function app:front() table.insert(self.rows, 1, session:create(Row, { name = "front" })) end
session:createAppVariable(app)
"#;

#[test]
fn fifty_thousand_rows_cost_what_is_seen() {
    // Less than the default of ten million, so that there is room for a dearer comparison.
    let limits = SessionLimits {
        gas: 8_000_000,
        ..SessionLimits::default()
    };
    let mut page = Page::open(LONG, limits);
    page.send(&[
        create(2, 1, &json!({"path": "sort()", "access": "action"})),
        create(3, 1, &json!({"path": "byName()", "access": "action"})),
        create(4, 1, &json!({"path": "filter(_)"})),
        create(5, 1, &json!({"path": "touch(_)"})),
        create(6, 1, &json!({"path": "front()", "access": "action"})),
        create(
            10,
            1,
            &json!({"path": "rows?wrapper=lua.ViewList&window=50", "identity": "true"}),
        ),
        create(11, 10, &json!({"path": "items", "delta": "true"})),
        create(12, 10, &json!({"path": "count"})),
    ]);
    assert!(page.bytes < 3_000, "{} bytes to open it", page.bytes);
    let mut rows = Rows {
        list: 10,
        first_id: 100,
        held: Vec::new(),
    };
    rows.follow(&mut page);
    assert_eq!(rows.held.len(), 50);
    assert_eq!(page.value(12), 50_000);
    page.call(2, &Value::Null);
    assert!(
        rows.names(&page).starts_with("row 37830 row 25639 "),
        "{}",
        rows.names(&page)
    );
    page.call(3, &Value::Null);
    assert!(
        rows.names(&page)
            .starts_with("row 1 row 10 row 100 row 1000 "),
        "{}",
        rows.names(&page)
    );
    page.call(4, &json!("99"));
    assert_eq!(page.value(12), 1_400);
    page.call(4, &json!(""));
    page.call(5, &json!(40_000));
    page.call(6, &Value::Null);
    assert!(page.bytes < 500, "{} bytes for a row in front", page.bytes);
    page.send(&[
        json!({"type": "update", "data": {"varId": 10, "properties": {"range": "25000-25049"}}}),
    ]);
    assert!(page.bytes < 4_000, "{} bytes to scroll", page.bytes);
}
