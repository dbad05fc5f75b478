//! `session`: what an app calls.
//!
//! The methods are light C functions that `__index` hands out, so an unused API costs a session no
//! memory. They act on the host at once; ids are vended there.

use std::ffi::c_int;

use mlua::ffi::{self, lua_CFunction, lua_State};

use super::cell::Source;
use super::kernel::{
    bytes_at, check_own, current, host, pay, push_ref, push_str, raise, raise_here,
};
use super::read::{held_key, set_aux};
use super::{bind, files, handle, messages, process, prototype, registered, reload};
use crate::core::handle::check_server_path;
use crate::core::host::too_many_properties;
use crate::core::id::{APP, VarId};
use crate::core::property::Properties;
use crate::core::runs::Started;
use crate::core::script::{ErrorCode, ScriptError};
use crate::core::timer::TimerKind;
use crate::core::variable::{Access, NewVariable, Slot};
use crate::core::watch::Watched;

/// The longest delay of a timer: about 24 days, as in browsers.
const MAX_DELAY_MS: f64 = 2_147_483_647.0;

const METHODS: &[(&str, lua_CFunction)] = &[
    ("clearImmediate", clear_timer),
    ("clearInterval", clear_timer),
    ("clearTimeout", clear_timer),
    ("create", prototype::create),
    ("createAppVariable", create_app_variable),
    ("createVariable", create_variable),
    ("destroyVariable", destroy_variable),
    ("getApp", get_app),
    ("getAppVariable", get_app_variable),
    ("getVariable", get_variable),
    ("log", log),
    ("prototype", prototype::prototype),
    ("readFile", files::read_file),
    ("registerVariable", registered::register_variable),
    ("removePrototype", prototype::remove_prototype),
    ("setImmediate", set_immediate),
    ("setInterval", set_interval),
    ("setTimeout", set_timeout),
    ("spawn", process::spawn),
    ("unloadDirectory", prototype::unload_directory),
    ("unloadModule", prototype::unload_module),
    ("unwatch", unwatch),
    ("watchProperty", watch_property),
    ("watchVariable", watch_variable),
    ("writeFile", files::write_file),
];

/// Bytes of a locale or a time zone.
pub(super) const LOCALE_MAX: usize = 100;

/// Every C function an app can get hold of, in a fixed order: their places give them names that are
/// the same in every process.
pub(super) fn functions() -> impl Iterator<Item = lua_CFunction> {
    all_methods().map(|&(_, function)| function)
}

fn all_methods() -> impl Iterator<Item = &'static (&'static str, lua_CFunction)> {
    METHODS.iter().chain(messages::METHODS)
}

/// `session.NAME`.
pub(super) unsafe extern "C-unwind" fn index(l: *mut lua_State) -> c_int {
    // SAFETY: called by Lua with the session table and the key.
    unsafe {
        let key = bytes_at(l, 2).unwrap_or_default();
        let mut methods = all_methods();
        if let Some(&(_, function)) = methods.find(|(name, _)| name.as_bytes() == key) {
            ffi::lua_pushcfunction(l, function);
            return 1;
        }
        match key {
            b"id" | b"_sessionID" => {
                ffi::lua_pushinteger(l, host().session.0 as i64);
                ffi::lua_tolstring(l, -1, std::ptr::null_mut());
            }
            b"url" => push_input(l, &host().opening.url),
            b"locale" => push_input(l, &host().opening.locale),
            b"timezone" => push_input(l, &host().opening.timezone),
            b"user" => push_user(l),
            b"reloading" => ffi::lua_pushboolean(l, c_int::from(host().files.reloading)),
            _ => ffi::lua_pushnil(l),
        }
        1
    }
}

/// Pushes what is known of the browser, or nil if it did not say.
unsafe fn push_input(l: *mut lua_State, text: &str) {
    // SAFETY: as for `index`; Lua copies the text.
    unsafe {
        match text.is_empty() {
            true => ffi::lua_pushnil(l),
            false => push_str(l, text),
        }
    }
}

/// Pushes who logged in, a table, or nil if nobody has to. It is made when it is first asked for, and stays.
unsafe fn push_user(l: *mut lua_State) {
    // SAFETY: as for `index`; what is read lives in the kernel, so that an error frees it later.
    unsafe {
        let k = current();
        check_own(l, (*k).tables.session);
        (*k).call.incoming = serde_json::from_str(&host().opening.user).ok();
        match &(*k).call.incoming {
            Some(user) => {
                super::write::push_value(l, k, &raw const *user, false);
                ffi::lua_pushvalue(l, 2);
                ffi::lua_pushvalue(l, -2);
                ffi::lua_rawset(l, 1);
            }
            None => ffi::lua_pushnil(l),
        }
        (*k).call.incoming = None;
    }
}

