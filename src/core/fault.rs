//! Errors that are told: on the variable that is to blame, or on the fields beside it that an action refused.

use super::id::{APP, VarId, WireId};
use super::json;
use super::limits::OPERATORS_ERR_ALONE;
use super::script::{ErrorCode, Script, ScriptError};
use super::session::Session;
use super::variable::{Fault, Slot};

/// Errors on fields that are remembered: forms are small, and only a hostile client makes many.
const FIELD_FAULTS_MAX: usize = 1_000;

impl<S: Script> Session<S> {
    /// Logs what a function raised that nobody called, and tells it to the variable that gave it.
    pub(super) fn blame(
        &mut self,
        started_by: Option<VarId>,
        what: std::fmt::Arguments<'_>,
        mut error: ScriptError,
    ) {
        let text = error.traceback.take();
        let text = text.as_deref().unwrap_or(&error.message);
        self.host.log(0, format_args!("error in {what}: {text}"));
        if let Some(slot) = self.host.vars.find(started_by.unwrap_or(APP)) {
            self.tell_fault(slot, error);
        }
    }

    /// Tells a view of an error that does not stay.
    pub(super) fn error(
        &mut self,
        view: usize,
        var: WireId,
        code: ErrorCode,
        text: impl Into<String>,
    ) {
        let most = self.host.limits.errors_at_once();
        self.outbox.views[view].tell_error(most, var, code, text.into(), None);
    }

    /// Tells what is wrong with an operator's code to who has sent it and to the log: the app is not to blame.
    pub(super) fn tell_operator(&mut self, error: ScriptError) {
        let alone = self.host.limits.has(OPERATORS_ERR_ALONE);
        let operator = self.acting.filter(|_| alone);
        match (operator, self.host.vars.app()) {
            (Some(view), _) => {
                let text = error.traceback.as_deref().unwrap_or(&error.message);
                self.host
                    .log(0, format_args!("error in the operator's code: {text}"));
                self.error(view, APP.0, error.code, error.message);
            }
            (None, Some(app)) => self.tell_fault(app, error),
            (None, None) => {}
        }
    }

    /// Puts an error on a variable, or on the fields beside it that it names; values stay.
    pub(super) fn tell_fault(&mut self, slot: Slot, error: ScriptError) {
        if let Some(traceback) = &error.traceback {
            self.host.log(0, format_args!("{traceback}"));
        }
        let mut fault = self.host.fault(&error);
        let told = self.asks_for_fields(slot) && !error.fields.is_empty();
        if told {
            fault.detail = Some(fields_json(&error.fields));
        }
        let mut rest = std::mem::take(&mut fault.message);
        for (field, text) in &error.fields {
            let shown = self.showing_field(slot, field);
            if shown.is_empty() {
                if !rest.is_empty() {
                    rest.push_str("; ");
                }
                rest.push_str(text);
            }
            for at in shown {
                self.tell_field(slot, at, text);
            }
        }
        if told || !rest.is_empty() {
            fault.message = rest;
            self.outbox.fault(&mut self.host, slot, fault);
        }
    }

    /// Whether the client puts errors on fields that no variable shows, as well.
    fn asks_for_fields(&self, slot: Slot) -> bool {
        let variable = self.host.vars.get(slot);
        variable.is_some_and(|v| v.properties.get("fields") == Some("true"))
    }

    /// Puts an error on a field beside the action that refused it.
    fn tell_field(&mut self, action: Slot, field: Slot, text: &str) {
        let id = |slot| self.host.vars.get(slot).map(|v| v.id);
        let (Some(by), Some(at)) = (id(action), id(field)) else {
            return;
        };
        let fault = Fault {
            code: ErrorCode::Invalid,
            message: text.to_owned(),
            detail: None,
            by: Some(by),
        };
        self.outbox.fault(&mut self.host, field, fault);
        self.field_faults.push_back((by, at));
        if self.field_faults.len() > FIELD_FAULTS_MAX {
            self.field_faults.pop_front();
        }
    }

    /// The variables beside `slot`, of the same view, whose path is `field`.
    fn showing_field(&mut self, slot: Slot, field: &str) -> Vec<Slot> {
        let vars = &self.host.vars;
        let Some(variable) = vars.get(slot) else {
            return Vec::new();
        };
        let looks_left = &mut self.looks_left;
        let siblings = variable.parent().into_iter().flat_map(|p| vars.children(p));
        siblings
            .take_while(|_| {
                *looks_left = looks_left.saturating_sub(1);
                *looks_left > 0
            })
            .filter(|&at| {
                vars.get(at).is_some_and(|v| {
                    v.view == variable.view && v.properties.get("path") == Some(field)
                })
            })
            .collect()
    }

    /// A success clears the errors that the same action put on fields before.
    pub(super) fn clear_fields(&mut self, action: Slot) -> Vec<Slot> {
        let Some(by) = self.host.vars.get(action).map(|v| v.id) else {
            return Vec::new();
        };
        let mut fields = Vec::new();
        self.field_faults.retain(|&(action, field)| {
            if action == by {
                fields.push(field);
            }
            action != by
        });
        let vars = &self.host.vars;
        let stands = |slot: &Slot| {
            let fault = vars.get(*slot).and_then(|v| v.error.as_ref());
            fault.is_some_and(|fault| fault.by == Some(by))
        };
        let slots = fields.into_iter().filter_map(|id| vars.find(id));
        slots.filter(stands).collect()
    }
}

/// `{"fields":{"NAME":"text"}}`
fn fields_json(fields: &[(Box<str>, Box<str>)]) -> std::rc::Rc<str> {
    let mut out = b"{\"fields\":{".to_vec();
    for (i, (field, text)) in fields.iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        json::push_str(&mut out, field.as_bytes());
        out.push(b':');
        json::push_str(&mut out, text.as_bytes());
    }
    out.extend_from_slice(b"}}");
    String::from_utf8_lossy(&out).into()
}
