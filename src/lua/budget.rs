//! Gas: what one event may use, counted and never timed, so that a cut replays at the same point.
//!
//! Gas is instructions (counted by a raw count hook, in steps of `HOOK_EVERY`), blocks allocated and
//! their bytes over `alloc::BYTES_PER_GAS`, and the steps of C loops that instructions do not see: the pattern matcher,
//! long string comparisons, `next` over empty slots, varargs (charged by `c/lunette_lua.h`), and what
//! the wrappers in `sandbox` charge by length. A unit is 2 to 6 ns on a present machine, and never
//! more than some six times a plain instruction: `bench/hostile.rs` shows the worst of each kind.
//!
//! When the budget is spent an error is raised, and nothing may swallow it: from then on every
//! instruction raises again until the next `refill`, and `pcall`, `xpcall` and coroutines pass it on.

use crate::lua::alloc::Heap;
use crate::lua::determinism::heap_of;
use crate::lua::files::explain;
use crate::lua::state::State;
use mlua::ffi::{self, lua_Debug, lua_KContext, lua_State};
use std::os::raw::c_int;
use std::ptr::NonNull;

/// Instructions between two looks at the budget.
pub const HOOK_EVERY: c_int = 1000;
/// What a step of the pattern matcher costs at least.
pub const STEP_GAS: i64 = 2;
/// Entries of tables with weak keys and objects as values that one event may have collected as such:
/// the collector takes the square of their number.
const WEAK_KEYS: i64 = 4096;
/// What a protected call costs beside its instruction.
const PROTECTED_GAS: u64 = 8;
/// What a new coroutine costs beside its memory: it may run that long before the hook sees it.
const COROUTINE_GAS: u64 = 250;

/// The budget of one state.
pub struct Budget<'s> {
    state: &'s State,
}

impl<'s> Budget<'s> {
    pub(crate) fn of(state: &'s State) -> Self {
        Self { state }
    }

    /// Starts an event: `gas` from now on. To be called before every entry into the state, since it
    /// also tells the C side which state runs on this thread.
    pub fn refill(&self, gas: u64) {
        let gas = i64::try_from(gas).unwrap_or(i64::MAX);
        self.state.with_heap(|heap| {
            heap.meter.left = gas;
            heap.meter.step_cost = STEP_GAS;
            heap.meter.weak_keys = WEAK_KEYS;
            heap.local.gas = gas;
            heap.local.tripped = false;
            select(heap);
        });
        // SAFETY: the state is live; setting a hook allocates nothing.
        unsafe { ffi::lua_sethook(self.state.raw(), Some(hook), ffi::LUA_MASKCOUNT, HOOK_EVERY) };
    }

    /// What was used since the last refill. Instructions show in steps of `HOOK_EVERY`.
    pub fn used(&self) -> u64 {
        let used = self.state.with_heap(|heap| {
            if heap.local.tripped {
                heap.local.used
            } else {
                heap.local.gas - heap.meter.left
            }
        });
        u64::try_from(used).unwrap_or(0)
    }

    /// The same to the instruction, but for those of coroutines. For people who look on: cuts are made by
    /// what [`Budget::used`] tells.
    pub fn used_exactly(&self) -> u64 {
        let state = self.state.raw();
        let since_hook = self.state.with_heap(|heap| match heap.local.build {
            // SAFETY: the state is live.
            Some(build) if !heap.local.tripped => HOOK_EVERY - unsafe { build.countdown(state) },
            _ => 0,
        });
        self.used() + u64::try_from(since_hook).unwrap_or(0)
    }

    /// Whether more was used than there was. The event failed then, whatever the call returned.
    pub fn exhausted(&self) -> bool {
        self.state
            .with_heap(|heap| heap.local.tripped || heap.meter.left < 0)
    }

    /// The text of the error, without a position.
    pub fn message(&self) -> String {
        let gas = self.state.with_heap(|heap| heap.local.gas);
        format!(
            "gas limit: this event used more than {gas} instructions; do less at once, or raise the gas limit"
        )
    }
}

