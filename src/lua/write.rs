//! Writing through paths, calling actions, and values that come in.

use std::ffi::c_int;

use mlua::ffi::{self, lua_State};
use serde_json::Value;

use super::cell::{Cell, Source};
use super::encode::is_array;
use super::kernel::{KEYS, Kernel, MESSAGE_MAX, VALUES, bytes_at, current, pay, push_str, raise};
use super::read::{
    cell_of, held_key, push_origin_now, raw_key, remember, set_aux, type_of, value_key,
};
use super::route::{Special, Step, Written, follow, negate, push_call, push_method, special_of};
use crate::core::script::ErrorCode;
use crate::core::variable::Slot;

/// Stack index of the value to write.
const VALUE: c_int = 3;

/// Writes `call.incoming` through the path of `call.slot`, or calls it if it is an action.
///
/// # Safety
/// Called by Lua under [`Kernel::enter`].
pub(super) unsafe extern "C-unwind" fn write_op(l: *mut lua_State) -> c_int {
    // SAFETY: see `read::detect_op`.
    unsafe {
        let k = current();
        (*k).push_tables(l);
        push_incoming(l, k);
        let slot = (*k).call.slot;
        // Others see a shared variable, too: core tells those who did not write it.
        let own = (*(*k).host)
            .vars
            .get(slot)
            .is_some_and(|v| v.view.is_some());
        write_value(l, k, slot, own);
        0
    }
}

/// Writes the value at stack index 3. With `told`, the writer knows the value and is not told it
/// again.
///
/// # Safety
/// Inside a protected call of this kernel, with the kernel's tables at their places.
pub(super) unsafe fn write_value(l: *mut lua_State, k: *mut Kernel, slot: Slot, told: bool) {
    // SAFETY: see `read::detect_op`.
    unsafe {
        let Some(cell) = cell_of(k, slot) else {
            return;
        };
        let special = special_of(&(*cell).special);
        let Some(last) = (*cell).last else {
            if !matches!((*cell).source, Source::Held) {
                refuse_object(l, k, slot);
            }
            ffi::lua_pushvalue(l, VALUE);
            set_aux(l, k, held_key(slot));
            if told {
                keep_written(l, k, slot);
            }
            return;
        };
        let action = (*cell).action;
        let call = match last {
            Step::CallWith(at) => Some(&raw const (&(*special).calls)[at as usize]),
            _ => None,
        };
        let takes_written = call.is_some_and(|call| (*call).takes_written);
        // An action is only called; the value goes to it where its path says so.
        let written = push_written(l, k, slot, special, !action || takes_written);
        let prefix: Option<*const [Step]> = (*cell).prefix.as_deref().map(|p| &raw const *p);
        push_origin_now(l, k, (*cell).origin);
        if let Some(prefix) = prefix {
            for i in 0..prefix.len() {
                refuse_nil(l, k, slot);
                follow(l, k, (&(*prefix))[i], special);
            }
        }
        refuse_nil(l, k, slot);
        match last {
            Step::Field(key) => {
                ffi::lua_rawgeti(l, KEYS, key.into());
                ffi::lua_pushvalue(l, written);
                ffi::lua_settable(l, -3);
            }
            Step::Index(index) => {
                ffi::lua_pushvalue(l, written);
                ffi::lua_seti(l, -2, i64::from(index) + 1);
            }
            Step::Call(key) => {
                push_method(l, k, key);
                ffi::lua_rotate(l, -2, 1);
                call_method(l, k, 1, (!action).then_some(written));
            }
            Step::CallWith(_) => {
                let call = call.unwrap_or(std::ptr::null());
                let count = push_call(l, k, call, Written::At(written));
                let last = (!action && !takes_written).then_some(written);
                call_method(l, k, count, last);
            }
        }
        let as_read = (*k).call.incoming.as_ref().is_none_or(reads_back_the_same);
        if told && as_read && !action && !takes_written {
            keep_written(l, k, slot);
        }
    }
}

/// Where on the stack the value is that goes to the object: what was written, or its opposite if the
/// path is negated.
unsafe fn push_written(
    l: *mut lua_State,
    k: *mut Kernel,
    slot: Slot,
    special: *const Special,
    used: bool,
) -> c_int {
    // SAFETY: see `read::detect_op`.
    unsafe {
        if special.is_null() || !(*special).not || !used {
            return VALUE;
        }
        if ffi::lua_type(l, VALUE) != ffi::LUA_TBOOLEAN {
            let path = path_of(k, slot);
            let message = format!("path \"{path}\" takes true or false, since it is negated");
            raise(l, ErrorCode::Invalid, message);
        }
        ffi::lua_pushvalue(l, VALUE);
        negate(l, special);
        ffi::lua_gettop(l)
    }
}

unsafe fn path_of<'a>(k: *mut Kernel, slot: Slot) -> &'a str {
    // SAFETY: see `read::detect_op`; properties stay while nothing of Lua runs.
    unsafe {
        let variable = (*(*k).host).vars.get(slot);
        let path = variable.and_then(|v| v.properties.get("path"));
        path.unwrap_or("")
    }
}

