//! The allocator of one Lua state: everything it has, its own bookkeeping too, lies in one window.
//!
//! The same calls in the same order give the same offsets in any process. Lua tells the size of what
//! it frees, so blocks carry no header: sizes round up to granules of 16 bytes, and all links are
//! granule numbers from the window's base. Small blocks (up to 512 bytes) go to exact lists when
//! freed; larger ones join their free neighbours at once and lie in two-level bins (as in TLSF). Which
//! neighbour is free is known from a bitmap with a bit for the first and the last granule of each free
//! block. What is beyond `top` was never used, or is joined to it again.
//!
//! ```text
//! base  [Heap: this struct][bitmap, a bit per granule][blocks ... top | untouched ... end of mapping]
//! ```

mod blocks;
mod image;
#[cfg(test)]
mod tests;

use crate::lua::arena::{ArenaError, Place, Window, page_size};
use crate::lua::state::Local;
use std::os::raw::c_void;
use std::ptr::{self, NonNull};

/// A granule: the size and alignment everything is rounded to.
const GRANULE_BITS: u32 = 4;
const GRANULE: usize = 1 << GRANULE_BITS;
/// Blocks up to this many granules (512 bytes) are kept in exact lists.
const SMALL_MAX: u32 = 32;
/// First-level bins: enough for the largest class.
const LEVELS: usize = 24;
/// Second-level bins in each.
const STEPS: usize = 8;
/// What a new window maps for blocks beside its bookkeeping.
const INITIAL_BYTES: usize = 128 << 10;
/// A tail of unused pages this large (256 KiB) is given back at once.
const TAIL_GRANULES: u32 = (256 << 10) >> GRANULE_BITS;
/// Free blocks of this size (32 KiB) are holes that may be given back.
const HOLE: u32 = (32 << 10) >> GRANULE_BITS;
/// What stays mapped behind `top` then (64 KiB), so that a heap that breathes does not fault.
const SLACK: usize = 64 << 10;
/// Bytes allocated per unit of gas: a plain instruction costs about 5 ns, and allocating, filling and
/// collecting 16 bytes about as much.
pub const BYTES_PER_GAS: usize = 16;
/// What a block costs whatever its size: making it, marking it and taking it back.
const GAS_PER_BLOCK: i64 = 6;
/// An allocation that fails makes Lua collect everything: it is charged the heap's bytes over this.
const BYTES_PER_GAS_COLLECTING: usize = 8;
/// How far below zero the gas may fall before allocations fail: the last stop for C loops.
const OVERDRAFT: i64 = 2_000_000;

/// What may be allocated beyond the limit once the gas is spent.
const RESERVE: usize = 4096;

/// What calls may take beyond the limit, or no action could run that sets something free: small blocks
/// that are no objects, such as the records of calls, and the stack, from its least size to what
/// the kernel needs.
const CALL_RESERVE: usize = 8192;
const CALL_BYTES: usize = 128;
const STACK_BYTES: std::ops::RangeInclusive<usize> = 720..=4096;

/// The part that the C side knows too (`struct lunette_meter`): what is left of the budget.
#[repr(C)]
pub struct Meter {
    pub left: i64,
    pub step_cost: i64,
    pub weak_keys: i64,
}

/// The heap, at the base of its own window.
#[repr(C)]
pub struct Heap {
    pub meter: Meter,
    /// What the rest of `lua` keeps with the state.
    pub local: Local,
    window: Window,
    /// Offset of the bitmap.
    bitmap: u32,
    /// The first granule for blocks; the first one of untouched space; the end of the mapping.
    start: u32,
    top: u32,
    end: u32,
    /// The highest `top` since pages were given back.
    high: u32,
    /// Granules of free blocks that are large enough to be given back from between others.
    holes: u32,
    small_granules: u32,
    level_bits: u32,
    used: usize,
    peak: usize,
    limit: usize,
    fail_at: u64,
    failures: u64,
    closing: bool,
    step_bits: [u8; LEVELS],
    small: [u32; SMALL_MAX as usize + 1],
    bins: [[u32; STEPS]; LEVELS],
}

/// Owns a heap and with it the window.
pub struct Arena(NonNull<Heap>);

