//! The contact manager: presenters, select options from lists, search as you type.

use super::*;

const NAMES: &str = ".person .name";

const BY_LAST_NAME: [&str; 6] = [
    "Tove Aasen",
    "Otto Brandt",
    "Pia Brandt",
    "Ugo Conti",
    "Samir Haddad",
    "Ines Moreau",
];

fn open(page: &mut Page) {
    wait_for_texts(page, NAMES, &BY_LAST_NAME);
}

#[test]
fn searching_narrows_with_every_key_and_enter_opens_the_first() {
    visit("address_book", |page| {
        open(page);
        page.wait_for_text("#count", "6 contacts");
        look(page, "contacts");
        page.click("#search");
        page.type_text("brandt");
        wait_for_texts(page, NAMES, &["Otto Brandt", "Pia Brandt"]);
        page.wait_for_text("#count", "2 of 6");
        page.type_text(".example");
        wait_for_texts(page, NAMES, &["Pia Brandt"]);
        page.type_text("!");
        wait_for_texts(page, NAMES, &[]);
        page.wait_for_text("#empty", "Nobody fits.");
        page.press("Backspace");
        wait_for_texts(page, NAMES, &["Pia Brandt"]);
        page.press("Enter");
        page.wait_for("document.querySelector('#first')?.value === 'Pia' && document.querySelector('#notes').value === 'Has the spare key'");
        page.wait_for_text(".small-name", "Pia Brandt");
        page.click("#cancel");
        page.fill("#search", "nobody");
        page.click("#clear");
        open(page);
        assert_eq!(page.value("#search"), "", "emptied together with the list");
    });
}

#[test]
fn options_come_from_lists_and_choose() {
    visit("address_book", |page| {
        open(page);
        wait_for_options(
            page,
            "#group-filter option",
            &["Everyone (6)", "Family (2)", "Friends (2)", "Work (2)"],
        );
        choose(page, "#group-filter", "Fr");
        wait_for_texts(page, NAMES, &["Pia Brandt", "Samir Haddad"]);
        choose(page, "#order", "By first");
        choose(page, "#group-filter", "Ev");
        page.wait_for("document.querySelector('#group-filter').value === ''");
        wait_for_texts(
            page,
            NAMES,
            &[
                "Ines Moreau",
                "Otto Brandt",
                "Pia Brandt",
                "Samir Haddad",
                "Tove Aasen",
                "Ugo Conti",
            ],
        );

        // A contact changes its group in the form, whose options stand in a group below a plain one.
        page.click(".person:nth-child(1) .edit");
        page.wait_for("document.querySelector('#group')?.value === 'family'");
        wait_for_options(
            page,
            "#group option",
            &["None", "Family (2)", "Friends (2)", "Work (2)"],
        );
        look(page, "contacts-form");
        choose(page, "#group", "Wo");
        page.click("#save");
        page.wait_for_text(".person:nth-child(1) .badge", "Work");
        wait_for_options(
            page,
            "#group-filter option",
            &["Everyone (6)", "Family (1)", "Friends (2)", "Work (3)"],
        );
        choose(page, "#group-filter", "Wo");
        wait_for_texts(page, NAMES, &["Ines Moreau", "Otto Brandt", "Tove Aasen"]);
    });
}

#[test]
fn a_form_says_what_is_wrong_and_enter_saves() {
    visit("address_book", |page| {
        open(page);
        page.click("#add");
        page.wait_for_text(".editor h2", "Add contact");
        wait_for_sight(page, ".small-card", false);
        page.click("#save");
        page.wait_for_text("#problem", "The first name is missing.");
        page.fill("#first", "Wanda");
        page.press("Enter");
        page.wait_for_text("#problem", "The e-mail address is missing.");
        page.fill("#email", "wanda");
        page.press("Enter");
        page.wait_for_text("#problem", "“wanda” is no e-mail address.");
        look(page, "contacts-wrong");
        page.fill("#email", "TOVE@aasen.example");
        page.press("Enter");
        page.wait_for_text("#problem", "Tove Aasen has this address already.");
        page.fill("#email", "wanda@zielinski.example");
        page.fill("#last", "Zieliński");
        page.press("Enter");
        wait_for_texts(
            page,
            NAMES,
            &[&BY_LAST_NAME[..], &["Wanda Zieliński"]].concat(),
        );
        page.wait_for_text("#count", "7 contacts");
        wait_for_sight(page, ".person:nth-child(7) .phone", false);

        // The next form is empty, and giving it up changes nothing.
        page.click("#add");
        page.wait_for("document.querySelector('#first')?.value === '' && document.querySelector('#email').value === ''");
        wait_for_sight(page, "#problem", false);
        page.fill("#first", "Nobody");
        page.click("#cancel");
        page.wait_for("document.querySelectorAll('.person').length === 7");
    });
}

#[test]
fn a_presenter_keeps_its_state_with_its_contact() {
    visit("address_book", |page| {
        open(page);
        page.click(".person:nth-child(5) .ask");
        wait_for_sight(page, ".person:nth-child(5) .sure", true);
        page.click(".person:nth-child(2) .star");
        page.wait_for("document.querySelector('.person:nth-child(2) .star').getAttribute('aria-pressed') === 'true'");

        // Deleting while filtered: the one that is shown goes, not the one that stood at its place.
        page.fill("#search", "brandt");
        wait_for_texts(page, NAMES, &["Otto Brandt", "Pia Brandt"]);
        wait_for_sight(page, ".person:nth-child(2) .sure", false);
        page.click(".person:nth-child(2) .ask");
        look(page, "contacts-sure");
        page.click(".person:nth-child(2) .sure");
        wait_for_texts(page, NAMES, &["Otto Brandt"]);
        page.wait_for_text("#count", "1 of 5");
        page.wait_for_text(".star", "★");
        page.press("Escape");
        page.click("#search");
        page.press("Escape");
        wait_for_texts(
            page,
            NAMES,
            &[
                "Tove Aasen",
                "Otto Brandt",
                "Ugo Conti",
                "Samir Haddad",
                "Ines Moreau",
            ],
        );
        page.wait_for_text(".person:nth-child(2) .star", "★");
    });
}
