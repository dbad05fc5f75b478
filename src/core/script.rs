//! What core asks of a language.

use super::carry::carry;
use super::change::Changes;
use super::host::Host;
use super::id::{SessionId, TimerId};
use super::message::Json;
use super::outside::{ProcessExit, ProcessId, Stream};
use super::path::Path;
use super::peek::{Key, Object, Root};
use super::upload::Received;
use super::variable::Slot;
use super::watch::WatchHandle;

/// The kinds of error a frontend hears of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorCode {
    /// The path leads nowhere.
    PathFailure,
    /// No such variable.
    NotFound,
    /// Reading what can only be written, writing what can only be read, or no such access.
    BadAccess,
    /// The message could not be understood.
    BadMessage,
    /// Lua code raised an error.
    LuaError,
    /// A quota was used up.
    Limit,
    /// Not allowed for frontends on this server.
    Unauthorized,
    /// A setter or action refused what was given.
    Invalid,
    /// The value cannot be shown as it is: NaN, bad UTF-8, nested too deep.
    BadValue,
}

/// An error to tell the user and the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptError {
    pub code: ErrorCode,
    /// One line, `file:line: message` where it came from Lua.
    pub message: String,
    /// For the log.
    pub traceback: Option<String>,
    /// Texts for single fields of the object whose method refused what was given; then `message`
    /// is for those that no variable shows.
    pub fields: Vec<(Box<str>, Box<str>)>,
}

impl ScriptError {
    /// An error without a traceback.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> ScriptError {
        ScriptError {
            code,
            message: message.into(),
            traceback: None,
            fields: Vec::new(),
        }
    }
}

/// Makes scripts: what the seed calls LuaRuntime. A clone makes the same and shares what scripts share.
pub trait Runtime: Clone {
    type Script: Script;

    /// A fresh script for a session. Runs nothing yet. What it needs of its site, seed and limits
    /// is in `host`.
    ///
    /// # Errors
    /// When there is no memory for one.
    fn create_session(
        &mut self,
        id: SessionId,
        host: &mut Host,
    ) -> Result<Self::Script, ScriptError>;

    /// The script that [`Script::freeze`] wrote down as `image`. `host` is as it was then.
    ///
    /// # Errors
    /// Why it cannot be had, in words for the log: another build made it, or it is damaged.
    fn thaw(
        &mut self,
        id: SessionId,
        host: &mut Host,
        image: &[u8],
    ) -> Result<Self::Script, String>;

    /// An image that another process made is to be thawed some day: what it claims ([`Script::claim`]) is kept
    /// for it. To be called before the first session is made.
    ///
    /// # Errors
    /// When it can never be thawed here, in words for the log.
    fn keep(&self, claim: &[u8]) -> Result<(), String> {
        let _ = claim;
        Ok(())
    }

    /// The image with this claim is thrown away.
    fn forget(&self, claim: &[u8]) {
        let _ = claim;
    }
}

/// One session's code and objects: what the seed calls LuaSession.
///
/// Each method lends the session's [`Host`] for the call. Effects of API calls made by the script
/// are in the host when the method returns, also when it returns an error.
pub trait Script {
    /// A new event begins: its gas is counted from here. One message, timer or pass of detection
    /// may use `gas`, all messages together a small multiple of it.
    fn begin_event(&mut self, gas: u64);

    /// From here to [`Script::end_detection`] gas is taken from what is set aside for detection.
    fn begin_detection(&mut self);

    /// See [`Script::begin_detection`].
    fn end_detection(&mut self);

    /// Whether something of this event was cut because its gas was used up.
    fn is_exhausted(&self) -> bool;

    /// Runs `main.lua`: the notice that a session started.
    fn start(&mut self, host: &mut Host) -> Result<(), ScriptError>;

    /// Runs what property `lua` of variable 1 was set to: a file of the site's `lua/` if it ends in
    /// `.lua`, else a chunk.
    fn run_code(&mut self, host: &mut Host, code: &str) -> Result<(), ScriptError>;

    /// The site of the host is another now: what has run of the files at `paths` runs again. Returns
    /// what went wrong; `None`: no code of this session was concerned.
    fn reload(&mut self, host: &mut Host, paths: &[Box<str>]) -> Option<Vec<ScriptError>>;

    /// Prepares a new variable with this path: its `wrapper` and `create` properties are in the store.
    /// `value` is what an unbound variable holds.
    fn bind(
        &mut self,
        host: &mut Host,
        slot: Slot,
        path: Path,
        value: Option<&Json>,
    ) -> Result<(), ScriptError>;

