//! The architecture, held as tests: who may import whom, what the core may not touch, where `unsafe`
//! may stand, how long things may get. Each complaint names file and line and what to do instead.

use std::fs;
use std::path::{Path, PathBuf};

/// Modules at the top of `src`, and which of them each may import.
const IMPORTS: [(&str, &[&str]); 11] = [
    ("core", &[]),
    ("wire", &["core"]),
    ("journal", &["wire", "core"]),
    ("lua", &["core"]),
    ("net", &["wire", "core"]),
    ("web", &[]),
    ("config", &["core"]),
    ("cli", &["config"]),
    ("replay", &["lua", "journal", "wire", "core"]),
    (
        "server",
        &["config", "net", "web", "lua", "journal", "wire", "core"],
    ),
    ("main", &["cli", "config", "server", "replay"]),
];

/// What core may not touch, and what to use instead.
const BANNED_IN_CORE: [(&str, &str); 21] = [
    ("Instant", "the turn's `now`"),
    ("SystemTime", "the turn's `wall`"),
    ("HashMap", "BTreeMap, which has an order"),
    ("HashSet", "BTreeSet, which has an order"),
    (
        "RefCell",
        "an argument: parents own, siblings are passed in",
    ),
    ("Mutex", "nothing: there is one thread"),
    ("RwLock", "nothing: there is one thread"),
    ("Arc", "Rc, or ownership: there is one thread"),
    ("thread_local", "a field: state belongs to a session"),
    (
        "std::fs",
        "a value that the shell has read, such as core::site::Site",
    ),
    ("std::net", "an Effect for the shell"),
    ("std::env", "a limit or setting passed in"),
    ("std::process", "an Effect for the shell"),
    ("std::thread", "the run queue"),
    ("std::time", "core::event::Turn"),
    ("mlua", "trait core::script::Script"),
    ("mio", "an Event or Effect"),
    ("rand", "the session's seed"),
    ("getrandom", "the session's seed"),
    ("println", "Effect::Log"),
    ("eprintln", "Effect::Log"),
];

/// Left behind by accident.
const BANNED_EVERYWHERE: [(&str, &str); 5] = [
    ("todo!", "the thing itself, or an issue"),
    ("unimplemented!", "the thing itself, or an error"),
    ("dbg!", "a log line, or nothing"),
    ("#[ignore", "a test that runs, or none"),
    ("static mut", "a field: state belongs to a session"),
];

/// The files that may contain `unsafe`: the border to Lua's C interface and to raw memory. Each
/// begins with the reason why it must.
const UNSAFE_FILES: [&str; 0] = [];

const FILE_LINES_MAX: usize = 600;
const FUNCTION_LINES_MAX: usize = 70;

/// A source file: as it is, and with the insides of comments and literals blanked out.
struct Source {
    /// From the top of the repository, `/` between the parts.
    name: String,
    text: String,
    code: String,
}

#[test]
fn imports_point_one_way() {
    let mut complaints = Vec::new();
    for file in rust_files("src") {
        let module = top_module(&file.name);
        if module == "lib" {
            continue;
        }
        let Some((_, allowed)) = IMPORTS.iter().find(|(name, _)| *name == module) else {
            complaints.push(format!(
                "{}:1: module {module} has no place in the table of imports in tests/tidy.rs",
                file.name
            ));
            continue;
        };
        for (line, text) in numbered(&file.code) {
            for imported in imports(text) {
                if imported != module && !allowed.contains(&imported) {
                    complaints.push(format!(
                        "{}:{line}: {module} may not import {imported}, only {allowed:?}: pass what it \
                         needs as an argument, or move the code to who may",
                        file.name
                    ));
                }
            }
        }
    }
    report(complaints);
}

#[test]
fn the_core_is_pure() {
    let mut complaints = Vec::new();
    for file in rust_files("src/core") {
        for (line, text) in numbered(&file.code) {
            for (banned, instead) in BANNED_IN_CORE {
                if has_word(text, banned) {
                    complaints.push(format!(
                        "{}:{line}: {banned} in core; use {instead}",
                        file.name
                    ));
                }
            }
        }
    }
    report(complaints);
}

