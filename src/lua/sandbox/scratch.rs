//! Where Lua's own functions come from: a plain state that is gone once they are found.

use mlua::ffi::{self, lua_CFunction, lua_State};
use std::ffi::CStr;

/// A plain state with Lua's libraries, to find their functions in.
pub(super) struct Scratch(pub *mut lua_State);

impl Scratch {
    pub fn new() -> Self {
        // SAFETY: a fresh state with all it needs of memory, or the process has none at all.
        unsafe {
            let state = ffi::luaL_newstate();
            assert!(!state.is_null(), "no memory for a Lua state");
            let libraries: [(&CStr, lua_CFunction); 7] = [
                (c"_G", ffi::luaopen_base),
                (c"coroutine", ffi::luaopen_coroutine),
                (c"debug", ffi::luaopen_debug),
                (c"math", ffi::luaopen_math),
                (c"string", ffi::luaopen_string),
                (c"table", ffi::luaopen_table),
                (c"utf8", ffi::luaopen_utf8),
            ];
            for (name, open) in libraries {
                ffi::luaL_requiref(state, name.as_ptr(), open, 1);
                ffi::lua_pop(state, 1);
            }
            Self(state)
        }
    }

    pub fn function(&self, library: &CStr, name: &str) -> lua_CFunction {
        // SAFETY: the state is live; its tables have no metamethods.
        let function = unsafe {
            ffi::lua_getglobal(self.0, library.as_ptr());
            ffi::lua_pushlstring(self.0, name.as_ptr().cast(), name.len());
            ffi::lua_rawget(self.0, -2);
            let function = ffi::lua_tocfunction(self.0, -1);
            ffi::lua_pop(self.0, 2);
            function
        };
        function.unwrap_or_else(|| panic!("Lua has no function {library:?}.{name}"))
    }

    /// The function that `script` returns.
    pub fn result(&self, script: &CStr) -> lua_CFunction {
        // SAFETY: as above.
        let function = unsafe {
            assert_eq!(ffi::luaL_loadstring(self.0, script.as_ptr()), ffi::LUA_OK);
            ffi::lua_call(self.0, 0, 1);
            let function = ffi::lua_tocfunction(self.0, -1);
            ffi::lua_pop(self.0, 1);
            function
        };
        function.expect("the script returns a C function")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // SAFETY: the state is live and nobody uses it any more.
        unsafe { ffi::lua_close(self.0) };
    }
}
