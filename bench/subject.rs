//! What is measured: the server on one of the test sites, or the floor.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::process::Server;

/// Set for a child that is to be the floor, to `echo` or `ticks`.
pub const FLOOR_MODE: &str = "LUNETTE_BENCH_FLOOR";
/// Set to anything to see what the server logs.
const SHOW_LOG: &str = "LUNETTE_BENCH_LOG";

pub struct Subject {
    /// Path of the server's binary.
    pub binary: String,
}

impl Subject {
    /// The server on a site of `tests/sites`.
    pub fn site(&self, site: &str, flags: &[&str]) -> io::Result<Server> {
        self.folder(&site_dir(site), flags)
    }

    /// The same in a shell's limit, such as `-n 64`.
    pub fn limited(&self, site: &str, limit: &str) -> io::Result<Server> {
        let mut command = Command::new("sh");
        command.args(["-c", &format!("ulimit {limit}; exec \"$0\" \"$@\"")]);
        command.arg(&self.binary).arg("--dir").arg(site_dir(site));
        self.serve(&mut command)
    }

    /// The same with the message rate of an installed one.
    pub fn as_installed(&self, site: &str) -> io::Result<Server> {
        self.serve(Command::new(&self.binary).arg("--dir").arg(site_dir(site)))
    }

    /// The server on the site in `dir`.
    pub fn folder(&self, dir: &Path, flags: &[&str]) -> io::Result<Server> {
        self.serve(self.command(dir).args(flags))
    }

    /// How the server is started on the site in `dir`, but for its port and what it keeps.
    pub fn command(&self, dir: &Path) -> Command {
        let mut command = Command::new(&self.binary);
        command.arg("serve").arg("--dir").arg(dir);
        // Else it closes a connection that sends as fast as it can.
        command.args(["--message-rate", "0"]);
        command
    }

    /// The server on its built-in demo.
    pub fn demo(&self) -> io::Result<Server> {
        self.serve(Command::new(&self.binary).arg("serve"))
    }

    fn serve(&self, command: &mut Command) -> io::Result<Server> {
        Server::start(quiet(command.args(["--port", "0", "--state", "none"])))
    }

    /// The floor: this very program in another role.
    pub fn floor(&self, mode: &str) -> io::Result<Server> {
        Server::start(quiet(
            Command::new(std::env::current_exe()?).env(FLOOR_MODE, mode),
        ))
    }
}

fn site_dir(site: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/sites")
        .join(site)
}

fn quiet(command: &mut Command) -> &mut Command {
    let shown = std::env::var_os(SHOW_LOG).is_some();
    command.stderr(if shown {
        Stdio::inherit()
    } else {
        Stdio::null()
    })
}
