//! What sessions leave behind: the journals by which they survive the process, and the recordings of
//! `--record DIR`; and what happens when the disk says no.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::io;
use std::path::Path;
use std::rc::Rc;

use super::log::Logger;
use super::mail::Mail;
use super::sessions::Sid;
use crate::core::event::Turn;
use crate::core::id::{ConnectionId, SessionId, Timestamp};
use crate::core::limits::SessionLimits;
use crate::core::outside::{HostAnswer, HostCall, Outside};
use crate::core::site::Site;
use crate::journal::{
    Detail, Durability, Header, Mark, Output, RawAnswer, RawEvent, Reader, Recorder, Standing,
    Stopped, Store, StoreError, Writer,
};
use crate::lua::DIALECT;
use crate::lua::state::StateLimits;

/// Where one session is written down.
#[derive(Debug)]
struct Sinks {
    sid: Sid,
    /// In the state directory.
    journal: Option<Box<Writer>>,
    /// In the directory of `--record`.
    recording: Option<Box<Writer>>,
}

impl Sinks {
    fn all(&mut self) -> impl Iterator<Item = &mut Box<Writer>> {
        self.journal.iter_mut().chain(&mut self.recording)
    }
}

/// An event that is gone on with.
#[derive(Debug)]
struct Resumption {
    answers: VecDeque<HostAnswer>,
    /// The next call behind those is the one that was being made.
    interrupted: bool,
}

/// The journals and recordings of all sessions.
#[derive(Debug)]
pub struct Recordings {
    store: Option<Rc<Store>>,
    /// With a store.
    mail: Option<Mail>,
    durability: Durability,
    recorder: Option<Recorder>,
    sinks: BTreeMap<SessionId, Sinks>,
    /// Sessions that did something this turn.
    touched: Vec<SessionId>,
    /// Sessions whose journals have just stopped.
    stopped: Vec<SessionId>,
    /// Sessions whose journals are gone, to make room for others.
    given_up: Vec<Sid>,
    resumption: Option<Resumption>,
    /// When something that waits in a journal is to be written.
    flush_at: Option<Timestamp>,
    site: Site,
    limits: SessionLimits,
    /// Paths whose values are not for other eyes.
    secret: Vec<String>,
    log: Logger,
}

/// Why there is no place to write to.
#[derive(Debug)]
pub enum NoRecordings {
    /// The directory of `--record`.
    Dir(io::Error),
    State(StoreError),
}

impl Recordings {
    /// Sessions of this site are written into `store`, and recorded into `dir`.
    ///
    /// # Errors
    /// When the directory cannot be made, or what is on its way cannot be read.
    pub fn new(
        store: Option<(Rc<Store>, Durability)>,
        dir: Option<&Path>,
        site: Site,
        limits: SessionLimits,
        log: Logger,
    ) -> Result<Recordings, NoRecordings> {
        let durability = store.as_ref().map_or(Durability::None, |&(_, d)| d);
        let store = store.map(|(store, _)| store);
        let mail = store.as_ref().map(Mail::open).transpose();
        Ok(Recordings {
            mail: mail.map_err(NoRecordings::State)?,
            store,
            durability,
            recorder: dir
                .map(Recorder::new)
                .transpose()
                .map_err(NoRecordings::Dir)?,
            sinks: BTreeMap::new(),
            touched: Vec::new(),
            stopped: Vec::new(),
            given_up: Vec::new(),
            resumption: None,
            flush_at: None,
            site,
            limits,
            secret: Vec::new(),
            log,
        })
    }

    /// These paths are secret in what is written from now on.
    #[must_use]
    pub fn with_secret(self, secret: Vec<String>) -> Recordings {
        Recordings { secret, ..self }
    }

    /// What sessions that begin now may use and do.
    pub fn limits(&self) -> &SessionLimits {
        &self.limits
    }

    /// Sessions that begin from now on have these limits, and these paths are secret in what is written.
    pub fn change_rules(&mut self, limits: SessionLimits, secret: Vec<String>) {
        (self.limits, self.secret) = (limits, secret);
    }

    /// Whether sessions that begin now are recorded into files of their own.
    pub fn records(&self) -> bool {
        self.recorder.is_some()
    }

    /// Paths whose values are not for other eyes.
    pub fn secret(&self) -> &[String] {
        &self.secret
    }

    /// Sessions that begin from now on are of this site.
    pub fn change_site(&mut self, site: &Site) {
        self.site = site.clone();
    }

