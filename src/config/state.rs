//! How sessions outlive the process that runs them: `--state`, `--recover` and the section `[journal]`.

use std::path::{Path, PathBuf};

use super::ConfigError;
use crate::journal::{Durability, state_dir};

/// Where journals are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StateDir {
    /// Nowhere: sessions end with the process.
    None,
    At(PathBuf),
}

/// When sessions of an earlier process are rebuilt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Recover {
    /// Each when its browser comes back.
    #[default]
    Lazy,
    /// All before the first request is answered.
    Eager,
    /// Never: what is left of earlier processes is removed.
    None,
}

/// What one source sets; `None`: nothing.
#[derive(Clone, Debug, Default)]
pub struct StateSettings {
    pub dir: Option<StateDir>,
    pub recover: Option<Recover>,
    pub durability: Option<Durability>,
    pub keep_ms: Option<u64>,
    pub max_total: Option<usize>,
    pub max_session: Option<usize>,
    pub flush_ms: Option<u64>,
    pub hibernate_after_ms: Option<u64>,
    pub memory: Option<usize>,
}

/// A state directory and its rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateConfig {
    pub dir: PathBuf,
    pub recover: Recover,
    pub durability: Durability,
    /// How long the journal of a session that has ended stays, ms; 0: it goes with the session.
    pub keep_ms: u64,
    /// Bytes of all journals, and of one.
    pub max_total: u64,
    pub max_session: u64,
    /// How long turns that nobody saw may wait to be written, ms.
    pub flush_ms: u64,
    /// A session nobody is attached to gives its memory back after so many ms; 0: never.
    pub hibernate_after_ms: u64,
    /// Bytes that all sessions take, above which those that were used longest ago do so at once.
    pub memory: u64,
}

impl StateSettings {
    /// These, and `others` where these say nothing.
    #[must_use]
    pub fn or(self, others: StateSettings) -> StateSettings {
        StateSettings {
            dir: self.dir.or(others.dir),
            recover: self.recover.or(others.recover),
            durability: self.durability.or(others.durability),
            keep_ms: self.keep_ms.or(others.keep_ms),
            max_total: self.max_total.or(others.max_total),
            max_session: self.max_session.or(others.max_session),
            flush_ms: self.flush_ms.or(others.flush_ms),
            hibernate_after_ms: self.hibernate_after_ms.or(others.hibernate_after_ms),
            memory: self.memory.or(others.memory),
        }
    }

    /// The state directory of the site in `site` (`None`: the built-in demo), for a command that looks into it.
    ///
    /// # Errors
    /// When there is none.
    pub fn place(self, site: Option<&Path>) -> Result<PathBuf, ConfigError> {
        let kept = self.resolve(site)?;
        Ok(kept.ok_or(ConfigError::Stateless)?.dir)
    }

    /// The configuration that these make for the site in `site` (`None`: the built-in demo).
    ///
    /// # Errors
    /// When there is no place for journals and none was named.
    pub fn resolve(self, site: Option<&Path>) -> Result<Option<StateConfig>, ConfigError> {
        let dir = match self.dir {
            Some(StateDir::None) => return Ok(None),
            Some(StateDir::At(dir)) => dir,
            None => state_dir(site, |name| std::env::var_os(name)).ok_or(ConfigError::Homeless)?,
        };
        let bytes = |size: Option<usize>, usual: u64| size.map_or(usual, |size| size as u64);
        Ok(Some(StateConfig {
            dir,
            recover: self.recover.unwrap_or_default(),
            durability: self.durability.unwrap_or_default(),
            keep_ms: self.keep_ms.unwrap_or(0),
            max_total: bytes(self.max_total, 1 << 30),
            max_session: bytes(self.max_session, 64 << 20),
            flush_ms: self.flush_ms.unwrap_or(60_000),
            hibernate_after_ms: self.hibernate_after_ms.unwrap_or(10 * 60_000),
            memory: bytes(self.memory, 256 << 20),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn none_is_none() {
        let none = StateSettings {
            dir: Some(StateDir::None),
            ..StateSettings::default()
        };
        assert_eq!(none.resolve(None), Ok(None));
    }
}
