//! Viewdefs: the HTML templates of a site, by type and namespace.

use std::collections::BTreeMap;

use super::json;
use super::site::Site;

/// Folders of a site that hold viewdefs; the first wins.
const FOLDERS: [&str; 2] = ["viewdefs/", "html/viewdefs/"];

/// Viewdefs the runtime brings along; a site's own of the same name win.
const BUILT_IN: [(&str, &str); 4] = [
    ("lua.ViewList.DEFAULT", LIST),
    ("lua.ViewList.list-item", LIST),
    ("lua.ViewListItem.DEFAULT", ITEM),
    ("lua.ViewListItem.list-item", ITEM),
];
const LIST: &str = "<template><div ui-viewlist=\"items\"></div></template>";
const ITEM: &str = "<template><div ui-view=\"item\"></div></template>";

/// All viewdefs of a site, ready to be sent.
#[derive(Debug, Default)]
pub struct Viewdefs {
    /// Per type: the text between the braces of `{"KEY":"<template>..."}`, itself escaped as the
    /// inside of a JSON string, since property values are strings.
    by_type: BTreeMap<String, Vec<u8>>,
    /// Files that are no viewdefs, with the reason.
    pub problems: Vec<String>,
}

impl Viewdefs {
    /// Reads those of a site.
    pub fn new(site: &Site) -> Viewdefs {
        let mut all: BTreeMap<String, String> = BUILT_IN
            .iter()
            .map(|&(key, text)| (key.to_owned(), text.to_owned()))
            .collect();
        let mut problems = Vec::new();
        for folder in FOLDERS.iter().rev() {
            for (path, content) in site.files() {
                let Some(name) = path.strip_prefix(folder) else {
                    continue;
                };
                match check(name, content) {
                    Ok((key, text)) => {
                        all.insert(key.to_owned(), text.to_owned());
                    }
                    Err(reason) => problems.push(format!("{path}: {reason}")),
                }
            }
        }
        let mut by_type: BTreeMap<String, Vec<u8>> = BTreeMap::new();
        for (key, text) in &all {
            let Some((type_name, _)) = key.rsplit_once('.') else {
                continue;
            };
            let mut entry = Vec::new();
            json::push_str(&mut entry, key.as_bytes());
            entry.push(b':');
            json::push_str(&mut entry, text.as_bytes());
            let out = by_type.entry(type_name.to_owned()).or_default();
            if !out.is_empty() {
                out.push(b',');
            }
            json::push_escaped_inner(out, &entry);
        }
        Viewdefs { by_type, problems }
    }

    /// Whether there is any for this type.
    pub fn has(&self, type_name: &str) -> bool {
        self.by_type.contains_key(type_name)
    }

    /// Appends `{"viewdefs":"{...}"}` with those of all `types`.
    pub fn push_property<'a>(&self, types: impl Iterator<Item = &'a str>, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"viewdefs\":\"{");
        let mut first = true;
        for entry in types.filter_map(|t| self.by_type.get(t)) {
            if !first {
                out.push(b',');
            }
            first = false;
            out.extend_from_slice(entry);
        }
        out.extend_from_slice(b"}\"}");
    }
}

/// The type whose viewdef is in the file at `path`, if that is in a folder of viewdefs.
pub(super) fn type_of(path: &str) -> Option<&str> {
    let name = FOLDERS
        .iter()
        .find_map(|folder| path.strip_prefix(folder))?;
    let (type_name, _) = name.strip_suffix(".html")?.rsplit_once('.')?;
    Some(type_name)
}

/// Why a file is no viewdef although it is in a folder of viewdefs.
pub(super) fn problem(path: &str, content: &[u8]) -> Option<&'static str> {
    let name = FOLDERS
        .iter()
        .find_map(|folder| path.strip_prefix(folder))?;
    check(name, content).err()
}

/// A viewdef's key and text, or what is wrong with the file.
fn check<'a>(name: &'a str, content: &'a [u8]) -> Result<(&'a str, &'a str), &'static str> {
    let key = name
        .strip_suffix(".html")
        .ok_or("not a viewdef: the name must end in .html")?;
    match key.rsplit_once('.') {
        Some((type_name, namespace)) if !type_name.is_empty() && !namespace.is_empty() => {}
        _ => return Err("not a viewdef: the name must be TYPE.NAMESPACE.html"),
    }
    let text = std::str::from_utf8(content).map_err(|_| "not a viewdef: not UTF-8 text")?;
    if !one_template(text) {
        return Err("not a viewdef: it must be exactly one <template>...</template>");
    }
    Ok((key, text))
}

/// Whether the text is one `<template>` element with nothing but white space and comments around it.
fn one_template(text: &str) -> bool {
    let mut rest = text.trim();
    while let Some(after) = rest.strip_prefix("<!--") {
        match after.split_once("-->") {
            Some((_, next)) => rest = next.trim_start(),
            None => return false,
        }
    }
    let lower = rest.to_ascii_lowercase();
    let opens = lower.starts_with("<template>") || lower.starts_with("<template ");
    let mut depth = 0usize;
    let mut at = 0;
    while let Some(found) = lower[at..].find("template") {
        let start = at + found;
        at = start + "template".len();
        if lower[..start].ends_with("</") {
            depth = depth.saturating_sub(1);
            if depth == 0 {
                let end = lower[at..].find('>').map(|e| at + e + 1);
                return opens && end.is_some_and(|e| only_comments(&rest[e..]));
            }
        } else if lower[..start].ends_with('<') {
            depth += 1;
        }
    }
    false
}

fn only_comments(text: &str) -> bool {
    let mut rest = text.trim();
    while let Some(after) = rest.strip_prefix("<!--") {
        match after.split_once("-->") {
            Some((_, next)) => rest = next.trim_start(),
            None => return false,
        }
    }
    rest.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_viewdef_is_exactly_one_template() {
        assert!(one_template("<template><p>a</p></template>\n"));
        assert!(one_template(
            "<!-- a -->\n<template a=b></template><!-- c -->"
        ));
        assert!(one_template("<template><template></template></template>"));
        assert!(!one_template("<template></template><template></template>"));
        assert!(!one_template("<div></div>"));
        assert!(!one_template("<template>"));
        assert!(!one_template("x<template></template>"));
    }

    #[test]
    fn viewdefs_are_sent_as_a_string_of_json() {
        let files = [
            ("viewdefs/App.DEFAULT.html", "<template>\"a\"</template>"),
            ("viewdefs/App.row.html", "<template>b</template>"),
            ("viewdefs/bad.html", "<template></template>"),
        ];
        let files = files.map(|(k, v)| (k.to_owned(), v.as_bytes().to_vec()));
        let viewdefs = Viewdefs::new(&Site::new(files.into_iter().collect()));
        assert_eq!(viewdefs.problems.len(), 1);
        let mut out = Vec::new();
        viewdefs.push_property(["App", "None", "lua.ViewList"].into_iter(), &mut out);
        let outer: serde_json::Value = serde_json::from_slice(&out).unwrap();
        let inner = outer["viewdefs"].as_str().unwrap();
        let inner: serde_json::Value = serde_json::from_str(inner).unwrap();
        assert_eq!(inner["App.DEFAULT"], "<template>\"a\"</template>");
        assert_eq!(inner.as_object().unwrap().len(), 4);
    }
}
