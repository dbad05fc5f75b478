//! The order of detection, kept up while variables come and go: most events change little of it.
//!
//! First the variables that Lua registered by name, with what is above them, since others start from
//! them wherever they are; then high, medium and low priority. Inside a class variables are read in
//! the order in which they were made, so parents before children.

use super::{NONE, Slot, Variable, VariableStore, make_room};
use crate::core::carry::carry;
use crate::core::path::Path;
use crate::core::property::Priority;

/// With more than one hole in so many places the order is made anew.
const PLACES_PER_HOLE: usize = 4;

/// A variable that would move more of those behind it than this does not: all of the order is made anew, once for
/// however many there are in an event.
const MOVED_MAX: usize = 1_000;

/// Where a variable stands in the order.
#[derive(Clone, Copy, Debug)]
struct Place {
    at: u32,
    /// Its own class or that of a variable above it, whichever comes later: no child is read before
    /// its parent.
    class: Priority,
}

const NOWHERE: Place = Place {
    at: NONE,
    class: Priority::High,
};

/// See the module's description.
#[derive(Debug)]
pub(super) struct Order {
    slots: Vec<Slot>,
    /// By slot.
    places: Vec<Place>,
    /// Where each class ends in `slots`.
    ends: [usize; 3],
    holes: usize,
    /// It must be made anew before it is used.
    stale: bool,
    lent: bool,
    /// Variables came, went or changed places since it was lent.
    touched: bool,
    /// Destroyed while it was lent.
    gone: Vec<Slot>,
}

impl Default for Order {
    fn default() -> Self {
        Order {
            slots: Vec::new(),
            places: Vec::new(),
            ends: [0; 3],
            holes: 0,
            stale: true,
            lent: false,
            touched: false,
            gone: Vec::new(),
        }
    }
}

impl Order {
    /// It must be made anew.
    pub fn spoil(&mut self) {
        self.stale = true;
        self.touched = true;
    }

    /// Whether its slots and places are some of a store of so many slots, and name each other.
    pub fn is_sound(&self, slots: usize) -> bool {
        let known = |&slot: &Slot| slot == NONE || (slot as usize) < slots;
        let [high, medium, low] = self.ends;
        !self.lent
            && self.gone.is_empty()
            && self.places.len() <= slots
            && self.slots.iter().all(known)
            && high <= medium
            && medium <= low
            && low <= self.slots.len()
            && self
                .places
                .iter()
                .all(|place| place.at == NONE || (place.at as usize) < self.slots.len())
    }

    fn place(&self, slot: Slot) -> Option<Place> {
        let place = *self.places.get(slot as usize)?;
        (place.at != NONE).then_some(place)
    }

    fn set_place(&mut self, slot: Slot, place: Place) {
        let at = slot as usize;
        if at >= self.places.len() {
            let more = at + 1 - self.places.len();
            make_room(&mut self.places, more);
            self.places.resize(at + 1, NOWHERE);
        }
        self.places[at] = place;
    }

    /// Puts a variable behind all others of its class.
    fn push(&mut self, slot: Slot, class: Priority) {
        let at = self.ends[class as usize];
        if self.slots.len() - at > MOVED_MAX {
            self.stale = true;
            return;
        }
        for &moved in &self.slots[at..] {
            if let Some(place) = self.places.get_mut(moved as usize) {
                place.at += 1;
            }
        }
        make_room(&mut self.slots, 1);
        self.slots.insert(at, slot);
        for end in &mut self.ends[class as usize..] {
            *end += 1;
        }
        let at = at as u32;
        self.set_place(slot, Place { at, class });
    }

    fn remove(&mut self, slot: Slot) {
        if let Some(place) = self.place(slot) {
            self.slots[place.at as usize] = NONE;
            self.places[slot as usize] = NOWHERE;
            self.holes += 1;
            self.stale |= self.holes * PLACES_PER_HOLE > self.slots.len();
        }
    }
}

impl VariableStore {
    /// Lends the order of detection out; where a variable was destroyed there is a slot in which none
    /// ever lives. Give it back with [`VariableStore::return_order`].
    pub fn lend_order(&mut self) -> Vec<Slot> {
        if self.order.stale {
            self.rebuild_order();
        }
        self.order.lent = true;
        self.order.touched = false;
        std::mem::take(&mut self.order.slots)
    }

    /// See [`VariableStore::lend_order`].
    pub fn return_order(&mut self, order: Vec<Slot>) {
        self.order.slots = order;
        self.order.lent = false;
        for slot in std::mem::take(&mut self.order.gone) {
            self.order.remove(slot);
        }
    }

    /// Whether variables came or went since the order was lent.
    pub fn order_is_stale(&self) -> bool {
        self.order.touched
    }

