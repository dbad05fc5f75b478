//! What can be seen of a script's objects from outside, as plain data.
//!
//! Looking is no event: it runs none of the script's code and changes nothing, so a session that was
//! looked at goes on exactly as one that was not.

use super::script::Script;
use super::session::Session;
use super::variable::{Slot, Variable, VariableStore};

/// Where a way through objects begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Root {
    /// What variable 1 shows.
    App,
    /// An object by its number on the wire.
    Number(u64),
}

/// What leads from an object to one of its fields. The order is the one in which they are shown.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// A place, counted as the language does.
    Index(i64),
    Name(Box<str>),
    /// Something that no path can name, in words.
    Other(Box<str>),
}

/// What a field holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Held {
    /// JSON of nil, a boolean, a number or a text.
    Plain(Box<str>),
    Object {
        /// See [`Object::identity`].
        identity: usize,
        type_name: Box<str>,
        /// Elements of an array.
        length: usize,
    },
    /// A kind of value with nothing to show.
    Opaque(&'static str),
}

/// An object as it is at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// Nothing else has it as long as the object lives.
    pub identity: usize,
    /// Its number on the wire, if a variable shows it.
    pub number: Option<u64>,
    /// Empty: none.
    pub type_name: Box<str>,
    /// Elements, if it is an array.
    pub length: usize,
    /// Sorted. Defaults of its type are among them, functions are not.
    pub fields: Vec<(Key, Held)>,
    /// Fields left out because they are too many.
    pub left_out: usize,
}

impl Object {
    /// What a field holds.
    pub fn field(&self, key: &Key) -> Option<&Held> {
        let at = self.fields.binary_search_by(|(k, _)| k.cmp(key)).ok()?;
        Some(&self.fields[at].1)
    }
}

impl VariableStore {
    /// Where a variable is: paths from the app on, with dots.
    pub fn full_path(&self, slot: Slot) -> String {
        let variable = |slot: Slot| self.get(slot);
        let above = |v: &&Variable| v.parent().and_then(variable);
        let all = std::iter::successors(variable(slot), above);
        let paths = all.map(|v| v.properties.get("path").unwrap_or(""));
        let mut paths: Vec<&str> = paths.filter(|path| !path.is_empty()).collect();
        paths.reverse();
        paths.join(".")
    }
}

impl<S: Script> Session<S> {
    /// Appends the JSON of what a variable showed last. Leaves no trace.
    pub fn read_value(&mut self, slot: Slot, out: &mut Vec<u8>) {
        self.script.encode(slot, out);
    }

    /// An object of its script, see [`Script::object_at`]. Leaves no trace.
    pub fn object_at(&mut self, root: Root, path: &[Key], most: usize) -> Option<Object> {
        self.script.object_at(&self.host, root, path, most)
    }
}
