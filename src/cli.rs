//! The command line: what was typed, in types. No I/O; what it means is for `config`. What can be typed, and what each
//! is for, is told in `definition` and `flags`; what shells and manuals know of it is made of the same ([`completions`], [`man`]).

pub mod completions;
mod definition;
mod flags;
pub mod man;
mod tips;

use std::net::SocketAddr;
use std::path::PathBuf;

use completions::Shell;
pub use tips::with_tip;

use crate::config::environment::quoted;
use crate::config::file::{LOG_FORMATS, RECOVER};
use crate::config::net::NetSettings;
use crate::config::state::{Recover, StateDir, StateSettings};
use crate::config::tls::TlsSettings;
use crate::config::{Grant, LogFormat, LogTarget, Place, Settings};

/// What was typed.
#[derive(Debug)]
pub struct Cli {
    pub command: Option<Command>,
    pub serve: ServeFlags,
}

/// What can be done.
#[derive(Debug)]
pub enum Command {
    Serve(Box<ServeFlags>),
    Replay(RunFlags),
    Transcript(RecordingFlags),
    Export {
        recording: RecordingFlags,
        output: PathBuf,
    },
    Sessions {
        action: Option<SessionsAction>,
        json: bool,
        state: StateFlags,
    },
    Inspect(InspectFlags),
    Test(TestFlags),
    Passwd {
        file: PathBuf,
        name: String,
    },
    New {
        dir: PathBuf,
    },
    Get {
        of: SessionFlags,
        path: String,
    },
    Update {
        of: SessionFlags,
        path: String,
        value: String,
    },
    Eval {
        of: SessionFlags,
        code: String,
    },
    Service {
        system: System,
        dir: PathBuf,
        state: PathBuf,
        port: u16,
    },
    Check {
        dir: PathBuf,
    },
    DumpConfig {
        serve: Box<ServeFlags>,
        json: bool,
    },
    Completions {
        shell: Shell,
    },
    Complete {
        words: Vec<String>,
    },
    Man,
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
#[derive(Clone, Debug)]
pub struct InspectFlags {
    pub run: RunFlags,
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

/// What can be done to sessions.
#[derive(Debug)]
pub enum SessionsAction {
    Drop { session: String },
}

/// Which session of a running server is meant.
#[derive(Clone, Debug)]
pub struct SessionFlags {
    /// By its id, the beginning of it, or its number.
    pub session: String,
    pub state: StateFlags,
    pub json: bool,
}

/// Systems that run servers.
#[derive(Clone, Copy, Debug)]
pub enum System {
    Systemd,
    Procd,
}

/// Which state directory is meant.
#[derive(Clone, Debug, Default)]
pub struct StateFlags {
    pub state: Option<PathBuf>,
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
#[derive(Clone, Debug, Default)]
pub struct RecordingFlags {
    pub recording: PathBuf,
    pub state: StateFlags,
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
#[derive(Clone, Debug)]
pub struct RunFlags {
    pub recording: RecordingFlags,
    pub gas: Option<u64>,
}

/// Flags of `test`.
#[derive(Clone, Debug)]
pub struct TestFlags {
    pub dir: PathBuf,
    pub names: Vec<String>,
    pub from: Option<PathBuf>,
    pub update: bool,
    pub accept: Option<String>,
    pub record_missing: bool,
    pub ci: bool,
    pub junit: Option<PathBuf>,
    pub verbose: bool,
}

/// Flags of `serve`.
#[derive(Clone, Debug, Default)]
pub struct ServeFlags {
    dir: Option<PathBuf>,
    port: Option<u16>,
    host: Option<String>,
    state: Option<PathBuf>,
    recover: Option<Recover>,
    record: Option<PathBuf>,
    session_timeout: Option<u64>,
    lua_memory: Option<usize>,
    gas: Option<u64>,
    connections: Option<usize>,
    message_rate: Option<u64>,
    dev: bool,
    hotload: bool,
    allowed_hosts: Vec<String>,
    allowed_origins: Vec<String>,
    admin_listen: Option<SocketAddr>,
    tls_cert: Option<PathBuf>,
    tls_key: Option<PathBuf>,
    log: Option<LogTarget>,
    log_format: Option<LogFormat>,
    insecure_no_auth: bool,
    verbose: u8,
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