    /// The variable is gone; drop what was kept for it.
    fn unbind(&mut self, host: &mut Host, slot: Slot);

    /// Reads every variable of `order` and reports those that differ from last time.
    fn detect(&mut self, host: &mut Host, order: &[Slot], changes: &mut Changes);

    /// Appends the JSON of the value that was last read.
    fn encode(&mut self, slot: Slot, out: &mut Vec<u8>);

    /// Writes `value` through the variable's path; calls it for an action.
    fn write(&mut self, host: &mut Host, slot: Slot, value: &Json) -> Result<(), ScriptError>;

    /// Calls the variable's method with a file that was uploaded.
    fn receive_file(
        &mut self,
        host: &mut Host,
        slot: Slot,
        file: &Received,
    ) -> Result<(), ScriptError>;

    /// Calls the function of a timer and forgets it unless `keep`.
    fn fire(&mut self, host: &mut Host, timer: TimerId, keep: bool) -> Result<(), ScriptError>;

    /// Calls the function of a watch with a property's text, or with the variable's value.
    fn notify(
        &mut self,
        host: &mut Host,
        watch: WatchHandle,
        value: WatchedValue<'_>,
    ) -> Result<(), ScriptError>;

    /// Calls a function that makes the next piece of a download; `None`: there is no more.
    fn next_piece(
        &mut self,
        host: &mut Host,
        maker: WatchHandle,
    ) -> Result<Option<Vec<u8>>, ScriptError>;

    /// Calls the function that saves the app, and returns what it gave as JSON.
    fn save(&mut self, host: &mut Host, saver: WatchHandle) -> Result<Box<str>, ScriptError>;

    /// The watch has ended; drop its function.
    fn forget_watch(&mut self, host: &mut Host, watch: WatchHandle);

    /// Tells what a process wrote or how it ended; after its end its functions are dropped.
    fn tell_process(
        &mut self,
        host: &mut Host,
        process: ProcessId,
        news: ToldOfProcess<'_>,
    ) -> Result<(), ScriptError>;

    /// Appends `[{"obj":N,"value":{...}},...]` for those of `numbers` that are known and returns
    /// the rest.
    fn objects(&mut self, host: &mut Host, numbers: &[u64], out: &mut Vec<u8>) -> Vec<u64>;

    /// The object to which `path` leads from `root`, with at most so many fields. Leaves no trace: see
    /// [`super::peek`]. A language without objects has none.
    fn object_at(&mut self, _: &Host, _: Root, _path: &[Key], _most: usize) -> Option<Object> {
        None
    }

    /// Bytes of memory the script uses now.
    fn memory_used(&self) -> usize;

    /// Bytes that it takes of the machine: what it uses, what lies unused between that, and its records.
    fn memory_held(&self) -> usize {
        self.memory_used()
    }

    /// Gives back to the system what can be given back at once. What comes of later events does not depend on it.
    fn give_back(&mut self) {}

    /// Gas it has used since it was made.
    fn gas_used(&self) -> u64;

    /// Appends all of the script, for [`Runtime::thaw`] to make it again between two events: what
    /// comes of every later event is the same for both.
    ///
    /// # Errors
    /// What cannot be carried, in words for the log; `out` is of no use then.
    fn freeze(&mut self, out: &mut Vec<u8>) -> Result<(), String>;

    /// What an image of the script needs of the process that thaws it, in a few bytes.
    fn claim(&self) -> Vec<u8> {
        Vec::new()
    }
}

/// What a watch is told.
#[derive(Clone, Copy, Debug)]
pub enum WatchedValue<'a> {
    /// The text of the property.
    Property(&'a str),
    /// The present value of this variable.
    Variable(Slot),
    /// A message of a topic, as JSON.
    Message { topic: &'a str, value: &'a str },
}

/// What a script is told of a process.
#[derive(Clone, Copy, Debug)]
pub enum ToldOfProcess<'a> {
    /// One line, without its line feed.
    Line {
        stream: Stream,
        line: &'a [u8],
    },
    Exit(&'a ProcessExit),
}

carry!(struct ScriptError { code, message, traceback, fields });
carry!(enum ErrorCode {
    0 => PathFailure,
    1 => NotFound,
    2 => BadAccess,
    3 => BadMessage,
    4 => LuaError,
    5 => Limit,
    6 => Unauthorized,
    7 => Invalid,
    8 => BadValue,
});
