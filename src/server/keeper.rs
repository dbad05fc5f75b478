//! Keeper: the state directory as a server uses it: which sessions earlier processes left behind, what time
//! it is for them, and which of them must not run any more.

use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;

use super::checkpoint::{Checkpoint, HEAD_MAX, claim_of};
use super::inflight::Inflight;
use super::log::Logger;
use super::mail::Extent;
use super::sleepers::Sleepers;
use crate::config::state::{Recover, StateConfig};
use crate::core::event::Turn;
use crate::core::gather::gather;
use crate::core::id::{SessionId, Timestamp};
use crate::core::manager::Dormant;
use crate::journal::{Disk, JournalError, Policy, Rules, Standing, Store, StoreError};

/// Where the clock stood when the server was started last.
const CLOCK: &str = "clock";
/// Sessions in whose events the process ended, and how often.
const STRIKES: &str = "strikes";
/// Values that topics keep for late subscribers.
const RETAINED: &str = "retained";
/// A value may change ten times a second, and disks of small machines wear out.
const RETAINED_EVERY_MS: u64 = 5_000;
/// Journals are kept for days; to look for old ones takes a list of all.
const TIDY_EVERY_MS: i64 = 3_600_000;
const STRIKES_MAX: u32 = 2;

const STOPPED: &str = "This session was stopped: the server ended twice while it ran it.\n\nWhoever runs the server finds it with \
    `lunette sessions`, and can look at it (lunette replay, lunette inspect) or remove it (lunette sessions drop).";

/// A session of an earlier process.
#[derive(Debug)]
pub struct Left {
    pub sid: String,
    pub number: SessionId,
    /// Whose it is; empty: nobody logged in.
    pub owner: String,
    /// What it waits for, if it slept when its process ended.
    pub waits_for: Option<Dormant>,
    /// When it last did something, in milliseconds since 1970-01-01 UTC.
    pub modified: i64,
}

/// One that must not run any more.
#[derive(Debug)]
pub struct Stopped {
    pub sid: String,
    pub owner: String,
    pub reason: &'static str,
}

/// What earlier processes left behind.
#[derive(Debug, Default)]
pub struct LeftBehind {
    pub live: Vec<Left>,
    /// Those whose journals cannot be read at all.
    pub unreadable: Vec<String>,
    /// Those that must not run any more.
    pub stopped: Vec<Stopped>,
}

/// See the module's description.
#[derive(Debug)]
pub struct Keeper {
    pub store: Rc<Store>,
    pub recover: Recover,
    pub hibernate_after_ms: u64,
    pub memory: u64,
    sleepers: Sleepers,
    /// `None`: the disk is not this machine's.
    inflight: Option<Inflight>,
    /// Whose event ran when the process before this one ended.
    before: Option<SessionId>,
    strikes: BTreeMap<String, u32>,
    /// When that was done last, by the wall clock.
    tidied: Option<i64>,
    retained_changes: u64,
    /// Not before then.
    retained_at: Timestamp,
}

impl Keeper {
    /// Opens the state directory on this disk; `inflight`: where the in-flight cell is, if there is one.
    ///
    /// # Errors
    /// When another server has it, or the disk says no.
    pub fn open(
        config: &StateConfig,
        disk: Rc<dyn Disk>,
        inflight: Option<&Path>,
    ) -> Result<Keeper, StoreError> {
        let policy = Policy {
            durability: config.durability,
            max_session: config.max_session,
            flush_ms: config.flush_ms,
        };
        let rules = Rules {
            policy,
            keep_ms: config.keep_ms,
            max_total: config.max_total,
        };
        let store = Store::open(disk, &config.dir, rules)?;
        let (inflight, before) = match inflight {
            Some(path) => {
                let opened = Inflight::open(path).map_err(|source| StoreError::Io {
                    path: path.into(),
                    source,
                })?;
                (Some(opened.0), opened.1)
            }
            None => (None, None),
        };
        let strikes = store.archive().get(STRIKES)?.unwrap_or_default();
        let store = Rc::new(store);
        Ok(Keeper {
            sleepers: Sleepers::open(&store)?,
            store,
            recover: config.recover,
            hibernate_after_ms: config.hibernate_after_ms,
            memory: config.memory,
            inflight,
            before,
            strikes: parse_strikes(&strikes),
            tidied: None,
            retained_changes: 0,
            retained_at: 0,
        })
    }

