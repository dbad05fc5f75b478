//! The environment: `LUNETTE_PORT` is `port` of section `[server]`, `LUNETTE_NET_HEADERS` is `headers` of `[net]`,
//! `LUNETTE_DIR` is the site.

use std::ffi::OsString;
use std::path::PathBuf;

use super::error::FileError;
use super::file::{KEYS, Reader};
use super::nearest::nearest;
use super::{Place, Settings};
use toml::de::DeValue;

const PREFIX: &str = "LUNETTE_";
/// The site itself: no key, since it is where the file with the keys lies.
const SITE: &str = "LUNETTE_DIR";
/// The section whose name is left out.
const PLAIN: &str = "server";
/// What Lunette's own build, tests and benches set, and servers that they start inherit.
const OF_BUILD: [&str; 17] = [
    "LUNETTE_BUILD",
    "LUNETTE_BENCH_",
    "LUNETTE_BEFORE",
    "LUNETTE_DETERMINISM_",
    "LUNETTE_ECHO",
    "LUNETTE_HOSTILE",
    "LUNETTE_IMAGE_",
    "LUNETTE_IN",
    "LUNETTE_LONG",
    "LUNETTE_MEMORY_CHILD",
    "LUNETTE_PADDING",
    "LUNETTE_SEED",
    "LUNETTE_SPAN",
    "LUNETTE_TEST_DEV",
    "LUNETTE_TRACE",
    "LUNETTE_UPDATE",
    "LUNETTE_WRITE",
];

/// The variable that sets a key.
pub fn name(section: &str, key: &str) -> String {
    let name = match section {
        PLAIN => format!("{PREFIX}{key}"),
        section => format!("{PREFIX}{section}_{key}"),
    };
    name.to_ascii_uppercase()
}

/// What these variables set, and which of ours set nothing that there is, or to what it cannot be.
pub fn read(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Settings {
    let mut settings = Settings::default();
    let mut ours: Vec<(String, OsString)> = variables
        .into_iter()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value)))
        .filter(|(name, _)| name.starts_with(PREFIX))
        .collect();
    ours.sort_unstable();
    for (variable, value) in ours {
        if variable == SITE {
            settings.dir = Some(PathBuf::from(value));
            continue;
        }
        match set(&mut settings, &variable, value) {
            Ok(place) => settings.places.extend(place),
            Err(text) => settings.wrong.push(FileError::Wrong {
                place: variable,
                text,
            }),
        }
    }
    settings
}

/// Sets what a variable says; `None`: it is the build's.
fn set(settings: &mut Settings, variable: &str, value: OsString) -> Result<Option<Place>, String> {
    let known = all().find(|(section, key, _)| name(section, key) == variable);
    let Some((_, key, reader)) = known else {
        return match OF_BUILD.iter().any(|own| variable.starts_with(own)) {
            true => Ok(None),
            false => Err(unknown(variable)),
        };
    };
    let value = value.into_string().map_err(|_| "is no UTF-8 text")?;
    let literal = put(reader, settings, &value).map_err(|expected| format!("{key} {expected}"))?;
    let at = variable.to_owned();
    Ok(Some(Place { key, at, literal }))
}

fn all() -> impl Iterator<Item = (&'static str, &'static str, Reader)> {
    KEYS.iter().flat_map(|&(section, keys)| {
        keys.iter()
            .map(move |&(key, reader)| (section, key, reader))
    })
}

fn unknown(variable: &str) -> String {
    let names: Vec<String> = all().map(|(section, key, _)| name(section, key)).collect();
    // A name without its section is what one writes first.
    let bare = variable[PREFIX.len()..].to_ascii_lowercase();
    let meant = all().find(|(_, key, _)| *key == bare);
    match meant {
        Some((section, key, _)) => format!("is no setting; did you mean {}?", name(section, key)),
        None => {
            let names = names.iter().map(String::as_str).chain([SITE]);
            format!("is no setting{}", nearest(variable, names, "", ""))
        }
    }
}

