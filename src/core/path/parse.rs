//! Reading a path.

use super::{ARGUMENTS_MAX, Argument, NESTING_MAX, Path, PathError, SEGMENTS_MAX, Segment, Start};

/// So much of a path that is too long says which one it is.
const BEGINNING_CHARS: usize = 40;

/// Reads a whole path.
pub(super) fn parse(text: &str) -> Result<Path, PathError> {
    if text.is_empty() {
        return Ok(Path::default());
    }
    let mut parser = Parser {
        text,
        at: 0,
        nesting: 0,
    };
    let path = parser.path()?;
    match parser.peek() {
        None => Ok(path),
        Some(_) => Err(parser.bad_segment(parser.at)),
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    /// Calls around the path that is read.
    nesting: usize,
}

impl<'a> Parser<'a> {
    fn path(&mut self) -> Result<Path, PathError> {
        let not = self.skip(b'!');
        if not && self.peek() == Some(b'!') {
            return Err(PathError::BadNot(self.text.into()));
        }
        let start = self.start()?;
        let mut path = Path {
            not,
            start,
            segments: Vec::new(),
        };
        // What stands alone: `!`, `..` and `@name` are paths without a segment.
        let alone = not || path.start != Start::default();
        let dotted = match &path.start {
            Start::Up(_) => !self.at_end(),
            Start::Named(_) => self.skip(b'.'),
        };
        if alone && !dotted {
            return Ok(path);
        }
        loop {
            if path.segments.last().is_some_and(Segment::takes_written) {
                return Err(PathError::SetterInside(self.text.into()));
            }
            if path.segments.len() == SEGMENTS_MAX {
                let beginning = self.text.chars().take(BEGINNING_CHARS).collect();
                return Err(PathError::TooLong(beginning));
            }
            path.segments.push(self.segment()?);
            if !self.skip(b'.') {
                return Ok(path);
            }
        }
    }

    /// Reads `@name`, or the dots in front: each `..` is one step up, with a dot between them. The
    /// dot before the name that follows may be left out.
    fn start(&mut self) -> Result<Start, PathError> {
        if self.skip(b'@') {
            let name = self.name();
            if name.is_empty() || self.peek() == Some(b'(') {
                return Err(PathError::BadName(self.text.into()));
            }
            return Ok(Start::Named(name.into()));
        }
        let rest = &self.text[self.at..];
        let dots = rest.bytes().take_while(|&b| b == b'.').count();
        if dots < 2 {
            return Ok(Start::default());
        }
        self.at += dots;
        let spelled = match dots % 3 {
            0 => !self.at_end(),
            rest => rest == 2,
        };
        if !spelled {
            return Err(PathError::BadParent(self.text.into()));
        }
        Ok(Start::Up(dots.div_ceil(3) as u32))
    }

    fn segment(&mut self) -> Result<Segment, PathError> {
        let from = self.at;
        let name = self.name();
        if name.is_empty() {
            return Err(match self.peek() {
                None | Some(b'.' | b',' | b')') => PathError::Empty(self.text.into()),
                Some(b'!') => PathError::BadNot(self.text.into()),
                Some(b'@') => PathError::BadName(self.text.into()),
                Some(_) => self.bad_segment(from),
            });
        }
        let name: Box<str> = name.into();
        let segment = if self.skip(b'(') {
            Segment::Call(name, self.arguments()?)
        } else if name.bytes().all(|b| b.is_ascii_digit())
            && (&*name == "0" || !name.starts_with('0'))
            && let Ok(index) = name.parse()
        {
            Segment::Index(index)
        } else {
            Segment::Field(name)
        };
        if self.at_end() || self.peek() == Some(b'.') {
            return Ok(segment);
        }
        Err(self.bad_segment(from))
    }

    fn arguments(&mut self) -> Result<Vec<Argument>, PathError> {
        if self.nesting == NESTING_MAX {
            return Err(PathError::TooMuch(self.text.into()));
        }
        self.nesting += 1;
        let mut arguments = Vec::new();
        self.skip_space();
        while arguments.len() <= ARGUMENTS_MAX {
            if arguments.is_empty() && self.skip(b')') {
                self.nesting -= 1;
                return Ok(arguments);
            }
            arguments.push(self.argument()?);
            self.skip_space();
            if self.skip(b')') {
                self.nesting -= 1;
                if arguments.len() > ARGUMENTS_MAX {
                    break;
                }
                return Ok(arguments);
            }
            if !self.skip(b',') {
                return Err(match self.peek() {
                    None => PathError::OpenCall(self.text.into()),
                    Some(_) => self.bad_argument(self.at),
                });
            }
            self.skip_space();
        }
        Err(PathError::TooMuch(self.text.into()))
    }

    fn argument(&mut self) -> Result<Argument, PathError> {
        if let Some(quote @ (b'"' | b'\'')) = self.peek() {
            return self.text(quote).map(|text| Argument::Text(text.into()));
        }
        let from = self.at;
        let rest = &self.text[from..];
        let ends = |c: char| matches!(c, ',' | ')') || c.is_ascii_whitespace();
        let word = &rest[..rest.find(ends).unwrap_or(rest.len())];
        let plain = match word {
            "" if rest.is_empty() => return Err(PathError::OpenCall(self.text.into())),
            "" => return Err(self.bad_argument(from)),
            "nil" => Some(Argument::Nil),
            "true" => Some(Argument::Boolean(true)),
            "false" => Some(Argument::Boolean(false)),
            "_" if self.nesting > 1 => return Err(PathError::SetterInside(self.text.into())),
            "_" => Some(Argument::Written),
            word => number(word),
        };
        match plain {
            Some(Argument::Float(number)) if !number.is_finite() => Err(self.bad_argument(from)),
            Some(argument) => {
                self.at += word.len();
                Ok(argument)
            }
            None if word.starts_with('-') => Err(self.bad_argument(from)),
            None => self.path().map(Argument::Path),
        }
    }

    fn text(&mut self, quote: u8) -> Result<String, PathError> {
        self.at += 1;
        let mut text = String::new();
        let mut chars = self.text[self.at..].char_indices();
        while let Some((at, c)) = chars.next() {
            match c {
                '\\' => text.push(match chars.next() {
                    Some((_, c @ ('\\' | '"' | '\''))) => c,
                    Some((_, 'n')) => '\n',
                    Some((_, 'r')) => '\r',
                    Some((_, 't')) => '\t',
                    Some(_) => return Err(PathError::BadEscape(self.text.into())),
                    None => break,
                }),
                c if c == char::from(quote) => {
                    self.at += at + 1;
                    return Ok(text);
                }
                c => text.push(c),
            }
        }
        Err(PathError::OpenText(self.text.into()))
    }

    /// Takes what may be a name.
    fn name(&mut self) -> &'a str {
        let rest: &'a str = &self.text[self.at..];
        // All that ends a name is ASCII, so any byte of another character is part of one.
        let ends = |b: u8| {
            matches!(
                b,
                b'.' | b',' | b'(' | b')' | b'"' | b'\'' | b'!' | b'@' | b'?'
            ) || b.is_ascii_whitespace()
        };
        let len = rest.bytes().position(ends).unwrap_or(rest.len());
        self.at += len;
        &rest[..len]
    }

    /// The next byte: all that means something is ASCII.
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Takes an ASCII character if it is there.
    fn skip(&mut self, wanted: u8) -> bool {
        let there = self.peek() == Some(wanted);
        self.at += usize::from(there);
        there
    }

    fn skip_space(&mut self) {
        let rest = &self.text[self.at..];
        let blank = rest.bytes().take_while(u8::is_ascii_whitespace);
        self.at += blank.count();
    }

    /// Whether the path that is read ends here.
    fn at_end(&self) -> bool {
        match self.peek() {
            None => true,
            Some(b) => self.nesting > 0 && (matches!(b, b',' | b')') || b.is_ascii_whitespace()),
        }
    }

    fn bad_segment(&self, from: usize) -> PathError {
        let rest = &self.text[from..];
        // Not at its first dot: what is wrong may be a dot.
        let end = rest.char_indices().skip(1).find(|&(_, c)| c == '.');
        PathError::BadSegment {
            path: self.text.into(),
            segment: rest[..end.map_or(rest.len(), |(at, _)| at)].into(),
        }
    }

    fn bad_argument(&self, from: usize) -> PathError {
        let rest = &self.text[from..];
        let end = rest.find([',', ')']).unwrap_or(rest.len());
        PathError::BadArgument {
            path: self.text.into(),
            argument: rest[..end].trim().into(),
        }
    }
}

/// A number as a script would write it: digits, perhaps with a sign, a fraction and an exponent.
fn number(word: &str) -> Option<Argument> {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let unsigned = word.strip_prefix('-').unwrap_or(word);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    let exponent_digits = exponent.map(|e| e.strip_prefix(['+', '-']).unwrap_or(e));
    if !digits(whole) || !fraction.is_none_or(digits) || !exponent_digits.is_none_or(digits) {
        return None;
    }
    if fraction.is_none()
        && exponent.is_none()
        && let Ok(integer) = word.parse()
    {
        return Some(Argument::Integer(integer));
    }
    word.parse().ok().map(Argument::Float)
}
