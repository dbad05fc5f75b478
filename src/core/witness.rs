//! Witness: what events do to variables, noted for somebody who looks on.
//!
//! There is one only while somebody does. It is no part of the session: nothing depends on it, and it is not
//! carried. A session that was looked at goes on exactly as one that was not.

use super::id::{ConnectionId, VarId, WireId};
use super::script::Script;
use super::session::Session;
use super::variable::{Slot, VariableStore};

/// See the module's description.
#[derive(Debug, Default)]
pub struct Witness {
    /// Variables that were made, are gone, or may have changed; some more than once.
    touched: Vec<VarId>,
    /// Gas that reading a variable took, as often as it took any.
    costs: Vec<(Slot, u64)>,
    gas: u64,
}

impl Witness {
    /// A variable was made, is gone, or may change now.
    #[cold]
    #[inline(never)]
    pub(super) fn touch(&mut self, id: VarId) {
        self.touched.push(id);
    }

    /// Reading a variable took so much gas.
    pub fn note_cost(&mut self, slot: Slot, gas: u64) {
        if gas > 0 {
            self.costs.push((slot, gas));
        }
    }

    /// The script ran for so much gas.
    pub fn note_gas(&mut self, gas: u64) {
        self.gas += gas;
    }
}

/// What happened since it was asked last.
#[derive(Debug, Default)]
pub struct Witnessed {
    /// Variables that were made, are gone, or may have changed, each once.
    pub touched: Vec<VarId>,
    /// Gas that reading variables took in the last detection, by variable.
    pub costs: Vec<(VarId, u64)>,
    /// Gas that the script has used.
    pub gas: u64,
}

impl VariableStore {
    /// Whether somebody looks on.
    pub fn is_attended(&self) -> bool {
        self.witness.is_some()
    }

    /// Who looks on.
    pub fn witness(&mut self) -> Option<&mut Witness> {
        self.witness.as_deref_mut()
    }
}

impl<S: Script> Session<S> {
    /// From now on what events do to variables is noted, or no longer.
    pub fn attend(&mut self, on: bool) {
        self.host.vars.witness = on.then(Box::default);
    }

    /// Whether it is.
    pub fn is_attended(&self) -> bool {
        self.host.vars.is_attended()
    }

    /// What happened since this was asked last, if it is noted.
    pub fn take_witnessed(&mut self) -> Witnessed {
        let Some(witness) = self.host.vars.witness() else {
            return Witnessed::default();
        };
        let Witness {
            mut touched,
            costs,
            gas,
        } = std::mem::take(witness);
        touched.sort_unstable();
        touched.dedup();
        let id = |(slot, gas)| Some((self.host.vars.get(slot)?.id, gas));
        let costs = costs.into_iter().filter_map(id).collect();
        Witnessed {
            touched,
            costs,
            gas,
        }
    }

    /// What the page with this number calls `wire`.
    pub fn named(&self, page: u64, wire: WireId) -> Option<Slot> {
        let view = self.outbox.views.iter().find(|view| view.id.0 == page)?;
        view.resolve(wire, &self.host.vars)
    }

    /// Its connections, each with the number that it has in this session: the first to come is 1.
    pub fn pages(&self) -> impl Iterator<Item = (ConnectionId, u64)> {
        let views = self.outbox.views.iter();
        views.map(|view| (view.connection, view.id.0))
    }
}
