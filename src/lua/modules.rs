//! Files of code: `main.lua`, `require`, the library, and the cache of compiled chunks.

use std::cell::RefCell;
use std::ffi::{CString, c_int, c_void};
use std::rc::Rc;

use mlua::ffi::{self, lua_State};
use rustc_hash::FxHashMap;

use super::budget;
use super::escapes::without_unknown;
use super::kernel::{Kernel, bytes_at, current, host, pay, push_ref, push_str, raise, raise_here};
use super::state::State;
use super::{reload, sandbox};
use crate::core::script::ErrorCode;

/// The Lua side of the library, by the name it is loaded with.
const LIBRARY: &[(&str, &str)] = &[
    ("io", include_str!("../../lua/io.lua")),
    ("prototype", include_str!("../../lua/prototype.lua")),
    ("viewlist", include_str!("../../lua/viewlist.lua")),
];

/// Compiled chunks, shared by all sessions: each file is compiled once, and every session loads the
/// same bytecode, so its memory looks the same whoever came first.
pub(super) struct ChunkCache {
    compiler: State,
    /// By name of the chunk; the source is kept to notice another file of the same name.
    chunks: RefCell<FxHashMap<String, Compiled>>,
}

/// The source and what came of it.
type Compiled = (Rc<[u8]>, Rc<Chunk>);

/// A compiled file or why it does not compile.
type Chunk = Result<Vec<u8>, String>;

impl ChunkCache {
    /// Compiles with this state, in which no code ever runs.
    pub fn new(compiler: State) -> ChunkCache {
        ChunkCache {
            compiler,
            chunks: RefCell::new(FxHashMap::default()),
        }
    }

    /// Why `text` does not compile.
    pub fn problem(&self, name: &str, text: &[u8]) -> Option<String> {
        self.compile(name, text, false)
            .as_ref()
            .as_ref()
            .err()
            .cloned()
    }

    /// The bytecode of `text`, whose name in messages is `name`.
    fn compile(&self, name: &str, text: &[u8], strip: bool) -> Rc<Chunk> {
        if let Some((source, chunk)) = self.chunks.borrow().get(name)
            && **source == *text
        {
            return chunk.clone();
        }
        let chunk: Rc<Chunk> = Rc::new(self.compile_now(name, text, strip));
        let entry = (text.into(), chunk.clone());
        self.chunks.borrow_mut().insert(name.to_owned(), entry);
        chunk
    }

    /// Code for Lua 5.1 may have escapes that Lua 5.4 refuses: then it is compiled without them.
    fn compile_now(&self, name: &str, text: &[u8], strip: bool) -> Chunk {
        match self.compile_as_it_is(name, text, strip) {
            Err(problem) if problem.contains("invalid escape sequence") => {
                let plain = without_unknown(text);
                self.compile_as_it_is(name, &plain, strip)
            }
            chunk => chunk,
        }
    }

    fn compile_as_it_is(&self, name: &str, text: &[u8], strip: bool) -> Chunk {
        let label = CString::new(format!("@{name}")).map_err(|_| "bad file name".to_owned())?;
        let text = without_shebang(text);
        let l = self.compiler.raw();
        self.compiler.budget().refill(u64::MAX / 2);
        let mut out: Vec<u8> = Vec::new();
        // SAFETY: luaL_loadbufferx is protected; the writer appends to `out`, which outlives it.
        unsafe {
            ffi::lua_settop(l, 0);
            let status = ffi::luaL_loadbufferx(
                l,
                text.as_ptr().cast(),
                text.len(),
                label.as_ptr(),
                c"t".as_ptr(),
            );
            let result = if status == ffi::LUA_OK {
                ffi::lua_dump(l, append, (&raw mut out).cast(), c_int::from(strip));
                Ok(())
            } else {
                let message = bytes_at(l, -1).unwrap_or(b"not enough memory");
                Err(String::from_utf8_lossy(message).into_owned())
            };
            ffi::lua_settop(l, 0);
            result?;
        }
        self.compiler.trim();
        Ok(out)
    }
}

