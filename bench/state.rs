//! Scenarios about what outlives a process: what it costs to write sessions down, and how long it takes until one
//! that slept, or that a server left behind when it was killed, is there again. All on real files, in a directory
//! of their own.

use std::fs::{self, File};
use std::io::{self, Error};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use lunette::journal::Reader;

use crate::Scale;
use crate::client::{Http, Socket, new_session};
use crate::links::Linked;
use crate::pages::OPEN_TICKS;
use crate::process::Server;
use crate::report::Better::{Less, More};
use crate::report::{Figure, Report, median};
use crate::scenarios::{
    ACTING_SESSIONS, ACTION, COUNT_ARRIVED, OPEN_COUNTER, acting, closed_loop, millis, pipelined,
    receive_until,
};
use crate::subject::Subject;
use crate::system::share_one_cpu;

/// Long enough that nobody falls asleep between two requests, and short for whoever waits for it.
const SLEEPS_SOON: &str = "[journal]\nhibernate_after = \"1s\"\n";
const POWER_SAFE: &str = "[journal]\ndurability = \"power\"\n";
/// Longer than any number of sessions takes to fall asleep.
const PATIENCE: Duration = Duration::from_secs(120);
/// Actions that are sent before their answers are waited for.
const IN_FLIGHT: usize = 100;
/// Actions after which a session that falls asleep leaves a checkpoint.
const WORTH_A_CHECKPOINT: usize = 100;
/// Sessions of which the time to wake is the middle.
const OLD_SESSIONS: usize = 5;
/// How often each session of `wake`, and the server of `recovery`, is woken.
const WAKES: usize = 3;
/// Longer than updates may wait for others to go with.
const COALESCED: Duration = Duration::from_millis(50);
/// What a session of `recovery` has done.
const LEFT_EVENTS: usize = 50;

/// A site, a state directory and a log of their own; removed afterwards.
struct Place(PathBuf);

impl Place {
    /// With this site of `tests/sites`, and `settings` as its `lunette.toml`.
    fn new(site: &str, settings: &str) -> io::Result<Place> {
        let name = format!("lunette-state-{}", std::process::id());
        let place = Place(std::env::temp_dir().join(name));
        let main = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sites");
        fs::create_dir_all(place.site().join("lua"))?;
        fs::copy(
            main.join(site).join("lua/main.lua"),
            place.site().join("lua/main.lua"),
        )?;
        fs::write(place.site().join("lunette.toml"), settings)?;
        Ok(place)
    }

    fn site(&self) -> PathBuf {
        self.0.join("site")
    }

    fn state(&self) -> PathBuf {
        self.0.join("state")
    }

    /// A server on both, with a new log.
    fn start(&self, subject: &Subject, flags: &[&str]) -> io::Result<Server> {
        let mut command = subject.command(&self.site());
        command.args(["--port", "0", "--state"]).arg(self.state());
        let log = File::create(self.0.join("log"))?;
        Server::start(command.args(flags).stderr(Stdio::from(log)))
    }

    /// How many lines of the log, which needs `-v`, have this.
    fn logged(&self, text: &str) -> io::Result<usize> {
        let log = fs::read_to_string(self.0.join("log"))?;
        Ok(log.lines().filter(|line| line.contains(text)).count())
    }

