//! Rows: one for each variable, with what it showed when it was last looked at. Each has the revision of its
//! last difference, so that whoever knows all up to some revision is told the rest.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Serialize;

use crate::core::id::{VarId, WireId};
use crate::core::script::{ErrorCode, Script};
use crate::core::session::Session;
use crate::core::variable::{Slot, Variable};
use crate::journal::words::shorten;
use crate::journal::{Secrets, spelled};

/// Variables that have rows: as many as a person can be interested in.
const ROWS_MAX: usize = 50_000;
/// Bytes of a value that are kept.
const VALUE_MAX: usize = 400;
/// Bytes of values that are read for one answer.
const READ_MAX: usize = 1 << 20;
/// Variables that are gone are told to those who ask within so many of them.
const GONE_MAX: usize = 10_000;

/// See the module's description.
#[derive(Debug, Default)]
pub struct Rows {
    all: BTreeMap<VarId, Row>,
    /// What differed, oldest first. Some of it has been followed by something newer.
    log: Vec<Entry>,
    /// The revision of the last difference, and of the last that was dropped.
    pub revision: u64,
    pub dropped: u64,
    /// Variables that must be looked at before they are told; some more than once.
    unread: Vec<VarId>,
    /// Ids from the one to the other were vended before the present event.
    known: Option<(VarId, VarId)>,
    /// Gone in the event that is being looked at: what it was about is still told by its path.
    leaving: Vec<VarId>,
    scratch: Vec<u8>,
}

/// A variable differed.
#[derive(Clone, Copy, Debug)]
struct Entry {
    revision: u64,
    id: VarId,
    is_gone: bool,
}

/// One variable.
#[derive(Debug)]
pub struct Row {
    revision: u64,
    pub path: Box<str>,
    /// What its page calls it, if it is not everybody's.
    name: Option<(u64, WireId)>,
    /// By its path it may show what is secret.
    concerns_secrets: bool,
    pub seen: Seen,
    /// How often it came to show something else, since somebody looks.
    pub changes: u64,
    /// Gas of the last time that it was read, and the most of all times.
    pub gas: u64,
    pub most_gas: u64,
}

/// What a variable shows.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Seen {
    pub value: Box<str>,
    pub error: Option<Box<str>>,
    /// A checksum of all else that is told of it.
    rest: u32,
}

impl Seen {
    /// The error, or else the value.
    fn shown(self) -> Box<str> {
        self.error.unwrap_or(self.value)
    }
}

/// What an event did to a variable.
#[derive(Debug, Serialize)]
pub struct Change {
    pub id: i64,
    pub path: Box<str>,
    pub kind: ChangeKind,
    /// What it showed before and after, if anything.
    pub was: Option<Box<str>>,
    pub now: Option<Box<str>>,
    /// It cannot be read now, and somebody should look at it.
    pub failed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ChangeKind {
    New,
    Changed,
    Gone,
}

impl Rows {
    /// Of all variables that a session has; none is looked at yet.
    pub fn of<S: Script>(session: &Session<S>) -> Rows {
        let mut rows = Rows {
            unread: session.host().vars.iter().map(|(id, _)| id).collect(),
            ..Rows::default()
        };
        // The app is told first.
        rows.unread.reverse();
        rows.note_all_known(session);
        rows
    }

    /// What is new from now on has a higher id than all others, or a lower one.
    pub fn note_all_known<S: Script>(&mut self, session: &Session<S>) {
        self.known = Some(session.host().vars.vended());
    }

    /// A variable may be another: it is looked at when somebody wants to know.
    pub fn defer(&mut self, id: VarId) {
        self.unread.push(id);
        if self.unread.len() > 2 * ROWS_MAX {
            self.unread.sort_unstable_by(|a, b| b.cmp(a));
            self.unread.dedup();
        }
    }

    /// Looks at variables that are to be told, at most so many, and not much more than [`READ_MAX`] bytes.
    pub fn look_at_unread<S: Script>(
        &mut self,
        session: &mut Session<S>,
        secrets: &Secrets,
        most: usize,
    ) {
        let mut bytes = 0;
        for _ in 0..most {
            if bytes > READ_MAX {
                break;
            }
            let Some(id) = self.unread.pop() else {
                break;
            };
            self.look(session, secrets, id);
            bytes += self.scratch.len();
        }
        self.forget_gone();
    }

    /// Whether there are more of them.
    pub fn has_unread(&self) -> bool {
        !self.unread.is_empty()
    }

