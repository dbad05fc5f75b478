//! Who in Lua wants to hear of what: property watches and variable watches.

use std::collections::BTreeMap;

use super::id::VarId;

/// What `watchProperty` and `watchVariable` return; `session:unwatch` takes it.
pub type WatchHandle = u64;

/// Subscriptions of one session, told in the order in which they were made.
#[derive(Debug, Default)]
pub struct WatchManager {
    next: WatchHandle,
    watches: BTreeMap<WatchHandle, (VarId, Option<Box<str>>)>,
    by_variable: BTreeMap<VarId, Vec<WatchHandle>>,
}

impl WatchManager {
    /// Watches property `name` of `var`.
    pub fn watch_property(&mut self, var: VarId, name: &str) -> WatchHandle {
        self.add(var, Some(name.into()))
    }

    /// Watches the value of `var`.
    pub fn watch_variable(&mut self, var: VarId) -> WatchHandle {
        self.add(var, None)
    }

    fn add(&mut self, var: VarId, name: Option<Box<str>>) -> WatchHandle {
        self.next += 1;
        self.watches.insert(self.next, (var, name));
        self.by_variable.entry(var).or_default().push(self.next);
        self.next
    }

    /// Ends a watch. Returns whether there was one.
    pub fn unwatch(&mut self, handle: WatchHandle) -> bool {
        let Some((var, _)) = self.watches.remove(&handle) else {
            return false;
        };
        if let Some(handles) = self.by_variable.get_mut(&var) {
            handles.retain(|&h| h != handle);
            if handles.is_empty() {
                self.by_variable.remove(&var);
            }
        }
        true
    }

    /// Ends all watches of a destroyed variable and returns their handles.
    pub fn forget(&mut self, var: VarId) -> Vec<WatchHandle> {
        let gone = self.by_variable.remove(&var).unwrap_or_default();
        for handle in &gone {
            self.watches.remove(handle);
        }
        gone
    }

    /// The watches of property `name` of `var`.
    pub fn of_property(&self, var: VarId, name: &str) -> Vec<WatchHandle> {
        self.matching(var, Some(name))
    }

    /// The watches of the value of `var`.
    pub fn of_variable(&self, var: VarId) -> Vec<WatchHandle> {
        self.matching(var, None)
    }

    /// Whether anything watches `var`: spares the look-ups on the hot path.
    pub fn watches(&self, var: VarId) -> bool {
        !self.by_variable.is_empty() && self.by_variable.contains_key(&var)
    }

    /// How many watches there are.
    pub fn len(&self) -> usize {
        self.watches.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.watches.is_empty()
    }

    fn matching(&self, var: VarId, name: Option<&str>) -> Vec<WatchHandle> {
        let handles = self.by_variable.get(&var).map_or(&[][..], Vec::as_slice);
        let wanted = |h: &&WatchHandle| {
            self.watches
                .get(h)
                .is_some_and(|(_, n)| n.as_deref() == name)
        };
        handles.iter().filter(wanted).copied().collect()
    }
}
