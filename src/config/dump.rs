//! `lunette dump-config`: each value with where it comes from, as TOML that a site could have, or as JSON.

use std::fmt::Write;

use serde_json::{Map, Value, json};
use toml::Spanned;
use toml::de::DeValue;

use super::defaults::{KNOWN, Known};
use super::{Place, Settings};

const UNSET: &str = "not set";
const DEFAULT: &str = "default";

/// The value in force of each key: as TOML if it has one, and where it comes from.
fn values(settings: &Settings) -> Vec<(&'static Known, Option<String>, String)> {
    let value = |known: &'static Known| {
        let mut said = settings
            .places
            .iter()
            .filter(|place| place.key == known.key);
        // What is secret is that by all sources together.
        if known.key == "secret" {
            let said: Vec<&Place> = said.collect();
            if !said.is_empty() {
                let list = serde_json::to_string(&settings.secret).unwrap_or_default();
                let origins: Vec<&str> = said.iter().map(|place| place.at.as_str()).collect();
                return (known, Some(list), origins.join(", "));
            }
            return (known, known.usual.map(str::to_owned), DEFAULT.into());
        }
        match (said.next(), known.usual) {
            // A secret is no one's business.
            (Some(place), _) if known.key == "token" => {
                (known, Some("\"***\"".into()), place.at.clone())
            }
            (Some(place), _) => (known, Some(place.literal.clone()), place.at.clone()),
            (None, Some(usual)) => (known, Some(usual.to_owned()), DEFAULT.into()),
            (None, None) => (known, None, UNSET.into()),
        }
    };
    KNOWN.iter().map(value).collect()
}

/// As a `lunette.toml` that sets the same.
pub fn toml(settings: &Settings) -> String {
    let mut out = match &settings.dir {
        Some(dir) => format!("# site: {}\n", dir.display()),
        None => "# site: the built-in demo\n".to_owned(),
    };
    let mut section = "";
    for (known, literal, origin) in values(settings) {
        if known.section != section {
            section = known.section;
            // Writing into a String cannot fail, here and below.
            let _ = writeln!(out, "\n[{section}]");
        }
        let _ = match literal {
            Some(literal) => writeln!(out, "{} = {literal}  # {origin}", known.key),
            None => writeln!(out, "# {} = ...  # {origin}: {}", known.key, known.about),
        };
    }
    out
}

/// As JSON: `{"server": {"port": {"value": 8080, "origin": "default"}, ..}, ..}`.
pub fn json(settings: &Settings) -> String {
    let mut sections = Map::new();
    for (known, literal, origin) in values(settings) {
        let value = literal
            .as_deref()
            .and_then(|literal| DeValue::parse(literal).ok());
        let value = value
            .as_ref()
            .map_or(Value::Null, |value| to_json(value.get_ref()));
        let section = sections.entry(known.section).or_insert_with(|| json!({}));
        section[known.key] = json!({ "value": value, "origin": origin });
    }
    format!("{:#}\n", Value::Object(sections))
}

fn to_json(value: &DeValue<'_>) -> Value {
    match value {
        DeValue::String(text) => json!(text),
        DeValue::Boolean(flag) => json!(flag),
        DeValue::Integer(number) => {
            let number = i64::from_str_radix(number.as_str(), number.radix());
            number.map_or(Value::Null, |number| json!(number))
        }
        DeValue::Array(items) => items.iter().map(Spanned::get_ref).map(to_json).collect(),
        // No key has any of these.
        DeValue::Float(_) | DeValue::Datetime(_) | DeValue::Table(_) => Value::Null,
    }
}
