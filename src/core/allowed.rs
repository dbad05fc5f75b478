//! What pages may ask for where people log in: the paths that the site's viewdefs have for the type of what they
//! start from, to do with them what the binding there does, and what the client itself makes to show lists.
//!
//! A rule over the site's files alone, so that a recording, which has them, comes out the same.

use std::collections::{BTreeMap, BTreeSet};

use super::bindings::bindings;
use super::gather::gather;
use super::path::Path;
use super::property::Properties;
use super::site::Site;
use super::variable::{Access, Slot, Variable, VariableStore};
use super::viewdef::type_of;

/// The types of lists and of their rows, whose fields the client asks for by itself.
const LIST: &str = "lua.ViewList";
const LIST_FIELDS: [&str; 3] = ["items", "count", "first"];
const ROW: &str = "lua.ViewListItem";
const ROW_FIELDS: [&str; 1] = ["item"];

/// Properties that name a type of Lua's, of which something is made then.
const NAMING: [&str; 4] = ["create", "item", "itemWrapper", "wrapper"];

/// What else than its path a binding names.
type Names = BTreeSet<(Box<str>, Box<str>)>;

/// What the bindings of each path name and let do.
type Paths = BTreeMap<Box<str>, Vec<(Names, Access)>>;

/// See the module's description.
#[derive(Debug, Default)]
pub struct Allowed {
    by_type: BTreeMap<Box<str>, Paths>,
}

/// What a page may do with a path: all that any of the bindings there does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Grant {
    reads: bool,
    writes: bool,
}

impl Grant {
    fn add(&mut self, access: Access) {
        self.reads |= access.reads();
        self.writes |= access.writes();
    }

    /// The access of a variable; `asked`: the page has said which it wants.
    ///
    /// # Errors
    /// When it wants more than there is, in words for its author.
    pub fn narrow(self, access: Access, asked: bool, path: &Path) -> Result<Access, String> {
        if access.reads() <= self.reads && access.writes() <= self.writes {
            return Ok(access);
        }
        match (asked || path.is_setter(), self.writes) {
            (true, _) => Err(format!(
                "path \"{path}\": its bindings in viewdefs allow another access: say ?access=rw there, or set paths = \"any\" in [security]"
            )),
            (false, false) => Ok(Access::Read),
            (false, true) if path.ends_in_call() => Ok(Access::Action),
            (false, true) => Ok(Access::Write),
        }
    }
}

/// Whether a page must not change this property: what may be asked for depends on it.
pub fn is_fixed(name: &str) -> bool {
    matches!(name, "path" | "type") || NAMING.contains(&name)
}

impl Allowed {
    /// What the viewdefs of a site have.
    pub fn by(site: &Site) -> Allowed {
        let mut allowed = Allowed::default();
        for (file, content) in site.files() {
            let (Some(type_name), Ok(text)) = (type_of(file), std::str::from_utf8(content)) else {
                continue;
            };
            let paths = allowed.by_type.entry(type_name.into()).or_default();
            for binding in bindings(text) {
                let (path, options) = binding.parts();
                let names = options
                    .into_iter()
                    .filter(|(name, _)| NAMING.contains(name))
                    .map(|(name, value)| (name.into(), value.into()));
                paths
                    .entry(canonical(path))
                    .or_default()
                    .push((gather(names), binding.access()));
            }
        }
        allowed
    }

    /// What a page may do with a variable of these properties below one that shows something of this type; `None`:
    /// it must not make it.
    pub fn allows(&self, type_name: &str, new: &Properties) -> Option<Grant> {
        let path = canonical(new.get("path").unwrap_or(""));
        let names = NAMING
            .iter()
            .filter_map(|name| Some((*name, new.get(name)?)))
            // The client's own, for each `ui-viewlist`.
            .filter(|&pair| pair != ("wrapper", LIST))
            .map(|(name, value)| (name.into(), value.into()));
        let names: Names = gather(names);
        let structural = match type_name {
            // An array's elements.
            "" => path.bytes().all(|b| b.is_ascii_digit()),
            LIST => LIST_FIELDS.contains(&&*path),
            ROW => ROW_FIELDS.contains(&&*path),
            _ => path.is_empty(),
        };
        let paths = self.by_type.get(type_name);
        let known = paths.and_then(|paths| paths.get(&path));
        let fit = known.into_iter().flatten();
        let fit = fit.filter(|(has, _)| names.is_subset(has));
        let shown = (structural && names.is_empty()).then_some(Access::Read);
        fit.map(|&(_, access)| access)
            .chain(shown)
            .fold(None, |grant: Option<Grant>, access| {
                let mut grant = grant.unwrap_or_default();
                grant.add(access);
                Some(grant)
            })
    }
}

