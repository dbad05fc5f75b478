//! Mail: published messages on their way from one session to others, so that the end of the process neither
//! loses nor doubles any.
//!
//! A message is posted in one turn and handed over in a later one, and each is in the journal of the one session
//! only. What is on its way is written here, always before the journals of the turn: that a message was
//! posted, with the event of its sender in which it was, and that it was handed over, with the event of its
//! receiver that it became. What is written here and not in the journal did not happen. Only in the last turn
//! the two may differ, so that only then a journal is asked.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use crate::core::code::{Decoder, push_bytes, push_varint};
use crate::core::id::SessionId;
use crate::core::topic::Message;
use crate::journal::{Ledger, Store, StoreError};

const NAME: &str = "mail";
/// A file that has more is written anew when most of it has arrived.
const BYTES_KEPT: u64 = 256 << 10;

/// Things that stand in an entry, behind the number of its turn.
const POSTED: u8 = 1;
const HANDED: u8 = 2;

/// How many events a journal has.
#[derive(Clone, Copy, Debug)]
pub struct Extent {
    /// Those that have led to all they will.
    pub whole: u64,
    /// With one that was interrupted.
    pub begun: u64,
}

/// See the module's description.
#[derive(Debug)]
pub struct Mail {
    ledger: Ledger,
    /// What an earlier process left.
    before: Vec<Vec<u8>>,
    turn: u64,
    /// What this turn brought and is not written.
    items: Vec<u8>,
    has_written: bool,
    /// The number of the message that was posted last.
    last: u64,
}

/// A message that was posted.
#[derive(Debug)]
struct Letter {
    message: Message,
    from: SessionId,
    /// The sender's event.
    event: u64,
    to: BTreeSet<SessionId>,
}

impl Mail {
    /// Reads what is there.
    ///
    /// # Errors
    /// When the disk says no.
    pub fn open(store: &Rc<Store>) -> Result<Mail, StoreError> {
        let (ledger, before) = Ledger::open(store, NAME)?;
        Ok(Mail {
            ledger,
            before,
            turn: 1,
            items: Vec::new(),
            has_written: false,
            last: 0,
        })
    }

    /// What was on its way when the process before this one ended; `extent` tells how far the journal of a session
    /// goes, if there is one.
    ///
    /// # Errors
    /// When the disk says no.
    pub fn left_behind(
        &mut self,
        mut extent: impl FnMut(SessionId) -> Option<Extent>,
    ) -> Result<Vec<(SessionId, Message)>, StoreError> {
        let before = std::mem::take(&mut self.before);
        let turn_of = |entry: &Vec<u8>| Decoder::new(entry).varint().unwrap_or(0);
        let last_turn = before.last().map_or(0, turn_of);
        let mut letters = BTreeMap::new();
        for entry in &before {
            let is_sure = turn_of(entry) < last_turn;
            let mut from = Decoder::new(entry);
            from.varint();
            while let Some(item) = read_item(&mut from) {
                match item {
                    Item::Posted(letter) => {
                        let whole = extent(letter.from).map_or(u64::MAX, |extent| extent.whole);
                        if is_sure || letter.event <= whole {
                            letters.insert(letter.message.number, letter);
                        }
                    }
                    Item::Handed { number, to, event } => {
                        let mut has_it = || extent(to).is_some_and(|extent| event <= extent.begun);
                        if let Some(letter) = letters.get_mut(&number)
                            && (is_sure || has_it())
                        {
                            letter.to.remove(&to);
                        }
                    }
                }
            }
        }
        let each = letters.into_values().flat_map(|letter| {
            let Letter { message, to, .. } = letter;
            to.into_iter().map(move |to| (to, message.clone()))
        });
        let left: Vec<_> = each.collect();
        if !before.is_empty() {
            self.write_anew(left.iter())?;
        }
        Ok(left)
    }

    /// The number of the message that was posted last.
    pub fn last(&self) -> u64 {
        self.last
    }

    /// A session has published these in this event of its; `last` is the highest number there is.
    pub fn post<'m>(
        &mut self,
        from: SessionId,
        event: u64,
        messages: impl Iterator<Item = &'m (SessionId, Message)>,
        last: u64,
    ) {
        self.last = last;
        push_letters(from, event, messages, &mut self.items);
    }

    /// A message becomes this event of a session; 0: none.
    pub fn hand_over(&mut self, number: u64, to: SessionId, event: u64) {
        self.items.push(HANDED);
        for number in [number, to.0, event] {
            push_varint(&mut self.items, number);
        }
    }

    /// Writes what there is to write. Must come before any journal is written to.
    ///
    /// # Errors
    /// Once, when the disk says no.
    pub fn write(&mut self) -> Result<(), StoreError> {
        if self.items.is_empty() {
            return Ok(());
        }
        let mut entry = Vec::new();
        push_varint(&mut entry, self.turn);
        entry.append(&mut self.items);
        self.has_written = true;
        self.ledger.append(&entry)
    }

    /// The journals of the turn are written.
    pub fn end_turn(&mut self) {
        self.turn += u64::from(std::mem::take(&mut self.has_written));
    }

    /// Whether it is worth to be written anew.
    pub fn is_large(&self) -> bool {
        self.ledger.has_outgrown(BYTES_KEPT)
    }

    /// Writes it anew with all that is on its way. Between two turns.
    ///
    /// # Errors
    /// When the disk says no.
    pub fn write_anew<'m>(
        &mut self,
        messages: impl Iterator<Item = &'m (SessionId, Message)>,
    ) -> Result<(), StoreError> {
        let mut entry = Vec::new();
        push_varint(&mut entry, self.turn);
        let turn_bytes = entry.len();
        push_letters(SessionId(0), 0, messages, &mut entry);
        self.turn += 1;
        let is_empty = entry.len() == turn_bytes;
        self.ledger
            .replace((!is_empty).then_some(&*entry).into_iter())
    }
}

