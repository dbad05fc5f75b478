//! What shells complete. Each gets a small script that asks this program what may follow the words that are typed, and
//! the answer is made of the command line's definition: no list has to be kept beside it. (Scripts with all of it inside,
//! as a library makes them, took 115 kB of the program for three shells.)
//!
//! The answer has a line that says what is offered, `words`, `dirs` or `files`, and a line for each word, with what it is
//! for behind a tab. Directories and files are the shell's own to list.

use clap::{Arg, Command, ValueHint};

use super::Cli;

/// Shells that can be told.
#[derive(Clone, Copy, Debug, Default)]
pub enum Shell {
    #[default]
    Bash,
    Zsh,
    Fish,
}

pub(super) const SHELLS: [(&str, Shell); 3] = [
    ("bash", Shell::Bash),
    ("zsh", Shell::Zsh),
    ("fish", Shell::Fish),
];

/// The script for this shell.
pub fn script(shell: Shell) -> &'static str {
    match shell {
        Shell::Bash => include_str!("completions/lunette.bash"),
        Shell::Zsh => include_str!("completions/lunette.zsh"),
        Shell::Fish => include_str!("completions/lunette.fish"),
    }
}

/// What may stand where the last of these words does, which follow the name of the program.
pub fn complete(words: &[String]) -> String {
    let mut root = Cli::command();
    root.build();
    let (typed, before) = match words.split_last() {
        Some((typed, before)) => (typed.as_str(), before),
        None => ("", words),
    };
    let place = Place::behind(&root, before);
    if let Some(option) = place.open {
        return offer_values(option, typed, "");
    }
    if place.only_positionals {
        return place.offer_positional(typed);
    }
    if let Some((name, value)) = typed.split_once('=')
        && let Some(option) = option_of(place.command, name)
    {
        return offer_values(option, value, &format!("{name}="));
    }
    match typed.starts_with('-') {
        true => place.offer_options(typed),
        false => place.offer_positional(typed),
    }
}

/// Where words have led to.
struct Place<'a> {
    command: &'a Command,
    /// An option that wants its value next.
    open: Option<&'a Arg>,
    /// How many arguments without a name there were.
    positionals: usize,
    /// Behind `--`.
    only_positionals: bool,
    has_options: bool,
}

impl<'a> Place<'a> {
    fn behind(root: &'a Command, words: &[String]) -> Place<'a> {
        let mut place = Place {
            command: root,
            open: None,
            positionals: 0,
            only_positionals: false,
            has_options: false,
        };
        // Some shells make a word of the `=` in `--dir=site`.
        for word in words.iter().filter(|word| *word != "=") {
            place.pass(word);
        }
        place
    }

    fn pass(&mut self, word: &str) {
        if self.open.take().is_some() {
            return;
        }
        if !self.only_positionals && word.starts_with('-') {
            self.has_options = true;
            self.only_positionals = word == "--";
            let option = option_of(self.command, word);
            self.open = option.filter(|option| option.get_action().takes_values());
            return;
        }
        match self.command.find_subcommand(word) {
            Some(command) if self.positionals == 0 => {
                (self.command, self.has_options) = (command, false);
            }
            Some(_) | None => self.positionals += 1,
        }
    }

    fn offer_options(&self, typed: &str) -> String {
        let options = self
            .command
            .get_arguments()
            .filter(|arg| !arg.is_positional());
        let names = options.flat_map(|option| {
            let long = option.get_long().map(|long| format!("--{long}"));
            let short = option.get_short().map(|short| format!("-{short}"));
            let about = option
                .get_help()
                .map(ToString::to_string)
                .unwrap_or_default();
            long.into_iter()
                .chain(short)
                .map(move |name| (name, about.clone()))
        });
        words(names.filter(|(name, _)| name.starts_with(typed)))
    }

    fn offer_positional(&self, typed: &str) -> String {
        // The command line of the server itself has options or a command.
        let is_server = self.command.is_args_conflicts_with_subcommands_set() && self.has_options;
        if self.positionals == 0 && self.command.has_subcommands() && !is_server {
            let commands = self
                .command
                .get_subcommands()
                .filter(|command| !command.is_hide_set());
            let names = commands.map(|command| {
                let about = command.get_about().map(ToString::to_string);
                (command.get_name().to_owned(), about.unwrap_or_default())
            });
            return words(names.filter(|(name, _)| name.starts_with(typed)));
        }
        let mut positionals = self.command.get_positionals();
        match positionals.nth(self.positionals) {
            Some(positional) => offer_values(positional, typed, ""),
            None => words(std::iter::empty()),
        }
    }
}

/// The option of this name, with its dashes and perhaps `=` and a value.
fn option_of<'a>(command: &'a Command, word: &str) -> Option<&'a Arg> {
    let mut options = command.get_arguments();
    options.find(|option| match word.strip_prefix("--") {
        Some(name) => option.get_long() == Some(name),
        None => option
            .get_short()
            .is_some_and(|short| word == format!("-{short}")),
    })
}

/// Values of an argument, with `before` in front of each.
fn offer_values(arg: &Arg, typed: &str, before: &str) -> String {
    let possible = arg.get_possible_values();
    if !possible.is_empty() {
        let names = possible.iter().map(|value| value.get_name());
        let names = names.filter(|name| name.starts_with(typed));
        return words(names.map(|name| (format!("{before}{name}"), String::new())));
    }
    let name = arg.get_value_names().and_then(|names| names.first());
    match arg.get_value_hint() {
        ValueHint::AnyPath if name.is_some_and(|name| name.starts_with("DIR")) => "dirs\n".into(),
        ValueHint::AnyPath => "files\n".into(),
        _ => words(std::iter::empty()),
    }
}

fn words(offered: impl Iterator<Item = (String, String)>) -> String {
    let lines = offered.map(|(word, about)| match about.is_empty() {
        true => format!("{word}\n"),
        false => format!("{word}\t{about}\n"),
    });
    ["words\n".to_owned()].into_iter().chain(lines).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offered(line: &str) -> Vec<String> {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let told = complete(&words);
        told.lines()
            .map(|line| line.split('\t').next().unwrap_or("").to_owned())
            .collect()
    }

    #[test]
    fn what_follows_depends_on_what_stands_before() {
        for (line, expected) in [
            ("se", &["words", "serve", "sessions", "service"][..]),
            ("sessions ", &["words", "drop"]),
            ("--recover e", &["words", "eager"]),
            ("--recover = e", &["words", "eager"]),
            ("serve --recover=e", &["words", "--recover=eager"]),
            ("serve --dir ", &["dirs"]),
            ("serve --port ", &["words"]),
            ("check ", &["dirs"]),
            ("replay ", &["files"]),
            ("replay --state x ", &["files"]),
            ("replay a ", &["words"]),
            ("export a -o ", &["files"]),
            ("passwd ", &["files"]),
            ("passwd file ", &["words"]),
            ("--dev se", &["words"]),
            ("new -- ", &["dirs"]),
            ("completions ", &["words", "bash", "zsh", "fish"]),
            ("serve --log-f", &["words", "--log-format"]),
            ("complet", &["words", "completions"]),
            ("nothing ", &["words"]),
        ] {
            assert_eq!(offered(line), expected, "{line:?}");
        }
        assert!(offered("").contains(&"serve".to_owned()));
        assert!(complete(&[]).starts_with("words\nserve\tServe a site"));
    }
}
