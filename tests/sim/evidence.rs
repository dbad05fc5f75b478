//! Whether what the users did took effect once, in its order, and is not forgotten: by what the app of `site` wrote down.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::input::{Fate, Input};
use super::net::TabId;
use super::tab::Tab;
use super::town::Town;

/// Methods of the app that write down their argument.
pub const CALLS: [&str; 10] = [
    "note(_)",
    "later(_)",
    "tell(_)",
    "append(_)",
    "run(_)",
    "grow(_)",
    "reverse(_)",
    "spare(_)",
    "refuse(_)",
    "fail(_)",
];

const LOGS: [&str; 3] = ["log()", "heard()", "outside()"];

/// Paths that a tab asks for which looks what became of a session.
pub fn asked(tabs: &[Tab], sid: &Option<String>) -> Vec<String> {
    let wrote = |tab: &&Tab| tab.sid == *sid && tab.inputs.iter().any(|input| input.call.is_none());
    let texts = tabs
        .iter()
        .filter(wrote)
        .map(|tab| format!("texts.t{}", tab.id));
    LOGS.map(str::to_owned).into_iter().chain(texts).collect()
}

pub fn check(town: &Town, user: usize, checker: TabId) {
    let page = &town.tabs[checker].page;
    let asked = LOGS.map(|path| {
        let id = page
            .find(path)
            .unwrap_or_else(|| panic!("nobody asked for {path}"));
        page.vars[&id].value.as_str().unwrap_or_default().to_owned()
    });
    let [log, heard, told] = asked;
    let log: Vec<&str> = log.split_whitespace().collect();
    let sid = &town.users[user].sid;
    let tabs = town
        .tabs
        .iter()
        .filter(|tab| tab.user == user && tab.sid == *sid);
    for tab in tabs.clone() {
        calls(tab, &log);
        text(tab, town, checker);
    }
    timers(tabs.clone(), &log);
    outside(town, tabs.clone(), &log, &told);
    messages(town, user, &heard.split_whitespace().collect::<Vec<_>>());
}

/// Which inputs of a tab these tokens are of.
fn numbers_of(tab: &Tab, tokens: &[&str]) -> Vec<usize> {
    let mine = format!("t{}.", tab.id);
    let numbers = tokens.iter().filter_map(|token| token.strip_prefix(&mine));
    numbers
        .map(|text| text.parse().expect("a number"))
        .collect()
}

/// Each call of a tab once, in the order in which they were made; all that was acknowledged, nothing that was never said.
fn calls(tab: &Tab, log: &[&str]) {
    let numbers = numbers_of(tab, log);
    let rises = numbers.is_sorted_by(|a, b| a < b);
    assert!(
        rises,
        "calls of tab {} came twice or out of order: {numbers:?}",
        tab.id
    );
    let there: BTreeSet<usize> = numbers.into_iter().collect();
    for (number, input) in tab
        .inputs
        .iter()
        .enumerate()
        .filter(|(_, input)| input.call.is_some())
    {
        let token = &input.token;
        match (input.fate, there.contains(&number)) {
            (Fate::Done, false) => panic!("{token} was acknowledged and has no effect: {log:?}"),
            (Fate::Waiting | Fate::Dropped, true) => {
                panic!("{token} took effect and was never said")
            }
            _ => {}
        }
    }
}

/// The text that a tab wrote last, or one of those of which nobody knows.
fn text(tab: &Tab, town: &Town, checker: TabId) {
    let texts = tab.inputs.iter().filter(|input| input.call.is_none());
    let mut possible: Vec<&str> = Vec::new();
    for input in texts {
        match input.fate {
            Fate::Done => possible = vec![&input.token],
            Fate::Doubt | Fate::Said => possible.push(&input.token),
            Fate::Waiting | Fate::Dropped => {}
        }
    }
    let certain = tab
        .inputs
        .iter()
        .any(|input| input.call.is_none() && input.fate == Fate::Done);
    let page = &town.tabs[checker].page;
    let shown = page
        .find(&format!("texts.t{}", tab.id))
        .map(|id| &page.vars[&id].value);
    match shown {
        Some(Value::String(shown)) => {
            assert!(
                possible.contains(&shown.as_str()),
                "tab {} wrote {possible:?}, not {shown:?}",
                tab.id
            );
        }
        _ => assert!(!certain, "what tab {} wrote is lost: {possible:?}", tab.id),
    }
}

/// Each timer once.
fn timers<'t>(tabs: impl Iterator<Item = &'t Tab>, log: &[&str]) {
    let mut fired: BTreeMap<&str, usize> = BTreeMap::new();
    for token in log.iter().filter_map(|token| token.strip_prefix("later:")) {
        *fired.entry(token).or_default() += 1;
    }
    for tab in tabs {
        for input in tab
            .inputs
            .iter()
            .filter(|input| input.call == Some("later(_)"))
        {
            let times = fired.remove(input.token.as_str()).unwrap_or(0);
            let set = usize::from(log.contains(&input.token.as_str()));
            assert_eq!(
                times, set,
                "the timer of {} fired {times} times",
                input.token
            );
        }
    }
    assert!(fired.is_empty(), "timers fired that nobody set: {fired:?}");
}

/// What was done outside was done once, and what the app was told of it is true.
fn outside<'t>(town: &Town, tabs: impl Iterator<Item = &'t Tab>, log: &[&str], told: &str) {
    let told: BTreeSet<&str> = told.split_whitespace().collect();
    let inputs = tabs.flat_map(|tab| &tab.inputs);
    for input in inputs.filter(|input| matches!(input.call, Some("append(_)" | "run(_)"))) {
        let token = &input.token;
        let times = town.outside.iter().filter(|done| *done == token).count();
        assert!(times <= 1, "{token} was done {times} times outside");
        let [done, doubt] = ["done:", "doubt:"].map(|how| told.contains(&*format!("{how}{token}")));
        assert!(!done || times == 1, "{token} was not done outside");
        let known = log.contains(&token.as_str());
        assert_eq!(known, done || doubt, "what became of {token} is not known");
        assert!(
            known || times == 0,
            "nobody knows of {token}, which was done"
        );
    }
}

/// What others told since this session began, once and in order.
fn messages(town: &Town, user: usize, heard: &[&str]) {
    let once: BTreeSet<&&str> = heard.iter().collect();
    assert_eq!(once.len(), heard.len(), "messages came twice: {heard:?}");
    let since = town.users[user].since.unwrap_or(u64::MAX);
    for tab in &town.tabs {
        let numbers = numbers_of(tab, heard);
        let rises = numbers.is_sorted_by(|a, b| a < b);
        assert!(
            rises,
            "messages of tab {} are out of order: {heard:?}",
            tab.id
        );
        let told = |input: &&Input| {
            input.call == Some("tell(_)") && input.fate == Fate::Done && input.at > since
        };
        for input in tab.inputs.iter().filter(told) {
            let token = input.token.as_str();
            assert!(
                heard.contains(&token),
                "user {user} has not heard {token}, told at {}",
                input.at
            );
        }
    }
}
