//! Randomness from the operating system, read for many uses at once; in made-up worlds, from a seed.

/// Bytes fetched at a time: a system call for about 170 sessions.
const POOL_BYTES: usize = 4096;

/// A supply of random bytes. Each is handed out once and then overwritten.
#[derive(Debug, Default)]
pub struct Random {
    pool: Vec<u8>,
    source: Source,
}

#[derive(Debug, Default)]
enum Source {
    #[default]
    System,
    /// Everybody who knows the number knows what follows.
    Seeded(u64),
}

impl Source {
    fn fill(&mut self, pool: &mut [u8]) -> Result<(), getrandom::Error> {
        let state = match self {
            Source::System => return getrandom::fill(pool),
            Source::Seeded(state) => state,
        };
        for bytes in pool.chunks_mut(8) {
            // SplitMix64.
            *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut mixed = *state;
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            mixed ^= mixed >> 31;
            bytes.copy_from_slice(&mixed.to_le_bytes()[..bytes.len()]);
        }
        Ok(())
    }
}

impl Random {
    /// A supply that follows from a number: for worlds that are the same every time, and nowhere else.
    pub fn seeded(seed: u64) -> Random {
        Random {
            pool: Vec::new(),
            source: Source::Seeded(seed),
        }
    }

    /// 128 bits that nobody can guess: a session's id.
    ///
    /// # Errors
    /// When the operating system gives no randomness; nothing may be guessed at instead.
    pub fn id(&mut self) -> Result<u128, getrandom::Error> {
        self.take().map(u128::from_le_bytes)
    }

    /// 64 bits to seed a session with.
    ///
    /// # Errors
    /// As for [`Random::id`].
    pub fn seed(&mut self) -> Result<u64, getrandom::Error> {
        self.take().map(u64::from_le_bytes)
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], getrandom::Error> {
        if self.pool.len() < N {
            self.pool.resize(POOL_BYTES, 0);
            if let Err(error) = self.source.fill(&mut self.pool) {
                self.pool.clear();
                return Err(error);
            }
        }
        let at = self.pool.len() - N;
        let mut taken = [0; N];
        taken.copy_from_slice(&self.pool[at..]);
        self.pool[at..].fill(0);
        self.pool.truncate(at);
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_handed_out_twice() {
        let mut random = Random::default();
        let ids: Vec<u128> = (0..1000).filter_map(|_| random.id().ok()).collect();
        let mut unique = ids.clone();
        unique.sort_unstable();
        unique.dedup();
        assert_eq!(unique.len(), 1000);
        assert_ne!(random.seed().unwrap(), random.seed().unwrap());
    }

    #[test]
    fn a_seed_says_all_that_follows() {
        let ids = |seed| {
            let mut random = Random::seeded(seed);
            let ids: Vec<u128> = (0..1000).filter_map(|_| random.id().ok()).collect();
            ids
        };
        assert_eq!(ids(1), ids(1));
        assert!(ids(1).iter().all(|id| !ids(2).contains(id)));
    }
}