#[test]
fn nothing_unfinished_is_left_behind() {
    let mut complaints = Vec::new();
    for file in all_rust_files() {
        for (line, text) in numbered(&file.code) {
            for (banned, instead) in BANNED_EVERYWHERE {
                if text.contains(banned) {
                    complaints.push(format!("{}:{line}: {banned}; use {instead}", file.name));
                }
            }
        }
    }
    report(complaints);
}

#[test]
fn unsafe_stands_where_it_must_and_says_why() {
    let mut complaints = Vec::new();
    for file in all_rust_files() {
        let listed = UNSAFE_FILES.contains(&&*file.name);
        let lines: Vec<&str> = file.text.lines().collect();
        let mut found = false;
        for (line, text) in numbered(&file.code) {
            if !has_word(text, "unsafe") {
                continue;
            }
            found = true;
            if !listed {
                complaints.push(format!(
                    "{}:{line}: unsafe outside of the files listed in tests/tidy.rs; use what src/lua offers",
                    file.name
                ));
            } else if needs_comment(text) && !has_safety_comment(&lines, line - 1) {
                complaints.push(format!(
                    "{}:{line}: unsafe without a `// SAFETY:` comment above it that says why it holds",
                    file.name
                ));
            }
        }
        if listed && !found {
            complaints.push(format!(
                "{}:1: listed for unsafe without any; take it off the list",
                file.name
            ));
        }
        let reason = lines.iter().take_while(|l| l.starts_with("//!"));
        if found && listed && !reason.clone().any(|l| l.to_lowercase().contains("unsafe")) {
            complaints.push(format!(
                "{}:1: has unsafe code, so its first paragraph must say why (\"Unsafe: ...\")",
                file.name
            ));
        }
    }
    report(complaints);
}

#[test]
fn files_and_functions_fit_a_mind() {
    let mut complaints = Vec::new();
    for file in all_rust_files() {
        let count = file.text.lines().count();
        if count > FILE_LINES_MAX {
            complaints.push(format!(
                "{}:{count}: {count} lines, at most {FILE_LINES_MAX}: split it by concept",
                file.name
            ));
        }
        let code = without_test_modules(&file.code);
        for (line, name, length) in functions(&code) {
            if length > FUNCTION_LINES_MAX {
                complaints.push(format!(
                    "{}:{line}: fn {name} has {length} lines, at most {FUNCTION_LINES_MAX}: name its parts",
                    file.name
                ));
            }
        }
    }
    for file in files(&["src", "lua", "tests"], &["js", "lua", "css", "html"]) {
        let count = file.text.lines().count();
        if count > FILE_LINES_MAX {
            complaints.push(format!(
                "{}:{count}: {count} lines, at most {FILE_LINES_MAX}: split it by concept",
                file.name
            ));
        }
    }
    report(complaints);
}

#[test]
fn no_path_of_somebodys_machine() {
    // Put together here, so that this file does not complain about itself.
    let banned = ["work", "root", "home", "tmp", "Users"].map(|dir| format!("/{dir}/"));
    let mut complaints = Vec::new();
    let kinds = [
        "rs", "js", "lua", "css", "html", "md", "toml", "txt", "h", "c", "sh", "run", "",
    ];
    for file in files(
        &[
            "src",
            "lua",
            "tests",
            "bench",
            "README.md",
            ".ci",
            "build.rs",
        ],
        &kinds,
    ) {
        for (line, text) in numbered(&file.text) {
            for dir in &banned {
                if let Some(at) = text.find(dir.as_str())
                    && !text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '.' || c == '}')
                {
                    complaints.push(format!(
                        "{}:{line}: {dir} is a path of one machine; use one relative to the package, or \
                         std::env::temp_dir()",
                        file.name
                    ));
                }
            }
        }
    }
    report(complaints);
}

#[test]
fn the_readme_tours_every_module() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap_or_default();
    let mut complaints = Vec::new();
    for entry in fs::read_dir(root().join("src")).expect("src is readable") {
        let name = entry.expect("src is readable").file_name();
        let name = format!("src/{}", name.to_string_lossy());
        let folder = name.trim_end_matches(".rs");
        // A module may be `src/x.rs` with `src/x/` beside it: one mention is enough.
        if !readme.contains(folder) {
            complaints.push(format!(
                "README.md:1: does not mention {name} in its tour of files"
            ));
        }
    }
    report(complaints);
}