/// A path without a name leads to an object as a whole.
unsafe fn refuse_object(l: *mut lua_State, k: *mut Kernel, slot: Slot) -> ! {
    // SAFETY: see `read::detect_op`.
    unsafe {
        let path = path_of(k, slot);
        let message = format!(
            "path \"{path}\" names no field: the object itself cannot be replaced, only what is in it"
        );
        raise(l, ErrorCode::BadAccess, message)
    }
}

/// Whether a value that came in is told the same way when it is read: objects become references.
fn reads_back_the_same(value: &Value) -> bool {
    match value {
        Value::Object(fields) => fields.len() == 1 && fields.contains_key("obj"),
        Value::Array(items) => !items.is_empty() && items.iter().all(reads_back_the_same),
        _ => true,
    }
}

/// A nil on the way of a write is an error.
unsafe fn refuse_nil(l: *mut lua_State, k: *mut Kernel, slot: Slot) {
    // SAFETY: see `read::detect_op`.
    unsafe {
        if ffi::lua_type(l, -1) != ffi::LUA_TNIL {
            return;
        }
        let path = path_of(k, slot);
        let message = format!("path \"{path}\" leads through nil: there is nothing to write to");
        raise(l, ErrorCode::PathFailure, message);
    }
}

/// Calls the method below the `count` arguments on top, with one more if there is a value to write.
/// `nil, "text"` refuses what was given.
unsafe fn call_method(l: *mut lua_State, k: *mut Kernel, count: c_int, written: Option<c_int>) {
    // SAFETY: see `read::detect_op`.
    unsafe {
        if let Some(index) = written {
            ffi::lua_pushvalue(l, index);
        }
        ffi::lua_callk(l, count + c_int::from(written.is_some()), 2, 0, None);
        if ffi::lua_type(l, -2) != ffi::LUA_TNIL {
            return;
        }
        match ffi::lua_type(l, -1) {
            ffi::LUA_TTABLE => raise_fields(l, k),
            ffi::LUA_TSTRING => {
                let text = bytes_at(l, -1).unwrap_or_default();
                let message = String::from_utf8_lossy(text).into_owned();
                raise(l, ErrorCode::Invalid, message);
            }
            _ => {}
        }
    }
}

/// Raises what a method refused, field by field: the table on top.
unsafe fn raise_fields(l: *mut lua_State, k: *mut Kernel) -> ! {
    // SAFETY: as for `call_method`; the texts are kept in the kernel, which outlives the jump.
    unsafe {
        let table = ffi::lua_gettop(l);
        super::ui::push_names(l, table);
        for i in 1..=ffi::lua_rawlen(l, -1) {
            ffi::lua_rawgeti(l, table + 1, i as i64);
            ffi::lua_pushvalue(l, -1);
            ffi::lua_rawget(l, table);
            if let (Some(name), Some(text)) = (bytes_at(l, -2), bytes_at(l, -1)) {
                // As for errors: the same long text may be given for thousands of fields.
                let name = &name[..name.len().min(MESSAGE_MAX)];
                let text = &text[..text.len().min(MESSAGE_MAX)];
                pay(l, 16 * (name.len() + text.len()));
                let name = String::from_utf8_lossy(name).into();
                let text = String::from_utf8_lossy(text).into();
                (*k).fields.push((name, text));
            }
            ffi::lua_settop(l, table + 1);
        }
        raise(l, ErrorCode::Invalid, String::new())
    }
}

/// What a client wrote counts as told, so that it is not echoed unless reading gives something else.
unsafe fn keep_written(l: *mut lua_State, k: *mut Kernel, slot: Slot) {
    // SAFETY: see `read::detect_op`.
    unsafe {
        let table = ffi::lua_type(l, VALUE) == ffi::LUA_TTABLE;
        let type_name = if table {
            type_of(l, k, VALUE, None)
        } else {
            None
        };
        let array = table && type_name.is_none() && is_array(l, VALUE);
        let wrapped = cell_of(k, slot).is_some_and(|cell| (*cell).wrapped.is_some());
        if wrapped {
            return;
        }
        ffi::lua_pushvalue(l, VALUE);
        ffi::lua_rawseti(l, VALUES, value_key(slot));
        if let Some(cell) = cell_of(k, slot) {
            let mut known = (*cell).seen.type_name;
            if !table && known.take().is_some() {
                (*(*k).host).set_type(slot, "");
            }
            (*cell).failed = None;
            // The type is left as it was told: detection reports it if it differs.
            let _ = remember(l, k, VALUE, array, known, |k| {
                &raw mut (&mut (*k).cells)[slot as usize].seen
            });
        }
    }
}

/// Holds `call.incoming` as the value of an unbound variable.
///
/// # Safety
/// Called by Lua under [`Kernel::enter`].
pub(super) unsafe extern "C-unwind" fn hold_op(l: *mut lua_State) -> c_int {
    // SAFETY: see `read::detect_op`.
    unsafe {
        let k = current();
        (*k).push_tables(l);
        push_incoming(l, k);
        let slot = (*k).call.slot;
        ffi::lua_pushvalue(l, VALUE);
        set_aux(l, k, held_key(slot));
        if (*k).call.incoming.as_ref().is_some_and(reads_back_the_same) {
            keep_written(l, k, slot);
        }
        0
    }
}

