//! The demo over TLS in Chromium.

use crate::browser::cdp::Browser;
use crate::browser::server::Server;

const CERT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tls/first.cert.pem");
const KEY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tls/first.key.pem");

#[test]
fn chromium_works_the_demo_and_goes_on_after_a_crash() {
    let mut server = Server::secure(&[("LUNETTE_TLS_CERT", CERT), ("LUNETTE_TLS_KEY", KEY)]);
    let browser = Browser::start();
    let mut page = browser.blank();
    page.trust_everybody();
    page.goto(&server.url("/"));
    assert!(server.url("/").starts_with("https://"));
    page.wait_for("document.querySelectorAll('.contact-row').length === 25");
    page.click("#search");
    page.type_text("akes");
    let found = "[...document.querySelectorAll('.contact-row')].every(row => /[åa]kes/i.test(row.textContent))";
    page.wait_for(found);
    page.server_may_be_away();
    server.restart();
    page.wait_for("document.querySelectorAll('.contact-row').length > 0");
    page.fill("#search", "");
    page.wait_for("document.querySelectorAll('.contact-row').length === 25");
    page.reload();
    page.wait_for("document.querySelectorAll('.contact-row').length === 25");
    assert_eq!(page.eval("location.protocol"), "https:");
}
