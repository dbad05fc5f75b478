//! The manual page, made of the command line's definition and the table of settings: what each command, option and
//! key does stands in one place. Here is only what neither of them says.

mod roff;

use clap::{Arg, ArgAction, Command};

use super::{Cli, EXIT_CODES};
use crate::config::defaults::KNOWN;
use roff::{Page, bold, escape, italic};

const SUMMARY: &str = "small daemon that shows live Lua objects as web pages";

const SITE: &str = "A site is a directory with lua/main.lua, which runs once for every session, and templates in \
    viewdefs, which bind elements of a page to paths in Lua objects. Lua code changes its objects; pages show it. lunette \
    new DIR makes a small site that works.";

const OPTIONS: &str = "Those of serving, which is what is done without a command. Each can stand in the site's \
    lunette.toml or in the environment, too. All commands know -h, --help.";

const SETTINGS: &str = "The file lunette.toml in the site's directory. What it gets wrong is told with its line, and so is \
    what was probably meant. The environment wins over the file, options win over both; lunette dump-config tells what is in \
    force and where it comes from. Behind each key stands what is so without it.";

const FILES: [(&str, &str); 8] = [
    ("SITE/lua/main.lua", "the code a session begins with"),
    (
        "SITE/viewdefs/TYPE.NAMESPACE.html",
        "the template for objects of a type; NAMESPACE is DEFAULT where none is asked for",
    ),
    (
        "SITE/html",
        "files that are served as they are; with an index.html of its own in the built-in page's place",
    ),
    ("SITE/lunette.toml", "settings"),
    ("SITE/tests/*.lunette", "recordings for lunette test"),
    (
        "~/.local/state/lunette, or $XDG_STATE_HOME/lunette",
        "a state directory for each site, unless --state names another: sessions that outlive the process",
    ),
    (
        "STATE/admin.sock",
        "where lunette sessions, get, update and eval ask the server; for its owner only",
    ),
    (
        "STATE/sessions",
        "the journals; SESSION.lost is one that could not be run again",
    ),
];

const SIGNALS: [(&str, &str); 3] = [
    (
        "SIGTERM, SIGINT",
        "stop: no new connections, all is written, pages are told to come back, within 5 s; the second one ends at once",
    ),
    (
        "SIGHUP",
        "read settings and site again; what needs a new start is named in the log, what flags say (--dev, --hotload) stays, and what is wrong changes nothing",
    ),
    ("SIGUSR2", "write a line of statistics into the log"),
];

const ENVIRONMENT: [(&str, &str); 6] = [
    ("LUNETTE_DIR", "the site, as --dir"),
    (
        "LUNETTE_KEY",
        "a key of [server], in capitals: LUNETTE_PORT is port",
    ),
    (
        "LUNETTE_SECTION_KEY",
        "a key of another section: LUNETTE_NET_HEADERS is headers of [net]; lists have commas",
    ),
    (
        "XDG_STATE_HOME, HOME",
        "below which of them state directories lie",
    ),
    (
        "NOTIFY_SOCKET, WATCHDOG_USEC",
        "where to tell a supervisor that the server is ready, reloads, stops, and that it is alive",
    ),
    (
        "LISTEN_FDS, LISTEN_PID",
        "one TCP socket that a supervisor has opened, to be listened on in place of --host and --port",
    ),
];

const EXAMPLES: [(&str, &str); 5] = [
    ("lunette", "serves the built-in demo"),
    ("lunette new mysite", "makes a site"),
    (
        "lunette --dir mysite --dev",
        "serves it while you write it: edits take effect at once, errors show on the page",
    ),
    (
        "lunette inspect SESSION --dir mysite",
        "what happened in a session, turn by turn, in the browser",
    ),
    (
        "lunette completions bash > /etc/bash_completion.d/lunette",
        "has bash complete all of this",
    ),
];

/// The page, in the language of man(7).
pub fn page() -> String {
    let mut root = Cli::command();
    root.build();
    let version = concat!("lunette ", env!("CARGO_PKG_VERSION"));
    let mut page = Page::new("LUNETTE", 1, version);
    page.section("NAME");
    page.text(&format!("{} \\- {}", bold("lunette"), escape(SUMMARY)));
    page.section("SYNOPSIS");
    page.lines(&usage(&mut root));
    page.section("DESCRIPTION");
    page.text(&sentence(&styled(root.get_about())));
    page.text(&escape(SITE));
    page.section("OPTIONS");
    page.text(&escape(OPTIONS));
    for arg in options(&root) {
        page.item(&tag(arg), &help(arg));
    }
    page.section("COMMANDS");
    let serving: Vec<Arg> = options(&root).cloned().collect();
    for command in root.get_subcommands_mut() {
        describe(&mut page, command, &serving);
    }
    page.section("SETTINGS");
    page.text(&escape(SETTINGS));
    settings(&mut page);
    listed(&mut page, "FILES", &FILES);
    listed(&mut page, "SIGNALS", &SIGNALS);
    page.section("EXIT STATUS");
    for (code, meaning) in EXIT_CODES {
        page.item(&bold(&code.to_string()), &escape(meaning));
    }
    listed(&mut page, "ENVIRONMENT", &ENVIRONMENT);
    listed(&mut page, "EXAMPLES", &EXAMPLES);
    page.finish()
}

