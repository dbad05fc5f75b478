//! Processes of sessions: started, read, fed and ended from the poll loop, which never waits for one.
//!
//! A process has up to four descriptors in the poll: its input, its output, its errors, and one that
//! tells its end. One chunk of each is read a turn and handled in the same turn; the rest waits in the
//! pipe, and when that is full, the process waits: nothing gathers here however much it writes. Its end
//! is told after its last line.

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::process::{Child, Stdio};

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use rustix::process::Signal;
use slab::Slab;

use super::command::{program, reap, signal, unblock, watch};
use super::inbox::{Inbox, Input};
use crate::core::id::{SessionId, Timestamp};
use crate::core::outside::{
    ProcessAction, ProcessExit, ProcessId, ProcessNews, SpawnOrder, Stream,
};

/// Tokens from here on belong to processes: four each, in the order of the constants below. No server
/// has that many peers.
pub const FIRST_TOKEN: usize = 1 << (usize::BITS - 2);
const INPUT: usize = 0;
const OUTPUT: usize = 1;
const ERRORS: usize = 2;
const END: usize = 3;
const TOKENS: usize = 4;

/// On the whole server; four descriptors each.
pub const PROCESSES_MAX: usize = 128;
/// Read from one pipe in a turn: some hundred lines, which is what one event should handle.
const CHUNK_BYTES: usize = 16 << 10;
/// A longer line comes in pieces: whoever needs such lines needs no lines.
const LINE_MAX: usize = 64 << 10;
/// Waiting for a process that does not read its input. Four times what it can be given at once.
const INPUT_WAITING_MAX: usize = 4 << 20;
/// From being asked to end to being killed.
const GRACE_MS: u64 = 2_000;

/// Output or errors.
#[derive(Debug, Default)]
struct Pipe {
    /// `None`: it has ended.
    file: Option<File>,
    readable: bool,
    /// The beginning of a line.
    line: Vec<u8>,
}

#[derive(Debug)]
struct Running {
    /// `None`: the session is gone, and nobody hears of the rest.
    session: Option<SessionId>,
    process: ProcessId,
    child: Child,
    end: OwnedFd,
    input: Option<File>,
    waiting: VecDeque<u8>,
    /// The input ends behind what waits.
    close: bool,
    pipes: [Pipe; 2],
    /// When it is told to end, and whether it has been.
    deadline: Option<Timestamp>,
    asked: bool,
    timeout: bool,
    error: Option<String>,
    exit: Option<ProcessExit>,
    queued: bool,
}

/// All of a server.
#[derive(Debug)]
pub struct Processes {
    base: PathBuf,
    running: Slab<Running>,
    by_id: BTreeMap<(SessionId, ProcessId), usize>,
    /// Those with something to read.
    ready: VecDeque<usize>,
    /// Ends of processes that never began.
    failed: Vec<(SessionId, ProcessId, ProcessExit)>,
    chunk: Vec<u8>,
    /// The server stops: no more are started.
    stopping: bool,
}

impl Processes {
    /// None yet; they will run in `base`.
    pub fn new(base: PathBuf) -> Processes {
        Processes {
            base,
            running: Slab::new(),
            by_id: BTreeMap::new(),
            ready: VecDeque::new(),
            failed: Vec::new(),
            chunk: Vec::new(),
            stopping: false,
        }
    }

    /// Whether none is left, also of sessions that are gone.
    pub fn is_empty(&self) -> bool {
        self.running.is_empty()
    }

    /// Whether the next turn has something to do here at once.
    pub fn has_work(&self) -> bool {
        !(self.ready.is_empty() && self.failed.is_empty())
    }

    /// When one is to be asked to end, or killed.
    pub fn next_due(&self) -> Option<Timestamp> {
        let deadlines = self
            .running
            .iter()
            .filter_map(|(_, running)| running.deadline);
        deadlines.min()
    }

    /// Does what a session wants of a process. Of one that is gone, it wants nothing.
    pub fn act(
        &mut self,
        session: SessionId,
        process: ProcessId,
        action: ProcessAction,
        now: Timestamp,
        registry: &Registry,
    ) {
        if let ProcessAction::Spawn(order) = action {
            if let Err(error) = self.spawn(session, process, &order, now, registry) {
                let command = String::from_utf8_lossy(&order.command);
                let exit = ProcessExit {
                    error: Some(format!("{command}: {}", without_number(&error))),
                    ..ProcessExit::default()
                };
                self.failed.push((session, process, exit));
            }
            return;
        }
        let Some(&key) = self.by_id.get(&(session, process)) else {
            return;
        };
        let running = &mut self.running[key];
        match action {
            ProcessAction::Spawn(_) => {}
            ProcessAction::Write(bytes) => running.give(&bytes, now),
            ProcessAction::CloseInput => {
                running.close = true;
                running.feed();
            }
            ProcessAction::Kill => running.ask_to_end(now),
        }
    }

