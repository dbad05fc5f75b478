//! Viewdefs: the HTML templates of a site, by type and namespace.

use std::collections::BTreeMap;

use super::gather::gather;
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
        let built_in = BUILT_IN
            .iter()
            .map(|&(key, text)| (key.to_owned(), text.to_owned()));
        let mut all: BTreeMap<String, String> = gather(built_in);
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
                    Err(reason) => problems.push(told(path, content, reason)),
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

/// A file that is no viewdef, in words for those who can mend it.
fn told(path: &str, content: &[u8], reason: &str) -> String {
    match std::str::from_utf8(content).ok().and_then(fault) {
        Some((line, advice)) => format!("{path}:{line}: {reason}; {advice}"),
        None => format!("{path}: {reason}"),
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

/// The text of the file at `path`, if it is a viewdef.
pub fn template_text<'a>(path: &'a str, content: &'a [u8]) -> Option<&'a str> {
    let name = FOLDERS
        .iter()
        .find_map(|folder| path.strip_prefix(folder))?;
    let (_, text) = check(name, content).ok()?;
    Some(text)
}

/// Why a file is no viewdef although it is in a folder of viewdefs: with its place, and what to do.
pub(super) fn problem(path: &str, content: &[u8]) -> Option<String> {
    let name = FOLDERS
        .iter()
        .find_map(|folder| path.strip_prefix(folder))?;
    let reason = check(name, content).err()?;
    Some(told(path, content, reason))
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
    if template_fault(text).is_some() {
        return Err("not a viewdef: it must be exactly one <template>...</template>");
    }
    Ok((key, text))
}

/// Where and how a text is not one `<template>` element with nothing but white space and comments around it: the
/// line, and what to do.
fn fault(text: &str) -> Option<(usize, &'static str)> {
    let (at, advice) = template_fault(text)?;
    let line = 1 + text.as_bytes()[..at]
        .iter()
        .filter(|&&b| b == b'\n')
        .count();
    Some((line, advice))
}

fn template_fault(text: &str) -> Option<(usize, &'static str)> {
    let at = match past_comments(text, 0) {
        Ok(at) => at,
        Err(at) => return Some((at, "this comment has no end: write -->")),
    };
    let lower = text.to_ascii_lowercase();
    if !(lower[at..].starts_with("<template>") || lower[at..].starts_with("<template ")) {
        return Some((
            at,
            "a viewdef begins with <template>: put it around what is here",
        ));
    }
    let end = match end_of_template(&lower, at) {
        Some(end) => end,
        None => return Some((at, "this <template> has no end: write </template>")),
    };
    match past_comments(text, end) {
        Ok(at) if at == text.len() => None,
        Ok(at) => Some((
            at,
            "nothing may follow the </template>: move this into it, or into a viewdef of its own",
        )),
        Err(at) => Some((at, "this comment has no end: write -->")),
    }
}

/// Behind the end tag of the element at `at`.
fn end_of_template(lower: &str, mut at: usize) -> Option<usize> {
    let mut depth = 0usize;
    while let Some(found) = lower[at..].find("template") {
        let start = at + found;
        at = start + "template".len();
        if lower[..start].ends_with("</") {
            depth = depth.saturating_sub(1);
            if depth == 0 {
                return lower[at..].find('>').map(|end| at + end + 1);
            }
        } else if lower[..start].ends_with('<') {
            depth += 1;
        }
    }
    None
}

/// Behind white space and comments from `at` on, or where a comment begins that does not end.
fn past_comments(text: &str, mut at: usize) -> Result<usize, usize> {
    loop {
        let rest = &text[at..];
        at += rest.len() - rest.trim_start().len();
        let Some(comment) = text[at..].strip_prefix("<!--") else {
            return Ok(at);
        };
        let end = comment.find("-->").ok_or(at)?;
        at += end + "<!---->".len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_viewdef_is_exactly_one_template() {
        let one_template = |text| template_fault(text).is_none();
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
    fn what_is_wrong_with_a_viewdef_is_told_with_its_line() {
        let line = |text| fault(text).map(|(line, _)| line);
        assert_eq!(line("<!-- a -->\n\n<div></div>"), Some(3));
        assert_eq!(line("<template>\n<p>\n"), Some(1));
        assert_eq!(line("<template>\n</template>\n\n<p>"), Some(4));
        assert_eq!(line("\n<!-- a"), Some(2));
        assert_eq!(line(""), Some(1));
        assert_eq!(line("<template></template>"), None);
        let files = [("viewdefs/A.B.html".to_owned(), b"\n<p>".to_vec())];
        let problem = &Viewdefs::new(&Site::new(files.into_iter().collect())).problems[0];
        assert!(
            problem.starts_with("viewdefs/A.B.html:2: not a viewdef: ")
                && problem.contains("around"),
            "{problem}"
        );
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
