//! Scenarios about processes, sessions and actions. Each starts its own server, works it, and adds its figures;
//! what a figure means, and where the targets come from, stands in bench/README.md.

use std::io::{self, Error};
use std::net::SocketAddr;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use crate::Scale;
use crate::client::{Http, Socket, new_session};
use crate::process::Server;
use crate::report::Better::{Less, More};
use crate::report::{Figure, Report, median, quantile};
use crate::subject::Subject;
use crate::system::share_one_cpu;

/// What a page of the counter site asks for when it opens: the first frames of recorded-frames.txt in one batch.
pub const OPEN_COUNTER: &str = concat!(
    r#"{"userEvent":false,"messages":[{"type":"watch","data":{"varId":1}},"#,
    r#"{"type":"create","data":{"id":2,"parentId":1,"properties":{"path":"count","access":"r","elementId":"ui-1"}}},"#,
    r#"{"type":"create","data":{"id":3,"parentId":1,"properties":{"path":"name","elementId":"ui-2"}}},"#,
    r#"{"type":"create","data":{"id":4,"parentId":1,"properties":{"path":"increment()","access":"action","priority":"low","elementId":"ui-3"}}}]}"#,
);
/// Sessions opened at the same time in the throughput part of `sessions`.
const OPENERS: usize = 4;
/// Actions are answered for this many sessions at once, one in flight each.
pub const ACTING_SESSIONS: usize = 8;
/// A press of the button: variable 4 is `increment()` on the counter site and `touch()` on the list site.
pub const ACTION: &str =
    r#"{"userEvent":true,"messages":[{"type":"update","data":{"varId":4,"value":null}}]}"#;
pub const COUNT_ARRIVED: &str = r#""varId":2,"#;

pub fn idle(subject: &Subject, scale: &Scale, report: &mut Report) -> io::Result<()> {
    let first_byte = |start: &dyn Fn() -> io::Result<Server>| -> io::Result<f64> {
        let mut samples = Vec::new();
        for _ in 0..scale.starts {
            let server = start()?;
            Http::connect(server.address)?.request("GET", "/", "")?;
            samples.push(millis(server.spawned.elapsed()));
        }
        Ok(median(&mut samples))
    };
    let ours = first_byte(&|| subject.site("counter", &[]))?;
    let floor = first_byte(&|| subject.floor("echo"))?;
    let spawn = spawn_ms(scale.starts)?;

    let bare = subject.floor("echo")?;
    let server = subject.site("counter", &[])?;
    thread::sleep(Duration::from_millis(500));
    let (pss, bare_pss, sleeps) = (server.pss_kib()?, bare.pss_kib()?, server.sleeps()?);
    thread::sleep(Duration::from_secs(scale.idle_seconds));
    let woken = (server.sleeps()? - sleeps) as f64 / scale.idle_seconds as f64;
    report.server_cpu(server.cpu()?.as_secs_f64());

    let mib = |kib: u64| kib as f64 / 1024.0;
    report.add(
        Figure::new("idle PSS, no session", "MiB", Less, mib(pss))
            .floor(mib(bare_pss))
            .target(4.0)
            .before(9.9),
    );
    report.add(
        Figure::new("idle wakeups", "1/s", Less, woken)
            .floor(0.0)
            .target(0.0),
    );
    report.add(
        Figure::new("first byte after start", "ms", Less, ours)
            .floor(floor)
            .target(5.0),
    );
    report.note(format!(
        "spawning a process that does nothing takes {spawn:.2} ms"
    ));
    Ok(())
}

pub fn memory(subject: &Subject, scale: &Scale, report: &mut Report) -> io::Result<()> {
    let server = subject.site("counter", &["--session-timeout", "2s"])?;
    thread::sleep(Duration::from_millis(500));
    let idle_pss = server.pss_kib()?;
    let (idle_own, idle_code) = server.pss_anonymous_and_files_kib()?;
    let (sockets, growth) = attached_kib(&server, scale)?;
    let bare = subject.floor("echo")?;
    let (_bare_sockets, bare_growth) = attached_kib(&bare, scale)?;
    report.add(
        Figure::new("RSS per attached session", "KiB", Less, growth)
            .floor(bare_growth)
            .target(40.0)
            .before(235.0),
    );

    let cpu = server.cpu()?;
    for socket in sockets {
        socket.close()?;
    }
    let closed = Instant::now();
    let mut pss = server.pss_kib()?;
    while closed.elapsed() < Duration::from_secs(8) && pss * 100 > idle_pss * 110 {
        thread::sleep(Duration::from_millis(250));
        pss = server.pss_kib()?;
    }
    let over = (pss as f64 / idle_pss as f64 - 1.0) * 100.0;
    let leaving = (server.cpu()? - cpu).as_secs_f64() * 1e6 / scale.attached_sessions as f64;
    report.server_cpu(server.cpu()?.as_secs_f64());
    report.add(Figure::new("PSS over idle after all expired", "%", Less, over).target(10.0));
    report.add(Figure::new(
        "closing and expiring a session",
        "us CPU",
        Less,
        leaving,
    ));
    let (own, code) = server.pss_anonymous_and_files_kib()?;
    report.note(format!(
        "idle {idle_pss} KiB (own {idle_own}, code {idle_code}), after {:.1} s: {pss} KiB (own {own}, code {code})",
        closed.elapsed().as_secs_f64()
    ));
    Ok(())
}

