//! `session:prototype` and `session:create`: types and their instances.
//!
//! What every app does at its start is here; what only happens when code is loaded again (comparing
//! and changing a prototype) and when a type is removed is in `lua/prototype.lua`, loaded then.

use std::ffi::c_int;

use mlua::ffi::{self, lua_CFunction, lua_State};

use super::kernel::{Kernel, bytes_at, current, host, pay, push_ref, push_str, raise_here};
use super::reload;

/// Nested defaults are copied this deep for later comparison.
const MAX_DEPTH: u32 = 16;

/// Stack places in `prototype`.
const NAME: c_int = 2;
const INIT: c_int = 3;
const BASE: c_int = 4;
const TYPES: c_int = 5;
const STORED: c_int = 6;

/// See `api::functions`.
pub(super) fn functions() -> [lua_CFunction; 6] {
    [
        prototype,
        create,
        new_instance,
        remove_prototype,
        unload_module,
        unload_directory,
    ]
}

/// `session:prototype(name [, init [, base]])`.
pub(super) unsafe extern "C-unwind" fn prototype(l: *mut lua_State) -> c_int {
    // SAFETY: called by Lua; all values are on the stack by now.
    unsafe {
        ffi::lua_settop(l, BASE);
        check_arguments(l);
        pay(l, 1024);
        let k = current();
        push_ref(l, (*k).tables.registered);
        push_ref(l, (*k).tables.stored);
        if ffi::lua_type(l, BASE) == ffi::LUA_TSTRING {
            ffi::lua_pushvalue(l, BASE);
            if ffi::lua_rawget(l, TYPES) == ffi::LUA_TNIL {
                raise_here(
                    l,
                    "session:prototype: there is no type of the base's name".into(),
                );
            }
            ffi::lua_copy(l, -1, BASE);
            ffi::lua_settop(l, STORED);
        }
        ffi::lua_pushvalue(l, NAME);
        if ffi::lua_rawget(l, STORED) != ffi::LUA_TNIL {
            return known(l, k);
        }
        ffi::lua_settop(l, STORED);
        if ffi::lua_type(l, INIT) == ffi::LUA_TNIL {
            ffi::lua_createtable(l, 0, 4);
            ffi::lua_copy(l, -1, INIT);
            ffi::lua_settop(l, STORED);
        }
        make(l, k);
        ffi::lua_settop(l, INIT);
        1
    }
}

unsafe fn check_arguments(l: *mut lua_State) {
    // SAFETY: as for `prototype`.
    unsafe {
        if ffi::lua_type(l, NAME) != ffi::LUA_TSTRING {
            raise_here(
                l,
                "session:prototype: the first argument is the type's name".into(),
            );
        }
        if !matches!(ffi::lua_type(l, INIT), ffi::LUA_TNIL | ffi::LUA_TTABLE) {
            let message =
                "session:prototype: the second argument is a table of fields and defaults";
            raise_here(l, message.into());
        }
        let base = ffi::lua_type(l, BASE);
        if !matches!(base, ffi::LUA_TNIL | ffi::LUA_TTABLE | ffi::LUA_TSTRING) {
            raise_here(
                l,
                "session:prototype: the base is a prototype or its name".into(),
            );
        }
    }
}

/// A prototype of that name is there: it is returned, changed if `init` says so.
unsafe fn known(l: *mut lua_State, k: *mut Kernel) -> c_int {
    // SAFETY: as for `prototype`.
    unsafe {
        ffi::lua_settop(l, STORED);
        let unchanged = ffi::lua_type(l, INIT) == ffi::LUA_TNIL;
        if !unchanged {
            refuse_base_finalizers(l);
            reload::push_function(l, k, "change");
            ffi::lua_pushvalue(l, NAME);
            ffi::lua_pushvalue(l, NAME);
            ffi::lua_rawget(l, TYPES);
            ffi::lua_pushvalue(l, INIT);
            ffi::lua_pushvalue(l, BASE);
            ffi::lua_callk(l, 4, 1, 0, None);
            (*k).mutations |= ffi::lua_toboolean(l, -1) != 0;
        }
        ffi::lua_pushvalue(l, NAME);
        ffi::lua_rawget(l, TYPES);
        1
    }
}

