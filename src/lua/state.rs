//! One Lua state: its arena, the libraries, the limits.
//!
//! A state is made from a seed and limits alone, so two states made alike and told the same things do
//! the same things, in any process. Dropping it frees all it had at once.

use crate::core::code::Decoder;
use crate::core::limits::SessionLimits;
use crate::lua::alloc::{Arena, Heap, lua_alloc};
use crate::lua::arena::{ArenaError, CLASS_BITS_MIN, Place};
use crate::lua::budget::Budget;
use crate::lua::determinism::{self, Build, DeterminismError, REVISION};
use crate::lua::sandbox;
pub use crate::lua::sandbox::clock::{TurnTime, set_turn};
use mlua::ffi::{self, lua_State};
use std::cell::Cell;
use std::ffi::CStr;
use std::mem::ManuallyDrop;
use std::os::raw::{c_int, c_void};
use std::ptr::{self, NonNull};

#[derive(Debug, thiserror::Error)]
pub enum StateError {
    #[error(transparent)]
    Arena(#[from] ArenaError),
    #[error(
        "not enough memory to make a Lua state; close sessions or give the process more memory"
    )]
    Memory,
    #[error(
        "the Lua memory limit of {limit} bytes is below the {needed} that an empty state needs; raise it"
    )]
    Limit { limit: usize, needed: usize },
    #[error("making a Lua state failed: {0}")]
    Setup(String),
    #[error(transparent)]
    Build(DeterminismError),
}

/// Lua keeps a quarter of it in a byte.
const PAUSE_MAX: u64 = 1023;

/// What one state may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StateLimits {
    /// Bytes of Lua objects.
    pub memory: usize,
    /// Gas until the first `Budget::refill`; see `budget`.
    pub gas: u64,
    /// Percent; see [`SessionLimits::gc_pause`].
    pub gc_pause: u64,
}

impl Default for StateLimits {
    fn default() -> Self {
        Self::from(&SessionLimits::default())
    }
}

impl From<&SessionLimits> for StateLimits {
    fn from(limits: &SessionLimits) -> Self {
        Self {
            memory: limits.lua_memory,
            gas: limits.gas,
            gc_pause: limits.gc_pause,
        }
    }
}

impl StateLimits {
    /// The size of the window: twice the limit, since blocks round up and holes form between them.
    pub fn class(&self) -> usize {
        let least = self.memory.max(1 << (CLASS_BITS_MIN - 1));
        // A recording may say anything: there is no window of the largest.
        let class = least.saturating_mul(2).checked_next_power_of_two();
        class.unwrap_or(1 << (usize::BITS - 1))
    }
}

/// What the modules of `lua` keep with a state, reached from any `lua_State` of it (`heap_of`).
pub struct Local {
    pub seed: u64,
    /// Where the streams of random numbers stand: pivots of `table.sort`, `math.random`.
    pub pivots: u64,
    pub random: [u64; 4],
    /// The budget of the event that runs, whether it was exceeded, and by then used.
    pub gas: i64,
    pub tripped: bool,
    pub used: i64,
    /// The library tables that are filled on first use.
    pub libraries: [usize; sandbox::LAZY],
    /// The C side's functions; none if the build lacks the header.
    pub build: Option<&'static Build>,
    /// For the owner of the state: what callbacks from Lua may reach during the call that runs.
    pub host: *mut c_void,
}

impl Default for Local {
    fn default() -> Self {
        Self {
            seed: 0,
            pivots: 0,
            random: [0; 4],
            gas: i64::MAX,
            tripped: false,
            used: 0,
            libraries: [0; sandbox::LAZY],
            build: None,
            host: ptr::null_mut(),
        }
    }
}

thread_local! {
    static PLANNED: Cell<u64> = const { Cell::new(0) };
    static FAILED: Cell<bool> = const { Cell::new(false) };
}

/// Test hook: the `n`-th allocation of the state that this thread makes next fails, as if there were
/// no memory just then.
pub fn plan_failure(n: u64) {
    PLANNED.set(n);
    FAILED.set(false);
}

/// Test hook: whether the failure that was planned has happened.
pub fn planned_failure_happened() -> bool {
    FAILED.get()
}

pub(crate) fn note_failure() {
    FAILED.set(true);
}

/// A Lua state with its arena.
pub struct State {
    raw: *mut lua_State,
    arena: ManuallyDrop<Arena>,
}

