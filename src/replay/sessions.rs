//! What `lunette sessions` shows of a state directory, and does to it.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use serde_json::{Value, json};

use super::named::{Known, NameError, meant};
use crate::journal::{
    Archive, JournalError, Listed, Reader, RealDisk, Rules, Standing, Store, StoreError, is_sid,
};

/// Of a whole id.
const SID_DIGITS: usize = 32;
const MS_PER_SECOND: i64 = 1000;
const SECONDS_PER_DAY: i64 = 86_400;

/// The session that a command's argument names, if it names no file.
pub fn session_named(recording: &Path) -> Option<&str> {
    let name = recording.to_str().filter(|_| !recording.exists())?;
    is_sid(name).then_some(name)
}

/// Why a session's journal cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    #[error(transparent)]
    Several(NameError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Reads the journal of a session that is named as [`named`](super::named) says, whoever writes to it meanwhile.
///
/// # Errors
/// When there is none, or it or its site's files are damaged or missing.
pub fn read_session(state: &Path, name: &str) -> Result<Reader, SessionError> {
    let archive = Archive::new(Rc::new(RealDisk), state);
    Ok(archive.read(&sid_of(&archive, name)?)?)
}

/// The id of the session that is meant.
fn sid_of(archive: &Archive, name: &str) -> Result<String, SessionError> {
    if name.len() == SID_DIGITS && archive.standing(name).is_ok() {
        return Ok(name.to_owned());
    }
    let listed = archive.sessions()?.into_iter();
    let mut known = listed.map(|listed| Known {
        number: listed.header.ok().map(|header| header.session.0),
        sid: listed.sid,
    });
    meant(name, &mut known).map_err(|error| match error {
        NameError::Nobody(sid) => {
            let dir = archive.dir().to_owned();
            StoreError::NoSession { sid, dir }.into()
        }
        several @ NameError::Several { .. } => SessionError::Several(several),
    })
}

/// What `lunette sessions` prints.
///
/// # Errors
/// When the directory cannot be read.
pub fn list_sessions(state: &Path) -> Result<String, StoreError> {
    let archive = Archive::new(Rc::new(RealDisk), state);
    let sessions = archive.sessions()?;
    let mut out = String::new();
    if sessions.is_empty() {
        // Writing into a String cannot fail, here and below.
        let _ = writeln!(out, "no sessions in {}", state.display());
        return Ok(out);
    }
    let _ = writeln!(
        out,
        "{:>6}  {:<32}  {:<20}  {:<20}  {:>8}  {:>10}  state",
        "number", "session", "begun", "last event", "events", "bytes"
    );
    for listed in &sessions {
        push_session(&archive, listed, &mut out);
    }
    Ok(out)
}

/// The same as JSON.
///
/// # Errors
/// As for [`list_sessions`].
pub fn sessions_json(state: &Path) -> Result<String, StoreError> {
    let archive = Archive::new(Rc::new(RealDisk), state);
    let rows = archive.sessions()?.into_iter().map(|listed| {
        let read = archive.read(&listed.sid);
        let events = read.as_ref().ok().map(Reader::events);
        json!({
            "session": listed.sid,
            "number": listed.header.as_ref().ok().map(|header| header.session.0),
            "begun_ms": listed.header.as_ref().ok().map(|header| header.started),
            "events": events,
            "journal": listed.bytes,
            "state": state_of(&listed, &read),
        })
    });
    let rows: Value = rows.collect();
    Ok(format!("{rows:#}\n"))
}

/// What became of it, in words.
fn state_of(listed: &Listed, read: &Result<Reader, StoreError>) -> String {
    match (listed.standing, read) {
        (Standing::Live, Ok(reader)) => health(reader).to_owned(),
        (standing, Ok(_)) => standing.name().to_owned(),
        (_, Err(StoreError::Journal(JournalError::NoHeader))) => "empty".to_owned(),
        (_, Err(error)) => format!("damaged: {error}"),
    }
}

fn push_session(archive: &Archive, listed: &Listed, out: &mut String) {
    let read = archive.read(&listed.sid);
    let events = read.as_ref().ok().map(Reader::events);
    let begun_at_all = read.as_ref().ok().filter(|reader| reader.events() > 0);
    let last = begun_at_all.map(|reader| reader.last_turn().wall);
    let header = listed.header.as_ref().ok();
    let begun = header.map(|header| header.started);
    let number = header.map(|header| header.session.0);
    let state = state_of(listed, &read);
    let shown = |number: Option<u64>| number.map_or("-".to_owned(), |n| n.to_string());
    let _ = writeln!(
        out,
        "{:>6}  {:<32}  {:<20}  {:<20}  {:>8}  {:>10}  {state}",
        shown(number),
        listed.sid,
        begun.map_or("-".into(), utc),
        last.map_or("-".into(), utc),
        shown(events),
        listed.bytes,
    );
}

fn health(reader: &Reader) -> &'static str {
    match (reader.torn_bytes(), reader.interrupted()) {
        (_, Some(_)) => "interrupted",
        (0, None) => "whole",
        _ => "torn",
    }
}

/// Why a session cannot be dropped.
#[derive(Debug, thiserror::Error)]
pub enum DropError {
    #[error(transparent)]
    Session(#[from] SessionError),
    #[error("a server is running with {0}: stop it first, or it would go on with the session")]
    Running(PathBuf),
    #[error(transparent)]
    Store(StoreError),
}

impl From<StoreError> for DropError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::InUse { dir } => DropError::Running(dir),
            error => DropError::Store(error),
        }
    }
}

/// What `lunette sessions drop SESSION` does.
///
/// # Errors
/// When a server uses the directory, there is no such session, or the disk says no.
pub fn drop_session(state: &Path, name: &str) -> Result<(), DropError> {
    // Where there is nothing, nothing is made.
    let sid = sid_of(&Archive::new(Rc::new(RealDisk), state), name)?;
    let store = Store::open(Rc::new(RealDisk), state, Rules::default())?;
    store.remove(&sid)?;
    store.collect()?;
    Ok(())
}

/// Milliseconds since 1970 as `2026-01-02T03:04:05Z`.
fn utc(ms: i64) -> String {
    let seconds = ms.div_euclid(MS_PER_SECOND);
    let (days, second) = (
        seconds.div_euclid(SECONDS_PER_DAY),
        seconds.rem_euclid(SECONDS_PER_DAY),
    );
    // Years begin in March here, so that a leap day is the last; eras have 400 of them.
    let days = days + 719_468;
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + era * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_as_everybody_writes_them() {
        for (ms, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (-1, "1969-12-31T23:59:59Z"),
            (951_827_696_789, "2000-02-29T12:34:56Z"),
            (1_704_067_199_999, "2023-12-31T23:59:59Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(utc(ms), text);
        }
    }
}
