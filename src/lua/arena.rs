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
    #[error("the place of a Lua state's image is in use, or this system has none like it")]
    Place,
}

/// Which windows are in use, a list of bits per class. Only the bookkeeping is shared between
/// threads; a window belongs to one state.
struct Taken {
    classes: [Vec<Bits>; (CLASS_BITS_MAX - CLASS_BITS_MIN + 1) as usize],
}

/// 64 windows, a bit each.
#[derive(Clone, Copy, Default)]
struct Bits {
    /// Has a state in it.
    live: u64,
    /// Belongs to the image of a state: no other one shall have it.
    kept: u64,
}

static TAKEN: Mutex<Taken> = Mutex::new(Taken {
    classes: [const { Vec::new() }; (CLASS_BITS_MAX - CLASS_BITS_MIN + 1) as usize],
});

fn taken() -> MutexGuard<'static, Taken> {
    TAKEN.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Taken {
    fn class(&mut self, class_bits: u32) -> &mut Vec<Bits> {
        &mut self.classes[(class_bits - CLASS_BITS_MIN) as usize]
    }

    fn bits(&mut self, place: Place) -> &mut Bits {
        let words = self.class(place.class_bits);
        let word = place.index as usize / 64;
        if words.len() <= word {
            words.resize(word + 1, Bits::default());
        }
        &mut words[word]
    }

    /// The lowest free window, or that of an image if there is no other; `None`: all are in use.
    fn claim(&mut self, class_bits: u32) -> Option<Place> {
        let most = windows(class_bits) as usize / 64;
        let words = self.class(class_bits);
        let free = |bits: &Bits| bits.live | bits.kept != u64::MAX;
        let (word, busy) = match words.iter().position(free) {
            Some(word) => (word, words[word].live | words[word].kept),
            None if words.len() < most => (words.len(), 0),
            None => {
                let word = words.iter().position(|bits| bits.live != u64::MAX)?;
                (word, words[word].live)
            }
        };
        let index = (word * 64) as u32 + busy.trailing_ones();
        let place = Place { class_bits, index };
        self.bits(place).live |= place.bit();
        Some(place)
    }

    /// Whether this window was free.
    fn claim_at(&mut self, place: Place) -> bool {
        let bits = self.bits(place);
        let free = bits.live & place.bit() == 0;
        bits.live |= place.bit();
        free
    }

    fn release(&mut self, place: Place) {
        self.bits(place).live &= !place.bit();
    }
}

/// How many windows of a class there are.
fn windows(class_bits: u32) -> u32 {
    if cfg!(target_pointer_width = "64") {
        1 << (CLASS_SPAN_BITS - class_bits)
    } else {
        u32::MAX
    }
}

/// Which window: its class and its place among those of the class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub class_bits: u32,
    pub index: u32,
}

impl Place {
    /// Whether there is such a window.
    pub fn exists(self) -> bool {
        (CLASS_BITS_MIN..=CLASS_BITS_MAX).contains(&self.class_bits)
            && self.index < windows(self.class_bits)
    }

    /// Keeps this window for the image of a state: another state gets it only when there is no other
    /// window at all.
    pub fn keep(self) {
        taken().bits(self).kept |= self.bit();
    }

    /// The image is gone.
    pub fn forget(self) {
        taken().bits(self).kept &= !self.bit();
    }

    fn bit(self) -> u64 {
        1 << (self.index % 64)
    }

    #[cfg(target_pointer_width = "64")]
    fn address(self) -> usize {
        let class = (self.class_bits - CLASS_BITS_MIN) as usize;
        SPACE + (class << CLASS_SPAN_BITS) + ((self.index as usize) << self.class_bits)
    }
}

/// One window of address space. Dropping it unmaps it.
pub struct Window {
    base: NonNull<u8>,
    place: Place,
    mapped: usize,
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

    /// Takes just this window, for the image that was made in it.
    ///
    /// # Errors
    /// When it is in use, by another state or by a mapping of someone else.
    pub fn take_at(place: Place, mapped: usize) -> Result<Self, ArenaError> {
        if !place.exists() || mapped > 1 << place.class_bits || !mapped.is_multiple_of(page_size())
        {
            return Err(ArenaError::Place);
        }
        map_new_at(place, mapped)
    }

