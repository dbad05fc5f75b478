//! What all sessions together may use, and those of one user: quotas of section `[limits]`.

/// What one source sets of what all sessions together may use; `None`: nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct QuotaSettings {
    pub sessions: Option<usize>,
    pub sessions_per_user: Option<usize>,
    pub sessions_per_address: Option<usize>,
    pub total_memory: Option<usize>,
}

/// What all sessions together may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quotas {
    /// Sessions, those that sleep among them.
    pub sessions: usize,
    pub sessions_per_user: usize,
    /// Of those who have not logged in; 0: any number.
    pub sessions_per_address: usize,
    /// Bytes that those take that are awake: Lua memory, holes in it, variables.
    pub total_memory: u64,
}

impl Quotas {
    /// Bytes in use from which on no session begins: the rest is for those that are there, which what they do makes grow.
    pub fn memory_for_new(&self) -> u64 {
        self.total_memory / 8 * 7
    }
}

impl QuotaSettings {
    pub(super) fn or(self, others: QuotaSettings) -> QuotaSettings {
        QuotaSettings {
            sessions: self.sessions.or(others.sessions),
            sessions_per_user: self.sessions_per_user.or(others.sessions_per_user),
            sessions_per_address: self.sessions_per_address.or(others.sessions_per_address),
            total_memory: self.total_memory.or(others.total_memory),
        }
    }

    /// The defaults: sleepers cost little but their files, so that many may be there; a person has some tabs on
    /// some devices, whose sessions end a day later; and half of what a small server has.
    pub(super) fn resolve(self) -> Quotas {
        Quotas {
            sessions: self.sessions.unwrap_or(100_000),
            sessions_per_user: self.sessions_per_user.unwrap_or(200),
            // Behind one address may be a school, or a proxy that is not known as one.
            sessions_per_address: self.sessions_per_address.unwrap_or(0),
            total_memory: self.total_memory.map_or(1 << 30, |bytes| bytes as u64),
        }
    }
}
