//! What each message of a frontend does. A failure is one error and hurts no other message.

use std::collections::BTreeSet;

use super::allowed::{Grant, is_fixed, type_by_place};
use super::change::look_at;
use super::deed::DeedKind;
use super::host::{Work, too_many_properties};
use super::id::{APP, WireId};
use super::message::{Json, Message, PropertyList};
use super::path::{Path, split_properties};
use super::property::Properties;
use super::script::{ErrorCode, Script, ScriptError};
use super::session::{COMPLAINT_BYTES_MAX, COMPLAINTS_MAX, Session};
use super::variable::{Access, NewVariable, Slot, Variable};
use super::view::PER_VIEW;

/// A `create` as it was sent.
struct Creation {
    id: WireId,
    parent: WireId,
    properties: PropertyList,
    nowatch: bool,
    value: Option<Json>,
}

impl<S: Script> Session<S> {
    pub(super) fn handle_message(&mut self, view: usize, message: Message) {
        if !matches!(message, Message::Create { .. } | Message::Destroy { .. }) {
            self.fresh = None;
        }
        match message {
            Message::Create {
                id,
                parent,
                properties,
                nowatch,
                value,
            } => {
                let creation = Creation {
                    id,
                    parent,
                    properties,
                    nowatch,
                    value,
                };
                self.create(view, creation);
            }
            Message::Update {
                var,
                value,
                properties,
            } => self.update(view, var, value, properties),
            Message::Watch { var } => self.watch(view, var, true),
            Message::Unwatch { var } => self.watch(view, var, false),
            Message::Destroy { var } => self.destroy(view, var),
            Message::Get { vars } => {
                for var in vars {
                    match self.resolve(view, var) {
                        Some(slot) => self.get(view, slot, var),
                        None => self.not_found(view, var),
                    }
                }
            }
            Message::GetObjects { objects } => self.get_objects(view, &objects),
            Message::Complaint { var, description } => self.complain(var, &description),
            Message::Bad { var, description } => {
                self.error(view, var, ErrorCode::BadMessage, description);
            }
            Message::Unread { count } => self.outbox.views[view].untold += count,
        }
    }

    /// A page cannot show something. Whoever runs the server is told once, not by every page.
    fn complain(&mut self, var: WireId, description: &str) {
        let is_new = self.complaints.len() < COMPLAINTS_MAX
            && description.len() <= COMPLAINT_BYTES_MAX
            && self.complaints.insert(description.into());
        let level = if is_new { 0 } else { 1 };
        let text = format_args!("a client cannot show variable {var}: {description}");
        self.host.log(level, text);
    }

    fn resolve(&self, view: usize, wire: WireId) -> Option<Slot> {
        self.outbox.views[view].resolve(wire, &self.host.vars)
    }

    fn not_found(&mut self, view: usize, var: WireId) {
        let text = match var {
            1 => "variable 1 does not exist: main.lua has not called session:createAppVariable"
                .into(),
            _ => format!("variable {var} not found: it was never created or is destroyed"),
        };
        self.error(view, var, ErrorCode::NotFound, text);
    }

    /// Tells all of a variable, read now if detection passes it by.
    fn get(&mut self, view: usize, slot: Slot, wire: WireId) {
        let vars = &self.host.vars;
        let Some(variable) = vars.get(slot) else {
            return;
        };
        self.outbox.views[view].resend.push(variable.id);
        if !variable.access.reads() {
            return;
        }
        let above = |&at: &Slot| vars.get(at).and_then(Variable::parent);
        let path = std::iter::successors(Some(slot), above);
        let mut order: Vec<Slot> = path.take(self.looks_left + 1).collect();
        if order.len() > self.looks_left {
            if std::mem::take(&mut self.looks_left) > 0 {
                let text =
                    "too much to read for one event: what follows is told as it was last seen";
                self.error(view, wire, ErrorCode::Limit, text);
            }
            return;
        }
        self.looks_left -= order.len();
        let inactive = |&at: &Slot| vars.get(at).is_some_and(|v| v.inactive);
        if variable.watched && !order.iter().any(inactive) {
            // Detection reads it anyway.
            return;
        }
        order.reverse();
        look_at(&mut self.script, &mut self.host, &mut self.outbox, &order);
    }