    /// A variable was made.
    pub(super) fn order_new(&mut self, slot: Slot) {
        self.order.touched = true;
        let Some(variable) = self.slots[slot as usize].as_ref() else {
            return;
        };
        if self.order.stale {
            return;
        }
        let parent = variable.parent();
        let above = parent.and_then(|p| self.slots[p as usize].as_ref());
        if above.is_some_and(|v| !v.access.reads()) {
            // What is not read for itself is read for what is below it.
            self.order.stale = true;
        }
        if variable.inactive || !variable.watched {
            return;
        }
        match parent.and_then(|p| self.order.place(p)) {
            // An action is not read, but it starts from what is above it.
            Some(_) if !variable.access.reads() => {}
            Some(above) if !self.order.lent => {
                self.order.push(slot, variable.priority.max(above.class));
            }
            _ => self.order.stale = true,
        }
    }

    /// Variables were destroyed, the topmost of them below `parent`.
    pub(super) fn order_gone(&mut self, parent: Option<Slot>, gone: &[Slot]) {
        self.order.touched = true;
        if self.order.stale || parent.is_some_and(|p| self.order.place(p).is_none()) {
            // What is below a variable that is not read is not read either.
            return;
        }
        let above = parent.and_then(|p| self.slots[p as usize].as_ref());
        if above.is_none_or(|v| !v.watched || !v.access.reads()) {
            // What is above may have been read only for the sake of what is gone.
            self.order.stale = true;
        } else if self.order.lent {
            self.order.gone.extend_from_slice(gone);
        } else {
            gone.iter().for_each(|&slot| self.order.remove(slot));
        }
    }

    fn rebuild_order(&mut self) {
        let mut classes: [Vec<(u64, Slot)>; 3] = Default::default();
        let mut places = vec![NOWHERE; self.slots.len()];
        let mut stack: Vec<(Slot, Priority)> = Vec::new();
        stack.extend(self.roots.iter().map(|&slot| (slot, Priority::High)));
        let mut keep = vec![false; self.slots.len()];
        let first = self.registered_first();
        first.iter().for_each(|&slot| keep[slot as usize] = true);
        let mut readable = vec![false; self.slots.len()];
        while let Some((slot, least)) = stack.pop() {
            let Some(variable) = self.slots[slot as usize].as_ref() else {
                continue;
            };
            if variable.inactive {
                continue;
            }
            let class = variable.priority.max(least);
            places[slot as usize].class = class;
            if variable.access.reads() || variable.first_child != NONE {
                classes[class as usize].push((variable.made, slot));
                readable[slot as usize] = true;
            }
            if variable.watched {
                self.keep_upwards(slot, &mut keep);
            }
            let mut child = variable.first_child;
            while child != NONE {
                stack.push((child, class));
                child = self.slots[child as usize].as_ref().map_or(NONE, |v| v.next);
            }
        }
        let order = &mut self.order;
        order.slots.clear();
        let mut put = |slot: Slot, order: &mut Vec<Slot>| {
            let place = &mut places[slot as usize];
            if place.at == NONE {
                place.at = order.len() as u32;
                order.push(slot);
            }
        };
        for slot in first.into_iter().filter(|&s| readable[s as usize]) {
            put(slot, &mut order.slots);
        }
        for (class, end) in classes.iter_mut().zip(&mut order.ends) {
            class.sort_unstable();
            for &(_, slot) in class.iter().filter(|(_, slot)| keep[*slot as usize]) {
                put(slot, &mut order.slots);
            }
            *end = order.slots.len();
        }
        order.places = places;
        order.holes = 0;
        order.stale = false;
    }

    /// A watched variable needs the values above it.
    fn keep_upwards(&self, slot: Slot, keep: &mut [bool]) {
        let mut at = slot;
        while at != NONE && !keep[at as usize] {
            keep[at as usize] = true;
            at = self.slots[at as usize].as_ref().map_or(NONE, |v| v.parent);
        }
    }

    /// What is registered, by name, each behind what it needs: what is above it, and what its path
    /// starts from.
    fn registered_first(&self) -> Vec<Slot> {
        let mut found = Vec::new();
        if self.names.is_empty() {
            return found;
        }
        let mut seen = vec![false; self.slots.len()];
        // A slot to look at, or one whose needs were looked at.
        let mut stack: Vec<(Slot, bool)> = self.registered().map(|slot| (slot, false)).collect();
        stack.reverse();
        while let Some((slot, ready)) = stack.pop() {
            if ready {
                found.push(slot);
                continue;
            }
            if std::mem::replace(&mut seen[slot as usize], true) {
                continue;
            }
            stack.push((slot, true));
            let Some(variable) = self.slots[slot as usize].as_ref() else {
                continue;
            };
            stack.extend(self.starts_of(variable).map(|slot| (slot, false)));
            stack.extend(variable.parent().map(|slot| (slot, false)));
        }
        found
    }

    /// The registered variables that a variable's path starts from, in reverse.
    fn starts_of(&self, variable: &Variable) -> impl Iterator<Item = Slot> {
        let path = variable.properties.get("path").filter(|p| p.contains('@'));
        let path = path.and_then(|text| Path::parse(text).ok());
        let mut names = Vec::new();
        path.iter().for_each(|p| p.registered_names(&mut names));
        let slots: Vec<Slot> = names.iter().filter_map(|n| self.named(n)).collect();
        slots.into_iter().rev()
    }
}

carry!(struct Place { at, class });
carry!(struct Order { slots, places, ends, holes, stale, lent, touched, gone });

#[cfg(test)]
mod tests;