impl State {
    pub fn new(seed: u64, limits: StateLimits) -> Result<Self, StateError> {
        sandbox::prepare();
        let arena = Arena::new(limits.class())?;
        let heap = arena.heap();
        // SAFETY: the heap lives in the arena, and nothing else refers to it yet.
        unsafe { (*heap.as_ptr()).local.begin(seed) };
        // SAFETY: the allocator and its heap live until after `lua_close`.
        let raw = unsafe { ffi::lua_newstate(lua_alloc, heap.as_ptr().cast()) };
        if raw.is_null() {
            return Err(StateError::Memory);
        }
        let unfinished = Unfinished(raw);
        let pause = limits.gc_pause.min(PAUSE_MAX) as c_int;
        // SAFETY: the state is live; this only sets a number.
        unsafe { ffi::lua_gc(raw, ffi::LUA_GCSETPAUSE, pause) };
        // SAFETY: the state is live and the heap's fields are not borrowed elsewhere.
        check_build(unsafe { (*heap.as_ptr()).local.build })?;
        sandbox::install(raw)?;
        std::mem::forget(unfinished);
        let state = Self {
            raw,
            arena: ManuallyDrop::new(arena),
        };
        let needed = state.memory_used();
        if limits.memory < needed {
            return Err(StateError::Limit {
                limit: limits.memory,
                needed,
            });
        }
        state.with_heap(|heap| heap.set_limit(limits.memory));
        state.fail_at(PLANNED.take());
        state.budget().refill(limits.gas);
        Ok(state)
    }

    /// Where the state's memory is.
    pub(super) fn place(&self) -> Place {
        self.with_heap(|heap| heap.place())
    }

    /// Appends the state as it is now, between two events, for [`State::thaw`].
    ///
    /// # Errors
    /// What of it cannot be carried.
    pub(super) fn freeze(&self, out: &mut Vec<u8>) -> Result<(), String> {
        // SAFETY: the state is live and has this heap; whoever has it borrowed runs nothing in it.
        unsafe { self.arena.heap().as_ref().freeze(self.raw, out) }
    }

    /// Puts a state back at the place it had, as it was.
    ///
    /// # Errors
    /// Why that cannot be done here.
    pub(super) fn thaw(from: &mut Decoder<'_>) -> Result<Self, String> {
        sandbox::prepare();
        let build = determinism::build().ok_or("the build lacks its determinism header")?;
        let (arena, raw) = Arena::thaw(from, build)?;
        Ok(Self {
            raw,
            arena: ManuallyDrop::new(arena),
        })
    }

    /// Runs a piece of code and returns its first result as a text, or the text of its error.
    pub fn evaluate(&self, name: &CStr, code: &str) -> Result<String, String> {
        // SAFETY: loading is protected, and so is all else that may raise; light C functions need no
        // memory.
        unsafe {
            ffi::lua_settop(self.raw, 0);
            ffi::lua_pushcfunction(self.raw, text_of_error);
            ffi::lua_pushcfunction(self.raw, call_for_text);
            let (text, length) = (code.as_ptr().cast(), code.len());
            let mode = c"t".as_ptr();
            let mut status = ffi::luaL_loadbufferx(self.raw, text, length, name.as_ptr(), mode);
            if status == ffi::LUA_OK {
                status = ffi::lua_pcall(self.raw, 1, 1, 1);
            }
            let text = pop_text(self.raw);
            ffi::lua_settop(self.raw, 0);
            if status == ffi::LUA_OK {
                Ok(text)
            } else {
                Err(text)
            }
        }
    }

    pub fn raw(&self) -> *mut lua_State {
        self.raw
    }

