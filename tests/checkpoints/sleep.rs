//! Sessions that sleep and are made again by running their events again.

use std::collections::BTreeMap;

use lunette::core::event::{Event, Opening, Turn};
use lunette::core::id::{ConnectionId, SessionId};
use lunette::core::limits::SessionLimits;
use lunette::core::manager::{Dormant, ManagerConfig, SessionManager};
use lunette::core::site::Site;
use lunette::lua::LuaRuntime;
use lunette::wire::read_batch;

use super::effects;

const A: SessionId = SessionId(1);
const B: SessionId = SessionId(2);

/// Says what it hears, and hears itself.
const MAIN: &str = r#"
App = session:prototype("App", { heard = "", ticks = 0 })
local app = session:create(App)
session:subscribe("t", function(text) app.heard = app.heard .. text .. ";" end)
session:subscribe("mine" .. session.id, function() end)
function app:say() session:publish("t", "from " .. session.id, { retain = true }) end
function app:wait() session:setTimeout(function() app.ticks = app.ticks + 1 app:say() end, 500) end
session:createAppVariable(app)
app:say()
"#;
const PAGE: &str = r#"{"userEvent":true,"messages":[{"type":"watch","data":{"varId":1}},
{"type":"create","data":{"id":2,"parentId":1,"properties":{"path":"heard"}}},
{"type":"create","data":{"id":3,"parentId":1,"properties":{"path":"ticks"}}},
{"type":"create","data":{"id":4,"parentId":1,"properties":{"path":"say()","access":"action"}}},
{"type":"create","data":{"id":5,"parentId":1,"properties":{"path":"wait()","access":"action"}}}]}"#;
const SAY: &str = r#"[{"type":"update","data":{"varId":4,"value":null}}]"#;
const WAIT: &str =
    r#"{"userEvent":true,"messages":[{"type":"update","data":{"varId":5,"value":null}}]}"#;

fn config(main: &str) -> ManagerConfig {
    let files = [("lua/main.lua".to_owned(), main.as_bytes().to_vec())];
    ManagerConfig {
        site: Site::new(BTreeMap::from(files)),
        ..ManagerConfig::default()
    }
}

fn manager(main: &str) -> SessionManager<LuaRuntime> {
    let runtime = LuaRuntime::new().expect("a runtime can be made");
    SessionManager::new(runtime, config(main))
}

/// A manager and what has happened to its sessions.
struct World {
    manager: SessionManager<LuaRuntime>,
    past: BTreeMap<SessionId, Vec<(Event, Turn)>>,
    now: u64,
}

impl World {
    /// Sessions A and B with nobody in them; all that was published has arrived.
    fn new() -> World {
        let mut world = World {
            manager: manager(MAIN),
            past: BTreeMap::new(),
            now: 0,
        };
        for session in [A, B] {
            let opening = Opening {
                seed: session.0,
                ..Opening::default()
            };
            world.happens(Event::SessionOpened { session, opening });
        }
        world.deliver();
        world
    }

    fn turn(&self) -> Turn {
        Turn {
            now: self.now,
            wall: self.now as i64,
        }
    }

    fn happens(&mut self, event: Event) -> Vec<String> {
        self.now += 20;
        let turn = self.turn();
        if self.manager.must_wake(&event, turn.now) {
            self.wake(event.session());
        }
        let past = self.past.entry(event.session()).or_default();
        past.push((event.clone(), turn));
        self.manager.handle_event(event, turn);
        effects(&mut self.manager)
    }

    fn wake(&mut self, id: SessionId) {
        let past = &self.past[&id];
        let made = self.manager.rebuild(id, config(MAIN), |alone| {
            for (event, turn) in past {
                alone.handle_event(event.clone(), *turn);
                effects(alone);
            }
            Ok(())
        });
        made.expect("it can be made again");
    }

    fn deliver(&mut self) -> Vec<String> {
        let mut all = Vec::new();
        while let Some(event) = self.manager.take_message() {
            all.extend(self.happens(event));
        }
        all
    }

    fn join(&mut self, session: SessionId, connection: u64) -> Vec<String> {
        let connection = ConnectionId(connection);
        self.happens(Event::FrontendJoined {
            session,
            connection,
        });
        self.receives(session, connection.0, PAGE)
    }

    fn leave(&mut self, session: SessionId, connection: u64) {
        let connection = ConnectionId(connection);
        self.happens(Event::FrontendLeft {
            session,
            connection,
        });
    }

    fn receives(&mut self, session: SessionId, connection: u64, frame: &str) -> Vec<String> {
        self.happens(Event::BatchReceived {
            session,
            connection: ConnectionId(connection),
            batch: read_batch(frame),
        })
    }

    fn sleep(&mut self, id: SessionId) -> Dormant {
        let dormant = self.manager.hibernate(id).expect("nobody looks at it");
        assert!(self.manager.is_dormant(id) && self.manager.session(id).is_none());
        dormant
    }
}