/// Appends letters; of one message there is one.
fn push_letters<'m>(
    from: SessionId,
    event: u64,
    messages: impl Iterator<Item = &'m (SessionId, Message)>,
    out: &mut Vec<u8>,
) {
    let mut messages = messages.peekable();
    while let Some((first, message)) = messages.next() {
        let mut to = vec![*first];
        while let Some((also, _)) = messages.next_if(|(_, next)| next.number == message.number) {
            to.push(*also);
        }
        out.push(POSTED);
        push_varint(out, message.number);
        push_bytes(out, message.topic.as_bytes());
        push_bytes(out, message.value.as_bytes());
        push_varint(out, message.only.map_or(0, |watch| watch + 1));
        push_varint(out, from.0);
        push_varint(out, event);
        push_varint(out, to.len() as u64);
        to.iter().for_each(|session| push_varint(out, session.0));
    }
}

enum Item {
    Posted(Letter),
    Handed {
        number: u64,
        to: SessionId,
        event: u64,
    },
}

fn read_item(from: &mut Decoder<'_>) -> Option<Item> {
    match from.byte()? {
        POSTED => {
            let message = Message {
                number: from.varint()?,
                topic: from.text()?.into(),
                value: from.text()?.into(),
                only: from.varint()?.checked_sub(1),
            };
            let (sender, event) = (SessionId(from.varint()?), from.varint()?);
            let mut to = BTreeSet::new();
            for _ in 0..from.varint()? {
                to.insert(SessionId(from.varint()?));
            }
            Some(Item::Posted(Letter {
                message,
                from: sender,
                event,
                to,
            }))
        }
        HANDED => Some(Item::Handed {
            number: from.varint()?,
            to: SessionId(from.varint()?),
            event: from.varint()?,
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::journal::{RealDisk, Rules};

    const SENDER: SessionId = SessionId(1);

    fn letter(number: u64, to: u64) -> (SessionId, Message) {
        let message = Message {
            number,
            topic: "t".into(),
            value: format!("\"{number}\"").into(),
            only: None,
        };
        (SessionId(to), message)
    }

    fn left(mail: &mut Mail, extent: Option<Extent>) -> Vec<(u64, u64)> {
        let left = mail.left_behind(|_| extent).unwrap();
        left.iter().map(|(to, m)| (m.number, to.0)).collect()
    }

    #[test]
    fn what_is_on_its_way_is_what_was_posted_and_not_handed_over() {
        let dir = std::env::temp_dir().join(format!("lunette-mail-{}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        let open = || {
            let store = Store::open(Rc::new(RealDisk), &dir, Rules::default()).unwrap();
            Mail::open(&Rc::new(store)).unwrap()
        };
        let mut mail = open();
        mail.post(SENDER, 5, [letter(1, 2), letter(1, 3)].iter(), 1);
        mail.write().unwrap();
        mail.end_turn();
        mail.hand_over(1, SessionId(2), 8);
        mail.post(SENDER, 6, [letter(2, 2)].iter(), 2);
        mail.write().unwrap();
        drop(mail);
        let file = dir.join("values/mail");
        let written = fs::read(&file).unwrap();
        let extent = |whole| {
            Some(Extent {
                whole,
                begun: whole,
            })
        };
        for (extent, expected) in [
            // Neither event of the last turn is in its journal.
            (extent(5), vec![(1, 2), (1, 3)]),
            (extent(6), vec![(1, 2), (1, 3), (2, 2)]),
            (extent(8), vec![(1, 3), (2, 2)]),
            // Who has no journal any more is over, and what it said was said.
            (None, vec![(1, 2), (1, 3), (2, 2)]),
        ] {
            fs::write(&file, &written).unwrap();
            assert_eq!(left(&mut open(), extent), expected);
            assert_eq!(
                left(&mut open(), Some(Extent { whole: 0, begun: 0 })),
                expected
            );
        }
        let mut mail = open();
        mail.left_behind(|_| None).unwrap();
        mail.write_anew([].iter()).unwrap();
        let large = |number| {
            let (to, mut message) = letter(number, 2);
            message.value = "x".repeat(1000).into();
            (to, message)
        };
        for number in 1..=300 {
            mail.post(SENDER, number, [large(number)].iter(), number);
            mail.write().unwrap();
        }
        assert!(mail.is_large());
        mail.write_anew([letter(300, 2)].iter()).unwrap();
        assert!(!mail.is_large());
        drop(mail);
        assert_eq!(left(&mut open(), None), [(300, 2)]);
        fs::remove_dir_all(&dir).unwrap();
    }
}
