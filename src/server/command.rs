//! Children of the server: how they are made, and commands that are waited for.
//!
//! A child leads a process group of its own, so that what it starts can be ended with it; it sees the
//! site's directory, a handful of environment variables, and no descriptor of the server. When the
//! server is gone, the kernel kills it.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};

use super::clock::Clock;
use super::system;
use crate::core::id::Timestamp;
use crate::core::outside::{HostAnswer, ProcessExit};

/// What children see of the server's environment.
const ENVIRONMENT: [&str; 5] = ["PATH", "HOME", "LANG", "LC_ALL", "TZ"];

/// A command that everybody waits for may take this long, and write so much.
const RUN_MS: u64 = 5_000;
const OUTPUT_MAX: usize = 1 << 20;

/// A program to run in `base`, not started yet. One with a slash in its name lies there, too.
pub fn program(name: &[u8], base: &Path) -> Command {
    let name = Path::new(OsStr::from_bytes(name));
    let mut command = match name.components().count() > 1 {
        true => Command::new(base.join(name)),
        false => Command::new(name),
    };
    command.env_clear().current_dir(base).process_group(0);
    for name in ENVIRONMENT {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    system::confine(&mut command);
    command
}

/// A descriptor that becomes readable when the child ends.
///
/// # Errors
/// When there are no descriptors left, or before Linux 5.3.
pub fn watch(child: &Child) -> io::Result<OwnedFd> {
    Ok(pidfd_open(group(child)?, PidfdFlags::empty())?)
}

fn group(child: &Child) -> io::Result<Pid> {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    pid.ok_or_else(|| io::ErrorKind::InvalidInput.into())
}

/// Signals a child and all it started. Only while it has not been waited for: afterwards its number
/// may be somebody else's.
pub fn signal(child: &Child, signal: Signal) {
    if let Ok(group) = group(child) {
        // Nobody left to signal is what was wanted.
        let _ = kill_process_group(group, signal);
    }
}

/// Kills what is left of an ended child's group, then takes its status.
pub fn reap(child: &mut Child) -> ProcessExit {
    signal(child, Signal::KILL);
    match child.wait() {
        Ok(status) => exit(status),
        Err(error) => ProcessExit {
            error: Some(error.to_string()),
            ..ProcessExit::default()
        },
    }
}

fn exit(status: ExitStatus) -> ProcessExit {
    ProcessExit {
        code: status.code(),
        signal: status.signal(),
        ..ProcessExit::default()
    }
}

/// Makes reading and writing a pipe never wait.
///
/// # Errors
/// When it is no descriptor that could.
pub fn unblock(pipe: impl AsFd) -> io::Result<()> {
    let flags = fcntl_getfl(&pipe)?;
    Ok(fcntl_setfl(&pipe, flags | OFlags::NONBLOCK)?)
}

/// Runs a line for the shell to its end, for at most [`RUN_MS`].
///
/// # Errors
/// When there is no shell, or the system lacks what it takes.
pub fn run(line: &[u8], input: &[u8], base: &Path) -> io::Result<HostAnswer> {
    let mut command = program(b"sh", base);
    command
        .arg("-c")
        .arg(OsStr::from_bytes(line))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut child = command.spawn()?;
    let mut output = Vec::new();
    let ended = converse(&mut child, input, &mut output);
    let mut exit = reap(&mut child);
    match ended {
        Ok(Ended::ByItself) => {}
        Ok(Ended::TooLate) => exit.timeout = true,
        Ok(Ended::TooMuch) => exit.error = Some(format!("wrote more than {OUTPUT_MAX} bytes")),
        Err(error) => exit.error = Some(error.to_string()),
    }
    Ok(HostAnswer::Ran { output, exit })
}

enum Ended {
    ByItself,
    TooLate,
    TooMuch,
}

/// Feeds a child and takes what it writes until it ends.
fn converse(child: &mut Child, input: &[u8], output: &mut Vec<u8>) -> io::Result<Ended> {
    let ended = watch(child)?;
    let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
    let mut stdin = stdin.map(OwnedFd::from).map(File::from);
    let mut stdout = stdout.map(OwnedFd::from).map(File::from);
    for pipe in [&stdin, &stdout].into_iter().flatten() {
        unblock(pipe)?;
    }
    let mut input = input;
    let clock = Clock::new();
    loop {
        // Before its end is looked at: what it wrote last is there when it has ended.
        let over = is_ready(&ended)?;
        feed(&mut stdin, &mut input)?;
        drain(&mut stdout, output)?;
        if output.len() > OUTPUT_MAX {
            output.truncate(OUTPUT_MAX);
            return Ok(Ended::TooMuch);
        }
        if over {
            return Ok(Ended::ByItself);
        }
        let left = RUN_MS.saturating_sub(clock.now());
        if left == 0 {
            return Ok(Ended::TooLate);
        }
        wait(&ended, stdin.as_ref(), stdout.as_ref(), left)?;
    }
}

fn is_ready(ended: &OwnedFd) -> io::Result<bool> {
    let mut polled = [PollFd::new(ended, PollFlags::IN)];
    let none = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    Ok(poll(&mut polled, Some(&none))? > 0)
}

fn wait(
    ended: &OwnedFd,
    stdin: Option<&File>,
    stdout: Option<&File>,
    left_ms: Timestamp,
) -> io::Result<()> {
    let mut polled = vec![PollFd::new(ended, PollFlags::IN)];
    polled.extend(stdin.map(|pipe| PollFd::new(pipe, PollFlags::OUT)));
    polled.extend(stdout.map(|pipe| PollFd::new(pipe, PollFlags::IN)));
    let left = Timespec {
        tv_sec: (left_ms / 1000) as i64,
        tv_nsec: (left_ms % 1000 * 1_000_000) as _,
    };
    match poll(&mut polled, Some(&left)) {
        Err(error) if error != rustix::io::Errno::INTR => Err(error.into()),
        Ok(_) | Err(_) => Ok(()),
    }
}

/// Writes what the pipe takes and closes it after the last byte, or when nobody reads.
fn feed(stdin: &mut Option<File>, input: &mut &[u8]) -> io::Result<()> {
    while let Some(pipe) = stdin {
        if input.is_empty() {
            *stdin = None;
            break;
        }
        match pipe.write(input) {
            Ok(count) => *input = &input[count..],
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock => break,
                io::ErrorKind::Interrupted => {}
                io::ErrorKind::BrokenPipe => *stdin = None,
                _ => return Err(error),
            },
        }
    }
    Ok(())
}

/// Reads what is there, up to a little more than it may be.
fn drain(stdout: &mut Option<File>, output: &mut Vec<u8>) -> io::Result<()> {
    let mut chunk = [0; 16 << 10];
    while let Some(pipe) = stdout {
        match pipe.read(&mut chunk) {
            Ok(0) => *stdout = None,
            Ok(count) => output.extend_from_slice(&chunk[..count]),
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock => break,
                io::ErrorKind::Interrupted => {}
                _ => return Err(error),
            },
        }
        if output.len() > OUTPUT_MAX {
            break;
        }
    }
    Ok(())
}
