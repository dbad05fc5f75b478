//! What one frontend sees of its session.

use std::collections::{BTreeMap, BTreeSet};

use super::carry::carry;
use super::host::NoticeKind;
use super::id::{APP, ConnectionId, VarId, WireId};
use super::property::Properties;
use super::script::ErrorCode;
use super::variable::{Detail, Slot, VariableStore};

/// Names a view inside its session; monotonic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ViewId(pub u64);

/// Properties of variable 1 that belong to one view: a second tab must not steer the first.
pub(super) const PER_VIEW: [&str; 5] = ["elementId", "historyIndex", "url", "viewdef", "viewdefs"];

/// Notices that one flush shows; a page full of them helps nobody.
const NOTICES_MAX: usize = 10;

/// A frontend: a connection with its own names for variables.
#[derive(Debug)]
pub(super) struct View {
    pub id: ViewId,
    pub connection: ConnectionId,
    /// The client's ids, from 2 up.
    aliases: BTreeMap<WireId, Slot>,
    /// Shared variables it watches.
    pub shared: BTreeSet<VarId>,
    /// It has asked for something that the base protocol does not have: it is our own client.
    pub extended: bool,
    /// Its own share of variable 1's properties.
    pub properties: Properties,
    /// Types whose viewdefs it has.
    pub types: BTreeSet<Box<str>>,
    /// Those of them whose viewdefs have changed since.
    pub renewed: BTreeSet<Box<str>>,
    /// Variables of which it is told everything with the next flush.
    pub resend: Vec<VarId>,
    /// What is gone, and how many errors there were by then.
    pub destroyed: Vec<(WireId, usize)>,
    pub errors: Vec<(WireId, ErrorCode, String, Detail)>,
    /// How many more there were than are told at once. The event that brings them ends with a flush.
    pub untold: usize,
    /// Variables of which it is told the value, since reading back what it wrote gave another.
    pub echoes: Vec<VarId>,
    /// What it wrote to shared variables since the last flush, so that it is not told the same.
    pub own_writes: Vec<(VarId, Box<str>)>,
    /// Answers to `getObjects`: JSON arrays.
    pub objects: Vec<Vec<u8>>,
    /// Texts to show for a moment.
    pub notices: Vec<(Box<str>, NoticeKind)>,
    /// The browser is sent to another address.
    pub steered: bool,
}

impl View {
    pub fn new(id: ViewId, connection: ConnectionId) -> View {
        View {
            id,
            connection,
            aliases: BTreeMap::new(),
            shared: BTreeSet::new(),
            extended: false,
            properties: Properties::default(),
            types: BTreeSet::new(),
            renewed: BTreeSet::new(),
            resend: Vec::new(),
            destroyed: Vec::new(),
            errors: Vec::new(),
            untold: 0,
            echoes: Vec::new(),
            own_writes: Vec::new(),
            objects: Vec::new(),
            notices: Vec::new(),
            steered: false,
        }
    }

    /// The variable this view calls `wire`.
    pub fn resolve(&self, wire: WireId, vars: &VariableStore) -> Option<Slot> {
        if wire == APP.0 || wire < 0 {
            return vars.find(VarId(wire));
        }
        self.aliases.get(&wire).copied()
    }

    /// Whether the client has used this id and not destroyed it.
    pub fn has_alias(&self, wire: WireId) -> bool {
        self.aliases.contains_key(&wire)
    }

    /// From now on the view calls `slot` `wire`.
    pub fn add_alias(&mut self, wire: WireId, slot: Slot) {
        self.aliases.insert(wire, slot);
    }

    /// The variable is gone; the client is told.
    pub fn remove_alias(&mut self, wire: WireId) {
        self.aliases.remove(&wire);
        self.tell_destroyed(wire);
    }

    /// The client is told that a variable is gone.
    pub fn tell_destroyed(&mut self, wire: WireId) {
        self.destroyed.push((wire, self.errors.len()));
    }

    /// Tells an error with the next flush, or that there was one more than `most`.
    pub fn tell_error(
        &mut self,
        most: usize,
        var: WireId,
        code: ErrorCode,
        text: String,
        detail: Detail,
    ) {
        if self.errors.len() < most {
            self.errors.push((var, code, text, detail));
        } else {
            self.untold += 1;
        }
    }

    /// Sends the browser to another address of the app, as a new entry of its history or in place of
    /// the present one.
    pub fn navigate(&mut self, url: &str, replace: bool) {
        let index = self.properties.get("historyIndex");
        let index: u64 = index.and_then(|text| text.parse().ok()).unwrap_or(0);
        let index = if replace { index } else { index + 1 };
        self.properties.set("url", url, None);
        self.properties
            .set("historyIndex", &index.to_string(), None);
        self.steered = true;
    }

    /// Shows a text for a moment.
    pub fn notify(&mut self, text: &str, kind: NoticeKind) {
        if self.notices.len() < NOTICES_MAX {
            self.notices.push((text.into(), kind));
        }
    }

    /// Whether it watches this variable.
    pub fn watches(&self, slot: Slot, vars: &VariableStore) -> bool {
        vars.get(slot).is_some_and(|v| match v.view {
            Some(owner) => owner == self.id && v.watched,
            None => self.shared.contains(&v.id),
        })
    }

    /// Slots of all its variables.
    pub fn owned(&self) -> Vec<Slot> {
        self.aliases.values().copied().collect()
    }

    /// Whether there is something to tell besides changed variables.
    pub fn has_news(&self) -> bool {
        !(self.resend.is_empty()
            && self.renewed.is_empty()
            && self.echoes.is_empty()
            && self.destroyed.is_empty()
            && self.errors.is_empty()
            && self.notices.is_empty()
            && self.objects.is_empty())
            || self.steered
    }
}

carry!(newtype ViewId);
carry!(struct View {
    id, aliases, shared, extended, properties, types, renewed, resend, destroyed, errors, echoes,
    own_writes, objects, notices, steered,
} made {
    connection: recorded(id),
    untold: 0,
});

/// The number that a view's connection has in a recording: they are counted in the order in which they
/// join. What it is in this process is the shell's and of no use in another.
fn recorded(ViewId(view): ViewId) -> ConnectionId {
    ConnectionId(view)
}