impl Arena {
    /// An empty heap in a window of `class` bytes.
    pub fn new(class: usize) -> Result<Self, ArenaError> {
        let bitmap = size_of::<Heap>().next_multiple_of(GRANULE);
        let start = (bitmap + class / GRANULE / 8).next_multiple_of(page_size());
        let window = Window::take(class, start + INITIAL_BYTES)?;
        let base = window.base();
        let end = (window.mapped() >> GRANULE_BITS) as u32;
        let heap = Heap {
            meter: Meter {
                left: i64::MAX,
                step_cost: 1,
                weak_keys: i64::MAX,
            },
            local: Local::default(),
            window,
            bitmap: bitmap as u32,
            start: (start >> GRANULE_BITS) as u32,
            top: (start >> GRANULE_BITS) as u32,
            end,
            high: (start >> GRANULE_BITS) as u32,
            holes: 0,
            small_granules: 0,
            level_bits: 0,
            used: 0,
            peak: 0,
            limit: class,
            fail_at: 0,
            failures: 0,
            closing: false,
            step_bits: [0; LEVELS],
            small: [0; SMALL_MAX as usize + 1],
            bins: [[0; STEPS]; LEVELS],
        };
        let place = base.cast::<Heap>();
        // SAFETY: the window maps more than the struct's size at an aligned base, and nothing is there.
        unsafe { place.write(heap) };
        Ok(Self(place))
    }

    pub fn heap(&self) -> NonNull<Heap> {
        self.0
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        // SAFETY: the heap was written in `new`; the window is moved out before it unmaps the heap.
        let window = unsafe { ptr::read(&raw const (*self.0.as_ptr()).window) };
        drop(window);
    }
}

/// Lua's allocation function; `ud` is the heap.
///
/// # Safety
/// As `lua_Alloc` says: `ud` is a live `Heap`, `block` null or one of its blocks of `old` bytes.
pub unsafe extern "C" fn lua_alloc(
    ud: *mut c_void,
    block: *mut c_void,
    old: usize,
    new: usize,
) -> *mut c_void {
    // SAFETY: the state was made with a `Heap` as `ud`, and only the state's thread gets here.
    let heap = unsafe { &mut *ud.cast::<Heap>() };
    // SAFETY: passed on from the caller.
    unsafe {
        if new == 0 {
            heap.release(block.cast(), old);
            ptr::null_mut()
        } else if block.is_null() {
            heap.allocate(new, old).cast()
        } else {
            heap.resize(block.cast(), old, new).cast()
        }
    }
}

/// What was in memory before makes no difference to Lua, but to its bytes: blank, equal states have equal
/// bytes, which tests of images compare.
///
/// # Safety
/// The bytes are part of a block that is given out now.
#[inline]
unsafe fn blank_in_tests(block: *mut u8, bytes: usize) {
    if cfg!(test) {
        // SAFETY: as promised by the caller.
        unsafe { block.write_bytes(0, bytes) };
    }
}

fn granules(bytes: usize) -> u32 {
    // A size that no class has room for stays one.
    u32::try_from(bytes.div_ceil(GRANULE)).unwrap_or(u32::MAX)
}

impl Heap {
    pub fn used(&self) -> usize {
        self.used
    }

    pub fn peak(&self) -> usize {
        self.peak
    }

    pub fn class(&self) -> usize {
        self.window.class()
    }

    pub fn place(&self) -> Place {
        self.window.place()
    }

    /// Bytes that it takes of the machine: its bookkeeping, all blocks and what is free between them; without large
    /// holes and what was used beyond the last block once, which may lie there until [`Heap::give_back`].
    pub fn held(&self) -> usize {
        let reached = self.top - self.start;
        let blocks = (reached.saturating_sub(self.holes) as usize) << GRANULE_BITS;
        size_of::<Heap>() + blocks + blocks / GRANULE / 8
    }

    /// How many allocations have failed since the heap was made.
    pub fn failures(&self) -> u64 {
        self.failures
    }

    pub fn limit(&self) -> usize {
        self.limit
    }

    /// No more than `bytes` in use from now on.
    pub fn set_limit(&mut self, bytes: usize) {
        self.limit = bytes.min(self.class());
    }

    /// The `n`-th allocation from now fails, and so does the next one, which is Lua trying again after
    /// a collection; 0: none does.
    pub fn fail_at(&mut self, n: u64) {
        self.fail_at = if n == 0 { 0 } else { n + 1 };
    }

    /// From now on frees do nothing: the window is about to go as a whole.
    pub fn close(&mut self) {
        self.closing = true;
    }

    /// Gives unused pages back to the system. Nothing that the state can notice changes, so this may
    /// be called at any time without an effect on determinism.
    pub fn trim(&mut self) {
        self.give_back_from(0);
    }

    /// The same for what is worth it in a state that goes on: cheap when there is nothing of that.
    pub fn give_back(&mut self) {
        if self.holes > 0 {
            self.give_back_from(blocks::level_of(HOLE));
        } else {
            self.give_back_tail(0);
        }
    }

