//! Answers: what differs since somebody asked last, as JSON. The README has its fields.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::Board;
use super::rows::{Row, is_active};
use super::timeline::Moment;
use crate::core::id::{Timestamp, VarId};
use crate::core::property::Properties;
use crate::core::script::Script;
use crate::core::session::Session;
use crate::core::variable::{Access, VariableStore};

/// Variables that one answer tells. A few milliseconds of work, so that nobody waits for those who look.
const ROWS_MAX: usize = 500;
/// Letters of a property's value that are told.
const PROPERTY_MAX: usize = 200;

/// What somebody knows who asks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Asked<'a> {
    /// Of which board; empty: of none.
    pub board: &'a str,
    /// Its revision up to which variables are known, and turns.
    pub since: u64,
    pub turns: u64,
}

#[derive(Serialize)]
struct Answer<'a> {
    board: &'a str,
    /// What is known of another board, or too long ago, is of no use.
    reset: bool,
    revision: u64,
    turn_revision: u64,
    /// There are more variables: asking again from `revision` on tells them.
    more: bool,
    session: u64,
    variables: usize,
    memory: usize,
    /// The numbers of its pages.
    pages: Vec<u64>,
    rows: Vec<RowNow<'a>>,
    gone: Vec<i64>,
    turns: Vec<&'a Moment>,
}

#[derive(Serialize)]
struct RowNow<'a> {
    id: i64,
    parent: Option<i64>,
    page: Option<u64>,
    wire: i64,
    path: &'a str,
    name: &'a str,
    #[serde(rename = "type")]
    type_name: &'a str,
    value: &'a str,
    error: Option<&'a str>,
    changes: u64,
    gas: u64,
    most_gas: u64,
    access: &'static str,
    active: bool,
    properties: Told<'a>,
    diagnostics: &'a [(u8, Box<str>)],
}

/// Properties but for those that are told otherwise.
struct Told<'a>(&'a Properties);

impl Serialize for Told<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for property in self.0.iter() {
            let is_told = matches!(property.name, "path" | "type" | "viewdefs" | "access");
            if is_told || property.value.is_empty() {
                continue;
            }
            let end = property.value.char_indices().nth(PROPERTY_MAX);
            let end = end.map_or(property.value.len(), |(end, _)| end);
            map.serialize_entry(property.name, &property.value[..end])?;
        }
        map.end()
    }
}

impl Board {
    /// What is new to somebody who knows this much. The session is between two events.
    pub fn answer<S: Script>(
        &mut self,
        session: &mut Session<S>,
        asked: Asked<'_>,
        now: Timestamp,
    ) -> Vec<u8> {
        self.asked = now;
        let is_known = *asked.board == *self.name;
        let reset = !is_known || (asked.since > 0 && asked.since < self.rows.dropped);
        let (since, turns) = match reset {
            true => (0, 0),
            false => (asked.since, asked.turns),
        };
        self.rows.look_at_unread(session, &self.secrets, ROWS_MAX);
        let vars = &session.host().vars;
        let (mut rows, mut gone) = (Vec::new(), Vec::new());
        let mut revision = since;
        for (at, id, row) in self.rows.since(since).take(ROWS_MAX) {
            revision = at;
            match row.and_then(|row| row_now(vars, id, row)) {
                Some(row) => rows.push(row),
                None => gone.push(id.0),
            }
        }
        let more = revision < self.rows.revision || self.rows.has_unread();
        let answer = Answer {
            board: &self.name,
            reset,
            revision,
            turn_revision: self.timeline.revision,
            more,
            session: session.id().0,
            variables: vars.len(),
            memory: session.memory_used(),
            pages: session.pages().map(|(_, page)| page).collect(),
            rows,
            gone,
            turns: self.timeline.since(turns).collect(),
        };
        // Writing to memory does not fail, and nothing in there can.
        serde_json::to_vec(&answer).unwrap_or_default()
    }
}

fn row_now<'a>(vars: &'a VariableStore, id: VarId, row: &'a Row) -> Option<RowNow<'a>> {
    let variable = vars.get(vars.find(id)?)?;
    let parent = variable.parent().and_then(|slot| vars.get(slot));
    let remarks = variable.remarks.as_ref();
    Some(RowNow {
        id: id.0,
        parent: parent.map(|parent| parent.id.0),
        page: variable.view.map(|view| view.0),
        wire: variable.wire,
        path: &row.path,
        name: variable.properties.get("path").unwrap_or(""),
        type_name: variable.properties.get("type").unwrap_or(""),
        value: &row.seen.value,
        error: row.seen.error.as_deref(),
        changes: row.changes,
        gas: row.gas,
        most_gas: row.most_gas,
        access: match variable.access {
            Access::Read => "r",
            Access::Write => "w",
            Access::ReadWrite => "rw",
            Access::Action => "action",
        },
        active: is_active(variable),
        properties: Told(&variable.properties),
        diagnostics: remarks.map_or(&[], |remarks| &remarks.list),
    })
}
