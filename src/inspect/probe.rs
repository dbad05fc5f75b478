//! Probe: one field of one object, followed through the whole recording.

use super::EVENT_COST;
use super::index::Index;
use super::run::Run;
use super::shown::describe;
use crate::core::peek::{Key, Root};
use crate::journal::{Reader, Secrets};
use crate::replay::ReplayError;

/// Fields of the object that are read to find the one.
const FIELDS_MAX: usize = 10_000;
/// Changes that are kept; nobody reads through more.
const CHANGES_MAX: usize = 10_000;

/// See the module's description.
pub struct Probe {
    /// The way from the app to the field.
    path: Vec<Key>,
    run: Option<Run>,
    /// The turns after which it was something else, and what.
    changes: Vec<(u64, String)>,
}

impl Probe {
    /// Nothing is run yet.
    ///
    /// # Errors
    /// When there is no memory to run the recording.
    pub fn new(reader: &Reader, path: Vec<Key>) -> Result<Probe, ReplayError> {
        Ok(Probe {
            path,
            run: Some(Run::new(reader)?),
            changes: Vec::new(),
        })
    }

    /// The way to the field.
    pub fn path(&self) -> &[Key] {
        &self.path
    }

    /// What was found so far.
    pub fn changes(&self) -> &[(u64, String)] {
        &self.changes
    }

    /// Runs on as far as the index goes, for as long as the work lasts. Returns the turn that it has come to;
    /// `None`: it is done.
    pub fn go_on(&mut self, reader: &Reader, index: &Index, mut work: usize) -> Option<u64> {
        let last = index.turns.len() as u64;
        let mut run = self.run.take()?;
        while work > 0 {
            if run.turn_number() >= last || self.changes.len() >= CHANGES_MAX {
                return None;
            }
            let events = run.turn(reader, &mut |_| {})?;
            work = work.saturating_sub(events * EVENT_COST);
            let value = self.read(&mut run, &index.secrets);
            if self.changes.last().is_none_or(|(_, last)| *last != value) {
                self.changes.push((run.turn_number(), value));
            }
        }
        let turn = run.turn_number();
        self.run = Some(run);
        Some(turn)
    }

    fn read(&self, run: &mut Run, secrets: &Secrets) -> String {
        let found = self.path.split_last().and_then(|(key, path)| {
            let object = run.session()?.object_at(Root::App, path, FIELDS_MAX)?;
            let held = object.field(key)?;
            Some(describe(secrets, Root::App, path, key, held))
        });
        found.unwrap_or_else(|| "nil".into())
    }
}