    /// A session begins. If a file of its cannot be made, it runs without.
    pub fn begin(&mut self, session: SessionId, sid: Sid, owner: Option<&str>, wall: i64) {
        let state = StateLimits::from(&self.limits);
        let (site, limits) = (self.site.clone(), self.limits.clone());
        let mut header = Header::here(session, site, limits, state.class() as u64, DIALECT);
        header.sid = sid.to_string();
        header.started = wall;
        header.secret.clone_from(&self.secret);
        header.owner = owner.unwrap_or_default().to_owned();
        let mut sinks = Sinks {
            sid,
            recording: self.begin_recording(session, &header),
            journal: None,
        };
        if let Some(store) = &self.store {
            header.detail = Detail::Digest;
            match store.create(&header) {
                Ok(writer) => sinks.journal = Some(Box::new(writer)),
                Err(error) => {
                    self.stopped.push(session);
                    self.log.session(
                        0,
                        session,
                        format_args!("no journal, it ends with the process: {error}"),
                    );
                }
            }
        }
        self.sinks.insert(session, sinks);
    }

    fn begin_recording(&self, session: SessionId, header: &Header) -> Option<Box<Writer>> {
        let begun = self.recorder.as_ref()?.begin(header);
        begun
            .map(Box::new)
            .map_err(|error| self.unrecorded(session, &error))
            .ok()
    }

    fn unrecorded(&self, session: SessionId, error: &dyn fmt::Display) {
        self.log
            .session(0, session, format_args!("not recorded: {error}"));
    }

    /// A session goes on where its journal ends. `live` tells how its connections are called now.
    ///
    /// # Errors
    /// When the journal cannot be gone on with.
    pub fn resume(
        &mut self,
        session: SessionId,
        sid: Sid,
        reader: &Reader,
        live: impl Fn(ConnectionId) -> ConnectionId,
    ) -> Result<(), StoreError> {
        let Some(store) = &self.store else {
            return Ok(());
        };
        let journal = store.resume(&sid.to_string(), reader, live)?;
        let sinks = Sinks {
            sid,
            journal: Some(Box::new(journal)),
            recording: None,
        };
        self.sinks.insert(session, sinks);
        Ok(())
    }

    /// Whether a session could be woken again: its journal is whole, and there is no recording, which could
    /// not be gone on with.
    pub fn may_sleep(&self, session: SessionId) -> bool {
        self.sinks.get(&session).is_some_and(|sinks| {
            let journal = sinks.journal.as_ref();
            sinks.recording.is_none() && journal.is_some_and(|journal| journal.is_on())
        })
    }

    /// The session sleeps: all of its journal is written, and its files are closed. False: it must not.
    pub fn sleep(&mut self, session: SessionId) -> bool {
        self.write(session, Writer::flush);
        let sleeps = self.may_sleep(session);
        if sleeps {
            self.sinks.remove(&session);
        }
        sleeps
    }

    /// How many events a session's journal has.
    pub fn events(&self, session: SessionId) -> u64 {
        let journal = self.sinks.get(&session).and_then(|s| s.journal.as_ref());
        journal.map_or(0, |journal| journal.events())
    }

    /// The present place in a session's journal, which is written up to there; `None`: it has none.
    pub fn mark(&mut self, session: SessionId) -> Option<Mark> {
        self.write_mail();
        let journal = self.sinks.get_mut(&session)?.journal.as_mut()?;
        match journal.mark() {
            Ok(mark) => mark,
            Err(why) => {
                self.stop(session, &why);
                None
            }
        }
    }

    /// An event is about to be handled.
    pub fn event(&mut self, session: SessionId, turn: Turn, event: &RawEvent<'_>) {
        let Some(sinks) = self.sinks.get_mut(&session) else {
            return;
        };
        if let Some(recording) = &mut sinks.recording {
            recording.event(turn, event);
        }
        if let (RawEvent::SiteChanged { edits }, Some(store)) = (event, &self.store) {
            // Without room for the contents there may be room for one more journal's record.
            let named = store.name_edits(edits);
            let edits = named.as_deref().unwrap_or(edits);
            let event = RawEvent::SiteChanged { edits };
            sinks.journal.iter_mut().for_each(|j| j.event(turn, &event));
        } else if let Some(journal) = &mut sinks.journal {
            journal.event(turn, event);
        }
        self.touch(session);
    }

    fn touch(&mut self, session: SessionId) {
        if self.touched.last() != Some(&session) {
            self.touched.push(session);
        }
    }

    /// The event made the session do this.
    pub fn output(&mut self, session: SessionId, output: &Output<'_>) {
        if let Some(sinks) = self.sinks.get_mut(&session) {
            for writer in sinks.all() {
                writer.output(output);
            }
        }
    }

