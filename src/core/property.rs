//! Properties of a variable: short text attributes beside its value.

use std::ops::Range;

use super::carry::{Carry, carry};
use super::code::{Decoder, push_bytes};
use super::json;

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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Property<'a> {
    pub name: &'a str,
    pub value: &'a str,
    /// Flushed in this class instead of its variable's.
    pub priority: Option<Priority>,
    /// Changed by the server since the last flush.
    pub dirty: bool,
}

/// Properties that one variable may have: they are kept sorted, so each new one costs as much as
/// there are.
pub const PROPERTIES_MAX: usize = 1_000;

/// What one counts beside its texts. It takes less; what a session may have is reckoned in these.
const WEIGHT: usize = 40;

/// The properties of one variable, sorted by name: the order in which they are sent.
///
/// One behind the other in one text, since a page has hundreds of variables with two or three short ones each: as a
/// list of texts they would take six times as much. Before name and value of each come a byte with what it is besides
/// and both lengths, all of them ASCII, so that everything in between is text as it stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Properties(Box<str>);

/// Where a property is in the text, or would be.
struct Place<'a> {
    range: Range<usize>,
    found: Option<Property<'a>>,
}

impl Properties {
    /// The value of property `name`; unset is the same as empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        let mut rest = Reader::new(&self.0);
        loop {
            let head = rest.head()?;
            if head.name.len() == name.len()
                && self.0.as_bytes()[head.name.clone()] == *name.as_bytes()
            {
                return self.0.get(head.value);
            }
        }
    }

    /// Sets `name`; an empty value unsets it. Returns whether that changed anything.
    pub fn set(&mut self, name: &str, value: &str, priority: Option<Priority>) -> bool {
        self.put(name, value, priority, false)
    }

    /// Sets `name` as the server's doing: the next flush tells it. Returns whether it changed.
    pub fn set_dirty(&mut self, name: &str, value: &str, priority: Option<Priority>) -> bool {
        self.put(name, value, priority, true)
    }

    fn put(&mut self, name: &str, value: &str, priority: Option<Priority>, tell: bool) -> bool {
        let Place { range, found } = self.find(name);
        let changed = value != found.map_or("", |was| was.value);
        let now = Property {
            name,
            value,
            priority: priority.or(found.and_then(|was| was.priority)),
            dirty: found.is_some_and(|was| was.dirty) || tell && changed,
        };
        // An empty one that nobody is to be told of does not stay.
        let stays = !value.is_empty() || now.dirty;
        if found != stays.then_some(now) {
            // Exactly as much as it takes: no second allocation.
            let more = if stays { now.bytes() } else { 0 };
            let mut all = String::with_capacity(self.0.len() - range.len() + more);
            all.push_str(&self.0[..range.start]);
            if stays {
                push(&mut all, &now);
            }
            all.push_str(&self.0[range.end..]);
            self.0 = all.into();
        }
        changed
    }

    /// Whether there is room for `name`, which may be there already.
    pub fn has_room(&self, name: &str) -> bool {
        self.find(name).found.is_some() || self.iter().count() < PROPERTIES_MAX
    }

    /// What they count against the limit of a session.
    pub fn weight(&self) -> usize {
        self.iter().map(|p| weight(p.name, p.value)).sum()
    }

    /// What [`Properties::weight`] would be with `name` set to `value`, less what it is.
    pub fn growth(&self, name: &str, value: &str) -> isize {
        let found = self.find(name).found;
        let now = found.map_or(0, |was| weight(name, was.value));
        let then = if value.is_empty() {
            0
        } else {
            weight(name, value)
        };
        then as isize - now as isize
    }

    /// All that is set or has just been unset, in order of name.
    pub fn iter(&self) -> impl Iterator<Item = Property<'_>> {
        let mut rest = Reader::new(&self.0);
        std::iter::from_fn(move || rest.next())
    }

    /// Marks everything as told and forgets what was unset.
    pub fn clear_dirty(&mut self) {
        if !self.iter().any(|property| property.dirty) {
            return;
        }
        let mut told = String::with_capacity(self.0.len());
        for property in self.iter().filter(|property| !property.value.is_empty()) {
            push(
                &mut told,
                &Property {
                    dirty: false,
                    ..property
                },
            );
        }
        self.0 = told.into();
    }

    fn find(&self, name: &str) -> Place<'_> {
        let mut rest = Reader::new(&self.0);
        loop {
            let start = rest.at;
            match rest.next() {
                Some(property) if property.name < name => {}
                Some(property) if property.name == name => {
                    return Place {
                        range: start..rest.at,
                        found: Some(property),
                    };
                }
                _ => {
                    return Place {
                        range: start..start,
                        found: None,
                    };
                }
            }
        }
    }
}