    fn create(&mut self, view: usize, mut new: Creation) {
        let id = new.id;
        let refused = if id < 2 {
            Some("ids of client variables count up from 2".to_owned())
        } else if self.outbox.views[view].has_alias(id) {
            Some(format!("variable {id} is already in use"))
        } else {
            None
        };
        if let Some(text) = refused {
            return self.error(view, id, ErrorCode::BadMessage, text);
        }
        let Some(parent) = self.resolve(view, new.parent) else {
            let text = format!("parent {} of variable {id} not found", new.parent);
            return self.error(view, id, ErrorCode::NotFound, text);
        };
        if self.host.vars.len() >= self.host.limits.variables {
            let most = self.host.limits.variables;
            let text = format!("this session has {most} variables, the most it may have");
            return self.error(view, id, ErrorCode::Limit, text);
        }
        let (properties, has_path) = match gather_properties(&new) {
            Ok(gathered) => gathered,
            Err(text) => return self.error(view, id, ErrorCode::BadMessage, text),
        };
        if let Err(error) = self.host.check_growth(properties.weight() as isize) {
            return self.error(view, id, error.code, error.message);
        }
        let checked = self.check(parent, &properties);
        let extended = ["delta", "identity"].map(|name| properties.get(name).is_some());
        let internal = self.host.vars.next_client_id();
        let slot = self.host.vars.insert(NewVariable {
            id: internal,
            wire: id,
            view: Some(self.outbox.views[view].id),
            parent: Some(parent),
            access: checked.as_ref().map_or(Access::Action, |checked| checked.1),
            watched: !new.nowatch,
            has_path,
            properties,
        });
        self.outbox.views[view].add_alias(id, slot);
        self.outbox.views[view].extended |= extended.contains(&true);
        self.note_fresh(slot, new.value.is_some() && has_path);
        let path = match checked {
            Ok((path, _)) => path,
            Err(error) => {
                if error.code == ErrorCode::Unauthorized {
                    let refused = Err(error.code);
                    self.note_deed(DeedKind::Path, slot, refused);
                }
                return self.break_variable(slot, error);
            }
        };
        let value = if has_path { None } else { new.value.take() };
        if let Err(error) = self.script.bind(&mut self.host, slot, path, value.as_ref()) {
            self.break_variable(slot, error);
        } else if let Some(value) = new.value {
            self.write_and_note(slot, &value);
        } else {
            self.begin_upload(slot);
        }
    }

    /// A new variable is all there is to look at, unless more than reading fields comes with it.
    fn note_fresh(&mut self, slot: Slot, writes: bool) {
        let Some(fresh) = &mut self.fresh else {
            return;
        };
        let vars = &self.host.vars;
        let runs_code = |v: &Variable| {
            let calls = v.properties.get("path").is_some_and(|p| p.contains('('));
            let named = |name| v.properties.get(name).is_some();
            calls && v.access.reads() || named("wrapper") || named("create")
        };
        let mut above = std::iter::successors(vars.get(slot), |v| vars.get(v.parent()?));
        let looks_left = &mut self.looks_left;
        let all_read = above.all(|v| {
            *looks_left = looks_left.saturating_sub(1);
            *looks_left > 0 && v.watched && !v.inactive
        });
        if writes || !all_read || vars.get(slot).is_none_or(runs_code) {
            self.fresh = None;
        } else {
            fresh.push(slot);
        }
    }

    /// The variable is there, so that what comes after finds it, but nothing can be done with it.
    fn break_variable(&mut self, slot: Slot, error: ScriptError) {
        if let Some(variable) = self.host.vars.get_mut(slot) {
            variable.broken = true;
        }
        self.tell_fault(slot, error);
    }

