//! Recovery: sessions that earlier processes left behind, or that were put to sleep, are run again from
//! their journals when something happens to them.
//!
//! Events go in at the times at which they came; what comes out is compared with what came out then, and
//! goes nowhere but into the links of the views, so that pages can go on. Only what could be rebuilt
//! exactly goes on; all else begins anew under its old address, and its page says so.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::Server;
use super::checkpoint::Checkpoint;
use super::inbox::Input;
use super::keeper::Stopped;
use super::lost::{Lost, lost_or_over};
use super::sessions::Sid;
use super::world::World;
use crate::config::state::Recover;
use crate::core::download::Demand;
use crate::core::event::Event;
use crate::core::id::{ConnectionId, SessionId, Timestamp};
use crate::core::manager::{Dormant, ManagerConfig};
use crate::core::outside::{ProcessExit, ProcessNews};
use crate::core::script::Runtime;
use crate::core::session::Session;
use crate::core::site::{Site, SiteChange};
use crate::core::upload::UploadNews;
use crate::journal::{Interrupted, Output, RawEvent, Reader, Store, StoreError, encode_edits};
use crate::net::links::Recalled;
use crate::replay::{Seen, notes, rerun, to_event};

/// A session run again, and what there is of its views.
struct Rebuilt {
    reader: Reader,
    /// What it had used where the reader begins.
    gas: u64,
    recalled: Recalled,
    /// How the connections of its journal are called here.
    names: BTreeMap<ConnectionId, ConnectionId>,
}

impl<R: Runtime + Clone, W: World> Server<R, W> {
    /// Knows again of the sessions that earlier processes left behind.
    pub(super) fn recover(&mut self) -> Result<(), StoreError> {
        let Some(keeper) = &mut self.keeper else {
            return Ok(());
        };
        self.turn = self.world.turn();
        self.epoch = keeper.epoch(self.turn)?;
        self.turn.now += self.epoch;
        let left = keeper.left_behind(&self.log)?;
        keeper.tidy(self.turn.wall)?;
        let mut found = Vec::new();
        for session in left.live {
            let Some(sid) = Sid::parse(&session.sid) else {
                continue;
            };
            let idle = self.turn.wall.saturating_sub(session.modified).max(0) as u64;
            let waits_for = session.waits_for.unwrap_or_else(|| {
                self.unslept.push_back(session.number);
                let timeout = self.session_timeout_ms;
                Dormant {
                    due: (timeout > 0).then(|| self.turn.now + timeout.saturating_sub(idle)),
                    ends: true,
                    topics: None,
                }
            });
            self.sessions.restore(sid, session.number);
            self.sessions.own(sid, named(&session.owner));
            // Before the first session is made: its place in memory must be free.
            if let Some(claim) = keeper.claim(&session.sid)
                && let Err(why) = self.core.keep_claim(&claim)
            {
                self.log.session(
                    2,
                    session.number,
                    format_args!("its checkpoint is of no use: {why}"),
                );
            }
            self.core.restore_dormant(session.number, &waits_for);
            found.push(session.number);
        }
        if keeper.recover != Recover::None {
            for (topic, value) in keeper.retained() {
                if let Err(why) = self.core.restore_retained(&topic, &value) {
                    self.log.line(0, format_args!("topic {topic}: {why}"));
                }
            }
        }
        keeper.settle_sleepers(|session| self.core.is_dormant(session))?;
        self.know_lost(&left.stopped, &left.unreadable);
        self.recover_mail()?;
        match found.len() {
            0 => {}
            1 => self
                .log
                .line(0, format_args!("1 session of before is here")),
            count => self
                .log
                .line(0, format_args!("{count} sessions of before are here")),
        }
        if self
            .keeper
            .as_ref()
            .is_some_and(|keeper| keeper.recover == Recover::Eager)
        {
            self.wake_all(&found);
        }
        Ok(())
    }

    /// Knows of the addresses of sessions that do not go on.
    fn know_lost(&mut self, stopped: &[Stopped], unreadable: &[String]) {
        for stopped in stopped {
            if let Some(sid) = Sid::parse(&stopped.sid) {
                self.sessions.stop(sid, stopped.reason);
                self.sessions.own(sid, named(&stopped.owner));
            }
        }
        // They begin anew when somebody comes.
        for sid in unreadable {
            if let Some(sid) = Sid::parse(sid) {
                let session = self.sessions.restore_unnumbered(sid);
                self.told_lost.insert(session);
                self.let_sleep(session);
            }
        }
    }