/// Sets what a text means: a number, true, false or a list as TOML has them, else the text itself, or a list with
/// commas. Returns it as TOML.
fn put(reader: Reader, settings: &mut Settings, value: &str) -> Result<String, String> {
    let quoted = quoted(value);
    let items: Vec<String> = value
        .split(',')
        .map(|item| self::quoted(item.trim()))
        .collect();
    let list = match value.trim().is_empty() {
        true => "[]".into(),
        false => format!("[{}]", items.join(", ")),
    };
    let mut told = None;
    for literal in [value, &quoted, &list] {
        let Ok(parsed) = DeValue::parse(literal) else {
            continue;
        };
        match reader(settings, parsed.get_ref()) {
            Ok(()) => return Ok(literal.to_owned()),
            // That a list is no number says nothing; that it has a wrong item does.
            Err(expected) if literal == list && expected.starts_with("must be") => {}
            Err(expected) => told = Some(expected),
        }
    }
    Err(told.unwrap_or_default())
}

/// A text as TOML.
pub fn quoted(text: &str) -> String {
    // JSON's escapes are TOML's, too.
    serde_json::to_string(text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &[(&str, &str)]) -> Result<Settings, String> {
        let pairs = pairs
            .iter()
            .map(|&(name, value)| (name.into(), value.into()));
        let mut settings = read(pairs.collect::<Vec<_>>());
        match settings.wrong.pop() {
            None => Ok(settings),
            Some(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn variables_set_what_the_file_sets() {
        let settings = of(&[
            ("PATH", "x"),
            ("LUNETTE_DIR", "site"),
            ("LUNETTE_PORT", "81"),
            ("LUNETTE_HOST", "127.0.0.2"),
            ("LUNETTE_ALLOWED_HOSTS", "a.example, b.example"),
            ("LUNETTE_INSECURE_NO_AUTH", "true"),
            ("LUNETTE_NET_HEADERS", "32"),
            ("LUNETTE_LIMITS_LUA_MEMORY", "32M"),
            ("LUNETTE_LUA_ALLOW", "files,spawn"),
            ("LUNETTE_LUA_READ", "[\"/proc\"]"),
            ("LUNETTE_LONG", "1"),
        ])
        .unwrap();
        assert_eq!(settings.dir, Some(PathBuf::from("site")));
        assert_eq!(
            (settings.port, settings.host.as_deref()),
            (Some(81), Some("127.0.0.2"))
        );
        assert_eq!(settings.allowed_hosts, ["a.example", "b.example"]);
        assert_eq!(settings.insecure_no_auth, Some(true));
        assert_eq!(
            (settings.net.headers, settings.lua_memory),
            (Some(32), Some(32 << 20))
        );
        assert_eq!(settings.allow.map(|allow| allow.len()), Some(2));
        assert_eq!(settings.read, Some(vec!["/proc".into()]));
        let place = settings
            .places
            .iter()
            .find(|place| place.key == "lua_memory");
        let place = place.map(|place| (place.at.as_str(), place.literal.as_str()));
        assert_eq!(place, Some(("LUNETTE_LIMITS_LUA_MEMORY", "\"32M\"")));
    }

    #[test]
    fn what_is_wrong_is_said_with_its_name() {
        for (name, value, message) in [
            (
                "LUNETTE_PROT",
                "1",
                "LUNETTE_PROT: is no setting; did you mean LUNETTE_PORT?",
            ),
            (
                "LUNETTE_GAS",
                "1",
                "LUNETTE_GAS: is no setting; did you mean LUNETTE_LIMITS_GAS?",
            ),
            (
                "LUNETTE_PORT",
                "eighty",
                "LUNETTE_PORT: port must be a number from 0 to 65535, not the text \"eighty\"",
            ),
            (
                "LUNETTE_LUA_ALLOW",
                "fils",
                "LUNETTE_LUA_ALLOW: allow cannot grant \"fils\"; did you mean \"files\"?",
            ),
        ] {
            assert_eq!(of(&[(name, value)]).unwrap_err(), message);
        }
    }
}
