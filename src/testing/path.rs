//! Absolute paths of what a page shows: `page.rows[id=7].name`. The names between the dots are those of the
//! templates; a list's row is named by its key, where the list declares one, else by its index from 0.

use std::borrow::Cow;

use serde_json::Value;

use crate::journal::Secrets;

/// Which row of a list.
#[derive(Clone, Debug, PartialEq)]
pub enum Selector {
    Index(u64),
    Key(String, Value),
}

/// What stands between two dots.
#[derive(Clone, Debug, PartialEq)]
pub struct Segment {
    pub name: String,
    pub row: Option<Selector>,
}

/// Where a path at the start of `text` ends: at white space outside of brackets and texts.
pub fn end_of(text: &str) -> usize {
    let mut scan = Scan::default();
    let end = text
        .char_indices()
        .find(|&(_, c)| scan.is_outside(c) && c.is_whitespace());
    end.map_or(text.len(), |(at, _)| at)
}

/// The segments of a path.
///
/// # Errors
/// What is wrong with a selector.
pub fn segments(path: &str) -> Result<Vec<Segment>, String> {
    split(path).into_iter().map(segment).collect()
}

/// The texts between the dots that stand outside of brackets and texts. Dots in front (`..name`) belong to
/// the first name.
pub fn split(path: &str) -> Vec<&str> {
    if path.is_empty() {
        return Vec::new();
    }
    let mut scan = Scan::default();
    let front = path.len() - path.trim_start_matches('.').len();
    let mut parts = Vec::new();
    let mut start = 0;
    for (at, c) in path.char_indices() {
        if scan.is_outside(c) && c == '.' && at >= front {
            parts.push(&path[start..at]);
            start = at + 1;
        }
    }
    parts.push(&path[start..]);
    parts
}

fn segment(text: &str) -> Result<Segment, String> {
    let plain = Segment {
        name: text.into(),
        row: None,
    };
    let mut scan = Scan::default();
    let open = text
        .char_indices()
        .find(|&(_, c)| scan.is_outside(c) && c == '[');
    let Some((open, _)) = open else {
        return Ok(plain);
    };
    let wrong = || format!("\"{text}\": a row is written rows[0] or rows[id=7]");
    let inside = text[open + 1..].strip_suffix(']').ok_or_else(wrong)?;
    let row = match inside.split_once('=') {
        Some((key, value)) => {
            let value = serde_json::from_str(value).map_err(|_| wrong())?;
            Selector::Key(key.trim().into(), value)
        }
        None => Selector::Index(inside.trim().parse().map_err(|_| wrong())?),
    };
    Ok(Segment {
        name: text[..open].into(),
        row: Some(row),
    })
}

/// Whether a character stands outside of brackets and texts, one after the other.
#[derive(Default)]
struct Scan {
    depth: usize,
    quote: Option<char>,
    escaped: bool,
}

impl Scan {
    /// An opening bracket is outside itself, a closing one is not.
    fn is_outside(&mut self, c: char) -> bool {
        let outside = self.depth == 0 && self.quote.is_none();
        match (self.quote, c) {
            (Some(_), _) if self.escaped => self.escaped = false,
            (Some(_), '\\') => self.escaped = true,
            (Some(open), c) if c == open => self.quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => self.quote = Some(c),
            (None, '(' | '[') => self.depth += 1,
            (None, ')' | ']') => self.depth = self.depth.saturating_sub(1),
            (None, _) => {}
        }
        outside
    }
}

/// Whether a path, or a value inside of one, is among those that are not compared: `rows.*.id`.
pub fn is_ignored(path: &str, patterns: &[Vec<String>]) -> bool {
    if patterns.is_empty() {
        return false;
    }
    let names = names(path);
    patterns.iter().any(|pattern| {
        let fits = |(wanted, name): (&String, &&str)| wanted == "*" || wanted == name;
        names.len() >= pattern.len() && pattern.iter().zip(&names).all(fits)
    })
}

/// The names in a path, of a row first that of its list and then what tells the row.
pub fn names(path: &str) -> Vec<&str> {
    let mut names = Vec::new();
    for part in split(path) {
        match part.strip_suffix(']').and_then(|part| part.split_once('[')) {
            Some((list, row)) => names.extend([list, row]),
            None => names.push(part),
        }
    }
    names
}

/// The value at a path as it may be seen.
pub fn seen(secrets: &Secrets, path: &str, value: &Value) -> Value {
    let path = path.replace("].item.", "].");
    let names = names(&path);
    let own = names.last().copied().unwrap_or_default();
    let json = value.to_string();
    match secrets.value(&names, own, &json) {
        Cow::Borrowed(_) => value.clone(),
        Cow::Owned(shown) => serde_json::from_str(&shown).unwrap_or(Value::Null),
    }
}

/// A pattern of `[test] ignore` as [`is_ignored`] takes it.
pub fn pattern(text: &str) -> Vec<String> {
    split(text).into_iter().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_fall_apart_at_their_dots() {
        assert_eq!(
            split("a.has(\"b.c\", d.e).f"),
            ["a", "has(\"b.c\", d.e)", "f"]
        );
        assert_eq!(split("...up.x"), ["...up", "x"]);
        assert_eq!(split("rows[mail=\"a.b\"].x"), ["rows[mail=\"a.b\"]", "x"]);
        assert_eq!(end_of("rows[mail=\"a b\"].x(\"c d\") 3"), 25);
        let read = segments("rows[contact.id=7].x").unwrap();
        assert_eq!(
            read[0].row,
            Some(Selector::Key("contact.id".into(), 7.into()))
        );
        assert_eq!(segments("rows()[2]").unwrap()[0].name, "rows()");
        assert!(segments("rows[x]").is_err() && segments("rows[1").is_err());
    }

    #[test]
    fn patterns_name_what_is_below_them_too() {
        let patterns = [pattern("clock"), pattern("rows.*.id")];
        for path in ["clock", "clock.hour", "rows[3].id", "rows[key=\"a.b\"].id"] {
            assert!(is_ignored(path, &patterns), "{path}");
        }
        for path in ["clocks", "rows[3].name", "rows", "a.clock"] {
            assert!(!is_ignored(path, &patterns), "{path}");
        }
    }
}
