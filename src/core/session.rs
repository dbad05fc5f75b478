//! Session: one user's app, its script and its views.

use std::collections::{BTreeSet, VecDeque};

use super::change::{detect, detect_fresh};
use super::effect::Effect;
use super::event::Turn;
use super::host::{Host, NoticeKind, Work};
use super::id::{ConnectionId, SessionId, TimerId, Timestamp, VarId};
use super::limits::ANSWERS_ARE_BOUNDED;
use super::message::{Batch, Message};
use super::outbox::Outbox;
use super::reload::SiteFaults;
use super::saving::Saving;
use super::script::{ErrorCode, Script, ScriptError, WatchedValue};
use super::timer::TimerKind;
use super::variable::Slot;
use super::viewdef::Viewdefs;

/// Work done for one event at the most; what is left waits for the next turn.
const MAX_WORK: usize = 1_000;

/// With more bytes than this waiting to be told, a flush does not wait any longer.
const MOST_PENDING: usize = 256 << 10;

/// Variables that are looked at in one event beside what its gas counts.
const LOOKS_MAX: usize = 1_000_000;

/// Complaints of pages that the log has without being asked for more, and bytes of one; beyond it, a
/// client makes them up.
pub(super) const COMPLAINTS_MAX: usize = 100;
pub(super) const COMPLAINT_BYTES_MAX: usize = 500;

/// Intervals pause when nobody was attached for this long.
const PAUSE_MS: u64 = 60_000;

/// One session. Holds exactly one script, which the seed calls its LuaSession.
#[derive(Debug)]
pub struct Session<S> {
    pub(super) script: S,
    pub(super) host: Box<Host>,
    pub(super) outbox: Outbox,
    /// Somebody did something: the longer timeout applies.
    pub(super) used: bool,
    /// The present event answers a user's action, or output may go out at once.
    pub(super) urgent: bool,
    /// The view whose message is being handled: notices and navigation are for it alone.
    pub(super) acting: Option<usize>,
    /// Errors that actions put on fields beside them: the action and the field.
    pub(super) field_faults: VecDeque<(VarId, VarId)>,
    /// How many variables may still be looked at in this event beside what its gas counts.
    pub(super) looks_left: usize,
    /// What the present batch has made, as long as nothing in it can have changed what other
    /// variables show: then these are all that detection looks at.
    pub(super) fresh: Option<Vec<Slot>>,
    pub(super) site_faults: SiteFaults,
    /// What pages could not show, as far as the log has it.
    pub(super) complaints: BTreeSet<Box<str>>,
    pub(super) last_flush: Option<Timestamp>,
    pub(super) unattached_since: Timestamp,
    pub(super) saving: Saving,
}

impl<S: Script> Session<S> {
    /// A session around a script that has not started yet.
    pub fn new(script: S, host: Box<Host>) -> Session<S> {
        Session {
            script,
            unattached_since: host.turn.now,
            host,
            outbox: Outbox::default(),
            used: false,
            urgent: false,
            acting: None,
            field_faults: VecDeque::new(),
            looks_left: LOOKS_MAX,
            fresh: None,
            site_faults: SiteFaults::default(),
            complaints: BTreeSet::new(),
            last_flush: None,
            saving: Saving::default(),
        }
    }

    /// The session's number.
    pub fn id(&self) -> SessionId {
        self.host.session
    }

    /// What its parts can be asked about: variables, timers, watches.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// Bytes its script uses.
    pub fn memory_used(&self) -> usize {
        self.script.memory_used()
    }

    /// Bytes that it takes of the machine.
    pub fn memory_held(&self) -> usize {
        self.script.memory_held() + self.host.vars.bytes()
    }

    /// Gas its script has used since the session began.
    pub fn gas_used(&self) -> u64 {
        self.script.gas_used()
    }

    /// Variables that its last event looked at, which no gas counts.
    pub fn looks(&self) -> usize {
        LOOKS_MAX - self.looks_left
    }

