//! A template's bindings: what variables showing it makes, and what a user can do with it. Says the same as
//! the browser client's `templates.js`, without the page around it.

use std::collections::BTreeMap;

use super::attributes::kind_of;
use super::html::{Attribute, Element, parse_template};
use super::path;
use crate::core::gather::gather;
use crate::core::path::Path;

/// Properties of a variable.
pub type Props = BTreeMap<String, String>;

/// A compiled template.
#[derive(Debug, Default)]
pub struct Template {
    /// Variables that each copy makes at once.
    pub slots: Vec<Slot>,
    /// What a user can do, with variables that are made when it is first done.
    pub deeds: Vec<Deed>,
    pub views: Vec<Inner>,
}

/// A variable that shows something.
#[derive(Debug)]
pub struct Slot {
    pub props: Props,
    /// Its path as [`path::split`] has it, in its canonical spelling.
    pub segments: Vec<String>,
    /// A field, by which the user can change it.
    pub editable: bool,
}

/// What kind of call or write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeedKind {
    /// A call: of an action, or of an event.
    Call,
    /// A form.
    Submit,
    /// An event that writes a value.
    Write,
    /// A file goes to a method.
    Upload,
}

/// A call or write that an element offers.
#[derive(Debug)]
pub struct Deed {
    pub kind: DeedKind,
    pub props: Props,
    pub segments: Vec<String>,
    /// The slot that says whether the element is disabled, if one does.
    pub disabled: Option<usize>,
    pub always_disabled: bool,
    /// Names of a form's fields; `None`: not all are known.
    pub fields: Option<Vec<String>>,
}

/// A `ui-view` or `ui-viewlist`.
#[derive(Debug)]
pub struct Inner {
    pub is_list: bool,
    pub path: String,
    pub options: Props,
    pub segments: Vec<String>,
    pub namespace: String,
    /// The element's own id.
    pub id: String,
    /// The namespace that the list's exemplar names for its rows.
    pub exemplar_namespace: String,
}

impl Template {
    /// Reads the text of a viewdef.
    pub fn compile(text: &str) -> Template {
        let mut template = Template::default();
        for child in &parse_template(text).children {
            template.walk(child, "");
        }
        template
    }

    fn walk(&mut self, element: &Element, namespace: &str) {
        let own = element
            .attribute("ui-namespace")
            .filter(|ns| !ns.is_empty());
        let namespace = own.unwrap_or(namespace);
        let is_view = self.inspect(element, namespace);
        // What is inside a view's element is its empty state, or a list's exemplar.
        if !is_view && element.tag != "template" {
            for child in &element.children {
                self.walk(child, namespace);
            }
        }
    }

    /// Returns whether a view takes the element's place.
    fn inspect(&mut self, element: &Element, namespace: &str) -> bool {
        let disabled = element.attribute("ui-attr-disabled").map(parse_binding);
        let mut is_view = false;
        let mut deeds = Vec::new();
        for Attribute { name, value, .. } in &element.attributes {
            match name.as_str() {
                "ui-view" | "ui-viewlist" => {
                    self.views
                        .push(inner(element, name == "ui-viewlist", value, namespace));
                    is_view = true;
                }
                name => {
                    if let Some(attribute) = name.strip_prefix("ui-") {
                        deeds.extend(self.directive(element, attribute, value));
                    }
                }
            }
        }
        for mut deed in deeds {
            deed.disabled = disabled.as_ref().and_then(|(path, _)| {
                let of_path = |slot: &Slot| slot.props.get("path") == Some(path);
                self.slots.iter().position(of_path)
            });
            deed.always_disabled = element.attribute("disabled").is_some();
            self.deeds.push(deed);
        }
        is_view
    }

