//! Files: `session:readFile` and `session:writeFile`, and what `lua/io.lua` is made of.
//!
//! Every call outside goes through [`ask_outside`], and so through the one recorded path of core's host.
//! The answer stays in the host while it becomes Lua values, because making those can raise.

use std::ffi::{c_char, c_int};
use std::mem::MaybeUninit;

use mlua::ffi::{self, lua_Debug, lua_State};

use super::kernel::{
    Kernel, bytes_at, check_own, current, host, pay, push_ref, push_str, raise, raise_here,
};
use super::modules;
use crate::core::outside::{FILE_BYTES_MAX, Grants, HostAnswer, HostCall, WriteMode};
use crate::core::script::ErrorCode;

/// A call of the system takes as long as going through so many bytes.
const CALL_BYTES: usize = 80_000;
/// As in Linux.
const PATH_MAX: usize = 4096;
/// Bytes of a command line: as much as a person would ever read.
const COMMAND_MAX: usize = 64 << 10;

/// What an error about indexing nil ends with if it was meant for the library that is not there.
const MEANT_IO: [&str; 3] = ["(global 'io')", "(local 'io')", "(upvalue 'io')"];

/// What is said of a function that is not granted.
pub(super) fn not_granted(function: &str, grant: &str) -> String {
    if grant == "blocking" {
        // There is one thread for all sessions.
        return format!(
            "{function} would block everyone: use session:spawn, or add allow = [\"blocking\"] to \
             [lua] in lunette.toml"
        );
    }
    format!("{function} is not granted: add allow = [\"{grant}\"] to [lua] in lunette.toml")
}

/// Adds what to do about it to the error at `index` if it came of using `io` without the grant.
/// Without it `io` is nil, so that code which asks `if io then` finds its way around.
///
/// # Safety
/// Inside a protected call, with nothing on the Rust stack that needs dropping.
pub(super) unsafe fn explain(l: *mut lua_State, index: c_int) {
    // SAFETY: as promised by the caller; the text is only looked at if it is one.
    unsafe {
        let k = current();
        if ffi::lua_type(l, index) != ffi::LUA_TSTRING || k.is_null() || (*k).tables.io != 0 {
            return;
        }
        let text = bytes_at(l, index).unwrap_or_default();
        if !MEANT_IO.iter().any(|end| text.ends_with(end.as_bytes())) {
            return;
        }
        let index = ffi::lua_absindex(l, index);
        ffi::lua_pushvalue(l, index);
        let hint = c": io is not granted: add allow = [\"io\"] to [lua] in \
                     lunette.toml; instead of io.popen use session:spawn";
        ffi::lua_pushstring(l, hint.as_ptr());
        ffi::lua_concat(l, 2);
        ffi::lua_replace(l, index);
    }
}

/// Makes the call; the answer is in the host afterwards.
///
/// # Safety
/// Inside a C function called by Lua; nothing that needs dropping but the call is on the stack.
pub(super) unsafe fn ask_outside(l: *mut lua_State, call: HostCall) {
    // SAFETY: as promised by the caller; nothing in here raises.
    unsafe {
        let at = position(l);
        host().call(&call, at);
    }
}

/// `file:line` of the innermost code of the site.
unsafe fn position(l: *mut lua_State) -> String {
    // SAFETY: called from C functions of Lua; the structure is filled before it is looked at.
    unsafe {
        let mut info = MaybeUninit::<lua_Debug>::zeroed();
        for level in 1..=8 {
            if ffi::lua_getstack(l, level, info.as_mut_ptr()) == 0 {
                break;
            }
            ffi::lua_getinfo(l, c"Sl".as_ptr(), info.as_mut_ptr());
            let info = info.assume_init_ref();
            // The library has no lines: it is stripped.
            if info.currentline > 0 {
                let name = std::ffi::CStr::from_ptr((&raw const info.short_src).cast::<c_char>());
                return format!("{}:{}", name.to_string_lossy(), info.currentline);
            }
        }
        String::new()
    }
}

