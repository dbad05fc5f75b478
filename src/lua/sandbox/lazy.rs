//! The metatable of library tables that begin empty.

use std::ffi::{c_char, c_int};

use mlua::ffi::{self, lua_State};

use super::{Library, prepared, push};
use crate::lua::determinism::heap_of;

/// The library whose table is at index 1.
unsafe fn library_at_1(state: *mut lua_State) -> Option<&'static Library> {
    // SAFETY: called from C functions of Lua.
    unsafe {
        let table = ffi::lua_topointer(state, 1) as usize;
        let tables = &(*heap_of(state)?.as_ptr()).local.libraries;
        let index = tables
            .iter()
            .position(|library| *library == table && table != 0)?;
        prepared().lazy.get(index)
    }
}

/// `__index` of the metatable: fills in what is asked for.
pub(super) unsafe extern "C-unwind" fn lazy_index(state: *mut lua_State) -> c_int {
    // SAFETY: a C function of Lua that holds nothing to drop.
    unsafe {
        if ffi::lua_type(state, 2) != ffi::LUA_TSTRING {
            return 0;
        }
        let Some(library) = library_at_1(state) else {
            return 0;
        };
        let mut length = 0;
        let name = ffi::lua_tolstring(state, 2, &raw mut length);
        let name = std::slice::from_raw_parts(name.cast::<u8>(), length);
        let Some(item) = library.items.get(name) else {
            return 0;
        };
        ffi::lua_settop(state, 2);
        push(state, *item);
        ffi::lua_pushvalue(state, 2);
        ffi::lua_pushvalue(state, 3);
        ffi::lua_rawset(state, 1);
        1
    }
}

/// `__pairs` of it: fills in the rest first.
pub(super) unsafe extern "C-unwind" fn lazy_pairs(state: *mut lua_State) -> c_int {
    // SAFETY: as above. What the session has set itself stays.
    unsafe {
        ffi::lua_settop(state, 1);
        if let Some(library) = library_at_1(state) {
            for (name, item) in &library.items {
                ffi::lua_pushlstring(state, name.as_ptr().cast::<c_char>(), name.len());
                ffi::lua_pushvalue(state, -1);
                if ffi::lua_rawget(state, 1) == ffi::LUA_TNIL {
                    ffi::lua_pushvalue(state, -2);
                    push(state, *item);
                    ffi::lua_rawset(state, 1);
                }
                ffi::lua_settop(state, 1);
            }
        }
        ffi::lua_getglobal(state, c"next".as_ptr());
        ffi::lua_pushvalue(state, 1);
        2
    }
}
