//! What the server shall do: defaults, overridden by what was set, checked once.
//!
//! Each source makes [`Settings`]: the site's `lunette.toml` ([`mod@file`]), the environment ([`environment`]) and
//! the command line. Later ones win ([`Settings::or`]), and [`Config::resolve`] makes of the whole one valid
//! configuration. [`dump`] tells where each value comes from, [`defaults`] what is so without any.

pub mod auth;
pub mod defaults;
pub mod dump;
pub mod environment;
pub mod error;
pub mod file;
pub mod nearest;
pub mod net;
pub mod quotas;
pub mod state;
pub mod tls;
pub mod units;
mod unknown;

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;

use crate::core::limits::SessionLimits;
use crate::core::outside::Grants;
use auth::{AuthConfig, AuthSettings, Network};
pub use error::ConfigError;
use error::FileError;
use net::NetSettings;
use quotas::{QuotaSettings, Quotas};
use state::{StateConfig, StateSettings};
use tls::{TlsFiles, TlsSettings};

/// What one source sets; `None`: nothing.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    pub dir: Option<PathBuf>,
    pub host: Option<String>,
    pub port: Option<u16>,
    pub record: Option<PathBuf>,
    pub state: StateSettings,
    pub allowed_hosts: Vec<String>,
    pub allowed_origins: Vec<String>,
    pub insecure_no_auth: Option<bool>,
    /// What all addresses of the server begin with, behind a proxy that says so.
    pub base_path: Option<String>,
    /// Where health and metrics are told, to this machine only.
    pub admin_listen: Option<SocketAddr>,
    pub tls: TlsSettings,
    pub log: Option<LogTarget>,
    pub log_format: Option<LogFormat>,
    /// Who may come in.
    pub auth: AuthSettings,
    /// Whose word on who somebody is, and from where, is believed.
    pub trusted_proxies: Option<Vec<Network>>,
    pub quotas: QuotaSettings,
    /// Where to write what is done.
    pub audit: Option<PathBuf>,
    /// Paths of pages must be in viewdefs.
    pub viewdef_paths: Option<bool>,
    pub dev: bool,
    pub hotload: bool,
    pub verbosity: Option<u8>,
    /// Bytes.
    pub lua_memory: Option<usize>,
    /// Percent.
    pub gc_pause: Option<u64>,
    pub gas: Option<u64>,
    /// Milliseconds; 0: never.
    pub session_timeout_ms: Option<u64>,
    /// What one peer may use of the server.
    pub net: NetSettings,
    /// What Lua code may do outside of its session.
    pub allow: Option<Vec<Grant>>,
    /// Directories, and single files, that Lua code may read or write.
    pub read: Option<Vec<PathBuf>>,
    pub write: Option<Vec<PathBuf>>,
    /// What `session:spawn` may start.
    pub commands: Option<Vec<String>>,
    /// Where files go that browsers upload, and how large they may be.
    pub upload_dir: Option<PathBuf>,
    pub upload_max_bytes: Option<usize>,
    pub remote_code: Option<bool>,
    pub private_paths: Option<bool>,
    /// What pages may load and run.
    pub csp: Option<Policy>,
    pub allow_scripts: Option<bool>,
    pub allow_raw_html: Option<bool>,
    /// Paths whose values `lunette test` does not compare.
    pub test_ignore: Vec<String>,
    /// Paths whose values are not for other eyes.
    pub secret: Vec<String>,
    /// Where each setting comes from; of several of one name the first is the one in force.
    pub places: Vec<Place>,
    /// What the sources say that cannot be said.
    pub wrong: Vec<FileError>,
}

/// Where a setting comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its name in `lunette.toml`.
    pub key: &'static str,
    /// `FILE:LINE`, a variable of the environment, or a flag.
    pub at: String,
    /// What it says there, as TOML.
    pub literal: String,
}

/// What `[lua] allow` can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grant {
    Io,
    Os,
    Files,
    Spawn,
    Blocking,
}

