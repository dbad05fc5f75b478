//! A page without a browser: it makes the variables that its templates ask for, keeps what it is told of them, and
//! is strict about it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::template::{Props, Slot, Wish, slots};
use super::values::{in_pieces, keys_of};

/// No page of the apps is this large.
const VARIABLES_MAX: usize = 5_000;
const APP: i64 = 1;
const LIST: &str = "lua.ViewList";
const ITEM: &str = "lua.ViewListItem";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Shown,
    Field,
    Action,
    /// An object with a template, or a list.
    View,
    /// The array of a list.
    Items,
    /// A variable that Lua made.
    Server,
}

#[derive(Clone, Debug)]
pub struct Var {
    pub role: Role,
    pub parent: i64,
    pub props: Props,
    pub value: Value,
    kind: String,
    /// Properties that the server set.
    told: Props,
    /// Our last frame that wrote it.
    wrote: u64,
    /// What was written was refused, or nobody knows: its value says nothing.
    pub unsure: bool,
    children: Vec<i64>,
    /// Made by the tab, not by a template.
    own: bool,
    /// The template that its children are of.
    template: Option<String>,
    /// Rows of a list, by the key of their item.
    rows: BTreeMap<String, i64>,
}

impl Var {
    pub fn path(&self) -> &str {
        self.props.get("path").map_or("", String::as_str)
    }

    fn is_read(&self) -> bool {
        self.role != Role::Action
    }
}

pub struct Page {
    pub vars: BTreeMap<i64, Var>,
    next: i64,
    viewdefs: BTreeMap<String, Vec<Slot>>,
    /// Our own client: rows by their items, arrays in pieces.
    extended: bool,
    /// What is to be said.
    pub out: Vec<Value>,
    dirty: BTreeSet<i64>,
    /// Variables of which a `get` is under way: the next value that is told must be the one that is here.
    probing: BTreeSet<i64>,
    /// A `get` of the app is under way, whatever it tells.
    fencing: bool,
    /// Told errors: how many.
    pub errors: u64,
    pub notices: u64,
}

impl Page {
    pub fn new(extended: bool) -> Page {
        let mut page = Page {
            vars: BTreeMap::new(),
            next: APP,
            viewdefs: BTreeMap::new(),
            extended,
            out: Vec::new(),
            dirty: BTreeSet::new(),
            probing: BTreeSet::new(),
            fencing: false,
            errors: 0,
            notices: 0,
        };
        page.insert(Role::View, 0, Props::new());
        page.out
            .push(json!({"type": "watch", "data": {"varId": APP}}));
        page
    }

    fn insert(&mut self, role: Role, parent: i64, props: Props) -> i64 {
        let id = self.next;
        self.next += 1;
        assert!(self.vars.len() < VARIABLES_MAX, "a page without end");
        self.insert_as(id, role, parent, props);
        id
    }

    fn insert_as(&mut self, id: i64, role: Role, parent: i64, props: Props) {
        let var = Var {
            role,
            parent,
            props,
            value: Value::Null,
            kind: String::new(),
            told: Props::new(),
            wrote: 0,
            unsure: false,
            children: Vec::new(),
            own: false,
            template: None,
            rows: BTreeMap::new(),
        };
        self.vars.insert(id, var);
        if let Some(above) = self.vars.get_mut(&parent) {
            above.children.push(id);
        }
    }

    fn create(&mut self, role: Role, parent: i64, props: Props, item: Option<&Value>) -> i64 {
        let id = self.insert(role, parent, props);
        let var = &self.vars[&id];
        let mut data = json!({"id": id, "parentId": parent, "properties": var.props});
        if let Some(item) = item {
            data["value"] = item.clone();
            if let Some(var) = self.vars.get_mut(&id) {
                var.value = item.clone();
            }
        }
        self.out.push(json!({"type": "create", "data": data}));
        id
    }

    /// Makes a variable of the app itself, as a page's script would.
    pub fn make(&mut self, role: Role, path: &str) -> i64 {
        let access = match role {
            Role::Action => "action",
            Role::Field => "rw",
            _ => "r",
        };
        let props = [("path", path), ("access", access)];
        let props = props.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let id = self.create(role, APP, props.into(), None);
        if let Some(var) = self.vars.get_mut(&id) {
            var.own = true;
        }
        id
    }

