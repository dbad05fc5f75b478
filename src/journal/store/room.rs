//! Room: what goes when the journals and checkpoints of a directory have grown beyond what they may take together,
//! so that who filled it is the one who loses by that.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use super::super::disk::Entry;
use super::archive::{STANDINGS, is_sid};
use super::{SESSIONS, Standing, Store, StoreError, VALUES};
use crate::core::gather::gather;

/// What a session's checkpoint ends in, among values.
const CHECKPOINT: &str = ".checkpoint";
/// The part of the whole that is made free at once: to look through a large directory takes a while.
const SPARE: u64 = 16;

/// What the directory has of one session.
struct Held {
    sid: String,
    standing: Standing,
    bytes: u64,
    modified: i64,
}

/// The sessions of one user, or one that is nobody's.
#[derive(Default)]
struct Share {
    bytes: u64,
    /// The largest is at the end.
    sessions: Vec<Held>,
}

impl Store {
    /// Whether journals and checkpoints take more than they may: [`Store::make_room`] is due.
    pub fn is_full(&self) -> bool {
        self.total() > self.full_at.get()
    }

    /// Removes journals until there is room for a while: those that nobody goes on with, ended before lost and the
    /// oldest first; then, of the user who has most, the largest. A session that is nobody's counts for itself.
    /// Returns the sessions that live and have no journal any more: what was frozen of them is to be dropped, too.
    ///
    /// # Errors
    /// When the disk says no.
    pub fn make_room(&self) -> Result<Vec<String>, StoreError> {
        let most = self.rules.max_total;
        let mut given_up = Vec::new();
        let made = self.make_room_below(most - most / SPARE, &mut given_up);
        let left = *made.as_ref().unwrap_or(&self.total());
        // What cannot be removed is not looked for again at every write.
        let full_at = match left > most {
            true => left.saturating_add(most / SPARE),
            false => most,
        };
        self.full_at.set(full_at);
        made.map(|_| given_up)
    }

    /// Returns how much is left when the checkpoints of those that were given up are dropped.
    fn make_room_below(&self, room: u64, given_up: &mut Vec<String>) -> Result<u64, StoreError> {
        self.files.settle_all();
        let (live, mut over): (Vec<Held>, Vec<Held>) = self
            .held()?
            .into_iter()
            .filter(|held| held.standing != Standing::Quarantined)
            .partition(|held| held.standing == Standing::Live);
        over.sort_unstable_by(|a, b| {
            (a.standing, a.modified, &a.sid).cmp(&(b.standing, b.modified, &b.sid))
        });
        for held in over {
            if self.total() <= room {
                break;
            }
            self.remove(&held.sid)?;
        }
        let mut left = self.total();
        if left <= room {
            return Ok(left);
        }
        let mut shares = self.shares(live);
        let by_size = |name: &String, share: &Share| (share.bytes, Reverse(name.clone()));
        let mut order: BinaryHeap<_> = shares.iter().map(|(n, s)| by_size(n, s)).collect();
        while left > room
            && let Some((_, Reverse(name))) = order.pop()
        {
            let Some(share) = shares.get_mut(&name) else {
                continue;
            };
            if let Some(largest) = share.sessions.pop() {
                share.bytes = share.bytes.saturating_sub(largest.bytes);
                order.push(by_size(&name, share));
                self.remove(&largest.sid)?;
                left = left.saturating_sub(largest.bytes);
                given_up.push(largest.sid);
            }
        }
        Ok(left)
    }

