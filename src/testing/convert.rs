//! From what a session was seen to do to a recording of it: the session runs again, and what pages said about
//! their variables is told by the paths of what those show.
//!
//! What was marked while recording (the page asks for the value of a variable, which it never does otherwise) is
//! expected; when nothing was marked, the values that each step changed on the page are.

mod operator;
mod telling;
mod uploads;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde_json::{Map, Value};

use super::answers::{Answer, News};
use super::path::seen;
use super::script::{Header, Step};
use super::store::{Error, ROOT, Store, VarNo, object_of};
use super::take::{Moment, Take};
use super::template::Props;
use super::upload;
use crate::core::effect::Effect;
use crate::core::event::{Event, Opening, Turn};
use crate::core::gather::gather;
use crate::core::id::{ConnectionId, SessionId};
use crate::core::limits::SessionLimits;
use crate::core::manager::{ManagerConfig, SessionManager};
use crate::core::message::{Batch, Json, Message};
use crate::core::outside::{HostAnswer, HostCall, Outgoing, Outside, ProcessAction};
use crate::core::upload::{Announced, SIZE, UploadAction, UploadId};
use crate::journal::Secrets;
use crate::lua::LuaRuntime;
use crate::lua::state::StateError;
use crate::wire;
use telling::names_objects;

/// Expectations of one step that nobody marked: what is needed to notice that something is wrong.
const UNMARKED_MAX: usize = 12;
/// So much time between two steps is told in any case: what shows the time of day shows nothing finer.
const MOMENT_MS: u64 = 1_000;
/// Variables that are made here, beside those of the page.
const FIRST_OWN: VarNo = 1 << 40;

/// The text of a recording.
///
/// # Errors
/// When Lua cannot run here.
pub fn convert(take: &Take, ignored: &[Vec<String>]) -> Result<String, StateError> {
    let config = ManagerConfig {
        site: take.site.clone(),
        limits: SessionLimits {
            // Rows are found by their keys, which no viewdef need show.
            viewdef_paths: false,
            ..take.limits.clone()
        },
        verbosity: 0,
    };
    let asks = |moment: &Moment| match &moment.event {
        Event::BatchReceived { batch, .. } => batch
            .messages
            .iter()
            .any(|m| matches!(m, Message::Get { .. })),
        _ => false,
    };
    let mut conversion = Conversion {
        manager: SessionManager::new(LuaRuntime::new()?, config),
        session: take.session,
        ignored,
        secrets: Secrets::of_site(&take.site, &take.secret),
        marked: take.moments.iter().any(asks),
        header: Header::default(),
        answers: Vec::new(),
        steps: Vec::new(),
        pages: BTreeMap::new(),
        page: 1,
        turn: Turn::default(),
        told_ms: 0,
        fired: false,
        joined: false,
        acted: false,
        errors: Vec::new(),
        typed: None,
        changed: BTreeSet::new(),
        announced: Vec::new(),
        uploads: BTreeMap::new(),
        contents: upload::contents(take),
        own: VecDeque::new(),
        last_own: FIRST_OWN,
        url: "/".into(),
        frame: Vec::new(),
    };
    for moment in &take.moments {
        conversion.moment(moment);
    }
    Ok(conversion.finish())
}

/// The machine as it answered then.
#[derive(Debug)]
struct Then(VecDeque<HostAnswer>);

impl Outside for Then {
    fn call(&mut self, _: SessionId, _: &HostCall) -> HostAnswer {
        let text = "nothing was answered to this".into();
        self.0
            .pop_front()
            .unwrap_or(HostAnswer::Failed { code: 0, text })
    }
}

/// Who announced a file, and what was said of it.
struct Upload {
    connection: ConnectionId,
    path: String,
    announced: Announced,
}

