//! Scenarios of peers that mean harm, or know no better: each floods a server, while a witness, an honest page, says what
//! it notices of that. Everything goes over loopback and is bounded in number and time.

use std::fs;
use std::io::{self, Error, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::Scale;
use crate::client::{Frame, Http, Socket, get, new_session};
use crate::process::Server;
use crate::report::Better::{Less, More};
use crate::report::{Figure, Report, quantile};
use crate::scenarios::{acting, action, millis};
use crate::subject::Subject;
use crate::system::Waiting;

/// The counter site, and a method that pushes 8 KiB to every page of the session 50 times a second.
const MAIN: &str = "
local App = session:prototype('App', { count = 0, name = '', text = '' })
function App:increment() self.count = self.count + 1 end
function App:flood()
  local n = 0
  session:setInterval(function() n = n + 1 self.text = ('%08d'):format(n):rep(1024) end, 20)
end
session:createAppVariable(session:create(App))
";
const WATCH_TEXT: &str = concat!(
    r#"[{"type":"watch","data":{"varId":1}},"#,
    r#"{"type":"create","data":{"id":2,"parentId":1,"properties":{"path":"text"}}},"#,
    r#"{"type":"create","data":{"id":3,"parentId":1,"properties":{"path":"flood()","access":"action"}}}]"#,
);
const FLOOD: &str =
    r#"{"userEvent":true,"messages":[{"type":"update","data":{"varId":3,"value":null}}]}"#;
/// What a connection may have waiting (`output_bytes`), KiB.
const OUTPUT_KIB: f64 = 1024.0;
/// More than a server waits for the other half of a close.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(4);
/// How long a calm server is watched for comparison.
const CALM: Duration = Duration::from_secs(2);
/// A pause between two actions of the witness: it is a person's page, not another flood.
const PAUSE: Duration = Duration::from_millis(2);

/// What an honest page noticed.
struct Noticed {
    p99_ms: f64,
    most_ms: f64,
}

/// Acts on a page of its own as long as `flood` runs.
fn witness<T>(
    address: SocketAddr,
    flood: impl FnOnce() -> io::Result<T>,
) -> io::Result<(T, Noticed)> {
    let mut page = acting(address)?;
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let acts = scope.spawn(|| -> io::Result<Vec<f64>> {
            let mut samples = Vec::new();
            while !over.load(Ordering::Relaxed) {
                let began = Instant::now();
                action(&mut page)?;
                samples.push(millis(began.elapsed()));
                thread::sleep(PAUSE);
            }
            Ok(samples)
        });
        let flooded = flood();
        over.store(true, Ordering::Relaxed);
        let mut samples = acts.join().expect("the witness panicked")?;
        let noticed = Noticed {
            p99_ms: quantile(&mut samples, 0.99),
            most_ms: samples.last().copied().unwrap_or(f64::NAN),
        };
        Ok((flooded?, noticed))
    })
}

/// Reports what the witness noticed, beside the same of a calm server as its floor.
fn tell(report: &mut Report, calm: &Noticed, noticed: &Noticed) {
    let figure = Figure::new(
        "... an action of another page, p99",
        "ms",
        Less,
        noticed.p99_ms,
    );
    report.add(figure.floor(calm.p99_ms));
    let figure = Figure::new("... the slowest", "ms", Less, noticed.most_ms);
    report.add(figure.floor(calm.most_ms));
}

fn calm(address: SocketAddr) -> io::Result<Noticed> {
    let (_, noticed) = witness(address, || {
        thread::sleep(CALM);
        Ok(())
    })?;
    Ok(noticed)
}

fn growth_kib(server: &Server, before: u64) -> io::Result<f64> {
    Ok(server.rss_kib()?.saturating_sub(before) as f64)
}

fn connect_all(address: SocketAddr, count: usize) -> io::Result<Vec<TcpStream>> {
    let connect = |_| {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        Ok(stream)
    };
    (0..count).map(connect).collect()
}

/// Everything up to the end; a reset is one.
fn read_to_end(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut all = Vec::new();
    match stream.read_to_end(&mut all) {
        Err(error) if error.kind() != ErrorKind::ConnectionReset => Err(error),
        _ => Ok(all),
    }
}

