//! What a visitor does with the demo site, with a real mouse and a real keyboard.

use super::cdp::{Browser, Page};
use super::open_demo;
use super::server::Server;

/// The name in row `n` of the table, from 1.
fn row_name(page: &mut Page, n: u32) -> String {
    page.text(&format!(".contact-row:nth-child({n}) button"))
}

/// Searches for `words` and waits for `count` rows.
fn search(page: &mut Page, words: &str, count: u32) {
    page.fill("#search", words);
    page.wait_for(&format!(
        "document.querySelectorAll('.contact-row').length === {count}"
    ));
}

/// Fills in the form for a new contact and saves it.
fn add(page: &mut Page, name: &str, email: &str) {
    page.click("#add-contact");
    page.fill("#field-name", name);
    page.fill("#field-email", email);
    page.click("#save-contact");
    page.wait_for_text(".card h2", name);
}

#[test]
fn the_table_narrows_with_every_key() {
    let (server, browser) = (Server::demo(), Browser::start());
    let mut page = open_demo(&server, &browser);
    page.wait_for_text(".contacts-head output", "240 contacts");

    page.click("#search");
    page.type_text("akes");
    page.wait_for("[...document.querySelectorAll('.contact-row')].every(row => /[åa]kes/i.test(row.textContent))");
    let some = page
        .eval("document.querySelectorAll('.contact-row').length")
        .as_u64()
        .unwrap();
    assert!(some > 0, "accents do not stand in the way of a search");
    page.type_text(" bergen");
    page.wait_for(&format!(
        "document.querySelectorAll('.contact-row').length < {some}"
    ));
    assert_eq!(
        page.value("#search"),
        "akes bergen",
        "what was typed is still there"
    );

    page.press("Escape");
    page.wait_for_text(".contacts-head output", "240 contacts");
    assert_eq!(page.value("#search"), "");
}

#[test]
fn an_empty_result_says_so_and_offers_the_way_back() {
    let (server, browser) = (Server::demo(), Browser::start());
    let mut page = open_demo(&server, &browser);
    search(&mut page, "qqq", 0);
    page.wait_for_text(".nothing-found h2", "Nobody matches “qqq”");
    page.click("#clear-search");
    page.wait_for("document.querySelectorAll('.contact-row').length === 25");
    page.wait_for("!document.querySelector('.nothing-found')");
}

#[test]
fn the_whole_book_is_one_click_away_and_sorts_by_its_columns() {
    let (server, browser) = (Server::demo(), Browser::start());
    let mut page = open_demo(&server, &browser);
    page.click("#show-all");
    page.wait_for("document.querySelectorAll('.contact-row').length === 240");

    let first = row_name(&mut page, 1);
    page.click("th:nth-child(1) button");
    page.wait_for("document.querySelector('th').getAttribute('aria-sort') === 'descending'");
    page.wait_for(&format!(
        "document.querySelector('.contact-row:last-child button').textContent === '{first}'"
    ));

    page.click("th:nth-child(3) button");
    page.wait_for(
        "document.querySelector('th:nth-child(3)').getAttribute('aria-sort') === 'ascending'",
    );
    page.wait_for(
        "(() => {
            const cities = [...document.querySelectorAll('.contact-row td:nth-child(3)')].map(td => td.textContent);
            return cities.length === 240 && cities.every((city, i) => i === 0 || cities[i - 1] <= city);
        })()",
    );
}

#[test]
fn adding_says_what_is_wrong_and_keeps_what_was_typed() {
    let (server, browser) = (Server::demo(), Browser::start());
    let mut page = open_demo(&server, &browser);
    page.click("#add-contact");
    page.wait_for_text(".card h2", "New contact");
    page.fill("#field-email", "una@nowhere");
    page.click("#save-contact");

    page.wait_for_text("#problem-name", "Please enter a name.");
    page.wait_for(
        "document.querySelector('#problem-email').textContent.includes('no e-mail address')",
    );
    assert_eq!(
        page.eval("document.querySelector('#field-name').getAttribute('aria-invalid')"),
        "true"
    );
    assert_eq!(page.value("#field-email"), "una@nowhere");

    // The words at the fields follow what is typed.
    page.fill("#field-name", "Una Testwood");
    page.wait_for_text("#problem-name", "");
    assert_eq!(
        page.eval("document.querySelector('#field-name').hasAttribute('aria-invalid')"),
        false
    );
    page.fill("#field-email", "una@testwood.example");
    page.wait_for_text("#problem-email", "");
    page.press("Enter"); // saves, as in any form

    page.wait_for_text(".card h2", "Una Testwood");
    page.wait_for_text(".contacts-head output", "241 contacts");
    page.wait_for_text(".notice p", "Added Una Testwood.");
    search(&mut page, "testwood", 1);
    assert_eq!(row_name(&mut page, 1), "Una Testwood");
}