/// Where the log goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum LogTarget {
    /// Standard error; whoever started the server keeps it.
    #[default]
    Stderr,
    /// The socket of a syslog daemon.
    Syslog(PathBuf),
}

/// How lines of the log look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people; whoever collects them adds the time.
    #[default]
    Text,
    Logfmt,
    Json,
}

/// The Content-Security-Policy of pages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Policy {
    /// Scripts and styles are files of the server.
    Strict,
    /// What pages written for older servers need.
    Compat,
    /// This text.
    Own(String),
}

/// What pages and the templates in them may do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PageRules {
    /// `None`: strict for the built-in page, compat for a site's own.
    pub policy: Option<Policy>,
    /// `<script>` in viewdefs, and `ui-code`.
    pub scripts: bool,
    /// `ui-html` shows markup as it is.
    pub raw_html: bool,
    /// The page is for those who develop the site.
    pub dev: bool,
}

/// What Lua code may reach of the file system. Relative paths begin at the site.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Directories {
    pub read: Vec<PathBuf>,
    /// These can be read, too.
    pub write: Vec<PathBuf>,
}

/// Files that browsers upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadConfig {
    /// Where they are until the script moves them.
    pub dir: PathBuf,
    /// Bytes of one.
    pub max_bytes: u64,
}

impl Settings {
    /// These settings, and `others` where these say nothing. Once in the program: it is large, and never in a hurry.
    #[must_use]
    #[inline(never)]
    pub fn or(self, others: Settings) -> Settings {
        let longer = |a: Vec<String>, b| if a.is_empty() { b } else { a };
        Settings {
            dir: self.dir.or(others.dir),
            host: self.host.or(others.host),
            port: self.port.or(others.port),
            record: self.record.or(others.record),
            state: self.state.or(others.state),
            allowed_hosts: longer(self.allowed_hosts, others.allowed_hosts),
            allowed_origins: longer(self.allowed_origins, others.allowed_origins),
            insecure_no_auth: self.insecure_no_auth.or(others.insecure_no_auth),
            base_path: self.base_path.or(others.base_path),
            admin_listen: self.admin_listen.or(others.admin_listen),
            tls: self.tls.or(others.tls),
            log: self.log.or(others.log),
            log_format: self.log_format.or(others.log_format),
            verbosity: self.verbosity.or(others.verbosity),
            auth: self.auth.or(others.auth),
            trusted_proxies: self.trusted_proxies.or(others.trusted_proxies),
            quotas: self.quotas.or(others.quotas),
            audit: self.audit.or(others.audit),
            viewdef_paths: self.viewdef_paths.or(others.viewdef_paths),
            lua_memory: self.lua_memory.or(others.lua_memory),
            gc_pause: self.gc_pause.or(others.gc_pause),
            gas: self.gas.or(others.gas),
            session_timeout_ms: self.session_timeout_ms.or(others.session_timeout_ms),
            net: self.net.or(others.net),
            allow: self.allow.or(others.allow),
            read: self.read.or(others.read),
            write: self.write.or(others.write),
            commands: self.commands.or(others.commands),
            upload_dir: self.upload_dir.or(others.upload_dir),
            upload_max_bytes: self.upload_max_bytes.or(others.upload_max_bytes),
            remote_code: self.remote_code.or(others.remote_code),
            private_paths: self.private_paths.or(others.private_paths),
            csp: self.csp.or(others.csp),
            allow_scripts: self.allow_scripts.or(others.allow_scripts),
            allow_raw_html: self.allow_raw_html.or(others.allow_raw_html),
            dev: self.dev || others.dev,
            hotload: self.hotload || others.hotload,
            test_ignore: longer(self.test_ignore, others.test_ignore),
            // A flag that names another one does not give away those of the file.
            secret: [self.secret, others.secret].concat(),
            places: [self.places, others.places].concat(),
            wrong: [self.wrong, others.wrong].concat(),
        }
    }

