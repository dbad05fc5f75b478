//! Properties of a variable: short text attributes beside its value.

use super::carry::carry;

/// Which third of a flush something belongs to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    High,
    #[default]
    Medium,
    Low,
}

impl Priority {
    /// Reads `high`, `med`, `medium` or `low`.
    pub fn parse(text: &str) -> Option<Priority> {
        match text {
            "high" => Some(Priority::High),
            "med" | "medium" => Some(Priority::Medium),
            "low" => Some(Priority::Low),
            _ => None,
        }
    }

    /// Splits a property name that Lua wrote as `name:high` into the name and its priority.
    pub fn split_name(name: &str) -> (&str, Option<Priority>) {
        match name.rsplit_once(':') {
            Some((plain, suffix)) => match Priority::parse(suffix) {
                Some(priority) => (plain, Some(priority)),
                None => (name, None),
            },
            None => (name, None),
        }
    }
}

/// One property.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Property {
    pub name: Box<str>,
    pub value: Box<str>,
    /// Flushed in this class instead of its variable's.
    pub priority: Option<Priority>,
    /// Changed by the server since the last flush.
    pub dirty: bool,
}

/// Properties that one variable may have: they are kept sorted, so each new one costs as much as
/// there are.
pub const PROPERTIES_MAX: usize = 1_000;

/// The properties of one variable, sorted by name: the order in which they are sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Properties(Vec<Property>);

impl Properties {
    /// The value of property `name`; unset is the same as empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        let at = self.find(name).ok()?;
        Some(&self.0[at].value).map(|v| &**v)
    }

    /// Sets `name`; an empty value unsets it. Returns whether that changed anything.
    pub fn set(&mut self, name: &str, value: &str, priority: Option<Priority>) -> bool {
        let changed = self.put(name, value, priority);
        if value.is_empty()
            && let Ok(at) = self.find(name)
            && !self.0[at].dirty
        {
            // Nobody is to be told: nothing of it stays.
            self.0.remove(at);
        }
        changed
    }

    fn put(&mut self, name: &str, value: &str, priority: Option<Priority>) -> bool {
        match self.find(name) {
            Ok(at) => {
                let property = &mut self.0[at];
                let changed = *property.value != *value;
                if changed {
                    property.value = value.into();
                }
                property.priority = priority.or(property.priority);
                changed
            }
            Err(_) if value.is_empty() => false,
            Err(at) => {
                self.0.insert(
                    at,
                    Property {
                        name: name.into(),
                        value: value.into(),
                        priority,
                        dirty: false,
                    },
                );
                true
            }
        }
    }

    /// Sets `name` as the server's doing: the next flush tells it. Returns whether it changed.
    pub fn set_dirty(&mut self, name: &str, value: &str, priority: Option<Priority>) -> bool {
        let changed = self.put(name, value, priority);
        if changed && let Ok(at) = self.find(name) {
            self.0[at].dirty = true;
        }
        changed
    }

    /// Whether there is room for `name`, which may be there already.
    pub fn has_room(&self, name: &str) -> bool {
        self.0.len() < PROPERTIES_MAX || self.find(name).is_ok()
    }

    /// Roughly what they take in memory.
    pub fn bytes(&self) -> usize {
        self.0.iter().map(|p| weight(&p.name, &p.value)).sum()
    }

    /// What [`Properties::bytes`] would be with `name` set to `value`, less what it is.
    pub fn growth(&self, name: &str, value: &str) -> isize {
        let now = self
            .find(name)
            .map_or(0, |at| weight(name, &self.0[at].value));
        let then = if value.is_empty() {
            0
        } else {
            weight(name, value)
        };
        then as isize - now as isize
    }

    /// All that is set or has just been unset, in order of name.
    pub fn iter(&self) -> impl Iterator<Item = &Property> {
        self.0.iter()
    }

    /// Marks everything as told and forgets what was unset.
    pub fn clear_dirty(&mut self) {
        self.0.retain_mut(|p| {
            p.dirty = false;
            !p.value.is_empty()
        });
    }

    fn find(&self, name: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|p| (*p.name).cmp(name))
    }
}

/// The texts and the record that holds them.
fn weight(name: &str, value: &str) -> usize {
    name.len() + value.len() + size_of::<Property>()
}

carry!(enum Priority { 0 => High, 1 => Medium, 2 => Low });
carry!(struct Property { name, value, priority, dirty });
carry!(newtype Properties);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_may_carry_a_priority() {
        assert_eq!(Priority::split_name("a:high"), ("a", Some(Priority::High)));
        assert_eq!(Priority::split_name("a:b"), ("a:b", None));
    }

    #[test]
    fn an_empty_value_unsets_and_is_told_once() {
        let mut p = Properties::default();
        assert!(p.set_dirty("b", "1", None));
        assert!(p.set("a", "2", None));
        p.clear_dirty();
        assert!(p.set_dirty("b", "", None));
        assert_eq!(p.iter().filter(|p| p.dirty).count(), 1);
        p.clear_dirty();
        assert_eq!(p.get("b"), None);
        assert_eq!(p.get("a"), Some("2"));
    }
}
