//! Arrays and trees of JSON: rows of items, arrays in pieces, and where two trees differ.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// Which row is whose: by the item's number and which time it comes, or by its place.
pub fn keys_of(items: &[Value], by_item: bool) -> Vec<String> {
    let mut seen: BTreeMap<u64, usize> = BTreeMap::new();
    let keys = items
        .iter()
        .enumerate()
        .map(|(i, item)| match item["obj"].as_u64() {
            Some(object) if by_item => {
                let times = seen.entry(object).or_default();
                *times += 1;
                format!("{object} {times}")
            }
            _ => format!("#{i}"),
        });
    keys.collect()
}

/// The array that these pieces of the one before make.
pub fn in_pieces(before: &Value, pieces: &Value) -> Value {
    let (Value::Array(before), Value::Array(pieces)) = (before, pieces) else {
        panic!("pieces are of an array: {pieces} of {before}");
    };
    let mut made = Vec::new();
    let mut pieces = pieces.iter();
    while let Some(piece) = pieces.next() {
        if let Value::Array(fresh) = piece {
            made.extend(fresh.iter().cloned());
            continue;
        }
        let number = |piece: Option<&Value>| piece.and_then(Value::as_i64).expect("a number");
        let (start, count) = (number(Some(piece)), number(pieces.next()));
        for k in 0..count.abs() {
            let at = (start + k * count.signum()) as usize;
            made.push(
                before
                    .get(at)
                    .unwrap_or_else(|| panic!("piece {at} of {before:?}"))
                    .clone(),
            );
        }
    }
    Value::Array(made)
}

/// Where two snapshots differ first.
pub fn difference(here: &Value, there: &Value) -> Option<String> {
    let below = |at: String, here: &Value, there: &Value| {
        difference(here, there).map(|rest| format!("{at} {rest}"))
    };
    match (here, there) {
        (Value::Object(a), Value::Object(b)) => {
            let keys: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            let null = Value::Null;
            let mut keys = keys.into_iter();
            keys.find_map(|key| {
                below(
                    key.clone(),
                    a.get(key).unwrap_or(&null),
                    b.get(key).unwrap_or(&null),
                )
            })
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            let mut pairs = a.iter().zip(b).enumerate();
            pairs.find_map(|(i, (a, b))| below(format!("[{i}]"), a, b))
        }
        _ if here == there => None,
        _ => Some(format!("is {here:.300}, not {there:.300}")),
    }
}