struct Conversion<'c> {
    manager: SessionManager<LuaRuntime>,
    session: SessionId,
    ignored: &'c [Vec<String>],
    secrets: Secrets,
    marked: bool,
    header: Header,
    answers: Vec<(String, Answer)>,
    steps: Vec<String>,
    /// By connection: the page's number, and what it knows.
    pages: BTreeMap<ConnectionId, (u64, Store)>,
    /// The page that did something last.
    page: u64,
    turn: Turn,
    /// The time up to which the steps tell.
    told_ms: u64,
    /// A timer has come due since.
    fired: bool,
    /// There was a page.
    joined: bool,
    /// Somebody has done something.
    acted: bool,
    errors: Vec<Error>,
    /// The line that last set a field, what and when.
    typed: Option<(usize, String, String, u64)>,
    changed: BTreeSet<(u64, VarNo)>,
    /// Files that were announced in this event, and those that are under way.
    announced: Vec<(ConnectionId, VarNo)>,
    uploads: BTreeMap<UploadId, Upload>,
    contents: BTreeMap<UploadId, Vec<u8>>,
    /// Messages that the session published to itself.
    own: VecDeque<(String, String)>,
    last_own: VarNo,
    url: String,
    frame: Vec<u8>,
}

impl Conversion<'_> {
    fn moment(&mut self, moment: &Moment) {
        self.turn = moment.turn;
        self.announced.clear();
        let mut after = Vec::new();
        match &moment.event {
            Event::SessionOpened { opening, .. } => self.open(opening),
            Event::FrontendJoined { connection, .. } => self.join(*connection),
            Event::FrontendLeft { connection, .. } => {
                if let Some((page, _)) = self.pages.get(connection) {
                    let page = Some(*page).filter(|&page| page != self.page);
                    self.step(&Step::Detach { page });
                }
                self.pages.remove(connection);
            }
            Event::BatchReceived {
                connection, batch, ..
            } if connection.is_trusted() => self.by_operator(batch),
            Event::BatchReceived {
                connection, batch, ..
            } => after = self.batch(*connection, batch),
            Event::TimersDue { .. } => self.timers(),
            Event::MessagePublished { message, .. } => {
                let (topic, text) = (message.topic.to_string(), message.value.to_string());
                let own = self
                    .own
                    .iter()
                    .position(|own| *own == (topic.clone(), text.clone()));
                match own {
                    Some(at) => drop(self.own.remove(at)),
                    None => {
                        let text = self.secrets.unplaced(&text);
                        let value = serde_json::from_str(&text).unwrap_or(Value::Null);
                        self.step(&Step::Publish { topic, value });
                    }
                }
            }
            Event::Process { process, news, .. } => self.step(&Step::Process {
                process: *process,
                news: News(news.clone()),
            }),
            Event::Upload { upload, news, .. } => self.upload(*upload, news),
            // What made the server do it is no matter of the site.
            Event::Download { .. } | Event::Ended { .. } => {}
            Event::SiteChanged { change, .. } => {
                self.secrets.learn(&change.site);
                self.remark("the site was edited here: the site on disk is what is tested")
            }
        }
        let answers = moment
            .answers
            .iter()
            .map(|(_, answer)| answer.clone())
            .collect();
        self.manager.set_outside(Box::new(Then(answers)));
        let timers = self.timers_set();
        self.handle(moment.event.clone());
        if timers != self.timers_set() {
            self.tell_exact_time();
        }
        if let Event::BatchReceived {
            connection, batch, ..
        } = &moment.event
        {
            self.settle(*connection, batch);
        }
        self.make_keys();
        for mark in after {
            self.mark(mark);
        }
    }

    fn open(&mut self, opening: &Opening) {
        self.header = Header {
            seed: opening.seed,
            time: self.turn.wall,
            url: (*opening.url).to_owned(),
            locale: (*opening.locale).to_owned(),
            timezone: (*opening.timezone).to_owned(),
            saved: self.secrets.unplaced(&opening.saved).into_owned(),
            user: (*opening.user).to_owned(),
        };
        self.url = self.header.url.clone();
        self.told_ms = self.turn.now;
    }

    fn join(&mut self, connection: ConnectionId) {
        if connection.is_trusted() {
            return;
        }
        let is_taken = |page| self.pages.values().any(|(taken, _)| *taken == page);
        let free = (1..).find(|page| !is_taken(*page)).unwrap_or(1);
        // A recording begins with a page.
        if std::mem::replace(&mut self.joined, true) {
            self.step(&Step::Attach { page: free });
        }
        self.page = free;
        self.pages.insert(connection, (free, Store::default()));
    }

    /// Whether what is due is the app's, and not only output that was gathered.
    fn timers(&mut self) {
        let session = self.manager.session(self.session);
        let due = session.and_then(|session| session.host().timers.next_due());
        if !self.fired && due.is_some_and(|due| due <= self.turn.now && due > self.told_ms) {
            // What went wrong before has nothing to do with it.
            self.tell_errors();
            self.fired = true;
        }
    }

    // ---- what pages said -----------------------------------------------------

    /// Returns the variables that were marked.
    fn batch(&mut self, connection: ConnectionId, batch: &Batch) -> Vec<(ConnectionId, VarNo)> {
        let mut marked = Vec::new();
        for message in &batch.messages {
            match message {
                Message::Create {
                    id,
                    parent,
                    properties,
                    value,
                    ..
                } => {
                    let props = props_of(properties);
                    let held = value
                        .as_ref()
                        .and_then(|Json(text)| object_of(&serde_json::from_str(text).ok()?));
                    if props.contains_key(SIZE) {
                        self.announced.push((connection, *id));
                    }
                    if let Some((_, store)) = self.pages.get_mut(&connection) {
                        store.create(*id, *parent, props, held);
                    }
                }
                Message::Destroy { var } => {
                    if let Some((_, store)) = self.pages.get_mut(&connection) {
                        store.destroy(*var);
                    }
                }
                Message::Update {
                    var,
                    value,
                    properties,
                } => {
                    if let Some(Json(text)) = value {
                        let value = serde_json::from_str(text).unwrap_or(Value::Null);
                        self.write(connection, *var, value);
                    }
                    let url = properties
                        .iter()
                        .find(|(name, _)| &**name == "url" && *var == ROOT);
                    if let Some((_, url)) = url.filter(|(_, url)| **url != *self.url) {
                        self.url = url.to_string();
                        self.act_on(connection);
                        self.step(&Step::Go {
                            url: url.to_string(),
                        });
                    }
                }
                Message::Get { vars } => marked.extend(vars.iter().map(|&var| (connection, var))),
                _ => {}
            }
        }
        marked
    }

    fn act_on(&mut self, connection: ConnectionId) {
        let page = self
            .pages
            .get(&connection)
            .map_or(self.page, |(page, _)| *page);
        if page != self.page {
            self.step(&Step::Attach { page });
            self.page = page;
        }
    }

    fn write(&mut self, connection: ConnectionId, id: VarNo, value: Value) {
        let Some((_, store)) = self.pages.get_mut(&connection) else {
            return;
        };
        let Some(step) = step_of(&self.secrets, store, id, value) else {
            return;
        };
        self.act_on(connection);
        self.step(&step);
    }

    fn mark(&mut self, (connection, id): (ConnectionId, VarNo)) {
        self.act_on(connection);
        self.pass_time();
        let Some((_, store)) = self.pages.get(&connection) else {
            return;
        };
        let path = store.name(id);
        let value = store
            .vars
            .get(&id)
            .and_then(|var| var.value.clone())
            .unwrap_or(Value::Null);
        if seen(&self.secrets, &path, &value) != value {
            return self.remark(&format!("what was marked is secret: {path}"));
        }
        let step = match (store.count_of(id), names_objects(&value)) {
            (Some(count), _) => Step::ExpectCount { path, count },
            (None, false) => Step::Expect { path, value },
            (None, true) => return self.remark(&format!("what was marked is no value: {path}")),
        };
        self.steps.push(step.to_string());
    }

    // ---- the session ---------------------------------------------------------

    fn handle(&mut self, event: Event) {
        self.manager.handle_event(event, self.turn);
        while let Some(effect) = self.manager.poll_effect() {
            match effect {
                Effect::Send { connection, batch } => {
                    self.frame.clear();
                    wire::write_batch(&batch, &mut self.frame);
                    self.show(connection);
                }
                Effect::Outside {
                    outgoing: Outgoing::Called { call, answer, .. },
                    ..
                } => self.answer(call, Answer::Host(answer)),
                Effect::Outside {
                    outgoing:
                        Outgoing::Process {
                            process,
                            action: action @ ProcessAction::Spawn(_),
                        },
                    ..
                } => self.answer(action.to_string(), Answer::Process(process)),
                Effect::Outside {
                    outgoing:
                        Outgoing::Upload {
                            upload,
                            action: UploadAction::Open { size, .. },
                        },
                    ..
                } => self.announce(upload, size),
                _ => {}
            }
        }
        // They come again as events.
        while let Some(Event::MessagePublished { message, .. }) = self.manager.take_message() {
            self.own
                .push_back((message.topic.to_string(), message.value.to_string()));
        }
    }

    /// The last answer to a call stays, so that it need not be told again.
    fn answer(&mut self, call: String, answer: Answer) {
        if upload::is_answered(&call, &answer, |id| self.contents.contains_key(&id)) {
            return;
        }
        let last = self.answers.iter().rev().find(|(known, _)| *known == call);
        if last.is_none_or(|(_, known)| *known != answer) {
            self.answers.push((call, answer));
        }
    }

    fn show(&mut self, connection: ConnectionId) {
        let Some((page, store)) = self.pages.get_mut(&connection) else {
            return;
        };
        let news = store.apply(&self.frame);
        if let Some(url) = news.url {
            self.url = url;
        }
        self.changed
            .extend(news.changed.iter().map(|&id| (*page, id)));
        for id in news.failed {
            let error = Error::on(store, *page, id);
            self.errors
                .extend(error.filter(|error| !self.errors.contains(error)));
        }
    }

    /// What the answer to a batch did not mention is nil.
    fn settle(&mut self, connection: ConnectionId, batch: &Batch) {
        let made = batch.messages.iter().filter_map(|message| match message {
            Message::Create { id, .. } => Some(*id),
            _ => None,
        });
        if let Some((_, store)) = self.pages.get_mut(&connection) {
            store.settle_answers(made);
        }
    }

    /// Rows of lists with a key get a variable that reads it.
    fn make_keys(&mut self) {
        let connections: Vec<ConnectionId> = self.pages.keys().copied().collect();
        for connection in connections {
            let store = &self.pages[&connection].1;
            let rows = store.keyed_lists().into_iter().flat_map(|list| {
                let key = store.key_of(list).unwrap_or_default().to_owned();
                store
                    .rows_of(list)
                    .into_iter()
                    .map(move |row| (row, key.clone()))
            });
            let without: Vec<(VarNo, String)> = rows
                .filter(|(row, _)| store.key_var(*row).is_none())
                .collect();
            if without.is_empty() {
                continue;
            }
            let messages = without.into_iter().map(|(row, key)| {
                self.last_own += 1;
                let parent = self.pages[&connection].1.shown_by(row);
                let props = Store::key_props(&key);
                Message::Create {
                    id: self.last_own,
                    parent,
                    properties: props
                        .iter()
                        .map(|(k, v)| (k.as_str().into(), v.as_str().into()))
                        .collect(),
                    nowatch: false,
                    value: None,
                }
            });
            let batch = Batch {
                user_event: true,
                messages: messages.collect(),
            };
            self.batch(connection, &batch);
            let session = self.session;
            let event = Event::BatchReceived {
                session,
                connection,
                batch: batch.clone(),
            };
            self.handle(event);
            self.settle(connection, &batch);
        }
    }
}

