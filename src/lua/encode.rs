//! Values as JSON, by the rules of the wire: scalars and arrays are values, all else is a reference
//! to a numbered object.

use std::ffi::c_int;

use mlua::ffi::{self, lua_State};

use super::kernel::{Kernel, bytes_at, pay};
use crate::core::json;

/// Arrays in arrays go this deep. A cycle ends here too.
const MAX_DEPTH: u32 = 16;

/// What could not be shown as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    /// Bytes that are no UTF-8 were replaced.
    Text,
    /// NaN or an infinity became null.
    Number,
    /// Arrays nested too deep became null.
    Depth,
}

impl Flaw {
    /// For the error on the variable.
    pub fn text(self) -> &'static str {
        match self {
            Flaw::Text => "the text is not valid UTF-8: bad bytes are shown as U+FFFD",
            Flaw::Number => "NaN and infinity cannot be sent: shown as null",
            Flaw::Depth => "arrays nested deeper than 16 cannot be sent: shown as null",
        }
    }
}

/// Appends the value at `index` to the kernel's `scratch` and the objects in it to
/// `scratch_objects`.
///
/// # Safety
/// Inside a protected call of this kernel's state. `k` is the running kernel: it is a pointer
/// because the buffers must survive a jump out of here.
pub(super) unsafe fn encode(
    l: *mut lua_State,
    k: *mut Kernel,
    index: c_int,
    depth: u32,
) -> Option<Flaw> {
    // SAFETY: as promised by the caller; every use of `*k` ends before the next call that may raise.
    unsafe {
        match ffi::lua_type(l, index) {
            ffi::LUA_TNIL | ffi::LUA_TBOOLEAN | ffi::LUA_TNUMBER => {
                return encode_scalar(l, k, index);
            }
            ffi::LUA_TSTRING => {
                pay(l, 8 * ffi::lua_rawlen(l, index));
                return encode_scalar(l, k, index);
            }
            ffi::LUA_TTABLE if !has_type(l, index) && is_array(l, index) => {
                return encode_array(l, k, index, depth);
            }
            _ => {
                let number = (*k).objects.number_of(l, index);
                (*k).scratch_objects.push(number);
                json::push_object(&mut (*k).scratch, number);
            }
        }
        None
    }
}

/// Appends nil, a boolean, a number or a string. Never raises.
///
/// # Safety
/// `k` is the kernel of this state; the value stays on the stack.
pub(super) unsafe fn encode_scalar(
    l: *mut lua_State,
    k: *mut Kernel,
    index: c_int,
) -> Option<Flaw> {
    // SAFETY: reading a value that is not converted neither raises nor needs memory.
    unsafe {
        let out = &mut (*k).scratch;
        match ffi::lua_type(l, index) {
            ffi::LUA_TBOOLEAN => out.extend_from_slice(match ffi::lua_toboolean(l, index) {
                0 => b"false",
                _ => b"true",
            }),
            ffi::LUA_TNUMBER => {
                if ffi::lua_isinteger(l, index) != 0 {
                    json::push_int(out, ffi::lua_tointeger(l, index));
                } else if !json::push_float(out, ffi::lua_tonumber(l, index)) {
                    return Some(Flaw::Number);
                }
            }
            ffi::LUA_TSTRING => {
                if !json::push_str(out, bytes_at(l, index).unwrap_or_default()) {
                    return Some(Flaw::Text);
                }
            }
            _ => out.extend_from_slice(b"null"),
        }
        None
    }
}

