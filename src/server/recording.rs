//! `--record DIR`: what the server tells the journal, and what happens when the disk says no.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use super::log::Logger;
use super::sessions::Sid;
use crate::core::event::Turn;
use crate::core::id::SessionId;
use crate::core::limits::SessionLimits;
use crate::core::site::Site;
use crate::journal::{Header, Output, RawEvent, Recorder, Writer};
use crate::lua::DIALECT;
use crate::lua::state::StateLimits;

/// The recordings of all sessions; does nothing unless switched on.
pub struct Recordings {
    recorder: Option<Recorder>,
    writers: BTreeMap<SessionId, Writer>,
    /// Sessions that did something this turn.
    touched: Vec<SessionId>,
    site: Site,
    limits: SessionLimits,
    log: Logger,
}

impl Recordings {
    /// Records sessions of this site into `dir`, if any.
    ///
    /// # Errors
    /// When the directory cannot be made.
    pub fn new(
        dir: Option<&Path>,
        site: Site,
        limits: SessionLimits,
        log: Logger,
    ) -> io::Result<Recordings> {
        Ok(Recordings {
            recorder: dir.map(Recorder::new).transpose()?,
            writers: BTreeMap::new(),
            touched: Vec::new(),
            site,
            limits,
            log,
        })
    }

    /// Whether anything is recorded at all.
    pub fn is_on(&self) -> bool {
        self.recorder.is_some()
    }

    /// Sessions that begin from now on are of this site.
    pub fn change_site(&mut self, site: &Site) {
        self.site = site.clone();
    }

    /// A session begins. If its file cannot be made, it runs unrecorded.
    pub fn begin(&mut self, session: SessionId, sid: Sid, wall: i64) {
        let Some(recorder) = &self.recorder else {
            return;
        };
        let state = StateLimits {
            memory: self.limits.lua_memory,
            gas: self.limits.gas,
        };
        let (site, limits) = (self.site.clone(), self.limits.clone());
        let header = Header {
            sid: sid.to_string(),
            started: wall,
            ..Header::here(session, site, limits, state.class() as u64, DIALECT)
        };
        match recorder.begin(&header) {
            Ok(writer) => {
                self.writers.insert(session, writer);
            }
            Err(error) => self.log.session(
                0,
                session,
                format_args!(
                    "not recorded: {}: {error}",
                    recorder.path(&header.sid).display()
                ),
            ),
        }
    }

    /// An event is about to be handled.
    pub fn event(&mut self, session: SessionId, turn: Turn, event: &RawEvent<'_>) {
        if let Some(writer) = self.writers.get_mut(&session) {
            writer.event(turn, event);
            if self.touched.last() != Some(&session) {
                self.touched.push(session);
            }
        }
    }

    /// The event made the session do this.
    pub fn output(&mut self, session: SessionId, output: &Output<'_>) {
        if let Some(writer) = self.writers.get_mut(&session) {
            writer.output(output);
        }
    }

    /// Writes what the turn brought. Must come before any of its frames goes out.
    pub fn commit(&mut self) {
        for session in self.touched.drain(..) {
            let Some(writer) = self.writers.get_mut(&session) else {
                continue;
            };
            if let Err(error) = writer.commit() {
                self.log.session(
                    0,
                    session,
                    format_args!("no longer recorded, the file cannot be written: {error}"),
                );
            }
        }
    }

    /// The session is over.
    pub fn end(&mut self, session: SessionId) {
        if let Some(mut writer) = self.writers.remove(&session)
            && let Err(error) = writer.commit()
        {
            self.log.session(
                0,
                session,
                format_args!("the end is not in the recording: {error}"),
            );
        }
    }
}