    /// The event in which the process ended is about to be gone on with: what was answered in it is
    /// answered again, and what was being done then is not done again.
    pub fn go_on(&mut self, session: SessionId, answers: VecDeque<HostAnswer>) {
        self.touch(session);
        self.resumption = Some(Resumption {
            answers,
            interrupted: true,
        });
    }

    /// It has come to its end.
    pub fn gone_on(&mut self) {
        self.resumption = None;
    }

    fn recalled_answer(&mut self, session: SessionId, call: &str) -> Option<HostAnswer> {
        let resumption = self.resumption.as_mut()?;
        if let Some(answer) = resumption.answers.pop_front() {
            return Some(answer);
        }
        if !std::mem::take(&mut resumption.interrupted) {
            return None;
        }
        let answer = HostAnswer::Failed {
            code: 0,
            text: "interrupted".into(),
        };
        self.answered(session, call, &answer);
        Some(answer)
    }

    /// Something outside is about to be changed: that is on the disk when this returns. False: it is not,
    /// and must not be done.
    fn intend(&mut self, session: SessionId, call: &str) -> bool {
        self.write_mail();
        let Some(sinks) = self.sinks.get_mut(&session) else {
            return true;
        };
        let Some(journal) = &mut sinks.journal else {
            return true;
        };
        match journal.intent(call) {
            Ok(()) => journal.is_on() || self.durability != Durability::Power,
            Err(why) => {
                self.stop(session, &why);
                self.durability != Durability::Power
            }
        }
    }

    fn answered(&mut self, session: SessionId, call: &str, answer: &HostAnswer) {
        let journal = self.sinks.get_mut(&session).map(|sinks| &mut sinks.journal);
        if let Some(Some(journal)) = journal {
            journal.answer(call, &RawAnswer::from(answer));
        }
    }

    /// Messages on their way, if they are written down.
    pub fn mail(&mut self) -> Option<&mut Mail> {
        self.mail.as_mut()
    }

    /// Before anything is written into a journal.
    fn write_mail(&mut self) {
        if let Some(Err(error)) = self.mail.as_mut().map(Mail::write) {
            let text = "messages on their way are lost if the process ends suddenly";
            self.log.line(0, format_args!("{text}: {error}"));
        }
    }

    /// A message becomes the next event of a session; `only_taken`: it does not, and is gone.
    pub fn hand_over(&mut self, number: u64, to: SessionId, only_taken: bool) {
        let event = if only_taken { 0 } else { self.events(to) + 1 };
        if let Some(mail) = &mut self.mail {
            mail.hand_over(number, to, event);
        }
    }

    /// Writes what the turn brought. Must come before any of its frames goes out. Returns the sessions of which
    /// something was written, in a list to be given back.
    pub fn commit(&mut self) -> Vec<SessionId> {
        let touched = std::mem::take(&mut self.touched);
        for &session in &touched {
            self.write(session, |writer| writer.commit());
        }
        if self.durability == Durability::Power {
            for &session in &touched {
                self.write(session, |writer| writer.sync());
            }
        }
        if let Some(mail) = &mut self.mail {
            mail.end_turn();
        }
        if self.store.as_ref().is_some_and(|store| store.take_failed()) {
            self.write_all(Writer::check);
        }
        self.make_room();
        if self.flush_at.is_none() {
            let due = |session| {
                let sinks = self.sinks.get(session)?;
                sinks.journal.as_ref()?.flush_due()
            };
            self.flush_at = touched.iter().filter_map(due).min();
        }
        touched
    }

    /// The list is used again for the next turn.
    pub fn give_back(&mut self, mut list: Vec<SessionId>) {
        list.clear();
        self.touched = list;
    }

    fn write(&mut self, session: SessionId, act: impl Fn(&mut Writer) -> Result<(), Stopped>) {
        self.write_mail();
        let Some(sinks) = self.sinks.get_mut(&session) else {
            return;
        };
        let journal = sinks.journal.as_deref_mut().map(&act);
        let recording = sinks.recording.as_deref_mut().map(&act);
        if let Some(Err(why)) = journal {
            self.stop(session, &why);
        }
        if let Some(Err(why)) = recording {
            self.log
                .session(0, session, format_args!("no longer recorded: {why}"));
        }
    }

