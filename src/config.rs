//! What the server shall do: defaults, overridden by what was set, checked once.
//!
//! Sources come in the order of [`Config::resolve`]'s argument, later ones win; today that is the
//! command line alone.

use std::net::IpAddr;
use std::path::PathBuf;

use crate::core::limits::SessionLimits;

/// What one source sets; `None`: nothing.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    pub dir: Option<PathBuf>,
    pub host: Option<String>,
    pub port: Option<u16>,
    pub record: Option<PathBuf>,
    pub allowed_hosts: Vec<String>,
    pub allowed_origins: Vec<String>,
    pub insecure_no_auth: bool,
    pub dev: bool,
    pub hotload: bool,
    pub verbosity: u8,
    /// Bytes.
    pub lua_memory: Option<usize>,
    pub gas: Option<u64>,
    /// Milliseconds; 0: never.
    pub session_timeout_ms: Option<u64>,
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
    /// Further names under which browsers may reach the server.
    pub allowed_hosts: Vec<String>,
    /// Further origins whose pages may open WebSockets.
    pub allowed_origins: Vec<String>,
    pub verbosity: u8,
    /// Edits of the site reach running sessions.
    pub hotload: bool,
    pub limits: SessionLimits,
}

/// Why settings make no configuration.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    #[error(
        "host {0} can be reached from other machines, and everybody there could use the apps: put a proxy \
         with a login in front and listen on 127.0.0.1, or say --insecure-no-auth if that is meant"
    )]
    Exposed(String),
    #[error("lua_memory is {0} bytes: a session needs at least 256K and can have at most 512M")]
    LuaMemory(usize),
    #[error("gas is {0}: an event needs at least 10000")]
    Gas(u64),
}

const LUA_MEMORY_MIN: usize = 256 << 10;
/// Half the largest class of address space a state can have.
const LUA_MEMORY_MAX: usize = 512 << 20;
const GAS_MIN: u64 = 10_000;

impl Config {
    /// The configuration that these settings make.
    ///
    /// # Errors
    /// When a value is out of its range, or makes the server less safe than it may silently be.
    pub fn resolve(settings: Settings) -> Result<Config, ConfigError> {
        let defaults = SessionLimits::default();
        let host = settings.host.unwrap_or_else(|| "127.0.0.1".into());
        if !is_loopback(&host) && !settings.insecure_no_auth {
            return Err(ConfigError::Exposed(host));
        }
        let limits = SessionLimits {
            lua_memory: settings.lua_memory.unwrap_or(defaults.lua_memory),
            gas: settings.gas.unwrap_or(defaults.gas),
            session_timeout_ms: settings
                .session_timeout_ms
                .unwrap_or(defaults.session_timeout_ms),
            dev: settings.dev,
            ..defaults
        };
        if !(LUA_MEMORY_MIN..=LUA_MEMORY_MAX).contains(&limits.lua_memory) {
            return Err(ConfigError::LuaMemory(limits.lua_memory));
        }
        if limits.gas < GAS_MIN {
            return Err(ConfigError::Gas(limits.gas));
        }
        Ok(Config {
            dir: settings.dir,
            host,
            port: settings.port.unwrap_or(8080),
            record: settings.record,
            allowed_hosts: settings.allowed_hosts,
            allowed_origins: settings.allowed_origins,
            verbosity: settings.verbosity.min(4),
            hotload: settings.hotload || settings.dev,
            limits,
        })
    }
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
            s.insecure_no_auth = true;
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
        let config = resolve(|s| s.session_timeout_ms = Some(0)).unwrap();
        assert_eq!(config.limits.session_timeout_ms, 0);
    }
}