    /// Runs `main.lua`.
    ///
    /// # Errors
    /// What it raised, or that it made no app.
    pub fn start(&mut self) -> Result<(), ScriptError> {
        self.script.begin_event(self.host.limits.gas);
        self.script.start(&mut self.host)?;
        if self.host.vars.app().is_none() {
            let text =
                "main.lua ran but made no app: it must call session:createAppVariable(object)";
            return Err(ScriptError::new(ErrorCode::LuaError, text));
        }
        self.settle();
        self.look_at_viewdefs();
        Ok(())
    }

    /// Begins an event at `turn`.
    pub(super) fn begin(&mut self, turn: Turn) {
        self.host.turn = turn;
        self.host.event += 1;
        self.urgent = false;
        self.host.logged = 0;
        self.host.outgoing_bytes = 0;
        self.looks_left = LOOKS_MAX;
        self.fresh = None;
        self.script.begin_event(self.host.limits.gas);
    }

    /// A frontend's WebSocket is open.
    pub(super) fn join(&mut self, connection: ConnectionId) {
        self.outbox.join(connection);
        let notice = std::mem::take(&mut self.host.opening.notice);
        if !notice.is_empty()
            && let Some(view) = self.outbox.views.last_mut()
        {
            view.notify(&notice, NoticeKind::Warning);
        }
        self.host.timers.resume(self.host.turn.now);
    }

    /// A frontend is gone: its variables go with it, the Lua objects stay.
    pub(super) fn leave(&mut self, connection: ConnectionId) {
        let Some(at) = self.outbox.find(connection) else {
            return;
        };
        let view = self.outbox.views.remove(at);
        for slot in view.owned() {
            let gone = self.host.vars.destroy(slot);
            self.leave_uploads(&gone);
            self.forget(&gone);
        }
        self.release();
        self.refresh_shared();
        // Wrappers that were let go may have changed what the others see.
        self.settle();
        if self.outbox.views.is_empty() {
            self.unattached_since = self.host.turn.now;
        }
    }

    /// One frame of a frontend.
    pub(super) fn receive(&mut self, connection: ConnectionId, batch: Batch) {
        let Some(view) = self.outbox.find(connection) else {
            return;
        };
        self.urgent = batch.user_event;
        self.acting = Some(view);
        self.used |= batch.user_event;
        if self.outbox.views[view].extended && !batch.messages.is_empty() {
            self.fresh = Some(Vec::new());
        }
        let mut described = BTreeSet::new();
        let each_once = self.host.limits.has(ANSWERS_ARE_BOUNDED);
        for mut message in batch.messages {
            if let Message::GetObjects { objects } = &mut message
                && each_once
            {
                let asked = objects.len();
                objects.retain(|&object| described.insert(object));
                if objects.is_empty() && asked > 0 {
                    continue;
                }
            }
            self.handle_message(view, message);
            self.run_work();
        }
        self.settle();
        let Session {
            script,
            host,
            outbox,
            ..
        } = self;
        outbox.views[view].echo_own_writes(script, host);
        self.acting = None;
    }

    /// Runs what is due: timers, each followed by detection.
    pub(super) fn run_timers(&mut self) {
        let now = self.host.turn.now;
        let paused = self.outbox.views.is_empty() && now >= self.unattached_since + PAUSE_MS;
        for id in self.host.timers.due(now) {
            if let Some(timer) = self.host.timers.take(id, now, paused) {
                let keep = matches!(timer.kind, TimerKind::Interval { .. });
                self.fire(id, keep, timer.started_by);
            }
            // Plain fields cost no gas, but after each timer all of them are read.
            if self.script.is_exhausted() || self.looks_left == 0 {
                // The rest is still due: next turn, after whoever waits meanwhile.
                return;
            }
        }
        self.save();
    }

    fn fire(&mut self, id: TimerId, keep: bool, started_by: Option<super::id::VarId>) {
        // What it starts in turn is blamed on the same variable.
        self.host.current = started_by.and_then(|var| self.host.vars.find(var));
        let fired = self.script.fire(&mut self.host, id, keep);
        self.host.current = None;
        if let Err(error) = fired {
            self.blame(started_by, format_args!("timer {id}"), error);
        }
        self.settle();
    }

    fn send_outgoing(&mut self, effects: &mut dyn FnMut(Effect)) {
        let session = self.host.session;
        // Taken, not drained: a busy event's room is not kept for ever.
        for outgoing in std::mem::take(&mut self.host.outgoing) {
            effects(Effect::Outside { session, outgoing });
        }
    }

