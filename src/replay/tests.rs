//! Replays against a script that is simple enough to be wrong on purpose.

use std::collections::BTreeMap;

use super::difference::first_difference;
use super::*;
use crate::core::change::{Change, Changes};
use crate::core::event::{Opening, Turn};
use crate::core::host::Host;
use crate::core::id::{APP, ConnectionId, TimerId};
use crate::core::limits::{ANSWERS_ARE_BOUNDED, SessionLimits};
use crate::core::message::Json;
use crate::core::outside::ProcessId;
use crate::core::path::Path;
use crate::core::property::Properties;
use crate::core::script::{ErrorCode, Script, ScriptError, ToldOfProcess, WatchedValue};
use crate::core::site::Site;
use crate::core::timer::TimerKind;
use crate::core::upload::Received;
use crate::core::variable::{Access, NewVariable, Slot, Span};
use crate::core::watch::WatchHandle;
use crate::journal::Writer;

/// Every variable shows one number: how many events there were, times `step`.
struct Counter {
    count: u64,
    step: u64,
    shown: BTreeMap<Slot, u64>,
}

#[derive(Clone)]
struct CounterRuntime {
    step: u64,
    fails: bool,
}

impl Runtime for CounterRuntime {
    type Script = Counter;

    fn create_session(&mut self, _: SessionId, _: &mut Host) -> Result<Counter, ScriptError> {
        if self.fails {
            return Err(ScriptError::new(ErrorCode::LuaError, "main.lua:1: no"));
        }
        Ok(Counter {
            count: 0,
            step: self.step,
            shown: BTreeMap::new(),
        })
    }

    fn thaw(&mut self, _: SessionId, _: &mut Host, _: &[u8]) -> Result<Counter, String> {
        Err("a counter of these tests is never frozen".into())
    }
}

impl Script for Counter {
    fn freeze(&mut self, _: &mut Vec<u8>) -> Result<(), String> {
        Err("a counter of these tests is never frozen".into())
    }

    fn next_piece(&mut self, _: &mut Host, _: WatchHandle) -> Result<Option<Vec<u8>>, ScriptError> {
        Ok(None)
    }

    fn receive_file(&mut self, _: &mut Host, _: Slot, _: &Received) -> Result<(), ScriptError> {
        Ok(())
    }

    fn save(&mut self, _: &mut Host, _: WatchHandle) -> Result<Box<str>, ScriptError> {
        Ok("null".into())
    }

    fn forget_watch(&mut self, _: &mut Host, _: WatchHandle) {}

    fn begin_detection(&mut self) {}

    fn end_detection(&mut self) {}

    fn is_exhausted(&self) -> bool {
        false
    }

    fn begin_event(&mut self, _: u64) {
        self.count += self.step;
    }

    fn start(&mut self, host: &mut Host) -> Result<(), ScriptError> {
        host.vars.insert(NewVariable {
            id: APP,
            wire: APP.0,
            view: None,
            parent: None,
            access: Access::ReadWrite,
            watched: false,
            has_path: false,
            properties: Properties::default(),
        });
        let every_ms = 100;
        let kind = TimerKind::Interval {
            every_ms,
            background: true,
        };
        host.timers.start(kind, host.turn.now + every_ms, None);
        Ok(())
    }

    fn reload(&mut self, _: &mut Host, _: &[Box<str>]) -> Option<Vec<ScriptError>> {
        None
    }

    fn run_code(&mut self, _: &mut Host, _: &str) -> Result<(), ScriptError> {
        Ok(())
    }

    fn bind(
        &mut self,
        _: &mut Host,
        _: Slot,
        _: Path,
        _: Option<&Json>,
    ) -> Result<(), ScriptError> {
        Ok(())
    }

    fn unbind(&mut self, _: &mut Host, slot: Slot) {
        self.shown.remove(&slot);
    }

    fn detect(&mut self, _: &mut Host, order: &[Slot], changes: &mut Changes) {
        for &slot in order {
            if self.shown.insert(slot, self.count) != Some(self.count) {
                let start = changes.json.len() as u32;
                self.encode(slot, &mut changes.json);
                let end = changes.json.len() as u32;
                changes
                    .list
                    .push((slot, Change::Value(Span { start, end })));
            }
        }
    }

    fn encode(&mut self, _: Slot, out: &mut Vec<u8>) {
        out.extend_from_slice(self.count.to_string().as_bytes());
    }

