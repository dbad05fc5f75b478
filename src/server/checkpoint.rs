//! Checkpoints: a session as it was behind so many events of its journal, so that to wake it takes no longer
//! the older it is. What was frozen is thawed, and what the journal has behind it is run again.
//!
//! They are a shortcut and nothing else: a session that has none, or one that is of another build, is run
//! again from the beginning.
//!
//! ```text
//! checkpoint = head body     integers are little-endian, bytes and mark as in journals
//! head       = check(u32: CRC32C of claim) claim(bytes)
//! body       = check(u32: CRC32C of what follows) mark site(32 bytes) links(bytes) frozen(bytes)
//! ```
//!
//! Of the checkpoints that an earlier process left, a server reads the heads when it starts, and each body when
//! its session is woken: only then it is known to be whole.

use super::Server;
use super::world::World;
use crate::core::code::{Decoder, push_bytes};
use crate::core::id::SessionId;
use crate::core::script::Runtime;
use crate::core::site::Site;
use crate::core::upload::Sha256;
use crate::journal::Mark;

/// How far a session shall come before its next checkpoint: about 20 ms of work, by events and by gas.
const FAR_EVENTS: u64 = 2_000;
const FAR_GAS: u64 = 4_000_000;
/// Bytes of checkpoints that a session writes in a second: disks of small machines wear out.
const BYTES_PER_SECOND: u64 = 16 << 10;
/// So many times as far a disk is spared, and no farther: what has to be run again takes less than a tenth of a
/// second then, however much happens at once.
const SPARED_MAX: u64 = 4;
/// Events that are worth writing one for when a session goes to sleep.
const EVENTS_MIN: u64 = 100;

const CHECK_LEN: usize = size_of::<u32>();
/// Bytes within which a head ends: claims are much shorter.
pub const HEAD_MAX: u64 = 512;

/// See the module's description.
#[derive(Debug)]
pub struct Checkpoint {
    /// What it needs of the process that is to thaw it.
    pub claim: Vec<u8>,
    pub mark: Mark,
    /// The [`Site::check`] of the site that the session had.
    pub site: Sha256,
    /// What `Links::write` wrote of its views.
    pub links: Vec<u8>,
    /// What the manager froze.
    pub frozen: Vec<u8>,
}

impl Checkpoint {
    /// As it is stored.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.frozen.len() + self.links.len() + HEAD_MAX as usize);
        push_checked(&mut out, |out| push_bytes(out, &self.claim));
        push_checked(&mut out, |out| {
            self.mark.push(out);
            out.extend_from_slice(&self.site);
            push_bytes(out, &self.links);
            push_bytes(out, &self.frozen);
        });
        out
    }

    /// What [`Checkpoint::to_bytes`] made; `None`: it is something else.
    pub fn from_bytes(bytes: &[u8]) -> Option<Checkpoint> {
        let (claim, rest) = split_head(bytes)?;
        let (check, body) = rest.split_first_chunk()?;
        if crc32c::crc32c(body).to_le_bytes() != *check {
            return None;
        }
        let mut from = Decoder::new(body);
        Some(Checkpoint {
            claim: claim.to_vec(),
            mark: Mark::read(&mut from)?,
            site: from.take(size_of::<Sha256>())?.try_into().ok()?,
            links: from.bytes()?.to_vec(),
            frozen: from.bytes()?.to_vec(),
        })
    }
}

/// Appends what `push` does, and in front of it its checksum.
fn push_checked(out: &mut Vec<u8>, push: impl FnOnce(&mut Vec<u8>)) {
    let at = out.len();
    out.extend_from_slice(&[0; CHECK_LEN]);
    push(out);
    let check = crc32c::crc32c(&out[at + CHECK_LEN..]);
    out[at..at + CHECK_LEN].copy_from_slice(&check.to_le_bytes());
}

/// The claim of a checkpoint of which at least the first [`HEAD_MAX`] bytes are here; `None`: it is damaged, or
/// something else.
pub fn claim_of(beginning: &[u8]) -> Option<&[u8]> {
    split_head(beginning).map(|(claim, _)| claim)
}

/// The claim, and what stands behind the head.
fn split_head(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (check, rest) = bytes.split_first_chunk()?;
    let mut from = Decoder::new(rest);
    let claim = from.bytes()?;
    let behind = from.rest();
    let head = &rest[..rest.len() - behind.len()];
    (crc32c::crc32c(head).to_le_bytes() == *check).then_some((claim, behind))
}

/// What was last written of a session that is in memory.
#[derive(Clone, Copy, Debug, Default)]
pub struct Progress {
    events: u64,
    gas: u64,
    /// Until then the disk is to be spared.
    next_at: u64,
}

