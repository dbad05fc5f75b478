//! VariableStore: the variables of one session, a tree in a slab.

mod names;
mod order;
mod sound;

use std::collections::BTreeMap;

use names::Names;
use order::Order;

use super::carry::carry;
use super::id::{APP, VarId, WireId};
use super::property::{Priority, Properties};
use super::script::ErrorCode;
use super::view::ViewId;
use super::witness::Witness;

/// Where a variable lives in the store. Reused after it is gone, so it never leaves core and
/// `lua`; ids are what others see.
pub type Slot = u32;

const NONE: Slot = Slot::MAX;

/// Makes room for so many more in what has a place for each slot: at least a quarter more, where a `Vec` by itself
/// doubles, since there are many sessions and each would keep what it has no use for.
pub(crate) fn make_room<T>(items: &mut Vec<T>, more: usize) {
    if items.capacity() - items.len() < more {
        items.reserve_exact(more.max(items.len() / 4).max(4));
    }
}

/// Bytes of values kept to tell pieces of: a hundred lists of 10,000 rows. Beyond it values are told
/// whole.
const TOLD_MOST: usize = 16 << 20;

/// What may be done through a variable's path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Access {
    Read,
    Write,
    #[default]
    ReadWrite,
    /// Called when written, never read.
    Action,
}

impl Access {
    /// Reads `r`, `w`, `rw` or `action`.
    pub fn parse(text: &str) -> Option<Access> {
        match text {
            "r" => Some(Access::Read),
            "w" => Some(Access::Write),
            "rw" => Some(Access::ReadWrite),
            "action" => Some(Access::Action),
            _ => None,
        }
    }

    /// Whether detection reads it.
    pub fn reads(self) -> bool {
        matches!(self, Access::Read | Access::ReadWrite)
    }

    /// Whether a frontend may write it.
    pub fn writes(self) -> bool {
        !matches!(self, Access::Read)
    }
}

/// A part of the store's pending JSON.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    pub start: u32,
    pub end: u32,
}

impl Span {
    /// The part as a range.
    pub fn range(self) -> std::ops::Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// What is told of an error besides its text, a JSON object: to those who develop the site where it
/// came from, to a form which of its fields were refused.
pub type Detail = Option<std::rc::Rc<str>>;

/// An error that stands on a variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub code: ErrorCode,
    pub message: String,
    pub detail: Detail,
    /// The action that refused this field, whose success clears it.
    pub by: Option<VarId>,
}

/// What `diag` said of a variable while it was computed last.
#[derive(Debug, Default)]
pub struct Remarks {
    /// The event in which it was said.
    pub event: u64,
    /// Levels and texts.
    pub list: Vec<(u8, Box<str>)>,
}

/// One variable.
#[derive(Debug)]
pub struct Variable {
    pub id: VarId,
    /// What its view calls it; the same as `id` for shared variables.
    pub wire: WireId,
    /// The view that owns it; `None`: shared by all, as variable 1 and those made by Lua are.
    pub view: Option<ViewId>,
    pub access: Access,
    pub priority: Priority,
    /// A view watches it. For shared variables: at least one.
    pub watched: bool,
    /// Property `inactive` is set: it and what is below is not looked at.
    pub inactive: bool,
    /// It has a path, if only the empty one: the parent's own value.
    pub has_path: bool,
    /// Its path or access is of no use: it neither reads nor writes.
    pub broken: bool,
    /// Destroyed, but its slot is not given back yet.
    pub dead: bool,
    /// A value other than null was told.
    pub shown: bool,
    /// Its error was told and stands until something succeeds.
    pub error: Option<Box<Fault>>,
    pub remarks: Option<Box<Remarks>>,
    pub properties: Properties,
    /// JSON of the value that the next flush tells.
    pub pending: Option<Span>,
    /// Its view asked for arrays as pieces of the ones before, when it made the variable.
    pub delta: bool,
    /// JSON of the value as the view was told it last; only kept for `delta`.
    told: Box<[u8]>,
    dirty: bool,
    /// Counts up with every variable made: the order of detection.
    made: u64,
    parent: Slot,
    first_child: Slot,
    last_child: Slot,
    next: Slot,
    prev: Slot,
}

impl Variable {
    /// The variable above it.
    pub fn parent(&self) -> Option<Slot> {
        (self.parent != NONE).then_some(self.parent)
    }
}

