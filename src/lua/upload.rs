//! Uploaded files, as the methods that take them get them.
//!
//! A file is a table `{name, size, type, sha256}`. Its functions are in its metatable, and `_upload` says
//! which of the session's uploads they are about: a script that changes it reaches another file of its
//! own, or none. What they answer is recorded like every call outside.

use std::ffi::c_int;

use mlua::ffi::{self, lua_CFunction, lua_State};

use super::files::{ask_outside, check_room, path_at, push_answer};
use super::kernel::{Kernel, bytes_at, current, host, push_ref, push_str, raise_here};
use super::write::write_value;
use crate::core::outside::{FILE_BYTES_MAX, HostAnswer, HostCall};
use crate::core::upload::{Received, Sha256, UploadAction, UploadId};

const METHODS: [(&str, lua_CFunction); 2] = [("moveTo", move_to), ("read", read)];

/// The field with the upload's number; pages never see names that begin with `_`.
const NUMBER: &std::ffi::CStr = c"_upload";

/// See `api::functions`.
pub(super) fn functions() -> [lua_CFunction; 3] {
    [index, move_to, read]
}

/// Calls the method of `call.slot` with `call.file`.
///
/// # Safety
/// Called by Lua under `Kernel::enter`; the file is lent for the call.
pub(super) unsafe extern "C-unwind" fn receive_op(l: *mut lua_State) -> c_int {
    // SAFETY: as promised; the file takes the place of a written value.
    unsafe {
        let k = current();
        (*k).push_tables(l);
        push_file(l, k, (*k).call.file);
        write_value(l, k, (*k).call.slot, false);
        0
    }
}

unsafe fn push_file(l: *mut lua_State, k: *mut Kernel, file: *const Received) {
    // SAFETY: as for `receive_op`; nothing here needs dropping.
    unsafe {
        let file = &*file;
        ffi::lua_createtable(l, 0, 5);
        for (name, text) in [
            (c"name", &file.announced.name),
            (c"type", &file.announced.mime),
        ] {
            push_str(l, text);
            ffi::lua_setfield(l, -2, name.as_ptr());
        }
        let digits = digits(&file.sha256);
        ffi::lua_pushlstring(l, digits.as_ptr().cast(), digits.len());
        ffi::lua_setfield(l, -2, c"sha256".as_ptr());
        for (name, number) in [(c"size", file.announced.size), (NUMBER, file.upload)] {
            ffi::lua_pushinteger(l, number as i64);
            ffi::lua_setfield(l, -2, name.as_ptr());
        }
        push_metatable(l, k);
        ffi::lua_setmetatable(l, -2);
    }
}

/// A checksum's digits, without anything that needs dropping.
fn digits(sha256: &Sha256) -> [u8; 64] {
    let mut digits = [0; 64];
    for (pair, byte) in digits.chunks_exact_mut(2).zip(sha256) {
        pair[0] = b"0123456789abcdef"[usize::from(byte >> 4)];
        pair[1] = b"0123456789abcdef"[usize::from(byte & 15)];
    }
    digits
}

/// Pushes the metatable of files, made with the first one.
unsafe fn push_metatable(l: *mut lua_State, k: *mut Kernel) {
    // SAFETY: as for `receive_op`.
    unsafe {
        if (*k).tables.upload == 0 {
            ffi::lua_createtable(l, 0, 2);
            ffi::lua_pushcfunction(l, index);
            ffi::lua_setfield(l, -2, c"__index".as_ptr());
            ffi::lua_pushboolean(l, 0);
            ffi::lua_setfield(l, -2, c"__metatable".as_ptr());
            (*k).tables.upload = ffi::luaL_ref(l, ffi::LUA_REGISTRYINDEX);
        }
        push_ref(l, (*k).tables.upload);
    }
}

unsafe extern "C-unwind" fn index(l: *mut lua_State) -> c_int {
    // SAFETY: called by Lua with the file and a key that it does not have.
    unsafe {
        let key = match ffi::lua_type(l, 2) {
            ffi::LUA_TSTRING => bytes_at(l, 2).unwrap_or_default(),
            _ => b"",
        };
        match METHODS.iter().find(|(name, _)| name.as_bytes() == key) {
            Some(&(_, function)) => ffi::lua_pushcfunction(l, function),
            None => ffi::lua_pushnil(l),
        }
        1
    }
}

/// Pays for a call and gives the upload that argument 1 is about; `None`: its file is not there.
unsafe fn check(l: *mut lua_State, function: &str) -> Option<UploadId> {
    // SAFETY: called from C functions called by Lua, with nothing to drop on the Rust stack.
    unsafe {
        let mut number = 0;
        if ffi::lua_type(l, 1) == ffi::LUA_TTABLE {
            ffi::lua_pushstring(l, NUMBER.as_ptr());
            ffi::lua_rawget(l, 1);
            number = ffi::lua_tointeger(l, -1);
            ffi::lua_settop(l, -2);
        }
        if number <= 0 {
            raise_here(
                l,
                format!("no uploaded file: call it with a colon, file:{function}"),
            );
        }
        check_room(l);
        let upload = number as UploadId;
        host().uploads.is_kept(upload).then_some(upload)
    }
}

unsafe fn push_gone(l: *mut lua_State) -> c_int {
    // SAFETY: as for `check`.
    unsafe {
        ffi::lua_pushnil(l);
        push_str(
            l,
            "the file is not here any more: it was moved, or made room for newer ones",
        );
        2
    }
}

/// An argument that counts bytes.
unsafe fn count_at(l: *mut lua_State, arg: c_int, what: &str, default: i64) -> u64 {
    // SAFETY: as for `check`.
    unsafe {
        let number = ffi::luaL_optinteger(l, arg, default);
        if number < 0 {
            raise_here(l, format!("file:read: {what} must not be negative"));
        }
        number as u64
    }
}

/// `file:read([offset [, n]])`: bytes, fewer at the end; or nil and why not.
unsafe extern "C-unwind" fn read(l: *mut lua_State) -> c_int {
    // SAFETY: called by Lua.
    unsafe {
        let offset = count_at(l, 2, "the offset", 0);
        let length = count_at(l, 3, "the number of bytes", FILE_BYTES_MAX as i64);
        let Some(upload) = check(l, "read(offset, n)") else {
            return push_gone(l);
        };
        let length = length.min(FILE_BYTES_MAX as u64);
        let call = HostCall::ReadUpload {
            upload,
            offset,
            length,
        };
        ask_outside(l, call);
        push_answer(l, 0)
    }
}

/// `file:moveTo(path)`: true, or nil and why not.
unsafe extern "C-unwind" fn move_to(l: *mut lua_State) -> c_int {
    // SAFETY: called by Lua.
    unsafe {
        let to = path_at(l, 2);
        let Some(upload) = check(l, "moveTo(path)") else {
            return push_gone(l);
        };
        let to = to.to_vec();
        ask_outside(l, HostCall::MoveUpload { upload, to });
        let moved = matches!(host().answer(), Some(HostAnswer::Done));
        let results = push_answer(l, 2);
        if moved {
            host().uploads.end(upload);
            host().tell_upload(upload, UploadAction::Drop);
        }
        results
    }
}
