//! `session:spawn` and the handles of processes.
//!
//! A handle is a userdata with the process's id in it: it stays harmless when the process is gone. Its
//! functions are called through `line_op` and `exit_op`, one event at a time.

use std::ffi::{CStr, c_int};

use mlua::ffi::{self, lua_CFunction, lua_State};

use super::files::check_granted;
use super::kernel::{Kernel, bytes_at, current, host, pay, push_ref, push_str, raise, raise_here};
use crate::core::outside::{ProcessAction, ProcessExit, ProcessId, SpawnOrder};
use crate::core::runs::Started;
use crate::core::script::{ErrorCode, ToldOfProcess};

/// Starting a process takes as long as going through so many bytes.
const SPAWN_BYTES: usize = 1 << 20;
/// Arguments and their bytes: more is data, which belongs on its standard input.
const ARGUMENTS_MAX: usize = 256;
const ARGUMENT_BYTES_MAX: usize = 64 << 10;
/// Bytes that are given to a process at a time.
const INPUT_MAX: usize = 1 << 20;
/// The longest timeout, as for timers.
const TIMEOUT_MS_MAX: f64 = 2_147_483_647.0;

/// Where `spawn` has its table of options.
const OPTIONS: c_int = 2;

const METHODS: &[(&str, lua_CFunction)] = &[("close", close), ("kill", kill), ("write", write)];

/// See `api::functions`.
pub(super) fn functions() -> impl Iterator<Item = lua_CFunction> {
    let methods = METHODS.iter().map(|&(_, function)| function);
    methods.chain([index as lua_CFunction, to_string])
}

/// `session:spawn{cmd=, args=, onLine=, onExit=, timeout=, stdin=}`: a handle.
pub(super) unsafe extern "C-unwind" fn spawn(l: *mut lua_State) -> c_int {
    // SAFETY: called by Lua; the order is built in the kernel, which outlives a jump.
    unsafe {
        check_granted(l, "session:spawn", "spawn", |grants| grants.spawn);
        if ffi::lua_type(l, OPTIONS) != ffi::LUA_TTABLE {
            let text = "session:spawn: give it a table, such as {cmd = \"df\", onLine = print}";
            raise_here(l, text.into());
        }
        ffi::lua_settop(l, OPTIONS);
        pay(l, SPAWN_BYTES);
        let k = current();
        (*k).order = Some(SpawnOrder {
            command: Vec::new(),
            arguments: Vec::new(),
            timeout_ms: 0,
            input: true,
        });
        read_command(l, k);
        read_arguments(l, k);
        read_timeout(l, k);
        let input = read_input(l, k);
        check_function(l, c"onLine");
        check_function(l, c"onExit");
        check_room(l);
        push_functions(l, k);
        push_metatable(l, k);
        let handle = ffi::lua_newuserdatauv(l, size_of::<ProcessId>(), 0).cast::<ProcessId>();
        // Nothing raises from here on but what stores the two functions.
        let host = host();
        let started_by = host.current.and_then(|slot| host.vars.get(slot));
        let process = host.processes.start(started_by.map(|v| v.id));
        host.note_started(Started::Process(process));
        handle.write(process);
        if let Some(order) = (*k).order.take() {
            host.tell_process(process, ProcessAction::Spawn(order));
        }
        if let Some(text) = input {
            let bytes = (&*text).to_vec();
            host.tell_process(process, ProcessAction::Write(bytes));
            host.tell_process(process, ProcessAction::CloseInput);
        }
        // The stack: options, functions, metatable, handle.
        keep(l, c"onLine", 2 * process as i64);
        keep(l, c"onExit", 2 * process as i64 + 1);
        ffi::lua_pushvalue(l, OPTIONS + 2);
        ffi::lua_setmetatable(l, OPTIONS + 3);
        1
    }
}

/// Pushes an option without calling any code.
unsafe fn option(l: *mut lua_State, name: &CStr) -> c_int {
    // SAFETY: as for `spawn`.
    unsafe {
        ffi::lua_pushstring(l, name.as_ptr());
        ffi::lua_rawget(l, OPTIONS)
    }
}

