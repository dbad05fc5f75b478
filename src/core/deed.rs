//! Deeds: what pages did, for those who have to answer for it: which path, and what came of it; never a value.

use super::host::Host;
use super::script::ErrorCode;
use super::variable::Slot;

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
        let mut path = self.vars.full_path(slot);
        let end = (0..=PATH_BYTES_MAX.min(path.len())).rev();
        let cut = end.into_iter().find(|&at| path.is_char_boundary(at));
        path.truncate(cut.unwrap_or(0));
        self.deeds.push(Deed {
            kind,
            path,
            by_operator,
            refused: done.err(),
        });
    }
}