/// `init` becomes the prototype.
unsafe fn make(l: *mut lua_State, k: *mut Kernel) {
    // SAFETY: as for `prototype`.
    unsafe {
        ffi::lua_pushvalue(l, NAME);
        push_defaults(l, k);
        ffi::lua_rawset(l, STORED);
        clear_empty(l, k);
        set_field(l, "type", NAME);
        set_field(l, "__index", INIT);
        let is_object = bytes_at(l, NAME) == Some(b"Object");
        if ffi::lua_type(l, BASE) == ffi::LUA_TNIL && !is_object {
            push_str(l, "Object");
            ffi::lua_rawget(l, TYPES);
            ffi::lua_copy(l, -1, BASE);
            ffi::lua_settop(l, STORED);
        }
        if ffi::lua_type(l, BASE) == ffi::LUA_TTABLE {
            refuse_finalizers(l, BASE);
            ffi::lua_pushvalue(l, BASE);
            ffi::lua_setmetatable(l, INIT);
        } else {
            push_str(l, "new");
            if ffi::lua_rawget(l, INIT) == ffi::LUA_TNIL {
                ffi::lua_pushcfunction(l, new_instance);
                push_str(l, "new");
                ffi::lua_rotate(l, -2, 1);
                ffi::lua_rawset(l, INIT);
            }
            ffi::lua_settop(l, STORED);
        }
        ffi::lua_pushvalue(l, NAME);
        ffi::lua_pushvalue(l, INIT);
        ffi::lua_rawset(l, TYPES);
        reload::note_owner(l, k, NAME);
    }
}

/// Sets a field of the prototype to the value at `index`.
unsafe fn set_field(l: *mut lua_State, name: &str, index: c_int) {
    // SAFETY: as for `prototype`.
    unsafe {
        push_str(l, name);
        ffi::lua_pushvalue(l, index);
        ffi::lua_rawset(l, INIT);
    }
}

/// Pushes a copy of the defaults: what a later `init` is compared with. Functions and what the
/// runtime sets itself are left out.
unsafe fn push_defaults(l: *mut lua_State, k: *mut Kernel) {
    // SAFETY: as for `prototype`; keys are not converted.
    unsafe {
        ffi::lua_createtable(l, 0, 0);
        let copy = ffi::lua_gettop(l);
        ffi::lua_pushnil(l);
        while ffi::lua_next(l, INIT) != 0 {
            let runtime = ffi::lua_type(l, -2) == ffi::LUA_TSTRING
                && matches!(bytes_at(l, -2), Some(b"type" | b"__index" | b"new"));
            if !runtime && ffi::lua_type(l, -1) != ffi::LUA_TFUNCTION {
                ffi::lua_pushvalue(l, -2);
                push_copy(l, k, -2, 0);
                ffi::lua_rawset(l, copy);
            }
            ffi::lua_settop(l, -2);
        }
    }
}

/// Pushes a deep copy of the value at `index`; `EMPTY` stays itself.
unsafe fn push_copy(l: *mut lua_State, k: *mut Kernel, index: c_int, depth: u32) {
    // SAFETY: as for `prototype`.
    unsafe {
        ffi::luaL_checkstack(l, 8, std::ptr::null());
        let index = ffi::lua_absindex(l, index);
        if ffi::lua_type(l, index) != ffi::LUA_TTABLE || depth == MAX_DEPTH || is_empty(l, k, index)
        {
            ffi::lua_pushvalue(l, index);
            return;
        }
        ffi::lua_createtable(l, 0, 0);
        ffi::lua_pushnil(l);
        while ffi::lua_next(l, index) != 0 {
            pay(l, 64);
            ffi::lua_pushvalue(l, -2);
            push_copy(l, k, -2, depth + 1);
            ffi::lua_rawset(l, -5);
            ffi::lua_settop(l, -2);
        }
    }
}

/// Whether the value at `index` is the global `EMPTY`.
unsafe fn is_empty(l: *mut lua_State, k: *mut Kernel, index: c_int) -> bool {
    // SAFETY: as for `prototype`.
    unsafe {
        let index = ffi::lua_absindex(l, index);
        push_ref(l, (*k).tables.empty);
        let same = ffi::lua_rawequal(l, index, -1) != 0;
        ffi::lua_settop(l, -2);
        same
    }
}

/// Entries that are `EMPTY` start as nil.
unsafe fn clear_empty(l: *mut lua_State, k: *mut Kernel) {
    // SAFETY: as for `prototype`; clearing fields during a traversal is allowed.
    unsafe {
        ffi::lua_pushnil(l);
        while ffi::lua_next(l, INIT) != 0 {
            if is_empty(l, k, -1) {
                ffi::lua_pushvalue(l, -2);
                ffi::lua_pushnil(l);
                ffi::lua_rawset(l, INIT);
            }
            ffi::lua_settop(l, -2);
        }
    }
}

