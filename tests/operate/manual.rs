//! What shells and manuals are told of the command line: completions complete, in the shells that are here, the manual
//! page is one that `man` shows without complaint, and neither leaves out a command or an option of the help.

use std::path::Path;
use std::process::Command;

use super::{lunette, printed};
use crate::net::process::Folder;

/// A command, as the words behind `lunette`, with the options that its help names.
struct Known {
    words: Vec<String>,
    options: Vec<String>,
}

/// All commands, from what help says.
fn all_known() -> Vec<Known> {
    let mut known = Vec::new();
    let mut open = vec![Vec::new()];
    while let Some(words) = open.pop() {
        let mut arguments: Vec<&str> = words.iter().map(String::as_str).collect();
        arguments.push("--help");
        let help = printed(&lunette(&arguments));
        let (mut options, mut in_commands) = (Vec::new(), false);
        for line in help.lines() {
            in_commands = line == "Commands:" || (in_commands && !line.is_empty());
            let first = line.split_whitespace().next();
            let is_entry = line.starts_with("  ") && !line.starts_with("   ");
            match first {
                Some(name) if in_commands && is_entry && name != "help" => {
                    open.push([words.clone(), vec![name.to_owned()]].concat());
                }
                Some(name) if name.starts_with('-') => {
                    let names = line
                        .split_whitespace()
                        .take_while(|word| word.starts_with('-'));
                    options.extend(names.map(|name| name.trim_matches([',', '.']).to_owned()));
                }
                _ => {}
            }
        }
        known.push(Known { words, options });
    }
    assert!(known.len() > 20, "help lists the commands");
    assert!(
        known
            .iter()
            .any(|known| known.words == ["sessions", "drop"])
    );
    known
}

/// Runs a shell in a folder, with the program in its path; `None`: there is none.
fn run(folder: &Folder, shell: &str, arguments: &[&str]) -> Option<String> {
    let program = Path::new(env!("CARGO_BIN_EXE_lunette"));
    let path = std::env::var("PATH").unwrap_or_default();
    let path = format!("{}:{path}", program.parent().expect("a folder").display());
    let mut command = Command::new(shell);
    command.args(arguments).env("PATH", path);
    let Ok(output) = command.current_dir(&folder.0).output() else {
        println!("skipped: there is no {shell} here");
        return None;
    };
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && errors.is_empty(),
        "{shell}: {errors}"
    );
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// A shell, and how it is asked what it offers: as it asks the script itself, when nobody is there to press Tab.
struct Shell {
    name: &'static str,
    flags: &'static [&'static str],
    /// Before its script is read, and how it is asked for a line.
    before: &'static str,
    ask: fn(&[String]) -> String,
}

fn quoted(words: &[String]) -> String {
    let words: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
    words.join(" ")
}

const SHELLS: [Shell; 3] = [
    Shell {
        name: "bash",
        flags: &["--norc", "-c"],
        before: "",
        ask: |words| {
            let count = words.len();
            let words = quoted(words);
            format!(
                "COMP_WORDS=(lunette {words}) COMP_CWORD={count} COMPREPLY=()\n_lunette lunette\n\
                 printf '%s\\n' \"${{COMPREPLY[@]}}\"\n"
            )
        },
    },
    Shell {
        name: "zsh",
        flags: &["-f", "-c"],
        before: "compdef() {}\n_describe() { print -rl -- \"${(@P)2}\" }\n\
                 _files() { if [[ $1 == -/ ]]; then print -rl -- *(/); else print -rl -- *; fi }\n",
        ask: |words| {
            let count = words.len() + 1;
            format!(
                "words=(lunette {}) CURRENT={count}\n_lunette\n",
                quoted(words)
            )
        },
    },
    Shell {
        name: "fish",
        flags: &["--no-config", "-c"],
        before: "",
        ask: |words| format!("complete -C 'lunette {}'\n", words.join(" ")),
    },
];

impl Shell {
    /// What it offers for each of these lines, the last word of which is being typed.
    fn offers(&self, folder: &Folder, lines: &[Vec<String>]) -> Option<Vec<Vec<String>>> {
        let elsewhere = Folder::new();
        elsewhere.write("script", printed(&lunette(&["completions", self.name])));
        let script = elsewhere.0.join("script");
        let mut asked = format!("{}source {}\n", self.before, script.display());
        for line in lines {
            asked += &format!("{}echo END\n", (self.ask)(line));
        }
        let told = run(folder, self.name, &[self.flags, &[asked.as_str()]].concat())?;
        let offered = told.split("END\n").map(|told| {
            let words = told
                .lines()
                .filter_map(|line| line.split(['\t', ':']).next());
            let words = words.map(|word| word.trim_end_matches('/').to_owned());
            let mut words: Vec<String> = words.filter(|word| !word.is_empty()).collect();
            words.sort();
            words
        });
        Some(offered.take(lines.len()).collect())
    }
}