    /// These settings, where they say nothing the environment, and where that says nothing the `lunette.toml` of the
    /// site that they name.
    ///
    /// # Errors
    /// When environment or file cannot be read or understood.
    pub fn with_sources(self) -> Result<Settings, ConfigError> {
        let mut settings = self.gathered();
        let wrong = std::mem::take(&mut settings.wrong).into_iter();
        let wrong: Vec<ConfigError> = wrong.map(ConfigError::from).collect();
        match wrong.is_empty() {
            true => Ok(settings),
            false => Err(ConfigError::all(wrong)),
        }
    }

    /// The same with what is wrong in it.
    fn gathered(self) -> Settings {
        let settings = self.or(environment::read(std::env::vars_os()));
        match settings.dir.as_deref().map(file::read) {
            Some(file) => settings.or(file),
            None => settings,
        }
    }

    fn pages(&mut self) -> PageRules {
        PageRules {
            policy: self.csp.take(),
            scripts: self.allow_scripts.unwrap_or(false),
            raw_html: self.allow_raw_html.unwrap_or(false),
            dev: self.dev,
        }
    }

    /// But for what depends on whether people log in.
    fn limits(&mut self) -> SessionLimits {
        let defaults = SessionLimits::default();
        SessionLimits {
            lua_memory: self.lua_memory.unwrap_or(defaults.lua_memory),
            gc_pause: self.gc_pause.unwrap_or(defaults.gc_pause),
            gas: self.gas.unwrap_or(defaults.gas),
            session_timeout_ms: self
                .session_timeout_ms
                .unwrap_or(defaults.session_timeout_ms),
            remote_code: self.remote_code.unwrap_or(defaults.remote_code),
            private_paths: self.private_paths.unwrap_or(defaults.private_paths),
            grants: self.grants(),
            dev: self.dev,
            ..defaults
        }
    }

    fn grants(&mut self) -> Grants {
        let allow = self.allow.take().unwrap_or_default();
        let has = |grant| allow.contains(&grant);
        let commands = self.commands.take().unwrap_or_default();
        Grants {
            io: has(Grant::Io),
            os: has(Grant::Os),
            files: has(Grant::Files),
            spawn: has(Grant::Spawn),
            blocking: has(Grant::Blocking),
            commands: commands.into_iter().map(String::into_boxed_str).collect(),
        }
    }
}

/// A valid configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// The site's directory; `None`: the built-in demo.
    pub dir: Option<PathBuf>,
    pub host: String,
    /// 0: any free one.
    pub port: u16,
    /// Where recordings go.
    pub record: Option<PathBuf>,
    /// How sessions survive the process; `None`: they do not.
    pub state: Option<StateConfig>,
    /// Further names under which browsers may reach the server.
    pub allowed_hosts: Vec<String>,
    /// Further origins whose pages may open WebSockets.
    pub allowed_origins: Vec<String>,
    /// `None`: nobody has to log in.
    pub auth: Option<AuthConfig>,
    pub trusted_proxies: Vec<Network>,
    pub quotas: Quotas,
    /// Where to write what is done.
    pub audit: Option<PathBuf>,
    /// Other machines may be let in although nobody has to log in.
    pub insecure_no_auth: bool,
    /// Empty: addresses begin with nothing. Else it begins with `/` and does not end so.
    pub base_path: String,
    pub admin_listen: Option<SocketAddr>,
    /// `None`: what is sent is not encrypted.
    pub tls: Option<TlsFiles>,
    /// How long browsers that came by TLS come no other way; `None`: they are not told.
    pub hsts_ms: Option<u64>,
    pub log: LogTarget,
    pub log_format: LogFormat,
    pub verbosity: u8,
    /// Edits of the site reach running sessions.
    pub hotload: bool,
    pub limits: SessionLimits,
    /// Checked; `None`: as the server has it.
    pub net: NetSettings,
    pub directories: Directories,
    pub pages: PageRules,
    /// `None`: none are taken.
    pub upload: Option<UploadConfig>,
    /// Paths whose values `lunette test` does not compare.
    pub test_ignore: Vec<String>,
    /// Paths whose values are not for other eyes.
    pub secret: Vec<String>,
}