    fn spawn(
        &mut self,
        session: SessionId,
        process: ProcessId,
        order: &SpawnOrder,
        now: Timestamp,
        registry: &Registry,
    ) -> io::Result<()> {
        if self.stopping {
            return Err(io::Error::other("the server stops"));
        }
        if self.running.len() >= PROCESSES_MAX {
            let text = format!("{PROCESSES_MAX} processes run, the most this server has");
            return Err(io::Error::other(text));
        }
        let mut command = program(&order.command, &self.base);
        for argument in &order.arguments {
            command.arg(std::ffi::OsStr::from_bytes(argument));
        }
        let input = match order.input {
            true => Stdio::piped(),
            false => Stdio::null(),
        };
        command
            .stdin(input)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn()?;
        let end = match watch(&child) {
            Ok(end) => end,
            Err(error) => {
                reap(&mut child);
                return Err(error);
            }
        };
        let file = |fd: Option<OwnedFd>| fd.map(File::from);
        let output = file(child.stdout.take().map(OwnedFd::from));
        let errors = file(child.stderr.take().map(OwnedFd::from));
        let pipe = |file| Pipe {
            file,
            ..Pipe::default()
        };
        let running = Running {
            session: Some(session),
            process,
            input: file(child.stdin.take().map(OwnedFd::from)),
            child,
            end,
            waiting: VecDeque::new(),
            close: false,
            pipes: [pipe(output), pipe(errors)],
            deadline: (order.timeout_ms > 0).then(|| now + order.timeout_ms),
            asked: false,
            timeout: false,
            error: None,
            exit: None,
            queued: false,
        };
        let key = self.running.insert(running);
        if let Err(error) = self.running[key].register(key, registry) {
            let mut running = self.running.remove(key);
            reap(&mut running.child);
            return Err(error);
        }
        self.by_id.insert((session, process), key);
        Ok(())
    }

    /// The poll has something for one of the tokens from [`FIRST_TOKEN`] on.
    pub fn wake(&mut self, token: Token) {
        let place = token.0 - FIRST_TOKEN;
        let key = place / TOKENS;
        let Some(running) = self.running.get_mut(key) else {
            return;
        };
        match place % TOKENS {
            INPUT => running.feed(),
            OUTPUT => running.pipes[0].readable = true,
            ERRORS => running.pipes[1].readable = true,
            _ => running.has_ended(),
        }
        self.queue(key);
    }

    fn queue(&mut self, key: usize) {
        let running = &mut self.running[key];
        if running.has_news() && !running.queued {
            running.queued = true;
            self.ready.push_back(key);
        }
    }

    /// Takes a chunk of each that has something, and the ends.
    pub fn read(&mut self, now: Timestamp, inbox: &mut Inbox) {
        self.end_overdue(now);
        for (session, process, exit) in self.failed.drain(..) {
            let news = ProcessNews::Exited(exit);
            inbox.push(session, Input::Process(process, news));
        }
        for _ in 0..self.ready.len() {
            let Some(key) = self.ready.pop_front() else {
                break;
            };
            let running = &mut self.running[key];
            running.queued = false;
            self.chunk.resize(CHUNK_BYTES, 0);
            for (pipe, stream) in [(0, Stream::Out), (1, Stream::Err)] {
                running.read(pipe, stream, &mut self.chunk, inbox);
            }
            if running.is_over() {
                self.finish(key, inbox);
            } else {
                self.queue(key);
            }
        }
        if self.running.is_empty() {
            self.chunk = Vec::new();
        }
    }

    fn finish(&mut self, key: usize, inbox: &mut Inbox) {
        let mut running = self.running.remove(key);
        let Some(session) = running.session else {
            return;
        };
        self.by_id.remove(&(session, running.process));
        let mut exit = running.exit.take().unwrap_or_default();
        exit.timeout = running.timeout;
        exit.error = exit.error.or(running.error);
        let news = ProcessNews::Exited(exit);
        inbox.push(session, Input::Process(running.process, news));
    }

    fn end_overdue(&mut self, now: Timestamp) {
        for (_, running) in &mut self.running {
            if running.deadline.is_some_and(|deadline| deadline <= now) {
                if running.asked {
                    running.deadline = None;
                    running.signal(Signal::KILL);
                } else {
                    running.timeout = true;
                    running.ask_to_end(now);
                }
            }
        }
    }

    /// The session is gone: so shall be its processes.
    pub fn end_session(&mut self, session: SessionId, now: Timestamp) {
        let range = (session, 0)..=(session, ProcessId::MAX);
        let gone: Vec<_> = self
            .by_id
            .range(range)
            .map(|(&id, &key)| (id, key))
            .collect();
        for (id, key) in gone {
            self.by_id.remove(&id);
            let running = &mut self.running[key];
            running.session = None;
            running.ask_to_end(now);
        }
    }

    /// The server stops: all are asked to end.
    pub fn end_all(&mut self, now: Timestamp) {
        self.stopping = true;
        for (_, running) in &mut self.running {
            running.ask_to_end(now);
        }
    }
}

