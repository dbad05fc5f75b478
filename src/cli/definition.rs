//! What can be typed, for the library that reads command lines, and how what was typed becomes a [`Cli`]. Plain calls
//! for each option, not derived ones: those took 70 kB more of the program.

use std::ffi::OsString;

use clap::{Arg, ArgAction, ArgMatches};

use super::completions::SHELLS;
use super::flags::{
    AS_JSON, SESSION, all, command, one, one_of, path, path_option, port_option, positional,
    recording_args, run_args, serve_args, session_args, state_args, switch, test_args,
};
use super::{
    Cli, Command, InspectFlags, RecordingFlags, RunFlags, ServeFlags, SessionFlags, SessionsAction,
    StateFlags, System, TestFlags, exit_codes,
};

/// A command, and how it is made of what was typed behind it.
type Known = (clap::Command, fn(&mut ArgMatches) -> Command);

impl Cli {
    /// All that there is to type.
    pub fn command() -> clap::Command {
        command(
            "lunette",
            "Shows live Lua objects as web pages. Without a command it serves; without --dir, the built-in demo",
        )
        .version(env!("CARGO_PKG_VERSION"))
        .disable_version_flag(true)
        .arg(version())
        .args_conflicts_with_subcommands(true)
        .disable_help_subcommand(true)
        .after_help(exit_codes())
        .args(serve_args())
        .subcommands(commands().map(|(command, _)| command))
    }

    /// What was typed, the program's name first.
    ///
    /// # Errors
    /// When it means nothing, or asks for help, which the error shows then.
    pub fn try_parse_from<T: Into<OsString> + Clone>(
        words: impl IntoIterator<Item = T>,
    ) -> Result<Cli, clap::Error> {
        let mut matches = Cli::command().try_get_matches_from(words)?;
        let command = matches.remove_subcommand().and_then(|(name, mut of_it)| {
            let (_, read) = commands().find(|(command, _)| command.get_name() == name)?;
            Some(read(&mut of_it))
        });
        let serve = ServeFlags::read(&mut matches);
        Ok(Cli { command, serve })
    }
}

/// Everybody knows it: help has no line for it.
fn version() -> Arg {
    let arg = Arg::new("version").long("version").short('V');
    arg.action(ArgAction::Version).hide(true)
}

fn commands() -> impl Iterator<Item = Known> {
    of_serving_and_recordings()
        .into_iter()
        .chain(of_what_is_kept())
        .chain(of_sites_and_sessions())
        .chain(of_the_program())
}

fn of_serving_and_recordings() -> [Known; 4] {
    [
        (
            command("serve", "Serve a site (the default)").args(serve_args()),
            |m| Command::Serve(Box::new(ServeFlags::read(m))),
        ),
        (
            command("replay", "Run a recording again and compare every frame").args(run_args()),
            |m| Command::Replay(RunFlags::read(m)),
        ),
        (
            command(
                "transcript",
                "Print a recording as text, without its secrets",
            )
            .args(recording_args()),
            |m| Command::Transcript(RecordingFlags::read(m)),
        ),
        (
            command(
                "export",
                "Write a recording into one file that replays elsewhere",
            )
            .after_help(EXPORT_HELP)
            .args(recording_args())
            .arg(
                path_option("output", "FILE", "The file to make, such as bug.lnt")
                    .short('o')
                    .required(true),
            ),
            |m| Command::Export {
                recording: RecordingFlags::read(m),
                output: one(m, "output"),
            },
        ),
    ]
}

fn of_what_is_kept() -> [Known; 4] {
    [
        (
            command(
                "sessions",
                "List the sessions of a running server, or those whose journals are kept",
            )
            .subcommand(
                command(
                    "drop",
                    "Remove the journal of a session, which cannot come back then; no server may be using it",
                )
                .arg(positional("SESSION", SESSION)),
            )
            .arg(switch("json", AS_JSON))
            .args(state_args()),
            |m| Command::Sessions {
                action: m
                    .remove_subcommand()
                    .map(|(_, mut of_it)| SessionsAction::Drop {
                        session: one(&mut of_it, "SESSION"),
                    }),
                json: m.get_flag("json"),
                state: StateFlags::read(m),
            },
        ),
        (
            command(
                "inspect",
                "Look at a recording in the browser, turn by turn",
            )
            .args(run_args())
            .arg(port_option(
                "Port to listen on, for this machine only [default: any free one]",
            )),
            |m| {
                Command::Inspect(InspectFlags {
                    run: RunFlags::read(m),
                    port: m.remove_one("port"),
                })
            },
        ),
        (
            command(
                "test",
                "Run a site's recordings (tests/*.lunette) against its files on disk",
            )
            .args(test_args()),
            |m| Command::Test(TestFlags::read(m)),
        ),
        (
            command(
                "passwd",
                "Set a user's password in a file of users; it is asked for, or piped in",
            )
            .arg(path("FILE", "The file, which is made if it is missing"))
            .arg(positional("NAME", "The user")),
            |m| Command::Passwd {
                file: one(m, "FILE"),
                name: one(m, "NAME"),
            },
        ),
    ]
}

