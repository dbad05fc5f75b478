//! Variable handles: what Lua code holds of a variable.
//!
//! A handle is a userdata with the variable's id in it, so it stays harmless when the variable is
//! gone. It prints and orders as its id.

use std::ffi::c_int;

use mlua::ffi::{self, lua_CFunction, lua_State};

use super::cell::Source;
use super::kernel::{
    KEYS, Kernel, VALUES, bytes_at, current, host, pay, push_ref, push_str, raise, raise_here,
};
use super::objects::Held;
use super::read::{held_key, push_aux, raw_key, set_aux, value_key};
use super::write;
use crate::core::id::VarId;
use crate::core::variable::{Slot, Variable};

const METHODS: &[(&str, lua_CFunction)] = &[
    ("getDiagnostics", get_diagnostics),
    ("getError", get_error),
    ("getID", get_id),
    ("getId", get_id),
    ("getProperty", get_property),
    ("getValue", get_value),
    ("getWrapper", get_wrapper),
    ("setProperty", set_property),
    ("update", update),
    ("updateProperties", update_properties),
];

/// See `api::functions`.
pub(super) fn functions() -> impl Iterator<Item = lua_CFunction> {
    let methods = METHODS.iter().map(|&(_, function)| function);
    methods.chain(METAMETHODS.map(|(_, function)| function))
}

const METAMETHODS: [(&std::ffi::CStr, lua_CFunction); 5] = [
    (c"__index", index),
    (c"__tostring", to_string),
    (c"__eq", equal),
    (c"__lt", less),
    (c"__le", less_or_equal),
];

/// Pushes the metatable of handles.
///
/// # Safety
/// Inside a protected call.
pub(super) unsafe fn push_metatable(l: *mut lua_State) {
    // SAFETY: as promised by the caller.
    unsafe {
        ffi::lua_createtable(l, 0, 8);
        for (name, function) in METAMETHODS {
            ffi::lua_pushcfunction(l, function);
            ffi::lua_setfield(l, -2, name.as_ptr());
        }
        push_str(l, "variable");
        ffi::lua_setfield(l, -2, c"__name".as_ptr());
        // Scripts must not get at the functions behind the handles.
        ffi::lua_pushboolean(l, 0);
        ffi::lua_setfield(l, -2, c"__metatable".as_ptr());
    }
}

/// Where a slot's handle is in `AUX`.
pub(super) fn handle_key(slot: Slot) -> i64 {
    -1 - i64::from(slot)
}

/// Pushes the handle of a slot's variable, always the same one.
///
/// # Safety
/// Inside a protected call of this kernel; a variable lives in `slot`.
pub(super) unsafe fn push(l: *mut lua_State, k: *mut Kernel, slot: Slot) {
    // SAFETY: the userdata holds one i64 and nothing that needs dropping.
    unsafe {
        push_aux(l, k, handle_key(slot));
        if ffi::lua_type(l, -1) != ffi::LUA_TNIL {
            return;
        }
        ffi::lua_settop(l, -2);
        let id = host().vars.get(slot).map_or(0, |v| v.id.0);
        let data = ffi::lua_newuserdatauv(l, size_of::<i64>(), 0).cast::<i64>();
        data.write(id);
        push_ref(l, (*k).tables.handle);
        ffi::lua_setmetatable(l, -2);
        ffi::lua_pushvalue(l, -1);
        set_aux(l, k, handle_key(slot));
    }
}

/// The variable that argument `arg` names: an id, a handle, or an object that a variable shows.
///
/// # Safety
/// Inside a C function called by Lua.
pub(super) unsafe fn argument(l: *mut lua_State, arg: c_int) -> Option<Slot> {
    // SAFETY: as promised by the caller.
    unsafe {
        match ffi::lua_type(l, arg) {
            ffi::LUA_TNUMBER => host().vars.find(VarId(ffi::lua_tointeger(l, arg))),
            ffi::LUA_TUSERDATA => host().vars.find(VarId(handle_id(l, arg)?)),
            ffi::LUA_TTABLE => showing(l, arg, |_| true),
            _ => None,
        }
    }
}