impl Drop for Processes {
    fn drop(&mut self) {
        for (_, running) in &mut self.running {
            running.signal(Signal::KILL);
            // Gone in a moment, or stuck in the kernel: that is not waited for.
            let _ = running.child.try_wait();
        }
    }
}

impl Running {
    fn register(&mut self, key: usize, registry: &Registry) -> io::Result<()> {
        let token = |which| Token(FIRST_TOKEN + key * TOKENS + which);
        let watch = |fd: i32, which, interest| {
            registry.register(&mut SourceFd(&fd), token(which), interest)
        };
        if let Some(input) = &self.input {
            unblock(input)?;
            watch(input.as_raw_fd(), INPUT, Interest::WRITABLE)?;
        }
        for (pipe, which) in self.pipes.iter().zip([OUTPUT, ERRORS]) {
            if let Some(file) = &pipe.file {
                unblock(file)?;
                watch(file.as_raw_fd(), which, Interest::READABLE)?;
            }
        }
        watch(self.end.as_raw_fd(), END, Interest::READABLE)
    }

    /// Signals it and all it started, while there is somebody to signal.
    fn signal(&self, which: Signal) {
        if self.exit.is_none() {
            signal(&self.child, which);
        }
    }

    fn ask_to_end(&mut self, now: Timestamp) {
        if !self.asked && self.exit.is_none() {
            self.asked = true;
            self.deadline = Some(now + GRACE_MS);
            self.signal(Signal::TERM);
        }
    }

    fn give(&mut self, bytes: &[u8], now: Timestamp) {
        if self.close || self.input.is_none() {
            return;
        }
        if self.waiting.len() + bytes.len() > INPUT_WAITING_MAX {
            let text = format!("does not read its input: {INPUT_WAITING_MAX} bytes wait for it");
            self.error.get_or_insert(text);
            self.ask_to_end(now);
            return;
        }
        self.waiting.extend(bytes);
        self.feed();
    }

    /// Writes what the process takes. When it reads no more, there is nothing to say to it.
    fn feed(&mut self) {
        while let Some(input) = &mut self.input {
            let (first, _) = self.waiting.as_slices();
            if first.is_empty() {
                if self.close {
                    self.input = None;
                }
                break;
            }
            match input.write(first) {
                Ok(count) => {
                    self.waiting.drain(..count);
                }
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => return,
                    io::ErrorKind::Interrupted => {}
                    _ => {
                        self.input = None;
                        self.waiting.clear();
                    }
                },
            }
        }
        if self.waiting.is_empty() {
            self.waiting = VecDeque::new();
        }
    }

    /// It has ended. What it started and left behind is ended with it; what they wrote is still there.
    fn has_ended(&mut self) {
        if self.exit.is_some() {
            return;
        }
        self.exit = Some(reap(&mut self.child));
        self.deadline = None;
        self.input = None;
        for pipe in &mut self.pipes {
            pipe.readable = true;
        }
    }

    fn has_news(&self) -> bool {
        self.is_over() || self.pipes.iter().any(Pipe::has_news)
    }

    fn is_over(&self) -> bool {
        self.exit.is_some() && !self.pipes.iter().any(Pipe::has_news)
    }

    /// Reads a chunk and hands on the lines that are whole.
    fn read(&mut self, which: usize, stream: Stream, chunk: &mut [u8], inbox: &mut Inbox) {
        let pipe = &mut self.pipes[which];
        if !pipe.has_news() {
            return;
        }
        pipe.read(chunk);
        let last = pipe.file.is_none() || self.exit.is_some() && !pipe.readable;
        let text = pipe.take_lines(last);
        if let Some(session) = self.session
            && !text.is_empty()
        {
            let news = ProcessNews::Lines { stream, text };
            inbox.push(session, Input::Process(self.process, news));
        }
    }
}

impl Pipe {
    fn has_news(&self) -> bool {
        self.readable && self.file.is_some()
    }

    fn read(&mut self, chunk: &mut [u8]) {
        let Some(file) = &mut self.file else {
            return;
        };
        match file.read(chunk) {
            Ok(0) => self.file = None,
            Ok(count) => self.line.extend_from_slice(&chunk[..count]),
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock => self.readable = false,
                io::ErrorKind::Interrupted => {}
                _ => self.file = None,
            },
        }
    }

    /// The lines that are whole, and the rest if nothing more will come or it is too long for a line.
    fn take_lines(&mut self, last: bool) -> Vec<u8> {
        let whole = match self.line.iter().rposition(|&byte| byte == b'\n') {
            _ if last => self.line.len(),
            Some(end) => end + 1,
            None if self.line.len() >= LINE_MAX => self.line.len(),
            None => return Vec::new(),
        };
        let rest = self.line.split_off(whole);
        std::mem::replace(&mut self.line, rest)
    }
}

fn without_number(error: &io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error ") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}
