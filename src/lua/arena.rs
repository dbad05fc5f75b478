//! Address space for Lua states: one aligned window per state, at places of our own choosing.
//!
//! A window's size is its class, a power of two; it begins at a multiple of that size, so an address
//! modulo the class is an offset that is the same in every process, whichever window the state got.
//! On 64-bit systems a window maps little at first and grows in place; on 32-bit systems the class is
//! reserved whole. The lowest free window is taken first and used again after its state is gone.

use std::ptr::{self, NonNull};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The smallest class: 1 MiB. The C header has the same number (`LUNETTE_CLASS_BITS`).
pub const CLASS_BITS_MIN: u32 = 20;
/// The largest class: 1 GiB, which keeps offsets in 16-byte steps within the allocator's bins.
pub const CLASS_BITS_MAX: u32 = 30;
/// Where windows begin on 64-bit systems: below every mapping the system places itself, and above
/// what address sanitizers use. The C header has the same number (`LUNETTE_SPACE`).
#[cfg(target_pointer_width = "64")]
const SPACE: usize = 0x2000_0000_0000;
/// Each class has a tebibyte of its own, so that an address alone tells its class.
#[cfg(target_pointer_width = "64")]
const CLASS_SPAN_BITS: u32 = 40;
/// How many windows of other owners (a foreign mapping in our space) are stepped over.
const FOREIGN_MAX: usize = 64;
/// From this size on huge pages are refused: they would make one touched byte cost 2 MiB.
const HUGE_PAGE: usize = 2 << 20;

#[derive(Debug, thiserror::Error)]
pub enum ArenaError {
    #[error(
        "the class of a Lua arena must be a power of two from 1 MiB to 1 GiB, not {0} bytes; \
         lower the Lua memory limit"
    )]
    Class(usize),
    #[error(
        "no address space for another Lua state ({0}); close sessions, or raise the address space \
         limit (ulimit -v)"
    )]
    Space(std::io::Error),
}

/// Which windows are in use, a list of bits per class. Only the bookkeeping is shared between
/// threads; a window belongs to one state.
struct Taken {
    classes: [Vec<u64>; (CLASS_BITS_MAX - CLASS_BITS_MIN + 1) as usize],
}

static TAKEN: Mutex<Taken> = Mutex::new(Taken {
    classes: [const { Vec::new() }; (CLASS_BITS_MAX - CLASS_BITS_MIN + 1) as usize],
});

fn taken() -> MutexGuard<'static, Taken> {
    TAKEN.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Taken {
    fn claim(&mut self, class_bits: u32) -> usize {
        let words = &mut self.classes[(class_bits - CLASS_BITS_MIN) as usize];
        let word = match words.iter().position(|word| *word != u64::MAX) {
            Some(word) => word,
            None => {
                words.push(0);
                words.len() - 1
            }
        };
        let bit = words[word].trailing_ones() as usize;
        words[word] |= 1 << bit;
        word * 64 + bit
    }

    fn release(&mut self, class_bits: u32, index: usize) {
        self.classes[(class_bits - CLASS_BITS_MIN) as usize][index / 64] &= !(1 << (index % 64));
    }
}

/// One window of address space. Dropping it unmaps it.
pub struct Window {
    base: NonNull<u8>,
    class_bits: u32,
    mapped: usize,
    index: usize,
}

impl Window {
    /// Takes the lowest free window of `class` bytes and maps its first `initial` bytes.
    pub fn take(class: usize, initial: usize) -> Result<Self, ArenaError> {
        let class_bits = class.trailing_zeros();
        if !class.is_power_of_two() || !(CLASS_BITS_MIN..=CLASS_BITS_MAX).contains(&class_bits) {
            return Err(ArenaError::Class(class));
        }
        let mapped = page_up(initial.min(class));
        map_new(class_bits, mapped)
    }

    pub fn base(&self) -> NonNull<u8> {
        self.base
    }

    pub fn class(&self) -> usize {
        1 << self.class_bits
    }

    /// How many bytes from the base may be used now.
    pub fn mapped(&self) -> usize {
        self.mapped
    }

    /// Makes at least `needed` bytes usable; false when the system refuses or the class is full.
    pub fn grow(&mut self, needed: usize) -> bool {
        if needed <= self.mapped {
            return true;
        }
        if needed > self.class() {
            return false;
        }
        let wanted = page_up(needed.max(self.mapped + self.mapped / 2)).min(self.class());
        self.extend(wanted) || self.extend(page_up(needed).min(self.class()))
    }