#[test]
fn what_is_published_wakes_and_old_news_go_nowhere() {
    let (mut world, mut oracle) = (World::new(), World::new());
    let dormant = world.sleep(A);
    assert_eq!(dormant.topics, Some(vec!["mine1".into(), "t".into()]));
    let mut heard = Vec::new();
    for world in [&mut world, &mut oracle] {
        world.join(B, 1);
        world.receives(B, 1, SAY);
        assert_eq!(world.manager.messages_waiting(), 2);
        // By hand, with messages of both on their way and an effect not taken.
        let publish = read_batch(SAY);
        let turn = world.turn();
        let event = Event::BatchReceived {
            session: B,
            connection: ConnectionId(1),
            batch: publish,
        };
        world.past.entry(B).or_default().push((event.clone(), turn));
        world.manager.handle_event(event, turn);
        assert_eq!(world.manager.messages_waiting(), 4);
        if world.manager.is_dormant(A) {
            world.wake(A);
            assert!(!world.manager.is_dormant(A));
        }
        assert_eq!(world.manager.messages_waiting(), 4, "neither more nor less");
        let waiting = effects(&mut world.manager);
        assert_eq!(waiting.len(), 1, "what B published: {waiting:?}");
        heard.push((world.deliver(), world.join(A, 1)));
        world.receives(A, 1, SAY);
        assert_eq!(world.manager.messages_waiting(), 2, "subscribed once");
    }
    assert_eq!(heard[0], heard[1]);
    assert!(heard[0].1.iter().any(|out| out.contains("from 2;from 2;")));
}

#[test]
fn a_sleeping_session_is_woken_for_its_timers() {
    let (mut world, mut oracle) = (World::new(), World::new());
    let mut seen = Vec::new();
    for (world, sleeps) in [(&mut world, true), (&mut oracle, false)] {
        world.join(A, 1);
        world.receives(A, 1, WAIT);
        world.leave(A, 1);
        let due = world.manager.poll_timeout().expect("a timer");
        if sleeps {
            let dormant = world.sleep(A);
            assert_eq!((dormant.due, dormant.ends), (Some(due), false));
        }
        assert_eq!(world.manager.poll_timeout(), Some(due));
        assert_eq!(world.manager.next_due(due), Some(A));
        world.now = due;
        let published = world.happens(Event::TimersDue { session: A });
        assert_eq!(published.len(), 1, "{published:?}");
        assert!(world.manager.poll_timeout() > Some(due), "it fires once");
        seen.push((published, world.deliver(), world.join(A, 2)));
    }
    assert_eq!(seen[0], seen[1]);
}

#[test]
fn the_end_of_a_sleeping_session_needs_no_waking() {
    let mut world = World::new();
    let dormant = world.sleep(A);
    assert!(dormant.ends);
    let due = dormant.due.expect("nobody came");
    let end = Event::TimersDue { session: A };
    assert!(world.manager.must_wake(&end, due - 1) && !world.manager.must_wake(&end, due));
    let join = Event::FrontendJoined {
        session: A,
        connection: ConnectionId(1),
    };
    assert!(
        world.manager.must_wake(&join, due),
        "who comes late but first is let in"
    );
    let turn = Turn { now: due, wall: 0 };
    world.manager.handle_event(end, turn);
    assert_eq!(effects(&mut world.manager), ["session ended"]);
    assert!(!world.manager.is_dormant(A));
    assert_ne!(world.manager.next_due(due), Some(A));
    world.receives(B, 1, SAY);
    world.join(B, 1);
    world.receives(B, 1, SAY);
    assert_eq!(
        world.manager.messages_waiting(),
        1,
        "nothing is for it any more"
    );
}

#[test]
fn an_event_that_nobody_woke_it_for_is_told() {
    let mut world = World::new();
    world.sleep(A);
    let turn = world.turn();
    let connection = ConnectionId(1);
    let session = A;
    world.manager.handle_event(
        Event::FrontendJoined {
            session,
            connection,
        },
        turn,
    );
    let told = effects(&mut world.manager);
    assert!(
        told[0].contains("level: 0") && told[0].contains("was not woken"),
        "{told:?}"
    );
    assert!(world.manager.is_dormant(A));
}

#[test]
fn a_session_that_cannot_be_made_again_sleeps_on() {
    let mut world = World::new();
    let before = world.sleep(A);
    let broken = world
        .manager
        .rebuild(A, config(MAIN), |_| Err("a torn page".into()));
    assert_eq!(broken, Err("a torn page".into()));
    let nothing = world.manager.rebuild(A, config(MAIN), |_| Ok(()));
    assert!(nothing.is_err_and(|text| text.contains("never began")));
    let past = world.past[&A].clone();
    let other = config("error('no')");
    let failed = world.manager.rebuild(A, other, |alone| {
        past.into_iter()
            .for_each(|(event, turn)| alone.handle_event(event, turn));
        Ok(())
    });
    assert!(failed.is_err_and(|text| text.contains("main.lua:1: no")));
    assert!(effects(&mut world.manager).is_empty());
    assert_eq!(
        world.manager.next_due(u64::MAX).is_some(),
        before.due.is_some()
    );
    assert!(world.manager.is_dormant(A));
    world.join(A, 1);
    assert!(!world.manager.is_dormant(A));
    let live = world.manager.rebuild(A, config(MAIN), |_| Ok(()));
    assert!(live.is_err_and(|text| text.contains("in memory already")));
    assert_eq!(world.manager.hibernate(A), None, "somebody looks at it");
}

