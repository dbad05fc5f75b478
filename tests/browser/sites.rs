//! The small sites of `tests/sites` in the browser: the plain ones, the broken one, and the hostile ones.

use serde_json::Value;

use super::cdp::Browser;
use super::server::Server;
use crate::net::process::Folder;

#[test]
fn the_counter_counts_and_keeps_its_text() {
    let (server, browser) = (Server::site("counter"), Browser::start());
    let mut page = browser.open(&server.url("/"));
    page.wait_for_text("span", "0");
    page.click("button");
    page.click("button");
    page.wait_for_text("span", "2");
    page.fill("input", "typed");
    page.press("Tab");
    page.reload();
    page.wait_for_text("span", "2");
    page.wait_for("document.querySelector('input').value === 'typed'");
}

/// Somebody may have uploaded them: they are shown, and nothing in them runs.
#[test]
fn scripts_in_pictures_and_data_do_not_run() {
    let folder = Folder::new();
    folder.write(
        "lua/main.lua",
        "session:createAppVariable({ type = 'App' })",
    );
    folder.write("viewdefs/App.DEFAULT.html", "<template></template>");
    let ran = "document.documentElement.setAttribute('ran', self.origin)";
    let shape = "<style>rect { fill: rgb(1, 2, 3) }</style><rect width=\"9\" height=\"9\"/>";
    let picture =
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"9\" height=\"9\" onload=\"BODY\">";
    let picture = picture.replace("BODY", ran);
    folder.write(
        "html/a.svg",
        format!("{picture}{shape}<script>{ran}</script></svg>"),
    );
    let script = format!("<s:script xmlns:s=\"http://www.w3.org/1999/xhtml\">{ran}</s:script>");
    folder.write("html/a.xml", format!("<rows><row/>{script}</rows>"));
    let page =
        "<!doctype html><link rel=icon href=data:,><img src=a.svg><iframe src=a.svg></iframe>";
    folder.write("html/a.html", format!("{page}<script>{ran}</script>"));
    let (server, browser) = (Server::with_flags(&folder.0, &[]), Browser::start());
    let has_run = "document.documentElement.getAttribute('ran')";
    let mut page = browser.open(&server.url("/a.svg"));
    page.wait_for("getComputedStyle(document.querySelector('rect')).fill === 'rgb(1, 2, 3)'");
    assert_eq!(page.eval(has_run), Value::Null);
    assert_eq!(page.eval("self.origin"), "null");
    // What was refused stands on the console.
    page.close();
    let mut page = browser.open(&server.url("/a.xml"));
    page.wait_for("document.querySelector('row')");
    assert_eq!(page.eval(has_run), Value::Null);
    page.close();
    let mut page = browser.open(&server.url("/a.html"));
    page.wait_for("document.querySelector('img').naturalWidth === 9");
    page.wait_for(&format!("{has_run} === self.origin"));
    page.close();
}

#[test]
fn a_list_grows_at_its_end_and_changes_in_its_middle() {
    let (server, browser) = (Server::site("list"), Browser::start());
    let mut page = browser.open(&server.url("/"));
    page.wait_for("document.querySelectorAll('button').length === 3");
    page.fill("input", "5");
    page.click("button:nth-of-type(1)");
    let rows = "[...document.querySelectorAll('div:has(> span + span)')].map(row => row.textContent).join()";
    page.wait_for(&format!(
        "{rows} === 'row 1 0,row 2 0,row 3 0,row 4 0,row 5 0'"
    ));
    page.eval("document.querySelectorAll('div:has(> span + span)').forEach((row, i) => { row.seenBefore = i })");
    page.click("button:nth-of-type(2)");
    page.wait_for(&format!(
        "{rows} === 'row 1 0,row 2 0,row 3 1,row 4 0,row 5 0'"
    ));
    page.click("button:nth-of-type(3)");
    page.wait_for(&format!(
        "{rows} === 'row 1 0,row 2 0,row 3 1,row 4 0,row 5 0,row 6 0'"
    ));
    let kept = "[...document.querySelectorAll('div:has(> span + span)')].map(row => row.seenBefore ?? '-').join()";
    assert_eq!(page.eval(kept), "0,1,2,3,4,-");
}

#[test]
fn templates_may_use_every_form_of_path() {
    let (server, browser) = (Server::site("paths"), Browser::start());
    let mut page = browser.open(&server.url("/"));
    page.wait_for_text("#above", "Shop");
    page.wait_for_text("#user", "Ann");
    page.wait_for_text("#has", "inner has it? of Shop");
    page.wait_for("document.querySelector('input').checked");
    page.click("input");
    page.wait_for_text("#state", "done");
    page.click("input");
    page.wait_for_text("#state", "open");
    page.click("#pick");
    page.wait_for_text("#picked", "a, (b)?|v?|3");
    page.click("#rename");
    page.wait_for_text("h1", "New (title)?");
    page.wait_for_text("#has", "inner has it? of New (title)?");
}

#[test]
fn ticks_arrive_without_being_asked_for() {
    let (server, browser) = (Server::site("ticks"), Browser::start());
    let mut page = browser.open(&server.url("/"));
    page.wait_for("Number(document.querySelector('span')?.textContent) >= 3");
}

#[test]
fn a_site_that_fails_at_start_says_so() {
    for name in ["broken", "hostile_startup"] {
        let (server, browser) = (Server::site(name), Browser::start());
        let mut page = browser.blank();
        page.server_may_be_away(); // the socket is closed and the page answered with an error
        page.goto(&server.url("/"));
        page.wait_for("/main\\.lua|could not start|failed|error/i.test(document.body.innerText)");
        assert!(
            server.log().contains("main.lua"),
            "the log names the file:\n{}",
            server.log()
        );
    }
}

#[test]
fn a_hostile_action_ends_alone() {
    for name in [
        "hostile_loop",
        "hostile_memory",
        "hostile_pcall",
        "hostile_error",
    ] {
        let (server, browser) = (Server::site(name), Browser::start());
        let mut attacker = browser.open(&server.url("/"));
        let mut neighbour = browser.open(&server.url("/"));
        attacker.wait_for_text("#count", "0");
        neighbour.wait_for_text("#count", "0");

        attacker.click("#attack");
        attacker.wait_for("document.querySelector('#attack.ui-error, .ui-error #attack')");
        neighbour.click("#increment");
        neighbour.wait_for_text("#count", "1");

        // The attacker's own session goes on as well, with what the action had done before it ended.
        let expected = if name == "hostile_error" { "101" } else { "1" };
        attacker.click("#increment");
        attacker.wait_for_text("#count", expected);
    }
}
