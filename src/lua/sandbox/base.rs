//! Global functions that differ from Lua's own.

use crate::lua::budget::charge;
use crate::lua::sandbox::originals;
use mlua::ffi::{self, lua_Debug, lua_State};
use std::mem::MaybeUninit;
use std::os::raw::{c_char, c_int, c_void};
use std::ptr;

/// Where a reader function's pieces stay while Lua parses them.
const PIECE: c_int = 5;

pub(crate) unsafe extern "C-unwind" fn setmetatable(state: *mut lua_State) -> c_int {
    // SAFETY: a C function of Lua; as luaB_setmetatable.
    unsafe {
        let kind = ffi::lua_type(state, 2);
        ffi::luaL_checktype(state, 1, ffi::LUA_TTABLE);
        if kind != ffi::LUA_TNIL && kind != ffi::LUA_TTABLE {
            return ffi::luaL_argerror(state, 2, c"nil or table expected".as_ptr());
        }
        if kind == ffi::LUA_TTABLE {
            refuse_field(state, c"__gc".as_ptr());
            refuse_field(state, c"__close".as_ptr());
        }
        if ffi::luaL_getmetafield(state, 1, c"__metatable".as_ptr()) != ffi::LUA_TNIL {
            return ffi::luaL_error(state, c"cannot change a protected metatable".as_ptr());
        }
        ffi::lua_settop(state, 2);
        ffi::lua_setmetatable(state, 1);
        1
    }
}

/// Raises an error if the table at 2 has the field.
unsafe fn refuse_field(state: *mut lua_State, name: *const c_char) {
    // SAFETY: called from C functions of Lua.
    unsafe {
        ffi::lua_pushstring(state, name);
        if ffi::lua_rawget(state, 2) != ffi::LUA_TNIL {
            let text = c"setmetatable: '%s' is not available in a session; release things when they are no longer needed";
            ffi::luaL_error(state, text.as_ptr(), name);
        }
        ffi::lua_pop(state, 1);
    }
}

pub(crate) unsafe extern "C-unwind" fn tonumber(state: *mut lua_State) -> c_int {
    // SAFETY: a C function of Lua, and the original is one.
    unsafe {
        if ffi::lua_type(state, 2) == ffi::LUA_TNUMBER
            && ffi::lua_type(state, 1) == ffi::LUA_TSTRING
        {
            charge(state, ffi::lua_rawlen(state, 1) as u64 / 8);
        }
        (originals().tonumber)(state)
    }
}

/// What handlers of `xpcall` are given; the rest of the debug library is not for sessions.
pub(crate) unsafe extern "C-unwind" fn debug_traceback(state: *mut lua_State) -> c_int {
    /// About two dozen lines at most, each found and formatted in C.
    const COST: u64 = 600;
    // SAFETY: a C function of Lua, and the original is one.
    unsafe {
        let length = if ffi::lua_type(state, 1) == ffi::LUA_TSTRING {
            ffi::lua_rawlen(state, 1) as u64
        } else {
            0
        };
        charge(state, COST + length / 16);
        (originals().traceback)(state)
    }
}

/// Only "count" does something: collection runs by itself, alike in every process.
pub(crate) unsafe extern "C-unwind" fn collectgarbage(state: *mut lua_State) -> c_int {
    let options = [
        c"collect",
        c"stop",
        c"restart",
        c"count",
        c"step",
        c"setpause",
        c"setstepmul",
        c"isrunning",
        c"generational",
        c"incremental",
    ];
    let mut list = [ptr::null(); 11];
    for (place, option) in list.iter_mut().zip(options) {
        *place = option.as_ptr();
    }
    // SAFETY: a C function of Lua; the list ends with null.
    unsafe {
        let option = ffi::luaL_checkoption(state, 1, c"collect".as_ptr(), list.as_ptr());
        if option == 3 {
            let kib = ffi::lua_gc(state, ffi::LUA_GCCOUNT);
            let rest = ffi::lua_gc(state, ffi::LUA_GCCOUNTB);
            ffi::lua_pushnumber(state, f64::from(kib) + f64::from(rest) / 1024.0);
        } else {
            ffi::lua_pushinteger(state, 0);
        }
        1
    }
}

/// `load` and `loadstring`: text only.
pub(crate) unsafe extern "C-unwind" fn load(state: *mut lua_State) -> c_int {
    // SAFETY: a C function of Lua; as luaB_load.
    unsafe {
        let mut length = 0;
        let has_environment = ffi::lua_isnone(state, 4) == 0;
        let status = if ffi::lua_isstring(state, 1) != 0 {
            let text = ffi::lua_tolstring(state, 1, &raw mut length);
            charge(state, length as u64 / 2);
            let name = ffi::luaL_optstring(state, 2, text);
            ffi::luaL_loadbufferx(state, text, length, name, c"t".as_ptr())
        } else {
            let name = ffi::luaL_optstring(state, 2, c"=(load)".as_ptr());
            ffi::luaL_checktype(state, 1, ffi::LUA_TFUNCTION);
            ffi::lua_settop(state, PIECE);
            ffi::lua_load(state, read_piece, ptr::null_mut(), name, c"t".as_ptr())
        };
        charge(state, 0);
        if status != ffi::LUA_OK {
            ffi::lua_pushnil(state);
            ffi::lua_insert(state, -2);
            return 2;
        }
        if has_environment {
            ffi::lua_pushvalue(state, 4);
            if ffi::lua_setupvalue(state, -2, 1).is_null() {
                ffi::lua_pop(state, 1);
            }
        }
        1
    }
}