/// A call about a variable is as expensive as looking through so many bytes.
const CALL_COST: usize = 480;

/// The same, or an error that says what was expected.
///
/// # Safety
/// As for [`argument`].
pub(super) unsafe fn check(l: *mut lua_State, arg: c_int) -> Slot {
    // SAFETY: as promised by the caller.
    unsafe {
        pay(l, CALL_COST);
        match argument(l, arg) {
            Some(slot) => slot,
            None => raise_here(
                l,
                format!(
                    "argument {arg}: no such variable; give its id, its handle or an object it shows"
                ),
            ),
        }
    }
}

unsafe fn handle_id(l: *mut lua_State, arg: c_int) -> Option<i64> {
    // SAFETY: only userdata with our metatable is read.
    unsafe {
        if ffi::lua_getmetatable(l, arg) == 0 {
            return None;
        }
        push_ref(l, (*current()).tables.handle);
        let ours = ffi::lua_rawequal(l, -1, -2) != 0;
        ffi::lua_settop(l, -3);
        ours.then(|| ffi::lua_touserdata(l, arg).cast::<i64>().read())
    }
}

/// The first wanted variable that shows or holds the object at index `arg`.
///
/// # Safety
/// As for [`argument`].
pub(super) unsafe fn showing(
    l: *mut lua_State,
    arg: c_int,
    wanted: fn(&Variable) -> bool,
) -> Option<Slot> {
    // SAFETY: as for `argument`.
    unsafe {
        let k = current();
        pay(l, 48 * (*k).cells.len());
        for slot in 0..(*k).cells.len() as Slot {
            let cell = &(&(*k).cells)[slot as usize];
            let held = cell.source == Source::Held;
            let shows = matches!(cell.seen.held, Held::One(_));
            if !held && !shows || !host().vars.get(slot).is_some_and(wanted) {
                continue;
            }
            push_raw(l, k, slot);
            let same = ffi::lua_rawequal(l, arg, -1) != 0;
            ffi::lua_settop(l, -2);
            if same {
                return Some(slot);
            }
        }
        None
    }
}

/// Pushes a variable's value as it is before any wrapper.
unsafe fn push_raw(l: *mut lua_State, k: *mut Kernel, slot: Slot) {
    // SAFETY: as for `argument`.
    unsafe {
        let cell = &(&(*k).cells)[slot as usize];
        if cell.source == Source::Held {
            push_aux(l, k, held_key(slot));
        } else if cell.wrapped.is_some() {
            push_aux(l, k, raw_key(slot));
        } else {
            push_presented(l, k, slot);
        }
    }
}

unsafe fn push_presented(l: *mut lua_State, k: *mut Kernel, slot: Slot) {
    // SAFETY: as for `argument`.
    unsafe {
        push_ref(l, (*k).tables.values);
        ffi::lua_rawgeti(l, -1, value_key(slot));
        ffi::lua_rotate(l, -2, -1);
        ffi::lua_settop(l, -2);
    }
}

/// Sets each property of the table at `index`.
///
/// # Safety
/// Inside a C function called by Lua; nothing that needs dropping is on the Rust stack.
pub(super) unsafe fn set_properties(l: *mut lua_State, index: c_int, slot: Slot) {
    // SAFETY: keys are only looked at when they are strings, so none is converted in place.
    unsafe {
        if ffi::lua_type(l, index) != ffi::LUA_TTABLE {
            return;
        }
        ffi::lua_pushnil(l);
        while ffi::lua_next(l, index) != 0 {
            if ffi::lua_type(l, -2) == ffi::LUA_TSTRING {
                let name: *const [u8] = bytes_at(l, -2).unwrap_or_default();
                set_one(l, slot, &*name, -1);
            }
            ffi::lua_settop(l, -2);
        }
    }
}

