//! What recordings say: that they replay, that they say the same twice, and that they are what the tabs have seen.

use std::collections::BTreeMap;

use lunette::core::id::ConnectionId;
use lunette::core::manager::{ManagerConfig, SessionManager};
use lunette::journal::{Archive, Output, RawEvent, Reader, Standing, transcript};
use lunette::lua::LuaRuntime;
use lunette::replay::{Seen, rerun};

use super::town::{Heard, Town};

/// What is recorded of a view.
#[derive(Default)]
struct View {
    said: Vec<String>,
    heard: Vec<String>,
}

/// Checks all journals of a state directory; returns how many events were replayed. With `may_stop` one may end before
/// its session did.
pub fn check(archive: &Archive, town: &Town, may_stop: bool) -> u64 {
    let mut sessions = BTreeMap::new();
    let mut events = 0;
    for listed in archive.sessions().expect("a list of sessions") {
        let sid = listed.sid;
        assert!(
            matches!(listed.standing, Standing::Live | Standing::Ended)
                || may_stop && listed.standing == Standing::Lost,
            "session {sid} is {:?}",
            listed.standing
        );
        let reader = archive
            .read(&sid)
            .unwrap_or_else(|error| panic!("{sid}: {error}"));
        let (views, count) = replayed(&sid, &reader);
        events += count;
        let text = transcript(&reader);
        assert_eq!(
            text,
            transcript(&reader),
            "the transcript of {sid} says something else the second time"
        );
        sessions.insert(sid, views);
    }
    for heard in &town.heard {
        match sessions.get(&heard.sid) {
            Some(views) if may_stop => compare_beginning(heard, views),
            Some(views) => compare(heard, views),
            None => assert!(
                may_stop || heard.past.heard.is_empty(),
                "session {} has no journal",
                heard.sid
            ),
        }
    }
    events
}

/// The views of a session that is run again alone, in the order in which they joined.
fn replayed(sid: &str, reader: &Reader) -> (Vec<View>, u64) {
    let header = reader.header();
    let config = ManagerConfig {
        site: header.site.clone(),
        limits: header.limits.clone(),
        verbosity: 0,
    };
    let mut manager = SessionManager::new(LuaRuntime::new().expect("a runtime"), config);
    let mut views: Vec<View> = Vec::new();
    let mut places: BTreeMap<ConnectionId, usize> = BTreeMap::new();
    let report = rerun(&mut manager, reader, &mut |seen| match seen {
        Seen::Event(&RawEvent::FrontendJoined { connection }) => {
            places.insert(connection, views.len());
            views.push(View::default());
        }
        Seen::Event(RawEvent::Frame { connection, text }) => {
            if let Some(&at) = places.get(connection) {
                views[at].said.push((*text).to_owned());
            }
        }
        Seen::Output(Output::Frame { connection, text }) => {
            if let Some(&at) = places.get(connection) {
                views[at]
                    .heard
                    .push(String::from_utf8_lossy(text).into_owned());
            }
        }
        Seen::Event(_) | Seen::Output(_) | Seen::Line { .. } => {}
    });
    assert!(
        report.divergence.is_none(),
        "session {sid} does not replay: {report}"
    );
    (views, report.events)
}

/// What a tab heard is what its session said when it ran alone, and what it was told to have been handled was.
fn compare(heard: &Heard, views: &[View]) {
    let Heard { sid, tab, past } = heard;
    if past.view == 0 {
        // Views of the base protocol have no number that they know of.
        let is_it =
            |view: &&View| view.heard.starts_with(&past.heard) && past.said.starts_with(&view.said);
        let known = past.heard.is_empty() || views.iter().any(|view| is_it(&view));
        return assert!(
            known,
            "what tab {tab} heard is in no view of session {sid}: {:?}",
            past.heard
        );
    }
    let at = past.view as usize - 1;
    let view = views
        .get(at)
        .unwrap_or_else(|| panic!("view {} of session {sid} is not recorded", past.view));
    for (i, text) in past.heard.iter().enumerate() {
        let recorded = view.heard.get(i);
        assert_eq!(
            Some(text),
            recorded,
            "frame {} of view {} of tab {tab}, session {sid}",
            i + 1,
            past.view
        );
    }
    for (i, text) in past.said.iter().take(past.handled as usize).enumerate() {
        let recorded = view.said.get(i);
        assert_eq!(
            Some(text),
            recorded,
            "frame {} that tab {tab} sent, session {sid}",
            i + 1
        );
    }
}

/// A journal that stopped is a beginning of what happened.
fn compare_beginning(heard: &Heard, views: &[View]) {
    let Heard { sid, tab, past } = heard;
    let Some(view) = views.get((past.view as usize).wrapping_sub(1)) else {
        return;
    };
    let begins = |recorded: &[String], seen: &[String]| {
        let both = recorded.iter().zip(seen);
        both.clone().all(|(recorded, seen)| recorded == seen)
    };
    assert!(
        begins(&view.heard, &past.heard) && begins(&view.said, &past.said),
        "the journal of session {sid} is no beginning of what tab {tab} saw"
    );
}
