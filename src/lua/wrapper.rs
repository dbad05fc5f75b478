//! Wrappers: presenters that stand between a value and what is shown of it.

use std::ffi::{CStr, c_int};

use mlua::ffi::{self, lua_State};

use super::cell::Seen;
use super::encode::is_array;
use super::kernel::{Kernel, VALUES, bytes_at, host, push_ref, push_str, raise};
use super::objects::Held;
use super::read::{NEW, notice, push_aux, raw_key, remember, set_aux, type_of, value_key};
use super::{handle, modules};
use crate::core::script::ErrorCode;
use crate::core::variable::Slot;

/// With the value read at `NEW`: makes or syncs the wrapper if the value differs, and reports what
/// is presented.
///
/// # Safety
/// Inside a detection pass of this kernel; `slot` has a cell with a wrapper.
pub(super) unsafe fn present(l: *mut lua_State, k: *mut Kernel, slot: Slot) {
    // SAFETY: see `read::detect_op`. The cell's wrapper name is copied before Lua runs.
    unsafe {
        if is_item(l, k) || nothing_to_wrap(l, k, slot) {
            // Items of a list are presented by the list; base clients ask for wrappers all the same.
            ffi::lua_settop(l, NEW);
            ffi::lua_rawgeti(l, VALUES, value_key(slot));
            return notice(l, k, slot);
        }
        let differs = if checks_itself(l, k, slot) {
            wrapper_differs(l, slot)
        } else {
            raw_differs(l, k, slot)
        };
        if !differs && (&(*k).cells)[slot as usize].failed.is_none() {
            return;
        }
        let mut quiet = false;
        ffi::lua_settop(l, NEW);
        ffi::lua_pushvalue(l, NEW);
        set_aux(l, k, raw_key(slot));
        ffi::lua_rawgeti(l, VALUES, value_key(slot));
        if ffi::lua_type(l, NEW) == ffi::LUA_TNIL {
            call_if_there(l, c"destroy", 0);
        } else if ffi::lua_type(l, -1) == ffi::LUA_TNIL {
            make(l, k, slot);
        } else {
            ffi::lua_pushvalue(l, NEW);
            ffi::lua_setfield(l, -2, c"value".as_ptr());
            if call_if_there(l, c"sync", 1) {
                quiet = ffi::lua_type(l, -1) == ffi::LUA_TBOOLEAN && ffi::lua_toboolean(l, -1) == 0;
                ffi::lua_settop(l, -2);
                ffi::lua_copy(l, -1, NEW);
            } else {
                make(l, k, slot);
            }
        }
        // Only now: a wrapper that raises would go round after round. One whose sync() returns false
        // says that nothing read before it is old now.
        if !quiet && may_change_others(k, slot) {
            (*(*k).call.changes).again = true;
        }
        ffi::lua_settop(l, NEW);
        ffi::lua_rawgeti(l, VALUES, value_key(slot));
        notice(l, k, slot);
    }
}

/// Whether what was read before the wrapper may be old now. A view list changes nothing but itself, but its
/// presenters' constructors may. It asks for one more round, not for more: a method that makes its elements anew
/// with every read would never come to rest.
unsafe fn may_change_others(k: *mut Kernel, slot: Slot) -> bool {
    // SAFETY: see `present`; no Lua code runs here.
    unsafe {
        let Some(wrapped) = &mut (&mut (*k).cells)[slot as usize].wrapped else {
            return false;
        };
        if &*wrapped.type_name != "lua.ViewList" {
            return true;
        }
        let has_presenters = host().vars.get(slot).is_some_and(|v| {
            v.properties.get("itemWrapper").is_some() || v.properties.get("item").is_some()
        });
        let asked = std::mem::replace(&mut wrapped.asked_in, (*k).detection) == (*k).detection;
        has_presenters && !asked
    }
}

/// Whether there is no value now and none was wrapped before.
unsafe fn nothing_to_wrap(l: *mut lua_State, k: *mut Kernel, slot: Slot) -> bool {
    // SAFETY: see `present`.
    unsafe {
        if ffi::lua_type(l, NEW) != ffi::LUA_TNIL {
            return false;
        }
        push_aux(l, k, raw_key(slot));
        let nothing = ffi::lua_type(l, -1) == ffi::LUA_TNIL;
        ffi::lua_settop(l, NEW);
        nothing
    }
}