/// Sets one property to the text of the value at `index`; nil unsets it.
unsafe fn set_one(l: *mut lua_State, slot: Slot, name: &[u8], index: c_int) {
    // SAFETY: as for `set_properties`; both texts stay on the stack.
    unsafe {
        let text: &[u8] = match ffi::lua_type(l, index) {
            ffi::LUA_TNIL => b"",
            ffi::LUA_TBOOLEAN if ffi::lua_toboolean(l, index) != 0 => b"true",
            ffi::LUA_TBOOLEAN => b"false",
            _ => bytes_at(l, index).unwrap_or_default(),
        };
        pay(l, name.len() + text.len());
        let name = String::from_utf8_lossy(name);
        let set = host().set_property(slot, &name, &String::from_utf8_lossy(text));
        drop(name);
        if let Err(error) = set {
            raise(l, error.code, error.message);
        }
    }
}

unsafe extern "C-unwind" fn index(l: *mut lua_State) -> c_int {
    // SAFETY: called by Lua with the handle and the key.
    unsafe {
        let key = bytes_at(l, 2).unwrap_or_default();
        match METHODS.iter().find(|(name, _)| name.as_bytes() == key) {
            Some(&(_, function)) => ffi::lua_pushcfunction(l, function),
            None => ffi::lua_pushnil(l),
        }
        1
    }
}

unsafe extern "C-unwind" fn get_id(l: *mut lua_State) -> c_int {
    // SAFETY: called by Lua.
    unsafe {
        match handle_id(l, 1) {
            Some(id) => ffi::lua_pushinteger(l, id),
            None => raise_here(l, "getId: call it with a colon, variable:getId()".into()),
        }
        1
    }
}

unsafe extern "C-unwind" fn to_string(l: *mut lua_State) -> c_int {
    // SAFETY: called by Lua.
    unsafe {
        let id = handle_id(l, 1).unwrap_or(0);
        ffi::lua_pushinteger(l, id);
        ffi::luaL_tolstring(l, -1, std::ptr::null_mut());
        1
    }
}

unsafe fn compare(l: *mut lua_State, by: impl Fn(i64, i64) -> bool) -> c_int {
    // SAFETY: called by Lua with two operands, one of them a handle.
    unsafe {
        let id = |arg| match ffi::lua_type(l, arg) {
            ffi::LUA_TNUMBER => Some(ffi::lua_tointeger(l, arg)),
            ffi::LUA_TUSERDATA => handle_id(l, arg),
            _ => None,
        };
        let holds = matches!((id(1), id(2)), (Some(a), Some(b)) if by(a, b));
        ffi::lua_pushboolean(l, c_int::from(holds));
        1
    }
}

unsafe extern "C-unwind" fn equal(l: *mut lua_State) -> c_int {
    // SAFETY: called by Lua.
    unsafe { compare(l, |a, b| a == b) }
}

unsafe extern "C-unwind" fn less(l: *mut lua_State) -> c_int {
    // SAFETY: called by Lua.
    unsafe { compare(l, |a, b| a < b) }
}

unsafe extern "C-unwind" fn less_or_equal(l: *mut lua_State) -> c_int {
    // SAFETY: called by Lua.
    unsafe { compare(l, |a, b| a <= b) }
}

unsafe extern "C-unwind" fn get_value(l: *mut lua_State) -> c_int {
    // SAFETY: called by Lua.
    unsafe {
        let slot = check(l, 1);
        let k = current();
        let cell = &raw mut *(*k).cell_mut(slot);
        if (*cell).source == Source::Path && (*cell).wrapped.is_none() && !(*cell).action {
            // Read now: what was seen at the last detection may be old.
            (*k).push_tables(l);
            super::read::push_origin_now(l, k, (*cell).origin);
            super::read::read_on(l, k, cell);
        } else {
            push_raw(l, k, slot);
        }
        1
    }
}

