//! Run: the recording executed again, turn after turn.

use crate::core::session::Session;
use crate::journal::{Place, Reader};
use crate::lua::state::StateError;
use crate::lua::{LuaRuntime, LuaSession};
use crate::replay::{Divergence, Replayer};

/// All that the script logs is of interest, whatever the server showed.
const VERBOSITY: u8 = 4;

/// A session that is run again.
pub struct Run {
    replayer: Replayer<LuaRuntime>,
    place: Place,
    /// The last turn that was run; 0: none yet.
    turn: u64,
    /// There is nothing more to run.
    ended: bool,
}

impl Run {
    /// Before the first turn.
    pub fn new(reader: &Reader) -> Result<Run, StateError> {
        Ok(Run {
            replayer: Replayer::new(reader, LuaRuntime::new()?, VERBOSITY),
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

    /// What makes this replay more than was promised.
    pub fn notes(&self) -> &[String] {
        &self.replayer.report.notes
    }

    /// Where it stopped being what was recorded.
    pub fn divergence(&self) -> Option<&Divergence> {
        self.replayer.report.divergence.as_deref()
    }

    /// The same, to keep.
    pub fn into_divergence(self) -> Option<Box<Divergence>> {
        self.replayer.report.divergence
    }

    /// The session after that turn; `None`: it never began, or has ended.
    pub fn session(&mut self) -> Option<&mut Session<LuaSession>> {
        self.replayer.session()
    }

    /// Runs one turn, and hands over what is logged. Returns how many events it had; `None`: there is no
    /// further turn, or none after the divergence.
    pub fn turn(
        &mut self,
        reader: &Reader,
        hear: &mut dyn FnMut(&[(u8, String)]),
    ) -> Option<usize> {
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
            let same = self.replayer.step(reader, &record);
            hear(&self.replayer.lines);
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
