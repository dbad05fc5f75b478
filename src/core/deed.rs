//! Deeds: what pages did, for those who have to answer for it: which path, and what came of it; never a value.

use super::host::Host;
use super::script::ErrorCode;
use super::variable::{Slot, Variable};

/// Bytes of a path that are told.
const PATH_BYTES_MAX: usize = 200;

/// What a page did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deed {
    pub kind: DeedKind,
    /// From the app on, with dots.
    pub path: String,
    /// Those who run the server did it, in the session of another.
    pub by_operator: bool,
    /// Why nothing came of it, if that is so.
    pub refused: Option<ErrorCode>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeedKind {
    /// A value was written.
    Write,
    /// A method was called.
    Call,
    /// A path was asked for that it may not have.
    Path,
    /// Code was run, by the property `lua`.
    Code,
}

impl Host {
    /// Notes what a page did at a variable, if somebody wants to know.
    pub(super) fn note_deed(
        &mut self,
        kind: DeedKind,
        slot: Slot,
        done: Result<(), ErrorCode>,
        by_operator: bool,
    ) {
        if !self.audited {
            return;
        }
        let path = self.full_path(slot);
        self.deeds.push(Deed {
            kind,
            path,
            by_operator,
            refused: done.err(),
        });
    }

    fn full_path(&self, slot: Slot) -> String {
        let variable = |slot: Slot| self.vars.get(slot);
        let above = |v: &&Variable| v.parent().and_then(variable);
        let all = std::iter::successors(variable(slot), above);
        let paths = all.map(|v| v.properties.get("path").unwrap_or(""));
        let mut paths: Vec<&str> = paths.filter(|path| !path.is_empty()).collect();
        paths.reverse();
        let mut path = paths.join(".");
        let end = (0..=PATH_BYTES_MAX.min(path.len())).rev();
        let cut = end.into_iter().find(|&at| path.is_char_boundary(at));
        path.truncate(cut.unwrap_or(0));
        path
    }
}