/// A first line that starts with `#` is for the shell; its line number stays counted.
fn without_shebang(text: &[u8]) -> &[u8] {
    if text.first() != Some(&b'#') {
        return text;
    }
    let end = text.iter().position(|&b| b == b'\n').unwrap_or(text.len());
    &text[end..]
}

unsafe extern "C-unwind" fn append(
    _: *mut lua_State,
    data: *const c_void,
    size: usize,
    out: *mut c_void,
) -> c_int {
    // SAFETY: lua_dump passes `size` bytes and the Vec that `compile_now` gave it.
    unsafe {
        let bytes = std::slice::from_raw_parts(data.cast::<u8>(), size);
        (*out.cast::<Vec<u8>>()).extend_from_slice(bytes);
    }
    0
}

/// Pushes the function of a file, or raises what its compilation said.
///
/// # Safety
/// Inside a protected call of this kernel.
pub(super) unsafe fn push_chunk(
    l: *mut lua_State,
    k: *mut Kernel,
    name: &str,
    text: &[u8],
    strip: bool,
) {
    // SAFETY: inside a protected call of this kernel; the cache keeps the chunk alive.
    unsafe {
        // Whether it is in the cache already must make no difference to the session.
        pay(l, 8 * text.len());
        let chunk = (*k).chunks.compile(name, text, strip);
        budget::select_again(l);
        let bytes: *const Chunk = Rc::as_ptr(&chunk);
        // The cache holds another reference, so nothing is freed and nothing needs dropping later.
        drop(chunk);
        match &*bytes {
            Ok(code) => {
                let label = c"=chunk";
                let (data, size) = (code.as_ptr().cast(), code.len());
                let mode = c"b".as_ptr();
                if ffi::luaL_loadbufferx(l, data, size, label.as_ptr(), mode) != ffi::LUA_OK {
                    ffi::lua_error(l);
                }
            }
            Err(message) => raise(l, ErrorCode::LuaError, message.clone()),
        }
    }
}

/// The path of the file with which a session begins.
pub(super) const MAIN: &str = "lua/main.lua";

/// The name of a file in messages.
pub(super) fn shown(path: &str) -> &str {
    path.strip_prefix("lua/").unwrap_or(path)
}

/// Runs `main.lua`.
///
/// # Safety
/// Called by Lua under [`Kernel::enter`].
pub(super) unsafe extern "C-unwind" fn main_op(l: *mut lua_State) -> c_int {
    // SAFETY: see `read::detect_op`; the site outlives the call.
    unsafe {
        let k = current();
        host().log(2, format_args!("LuaSession.loadFile(\"main.lua\")"));
        let text: *const [u8] = match host().site.read(MAIN) {
            Some(text) => text,
            None => raise(
                l,
                ErrorCode::NotFound,
                "the site has no lua/main.lua: create it; it must call \
                 session:createAppVariable(object)"
                    .into(),
            ),
        };
        push_chunk(l, k, "main.lua", &*text, false);
        host().log(2, format_args!("main.lua executes"));
        host().files.enter(MAIN);
        ffi::lua_callk(l, 0, 0, 0, None);
        0
    }
}

/// Runs `call.text`: what property `lua` of variable 1 was set to.
///
/// # Safety
/// Called by Lua under [`Kernel::enter`].
pub(super) unsafe extern "C-unwind" fn code_op(l: *mut lua_State) -> c_int {
    // SAFETY: see `read::detect_op`; the text is lent for the call.
    unsafe {
        let k = current();
        let code: &str = &*(*k).call.text;
        if code.ends_with(".lua") && !code.contains('\n') {
            let path = format!("lua/{code}");
            let text: Option<*const [u8]> = host().site.read(&path).map(|t| t as *const _);
            if text.is_some() {
                host().files.enter(&path);
            }
            drop(path);
            match text {
                Some(text) => push_chunk(l, k, code, &*text, false),
                None => raise(
                    l,
                    ErrorCode::NotFound,
                    format!("the site has no file lua/{code}"),
                ),
            }
        } else {
            let (data, size) = (code.as_ptr().cast(), code.len());
            let (name, mode) = (c"=lua property".as_ptr(), c"t".as_ptr());
            if ffi::luaL_loadbufferx(l, data, size, name, mode) != ffi::LUA_OK {
                ffi::lua_error(l);
            }
        }
        ffi::lua_callk(l, 0, 0, 0, None);
        0
    }
}

