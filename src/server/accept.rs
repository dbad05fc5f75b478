//! New connections, and what to do when there are too many.

use std::io::{self, Read, Write};
use std::net::IpAddr;

use mio::Token;

use super::Server;
use super::origin::Origin;
use super::peers::Peer;
use super::tls::Channel;
use super::world::{FIRST_PEER, World};
use crate::core::id::Timestamp;
use crate::core::script::Runtime;
use crate::net::connection::Connection;
use crate::net::response::Response;

/// Connections accepted in a turn; the rest wait until those that are here had theirs.
const ACCEPTED_PER_TURN: usize = 64;
/// Connections past the limit that are told so and may take their time to hear it; more are told and closed.
const REFUSED_AT_ONCE: usize = 64;
/// Descriptors may become free without any sign of it here.
const RETRY_MS: u64 = 200;
/// Descriptors that connections leave to journals, files and processes, or a third if there are few: else whoever
/// opens connections could keep the sessions of others from being written down, or woken.
const KEPT_DESCRIPTORS: usize = 128;

/// Whether accepting has to go on without the poll's asking: it tells of new connections only
/// once, whether or not they could be taken.
#[derive(Debug, Default)]
pub struct Accepting {
    /// For how many connections there are descriptors. `None`: nobody counted them.
    room: Option<usize>,
    more: bool,
    retry_at: Option<Timestamp>,
    /// Descriptors ran out, and not all that waited have been taken since.
    exhausted: bool,
}

impl Accepting {
    /// Connections may use what is left of these descriptors, but for some.
    pub fn share(&mut self, left: usize) {
        self.room = Some(left - KEPT_DESCRIPTORS.min(left / 3));
    }

    /// All that waited are here.
    fn done(&mut self) {
        *self = Accepting {
            room: self.room,
            ..Accepting::default()
        };
    }

    /// Connections may wait that there was no time for.
    pub fn goes_on(&self) -> bool {
        self.more
    }

    /// When to try again after descriptors had run out.
    pub fn retry_at(&self) -> Option<Timestamp> {
        self.retry_at
    }

    /// A descriptor has become free.
    pub fn descriptor_freed(&mut self) {
        if self.retry_at.take().is_some() {
            self.more = true;
        }
    }
}

impl<R: Runtime + Clone, W: World> Server<R, W> {
    /// Takes connections that wait. `told`: the poll says there are some.
    pub(super) fn accept(&mut self, told: bool) {
        let retry = self
            .accepting
            .retry_at
            .is_some_and(|at| at <= self.turn.now);
        if !(told || retry || self.accepting.more) {
            return;
        }
        self.accepting.more = true;
        self.accepting.retry_at = None;
        for _ in 0..ACCEPTED_PER_TURN {
            let accepted = match self.accepting.room {
                Some(room) if self.peers.len() >= room => {
                    Err(io::Error::from_raw_os_error(libc::EMFILE))
                }
                _ => self.world.accept(),
            };
            match accepted {
                Ok(stream) => self.welcome(stream),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return self.accepting.done();
                }
                Err(error) if is_exhaustion(&error) => {
                    self.accepting.more = false;
                    self.accepting.retry_at = Some(self.turn.now + RETRY_MS);
                    // Told once, not with every retry.
                    if !std::mem::replace(&mut self.accepting.exhausted, true) {
                        self.log.line(
                            0,
                            format_args!(
                                "cannot take more connections for now: {error}. Raise the limit \
                                 (ulimit -n) if this happens often"
                            ),
                        );
                    }
                    return;
                }
                // That one connection was gone already.
                Err(_) => {}
            }
        }
    }

    fn welcome(&mut self, mut stream: W::Stream) {
        let count = self.peers.len();
        self.counters.accepted += 1;
        if count >= self.limits.connections + REFUSED_AT_ONCE {
            self.counters.refused += 1;
            return self.turn_away(&mut stream);
        }
        let address = self.world.peer_address(&stream);
        let share = address.and_then(|at| self.share_of(at));
        if let (Some(share), Some(at)) = (share, address)
            && self.is_crowded(share)
        {
            self.counters.refused += 1;
            self.tell_crowded(at);
            return self.turn_away(&mut stream);
        }
        let tls = match self.certificate.as_ref().map(Channel::new).transpose() {
            Ok(tls) => tls,
            Err(error) => return self.log.line(0, format_args!("{error}")),
        };
        let entry = self.peers.vacant_entry();
        let key = entry.key();
        let token = Token(key + FIRST_PEER);
        if let Err(error) = self.world.watch(&mut stream, token) {
            self.log
                .line(0, format_args!("cannot watch a connection: {error}"));
            return;
        }
        let mut connection = Connection::new(&self.limits, self.turn.now);
        if count >= self.limits.connections {
            self.counters.refused += 1;
            connection.respond(None, sorry(), &self.limits, self.turn);
            self.log
                .line(1, format_args!("refused a connection: there are {count}"));
        }
        let peer = entry.insert(Peer::new(stream, connection, tls));
        (peer.address, peer.origin, peer.share) = (address, address, share);
        peer.touch(key, &mut self.touched);
        if let Some(share) = share {
            self.crowd.take(share);
        }
    }

    /// Whose share of all connections one from this address takes. This machine's own are nobody's: it may be a proxy,
    /// and whoever is here needs no connections to do harm.
    fn share_of(&self, address: IpAddr) -> Option<Origin> {
        let is_somebody = !address.to_canonical().is_loopback() && !self.door.trusts(address);
        is_somebody.then(|| Origin::of(address))
    }

    fn is_crowded(&self, share: Origin) -> bool {
        let most = self.limits.connections_per_address;
        most > 0 && self.crowd.of(share) >= most
    }

    fn tell_crowded(&mut self, at: IpAddr) {
        let most = self.limits.connections_per_address;
        let line = format_args!(
            "refused a connection: {at} has {most}; a proxy is to be named in trusted_proxies, \
             else see connections_per_address of [net]"
        );
        self.complain(Some(at), line);
    }

    /// A connection of a trusted proxy becomes a page's: from then on it counts where the page is. Returns whether
    /// there was room.
    pub(super) fn takes_share(&mut self, key: usize) -> bool {
        let peer = &self.peers[key];
        let Some(at) = peer.origin.filter(|_| peer.share.is_none()) else {
            return true;
        };
        let Some(share) = self.share_of(at) else {
            return true;
        };
        if self.is_crowded(share) {
            self.tell_crowded(at);
            return false;
        }
        self.crowd.take(share);
        self.peers[key].share = Some(share);
        true
    }

    /// A new socket has room for one answer. What the peer has said is read first: unread, it would make the
    /// system discard the answer. Where TLS is spoken it could not be told without an agreement.
    fn turn_away(&mut self, stream: &mut W::Stream) {
        if self.certificate.is_some() {
            return;
        }
        let _ = stream.read(&mut self.scratch);
        let mut answer = Vec::new();
        sorry().write(None, self.turn.wall, &mut answer);
        let _ = stream.write(&answer);
    }
}

fn sorry() -> Response {
    let response = Response::error_text(503, "too many connections; try again later");
    response.field("Retry-After", "5")
}

/// Whether the machine has run out of something that comes back.
pub(super) fn is_exhaustion(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM)
    )
}
