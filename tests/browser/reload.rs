//! Files of a site are edited while its page is used: what is on the page, and what is being typed there, stays.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use super::cdp::{Browser, Page};
use super::server::Server;

static NEXT: AtomicU32 = AtomicU32::new(1);

const MAIN: &str = r#"
local App = session:prototype("App", { name = "", note = "", count = 0 })
function App:head() return "first " .. self.count end
function App:add() self.count = self.count + 1 end
function App:fail()
  error("on purpose")
end
session:createAppVariable(session:create(App))
"#;

const VIEWDEF: &str = r#"<template>
  <main>
    <h1 ui-value="head()"></h1>
    <input ui-value="name">
    <input id="live" ui-value="note?keypress">
    <button id="add" ui-action="add()">Add</button>
    <button id="fail" ui-action="fail()">Fail</button>
    <div id="box" style="height: 5rem; overflow: auto"><div style="height: 60rem">tall</div></div>
    <div style="height: 200rem">tall</div>
  </main>
</template>"#;

/// A site of its own for one test.
struct Site(PathBuf);

impl Site {
    fn new() -> Site {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("reload-{}-{number}", std::process::id());
        let site = Site(PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name));
        site.write("lua/main.lua", MAIN);
        site.write("viewdefs/App.DEFAULT.html", VIEWDEF);
        site
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().expect("inside the site")).expect("a folder");
        fs::write(path, text).expect("a file");
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The caret in the middle of a text that was typed and not sent, and places scrolled to.
fn use_page(page: &mut Page) {
    page.wait_for_text("h1", "first 0");
    page.click("#add");
    page.wait_for_text("h1", "first 1");
    page.eval("document.querySelector('#box').scrollTop = 300; window.scrollTo(0, 200)");
    page.eval("document.querySelector('input').focus({ preventScroll: true })");
    page.type_text("half a sen");
    page.eval("document.querySelector('input').setSelectionRange(4, 4)");
    page.eval("window.scrollTo(0, 200)");
    assert_eq!(page.eval(USED), AS_USED);
}

/// Which field has the focus, its text and caret, and how far two places are scrolled.
const USED: &str = "(() => {
    const input = document.querySelector('input');
    return [document.activeElement === input, input.value, input.selectionStart,
      document.querySelector('#box').scrollTop, Math.round(window.scrollY)].join();
  })()";
const AS_USED: &str = "true,half a sen,4,300,200";

#[test]
fn what_is_typed_survives_edits_of_code_and_of_templates() {
    for flag in ["--hotload", "--dev"] {
        let (site, browser) = (Site::new(), Browser::start());
        let server = Server::with_flags(&site.0, &[flag]);
        let mut page = browser.open(&server.url("/"));
        use_page(&mut page);

        site.write("lua/main.lua", &MAIN.replace("first", "second"));
        page.wait_for_text("h1", "second 1");
        assert_eq!(page.eval(USED), AS_USED, "{flag}: after an edit of code");

        // Never is there a moment without the heading.
        page.eval(
            "window.bare = 0; new MutationObserver(() => { window.bare += !document.querySelector('h1, h2') })
               .observe(document.body, { childList: true, subtree: true })",
        );
        let other = VIEWDEF
            .replace("h1", "h2")
            .replace("<main>", "<main><p>new</p>");
        site.write("viewdefs/App.DEFAULT.html", &other);
        page.wait_for_text("h2", "second 1");
        page.wait_for("!document.querySelector('h1')");
        assert_eq!(
            page.eval(USED),
            AS_USED,
            "{flag}: after an edit of a template"
        );
        assert_eq!(page.eval("window.bare"), 0);

        // What was typed is sent in the end.
        page.press("Tab");
        page.type_text("more");
        page.click("#add");
        page.wait_for_text("h2", "second 2");
        page.reload();
        page.wait_for("document.querySelector('input')?.value === 'half a sen'");
        page.wait_for("document.querySelector('#live')?.value === 'more'");
    }
}

#[test]
fn no_key_is_lost_while_templates_are_edited() {
    let (site, browser) = (Site::new(), Browser::start());
    let server = Server::with_flags(&site.0, &["--hotload"]);
    let mut page = browser.open(&server.url("/"));
    page.wait_for_text("h1", "first 0");
    let letters = "the quick brown fox jumps over the lazy dog and then some more";
    for field in ["input", "#live"] {
        page.eval(&format!("document.querySelector('{field}').focus()"));
        let typing = AtomicBool::new(true);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut edit = 0;
                while typing.load(Ordering::Relaxed) {
                    edit += 1;
                    let text = VIEWDEF.replace("<main>", &format!("<main><p>edit {edit}</p>"));
                    site.write("viewdefs/App.DEFAULT.html", &text);
                    std::thread::sleep(Duration::from_millis(70));
                }
            });
            for letter in letters.chars() {
                page.type_text(&letter.to_string());
                std::thread::sleep(Duration::from_millis(10));
            }
            typing.store(false, Ordering::Relaxed);
        });
        assert_eq!(page.value(field), letters);
        page.wait_for("/edit [0-9]+/.test(document.querySelector('p')?.textContent)");
        page.click("#add");
    }
    page.wait_for_text("h1", "first 2");
    assert_eq!(page.value("input"), letters);
    page.reload();
    page.wait_for(&format!(
        "document.querySelector('#live')?.value === '{letters}'"
    ));
    page.wait_for(&format!(
        "document.querySelector('input')?.value === '{letters}'"
    ));
}

