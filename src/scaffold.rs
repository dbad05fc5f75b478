//! Scaffold: files that `lunette new` and `lunette service` make for people: a small site, and how to have a system
//! run the server.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::web;

/// Why no site was made.
#[derive(Debug, thiserror::Error)]
pub enum NewError {
    #[error("{0} is not empty: name a directory that is, or one that does not exist yet")]
    NotEmpty(PathBuf),
    #[error("{path}: {source}")]
    Io { path: PathBuf, source: io::Error },
}

/// Makes a site in `dir`. Returns its files.
///
/// # Errors
/// When there is something already, or it cannot be written.
pub fn site(dir: &Path) -> Result<Vec<PathBuf>, NewError> {
    let wrong = |path: &Path, source| NewError::Io {
        path: path.to_owned(),
        source,
    };
    fs::create_dir_all(dir).map_err(|error| wrong(dir, error))?;
    let mut there = fs::read_dir(dir).map_err(|error| wrong(dir, error))?;
    if there.next().is_some() {
        return Err(NewError::NotEmpty(dir.to_owned()));
    }
    let mut made = Vec::new();
    for (name, content) in web::NEW_SITE.files() {
        let name = match name {
            // With a dot it would not be looked at where this site is kept.
            "gitignore" => ".gitignore",
            name => name,
        };
        let path = dir.join(name);
        let folder = path.parent().unwrap_or(dir);
        fs::create_dir_all(folder).map_err(|error| wrong(folder, error))?;
        fs::write(&path, content).map_err(|error| wrong(&path, error))?;
        made.push(path);
    }
    Ok(made)
}

/// What a system is told to run: this program with this site.
#[derive(Debug)]
pub struct Service<'a> {
    pub program: &'a Path,
    pub site: &'a Path,
    pub state: &'a Path,
    pub port: u16,
}

/// Where a unit with `PrivateTmp` has directories of its own.
const PRIVATE_TMP: [&str; 2] = ["/tmp", "/var/tmp"];