/// Pushes the answer as Lua's own functions return such: true or a text; nil, a message and a number
/// if it failed. The name at `name`, if any, stands in front of the message.
///
/// # Safety
/// As for [`ask_outside`].
pub(super) unsafe fn push_answer(l: *mut lua_State, name: c_int) -> c_int {
    // SAFETY: the answer is the host's, which keeps it to the end of the event.
    unsafe {
        match host().answer() {
            Some(HostAnswer::Done) => {
                ffi::lua_pushboolean(l, 1);
                1
            }
            Some(HostAnswer::Nothing) | None => {
                ffi::lua_pushnil(l);
                1
            }
            Some(HostAnswer::Bytes(bytes)) => {
                push_bytes(l, bytes);
                1
            }
            Some(HostAnswer::Failed { code, text }) => {
                ffi::lua_pushnil(l);
                if name != 0 {
                    ffi::lua_pushvalue(l, name);
                    push_str(l, ": ");
                    push_str(l, text);
                    ffi::lua_concat(l, 3);
                } else {
                    push_str(l, text);
                }
                ffi::lua_pushinteger(l, i64::from(*code));
                3
            }
            Some(HostAnswer::Ran { output, exit }) => {
                push_bytes(l, output);
                match exit.signal {
                    Some(_) => push_str(l, "signal"),
                    None => push_str(l, "exit"),
                }
                let code = exit.signal.or(exit.code).unwrap_or(-1);
                ffi::lua_pushinteger(l, i64::from(code));
                3
            }
        }
    }
}

unsafe fn push_bytes(l: *mut lua_State, bytes: &[u8]) {
    // SAFETY: as for `push_answer`.
    unsafe {
        pay(l, bytes.len());
        ffi::lua_pushlstring(l, bytes.as_ptr().cast(), bytes.len());
    }
}

/// Raises unless the site grants it.
///
/// # Safety
/// Inside a C function called by Lua, with nothing on the Rust stack that needs dropping.
pub(super) unsafe fn check_granted(
    l: *mut lua_State,
    function: &str,
    grant: &str,
    granted: fn(&Grants) -> bool,
) {
    // SAFETY: as promised by the caller. Where no session is, nothing is granted.
    unsafe {
        if current().is_null() || !granted(&host().limits.grants) {
            raise_here(l, not_granted(function, grant));
        }
    }
}

/// Pays for a call and gives the path in an argument.
///
/// # Safety
/// Inside a C function called by Lua; the path stays on the stack.
pub(super) unsafe fn path_at<'a>(l: *mut lua_State, arg: c_int) -> &'a [u8] {
    // SAFETY: as promised by the caller.
    unsafe { text_at(l, arg, PATH_MAX, "path") }
}

/// The same for a command line.
///
/// # Safety
/// As for [`path_at`].
pub(super) unsafe fn command_at<'a>(l: *mut lua_State, arg: c_int) -> &'a [u8] {
    // SAFETY: as promised by the caller.
    unsafe { text_at(l, arg, COMMAND_MAX, "command") }
}

unsafe fn text_at<'a>(l: *mut lua_State, arg: c_int, most: usize, what: &str) -> &'a [u8] {
    // SAFETY: as for `path_at`.
    unsafe {
        ffi::luaL_checklstring(l, arg, std::ptr::null_mut());
        check_room(l);
        let text = bytes_at(l, arg).unwrap_or_default();
        if text.len() > most {
            raise_here(l, format!("the {what} has more than {most} bytes"));
        }
        text
    }
}

/// Pays for a call; raises if the event has had enough answers.
///
/// # Safety
/// Inside a C function called by Lua, with nothing on the Rust stack that needs dropping.
pub(super) unsafe fn check_room(l: *mut lua_State) {
    // SAFETY: as promised by the caller.
    unsafe {
        pay(l, CALL_BYTES);
        if let Err(error) = host().check_outgoing() {
            raise(l, error.code, error.message);
        }
    }
}

/// Pays for the content in an argument; raises if it is too large for a file.
///
/// # Safety
/// As for [`path_at`].
unsafe fn content_at<'a>(l: *mut lua_State, arg: c_int) -> &'a [u8] {
    // SAFETY: as promised by the caller.
    unsafe {
        ffi::luaL_checklstring(l, arg, std::ptr::null_mut());
        let content = bytes_at(l, arg).unwrap_or_default();
        if content.len() > FILE_BYTES_MAX {
            let text = format!("files have at most {FILE_BYTES_MAX} bytes, this would be larger");
            raise_here(l, text);
        }
        // Copied, and its checksum made.
        pay(l, 2 * content.len());
        content
    }
}

