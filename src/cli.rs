//! The command line: what can be typed. No I/O; what it means is for `config`. What shells and manuals know of it is
//! made of the same definitions ([`completions`], [`man`]).

pub mod completions;
pub mod man;
mod tips;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{ArgAction, Args, Parser, Subcommand};

use completions::Shell;
pub use tips::with_tip;

use crate::config::environment::quoted;
use crate::config::file::{LOG_FORMATS, RECOVER, parse_log_target};
use crate::config::net::NetSettings;
use crate::config::state::{Recover, StateDir, StateSettings};
use crate::config::tls::TlsSettings;
use crate::config::units::{parse_bytes, parse_duration_ms};
use crate::config::{Grant, LogFormat, LogTarget, Place, Settings};

/// Shows live Lua objects as web pages. Without a command it serves; without --dir, the built-in
/// demo.
#[derive(Debug, Parser)]
#[command(
    name = "lunette",
    args_conflicts_with_subcommands = true,
    disable_help_subcommand = true
)]
#[command(after_help = exit_codes())]
pub struct Cli {
    #[command(subcommand)]
    pub command: Option<Command>,
    #[command(flatten)]
    pub serve: ServeFlags,
}

/// What can be done.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve a site (the default)
    Serve(Box<ServeFlags>),
    /// Run a recording again and compare every frame
    Replay(RunFlags),
    /// Print a recording as text, without its secrets
    Transcript(RecordingFlags),
    /// Write a recording into one file that replays elsewhere
    #[command(after_help = EXPORT_HELP)]
    Export {
        #[command(flatten)]
        recording: RecordingFlags,
        /// The file to make, such as bug.lnt
        #[arg(short, long, value_name = "FILE")]
        output: PathBuf,
    },
    /// List the sessions of a running server, or those whose journals are kept
    Sessions {
        #[command(subcommand)]
        action: Option<SessionsAction>,
        /// As JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        state: StateFlags,
    },
    /// Look at a recording in the browser, turn by turn
    Inspect(InspectFlags),
    /// Run a site's recordings (tests/*.lunette) against its files on disk
    Test(TestFlags),
    /// Set a user's password in a file of users; it is asked for, or piped in
    Passwd {
        /// The file, which is made if it is missing
        file: PathBuf,
        /// The user
        name: String,
    },
    /// Make a small site to begin with
    New {
        /// A directory that is empty or does not exist
        dir: PathBuf,
    },
    /// Print what an object of a session holds, by its path from the app; runs no code
    Get {
        #[command(flatten)]
        of: SessionFlags,
        /// Such as users.0.name [default: the whole app]
        #[arg(default_value = "", hide_default_value = true)]
        path: String,
    },
    /// Write to a path of a session, or call a method, as a page would
    Update {
        #[command(flatten)]
        of: SessionFlags,
        /// Such as count, users.0.name or add()
        path: String,
        /// JSON, or a text
        #[arg(default_value = "null", hide_default_value = true)]
        value: String,
    },
    /// Run Lua code in a session and print what it gives
    Eval {
        #[command(flatten)]
        of: SessionFlags,
        /// An expression, or statements with return
        code: String,
    },
    /// Print a script that has a system run this site
    Service {
        #[command(subcommand)]
        system: System,
        /// The site
        #[arg(long, value_name = "DIR", global = true, default_value = ".")]
        dir: PathBuf,
        /// Where sessions survive
        #[arg(
            long,
            value_name = "DIR",
            global = true,
            default_value = "/var/lib/lunette"
        )]
        state: PathBuf,
        /// Port to listen on
        #[arg(long, value_name = "N", value_parser = parse_port, allow_negative_numbers = true, global = true,
            default_value = "8080")]
        port: u16,
    },
    /// Load a site's settings, code and templates, and tell what is wrong with them
    #[command(after_help = CHECK_HELP)]
    Check {
        /// The site
        #[arg(default_value = ".")]
        dir: PathBuf,
    },
    /// Print each setting and where it comes from, as a lunette.toml
    DumpConfig {
        #[command(flatten)]
        serve: Box<ServeFlags>,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Print a script that has a shell complete commands and options
    Completions {
        /// The shell
        shell: Shell,
    },
    /// What may stand where the last of these words does, for those scripts
    #[command(hide = true)]
    Complete {
        #[arg(allow_hyphen_values = true, trailing_var_arg = true)]
        words: Vec<String>,
    },
    /// Print the manual page: lunette man | man -l -
    Man,
    /// Print the version and the format of recordings
    Version,
}

