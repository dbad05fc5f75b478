//! A syslog daemon on this machine, told over its datagram socket as the C library's `syslog` does it (RFC 3164), but
//! without ever waiting for it: what it does not take is the caller's to tell elsewhere.

use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

use super::system;

/// How bad it is: RFC 3164, section 4.1.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    Error = 3,
    Notice = 5,
    Info = 6,
    Debug = 7,
}

/// Facility 3, system daemons, where its number stands.
const DAEMON: u8 = 3 << 3;

/// What daemons take of one message without cutting it, as they come: more goes on in a further one.
const MESSAGE_MAX: usize = 8 << 10;

/// See the module's description.
#[derive(Debug)]
pub struct Syslog {
    /// Not connected: a daemon that is started anew has another socket at the same place.
    socket: UnixDatagram,
    path: PathBuf,
}

impl Syslog {
    /// The daemon that listens at this path, or will.
    ///
    /// # Errors
    /// When the system has no socket to spare.
    pub fn at(path: &Path) -> io::Result<Syslog> {
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        Ok(Syslog {
            socket,
            path: path.to_owned(),
        })
    }

    /// Tells all lines of `text`. Returns those that nobody took.
    pub fn tell<'a>(&self, severity: Severity, text: &'a str) -> &'a str {
        let priority = DAEMON | severity as u8;
        let (stamp, pid) = (system::local_stamp(), std::process::id());
        let mut rest = text;
        while !rest.is_empty() {
            let (piece, after) = first_piece(rest);
            let message = format!("<{priority}>{stamp} lunette[{pid}]: {piece}");
            if self.socket.send_to(message.as_bytes(), &self.path).is_err() {
                break;
            }
            rest = after;
        }
        rest
    }
}

/// The first line, or as much of it as fits into a message, and what follows.
fn first_piece(text: &str) -> (&str, &str) {
    let line = text.find('\n').unwrap_or(text.len());
    if line <= MESSAGE_MAX {
        let after = text.get(line + 1..).unwrap_or_default();
        return (&text[..line], after);
    }
    let is_boundary = |at: &usize| text.is_char_boundary(*at);
    text.split_at((0..=MESSAGE_MAX).rev().find(is_boundary).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_a_line_or_a_part_of_one() {
        assert_eq!(first_piece("a\nb\n"), ("a", "b\n"));
        assert_eq!(first_piece("b\n"), ("b", ""));
        assert_eq!(first_piece("b"), ("b", ""));
        let long = "\u{e4}".repeat(MESSAGE_MAX);
        let (piece, rest) = first_piece(&long);
        assert!(piece.len() <= MESSAGE_MAX && piece.len() + rest.len() == long.len());
        let odd = format!("x{long}");
        assert_eq!(first_piece(&odd).0.len(), MESSAGE_MAX - 1);
    }
}
