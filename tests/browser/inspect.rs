//! `lunette inspect`: sessions are recorded in a browser, and looked at in a browser.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use lunette::core::site::Site;
use lunette::journal::{Header, Reader, Writer};

use super::cdp::{Browser, POLLS_MAX, Page};
use super::looks::{axe, in_both_themes};
use super::server::Server;
use crate::bench_process as process;

/// A recording of one test, removed at its end.
struct Recording(PathBuf);

impl Recording {
    /// A copy of what a server has recorded so far.
    fn of(server: &Server) -> Recording {
        let from = server.recording();
        let name = from.file_name().expect("a name");
        let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::copy(&from, &file).expect("a recording can be copied");
        Recording(file)
    }

    /// The same events and frames, as if a file of the site had said something else.
    fn edit_site(&self, path: &str, from: &str, to: &str) {
        let reader = Reader::open(&self.0).expect("it is whole");
        let header = reader.header();
        let files = header.site.files().map(|(name, content)| {
            let text = String::from_utf8(content.to_vec()).expect("text");
            let text = if name == path {
                text.replace(from, to)
            } else {
                text
            };
            (name.to_owned(), text.into_bytes())
        });
        let site = Site::new(files.collect());
        assert_ne!(site, header.site, "{path} says {from}");
        let edited = Header {
            site,
            ..header.clone()
        };
        fs::remove_file(&self.0).expect("it is there");
        let mut writer = Writer::create(&self.0, &edited).expect("it can be written");
        let mut turn = 0;
        for record in reader.records() {
            if std::mem::replace(&mut turn, record.turn_number) != record.turn_number {
                writer.commit().expect("it can be written");
            }
            writer.event(record.turn, &record.event);
            record
                .outputs
                .iter()
                .for_each(|output| writer.output(output));
        }
        writer.commit().expect("it can be written");
    }

    /// `lunette inspect` of it, on a free port.
    fn inspect(&self) -> process::Server {
        process::Server::start(&mut inspect(&self.0)).expect("the recording can be inspected")
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn inspect(file: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lunette"));
    command.arg("inspect").arg(file);
    command
}

/// The page of a recording that has been read, in a tab of this size.
pub fn open(browser: &Browser, server: &process::Server, (width, height): (u32, u32)) -> Page {
    let mut page = browser.blank();
    page.size(width, height);
    page.dark(false);
    page.goto(&format!("http://{}/", server.address));
    page.wait_for("document.querySelector('#moment-title')?.textContent");
    // Keys are for what has the focus.
    page.wait_for("document.querySelector('main').contains(document.activeElement)");
    page
}

pub const DESK: (u32, u32) = (1280, 900);

/// Somebody looks for a contact, gives it another company, and fails to add one.
fn record_the_demo(browser: &Browser) -> Recording {
    let server = Server::demo();
    let mut page = super::open_demo(&server, browser);
    page.click("#search");
    page.type_text("berg");
    page.wait_for("document.querySelectorAll('.contact-row').length < 25");
    page.click(".contact-row:nth-child(1) button");
    page.click("#edit-contact");
    page.fill("#field-company", "Sable & Thread");
    page.press("Tab");
    // On its own: sent together with the click, it would be one turn.
    wait_until_recorded(&mut page, &server, "Sable & Thread");
    page.click("#save-contact");
    page.wait_for_text(
        ".contact-row:nth-child(1) td:nth-child(2)",
        "Sable & Thread",
    );
    page.click("#add-contact");
    // Not the form of the contact before.
    page.wait_for("document.querySelector('#field-name')?.value === ''");
    page.click("#save-contact");
    page.wait_for("document.querySelector('#problem-name').textContent");
    Recording::of(&server)
}

/// Waits until the recording has this text.
fn wait_until_recorded(page: &mut Page, server: &Server, text: &str) {
    for _ in 0..POLLS_MAX {
        let bytes = fs::read(server.recording()).expect("it can be read");
        if bytes
            .windows(text.len())
            .any(|part| part == text.as_bytes())
        {
            return;
        }
        page.eval("new Promise(done => setTimeout(done, 50))");
    }
    panic!("{text} was never recorded");
}

/// Three clicks that count, one whose method raises an error, and one more.
fn record_an_error(browser: &Browser) -> Recording {
    let server = Server::site("hostile_error");
    let mut page = browser.open(&server.url("/"));
    for (button, count) in [
        ("increment", 1),
        ("increment", 2),
        ("increment", 3),
        ("attack", 103),
        ("increment", 104),
    ] {
        page.click(&format!("#{button}"));
        page.wait_for_text("#count", &count.to_string());
    }
    Recording::of(&server)
}

/// The turn that the whole page shows.
pub fn wait_for_turn(page: &mut Page, turn: &str) {
    page.wait_for_text("#moment-title", &format!("Turn {turn}"));
    page.wait_for(&format!("document.querySelector('#slider').value === '{turn}' && document.querySelector('#number').value === '{turn}'"));
    page.wait_for_text("#near [aria-current] .num", turn);
}

/// Goes to the only turn in the list around the present one with this label, and tells its number.
pub fn go_to(page: &mut Page, label: &str) -> String {
    let find = format!(
        "[...document.querySelectorAll('.near')].find(row => row.querySelector('.link').textContent.startsWith({label:?}))"
    );
    page.wait_for(&find);
    let turn = page.eval(&format!("{find}.querySelector('.num').textContent"));
    let turn = turn.as_str().expect("a number").to_owned();
    page.eval(&format!("{find}.querySelector('.link').click()"));
    wait_for_turn(page, &turn);
    turn
}

/// Puts the slider somewhere, as a drag does.
fn slide(page: &mut Page, to: &str) {
    page.eval(&format!(
        "(slider => {{ slider.value = {to}; slider.dispatchEvent(new Event('input', {{ bubbles: true }})) }})(document.querySelector('#slider'))"
    ));
}

/// The rows of a list, each as the texts of its name, its old value and its value.
pub fn rows(page: &mut Page, list: &str) -> Vec<[String; 3]> {
    let rows = page.eval(&format!(
        "[...document.querySelectorAll('{list} > li')].map(row => {{
            const shown = (selector) => [...row.querySelectorAll(selector)].filter(e => !e.hidden).map(e => e.textContent).join('');
            return [shown('.name, .link:first-child'), shown('.was'), shown('.value > :not(.was)')];
        }})"
    ));
    serde_json::from_value(rows).expect("rows of three texts")
}

