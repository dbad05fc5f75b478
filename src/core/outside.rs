//! What scripts ask of the machine they run on: files, the environment, commands and processes.
//!
//! Core performs nothing of it. A [`HostCall`] is answered at once by whoever is [`Outside`]: the
//! live server does what it says, a replay gives the answer that was recorded. A process runs beside
//! its session: [`ProcessAction`]s go out as effects, [`ProcessNews`] come in as events. Every call and
//! action has exactly one line of text, by which recordings compare it.

use std::collections::BTreeMap;
use std::fmt;

use super::carry::carry;
use super::id::{SessionId, VarId};
use super::upload::{UploadAction, UploadId};

/// What the site's configuration lets its Lua code do; nothing without being named.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grants {
    /// The library `io`, inside the granted directories.
    pub io: bool,
    /// `os.remove`, `os.rename`, `os.tmpname` and `os.getenv`.
    pub os: bool,
    /// `session:readFile` and `session:writeFile`.
    pub files: bool,
    /// `session:spawn`, of `commands`.
    pub spawn: bool,
    /// `os.execute` and `io.popen`, which stop the whole server while they run.
    pub blocking: bool,
    /// What `session:spawn` may start, exactly as it is written there.
    pub commands: Vec<Box<str>>,
}

/// How a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteMode {
    /// What was there before is gone.
    Truncate,
    /// Behind what is there.
    Append,
    /// As [`WriteMode::Truncate`], but whoever reads sees all of it or nothing, also after a crash.
    Replace,
}

/// Bytes of the largest file that is read or written: more is no file for a page, and a session's Lua
/// memory of 16 MiB has room for one of them.
pub const FILE_BYTES_MAX: usize = 8 << 20;

/// One question to the machine. Names and contents are bytes, as Lua's strings are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostCall {
    /// The whole content of a file.
    Read {
        path: Vec<u8>,
    },
    Write {
        path: Vec<u8>,
        mode: WriteMode,
        content: Vec<u8>,
    },
    /// A file or an empty directory.
    Remove {
        path: Vec<u8>,
    },
    Rename {
        from: Vec<u8>,
        to: Vec<u8>,
    },
    /// The name of a new, empty file.
    TempName,
    Environment {
        name: Vec<u8>,
    },
    /// A command line for the shell, run to its end.
    Run {
        command: Vec<u8>,
        input: Vec<u8>,
    },
    /// A part of a file that was uploaded.
    ReadUpload {
        upload: UploadId,
        offset: u64,
        length: u64,
    },
    /// Gives a file that was uploaded a place and a name.
    MoveUpload {
        upload: UploadId,
        to: Vec<u8>,
    },
}

impl HostCall {
    /// Whether it changes something outside, so that doing it twice is not the same as once.
    pub fn is_effectful(&self) -> bool {
        match self {
            HostCall::Read { .. } | HostCall::Environment { .. } | HostCall::ReadUpload { .. } => {
                false
            }
            HostCall::Write { .. }
            | HostCall::Remove { .. }
            | HostCall::Rename { .. }
            | HostCall::TempName
            | HostCall::Run { .. }
            | HostCall::MoveUpload { .. } => true,
        }
    }
}

/// What came of a [`HostCall`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostAnswer {
    /// It is done.
    Done,
    /// There is no such variable in the environment.
    Nothing,
    Bytes(Vec<u8>),
    /// The system's number of the error, and its text without a name in front.
    Failed {
        code: i32,
        text: String,
    },
    /// A command has ended; this is what it wrote to its standard output.
    Ran {
        output: Vec<u8>,
        exit: ProcessExit,
    },
}

impl HostAnswer {
    /// Bytes of content.
    pub fn len(&self) -> usize {
        match self {
            HostAnswer::Done | HostAnswer::Nothing => 0,
            HostAnswer::Bytes(bytes) | HostAnswer::Ran { output: bytes, .. } => bytes.len(),
            HostAnswer::Failed { text, .. } => text.len(),
        }
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Who answers calls.
pub trait Outside: fmt::Debug {
    /// Does what the call says and tells what came of it. Must not block for long: everybody waits.
    fn call(&mut self, session: SessionId, call: &HostCall) -> HostAnswer;
}

/// Where there is no outside: in tests and benches.
#[derive(Debug)]
pub struct Nowhere;

impl Outside for Nowhere {
    fn call(&mut self, _: SessionId, _: &HostCall) -> HostAnswer {
        let text = "there is nothing outside of this session".into();
        HostAnswer::Failed { code: 0, text }
    }
}

/// Names a process of one session: 1, 2, 3 in the order in which they were started.
pub type ProcessId = u64;

/// What shall happen to a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProcessAction {
    Spawn(SpawnOrder),
    /// To its standard input.
    Write(Vec<u8>),
    /// Ends its standard input.
    CloseInput,
    /// Asks it to end, and soon makes it.
    Kill,
}

/// A process to start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpawnOrder {
    pub command: Vec<u8>,
    pub arguments: Vec<Vec<u8>>,
    /// Killed after so many milliseconds; 0: never.
    pub timeout_ms: u64,
    /// Whether it has a standard input at all.
    pub input: bool,
}

/// Where a process wrote something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    Out,
    Err,
}

