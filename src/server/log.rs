//! Lines for the people who run the server, and for what collects them, on standard error or for a syslog daemon.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Write;
use std::rc::Rc;

use super::clock;
use super::syslog::{Severity, Syslog};
use crate::config::{Config, LogFormat, LogTarget};
use crate::core::id::{SessionId, Timestamp};
use crate::core::legible::legible;

/// Bytes that one session logs in a minute at the most: a handler that fails with every message, or
/// a busy `print`, must not fill the disk. Four times what a single event may log.
const QUOTA: usize = 1 << 20;
const QUOTA_MS: u64 = 60_000;

/// Writes lines up to a level: 0 always shows, 1 to 4 need as many `-v`.
#[derive(Clone, Debug)]
pub struct Logger {
    /// `None`: nobody reads it.
    verbosity: Option<u8>,
    format: LogFormat,
    /// `None`: standard error.
    syslog: Option<Rc<Syslog>>,
}

impl Logger {
    /// A log of this many `-v`.
    pub fn new(verbosity: u8) -> Logger {
        Logger {
            verbosity: Some(verbosity),
            ..Logger::silent()
        }
    }

    /// A log that nobody reads.
    pub fn silent() -> Logger {
        Logger {
            verbosity: None,
            format: LogFormat::Text,
            syslog: None,
        }
    }

    /// The one that is configured.
    pub fn of(config: &Config) -> Logger {
        let syslog = match &config.log {
            LogTarget::Stderr => None,
            // Without descriptors nothing else starts either, and says so.
            LogTarget::Syslog(path) => Syslog::at(path).ok().map(Rc::new),
        };
        Logger {
            verbosity: Some(config.verbosity),
            format: config.log_format,
            syslog,
        }
    }

    /// From now on with so many `-v`, if anybody reads it.
    pub fn set_verbosity(&mut self, verbosity: u8) {
        self.verbosity = self.verbosity.map(|_| verbosity);
    }

    fn shows(&self, level: u8) -> bool {
        self.verbosity.is_some_and(|most| level <= most)
    }

    fn write(&self, level: u8, session: Option<SessionId>, text: &str) {
        let line = match (self.format, session) {
            (LogFormat::Text, None) => plain(text),
            (LogFormat::Text, Some(session)) => plain(&format!("session {session}: {text}")),
            (LogFormat::Logfmt, _) => logfmt(&clock::timestamp(), level, session, text),
            (LogFormat::Json, _) => json(&clock::timestamp(), level, session, text),
        };
        let untold = match &self.syslog {
            Some(syslog) => syslog.tell(severity(level), &line),
            None => &line,
        };
        if !untold.is_empty() {
            // A log that nobody can read any more is no reason to stop.
            let _ = std::io::stderr().write_all(untold.as_bytes());
        }
    }

    /// A line of the server.
    pub fn line(&self, level: u8, text: fmt::Arguments<'_>) {
        if self.shows(level) {
            self.write(level, None, &text.to_string());
        }
    }

    /// A line of one session.
    pub fn session(&self, level: u8, session: SessionId, text: fmt::Arguments<'_>) {
        if self.shows(level) {
            self.write(level, Some(session), &text.to_string());
        }
    }

    /// What is told at a start on standard output or standard error, for a syslog daemon as well: who reads only
    /// that shall know of it.
    pub fn started(&self, started: Result<&str, &str>) {
        if let Some(syslog) = &self.syslog {
            let (severity, text) = match started {
                Ok(text) => (Severity::Notice, text),
                Err(text) => (Severity::Error, text),
            };
            syslog.tell(severity, &plain(text));
        }
    }
}

/// What sessions have logged in the present minute.
#[derive(Debug, Default)]
pub struct Quotas {
    since: Timestamp,
    spent: BTreeMap<SessionId, usize>,
}

impl Quotas {
    /// The session logs nothing for now.
    pub fn forget(&mut self, session: SessionId) {
        self.spent.remove(&session);
    }

    /// Lets a session log so many bytes, or else the line to log in their place, if any.
    pub fn spend(
        &mut self,
        session: SessionId,
        bytes: usize,
        now: Timestamp,
    ) -> Result<(), Option<&'static str>> {
        if now >= self.since + QUOTA_MS {
            self.since = now;
            self.spent.clear();
        }
        let spent = self.spent.entry(session).or_default();
        let was_over = *spent > QUOTA;
        *spent = spent.saturating_add(bytes);
        match (was_over, *spent > QUOTA) {
            (_, false) => Ok(()),
            (false, true) => Err(Some(
                "what it logs is left out for up to a minute: it is too much",
            )),
            (true, true) => Err(None),
        }
    }
}

/// What the levels are called in formats for machines.
const LEVELS: [&str; 5] = ["notice", "info", "debug", "debug", "trace"];

fn severity(level: u8) -> Severity {
    match level {
        0 => Severity::Notice,
        1 => Severity::Info,
        _ => Severity::Debug,
    }
}

fn level_name(level: u8) -> &'static str {
    LEVELS[usize::from(level).min(LEVELS.len() - 1)]
}

/// One line, whatever it quotes: strings as in JSON.
fn json(time: &str, level: u8, session: Option<SessionId>, text: &str) -> String {
    let session = session.map_or(String::new(), |session| format!(",\"session\":{session}"));
    let text = serde_json::to_string(text.trim_end()).unwrap_or_default();
    let level = level_name(level);
    format!("{{\"time\":\"{time}\",\"level\":\"{level}\"{session},\"text\":{text}}}\n")
}

fn logfmt(time: &str, level: u8, session: Option<SessionId>, text: &str) -> String {
    let session = session.map_or(String::new(), |session| format!(" session={session}"));
    let text = serde_json::to_string(text.trim_end()).unwrap_or_default();
    format!(
        "time={time} level={}{session} text={text}\n",
        level_name(level)
    )
}

/// Control characters are shown, not obeyed: a line may quote what a peer sent. Further lines of a
/// traceback are indented.
fn plain(text: &str) -> String {
    let text = legible(text.trim_end(), &['\n', '\t']);
    format!("{}\n", text.replace('\n', "\n    "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_one_line_for_machines() {
        let session = Some(SessionId(7));
        let text = "a \"b\"\nc\u{1b}[m\n";
        assert_eq!(
            json("T", 1, session, text),
            "{\"time\":\"T\",\"level\":\"info\",\"session\":7,\"text\":\"a \\\"b\\\"\\nc\\u001b[m\"}\n"
        );
        assert_eq!(
            logfmt("T", 0, None, text),
            "time=T level=notice text=\"a \\\"b\\\"\\nc\\u001b[m\"\n"
        );
        assert_eq!(plain("a\nb\u{1b}"), "a\n    b\\u{1b}\n");
    }

    #[test]
    fn a_session_that_logs_without_end_is_cut_off_for_a_minute() {
        let mut quotas = Quotas::default();
        let (busy, calm) = (SessionId(1), SessionId(2));
        assert_eq!(quotas.spend(busy, QUOTA, 5), Ok(()));
        assert!(matches!(quotas.spend(busy, 1, 6), Err(Some(_))));
        assert_eq!(quotas.spend(busy, 1, 7), Err(None));
        assert_eq!(quotas.spend(calm, 1, 7), Ok(()));
        assert_eq!(quotas.spend(busy, 1, QUOTA_MS), Ok(()));
        assert!(!quotas.spent.contains_key(&calm));
    }
}