/// Whether the value at `NEW` is an item of a view list.
unsafe fn is_item(l: *mut lua_State, k: *mut Kernel) -> bool {
    // SAFETY: see `present`.
    unsafe {
        if ffi::lua_getmetatable(l, NEW) == 0 {
            return false;
        }
        push_ref(l, (*k).tables.registered);
        push_str(l, "lua.ViewListItem");
        ffi::lua_rawget(l, -2);
        let item = ffi::lua_rawequal(l, -1, -3) != 0;
        ffi::lua_settop(l, NEW);
        item
    }
}

/// Whether the wrapper looks for differences itself, as a windowed list does: then what it wraps is
/// neither compared nor numbered, however long it is.
unsafe fn checks_itself(l: *mut lua_State, k: *mut Kernel, slot: Slot) -> bool {
    // SAFETY: see `present`.
    unsafe {
        let wrapped = &(&(*k).cells)[slot as usize].wrapped;
        ffi::lua_type(l, NEW) == ffi::LUA_TTABLE && wrapped.as_ref().is_some_and(|w| w.windowed)
    }
}

/// What such a wrapper says; without one there is something to wrap.
unsafe fn wrapper_differs(l: *mut lua_State, slot: Slot) -> bool {
    // SAFETY: see `present`.
    unsafe {
        ffi::lua_rawgeti(l, VALUES, value_key(slot));
        if ffi::lua_type(l, -1) != ffi::LUA_TTABLE
            || ffi::lua_getfield(l, -1, c"_differs".as_ptr()) != ffi::LUA_TFUNCTION
        {
            return true;
        }
        ffi::lua_rotate(l, -2, 1);
        ffi::lua_pushvalue(l, NEW);
        ffi::lua_callk(l, 2, 1, 0, None);
        ffi::lua_toboolean(l, -1) != 0
    }
}

/// Whether the wrapped value at `NEW` differs from last time.
unsafe fn raw_differs(l: *mut lua_State, k: *mut Kernel, slot: Slot) -> bool {
    // SAFETY: see `present`.
    unsafe {
        push_aux(l, k, raw_key(slot));
        let same = ffi::lua_rawequal(l, NEW, -1) != 0;
        let table = ffi::lua_type(l, NEW) == ffi::LUA_TTABLE;
        let seen: *const Seen = match &(&(*k).cells)[slot as usize].wrapped {
            Some(wrapped) => &raw const wrapped.raw,
            None => return false,
        };
        let type_name = match table {
            true => type_of(l, k, NEW, (*seen).type_name),
            false => None,
        };
        // What is wrapped may well be a list without elements, made anew with every read.
        let array = table && type_name.is_none() && (is_array(l, NEW) || is_empty(l));
        match &(*seen).held {
            Held::Array(shown) if array && same && shown.has_same_objects(l, NEW) => return false,
            // An array that lost its last element is an ordinary table from now on.
            Held::Array(_) => {}
            _ if same && !array => return false,
            _ => {}
        }
        let differs = remember(l, k, NEW, array, type_name, |k| {
            let cell = &raw mut (&mut (*k).cells)[slot as usize];
            match &mut (*cell).wrapped {
                Some(wrapped) => &raw mut wrapped.raw,
                // Wrappers are never taken off a cell that lives.
                None => &raw mut (*cell).seen,
            }
        });
        differs.value || (!same && !array)
    }
}

/// Whether the table at `NEW` has nothing in it.
unsafe fn is_empty(l: *mut lua_State) -> bool {
    // SAFETY: see `present`.
    unsafe {
        ffi::lua_pushnil(l);
        if ffi::lua_next(l, NEW) == 0 {
            return true;
        }
        ffi::lua_settop(l, -3);
        false
    }
}