/// The variables of one session.
#[derive(Debug, Default)]
pub struct VariableStore {
    slots: Vec<Option<Variable>>,
    free: Vec<Slot>,
    /// Slots of destroyed variables whose script side is not dropped yet.
    released: Vec<Slot>,
    by_id: BTreeMap<VarId, Slot>,
    /// Roots in order of creation: variable 1 and parentless ones made by Lua.
    roots: Vec<Slot>,
    last_client: i64,
    last_server: i64,
    property_bytes: usize,
    told_bytes: usize,
    /// By id: a slot may be somebody else's by the time of the flush.
    dirty: Vec<VarId>,
    /// JSON of pending values.
    json: Vec<u8>,
    order: Order,
    /// How many variables were made so far.
    made: u64,
    names: Names,
    /// Who looks on, if somebody does.
    pub(super) witness: Option<Box<Witness>>,
}

/// What a new variable is made of.
#[derive(Debug)]
pub struct NewVariable {
    pub id: VarId,
    pub wire: WireId,
    pub view: Option<ViewId>,
    pub parent: Option<Slot>,
    pub access: Access,
    pub watched: bool,
    pub has_path: bool,
    pub properties: Properties,
}

impl VariableStore {
    /// The next id for a variable of a view.
    pub fn next_client_id(&mut self) -> VarId {
        self.last_client = self.last_client.max(1) + 1;
        VarId(self.last_client)
    }

    /// The next id for a variable made by Lua: -1, -2.
    pub fn next_server_id(&mut self) -> VarId {
        self.last_server -= 1;
        VarId(self.last_server)
    }

    /// The ids that were vended so far, the app's among them, are from the first to the second.
    pub fn vended(&self) -> (VarId, VarId) {
        (VarId(self.last_server), VarId(self.last_client.max(APP.0)))
    }

    /// How many variables there are.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// Where the variable with this id lives.
    pub fn find(&self, id: VarId) -> Option<Slot> {
        self.by_id.get(&id).copied()
    }

    /// The app variable.
    pub fn app(&self) -> Option<Slot> {
        self.find(APP)
    }

    /// The live variable at `slot`.
    pub fn get(&self, slot: Slot) -> Option<&Variable> {
        self.slots.get(slot as usize)?.as_ref().filter(|v| !v.dead)
    }

    /// The live variable at `slot`, to change.
    pub fn get_mut(&mut self, slot: Slot) -> Option<&mut Variable> {
        let variable = self.slots.get_mut(slot as usize)?.as_mut();
        let variable = variable.filter(|v| !v.dead)?;
        if let Some(witness) = &mut self.witness {
            witness.touch(variable.id);
        }
        Some(variable)
    }

    /// Makes a variable. The caller has checked the id and the parent.
    pub fn insert(&mut self, new: NewVariable) -> Slot {
        let priority = new.properties.get("priority").and_then(Priority::parse);
        self.property_bytes += new.properties.weight();
        self.made += 1;
        let delta = new.view.is_some() && is_set(new.properties.get("delta"));
        let variable = Variable {
            id: new.id,
            wire: new.wire,
            view: new.view,
            access: new.access,
            priority: priority.unwrap_or_default(),
            watched: new.watched,
            inactive: is_set(new.properties.get("inactive")),
            has_path: new.has_path,
            broken: false,
            dead: false,
            shown: false,
            error: None,
            remarks: None,
            properties: new.properties,
            pending: None,
            delta,
            told: Box::default(),
            dirty: false,
            made: self.made,
            parent: new.parent.unwrap_or(NONE),
            first_child: NONE,
            last_child: NONE,
            next: NONE,
            prev: NONE,
        };
        let slot = match self.free.pop() {
            Some(slot) => {
                self.slots[slot as usize] = Some(variable);
                slot
            }
            None => {
                make_room(&mut self.slots, 1);
                self.slots.push(Some(variable));
                (self.slots.len() - 1) as Slot
            }
        };
        self.by_id.insert(new.id, slot);
        if let Some(witness) = &mut self.witness {
            witness.touch(new.id);
        }
        match new.parent {
            Some(parent) => self.link(parent, slot),
            None => self.roots.push(slot),
        }
        self.order_new(slot);
        slot
    }

    fn link(&mut self, parent: Slot, slot: Slot) {
        let Some(above) = self.slots[parent as usize].as_mut() else {
            return;
        };
        let last = above.last_child;
        above.last_child = slot;
        if last == NONE {
            above.first_child = slot;
        } else if let Some(before) = self.slots[last as usize].as_mut() {
            before.next = slot;
        }
        if let Some(variable) = self.slots[slot as usize].as_mut() {
            variable.prev = last;
        }
    }

