//! Rows: one for each item of an array. A row belongs to its item, and its variable holds that very item.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{ITEM_TYPE, List, Page, Row};
use crate::core::gather::gather;
use crate::testing::store::{Store, VarNo, object_of};
use crate::testing::template::Props;

impl Page {
    pub(super) fn new_list(&mut self, var: VarNo, exemplar_namespace: String) -> usize {
        let parent = self.store.vars[&var].parent;
        let wrapped = self.store.vars[&var].props.get("path").map(String::as_str) == Some("items");
        let has = |name: &str| self.store.vars[&parent].props.contains_key(name);
        let (identity, window) = (has("identity"), has("window"));
        let list = self.lists.insert(List {
            var,
            wrapped,
            by_item: wrapped && identity,
            in_window: wrapped && window,
            exemplar_namespace,
            rows: Vec::new(),
        });
        self.lists_of.entry(var).or_default().push(list);
        if self.lists[list].in_window {
            for path in ["count", "first"] {
                let props = [("path", path), ("access", "r")];
                let props = props.map(|(name, value)| (name.to_owned(), value.to_owned()));
                let id = self.create(parent, props.into(), None);
                self.lists_of.entry(id).or_default().push(list);
            }
        }
        self.to_arrange.insert(list);
        list
    }

    /// Makes the rows match the array.
    pub(super) fn arrange(&mut self, list: usize) {
        let Some(List { var, by_item, .. }) = self.lists.get(list) else {
            return;
        };
        let Some(value) = self.store.vars.get(var).and_then(|var| var.value.clone()) else {
            return;
        };
        let array = value.as_array().map_or(&[][..], Vec::as_slice);
        let keys = keys_of(array, *by_item);
        let old = std::mem::take(&mut self.lists[list].rows);
        let mut staying: BTreeMap<String, Row> =
            gather(old.into_iter().map(|row| (row.key.clone(), row)));
        let mut rows = Vec::with_capacity(keys.len());
        for (at, key) in keys.into_iter().enumerate() {
            rows.push(match staying.remove(&key) {
                Some(row) => row,
                None => self.new_row(list, key, &array[at], at),
            });
        }
        for row in staying.into_values() {
            self.dispose(row.view);
            self.destroy(row.slot);
        }
        self.lists[list].rows = rows;
    }

    fn new_row(&mut self, list: usize, key: String, item: &Value, at: usize) -> Row {
        let id = self.vend_element();
        let List {
            var,
            by_item,
            wrapped,
            ref exemplar_namespace,
            ..
        } = self.lists[list];
        let mut props = Props::new();
        if !exemplar_namespace.is_empty() {
            props.insert("namespace".into(), exemplar_namespace.clone());
        }
        let held = object_of(item).filter(|_| by_item);
        if held.is_none() {
            props.insert("path".into(), at.to_string());
        }
        let slot = self.create(var, props, held);
        let custom = !wrapped || self.resolve(ITEM_TYPE, slot, None).is_some();
        let shown = match custom {
            true => slot,
            false => {
                let props = [("path", "item"), ("elementId", &*id)];
                let props = props.map(|(name, value)| (name.to_owned(), value.to_owned()));
                self.create(slot, props.into(), None)
            }
        };
        let view = self.new_view(shown, true, String::new());
        self.make_key(slot, shown);
        Row { key, slot, view }
    }

    /// Where the list names its rows by a key, a test has to know it.
    fn make_key(&mut self, slot: VarNo, shown: VarNo) {
        let list = self.store.list_of(slot);
        if let Some(key) = list.and_then(|list| self.store.key_of(list)) {
            let props = Store::key_props(key);
            self.create(shown, props, None);
        }
    }

    pub(super) fn dispose_list(&mut self, list: usize) {
        let gone = self.lists.remove(list);
        for lists in self.lists_of.values_mut() {
            lists.retain(|&other| other != list);
        }
        self.to_arrange.remove(&list);
        gone.rows.into_iter().for_each(|row| self.dispose(row.view));
    }
}

/// Numbers of the objects, and which time it is that one comes; all else by its index.
fn keys_of(array: &[Value], by_item: bool) -> Vec<String> {
    let mut seen: BTreeMap<u64, usize> = BTreeMap::new();
    let key = |(at, item): (usize, &Value)| match object_of(item).filter(|_| by_item) {
        None => format!("#{at}"),
        Some(obj) => {
            let times = seen.entry(obj).or_default();
            *times += 1;
            format!("{obj} {times}")
        }
    };
    array.iter().enumerate().map(key).collect()
}
