//! The views of a session and what each is told with the next flush.
//!
//! Order inside a frame: destroys, errors, viewdefs, then updates of high, medium and low priority
//! and inside a class by the view's variable ids, then answers to `getObjects`. Viewdefs come before
//! the first update that shows a type which needs them.

use std::collections::BTreeMap;

use super::batch::{OutgoingBatch, OutgoingMessage};
use super::carry::carry;
use super::delta::push_pieces;
use super::host::{Host, NoticeKind};
use super::id::{APP, ConnectionId, VarId, WireId};
use super::json;
use super::property::{Priority, Properties, Property, push_properties};
use super::script::{ErrorCode, Script};
use super::variable::{Fault, Slot, Span, Variable};
use super::view::{PER_VIEW, View, ViewId};
use super::viewdef::Viewdefs;

/// The views of one session, in order of arrival.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    pub views: Vec<View>,
    last_view: u64,
}

/// One update to write: a variable's share of one priority class.
struct Item {
    class: Priority,
    wire: WireId,
    slot: Slot,
    what: What,
}

/// How much of its variable an [`Item`] tells.
#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    /// What has changed.
    Changes,
    /// The value, whether changed or not.
    Value,
    /// The value and all properties, whether changed or not.
    All,
}

const CLASSES: [Priority; 3] = [Priority::High, Priority::Medium, Priority::Low];

impl Outbox {
    /// A frontend joined.
    pub fn join(&mut self, connection: ConnectionId) {
        self.last_view += 1;
        self.views
            .push(View::new(ViewId(self.last_view), connection));
    }

    /// The place of a connection's view.
    pub fn find(&self, connection: ConnectionId) -> Option<usize> {
        self.views.iter().position(|v| v.connection == connection)
    }

    /// Whom something concerns that a script did while it handled a message of view `acting`, or on
    /// its own account.
    pub fn addressed(&mut self, acting: Option<usize>) -> &mut [View] {
        match acting {
            Some(view) => std::slice::from_mut(&mut self.views[view]),
            None => &mut self.views,
        }
    }

    /// Puts an error on a variable and tells those who see it.
    pub fn fault(&mut self, host: &mut Host, slot: Slot, fault: Fault) {
        let Some(variable) = host.vars.get_mut(slot) else {
            return;
        };
        let (id, wire, owner) = (variable.id, variable.wire, variable.view);
        variable.error = Some(Box::new(fault.clone()));
        for view in &mut self.views {
            let sees = match owner {
                Some(owner) => owner == view.id,
                // Who has just written it hears of it, watching or not.
                None => view.watches(slot, &host.vars) || view.written(id).is_some(),
            };
            if sees {
                let detail = fault.detail.clone();
                let (most, text) = (host.limits.errors_at_once(), fault.message.clone());
                view.tell_error(most, wire, fault.code, text, detail);
            }
        }
    }

    /// Whether a flush would send anything.
    pub fn has_news(&self, host: &Host) -> bool {
        host.vars.is_dirty() || self.views.iter().any(View::has_news)
    }

    /// Assembles what every view is told and forgets that it was due.
    pub fn flush<S: Script>(
        &mut self,
        script: &mut S,
        host: &mut Host,
        viewdefs: &Viewdefs,
        mut send: impl FnMut(ConnectionId, OutgoingBatch),
    ) {
        let dirty = host.vars.take_dirty();
        for view in &mut self.views {
            let batch = view.assemble(script, host, viewdefs, &dirty);
            if !batch.messages.is_empty() {
                send(view.connection, batch);
            }
        }
        for slot in dirty {
            if let Some(variable) = host.vars.get_mut(slot) {
                variable.pending = None;
                variable.properties.clear_dirty();
            }
        }
        host.vars.clear_pending_json();
    }
}

