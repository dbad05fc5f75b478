//! How pages look, and what those who do not see them get: the demo in each of its states and the gallery of
//! `tests/web/gallery`, at three widths, light and dark. Pictures of all of it are left in `target/screenshots/`.

use std::fs;
use std::path::PathBuf;

use super::cdp::{Browser, Page};
use super::pictures::picture;
use super::server::Server;

/// A phone, a tablet, a desk.
const WIDTHS: [u32; 3] = [360, 768, 1440];

/// Brings the page to each thing the demo can show, by name.
const SCENES: [(&str, &[&str]); 8] = [
    ("contacts", &[]),
    ("nobody", &["#search"]),
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
        // Rows are shown a moment before what is in them.
        "contacts" => {
            "(names => names.length === 25 && names.every(name => name.textContent))([...document.querySelectorAll('.contact-row button')])"
        }
        "nobody" => "document.querySelector('.nothing-found h2')?.textContent",
        "card" => "document.querySelector('#edit-contact')",
        "form" => "document.querySelector('#problem-name')?.textContent",
        "delete" => "document.querySelector('#removal')?.open",
        "notice" => "document.querySelector('#undo')",
        "live" => {
            "document.querySelector('#count')?.textContent === '1' && document.querySelectorAll('ui-chart .ui-grid').length > 6"
        }
        "about" => "document.querySelector('#about-title')",
        other => panic!("no scene {other}"),
    }
}

/// The accessibility checker, to be run in a page.
pub fn axe() -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("target/npm/node_modules/axe-core/axe.min.js");
    fs::read_to_string(&path).unwrap_or_else(|error| {
        panic!(
            "{}: {error}. tests/run installs it; or: mkdir -p target/npm, cp tests/npm/package*.json target/npm, \
             npm ci --prefix target/npm --ignore-scripts",
            path.display()
        )
    })
}

/// What axe finds serious or critical, a line each.
const AXE_FINDINGS: &str = "axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) => violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .flatMap(({ id, help, nodes }) => nodes.map(({ target, failureSummary }) => `${id}: ${help}: ${target} (${failureSummary})`)))";

/// Everything that is wrong with the page as it is now, in one theme or the other.
fn examine(page: &mut Page, axe: &str, name: &str, findings: &mut Vec<String>) {
    for control in page.unnamed_controls() {
        findings.push(format!("{name}: a {control} without a name"));
    }
    for script in [include_str!("contrast.js"), include_str!("layout.js")] {
        let lines = page.eval(script);
        for line in lines.as_array().expect("a list") {
            findings.push(format!("{name}: {line}"));
        }
    }
    if page.eval("typeof axe") == "undefined" {
        page.eval(axe);
    }
    let lines = page.eval(AXE_FINDINGS);
    for line in lines.as_array().expect("a list") {
        findings.push(format!("{name}: {line}"));
    }
}

/// Looks at the page in both themes, and takes pictures.
pub fn in_both_themes(page: &mut Page, axe: &str, name: &str, findings: &mut Vec<String>) {
    for theme in ["light", "dark"] {
        page.dark(theme == "dark");
        page.wait_for("document.getAnimations().every(a => a.playState === 'finished')");
        let name = format!("{name}-{theme}");
        examine(page, axe, &name, findings);
        page.screenshot(&picture(&name));
    }
}

#[test]
fn the_demo_is_fit_for_everybody_at_every_size() {
    let (server, browser, axe) = (Server::demo(), Browser::start(), axe());
    let mut findings = Vec::new();
    for (scene, clicks) in SCENES {
        for width in WIDTHS {
            let mut page = browser.blank();
            page.size(width, if width < 500 { 780 } else { 900 });
            page.dark(false);
            page.goto(&server.url("/"));
            page.wait_for(scene_is_there("contacts"));
            for selector in clicks {
                page.click(selector);
            }
            if scene == "nobody" {
                page.type_text("zzz");
            }
            page.wait_for(scene_is_there(scene));
            in_both_themes(&mut page, &axe, &format!("{scene}-{width}"), &mut findings);
        }
    }
    assert!(findings.is_empty(), "{}", findings.join("\n"));
}

/// The gallery, with everything in it drawn.
fn open_gallery(browser: &Browser, server: &Server, width: u32) -> Page {
    let mut page = browser.blank();
    page.size(width, 900);
    page.dark(false);
    page.goto(&server.url("/"));
    page.wait_for("document.querySelectorAll('tbody tr').length === 3");
    page.wait_for("document.querySelectorAll('ui-gauge path.ui-arc').length === 4");
    page.wait_for("document.querySelectorAll('#bars rect').length === 6");
    page.wait_for("document.querySelectorAll('#two .ui-line').length === 2");
    page
}