impl Service<'_> {
    /// What of it the unit hides from the server, and what to do.
    pub fn hidden(&self) -> Option<String> {
        let paths = [self.program, self.site, self.state].into_iter();
        let hidden = paths.filter(|path| PRIVATE_TMP.iter().any(|tmp| path.starts_with(tmp)));
        let hidden: Vec<String> = hidden.map(|path| format!("{path:?}")).collect();
        (!hidden.is_empty()).then(|| {
            format!(
                "the service does not see {}: PrivateTmp gives it a /tmp and /var/tmp of its own. Move it to another \
                 place, such as /srv, or write PrivateTmp=no",
                hidden.join(" and ")
            )
        })
    }

    /// A unit for systemd: the server is told to be ready, watched, and has nothing of the machine but its site and state.
    pub fn systemd(&self) -> String {
        let Service {
            program,
            site,
            state,
            port,
        } = self;
        let (program, site, state) = (unit_path(program), unit_path(site), unit_path(state));
        let hidden = self.hidden().map(|told| format!("# {told}\n"));
        let hidden = hidden.unwrap_or_default();
        format!(
            "# Save as /etc/systemd/system/lunette.service, then: systemctl enable --now lunette\n\
             # For a socket unit (lunette.socket, ListenStream={port}) nothing has to be changed here.\n\
             [Unit]\n\
             Description=Lunette\n\
             After=network.target\n\
             \n\
             [Service]\n\
             Type=notify\n\
             ExecStart={program} serve --dir {site} --state {state} --port {port}\n\
             ExecReload=kill -HUP $MAINPID\n\
             WatchdogSec=30\n\
             Restart=on-failure\n\
             TimeoutStopSec=10\n\
             DynamicUser=yes\n\
             StateDirectory=lunette\n\
             StateDirectoryMode=0700\n\
             UMask=0077\n\
             # What Lua code may write ([lua] write) has to be named here, too: ReadWritePaths=\n\
             ProtectSystem=strict\n\
             ProtectHome=read-only\n\
             {hidden}PrivateTmp=yes\n\
             PrivateDevices=yes\n\
             ProtectKernelTunables=yes\n\
             ProtectKernelModules=yes\n\
             ProtectKernelLogs=yes\n\
             ProtectControlGroups=yes\n\
             ProtectClock=yes\n\
             ProtectHostname=yes\n\
             ProtectProc=invisible\n\
             RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6\n\
             RestrictNamespaces=yes\n\
             RestrictRealtime=yes\n\
             RestrictSUIDSGID=yes\n\
             LockPersonality=yes\n\
             NoNewPrivileges=yes\n\
             CapabilityBoundingSet=\n\
             SystemCallArchitectures=native\n\
             SystemCallFilter=@system-service\n\
             LimitNOFILE=4096\n\
             \n\
             [Install]\n\
             WantedBy=multi-user.target\n"
        )
    }

    /// An init script for OpenWrt's procd.
    pub fn procd(&self) -> String {
        let Service {
            program,
            site,
            state,
            port,
        } = self;
        let (program, site, state) = (shell_path(program), shell_path(site), shell_path(state));
        format!(
            "#!/bin/sh /etc/rc.common\n\
             # Save as /etc/init.d/lunette, then: chmod +x /etc/init.d/lunette; service lunette enable; service lunette start\n\
             # State on flash wears it out less with durability = \"process\" (the default); a directory in RAM loses\n\
             # sessions with every start of the router.\n\
             \n\
             START=90\n\
             STOP=10\n\
             USE_PROCD=1\n\
             \n\
             start_service() {{\n\
             \tprocd_open_instance\n\
             \tprocd_set_param command {program} serve --dir {site} --state {state} --port {port} --log syslog\n\
             \tprocd_set_param respawn 3600 5 5\n\
             \tprocd_set_param stderr 1\n\
             \tprocd_set_param file {site}/lunette.toml\n\
             \tprocd_set_param reload_signal HUP\n\
             \tprocd_set_param limits nofile=\"4096 4096\"\n\
             \tprocd_set_param no_new_privs 1\n\
             \tprocd_set_param term_timeout 10\n\
             \tprocd_close_instance\n\
             }}\n"
        )
    }
}

/// A path as a unit has it between blanks.
fn unit_path(path: &Path) -> String {
    let text = path.to_string_lossy();
    let text = text.replace('\\', "\\\\").replace('"', "\\\"");
    // `%` and `$` mean something there.
    let text = text.replace('%', "%%").replace('$', "$$");
    match text.contains(|c: char| c.is_whitespace() || c == '"' || c == '\'') {
        true => format!("\"{text}\""),
        false => text,
    }
}

/// A path as a shell has it.
fn shell_path(path: &Path) -> String {
    let text = path.to_string_lossy();
    match text.contains(|c: char| !(c.is_alphanumeric() || "/._-+".contains(c))) {
        true => format!("'{}'", text.replace('\'', "'\\''")),
        false => text.into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_unit_hides_is_told() {
        let service = |site| Service {
            program: Path::new("/usr/bin/lunette"),
            site,
            state: Path::new("/var/lib/lunette"),
            port: 80,
        };
        assert_eq!(service(Path::new("/tmpfs/site")).hidden(), None);
        assert!(
            !service(Path::new("/srv"))
                .systemd()
                .contains("does not see")
        );
        let unit = service(Path::new("/var/tmp/a\nb")).systemd();
        assert!(
            unit.contains("# the service does not see \"/var/tmp/a\\nb\": "),
            "{unit}"
        );
    }

    #[test]
    fn paths_stay_one_word() {
        assert_eq!(unit_path(Path::new("/a b/100%")), "\"/a b/100%%\"");
        assert_eq!(shell_path(Path::new("/a b/it's")), "'/a b/it'\\''s'");
        assert_eq!(shell_path(Path::new("/srv/site")), "/srv/site");
    }
}
