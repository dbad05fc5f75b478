//! The string and utf8 libraries: Lua's own, with their C loops charged.
//!
//! The pattern matcher counts its own steps (`l_unlikely` in the header); what one step costs is set
//! here for each call, since a step may go through a whole character set or balance a whole string.

use crate::lua::budget::{STEP_GAS, charge};
use crate::lua::determinism::heap_of;
use crate::lua::sandbox::numbers::integer;
use crate::lua::sandbox::originals;
use mlua::ffi::{self, lua_CFunction, lua_State};
use std::os::raw::c_int;

/// The string argument at an index, as Lua's own functions take it. It is alive while it is on the
/// stack.
unsafe fn bytes<'a>(state: *mut lua_State, index: c_int) -> &'a [u8] {
    // SAFETY: called from C functions of Lua; the bytes are the string's.
    unsafe {
        let mut length = 0;
        let text = ffi::luaL_checklstring(state, index, &raw mut length);
        std::slice::from_raw_parts(text.cast(), length)
    }
}

unsafe fn length(state: *mut lua_State, index: c_int) -> u64 {
    // SAFETY: called from C functions of Lua.
    unsafe {
        if ffi::lua_type(state, index) == ffi::LUA_TSTRING {
            ffi::lua_rawlen(state, index) as u64
        } else {
            0
        }
    }
}

/// What one step of the matcher costs with this pattern on this subject.
fn step_cost(subject: &[u8], pattern: &[u8]) -> i64 {
    let balances = pattern.windows(4).filter(|item| item.starts_with(b"%b"));
    let scan = balances.map(|item| longest_balance(subject, item[2], item[3]));
    STEP_GAS + (pattern.len() / 32 + scan.max().unwrap_or(0) / 16) as i64
}

/// Depths of brackets whose beginnings are remembered.
const DEPTH_MAX: usize = 64;

/// How many bytes at most one `%b` looks at: the longest stretch from an opening bracket to the one
/// that closes it, or to the end of the subject if there is none.
fn longest_balance(subject: &[u8], open: u8, close: u8) -> usize {
    let mut starts = [0; DEPTH_MAX];
    let (mut depth, mut longest) = (0, 0);
    for (at, &byte) in subject.iter().enumerate() {
        if byte == close && depth > 0 {
            depth -= 1;
            longest = longest.max(at - starts[depth]);
        } else if byte == open {
            if depth == DEPTH_MAX {
                return subject.len();
            }
            starts[depth] = at;
            depth += 1;
        }
    }
    match depth {
        0 => longest,
        _ => longest.max(subject.len() - starts[0]),
    }
}

/// Runs an original with the matcher's step at `cost`.
unsafe fn with_cost(state: *mut lua_State, cost: i64, original: lua_CFunction) -> c_int {
    // SAFETY: called from C functions of Lua; the heap is live with the state.
    unsafe {
        let Some(heap) = heap_of(state) else {
            return original(state);
        };
        let place = &raw mut (*heap.as_ptr()).meter.step_cost;
        let before = *place;
        *place = cost;
        let count = original(state);
        *place = before;
        // A cut inside the matcher raised an error; a charge after its last step has not yet.
        charge(state, 0);
        count
    }
}

unsafe fn matching(state: *mut lua_State, original: lua_CFunction) -> c_int {
    // SAFETY: called from C functions of Lua.
    unsafe {
        let (subject, pattern) = (bytes(state, 1), bytes(state, 2));
        if pattern.contains(&b'b') {
            charge(state, subject.len() as u64 / 16);
        }
        with_cost(state, step_cost(subject, pattern), original)
    }
}

/// Finds, and charges what a repetition may have gone through in one step: as much as was matched.
unsafe fn finding(state: *mut lua_State) -> c_int {
    // SAFETY: called from C functions of Lua.
    unsafe {
        let count = matching(state, originals().find);
        if count >= 2 {
            let first = ffi::lua_tointeger(state, -count);
            let last = ffi::lua_tointeger(state, 1 - count);
            charge(state, last.saturating_sub(first).unsigned_abs() / 8);
        }
        count
    }
}

fn is_plain(pattern: &[u8]) -> bool {
    !pattern.iter().any(|byte| b"^$*+?.([%-".contains(byte))
}

