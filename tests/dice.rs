//! What seeded tests roll: xorshift64, the same on every machine. The seed is in every complaint.

/// A generator.
#[derive(Debug)]
pub struct Dice(u64);

impl Dice {
    pub fn seeded(seed: u64) -> Dice {
        Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// From 0 up, below `sides`.
    pub fn roll(&mut self, sides: usize) -> usize {
        (self.next() >> 16) as usize % sides
    }
}
