//! The built `lunette` as a child process: started on a free port, killed when dropped.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

static NEXT: AtomicU32 = AtomicU32::new(1);

pub struct Server {
    child: Child,
    port: u16,
    dir: Option<PathBuf>,
    log: PathBuf,
    /// Where its sessions are recorded.
    recordings: Option<PathBuf>,
}

impl Server {
    /// Serves the built-in demo site.
    pub fn demo() -> Server {
        Server::start(None, false)
    }

    /// Serves `tests/sites/NAME`.
    pub fn site(name: &str) -> Server {
        Server::start(Some(Server::dir(name)), false)
    }

    /// Serves `tests/sites/NAME` and records its sessions, for [`Server::replay`].
    pub fn recorded(name: &str) -> Server {
        Server::start(Some(Server::dir(name)), true)
    }

    fn dir(name: &str) -> PathBuf {
        let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
            .join("tests/sites")
            .join(name);
        assert!(dir.is_dir(), "there is no site {}", dir.display());
        dir
    }

    fn start(dir: Option<PathBuf>, recorded: bool) -> Server {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let log = PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("server-{}-{number}.log", std::process::id()));
        let recordings = recorded.then(|| log.with_extension("recordings"));
        let (child, port) = launch(dir.as_ref(), 0, &log, recordings.as_ref());
        Server {
            child,
            port,
            dir,
            log,
            recordings,
        }
    }

    /// The address of `path` on this server.
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// What the server has logged so far.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Kills the process, as a crash would. The port stays reserved for [`Server::restart`] only by luck, which has
    /// always sufficed on loopback.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Stops the server, and runs every recorded session again in another process: each must give the same bytes.
    /// Returns how many there were.
    pub fn replay(mut self) -> usize {
        self.kill();
        let recordings = self.recordings.clone().expect("the server records");
        let files = fs::read_dir(&recordings).expect("there are recordings");
        let mut count = 0;
        for file in files {
            let file = file.expect("the directory is readable").path();
            let output = Command::new(env!("CARGO_BIN_EXE_lunette"))
                .arg("replay")
                .arg(&file)
                .output()
                .expect("lunette runs");
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(
                output.status.success() && said.ends_with("all as recorded\n"),
                "{}: {said}{}",
                file.display(),
                String::from_utf8_lossy(&output.stderr)
            );
            count += 1;
        }
        count
    }

    /// Starts a new process on the same port.
    pub fn restart(&mut self) {
        self.kill();
        (self.child, self.port) = launch(
            self.dir.as_ref(),
            self.port,
            &self.log,
            self.recordings.as_ref(),
        );
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("--- the server's log ---\n{}--- end of log ---", self.log());
        }
        let _ = fs::remove_file(&self.log);
        if let Some(recordings) = &self.recordings {
            let _ = fs::remove_dir_all(recordings);
        }
    }
}

/// Starts the binary and waits for the line that names its address.
fn launch(
    dir: Option<&PathBuf>,
    port: u16,
    log: &PathBuf,
    recordings: Option<&PathBuf>,
) -> (Child, u16) {
    let log_file = File::options()
        .create(true)
        .append(true)
        .open(log)
        .expect("a log file can be written");
    let mut command = Command::new(env!("CARGO_BIN_EXE_lunette"));
    command.args(["serve", "--state", "none", "--port", &port.to_string()]);
    if let Some(dir) = dir {
        command.arg("--dir").arg(dir);
    }
    if let Some(recordings) = recordings {
        command.arg("--record").arg(recordings);
    }
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log_file)
        .spawn()
        .expect("the built lunette starts");
    let mut line = String::new();
    let stdout = child.stdout.take().expect("stdout is piped");
    BufReader::new(stdout)
        .read_line(&mut line)
        .expect("lunette says where it listens");
    let port = line
        .trim()
        .strip_prefix("listening on http://")
        .and_then(|address| address.rsplit_once(':'))
        .and_then(|(_, port)| port.parse().ok());
    match port {
        Some(port) => (child, port),
        None => {
            let _ = child.kill();
            let log = fs::read_to_string(log).unwrap_or_default();
            panic!("expected `listening on http://HOST:PORT`, got {line:?}; the log says:\n{log}");
        }
    }
}