#[test]
fn errors_are_shown_with_their_line_until_they_are_mended() {
    let (site, browser) = (Site::new(), Browser::start());
    let server = Server::with_flags(&site.0, &["--dev"]);
    let mut page = browser.open(&server.url("/"));
    use_page(&mut page);

    // In code that was just written; what is being typed is left alone.
    site.write(
        "lua/main.lua",
        "local App = session:prototype('App', {\nnonsense nonsense",
    );
    page.wait_for("/main\\.lua:2/.test(document.querySelector('.ui-dev-errors')?.textContent)");
    page.wait_for_text(".ui-dev-errors pre", "nonsense nonsense");
    assert_eq!(page.eval(USED), AS_USED, "behind the error");
    // A page that comes now hears of it, too.
    let address = page.eval("location.href");
    let mut late = browser.open(address.as_str().expect("an address"));
    late.wait_for_text(".ui-dev-errors pre", "nonsense nonsense");
    assert_eq!(
        page.eval("document.querySelector('.ui-dev-errors [role=alert]') !== null"),
        true
    );
    site.write("lua/main.lua", &MAIN.replace("first", "mended"));
    page.wait_for_text("h1", "mended 1");
    page.wait_for("!document.querySelector('.ui-dev-errors')");

    late.wait_for("!document.querySelector('.ui-dev-errors')");

    // In a method that is read: its place is marked, and well again with the next value.
    let failing = MAIN.replace(
        "return \"first \"",
        "error('cannot read') return \"first \"",
    );
    site.write("lua/main.lua", &failing);
    page.wait_for("document.querySelector('h1.ui-error')");
    page.wait_for("/cannot read/.test(document.querySelector('.ui-dev-errors pre')?.textContent)");
    site.write("lua/main.lua", &MAIN.replace("first", "mended"));
    page.wait_for_text("h1", "mended 1");
    page.wait_for("!document.querySelector('.ui-dev-errors, .ui-error')");

    // In a template.
    site.write("viewdefs/App.DEFAULT.html", "<p>no template</p>");
    page.wait_for("/viewdefs.App/.test(document.querySelector('.ui-dev-errors')?.textContent)");
    site.write("viewdefs/App.DEFAULT.html", VIEWDEF);
    page.wait_for("!document.querySelector('.ui-dev-errors')");

    // In an action: with a traceback, and gone when it is dismissed.
    page.click("#fail");
    page.wait_for_text(".ui-dev-errors pre", "error(\"on purpose\")");
    page.wait_for(
        "/stack traceback/.test(document.querySelector('.ui-dev-errors details').textContent)",
    );
    page.click(".ui-dev-errors button");
    page.wait_for("!document.querySelector('.ui-dev-errors')");
    page.click("#add");
    page.wait_for_text("h1", "mended 2");
}

#[test]
fn a_site_that_cannot_start_says_all_and_starts_when_it_is_mended() {
    let (site, browser) = (Site::new(), Browser::start());
    site.write("lua/main.lua", "local x = 1\nerror('not yet')");
    let server = Server::with_flags(&site.0, &["--dev", "-v"]);
    let mut page = browser.blank();
    page.server_may_be_away(); // the socket is closed and the page answered with an error
    page.goto(&server.url("/"));
    page.wait_for(
        "/stack traceback/.test(document.querySelector('.ui-dev-errors details')?.textContent)",
    );
    page.wait_for_text(".ui-dev-errors pre", "error('not yet')");
    page.reload();
    page.wait_for("/stack traceback/.test(document.body.innerText)");
    site.write("lua/main.lua", MAIN);
    page.wait_for_text("h1", "first 0");
}

#[test]
fn a_template_that_was_missing_appears_when_it_is_written() {
    let (site, browser) = (Site::new(), Browser::start());
    site.write(
        "lua/main.lua",
        &MAIN.replace(
            "count = 0 }",
            "count = 0, part = { type = 'Part', text = 'shown' } }",
        ),
    );
    site.write(
        "viewdefs/App.DEFAULT.html",
        "<template><main><h1 ui-value=\"head()\"></h1><div ui-view=\"part\"></div></main></template>",
    );
    let server = Server::with_flags(&site.0, &["--hotload"]);
    let mut page = browser.open(&server.url("/"));
    page.wait_for_text("h1", "first 0");
    site.write(
        "viewdefs/Part.DEFAULT.html",
        "<template><b ui-value=\"text\"></b></template>",
    );
    page.wait_for_text("b", "shown");
}