fn wait_for_row(page: &mut Page, list: &str, row: [&str; 3]) {
    let mut found = Vec::new();
    for _ in 0..POLLS_MAX {
        found = rows(page, list);
        if found.iter().any(|found| *found == row) {
            return;
        }
        page.eval("new Promise(done => setTimeout(done, 50))");
    }
    panic!("{row:?} is not in {found:?}");
}

#[test]
fn a_recording_is_looked_at_turn_by_turn() {
    let browser = Browser::start();
    let recording = record_the_demo(&browser);
    let server = recording.inspect();
    let mut page = open(&browser, &server, DESK);
    wait_for_turn(&mut page, "1");
    assert_eq!(
        page.eval("document.title"),
        page.eval("document.querySelector('h1').textContent + ' – Lunette'")
    );
    let last = page.eval("document.querySelector('#slider').max");
    let last = last.as_str().expect("a number");
    slide(&mut page, last);
    wait_for_turn(&mut page, last);
    page.wait_for("document.querySelector('#on').disabled");

    let saved = go_to(&mut page, "set page.panel.company.value");
    page.wait_for("document.querySelector('#variables > li')");
    let company = ["page.panel.company.value", "", "\"Sable & Thread\""];
    let changed = rows(&mut page, "#variables");
    assert!(
        changed
            .iter()
            .any(|row| row[0] == company[0] && !row[1].is_empty() && row[2] == company[2]),
        "{changed:?}"
    );
    assert_eq!(
        page.eval("document.querySelectorAll('#variables > li:not(.changed, .new, .gone)').length"),
        0
    );
    page.wait_for(
        "document.querySelector('#entries .in pre').textContent.includes('Sable & Thread')",
    );

    // The tree has all, and what did not change is not marked.
    page.click("#whole");
    page.wait_for(
        "document.querySelectorAll('#variables > li:not(.changed, .new, .gone)').length > 100",
    );
    page.fill("#filter", "panel.company");
    page.wait_for("[...document.querySelectorAll('#variables .name')].every(name => name.title && name.textContent === 'company.value')");

    // When did it change? Each value leads to its turn, and the present one is marked.
    page.click("#variables .name");
    page.wait_for("document.querySelectorAll('#changes > li').length > 1");
    page.wait_for_text("#changes [aria-current] .link", &format!("Turn {saved}"));
    page.click("#changes > li:first-child .link");
    page.wait_for("document.querySelector('#changes > li:first-child').ariaCurrent === 'true'");
    assert_ne!(page.text("#moment-title"), format!("Turn {saved}"));
    page.click("#close-history");
    page.wait_for("!document.querySelector('#changes')");
}

