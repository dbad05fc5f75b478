//! Paths as the kernel follows them: names are places in `KEYS`, so nothing is looked up or made
//! while a path is followed.

use std::ffi::c_int;

use mlua::ffi::{self, lua_State};

use super::budget;
use super::cell::Source;
use super::kernel::{KEYS, Kernel, VALUES, host, raise};
use super::read::{cell_of, held_key, push_aux, value_key};
use crate::core::script::ErrorCode;
use crate::core::variable::Slot;

/// What the first step of a path is taken from.
#[derive(Clone, Copy, Debug)]
pub(super) enum Origin {
    /// There is no variable above: nil.
    Nowhere,
    /// What the variable in this slot presents.
    Variable(Slot),
    /// What the variable registered under this name presents; its place in `KEYS`.
    Named(u32),
}

/// One step of a path, its name replaced by its place in `KEYS`.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    Field(u32),
    Index(u32),
    /// A method without arguments.
    Call(u32),
    /// A method with arguments: which of the path's [`Invocation`]s.
    CallWith(u32),
}

/// What few paths have.
#[derive(Debug, Default)]
pub(super) struct Special {
    /// The path is negated.
    pub not: bool,
    pub calls: Box<[Invocation]>,
}

/// A call with arguments.
#[derive(Debug)]
pub(super) struct Invocation {
    pub key: u32,
    pub arguments: Box<[Operand]>,
    /// `_` is among the arguments.
    pub takes_written: bool,
}

/// An argument.
#[derive(Debug)]
pub(super) enum Operand {
    Nil,
    Boolean(bool),
    Integer(i64),
    Float(f64),
    /// A text: its place in `KEYS`.
    Text(u32),
    Path(Box<Route>),
    Written,
}

/// A path in an argument.
#[derive(Debug)]
pub(super) struct Route {
    pub origin: Origin,
    pub steps: Box<[Step]>,
    pub special: Option<Box<Special>>,
}

/// How `_` in a call is answered.
#[derive(Clone, Copy, Debug)]
pub(super) enum Written {
    /// The path is read: there is no value.
    Nothing,
    /// The value at this stack index.
    At(c_int),
}

/// Pushes what a path starts from.
///
/// # Safety
/// Inside a protected call of this kernel, with its tables at their places.
pub(super) unsafe fn push_origin(l: *mut lua_State, k: *mut Kernel, origin: Origin) {
    // SAFETY: as promised by the caller.
    unsafe {
        match origin {
            Origin::Nowhere => ffi::lua_pushnil(l),
            Origin::Variable(slot) => {
                ffi::lua_rawgeti(l, VALUES, value_key(slot));
            }
            Origin::Named(key) => push_named(l, k, key),
        }
    }
}

unsafe fn push_named(l: *mut lua_State, k: *mut Kernel, key: u32) {
    // SAFETY: as for `push_origin`.
    unsafe {
        let Some(slot) = host().vars.named((*k).keys.name(key)) else {
            let name = (*k).keys.name(key);
            let message = format!(
                "path \"@{name}\": no variable is registered as \"{name}\"; \
                 session:registerVariable(\"{name}\", variable) does that"
            );
            raise(l, ErrorCode::PathFailure, message)
        };
        let cell = cell_of(k, slot);
        if cell.is_some_and(|cell| (*cell).source == Source::Held && (*cell).wrapped.is_none()) {
            // It may have been registered by this very event: nothing has read it yet.
            push_aux(l, k, held_key(slot));
        } else {
            ffi::lua_rawgeti(l, VALUES, value_key(slot));
        }
    }
}

/// Replaces the value on top by what one step from it leads to.
///
/// # Safety
/// Inside a protected call of this kernel; Lua code may run. `special` is of the path that the step
/// is of, and stays: a cell lives until the call is over.
pub(super) unsafe fn follow(
    l: *mut lua_State,
    k: *mut Kernel,
    step: Step,
    special: *const Special,
) {
    // SAFETY: as promised by the caller.
    unsafe {
        match step {
            Step::Field(key) => {
                ffi::lua_rawgeti(l, KEYS, key.into());
                ffi::lua_gettable(l, -2);
                ffi::lua_copy(l, -1, -2);
                ffi::lua_settop(l, -2);
            }
            Step::Index(index) => {
                ffi::lua_geti(l, -1, i64::from(index) + 1);
                ffi::lua_copy(l, -1, -2);
                ffi::lua_settop(l, -2);
            }
            Step::Call(key) => {
                push_method(l, k, key);
                ffi::lua_rotate(l, -2, 1);
                ffi::lua_callk(l, 1, 1, 0, None);
            }
            Step::CallWith(at) => {
                let call = &raw const (&(*special).calls)[at as usize];
                let count = push_call(l, k, call, Written::Nothing);
                ffi::lua_callk(l, count, 1, 0, None);
            }
        }
    }
}

