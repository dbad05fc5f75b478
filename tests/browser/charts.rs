//! `<ui-chart>` and `<ui-gauge>`: what they draw, what they say, and what a new point costs.

use super::cdp::{Browser, Page};
use super::server::Server;

fn open_gallery(server: &Server, browser: &Browser) -> Page {
    let mut page = browser.open(&server.url("/"));
    page.wait_for("document.querySelectorAll('#line .ui-line').length === 1");
    page.wait_for("document.querySelector('#gauge-high')?.getAttribute('aria-valuetext')");
    page
}

/// What the page says of the one that has this id: role, name, value.
fn described(page: &mut Page, selector: &str) -> (String, String) {
    let name = page.eval(&format!(
        "document.querySelector('{selector}').getAttribute('aria-label')"
    ));
    let name = name.as_str().expect("a name").to_owned();
    let nodes = page.accessibility();
    let node = nodes
        .iter()
        .find(|node| node["name"]["value"] == *name && node["ignored"] != true)
        .unwrap_or_else(|| panic!("{name:?} is not in the accessibility tree"));
    (
        node["role"]["value"].as_str().unwrap_or("").to_owned(),
        name,
    )
}

#[test]
fn a_point_costs_what_a_point_costs() {
    let (server, browser) = (Server::folder("tests/web/gallery"), Browser::start());
    let mut page = open_gallery(&server, &browser);
    page.click("#fill");
    page.wait_for("document.querySelector('#line').data.length === 1000");
    page.wait_for(
        "document.querySelector('#line .ui-line').getAttribute('d').split('L').length === 1000",
    );
    page.eval("document.querySelectorAll('#line svg, #line svg *').forEach((node, i) => { node.seenBefore = i })");
    let before = page.eval("document.querySelector('#line .ui-line').getAttribute('d')");

    let (frames, bytes) = page.socket_traffic();
    page.click("#append");
    page.wait_for("document.querySelector('#line').data.length === 1001");
    page.wait_for(
        "document.querySelector('#line .ui-line').getAttribute('d').split('L').length === 1001",
    );
    let (frames_after, bytes_after) = page.socket_traffic();
    println!("one point more of 1,000: {} bytes", bytes_after - bytes);
    assert_eq!(frames_after - frames, 1);
    assert!(
        bytes_after - bytes < 100,
        "{} bytes for one point",
        bytes_after - bytes
    );

    assert_ne!(
        page.eval("document.querySelector('#line .ui-line').getAttribute('d')"),
        before
    );
    assert_eq!(
        page.eval("[...document.querySelectorAll('#line svg, #line svg *')].every((node, i) => node.seenBefore === i)"),
        true,
        "no node was made anew"
    );
}

#[test]
fn charts_and_gauges_say_what_they_show() {
    let (server, browser) = (Server::folder("tests/web/gallery"), Browser::start());
    let mut page = open_gallery(&server, &browser);
    page.wait_for("document.querySelectorAll('#bars rect').length === 6");
    page.wait_for(
        "document.querySelector('#bars').getAttribute('aria-label').includes('6 values')",
    );
    let (role, name) = described(&mut page, "#bars");
    assert_eq!(role, "image");
    assert_eq!(name, "Sales: 6 values from 28 to 63, last 49");
    page.wait_for("/In: 60 values .*; Out: 60 values/.test(document.querySelector('#two').getAttribute('aria-label'))");

    let (role, name) = described(&mut page, "#gauge-high");
    assert_eq!((role.as_str(), name.as_str()), ("meter", "Disk"));
    let attribute = |page: &mut Page, selector: &str, name: &str| {
        page.eval(&format!(
            "document.querySelector('{selector}').getAttribute('{name}')"
        ))
    };
    assert_eq!(attribute(&mut page, "#gauge-low", "aria-valuetext"), "12 %");
    assert_eq!(
        attribute(&mut page, "#gauge-low", "data-level"),
        serde_json::Value::Null
    );
    assert_eq!(
        attribute(&mut page, "#gauge-middle", "aria-valuetext"),
        "76 %, warning"
    );
    assert_eq!(
        attribute(&mut page, "#gauge-high", "aria-valuetext"),
        "94 %, critical"
    );
    assert_eq!(attribute(&mut page, "#gauge-high", "aria-valuenow"), "94");
    assert_eq!(attribute(&mut page, "#gauge-high", "data-level"), "bad");

    // Where less is worse.
    page.eval("document.querySelector('#battery').value = 3.2");
    assert_eq!(attribute(&mut page, "#battery", "data-level"), "bad");
    page.eval("document.querySelector('#battery').value = null");
    assert_eq!(
        attribute(&mut page, "#battery", "aria-valuetext"),
        "no value"
    );
    assert_eq!(page.text("#battery text"), "–");
}

#[test]
fn bars_grow_and_go_without_being_drawn_anew() {
    let (server, browser) = (Server::folder("tests/web/gallery"), Browser::start());
    let mut page = open_gallery(&server, &browser);
    page.wait_for("document.querySelectorAll('#bars rect').length === 6");
    page.eval("document.querySelectorAll('#bars rect').forEach(bar => { bar.seenBefore = true })");
    page.eval("document.querySelector('#bars').data = [1, null, 3, 4, 5, 6, 7]");
    page.wait_for("document.querySelectorAll('#bars rect').length === 7");
    assert_eq!(
        page.eval(
            "[...document.querySelectorAll('#bars rect')].filter(bar => bar.seenBefore).length"
        ),
        6
    );
    page.eval("document.querySelector('#bars').data = [5]");
    page.wait_for("document.querySelectorAll('#bars rect').length === 1");

    // The numbers under the pointer.
    page.click("#line");
    page.wait_for("/°C$/.test(document.querySelector('#line .ui-tip text').textContent)");
}
