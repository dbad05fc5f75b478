//! Sections and keys that there are not: where they belong, or what was probably meant.

use super::file::KEYS;
use super::nearest::nearest;

pub(super) fn unknown_section(section: &str) -> String {
    // A key outside of any section: the section it belongs to is what is missing.
    let home = KEYS
        .iter()
        .find(|(_, keys)| keys.iter().any(|(key, _)| *key == section));
    if let Some((home, _)) = home {
        return format!("{section} belongs into the section [{home}]");
    }
    let sections = KEYS.iter().map(|(section, _)| *section);
    format!(
        "there is no section [{section}]{}",
        nearest(section, sections, "[", "]")
    )
}

pub(super) fn unknown_key(section: &str, key: &str) -> String {
    let keys = KEYS.iter().filter(|(known, _)| *known == section);
    let here = keys.flat_map(|(_, keys)| keys.iter().map(|(key, _)| *key));
    let home = KEYS
        .iter()
        .find(|(_, keys)| keys.iter().any(|(known, _)| *known == key));
    match home {
        Some((home, _)) => format!("{key} belongs into the section [{home}]"),
        None => format!("[{section}] has no {key}{}", nearest(key, here, "", "")),
    }
}
