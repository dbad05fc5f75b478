//! Lines for the people who run the server, on standard error.

use std::fmt;
use std::io::Write;

use crate::core::id::SessionId;

/// Writes lines up to a level: 0 always shows, 1 to 4 need as many `-v`.
#[derive(Clone, Copy, Debug)]
pub struct Logger {
    verbosity: u8,
}

impl Logger {
    /// A log of this many `-v`.
    pub fn new(verbosity: u8) -> Logger {
        Logger { verbosity }
    }

    /// A line of the server.
    pub fn line(self, level: u8, text: fmt::Arguments<'_>) {
        if level <= self.verbosity {
            write_line(&text.to_string());
        }
    }

    /// A line of one session.
    pub fn session(self, level: u8, session: SessionId, text: fmt::Arguments<'_>) {
        if level <= self.verbosity {
            write_line(&format!("session {session}: {text}"));
        }
    }
}

/// Control characters are shown, not obeyed: a line may quote what a peer sent. Further lines of a
/// traceback are indented. A log that nobody can read any more is no reason to stop.
fn write_line(text: &str) {
    let mut line = String::with_capacity(text.len() + 1);
    for c in text.trim_end().chars() {
        match c {
            '\n' => line.push_str("\n    "),
            '\t' => line.push(c),
            c if c.is_control() => line.extend(c.escape_default()),
            c => line.push(c),
        }
    }
    line.push('\n');
    let _ = std::io::stderr().write_all(line.as_bytes());
}
