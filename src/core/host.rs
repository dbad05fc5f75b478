//! What a script can reach of its session while it runs.

use std::collections::VecDeque;

use super::carry::carry;
use super::deed::Deed;
use super::download::{Downloads, Secret};
use super::event::{Opening, Turn};
use super::id::{APP, SessionId, VarId};
use super::limits::{SessionLimits, TOKENS_TELL_NOTHING};
use super::outside::{
    FILE_BYTES_MAX, HostAnswer, HostCall, Nowhere, Outgoing, Outside, ProcessAction, ProcessId,
    Processes,
};
use super::path::PathError;
use super::property::{PROPERTIES_MAX, Priority};
use super::runs::FileRuns;
use super::script::{ErrorCode, ScriptError};
use super::site::Site;
use super::timer::Timers;
use super::topic::TopicNews;
use super::upload::{UploadAction, UploadId, Uploads};
use super::variable::{Fault, Slot, VariableStore};
use super::watch::{WatchHandle, WatchManager, Watched};

/// Work that API calls leave for core, done when the script has returned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Work {
    /// Property `lua` of variable 1 was set.
    RunCode(String),
    /// The operator whose message is being handled has set it.
    RunOperatorsCode(String),
    /// Tell the watches of this property.
    PropertySet { var: VarId, name: Box<str> },
    /// Put this address into the browser's, as a new entry of its history or in place of the last.
    Navigate { url: Box<str>, replace: bool },
    /// Show the user a text for a moment.
    Notify { text: Box<str>, kind: NoticeKind },
    /// Views shall be sent the viewdefs of this type again when they next show it.
    ForgetViewdefs(Box<str>),
}

/// What a notice is about; how it looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NoticeKind {
    #[default]
    Info,
    Success,
    Warning,
    Error,
}

impl NoticeKind {
    /// The kinds and their names.
    pub const NAMES: [(&str, NoticeKind); 4] = [
        ("info", NoticeKind::Info),
        ("success", NoticeKind::Success),
        ("warning", NoticeKind::Warning),
        ("error", NoticeKind::Error),
    ];
}

/// Bytes that one event may publish, and the messages.
const PUBLISHED_MAX: usize = 1_000;
const PUBLISHED_BYTES_MAX: usize = 4 << 20;
/// Remarks of `diag` on one variable, and bytes of one.
const REMARKS_MAX: usize = 20;
const REMARK_BYTES_MAX: usize = 1_000;

/// Bytes that one event may log, and one line: enough for tracebacks, too little to fill a disk by
/// a single click.
const LOG_MAX: usize = 256 << 10;
const LINE_MAX: usize = 16 << 10;
/// Bytes that one event may read and give to processes: four of the largest files.
const OUTGOING_MAX: usize = 4 * FILE_BYTES_MAX;
/// Work that one call may leave behind.
pub const WORK_MAX: usize = 1_000;

/// Lent to the script for each call. Callbacks from Lua borrow it for one statement and never
/// across a call into Lua; what they do is visible at once to the code that did it.
#[derive(Debug)]
pub struct Host {
    pub session: SessionId,
    /// How the session began. `url` is kept up to date with what the browsers show.
    pub opening: Opening,
    pub turn: Turn,
    pub site: Site,
    pub limits: SessionLimits,
    pub vars: VariableStore,
    pub watches: WatchManager,
    pub timers: Timers,
    pub processes: Processes,
    /// Lent for the event that runs.
    pub outside: Option<Box<dyn Outside>>,
    /// What the script did outside, in order.
    pub outgoing: Vec<Outgoing>,
    /// Bytes of answers and input in there.
    pub outgoing_bytes: usize,
    /// The files of code that have run.
    pub files: FileRuns,
    /// Lines for the log: level and text.
    pub logs: Vec<(u8, String)>,
    /// Bytes that the present event has logged.
    pub logged: usize,
    pub work: VecDeque<Work>,
    /// What was published, subscribed to and let go of, for the manager to take.
    pub topic_news: Vec<TopicNews>,
    pub downloads: Downloads,
    pub uploads: Uploads,
    /// Keeps the function that `session:checkpoint` was given.
    pub saver: Option<WatchHandle>,
    /// Counts events: what `diag` said in an earlier one is old.
    pub event: u64,
    /// The variable being read or written right now.
    pub current: Option<Slot>,
    /// Lines above this level are not even written down.
    pub verbosity: u8,
    /// Somebody wants to know what pages do.
    pub audited: bool,
    /// What they did in the present event.
    pub deeds: Vec<Deed>,
}