impl Stream {
    /// As Lua sees it.
    pub fn name(self) -> &'static str {
        match self {
            Stream::Out => "stdout",
            Stream::Err => "stderr",
        }
    }
}

/// What is heard of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProcessNews {
    /// Whole lines, each with its line feed; without one: a line that was cut, or the last one.
    Lines { stream: Stream, text: Vec<u8> },
    /// The last that is heard of it.
    Exited(ProcessExit),
}

/// How a process ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProcessExit {
    pub code: Option<i32>,
    pub signal: Option<i32>,
    /// It took too long.
    pub timeout: bool,
    /// The server ended before it; nobody knows what became of it.
    pub interrupted: bool,
    /// It could not be started or talked to.
    pub error: Option<String>,
}

/// Something that goes out of a session, in the order in which its script did it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outgoing {
    Called {
        /// The call's line.
        call: String,
        answer: HostAnswer,
        /// `file:line` of the code that made it; empty: not known.
        at: String,
    },
    Process {
        process: ProcessId,
        action: ProcessAction,
    },
    Upload {
        upload: UploadId,
        action: UploadAction,
    },
}

/// The processes of one session.
#[derive(Debug, Default)]
pub struct Processes {
    last: ProcessId,
    /// With the variable that was being computed when it was started: its errors are told there.
    running: BTreeMap<ProcessId, Option<VarId>>,
}

impl Processes {
    /// Vends the id of a new process.
    pub fn start(&mut self, started_by: Option<VarId>) -> ProcessId {
        self.last += 1;
        self.running.insert(self.last, started_by);
        self.last
    }

    /// Whether its end has not been heard of.
    pub fn is_running(&self, process: ProcessId) -> bool {
        self.running.contains_key(&process)
    }

    /// The variable that started it; `None`: no such process runs.
    pub fn started_by(&self, process: ProcessId) -> Option<Option<VarId>> {
        self.running.get(&process).copied()
    }

    /// Its end was heard of.
    pub fn end(&mut self, process: ProcessId) {
        self.running.remove(&process);
    }

    /// Those whose end has not been heard of, in the order in which they were started.
    pub fn ids(&self) -> impl Iterator<Item = ProcessId> {
        self.running.keys().copied()
    }

    /// How many run.
    pub fn len(&self) -> usize {
        self.running.len()
    }

    /// Whether none runs.
    pub fn is_empty(&self) -> bool {
        self.running.is_empty()
    }
}

impl WriteMode {
    fn verb(self) -> &'static str {
        match self {
            WriteMode::Truncate => "write",
            WriteMode::Append => "append",
            WriteMode::Replace => "replace",
        }
    }
}

/// Bytes as text between quotes: two different names never look alike.
struct Quoted<'a>(&'a [u8]);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.escape_ascii())
    }
}

/// A content by its length and checksum: it comes out of the script again in every replay.
struct Content<'a>(&'a [u8]);

impl fmt::Display for Content<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes {:08x}", self.0.len(), crc32c::crc32c(self.0))
    }
}

impl fmt::Display for HostCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HostCall::Read { path } => write!(f, "read {}", Quoted(path)),
            HostCall::Write {
                path,
                mode,
                content,
            } => write!(f, "{} {} {}", mode.verb(), Quoted(path), Content(content)),
            HostCall::Remove { path } => write!(f, "remove {}", Quoted(path)),
            HostCall::Rename { from, to } => {
                write!(f, "rename {} to {}", Quoted(from), Quoted(to))
            }
            HostCall::TempName => f.write_str("make a temporary file"),
            HostCall::Environment { name } => write!(f, "getenv {}", Quoted(name)),
            HostCall::Run { command, input } => {
                write!(f, "run {} with {}", Quoted(command), Content(input))
            }
            HostCall::ReadUpload {
                upload,
                offset,
                length,
            } => write!(
                f,
                "read upload {upload} from {offset}, at most {length} bytes"
            ),
            HostCall::MoveUpload { upload, to } => {
                write!(f, "move upload {upload} to {}", Quoted(to))
            }
        }
    }
}

impl fmt::Display for ProcessAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ProcessAction::Spawn(order) => {
                write!(f, "spawn {}", Quoted(&order.command))?;
                for argument in &order.arguments {
                    write!(f, " {}", Quoted(argument))?;
                }
                if !order.input {
                    f.write_str(" without input")?;
                }
                match order.timeout_ms {
                    0 => Ok(()),
                    ms => write!(f, " for at most {ms} ms"),
                }
            }
            ProcessAction::Write(bytes) => write!(f, "write {}", Content(bytes)),
            ProcessAction::CloseInput => f.write_str("close input"),
            ProcessAction::Kill => f.write_str("kill"),
        }
    }
}

impl fmt::Display for UploadAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            UploadAction::Open { size, .. } => write!(f, "take in {size} bytes"),
            UploadAction::Drop => f.write_str("drop"),
        }
    }
}

impl fmt::Display for ProcessExit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        parts.extend(self.code.map(|code| format!("code {code}")));
        parts.extend(self.signal.map(|signal| format!("signal {signal}")));
        parts.extend(self.timeout.then(|| "timeout".to_owned()));
        parts.extend(self.interrupted.then(|| "interrupted".to_owned()));
        parts.extend(self.error.as_ref().map(|error| format!("{error:?}")));
        f.write_str(&parts.join(", "))
    }
}

carry!(struct Processes { last, running });
