//! Timers of one session, on the turn's clock.

use std::collections::{BTreeMap, BTreeSet};

use super::carry::carry;
use super::gather::gather;
use super::id::{TimerId, Timestamp, VarId};

/// What a timer does when it is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimerKind {
    /// Next in the run queue.
    Immediate,
    /// Once.
    Timeout,
    /// Again and again, at most once a turn however late it is.
    Interval {
        every_ms: u64,
        /// Goes on while nobody is attached.
        background: bool,
    },
}

/// One running timer.
#[derive(Clone, Copy, Debug)]
pub struct Timer {
    pub kind: TimerKind,
    /// When it is due; `None` while an interval is paused because nobody is attached.
    due: Option<Timestamp>,
    /// The variable that was being computed when it was started: its errors are told there.
    pub started_by: Option<VarId>,
}

/// All timers of a session, due in order of time and then of start.
#[derive(Debug, Default)]
pub struct Timers {
    next: TimerId,
    timers: BTreeMap<TimerId, Timer>,
    queue: BTreeSet<(Timestamp, TimerId)>,
}

impl Timers {
    /// Starts a timer and vends its id: 1, 2, 3.
    pub fn start(&mut self, kind: TimerKind, due: Timestamp, started_by: Option<VarId>) -> TimerId {
        self.next += 1;
        let timer = Timer {
            kind,
            due: Some(due),
            started_by,
        };
        self.timers.insert(self.next, timer);
        self.queue.insert((due, self.next));
        self.next
    }

    /// Stops a timer. Returns whether it was running.
    pub fn clear(&mut self, id: TimerId) -> bool {
        let Some(timer) = self.timers.remove(&id) else {
            return false;
        };
        if let Some(due) = timer.due {
            self.queue.remove(&(due, id));
        }
        true
    }

    /// The timer, if it is still running.
    pub fn get(&self, id: TimerId) -> Option<&Timer> {
        self.timers.get(&id)
    }

    /// How many are running.
    pub fn len(&self) -> usize {
        self.timers.len()
    }

    /// Whether none is running.
    pub fn is_empty(&self) -> bool {
        self.timers.is_empty()
    }

    /// When the next one is due.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.queue.first().map(|&(due, _)| due)
    }

    /// The ids of all that are due at `now`, in the order in which they shall run.
    pub fn due(&self, now: Timestamp) -> Vec<TimerId> {
        self.queue
            .range(..=(now, TimerId::MAX))
            .map(|&(_, id)| id)
            .collect()
    }

    /// Takes a due timer out of the queue and, if it is an interval, sets it again: late ticks do
    /// not pile up. With `paused`, an interval that is not for the background sleeps until
    /// [`Timers::resume`]. Returns the timer if it shall run now.
    pub fn take(&mut self, id: TimerId, now: Timestamp, paused: bool) -> Option<Timer> {
        let timer = *self.timers.get(&id)?;
        let due = timer.due?;
        self.queue.remove(&(due, id));
        match timer.kind {
            TimerKind::Immediate | TimerKind::Timeout => {
                self.timers.remove(&id);
            }
            TimerKind::Interval { background, .. } if paused && !background => {
                self.timers.get_mut(&id)?.due = None;
                return None;
            }
            TimerKind::Interval { every_ms, .. } => {
                // Steady: the next tick is counted from when this one was due, not from when it ran.
                let steady = due + every_ms;
                let next = if steady > now { steady } else { now + every_ms };
                self.timers.get_mut(&id)?.due = Some(next);
                self.queue.insert((next, id));
            }
        }
        Some(timer)
    }

    /// Sets paused intervals going again, one interval from now.
    pub fn resume(&mut self, now: Timestamp) {
        for (&id, timer) in &mut self.timers {
            if let (None, TimerKind::Interval { every_ms, .. }) = (timer.due, timer.kind) {
                timer.due = Some(now + every_ms);
                self.queue.insert((now + every_ms, id));
            }
        }
    }
}

carry!(enum TimerKind { 0 => Immediate, 1 => Timeout, 2 => Interval { every_ms, background } });
carry!(struct Timer { kind, due, started_by });
carry!(struct Timers { next, timers } made { queue: queue_of(&timers) });

fn queue_of(timers: &BTreeMap<TimerId, Timer>) -> BTreeSet<(Timestamp, TimerId)> {
    let due = timers
        .iter()
        .filter_map(|(&id, timer)| Some((timer.due?, id)));
    gather(due)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn late_intervals_fire_once_and_stay_in_step() {
        let mut timers = Timers::default();
        let kind = TimerKind::Interval {
            every_ms: 100,
            background: false,
        };
        let id = timers.start(kind, 100, None);
        assert!(timers.take(id, 110, false).is_some());
        assert_eq!(timers.next_due(), Some(200));
        assert!(timers.take(id, 950, false).is_some());
        assert_eq!(timers.next_due(), Some(1050));
        assert!(timers.take(id, 1050, true).is_none());
        assert_eq!(timers.next_due(), None);
        timers.resume(2000);
        assert_eq!(timers.next_due(), Some(2100));
    }

    #[test]
    fn due_order_is_time_then_start() {
        let mut timers = Timers::default();
        let a = timers.start(TimerKind::Timeout, 20, None);
        let b = timers.start(TimerKind::Immediate, 10, None);
        let c = timers.start(TimerKind::Timeout, 10, None);
        assert_eq!(timers.due(20), [b, c, a]);
        assert!(timers.clear(c));
        assert!(!timers.clear(c));
        assert_eq!(timers.due(15), [b]);
    }
}
