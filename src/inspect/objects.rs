//! Objects: what can be reached from the app, and from what variables show, as it was after a turn.
//!
//! An index of all objects in all turns would be too large, so the recording is run again up to the turn.
//! Going back begins from the start: the last turns on the way are kept, so that a step back from there costs
//! nothing, and objects that did not change are shared between them.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use super::EVENT_COST;
use super::run::Run;
use crate::core::peek::{Held, Key, Object, Root};
use crate::core::session::Session;
use crate::journal::Reader;
use crate::lua::LuaSession;

/// Turns whose objects are kept.
const KEPT: u64 = 32;
/// Objects of one turn that are looked at, and fields of all of them and of one.
const OBJECTS_MAX: usize = 5_000;
const FIELDS_MAX: usize = 50_000;
const FIELDS_OF_ONE_MAX: usize = 2_000;

/// An object of a turn and the way to it.
#[derive(Debug, PartialEq, Eq)]
pub struct Found {
    pub root: Root,
    pub path: Vec<Key>,
    pub object: Object,
}

/// The objects of one turn.
#[derive(Debug, Default)]
pub struct Snapshot {
    /// By identity.
    objects: BTreeMap<usize, Rc<Found>>,
    roots: BTreeMap<Root, usize>,
    /// There are more objects than were looked at.
    pub is_cut: bool,
}

impl Snapshot {
    /// The object to which a way leads.
    pub fn object(&self, root: Root, path: &[Key]) -> Option<&Rc<Found>> {
        let mut at = self.objects.get(self.roots.get(&root)?)?;
        for key in path {
            match at.object.field(key)? {
                Held::Object { identity, .. } => at = self.objects.get(identity)?,
                Held::Plain(_) | Held::Opaque(_) => return None,
            }
        }
        Some(at)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.objects.len()
    }

    /// Objects that are in both turns and differ, now and before, in the order of their ways.
    pub fn differing<'a>(&'a self, before: &'a Snapshot) -> Vec<(&'a Found, &'a Found)> {
        let mut pairs: Vec<(&Found, &Found)> = self
            .objects
            .iter()
            .filter_map(|(identity, now)| Some((now, before.objects.get(identity)?)))
            .filter(|(now, before)| !Rc::ptr_eq(now, before) && now.object != before.object)
            .map(|(now, before)| (&**now, &**before))
            .collect();
        pairs.sort_unstable_by(|(a, _), (b, _)| (a.root, &a.path).cmp(&(b.root, &b.path)));
        pairs
    }

    /// Looks at all objects, breadth first, so that each is found on its shortest way.
    fn take(session: &mut Session<LuaSession>, before: Option<&Snapshot>) -> Snapshot {
        let mut snapshot = Snapshot::default();
        let mut left = VecDeque::from([(Root::App, Vec::new())]);
        // After all that the app has: what only pages have, such as presenters.
        let mut shown = numbers(session).into_iter();
        let mut next = || {
            shown
                .next()
                .map(|number| (Root::Number(number), Vec::new()))
        };
        let mut fields = 0;
        while let Some((root, path)) = left.pop_front().or_else(&mut next) {
            if snapshot.objects.len() >= OBJECTS_MAX || fields >= FIELDS_MAX {
                snapshot.is_cut = true;
                break;
            }
            let Some(object) = session.object_at(root, &path, FIELDS_OF_ONE_MAX) else {
                continue;
            };
            let identity = object.identity;
            if path.is_empty() {
                snapshot.roots.insert(root, identity);
            }
            if snapshot.objects.contains_key(&identity) {
                continue;
            }
            fields += object.fields.len();
            for (key, held) in &object.fields {
                let Held::Object { identity, .. } = held else {
                    continue;
                };
                if !matches!(key, Key::Other(_)) && !snapshot.objects.contains_key(identity) {
                    let mut path = path.clone();
                    path.push(key.clone());
                    left.push_back((root, path));
                }
            }
            let found = Found { root, path, object };
            let same = before.and_then(|before| before.objects.get(&identity));
            let found = match same.filter(|same| ***same == found) {
                Some(same) => same.clone(),
                None => Rc::new(found),
            };
            snapshot.objects.insert(identity, found);
        }
        snapshot
    }
}