    fn directive(&mut self, element: &Element, attribute: &str, text: &str) -> Option<Deed> {
        if is_fixed_value(element, attribute) {
            return None;
        }
        let attribute = match (attribute, element.tag.as_str()) {
            ("value", "ui-chart") => "prop-data",
            ("value", "ui-gauge") => "prop-value",
            (other, _) => other,
        };
        let (kind, name) = kind_of(attribute)?;
        if kind == "link" && text.trim().starts_with('/') {
            return None;
        }
        let (path, options) = parse_binding(text);
        if path.is_empty() && kind != "value" {
            return None;
        }
        let is_call = path.ends_with(')');
        let deed = |kind, more: &[(&str, &str)]| Some(deed(element, kind, &path, &options, more));
        match kind {
            "action" => deed(
                DeedKind::Call,
                &[("access", if is_call { "action" } else { "w" })],
            ),
            "event" if is_call => deed(DeedKind::Call, &[("access", "action")]),
            "event" => deed(DeedKind::Write, &[("access", "w")]),
            "submit" => {
                let access = if is_call { "action" } else { "w" };
                deed(DeedKind::Submit, &[("access", access), ("fields", "true")])
            }
            "upload" => deed(DeedKind::Upload, &[("access", "action")]),
            _ => {
                let editable = kind == "value" && is_editable(element) && !is_call;
                let mut props = Props::from([("path".into(), path.clone())]);
                if !editable {
                    props.insert("access".into(), "r".into());
                }
                let delta = element.tag == "ui-chart"
                    && (name.starts_with("data") || name.starts_with("labels"));
                if delta {
                    props.insert("delta".into(), "true".into());
                }
                props.extend(options);
                let by_access = !matches!(props.get("access").map(String::as_str), Some("r"));
                let editable = kind == "value" && is_editable(element) && by_access;
                self.slot(props, &path, editable);
                None
            }
        }
    }

    /// Bindings of one template to the same thing share a variable.
    fn slot(&mut self, props: Props, path: &str, editable: bool) {
        match self.slots.iter_mut().find(|slot| slot.props == props) {
            Some(slot) => slot.editable |= editable,
            None => self.slots.push(Slot {
                segments: canonical_segments(path),
                props,
                editable,
            }),
        }
    }
}

fn inner(element: &Element, is_list: bool, value: &str, namespace: &str) -> Inner {
    let (path, options) = parse_binding(value);
    let exemplar = element.children.first();
    let exemplar_namespace = exemplar.and_then(|e| e.attribute("ui-namespace"));
    Inner {
        is_list,
        segments: canonical_segments(&path),
        path,
        options,
        namespace: namespace.into(),
        id: element.attribute("id").unwrap_or("").into(),
        exemplar_namespace: exemplar_namespace.unwrap_or("").into(),
    }
}

fn deed(
    element: &Element,
    kind: DeedKind,
    path: &str,
    options: &Props,
    more: &[(&str, &str)],
) -> Deed {
    let mut props = Props::from([("path".into(), path.to_owned())]);
    props.extend(
        more.iter()
            .map(|&(name, value)| (name.to_owned(), value.to_owned())),
    );
    props.extend(options.clone());
    Deed {
        kind,
        props,
        segments: canonical_segments(path),
        disabled: None,
        always_disabled: false,
        fields: match kind {
            DeedKind::Submit => fields_of(element),
            DeedKind::Call | DeedKind::Write | DeedKind::Upload => None,
        },
    }
}

/// The names of a form's fields, unless some of them are not in this template.
fn fields_of(form: &Element) -> Option<Vec<String>> {
    let mut names = Vec::new();
    for element in form.all() {
        let unknown = [
            "ui-view",
            "ui-viewlist",
            "ui-html",
            "ui-attr-name",
            "ui-prop-name",
        ];
        if unknown.iter().any(|name| element.attribute(name).is_some()) {
            return None;
        }
        names.extend(element.attribute("name").map(str::to_owned));
    }
    Some(names)
}

/// The path in its one spelling, in parts; as it is, if it is none.
pub fn canonical_segments(text: &str) -> Vec<String> {
    let canonical = canonical(text);
    path::split(&canonical)
        .into_iter()
        .map(str::to_owned)
        .collect()
}

/// A path in its one spelling.
pub fn canonical(text: &str) -> String {
    Path::parse(text).map_or_else(|_| text.to_owned(), |path| path.to_string())
}

/// A path, and what follows its `?`.
pub fn parse_binding(text: &str) -> (String, Props) {
    let (path, pairs) = crate::core::path::split_properties(text);
    let pairs = pairs
        .into_iter()
        .map(|(name, value)| (name.trim().to_owned(), decode(value)));
    (
        path.trim().to_owned(),
        gather(pairs.filter(|(name, _)| !name.is_empty())),
    )
}

