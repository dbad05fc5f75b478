//! `lunette inspect`: sessions are recorded in a browser, and looked at in a browser.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::cdp::{Browser, Page};
use super::pictures::picture;
use super::server::Server;
use crate::bench_process as process;

/// `lunette inspect FILE`, on a free port.
fn inspect(file: &Path) -> process::Server {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lunette"));
    command.arg("inspect").arg(file);
    process::Server::start(&mut command).expect("the recording can be inspected")
}

/// The page of a recording that has been read.
fn open(browser: &Browser, server: &process::Server) -> Page {
    let mut page = browser.open(&format!("http://{}/", server.address));
    page.wait_for("document.querySelector('#moment-title')?.textContent");
    page
}

/// A copy of a recording that stays when its server is gone.
fn kept(server: &Server, name: &str) -> PathBuf {
    let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::copy(server.recording(), &file).expect("a recording can be copied");
    file
}

/// Somebody uses the demo's address book.
fn record_the_demo(browser: &Browser) -> PathBuf {
    let server = Server::demo();
    let mut page = super::open_demo(&server, browser);
    page.click("#search");
    page.type_text("berg");
    page.wait_for("document.querySelectorAll('.contact-row').length < 25");
    page.click(".contact-row:nth-child(1) button");
    page.click("#edit-contact");
    page.fill("#field-company", "Sable & Thread");
    page.click("#save-contact");
    page.wait_for_text(
        ".contact-row:nth-child(1) td:nth-child(2)",
        "Sable & Thread",
    );
    page.click("#add-contact");
    page.click("#save-contact");
    page.wait_for("document.querySelector('#problem-name').textContent");
    kept(&server, "inspect-demo.lnt")
}

#[test]
fn explore() {
    let browser = Browser::start();
    let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("inspect-demo.lnt");
    let file = if file.exists() && std::env::var_os("AGAIN").is_none() {
        file
    } else {
        record_the_demo(&browser)
    };
    let server = inspect(&file);
    for (width, height) in [(1280, 900), (360, 780)] {
        for theme in ["light", "dark"] {
            let mut page = browser.blank();
            page.size(width, height);
            page.dark(theme == "dark");
            page.goto(&format!("http://{}/", server.address));
            page.wait_for("document.querySelector('#moment-title')?.textContent");
            let name = |n: u32| picture(&format!("explore-{n}-{width}-{theme}"));
            page.screenshot(&name(1));
            page.press("End");
            page.wait_for("document.querySelector('#back')");
            for _ in 0..5 {
                page.press("ArrowLeft");
            }
            page.eval("new Promise(done => setTimeout(done, 800))");
            page.click("#variables .link.name");
            page.eval("new Promise(done => setTimeout(done, 1500))");
            page.screenshot(&name(2));
            page.click("#show-objects");
            page.eval("new Promise(done => setTimeout(done, 1500))");
            page.click("#fields li:nth-child(2) .object");
            page.eval("new Promise(done => setTimeout(done, 1500))");
            page.screenshot(&name(3));
            let height = page
                .eval("document.documentElement.scrollHeight")
                .as_u64()
                .unwrap();
            page.size(width, height as u32);
            page.screenshot(&name(4));
        }
    }
}