/// Sessions that have opened the page and acted once, and the server's growth for each. One more session comes
/// first, so that code which any session touches is not counted.
fn attached_kib(server: &Server, scale: &Scale) -> io::Result<(Vec<Socket>, f64)> {
    let mut sockets = vec![acting(server.address)?];
    thread::sleep(Duration::from_millis(200));
    let before = server.rss_kib()?;
    for _ in 0..scale.attached_sessions {
        sockets.push(acting(server.address)?);
    }
    thread::sleep(Duration::from_millis(500));
    let growth = server.rss_kib()?.saturating_sub(before);
    Ok((sockets, growth as f64 / scale.attached_sessions as f64))
}

pub fn sessions(subject: &Subject, scale: &Scale, report: &mut Report) -> io::Result<()> {
    let mut runs: [Vec<Opened>; 4] = Default::default();
    // Server and floor take turns, so that what else the machine does hits both alike.
    for _ in 0..scale.rounds {
        for (at, page) in [(0, false), (2, true)] {
            let server = subject.site("counter", &[])?;
            runs[at].push(open_many(&server, scale, page)?);
            report.server_cpu(server.cpu()?.as_secs_f64());
            runs[at + 1].push(open_many(&subject.floor("echo")?, scale, page)?);
        }
    }
    let [rate, floor, page_rate, page_floor] = [0, 1, 2, 3].map(|at| {
        median(
            &mut runs[at]
                .iter()
                .map(|run| run.per_cpu_second)
                .collect::<Vec<_>>(),
        )
    });
    let [p50, floor_p50] =
        [0, 1].map(|at| median(&mut runs[at].iter().map(|run| run.p50_ms).collect::<Vec<_>>()));

    let figure = Figure::new("new sessions per server CPU second", "1/s", More, rate);
    report.add(figure.floor(floor).target(3000.0).before(550.0));
    let figure = Figure::new("... fetching the page too", "1/s", More, page_rate);
    report.add(figure.floor(page_floor));
    let figure = Figure::new("new session, p50 one after another", "ms", Less, p50);
    report.add(figure.floor(floor_p50).target(1.0).before(11.5));
    Ok(())
}

struct Opened {
    per_cpu_second: f64,
    p50_ms: f64,
}

/// Opens sessions from a few threads for the rate, then one after another for the time each takes.
fn open_many(server: &Server, scale: &Scale, page: bool) -> io::Result<Opened> {
    let address = server.address;
    open_session(address, page)?;
    let each = scale.new_sessions / OPENERS;
    let cpu = server.cpu()?;
    thread::scope(|scope| {
        let openers: Vec<_> = (0..OPENERS)
            .map(|_| {
                scope.spawn(move || {
                    (0..each).try_for_each(|_| open_session(address, page).map(drop))
                })
            })
            .collect();
        openers
            .into_iter()
            .try_for_each(|opener| opener.join().expect("an opener panicked"))
    })?;
    let used = (server.cpu()? - cpu).as_secs_f64();
    let mut samples = Vec::new();
    for _ in 0..scale.new_sessions / 4 {
        let started = Instant::now();
        let socket = open_session(address, page)?;
        samples.push(millis(started.elapsed()));
        drop(socket);
    }
    Ok(Opened {
        per_cpu_second: (each * OPENERS) as f64 / used,
        p50_ms: median(&mut samples),
    })
}

/// GET / (and the page it leads to), the socket, the first batch, the first update.
fn open_session(address: SocketAddr, page: bool) -> io::Result<Socket> {
    let session = if page {
        let mut http = Http::connect(address)?;
        let id = http
            .request("GET", "/", "")?
            .session_id()
            .ok_or_else(|| Error::other("no redirect"))?;
        http.request("GET", &format!("/{id}"), "")?;
        id
    } else {
        new_session(address)?
    };
    let mut socket = Socket::attach(address, &session)?;
    socket.send(OPEN_COUNTER)?;
    receive_until(&mut socket, COUNT_ARRIVED)?;
    Ok(socket)
}