#[test]
fn old_sites_stay_with_the_session_that_had_them() {
    let mut world = World::new();
    let present = world.manager.site().clone();
    world.sleep(A);
    let past = world.past[&A].clone();
    let old = config(&MAIN.replace("heard = \"\"", "heard = \"old:\""));
    let edits = BTreeMap::from([("lua/more.lua".to_owned(), Some(b"x = 1".to_vec()))]);
    let limits = SessionLimits {
        gas: 5_000_000,
        ..SessionLimits::default()
    };
    let old = ManagerConfig { limits, ..old };
    let change = old.site.edit(edits);
    let made = world.manager.rebuild(A, old, |alone| {
        for (event, turn) in past {
            alone.handle_event(event, turn);
        }
        let session = A;
        alone.handle_event(Event::SiteChanged { session, change }, Turn::default());
        Ok(())
    });
    assert_eq!(made, Ok(()));
    assert!(world.manager.site().is(&present));
    let session = world.manager.session(A).expect("it is awake");
    assert_eq!(session.host().limits.gas, 5_000_000);
    assert!(session.host().site.read("lua/more.lua").is_some());
    assert!(!session.host().site.is(&present));
    let shown = world.join(A, 1);
    assert!(
        shown.iter().any(|out| out.contains("old:from 1;")),
        "{shown:?}"
    );
}

#[test]
fn a_new_server_knows_of_the_old_ones_sessions_and_values() {
    let mut world = World::new();
    world.join(B, 1);
    world.receives(B, 1, SAY);
    world.deliver();
    world.leave(B, 1);
    let changes = world.manager.retained_changes();
    assert!(changes > 0);
    let kept: Vec<(String, String)> = world
        .manager
        .retained()
        .map(|(topic, value)| (topic.into(), value.into()))
        .collect();
    assert_eq!(kept, [("t".into(), "\"from 2\"".into())]);
    let sleepers = [A, B].map(|id| (id, world.sleep(id)));

    world.manager = manager(MAIN);
    for (topic, value) in &kept {
        let restored = world.manager.restore_retained(topic, value);
        assert_eq!(restored, Ok(()));
    }
    for (id, dormant) in &sleepers {
        world.manager.restore_dormant(*id, dormant);
    }
    assert!(world.manager.dormant_ids().eq([A, B]));
    let due = sleepers.iter().map(|(_, dormant)| dormant.due).min();
    assert_eq!(Some(world.manager.poll_timeout()), due);
    assert_eq!(
        world.manager.messages_waiting(),
        0,
        "who heard it does not hear it again"
    );
    // A new session subscribes late, and hears what was kept; its own word wakes the others.
    let session = SessionId(3);
    let opening = Opening::default();
    world.happens(Event::SessionOpened { session, opening });
    assert_eq!(world.manager.messages_waiting(), 4);
    world.deliver();
    assert_eq!(world.manager.dormant_ids().count(), 0);
    let shown = world.join(A, 9);
    assert!(
        shown.iter().any(|out| out.contains("from 2;from 3;\"")),
        "{shown:?}"
    );
}

#[test]
fn views_move_to_the_connections_of_a_new_process() {
    let mut world = World::new();
    world.join(A, 1);
    let manager = &mut world.manager;
    assert!(!manager.move_view(A, ConnectionId(7), ConnectionId(8)));
    assert!(!manager.move_view(A, ConnectionId(1), ConnectionId(1)));
    assert!(manager.move_view(A, ConnectionId(1), ConnectionId(40)));
    let told = world.receives(A, 40, r#"{"type":"get","data":{"varIds":[3]}}"#);
    assert!(told[0].starts_with("40 < "), "{told:?}");
}

#[test]
fn the_manager_tells_who_takes_what_and_since_when() {
    let mut world = World::new();
    world.join(B, 1);
    let last = world.now;
    let usage: Vec<_> = world.manager.usage().collect();
    let [a, b] = usage[..] else {
        panic!("{usage:?}");
    };
    assert_eq!((a.session, a.attached), (A, false));
    assert_eq!((b.session, b.attached, b.last_event), (B, true, last));
    assert!(a.last_event < last && a.memory > 10_000 && a.memory < b.memory);
    world.sleep(A);
    assert_eq!(world.manager.usage().count(), 1);
}
