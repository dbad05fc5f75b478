//! What sessions wait for that nobody has come back to since the server was started: messages and timers.

use serde_json::json;

use super::page::Page;
use super::sleeps::{SOON, leave, sleepy, wait_for};
use super::survives::{ADD, Place};

/// Counts what it hears. Its buttons publish: at once, and in half a second.
const MAIN: &str = r#"
local App = session:prototype("App", { count = 0 })
function App:add() session:publish("news", "x") end
function App:later() session:setTimeout(function() session:publish("news", "y") end, 500) end
local app = session:create(App)
session:subscribe("news", function() app.count = app.count + 1 end)
session:createAppVariable(app)
"#;
const CREATE: &str = r#"[{"type":"watch","data":{"varId":1}},
    {"type":"create","data":{"id":2,"parentId":1,"properties":{"path":"count"}}},
    {"type":"create","data":{"id":3,"parentId":1,"properties":{"path":"add()","access":"action"}}},
    {"type":"create","data":{"id":4,"parentId":1,"properties":{"path":"later()","access":"action"}}}]"#;
const LATER: &str =
    r#"{"userEvent":true,"messages":[{"type":"update","data":{"varId":4,"value":null}}]}"#;

fn page(place: &Place) -> Page {
    let mut page = place.page();
    page.act(CREATE).expect("acknowledged");
    page
}

/// What the session of a page says that was left, or whose process ended.
fn count(place: &Place, session: &str) -> Option<serde_json::Value> {
    let mut page = Page::open(place.server().address, session);
    page.act(CREATE).expect("acknowledged");
    page.value(2)
}

#[test]
fn one_that_slept_sleeps_on_until_somebody_publishes() {
    let mut place = sleepy(MAIN, SOON);
    let first = leave(page(&place));
    wait_for(&place, "session 1: sleeps", 1);
    place.crash();
    let mut second = page(&place);
    second.act(CREATE).expect("acknowledged");
    let log = place.server().log();
    assert!(
        !log.contains("session 1: rebuilt"),
        "nobody needs it: {log}"
    );
    second.act(ADD).expect("acknowledged");
    wait_for(&place, "session 1: rebuilt", 1);
    assert_eq!(count(&place, &first), Some(json!(1)));
}

#[test]
fn one_that_was_awake_when_the_process_was_killed_hears_what_is_published_before_it_is_run_again() {
    let mut place = Place::new(MAIN, &[]);
    let first = page(&place).session;
    let others: Vec<Page> = (0..20).map(|_| page(&place)).collect();
    place.crash();
    page(&place).act(ADD).expect("acknowledged");
    assert_eq!(count(&place, &first), Some(json!(1)));
    for other in others {
        assert_eq!(count(&place, &other.session), Some(json!(1)));
    }
}

/// Until the session has heard of something, as somebody sees who comes back to it.
fn hears(place: &Place, session: &str) {
    let mut page = Page::open(place.server().address, session);
    page.act(CREATE).expect("acknowledged");
    while page.value(2) != Some(json!(1)) {
        page.take().expect("it hears what the other publishes");
    }
}

#[test]
fn one_that_was_awake_is_run_again_in_the_background_and_its_timers_go_on() {
    let mut place = Place::new(MAIN, &[]);
    let mut first = page(&place);
    let second = page(&place).session;
    first.act(LATER).expect("acknowledged");
    place.crash();
    hears(&place, &second);
    assert_eq!(count(&place, &first.session), Some(json!(1)));
}

#[test]
fn after_a_stop_timers_go_on_and_nobody_is_run_again_who_waits_for_nothing() {
    let mut place = Place::new(MAIN, &[]);
    let first = page(&place).session;
    let mut second = page(&place);
    second.act(LATER).expect("acknowledged");
    drop(second);
    place.stop();
    place.start();
    hears(&place, &first);
    place.stop();
    place.start();
    page(&place);
    let log = place.server().log();
    assert!(!log.contains(": rebuilt"), "nobody needs them: {log}");
}
