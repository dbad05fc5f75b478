//! The variable browser: what the demo's variables show, live, in a tab beside the demo; turns, errors, secrets;
//! ten thousand rows; and that sessions that were looked at replay as if they had not been.

use std::path::Path;

use super::cdp::{Browser, Page, text};
use super::looks::{axe, in_both_themes};
use super::open_demo;
use super::server::Server;

const DESK: (u32, u32) = (1440, 900);

/// The demo, for those who develop it.
fn demo() -> Server {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("lua/demo");
    Server::with_flags(&dir, &["--dev"])
}

/// The variable browser of the session that `app` shows, in a tab of this size.
fn look(browser: &Browser, app: &mut Page, (width, height): (u32, u32)) -> Page {
    let place = app.eval("location.origin + '/' + location.pathname.split('/')[1]");
    let mut page = browser.blank();
    page.size(width, height);
    page.dark(false);
    page.goto(&format!("{}/variables", text(&place)));
    page.wait_for("document.querySelector('.line')");
    page
}

/// The texts of the cells of the row with this path, once there is one like it.
fn wait_for_row(page: &mut Page, path: &str, cell: &str, value: &str) {
    page.wait_for(&format!("{}?.querySelector('.of-{cell}').textContent === {value:?}", row(path)));
}

/// The row whose path or name this is.
fn row(path: &str) -> String {
    format!("[...document.querySelectorAll('.line')].find(line => line.querySelector('.of-path').textContent === {path:?})")
}

#[test]
fn the_tree_shows_what_the_demo_shows() {
    let (server, browser) = (demo(), Browser::start());
    let mut app = open_demo(&server, &browser);
    let mut page = look(&browser, &mut app, DESK);
    page.wait_for("document.querySelector('#facts').textContent.includes('variables')");
    page.screenshot(&super::pictures::picture("vars-first"));
    app.click(".contact-row:nth-child(4) button");
    app.wait_for("document.querySelector('#edit-contact')");
    page.fill("#filter", "company");
    page.eval("new Promise(done => setTimeout(done, 1500))");
    page.click(".line:nth-child(3)");
    page.eval("new Promise(done => setTimeout(done, 1500))");
    page.screenshot(&super::pictures::picture("vars-second"));
    app.screenshot(&super::pictures::picture("vars-app"));
    println!("{:?}", page.errors());
}