    /// Path and access of a new variable of a frontend, if it may have them.
    fn check(
        &mut self,
        parent: Slot,
        properties: &Properties,
    ) -> Result<(Path, Access), ScriptError> {
        let text = properties.get("path").unwrap_or("");
        let path = Path::parse(text).map_err(|error| self.host.no_path(text, &error))?;
        if path.is_private() && !self.host.limits.private_paths {
            let text = format!(
                "path \"{text}\": names that start with _ are private; set private_paths to allow them"
            );
            return Err(ScriptError::new(ErrorCode::Unauthorized, text));
        }
        let asked = properties.get("access");
        let access =
            access_of(&path, asked).map_err(|text| ScriptError::new(ErrorCode::BadAccess, text))?;
        if !self.host.limits.viewdef_paths || self.is_operators() {
            return Ok((path, access));
        }
        let refused = |text| ScriptError::new(ErrorCode::Unauthorized, text);
        let grant = self.granted_by_viewdefs(parent, properties).ok_or_else(|| {
            refused(format!(
                "path \"{text}\": no viewdef has it for the type of its parent; set paths = \"any\" in [security] to allow it"
            ))
        })?;
        let access = grant.narrow(access, asked.is_some(), &path);
        Ok((path, access.map_err(refused)?))
    }

    /// What viewdefs let a page do with what it asks for.
    fn granted_by_viewdefs(&mut self, parent: Slot, properties: &Properties) -> Option<Grant> {
        // What a page says of a type is not what it is.
        if properties.get("type").is_some() {
            return None;
        }
        let allows = |session: &Self| {
            let type_name = type_by_place(&session.host.vars, parent);
            let allowed = session.host.site.allowed().allows(type_name, properties);
            (allowed, type_name.is_empty())
        };
        match allows(self) {
            // A page that begins anew makes all of it in one frame: what it shows is not known yet.
            (None, true) => {
                self.look_down_to(parent);
                allows(self).0
            }
            (allowed, _) => allowed,
        }
    }

    /// Reads a variable, and before that all that it depends on.
    fn look_down_to(&mut self, slot: Slot) {
        let vars = &self.host.vars;
        let above = |&at: &Slot| vars.get(at).and_then(Variable::parent);
        let path = std::iter::successors(Some(slot), above);
        let mut order: Vec<Slot> = path.take(self.looks_left + 1).collect();
        if order.len() <= self.looks_left {
            self.looks_left -= order.len();
            order.reverse();
            look_at(&mut self.script, &mut self.host, &mut self.outbox, &order);
        }
    }

    fn update(&mut self, view: usize, var: WireId, value: Option<Json>, properties: PropertyList) {
        let Some(slot) = self.resolve(view, var) else {
            return self.not_found(view, var);
        };
        for (name, value) in properties {
            self.set_property(view, slot, &name, &value);
        }
        if let Some(value) = value {
            let shared = self.host.vars.get(slot).filter(|v| v.view.is_none());
            if let Some(id) = shared.map(|v| v.id) {
                let own = &mut self.outbox.views[view].own_writes;
                own.push((id, value.0.clone()));
            }
            self.write_and_note(slot, &value);
        }
    }

    /// Whether those who run the server do what is being done.
    fn is_operators(&self) -> bool {
        let connection = |view: usize| self.outbox.views.get(view).map(|view| view.connection);
        self.acting
            .and_then(connection)
            .is_some_and(|c| c.is_trusted())
    }

    fn note_deed(&mut self, kind: DeedKind, slot: Slot, done: Result<(), ErrorCode>) {
        let by_operator = self.is_operators();
        self.host.note_deed(kind, slot, done, by_operator);
    }

    fn write_and_note(&mut self, slot: Slot, value: &Json) {
        let action = |v: &Variable| v.access == Access::Action;
        let kind = match self.host.vars.get(slot).is_some_and(action) {
            true => DeedKind::Call,
            false => DeedKind::Write,
        };
        // What it does may end it.
        self.note_deed(kind, slot, Ok(()));
        if let Err(code) = self.write(slot, value)
            && let Some(deed) = self.host.deeds.last_mut()
        {
            deed.refused = Some(code);
        }
    }

