use super::*;

const CLASS: usize = 8 << 20;

/// Drives a heap as Lua would, with a small generator of its own.
struct Driver {
    arena: Arena,
    blocks: Vec<(*mut u8, usize, u8)>,
    random: u64,
}

impl Driver {
    fn new() -> Self {
        Self {
            arena: Arena::new(CLASS).unwrap(),
            blocks: Vec::new(),
            random: 1,
        }
    }

    fn next(&mut self, below: usize) -> usize {
        self.random = self
            .random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.random >> 33) as usize % below
    }

    fn call(&self, block: *mut u8, old: usize, new: usize) -> *mut u8 {
        // SAFETY: the heap lives, and blocks and sizes are those it gave.
        unsafe { lua_alloc(self.arena.heap().as_ptr().cast(), block.cast(), old, new).cast() }
    }

    fn heap(&self) -> &Heap {
        // SAFETY: the heap lives as long as the arena, and no one else refers to it now.
        unsafe { self.arena.heap().as_ref() }
    }

    fn size(&mut self) -> usize {
        match self.next(10) {
            0..7 => 1 + self.next(120),
            7..9 => 1 + self.next(2000),
            _ => 1 + self.next(40_000),
        }
    }

    fn check(block: *mut u8, size: usize, mark: u8) {
        // SAFETY: the block is `size` bytes long and was filled.
        let bytes = unsafe { std::slice::from_raw_parts(block, size) };
        assert!(
            bytes.iter().all(|byte| *byte == mark),
            "a block was overwritten"
        );
    }

    fn step(&mut self) -> usize {
        let place = self.blocks.len();
        match self.next(3) {
            0 if place > 0 => {
                let (block, size, mark) = {
                    let at = self.next(place);
                    self.blocks.swap_remove(at)
                };
                Self::check(block, size, mark);
                self.call(block, size, 0);
                0
            }
            1 if place > 0 => {
                let at = self.next(place);
                let (block, old, mark) = self.blocks[at];
                let new = self.size();
                let moved = self.call(block, old, new);
                if moved.is_null() {
                    assert!(new > old, "shrinking failed");
                    return 1;
                }
                Self::check(moved, old.min(new), mark);
                // SAFETY: the block is `new` bytes long.
                unsafe { moved.write_bytes(mark, new) };
                self.blocks[at] = (moved, new, mark);
                moved as usize & (CLASS - 1)
            }
            _ => {
                let size = self.size();
                let block = self.call(ptr::null_mut(), 5, size);
                if block.is_null() {
                    return 2;
                }
                let mark = self.next(256) as u8;
                // SAFETY: the block is `size` bytes long.
                unsafe { block.write_bytes(mark, size) };
                self.blocks.push((block, size, mark));
                block as usize & (CLASS - 1)
            }
        }
    }
}

#[test]
fn blocks_never_overlap_and_the_count_is_exact() {
    let mut driver = Driver::new();
    for _ in 0..60_000 {
        driver.step();
    }
    let sum: usize = driver.blocks.iter().map(|(_, size, _)| size).sum();
    assert_eq!(driver.heap().used(), sum);
    for (block, size, mark) in std::mem::take(&mut driver.blocks) {
        Driver::check(block, size, mark);
        driver.call(block, size, 0);
    }
    assert_eq!(driver.heap().used(), 0);
    // Everything joins again: a block of most of the class fits.
    assert!(
        !driver
            .call(ptr::null_mut(), 5, CLASS - (512 << 10))
            .is_null()
    );
}

#[test]
fn the_same_calls_give_the_same_offsets() {
    let (mut one, mut two) = (Driver::new(), Driver::new());
    for turn in 0..20_000 {
        let offset = one.step();
        assert_eq!(offset, two.step());
        if turn % 1000 == 0 {
            // SAFETY: the heap lives, and nothing else refers to it now.
            unsafe { two.arena.heap().as_mut().trim() };
        }
    }
}

#[test]
fn the_limit_is_exact_and_shrinking_never_fails() {
    let driver = Driver::new();
    // SAFETY: as above.
    unsafe { driver.arena.heap().as_mut().set_limit(100_000) };
    let block = driver.call(ptr::null_mut(), 5, 100_000);
    assert!(!block.is_null());
    assert!(driver.call(ptr::null_mut(), 5, 1).is_null());
    assert!(driver.call(block, 100_000, 100_001).is_null());
    let block = driver.call(block, 100_000, 40);
    assert!(!block.is_null());
    assert!(!driver.call(ptr::null_mut(), 5, 99_960).is_null());
    assert_eq!(driver.heap().used(), 100_000);
    assert_eq!(driver.heap().failures(), 2);
}

#[test]
fn a_chosen_allocation_fails_and_so_does_trying_again() {
    let driver = Driver::new();
    // SAFETY: as above.
    unsafe { driver.arena.heap().as_mut().fail_at(2) };
    assert!(!driver.call(ptr::null_mut(), 5, 10).is_null());
    assert!(driver.call(ptr::null_mut(), 5, 10).is_null());
    assert!(driver.call(ptr::null_mut(), 5, 10).is_null());
    assert!(!driver.call(ptr::null_mut(), 5, 10).is_null());
}

#[test]
fn a_large_tail_goes_back_to_the_system() {
    let driver = Driver::new();
    let block = driver.call(ptr::null_mut(), 5, 4 << 20);
    // SAFETY: the block is that long.
    unsafe { block.write_bytes(1, 4 << 20) };
    let full = driver.heap().held();
    driver.call(block, 4 << 20, 0);
    assert!(driver.heap().held() + (3 << 20) < full);
    let again = driver.call(ptr::null_mut(), 5, 4 << 20);
    // SAFETY: the page was given back, so it reads as zero, and it may be written.
    assert_eq!(unsafe { again.add(2 << 20).read() }, 0);
}

/// So many blocks of 48 bytes.
fn small_blocks(driver: &Driver, count: usize) -> Vec<*mut u8> {
    (0..count)
        .map(|_| driver.call(ptr::null_mut(), 5, 48))
        .collect()
}

#[test]
fn small_blocks_that_were_freed_make_room_for_others() {
    let driver = Driver::new();
    let blocks = small_blocks(&driver, 20_000);
    let held = driver.heap().held();
    // Half of them, by runs: none of the size that is wanted next is free.
    let runs = blocks.chunks(4).step_by(2).flatten();
    for &block in runs {
        driver.call(block, 48, 0);
    }
    for _ in 0..8_000 {
        assert!(!driver.call(ptr::null_mut(), 5, 64).is_null());
    }
    assert!(
        driver.heap().held() < held + held / 10,
        "{held} {}",
        driver.heap().held()
    );
}

#[test]
fn a_heap_that_was_large_once_gives_back_what_lies_between() {
    let driver = Driver::new();
    let blocks = small_blocks(&driver, 40_000);
    let full = driver.heap().held();
    // The last one stays, and one in a thousand.
    let gone = blocks[..39_999]
        .iter()
        .enumerate()
        .filter(|(i, _)| i % 1000 != 7);
    for (_, &block) in gone {
        driver.call(block, 48, 0);
    }
    assert!(
        driver.heap().held() < full / 3,
        "{full} {}",
        driver.heap().held()
    );
    // SAFETY: nobody else refers to the heap now.
    unsafe { driver.arena.heap().as_mut().give_back() };
    // SAFETY: the page was given back, so it reads as zero; what stays is untouched by that.
    assert_eq!(unsafe { blocks[20_500].read() }, 0);
}