/// What the program ends with.
pub const EXIT_CODES: [(u8, &str); 6] = [
    (0, "ok"),
    (1, "runtime error"),
    (2, "usage"),
    (3, "configuration or site"),
    (4, "cannot listen"),
    (5, "a replay diverged or a test failed"),
];

fn exit_codes() -> String {
    let codes = EXIT_CODES.map(|(code, meaning)| format!("{code} {meaning}"));
    format!("Exit codes: {}.", codes.join(", "))
}

/// Flags of `inspect`.
#[derive(Args, Clone, Debug)]
pub struct InspectFlags {
    #[command(flatten)]
    pub run: RunFlags,
    /// Port to listen on, for this machine only [default: any free one]
    #[arg(long, value_name = "N", value_parser = parse_port, allow_negative_numbers = true)]
    port: Option<u16>,
}

impl From<InspectFlags> for Settings {
    /// The page needs nothing but the recording. Its sessions hold large answers, and nobody else is there.
    fn from(flags: InspectFlags) -> Settings {
        Settings {
            port: Some(flags.port.unwrap_or(0)),
            state: StateSettings {
                dir: Some(StateDir::None),
                ..StateSettings::default()
            },
            allow: Some(vec![Grant::Files]),
            lua_memory: Some(64 << 20),
            gas: Some(200_000_000),
            ..Settings::default()
        }
    }
}

const EXPORT_HELP: &str = "The file has the site's code, all that the session was told and all that it sent. \
    Journals keep only digests of what was sent: the session is run again, and if that does not give the same \
    digests, the file has digests, too, and the command says so.\n\nSecrets are replaced by \"***\", in both directions: \
    what was typed into password fields, and what --secret or the site's lunette.toml names. So the app gets something else in a replay: where its \
    code looks at such a value, a replay of the file diverges.";

const CHECK_HELP: &str = "Compiles every Lua file, reads every template, and shows the first page of a session that is thrown away: \
    its files are read, but nothing is written or started. Each problem is told with FILE:LINE. Exit codes: 0 all is \
    well, 3 something is not.";

/// What can be done to sessions.
#[derive(Debug, Subcommand)]
pub enum SessionsAction {
    /// Remove the journal of a session, which cannot come back then; no server may be using it
    Drop {
        /// The session's id, as in its address
        sid: String,
    },
}

/// Which session of a running server is meant.
#[derive(Args, Clone, Debug)]
pub struct SessionFlags {
    /// The session's id, as in its address
    #[arg(value_name = "SESSION")]
    pub sid: String,
    #[command(flatten)]
    pub state: StateFlags,
    /// As JSON
    #[arg(long)]
    pub json: bool,
}

/// Systems that run servers.
#[derive(Clone, Copy, Debug, Subcommand)]
pub enum System {
    /// A sandboxed unit
    Systemd,
    /// An init script for OpenWrt
    Procd,
}

/// Which state directory is meant.
#[derive(Args, Clone, Debug, Default)]
pub struct StateFlags {
    /// The state directory [default: that of the site]
    #[arg(long, value_name = "DIR", global = true)]
    pub state: Option<PathBuf>,
    /// The site [default: the built-in demo]
    #[arg(long, value_name = "DIR", global = true)]
    pub dir: Option<PathBuf>,
}

impl From<StateFlags> for Settings {
    fn from(flags: StateFlags) -> Settings {
        Settings {
            dir: flags.dir,
            state: StateSettings {
                dir: flags.state.map(state_dir),
                ..StateSettings::default()
            },
            ..Settings::default()
        }
    }
}