/// Puts the method below the object on top and its arguments above it. Returns how many there are,
/// the object among them.
///
/// # Safety
/// As for [`follow`].
pub(super) unsafe fn push_call(
    l: *mut lua_State,
    k: *mut Kernel,
    call: *const Invocation,
    written: Written,
) -> c_int {
    // SAFETY: as for `follow`.
    unsafe {
        let arguments: *const [Operand] = &raw const *(*call).arguments;
        // The method, the arguments and what a path among them needs on its way.
        ffi::luaL_checkstack(l, arguments.len() as c_int + 6, std::ptr::null());
        budget::charge(l, arguments.len() as u64);
        push_method(l, k, (*call).key);
        ffi::lua_rotate(l, -2, 1);
        for i in 0..arguments.len() {
            match &(&(*arguments))[i] {
                Operand::Nil => ffi::lua_pushnil(l),
                Operand::Boolean(flag) => ffi::lua_pushboolean(l, c_int::from(*flag)),
                Operand::Integer(number) => ffi::lua_pushinteger(l, *number),
                Operand::Float(number) => ffi::lua_pushnumber(l, *number),
                Operand::Text(key) => {
                    ffi::lua_rawgeti(l, KEYS, i64::from(*key));
                }
                Operand::Path(route) => push_route(l, k, &raw const **route),
                Operand::Written => match written {
                    Written::At(index) => ffi::lua_pushvalue(l, index),
                    Written::Nothing => {
                        let name = (*k).keys.name((*call).key);
                        let message = format!("{name}(_) takes a value: it cannot be read");
                        raise(l, ErrorCode::BadAccess, message);
                    }
                },
            }
        }
        1 + arguments.len() as c_int
    }
}

/// Pushes what a path among the arguments leads to.
unsafe fn push_route(l: *mut lua_State, k: *mut Kernel, route: *const Route) {
    // SAFETY: as for `follow`.
    unsafe {
        let steps: *const [Step] = &raw const *(*route).steps;
        let special = special_of(&(*route).special);
        budget::charge(l, steps.len() as u64);
        push_origin(l, k, (*route).origin);
        for i in 0..steps.len() {
            if ffi::lua_type(l, -1) == ffi::LUA_TNIL {
                break;
            }
            follow(l, k, (&(*steps))[i], special);
        }
        negate(l, special);
    }
}

/// The address of what a path has beside its steps; null if there is nothing.
pub(super) fn special_of(special: &Option<Box<Special>>) -> *const Special {
    special
        .as_deref()
        .map_or(std::ptr::null(), |special| &raw const *special)
}

/// Replaces the value on top by its opposite if the path says so.
///
/// # Safety
/// As for [`follow`]; `special` may be null.
pub(super) unsafe fn negate(l: *mut lua_State, special: *const Special) {
    // SAFETY: as promised by the caller.
    unsafe {
        if !special.is_null() && (*special).not {
            let opposite = ffi::lua_toboolean(l, -1) == 0;
            ffi::lua_settop(l, -2);
            ffi::lua_pushboolean(l, c_int::from(opposite));
        }
    }
}

/// Pushes the method of the object on top, above it.
///
/// # Safety
/// Inside a protected call of this kernel; a metamethod may run.
pub(super) unsafe fn push_method(l: *mut lua_State, k: *mut Kernel, key: u32) {
    // SAFETY: as promised by the caller.
    unsafe {
        ffi::lua_rawgeti(l, KEYS, key.into());
        if ffi::lua_gettable(l, -2) == ffi::LUA_TNIL {
            let name = (*k).keys.name(key);
            let message = format!("there is no method {name}() on this object");
            raise(l, ErrorCode::PathFailure, message);
        }
    }
}