impl View {
    fn assemble<S: Script>(
        &mut self,
        script: &mut S,
        host: &mut Host,
        viewdefs: &Viewdefs,
        dirty: &[Slot],
    ) -> OutgoingBatch {
        let mut batch = OutgoingBatch::default();
        // Destroys come first, so an error of a variable that is gone would be one of the variable
        // that has its id now.
        let mut stale = BTreeMap::new();
        for (var, errors) in std::mem::take(&mut self.destroyed) {
            batch.messages.push(OutgoingMessage::Destroy { var });
            if self.has_alias(var) {
                stale.insert(var, errors);
            }
        }
        for (at, (var, code, text, detail)) in self.errors.drain(..).enumerate() {
            if stale.get(&var).is_none_or(|&errors| at >= errors) {
                batch.push_error(var, code, &text, detail.as_deref());
            }
        }
        let untold = std::mem::take(&mut self.untold);
        if untold > 0 {
            let most = host.limits.errors_at_once();
            let text = format!("{untold} more errors are not told: {most} are told at once");
            batch.push_error(0, ErrorCode::Limit, &text, None);
        }
        let items = self.items(host, dirty);
        self.own_writes.clear();
        self.push_viewdefs(host, viewdefs, &items, &mut batch);
        self.push_steering(&mut batch);
        for item in &items {
            self.push_update(script, host, item, &mut batch);
        }
        for objects in self.objects.drain(..) {
            let objects = batch.put(|out| out.extend_from_slice(&objects));
            batch.messages.push(OutgoingMessage::Objects { objects });
        }
        batch
    }

    fn items(&mut self, host: &Host, dirty: &[Slot]) -> Vec<Item> {
        let mut items = Vec::new();
        let mut resend = std::mem::take(&mut self.resend);
        resend.sort_unstable();
        resend.dedup();
        for &id in &resend {
            push_items(&mut items, host, id, What::All);
        }
        for &slot in dirty {
            if self.watches(slot, &host.vars)
                && let Some(variable) = host.vars.get(slot)
                && !self.wrote(host, variable)
                && resend.binary_search(&variable.id).is_err()
            {
                push_items(&mut items, host, variable.id, What::Changes);
            }
        }
        for id in self.echoes.drain(..) {
            if resend.binary_search(&id).is_err() {
                push_items(&mut items, host, id, What::Value);
            }
        }
        items.sort_by_key(|item| (item.class, item.wire));
        items
    }

    /// Whether all there is to tell of a shared variable is what this view itself wrote.
    fn wrote(&self, host: &Host, variable: &Variable) -> bool {
        let told = variable.pending.map(|span| host.vars.pending_json(span));
        told.is_some()
            && self.written(variable.id) == told
            && variable.properties.iter().all(|p| !p.dirty)
    }

    fn written(&self, id: VarId) -> Option<&[u8]> {
        let mut own = self.own_writes.iter().rev();
        let (_, json) = own.find(|(at, _)| *at == id)?;
        Some(json.as_bytes())
    }

    /// A shared variable that reads as before, although something else was written to it: nothing
    /// has changed for the others, but the writer shows what it wrote.
    pub fn echo_own_writes<S: Script>(&mut self, script: &mut S, host: &Host) {
        for i in 0..self.own_writes.len() {
            let (id, written) = &self.own_writes[i];
            let Some(slot) = host.vars.find(*id) else {
                continue;
            };
            let unchanged = host.vars.get(slot).is_some_and(|v| {
                v.pending.is_none() && v.access.reads() && self.watches(slot, &host.vars)
            });
            let mut reads = Vec::new();
            if unchanged {
                script.encode(slot, &mut reads);
            }
            if unchanged && reads != written.as_bytes() && !self.echoes.contains(id) {
                self.echoes.push(*id);
            }
        }
    }

    fn push_viewdefs(
        &mut self,
        host: &Host,
        viewdefs: &Viewdefs,
        items: &[Item],
        batch: &mut OutgoingBatch,
    ) {
        let renewed = std::mem::take(&mut self.renewed);
        let mut new: Vec<&str> = renewed.iter().map(|t| &**t).collect();
        new.retain(|t| viewdefs.has(t));
        for item in items {
            let type_name = host
                .vars
                .get(item.slot)
                .and_then(|v| v.properties.get("type"))
                .unwrap_or("");
            if !type_name.is_empty() && !self.types.contains(type_name) {
                self.types.insert(type_name.into());
                if viewdefs.has(type_name) {
                    new.push(type_name);
                }
            }
        }
        if !new.is_empty() {
            let properties = batch.put(|out| viewdefs.push_property(new.into_iter(), out));
            batch.messages.push(OutgoingMessage::Update {
                var: APP.0,
                value: None,
                pieces: false,
                properties: Some(properties),
            });
        }
    }