/// The texts and the record that holds them.
fn weight(name: &str, value: &str) -> usize {
    name.len() + value.len() + WEIGHT
}

/// Bits of the first byte: the number of the priority above the lowest.
const DIRTY: u8 = 1;
const PRIORITIES: [Option<Priority>; 4] = [
    None,
    Some(Priority::High),
    Some(Priority::Medium),
    Some(Priority::Low),
];

/// Bits of a length in each of its bytes, and the one that says that more follow.
const LENGTH_BITS: u32 = 6;
const MORE: u8 = 1 << LENGTH_BITS;

impl Property<'_> {
    /// Bytes that [`push`] makes of it.
    fn bytes(&self) -> usize {
        let (name, value) = (self.name.len(), self.value.len());
        1 + bytes_of_length(name) + bytes_of_length(value) + name + value
    }
}

fn bytes_of_length(length: usize) -> usize {
    let bits = usize::BITS - length.leading_zeros();
    bits.div_ceil(LENGTH_BITS).max(1) as usize
}

fn push(out: &mut String, property: &Property<'_>) {
    let priority = property.priority.map_or(0, |class| class as u8 + 1);
    out.push(char::from(priority << 1 | u8::from(property.dirty)));
    push_length(out, property.name.len());
    push_length(out, property.value.len());
    out.push_str(property.name);
    out.push_str(property.value);
}

fn push_length(out: &mut String, mut length: usize) {
    while length >= usize::from(MORE) {
        out.push(char::from(length as u8 & (MORE - 1) | MORE));
        length >>= LENGTH_BITS;
    }
    out.push(char::from(length as u8));
}

/// Reads one property after the other.
struct Reader<'a> {
    text: &'a str,
    at: usize,
}

/// What comes before the texts of a property, and where these are.
struct Head {
    flags: u8,
    name: Range<usize>,
    value: Range<usize>,
}

impl<'a> Reader<'a> {
    fn new(text: &'a str) -> Reader<'a> {
        Reader { text, at: 0 }
    }

    fn byte(&mut self) -> Option<u8> {
        let byte = *self.text.as_bytes().get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    fn length(&mut self) -> Option<usize> {
        let (mut length, mut shift) = (0, 0);
        loop {
            let byte = self.byte()?;
            length |= usize::from(byte & (MORE - 1)).checked_shl(shift)?;
            if byte & MORE == 0 {
                return Some(length);
            }
            shift += LENGTH_BITS;
        }
    }

    /// Skips a property that is there in full.
    #[inline]
    fn head(&mut self) -> Option<Head> {
        // Most texts are short.
        let short = self.text.as_bytes().get(self.at..self.at + 3);
        let (flags, name, value) = match short {
            Some(&[flags, name, value]) if (name | value) & MORE == 0 => {
                self.at += 3;
                (flags, usize::from(name), usize::from(value))
            }
            _ => (self.byte()?, self.length()?, self.length()?),
        };
        let middle = self.at.checked_add(name)?;
        let end = middle
            .checked_add(value)
            .filter(|&end| end <= self.text.len())?;
        let start = std::mem::replace(&mut self.at, end);
        Some(Head {
            flags,
            name: start..middle,
            value: middle..end,
        })
    }

    fn next(&mut self) -> Option<Property<'a>> {
        let Head { flags, name, value } = self.head()?;
        Some(Property {
            name: self.text.get(name)?,
            value: self.text.get(value)?,
            priority: *PRIORITIES.get(usize::from(flags >> 1))?,
            dirty: flags & DIRTY != 0,
        })
    }
}

/// Appends properties as a JSON object.
pub(super) fn push_properties<'a>(
    out: &mut Vec<u8>,
    properties: impl Iterator<Item = Property<'a>>,
) {
    out.push(b'{');
    for (i, property) in properties.enumerate() {
        if i > 0 {
            out.push(b',');
        }
        json::push_str(out, property.name.as_bytes());
        out.push(b':');
        json::push_str(out, property.value.as_bytes());
    }
    out.push(b'}');
}

