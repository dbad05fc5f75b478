//! What a server keeps of its sessions, looked at by `lunette inspect`: while it runs, after `kill -9`, torn,
//! set aside, and over edits of the site; and what of it nobody sees.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::rc::Rc;

use lunette::journal::{Reader, RealDisk, Rules, Store};

use super::cdp::{Browser, Page};
use super::inspect::{DESK, go_to, open, wait_for_turn};
use super::pictures::picture;
use super::recordings::Copy;
use super::server::Server;
use crate::bench_process as process;

const MAIN: &str = r#"
App = session:prototype("App", { count = 0, word = "", users = EMPTY, told = "" })
User = session:prototype("User", { name = "", pin = "" })
local app = session:create(App)
app.users = { session:create(User, { name = "Bo" }), session:create(User, { name = "Cy" }) }
function App:add() self.count = self.count + 1 end
function App:length() return #self.word end
function App:join(form) self.told = form.mail .. " " .. #form.key end
session:createAppVariable(app)
"#;
const APP: &str = r#"<template><main>
  <h1 ui-value="count"></h1><button id="add" ui-action="add()">Add</button>
  <label>Word <input id="word" type="password" ui-value="word"></label><output id="length" ui-value="length()"></output>
  <div id="users" ui-viewlist="users"></div>
  <form ui-submit="join(_)"><input name="mail"><input name="key"><button id="join">Join</button></form><p id="told" ui-value="told"></p>
</main></template>"#;
const USER: &str =
    r#"<template><p class="user"><b ui-value="name"></b> <input ui-value="pin"></p></template>"#;
const CONFIG: &str = "[journal]\nsecret = [\"users.*.pin\", \"join(_).key\"]\n";
const SECRETS: [&str; 3] = ["hunter2", "swordfish", "opensesame"];

fn site() -> Copy {
    let site = Copy::of("tests/sites/counter");
    for (name, text) in [
        ("lua/main.lua", MAIN),
        ("viewdefs/App.DEFAULT.html", APP),
        ("viewdefs/User.list-item.html", USER),
        ("lunette.toml", CONFIG),
    ] {
        fs::write(site.0.join(name), text).expect("a file of the site");
    }
    site
}

/// Somebody types all that is secret.
fn use_it(page: &mut Page) {
    page.wait_for("document.querySelectorAll('.user').length === 2");
    page.fill("#word", SECRETS[0]);
    page.press("Tab");
    page.wait_for_text("#length", "7");
    page.fill(".user:nth-child(2) input", SECRETS[1]);
    page.press("Tab");
    page.fill("[name=mail]", "a@b.org");
    page.fill("[name=key]", SECRETS[2]);
    page.click("#join");
    page.wait_for_text("#told", "a@b.org 10");
    page.click("#add");
    page.wait_for_text("h1", "1");
}

fn session_of(page: &mut Page) -> String {
    let path = page.eval("location.pathname");
    path.as_str().expect("a path")[1..].to_owned()
}

fn lunette(command: &str, what: &str, site: &Path, state: &Path) -> Command {
    let mut lunette = Command::new(env!("CARGO_BIN_EXE_lunette"));
    lunette.arg(command).arg(what).arg("--dir").arg(site);
    lunette.arg("--state").arg(state);
    lunette
}

fn inspect(what: &str, site: &Path, state: &Path) -> process::Server {
    process::Server::start(&mut lunette("inspect", what, site, state)).expect("it can be inspected")
}

#[track_caller]
fn no_secrets(text: &str) {
    for secret in SECRETS {
        assert!(!text.contains(secret), "{secret} in\n{text}");
    }
}

#[test]
fn what_is_secret_is_on_no_page_and_in_no_test() {
    let (site, browser) = (site(), Browser::start());
    let server = Server::keeping_of(&site.0, &["--dev"]);
    let mut page = browser.open(&server.url("/"));
    page.record();
    use_it(&mut page);
    page.save_recording("all");
    let test = fs::read_to_string(site.0.join("tests/all.lunette")).expect("it was saved");
    no_secrets(&test);
    for line in [
        "set word \"***\"",
        "set users[1].pin \"***\"",
        "submit join(_) {\"key\":\"***\",\"mail\":\"a@b.org\"}",
        "call add()",
    ] {
        assert!(test.lines().any(|known| known == line), "{line} in\n{test}");
    }
    let sid = session_of(&mut page);
    let transcript = lunette("transcript", &sid, &site.0, server.state());
    let shown = { transcript }.output().expect("it runs").stdout;
    let shown = String::from_utf8_lossy(&shown);
    no_secrets(&shown);
    assert!(shown.contains("***"), "{shown}");

    let inspector = inspect(&sid, &site.0, server.state());
    let mut page = open(&browser, &inspector, DESK);
    page.wait_for("document.querySelector('#slider').max > 3");
    let last = page.eval("Number(document.querySelector('#slider').max)");
    let last = last.as_u64().expect("a number");
    let mut seen = String::new();
    for show in ["#whole", "#show-objects"] {
        page.press("Home");
        page.click(show);
        for turn in 1..=last {
            wait_for_turn(&mut page, &turn.to_string());
            page.wait_for("document.querySelectorAll('#variables > li, #fields > li').length");
            page.wait_for("!document.querySelector('[aria-busy=true]')");
            let text = page.eval("document.body.textContent");
            seen.push_str(text.as_str().expect("text"));
            page.press("ArrowRight");
        }
    }
    no_secrets(&seen);
    assert!(seen.contains("set word = \"***\"") && seen.contains("a@b.org"));
    for (name, value) in [("count", "1"), ("word", "\"***\"")] {
        let field = format!(
            "[...document.querySelectorAll('#fields > li')].find(row => row.querySelector('.name, .link').textContent === '{name}')"
        );
        page.wait_for(&format!("{field}?.textContent.includes('{value}')"));
    }
    // Nor can it be looked for.
    page.press("Home");
    page.fill("#text", SECRETS[1]);
    page.press("Enter");
    page.wait_for_text(".timeline-told", "No later turn has “swordfish”");
    page.fill("#text", "A@B.ORG");
    page.press("Enter");
    page.wait_for("document.querySelector('#label').textContent.startsWith('call join(_) with')");
}

