//! The components of two libraries as fields: Shoelace and Web Awesome, from their packages.

use std::fs;
use std::path::{Path, PathBuf};

use super::super::cdp::{Browser, Page};
use super::super::server::Server;

/// Folders of packages, and where the site has them.
const PACKAGES: [(&str, &str); 2] = [
    ("@shoelace-style/shoelace/cdn", "shoelace"),
    ("@awesome.me/webawesome/dist-cdn", "webawesome"),
];

/// The site `tests/web/components` with the packages that it uses.
struct Site(PathBuf);

impl Site {
    fn new() -> Site {
        let package = Path::new(env!("CARGO_MANIFEST_DIR"));
        let site = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("components-{}", std::process::id()));
        copy(&package.join("tests/web/components"), &site, &|_| true);
        let is_served = |name: &str| name.ends_with(".js") || name.ends_with(".css");
        for (from, to) in PACKAGES {
            let from = package.join("target/npm/node_modules").join(from);
            assert!(
                from.is_dir(),
                "{} is missing: tests/run installs it",
                from.display()
            );
            copy(&from, &site.join("html").join(to), &is_served);
        }
        Site(site)
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn copy(from: &Path, to: &Path, wanted: &dyn Fn(&str) -> bool) {
    fs::create_dir_all(to).expect("a folder can be made");
    for entry in fs::read_dir(from).expect("the folder is there").flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        let target = to.join(&name);
        if path.is_dir() {
            copy(&path, &target, wanted);
        } else if wanted(&name.to_string_lossy()) {
            fs::copy(&path, &target).expect("the file can be copied");
        }
    }
}

/// Fields, the property that shows them, and what it is when filled and when emptied.
const FIELDS: [(&str, &str, &str, &str); 11] = [
    ("text", "value", "filled", ""),
    ("number", "value", "12", ""),
    ("area", "value", "long", ""),
    ("choice", "value", "b", ""),
    ("many", "value", "a,c", ""),
    ("check", "checked", "true", "false"),
    ("switch", "checked", "true", "false"),
    ("radio", "value", "b", ""),
    ("range", "value", "40", "0"),
    ("rating", "value", "3", "0"),
    ("color", "value", "#ff0000", ""),
];

/// What a person does to a field by the keyboard, and what arrives.
const EDITS: [(&str, &[&str], &str); 9] = [
    ("text", &["a", "b"], "string filledab"),
    ("number", &["5"], "number 125"),
    ("area", &["!"], "string long!"),
    ("choice", &["ArrowDown", "ArrowDown", "Enter"], "string c"),
    ("check", &["Space"], "boolean false"),
    ("switch", &["Space"], "boolean false"),
    ("radio", &["ArrowUp"], "string a"),
    ("range", &["ArrowUp"], "number 41"),
    ("rating", &["ArrowRight"], "number 4"),
];

#[test]
fn components_of_two_libraries_are_fields_like_any_other() {
    let (site, browser) = (Site::new(), Browser::start());
    let server = Server::with_flags(&site.0, &[]);
    let mut page = browser.open(&server.url("/"));
    page.wait_for("document.querySelector('.defined .wa-all form')");
    for library in ["sl", "wa"] {
        let at = |rest: &str| format!(".{library}-all {rest}");
        let said = |page: &mut Page, field: &str, expected: &str| {
            page.wait_for_text(&at(&format!("output.{field}")), expected);
        };
        let shown = |page: &mut Page,
                     which: fn(
            &(&'static str, &'static str, &'static str, &'static str),
        ) -> &'static str| {
            for row in &FIELDS {
                let (field, property, ..) = row;
                let (selector, expected) = (at(&format!(".f-{field}")), which(row));
                page.wait_for(&format!(
                    "String(document.querySelector('{selector}').{property} ?? '') === '{expected}'"
                ));
            }
        };
        shown(&mut page, |row| row.2);
        page.click(&at(".empty"));
        shown(&mut page, |row| row.3);
        for (field, ..) in FIELDS {
            said(&mut page, field, "nil nil");
        }
        page.click(&at(".fill"));
        shown(&mut page, |row| row.2);
        for (field, keys, expected) in EDITS {
            page.eval(&format!(
                "document.querySelector('{}').focus()",
                at(&format!(".f-{field}"))
            ));
            for key in keys {
                match key.len() {
                    1 => page.type_text(key),
                    _ => page.press(key),
                }
            }
            page.eval("document.activeElement.blur()");
            said(&mut page, field, expected);
        }
        opens(&mut page, library);
        submits(&mut page, library);
    }
    page.wait_for("document.querySelector('.wa-all .f-count').value === '125'");
    page.eval("document.querySelector('.wa-all .f-count').focus()");
    page.press("ArrowUp");
    page.eval("document.activeElement.blur()");
    page.wait_for_text(".wa-all output.number", "number 126");
}

/// Details, dialogs and drawers: opened by the app, closed by the user.
fn opens(page: &mut Page, library: &str) {
    let at = |rest: &str| format!(".{library}-all {rest}");
    page.eval(&format!(
        "document.querySelector('{}').show()",
        at(".f-details")
    ));
    page.wait_for_text(&at("output.details"), "boolean true");
    for what in ["dialog", "drawer"] {
        let element = at(&format!(".f-{what}"));
        page.click(&at(&format!(".open-{what}")));
        page.wait_for(&format!("document.querySelector('{element}').open"));
        page.wait_for_text(&at(&format!("output.{what}")), "boolean true");
        // Things inside open and close by the same events.
        page.eval(&format!(
            "document.querySelector('{element} > *')?.dispatchEvent(new CustomEvent('{library}-hide', {{ bubbles: true }}))"
        ));
        page.wait_for(&format!(
            "document.querySelector('{element}').matches('[open]')"
        ));
        page.wait_for(&format!(
            "!document.querySelector('{element}').shadowRoot.getAnimations().length"
        ));
        page.press("Escape");
        page.wait_for_text(&at(&format!("output.{what}")), "boolean false");
        page.wait_for(&format!("!document.querySelector('{element}').open"));
    }
}

/// A form of components: one table, and errors at its fields.
fn submits(page: &mut Page, library: &str) {
    let at = |rest: &str| format!(".{library}-all {rest}");
    page.click(&at("form > [type=submit]"));
    page.wait_for(&format!(
        "document.querySelector('{}')?.textContent === 'is needed'",
        at("form .ui-error + .ui-error-text")
    ));
    page.eval(&format!(
        "document.querySelector('{}').value = 'given'",
        at("form [name=text]")
    ));
    page.click(&at("form > [type=submit]"));
    page.wait_for_text(
        &at(".saved"),
        "check=true choice=b how=now number=3 radio=a text=given",
    );
    page.wait_for(&format!(
        "!document.querySelector('{}')",
        at("form .ui-error")
    ));
}
