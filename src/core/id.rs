//! Identifiers. All are monotonic: a number is never used twice, so a stale one finds nothing.

use std::fmt;

use super::carry::carry;

/// Names a session for as long as the server runs: 1, 2, 3 in order of creation. This is the
/// number Lua sees as `session.id`; the 128-bit id in the address bar never enters core.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub u64);

/// Names one WebSocket connection. Vended by the shell, never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

impl ConnectionId {
    /// Set in the numbers of connections that are no browser's: those who run the server ask through them, and
    /// may what pages may not. It is a part of the number so that recordings know it, too.
    pub const TRUSTED: u64 = 1 << 63;

    /// Whether it is of those who run the server.
    pub fn is_trusted(self) -> bool {
        self.0 & ConnectionId::TRUSTED != 0
    }

    /// Which one it is, whoever has it.
    pub fn count(self) -> u64 {
        self.0 & !ConnectionId::TRUSTED
    }
}

/// A variable's id inside its session: 1 is the app, negative ids are made by Lua, from 2 up they
/// belong to views. On the wire a view sees its own alias instead, see [`WireId`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VarId(pub i64);

/// A variable id as one view knows it. 1 and the negative ids mean the same everywhere; the rest
/// are chosen by the client and mean something only in its own view.
pub type WireId = i64;

/// The app variable, created by `main.lua` and shared by all views.
pub const APP: VarId = VarId(1);

/// Names a timer of one session; what `setTimeout` returns.
pub type TimerId = u64;

/// Milliseconds on the monotonic clock the shell reads once a turn.
pub type Timestamp = u64;

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_trusted() {
            f.write_str("operator ")?;
        }
        self.count().fmt(f)
    }
}

impl fmt::Display for VarId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

carry!(newtype SessionId);
carry!(newtype VarId);
