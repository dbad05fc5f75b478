//! The lines of a recording: steps, the time between them, and what is expected of each.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Conversion, MOMENT_MS, UNMARKED_MAX};
use crate::core::gather::gather;
use crate::journal::BLANK;
use crate::testing::path::is_ignored;
use crate::testing::script::Step;
use crate::testing::store::{ROOT, Store, VarNo, object_of};

impl Conversion<'_> {
    /// Tells a step, and before it what came of the one before.
    pub(super) fn step(&mut self, step: &Step) {
        if self.types_on(step) {
            return;
        }
        self.pass_time();
        self.tell_changes();
        self.acted = true;
        self.steps.push(step.to_string());
        self.typed = match step {
            Step::Set {
                path,
                value: Value::String(text),
            } => Some((self.steps.len(), path.clone(), text.clone(), self.turn.now)),
            _ => None,
        };
    }

    /// Whether a field is typed on in which the last step has typed: then that step tells the whole of it.
    fn types_on(&mut self, step: &Step) -> bool {
        let quiet = !self.fired && self.errors.is_empty();
        let (
            Some((lines, known, before, at)),
            Step::Set {
                path,
                value: Value::String(text),
            },
        ) = (&mut self.typed, step)
        else {
            return false;
        };
        let more = text.starts_with(before.as_str()) || before.starts_with(text.as_str());
        let soon = self.turn.now < *at + MOMENT_MS;
        if !quiet || known != path || !more || !soon || *lines != self.steps.len() {
            return false;
        }
        (*before, *at) = (text.clone(), self.turn.now);
        self.steps.pop();
        self.steps.push(step.to_string());
        true
    }

    /// Which timers wait, as far as it shows.
    pub(super) fn timers_set(&self) -> Option<(usize, Option<u64>)> {
        let timers = &self.manager.session(self.session)?.host().timers;
        Some((timers.len(), timers.next_due()))
    }

    /// The last step has set a timer: in a test it must do so at the same time.
    pub(super) fn tell_exact_time(&mut self) {
        let passed = self.turn.now.saturating_sub(self.told_ms);
        let is_step = self
            .steps
            .last()
            .is_some_and(|line| !line.starts_with("expect") && !line.starts_with("advance"));
        if passed > 0 && !self.fired && is_step {
            let at = self.steps.len() - 1;
            self.steps
                .insert(at, Step::Advance { ms: passed }.to_string());
            self.told_ms = self.turn.now;
            self.typed = None;
        }
    }

    pub(super) fn remark(&mut self, text: &str) {
        self.steps.push(format!("# {text}"));
    }

    pub(super) fn pass_time(&mut self) {
        let passed = self.turn.now.saturating_sub(self.told_ms);
        if !self.fired {
            self.tell_errors();
        }
        if self.fired || passed >= MOMENT_MS {
            self.steps.push(Step::Advance { ms: passed }.to_string());
            self.told_ms = self.turn.now;
            self.fired = false;
        }
        self.tell_errors();
    }

    pub(super) fn tell_errors(&mut self) {
        for error in std::mem::take(&mut self.errors) {
            let mut stores = self.pages.values().filter(|(page, _)| *page == error.page);
            // That of the app as a whole has no path: only what the operator does leaves one.
            if !error.path.is_empty() && stores.any(|(_, store)| error.stands(store)) {
                let text = error.fault.text.lines().next().unwrap_or("").to_owned();
                let path = error.path;
                self.steps
                    .push(Step::ExpectError { path, text }.to_string());
            }
        }
    }

    /// What has changed on the page that did something, where nothing was marked.
    pub(super) fn tell_changes(&mut self) {
        let changed = std::mem::take(&mut self.changed);
        if self.marked || !self.acted {
            return;
        }
        let mut told: Vec<String> = Vec::new();
        let pages = self.pages.values().map(|(page, store)| (*page, store));
        let stores: BTreeMap<u64, &Store> = gather(pages);
        let of_page = changed.iter().filter(|(page, _)| *page == self.page);
        for &(page, id) in of_page {
            let line = stores
                .get(&page)
                .and_then(|store| expectation(store, id, self.ignored))
                .filter(|step| !step.tells_secret(&self.secrets));
            let line = line.map(|step| step.to_string());
            told.extend(line.filter(|line| !told.contains(line)));
        }
        let rest = told.len().saturating_sub(UNMARKED_MAX);
        told.truncate(UNMARKED_MAX);
        self.steps.append(&mut told);
        if rest > 0 {
            self.remark(&format!("{rest} more values changed"));
        }
    }

    /// The whole text.
    pub(super) fn finish(mut self) -> String {
        // That the browser was closed in the end is no part of it.
        let closing = |line: &String| line == "detach" || line.starts_with("detach ");
        while self.steps.last().is_some_and(closing) {
            self.steps.pop();
        }
        if self
            .steps
            .last()
            .is_some_and(|line| !line.starts_with("advance"))
            || self.steps.is_empty()
        {
            self.pass_time();
        }
        self.tell_changes();
        let mut text = self.header.to_string();
        if self.steps.iter().any(|line| line.contains(BLANK)) {
            text.push_str("# \"***\" was secret: put in its place what a test may know\n");
        }
        if !self.answers.is_empty() {
            text.push('\n');
        }
        for (call, answer) in std::mem::take(&mut self.answers) {
            text.push_str(&format!("{}\n", Step::Answer { call, answer }));
        }
        let is_step = |line: &str| !line.starts_with("expect") && !line.starts_with('#');
        let mut after_step = false;
        text.push('\n');
        for (at, line) in self.steps.iter().enumerate() {
            // A step and what is expected of it stand together.
            if at > 0 && is_step(line) && !after_step {
                text.push('\n');
            }
            after_step = is_step(line);
            text.push_str(line);
            text.push('\n');
        }
        text
    }
}

/// What is to be expected of a variable that has changed, if it shows a value.
fn expectation(store: &Store, id: VarNo, ignored: &[Vec<String>]) -> Option<Step> {
    let var = store.vars.get(&id)?;
    let value = var.value.clone()?;
    if id == ROOT || store.is_key(id) || store.is_row(id) {
        return None;
    }
    let list = Some(var.parent).filter(|&list| {
        store
            .rows_of(list)
            .iter()
            .any(|&row| store.vars[&row].parent == id)
    });
    let path = store.name(list.unwrap_or(id));
    if is_ignored(&path, ignored) || path.is_empty() {
        return None;
    }
    if let Some(count) = list.and_then(|list| store.count_of(list)) {
        return Some(Step::ExpectCount { path, count });
    }
    let inside_list = store.count_of(var.parent).is_some();
    (!names_objects(&value) && !inside_list).then_some(Step::Expect { path, value })
}

/// Numbers of objects mean nothing in another run.
pub(super) fn names_objects(value: &Value) -> bool {
    match value {
        Value::Object(fields) => object_of(value).is_some() || fields.values().any(names_objects),
        Value::Array(elements) => elements.iter().any(names_objects),
        _ => false,
    }
}
