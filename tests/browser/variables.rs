//! The variable browser: what the demo's variables show, live, in a tab beside the demo; turns, errors, secrets;
//! ten thousand rows; and that sessions that were looked at replay as if they had not been.

use std::path::Path;

use super::cdp::{Browser, Page, text};
use super::looks::{axe, in_both_themes};
use super::open_demo;
use super::server::Server;
use crate::net::process::{self, Folder};

const DESK: (u32, u32) = (1440, 900);

/// A site of the package, for those who develop it.
fn site(name: &str) -> Server {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    Server::with_flags(&dir, &["--dev"])
}

/// The variable browser of the session that `app` shows, in a tab of this size.
fn look(browser: &Browser, app: &mut Page, (width, height): (u32, u32)) -> Page {
    let place = app.eval("location.origin + '/' + location.pathname.split('/')[1]");
    let mut page = browser.blank();
    page.size(width, height);
    page.dark(false);
    page.goto(&format!("{}/variables", text(&place)));
    page.wait_for("document.querySelector('.line')");
    page
}

/// The row whose path this is, or in the tree the end of its path.
fn row(path: &str) -> String {
    format!(
        "[...document.querySelectorAll('.line')].find(line => line.querySelector('.of-path').textContent === {path:?})"
    )
}

/// Waits until a row's cell says this.
fn wait_for_cell(page: &mut Page, path: &str, cell: &str, value: &str) {
    let row = row(path);
    page.wait_for(&format!(
        "{row}?.querySelector('.of-{cell}').textContent === {value:?}"
    ));
}

fn click_row(page: &mut Page, path: &str) {
    let row = row(path);
    page.wait_for(&row);
    let id = page.eval(&format!("{row}.id"));
    page.click(&format!("#{} .of-value", text(&id)));
    page.wait_for(&format!("{row}.ariaSelected === 'true'"));
}

/// Where the rows of the table stand on screen, from above: the texts of these cells.
fn column(page: &mut Page, cell: &str) -> Vec<String> {
    let texts = page.eval(&format!(
        "[...document.querySelectorAll('.line')].sort((a, b) => a.ariaRowIndex - b.ariaRowIndex)
            .map(line => line.querySelector('.of-{cell}').textContent)"
    ));
    serde_json::from_value(texts).expect("texts")
}

#[test]
fn the_tree_shows_what_the_demo_shows_and_goes_on_with_it() {
    let (server, browser) = (site("lua/demo"), Browser::start());
    let mut app = open_demo(&server, &browser);
    let mut page = look(&browser, &mut app, DESK);
    wait_for_cell(&mut page, "app", "type", "App");
    wait_for_cell(&mut page, "summary()", "value", "\"240 contacts\"");
    page.wait_for("document.querySelector('#facts').textContent.includes(' variables · 1 page')");
    let label = "document.querySelector('#turns .turn-label')?.textContent";

    // What is typed in the app shows here, in its row and as a turn with before and after.
    app.click("#search");
    app.type_text("berg");
    wait_for_cell(&mut page, "query", "value", "\"berg\"");
    page.wait_for(&format!(
        "{}.querySelector('.of-changes').textContent >= 1",
        row("summary()")
    ));
    page.wait_for(&format!("{label} !== undefined"));
    let of_query = "[...document.querySelectorAll('#turns summary')].find(turn => turn.textContent.includes('set page.query = \"berg\"'))";
    page.wait_for(of_query);
    page.eval(&format!("{of_query}.click()"));
    let changes = page.eval(&format!(
        "[...{of_query}.parentElement.querySelectorAll('.turn-changes li')].map(change =>
            [...change.querySelectorAll('button, del, ins')].map(part => part.textContent))"
    ));
    let changes: Vec<Vec<String>> = serde_json::from_value(changes).expect("texts");
    let change = changes.iter().find(|change| change[0] == "page.summary()");
    let change = change.unwrap_or_else(|| panic!("{changes:?}"));
    assert!(change[1].ends_with("contacts\""), "{change:?}");
    wait_for_cell(&mut page, "summary()", "value", &change[2]);
    app.wait_for_text("output", change[2].trim_matches('"'));

    // A change leads to its variable.
    page.eval(&format!(
        "[...{of_query}.parentElement.querySelectorAll('.turn-changes .link')].find(link => link.textContent === 'page.summary()').click()"
    ));
    page.wait_for_text("#detail-title", "page.summary()");
    page.wait_for(
        "document.querySelector('#detail .turn-changes').textContent.includes('contacts')",
    );
}