pub fn actions(subject: &Subject, scale: &Scale, report: &mut Report) -> io::Result<()> {
    let (mut ours, mut floor) = (Vec::new(), Vec::new());
    for _ in 0..scale.rounds {
        let server = subject.site("counter", &[])?;
        ours.push(act(&server, scale)?);
        report.server_cpu(server.cpu()?.as_secs_f64());
        floor.push(act(&subject.floor("echo")?, scale)?);
    }
    let middle = |runs: &[Acted], pick: fn(&Acted) -> f64| {
        median(&mut runs.iter().map(pick).collect::<Vec<_>>())
    };
    let mut add = |name, unit, better, pick: fn(&Acted) -> f64, target, before| {
        let figure = Figure::new(name, unit, better, middle(&ours, pick));
        let floor = middle(&floor, pick);
        report.add(Figure {
            target,
            before,
            ..figure.floor(floor)
        });
    };
    let name = "actions per server CPU second, 8 sessions";
    add(
        name,
        "1/s",
        More,
        |run| run.per_cpu_second,
        Some(60_000.0),
        Some(35_000.0),
    );
    add(
        "action, closed loop, p50",
        "us",
        Less,
        |run| run.apart.p50_us,
        Some(40.0),
        Some(50.0),
    );
    add("... p99", "us", Less, |run| run.apart.p99_us, None, None);
    add(
        "... per server CPU second",
        "1/s",
        More,
        |run| run.apart.per_cpu_second,
        None,
        None,
    );
    add(
        "... p50, both on one CPU",
        "us",
        Less,
        |run| run.together.p50_us,
        None,
        None,
    );
    let name = "... per server CPU second, both on one CPU";
    add(
        name,
        "1/s",
        More,
        |run| run.together.per_cpu_second,
        None,
        None,
    );
    Ok(())
}

struct Acted {
    per_cpu_second: f64,
    /// Wherever the system puts client and server.
    apart: ClosedLoop,
    /// Without the sleeping and waking of processors, which costs more than the server on virtual machines.
    together: ClosedLoop,
}

fn act(server: &Server, scale: &Scale) -> io::Result<Acted> {
    let mut sockets = (0..ACTING_SESSIONS)
        .map(|_| acting(server.address))
        .collect::<io::Result<Vec<_>>>()?;
    let per_cpu_second = pipelined(server, &mut sockets, scale)?;
    let apart = closed_loop(server, &mut sockets[0], scale.round_trips)?;
    share_one_cpu(server.id(), true)?;
    let together = closed_loop(server, &mut sockets[0], scale.round_trips);
    share_one_cpu(server.id(), false)?;
    Ok(Acted {
        per_cpu_second,
        apart,
        together: together?,
    })
}

/// One action in flight for each session.
pub fn pipelined(server: &Server, sockets: &mut [Socket], scale: &Scale) -> io::Result<f64> {
    let cpu = server.cpu()?;
    for socket in &mut *sockets {
        socket.send(ACTION)?;
    }
    let laps = scale.actions / ACTING_SESSIONS;
    for lap in 1..=laps {
        for socket in &mut *sockets {
            receive_until(socket, COUNT_ARRIVED)?;
            if lap < laps {
                socket.send(ACTION)?;
            }
        }
    }
    let used = (server.cpu()? - cpu).as_secs_f64();
    Ok((laps * ACTING_SESSIONS) as f64 / used)
}

pub struct ClosedLoop {
    pub per_cpu_second: f64,
    pub p50_us: f64,
    p99_us: f64,
}

/// One session, each action sent when the one before has been answered.
pub fn closed_loop(
    server: &Server,
    socket: &mut Socket,
    round_trips: usize,
) -> io::Result<ClosedLoop> {
    let cpu = server.cpu()?;
    let mut samples = Vec::with_capacity(round_trips);
    for _ in 0..round_trips {
        let started = Instant::now();
        action(socket)?;
        samples.push(started.elapsed().as_secs_f64() * 1e6);
    }
    let used = (server.cpu()? - cpu).as_secs_f64();
    Ok(ClosedLoop {
        per_cpu_second: round_trips as f64 / used,
        p50_us: median(&mut samples),
        p99_us: quantile(&mut samples, 0.99),
    })
}

/// A session of the counter site that has opened its page and acted once.
pub fn acting(address: SocketAddr) -> io::Result<Socket> {
    let mut socket = open_session(address, false)?;
    action(&mut socket)?;
    Ok(socket)
}

/// One action and the update that answers it.
pub fn action(socket: &mut Socket) -> io::Result<()> {
    socket.send(ACTION)?;
    socket.receive().map(drop)
}

/// Receives until a frame contains `wanted`.
pub fn receive_until(socket: &mut Socket, wanted: &str) -> io::Result<()> {
    while !socket.receive()?.contains(wanted) {}
    Ok(())
}

pub fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// What any process costs here, from spawn to end.
fn spawn_ms(samples: usize) -> io::Result<f64> {
    let mut times = Vec::new();
    for _ in 0..samples {
        let started = Instant::now();
        Command::new("true").status()?;
        times.push(millis(started.elapsed()));
    }
    Ok(median(&mut times))
}
