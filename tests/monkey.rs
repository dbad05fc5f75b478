//! Somebody who does at random whatever a browser can do, on the pages of a site.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use lunette::core::site::Site;
use serde_json::{Value, json};

use crate::dice::Dice;

/// A site of `tests/sites`.
pub fn site(name: &str) -> Site {
    site_in(&format!("tests/sites/{name}"))
}

/// The site in a folder of the package.
pub fn site_in(folder: &str) -> Site {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut files = BTreeMap::new();
    read_folder(&root, &root, &mut files);
    Site::new(files)
}

fn read_folder(root: &Path, folder: &Path, files: &mut BTreeMap<String, Vec<u8>>) {
    for entry in fs::read_dir(folder).expect("the site is there") {
        let path = entry.expect("the site is readable").path();
        if path.is_dir() {
            read_folder(root, &path, files);
            continue;
        }
        let inside = path.strip_prefix(root).expect("inside of the site");
        let content = fs::read(&path).expect("the file is readable");
        files.insert(inside.to_string_lossy().into_owned(), content);
    }
}

/// The paths in a site's viewdefs, and whether each is an action's.
fn paths(site: &Site) -> Vec<(String, bool)> {
    let mut found = Vec::new();
    for (_, text) in site
        .files()
        .filter(|(path, _)| path.starts_with("viewdefs/"))
    {
        let text = String::from_utf8_lossy(text);
        for attribute in text.split(" ui-").skip(1) {
            let quoted: Vec<&str> = attribute.split('"').take(3).collect();
            if let [name, path, _] = quoted[..]
                && name.ends_with('=')
            {
                let action = name.starts_with("action") || name.starts_with("event");
                found.push((path.to_owned(), action));
            }
        }
    }
    found.sort();
    found.dedup();
    found
}

/// One browser's page.
pub struct Monkey {
    paths: Vec<(String, bool)>,
    /// Ids and paths.
    vars: Vec<(i64, String)>,
    next: i64,
}

impl Monkey {
    pub fn new(site: &Site) -> Monkey {
        Monkey {
            paths: paths(site),
            vars: vec![(1, String::new())],
            next: 2,
        }
    }

    /// The first frame of a page: everything that is in its templates.
    pub fn greeting(&mut self) -> String {
        let mut messages = vec![json!({ "type": "watch", "data": { "varId": 1 } })];
        for (path, action) in self.paths.clone() {
            let properties = match action {
                true => json!({ "path": path, "access": "action" }),
                false => json!({ "path": path, "wrapper": "lua.ViewList" }),
            };
            let data = json!({ "id": self.next, "parentId": 1, "properties": properties });
            messages.push(json!({ "type": "create", "data": data }));
            self.vars.push((self.next, path));
            self.next += 1;
        }
        Value::from(messages).to_string()
    }

    /// A frame with a few messages.
    pub fn frame(&mut self, dice: &mut Dice) -> String {
        let count = 1 + dice.roll(4);
        let messages: Vec<Value> = (0..count).map(|_| self.message(dice)).collect();
        let user_event = dice.roll(3) > 0;
        json!({ "userEvent": user_event, "messages": messages }).to_string()
    }

    /// A frame that edits a field or calls an action.
    pub fn act(&mut self, dice: &mut Dice) -> String {
        if self.vars.len() == 1 {
            // It has destroyed all others.
            return self.frame(dice);
        }
        let (id, path) = &self.vars[1 + dice.roll(self.vars.len() - 1)];
        let value = match path.ends_with(')') {
            true => Value::Null,
            false => json!(dice.roll(100)),
        };
        let data = json!({ "varId": id, "value": value });
        json!({ "userEvent": true, "messages": [{ "type": "update", "data": data }] }).to_string()
    }

    fn var(&self, dice: &mut Dice) -> i64 {
        match dice.roll(40) {
            0 => self.next + 1,
            1 => -1,
            _ => self.vars[dice.roll(self.vars.len())].0,
        }
    }

    fn message(&mut self, dice: &mut Dice) -> Value {
        let var = self.var(dice);
        let (kind, data) = match dice.roll(20) {
            0..8 => return self.create(dice),
            8..13 => {
                let path = self.vars.iter().find(|(id, _)| *id == var);
                let value = match path.is_some_and(|(_, path)| path.ends_with("()")) {
                    true => Value::Null,
                    false => value(dice),
                };
                ("update", json!({ "varId": var, "value": value }))
            }
            13 => ("watch", json!({ "varId": var })),
            14 => ("unwatch", json!({ "varId": var })),
            15 => {
                self.vars.retain(|(known, _)| *known == 1 || *known != var);
                ("destroy", json!({ "varId": var }))
            }
            16 => ("get", json!({ "varIds": [var, self.var(dice)] })),
            17 => (
                "getObjects",
                json!({ "objIds": [dice.roll(9), dice.roll(30)] }),
            ),
            18 => {
                let names = ["priority:high", "priority", "inactive", "x", "url", "y"];
                let name = names[dice.roll(names.len())];
                let value = ["", "low", "true", "/a?b"][dice.roll(4)];
                (
                    "update",
                    json!({ "varId": var, "properties": { name: value } }),
                )
            }
            _ => ("nonsense", json!(null)),
        };
        json!({ "type": kind, "data": data })
    }

    fn create(&mut self, dice: &mut Dice) -> Value {
        let id = self.next;
        self.next += 1;
        let parent = if dice.roll(3) == 0 { self.var(dice) } else { 1 };
        let path = match dice.roll(8) {
            0 => [
                "",
                "0",
                "items",
                "0.item",
                "item",
                "type",
                "nothing.there",
                "@x",
            ][dice.roll(8)],
            _ => &self.paths[dice.roll(self.paths.len())].0,
        };
        self.vars.push((id, path.to_owned()));
        let mut properties = json!({ "path": path });
        for (name, value) in [
            ("wrapper", "lua.ViewList"),
            ("delta", "true"),
            ("identity", "true"),
            ("priority", "high"),
            ("inactive", "true"),
            ("access", "r"),
        ] {
            if dice.roll(6) == 0 {
                properties[name] = value.into();
            }
        }
        let mut data = json!({ "id": id, "parentId": parent, "properties": properties });
        if dice.roll(8) == 0 {
            data["value"] = value(dice);
        }
        if dice.roll(8) == 0 {
            data["nowatch"] = true.into();
        }
        json!({ "type": "create", "data": data })
    }
}

fn value(dice: &mut Dice) -> Value {
    match dice.roll(7) {
        0..3 => Value::Null,
        3 => json!(dice.roll(100)),
        4 => json!(["a", "", "some words", "\u{e9}\n"][dice.roll(4)]),
        5 => json!(dice.roll(2) == 0),
        _ => json!({ "obj": dice.roll(9) }),
    }
}