/// Where a search begins: Lua's positions count from 1, or from the end when negative.
fn start(position: i64, length: usize) -> Option<usize> {
    let at = match position {
        1.. => usize::try_from(position).ok()? - 1,
        0 => 0,
        _ => length.saturating_sub(usize::try_from(position.unsigned_abs()).unwrap_or(usize::MAX)),
    };
    (at <= length).then_some(at)
}

/// A plain search is done here, in linear time.
pub(crate) unsafe extern "C-unwind" fn find(state: *mut lua_State) -> c_int {
    // SAFETY: a C function of Lua that holds nothing to drop.
    unsafe {
        let (subject, pattern) = (bytes(state, 1), bytes(state, 2));
        let plain = ffi::lua_toboolean(state, 4) != 0 || (pattern.len() < 256 && is_plain(pattern));
        if !plain {
            return finding(state);
        }
        let first = if ffi::lua_isnoneornil(state, 3) != 0 {
            1
        } else {
            integer(state, 3)
        };
        let Some(from) = start(first, subject.len()) else {
            ffi::lua_pushnil(state);
            return 1;
        };
        let per_gas = if pattern.len() > 3 { 8 } else { 32 };
        charge(
            state,
            (subject.len() - from + pattern.len()) as u64 / per_gas,
        );
        match position(&subject[from..], pattern) {
            Some(at) => {
                ffi::lua_pushinteger(state, (from + at + 1) as i64);
                ffi::lua_pushinteger(state, (from + at + pattern.len()) as i64);
                2
            }
            None => {
                ffi::lua_pushnil(state);
                1
            }
        }
    }
}

fn position(text: &[u8], needle: &[u8]) -> Option<usize> {
    if needle.is_empty() {
        return Some(0);
    }
    // SAFETY: both slices are as long as told; the result points into the first.
    unsafe {
        let (start, size) = (text.as_ptr(), text.len());
        let found = libc::memmem(start.cast(), size, needle.as_ptr().cast(), needle.len());
        (!found.is_null()).then(|| found.cast::<u8>().offset_from_unsigned(start))
    }
}

pub(crate) unsafe extern "C-unwind" fn match_(state: *mut lua_State) -> c_int {
    // SAFETY: a C function of Lua. `find` with a pattern gives the captures, too, behind two positions.
    unsafe {
        ffi::lua_settop(state, 3);
        let (subject, pattern) = (bytes(state, 1), bytes(state, 2));
        if is_plain(pattern) {
            return (originals().match_)(state);
        }
        let count = finding(state);
        if count != 2 {
            return (count - 2).max(1);
        }
        let first = usize::try_from(ffi::lua_tointeger(state, -2)).unwrap_or(1);
        let last = usize::try_from(ffi::lua_tointeger(state, -1)).unwrap_or(0);
        let found = subject.get(first.saturating_sub(1)..last);
        let found = found.unwrap_or_default();
        ffi::lua_pushlstring(state, found.as_ptr().cast(), found.len());
        1
    }
}

pub(crate) unsafe extern "C-unwind" fn gsub(state: *mut lua_State) -> c_int {
    // SAFETY: a C function of Lua.
    unsafe {
        if ffi::lua_type(state, 3) == ffi::LUA_TSTRING {
            double_percents(state);
        }
        // Each match goes through the whole replacement, and all of them through the whole subject.
        let replacement = length(state, 3) as usize;
        let (subject, pattern) = (bytes(state, 1), bytes(state, 2));
        charge(state, subject.len() as u64 / 8);
        let cost = step_cost(subject, pattern) + (replacement / 4) as i64;
        with_cost(state, cost, originals().gsub)
    }
}

/// Lua 5.4 raises an error for a `%` in a replacement that neither a digit nor another one follows; elsewhere it
/// stands for itself.
unsafe fn double_percents(state: *mut lua_State) {
    // SAFETY: called from `gsub`; the string at 3 stays on the stack, the copy is at most twice as long.
    unsafe {
        let text = bytes(state, 3);
        if !text.contains(&b'%') {
            return;
        }
        charge(state, text.len() as u64 / 4);
        let copy = ffi::lua_newuserdatauv(state, text.len() * 2, 0).cast::<u8>();
        copy.write_bytes(0, text.len() * 2);
        let (mut at, mut length) = (0, 0);
        while at < text.len() {
            *copy.add(length) = text[at];
            length += 1;
            at += 1;
            if text[at - 1] != b'%' {
                continue;
            }
            match text.get(at) {
                Some(b'%' | b'0'..=b'9') => {
                    *copy.add(length) = text[at];
                    at += 1;
                }
                _ => *copy.add(length) = b'%',
            }
            length += 1;
        }
        ffi::lua_pushlstring(state, copy.cast(), length);
        ffi::lua_replace(state, 3);
        ffi::lua_pop(state, 1);
    }
}