/// `session.NAME = value`: the locale and the time zone can be set, other names are the app's own.
pub(super) unsafe extern "C-unwind" fn new_index(l: *mut lua_State) -> c_int {
    // SAFETY: called by Lua with the session table, the key and the value; texts stay on the stack.
    unsafe {
        let key: &[u8] = match ffi::lua_type(l, 2) {
            ffi::LUA_TSTRING => bytes_at(l, 2).unwrap_or_default(),
            _ => b"",
        };
        if !matches!(key, b"locale" | b"timezone") {
            check_own(l, (*current()).tables.session);
            ffi::lua_settop(l, 3);
            ffi::lua_rawset(l, 1);
            return 0;
        }
        let text = match ffi::lua_type(l, 3) {
            ffi::LUA_TNIL => b"",
            ffi::LUA_TSTRING => bytes_at(l, 3).unwrap_or_default(),
            _ => raise_here(l, "session.locale and session.timezone are texts".into()),
        };
        match std::str::from_utf8(text) {
            Ok(text) if text.len() <= LOCALE_MAX && key == b"locale" => {
                host().opening.locale = text.into();
            }
            Ok(text) if text.len() <= LOCALE_MAX => host().opening.timezone = text.into(),
            _ => raise_here(
                l,
                "session.locale and session.timezone are short texts, such as \"de-CH\"".into(),
            ),
        }
        0
    }
}
/// Parsing a path is as expensive as looking through so many bytes more.
const PATH_COST: usize = 4096;

/// A line of the log is as expensive as so many bytes more.
const LOG_COST: usize = 1024;

/// `session:log(level, message)`.
unsafe extern "C-unwind" fn log(l: *mut lua_State) -> c_int {
    // SAFETY: called by Lua.
    unsafe { log_from(l, 2) }
}

/// Logs arguments `[level,] message` from `first` on.
///
/// # Safety
/// Inside a C function called by Lua.
pub(super) unsafe fn log_from(l: *mut lua_State, first: c_int) -> c_int {
    // SAFETY: as promised by the caller; the text stays on the stack.
    unsafe {
        let with_level = ffi::lua_type(l, first) == ffi::LUA_TNUMBER
            && ffi::lua_type(l, first + 1) > ffi::LUA_TNIL;
        let level = match with_level {
            true => ffi::lua_tointeger(l, first).clamp(0, 4) as u8,
            false => 0,
        };
        let mut len = 0;
        let text = ffi::luaL_tolstring(l, first + c_int::from(with_level), &mut len);
        pay(l, LOG_COST + 8 * len);
        let text = std::slice::from_raw_parts(text.cast::<u8>(), len);
        host().log(level, format_args!("{}", String::from_utf8_lossy(text)));
        0
    }
}

/// `session:createAppVariable(object [, properties])`.
unsafe extern "C-unwind" fn create_app_variable(l: *mut lua_State) -> c_int {
    // SAFETY: called by Lua.
    unsafe {
        if ffi::lua_type(l, 2) != ffi::LUA_TTABLE {
            let message = "createAppVariable: the app must be a table, such as App:new()";
            raise_here(l, message.into());
        }
        ffi::lua_settop(l, 3);
        let k = current();
        host().log(2, format_args!("session:createAppVariable(value, props)"));
        let slot = match host().vars.app() {
            Some(slot) => slot,
            None => {
                host().log(2, format_args!("VariableStore.create(1)"));
                let slot = insert(APP, None, Access::ReadWrite, Properties::default());
                host().log(2, format_args!("WatchManager watches (1, \"lua\")"));
                slot
            }
        };
        if host().files.reloading && reload::keep_app(l, k, slot) {
            handle::set_properties(l, 3, slot);
            handle::push(l, k, slot);
            return 1;
        }
        ffi::lua_pushvalue(l, 2);
        set_aux(l, k, held_key(slot));
        handle::set_properties(l, 3, slot);
        tell_type(l, slot);
        bind::finish(l, k, slot, None);
        handle::push(l, k, slot);
        1
    }
}