#[test]
fn the_objects_of_the_app_are_there_at_every_turn() {
    let browser = Browser::start();
    let recording = record_the_demo(&browser);
    let server = recording.inspect();
    let mut page = open(&browser, &server, DESK);
    page.press("End");
    page.click("#show-objects");
    page.wait_for("document.querySelector('#object-told').textContent.startsWith('App, 4 fields')");
    page.click("#fields > li:nth-child(2) .object");
    page.wait_for_text("#crumbs [aria-current]", "contacts");
    page.wait_for("document.querySelector('#object-told').textContent.startsWith('Contacts, ')");
    wait_for_row(&mut page, "#fields", ["query", "", "\"berg\""]);

    // Saving changes the contact: an object two steps away.
    let saved = go_to(&mut page, "call page.panel.save()");
    page.wait_for("[...document.querySelectorAll('#changed-fields .link')].some(link => link.textContent === 'contacts.selected.company')");
    wait_for_row(&mut page, "#fields", ["revision", "0", "1"]);

    // The same object before and after, and the turns at which the field was something else.
    page.eval("[...document.querySelectorAll('#fields > li')].find(row => row.textContent.includes('revision')).querySelector('.name').click()");
    page.wait_for_text("#history-title .code", "contacts.revision");
    page.wait_for("document.querySelectorAll('#changes > li').length === 2");
    page.wait_for_text("#changes [aria-current] .link", &format!("Turn {saved}"));
    page.press("ArrowLeft");
    page.wait_for("document.querySelector('#object-told').textContent.startsWith('Contacts, ')");
    page.wait_for("[...document.querySelectorAll('#fields > li')].some(row => /^revision.*0$/.test(row.textContent.replace(/\\s/g, '')))");
    page.click("#crumbs > li:first-child .link");
    page.wait_for("document.querySelector('#object-told').textContent.startsWith('App, 4 fields')");
}

#[test]
fn errors_and_texts_are_a_jump_away() {
    let browser = Browser::start();
    let recording = record_an_error(&browser);
    let server = recording.inspect();
    let mut page = open(&browser, &server, DESK);
    page.wait_for_text(".inspect-head .badge", "1 error");
    page.click("#next-error");
    page.wait_for_text("#label", "call attack()");
    page.wait_for_text("#faults b", "attack()");
    page.wait_for("document.querySelector('#log').textContent.includes('stack traceback')");
    page.wait_for("document.querySelectorAll('.timeline-bar.trouble').length === 1");
    let at = page.text("#moment-title");
    page.click("#next-error");
    page.wait_for_text(".timeline-told", "No later turn has an error");
    assert_eq!(page.text("#moment-title"), at);

    page.press("Home");
    wait_for_turn(&mut page, "1");
    page.click("#text");
    page.type_text("CALL ATTACK");
    page.press("Enter");
    page.wait_for_text("#label", "call attack()");
    page.fill("#text", "no such thing");
    page.press("Shift+Enter");
    page.wait_for_text(".timeline-told", "No earlier turn has “no such thing”");
}

#[test]
fn the_keyboard_steps_through_the_turns() {
    let browser = Browser::start();
    let recording = record_an_error(&browser);
    let server = recording.inspect();
    let mut page = open(&browser, &server, DESK);
    // The slider has the focus from the start. One key is one turn, also on it.
    page.wait_for("document.activeElement.id === 'slider'");
    page.press("ArrowRight");
    wait_for_turn(&mut page, "2");
    page.press("ArrowRight");
    wait_for_turn(&mut page, "3");
    page.press("ArrowLeft");
    wait_for_turn(&mut page, "2");
    page.press("ArrowLeft");
    page.press("ArrowLeft");
    wait_for_turn(&mut page, "1");
    page.press("End");
    page.wait_for("document.querySelector('#on').disabled");
    page.press("PageUp");
    page.press("PageDown");
    page.wait_for("document.querySelector('#on').disabled");

    // Elsewhere on the page the keys do the same.
    page.click("#moment-title");
    page.press("Home");
    wait_for_turn(&mut page, "1");
    page.press("Shift+ArrowRight");
    wait_for_turn(&mut page, "2");

    // In a field they are for its text.
    page.click("#text");
    page.type_text("ac");
    page.press("ArrowLeft");
    page.type_text("b");
    assert_eq!(page.value("#text"), "abc");
    wait_for_turn(&mut page, "2");
    page.fill("#number", "4");
    page.press("Enter");
    wait_for_turn(&mut page, "4");
}

#[test]
fn a_recording_that_comes_out_differently_says_where() {
    let browser = Browser::start();
    let recording = record_an_error(&browser);
    recording.edit_site("lua/main.lua", "self.count + 1\n", "self.count + 2\n");
    let server = recording.inspect();
    let mut page = open(&browser, &server, DESK);
    page.wait_for("document.querySelector('#divergence-title')?.textContent.endsWith('comes out differently')");
    page.wait_for("document.querySelector('#recorded').textContent.includes('\"value\":1') && document.querySelector('#replayed').textContent.includes('\"value\":2')");
    // It is where one begins, and the last there is.
    page.wait_for_text("#label", "call increment()");
    page.wait_for("document.querySelector('#on').disabled");
    wait_for_row(&mut page, "#variables", ["count", "0", "2"]);
    page.press("Home");
    wait_for_turn(&mut page, "1");
    page.click("#go-divergence");
    page.wait_for_text("#label", "call increment()");
}