    /// Where the browser shall go and what it shall show for a moment: properties of variable 1 that
    /// only this view is told, and told once.
    fn push_steering(&mut self, batch: &mut OutgoingBatch) {
        let mut told = Properties::default();
        if std::mem::take(&mut self.steered) {
            for name in ["historyIndex", "url"] {
                told.set(name, self.properties.get(name).unwrap_or(""), None);
            }
        }
        if !self.notices.is_empty() {
            let mut list = Vec::new();
            for (text, kind) in self.notices.drain(..) {
                list.push(if list.is_empty() { b'[' } else { b',' });
                list.extend_from_slice(b"{\"text\":");
                json::push_str(&mut list, text.as_bytes());
                let names = NoticeKind::NAMES.iter();
                let name = names.filter(|(_, k)| *k == kind).map(|(name, _)| name);
                list.extend_from_slice(b",\"kind\":");
                json::push_str(&mut list, name.copied().collect::<String>().as_bytes());
                list.push(b'}');
            }
            list.push(b']');
            told.set("notices", &String::from_utf8_lossy(&list), None);
        }
        if told.iter().next().is_some() {
            let properties = batch.put(|out| push_properties(out, told.iter()));
            batch.messages.push(OutgoingMessage::Update {
                var: APP.0,
                value: None,
                pieces: false,
                properties: Some(properties),
            });
        }
    }

    fn push_update<S: Script>(
        &self,
        script: &mut S,
        host: &mut Host,
        item: &Item,
        batch: &mut OutgoingBatch,
    ) {
        let Some(variable) = host.vars.get(item.slot) else {
            return;
        };
        let value = if item.class != variable.priority {
            None
        } else if let Some(span) = variable.pending {
            Some(batch.put(|out| out.extend_from_slice(host.vars.pending_json(span))))
        } else if item.what != What::Changes && variable.access.reads() {
            Some(batch.put(|out| script.encode(item.slot, out)))
        } else {
            None
        };
        let delta = variable.delta;
        let (value, pieces) = match value {
            Some(whole) if delta => in_pieces(host, item, whole, batch),
            whole => (whole, false),
        };
        let properties = host
            .vars
            .get(item.slot)
            .and_then(|variable| self.put_properties(variable, item, batch));
        if value.is_some() || properties.is_some() {
            batch.messages.push(OutgoingMessage::Update {
                var: item.wire,
                value,
                pieces,
                properties,
            });
        }
    }

    fn put_properties(
        &self,
        variable: &Variable,
        item: &Item,
        batch: &mut OutgoingBatch,
    ) -> Option<Span> {
        let mut wanted: Vec<Property<'_>> = variable
            .properties
            .iter()
            .filter(|p| match item.what {
                What::All => !p.value.is_empty() && !is_per_view(variable, p),
                What::Changes => p.dirty && p.priority.unwrap_or(variable.priority) == item.class,
                What::Value => false,
            })
            .collect();
        if item.what == What::All && variable.id == APP {
            wanted.extend(self.properties.iter().filter(|p| !p.value.is_empty()));
            wanted.sort_unstable_by_key(|property| property.name);
        }
        (!wanted.is_empty()).then(|| batch.put(|out| push_properties(out, wanted.into_iter())))
    }
}

/// Puts the pieces in place of the whole value, which was put last, if the client can make the value
/// of what it was told before and they are shorter.
fn in_pieces(
    host: &mut Host,
    item: &Item,
    whole: Span,
    batch: &mut OutgoingBatch,
) -> (Option<Span>, bool) {
    let now = &batch.data[whole.range()];
    let before = host.vars.exchange_told(item.slot, now);
    if item.what != What::Changes || before.is_empty() {
        return (Some(whole), false);
    }
    let mut pieces = Vec::new();
    if !push_pieces(&before, now, &mut pieces) {
        return (Some(whole), false);
    }
    batch.data.truncate(whole.start as usize);
    let span = batch.put(|out| out.extend_from_slice(&pieces));
    (Some(span), true)
}

/// Whether each view has this property of the app variable for itself.
fn is_per_view(variable: &Variable, property: &Property<'_>) -> bool {
    variable.id == APP && PER_VIEW.contains(&property.name)
}

/// One item for each class in which the variable has something to tell; all of it is one item in the
/// class of its value, as `watch` and `get` are answered.
fn push_items(items: &mut Vec<Item>, host: &Host, id: VarId, what: What) {
    let Some(slot) = host.vars.find(id) else {
        return;
    };
    let Some(variable) = host.vars.get(slot) else {
        return;
    };
    for class in CLASSES {
        let value =
            class == variable.priority && (what != What::Changes || variable.pending.is_some());
        let property = || {
            let of_class = |p: Property<'_>| p.priority.unwrap_or(variable.priority) == class;
            let mut properties = variable.properties.iter();
            what == What::Changes && properties.any(|p| p.dirty && of_class(p))
        };
        if value || property() {
            items.push(Item {
                class,
                wire: variable.wire,
                slot,
                what,
            });
        }
    }
}

carry!(struct Outbox { views, last_view });
