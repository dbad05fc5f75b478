//! Running files again that were edited, and what goes with it: instances moved along, timers ended,
//! modules unloaded. What happens to types is in `lua/prototype.lua`.

use std::collections::BTreeSet;
use std::ffi::c_int;

use mlua::ffi::{self, lua_CFunction, lua_State};

use super::determinism::heap_of;
use super::kernel::{Kernel, bytes_at, current, handle_message, host, pay, push_ref, push_str};
use super::modules::{MAIN, push_chunk, push_library, shown};
use super::read::{held_key, push_aux};
use super::{api, process, prototype};
use crate::core::host::{Host, WORK_MAX, Work};
use crate::core::runs::Started;
use crate::core::script::{ErrorCode, ScriptError};
use crate::core::variable::Slot;

/// What the library file gets besides Lua's own functions.
pub(super) const LIBRARY_FUNCTIONS: &[(&str, lua_CFunction)] = &[
    ("forgetViewdefs", forget_viewdefs),
    ("instancesOf", instances_of),
    ("isReloading", is_reloading),
    ("metaOf", meta_of),
    ("newInstance", prototype::new_instance),
    ("report", report),
    ("setMeta", set_meta),
    ("sourceOf", source_of),
    ("traced", handle_message),
];

/// Errors of `mutate` methods that are told of one reload: the first of many alike is enough.
const FAILURES_MAX: usize = 20;

/// See `Script::reload`. `pending` are files that failed the last time.
pub(super) fn reload(
    kernel: &mut Kernel,
    pending: &mut BTreeSet<Box<str>>,
    host: &mut Host,
    paths: &[Box<str>],
) -> Option<Vec<ScriptError>> {
    let code = || paths.iter().filter(|path| path.ends_with(".lua"));
    code().next()?;
    let had_pending = !pending.is_empty();
    let mut files = std::mem::take(pending);
    files.extend(code().filter(|path| host.files.has_run(path)).cloned());
    // What a removed file had made goes on.
    files.retain(|path| host.site.read(path).is_some());
    if files.is_empty() {
        return had_pending.then(Vec::new);
    }
    let mut errors: Vec<ScriptError> = files
        .iter()
        .filter_map(|path| kernel.chunks.problem(shown(path), host.site.read(path)?))
        .map(|message| ScriptError::new(ErrorCode::LuaError, message))
        .collect();
    if !errors.is_empty() {
        // One of them does not compile: all stay as they are, since they may need each other.
        *pending = files;
        return Some(errors);
    }
    // main.lua uses what the others make.
    let main = files.take(MAIN);
    for path in files.into_iter().chain(main) {
        if let Err(error) = run_again(kernel, host, &path) {
            errors.push(error);
            pending.insert(path);
        }
    }
    errors.extend(mutate(kernel, host));
    Some(errors)
}

fn run_again(kernel: &mut Kernel, host: &mut Host, path: &str) -> Result<(), ScriptError> {
    host.log(2, format_args!("LuaSession.reloadFile({:?})", shown(path)));
    let before = host.files.take(path);
    kernel.call.text = path;
    host.files.reloading = true;
    let ran = kernel
        .enter(host, prepare_op)
        .and_then(|()| kernel.enter(host, run_op));
    host.files.reloading = false;
    // On a budget of its own: however the file ended, types are put in order.
    let gas = host.limits.gas;
    let (settled, over) = match ran {
        Ok(()) => (kernel.enter_with(gas, host, commit_op), before),
        Err(_) => {
            let started = host.files.restore(path, before);
            (kernel.enter_with(gas, host, rollback_op), started)
        }
    };
    end(kernel, host, over);
    kernel.call.text = "";
    ran.and(settled)
}

/// Ends timers, watches and processes.
fn end(kernel: &mut Kernel, host: &mut Host, started: Vec<Started>) {
    kernel.ending = started;
    // Writing nil needs no memory and runs no code.
    let _ = kernel.enter_with(u64::from(u32::MAX), host, end_op);
}

/// Moves the instances of changed prototypes along. Returns what single ones raised.
pub(super) fn mutate(kernel: &mut Kernel, host: &mut Host) -> Vec<ScriptError> {
    if !std::mem::take(&mut kernel.mutations) {
        return Vec::new();
    }
    let cut = kernel.enter(host, mutate_op).err();
    let failures = std::mem::take(&mut kernel.failures);
    let failures = failures.into_iter().map(|(message, traceback)| {
        let mut error = ScriptError::new(ErrorCode::LuaError, message);
        error.traceback = Some(traceback);
        error
    });
    failures.chain(cut).collect()
}

/// The same where there is a single answer: the first error is that, the log has all others.
pub(super) fn mutate_all(kernel: &mut Kernel, host: &mut Host) -> Result<(), ScriptError> {
    let mut errors = mutate(kernel, host).into_iter();
    let first = errors.next();
    for error in errors {
        let text = error.traceback.as_deref().unwrap_or(&error.message);
        host.log(0, format_args!("error in mutate(): {text}"));
    }
    first.map_or(Ok(()), Err)
}

