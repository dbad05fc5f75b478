//! Long arrays of objects that changed a little: what stands where it stood is not looked at again.

use std::ffi::c_int;

use mlua::ffi::{self, lua_State};

use super::cell::Seen;
use super::encode::{Flaw, encode, encode_array};
use super::kernel::{Kernel, pay};
use super::objects::{Address, Held, ShownArray};
use crate::core::json;

/// Appends the array at `index`, of which `seen` has what it was before, as `encode_array` does.
///
/// # Safety
/// As for `encode`. `seen` gives the place anew each time, since reading an element may run Lua code.
pub(super) unsafe fn encode_again(
    l: *mut lua_State,
    k: *mut Kernel,
    index: c_int,
    seen: impl Fn(*mut Kernel) -> *mut Seen,
) -> Option<Flaw> {
    // SAFETY: as promised by the caller; no reference into the kernel lives across `encode`.
    unsafe {
        ffi::luaL_checkstack(l, 8, std::ptr::null());
        let index = ffi::lua_absindex(l, index);
        let length = ffi::lua_rawlen(l, index);
        let (head, tail, before) = match known(&*seen(k)) {
            Some(was) => {
                let (head, tail) = same_ends(l, index, length, &was.addresses);
                (head, tail, was.addresses.len())
            }
            None => return encode_array(l, k, index, 0),
        };
        pay(l, 32 * length);
        let mut flaw = None;
        (*k).scratch.push(b'[');
        push_known(k, known(&*seen(k)), 0, head);
        for i in head + 1..=length - tail {
            separate(k);
            ffi::lua_rawgeti(l, index, i as i64);
            flaw = encode(l, k, -1, 1).or(flaw);
            ffi::lua_settop(l, -2);
        }
        match known(&*seen(k)) {
            Some(was) if was.addresses.len() == before => {
                push_known(k, Some(was), before - tail, tail);
            }
            // Whoever was read meanwhile had this variable told: look again.
            _ => {
                for i in length - tail + 1..=length {
                    separate(k);
                    ffi::lua_rawgeti(l, index, i as i64);
                    flaw = encode(l, k, -1, 1).or(flaw);
                    ffi::lua_settop(l, -2);
                }
            }
        }
        (*k).scratch.push(b']');
        flaw
    }
}

/// What is known of an array whose elements are all objects.
fn known(seen: &Seen) -> Option<&ShownArray> {
    match &seen.held {
        Held::Array(was) if !was.addresses.is_empty() => Some(was),
        _ => None,
    }
}

/// How many elements at the beginning and at the end are the objects that were there.
unsafe fn same_ends(
    l: *mut lua_State,
    index: c_int,
    length: usize,
    before: &[Address],
) -> (usize, usize) {
    let is_at = |i: usize, Address(address): Address| {
        // SAFETY: reading by index neither raises nor needs Lua memory; a stack slot is free.
        unsafe {
            ffi::lua_rawgeti(l, index, i as i64);
            let same = ffi::lua_topointer(l, -1) as usize == address;
            ffi::lua_settop(l, -2);
            same
        }
    };
    let least = length.min(before.len());
    let from_start = (0..least).take_while(|&i| is_at(i + 1, before[i]));
    let head = from_start.count();
    let from_end =
        (0..least - head).take_while(|&i| is_at(length - i, before[before.len() - 1 - i]));
    (head, from_end.count())
}

/// Appends `count` objects of the array as it was, from `start` on.
unsafe fn push_known(k: *mut Kernel, was: Option<&ShownArray>, start: usize, count: usize) {
    let Some(was) = was else {
        return;
    };
    for &number in &was.objects[start..start + count] {
        // SAFETY: the scratch buffers are no part of what was shown.
        unsafe {
            separate(k);
            json::push_object(&mut (*k).scratch, number);
            (*k).scratch_objects.push(number);
        }
    }
}

unsafe fn separate(k: *mut Kernel) {
    // SAFETY: `k` is the running kernel.
    let scratch = unsafe { &mut (*k).scratch };
    if scratch.last() != Some(&b'[') {
        scratch.push(b',');
    }
}
