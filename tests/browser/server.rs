//! The built `lunette` as a child process: started on a free port, killed when dropped. Every session is
//! recorded, and replayed when the server is dropped: that must give the same bytes again.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

static NEXT: AtomicU32 = AtomicU32::new(1);

pub struct Server {
    child: Child,
    scheme: String,
    port: u16,
    dir: Option<PathBuf>,
    flags: Vec<&'static str>,
    variables: Vec<(&'static str, &'static str)>,
    log: PathBuf,
    recordings: PathBuf,
    /// Where sessions outlive the process, if they do.
    state: Option<PathBuf>,
}

impl Server {
    /// Serves the built-in demo site.
    pub fn demo() -> Server {
        Server::start(None, &[])
    }

    /// The same with these variables in its environment.
    pub fn demo_in(variables: &[(&'static str, &'static str)]) -> Server {
        Server::launch(None, &[], variables, false)
    }

    /// Serves the site in `dir`.
    pub fn with_flags(dir: &Path, flags: &[&'static str]) -> Server {
        Server::start(Some(dir.into()), flags)
    }

    /// Serves `tests/sites/NAME`.
    pub fn site(name: &str) -> Server {
        Server::folder(&format!("tests/sites/{name}"))
    }

    /// Serves `tests/sites/NAME`; sessions outlive the process.
    pub fn keeping(name: &str) -> Server {
        let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
            .join("tests/sites")
            .join(name);
        Server::launch(Some(dir), &[], &[], true)
    }

    /// What is recorded of a session.
    pub fn recording_of(&self, session: &str) -> PathBuf {
        self.recordings.join(format!("{session}.lnt"))
    }

    /// Serves the built-in demo site by TLS; sessions outlive the process.
    #[cfg(feature = "tls")]
    pub fn secure(variables: &[(&'static str, &'static str)]) -> Server {
        Server::launch(None, &[], variables, true)
    }

    /// Serves the site in `dir`; sessions outlive the process.
    pub fn keeping_of(dir: &Path, flags: &[&'static str]) -> Server {
        Server::launch(Some(dir.into()), flags, &[], true)
    }

    /// Where sessions outlive the process.
    pub fn state(&self) -> &Path {
        self.state.as_deref().expect("a server that keeps sessions")
    }

    /// Serves a folder of the package.
    pub fn folder(path: &str) -> Server {
        let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path);
        assert!(dir.is_dir(), "there is no site {}", dir.display());
        Server::start(Some(dir), &[])
    }

    fn start(dir: Option<PathBuf>, flags: &[&'static str]) -> Server {
        Server::launch(dir, flags, &[], false)
    }

    fn launch(
        dir: Option<PathBuf>,
        flags: &[&'static str],
        variables: &[(&'static str, &'static str)],
        keeping: bool,
    ) -> Server {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let scratch = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
        let name = format!("server-{}-{number}", std::process::id());
        let state = keeping.then(|| scratch.join(format!("{name}.state")));
        let (log, recordings) = (scratch.join(format!("{name}.log")), scratch.join(name));
        let places = Places {
            log: &log,
            recordings: &recordings,
            state: state.as_deref(),
            variables,
        };
        let (child, scheme, port) = launch(dir.as_ref(), flags, 0, &places);
        Server {
            child,
            scheme,
            port,
            dir,
            flags: flags.to_vec(),
            variables: variables.to_vec(),
            log,
            recordings,
            state,
        }
    }

    /// The address of `path` on this server.
    pub fn url(&self, path: &str) -> String {
        format!("{}://127.0.0.1:{}{path}", self.scheme, self.port)
    }

    /// The port that it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What the server has logged so far.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// The recording of the only session there was so far.
    pub fn recording(&self) -> PathBuf {
        let all = fs::read_dir(&self.recordings).expect("sessions are recorded");
        let mut all: Vec<PathBuf> = all.flatten().map(|entry| entry.path()).collect();
        all.retain(|path| path.extension().is_some_and(|end| end == "lnt"));
        assert_eq!(all.len(), 1, "{all:?}");
        all.remove(0)
    }

    /// Kills the process, as a crash would. The port stays reserved for [`Server::restart`] only by luck, which has
    /// always sufficed on loopback.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Starts a new process on the same port.
    pub fn restart(&mut self) {
        self.kill();
        let places = Places {
            log: &self.log,
            recordings: &self.recordings,
            state: self.state.as_deref(),
            variables: &self.variables,
        };
        (self.child, self.scheme, self.port) =
            launch(self.dir.as_ref(), &self.flags, self.port, &places);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("--- the server's log ---\n{}--- end of log ---", self.log());
        }
        let _ = fs::remove_file(&self.log);
        let diverged = replay_all(&self.recordings);
        let _ = fs::remove_dir_all(&self.recordings);
        if let Some(state) = &self.state {
            let _ = fs::remove_dir_all(state);
        }
        if !std::thread::panicking() {
            assert!(diverged.is_empty(), "{diverged}");
        }
    }
}

/// Replays all recordings of a directory; what they said if they did not come out the same.
pub fn replay_all(recordings: &Path) -> String {
    let mut said = String::new();
    for entry in fs::read_dir(recordings).into_iter().flatten().flatten() {
        let replayed = Command::new(env!("CARGO_BIN_EXE_lunette"))
            .arg("replay")
            .arg(entry.path())
            .output()
            .expect("lunette runs");
        if !replayed.status.success() {
            said.push_str(&String::from_utf8_lossy(&replayed.stdout));
            said.push_str(&String::from_utf8_lossy(&replayed.stderr));
        }
    }
    said
}

/// Where a server writes, and what else it is told.
struct Places<'a> {
    variables: &'a [(&'static str, &'static str)],
    log: &'a Path,
    recordings: &'a Path,
    state: Option<&'a Path>,
}

/// Starts the binary and waits for the line that names its address.
fn launch(
    dir: Option<&PathBuf>,
    flags: &[&str],
    port: u16,
    places: &Places<'_>,
) -> (Child, String, u16) {
    let log = places.log;
    let log_file = File::options()
        .create(true)
        .append(true)
        .open(log)
        .expect("a log file can be written");
    let mut command = Command::new(env!("CARGO_BIN_EXE_lunette"));
    command.envs(places.variables.iter().copied());
    command.args(["serve", "--port", &port.to_string()]);
    // A test that wants recordings of its own has them.
    if !flags.contains(&"--record") {
        command.arg("--record").arg(places.recordings);
    }
    command.arg("--state");
    command.arg(places.state.unwrap_or(Path::new("none")));
    if let Some(dir) = dir {
        command.arg("--dir").arg(dir);
    }
    command.args(flags);
    // The page of `--dev` is made of the same modules, unjoined: it must pass the same tests.
    let is_dev = flags.contains(&"--dev");
    if std::env::var_os("LUNETTE_TEST_DEV").is_some() && !is_dev {
        command.arg("--dev");
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
    let said = line.trim().strip_prefix("listening on ").and_then(|url| {
        let (scheme, address) = url.split_once("://")?;
        let (_, port) = address.rsplit_once(':')?;
        Some((scheme.to_owned(), port.parse().ok()?))
    });
    match said {
        Some((scheme, port)) => (child, scheme, port),
        None => {
            let _ = child.kill();
            let log = fs::read_to_string(log).unwrap_or_default();
            panic!("expected `listening on http://HOST:PORT`, got {line:?}; the log says:\n{log}");
        }
    }
}