/// What Lua can keep of it, and less than it would have it collect all the time.
const GC_PAUSES: RangeInclusive<u64> = 105..=1000;
const LUA_MEMORY_MIN: usize = 256 << 10;
/// Half the largest class of address space a state can have.
const LUA_MEMORY_MAX: usize = 512 << 20;
const GAS_MIN: u64 = 10_000;
/// A film of a phone, and little enough for a small disk.
const UPLOAD_BYTES: u64 = 100 << 20;

impl Config {
    /// The configuration that these flags make with the environment and the `lunette.toml` of the site they name.
    ///
    /// # Errors
    /// As for [`Config::resolve`], and when the file cannot be read or understood.
    pub fn load(flags: Settings) -> Result<Config, ConfigError> {
        Config::resolve(flags.gathered())
    }

    /// The configuration that these settings make.
    ///
    /// # Errors
    /// When a value is out of its range, or makes the server less safe than it may silently be: all that is wrong.
    pub fn resolve(mut settings: Settings) -> Result<Config, ConfigError> {
        let places = std::mem::take(&mut settings.places);
        let at = |(name, error): (&str, ConfigError)| match places
            .iter()
            .find(|place| place.key == name)
        {
            Some(place) => ConfigError::At {
                place: place.at.clone(),
                error: Box::new(error),
            },
            None => error,
        };
        let misread = std::mem::take(&mut settings.wrong).into_iter();
        let mut wrong: Vec<ConfigError> = misread.map(ConfigError::from).collect();
        let limits = settings.limits();
        wrong.extend(out_of_range(&settings, &limits).into_iter().map(at));
        match wrong.is_empty() {
            true => Config::together(settings, limits).map_err(at),
            // What settings mean for each other shows when all of them are known.
            false => Err(ConfigError::all(wrong)),
        }
    }

    /// Settings that are right each for itself.
    fn together(
        mut settings: Settings,
        mut limits: SessionLimits,
    ) -> Result<Config, (&'static str, ConfigError)> {
        let pages = settings.pages();
        let host = settings.host.unwrap_or_else(|| "127.0.0.1".into());
        let proxies = settings.trusted_proxies.unwrap_or_default();
        let auth = settings.auth.resolve(&proxies);
        let auth = auth.map_err(|error| (error.name(), error.into()))?;
        if !is_loopback(&host) && auth.is_none() && !settings.insecure_no_auth.unwrap_or(false) {
            return Err(("host", ConfigError::Exposed(host)));
        }
        let directories = directories(settings.read, settings.write);
        let tls = settings.tls.resolve();
        let tls = tls.map_err(|error| (error.set, error.into()))?;
        limits.viewdef_paths = settings.viewdef_paths.unwrap_or(auth.is_some());
        let upload = uploads(settings.upload_dir, settings.upload_max_bytes)
            .map_err(|error| ("max_bytes", error))?;
        let state = settings.state.resolve(settings.dir.as_deref());
        let state = state.map_err(|error| ("state", error))?;
        Ok(Config {
            upload,
            test_ignore: settings.test_ignore,
            secret: settings.secret,
            state,
            dir: settings.dir,
            host,
            auth,
            trusted_proxies: proxies,
            quotas: settings.quotas.resolve(),
            audit: settings.audit,
            port: settings.port.unwrap_or(8080),
            record: settings.record,
            allowed_hosts: settings.allowed_hosts,
            allowed_origins: settings.allowed_origins,
            insecure_no_auth: settings.insecure_no_auth.unwrap_or(false),
            base_path: settings.base_path.unwrap_or_default(),
            admin_listen: settings.admin_listen,
            tls,
            hsts_ms: settings.tls.hsts_ms,
            log: settings.log.unwrap_or_default(),
            log_format: settings.log_format.unwrap_or_default(),
            verbosity: settings.verbosity.unwrap_or(0).min(4),
            hotload: settings.hotload || settings.dev,
            limits,
            net: settings.net,
            directories,
            pages,
        })
    }
}