#[test]
fn an_address_can_belong_to_one_contact_only() {
    let (server, browser) = (Server::demo(), Browser::start());
    let mut page = open_demo(&server, &browser);
    let owner = row_name(&mut page, 1);
    page.click(".contact-row:nth-child(1) button");
    page.wait_for_text(".card h2", &owner);
    let taken = page.text(".card a[href^=mailto]");
    page.click("#add-contact");
    page.fill("#field-name", "Somebody Else");
    page.fill("#field-email", &taken);
    page.click("#save-contact");
    page.wait_for_text(
        "#problem-email",
        &format!("This address already belongs to {owner}."),
    );
    assert_eq!(page.value("#field-name"), "Somebody Else");
}

#[test]
fn editing_changes_one_row_and_leaves_the_others_alone() {
    let (server, browser) = (Server::demo(), Browser::start());
    let mut page = open_demo(&server, &browser);
    page.eval(
        "document.querySelectorAll('.contact-row').forEach((row, i) => { row.seenBefore = i })",
    );
    let name = row_name(&mut page, 3);
    page.click(".contact-row:nth-child(3) button");
    page.wait_for_text(".card h2", &name);
    page.wait_for("document.querySelector('.contact-row:nth-child(3)').getAttribute('aria-current') === 'true'");

    page.click("#edit-contact");
    page.wait_for(&format!(
        "document.querySelector('#field-name')?.value === '{name}'"
    ));
    page.fill("#field-company", "Sable & Thread");
    page.click("#save-contact");
    page.wait_for_text(
        ".contact-row:nth-child(3) td:nth-child(2)",
        "Sable & Thread",
    );
    page.wait_for("document.querySelector('.card-facts').textContent.includes('Sable & Thread')");
    let kept = page.eval(
        "[...document.querySelectorAll('.contact-row')].every((row, i) => row.seenBefore === i)",
    );
    assert_eq!(kept, true, "no row was made anew");
}

#[test]
fn an_unsaved_form_waits_for_its_user() {
    let (server, browser) = (Server::demo(), Browser::start());
    let mut page = open_demo(&server, &browser);
    page.click(".contact-row:nth-child(2) button");
    page.click("#edit-contact");
    page.fill("#field-city", "Atlantis");
    page.click(".contact-row:nth-child(4) button");
    page.wait_for("document.querySelector('#edit-contact')");
    page.click(".contact-row:nth-child(2) button");
    page.wait_for("document.querySelector('#field-city')?.value === 'Atlantis'");
}

#[test]
fn deleting_asks_first_and_can_be_taken_back() {
    let (server, browser) = (Server::demo(), Browser::start());
    let mut page = open_demo(&server, &browser);
    let name = row_name(&mut page, 1);
    page.click(".contact-row:nth-child(1) button");
    page.click("#delete-contact");
    page.wait_for_text("#removal-title", &format!("Delete {name}?"));
    page.click("#keep-contact");
    page.wait_for_text(".card h2", &name);

    page.click("#delete-contact");
    page.click("#confirm-delete");
    page.wait_for_text(".contacts-head output", "239 contacts");
    page.wait_for(&format!(
        "document.querySelector('.contact-row button').textContent !== '{name}'"
    ));

    page.click("#undo");
    page.wait_for_text(".contacts-head output", "240 contacts");
    page.wait_for_text(".contact-row:nth-child(1) button", &name);
}

#[test]
fn favourites_can_be_shown_alone() {
    let (server, browser) = (Server::demo(), Browser::start());
    let mut page = open_demo(&server, &browser);
    let name = row_name(&mut page, 1);
    page.click(".contact-row:nth-child(1) button");
    page.click(".card-actions input");
    page.wait_for("document.querySelector('.contact-row').classList.contains('favourite')");
    page.click("#only-favourites");
    page.wait_for("[...document.querySelectorAll('.contact-row')].every(row => row.classList.contains('favourite'))");
    assert_eq!(row_name(&mut page, 1), name);
}