/// Which recording is meant, and what of it is not shown.
#[derive(Args, Clone, Debug, Default)]
pub struct RecordingFlags {
    /// A file that --record or export made, or a session's id, as in its address
    #[arg(value_name = "FILE|SESSION")]
    pub recording: PathBuf,
    #[command(flatten)]
    pub state: StateFlags,
    /// Do not show values at this path, such as login.pin or users.*.pin; may be repeated
    #[arg(long, value_name = "PATH")]
    pub secret: Vec<String>,
}

impl From<RecordingFlags> for Settings {
    fn from(flags: RecordingFlags) -> Settings {
        Settings {
            secret: flags.secret,
            ..flags.state.into()
        }
    }
}

/// Which recording is run again, and for how long.
#[derive(Args, Clone, Debug)]
pub struct RunFlags {
    #[command(flatten)]
    pub recording: RecordingFlags,
    /// Let no event use more gas than this, about an instruction of Lua each [default: as when it was recorded]
    #[arg(long, value_name = "N", value_parser = parse_whole::<u64>)]
    pub gas: Option<u64>,
}

/// Flags of `test`.
#[derive(Args, Clone, Debug)]
pub struct TestFlags {
    /// The site
    #[arg(default_value = ".")]
    pub dir: PathBuf,
    /// Parts of the names of those to run [default: all]; with --from, the name of the new one
    pub names: Vec<String>,
    /// Make a recording of a file that --record or export made, or of a session of the site
    #[arg(long, value_name = "FILE|SESSION", conflicts_with_all = ["update", "accept", "ci", "record_missing"])]
    pub from: Option<PathBuf>,
    /// Write recordings with what is now, as NAME.lunette.new
    #[arg(long, conflicts_with_all = ["ci", "accept"])]
    pub update: bool,
    /// Take over what --update wrote, and show what that changes
    #[arg(long, value_name = "NAME", conflicts_with_all = ["ci", "record_missing"])]
    pub accept: Option<String>,
    /// Ask this machine what a recording does not answer, and add the answers to it
    #[arg(long, conflicts_with = "ci")]
    pub record_missing: bool,
    /// Write nothing, and fail when something waits to be accepted
    #[arg(long)]
    pub ci: bool,
    /// Write a report in JUnit's format
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
    /// Show each step
    #[arg(short)]
    pub verbose: bool,
}