    #[cfg(target_pointer_width = "64")]
    fn extend(&mut self, size: usize) -> bool {
        let start = self.base.as_ptr() as usize + self.mapped;
        if map_at(start, size - self.mapped).is_err() {
            return false;
        }
        let small = self.mapped < HUGE_PAGE;
        self.mapped = size;
        if small && size >= HUGE_PAGE {
            // SAFETY: the range is this window's own mapping; the advice changes no contents.
            unsafe { libc::madvise(self.base.as_ptr().cast(), size, NO_HUGE_PAGES) };
        }
        true
    }

    #[cfg(not(target_pointer_width = "64"))]
    fn extend(&mut self, size: usize) -> bool {
        self.mapped = size;
        true
    }

    /// Gives the whole pages within `from..to` back to the system; they read as zero afterwards.
    ///
    /// # Safety
    /// Nothing in that range may be in use.
    pub unsafe fn give_back(&mut self, from: usize, to: usize) {
        let (from, to) = (page_up(from), to.min(self.mapped) & !(page_size() - 1));
        if from < to {
            // SAFETY: the range lies within this window's mapping, and the caller says it is unused.
            unsafe {
                libc::madvise(
                    self.base.as_ptr().add(from).cast(),
                    to - from,
                    libc::MADV_DONTNEED,
                );
            }
        }
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        let size = if cfg!(target_pointer_width = "64") {
            self.mapped
        } else {
            self.class()
        };
        // SAFETY: the range is this window's own mapping, and its owner is gone.
        unsafe { libc::munmap(self.base.as_ptr().cast(), size) };
        regions::forget(self.base.as_ptr() as usize, self.class_bits);
        taken().release(self.class_bits, self.index);
    }
}

#[cfg(target_os = "linux")]
const NO_HUGE_PAGES: libc::c_int = libc::MADV_NOHUGEPAGE;
#[cfg(not(target_os = "linux"))]
const NO_HUGE_PAGES: libc::c_int = libc::MADV_NORMAL;

#[cfg(target_os = "linux")]
const FIXED: libc::c_int = libc::MAP_FIXED_NOREPLACE;
#[cfg(not(target_os = "linux"))]
const FIXED: libc::c_int = 0;

/// Maps `size` bytes at `address` or fails; never replaces another mapping.
#[cfg(target_pointer_width = "64")]
fn map_at(address: usize, size: usize) -> Result<NonNull<u8>, std::io::Error> {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANON | FIXED;
    let access = libc::PROT_READ | libc::PROT_WRITE;
    let wanted = ptr::without_provenance_mut::<libc::c_void>(address);
    // SAFETY: a new anonymous mapping; existing ones are never replaced.
    let got = unsafe { libc::mmap(wanted, size, access, flags, -1, 0) };
    if got == libc::MAP_FAILED {
        return Err(std::io::Error::last_os_error());
    }
    if got != wanted {
        // A system that takes the address as a hint only.
        // SAFETY: the mapping was made just now and nothing refers to it.
        unsafe { libc::munmap(got, size) };
        return Err(std::io::Error::from_raw_os_error(libc::EEXIST));
    }
    Ok(NonNull::new(got.cast()).expect("a mapping is not at zero"))
}

#[cfg(target_pointer_width = "64")]
fn map_new(class_bits: u32, mapped: usize) -> Result<Window, ArenaError> {
    let mut foreign = Vec::new();
    let result = loop {
        let index = taken().claim(class_bits);
        let start = SPACE + (((class_bits - CLASS_BITS_MIN) as usize) << CLASS_SPAN_BITS);
        match map_at(start + (index << class_bits), mapped) {
            Ok(base) => {
                break Ok(Window {
                    base,
                    class_bits,
                    mapped,
                    index,
                });
            }
            Err(error) => {
                foreign.push(index);
                let elsewhere = error.raw_os_error() == Some(libc::EEXIST);
                if !elsewhere || foreign.len() > FOREIGN_MAX {
                    break Err(ArenaError::Space(error));
                }
            }
        }
    };
    for index in foreign {
        taken().release(class_bits, index);
    }
    result
}

#[cfg(not(target_pointer_width = "64"))]
fn map_new(class_bits: u32, mapped: usize) -> Result<Window, ArenaError> {
    let class = 1usize << class_bits;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANON | libc::MAP_NORESERVE;
    let access = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: a new anonymous mapping, wherever the system has room for twice the class.
    let got = unsafe { libc::mmap(ptr::null_mut(), class * 2, access, flags, -1, 0) };
    if got == libc::MAP_FAILED {
        return Err(ArenaError::Space(std::io::Error::last_os_error()));
    }
    let (start, end) = (got as usize, got as usize + class * 2);
    let base = (start + class - 1) & !(class - 1);
    for (from, to) in [(start, base), (base + class, end)] {
        if from < to {
            // SAFETY: the part of the new mapping that lies outside the aligned window.
            unsafe { libc::munmap(from as *mut libc::c_void, to - from) };
        }
    }
    regions::remember(base, class_bits);
    let index = taken().claim(class_bits);
    let base = NonNull::new(base as *mut u8).expect("a mapping is not at zero");
    Ok(Window {
        base,
        class_bits,
        mapped,
        index,
    })
}

