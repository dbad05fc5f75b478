//! Long lists in the browser: an edit touches the rows it is about and no other, what a user does in a row goes with
//! the row, and a window on 50,000 rows scrolls like a list of 50,000 rows.

use serde_json::json;

use super::cdp::{Browser, Page};
use super::pictures::picture;
use super::server::Server;

/// Rows that a window has in the page at the most: four times its size.
const WINDOW_ROWS_MAX: u64 = 200;

/// The site with so many rows, shown as `view` names it.
fn open(server: &Server, browser: &Browser, view: &str, rows: u32) -> Page {
    let mut page = browser.open(&server.url("/"));
    page.wait_for("document.querySelector('#size')");
    page.fill("#size", &rows.to_string());
    page.click("#fill");
    page.click(&format!("#{view}"));
    page.wait_for(
        "document.querySelectorAll('.rows .row').length && [...document.querySelectorAll('.rows .row')].every(r => r.textContent.trim())",
    );
    page
}

/// Notes every change under the list from here on.
const WATCH: &str = "(() => {
    window.noted = [];
    window.observer?.disconnect();
    window.observer = new MutationObserver((records) => noted.push(...records));
    observer.observe(document.querySelector('.rows'), { childList: true, subtree: true, characterData: true, attributes: true });
})()";

/// Rows put in or taken out of the list itself, and changes inside of rows that were there.
const NOTED: &str = "(() => {
    const rows = document.querySelector('.rows');
    noted.push(...observer.takeRecords());
    const direct = noted.filter(r => r.target === rows);
    const moved = new Set(direct.flatMap(r => [...r.addedNodes, ...r.removedNodes]).filter(n => n.nodeType === 1));
    const inside = new Set(noted.filter(r => r.target !== rows && rows.contains(r.target))
        .map(r => (r.target.nodeType === 1 ? r.target : r.target.parentNode).closest('.row'))
        .filter(row => row && !moved.has(row)));
    const result = [moved.size, inside.size];
    noted.length = 0;
    return result;
})()";

fn names(first: u32, count: u32) -> String {
    format!(
        "[...document.querySelectorAll('.rows .row b')].slice({first}, {}).map(b => b.textContent).join()",
        first + count
    )
}

#[test]
fn an_edit_of_a_thousand_rows_touches_the_rows_it_is_about() {
    let (server, browser) = (Server::site("longlist"), Browser::start());
    let mut page = open(&server, &browser, "plain", 1000);
    page.wait_for("document.querySelectorAll('.rows .row').length === 1000");
    page.eval(WATCH);
    let edit = |page: &mut Page, button: &str, done: &str, expected: [u32; 2]| {
        page.click(button);
        page.wait_for(done);
        assert_eq!(
            page.eval(NOTED),
            json!(expected),
            "{button}: rows put in or out, rows changed inside"
        );
    };
    edit(
        &mut page,
        "#touch",
        "document.querySelector('.rows .row span').textContent === '7920'",
        [0, 1],
    );
    edit(
        &mut page,
        "#insert",
        &format!("{} === 'row 1001,row 1'", names(0, 2)),
        [1, 0],
    );
    edit(
        &mut page,
        "#delete",
        &format!("{} === 'row 1,row 2'", names(0, 2)),
        [1, 0],
    );
    edit(
        &mut page,
        "#move",
        &format!("{} === 'row 2,row 3'", names(0, 2)),
        [1, 0],
    );
    edit(
        &mut page,
        "#append",
        &format!("{} === 'row 1,row 1002'", names(999, 2)),
        [1, 0],
    );
    // The row itself shows the new element.
    edit(
        &mut page,
        "#replace",
        &format!("{} === 'row 1003,row 3'", names(0, 2)),
        [0, 1],
    );
    let before = page.eval(&names(0, 1001));
    edit(
        &mut page,
        "#sort",
        &format!("{} !== {before}", names(0, 1001)),
        [945, 0],
    );
    let sorted = "(c => c.every((n, i) => !i || n >= c[i - 1]))([...document.querySelectorAll('.rows .row span')].map(s => Number(s.textContent)))";
    assert_eq!(page.eval(sorted), true);
    // Turned over, one row stays and all others go past it.
    page.click("#reverse");
    page.wait_for(&format!("!{sorted}"));
    assert_eq!(page.eval(NOTED), json!([1000, 0]));
}