/// Functions that library files are given: Lua's own under their names. An app may have put anything
/// in place of its globals by the time a library file is loaded.
const PRISTINE: [&str; 23] = [
    "concat",
    "error",
    "find",
    "format",
    "getmetatable",
    "gmatch",
    "match",
    "max",
    "min",
    "move",
    "next",
    "rawequal",
    "rawget",
    "rawset",
    "remove",
    "select",
    "setmetatable",
    "sub",
    "tonumber",
    "tostring",
    "type",
    "unpack",
    "xpcall",
];

/// Pushes what a library file returned, run when it is first needed.
///
/// # Safety
/// Inside a protected call of this kernel.
pub(super) unsafe fn push_library(l: *mut lua_State, k: *mut Kernel, name: &str) {
    // SAFETY: as promised by the caller.
    unsafe {
        let top = ffi::lua_gettop(l);
        push_ref(l, (*k).tables.loaded);
        push_str(l, name);
        if ffi::lua_rawget(l, -2) == ffi::LUA_TNIL {
            ffi::lua_settop(l, top + 1);
            let text = LIBRARY.iter().find(|(n, _)| *n == name);
            let text = text.map_or("", |(_, text)| text);
            push_chunk(l, k, name, text.as_bytes(), true);
            push_functions(l);
            let given = match name {
                "io" => super::files::push_arguments(l, k),
                _ => push_arguments(l, k),
            };
            ffi::lua_callk(l, 1 + given, 1, 0, None);
            push_str(l, name);
            ffi::lua_pushvalue(l, -2);
            ffi::lua_rawset(l, top + 1);
        }
        ffi::lua_replace(l, top + 1);
        ffi::lua_settop(l, top + 1);
    }
}

/// Pushes what library files are given besides functions, and says how much that is.
unsafe fn push_arguments(l: *mut lua_State, k: *mut Kernel) -> c_int {
    // SAFETY: as for `push_library`.
    unsafe {
        let tables = &(*k).tables;
        let given = [
            tables.registered,
            tables.stored,
            tables.owners,
            tables.loaded,
            tables.empty,
        ];
        for table in given {
            push_ref(l, table);
        }
        given.len() as c_int
    }
}

/// Runs a library file if it has not run yet.
///
/// # Safety
/// As for [`push_library`].
pub(super) unsafe fn load_library(l: *mut lua_State, k: *mut Kernel, name: &str) {
    // SAFETY: as promised by the caller.
    unsafe {
        push_library(l, k, name);
        ffi::lua_settop(l, -2);
    }
}

/// Pushes the table of functions that library files are given.
unsafe fn push_functions(l: *mut lua_State) {
    // SAFETY: as for `push_library`.
    unsafe {
        ffi::lua_createtable(l, 0, PRISTINE.len() as c_int);
        let set = |name: &str, function: ffi::lua_CFunction| {
            push_str(l, name);
            ffi::lua_pushcfunction(l, function);
            ffi::lua_rawset(l, -3);
        };
        for name in PRISTINE {
            if let Some(function) = sandbox::function(name) {
                set(name, function);
            }
        }
        for (name, function) in reload::LIBRARY_FUNCTIONS {
            set(name, *function);
        }
        push_str(l, "globals");
        ffi::lua_rawgeti(l, ffi::LUA_REGISTRYINDEX, ffi::LUA_RIDX_GLOBALS);
        ffi::lua_rawset(l, -3);
    }
}

unsafe fn mark_loaded(l: *mut lua_State, k: *mut Kernel, key: &str, loaded: bool) {
    // SAFETY: as for `load_library`.
    unsafe {
        push_ref(l, (*k).tables.loaded);
        push_str(l, key);
        if loaded {
            ffi::lua_pushboolean(l, 1);
        } else {
            ffi::lua_pushnil(l);
        }
        ffi::lua_rawset(l, -3);
        ffi::lua_settop(l, -2);
    }
}

