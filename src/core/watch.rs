//! Who in Lua wants to hear of what: property watches, variable watches and subscriptions to topics.

use std::borrow::Borrow;
use std::collections::BTreeMap;

use super::carry::{Carry, carry};
use super::code::Decoder;
use super::id::VarId;

/// What `watchProperty`, `watchVariable` and `subscribe` return; `session:unwatch` takes it.
pub type WatchHandle = u64;

/// What a watch hears of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Watched {
    Value(VarId),
    Property(VarId, Box<str>),
    Topic(Box<str>),
}

/// Subscriptions of one session, told in the order in which they were made.
#[derive(Debug, Default)]
pub struct WatchManager {
    next: WatchHandle,
    watches: BTreeMap<WatchHandle, Watched>,
    of_value: BTreeMap<VarId, Vec<WatchHandle>>,
    of_property: BTreeMap<VarId, BTreeMap<Box<str>, Vec<WatchHandle>>>,
    of_topic: BTreeMap<Box<str>, Vec<WatchHandle>>,
}

impl WatchManager {
    /// Begins a watch.
    pub fn watch(&mut self, watched: Watched) -> WatchHandle {
        let handle = self.vend();
        self.put(handle, watched);
        handle
    }

    fn put(&mut self, handle: WatchHandle, watched: Watched) {
        let beside = match &watched {
            Watched::Value(var) => self.of_value.entry(*var).or_default(),
            Watched::Property(var, name) => {
                let names = self.of_property.entry(*var).or_default();
                names.entry(name.clone()).or_default()
            }
            Watched::Topic(topic) => self.of_topic.entry(topic.clone()).or_default(),
        };
        beside.push(handle);
        self.watches.insert(handle, watched);
    }

    /// A number that no watch has, for something else that keeps a function.
    pub fn vend(&mut self) -> WatchHandle {
        self.next += 1;
        self.next
    }

    /// Ends a watch. Returns what it heard of, if there was one.
    pub fn unwatch(&mut self, handle: WatchHandle) -> Option<Watched> {
        let watched = self.watches.remove(&handle)?;
        let end = |handles: &mut Vec<WatchHandle>| remove(handles, handle);
        match &watched {
            Watched::Value(var) => take_out(&mut self.of_value, var, end),
            Watched::Property(var, name) => take_out(&mut self.of_property, var, |names| {
                take_out(names, name, end)
            }),
            Watched::Topic(topic) => take_out(&mut self.of_topic, topic, end),
        };
        Some(watched)
    }

    /// Ends all watches of a destroyed variable and returns their handles.
    pub fn forget(&mut self, var: VarId) -> Vec<WatchHandle> {
        let mut gone = self.of_value.remove(&var).unwrap_or_default();
        let properties = self.of_property.remove(&var).unwrap_or_default();
        gone.extend(properties.into_values().flatten());
        for handle in &gone {
            self.watches.remove(handle);
        }
        gone
    }

    /// Whether this watch goes on.
    pub fn has(&self, handle: WatchHandle) -> bool {
        self.watches.contains_key(&handle)
    }

    /// The watches of property `name` of `var`.
    pub fn of_property(&self, var: VarId, name: &str) -> Vec<WatchHandle> {
        let handles = self.of_property.get(&var).and_then(|p| p.get(name));
        handles.cloned().unwrap_or_default()
    }

    /// The watches of the value of `var`.
    pub fn of_variable(&self, var: VarId) -> Vec<WatchHandle> {
        self.of_value.get(&var).cloned().unwrap_or_default()
    }

    /// The subscriptions to `topic`.
    pub fn of_topic(&self, topic: &str) -> Vec<WatchHandle> {
        self.of_topic.get(topic).cloned().unwrap_or_default()
    }

    /// The topics to which there are subscriptions.
    pub fn topics(&self) -> impl Iterator<Item = &str> {
        self.of_topic.keys().map(|topic| &**topic)
    }

    /// Whether anything watches `var`.
    pub fn watches(&self, var: VarId) -> bool {
        self.watches_value(var) || self.of_property.contains_key(&var)
    }

    /// Whether anything watches the value of `var`: spares the look-ups on the hot path.
    pub fn watches_value(&self, var: VarId) -> bool {
        !self.of_value.is_empty() && self.of_value.contains_key(&var)
    }

    /// Whether anything watches property `name` of `var`.
    pub fn watches_property(&self, var: VarId, name: &str) -> bool {
        let properties = self.of_property.get(&var);
        properties.is_some_and(|p| p.contains_key(name))
    }

    /// How many watches there are.
    pub fn len(&self) -> usize {
        self.watches.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.watches.is_empty()
    }
}

/// Removes something from an entry, and the entry itself when nothing is left in it.
fn take_out<K: Ord + Borrow<Q>, Q: Ord + ?Sized, V>(
    map: &mut BTreeMap<K, V>,
    key: &Q,
    take: impl FnOnce(&mut V) -> bool,
) -> bool {
    let Some(entry) = map.get_mut(key) else {
        return map.is_empty();
    };
    if take(entry) {
        map.remove(key);
    }
    map.is_empty()
}

/// Handles count up, so that they are sorted. Returns whether none is left.
fn remove(handles: &mut Vec<WatchHandle>, handle: WatchHandle) -> bool {
    if let Ok(at) = handles.binary_search(&handle) {
        handles.remove(at);
    }
    handles.is_empty()
}

carry!(enum Watched { 0 => Value(var), 1 => Property(var, name), 2 => Topic(topic) });

/// What hears of what is found again by making each watch anew.
impl Carry for WatchManager {
    fn freeze(&self, out: &mut Vec<u8>) {
        let WatchManager {
            next,
            watches,
            of_value: _,
            of_property: _,
            of_topic: _,
        } = self;
        next.freeze(out);
        watches.freeze(out);
    }

    fn thaw(from: &mut Decoder<'_>) -> Option<WatchManager> {
        let mut all = WatchManager {
            next: Carry::thaw(from)?,
            ..WatchManager::default()
        };
        let watches: BTreeMap<WatchHandle, Watched> = Carry::thaw(from)?;
        for (handle, watched) in watches {
            all.put(handle, watched);
        }
        Some(all)
    }
}
