//! Hibernation: sessions that nobody looks at give their memory back after a while, or at once when there is
//! too little of it. What happens to one of them next wakes it.

use std::collections::BTreeMap;

use super::Server;
use super::world::World;
use crate::core::event::Event;
use crate::core::id::{SessionId, Timestamp};
use crate::core::manager::{Dormant, Usage};
use crate::core::script::Runtime;
use crate::journal::RawEvent;

/// Sessions that were made or woken since memory was looked at last.
const LOOK_EVERY: usize = 32;

/// By so many bytes sessions have grown together since: a part of `total_memory`, but no less than this.
const LOOK_GROWN: u64 = 1 << 20;
const LOOK_PART: u64 = 64;

/// What pages of a session hear that has to make room: a close frame has place for 123 bytes.
const TOO_LARGE: &str = "the sessions of this server use more memory than they may, and this one used most (total_memory)";

/// How often it is looked, at most, in the time after which one may sleep: who comes to that within an eighth
/// of it goes together with the others.
const LOOKS: u64 = 8;

/// When to look for sessions that may sleep.
#[derive(Debug, Default)]
pub struct Rest {
    at: Option<Timestamp>,
    /// Sessions that have come into memory since it was last looked at.
    come: usize,
    /// By how much they have grown since.
    grown: u64,
    /// Bytes that all of them take: summed up when memory is looked at, and kept up in between, since everybody who
    /// asks for a session asks for it.
    used: u64,
}

impl Rest {
    /// When that is.
    pub fn due(&self) -> Option<Timestamp> {
        self.at
    }
}

impl<R: Runtime + Clone, W: World> Server<R, W> {
    /// The session came into memory.
    pub(super) fn note_arrival(&mut self) {
        self.rest.come += 1;
    }

    /// Something happened to a session: if nobody looks at it, it may sleep after a while.
    pub(super) fn note_idleness(&mut self, session: SessionId) {
        let Some(keeper) = &self.keeper else {
            return;
        };
        let after = keeper.hibernate_after_ms;
        if after == 0 || self.rest.at.is_some() {
            return;
        }
        let unattended =
            |s: &crate::core::session::Session<R::Script>| s.connections().next().is_none();
        if self.core.session(session).is_some_and(unattended) {
            self.rest.at = Some(self.turn.now + after);
        }
    }

    /// A session takes so many bytes now, and took so many before.
    pub(super) fn note_growth(&mut self, before: u64, after: u64) {
        self.rest.grown = (self.rest.grown + after).saturating_sub(before);
        self.rest.used = (self.rest.used + after).saturating_sub(before);
    }

    /// Lets sleep who has had nothing to do for long, and who has to make room; ends who is too large then.
    pub(super) fn rest(&mut self) {
        let total = self.door.room.total_memory;
        let look =
            self.rest.come >= LOOK_EVERY || self.rest.grown >= (total / LOOK_PART).max(LOOK_GROWN);
        if look {
            self.rest.used = self.core.usage().map(|usage| usage.memory as u64).sum();
        }
        if let Some(keeper) = &self.keeper {
            let (after, memory) = (keeper.hibernate_after_ms, keeper.memory);
            self.let_idle_sleep(after);
            if look {
                self.make_room(memory.min(self.door.room.memory_for_new()));
            }
        }
        if look {
            (self.rest.come, self.rest.grown) = (0, 0);
            if self.memory_used() > total / 2 {
                // What is counted does not have it, so it must not be there when little else is.
                self.core.give_back();
            }
            self.end_largest(total);
        }
    }

    /// Lets sleep who has had nothing to do for so long.
    fn let_idle_sleep(&mut self, after: u64) {
        if self.rest.at.is_none_or(|at| at > self.turn.now) {
            return;
        }
        self.rest.at = None;
        let now = self.turn.now;
        let mut next = None;
        let idle: Vec<Usage> = self.core.usage().filter(|u| !u.attached).collect();
        for usage in idle {
            let at = usage.last_event + after;
            if at <= now {
                // Who cannot will be looked at again after an event that may have changed that.
                self.hibernate(usage.session);
                continue;
            }
            next = Some(next.map_or(at, |next: Timestamp| next.min(at)));
        }
        self.rest.at = next.map(|next| next.max(now + after / LOOKS));
    }

