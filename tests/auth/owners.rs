//! A session is its owner's alone: it is not there for others, whatever they know of it, also after a restart.

use super::client::{ADD, CREATE, Place, say, value_of};
use crate::net::process::status;

#[test]
fn other_users_do_not_find_a_session() {
    let mut place = Place::of_users();
    let (session, reserved, mut asks) = {
        let (ann, bob) = (place.ann(), place.bob());
        let session = ann.session();
        let mut open = ann.attach(&session).unwrap();
        say(&mut open, CREATE);
        assert_eq!(value_of(&mut open, 2), "\"ann//-\"");
        say(&mut open, ADD);
        assert_eq!(value_of(&mut open, 3), "1");
        let reserved = ann.session();
        (session, reserved, vec![ann.fields, bob.fields])
    };
    let bob = asks.pop().unwrap();
    let ann = asks.pop().unwrap();
    for restarted in [false, true] {
        if restarted {
            place.crash();
        }
        let bob = place.stranger().with(&bob);
        for id in [&session, &reserved] {
            let page = bob.get(&format!("/{id}"));
            assert_eq!(status(&page), "307", "a session of his own: {page}");
            assert!(!page.contains(id.as_str()), "{page}");
            let gone = bob.get_as(&format!("/{id}"), "*/*");
            assert_eq!(status(&gone), "404", "{gone}");
            assert_eq!(status(&bob.attach(id).unwrap_err()), "404");
            for path in ["download", "upload"] {
                let path = format!("/{id}/{path}/0123456789abcdef0123456789abcdef");
                assert_eq!(status(&bob.get_as(&path, "*/*")), "404");
            }
        }
        let ann = place.stranger().with(&ann);
        let mut open = ann.attach(&session).unwrap();
        say(&mut open, CREATE);
        assert_eq!(value_of(&mut open, 3), "1", "it is there for her");
    }
}

#[test]
fn downloads_are_for_their_user() {
    let place = Place::of_users();
    let (ann, bob) = (place.ann(), place.bob());
    let session = ann.session();
    let mut open = ann.attach(&session).unwrap();
    let export = r#"[{"type":"watch","data":{"varId":1}},
        {"type":"create","data":{"id":2,"parentId":1,"properties":{"path":"link","access":"r"}}},
        {"type":"create","data":{"id":3,"parentId":1,"properties":{"path":"export()","access":"action"}}},
        {"type":"update","data":{"varId":3,"value":null}}]"#;
    say(&mut open, export);
    let path = value_of(&mut open, 2).trim_matches('"').to_owned();
    assert!(path.starts_with(&format!("/{session}/download/")), "{path}");
    assert_eq!(status(&bob.get_as(&path, "*/*")), "404");
    assert_eq!(status(&place.stranger().get_as(&path, "*/*")), "401");
    let got = ann.get_as(&path, "*/*");
    assert_eq!(status(&got), "200", "it was not used up: {got}");
}

#[test]
fn a_session_of_before_knows_its_user_and_replays() {
    let mut place = Place::of_users();
    let (session, ann) = {
        let ann = place.ann();
        let session = ann.session();
        assert_eq!(ann.who(&session), "\"ann//-\"");
        (session, ann.fields)
    };
    place.crash();
    assert_eq!(place.stranger().with(&ann).who(&session), "\"ann//-\"");
    drop(place.server.take());
    let state = place.folder.0.join("state");
    let run = |command: &str| {
        let run = std::process::Command::new(env!("CARGO_BIN_EXE_lunette"))
            .args([command, &session, "--state"])
            .arg(&state)
            .output()
            .expect("it runs");
        assert!(run.status.success(), "{run:?}");
        String::from_utf8(run.stdout).expect("text")
    };
    run("replay");
    assert!(run("transcript").contains("of the user ann\n"));
}

#[test]
fn sessions_without_a_user_are_nobodys_once_people_log_in() {
    let mut place = Place::new("", &[]);
    let session = {
        let anybody = place.stranger();
        let session = anybody.session();
        assert_eq!(anybody.who(&session), "\"nobody\"");
        session
    };
    place.folder.write(
        "lunette.toml",
        "[auth]\nmode = \"users\"\nusers = \"users\"\n",
    );
    place.crash();
    let fields = {
        let ann = place.ann();
        assert_eq!(status(&ann.attach(&session).unwrap_err()), "404");
        let own = ann.session();
        assert_eq!(ann.who(&own), "\"ann//-\"");
        own
    };
    place.folder.write("lunette.toml", "");
    place.crash();
    assert_eq!(
        status(&place.stranger().attach(&fields).unwrap_err()),
        "404",
        "and the other way round"
    );
}

#[test]
fn who_develops_looks_into_own_sessions_only() {
    let place = Place::new("[auth]\nmode = \"users\"\nusers = \"users\"\n", &["--dev"]);
    let (ann, bob) = (place.ann(), place.bob());
    let session = ann.session();
    let _open = ann.attach(&session).unwrap();
    for rest in ["variables", "variables.json"] {
        let path = format!("/{session}/{rest}");
        assert_eq!(status(&ann.get_as(&path, "*/*")), "200");
        assert_eq!(status(&bob.get_as(&path, "*/*")), "404");
        assert_eq!(status(&place.stranger().get_as(&path, "*/*")), "401");
    }
}
