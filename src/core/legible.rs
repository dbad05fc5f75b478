//! What others wrote, for people to read: nothing of it may be a command to what shows it.

use std::fmt::Write;

/// The text with its control characters as escapes, but for those in `kept`.
pub fn legible(text: &str, kept: &[char]) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c.is_control() && !kept.contains(&c) {
            // As a whole: letter by letter takes ten times as long, and content of files is full of these.
            true => {
                // Writing into a String cannot fail.
                let _ = write!(out, "{}", c.escape_default());
            }
            false => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_text_is_a_command() {
        let text = "ä\u{1b}[2J\u{9b}31m\u{7f}\0\r\n\tz";
        let shown = "ä\\u{1b}[2J\\u{9b}31m\\u{7f}\\u{0}\\r";
        assert_eq!(legible(text, &[]), format!("{shown}\\n\\tz"));
        assert_eq!(legible(text, &['\n', '\t']), format!("{shown}\n\tz"));
    }
}