    /// Ends the largest session of the user whose sessions take most, until all take no more than so many bytes. None
    /// is cut short in the middle of something for what others use: that could not be run again.
    fn end_largest(&mut self, total: u64) {
        while self.memory_used() > total {
            let Some(session) = self.largest() else {
                return;
            };
            self.log
                .session(0, session, format_args!("ended: {TOO_LARGE}"));
            let reason = TOO_LARGE;
            let raw = RawEvent::Ended { reason };
            let reason = reason.into();
            self.handle(Event::Ended { session, reason }, &raw);
        }
    }

    fn largest(&self) -> Option<SessionId> {
        let owner = |session| {
            let sid = self.sessions.sid(session)?;
            self.sessions.owner(sid)
        };
        let mut of_users: BTreeMap<&str, usize> = BTreeMap::new();
        for usage in self.core.usage() {
            if let Some(user) = owner(usage.session) {
                *of_users.entry(user).or_default() += usage.memory;
            }
        }
        let of_user = |usage: &Usage| {
            let user = owner(usage.session).and_then(|user| of_users.get(user));
            user.copied().unwrap_or(usage.memory)
        };
        let all = self.core.usage();
        all.max_by_key(|usage| (of_user(usage), usage.memory, usage.session))
            .map(|usage| usage.session)
    }

    /// Bytes that sessions in memory use.
    pub(super) fn memory_used(&self) -> u64 {
        self.rest.used
    }

    /// Has those sleep that were used longest ago, until the rest take no more than so many bytes.
    fn make_room(&mut self, memory: u64) {
        if self.memory_used() <= memory {
            return;
        }
        let mut all: Vec<Usage> = self.core.usage().collect();
        all.retain(|usage| !usage.attached);
        all.sort_unstable_by_key(|usage| (usage.last_event, usage.session));
        for usage in all {
            if self.memory_used() <= memory {
                break;
            }
            self.hibernate(usage.session);
        }
    }

    /// Lets a session sleep. Returns whether it does: one that could not be woken again must not.
    fn hibernate(&mut self, session: SessionId) -> bool {
        if self.is_busy(session) || self.inbox.waits(session) {
            return false;
        }
        if !self.recordings.borrow().may_sleep(session) {
            return false;
        }
        self.checkpoint_for_sleep(session);
        if !self.recordings.borrow_mut().sleep(session) {
            return false;
        }
        self.links.end_session(session);
        self.looking.end(session);
        let memory = self.core.memory_of(session);
        if let Some(waits_for) = self.core.hibernate(session) {
            self.note_sleeper(session, waits_for);
        }
        self.note_growth(memory, self.core.memory_of(session));
        self.quotas.forget(session);
        self.progress.remove(&session);
        self.ended += 1;
        self.log.session(1, session, format_args!("sleeps"));
        true
    }

    /// Something is done for it outside that ends with the process: it must hear of that.
    fn is_busy(&self, session: SessionId) -> bool {
        self.core.session(session).is_none_or(|of| {
            let host = of.host();
            !host.processes.is_empty()
                || host.uploads.ids().next().is_some()
                || host.downloads.begun().next().is_some()
        })
    }

    /// A session sleeps: in the next process, too, it wakes for what it waits for.
    fn note_sleeper(&mut self, session: SessionId, waits_for: Dormant) {
        let (Some(keeper), Some(sid)) = (&mut self.keeper, self.sessions.sid(session)) else {
            return;
        };
        let sleeps = |other| self.core.is_dormant(other);
        if let Err(error) = keeper.note_sleeper(session, &sid.to_string(), waits_for, sleeps) {
            let text = "it is run again when the server is started next";
            self.log
                .session(0, session, format_args!("{text}: {error}"));
        }
    }

    /// The process ends as it was told to: whoever is awake sleeps until the next one has something for them.
    pub(super) fn leave(&mut self) {
        self.recordings.borrow_mut().flush_all();
        self.tidy_mail(true);
        for session in self.core.session_ids() {
            if self.is_busy(session) || !self.recordings.borrow().may_sleep(session) {
                continue;
            }
            if let Some(mut waits_for) = self.core.would_wake(session) {
                if waits_for.due.is_none() && self.session_timeout_ms > 0 {
                    // Somebody looks at it, and may not come back.
                    waits_for.due = Some(self.turn.now + self.session_timeout_ms);
                    waits_for.ends = true;
                }
                self.note_sleeper(session, waits_for);
            }
        }
    }
}
