//! Logging in by the page with the form, with a real keyboard; without scripts, too.

use std::path::Path;

use serde_json::json;

use super::cdp::{Browser, Page};
use super::server::Server;
use crate::net::process::Folder;

const MAIN: &str = r#"
local App = session:prototype("App", { text = "" })
function App:who() return session.user.name end
session:createAppVariable(session:create(App))
"#;
const VIEWDEF: &str = r#"<template><h1>Hello <span id="who" ui-value="who()"></span></h1><input id="text" ui-value="text">
<form method="post" action="/logout"><button id="out">Log out</button></form></template>"#;

fn serve() -> (Folder, Server) {
    let folder = Folder::new();
    folder.write("lua/main.lua", MAIN);
    folder.write("viewdefs/App.DEFAULT.html", VIEWDEF);
    folder.write(
        "lunette.toml",
        "[auth]\nmode = \"users\"\nusers = \"users\"\n",
    );
    let users = folder.0.join("users");
    lunette::server::auth::users::set_password(&users, "ann", b"correct horse").expect("a user");
    let server = Server::with_flags(Path::new(&folder.0), &[]);
    (folder, server)
}

fn log_in(page: &mut Page, name: &str, password: &str) {
    if page.value("[name=name]") != name {
        page.fill("[name=name]", name);
    }
    page.fill("[name=password]", password);
    page.press("Enter");
}

#[test]
fn the_form_lets_people_in_tells_what_is_wrong_and_lets_them_out() {
    let (_folder, server) = serve();
    let browser = Browser::start();
    let mut page = browser.blank();
    // That it answers 401 is no error here.
    page.server_may_be_away();
    page.goto(&server.url("/notes?a=1"));
    page.wait_for("document.querySelector('form.card')");
    assert_eq!(page.text("h1"), "Log in");
    assert_eq!(page.eval("document.activeElement.name"), "name");
    assert_eq!(page.unnamed_controls(), Vec::<String>::new());
    // As pretty as the other pages: the theme is there before anybody is known.
    assert_eq!(
        page.eval("getComputedStyle(document.querySelector('form.card')).borderRadius"),
        "12px"
    );
    log_in(&mut page, "ann", "wrong");
    page.wait_for("document.querySelector('[role=alert]')");
    assert_eq!(page.value("[name=name]"), "ann");
    assert_eq!(page.value("[name=password]"), "");
    assert_eq!(page.eval("document.activeElement.name"), "password");
    log_in(&mut page, "ann", "correct horse");
    page.wait_for_text("#who", "ann");
    assert!(
        page.eval("location.pathname + location.search")
            .as_str()
            .unwrap()
            .ends_with("/notes?a=1")
    );
    assert_eq!(
        page.eval("document.cookie.includes('lunette-login')"),
        false,
        "no script sees it"
    );
    page.fill("#text", "typed");
    page.click("#out");
    page.wait_for("document.querySelector('form.card')");
}

#[test]
fn it_works_without_scripts() {
    let (_folder, server) = serve();
    let browser = Browser::start();
    let mut page = browser.blank();
    page.server_may_be_away();
    page.connection.command(
        "Emulation.setScriptExecutionDisabled",
        json!({ "value": true }),
    );
    page.goto(&server.url("/"));
    page.wait_for("document.querySelector('form.card')");
    // What is typed goes where the focus is, which is in the first field.
    page.connection
        .command("Input.insertText", json!({ "text": "ann" }));
    page.press("Tab");
    page.connection
        .command("Input.insertText", json!({ "text": "correct horse" }));
    page.press("Enter");
    page.wait_for("document.querySelector('[ui-app]')");
}
