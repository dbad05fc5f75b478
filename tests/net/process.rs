//! A server process whose log and exit code can be looked at, and raw connections to it.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Longer than any deadline of the server, so that running into it means that nothing came.
const SILENCE: Duration = Duration::from_secs(30);

static NEXT: AtomicU32 = AtomicU32::new(1);

/// A folder that is removed afterwards.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new() -> Folder {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("net-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).expect("a folder for the test");
        Folder(path)
    }

    /// Writes a file and the folders it needs.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().expect("a file in the folder")).expect("its folders");
        fs::write(path, content).expect("the file");
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub fn site(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/sites")
        .join(name)
}

/// A running server; killed when dropped.
pub struct Server {
    pub child: Child,
    pub scheme: String,
    pub address: SocketAddr,
    log: PathBuf,
    _folder: Folder,
    stdout: BufReader<ChildStdout>,
}

impl Server {
    /// Serves the site in `dir`.
    pub fn start(dir: &Path, flags: &[&str]) -> Server {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lunette"));
        Server::run(with_flags(&mut command, dir, flags))
    }

    /// The same within a limit of the shell's, such as `-n 24` for descriptors.
    pub fn start_limited(dir: &Path, limit: &str, flags: &[&str]) -> Server {
        let mut command = Command::new("sh");
        let script = format!("ulimit {limit}; exec \"$0\" \"$@\"");
        command
            .args(["-c", &script])
            .arg(env!("CARGO_BIN_EXE_lunette"));
        Server::run(with_flags(&mut command, dir, flags))
    }

    /// The same with these variables in its environment.
    pub fn start_in(dir: &Path, flags: &[&str], variables: &[(&str, &str)]) -> Server {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lunette"));
        command.envs(variables.iter().copied());
        Server::run(with_flags(&mut command, dir, flags))
    }

    fn run(command: &mut Command) -> Server {
        let folder = Folder::new();
        let log = folder.0.join("log");
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(&log).expect("a log"))
            .spawn()
            .expect("the server starts");
        let mut stdout = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut line = String::new();
        stdout.read_line(&mut line).expect("its first line");
        let url = line.trim().strip_prefix("listening on ");
        let url = url.and_then(|url| url.split_once("://"));
        let (scheme, address) = url.unwrap_or_else(|| panic!("{line:?} {}", read(&log)));
        Server {
            child,
            scheme: scheme.into(),
            address: address.parse().expect("an address"),
            log,
            _folder: folder,
            stdout,
        }
    }

    /// What it prints behind its address.
    pub fn next_line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).expect("another line");
        line
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        read(&self.log)
    }

    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).expect("a connection");
        stream
            .set_read_timeout(Some(SILENCE))
            .expect("a deadline for reads");
        stream
    }

    /// Sends bytes and returns everything up to the end of the connection.
    pub fn ask(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect();
        stream.write_all(bytes).expect("the request is sent");
        read_all(&mut stream)
    }

    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .args([&format!("-{name}"), &self.child.id().to_string()])
            .status();
        assert!(sent.is_ok_and(|s| s.success()), "kill -{name}");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- the server's log ---\n{}--- end of log ---", self.log());
        }
    }
}

fn with_flags<'a>(command: &'a mut Command, dir: &Path, flags: &[&str]) -> &'a mut Command {
    // Sessions end with the process unless the test says where they shall survive.
    if !flags.contains(&"--state") {
        command.args(["--state", "none"]);
    }
    command.args(["--port", "0", "--dir"]).arg(dir).args(flags)
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// Everything up to the end; a reset counts as one.
pub fn read_all(stream: &mut impl Read) -> String {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => bytes.extend_from_slice(&buffer[..n]),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => break,
            Err(error) => panic!("no end of the connection: {error}"),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// One answer with its body, from a connection that stays open.
pub fn read_answer(stream: &mut impl Read) -> String {
    let mut bytes = Vec::new();
    let mut byte = [0];
    while !bytes.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).expect("the head of an answer");
        bytes.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&bytes).into_owned();
    let length = head.split("Content-Length: ").nth(1);
    let length = length.and_then(|rest| rest.split("\r\n").next()?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body).expect("the body of an answer");
    head + &String::from_utf8_lossy(&body)
}

/// The status of an answer.
pub fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or("no answer")
}