    /// All journals together may have become too large: then who has most is without one.
    fn make_room(&mut self) {
        let Some(store) = self.store.as_ref().filter(|store| store.is_full()) else {
            return;
        };
        let given_up = match store.make_room() {
            Ok(given_up) => given_up,
            Err(error) => {
                let text = "there is too little room for journals";
                self.log.line(0, format_args!("{text}: {error}"));
                return;
            }
        };
        for sid in given_up.iter().filter_map(|sid| Sid::parse(sid)) {
            self.given_up.push(sid);
            let of_it = self.sinks.iter_mut().find(|(_, sinks)| sinks.sid == sid);
            if let Some((&session, sinks)) = of_it
                && let Some(journal) = &mut sinks.journal
            {
                let why = journal.give_up();
                self.note_stop(session, &why);
            }
        }
    }

    /// Sessions that have no journal any more since this was asked last, whether they are awake or not.
    pub fn take_given_up(&mut self) -> Vec<Sid> {
        std::mem::take(&mut self.given_up)
    }

    fn note_stop(&mut self, session: SessionId, why: &Stopped) {
        self.stopped.push(session);
        let text = "its journal has stopped, from now on it ends with the process";
        self.log.session(0, session, format_args!("{text}: {why}"));
    }

    fn stop(&mut self, session: SessionId, why: &Stopped) {
        self.note_stop(session, why);
        if self.durability == Durability::Power {
            // Nothing more is acknowledged, so that the journal stays what it says.
            return;
        }
        // What it did from now on is in no journal: one that ends here must not be taken for it.
        let (Some(store), Some(sinks)) = (&self.store, self.sinks.get(&session)) else {
            return;
        };
        if let Err(error) = store.set_aside(&sinks.sid.to_string(), Standing::Lost) {
            self.log.session(0, session, format_args!("{error}"));
        }
    }

    /// Sessions whose journals have stopped since this was asked last.
    pub fn take_stopped(&mut self) -> Vec<SessionId> {
        std::mem::take(&mut self.stopped)
    }

    /// Whether new input of this session may be taken: with `durability = power` nothing is acknowledged
    /// that is not on the disk.
    pub fn takes_input(&self, session: SessionId) -> bool {
        if self.durability != Durability::Power {
            return true;
        }
        let journal = self.sinks.get(&session).and_then(|s| s.journal.as_ref());
        journal.is_some_and(|journal| journal.is_on())
    }

    /// Whether a session has come further than what is written of it, and must not say so: with
    /// `durability = power` it is as it was there, for whoever starts the server again.
    pub fn is_beyond_disk(&self, session: SessionId) -> bool {
        self.sinks.contains_key(&session) && !self.takes_input(session)
    }

    /// When [`Recordings::flush`] is due.
    pub fn flush_due(&self) -> Option<Timestamp> {
        self.flush_at
    }

    /// Writes what has waited long enough.
    pub fn flush(&mut self, now: Timestamp) {
        if self.flush_at.is_none_or(|at| at > now) {
            return;
        }
        self.flush_at = None;
        self.flush_all();
    }

    /// Writes all that waits.
    pub fn flush_all(&mut self) {
        self.write_all(Writer::flush);
    }

    fn write_all(&mut self, act: impl Fn(&mut Writer) -> Result<(), Stopped>) {
        let all: Vec<SessionId> = self.sinks.keys().copied().collect();
        for session in all {
            self.write(session, &act);
        }
    }

    /// The session is over, and its journal with it.
    pub fn end(&mut self, session: SessionId, sid: Option<Sid>) {
        self.write(session, Writer::flush);
        self.sinks.remove(&session);
        if let (Some(store), Some(sid)) = (&self.store, sid)
            && let Err(error) = store.end(&sid.to_string())
            && !matches!(error, StoreError::NoSession { .. })
        {
            self.log
                .session(0, session, format_args!("its journal stays: {error}"));
        }
    }
}

/// The machine, asked in such a way that a journal knows of everything before it is done.
#[derive(Debug)]
pub struct Journaled {
    pub machine: Box<dyn Outside>,
    pub recordings: Rc<RefCell<Recordings>>,
}

impl Outside for Journaled {
    fn call(&mut self, session: SessionId, call: &HostCall) -> HostAnswer {
        let line = call.to_string();
        let recalled = self.recordings.borrow_mut().recalled_answer(session, &line);
        if let Some(answer) = recalled {
            return answer;
        }
        if call.is_effectful() && !self.recordings.borrow_mut().intend(session, &line) {
            let text =
                "the journal cannot be written, and nothing is done that it does not know of";
            return HostAnswer::Failed {
                code: 0,
                text: text.into(),
            };
        }
        let answer = self.machine.call(session, call);
        let mut recordings = self.recordings.borrow_mut();
        recordings.answered(session, &line, &answer);
        answer
    }
}