unsafe fn push_incoming(l: *mut lua_State, k: *mut Kernel) {
    // SAFETY: the value stays in the kernel, which drops it after the call however that ends.
    unsafe {
        match &(*k).call.incoming {
            Some(value) => push_value(l, k, &raw const *value, true),
            None => ffi::lua_pushnil(l),
        }
    }
}

/// Pushes a JSON value. With `references`, `{"obj":N}` is the object with that number; other objects
/// and arrays become fresh tables.
///
/// # Safety
/// Inside a protected call of this kernel; the value is not on the Rust stack.
pub(super) unsafe fn push_value(
    l: *mut lua_State,
    k: *mut Kernel,
    value: *const Value,
    references: bool,
) {
    // SAFETY: as promised by the caller. serde_json bounds the depth to 128.
    unsafe {
        ffi::luaL_checkstack(l, 6, std::ptr::null());
        match &*value {
            Value::Null => ffi::lua_pushnil(l),
            Value::Bool(flag) => ffi::lua_pushboolean(l, c_int::from(*flag)),
            Value::Number(number) => match number.as_i64() {
                Some(integer) => ffi::lua_pushinteger(l, integer),
                None => ffi::lua_pushnumber(l, number.as_f64().unwrap_or(f64::NAN)),
            },
            Value::String(text) => push_str(l, text),
            Value::Array(items) => {
                ffi::lua_createtable(l, items.len() as c_int, 0);
                for (i, item) in items.iter().enumerate() {
                    push_value(l, k, item, references);
                    ffi::lua_rawseti(l, -2, i as i64 + 1);
                }
            }
            Value::Object(fields) => {
                if references
                    && fields.len() == 1
                    && let Some(number) = fields.get("obj").and_then(Value::as_u64)
                {
                    (*k).objects.push(l, number);
                    if ffi::lua_type(l, -1) == ffi::LUA_TNIL {
                        let message = format!("object {number} not found: no variable shows it");
                        raise(l, ErrorCode::NotFound, message);
                    }
                    return;
                }
                ffi::lua_createtable(l, 0, fields.len() as c_int);
                for (name, field) in fields {
                    push_str(l, name);
                    push_value(l, k, field, references);
                    ffi::lua_rawset(l, -3);
                }
            }
        }
    }
}

/// Forgets everything about `call.slot`, which no variable uses any more.
///
/// # Safety
/// Called by Lua under [`Kernel::enter`].
pub(super) unsafe extern "C-unwind" fn unbind_op(l: *mut lua_State) -> c_int {
    // SAFETY: see `read::detect_op`. The wrapper's destroy() comes last: it may raise.
    unsafe {
        let k = current();
        (*k).push_tables(l);
        let slot = (*k).call.slot;
        let Some(cell) = cell_of(k, slot) else {
            return 0;
        };
        let mut wrapped = false;
        if let Some(state) = &mut (*cell).wrapped {
            wrapped = true;
            (*k).objects
                .exchange(l, &mut state.raw.held, Default::default());
        }
        let held = (*cell).source == Source::Held;
        ffi::lua_rawgeti(l, VALUES, value_key(slot));
        forget_shown(l, k, cell, slot);
        if held || wrapped {
            for key in [held_key(slot), raw_key(slot)] {
                ffi::lua_pushnil(l);
                set_aux(l, k, key);
            }
        }
        ffi::lua_pushnil(l);
        set_aux(l, k, super::handle::handle_key(slot));
        if wrapped
            && ffi::lua_type(l, VALUE) == ffi::LUA_TTABLE
            && ffi::lua_getfield(l, VALUE, c"destroy".as_ptr()) == ffi::LUA_TFUNCTION
        {
            ffi::lua_pushvalue(l, VALUE);
            ffi::lua_callk(l, 1, 0, 0, None);
        }
        0
    }
}

/// Forgets the value of `call.slot`, whose read failed.
///
/// # Safety
/// Called by Lua under [`Kernel::enter`].
pub(super) unsafe extern "C-unwind" fn clear_op(l: *mut lua_State) -> c_int {
    // SAFETY: see `read::detect_op`.
    unsafe {
        let k = current();
        (*k).push_tables(l);
        let slot = (*k).call.slot;
        let Some(cell) = cell_of(k, slot) else {
            return 0;
        };
        forget_shown(l, k, cell, slot);
        0
    }
}

/// Lets go of what a variable shows. Writing nil needs no memory.
unsafe fn forget_shown(l: *mut lua_State, k: *mut Kernel, cell: *mut Cell, slot: Slot) {
    // SAFETY: see `read::detect_op`.
    unsafe {
        (*cell).seen.type_name = None;
        (*k).objects
            .exchange(l, &mut (*cell).seen.held, Default::default());
        ffi::lua_pushnil(l);
        ffi::lua_rawseti(l, VALUES, value_key(slot));
    }
}
