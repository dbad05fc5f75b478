//! The server is killed under a page that is used: it goes on by itself where it was.

use serde_json::json;

use super::cdp::{Browser, Page};
use super::server::Server;

const MIRROR: &str = "document.querySelector('#mirror')?.textContent";

fn open(browser: &Browser, server: &Server) -> Page {
    let mut page = browser.open(&server.url("/"));
    page.server_may_be_away();
    page.wait_for(&format!("{MIRROR} === '|||'"));
    page
}

/// Text, caret, focus, scroll and what was clicked, over three crashes; no word of a new session.
#[test]
fn a_page_goes_on_by_itself_when_the_server_was_killed() {
    let (mut server, browser) = (Server::keeping("typing"), Browser::start());
    let mut page = open(&browser, &server);
    let address = page.eval("location.href");
    page.eval("window.before = document.body.style.minHeight = '5000px'");
    page.eval("window.scrollTo(0, 120)");
    page.click("#click");
    page.wait_for_text("#clicks", "1");
    page.fill("#plain", "half a sen");
    let mut typed = "half a sen".to_owned();
    for (n, more) in ["tence", " and", " another"].iter().enumerate() {
        page.wait_for("document.activeElement === document.querySelector('#plain')");
        server.kill();
        page.type_text(more);
        typed += more;
        server.restart();
        page.wait_for(
            "uiApp.getConnection().link.open && !document.querySelector('.ui-reconnecting')",
        );
        assert_eq!(page.value("#plain"), typed);
        assert_eq!(
            page.eval("window.before"),
            "5000px",
            "the page was not reloaded"
        );
        assert_eq!(page.eval("uiApp.getConnection().link.view"), 1, "crash {n}");
        assert_eq!(page.eval("location.href"), address);
        assert_eq!(page.eval("document.activeElement.id"), "plain");
        assert!(page.eval("window.scrollY").as_f64() >= Some(1.0));
        assert_eq!(
            page.eval("document.querySelectorAll('.ui-toast').length"),
            0
        );
    }
    page.press("Tab");
    page.wait_for(&format!("{MIRROR} === {}", json!(format!("{typed}|||"))));
    page.click("#click");
    page.wait_for_text("#clicks", "2");
    // It is the server that knows: a page of its own sees it.
    let mut other = browser.open(address.as_str().expect("an address"));
    other.wait_for(&format!("{MIRROR} === {}", json!(format!("{typed}|||"))));
    other.wait_for_text("#clicks", "2");
}

/// A reload after the crash finds the session, too.
#[test]
fn a_page_that_is_opened_after_a_crash_finds_its_session() {
    let (mut server, browser) = (Server::keeping("typing"), Browser::start());
    let mut page = open(&browser, &server);
    page.fill("#area", "kept");
    page.press("Tab");
    page.wait_for(&format!("{MIRROR} === '|||kept'"));
    let address = page.eval("location.href");
    page.close();
    server.restart();
    let mut page = browser.open(address.as_str().expect("an address"));
    page.wait_for(&format!("{MIRROR} === '|||kept'"));
    assert_eq!(page.eval("location.href"), address);
}