    /// Looks at a variable and tells what differs.
    pub fn look<S: Script>(
        &mut self,
        session: &mut Session<S>,
        secrets: &Secrets,
        id: VarId,
    ) -> Option<Change> {
        let Some(slot) = session.host().vars.find(id) else {
            return self.bury(id);
        };
        let is_new = !self.all.contains_key(&id);
        if is_new && !self.adopt(session, secrets, id, slot) {
            return None;
        }
        self.scratch.clear();
        session.read_value(slot, &mut self.scratch);
        let variable = session.host().vars.get(slot)?;
        let row = self.all.get_mut(&id)?;
        let seen = see(variable, row, secrets, &self.scratch);
        if !is_new && seen == row.seen {
            return None;
        }
        row.revision = note(&mut self.log, &mut self.revision, id, false);
        let failed = seen.error.is_some()
            && seen.error != row.seen.error
            && !variable
                .error
                .as_ref()
                .is_some_and(|fault| is_lost(fault.code));
        let is_other = seen.value != row.seen.value || seen.error != row.seen.error;
        let before = std::mem::replace(&mut row.seen, seen);
        let kind = match is_new {
            // Of one that was there before it had a row nobody knows what it showed.
            true if self
                .known
                .is_some_and(|(first, last)| first <= id && id <= last) =>
            {
                return None;
            }
            true => ChangeKind::New,
            false => ChangeKind::Changed,
        };
        if !is_other && kind == ChangeKind::Changed {
            return None;
        }
        row.changes += u64::from(kind == ChangeKind::Changed);
        let now = row.seen.error.as_ref().unwrap_or(&row.seen.value).clone();
        Some(Change {
            id: id.0,
            path: row.path.clone(),
            kind,
            was: (kind == ChangeKind::Changed).then(|| before.shown()),
            now: Some(now),
            failed,
        })
    }

    /// Makes the row of a variable. Returns whether there is room for it.
    fn adopt<S: Script>(
        &mut self,
        session: &Session<S>,
        secrets: &Secrets,
        id: VarId,
        slot: Slot,
    ) -> bool {
        let vars = &session.host().vars;
        let Some(variable) = vars.get(slot).filter(|_| self.all.len() < ROWS_MAX) else {
            return false;
        };
        let path: Box<str> = vars.full_path(slot).into();
        let own = variable.properties.get("path").unwrap_or("");
        let name = variable.view.map(|view| (view.0, variable.wire));
        let row = Row {
            revision: 0,
            concerns_secrets: secrets.concern(&spelled(&path), own),
            path,
            name,
            seen: Seen::default(),
            changes: 0,
            gas: 0,
            most_gas: 0,
        };
        self.all.insert(id, row);
        true
    }

    /// A variable is gone; its row stays until [`Rows::forget_gone`].
    fn bury(&mut self, id: VarId) -> Option<Change> {
        let row = self.all.get_mut(&id)?;
        row.revision = note(&mut self.log, &mut self.revision, id, true);
        self.leaving.push(id);
        Some(Change {
            id: id.0,
            path: row.path.clone(),
            kind: ChangeKind::Gone,
            was: Some(std::mem::take(&mut row.seen).shown()),
            now: None,
            failed: false,
        })
    }

    /// Forgets the variables that have gone, and what has been followed by something newer.
    pub fn forget_gone(&mut self) {
        for id in self.leaving.drain(..) {
            self.all.remove(&id);
        }
        if self.log.len() < 2 * (self.all.len() + GONE_MAX) {
            return;
        }
        let gone = self.log.iter().filter(|entry| entry.is_gone).count();
        let mut spare = gone.saturating_sub(GONE_MAX);
        let (all, dropped) = (&self.all, &mut self.dropped);
        self.log.retain(|entry| {
            if entry.is_gone && spare > 0 {
                spare -= 1;
                *dropped = entry.revision;
                return false;
            }
            is_last(all, entry)
        });
    }

    /// Reading a variable took so much gas.
    pub fn note_cost(&mut self, id: VarId, gas: u64) {
        let Some(row) = self.all.get_mut(&id) else {
            return;
        };
        row.most_gas = row.most_gas.max(gas);
        if std::mem::replace(&mut row.gas, gas) != gas {
            row.revision = note(&mut self.log, &mut self.revision, id, false);
        }
    }

    /// The path of what page `page` called `wire` and is gone with the present event.
    pub fn path_of_gone(&self, page: u64, wire: WireId) -> Option<String> {
        let mut rows = self.leaving.iter().filter_map(|id| self.all.get(id));
        let row = rows.find(|row| row.name == Some((page, wire)))?;
        Some(row.path.to_string())
    }

