//! Paths: `a.b.0.c`, `name()`, `name(_)`, `name(a.b, "text", 3)`, `..name`, `@name.rest`, `!path`, with
//! properties after `?`.
//!
//! Parsed once when a variable is made; how the segments are followed is the script's matter. A path
//! prints as it is parsed, in its one canonical spelling.

mod parse;

use std::fmt::{self, Display, Formatter, Write};

use thiserror::Error;

/// Arguments of one call: nobody writes more into a template, and each takes a place on Lua's stack.
pub const ARGUMENTS_MAX: usize = 16;
/// Calls inside arguments of calls, this deep: what a reader can still follow, and no recursion.
pub const NESTING_MAX: usize = 4;

/// Steps of one path: no object is nested deeper, and following a path costs nothing but time.
pub const SEGMENTS_MAX: usize = 100;

/// A parsed path.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Path {
    /// `!`: the opposite of what it leads to.
    pub not: bool,
    pub start: Start,
    pub segments: Vec<Segment>,
}

/// The object a path starts from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    /// What a variable this many above the variable's parent presents: one for each `..`.
    Up(u32),
    /// `@name`: what a variable presents that Lua has registered under this name.
    Named(Box<str>),
}

impl Default for Start {
    fn default() -> Self {
        Start::Up(0)
    }
}

/// One step of a path.
#[derive(Clone, Debug, PartialEq)]
pub enum Segment {
    /// A field, looked up with metatables.
    Field(Box<str>),
    /// A 0-based index into an array: digits without a leading zero.
    Index(u32),
    /// A call with the object as first argument.
    Call(Box<str>, Vec<Argument>),
}

/// What a call is given.
#[derive(Clone, Debug, PartialEq)]
pub enum Argument {
    Nil,
    Boolean(bool),
    Integer(i64),
    Float(f64),
    Text(Box<str>),
    /// Where this path leads, from the same parent as the whole path.
    Path(Path),
    /// `_`: the value that is written; in the last segment only.
    Written,
}

/// Why a path cannot be used.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum PathError {
    #[error("path \"{0}\" has an empty segment; write the names with single dots between them")]
    Empty(String),
    #[error(
        "path \"{path}\": \"{segment}\" is not a name, an index, name(), name(_) or name(argument, ...)"
    )]
    BadSegment { path: String, segment: String },
    #[error("path \"{0}\": _ is the value written: only the last call of a path takes it")]
    SetterInside(String),
    #[error(
        "path \"{0}\": .. is the object of the parent variable and comes first: ..name, and .....name for the one \
         above that"
    )]
    BadParent(String),
    #[error("path \"{0}\": ! stands once, in front")]
    BadNot(String),
    #[error("path \"{0}\": @ is followed by a registered name, as in @name or @name.field")]
    BadName(String),
    #[error(
        "path \"{path}\": \"{argument}\" is not an argument: write a text in quotes, a number, true, false, nil, a \
         path or _"
    )]
    BadArgument { path: String, argument: String },
    #[error("path \"{0}\": a call is not closed; write name(argument, argument)")]
    OpenCall(String),
    #[error("path \"{0}\": a text is not closed; end it with the quote it began with")]
    OpenText(String),
    #[error("path \"{0}\": in a text \\ is followed by one of \\ \" ' n r t")]
    BadEscape(String),
    #[error(
        "path \"{0}\": a call takes at most {ARGUMENTS_MAX} arguments, with calls {NESTING_MAX} deep in them"
    )]
    TooMuch(String),
    #[error("a path has at most {SEGMENTS_MAX} segments, this one begins with \"{0}\"")]
    TooLong(String),
}

