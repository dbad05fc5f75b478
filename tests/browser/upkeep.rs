//! The demo's weight, looks and accessibility, and what a visitor sees when the server goes away.

use std::path::PathBuf;

use super::cdp::{Browser, Page};
use super::open_demo;
use super::server::Server;

/// What a first visit may cost: every byte of every HTTP answer, heads included.
const FIRST_LOAD_BYTES_MAX: u64 = 35 * 1024;
/// Beside the redirect to the session and the WebSocket.
const FIRST_LOAD_REQUESTS_MAX: usize = 4;

const WIDTHS: [u32; 2] = [360, 1440];

#[test]
fn the_first_load_is_small() {
    if std::env::var_os("LUNETTE_TEST_DEV").is_some() {
        return; // there every module is a request
    }
    let (server, browser) = (Server::demo(), Browser::start());
    let mut page = open_demo(&server, &browser);
    let requests = page.requests();
    let listing: Vec<String> = requests
        .iter()
        .map(|r| format!("{} {} B {}", r.status, r.bytes, r.url))
        .collect();
    let bytes: u64 = requests.iter().map(|r| r.bytes).sum();
    let (frames, socket_bytes) = page.socket_traffic();
    println!(
        "{}\ntogether {bytes} B; {frames} WebSocket frames of {socket_bytes} B",
        listing.join("\n")
    );

    assert_eq!(
        requests.iter().filter(|r| r.redirect).count(),
        1,
        "one redirect, to the session"
    );
    let answers = requests.iter().filter(|r| !r.redirect).count();
    assert!(
        answers <= FIRST_LOAD_REQUESTS_MAX,
        "{answers} requests:\n{}",
        listing.join("\n")
    );
    assert!(
        bytes <= FIRST_LOAD_BYTES_MAX,
        "{bytes} bytes:\n{}",
        listing.join("\n")
    );
}

#[test]
fn a_restarted_server_is_waited_for_and_the_page_comes_back_in_a_new_session() {
    let (mut server, browser) = (Server::demo(), Browser::start());
    let mut page = open_demo(&server, &browser);
    page.server_may_be_away();
    let old = page.eval("location.pathname");

    server.kill();
    page.wait_for("/reconnecting/i.test(document.body.innerText)");
    assert_eq!(
        page.text(".contacts-head output"),
        "240 contacts",
        "what was there can still be read"
    );

    server.restart();
    page.wait_for(&format!(
        "location.pathname !== {old} && document.querySelector('.ui-toast-warning')"
    ));
    page.wait_for("document.querySelectorAll('.contact-row').length === 25");
    page.wait_for("!document.querySelector('.ui-reconnecting')");
}

/// Brings the page to each thing the demo can show, by name.
const SCENES: [(&str, &[&str]); 7] = [
    ("contacts", &[]),
    ("card", &[".contact-row:nth-child(4) button"]),
    ("form", &["#add-contact", "#save-contact"]),
    (
        "delete",
        &[".contact-row:nth-child(4) button", "#delete-contact"],
    ),
    (
        "notice",
        &[
            ".contact-row:nth-child(4) button",
            "#delete-contact",
            "#confirm-delete",
        ],
    ),
    ("live", &["nav li:nth-child(2) button", "#increment"]),
    ("about", &["nav li:nth-child(3) button"]),
];

/// What tells that a scene is there.
fn scene_is_there(name: &str) -> &'static str {
    match name {
        "contacts" => "document.querySelectorAll('.contact-row').length === 25",
        "card" => "document.querySelector('#edit-contact')",
        "form" => "document.querySelector('#problem-name')?.textContent",
        "delete" => "document.querySelector('#confirm-delete')",
        "notice" => "document.querySelector('#undo')",
        "live" => {
            "document.querySelector('#count')?.textContent === '1' && document.querySelector('#chart').data"
        }
        "about" => "document.querySelector('#about-title')",
        other => panic!("no scene {other}"),
    }
}

/// Opens the demo, brings it to a scene, and calls `look`.
fn at_each_scene(
    browser: &Browser,
    server: &Server,
    width: u32,
    look: &mut dyn FnMut(&str, &mut Page),
) {
    for (name, clicks) in SCENES {
        let mut page = browser.blank();
        page.size(width, if width < 500 { 780 } else { 900 });
        page.goto(&server.url("/"));
        page.wait_for("document.querySelectorAll('.contact-row').length === 25");
        for selector in clicks {
            page.click(selector);
        }
        page.wait_for(scene_is_there(name));
        look(name, &mut page);
    }
}

#[test]
fn every_control_has_a_name_and_every_text_can_be_read() {
    let (server, browser) = (Server::demo(), Browser::start());
    let mut findings = Vec::new();
    for width in WIDTHS {
        at_each_scene(&browser, &server, width, &mut |scene, page| {
            for node in page.accessibility() {
                let role = node["role"]["value"].as_str().unwrap_or("");
                let named = node["name"]["value"]
                    .as_str()
                    .is_some_and(|name| !name.trim().is_empty());
                let control = [
                    "button",
                    "link",
                    "textbox",
                    "searchbox",
                    "checkbox",
                    "combobox",
                    "slider",
                    "spinbutton",
                ];
                if control.contains(&role) && node["ignored"] != true && !named {
                    findings.push(format!("{scene} at {width}: a {role} without a name"));
                }
            }
            for dark in [false, true] {
                page.dark(dark);
                let faint = page.eval(include_str!("contrast.js"));
                let theme = if dark { "dark" } else { "light" };
                for line in faint.as_array().expect("a list") {
                    findings.push(format!("{scene} at {width}, {theme}: {line}"));
                }
            }
            let overflow = page
                .eval("document.documentElement.scrollWidth - innerWidth")
                .as_i64()
                .unwrap_or(0);
            if overflow > 0 {
                findings.push(format!(
                    "{scene} at {width}: {overflow} px wider than the window"
                ));
            }
        });
    }
    assert!(findings.is_empty(), "{}", findings.join("\n"));
}

/// With `LUNETTE_SCREENSHOTS` set: pictures of every scene, to be looked at.
#[test]
fn screenshots_on_request() {
    if std::env::var_os("LUNETTE_SCREENSHOTS").is_none() {
        println!("set LUNETTE_SCREENSHOTS=1 to write target/screenshots/");
        return;
    }
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).with_file_name("screenshots");
    let (server, browser) = (Server::demo(), Browser::start());
    for width in WIDTHS {
        at_each_scene(&browser, &server, width, &mut |scene, page| {
            for theme in ["light", "dark"] {
                page.dark(theme == "dark");
                page.screenshot(&directory.join(format!("{scene}-{width}-{theme}.png")));
            }
        });
    }
    println!("pictures are in {}", directory.display());
}
