//! Reading source files: which there are, what in them is code, where functions begin and end.

use std::fs;
use std::path::{Path, PathBuf};

/// A source file: as it is, and with the insides of comments and literals blanked out.
pub struct Source {
    /// From the top of the repository, `/` between the parts.
    pub name: String,
    pub text: String,
    pub code: String,
}

pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

pub fn word(text: &str) -> &str {
    let end = text.find(|c: char| !(c.is_alphanumeric() || c == '_'));
    &text[..end.unwrap_or(text.len())]
}

pub fn has_word(line: &str, wanted: &str) -> bool {
    let joins = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(wanted).any(|(at, _)| {
        !line[..at].ends_with(joins) && !line[at + wanted.len()..].starts_with(joins)
    })
}

/// All functions with a body: line, name, lines from `fn` to the closing brace.
pub fn functions(code: &str) -> Vec<(usize, &str, usize)> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("fn ") {
        if code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_') {
            continue;
        }
        let name = word(&code[at + 3..]);
        if name.is_empty() {
            continue;
        }
        if let Some(open) = body_start(&code[at..])
            && let Some(length) = block_length(&code[at + open..])
        {
            let end = at + open + length;
            let line = code[..at].matches('\n').count() + 1;
            let lines = code[at..end].lines().count();
            found.push((line, name, lines));
        }
    }
    found
}

/// Where the `{` of a function's body is; `None`: it has none.
fn body_start(code: &str) -> Option<usize> {
    let mut depth = 0;
    for (at, c) in code.char_indices() {
        match c {
            '(' | '[' => depth += 1,
            ')' | ']' => depth -= 1,
            '{' if depth == 0 => return Some(at),
            ';' if depth == 0 => return None,
            _ => {}
        }
    }
    None
}

/// The length of the block that `code` begins with.
fn block_length(code: &str) -> Option<usize> {
    let mut depth = 0;
    for (at, c) in code.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => continue,
        }
        if depth == 0 {
            return Some(at + 1);
        }
    }
    None
}

/// The code up to the tests, which stand at the end of a file.
pub fn without_test_modules(code: &str) -> &str {
    match code.find("#[cfg(test)]\nmod ") {
        Some(at) => &code[..at],
        None => code,
    }
}

pub fn numbered(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().map(|(i, line)| (i + 1, line))
}

pub fn all_rust_files() -> Vec<Source> {
    files(&["src", "tests", "bench", "build.rs"], &["rs"])
}

pub fn rust_files(dir: &str) -> Vec<Source> {
    files(&[dir], &["rs"])
}

/// The files below these directories with one of these extensions, sorted.
pub fn files(places: &[&str], extensions: &[&str]) -> Vec<Source> {
    let mut paths = Vec::new();
    for place in places {
        collect(&root().join(place), &mut paths);
    }
    paths.sort();
    let wanted = |path: &PathBuf| {
        let extension = path.extension().unwrap_or_default().to_string_lossy();
        extensions.contains(&&*extension)
    };
    let mut sources = Vec::new();
    for path in paths.into_iter().filter(wanted) {
        // What is not text is nobody's source.
        if let Ok(text) = fs::read_to_string(&path) {
            let name = path.strip_prefix(root()).expect("below the root");
            sources.push(Source {
                name: name.to_string_lossy().replace('\\', "/"),
                code: blank(&text),
                text,
            });
        }
    }
    sources
}

fn collect(path: &Path, into: &mut Vec<PathBuf>) {
    if path.is_file() {
        return into.push(path.to_owned());
    }
    let Ok(entries) = fs::read_dir(path) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        if name != "target" && name != "node_modules" {
            collect(&entry.path(), into);
        }
    }
}

/// The text with comments and the insides of string and character literals turned into spaces.
/// Lines stay where they are.
pub fn blank(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let end = literal_end(bytes, at);
        if end == at {
            out.push(bytes[at]);
            at += 1;
            continue;
        }
        let blanked = bytes[at..end]
            .iter()
            .map(|&b| if b == b'\n' { b } else { b' ' });
        out.extend(blanked);
        at = end;
    }
    String::from_utf8(out).expect("whole literals are blanked, so the rest is UTF-8 still")
}

/// Where the comment or literal that begins at `at` ends; `at` itself if none begins there.
fn literal_end(bytes: &[u8], at: usize) -> usize {
    let rest = &bytes[at..];
    let before = at.checked_sub(1).map_or(b' ', |i| bytes[i]);
    let in_word = before.is_ascii_alphanumeric() || before == b'_';
    let until = |from: usize, end: &[u8]| {
        let found = rest[from..].windows(end.len()).position(|w| w == end);
        at + found.map_or(rest.len(), |found| from + found + end.len())
    };
    if rest.starts_with(b"//") {
        let line = rest.iter().position(|&b| b == b'\n');
        return at + line.unwrap_or(rest.len());
    }
    if rest.starts_with(b"/*") {
        return until(2, b"*/");
    }
    if !in_word && (rest[0] == b'r' || rest.starts_with(b"br")) {
        let skip = rest.iter().position(|&b| b == b'r').map_or(0, |r| r + 1);
        let hashes = rest[skip..].iter().take_while(|&&b| b == b'#').count();
        if rest.get(skip + hashes) == Some(&b'"') {
            let mut end = vec![b'"'];
            end.resize(1 + hashes, b'#');
            return until(skip + hashes + 1, &end);
        }
    }
    match rest[0] {
        b'"' => at + quoted(rest, b'"'),
        // A lifetime has no closing quote two characters on.
        b'\'' if rest.get(1) == Some(&b'\\') => at + quoted(rest, b'\''),
        b'\'' => {
            let text = std::str::from_utf8(&rest[1..rest.len().min(6)]);
            let valid = text.unwrap_or_else(|e| {
                std::str::from_utf8(&rest[1..1 + e.valid_up_to()]).unwrap_or_default()
            });
            let width = valid.chars().next().map_or(1, char::len_utf8);
            if rest.get(1 + width) == Some(&b'\'') {
                at + 2 + width
            } else {
                at
            }
        }
        _ => at,
    }
}

fn quoted(rest: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while at < rest.len() && rest[at] != quote {
        at += if rest[at] == b'\\' { 2 } else { 1 };
    }
    (at + 1).min(rest.len())
}
