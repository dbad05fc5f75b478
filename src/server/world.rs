//! World: what a server needs of the machine it runs on: sockets, time and randomness.
//!
//! The server itself is the same in a [`Live`] world of real sockets and clocks and in a made-up one,
//! where tests decide what time it is, which bytes arrive and when a connection breaks. Files of the
//! state directory are behind a trait of their own, `journal::Disk`.

use std::io::{self, Read, Write};
use std::net::TcpListener as StdListener;
use std::net::{IpAddr, Shutdown, SocketAddr, ToSocketAddrs};
use std::time::Duration;

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Registry, Token};

use super::clock::Clock;
use super::log::Logger;
use super::outside::Machine;
use super::random::Random;
use super::signals::{Asked, Signals};
use crate::config::Config;
use crate::core::event::Turn;
use crate::core::id::Timestamp;
use crate::core::outside::Outside;

/// New connections wait.
pub const LISTENER: Token = Token(0);
/// A signal asks the server to stop.
pub const SIGNALS: Token = Token(1);
/// Something was edited in the site.
pub const EDITS: Token = Token(2);
/// A peer's token is its place plus this.
pub const FIRST_PEER: usize = 3;

/// Connections that may wait to be taken, as far as the system allows: all pages of a server that was started
/// again come back in the same second, and one that finds no place tries again only after a second or three.
const BACKLOG: i32 = 1024;
/// Socket events taken at a time.
const EVENTS: usize = 256;

/// What has something for the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ready {
    pub token: Token,
    pub readable: bool,
    /// The peer has shut its side, or the connection is broken. Also `readable`.
    pub ended: bool,
    pub writable: bool,
}

/// See the module's description.
pub trait World {
    /// A connection. Reads and writes never wait (`WouldBlock`).
    type Stream: Read + Write;

    /// Waits until something is ready or so much time has passed, and puts what is ready into `ready`.
    ///
    /// # Errors
    /// When the poll itself fails.
    fn wait(&mut self, timeout: Option<Duration>, ready: &mut Vec<Ready>) -> io::Result<()>;

    /// The time of the turn that begins now. Its `now` counts from the start of this process.
    fn turn(&mut self) -> Turn;

    /// `now` of the present moment: a turn's time is too old for that by what the turn took.
    fn now(&self) -> Timestamp;

    /// Takes a connection that waits.
    ///
    /// # Errors
    /// `WouldBlock`: none does.
    fn accept(&mut self) -> io::Result<Self::Stream>;

    /// Where the other end of a connection is; `None`: on no network.
    fn peer_address(&self, stream: &Self::Stream) -> Option<IpAddr>;

    /// Takes no connections any more.
    fn stop_listening(&mut self);

    /// Tells of this connection under this token from now on.
    ///
    /// # Errors
    /// When the system has no room for that.
    fn watch(&mut self, stream: &mut Self::Stream, token: Token) -> io::Result<()>;

    /// Whether to tell, too, when the connection takes more.
    ///
    /// # Errors
    /// When the system refuses.
    fn watch_writable(
        &mut self,
        stream: &mut Self::Stream,
        token: Token,
        on: bool,
    ) -> io::Result<()>;

    /// Nothing more will be written to this connection.
    fn shut(&mut self, stream: &mut Self::Stream);

    /// Takes what signals left behind.
    fn take_signal(&mut self) -> Asked;

    /// Microseconds of an arbitrary clock, to measure by; nothing depends on it.
    fn micros(&self) -> u64 {
        self.now() * 1_000
    }

    fn random(&mut self) -> &mut Random;

    /// Where descriptors of processes and of the watch for edits are registered.
    fn registry(&self) -> &Registry;

    /// Where it listens.
    fn address(&self) -> SocketAddr;

    /// Who answers what scripts ask of the machine: it, unless the world is a made-up one.
    fn outside(&self, machine: Machine) -> Box<dyn Outside> {
        Box::new(machine)
    }

    /// Where lines go for those who run the server.
    fn log(&self, config: &Config) -> Logger {
        Logger::of(config)
    }
}