/// The type of what a variable shows, as far as its place tells: lists and rows that are made in one frame with what
/// is in them have not been looked at.
pub fn type_by_place(vars: &VariableStore, slot: Slot) -> &str {
    let type_of = |slot| {
        let properties = &vars.get(slot)?.properties;
        let known = properties.get("type").filter(|known| !known.is_empty());
        known.or_else(|| properties.get("wrapper").filter(|wrapper| *wrapper == LIST))
    };
    let above = |slot| vars.get(slot).and_then(Variable::parent);
    let is_row = || {
        let items = above(slot)?;
        let path = vars.get(items)?.properties.get("path");
        (path == Some("items") && type_of(above(items)?) == Some(LIST)).then_some(ROW)
    };
    type_of(slot).or_else(is_row).unwrap_or("")
}

/// A path in its one spelling.
fn canonical(text: &str) -> Box<str> {
    let text = text.trim();
    Path::parse(text).map_or_else(|_| text.into(), |path| path.to_string().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(viewdefs: &[(&str, &str)]) -> Allowed {
        let files = viewdefs.iter().map(|(name, text)| {
            let text = format!("<template>{text}</template>");
            (format!("viewdefs/{name}.html"), text.into_bytes())
        });
        Allowed::by(&Site::new(files.collect()))
    }

    fn properties(text: &str) -> Properties {
        let mut properties = Properties::default();
        for pair in text.split('|').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap();
            properties.set(name, value, None);
        }
        properties
    }

    #[test]
    fn a_path_must_stand_in_a_viewdef_of_its_parents_type() {
        let allowed = allowed(&[
            (
                "App.DEFAULT",
                "<input ui-value = 'user.name' ui-namespace=\"x\"><p ui-value=count ui-class-big=\"size(&quot;a&quot;)?priority=low\">
                 <div ui-viewlist=\"rows?itemWrapper=Row&amp;window=50\"><b ui-view=\"page?wrapper=Frame\">",
            ),
            ("App.other", "<a ui-action=\"go( )\">"),
            ("Row.DEFAULT", "<p ui-value=\"label\">"),
        ]);
        let may = |parent: &str, new: &str| allowed.allows(parent, &properties(new)).is_some();
        for path in ["user.name", "count", "size('a')", "go()", ""] {
            assert!(may("App", &format!("path={path}")), "{path}");
        }
        for path in [
            "user",
            "user.password",
            "label",
            "x",
            "0",
            "size('b')",
            "go(_)",
            "user.name.x",
        ] {
            assert!(!may("App", &format!("path={path}")), "{path}");
        }
        assert!(may("Row", "path=label") && !may("Other", "path=label"));
        assert!(may(
            "App",
            "path=rows|wrapper=lua.ViewList|itemWrapper=Row|window=50"
        ));
        assert!(!may(
            "App",
            "path=rows|wrapper=lua.ViewList|itemWrapper=Other"
        ));
        assert!(may("App", "path=page|wrapper=Frame") && may("App", "path=page"));
        assert!(!may("App", "path=page|wrapper=Admin"));
        assert!(!may("App", "path=count|create=Admin") && !may("App", "path=|wrapper=Admin"));
    }

    #[test]
    fn lists_are_shown_as_the_client_does() {
        let allowed = allowed(&[]);
        let may = |parent: &str, new: &str| allowed.allows(parent, &properties(new)).is_some();
        assert!(may("", "path=17") && !may("", "path=secret"));
        assert!(may("lua.ViewList", "path=items") && may("lua.ViewList", "path=count"));
        assert!(!may("lua.ViewList", "path=value") && !may("lua.ViewList", "path=0"));
        assert!(may("lua.ViewListItem", "path=item") && !may("lua.ViewListItem", "path=list"));
        assert!(!may("App", "path=items"));
    }
}
