//! Pages that lose their connection, their login, their session or their server.

use std::fs;
use std::ops::Range;
use std::panic::resume_unwind;
use std::path::PathBuf;
use std::thread::{self, sleep};
use std::time::Duration;

use serde_json::json;

use super::cdp::{Browser, POLL_PAUSE, POLLS_MAX, Page};
use super::proxy::Proxy;
use super::server::Server;
use crate::dice::Dice;

/// A copy of `tests/sites/NAME` that can be edited and configured; removed afterwards.
struct Copy(PathBuf);

impl Copy {
    fn of(name: &str, settings: &str) -> Copy {
        let from = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
            .join("tests/sites")
            .join(name);
        let number = Proxy::next_number();
        let to = PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("copy-{}-{number}", std::process::id()));
        for folder in ["lua", "viewdefs"] {
            fs::create_dir_all(to.join(folder)).expect("a folder");
            for entry in fs::read_dir(from.join(folder)).expect("the site").flatten() {
                fs::copy(entry.path(), to.join(folder).join(entry.file_name())).expect("a file");
            }
        }
        fs::write(to.join("lunette.toml"), settings).expect("the settings");
        Copy(to)
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Opens the typing site through a proxy.
fn open_typing(browser: &Browser, proxy: &Proxy) -> Page {
    let mut page = browser.open(&proxy.url("/"));
    page.server_may_be_away();
    page.wait_for("document.querySelector('#mirror')?.textContent === '|||'");
    page
}

const MIRROR: &str = "document.querySelector('#mirror')?.textContent";

#[test]
fn what_is_done_while_the_link_is_cut_is_done_once_when_it_is_back() {
    let (server, browser) = (Server::site("typing"), Browser::start());
    let proxy = Proxy::to(server.port());
    let mut page = open_typing(&browser, &proxy);
    page.eval("document.querySelector('section').seenBefore = true");
    page.click("#click");
    page.wait_for_text("#clicks", "1");
    proxy.cut();
    page.fill("#live", "typed while away");
    page.click("#click");
    page.click("#click");
    page.wait_for("/reconnecting/i.test(document.querySelector('.ui-reconnecting')?.textContent)");
    assert_eq!(page.text("#clicks"), "1");
    page.wait_for("document.querySelector('#click').getAttribute('aria-busy') === 'true'");
    proxy.mend();
    page.wait_for_text("#clicks", "3");
    page.wait_for(&format!("{MIRROR} === '|typed while away||'"));
    page.wait_for(
        "!document.querySelector('.ui-reconnecting') && !document.querySelector('[aria-busy]')",
    );
    assert_eq!(
        page.eval("document.querySelector('section').seenBefore"),
        true,
        "the page was made anew"
    );
    assert_eq!(
        page.eval("uiApp.getConnection().link.view"),
        1,
        "the view does not go on"
    );
}

/// What a page shows: texts and what is in the fields.
const SHOWN: &str = "[...document.querySelectorAll('.rows .row')].map(row => \
    row.innerText.trim() + ' [' + row.querySelector('input').value + ']').join('\\n') + \
    '\\n' + document.querySelector('#query').value";

/// The user does one thing. Returns how many rows there are after it.
fn act(page: &mut Page, dice: &mut Dice, step: usize, rows: usize) -> usize {
    match dice.roll(8) {
        0 | 1 => {
            let row = dice.roll(rows) + 1;
            let field = format!(".rows .row:nth-child({row}) input");
            page.eval(&format!("document.querySelector('{field}')?.focus()"));
            page.type_text(&format!("n{step}"));
        }
        2 => page.fill("#query", &format!("query {step}")),
        3 => {
            page.press_button("#insert");
            return rows + 1;
        }
        4 => {
            page.press_button("#append");
            return rows + 1;
        }
        5 if rows > 1 => {
            page.press_button("#delete");
            return rows - 1;
        }
        6 => page.press_button("#reverse"),
        _ => page.press_button("#move"),
    }
    rows
}

/// How many walks go on beside each other: they wait more than they work.
const LANES: usize = 4;

/// What a lane has of its own, and how many walks it has begun: on its server their sessions have these numbers.
struct Lane {
    browser: Browser,
    server: Server,
    proxy: Proxy,
    walks: usize,
}

/// Walks with all of these seeds. Returns the last view of each.
fn walk_all(site: &Copy, seeds: Range<u64>, beyond: bool) -> Vec<u64> {
    let seeds: Vec<u64> = seeds.collect();
    thread::scope(|scope| {
        let walk_some = |seeds: &[u64]| {
            let server = Server::with_flags(&site.0, &["-v"]);
            let mut lane = Lane {
                browser: Browser::start(),
                proxy: Proxy::to(server.port()),
                server,
                walks: 0,
            };
            let views = seeds.iter().map(|&seed| lane.walk(seed, beyond));
            views.collect::<Vec<_>>()
        };
        let lanes: Vec<_> = seeds
            .chunks(seeds.len().div_ceil(LANES))
            .map(|seeds| scope.spawn(move || walk_some(seeds)))
            .collect();
        let views = lanes
            .into_iter()
            .map(|lane| lane.join().unwrap_or_else(|panic| resume_unwind(panic)));
        views.flatten().collect()
    })
}

impl Lane {
    /// A walk with cuts after which the page is what one shows that was never cut. They last a two-hundredth of 5, 60
    /// and 300 s, and with `beyond` longer than the window by as much.
    fn walk(&mut self, seed: u64, beyond: bool) -> u64 {
        self.walks += 1;
        let mut dice = Dice::seeded(seed);
        let (mut page, mut never_cut) = self.open_twice();
        let mut rows = 12;
        for step in 0..25 {
            rows = act(&mut page, &mut dice, step, rows);
            if dice.roll(6) == 0 {
                let away = [25, 300, 1_500][dice.roll(3)];
                let view = page.eval("uiApp.getConnection().link.view");
                self.proxy.cut();
                // Half of the time something is done meanwhile.
                if dice.roll(2) == 0 {
                    page.press_button("#insert");
                    rows += 1;
                }
                if beyond {
                    let line = format!("session {}: view {view} is over", self.walks);
                    wait_for_log(&self.server, &line);
                }
                sleep(Duration::from_millis(away));
                self.proxy.mend();
                // As a computer tells its pages that it has a network again.
                page.eval("dispatchEvent(new Event('online'))");
            }
        }
        page.press("Tab");
        // All that was done has been heard.
        page.wait_for("(link => link.open && !link.kept.length)(uiApp.getConnection().link)");
        let all = format!("document.querySelectorAll('.rows .row').length === {rows}");
        page.wait_for(&all);
        never_cut.wait_for(&all);
        let mut shown = [json!(null), json!(0)];
        for _ in 0..POLLS_MAX {
            shown = [page.eval(SHOWN), never_cut.eval(SHOWN)];
            if shown[0] == shown[1] {
                break;
            }
            sleep(POLL_PAUSE);
        }
        assert_eq!(shown[0], shown[1], "seed {seed}");
        let view = page.eval("uiApp.getConnection().link.view");
        view.as_u64().unwrap_or(0)
    }

