//! How many sessions there may be, and what they may use together: more are refused, and told why.

use super::client::Place;
use crate::net::process::status;

fn users(limits: &str) -> Place {
    let settings = format!("[auth]\nmode = \"users\"\nusers = \"users\"\n[limits]\n{limits}\n");
    Place::new(&settings, &["--state", "none"])
}

#[test]
fn a_user_has_so_many_sessions_and_no_more() {
    let place = users("sessions_per_user = 2");
    let (ann, bob) = (place.ann(), place.bob());
    let (first, second) = (ann.session(), ann.session());
    assert_eq!(ann.who(&first), "\"ann//-\"");
    assert_eq!(ann.who(&second), "\"ann//-\"");
    for path in ["/", "/a"] {
        let refused = ann.get(path);
        assert_eq!(status(&refused), "429", "{refused}");
        assert!(refused.contains("sessions_per_user"), "{refused}");
    }
    assert_eq!(ann.who(&first), "\"ann//-\"", "those that are there go on");
    assert_eq!(bob.who(&bob.session()), "\"bob//-\"");
    let log = place.server().log();
    assert_eq!(
        log.matches("sessions_per_user").count(),
        1,
        "not with each of them: {log}"
    );
}

#[test]
fn a_server_has_so_many_sessions_and_no_more() {
    let place = users("sessions = 1");
    let (ann, bob) = (place.ann(), place.bob());
    let (first, waits) = (ann.session(), bob.session());
    assert_eq!(ann.who(&first), "\"ann//-\"");
    let refused = ann.get("/");
    assert_eq!(status(&refused), "503", "{refused}");
    assert!(refused.contains("sessions of [limits]"), "{refused}");
    // An address that was given before there was one too many.
    assert_eq!(status(&bob.attach(&waits).unwrap_err()), "503");
    assert_eq!(status(&bob.get(&format!("/{waits}"))), "503");
    assert_eq!(status(&ann.get(&format!("/{first}"))), "200");
}

#[test]
fn sessions_use_so_much_memory_and_no_more() {
    let place = users("total_memory = 1000");
    let (ann, bob) = (place.ann(), place.bob());
    let first = ann.session();
    assert_eq!(ann.who(&first), "\"ann//-\"", "there was room");
    let refused = bob.get("/");
    assert_eq!(status(&refused), "503", "{refused}");
    assert!(refused.contains("total_memory of [limits]"), "{refused}");
    assert_eq!(ann.who(&first), "\"ann//-\"");
}

#[test]
fn limits_hold_without_users_too() {
    let place = Place::new("[limits]\nsessions = 1\n", &["--state", "none"]);
    let anybody = place.stranger();
    let first = anybody.session();
    assert_eq!(anybody.who(&first), "\"nobody\"");
    assert_eq!(status(&anybody.get("/")), "503");
}