    /// Waits until sessions have fallen asleep so many times.
    fn wait_for_sleep(&self, times: usize) -> io::Result<()> {
        let begun = Instant::now();
        while self.logged(": sleeps")? < times {
            if begun.elapsed() > PATIENCE {
                return Err(Error::other("not all sessions fall asleep"));
            }
            thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    /// Bytes of all journals, with those that are on their way there.
    fn journal_bytes(&self) -> io::Result<usize> {
        let mut total = 0;
        for file in fs::read_dir(self.state().join("sessions"))? {
            let reader = Reader::open(&file?.path()).map_err(Error::other)?;
            total += reader.whole_bytes();
        }
        Ok(total)
    }

    fn checkpoint(&self, session: &str) -> PathBuf {
        let values = self.state().join("values");
        values.join(format!("{session}.checkpoint"))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub fn recording(subject: &Subject, scale: &Scale, report: &mut Report) -> io::Result<()> {
    let place = Place::new("counter", "")?;
    let kept = place.start(subject, &[])?;
    let bare = subject.site("counter", &[])?;
    let mut with = many_acting(&kept)?;
    let mut without = many_acting(&bare)?;
    let before = place.journal_bytes()?;
    let (mut rates, mut loops) = (<[Vec<f64>; 2]>::default(), <[Vec<f64>; 2]>::default());
    for _ in 0..2 * scale.rounds {
        for (at, server, sockets) in [(0, &kept, &mut with), (1, &bare, &mut without)] {
            rates[at].push(pipelined(server, sockets, scale)?);
            share_one_cpu(server.id(), true)?;
            let looped = closed_loop(server, &mut sockets[0], scale.round_trips);
            share_one_cpu(server.id(), false)?;
            loops[at].push(looped?.per_cpu_second);
        }
    }
    let each = scale.actions / ACTING_SESSIONS * ACTING_SESSIONS + scale.round_trips;
    let written = (place.journal_bytes()? - before) as f64;
    report.server_cpu(kept.cpu()?.as_secs_f64());
    // Turn by turn, so that what else the machine does hits both alike.
    let overhead = |[with, without]: &[Vec<f64>; 2]| {
        let pairs = with.iter().zip(without);
        median(
            &mut pairs
                .map(|(w, o)| (o / w - 1.0) * 100.0)
                .collect::<Vec<_>>(),
        )
    };
    let figure = Figure::new(
        "recording: CPU of an action, 8 sessions",
        "%",
        Less,
        overhead(&rates),
    );
    report.add(figure.target(10.0));
    let figure = Figure::new("... closed loop", "%", Less, overhead(&loops));
    report.add(figure.target(10.0));
    let [mut with, mut without] = rates;
    let figure = Figure::new(
        "... actions per server CPU second; floor: --state none",
        "1/s",
        More,
        median(&mut with),
    );
    report.add(figure.floor(median(&mut without)));
    let bytes = written / (2 * scale.rounds * each) as f64;
    report.add(Figure::new("... on disk for an action", "B", Less, bytes));
    drop((kept, place));
    report.add(Figure::new(
        "... on disk for a tick that shows something",
        "B",
        Less,
        tick_bytes(subject, scale)?,
    ));
    report.add(Figure::new(
        "... closed loop with durability power, p50",
        "ms",
        Less,
        synced_ms(subject, scale)?,
    ));
    Ok(())
}

fn many_acting(server: &Server) -> io::Result<Vec<Socket>> {
    (0..ACTING_SESSIONS)
        .map(|_| acting(server.address))
        .collect()
}

/// What is written for each tick that a page is told of.
fn tick_bytes(subject: &Subject, scale: &Scale) -> io::Result<f64> {
    let place = Place::new("ticks", "")?;
    let server = place.start(subject, &[])?;
    let mut socket = Socket::attach(server.address, &new_session(server.address)?)?;
    socket.send(OPEN_TICKS)?;
    receive_until(&mut socket, COUNT_ARRIVED)?;
    socket.receive()?;
    let before = place.journal_bytes()?;
    let ticks = scale.tick_seconds * 10;
    for _ in 0..ticks {
        socket.receive()?;
    }
    Ok((place.journal_bytes()? - before) as f64 / ticks as f64)
}

/// An action when each answer waits for the disk.
fn synced_ms(subject: &Subject, scale: &Scale) -> io::Result<f64> {
    let place = Place::new("counter", POWER_SAFE)?;
    let server = place.start(subject, &[])?;
    let mut socket = acting(server.address)?;
    Ok(closed_loop(&server, &mut socket, scale.synced_actions)?.p50_us / 1e3)
}

pub fn hibernation(subject: &Subject, scale: &Scale, report: &mut Report) -> io::Result<()> {
    let place = Place::new("counter", SLEEPS_SOON)?;
    let server = place.start(subject, &["-v"])?;
    let mut http = Http::connect(server.address)?;
    let old = (0..OLD_SESSIONS)
        .map(|_| live_and_leave(&mut http, server.address, 1000))
        .collect::<io::Result<Vec<_>>>()?;
    // What sleeping needs of the server itself is there before it is looked at.
    place.wait_for_sleep(OLD_SESSIONS)?;
    let memory = |server: &Server| -> io::Result<_> {
        thread::sleep(Duration::from_millis(500));
        Ok((server.rss_kib()?, server.page_tables_kib()?))
    };
    let before = memory(&server)?;
    for _ in 0..scale.sleepers {
        live_and_leave(&mut http, server.address, WORTH_A_CHECKPOINT)?;
    }
    place.wait_for_sleep(OLD_SESSIONS + scale.sleepers)?;
    let after = memory(&server)?;
    let sleeps = server.sleeps()?;
    thread::sleep(Duration::from_secs(scale.idle_seconds));
    let woken = (server.sleeps()? - sleeps) as f64 / scale.idle_seconds as f64;

    let each = |after: u64, before: u64| {
        after.saturating_sub(before) as f64 * 1024.0 / scale.sleepers as f64
    };
    let figure = Figure::new(
        "RSS per sleeping session",
        "B",
        Less,
        each(after.0, before.0),
    );
    report.add(figure.target(4096.0));
    report.add(Figure::new("... wakeups of all", "1/s", Less, woken).target(0.0));
    report.note(format!(
        "{} sleep; the system's page tables grew by {:.0} B for each",
        scale.sleepers,
        each(after.1, before.1)
    ));
    let mut times = Vec::new();
    for session in &old {
        times.push(show(server.address, session, 1000)?);
    }
    let figure = Figure::new(
        "... waking one of 1,000 events, first frame",
        "ms",
        Less,
        median(&mut times),
    );
    report.add(figure.target(20.0));
    report.server_cpu(server.cpu()?.as_secs_f64());
    if place.logged("behind a checkpoint")? != OLD_SESSIONS {
        report.note("not all were woken from a checkpoint".into());
    }
    place.wait_for_sleep(2 * OLD_SESSIONS + scale.sleepers)?;
    drop(server);
    start_beside_sleepers(subject, &place, report)
}

/// How long a server takes to start where so many sleep, and what it reads of the disk for that.
fn start_beside_sleepers(subject: &Subject, place: &Place, report: &mut Report) -> io::Result<()> {
    let (mut times, mut read) = (Vec::new(), Vec::new());
    for _ in 0..WAKES {
        let server = place.start(subject, &[])?;
        Http::connect(server.address)?.request("GET", "/", "")?;
        times.push(millis(server.spawned.elapsed()));
        read.push(server.bytes_read()? as f64 / 1e6);
    }
    let name = "... a start where they sleep, first byte";
    report.add(Figure::new(name, "ms", Less, median(&mut times)));
    let name = "... read of files for that";
    report.add(Figure::new(name, "MB", Less, median(&mut read)));
    Ok(())
}

pub fn wake(subject: &Subject, scale: &Scale, report: &mut Report) -> io::Result<()> {
    let place = Place::new("counter", SLEEPS_SOON)?;
    let server = place.start(subject, &["-v"])?;
    let address = server.address;
    let mut http = Http::connect(address)?;
    let mut old = Vec::new();
    for &age in scale.ages {
        old.push(Old {
            session: live_and_leave(&mut http, address, age)?,
            age,
            thawed: Vec::new(),
            run_again: Vec::new(),
        });
    }
    let mut awake = Vec::new();
    let mut sleeps = old.len();
    for _ in 0..WAKES {
        place.wait_for_sleep(sleeps)?;
        for old in &mut old {
            old.thawed.push(show(address, &old.session, old.age)?);
            // What it takes to come to one that is awake, and has nothing on its way to another page.
            thread::sleep(COALESCED);
            awake.push(show(address, &old.session, old.age)?);
        }
        sleeps += old.len();
        place.wait_for_sleep(sleeps)?;
        for old in &mut old {
            fs::remove_file(place.checkpoint(&old.session))?;
            old.run_again.push(show(address, &old.session, old.age)?);
        }
        sleeps += old.len();
    }
    report.server_cpu(server.cpu()?.as_secs_f64());
    if place.logged("behind a checkpoint")? != WAKES * old.len() {
        return Err(Error::other("a checkpoint was not used"));
    }
    let floor = median(&mut awake);
    for old in &mut old {
        let name = format!("waking at {} events, first frame", old.age);
        let figure = Figure::new(name, "ms", Less, median(&mut old.thawed));
        report.add(figure.floor(floor).target(100.0));
        let again = median(&mut old.run_again);
        report.add(Figure::new(
            "... run again from the start",
            "ms",
            Less,
            again,
        ));
    }
    if let Some(oldest) = old.last_mut() {
        let rate = oldest.age as f64 / (median(&mut oldest.run_again) - floor) * 1e3;
        report.add(Figure::new("... events run again", "1/s", More, rate));
    }
    Ok(())
}

/// A session that has lived through so many events, and how long it took to wake it.
struct Old {
    session: String,
    age: usize,
    /// From its checkpoint.
    thawed: Vec<f64>,
    /// Without.
    run_again: Vec<f64>,
}

pub fn recovery(subject: &Subject, scale: &Scale, report: &mut Report) -> io::Result<()> {
    let place = Place::new("counter", "")?;
    let server = place.start(subject, &[])?;
    let mut page = Linked::open(server.address)?;
    let mut http = Http::connect(server.address)?;
    for _ in 1..scale.left_sessions {
        live_and_leave(&mut http, server.address, LEFT_EVENTS)?;
    }
    for _ in 1..LEFT_EVENTS {
        page.say(ACTION)?;
    }
    // Killed, as all servers here.
    drop(server);
    let (mut lazy, mut eager) = (Vec::new(), Vec::new());
    for _ in 0..WAKES {
        let server = place.start(subject, &[])?;
        page.resume(server.address)?;
        lazy.push(millis(server.spawned.elapsed()));
        drop(server);
        let server = place.start(subject, &["--recover", "eager"])?;
        Http::connect(server.address)?.request("GET", "/", "")?;
        eager.push(millis(server.spawned.elapsed()));
        report.server_cpu(server.cpu()?.as_secs_f64());
    }
    if place.logged(&format!("rebuilt {} sessions", scale.left_sessions))? != 1 {
        return Err(Error::other("not all sessions were rebuilt"));
    }
    let each = format!("{} sessions of {LEFT_EVENTS} events", scale.left_sessions);
    let name = format!("killed with {each}, until all are rebuilt");
    report.add(Figure::new(name, "ms", Less, median(&mut eager)));
    let name = "... until the first page goes on, others later";
    report.add(Figure::new(name, "ms", Less, median(&mut lazy)));
    Ok(())
}

pub fn replay(subject: &Subject, scale: &Scale, report: &mut Report) -> io::Result<()> {
    let place = Place::new("counter", "")?;
    let recordings = place.0.join("recordings");
    let mut command = subject.command(&place.site());
    command.args(["--port", "0", "--state", "none", "--record"]);
    let server = Server::start(command.arg(&recordings).stderr(Stdio::null()))?;
    let mut http = Http::connect(server.address)?;
    let session = live_and_leave(&mut http, server.address, scale.replayed_actions)?;
    report.server_cpu(server.cpu()?.as_secs_f64());
    drop(server);
    let file = recordings.join(format!("{session}.lnt"));
    let mut samples = Vec::new();
    for _ in 0..WAKES {
        let started = Instant::now();
        let output = Command::new(&subject.binary)
            .arg("replay")
            .arg(&file)
            .output()?;
        let seconds = started.elapsed().as_secs_f64();
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            return Err(Error::other(said));
        }
        samples.push(scale.replayed_actions as f64 / seconds);
    }
    let rate = median(&mut samples);
    report.add(Figure::new("lunette replay, events", "1/s", More, rate));
    let bytes = fs::metadata(&file)?.len() as f64 / scale.replayed_actions as f64;
    report.add(Figure::new(
        "... of a recording, for each",
        "B",
        Less,
        bytes,
    ));
    Ok(())
}

/// A session of the counter site that counts up to `count`; then its page is left. Returns its id.
fn live_and_leave(http: &mut Http, address: SocketAddr, count: usize) -> io::Result<String> {
    let session = http
        .request("GET", "/", "")?
        .session_id()
        .ok_or_else(|| Error::other("GET / did not redirect"))?;
    let mut socket = Socket::attach(address, &session)?;
    socket.send(OPEN_COUNTER)?;
    receive_until(&mut socket, COUNT_ARRIVED)?;
    let mut sent = 0;
    while sent < count {
        let some = IN_FLIGHT.min(count - sent);
        for _ in 0..some {
            socket.send(ACTION)?;
        }
        sent += some;
        receive_until(&mut socket, &counted(sent))?;
    }
    socket.close()?;
    Ok(session)
}

/// Opens the page of a session of which it is known how far it has counted, and leaves it. Returns how long it
/// took until the page showed that, from the beginning of its connection, ms.
fn show(address: SocketAddr, session: &str, count: usize) -> io::Result<f64> {
    let started = Instant::now();
    let mut socket = Socket::attach(address, session)?;
    socket.send(OPEN_COUNTER)?;
    receive_until(&mut socket, &counted(count))?;
    let time = millis(started.elapsed());
    socket.close()?;
    Ok(time)
}

/// What a frame has that tells of this count.
fn counted(count: usize) -> String {
    format!("{COUNT_ARRIVED}\"value\":{count}")
}