/// Flags of `serve`.
#[derive(Args, Clone, Debug, Default)]
pub struct ServeFlags {
    /// The site: a directory with lua/main.lua and perhaps lunette.toml [default: the built-in demo]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Port to listen on; 0 takes any free one [default: 8080]
    #[arg(long, value_name = "N", value_parser = parse_port, allow_negative_numbers = true)]
    port: Option<u16>,
    /// Address to listen on [default: 127.0.0.1]
    #[arg(long, value_name = "H")]
    host: Option<String>,
    /// Where sessions survive the process; none: nowhere [default: below the user's state directory]
    #[arg(long, value_name = "DIR|none")]
    state: Option<PathBuf>,
    /// Rebuild sessions of before: lazy (when something happens to them), eager, none [default: lazy]
    #[arg(long, value_name = "WHEN", value_parser = one_of(&RECOVER), hide_possible_values = true)]
    recover: Option<Recover>,
    /// Record every session into a file of this directory
    #[arg(long, value_name = "DIR")]
    record: Option<PathBuf>,
    /// End sessions nobody was attached to for this long: 90s, 30m, 24h; 0 never [default: 24h]
    #[arg(long, value_name = "TIME", value_parser = parse_duration_ms)]
    session_timeout: Option<u64>,
    /// Lua memory of a session: bytes, or with K, M [default: 16M]
    #[arg(long, value_name = "SIZE", value_parser = parse_bytes)]
    lua_memory: Option<usize>,
    /// Work an event may do, in about Lua instructions [default: 10000000]
    #[arg(long, value_name = "N", value_parser = parse_whole::<u64>)]
    gas: Option<u64>,
    /// Connections at once; more are told to come later [default: 1024]
    #[arg(long, value_name = "N", value_parser = parse_whole::<usize>)]
    connections: Option<usize>,
    /// Messages a second that a page may send for long; 0 any number [default: 1000]
    #[arg(long, hide = true, value_name = "N", value_parser = parse_whole::<u64>)]
    message_rate: Option<u64>,
    /// For developing: hot reload, errors with tracebacks on the page, the variable browser, code from the page
    #[arg(long)]
    dev: bool,
    /// Run edited Lua files and templates at once, keeping what sessions hold
    #[arg(long)]
    hotload: bool,
    /// Further host names browsers may use, comma-separated
    #[arg(long, value_name = "HOST", value_delimiter = ',')]
    allowed_hosts: Vec<String>,
    /// Further origins whose pages may connect, comma-separated
    #[arg(long, value_name = "ORIGIN", value_delimiter = ',')]
    allowed_origins: Vec<String>,
    /// Tell health and metrics to this machine at ADDRESS, such as 127.0.0.1:9100
    #[arg(long, value_name = "ADDRESS", value_parser = parse_address)]
    admin_listen: Option<SocketAddr>,
    /// Be reached by https, with the certificate in this PEM file
    #[arg(long, value_name = "FILE")]
    tls_cert: Option<PathBuf>,
    /// The certificate's key, a PEM file
    #[arg(long, value_name = "FILE")]
    tls_key: Option<PathBuf>,
    /// Where the log goes: stderr, syslog, or syslog:/PATH of its socket [default: stderr]
    #[arg(long, value_name = "WHERE", value_parser = parse_log)]
    log: Option<LogTarget>,
    /// Lines of the log: text, logfmt, json [default: text]
    #[arg(long, value_name = "FORMAT", value_parser = one_of(&LOG_FORMATS), hide_possible_values = true)]
    log_format: Option<LogFormat>,
    /// Let other machines in although nobody has to log in
    #[arg(long)]
    insecure_no_auth: bool,
    /// Log more; up to -vvvv
    #[arg(short, action = ArgAction::Count)]
    verbose: u8,
}

/// One of these names, which completions know.
fn one_of<T: Copy + Send + Sync + 'static>(
    known: &'static [(&'static str, T)],
) -> impl TypedValueParser<Value = T> {
    let names = known.iter().map(|(name, _)| *name);
    PossibleValuesParser::new(names).map(|name| {
        let found = known.iter().find(|(known, _)| *known == name);
        found.map_or(known[0].1, |&(_, meant)| meant)
    })
}

fn parse_port(text: &str) -> Result<u16, String> {
    let port = text.parse();
    port.map_err(|_| "a port is a number from 0 to 65535".into())
}

fn parse_whole<T: FromStr>(text: &str) -> Result<T, String> {
    let number = text.parse();
    number.map_err(|_| "write a whole number".into())
}

fn parse_address(text: &str) -> Result<SocketAddr, String> {
    let address = text.parse();
    address.map_err(|_| "write an address with a port, such as 127.0.0.1:9100".into())
}

fn parse_log(text: &str) -> Result<LogTarget, String> {
    parse_log_target(text).map_err(|expected| format!("write {expected}"))
}

fn state_dir(dir: PathBuf) -> StateDir {
    match dir.as_os_str() == "none" {
        true => StateDir::None,
        false => StateDir::At(dir),
    }
}

