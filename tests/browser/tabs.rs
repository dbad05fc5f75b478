//! Several tabs on one session: all see the same objects, each has its own place, and none disturbs another.

use super::cdp::Browser;
use super::server::Server;

#[test]
fn tabs_share_a_session_and_are_closed_reloaded_and_duplicated_without_harm() {
    let (server, browser) = (Server::site("typing"), Browser::start());
    let mut first = browser.open(&server.url("/"));
    first.wait_for("document.querySelector('#clicks')?.textContent === '0'");
    let path = first.eval("location.pathname");
    let path = path.as_str().expect("a path").to_owned();
    let mut second = browser.open(&server.url(&path));
    second.wait_for("document.querySelector('#clicks')?.textContent === '0'");
    first.click("#click");
    second.wait_for_text("#clicks", "1");
    second.fill("#live", "from the second");
    first.wait_for("document.querySelector('#live').value === 'from the second'");
    // One is reloaded, and one more is opened from what the first has: a duplicate.
    second.reload();
    second.wait_for_text("#clicks", "1");
    let mut third = first.duplicate(&browser);
    third.wait_for_text("#clicks", "1");
    assert_eq!(third.eval("location.pathname"), path);
    third.click("#click");
    for page in [&mut first, &mut second] {
        page.wait_for_text("#clicks", "2");
    }
    let views = [&mut first, &mut second, &mut third]
        .map(|page| page.eval("uiApp.getConnection().link.view"));
    assert!(
        views[0] != views[1] && views[1] != views[2] && views[0] != views[2],
        "{views:?}"
    );
    // One is closed; the others go on.
    third.close();
    first.click("#click");
    second.wait_for_text("#clicks", "3");
    second.click("#click");
    first.wait_for_text("#clicks", "4");
}

#[test]
fn each_tab_has_its_own_address_and_history() {
    let (server, browser) = (Server::site("messages"), Browser::start());
    let mut first = browser.open(&server.url("/"));
    first.wait_for_text("#page", "/");
    let session = first.eval("location.pathname");
    let session = session.as_str().expect("a path").to_owned();
    // A deep link into the session that is there.
    let mut second = browser.open(&server.url(&format!("{session}/help?topic=rooms")));
    second.wait_for_text("#page", "/help?topic=rooms");
    first.wait_for("location.pathname.length === 33");
    second.click("#about");
    second.wait_for("location.pathname.endsWith('/about')");
    assert_eq!(
        first.eval("location.pathname"),
        session,
        "one tab's way moved the other"
    );
    first.click("#help");
    first.wait_for("location.search === '?topic=rooms'");
    assert_eq!(second.eval("location.pathname"), format!("{session}/about"));
    second.eval("history.back()");
    second.wait_for("location.pathname.endsWith('/help')");
    first.eval("history.back()");
    first.wait_for(&format!("location.pathname === '{session}'"));
    first.eval("history.forward()");
    first.wait_for("location.search === '?topic=rooms'");
}

#[test]
fn a_tab_that_nobody_sees_rests_and_is_up_to_date_when_it_is_seen() {
    let (server, browser) = (Server::site("typing"), Browser::start());
    let mut page = browser.open(&server.url("/"));
    page.wait_for("document.querySelector('#clicks')?.textContent === '0'");
    let path = page.eval("location.pathname");
    let mut other = browser.open(&server.url(path.as_str().expect("a path")));
    other.wait_for("document.querySelector('#clicks')?.textContent === '0'");
    page.hide(true);
    page.eval(
        "{ window.told = 0; window.frames_ = 0; const { link } = uiApp.getConnection(); const { frame } = link.hooks; \
           link.hooks.frame = (...args) => { window.frames_++; frame(...args) }; \
           new MutationObserver(() => window.told++).observe(document.body, \
             { childList: true, subtree: true, characterData: true, attributes: true }) }",
    );
    other.click("#calm");
    // Twenty of the server's frames a second come in; the page is touched about once.
    page.wait_for("window.frames_ > 60");
    other.click("#stop");
    other.fill("#live", "the latest");
    let told = page.eval("window.told").as_u64().expect("a number");
    assert!(
        told < 20,
        "a page that nobody sees was touched {told} times"
    );
    page.hide(false);
    page.wait_for("document.querySelector('#live').value === 'the latest'");
}
