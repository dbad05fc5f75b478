//! The demo's weight, and what a visitor sees when the server goes away.

use super::cdp::Browser;
use super::open_demo;
use super::server::Server;

/// What a first visit may cost: every byte of every HTTP answer, heads included.
const FIRST_LOAD_BYTES_MAX: u64 = 35 * 1024;
/// Beside the redirect to the session and the WebSocket.
const FIRST_LOAD_REQUESTS_MAX: usize = 4;

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