    /// Moves out what the script did outside and what it logged.
    pub(super) fn hand_over(&mut self, effects: &mut dyn FnMut(Effect)) {
        let session = self.host.session;
        self.send_outgoing(effects);
        let deeds = std::mem::take(&mut self.host.deeds).into_iter();
        deeds.for_each(|deed| effects(Effect::Done { session, deed }));
        for (level, text) in self.host.logs.drain(..) {
            effects(Effect::Log {
                session,
                level,
                text,
            });
        }
    }

    /// Finishes what an event began: work left by API calls, then detection.
    pub(super) fn settle(&mut self) {
        self.run_work();
        let (script, host, outbox) = (&mut self.script, &mut self.host, &mut self.outbox);
        let looks = match self.fresh.take() {
            Some(fresh) => detect_fresh(script, host, outbox, &fresh),
            None => detect(script, host, outbox),
        };
        self.looks_left = self.looks_left.saturating_sub(looks);
        self.release();
        self.run_work();
        self.release();
    }

    /// Work that API calls left behind.
    pub(super) fn run_work(&mut self) {
        for _ in 0..MAX_WORK {
            let Some(work) = self.host.work.pop_front() else {
                return;
            };
            match work {
                Work::RunCode(code) => {
                    if let Err(error) = self.script.run_code(&mut self.host, &code)
                        && let Some(app) = self.host.vars.app()
                    {
                        self.tell_fault(app, error);
                    }
                }
                Work::RunOperatorsCode(code) => {
                    if let Err(error) = self.script.run_code(&mut self.host, &code) {
                        self.tell_operator(error);
                    }
                }
                Work::PropertySet { var, name } => self.tell_property(var, &name),
                Work::Navigate { url, replace } => {
                    for view in self.outbox.addressed(self.acting) {
                        view.navigate(&url, replace);
                    }
                }
                Work::Notify { text, kind } => {
                    for view in self.outbox.addressed(self.acting) {
                        view.notify(&text, kind);
                    }
                }
                Work::ForgetViewdefs(type_name) => {
                    for view in &mut self.outbox.views {
                        view.types.remove(&type_name);
                    }
                }
            }
        }
        let left = self.host.work.len();
        if left == 0 {
            return;
        }
        self.host.work.clear();
        self.host.log(
            0,
            format_args!("{left} things left to do are dropped: property watches set each other off without end"),
        );
    }

    /// Whether a call failed for want of gas: then so would all that wait behind it.
    fn stop_work(&mut self) -> bool {
        if self.script.is_exhausted() {
            self.host.work.clear();
        }
        self.script.is_exhausted()
    }

    fn tell_property(&mut self, var: VarId, name: &str) {
        let Some(slot) = self.host.vars.find(var) else {
            return;
        };
        for watch in self.host.watches.of_property(var, name) {
            let value = self.property(slot, name);
            let value = WatchedValue::Property(&value);
            if let Err(error) = self.script.notify(&mut self.host, watch, value) {
                self.tell_fault(slot, error);
            }
            if self.stop_work() {
                return;
            }
        }
    }

    fn property(&self, slot: Slot, name: &str) -> String {
        let vars = &self.host.vars;
        let value = vars.get(slot).and_then(|v| v.properties.get(name));
        value.unwrap_or("").to_owned()
    }

    /// Tells the views that these variables are gone, and ends watches of them.
    pub(super) fn forget(&mut self, gone: &[Slot]) {
        for &slot in gone {
            let Some(variable) = self.host.vars.get_dead(slot) else {
                continue;
            };
            let (id, wire, owner) = (variable.id, variable.wire, variable.view);
            for view in &mut self.outbox.views {
                match owner {
                    Some(owner) if owner == view.id => view.remove_alias(wire),
                    None if view.shared.remove(&id) => view.tell_destroyed(wire),
                    _ => {}
                }
            }
        }
    }

