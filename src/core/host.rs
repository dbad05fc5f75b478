//! What a script can reach of its session while it runs.

use std::collections::VecDeque;

use super::event::Turn;
use super::id::{APP, SessionId, VarId};
use super::limits::SessionLimits;
use super::property::{PROPERTIES_MAX, Priority};
use super::runs::FileRuns;
use super::script::{ErrorCode, ScriptError};
use super::site::Site;
use super::timer::Timers;
use super::variable::{Fault, Slot, VariableStore};
use super::watch::WatchManager;

/// Work that API calls leave for core, done when the script has returned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Work {
    /// Property `lua` of variable 1 was set.
    RunCode(String),
    /// Tell the watches of this property.
    PropertySet { var: VarId, name: Box<str> },
    /// Views shall be sent the viewdefs of this type again when they next show it.
    ForgetViewdefs(Box<str>),
}

/// Bytes that one event may log, and one line: enough for tracebacks, too little to fill a disk by
/// a single click.
const LOG_MAX: usize = 256 << 10;
const LINE_MAX: usize = 16 << 10;
/// Work that one call may leave behind.
pub const WORK_MAX: usize = 1_000;

/// Lent to the script for each call. Callbacks from Lua borrow it for one statement and never
/// across a call into Lua; what they do is visible at once to the code that did it.
#[derive(Debug)]
pub struct Host {
    pub session: SessionId,
    pub seed: u64,
    /// The address the session was opened at: path and query, at least `/`.
    pub url: Box<str>,
    pub turn: Turn,
    pub site: Site,
    pub limits: SessionLimits,
    pub vars: VariableStore,
    pub watches: WatchManager,
    pub timers: Timers,
    /// The files of code that have run.
    pub files: FileRuns,
    /// Lines for the log: level and text.
    pub logs: Vec<(u8, String)>,
    /// Bytes that the present event has logged.
    pub logged: usize,
    pub work: VecDeque<Work>,
    /// The variable being read or written right now.
    pub current: Option<Slot>,
    /// Lines above this level are not even written down.
    pub verbosity: u8,
}

impl Host {
    /// What a session starts with.
    pub fn new(
        session: SessionId,
        seed: u64,
        turn: Turn,
        site: Site,
        limits: SessionLimits,
    ) -> Host {
        Host {
            session,
            seed,
            url: "/".into(),
            turn,
            site,
            vars: VariableStore::default(),
            watches: WatchManager::default(),
            timers: Timers::default(),
            files: FileRuns::default(),
            logs: Vec::new(),
            logged: 0,
            work: VecDeque::new(),
            current: None,
            verbosity: 0,
            limits,
        }
    }

    /// Leaves a line for the log.
    pub fn log(&mut self, level: u8, text: std::fmt::Arguments<'_>) {
        if level > self.verbosity {
            return;
        }
        if self.logged > LOG_MAX {
            self.logged += 1;
            return;
        }
        let mut text = text.to_string();
        if text.len() > LINE_MAX {
            let cut = (0..=LINE_MAX).rev().find(|&at| text.is_char_boundary(at));
            text.truncate(cut.unwrap_or(0));
            text.push_str(" ...");
        }
        self.logged += text.len() + 1;
        self.logs.push((level, text));
        if self.logged > LOG_MAX {
            let text = "the rest of what this event logs is dropped: it is too much";
            self.logs.push((0, text.into()));
        }
    }

    /// What views are told of an error: with `--dev` also where it came from.
    pub fn fault(&self, error: &ScriptError) -> Fault {
        let detail = self.limits.dev.then(|| self.site.explain(error));
        Fault {
            code: error.code,
            message: error.message.clone(),
            detail: detail.flatten(),
            by: None,
        }
    }

    /// Sets a property as the server's doing: views are told and watches notified. `name` may end in
    /// `:high`, `:med` or `:low`.
    ///
    /// # Errors
    /// When the properties of this session would take more than they may.
    pub fn set_property(&mut self, slot: Slot, name: &str, value: &str) -> Result<(), ScriptError> {
        let (name, priority) = Priority::split_name(name);
        self.check_room(slot, name, value)?;
        if self.work.len() >= WORK_MAX {
            let text = "too many properties that are watched were set by one event";
            return Err(ScriptError::new(ErrorCode::Limit, text));
        }
        let Some(id) = self.vars.get(slot).map(|v| v.id) else {
            return Ok(());
        };
        self.vars.set_property(slot, name, value, Some(priority));
        if id == APP && name == "lua" {
            self.work.push_back(Work::RunCode(value.into()));
        }
        if self.watches.watches_property(id, name) {
            let name = name.into();
            self.work.push_back(Work::PropertySet { var: id, name });
        }
        Ok(())
    }

    /// Tells the views the type name of what a variable shows. Always possible: the names of types
    /// are Lua's memory, and there is one a variable.
    pub fn set_type(&mut self, slot: Slot, name: &str) {
        self.vars.set_property(slot, "type", name, Some(None));
    }

    /// Whether a property may be set to this.
    ///
    /// # Errors
    /// When it may not.
    pub fn check_room(&self, slot: Slot, name: &str, value: &str) -> Result<(), ScriptError> {
        let Some(variable) = self.vars.get(slot) else {
            return Ok(());
        };
        if !value.is_empty() && !variable.properties.has_room(name) {
            return Err(ScriptError::new(ErrorCode::Limit, too_many_properties()));
        }
        self.check_growth(variable.properties.growth(name, value))
    }

    /// Whether the properties of this session may grow by so many bytes.
    ///
    /// # Errors
    /// When they may not.
    pub fn check_growth(&self, growth: isize) -> Result<(), ScriptError> {
        let most = self.limits.property_bytes;
        if growth <= 0 || self.vars.property_bytes().saturating_add_signed(growth) <= most {
            return Ok(());
        }
        let text = format!("the properties of this session take {most} bytes, the most they may");
        Err(ScriptError::new(ErrorCode::Limit, text))
    }
}

/// What is said of one property more than a variable may have.
pub(crate) fn too_many_properties() -> String {
    format!("a variable has at most {PROPERTIES_MAX} properties")
}
