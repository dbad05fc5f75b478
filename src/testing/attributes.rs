//! Which `ui-` attributes there are, and what somebody meant who wrote another: a browser passes over it without a word.

use super::html::Element;
use crate::config::nearest::{closest, nearest};

/// Those that bind a path: all of the name.
pub const BINDINGS: [&str; 9] = [
    "value", "html", "code", "class", "action", "submit", "link", "upload", "download",
];
/// Those that bind one, with what they bind it to behind a dash.
pub const FAMILIES: [&str; 5] = ["attr", "class", "style", "prop", "event"];
/// Views, and what is said about an element.
const OTHERS: [&str; 6] = ["view", "viewlist", "namespace", "error", "ref", "reset"];

/// The kind of a binding and what follows it.
pub fn kind_of(attribute: &str) -> Option<(&str, &str)> {
    if BINDINGS.contains(&attribute) {
        return Some((attribute, ""));
    }
    let (kind, name) = attribute.split_once('-')?;
    (FAMILIES.contains(&kind) && !name.is_empty()).then_some((kind, name))
}

/// Attributes of an element, or inside of it, that do nothing: where their names begin in the text, and what to say.
pub fn unknown(root: &Element) -> Vec<(usize, String)> {
    let elements = root.all().into_iter();
    let attributes = elements.flat_map(|element| &element.attributes);
    let unknown = attributes.filter_map(|attribute| {
        let name = attribute.name.strip_prefix("ui-")?;
        let known = kind_of(name).is_some() || OTHERS.contains(&name);
        (!known).then(|| (attribute.at, told(name)))
    });
    unknown.collect()
}

fn told(name: &str) -> String {
    let of_family = name.split_once('-').and_then(|(kind, rest)| {
        let kind = closest(kind, FAMILIES.into_iter())?;
        let rest = if rest.is_empty() { "NAME" } else { rest };
        Some(format!("; did you mean ui-{kind}-{rest}?"))
    });
    let all = BINDINGS.into_iter().chain(OTHERS);
    let meant = of_family.unwrap_or_else(|| match FAMILIES.contains(&name) {
        true => format!("; did you mean ui-{name}-NAME?"),
        false => match closest(name, all.clone()) {
            None => format!(
                "{}, and ui-{}-NAME",
                nearest(name, all, "ui-", ""),
                FAMILIES.join("-NAME, ui-")
            ),
            Some(_) => nearest(name, all, "ui-", ""),
        },
    });
    format!("there is no attribute ui-{name}{meant}")
}

#[cfg(test)]
mod tests {
    use super::super::html::parse_template;
    use super::*;

    #[test]
    fn what_is_no_attribute_is_told_with_what_was_meant() {
        for (name, meant) in [
            ("ui-vlaue", "did you mean ui-value?"),
            ("ui-view-list", "did you mean ui-viewlist?"),
            ("ui-evnt-click", "did you mean ui-event-click?"),
            ("ui-on-click", "and ui-attr-NAME, ui-class-NAME"),
            ("ui-event", "did you mean ui-event-NAME?"),
            ("ui-attr-", "did you mean ui-attr-NAME?"),
            ("ui-translate", "there are ui-value, ui-html"),
        ] {
            let text = format!("<template><p\n {name}='x'></p></template>");
            let found = unknown(&parse_template(&text));
            let [(at, told)] = &found[..] else {
                panic!("{name}: {found:?}");
            };
            assert!(text[*at..].starts_with(name), "{name}");
            assert!(told.contains(meant), "{told}");
        }
    }

    #[test]
    fn what_there_is_is_passed_over() {
        let text = "<template><form ui-submit='a(_)' ui-reset ui-error=b><i ui-class=a ui-class-b=a ui-ref=x></i>\
                    <b ui-view=c ui-namespace=n></b><ul ui-viewlist=d><li ui-style---hue=e ui-event-keypress-a='f()'>\
                    </ul><!-- <p ui-nothing> --><i data-ui-x='' title='ui-y'></i></form></template>";
        assert_eq!(unknown(&parse_template(text)), []);
    }
}