/// `session:readFile(path)`: the content, or nil and why not.
pub(super) unsafe extern "C-unwind" fn read_file(l: *mut lua_State) -> c_int {
    // SAFETY: called by Lua.
    unsafe {
        check_granted(l, "session:readFile", "files", |grants| grants.files);
        let path = path_at(l, 2).to_vec();
        ask_outside(l, HostCall::Read { path });
        push_answer(l, 2)
    }
}

/// `session:writeFile(path, text)`: true, or nil and why not. Whoever reads the file meanwhile sees
/// what was there before.
pub(super) unsafe extern "C-unwind" fn write_file(l: *mut lua_State) -> c_int {
    // SAFETY: called by Lua.
    unsafe {
        check_granted(l, "session:writeFile", "files", |grants| grants.files);
        write(l, 2, WriteMode::Replace)
    }
}

/// Writes the text in the argument behind `path` to the file that it names.
unsafe fn write(l: *mut lua_State, path: c_int, mode: WriteMode) -> c_int {
    // SAFETY: as for its callers. Copies are made when nothing raises any more.
    unsafe {
        let name = path_at(l, path);
        let content = content_at(l, path + 1);
        let call = HostCall::Write {
            path: name.to_vec(),
            mode,
            content: content.to_vec(),
        };
        ask_outside(l, call);
        push_answer(l, path)
    }
}

/// `io.NAME`, until the first use has filled the table.
///
/// # Safety
/// Called by Lua with the table and the key.
pub(super) unsafe extern "C-unwind" fn io_index(l: *mut lua_State) -> c_int {
    // SAFETY: called by Lua.
    unsafe {
        let k = current();
        check_own(l, (*k).tables.io);
        modules::load_library(l, k, "io");
        ffi::lua_settop(l, 2);
        ffi::lua_pushnil(l);
        ffi::lua_setmetatable(l, 1);
        ffi::lua_rawget(l, 1);
        1
    }
}

/// What `lua/io.lua` is called with behind the session: the table to fill, and its way outside.
///
/// # Safety
/// Inside a protected call of this kernel.
pub(super) unsafe fn push_arguments(l: *mut lua_State, k: *mut Kernel) -> c_int {
    // SAFETY: as promised by the caller.
    unsafe {
        push_ref(l, (*k).tables.session);
        push_ref(l, (*k).tables.io);
        ffi::lua_pushcfunction(l, ask);
        3
    }
}

/// Names for `determinism`.
pub(super) fn functions() -> [ffi::lua_CFunction; 2] {
    [ask, io_index]
}

/// `ask(what, path, content)`, for the library alone: it checks nothing but sizes and grants.
unsafe extern "C-unwind" fn ask(l: *mut lua_State) -> c_int {
    // SAFETY: called by the library, whose first argument is a text that stays on the stack.
    unsafe {
        ffi::lua_settop(l, 3);
        match bytes_at(l, 1).unwrap_or_default() {
            b"check io" => check(l, "io", |grants| grants.io),
            b"check blocking" => check(l, "blocking", |grants| grants.blocking),
            b"read" => {
                let path = path_at(l, 2).to_vec();
                ask_outside(l, HostCall::Read { path });
                push_answer(l, 2)
            }
            b"write" => write(l, 2, WriteMode::Truncate),
            b"append" => write(l, 2, WriteMode::Append),
            _ => run(l),
        }
    }
}

/// Raises unless what argument 2 names is granted; in the name of who called the library.
unsafe fn check(l: *mut lua_State, grant: &str, granted: fn(&Grants) -> bool) -> c_int {
    // SAFETY: as for `ask`.
    unsafe {
        if granted(&host().limits.grants) {
            return 0;
        }
        let name = String::from_utf8_lossy(bytes_at(l, 2).unwrap_or_default());
        let at = position(l);
        let message = format!("{at}: {}", not_granted(&name, grant));
        drop((name, at));
        raise(l, ErrorCode::LuaError, message)
    }
}

/// Runs the command in argument 2 with the input in argument 3.
///
/// # Safety
/// Inside a C function called by Lua.
pub(super) unsafe fn run(l: *mut lua_State) -> c_int {
    // SAFETY: as promised by the caller.
    unsafe {
        let command = command_at(l, 2);
        let input = content_at(l, 3);
        let call = HostCall::Run {
            command: command.to_vec(),
            input: input.to_vec(),
        };
        ask_outside(l, call);
        push_answer(l, 0)
    }
}
