//! Paths: `a.b.0.c`, `name()`, `name(_)`, with properties after `?`.
//!
//! Parsed once when a variable is made; how the segments are followed is the script's matter.

use thiserror::Error;

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Segment {
    /// A field, looked up with metatables.
    Field(Box<str>),
    /// A 0-based index into an array: digits without a leading zero.
    Index(u32),
    /// A call with the object as its only argument.
    Call(Box<str>),
    /// A call with the written value as its argument; the last segment only.
    Setter(Box<str>),
}

/// A parsed path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Path {
    pub segments: Vec<Segment>,
}

/// Why a path cannot be used.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum PathError {
    #[error("path \"{0}\" has an empty segment; write the names with single dots between them")]
    Empty(String),
    #[error("path \"{path}\": \"{segment}\" is not a name, an index, name() or name(_)")]
    BadSegment { path: String, segment: String },
    #[error("path \"{0}\": name(_) takes the value written and must come last")]
    SetterInside(String),
}

impl Path {
    /// Reads the part of a path before `?`. The empty path is the parent's own value.
    pub fn parse(text: &str) -> Result<Path, PathError> {
        if text.is_empty() {
            return Ok(Path::default());
        }
        let mut segments = Vec::new();
        for part in text.split('.') {
            if matches!(segments.last(), Some(Segment::Setter(_))) {
                return Err(PathError::SetterInside(text.into()));
            }
            segments.push(parse_segment(text, part)?);
        }
        Ok(Path { segments })
    }

    /// Whether the last segment calls something: such a path is read only unless told otherwise.
    pub fn ends_in_call(&self) -> bool {
        matches!(self.segments.last(), Some(Segment::Call(_)))
    }

    /// Whether the last segment is `name(_)`: it can be written or called, never read.
    pub fn is_setter(&self) -> bool {
        matches!(self.segments.last(), Some(Segment::Setter(_)))
    }

    /// Whether a segment starts with `_`, which frontends may not use.
    pub fn is_private(&self) -> bool {
        self.segments.iter().any(|s| match s {
            Segment::Field(name) | Segment::Call(name) | Segment::Setter(name) => {
                name.starts_with('_')
            }
            Segment::Index(_) => false,
        })
    }
}

fn parse_segment(path: &str, part: &str) -> Result<Segment, PathError> {
    if part.is_empty() {
        return Err(PathError::Empty(path.into()));
    }
    if part.bytes().all(|b| b.is_ascii_digit())
        && (part == "0" || !part.starts_with('0'))
        && let Ok(index) = part.parse::<u32>()
    {
        return Ok(Segment::Index(index));
    }
    let bad = || PathError::BadSegment {
        path: path.into(),
        segment: part.into(),
    };
    let (name, call) = match part.split_once('(') {
        None => (part, None),
        Some((name, rest)) => (name, Some(rest.strip_suffix(')').ok_or_else(bad)?.trim())),
    };
    if name.is_empty() || name.contains([')', ' ', '\t', '\n', '"', '!', '@']) {
        return Err(bad());
    }
    match call {
        None => Ok(Segment::Field(name.into())),
        Some("") => Ok(Segment::Call(name.into())),
        Some("_") => Ok(Segment::Setter(name.into())),
        Some(_) => Err(bad()),
    }
}

/// Splits `path?key=value&key2` into the path and its properties. A key without a value is `true`.
pub fn split_properties(text: &str) -> (&str, Vec<(&str, &str)>) {
    let Some((path, query)) = text.split_once('?') else {
        return (text, Vec::new());
    };
    let properties = query
        .split('&')
        .filter(|part| !part.is_empty())
        .map(|part| part.split_once('=').unwrap_or((part, "true")))
        .collect();
    (path, properties)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_read() {
        let path = Path::parse("a.b-c.0.10.name().set(_)").unwrap();
        assert_eq!(
            path.segments,
            [
                Segment::Field("a".into()),
                Segment::Field("b-c".into()),
                Segment::Index(0),
                Segment::Index(10),
                Segment::Call("name".into()),
                Segment::Setter("set".into()),
            ]
        );
        assert_eq!(
            Path::parse("007").unwrap().segments,
            [Segment::Field("007".into())]
        );
    }

    #[test]
    fn nonsense_is_refused() {
        for text in [
            ".", "a..b", "a.", "x(", "x)", "(x)", "x(_).y", "a b", "x(1)",
        ] {
            assert!(Path::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn properties_follow_a_question_mark() {
        assert_eq!(
            split_properties("rows?wrapper=lua.ViewList&keypress"),
            (
                "rows",
                vec![("wrapper", "lua.ViewList"), ("keypress", "true")]
            )
        );
    }
}