    fn wake_all(&mut self, sessions: &[SessionId]) {
        let rebuilt = sessions.iter().filter(|&&s| self.wake(s).is_ok()).count();
        // What they do now is written before anybody is answered.
        self.commit();
        let plural = if rebuilt == 1 { "" } else { "s" };
        self.log
            .line(0, format_args!("rebuilt {rebuilt} session{plural}"));
    }

    /// One of those that were awake when the process before this one ended goes on, if nothing woke it before:
    /// one a turn, so that nobody waits for more than one of them.
    pub(super) fn wake_unslept(&mut self) {
        while let Some(session) = self.unslept.pop_front() {
            if self.core.is_dormant(session) {
                match self.wake(session) {
                    Ok(()) => self.note_idleness(session),
                    Err(_) => self.let_sleep(session),
                }
                return;
            }
        }
    }

    /// Makes a session that sleeps again.
    ///
    /// # Errors
    /// Why that is not possible; it sleeps on, then.
    pub(super) fn wake(&mut self, session: SessionId) -> Result<(), Lost> {
        if !self.core.is_dormant(session) {
            return Ok(());
        }
        let woken = self
            .rebuild(session)
            .and_then(|rebuilt| self.adopt(session, rebuilt));
        match &woken {
            Ok(()) => {
                self.told_lost.remove(&session);
                self.note_arrival();
                self.note_growth(0, self.core.memory_of(session));
            }
            Err(Lost::Over) => self.put_away(session),
            Err(lost) => self.tell_lost(session, lost),
        }
        woken
    }

    /// Runs a session's journal again.
    fn rebuild(&mut self, session: SessionId) -> Result<Rebuilt, Lost> {
        let (Some(keeper), Some(sid)) = (&self.keeper, self.sessions.sid(session)) else {
            return Err(Lost::NoJournal);
        };
        let (store, name) = (Rc::clone(&keeper.store), sid.to_string());
        match self.rebuild_behind(session, &store, keeper.checkpoint(&name), &name) {
            Ok(Some(rebuilt)) => return Ok(rebuilt),
            Ok(None) => {}
            Err(Lost::Over) => return Err(Lost::Over),
            Err(lost) => {
                // From the start it takes longer, and that is all.
                let text = "its checkpoint is of no use";
                self.log.session(1, session, format_args!("{text}: {lost}"));
                self.drop_checkpoint(Some(sid));
            }
        }
        let reader = store.archive().read(&name)?;
        self.run_again(session, reader, None)
    }

    /// Makes it again of its checkpoint, if it has one, and of what its journal has behind that.
    fn rebuild_behind(
        &mut self,
        session: SessionId,
        store: &Store,
        checkpoint: Result<Option<Checkpoint>, String>,
        name: &str,
    ) -> Result<Option<Rebuilt>, Lost> {
        let Some(checkpoint) = checkpoint.map_err(Lost::Differs)? else {
            return Ok(None);
        };
        let reader = store.archive().read_behind(name, &checkpoint.mark)?;
        self.run_again(session, reader, Some(checkpoint)).map(Some)
    }

