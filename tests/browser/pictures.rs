//! How the page looks: themes, and pictures of it.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::cdp::Page;

/// Where pictures go: artefacts of a run, to be looked at.
pub fn picture(name: &str) -> PathBuf {
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).with_file_name("screenshots");
    directory.join(format!("{name}.png"))
}

impl Page {
    /// Whether the visitor prefers dark pages.
    pub fn dark(&mut self, dark: bool) {
        self.prefers(&[("prefers-color-scheme", if dark { "dark" } else { "light" })]);
    }

    /// What else the visitor prefers, by the names of media queries.
    pub fn prefers(&mut self, wishes: &[(&str, &str)]) {
        // Colours are measured and pictures taken at once: nothing shall be on its way.
        let still = ("prefers-reduced-motion", "reduce");
        let features: Vec<_> = wishes
            .iter()
            .chain([&still])
            .map(|(name, value)| json!({ "name": name, "value": value }))
            .collect();
        self.connection.command(
            "Emulation.setEmulatedMedia",
            json!({ "features": features }),
        );
    }

    /// Writes a PNG of the window.
    pub fn screenshot(&mut self, path: &Path) {
        let shot = self
            .connection
            .command("Page.captureScreenshot", json!({ "format": "png" }));
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).expect("the screenshot directory can be made");
        }
        fs::write(path, base64(shot["data"].as_str().expect("a picture")))
            .expect("the screenshot can be written");
    }
}

fn base64(encoded: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(encoded.len() / 4 * 3);
    let (mut bits, mut count) = (0u32, 0);
    for letter in encoded.bytes() {
        let six = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => continue, // padding
        };
        bits = bits << 6 | u32::from(six);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
            bits &= (1 << count) - 1;
        }
    }
    bytes
}
