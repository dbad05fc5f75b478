//! The order of detection: high, medium, low priority; parents before children, children in order of
//! creation. Few variables more or less are put in or taken out where they belong: on a large page that
//! costs a hundredth of going through the tree.

use super::{NONE, Slot, Variable, VariableStore};
use crate::core::property::Priority;

/// Changes after which the order is made anew all the same: each looks through the order, so that
/// as many cost about as much as that.
const PATCHES_MAX: usize = 64;
/// As many variables destroyed at once are taken out one by one.
const TAKEN_MAX: usize = 16;
/// As many variables that are not in the order are stepped over to find one that is.
const STEPS_MAX: usize = 8;

/// What detection goes through.
#[derive(Debug, Default)]
pub(super) struct Order {
    slots: Vec<Slot>,
    /// It must be made anew before it is lent out again.
    pub stale: bool,
    /// Detection goes through it right now.
    lent: bool,
    patches: usize,
}

impl VariableStore {
    /// Lends the order of detection out. Give it back with [`VariableStore::return_order`].
    pub fn lend_order(&mut self) -> Vec<Slot> {
        if self.order.stale {
            self.order.stale = false;
            self.order.patches = 0;
            self.rebuild_order();
        }
        self.order.lent = true;
        std::mem::take(&mut self.order.slots)
    }

    /// See [`VariableStore::lend_order`].
    pub fn return_order(&mut self, order: Vec<Slot>) {
        self.order.slots = order;
        self.order.lent = false;
    }

    /// Whether variables came or went since the order was lent.
    pub fn order_is_stale(&self) -> bool {
        self.order.stale
    }

    /// A variable is new in the tree.
    pub(super) fn add_to_order(&mut self, slot: Slot) {
        let order = &self.order;
        if order.stale || order.lent || order.patches == PATCHES_MAX {
            self.order.stale = true;
            return;
        }
        match self.place_of(slot) {
            Some(Place::After(before)) => {
                let slots = &mut self.order.slots;
                match slots.iter().rposition(|&at| at == before) {
                    Some(at) => slots.insert(at + 1, slot),
                    None => self.order.stale = true,
                }
                self.order.patches += 1;
            }
            Some(Place::Nowhere) => {}
            None => self.order.stale = true,
        }
    }

    /// Where a new variable, which has no children, belongs; `None`: that is not easily told.
    fn place_of(&self, slot: Slot) -> Option<Place> {
        let variable = self.get(slot)?;
        let parent = self.get(variable.parent()?)?;
        // One that is only written, or not watched, is read for those below it: this may be the first.
        if !parent.access.reads() || variable.watched && !parent.watched {
            return None;
        }
        if !variable.watched || variable.inactive || !variable.access.reads() {
            return Some(Place::Nowhere);
        }
        let class = self.class_of(slot);
        let mut at = slot;
        for _ in 0..STEPS_MAX {
            at = self.before_in_tree(at)?;
            let before = self.get(at)?;
            if before.watched && (before.access.reads() || before.first_child != NONE) {
                return (self.class_of(at) == class).then_some(Place::After(at));
            }
        }
        None
    }

    /// The variable that the tree has in front of this one.
    fn before_in_tree(&self, slot: Slot) -> Option<Slot> {
        let variable = self.get(slot)?;
        if variable.prev == NONE {
            return variable.parent();
        }
        let mut at = variable.prev;
        loop {
            match self.get(at)?.last_child {
                NONE => return Some(at),
                last => at = last,
            }
        }
    }

    /// A child is never read before its parent, so it inherits a later class.
    fn class_of(&self, slot: Slot) -> Priority {
        let above = std::iter::successors(self.get(slot), |v| self.get(v.parent()?));
        above.map(|v| v.priority).max().unwrap_or_default()
    }

    /// These variables, one below `above` and all below that, are gone from the tree.
    pub(super) fn take_from_order(&mut self, above: Option<Slot>, gone: &[Slot]) {
        let order = &self.order;
        // One that is not watched itself may have been read for those below it only.
        let stays = |v: &Variable| v.watched && v.access.reads();
        let simple = above.and_then(|at| self.get(at)).is_some_and(stays);
        if order.stale
            || order.lent
            || order.patches == PATCHES_MAX
            || !simple
            || gone.len() > TAKEN_MAX
        {
            self.order.stale = true;
            return;
        }
        self.order.patches += 1;
        self.order.slots.retain(|slot| !gone.contains(slot));
    }