fn directories(read: Option<Vec<PathBuf>>, write: Option<Vec<PathBuf>>) -> Directories {
    Directories {
        read: read.unwrap_or_default(),
        write: write.unwrap_or_else(|| vec!["data".into()]),
    }
}

/// What nobody could use, or could use too much of.
fn out_of_range(settings: &Settings, limits: &SessionLimits) -> Vec<(&'static str, ConfigError)> {
    let mut wrong = Vec::new();
    // Nobody is asked there who they are.
    let exposed = settings.admin_listen.filter(|at| !at.ip().is_loopback());
    if let Some(address) = exposed {
        wrong.push(("admin_listen", ConfigError::AdminExposed(address)));
    }
    if !(LUA_MEMORY_MIN..=LUA_MEMORY_MAX).contains(&limits.lua_memory) {
        wrong.push(("lua_memory", ConfigError::LuaMemory(limits.lua_memory)));
    }
    if !GC_PAUSES.contains(&limits.gc_pause) {
        wrong.push(("gc_pause", ConfigError::GcPause(limits.gc_pause)));
    }
    if limits.gas < GAS_MIN {
        wrong.push(("gas", ConfigError::Gas(limits.gas)));
    }
    let net = settings.net.out_of_range();
    wrong.extend(net.into_iter().map(|error| (error.name, error.into())));
    wrong
}

fn uploads(
    dir: Option<PathBuf>,
    max_bytes: Option<usize>,
) -> Result<Option<UploadConfig>, ConfigError> {
    if max_bytes.is_some() && dir.is_none() {
        return Err(ConfigError::UploadWithoutDir);
    }
    let max_bytes = max_bytes.map_or(UPLOAD_BYTES, |bytes| bytes as u64);
    Ok(dir.map(|dir| UploadConfig { dir, max_bytes }))
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare.eq_ignore_ascii_case("localhost")
        || bare
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(change: impl FnOnce(&mut Settings)) -> Result<Config, ConfigError> {
        let mut settings = Settings::default();
        change(&mut settings);
        Config::resolve(settings)
    }

    #[test]
    fn defaults_are_safe() {
        let config = resolve(|_| {}).unwrap();
        assert_eq!((config.host.as_str(), config.port), ("127.0.0.1", 8080));
        assert_eq!(config.limits, SessionLimits::default());
    }

    #[test]
    fn other_machines_are_let_in_on_purpose_only() {
        for host in [
            "0.0.0.0",
            "::",
            "192.168.1.5",
            "example.org",
            "localhost.example",
        ] {
            let exposed = resolve(|s| s.host = Some(host.into()));
            assert_eq!(exposed.unwrap_err(), ConfigError::Exposed(host.into()));
        }
        let meant = resolve(|s| {
            s.host = Some("0.0.0.0".into());
            s.insecure_no_auth = Some(true);
        });
        assert!(meant.is_ok());
        for host in ["localhost", "127.0.0.2", "::1", "[::1]"] {
            assert!(resolve(|s| s.host = Some(host.into())).is_ok(), "{host}");
        }
    }

    #[test]
    fn limits_have_limits() {
        assert!(resolve(|s| s.lua_memory = Some(1000)).is_err());
        assert!(resolve(|s| s.lua_memory = Some(usize::MAX)).is_err());
        assert!(resolve(|s| s.gas = Some(0)).is_err());
        assert!(resolve(|s| s.gc_pause = Some(100)).is_err());
        let config = resolve(|s| s.session_timeout_ms = Some(0)).unwrap();
        assert_eq!(config.limits.session_timeout_ms, 0);
    }
}
