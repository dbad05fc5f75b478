//! `ui-link` and the browser's history: where links lead, what is announced, where the focus and the page go.

use super::super::cdp::{Browser, Page};
use super::open;

/// Waits for a heading to have the focus and for what is announced.
fn arrived(page: &mut Page, heading: &str, announced: &str) {
    page.wait_for_text("h1", heading);
    page.wait_for("document.activeElement === document.querySelector('h1')");
    said(page, announced);
}

/// Waits for what a screen reader is told.
fn said(page: &mut Page, text: &str) {
    page.wait_for(&format!(
        "[...document.querySelectorAll('[role=status]')].some((region) => region.textContent === '{text}')"
    ));
}

#[test]
fn a_link_leads_on_in_its_session_and_to_a_new_one_elsewhere() {
    let browser = Browser::start();
    let (_server, mut page) = open("links", &browser, "#note");
    let session = page.eval("location.pathname");
    let session = session.as_str().expect("an address").to_owned();
    // Nothing is announced, and no focus moved, when a page loads.
    assert_eq!(page.eval("document.activeElement.localName"), "body");
    let href = |page: &mut Page, id: &str| {
        page.eval(&format!(
            "document.querySelector('#{id}').getAttribute('href')"
        ))
    };
    assert_eq!(href(&mut page, "list"), "/list?from=nav");
    page.wait_for("document.querySelector('#deep').getAttribute('href') === '/far/away?x=1#part'");
    page.wait_for("document.querySelector('#outside').getAttribute('href') === '/https://elsewhere.example/x'");
    page.wait_for("!document.querySelector('#none').hasAttribute('href')");

    page.eval("window.stayed = true");
    page.click("#list");
    arrived(&mut page, "All rows", "All rows");
    page.wait_for_text("#url", "/list?from=nav");
    assert_eq!(
        page.eval("location.pathname + location.search + history.state.lunette + window.stayed"),
        format!("{session}/list?from=nav1true")
    );
    // Any element can be a link, by keyboard, too.
    assert_eq!(page.eval("document.querySelector('#span').role"), "link");
    page.eval("document.querySelector('#span').focus()");
    page.press("Enter");
    arrived(&mut page, "About us", "/far/away?x=1#part");
    assert_eq!(page.eval("document.title"), "/far/away?x=1#part");
    page.click("#home");
    arrived(&mut page, "Welcome", "Welcome");
    assert_eq!(page.eval("location.pathname"), session);

    // In a new tab it begins a session of its own.
    for open in ["#list", "#span"] {
        page.middle_click(open);
    }
    let is_other = |address: &String| {
        let path = address.split('/').skip(3).collect::<Vec<_>>();
        path.len() == 2 && path[0].len() == 32 && path[0] != &session[1..]
    };
    let mut found = Vec::new();
    for _ in 0..600 {
        found = browser.addresses().into_iter().filter(is_other).collect();
        if found.len() == 2 {
            break;
        }
        page.wait_for("true");
    }
    assert!(
        found
            .iter()
            .any(|address| address.ends_with("/list?from=nav")),
        "{found:?}"
    );
    assert!(
        found.iter().any(|address| address.ends_with("/about")),
        "{found:?}"
    );
    assert_eq!(page.eval("location.pathname"), session, "this one stays");
}

#[test]
fn back_and_forward_show_what_was_there_where_it_was() {
    let browser = Browser::start();
    let (server, mut page) = open("links", &browser, "#note");
    page.click("#list");
    arrived(&mut page, "All rows", "All rows");
    assert_eq!(page.eval("window.scrollY"), 0);
    page.eval("window.scrollTo(0, 1500)");
    page.wait_for("window.scrollY === 1500");
    page.eval("document.querySelector('#about').click()");
    arrived(&mut page, "About us", "/far/away?x=1#part");
    page.wait_for("window.scrollY === 0");
    page.eval("window.scrollTo(0, 700)");
    page.wait_for("window.scrollY === 700");
    page.eval("history.back()");
    page.wait_for_text("h1", "All rows");
    page.wait_for("window.scrollY === 1500");
    page.eval("history.forward()");
    page.wait_for_text("h1", "About us");
    page.wait_for("window.scrollY === 700");
    page.reload();
    page.wait_for_text("h1", "About us");
    page.wait_for("window.scrollY === 700");
    page.eval("history.go(-2)");
    arrived(&mut page, "Welcome", "Welcome");

    // A second tab goes its own way.
    let address = page.eval("location.href");
    let mut second = browser.open(address.as_str().expect("an address"));
    second.wait_for_text("h1", "Welcome");
    second.click("#same");
    second.wait_for_text("#url", "/same");
    page.wait_for_text("#url", "/same");
    assert_eq!(page.eval("location.href"), address);
    second.eval("uiApp.navigateTo('/about')");
    second.wait_for("location.pathname.endsWith('/about') && history.state.lunette === 2");
    assert_eq!(page.eval("location.href"), address);

    // An address without a session begins one there.
    let mut fresh = browser.open(&server.url("/list"));
    fresh.wait_for_text("h1", "All rows");
    assert_eq!(fresh.eval("document.activeElement.localName"), "body");
}

#[test]
fn whoever_types_is_left_where_they_are() {
    let browser = Browser::start();
    let (_server, mut page) = open("links", &browser, "#note");
    page.click("#search");
    page.type_text("wor");
    page.eval("uiApp.navigateTo('/list')");
    page.wait_for_text("h1", "All rows");
    said(&mut page, "All rows");
    assert_eq!(page.eval("document.activeElement.id"), "search");
    page.type_text("ds");
    assert_eq!(page.value("#search"), "words");
    // What the app itself does is no different.
    page.click("#home");
    arrived(&mut page, "Welcome", "Welcome");
    page.click("#go");
    arrived(&mut page, "All rows", "All rows");
    // Later changes of what is shown move nothing.
    page.click("#search");
    page.eval("document.activeElement.blur()");
    page.click("#same");
    page.wait_for_text("#url", "/same");
    assert_eq!(page.text("h1"), "All rows");
}
