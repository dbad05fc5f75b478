//! The ids in the address bar and what they stand for.
//!
//! `GET /` only reserves an id: no Lua state, no session. Reservations are few and short-lived, so
//! that asking a million times costs a bounded table. The first attach makes the session.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt;
use std::rc::Rc;

use super::origin::{Origin, Shares};
use crate::config::quotas::Quotas;
use crate::core::id::{SessionId, Timestamp};
use crate::net::http::Refusal;

/// A session's secret name: 128 bits, in addresses as 32 lower-case hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Sid(pub u128);

impl Sid {
    /// Reads exactly what [`Sid`] displays.
    pub fn parse(text: &str) -> Option<Sid> {
        let hex = |b: u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
        if text.len() != 32 || !text.bytes().all(hex) {
            return None;
        }
        u128::from_str_radix(text, 16).ok().map(Sid)
    }
}

impl fmt::Display for Sid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// A page follows its redirect and attaches within a second or two, on a bad link in some more.
const RESERVATION_MS: u64 = 60_000;
/// About 1.5 MiB of table. The oldest makes room: under a flood an honest browser still has the
/// time that 16,384 further requests take.
const RESERVATIONS_MAX: usize = 16_384;
/// The longest address that a session can begin at; with the number above, 32 MiB at the most.
pub const URL_MAX: usize = 2048;
const TOO_MANY_OWN: Refusal = Refusal {
    status: 429,
    reason: "you have as many sessions as one user may have; they end when nobody has looked at them for long \
        (sessions_per_user of [limits])",
};
const TOO_MANY_THERE: Refusal = Refusal {
    status: 429,
    reason: "as many sessions as may begin from one address have begun from yours; they end when nobody has looked at \
        them for long (sessions_per_address of [limits])",
};
const TOO_MANY: Refusal = Refusal {
    status: 503,
    reason: "this server has as many sessions as it may have; try again later (sessions of [limits])",
};
const NO_MEMORY: Refusal = Refusal {
    status: 503,
    reason: "the sessions of this server use all the memory that they may; try again later (total_memory of [limits])",
};
pub const NO_SPACE: Refusal = Refusal {
    status: 503,
    reason: "this server has nearly all the address space that the system gives it; try again later (ulimit -v)",
};
/// Failed starts whose reason is still told.
const FAILURES_MAX: usize = 256;

#[derive(Debug)]
enum Entry {
    /// The number is its place among the reservations.
    Reserved {
        until: Timestamp,
        turn: u64,
        url: Box<str>,
    },
    Live(SessionId),
    Failed(Box<str>),
    /// It may not run any more, and why.
    Stopped(Box<str>),
}