    fn write(&mut self, _: &mut Host, _: Slot, _: &Json) -> Result<(), ScriptError> {
        Ok(())
    }

    fn fire(&mut self, _: &mut Host, _: TimerId, _: bool) -> Result<(), ScriptError> {
        Ok(())
    }

    fn notify(
        &mut self,
        _: &mut Host,
        _: WatchHandle,
        _: WatchedValue<'_>,
    ) -> Result<(), ScriptError> {
        Ok(())
    }

    fn tell_process(
        &mut self,
        _: &mut Host,
        _: ProcessId,
        _: ToldOfProcess<'_>,
    ) -> Result<(), ScriptError> {
        Ok(())
    }

    fn objects(&mut self, _: &mut Host, numbers: &[u64], _: &mut Vec<u8>) -> Vec<u64> {
        numbers.to_vec()
    }

    fn memory_used(&self) -> usize {
        0
    }

    fn gas_used(&self) -> u64 {
        0
    }
}

const A: ConnectionId = ConnectionId(40);
const FRAMES: [&str; 2] = [
    r#"{"type":"watch","data":{"varId":1}}"#,
    r#"{"type":"create","data":{"id":7,"parentId":1,"properties":{"path":"rows.0"}}}"#,
];

/// Runs a session for a second and records it, each event in a turn of its own.
fn record(runtime: CounterRuntime) -> Vec<u8> {
    record_with(runtime, SessionLimits::default(), &FRAMES)
}

