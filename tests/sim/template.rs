//! What a template asks for: the variables that a page with this viewdef makes.

use std::collections::BTreeMap;

pub type Props = BTreeMap<String, String>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Shown, and not written.
    Shown,
    /// What a user changes is written.
    Field,
    Action,
    /// An object by its own template.
    View,
}

/// One variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    pub wish: Wish,
    pub props: Props,
}

/// Elements that have no end.
const VOID: [&str; 7] = ["input", "br", "hr", "img", "meta", "link", "source"];
const FIELDS: [&str; 3] = ["input", "select", "textarea"];

/// The slots of a template, each thing once.
pub fn slots(template: &str) -> Vec<Slot> {
    let mut slots: Vec<Slot> = Vec::new();
    let mut open: Vec<Element> = Vec::new();
    let mut rest = template;
    while let Some(at) = rest.find('<') {
        rest = &rest[at + 1..];
        let end = tag_end(rest);
        let (tag, after) = (&rest[..end], &rest[(end + 1).min(rest.len())..]);
        rest = after;
        if let Some(name) = tag.strip_prefix('/') {
            while let Some(element) = open.pop() {
                if element.name == name.trim() {
                    break;
                }
            }
            continue;
        }
        let outer = open.last().cloned().unwrap_or_default();
        let (name, attributes) = read_tag(tag);
        let namespace = attribute(&attributes, "ui-namespace")
            .unwrap_or(&outer.namespace)
            .to_owned();
        let views = ["ui-view", "ui-viewlist"];
        let is_view = views
            .iter()
            .any(|view| attribute(&attributes, view).is_some());
        if !outer.hidden {
            for (attribute, value) in &attributes {
                let slot = slot(name, attribute, value, &namespace);
                slots.extend(slot.filter(|slot| !slots.contains(slot)));
            }
        }
        if !VOID.contains(&name) {
            open.push(Element {
                name: name.to_owned(),
                namespace,
                // What is inside a view's element is a pattern, or shown when there is nothing.
                hidden: outer.hidden || is_view,
            });
        }
    }
    slots
}

#[derive(Clone, Debug, Default)]
struct Element {
    name: String,
    namespace: String,
    hidden: bool,
}

/// Where a tag ends: a `>` that is in no value.
fn tag_end(rest: &str) -> usize {
    let mut quoted = false;
    for (at, c) in rest.char_indices() {
        match c {
            '"' => quoted = !quoted,
            '>' if !quoted => return at,
            _ => {}
        }
    }
    rest.len()
}

fn read_tag(tag: &str) -> (&str, Vec<(String, String)>) {
    let end = tag.find(char::is_whitespace).unwrap_or(tag.len());
    let (name, mut rest) = tag.split_at(end);
    let mut attributes = Vec::new();
    while let Some(at) = rest.find("=\"") {
        let (key, value) = (&rest[..at], &rest[at + 2..]);
        let key = key.rsplit(char::is_whitespace).next().unwrap_or(key);
        let end = value.find('"').unwrap_or(value.len());
        attributes.push((key.to_owned(), value[..end].replace("&amp;", "&")));
        rest = &value[(end + 1).min(value.len())..];
    }
    (name, attributes)
}

fn attribute<'a>(attributes: &'a [(String, String)], wanted: &str) -> Option<&'a str> {
    let mut found = attributes.iter().filter(|(name, _)| name == wanted);
    found.next().map(|(_, value)| value.as_str())
}

fn slot(element: &str, attribute: &str, value: &str, namespace: &str) -> Option<Slot> {
    let kind = attribute.strip_prefix("ui-")?;
    let (path, options) = value.split_once('?').unwrap_or((value, ""));
    let mut props = Props::from([("path".to_owned(), path.to_owned())]);
    let is_call = path.ends_with(')');
    let wish = match kind {
        "value" if FIELDS.contains(&element) && !is_call => Wish::Field,
        "action" | "submit" => Wish::Action,
        "view" | "viewlist" => Wish::View,
        _ if kind.starts_with("event-") && is_call => Wish::Action,
        "value" | "html" => Wish::Shown,
        _ if ["attr-", "class-", "style-", "prop-"]
            .iter()
            .any(|of| kind.starts_with(of)) =>
        {
            Wish::Shown
        }
        _ => return None,
    };
    match wish {
        Wish::Shown => drop(props.insert("access".into(), "r".into())),
        Wish::Action => drop(props.insert("access".into(), "action".into())),
        Wish::View if !namespace.is_empty() => {
            drop(props.insert("namespace".into(), namespace.into()))
        }
        Wish::View | Wish::Field => {}
    }
    for option in options.split('&').filter(|option| !option.is_empty()) {
        let (name, value) = option.split_once('=').unwrap_or((option, "true"));
        props.insert(name.into(), value.into());
    }
    if kind == "viewlist" && !props.contains_key("wrapper") {
        props.insert("wrapper".into(), "lua.ViewList".into());
    }
    Some(Slot { wish, props })
}
