//! Preparing the script's side of a new variable.

use std::ffi::c_int;

use mlua::ffi::{self, lua_State};

use super::cell::{Cell, Quick, Source, Wrapped};
use super::kernel::{Kernel, current, host, push_ref, push_str, raise};
use super::route::{Invocation, Operand, Origin, Route, Special, Step};
use super::wrapper;
use crate::core::carry::carry;
use crate::core::path::{Argument, Path, Segment, Start};
use crate::core::script::ErrorCode;
use crate::core::variable::{Access, Slot, Variable};

/// Items of a list are presented by the list: a wrapper that base clients ask for there is not.
const ITEM_TYPE: &str = "lua.ViewListItem";
const LIST_TYPE: &str = "lua.ViewList";

/// A path that is being prepared. Kept in the kernel, since an error may jump out of it.
#[derive(Debug, Default)]
pub(super) struct Binding {
    /// The path of the variable that is bound next, if core has parsed it.
    pub parsed: Option<Path>,
    path: Path,
    /// Places of the names interned so far.
    names: Vec<u32>,
}

// Names of a path that could not be prepared are given back by the next one.
carry!(struct Binding { names } made { parsed: None, path: Path::default() });

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
        let action = variable.access == Access::Action;
        let creates = variable.properties.get("create").is_some();
        let has_path = variable.has_path;
        take_path(l, k, slot);
        let wrapped = wrapped_of(slot);
        let found = match source {
            _ if creates => Source::Held,
            Some(source) => source,
            None if has_path => Source::Path,
            None => Source::Held,
        };
        // From here on nothing raises until the cell has what was interned for it.
        let binding = &mut (*k).binding;
        let (origin, steps, special) = route(slot, &binding.path, &mut binding.names.drain(..));
        let cell = (*k).cell_mut(slot);
        if cell.source == Source::Nothing {
            *cell = new_cell(origin, steps, special, action, found);
        } else {
            let unused = new_cell(origin, steps, special, action, found);
            release_names(&mut *k, &unused);
        }
        let cell = (*k).cell_mut(slot);
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

/// Puts a variable's path into `binding` and interns its names there: an error may jump out at any
/// of them, and then they are given back by the next one to come.
unsafe fn take_path(l: *mut lua_State, k: *mut Kernel, slot: Slot) {
    // SAFETY: as for `finish`.
    unsafe {
        let binding = &mut (*k).binding;
        for key in binding.names.drain(..) {
            (*k).keys.give_back(key);
        }
        binding.path = Path::default();
        let parsed = binding.parsed.take().map(Ok).or_else(|| {
            let properties = &host().vars.get(slot)?.properties;
            properties.get("path").map(Path::parse)
        });
        match parsed {
            None => {}
            Some(Ok(path)) => (*k).binding.path = path,
            Some(Err(error)) => {
                let message = error.to_string();
                drop(error);
                raise(l, ErrorCode::PathFailure, message);
            }
        }
        let path = &raw const (*k).binding.path;
        intern(l, k, slot, path);
    }
}

/// Interns the names of a path in the order in which [`route`] takes them.
unsafe fn intern(l: *mut lua_State, k: *mut Kernel, slot: Slot, path: *const Path) {
    // SAFETY: as for `finish`; the path stays in the kernel.
    unsafe {
        match &(*path).start {
            Start::Named(name) => intern_name(l, k, name),
            Start::Up(steps) => {
                if *steps > 0 && above(slot, *steps).is_none() {
                    let message = format!("path \"{}\" leads above the topmost variable", *path);
                    raise(l, ErrorCode::PathFailure, message);
                }
            }
        }
        for i in 0..(*path).segments.len() {
            match &(&(*path).segments)[i] {
                Segment::Field(name) => intern_name(l, k, name),
                Segment::Index(_) => {}
                Segment::Call(name, arguments) => {
                    intern_name(l, k, name);
                    for argument in arguments {
                        match argument {
                            Argument::Text(text) => intern_name(l, k, text),
                            Argument::Path(path) => intern(l, k, slot, path),
                            _ => {}
                        }
                    }
                }
            }
        }
    }
}

unsafe fn intern_name(l: *mut lua_State, k: *mut Kernel, name: &str) {
    // SAFETY: as for `finish`. The string is at its place before the place is taken: there may be no
    // memory for it.
    unsafe {
        let id = match (*k).keys.take(name) {
            Some(id) => id,
            None => {
                push_ref(l, (*k).tables.keys);
                push_str(l, name);
                ffi::lua_rawseti(l, -2, (*k).keys.next().into());
                ffi::lua_settop(l, -2);
                (*k).keys.add(name)
            }
        };
        (*k).binding.names.push(id);
    }
}

