//! The table of threats in `tests/SECURITY.md`: each test that it names is there.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// All tests of the package, as `MODULE::NAME`; in `src`, by the path of the file.
fn tests(dir: &Path, found: &mut BTreeSet<String>) {
    let mut entries: Vec<PathBuf> = fs::read_dir(dir)
        .expect("a folder of the package")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            tests(&path, found);
        } else if path.extension().is_some_and(|end| end == "rs") {
            let text = fs::read_to_string(&path).expect("a source");
            let mut is_test = false;
            for line in text.lines().map(str::trim) {
                match line
                    .strip_prefix("fn ")
                    .and_then(|rest| rest.split('(').next())
                {
                    Some(name) if is_test => {
                        found.insert(name.to_owned());
                        is_test = false;
                    }
                    _ => is_test |= line == "#[test]",
                }
            }
        }
    }
}

#[test]
fn each_row_of_the_table_names_tests_that_are_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut known = BTreeSet::new();
    for folder in ["src", "tests"] {
        tests(&root.join(folder), &mut known);
    }
    let text = fs::read_to_string(root.join("tests/SECURITY.md")).expect("the table");
    let rows: Vec<&str> = text
        .lines()
        .filter(|line| {
            line.starts_with("| ") && !line.starts_with("| Threat") && !line.starts_with("| ---")
        })
        .collect();
    assert!(rows.len() >= 30, "{} rows", rows.len());
    let mut missing = Vec::new();
    for row in rows {
        let columns: Vec<&str> = row.trim_matches('|').split(" | ").collect();
        assert_eq!(columns.len(), 4, "{row}");
        let named: Vec<&str> = columns[3].split('`').skip(1).step_by(2).collect();
        assert!(!named.is_empty(), "no test for: {row}");
        missing.extend(named.into_iter().filter(|name| !known.contains(*name)));
    }
    assert!(missing.is_empty(), "no such tests: {missing:#?}");
    for letter in ["S", "T", "R", "I", "D", "E"] {
        assert!(
            text.contains(&format!("| {letter} |")),
            "no row of {letter}"
        );
    }
}