    /// What differs from revision `since` on, oldest first: revision, variable, and its row unless it is gone.
    pub fn since(&self, since: u64) -> impl Iterator<Item = (u64, VarId, Option<&Row>)> {
        let known = self.log.partition_point(|entry| entry.revision <= since);
        let later = self.log[known..].iter();
        let last = later.filter(|entry| is_last(&self.all, entry));
        last.map(|entry| (entry.revision, entry.id, self.all.get(&entry.id)))
    }
}

/// Notes that a variable differs. Returns the revision.
fn note(log: &mut Vec<Entry>, revision: &mut u64, id: VarId, is_gone: bool) -> u64 {
    *revision += 1;
    log.push(Entry {
        revision: *revision,
        id,
        is_gone,
    });
    *revision
}

/// Whether nothing newer is told of its variable.
fn is_last(all: &BTreeMap<VarId, Row>, entry: &Entry) -> bool {
    match all.get(&entry.id) {
        Some(row) => row.revision == entry.revision,
        None => entry.is_gone,
    }
}

/// The error only says that the path leads nowhere: what a template shows is gone before the template is.
fn is_lost(code: ErrorCode) -> bool {
    code == ErrorCode::PathFailure
}

/// What a variable shows, whose value is `json`.
fn see(variable: &Variable, row: &Row, secrets: &Secrets, json: &[u8]) -> Seen {
    // In a table there may be a field that is secret wherever it is; an object is told by its number only.
    let object = object_number(json);
    let is_table = object.is_none() && matches!(json.first(), Some(b'{' | b'['));
    let value: Box<str> = match object {
        Some(number) => {
            let name = variable
                .properties
                .get("type")
                .filter(|name| !name.is_empty());
            format!("{} #{number}", name.unwrap_or("object")).into()
        }
        None if secrets.are_there() && (row.concerns_secrets || is_table) => {
            let text = String::from_utf8_lossy(json);
            let shown = blanked(secrets, &row.path, &text);
            shorten(shown.as_bytes(), VALUE_MAX).into()
        }
        None => shorten(json, VALUE_MAX).into(),
    };
    let error = variable.error.as_ref();
    Seen {
        value,
        error: error.map(|fault| shorten(fault.message.as_bytes(), VALUE_MAX).into()),
        rest: checksum(variable),
    }
}

/// A value of what is at this path as it may be seen.
pub fn blanked<'v>(secrets: &Secrets, path: &str, value: &'v str) -> Cow<'v, str> {
    let own = path.rsplit('.').next().unwrap_or("");
    secrets.value(&spelled(path), own, value)
}

/// The number of the object that a value is.
fn object_number(json: &[u8]) -> Option<u64> {
    let number = json.strip_prefix(b"{\"obj\":")?.strip_suffix(b"}")?;
    std::str::from_utf8(number).ok()?.parse().ok()
}

/// Of all that is told of a variable besides its value and error.
fn checksum(variable: &Variable) -> u32 {
    let flags = [variable.access as u8, u8::from(is_active(variable))];
    let mut check = crc32c::crc32c(&flags);
    for property in variable.properties.iter() {
        check = crc32c::crc32c_append(check, property.name.as_bytes());
        check = crc32c::crc32c_append(check, b"=");
        check = crc32c::crc32c_append(check, property.value.as_bytes());
    }
    let remarks = variable.remarks.iter().flat_map(|remarks| &remarks.list);
    remarks.fold(check, |check, (level, text)| {
        crc32c::crc32c_append(crc32c::crc32c_append(check, &[*level]), text.as_bytes())
    })
}

/// Whether detection looks at it, as far as that depends on it alone.
pub fn is_active(variable: &Variable) -> bool {
    variable.watched && !variable.inactive && !variable.broken
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows with so many variables, from 1 on.
    fn rows(count: i64) -> Rows {
        let mut rows = Rows::default();
        for id in (1..=count).map(VarId) {
            let row = Row {
                revision: note(&mut rows.log, &mut rows.revision, id, false),
                path: Box::default(),
                name: None,
                concerns_secrets: false,
                seen: Seen::default(),
                changes: 0,
                gas: 0,
                most_gas: 0,
            };
            rows.all.insert(id, row);
        }
        rows
    }

    fn told(rows: &Rows, since: u64) -> Vec<(i64, bool)> {
        let all = rows.since(since);
        all.map(|(_, id, row)| (id.0, row.is_some())).collect()
    }

    #[test]
    fn each_variable_is_told_once_and_who_knows_more_is_told_less() {
        let mut rows = rows(3);
        assert_eq!(told(&rows, 0), [(1, true), (2, true), (3, true)]);
        let known = rows.revision;
        rows.note_cost(VarId(1), 7);
        rows.note_cost(VarId(2), 7);
        rows.note_cost(VarId(1), 8);
        rows.note_cost(VarId(1), 8);
        assert_eq!(told(&rows, known), [(2, true), (1, true)]);
        assert_eq!(told(&rows, 0), [(3, true), (2, true), (1, true)]);
        assert!(
            rows.bury(VarId(2))
                .is_some_and(|change| change.kind == ChangeKind::Gone)
        );
        rows.forget_gone();
        assert!(rows.bury(VarId(2)).is_none(), "it is gone already");
        assert_eq!(told(&rows, known), [(1, true), (2, false)]);
        assert_eq!(told(&rows, rows.revision), []);
    }

    #[test]
    fn what_is_kept_of_the_past_is_bounded() {
        let count = 4 * GONE_MAX;
        let mut rows = rows(count as i64);
        for id in 1..count as i64 {
            rows.bury(VarId(id));
            rows.forget_gone();
        }
        assert!(rows.log.len() <= 2 * GONE_MAX + 4, "{}", rows.log.len());
        assert!(rows.dropped > count as u64, "old losses are forgotten");
        let told = told(&rows, rows.dropped);
        assert!(told.contains(&(count as i64 - 1, false)));
        for gas in 1..4 * GONE_MAX as u64 {
            rows.note_cost(VarId(count as i64), gas);
            rows.forget_gone();
        }
        assert!(rows.log.len() <= 2 * GONE_MAX + 4, "{}", rows.log.len());
    }
}
