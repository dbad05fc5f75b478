//! Telling of values outside detection: the present value of a variable, and whole objects.

use std::ffi::c_int;

use mlua::ffi::{self, lua_State};

use super::encode::{encode, encode_scalar};
use super::kernel::{Kernel, current, push_ref};
use super::read::value_key;
use super::ui::push_names;
use crate::core::host::Host;
use crate::core::json;
use crate::core::variable::Slot;

/// Appends the JSON of the value last seen of `slot`. Runs no Lua code and makes nothing: all
/// objects in it have their numbers.
pub(super) fn encode_now(k: &mut Kernel, slot: Slot, out: &mut Vec<u8>) {
    let Some(cell) = k.cells.get(slot as usize) else {
        out.extend_from_slice(b"null");
        return;
    };
    match &cell.seen.held {
        super::objects::Held::Array(array) => out.extend_from_slice(&array.json),
        super::objects::Held::One(number) => json::push_object(out, *number),
        super::objects::Held::Nothing => {
            let l = k.raw;
            // SAFETY: outside any call the stack is empty; the table is there, and reading a scalar
            // from it neither raises nor needs memory.
            unsafe {
                ffi::lua_settop(l, 0);
                push_ref(l, k.tables.values);
                ffi::lua_rawgeti(l, -1, value_key(slot));
                k.scratch.clear();
                encode_scalar(l, k, -1);
                ffi::lua_settop(l, 0);
            }
            out.extend_from_slice(&k.scratch);
        }
    }
}

/// Appends what `getObjects` answers, and returns the numbers that no object has.
pub(super) fn objects(
    k: &mut Kernel,
    host: &mut Host,
    numbers: &[u64],
    out: &mut Vec<u8>,
) -> Vec<u64> {
    let mut unknown = Vec::new();
    out.push(b'[');
    let mut any = false;
    for &number in numbers {
        k.call.number = number as i64;
        k.scratch.clear();
        let described = k.enter(host, describe_op).is_ok() && !k.scratch.is_empty();
        if !described {
            unknown.push(number);
            continue;
        }
        if any {
            out.push(b',');
        }
        any = true;
        out.extend_from_slice(b"{\"obj\":");
        json::push_int(out, number as i64);
        out.extend_from_slice(b",\"value\":");
        out.extend_from_slice(&k.scratch);
        out.push(b'}');
    }
    out.push(b']');
    unknown
}

/// Leaves the own fields of object `call.number` in the scratch buffer, as a JSON object; nothing if
/// there is no such object.
unsafe extern "C-unwind" fn describe_op(l: *mut lua_State) -> c_int {
    // SAFETY: called by Lua under `enter`.
    unsafe {
        let k = current();
        (*k).objects.push(l, (*k).call.number as u64);
        if ffi::lua_type(l, 1) == ffi::LUA_TNIL {
            return 0;
        }
        (*k).scratch_objects.clear();
        (*k).scratch.push(b'{');
        if ffi::lua_type(l, 1) == ffi::LUA_TTABLE {
            push_names(l, 1);
            for i in 1..=ffi::lua_rawlen(l, 2) {
                if i > 1 {
                    (*k).scratch.push(b',');
                }
                ffi::lua_rawgeti(l, 2, i as i64);
                encode(l, k, -1, 0);
                (*k).scratch.push(b':');
                ffi::lua_rawget(l, 1);
                // A flaw shows as null or U+FFFD; there is no variable to put an error on.
                encode(l, k, -1, 0);
                ffi::lua_settop(l, 2);
            }
        }
        (*k).scratch.push(b'}');
        for i in 0..(*k).scratch_objects.len() {
            let number = (&(*k).scratch_objects)[i];
            (*k).objects.pin(l, number);
        }
        0
    }
}