    /// Runs what a reader has again: all of a journal, or what is behind a checkpoint.
    fn run_again(
        &mut self,
        session: SessionId,
        mut reader: Reader,
        checkpoint: Option<Checkpoint>,
    ) -> Result<Rebuilt, Lost> {
        let had = &reader.header().limits;
        let beyond = had.allows_beyond(self.recordings.borrow().limits());
        if let Some(what) = beyond {
            return Err(lost_or_over(&reader, Lost::NotAllowed(what)));
        }
        // Of what does not come out as it did, the log tells.
        reader.keep_secret(self.recordings.borrow().secret());
        let header = reader.header();
        let site = match &checkpoint {
            Some(checkpoint) => self.site_of(checkpoint, &header.site)?,
            None => header.site.clone(),
        };
        let config = ManagerConfig {
            site: site.clone(),
            limits: header.limits.clone(),
            verbosity: 0,
        };
        let mut recalled = match &checkpoint {
            Some(checkpoint) => Recalled::read(&checkpoint.links)
                .ok_or_else(|| Lost::Differs("its views cannot be read".into()))?,
            None => Recalled::default(),
        };
        let kept = self.limits.resume_bytes;
        let mut gas = 0;
        self.core
            .rebuild(session, config, |alone| {
                if let Some(checkpoint) = &checkpoint {
                    let limits = header.limits.clone();
                    alone.thaw(session, &checkpoint.frozen, site, limits)?;
                    gas = alone.session(session).map_or(0, Session::gas_used);
                    let connections = alone.session(session).map(Session::connections);
                    for connection in connections.into_iter().flatten() {
                        recalled.know(connection);
                    }
                }
                let report = rerun(alone, &reader, &mut |seen| {
                    recall(&mut recalled, seen, kept);
                });
                match report.divergence {
                    None => Ok(()),
                    Some(divergence) => {
                        let mut told = vec!["it does not come out as it did".to_owned()];
                        told.extend(notes(reader.header()));
                        told.push(divergence.to_string());
                        Err(told.join("\n"))
                    }
                }
            })
            .map_err(|why| lost_or_over(&reader, Lost::Differs(why)))?;
        let names = self.name_views(session, &recalled);
        Ok(Rebuilt {
            reader,
            gas,
            recalled,
            names,
        })
    }

    /// The site that a session had when it was frozen: the one that it began with, or the present one.
    fn site_of(&self, checkpoint: &Checkpoint, began: &Site) -> Result<Site, Lost> {
        let mut known = [self.core.site(), began].into_iter();
        let found = known.find(|site| *site.check() == checkpoint.site);
        found
            .cloned()
            .ok_or_else(|| Lost::Differs("the site was edited since, and before".into()))
    }

    /// Gives the views of a session that was run again names that no other connection has.
    fn name_views(
        &mut self,
        session: SessionId,
        recalled: &Recalled,
    ) -> BTreeMap<ConnectionId, ConnectionId> {
        let recorded = recalled
            .frontends()
            .map(|ConnectionId(number)| number)
            .max();
        self.last_connection = self.last_connection.max(recorded.unwrap_or(0));
        let mut names = BTreeMap::new();
        for view in recalled.frontends() {
            self.last_connection += 1;
            let name = ConnectionId(self.last_connection);
            self.core.move_view(session, view, name);
            names.insert(view, name);
        }
        names
    }

    /// A session that was run again takes its place among the others, and hears of what became of what it
    /// had begun outside.
    fn adopt(&mut self, session: SessionId, rebuilt: Rebuilt) -> Result<(), Lost> {
        let Rebuilt {
            reader,
            gas,
            mut recalled,
            names,
        } = rebuilt;
        let name = |recorded| names.get(&recorded).copied().unwrap_or(recorded);
        let Some(sid) = self.sessions.sid(session) else {
            return Err(Lost::NoJournal);
        };
        self.recordings
            .borrow_mut()
            .resume(session, sid, &reader, name)?;
        if !reader.is_whole() {
            self.have_checkpoint(session, reader.start(), gas);
        }
        let interrupted = reader.interrupted();
        if let Some(RawEvent::Frame { connection, text }) = interrupted.as_ref().map(|i| i.event) {
            recalled.take(connection, text);
        }
        self.not_before(reader.last_turn().now);
        for gone in recalled.gone() {
            self.inbox.push(session, Input::Leave(name(gone)));
        }
        let now = self.turn.now;
        self.links.adopt(session, recalled, &self.limits, now, name);
        // Those that had a connection have lost it with the process: they may be more than are kept.
        while let Some((session, connection)) = self.links.excess(session) {
            self.let_go(session, connection);
        }
        if let Some(interrupted) = &interrupted {
            self.go_on(session, interrupted, name);
        }
        self.tell_what_ended(session);
        self.bring_up_to_date(session);
        let events = reader.events();
        let start = match reader.is_whole() {
            true => "",
            false => " behind a checkpoint",
        };
        self.log.session(
            1,
            session,
            format_args!("rebuilt from {events} events{start}"),
        );
        if self.recordings.borrow().records() {
            let text = "not recorded any more since it was rebuilt; its journal has all of it: lunette export";
            self.log.session(0, session, format_args!("{text} {sid}"));
        }
        Ok(())
    }

    /// Time goes on where it was when this session was last heard of.
    fn not_before(&mut self, now: Timestamp) {
        let missing = now.saturating_sub(self.turn.now);
        self.epoch += missing;
        self.turn.now += missing;
    }