unsafe fn read_command(l: *mut lua_State, k: *mut Kernel) {
    // SAFETY: as for `spawn`.
    unsafe {
        if option(l, c"cmd") != ffi::LUA_TSTRING {
            let text = "session:spawn: cmd must be the name of a program, such as \"df\"";
            raise_here(l, text.into());
        }
        let command = bytes_at(l, -1).unwrap_or_default();
        let listed = &host().limits.grants.commands;
        pay(l, 64 * listed.len());
        if !listed.iter().any(|listed| listed.as_bytes() == command) {
            let command = String::from_utf8_lossy(command);
            let text = format!(
                "session:spawn: {command:?} is not granted: add it to commands of [lua] in lunette.toml"
            );
            drop(command);
            raise_here(l, text);
        }
        if let Some(order) = &mut (*k).order {
            order.command = command.to_vec();
        }
        ffi::lua_settop(l, OPTIONS);
    }
}

unsafe fn read_arguments(l: *mut lua_State, k: *mut Kernel) {
    // SAFETY: as for `spawn`; a number becomes a text beside it, not in place.
    unsafe {
        let kind = option(l, c"args");
        if kind == ffi::LUA_TNIL {
            ffi::lua_settop(l, OPTIONS);
            return;
        }
        if kind != ffi::LUA_TTABLE {
            let text = "session:spawn: args must be an array, such as {\"-h\", \"/\"}; there is no shell \
                        that would split a text";
            raise_here(l, text.into());
        }
        let count = ffi::lua_rawlen(l, -1) as usize;
        let mut bytes_left = ARGUMENT_BYTES_MAX;
        for i in 1..=count.min(ARGUMENTS_MAX + 1) {
            let kind = ffi::lua_rawgeti(l, OPTIONS + 1, i as i64);
            if kind != ffi::LUA_TSTRING && kind != ffi::LUA_TNUMBER {
                raise_here(l, format!("session:spawn: argument {i} is no text"));
            }
            let text = bytes_at(l, -1).unwrap_or_default();
            if text.len() > bytes_left || i > ARGUMENTS_MAX {
                let text = format!(
                    "session:spawn: more than {ARGUMENTS_MAX} arguments, or more than \
                     {ARGUMENT_BYTES_MAX} bytes of them: write data to its input"
                );
                raise_here(l, text);
            }
            bytes_left -= text.len();
            if let Some(order) = &mut (*k).order {
                order.arguments.push(text.to_vec());
            }
            ffi::lua_settop(l, OPTIONS + 1);
        }
        ffi::lua_settop(l, OPTIONS);
    }
}

unsafe fn read_timeout(l: *mut lua_State, k: *mut Kernel) {
    // SAFETY: as for `spawn`.
    unsafe {
        let kind = option(l, c"timeout");
        if kind != ffi::LUA_TNIL && kind != ffi::LUA_TNUMBER {
            raise_here(l, "session:spawn: timeout must be milliseconds".into());
        }
        if let Some(order) = &mut (*k).order
            && kind == ffi::LUA_TNUMBER
        {
            let wanted = ffi::lua_tonumber(l, -1).min(TIMEOUT_MS_MAX);
            order.timeout_ms = (wanted as u64).max(1);
        }
        ffi::lua_settop(l, OPTIONS);
    }
}

/// `stdin`: a text is all the input there is, false is none, everything else leaves it open.
unsafe fn read_input(l: *mut lua_State, k: *mut Kernel) -> Option<*const [u8]> {
    // SAFETY: as for `spawn`; the text stays in the table of options.
    unsafe {
        let kind = option(l, c"stdin");
        let none = kind == ffi::LUA_TBOOLEAN && ffi::lua_toboolean(l, -1) == 0;
        let text = match kind {
            ffi::LUA_TSTRING => bytes_at(l, -1),
            _ => None,
        };
        if let Some(text) = text {
            check_input(l, text);
        }
        if let Some(order) = &mut (*k).order {
            order.input = !none;
        }
        ffi::lua_settop(l, OPTIONS);
        text.map(|text| &raw const *text)
    }
}

unsafe fn check_input(l: *mut lua_State, text: &[u8]) {
    // SAFETY: as for `spawn`.
    unsafe {
        if let Err(error) = host().check_outgoing() {
            raise(l, error.code, error.message);
        }
        if text.len() > INPUT_MAX {
            let text = format!("a process takes at most {INPUT_MAX} bytes at a time");
            raise_here(l, text);
        }
        pay(l, 2 * text.len());
    }
}

