//! `session:registerVariable`: variables that paths reach from anywhere as `@name`.

use std::ffi::c_int;

use mlua::ffi::{self, lua_State};

use super::cell::Source;
use super::handle::{argument, push, showing};
use super::kernel::{bytes_at, current, host, pay, raise, raise_here};
use super::read::{held_key, set_aux};
use super::{api, bind};
use crate::core::path::{Path, Start};
use crate::core::property::Properties;
use crate::core::script::ErrorCode;
use crate::core::variable::{Access, Slot};

/// `session:registerVariable(name, variable)`: an id, a handle, or a table, for which a variable is
/// made if none of the app's shows it. nil takes the name away. Returns the variable's handle.
pub(super) unsafe extern "C-unwind" fn register_variable(l: *mut lua_State) -> c_int {
    // SAFETY: called by Lua.
    unsafe {
        ffi::luaL_checklstring(l, 2, std::ptr::null_mut());
        ffi::lua_settop(l, 3);
        pay(l, bytes_at(l, 2).map_or(0, <[u8]>::len));
        if !is_name(bytes_at(l, 2).unwrap_or_default()) {
            let text = "registerVariable: the name must be one word without dots, as in \"user\" for @user.name";
            raise_here(l, text.into());
        }
        if ffi::lua_type(l, 3) == ffi::LUA_TNIL {
            host().vars.unregister(name(l));
            return 0;
        }
        let most = host().limits.subscriptions;
        if host().vars.named(name(l)).is_none() && host().vars.names_len() >= most {
            let message =
                format!("this session has {most} registered variables, the most it may have");
            raise(l, ErrorCode::Limit, message);
        }
        let table = ffi::lua_type(l, 3) == ffi::LUA_TTABLE;
        let known = match table {
            // Those of a view go when it goes: a page that is closed must not take the name along.
            true => showing(l, 3, |variable| variable.view.is_none()),
            false => argument(l, 3),
        };
        let slot = match known {
            Some(slot) => slot,
            None if table => make(l),
            None => raise_here(
                l,
                "registerVariable: no such variable; give its id, its handle or a table".into(),
            ),
        };
        let own = known.is_none();
        host().vars.register(name(l), slot, own);
        push(l, current(), slot);
        1
    }
}

unsafe fn name<'a>(l: *mut lua_State) -> &'a str {
    // SAFETY: as for its caller; the name stays on the stack.
    unsafe { std::str::from_utf8(bytes_at(l, 2).unwrap_or_default()).unwrap_or("") }
}

/// Whether a path could start with `@` and this.
fn is_name(text: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(text) else {
        return false;
    };
    let path = Path::parse(&format!("@{text}"));
    path.is_ok_and(|path| path.segments.is_empty() && path.start == Start::Named(text.into()))
}

/// Makes a variable of the server that holds the table at index 3, below no other.
unsafe fn make(l: *mut lua_State) -> Slot {
    // SAFETY: as for its caller.
    unsafe {
        let slot = api::make_server_variable(l, None, Access::Read, Properties::default());
        ffi::lua_pushvalue(l, 3);
        set_aux(l, current(), held_key(slot));
        bind::finish(l, current(), slot, Some(Source::Held));
        slot
    }
}
