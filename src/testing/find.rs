//! From an absolute path to what stands there on a page: what shows it, and what a user can do with it.

use super::page::Page;
use super::path::{Segment, Selector, segments};
use super::store::{VarNo, same};
use super::template::DeedKind;
use crate::config::nearest::distance;

/// What stands at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// A value is shown; `editable`: in a field.
    Shown { var: VarNo, editable: bool },
    /// An object or a list is shown.
    View { var: VarNo },
    /// Something can be done.
    Deed { view: usize, deed: usize },
}

/// Why there is nothing.
#[derive(Clone, Debug, PartialEq)]
pub enum Missing {
    /// What is wrong with the path itself.
    Wrong(String),
    /// The row may be in another part of a list with a window; the row's index, if that is known.
    Elsewhere {
        list: VarNo,
        index: Option<u64>,
    },
    Nothing,
}

/// Paths that are told when one is not there.
const NEAREST: usize = 5;

impl Page {
    /// All that stands at a path.
    ///
    /// # Errors
    /// When there is nothing.
    pub fn find(&self, path: &str) -> Result<Vec<Target>, Missing> {
        let segments = segments(path).map_err(Missing::Wrong)?;
        let mut search = Search {
            page: self,
            found: Vec::new(),
            elsewhere: None,
            wrong: None,
        };
        search.view(Page::TOP, &segments);
        let Search {
            found,
            elsewhere,
            wrong,
            ..
        } = search;
        if !found.is_empty() {
            return Ok(found);
        }
        // Paths that lead outwards (`..name`, `@name`) are not below where they are used.
        let named = self.names().into_iter().filter(|(name, _)| name == path);
        let found: Vec<Target> = named.map(|(_, target)| target).collect();
        match (found.is_empty(), wrong, elsewhere) {
            (false, ..) => Ok(found),
            (true, Some(wrong), _) => Err(Missing::Wrong(wrong)),
            (true, None, Some(elsewhere)) => Err(elsewhere),
            (true, None, None) => Err(Missing::Nothing),
        }
    }

    /// Everything on the page, by its absolute path, in the order of the page's making.
    pub fn names(&self) -> Vec<(String, Target)> {
        let mut all = Vec::new();
        for (at, view) in &self.views {
            let Some(template) = &view.template else {
                continue;
            };
            for (slot, &var) in template.slots.iter().zip(&view.slots) {
                let editable = slot.editable;
                all.push((self.store.name(var), Target::Shown { var, editable }));
            }
            for (deed, what) in template.deeds.iter().enumerate() {
                let path = what.segments.join(".");
                let name = self.store.name_below(view.var, &path);
                all.push((name, Target::Deed { view: at, deed }));
            }
            for &(_, inner) in &view.inner {
                let var = self.views[inner].var;
                all.push((self.store.name(var), Target::View { var }));
            }
        }
        all
    }

    /// The names nearest to a path, of what fits.
    pub fn nearest(&self, path: &str, fits: impl Fn(Target) -> bool) -> Vec<String> {
        let mut names: Vec<(usize, String)> = self
            .names()
            .into_iter()
            .filter(|(_, target)| fits(*target))
            .map(|(name, _)| (nearness(path, &name), name))
            .collect();
        names.sort_unstable();
        names.dedup();
        names
            .into_iter()
            .take(NEAREST)
            .map(|(_, name)| name)
            .collect()
    }

    /// The kind of a deed.
    pub fn deed_kind(&self, view: usize, deed: usize) -> Option<DeedKind> {
        let template = self.views.get(view)?.template.as_ref()?;
        Some(template.deeds.get(deed)?.kind)
    }
}

/// Smaller is nearer: names that end alike first, wherever they have moved.
fn nearness(wanted: &str, name: &str) -> usize {
    let last = |path: &str| {
        super::path::split(path)
            .last()
            .map_or(String::new(), |last| (*last).to_owned())
    };
    let ends_alike = last(wanted) == last(name);
    let cut = |text: &str| text.chars().take(100).collect::<String>();
    distance(&cut(wanted), &cut(name)) / if ends_alike { 3 } else { 1 }
}