    /// The app's own variable with this path.
    pub fn find(&self, path: &str) -> Option<i64> {
        let app = self.vars.get(&APP)?;
        let mut all = app.children.iter();
        all.find(|id| self.vars.get(id).is_some_and(|v| v.path() == path))
            .copied()
    }

    pub fn watch_server(&mut self, id: i64) {
        self.insert_as(id, Role::Server, 0, Props::new());
        self.out
            .push(json!({"type": "watch", "data": {"varId": id}}));
    }

    /// Something was written with frame number `frame`.
    pub fn written(&mut self, id: i64, value: &Value, frame: u64) {
        if let Some(var) = self.vars.get_mut(&id)
            && var.role != Role::Action
        {
            var.value = value.clone();
            var.wrote = frame;
            var.unsure = false;
        }
    }

    fn destroy(&mut self, id: i64) {
        self.forget(id);
        self.out
            .push(json!({"type": "destroy", "data": {"varId": id}}));
    }

    fn forget(&mut self, id: i64) {
        let Some(var) = self.vars.remove(&id) else {
            return;
        };
        self.dirty.remove(&id);
        self.probing.remove(&id);
        for child in var.children {
            self.forget(child);
        }
        if let Some(above) = self.vars.get_mut(&var.parent) {
            above.children.retain(|child| *child != id);
            above.rows.retain(|_, row| *row != id);
        }
    }

    fn drop_children(&mut self, id: i64) {
        let Some(var) = self.vars.get_mut(&id) else {
            return;
        };
        var.template = None;
        for child in var.children.clone() {
            if self.vars.get(&child).is_some_and(|var| !var.own) {
                self.destroy(child);
            }
        }
    }

    // ---- what the server says ---------------------------------------------------------------------

    /// A frame; `ack` is our last frame that it knows of, where frames are numbered.
    pub fn hear(&mut self, text: &str, ack: Option<u64>) {
        let messages = match serde_json::from_str(text) {
            Ok(Value::Array(messages)) => messages,
            Ok(message) => vec![message],
            Err(error) => panic!("no JSON: {error}: {text}"),
        };
        let refused = messages.iter().filter(|message| message["type"] == "error");
        let refused: Vec<i64> = refused
            .filter_map(|m| m["data"]["varId"].as_i64())
            .collect();
        for message in &messages {
            let data = &message["data"];
            let id = data["varId"].as_i64().unwrap_or(0);
            assert!(id < self.next, "variable {id} was never made: {message}");
            match message["type"].as_str() {
                Some("update") => self.update(id, data, ack, refused.contains(&id)),
                Some("destroy") => self.forget(id),
                Some("error") => {
                    self.errors += 1;
                    let told = !self.probing.contains(&id) || data["code"] != "not-found";
                    assert!(told, "variable {id} is gone and nobody was told: {message}");
                    let server = self
                        .vars
                        .get(&id)
                        .is_some_and(|var| var.role == Role::Server);
                    if server && data["code"] == "not-found" {
                        // It was destroyed before it could be watched.
                        self.forget(id);
                    } else if let Some(var) = self.vars.get_mut(&id) {
                        var.unsure = true;
                    }
                }
                Some("objects") => {}
                _ => panic!("no message of the protocol: {message}"),
            }
        }
        self.settle();
    }

    fn update(&mut self, id: i64, data: &Value, ack: Option<u64>, refused: bool) {
        if let Some(properties) = data["properties"].as_object() {
            for (name, value) in properties {
                let value = value
                    .as_str()
                    .unwrap_or_else(|| panic!("properties are texts: {data}"));
                self.property(id, name, value);
            }
        }
        self.fencing &= id != APP || data.get("value").is_none();
        let probed = data.get("value").is_some() && self.probing.remove(&id);
        let Some(var) = self.vars.get_mut(&id) else {
            return;
        };
        let value = match (data.get("value"), data.get("pieces")) {
            (Some(value), None) => value.clone(),
            (None, Some(pieces)) => in_pieces(&var.value, pieces),
            (None, None) => return,
            (Some(_), Some(_)) => panic!("a value and its pieces: {data}"),
        };
        assert!(var.is_read(), "an action has no value: {data}");
        if probed && !var.unsure && !refused {
            assert_eq!(
                var.value, value,
                "variable {id} ({:?}) is not what the server has, which is on the right",
                var.props
            );
        }
        // Of a time before our own write.
        if ack.is_some_and(|ack| ack < var.wrote) {
            return;
        }
        var.unsure = refused;
        var.value = value;
        self.dirty.insert(id);
    }