fn props_of(properties: &[(Box<str>, Box<str>)]) -> Props {
    let properties = properties.iter();
    gather(properties.map(|(name, value)| (name.to_string(), value.to_string())))
}

/// What is done by whoever writes this to a variable, which shows it then.
fn step_of(secrets: &Secrets, store: &mut Store, id: VarNo, value: Value) -> Option<Step> {
    let var = store.vars.get_mut(&id)?;
    let props = &var.props;
    let last = props.get("path").cloned().unwrap_or_default();
    let has = |name: &str, value: &str| props.get(name).map(String::as_str) == Some(value);
    let (form, action) = (has("fields", "true"), has("access", "action"));
    let shown = !action && !has("access", "w");
    var.wrote = true;
    var.fault = None;
    if shown {
        var.value = Some(value.clone());
    }
    let path = store.name(id);
    let value = seen(secrets, &path, &value);
    let takes = crate::core::path::Path::parse(&last).is_ok_and(|path| path.is_setter());
    // A form whose method takes no value sends none.
    let fields = match action && !takes {
        true => Value::Object(Map::new()),
        false => value.clone(),
    };
    Some(match (form && fields.is_object(), action) {
        (true, _) => Step::Submit { path, fields },
        (false, true) => Step::Call {
            path,
            argument: takes.then_some(value),
        },
        (false, false) => Step::Set { path, value },
    })
}
