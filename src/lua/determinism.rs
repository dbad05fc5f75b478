//! The Rust end of the hooks that `c/lunette_lua.h` puts into Lua's C code, and the check that the
//! build has them.
//!
//! C asks here for a state's seed, for the pivots of `table.sort`, and for numbers of the pointers
//! that are no arena offsets: C functions are known by their names (a hash of `string.format`, say),
//! so that `tostring(print)` and tables keyed by functions agree across processes and builds.

use crate::lua::alloc::{Heap, Meter, lua_alloc};
use crate::lua::arena;
use crate::lua::state::{State, StateError, StateLimits};
use mlua::ffi::{self, lua_CFunction, lua_State};
use std::collections::BTreeMap;
use std::os::raw::{c_char, c_int, c_uint, c_void};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::sync::{PoisonError, RwLock};

/// The header's revision that this code goes with. `.cargo/config.toml` names it too.
pub const REVISION: u32 = 13;

/// Why this build may not record, replay or serve.
#[derive(Debug, thiserror::Error)]
pub enum DeterminismError {
    #[error(
        "Lua was built without its determinism header: {0}. Build inside the source directory, so \
         that cargo reads .cargo/config.toml (and set no CFLAGS_<target>), after `cargo clean -p mlua-sys`"
    )]
    NoHeader(&'static str),
    #[error(
        "Lua was built with revision {found} of its determinism header, this program needs {REVISION}: \
         run `cargo clean -p mlua-sys` and build again"
    )]
    Stale { found: u32 },
    #[error("the self-check could not make a Lua state: {0}")]
    State(Box<StateError>),
}

/// `struct lunette_build` of the header.
#[repr(C)]
pub struct Build {
    revision: u32,
    meter: unsafe extern "C" fn() -> *mut *mut Meter,
    allow_hooks: unsafe extern "C" fn(*mut lua_State),
    instances: unsafe extern "C-unwind" fn(*mut lua_State),
    idle: *mut Meter,
    walk: unsafe extern "C-unwind" fn(*mut lua_State, *mut Walk),
    hidden: unsafe extern "C-unwind" fn(*const lua_State, *const c_void, *mut *const c_void),
    countdown: unsafe extern "C" fn(*const lua_State) -> c_int,
}

/// `struct lunette_walk` of `c/lunette_image.h`.
#[repr(C)]
pub struct Walk {
    pub copy: *mut u8,
    pub base: usize,
    pub size: usize,
    pub counted: usize,
    pub problem: *const c_char,
    pub box_gc: Option<lua_CFunction>,
    pub rust: *mut c_void,
    pub foreign: unsafe extern "C" fn(*mut c_void, usize, *const c_void) -> c_int,
}

impl Build {
    pub fn revision(&self) -> u32 {
        self.revision
    }

    /// Makes `meter` the one that C code on this thread charges.
    #[inline]
    pub fn select(&self, meter: *mut Meter) {
        // SAFETY: the header's function returns the address of this thread's variable.
        unsafe { *(self.meter)() = meter };
    }

    /// Makes C code on this thread charge `meter` no longer.
    pub fn deselect(&self, meter: *mut Meter) {
        // SAFETY: as above.
        unsafe {
            let slot = (self.meter)();
            if *slot == meter {
                *slot = self.idle;
            }
        }
    }

    /// Lets hooks run although one is running now.
    ///
    /// # Safety
    /// `state` is a live Lua state.
    pub unsafe fn allow_hooks(&self, state: *mut lua_State) {
        // SAFETY: sets a byte of the state.
        unsafe { (self.allow_hooks)(state) };
    }

    /// Instructions until the count hook runs next.
    ///
    /// # Safety
    /// `state` is a live Lua state.
    pub unsafe fn countdown(&self, state: *const lua_State) -> c_int {
        // SAFETY: reads a field of the state.
        unsafe { (self.countdown)(state) }
    }

    /// Puts in place of the table at the top of the stack an array of the tables that have it as
    /// their metatable, in the order in which they were made.
    ///
    /// # Safety
    /// Inside a protected call, after a full collection and with the collector stopped.
    pub unsafe fn instances(&self, state: *mut lua_State) {
        // SAFETY: as promised by the caller.
        unsafe { (self.instances)(state) };
    }

    /// Goes through all that a state has allocated; see `c/lunette_image.h`.
    ///
    /// # Safety
    /// `state` is the main thread of a live state in which nothing runs, and what `walk` holds is for it.
    pub unsafe fn walk(&self, state: *mut lua_State, walk: &mut Walk) {
        // SAFETY: as promised by the caller; the C side raises nothing.
        unsafe { (self.walk)(state, walk) };
    }

    /// The node that empty tables share, and what goes on with a `pairs` whose metamethod has yielded.
    ///
    /// # Safety
    /// `table` is an empty table of a live state; the thread has yielded in a `__pairs` that is
    /// `coroutine.yield`.
    pub unsafe fn hidden(&self, yielded: *const lua_State, table: *const c_void) -> [usize; 2] {
        let mut found = [std::ptr::null(); 2];
        // SAFETY: as promised by the caller; two words are written.
        unsafe { (self.hidden)(yielded, table, found.as_mut_ptr()) };
        found.map(|pointer| pointer as usize)
    }
}