    fn unlink(&mut self, slot: Slot) {
        let Some(variable) = self.slots[slot as usize].as_ref() else {
            return;
        };
        let (parent, prev, next) = (variable.parent, variable.prev, variable.next);
        if parent == NONE {
            self.roots.retain(|&root| root != slot);
            return;
        }
        let slots = &mut self.slots;
        let at = |slots: &mut Vec<Option<Variable>>, s: Slot, f: &mut dyn FnMut(&mut Variable)| {
            if let Some(v) = slots.get_mut(s as usize).and_then(Option::as_mut) {
                f(v);
            }
        };
        if prev == NONE {
            at(slots, parent, &mut |p| p.first_child = next);
        } else {
            at(slots, prev, &mut |p| p.next = next);
        }
        if next == NONE {
            at(slots, parent, &mut |p| p.last_child = prev);
        } else {
            at(slots, next, &mut |n| n.prev = prev);
        }
    }

    /// Destroys a variable and all below it. Returns the slots, children before parents; they stay
    /// taken until [`VariableStore::take_released`] gives them to whoever drops the script's side.
    pub fn destroy(&mut self, slot: Slot) -> Vec<Slot> {
        let Some(parent) = self.get(slot).map(Variable::parent) else {
            return Vec::new();
        };
        self.unlink(slot);
        let mut gone = Vec::new();
        let mut stack = vec![(slot, false)];
        while let Some((at, below_done)) = stack.pop() {
            if below_done {
                gone.push(at);
                continue;
            }
            stack.push((at, true));
            let start = stack.len();
            let mut child = self.slots[at as usize]
                .as_ref()
                .map_or(NONE, |v| v.first_child);
            while child != NONE {
                stack.push((child, false));
                child = self.slots[child as usize].as_ref().map_or(NONE, |v| v.next);
            }
            stack[start..].reverse();
        }
        for &at in &gone {
            if let Some(variable) = self.slots[at as usize].as_mut() {
                variable.dead = true;
                let id = variable.id;
                if let Some(witness) = &mut self.witness {
                    witness.touch(id);
                }
                self.by_id.remove(&id);
                if self.names.forget(id) {
                    self.order.spoil();
                }
            }
        }
        self.released.extend_from_slice(&gone);
        self.order_gone(parent, &gone);
        gone
    }

    /// Slots whose script side must be dropped now; each must be given to [`VariableStore::free`].
    pub fn take_released(&mut self) -> Vec<Slot> {
        std::mem::take(&mut self.released)
    }

    /// The record of a destroyed variable whose slot is not given back yet.
    pub fn get_dead(&self, slot: Slot) -> Option<&Variable> {
        self.slots.get(slot as usize)?.as_ref()
    }

    /// Gives a slot back.
    pub fn free(&mut self, slot: Slot) {
        if let Some(entry) = self.slots.get_mut(slot as usize)
            && let Some(variable) = entry.take_if(|v| v.dead)
        {
            self.property_bytes = self
                .property_bytes
                .saturating_sub(variable.properties.weight());
            self.told_bytes -= variable.told.len();
            self.free.push(slot);
        }
    }

    /// Reacts to a property that core itself understands.
    fn property_changed(&mut self, slot: Slot, name: &str) {
        let Some(variable) = self.get_mut(slot) else {
            return;
        };
        let was = (variable.priority, variable.inactive);
        match name {
            "priority" => {
                let text = variable.properties.get("priority").unwrap_or("");
                variable.priority = Priority::parse(text).unwrap_or_default();
            }
            "inactive" => variable.inactive = is_set(variable.properties.get("inactive")),
            _ => return,
        }
        if was != (variable.priority, variable.inactive) {
            self.order.spoil();
        }
    }

    /// Watches or unwatches; the order of detection follows.
    pub fn set_watched(&mut self, slot: Slot, watched: bool) {
        if let Some(variable) = self.get_mut(slot)
            && variable.watched != watched
        {
            variable.watched = watched;
            self.order.spoil();
        }
    }

    /// The next flush looks at this variable.
    pub fn mark_dirty(&mut self, slot: Slot) {
        if let Some(variable) = self.slots[slot as usize].as_mut()
            && !variable.dirty
        {
            variable.dirty = true;
            self.dirty.push(variable.id);
        }
    }

    /// Takes the list of variables with something to tell.
    pub fn take_dirty(&mut self) -> Vec<Slot> {
        let dirty = std::mem::take(&mut self.dirty);
        let alive: Vec<Slot> = dirty.into_iter().filter_map(|id| self.find(id)).collect();
        for &slot in &alive {
            if let Some(variable) = self.get_mut(slot) {
                variable.dirty = false;
            }
        }
        alive
    }

