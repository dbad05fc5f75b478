//! The keyboard.

use serde_json::json;

use super::Page;

impl Page {
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

    /// Presses a key that has a name, such as `Enter`; `Shift+Tab` holds another one meanwhile.
    pub fn press(&mut self, key: &str) {
        let (modifiers, key) = match key.strip_prefix("Shift+") {
            Some(key) => (8, key),
            None => (0, key),
        };
        let code = match key {
            "Backspace" => 8,
            "Tab" => 9,
            "Enter" => 13,
            "Escape" => 27,
            "ArrowLeft" => 37,
            "ArrowUp" => 38,
            "ArrowRight" => 39,
            "ArrowDown" => 40,
            "Space" => 32,
            "End" => 35,
            "Home" => 36,
            other => panic!("the key {other} has no code here yet"),
        };
        let (name, letter) = match key {
            "Enter" => (key, Some("\r")),
            "Space" => (" ", Some(" ")),
            _ => (key, None),
        };
        let up = json!({ "type": "keyUp", "key": name, "code": key, "windowsVirtualKeyCode": code, "modifiers": modifiers });
        let mut down = up.clone();
        down["type"] = json!("rawKeyDown");
        if let Some(letter) = letter {
            down["type"] = json!("keyDown");
            down["text"] = json!(letter);
        }
        self.connection.command("Input.dispatchKeyEvent", down);
        self.connection.command("Input.dispatchKeyEvent", up);
    }

    /// Clicks a field, takes out what is in it, and types `letters`.
    pub fn fill(&mut self, selector: &str, letters: &str) {
        self.click(selector);
        self.eval(&format!(
            "document.querySelector({}).select()",
            json!(selector)
        ));
        self.press("Backspace");
        self.type_text(letters);
    }
}
