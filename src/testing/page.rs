//! A page without a browser: it makes the variables that the browser client would make of the same templates
//! (`views.js`, `viewlist.js`, `window.js`), in the same order, and sends the same messages about them.

mod lists;

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use serde_json::Value;
use slab::Slab;

use super::store::{LIST_TYPE, News, ROOT, Store, VarNo};
use super::template::{Inner, Props, Template};
use crate::core::message::{Json, Message, PropertyList};

const ITEM_TYPE: &str = "lua.ViewListItem";
/// The list templates that the browser has built in, in a quicker form.
const STOCK_LIST: &str = "<template><div ui-viewlist=\"items\"></div></template>";
const STOCK_ITEM: &str = "<template><div ui-view=\"item\"></div></template>";
/// Rounds of changes that lead to changes: then templates that show each other without end are stopped.
const ROUNDS_MAX: usize = 100;

/// What shows the object of one variable.
#[derive(Debug)]
pub struct View {
    pub var: VarNo,
    /// For variable 1, which carries none itself.
    namespace: Option<String>,
    in_row: bool,
    pub template: Option<Rc<Template>>,
    pub slots: Vec<VarNo>,
    /// Places in the template's views, and what stands there.
    pub inner: Vec<(usize, usize)>,
    /// Lists of a template of lists, by their places in it.
    pub inner_lists: Vec<usize>,
    /// Variables of what was done already, by the place of the deed.
    pub deeds: BTreeMap<usize, VarNo>,
    /// It is a list without a template of its own.
    pub list: Option<usize>,
    /// Asked for before the type was known.
    items: Option<VarNo>,
    made: Vec<VarNo>,
    exemplar_namespace: String,
}

/// What shows an array, one view a row.
#[derive(Debug)]
pub struct List {
    /// Holds the array.
    pub var: VarNo,
    /// Elements are items, whose `item` the rows show.
    wrapped: bool,
    by_item: bool,
    in_window: bool,
    exemplar_namespace: String,
    pub rows: Vec<Row>,
}

/// One row.
#[derive(Clone, Debug)]
pub struct Row {
    key: String,
    pub slot: VarNo,
    pub view: usize,
}

/// The whole page.
#[derive(Debug, Default)]
pub struct Page {
    pub store: Store,
    pub views: Slab<View>,
    pub lists: Slab<List>,
    viewdefs: BTreeMap<String, Rc<Template>>,
    views_of: BTreeMap<VarNo, Vec<usize>>,
    lists_of: BTreeMap<VarNo, Vec<usize>>,
    dirty: BTreeSet<VarNo>,
    to_arrange: BTreeSet<usize>,
    out: Vec<Message>,
    /// Made since the last frame.
    made: BTreeSet<VarNo>,
    last_id: VarNo,
    vended: u64,
    history_index: u64,
    /// Types for which there is no template, as long as they are to be shown.
    pub lacking: BTreeSet<String>,
}

impl Page {
    /// The place of the view that shows the app.
    pub const TOP: usize = 0;

    /// A page that opens at this address of the app.
    pub fn open(url: &str) -> Page {
        let mut page = Page {
            last_id: ROOT,
            ..Page::default()
        };
        page.out.push(Message::Watch { var: ROOT });
        if url != "/" {
            page.go(url);
        }
        let top = page.new_view(ROOT, false, String::new());
        debug_assert_eq!(top, Page::TOP);
        page
    }

    /// Tells the app where the page is.
    pub fn go(&mut self, url: &str) {
        let index = self.history_index.to_string();
        let properties = [("url", url), ("historyIndex", &index)];
        self.tell_properties(ROOT, &properties);
    }

    /// The user follows a link.
    pub fn follow(&mut self, url: &str) {
        self.history_index += 1;
        self.go(url);
    }

    /// Sets properties of a variable.
    pub fn tell_properties(&mut self, var: VarNo, properties: &[(&str, &str)]) {
        let pair = |&(name, value): &(&str, &str)| (name.into(), value.into());
        self.out.push(Message::Update {
            var,
            value: None,
            properties: properties.iter().map(pair).collect(),
        });
    }