fn of_sites_and_sessions() -> [Known; 5] {
    [
        (
            command("new", "Make a small site to begin with")
                .arg(path("DIR", "A directory that is empty or does not exist")),
            |m| Command::New { dir: one(m, "DIR") },
        ),
        (
            command(
                "get",
                "Print what an object of a session holds, by its path from the app; runs no code",
            )
            .args(session_args())
            .arg(
                positional("PATH", "Such as users.0.name [default: the whole app]")
                    .required(false)
                    .default_value("")
                    .hide_default_value(true),
            ),
            |m| Command::Get {
                of: SessionFlags::read(m),
                path: one(m, "PATH"),
            },
        ),
        (
            command(
                "update",
                "Write to a path of a session, or call a method, as a page would",
            )
            .args(session_args())
            .arg(positional("PATH", "Such as count, users.0.name or add()"))
            .arg(
                positional("VALUE", "JSON, or a text")
                    .required(false)
                    .default_value("null")
                    .hide_default_value(true),
            ),
            |m| Command::Update {
                of: SessionFlags::read(m),
                path: one(m, "PATH"),
                value: one(m, "VALUE"),
            },
        ),
        (
            command("eval", "Run Lua code in a session and print what it gives")
                .args(session_args())
                .arg(positional(
                    "CODE",
                    "An expression, or statements with return",
                )),
            |m| Command::Eval {
                of: SessionFlags::read(m),
                code: one(m, "CODE"),
            },
        ),
        service(),
    ]
}

fn service() -> Known {
    let about = "Print a script that has a system run this site";
    let definition = command("service", about)
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(command("systemd", "A sandboxed unit"))
        .subcommand(command("procd", "An init script for OpenWrt"))
        .args([
            path_option("dir", "DIR", "The site")
                .global(true)
                .default_value("."),
            path_option("state", "DIR", "Where sessions survive")
                .global(true)
                .default_value("/var/lib/lunette"),
            port_option("Port to listen on")
                .global(true)
                .default_value("8080"),
        ]);
    (definition, |m| Command::Service {
        system: match m.subcommand_name() {
            Some("procd") => System::Procd,
            _ => System::Systemd,
        },
        dir: one(m, "dir"),
        state: one(m, "state"),
        port: one(m, "port"),
    })
}

fn of_the_program() -> [Known; 6] {
    [
        (
            command(
                "check",
                "Load a site's settings, code and templates, and tell what is wrong with them",
            )
            .after_help(CHECK_HELP)
            .arg(path("DIR", "The site").required(false).default_value(".")),
            |m| Command::Check { dir: one(m, "DIR") },
        ),
        (
            command(
                "dump-config",
                "Print each setting and where it comes from, as a lunette.toml",
            )
            .args(serve_args())
            .arg(switch("json", AS_JSON)),
            |m| Command::DumpConfig {
                serve: Box::new(ServeFlags::read(m)),
                json: m.get_flag("json"),
            },
        ),
        (
            command(
                "completions",
                "Print a script that has a shell complete commands and options",
            )
            .arg(positional("SHELL", "The shell").value_parser(one_of(&SHELLS))),
            |m| Command::Completions {
                shell: one(m, "SHELL"),
            },
        ),
        (
            command(
                "complete",
                "What may stand where the last of these words does, for those scripts",
            )
            .hide(true)
            .arg(
                Arg::new("WORDS")
                    .action(ArgAction::Append)
                    .num_args(1..)
                    .allow_hyphen_values(true)
                    .trailing_var_arg(true),
            ),
            |m| Command::Complete {
                words: all(m, "WORDS"),
            },
        ),
        (
            command("man", "Print the manual page: lunette man | man -l -"),
            |_| Command::Man,
        ),
        (
            command("version", "Print the version and the format of recordings"),
            |_| Command::Version,
        ),
    ]
}

const EXPORT_HELP: &str = "The file has the site's code, all that the session was told and all that it sent. \
    Journals keep only digests of what was sent: the session is run again, and if that does not give the same \
    digests, the file has digests, too, and the command says so.\n\nSecrets are replaced by \"***\", in both directions: \
    what was typed into password fields, and what --secret or the site's lunette.toml names. So the app gets something else in a replay: where its \
    code looks at such a value, a replay of the file diverges.";

const CHECK_HELP: &str = "Compiles every Lua file, reads every template, and shows the first page of a session that is thrown away: \
    its files are read, but nothing is written or started. Each problem is told with FILE:LINE. Exit codes: 0 all is \
    well, 3 something is not.";