/// Pushes a function of the library.
///
/// # Safety
/// Inside a protected call of this kernel.
pub(super) unsafe fn push_function(l: *mut lua_State, k: *mut Kernel, name: &str) {
    // SAFETY: as promised by the caller.
    unsafe {
        push_library(l, k, "prototype");
        push_str(l, name);
        ffi::lua_rawget(l, -2);
        ffi::lua_replace(l, -2);
    }
}

/// Calls a function of the library without arguments and results.
unsafe fn call(l: *mut lua_State, name: &str) -> c_int {
    // SAFETY: called from operations under `Kernel::enter`.
    unsafe {
        push_function(l, current(), name);
        ffi::lua_callk(l, 0, 0, 0, None);
        0
    }
}

unsafe extern "C-unwind" fn prepare_op(l: *mut lua_State) -> c_int {
    // SAFETY: called by Lua under `Kernel::enter`.
    unsafe { call(l, "prepare") }
}

unsafe extern "C-unwind" fn rollback_op(l: *mut lua_State) -> c_int {
    // SAFETY: called by Lua under `Kernel::enter`.
    unsafe { call(l, "rollback") }
}

unsafe extern "C-unwind" fn mutate_op(l: *mut lua_State) -> c_int {
    // SAFETY: called by Lua under `Kernel::enter`.
    unsafe { call(l, "mutate") }
}

/// Runs the file `call.text`; what it returns is kept for `commit_op`.
unsafe extern "C-unwind" fn run_op(l: *mut lua_State) -> c_int {
    // SAFETY: called by Lua under `Kernel::enter`; the path is lent for the call, the site lives
    // longer.
    unsafe {
        let k = current();
        let path: &str = &*(*k).call.text;
        let text: *const [u8] = host().site.read(path).unwrap_or_default();
        push_function(l, k, "returned");
        push_chunk(l, k, shown(path), &*text, false);
        push_module_name(l, path);
        host().files.enter(path);
        ffi::lua_callk(l, 1, 1, 0, None);
        ffi::lua_callk(l, 1, 0, 0, None);
        0
    }
}

/// A module is called with the name by which it is required; `main.lua` with nothing.
unsafe fn push_module_name(l: *mut lua_State, path: &str) {
    // SAFETY: as for `run_op`; the text is dropped behind the last call that can raise, or lost with
    // the memory there was none of.
    unsafe {
        if path == MAIN {
            return ffi::lua_pushnil(l);
        }
        let name = shown(path).trim_end_matches(".lua");
        push_str(l, name);
        ffi::luaL_gsub(
            l,
            bytes_at(l, -1).map_or(c"".as_ptr(), |b| b.as_ptr().cast()),
            c"/".as_ptr(),
            c".".as_ptr(),
        );
        ffi::lua_replace(l, -2);
    }
}

unsafe extern "C-unwind" fn commit_op(l: *mut lua_State) -> c_int {
    // SAFETY: as for `run_op`.
    unsafe {
        let k = current();
        let path: &str = &*(*k).call.text;
        push_function(l, k, "commit");
        push_str(l, path);
        push_str(l, "@");
        push_str(l, shown(path));
        ffi::lua_concat(l, 2);
        ffi::lua_callk(l, 2, 0, 0, None);
        0
    }
}

/// Ends what is in `Kernel::ending`.
unsafe extern "C-unwind" fn end_op(l: *mut lua_State) -> c_int {
    // SAFETY: called by Lua under `Kernel::enter`.
    unsafe {
        end_all(l, current());
        0
    }
}

unsafe fn end_all(l: *mut lua_State, k: *mut Kernel) {
    // SAFETY: as for `end_op`; the list is the kernel's.
    unsafe {
        while let Some(started) = (*k).ending.pop() {
            if host().end_started(started) {
                match started {
                    Started::Timer(id) => api::forget_function(l, id as i64),
                    Started::Watch(handle) => api::forget_function(l, -(handle as i64)),
                    // That it ends is no news to the code that is gone.
                    Started::Process(id) => process::forget_functions(l, k, id),
                }
            }
        }
    }
}

/// Unloads the files in `Kernel::unloading`; returns to Lua whether there were any.
///
/// # Safety
/// Inside a C function called by Lua.
pub(super) unsafe fn unload(l: *mut lua_State) -> c_int {
    // SAFETY: as promised by the caller; both lists are the kernel's.
    unsafe {
        let k = current();
        let found = !(*k).unloading.is_empty();
        while let Some(path) = (*k).unloading.last() {
            let path: *const str = &raw const **path;
            (*k).ending = host().files.forget(&*path);
            end_all(l, k);
            push_function(l, k, "unload");
            push_str(l, &*path);
            ffi::lua_callk(l, 1, 0, 0, None);
            drop((*k).unloading.pop());
        }
        ffi::lua_pushboolean(l, c_int::from(found));
        1
    }
}