/// C code on this thread charges this state again, after another one ran in between.
///
/// # Safety
/// `state` is live.
pub unsafe fn select_again(state: *mut lua_State) {
    // SAFETY: passed on; the borrow ends with the statement.
    unsafe {
        if let Some(heap) = heap_of(state) {
            select(&mut *heap.as_ptr());
        }
    }
}

fn select(heap: &mut Heap) {
    if let Some(build) = heap.local.build {
        build.select(&raw mut heap.meter);
    }
}

/// Charges `n` units to the state; raises the error if that is more than is left.
///
/// # Safety
/// `state` runs a C function of Lua; the error jumps over frames, which must hold nothing to drop.
pub unsafe fn charge(state: *mut lua_State, n: u64) {
    // SAFETY: passed on.
    unsafe {
        let Some(heap) = heap_of(state) else { return };
        let left = &raw mut (*heap.as_ptr()).meter.left;
        *left = (*left).saturating_sub(i64::try_from(n).unwrap_or(i64::MAX));
        if *left < 0 {
            raise(state, heap, 1);
        }
    }
}

/// Whether the state's budget is spent.
///
/// # Safety
/// `state` is live.
pub unsafe fn is_exhausted(state: *mut lua_State) -> bool {
    // SAFETY: passed on.
    unsafe { heap_of(state).is_some_and(|heap| (*heap.as_ptr()).meter.left < 0) }
}

/// Raises the error if the budget is spent.
///
/// # Safety
/// As `charge`.
pub unsafe fn check(state: *mut lua_State) {
    // SAFETY: passed on.
    unsafe { charge(state, 0) }
}

/// # Safety
/// As `charge`; `heap` is the state's.
unsafe fn raise(state: *mut lua_State, heap: NonNull<Heap>, level: c_int) -> ! {
    // SAFETY: the heap is live; the borrow ends before Lua is called.
    unsafe {
        trip(state, &mut *heap.as_ptr());
        push_message(state, (*heap.as_ptr()).local.gas, level);
        ffi::lua_error(state)
    }
}

/// # Safety
/// `state` is live and of `heap`.
unsafe fn trip(state: *mut lua_State, heap: &mut Heap) {
    if !heap.local.tripped {
        heap.local.tripped = true;
        heap.local.used = heap.local.gas.saturating_sub(heap.meter.left);
    }
    // Enough to make the message: the allocator refuses when far below zero.
    heap.meter.left = -1;
    // SAFETY: the state is live; setting a hook allocates nothing.
    unsafe {
        if let Some(build) = heap.local.build {
            build.allow_hooks(state);
        }
        ffi::lua_sethook(state, Some(hook), ffi::LUA_MASKCOUNT, 1);
    }
}

/// # Safety
/// `state` is live; may raise a memory error.
unsafe fn push_message(state: *mut lua_State, gas: i64, level: c_int) {
    // SAFETY: a C function and a hook have room for two more values.
    unsafe {
        ffi::luaL_where(state, level);
        let text = c"gas limit: this event used more than %I instructions; do less at once, or raise the gas limit";
        ffi::lua_pushfstring(state, text.as_ptr(), gas as ffi::lua_Integer);
        ffi::lua_concat(state, 2);
    }
}

/// The count hook. It raises the error itself: mlua's own hooks would run `__close` unhooked.
pub(crate) unsafe extern "C-unwind" fn hook(state: *mut lua_State, _: *mut lua_Debug) {
    // SAFETY: Lua calls this with a live state, and it holds nothing to drop.
    unsafe {
        let Some(heap) = heap_of(state) else { return };
        let spent = {
            let heap = &mut *heap.as_ptr();
            select(heap);
            if heap.meter.left >= 0 {
                heap.meter.left -= i64::from(HOOK_EVERY);
            }
            heap.meter.left < 0
        };
        if spent {
            raise(state, heap, 0);
        }
    }
}

