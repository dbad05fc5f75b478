//! A new site: made, checked, tested, and used in a browser.

use super::cdp::Browser;
use super::pictures::picture;
use super::server::Server;
use crate::net::process::Folder;
use crate::operate::{complaint, lunette, printed};

#[test]
fn a_new_site_works_and_passes_its_own_test() {
    let folder = Folder::new();
    let dir = folder.0.join("mysite");
    let name = dir.to_string_lossy().into_owned();
    let told = printed(&lunette(&["new", &name]));
    assert!(
        told.contains("lua/main.lua") && told.contains("--dev"),
        "{told}"
    );
    for file in ["lunette.toml", ".gitignore", "tests/first.lunette"] {
        assert!(dir.join(file).is_file(), "{file}");
    }
    assert!(printed(&lunette(&["check", &name])).contains("all is well"));
    let tested = printed(&lunette(&["test", &name, "--ci"]));
    assert!(tested.contains("ok    first"), "{tested}");
    let told = complaint(&lunette(&["new", &name]), 1);
    assert!(told.contains("is not empty"), "{told}");
    let server = Server::with_flags(&dir, &[]);
    let browser = Browser::start();
    let mut page = browser.open(&server.url("/"));
    page.wait_for_text("h1", "My list");
    page.wait_for_text(".badge", "1 of 2 to do");
    page.fill("#draft", "Read the guide");
    page.press("Enter");
    page.wait_for_text(".badge", "2 of 3 to do");
    assert_eq!(page.value("#draft"), "");
    page.screenshot(&picture("new-site"));
    page.click("main button.quiet");
    page.wait_for_text(".badge", "2 of 2 to do");
    assert_eq!(page.unnamed_controls(), Vec::<String>::new());
}