    /// What must be added to a clock that says `turn` so that time goes on for sessions of before.
    ///
    /// # Errors
    /// When the disk says no.
    pub fn epoch(&self, turn: Turn) -> Result<Timestamp, StoreError> {
        let stored = self.store.archive().get(CLOCK)?.unwrap_or_default();
        let stored = String::from_utf8_lossy(&stored).into_owned();
        let mut numbers = stored.split_whitespace().map(str::parse::<i64>);
        let (now, wall) = match (numbers.next(), numbers.next()) {
            (Some(Ok(now)), Some(Ok(wall))) => (now, wall),
            _ => (0, turn.wall),
        };
        let gone = turn.wall.saturating_sub(wall).max(0);
        let epoch = now.saturating_add(gone).max(0) as u64;
        self.store
            .put(CLOCK, format!("{epoch} {}\n", turn.wall).as_bytes())?;
        Ok(epoch)
    }

    /// The sessions that are here, and what becomes of each.
    ///
    /// # Errors
    /// When the directory cannot be read or changed.
    pub fn left_behind(&mut self, log: &Logger) -> Result<LeftBehind, StoreError> {
        let mut left = LeftBehind::default();
        for listed in self.store.archive().sessions()? {
            match (listed.standing, listed.header) {
                (Standing::Live, _) if self.recover == Recover::None => {
                    self.store.remove(&listed.sid)?;
                }
                (Standing::Live, Ok(header)) => {
                    let number = header.session;
                    if self.before == Some(number) && self.strike(&listed.sid)? {
                        log.session(
                            0,
                            number,
                            format_args!("stopped: the server ended twice while it ran it"),
                        );
                        self.store.set_aside(&listed.sid, Standing::Quarantined)?;
                        left.stopped.push(Stopped {
                            sid: listed.sid,
                            owner: header.owner,
                            reason: STOPPED,
                        });
                        continue;
                    }
                    left.live.push(Left {
                        sid: listed.sid,
                        number,
                        owner: header.owner,
                        waits_for: self.sleepers.of(number, listed.bytes).cloned(),
                        modified: listed.modified,
                    });
                }
                // It was just being made: nobody has seen it.
                (Standing::Live, Err(JournalError::NoHeader)) => {
                    self.store.remove(&listed.sid)?;
                }
                (Standing::Live, Err(error)) => {
                    log.line(
                        0,
                        format_args!("a session is lost, its journal is set aside: {error}"),
                    );
                    self.store.set_aside(&listed.sid, Standing::Lost)?;
                    left.unreadable.push(listed.sid);
                }
                (Standing::Quarantined, header) => left.stopped.push(Stopped {
                    sid: listed.sid,
                    owner: header.map(|header| header.owner).unwrap_or_default(),
                    reason: STOPPED,
                }),
                (Standing::Ended | Standing::Lost, _) => {}
            }
        }
        left.live.sort_unstable_by_key(|left| left.number);
        Ok(left)
    }

    /// Sessions of before are known: only of those that sleep it is kept what they wait for.
    ///
    /// # Errors
    /// When the disk says no.
    pub fn settle_sleepers(
        &mut self,
        sleeps: impl Fn(SessionId) -> bool,
    ) -> Result<(), StoreError> {
        self.sleepers.settle(sleeps)
    }

    /// A session falls asleep, and all of its journal is written; `sleeps` tells who else does.
    ///
    /// # Errors
    /// When the disk says no: it will be run again when the server is started next.
    pub fn note_sleeper(
        &mut self,
        session: SessionId,
        sid: &str,
        waits_for: Dormant,
        sleeps: impl Fn(SessionId) -> bool,
    ) -> Result<(), StoreError> {
        let bytes = self.store.archive().bytes(sid)?;
        self.sleepers.note(session, bytes, waits_for, sleeps)
    }

    /// How many events the journal of a session has; `None`: it has none that is gone on with.
    pub fn extent(&self, sid: &str) -> Option<Extent> {
        let archive = self.store.archive();
        let checkpoint = self.checkpoint(sid).ok().flatten();
        let behind =
            checkpoint.and_then(|checkpoint| archive.read_behind(sid, &checkpoint.mark).ok());
        let reader = match behind {
            Some(reader) => reader,
            None => archive.read(sid).ok()?,
        };
        let whole = reader.start().sequence + reader.events();
        let begun = whole + u64::from(reader.interrupted().is_some());
        Some(Extent { whole, begun })
    }