    fn property(&mut self, id: i64, name: &str, value: &str) {
        if id == APP && name == "viewdefs" {
            let told: BTreeMap<String, String> = serde_json::from_str(value)
                .unwrap_or_else(|error| panic!("viewdefs are an object: {error}"));
            for (key, template) in told {
                self.viewdefs.insert(key.clone(), slots(&template));
                self.template_changed(&key);
            }
            return;
        }
        self.notices += u64::from(name == "notices");
        let Some(var) = self.vars.get_mut(&id) else {
            return;
        };
        match name {
            "type" => var.kind = value.to_owned(),
            _ => drop(var.told.insert(name.to_owned(), value.to_owned())),
        }
        self.dirty.insert(id);
    }

    fn template_changed(&mut self, key: &str) {
        let showing = self
            .vars
            .iter()
            .filter(|(_, var)| var.template.as_deref() == Some(key));
        let showing: Vec<i64> = showing.map(|(id, _)| *id).collect();
        for id in showing {
            if self.vars.contains_key(&id) {
                self.drop_children(id);
                self.dirty.insert(id);
            }
        }
        let kind = key.split_once('.').map_or(key, |(kind, _)| kind).to_owned();
        let others = self
            .vars
            .iter()
            .filter(|(_, var)| var.kind.starts_with(&kind));
        self.dirty.extend(others.map(|(id, _)| *id));
    }

    // ---- what comes of it -------------------------------------------------------------------------

    fn settle(&mut self) {
        while let Some(id) = self.dirty.pop_first() {
            let Some(var) = self.vars.get(&id) else {
                continue;
            };
            match var.role {
                Role::View => self.show(id),
                Role::Items => self.arrange(id),
                Role::Shown | Role::Field | Role::Action | Role::Server => {}
            }
        }
    }

    fn show(&mut self, id: i64) {
        let var = &self.vars[&id];
        let template = match (&var.value, var.kind.as_str()) {
            (Value::Object(_), kind) if !kind.is_empty() => self.template(id, kind),
            _ => None,
        };
        if template == var.template {
            return;
        }
        self.drop_children(id);
        let Some(key) = template else {
            return;
        };
        let wanted = match key.as_str() {
            LIST => vec![(Role::Items, items_props(self.extended))],
            ITEM => vec![(Role::View, [("path".to_owned(), "item".to_owned())].into())],
            key => self.viewdefs[key]
                .iter()
                .map(|slot| self.wanted(slot))
                .collect(),
        };
        for (role, props) in wanted {
            self.create(role, id, props, None);
        }
        if let Some(var) = self.vars.get_mut(&id) {
            var.template = Some(key);
        }
    }

    fn wanted(&self, slot: &Slot) -> (Role, Props) {
        let mut props = slot.props.clone();
        let role = match slot.wish {
            Wish::Shown => Role::Shown,
            Wish::Field => Role::Field,
            Wish::Action => Role::Action,
            Wish::View => Role::View,
        };
        let is_list = props.get("wrapper").is_some_and(|wrapper| wrapper == LIST);
        if self.extended && is_list {
            props.insert("identity".into(), "true".into());
        }
        (role, props)
    }

    /// Which viewdef shows an object of this type here.
    fn template(&self, id: i64, kind: &str) -> Option<String> {
        if kind == LIST {
            return Some(kind.to_owned());
        }
        let namespaces = [
            self.inherited(id, "namespace"),
            self.inherited(id, "fallbackNamespace"),
        ];
        let named = namespaces.into_iter().flatten().chain(["DEFAULT"]);
        let mut keys = named.map(|namespace| format!("{kind}.{namespace}"));
        let found = keys.find(|key| self.viewdefs.contains_key(key));
        found.or_else(|| (kind == ITEM).then(|| kind.to_owned()))
    }

