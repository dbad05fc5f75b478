//! Properties of paths and values that hold for whatever a seeded generator comes up with: paths
//! print as they are read, values survive the way to the wire and back.

use std::collections::BTreeMap;
use std::fmt::Write;

use lunette::core::effect::Effect;
use lunette::core::event::{Event, Opening, Turn};
use lunette::core::id::{ConnectionId, SessionId};
use lunette::core::manager::{ManagerConfig, SessionManager};
use lunette::core::path::{Argument, Path, Segment, Start, split_properties};
use lunette::core::site::Site;
use lunette::lua::LuaRuntime;
use lunette::wire::{read_batch, write_batch};
use serde_json::Value;

use crate::dice::Dice;

impl Dice {
    fn new(seed: u64) -> Dice {
        let mut dice = Dice::seeded(seed);
        dice.next();
        dice
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.roll(of.len())]
    }

    fn integer(&mut self) -> i64 {
        let bits = self.roll(64) as u32;
        (self.next() as i64).wrapping_shr(bits)
    }

    /// Finite, of any size, often with few digits.
    fn float(&mut self) -> f64 {
        let number = match self.roll(3) {
            0 => f64::from_bits(self.next()),
            1 => self.integer() as f64 / 8.0,
            _ => self.integer() as f64,
        };
        if number.is_finite() { number } else { 0.5 }
    }

    fn text(&mut self, alphabet: &str) -> String {
        let alphabet: Vec<char> = alphabet.chars().collect();
        let len = self.roll(8);
        (0..len).map(|_| self.pick(&alphabet)).collect()
    }

    fn name(&mut self) -> Box<str> {
        self.pick(&["a", "row", "x-y", "_p", "änd", "007", "nil", "e5", "f"])
            .into()
    }
}

const TEXT: &str = "ab \"'\\\n\r\t.,()?&=!@_\u{0}\u{7f}é\u{2028}\u{1F600}";

fn path(dice: &mut Dice, nesting: usize) -> Path {
    let start = match dice.roll(4) {
        0 => Start::Up(dice.roll(4) as u32),
        1 => Start::Named(dice.name()),
        _ => Start::default(),
    };
    let count = dice.roll(4);
    let mut segments: Vec<Segment> = (0..count).map(|_| segment(dice, nesting)).collect();
    if nesting == 0
        && dice.roll(4) == 0
        && let Some(Segment::Call(_, arguments)) = segments.last_mut()
    {
        arguments.push(Argument::Written);
    }
    let mut path = Path {
        not: dice.roll(4) == 0,
        start,
        segments,
    };
    if nesting > 0 && !path.not && path.start == Start::default() {
        // As an argument a path begins with a name, or it would be a literal or nothing.
        path.segments.insert(0, Segment::Field("q".into()));
    }
    path
}

fn segment(dice: &mut Dice, nesting: usize) -> Segment {
    match dice.roll(4) {
        0 => Segment::Index(dice.next() as u32 >> dice.roll(32)),
        1 if nesting < 4 => {
            let count = dice.roll(4);
            let arguments = (0..count).map(|_| argument(dice, nesting + 1)).collect();
            Segment::Call(dice.name(), arguments)
        }
        _ => Segment::Field(dice.name()),
    }
}

fn argument(dice: &mut Dice, nesting: usize) -> Argument {
    match dice.roll(6) {
        0 => Argument::Nil,
        1 => Argument::Boolean(dice.roll(2) == 0),
        2 => Argument::Integer(dice.integer()),
        3 => Argument::Float(dice.float()),
        4 => Argument::Text(dice.text(TEXT).into()),
        _ => Argument::Path(path(dice, nesting)),
    }
}

#[test]
fn a_path_prints_as_it_is_read() {
    for seed in 0..5_000 {
        let made = path(&mut Dice::new(seed), 0);
        let text = made.to_string();
        let read = Path::parse(&text).unwrap_or_else(|e| panic!("seed {seed}: {made:?}: {e}"));
        assert_eq!(read, made, "seed {seed}: {text}");
        let bound = format!("{text}?access=r&x=?");
        let expected = (text.as_str(), vec![("access", "r"), ("x", "?")]);
        assert_eq!(split_properties(&bound), expected, "seed {seed}");
    }
}

