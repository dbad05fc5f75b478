//! Attributes, classes, styles, properties and markup; and code, where a site allows it and where not.

use serde_json::json;

use super::super::cdp::{Browser, Page};
use super::open;

/// Gives the value that all elements of the page show.
fn put(page: &mut Page, value: &str) {
    page.eval(&format!("uiApp.updateValue('source', {})", json!(value)));
}

/// Waits until an expression about the element `e` of this id has the value.
fn is(page: &mut Page, id: &str, expression: &str, expected: &str) {
    page.wait_for(&format!(
        "(e => String({expression}))(document.getElementById('{id}')) === {}",
        json!(expected)
    ));
}

#[test]
fn addresses_that_are_code_are_left_out() {
    let browser = Browser::start();
    let (_server, mut page) = open("display", &browser, "#html b");
    for code in [
        "javascript:alert(1)",
        " JavaScript:x",
        "java\\tscript:x",
        "\\u0001javascript\\n:x",
    ] {
        put(&mut page, "\"red\"");
        is(&mut page, "file", "e.getAttribute('href')", "red");
        put(&mut page, &format!("\"{code}\""));
        is(&mut page, "file", "e.getAttribute('href')", "null");
        is(&mut page, "go", "e.getAttribute('href')", "red");
        is(&mut page, "attr", "e.getAttribute('href')", "red");
    }
}

#[test]
fn attributes_classes_and_styles_follow_their_values() {
    let browser = Browser::start();
    let (_server, mut page) = open("display", &browser, "#html b");
    is(
        &mut page,
        "attr",
        "e.getAttributeNames().filter(n => !n.startsWith('ui-'))",
        "id",
    );
    put(&mut page, "true");
    is(
        &mut page,
        "attr",
        "[e.getAttribute('hidden'), e.ariaPressed, e.onclick]",
        ",true,",
    );
    is(&mut page, "class", "e.className", "own red on true");
    put(&mut page, "\"red\"");
    is(&mut page, "attr", "e.getAttribute('href')", "red");
    is(&mut page, "class", "e.className", "own red on");
    is(
        &mut page,
        "style",
        "[e.style.color, e.style.getPropertyValue('--deep'), e.style.margin]",
        "red,red,1px",
    );
    is(
        &mut page,
        "prop",
        "[e.dataModel, e.value, e.childNodes.length]",
        "red,red,0",
    );
    put(&mut page, "\"javascript:alert(1)\"");
    is(
        &mut page,
        "class",
        "e.className",
        "own red on javascript:alert(1)",
    );
    is(&mut page, "attr", "e.getAttribute('href')", "red");
    put(&mut page, "\"color: blue\"");
    is(&mut page, "attr", "e.style.color", "blue");
    put(&mut page, "0");
    is(&mut page, "class", "e.className", "own red on 0");
    is(&mut page, "attr", "e.getAttribute('href')", "0");
    for nothing in ["false", ""] {
        put(&mut page, "\"a  b\"");
        is(&mut page, "class", "e.className", "own red on a b");
        put(&mut page, nothing);
        is(
            &mut page,
            "style",
            "[e.style.color, e.style.getPropertyValue('--deep')]",
            ",",
        );
        is(
            &mut page,
            "attr",
            "[e.hasAttribute('href'), e.hasAttribute('hidden')]",
            "false,false",
        );
        is(&mut page, "class", "e.classList.contains('on')", "false");
    }
}

#[test]
fn properties_take_any_value_also_those_of_parts_that_come_later() {
    let browser = Browser::start();
    let (_server, mut page) = open("display", &browser, "#html b");
    put(&mut page, "[1, [2, 3], \"x\"]");
    is(
        &mut page,
        "prop",
        "JSON.stringify(e.dataModel)",
        "[1,[2,3],\"x\"]",
    );
    put(&mut page, "7");
    is(&mut page, "prop", "e.maxLength", "7");
    // A part that comes to life later has its property then, and hides nothing of its own.
    page.eval(
        "customElements.define('late-part', class extends HTMLElement {
           #points; get points() { return this.#points } set points(p) { this.#points = p; this.drawn = true } })",
    );
    is(
        &mut page,
        "late",
        "[e.drawn, e.points, Object.hasOwn(e, 'points')]",
        "true,7,false",
    );
}

