//! The demo without a mouse, and what a screen reader is told meanwhile.

use std::iter::successors;

use serde_json::Value;

use super::cdp::{Browser, Page};
use super::open_demo;
use super::server::Server;

/// How often the accessibility tree is asked before the test gives up.
const LOOKS_MAX: u32 = 200;
/// More than the demo has places to stop at.
const STOPS_MAX: u32 = 120;

/// Walks on with `key` until the focus is on `selector`, and can be seen there.
fn walk_to(page: &mut Page, key: &str, selector: &str) {
    let here = format!("document.activeElement.matches({selector:?})");
    for _ in 0..STOPS_MAX {
        page.press(key);
        if page.eval(&here) == true {
            assert_eq!(
                page.eval("getComputedStyle(document.activeElement).outlineStyle"),
                "solid",
                "{selector} shows that it has the focus"
            );
            return;
        }
    }
    panic!("{key} never comes to {selector}");
}

fn tab_to(page: &mut Page, selector: &str) {
    walk_to(page, "Tab", selector);
}

/// Waits until the focus is on `selector`, put there by the page.
fn wait_for_focus(page: &mut Page, selector: &str) {
    page.wait_for(&format!("document.activeElement.matches({selector:?})"));
}

/// Waits until a live region says `words`, as the accessibility tree has it.
fn wait_for_announcement(page: &mut Page, words: &str) {
    for _ in 0..LOOKS_MAX {
        if is_announced(&page.accessibility(), words) {
            return;
        }
        page.eval("new Promise(done => setTimeout(done, 50))");
    }
    panic!(
        "no live region says {words:?}; the page shows\n{}",
        page.text("body")
    );
}

fn is_announced(nodes: &[Value], words: &str) -> bool {
    let is_live = |node: &Value| {
        let properties = node["properties"].as_array().into_iter().flatten();
        properties
            .filter(|property| property["name"] == "live")
            .any(|property| property["value"]["value"] != "off")
    };
    let says = |node: &&Value| {
        let name = node["name"]["value"].as_str().unwrap_or("");
        node["ignored"] != true && name.contains(words)
    };
    let parent = |node: &&Value| {
        nodes
            .iter()
            .find(|other| other["nodeId"] == node["parentId"])
    };
    nodes
        .iter()
        .filter(says)
        .any(|node| successors(Some(node), parent).any(is_live))
}

#[test]
fn the_whole_demo_works_by_keyboard() {
    let (server, browser) = (Server::demo(), Browser::start());
    let mut page = open_demo(&server, &browser);
    add_one(&mut page);
    change_it(&mut page);
    delete_it(&mut page);
    find_others(&mut page);
    play_with_the_live_page(&mut page);

    walk_to(&mut page, "Shift+Tab", "nav li:nth-child(3) button");
    page.press("Enter");
    page.wait_for_text("#about-title", "About this page");
}

fn add_one(page: &mut Page) {
    tab_to(page, "#add-contact");
    page.press("Enter");
    wait_for_focus(page, "#field-name");
    page.press("Enter"); // saves, which cannot be yet
    wait_for_announcement(page, "2 fields need another look.");
    assert_eq!(
        page.eval("document.querySelector('#field-name').getAttribute('aria-describedby')"),
        "problem-name"
    );
    page.type_text("Aaron Keys");
    tab_to(page, "#field-email");
    page.type_text("aaron@keys.example");
    tab_to(page, "#field-note");
    page.type_text("First of all");
    tab_to(page, "#save-contact");
    page.press("Space");
    page.wait_for_text(".card h2", "Aaron Keys");
    wait_for_announcement(page, "Added Aaron Keys.");
    // The form went, and the focus with it: it is on what came instead.
    wait_for_focus(page, ".card h2");
}

fn change_it(page: &mut Page) {
    tab_to(page, ".card-actions input");
    page.press("Space");
    page.wait_for(
        "document.querySelector('.contact-row.favourite button').textContent === 'Aaron Keys'",
    );
    tab_to(page, "#edit-contact");
    page.press("Enter");
    wait_for_focus(page, "#field-name");
    page.type_text("Somebody else");
    page.press("Escape");
    page.wait_for_text(".card h2", "Aaron Keys");
    wait_for_focus(page, ".card h2");
}