/// `getProperty("type")` on the next line shall find the type of the object at index 2.
unsafe fn tell_type(l: *mut lua_State, slot: Slot) {
    // SAFETY: as for its callers.
    unsafe {
        if ffi::lua_getfield(l, 2, c"type".as_ptr()) == ffi::LUA_TSTRING {
            let name = bytes_at(l, -1).unwrap_or_default();
            host().set_type(slot, &String::from_utf8_lossy(name));
        }
        ffi::lua_settop(l, -2);
    }
}

unsafe fn insert(id: VarId, parent: Option<Slot>, access: Access, properties: Properties) -> Slot {
    // SAFETY: only called from C functions called by Lua.
    let host = unsafe { host() };
    host.vars.insert(NewVariable {
        id,
        wire: id.0,
        view: None,
        parent,
        access,
        watched: false,
        has_path: properties.get("path").is_some(),
        properties,
    })
}

/// A new variable of the server; raises if there are too many.
///
/// # Safety
/// Inside a C function called by Lua.
pub(super) unsafe fn make_server_variable(
    l: *mut lua_State,
    parent: Option<Slot>,
    access: Access,
    properties: Properties,
) -> Slot {
    // SAFETY: as promised by the caller.
    unsafe {
        check_variables(l);
        let id = host().vars.next_server_id();
        insert(id, parent, access, properties)
    }
}

unsafe fn check_variables(l: *mut lua_State) {
    // SAFETY: as for its callers.
    unsafe {
        if host().vars.len() >= host().limits.variables {
            let most = host().limits.variables;
            let message = format!("this session has {most} variables, the most it may have");
            raise(l, ErrorCode::Limit, message);
        }
    }
}

/// `session:createVariable(parent, object_or_path [, properties])`.
unsafe extern "C-unwind" fn create_variable(l: *mut lua_State) -> c_int {
    // SAFETY: called by Lua.
    unsafe {
        let parent = handle::check(l, 2);
        ffi::lua_settop(l, 4);
        check_variables(l);
        let k = current();
        let id = host().vars.next_server_id();
        if ffi::lua_type(l, 3) == ffi::LUA_TTABLE {
            let slot = insert(id, Some(parent), Access::ReadWrite, Properties::default());
            ffi::lua_pushvalue(l, 3);
            set_aux(l, k, held_key(slot));
            handle::set_properties(l, 4, slot);
            bind::finish(l, k, slot, Some(Source::Held));
            handle::push(l, k, slot);
            return 1;
        }
        ffi::luaL_checklstring(l, 3, std::ptr::null_mut());
        let text = bytes_at(l, 3).unwrap_or_default();
        pay(l, PATH_COST + 160 * text.len());
        push_str(l, "access");
        // Bound first: what a `match` looks at would not be dropped when it raises.
        let made = new_path_variable(l, id, parent, &String::from_utf8_lossy(text));
        let slot = match made {
            Ok(slot) => slot,
            Err(error) => raise(l, error.code, error.message),
        };
        handle::set_properties(l, 4, slot);
        bind::finish(l, k, slot, Some(Source::Path));
        handle::push(l, k, slot);
        1
    }
}

/// The access may be said behind the `?` or, as any property, in the table at index 4.
unsafe fn new_path_variable(
    l: *mut lua_State,
    id: VarId,
    parent: Slot,
    text: &str,
) -> Result<Slot, ScriptError> {
    let (path, more) = crate::core::path::split_properties(text);
    let mut properties = Properties::default();
    for (name, value) in more {
        if !properties.has_room(name) {
            return Err(ScriptError::new(ErrorCode::Limit, too_many_properties()));
        }
        properties.set(name, value, None);
    }
    properties.set("path", path, None);
    // SAFETY: only called from a C function called by Lua, with a table or nil at index 4; reading a
    // key that is there by then neither raises nor converts anything.
    let given = unsafe { access_property(l) };
    let access = check_server_path(path, given.as_deref().or(properties.get("access")))?;
    // SAFETY: only called from a C function called by Lua.
    Ok(unsafe { insert(id, Some(parent), access, properties) })
}

unsafe fn access_property(l: *mut lua_State) -> Option<String> {
    // SAFETY: as for its caller; the key was pushed before anything that needs dropping was made.
    unsafe {
        if ffi::lua_type(l, 4) != ffi::LUA_TTABLE {
            return None;
        }
        ffi::lua_pushvalue(l, 5);
        ffi::lua_rawget(l, 4);
        let text = match ffi::lua_type(l, -1) {
            ffi::LUA_TSTRING => {
                bytes_at(l, -1).map(|text| String::from_utf8_lossy(text).into_owned())
            }
            _ => None,
        };
        ffi::lua_settop(l, 5);
        text
    }
}