impl<R: Runtime + Clone, W: World> Server<R, W> {
    /// Writes a checkpoint of a session that has come far since the last. Between two turns: of what happens
    /// within one, nothing is in a journal before this follows.
    pub(super) fn checkpoint_if_far(&mut self, session: SessionId) {
        // What its links have received has not taken effect then.
        if self.keeper.is_none() || self.inbox.waits(session) {
            return;
        }
        let (events, gas) = self.how_far(session);
        let before = self.progress.get(&session).copied().unwrap_or_default();
        let far = |times| {
            events >= before.events + times * FAR_EVENTS || gas >= before.gas + times * FAR_GAS
        };
        let spared = self.turn.now < before.next_at;
        if far(if spared { SPARED_MAX } else { 1 }) {
            self.checkpoint(session);
        }
    }

    /// Writes one before the session goes to sleep, if there is something to be saved by that.
    pub(super) fn checkpoint_for_sleep(&mut self, session: SessionId) {
        if self.inbox.waits(session) {
            return;
        }
        let (events, gas) = self.how_far(session);
        let before = self.progress.get(&session).copied().unwrap_or_default();
        if events >= before.events + EVENTS_MIN || gas >= before.gas + FAR_GAS / 4 {
            self.checkpoint(session);
        }
    }

    /// A session was woken by a checkpoint of this place, at which it had used so much gas: it needs another
    /// one only when it has come far from there.
    pub(super) fn have_checkpoint(&mut self, session: SessionId, mark: &Mark, gas: u64) {
        let progress = Progress {
            events: mark.sequence,
            gas,
            next_at: self.turn.now,
        };
        self.progress.insert(session, progress);
    }

    fn how_far(&self, session: SessionId) -> (u64, u64) {
        let gas = self.core.session(session).map_or(0, |of| of.gas_used());
        (self.recordings.borrow().events(session), gas)
    }

    fn checkpoint(&mut self, session: SessionId) {
        let (events, gas) = self.how_far(session);
        let written = self.write_checkpoint(session);
        let bytes = match written {
            Ok(bytes) => bytes,
            Err(why) => {
                self.log
                    .session(1, session, format_args!("no checkpoint: {why}"));
                // What could not be carried now may be gone later.
                0
            }
        };
        let wait = 1_000 * (bytes / BYTES_PER_SECOND).max(1);
        let next_at = self.turn.now + wait;
        self.progress.insert(
            session,
            Progress {
                events,
                gas,
                next_at,
            },
        );
    }

    fn write_checkpoint(&mut self, session: SessionId) -> Result<u64, String> {
        let (Some(keeper), Some(sid)) = (&self.keeper, self.sessions.sid(session)) else {
            return Err("it has no journal".into());
        };
        let Some(mark) = self.recordings.borrow_mut().mark(session) else {
            return Err("its journal has stopped".into());
        };
        let frozen = self.core.freeze(session)?;
        let claim = self.core.claim(session).unwrap_or_default();
        let mut links = Vec::new();
        self.links.write(session, &mut links);
        let site = self.core.session(session).map(|of| &of.host().site);
        let checkpoint = Checkpoint {
            claim,
            mark,
            site: site.map(Site::check).copied().unwrap_or_default(),
            links,
            frozen,
        };
        let bytes = checkpoint.to_bytes();
        keeper
            .store
            .put_checkpoint(&sid.to_string(), &bytes)
            .map_err(|error| error.to_string())?;
        Ok(bytes.len() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_is_read_back_and_nothing_else_is() {
        let checkpoint = Checkpoint {
            claim: vec![5; 40],
            mark: Mark::default(),
            site: [7; 32],
            links: vec![1, 2, 3],
            frozen: vec![4; 300],
        };
        let bytes = checkpoint.to_bytes();
        let read = Checkpoint::from_bytes(&bytes).unwrap();
        assert_eq!((read.claim, read.site), (checkpoint.claim, checkpoint.site));
        assert_eq!(
            (read.links, read.frozen),
            (checkpoint.links, checkpoint.frozen)
        );
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            assert!(Checkpoint::from_bytes(&damaged).is_none(), "byte {at}");
            assert!(Checkpoint::from_bytes(&bytes[..at]).is_none());
        }
    }

    #[test]
    fn the_head_is_read_without_the_rest_and_tells_when_it_is_damaged() {
        let checkpoint = Checkpoint {
            claim: vec![5; 40],
            mark: Mark::default(),
            site: [7; 32],
            links: Vec::new(),
            frozen: vec![4; 3_000],
        };
        let mut bytes = checkpoint.to_bytes();
        bytes.truncate(HEAD_MAX as usize);
        assert_eq!(claim_of(&bytes), Some(&checkpoint.claim[..]));
        let head = CHECK_LEN + 1 + checkpoint.claim.len();
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            assert_eq!(claim_of(&damaged).is_some(), at >= head, "byte {at}");
            assert_eq!(claim_of(&bytes[..at]).is_some(), at >= head, "cut at {at}");
        }
    }
}