#[test]
fn focus_and_half_typed_text_go_with_their_row() {
    let (server, browser) = (Server::site("longlist"), Browser::start());
    let mut page = open(&server, &browser, "plain", 6);
    page.wait_for("document.querySelectorAll('.rows .row').length === 6");
    page.eval("document.querySelector('.rows .row:nth-child(3) input').id = 'typed'");
    page.click("#typed");
    page.type_text("half");
    // Buttons would take the focus: they are pressed by script.
    for (button, place) in [
        ("insert", 4),
        ("delete", 3),
        ("move", 2),
        ("reverse", 5),
        ("sort", 3),
    ] {
        page.eval(&format!("document.querySelector('#{button}').click()"));
        page.wait_for(&format!(
            "document.querySelector('.rows .row:nth-child({place}) input').id === 'typed'"
        ));
        assert_eq!(
            page.eval("document.activeElement.id"),
            "typed",
            "after {button}"
        );
        assert_eq!(page.value("#typed"), "half", "after {button}");
    }
    page.type_text(" and whole");
    page.press("Tab");
    // What was typed has arrived at the row it was typed in: a second page says so.
    let url = page
        .eval("location.pathname")
        .as_str()
        .expect("a path")
        .to_owned();
    let mut other = browser.open(&server.url(&url));
    other.wait_for("[...document.querySelectorAll('.rows .row')].some(r => r.querySelector('b').textContent === 'row 3' && r.querySelector('input').value === 'half and whole')");
}

#[test]
fn what_plays_in_a_row_plays_on_wherever_the_row_goes() {
    let (server, browser) = (Server::site("longlist"), Browser::start());
    let mut page = open(&server, &browser, "plain", 30);
    page.wait_for("document.querySelectorAll('.rows .row').length === 30");
    page.eval(
        "(async () => {
            const canvas = document.createElement('canvas');
            const pen = canvas.getContext('2d');
            setInterval(() => pen.fillRect(0, 0, Math.random() * 300, 9), 30);
            window.video = Object.assign(document.createElement('video'), { muted: true, srcObject: canvas.captureStream(20) });
            window.stops = 0;
            for (const name of ['pause', 'emptied', 'abort']) video.addEventListener(name, () => window.stops++);
            document.querySelector('.rows .row:nth-child(3)').append(video);
            await video.play();
            document.querySelector('.rows .row:nth-child(3) input').focus();
        })()",
    );
    page.wait_for("video.currentTime > 0");
    page.press_button("#reverse");
    page.wait_for(&format!("{} === 'row 3'", names(27, 1)));
    page.press_button("#insert");
    page.wait_for(&format!("{} === 'row 31'", names(0, 1)));
    page.press_button("#sort");
    page.press_button("#move");
    page.wait_for(&format!("{} !== 'row 31'", names(0, 1)));
    let at = page.eval("video.currentTime").as_f64().expect("a time");
    page.wait_for(&format!("video.currentTime > {at}"));
    assert_eq!(page.eval("[video.paused, window.stops].join()"), "false,0");
    assert_eq!(
        page.eval("document.activeElement.closest('.row').contains(video)"),
        true,
        "the focus went with the row"
    );
}

#[test]
fn views_that_are_closed_leave_nothing_behind() {
    let (server, browser) = (Server::site("longlist"), Browser::start());
    let mut page = open(&server, &browser, "plain", 30);
    let turn = |page: &mut Page| {
        for view in ["table", "plain"] {
            page.press_button(&format!("#{view}"));
            page.wait_for(&format!(
                "document.querySelectorAll('.rows {}').length === 30",
                if view == "plain" {
                    "input"
                } else {
                    ".row td:first-child"
                }
            ));
        }
    };
    turn(&mut page);
    let before = page.weight();
    for _ in 0..20 {
        turn(&mut page);
    }
    let after = page.weight();
    assert_eq!(after.nodes, before.nodes, "nodes of the document");
    assert_eq!(after.listeners, before.listeners, "listeners");
}

#[test]
fn rows_and_what_is_typed_in_them_outlive_a_lost_connection() {
    let (server, browser) = (Server::site("longlist"), Browser::start());
    let mut page = open(&server, &browser, "plain", 30);
    page.wait_for("document.querySelectorAll('.rows .row').length === 30");
    page.click("#insert");
    page.wait_for(&format!("{} === 'row 31,row 1'", names(0, 2)));
    page.eval(
        "document.querySelectorAll('.rows .row').forEach((row, i) => { row.seenBefore = i })",
    );
    page.eval("document.querySelector('.rows .row:nth-child(5) input').id = 'typed'");
    page.click("#typed");
    page.type_text("kept");
    page.server_may_be_away();
    // Only the socket goes.
    page.eval("uiApp.getConnection().socket.close()");
    page.type_text(" on");
    page.press("Tab");
    page.click("#append");
    page.wait_for(&format!("{} === 'row 30,row 32'", names(30, 2)));
    let kept = "[...document.querySelectorAll('.rows .row')].map(r => r.seenBefore ?? '-').join()";
    let all: Vec<String> = (0..31).map(|i| i.to_string()).collect();
    assert_eq!(page.eval(kept), json!(format!("{},-", all.join(","))));
    assert_eq!(page.value("#typed"), "kept on");
    page.click("#rename");
    page.wait_for(&format!("{} === 'row 31!'", names(0, 1)));
}

/// What the window shows at the top of its viewport, and how many rows are in the page.
const TOP: &str = "(() => {
    const box = document.querySelector('.scroller, .frame');
    const top = box.getBoundingClientRect().top + (box.querySelector('thead')?.offsetHeight ?? 0);
    const row = [...document.querySelectorAll('.rows .row')].find(r => r.getBoundingClientRect().bottom > top + 1);
    return row ? row.querySelector('b, td').textContent : null;
})()";