/// C library code is about to raise an error while this thread's budget is spent: the error becomes
/// the one that says so.
///
/// # Safety
/// Called by Lua's C code only, with the error value on top.
#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn lunette_error(state: *mut lua_State) {
    // SAFETY: as in `hook`.
    unsafe {
        let Some(heap) = heap_of(state) else { return };
        if (*heap.as_ptr()).meter.left < 0 && !(*heap.as_ptr()).local.tripped {
            ffi::lua_pop(state, 1);
            trip(state, &mut *heap.as_ptr());
            push_message(state, (*heap.as_ptr()).local.gas, 1);
        }
    }
}

/// A loop in Lua's C code finds that the budget is spent.
///
/// # Safety
/// Called by Lua's C code only, where it may raise an error.
#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn lunette_cut(state: *mut lua_State) {
    // SAFETY: as in `hook`.
    unsafe { check(state) }
}

// What replaces Lua's own: the same, but an exhausted budget goes through.

/// Passes the error on if the budget is spent: a new one, since the first may be anything by now.
unsafe fn pass_on(state: *mut lua_State) {
    // SAFETY: called from C functions that hold nothing to drop.
    unsafe { check(state) }
}

/// What moving all arguments costs.
unsafe fn moved(state: *mut lua_State) -> u64 {
    // SAFETY: called from C functions of Lua.
    unsafe { ffi::lua_gettop(state).unsigned_abs() as u64 / 2 }
}

pub(crate) unsafe extern "C-unwind" fn finish_pcall(
    state: *mut lua_State,
    status: c_int,
    extra: lua_KContext,
) -> c_int {
    // SAFETY: Lua calls this in place of the C function that called `lua_pcallk`.
    unsafe {
        pass_on(state);
        if status == ffi::LUA_OK || status == ffi::LUA_YIELD {
            return ffi::lua_gettop(state) - extra as c_int;
        }
        explain(state, -1);
        ffi::lua_pushboolean(state, 0);
        ffi::lua_pushvalue(state, -2);
        2
    }
}

pub(crate) unsafe extern "C-unwind" fn pcall(state: *mut lua_State) -> c_int {
    // SAFETY: a C function of Lua; as luaB_pcall.
    unsafe {
        charge(state, PROTECTED_GAS + moved(state));
        ffi::luaL_checkany(state, 1);
        ffi::lua_pushboolean(state, 1);
        ffi::lua_insert(state, 1);
        let arguments = ffi::lua_gettop(state) - 2;
        let status = ffi::lua_pcallk(state, arguments, ffi::LUA_MULTRET, 0, 0, Some(finish_pcall));
        finish_pcall(state, status, 0)
    }
}

/// Stands before a message handler: with the budget spent, no handler runs.
pub(crate) unsafe extern "C-unwind" fn guard_handler(state: *mut lua_State) -> c_int {
    // SAFETY: a C closure of Lua with the handler as upvalue.
    unsafe {
        if is_exhausted(state) {
            return 1;
        }
        explain(state, 1);
        ffi::lua_pushvalue(state, ffi::lua_upvalueindex(1));
        ffi::lua_insert(state, 1);
        ffi::lua_call(state, ffi::lua_gettop(state) - 1, 1);
        1
    }
}

pub(crate) unsafe extern "C-unwind" fn xpcall(state: *mut lua_State) -> c_int {
    // SAFETY: a C function of Lua; as luaB_xpcall.
    unsafe {
        charge(state, PROTECTED_GAS + moved(state));
        let count = ffi::lua_gettop(state);
        ffi::luaL_checktype(state, 2, ffi::LUA_TFUNCTION);
        ffi::lua_pushvalue(state, 2);
        ffi::lua_pushcclosure(state, guard_handler, 1);
        ffi::lua_replace(state, 2);
        ffi::lua_pushboolean(state, 1);
        ffi::lua_pushvalue(state, 1);
        ffi::lua_rotate(state, 3, 2);
        let status = ffi::lua_pcallk(state, count - 2, ffi::LUA_MULTRET, 2, 2, Some(finish_pcall));
        finish_pcall(state, status, 2)
    }
}

pub(crate) unsafe extern "C-unwind" fn coroutine_create(state: *mut lua_State) -> c_int {
    // SAFETY: a C function of Lua; as luaB_cocreate.
    unsafe {
        ffi::luaL_checktype(state, 1, ffi::LUA_TFUNCTION);
        charge(state, COROUTINE_GAS);
        let thread = ffi::lua_newthread(state);
        ffi::lua_pushvalue(state, 1);
        ffi::lua_xmove(state, thread, 1);
        1
    }
}