pub(crate) unsafe extern "C-unwind" fn gmatch(state: *mut lua_State) -> c_int {
    // SAFETY: a C function of Lua; the original leaves its iterator on top.
    unsafe {
        let (subject, pattern) = (bytes(state, 1), bytes(state, 2));
        charge(state, subject.len() as u64 / 8);
        let cost = step_cost(subject, pattern);
        (originals().gmatch)(state);
        if cost > STEP_GAS {
            ffi::lua_pushinteger(state, cost);
            ffi::lua_pushcclosure(state, costly_iterator, 2);
        }
        1
    }
}

/// The iterator of a `gmatch` whose steps cost more than usual; upvalues: Lua's own, the cost.
pub(crate) unsafe extern "C-unwind" fn costly_iterator(state: *mut lua_State) -> c_int {
    unsafe extern "C-unwind" fn iterate(state: *mut lua_State) -> c_int {
        // SAFETY: runs on the closure's own frame.
        unsafe {
            ffi::lua_settop(state, 0);
            ffi::lua_pushvalue(state, ffi::lua_upvalueindex(1));
            ffi::lua_call(state, 0, ffi::LUA_MULTRET);
            ffi::lua_gettop(state)
        }
    }
    // SAFETY: a C closure of Lua.
    unsafe {
        with_cost(
            state,
            ffi::lua_tointeger(state, ffi::lua_upvalueindex(2)),
            iterate,
        )
    }
}

pub(crate) unsafe extern "C-unwind" fn rep(state: *mut lua_State) -> c_int {
    // SAFETY: a C function of Lua.
    unsafe {
        let unit = bytes(state, 1).len() as u64 + length(state, 3);
        let count = u64::try_from(integer(state, 2)).unwrap_or(0);
        if unit == 0 && count > 0 {
            // Lua's own would go round `count` times.
            ffi::lua_pushstring(state, c"".as_ptr());
            return 1;
        }
        // More is refused for lack of memory, before anything is copied.
        let limit = heap_of(state).map_or(0, |heap| (*heap.as_ptr()).limit() as u64);
        if count.checked_mul(unit).is_some_and(|total| total <= limit) {
            charge(state, count / 4);
        }
        (originals().rep)(state)
    }
}

/// `%d` and its kin cut fractions off, as in Lua 5.1; `%p` is refused: addresses are no one's business.
pub(crate) unsafe extern "C-unwind" fn format(state: *mut lua_State) -> c_int {
    // SAFETY: a C function of Lua that holds nothing to drop.
    unsafe {
        let text = bytes(state, 1);
        charge(state, text.len() as u64 / 16);
        let (mut argument, mut at) = (1, 0);
        while at < text.len() {
            if text[at] != b'%' {
                at += 1;
                continue;
            }
            at += 1;
            if text.get(at) == Some(&b'%') {
                at += 1;
                continue;
            }
            let begin = at;
            while text
                .get(at)
                .is_some_and(|byte| b"-+ #0123456789.".contains(byte))
            {
                at += 1;
            }
            argument += 1;
            charge(state, item_cost(state, argument, text.get(at), at - begin));
            match text.get(at) {
                Some(b'd' | b'i' | b'c' | b'x' | b'X' | b'o' | b'u') => truncate(state, argument),
                Some(b'p') => {
                    return ffi::luaL_error(
                        state,
                        c"string.format: '%%p' is not available in a session".as_ptr(),
                    );
                }
                _ => {}
            }
        }
        (originals().format)(state)
    }
}