    fn inherited(&self, id: i64, name: &str) -> Option<&str> {
        let mut at = id;
        while let Some(var) = self.vars.get(&at) {
            let own = var.told.get(name).or_else(|| var.props.get(name));
            if let Some(value) = own.filter(|value| !value.is_empty()) {
                return Some(value);
            }
            at = var.parent;
        }
        None
    }

    /// One row for each item.
    fn arrange(&mut self, id: i64) {
        let items = self.vars[&id].value.as_array().cloned().unwrap_or_default();
        let keys = keys_of(&items, self.extended);
        let stays: BTreeSet<&String> = keys.iter().collect();
        let rows = &self.vars[&id].rows;
        let gone = rows.iter().filter(|(key, _)| !stays.contains(key));
        let gone: Vec<i64> = gone.map(|(_, row)| *row).collect();
        for row in gone {
            self.destroy(row);
        }
        for (i, (key, item)) in keys.iter().zip(&items).enumerate() {
            if self.vars[&id].rows.contains_key(key) {
                continue;
            }
            let row = match self.extended && item.get("obj").is_some() {
                true => self.create(Role::View, id, Props::new(), Some(item)),
                false => self.create(
                    Role::View,
                    id,
                    [("path".to_owned(), i.to_string())].into(),
                    None,
                ),
            };
            if let Some(list) = self.vars.get_mut(&id) {
                list.rows.insert(key.clone(), row);
            }
        }
    }

    // ---- what is checked --------------------------------------------------------------------------

    /// Asks for the app itself.
    pub fn probe_app(&mut self) {
        self.fencing = true;
        self.out
            .push(json!({"type": "get", "data": {"varIds": [APP]}}));
    }

    /// Asks for everything again; what is told must be what is here.
    pub fn probe(&mut self, moving: &[&str]) {
        let (extended, vars) = (self.extended, &self.vars);
        let asked = vars.iter().filter(|(_, var)| {
            // Without numbers nobody knows which of two writes was the last.
            let races = !extended && var.role == Role::Field;
            var.is_read() && !races && !moving.contains(&var.path())
        });
        let ids: Vec<i64> = asked.map(|(id, _)| *id).collect();
        self.probing.extend(&ids);
        self.out
            .push(json!({"type": "get", "data": {"varIds": ids}}));
    }

    /// Not all that was asked for was told yet.
    pub fn is_probing(&self) -> bool {
        self.fencing || !self.probing.is_empty()
    }

    /// What it shows, without what moves by itself and what is a tab's own, and perhaps without fields.
    pub fn snapshot(&self, left_out: &[&str], fields: bool) -> Value {
        self.snapshot_of(APP, left_out, fields)
    }

    fn snapshot_of(&self, id: i64, left_out: &[&str], fields: bool) -> Value {
        let var = &self.vars[&id];
        let mut children = serde_json::Map::new();
        if var.role == Role::Items {
            let items = var.value.as_array().cloned().unwrap_or_default();
            let keys = keys_of(&items, self.extended);
            let rows = keys
                .iter()
                .map(|key| self.snapshot_of(var.rows[key], left_out, fields));
            return Value::Array(rows.collect());
        }
        for child in &var.children {
            let below = &self.vars[child];
            let is_field = below.role == Role::Field && !fields;
            let own = below.own || below.role == Role::Action || left_out.contains(&below.path());
            if own || is_field || below.unsure {
                continue;
            }
            let role = if below.role == Role::View { "view" } else { "" };
            children.insert(
                format!("{}{role}", below.path()),
                self.snapshot_of(*child, left_out, fields),
            );
        }
        let value = match &var.value {
            Value::Object(_) => json!(var.kind),
            other => other.clone(),
        };
        match children.is_empty() {
            true => value,
            false => json!({"is": value, "has": children}),
        }
    }

    /// Ids of the variables with this role, those of the tab's own making included.
    pub fn all(&self, role: Role) -> Vec<i64> {
        let all = self.vars.iter().filter(|(_, var)| var.role == role);
        all.map(|(id, _)| *id).collect()
    }
}

fn items_props(extended: bool) -> Props {
    let mut props = Props::from([("path".to_owned(), "items".to_owned())]);
    if extended {
        props.insert("delta".into(), "true".into());
    }
    props
}