/// `%20` and `+` in an option.
fn decode(text: &str) -> String {
    let digit = |byte: Option<&u8>| (*byte? as char).to_digit(16);
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let pair = digit(bytes.get(at + 1)).zip(digit(bytes.get(at + 2)));
        match (byte, pair) {
            (b'+', _) => out.push(b' '),
            (b'%', Some((high, low))) => {
                out.push((high << 4 | low) as u8);
                at += 2;
            }
            (byte, _) => out.push(byte),
        }
        at += 1;
    }
    match String::from_utf8(out) {
        Ok(decoded) => decoded.trim().to_owned(),
        Err(_) => text.to_owned(),
    }
}

/// `ui-event-click-value` says what `ui-event-click` writes.
fn is_fixed_value(element: &Element, attribute: &str) -> bool {
    let event = attribute
        .strip_prefix("event-")
        .and_then(|name| name.strip_suffix("-value"));
    event.is_some_and(|name| element.attribute(&format!("ui-event-{name}")).is_some())
}

/// Whether the user can change what it shows.
fn is_editable(element: &Element) -> bool {
    let tag = element.tag.as_str();
    let edited = element
        .attribute("contenteditable")
        .is_some_and(|value| value != "false");
    matches!(tag, "input" | "textarea" | "select" | "details" | "dialog")
        || edited
        || (tag.contains('-') && !tag.starts_with("ui-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compile(inside: &str) -> Template {
        Template::compile(&format!("<template>{inside}</template>"))
    }

    #[test]
    fn bindings_make_the_variables_that_a_browser_makes() {
        let made = compile(
            "<h1 ui-value=name></h1><p ui-value='name'></p><input ui-value=' name?keypress '>\
             <b ui-value='f( 1,\"x\" )'></b><input ui-value='on()?access=rw' type=checkbox>",
        );
        let props: Vec<Vec<(&str, &str)>> = made
            .slots
            .iter()
            .map(|slot| {
                slot.props
                    .iter()
                    .map(|(k, v)| (k.as_str(), v.as_str()))
                    .collect()
            })
            .collect();
        assert_eq!(props[0], [("access", "r"), ("path", "name")]);
        assert_eq!(props[1], [("keypress", "true"), ("path", "name")]);
        assert_eq!(made.slots[2].segments, ["f(1, \"x\")"]);
        assert_eq!(props[3], [("access", "rw"), ("path", "on()")]);
        let editable: Vec<bool> = made.slots.iter().map(|slot| slot.editable).collect();
        assert_eq!(editable, [false, true, false, true]);
    }

    #[test]
    fn what_a_user_can_do_waits_until_it_is_done() {
        let made = compile(
            "<button ui-action='go()' ui-attr-disabled='busy'></button>\
             <form ui-submit='save(_)'><input name=mail><button name=later></button></form>\
             <i ui-event-click='open' ui-event-click-value='3' ui-event-keypress-enter='enter()'></i>",
        );
        let kinds: Vec<DeedKind> = made.deeds.iter().map(|deed| deed.kind).collect();
        assert_eq!(
            kinds,
            [
                DeedKind::Call,
                DeedKind::Submit,
                DeedKind::Write,
                DeedKind::Call
            ]
        );
        assert_eq!(made.deeds[0].disabled, Some(0));
        let fields = made.deeds[1].fields.as_ref().unwrap();
        assert_eq!(fields, &["mail", "later"]);
        assert_eq!(made.slots.len(), 1);
    }

    #[test]
    fn a_view_hides_what_is_inside_its_element() {
        let made = compile(
            "<div ui-namespace=card><p ui-view='a.b'><b ui-value=no></b></p>\
             <ul ui-viewlist='rows?key=id&itemWrapper=R'><li ui-namespace=row></li></ul></div>",
        );
        assert!(made.slots.is_empty());
        let list = &made.views[1];
        assert_eq!(
            (list.namespace.as_str(), list.exemplar_namespace.as_str()),
            ("card", "row")
        );
        assert_eq!(list.options.get("key").map(String::as_str), Some("id"));
        assert_eq!(made.views[0].segments, ["a", "b"]);
    }
}
