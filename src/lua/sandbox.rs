//! What a session's Lua code finds: the standard library without its way out of the session, with
//! the names that code for Lua 5.1 expects.
//!
//! Libraries cost memory in every state, so all but the global functions are made on first use: the
//! tables `string`, `math` and so on begin empty, and one shared metatable fills in what is asked for
//! (`pairs` fills in the rest first). All functions are light C functions: Lua's own, taken from a
//! scratch state once, or ours, which stand before Lua's own to charge loops that instruction
//! counting does not see. `print` is left out; it belongs to whoever runs the session.

mod base;
pub mod clock;
mod hidden;
mod lazy;
mod numbers;
mod scratch;
mod sort;
mod tables;
mod text;

use crate::core::gather::gather;
use crate::lua::budget;
use crate::lua::determinism::{heap_of, name_function};
use crate::lua::os;
use crate::lua::state::{StateError, pop_text};
use lazy::{lazy_index, lazy_pairs};
use mlua::ffi::{self, lua_CFunction, lua_State};
use scratch::Scratch;
use std::collections::BTreeMap;
use std::ffi::CStr;
use std::os::raw::{c_char, c_int};
use std::sync::OnceLock;

/// How many library tables are filled on first use.
pub const LAZY: usize = 7;

/// What a name stands for, as written in the lists below.
enum Entry {
    /// Lua's own function of this name in this library.
    Lua(&'static str),
    /// Ours.
    Own(&'static str, lua_CFunction),
    Number(&'static str, f64),
    Integer(&'static str, i64),
    Text(&'static str, &'static [u8]),
}

#[derive(Clone, Copy)]
enum Item {
    Function(lua_CFunction),
    Number(f64),
    Integer(i64),
    Text(&'static [u8]),
}

/// A library as it is put into states: in the order of names.
struct Library {
    name: &'static CStr,
    items: BTreeMap<&'static [u8], Item>,
}

/// Lua's own functions that ours call on.
pub struct Originals {
    pub coroutine_close: lua_CFunction,
    pub tonumber: lua_CFunction,
    pub traceback: lua_CFunction,
    pub concat: lua_CFunction,
    pub insert: lua_CFunction,
    pub remove: lua_CFunction,
    pub move_: lua_CFunction,
    pub fmod: lua_CFunction,
    pub unpack: lua_CFunction,
    pub byte: lua_CFunction,
    pub find: lua_CFunction,
    pub match_: lua_CFunction,
    pub gmatch: lua_CFunction,
    pub gsub: lua_CFunction,
    pub format: lua_CFunction,
    pub rep: lua_CFunction,
    pub pack: lua_CFunction,
    pub packsize: lua_CFunction,
    pub string_unpack: lua_CFunction,
    pub char: lua_CFunction,
    pub max: lua_CFunction,
    pub min: lua_CFunction,
    pub utf8_char: lua_CFunction,
    pub utf8_codes: lua_CFunction,
    pub utf8_strict: lua_CFunction,
    pub utf8_lax: lua_CFunction,
    pub utf8_len: lua_CFunction,
    pub utf8_offset: lua_CFunction,
    pub utf8_codepoint: lua_CFunction,
}

struct Prepared {
    /// The finalizer of the boxes that Lua's buffers have their memory in.
    box_gc: lua_CFunction,
    originals: Originals,
    globals: Library,
    /// Metamethods of strings: arithmetic on numerals.
    strings: Library,
    lazy: [Library; LAZY],
}

static PREPARED: OnceLock<Prepared> = OnceLock::new();

fn globals() -> Vec<Entry> {
    use Entry::{Lua, Own, Text};
    vec![
        Lua("assert"),
        Lua("error"),
        Lua("getmetatable"),
        Lua("ipairs"),
        Lua("next"),
        Lua("pairs"),
        Lua("rawequal"),
        Lua("rawget"),
        Lua("rawlen"),
        Lua("rawset"),
        Lua("select"),
        Lua("tostring"),
        Lua("type"),
        Own("collectgarbage", base::collectgarbage),
        Own("getfenv", base::getfenv),
        Own("load", base::load),
        Own("loadstring", base::load),
        Own("pcall", budget::pcall),
        Own("setfenv", base::setfenv),
        Own("setmetatable", base::setmetatable),
        Own("tonumber", base::tonumber),
        Own("unpack", tables::unpack),
        Own("xpcall", budget::xpcall),
        Text("_VERSION", b"Lua 5.4"),
    ]
}

fn lazy_lists() -> [(&'static CStr, Vec<Entry>); LAZY] {
    [
        (c"coroutine", coroutine_list()),
        (
            c"debug",
            vec![Entry::Own("traceback", base::debug_traceback)],
        ),
        (c"math", math_list()),
        (c"os", os_list()),
        (c"string", string_list()),
        (c"table", table_list()),
        (c"utf8", utf8_list()),
    ]
}

fn coroutine_list() -> Vec<Entry> {
    use Entry::{Lua, Own};
    vec![
        Own("close", budget::coroutine_close),
        Own("create", budget::coroutine_create),
        Lua("isyieldable"),
        Own("resume", budget::coroutine_resume),
        Lua("running"),
        Lua("status"),
        Own("wrap", budget::coroutine_wrap),
        Lua("yield"),
    ]
}

fn math_list() -> Vec<Entry> {
    let own = [
        "abs",
        "acos",
        "asin",
        "atan",
        "atan2",
        "ceil",
        "cos",
        "cosh",
        "deg",
        "exp",
        "floor",
        "fmod",
        "frexp",
        "ldexp",
        "log",
        "log10",
        "modf",
        "pow",
        "rad",
        "sin",
        "sinh",
        "sqrt",
        "tan",
        "tanh",
        "tointeger",
        "type",
        "ult",
    ];
    let mut list: Vec<Entry> = own.into_iter().map(Entry::Lua).collect();
    list.extend([
        Entry::Own("max", text::max),
        Entry::Own("min", text::min),
        Entry::Own("mod", numbers::modulo),
        Entry::Own("random", numbers::random),
        Entry::Own("randomseed", numbers::randomseed),
        Entry::Number("pi", std::f64::consts::PI),
        Entry::Number("huge", f64::INFINITY),
        Entry::Integer("maxinteger", i64::MAX),
        Entry::Integer("mininteger", i64::MIN),
    ]);
    list
}

fn os_list() -> Vec<Entry> {
    use Entry::Own;
    vec![
        Own("clock", clock::os_clock),
        Own("date", clock::os_date),
        Own("difftime", clock::os_difftime),
        Own("execute", os::execute),
        Own("getenv", os::getenv),
        Own("remove", os::remove),
        Own("rename", os::rename),
        Own("time", clock::os_time),
        Own("tmpname", os::tmpname),
    ]
}

fn string_list() -> Vec<Entry> {
    use Entry::{Lua, Own};
    vec![
        Own("byte", text::byte),
        Own("char", text::char),
        Own("find", text::find),
        Own("format", text::format),
        Own("gfind", text::gmatch),
        Own("gmatch", text::gmatch),
        Own("gsub", text::gsub),
        Lua("len"),
        Lua("lower"),
        Own("match", text::match_),
        Own("pack", text::pack),
        Own("packsize", text::packsize),
        Own("rep", text::rep),
        Lua("reverse"),
        Lua("sub"),
        Own("unpack", text::unpack),
        Lua("upper"),
    ]
}

fn table_list() -> Vec<Entry> {
    use Entry::{Lua, Own};
    vec![
        Own("concat", tables::concat),
        Own("foreach", tables::foreach),
        Own("foreachi", tables::foreachi),
        Own("getn", tables::getn),
        Own("insert", tables::insert),
        Own("maxn", tables::maxn),
        Own("move", tables::move_),
        Lua("pack"),
        Own("remove", tables::remove),
        Own("sort", sort::sort),
        Own("unpack", tables::unpack),
    ]
}

fn utf8_list() -> Vec<Entry> {
    use Entry::{Own, Text};
    vec![
        Own("char", text::utf8_char),
        Text("charpattern", b"[\0-\x7F\xC2-\xFD][\x80-\xBF]*"),
        Own("codepoint", text::utf8_codepoint),
        Own("codes", text::utf8_codes),
        Own("len", text::utf8_len),
        Own("offset", text::utf8_offset),
    ]
}

/// Lua's own functions for ours to call on. Only after `prepare`.
pub fn originals() -> &'static Originals {
    &prepared().originals
}

/// The finalizer of the boxes that Lua's buffers have their memory in. Only after `prepare`.
pub fn box_gc() -> lua_CFunction {
    prepared().box_gc
}

fn prepared() -> &'static Prepared {
    PREPARED.get_or_init(|| scan(&Scratch::new()))
}

/// A function as sessions find it before they put something in its place: a global, or one of `string`,
/// `table` or `math`.
pub fn function(name: &str) -> Option<lua_CFunction> {
    let prepared = prepared();
    let lazy = prepared.lazy.iter();
    let wanted = |library: &&Library| [c"string", c"table", c"math"].contains(&library.name);
    let mut libraries = std::iter::once(&prepared.globals).chain(lazy.filter(wanted));
    libraries.find_map(|library| match library.items.get(name.as_bytes()) {
        Some(Item::Function(function)) => Some(*function),
        _ => None,
    })
}

/// Collects Lua's functions from a scratch state and names every function, once in a process.
pub fn prepare() {
    prepared();
}

fn scan(scratch: &Scratch) -> Prepared {
    let lazy = lazy_lists().map(|(name, list)| library(scratch, name, list));
    let globals = library(scratch, c"_G", globals());
    name_function(
        "lua.ipairs.iterator",
        scratch.result(c"return (ipairs({}))"),
    );
    name_function("lua.utf8.codes.strict", text::next_strict);
    name_function("lua.utf8.codes.lax", text::next_lax);
    name_function("lunette.lazy.index", lazy_index);
    name_function("lunette.lazy.pairs", lazy_pairs);
    Prepared {
        box_gc: hidden::name_all(scratch),
        originals: find_originals(scratch),
        globals,
        strings: string_metamethods(scratch),
        lazy,
    }
}

fn find_originals(scratch: &Scratch) -> Originals {
    Originals {
        coroutine_close: scratch.function(c"coroutine", "close"),
        tonumber: scratch.function(c"_G", "tonumber"),
        traceback: scratch.function(c"debug", "traceback"),
        concat: scratch.function(c"table", "concat"),
        insert: scratch.function(c"table", "insert"),
        remove: scratch.function(c"table", "remove"),
        move_: scratch.function(c"table", "move"),
        fmod: scratch.function(c"math", "fmod"),
        unpack: scratch.function(c"table", "unpack"),
        byte: scratch.function(c"string", "byte"),
        find: scratch.function(c"string", "find"),
        match_: scratch.function(c"string", "match"),
        gmatch: scratch.function(c"string", "gmatch"),
        gsub: scratch.function(c"string", "gsub"),
        format: scratch.function(c"string", "format"),
        rep: scratch.function(c"string", "rep"),
        pack: scratch.function(c"string", "pack"),
        packsize: scratch.function(c"string", "packsize"),
        string_unpack: scratch.function(c"string", "unpack"),
        char: scratch.function(c"string", "char"),
        max: scratch.function(c"math", "max"),
        min: scratch.function(c"math", "min"),
        utf8_char: scratch.function(c"utf8", "char"),
        utf8_codes: scratch.function(c"utf8", "codes"),
        utf8_strict: scratch.result(c"return (utf8.codes(''))"),
        utf8_lax: scratch.result(c"return (utf8.codes('', true))"),
        utf8_len: scratch.function(c"utf8", "len"),
        utf8_offset: scratch.function(c"utf8", "offset"),
        utf8_codepoint: scratch.function(c"utf8", "codepoint"),
    }
}

fn string_metamethods(scratch: &Scratch) -> Library {
    let names = [
        (c"return getmetatable('').__add", "__add"),
        (c"return getmetatable('').__sub", "__sub"),
        (c"return getmetatable('').__mul", "__mul"),
        (c"return getmetatable('').__mod", "__mod"),
        (c"return getmetatable('').__pow", "__pow"),
        (c"return getmetatable('').__div", "__div"),
        (c"return getmetatable('').__idiv", "__idiv"),
        (c"return getmetatable('').__unm", "__unm"),
    ];
    let items = names.map(|(script, name)| {
        let function = scratch.result(script);
        name_function(&format!("lua.string.{name}"), function);
        (name.as_bytes(), Item::Function(function))
    });
    Library {
        name: c"string",
        items: gather(items),
    }
}

fn library(scratch: &Scratch, name: &'static CStr, list: Vec<Entry>) -> Library {
    let label = name.to_str().expect("library names are ASCII");
    let items = list.into_iter().map(|entry| match entry {
        Entry::Lua(key) => {
            let function = scratch.function(name, key);
            name_function(&format!("lua.{label}.{key}"), function);
            (key.as_bytes(), Item::Function(function))
        }
        Entry::Own(key, function) => {
            name_function(&format!("{label}.{key}"), function);
            (key.as_bytes(), Item::Function(function))
        }
        Entry::Number(key, number) => (key.as_bytes(), Item::Number(number)),
        Entry::Integer(key, number) => (key.as_bytes(), Item::Integer(number)),
        Entry::Text(key, text) => (key.as_bytes(), Item::Text(text)),
    });
    Library {
        name,
        items: gather(items),
    }
}

/// Puts the libraries into a new state.
pub(crate) fn install(state: *mut lua_State) -> Result<(), StateError> {
    // SAFETY: a protected call on a live state; its error message is taken off the stack.
    unsafe {
        ffi::lua_pushcfunction(state, install_protected);
        match ffi::lua_pcall(state, 0, 0, 0) {
            ffi::LUA_OK => Ok(()),
            ffi::LUA_ERRMEM => Err(StateError::Memory),
            _ => Err(StateError::Setup(pop_text(state))),
        }
    }
}

unsafe extern "C-unwind" fn install_protected(state: *mut lua_State) -> c_int {
    let prepared = prepared();
    // SAFETY: a C function of Lua; nothing here needs dropping when an error jumps out.
    unsafe {
        let Some(heap) = heap_of(state) else { return 0 };
        ffi::lua_pushglobaltable(state);
        set_items(state, &prepared.globals);
        ffi::lua_pushvalue(state, -1);
        ffi::lua_setfield(state, -2, c"_G".as_ptr());
        // The metatable of the library tables.
        ffi::lua_createtable(state, 0, 3);
        ffi::lua_pushboolean(state, 0);
        ffi::lua_setfield(state, -2, c"__metatable".as_ptr());
        ffi::lua_pushcfunction(state, lazy_index);
        ffi::lua_setfield(state, -2, c"__index".as_ptr());
        ffi::lua_pushcfunction(state, lazy_pairs);
        ffi::lua_setfield(state, -2, c"__pairs".as_ptr());
        for (index, library) in prepared.lazy.iter().enumerate() {
            ffi::lua_createtable(state, 0, 0);
            (*heap.as_ptr()).local.libraries[index] = ffi::lua_topointer(state, -1) as usize;
            ffi::lua_pushvalue(state, -2);
            ffi::lua_setmetatable(state, -2);
            if library.name == c"string" {
                install_string_metatable(state, &prepared.strings);
            }
            ffi::lua_setfield(state, -3, library.name.as_ptr());
        }
        0
    }
}

/// # Safety
/// The table `string` is on top of the stack, and stays.
unsafe fn install_string_metatable(state: *mut lua_State, methods: &Library) {
    // SAFETY: as in `install_protected`.
    unsafe {
        ffi::lua_pushstring(state, c"".as_ptr());
        ffi::lua_createtable(state, 0, methods.items.len() as c_int + 1);
        set_items(state, methods);
        ffi::lua_pushvalue(state, -3);
        ffi::lua_setfield(state, -2, c"__index".as_ptr());
        ffi::lua_setmetatable(state, -2);
        ffi::lua_pop(state, 1);
    }
}

/// # Safety
/// A table is on top of the stack, and stays.
unsafe fn set_items(state: *mut lua_State, library: &Library) {
    for (name, item) in &library.items {
        // SAFETY: as in `install_protected`.
        unsafe {
            ffi::lua_pushlstring(state, name.as_ptr().cast::<c_char>(), name.len());
            push(state, *item);
            ffi::lua_rawset(state, -3);
        }
    }
}

unsafe fn push(state: *mut lua_State, item: Item) {
    // SAFETY: as in `install_protected`.
    unsafe {
        match item {
            Item::Function(function) => ffi::lua_pushcfunction(state, function),
            Item::Number(number) => ffi::lua_pushnumber(state, number),
            Item::Integer(number) => ffi::lua_pushinteger(state, number),
            Item::Text(text) => {
                ffi::lua_pushlstring(state, text.as_ptr().cast(), text.len());
            }
        }
    }
}

#[cfg(test)]
mod tests;