#[test]
fn markup_is_cleaned_and_may_take_the_place_of_its_element() {
    let browser = Browser::start();
    let (_server, mut page) = open("display", &browser, "#html b");
    let show = |page: &mut Page, html: &str| {
        page.eval(&format!(
            "document.querySelector('#markup').value = {}; document.querySelector('#markup').click()",
            json!(html)
        ));
    };
    is(&mut page, "html", "e.innerHTML", "first <b>bold</b>");
    page.wait_for("document.querySelector('section').innerHTML === 'first <b>bold</b>'");
    show(
        &mut page,
        "<p class=\"k\" onclick=\"a()\" style=\"color:red\">x<script>y</script><a href=\"javascript:z\">a</a></p><img src=\"data:image/svg+xml;x\"><custom-tag>in</custom-tag>",
    );
    let clean = "<p class=\"k\">x<a>a</a></p><img>in";
    is(&mut page, "html", "e.innerHTML", clean);
    page.wait_for(&format!(
        "document.querySelector('section').innerHTML === '{clean}'"
    ));
    for (sent, html) in [
        ("<script></script>", ""),
        ("one", "one"),
        ("<b>two</b> and <i>three</i>", "<b>two</b> and <i>three</i>"),
    ] {
        show(&mut page, sent);
        is(&mut page, "html", "e.innerHTML", html);
        page.wait_for(&format!(
            "document.querySelector('section').innerHTML.replace('<!---->', '') === '{html}'"
        ));
    }
}

#[test]
fn code_runs_only_where_the_site_allows_it() {
    let browser = Browser::start();
    let (_server, mut page) = open("display", &browser, "#html b");
    put(&mut page, "\"window.coded = true\"");
    is(&mut page, "class", "e.classList.contains('on')", "true");
    for _ in 0..200 {
        if !page.warnings().is_empty() {
            break;
        }
    }
    put(&mut page, "\"window.coded = 2\"");
    is(&mut page, "class", "e.className.endsWith('2')", "true");
    let warnings = page.warnings();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].contains("allow_scripts = true"), "{warnings:?}");
    assert_eq!(page.eval("[window.ran, window.coded].join()"), ",");
    // Whatever else is on the page: it cannot give itself the right.
    page.eval("document.head.insertAdjacentHTML('beforeend', '<meta name=\"lunette\" content=\"allow_scripts\">')");
    put(&mut page, "\"window.coded = 3\"");
    is(&mut page, "class", "e.className.endsWith('3')", "true");
    assert_eq!(page.eval("typeof window.coded"), "undefined");
}

#[test]
fn a_trusted_site_runs_scripts_and_shows_markup_as_it_is() {
    let browser = Browser::start();
    // Under the strict policy of the built-in page: by the number that it was sent with.
    let (server, mut page) = open("trusted", &browser, "#html b");
    assert_eq!(
        page.eval("document.querySelector('script[nonce]').nonce.length"),
        32
    );
    page.wait_for("window.order?.join() === 'outer,inner,inner'");
    is(&mut page, "by-script", "e.textContent", "MAIN");
    is(
        &mut page,
        "html",
        "e.innerHTML",
        "<custom-tag>as it is</custom-tag> <b>bold</b>",
    );
    is(&mut page, "code", "e.dataset.seen", "code true function");
    // Run once for each value, and not again by a connection that was lost, nor by other values.
    page.click("#add");
    page.wait_for_text("#count", "1");
    page.wait_for("window.coded === 1");
    page.server_may_be_away();
    // Without a view to go on with, the page says all again.
    page.eval("window.was = uiApp.getConnection().socket; uiApp.getConnection().link.view = 0; was.close()");
    page.wait_for("uiApp.getConnection().socket !== was && uiApp.getConnection().link.open");
    page.click("#add");
    page.wait_for_text("#count", "2");
    assert_eq!(
        page.eval("[window.coded, window.order.length].join()"),
        "1,3"
    );
    page.click("#again");
    page.wait_for("window.coded === 12");
    // Once for each time that a view is shown.
    page.click("#toggle");
    page.wait_for("document.querySelectorAll('main > p').length === 3");
    page.click("#toggle");
    page.wait_for("window.order.join() === 'outer,inner,inner,inner'");

    // A page that the site brings itself.
    let mut own = browser.open(&server.url("/own.html"));
    own.wait_for("document.body.dataset.own === 'yes'");
}
