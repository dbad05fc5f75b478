//! Looking at objects from outside, leaving no trace: tables are read raw and on the spot. No Lua code
//! runs, nothing is made in Lua's memory, no object gets a number and no gas is spent, so that a session
//! goes on after a look exactly as without one.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ffi::c_int;

use mlua::ffi::{self, lua_State};

use super::kernel::{KEY_TYPE, Kernel, bytes_at, push_ref};
use super::read::{held_key, push_aux};
use crate::core::host::Host;
use crate::core::json;
use crate::core::peek::{Held, Key, Object, Root};

/// The object looked at, and what a way to it has come to.
const OBJECT: c_int = 1;
/// Types whose defaults an object has, one the base of the other. A ring of them ends here, too.
const BASES_MAX: usize = 8;
/// Bytes of a text that are shown.
const TEXT_MAX: usize = 1_000;

/// See `Script::object_at`.
pub(super) fn object_at(
    k: &mut Kernel,
    host: &Host,
    root: Root,
    path: &[Key],
    most: usize,
) -> Option<Object> {
    let l = k.raw;
    // SAFETY: outside any call the stack is empty and has room for 20 values, of which these functions
    // use at most 15. None of what they call raises, needs memory or lets the collector run: tables are read
    // raw, by keys that are numbers or texts that are somewhere in Lua already.
    unsafe {
        ffi::lua_settop(l, 0);
        match root {
            Root::App => match host.vars.app() {
                Some(slot) => push_aux(l, k, held_key(slot)),
                None => ffi::lua_pushnil(l),
            },
            Root::Number(number) => k.objects.push(l, number),
        }
        let there = path.iter().all(|key| step(l, key));
        let object =
            (there && ffi::lua_type(l, OBJECT) == ffi::LUA_TTABLE).then(|| describe(l, k, most));
        ffi::lua_settop(l, 0);
        object
    }
}

/// Puts the field `key` of the table at [`OBJECT`] in its place. Returns whether there was one.
unsafe fn step(l: *mut lua_State, key: &Key) -> bool {
    // SAFETY: as in `object_at`.
    unsafe {
        if ffi::lua_type(l, OBJECT) != ffi::LUA_TTABLE {
            return false;
        }
        match key {
            Key::Other(_) => return false,
            Key::Index(index) => {
                ffi::lua_rawgeti(l, OBJECT, *index);
            }
            Key::Name(name) => {
                if !push_named(l, OBJECT, name.as_bytes()) {
                    return false;
                }
            }
        }
        ffi::lua_copy(l, -1, OBJECT);
        ffi::lua_settop(l, OBJECT);
        true
    }
}

unsafe fn describe(l: *mut lua_State, k: &Kernel, most: usize) -> Object {
    // SAFETY: as in `object_at`; a table is at OBJECT and nothing above it.
    unsafe {
        let identity = ffi::lua_topointer(l, OBJECT) as usize;
        let mut fields = BTreeMap::new();
        let mut left_out = 0;
        ffi::lua_pushnil(l);
        while ffi::lua_next(l, OBJECT) != 0 {
            let held = held_at(l, k, -1);
            if fields.len() >= most {
                left_out += 1;
            } else if !matches!(held, Held::Opaque("function")) {
                fields.insert(key_at(l, k, -2), held);
            }
            ffi::lua_settop(l, OBJECT + 1);
        }
        ffi::lua_settop(l, OBJECT);
        add_defaults(l, k, most, &mut fields);
        Object {
            identity,
            number: k.objects.number_at(identity),
            type_name: type_name(l, k, OBJECT),
            length: ffi::lua_rawlen(l, OBJECT),
            fields: fields.into_iter().collect(),
            left_out,
        }
    }
}

/// Fields that the object has from its type: plain values that nothing has taken the place of.
unsafe fn add_defaults(
    l: *mut lua_State,
    k: &Kernel,
    most: usize,
    fields: &mut BTreeMap<Key, Held>,
) {
    // SAFETY: as in `describe`.
    unsafe {
        for _ in 0..BASES_MAX {
            let from = ffi::lua_gettop(l);
            if !push_base(l, from) {
                break;
            }
            ffi::lua_copy(l, -1, OBJECT + 1);
            ffi::lua_settop(l, OBJECT + 1);
            ffi::lua_pushnil(l);
            while ffi::lua_next(l, OBJECT + 1) != 0 {
                if ffi::lua_type(l, -2) == ffi::LUA_TSTRING
                    && bytes_at(l, -2)
                        .is_some_and(|name| !name.starts_with(b"__") && name != b"type")
                    && let held @ Held::Plain(_) = held_at(l, k, -1)
                    && fields.len() < most
                    && let Entry::Vacant(place) = fields.entry(key_at(l, k, -2))
                {
                    place.insert(held);
                }
                ffi::lua_settop(l, OBJECT + 2);
            }
            ffi::lua_settop(l, OBJECT + 1);
        }
        ffi::lua_settop(l, OBJECT);
    }
}

/// Pushes the table in which fields are looked up that the one at `index` does not have.
unsafe fn push_base(l: *mut lua_State, index: c_int) -> bool {
    // SAFETY: as in `object_at`.
    unsafe {
        let index = ffi::lua_absindex(l, index);
        if ffi::lua_getmetatable(l, index) == 0 {
            return false;
        }
        let metatable = ffi::lua_gettop(l);
        push_named(l, metatable, b"__index")
            && ffi::lua_type(l, -1) == ffi::LUA_TTABLE
            && ffi::lua_rawequal(l, -1, index) == 0
    }
}

