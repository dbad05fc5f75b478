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
        let wall = SystemTime::now().duration_since(UNIX_EPOCH);
        Turn {
            now: self.now(),
            wall: wall.map_or(0, |d| d.as_millis() as i64),
        }
    }

    /// For how long to sleep: the turn's time is too old for that by what the turn took.
    pub fn now(&self) -> Timestamp {
        self.start.elapsed().as_millis() as Timestamp
    }
}

impl Default for Clock {
    fn default() -> Self {
        Clock::new()
    }
}
