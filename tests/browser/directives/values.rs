//! `ui-value`: what each kind of element shows, and what it sends.

use super::super::cdp::{Browser, Page};
use super::{open, set};

/// Elements, the expression by which they show, what they show at first, when emptied and when filled.
const SHOWN: [(&str, &str, &str, &str, &str); 23] = [
    ("#text", "value", "one", "", "full"),
    ("#number", "value", "5", "", "8"),
    ("#check", "checked", "true", "false", "true"),
    ("#radio-a", "checked", "false", "false", "true"),
    ("#radio-b", "checked", "true", "false", "false"),
    ("#choice", "value", "y", "", "x"),
    ("#area", "value", "two\\nlines", "", "area"),
    ("#rich", "innerText", "edit me", "", "rich"),
    ("#range", "value", "30", "50", "10"),
    ("#color", "value", "#336699", "#000000", "#112233"),
    ("#date", "value", "2024-02-29", "", "2025-01-01"),
    ("#time", "value", "12:30", "", "01:02"),
    (
        "#moment",
        "value",
        "2024-02-29T12:30",
        "",
        "2025-01-01T01:02",
    ),
    ("#month", "value", "2024-02", "", "2025-01"),
    ("#week", "value", "2024-W09", "", "2025-W01"),
    ("#progress", "position", "0.25", "-1", "0.5"),
    ("#meter", "value", "7", "0", "3"),
    ("#output", "value", "out", "", "shown"),
    ("#li", "textContent", "out", "", "shown"),
    ("#button", "textContent", "out", "", "shown"),
    ("#p", "textContent", "out", "", "shown"),
    ("#plain", "textContent", "out", "", "shown"),
    ("#late-switch", "textContent", "true", "", "true"),
];

#[test]
fn every_element_shows_its_value_and_sends_what_is_made_of_it() {
    let browser = Browser::start();
    let (_server, mut page) = open("values", &browser, "#form");
    let shows = |page: &mut Page, which: fn(&(&str, &str, &str, &str, &str)) -> String| {
        for row in &SHOWN {
            let (selector, property, ..) = row;
            let expected = which(row);
            page.wait_for(&format!(
                "String(document.querySelector('{selector}').{property}) === '{expected}'"
            ));
        }
    };
    shows(&mut page, |row| row.2.into());
    page.click("#empty");
    shows(&mut page, |row| row.3.into());
    // Showing it is no edit: nothing came back.
    for field in ["text", "number", "range", "color", "rich", "many"] {
        page.wait_for_text(&format!("#{field} + output"), "nil nil");
    }
    page.click("#fill");
    shows(&mut page, |row| row.4.into());

    sends_numbers_and_choices(&mut page);
    sends_texts_and_dates(&mut page);
}

/// Waits until Lua has this in the field of the element.
fn sent(page: &mut Page, selector: &str, expected: &str) {
    page.wait_for_text(&format!("{selector} + output"), expected);
}

fn sends_numbers_and_choices(page: &mut Page) {
    page.fill("#text", "typed");
    page.press("Tab");
    sent(page, "#text", "string typed");
    page.fill("#number", "2.5");
    page.press("Tab");
    sent(page, "#number", "float 2.5");
    page.fill("#number", "7");
    page.press("Enter");
    sent(page, "#number", "number 7");
    page.fill("#number", "");
    page.press("Tab");
    sent(page, "#number", "nil nil");
    page.click("#check");
    sent(page, "#check", "boolean false");
    page.click("#radio-b");
    sent(page, "#radio-b", "string b");
    page.wait_for("!document.querySelector('#radio-a').checked");
    page.eval("document.querySelector('#choice').focus()");
    page.press("ArrowDown");
    sent(page, "#choice", "string y");
    page.click("#many option:nth-child(2)");
    sent(page, "#many", "[y]");
    page.eval("document.querySelector('#many').options[1].selected = false");
    set(page, "#many", "selectedIndex", "-1", "change");
    sent(page, "#many", "[]");
}