    /// The event in which the process ended, if it had already done something outside: it is not lost, and
    /// what it did is not done again.
    fn go_on(
        &mut self,
        session: SessionId,
        interrupted: &Interrupted<'_>,
        name: impl Fn(ConnectionId) -> ConnectionId,
    ) {
        let event = renamed(
            to_event(&interrupted.event, session, self.core.site()),
            name,
        );
        let answers = interrupted
            .answered
            .iter()
            .filter_map(|output| match *output {
                Output::HostCalled { answer, .. } => Some(answer.into()),
                _ => None,
            });
        self.recordings
            .borrow_mut()
            .go_on(session, answers.collect());
        self.run_event(session, event, interrupted.turn);
        self.recordings.borrow_mut().gone_on();
    }

    /// Processes, downloads and uploads do not outlive the server.
    fn tell_what_ended(&mut self, session: SessionId) {
        let Some(host) = self.core.session(session).map(|session| session.host()) else {
            return;
        };
        let processes: Vec<_> = host.processes.ids().collect();
        let downloads: Vec<_> = host.downloads.begun().collect();
        let uploads: Vec<_> = host.uploads.ids().collect();
        for process in processes {
            let exit = ProcessExit {
                interrupted: true,
                ..ProcessExit::default()
            };
            self.hear_of_process(session, process, ProcessNews::Exited(exit));
        }
        for token in downloads {
            let demand = Demand::Dropped;
            let event = Event::Download {
                session,
                token,
                demand,
            };
            self.handle(event, &RawEvent::Download { token, demand });
        }
        for upload in uploads {
            if !self.uploads.knows(session, upload) {
                let text = "the server was started again: choose the file once more";
                self.hear_of_upload(session, upload, UploadNews::Failed(text.into()));
            }
        }
    }

    /// The site may have been edited since: one edit brings the session to what is there now.
    fn bring_up_to_date(&mut self, session: SessionId) {
        let site = self.core.site().clone();
        let Some(had) = self.core.session(session).map(|s| s.host().site.clone()) else {
            return;
        };
        if had.is(&site) {
            return;
        }
        let edits = had.edits_to(&site);
        if edits.is_empty() {
            return;
        }
        let recorded = encode_edits(&edits);
        let change = SiteChange {
            site,
            ..had.edit(edits)
        };
        let event = Event::SiteChanged { session, change };
        self.handle(event, &RawEvent::SiteChanged { edits: &recorded });
    }

    /// Stores what topics keep for late subscribers, if that is due by then.
    pub(super) fn keep_retained(&mut self, by: Timestamp) {
        let Some(keeper) = &mut self.keeper else {
            return;
        };
        let (changes, values) = (self.core.retained_changes(), self.core.retained());
        if let Err(error) = keeper.put_retained(changes, values, by) {
            let text = "what topics retain is not kept";
            self.log.line(0, format_args!("{text}: {error}"));
        }
    }

    /// What was frozen of a session is of no use any more.
    pub(super) fn drop_checkpoint(&self, sid: Option<Sid>) {
        if let (Some(keeper), Some(sid)) = (&self.keeper, sid)
            && let Some(claim) = keeper.drop_checkpoint(&sid.to_string())
        {
            self.core.forget_claim(&claim);
        }
    }
}

fn named(owner: &str) -> Option<&str> {
    (!owner.is_empty()).then_some(owner)
}

/// The same event for the connection as it is called here.
fn renamed(mut event: Event, name: impl Fn(ConnectionId) -> ConnectionId) -> Event {
    if let Event::FrontendJoined { connection, .. }
    | Event::FrontendLeft { connection, .. }
    | Event::BatchReceived { connection, .. } = &mut event
    {
        *connection = name(*connection);
    }
    event
}

/// What an event of a journal, or what came of it, means for the links of its session.
fn recall(recalled: &mut Recalled, seen: Seen<'_>, kept: usize) {
    match seen {
        Seen::Event(event) => match *event {
            RawEvent::FrontendJoined { connection } => recalled.join(connection),
            RawEvent::FrontendLeft { connection } => recalled.leave(connection),
            RawEvent::Frame { connection, text } => recalled.take(connection, text),
            _ => {}
        },
        Seen::Output(&Output::Frame { connection, text }) => recalled.send(connection, text, kept),
        Seen::Output(_) | Seen::Line { .. } => {}
    }
}