/// What an item of a format costs: digits of floats are expensive.
unsafe fn item_cost(
    state: *mut lua_State,
    argument: c_int,
    kind: Option<&u8>,
    width: usize,
) -> u64 {
    match kind {
        Some(b'a' | b'A' | b'e' | b'E' | b'f' | b'F' | b'g' | b'G') => {
            // SAFETY: called from C functions of Lua.
            let number = unsafe { ffi::lua_tonumber(state, argument) };
            let long = number.abs() > 1e20 || width > 3;
            40 + if long { 260 } else { 0 }
        }
        // SAFETY: as above.
        Some(b'q') => 2 + unsafe { length(state, argument) } / 2,
        _ => 4,
    }
}

/// Replaces a number with a fraction by its integer part.
unsafe fn truncate(state: *mut lua_State, index: c_int) {
    // SAFETY: called from C functions of Lua.
    unsafe {
        let (mut exact, mut is_number) = (0, 0);
        ffi::lua_tointegerx(state, index, &raw mut exact);
        let number = ffi::lua_tonumberx(state, index, &raw mut is_number).trunc();
        if exact == 0 && is_number != 0 && (-9.2e18..9.2e18).contains(&number) {
            ffi::lua_pushinteger(state, number as i64);
            ffi::lua_replace(state, index);
        }
    }
}

pub(crate) unsafe extern "C-unwind" fn byte(state: *mut lua_State) -> c_int {
    // SAFETY: a C function of Lua, and the original is one.
    unsafe {
        if ffi::lua_isnoneornil(state, 3) == 0 {
            charge(state, length(state, 1).min(1_000_000) / 4);
        }
        (originals().byte)(state)
    }
}

/// `utf8.codes`: an iterator of ours, which charges for the continuation bytes that it passes over.
pub(crate) unsafe extern "C-unwind" fn utf8_codes(state: *mut lua_State) -> c_int {
    // SAFETY: a C function of Lua; the original leaves its iterator, the text and 0.
    unsafe {
        let lax = ffi::lua_toboolean(state, 2) != 0;
        let count = (originals().utf8_codes)(state);
        let own = if lax { next_lax } else { next_strict };
        ffi::lua_pushcfunction(state, own);
        ffi::lua_replace(state, -count - 1);
        count
    }
}

pub(super) unsafe extern "C-unwind" fn next_strict(state: *mut lua_State) -> c_int {
    // SAFETY: a C function of Lua.
    unsafe { next_code(state, originals().utf8_strict) }
}

pub(super) unsafe extern "C-unwind" fn next_lax(state: *mut lua_State) -> c_int {
    // SAFETY: a C function of Lua.
    unsafe { next_code(state, originals().utf8_lax) }
}

unsafe fn next_code(state: *mut lua_State, original: lua_CFunction) -> c_int {
    // SAFETY: called from C functions of Lua.
    unsafe {
        let from = usize::try_from(ffi::lua_tointeger(state, 2)).unwrap_or(usize::MAX);
        let rest = bytes(state, 1).get(from..).unwrap_or_default();
        let passed = rest.iter().take_while(|&&byte| byte & 0xc0 == 0x80).count();
        charge(state, passed as u64 / 8);
        original(state)
    }
}

/// Those that take any number of arguments go through all of them.
macro_rules! charged_by_arguments {
    ($($name:ident $original:ident $gas:literal;)*) => { $(
        pub(crate) unsafe extern "C-unwind" fn $name(state: *mut lua_State) -> c_int {
            // SAFETY: a C function of Lua, and the original is one.
            unsafe {
                charge(state, u64::from(ffi::lua_gettop(state).unsigned_abs()) * $gas / 4);
                (originals().$original)(state)
            }
        }
    )* };
}

charged_by_arguments! {
    char char 2;
    utf8_char utf8_char 16;
    max max 2;
    min min 2;
}

macro_rules! charged {
    ($($name:ident $original:ident $argument:literal $divisor:literal;)*) => { $(
        pub(crate) unsafe extern "C-unwind" fn $name(state: *mut lua_State) -> c_int {
            // SAFETY: a C function of Lua, and the original is one.
            unsafe {
                charge(state, length(state, $argument) / $divisor);
                (originals().$original)(state)
            }
        }
    )* };
}

// Which argument's length is charged, and the bytes for a unit.
charged! {
    pack pack 1 1;
    packsize packsize 1 1;
    unpack string_unpack 1 1;
    utf8_len utf8_len 1 4;
    utf8_offset utf8_offset 1 4;
    utf8_codepoint utf8_codepoint 1 4;
}