fn sends_texts_and_dates(page: &mut Page) {
    page.fill("#area", "a");
    page.press("Enter");
    page.type_text("b");
    page.press("Tab");
    sent(page, "#area", "string a\nb");
    page.click("#rich");
    page.eval("document.getSelection().selectAllChildren(document.querySelector('#rich'))");
    page.type_text("new");
    page.press("Enter");
    page.type_text("line");
    page.eval("document.activeElement.blur()");
    sent(page, "#rich", "string new\nline");
    page.eval("document.querySelector('#range').focus()");
    page.press("ArrowUp");
    sent(page, "#range", "number 11");
    for (selector, value) in [
        ("#color", "#abcdef"),
        ("#date", "2023-03-04"),
        ("#time", "23:59"),
        ("#moment", "2023-03-04T05:06"),
        ("#month", "2023-03"),
        ("#week", "2023-W10"),
    ] {
        set(page, selector, "value", &format!("'{value}'"), "change");
        sent(page, selector, &format!("string {value}"));
    }
}

#[test]
fn what_is_opened_and_closed_is_a_value() {
    let browser = Browser::start();
    let (_server, mut page) = open("values", &browser, "#form");
    page.click("#details summary");
    page.wait_for_text("#details + output", "boolean true");
    page.click("#details summary");
    page.wait_for_text("#details + output", "boolean false");
    page.eval("uiApp.updateValue('details', true)");
    page.wait_for("document.querySelector('#details').open");

    page.click("#ask");
    page.wait_for("document.querySelector('#dialog').matches(':modal')");
    page.press("Escape");
    page.wait_for_text("#dialog + output", "boolean false");
    page.click("#ask");
    page.wait_for("document.querySelector('#dialog').open");
    page.click("#close");
    page.wait_for_text("#dialog + output", "boolean false");
    page.click("#ask");
    page.wait_for("document.querySelector('#dialog').open");
    // A page that comes while it is open shows it open.
    page.reload();
    page.wait_for("document.querySelector('#dialog')?.matches(':modal')");
}

#[test]
fn a_custom_element_may_be_defined_later() {
    let browser = Browser::start();
    let (_server, mut page) = open("values", &browser, "#form");
    page.wait_for_text("#late", "later");
    page.eval(
        "customElements.define('late-field', class extends HTMLElement {
           #value = ''; get value() { return this.#value } set value(v) { this.#value = v; this.heard = true } });
         customElements.define('late-switch', class extends HTMLElement {
           #on = false; get checked() { return this.#on } set checked(v) { this.#on = v } })",
    );
    page.wait_for("document.querySelector('#late').heard && document.querySelector('#late').value === 'later'");
    page.wait_for("document.querySelector('#late').textContent === ''");
    page.wait_for("document.querySelector('#late-switch').checked === true");
    set(&mut page, "#late", "value", "'sooner'", "change");
    page.wait_for_text("#late + output", "string sooner");
    set(&mut page, "#late-switch", "checked", "false", "change");
    page.wait_for_text("#check + output", "boolean false");
    // Anything can say what its value is.
    page.eval(
        "document.querySelector('#late').dispatchEvent(new CustomEvent('ui-value-change', { detail: { value: 'said' } }))",
    );
    page.wait_for_text("#late + output", "string said");
}

#[test]
fn only_what_is_new_is_sent() {
    let browser = Browser::start();
    let (_server, mut page) = open("values", &browser, "#form");
    page.wait_for("document.querySelector('#fixed').value === 'fixed'");
    page.wait_for("document.querySelector('#counted').value === 'start'");
    page.click("#counted");
    page.press("Tab");
    page.fill("#counted", "start");
    page.press("Tab");
    page.fill("#fixed", "other");
    page.press("Tab");
    page.fill("#counted", "other");
    page.press("Tab");
    page.wait_for_text("#told", "1");
    page.wait_for("document.querySelector('#counted').value === 'other'");
    assert!(
        page.eval("document.querySelectorAll('.ui-error').length") == 0,
        "what can only be read is not written"
    );

    // A program that fills in forms tells by `change` alone.
    set(&mut page, "#text", "value", "'filled in'", "change");
    page.wait_for_text("#text + output", "string filled in");
    // Pasted text is one input.
    page.click("#text");
    page.eval("document.querySelector('#text').select()");
    page.insert_text("pasted");
    page.press("Tab");
    page.wait_for_text("#text + output", "string pasted");

    // A reset form shows what its variables say; what was not sent is gone.
    page.wait_for("document.querySelector('#inform').value === 'pasted'");
    page.fill("#inform", "half");
    page.eval("document.querySelector('#form').reset()");
    page.wait_for("document.querySelector('#inform').value === 'pasted'");
    page.eval("document.activeElement.blur()");
    page.wait_for_text("#text + output", "string pasted");
}