/// Calls `T:new(variable)` and puts what it returns at `NEW`.
unsafe fn make(l: *mut lua_State, k: *mut Kernel, slot: Slot) {
    // SAFETY: see `present`.
    unsafe {
        let Some(wrapped) = &(&(*k).cells)[slot as usize].wrapped else {
            return;
        };
        let name: *const str = &raw const *wrapped.type_name;
        push_type(l, k, &*name);
        if ffi::lua_getfield(l, -1, c"new".as_ptr()) != ffi::LUA_TFUNCTION {
            let message = format!("wrapper {} has no function new(self, variable)", &*name);
            raise(l, ErrorCode::LuaError, message);
        }
        ffi::lua_rotate(l, -2, 1);
        handle::push(l, k, slot);
        ffi::lua_callk(l, 2, 1, 0, None);
        if ffi::lua_type(l, -1) == ffi::LUA_TNIL {
            let message = format!("wrapper {0}: {0}:new(variable) returned nil", &*name);
            raise(l, ErrorCode::LuaError, message);
        }
        ffi::lua_copy(l, -1, NEW);
    }
}

/// Calls a method of the object on top if it is there. Leaves the object on top, and above it so many
/// results.
unsafe fn call_if_there(l: *mut lua_State, name: &CStr, results: c_int) -> bool {
    // SAFETY: see `present`.
    unsafe {
        if ffi::lua_type(l, -1) != ffi::LUA_TTABLE
            || ffi::lua_getfield(l, -1, name.as_ptr()) == ffi::LUA_TNIL
        {
            return false;
        }
        ffi::lua_pushvalue(l, -2);
        ffi::lua_callk(l, 1, results, 0, None);
        true
    }
}

/// Pushes the type with this name: registered or a prototype, built in, or a global.
///
/// # Safety
/// Inside a protected call of this kernel; library code may run.
pub(super) unsafe fn push_type(l: *mut lua_State, k: *mut Kernel, name: &str) {
    // SAFETY: as promised by the caller.
    unsafe {
        push_ref(l, (*k).tables.registered);
        push_str(l, name);
        ffi::lua_rawget(l, -2);
        if ffi::lua_type(l, -1) == ffi::LUA_TNIL && name.starts_with("lua.ViewList") {
            ffi::lua_settop(l, -3);
            modules::load_library(l, k, "viewlist");
            push_ref(l, (*k).tables.registered);
            push_str(l, name);
            ffi::lua_rawget(l, -2);
        }
        if ffi::lua_type(l, -1) == ffi::LUA_TNIL {
            ffi::lua_settop(l, -2);
            ffi::lua_rawgeti(l, ffi::LUA_REGISTRYINDEX, ffi::LUA_RIDX_GLOBALS);
            for part in name.split('.') {
                push_str(l, part);
                ffi::lua_rawget(l, -2);
                ffi::lua_rotate(l, -2, -1);
                ffi::lua_settop(l, -2);
                if ffi::lua_type(l, -1) != ffi::LUA_TTABLE {
                    break;
                }
            }
        }
        ffi::lua_rotate(l, -2, -1);
        ffi::lua_settop(l, -2);
        if ffi::lua_type(l, -1) != ffi::LUA_TTABLE {
            let message = format!(
                "there is no type {name}: register it with ui.registerWrapper or \
                 ui.registerPresenter, make a prototype of that name, or set a global"
            );
            raise(l, ErrorCode::PathFailure, message);
        }
    }
}

/// Makes what `create=T` asks for, `T:new()`, and keeps it as what the variable holds.
///
/// # Safety
/// Inside a protected call of this kernel; the stack is the caller's to lose, and Lua code runs.
pub(super) unsafe fn create(l: *mut lua_State, k: *mut Kernel, slot: Slot) {
    // SAFETY: see `read::detect_op`. The name lives on Lua's stack: a constructor may raise, or make
    // variables of its own.
    unsafe {
        (*k).push_tables(l);
        let name = host()
            .vars
            .get(slot)
            .and_then(|v| v.properties.get("create"));
        let name: *const str = name.unwrap_or("");
        push_str(l, &*name);
        let name = std::str::from_utf8(bytes_at(l, -1).unwrap_or_default()).unwrap_or("");
        push_type(l, k, name);
        if ffi::lua_getfield(l, -1, c"new".as_ptr()) != ffi::LUA_TFUNCTION {
            let message = format!("create={name}: the type has no function new(self)");
            raise(l, ErrorCode::LuaError, message);
        }
        ffi::lua_rotate(l, -2, 1);
        ffi::lua_callk(l, 1, 1, 0, None);
        set_aux(l, k, super::read::held_key(slot));
    }
}
