//! The elements of a template's text, as far as its bindings need to know them. Follows the HTML that people
//! write into templates, not every rule of a browser's parser: end tags that may be left out may be.

/// An element, or a template's whole content.
#[derive(Debug, Default)]
pub struct Element {
    /// Lower case, as attribute names are.
    pub tag: String,
    pub attributes: Vec<Attribute>,
    pub children: Vec<Element>,
}

/// An attribute, and where its name begins in the text.
#[derive(Debug)]
pub struct Attribute {
    pub name: String,
    pub value: String,
    pub at: usize,
}

impl Element {
    /// The value of an attribute.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        let found = self.attributes.iter().find(|known| known.name == name);
        found.map(|attribute| attribute.value.as_str())
    }

    /// It and all below it, in the order of the text.
    pub fn all(&self) -> Vec<&Element> {
        let mut found = vec![self];
        for child in &self.children {
            found.extend(child.all());
        }
        found
    }
}

const VOID: [&str; 14] = [
    "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source",
    "track", "wbr",
];
/// Their content is text, whatever it looks like.
const RAW: [&str; 5] = ["script", "style", "textarea", "title", "xmp"];
/// Elements whose end tag may be missing, and the start tags that end them.
const ENDED_BY: [(&str, &[&str]); 9] = [
    ("li", &["li"]),
    ("option", &["option", "optgroup"]),
    ("dt", &["dt", "dd"]),
    ("dd", &["dt", "dd"]),
    ("tr", &["tr", "tbody", "tfoot", "thead"]),
    ("td", &["td", "th", "tr", "tbody", "tfoot"]),
    ("th", &["td", "th", "tr", "tbody", "tfoot"]),
    ("tbody", &["tbody", "tfoot"]),
    (
        "p",
        &[
            "p",
            "div",
            "ul",
            "ol",
            "dl",
            "table",
            "form",
            "section",
            "article",
            "h1",
            "h2",
            "h3",
            "main",
            "header",
            "footer",
            "nav",
            "aside",
            "fieldset",
            "details",
            "pre",
            "hr",
            "blockquote",
            "figure",
        ],
    ),
];

/// What is inside the outermost `<template>` of a viewdef's text.
pub fn parse_template(text: &str) -> Element {
    let mut parser = Parser {
        text,
        at: 0,
        open: vec![Element::default()],
    };
    while parser.step() {}
    while parser.open.len() > 1 {
        parser.close();
    }
    let mut root = parser.open.pop().unwrap_or_default();
    match root
        .children
        .iter()
        .position(|child| child.tag == "template")
    {
        Some(at) => root.children.swap_remove(at),
        None => root,
    }
}

struct Parser<'t> {
    text: &'t str,
    at: usize,
    /// From the outermost inwards.
    open: Vec<Element>,
}