    fn shares(&self, live: Vec<Held>) -> BTreeMap<String, Share> {
        let mut shares: BTreeMap<String, Share> = BTreeMap::new();
        for held in live {
            let path = self.archive.path(&held.sid, held.standing);
            let owner = self.archive.raw_header(&path).map(|raw| raw.header.owner);
            // A name cannot have this sign, so that nobody's session is no user's.
            let name = match owner {
                Ok(owner) if !owner.is_empty() => owner,
                _ => format!(":{}", held.sid),
            };
            let share = shares.entry(name).or_default();
            share.bytes += held.bytes;
            share.sessions.push(held);
        }
        for share in shares.values_mut() {
            share
                .sessions
                .sort_unstable_by(|a, b| (a.bytes, &b.sid).cmp(&(b.bytes, &a.sid)));
        }
        shares
    }

    /// Counts what is there.
    pub(super) fn count(&self) -> Result<(), StoreError> {
        self.held().map(|_| ())
    }

    /// What is there, with checkpoints; those of sessions that do not live go at once. Counts all of it anew.
    fn held(&self) -> Result<Vec<Held>, StoreError> {
        let mut held: Vec<Held> = self
            .list(SESSIONS)?
            .into_iter()
            .filter_map(held_by)
            .collect();
        let live = |held: &&Held| held.standing == Standing::Live;
        let live: BTreeSet<String> = gather(held.iter().filter(live).map(|h| h.sid.clone()));
        let mut checkpoints: BTreeMap<String, u64> = BTreeMap::new();
        for entry in self.list(VALUES)? {
            match entry.name.strip_suffix(CHECKPOINT) {
                Some(sid) if live.contains(sid) => {
                    checkpoints.insert(sid.to_owned(), entry.bytes);
                }
                Some(_) => self.drop_value(&entry.name)?,
                None => {}
            }
        }
        for held in held.iter_mut().filter(|h| h.standing == Standing::Live) {
            held.bytes += checkpoints.get(&held.sid).unwrap_or(&0);
        }
        self.files
            .set_total(held.iter().map(|held| held.bytes).sum());
        Ok(held)
    }

    fn list(&self, dir: &str) -> Result<Vec<Entry>, StoreError> {
        let dir = self.archive.dir.join(dir);
        self.disk().list(&dir).map_err(StoreError::io(&dir))
    }

    /// Keeps what was frozen of a session in place of what was before.
    ///
    /// # Errors
    /// When there is no room for it, or the disk says no; what was there is there, then.
    pub fn put_checkpoint(&self, sid: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let others = self.total().saturating_sub(self.checkpoint_bytes(sid));
        let total = others + bytes.len() as u64;
        if total > self.rules.max_total {
            let bytes = bytes.len() as u64;
            return Err(StoreError::NoRoom { bytes });
        }
        self.put(&checkpoint_name(sid), bytes)?;
        self.files.set_total(total);
        Ok(())
    }

    /// What was frozen of a session last: its first `most` bytes.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn checkpoint(&self, sid: &str, most: u64) -> Result<Option<Vec<u8>>, StoreError> {
        self.archive.get_beginning(&checkpoint_name(sid), most)
    }

    /// Drops what was frozen of a session, if anything was.
    ///
    /// # Errors
    /// When the disk says no.
    pub fn drop_checkpoint(&self, sid: &str) -> Result<(), StoreError> {
        let bytes = self.checkpoint_bytes(sid);
        self.drop_value(&checkpoint_name(sid))?;
        self.files.set_total(self.total().saturating_sub(bytes));
        Ok(())
    }

    fn checkpoint_bytes(&self, sid: &str) -> u64 {
        let path = self.archive.dir.join(VALUES).join(checkpoint_name(sid));
        self.disk().length(&path).unwrap_or(0)
    }
}

fn held_by(entry: Entry) -> Option<Held> {
    let (sid, ending) = entry.name.split_once('.')?;
    let (standing, _) = STANDINGS.iter().find(|(_, name)| *name == ending)?;
    is_sid(sid).then(|| Held {
        sid: sid.to_owned(),
        standing: *standing,
        bytes: entry.bytes,
        modified: entry.modified,
    })
}

fn checkpoint_name(sid: &str) -> String {
    format!("{sid}{CHECKPOINT}")
}
