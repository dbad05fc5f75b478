//! What a visitor's hands do: mouse, keyboard, input methods.

use serde_json::json;

use super::cdp::{POLLS_MAX, Page};
use super::keys;

/// Where to click. What is there may move away before the mouse comes: then the page hears nothing of it, and
/// `aim.end()` says so.
const AIM: &str = "(async () => {
    const find = () => {
        const e = document.querySelector(SELECTOR);
        if (!e) return null;
        e.scrollIntoView({ block: 'nearest', behavior: 'instant' });
        const r = e.getBoundingClientRect(), x = r.left + r.width / 2, y = r.top + r.height / 2;
        const hit = document.elementFromPoint(x, y);
        return r.width && hit && (e.contains(hit) || hit.contains(e)) ? [x, y] : null;
    };
    const before = find();
    // A page in the background has no frames.
    await new Promise(done => { requestAnimationFrame(() => requestAnimationFrame(done)); setTimeout(done, 100) });
    const now = find();
    if (!before || !now || before.join() !== now.join()) return null;
    const e = document.querySelector(SELECTOR), over = new AbortController();
    window.aim?.end();
    const aim = window.aim = { hit: false, end: () => (over.abort(), aim.hit) };
    const judge = event => {
        const on = event.target;
        if (event.type === 'pointerdown') aim.hit = e.contains(on) || on.contains?.(e);
        if (aim.hit) return;
        event.preventDefault();
        event.stopImmediatePropagation();
    };
    for (const kind of ['pointerdown', 'mousedown', 'pointerup', 'mouseup', 'click', 'auxclick', 'dblclick'])
        addEventListener(kind, judge, { capture: true, signal: over.signal });
    return now;
})()";

impl Page {
    /// Clicks the middle of the first element that matches, once it is there, stands still and nothing covers it.
    pub fn click(&mut self, selector: &str) {
        self.click_times(selector, "left", 1);
    }

    /// With keys held (Alt is 1, Shift 8, both 9), whatever covers it.
    pub fn click_holding(&mut self, selector: &str, held: u32) {
        let at = self.eval(&format!(
            "(() => {{ const e = document.querySelector({}); e.scrollIntoView({{ block: 'center', behavior: 'instant' }});
                const r = e.getBoundingClientRect(); return [r.left + r.width / 2, r.top + r.height / 2] }})()",
            json!(selector)
        ));
        for (kind, buttons) in [("mousePressed", 1), ("mouseReleased", 0)] {
            self.connection.command(
                "Input.dispatchMouseEvent",
                json!({ "type": kind, "x": at[0], "y": at[1], "button": "left", "buttons": buttons, "clickCount": 1, "modifiers": held }),
            );
        }
    }

    pub fn double_click(&mut self, selector: &str) {
        self.click_times(selector, "left", 2);
    }

    /// With the middle button: a link opens in a new tab.
    pub fn middle_click(&mut self, selector: &str) {
        self.click_times(selector, "middle", 1);
    }

    fn click_times(&mut self, selector: &str, button: &str, times: u32) {
        let aim = AIM.replace("SELECTOR", &json!(selector).to_string());
        // As pages are told of it: the middle button is the third bit.
        let held = if button == "middle" { 4 } else { 1 };
        for _ in 0..POLLS_MAX {
            let at = self.eval(&aim);
            if at.is_null() {
                continue;
            }
            let presses =
                (1..=times).flat_map(|n| [("mousePressed", held, n), ("mouseReleased", 0, n)]);
            for (kind, buttons, n) in [("mouseMoved", 0, 1)].into_iter().chain(presses) {
                self.connection.command(
                    "Input.dispatchMouseEvent",
                    json!({ "type": kind, "x": at[0], "y": at[1], "button": button, "buttons": buttons, "clickCount": n }),
                );
            }
            if self.has_hit() {
                return;
            }
        }
        panic!("{selector} never stood still to be clicked");
    }

    /// Whether the click went where it was aimed at. A page that is gone by now was hit.
    fn has_hit(&mut self) -> bool {
        let asked = json!({ "expression": "window.aim?.end()", "returnByValue": true });
        let answer = self.connection.attempt("Runtime.evaluate", asked);
        !answer.is_ok_and(|answer| answer["result"]["value"] == false)
    }

    /// Types into whatever has the focus, a key event for each letter.
    pub fn type_text(&mut self, letters: &str) {
        for letter in letters.chars() {
            let key = letter.to_string();
            for event in [
                json!({ "type": "keyDown", "key": key, "text": key, "unmodifiedText": key }),
                json!({ "type": "keyUp", "key": key }),
            ] {
                self.connection.command("Input.dispatchKeyEvent", event);
            }
        }
    }

    /// Presses a button without a mouse, wherever it is on the page.
    pub fn press_button(&mut self, selector: &str) {
        self.eval(&format!(
            "document.querySelector({}).click()",
            json!(selector)
        ));
    }

    /// Puts text into whatever has the focus as one piece: pasted, or what an input method came to.
    pub fn insert_text(&mut self, text: &str) {
        self.connection
            .command("Input.insertText", json!({ "text": text }));
    }

    /// An input method shows this as its text so far.
    pub fn compose(&mut self, text: &str) {
        let end = text.chars().count();
        self.connection.command(
            "Input.imeSetComposition",
            json!({ "text": text, "selectionStart": end, "selectionEnd": end }),
        );
    }

    /// Presses a key by its name (`Enter`), with modifiers before it if it has any (`Ctrl+Shift+F`): see [`keys`].
    pub fn press(&mut self, key: &str) {
        for event in keys::press(key) {
            self.connection.command("Input.dispatchKeyEvent", event);
        }
    }

    /// Clicks a field, and types `letters` over what is in it.
    pub fn fill(&mut self, selector: &str, letters: &str) {
        self.click(selector);
        self.eval(&format!(
            "document.querySelector({}).select()",
            json!(selector)
        ));
        if letters.is_empty() {
            self.press("Backspace");
        }
        self.type_text(letters);
    }
}