    /// A page with twelve rows behind the proxy, and the same session without it.
    fn open_twice(&self) -> (Page, Page) {
        let mut page = self.browser.open(&self.proxy.url("/"));
        page.server_may_be_away();
        page.wait_for("document.querySelector('#size')");
        page.fill("#size", "12");
        page.click("#fill");
        page.click("#plain");
        let all = "document.querySelectorAll('.rows .row input').length === 12";
        page.wait_for(all);
        let path = page.eval("location.pathname");
        let path = path.as_str().expect("a path");
        let mut never_cut = self.browser.open(&self.server.url(path));
        never_cut.wait_for(all);
        (page, never_cut)
    }
}

#[test]
fn after_any_cut_the_page_is_what_one_shows_that_was_never_cut() {
    let site = Copy::of("longlist", "[limits]\nresume_window = \"30s\"\n");
    let views = walk_all(&site, 1..21, false);
    assert_eq!(views, [1; 20], "a view did not go on");
}

#[test]
fn after_a_cut_that_lasts_too_long_it_is_the_same() {
    let site = Copy::of("longlist", "[limits]\nresume_window = \"100ms\"\n");
    let views = walk_all(&site, 21..25, true);
    assert!(
        views.iter().any(|&view| view > 2),
        "no view was made anew: {views:?}"
    );
}

#[test]
fn a_restarted_server_gets_a_new_session_with_what_was_typed() {
    let (mut server, browser) = (Server::site("typing"), Browser::start());
    let mut page = browser.open(&server.url("/"));
    page.server_may_be_away();
    page.wait_for(&format!("{MIRROR} === '|||'"));
    let before = page.eval("location.pathname");
    page.fill("#plain", "half a ");
    server.kill();
    page.type_text("sentence");
    page.wait_for("/reconnecting/i.test(document.body.innerText)");
    server.restart();
    page.wait_for(&format!("location.pathname !== {before}"));
    page.wait_for(
        "document.querySelector('.ui-toast-warning')?.textContent.includes('started again')",
    );
    assert_eq!(page.value("#plain"), "half a sentence");
    page.press("Tab");
    page.wait_for(&format!("{MIRROR} === 'half a sentence|||'"));
    // It is a session like any other.
    page.click("#click");
    page.wait_for_text("#clicks", "1");
    page.reload();
    page.wait_for(&format!("{MIRROR} === 'half a sentence|||'"));
}

#[test]
fn text_outlives_a_cut_in_which_its_template_is_edited() {
    let (site, browser) = (Copy::of("typing", ""), Browser::start());
    let server = Server::with_flags(&site.0, &["--hotload"]);
    let proxy = Proxy::to(server.port());
    let mut page = open_typing(&browser, &proxy);
    // A field that only its form knows.
    page.fill("[name=word]", "half a word");
    page.fill("#plain", "before");
    proxy.cut();
    page.type_text(" and after");
    let file = site.0.join("viewdefs/Card.DEFAULT.html");
    let template = fs::read_to_string(&file).expect("the template");
    fs::write(
        &file,
        template.replace("<section>", "<section><h2>Edited</h2>"),
    )
    .expect("saved");
    // The server has seen the edit when a page of its own shows it.
    let mut other = browser.open(&server.url("/"));
    other.wait_for("document.querySelector('h2')?.textContent === 'Edited'");
    proxy.mend();
    page.wait_for("document.querySelector('h2')?.textContent === 'Edited'");
    page.wait_for("document.querySelector('#plain').value === 'before and after'");
    page.wait_for("document.activeElement === document.querySelector('#plain')");
    page.type_text("!");
    page.press("Tab");
    page.wait_for(&format!("{MIRROR} === 'before and after!|||'"));
    assert_eq!(page.value("[name=word]"), "half a word");
    page.click("#take");
    page.wait_for_text("#word", "half a word");
}

#[test]
fn what_was_refused_stays_with_its_error_also_in_a_new_view() {
    let settings = "[limits]\nresume_window = \"100ms\"\n";
    let (site, browser) = (Copy::of("typing", settings), Browser::start());
    let server = Server::with_flags(&site.0, &["-v"]);
    let proxy = Proxy::to(server.port());
    let mut page = open_typing(&browser, &proxy);
    // One letter: the upper case of an accepted one may come back before the next is typed.
    page.fill("#loud", "!");
    page.wait_for("document.querySelector('#loud').classList.contains('ui-error')");
    proxy.cut();
    wait_for_the_end_of_the_view(&server, 1);
    proxy.mend();
    page.wait_for("uiApp.getConnection().link.view === 2");
    page.press_button("#click");
    page.wait_for_text("#clicks", "1");
    page.wait_for("document.querySelector('#loud').classList.contains('ui-error')");
    assert_eq!(page.value("#loud"), "!");
    page.fill("#loud", "yes");
    page.wait_for(&format!("{MIRROR} === '||YES|'"));
    page.wait_for("!document.querySelector('#loud').classList.contains('ui-error')");
}

#[test]
fn a_session_that_is_over_is_said_to_be() {
    let settings = "[limits]\nresume_window = \"100ms\"\nsession_timeout = \"100ms\"\n";
    let (site, browser) = (Copy::of("typing", settings), Browser::start());
    let server = Server::with_flags(&site.0, &["-v"]);
    let proxy = Proxy::to(server.port());
    let mut page = open_typing(&browser, &proxy);
    let before = page.eval("location.pathname");
    page.fill("#plain", "still here");
    proxy.cut();
    wait_for_log(&server, "session expired");
    proxy.mend();
    page.wait_for(
        "document.querySelector('[role=alertdialog]')?.textContent.includes('session has ended')",
    );
    assert_eq!(page.value("#plain"), "still here");
    assert_eq!(page.eval("location.pathname"), before);
    page.click(".ui-notice button");
    // It comes along.
    page.wait_for(&format!(
        "location.pathname !== {before} && {MIRROR} === 'still here|||'"
    ));
}

const LOGIN: [&str; 3] = [
    "HTTP/1.1 302 Found\r\nLocation: /login\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    "HTTP/1.1 401 Unauthorized\r\nContent-Type: text/html\r\nContent-Length: 14\r\nConnection: close\r\n\r\n<p>sign in</p>",
    "HTTP/1.1 403 Forbidden\r\nContent-Type: text/html\r\nContent-Length: 14\r\nConnection: close\r\n\r\n<p>sign in</p>",
];

/// A proxy with a login refuses the upgrade and what the page asks then; the page itself it lets through, as one does
/// whose login is renewed by coming back.
#[test]
fn an_expired_login_reloads_the_page_once_and_keeps_what_was_typed() {
    let (server, browser) = (Server::site("typing"), Browser::start());
    for answer in LOGIN {
        let proxy = Proxy::to(server.port());
        let mut page = open_typing(&browser, &proxy);
        page.fill("#plain", "not sent yet");
        page.eval("window.before = true");
        proxy.refuse(&["Upgrade: websocket", "application/json"], answer);
        page.wait_for("window.before === undefined && document.readyState === 'complete'");
        proxy.allow();
        page.wait_for(&format!("{MIRROR} === 'not sent yet|||'"));
        assert_eq!(page.value("#plain"), "not sent yet");
        // A login that is refused again within the minute is told, and reloads nothing.
        page.eval("window.before = true");
        page.fill("#live", "kept");
        proxy.refuse(&["Upgrade: websocket", "application/json"], answer);
        page.wait_for(
            "document.querySelector('[role=alertdialog]')?.textContent.includes('sign in')",
        );
        assert_eq!(page.eval("window.before"), true);
        assert_eq!(page.value("#live"), "kept");
    }
}

#[test]
fn what_is_typed_when_the_page_is_left_or_reloaded_is_delivered() {
    let (server, browser) = (Server::site("typing"), Browser::start());
    let proxy = Proxy::to(server.port());
    let mut page = open_typing(&browser, &proxy);
    // Not left with Tab or a click: the field has never been told that it is finished.
    page.fill("#plain", "in the field");
    page.reload();
    page.wait_for(&format!("{MIRROR} === 'in the field|||'"));
    // The same while nobody can be told.
    proxy.cut();
    page.fill("#plain", "and later");
    page.wait_for("!uiApp.getConnection().link.open");
    proxy.mend();
    page.eval("uiApp.getConnection().stop()");
    page.reload();
    page.wait_for(&format!("{MIRROR} === 'and later|||'"));
}

#[test]
fn a_dead_link_is_noticed_by_what_is_not_answered() {
    let (server, browser) = (Server::site("typing"), Browser::start());
    let proxy = Proxy::to(server.port());
    let mut page = open_typing(&browser, &proxy);
    // Nothing arrives any more, and nothing breaks.
    proxy.delay(10_000_000);
    page.click("#click");
    page.wait_for("uiApp.getConnection().link.kept.length > 0");
    proxy.delay(0);
    // Longer ago than any answer takes.
    page.eval("uiApp.getConnection().askedAt -= 60000");
    page.wait_for_text("#clicks", "1");
    assert_eq!(page.eval("uiApp.getConnection().link.view"), 1);
}

/// Rows whose objects moved while a page was away too long: what was done to a row is done to that row, or not at all.
#[test]
fn what_is_done_to_a_row_is_never_done_to_another() {
    let settings = "[limits]\nresume_window = \"100ms\"\n";
    let (site, browser) = (Copy::of("longlist", settings), Browser::start());
    let server = Server::with_flags(&site.0, &["-v"]);
    let proxy = Proxy::to(server.port());
    let mut page = browser.open(&proxy.url("/"));
    page.server_may_be_away();
    page.wait_for("document.querySelector('#size')");
    page.fill("#size", "4");
    page.click("#fill");
    page.click("#plain");
    page.wait_for("document.querySelectorAll('.rows .row input').length === 4");
    let path = page.eval("location.pathname");
    let mut other = browser.open(&server.url(path.as_str().expect("a path")));
    other.wait_for("document.querySelectorAll('.rows .row input').length === 4");
    let note = |row: u32| format!(".rows .row:nth-child({row}) input");
    // Alone: the note goes to its row, and then the new row comes before it.
    page.bring_to_front();
    proxy.cut();
    page.fill(&note(1), "for row 1");
    page.press_button("#insert");
    wait_for_the_end_of_the_view(&server, 1);
    proxy.mend();
    page.wait_for("document.querySelectorAll('.rows .row').length === 5");
    page.wait_for(&format!(
        "document.querySelector('{}').value === 'for row 1'",
        note(2)
    ));
    other.wait_for(&format!(
        "document.querySelector('{}').value === 'for row 1'",
        note(2)
    ));
    // Another row has come to its place meanwhile: the note is for none, and that is said.
    proxy.cut();
    page.fill(&note(3), "for row 2");
    page.press("Tab");
    wait_for_the_end_of_the_view(&server, 3);
    other.press_button("#insert");
    other.wait_for("document.querySelectorAll('.rows .row').length === 6");
    proxy.mend();
    page.wait_for("document.querySelectorAll('.rows .row').length === 6");
    page.wait_for(
        "document.querySelector('.ui-toast-warning')?.textContent.includes('look again')",
    );
    let notes = "[...document.querySelectorAll('.rows .row input')].map(e => e.value).join('|')";
    page.wait_for(&format!("{notes} === '||for row 1|||'"));
    other.wait_for(&format!("{notes} === '||for row 1|||'"));
}

/// The server has let go of the view whose connection was lost.
fn wait_for_the_end_of_the_view(server: &Server, view: u32) {
    wait_for_log(server, &format!("view {view} is over"));
}

fn wait_for_log(server: &Server, line: &str) {
    for _ in 0..POLLS_MAX {
        if server.log().contains(line) {
            return;
        }
        sleep(POLL_PAUSE);
    }
    panic!("the server never logs {line:?}");
}

#[test]
fn what_is_on_its_way_when_the_server_is_restarted_arrives() {
    let (mut server, browser) = (Server::site("typing"), Browser::start());
    let proxy = Proxy::to(server.port());
    let mut page = open_typing(&browser, &proxy);
    let before = page.eval("location.pathname");
    // Sent, and swallowed by a network that has not said that it is dead.
    proxy.delay(10_000_000);
    page.fill("#live", "on its way");
    page.click("#click");
    page.wait_for("uiApp.getConnection().link.kept.length > 1");
    server.restart();
    proxy.delay(0);
    proxy.drop_all();
    page.wait_for(&format!("location.pathname !== {before}"));
    page.wait_for(&format!("{MIRROR} === '|on its way||'"));
    assert_eq!(page.value("#live"), "on its way");
    // Whether the click was heard nobody knows: it is not made again, and that is said.
    page.wait_for("[...document.querySelectorAll('.ui-toast-warning')].some(t => t.textContent.includes('look again'))");
    assert_eq!(page.text("#clicks"), "0");
}

#[test]
fn what_is_too_long_to_be_sent_says_so_and_holds_nothing_up() {
    let (server, browser) = (Server::site("typing"), Browser::start());
    let mut page = browser.open(&server.url("/"));
    page.wait_for(&format!("{MIRROR} === '|||'"));
    page.eval(
        "{ const e = document.querySelector('#area'); e.value = 'x'.repeat(1100000); e.dispatchEvent(new Event('input')) }",
    );
    page.wait_for("document.querySelector('#area').classList.contains('ui-error')");
    page.wait_for("/too long/.test(document.querySelector('.ui-error-text')?.textContent)");
    page.fill("#live", "after it");
    page.wait_for(&format!("{MIRROR} === '|after it||'"));
    page.eval(
        "{ const e = document.querySelector('#area'); e.value = '\u{5b57}'.repeat(300000); e.dispatchEvent(new Event('input')) }",
    );
    page.wait_for(
        "document.querySelector('#mirror').textContent.length === 300000 + '|after it||'.length",
    );
    page.wait_for("!document.querySelector('#area').classList.contains('ui-error')");
}

#[test]
fn back_and_forward_stay_in_the_session_that_took_the_place_of_another() {
    let (mut server, browser) = (Server::site("messages"), Browser::start());
    let mut page = browser.open(&server.url("/"));
    page.server_may_be_away();
    page.wait_for_text("#page", "/");
    page.click("#about");
    page.wait_for("location.pathname.endsWith('/about')");
    let before = page.eval("location.pathname.slice(0, 33)");
    server.restart();
    page.wait_for(&format!(
        "!location.pathname.startsWith({before}) && location.pathname.endsWith('/about')"
    ));
    page.wait_for_text("#page", "/about");
    let after = page.eval("location.pathname.slice(0, 33)");
    page.eval("history.back()");
    page.wait_for_text("#page", "/");
    page.wait_for(&format!("location.pathname === {after}"));
    page.eval("history.forward()");
    page.wait_for_text("#page", "/about");
    page.reload();
    page.wait_for_text("#page", "/about");
    assert_eq!(page.eval("location.pathname.slice(0, 33)"), after);
}