/// Sockets, clocks and randomness of the operating system.
#[derive(Debug)]
pub struct Live {
    poll: Poll,
    events: Events,
    clock: Clock,
    random: Random,
    listener: Option<TcpListener>,
    address: SocketAddr,
    signals: Signals,
}

/// Why there is no world to live in.
#[derive(Debug)]
pub enum NoWorld {
    /// The address cannot be had.
    Bind(io::Error),
    System(io::Error),
}

impl From<io::Error> for NoWorld {
    fn from(error: io::Error) -> NoWorld {
        NoWorld::System(error)
    }
}

impl Live {
    /// Listens at this address; port 0: any free one. A socket that was `passed` on listens already.
    ///
    /// # Errors
    /// When the address cannot be had, or the system lacks what is needed.
    pub fn listen(host: &str, port: u16, passed: Option<StdListener>) -> Result<Live, NoWorld> {
        let poll = Poll::new()?;
        let mut listener = match passed {
            Some(listener) => {
                listener.set_nonblocking(true)?;
                TcpListener::from_std(listener)
            }
            None => listen(host, port).map_err(NoWorld::Bind)?,
        };
        let mut signals = Signals::listen()?;
        let registry = poll.registry();
        registry.register(&mut listener, LISTENER, Interest::READABLE)?;
        registry.register(&mut signals.stream, SIGNALS, Interest::READABLE)?;
        Ok(Live {
            poll,
            events: Events::with_capacity(EVENTS),
            clock: Clock::new(),
            random: Random::default(),
            address: listener.local_addr()?,
            listener: Some(listener),
            signals,
        })
    }
}

fn listen(host: &str, port: u16) -> io::Result<TcpListener> {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in (bare, port).to_socket_addrs()? {
        match TcpListener::bind(address) {
            Ok(listener) => {
                rustix::net::listen(&listener, BACKLOG)?;
                return Ok(listener);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

impl World for Live {
    type Stream = TcpStream;

    fn wait(&mut self, timeout: Option<Duration>, ready: &mut Vec<Ready>) -> io::Result<()> {
        match self.poll.poll(&mut self.events, timeout) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
            Ok(()) | Err(_) => {}
        }
        ready.extend(self.events.iter().map(|event| {
            let ended = event.is_read_closed() || event.is_error();
            Ready {
                token: event.token(),
                readable: event.is_readable() || ended,
                ended,
                writable: event.is_writable(),
            }
        }));
        Ok(())
    }

    fn turn(&mut self) -> Turn {
        self.clock.turn()
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn accept(&mut self) -> io::Result<TcpStream> {
        let Some(listener) = &self.listener else {
            return Err(io::ErrorKind::WouldBlock.into());
        };
        let (stream, _) = listener.accept()?;
        // Without this, an update waits for the acknowledgement of the one before.
        let _ = stream.set_nodelay(true);
        Ok(stream)
    }

    fn peer_address(&self, stream: &TcpStream) -> Option<IpAddr> {
        // A socket for both versions tells addresses of 4 as such of 6.
        Some(stream.peer_addr().ok()?.ip().to_canonical())
    }

    fn stop_listening(&mut self) {
        self.listener = None;
    }

    fn watch(&mut self, stream: &mut TcpStream, token: Token) -> io::Result<()> {
        let registry = self.poll.registry();
        registry.register(stream, token, Interest::READABLE)
    }

    fn watch_writable(&mut self, stream: &mut TcpStream, token: Token, on: bool) -> io::Result<()> {
        let interest = match on {
            true => Interest::READABLE | Interest::WRITABLE,
            false => Interest::READABLE,
        };
        self.poll.registry().reregister(stream, token, interest)
    }

    fn shut(&mut self, stream: &mut TcpStream) {
        let _ = stream.shutdown(Shutdown::Write);
    }

    fn take_signal(&mut self) -> Asked {
        self.signals.take()
    }

    fn micros(&self) -> u64 {
        self.clock.micros()
    }

    fn random(&mut self) -> &mut Random {
        &mut self.random
    }

    fn registry(&self) -> &Registry {
        self.poll.registry()
    }

    fn address(&self) -> SocketAddr {
        self.address
    }
}