/// Resumes with `count` arguments on top; the number of results then on top, or `None` and an error.
unsafe fn resume(state: *mut lua_State, thread: *mut lua_State, count: c_int) -> Option<c_int> {
    // SAFETY: as auxresume in lcorolib.c.
    unsafe {
        if ffi::lua_checkstack(thread, count) == 0 {
            ffi::lua_pushstring(state, c"too many arguments to resume".as_ptr());
            return None;
        }
        ffi::lua_xmove(state, thread, count);
        charge(state, count.unsigned_abs() as u64 / 8);
        let mut results = 0;
        let status = ffi::lua_resume(thread, state, count, &raw mut results);
        pass_on(state);
        if status == ffi::LUA_OK || status == ffi::LUA_YIELD {
            if ffi::lua_checkstack(state, results + 1) == 0 {
                ffi::lua_pop(thread, results);
                ffi::lua_pushstring(state, c"too many results to resume".as_ptr());
                return None;
            }
            ffi::lua_xmove(thread, state, results);
            return Some(results);
        }
        ffi::lua_xmove(thread, state, 1);
        explain(state, -1);
        None
    }
}

unsafe fn check_thread(state: *mut lua_State) -> *mut lua_State {
    // SAFETY: called from C functions of Lua.
    unsafe {
        let thread = ffi::lua_tothread(state, 1);
        if thread.is_null() {
            ffi::luaL_checktype(state, 1, ffi::LUA_TTHREAD);
        }
        thread
    }
}

pub(crate) unsafe extern "C-unwind" fn coroutine_resume(state: *mut lua_State) -> c_int {
    // SAFETY: a C function of Lua; as luaB_coresume.
    unsafe {
        let thread = check_thread(state);
        match resume(state, thread, ffi::lua_gettop(state) - 1) {
            Some(results) => {
                ffi::lua_pushboolean(state, 1);
                ffi::lua_insert(state, -(results + 1));
                results + 1
            }
            None => {
                ffi::lua_pushboolean(state, 0);
                ffi::lua_insert(state, -2);
                2
            }
        }
    }
}

/// What `coroutine.wrap` returns.
pub(crate) unsafe extern "C-unwind" fn wrapped(state: *mut lua_State) -> c_int {
    // SAFETY: a C closure of Lua with the thread as upvalue; as auxwrap.
    unsafe {
        let thread = ffi::lua_tothread(state, ffi::lua_upvalueindex(1));
        if let Some(results) = resume(state, thread, ffi::lua_gettop(state)) {
            return results;
        }
        let status = ffi::lua_status(thread);
        if status != ffi::LUA_OK && status != ffi::LUA_YIELD {
            // The coroutine ended with an error: close what it left open.
            ffi::lua_closethread(thread, state);
            pass_on(state);
            ffi::lua_xmove(thread, state, 1);
        }
        if status != ffi::LUA_ERRMEM && ffi::lua_type(state, -1) == ffi::LUA_TSTRING {
            ffi::luaL_where(state, 1);
            ffi::lua_insert(state, -2);
            ffi::lua_concat(state, 2);
        }
        ffi::lua_error(state)
    }
}

pub(crate) unsafe extern "C-unwind" fn coroutine_wrap(state: *mut lua_State) -> c_int {
    // SAFETY: a C function of Lua; as luaB_cowrap.
    unsafe {
        coroutine_create(state);
        ffi::lua_pushcclosure(state, wrapped, 1);
        1
    }
}

/// Stands before Lua's own `coroutine.close`, whose `__close` calls may spend the budget.
pub(crate) unsafe extern "C-unwind" fn coroutine_close(state: *mut lua_State) -> c_int {
    // SAFETY: a C function of Lua, and the original is one.
    unsafe {
        let count = (crate::lua::sandbox::originals().coroutine_close)(state);
        pass_on(state);
        count
    }
}

#[cfg(test)]
mod tests;