/// Appends an array that was found to be one.
///
/// # Safety
/// As for [`encode`].
pub(super) unsafe fn encode_array(
    l: *mut lua_State,
    k: *mut Kernel,
    index: c_int,
    depth: u32,
) -> Option<Flaw> {
    // SAFETY: as for `encode`.
    unsafe {
        if depth >= MAX_DEPTH {
            (*k).scratch.extend_from_slice(b"null");
            return Some(Flaw::Depth);
        }
        ffi::luaL_checkstack(l, 8, std::ptr::null());
        let index = ffi::lua_absindex(l, index);
        let length = ffi::lua_rawlen(l, index);
        // The same array may occur in itself many times over.
        pay(l, 32 * length);
        let mut flaw = None;
        (*k).scratch.push(b'[');
        for i in 1..=length {
            if i > 1 {
                (*k).scratch.push(b',');
            }
            ffi::lua_rawgeti(l, index, i as i64);
            flaw = encode(l, k, -1, depth + 1).or(flaw);
            ffi::lua_settop(l, -2);
        }
        (*k).scratch.push(b']');
        flaw
    }
}

/// Whether a table has a type name, own or through its metatable.
unsafe fn has_type(l: *mut lua_State, index: c_int) -> bool {
    // SAFETY: as for `encode`; a table needs no more than its own lookup.
    unsafe {
        let found = ffi::lua_getfield(l, index, c"type".as_ptr()) == ffi::LUA_TSTRING;
        ffi::lua_settop(l, -2);
        found
    }
}

/// Whether a table without a type name is an array: all its keys are positive integers, and there
/// is at least one, or its metatable says `__array`, as that of the items of a view list does. Text
/// keys that start with `_` do not count.
///
/// # Safety
/// As for [`encode`].
pub(super) unsafe fn is_array(l: *mut lua_State, index: c_int) -> bool {
    // SAFETY: lua_next on a table that nothing changes meanwhile does not raise. Keys are never
    // converted: lua_tolstring is only used on strings.
    unsafe {
        let index = ffi::lua_absindex(l, index);
        ffi::luaL_checkstack(l, 4, std::ptr::null());
        let mut any = false;
        // The elements of an ordinary array come first, in order: begin behind them.
        let length = ffi::lua_rawlen(l, index);
        ffi::lua_pushnil(l);
        if length > 0 && in_front(l, index, length) {
            any = true;
            ffi::lua_settop(l, -2);
            ffi::lua_pushinteger(l, length as i64);
        }
        let mut looked_at = 0;
        while ffi::lua_next(l, index) != 0 {
            looked_at += 1;
            if looked_at % 256 == 0 {
                pay(l, 256 * 16);
            }
            ffi::lua_settop(l, -2);
            match ffi::lua_type(l, -1) {
                ffi::LUA_TNUMBER
                    if ffi::lua_isinteger(l, -1) != 0 && ffi::lua_tointeger(l, -1) > 0 =>
                {
                    any = true;
                }
                ffi::LUA_TSTRING
                    if bytes_at(l, -1).is_some_and(|key| key.first() == Some(&b'_')) => {}
                _ => {
                    ffi::lua_settop(l, -2);
                    return false;
                }
            }
        }
        any || is_marked(l, index)
    }
}

/// Whether the metatable says that even the empty table is an array.
unsafe fn is_marked(l: *mut lua_State, index: c_int) -> bool {
    // SAFETY: as for `is_array`.
    unsafe {
        if ffi::luaL_getmetafield(l, index, c"__array".as_ptr()) == ffi::LUA_TNIL {
            return false;
        }
        ffi::lua_settop(l, -2);
        true
    }
}

/// Whether the first key of a traversal is 1, so that the elements lie in the array part and all
/// other keys come after element `length`.
unsafe fn in_front(l: *mut lua_State, index: c_int, length: usize) -> bool {
    // SAFETY: as for `is_array`.
    unsafe {
        ffi::lua_pushinteger(l, length as i64);
        let last_is_last_or_more = ffi::lua_next(l, index) != 0;
        if last_is_last_or_more {
            let integer = ffi::lua_isinteger(l, -2) != 0;
            ffi::lua_settop(l, -3);
            if integer {
                return false;
            }
        }
        ffi::lua_pushnil(l);
        if ffi::lua_next(l, index) == 0 {
            return false;
        }
        let first = ffi::lua_isinteger(l, -2) != 0 && ffi::lua_tointeger(l, -2) == 1;
        ffi::lua_settop(l, -3);
        first
    }
}