/// Reads a chunk by calling the function at 1.
unsafe extern "C-unwind" fn read_piece(
    state: *mut lua_State,
    _: *mut c_void,
    size: *mut usize,
) -> *const c_char {
    // SAFETY: Lua calls this while `load` runs, with its stack; as generic_reader.
    unsafe {
        ffi::luaL_checkstack(state, 2, c"too many nested functions".as_ptr());
        ffi::lua_pushvalue(state, 1);
        ffi::lua_call(state, 0, 1);
        if ffi::lua_type(state, -1) == ffi::LUA_TNIL {
            ffi::lua_pop(state, 1);
            *size = 0;
            return ptr::null();
        }
        if ffi::lua_isstring(state, -1) == 0 {
            ffi::luaL_error(state, c"reader function must return a string".as_ptr());
        }
        ffi::lua_replace(state, PIECE);
        let text = ffi::lua_tolstring(state, PIECE, size);
        charge(state, *size as u64 / 2 + 4);
        text
    }
}

/// Pushes the function that an argument of `setfenv` and `getfenv` means: itself, or a call level.
unsafe fn push_function(state: *mut lua_State) {
    // SAFETY: called from C functions of Lua; `info` is written before it is used.
    unsafe {
        if ffi::lua_type(state, 1) == ffi::LUA_TFUNCTION {
            ffi::lua_pushvalue(state, 1);
            return;
        }
        let level = ffi::luaL_optinteger(state, 1, 1);
        let mut info = MaybeUninit::<lua_Debug>::zeroed();
        let level = c_int::try_from(level).unwrap_or(-1);
        if level < 1 || ffi::lua_getstack(state, level, info.as_mut_ptr()) == 0 {
            ffi::luaL_argerror(state, 1, c"invalid level".as_ptr());
        }
        // The levels are counted from the top.
        charge(state, level.unsigned_abs() as u64 / 4);
        ffi::lua_getinfo(state, c"f".as_ptr(), info.as_mut_ptr());
    }
}

/// The number of the upvalue `_ENV` of the function on top; 0: none.
unsafe fn environment_of_top(state: *mut lua_State) -> c_int {
    // SAFETY: called from C functions of Lua.
    unsafe {
        if ffi::lua_iscfunction(state, -1) != 0 {
            return 0;
        }
        for number in 1..=255 {
            let name = ffi::lua_getupvalue(state, -1, number);
            charge(state, 2);
            if name.is_null() {
                return 0;
            }
            ffi::lua_pop(state, 1);
            if std::ffi::CStr::from_ptr(name) == c"_ENV" {
                return number;
            }
        }
        0
    }
}

/// As in Lua 5.1, for functions that use globals: their `_ENV` becomes the table.
pub(crate) unsafe extern "C-unwind" fn setfenv(state: *mut lua_State) -> c_int {
    // SAFETY: a C function of Lua.
    unsafe {
        ffi::luaL_checktype(state, 2, ffi::LUA_TTABLE);
        ffi::lua_settop(state, 2);
        push_function(state);
        let number = environment_of_top(state);
        if number > 0 {
            // A new function has an `_ENV` of its own, which the other then shares.
            if ffi::luaL_loadbufferx(state, c"".as_ptr(), 0, c"=setfenv".as_ptr(), c"t".as_ptr())
                != ffi::LUA_OK
            {
                ffi::lua_error(state);
            }
            ffi::lua_pushvalue(state, 2);
            ffi::lua_setupvalue(state, -2, 1);
            ffi::lua_upvaluejoin(state, 3, number, 4, 1);
            ffi::lua_settop(state, 3);
        }
        1
    }
}

pub(crate) unsafe extern "C-unwind" fn getfenv(state: *mut lua_State) -> c_int {
    // SAFETY: a C function of Lua.
    unsafe {
        if ffi::lua_type(state, 1) == ffi::LUA_TNUMBER && ffi::lua_tointeger(state, 1) == 0 {
            ffi::lua_pushglobaltable(state);
            return 1;
        }
        push_function(state);
        match environment_of_top(state) {
            0 => {
                ffi::lua_pushglobaltable(state);
            }
            number => {
                ffi::lua_getupvalue(state, -1, number);
            }
        }
        1
    }
}