    /// Removes what has been kept for long enough, if that was not done within the last hour; `wall` is now.
    ///
    /// # Errors
    /// When the disk says no.
    pub fn tidy(&mut self, wall: i64) -> Result<(), StoreError> {
        if self
            .tidied
            .is_some_and(|at| wall < at.saturating_add(TIDY_EVERY_MS))
        {
            return Ok(());
        }
        self.tidied = Some(wall);
        self.store.expire(wall)?;
        self.store.collect().map(|_| ())
    }

    /// What was last frozen of a session, if anything.
    ///
    /// # Errors
    /// When it cannot be read, in words for the log.
    pub fn checkpoint(&self, sid: &str) -> Result<Option<Checkpoint>, String> {
        let stored = self.store.checkpoint(sid, u64::MAX);
        match stored.map_err(|error| error.to_string())? {
            Some(bytes) => match Checkpoint::from_bytes(&bytes) {
                None => Err("it is damaged, or of another version".into()),
                checkpoint => Ok(checkpoint),
            },
            None => Ok(None),
        }
    }

    /// What that claims, without a look at the rest of it; `None` also when it cannot be read.
    pub fn claim(&self, sid: &str) -> Option<Vec<u8>> {
        let beginning = self.store.checkpoint(sid, HEAD_MAX);
        claim_of(&beginning.ok()??).map(Into::into)
    }

    /// Drops what was frozen of a session; returns what it claimed.
    pub fn drop_checkpoint(&self, sid: &str) -> Option<Vec<u8>> {
        let claim = self.claim(sid);
        // One that stays is found when the server is started next.
        let _ = self.store.drop_checkpoint(sid);
        claim
    }

    /// Values that topics keep for late subscribers, as they were stored last.
    pub fn retained(&self) -> Vec<(String, String)> {
        let stored = self.store.archive().get(RETAINED).ok().flatten();
        let read = stored.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        read.unwrap_or_default()
    }

    /// When they are to be stored, if they have changed since; `changes` counts that.
    pub fn retained_due(&self, changes: u64) -> Option<Timestamp> {
        (changes != self.retained_changes).then_some(self.retained_at)
    }

    /// Stores them, if it is time: they belong to no session, and so to no journal.
    ///
    /// # Errors
    /// When the disk says no.
    pub fn put_retained<'a>(
        &mut self,
        changes: u64,
        values: impl Iterator<Item = (&'a str, &'a str)>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        if self.retained_due(changes).is_none_or(|at| at > now) {
            return Ok(());
        }
        self.retained_changes = changes;
        self.retained_at = now.saturating_add(RETAINED_EVERY_MS);
        let values: Vec<_> = values.collect();
        let bytes = serde_json::to_vec(&values).unwrap_or_default();
        self.store.put(RETAINED, &bytes)
    }

    /// The process ended in an event of this session. Returns whether that was once too often.
    fn strike(&mut self, sid: &str) -> Result<bool, StoreError> {
        let strikes = self.strikes.entry(sid.to_owned()).or_default();
        *strikes += 1;
        let too_often = *strikes >= STRIKES_MAX;
        if too_often {
            self.strikes.remove(sid);
        }
        self.put_strikes()?;
        Ok(too_often)
    }

    /// An event of this session has come to its end: what happened before was not its fault.
    pub fn acquit(&mut self, sid: &str) {
        if self.strikes.remove(sid).is_some() {
            // If that cannot be written, it is struck once more than it should be.
            let _ = self.put_strikes();
        }
    }

    /// Whether any session is suspected.
    pub fn suspects(&self) -> bool {
        !self.strikes.is_empty()
    }

    fn put_strikes(&self) -> Result<(), StoreError> {
        let lines = self.strikes.iter().map(|(sid, n)| format!("{sid} {n}\n"));
        self.store
            .put(STRIKES, lines.collect::<String>().as_bytes())
    }

    /// An event of this session begins to run.
    pub fn begin_event(&mut self, session: SessionId) {
        if let Some(inflight) = &mut self.inflight {
            inflight.begin(session);
        }
    }

    /// It has come to its end.
    pub fn end_event(&mut self) {
        if let Some(inflight) = &mut self.inflight {
            inflight.end();
        }
    }
}

fn parse_strikes(bytes: &[u8]) -> BTreeMap<String, u32> {
    let text = String::from_utf8_lossy(bytes);
    let lines = text.lines().filter_map(|line| line.split_once(' '));
    gather(lines.filter_map(|(sid, count)| Some((sid.to_owned(), count.parse().ok()?))))
}
