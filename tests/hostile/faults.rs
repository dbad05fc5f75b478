//! Memory that runs out at every allocation of a session in turn: a Lua error on some variable, a line in the log or a
//! session that does not start, never an abort; and with memory back, the session works.

use std::collections::BTreeMap;

use lunette::core::effect::Effect;
use lunette::core::event::{Opening, Turn};
use lunette::core::id::{ConnectionId, SessionId};
use lunette::core::limits::SessionLimits;
use lunette::core::manager::{ManagerConfig, SessionManager};
use lunette::core::site::Site;
use lunette::journal::{Output, RawEvent};
use lunette::lua::LuaRuntime;
use lunette::lua::state::{plan_failure, planned_failure_happened};
use lunette::replay::to_event;

const SESSION: SessionId = SessionId(1);
const CONNECTION: ConnectionId = ConnectionId(1);
/// How the turns of the script go round: a bit of everything, each with what it needs of memory.
const TURNS: u64 = 100;

const MAIN: &str = include_str!("faults/main.lua");
const MODULE: &str = include_str!("faults/module.lua");

const CREATES: &str = r#"[{"type":"watch","data":{"varId":1}},
    {"type":"create","data":{"id":2,"parentId":1,"properties":{"path":"n"}}},
    {"type":"create","data":{"id":3,"parentId":1,"properties":{"path":"fine()","access":"action"}}},
    {"type":"create","data":{"id":4,"parentId":1,"properties":{"path":"step()","access":"action"}}},
    {"type":"create","data":{"id":5,"parentId":1,"properties":{"path":"rows","wrapper":"lua.ViewList","itemWrapper":"Row"}}},
    {"type":"create","data":{"id":6,"parentId":5,"properties":{"path":"items"}}},
    {"type":"create","data":{"id":7,"parentId":6,"properties":{"path":"0"}}},
    {"type":"create","data":{"id":8,"parentId":7,"properties":{"path":"item.name"}}},
    {"type":"create","data":{"id":9,"parentId":1,"properties":{"path":"text()"}}},
    {"type":"create","data":{"id":10,"parentId":1,"properties":{"path":"take(_)"}}},
    {"type":"create","data":{"id":11,"parentId":1,"properties":{"path":"value","wrapper":"Presenter"}}},
    {"type":"create","data":{"id":12,"parentId":1,"properties":{"path":"x","create":"Row"}}}]"#;

struct Run {
    manager: SessionManager<LuaRuntime>,
    now: u64,
    failed: Option<String>,
    told: String,
}