impl Host {
    /// What a session starts with.
    pub fn new(
        session: SessionId,
        opening: Opening,
        turn: Turn,
        site: Site,
        limits: SessionLimits,
    ) -> Host {
        Host {
            session,
            downloads: Downloads::new(opening.seed),
            uploads: Uploads::new(opening.seed),
            opening,
            turn,
            site,
            vars: VariableStore::default(),
            watches: WatchManager::default(),
            timers: Timers::default(),
            processes: Processes::default(),
            outside: None,
            outgoing: Vec::new(),
            outgoing_bytes: 0,
            files: FileRuns::default(),
            logs: Vec::new(),
            logged: 0,
            work: VecDeque::new(),
            topic_news: Vec::new(),
            saver: None,
            event: 0,
            current: None,
            verbosity: 0,
            audited: false,
            deeds: Vec::new(),
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

    /// Asks the machine: the one way out that gives an answer, see [`Host::answer`]. `at` is where in
    /// the code.
    pub fn call(&mut self, call: &HostCall, at: String) {
        let answer = match &mut self.outside {
            Some(outside) => outside.call(self.session, call),
            None => Nowhere.call(self.session, call),
        };
        self.outgoing_bytes += answer.len();
        self.outgoing.push(Outgoing::Called {
            call: call.to_string(),
            answer,
            at,
        });
    }

    /// What came of the last call, if nothing else went out since.
    pub fn answer(&self) -> Option<&HostAnswer> {
        match self.outgoing.last()? {
            Outgoing::Called { answer, .. } => Some(answer),
            Outgoing::Process { .. } | Outgoing::Upload { .. } => None,
        }
    }

    /// Tells a process to do something; what comes of it is an event of its own.
    pub fn tell_process(&mut self, process: ProcessId, action: ProcessAction) {
        if let ProcessAction::Write(bytes) = &action {
            self.outgoing_bytes += bytes.len();
        }
        self.outgoing.push(Outgoing::Process { process, action });
    }

    /// Tells the shell what to do with the content of an upload.
    pub fn tell_upload(&mut self, upload: UploadId, action: UploadAction) {
        self.outgoing.push(Outgoing::Upload { upload, action });
    }

    /// Whether this event may ask for more: all that it was answered is kept to its end, for a
    /// recording.
    ///
    /// # Errors
    /// When it may not.
    pub fn check_outgoing(&self) -> Result<(), ScriptError> {
        if self.outgoing_bytes <= OUTGOING_MAX {
            return Ok(());
        }
        let text = format!("one event may read, and write to processes, {OUTGOING_MAX} bytes");
        Err(ScriptError::new(ErrorCode::Limit, text))
    }

    /// What addresses of downloads and uploads are made of; a session of before the rule has none.
    pub fn secret(&self) -> Option<Secret> {
        let has = self.limits.has(TOKENS_TELL_NOTHING);
        has.then(|| Secret::of(&self.opening))
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

    /// A page asks for what is no path. Those who write the site are told which template has it.
    pub fn no_path(&self, text: &str, error: &PathError) -> ScriptError {
        let place = match self.limits.dev {
            true => self.site.place_in_viewdefs(text),
            false => None,
        };
        let place = place.map(|place| format!("{place}: ")).unwrap_or_default();
        ScriptError::new(ErrorCode::PathFailure, format!("{place}{error}"))
    }

    /// Sets a property as the server's doing: views are told and watches notified. `name` may end in
    /// `:high`, `:med` or `:low`.
    ///
    /// # Errors
    /// When the properties of this session would take more than they may.
    pub fn set_property(&mut self, slot: Slot, name: &str, value: &str) -> Result<(), ScriptError> {
        let (name, priority) = Priority::split_name(name);
        self.check_room(slot, name, value)?;
        let Some(id) = self.vars.get(slot).map(|v| v.id) else {
            return Ok(());
        };
        self.check_work()?;
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

    fn check_work(&self) -> Result<(), ScriptError> {
        if self.work.len() < WORK_MAX {
            return Ok(());
        }
        let text = "too much at once: one event sets properties, navigates and notifies so often \
                    that no more is taken";
        Err(ScriptError::new(ErrorCode::Limit, text))
    }

    /// Leaves something for core to do when the script has returned.
    ///
    /// # Errors
    /// When too much waits already.
    pub fn later(&mut self, work: Work) -> Result<(), ScriptError> {
        self.check_work()?;
        self.work.push_back(work);
        Ok(())
    }

    /// Sends the browser to another address of the app; at once, the script sees it as the present
    /// one.
    ///
    /// # Errors
    /// When too much waits already.
    pub fn navigate(&mut self, url: &str, replace: bool) -> Result<(), ScriptError> {
        let work = Work::Navigate {
            url: url.into(),
            replace,
        };
        self.later(work)?;
        if let Some(app) = self.vars.app() {
            self.vars.set_property(app, "url", url, None);
        }
        self.opening.url = url.into();
        Ok(())
    }

    /// Publishes a message; `value` is valid JSON.
    ///
    /// # Errors
    /// When this event has published too much.
    pub fn publish(
        &mut self,
        topic: &str,
        value: Box<str>,
        retain: bool,
    ) -> Result<(), ScriptError> {
        let sizes = self.topic_news.iter().map(|news| match news {
            TopicNews::Published { value, .. } => value.len(),
            TopicNews::Subscribed { .. } | TopicNews::Unsubscribed { .. } => 0,
        });
        let bytes: usize = sizes.sum();
        if self.topic_news.len() >= PUBLISHED_MAX || bytes + value.len() > PUBLISHED_BYTES_MAX {
            let text = "one event publishes too much: at most 1000 messages and 4 MiB";
            return Err(ScriptError::new(ErrorCode::Limit, text));
        }
        self.topic_news.push(TopicNews::Published {
            topic: topic.into(),
            value,
            retain,
        });
        Ok(())
    }

    /// Subscribes to a topic.
    ///
    /// # Errors
    /// When this event has subscribed and let go so often that the news of it alone would be too much.
    pub fn subscribe(&mut self, topic: &str) -> Result<WatchHandle, ScriptError> {
        if self.topic_news.len() >= 2 * self.limits.subscriptions {
            let text = "one event subscribes and lets go too often";
            return Err(ScriptError::new(ErrorCode::Limit, text));
        }
        let watch = self.watches.watch(Watched::Topic(topic.into()));
        let topic = topic.into();
        self.topic_news.push(TopicNews::Subscribed { topic, watch });
        Ok(watch)
    }

    /// Ends a watch or subscription. Returns whether there was one.
    pub fn unwatch(&mut self, watch: WatchHandle) -> bool {
        let Some(watched) = self.watches.unwatch(watch) else {
            return false;
        };
        if let Watched::Topic(topic) = watched
            && self.watches.of_topic(&topic).is_empty()
        {
            self.topic_news.push(TopicNews::Unsubscribed { topic });
        }
        true
    }

    /// Attaches a remark to the variable being computed, or to the app.
    pub fn remark(&mut self, level: u8, text: &str) {
        self.log(3.max(level), format_args!("{text}"));
        let Some(slot) = self.current.or_else(|| self.vars.app()) else {
            return;
        };
        let event = self.event;
        let Some(variable) = self.vars.get_mut(slot) else {
            return;
        };
        let remarks = variable.remarks.get_or_insert_default();
        if remarks.event != event {
            remarks.event = event;
            remarks.list.clear();
        }
        if remarks.list.len() < REMARKS_MAX {
            let end = (0..=REMARK_BYTES_MAX.min(text.len())).rev();
            let cut = end.into_iter().find(|&at| text.is_char_boundary(at));
            let text = &text[..cut.unwrap_or(0)];
            remarks.list.push((level, text.into()));
        }
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

carry!(enum NoticeKind { 0 => Info, 1 => Success, 2 => Warning, 3 => Error });
carry!(enum Work {
    0 => RunCode(code),
    1 => PropertySet { var, name },
    2 => Navigate { url, replace },
    3 => Notify { text, kind },
    4 => ForgetViewdefs(name),
    5 => RunOperatorsCode(code),
});
