//! Sleepers: what wakes the sessions that sleep, written down when they fall asleep, so that the next process
//! wakes them for the same.
//!
//! What a session waits for follows from its journal, and so a note is true for as long as the journal has the
//! length that it had then: nothing is written when a session wakes or goes on. Who has no such note was awake when
//! its process ended: the next one runs it again in the background, and no more of them than were in memory
//! before. To note at every event what a session waits for would cost all of them a write for what is read once.

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::core::code::{Decoder, push_bytes, push_varint};
use crate::core::gather::gather;
use crate::core::id::SessionId;
use crate::core::manager::Dormant;
use crate::journal::{Ledger, Store, StoreError};

const NAME: &str = "sleepers";
/// A file that has more is written anew when most of it is of sessions that fell asleep again since.
const BYTES_KEPT: u64 = 1 << 20;

/// See the module's description.
#[derive(Debug)]
pub struct Sleepers {
    ledger: Ledger,
    /// What was noted before this process, until that has been asked for.
    before: BTreeMap<SessionId, Note>,
}

#[derive(Debug)]
struct Note {
    session: SessionId,
    /// Of its journal.
    bytes: u64,
    waits_for: Dormant,
}

impl Note {
    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let Dormant { due, ends, topics } = &self.waits_for;
        push_varint(&mut out, self.session.0);
        push_varint(&mut out, self.bytes);
        push_varint(&mut out, u64::from(*ends));
        push_varint(&mut out, due.map_or(0, |due| due + 1));
        for topic in topics.iter().flatten() {
            push_bytes(&mut out, topic.as_bytes());
        }
        out
    }

    fn decode(bytes: &[u8]) -> Option<Note> {
        let mut from = Decoder::new(bytes);
        let (session, bytes) = (SessionId(from.varint()?), from.varint()?);
        let (ends, due) = (from.flag()?, from.varint()?.checked_sub(1));
        let mut topics = Vec::new();
        while !from.is_empty() {
            topics.push(from.text()?.into());
        }
        let topics = Some(topics);
        let waits_for = Dormant { due, ends, topics };
        Some(Note {
            session,
            bytes,
            waits_for,
        })
    }
}

impl Sleepers {
    /// Reads what earlier processes noted.
    ///
    /// # Errors
    /// When the disk says no.
    pub fn open(store: &Rc<Store>) -> Result<Sleepers, StoreError> {
        let (ledger, entries) = Ledger::open(store, NAME)?;
        let notes = entries.iter().filter_map(|entry| Note::decode(entry));
        // The last one of a session is the one that counts.
        let before = gather(notes.map(|note| (note.session, note)));
        Ok(Sleepers { ledger, before })
    }

    /// What was noted of a session whose journal has so many bytes now; `None`: it was awake.
    pub fn of(&self, session: SessionId, bytes: u64) -> Option<&Dormant> {
        let note = self.before.get(&session)?;
        (note.bytes == bytes).then_some(&note.waits_for)
    }

    /// All has been asked for. Notes of those who sleep stay.
    ///
    /// # Errors
    /// When the disk says no.
    pub fn settle(&mut self, sleeps: impl Fn(SessionId) -> bool) -> Result<(), StoreError> {
        let before = std::mem::take(&mut self.before);
        self.keep(before, sleeps)
    }

    /// Notes what a session waits for that falls asleep with a journal of so many bytes; `sleeps` tells who else does.
    ///
    /// # Errors
    /// When the disk says no: it will be run again when the server is started next.
    pub fn note(
        &mut self,
        session: SessionId,
        bytes: u64,
        waits_for: Dormant,
        sleeps: impl Fn(SessionId) -> bool,
    ) -> Result<(), StoreError> {
        let note = Note {
            session,
            bytes,
            waits_for,
        };
        self.ledger.append(&note.encode())?;
        if !self.ledger.has_outgrown(BYTES_KEPT) {
            return Ok(());
        }
        let notes = self.ledger.entries()?;
        let notes = notes.iter().filter_map(|entry| Note::decode(entry));
        let notes = gather(notes.map(|note| (note.session, note)));
        self.keep(notes, sleeps)
    }

    fn keep(
        &mut self,
        notes: BTreeMap<SessionId, Note>,
        sleeps: impl Fn(SessionId) -> bool,
    ) -> Result<(), StoreError> {
        let kept = notes.into_values().filter(|note| sleeps(note.session));
        let kept: Vec<Vec<u8>> = kept.map(|note| note.encode()).collect();
        self.ledger.replace(kept.iter().map(Vec::as_slice))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::journal::{RealDisk, Rules};

    #[test]
    fn what_is_noted_is_read_back() {
        for (due, ends, topics) in [
            (None, false, vec![]),
            (Some(0), true, vec!["a".into(), "".into()]),
            (Some(u64::MAX - 1), false, vec!["Zoë".into()]),
        ] {
            let topics = Some(topics);
            let note = Note {
                session: SessionId(7),
                bytes: 1 << 40,
                waits_for: Dormant { due, ends, topics },
            };
            let read = Note::decode(&note.encode()).expect("a note");
            assert_eq!((read.session, read.bytes), (note.session, note.bytes));
            assert_eq!(read.waits_for, note.waits_for);
        }
    }

    #[test]
    fn the_last_note_counts_as_long_as_the_journal_has_its_length_and_old_ones_go() {
        let dir = std::env::temp_dir().join(format!("lunette-sleepers-{}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        let open = || {
            let store = Store::open(Rc::new(RealDisk), &dir, Rules::default()).unwrap();
            Sleepers::open(&Rc::new(store)).unwrap()
        };
        let mut sleepers = open();
        for bytes in 0..20_000 {
            let waits_for = Dormant {
                due: Some(bytes),
                ends: false,
                topics: Some(vec!["a topic that many wait for, with a long name".into()]),
            };
            let session = SessionId(bytes % 3);
            let note = sleepers.note(session, bytes, waits_for, |s| s != SessionId(2));
            note.unwrap();
        }
        drop(sleepers);
        let length = fs::metadata(dir.join("values/sleepers")).unwrap().len();
        assert!(length < 1 << 20, "{length} bytes");
        let sleepers = open();
        let due = |session, bytes| sleepers.of(SessionId(session), bytes)?.due;
        assert_eq!(due(0, 19_998), Some(19_998));
        assert_eq!(due(1, 19_999), Some(19_999));
        assert_eq!(due(1, 19_996), None, "it was awake since");
        assert_eq!(due(3, 0), None);
        fs::remove_dir_all(&dir).unwrap();
    }
}
