//! What one session may use. Going over ends that event with an error, never another session.

use super::outside::Grants;

/// Limits of each session, with the defaults of the protocol and operations documents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionLimits {
    /// Bytes of Lua memory.
    pub lua_memory: usize,
    /// Gas for one message, timer or detection pass; about one Lua instruction each.
    pub gas: u64,
    /// Variables of all views together.
    pub variables: usize,
    /// Bytes of all properties together, which are not Lua memory.
    pub property_bytes: usize,
    /// Timers running at once.
    pub timers: usize,
    /// Property and variable watches from Lua.
    pub subscriptions: usize,
    /// Processes running at once.
    pub processes: usize,
    /// A session nobody is attached to ends after this many milliseconds; 0 keeps it for ever.
    pub session_timeout_ms: u64,
    /// The same for a session in which nobody ever did anything.
    pub unused_timeout_ms: u64,
    /// Output that answers no user action is gathered for at most this long.
    pub coalesce_ms: u64,
    /// Frontends may set the `lua` property of variable 1.
    pub remote_code: bool,
    /// Frontends may use path segments that start with `_`.
    pub private_paths: bool,
    /// Error pages and messages may tell tracebacks.
    pub dev: bool,
    /// What its code may do outside.
    pub grants: Grants,
}

impl Default for SessionLimits {
    fn default() -> Self {
        SessionLimits {
            lua_memory: 16 << 20,
            gas: 10_000_000,
            variables: 100_000,
            property_bytes: 16 << 20,
            timers: 1_000,
            subscriptions: 10_000,
            processes: 8,
            session_timeout_ms: 24 * 60 * 60 * 1000,
            unused_timeout_ms: 10 * 60 * 1000,
            coalesce_ms: 10,
            remote_code: false,
            private_paths: false,
            dev: false,
            grants: Grants::default(),
        }
    }
}