    fn write(&mut self, slot: Slot, value: &Json) -> Result<(), ErrorCode> {
        let Some(variable) = self.host.vars.get(slot) else {
            return Ok(());
        };
        if !variable.access.writes() {
            let text = "this variable is read only: its access is r";
            self.tell_fault(slot, ScriptError::new(ErrorCode::BadAccess, text));
            return Err(ErrorCode::BadAccess);
        }
        if variable.broken {
            let Some(fault) = variable.error.clone() else {
                return Err(ErrorCode::NotFound);
            };
            let code = fault.code;
            self.outbox.fault(&mut self.host, slot, *fault);
            return Err(code);
        }
        let reads = variable.access.reads();
        if let Err(error) = self.script.write(&mut self.host, slot, value) {
            let code = error.code;
            self.tell_fault(slot, error);
            return Err(code);
        }
        if let Some(variable) = self.host.vars.get_mut(slot)
            && reads
        {
            variable.shown = &*value.0 != "null";
            if variable.view.is_some() {
                // What waited to be told is older than what the client has just written.
                variable.pending = None;
                // And what it was told is not what it has.
                self.host.vars.exchange_told(slot, b"");
            }
        }
        self.clear_errors(slot);
        Ok(())
    }

    /// The variable was written, or its method called, with success.
    pub(super) fn clear_errors(&mut self, slot: Slot) {
        self.clear_error(slot);
        for field in self.clear_fields(slot) {
            self.clear_error(field);
        }
    }

    /// A success clears an error; telling the value is how a client hears of it.
    fn clear_error(&mut self, slot: Slot) {
        let Some(variable) = self.host.vars.get_mut(slot) else {
            return;
        };
        if variable.error.take().is_none() || !variable.access.reads() {
            return;
        }
        let (id, view) = (variable.id, variable.view);
        for seen in &mut self.outbox.views {
            if view.is_none_or(|v| v == seen.id) && seen.watches(slot, &self.host.vars) {
                seen.resend.push(id);
            }
        }
    }

    fn set_property(&mut self, view: usize, slot: Slot, name: &str, value: &str) {
        let Some((id, wire)) = self.host.vars.get(slot).map(|v| (v.id, v.wire)) else {
            return;
        };
        if let Err(error) = self.host.check_room(slot, name, value) {
            return self.tell_fault(slot, error);
        }
        if self.host.limits.viewdef_paths && is_fixed(name) {
            let text = format!("property {name} cannot be changed by a page");
            return self.error(view, wire, ErrorCode::Unauthorized, text);
        }
        if id == APP && name == "lua" {
            if self.outbox.views[view].connection.is_trusted() {
                // It is run, and no page is told of it.
                self.note_deed(DeedKind::Code, slot, Ok(()));
                let code = Work::RunOperatorsCode(value.into());
                return self.host.work.push_back(code);
            }
            let may = self.host.limits.remote_code || self.host.limits.dev;
            let done = if may {
                Ok(())
            } else {
                Err(ErrorCode::Unauthorized)
            };
            self.note_deed(DeedKind::Code, slot, done);
            if !may {
                let text = "property lua of variable 1 runs code: this server takes it from Lua only; \
                            --dev or remote_code = true allows it";
                return self.error(view, APP.0, ErrorCode::Unauthorized, text);
            }
            self.host.work.push_back(Work::RunCode(value.into()));
        }
        if id == APP && PER_VIEW.contains(&name) {
            self.outbox.views[view].properties.set(name, value, None);
            if name == "url" {
                self.host.opening.url = value.into();
            }
        }
        self.host.vars.set_property(slot, name, value, None);
        if self.host.watches.watches_property(id, name) {
            let name = name.into();
            self.host
                .work
                .push_back(Work::PropertySet { var: id, name });
        }
    }

    fn watch(&mut self, view: usize, var: WireId, on: bool) {
        let Some(slot) = self.resolve(view, var) else {
            return self.not_found(view, var);
        };
        let Some((id, owner)) = self.host.vars.get(slot).map(|v| (v.id, v.view)) else {
            return;
        };
        let seen = &mut self.outbox.views[view];
        match (owner, on) {
            (None, true) => {
                seen.shared.insert(id);
            }
            (None, false) => {
                seen.shared.remove(&id);
            }
            (Some(_), on) => self.host.vars.set_watched(slot, on),
        }
        if owner.is_none() {
            self.refresh_watched(slot);
        }
        if on {
            self.resend(view, slot, var);
        }
    }

    /// Value, properties and a standing error, to one view.
    fn resend(&mut self, view: usize, slot: Slot, wire: WireId) {
        let Some(variable) = self.host.vars.get(slot) else {
            return;
        };
        let view = &mut self.outbox.views[view];
        view.resend.push(variable.id);
        if let Some(fault) = variable.error.clone() {
            let most = self.host.limits.errors_at_once();
            view.tell_error(most, wire, fault.code, fault.message, fault.detail);
        }
    }

