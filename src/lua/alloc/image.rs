//! A heap written down, and put back at the same place: in this process or in another one of the same
//! build, where every address within the window is what it was.
//!
//! Only what is in use is written. Words that point out of the window are re-aimed by the names of what
//! they point to (`c/lunette_image.h` finds them); bytes that mean nothing are zero, and zeros are left
//! out. The walk must come by every byte that the heap has given out, or there is no image.
//!
//! ```text
//! heap   = class_bits index mapped page_size thread fields aims memory
//! thread = where the main thread is, from the base
//! fields = of the struct Heap, in their order
//! aims   = count then for each: number count (how many words on it is)*
//! memory = (granules of zeros, granules that follow, their bytes)*, 0 0
//! ```

use super::{Arena, GRANULE, GRANULE_BITS, Heap, Meter, SMALL_MAX};
use crate::core::carry::{Carry, carry};
use crate::core::code::Decoder;
use crate::lua::arena::{Place, Window, page_size};
use crate::lua::determinism::{Build, Walk, address_of, number_of};
use crate::lua::sandbox;
use crate::lua::state::Local;
use mlua::ffi::lua_State;
use std::collections::BTreeMap;
use std::ffi::CStr;
use std::ops::Range;
use std::os::raw::{c_int, c_void};
use std::ptr;

/// Bytes of a word that may point somewhere.
const WORD: usize = size_of::<usize>();
/// What a free block in a bin begins with, and its last word.
const FREE_HEAD: usize = 12;
const FREE_TAIL: usize = 4;
/// So many granules of zeros within others are not worth a gap.
const GAP_MIN: usize = 2;

carry!(struct Place { class_bits, index });
carry!(struct Meter { left, step_cost, weak_keys });
carry!(struct Local { seed, pivots, random, gas, tripped, used, libraries }
    made { build: None, host: ptr::null_mut() });

/// Where words point out of the window, in the order of the walk.
#[derive(Default)]
struct Aims {
    /// Each thing pointed to, its number, and the places of words that do.
    targets: Vec<(usize, u32, Vec<usize>)>,
    /// By pointer, where in `targets`.
    known: BTreeMap<usize, usize>,
    /// Most words in a row point to the same thing: the node of empty tables.
    last: usize,
    unknown: Option<usize>,
}

impl Aims {
    fn add(&mut self, at: usize, pointer: usize) {
        if self.targets.get(self.last).is_none_or(|t| t.0 != pointer) {
            let Some(number) = number_of(pointer) else {
                self.unknown = Some(pointer);
                return;
            };
            self.last = *self.known.entry(pointer).or_insert(self.targets.len());
            if self.last == self.targets.len() {
                self.targets.push((pointer, number, Vec::new()));
            }
        }
        self.targets[self.last].2.push(at / WORD);
    }
}

unsafe extern "C" fn aim(aims: *mut c_void, at: usize, pointer: *const c_void) -> c_int {
    // SAFETY: `freeze` passes its aims to the walk, and touches them only after it.
    let aims = unsafe { &mut *aims.cast::<Aims>() };
    aims.add(at, pointer as usize);
    c_int::from(aims.unknown.is_none())
}

impl Heap {
    /// Appends the heap of the state whose main thread is `raw`.
    ///
    /// # Errors
    /// Why it cannot be carried.
    ///
    /// # Safety
    /// The state is live, has this heap, and nothing in it runs.
    pub unsafe fn freeze(&self, raw: *mut lua_State, out: &mut Vec<u8>) -> Result<(), String> {
        if self.closing || self.fail_at > 0 || !self.local.host.is_null() {
            return Err("it is in use".into());
        }
        let build = self.local.build.ok_or("it lacks its determinism header")?;
        let mut copy = self.copy();
        self.blank_free(&mut copy);
        // SAFETY: passed on from the caller.
        let aims = unsafe { self.walk(build, raw, &mut copy)? };
        self.window.place().freeze(out);
        self.window.mapped().freeze(out);
        page_size().freeze(out);
        (raw as usize - self.window.base().as_ptr() as usize).freeze(out);
        self.freeze_fields(out);
        freeze_aims(aims, out);
        freeze_memory(&copy, self.unused(), out);
        Ok(())
    }

    /// All bytes up to `top` but those of this struct, and of the bitmap beyond the blocks there are.
    fn copy(&self) -> Vec<u8> {
        let mut copy = vec![0; (self.top as usize) << GRANULE_BITS];
        let unused = self.unused();
        let base = self.window.base().as_ptr();
        for range in [self.bitmap as usize..unused.start, unused.end..copy.len()] {
            let target = copy[range.clone()].as_mut_ptr();
            // SAFETY: the window maps more than the copy's bytes from its base, and nobody writes
            // meanwhile.
            unsafe { ptr::copy_nonoverlapping(base.add(range.start), target, range.len()) };
        }
        copy
    }

