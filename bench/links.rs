//! The scenario `link`: what it costs that a view outlives its connection. The same actions on the same server, once
//! over a link (numbered, acknowledged, kept until acknowledged) and once as base clients send them, by turns.

use std::io::{self, Error};
use std::net::SocketAddr;

use serde_json::Value;

use crate::Scale;
use crate::client::{Socket, new_session};
use crate::process::Server;
use crate::report::Better::{Less, More};
use crate::report::{Figure, Report, median};
use crate::scenarios::{ACTION, OPEN_COUNTER, acting, action};
use crate::subject::Subject;

/// A view of the counter site over a link.
pub struct Linked {
    session: String,
    socket: Socket,
    /// What the server calls it.
    view: String,
    sent: u64,
    received: u64,
    /// The check of all that was received.
    check: u32,
}

impl Linked {
    pub fn open(address: SocketAddr) -> io::Result<Linked> {
        let session = new_session(address)?;
        let (socket, greeting) = connect(address, &session)?;
        let mut linked = Linked {
            session,
            socket,
            view: greeting["view"].to_string(),
            sent: 0,
            received: 0,
            check: 0,
        };
        linked.say(OPEN_COUNTER)?;
        linked.say(ACTION)?;
        Ok(linked)
    }

    /// Sends a frame and waits for the one that answers it.
    pub fn say(&mut self, frame: &str) -> io::Result<()> {
        self.sent += 1;
        self.socket
            .send(&format!("{} {} {frame}", self.sent, self.received))?;
        let acknowledged = format!("{} {} ", self.received + 1, self.sent);
        let told = loop {
            if let Some(told) = self.socket.receive()?.strip_prefix(&acknowledged) {
                break told;
            }
        };
        self.check = crc32c::crc32c_append(self.check, told.as_bytes());
        self.received += 1;
        Ok(())
    }

    /// Goes on with the view at the server of this address.
    pub fn resume(&mut self, address: SocketAddr) -> io::Result<()> {
        let Linked {
            session,
            view,
            received,
            check,
            ..
        } = self;
        let place = format!("{session}?view={view}&received={received}&check={check}");
        let (socket, greeting) = connect(address, &place)?;
        if greeting["resumed"] != true {
            return Err(Error::other(format!("not resumed: {greeting}")));
        }
        self.socket = socket;
        Ok(())
    }
}

/// A connection and the server's greeting on it.
fn connect(address: SocketAddr, place: &str) -> io::Result<(Socket, Value)> {
    let mut socket = Socket::open(address, place, "Sec-WebSocket-Protocol: lunette.1\r\n")?
        .map_err(|response| Error::other(format!("refused: {}", response.status)))?;
    let greeting = serde_json::from_str(socket.receive()?)?;
    Ok((socket, greeting))
}

pub fn link(subject: &Subject, scale: &Scale, report: &mut Report) -> io::Result<()> {
    let server = subject.site("counter", &[])?;
    let mut linked = Linked::open(server.address)?;
    let mut base = acting(server.address)?;
    let (mut over_link, mut as_base, mut bytes) = (Vec::new(), Vec::new(), 0);
    for _ in 0..2 * scale.rounds {
        let before = linked.socket.text_bytes;
        over_link.push(per_cpu_second(&server, scale, || linked.say(ACTION))?);
        bytes += linked.socket.text_bytes - before;
        as_base.push(per_cpu_second(&server, scale, || action(&mut base))?);
    }
    report.server_cpu(server.cpu()?.as_secs_f64());
    let name = "actions over a link per server CPU second; floor: base clients";
    let figure = Figure::new(name, "1/s", More, median(&mut over_link));
    report.add(figure.floor(median(&mut as_base)));
    let each = bytes as f64 / (2 * scale.rounds * scale.round_trips) as f64;
    report.add(Figure::new("... bytes that come for each", "B", Less, each).target(100.0));
    Ok(())
}

fn per_cpu_second(
    server: &Server,
    scale: &Scale,
    mut act: impl FnMut() -> io::Result<()>,
) -> io::Result<f64> {
    let cpu = server.cpu()?;
    for _ in 0..scale.round_trips {
        act()?;
    }
    Ok(scale.round_trips as f64 / (server.cpu()? - cpu).as_secs_f64())
}
