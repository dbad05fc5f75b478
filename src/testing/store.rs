//! A client's mirror of the variables that it has made, as the browser's `store.js` keeps it, and the absolute
//! paths of what they show.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::frame::{self, Told, Update};
use super::template::{Props, canonical};
use crate::core::gather::gather;

/// A variable's number in its view.
pub type VarNo = i64;

/// The app variable, whose object the page shows.
pub const ROOT: VarNo = 1;
/// The wrapper of lists.
pub const LIST_TYPE: &str = "lua.ViewList";

/// An error that stands on a variable.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    pub text: String,
    /// Where it came from, with the source around it.
    pub traceback: Option<String>,
}

/// An error that was put on a variable, by the path of what that shows.
#[derive(Clone, Debug, PartialEq)]
pub struct Error {
    pub page: u64,
    pub path: String,
    pub fault: Fault,
    var: VarNo,
    /// It came of what the user did there.
    wrote: bool,
}

impl Error {
    /// The error that a variable has now.
    pub fn on(store: &Store, page: u64, var: VarNo) -> Option<Error> {
        let known = store.vars.get(&var)?;
        Some(Error {
            page,
            path: store.name(var),
            fault: known.fault.clone()?,
            var,
            wrote: known.wrote,
        })
    }

    /// Whether anybody sees it: what reads a path of an object that has just gone away fails for the
    /// moment in which the page has not heard of that yet.
    pub fn stands(&self, store: &Store) -> bool {
        self.wrote
            || store
                .vars
                .get(&self.var)
                .is_some_and(|var| var.fault.is_some())
    }
}

/// One variable.
#[derive(Clone, Debug, Default)]
pub struct Var {
    pub parent: VarNo,
    pub props: Props,
    /// A row's item, which it holds itself and has no path to.
    pub held: Option<u64>,
    /// `None`: not answered yet.
    pub value: Option<Value>,
    pub type_name: Option<String>,
    /// Properties that the server set.
    pub told: Props,
    pub fault: Option<Fault>,
    pub children: Vec<VarNo>,
    /// The client has written it.
    pub wrote: bool,
}

impl Var {
    /// The number of the object that it shows.
    pub fn object(&self) -> Option<u64> {
        object_of(self.value.as_ref()?)
    }

    fn path(&self) -> Option<&str> {
        self.props.get("path").map(String::as_str)
    }
}

/// The number in `{"obj":7}`.
pub fn object_of(value: &Value) -> Option<u64> {
    value.as_object()?.get("obj")?.as_u64()
}

/// What one frame of the server said.
#[derive(Debug, Default)]
pub struct News {
    /// Variables whose value or type is new.
    pub changed: BTreeSet<VarNo>,
    /// Variables on which an error was put.
    pub failed: BTreeSet<VarNo>,
    /// Templates, by `TYPE.NAMESPACE`.
    pub viewdefs: BTreeMap<String, String>,
    /// Where the page is sent.
    pub url: Option<String>,
}

/// All variables of one view.
#[derive(Clone, Debug)]
pub struct Store {
    pub vars: BTreeMap<VarNo, Var>,
}

impl Default for Store {
    fn default() -> Store {
        Store {
            vars: BTreeMap::from([(ROOT, Var::default())]),
        }
    }
}

impl Store {
    /// Adds a variable below another one.
    pub fn create(&mut self, id: VarNo, parent: VarNo, props: Props, held: Option<u64>) {
        let mut props = props;
        // A path may bring properties along.
        let (path, more) = match props.get("path") {
            Some(path) => super::template::parse_binding(path),
            None => (String::new(), Props::new()),
        };
        if props.contains_key("path") {
            props.insert("path".into(), path);
        }
        for (name, value) in more {
            props.entry(name).or_insert(value);
        }
        let var = Var {
            parent,
            props,
            held,
            value: held.map(|obj| serde_json::json!({ "obj": obj })),
            ..Var::default()
        };
        self.vars.insert(id, var);
        if let Some(parent) = self.vars.get_mut(&parent) {
            parent.children.push(id);
        }
    }

