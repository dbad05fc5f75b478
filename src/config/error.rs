//! Why settings make no configuration: each mistake with its place, and all of them at once.

use std::net::SocketAddr;

use super::auth::AuthError;
use super::net::OutOfRange;
use super::tls::HalfTls;

/// What is wrong with one setting, or with all of a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    #[error("{path}: {error}. Make it readable or remove it")]
    Unreadable { path: String, error: String },
    /// `place` is `FILE:LINE`, or a variable of the environment.
    #[error("{place}: {text}")]
    Wrong { place: String, text: String },
}

/// Why settings make no configuration.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    #[error(
        "host {0} can be reached from other machines, and everybody there could use the apps: let people log in by \
         mode of [auth] in lunette.toml, or say --insecure-no-auth if that is meant"
    )]
    Exposed(String),
    #[error(
        "admin_listen {0} can be reached from other machines, and nobody is asked there who they are: take an address of \
         this machine, such as 127.0.0.1:9100"
    )]
    AdminExposed(SocketAddr),
    #[error("lua_memory is {0} bytes: a session needs at least 256K and can have at most 512M")]
    LuaMemory(usize),
    #[error("gc_pause is {0}: it is a percentage of at least 105 and at most 1000")]
    GcPause(u64),
    #[error(transparent)]
    Net(#[from] OutOfRange),
    #[error("gas is {0}: an event needs at least 10000")]
    Gas(u64),
    #[error(transparent)]
    Tls(#[from] HalfTls),
    #[error(
        "max_bytes is set, but no files are taken as long as dir of [upload] does not say where to put them"
    )]
    UploadWithoutDir,
    #[error("{place}: {error}")]
    At {
        place: String,
        error: Box<ConfigError>,
    },
    #[error(
        "there is no home directory to keep sessions in: say where with --state DIR, or --state none if they shall end \
         with the process"
    )]
    Homeless,
    #[error(
        "the site's lunette.toml or --state says that no state is kept, so there are no journals: say where they are \
         by --state DIR if they are somewhere"
    )]
    Stateless,
    #[error(transparent)]
    Auth(AuthError),
    #[error(transparent)]
    File(#[from] FileError),
    /// One a line.
    #[error("{}", in_lines(.0))]
    Several(Vec<ConfigError>),
}

/// `FILE:LINE` of a place in a file's text.
pub(super) fn place(name: &str, content: &str, at: usize) -> String {
    let before = content.as_bytes().get(..at).unwrap_or_default();
    let line = 1 + before.iter().filter(|&&byte| byte == b'\n').count();
    format!("{name}:{line}")
}

fn in_lines(errors: &[ConfigError]) -> String {
    let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

impl ConfigError {
    /// All of these in one.
    pub(super) fn all(mut errors: Vec<ConfigError>) -> ConfigError {
        match errors.len() {
            1 => errors.swap_remove(0),
            _ => ConfigError::Several(errors),
        }
    }

    /// Each mistake for itself.
    pub fn each(self) -> Vec<ConfigError> {
        match self {
            ConfigError::Several(errors) => errors,
            one => vec![one],
        }
    }
}
