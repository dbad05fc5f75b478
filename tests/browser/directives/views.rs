//! `ui-view`, `ui-viewlist`, `ui-namespace` and `ui-ref`: which viewdef shows an object, and what is there without one.

use std::fs;
use std::path::{Path, PathBuf};

use super::super::cdp::Browser;
use super::super::server::Server;
use super::open;

/// The site `tests/web/views` as a copy that can be edited.
struct Copy(PathBuf);

impl Copy {
    fn new(name: &str) -> Copy {
        let site = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/web/views");
        let copy =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
        for folder in ["lua", "viewdefs"] {
            fs::create_dir_all(copy.join(folder)).expect("a folder can be made");
            for entry in fs::read_dir(site.join(folder))
                .expect("the site is there")
                .flatten()
            {
                let target = copy.join(folder).join(entry.file_name());
                fs::copy(entry.path(), target).expect("the file can be copied");
            }
        }
        Copy(copy)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.0.join(name), text).expect("the file can be written");
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn the_nearest_namespace_says_how_an_object_looks() {
    let browser = Browser::start();
    let (_server, mut page) = open("views", &browser, "article p + p");
    let shown = "[...document.querySelectorAll('p:not(.second):not(.ui-missing p)')].map(p => p.textContent).join()";
    page.wait_for(&format!(
        "{shown} === 'default one,card two,card three,default four,card inner,default inner,card row,item a,item b'"
    ));
    page.wait_for(
        "[...document.querySelectorAll('ol li')].map(li => li.textContent).join() === 'x,y'",
    );
    page.wait_for("[...document.querySelectorAll('ul > .row.item')].length === 2");

    // The root takes over what its element had; what it was called itself is a class.
    let first = "document.getElementById('default')";
    page.wait_for(&format!(
        "{first}.matches('p.default.given.item.ui-view-default')"
    ));
    assert_eq!(
        page.eval(&format!(
            "[{first}.style.margin, {first}.style.padding].join()"
        )),
        "3px,2px"
    );
    assert_eq!(
        page.eval(&format!("{first}.getAttribute('ui-viewdef')")),
        "Item.DEFAULT"
    );
    page.wait_for(&format!(
        "{first}.nextElementSibling.matches('.second.ui-view-default')"
    ));
    page.wait_for("uiApp.getRef('first') === document.getElementById('default')");
    page.wait_for("uiApp.getRef('item') === document.getElementById('default')");
    page.wait_for("uiApp.getRef('head').id === 'own' && uiApp.getRef('nobody') === null");
    assert_eq!(
        page.eval("getComputedStyle(document.querySelector('main')).color"),
        "rgb(1, 2, 3)"
    );

    // An object that goes leaves its place.
    page.wait_for_text("#gone", "nothing yet");
    page.click("#toggle");
    page.wait_for_text("#gone", "default here");
    page.click("#toggle");
    page.wait_for_text("#gone", "nothing yet");
    page.click("#toggle");
    page.wait_for_text("#gone", "default here");
}

#[test]
fn what_has_no_viewdef_is_said_once_in_the_log() {
    if std::env::var_os("LUNETTE_TEST_DEV").is_some() {
        return; // with --dev the page says it
    }
    let browser = Browser::start();
    let (server, mut page) = open("views", &browser, "#find");
    page.click("#lose");
    let said = "no viewdef for type Lost: create viewdefs/Lost.DEFAULT.html";
    let is_said = (0..200).any(|_| {
        page.eval("new Promise((done) => setTimeout(done, 50))");
        server.log().contains(said)
    });
    assert!(is_said, "{}", server.log());
    assert!(page.warnings().iter().any(|warning| warning.contains(said)));
    assert_eq!(
        page.eval("document.querySelector('.ui-missing')"),
        serde_json::Value::Null
    );
    page.click("#find");
    page.wait_for("/default found/.test(document.body.textContent)");
    page.click("#lose");
    page.wait_for("!/default found/.test(document.body.textContent)");
    let address = page.eval("location.href");
    let mut second = browser.open(address.as_str().expect("an address"));
    second.wait_for("document.querySelector('#find')");
    for _ in 0..200 {
        if !second.warnings().is_empty() {
            break;
        }
    }
    second.click("#find");
    second.wait_for("/default found/.test(document.body.textContent)");
    assert_eq!(server.log().matches(said).count(), 1, "{}", server.log());
}

#[test]
fn those_who_develop_see_what_is_missing_and_what_is_wrong() {
    let (site, browser) = (Copy::new("views"), Browser::start());
    let server = Server::with_flags(&site.0, &["--dev"]);
    let mut page = browser.open(&server.url("/"));
    page.wait_for("document.querySelector('#find')");
    page.click("#lose");
    page.wait_for_text(".ui-missing strong", "Lost");
    page.wait_for_text(".ui-missing code", "viewdefs/Lost.DEFAULT.html");
    page.wait_for(
        "[...document.querySelectorAll('.ui-missing dt')].map(dt => dt.textContent + '=' + dt.nextSibling.textContent).join(' ').startsWith('list=[1,2] n=3 name=\"nobody shows me\"')",
    );
    assert_eq!(
        page.eval("/secret/.test(document.querySelector('.ui-missing').textContent)"),
        false
    );
    // Another object takes the place of the box, and the box its place again.
    page.click("#find");
    page.wait_for(
        "!document.querySelector('.ui-missing') && /default found/.test(document.body.textContent)",
    );
    page.click("#lose");
    page.wait_for(
        "document.querySelector('.ui-missing') && !/default found/.test(document.body.textContent)",
    );
    site.write(
        "viewdefs/Lost.DEFAULT.html",
        "<template><i class=\"lost\" ui-value=\"name\"></i></template>",
    );
    page.wait_for_text(".lost", "nobody shows me");
    page.wait_for("!document.querySelector('.ui-missing')");

    // A file that is no viewdef: what was there before stays.
    for wrong in [
        "<i>no template</i>",
        "<template><i>one</i></template><template><i>two</i></template>",
        "<template><i>half",
    ] {
        site.write("viewdefs/Lost.DEFAULT.html", wrong);
        page.wait_for("/viewdefs\\/Lost.DEFAULT.html.*exactly one/.test(document.querySelector('.ui-dev-errors')?.textContent)");
        assert!(
            server.log().contains("exactly one <template>"),
            "{}",
            server.log()
        );
        assert_eq!(page.text(".lost"), "nobody shows me");
        site.write(
            "viewdefs/Lost.DEFAULT.html",
            "<template><i class=\"lost\" ui-value=\"name\"></i></template>",
        );
        page.wait_for("!document.querySelector('.ui-dev-errors')");
    }
}
