//! LuaRuntime and LuaSession: Lua as the language of sessions.
//!
//! Reading order: [`state`] is one Lua state with its `arena`, allocator (`alloc`), `budget` and
//! `sandbox`; [`determinism`] is what makes two of them alike; `session` is core's `Script` around
//! one; `kernel` is the way into Lua, with `cell`, `bind`, `route`, `read`, `write`, `wrapper`, `encode` and
//! `arrays` behind it; `api`, `ui`, `messages` and `handle` are what Lua code calls, `files`, `os` and
//! `process` what it calls of the machine; `image` is a session written down, to be woken later; `modules` loads files, with the `escapes` of older code, and
//! `reload` runs them again. `describe` and `peek` tell of objects to whom is not the script.
//!
//! `unsafe` lives here and nowhere else in the crate: Lua's C interface is used directly where
//! thousands of variables are read in one go, where memory is allocated and where an event is cut.

mod alloc;
mod arena;
mod budget;
pub mod determinism;
mod sandbox;
pub mod state;

mod api;
mod arrays;
mod bind;
mod cell;
mod describe;
mod encode;
mod escapes;
mod files;
mod handle;
pub mod image;
mod kernel;
mod keys;
mod messages;
mod modules;
mod objects;
mod os;
mod peek;
mod process;
mod prototype;
mod read;
mod registered;
mod reload;
mod route;
mod session;
mod ui;
mod upload;
mod wrapper;
mod write;

use std::rc::Rc;

pub use session::LuaSession;

use crate::core::host::Host;
use crate::core::id::SessionId;
use crate::core::script::{Runtime, ScriptError};
use modules::ChunkCache;
use state::{State, StateError, StateLimits};

/// Makes the Lua sessions of a server. Holds what they share: compiled files.
#[derive(Clone)]
pub struct LuaRuntime {
    chunks: Rc<ChunkCache>,
}

impl LuaRuntime {
    /// A runtime without sessions.
    ///
    /// # Errors
    /// When there is no memory for a state, or the build lacks its determinism flags.
    pub fn new() -> Result<LuaRuntime, StateError> {
        session::name_functions();
        let limits = StateLimits {
            memory: COMPILER_MEMORY,
            gas: u64::MAX,
            ..StateLimits::default()
        };
        let compiler = State::new(0, limits)?;
        Ok(LuaRuntime {
            chunks: Rc::new(ChunkCache::new(compiler)),
        })
    }
}

impl LuaRuntime {
    /// Why the file at `path` of a site does not compile: `PATH:LINE: ..`.
    pub fn problem(&self, path: &str, text: &[u8]) -> Option<String> {
        self.chunks.problem(path, text)
    }
}

/// The language, as recordings name it.
pub const DIALECT: &str = "Lua 5.4";

/// Files are compiled in a state of their own; 64 MiB is plenty for any file worth compiling.
const COMPILER_MEMORY: usize = 64 << 20;

impl Runtime for LuaRuntime {
    type Script = LuaSession;

    fn create_session(&mut self, _: SessionId, host: &mut Host) -> Result<LuaSession, ScriptError> {
        LuaSession::new(host, self.chunks.clone())
    }

    fn thaw(&mut self, _: SessionId, _: &mut Host, image: &[u8]) -> Result<LuaSession, String> {
        LuaSession::thaw(image, self.chunks.clone())
    }

    fn keep(&self, claim: &[u8]) -> Result<(), String> {
        image::keep(claim)
    }

    fn forget(&self, claim: &[u8]) {
        image::forget(claim);
    }
}