#[test]
fn what_is_chosen_is_outlined_in_the_page() {
    let (server, browser) = (site("lua/demo"), Browser::start());
    let mut app = open_demo(&server, &browser);
    // The page leads here.
    let link = app.eval("document.querySelector('ui-record').shadowRoot.querySelector('a').href");
    let mut page = look(&browser, &mut app, DESK);
    assert_eq!(page.eval("location.href"), link);
    click_row(&mut page, "query");
    app.wait_for("document.querySelector('[data-lunette-outline]')?.id === 'search'");
    page.wait_for_text("#outlined", "Outlined in the page.");
    // An object is where its view is; only one thing is outlined, and what is out of sight comes into it.
    click_row(&mut page, "page");
    app.wait_for("document.querySelectorAll('[data-lunette-outline]').length === 1 && document.querySelector('[data-lunette-outline] #search')");
    page.fill("#filter", "moreLabel");
    click_row(&mut page, "moreLabel()");
    app.wait_for("(button => button?.textContent.startsWith('Show all') && button.getBoundingClientRect().bottom <= innerHeight)(document.querySelector('[data-lunette-outline]'))");
    page.click("#grid");
    page.press("Escape");
    app.wait_for("!document.querySelector('[data-lunette-outline]')");
    page.wait_for("document.querySelector('#detail').hidden");

    // What belongs to another page is not outlined in this one.
    let mut other = browser.open(text(&app.eval("location.href")));
    other.wait_for("document.querySelectorAll('.contact-row').length === 25");
    page.fill("#filter", "");
    page.wait_for("document.querySelector('#facts').textContent.includes('2 pages')");
    click_row(&mut page, "query");
    app.wait_for("document.querySelector('[data-lunette-outline]')?.id === 'search'");
    assert_eq!(
        other.eval("document.querySelectorAll('[data-lunette-outline]').length"),
        0
    );
    app.close();
    page.wait_for("document.querySelector('#facts').textContent.includes('1 page')");
}

#[test]
fn rows_are_sorted_filtered_and_walked_by_keys() {
    let (server, browser) = (site("lua/demo"), Browser::start());
    let mut app = open_demo(&server, &browser);
    let mut page = look(&browser, &mut app, DESK);
    page.click("#table");
    wait_for_cell(&mut page, "page.summary()", "value", "\"240 contacts\"");
    page.click("#heads .of-gas button");
    page.wait_for("document.querySelector('#heads .of-gas').ariaSort === 'descending'");
    let gas = |page: &mut Page| -> Vec<u64> {
        let texts = column(page, "gas");
        texts
            .iter()
            .map(|text| text.replace(',', "").parse().unwrap_or(0))
            .collect()
    };
    page.wait_for("document.querySelector('.line')");
    let sorted = gas(&mut page);
    assert!(
        sorted.len() > 10 && sorted[0] > 50 && sorted.is_sorted_by(|a, b| a >= b),
        "{sorted:?}"
    );
    page.click("#heads .of-gas button");
    page.wait_for("document.querySelector('#heads .of-gas').ariaSort === 'ascending'");
    let sorted = gas(&mut page);
    assert!(sorted.is_sorted(), "{sorted:?}");
    page.click("#heads .of-path button");
    page.wait_for("document.querySelector('#heads .of-path').ariaSort === 'ascending'");
    page.fill("#filter", "order()");
    page.wait_for("document.querySelectorAll('.line').length === 3");
    assert_eq!(
        column(&mut page, "path"),
        [
            "page.byCity.order()",
            "page.byCompany.order()",
            "page.byName.order()"
        ]
    );
    page.press_button("#all");
    page.wait_for("document.querySelectorAll('.line .of-access').length === 3");
    assert_eq!(column(&mut page, "access"), ["r", "r", "r"]);

    // The tree by keys alone.
    page.press_button("#all");
    page.click("#tree");
    page.fill("#filter", "");
    page.press("Enter");
    page.wait_for("document.activeElement.id === 'grid'");
    page.press("Home");
    page.wait_for_text("#detail-title", "app");
    let rows = "document.querySelector('#grid').ariaRowCount";
    assert!(page.eval(rows).as_str().is_some_and(|n| n != "2"));
    page.press("ArrowLeft");
    page.wait_for(&format!(
        "{rows} === '2' && {}.ariaExpanded === 'false'",
        row("app")
    ));
    page.press("ArrowRight");
    page.wait_for(&format!("{}.ariaExpanded === 'true'", row("app")));
    page.press("ArrowRight");
    page.press("ArrowDown");
    page.wait_for("document.querySelector('#detail-title').textContent !== 'app'");
    page.wait_for("document.querySelector('#grid').getAttribute('aria-activedescendant') === document.querySelector('[aria-selected=true]').id");
    page.press("ArrowLeft");
    page.wait_for_text("#detail-title", "app");
    page.press("End");
    page.wait_for("document.querySelector('#grid').scrollTop > 1000 && document.querySelector('[aria-selected=true]')");
}