/// `session:getApp()`.
unsafe extern "C-unwind" fn get_app(l: *mut lua_State) -> c_int {
    // SAFETY: called by Lua.
    unsafe {
        match host().vars.app() {
            Some(slot) => super::read::push_aux(l, current(), held_key(slot)),
            None => ffi::lua_pushnil(l),
        }
        1
    }
}

/// `session:getAppVariable()`.
unsafe extern "C-unwind" fn get_app_variable(l: *mut lua_State) -> c_int {
    // SAFETY: called by Lua.
    unsafe {
        match host().vars.app() {
            Some(slot) => handle::push(l, current(), slot),
            None => ffi::lua_pushnil(l),
        }
        1
    }
}

/// `session:getVariable(id, handle or object)`.
unsafe extern "C-unwind" fn get_variable(l: *mut lua_State) -> c_int {
    // SAFETY: called by Lua.
    unsafe {
        match handle::argument(l, 2) {
            Some(slot) => handle::push(l, current(), slot),
            None => ffi::lua_pushnil(l),
        }
        1
    }
}

/// `session:destroyVariable(id, handle or object)`.
unsafe extern "C-unwind" fn destroy_variable(l: *mut lua_State) -> c_int {
    // SAFETY: called by Lua.
    unsafe {
        let slot = handle::check(l, 2);
        // Core tells the views and drops the cells when the call is over.
        drop(host().vars.destroy(slot));
        0
    }
}

/// `session:watchProperty(variable, name, fn)`.
unsafe extern "C-unwind" fn watch_property(l: *mut lua_State) -> c_int {
    // SAFETY: called by Lua.
    unsafe {
        let slot = handle::check(l, 2);
        ffi::luaL_checklstring(l, 3, std::ptr::null_mut());
        ffi::luaL_checktype(l, 4, ffi::LUA_TFUNCTION);
        check_watches(l);
        pay(l, 512 + bytes_at(l, 3).map_or(0, <[u8]>::len));
        let id = host().vars.get(slot).map_or(APP, |v| v.id);
        let name = String::from_utf8_lossy(bytes_at(l, 3).unwrap_or_default());
        let watch = host().watches.watch(Watched::Property(id, name.into()));
        host().note_started(Started::Watch(watch));
        keep_function(l, 4, -(watch as i64));
        ffi::lua_pushinteger(l, watch as i64);
        1
    }
}

/// `session:watchVariable(variable, fn)`.
unsafe extern "C-unwind" fn watch_variable(l: *mut lua_State) -> c_int {
    // SAFETY: called by Lua.
    unsafe {
        let slot = handle::check(l, 2);
        ffi::luaL_checktype(l, 3, ffi::LUA_TFUNCTION);
        check_watches(l);
        let id = host().vars.get(slot).map_or(APP, |v| v.id);
        let watch = host().watches.watch(Watched::Value(id));
        // Watched from Lua is watched, whether or not a view shows it.
        host().vars.set_watched(slot, true);
        host().note_started(Started::Watch(watch));
        keep_function(l, 3, -(watch as i64));
        ffi::lua_pushinteger(l, watch as i64);
        1
    }
}

/// Raises if there are as many watches as there may be.
///
/// # Safety
/// As for [`raise`].
pub(super) unsafe fn check_watches(l: *mut lua_State) {
    // SAFETY: as for its callers.
    unsafe {
        let most = host().limits.subscriptions;
        if host().watches.len() >= most {
            let message = format!("this session has {most} watches, the most it may have");
            raise(l, ErrorCode::Limit, message);
        }
    }
}

/// `session:unwatch(handle)`.
unsafe extern "C-unwind" fn unwatch(l: *mut lua_State) -> c_int {
    // SAFETY: called by Lua.
    unsafe {
        let watch = ffi::luaL_checkinteger(l, 2);
        let ended = watch > 0 && host().unwatch(watch as u64);
        if ended {
            forget_function(l, -watch);
        }
        ffi::lua_pushboolean(l, c_int::from(ended));
        1
    }
}