impl Path {
    /// Reads the part of a path before `?`. The empty path is the parent's own value.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Path, PathError> {
        parse::parse(text)
    }

    /// Whether the last segment calls something: such a path is read only unless told otherwise.
    pub fn ends_in_call(&self) -> bool {
        matches!(self.segments.last(), Some(Segment::Call(..))) && !self.is_setter()
    }

    /// Whether the last segment takes the written value, as `name(_)` does: it can be written or
    /// called, never read.
    pub fn is_setter(&self) -> bool {
        self.segments.last().is_some_and(Segment::takes_written)
    }

    /// Whether a name in it starts with `_`, which frontends may not use.
    pub fn is_private(&self) -> bool {
        let private = |name: &str| name.starts_with('_');
        let start = matches!(&self.start, Start::Named(name) if private(name));
        start
            || self.segments.iter().any(|segment| match segment {
                Segment::Field(name) => private(name),
                Segment::Index(_) => false,
                Segment::Call(name, arguments) => {
                    private(name)
                        || arguments
                            .iter()
                            .any(|a| matches!(a, Argument::Path(path) if path.is_private()))
                }
            })
    }

    /// Appends the registered names it uses, those in arguments too.
    pub fn registered_names<'a>(&'a self, names: &mut Vec<&'a str>) {
        if let Start::Named(name) = &self.start {
            names.push(name);
        }
        for segment in &self.segments {
            let Segment::Call(_, arguments) = segment else {
                continue;
            };
            for argument in arguments {
                if let Argument::Path(path) = argument {
                    path.registered_names(names);
                }
            }
        }
    }
}

impl Segment {
    /// Whether `_` is among its arguments.
    pub fn takes_written(&self) -> bool {
        matches!(self, Segment::Call(_, arguments) if arguments.contains(&Argument::Written))
    }
}

impl Display for Path {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.not {
            f.write_char('!')?;
        }
        let mut dot = false;
        match &self.start {
            Start::Up(steps) => {
                for _ in 0..*steps {
                    f.write_str(if dot { "..." } else { ".." })?;
                    dot = true;
                }
            }
            Start::Named(name) => {
                write!(f, "@{name}")?;
                dot = true;
            }
        }
        for segment in &self.segments {
            if dot {
                f.write_char('.')?;
            }
            dot = true;
            write!(f, "{segment}")?;
        }
        Ok(())
    }
}

impl Display for Segment {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Segment::Field(name) => f.write_str(name),
            Segment::Index(index) => write!(f, "{index}"),
            Segment::Call(name, arguments) => {
                write!(f, "{name}(")?;
                for (i, argument) in arguments.iter().enumerate() {
                    f.write_str(if i > 0 { ", " } else { "" })?;
                    write!(f, "{argument}")?;
                }
                f.write_char(')')
            }
        }
    }
}

impl Display for Argument {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Argument::Nil => f.write_str("nil"),
            Argument::Boolean(flag) => write!(f, "{flag}"),
            Argument::Integer(number) => write!(f, "{number}"),
            // Always with a fraction or an exponent, so that it is read as a float again.
            Argument::Float(number) => write!(f, "{number:?}"),
            Argument::Text(text) => write_text(f, text),
            Argument::Path(path) => write!(f, "{path}"),
            Argument::Written => f.write_char('_'),
        }
    }
}

fn write_text(f: &mut Formatter<'_>, text: &str) -> fmt::Result {
    f.write_char('"')?;
    for c in text.chars() {
        match c {
            '"' => f.write_str("\\\"")?,
            '\\' => f.write_str("\\\\")?,
            '\n' => f.write_str("\\n")?,
            '\r' => f.write_str("\\r")?,
            '\t' => f.write_str("\\t")?,
            c => f.write_char(c)?,
        }
    }
    f.write_char('"')
}

/// Splits `path?key=value&key2` into the path and its properties. A key without a value is `true`. A
/// `?` inside a text in quotes belongs to the path.
pub fn split_properties(text: &str) -> (&str, Vec<(&str, &str)>) {
    let Some(at) = properties_at(text) else {
        return (text, Vec::new());
    };
    let properties = text[at + 1..]
        .split('&')
        .filter(|part| !part.is_empty())
        .map(|part| part.split_once('=').unwrap_or((part, "true")))
        .collect();
    (&text[..at], properties)
}

fn properties_at(text: &str) -> Option<usize> {
    let mut quote = None;
    let mut bytes = text.bytes().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match (byte, quote) {
            (b'\\', Some(_)) => {
                bytes.next();
            }
            (byte, Some(open)) if byte == open => quote = None,
            (_, Some(_)) => {}
            (b'"' | b'\'', None) => quote = Some(byte),
            (b'?', None) => return Some(at),
            (_, None) => {}
        }
    }
    None
}

#[cfg(test)]
mod tests;
