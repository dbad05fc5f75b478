//! The granule level of the heap: taking blocks, putting them back, joining neighbours.
//!
//! Blocks are granule numbers from the window's base; 0 is none.

use super::{GRANULE_BITS, HOLE, Heap, LEVELS, SLACK, SMALL_MAX, STEPS, TAIL_GRANULES};

/// Small free blocks are joined again when they make up this many granules (32 KiB) and an eighth of
/// the heap, and a block is asked for that neither its list nor a bin has; or when they make up three quarters of it.
const JOIN_MIN: u32 = 2048;

/// What a free block in a bin begins with; its last word is its size again.
#[repr(C)]
pub(super) struct Free {
    pub(super) next: u32,
    prev: u32,
    pub(super) size: u32,
}

/// The bin for free blocks of `size` granules.
fn bin_of(size: u32) -> (usize, usize) {
    if size < STEPS as u32 {
        return (0, size as usize);
    }
    let log = size.ilog2();
    (
        (log - 2) as usize,
        ((size >> (log - 3)) as usize) & (STEPS - 1),
    )
}

/// The first-level bin for them.
pub(super) fn level_of(size: u32) -> usize {
    bin_of(size).0
}

impl Heap {
    #[inline]
    pub(super) fn address(&self, granule: u32) -> *mut u8 {
        // SAFETY: granule numbers stay below `end`, so within the mapping.
        unsafe {
            self.window
                .base()
                .as_ptr()
                .add((granule as usize) << GRANULE_BITS)
        }
    }

    #[inline]
    pub(super) fn granule(&self, block: *mut u8) -> u32 {
        ((block as usize & (self.class() - 1)) >> GRANULE_BITS) as u32
    }

    pub(super) fn free_at(&self, granule: u32) -> *mut Free {
        self.address(granule).cast()
    }

    #[inline]
    pub(super) fn take(&mut self, size: u32) -> u32 {
        if size <= SMALL_MAX {
            let block = self.small[size as usize];
            if block != 0 {
                // SAFETY: a block of this list begins with the link to the next.
                self.small[size as usize] = unsafe { self.address(block).cast::<u32>().read() };
                self.small_granules -= size;
                return block;
            }
        }
        self.take_joined(size)
    }

    fn take_joined(&mut self, size: u32) -> u32 {
        let mut block = self.take_binned(size);
        if block == 0 && self.worth_joining() {
            self.join_small();
            block = self.take_binned(size);
        }
        if block == 0 {
            self.take_top(size)
        } else {
            block
        }
    }

    fn worth_joining(&self) -> bool {
        self.small_granules >= JOIN_MIN && self.small_granules >= (self.top - self.start) / 8
    }

    fn take_top(&mut self, size: u32) -> u32 {
        if size > self.end - self.top && !self.grow(size) {
            if self.small_granules == 0 {
                return 0;
            }
            self.join_small();
            let block = self.take_binned(size);
            if block != 0 || (size > self.end - self.top && !self.grow(size)) {
                return block;
            }
        }
        let block = self.top;
        self.top += size;
        self.high = self.high.max(self.top);
        block
    }

    fn grow(&mut self, size: u32) -> bool {
        let needed = (self.top as usize + size as usize) << GRANULE_BITS;
        let grown = self.window.grow(needed);
        self.end = (self.window.mapped() >> GRANULE_BITS) as u32;
        grown
    }

    fn take_binned(&mut self, size: u32) -> u32 {
        if self.level_bits == 0 || size >= 1 << (LEVELS + 2) {
            return 0;
        }
        // The first block of the exact bin may fit; any block of a later bin does.
        let (mut level, mut step) = bin_of(size);
        let first = self.bins[level][step];
        // SAFETY: bins hold free blocks.
        if first == 0 || unsafe { (*self.free_at(first)).size } < size {
            let later = u32::from(self.step_bits[level]) & (0xffff_fffe << step);
            if later != 0 {
                step = later.trailing_zeros() as usize;
            } else {
                let above = self.level_bits & (0xffff_fffe << level);
                if above == 0 {
                    return 0;
                }
                level = above.trailing_zeros() as usize;
                step = self.step_bits[level].trailing_zeros() as usize;
            }
        }
        let block = self.bins[level][step];
        // SAFETY: as above; the remainder is part of the block and free.
        unsafe {
            let had = (*self.free_at(block)).size;
            self.unlink(block, had);
            if had > size {
                self.link(block + size, had - size);
            }
        }
        block
    }

    /// Grows a block in place into the free space behind it.
    ///
    /// # Safety
    /// `at` is a block of `had` granules.
    pub(super) unsafe fn extend(&mut self, at: u32, had: u32, wants: u32) -> bool {
        let (next, more) = (at + had, wants - had);
        if next == self.top {
            if more > self.end - self.top && !self.grow(more) {
                return false;
            }
            self.top += more;
            self.high = self.high.max(self.top);
            return true;
        }
        if !self.is_edge(next) {
            return false;
        }
        // SAFETY: the bit says a free block begins there.
        unsafe {
            let size = (*self.free_at(next)).size;
            if size < more {
                return false;
            }
            self.unlink(next, size);
            if size > more {
                self.link(next + more, size - more);
            }
        }
        true
    }