fn delete_it(page: &mut Page) {
    tab_to(page, "#delete-contact");
    page.press("Enter");
    page.wait_for("document.querySelector('#removal').matches(':modal')");
    wait_for_focus(page, "#keep-contact");
    // Nothing outside can be reached.
    for _ in 0..6 {
        page.press("Tab");
        assert_eq!(
            page.eval("document.activeElement === document.body || document.activeElement.closest('dialog')?.id === 'removal'"),
            true,
            "the focus stays in the question"
        );
    }
    page.press("Escape");
    page.wait_for("!document.querySelector('#removal').open");
    wait_for_focus(page, "#delete-contact");
    // A browser tells of the closing a moment later; nobody's next key is faster than that.
    page.wait_for("uiApp.getBinding('removal').variable.value === false");
    page.press("Enter");
    wait_for_focus(page, "#keep-contact");
    tab_to(page, "#confirm-delete");
    page.press("Enter");
    page.wait_for_text(".contacts-head output", "240 contacts");
    wait_for_announcement(page, "Deleted Aaron Keys.");
    wait_for_focus(page, ".contacts-panel h2");

    walk_to(page, "Shift+Tab", "#undo");
    page.press("Enter");
    page.wait_for_text(".contacts-head output", "241 contacts");
}

fn find_others(page: &mut Page) {
    // A row that is opened shows its card and goes on there; one that is only passed does not.
    tab_to(page, ".contact-row:nth-child(3) button");
    let third = page.text(".contact-row:nth-child(3) button");
    page.press("Enter");
    page.wait_for_text(".card h2", &third);
    wait_for_focus(page, ".card h2");
    walk_to(page, "Shift+Tab", "#search");
    page.press("ArrowUp");
    let second = page.text(".contact-row:nth-child(2) button");
    page.wait_for_text(".card h2", &second);
    wait_for_focus(page, "#search");

    page.type_text("zzz");
    page.wait_for_text(".nothing-found h2", "Nobody matches “zzz”");
    page.press("Escape");
    page.wait_for("document.querySelectorAll('.contact-row').length === 25");
    tab_to(page, "th:nth-child(3) button");
    page.press("Enter");
    page.wait_for(
        "document.querySelector('th:nth-child(3)').getAttribute('aria-sort') === 'ascending'",
    );
    tab_to(page, "#show-all");
    page.press("Enter");
    page.wait_for("document.querySelectorAll('.contact-row').length === 241");
}

fn play_with_the_live_page(page: &mut Page) {
    page.eval("document.querySelector('nav button').focus()");
    tab_to(page, "nav li:nth-child(2) button");
    page.press("Enter");
    page.wait_for("document.querySelector('#pause')?.textContent === 'Pause'");
    tab_to(page, "#pause");
    page.press("Space");
    page.wait_for_text("#pause", "Resume");
    tab_to(page, "#pace");
    page.press("ArrowDown");
    page.wait_for("document.querySelector('#pace').value === '500'");
    tab_to(page, "#increment");
    page.press("Enter");
    wait_for_announcement(page, "1");
    tab_to(page, "#step");
    page.press("ArrowUp");
    page.wait_for("document.querySelector('#step').value === '2'");
    tab_to(page, "#fan");
    page.press("ArrowRight");
    page.wait_for_text("output[for=fan]", "35 %");
    tab_to(page, "#lamp");
    page.press("Space");
    page.wait_for("!document.querySelector('#lamp').checked");
}

#[test]
fn what_the_page_says_by_itself_is_announced() {
    let (server, browser) = (Server::folder("tests/web/gallery"), Browser::start());
    let mut page = browser.open(&server.url("/"));
    page.click("#tell");
    wait_for_announcement(&mut page, "Saved Ada Lovelace.");
    wait_for_announcement(&mut page, "The printer does not answer.");

    page.fill("#refused", "anything");
    page.press("Enter");
    wait_for_announcement(&mut page, "This field refuses everything.");
    let described = page.eval(
        "document.getElementById(document.querySelector('#refused').getAttribute('aria-describedby')).textContent",
    );
    assert_eq!(described, "This field refuses everything.");
}
