//! What somebody probably meant who typed what there is not.

use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Command, Error};

use super::Cli;
use crate::config::nearest::closest;

/// The error with a tip, if there is one to give. `is_dir`: whether a directory has this name.
pub fn with_tip(mut error: Error, is_dir: impl Fn(&str) -> bool) -> Error {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        _ => None,
    };
    let wrong = text(ContextKind::InvalidSubcommand).or_else(|| text(ContextKind::InvalidArg));
    let tip = wrong.and_then(|wrong| tip(error.kind(), &wrong, is_dir));
    if let Some(tip) = tip {
        let tip = ContextValue::StyledStrs(vec![StyledStr::from(tip)]);
        error.insert(ContextKind::Suggested, tip);
    }
    error
}

fn tip(kind: ErrorKind, wrong: &str, is_dir: impl Fn(&str) -> bool) -> Option<String> {
    let is_extra = matches!(
        kind,
        ErrorKind::InvalidSubcommand | ErrorKind::UnknownArgument | ErrorKind::ArgumentConflict
    );
    if is_extra && is_dir(wrong) {
        return Some(format!(
            "a site is named by an option: lunette --dir {wrong}"
        ));
    }
    let root = Cli::command();
    let all: Vec<&Command> = [&root].into_iter().chain(root.get_subcommands()).collect();
    let meant = match kind {
        ErrorKind::InvalidSubcommand => {
            let commands = all.iter().skip(1).filter(|command| !command.is_hide_set());
            closest(wrong, commands.map(|command| command.get_name()))?.to_owned()
        }
        ErrorKind::UnknownArgument => {
            let wrong = wrong.strip_prefix("--")?;
            let options = all.iter().flat_map(|command| command.get_arguments());
            format!(
                "--{}",
                closest(wrong, options.filter_map(|option| option.get_long()))?
            )
        }
        _ => return None,
    };
    // It is one of another command.
    (meant != wrong).then(|| format!("did you mean {meant}?"))
}