    /// The bitmap beyond the blocks there are, in whole granules: zeros.
    fn unused(&self) -> Range<usize> {
        let used = (self.top - self.start) as usize / 8 + 1;
        let from = (self.bitmap as usize + used).next_multiple_of(GRANULE);
        let to = (self.start as usize) << GRANULE_BITS;
        from.min(to)..to
    }

    /// Nothing but the links of free blocks means anything.
    fn blank_free(&self, copy: &mut [u8]) {
        let word = |copy: &[u8], at: usize| {
            let bytes = copy[at..at + 4].try_into().expect("four bytes");
            u32::from_ne_bytes(bytes) as usize
        };
        for size in 1..=SMALL_MAX as usize {
            let mut block = self.small[size] as usize;
            while block != 0 {
                let at = block << GRANULE_BITS;
                block = word(copy, at);
                copy[at + 4..at + size * GRANULE].fill(0);
            }
        }
        for first in self.bins.iter().flatten() {
            let mut block = *first as usize;
            while block != 0 {
                let at = block << GRANULE_BITS;
                let size = word(copy, at + 8) * GRANULE;
                block = word(copy, at);
                copy[at + FREE_HEAD..at + size - FREE_TAIL].fill(0);
            }
        }
    }

    /// # Safety
    /// As for `freeze`.
    unsafe fn walk(
        &self,
        build: &Build,
        raw: *mut lua_State,
        copy: &mut [u8],
    ) -> Result<Aims, String> {
        let mut aims = Aims::default();
        let mut walk = Walk {
            copy: copy.as_mut_ptr(),
            base: self.window.base().as_ptr() as usize,
            size: copy.len(),
            counted: 0,
            problem: ptr::null(),
            box_gc: Some(sandbox::box_gc()),
            rust: (&raw mut aims).cast(),
            foreign: aim,
        };
        // SAFETY: passed on from the caller; copy and aims live until after the walk.
        unsafe { build.walk(raw, &mut walk) };
        if let Some(unknown) = aims.unknown {
            let distance = unknown.wrapping_sub(aim as *const () as usize) as isize;
            return Err(format!(
                "it refers to something of the program that has no name, {distance} bytes from here"
            ));
        }
        if !walk.problem.is_null() {
            // SAFETY: a constant text of the C side.
            let problem = unsafe { CStr::from_ptr(walk.problem) };
            return Err(problem.to_string_lossy().into_owned());
        }
        if walk.counted != self.used {
            return Err(format!(
                "it has {} bytes of memory of which {} are accounted for",
                self.used, walk.counted
            ));
        }
        Ok(aims)
    }

    fn freeze_fields(&self, out: &mut Vec<u8>) {
        let Heap {
            meter,
            local,
            window: _,
            bitmap,
            start,
            top,
            end,
            // Whether something was given back shows in no image.
            high: _,
            holes,
            small_granules,
            level_bits,
            used,
            peak,
            limit,
            fail_at: _,
            failures,
            closing: _,
            step_bits,
            small,
            bins,
        } = self;
        meter.freeze(out);
        local.freeze(out);
        for field in [bitmap, start, top, end, holes, small_granules, level_bits] {
            field.freeze(out);
        }
        for field in [used, peak, limit] {
            field.freeze(out);
        }
        failures.freeze(out);
        step_bits.freeze(out);
        small.freeze(out);
        bins.freeze(out);
    }
}

/// The fields of a heap; its window is taken by the caller.
fn thaw_fields(from: &mut Decoder<'_>, window: Window) -> Option<Heap> {
    let mut heap = Heap {
        meter: Meter::thaw(from)?,
        local: Local::thaw(from)?,
        window,
        bitmap: u32::thaw(from)?,
        start: u32::thaw(from)?,
        top: u32::thaw(from)?,
        end: u32::thaw(from)?,
        high: 0,
        holes: u32::thaw(from)?,
        small_granules: u32::thaw(from)?,
        level_bits: u32::thaw(from)?,
        used: usize::thaw(from)?,
        peak: usize::thaw(from)?,
        limit: usize::thaw(from)?,
        fail_at: 0,
        failures: u64::thaw(from)?,
        closing: false,
        step_bits: Carry::thaw(from)?,
        small: Carry::thaw(from)?,
        bins: Carry::thaw(from)?,
    };
    heap.high = heap.top;
    Some(heap)
}

fn freeze_aims(aims: Aims, out: &mut Vec<u8>) {
    aims.targets.len().freeze(out);
    for (_, number, mut places) in aims.targets {
        number.freeze(out);
        places.len().freeze(out);
        places.sort_unstable();
        let mut before = 0;
        for place in places {
            (place - before).freeze(out);
            before = place;
        }
    }
}

