//! What the script's side keeps of one variable: where its value comes from, and what was last seen of it.

use std::ffi::c_void;
use std::ptr;

use super::objects::Held;
use super::route::{Origin, Special, Step};
use crate::core::variable::Slot;

/// Where a variable's value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// No variable lives in this slot, or it cannot be read.
    Nothing,
    /// `AUX[held]`: the app object, objects made by `create=`, unbound values.
    Held,
    /// The parent's presented value, followed along the path.
    Path,
}

/// What was last seen of a value.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Objects that its JSON refers to.
    pub held: Held,
    /// Its type name, as the address of the interned string, which `TYPES` keeps alive.
    pub type_name: Option<ptr::NonNull<c_void>>,
}

/// A variable's wrapper.
#[derive(Debug)]
pub(super) struct Wrapped {
    pub type_name: Box<str>,
    /// It presents a part of what it wraps, and looks for differences there itself.
    pub windowed: bool,
    /// What was last seen of the value it wraps, which is at `AUX[raw]`.
    pub raw: Seen,
    /// The last detection in which it asked for another round, by [`Kernel::detection`].
    pub asked_in: u64,
}

/// The script's side of one variable.
#[derive(Debug)]
pub(super) struct Cell {
    pub origin: Origin,
    pub source: Source,
    /// The path is `prefix`, then `last`; an empty path is the parent's own value.
    pub prefix: Option<Box<[Step]>>,
    pub last: Option<Step>,
    pub special: Option<Box<Special>>,
    pub action: bool,
    pub seen: Seen,
    pub wrapped: Option<Box<Wrapped>>,
    /// The error of the last read, told once.
    pub failed: Option<Box<str>>,
}

impl Cell {
    /// The cell of a slot in which no variable lives.
    pub const EMPTY: Cell = Cell {
        origin: Origin::Nowhere,
        source: Source::Nothing,
        prefix: None,
        last: None,
        special: None,
        action: false,
        seen: Seen {
            held: Held::Nothing,
            type_name: None,
        },
        wrapped: None,
        failed: None,
    };
}

/// A variable that is a field of its parent's value and has no wrapper: all that reading it takes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Quick {
    pub parent: Slot,
    /// The field's place in `KEYS`; 0: this slot needs its cell.
    pub key: u32,
}
