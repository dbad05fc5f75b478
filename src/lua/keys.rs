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
    /// The place of `name` and whether the caller must put the string there now.
    pub fn take(&mut self, name: &str) -> (u32, bool) {
        if let Some(&id) = self.ids.get(name) {
            self.names[id as usize - 1].1 += 1;
            return (id, false);
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
        (id, true)
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