/// Numbers of the objects that variables show.
fn numbers(session: &mut Session<LuaSession>) -> Vec<u64> {
    let slots: Vec<_> = session.host().vars.iter().map(|(_, slot)| slot).collect();
    let mut numbers = Vec::new();
    let mut json = Vec::new();
    for slot in slots {
        json.clear();
        session.read_value(slot, &mut json);
        numbers.extend(numbers_in(&json));
    }
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}

/// The numbers in all `{"obj":N}` of a value: inside a text the quotes would be escaped.
pub fn numbers_in(json: &[u8]) -> Vec<u64> {
    let sign = b"{\"obj\":";
    let ends = json.windows(sign.len()).enumerate();
    let ends = ends
        .filter(|(_, part)| *part == sign)
        .map(|(at, _)| at + sign.len());
    ends.filter_map(|at| {
        let digits = json[at..].iter().take_while(|b| b.is_ascii_digit());
        let end = at + digits.count();
        std::str::from_utf8(&json[at..end]).ok()?.parse().ok()
    })
    .collect()
}

/// A turn cannot be had.
#[derive(Debug)]
pub struct NotThere;

/// A run that is at some turn, and the objects of the turns before it.
#[derive(Default)]
pub struct Window {
    run: Option<Run>,
    snapshots: BTreeMap<u64, Snapshot>,
}

impl Window {
    /// The objects after a turn and after the one before it (none before the first). `None`: ask again,
    /// there is more to run.
    ///
    /// # Errors
    /// When there is no memory to run the recording, or it ends before that turn.
    pub fn at(
        &mut self,
        reader: &Reader,
        turn: u64,
        mut work: usize,
    ) -> Result<Option<(&Snapshot, &Snapshot)>, NotThere> {
        while !(self.has(turn) && self.has(turn - 1)) {
            if work == 0 {
                return Ok(None);
            }
            let run = match self.run.take() {
                Some(run) if run.turn_number() < turn => run,
                _ => {
                    self.snapshots.retain(|&kept, _| kept == 0);
                    Run::new(reader).map_err(|_| NotThere)?
                }
            };
            work = work.saturating_sub(self.advance(reader, run, turn)?);
        }
        Ok(self
            .snapshots
            .get(&turn)
            .zip(self.snapshots.get(&(turn - 1))))
    }

    /// The run, for tests.
    #[cfg(test)]
    pub fn into_run(self) -> Option<Run> {
        self.run
    }

    /// How many turns are kept.
    #[cfg(test)]
    pub fn kept(&self) -> usize {
        self.snapshots.len()
    }

    fn has(&self, turn: u64) -> bool {
        turn == 0 || self.snapshots.contains_key(&turn)
    }

    /// Runs one turn on the way to another. Returns what that cost.
    fn advance(&mut self, reader: &Reader, mut run: Run, goal: u64) -> Result<usize, NotThere> {
        self.snapshots.entry(0).or_default();
        let events = run.turn(reader, &mut |_| {}).ok_or(NotThere)?;
        let mut cost = events * EVENT_COST;
        let turn = run.turn_number();
        if turn + KEPT > goal {
            let before = turn.checked_sub(1).and_then(|b| self.snapshots.get(&b));
            let snapshot = match run.session() {
                Some(session) => Snapshot::take(session, before),
                None => Snapshot::default(),
            };
            cost += snapshot.len();
            self.snapshots.insert(turn, snapshot);
            self.snapshots
                .retain(|&kept, _| kept == 0 || kept + KEPT > turn);
        }
        self.run = Some(run);
        Ok(cost)
    }
}