impl Run {
    fn new(limits: SessionLimits) -> Run {
        let files = [("lua/main.lua", MAIN), ("lua/module.lua", MODULE)];
        let files = files.map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec()));
        let config = ManagerConfig {
            site: Site::new(BTreeMap::from(files)),
            limits,
            verbosity: 0,
        };
        let runtime = LuaRuntime::new().expect("a runtime can be made");
        Run {
            manager: SessionManager::new(runtime, config),
            now: 1000,
            failed: None,
            told: String::new(),
        }
    }

    fn event(&mut self, event: &RawEvent<'_>) {
        let wall = 1_700_000_000_000 + self.now as i64;
        let turn = Turn {
            now: self.now,
            wall,
        };
        let event = to_event(event, SESSION, self.manager.site());
        self.manager.handle_event(event, turn);
        let mut frame = Vec::new();
        while let Some(effect) = self.manager.poll_effect() {
            match (Output::of(&effect, &mut frame), &effect) {
                (_, Effect::SessionFailed { description, .. }) => {
                    self.failed = Some(description.clone())
                }
                (Some(output), _) => self.told += &output.to_string(),
                (None, Effect::Log { text, .. }) => self.told += text,
                (None, _) => {}
            }
        }
    }

    fn frame(&mut self, text: &str) {
        self.now += 20;
        self.event(&RawEvent::Frame {
            connection: CONNECTION,
            text,
        });
    }

    fn call(&mut self, id: i64) {
        self.frame(&format!(r#"{{"userEvent":true,"messages":[{{"type":"update","data":{{"varId":{id},"value":null}}}}]}}"#));
    }

    /// Opens the session and lets its user do so many things.
    fn play(&mut self, turns: u64) {
        self.event(&RawEvent::SessionOpened(Opening {
            seed: 1,
            url: "/",
            ..Opening::default()
        }));
        self.event(&RawEvent::FrontendJoined {
            connection: CONNECTION,
        });
        self.frame(CREATES);
        for turn in 0..turns {
            match turn % 5 {
                0 => self.frame(r#"[{"type":"update","data":{"varId":10,"value":{"a":[1,2,{"b":"c"}],"text":"x"}}}]"#),
                1 => self.frame(r#"[{"type":"destroy","data":{"varId":11}},{"type":"create","data":{"id":11,"parentId":1,"properties":{"path":"value","wrapper":"Presenter"}}}]"#),
                2 => self.frame(r#"[{"type":"getObjects","data":{"objIds":[2,3,4]}},{"type":"get","data":{"varIds":[1,5,6]}}]"#),
                3 => {
                    self.now += 20;
                    self.event(&RawEvent::TimersDue);
                }
                _ => self.call(4),
            }
        }
    }

    /// Whether a click still does what it shall.
    fn works(&mut self) -> bool {
        let shown = |run: &mut Run| {
            let before = run.told.len();
            run.call(3);
            let told = run.told[before..].rsplit_once(r#"{"varId":2,"value":"#)?.1;
            let end = told.find(|c: char| !c.is_ascii_digit())?;
            told[..end].parse::<i64>().ok()
        };
        // The first click may show what a lack of memory kept back.
        shown(self);
        let (one, two) = (shown(self), shown(self));
        one.zip(two).is_some_and(|(one, two)| two == one + 1)
    }
}

/// Fails each allocation from the first on, some steps apart. Returns how many were failed.
fn fail_each(turns: u64, from: u64, step: u64) -> u64 {
    let mut failed = 0;
    for n in (from..).step_by(step as usize) {
        let mut run = Run::new(SessionLimits::default());
        plan_failure(n);
        run.play(turns);
        let happened = planned_failure_happened();
        plan_failure(0);
        if !happened {
            assert!(run.failed.is_none(), "without a failure: {:?}", run.failed);
            return failed;
        }
        failed += 1;
        match &run.failed {
            Some(why) => assert!(
                why.contains("not enough memory") || why.contains("overflow"),
                "{n}: {why}"
            ),
            None => {
                let works = run.works();
                assert!(
                    works,
                    "allocation {n} of {turns} turns: the session no longer works:\n{}",
                    run.told
                );
            }
        }
    }
    failed
}

fn long() -> bool {
    std::env::var_os("LUNETTE_LONG").is_some()
}

#[test]
fn any_allocation_of_a_session_may_fail() {
    let failed = fail_each(10, 1, 1);
    assert!(failed > 500, "only {failed}");
}

#[test]
fn any_allocation_of_a_hundred_turns_may_fail() {
    let failed = fail_each(TURNS, 2, if long() { 1 } else { 3 });
    assert!(failed > 400, "only {failed}");
}

/// The same with limits that are just enough for less and less of it.
#[test]
fn any_memory_limit_will_do() {
    let mut started = 0;
    for memory in (24_000..140_000).step_by(if long() { 50 } else { 500 }) {
        let limits = SessionLimits {
            lua_memory: memory,
            ..SessionLimits::default()
        };
        let mut run = Run::new(limits);
        run.play(TURNS);
        match &run.failed {
            Some(why) => assert!(
                why.contains("memory") || why.contains("overflow"),
                "{memory}: {why}"
            ),
            None => started += 1,
        }
    }
    assert!(started > 10, "only {started} started");
}