    /// Writes a value.
    pub fn write(&mut self, var: VarNo, value: &Value, shown: bool) {
        if let Some(known) = self.store.vars.get_mut(&var) {
            known.fault = None;
            known.wrote = true;
            if shown {
                known.value = Some(value.clone());
                self.dirty.insert(var);
            }
        }
        self.out.push(Message::Update {
            var,
            value: Some(Json(value.to_string().into())),
            properties: Vec::new(),
        });
    }

    /// What is to be sent, and the variables that it makes.
    pub fn take_out(&mut self) -> (Vec<Message>, BTreeSet<VarNo>) {
        let mut out = std::mem::take(&mut self.out);
        let mut made = std::mem::take(&mut self.made);
        out.retain(|message| self.is_news(message));
        made.retain(|id| self.store.vars.contains_key(id));
        (out, made)
    }

    /// Takes in what the server said.
    pub fn hear(&mut self, frame: &[u8]) -> News {
        let mut news = self.store.apply(frame);
        for (key, text) in std::mem::take(&mut news.viewdefs) {
            let is_stock = [(LIST_TYPE, STOCK_LIST), (ITEM_TYPE, STOCK_ITEM)]
                .iter()
                .any(|(name, stock)| {
                    key.rsplit_once('.').is_some_and(|(of, _)| of == *name) && text.trim() == *stock
                });
            if !is_stock {
                self.viewdefs.insert(key, Rc::new(Template::compile(&text)));
            }
        }
        for &id in &news.changed {
            self.touch(id);
        }
        if news.url.is_some() {
            let told = self.store.vars[&ROOT].told.get("historyIndex");
            self.history_index = told
                .and_then(|index| index.parse().ok())
                .unwrap_or(self.history_index);
        }
        news
    }

    /// The server has answered all that was sent: what it did not mention is nil.
    pub fn answered(&mut self, made: BTreeSet<VarNo>) {
        self.dirty.extend(self.store.settle_answers(made));
    }

    /// Namespaces are inherited, so everything below looks at its template again.
    fn touch(&mut self, id: VarNo) {
        self.dirty.insert(id);
        let told = self.store.vars.get(&id).filter(|var| !var.told.is_empty());
        let children = told.map_or(Vec::new(), |var| var.children.clone());
        children.into_iter().for_each(|child| self.touch(child));
    }

    /// Shows what has changed, lists first: they decide what rows stay.
    pub fn settle(&mut self) {
        for _ in 0..ROUNDS_MAX {
            if self.dirty.is_empty() && self.to_arrange.is_empty() {
                return;
            }
            let changed = std::mem::take(&mut self.dirty);
            for id in &changed {
                self.to_arrange
                    .extend(self.lists_of.get(id).into_iter().flatten());
            }
            while let Some(list) = self.outermost() {
                self.to_arrange.remove(&list);
                self.arrange(list);
            }
            for id in changed {
                for view in self.views_of.get(&id).cloned().unwrap_or_default() {
                    if self.views.get(view).is_some_and(|v| v.var == id) {
                        self.refresh(view);
                    }
                }
            }
        }
    }

    /// Outer lists first: they decide which inner ones remain.
    fn outermost(&self) -> Option<usize> {
        let depth = |list: &&usize| {
            let mut at = self.lists[**list].var;
            let mut depth = 0;
            while at != ROOT {
                at = self.store.vars.get(&at).map_or(ROOT, |var| var.parent);
                depth += 1;
            }
            depth
        };
        self.to_arrange.iter().min_by_key(depth).copied()
    }

    // ---- variables -----------------------------------------------------------

