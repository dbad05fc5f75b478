//! What of the library `os` reaches outside: files, the environment, commands.
//!
//! The functions are there without the grant, too: calling one says which setting grants it.

use std::ffi::c_int;

use mlua::ffi::{self, lua_State};

use super::files::{ask_outside, check_granted, check_room, path_at, push_answer, run};
use super::kernel::{bytes_at, host, push_str, raise_here};
use crate::core::outside::{Grants, HostAnswer, HostCall};

fn granted(grants: &Grants) -> bool {
    grants.os
}

/// `os.remove(path)`: true, or nil and why not.
pub(super) unsafe extern "C-unwind" fn remove(l: *mut lua_State) -> c_int {
    // SAFETY: called by Lua.
    unsafe {
        check_granted(l, "os.remove", "os", granted);
        let path = path_at(l, 1).to_vec();
        ask_outside(l, HostCall::Remove { path });
        push_answer(l, 1)
    }
}

/// `os.rename(from, to)`: true, or nil and why not.
pub(super) unsafe extern "C-unwind" fn rename(l: *mut lua_State) -> c_int {
    // SAFETY: called by Lua; copies are made when nothing raises any more.
    unsafe {
        check_granted(l, "os.rename", "os", granted);
        let (from, to) = (path_at(l, 1), path_at(l, 2));
        let (from, to) = (from.to_vec(), to.to_vec());
        ask_outside(l, HostCall::Rename { from, to });
        push_answer(l, 1)
    }
}

/// `os.tmpname()`: the name of a new file in the first directory that may be written.
pub(super) unsafe extern "C-unwind" fn tmpname(l: *mut lua_State) -> c_int {
    // SAFETY: called by Lua; what went wrong is the host's text, which outlives the jump.
    unsafe {
        check_granted(l, "os.tmpname", "os", granted);
        ffi::lua_settop(l, 0);
        check_room(l);
        ask_outside(l, HostCall::TempName);
        if let Some(HostAnswer::Failed { text, .. }) = host().answer() {
            raise_here(l, format!("os.tmpname: {text}"));
        }
        push_answer(l, 0)
    }
}

/// `os.getenv(name)`: a text or nil.
pub(super) unsafe extern "C-unwind" fn getenv(l: *mut lua_State) -> c_int {
    // SAFETY: called by Lua.
    unsafe {
        check_granted(l, "os.getenv", "os", granted);
        let name = path_at(l, 1).to_vec();
        ask_outside(l, HostCall::Environment { name });
        push_answer(l, 0);
        1
    }
}

/// `os.execute([command])`: as in Lua, true or nil, "exit" or "signal", and a number. There is one
/// thread for all sessions, so that everybody waits.
pub(super) unsafe extern "C-unwind" fn execute(l: *mut lua_State) -> c_int {
    // SAFETY: called by Lua; the answer is on the stack.
    unsafe {
        check_granted(l, "os.execute", "blocking", |grants| grants.blocking);
        if ffi::lua_type(l, 1) <= ffi::LUA_TNIL {
            ffi::lua_pushboolean(l, 1);
            return 1;
        }
        // Where `run` looks for them: behind what it is asked.
        ffi::lua_settop(l, 1);
        ffi::lua_pushvalue(l, 1);
        push_str(l, "");
        run(l);
        finish(l)
    }
}

/// From output (or nil), "exit" or "signal" (or a message) and a number on top to what Lua returns.
unsafe fn finish(l: *mut lua_State) -> c_int {
    // SAFETY: as for `execute`.
    unsafe {
        let ran = ffi::lua_type(l, -3) == ffi::LUA_TSTRING;
        let exited = bytes_at(l, -2) == Some(b"exit");
        if ran && exited && ffi::lua_tointeger(l, -1) == 0 {
            ffi::lua_pushboolean(l, 1);
        } else {
            ffi::lua_pushnil(l);
        }
        ffi::lua_replace(l, -4);
        3
    }
}
