//! `math.mod`, and `math.random` over a stream that begins with the state's seed (xoshiro256**).

use crate::lua::determinism::next_random;
use crate::lua::sandbox::originals;
use crate::lua::state::local_of;
use mlua::ffi::{self, lua_State};
use std::os::raw::c_int;

fn next(state: &mut [u64; 4]) -> u64 {
    let result = state[1].wrapping_mul(5).rotate_left(7).wrapping_mul(9);
    let shifted = state[1] << 17;
    state[2] ^= state[0];
    state[3] ^= state[1];
    state[1] ^= state[2];
    state[0] ^= state[3];
    state[2] ^= shifted;
    state[3] = state[3].rotate_left(45);
    result
}

/// The next number of the state's stream.
unsafe fn draw(state: *mut lua_State) -> u64 {
    // SAFETY: called from C functions of Lua.
    unsafe { local_of(state).map_or(0, |local| next(&mut (*local.as_ptr()).random)) }
}

/// A number from 0 to `limit`, all alike.
unsafe fn draw_up_to(state: *mut lua_State, limit: u64) -> u64 {
    let mask = if limit == 0 {
        0
    } else {
        u64::MAX >> limit.leading_zeros()
    };
    loop {
        // SAFETY: as above.
        let number = unsafe { draw(state) } & mask;
        if number <= limit {
            return number;
        }
    }
}

/// An integer argument; a fraction is cut off, as Lua 5.1 did.
pub(super) unsafe fn integer(state: *mut lua_State, index: c_int) -> i64 {
    // SAFETY: called from C functions of Lua.
    unsafe {
        let mut exact = 0;
        let number = ffi::lua_tointegerx(state, index, &raw mut exact);
        if exact != 0 {
            number
        } else {
            ffi::luaL_checknumber(state, index).trunc() as i64
        }
    }
}

/// Lua 5.0's name for `math.fmod`, which lived on in 5.1.
pub(crate) unsafe extern "C-unwind" fn modulo(state: *mut lua_State) -> c_int {
    // SAFETY: a C function of Lua, and the original is one.
    unsafe { (originals().fmod)(state) }
}

pub(crate) unsafe extern "C-unwind" fn random(state: *mut lua_State) -> c_int {
    // SAFETY: a C function of Lua that holds nothing to drop.
    unsafe {
        let (low, high, last) = match ffi::lua_gettop(state) {
            0 => {
                let number = (draw(state) >> 11) as f64 / (1u64 << 53) as f64;
                ffi::lua_pushnumber(state, number);
                return 1;
            }
            1 => (1, integer(state, 1), 1),
            2 => (integer(state, 1), integer(state, 2), 2),
            _ => return ffi::luaL_error(state, c"wrong number of arguments".as_ptr()),
        };
        if last == 1 && high == 0 {
            ffi::lua_pushinteger(state, draw(state).cast_signed());
            return 1;
        }
        if low > high {
            return ffi::luaL_argerror(state, last, c"interval is empty".as_ptr());
        }
        let number = draw_up_to(state, high.wrapping_sub(low).cast_unsigned());
        ffi::lua_pushinteger(state, low.wrapping_add(number.cast_signed()));
        1
    }
}

/// Begins another stream: the one of the given numbers, or the next of the state's own.
pub(crate) unsafe extern "C-unwind" fn randomseed(state: *mut lua_State) -> c_int {
    // SAFETY: a C function of Lua that holds nothing to drop.
    unsafe {
        let mut seed = match ffi::lua_gettop(state) {
            0 => draw(state),
            _ => {
                let first = ffi::luaL_checknumber(state, 1).to_bits();
                first ^ ffi::luaL_optnumber(state, 2, 0.0).to_bits().rotate_left(32)
            }
        };
        if let Some(local) = local_of(state) {
            (*local.as_ptr()).random = std::array::from_fn(|_| next_random(&mut seed));
        }
        0
    }
}