/// `session:create(prototype [, instance])`.
pub(super) unsafe extern "C-unwind" fn create(l: *mut lua_State) -> c_int {
    // SAFETY: called by Lua.
    unsafe { instantiate(l, 2) }
}

/// `Prototype:new([instance])` of prototypes that do not bring their own.
pub(super) unsafe extern "C-unwind" fn new_instance(l: *mut lua_State) -> c_int {
    // SAFETY: called by Lua.
    unsafe { instantiate(l, 1) }
}

/// `session:removePrototype(name [, children])`.
pub(super) unsafe extern "C-unwind" fn remove_prototype(l: *mut lua_State) -> c_int {
    // SAFETY: called by Lua.
    unsafe {
        ffi::luaL_checklstring(l, 2, std::ptr::null_mut());
        ffi::lua_settop(l, 3);
        reload::push_function(l, current(), "remove");
        ffi::lua_pushvalue(l, 2);
        ffi::lua_pushvalue(l, 3);
        ffi::lua_callk(l, 2, 0, 0, None);
        0
    }
}

/// `session:unloadModule(key)`: the name that `require` was given, or the file's path.
pub(super) unsafe extern "C-unwind" fn unload_module(l: *mut lua_State) -> c_int {
    // SAFETY: called by Lua; the texts are dropped before anything can raise.
    unsafe {
        ffi::luaL_checklstring(l, 2, std::ptr::null_mut());
        let key = String::from_utf8_lossy(bytes_at(l, 2).unwrap_or_default());
        let file = key.replace('.', "/");
        let places = [
            key.to_string(),
            format!("lua/{key}"),
            format!("lua/{file}.lua"),
            format!("lua/{file}/init.lua"),
            format!("{file}.lua"),
        ];
        let found = places.into_iter().find(|at| host().files.has_run(at));
        (*current()).unloading = found.into_iter().map(Into::into).collect();
        drop((key, file));
        reload::unload(l)
    }
}

/// `session:unloadDirectory(dir)`: all files that have run of a folder of the site, or of its `lua/`.
pub(super) unsafe extern "C-unwind" fn unload_directory(l: *mut lua_State) -> c_int {
    // SAFETY: called by Lua; the texts are dropped before anything can raise.
    unsafe {
        ffi::luaL_checklstring(l, 2, std::ptr::null_mut());
        let name = String::from_utf8_lossy(bytes_at(l, 2).unwrap_or_default());
        let name = name.trim_end_matches('/').to_owned();
        let folders = [format!("{name}/"), format!("lua/{name}/")];
        drop(name);
        let files = &host().files;
        let found = folders.iter().flat_map(|folder| files.below(folder));
        (*current()).unloading = found.map(Into::into).collect();
        drop(folders);
        reload::unload(l)
    }
}

/// Makes an instance of the prototype in argument `at`, of the table behind it if there is one.
unsafe fn instantiate(l: *mut lua_State, at: c_int) -> c_int {
    // SAFETY: as for its callers.
    unsafe {
        ffi::lua_settop(l, at + 1);
        if ffi::lua_type(l, at) != ffi::LUA_TTABLE {
            raise_here(
                l,
                "session:create: the first argument is a prototype".into(),
            );
        }
        match ffi::lua_type(l, at + 1) {
            ffi::LUA_TTABLE => {}
            ffi::LUA_TNIL => {
                ffi::lua_createtable(l, 0, 0);
                ffi::lua_copy(l, -1, at + 1);
                ffi::lua_settop(l, at + 1);
            }
            _ => raise_here(l, "session:create: the instance is a table".into()),
        }
        refuse_finalizers(l, at);
        ffi::lua_pushvalue(l, at);
        ffi::lua_setmetatable(l, at + 1);
        1
    }
}

/// A base is a metatable, too.
unsafe fn refuse_base_finalizers(l: *mut lua_State) {
    // SAFETY: as for `prototype`.
    unsafe {
        if ffi::lua_type(l, BASE) == ffi::LUA_TTABLE {
            refuse_finalizers(l, BASE);
        }
    }
}

/// As `setmetatable` does: finalizers run outside every budget.
unsafe fn refuse_finalizers(l: *mut lua_State, at: c_int) {
    // SAFETY: as for its callers.
    unsafe {
        for name in ["__gc", "__close"] {
            push_str(l, name);
            if ffi::lua_rawget(l, at) != ffi::LUA_TNIL {
                raise_here(l, format!("a prototype must not have {name}"));
            }
            ffi::lua_settop(l, -2);
        }
    }
}