/// Notes that the file that runs now registered the type whose name is at `index`.
///
/// # Safety
/// Inside a C function called by Lua.
pub(super) unsafe fn note_owner(l: *mut lua_State, k: *mut Kernel, index: c_int) {
    // SAFETY: as promised by the caller.
    unsafe {
        let Some(path) = host().files.running() else {
            return;
        };
        let path: *const str = path;
        let index = ffi::lua_absindex(l, index);
        push_ref(l, (*k).tables.owners);
        ffi::lua_pushvalue(l, index);
        push_str(l, &*path);
        ffi::lua_rawset(l, -3);
        ffi::lua_settop(l, -2);
    }
}

/// `createAppVariable` of a file that runs again: the app there is stays. Returns whether there is
/// one; the object that was meant to be it is at index 2.
///
/// # Safety
/// Inside a C function called by Lua.
pub(super) unsafe fn keep_app(l: *mut lua_State, k: *mut Kernel, slot: Slot) -> bool {
    // SAFETY: as promised by the caller.
    unsafe {
        let top = ffi::lua_gettop(l);
        push_function(l, k, "stray");
        ffi::lua_pushvalue(l, 2);
        push_aux(l, k, held_key(slot));
        let kept = ffi::lua_type(l, -1) == ffi::LUA_TTABLE;
        if kept {
            ffi::lua_callk(l, 2, 0, 0, None);
        }
        ffi::lua_settop(l, top);
        kept
    }
}

/// `instancesOf(prototype)`: an array of its instances, in the order in which they were made.
unsafe extern "C-unwind" fn instances_of(l: *mut lua_State) -> c_int {
    // SAFETY: called by the library with a table; should memory run out, `Kernel::enter` starts the
    // collector again.
    unsafe {
        ffi::luaL_checktype(l, 1, ffi::LUA_TTABLE);
        ffi::lua_settop(l, 1);
        let k = current();
        // A full collection takes 0.45 ms a MiB: no more than copying as much is charged for.
        pay(l, (*(*k).state).memory_used());
        // So that which instances there are does not depend on when the collector last ran.
        (*k).collector_stopped = true;
        ffi::lua_gc(l, ffi::LUA_GCSTOP);
        ffi::lua_gc(l, ffi::LUA_GCCOLLECT);
        match heap_of(l).and_then(|heap| heap.as_ref().local.build) {
            Some(build) => build.instances(l),
            None => ffi::lua_createtable(l, 0, 0),
        }
        ffi::lua_gc(l, ffi::LUA_GCRESTART);
        (*k).collector_stopped = false;
        1
    }
}

/// `report()`: keeps the error that `traced` has seen.
unsafe extern "C-unwind" fn report(_: *mut lua_State) -> c_int {
    // SAFETY: called by the library under `Kernel::enter`.
    let kernel = unsafe { &mut *current() };
    kernel.code = None;
    if let Some(error) = kernel.error.take()
        && kernel.failures.len() < FAILURES_MAX
        && kernel.failures.iter().all(|known| known.0 != error.0)
    {
        kernel.failures.push(error);
    }
    0
}

unsafe extern "C-unwind" fn is_reloading(l: *mut lua_State) -> c_int {
    // SAFETY: called by the library.
    unsafe {
        ffi::lua_pushboolean(l, c_int::from(host().files.reloading));
        1
    }
}

/// `forgetViewdefs(type_name)`.
unsafe extern "C-unwind" fn forget_viewdefs(l: *mut lua_State) -> c_int {
    // SAFETY: called by the library; the name is dropped or kept before anything can raise.
    unsafe {
        if host().work.len() < WORK_MAX
            && let Some(name) = bytes_at(l, 1)
        {
            let name = String::from_utf8_lossy(name);
            host().work.push_back(Work::ForgetViewdefs(name.into()));
        }
        0
    }
}

/// `metaOf(table)`: its metatable, also a protected one.
unsafe extern "C-unwind" fn meta_of(l: *mut lua_State) -> c_int {
    // SAFETY: called by the library with a table.
    unsafe { ffi::lua_getmetatable(l, 1) }
}

/// `setMeta(table, metatable or nil)`.
unsafe extern "C-unwind" fn set_meta(l: *mut lua_State) -> c_int {
    // SAFETY: called by the library with a table and a table or nil; what is taken out was there, and needs no memory.
    unsafe {
        ffi::lua_settop(l, 2);
        if ffi::lua_type(l, 2) == ffi::LUA_TTABLE {
            // Put there since it became a metatable it did not count, and must not now: a finalizer
            // runs outside every budget, and here is nobody who could hear of an error.
            ffi::lua_pushstring(l, c"__gc".as_ptr());
            ffi::lua_pushnil(l);
            ffi::lua_rawset(l, 2);
        }
        ffi::lua_setmetatable(l, 1);
        0
    }
}

/// `sourceOf(function)`: `@FILE`.
unsafe extern "C-unwind" fn source_of(l: *mut lua_State) -> c_int {
    // SAFETY: called by the library with a function, which lua_getinfo pops.
    unsafe {
        let mut info: ffi::lua_Debug = std::mem::zeroed();
        ffi::lua_settop(l, 1);
        ffi::lua_getinfo(l, c">S".as_ptr(), &raw mut info);
        ffi::lua_pushstring(l, info.source);
        1
    }
}
