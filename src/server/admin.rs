//! Admin: where those who run the server ask it. The socket `admin.sock` in the state directory is for its owner
//! only and answers everything; an address of `--admin-listen` answers `/healthz` and `/metrics`, since whoever is
//! on this machine can ask there, and shows the variables of a session to who knows its id, which only the socket tells. Connections are read in the poll loop like all others, and few: a server that
//! nobody asks does not wake for them.

use std::fs::Permissions;
use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use mio::event::Source;
use mio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use mio::{Interest, Registry, Token};
use rustix::fs::Mode;
use slab::Slab;

use super::Server;
use super::guard::Guard;
use super::world::World;
use crate::core::event::Turn;
use crate::core::id::Timestamp;
use crate::core::script::Runtime;
use crate::net::connection::{Action, Connection};
use crate::net::http::Request;
use crate::net::limits::NetLimits;
use crate::net::response::Response;

/// The socket's name in a state directory.
pub const SOCKET: &str = "admin.sock";
/// Tokens from here on, up to those of processes, are admin's: two listeners, then connections.
pub const FIRST_TOKEN: usize = 1 << (usize::BITS - 3);
const SOCKET_TOKEN: Token = Token(FIRST_TOKEN);
const ADDRESS_TOKEN: Token = Token(FIRST_TOKEN + 1);
const FIRST_PEER: usize = FIRST_TOKEN + 2;
/// Connections at once by either way: a scraper, a health check; some commands.
const PEERS_MAX: usize = 16;
/// Bytes of what a command sends.
const BODY_MAX: u64 = 1 << 20;
const READ_BYTES: usize = 16 << 10;

/// Those of the network, for people who may put to any address.
fn limits() -> NetLimits {
    NetLimits {
        puts: true,
        ..NetLimits::default()
    }
}

trait Stream: Read + Write + Source {}
impl Stream for TcpStream {}
impl Stream for UnixStream {}

/// A connection.
struct Asker {
    stream: Box<dyn Stream>,
    connection: Connection,
    /// By the socket, which only the server's owner can open.
    trusted: bool,
    readable: bool,
    /// A request whose body is coming, and what came of it.
    coming: Option<(Box<Request>, Vec<u8>)>,
}

/// See the module's description.
#[derive(Default)]
pub struct Admin {
    socket: Option<(UnixListener, PathBuf)>,
    address: Option<TcpListener>,
    askers: Slab<Asker>,
    /// Names of this machine only.
    guard: Guard,
    /// The poll has told of connections that wait.
    come: bool,
}

