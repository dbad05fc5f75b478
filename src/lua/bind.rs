//! Preparing the script's side of a new variable.

use std::ffi::c_int;

use mlua::ffi::{self, lua_State};

use super::kernel::{
    Cell, Kernel, Quick, Source, Step, Wrapped, current, host, push_ref, push_str, raise,
};
use super::wrapper;
use crate::core::path::{Path, Segment};
use crate::core::script::ErrorCode;
use crate::core::variable::{Access, Slot};

/// Items of a list are presented by the list: a wrapper that base clients ask for there is not.
const ITEM_TYPE: &str = "lua.ViewListItem";

/// Prepares `call.slot` as its properties say.
///
/// # Safety
/// Called by Lua under [`Kernel::enter`].
pub(super) unsafe extern "C-unwind" fn bind_op(l: *mut lua_State) -> c_int {
    // SAFETY: see `read::detect_op`.
    unsafe {
        let k = current();
        (*k).push_tables(l);
        finish(l, k, (*k).call.slot, None);
        0
    }
}

/// Gives a variable its cell. Without `source`, one with a path reads it and one without holds its
/// value itself.
///
/// # Safety
/// Inside a protected call of this kernel; Lua code may run (`create=`).
pub(super) unsafe fn finish(l: *mut lua_State, k: *mut Kernel, slot: Slot, source: Option<Source>) {
    // SAFETY: as promised by the caller; names are interned before the cell is replaced.
    unsafe {
        let Some(variable) = host().vars.get(slot) else {
            return;
        };
        let parent = variable.parent();
        let action = variable.access == Access::Action;
        let path = variable.properties.get("path").map(Path::parse);
        let creates = variable.properties.get("create").is_some();
        let has_path = variable.has_path;
        let steps = match path {
            None => Vec::new(),
            Some(Ok(path)) => intern(l, k, &path),
            Some(Err(error)) => raise(l, ErrorCode::PathFailure, error.to_string()),
        };
        let wrapped = wrapped_of(slot);
        let found = match source {
            _ if creates => Source::Held,
            Some(source) => source,
            None if has_path => Source::Path,
            None => Source::Held,
        };
        let cell = (*k).cell_mut(slot);
        if cell.source == Source::Nothing {
            *cell = new_cell(parent, steps, action, found);
        }
        if cell.wrapped.is_none() {
            cell.wrapped = wrapped.map(Box::new);
        }
        let quick = quick_of(cell);
        (&mut (*k).quick)[slot as usize] = quick;
        if creates {
            wrapper::create(l, k, slot);
        }
    }
}

unsafe fn wrapped_of(slot: Slot) -> Option<Wrapped> {
    // SAFETY: as for `finish`.
    let properties = unsafe { &host().vars.get(slot)?.properties };
    let name = properties.get("wrapper")?;
    (!name.is_empty() && name != ITEM_TYPE).then(|| Wrapped {
        type_name: name.into(),
        raw: Default::default(),
        asked_in: 0,
    })
}

/// The short form of a cell, if it has one.
fn quick_of(cell: &Cell) -> Quick {
    match (cell.source, cell.parent, cell.last) {
        (Source::Path, Some(parent), Some(Step::Field(key)))
            if cell.prefix.is_none() && cell.wrapped.is_none() && !cell.action =>
        {
            Quick { parent, key }
        }
        _ => Quick::default(),
    }
}

fn new_cell(parent: Option<Slot>, mut steps: Vec<Step>, action: bool, source: Source) -> Cell {
    let last = steps.pop();
    Cell {
        parent,
        source,
        last,
        prefix: (!steps.is_empty()).then(|| steps.into_boxed_slice()),
        action,
        ..Cell::EMPTY
    }
}

unsafe fn intern(l: *mut lua_State, k: *mut Kernel, path: &Path) -> Vec<Step> {
    let mut steps = Vec::with_capacity(path.segments.len());
    for segment in &path.segments {
        // SAFETY: as for `finish`.
        steps.push(unsafe {
            match segment {
                Segment::Field(name) => Step::Field(intern_name(l, k, name)),
                Segment::Index(index) => Step::Index(*index),
                Segment::Call(name) => Step::Call(intern_name(l, k, name)),
                Segment::Setter(name) => Step::Setter(intern_name(l, k, name)),
            }
        });
    }
    steps
}

unsafe fn intern_name(l: *mut lua_State, k: *mut Kernel, name: &str) -> u32 {
    // SAFETY: as for `finish`.
    unsafe {
        let (id, new) = (*k).keys.take(name);
        if new {
            push_ref(l, (*k).tables.keys);
            push_str(l, name);
            ffi::lua_rawseti(l, -2, id.into());
            ffi::lua_settop(l, -2);
        }
        id
    }
}

/// Gives the names of a cell's path back.
pub(super) fn release_names(k: &mut Kernel, cell: &Cell) {
    let prefix = cell.prefix.iter().flat_map(|steps| steps.iter());
    for step in prefix.chain(cell.last.iter()) {
        match step {
            Step::Field(key) | Step::Call(key) | Step::Setter(key) => k.keys.give_back(*key),
            Step::Index(_) => {}
        }
    }
}
