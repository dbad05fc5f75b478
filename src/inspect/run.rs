//! Run: the recording executed again, turn after turn.

use crate::core::id::SessionId;
use crate::core::manager::{ManagerConfig, SessionManager};
use crate::core::session::Session;
use crate::journal::{Place, Reader};
use crate::lua::{LuaRuntime, LuaSession};
use crate::replay::{self, Divergence, ReplayError, Report, Seen};

/// All that the script logs is of interest, whatever the server showed.
const VERBOSITY: u8 = 4;

/// A session that is run again.
pub struct Run {
    manager: SessionManager<LuaRuntime>,
    session: SessionId,
    report: Report,
    place: Place,
    /// The last turn that was run; 0: none yet.
    turn: u64,
    /// There is nothing more to run.
    ended: bool,
}

impl Run {
    /// Before the first turn.
    ///
    /// # Errors
    /// When this engine cannot run it.
    pub fn new(reader: &Reader) -> Result<Run, ReplayError> {
        let header = reader.header();
        let config = ManagerConfig {
            verbosity: VERBOSITY,
            ..replay::config_of(header)
        };
        Ok(Run {
            manager: SessionManager::new(replay::runtime_for(header)?, config),
            session: header.session,
            report: Report::default(),
            place: reader.records().place(),
            turn: 0,
            ended: false,
        })
    }

    /// Behind the last turn that was run.
    pub fn place(&self) -> Place {
        self.place
    }

    /// The last turn that was run; 0: none yet.
    pub fn turn_number(&self) -> u64 {
        self.turn
    }

    /// Where it stopped being what was recorded.
    pub fn divergence(&self) -> Option<&Divergence> {
        self.report.divergence.as_deref()
    }

    /// The same, to keep.
    pub fn into_divergence(self) -> Option<Box<Divergence>> {
        self.report.divergence
    }

    /// The session after that turn; `None`: it never began, or has ended.
    pub fn session(&mut self) -> Option<&mut Session<LuaSession>> {
        self.manager.look_into(self.session)
    }

    /// Runs one turn, and hands over what is seen of it. Returns how many events it had; `None`: there is no
    /// further turn, or none after the divergence.
    pub fn turn(&mut self, reader: &Reader, seen: &mut dyn FnMut(Seen<'_>)) -> Option<usize> {
        if self.ended {
            return None;
        }
        let mut events = 0;
        let mut records = reader.records_from(self.place);
        while let Some(record) = records.next() {
            if events > 0 && record.turn_number != self.turn {
                return Some(events);
            }
            self.turn = record.turn_number;
            events += 1;
            let report = &mut self.report;
            let same = replay::step(&mut self.manager, reader, &record, report, seen);
            self.place = records.place();
            if !same {
                self.ended = true;
                return Some(events);
            }
        }
        self.ended = true;
        (events > 0).then_some(events)
    }
}
