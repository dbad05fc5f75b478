//! Whether a store that was read from somewhere is one: whatever is wrong with it, nothing that is done
//! with it later may panic or go round for ever.

use super::{NONE, Slot, Span, Variable, VariableStore};

impl VariableStore {
    /// See the module's description.
    pub fn is_sound(&self) -> bool {
        let told: usize = self.all().map(|(_, v)| v.told.len()).sum();
        let alive = self.all().filter(|(_, v)| !v.dead).count();
        told == self.told_bytes
            && alive == self.by_id.len()
            && self
                .by_id
                .iter()
                .all(|(&id, &slot)| self.get(slot).is_some_and(|v| v.id == id))
            && self
                .all()
                .all(|(slot, v)| self.is_linked(slot, v) && self.has_span(v.pending))
            && self
                .roots
                .iter()
                .all(|&root| self.at(root).is_some_and(|v| v.parent == NONE))
            && self
                .released
                .iter()
                .all(|&slot| self.at(slot).is_some_and(|v| v.dead))
            && self.frees_each_hole_once()
            && self.order.is_sound(self.slots.len())
    }

    fn all(&self) -> impl Iterator<Item = (Slot, &Variable)> {
        let slots = self.slots.iter().zip(0..);
        slots.filter_map(|(entry, slot)| Some((slot, entry.as_ref()?)))
    }

    fn at(&self, slot: Slot) -> Option<&Variable> {
        self.slots.get(slot as usize)?.as_ref()
    }

    /// Whether those that it names name it. Children are made after their parents, and later ones after
    /// those before them: so nothing goes in circles.
    fn is_linked(&self, slot: Slot, variable: &Variable) -> bool {
        if variable.dead {
            // Nobody follows its links any more.
            return true;
        }
        let names = |other: Slot, holds: &dyn Fn(&Variable) -> bool| {
            other == NONE || self.at(other).is_some_and(holds)
        };
        let beside = |v: &Variable| v.parent == variable.parent;
        names(variable.parent, &|v| {
            v.made < variable.made && (variable.prev != NONE || v.first_child == slot)
        }) && names(variable.prev, &|v| {
            v.next == slot && v.made < variable.made && beside(v)
        }) && names(variable.next, &|v| {
            v.prev == slot && v.made > variable.made && beside(v)
        }) && names(variable.first_child, &|v| {
            v.parent == slot && v.prev == NONE
        }) && names(variable.last_child, &|v| v.parent == slot && v.next == NONE)
    }

    fn has_span(&self, pending: Option<Span>) -> bool {
        pending.is_none_or(|span| self.json.get(span.range()).is_some())
    }

    fn frees_each_hole_once(&self) -> bool {
        let mut free = self.free.clone();
        free.sort_unstable();
        free.dedup();
        let hole = |slot: &Slot| matches!(self.slots.get(*slot as usize), Some(None));
        let holes = self.slots.iter().filter(|entry| entry.is_none()).count();
        free.len() == holes && self.free.len() == holes && free.iter().all(hole)
    }
}