unsafe extern "C-unwind" fn get_wrapper(l: *mut lua_State) -> c_int {
    // SAFETY: called by Lua.
    unsafe {
        let slot = check(l, 1);
        let k = current();
        // A variable whose making failed halfway has no cell yet.
        if (*k).cell_mut(slot).wrapped.is_some() {
            push_presented(l, k, slot);
        } else {
            ffi::lua_pushnil(l);
        }
        1
    }
}

unsafe extern "C-unwind" fn get_property(l: *mut lua_State) -> c_int {
    // SAFETY: called by Lua; the text is copied by Lua before anything can change it.
    unsafe {
        let slot = check(l, 1);
        ffi::luaL_checklstring(l, 2, std::ptr::null_mut());
        let name = std::str::from_utf8(bytes_at(l, 2).unwrap_or_default()).unwrap_or("");
        let value = host().vars.get(slot).and_then(|v| v.properties.get(name));
        match value {
            Some(text) if !text.is_empty() => {
                let text: *const str = text;
                push_str(l, &*text);
            }
            _ => ffi::lua_pushnil(l),
        }
        1
    }
}

unsafe extern "C-unwind" fn set_property(l: *mut lua_State) -> c_int {
    // SAFETY: called by Lua.
    unsafe {
        let slot = check(l, 1);
        ffi::luaL_checklstring(l, 2, std::ptr::null_mut());
        ffi::lua_settop(l, 3);
        let name: *const [u8] = bytes_at(l, 2).unwrap_or_default();
        set_one(l, slot, &*name, 3);
        0
    }
}

unsafe extern "C-unwind" fn update_properties(l: *mut lua_State) -> c_int {
    // SAFETY: called by Lua.
    unsafe {
        let slot = check(l, 1);
        ffi::luaL_checktype(l, 2, ffi::LUA_TTABLE);
        set_properties(l, 2, slot);
        0
    }
}

/// `variable:update(value [, props])`: writes as a frontend would.
unsafe extern "C-unwind" fn update(l: *mut lua_State) -> c_int {
    // SAFETY: called by Lua; the stack is laid out as `write` expects it.
    unsafe {
        let slot = check(l, 1);
        ffi::lua_settop(l, 3);
        if ffi::lua_type(l, 3) == ffi::LUA_TTABLE {
            set_properties(l, 3, slot);
        }
        let k = current();
        push_ref(l, (*k).tables.values);
        ffi::lua_copy(l, -1, VALUES);
        ffi::lua_copy(l, 2, 3);
        push_ref(l, (*k).tables.keys);
        ffi::lua_copy(l, -1, KEYS);
        ffi::lua_settop(l, 3);
        write::write_value(l, k, slot, false);
        0
    }
}

unsafe extern "C-unwind" fn get_error(l: *mut lua_State) -> c_int {
    // SAFETY: called by Lua; the text is copied by Lua before anything can change it.
    unsafe {
        let slot = check(l, 1);
        match host().vars.get(slot).and_then(|v| v.error.as_deref()) {
            Some(fault) => push_str(l, &fault.message),
            None => ffi::lua_pushnil(l),
        }
        1
    }
}

/// `variable:getDiagnostics()`: what `diag` said of it last, an array of `{level=, text=}`.
unsafe extern "C-unwind" fn get_diagnostics(l: *mut lua_State) -> c_int {
    // SAFETY: called by Lua; the texts are copied by Lua, and nothing changes them meanwhile.
    unsafe {
        let slot = check(l, 1);
        ffi::lua_createtable(l, 0, 0);
        let variable = host().vars.get(slot);
        let remarks = variable.and_then(|v| v.remarks.as_deref());
        for (i, (level, text)) in remarks.iter().flat_map(|r| &r.list).enumerate() {
            ffi::lua_createtable(l, 0, 2);
            ffi::lua_pushinteger(l, i64::from(*level));
            ffi::lua_setfield(l, -2, c"level".as_ptr());
            push_str(l, text);
            ffi::lua_setfield(l, -2, c"text".as_ptr());
            ffi::lua_rawseti(l, -2, i as i64 + 1);
        }
        1
    }
}
