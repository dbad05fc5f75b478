//! Change detection: reading every watched variable and noting what differs.

use super::host::Host;
use super::id::APP;
use super::outbox::Outbox;
use super::script::{ErrorCode, Script, ScriptError, WatchedValue};
use super::variable::{Slot, Span};

/// Rounds of detection after one event. Wrappers that keep changing things past it are cut off.
const MAX_ROUNDS: usize = 10;

/// What one pass of [`Script::detect`] found, in order of detection.
#[derive(Debug, Default)]
pub struct Changes {
    /// JSON of the new values, one after the other.
    pub json: Vec<u8>,
    pub list: Vec<(Slot, Change)>,
    /// A wrapper was made or synced, so what was read before it may be old: go round again.
    pub again: bool,
}

/// One finding about one variable.
#[derive(Debug)]
pub enum Change {
    /// The value differs; its JSON is this part of [`Changes::json`].
    Value(Span),
    /// The type name of the presented object differs; empty when there is none.
    Type(Box<str>),
    /// It could not be read, or not shown as it is. Reported once.
    Failed(ScriptError),
}

impl Changes {
    /// Notes a new value whose JSON begins at `start` and has just been written.
    pub fn value(&mut self, slot: Slot, start: usize) {
        let span = Span {
            start: start as u32,
            end: self.json.len() as u32,
        };
        self.list.push((slot, Change::Value(span)));
    }
}

/// Runs detection until nothing moves any more, and leaves what is to be told in the store. Returns
/// how many variables it looked at.
pub(super) fn detect<S: Script>(script: &mut S, host: &mut Host, outbox: &mut Outbox) -> usize {
    script.begin_detection();
    let looks = run_rounds(script, host, outbox);
    script.end_detection();
    looks
}

/// The same after an event that only made variables: these are read, and the others only if that has
/// led to more.
pub(super) fn detect_fresh<S: Script>(
    script: &mut S,
    host: &mut Host,
    outbox: &mut Outbox,
    fresh: &[Slot],
) -> usize {
    let mut looks = fresh.len();
    script.begin_detection();
    if look_at(script, host, outbox, fresh) {
        looks += run_rounds(script, host, outbox);
    }
    script.end_detection();
    looks
}

fn run_rounds<S: Script>(script: &mut S, host: &mut Host, outbox: &mut Outbox) -> usize {
    let mut looks = 0;
    let mut changes = Changes::default();
    for round in 1..=MAX_ROUNDS {
        let order = host.vars.lend_order();
        looks += order.len();
        script.detect(host, &order, &mut changes);
        host.vars.return_order(order);
        let again = changes.again || host.vars.order_is_stale();
        let told = apply(script, host, outbox, &mut changes);
        if !again && !told {
            return looks;
        }
        if round == MAX_ROUNDS {
            host.log(
                0,
                format_args!(
                    "change detection gave up after {MAX_ROUNDS} rounds: a wrapper's sync() or a watch \
                     changes what it hears of every time"
                ),
            );
        }
    }
    looks
}

/// Reads just these variables, parents before children. Returns whether that may have changed what
/// others show.
pub(super) fn look_at<S: Script>(
    script: &mut S,
    host: &mut Host,
    outbox: &mut Outbox,
    order: &[Slot],
) -> bool {
    let mut changes = Changes::default();
    script.detect(host, order, &mut changes);
    let again = changes.again;
    let told = apply(script, host, outbox, &mut changes);
    again || told
}

/// Returns whether a watch in Lua was told, which may have changed something.
fn apply<S: Script>(
    script: &mut S,
    host: &mut Host,
    outbox: &mut Outbox,
    changes: &mut Changes,
) -> bool {
    let mut told = false;
    changes.again = false;
    let list = std::mem::take(&mut changes.list);
    for (slot, change) in list {
        match change {
            Change::Value(span) => {
                value_changed(host, slot, &changes.json[span.range()]);
                told |= notify(script, host, slot);
            }
            Change::Type(name) => host.set_type(slot, &name),
            Change::Failed(error) => failed(host, outbox, slot, error),
        }
    }
    changes.json.clear();
    told
}

fn value_changed(host: &mut Host, slot: Slot, json: &[u8]) {
    let Some(variable) = host.vars.get_mut(slot) else {
        return;
    };
    let recovered = variable.error.take().is_some();
    let null = json == b"null";
    if null && !variable.shown && !recovered {
        // A value that was nil from the start is not told.
        return;
    }
    variable.shown = !null;
    host.vars.set_pending(slot, json);
}

/// An error is told once and takes the value off the screen.
pub(super) fn failed(host: &mut Host, outbox: &mut Outbox, slot: Slot, error: ScriptError) {
    let fault = host.fault(&error);
    let Some(variable) = host.vars.get_mut(slot) else {
        return;
    };
    if error.code != ErrorCode::BadValue {
        let shown = std::mem::take(&mut variable.shown);
        if shown {
            host.vars.set_pending(slot, b"null");
            host.set_type(slot, "");
        }
    }
    if let Some(traceback) = error.traceback {
        let id = host.vars.get(slot).map_or(APP, |v| v.id);
        host.log(0, format_args!("error on variable {id}: {traceback}"));
    }
    outbox.fault(host, slot, fault);
}

fn notify<S: Script>(script: &mut S, host: &mut Host, slot: Slot) -> bool {
    let Some(id) = host.vars.get(slot).map(|v| v.id) else {
        return false;
    };
    if !host.watches.watches_value(id) {
        return false;
    }
    for handle in host.watches.of_variable(id) {
        if let Err(error) = script.notify(host, handle, WatchedValue::Variable(slot)) {
            let text = error.traceback.unwrap_or(error.message);
            host.log(0, format_args!("error in a watch of variable {id}: {text}"));
        }
    }
    true
}