    pub fn budget(&self) -> Budget<'_> {
        Budget::of(self)
    }

    /// Bytes of Lua objects now, exactly what Lua counts.
    pub fn memory_used(&self) -> usize {
        self.with_heap(|heap| heap.used())
    }

    /// The most bytes of Lua objects there ever were.
    pub fn memory_peak(&self) -> usize {
        self.with_heap(|heap| heap.peak())
    }

    /// Bytes that it takes of the machine, the holes between objects among them.
    pub fn memory_held(&self) -> usize {
        self.with_heap(|heap| heap.held())
    }

    /// Gives back what was used beyond its last object. Cheap when there is nothing to give; as for [`State::trim`],
    /// the state cannot tell.
    pub fn give_back(&self) {
        self.with_heap(Heap::give_back);
    }

    /// Gives unused pages back to the system. The state cannot tell, so it may be done at any time.
    pub fn trim(&self) {
        self.with_heap(Heap::trim);
    }

    /// Test hook: the `n`-th allocation from now fails (0: none).
    pub fn fail_at(&self, n: u64) {
        self.with_heap(|heap| heap.fail_at(n));
    }

    /// How many allocations were refused so far.
    pub fn allocation_failures(&self) -> u64 {
        self.with_heap(|heap| heap.failures())
    }

    /// Sets what `host_of` finds during calls into this state.
    pub fn set_host(&self, host: *mut c_void) {
        self.with_heap(|heap| heap.local.host = host);
    }

    /// Borrows the heap for a statement that does not call Lua.
    pub(crate) fn with_heap<R>(&self, action: impl FnOnce(&mut Heap) -> R) -> R {
        // SAFETY: the heap lives as long as `self`; Lua touches it only inside Lua calls, and `action`
        // makes none.
        action(unsafe { &mut *self.arena.heap().as_ptr() })
    }
}

/// What `State::set_host` set for the state; null if nothing, or if the state is not of this crate.
///
/// # Safety
/// `state` is a live Lua state.
pub unsafe fn host_of(state: *mut lua_State) -> *mut c_void {
    // SAFETY: passed on.
    unsafe { local_of(state).map_or(ptr::null_mut(), |local| (*local.as_ptr()).host) }
}

/// The data kept with a state of this crate.
///
/// # Safety
/// `state` is a live Lua state.
pub unsafe fn local_of(state: *mut lua_State) -> Option<NonNull<Local>> {
    // SAFETY: passed on; the heap is live with its state.
    unsafe {
        let heap = crate::lua::determinism::heap_of(state)?;
        NonNull::new(&raw mut (*heap.as_ptr()).local)
    }
}

impl Local {
    fn begin(&mut self, seed: u64) {
        use crate::lua::determinism::next_random;
        let mut stream = seed ^ 0x6c75_6e65_7474_6521;
        self.seed = seed;
        self.pivots = next_random(&mut stream);
        self.random = std::array::from_fn(|_| next_random(&mut stream));
    }
}

fn check_build(build: Option<&'static Build>) -> Result<(), StateError> {
    let error = match build {
        None => DeterminismError::NoHeader("a new state did not ask for its seed"),
        Some(build) if build.revision() != REVISION => DeterminismError::Stale {
            found: build.revision(),
        },
        Some(_) => return Ok(()),
    };
    Err(StateError::Build(error))
}

/// Closes a state that did not get ready.
struct Unfinished(*mut lua_State);

impl Drop for Unfinished {
    fn drop(&mut self) {
        // SAFETY: the state is live and nothing uses it; its arena goes after this.
        unsafe { ffi::lua_close(self.0) };
    }
}

impl Drop for State {
    fn drop(&mut self) {
        self.with_heap(|heap| {
            heap.close();
            if let Some(build) = heap.local.build {
                build.deselect(&raw mut heap.meter);
            }
        });
        // SAFETY: each is dropped once, the state before its memory.
        unsafe {
            ffi::lua_close(self.raw);
            ManuallyDrop::drop(&mut self.arena);
        }
    }
}

/// A message handler: any error becomes a text.
unsafe extern "C-unwind" fn text_of_error(state: *mut lua_State) -> c_int {
    // SAFETY: called by Lua with the error.
    unsafe {
        ffi::luaL_tolstring(state, 1, ptr::null_mut());
        1
    }
}

/// Calls the function at index 1 and makes its first result a text.
unsafe extern "C-unwind" fn call_for_text(state: *mut lua_State) -> c_int {
    // SAFETY: called by Lua with a function.
    unsafe {
        ffi::lua_call(state, 0, 1);
        ffi::luaL_tolstring(state, -1, ptr::null_mut());
        1
    }
}

/// The text on top of the stack, popped.
///
/// # Safety
/// `state` is live and has a value on its stack.
pub(crate) unsafe fn pop_text(state: *mut lua_State) -> String {
    // SAFETY: the string is copied before it is popped.
    unsafe {
        let text = ffi::lua_tostring(state, -1);
        let text = if text.is_null() {
            c"(no message)"
        } else {
            CStr::from_ptr(text)
        };
        let text = text.to_string_lossy().into_owned();
        ffi::lua_pop(state, 1);
        text
    }
}

#[cfg(test)]
mod tests;