/// Pushes the field of this name of the table at `index`. All keys are compared with it: pushing the name
/// would let the collector run a step, which is a trace.
unsafe fn push_named(l: *mut lua_State, index: c_int, name: &[u8]) -> bool {
    // SAFETY: as in `object_at`.
    unsafe {
        ffi::lua_pushnil(l);
        while ffi::lua_next(l, index) != 0 {
            if ffi::lua_type(l, -2) == ffi::LUA_TSTRING && bytes_at(l, -2) == Some(name) {
                return true;
            }
            ffi::lua_settop(l, -2);
        }
        false
    }
}

/// The text in field `type` of a table or of its bases.
unsafe fn type_name(l: *mut lua_State, k: &Kernel, index: c_int) -> Box<str> {
    // SAFETY: as in `object_at`.
    unsafe {
        let index = ffi::lua_absindex(l, index);
        let top = ffi::lua_gettop(l);
        ffi::lua_pushvalue(l, index);
        let at = top + 1;
        let mut name = Box::from("");
        for _ in 0..BASES_MAX {
            push_ref(l, k.tables.keys);
            ffi::lua_rawgeti(l, -1, KEY_TYPE.into());
            if ffi::lua_rawget(l, at) == ffi::LUA_TSTRING {
                let text = bytes_at(l, -1).unwrap_or_default();
                name = String::from_utf8_lossy(text).into();
                break;
            }
            ffi::lua_settop(l, at);
            if !push_base(l, at) {
                break;
            }
            ffi::lua_copy(l, -1, at);
            ffi::lua_settop(l, at);
        }
        ffi::lua_settop(l, top);
        name
    }
}

unsafe fn key_at(l: *mut lua_State, k: &Kernel, index: c_int) -> Key {
    // SAFETY: as in `object_at`; only a text is asked for its bytes, so no key is converted.
    unsafe {
        match ffi::lua_type(l, index) {
            ffi::LUA_TSTRING => {
                let bytes = bytes_at(l, index).unwrap_or_default();
                match std::str::from_utf8(bytes) {
                    Ok(name) => Key::Name(name.into()),
                    Err(_) => Key::Other(String::from_utf8_lossy(bytes).into()),
                }
            }
            ffi::LUA_TNUMBER if ffi::lua_isinteger(l, index) != 0 => {
                Key::Index(ffi::lua_tointeger(l, index))
            }
            ffi::LUA_TNUMBER => Key::Other(ffi::lua_tonumber(l, index).to_string().into()),
            ffi::LUA_TBOOLEAN => match ffi::lua_toboolean(l, index) {
                0 => Key::Other("false".into()),
                _ => Key::Other("true".into()),
            },
            _ => {
                let address = ffi::lua_topointer(l, index) as usize;
                let name = match ffi::lua_type(l, index) {
                    ffi::LUA_TTABLE => type_name(l, k, index),
                    _ => "".into(),
                };
                let kind = if name.is_empty() {
                    kind_at(l, index)
                } else {
                    &name
                };
                Key::Other(format!("{kind} {address:x}").into())
            }
        }
    }
}

unsafe fn held_at(l: *mut lua_State, k: &Kernel, index: c_int) -> Held {
    // SAFETY: as in `object_at`.
    unsafe {
        let index = ffi::lua_absindex(l, index);
        let mut out = Vec::new();
        match ffi::lua_type(l, index) {
            ffi::LUA_TTABLE => {
                return Held::Object {
                    identity: ffi::lua_topointer(l, index) as usize,
                    type_name: type_name(l, k, index),
                    length: ffi::lua_rawlen(l, index),
                };
            }
            ffi::LUA_TBOOLEAN => out.extend_from_slice(match ffi::lua_toboolean(l, index) {
                0 => b"false",
                _ => b"true",
            }),
            ffi::LUA_TNUMBER if ffi::lua_isinteger(l, index) != 0 => {
                json::push_int(&mut out, ffi::lua_tointeger(l, index));
            }
            ffi::LUA_TNUMBER => {
                if !json::push_float(&mut out, ffi::lua_tonumber(l, index)) {
                    return Held::Opaque("not a number");
                }
            }
            ffi::LUA_TSTRING => push_text(&mut out, bytes_at(l, index).unwrap_or_default()),
            _ => return Held::Opaque(kind_at(l, index)),
        }
        Held::Plain(String::from_utf8_lossy(&out).into())
    }
}

/// A text as JSON; of a long one its beginning, length and checksum.
fn push_text(out: &mut Vec<u8>, text: &[u8]) {
    if text.len() <= TEXT_MAX {
        json::push_str(out, text);
        return;
    }
    let start = String::from_utf8_lossy(&text[..TEXT_MAX]);
    let (length, check) = (text.len(), crc32c::crc32c(text));
    let shown = format!("{start} … ({length} bytes, {check:08x})");
    json::push_str(out, shown.as_bytes());
}

unsafe fn kind_at(l: *mut lua_State, index: c_int) -> &'static str {
    // SAFETY: as in `object_at`.
    match unsafe { ffi::lua_type(l, index) } {
        ffi::LUA_TFUNCTION => "function",
        ffi::LUA_TTHREAD => "coroutine",
        ffi::LUA_TTABLE => "table",
        _ => "userdata",
    }
}
