//! The table library: Lua's own, charged by length before it runs.

use crate::lua::budget::charge;
use crate::lua::sandbox::originals;
use mlua::ffi::{self, lua_State};
use std::os::raw::c_int;

/// The length of the table at an index, without metamethods; 0 if it is no table.
unsafe fn raw_length(state: *mut lua_State, index: c_int) -> u64 {
    // SAFETY: called from C functions of Lua.
    unsafe {
        if ffi::lua_type(state, index) == ffi::LUA_TTABLE {
            ffi::lua_rawlen(state, index) as u64
        } else {
            0
        }
    }
}

/// How many integers there are from `first` to `last`.
fn span(first: i64, last: i64) -> u64 {
    if first > last {
        0
    } else {
        last.abs_diff(first).saturating_add(1)
    }
}

pub(crate) unsafe extern "C-unwind" fn concat(state: *mut lua_State) -> c_int {
    // SAFETY: a C function of Lua, and the original is one.
    unsafe {
        charge(state, raw_length(state, 1) / 2);
        (originals().concat)(state)
    }
}

pub(crate) unsafe extern "C-unwind" fn insert(state: *mut lua_State) -> c_int {
    // SAFETY: as above.
    unsafe {
        if ffi::lua_gettop(state) == 3 {
            charge(state, shifted(state));
        }
        (originals().insert)(state)
    }
}

pub(crate) unsafe extern "C-unwind" fn remove(state: *mut lua_State) -> c_int {
    // SAFETY: as above.
    unsafe {
        if ffi::lua_gettop(state) >= 2 {
            charge(state, shifted(state));
        }
        (originals().remove)(state)
    }
}

/// How many items lie from the position at 2 to the end of the table at 1.
unsafe fn shifted(state: *mut lua_State) -> u64 {
    // SAFETY: called from C functions of Lua.
    unsafe {
        let length = raw_length(state, 1);
        match u64::try_from(ffi::lua_tointeger(state, 2)) {
            Ok(position) => length.saturating_sub(position),
            Err(_) => 0,
        }
    }
}

pub(crate) unsafe extern "C-unwind" fn move_(state: *mut lua_State) -> c_int {
    // SAFETY: as above. Lua goes through the whole span, whether there is something in it or not.
    unsafe {
        charge(
            state,
            span(ffi::lua_tointeger(state, 2), ffi::lua_tointeger(state, 3)),
        );
        (originals().move_)(state)
    }
}

pub(crate) unsafe extern "C-unwind" fn unpack(state: *mut lua_State) -> c_int {
    // SAFETY: as above.
    unsafe {
        let first = if ffi::lua_isnoneornil(state, 2) != 0 {
            1
        } else {
            ffi::lua_tointeger(state, 2)
        };
        let count = if ffi::lua_isnoneornil(state, 3) != 0 {
            raw_length(state, 1)
        } else {
            span(first, ffi::lua_tointeger(state, 3))
        };
        // More do not fit the stack, which is Lua's error to raise.
        charge(state, count.min(1_000_000) / 2);
        (originals().unpack)(state)
    }
}

/// Charges n log n comparisons, each by the mean length of the strings when Lua compares them itself.
pub(crate) unsafe extern "C-unwind" fn sort(state: *mut lua_State) -> c_int {
    // SAFETY: as above; reading raw array items raises no error.
    unsafe {
        let count = raw_length(state, 1);
        let mut bytes = 0;
        if ffi::lua_isnoneornil(state, 2) != 0 {
            charge(state, count / 4);
            for index in 1..=count {
                if ffi::lua_rawgeti(state, 1, index as i64) == ffi::LUA_TSTRING {
                    bytes += ffi::lua_rawlen(state, -1) as u64;
                }
                ffi::lua_pop(state, 1);
            }
        }
        let rounds = u64::from(count.max(1).ilog2()) + 1;
        charge(
            state,
            (count * 2)
                .saturating_add(bytes / 32)
                .saturating_mul(rounds),
        );
        (originals().sort)(state)
    }
}

/// Lua 5.1's `table.getn`.
pub(crate) unsafe extern "C-unwind" fn getn(state: *mut lua_State) -> c_int {
    // SAFETY: a C function of Lua.
    unsafe {
        ffi::luaL_checktype(state, 1, ffi::LUA_TTABLE);
        ffi::lua_pushinteger(state, ffi::lua_rawlen(state, 1) as i64);
        1
    }
}

/// Lua 5.1's `table.maxn`: the largest positive number among the keys.
pub(crate) unsafe extern "C-unwind" fn maxn(state: *mut lua_State) -> c_int {
    // SAFETY: a C function of Lua.
    unsafe {
        ffi::luaL_checktype(state, 1, ffi::LUA_TTABLE);
        let mut largest = 0.0;
        ffi::lua_pushnil(state);
        while ffi::lua_next(state, 1) != 0 {
            ffi::lua_pop(state, 1);
            if ffi::lua_type(state, -1) == ffi::LUA_TNUMBER {
                largest = f64::max(largest, ffi::lua_tonumber(state, -1));
            }
            charge(state, 4);
        }
        ffi::lua_pushnumber(state, largest);
        1
    }
}
