//! `ui`: logging, JSON, and types by name.

use std::ffi::c_int;

use mlua::ffi::{self, lua_CFunction, lua_State};

use super::encode::is_array;
use super::kernel::{Kernel, bytes_at, current, pay, push_ref, push_str};
use super::{api, reload, write};
use crate::core::json;

/// JSON of Lua tables goes this deep; a cycle ends here too.
const MAX_DEPTH: u32 = 100;

/// Reading JSON is as expensive as looking through so many times its bytes; and what is read takes
/// memory of its own until Lua has it, most of all objects of few fields.
const DECODE_COST: usize = 32;
const OBJECT_BYTES: usize = 640;

const METHODS: &[(&str, lua_CFunction)] = &[
    ("json_decode", json_decode),
    ("json_encode", json_encode),
    ("log", log),
    ("registerPresenter", register),
    ("registerWrapper", register),
];

/// See [`api::functions`].
pub(super) fn functions() -> impl Iterator<Item = lua_CFunction> {
    METHODS.iter().map(|&(_, function)| function)
}

/// `ui.NAME`.
pub(super) unsafe extern "C-unwind" fn index(l: *mut lua_State) -> c_int {
    // SAFETY: called by Lua with the table and the key.
    unsafe {
        let key = bytes_at(l, 2).unwrap_or_default();
        match METHODS.iter().find(|(name, _)| name.as_bytes() == key) {
            Some(&(_, function)) => ffi::lua_pushcfunction(l, function),
            None => ffi::lua_pushnil(l),
        }
        1
    }
}

/// `ui.log([level,] message)`.
unsafe extern "C-unwind" fn log(l: *mut lua_State) -> c_int {
    // SAFETY: called by Lua.
    unsafe { api::log_from(l, 1) }
}

/// `ui.registerPresenter(name, type)`.
unsafe extern "C-unwind" fn register(l: *mut lua_State) -> c_int {
    // SAFETY: called by Lua.
    unsafe {
        ffi::luaL_checklstring(l, 1, std::ptr::null_mut());
        ffi::luaL_checktype(l, 2, ffi::LUA_TTABLE);
        push_ref(l, (*current()).tables.registered);
        ffi::lua_pushvalue(l, 1);
        ffi::lua_pushvalue(l, 2);
        ffi::lua_rawset(l, -3);
        reload::note_owner(l, current(), 1);
        0
    }
}

/// `ui.json_encode(value)`: text, or nil and why not.
unsafe extern "C-unwind" fn json_encode(l: *mut lua_State) -> c_int {
    // SAFETY: called by Lua; the text is built in the kernel, which outlives a jump.
    unsafe {
        ffi::luaL_checkany(l, 1);
        let k = current();
        (*k).encoded.clear();
        if let Err(reason) = push_json(l, k, 1, 0, Other::Null) {
            ffi::lua_pushnil(l);
            push_str(l, reason);
            return 2;
        }
        let text: *const Vec<u8> = &raw const (*k).encoded;
        ffi::lua_pushlstring(l, (*text).as_ptr().cast(), (*text).len());
        1
    }
}

/// What becomes of values that JSON has no form for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Other {
    /// null; keys that are no texts are left out.
    Null,
    Refused,
}

/// Leaves the value at `index` as JSON in the kernel's `encoded`: text, numbers, booleans, arrays,
/// and tables with text keys, of which those with `_` in front are left out. `Err`: what else there
/// is in it.
///
/// # Safety
/// Inside a protected call of the running kernel.
pub(super) unsafe fn encode_plain(l: *mut lua_State, index: c_int) -> Result<(), &'static str> {
    // SAFETY: as promised by the caller.
    unsafe {
        let k = current();
        (*k).encoded.clear();
        push_json(l, k, index, 0, Other::Refused)
    }
}

unsafe fn push_json(
    l: *mut lua_State,
    k: *mut Kernel,
    index: c_int,
    depth: u32,
    other: Other,
) -> Result<(), &'static str> {
    // SAFETY: as for `json_encode`.
    unsafe {
        if depth > MAX_DEPTH {
            return Err("nested too deep, or a table that contains itself");
        }
        ffi::luaL_checkstack(l, 8, std::ptr::null());
        let out = &mut (*k).encoded;
        match ffi::lua_type(l, index) {
            ffi::LUA_TBOOLEAN => out.extend_from_slice(match ffi::lua_toboolean(l, index) {
                0 => b"false",
                _ => b"true",
            }),
            ffi::LUA_TNUMBER if ffi::lua_isinteger(l, index) != 0 => {
                json::push_int(out, ffi::lua_tointeger(l, index));
            }
            ffi::LUA_TNUMBER => {
                if !json::push_float(out, ffi::lua_tonumber(l, index)) {
                    return Err("JSON has neither NaN nor infinity");
                }
            }
            ffi::LUA_TSTRING => {
                let text = bytes_at(l, index).unwrap_or_default();
                pay(l, 8 * text.len());
                if !json::push_str(&mut (*k).encoded, text) {
                    return Err("a text is not valid UTF-8");
                }
            }
            ffi::LUA_TTABLE => {
                let index = ffi::lua_absindex(l, index);
                if is_array(l, index) {
                    return push_array(l, k, index, depth, other);
                }
                return push_object(l, k, index, depth, other);
            }
            ffi::LUA_TNIL => out.extend_from_slice(b"null"),
            _ if other == Other::Refused => return Err("a function, thread or handle is in it"),
            _ => out.extend_from_slice(b"null"),
        }
        Ok(())
    }
}