#[test]
fn errors_are_told_and_go_away() {
    let folder = Folder::new();
    folder.write(
        "lua/main.lua",
        "App = session:prototype('App', { divisor = 1 })\n\
         function App:quotient() if self.divisor == 0 then error('nothing divides by zero') end return 6 / self.divisor end\n\
         function App:zero() self.divisor = 0 end\n\
         function App:two() self.divisor = 2 end\n\
         session:createAppVariable(session:create(App, { key = 'open sesame' }))\n",
    );
    folder.write("lunette.toml", "[journal]\nsecret = [\"key\"]\n");
    folder.write(
        "viewdefs/App.DEFAULT.html",
        "<template><main><output ui-value=\"quotient()\"></output><p ui-value=\"key\"></p>\
         <button id=\"zero\" ui-action=\"zero()\">0</button><button id=\"two\" ui-action=\"two()\">2</button></main></template>",
    );
    let (server, browser) = (Server::with_flags(&folder.0, &["--dev"]), Browser::start());
    let mut app = browser.open(&server.url("/"));
    app.wait_for_text("output", "6");
    app.wait_for_text("p", "open sesame");
    let mut page = look(&browser, &mut app, DESK);
    wait_for_cell(&mut page, "quotient()", "value", "6");
    wait_for_cell(&mut page, "key", "value", "\"***\"");
    app.click("#zero");
    page.wait_for(&format!(
        "{}?.querySelector('.of-value').textContent.includes('nothing divides by zero')",
        row("quotient()")
    ));
    page.wait_for_text("#errors", "1 error");
    page.press_button("#all");
    page.wait_for(&format!(
        "{}?.querySelector('.of-error').textContent.includes('main.lua:2: nothing divides')",
        row("quotient()")
    ));
    page.press_button("#failed");
    page.wait_for("document.querySelectorAll('.line').length === 2");
    page.wait_for("document.querySelector('#turns').textContent.includes('1 error')");
    app.click("#two");
    page.wait_for(
        "document.querySelector('#errors').hidden && document.querySelector('#grid.empty')",
    );
    page.press_button("#failed");
    wait_for_cell(&mut page, "quotient()", "value", "3");
    assert!(!text(&page.eval("document.body.textContent")).contains("sesame"));
}