unsafe fn check_function(l: *mut lua_State, name: &CStr) {
    // SAFETY: as for `spawn`.
    unsafe {
        let kind = option(l, name);
        if kind != ffi::LUA_TNIL && kind != ffi::LUA_TFUNCTION {
            let name = name.to_string_lossy();
            let text = format!("session:spawn: {name} must be a function");
            drop(name);
            raise_here(l, text);
        }
        ffi::lua_settop(l, OPTIONS);
    }
}

unsafe fn check_room(l: *mut lua_State) {
    // SAFETY: as for `spawn`.
    unsafe {
        let most = host().limits.processes;
        if host().processes.len() >= most {
            let text = format!("this session has {most} processes running, the most it may have");
            raise(l, ErrorCode::Limit, text);
        }
    }
}

/// Pushes the table of functions, made with the first process.
unsafe fn push_functions(l: *mut lua_State, k: *mut Kernel) {
    // SAFETY: as for `spawn`.
    unsafe {
        if (*k).tables.processes == 0 {
            ffi::lua_createtable(l, 0, 0);
            (*k).tables.processes = ffi::luaL_ref(l, ffi::LUA_REGISTRYINDEX);
        }
        push_ref(l, (*k).tables.processes);
    }
}

/// Pushes the metatable of handles, made with the first process.
unsafe fn push_metatable(l: *mut lua_State, k: *mut Kernel) {
    // SAFETY: as for `spawn`.
    unsafe {
        if (*k).tables.process == 0 {
            ffi::lua_createtable(l, 0, 4);
            ffi::lua_pushcfunction(l, index);
            ffi::lua_setfield(l, -2, c"__index".as_ptr());
            ffi::lua_pushcfunction(l, to_string);
            ffi::lua_setfield(l, -2, c"__tostring".as_ptr());
            push_str(l, "process");
            ffi::lua_setfield(l, -2, c"__name".as_ptr());
            ffi::lua_pushboolean(l, 0);
            ffi::lua_setfield(l, -2, c"__metatable".as_ptr());
            (*k).tables.process = ffi::luaL_ref(l, ffi::LUA_REGISTRYINDEX);
        }
        push_ref(l, (*k).tables.process);
    }
}

/// Keeps an option under `key` of the table of functions.
unsafe fn keep(l: *mut lua_State, name: &CStr, key: i64) {
    // SAFETY: as for `spawn`.
    unsafe {
        option(l, name);
        ffi::lua_rawseti(l, OPTIONS + 1, key);
    }
}

unsafe extern "C-unwind" fn index(l: *mut lua_State) -> c_int {
    // SAFETY: called by Lua with the handle and the key.
    unsafe {
        let key = bytes_at(l, 2).unwrap_or_default();
        match METHODS.iter().find(|(name, _)| name.as_bytes() == key) {
            Some(&(_, function)) => ffi::lua_pushcfunction(l, function),
            None => ffi::lua_pushnil(l),
        }
        1
    }
}

unsafe extern "C-unwind" fn to_string(l: *mut lua_State) -> c_int {
    // SAFETY: called by Lua; a text without what would need dropping.
    unsafe {
        let process = process_at(l).unwrap_or(0);
        ffi::lua_pushfstring(l, c"process %I".as_ptr(), process as ffi::lua_Integer);
        1
    }
}

/// The process whose handle is argument 1.
unsafe fn process_at(l: *mut lua_State) -> Option<ProcessId> {
    // SAFETY: only userdata with our metatable is read.
    unsafe {
        let ours = (*current()).tables.process;
        if ours == 0
            || ffi::lua_type(l, 1) != ffi::LUA_TUSERDATA
            || ffi::lua_getmetatable(l, 1) == 0
        {
            return None;
        }
        push_ref(l, ours);
        let same = ffi::lua_rawequal(l, -1, -2) != 0;
        ffi::lua_settop(l, -3);
        same.then(|| ffi::lua_touserdata(l, 1).cast::<ProcessId>().read())
    }
}

/// The same, or an error; then whether it still runs.
unsafe fn check(l: *mut lua_State) -> (ProcessId, bool) {
    // SAFETY: as for `process_at`.
    unsafe {
        match process_at(l) {
            Some(process) => (process, host().processes.is_running(process)),
            None => raise_here(
                l,
                "no process: call it with a colon, process:write(text)".into(),
            ),
        }
    }
}

