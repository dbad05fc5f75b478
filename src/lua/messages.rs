//! What `session` says to others: topics, notices, addresses, downloads; and `diag`.

use std::ffi::c_int;

use mlua::ffi::{self, lua_CFunction, lua_State};

use super::api::{check_watches, forget_function, keep_function};
use super::kernel::{bytes_at, current, host, pay, push_str, raise, raise_here};
use super::ui;
use crate::core::download::PIECE_MAX;
use crate::core::host::{NoticeKind, Work};
use crate::core::runs::Started;
use crate::core::script::ErrorCode;
use crate::core::topic::{MESSAGE_MAX, TOPIC_MAX};

/// Bytes of an address and of a notice.
const URL_MAX: usize = 2_000;
const NOTICE_MAX: usize = 1_000;
/// Bytes of what an app saves of itself.
const SAVED_MAX: usize = 1 << 20;
/// Bytes of a file's name and of a MIME type.
const NAME_MAX: usize = 200;

pub(super) const METHODS: &[(&str, lua_CFunction)] = &[
    ("checkpoint", checkpoint),
    ("download", download),
    ("navigate", navigate),
    ("notify", notify),
    ("publish", publish),
    ("subscribe", subscribe),
];

/// The text of argument `arg`, at most `most` bytes of UTF-8.
unsafe fn text_argument<'a>(l: *mut lua_State, arg: c_int, what: &str, most: usize) -> &'a str {
    // SAFETY: called from C functions called by Lua; the text stays on the stack as their argument.
    unsafe {
        if ffi::lua_type(l, arg) != ffi::LUA_TSTRING && ffi::lua_type(l, arg) != ffi::LUA_TNUMBER {
            raise_here(l, format!("{what} must be a text"));
        }
        let bytes = bytes_at(l, arg).unwrap_or_default();
        pay(l, bytes.len());
        match std::str::from_utf8(bytes) {
            Ok(text) if text.len() <= most => text,
            Ok(_) => raise_here(l, format!("{what} is too long: at most {most} bytes")),
            Err(_) => raise_here(l, format!("{what} is not valid UTF-8")),
        }
    }
}

unsafe fn topic_argument<'a>(l: *mut lua_State) -> &'a str {
    // SAFETY: as for `text_argument`.
    unsafe {
        let topic = text_argument(l, 2, "the topic", TOPIC_MAX);
        if topic.is_empty() {
            raise_here(l, "the topic must not be empty".into());
        }
        topic
    }
}

/// `session:publish(topic, value [, {retain=true}])`.
unsafe extern "C-unwind" fn publish(l: *mut lua_State) -> c_int {
    // SAFETY: called by Lua; what is copied out of the kernel is dropped before anything raises.
    unsafe {
        let topic = topic_argument(l);
        ffi::lua_settop(l, 4);
        let mut retain = false;
        if ffi::lua_type(l, 4) == ffi::LUA_TTABLE {
            push_str(l, "retain");
            ffi::lua_rawget(l, 4);
            retain = ffi::lua_toboolean(l, -1) != 0;
            ffi::lua_settop(l, 4);
        }
        if let Err(reason) = ui::encode_plain(l, 3) {
            raise_here(
                l,
                format!("session:publish: the value is no plain data: {reason}"),
            );
        }
        let k = current();
        if (*k).encoded.len() > MESSAGE_MAX {
            let message = format!("session:publish: more than {MESSAGE_MAX} bytes of JSON");
            raise_here(l, message);
        }
        let value = String::from_utf8_lossy(&(*k).encoded).into();
        if let Err(error) = host().publish(topic, value, retain) {
            raise(l, error.code, error.message);
        }
        0
    }
}