/// The variable so many above the parent of the one in `slot`.
fn above(slot: Slot, steps: u32) -> Option<Slot> {
    // SAFETY: only called while an operation of the kernel runs; nothing here calls into Lua.
    let vars = unsafe { &host().vars };
    let up = |slot| vars.get(slot).and_then(Variable::parent);
    (0..steps).try_fold(up(slot)?, |at, _| up(at))
}

type Names<'a> = std::vec::Drain<'a, u32>;
type Parts = (Origin, Vec<Step>, Option<Box<Special>>);

fn next(names: &mut Names<'_>) -> u32 {
    // There are as many as were interned on the way through the same path.
    names.next().unwrap_or(0)
}

/// A path with its names replaced by their places. Never raises.
fn route(slot: Slot, path: &Path, names: &mut Names<'_>) -> Parts {
    let origin = match &path.start {
        Start::Named(_) => Origin::Named(next(names)),
        Start::Up(steps) => above(slot, *steps).map_or(Origin::Nowhere, Origin::Variable),
    };
    let mut steps = Vec::with_capacity(path.segments.len());
    let mut calls = Vec::new();
    for segment in &path.segments {
        steps.push(match segment {
            Segment::Field(_) => Step::Field(next(names)),
            Segment::Index(index) => Step::Index(*index),
            Segment::Call(_, arguments) if arguments.is_empty() => Step::Call(next(names)),
            Segment::Call(_, arguments) => {
                let key = next(names);
                let operands = arguments.iter().map(|a| operand(slot, a, names)).collect();
                calls.push(Invocation {
                    key,
                    arguments: operands,
                    takes_written: segment.takes_written(),
                });
                Step::CallWith((calls.len() - 1) as u32)
            }
        });
    }
    let special = path.not || !calls.is_empty();
    let special = special.then(|| {
        Box::new(Special {
            not: path.not,
            calls: calls.into_boxed_slice(),
        })
    });
    (origin, steps, special)
}

fn operand(slot: Slot, argument: &Argument, names: &mut Names<'_>) -> Operand {
    match argument {
        Argument::Nil => Operand::Nil,
        Argument::Boolean(flag) => Operand::Boolean(*flag),
        Argument::Integer(number) => Operand::Integer(*number),
        Argument::Float(number) => Operand::Float(*number),
        Argument::Text(_) => Operand::Text(next(names)),
        Argument::Written => Operand::Written,
        Argument::Path(path) => {
            let (origin, steps, special) = route(slot, path, names);
            Operand::Path(Box::new(Route {
                origin,
                steps: steps.into_boxed_slice(),
                special,
            }))
        }
    }
}

unsafe fn wrapped_of(slot: Slot) -> Option<Wrapped> {
    // SAFETY: as for `finish`.
    let properties = unsafe { &host().vars.get(slot)?.properties };
    let name = properties.get("wrapper")?;
    (!name.is_empty() && name != ITEM_TYPE).then(|| Wrapped {
        type_name: name.into(),
        windowed: name == LIST_TYPE && properties.get("window").is_some(),
        raw: Default::default(),
        asked_in: 0,
    })
}

/// The short form of a cell, if it has one.
pub(super) fn quick_of(cell: &Cell) -> Quick {
    match (cell.source, cell.origin, cell.last) {
        (Source::Path, Origin::Variable(parent), Some(Step::Field(key)))
            if cell.prefix.is_none()
                && cell.special.is_none()
                && cell.wrapped.is_none()
                && !cell.action =>
        {
            Quick { parent, key }
        }
        _ => Quick::default(),
    }
}

fn new_cell(
    origin: Origin,
    mut steps: Vec<Step>,
    special: Option<Box<Special>>,
    action: bool,
    source: Source,
) -> Cell {
    let last = steps.pop();
    Cell {
        origin,
        source,
        last,
        prefix: (!steps.is_empty()).then(|| steps.into_boxed_slice()),
        special,
        action,
        ..Cell::EMPTY
    }
}

/// Gives the names of a cell's path back.
pub(super) fn release_names(k: &mut Kernel, cell: &Cell) {
    let prefix = cell.prefix.as_deref().unwrap_or_default();
    release_steps(k, cell.origin, prefix, cell.special.as_deref());
    release_steps(k, Origin::Nowhere, cell.last.as_slice(), None);
}

fn release_steps(k: &mut Kernel, origin: Origin, steps: &[Step], special: Option<&Special>) {
    if let Origin::Named(key) = origin {
        k.keys.give_back(key);
    }
    for step in steps {
        match step {
            Step::Field(key) | Step::Call(key) => k.keys.give_back(*key),
            // The calls themselves know their names.
            Step::Index(_) | Step::CallWith(_) => {}
        }
    }
    for call in special.iter().flat_map(|special| &special.calls) {
        k.keys.give_back(call.key);
        for argument in &call.arguments {
            match argument {
                Operand::Text(key) => k.keys.give_back(*key),
                Operand::Path(route) => {
                    release_steps(k, route.origin, &route.steps, route.special.as_deref());
                }
                _ => {}
            }
        }
    }
}