/// `unused` is zero.
fn freeze_memory(copy: &[u8], unused: Range<usize>, out: &mut Vec<u8>) {
    out.reserve(copy.len() - unused.len());
    let unused = unused.start / GRANULE..unused.end / GRANULE;
    let (granules, _) = copy.as_chunks::<GRANULE>();
    let is_zero = |at: usize| granules[at] == [0; GRANULE];
    let count = granules.len();
    let (mut at, mut written) = (0, 0);
    while at < count {
        if is_zero(at) {
            at = if at == unused.start {
                unused.end
            } else {
                at + 1
            };
            continue;
        }
        let (first, mut end) = (at, at + 1);
        let mut next = end;
        while next < count && next - end < GAP_MIN {
            next += 1;
            if !is_zero(next - 1) {
                end = next;
            }
        }
        (first - written).freeze(out);
        (end - first).freeze(out);
        out.extend_from_slice(granules[first..end].as_flattened());
        (at, written) = (end, end);
    }
    0usize.freeze(out);
    0usize.freeze(out);
}

impl Arena {
    /// Puts back what [`Heap::freeze`] wrote, and returns with it where the main thread is.
    ///
    /// # Errors
    /// Why that cannot be done here; `damaged` when it is not well formed.
    pub fn thaw(
        from: &mut Decoder<'_>,
        build: &'static Build,
    ) -> Result<(Arena, *mut lua_State), String> {
        let damaged = || "the image is damaged".to_owned();
        let place = Place::thaw(from).ok_or_else(damaged)?;
        let mapped = usize::thaw(from).ok_or_else(damaged)?;
        if usize::thaw(from) != Some(page_size()) {
            return Err("the image is of a system with other pages".into());
        }
        let thread = usize::thaw(from).ok_or_else(damaged)?;
        let window = Window::take_at(place, mapped).map_err(|error| error.to_string())?;
        let base = window.base();
        let mut heap = thaw_fields(from, window).ok_or_else(damaged)?;
        heap.local.build = Some(build);
        let size = (heap.top as usize) << GRANULE_BITS;
        let fits = size <= mapped && (heap.end as usize) << GRANULE_BITS == mapped;
        if !fits || thread >= size || (heap.bitmap as usize) < size_of::<Heap>() {
            return Err(damaged());
        }
        let first = heap.bitmap as usize;
        // SAFETY: the window maps more than the struct's size at an aligned base, and nothing is there.
        unsafe { base.cast::<Heap>().write(heap) };
        let arena = Arena(base.cast());
        let aims = *from;
        skip_aims(from).ok_or_else(damaged)?;
        let mut memory = Memory {
            base: base.as_ptr(),
            first,
            size,
        };
        memory.fill(from).ok_or_else(damaged)?;
        memory.take_aim(aims)?;
        // SAFETY: within the window's mapping.
        let raw = unsafe { base.as_ptr().add(thread) };
        Ok((arena, raw.cast()))
    }
}

fn skip_aims(from: &mut Decoder<'_>) -> Option<()> {
    for _ in 0..usize::thaw(from)? {
        u32::thaw(from)?;
        for _ in 0..usize::thaw(from)? {
            usize::thaw(from)?;
        }
    }
    Some(())
}

/// The part of a new window that memory is put back to.
struct Memory {
    base: *mut u8,
    first: usize,
    size: usize,
}

impl Memory {
    fn fill(&mut self, from: &mut Decoder<'_>) -> Option<()> {
        let mut at = 0usize;
        loop {
            let (gap, count) = (usize::thaw(from)?, usize::thaw(from)?);
            if count == 0 {
                return Some(());
            }
            at = at.checked_add(gap.checked_mul(GRANULE)?)?;
            let bytes = from.take(count.checked_mul(GRANULE)?)?;
            let end = at.checked_add(bytes.len())?;
            if at < self.first || end > self.size {
                return None;
            }
            // SAFETY: the range lies within the window's mapping and behind the heap's struct.
            unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), self.base.add(at), bytes.len()) };
            at = end;
        }
    }

    fn take_aim(&mut self, mut aims: Decoder<'_>) -> Result<(), String> {
        let damaged = || "the image is damaged".to_owned();
        for _ in 0..usize::thaw(&mut aims).ok_or_else(damaged)? {
            let number = u32::thaw(&mut aims).ok_or_else(damaged)?;
            let address =
                address_of(number).ok_or("the image refers to a function that is not there")?;
            let mut at = 0usize;
            for _ in 0..usize::thaw(&mut aims).ok_or_else(damaged)? {
                at = usize::thaw(&mut aims)
                    .and_then(|more| more.checked_mul(WORD)?.checked_add(at))
                    .filter(|at| *at >= self.first && *at <= self.size - WORD)
                    .ok_or_else(damaged)?;
                // SAFETY: an aligned word within the window's mapping and behind the heap's struct.
                unsafe { self.base.add(at).cast::<usize>().write(address) };
            }
        }
        Ok(())
    }
}