/// `process:write(text)`: to its standard input; true, or nil and why not.
unsafe extern "C-unwind" fn write(l: *mut lua_State) -> c_int {
    // SAFETY: called by Lua.
    unsafe {
        let (process, running) = check(l);
        ffi::luaL_checklstring(l, 2, std::ptr::null_mut());
        let text = bytes_at(l, 2).unwrap_or_default();
        check_input(l, text);
        if !running {
            ffi::lua_pushnil(l);
            push_str(l, "the process has ended");
            return 2;
        }
        host().tell_process(process, ProcessAction::Write(text.to_vec()));
        ffi::lua_pushboolean(l, 1);
        1
    }
}

/// `process:close()`: the end of its standard input. Whether it still runs.
unsafe extern "C-unwind" fn close(l: *mut lua_State) -> c_int {
    // SAFETY: called by Lua.
    unsafe { tell(l, ProcessAction::CloseInput) }
}

/// `process:kill()`: asks it to end; two seconds later it is made to. Whether it still runs.
unsafe extern "C-unwind" fn kill(l: *mut lua_State) -> c_int {
    // SAFETY: called by Lua.
    unsafe { tell(l, ProcessAction::Kill) }
}

unsafe fn tell(l: *mut lua_State, action: ProcessAction) -> c_int {
    // SAFETY: as for its callers; these actions hold nothing to drop.
    unsafe {
        let (process, running) = check(l);
        pay(l, SPAWN_BYTES / 64);
        if running {
            host().tell_process(process, action);
        }
        ffi::lua_pushboolean(l, c_int::from(running));
        1
    }
}

/// Calls `onLine(line, stream)` of process `call.number`.
///
/// # Safety
/// Called by Lua under `Kernel::enter`; what is told is lent for the call.
pub(super) unsafe extern "C-unwind" fn line_op(l: *mut lua_State) -> c_int {
    // SAFETY: as promised.
    unsafe {
        let k = current();
        push_functions(l, k);
        let kind = ffi::lua_rawgeti(l, -1, 2 * (*k).call.number);
        if kind != ffi::LUA_TFUNCTION {
            return 0;
        }
        if let ToldOfProcess::Line { stream, line } = &*(*k).call.told {
            pay(l, line.len());
            ffi::lua_pushlstring(l, line.as_ptr().cast(), line.len());
            push_str(l, stream.name());
            ffi::lua_callk(l, 2, 0, 0, None);
        }
        0
    }
}

/// Drops the functions of process `call.number` and calls `onExit(exit)`.
///
/// # Safety
/// As for [`line_op`].
pub(super) unsafe extern "C-unwind" fn exit_op(l: *mut lua_State) -> c_int {
    // SAFETY: as promised.
    unsafe {
        let k = current();
        push_functions(l, k);
        let key = 2 * (*k).call.number;
        let kind = ffi::lua_rawgeti(l, 1, key + 1);
        forget_functions(l, k, (*k).call.number as ProcessId);
        if let ToldOfProcess::Exit(exit) = &*(*k).call.told
            && kind == ffi::LUA_TFUNCTION
        {
            push_exit(l, exit);
            ffi::lua_callk(l, 1, 0, 0, None);
        }
        0
    }
}

/// Drops the functions of a process, which needs no memory and runs no code.
///
/// # Safety
/// Inside a protected call of this kernel.
pub(super) unsafe fn forget_functions(l: *mut lua_State, k: *mut Kernel, process: ProcessId) {
    // SAFETY: as promised; a process that was started has made the table.
    unsafe {
        push_ref(l, (*k).tables.processes);
        for key in [2 * process as i64, 2 * process as i64 + 1] {
            ffi::lua_pushnil(l);
            ffi::lua_rawseti(l, -2, key);
        }
        ffi::lua_settop(l, -2);
    }
}

unsafe fn push_exit(l: *mut lua_State, exit: &ProcessExit) {
    // SAFETY: as for `exit_op`.
    unsafe {
        ffi::lua_createtable(l, 0, 2);
        for (name, number) in [(c"code", exit.code), (c"signal", exit.signal)] {
            if let Some(number) = number {
                ffi::lua_pushinteger(l, i64::from(number));
                ffi::lua_setfield(l, -2, name.as_ptr());
            }
        }
        for (name, holds) in [
            (c"timeout", exit.timeout),
            (c"interrupted", exit.interrupted),
        ] {
            if holds {
                ffi::lua_pushboolean(l, 1);
                ffi::lua_setfield(l, -2, name.as_ptr());
            }
        }
        if let Some(error) = &exit.error {
            push_str(l, error);
            ffi::lua_setfield(l, -2, c"error".as_ptr());
        }
    }
}