    /// Makes a variable.
    pub fn create(&mut self, parent: VarNo, props: Props, held: Option<u64>) -> VarNo {
        self.last_id += 1;
        let id = self.last_id;
        let pairs: PropertyList = props
            .iter()
            .map(|(k, v)| (k.as_str().into(), v.as_str().into()))
            .collect();
        self.out.push(Message::Create {
            id,
            parent,
            properties: pairs,
            nowatch: false,
            value: held.map(|obj| Json(format!("{{\"obj\":{obj}}}").into())),
        });
        self.store.create(id, parent, props, held);
        self.made.insert(id);
        if held.is_some() {
            self.dirty.insert(id);
        }
        id
    }

    fn destroy(&mut self, id: VarNo) {
        // What was not sent yet is nobody's news: `take_out` leaves it out.
        if !self.made.contains(&id) {
            self.out.push(Message::Destroy { var: id });
        }
        self.store.destroy(id);
    }

    /// Whether a message is about a variable that is there, or says that one is gone.
    fn is_news(&self, message: &Message) -> bool {
        match message {
            Message::Create { id: var, .. } | Message::Update { var, .. } => {
                self.store.vars.contains_key(var)
            }
            _ => true,
        }
    }

    fn vend_element(&mut self) -> String {
        self.vended += 1;
        format!("ui-{}", self.vended)
    }

    fn resolve(
        &self,
        type_name: &str,
        var: VarNo,
        namespace: Option<&str>,
    ) -> Option<Rc<Template>> {
        let inherited = self.store.inherited(var, "namespace").or(namespace);
        let fallback = self.store.inherited(var, "fallbackNamespace");
        let names = [inherited, fallback, Some("DEFAULT")].into_iter().flatten();
        let mut keys = names.map(|name| format!("{type_name}.{name}"));
        keys.find_map(|key| self.viewdefs.get(&key).cloned())
    }

    // ---- views ---------------------------------------------------------------

    fn new_view(&mut self, var: VarNo, in_row: bool, exemplar_namespace: String) -> usize {
        let view = self.views.insert(View {
            var,
            namespace: None,
            in_row,
            template: None,
            slots: Vec::new(),
            inner: Vec::new(),
            inner_lists: Vec::new(),
            deeds: BTreeMap::new(),
            list: None,
            items: None,
            made: Vec::new(),
            exemplar_namespace,
        });
        self.views_of.entry(var).or_default().push(view);
        self.dirty.insert(var);
        view
    }

    /// Shows what the variable's value and type ask for now.
    fn refresh(&mut self, view: usize) {
        let id = self.views[view].var;
        let Some(var) = self.store.vars.get(&id) else {
            return;
        };
        let Some(value) = &var.value else {
            return;
        };
        let is_object = value.is_object() || value.is_array();
        let type_name = var.type_name.clone();
        let empty = value.is_null() || (is_object && type_name.as_deref() == Some(""));
        if empty {
            if self.views[view].list.is_none() {
                self.drop_content(view, false);
            }
            return;
        }
        if !is_object {
            return self.drop_content(view, false);
        }
        let Some(type_name) = type_name else {
            return;
        };
        let namespace = self.views[view].namespace.clone();
        let found = self.resolve(&type_name, id, namespace.as_deref());
        let found = match found {
            None if type_name == LIST_TYPE => return self.show_list(view),
            None if type_name == ITEM_TYPE => Some(Rc::new(Template::compile(STOCK_ITEM))),
            found => found,
        };
        let Some(template) = found else {
            self.lacking.insert(type_name);
            return self.drop_content(view, false);
        };
        let shown = self.views[view].template.as_ref();
        if !shown.is_some_and(|shown| Rc::ptr_eq(shown, &template)) {
            self.render(view, &template);
        }
    }

    fn render(&mut self, view: usize, template: &Rc<Template>) {
        self.drop_content(view, false);
        let var = self.views[view].var;
        for slot in &template.slots {
            let made = self.create(var, slot.props.clone(), None);
            self.views[view].slots.push(made);
            self.views[view].made.push(made);
        }
        self.views[view].template = Some(template.clone());
        for (place, inner) in template.views.iter().enumerate() {
            self.render_inner(view, place, inner);
        }
        if !self.views[view].in_row {
            let key = self
                .viewdefs
                .iter()
                .find(|(_, known)| Rc::ptr_eq(known, template));
            if let Some(key) = key.map(|(key, _)| key.clone()) {
                self.tell_properties(var, &[("viewdef", &key)]);
            }
        }
    }

