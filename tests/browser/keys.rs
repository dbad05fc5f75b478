//! Keys as the browser is told of them.

use serde_json::{Value, json};

/// Names and codes of keys that write nothing, or something else than their name.
const NAMED: [(&str, u32, &str); 15] = [
    ("Backspace", 8, ""),
    ("Tab", 9, ""),
    ("Enter", 13, "\r"),
    ("Escape", 27, ""),
    ("Space", 32, " "),
    ("PageUp", 33, ""),
    ("PageDown", 34, ""),
    ("End", 35, ""),
    ("Home", 36, ""),
    ("ArrowLeft", 37, ""),
    ("ArrowUp", 38, ""),
    ("ArrowRight", 39, ""),
    ("ArrowDown", 40, ""),
    ("Delete", 46, ""),
    ("F1", 112, ""),
];

const MODIFIERS: [(&str, u32); 4] = [("Alt+", 1), ("Ctrl+", 2), ("Meta+", 4), ("Shift+", 8)];

/// The two events of a key that is pressed and let go.
pub fn press(key: &str) -> [Value; 2] {
    let (mut name, mut held) = (key, 0);
    while let Some((prefix, bit)) = MODIFIERS
        .iter()
        .find(|(prefix, _)| name.starts_with(prefix))
    {
        name = &name[prefix.len()..];
        held |= bit;
    }
    let known = NAMED.iter().find(|(known, ..)| *known == name);
    let (code, number, text) = match known {
        Some(&(_, number, text)) => (name.to_owned(), number, text),
        None => {
            let letter = name.chars().next().filter(|_| name.chars().count() == 1);
            let letter = letter.unwrap_or_else(|| panic!("the key {name} has no code here yet"));
            let upper = letter.to_ascii_uppercase();
            let row = if letter.is_ascii_digit() {
                "Digit"
            } else {
                "Key"
            };
            (format!("{row}{upper}"), upper as u32, name)
        }
    };
    // With these held, keys write nothing.
    let text = if held & !8 == 0 { text } else { "" };
    let named = if name == "Space" { " " } else { name };
    let event = |kind: &str| json!({ "type": kind, "key": named, "code": code, "windowsVirtualKeyCode": number, "modifiers": held });
    let mut down = event(if text.is_empty() {
        "rawKeyDown"
    } else {
        "keyDown"
    });
    if !text.is_empty() {
        down["text"] = json!(text);
    }
    [down, event("keyUp")]
}