    /// Takes away a variable and all below it.
    pub fn destroy(&mut self, id: VarNo) {
        let Some(var) = self.vars.remove(&id) else {
            return;
        };
        if let Some(parent) = self.vars.get_mut(&var.parent) {
            parent.children.retain(|&child| child != id);
        }
        for child in var.children {
            self.destroy(child);
        }
    }

    /// Takes in a frame of the server.
    pub fn apply(&mut self, frame: &[u8]) -> News {
        let mut news = News::default();
        let messages = frame::read(frame);
        let refused = |message: &Told| match message {
            Told::Error(refusal) => Some(refusal.var),
            _ => None,
        };
        let refused: BTreeSet<VarNo> = gather(messages.iter().filter_map(refused));
        let mut faults = Vec::new();
        for message in messages {
            match message {
                Told::Update(update) => {
                    let refused = refused.contains(&update.var);
                    self.update(update, refused, &mut news);
                }
                Told::Destroy(id) if id != ROOT => {
                    if let Some(var) = self.vars.get_mut(&id) {
                        var.value = Some(Value::Null);
                        var.type_name = Some(String::new());
                        news.changed.insert(id);
                    }
                }
                Told::Error(refusal) => faults.push(refusal),
                Told::Destroy(_) | Told::Objects => {}
            }
        }
        // A value that comes along is the one the error stands on, not its end.
        for refusal in faults {
            let id = refusal.var;
            if let Some(var) = self.vars.get_mut(&id)
                && !var.props.contains_key(KEY_MARK)
            {
                var.fault = Some(refusal.into());
                news.failed.insert(id);
            }
        }
        news
    }

    fn update(&mut self, update: Update, refused: bool, news: &mut News) {
        let id = update.var;
        let Some(var) = self.vars.get_mut(&id) else {
            return;
        };
        for (name, value) in update.properties {
            match name.as_str() {
                "type" => {
                    var.type_name = Some(value);
                    news.changed.insert(id);
                }
                "viewdefs" if id == ROOT => {
                    news.viewdefs.extend(
                        serde_json::from_str::<BTreeMap<String, String>>(&value)
                            .unwrap_or_default(),
                    );
                }
                "url" if id == ROOT => news.url = Some(value),
                _ => {
                    if name.to_ascii_lowercase().ends_with("namespace") {
                        news.changed.insert(id);
                    }
                    var.told.insert(name, value);
                }
            }
        }
        let value = match (update.pieces, update.value) {
            (Some(pieces), _) => join_pieces(var.value.as_ref(), &pieces),
            (None, Some(value)) => value,
            (None, None) => return,
        };
        var.fault = None;
        if refused && var.wrote {
            // What the user wrote stays on screen.
            return;
        }
        if value.is_null() {
            var.type_name = Some(String::new());
        }
        var.value = Some(value);
        news.changed.insert(id);
    }

    /// Nil is never sent: of the variables that were made, those that were not told of are nil.
    pub fn settle_answers(&mut self, made: impl IntoIterator<Item = VarNo>) -> Vec<VarNo> {
        let mut nil = Vec::new();
        for id in made {
            if let Some(var) = self.vars.get_mut(&id)
                && var.value.is_none()
                && var.props.get("access").map(String::as_str) != Some("action")
            {
                var.value = Some(Value::Null);
                var.type_name = Some(String::new());
                nil.push(id);
            }
        }
        nil
    }

    /// A property that variables inherit from those above.
    pub fn inherited(&self, id: VarNo, name: &str) -> Option<&str> {
        let mut at = id;
        while let Some(var) = self.vars.get(&at) {
            let found = var.told.get(name).or_else(|| var.props.get(name));
            if let Some(value) = found.filter(|value| !value.is_empty()) {
                return Some(value);
            }
            if at == ROOT {
                return None;
            }
            at = var.parent;
        }
        None
    }

    // ---- paths ---------------------------------------------------------------

