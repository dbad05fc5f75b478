//! Two worlds to which the same happens: in one of them sessions are frozen and thawed in between, and
//! nobody must notice.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use lunette::core::event::{Event, Turn};
use lunette::core::id::SessionId;
use lunette::core::manager::{ManagerConfig, SessionManager};
use lunette::core::outside::Outside;
use lunette::core::site::Site;
use lunette::lua::LuaRuntime;

use super::effects;

/// See the module's description.
pub struct Twin {
    config: ManagerConfig,
    plain: SessionManager<LuaRuntime>,
    frozen: SessionManager<LuaRuntime>,
    runtime: LuaRuntime,
    /// The site that each session has by now.
    sites: BTreeMap<SessionId, Site>,
    pub checkpoints: usize,
    /// Sessions that sleep, as they were frozen.
    asleep: BTreeMap<SessionId, Vec<u8>>,
    /// How often one was woken.
    pub woken: usize,
    /// Whether all that can be seen of a session is compared, and not only what comes of events.
    pub looks: bool,
    /// Values and errors that were told.
    pub told: [usize; 2],
    /// Why sessions could not be frozen.
    pub refusals: Vec<String>,
}

impl Twin {
    pub fn new(config: ManagerConfig) -> Twin {
        let new_runtime = || LuaRuntime::new().expect("a runtime can be made");
        let runtime = new_runtime();
        Twin {
            plain: SessionManager::new(new_runtime(), config.clone()),
            frozen: SessionManager::new(runtime.clone(), config.clone()),
            config,
            runtime,
            sites: BTreeMap::new(),
            checkpoints: 0,
            asleep: BTreeMap::new(),
            woken: 0,
            looks: true,
            told: [0; 2],
            refusals: Vec::new(),
        }
    }

    /// The world in which nothing is frozen.
    pub fn plain(&mut self) -> &mut SessionManager<LuaRuntime> {
        &mut self.plain
    }

    /// Who answers what scripts ask for the next event.
    pub fn set_outside(&mut self, make: impl Fn() -> Box<dyn Outside>) {
        self.plain.set_outside(make());
        self.frozen.set_outside(make());
    }

    /// Lets an event happen in both worlds. Returns what came of it.
    ///
    /// # Errors
    /// What came of it in the two worlds, if that differs.
    pub fn handle(&mut self, event: Event, turn: Turn) -> Result<Vec<String>, String> {
        if self.frozen.must_wake(&event, turn.now) {
            self.wake(event.session())?;
        }
        match &event {
            Event::SessionOpened { session, .. } => {
                self.sites.insert(*session, self.plain.site().clone());
            }
            Event::SiteChanged { session, change } => {
                self.sites.insert(*session, change.site.clone());
            }
            _ => {}
        }
        self.plain.handle_event(event.clone(), turn);
        self.frozen.handle_event(event.clone(), turn);
        let (plain, frozen) = (effects(&mut self.plain), effects(&mut self.frozen));
        if plain != frozen {
            let (plain, frozen) = (plain.join("\n"), frozen.join("\n"));
            return Err(format!(
                "{event:?} gives\n{plain}\nbut after thawing\n{frozen}"
            ));
        }
        let parts = [r#","value":"#, r#"{"type":"error""#];
        for (told, part) in self.told.iter_mut().zip(parts) {
            *told += plain
                .iter()
                .map(|out| out.matches(part).count())
                .sum::<usize>();
        }
        self.same("poll_timeout", |manager| manager.poll_timeout())?;
        Ok(plain)
    }

    /// The next message on its way, the same in both worlds.
    pub fn take_message(&mut self) -> Result<Option<Event>, String> {
        self.same("take_message", |manager| {
            let mut taken = manager.take_message();
            if let Some(Event::MessagePublished { message, .. }) = &mut taken {
                // It counts what one manager has sent.
                message.number = 0;
            }
            taken
        })
    }

    fn same<T: PartialEq + std::fmt::Debug>(
        &mut self,
        what: &str,
        ask: impl Fn(&mut SessionManager<LuaRuntime>) -> T,
    ) -> Result<T, String> {
        let (plain, frozen) = (ask(&mut self.plain), ask(&mut self.frozen));
        if plain != frozen {
            return Err(format!("{what} is {plain:?}, but after thawing {frozen:?}"));
        }
        Ok(plain)
    }

    /// Lets a session sleep in one world, if nobody looks at it.
    pub fn doze(&mut self, id: SessionId) -> Result<(), String> {
        let alone = self.frozen.session(id);
        if alone.is_some_and(|session| session.connections().next().is_none()) {
            let bytes = self.frozen.freeze(id)?;
            self.asleep.insert(id, bytes);
            let due = self.frozen.hibernate(id).and_then(|dormant| dormant.due);
            assert!(self.frozen.is_dormant(id) && due >= self.frozen.poll_timeout());
        }
        Ok(())
    }

    fn wake(&mut self, id: SessionId) -> Result<(), String> {
        let bytes = self.asleep.remove(&id).expect("it was frozen");
        self.woken += 1;
        let site = self.sites[&id].clone();
        self.frozen
            .thaw(id, &bytes, site, self.config.limits.clone())
    }

    /// Freezes all sessions of one world and thaws them in a new one. What of them anybody can see must
    /// be as it was. No message may be on its way.
    ///
    /// # Errors
    /// What differs.
    pub fn checkpoint(&mut self) -> Result<(), String> {
        if self.frozen.is_empty() || !self.asleep.is_empty() {
            // One that failed to start waits to tell why, and is no session.
            return Ok(());
        }
        let config = ManagerConfig {
            site: self.frozen.site().clone(),
            ..self.config.clone()
        };
        let mut thawed = SessionManager::new(self.runtime.clone(), config);
        for (topic, value) in self.frozen.retained() {
            thawed.restore_retained(topic, value)?;
        }
        let mut frozen = Vec::new();
        for id in self.frozen.session_ids() {
            match self.frozen.freeze(id) {
                Ok(bytes) => frozen.push((id, bytes)),
                Err(reason) => {
                    // Then nothing of it is: the session goes on in its world.
                    self.refusals.push(reason);
                    return Ok(());
                }
            }
        }
        self.checkpoints += 1;
        if self.checkpoints.is_multiple_of(3) {
            // What was frozen lives on as if nothing had happened, too.
            return Ok(());
        }
        // A state is put back to the place it had: the one that was there has to go.
        self.frozen = thawed;
        for (id, bytes) in frozen {
            let site = self.sites[&id].clone();
            let limits = self.config.limits.clone();
            self.frozen.thaw(id, &bytes, site, limits)?;
            if !self.looks {
                continue;
            }
            let (before, after) = (shown(&self.plain, id), shown(&self.frozen, id));
            if before != after {
                return Err(format!(
                    "session {id}: {}",
                    first_difference(&before, &after)
                ));
            }
        }
        self.same("poll_timeout", |manager| manager.poll_timeout())?;
        Ok(())
    }
}

/// All of a session but its script, site included.
fn shown(manager: &SessionManager<LuaRuntime>, id: SessionId) -> String {
    let mut out = String::new();
    let _ = write!(out, "{:?}", manager.session(id));
    out
}

fn first_difference(before: &str, after: &str) -> String {
    let same = before.bytes().zip(after.bytes());
    let at = same.take_while(|(a, b)| a == b).count();
    let show = |text: &str| {
        let from = at.saturating_sub(200);
        String::from_utf8_lossy(&text.as_bytes()[from..text.len().min(at + 100)]).into_owned()
    };
    format!("was ...{}...\nis now ...{}...", show(before), show(after))
}
