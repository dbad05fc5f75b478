//! The scenario `tls`: what it costs that the server itself speaks TLS. The same server without is the floor, in the same
//! run, by turns.

use std::io::{self, Error, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rustls::ClientConfig;
use rustls::client::Resumption;
use rustls::version::TLS13;

use crate::Scale;
use crate::client::wire::{self, Wire};
use crate::client::{Http, Socket};
use crate::process::Server;
use crate::report::Better::{Less, More};
use crate::report::{Figure, Report, median};
use crate::scenarios::{
    ACTING_SESSIONS, COUNT_ARRIVED, OPEN_COUNTER, action, closed_loop, pipelined, receive_until,
};
use crate::subject::Subject;

/// How a client connects.
type Connect<'a> = &'a dyn Fn(SocketAddr) -> io::Result<Wire>;

pub fn tls(subject: &Subject, scale: &Scale, report: &mut Report) -> io::Result<()> {
    let client = wire::client(&[&TLS13]);
    let mut stranger = client.clone();
    Arc::make_mut(&mut stranger).resumption = Resumption::disabled();
    let plain: Connect<'_> = &|address| Wire::open(address);
    let full: Connect<'_> = &|address| Wire::tls(address, &stranger);
    let again: Connect<'_> = &|address| Wire::tls(address, &client);
    let ways = [plain, full, again];
    let servers = [serve(subject, false)?, serve(subject, true)?];
    let of = |way: usize| &servers[way.min(1)];

    let mut connecting: [Vec<f64>; 3] = Default::default();
    for _ in 0..scale.rounds {
        for (way, connect) in ways.iter().enumerate() {
            connecting[way].push(connection_us(of(way), connect, scale)?);
        }
    }
    let [floor, full_us, again_us] = connecting.map(|mut samples| median(&mut samples));
    let figure = Figure::new("CPU of a connection with one request", "us", Less, full_us);
    report.add(figure.floor(floor));
    let figure = Figure::new("... of somebody who was here before", "us", Less, again_us);
    report.add(figure.floor(floor));

    let floor = open_kib(of(0), plain, scale)?;
    let open = open_kib(of(1), full, scale)?;
    let figure = Figure::new("RSS of an open connection", "KiB", Less, open);
    report.add(figure.floor(floor));
    let figure = Figure::new("... in the middle of the agreement", "KiB", Less, {
        half_kib(&serve(subject, true)?, &client, scale)?
    });
    report.add(figure);
    acting(subject, scale, [plain, full], report)?;
    for server in &servers {
        report.server_cpu(server.cpu()?.as_secs_f64());
    }
    Ok(())
}

fn serve(subject: &Subject, is_secure: bool) -> io::Result<Server> {
    let (cert, key) = (wire::certificate("first"), wire::key("first"));
    let (cert, key) = (cert.to_string_lossy(), key.to_string_lossy());
    match is_secure {
        true => subject.site("counter", &["--tls-cert", &cert, "--tls-key", &key]),
        false => subject.site("counter", &[]),
    }
}

/// Connects, asks for next to nothing, and leaves.
fn connection_us(server: &Server, connect: Connect<'_>, scale: &Scale) -> io::Result<f64> {
    let once = || -> io::Result<()> {
        let mut http = Http::over(connect(server.address)?, server.address);
        http.request("HEAD", "/", "").map(drop)
    };
    once()?;
    let cpu = server.cpu()?;
    for _ in 0..scale.new_sessions {
        once()?;
    }
    let used = (server.cpu()? - cpu).as_secs_f64();
    Ok(used * 1e6 / scale.new_sessions as f64)
}

/// What connections take that have had their first answer.
fn open_kib(server: &Server, connect: Connect<'_>, scale: &Scale) -> io::Result<f64> {
    grown(server, scale, || {
        let mut http = Http::over(connect(server.address)?, server.address);
        http.request("HEAD", "/", "")?;
        Ok(http)
    })
}

/// What connections take whose first word is not complete.
fn half_kib(server: &Server, client: &Arc<ClientConfig>, scale: &Scale) -> io::Result<f64> {
    let mut hello = Vec::new();
    let name = wire::NAME.try_into().map_err(Error::other)?;
    rustls::ClientConnection::new(client.clone(), name)
        .map_err(Error::other)?
        .write_tls(&mut hello)?;
    grown(server, scale, || {
        let mut stream = TcpStream::connect(server.address)?;
        stream.write_all(&hello[..hello.len() - 1])?;
        Ok(stream)
    })
}

fn grown<T>(
    server: &Server,
    scale: &Scale,
    mut open: impl FnMut() -> io::Result<T>,
) -> io::Result<f64> {
    let _first = open()?;
    thread::sleep(Duration::from_millis(200));
    let before = server.rss_kib()?;
    let all = (0..scale.attached_sessions).map(|_| open());
    let _all = all.collect::<io::Result<Vec<T>>>()?;
    thread::sleep(Duration::from_millis(500));
    let growth = server.rss_kib()?.saturating_sub(before);
    Ok(growth as f64 / scale.attached_sessions as f64)
}

/// Actions over both, by turns.
fn acting(
    subject: &Subject,
    scale: &Scale,
    ways: [Connect<'_>; 2],
    report: &mut Report,
) -> io::Result<()> {
    let mut many: [Vec<f64>; 2] = Default::default();
    let mut alone: [Vec<f64>; 2] = Default::default();
    let mut woken = 0;
    for _ in 0..scale.rounds {
        for (way, connect) in ways.iter().enumerate() {
            let server = serve(subject, way == 1)?;
            let sockets = (0..ACTING_SESSIONS).map(|_| page(&server, connect));
            let mut sockets = sockets.collect::<io::Result<Vec<Socket>>>()?;
            many[way].push(pipelined(&server, &mut sockets, scale)?);
            let lonely = closed_loop(&server, &mut sockets[0], scale.round_trips)?;
            alone[way].push(lonely.p50_us);
            report.server_cpu(server.cpu()?.as_secs_f64());
            if way == 1 {
                thread::sleep(Duration::from_millis(500));
                let sleeps = server.sleeps()?;
                thread::sleep(Duration::from_secs(scale.idle_seconds));
                woken += server.sleeps()? - sleeps;
            }
        }
    }
    let seconds = (scale.rounds as u64 * scale.idle_seconds) as f64;
    let figure = Figure::new("wakeups, 8 idle pages", "1/s", Less, woken as f64 / seconds);
    report.add(figure.target(0.0));
    let [floor, ours] = many.map(|mut samples| median(&mut samples));
    let name = "actions per server CPU second, 8 sessions";
    report.add(Figure::new(name, "1/s", More, ours).floor(floor));
    let [floor, ours] = alone.map(|mut samples| median(&mut samples));
    report.add(Figure::new("action, closed loop, p50", "us", Less, ours).floor(floor));
    Ok(())
}

/// A session of the counter site that has opened its page and acted once.
fn page(server: &Server, connect: Connect<'_>) -> io::Result<Socket> {
    let address = server.address;
    let mut http = Http::over(connect(address)?, address);
    let session = http.request("GET", "/", "")?.session_id();
    let session = session.ok_or_else(|| Error::other("no redirect"))?;
    let opened = Socket::over(connect(address)?, address, &session, "")?;
    let mut socket = opened.map_err(|answer| Error::other(answer.text()))?;
    socket.send(OPEN_COUNTER)?;
    receive_until(&mut socket, COUNT_ARRIVED)?;
    action(&mut socket)?;
    Ok(socket)
}
