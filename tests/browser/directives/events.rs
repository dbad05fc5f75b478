//! `ui-action` and `ui-event-*`: what the user does becomes a call or a write.

use super::super::cdp::Browser;
use super::{open, set};

#[test]
fn a_click_is_a_call() {
    let browser = Browser::start();
    let (_server, mut page) = open("events", &browser, "#live");
    page.click("#bare");
    page.wait_for_text("#said", "0 arguments");
    page.click("#valued");
    page.wait_for_text("#said", "a value");
    page.click("#item");
    page.wait_for_text("#said", "an item");
    // A link does what it is told instead of leading away.
    page.click("#anchor");
    page.wait_for_text("#count", "2");
    page.eval(
        "document.querySelector('#disabled').click(); document.querySelector('#aria').click()",
    );
    page.eval("document.querySelector('#bare').focus()");
    page.press("Enter");
    page.press("Space");
    page.wait_for_text("#count", "4");
    assert_eq!(page.eval("location.pathname.length"), 33, "still here");

    // A button says that it is at work, and when it is done.
    page.eval(
        "window.busy = []; const button = document.querySelector('#slow');
         new MutationObserver(() => busy.push(button.getAttribute('aria-busy')))
           .observe(button, { attributes: true, attributeFilter: ['aria-busy'] });
         // Answers wait until they are let through: the call takes as long as that.
         window.link = uiApp.getConnection().socket;
         window.hear = link.onmessage;
         window.held = [];
         link.onmessage = (event) => held.push(event)",
    );
    page.click("#slow");
    page.wait_for("busy[0] === 'true' && held.length");
    page.eval("link.onmessage = hear; held.forEach((event) => hear.call(link, event))");
    page.wait_for_text("#said", "slow");
    page.wait_for("busy.join() === 'true,'");
}

#[test]
fn any_event_is_a_call_or_a_write() {
    let browser = Browser::start();
    let (_server, mut page) = open("events", &browser, "#live");
    // What is typed is sent before the call that may need it.
    page.fill("#typed", "first");
    page.press("Enter");
    page.wait_for_text("#said", "text is first");
    page.fill("#typed", "second");
    set(&mut page, "#typed", "value", "'third'", "change");
    page.wait_for_text("#said", "text is third");
    page.fill("#typed", "fourth");
    page.click("#after");
    page.wait_for_text("#said", "text is fourth");

    page.click("#prevent");
    page.wait_for_text("#count", "1");
    let before = page.text("#outer");
    page.click("#stop");
    page.wait_for_text("#count", "2");
    assert_eq!(
        page.text("#outer"),
        before,
        "a stopped event goes no further"
    );
    page.click("#over");
    page.wait_for_text("#mark", "over");
    page.click("#inner");
    page.wait_for_text("#mark", "7");
    page.click("#write");
    page.type_text("w");
    page.wait_for_text("#mark", "w");
    page.click("#summary");
    page.type_text("x");
    page.wait_for_text("#said", "keydown v x -");
    page.eval("document.querySelector('#inner').dispatchEvent(new CustomEvent('custom', { bubbles: true, detail: { n: 5 } }))");
    page.wait_for_text("#said", "custom nil nil 5");
    page.click("#fold summary");
    page.wait_for_text("#said", "toggled");
}

#[test]
fn keys_are_told_apart_by_their_modifiers() {
    let browser = Browser::start();
    let (_server, mut page) = open("events", &browser, "#live");
    page.click("#keys");
    for (key, said) in [
        ("Enter", "enter"),
        ("Ctrl+Enter", "ctrl enter"),
        ("Escape", "escape"),
        ("ArrowLeft", "left"),
        ("ArrowRight", "right"),
        ("ArrowUp", "up"),
        ("ArrowDown", "down"),
        ("Tab", "tab"),
        ("Space", "space"),
        ("a", "a"),
        ("7", "7"),
        ("Delete", "delete"),
        ("Home", "home"),
        ("F1", "f1"),
        ("Alt+Shift+K", "shift alt k"),
        ("Meta+m", "meta m"),
    ] {
        page.press(key);
        page.wait_for_text("#said", said);
    }
    // Others are not meant.
    for key in ["Alt+Enter", "Ctrl+Shift+Enter", "Ctrl+a", "Alt+k", "m"] {
        page.press(key);
    }
    page.press("Escape");
    page.wait_for_text("#said", "escape");
    page.press("A");
    page.wait_for_text("#said", "a");
    page.wait_for_text("#says", "18");
}

#[test]
fn typing_is_sent_at_once_or_after_a_pause_or_at_the_end() {
    let browser = Browser::start();
    let (_server, mut page) = open("events", &browser, "#live");
    page.eval(
        "window.sent = []; const send = WebSocket.prototype.send;
         WebSocket.prototype.send = function (text) {
           const at = text.indexOf('{');
           if (at > 0) sent.push(...JSON.parse(text.slice(at)).messages);
           send.call(this, text);
         };
         window.values = () => sent.filter((m) => m.type === 'update').map((m) => m.data.value).filter((v) => typeof v === 'string').join()",
    );
    page.click("#live");
    page.type_text("ab");
    page.wait_for("values() === 'a,ab'");
    page.eval("sent.length = 0");
    page.fill("#typed", "cd");
    assert_eq!(page.eval("values()"), "");
    page.eval("document.activeElement.blur()");
    page.wait_for("values() === 'cd'");
    page.fill("#debounced", "e");
    page.eval("sent.length = 0");
    page.eval("const d = document.querySelector('#debounced'); for (const t of ['ef', 'efg', 'efgh']) { d.value = t; d.dispatchEvent(new Event('input')) }");
    page.wait_for("values() === 'efgh'");
    page.fill("#throttled", "i");
    page.wait_for("values().endsWith('i')");
    page.eval("sent.length = 0; const t = document.querySelector('#throttled'); for (const x of ['ij', 'ijk', 'ijkl']) { t.value = x; t.dispatchEvent(new Event('input')) }");
    page.wait_for("values() === 'ijkl'");
}
