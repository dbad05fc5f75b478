//! Bindings: the attributes of a template's text that bind a path, and what each lets its user do, as the browser
//! client has it.
//!
//! A reading of the text without a parser of HTML: what looks like a binding counts as one, since the author wrote it.

use super::path::split_properties;
use super::variable::Access;

/// Attributes of templates that hold no path.
const NO_PATHS: [&str; 3] = ["ui-css", "ui-namespace", "ui-ref"];

/// Elements that the user changes, besides custom ones and what is `contenteditable`.
const FIELDS: [&str; 5] = ["input", "textarea", "select", "details", "dialog"];

/// An attribute that binds.
#[derive(Debug)]
pub struct Binding {
    /// With its properties.
    value: String,
    by_attribute: Access,
}

impl Binding {
    /// The path and what it says behind that.
    pub fn parts(&self) -> (&str, Vec<(&str, &str)>) {
        split_properties(&self.value)
    }

    /// What it lets the user do with its path.
    pub fn access(&self) -> Access {
        let (_, options) = self.parts();
        let asked = options.iter().rev().find(|(name, _)| *name == "access");
        // What is no access is an error wherever a page asks for it.
        asked.map_or(self.by_attribute, |(_, access)| {
            Access::parse(access.trim()).unwrap_or(Access::Read)
        })
    }
}

/// All that bind in a template's text.
pub fn bindings(text: &str) -> impl Iterator<Item = Binding> {
    let elements = elements(text);
    let starts = text.match_indices("ui-").filter(|&(at, _)| {
        let before = text[..at].bytes().next_back();
        before.is_some_and(|b| b.is_ascii_whitespace() || matches!(b, b'"' | b'\'' | b'/'))
    });
    starts.filter_map(move |(at, _)| {
        let (name, value) = attribute_at(&text[at..])?;
        let around = elements.partition_point(|element| element.start < at);
        let element = around.checked_sub(1).map(|last| &elements[last]);
        let element = element.filter(|element| element.end > at);
        let is_fixed = |element: &Element| element.is_fixed_value(name);
        if NO_PATHS.contains(&name) || element.is_some_and(is_fixed) {
            return None;
        }
        let value = unescaped(value);
        let is_call = split_properties(&value).0.trim_end().ends_with(')');
        // Of what stands in no element it is not known what it is for.
        let is_field = element.is_none_or(Element::is_field);
        let by_attribute = access_by(name, is_field, is_call);
        Some(Binding {
            value,
            by_attribute,
        })
    })
}

fn access_by(name: &str, is_field: bool, is_call: bool) -> Access {
    let called = match is_call {
        true => Access::Action,
        false => Access::Write,
    };
    match name {
        "ui-value" if is_field && !is_call => Access::ReadWrite,
        "ui-action" | "ui-submit" => called,
        "ui-upload" => Access::Action,
        name if name.starts_with("ui-event-") => called,
        _ => Access::Read,
    }
}

/// The name and value of an attribute that begins here.
fn attribute_at(text: &str) -> Option<(&str, &str)> {
    let end = text.find(|c: char| c.is_ascii_whitespace() || matches!(c, '=' | '>' | '/'))?;
    let (name, rest) = text.split_at(end);
    let value = rest.trim_start().strip_prefix('=')?.trim_start();
    let value = match value.as_bytes().first()? {
        quote @ (b'"' | b'\'') => value[1..].split(char::from(*quote)).next()?,
        _ => value
            .split(|c: char| c.is_ascii_whitespace() || c == '>')
            .next()?,
    };
    Some((name, value))
}

/// A start tag in a text.
struct Element<'t> {
    start: usize,
    end: usize,
    tag: &'t str,
    /// All between the tag's name and its end.
    attributes: &'t str,
}

impl Element<'_> {
    fn is_field(&self) -> bool {
        let tag = self.tag.to_ascii_lowercase();
        let is_custom = tag.contains('-') && !tag.starts_with("ui-");
        let editable = self.attribute("contenteditable");
        FIELDS.contains(&tag.as_str()) || is_custom || editable.is_some_and(|on| on != "false")
    }

    /// `ui-event-click-value` says what `ui-event-click` writes.
    fn is_fixed_value(&self, name: &str) -> bool {
        let event = name.strip_suffix("-value");
        event.is_some_and(|event| event.starts_with("ui-event-") && self.attribute(event).is_some())
    }

    /// The value of an attribute; of one without, nothing.
    fn attribute(&self, name: &str) -> Option<&str> {
        let text = self.attributes;
        text.match_indices(name).find_map(|(at, _)| {
            let stands_alone = |c: Option<char>| {
                c.is_none_or(|c| c.is_ascii_whitespace() || matches!(c, '=' | '/' | '"' | '\''))
            };
            let (before, behind) = (&text[..at], &text[at + name.len()..]);
            let is_it =
                stands_alone(before.chars().next_back()) && stands_alone(behind.chars().next());
            is_it.then(|| attribute_at(&text[at..]).map_or("", |(_, value)| value))
        })
    }
}