/// Looking for a file is as expensive as looking through so many bytes.
const REQUIRE_COST: usize = 8192;

/// `require(name)`: the site's `lua/`, then the site itself.
pub(super) unsafe extern "C-unwind" fn require(l: *mut lua_State) -> c_int {
    // SAFETY: called by Lua; `found` borrows the site, which outlives the call.
    unsafe {
        ffi::luaL_checklstring(l, 1, std::ptr::null_mut());
        ffi::lua_settop(l, 1);
        pay(l, REQUIRE_COST);
        let k = current();
        let Some((place, text)) = find(l) else {
            let name = String::from_utf8_lossy(bytes_at(l, 1).unwrap_or_default());
            let file = name.replace('.', "/");
            let message = format!(
                "module '{name}' not found: the site has neither lua/{file}.lua, \
                 lua/{file}/init.lua nor {file}.lua"
            );
            drop((name, file));
            raise_here(l, message);
        };
        let place: &str = &*place;
        push_ref(l, (*k).tables.loaded);
        push_str(l, place);
        if ffi::lua_rawget(l, 2) != ffi::LUA_TNIL {
            return 1;
        }
        ffi::lua_settop(l, 1);
        mark_loaded(l, k, place, true);
        let ran_before = host().files.has_run(place);
        let depth = host().files.enter(place);
        // Unmarked on error, so that the next require tries again.
        ffi::lua_pushcfunction(l, super::kernel::handle_message);
        push_protected(l, k, place, &*text);
        ffi::lua_pushvalue(l, 1);
        let status = ffi::lua_pcallk(l, 3, 1, 2, 0, None);
        host().files.leave(depth);
        if status != ffi::LUA_OK {
            if !ran_before {
                drop(host().files.forget(place));
            }
            mark_loaded(l, k, place, false);
            ffi::lua_error(l);
        }
        if ffi::lua_type(l, -1) == ffi::LUA_TNIL {
            ffi::lua_settop(l, -2);
            ffi::lua_pushboolean(l, 1);
        }
        push_ref(l, (*k).tables.loaded);
        push_str(l, place);
        ffi::lua_pushvalue(l, -3);
        ffi::lua_rawset(l, -3);
        ffi::lua_settop(l, -2);
        1
    }
}

/// Pushes the function that compiles and runs a module, and its first two arguments.
unsafe fn push_protected(l: *mut lua_State, _: *mut Kernel, place: &str, text: &[u8]) {
    // SAFETY: as for `require`; both live in the site, which outlives the call.
    unsafe {
        ffi::lua_pushcfunction(l, run_module);
        push_str(l, place);
        ffi::lua_pushlstring(l, text.as_ptr().cast(), text.len());
    }
}

/// `(place, text, name)`: compiles the module and calls it with its name.
unsafe extern "C-unwind" fn run_module(l: *mut lua_State) -> c_int {
    // SAFETY: only called by `require`; both strings stay on the stack.
    unsafe {
        let place: *const [u8] = bytes_at(l, 1).unwrap_or_default();
        let text: *const [u8] = bytes_at(l, 2).unwrap_or_default();
        let place = std::str::from_utf8(&*place).unwrap_or("module");
        push_chunk(l, current(), shown(place), &*text, false);
        ffi::lua_pushvalue(l, 3);
        ffi::lua_callk(l, 1, 1, 0, None);
        1
    }
}

/// The file that argument 1 of `require` names: its path and its content.
unsafe fn find(l: *mut lua_State) -> Option<(*const str, *const [u8])> {
    // SAFETY: as for `require`; keys and contents belong to the site, not to this function.
    unsafe {
        let name = std::str::from_utf8(bytes_at(l, 1)?).ok()?;
        let file = name.replace('.', "/");
        let places = [
            format!("lua/{file}.lua"),
            format!("lua/{file}/init.lua"),
            format!("{file}.lua"),
        ];
        places.iter().find_map(|place| {
            let (key, text) = host().site.entry(place)?;
            Some((&raw const *key, &raw const *text))
        })
    }
}
