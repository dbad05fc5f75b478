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

/// Beyond the ends of an array Lua 5.4 raises an error; code for Lua 5.1 expects the item to be put there.
pub(crate) unsafe extern "C-unwind" fn insert(state: *mut lua_State) -> c_int {
    // SAFETY: as above.
    unsafe {
        if ffi::lua_gettop(state) == 3 {
            if let Some((position, length)) = plain_position(state)
                && !(1..=length + 1).contains(&position)
            {
                ffi::lua_seti(state, 1, position);
                return 0;
            }
            charge(state, shifted(state));
        }
        (originals().insert)(state)
    }
}

/// Beyond the ends of an array there is nothing to remove: no error, as in Lua 5.1.
pub(crate) unsafe extern "C-unwind" fn remove(state: *mut lua_State) -> c_int {
    // SAFETY: as above.
    unsafe {
        if ffi::lua_gettop(state) >= 2 {
            if let Some((position, length)) = plain_position(state)
                && position != length
                && !(1..=length + 1).contains(&position)
            {
                ffi::lua_pushnil(state);
                return 1;
            }
            charge(state, shifted(state));
        }
        (originals().remove)(state)
    }
}

/// The whole number at 2 and the length of the table at 1, if it has no metatable that may know better.
unsafe fn plain_position(state: *mut lua_State) -> Option<(i64, i64)> {
    // SAFETY: called from C functions of Lua.
    unsafe {
        if ffi::lua_type(state, 1) != ffi::LUA_TTABLE {
            return None;
        }
        if ffi::lua_getmetatable(state, 1) != 0 {
            ffi::lua_pop(state, 1);
            return None;
        }
        let mut exact = 0;
        let position = ffi::lua_tointegerx(state, 2, &raw mut exact);
        (exact != 0).then(|| (position, ffi::lua_rawlen(state, 1) as i64))
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

/// Lua 5.1's `table.foreach`: calls the function with each key and value until it returns something.
pub(crate) unsafe extern "C-unwind" fn foreach(state: *mut lua_State) -> c_int {
    // SAFETY: a C function of Lua that holds nothing to drop.
    unsafe {
        ffi::luaL_checktype(state, 1, ffi::LUA_TTABLE);
        ffi::luaL_checktype(state, 2, ffi::LUA_TFUNCTION);
        ffi::lua_settop(state, 2);
        ffi::lua_pushnil(state);
        while ffi::lua_next(state, 1) != 0 {
            charge(state, 4);
            ffi::lua_pushvalue(state, 2);
            ffi::lua_pushvalue(state, 3);
            ffi::lua_pushvalue(state, 4);
            ffi::lua_call(state, 2, 1);
            if ffi::lua_type(state, -1) != ffi::LUA_TNIL {
                return 1;
            }
            ffi::lua_settop(state, 3);
        }
        0
    }
}

/// Lua 5.1's `table.foreachi`: the same with the items of an array, in order.
pub(crate) unsafe extern "C-unwind" fn foreachi(state: *mut lua_State) -> c_int {
    // SAFETY: as above.
    unsafe {
        ffi::luaL_checktype(state, 1, ffi::LUA_TTABLE);
        ffi::luaL_checktype(state, 2, ffi::LUA_TFUNCTION);
        ffi::lua_settop(state, 2);
        for index in 1..=ffi::lua_rawlen(state, 1) as i64 {
            charge(state, 4);
            ffi::lua_pushvalue(state, 2);
            ffi::lua_pushinteger(state, index);
            ffi::lua_rawgeti(state, 1, index);
            ffi::lua_call(state, 2, 1);
            if ffi::lua_type(state, -1) != ffi::LUA_TNIL {
                return 1;
            }
            ffi::lua_settop(state, 2);
        }
        0
    }
}