    /// Drops the script's side of destroyed variables, also of those Lua destroyed meanwhile.
    pub(super) fn release(&mut self) {
        let released = self.host.vars.take_released();
        if released.is_empty() {
            return;
        }
        // Destroyed by Lua in the middle of a call: the views have not been told yet. Telling twice
        // does no harm, since the alias is gone after the first time.
        self.forget_untold(&released);
        for slot in released {
            let ended = self.host.vars.get_dead(slot).map(|v| v.id);
            self.cancel_upload(ended);
            for watch in ended.map_or(Vec::new(), |id| self.host.watches.forget(id)) {
                self.script.forget_watch(&mut self.host, watch);
            }
            self.script.unbind(&mut self.host, slot);
            self.host.vars.free(slot);
        }
    }

    fn forget_untold(&mut self, released: &[Slot]) {
        let untold: Vec<Slot> = released
            .iter()
            .copied()
            .filter(|&slot| {
                self.host.vars.get_dead(slot).is_some_and(|v| {
                    self.outbox.views.iter().any(|view| match v.view {
                        Some(owner) => owner == view.id && view.has_alias(v.wire),
                        None => view.shared.contains(&v.id),
                    })
                })
            })
            .collect();
        self.forget(&untold);
    }

    /// A shared variable is watched while any view watches it.
    pub(super) fn refresh_shared(&mut self) {
        let app = self.host.vars.app();
        let shared: Vec<_> = self.host.vars.shared().chain(app).collect();
        for slot in shared {
            self.refresh_watched(slot);
        }
    }

    /// The same for one of them.
    pub(super) fn refresh_watched(&mut self, slot: Slot) {
        let Some(id) = self.host.vars.get(slot).map(|v| v.id) else {
            return;
        };
        let seen = self.outbox.views.iter().any(|v| v.shared.contains(&id));
        let watched = seen || self.host.watches.watches(id);
        self.host.vars.set_watched(slot, watched);
    }

    /// Sends what is due and moves log lines out.
    pub(super) fn finish(&mut self, viewdefs: &Viewdefs, effects: &mut dyn FnMut(Effect)) {
        self.send_outgoing(effects);
        self.finish_saving(effects);
        if self.has_news() && (self.urgent || self.may_flush()) {
            let mut sent = false;
            let send = |connection, batch| {
                sent = true;
                effects(Effect::Send { connection, batch });
            };
            let Session {
                script,
                host,
                outbox,
                ..
            } = self;
            outbox.flush(script, host, viewdefs, send);
            if sent {
                self.last_flush = Some(self.host.turn.now);
            }
        }
        self.hand_over(effects);
    }

    /// Whether something is to be told that waits for the next flush.
    pub fn has_news(&self) -> bool {
        self.outbox.has_news(&self.host)
    }

    fn may_flush(&self) -> bool {
        let is_cut = self.outbox.views.iter().any(|view| view.untold > 0);
        if is_cut || self.host.vars.pending_bytes() > MOST_PENDING {
            return true;
        }
        self.last_flush
            .is_none_or(|last| self.host.turn.now >= last + self.host.limits.coalesce_ms)
    }

    /// When something is due without anybody doing anything.
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        let due = [self.next_work(), self.expires()];
        due.into_iter().flatten().min()
    }

    /// When timers, output or saving are due.
    fn next_work(&self) -> Option<Timestamp> {
        let flush = self.has_news().then(|| {
            let last = self.last_flush.unwrap_or(0);
            last + self.host.limits.coalesce_ms
        });
        let due = [self.host.timers.next_due(), flush, self.saving.due];
        due.into_iter().flatten().min()
    }

    /// Whether its end comes before anything else is due.
    pub(super) fn only_ends(&self) -> bool {
        let (work, end) = (self.next_work(), self.expires());
        end.is_some_and(|end| work.is_none_or(|work| work > end))
    }

    /// When the session ends if nobody comes back.
    pub(super) fn expires(&self) -> Option<Timestamp> {
        let limits = &self.host.limits;
        let timeout = match (self.used, limits.session_timeout_ms) {
            (true, timeout) => timeout,
            (false, 0) => limits.unused_timeout_ms,
            (false, timeout) => timeout.min(limits.unused_timeout_ms),
        };
        (self.outbox.views.is_empty() && timeout > 0).then(|| self.unattached_since + timeout)
    }
}