unsafe fn push_array(
    l: *mut lua_State,
    k: *mut Kernel,
    index: c_int,
    depth: u32,
    other: Other,
) -> Result<(), &'static str> {
    // SAFETY: as for `json_encode`.
    unsafe {
        (*k).encoded.push(b'[');
        let length = ffi::lua_rawlen(l, index);
        pay(l, 32 * length);
        for i in 1..=length {
            if i > 1 {
                (*k).encoded.push(b',');
            }
            ffi::lua_rawgeti(l, index, i as i64);
            push_json(l, k, -1, depth + 1, other)?;
            ffi::lua_settop(l, -2);
        }
        (*k).encoded.push(b']');
        Ok(())
    }
}

/// Fields in order of their names, so that equal tables give equal texts.
unsafe fn push_object(
    l: *mut lua_State,
    k: *mut Kernel,
    index: c_int,
    depth: u32,
    other: Other,
) -> Result<(), &'static str> {
    // SAFETY: as for `json_encode`. The names are sorted in a Lua table: a jump leaks nothing.
    unsafe {
        if other == Other::Refused && !has_text_keys(l, index) {
            return Err("a table in it has keys that are neither texts nor those of an array");
        }
        push_names(l, index);
        let names = ffi::lua_gettop(l);
        (*k).encoded.push(b'{');
        for i in 1..=ffi::lua_rawlen(l, names) {
            if i > 1 {
                (*k).encoded.push(b',');
            }
            ffi::lua_rawgeti(l, names, i as i64);
            ffi::lua_pushvalue(l, -1);
            json::push_str(&mut (*k).encoded, bytes_at(l, -1).unwrap_or_default());
            (*k).encoded.push(b':');
            ffi::lua_settop(l, -2);
            ffi::lua_rawget(l, index);
            push_json(l, k, -1, depth + 1, other)?;
            ffi::lua_settop(l, names);
        }
        (*k).encoded.push(b'}');
        ffi::lua_settop(l, names - 1);
        Ok(())
    }
}

unsafe fn has_text_keys(l: *mut lua_State, index: c_int) -> bool {
    // SAFETY: as for `json_encode`; keys are only looked at.
    unsafe {
        ffi::lua_pushnil(l);
        while ffi::lua_next(l, index) != 0 {
            pay(l, 32);
            ffi::lua_settop(l, -2);
            if ffi::lua_type(l, -1) != ffi::LUA_TSTRING {
                ffi::lua_settop(l, -2);
                return false;
            }
        }
        true
    }
}

/// Pushes an array of the text keys of a table that do not start with `_`, sorted.
///
/// # Safety
/// Inside a protected call of the running kernel.
pub(super) unsafe fn push_names(l: *mut lua_State, index: c_int) {
    // SAFETY: as promised by the caller. The names that are sorted belong to keys of the table, which
    // stays as it is meanwhile; the buffer is the kernel's, so a jump leaks nothing.
    unsafe {
        ffi::luaL_checkstack(l, 8, std::ptr::null());
        let k = current();
        let index = ffi::lua_absindex(l, index);
        ffi::lua_createtable(l, 0, 0);
        let found = ffi::lua_gettop(l);
        (*k).names.clear();
        ffi::lua_pushnil(l);
        while ffi::lua_next(l, index) != 0 {
            ffi::lua_settop(l, -2);
            if ffi::lua_type(l, -1) == ffi::LUA_TSTRING
                && let Some(name) = bytes_at(l, -1)
                && name.first() != Some(&b'_')
            {
                pay(l, 256 + name.len());
                let place = (*k).names.len() as i64 + 1;
                ffi::lua_pushvalue(l, -1);
                ffi::lua_rawseti(l, found, place);
                (*k).names.push((name, place));
            }
        }
        let names = &mut (*k).names;
        names.sort_unstable_by(|(a, _), (b, _)| (&**a).cmp(&**b));
        let count = names.len();
        ffi::lua_createtable(l, c_int::try_from(count).unwrap_or(0), 0);
        for i in 0..count {
            let (_, place) = (&(*k).names)[i];
            ffi::lua_rawgeti(l, found, place);
            ffi::lua_rawseti(l, -2, i as i64 + 1);
        }
        ffi::lua_replace(l, found);
    }
}

/// `ui.json_decode(text)`: the value, or nil and why not.
unsafe extern "C-unwind" fn json_decode(l: *mut lua_State) -> c_int {
    // SAFETY: called by Lua; the parsed value is kept in the kernel, which outlives a jump.
    unsafe {
        ffi::luaL_checklstring(l, 1, std::ptr::null_mut());
        let k = current();
        let text = bytes_at(l, 1).unwrap_or_default();
        let objects = text.iter().filter(|&&byte| byte == b'{').count();
        pay(l, DECODE_COST * text.len() + OBJECT_BYTES * objects);
        (*k).decoded = None;
        match serde_json::from_slice(bytes_at(l, 1).unwrap_or_default()) {
            Ok(value) => (*k).decoded = Some(value),
            // Kept in the kernel: there may be no memory to tell it.
            Err(error) => (*k).said = error.to_string(),
        }
        if (*k).decoded.is_none() {
            let said = &(*k).said;
            let problem: *const str = &raw const **said;
            ffi::lua_pushnil(l);
            push_str(l, &*problem);
            return 2;
        }
        if let Some(value) = &(*k).decoded {
            write::push_value(l, k, &raw const *value, false);
        }
        (*k).decoded = None;
        1
    }
}
