//! The Record button of `--dev`: a session that begins when it is pressed, all that happens in it kept in
//! memory, and a recording of that in the site's `tests/` when it is pressed again.
//!
//! `GET /_lunette/record/SESSION` tells how things stand; `PUT .../start/URL` makes a new session, which is to
//! be recorded, at this address of the app; `PUT .../save/NAME` writes the recording.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::Server;
use super::sessions::{Sid, URL_MAX};
use super::world::World;
use crate::config::Config;
use crate::core::effect::Effect;
use crate::core::event::{Event, Turn};
use crate::core::id::SessionId;
use crate::core::limits::SessionLimits;
use crate::core::script::Runtime;
use crate::core::site::Site;
use crate::core::upload::UploadId;
use crate::net::http::{Method, Request};
use crate::net::response::{Body, Response};
use crate::testing::path::pattern;
use crate::testing::suite::{Suite, SuiteError};
use crate::testing::take::Take;

/// Events of one session: beyond it, nobody sits there any more who wants a test.
const EVENTS_MAX: usize = 100_000;
/// Sessions that are recorded at a time.
const TAKES_MAX: usize = 16;

/// What is recorded, for whom.
pub struct RecordButton {
    limits: SessionLimits,
    suite: Option<Suite>,
    /// The directory as it was given.
    dir: String,
    ignored: Vec<Vec<String>>,
    secret: Vec<String>,
    /// Sessions to record that have not begun yet.
    wanted: BTreeSet<u128>,
    takes: BTreeMap<SessionId, Take>,
}

impl RecordButton {
    pub fn new(config: &Config) -> RecordButton {
        let dir = config.dir.as_deref();
        RecordButton {
            limits: config.limits.clone(),
            suite: dir.map(Suite::of_site),
            dir: dir.map_or(String::new(), |dir| dir.display().to_string()),
            ignored: config
                .test_ignore
                .iter()
                .map(|text| pattern(text))
                .collect(),
            secret: config.secret.clone(),
            wanted: BTreeSet::new(),
            takes: BTreeMap::new(),
        }
    }

    /// A session begins.
    pub fn begin(&mut self, session: SessionId, Sid(sid): Sid, site: &Site) {
        if self.wanted.remove(&sid) {
            let mut take = Take::new(session, site.clone(), self.limits.clone());
            take.secret.clone_from(&self.secret);
            self.takes.insert(session, take);
        }
    }

    /// An event is about to be handled.
    pub fn event(&mut self, session: SessionId, turn: Turn, event: &Event) {
        let Some(take) = self.takes.get_mut(&session) else {
            return;
        };
        take.event(turn, event.clone());
        if take.moments.len() > EVENTS_MAX {
            self.takes.remove(&session);
        }
    }

    /// Whether a session is recorded.
    pub fn records(&self, session: SessionId) -> bool {
        self.takes.contains_key(&session)
    }

    /// The last event told of a file with this content.
    pub fn file(&mut self, session: SessionId, upload: UploadId, content: Vec<u8>) {
        if let Some(take) = self.takes.get_mut(&session) {
            take.file(upload, content);
        }
    }

    /// The event made the session do this.
    pub fn effect(&mut self, session: SessionId, effect: &Effect) {
        if let Some(take) = self.takes.get_mut(&session) {
            take.effect(effect);
        }
    }

    /// The session is over.
    pub fn end(&mut self, session: SessionId) {
        self.takes.remove(&session);
    }

    fn want(&mut self, Sid(sid): Sid) {
        // Those of pages that never came.
        if self.wanted.len() >= TAKES_MAX {
            self.wanted.pop_first();
        }
        if self.takes.len() >= TAKES_MAX {
            self.takes.pop_first();
        }
        self.wanted.insert(sid);
    }

    fn save(&mut self, session: SessionId, name: &str) -> Response {
        let Some(suite) = &self.suite else {
            return refused(
                409,
                "the built-in demo has no directory to write into: start with --dir",
            );
        };
        let Some(take) = self.takes.get(&session) else {
            return refused(409, "this session is not recorded (any more)");
        };
        match suite.add(name, take, &self.ignored) {
            Ok(file) => {
                self.takes.remove(&session);
                let command = format!("lunette test {}", self.dir);
                told(&json!({ "file": format!("{}/{file}", self.dir), "command": command }))
            }
            Err(error @ (SuiteError::Exists(_) | SuiteError::Name(_))) => {
                refused(409, &error.to_string())
            }
            Err(error) => refused(500, &error.to_string()),
        }
    }
}

fn told(value: &serde_json::Value) -> Response {
    Response::new(200)
        .field("Content-Type", "application/json")
        .field("Cache-Control", "no-store")
        .body(Body::Bytes(value.to_string().into_bytes()))
}

fn refused(status: u16, text: &str) -> Response {
    Response::error_text(status, text)
}

impl<R: Runtime + Clone, W: World> Server<R, W> {
    /// What the page's button asked for; `wish` is what follows the session in the address.
    pub(super) fn press_record(&mut self, request: &Request, sid: Sid, wish: &str) -> Response {
        let session = self.sessions.live(sid);
        if request.method() != Method::Put {
            let button = &self.record_button;
            let runs = session.is_some_and(|session| button.records(session));
            let recording = runs || button.wanted.contains(&sid.0);
            return told(&json!({ "recording": recording, "dir": button.dir }));
        }
        if let Some(url) = wish.strip_prefix("/start") {
            return self.begin_recording(request, url);
        }
        match (wish.strip_prefix("/save/"), session) {
            (Some(name), Some(session)) => self.record_button.save(session, name),
            (Some(_), None) => refused(404, "Session not found"),
            (None, _) => refused(404, "there is nothing at this address"),
        }
    }

    /// A new session, so that the recording has all that led to where it ends.
    fn begin_recording(&mut self, request: &Request, url: &str) -> Response {
        let mut url = if url.is_empty() { "/" } else { url }.to_owned();
        if let Some(query) = request.query() {
            url.push('?');
            url.push_str(query);
        }
        if url.len() > URL_MAX || !url.starts_with('/') {
            return refused(414, "a session cannot begin at this address");
        }
        let Ok(id) = self.world.random().id() else {
            return refused(503, "the operating system gives no randomness");
        };
        let sid = Sid(id);
        self.sessions.reserve(sid, &url, self.turn.now);
        self.record_button.want(sid);
        let place = if url == "/" { "" } else { &url };
        told(&json!({ "session": sid.to_string(), "place": place }))
    }
}