#[test]
fn the_gallery_is_fit_for_everybody_at_every_size() {
    let (server, browser, axe) = (Server::folder("tests/web/gallery"), Browser::start(), axe());
    let mut findings = Vec::new();
    for width in WIDTHS {
        let mut page = open_gallery(&browser, &server, width);
        let height = page.eval("document.documentElement.scrollHeight");
        page.size(width, height.as_u64().expect("a height") as u32);
        in_both_themes(&mut page, &axe, &format!("gallery-{width}"), &mut findings);

        page.size(width, 780);
        page.click("#tell");
        page.wait_for("document.querySelectorAll('.ui-toast').length === 4");
        in_both_themes(&mut page, &axe, &format!("toasts-{width}"), &mut findings);

        page.eval("document.querySelector('.ui-toasts').replaceChildren()");
        page.click("#ask");
        page.wait_for("document.querySelector('#question').open");
        in_both_themes(&mut page, &axe, &format!("dialog-{width}"), &mut findings);
    }
    assert!(findings.is_empty(), "{}", findings.join("\n"));
}

#[test]
fn fields_and_buttons_of_a_row_stand_on_one_line() {
    let (server, browser) = (Server::folder("tests/web/gallery"), Browser::start());
    let mut page = open_gallery(&browser, &server, 1440);
    page.eval("document.querySelector('#in-a-row').style.width = '50rem'");
    let lines = page.eval(
        "[...document.querySelectorAll('#in-a-row :is(input:not([type=checkbox]), button, label:has([type=checkbox]))')] \
         .map((it) => it.getBoundingClientRect()).map(({ top, bottom }) => [top, bottom])",
    );
    let lines = lines.as_array().expect("a list");
    assert_eq!(lines.len(), 4);
    assert!(lines.iter().all(|line| line == &lines[0]), "{lines:?}");
}

#[test]
fn what_the_client_itself_says_is_fit_for_everybody() {
    let (mut server, browser, axe) = (Server::folder("tests/web/gallery"), Browser::start(), axe());
    let mut findings = Vec::new();
    let mut page = open_gallery(&browser, &server, 360);
    page.server_may_be_away();
    server.kill();
    page.wait_for("document.querySelector('.ui-reconnecting')");
    let free = page.eval(
        "document.querySelector('h1').getBoundingClientRect().top - \
         document.querySelector('.ui-reconnecting').getBoundingClientRect().bottom",
    );
    assert!(
        free.as_f64() >= Some(2.0),
        "between strip and heading: {free}"
    );
    in_both_themes(&mut page, &axe, "reconnecting-360", &mut findings);
    server.restart();
    page.wait_for("document.querySelector('.ui-toast-warning')");
    in_both_themes(&mut page, &axe, "restarted-360", &mut findings);
    // A session that this server has never had.
    page.eval("(connection => { connection.address.session = 'f'.repeat(32); connection.renew() })(uiApp.getConnection())");
    page.wait_for("document.querySelector('.ui-notice button')");
    in_both_themes(&mut page, &axe, "notice-box-360", &mut findings);
    assert!(findings.is_empty(), "{}", findings.join("\n"));
}

#[test]
fn forced_colours_and_still_pages_are_respected() {
    let (server, browser) = (Server::folder("tests/web/gallery"), Browser::start());
    let mut page = open_gallery(&browser, &server, 768);
    page.prefers(&[("forced-colors", "active")]);
    page.wait_for("matchMedia('(forced-colors: active)').matches");
    page.screenshot(&picture("gallery-768-forced-colours"));
    // What was only a background has an edge now, so that a ticked switch, a full bar and a pressed key can be told.
    for selector in ["[role=switch]:checked", ".badge", "progress", "meter"] {
        let edge = page.eval(&format!(
            "getComputedStyle(document.querySelector('{selector}')).borderTopStyle"
        ));
        assert_eq!(edge, "solid", "{selector} can be seen without its colour");
    }
    page.eval("document.querySelector('#plain').focus({ focusVisible: true })");
    assert_eq!(
        page.eval("getComputedStyle(document.querySelector('#plain')).outlineStyle"),
        "solid"
    );

    let moving = "document.getAnimations().filter(a => a.effect.getTiming().duration > 10).length";
    assert_eq!(page.eval(moving), 0, "nothing moves for who asked for that");
}