impl From<StateError> for DeterminismError {
    fn from(error: StateError) -> Self {
        match error {
            StateError::Build(error) => error,
            other => Self::State(Box::new(other)),
        }
    }
}

/// The heap of a state that was made by this crate.
///
/// # Safety
/// `state` is a live Lua state, or is being made.
pub unsafe fn heap_of(state: *mut lua_State) -> Option<NonNull<Heap>> {
    let mut ud: *mut c_void = std::ptr::null_mut();
    // SAFETY: reads two fields of the state.
    let alloc = unsafe { ffi::lua_getallocf(state, &raw mut ud) };
    std::ptr::fn_addr_eq(alloc, lua_alloc as ffi::lua_Alloc).then(|| NonNull::new(ud.cast()))?
}

/// The next of a stream of numbers that begins with a state's seed (splitmix64).
pub fn next_random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

static BUILD: AtomicPtr<Build> = AtomicPtr::new(std::ptr::null_mut());

/// The C side's functions: known once this process has made any state.
pub fn build() -> Option<&'static Build> {
    // SAFETY: null, or the address of a constant of the C side.
    unsafe { BUILD.load(Ordering::Relaxed).as_ref() }
}

/// Lua asks for the seed of the string hashes of a state that is being made.
///
/// # Safety
/// Called by Lua's C code only.
#[unsafe(no_mangle)]
unsafe extern "C" fn lunette_seed(state: *mut lua_State, build: *const Build) -> c_uint {
    BUILD.store(build.cast_mut(), Ordering::Relaxed);
    // SAFETY: `state` has its allocator; `build` is a constant of the C side.
    unsafe {
        match heap_of(state) {
            None => 0x6c75_6e65,
            Some(mut heap) => {
                let local = &mut heap.as_mut().local;
                local.build = build.as_ref();
                next_random(&mut local.seed.clone()) as c_uint
            }
        }
    }
}

/// `table.sort` asks for another pivot: its partitions are too uneven.
///
/// # Safety
/// Called by Lua's C code only.
#[unsafe(no_mangle)]
unsafe extern "C" fn lunette_pivot(state: *mut lua_State) -> c_uint {
    // SAFETY: `state` is live.
    unsafe {
        heap_of(state).map_or(0, |mut heap| {
            next_random(&mut heap.as_mut().local.pivots) as c_uint
        })
    }
}

/// A number for a pointer that is in no arena: a C function's, or its distance from this function.
#[unsafe(no_mangle)]
extern "C" fn lunette_foreign(pointer: *const c_void) -> c_uint {
    let address = pointer as usize;
    if let Some(offset) = arena::offset(address) {
        return offset;
    }
    match names().numbers.get(&address) {
        Some(number) => *number,
        None => address.wrapping_sub(lunette_foreign as *const () as usize) as c_uint,
    }
}

/// What of the program states point to, and the numbers it goes by.
struct Names {
    numbers: BTreeMap<usize, u32>,
    addresses: BTreeMap<u32, usize>,
}

static NAMES: RwLock<Names> = RwLock::new(Names {
    numbers: BTreeMap::new(),
    addresses: BTreeMap::new(),
});

fn names() -> std::sync::RwLockReadGuard<'static, Names> {
    NAMES.read().unwrap_or_else(PoisonError::into_inner)
}

/// Gives a C function the number that `tostring` shows and tables hash, made of its name alone.
/// Every function pushed as a light C function must have one before the first state runs, and every
/// other one that a state keeps between two events. The first name of a function counts.
pub fn name_function(name: &str, function: lua_CFunction) {
    name_address(name, function as usize);
}

/// The same for anything else of the program that states point to.
pub fn name_address(name: &str, address: usize) {
    let mut hash = 0x811c_9dc5_u32;
    for byte in name.bytes() {
        hash = (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    }
    // The top bit: no arena offset looks like that.
    let number = hash | 0x8000_0000;
    let mut names = NAMES.write().unwrap_or_else(PoisonError::into_inner);
    let number = *names.numbers.entry(address).or_insert(number);
    names.addresses.entry(number).or_insert(address);
}

/// The number of something that has a name, if no other thing has the same.
pub fn number_of(address: usize) -> Option<u32> {
    let names = names();
    let number = *names.numbers.get(&address)?;
    (names.addresses.get(&number) == Some(&address)).then_some(number)
}

/// Where in this process what has this number is.
pub fn address_of(number: u32) -> Option<usize> {
    names().addresses.get(&number).copied()
}

/// Tests that the C code asks this module: takes about as long as making a state, and names what to
/// do when it does not. To be called before serving, recording or replaying.
pub fn self_check() -> Result<(), DeterminismError> {
    let limits = StateLimits::default();
    let (one, two) = (State::new(1, limits)?, State::new(1, limits)?);
    let probe = "local t = {} return tostring(t)..tostring(print or next)..tostring(3.0)";
    let (one, two) = (probe_text(&one, probe)?, probe_text(&two, probe)?);
    if one != two {
        return Err(DeterminismError::NoHeader(
            "addresses differ between two states",
        ));
    }
    if !one.ends_with('3') {
        return Err(DeterminismError::NoHeader(
            "numbers are not written as they should be",
        ));
    }
    Ok(())
}

fn probe_text(state: &State, script: &str) -> Result<String, DeterminismError> {
    let result = state.evaluate(c"=probe", script);
    result.map_err(|_| DeterminismError::NoHeader("the probe script failed"))
}
