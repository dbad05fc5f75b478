//! Sessions that are not in memory all the time: frozen and thawed, hibernating, run again.
//!
//! A *dormant* session is one of which the manager knows nothing but when to wake it: at its next
//! deadline, which [`SessionManager::poll_timeout`] names as for the others, with a message of a topic it
//! subscribed to, which [`SessionManager::take_message`] yields as for the others, and with whatever else
//! happens to it. The shell asks [`SessionManager::must_wake`] before it hands an event in, and makes the
//! session again by [`SessionManager::thaw`] or [`SessionManager::rebuild`]. Both put it in its old place:
//! nothing is subscribed or scheduled twice, and no other session notices.

use super::{ManagerConfig, SessionManager};
use crate::core::event::Event;
use crate::core::frozen::Surroundings;
use crate::core::id::{ConnectionId, SessionId, Timestamp};
use crate::core::limits::SessionLimits;
use crate::core::script::{Runtime, Script};
use crate::core::session::Session;
use crate::core::site::Site;
use crate::core::topic::Message;

/// What wakes a dormant session besides its frontends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dormant {
    /// When it next has something due.
    pub due: Option<Timestamp>,
    /// What is due then is its end and nothing else: it need not be woken for that.
    pub ends: bool,
    /// The topics to which it has subscribed; `None`: nobody knows, and every message wakes it.
    pub topics: Option<Vec<Box<str>>>,
}

/// What a session in memory takes, and since when for nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    pub session: SessionId,
    /// When it last had an event.
    pub last_event: Timestamp,
    /// Bytes, roughly.
    pub memory: usize,
    /// Somebody looks at it.
    pub attached: bool,
}

impl<R: Runtime> SessionManager<R> {
    /// All of a session as bytes, see [`crate::core::frozen`]. It goes on as before. To be called
    /// between two events, when the effects of the last have been taken.
    ///
    /// # Errors
    /// Why it cannot be frozen, in words for the log.
    pub fn freeze(&mut self, id: SessionId) -> Result<Vec<u8>, String> {
        match self.by_id.get(&id) {
            Some(&key) => self.sessions[key].freeze(),
            None => Err(format!("session {id} is not in memory")),
        }
    }

    /// Makes a session again of what [`SessionManager::freeze`] gave; `site` and `limits` are those that
    /// it had then. Its views have the connections that they have in its recording.
    ///
    /// # Errors
    /// Why it cannot be thawed, in words for the log. Everything is as before then.
    pub fn thaw(
        &mut self,
        id: SessionId,
        frozen: &[u8],
        site: Site,
        limits: SessionLimits,
    ) -> Result<(), String> {
        self.check_free(id)?;
        let surroundings = Surroundings {
            session: id,
            site,
            limits,
            verbosity: self.config.verbosity,
        };
        let session = Session::thaw(&mut self.runtime, frozen, surroundings)?;
        self.adopt(session);
        Ok(())
    }

    /// What a frozen session needs of the process in which it is to be thawed, in a few bytes. `None`: it is
    /// not in memory.
    pub fn claim(&self, id: SessionId) -> Option<Vec<u8>> {
        let session = self.session(id)?;
        Some(session.script.claim())
    }

    /// What an earlier process froze is to be thawed here some day: its claim is kept for it. To be called
    /// before the first session is made.
    ///
    /// # Errors
    /// When it can never be thawed here, in words for the log.
    pub fn keep_claim(&self, claim: &[u8]) -> Result<(), String> {
        self.runtime.keep(claim)
    }

    /// What was frozen with this claim is thrown away.
    pub fn forget_claim(&self, claim: &[u8]) {
        self.runtime.forget(claim);
    }

    /// Makes a session again by running its old events again: `run` hands them in to a manager of its
    /// own, in which there is nothing else, and does with their effects whatever it likes. What is
    /// published there arrives nowhere; sites that change there change for this session only. The site
    /// and limits of `config` are those with which the session began. `run` may begin with a
    /// [`SessionManager::thaw`] and hand in what came after it.
    ///
    /// # Errors
    /// What `run` returned, or that there is no such session at its end. Everything is as before then.
    pub fn rebuild(
        &mut self,
        id: SessionId,
        config: ManagerConfig,
        run: impl FnOnce(&mut SessionManager<R>) -> Result<(), String>,
    ) -> Result<(), String> {
        self.check_free(id)?;
        let mut alone = SessionManager::new(self.runtime.clone(), config);
        run(&mut alone)?;
        match alone.by_id.remove(&id) {
            Some(key) => self.adopt(alone.sessions.remove(key)),
            None => {
                let failed = alone.failed.remove(&id);
                let reason = failed.map_or("it never began".into(), |error| error.message);
                return Err(format!("session {id} is not there at the end: {reason}"));
            }
        }
        Ok(())
    }

    fn check_free(&self, id: SessionId) -> Result<(), String> {
        match self.by_id.contains_key(&id) {
            true => Err(format!("session {id} is in memory already")),
            false => Ok(()),
        }
    }

    /// Takes a session in that was made elsewhere.
    fn adopt(&mut self, mut session: Session<R::Script>) {
        let id = session.id();
        if session.host.site == self.config.site {
            // One copy for all sessions.
            session.host.site = self.config.site.clone();
        }
        session.host.verbosity = self.config.verbosity;
        session.host.audited = self.audited;
        if self.dormant.remove(&id).is_some() {
            self.topics.unsubscribe(id);
        }
        for topic in session.host.watches.topics() {
            self.topics.subscribe(id, topic);
        }
        let key = self.sessions.insert(session);
        self.by_id.insert(id, key);
        self.reschedule(id, key);
    }

