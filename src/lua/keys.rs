//! Names that occur in paths, each kept once as a Lua string.

use std::collections::HashMap;
use std::rc::Rc;

use super::kernel::KEY_TYPE;

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
    /// Where the string of a name that is not known yet has to be put before it is taken.
    pub fn place_for(&self, name: &str) -> Option<u32> {
        if self.ids.contains_key(name) {
            return None;
        }
        let next = self.names.len() as u32 + 1;
        Some(self.free.last().copied().unwrap_or(next))
    }

    /// The place of `name`, whose string is there.
    pub fn take(&mut self, name: &str) -> u32 {
        if let Some(&id) = self.ids.get(name) {
            self.names[id as usize - 1].1 += 1;
            return id;
        }
        let name: Rc<str> = name.into();
        let id = match self.free.pop() {
            Some(id) => {
                self.names[id as usize - 1] = (name.clone(), 1);
                id
            }
            None => {
                self.names.push((name.clone(), 1));
                self.names.len() as u32
            }
        };
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