    /// The absolute path of what a variable shows. The app's own is empty.
    pub fn name(&self, id: VarNo) -> String {
        let Some(var) = self.vars.get(&id).filter(|_| id != ROOT) else {
            return String::new();
        };
        let above = var.parent;
        if self.is_row(id) {
            let list = self.vars.get(&above).map_or(ROOT, |items| items.parent);
            return format!("{}{}", self.name(list), self.selector(id));
        }
        self.name_below(above, &canonical(var.path().unwrap_or("")))
    }

    /// The absolute path of what a path below a variable leads to.
    pub fn name_below(&self, above: VarNo, path: &str) -> String {
        if path.starts_with('@') {
            return path.to_owned();
        }
        if path == "item" && self.is_row(above) {
            return self.name(above);
        }
        let steps = (path.len() - path.trim_start_matches('.').len()).div_ceil(3);
        let base = (0..steps).try_fold(above, |at, _| self.vars.get(&at).map(|var| var.parent));
        let plain =
            |base: &VarNo| !self.is_row(*base) && !self.is_items(*base) && !self.is_list(*base);
        match base.filter(plain).filter(|_| steps > 0) {
            Some(base) => joined(&self.name(base), path.trim_start_matches('.')),
            None => joined(&self.name(above), path),
        }
    }

    fn is_list(&self, id: VarNo) -> bool {
        self.vars.get(&id).is_some_and(|var| {
            let wrapper = var.props.get("wrapper").map(String::as_str);
            wrapper == Some(LIST_TYPE) || var.type_name.as_deref() == Some(LIST_TYPE)
        })
    }

    fn is_items(&self, id: VarNo) -> bool {
        let var = self.vars.get(&id);
        var.is_some_and(|var| var.path() == Some("items") && self.is_list(var.parent))
    }

    /// Whether it is a row of a list: the variable of its item.
    pub fn is_row(&self, id: VarNo) -> bool {
        let var = self.vars.get(&id);
        var.is_some_and(|var| id != ROOT && self.is_items(var.parent))
    }

    /// The variable of the list that has this row.
    pub fn list_of(&self, row: VarNo) -> Option<VarNo> {
        let items = self.vars.get(&row)?.parent;
        Some(self.vars.get(&items)?.parent)
    }

    /// Below a row: what it shows.
    pub fn shown_by(&self, row: VarNo) -> VarNo {
        let children = self.vars.get(&row).map_or(&[][..], |var| &var.children);
        let is_item = |id: &&VarNo| self.vars.get(id).and_then(Var::path) == Some("item");
        children.iter().find(is_item).copied().unwrap_or(row)
    }

    /// The property by which a list's rows are named.
    pub fn key_of(&self, list: VarNo) -> Option<&str> {
        self.vars.get(&list)?.props.get("key").map(String::as_str)
    }

    /// The variables of lists whose rows are named by a key.
    pub fn keyed_lists(&self) -> Vec<VarNo> {
        let keyed = self
            .vars
            .iter()
            .filter(|(_, var)| var.props.contains_key("key"));
        keyed
            .map(|(&id, _)| id)
            .filter(|&id| self.is_list(id))
            .collect()
    }

    /// The variables of a list's rows.
    pub fn rows_of(&self, list: VarNo) -> Vec<VarNo> {
        let children = self.vars.get(&list).map_or(&[][..], |var| &var.children);
        let items = children.iter().filter(|&&id| self.is_items(id));
        items
            .flat_map(|items| self.vars[items].children.iter().copied())
            .collect()
    }

    /// The variable that was made to read a row's key.
    pub fn key_var(&self, row: VarNo) -> Option<VarNo> {
        let list = self.list_of(row)?;
        let key = self.key_of(list)?;
        let shown = self.shown_by(row);
        let children = &self.vars.get(&shown)?.children;
        let reads = |id: &&VarNo| {
            let var = self.vars.get(id);
            var.is_some_and(|var| var.path() == Some(key) && var.props.contains_key(KEY_MARK))
        };
        children.iter().find(reads).copied()
    }

    /// Whether a test made the variable for itself.
    pub fn is_key(&self, id: VarNo) -> bool {
        self.vars
            .get(&id)
            .is_some_and(|var| var.props.contains_key(KEY_MARK))
    }

