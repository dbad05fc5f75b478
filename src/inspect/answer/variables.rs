//! Answers about variables: their tree after a turn, and when one of them changed.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{ROWS_MAX, changes_of};
use crate::core::id::{APP, VarId};
use crate::inspect::Inspector;
use crate::inspect::index::{Moment, Track};
use crate::inspect::objects::numbers_in;

/// The tree of variables after a turn, or what the turn did to it.
pub fn variables(inspector: &Inspector, rest: &str) -> Option<Value> {
    let mut parts = rest.splitn(3, '/');
    let turn: u64 = parts.next()?.parse().ok()?;
    let only_changed = parts.next()? == "changed";
    let wanted = parts.next().unwrap_or("").to_lowercase();
    let mut rows = Vec::new();
    let mut count = 0;
    let mut add = |row: Value| {
        count += 1;
        if rows.len() < ROWS_MAX {
            rows.push(row);
        }
    };
    for (id, depth) in in_tree_order(inspector, turn) {
        let track = &inspector.index.tracks[&id];
        let Some((since, moment)) = track.at(turn) else {
            continue;
        };
        let mark = match (*since == turn, track.born == turn) {
            (_, true) => "new",
            (true, false) => "changed",
            (false, false) => "",
        };
        if only_changed && mark.is_empty() {
            continue;
        }
        let was = track
            .at(turn - 1)
            .map(|(_, was)| was)
            .filter(|_| mark == "changed");
        if matches(inspector, id, moment, &wanted) {
            add(row(inspector, id, depth, mark, moment, was));
        }
    }
    let gone = inspector.index.tracks.iter();
    for (&id, track) in gone.filter(|(_, track)| only_changed && track.gone == turn) {
        if let Some((_, last)) = track.at(turn - 1)
            && matches(inspector, id, last, &wanted)
        {
            add(row(inspector, id, 0, "gone", last, None));
        }
    }
    Some(json!({ "count": count, "left_out": count - rows.len(), "rows": rows }))
}

fn matches(inspector: &Inspector, id: VarId, moment: &Moment, wanted: &str) -> bool {
    wanted.is_empty()
        || path_of(inspector, id).to_lowercase().contains(wanted)
        || moment.value.to_lowercase().contains(wanted)
}

/// Variables that are there, each before those below it, with how deep it lies.
fn in_tree_order(inspector: &Inspector, turn: u64) -> Vec<(VarId, usize)> {
    let tracks = &inspector.index.tracks;
    let there: Vec<(&VarId, &Track)> = tracks.iter().filter(|(_, t)| t.is_there(turn)).collect();
    let mut below: BTreeMap<Option<VarId>, Vec<VarId>> = Default::default();
    for (id, track) in there {
        let parent = track.parent.filter(|parent| tracks.contains_key(parent));
        below.entry(parent).or_default().push(*id);
    }
    let mut order = Vec::new();
    let mut left: Vec<(VarId, usize)> = Vec::new();
    let put = |left: &mut Vec<(VarId, usize)>, parent: Option<VarId>, depth: usize| {
        let children = below.get(&parent).into_iter().flatten();
        left.extend(children.rev().map(|id| (*id, depth)));
    };
    put(&mut left, None, 0);
    while let Some((id, depth)) = left.pop() {
        order.push((id, depth));
        put(&mut left, Some(id), depth + 1);
    }
    order
}

fn row(
    inspector: &Inspector,
    id: VarId,
    depth: usize,
    mark: &str,
    moment: &Moment,
    was: Option<&Moment>,
) -> Value {
    let track = &inspector.index.tracks[&id];
    let properties: Vec<_> = moment
        .properties
        .iter()
        .filter(|(name, _)| &**name != "type")
        .collect();
    let object = object_in(moment);
    let was = was.map(shown).filter(|was| *was != shown(moment));
    json!({
        "id": id.0,
        "depth": depth,
        "name": name_of(id, track),
        "path": path_of(inspector, id),
        "value": shown(moment),
        "was": was,
        "object": object,
        "mark": mark,
        "failed": moment.error.is_some(),
        "page": track.view,
        "wire": track.wire,
        "properties": properties.iter().map(|(n, v)| format!("{n}={v}")).collect::<Vec<_>>().join(" "),
    })
}

/// What a variable showed, in the words of the page: its error, or its value, an object by type and number.
fn shown(moment: &Moment) -> String {
    if let Some(error) = &moment.error {
        return error.to_string();
    }
    let Some(number) = object_in(moment) else {
        return moment.value.to_string();
    };
    let type_name = moment.properties.iter().find(|(name, _)| &**name == "type");
    format!("{} #{number}", type_name.map_or("object", |(_, name)| name))
}

/// The number of the one object that a variable showed.
fn object_in(moment: &Moment) -> Option<u64> {
    let is_object = moment.error.is_none() && moment.value.starts_with("{\"obj\":");
    let numbers = is_object.then(|| numbers_in(moment.value.as_bytes()))?;
    numbers.first().copied()
}

fn name_of(id: VarId, track: &Track) -> String {
    match (&*track.path, id == APP) {
        ("", true) => "app".into(),
        ("", false) => "·".into(),
        (path, _) => path.into(),
    }
}

/// The path of a variable; the app has a name, too.
pub fn path_of(inspector: &Inspector, id: VarId) -> String {
    match inspector.index.full_path(id) {
        path if path.is_empty() => "app".into(),
        path => path,
    }
}

/// When the variables at this variable's path changed: pages that come again make new ones of the same path.
pub fn history(inspector: &Inspector, id: &str) -> Option<Value> {
    let id = VarId(id.parse().ok()?);
    inspector.index.tracks.get(&id)?;
    let path = path_of(inspector, id);
    let tracks = inspector.index.tracks.iter();
    let same = tracks.filter(|(other, _)| **other == id || path_of(inspector, **other) == path);
    let mut moments: Vec<_> = same.flat_map(|(_, track)| &track.moments).collect();
    moments.sort_by_key(|(turn, _)| *turn);
    moments.dedup_by(|a, b| a.1.value == b.1.value && a.1.error == b.1.error);
    let changes = moments.iter();
    let changes = changes.map(|(turn, moment)| (*turn, shown(moment), moment.error.is_some()));
    Some(changes_of(inspector, path, changes))
}