#[test]
fn a_torn_recording_shows_what_is_whole() {
    let browser = Browser::start();
    let recording = record_an_error(&browser);
    let bytes = fs::read(&recording.0).expect("it is there");
    fs::write(&recording.0, &bytes[..bytes.len() - 5]).expect("it can be cut");
    let server = recording.inspect();
    let mut page = open(&browser, &server, DESK);
    page.wait_for("document.querySelector('#notes li')?.textContent.includes('unfinished record')");
    page.press("End");
    page.wait_for("document.querySelector('#on').disabled");
}

#[test]
fn the_inspector_is_fit_for_everybody() {
    let (browser, axe) = (Browser::start(), axe());
    let (demo, diverging) = (record_the_demo(&browser), record_an_error(&browser));
    diverging.edit_site("lua/main.lua", "self.count + 1\n", "self.count + 2\n");
    let (demo, diverging) = (demo.inspect(), diverging.inspect());
    let mut findings = Vec::new();
    for size in [(360, 780), DESK] {
        let width = size.0;
        let mut look = |page: &mut Page, scene: &str| {
            // Rows are there before what they say is.
            page.wait_for(
                "[...document.querySelectorAll('button')].every((b) => b.textContent.trim() || b.ariaLabel || b.title)",
            );
            in_both_themes(
                page,
                &axe,
                &format!("inspect-{scene}-{width}"),
                &mut findings,
            );
        };
        let mut page = open(&browser, &demo, size);
        look(&mut page, "start");
        page.press("End");
        go_to(&mut page, "call page.panel.save()");
        page.press_button("#variables .name");
        page.wait_for("document.querySelector('#changes > li')");
        look(&mut page, "history");
        page.press_button("#whole");
        page.wait_for("document.querySelectorAll('#variables > li').length > 100");
        page.eval("document.querySelector('.inspect-state').scrollIntoView()");
        look(&mut page, "tree");
        page.press_button("#show-objects");
        page.wait_for("document.querySelectorAll('#fields > li').length > 3");
        page.press_button("#fields > li:nth-child(2) .object");
        page.wait_for("document.querySelectorAll('#fields > li').length > 10");
        look(&mut page, "objects");
        let mut page = open(&browser, &diverging, size);
        page.wait_for("document.querySelector('#divergence-title')");
        look(&mut page, "divergence");
    }
    assert!(findings.is_empty(), "{}", findings.join("\n"));
}

/// What the program says of a file, and its exit code.
fn refusal(file: &Path) -> (Option<i32>, String) {
    let output = inspect(file).output().expect("lunette runs");
    (
        output.status.code(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}

#[test]
fn what_cannot_be_inspected_is_refused() {
    let browser = Browser::start();
    let recording = record_an_error(&browser);
    drop(browser);
    let (code, text) = refusal(Path::new("Cargo.toml"));
    assert!(
        code == Some(1) && text.contains("not a recording"),
        "{code:?} {text}"
    );
    let (code, text) = refusal(Path::new("no/such.lnt"));
    assert!(
        code == Some(1) && text.contains("no/such.lnt"),
        "{code:?} {text}"
    );
    let bytes = fs::read(&recording.0).expect("it is there");

    // A port that is taken, and nothing left behind: what is looked at there is nobody's session.
    let state = recording.0.with_extension("state");
    let mut command = inspect(&recording.0);
    command
        .args(["--port", "0"])
        .env("XDG_STATE_HOME", &state)
        .env("HOME", &state);
    let server = process::Server::start(&mut command).expect("it listens");
    assert!(server.address.ip().is_loopback());
    let session = crate::bench_client::new_session(server.address).expect("a session");
    crate::bench_client::Socket::attach(server.address, &session).expect("it can be joined");
    assert!(!state.exists(), "it was written into {}", state.display());
    let mut second = inspect(&recording.0);
    let port = server.address.port().to_string();
    let output = second
        .args(["--port", &port])
        .output()
        .expect("lunette runs");
    assert_eq!(output.status.code(), Some(4));

    let mut damaged = bytes;
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    fs::write(&recording.0, damaged).expect("it can be written");
    let (code, text) = refusal(&recording.0);
    assert!(
        code == Some(1) && text.contains("damaged at byte"),
        "{code:?} {text}"
    );
}