/// What was committed last goes to the journals, as when a server begins.
fn settle(state: &Path) {
    Store::open(Rc::new(RealDisk), state, Rules::default()).expect("nobody uses it");
}

/// A journal of the state directory, by its ending.
fn journal(server: &Server, sid: &str, ending: &str) -> PathBuf {
    server.state().join(format!("sessions/{sid}.{ending}"))
}

/// The page tells this of the recording.
fn has_note(page: &mut Page, text: &str) {
    page.wait_for(&format!(
        "document.querySelector('#notes')?.textContent.includes('{text}')"
    ));
}

/// Each frame that was sent is there, and nothing differs.
fn has_frames(page: &mut Page) {
    go_to(page, "call add()");
    page.wait_for("document.querySelector('#entries .out pre').textContent.includes('\"value\":')");
    assert_eq!(
        page.eval("document.querySelector('#divergence')"),
        serde_json::Value::Null
    );
}

#[test]
fn journals_are_looked_at_whatever_became_of_their_sessions() {
    let (site, browser) = (site(), Browser::start());
    let mut server = Server::keeping_of(&site.0, &[]);
    let mut page = browser.open(&server.url("/"));
    page.server_may_be_away();
    use_it(&mut page);
    let sid = session_of(&mut page);
    let state = server.state().to_owned();
    let look = |what: &str| {
        let inspector = inspect(what, &site.0, &state);
        let page = open(&browser, &inspector, DESK);
        (inspector, page)
    };
    // While the server runs, and has it open.
    let (_inspector, mut it) = look(&sid);
    has_frames(&mut it);
    has_note(&mut it, "this is a journal");
    it.screenshot(&picture("inspect-journal"));

    // Edited while nobody was there: the journal goes on with it.
    server.kill();
    let path = site.0.join("lua/main.lua");
    fs::write(&path, MAIN.replace("self.count + 1", "self.count + 10")).expect("edited");
    server.restart();
    page.wait_for("uiApp.getConnection().link.open");
    page.click("#add");
    page.wait_for_text("h1", "11");
    server.kill();
    let (_inspector, mut it) = look(&sid);
    let edited = go_to(&mut it, "site changed");
    it.wait_for("document.querySelector('#entries').textContent.includes('lua/main.lua')");
    it.screenshot(&picture("inspect-journal-edited"));
    it.press("End");
    it.wait_for("document.querySelector('#on').disabled");
    assert_ne!(it.text("#moment-title"), format!("Turn {edited}"));
    it.click("#whole");
    it.wait_for("[...document.querySelectorAll('#variables > li')].some(row => row.textContent.includes('count') && row.textContent.includes('11'))");

    // A write that was cut off, of a journal that has all of it.
    settle(&state);
    let file = journal(&server, &sid, "lnt");
    let whole = fs::read(&file).expect("readable");
    fs::write(&file, [&whole[..], &[0x7f, 1]].concat()).expect("written");
    let (_inspector, mut it) = look(file.to_str().expect("UTF-8"));
    has_frames(&mut it);
    has_note(&mut it, "unfinished record (2 bytes)");

    // Set aside, and found all the same; a session that had not begun.
    let aside = journal(&server, &sid, "quarantined");
    fs::rename(&file, &aside).expect("renamed");
    let (_inspector, mut it) = look(&sid);
    has_frames(&mut it);
    let start = Reader::open(&aside).expect("whole").header_bytes();
    fs::write(&aside, &whole[..start]).expect("written");
    let inspector = inspect(&sid, &site.0, &state);
    let mut it = browser.blank();
    it.goto(&format!("http://{}/", inspector.address));
    it.wait_for("document.querySelector('h1')?.textContent");
    it.wait_for("document.body.textContent.includes('Nothing happened')");
    it.screenshot(&picture("inspect-journal-empty"));

    fs::write(&aside, &whole).expect("written");
    fs::rename(&aside, &file).expect("renamed");
}