/// The offset of an address within its window, if it is in a window at all.
pub fn offset(address: usize) -> Option<u32> {
    regions::class_of(address).map(|bits| (address & ((1usize << bits) - 1)) as u32)
}

#[cfg(target_pointer_width = "64")]
mod regions {
    use super::{CLASS_BITS_MAX, CLASS_BITS_MIN, CLASS_SPAN_BITS, SPACE};

    pub fn forget(_base: usize, _class_bits: u32) {}

    pub fn class_of(address: usize) -> Option<u32> {
        let class = u32::try_from(address.checked_sub(SPACE)? >> CLASS_SPAN_BITS).ok()?;
        (class <= CLASS_BITS_MAX - CLASS_BITS_MIN).then_some(class + CLASS_BITS_MIN)
    }
}

/// With 32 bits windows lie anywhere: a byte for each mebibyte tells the class of its window.
#[cfg(not(target_pointer_width = "64"))]
mod regions {
    use super::CLASS_BITS_MIN;
    use std::sync::atomic::{AtomicU8, Ordering};

    static CLASSES: [AtomicU8; 4096] = [const { AtomicU8::new(0) }; 4096];

    fn fill(base: usize, class_bits: u32, value: u8) {
        let first = base >> CLASS_BITS_MIN;
        for class in &CLASSES[first..first + (1usize << (class_bits - CLASS_BITS_MIN))] {
            class.store(value, Ordering::Relaxed);
        }
    }

    pub fn remember(base: usize, class_bits: u32) {
        fill(base, class_bits, class_bits as u8);
    }

    pub fn forget(base: usize, class_bits: u32) {
        fill(base, class_bits, 0);
    }

    pub fn class_of(address: usize) -> Option<u32> {
        match CLASSES[address >> CLASS_BITS_MIN].load(Ordering::Relaxed) {
            0 => None,
            bits => Some(u32::from(bits)),
        }
    }
}

pub fn page_size() -> usize {
    use std::sync::atomic::{AtomicUsize, Ordering};
    static SIZE: AtomicUsize = AtomicUsize::new(0);
    match SIZE.load(Ordering::Relaxed) {
        0 => {
            // SAFETY: asks the system for a constant.
            let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
            let size = usize::try_from(size).unwrap_or(4096).max(4096);
            SIZE.store(size, Ordering::Relaxed);
            size
        }
        size => size,
    }
}

fn page_up(size: usize) -> usize {
    size.next_multiple_of(page_size())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLASS: usize = 4 << 20;

    #[test]
    fn windows_are_aligned_and_grow_in_place() {
        let mut window = Window::take(CLASS, 65536).unwrap();
        assert_eq!(window.base().as_ptr() as usize % CLASS, 0);
        assert!(window.grow(3 << 20));
        // SAFETY: the window says that much is mapped.
        unsafe { window.base().as_ptr().add((3 << 20) - 1).write(1) };
        assert!(!window.grow(CLASS + 1));
        assert_eq!(offset(window.base().as_ptr() as usize + 4711), Some(4711));
    }

    #[test]
    fn addresses_elsewhere_have_no_offset() {
        let here = 0u8;
        assert_eq!(offset(&raw const here as usize), None);
        assert_eq!(offset(offset as *const () as usize), None);
    }

    #[test]
    fn a_window_taken_by_someone_else_is_stepped_over() {
        let class_bits = 29;
        let first = Window::take(1 << class_bits, 4096).unwrap();
        let place = first.base().as_ptr() as usize;
        drop(first);
        let foreign = map_at(place, 4096).unwrap();
        let second = Window::take(1 << class_bits, 4096).unwrap();
        assert_ne!(second.base(), foreign);
        // SAFETY: the mapping was made above by this test.
        unsafe { libc::munmap(foreign.as_ptr().cast(), 4096) };
    }

    #[test]
    fn odd_classes_are_refused() {
        assert!(matches!(
            Window::take(3 << 20, 4096),
            Err(ArenaError::Class(_))
        ));
        assert!(matches!(
            Window::take(4096, 4096),
            Err(ArenaError::Class(_))
        ));
    }
}