    fn give_back_from(&mut self, level: usize) {
        self.give_back_tail(0);
        for level in level..LEVELS {
            for step in 0..STEPS {
                let mut block = self.bins[level][step];
                while block != 0 {
                    // SAFETY: bins hold free blocks of this heap; links and sizes are theirs.
                    let (next, size) =
                        unsafe { ((*self.free_at(block)).next, (*self.free_at(block)).size) };
                    let from = ((block as usize) << GRANULE_BITS) + GRANULE;
                    let to = ((block + size - 1) as usize) << GRANULE_BITS;
                    if to.saturating_sub(from) >= page_size() {
                        // SAFETY: between a free block's first and last granule nothing is kept.
                        unsafe { self.window.give_back(from, to) };
                    }
                    block = next;
                }
            }
        }
    }

    fn give_back_tail(&mut self, slack: usize) {
        let from = ((self.top as usize) << GRANULE_BITS) + slack;
        let to = (self.high as usize) << GRANULE_BITS;
        if from < to {
            // SAFETY: nothing beyond `top` is in use.
            unsafe { self.window.give_back(from, to) };
            self.high = (from >> GRANULE_BITS) as u32;
        }
    }

    // Blocks, as Lua sees them.

    fn allowed(&mut self, more: usize, is_call: bool) -> bool {
        if self.fail_at > 0 {
            self.fail_at -= 1;
            if self.fail_at <= 1 {
                self.failures += 1;
                crate::lua::state::note_failure();
                return false;
            }
        }
        // The error that says the gas is spent must be possible in a full heap.
        let mut reserve = if self.local.tripped { RESERVE } else { 0 };
        if is_call {
            reserve = CALL_RESERVE;
        }
        let fits = more <= (self.limit + reserve).saturating_sub(self.used);
        if fits && self.meter.left >= -OVERDRAFT {
            self.meter.left -= (more / BYTES_PER_GAS) as i64;
            return true;
        }
        self.refuse();
        false
    }

    fn refuse(&mut self) {
        self.failures += 1;
        self.meter.left -= (self.used / BYTES_PER_GAS_COLLECTING) as i64;
    }

    fn count(&mut self, more: usize) {
        self.used += more;
        self.peak = self.peak.max(self.used);
    }

    #[inline]
    fn allocate(&mut self, bytes: usize, kind: usize) -> *mut u8 {
        // Lua says what kind of object a new block is for; 0 is none.
        if !self.allowed(bytes, kind == 0 && bytes <= CALL_BYTES) {
            return ptr::null_mut();
        }
        let block = self.take(granules(bytes));
        if block == 0 {
            self.refuse();
            return ptr::null_mut();
        }
        self.meter.left -= GAS_PER_BLOCK;
        self.count(bytes);
        let block = self.address(block);
        // SAFETY: a block of at least so many bytes, which nobody has yet.
        unsafe { blank_in_tests(block, bytes) };
        block
    }

    /// # Safety
    /// `block` is null or a block of this heap of `bytes` bytes.
    #[inline]
    unsafe fn release(&mut self, block: *mut u8, bytes: usize) {
        if self.closing || block.is_null() || bytes == 0 {
            return;
        }
        self.used -= bytes;
        let (at, size) = (self.granule(block), granules(bytes));
        if size <= SMALL_MAX {
            // SAFETY: the block is the caller's no more, and a granule has room for the link.
            unsafe { self.put_small(at, size) };
        } else {
            // SAFETY: as above.
            unsafe { self.put(at, size) };
        }
    }

    /// # Safety
    /// `block` is a block of this heap of `old` bytes; `new` is not 0.
    unsafe fn resize(&mut self, block: *mut u8, old: usize, new: usize) -> *mut u8 {
        let (at, had, wants) = (self.granule(block), granules(old), granules(new));
        if new <= old {
            if wants < had {
                // SAFETY: the tail was part of the block and is not any more.
                unsafe { self.put(at + wants, had - wants) };
            }
            self.used -= old - new;
            return block;
        }
        let is_stack = STACK_BYTES.contains(&old) && STACK_BYTES.contains(&new);
        if !self.allowed(new - old, is_stack) {
            return ptr::null_mut();
        }
        // SAFETY: `at` is a block of `had` granules.
        if wants == had || unsafe { self.extend(at, had, wants) } {
            self.count(new - old);
            // SAFETY: the part by which the block has grown.
            unsafe { blank_in_tests(block.add(old), new - old) };
            return block;
        }
        let fresh = self.take(wants);
        if fresh == 0 {
            self.refuse();
            return ptr::null_mut();
        }
        self.meter.left -= (old / BYTES_PER_GAS) as i64;
        self.count(new);
        let target = self.address(fresh);
        // SAFETY: both are blocks of this heap, at least `old` bytes long, and do not overlap.
        unsafe {
            ptr::copy_nonoverlapping(block, target, old);
            blank_in_tests(target.add(old), new - old);
            self.release(block, old);
        }
        target
    }
}