fn rows_in_page(page: &mut Page) -> u64 {
    let rows = page.eval("document.querySelectorAll('.rows .row').length");
    rows.as_u64().expect("a number")
}

#[test]
fn a_window_scrolls_like_the_whole_list() {
    let (server, browser) = (Server::site("longlist"), Browser::start());
    let mut page = open(&server, &browser, "windowed", 50_000);
    page.wait_for("document.querySelector('.rows').scrollHeight > 500000");
    assert_eq!(page.eval(TOP), "row 1");
    let box_ = "document.querySelector('.rows')";
    let height = format!("({box_}.scrollHeight / 50000)");

    // To the middle.
    page.eval(&format!("{box_}.scrollTop = {height} * 25000"));
    page.wait_for(&format!("Math.abs(Number(({TOP}).slice(4)) - 25000) < 20"));
    let shown = page.eval(TOP);
    let label = "document.querySelector('.rows .row').getAttribute('aria-posinset') === document.querySelector('.rows .row b').textContent.slice(4)";
    assert_eq!(
        page.eval(label),
        true,
        "rows say where in the whole list they are"
    );
    assert_eq!(
        page.eval("document.querySelector('.rows .row').getAttribute('aria-setsize')"),
        "50000"
    );

    // An edit there appears; one in front of everything moves nothing on screen.
    let index = page
        .eval(&format!("Number(({TOP}).slice(4)) + 2"))
        .as_u64()
        .expect("a number");
    page.fill("#at", &index.to_string());
    page.click("#rename");
    page.wait_for(&format!(
        "[...document.querySelectorAll('.rows b')].some(b => b.textContent === 'row {}!')",
        index + 1
    ));
    page.fill("#at", "0");
    page.click("#insert");
    page.wait_for(&format!("{box_}.querySelector('[aria-setsize=\"50001\"]')"));
    assert_eq!(page.eval(TOP), shown, "what is on screen stays where it is");
    page.screenshot(&picture("windowed-list"));

    // To the end, by wheel or by key, and back.
    page.eval(&format!("{box_}.scrollTop = {box_}.scrollHeight"));
    page.wait_for(
        "[...document.querySelectorAll('.rows .row b')].at(-1).textContent === 'row 50000'",
    );
    page.wait_for(&format!("{box_}.getBoundingClientRect().bottom - [...document.querySelectorAll('.rows .row')].at(-1).getBoundingClientRect().bottom < 5"));
    assert!(rows_in_page(&mut page) <= WINDOW_ROWS_MAX);
    page.eval(&format!("{box_}.scrollTop = 0"));
    page.wait_for(&format!("{TOP} === 'row 50001'"));

    // Sorted and filtered: the window shows the beginning of the new order.
    page.click("#sort");
    page.wait_for(&format!("{TOP} === 'row 37830'"));
    page.fill("#query", "4999");
    page.click("#filter");
    page.wait_for(&format!("{box_}.querySelector('[aria-setsize=\"15\"]')"));
    assert_eq!(rows_in_page(&mut page), 15);
    assert!(
        page.eval("document.querySelectorAll('*').length")
            .as_u64()
            .expect("a number")
            < 2_000
    );
}

#[test]
fn a_window_is_scrolled_with_the_keyboard_and_known_to_screen_readers() {
    let (server, browser) = (Server::site("longlist"), Browser::start());
    let mut page = open(&server, &browser, "table", 5_000);
    page.wait_for("document.querySelector('.frame').scrollHeight > 50000");
    assert_eq!(
        page.eval("document.querySelector('table').getAttribute('aria-rowcount')"),
        "5001"
    );
    assert_eq!(
        page.eval("document.querySelector('.rows .row').getAttribute('aria-rowindex')"),
        "2"
    );
    page.eval("document.querySelector('.frame').focus()");
    for _ in 0..8 {
        page.press("ArrowDown");
    }
    page.wait_for("document.querySelector('.frame').scrollTop > 100");
    page.press("End");
    page.wait_for(
        "[...document.querySelectorAll('.rows td')].some(td => td.textContent === 'row 5000')",
    );
    page.wait_for(
        "document.querySelector('.rows [aria-rowindex=\"5001\"] td')?.textContent === 'row 5000'",
    );
    page.wait_for("(f => f.scrollTop + f.clientHeight >= f.scrollHeight - 1)(document.querySelector('.frame'))");
    page.press("Home");
    page.wait_for(&format!("{TOP} === 'row 1'"));
    assert!(rows_in_page(&mut page) <= WINDOW_ROWS_MAX);
    // Emptied and filled again.
    page.fill("#query", "nothing");
    page.click("#filter");
    page.wait_for("document.querySelectorAll('.rows .row').length === 0");
    page.fill("#query", "row 49");
    page.click("#filter");
    page.wait_for("document.querySelector('table').getAttribute('aria-rowcount') === '112'");
    page.wait_for(&format!("{TOP} === 'row 49'"));
}