    fn render_inner(&mut self, view: usize, place: usize, inner: &Inner) {
        let (var, in_row) = (self.views[view].var, self.views[view].in_row);
        let mut props = inner.options.clone();
        props.insert("path".into(), inner.path.clone());
        let of_list = self.store.vars[&var].type_name.as_deref() == Some(LIST_TYPE);
        let has_wrapper = props.contains_key("wrapper");
        let is_items = inner.is_list && of_list && !has_wrapper;
        let mut put = |name: &str, value: &str| {
            props.insert(name.into(), value.into());
        };
        if inner.is_list && !is_items && !has_wrapper {
            put("wrapper", LIST_TYPE);
        }
        if is_items {
            put("delta", "true");
        }
        let is_list = props.get("wrapper").map(String::as_str) == Some(LIST_TYPE);
        if is_list {
            props.insert("identity".into(), "true".into());
        }
        if !inner.namespace.is_empty() {
            props
                .entry("namespace".into())
                .or_insert(inner.namespace.clone());
        }
        let id = match inner.id.is_empty() {
            true => self.vend_element(),
            false => inner.id.clone(),
        };
        props.insert("elementId".into(), id);
        let made = self.create(var, props, None);
        self.views[view].made.push(made);
        if is_items {
            let list = self.new_list(made, inner.exemplar_namespace.clone());
            self.views[view].inner_lists.push(list);
            return;
        }
        let shown = self.new_view(made, in_row, inner.exemplar_namespace.clone());
        if is_list && self.resolve(LIST_TYPE, made, None).is_none() {
            self.make_items(shown);
        }
        self.views[view].inner.push((place, shown));
    }

    fn make_items(&mut self, view: usize) -> VarNo {
        if let Some(items) = self.views[view].items {
            return items;
        }
        let props = [("path", "items"), ("delta", "true")];
        let props = props.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let items = self.create(self.views[view].var, props.into(), None);
        self.views[view].items = Some(items);
        items
    }

    /// The built-in look of a list.
    fn show_list(&mut self, view: usize) {
        if self.views[view].list.is_some() {
            return;
        }
        self.drop_content(view, true);
        let items = self.make_items(view);
        let list = self.new_list(items, self.views[view].exemplar_namespace.clone());
        self.views[view].list = Some(list);
    }

    /// Lets go of what the view showed.
    fn drop_content(&mut self, view: usize, keep_items: bool) {
        let shown = &mut self.views[view];
        let (inner, lists) = (
            std::mem::take(&mut shown.inner),
            std::mem::take(&mut shown.inner_lists),
        );
        let (made, list) = (std::mem::take(&mut shown.made), shown.list.take());
        let items = if keep_items { None } else { shown.items.take() };
        shown.template = None;
        shown.slots.clear();
        shown.deeds.clear();
        inner.into_iter().for_each(|(_, inner)| self.dispose(inner));
        lists
            .into_iter()
            .chain(list)
            .for_each(|list| self.dispose_list(list));
        made.into_iter().chain(items).for_each(|id| {
            if self.store.vars.contains_key(&id) {
                self.destroy(id);
            }
        });
    }

    /// The variables go with the variable above them.
    fn dispose(&mut self, view: usize) {
        let gone = self.views.remove(view);
        if let Some(views) = self.views_of.get_mut(&gone.var) {
            views.retain(|&other| other != view);
        }
        gone.inner
            .into_iter()
            .for_each(|(_, inner)| self.dispose(inner));
        gone.inner_lists
            .into_iter()
            .chain(gone.list)
            .for_each(|list| self.dispose_list(list));
    }

    /// Notes the variable of a deed: it is let go of with the view's content.
    pub fn keep_deed(&mut self, view: usize, deed: usize, var: VarNo) {
        self.views[view].deeds.insert(deed, var);
        self.views[view].made.push(var);
    }
}