    /// # Safety
    /// The granules are no one's any more.
    pub(super) unsafe fn put_small(&mut self, at: u32, size: u32) {
        // SAFETY: as the caller says; a granule has room for the link.
        unsafe {
            self.address(at)
                .cast::<u32>()
                .write(self.small[size as usize])
        };
        self.small[size as usize] = at;
        self.small_granules += size;
        if self.is_deserted() {
            self.join_small();
        }
    }

    /// What was large once is nearly empty: joined, most of it goes back to the system.
    fn is_deserted(&self) -> bool {
        self.small_granules >= JOIN_MIN && self.small_granules > (self.top - self.start) / 4 * 3
    }

    /// Puts granules back, joined with the free blocks on both sides and with the untouched rest.
    ///
    /// # Safety
    /// The granules are no one's any more.
    pub(super) unsafe fn put(&mut self, mut at: u32, mut size: u32) {
        // SAFETY: a set bit means a free block's edge, and its words tell where it begins and ends.
        unsafe {
            if self.is_edge(at - 1) {
                let before = self.address(at).cast::<u32>().sub(1).read();
                self.unlink(at - before, before);
                at -= before;
                size += before;
            }
            let next = at + size;
            if next == self.top {
                self.top = at;
                if self.high - at >= TAIL_GRANULES {
                    self.give_back_tail(SLACK);
                }
                return;
            }
            if self.is_edge(next) {
                let after = (*self.free_at(next)).size;
                self.unlink(next, after);
                size += after;
            }
            self.link(at, size);
        }
    }

    /// Moves every small free block to the bins, joined.
    fn join_small(&mut self) {
        for size in 1..=SMALL_MAX {
            let mut block = std::mem::take(&mut self.small[size as usize]);
            while block != 0 {
                // SAFETY: a block of this list begins with the link to the next.
                let next = unsafe { self.address(block).cast::<u32>().read() };
                // SAFETY: the block was taken off its list.
                unsafe { self.put(block, size) };
                block = next;
            }
        }
        self.small_granules = 0;
    }

    // Free blocks in bins.

    /// # Safety
    /// The granules are free and in no list.
    unsafe fn link(&mut self, at: u32, size: u32) {
        let (level, step) = bin_of(size);
        let next = self.bins[level][step];
        // SAFETY: a free block has room for these words, the last of them at its end.
        unsafe {
            self.free_at(at).write(Free {
                next,
                prev: 0,
                size,
            });
            self.address(at + size).cast::<u32>().sub(1).write(size);
            if next != 0 {
                (*self.free_at(next)).prev = at;
            }
        }
        if size >= HOLE {
            self.holes += size;
        }
        self.bins[level][step] = at;
        self.step_bits[level] |= 1 << step;
        self.level_bits |= 1 << level;
        self.set_edge(at, true);
        self.set_edge(at + size - 1, true);
    }

    /// # Safety
    /// `at` is a free block of `size` granules in its bin.
    unsafe fn unlink(&mut self, at: u32, size: u32) {
        let (level, step) = bin_of(size);
        if size >= HOLE {
            self.holes = self.holes.saturating_sub(size);
        }
        // SAFETY: links in bins lead to free blocks.
        unsafe {
            let Free { next, prev, .. } = self.free_at(at).read();
            if next != 0 {
                (*self.free_at(next)).prev = prev;
            }
            if prev != 0 {
                (*self.free_at(prev)).next = next;
            } else {
                self.bins[level][step] = next;
                if next == 0 {
                    self.step_bits[level] &= !(1 << step);
                    if self.step_bits[level] == 0 {
                        self.level_bits &= !(1 << level);
                    }
                }
            }
        }
        self.set_edge(at, false);
        self.set_edge(at + size - 1, false);
    }

    fn edge(&self, granule: u32) -> (*mut u8, u8) {
        let index = (granule - self.start) as usize;
        // SAFETY: the bitmap has a bit for each granule of the class.
        let byte = unsafe {
            self.window
                .base()
                .as_ptr()
                .add(self.bitmap as usize + index / 8)
        };
        (byte, 1 << (index % 8))
    }

    fn is_edge(&self, granule: u32) -> bool {
        if granule < self.start {
            return false;
        }
        let (byte, bit) = self.edge(granule);
        // SAFETY: as in `edge`.
        unsafe { *byte & bit != 0 }
    }

    fn set_edge(&mut self, granule: u32, free: bool) {
        let (byte, bit) = self.edge(granule);
        // SAFETY: as in `edge`.
        unsafe { if free { *byte |= bit } else { *byte &= !bit } }
    }
}