    fn destroy(&mut self, view: usize, var: WireId) {
        let Some(slot) = self.resolve(view, var) else {
            return self.not_found(view, var);
        };
        if self.host.vars.get(slot).is_some_and(|v| v.view.is_none()) {
            let text = format!("variable {var} belongs to the app: only Lua can destroy it");
            return self.error(view, var, ErrorCode::Unauthorized, text);
        }
        let gone = self.host.vars.destroy(slot);
        let wrapped = |slot: &Slot| {
            let variable = self.host.vars.get_dead(*slot);
            variable.is_some_and(|v| v.properties.get("wrapper").is_some())
        };
        if gone.iter().any(wrapped) {
            // What its destroy() does may show elsewhere.
            self.fresh = None;
        }
        self.forget(&gone);
        self.release();
    }

    fn get_objects(&mut self, view: usize, numbers: &[u64]) {
        if self.host.limits.viewdef_paths && !self.host.limits.dev {
            // All fields of an object, whatever viewdefs show of it.
            let text =
                "objects are shown by viewdefs only: set paths = \"any\" in [security] to allow it";
            return self.error(view, 0, ErrorCode::Unauthorized, text);
        }
        let mut asked = BTreeSet::new();
        let numbers: Vec<u64> = numbers
            .iter()
            .copied()
            .filter(|&n| asked.insert(n))
            .collect();
        let mut out = Vec::new();
        let unknown = self.script.objects(&mut self.host, &numbers, &mut out);
        self.outbox.views[view].objects.push(out);
        for number in unknown {
            let text = format!("object {number} not found: no variable refers to it");
            self.error(view, 0, ErrorCode::NotFound, text);
        }
    }
}

/// All properties of a new variable, those behind the `?` of its path among them, and whether it has
/// a path at all.
fn gather_properties(new: &Creation) -> Result<(Properties, bool), String> {
    let mut properties = Properties::default();
    let mut path = None;
    for (name, value) in &new.properties {
        if &**name == "path" {
            let (plain, more) = split_properties(value);
            path = Some(plain);
            for (name, value) in more {
                if !properties.has_room(name) {
                    return Err(too_many_properties());
                }
                properties.set(name, value, None);
            }
        }
    }
    for (name, value) in &new.properties {
        if &**name != "path" {
            if !properties.has_room(name) {
                return Err(too_many_properties());
            }
            properties.set(name, value, None);
        }
    }
    if path.is_none() && new.value.is_none() {
        return Err(format!(
            "variable {} has neither a path nor a value",
            new.id
        ));
    }
    // The empty path, the parent's own value, is not kept as a property: there, empty is unset.
    properties.set("path", path.unwrap_or(""), None);
    Ok((properties, path.is_some()))
}

/// The access a path has by its form, unless told otherwise.
pub(super) fn access_of(path: &Path, wanted: Option<&str>) -> Result<Access, String> {
    let Some(wanted) = wanted else {
        return Ok(if path.is_setter() {
            Access::Action
        } else if path.ends_in_call() {
            Access::Read
        } else {
            Access::ReadWrite
        });
    };
    let access = Access::parse(wanted)
        .ok_or_else(|| format!("access \"{wanted}\" is not one of r, w, rw and action"))?;
    if path.ends_in_call() && access == Access::Write {
        return Err("a path ending in a call needs access r, rw or action, not w".into());
    }
    if path.is_setter() && access.reads() {
        return Err(format!(
            "a path ending in name(_) takes a value: it needs access w or action, not {wanted}"
        ));
    }
    Ok(access)
}

/// Checks a path and access for a variable that Lua makes.
///
/// # Errors
/// What is wrong with either.
pub fn check_server_path(text: &str, access: Option<&str>) -> Result<Access, ScriptError> {
    let path =
        Path::parse(text).map_err(|e| ScriptError::new(ErrorCode::PathFailure, e.to_string()))?;
    access_of(&path, access).map_err(|text| ScriptError::new(ErrorCode::BadAccess, text))
}
