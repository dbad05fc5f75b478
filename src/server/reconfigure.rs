//! SIGHUP: settings and site are read again. What a running server can take over it does, what it cannot is named;
//! what is wrong changes nothing.

use std::fmt::Write;
use std::rc::Rc;

use super::Server;
use super::files::look_through;
use super::recording::Journaled;
use super::signals::Asked;
use super::world::World;
use super::{guard, machine, net_limits};
use crate::config::Config;
use crate::core::script::Runtime;

/// Reads the settings as they are now, or tells why they are of no use.
pub type Reread = Box<dyn Fn() -> Result<Config, String>>;

impl<R: Runtime + Clone, W: World> Server<R, W> {
    /// How settings are read again when SIGHUP asks for it.
    pub fn set_reread(&mut self, reread: Reread) {
        self.reread = Some(reread);
    }

    /// Does what signals ask for.
    pub(super) fn heed(&mut self, asked: Asked) {
        if asked.stop {
            return self.stop();
        }
        if asked.statistics {
            self.tell_statistics();
        }
        if asked.reload {
            self.supervisor.reloading();
            self.reread_settings();
            self.reread_certificate();
            self.reread_site();
            self.supervisor.ready("serving");
        }
    }

    fn reread_settings(&mut self) {
        let Some(reread) = &self.reread else {
            return;
        };
        match reread() {
            Ok(config) => self.reconfigure(&config),
            Err(error) => {
                let text = "the settings of before stay in use";
                self.log.line(0, format_args!("{error}; {text}"));
            }
        }
    }

    /// Takes over what can be taken over; sessions that began keep their limits.
    fn reconfigure(&mut self, config: &Config) {
        let fixed = needs_restart(&self.config, config);
        let config = with_what_stays(&self.config, config);
        if !fixed.is_empty() {
            let text = "start the server anew for that";
            self.log.line(
                0,
                format_args!("changed, but not taken over: {fixed}; {text}"),
            );
        }
        self.log.set_verbosity(config.verbosity);
        self.limits = net_limits(&config);
        self.session_timeout_ms = config.limits.session_timeout_ms;
        self.gas_per_event = config.limits.gas;
        self.core.change_limits(&config.limits, config.verbosity);
        let machine = machine(&config, &self.uploads);
        self.core.set_outside(Box::new(Journaled {
            machine: Box::new(machine),
            recordings: Rc::clone(&self.recordings),
        }));
        let mut recordings = self.recordings.borrow_mut();
        recordings.change_rules(config.limits.clone(), config.secret.clone());
        drop(recordings);
        let guard = guard(&config);
        self.routes.change_rules(guard, config.pages.clone());
        self.log.line(0, format_args!("settings were read again"));
        self.config = config;
    }

    /// Runs what was edited, as `--hotload` does; a site that cannot be read stays.
    fn reread_site(&mut self) {
        let Some(dir) = self.config.dir.clone() else {
            return;
        };
        match look_through(&dir) {
            Ok((site, problems)) if problems.is_empty() => {
                let edits = self.core.site().edits_to(&site);
                if !edits.is_empty() {
                    self.edit(edits);
                }
            }
            Ok((_, problems)) => {
                for problem in problems {
                    self.log.line(
                        0,
                        format_args!("{problem}; the site of before stays in use"),
                    );
                }
            }
            Err(error) => self
                .log
                .line(0, format_args!("{error}; the site of before stays in use")),
        }
    }
}

/// The new settings, but for those that only a new process can take: they are named again as long as they differ.
fn with_what_stays(old: &Config, new: &Config) -> Config {
    let mut stays = Config {
        host: old.host.clone(),
        port: old.port,
        // Other files are read; whether there is TLS stays.
        tls: match (&old.tls, &new.tls) {
            (Some(_), Some(files)) => Some(files.clone()),
            (old, _) => old.clone(),
        },
        base_path: old.base_path.clone(),
        admin_listen: old.admin_listen,
        log: old.log.clone(),
        log_format: old.log_format,
        auth: old.auth.clone(),
        trusted_proxies: old.trusted_proxies.clone(),
        audit: old.audit.clone(),
        quotas: old.quotas,
        record: old.record.clone(),
        state: old.state.clone(),
        upload: old.upload.clone(),
        hotload: old.hotload,
        ..new.clone()
    };
    stays.pages.dev = old.pages.dev;
    stays.limits.dev = old.limits.dev;
    stays
}

/// The settings that differ and that only a new process can take.
fn needs_restart(old: &Config, new: &Config) -> String {
    let mut named = String::new();
    for (name, differs) in [
        ("host", old.host != new.host),
        ("port", old.port != new.port),
        (
            "tls_cert and tls_key",
            old.tls.is_some() != new.tls.is_some(),
        ),
        ("base_path", old.base_path != new.base_path),
        ("admin_listen", old.admin_listen != new.admin_listen),
        ("log", old.log != new.log),
        ("log_format", old.log_format != new.log_format),
        ("[auth]", old.auth != new.auth),
        (
            "trusted_proxies",
            old.trusted_proxies != new.trusted_proxies,
        ),
        ("[audit]", old.audit != new.audit),
        ("sessions and memory of all", old.quotas != new.quotas),
        ("record", old.record != new.record),
        ("state and [journal]", old.state != new.state),
        ("[upload]", old.upload != new.upload),
        (
            "--dev and --hotload",
            (old.hotload, old.pages.dev) != (new.hotload, new.pages.dev),
        ),
    ] {
        if differs {
            let comma = if named.is_empty() { "" } else { ", " };
            // Writing into a String cannot fail.
            let _ = write!(named, "{comma}{name}");
        }
    }
    named
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Settings;

    #[test]
    fn pages_for_those_who_write_the_site_stay_such() {
        let config = |dev, hotload| {
            let settings = Settings {
                dev,
                hotload,
                gas: Some(if dev { 20_000 } else { 10_000 }),
                ..Settings::default()
            };
            Config::resolve(settings).expect("a configuration")
        };
        let (old, new) = (config(false, false), config(true, false));
        assert_eq!(needs_restart(&old, &new), "--dev and --hotload");
        assert_eq!(
            needs_restart(&old, &config(false, true)),
            "--dev and --hotload"
        );
        assert_eq!(needs_restart(&old, &old), "");
        let stays = with_what_stays(&old, &new);
        assert!(!stays.hotload && !stays.pages.dev && !stays.limits.dev);
        assert_eq!(stays.limits.gas, 20_000, "what can be taken over is");
    }
}