struct Search<'p> {
    page: &'p Page,
    found: Vec<Target>,
    elsewhere: Option<Missing>,
    wrong: Option<String>,
}

impl Search<'_> {
    /// Looks for the rest of a path in what a view shows.
    fn view(&mut self, at: usize, rest: &[Segment]) {
        let page = self.page;
        let view = &page.views[at];
        let Some(template) = &view.template else {
            return;
        };
        let whole = |names: &[String]| names.len() == rest.len() && starts(rest, names);
        for (slot, &var) in template.slots.iter().zip(&view.slots) {
            if whole(&slot.segments) {
                let editable = slot.editable;
                self.found.push(Target::Shown { var, editable });
            }
        }
        for (deed, what) in template.deeds.iter().enumerate() {
            if whole(&what.segments) {
                self.found.push(Target::Deed { view: at, deed });
            }
        }
        for &(place, inner) in &view.inner {
            let names = &template.views[place].segments;
            let var = page.views[inner].var;
            if whole(names) {
                self.found.push(Target::View { var });
            }
            if let Some(row) = row_of(rest, names) {
                self.row(inner, row, &rest[names.len()..]);
            } else if starts(rest, names) {
                self.view(inner, &rest[names.len()..]);
            }
            // The item of a row stands for the row, also where a template of items shows it.
            if names.len() == 1 && names[0] == "item" && page.store.is_row(view.var) {
                self.view(inner, rest);
            }
        }
    }

    /// Looks for the rest of a path in a row of the list that a view shows.
    fn row(&mut self, view: usize, row: &Selector, rest: &[Segment]) {
        let page = self.page;
        let shown = &page.views[view];
        let lists = shown.inner_lists.iter().chain(&shown.list);
        for &list in lists {
            match self.select(shown.var, list, row) {
                Some(view) if rest.is_empty() => {
                    let var = page.views[view].var;
                    self.found.push(Target::View { var });
                    self.view(view, rest);
                }
                Some(view) => self.view(view, rest),
                None => {}
            }
        }
    }

    fn select(&mut self, list_var: VarNo, list: usize, row: &Selector) -> Option<usize> {
        let store = &self.page.store;
        let rows = &self.page.lists[list].rows;
        let found = match row {
            Selector::Index(index) => {
                let first = store.first_of(list_var);
                index
                    .checked_sub(first)
                    .and_then(|at| rows.get(usize::try_from(at).ok()?))
            }
            Selector::Key(key, value) => {
                match store.key_of(list_var) {
                    Some(known) if known == key => {}
                    known => {
                        let has = known.map_or("no key".to_owned(), |known| format!("key={known}"));
                        self.wrong = Some(format!(
                            "the list declares {has}: rows are named [{key}=..] where the template says ?key={key}"
                        ));
                    }
                }
                let says = |row: &&super::page::Row| {
                    store
                        .key_value(row.slot)
                        .is_some_and(|known| same(known, value))
                };
                rows.iter().find(says)
            }
        };
        if found.is_none() && store.vars[&list_var].props.contains_key("window") {
            let index = match row {
                Selector::Index(index) => Some(*index),
                Selector::Key(..) => None,
            };
            let list = list_var;
            self.elsewhere = Some(Missing::Elsewhere { list, index });
        }
        found.map(|row| row.view)
    }
}

/// Whether a path begins with these names, none of them a row.
fn starts(rest: &[Segment], names: &[String]) -> bool {
    rest.len() >= names.len()
        && names
            .iter()
            .zip(rest)
            .all(|(name, segment)| segment.row.is_none() && segment.name == *name)
}

/// Which row, if a path begins with these names and the last names one.
fn row_of<'s>(rest: &'s [Segment], names: &[String]) -> Option<&'s Selector> {
    let (last, front) = names.split_last()?;
    let segment = rest.get(front.len())?;
    let fits = starts(rest, front) && segment.name == *last;
    segment.row.as_ref().filter(|_| fits)
}