fn report(mut complaints: Vec<String>) {
    complaints.sort();
    let count = complaints.len();
    assert!(
        complaints.is_empty(),
        "{count} complaints:\n{}",
        complaints.join("\n")
    );
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// `src/lua/api.rs` is of module `lua`, `src/wire.rs` of `wire`.
fn top_module(name: &str) -> &str {
    let rest = name.strip_prefix("src/").unwrap_or(name);
    let first = rest.split('/').next().unwrap_or(rest);
    first.trim_end_matches(".rs")
}

/// The top-level modules that a line of code names.
fn imports(line: &str) -> Vec<&str> {
    let mut found = Vec::new();
    for start in ["crate::", "lunette::"] {
        for (at, _) in line.match_indices(start) {
            let rest = &line[at + start.len()..];
            if let Some(group) = rest.strip_prefix('{') {
                let group = group.split('}').next().unwrap_or(group);
                found.extend(group.split(',').map(|part| word(part.trim())));
            } else {
                found.push(word(rest));
            }
        }
    }
    let module = |name: &&str| IMPORTS.iter().any(|(module, _)| module == name);
    found.into_iter().filter(module).collect()
}

fn word(text: &str) -> &str {
    let end = text.find(|c: char| !(c.is_alphanumeric() || c == '_'));
    &text[..end.unwrap_or(text.len())]
}

fn has_word(line: &str, wanted: &str) -> bool {
    let joins = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(wanted).any(|(at, _)| {
        !line[..at].ends_with(joins) && !line[at + wanted.len()..].starts_with(joins)
    })
}

/// Blocks and implementations must be justified; an `unsafe fn` documents what its caller owes.
fn needs_comment(line: &str) -> bool {
    ["unsafe {", "unsafe impl"]
        .iter()
        .any(|form| line.contains(form))
}

/// Whether a comment with `SAFETY:` stands on this line or above the statement it belongs to.
fn has_safety_comment(lines: &[&str], at: usize) -> bool {
    if lines[at].contains("SAFETY:") {
        return true;
    }
    for above in (at.saturating_sub(12)..at).rev() {
        let line = lines[above].trim();
        if line.contains("SAFETY:") {
            return true;
        }
        let comment = line.starts_with("//") || line.starts_with("#[");
        if !comment && (line.is_empty() || line.ends_with([';', '}'])) {
            return false;
        }
    }
    false
}

/// All functions with a body: line, name, lines from `fn` to the closing brace.
fn functions(code: &str) -> Vec<(usize, &str, usize)> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("fn ") {
        if code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_') {
            continue;
        }
        let name = word(&code[at + 3..]);
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
fn without_test_modules(code: &str) -> &str {
    match code.find("#[cfg(test)]\nmod ") {
        Some(at) => &code[..at],
        None => code,
    }
}

fn numbered(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().map(|(i, line)| (i + 1, line))
}

fn all_rust_files() -> Vec<Source> {
    files(&["src", "tests", "bench", "build.rs"], &["rs"])
}

fn rust_files(dir: &str) -> Vec<Source> {
    files(&[dir], &["rs"])
}

/// The files below these directories with one of these extensions, sorted.
fn files(places: &[&str], extensions: &[&str]) -> Vec<Source> {
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
fn blank(text: &str) -> String {
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

#[test]
fn the_tidy_test_itself_can_read() {
    let code = blank("let a = \"x // y\"; // unsafe\nlet b = 'c'; fn f<'a>() { r#\"}\"#; '\\''; }");
    assert!(!code.contains("unsafe") && !code.contains('y') && code.contains("let b ="));
    assert_eq!(functions(&code), [(2, "f", 1)]);
    assert_eq!(
        functions("fn a(x: [u8; 2]) {\n\n}\nfn b();\nfn c() {\n}"),
        [(1, "a", 3), (5, "c", 2)]
    );
    assert_eq!(
        imports("use crate::{core::id, wire}; use crate::lua::x;"),
        ["core", "wire", "lua"]
    );
    assert!(has_word("x: Arc<u8>", "Arc") && !has_word("Archive", "Arc"));
    let lines = [
        "// SAFETY: yes",
        "let x = f(",
        "  unsafe { y }",
        ");",
        "let z = unsafe { y };",
    ];
    assert!(has_safety_comment(&lines, 2) && !has_safety_comment(&lines, 4));
}
