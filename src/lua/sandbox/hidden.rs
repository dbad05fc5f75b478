//! Names for what states point to although no script can get at it: images of states need them.

use super::{Scratch, text};
use crate::lua::alloc::lua_alloc;
use crate::lua::budget;
use crate::lua::determinism::{build, name_address, name_function};
use mlua::ffi::{self, lua_CFunction};

/// Names all of it, and returns the finalizer of the boxes that Lua's buffers have their memory in.
pub(super) fn name_all(scratch: &Scratch) -> lua_CFunction {
    name_function("lunette.wrapped", budget::wrapped);
    name_function("lunette.guard", budget::guard_handler);
    name_function("lunette.gmatch.iterator", text::costly_iterator);
    name_address(
        "lunette.pcall.rest",
        budget::finish_pcall as *const () as usize,
    );
    name_address("lunette.hook", budget::hook as *const () as usize);
    name_address("lunette.alloc", lua_alloc as *const () as usize);
    name_function(
        "lua.gmatch.iterator",
        scratch.result(c"return string.gmatch('', '')"),
    );
    name_of_structure(scratch);
    let box_gc = box_gc(scratch);
    name_function("lua.box.gc", box_gc);
    box_gc
}

fn name_of_structure(scratch: &Scratch) {
    let Some(build) = build() else { return };
    let state = scratch.0;
    let code = c"local object = setmetatable({}, {__pairs = coroutine.yield})
        local thread = coroutine.create(pairs)
        coroutine.resume(thread, object)
        return thread, {}";
    // SAFETY: the state is live and has memory; the code leaves a thread that has yielded in a
    // metamethod, and an empty table.
    let found = unsafe {
        assert_eq!(ffi::luaL_loadstring(state, code.as_ptr()), ffi::LUA_OK);
        ffi::lua_call(state, 0, 2);
        let found = build.hidden(ffi::lua_tothread(state, -2), ffi::lua_topointer(state, -1));
        ffi::lua_pop(state, 2);
        found
    };
    for (name, address) in ["lua.empty.node", "lua.pairs.rest"].into_iter().zip(found) {
        name_address(name, address);
    }
}

/// A text that is too long for a buffer on the C stack makes a box.
fn box_gc(scratch: &Scratch) -> lua_CFunction {
    let state = scratch.0;
    // SAFETY: the state is live and has memory.
    let function = unsafe {
        let code = c"return string.rep('long', 10000)";
        assert_eq!(ffi::luaL_loadstring(state, code.as_ptr()), ffi::LUA_OK);
        ffi::lua_call(state, 0, 1);
        ffi::luaL_getmetatable(state, c"_UBOX*".as_ptr());
        ffi::lua_getfield(state, -1, c"__gc".as_ptr());
        let function = ffi::lua_tocfunction(state, -1);
        ffi::lua_pop(state, 3);
        function
    };
    function.expect("boxes have a finalizer")
}
