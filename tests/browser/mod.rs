//! A real Chromium against the real binary.
//!
//! - [`chromium`]: the process, one for all tests. [`cdp`]: drives it through its DevTools protocol: no Node, no driver
//!   program.
//! - [`hands`], [`keys`]: what a visitor's hands do on a page; [`files`]: what they give it and get from it.
//! - [`server`]: the built `lunette` as a child process.
//! - [`demo`]: what a visitor does with the built-in demo site.
//! - [`directives`]: each `ui-*` attribute on each kind of element.
//! - [`pictures`]: themes, and what is left to be looked at.
//! - [`behind`]: nginx and HAProxy between the two.
//! - [`beginning`]: what `lunette new` makes.
//! - [`panel`]: the example that shows the state of the machine.
//! - [`typing`]: nothing typed is lost, whatever the network, the server and the templates do meanwhile.
//! - [`links`]: pages that lose their connection, their login, their session or their server.
//! - [`recovery`]: the server is killed under a page.
//! - [`tabs`]: several tabs on one session.
//! - [`proxy`]: stands between the two, and delays and cuts.
//! - [`lists`]: long lists, whole and behind a window.
//! - [`keyboard`]: the demo without a mouse, and what a screen reader is told.
//! - [`charts`]: `<ui-chart>` and `<ui-gauge>`.
//! - [`looks`]: the demo and a gallery of all components, for everybody, at every size; pictures of them.
//! - [`uploads`]: files chosen and dropped, cut off on their way, and saved from links.
//! - [`upkeep`]: the demo's weight, and what happens when the server goes away.
//! - [`reference`]: the examples of the README and of lua/TEMPLATES.md.
//! - [`recordings`]: the Record button of `--dev`, and `lunette test` of what it wrote.
//! - [`reload`]: files of a site are edited while its page is used.
//! - [`mistakes`]: what those who write a site are told of theirs.
//! - [`apps`]: sites as people wrote them for the predecessor, run as they are and used as people use them.
//! - [`inspect`]: recordings, looked at turn by turn.
//! - [`variables`]: the variable browser of `--dev`, beside the page of the app.
//! - [`journals`]: the same of what a server keeps of its sessions; what of it nobody may see.
//! - [`sites`]: the small sites of `tests/sites`, the hostile ones among them.
//!
//! Waiting is always for a condition, asked again a bounded number of times; nothing here asserts how long
//! something took. A page that logs an error or throws fails its test.

mod apps;
mod beginning;
mod behind;
pub mod cdp;
mod charts;
mod chromium;
mod demo;
mod directives;
mod files;
mod hands;
mod inspect;
mod journals;
mod keyboard;
mod keys;
mod links;
mod lists;
mod login;
mod looks;
mod messages;
mod mistakes;
mod panel;
mod pictures;
mod proxy;
mod recordings;
mod recovery;
mod reference;
mod reload;
pub mod server;
mod sites;
mod tabs;
mod typing;
mod upkeep;
mod uploads;
mod variables;

use cdp::{Browser, Page};
use server::Server;

/// The demo site in a fresh session, with its first rows on screen.
fn open_demo(server: &Server, browser: &Browser) -> Page {
    let mut page = browser.open(&server.url("/"));
    page.wait_for("document.querySelectorAll('.contact-row').length === 25");
    // On a busy machine rows are shown a moment before what is in them.
    page.wait_for(
        "[...document.querySelectorAll('.contact-row button')].every(name => name.textContent)",
    );
    page
}
