//! Apps of the shapes that people wrote for the predecessor, with the habits of Lua 5.1: they run unmodified.
//!
//! Every test types, clicks and presses keys as its user would, wants a quiet console and a quiet log, and at the
//! end has its recorded session run again in another process, byte for byte.

mod address_book;
mod jobs;
mod small;

use super::cdp::{Browser, Page};
use super::pictures::picture;
use super::server::Server;
use serde_json::json;

/// Serves `tests/sites/NAME` recorded, lets `visit` use it, then looks at what is left: no word of trouble in the
/// log, a recording that replays.
fn visit(name: &str, visit: impl FnOnce(&mut Page)) {
    let (server, browser) = (Server::site(name), Browser::start());
    let mut page = browser.open(&server.url("/"));
    visit(&mut page);
    drop(page);
    let log = server.log();
    let trouble = ["error", "traceback", "warning", "gave up"];
    assert!(
        !trouble
            .iter()
            .any(|word| log.to_ascii_lowercase().contains(word)),
        "the log has trouble:\n{log}"
    );
}

/// Chooses an option as the keyboard does: the select has the focus, the first letters of the option are typed.
fn choose(page: &mut Page, selector: &str, letters: &str) {
    page.eval(&format!(
        "document.querySelector({}).focus()",
        json!(selector)
    ));
    page.type_text(letters);
    page.press("Tab");
}

/// The texts of all elements that match.
fn texts(selector: &str) -> String {
    format!(
        "[...document.querySelectorAll({})].filter(e => e.checkVisibility()).map(e => e.textContent.trim()).join('|')",
        json!(selector)
    )
}

/// Waits until the texts of what matches and can be seen are these.
fn wait_for_texts(page: &mut Page, selector: &str, expected: &[&str]) {
    page.wait_for(&format!(
        "{} === {}",
        texts(selector),
        json!(expected.join("|"))
    ));
}

/// The same for options, which a closed select does not show.
fn wait_for_options(page: &mut Page, selector: &str, expected: &[&str]) {
    page.wait_for(&format!(
        "[...document.querySelectorAll({})].map(e => e.textContent).join('|') === {}",
        json!(selector),
        json!(expected.join("|"))
    ));
}

/// Whether the first element that matches can be seen.
fn wait_for_sight(page: &mut Page, selector: &str, seen: bool) {
    page.wait_for(&format!(
        "(document.querySelector({})?.checkVisibility() ?? false) === {seen}",
        json!(selector)
    ));
}

/// Nothing sticks out sideways, on a phone and on a desk. Pictures are written.
fn look(page: &mut Page, name: &str) {
    for width in [360, 1280] {
        page.size(width, 900);
        let over = page.eval("document.documentElement.scrollWidth - innerWidth");
        assert_eq!(over, 0, "{name} is too wide for {width} pixels");
        page.screenshot(&picture(&format!("{name}-{width}")));
    }
}