    /// Lets a session sleep that nobody looks at. Returns what will wake it; `None`: it is not in
    /// memory, or somebody looks at it. The shell must be able to make it again.
    pub fn hibernate(&mut self, id: SessionId) -> Option<Dormant> {
        let &key = self.by_id.get(&id)?;
        if self.sessions[key].connections().next().is_some() {
            return None;
        }
        self.by_id.remove(&id);
        let session = self.sessions.remove(key);
        if self.sessions.is_empty() {
            self.sessions.shrink_to_fit();
        }
        let waits_for = waits_for(&session);
        self.dormant.insert(id, waits_for.ends);
        Some(waits_for)
    }

    /// What would wake a session that is in memory, if it slept.
    pub fn would_wake(&self, id: SessionId) -> Option<Dormant> {
        self.session(id).map(waits_for)
    }

    /// A session of an earlier process is dormant in this one.
    pub fn restore_dormant(&mut self, id: SessionId, dormant: &Dormant) {
        if self.by_id.contains_key(&id) {
            return;
        }
        self.dormant.insert(id, dormant.ends);
        match &dormant.topics {
            Some(topics) => topics.iter().for_each(|t| self.topics.subscribe(id, t)),
            None => self.topics.subscribe_to_all(id),
        }
        self.set_deadline(id, dormant.due);
    }

    /// A message that was on its way to a session that is dormant now when an earlier process ended.
    ///
    /// # Errors
    /// When too many are on their way to it.
    pub fn restore_message(&mut self, id: SessionId, message: Message) -> Result<(), String> {
        self.topics.restore(id, message)
    }

    /// A session that sleeps is lost: its number is free again. Nobody is told.
    pub fn forget_dormant(&mut self, id: SessionId) {
        if self.dormant.remove(&id).is_some() {
            self.topics.forget(id);
            self.set_deadline(id, None);
        }
    }

    /// Whether the session sleeps.
    pub fn is_dormant(&self, id: SessionId) -> bool {
        self.dormant.contains_key(&id)
    }

    /// How many sleep.
    pub fn dormant_len(&self) -> usize {
        self.dormant.len()
    }

    /// The sessions that sleep, in the order in which they began.
    pub fn dormant_ids(&self) -> impl Iterator<Item = SessionId> {
        self.dormant.keys().copied()
    }

    /// Whether the session of this event sleeps and must be made again before the event is handed in.
    /// For its end at the time that was set for it, it need not.
    pub fn must_wake(&self, event: &Event, now: Timestamp) -> bool {
        let id = event.session();
        let Some(&ends) = self.dormant.get(&id) else {
            return false;
        };
        let is_end = || self.deadline_of.get(&id).is_some_and(|&due| due <= now);
        !(ends && matches!(event, Event::TimersDue { .. }) && is_end())
    }

    /// Bytes that a session takes in memory.
    pub fn memory_of(&self, session: SessionId) -> u64 {
        let of = self.session(session);
        of.map_or(0, |of| of.memory_held() as u64)
    }

    /// Sessions give back to the system what they do not use.
    pub fn give_back(&mut self) {
        for (_, session) in &mut self.sessions {
            session.script.give_back();
        }
    }

    /// What each session in memory takes, in the order in which they began.
    pub fn usage(&self) -> impl Iterator<Item = Usage> {
        self.by_id.iter().map(|(&session, &key)| {
            let of = &self.sessions[key];
            Usage {
                session,
                last_event: of.host.turn.now,
                memory: of.memory_held(),
                attached: of.connections().next().is_some(),
            }
        })
    }

    /// The view of connection `from` is that of connection `to` from now on. Returns whether there is
    /// one, and none of `to` yet.
    pub fn move_view(&mut self, id: SessionId, from: ConnectionId, to: ConnectionId) -> bool {
        let Some(&key) = self.by_id.get(&id) else {
            return false;
        };
        let outbox = &mut self.sessions[key].outbox;
        if outbox.find(to).is_some() {
            return false;
        }
        let Some(view) = outbox.find(from) else {
            return false;
        };
        outbox.views[view].connection = to;
        true
    }

    /// The values that are kept for late subscribers, by topic. They are the server's and in no session:
    /// who wants to find them again after a restart stores them whenever their
    /// [`SessionManager::retained_changes`] moved.
    pub fn retained(&self) -> impl Iterator<Item = (&str, &str)> {
        self.topics.retained()
    }

    /// Counts the changes of [`SessionManager::retained`].
    pub fn retained_changes(&self) -> u64 {
        self.topics.retained_changes()
    }

    /// Keeps a value again that was kept before a restart. Nobody is told: who had subscribed by then
    /// was told then.
    ///
    /// # Errors
    /// When too much is kept already.
    pub fn restore_retained(&mut self, topic: &str, value: &str) -> Result<(), String> {
        self.topics.keep(topic, &value.into())
    }
}

fn waits_for<S: Script>(session: &Session<S>) -> Dormant {
    Dormant {
        due: session.next_due(),
        ends: session.only_ends(),
        topics: Some(session.host.watches.topics().map(Into::into).collect()),
    }
}