#[test]
fn the_arrow_keys_walk_through_the_table() {
    let (server, browser) = (Server::demo(), Browser::start());
    let mut page = open_demo(&server, &browser);
    let (first, second) = (row_name(&mut page, 1), row_name(&mut page, 2));
    page.click("#search");
    page.press("ArrowDown");
    page.wait_for_text(".card h2", &first);
    page.press("ArrowDown");
    page.wait_for_text(".card h2", &second);
    page.press("ArrowUp");
    page.wait_for_text(".card h2", &first);
}

#[test]
fn the_live_page_moves_by_itself() {
    let (server, browser) = (Server::demo(), Browser::start());
    let mut page = open_demo(&server, &browser);
    page.click("nav li:nth-child(2) button");
    page.wait_for("document.querySelector('nav li:nth-child(2) button').getAttribute('aria-current') === 'page'");
    page.wait_for("Number(document.querySelector('#ticks')?.textContent) >= 2");
    page.wait_for("document.querySelectorAll('.sensor').length === 3");
    page.wait_for("document.querySelector('#chart').data?.length === 60");
    let before = page.eval("JSON.stringify(document.querySelector('#chart').data)");
    page.wait_for(&format!(
        "JSON.stringify(document.querySelector('#chart').data) !== {before:?}"
    ));

    page.click("#increment");
    page.click("#increment");
    page.wait_for_text("#count", "2");
    page.fill("#step", "10");
    page.click("#increment");
    page.wait_for_text("#count", "12");
    page.click("#decrement");
    page.wait_for_text("#count", "2");

    page.click("#pause");
    page.wait_for_text("#pause", "Resume");
    page.click("nav li:nth-child(1) button");
    page.wait_for("document.querySelectorAll('.contact-row').length === 25");
}

#[test]
fn each_view_has_an_address() {
    let (server, browser) = (Server::demo(), Browser::start());
    let mut page = browser.open(&server.url("/live"));
    page.wait_for_text("h1", "Live");
    page.wait_for("/^[/][0-9a-f]{32}[/]live$/.test(location.pathname)");

    page.click("nav li:nth-child(3) button");
    page.wait_for_text("h1", "About this page");
    page.wait_for("/[/]about$/.test(location.pathname)");

    page.eval("history.back()");
    page.wait_for_text("h1", "Live");
    page.reload();
    page.wait_for_text("h1", "Live");
    page.eval("history.forward()");
    page.wait_for_text("h1", "About this page");
    page.click("nav li:nth-child(1) button");
    page.wait_for("document.querySelectorAll('.contact-row').length === 25");
}

#[test]
fn a_reload_shows_the_same_state() {
    let (server, browser) = (Server::demo(), Browser::start());
    let mut page = open_demo(&server, &browser);
    search(&mut page, "dubrovin brewing", 1);
    let name = row_name(&mut page, 1);
    page.click(".contact-row button");
    page.wait_for_text(".card h2", &name);
    let address = page.eval("location.href");

    page.reload();
    page.wait_for_text(".card h2", &name);
    page.wait_for("document.querySelectorAll('.contact-row').length === 1");
    assert_eq!(page.value("#search"), "dubrovin brewing");
    assert_eq!(
        page.eval("location.href"),
        address,
        "it is the same session"
    );
}

#[test]
fn a_second_tab_sees_what_the_first_does() {
    let (server, browser) = (Server::demo(), Browser::start());
    let mut first = open_demo(&server, &browser);
    let address = first.eval("location.href");
    let mut second = browser.open(address.as_str().unwrap());
    second.wait_for("document.querySelectorAll('.contact-row').length === 25");

    add(&mut first, "Una Testwood", "una@testwood.example");
    second.wait_for_text(".contacts-head output", "241 contacts");
    second.wait_for_text(".card h2", "Una Testwood");
    search(&mut second, "testwood", 1);
    first.wait_for("document.querySelectorAll('.contact-row').length === 1");
    first.wait_for("document.querySelector('#search').value === 'testwood'");

    // Another visitor has an address book of their own.
    let mut other = open_demo(&server, &browser);
    other.wait_for_text(".contacts-head output", "240 contacts");
}
