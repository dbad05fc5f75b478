//! What recordings say: that they replay, that they say the same twice, and that they are what the tabs have seen.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use lunette::journal::{Output, RawEvent, Reader, transcript};
use lunette::lua::LuaRuntime;
use lunette::replay::replay;

use super::town::{Heard, Town};

/// What is recorded of a view.
#[derive(Default)]
struct View {
    said: Vec<String>,
    heard: Vec<String>,
}

/// Checks all recordings of a directory; returns how many events were replayed.
pub fn check(dir: &Path, town: &Town) -> u64 {
    let mut sessions: BTreeMap<String, Vec<View>> = BTreeMap::new();
    let mut events = 0;
    for entry in fs::read_dir(dir).expect("the recordings' directory") {
        let path = entry.expect("a recording").path();
        let file = fs::read(&path).expect("a recording can be read");
        let sid = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let reader = Reader::new(file).unwrap_or_else(|error| panic!("{sid}: {error}"));
        assert_eq!(reader.torn_bytes(), 0, "{sid} is torn");
        let report = replay(&reader, |_| LuaRuntime::new().expect("a runtime"));
        assert!(report.divergence.is_none(), "session {sid} does not replay: {report}");
        events += report.events;
        let text = transcript(&reader);
        assert_eq!(text, transcript(&reader), "the transcript of {sid} says something else the second time");
        sessions.insert(sid, views(&reader));
    }
    for heard in &town.heard {
        match sessions.get(&heard.sid) {
            Some(views) => compare(heard, views),
            None => assert!(heard.past.heard.is_empty(), "session {} is not recorded", heard.sid),
        }
    }
    events
}

/// The views in the order in which they joined.
fn views(reader: &Reader) -> Vec<View> {
    let mut views: Vec<View> = Vec::new();
    let mut places = BTreeMap::new();
    for record in reader.records() {
        match record.event {
            RawEvent::FrontendJoined { connection } => {
                places.insert(connection, views.len());
                views.push(View::default());
            }
            RawEvent::Frame { connection, text } => {
                if let Some(&at) = places.get(&connection) {
                    views[at].said.push(text.to_owned());
                }
            }
            _ => {}
        }
        for output in &record.outputs {
            if let Output::Frame { connection, text } = output
                && let Some(&at) = places.get(connection)
            {
                views[at].heard.push(String::from_utf8_lossy(text).into_owned());
            }
        }
    }
    views
}

/// What a tab heard is what its session said when it ran alone, and what it was told to have been handled was.
fn compare(heard: &Heard, views: &[View]) {
    let Heard { sid, tab, past } = heard;
    if past.view == 0 {
        // Views of the base protocol have no number that they know of.
        let is_it = |view: &&View| view.heard.starts_with(&past.heard) && past.said.starts_with(&view.said);
        let known = past.heard.is_empty() || views.iter().any(|view| is_it(&view));
        return assert!(known, "what tab {tab} heard is in no view of session {sid}: {:?}", past.heard);
    }
    let at = past.view as usize - 1;
    let view = views.get(at).unwrap_or_else(|| panic!("view {} of session {sid} is not recorded", past.view));
    for (i, text) in past.heard.iter().enumerate() {
        let recorded = view.heard.get(i);
        assert_eq!(Some(text), recorded, "frame {} of view {} of tab {tab}, session {sid}", i + 1, past.view);
    }
    for (i, text) in past.said.iter().take(past.handled as usize).enumerate() {
        let recorded = view.said.get(i);
        assert_eq!(Some(text), recorded, "frame {} that tab {tab} sent, session {sid}", i + 1);
    }
}
