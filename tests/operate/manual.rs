//! What shells and manuals are told of the command line: completions complete, in the shells that are here, the manual
//! page is one that `man` shows without complaint, and neither leaves out a command or an option of the help.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

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

fn script(folder: &Folder, shell: &str) -> String {
    let text = printed(&lunette(&["completions", shell]));
    folder.write(shell, text);
    folder.0.join(shell).to_string_lossy().into_owned()
}

/// Runs a shell; `None`: there is none.
fn run(shell: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(shell).args(arguments).output();
    let Ok(Output {
        status,
        stdout,
        stderr,
    }) = output
    else {
        println!("skipped: there is no {shell} here");
        return None;
    };
    let errors = String::from_utf8_lossy(&stderr);
    assert!(status.success() && errors.is_empty(), "{shell}: {errors}");
    Some(String::from_utf8_lossy(&stdout).into_owned())
}

/// What bash offers for each of these lines, the last word of which is being typed.
fn offered_by_bash(folder: &Folder, lines: &[Vec<String>]) -> Vec<Vec<String>> {
    let file = script(folder, "bash");
    // As bash does it: the function gets the command, the word and the one before, and knows the line.
    let mut asked = format!(
        "source {file}\nask() {{\n COMP_WORDS=(lunette \"$@\") COMP_CWORD=$# COMPREPLY=()\n \
         _lunette lunette \"${{COMP_WORDS[$#]}}\" \"${{COMP_WORDS[$# - 1]}}\" 2>/dev/null\n \
         echo \"${{COMPREPLY[@]}}\"\n}}\n"
    );
    for line in lines {
        let words: Vec<String> = line.iter().map(|word| format!("'{word}'")).collect();
        asked += &format!("ask {}\n", words.join(" "));
    }
    let told = run("bash", &["--norc", "-c", &asked]).expect("there is a bash");
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect();
    told.lines().map(words).collect()
}

fn words(line: &str) -> Vec<String> {
    line.split(' ').map(str::to_owned).collect()
}

#[test]
fn bash_completes_commands_options_and_values() {
    let folder = Folder::new();
    let lines = [
        "se",
        "comp",
        "sessions dr",
        "service ",
        "serve --rec",
        "serve --recover e",
        "--log-format ",
        "completions z",
        "serve --port ",
    ];
    let offered = offered_by_bash(&folder, &lines.map(words));
    let expected: [&[&str]; 9] = [
        &["serve", "sessions", "service"],
        &["completions"],
        &["drop"],
        &["systemd", "procd"],
        &["--recover", "--record"],
        &["eager"],
        &["text", "logfmt", "json"],
        &["zsh"],
        &[],
    ];
    for ((line, offered), expected) in lines.iter().zip(&offered).zip(expected) {
        let mut offered: Vec<&str> = offered.iter().map(String::as_str).collect();
        let mut expected = expected.to_vec();
        // Options may be offered besides, which a user sees who has typed nothing yet.
        if line.ends_with(' ') {
            offered.retain(|word| !word.starts_with('-'));
            expected.push("help");
            offered.push("help");
        }
        offered.sort_unstable();
        offered.dedup();
        expected.sort_unstable();
        expected.dedup();
        assert_eq!(offered, expected, "{line:?}");
    }
}

#[test]
fn bash_knows_every_command_and_option_of_the_help() {
    let folder = Folder::new();
    let known = all_known();
    let mut lines = Vec::new();
    for Known { words, .. } in &known {
        lines.push([words.clone(), vec!["-".into()]].concat());
        lines.push(words.clone());
    }
    // The command line itself, without any word, is the one that has no command to complete.
    lines.retain(|line| !line.is_empty());
    let offered = offered_by_bash(&folder, &lines);
    assert_eq!(offered.len(), lines.len());
    let of = |line: &[String]| {
        let at = lines.iter().position(|other| other == line);
        &offered[at.expect("it was asked")]
    };
    for Known { words, options } in &known {
        let dashed = of(&[words.clone(), vec!["-".into()]].concat());
        for option in options {
            assert!(dashed.contains(option), "{words:?} {option}: {dashed:?}");
        }
        if let Some(name) = words.last() {
            assert!(of(words).contains(name), "{words:?}");
        }
    }
}

#[test]
fn fish_and_zsh_understand_theirs_and_know_every_option() {
    let folder = Folder::new();
    let (fish, zsh) = (script(&folder, "fish"), script(&folder, "zsh"));
    run("zsh", &["-f", "-n", &zsh]);
    let text = fs::read_to_string(&zsh).expect("it was written");
    let known = all_known();
    for Known { words, options } in &known {
        for option in options {
            let is_there =
                ["=[", "+[", "["].map(|after| text.contains(&format!("{option}{after}")));
            assert!(is_there.contains(&true), "{words:?} {option}");
        }
        if let Some(name) = words.last() {
            assert!(text.contains(&format!("({name})")), "{words:?}");
        }
    }
    let mut asked = format!("source {fish}\n");
    for Known { words, .. } in &known {
        let line = [&["lunette".to_owned()], words.as_slice(), &["-".to_owned()]].concat();
        asked += &format!("complete -C '{}'\necho END\n", line.join(" "));
    }
    let Some(told) = run("fish", &["--no-config", "-c", &asked]) else {
        return;
    };
    for (offered, Known { words, options }) in told.split("END\n").zip(&known) {
        let offered: Vec<&str> = offered
            .lines()
            .filter_map(|line| line.split('\t').next())
            .collect();
        for option in options {
            assert!(
                offered.contains(&option.as_str()),
                "{words:?} {option}: {offered:?}"
            );
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
    let shown = run("groff", &["-man", "-Tascii", "-ww", "-P-cbou", &page]);
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
    run("mandoc", &["-T", "lint", "-W", "error", &page]);
}