carry!(enum Priority { 0 => High, 1 => Medium, 2 => Low });

impl Carry for Properties {
    fn freeze(&self, out: &mut Vec<u8>) {
        push_bytes(out, self.0.as_bytes());
    }

    fn thaw(from: &mut Decoder<'_>) -> Option<Properties> {
        let text = from.text()?;
        let mut rest = Reader::new(text);
        let mut before = None;
        while rest.at < text.len() {
            let name = rest.next()?.name;
            if before.is_some_and(|before| before >= name) {
                return None;
            }
            before = Some(name);
        }
        Some(Properties(text.into()))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

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

    /// A small generator, the same each time.
    fn dice(state: &mut u64, sides: usize) -> usize {
        *state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (*state >> 33) as usize % sides
    }

    #[test]
    fn they_are_as_a_sorted_list_of_texts_would_be() {
        let long = "x".repeat(300);
        let values = ["", "1", "zwölf", &long];
        let names = ["path", "a", "access", "ärger", "", &long];
        let priorities = [None, Some(Priority::High), Some(Priority::Low)];
        let mut list: BTreeMap<&str, (&str, Option<Priority>, bool)> = BTreeMap::new();
        let (mut all, mut state) = (Properties::default(), 7);
        for _ in 0..5_000 {
            let (name, value) = (names[dice(&mut state, 6)], values[dice(&mut state, 4)]);
            let (priority, tell) = (priorities[dice(&mut state, 3)], dice(&mut state, 2) == 0);
            let was = list.get(name).copied();
            let changed = was.map_or("", |was| was.0) != value;
            let growth = all.weight() as isize + all.growth(name, value);
            let told = match tell {
                true => all.set_dirty(name, value, priority),
                false => all.set(name, value, priority),
            };
            assert_eq!(told, changed);
            let dirty = was.is_some_and(|was| was.2) || tell && changed;
            if value.is_empty() && !dirty {
                list.remove(name);
            } else {
                let priority = priority.or(was.and_then(|was| was.1));
                list.insert(name, (value, priority, dirty));
            }
            if !value.is_empty() || was.is_none() {
                assert_eq!(all.weight() as isize, growth);
            }
            if dice(&mut state, 20) == 0 {
                all.clear_dirty();
                list.retain(|_, of| !of.0.is_empty());
                list.values_mut().for_each(|of| of.2 = false);
            }
            let seen = all.iter().map(|p| (p.name, (p.value, p.priority, p.dirty)));
            assert!(seen.eq(list.iter().map(|(&name, &of)| (name, of))));
            let bytes: usize = all.iter().map(|property| property.bytes()).sum();
            assert_eq!(bytes, all.0.len());
            let mut out = Vec::new();
            all.freeze(&mut out);
            assert_eq!(
                Properties::thaw(&mut Decoder::new(&out)).as_ref(),
                Some(&all)
            );
        }
    }

    #[test]
    fn what_is_no_list_of_properties_is_not_read_as_one() {
        let mut all = Properties::default();
        all.set("a", "1", None);
        all.set("b", "2", Some(Priority::High));
        let mut good = Vec::new();
        all.freeze(&mut good);
        for (at, byte) in [(1, 9), (2, 0), (2, 9), (3, 0xff), (3, b'c'), (0, 200)] {
            let mut bad = good.clone();
            bad[at] = byte;
            assert_eq!(
                Properties::thaw(&mut Decoder::new(&bad)),
                None,
                "{at} {byte}"
            );
        }
    }
}