/// The start tags in a text, in their order. A `>` in a quoted value ends none.
fn elements(text: &str) -> Vec<Element<'_>> {
    let mut elements = Vec::new();
    let mut from = 0;
    while let Some(start) = text[from..].find('<').map(|at| from + at) {
        let inside = &text[start + 1..];
        let name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | ':');
        let tag_len = inside.find(|c| !name(c)).unwrap_or(inside.len());
        let tag = &inside[..tag_len];
        let behind = &inside[tag_len..];
        let ends_name = |c: char| c.is_ascii_whitespace() || matches!(c, '/' | '>');
        from = start + 1;
        if tag.starts_with(|c: char| c.is_ascii_alphabetic()) && behind.starts_with(ends_name) {
            let length = attributes_len(behind);
            from += tag_len + length;
            elements.push(Element {
                start,
                end: from,
                tag,
                attributes: &behind[..length],
            });
        }
    }
    elements
}

/// How far the attributes of a start tag go.
fn attributes_len(text: &str) -> usize {
    let mut quote = None;
    // Whether a value may begin.
    let mut assigned = false;
    for (at, byte) in text.bytes().enumerate() {
        match (byte, quote) {
            (byte, Some(open)) if byte == open => quote = None,
            (_, Some(_)) => {}
            (b'>', None) => return at,
            (b'"' | b'\'', None) if assigned => quote = Some(byte),
            (byte, None) if byte.is_ascii_whitespace() => continue,
            (_, None) => {}
        }
        assigned = byte == b'=' && quote.is_none();
    }
    text.len()
}

/// The text that an attribute's value stands for.
fn unescaped(value: &str) -> String {
    const NAMES: [(&str, &str); 7] = [
        ("&quot;", "\""),
        ("&#34;", "\""),
        ("&apos;", "'"),
        ("&#39;", "'"),
        ("&lt;", "<"),
        ("&gt;", ">"),
        // Last: what it makes is no name.
        ("&amp;", "&"),
    ];
    NAMES.iter().fold(value.to_owned(), |text, (name, meant)| {
        text.replace(name, meant)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_binding_lets_do_depends_on_its_attribute_and_element() {
        let access = |text: &str| {
            let found: Vec<Binding> = bindings(text).collect();
            assert_eq!(found.len(), 1, "{text}");
            found[0].access()
        };
        for (text, expected) in [
            ("<input ui-value=a>", Access::ReadWrite),
            (
                "<textarea\n class='x > y'\n ui-value = 'a'></textarea>",
                Access::ReadWrite,
            ),
            ("<sl-input ui-value=\"a\">", Access::ReadWrite),
            ("<INPUT ui-value=a>", Access::ReadWrite),
            ("<p contenteditable ui-value=a>", Access::ReadWrite),
            ("<p ui-value=a contenteditable=\"true\">", Access::ReadWrite),
            ("<p ui-value=a contenteditable=false>", Access::Read),
            ("<p title='contenteditable.' ui-value=a>", Access::Read),
            ("<p ui-value=a><input>", Access::Read),
            ("<input><p ui-value=a>", Access::Read),
            ("<input title=\"<p\" ui-value=a>", Access::ReadWrite),
            ("<ui-gauge ui-value=a>", Access::Read),
            ("<input ui-value='a?access=r'>", Access::Read),
            ("<input ui-value='a?keypress'>", Access::ReadWrite),
            ("<input ui-value='a()'>", Access::Read),
            (
                "<input ui-value='a()?keypress&amp;access=rw'>",
                Access::ReadWrite,
            ),
            ("<p ui-value='a?access=w'>", Access::Write),
            ("<input ui-class-x=a>", Access::Read),
            ("<input ui-attr-title=a>", Access::Read),
            ("<div ui-view=a>", Access::Read),
            ("<div ui-viewlist=a>", Access::Read),
            ("<button ui-action='a()'>", Access::Action),
            ("<button ui-action='a'>", Access::Write),
            ("<form ui-submit='a(_)'>", Access::Action),
            ("<i ui-event-click='a'>", Access::Write),
            (
                "<i ui-event-click='a' ui-event-click-value='b'>",
                Access::Write,
            ),
            ("<i ui-upload='a(_)'>", Access::Action),
            ("text = \" ui-value='a'\"", Access::ReadWrite),
        ] {
            assert_eq!(access(text), expected, "{text}");
        }
    }
}
