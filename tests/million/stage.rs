//! Several apps whose sessions are recorded while they run; on the way some are frozen, thawed and sleep.
//!
//! Apps, sessions and connections are named by who plays: the same events of a session give the same
//! recording, whatever happens to the others in between.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use lunette::core::event::{Event, Turn};
use lunette::core::id::SessionId;
use lunette::core::limits::SessionLimits;
use lunette::core::manager::{Dormant, ManagerConfig, SessionManager};
use lunette::core::site::Site;
use lunette::journal::{Header, Output, RawEvent, Recorder, Writer};
use lunette::lua::state::StateLimits;
use lunette::lua::{DIALECT, LuaRuntime};
use lunette::replay::to_event;

/// See the module's description.
pub struct Stage {
    apps: Vec<App>,
    runtime: LuaRuntime,
    recorder: Recorder,
    sessions: BTreeMap<SessionId, Live>,
    /// What came out, and how often a session was thawed.
    pub frames: u64,
    pub thawed: u64,
}

struct App {
    /// With the site of the beginning.
    config: ManagerConfig,
    manager: SessionManager<LuaRuntime>,
}

struct Live {
    app: usize,
    site: Site,
    writer: Writer,
    asleep: Option<Asleep>,
}

/// A session that sleeps.
struct Asleep {
    frozen: Vec<u8>,
    claim: Vec<u8>,
    /// What wakes it.
    dormant: Dormant,
}

impl Stage {
    /// Records into `folder`.
    pub fn new(sites: &[Site], limits: &SessionLimits, folder: &Path) -> Stage {
        let runtime = LuaRuntime::new().expect("a runtime can be made");
        let app = |site: &Site| {
            let config = ManagerConfig {
                site: site.clone(),
                limits: limits.clone(),
                verbosity: 0,
            };
            App {
                manager: SessionManager::new(runtime.clone(), config.clone()),
                config,
            }
        };
        Stage {
            apps: sites.iter().map(app).collect(),
            runtime: runtime.clone(),
            recorder: Recorder::new(folder).expect("a folder for recordings"),
            sessions: BTreeMap::new(),
            frames: 0,
            thawed: 0,
        }
    }

    pub fn manager(&mut self, app: usize) -> &mut SessionManager<LuaRuntime> {
        &mut self.apps[app].manager
    }

    /// The sessions of an app that are not over.
    pub fn sessions_of(&self, app: usize) -> Vec<SessionId> {
        let of = self.sessions.iter().filter(|(_, live)| live.app == app);
        of.map(|(id, _)| *id).collect()
    }

    /// A session of the app's present site is recorded from now on; it begins with its first event.
    pub fn open(&mut self, id: SessionId, app: usize) {
        let App { config, manager } = &self.apps[app];
        let (site, limits) = (manager.site().clone(), config.limits.clone());
        let state = StateLimits::from(&limits);
        let header = Header {
            sid: sid(id),
            ..Header::here(id, site.clone(), limits, state.class() as u64, DIALECT)
        };
        let writer = self.recorder.begin(&header).expect("a recording");
        let live = Live {
            app,
            site,
            writer,
            asleep: None,
        };
        self.sessions.insert(id, live);
    }

    /// Lets an event happen. Returns whether the session is over.
    pub fn happens(&mut self, id: SessionId, event: &RawEvent<'_>, turn: Turn) -> bool {
        let live = self.sessions.get_mut(&id).expect("it is not over");
        let App { config, manager } = &mut self.apps[live.app];
        live.writer.event(turn, event);
        let event = to_event(event, id, &live.site);
        if manager.must_wake(&event, turn.now) {
            let Asleep { frozen, .. } = live.asleep.take().expect("it was frozen");
            let limits = config.limits.clone();
            let thawed = manager.thaw(id, &frozen, live.site.clone(), limits);
            thawed.unwrap_or_else(|text| panic!("session {id} cannot be thawed: {text}"));
            self.thawed += 1;
        }
        if let Event::SiteChanged { change, .. } = &event {
            live.site = change.site.clone();
        }
        manager.handle_event(event, turn);
        let mut over = false;
        let mut frame = Vec::new();
        while let Some(effect) = manager.poll_effect() {
            let Some(output) = Output::of(&effect, &mut frame) else {
                continue;
            };
            over |= matches!(output, Output::SessionEnded | Output::SessionFailed { .. });
            self.frames += u64::from(matches!(output, Output::Frame { .. }));
            live.writer.output(&output);
        }
        live.writer.commit().expect("recorded");
        if over {
            live.writer.flush().expect("recorded");
            if let Some(Asleep { claim, .. }) = &live.asleep {
                manager.forget_claim(claim);
            }
            self.sessions.remove(&id);
        }
        over
    }

    /// The recordings of the sessions that are left are whole now.
    pub fn finish(&mut self) {
        for live in self.sessions.values_mut() {
            live.writer.flush().expect("recorded");
        }
        self.sessions.clear();
    }

    /// Lets a session sleep if nobody looks at it. No message may be on its way.
    pub fn rest(&mut self, id: SessionId) {
        let live = self.sessions.get_mut(&id).expect("it is not over");
        let manager = &mut self.apps[live.app].manager;
        let session = manager.session(id);
        if session.is_some_and(|session| session.connections().next().is_none()) {
            live.asleep = Some(Asleep {
                frozen: freeze(manager, id),
                claim: manager.claim(id).expect("it is there"),
                dormant: manager.hibernate(id).expect("nobody looks at it"),
            });
        }
    }

    /// Another manager takes over all sessions of an app, frozen and thawed. No message may be on its way.
    pub fn move_all(&mut self, app: usize) {
        let ids = self.sessions_of(app);
        let App { config, manager } = &mut self.apps[app];
        let config = ManagerConfig {
            site: manager.site().clone(),
            ..config.clone()
        };
        let mut next = SessionManager::new(self.runtime.clone(), config.clone());
        for (topic, value) in manager.retained() {
            let kept = next.restore_retained(topic, value);
            kept.unwrap_or_else(|text| panic!("{topic} cannot be kept: {text}"));
        }
        let mut frozen = Vec::new();
        for id in ids {
            match &self.sessions[&id].asleep {
                Some(Asleep { dormant, .. }) => next.restore_dormant(id, dormant),
                None => frozen.push((id, freeze(manager, id))),
            }
        }
        // A state is put back to the place it had: the one that was there has to go.
        *manager = next;
        for (id, bytes) in frozen {
            let site = self.sessions[&id].site.clone();
            let thawed = manager.thaw(id, &bytes, site, config.limits.clone());
            thawed.unwrap_or_else(|text| panic!("session {id} cannot be thawed: {text}"));
            self.thawed += 1;
        }
    }
}

fn freeze(manager: &mut SessionManager<LuaRuntime>, id: SessionId) -> Vec<u8> {
    let frozen = manager.freeze(id);
    frozen.unwrap_or_else(|text| panic!("session {id} cannot be frozen: {text}"))
}

/// Where a session is recorded.
pub fn file(folder: &Path, id: SessionId) -> PathBuf {
    folder.join(format!("{}.lnt", sid(id)))
}

fn sid(id: SessionId) -> String {
    format!("{:032x}", id.0)
}
