//! `ui-submit` and `ui-error`: all fields of a form in one call, and what is wrong with them beside them.

use super::super::cdp::{Browser, Page};
use super::open;

const ALL: &str = "{area=\"long\" date=\"2024-02-29\" hidden=\"h\" many={\"r\" \"t\"} no=false number=4 of={\"1\" \"3\"} \
     one=\"q\" outside=\"o\" radio=\"y\" range=20 tag={\"t1\" \"t2\"} text=\"a\" with=\"v\" yes=true}";

#[test]
fn all_fields_of_a_form_are_one_table() {
    let browser = Browser::start();
    let (_server, mut page) = open("forms", &browser, "#kept");
    page.click("#save");
    page.wait_for_text("#saved", ALL);
    page.click("#how");
    page.wait_for_text("#saved", &ALL.replace("many=", "how=\"quickly\" many="));
    page.click("#all [name=no]");
    page.fill("#all [name=text]", "typed");
    page.press("Enter");
    page.wait_for_text(
        "#saved",
        &ALL.replace("no=false", "no=true")
            .replace("\"a\"", "\"typed\""),
    );
    page.wait_for_text("#calls", "3");
    assert_eq!(
        page.value("#all [name=text]"),
        "typed",
        "a form is not reset unasked"
    );
}

#[test]
fn a_form_is_sent_once_and_not_before_it_is_filled_in() {
    let browser = Browser::start();
    let (_server, mut page) = open("forms", &browser, "#kept");
    page.click("#slow button");
    page.wait_for("document.activeElement === document.querySelector('#slow input')");
    page.fill("#slow input", "x");
    // Three times before there can be an answer.
    page.eval(
        "window.busy = []; const form = document.querySelector('#slow'), button = form.querySelector('button');
         new MutationObserver(() => busy.push(button.getAttribute('aria-busy')))
           .observe(button, { attributes: true, attributeFilter: ['aria-busy'] });
         button.click(); button.click(); button.click()",
    );
    page.wait_for_text("#saved", "{text=\"x\"}");
    page.wait_for("busy.join() === 'true,'");
    page.wait_for("document.querySelector('#slow input').value === ''");
    page.fill("#slow input", "y");
    page.press("Enter");
    page.wait_for_text("#saved", "{text=\"y\"}");
    page.wait_for_text("#calls", "2");
}

/// What a field is said to be by its description.
fn described(page: &mut Page, selector: &str) -> String {
    let text = page.eval(&format!(
        "(document.querySelector('{selector}').getAttribute('aria-describedby') || '').split(' ').filter(Boolean)
           .map(id => document.getElementById(id).textContent).join('; ')"
    ));
    text.as_str().unwrap_or_default().to_owned()
}

#[test]
fn what_is_wrong_stands_at_the_fields() {
    let browser = Browser::start();
    let (_server, mut page) = open("forms", &browser, "#kept");
    page.click("#check");
    page.wait_for("document.querySelector('[name=mail][aria-invalid=true].ui-error')");
    page.wait_for("document.activeElement === document.querySelector('[name=mail]')");
    page.wait_for_text("[ui-error=name]", "Who are you?");
    page.wait_for_text("[ui-error=plan]", "Choose one");
    assert_eq!(
        described(&mut page, "[name=mail]"),
        "As you like; An address is needed"
    );
    assert_eq!(described(&mut page, "[name=plan]"), "Choose one");
    assert_eq!(described(&mut page, "#name"), "Who are you?");

    // One after the other is put right; what was typed stays.
    page.fill("[name=mail]", "nobody");
    page.click("[name=plan][value=b]");
    page.fill("#name", "Ann");
    page.press("Enter");
    page.wait_for(
        "/No place for this/.test(document.querySelector('.ui-toast-error')?.textContent)",
    );
    page.wait_for("!document.querySelector('#checked [aria-invalid]')");
    assert_eq!(page.value("[name=mail]"), "nobody");
    page.wait_for_text("[ui-error=name]", "");
    assert_eq!(described(&mut page, "[name=mail]"), "As you like");
    assert_eq!(
        page.eval("document.querySelector('[name=mail]').title"),
        "Where to"
    );

    page.fill("[name=mail]", "never");
    page.press("Enter");
    page.wait_for("document.querySelector('#check.ui-error')");
    page.wait_for("/Not today/.test(document.querySelector('.ui-toast:last-child').textContent)");

    page.fill("[name=mail]", "a@b.example");
    page.press("Enter");
    page.wait_for_text("#kept", "{mail=\"a@b.example\" plan=\"b\"} of Ann");
    page.wait_for("!document.querySelector('.ui-error, #checked [aria-invalid], .ui-error-text')");
}