    /// The properties of a variable that reads a row's key.
    pub fn key_props(key: &str) -> Props {
        let props = [("path", key), ("access", "r"), (KEY_MARK, "true")];
        props
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into()
    }

    /// What the row's key says, if the list declares one and the row has it.
    pub fn key_value(&self, row: VarNo) -> Option<&Value> {
        let value = self.vars.get(&self.key_var(row)?)?.value.as_ref()?;
        (!value.is_null() && object_of(value).is_none()).then_some(value)
    }

    /// `[id=7]`, if no other row says the same, else `[3]`.
    fn selector(&self, row: VarNo) -> String {
        let list = self.list_of(row).unwrap_or(ROOT);
        if let (Some(key), Some(value)) = (self.key_of(list), self.key_value(row)) {
            let same = |&other: &VarNo| self.key_value(other) == Some(value);
            if self.rows_of(list).into_iter().filter(same).count() == 1 {
                return format!("[{key}={value}]");
            }
        }
        format!("[{}]", self.row_index(row).unwrap_or(0))
    }

    /// The row's place in the whole array, from 0.
    pub fn row_index(&self, row: VarNo) -> Option<u64> {
        let var = self.vars.get(&row)?;
        let at = match var.held {
            Some(obj) => {
                let items = self.vars.get(&var.parent)?.value.as_ref()?.as_array()?;
                items.iter().position(|item| object_of(item) == Some(obj))? as u64
            }
            None => var.path()?.parse().ok()?,
        };
        Some(at + self.first_of(self.list_of(row)?))
    }

    /// How many elements of the array come before the items of a list with a window.
    pub fn first_of(&self, list: VarNo) -> u64 {
        self.number_below(list, "first").unwrap_or(0)
    }

    /// How many elements a list has; `None`: it is none, or not there yet.
    pub fn count_of(&self, list: VarNo) -> Option<u64> {
        if let Some(count) = self.number_below(list, "count") {
            return Some(count);
        }
        let children = &self.vars.get(&list)?.children;
        let items = children.iter().find(|&&id| self.is_items(id))?;
        let value = self.vars.get(items)?.value.as_ref()?;
        Some(value.as_array().map_or(0, |items| items.len() as u64))
    }

    fn number_below(&self, list: VarNo, path: &str) -> Option<u64> {
        let var = self
            .vars
            .get(&list)
            .filter(|var| var.props.contains_key("window"))?;
        let below = var.children.iter().filter_map(|id| self.vars.get(id));
        let mut found = below.filter(|var| var.path() == Some(path));
        found.next()?.value.as_ref()?.as_u64()
    }
}

/// Marks variables that a test makes for itself, to know rows by their key.
const KEY_MARK: &str = "testKey";

fn joined(base: &str, path: &str) -> String {
    match (base.is_empty(), path.is_empty()) {
        (true, _) => path.to_owned(),
        (_, true) => base.to_owned(),
        _ => format!("{base}.{path}"),
    }
}

/// The array that these pieces of the old one and of new elements make.
fn join_pieces(old: Option<&Value>, pieces: &[Value]) -> Value {
    let old = old.and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let mut made = Vec::new();
    let mut pieces = pieces.iter();
    while let Some(piece) = pieces.next() {
        if let Some(elements) = piece.as_array() {
            made.extend(elements.iter().cloned());
            continue;
        }
        let start = piece.as_i64().unwrap_or(0);
        let count = pieces.next().and_then(Value::as_i64).unwrap_or(0);
        for k in 0..count.abs() {
            let at = if count < 0 { start - k } else { start + k };
            made.push(
                usize::try_from(at)
                    .ok()
                    .and_then(|at| old.get(at))
                    .cloned()
                    .unwrap_or(Value::Null),
            );
        }
    }
    Value::Array(made)
}

/// Whether two values are the same to a page: 3 is 3.0.
pub fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            let found = |(name, a): (&String, &Value)| b.get(name).is_some_and(|b| same(a, b));
            a.len() == b.len() && a.iter().all(found)
        }
        _ => a == b,
    }
}
