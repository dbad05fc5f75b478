//! The world of a simulated server: its sockets are pipes of [`Net`], its clock is told the time, and while it
//! sleeps the [`Town`] around it goes on.

use std::cell::{RefCell, RefMut};
use std::fmt;
use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use lunette::config::Config;
use lunette::core::event::Turn;
use lunette::core::id::{SessionId, Timestamp};
use lunette::core::outside::{HostAnswer, HostCall, Outside, ProcessExit};
use lunette::server::log::Logger;
use lunette::server::outside::Machine;
use lunette::server::random::Random;
use lunette::server::signals::Asked;
use lunette::server::world::{Ready, World};
use mio::{Poll, Registry, Token};

use super::net::{Net, WireId};
use super::town::Town;

pub type Shared = Rc<RefCell<Town>>;

pub struct SimWorld {
    town: Shared,
    random: Random,
    /// Only for what the server registers beside its connections, which is nothing here.
    poll: Poll,
    /// When this process began: its clock counts from there.
    began: u64,
}

impl SimWorld {
    pub fn new(town: &Shared, seed: u64) -> SimWorld {
        let mut there = town.borrow_mut();
        there.net.listening = true;
        SimWorld {
            began: there.net.now,
            town: town.clone(),
            random: Random::seeded(seed),
            poll: Poll::new().expect("a poll"),
        }
    }

    fn net(&self) -> RefMut<'_, Net> {
        RefMut::map(self.town.borrow_mut(), |town| &mut town.net)
    }
}

/// What there is outside of the server: a list of what was done there.
struct SimOutside {
    town: Shared,
}

impl fmt::Debug for SimOutside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the town")
    }
}

impl Outside for SimOutside {
    fn call(&mut self, _: SessionId, call: &HostCall) -> HostAnswer {
        let done = match call {
            HostCall::Write { content, .. } => content,
            HostCall::Run { command, .. } => command,
            _ => return HostAnswer::Nothing,
        };
        let town = &mut *self.town.borrow_mut();
        let was_over = town.net.life.is_over();
        // If the process ends in the middle of it, it may be done or not, and nobody hears of it.
        let lives = town.net.life.write();
        if !was_over && (lives || town.net.dice.roll(2) == 0) {
            town.outside
                .push(String::from_utf8_lossy(done).into_owned());
        }
        match call {
            HostCall::Run { .. } => HostAnswer::Ran {
                output: Vec::new(),
                exit: ProcessExit {
                    code: Some(0),
                    ..ProcessExit::default()
                },
            },
            _ => HostAnswer::Done,
        }
    }
}

/// The server's end of a connection.
pub struct SimStream {
    town: Shared,
    wire: WireId,
}

impl SimStream {
    fn net(&self) -> RefMut<'_, Net> {
        RefMut::map(self.town.borrow_mut(), |town| &mut town.net)
    }
}

impl fmt::Debug for SimStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "wire {}", self.wire)
    }
}

impl Read for SimStream {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.net().read(self.wire, into)
    }
}

impl Write for SimStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.net().write(self.wire, bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for SimStream {
    fn drop(&mut self) {
        // After a panic the town may be busy; nobody looks at it any more.
        if let Ok(mut town) = self.town.try_borrow_mut() {
            town.net.close(self.wire);
        }
    }
}

impl World for SimWorld {
    type Stream = SimStream;

    fn wait(&mut self, timeout: Option<Duration>, ready: &mut Vec<Ready>) -> io::Result<()> {
        let ms = timeout.map(|timeout| timeout.as_millis() as u64);
        self.town.borrow_mut().pass(ms, ready);
        Ok(())
    }

    fn turn(&mut self) -> Turn {
        let now = self.now();
        let wall = self.net().wall();
        Turn { now, wall }
    }

    fn now(&self) -> Timestamp {
        self.net().now - self.began
    }

    fn accept(&mut self) -> io::Result<SimStream> {
        let wire = self.net().accept()?;
        let town = self.town.clone();
        Ok(SimStream { town, wire })
    }

    fn peer_address(&self, _: &SimStream) -> Option<IpAddr> {
        None
    }

    fn stop_listening(&mut self) {
        self.net().listening = false;
    }

    fn watch(&mut self, stream: &mut SimStream, token: Token) -> io::Result<()> {
        self.net().watch(stream.wire, token);
        Ok(())
    }

    fn watch_writable(&mut self, stream: &mut SimStream, _: Token, on: bool) -> io::Result<()> {
        self.net().watch_writable(stream.wire, on);
        Ok(())
    }

    fn shut(&mut self, stream: &mut SimStream) {
        self.net().shut(stream.wire);
    }

    /// There is but one kind here.
    fn take_signal(&mut self) -> Asked {
        Asked {
            stop: true,
            ..Asked::default()
        }
    }

    fn random(&mut self) -> &mut Random {
        &mut self.random
    }

    fn registry(&self) -> &Registry {
        self.poll.registry()
    }

    fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], 80))
    }

    fn outside(&self, _: Machine) -> Box<dyn Outside> {
        Box::new(SimOutside {
            town: self.town.clone(),
        })
    }

    fn log(&self, _: &Config) -> Logger {
        match self.net().traces() {
            true => Logger::new(1),
            false => Logger::silent(),
        }
    }
}
