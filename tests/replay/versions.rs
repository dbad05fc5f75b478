//! Recordings of every version of the format that was ever released replay for ever.

use std::fs;
use std::path::{Path, PathBuf};

use super::run;

/// The recordings of a version, which an engine of that time made: with `--record`, and in a state directory.
fn recordings(version: u16) -> Vec<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/replay/v{version}"));
    let journals = fs::read_dir(dir.join("state/sessions"));
    let found = fs::read_dir(dir).expect("the recordings are there");
    let mut found: Vec<PathBuf> = found
        .chain(journals.into_iter().flatten())
        .map(|entry| entry.expect("the directory is readable").path())
        .filter(|path| path.extension().is_some_and(|e| e == "lnt"))
        .collect();
    found.sort();
    assert!(!found.is_empty(), "no recordings of format {version}");
    found
}

#[test]
fn formats_2_and_3_replay() {
    for version in [2, 3] {
        recordings(version)
            .iter()
            .for_each(|file| replays(file, version));
    }
}

fn replays(file: &Path, version: u16) {
    let (code, said) = run("replay", file);
    assert_eq!(code, 0, "{}: {said}", file.display());
    assert!(said.ends_with("all as recorded\n"), "{said}");
    let (code, text) = run("transcript", file);
    assert_eq!(code, 0, "{text}");
    let first = format!("recording format {version}\n");
    assert!(text.starts_with(&first), "{text}");
}

/// What is only named in a journal (files of the site, and contents of edits) is inside of a file made of it.
#[test]
fn journals_of_any_kind_are_exported_whole() {
    let dir = std::env::temp_dir().join(format!("lunette-exported-{}", std::process::id()));
    fs::create_dir_all(&dir).expect("made");
    let journals = recordings(3);
    let journals = journals
        .iter()
        .filter(|file| file.to_string_lossy().contains("/state/"));
    let mut edited = 0;
    for journal in journals {
        let bug = dir.join(journal.file_name().expect("a name"));
        let mut export = super::lunette("export");
        let done = export
            .arg(journal)
            .arg("-o")
            .arg(&bug)
            .output()
            .expect("it runs");
        let said = String::from_utf8_lossy(&done.stdout).into_owned();
        assert!(
            said.contains("with all frames"),
            "{}: {said}",
            journal.display()
        );
        // The app whose pin is secret does not look at it.
        let (code, said) = run("replay", &bug);
        assert_eq!(code, 0, "{}: {said}", journal.display());
        let (_, text) = run("transcript", &bug);
        edited += text.matches("\nsite changed\n").count();
    }
    assert_eq!(edited, 4);
    fs::remove_dir_all(dir).expect("removed");
}

#[test]
fn others_are_refused_with_what_to_do() {
    let file = std::env::temp_dir().join(format!("lunette-version-{}.lnt", std::process::id()));
    for version in [0, 1, u8::MAX] {
        let mut bytes = fs::read(&recordings(2)[0]).expect("read");
        bytes[8] = version;
        fs::write(&file, bytes).expect("written");
        let (code, said) = run("replay", &file);
        assert_eq!(code, 1);
        let told = format!("has format {version}, this engine reads formats 2 to ");
        assert!(said.contains(&told), "{said}");
    }
    fs::remove_file(&file).expect("removed");
}
