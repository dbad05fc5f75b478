//! An inspector asked by hand, about recordings made on the spot.

use serde_json::{Value, json};

use super::*;
use crate::core::event::{Opening, Turn};
use crate::core::id::ConnectionId;
use crate::core::limits::SessionLimits;
use crate::core::manager::{ManagerConfig, SessionManager};
use crate::core::site::Site;
use crate::journal::{Header, Output, RawEvent, Writer};
use crate::lua::state::StateLimits;
use crate::lua::{DIALECT, LuaRuntime};
use crate::replay::to_event;

/// Shows whatever looking could disturb: object numbers, the collector, the order of keys, memory.
const MAIN: &str = r#"
Row = session:prototype("Row", { name = "", n = 0, note = "none" })
App = session:prototype("App", { rows = EMPTY, count = 0, pick = EMPTY, told = "" })
local app = session:create(App, { rows = {} })
app.self = app
app[true], app[2.5], app[print] = "yes", "half", "function"
local weak = setmetatable({}, { __mode = "k" })
function app:add(name)
  table.insert(self.rows, 1, session:create(Row, { name = name, n = #self.rows }))
  self.pick, self.count = self.rows[1], self.count + 1
  weak[{}] = true
  local left, order = 0, {}
  for _ in pairs(weak) do left = left + 1 end
  for key in pairs({ [{}] = 1, [self] = 2, x = 3, y = 4 }) do order[#order + 1] = type(key) end
  self.told = left .. table.concat(order) .. tostring({}) .. collectgarbage("count")
  session:log(1, "added " .. name)
end
function app:fail() error("no luck") end
function app:refuse() return nil, "not like this" end
session:createAppVariable(app)
session:setInterval(function() app.ticks = (app.ticks or 0) + 1 end, 1000)
"#;

const OPEN: &str = r#"[{"type":"watch","data":{"varId":1}},
{"type":"create","data":{"id":2,"parentId":1,"properties":{"path":"count"}}},
{"type":"create","data":{"id":3,"parentId":1,"properties":{"path":"add(_)","access":"action"}}},
{"type":"create","data":{"id":4,"parentId":1,"properties":{"path":"fail()","access":"action"}}},
{"type":"create","data":{"id":5,"parentId":1,"properties":{"path":"pick"}}},
{"type":"create","data":{"id":6,"parentId":5,"properties":{"path":"name"}}},
{"type":"create","data":{"id":7,"parentId":1,"properties":{"path":"ticks"}}},
{"type":"create","data":{"id":8,"parentId":1,"properties":{"path":"told"}}}]"#;

fn update(var: i64, value: &Value) -> String {
    let message = json!({ "type": "update", "data": { "varId": var, "value": value } });
    json!({ "userEvent": true, "messages": [message] }).to_string()
}

/// One thing that happens.
enum Step {
    Comes(u64),
    Goes(u64),
    Sends(u64, String),
    /// The next timer.
    Waits,
}

/// The first tab opens, and these things happen after; each in a turn of its own.
fn steps(more: Vec<Step>) -> Vec<Step> {
    let mut steps = vec![Step::Comes(1), Step::Sends(1, OPEN.into())];
    steps.extend(more);
    steps
}

fn site(main: &str) -> Site {
    Site::new([("lua/main.lua".to_owned(), main.as_bytes().to_vec())].into())
}

/// A recording of a session of site `ran`, which says that it is of site `said`.
fn record(said: &Site, ran: &Site, steps: &[Step]) -> Vec<u8> {
    let (session, limits) = (SessionId(1), SessionLimits::default());
    let state = StateLimits::from(&limits);
    let class = state.class() as u64;
    let header = Header::here(session, said.clone(), limits.clone(), class, DIALECT);
    let name = format!("lunette-inspect-{}-{:p}.lnt", std::process::id(), &header);
    let path = std::env::temp_dir().join(name);
    let mut writer = Writer::create(&path, &header).unwrap();
    let config = ManagerConfig {
        site: ran.clone(),
        limits,
        verbosity: 0,
    };
    let mut manager = SessionManager::new(LuaRuntime::new().unwrap(), config);
    let opened = RawEvent::SessionOpened(Opening {
        seed: 5,
        url: "/start",
        ..Opening::default()
    });
    let events = steps.iter().map(|step| match step {
        Step::Comes(page) => RawEvent::FrontendJoined {
            connection: ConnectionId(*page),
        },
        Step::Goes(page) => RawEvent::FrontendLeft {
            connection: ConnectionId(*page),
        },
        Step::Sends(page, text) => RawEvent::Frame {
            connection: ConnectionId(*page),
            text,
        },
        Step::Waits => RawEvent::TimersDue,
    });
    let mut frame = Vec::new();
    let mut now = 1_000;
    for event in [opened].into_iter().chain(events) {
        now = match event {
            RawEvent::TimersDue => manager.poll_timeout().unwrap_or(now),
            _ => now + 20,
        };
        let turn = Turn { now, wall: 9_000 };
        writer.event(turn, &event);
        manager.handle_event(to_event(&event, session, manager.site()), turn);
        while let Some(effect) = manager.poll_effect() {
            if let Some(output) = Output::of(&effect, &mut frame) {
                writer.output(&output);
            }
        }
        writer.commit().unwrap();
    }
    let bytes = std::fs::read(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    bytes
}

/// The answer, as often asked for as it takes, and how often that was.
fn ask_counting(inspector: &mut Inspector, question: &str) -> (Value, usize) {
    for asked in 1.. {
        let call = HostCall::Read {
            path: question.into(),
        };
        let answer: Value = match inspector.call(SessionId(9), &call) {
            HostAnswer::Bytes(bytes) => serde_json::from_slice(&bytes).unwrap(),
            other => panic!("{question}: {other:?}"),
        };
        if answer["pending"] != true && answer["done"] != false {
            return (answer, asked);
        }
    }
    unreachable!()
}

fn ask(inspector: &mut Inspector, question: &str) -> Value {
    ask_counting(inspector, question).0
}

fn read(bytes: Vec<u8>) -> (Inspector, Value) {
    let reader = Reader::new(bytes).unwrap();
    let mut inspector = Inspector::new("x.lnt".into(), reader).unwrap();
    let recording = ask(&mut inspector, "recording");
    (inspector, recording)
}

fn inspector(more: Vec<Step>) -> (Inspector, Value) {
    let site = site(MAIN);
    read(record(&site, &site, &steps(more)))
}

fn add(page: u64, name: &str) -> Step {
    Step::Sends(page, update(3, &json!(name)))
}

/// What the rows of an answer say under these names.
fn columns<const N: usize>(rows: &Value, names: [&str; N]) -> Vec<[String; N]> {
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let rows = rows.as_array().expect("rows").iter();
    rows.map(|row| names.map(|name| text(&row[name]))).collect()
}

#[test]
fn turns_are_told_in_words() {
    let (mut it, recording) = inspector(vec![
        add(1, "Ann"),
        Step::Waits,
        Step::Sends(1, update(4, &Value::Null)),
        Step::Goes(1),
    ]);
    assert_eq!(
        (&recording["turns"], &recording["errors"]),
        (&json!(7), &json!(1))
    );
    assert_eq!(recording["divergence"], Value::Null);
    assert_eq!(recording["activity"].as_array().unwrap().len(), 7);
    let turns = ask(&mut it, "turns/1-99");
    let labels: Vec<[String; 1]> = columns(&turns, ["label"]);
    let expected = [
        "session begins at /start",
        "page 1 comes",
        "page 1 shows 7 variables",
        "call add(_) with \"Ann\"",
        "timer",
        "call fail()",
        "page 1 goes",
    ];
    assert_eq!(labels.concat(), expected);
    let turn = ask(&mut it, "turn/4");
    assert_eq!(turn["lines"], json!([{ "level": 1, "text": "added Ann" }]));
    let ways: Vec<[String; 2]> = columns(&turn["entries"], ["way", "who"]);
    assert_eq!(ways, [["in", "page 1"], ["out", "page 1"]]);
    let turn = ask(&mut it, "turn/6");
    let faults = columns(&turn["faults"], ["path", "text"]);
    assert_eq!(faults[0][0], "fail()");
    assert!(faults[0][1].contains("no luck"), "{faults:?}");
    assert_eq!(turn["made"], 0);
    assert_eq!(ask(&mut it, "turn/7")["gone"], 7);
}

#[test]
fn the_tree_of_a_turn_and_what_it_changed() {
    let (mut it, _) = inspector(vec![add(1, "Ann"), add(1, "Ben")]);
    let tree = ask(&mut it, "variables/5/all/");
    let rows = columns(&tree["rows"], ["depth", "path", "value", "mark"]);
    assert!(
        rows.contains(&["1", "count", "2", "changed"].map(str::to_owned)),
        "{rows:?}"
    );
    assert!(
        rows.contains(&["2", "pick.name", "\"Ben\"", "changed"].map(str::to_owned)),
        "{rows:?}"
    );
    assert_eq!(rows[0][1], "app");
    let changed = ask(&mut it, "variables/5/changed/COUNT");
    let rows = columns(&changed["rows"], ["path", "was", "value"]);
    assert_eq!(rows, [["count", "1", "2"]]);
    // An object is told by type and number, so that it can be opened.
    let pick = &ask(&mut it, "variables/5/changed/pick")["rows"][0];
    let number = pick["object"].as_u64().unwrap();
    assert_eq!(pick["value"], json!(format!("Row #{number}")));
    let object = ask(&mut it, &format!("objects/5/{number}/[]"));
    let fields = columns(&object["fields"], ["key", "value"]);
    assert!(
        fields.contains(&["name", "\"Ben\""].map(str::to_owned)),
        "{fields:?}"
    );
    // Before it was made, nothing has its number.
    assert_eq!(
        ask(&mut it, &format!("objects/4/{number}/[]"))["missing"],
        true
    );
}

#[test]
fn a_value_is_followed_through_pages_that_come_again() {
    let again = OPEN.to_owned();
    let (mut it, _) = inspector(vec![
        add(1, "Ann"),
        Step::Goes(1),
        Step::Comes(2),
        Step::Sends(2, again),
        Step::Sends(2, update(3, &json!("Ben"))),
    ]);
    let rows = ask(&mut it, "variables/8/all/count")["rows"].clone();
    let history = ask(&mut it, &format!("history/{}", rows[0]["id"]));
    assert_eq!(history["path"], "count");
    let changes = columns(&history["changes"], ["turn", "value"]);
    assert_eq!(changes, [["3", "0"], ["4", "1"], ["8", "2"]]);
}

#[test]
fn objects_are_shown_with_what_changed_in_all_of_them() {
    let (mut it, _) = inspector(vec![add(1, "Ann"), add(1, "Ben")]);
    let app = ask(&mut it, "objects/5/app/[]");
    assert_eq!(app["kind"], "App");
    let fields = columns(&app["fields"], ["key", "value", "was", "mark"]);
    let field = |name: &str| fields.iter().find(|field| field[0] == name).unwrap();
    assert_eq!(field("count")[1..], ["2", "1", "changed"]);
    assert_eq!(field("rows")[1], "array of 2");
    assert_eq!(field("self")[1], "App");
    assert_eq!(field("[true]")[1], "\"yes\"");
    assert_eq!(field("[2.5]")[1], "\"half\"");
    // A default of the type, which the object does not have itself; functions are left out.
    let row = ask(&mut it, "objects/5/app/[\"rows\",1]");
    let keys = columns(&row["fields"], ["key", "value"]);
    assert!(
        keys.contains(&["note", "\"none\""].map(str::to_owned)),
        "{keys:?}"
    );
    assert!(!fields.iter().any(|field| field[0] == "add"));
    // The first row is another object now, and so it is no change of the one before.
    let changed = columns(&app["changed"], ["name", "was", "value"]);
    assert!(
        changed.contains(&["count", "1", "2"].map(str::to_owned)),
        "{changed:?}"
    );
    assert!(
        !changed.iter().any(|field| field[0].contains(".name")),
        "{changed:?}"
    );
    assert_eq!(ask(&mut it, "objects/5/app/[\"nobody\"]")["missing"], true);

    let name = ask(&mut it, "field/[\"rows\",1,\"name\"]");
    let changes = columns(&name["changes"], ["turn", "value"]);
    assert_eq!(changes, [["1", "nil"], ["4", "\"Ann\""], ["5", "\"Ben\""]]);
    assert_eq!(name["path"], "rows[1].name");
}

#[test]
fn turns_are_found_by_what_is_in_them() {
    let (mut it, _) = inspector(vec![
        add(1, "Ann"),
        Step::Sends(1, update(4, &Value::Null)),
        add(1, "Ben"),
    ]);
    for (question, turn) in [
        ("find/1/next/errors", json!(5)),
        ("find/5/next/errors", Value::Null),
        ("find/6/previous/errors", json!(5)),
        ("find/1/next/text/BEN", json!(6)),
        ("find/6/previous/text/added ann", json!(4)),
        ("find/1/next/text/a/b", Value::Null),
        ("find/1/next/changes", json!(3)),
    ] {
        assert_eq!(ask(&mut it, question)["turn"], turn, "{question}");
    }
}

#[test]
fn what_is_no_question_has_no_answer() {
    let (mut it, _) = inspector(vec![]);
    for question in [
        "",
        "nothing",
        "turn/0",
        "turn/99",
        "turn/x",
        "variables/1",
        "objects/1/app/x",
        "objects/0/app/[]",
    ] {
        let call = HostCall::Read {
            path: question.into(),
        };
        let answer = it.call(SessionId(1), &call);
        assert!(
            matches!(answer, HostAnswer::Failed { .. }),
            "{question}: {answer:?}"
        );
    }
    let answer = it.call(SessionId(1), &HostCall::TempName);
    assert!(matches!(answer, HostAnswer::Failed { .. }), "{answer:?}");
}

#[test]
fn looking_leaves_no_trace() {
    let names = (0..40).map(|n| add(1, &format!("row {n}"))).collect();
    let (mut it, recording) = inspector(names);
    let last = recording["turns"].as_u64().unwrap();
    // All objects of all turns are looked at on the way, in one run that must not diverge.
    for turn in 1..=last {
        let answer = ask(&mut it, &format!("objects/{turn}/app/[]"));
        assert!(
            answer["count"].as_u64().unwrap() + 1 >= turn.saturating_sub(3),
            "{answer}"
        );
    }
    let run = it.window.into_run().unwrap();
    assert_eq!(run.turn_number(), last);
    assert!(run.divergence().is_none(), "{:?}", run.divergence());
}

#[test]
fn a_recording_that_comes_out_differently_is_shown_up_to_there() {
    let (said, ran) = (
        site(&MAIN.replace("self.count + 1", "self.count + 2")),
        site(MAIN),
    );
    let more = vec![add(1, "Ann"), add(1, "Ben")];
    let (mut it, recording) = read(record(&said, &ran, &steps(more)));
    let divergence = &recording["divergence"];
    assert_eq!(
        (&divergence["turn"], &recording["turns"]),
        (&json!(4), &json!(4))
    );
    assert_eq!(divergence["difference"]["path"], "count");
    for (which, count) in [("recorded", "\"value\":1"), ("replayed", "\"value\":2")] {
        let frame = divergence[which].as_str().unwrap();
        assert!(frame.contains(count), "{which}: {frame}");
    }
    let row = ask(&mut it, "variables/4/changed/count")["rows"][0].clone();
    assert_eq!(row["value"], "2", "what was run again is shown");
    let objects = ask(&mut it, "objects/4/app/[]");
    assert_eq!(objects["kind"], "App");
    let field = ask(&mut it, "field/[\"count\"]");
    assert_eq!(
        columns(&field["changes"], ["turn", "value"]),
        [["1", "0"], ["4", "2"]]
    );
}

#[test]
fn a_torn_tail_is_said_and_an_empty_recording_is_none() {
    let site = site(MAIN);
    let whole = record(&site, &site, &steps(vec![add(1, "Ann")]));
    let (_, recording) = read(whole[..whole.len() - 3].to_vec());
    assert_eq!(recording["turns"], 3);
    let note = recording["notes"][0].as_str().unwrap();
    assert!(note.contains("unfinished record"), "{note}");
    let header = Reader::new(whole.clone()).unwrap().header_bytes();
    let (_, recording) = read(whole[..header].to_vec());
    assert_eq!(
        (&recording["turns"], &recording["done"]),
        (&json!(0), &json!(true))
    );
}

#[test]
fn twenty_thousand_turns_are_read_in_pieces_and_a_step_back_is_free() {
    let turns = (0..20_000).map(|_| Step::Waits).collect();
    let site = site(MAIN);
    let bytes = record(&site, &site, &steps(turns));
    let mut it = Inspector::new("x".into(), Reader::new(bytes).unwrap()).unwrap();
    let (recording, asked) = ask_counting(&mut it, "recording");
    assert_eq!(recording["turns"], 20_003);
    assert_eq!(recording["activity"].as_array().unwrap().len(), 120);
    assert!((10..200).contains(&asked), "{asked} pieces");
    let (_, there) = ask_counting(&mut it, "objects/20003/app/[]");
    assert!(there > 1, "running there takes more than one piece");
    for turn in (19_973..20_003).rev() {
        let (answer, asked) = ask_counting(&mut it, &format!("objects/{turn}/app/[]"));
        assert_eq!((&answer["kind"], asked), (&json!("App"), 1), "turn {turn}");
    }
    assert!(
        it.window.kept() <= 40,
        "{} turns are kept",
        it.window.kept()
    );
    let history = ask(&mut it, "history/7");
    assert_eq!(history["left_out"].as_u64().unwrap(), 20_001 - 500);
}
