//! Why a server cannot start, in words that say what to do.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use super::auth::users::UsersError;
use super::files::SiteError;
use super::holder;
use super::tls::TlsError;
use crate::journal::StoreError;
use crate::lua::state::StateError;

/// Why a server cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    #[error("cannot listen on {address}: {source}{}", advice(source, *port))]
    Bind {
        address: String,
        port: u16,
        source: io::Error,
    },
    #[error("cannot listen on {address} for --admin-listen: {source}")]
    Admin {
        address: SocketAddr,
        source: io::Error,
    },
    #[error(
        "the socket that was passed on listens on {0}, which can be reached from other machines, and everybody there could \
         use the apps: pass on one of 127.0.0.1, or say --insecure-no-auth if that is meant"
    )]
    Exposed(SocketAddr),
    #[error(transparent)]
    Site(#[from] SiteError),
    #[error(
        "cannot record into {path}: {source}. --record must name a directory that can be written"
    )]
    Record { path: PathBuf, source: io::Error },
    #[error(
        "cannot take uploads into {path}: {source}. dir of [upload] in lunette.toml must name a directory that can \
         be written"
    )]
    Upload { path: PathBuf, source: io::Error },
    #[error(
        "cannot write what is done into {path}: {source}. file of [audit] in lunette.toml must name a file that can \
         be written"
    )]
    Audit { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Users(#[from] UsersError),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error("{}{}", .0, advice_on_state(.0))]
    State(#[from] StoreError),
    #[error(transparent)]
    Lua(#[from] StateError),
    #[error("the operating system refused what every server needs: {0}")]
    System(#[from] io::Error),
}

fn advice(error: &io::Error, port: u16) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            let holder = holder::holder(port).unwrap_or_else(|| "another program".into());
            format!(
                ". {holder} has this port: stop it, or take another with --port (0: any free one)"
            )
        }
        io::ErrorKind::PermissionDenied => {
            ". Ports below 1024 need a privilege: take a higher one with --port".into()
        }
        io::ErrorKind::AddrNotAvailable => ". --host must be an address of this machine".into(),
        // Names are looked up by the C library, whose errors are no numbers of the system's.
        _ if error.raw_os_error().is_none() => {
            ". --host must be a name or an address of this machine".into()
        }
        _ => String::new(),
    }
}

fn advice_on_state(error: &StoreError) -> &'static str {
    match error {
        StoreError::Io { .. } => {
            ". Sessions are kept there: --state must name a directory that can be written, or none if they shall end with \
             the process"
        }
        _ => "",
    }
}