/// Heads that never end, a byte at a time.
pub fn slow_heads(subject: &Subject, scale: &Scale, report: &mut Report) -> io::Result<()> {
    let server = subject.site("counter", &[])?;
    let before_flood = calm(server.address)?;
    let before = server.rss_kib()?;
    let head = "GET / HTTP/1.1\r\nHost: localhost\r\nCookie: ".to_owned() + &"x".repeat(1000);
    let ((growth, cpu, slowest), noticed) = witness(server.address, || {
        let began = Instant::now();
        let cpu = server.cpu()?;
        let mut streams = connect_all(server.address, scale.flooders)?;
        let mut growth: f64 = 0.0;
        for byte in head.as_bytes() {
            let sent = |stream: &mut TcpStream| stream.write_all(&[*byte]).is_ok();
            let alive = streams.iter_mut().map(sent).filter(|&sent| sent).count();
            growth = growth.max(growth_kib(&server, before)?);
            // Those that were given up take some bytes more before they say so.
            if alive == 0 || began.elapsed() > Duration::from_secs(20) {
                break;
            }
            thread::sleep(Duration::from_millis(250));
        }
        let told = streams.iter_mut().try_fold(0, |told, stream| {
            let answer = read_to_end(stream)?;
            io::Result::Ok(told + usize::from(answer.starts_with(b"HTTP/1.1 408 ")))
        })?;
        report.note(format!("{told} of {} were told 408", streams.len()));
        Ok((growth, server.cpu()? - cpu, began.elapsed()))
    })?;
    report.server_cpu(server.cpu()?.as_secs_f64());
    let each = growth / scale.flooders as f64;
    report.add(Figure::new("slow heads, RSS of each", "KiB", Less, each).target(16.0));
    report.add(Figure::new(
        "... until all are given up",
        "s",
        Less,
        slowest.as_secs_f64(),
    ));
    report.add(Figure::new("... server", "ms CPU", Less, millis(cpu)));
    tell(report, &before_flood, &noticed);
    Ok(())
}

/// Heads as long as they may be, never complete, and WebSocket frames that announce the most there may be: in a process
/// that cannot get much address space.
pub fn header_bombs(subject: &Subject, scale: &Scale, report: &mut Report) -> io::Result<()> {
    const SPACE_KIB: u64 = 96 << 10;
    let server = subject.limited("counter", &format!("-v {SPACE_KIB}"))?;
    let session = new_session(server.address)?;
    let mut page = acting(server.address)?;
    let before = server.rss_kib()?;
    let half = scale.flooders / 2;
    let head = format!(
        "GET / HTTP/1.1\r\n{}",
        format!("x: {}\r\n", "y".repeat(250)).repeat(60)
    );
    let mut heads = connect_all(server.address, half)?;
    for stream in &mut heads {
        stream.write_all(head.as_bytes())?;
    }
    let mut frames = Vec::new();
    for _ in 0..half {
        let mut socket = Socket::attach(server.address, &session)?;
        socket.send_raw(
            &[
                &[0x81, 0xff][..],
                &(1u64 << 20).to_be_bytes(),
                b"mask",
                b"only this",
            ]
            .concat(),
        )?;
        frames.push(socket);
    }
    action(&mut page)?;
    let growth = growth_kib(&server, before)?;
    report.server_cpu(server.cpu()?.as_secs_f64());
    let each = growth / (2 * half) as f64;
    report.add(Figure::new("header bombs, RSS of each", "KiB", Less, each).target(32.0));
    let answered = frames.len() + heads.len();
    report.note(format!(
        "{answered} of them in {} MiB of address space; it serves on",
        SPACE_KIB >> 10
    ));
    Ok(())
}

struct Site(PathBuf);

