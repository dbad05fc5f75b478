//! `table.sort`: a merge sort in place of Lua's quick sort.
//!
//! Code for other Lua implementations has orders that are none, like `asc and a < b or a > b`; Lua's own sort
//! raises "invalid order function" for them, sometimes. A merge sort ends with any answers, in some order.
//! Besides, it asks less often, keeps equals in their order, and leaves the array as it was when the order
//! function raises an error.

use crate::lua::budget::charge;
use mlua::ffi::{self, lua_State};
use std::os::raw::c_int;

/// Places on the stack: the array, the order function, and two tables between which items are merged.
const ARRAY: c_int = 1;
const ORDER: c_int = 2;
const ONE: c_int = 3;
const OTHER: c_int = 4;
/// The items at the heads of the two runs.
const LEFT: c_int = 5;
const RIGHT: c_int = 6;

pub(crate) unsafe extern "C-unwind" fn sort(state: *mut lua_State) -> c_int {
    // SAFETY: a C function of Lua that holds nothing to drop; it uses less than the stack it is given.
    unsafe {
        ffi::luaL_checktype(state, ARRAY, ffi::LUA_TTABLE);
        if ffi::lua_isnoneornil(state, ORDER) == 0 {
            ffi::luaL_checktype(state, ORDER, ffi::LUA_TFUNCTION);
        }
        ffi::lua_settop(state, ORDER);
        let count = ffi::luaL_len(state, ARRAY);
        if count < 2 {
            return 0;
        }
        if count >= i64::from(i32::MAX) {
            return ffi::luaL_argerror(state, ARRAY, c"array too big".as_ptr());
        }
        // Three steps for each item in each round, and reading and writing the array. Most of what goes on around
        // an order function that is called is paid for by the call.
        let rounds = u64::from((count as u64 - 1).ilog2()) + 1;
        let steps = if ffi::lua_type(state, ORDER) == ffi::LUA_TNIL {
            3
        } else {
            1
        };
        charge(state, (count as u64 * steps).saturating_mul(rounds + 1));
        ffi::lua_createtable(state, count as c_int, 0);
        let bytes = take(state, count);
        if ffi::lua_type(state, ORDER) == ffi::LUA_TNIL {
            charge(state, (bytes / 32).saturating_mul(rounds));
        }
        ffi::lua_createtable(state, count as c_int, 0);
        ffi::lua_settop(state, RIGHT);
        let sorted = rounds_of(state, count);
        for index in 1..=count {
            ffi::lua_rawgeti(state, sorted, index);
            ffi::lua_seti(state, ARRAY, index);
        }
        0
    }
}

/// Copies the array; returns the length of all its strings.
unsafe fn take(state: *mut lua_State, count: i64) -> u64 {
    // SAFETY: called from `sort`.
    unsafe {
        let mut bytes = 0;
        for index in 1..=count {
            if ffi::lua_geti(state, ARRAY, index) == ffi::LUA_TSTRING {
                bytes += ffi::lua_rawlen(state, -1) as u64;
            }
            ffi::lua_rawseti(state, ONE, index);
        }
        bytes
    }
}

/// Merges runs of one item, of two, of four ...; returns the place of the table that is sorted.
unsafe fn rounds_of(state: *mut lua_State, count: i64) -> c_int {
    let (mut from, mut to, mut width) = (ONE, OTHER, 1);
    while width < count {
        let mut low = 1;
        while low <= count {
            let middle = (low + width).min(count + 1);
            let high = (middle + width).min(count + 1);
            // SAFETY: called from `sort`.
            unsafe { merge(state, (from, to), low, middle, high) };
            low = high;
        }
        (from, to) = (to, from);
        width *= 2;
    }
    from
}

/// Merges the runs `low..middle` and `middle..high` of one table into the other.
unsafe fn merge(
    state: *mut lua_State,
    (from, to): (c_int, c_int),
    low: i64,
    middle: i64,
    high: i64,
) {
    // SAFETY: called from `sort`; both tables are plain.
    unsafe {
        let (mut left, mut right, mut at) = (low, middle, low);
        if middle < high {
            set(state, LEFT, from, middle - 1);
            set(state, RIGHT, from, middle);
            // Runs that are in order already need no merging.
            if less(state, RIGHT, LEFT) {
                set(state, LEFT, from, left);
                while left < middle && right < high {
                    if less(state, RIGHT, LEFT) {
                        ffi::lua_pushvalue(state, RIGHT);
                        right += 1;
                        if right < high {
                            set(state, RIGHT, from, right);
                        }
                    } else {
                        ffi::lua_pushvalue(state, LEFT);
                        left += 1;
                        if left < middle {
                            set(state, LEFT, from, left);
                        }
                    }
                    ffi::lua_rawseti(state, to, at);
                    at += 1;
                }
            }
        }
        for rest in (left..middle).chain(right..high) {
            ffi::lua_rawgeti(state, from, rest);
            ffi::lua_rawseti(state, to, at);
            at += 1;
        }
    }
}

/// Puts an item of a table at a place on the stack.
unsafe fn set(state: *mut lua_State, place: c_int, table: c_int, index: i64) {
    // SAFETY: called from `sort`.
    unsafe {
        ffi::lua_rawgeti(state, table, index);
        ffi::lua_replace(state, place);
    }
}

/// Whether the item at one place belongs before that at another.
unsafe fn less(state: *mut lua_State, a: c_int, b: c_int) -> bool {
    // SAFETY: called from `sort`.
    unsafe {
        if ffi::lua_type(state, ORDER) == ffi::LUA_TNIL {
            return ffi::lua_compare(state, a, b, ffi::LUA_OPLT) != 0;
        }
        ffi::lua_pushvalue(state, ORDER);
        ffi::lua_pushvalue(state, a);
        ffi::lua_pushvalue(state, b);
        ffi::lua_call(state, 2, 1);
        let answer = ffi::lua_toboolean(state, -1) != 0;
        ffi::lua_pop(state, 1);
        answer
    }
}
