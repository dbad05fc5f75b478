//! A server as a child process, and what `/proc` tells about it: processor time, memory, wakeups.
//! Shared by the load generator and the tests (through `#[path]`).

use std::fs;
use std::io::{self, BufRead, BufReader, Error};
use std::net::SocketAddr;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

const LISTENING: &str = "listening on ";

/// A running server; killed when dropped.
pub struct Server {
    child: Child,
    /// Held open: a server that prints into a closed pipe would fail for a reason of our making.
    _stdout: BufReader<ChildStdout>,
    pub address: SocketAddr,
    pub spawned: Instant,
}

impl Server {
    /// Starts `command` and waits for the line that says where it listens.
    pub fn start(command: &mut Command) -> io::Result<Server> {
        let spawned = Instant::now();
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut stdout = BufReader::new(child.stdout.take().expect("stdout was piped"));
        match listening_address(&mut stdout) {
            Ok(address) => Ok(Server {
                child,
                _stdout: stdout,
                address,
                spawned,
            }),
            Err(error) => {
                let _ = child.kill();
                let _ = child.wait();
                Err(Error::other(format!("{command:?} did not start: {error}")))
            }
        }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Processor time of all threads, user and system.
    pub fn cpu(&self) -> io::Result<Duration> {
        let mut total = Duration::ZERO;
        for task in fs::read_dir(format!("/proc/{}/task", self.id()))? {
            // A thread may end between the listing and the reading.
            let Ok(line) = fs::read_to_string(task?.path().join("schedstat")) else {
                continue;
            };
            let nanoseconds = line.split(' ').next().and_then(|field| field.parse().ok());
            total += Duration::from_nanos(nanoseconds.unwrap_or(0));
        }
        if total.is_zero() {
            self.cpu_in_ticks()
        } else {
            Ok(total)
        }
    }

    /// The coarse figure of kernels without schedstat.
    fn cpu_in_ticks(&self) -> io::Result<Duration> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.id()))?;
        let after_name = stat.rsplit(')').next().unwrap_or("");
        let ticks: u64 = after_name
            .split(' ')
            .skip(12)
            .take(2)
            .filter_map(|field| field.parse::<u64>().ok())
            .sum();
        Ok(Duration::from_millis(ticks * 10))
    }

    /// Proportional set size: resident memory with shared pages counted in part.
    pub fn pss_kib(&self) -> io::Result<u64> {
        field_kib(
            &fs::read_to_string(format!("/proc/{}/smaps_rollup", self.id()))?,
            "Pss:",
        )
    }

    /// Of that, what the server made itself, and what it maps from files: its code.
    pub fn pss_anonymous_and_files_kib(&self) -> io::Result<(u64, u64)> {
        let rollup = fs::read_to_string(format!("/proc/{}/smaps_rollup", self.id()))?;
        Ok((
            field_kib(&rollup, "Pss_Anon:")?,
            field_kib(&rollup, "Pss_File:")?,
        ))
    }

    pub fn rss_kib(&self) -> io::Result<u64> {
        field_kib(
            &fs::read_to_string(format!("/proc/{}/status", self.id()))?,
            "VmRSS:",
        )
    }

    /// Memory of the system's own in which it notes where the server's memory is.
    #[allow(dead_code, reason = "the load generator asks, the tests do not")]
    pub fn page_tables_kib(&self) -> io::Result<u64> {
        field_kib(
            &fs::read_to_string(format!("/proc/{}/status", self.id()))?,
            "VmPTE:",
        )
    }

    /// Bytes that it has read, of files above all.
    #[allow(dead_code, reason = "the load generator asks, the tests do not")]
    pub fn bytes_read(&self) -> io::Result<u64> {
        let io = fs::read_to_string(format!("/proc/{}/io", self.id()))?;
        field_kib(&io, "rchar:")
    }

    /// How often the threads went to sleep of their own will, and so were woken.
    pub fn sleeps(&self) -> io::Result<u64> {
        let mut total = 0;
        for task in fs::read_dir(format!("/proc/{}/task", self.id()))? {
            let Ok(status) = fs::read_to_string(task?.path().join("status")) else {
                continue;
            };
            total += field_kib(&status, "voluntary_ctxt_switches:")?;
        }
        Ok(total)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn listening_address(stdout: &mut BufReader<ChildStdout>) -> io::Result<SocketAddr> {
    let mut line = String::new();
    while stdout.read_line(&mut line)? > 0 {
        if let Some((_, address)) = line
            .strip_prefix(LISTENING)
            .and_then(|url| url.split_once("://"))
        {
            return address
                .trim()
                .trim_end_matches('/')
                .parse()
                .map_err(Error::other);
        }
        line.clear();
    }
    Err(Error::other(format!(
        "it ended without a line {LISTENING:?}"
    )))
}

fn field_kib(text: &str, name: &str) -> io::Result<u64> {
    let line = text.lines().find(|line| line.starts_with(name));
    let value = line.and_then(|line| line.split_ascii_whitespace().nth(1)?.parse().ok());
    value.ok_or_else(|| Error::other(format!("no field {name}")))
}
