//! The only place that reads clocks.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::core::event::Turn;
use crate::core::id::Timestamp;

/// Milliseconds since the server started, and of the calendar.
#[derive(Debug)]
pub struct Clock {
    start: Instant,
}

impl Clock {
    /// A clock that starts at zero.
    pub fn new() -> Clock {
        Clock {
            start: Instant::now(),
        }
    }

    /// The time of the turn that begins now. Once a turn.
    pub fn turn(&self) -> Turn {
        Turn {
            now: self.now(),
            wall: wall(),
        }
    }

    /// Microseconds since it started, to measure by.
    pub fn micros(&self) -> u64 {
        self.start.elapsed().as_micros() as u64
    }

    /// For how long to sleep: the turn's time is too old for that by what the turn took.
    pub fn now(&self) -> Timestamp {
        self.start.elapsed().as_millis() as Timestamp
    }
}

/// The present moment of the calendar, for the log: `2026-01-31T12:00:00.000Z`.
pub fn timestamp() -> String {
    crate::testing::time::show_time(wall())
}

/// Milliseconds since 1970-01-01 UTC.
pub fn wall() -> i64 {
    let wall = SystemTime::now().duration_since(UNIX_EPOCH);
    wall.map_or(0, |d| d.as_millis() as i64)
}

impl Default for Clock {
    fn default() -> Self {
        Clock::new()
    }
}