impl Site {
    fn new() -> io::Result<Site> {
        let name = format!("lunette-floods-{}", std::process::id());
        let site = Site(std::env::temp_dir().join(name));
        fs::create_dir_all(site.0.join("lua"))?;
        fs::write(site.0.join("lua/main.lua"), MAIN)?;
        Ok(site)
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Pages that never read while 50 updates a second are pushed to them; beside it, as many that do.
pub fn deaf(subject: &Subject, scale: &Scale, report: &mut Report) -> io::Result<()> {
    let reading = push_to_pages(subject, scale, report, true)?;
    let pushed = push_to_pages(subject, scale, report, false)?;
    let caps = OUTPUT_KIB * scale.deaf_pages as f64;
    let name = "pages that never read, most RSS, of their caps";
    let figure = Figure::new(name, "%", Less, pushed.most_kib / caps * 100.0);
    // And a frame for each, what pages take that read, and what the allocator adds.
    report.add(figure.target(110.0));
    let name = "... RSS when all are let go, over before";
    report.add(Figure::new(name, "KiB", Less, pushed.after_kib));
    report.note("their floor: as many pages that read".into());
    tell(report, &reading.noticed, &pushed.noticed);
    Ok(())
}

struct Pushed {
    most_kib: f64,
    after_kib: f64,
    noticed: Noticed,
}

fn push_to_pages(
    subject: &Subject,
    scale: &Scale,
    report: &mut Report,
    read: bool,
) -> io::Result<Pushed> {
    let site = Site::new()?;
    let server = subject.folder(&site.0, &[])?;
    let session = new_session(server.address)?;
    let mut pages = Vec::new();
    for _ in 0..scale.deaf_pages {
        let mut page = Socket::attach(server.address, &session)?;
        page.send(WATCH_TEXT)?;
        page.receive()?;
        pages.push(page);
    }
    let before = server.rss_kib()?;
    let mut waiting = Waiting::new(&pages);
    let (most_kib, noticed) = witness(server.address, || {
        pages[0].send(FLOOD)?;
        let began = Instant::now();
        let mut most: f64 = 0.0;
        while began.elapsed() < Duration::from_secs(scale.deaf_seconds) {
            most = most.max(growth_kib(&server, before)?);
            if !read {
                thread::sleep(Duration::from_millis(10));
                continue;
            }
            let ready: Vec<bool> = waiting.ready(10)?.collect();
            for (page, _) in pages.iter_mut().zip(ready).filter(|(_, ready)| *ready) {
                page.drain()?;
            }
        }
        Ok(most)
    })?;
    // A close is waited for; then the connection is freed.
    thread::sleep(CLOSE_TIMEOUT);
    let after_kib = growth_kib(&server, before)?;
    report.server_cpu(server.cpu()?.as_secs_f64());
    let mut gone = 0;
    for page in pages.iter_mut().take(if read { 0 } else { usize::MAX }) {
        gone += usize::from(ends(page)?);
    }
    report.note(format!(
        "{} pages that {}: {gone} were let go; most {:.0} MiB",
        pages.len(),
        if read { "read" } else { "never read" },
        most_kib / 1024.0
    ));
    Ok(Pushed {
        most_kib,
        after_kib,
        noticed,
    })
}

/// Whether a page that reads at last finds that it was closed for its slowness.
fn ends(page: &mut Socket) -> io::Result<bool> {
    let deadline = Instant::now() + Duration::from_secs(2);
    loop {
        match page.receive_frame() {
            Ok(Frame::Text(_)) if Instant::now() > deadline => return Ok(false),
            Ok(Frame::Text(_)) => {}
            Ok(Frame::Close { code, .. }) => return Ok(code == 1013),
            // The close was behind what it did not take.
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset
                ) =>
            {
                return Ok(true);
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error),
        }
    }
}

/// `GET /` again and again by somebody who never opens a socket, with the longest address there may be.
pub fn reservations(subject: &Subject, scale: &Scale, report: &mut Report) -> io::Result<()> {
    for (name, path) in [
        ("GET / without a socket", "/".to_owned()),
        (
            "... with the longest address",
            format!("/?{}", "x".repeat(2040)),
        ),
    ] {
        let server = subject.site("counter", &[])?;
        new_session(server.address)?;
        let before = server.rss_kib()?;
        let cpu = server.cpu()?;
        let mut honest = Vec::new();
        let mut http = Http::connect(server.address)?;
        for i in 0..scale.reservations {
            http.request("GET", &path, "")?;
            if i % 500 == 0 {
                honest.push(acting(server.address)?);
            }
        }
        let used = server.cpu()? - cpu;
        report.server_cpu(server.cpu()?.as_secs_f64());
        for page in &mut honest {
            action(page)?;
        }
        let growth = growth_kib(&server, before)? / 1024.0;
        report.add(Figure::new(format!("{name}, RSS"), "MiB", Less, growth).target(40.0));
        let each = used.as_secs_f64() * 1e6 / scale.reservations as f64;
        report.add(Figure::new("... each", "us CPU", Less, each));
        report.note(format!(
            "{} requests, {} honest pages among them",
            scale.reservations,
            honest.len()
        ));
    }
    Ok(())
}

/// More connections than there are descriptors, one of which asks for something; then some are free.
pub fn descriptors(subject: &Subject, scale: &Scale, report: &mut Report) -> io::Result<()> {
    let server = subject.limited("counter", "-n 64")?;
    let mut page = acting(server.address)?;
    let mut streams = connect_all(server.address, 200)?;
    let mut last = streams.pop().expect("there are 200");
    last.write_all(b"HEAD / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut worst = Duration::ZERO;
    let cpu = server.cpu()?;
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(scale.idle_seconds) {
        action(&mut page)?;
        thread::sleep(Duration::from_millis(20));
    }
    let idle = (server.cpu()? - cpu).as_secs_f64() / began.elapsed().as_secs_f64();
    // Nobody connects anew: the last is served when those before it are gone.
    let freed = Instant::now();
    drop(streams);
    let answer = read_to_end(&mut last)?;
    worst = worst.max(freed.elapsed());
    if !answer.starts_with(b"HTTP/1.1 200 ") {
        return Err(Error::other("the last one was not served"));
    }
    report.server_cpu(server.cpu()?.as_secs_f64());
    let name = "out of descriptors, served after some are free";
    report.add(Figure::new(name, "ms", Less, millis(worst)).target(1000.0));
    report.add(Figure::new("... CPU meanwhile", "%", Less, idle * 100.0).target(5.0));
    Ok(())
}

/// Thousands of connections against the most there may be.
pub fn connections(subject: &Subject, scale: &Scale, report: &mut Report) -> io::Result<()> {
    let server = subject.site("counter", &[])?;
    let before_flood = calm(server.address)?;
    let before = server.rss_kib()?;
    let ((refused, growth, cpu), noticed) = witness(server.address, || {
        let held = connect_all(server.address, 1024)?;
        let cpu = server.cpu()?;
        let (mut refused, mut growth): (usize, f64) = (0, 0.0);
        let mut left = scale.attempts - held.len().min(scale.attempts);
        while left > 0 {
            let batch = left.min(128);
            for mut stream in connect_all(server.address, batch)? {
                let answer = read_to_end(&mut stream)?;
                refused += usize::from(answer.starts_with(b"HTTP/1.1 503 "));
            }
            growth = growth.max(growth_kib(&server, before)?);
            left -= batch;
        }
        Ok((refused, growth, server.cpu()? - cpu))
    })?;
    report.server_cpu(server.cpu()?.as_secs_f64());
    while get(server.address, "/", "")?.status == 503 {
        thread::sleep(Duration::from_millis(10));
    }
    let attempts = scale.attempts.saturating_sub(1024).max(1);
    let told = refused as f64 / attempts as f64 * 100.0;
    report.add(Figure::new("attempts past 1,024 that are told 503", "%", More, told).target(99.0));
    report.add(Figure::new("... RSS, all of it", "KiB", Less, growth));
    let each = cpu.as_secs_f64() * 1e6 / attempts as f64;
    report.add(Figure::new("... each", "us CPU", Less, each));
    tell(report, &before_flood, &noticed);
    Ok(())
}

/// Messages and pings as fast as they go.
pub fn messages(subject: &Subject, scale: &Scale, report: &mut Report) -> io::Result<()> {
    let server = subject.as_installed("counter")?;
    let before_flood = calm(server.address)?;
    let cpu = server.cpu()?;
    let watch = r#"{"type":"watch","data":{"varId":1}}"#;
    let ((closed, took), noticed) = witness(server.address, || {
        let began = Instant::now();
        let mut closed = 0;
        for i in 0..scale.message_floods {
            let mut socket = Socket::attach(server.address, &new_session(server.address)?)?;
            let (first, payload) = if i % 2 == 0 {
                (0x81, watch)
            } else {
                (0x89, "ping")
            };
            let mut sent = 0;
            while sent < 1 << 20 && socket.send_frame(first, payload.as_bytes()).is_ok() {
                sent += 1;
                if sent % 64 == 0 && socket.drain().is_err() {
                    break;
                }
            }
            closed += usize::from(sent < 1 << 20);
        }
        Ok((closed, began.elapsed()))
    })?;
    let used = server.cpu()? - cpu;
    report.server_cpu(server.cpu()?.as_secs_f64());
    let part = closed as f64 / scale.message_floods as f64 * 100.0;
    report.add(Figure::new("floods of messages that are closed", "%", More, part).target(100.0));
    let each = millis(used) / scale.message_floods as f64;
    report.add(Figure::new("... server, each", "ms CPU", Less, each));
    tell(report, &before_flood, &noticed);
    report.note(format!(
        "{} floods one after another took {:.1} s",
        scale.message_floods,
        took.as_secs_f64()
    ));
    Ok(())
}