#[test]
fn any_text_is_a_path_or_an_error() {
    for seed in 0..20_000 {
        let mut dice = Dice::new(seed);
        let alphabet = ["ab0-._!@(),\"'\\ ?", TEXT][dice.roll(2)];
        let text = dice.text(alphabet) + &dice.text(alphabet);
        let _ = split_properties(&text);
        if let Ok(read) = Path::parse(&text) {
            let printed = read.to_string();
            assert_eq!(
                Path::parse(&printed),
                Ok(read),
                "seed {seed}: {text} as {printed}"
            );
        }
    }
}

/// A session with one page that has a variable for each of `paths`, from id 2 on.
struct Page {
    manager: SessionManager<LuaRuntime>,
    turn: Turn,
}

impl Page {
    fn open(main: &str, paths: &[&str]) -> (Page, BTreeMap<i64, String>) {
        let files = BTreeMap::from([("lua/main.lua".to_owned(), main.as_bytes().to_vec())]);
        let config = ManagerConfig {
            site: Site::new(files),
            ..ManagerConfig::default()
        };
        let mut page = Page {
            manager: SessionManager::new(LuaRuntime::new().expect("there is memory"), config),
            turn: Turn::default(),
        };
        let session = SessionId(1);
        page.handle(Event::SessionOpened {
            session,
            opening: Opening {
                seed: 1,
                url: "/".into(),
                ..Opening::default()
            },
        });
        page.handle(Event::FrontendJoined {
            session,
            connection: ConnectionId(1),
        });
        let mut frame =
            String::from(r#"{"userEvent":true,"messages":[{"type":"watch","data":{"varId":1}}"#);
        for (id, path) in (2..).zip(paths) {
            let _ = write!(
                frame,
                r#",{{"type":"create","data":{{"id":{id},"parentId":1,"properties":{{"path":"{path}"}}}}}}"#
            );
        }
        let values = page.receive(&(frame + "]}"));
        (page, values)
    }

    /// Values by variable id, as they were sent.
    fn receive(&mut self, frame: &str) -> BTreeMap<i64, String> {
        let sent = self.handle(Event::BatchReceived {
            session: SessionId(1),
            connection: ConnectionId(1),
            batch: read_batch(frame),
        });
        let mut values = BTreeMap::new();
        for frame in sent {
            let parsed: Value = serde_json::from_str(&frame).expect("frames are JSON");
            let messages = match parsed {
                Value::Array(messages) => messages,
                one => vec![one],
            };
            for message in messages {
                assert_eq!(message["type"], "update", "{message}");
                let data = &message["data"];
                if let (Some(id), Some(value)) = (data["varId"].as_i64(), data.get("value")) {
                    values.insert(id, value.to_string());
                }
            }
        }
        values
    }

    fn handle(&mut self, event: Event) -> Vec<String> {
        self.turn.now += 20;
        self.manager.handle_event(event, self.turn);
        let mut frames = Vec::new();
        while let Some(effect) = self.manager.poll_effect() {
            if let Effect::Send { batch, .. } = effect {
                let mut out = Vec::new();
                write_batch(&batch, &mut out);
                frames.push(String::from_utf8(out).expect("frames are UTF-8"));
            }
        }
        frames
    }
}

/// A random value as Lua source, and as what must come out.
fn value(dice: &mut Dice, depth: usize) -> (String, Value) {
    match dice.roll(if depth < 3 { 6 } else { 4 }) {
        0 => {
            let flag = dice.roll(2) == 0;
            (flag.to_string(), Value::from(flag))
        }
        1 => {
            let number = dice.integer();
            // The least integer has no literal of its own.
            (format!("(math.tointeger('{number}'))"), Value::from(number))
        }
        2 => {
            let number = dice.float();
            let whole = number.fract() == 0.0 && number.abs() < 1e15;
            let told = match whole {
                true => Value::from(number as i64),
                false => Value::from(number),
            };
            (format!("({number:?})"), told)
        }
        3 => {
            let text = dice.text(TEXT);
            let bytes = text.bytes().fold(String::new(), |mut all, byte| {
                let _ = write!(all, "\\x{byte:02x}");
                all
            });
            (format!("\"{bytes}\""), Value::from(text))
        }
        _ => {
            let count = 1 + dice.roll(4);
            let items: Vec<_> = (0..count).map(|_| value(dice, depth + 1)).collect();
            let source: Vec<&str> = items.iter().map(|(source, _)| &**source).collect();
            let source = format!("{{{}}}", source.join(","));
            (source, items.into_iter().map(|(_, value)| value).collect())
        }
    }
}

fn same(told: &Value, made: &Value) -> bool {
    match (told, made) {
        (Value::Array(told), Value::Array(made)) => {
            told.len() == made.len() && told.iter().zip(made).all(|(t, m)| same(t, m))
        }
        // To the last bit, but a float without a fraction may be told as an integer.
        (Value::Number(t), Value::Number(m)) => {
            t == m || t.as_f64().map(f64::to_bits) == m.as_f64().map(f64::to_bits)
        }
        (told, made) => told == made,
    }
}

#[test]
fn values_reach_the_wire_whole_and_equal_ones_alike() {
    const COUNT: usize = 60;
    for seed in 0..20 {
        let mut dice = Dice::new(seed);
        let mut main = String::from("local app = {}\n");
        let mut expected = Vec::new();
        for i in 0..COUNT {
            let (source, told) = value(&mut dice, 0);
            let _ = writeln!(main, "app.a{i} = {source}\napp.b{i} = {source}");
            expected.push((source, told));
        }
        main.push_str("session:createAppVariable(app)\n");
        let paths: Vec<String> = ["a", "b"]
            .iter()
            .flat_map(|name| (0..COUNT).map(move |i| format!("{name}{i}")))
            .collect();
        let paths: Vec<&str> = paths.iter().map(|path| &**path).collect();
        let (_, values) = Page::open(&main, &paths);
        for (i, (source, made)) in expected.iter().enumerate() {
            let told = &values[&(i as i64 + 2)];
            let again = &values[&((COUNT + i) as i64 + 2)];
            assert_eq!(told, again, "seed {seed}: {source}");
            let told: Value = serde_json::from_str(told).expect("values are JSON");
            assert!(
                same(&told, made),
                "seed {seed}: {source} came out as {told}"
            );
        }
    }
}

/// Plain data: no empty tables, which are neither array nor object in Lua, and no nulls inside.
fn plain(dice: &mut Dice, depth: usize) -> Value {
    let count = 1 + dice.roll(4);
    match dice.roll(if depth < 3 { 7 } else { 4 }) {
        0 => Value::from(dice.roll(2) == 0),
        1 => Value::from(dice.integer()),
        2 => Value::from(dice.float()),
        3 => Value::from(dice.text(TEXT)),
        4 => (0..count).map(|_| plain(dice, depth + 1)).collect(),
        _ => (0..count)
            .map(|i| (format!("{i}{}", dice.text(TEXT)), plain(dice, depth + 1)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
    }
}

#[test]
fn what_comes_in_goes_out_again() {
    let main = "
local app = {}
function app:take(v) self.text = ui.json_encode(v) end
function app:decode(s) self.text = ui.json_encode((ui.json_decode(s))) end
session:createAppVariable(app)";
    let (mut page, _) = Page::open(main, &["take(_)", "decode(_)", "text"]);
    for seed in 0..400 {
        let made = plain(&mut Dice::new(seed), 0);
        let text = made.to_string();
        for (id, written) in [(2, text.clone()), (3, Value::from(text).to_string())] {
            let clear = r#"{"type":"update","data":{"varId":4,"value":null}}"#;
            let write = format!(r#"{{"type":"update","data":{{"varId":{id},"value":{written}}}}}"#);
            let told = page.receive(&format!(
                r#"{{"userEvent":true,"messages":[{clear},{write}]}}"#
            ));
            let told = told
                .get(&4)
                .unwrap_or_else(|| panic!("seed {seed}: {made}"));
            let told: String = serde_json::from_str(told).expect("a text");
            let told: Value = serde_json::from_str(&told).expect("JSON");
            assert!(
                same_data(&told, &made),
                "seed {seed}: {made} came back as {told}"
            );
        }
    }
}

fn same_data(told: &Value, made: &Value) -> bool {
    match (told, made) {
        (Value::Array(t), Value::Array(m)) => {
            t.len() == m.len() && t.iter().zip(m).all(|(t, m)| same_data(t, m))
        }
        (Value::Object(t), Value::Object(m)) => {
            t.len() == m.len()
                && m.iter()
                    .all(|(k, m)| t.get(k).is_some_and(|t| same_data(t, m)))
        }
        (told, made) => same(told, made),
    }
}