/// `session:setImmediate(fn)`.
unsafe extern "C-unwind" fn set_immediate(l: *mut lua_State) -> c_int {
    // SAFETY: called by Lua.
    unsafe { start_timer(l, TimerKind::Immediate, 0) }
}

/// `session:setTimeout(fn, ms)`.
unsafe extern "C-unwind" fn set_timeout(l: *mut lua_State) -> c_int {
    // SAFETY: called by Lua.
    unsafe {
        let delay = delay_ms(l);
        start_timer(l, TimerKind::Timeout, delay)
    }
}

/// `session:setInterval(fn, ms [, {background=true}])`.
unsafe extern "C-unwind" fn set_interval(l: *mut lua_State) -> c_int {
    // SAFETY: called by Lua.
    unsafe {
        let every_ms = delay_ms(l);
        let mut background = false;
        if ffi::lua_type(l, 4) == ffi::LUA_TTABLE {
            ffi::lua_getfield(l, 4, c"background".as_ptr());
            background = ffi::lua_toboolean(l, -1) != 0;
        }
        let kind = TimerKind::Interval {
            every_ms,
            background,
        };
        start_timer(l, kind, every_ms)
    }
}

/// The delay in argument 3, at least one millisecond.
unsafe fn delay_ms(l: *mut lua_State) -> u64 {
    // SAFETY: as for its callers.
    let wanted = unsafe { ffi::luaL_optnumber(l, 3, 0.0) };
    // NaN counts as nothing: as a u64 it is 0.
    (wanted.min(MAX_DELAY_MS) as u64).max(1)
}

unsafe fn start_timer(l: *mut lua_State, kind: TimerKind, delay_ms: u64) -> c_int {
    // SAFETY: as for its callers.
    unsafe {
        ffi::luaL_checktype(l, 2, ffi::LUA_TFUNCTION);
        let most = host().limits.timers;
        if host().timers.len() >= most {
            let message = format!("this session has {most} timers, the most it may have");
            raise(l, ErrorCode::Limit, message);
        }
        let host = host();
        let current = host.current.and_then(|slot| host.vars.get(slot));
        let started_by = current.map(|v| v.id);
        let id = host
            .timers
            .start(kind, host.turn.now + delay_ms, started_by);
        host.note_started(Started::Timer(id));
        let id = id as i64;
        keep_function(l, 2, id);
        ffi::lua_pushinteger(l, id);
        1
    }
}

/// `session:clearTimeout(id)` and its like.
unsafe extern "C-unwind" fn clear_timer(l: *mut lua_State) -> c_int {
    // SAFETY: called by Lua.
    unsafe {
        let id = ffi::luaL_optinteger(l, 2, 0);
        if id > 0 && host().timers.clear(id as u64) {
            forget_function(l, id);
        }
        0
    }
}

/// Keeps the function in argument `arg` for a timer or a watch.
///
/// # Safety
/// Inside a protected call of the running kernel.
pub(super) unsafe fn keep_function(l: *mut lua_State, arg: c_int, key: i64) {
    // SAFETY: as promised by the caller.
    unsafe {
        push_ref(l, (*current()).tables.functions);
        ffi::lua_pushvalue(l, arg);
        ffi::lua_rawseti(l, -2, key);
        ffi::lua_settop(l, -2);
    }
}

/// Lets go of the function of a timer or watch.
///
/// # Safety
/// Inside a protected call of the running kernel.
pub(super) unsafe fn forget_function(l: *mut lua_State, key: i64) {
    // SAFETY: as promised by the caller.
    unsafe {
        push_ref(l, (*current()).tables.functions);
        ffi::lua_pushnil(l);
        ffi::lua_rawseti(l, -2, key);
        ffi::lua_settop(l, -2);
    }
}

/// `print(...)`: to the server's log.
pub(super) unsafe extern "C-unwind" fn print(l: *mut lua_State) -> c_int {
    // SAFETY: called by Lua.
    unsafe {
        let count = ffi::lua_gettop(l);
        push_str(l, "");
        for i in 1..=count {
            if i > 1 {
                push_str(l, "\t");
                ffi::lua_concat(l, 2);
            }
            ffi::luaL_tolstring(l, i, std::ptr::null_mut());
            ffi::lua_concat(l, 2);
        }
        let text = bytes_at(l, -1).unwrap_or_default();
        pay(l, LOG_COST + 8 * text.len());
        host().log(0, format_args!("{}", String::from_utf8_lossy(text)));
        0
    }
}
