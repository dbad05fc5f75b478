//! Whoever started the server, as systemd does it: told over a socket that it is ready, reloads, stops and is alive.
//! The poll loop wakes for the last only if that was asked for (`WATCHDOG_USEC`).

use std::ffi::OsString;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use rustix::time::{ClockId, clock_gettime};

use crate::core::id::Timestamp;

/// Signs of life in the time after which there is none.
const SIGNS: u64 = 2;
const US_PER_MS: u64 = 1_000;

/// See the module's description.
#[derive(Debug, Default)]
pub struct Supervisor {
    /// `None`: nobody wants to know.
    socket: Option<(UnixDatagram, SocketAddr)>,
    /// Time between signs of life.
    period_ms: Option<u64>,
    due: Timestamp,
}

impl Supervisor {
    /// The one that this environment names.
    pub fn of(variable: impl Fn(&str) -> Option<OsString>) -> Supervisor {
        let number = |name: &str| -> Option<u64> { variable(name)?.to_str()?.parse().ok() };
        let socket = variable("NOTIFY_SOCKET").and_then(|name| {
            let name = name.as_bytes();
            let address = match name.strip_prefix(b"@") {
                Some(name) => SocketAddr::from_abstract_name(name),
                None => SocketAddr::from_pathname(std::ffi::OsStr::from_bytes(name)),
            };
            let socket = UnixDatagram::unbound().ok()?;
            // A supervisor that does not read is no reason to stand still.
            socket.set_nonblocking(true).ok()?;
            Some((socket, address.ok()?))
        });
        let own = number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(std::process::id()));
        let period = number("WATCHDOG_USEC").filter(|_| own && socket.is_some());
        Supervisor {
            socket,
            period_ms: period.map(|us| (us / US_PER_MS / SIGNS).max(1)),
            due: 0,
        }
    }

    /// The server listens.
    pub fn ready(&self, text: &str) {
        self.tell(&format!("READY=1\nSTATUS={text}"));
    }

    /// It reads its settings again; [`Supervisor::ready`] follows.
    pub fn reloading(&self) {
        let now = clock_gettime(ClockId::Monotonic);
        let us = now.tv_sec * 1_000_000 + now.tv_nsec / 1_000;
        self.tell(&format!("RELOADING=1\nMONOTONIC_USEC={us}"));
    }

    /// It was told to stop.
    pub fn stopping(&self) {
        self.tell("STOPPING=1\nSTATUS=closing connections");
    }

    /// When to give the next sign of life, if any are wanted.
    pub fn due(&self) -> Option<Timestamp> {
        self.period_ms.map(|_| self.due)
    }

    /// Gives one if it is time to.
    pub fn live(&mut self, now: Timestamp) {
        if let Some(period) = self.period_ms.filter(|_| now >= self.due) {
            self.due = now + period;
            self.tell("WATCHDOG=1");
        }
    }

    fn tell(&self, text: &str) {
        if let Some((socket, address)) = &self.socket {
            // One that has gone away wants to know nothing.
            let _ = socket.send_to_addr(text.as_bytes(), address);
        }
    }
}