    fn rebuild_order(&mut self) {
        let mut classes: [Vec<Slot>; 3] = Default::default();
        // A child is never read before its parent, so it inherits a later class.
        let mut stack: Vec<(Slot, Priority)> = Vec::new();
        stack.extend(self.roots.iter().rev().map(|&slot| (slot, Priority::High)));
        let mut keep = vec![false; self.slots.len()];
        while let Some((slot, least)) = stack.pop() {
            let Some(variable) = self.slots[slot as usize].as_ref() else {
                continue;
            };
            if variable.inactive {
                continue;
            }
            let class = variable.priority.max(least);
            classes[class as usize].push(slot);
            if variable.watched {
                self.keep_upwards(slot, &mut keep);
            }
            let start = stack.len();
            let mut child = variable.first_child;
            while child != NONE {
                stack.push((child, class));
                child = self.slots[child as usize].as_ref().map_or(NONE, |v| v.next);
            }
            stack[start..].reverse();
        }
        self.order.slots.clear();
        for class in classes {
            self.order.slots.extend(class.into_iter().filter(|&s| {
                let reads = |v: &Variable| v.access.reads() || v.first_child != NONE;
                keep[s as usize] && self.slots[s as usize].as_ref().is_some_and(reads)
            }));
        }
    }

    /// A watched variable needs the values above it.
    fn keep_upwards(&self, slot: Slot, keep: &mut [bool]) {
        let mut at = slot;
        while at != NONE && !keep[at as usize] {
            keep[at as usize] = true;
            at = self.slots[at as usize].as_ref().map_or(NONE, |v| v.parent);
        }
    }
}

/// Where a new variable belongs.
enum Place {
    After(Slot),
    /// Detection does not read it.
    Nowhere,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::id::VarId;
    use crate::core::property::Properties;
    use crate::core::variable::{Access, NewVariable};
    use crate::core::view::ViewId;

    fn variable(
        id: i64,
        parent: Option<Slot>,
        access: Access,
        properties: &[(&str, &str)],
    ) -> NewVariable {
        let mut set = Properties::default();
        for (name, value) in properties {
            set.set(name, value, None);
        }
        NewVariable {
            id: VarId(id),
            wire: id,
            view: (id > 1).then_some(ViewId(1)),
            parent,
            access,
            watched: id % 13 != 0,
            has_path: true,
            properties: set,
        }
    }

    #[test]
    fn the_order_is_the_same_patched_or_made_anew() {
        let mut random = 0x9e37_79b9_7f4a_7c15_u64;
        let mut below = move |end: usize| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            (random >> 11) as usize % end
        };
        let mut vars = VariableStore::default();
        let root = vars.insert(variable(1, None, Access::ReadWrite, &[]));
        let mut alive = vec![root];
        let mut patched = 0;
        for id in 2..4_000 {
            let parent = alive[below(alive.len())];
            if below(3) > 0 || alive.len() < 5 {
                let access = [Access::Read, Access::ReadWrite, Access::Action][below(20) / 9];
                let priority = ["high", "medium", "low"][below(30) % 9 % 3];
                let properties: &[_] = match below(40) {
                    0 => &[("priority", priority)],
                    1 => &[("inactive", "true")],
                    _ => &[],
                };
                alive.push(vars.insert(variable(id, Some(parent), access, properties)));
            } else if parent != root {
                let gone = vars.destroy(parent);
                for slot in vars.take_released() {
                    vars.free(slot);
                }
                alive.retain(|slot| !gone.contains(slot));
            }
            if below(4) == 0 {
                patched += usize::from(!vars.order.stale && vars.order.patches > 0);
                let order = vars.lend_order();
                vars.rebuild_order();
                assert_eq!(order, vars.order.slots, "after {id}");
                vars.return_order(order);
            }
        }
        assert!(patched > 300, "patched {patched} times");
    }
}