/// `session:subscribe(topic, fn)`.
unsafe extern "C-unwind" fn subscribe(l: *mut lua_State) -> c_int {
    // SAFETY: called by Lua.
    unsafe {
        let topic = topic_argument(l);
        ffi::luaL_checktype(l, 3, ffi::LUA_TFUNCTION);
        check_watches(l);
        let watch = match host().subscribe(topic) {
            Ok(watch) => watch,
            Err(error) => raise(l, error.code, error.message),
        };
        host().note_started(Started::Watch(watch));
        keep_function(l, 3, -(watch as i64));
        ffi::lua_pushinteger(l, watch as i64);
        1
    }
}

/// `session:navigate(path [, replace])`.
unsafe extern "C-unwind" fn navigate(l: *mut lua_State) -> c_int {
    // SAFETY: called by Lua.
    unsafe {
        let url = text_argument(l, 2, "the path to navigate to", URL_MAX);
        let good = url.starts_with('/')
            && !url.starts_with("//")
            && !url.contains(|c: char| c.is_control() || c == '\\');
        if !good {
            raise_here(
                l,
                "session:navigate: the path begins with one / and stays inside the app, such as \
                 \"/contacts?page=2\""
                    .into(),
            );
        }
        let replace = ffi::lua_toboolean(l, 3) != 0;
        if let Err(error) = host().navigate(url, replace) {
            raise(l, error.code, error.message);
        }
        0
    }
}

/// `session:notify(text [, kind])`.
unsafe extern "C-unwind" fn notify(l: *mut lua_State) -> c_int {
    // SAFETY: called by Lua.
    unsafe {
        let text = text_argument(l, 2, "the notice", NOTICE_MAX);
        let mut kind = NoticeKind::Info;
        if ffi::lua_type(l, 3) > ffi::LUA_TNIL {
            let name = text_argument(l, 3, "the kind of a notice", NAME_MAX);
            match NoticeKind::NAMES.iter().find(|(n, _)| *n == name) {
                Some(&(_, found)) => kind = found,
                None => raise_here(
                    l,
                    "session:notify: the kind is info, success, warning or error".into(),
                ),
            }
        }
        let text = text.into();
        if let Err(error) = host().later(Work::Notify { text, kind }) {
            raise(l, error.code, error.message);
        }
        0
    }
}

/// `session:download(name, mime, next_chunk)`: the address to fetch it from, once.
unsafe extern "C-unwind" fn download(l: *mut lua_State) -> c_int {
    // SAFETY: called by Lua.
    unsafe {
        let name = text_argument(l, 2, "the file's name", NAME_MAX);
        let mime = text_argument(l, 3, "the MIME type", NAME_MAX);
        ffi::luaL_checktype(l, 4, ffi::LUA_TFUNCTION);
        let bad_name = |c: char| c.is_control() || matches!(c, '/' | '\\');
        if name.is_empty() || name.contains(bad_name) {
            raise_here(
                l,
                "session:download: a file's name without / is needed".into(),
            );
        }
        let printable = mime.bytes().all(|b| matches!(b, b' '..=b'~'));
        if !printable || mime.split('/').count() != 2 {
            raise_here(
                l,
                "session:download: a MIME type such as text/csv is needed".into(),
            );
        }
        let maker = host().watches.vend();
        keep_function(l, 4, -(maker as i64));
        let secret = host().secret();
        let (token, dropped) = host().downloads.offer(secret.as_ref(), name, mime, maker);
        if let Some(dropped) = dropped {
            forget_function(l, -(dropped.maker as i64));
        }
        let url = format!("{}/download/{token:032x}", host().opening.address);
        push_url(l, url);
        1
    }
}