impl Admin {
    /// Opens the socket in this state directory, which no other server uses.
    ///
    /// # Errors
    /// When it cannot be made there.
    pub fn open_socket(&mut self, dir: &Path, registry: &Registry) -> io::Result<()> {
        let path = dir.join(SOCKET);
        match std::fs::remove_file(&path) {
            // A server that was killed has left it.
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        // There is no moment in which others could open it.
        let before = rustix::process::umask(Mode::from_raw_mode(0o177));
        let bound = UnixListener::bind(&path);
        rustix::process::umask(before);
        let mut listener = bound?;
        std::fs::set_permissions(&path, Permissions::from_mode(0o600))?;
        registry.register(&mut listener, SOCKET_TOKEN, Interest::READABLE)?;
        self.socket = Some((listener, path));
        Ok(())
    }

    /// Listens at this address, which is of this machine only.
    ///
    /// # Errors
    /// When it cannot be had.
    pub fn listen(&mut self, address: SocketAddr, registry: &Registry) -> io::Result<()> {
        let mut listener = TcpListener::bind(address)?;
        registry.register(&mut listener, ADDRESS_TOKEN, Interest::READABLE)?;
        self.address = Some(listener);
        Ok(())
    }

    /// Where it listens.
    pub fn address(&self) -> Option<SocketAddr> {
        self.address.as_ref()?.local_addr().ok()
    }

    /// The poll has something for one of the tokens from [`FIRST_TOKEN`] on.
    pub fn wake(&mut self, token: Token) {
        match token.0.checked_sub(FIRST_PEER) {
            None => self.come = true,
            Some(key) => {
                if let Some(asker) = self.askers.get_mut(key) {
                    asker.readable = true;
                }
            }
        }
    }

    /// When a connection has taken too long.
    pub fn next_due(&self) -> Option<Timestamp> {
        let due = self
            .askers
            .iter()
            .map(|(_, asker)| asker.connection.deadline());
        due.min()
    }

    /// Nobody is answered any more.
    pub fn close(&mut self) {
        if let Some((_, path)) = self.socket.take() {
            // Another server may have begun to use the directory: it makes its own.
            let _ = std::fs::remove_file(path);
        }
        *self = Admin::default();
    }

    fn accept(&mut self, registry: &Registry, now: Timestamp) {
        if !std::mem::take(&mut self.come) {
            return;
        }
        loop {
            let next = match (&self.socket, &self.address) {
                (Some((listener, _)), _) if let Ok((stream, _)) = listener.accept() => {
                    (Box::new(stream) as Box<dyn Stream>, true)
                }
                (_, Some(listener)) if let Ok((stream, _)) = listener.accept() => {
                    (Box::new(stream) as Box<dyn Stream>, false)
                }
                _ => return,
            };
            let (mut stream, trusted) = next;
            let here = self.askers.iter().filter(|(_, a)| a.trusted == trusted);
            if here.count() >= PEERS_MAX {
                continue;
            }
            let entry = self.askers.vacant_entry();
            let token = Token(FIRST_PEER + entry.key());
            let both = Interest::READABLE | Interest::WRITABLE;
            if registry.register(&mut stream, token, both).is_ok() {
                entry.insert(Asker {
                    stream,
                    connection: Connection::new(&limits(), now),
                    trusted,
                    readable: true,
                    coming: None,
                });
            }
        }
    }
}

impl Asker {
    /// Takes what is there; a request that is whole comes out.
    fn take(&mut self, limits: &NetLimits, turn: Turn) -> Option<(Box<Request>, Vec<u8>)> {
        loop {
            while let Some(action) = self.connection.next(limits, turn) {
                match action {
                    Action::Request(request) => match request.body_bytes() {
                        0 => return Some((request, Vec::new())),
                        size if size <= BODY_MAX => {
                            self.connection.accept_body(false, limits, turn.now);
                            self.coming = Some((request, Vec::new()));
                        }
                        _ => {
                            let response = Response::error_text(413, "that is too long");
                            self.connection
                                .respond(Some(&request), response, limits, turn);
                        }
                    },
                    Action::Body { data, last } => {
                        if let Some((_, body)) = &mut self.coming {
                            body.extend_from_slice(&data);
                        }
                        if last {
                            return self.coming.take();
                        }
                    }
                    Action::Alive | Action::Text(_) | Action::Refused(_) | Action::Left { .. } => {}
                }
            }
            if !self.readable || !self.connection.wants_input() {
                return None;
            }
            let mut buffer = [0; READ_BYTES];
            match self.stream.read(&mut buffer) {
                Ok(0) => {
                    self.readable = false;
                    self.connection.receive_end();
                }
                Ok(count) => self.connection.receive(&buffer[..count], limits, turn.now),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    self.readable = false;
                    if error.kind() != ErrorKind::WouldBlock {
                        self.connection.abort();
                    }
                }
            }
        }
    }

    /// Sends what the socket takes. Returns whether the connection is over.
    fn send(&mut self, limits: &NetLimits, now: Timestamp) -> bool {
        loop {
            let pending = self.connection.pending();
            if pending.is_empty() {
                break;
            }
            match self.stream.write(pending) {
                Ok(count) => self.connection.sent(count, limits, now),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    if error.kind() != ErrorKind::WouldBlock {
                        self.connection.abort();
                    }
                    break;
                }
            }
        }
        // Whoever has asked is told that nothing follows by the end of the connection itself.
        self.connection.take_shutdown() || self.connection.is_finished()
    }
}

impl<R: Runtime + Clone, W: World> Server<R, W> {
    /// Answers those who ask; they hear of it when what they did is written down.
    pub(super) fn serve_admin(&mut self) {
        let turn = self.turn;
        self.admin.accept(self.world.registry(), turn.now);
        let limits = limits();
        let keys: Vec<usize> = self.admin.askers.iter().map(|(key, _)| key).collect();
        for key in keys {
            let asker = &mut self.admin.askers[key];
            if asker.connection.deadline() <= turn.now {
                let _ = asker.connection.handle_timeout(&limits, turn);
            }
            while let Some((request, body)) = self.admin.askers[key].take(&limits, turn) {
                let trusted = self.admin.askers[key].trusted;
                let response = match trusted || self.admin.guard.allows_host(request.host()) {
                    true => self.answer_admin(&request, &body, trusted),
                    false => Response::error_text(421, "ask by the address that it listens on"),
                };
                let response = response.close(true);
                let connection = &mut self.admin.askers[key].connection;
                connection.respond(Some(&request), response, &limits, turn);
            }
        }
    }

    /// Sends what those who asked are answered.
    pub(super) fn write_admin(&mut self) {
        let now = self.turn.now;
        let limits = limits();
        self.admin
            .askers
            .retain(|_, asker| !asker.send(&limits, now));
    }
}