/// What an id stands for.
#[derive(Debug, PartialEq, Eq)]
pub enum Found<'a> {
    /// Nothing, or no longer.
    Unknown,
    /// A session, or one that begins with the first attach.
    Usable,
    /// A session that could not start, and why.
    Failed(&'a str),
    /// A session that may not run any more, and why.
    Stopped(&'a str),
}

/// All ids in use.
#[derive(Debug, Default)]
pub struct SessionTable {
    entries: HashMap<Sid, Entry>,
    sids: HashMap<SessionId, Sid>,
    /// Those that wait for their first attach, oldest first.
    reservations: BTreeMap<u64, (Timestamp, Sid)>,
    reserved: u64,
    failures: VecDeque<Sid>,
    /// Who alone may use an id, if somebody logged in.
    owners: HashMap<Sid, Rc<str>>,
    /// How many each has.
    counts: HashMap<Rc<str>, usize>,
    /// Where sessions of nobody's began, and how many did.
    origins: HashMap<SessionId, Origin>,
    shares: Shares,
    last: u64,
}

impl SessionTable {
    /// Keeps `sid` for a browser that was sent there and asked for `url`, at most [`URL_MAX`] bytes.
    pub fn reserve(&mut self, sid: Sid, url: &str, owner: Option<&str>, now: Timestamp) {
        self.purge(now);
        if self.reservations.len() >= RESERVATIONS_MAX
            && let Some((_, (_, oldest))) = self.reservations.pop_first()
        {
            self.forget(oldest);
        }
        self.own(sid, owner);
        let until = now + RESERVATION_MS;
        self.reserved += 1;
        let turn = self.reserved;
        self.reservations.insert(turn, (until, sid));
        let url = url.into();
        self.entries
            .insert(sid, Entry::Reserved { until, turn, url });
    }

    /// From now on `sid` is this user's alone; `None`: it is nobody's, and only where nobody logs in of use.
    pub fn own(&mut self, sid: Sid, owner: Option<&str>) {
        self.disown(sid);
        if let Some(owner) = owner {
            let owner: Rc<str> = owner.into();
            *self.counts.entry(Rc::clone(&owner)).or_default() += 1;
            self.owners.insert(sid, owner);
        }
    }

    fn disown(&mut self, sid: Sid) {
        if let Some(owner) = self.owners.remove(&sid)
            && let Some(count) = self.counts.get_mut(&owner)
        {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(&owner);
            }
        }
    }

    /// A session of nobody's has begun there.
    pub fn begun_from(&mut self, session: SessionId, origin: Origin) {
        self.shares.take(origin);
        self.origins.insert(session, origin);
    }

    /// Whether one more session may begin for this user, or at this place; `reserved`: it is counted among the user's
    /// already. `memory` is what all that are awake use, in bytes.
    ///
    /// # Errors
    /// When there is no room, and for whom.
    pub fn check_room(
        &self,
        (owner, origin): (Option<&str>, Option<Origin>),
        reserved: bool,
        room: &Quotas,
        memory: u64,
    ) -> Result<(), Refusal> {
        if let (None, Some(origin), most @ 1..) = (owner, origin, room.sessions_per_address)
            && self.shares.of(origin) >= most
        {
            return Err(TOO_MANY_THERE);
        }
        let own = owner.and_then(|owner| self.counts.get(owner)).copied();
        if own.unwrap_or(0) >= room.sessions_per_user + usize::from(reserved) {
            return Err(TOO_MANY_OWN);
        }
        if self.sids.len() >= room.sessions {
            return Err(TOO_MANY);
        }
        match memory < room.memory_for_new() {
            true => Ok(()),
            false => Err(NO_MEMORY),
        }
    }

    /// The name of the user whose it is.
    pub fn owner(&self, sid: Sid) -> Option<&str> {
        self.owners.get(&sid).map(|owner| &**owner)
    }

    /// Whether it is this user's, or nobody's where nobody logs in. True of ids that stand for nothing.
    pub fn belongs(&self, sid: Sid, owner: Option<&str>) -> bool {
        self.owner(sid) == owner || !self.entries.contains_key(&sid)
    }

    fn forget(&mut self, sid: Sid) {
        self.entries.remove(&sid);
        self.disown(sid);
    }

    /// What `sid` stands for.
    pub fn find(&self, sid: Sid, now: Timestamp) -> Found<'_> {
        match self.entries.get(&sid) {
            Some(Entry::Reserved { until, .. }) if *until > now => Found::Usable,
            Some(Entry::Live(_)) => Found::Usable,
            Some(Entry::Failed(reason)) => Found::Failed(reason),
            Some(Entry::Stopped(reason)) => Found::Stopped(reason),
            Some(Entry::Reserved { .. }) | None => Found::Unknown,
        }
    }

    /// The session to attach to, and the address at which this attach begins it, if it does.
    pub fn attach(&mut self, sid: Sid, now: Timestamp) -> Option<(SessionId, Option<Box<str>>)> {
        let entry = self.entries.get_mut(&sid)?;
        match entry {
            Entry::Live(session) => Some((*session, None)),
            Entry::Reserved { until, turn, url } if *until > now => {
                self.reservations.remove(turn);
                let url = std::mem::take(url);
                self.last += 1;
                let session = SessionId(self.last);
                *entry = Entry::Live(session);
                self.sids.insert(session, sid);
                Some((session, Some(url)))
            }
            Entry::Reserved { .. } | Entry::Failed(_) | Entry::Stopped(_) => None,
        }
    }

    /// A session of an earlier process. Later ones have higher numbers.
    pub fn restore(&mut self, sid: Sid, session: SessionId) {
        self.entries.insert(sid, Entry::Live(session));
        self.sids.insert(session, sid);
        self.last = self.last.max(session.0);
    }

    /// A session of an earlier process whose number nobody knows: it gets another. To be called behind all others.
    pub fn restore_unnumbered(&mut self, sid: Sid) -> SessionId {
        let session = SessionId(self.last + 1);
        self.restore(sid, session);
        session
    }

    /// A session of an earlier process that may not run any more.
    pub fn stop(&mut self, sid: Sid, reason: &str) {
        self.entries.insert(sid, Entry::Stopped(reason.into()));
    }

    /// The session that `sid` stands for, if it has begun.
    pub fn live(&self, sid: Sid) -> Option<SessionId> {
        match self.entries.get(&sid)? {
            Entry::Live(session) => Some(*session),
            Entry::Reserved { .. } | Entry::Failed(_) | Entry::Stopped(_) => None,
        }
    }

    /// The id of a live session.
    pub fn sid(&self, session: SessionId) -> Option<Sid> {
        self.sids.get(&session).copied()
    }

    /// All that have begun, oldest first.
    pub fn all(&self) -> Vec<(SessionId, Sid)> {
        let mut all: Vec<_> = self
            .sids
            .iter()
            .map(|(&session, &sid)| (session, sid))
            .collect();
        all.sort_unstable_by_key(|&(session, _)| session);
        all
    }

    /// Sessions that could not start are as if they had never been: the page begins anew.
    pub fn forget_failures(&mut self) {
        for sid in std::mem::take(&mut self.failures) {
            self.forget(sid);
        }
    }

    /// The session could not start.
    pub fn fail(&mut self, session: SessionId, reason: String) {
        let Some(sid) = self.remove(session) else {
            return;
        };
        self.entries.insert(sid, Entry::Failed(reason.into()));
        self.failures.push_back(sid);
        if self.failures.len() > FAILURES_MAX
            && let Some(oldest) = self.failures.pop_front()
        {
            self.forget(oldest);
        }
    }

    /// The session is over.
    pub fn end(&mut self, session: SessionId) {
        if let Some(sid) = self.remove(session) {
            self.forget(sid);
        }
        self.give_back();
    }

    fn remove(&mut self, session: SessionId) -> Option<Sid> {
        if let Some(origin) = self.origins.remove(&session) {
            self.shares.give_back(origin);
        }
        self.sids.remove(&session)
    }

    /// Forgets what has expired.
    pub fn purge(&mut self, now: Timestamp) {
        while let Some(oldest) = self.reservations.first_entry() {
            let (until, sid) = *oldest.get();
            if until > now {
                break;
            }
            oldest.remove();
            self.forget(sid);
        }
        if self.reservations.is_empty() {
            self.give_back();
        }
    }

    /// When [`SessionTable::purge`] is worth calling: a second after the oldest expires, so that
    /// many go at once.
    pub fn next_purge(&self) -> Option<Timestamp> {
        let oldest = self.reservations.values().next();
        oldest.map(|&(until, _)| until + 1_000)
    }

    /// Tables keep the room of their largest time; an idle server needs it no longer.
    fn give_back(&mut self) {
        if self.entries.capacity() > 4 * self.entries.len() + 64 {
            self.entries.shrink_to_fit();
            self.sids.shrink_to_fit();
            self.owners.shrink_to_fit();
            self.counts.shrink_to_fit();
            self.origins.shrink_to_fit();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_exactly() {
        let sid = Sid(0xab);
        assert_eq!(Sid::parse(&sid.to_string()), Some(sid));
        assert_eq!(sid.to_string().len(), 32);
        for bad in [
            "",
            "0",
            "+0000000000000000000000000000000",
            "000000000000000000000000000000AB",
        ] {
            assert_eq!(Sid::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn reservations_expire_and_are_bounded() {
        let mut table = SessionTable::default();
        table.reserve(Sid(1), "/", None, 0);
        assert_eq!(table.find(Sid(1), 59_999), Found::Usable);
        assert_eq!(table.find(Sid(1), 60_000), Found::Unknown);
        assert_eq!(table.attach(Sid(1), 60_000), None);
        for n in 0..100_000u128 {
            table.reserve(Sid(n + 10), "/", None, n as u64 / 1000);
        }
        assert_eq!(table.entries.len(), RESERVATIONS_MAX);
        assert_eq!(table.find(Sid(10), 100), Found::Unknown);
        table.purge(1_000_000);
        assert!(table.entries.is_empty() && table.entries.capacity() < 100);
        assert_eq!(table.next_purge(), None);
    }

    #[test]
    fn the_first_attach_begins_the_session() {
        let mut table = SessionTable::default();
        table.reserve(Sid(7), "/a?b", None, 0);
        assert_eq!(
            table.attach(Sid(7), 5),
            Some((SessionId(1), Some("/a?b".into())))
        );
        assert_eq!(
            table.next_purge(),
            None,
            "it takes no place from those that wait"
        );
        assert_eq!(table.attach(Sid(7), 500_000), Some((SessionId(1), None)));
        table.purge(500_000);
        assert_eq!(table.find(Sid(7), 500_000), Found::Usable);
        table.end(SessionId(1));
        assert_eq!(table.find(Sid(7), 500_000), Found::Unknown);
        assert_eq!(table.attach(Sid(8), 0), None);
    }

    #[test]
    fn the_reasons_of_some_failures_are_kept() {
        let mut table = SessionTable::default();
        for n in 1..=1000u64 {
            table.reserve(Sid(n.into()), "/", None, 0);
            let begun = table.attach(Sid(n.into()), 0).unwrap();
            assert_eq!(begun.0, SessionId(n));
            table.fail(SessionId(n), format!("main.lua:{n}: no"));
        }
        assert_eq!(table.find(Sid(1000), 0), Found::Failed("main.lua:1000: no"));
        assert_eq!(table.find(Sid(1), 0), Found::Unknown);
        assert_eq!(table.attach(Sid(1000), 0), None);
        table.purge(1_000_000);
        assert_eq!(table.entries.len(), FAILURES_MAX);
    }
}
