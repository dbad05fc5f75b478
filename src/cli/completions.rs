//! Scripts that have a shell complete commands, options and their values, made of the command line's definition.

use clap::{Arg, Command, CommandFactory, ValueEnum, ValueHint};
use clap_complete::{aot, generate};

use super::Cli;

/// Shells that can be told.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Shell {
    Bash,
    Zsh,
    Fish,
}

/// The script for this shell.
pub fn completions(shell: Shell) -> String {
    let mut command = with_hints(Cli::command());
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    match shell {
        Shell::Bash => generate(aot::Bash, &mut command, name, &mut script),
        Shell::Zsh => generate(aot::Zsh, &mut command, name, &mut script),
        Shell::Fish => generate(aot::Fish, &mut command, name, &mut script),
    }
    String::from_utf8_lossy(&script).into_owned()
}

/// Has shells offer directories where one is wanted, and no files where none is.
fn with_hints(command: Command) -> Command {
    command
        .mut_args(|arg| match arg.get_action().takes_values() {
            true => {
                let hint = hint(&arg);
                arg.value_hint(hint)
            }
            false => arg,
        })
        .mut_subcommands(with_hints)
}

fn hint(arg: &Arg) -> ValueHint {
    let name = arg.get_value_names().and_then(|names| names.first());
    let wants_directory = name.is_some_and(|name| name.starts_with("DIR"));
    match arg.get_value_hint() {
        ValueHint::AnyPath if wants_directory => ValueHint::DirPath,
        ValueHint::Unknown if arg.get_possible_values().is_empty() => ValueHint::Other,
        known => known,
    }
}