fn listed(page: &mut Page, title: &str, items: &[(&str, &str)]) {
    page.section(title);
    for (name, about) in items {
        page.item(&bold(name), &escape(about));
    }
}

fn settings(page: &mut Page) {
    let mut section = "";
    for known in KNOWN {
        if known.section != section {
            section = known.section;
            page.subsection(&format!("[{section}]"));
        }
        let usual = known
            .usual
            .map(|usual| format!(" ({})", escape(usual)))
            .unwrap_or_default();
        page.item(&format!("{}{usual}", bold(known.key)), &escape(known.about));
    }
}

/// A command with what it takes, and those below it.
fn describe(page: &mut Page, command: &mut Command, serving: &[Arg]) {
    if command.get_name() == "help" || command.is_hide_set() {
        return;
    }
    page.subsection(&usage(command).join(" "));
    page.text(&sentence(&styled(command.get_about())));
    for arg in command.get_positionals() {
        page.item(&italic(&value_name(arg)), &help(arg));
    }
    let same = |arg: &&Arg| {
        let like = |other: &Arg| other.get_id() == arg.get_id() && help(other) == help(arg);
        serving.iter().any(like)
    };
    let (of_serving, own): (Vec<&Arg>, Vec<&Arg>) = options(command).partition(same);
    for arg in own {
        page.item(&tag(arg), &help(arg));
    }
    if !of_serving.is_empty() {
        page.text("It takes all options of serving.");
    }
    for paragraph in styled(command.get_after_help()).split("\n\n") {
        page.text(&escape(paragraph));
    }
    for inner in command.get_subcommands_mut() {
        describe(page, inner, serving);
    }
}

/// All but what every command has.
fn options(command: &Command) -> impl Iterator<Item = &Arg> {
    let arguments = command.get_arguments();
    arguments.filter(|arg| !arg.is_positional() && !matches!(arg.get_action(), ArgAction::Help))
}

/// How a command is written, a line for each way.
fn usage(command: &mut Command) -> Vec<String> {
    let name = command
        .get_bin_name()
        .unwrap_or(command.get_name())
        .to_owned();
    let usage = command.render_usage().to_string();
    let usage = usage.trim_start_matches("Usage:");
    let lines = usage.lines().map(|line| {
        let line = line.trim();
        match line.strip_prefix(&name) {
            Some(rest) => bold(&name) + &escape(rest),
            None => escape(line),
        }
    });
    lines.collect()
}

/// `-v, --verbose VALUE`.
fn tag(arg: &Arg) -> String {
    let short = arg.get_short().map(|short| bold(&format!("-{short}")));
    let long = arg.get_long().map(|long| bold(&format!("--{long}")));
    let names: Vec<String> = short.into_iter().chain(long).collect();
    let names = names.join(", ");
    match arg.get_action() {
        ArgAction::Set | ArgAction::Append => format!("{names} {}", italic(&value_name(arg))),
        _ => names,
    }
}

fn value_name(arg: &Arg) -> String {
    let names = arg.get_value_names().unwrap_or_default();
    let names: Vec<&str> = names.iter().map(|name| name.as_str()).collect();
    names.join(" ")
}

fn help(arg: &Arg) -> String {
    let mut help = escape(&styled(arg.get_help()));
    let usual: Vec<_> = arg.get_default_values().iter().collect();
    if !usual.is_empty() && !arg.is_hide_default_value_set() && arg.get_action().takes_values() {
        let usual: Vec<_> = usual.iter().map(|value| value.to_string_lossy()).collect();
        help += &escape(&format!(" [default: {}]", usual.join(" ")));
    }
    let values = arg.get_possible_values();
    if !values.is_empty() && !arg.is_hide_possible_values_set() && arg.get_action().takes_values() {
        let values: Vec<&str> = values.iter().map(|value| value.get_name()).collect();
        help += &escape(&format!(": {}", values.join(", ")));
    }
    help
}

fn styled(text: Option<&clap::builder::StyledStr>) -> String {
    text.map(ToString::to_string).unwrap_or_default()
}

/// With the full stop that help leaves out.
fn sentence(text: &str) -> String {
    let text = escape(text);
    match text.ends_with(['.', ':']) || text.is_empty() {
        true => text,
        false => text + ".",
    }
}
