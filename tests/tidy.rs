//! The architecture, held as tests: who may import whom, what the core may not touch, where `unsafe`
//! may stand, how long things may get. Each complaint names file and line and what to do instead.

mod source;

use std::fs;

use source::{
    all_rust_files, blank, files, functions, has_word, numbered, root, rust_files,
    without_test_modules, word,
};

/// Modules at the top of `src`, and which of them each may import.
const IMPORTS: [(&str, &[&str]); 16] = [
    ("core", &[]),
    ("wire", &["core"]),
    ("journal", &["wire", "core"]),
    ("lua", &["core"]),
    ("variables", &["journal", "core"]),
    ("net", &["wire", "core"]),
    ("web", &[]),
    ("config", &["journal", "core"]),
    ("cli", &["config"]),
    ("replay", &["lua", "journal", "wire", "core"]),
    (
        "testing",
        &["replay", "config", "lua", "journal", "wire", "core"],
    ),
    (
        "server",
        &[
            "testing",
            "config",
            "net",
            "web",
            "variables",
            "replay",
            "lua",
            "journal",
            "wire",
            "core",
        ],
    ),
    ("operator", &["server"]),
    ("scaffold", &["web"]),
    ("inspect", &["replay", "lua", "journal", "wire", "core"]),
    (
        "main",
        &[
            "cli", "config", "server", "inspect", "replay", "testing", "web", "core", "operator",
            "scaffold",
        ],
    ),
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

/// The files that may contain `unsafe`, by the reason why they must. In `src` they are in `src/lua`, but for
/// calls of the system; each begins with what it is for.
const UNSAFE_FILES: [(&str, &[&str]); 6] = [
    (
        "gives out the memory of Lua states",
        &[
            "src/lua/alloc.rs",
            "src/lua/alloc/blocks.rs",
            "src/lua/alloc/image.rs",
            "src/lua/alloc/tests.rs",
            "src/lua/arena.rs",
        ],
    ),
    (
        "calls Lua's C interface, or is called by it",
        &[
            "src/lua/api.rs",
            "src/lua/arrays.rs",
            "src/lua/bind.rs",
            "src/lua/budget.rs",
            "src/lua/describe.rs",
            "src/lua/determinism.rs",
            "src/lua/encode.rs",
            "src/lua/files.rs",
            "src/lua/handle.rs",
            "src/lua/image/identity.rs",
            "src/lua/image/tests.rs",
            "src/lua/kernel.rs",
            "src/lua/messages.rs",
            "src/lua/modules.rs",
            "src/lua/objects.rs",
            "src/lua/os.rs",
            "src/lua/peek.rs",
            "src/lua/process.rs",
            "src/lua/prototype.rs",
            "src/lua/read.rs",
            "src/lua/registered.rs",
            "src/lua/route.rs",
            "src/lua/reload.rs",
            "src/lua/sandbox.rs",
            "src/lua/sandbox/base.rs",
            "src/lua/sandbox/clock.rs",
            "src/lua/sandbox/lazy.rs",
            "src/lua/sandbox/hidden.rs",
            "src/lua/sandbox/numbers.rs",
            "src/lua/sandbox/scratch.rs",
            "src/lua/sandbox/sort.rs",
            "src/lua/sandbox/tables.rs",
            "src/lua/sandbox/text.rs",
            "src/lua/session.rs",
            "src/lua/state.rs",
            "src/lua/ui.rs",
            "src/lua/upload.rs",
            "src/lua/wrapper.rs",
            "src/lua/write.rs",
        ],
    ),
    (
        "asks the system for what only the C library offers",
        &["src/server/system.rs"],
    ),
    (
        "maps memory that outlives the process",
        &["src/journal/mapped.rs"],
    ),
    (
        "asks the system what processes use; not part of the program",
        &["bench/system.rs"],
    ),
    (
        "compares designs of the loop that calls Lua's C interface; not part of the program",
        &["bench/inner_loop.rs"],
    ),
];

const FILE_LINES_MAX: usize = 600;
const FUNCTION_LINES_MAX: usize = 70;

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
        let listed = may_be_unsafe(&file.name);
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
        if found && !file.text.starts_with("//!") && !file.name.ends_with("/tests.rs") {
            complaints.push(format!(
                "{}:1: has unsafe code, so it must begin with what it is for (//!)",
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
        // Tables of cases in tests may be long.
        if file.name.ends_with("tests.rs") {
            continue;
        }
        let code = without_test_modules(&file.code);
        for (line, name, length) in functions(code) {
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

fn may_be_unsafe(name: &str) -> bool {
    UNSAFE_FILES.iter().any(|(_, files)| files.contains(&name))
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
