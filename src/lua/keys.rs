//! Names that occur in paths, each kept once as a Lua string.

use std::collections::HashMap;
use std::rc::Rc;

use super::kernel::KEY_TYPE;
use crate::core::carry::Carry;
use crate::core::code::Decoder;

/// Which name is at which place of the `KEYS` table, and how many paths use it.
#[derive(Debug)]
pub(super) struct Keys {
    ids: HashMap<Rc<str>, u32>,
    /// By place, from 1 up.
    names: Vec<(Rc<str>, u32)>,
    free: Vec<u32>,
}

impl Default for Keys {
    fn default() -> Self {
        let name: Rc<str> = "type".into();
        Keys {
            ids: HashMap::from([(name.clone(), KEY_TYPE)]),
            // Used by detection itself, so it never goes.
            names: vec![(name, 1)],
            free: Vec::new(),
        }
    }
}

impl Keys {
    /// The place of `name` for one path more, if it has one.
    pub fn take(&mut self, name: &str) -> Option<u32> {
        let id = *self.ids.get(name)?;
        self.names[id as usize - 1].1 += 1;
        Some(id)
    }

    /// The place that the next new name gets.
    pub fn next(&self) -> u32 {
        match self.free.last() {
            Some(&id) => id,
            None => self.names.len() as u32 + 1,
        }
    }

    /// Gives a new name its place, at which the caller has put the string.
    pub fn add(&mut self, name: &str) -> u32 {
        let name: Rc<str> = name.into();
        let id = self.next();
        match self.free.pop() {
            Some(_) => self.names[id as usize - 1] = (name.clone(), 1),
            None => self.names.push((name.clone(), 1)),
        }
        self.ids.insert(name, id);
        id
    }

    /// The name at a place.
    pub fn name(&self, id: u32) -> &str {
        &self.names[id as usize - 1].0
    }

    /// One path less uses it.
    pub fn give_back(&mut self, id: u32) {
        let (name, uses) = &mut self.names[id as usize - 1];
        *uses -= 1;
        if *uses == 0 {
            self.ids.remove(name);
            self.free.push(id);
        }
    }
}

impl Carry for Keys {
    fn freeze(&self, out: &mut Vec<u8>) {
        let Keys {
            ids: _,
            names,
            free,
        } = self;
        names.freeze(out);
        free.freeze(out);
    }

    fn thaw(from: &mut Decoder<'_>) -> Option<Keys> {
        let names: Vec<(Rc<str>, u32)> = Carry::thaw(from)?;
        let used = names.iter().zip(1..).filter(|((_, uses), _)| *uses > 0);
        Some(Keys {
            ids: used.map(|((name, _), id)| (name.clone(), id)).collect(),
            free: Carry::thaw(from)?,
            names,
        })
    }
}