    pub fn base(&self) -> NonNull<u8> {
        self.base
    }

    pub fn place(&self) -> Place {
        self.place
    }

    pub fn class(&self) -> usize {
        1 << self.place.class_bits
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
        regions::forget(self.base.as_ptr() as usize, self.place.class_bits);
        taken().release(self.place);
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
        let Some(place) = taken().claim(class_bits) else {
            break Err(ArenaError::Space(std::io::Error::from_raw_os_error(
                libc::ENOMEM,
            )));
        };
        match map_at(place.address(), mapped) {
            Ok(base) => {
                break Ok(Window {
                    base,
                    place,
                    mapped,
                });
            }
            Err(error) => {
                foreign.push(place);
                let elsewhere = error.raw_os_error() == Some(libc::EEXIST);
                if !elsewhere || foreign.len() > FOREIGN_MAX {
                    break Err(ArenaError::Space(error));
                }
            }
        }
    };
    for place in foreign {
        taken().release(place);
    }
    result
}

#[cfg(target_pointer_width = "64")]
fn map_new_at(place: Place, mapped: usize) -> Result<Window, ArenaError> {
    if !taken().claim_at(place) {
        return Err(ArenaError::Place);
    }
    match map_at(place.address(), mapped) {
        Ok(base) => Ok(Window {
            base,
            place,
            mapped,
        }),
        Err(error) => {
            taken().release(place);
            Err(match error.raw_os_error() {
                Some(libc::EEXIST) => ArenaError::Place,
                _ => ArenaError::Space(error),
            })
        }
    }
}

/// Windows lie anywhere: none is ever at the place of another.
#[cfg(not(target_pointer_width = "64"))]
fn map_new_at(_: Place, _: usize) -> Result<Window, ArenaError> {
    Err(ArenaError::Place)
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
    // Its number says nothing of where it is.
    let place = Place {
        class_bits,
        index: 0,
    };
    let base = NonNull::new(base as *mut u8).expect("a mapping is not at zero");
    Ok(Window {
        base,
        place,
        mapped,
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
    #[cfg(target_pointer_width = "64")]
    fn the_window_of_an_image_waits_for_it() {
        let class = 1 << 28;
        let first = Window::take(class, 4096).unwrap();
        let (place, base) = (first.place(), first.base());
        place.keep();
        drop(first);
        let other = Window::take(class, 4096).unwrap();
        assert_ne!(other.base(), base);
        let again = Window::take_at(place, 8192).unwrap();
        assert_eq!((again.base(), again.mapped()), (base, 8192));
        assert!(matches!(
            Window::take_at(place, 4096),
            Err(ArenaError::Place)
        ));
        drop((again, other));
        place.forget();
        assert_eq!(Window::take(class, 4096).unwrap().base(), base);
    }

    #[test]
    #[cfg(target_pointer_width = "64")]
    fn places_that_are_not_there_are_refused() {
        let there = Place {
            class_bits: 30,
            index: 5,
        };
        let beyond = Place {
            index: 1 << 10,
            ..there
        };
        for (place, mapped) in [(beyond, 4096), (there, 4097), (there, 2 << 30)] {
            assert!(matches!(
                Window::take_at(place, mapped),
                Err(ArenaError::Place)
            ));
        }
        let foreign = map_at(there.address(), 4096).unwrap();
        assert!(matches!(
            Window::take_at(there, 4096),
            Err(ArenaError::Place)
        ));
        // SAFETY: the mapping was made above by this test.
        unsafe { libc::munmap(foreign.as_ptr().cast(), 4096) };
        assert!(Window::take_at(there, 4096).is_ok());
    }

    #[test]
    fn images_lose_their_windows_before_there_are_none() {
        let mut taken = Taken {
            classes: [const { Vec::new() }; 11],
        };
        let most = windows(30);
        for index in 0..most {
            let place = Place {
                class_bits: 30,
                index,
            };
            taken.bits(place).kept |= place.bit();
        }
        assert_eq!(taken.claim(30).map(|place| place.index), Some(0));
        for index in 1..most {
            assert_eq!(taken.claim(30).map(|place| place.index), Some(index));
        }
        assert_eq!(taken.claim(30), None);
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