fn words(line: &str) -> Vec<String> {
    line.split(' ').map(str::to_owned).collect()
}

#[test]
fn shells_complete_commands_options_values_and_places() {
    let folder = Folder::new();
    folder.write("site/lua/main.lua", "");
    folder.write("bug.lnt", "");
    let cases: [(&str, &[&str]); 11] = [
        ("se", &["serve", "service", "sessions"]),
        ("comp", &["completions"]),
        ("sessions dr", &["drop"]),
        ("service ", &["procd", "systemd"]),
        ("serve --rec", &["--record", "--recover"]),
        ("serve --recover e", &["eager"]),
        ("--log-format ", &["json", "logfmt", "text"]),
        ("completions z", &["zsh"]),
        ("serve --port ", &[]),
        ("serve --dir ", &["site"]),
        ("replay ", &["bug.lnt", "site"]),
    ];
    let lines = cases.map(|(line, _)| words(line));
    for shell in &SHELLS {
        let Some(offered) = shell.offers(&folder, &lines) else {
            continue;
        };
        for ((line, expected), offered) in cases.iter().zip(offered) {
            assert_eq!(&offered, expected, "{}: {line:?}", shell.name);
        }
    }
}

#[test]
fn shells_know_every_command_and_option_of_the_help() {
    let folder = Folder::new();
    let known = all_known();
    let mut lines = Vec::new();
    let mut expected = Vec::new();
    for Known { words, options } in known {
        lines.push([words.clone(), vec!["-".into()]].concat());
        expected.push(options);
        if let Some(name) = words.last().cloned() {
            lines.push(words);
            expected.push(vec![name]);
        }
    }
    for shell in &SHELLS {
        let Some(offered) = shell.offers(&folder, &lines) else {
            continue;
        };
        assert_eq!(offered.len(), lines.len(), "{}", shell.name);
        for ((line, expected), offered) in lines.iter().zip(&expected).zip(offered) {
            for name in expected {
                assert!(
                    offered.contains(name),
                    "{}: {line:?}: no {name} in {offered:?}",
                    shell.name
                );
            }
        }
    }
}

#[test]
fn the_manual_page_has_everything() {
    let page = printed(&lunette(&["man"]));
    let headings: Vec<&str> = page
        .lines()
        .filter_map(|line| line.strip_prefix(".SH "))
        .collect();
    let expected = [
        "NAME",
        "SYNOPSIS",
        "DESCRIPTION",
        "OPTIONS",
        "COMMANDS",
        "SETTINGS",
        "FILES",
        "SIGNALS",
        "EXIT STATUS",
        "ENVIRONMENT",
        "EXAMPLES",
    ];
    assert_eq!(headings, expected);
    let root = all_known().into_iter().find(|known| known.words.is_empty());
    let of_serving = root.expect("the command line itself").options;
    for Known { words, options } in all_known() {
        let heading = format!(".SS \\fBlunette {}\\fR", words.join(" ")).replace('-', "\\-");
        let part = match words.is_empty() {
            true => page.as_str(),
            false => {
                let (_, after) = page
                    .split_once(&heading)
                    .unwrap_or_else(|| panic!("{heading}"));
                after.split("\n.S").next().unwrap_or(after)
            }
        };
        for option in options {
            let tag = format!("\\fB{}\\fR", option.replace('-', "\\-"));
            let elsewhere = part.contains("all options of serving") && of_serving.contains(&option);
            let for_all = ["-h", "--help"].contains(&option.as_str());
            assert!(
                part.contains(&tag) || elsewhere || for_all,
                "{words:?} {option}"
            );
        }
    }
}

#[test]
fn manuals_are_shown_without_complaint() {
    let folder = Folder::new();
    folder.write("lunette.1", printed(&lunette(&["man"])));
    let page = folder.0.join("lunette.1").to_string_lossy().into_owned();
    let shown = run(
        &folder,
        "groff",
        &["-man", "-Tascii", "-ww", "-P-cbou", &page],
    );
    if let Some(shown) = shown {
        assert!(
            shown.contains("small daemon that shows live Lua objects"),
            "{shown}"
        );
        // What is copied from it is what has to be typed.
        assert!(shown.contains("lunette --dir mysite --dev"), "{shown}");
    }
    if Path::new("/usr/bin/man").exists() {
        let output = Command::new("man")
            .args(["--warnings", "-l", &page])
            .env("MANPAGER", "cat")
            .output()
            .expect("it runs");
        let complaints = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            output.status.success() && complaints.is_empty(),
            "{complaints}"
        );
    }
    // It has an opinion on style, too; the date is left out on purpose.
    run(&folder, "mandoc", &["-T", "lint", "-W", "error", &page]);
}
