//! Randomness from the operating system, read for many uses at once.

/// Bytes fetched at a time: a system call for about 170 sessions.
const POOL_BYTES: usize = 4096;

/// A supply of random bytes. Each is handed out once and then overwritten.
#[derive(Debug, Default)]
pub struct Random {
    pool: Vec<u8>,
}

impl Random {
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
            if let Err(error) = getrandom::fill(&mut self.pool) {
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
}
