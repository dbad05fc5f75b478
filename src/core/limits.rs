//! What one session may use. Going over ends that event with an error, never another session.

use super::outside::Grants;

/// Limits of each session, with the defaults of the protocol and operations documents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionLimits {
    /// Bytes of Lua memory.
    pub lua_memory: usize,
    /// Lua's collector begins anew when memory has grown to so many percent of what it left.
    pub gc_pause: u64,
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
    /// Frontends may only use paths that a viewdef has for the type of their parent.
    pub viewdef_paths: bool,
    /// Error pages and messages may tell tracebacks.
    pub dev: bool,
    /// What its code may do outside.
    pub grants: Grants,
    /// The last of the rules that hold: a session goes by those that it began with, so that a recording of before a rule
    /// comes out as it did.
    pub rules: u64,
}

/// The rule that one flush tells a view [`ERRORS_MAX`] errors and counts the rest, and that a frame has each object
/// described once. Without it few bytes were answered by many.
pub const ANSWERS_ARE_BOUNDED: u64 = 1;

/// The rule that addresses of downloads and uploads tell nothing of the session's seed, nor of each other.
pub const TOKENS_TELL_NOTHING: u64 = 2;

/// The rule that what is wrong with an operator's code is told to the operator, and not on the app to its pages.
pub const OPERATORS_ERR_ALONE: u64 = 3;

/// Lua's own.
pub const GC_PAUSE: u64 = 200;

/// Errors told at once: more than a page can show, and less than most frames have bytes.
pub const ERRORS_MAX: usize = 1_000;

impl Default for SessionLimits {
    fn default() -> Self {
        SessionLimits {
            lua_memory: 16 << 20,
            gc_pause: GC_PAUSE,
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
            viewdef_paths: false,
            dev: false,
            grants: Grants::default(),
            rules: OPERATORS_ERR_ALONE,
        }
    }
}

impl SessionLimits {
    /// Whether this rule holds.
    pub fn has(&self, rule: u64) -> bool {
        self.rules >= rule
    }

    /// Errors that one flush tells a view.
    pub fn errors_at_once(&self) -> usize {
        match self.has(ANSWERS_ARE_BOUNDED) {
            true => ERRORS_MAX,
            false => usize::MAX,
        }
    }

    /// What a session with these limits may do that one with `others` may not: an amount is none of it.
    pub fn allows_beyond(&self, others: &SessionLimits) -> Option<String> {
        let (had, has) = (&self.grants, &others.grants);
        let lost = [
            ("io", had.io, has.io),
            ("os", had.os, has.os),
            ("files", had.files, has.files),
            ("spawn", had.spawn, has.spawn),
            ("blocking", had.blocking, has.blocking),
            ("remote_code", self.remote_code, others.remote_code),
            ("private_paths", self.private_paths, others.private_paths),
            // The other way round: it is the limit that is lost.
            (
                "any path (paths of [security])",
                !self.viewdef_paths,
                !others.viewdef_paths,
            ),
            ("--dev", self.dev, others.dev),
        ];
        let lost = lost.iter().find(|(_, had, has)| *had && !has);
        let command = had.commands.iter().find(|c| !has.commands.contains(c));
        let command = command.filter(|_| had.spawn);
        lost.map(|(name, ..)| (*name).to_owned())
            .or_else(|| command.map(|command| format!("the command {command}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_allowed_is_told_from_what_is() {
        let limits = |commands: &[&str], change: fn(&mut SessionLimits)| {
            let mut limits = SessionLimits::default();
            limits.grants.spawn = true;
            limits.grants.commands = commands.iter().map(|&c| c.into()).collect();
            change(&mut limits);
            limits
        };
        let now = limits(&["df"], |limits| limits.gas = 1);
        let beyond = |had: SessionLimits| had.allows_beyond(&now);
        assert_eq!(beyond(limits(&["df"], |_| {})), None);
        assert_eq!(beyond(SessionLimits::default()), None);
        let command = beyond(limits(&["df", "rm"], |_| {}));
        assert_eq!(command.as_deref(), Some("the command rm"));
        let io = beyond(limits(&["df"], |limits| limits.grants.io = true));
        assert_eq!(io.as_deref(), Some("io"));
        let dev = beyond(limits(&["df"], |limits| limits.dev = true));
        assert_eq!(dev.as_deref(), Some("--dev"));
    }
}