#[test]
fn ten_thousand_variables_are_a_scroll_away() {
    let folder = Folder::new();
    folder.write(
        "lua/main.lua",
        "local app = { type = 'App', rows = {} }\n\
         for i = 1, 5000 do app.rows[i] = { type = 'Row', name = 'row ' .. i } end\n\
         function app:rename() self.rows[4999].name = 'another' end\n\
         session:createAppVariable(app)\n\
         for i = 1, 5000 do\n\
           local row = session:createVariable(session:getAppVariable(), 'rows.' .. (i - 1))\n\
           session:createVariable(row, 'name')\n\
           session:watchVariable(row, function() end)\n\
         end\n",
    );
    folder.write(
        "viewdefs/App.DEFAULT.html",
        "<template><button ui-action=\"rename()\">Rename</button></template>",
    );
    let (server, browser) = (Server::with_flags(&folder.0, &["--dev"]), Browser::start());
    let mut app = browser.open(&server.url("/"));
    app.wait_for("document.querySelector('button')");
    let mut page = look(&browser, &mut app, DESK);
    page.wait_for("document.querySelector('#facts').textContent.includes('10,001 variables') && !document.querySelector('#facts').textContent.includes('so far')");
    page.click("#grid");
    page.press("End");
    page.wait_for("document.querySelector('#grid').scrollTop > 200000");
    page.wait_for("Number(document.querySelector('.line').ariaRowIndex) > 9000");
    assert!(
        page.eval("document.querySelectorAll('.line').length")
            .as_u64()
            < Some(100)
    );
    page.fill("#filter", "row 4999");
    page.wait_for("document.querySelectorAll('.line').length <= 4");
    app.click("button");
    page.fill("#filter", "");
    page.wait_for("document.querySelector('#turns').textContent.includes('call rename()')");
}

#[test]
fn what_is_paused_stays_and_what_ends_says_so() {
    let (mut server, browser) = (site("tests/sites/counter"), Browser::start());
    let mut app = browser.open(&server.url("/"));
    app.wait_for_text("span", "0");
    let mut page = look(&browser, &mut app, DESK);
    wait_for_cell(&mut page, "count", "value", "0");
    page.press_button("#live");
    page.wait_for_text("#state", "Paused");
    app.click("button");
    app.wait_for_text("span", "1");
    page.eval("new Promise(done => setTimeout(done, 500))");
    wait_for_cell(&mut page, "count", "value", "0");
    page.press_button("#live");
    wait_for_cell(&mut page, "count", "value", "1");
    app.close();
    page.server_may_be_away();
    server.restart();
    page.wait_for_text("#state", "This session is over.");
}

#[test]
fn a_session_that_sleeps_is_woken_by_who_asks_for_it() {
    let folder = Folder::new();
    folder.write("lunette.toml", "[journal]\nhibernate_after = \"50ms\"\n");
    folder.write(
        "lua/main.lua",
        "session:createAppVariable({ type = 'App', name = 'sleeper' })\n",
    );
    folder.write(
        "viewdefs/App.DEFAULT.html",
        "<template><p ui-value=\"name\"></p></template>",
    );
    // What is recorded in a file of its own does not sleep.
    let state = folder.0.join("state").display().to_string();
    let server = process::Server::start(&folder.0, &["--dev", "--state", &state]);
    let browser = Browser::start();
    let mut app = browser.open(&format!("http://{}/", server.address));
    app.wait_for_text("p", "sleeper");
    let mut page = look(&browser, &mut app, DESK);
    wait_for_cell(&mut page, "name", "value", "\"sleeper\"");
    app.goto("about:blank");
    page.wait_for_text("#state", "This session sleeps: nothing happens in it.");
    page.click("#wake");
    page.wait_for("document.querySelector('#facts').textContent.includes('0 pages')");
    page.wait_for("document.querySelectorAll('.line').length === 1");
}

#[test]
fn the_variable_browser_is_fit_for_everybody() {
    let (browser, axe, server) = (Browser::start(), axe(), site("lua/demo"));
    let mut findings = Vec::new();
    for size in [(360, 780), (768, 900), DESK] {
        let width = size.0;
        let mut app = open_demo(&server, &browser);
        let mut page = look(&browser, &mut app, size);
        app.click(".contact-row:nth-child(4) button");
        app.wait_for("document.querySelector('#edit-contact')");
        page.wait_for("document.querySelector('#turns').textContent.includes('open()')");
        in_both_themes(
            &mut page,
            &axe,
            &format!("variables-tree-{width}"),
            &mut findings,
        );
        page.click("#table");
        page.press_button("#all");
        click_row(&mut page, "page.summary()");
        page.eval("document.querySelectorAll('#turns summary')[1].click()");
        page.wait_for("document.querySelector('#outlined').textContent");
        in_both_themes(
            &mut page,
            &axe,
            &format!("variables-table-{width}"),
            &mut findings,
        );
    }
    assert!(findings.is_empty(), "{}", findings.join("\n"));
}
