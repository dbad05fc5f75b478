//! Nothing typed is lost: letters are hit one after the other while links delay, the server writes beside them and
//! templates are made anew; all of them arrive, in order, with the caret where it was.

use std::thread::sleep;
use std::time::Duration;

use serde_json::json;

use super::cdp::{Browser, Page};
use super::proxy::Proxy;
use super::server::Server;

/// Sixty of them.
const LETTERS: &str = "the quick brown fox jumps over the lazy dog and then it rest";
/// Between two keys: a fast typist, and slow enough that the server gets to say something in between.
const KEY: Duration = Duration::from_millis(12);

/// Opens the page through a proxy with this latency.
fn open(browser: &Browser, proxy: &Proxy, latency_ms: u64) -> Page {
    let mut page = browser.open(&proxy.url("/"));
    page.wait_for("document.querySelector('#mirror')?.textContent === '|||'");
    proxy.delay(latency_ms);
    page
}

/// Puts brackets into a field and types between them, so that a caret that moves is noticed.
fn type_between_brackets(page: &mut Page, field: &str, mut each: impl FnMut(usize)) {
    page.fill(field, "[]");
    page.press("ArrowLeft");
    for (i, letter) in LETTERS.chars().enumerate() {
        each(i);
        page.type_text(&letter.to_string());
        sleep(KEY);
    }
}

fn caret(page: &mut Page, field: &str) -> serde_json::Value {
    page.eval(&format!(
        "[document.activeElement === document.querySelector('{field}'), \
          document.querySelector('{field}').selectionStart, document.querySelector('{field}').selectionEnd].join()"
    ))
}

/// What the server has in the end is what was typed, in each of the fields.
fn everything_arrived(page: &mut Page, plain: &str, live: &str, loud: &str, area: &str) {
    let loud = loud.to_uppercase();
    let expected = json!(format!("{plain}|{live}|{loud}|{area}"));
    page.wait_for(&format!(
        "document.querySelector('#mirror').textContent === {expected}"
    ));
    let values =
        "['plain', 'live', 'loud', 'area'].map(id => document.getElementById(id).value).join('|')";
    page.wait_for(&format!("{values} === {expected}"));
}

fn type_everywhere(latency_ms: u64, button: &str) {
    let (server, browser) = (Server::site("typing"), Browser::start());
    let proxy = Proxy::to(server.port());
    let mut page = open(&browser, &proxy, latency_ms);
    page.click(button);
    page.wait_for("Number(document.querySelector('#ticks').textContent) > 2");
    let between = format!("[{LETTERS}]");
    for field in ["#plain", "#live", "#loud", "#area"] {
        type_between_brackets(&mut page, field, |_| {});
        let at = 1 + LETTERS.len();
        assert_eq!(
            caret(&mut page, field),
            format!("true,{at},{at}"),
            "{field} with {latency_ms} ms"
        );
        let typed = page.value(field);
        assert!(
            typed.eq_ignore_ascii_case(&between),
            "{field} with {latency_ms} ms: {typed}"
        );
    }
    page.press("Tab");
    page.click("#stop");
    everything_arrived(&mut page, &between, &between, &between, &between);
}

#[test]
fn letters_arrive_at_once() {
    type_everywhere(0, "#calm");
    type_everywhere(0, "#anew");
}

#[test]
fn letters_arrive_over_a_link_of_50_ms() {
    type_everywhere(50, "#calm");
    type_everywhere(50, "#anew");
}

#[test]
fn letters_arrive_over_a_link_of_200_ms() {
    type_everywhere(200, "#calm");
    type_everywhere(200, "#anew");
}

#[test]
fn letters_arrive_over_a_link_of_a_second() {
    type_everywhere(1_000, "#calm");
    type_everywhere(1_000, "#anew");
}

#[test]
fn letters_arrive_over_a_link_that_is_cut() {
    let (server, browser) = (Server::site("typing"), Browser::start());
    let proxy = Proxy::to(server.port());
    let mut page = open(&browser, &proxy, 50);
    page.server_may_be_away();
    page.click("#anew");
    let between = format!("[{LETTERS}]");
    for (field, from, to) in [
        ("#plain", 10, 40),
        ("#live", 3, 50),
        ("#loud", 20, 21),
        ("#area", 30, 59),
    ] {
        type_between_brackets(&mut page, field, |i| {
            if i == from {
                proxy.cut();
            } else if i == to {
                proxy.mend();
            }
        });
        assert!(
            page.value(field).eq_ignore_ascii_case(&between),
            "{field}: {}",
            page.value(field)
        );
    }
    page.press("Tab");
    page.click("#stop");
    everything_arrived(&mut page, &between, &between, &between, &between);
}

#[test]
fn what_is_pasted_composed_and_filled_in_arrives() {
    let (server, browser) = (Server::site("typing"), Browser::start());
    let proxy = Proxy::to(server.port());
    let mut page = open(&browser, &proxy, 50);
    page.click("#calm");
    // An input method: its half-made text is not sent, and not disturbed by what the server says.
    page.click("#live");
    page.compose("ni");
    page.compose("nih");
    sleep(Duration::from_millis(300));
    assert_eq!(page.value("#live"), "nih");
    assert_eq!(page.text("#mirror"), "|||", "half a word was sent");
    page.insert_text("你好");
    page.wait_for("document.querySelector('#mirror').textContent === '|你好||'");
    // Pasted text comes as one piece.
    page.click("#area");
    page.insert_text("pasted\ntext");
    page.wait_for("document.querySelector('#mirror').textContent === '|你好||pasted\\ntext'");
    // A browser that fills in a form tells of it by events alone, without focus.
    page.eval(
        "{ const e = document.querySelector('#plain'); e.value = 'filled'; \
           e.dispatchEvent(new Event('input', { bubbles: true })); e.dispatchEvent(new Event('change', { bubbles: true })) }",
    );
    page.wait_for("document.querySelector('#mirror').textContent === 'filled|你好||pasted\\ntext'");
    page.click("#stop");
}
