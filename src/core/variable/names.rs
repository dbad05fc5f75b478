//! Variables that Lua registered under a name, for paths that start with `@name`.

use std::collections::{BTreeMap, BTreeSet};

use super::{Slot, VarId, VariableStore};
use crate::core::carry::carry;

#[derive(Debug, Default)]
pub(super) struct Names {
    by_name: BTreeMap<Box<str>, VarId>,
    by_variable: BTreeMap<VarId, Named>,
}

#[derive(Debug, Default)]
struct Named {
    names: BTreeSet<Box<str>>,
    /// The variable was made to be registered, so it goes with its last name.
    own: bool,
}

impl Names {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    /// The variable is gone, and so are its names. Returns whether it had any.
    pub fn forget(&mut self, var: VarId) -> bool {
        let Some(named) = self.by_variable.remove(&var) else {
            return false;
        };
        for name in &named.names {
            self.by_name.remove(name);
        }
        true
    }

    /// Takes a name away. Returns the variable that must go with it.
    fn take(&mut self, name: &str) -> Option<VarId> {
        let var = self.by_name.remove(name)?;
        let named = self.by_variable.get_mut(&var)?;
        named.names.remove(name);
        if !named.names.is_empty() {
            return None;
        }
        let own = named.own;
        self.by_variable.remove(&var);
        own.then_some(var)
    }
}

impl VariableStore {
    /// The variable registered under this name.
    pub fn named(&self, name: &str) -> Option<Slot> {
        let var = self.names.by_name.get(name)?;
        self.find(*var)
    }

    /// How many names are registered.
    pub fn names_len(&self) -> usize {
        self.names.by_name.len()
    }

    /// All registered variables, in order of their ids.
    pub(super) fn registered(&self) -> impl Iterator<Item = Slot> {
        let vars = self.names.by_variable.keys();
        vars.filter_map(|&var| self.find(var))
    }

    /// Gives a variable a name, which is taken away from the one that had it. With `own`, the
    /// variable was made for this and goes with its last name.
    pub fn register(&mut self, name: &str, slot: Slot, own: bool) {
        let Some(var) = self.get(slot).map(|v| v.id) else {
            return;
        };
        if self.names.by_name.get(name) == Some(&var) {
            return;
        }
        self.unregister(name);
        self.names.by_name.insert(name.into(), var);
        let named = self.names.by_variable.entry(var).or_default();
        named.names.insert(name.into());
        named.own |= own;
        self.order.spoil();
    }

    /// Takes a name away.
    pub fn unregister(&mut self, name: &str) {
        let orphan = self.names.take(name);
        self.order.spoil();
        if let Some(slot) = orphan.and_then(|var| self.find(var)) {
            self.destroy(slot);
        }
    }
}

carry!(struct Named { names, own });
carry!(struct Names { by_name, by_variable });