    /// Whether anything waits for a flush.
    pub fn is_dirty(&self) -> bool {
        !self.dirty.is_empty()
    }

    /// Keeps `json` as what the next flush tells of this variable's value.
    pub fn set_pending(&mut self, slot: Slot, json: &[u8]) {
        let start = self.json.len() as u32;
        self.json.extend_from_slice(json);
        let end = self.json.len() as u32;
        if let Some(variable) = self.get_mut(slot) {
            variable.pending = Some(Span { start, end });
            self.mark_dirty(slot);
        }
    }

    /// Keeps what a variable's view is told now, to tell it pieces of that next time. Returns what it
    /// was told before; empty: unknown.
    pub(super) fn exchange_told(&mut self, slot: Slot, told: &[u8]) -> Box<[u8]> {
        let left = TOLD_MOST.saturating_sub(self.told_bytes);
        let Some(variable) = self.get_mut(slot) else {
            return Box::default();
        };
        let keeps = variable.delta && told.len() <= left + variable.told.len();
        let told: Box<[u8]> = if keeps { told.into() } else { Box::default() };
        let kept = told.len();
        let before = std::mem::replace(&mut variable.told, told);
        self.told_bytes = self.told_bytes + kept - before.len();
        before
    }

    /// JSON of a pending value.
    pub fn pending_json(&self, span: Span) -> &[u8] {
        &self.json[span.range()]
    }

    /// Bytes of pending JSON, superseded values included.
    pub fn pending_bytes(&self) -> usize {
        self.json.len()
    }

    /// Bytes of all that is kept of variables, roughly.
    pub fn bytes(&self) -> usize {
        let records = self.slots.capacity() * size_of::<Option<Variable>>();
        records + self.property_bytes + self.told_bytes + self.json.capacity()
    }

    /// What all properties count against the limit.
    pub fn property_bytes(&self) -> usize {
        self.property_bytes
    }

    /// Sets a property, for the next flush to tell if `dirty`. Returns whether that changed
    /// anything.
    pub fn set_property(
        &mut self,
        slot: Slot,
        name: &str,
        value: &str,
        dirty: Option<Option<Priority>>,
    ) -> bool {
        let Some(variable) = self.get_mut(slot) else {
            return false;
        };
        let growth = variable.properties.growth(name, value);
        let changed = match dirty {
            Some(priority) => variable.properties.set_dirty(name, value, priority),
            None => variable.properties.set(name, value, None),
        };
        self.property_bytes = self.property_bytes.saturating_add_signed(growth);
        if changed && dirty.is_some() {
            self.mark_dirty(slot);
        }
        self.property_changed(slot, name);
        changed
    }

    /// Everything pending was told.
    pub fn clear_pending_json(&mut self) {
        self.json.clear();
        // A big answer should not be paid for by the idle session that follows it.
        self.json.shrink_to(1024);
    }

    /// The variables directly below one, in order of creation.
    pub fn children(&self, slot: Slot) -> impl Iterator<Item = Slot> {
        let step = |at: Slot| (at != NONE).then_some(at);
        let first = self.get(slot).and_then(|v| step(v.first_child));
        std::iter::successors(first, move |&at| {
            let next = self.slots[at as usize].as_ref().map_or(NONE, |v| v.next);
            step(next)
        })
    }

    /// All variables, by id.
    pub fn iter(&self) -> impl Iterator<Item = (VarId, Slot)> {
        self.by_id.iter().map(|(&id, &slot)| (id, slot))
    }

    /// Slots of the variables that Lua made with `createVariable`.
    pub fn shared(&self) -> impl Iterator<Item = Slot> {
        self.by_id.range(..VarId(0)).map(|(_, &slot)| slot)
    }
}

fn is_set(value: Option<&str>) -> bool {
    !matches!(value, None | Some("" | "false"))
}

carry!(enum Access { 0 => Read, 1 => Write, 2 => ReadWrite, 3 => Action });
carry!(struct Span { start, end });
carry!(struct Fault { code, message, detail, by });
carry!(struct Remarks { event, list });
carry!(struct Variable {
    id, wire, view, access, priority, watched, inactive, has_path, broken, dead, shown, error, remarks,
    properties, pending, delta, told, dirty, made, parent, first_child, last_child, next, prev,
});
carry!(struct VariableStore {
    slots, free, released, by_id, roots, last_client, last_server, property_bytes, told_bytes, dirty,
    json, order, made, names,
} made { witness: None });
