//! Which files of code have run, and what each started at its top level: what has to end when the file
//! runs again.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::carry::carry;
use super::host::Host;
use super::id::TimerId;
use super::outside::{ProcessAction, ProcessId};
use super::watch::WatchHandle;

/// Something that goes on after the code which started it has returned. Ids are never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Started {
    Timer(TimerId),
    Watch(WatchHandle),
    Process(ProcessId),
}

/// The files that a session has run, by their path in the site.
#[derive(Debug, Default)]
pub struct FileRuns {
    runs: BTreeMap<Box<str>, Vec<Started>>,
    /// The files that are running now, each run by the one before it.
    stack: Vec<Box<str>>,
    /// A file is being run again.
    pub reloading: bool,
}

impl FileRuns {
    /// A file begins to run. Returns what [`FileRuns::leave`] needs.
    pub fn enter(&mut self, path: &str) -> usize {
        if !self.runs.contains_key(path) {
            self.runs.insert(path.into(), Vec::new());
        }
        self.stack.push(path.into());
        self.stack.len() - 1
    }

    /// Back to how things were before the [`FileRuns::enter`] that returned `depth`.
    pub fn leave(&mut self, depth: usize) {
        self.stack.truncate(depth);
    }

    /// How many files are running, one inside the other.
    pub fn depth(&self) -> usize {
        self.stack.len()
    }

    /// The innermost file that is running.
    pub fn running(&self) -> Option<&str> {
        self.stack.last().map(|path| &**path)
    }

    /// Whether this file has run.
    pub fn has_run(&self, path: &str) -> bool {
        self.runs.contains_key(path)
    }

    /// The files that have run whose paths begin like this.
    pub fn below<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = &'a str> {
        let from = self
            .runs
            .range::<str, _>((Bound::Included(prefix), Bound::Unbounded));
        from.map(|(path, _)| &**path)
            .take_while(move |path| path.starts_with(prefix))
    }

    /// What the file has started so far; from now on it has started nothing.
    pub fn take(&mut self, path: &str) -> Vec<Started> {
        self.runs.get_mut(path).map_or(Vec::new(), std::mem::take)
    }

    /// Puts back what [`FileRuns::take`] took, in place of what was started since.
    pub fn restore(&mut self, path: &str, started: Vec<Started>) -> Vec<Started> {
        match self.runs.get_mut(path) {
            Some(kept) => std::mem::replace(kept, started),
            None => Vec::new(),
        }
    }

    /// The file counts as never run. Returns what it had started.
    pub fn forget(&mut self, path: &str) -> Vec<Started> {
        self.runs.remove(path).unwrap_or_default()
    }
}

impl Host {
    /// Notes that something was started: by the file that is running, if one is.
    pub fn note_started(&mut self, started: Started) {
        let Some(path) = self.files.stack.last() else {
            return;
        };
        let Some(list) = self.files.runs.get_mut(path) else {
            return;
        };
        list.push(started);
        // What was ended meanwhile is dropped before the list is longer than what can be alive.
        let limits = &self.limits;
        if list.len() > limits.timers + limits.subscriptions + limits.processes {
            let (timers, watches, processes) = (&self.timers, &self.watches, &self.processes);
            list.retain(|started| match *started {
                Started::Timer(id) => timers.get(id).is_some(),
                Started::Watch(handle) => watches.has(handle),
                Started::Process(id) => processes.is_running(id),
            });
        }
    }

    /// Ends it. Returns whether it was still going on.
    pub fn end_started(&mut self, started: Started) -> bool {
        match started {
            Started::Timer(id) => self.timers.clear(id),
            Started::Watch(handle) => self.unwatch(handle),
            Started::Process(id) => {
                let running = self.processes.is_running(id);
                if running {
                    self.tell_process(id, ProcessAction::Kill);
                }
                running
            }
        }
    }
}

carry!(enum Started { 0 => Timer(id), 1 => Watch(handle), 2 => Process(id) });
carry!(struct FileRuns { runs, stack, reloading });