/// `session:checkpoint(save, restore)`: `save()` is asked now and then for what the app would need to begin
/// again from; if this session begins in place of one that is lost, `restore` gets that at once.
unsafe extern "C-unwind" fn checkpoint(l: *mut lua_State) -> c_int {
    // SAFETY: called by Lua; the value is kept in the kernel, so that an error frees it later.
    unsafe {
        ffi::luaL_checktype(l, 2, ffi::LUA_TFUNCTION);
        ffi::luaL_checktype(l, 3, ffi::LUA_TFUNCTION);
        if let Some(before) = host().saver.take() {
            forget_function(l, -(before as i64));
        }
        let saver = host().watches.vend();
        keep_function(l, 2, -(saver as i64));
        host().saver = Some(saver);
        let saved = std::mem::take(&mut host().opening.saved);
        if saved.is_empty() {
            return 0;
        }
        let k = current();
        (*k).call.incoming = serde_json::from_str(&saved).ok();
        drop(saved);
        ffi::lua_pushvalue(l, 3);
        match &(*k).call.incoming {
            Some(value) => super::write::push_value(l, k, &raw const *value, false),
            None => ffi::lua_pushnil(l),
        }
        (*k).call.incoming = None;
        ffi::lua_callk(l, 1, 0, 0, None);
        0
    }
}

/// Calls the function that saves the app, `call.number`, and leaves what it gave in `encoded`.
///
/// # Safety
/// Called by Lua under `Kernel::enter`.
pub(super) unsafe extern "C-unwind" fn save_op(l: *mut lua_State) -> c_int {
    // SAFETY: see `read::detect_op`.
    unsafe {
        let k = current();
        super::session::push_function(l, k);
        ffi::lua_callk(l, 0, 1, 0, None);
        let at = ffi::lua_gettop(l);
        if let Err(reason) = ui::encode_plain(l, at) {
            let text =
                format!("session:checkpoint: what save() returned is no plain data: {reason}");
            raise(l, ErrorCode::LuaError, text);
        }
        if (*k).encoded.len() > SAVED_MAX {
            let text =
                format!("session:checkpoint: save() returned more than {SAVED_MAX} bytes of JSON");
            raise(l, ErrorCode::Limit, text);
        }
        0
    }
}

/// Pushes a text that is dropped whether or not there is memory for it.
unsafe fn push_url(l: *mut lua_State, url: String) {
    // SAFETY: as for `raise`, which keeps texts the same way: the kernel outlives a jump.
    unsafe {
        let k = current();
        (*k).type_text = url;
        let text: &str = &(*k).type_text;
        push_str(l, text);
    }
}

/// Calls the maker of a download, `call.number`, and leaves its piece in `encoded`; `call.slot` is 1
/// if there was one.
///
/// # Safety
/// Called by Lua under `Kernel::enter`.
pub(super) unsafe extern "C-unwind" fn next_piece_op(l: *mut lua_State) -> c_int {
    // SAFETY: see `read::detect_op`.
    unsafe {
        let k = current();
        (*k).call.slot = 0;
        super::session::push_function(l, k);
        ffi::lua_callk(l, 0, 1, 0, None);
        match ffi::lua_type(l, -1) {
            ffi::LUA_TNIL => return 0,
            ffi::LUA_TSTRING => {}
            _ => raise(
                l,
                ErrorCode::LuaError,
                "session:download: next_chunk() must return a string, or nil at the end".into(),
            ),
        }
        let bytes = bytes_at(l, -1).unwrap_or_default();
        if bytes.len() > PIECE_MAX {
            let message = format!(
                "session:download: next_chunk() returned {} bytes; at most {PIECE_MAX} at a time",
                bytes.len()
            );
            raise(l, ErrorCode::Limit, message);
        }
        pay(l, bytes.len());
        (*k).encoded.clear();
        (*k).encoded.extend_from_slice(bytes);
        (*k).call.slot = 1;
        0
    }
}

/// `diag(level, message)`: a remark on the variable being computed.
pub(super) unsafe extern "C-unwind" fn diag(l: *mut lua_State) -> c_int {
    // SAFETY: called by Lua; the text stays on the stack.
    unsafe {
        let level = ffi::luaL_checkinteger(l, 1).clamp(0, 4) as u8;
        let mut len = 0;
        let text = ffi::luaL_tolstring(l, 2, &mut len);
        pay(l, len);
        let text = std::slice::from_raw_parts(text.cast::<u8>(), len);
        host().remark(level, &String::from_utf8_lossy(text));
        0
    }
}