impl ServeFlags {
    /// Where what was typed stands, for messages and dumps.
    fn places(&self) -> Vec<Place> {
        let text = |text: &str| Some(quoted(text));
        let path = |path: &Option<PathBuf>| path.as_ref().and_then(|p| text(&p.to_string_lossy()));
        let list = |list: &[String]| {
            let items: Vec<String> = list.iter().map(|item| quoted(item)).collect();
            (!items.is_empty()).then(|| format!("[{}]", items.join(", ")))
        };
        let number = |number: Option<u64>| number.map(|number| number.to_string());
        let recover = RECOVER.iter().find(|(_, when)| Some(*when) == self.recover);
        let timeout = self.session_timeout.map(|ms| match ms {
            0 => "0".into(),
            ms => quoted(&format!("{ms}ms")),
        });
        let said = [
            ("state", "--state", path(&self.state)),
            (
                "recover",
                "--recover",
                recover.and_then(|(name, _)| text(name)),
            ),
            ("host", "--host", self.host.as_deref().and_then(text)),
            ("port", "--port", number(self.port.map(u64::from))),
            ("record", "--record", path(&self.record)),
            (
                "allowed_hosts",
                "--allowed-hosts",
                list(&self.allowed_hosts),
            ),
            (
                "allowed_origins",
                "--allowed-origins",
                list(&self.allowed_origins),
            ),
            (
                "insecure_no_auth",
                "--insecure-no-auth",
                self.insecure_no_auth.then(|| "true".into()),
            ),
            (
                "lua_memory",
                "--lua-memory",
                number(self.lua_memory.map(|n| n as u64)),
            ),
            ("gas", "--gas", number(self.gas)),
            ("session_timeout", "--session-timeout", timeout),
            ("message_rate", "--message-rate", number(self.message_rate)),
            (
                "connections",
                "--connections",
                number(self.connections.map(|n| n as u64)),
            ),
        ];
        let said = said.into_iter().chain(self.operating());
        said.filter_map(|(key, at, literal)| {
            let (at, literal) = (at.into(), literal?);
            Some(Place { key, at, literal })
        })
        .collect()
    }

    /// The same of what is for those who run the server.
    fn operating(&self) -> [(&'static str, &'static str, Option<String>); 6] {
        let text = |text: &str| Some(quoted(text));
        let path = |path: &Option<PathBuf>| path.as_ref().and_then(|p| text(&p.to_string_lossy()));
        let format = LOG_FORMATS
            .iter()
            .find(|(_, format)| Some(*format) == self.log_format);
        let target = |log: &LogTarget| match log {
            LogTarget::Stderr => text("stderr"),
            LogTarget::Syslog(path) => text(&format!("syslog:{}", path.display())),
        };
        let verbosity = (self.verbose > 0).then(|| self.verbose.min(4).to_string());
        [
            (
                "admin_listen",
                "--admin-listen",
                self.admin_listen.and_then(|a| text(&a.to_string())),
            ),
            ("tls_cert", "--tls-cert", path(&self.tls_cert)),
            ("tls_key", "--tls-key", path(&self.tls_key)),
            ("log", "--log", self.log.as_ref().and_then(target)),
            (
                "log_format",
                "--log-format",
                format.and_then(|(name, _)| text(name)),
            ),
            ("verbosity", "-v", verbosity),
        ]
    }
}

impl From<ServeFlags> for Settings {
    fn from(flags: ServeFlags) -> Settings {
        let places = flags.places();
        let state = StateSettings {
            dir: flags.state.map(state_dir),
            recover: flags.recover,
            ..StateSettings::default()
        };
        Settings {
            state,
            dir: flags.dir,
            host: flags.host,
            port: flags.port,
            record: flags.record,
            allowed_hosts: flags.allowed_hosts,
            allowed_origins: flags.allowed_origins,
            insecure_no_auth: flags.insecure_no_auth.then_some(true),
            dev: flags.dev,
            hotload: flags.hotload,
            admin_listen: flags.admin_listen,
            tls: TlsSettings {
                cert: flags.tls_cert,
                key: flags.tls_key,
                ..TlsSettings::default()
            },
            log: flags.log,
            log_format: flags.log_format,
            verbosity: (flags.verbose > 0).then_some(flags.verbose),
            places,
            lua_memory: flags.lua_memory,
            gas: flags.gas,
            session_timeout_ms: flags.session_timeout,
            net: NetSettings {
                message_rate: flags.message_rate,
                connections: flags.connections,
                ..NetSettings::default()
            },
            ..Settings::default()
        }
    }
}

#[cfg(test)]
mod tests;