impl Parser<'_> {
    /// Takes in the next tag; `false`: there is none.
    fn step(&mut self) -> bool {
        let rest = &self.text[self.at..];
        let Some(start) = rest.find('<') else {
            return false;
        };
        let rest = &rest[start + 1..];
        self.at += start + 1;
        if let Some(comment) = rest.strip_prefix("!--") {
            self.at += comment.find("-->").map_or(rest.len(), |end| end + 6);
        } else if let Some(name) = rest.strip_prefix('/') {
            let end = name.find('>').unwrap_or(name.len());
            let name = name[..end].trim().to_ascii_lowercase();
            self.at += (end + 2).min(rest.len());
            self.end(&name);
        } else if rest.starts_with(|c: char| c.is_ascii_alphabetic()) {
            self.start();
        }
        true
    }

    fn start(&mut self) {
        let tag = self
            .take(|c| !c.is_whitespace() && c != '>' && c != '/')
            .to_ascii_lowercase();
        let mut element = Element {
            tag,
            ..Element::default()
        };
        let closed = loop {
            self.take(|c| c.is_whitespace());
            match self.peek() {
                None => break false,
                Some('>') => {
                    self.at += 1;
                    break self.text[..self.at].ends_with("/>");
                }
                Some('/') => self.at += 1,
                Some(_) => {
                    let attribute = self.attribute();
                    // The first of a name counts.
                    if element.attribute(&attribute.name).is_none() {
                        element.attributes.push(attribute);
                    }
                }
            }
        };
        self.end_those_ended_by(&element.tag);
        let foreign = self
            .open
            .iter()
            .any(|e| matches!(e.tag.as_str(), "svg" | "math"));
        let leaf = VOID.contains(&element.tag.as_str()) || (closed && foreign);
        if RAW.contains(&element.tag.as_str()) {
            let end = format!("</{}", element.tag);
            let lower = self.text[self.at..].to_ascii_lowercase();
            self.at += lower.find(&end).unwrap_or(lower.len());
        }
        self.open.push(element);
        if leaf {
            self.close();
        }
    }

    fn attribute(&mut self) -> Attribute {
        let at = self.at;
        let name = self.take(|c| !c.is_whitespace() && !matches!(c, '=' | '>' | '/'));
        let mut name = name.to_ascii_lowercase();
        if name.is_empty() {
            // A stray `=` is a name's first letter.
            name = self.take_one();
        }
        let behind = self.at;
        self.take(|c| c.is_whitespace());
        if self.peek() != Some('=') {
            self.at = behind;
            let value = String::new();
            return Attribute { name, value, at };
        }
        self.at += 1;
        self.take(|c| c.is_whitespace());
        let value = match self.peek() {
            Some(quote @ ('"' | '\'')) => {
                self.at += 1;
                let value = self.take(|c| c != quote);
                self.at = (self.at + 1).min(self.text.len());
                value
            }
            _ => self.take(|c| !c.is_whitespace() && c != '>'),
        };
        let value = unescape(&value);
        Attribute { name, value, at }
    }

    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn take(&mut self, wanted: impl Fn(char) -> bool) -> String {
        let rest = &self.text[self.at..];
        let end = rest.find(|c| !wanted(c)).unwrap_or(rest.len());
        self.at += end;
        rest[..end].to_owned()
    }

    fn take_one(&mut self) -> String {
        let one: String = self.peek().into_iter().collect();
        self.at += one.len();
        one
    }

    fn end_those_ended_by(&mut self, tag: &str) {
        while let Some(open) = self.open.last() {
            let ends = ENDED_BY
                .iter()
                .any(|(ended, by)| *ended == open.tag && by.contains(&tag));
            if !ends {
                return;
            }
            self.close();
        }
    }

    fn end(&mut self, tag: &str) {
        let Some(at) = self.open.iter().rposition(|e| e.tag == tag) else {
            return;
        };
        while at > 0 && self.open.len() > at {
            self.close();
        }
    }

    fn close(&mut self) {
        if let Some(element) = self.open.pop()
            && let Some(parent) = self.open.last_mut()
        {
            parent.children.push(element);
        }
    }
}

/// The character references that are needed inside of an attribute.
fn unescape(text: &str) -> String {
    if !text.contains('&') {
        return text.to_owned();
    }
    let known = [
        ("&quot;", "\""),
        ("&apos;", "'"),
        ("&#39;", "'"),
        ("&#34;", "\""),
        ("&lt;", "<"),
        ("&gt;", ">"),
    ];
    let text = known
        .iter()
        .fold(text.to_owned(), |text, (name, c)| text.replace(name, c));
    text.replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outline(element: &Element) -> String {
        let inner: Vec<String> = element.children.iter().map(outline).collect();
        match inner.is_empty() {
            true => element.tag.clone(),
            false => format!("{}({})", element.tag, inner.join(" ")),
        }
    }

    #[test]
    fn templates_are_read_as_a_browser_does() {
        let cases = [
            (
                "<template><p>a<p>b<div>c</div></template>",
                "template(p p div)",
            ),
            (
                "<!-- <b> --><template><ul><li>a<li><b>b</b></ul>c</template>",
                "template(ul(li li(b)))",
            ),
            (
                "<template><table><tr><td>1<td>2<tr><td>3</table></template>",
                "template(table(tr(td td) tr(td)))",
            ),
            (
                "<template><style>a > b { } <i></style><br><img src=x/><i/>x</i></template>",
                "template(style br img i)",
            ),
            (
                "<template><svg><path/><path/></svg><b></b></template>",
                "template(svg(path path) b)",
            ),
            (
                "<template><select><option>1<option>2</select></template>",
                "template(select(option option))",
            ),
            ("<template>a < b <em>c</em></template>", "template(em)"),
        ];
        for (text, shape) in cases {
            assert_eq!(outline(&parse_template(text)), shape, "{text}");
        }
        let root = parse_template(
            "<template><INPUT Ui-Value = 'has(\"a &amp; b\")?x' disabled name=q></template>",
        );
        let input = &root.children[0];
        assert_eq!(input.attribute("ui-value"), Some("has(\"a & b\")?x"));
        assert_eq!(
            (input.attribute("disabled"), input.attribute("name")),
            (Some(""), Some("q"))
        );
    }
}
