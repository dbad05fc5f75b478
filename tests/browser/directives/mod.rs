//! Each `ui-*` attribute on each kind of element that it names, in a real page. The sites are in `tests/web/`, one a
//! topic, and so are the tests.

mod components;
mod display;
mod events;
mod forms;
mod links;
mod values;
mod views;

use super::cdp::{Browser, Page};
use super::server::Server;

/// The page of `tests/web/NAME`, once `ready` is in it.
fn open(name: &str, browser: &Browser, ready: &str) -> (Server, Page) {
    let server = Server::folder(&format!("tests/web/{name}"));
    let mut page = browser.open(&server.url("/"));
    page.wait_for(&format!("document.querySelector('{ready}')"));
    (server, page)
}

/// Sets a control as a program that fills in forms does, and tells of it by this event.
fn set(page: &mut Page, selector: &str, property: &str, value: &str, event: &str) {
    page.eval(&format!(
        "(() => {{ const e = document.querySelector('{selector}'); e.{property} = {value};
           e.dispatchEvent(new Event('{event}', {{ bubbles: true }})) }})()"
    ));
}