/// The same by these limits, of these frames.
fn record_with(runtime: CounterRuntime, limits: SessionLimits, frames: &[&str]) -> Vec<u8> {
    let session = SessionId(3);
    let errors = limits.errors_at_once();
    let header = Header::here(session, Site::default(), limits.clone(), 0, "none");
    let name = format!("lunette-replay-{}-{:p}.lnt", std::process::id(), &header);
    let path = std::env::temp_dir().join(name);
    let mut writer = Writer::create(&path, &header).unwrap();
    let mut manager = SessionManager::new(
        runtime,
        ManagerConfig {
            limits,
            ..ManagerConfig::default()
        },
    );
    let opening = [
        RawEvent::SessionOpened(Opening {
            seed: 5,
            url: "/",
            ..Opening::default()
        }),
        RawEvent::FrontendJoined { connection: A },
    ];
    let frames = frames.iter().map(|text| RawEvent::Frame {
        connection: A,
        text,
    });
    let mut frame = Vec::new();
    let events = opening.into_iter().chain(frames);
    for (i, event) in events.chain([RawEvent::TimersDue; 10]).enumerate() {
        let now = match event {
            RawEvent::TimersDue => manager.poll_timeout().unwrap_or(0),
            _ => i as u64 * 20,
        };
        let turn = Turn { now, wall: 9 };
        writer.event(turn, &event);
        let event = match event {
            // As a server reads it.
            RawEvent::Frame { connection, text } => Event::BatchReceived {
                session,
                connection,
                batch: wire::read_batch_with(text, errors),
            },
            event => to_event(&event, session, manager.site()),
        };
        manager.handle_event(event, turn);
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

fn counter(step: u64) -> CounterRuntime {
    CounterRuntime { step, fails: false }
}

#[test]
fn the_same_again_is_as_recorded() {
    let reader = Reader::new(record(counter(1))).unwrap();
    let report = replay(&reader, |_| counter(1));
    assert_eq!(
        (report.exit_code(), report.turns, report.events),
        (0, 14, 14)
    );
    assert!(report.frames > 5, "{report}");
    assert!(
        report.to_string().ends_with("all as recorded\n"),
        "{report}"
    );
}

/// Errors told, and how many more there were.
fn errors(recording: &Reader) -> (usize, Option<String>) {
    let records = recording.records().flat_map(|record| record.outputs);
    let frames = records.filter_map(|output| match output {
        Output::Frame { text, .. } => Some(String::from_utf8_lossy(text).into_owned()),
        _ => None,
    });
    let told = frames.collect::<Vec<_>>().concat();
    let count = |code: &str| told.matches(&format!("\"code\":\"{code}\"")).count();
    let rest = told.split_once(" more errors are not told");
    let rest = rest.and_then(|(before, _)| before.rsplit('"').next());
    (
        count("bad-message") + count("not-found"),
        rest.map(str::to_owned),
    )
}

#[test]
fn errors_are_counted_when_there_are_many_and_recordings_of_before_tell_each() {
    let bad = "0,".repeat(2_500);
    let unknown = r#"{"type":"watch","data":{"varId":99}},"#;
    let watch = r#"{"type":"watch","data":{"varId":1}}"#;
    let frame = format!("[{unknown}{bad}{unknown}{watch}]");
    let few = format!("[{}{watch}]", "0,".repeat(1_000));
    for (rules, frame, expected) in [
        (0, &frame, (2_502, None)),
        (
            ANSWERS_ARE_BOUNDED,
            &frame,
            (1_000, Some("1502".to_owned())),
        ),
        (ANSWERS_ARE_BOUNDED, &few, (1_000, None)),
    ] {
        let limits = SessionLimits {
            rules,
            ..SessionLimits::default()
        };
        let recording = record_with(counter(1), limits, &[FRAMES[0], frame]);
        let reader = Reader::new(recording).unwrap();
        assert_eq!(reader.header().limits.rules, rules);
        assert_eq!(errors(&reader), expected, "rules {rules}");
        let report = replay(&reader, |_| counter(1));
        assert_eq!(report.exit_code(), 0, "rules {rules}: {report}");
    }
}

#[test]
fn the_first_difference_is_told_with_its_variable() {
    let reader = Reader::new(record(counter(1))).unwrap();
    let report = replay(&reader, |_| counter(2));
    assert_eq!(report.exit_code(), 5);
    let divergence = report.divergence.as_deref().unwrap();
    assert_eq!(divergence.turn_number, 3);
    let difference = divergence.difference.as_ref().unwrap();
    assert_eq!((difference.var, &*difference.part), (1, "value"));
    assert_eq!((&*difference.recorded, &*difference.replayed), ("3", "6"));
    let text = report.to_string();
    assert!(
        text.contains("\n  event     1 > {\"type\":\"watch\""),
        "{text}"
    );
    assert!(
        text.contains("variable 1, value: recorded 3, replayed 6"),
        "{text}"
    );
}

#[test]
fn the_path_of_the_variable_is_told() {
    let reader = Reader::new(record(counter(1))).unwrap();
    let record = reader.records().last().unwrap();
    let secrets = Secrets::at(&reader, &record);
    let paths = secrets.paths();
    assert_eq!(paths.of(ConnectionId(1), 7).as_deref(), Some("rows.0"));
    assert_eq!(paths.of(ConnectionId(1), 8), None);
}

#[test]
fn a_session_that_failed_fails_again() {
    let failing = || CounterRuntime {
        step: 1,
        fails: true,
    };
    let reader = Reader::new(record(failing())).unwrap();
    assert_eq!(replay(&reader, |_| failing()).exit_code(), 0);
    let report = replay(&reader, |_| counter(1));
    let text = report.to_string();
    assert!(text.contains("main.lua:1: no"), "{text}");
    assert!(text.contains("\n  replayed  nothing\n"), "{text}");
}

#[test]
fn differences_between_frames() {
    let difference = |a: &str, b: &str| first_difference(a.as_bytes(), b.as_bytes());
    let parts =
        |a: &str, b: &str| difference(a, b).map(|d| (d.var, d.part, d.recorded, d.replayed));
    let update =
        |var: i64, rest: &str| format!(r#"{{"type":"update","data":{{"varId":{var},{rest}}}}}"#);
    let (one, two) = (
        update(1, r#""value":1"#),
        update(2, r#""properties":{"a/b":"x"}"#),
    );
    let other = update(2, r#""properties":{"a/b":"y"}"#);
    let found = parts(&format!("[{one},{two}]"), &format!("[{one},{other}]"));
    let expected = (2, "property a/b".into(), "\"x\"".into(), "\"y\"".into());
    assert_eq!(found, Some(expected));
    let found = parts(&one, &format!("[{one},{two}]")).unwrap();
    assert_eq!((found.0, &*found.1, &*found.2), (2, "message", "nothing"));
    assert_eq!(difference(&one, &one), None);
}

#[test]
fn another_engine_is_said_plainly() {
    let mut header = Header::here(
        SessionId(1),
        Site::default(),
        SessionLimits::default(),
        0,
        "none",
    );
    assert!(notes(&header).is_empty());
    header.engine = "9.9.9".into();
    header.pointer_bits = 32;
    let notes = notes(&header);
    assert_eq!(notes.len(), 2);
    assert!(
        notes[0].contains("9.9.9") && notes[1].contains("32 bits"),
        "{notes:?}"
    );
}
