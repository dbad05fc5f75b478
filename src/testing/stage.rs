//! One session on a clock that is told the time, with pages that show it. Everything goes through the real
//! core and the real Lua, by the messages that a browser sends.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use super::answers::{Answer, Answers, Prompter};
use super::page::Page;
use super::script::Header;
use super::store::Error;
use super::upload::{self, File};
use crate::core::effect::Effect;
use crate::core::event::{Event, Opening, Turn};
use crate::core::id::{ConnectionId, SessionId};
use crate::core::limits::SessionLimits;
use crate::core::manager::{ManagerConfig, SessionManager};
use crate::core::message::{Batch, Message};
use crate::core::outside::{Outgoing, ProcessAction, ProcessNews};
use crate::core::site::Site;
use crate::core::topic;
use crate::core::upload::{UploadAction, UploadId};
use crate::lua::LuaRuntime;
use crate::lua::state::StateError;
use crate::wire;

const SESSION: SessionId = SessionId(1);
/// What the session's own address is, so that it is always the same.
const ADDRESS: &str = "/00000000000000000000000000000001";
/// A clock that never goes backwards starts somewhere.
const START_MS: u64 = 1_000;
/// Exchanges after one step, and timers that are due at one moment: beyond it, the app never comes to rest.
const ROUNDS_MAX: usize = 1_000;

/// A call for which the recording has no answer, and where it was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unanswered {
    pub call: String,
    pub at: String,
}

/// See the module's description.
pub struct Stage {
    manager: SessionManager<LuaRuntime>,
    turn: Turn,
    pages: BTreeMap<u64, (ConnectionId, Page)>,
    last_connection: u64,
    answers: Rc<RefCell<Answers>>,
    /// The session's numbers of processes, by the recording's.
    processes: BTreeMap<u64, u64>,
    /// An upload that was announced and of which nothing came yet.
    announced: Option<UploadId>,
    url: String,
    /// Since they were last taken.
    pub errors: Vec<Error>,
    pub unanswered: Vec<Unanswered>,
    pub log: Vec<String>,
    /// Why the session is over, if it is.
    pub over: Option<String>,
    frame: Vec<u8>,
}

impl Stage {
    /// A session of the site that begins as the header says.
    ///
    /// # Errors
    /// When Lua cannot run here.
    pub fn new(
        site: &Site,
        limits: &SessionLimits,
        header: &Header,
        answers: Answers,
    ) -> Result<Stage, StateError> {
        let limits = SessionLimits {
            // What is to be told is told at once: there is nobody to spare.
            coalesce_ms: 0,
            // Errors say where they come from.
            dev: true,
            ..limits.clone()
        };
        let config = ManagerConfig {
            site: site.clone(),
            limits,
            verbosity: 0,
        };
        let answers = Rc::new(RefCell::new(answers));
        let mut manager = SessionManager::new(LuaRuntime::new()?, config);
        manager.set_outside(Box::new(Prompter(answers.clone())));
        let mut stage = Stage {
            manager,
            turn: Turn {
                now: START_MS,
                wall: header.time,
            },
            pages: BTreeMap::new(),
            last_connection: 0,
            answers,
            processes: BTreeMap::new(),
            announced: None,
            url: header.url.clone(),
            errors: Vec::new(),
            unanswered: Vec::new(),
            log: Vec::new(),
            over: None,
            frame: Vec::new(),
        };
        stage.handle(Event::SessionOpened {
            session: SESSION,
            opening: Opening {
                seed: header.seed,
                url: header.url.as_str().into(),
                address: ADDRESS.into(),
                locale: header.locale.as_str().into(),
                timezone: header.timezone.as_str().into(),
                saved: header.saved.as_str().into(),
                notice: "".into(),
            },
        });
        Ok(stage)
    }

    /// A page opens.
    pub fn attach(&mut self, number: u64) {
        self.last_connection += 1;
        let connection = ConnectionId(self.last_connection);
        self.pages
            .insert(number, (connection, Page::open(&self.url)));
        let session = SESSION;
        self.handle(Event::FrontendJoined {
            session,
            connection,
        });
        self.rest();
    }

    /// A page is closed; `false`: there is none.
    pub fn detach(&mut self, number: u64) -> bool {
        let Some((connection, _)) = self.pages.remove(&number) else {
            return false;
        };
        let session = SESSION;
        self.handle(Event::FrontendLeft {
            session,
            connection,
        });
        self.rest();
        true
    }

    /// A page that is open.
    pub fn page(&mut self, number: u64) -> Option<&mut Page> {
        self.pages.get_mut(&number).map(|(_, page)| page)
    }

    /// The user follows a link, or goes back or forward.
    pub fn go(&mut self, number: u64, url: &str) {
        self.url = url.into();
        if let Some(page) = self.page(number) {
            page.follow(url);
        }
        self.act(number);
    }

    /// The user has done something on a page: what that led to happens.
    pub fn act(&mut self, number: u64) {
        self.flush(number, true);
        self.rest();
    }

    /// Time passes, and what is due meanwhile happens when it is.
    pub fn advance(&mut self, ms: u64) {
        let target = self.turn.now + ms;
        let mut rounds = 0;
        while let Some(due) = self.manager.poll_timeout().filter(|&due| due <= target) {
            rounds = if due > self.turn.now { 0 } else { rounds + 1 };
            if rounds > ROUNDS_MAX || self.over.is_some() {
                break;
            }
            self.move_to(due);
            self.handle(Event::TimersDue { session: SESSION });
            self.exchange();
        }
        self.move_to(target);
        self.rest();
    }

    fn move_to(&mut self, now: u64) {
        let passed = now.saturating_sub(self.turn.now);
        self.turn.now += passed;
        self.turn.wall += passed as i64;
    }

    /// Another session publishes; `false`: this one has not subscribed.
    pub fn publish(&mut self, topic: &str, value: &str) -> bool {
        let session = self.manager.session(SESSION);
        let subscribed = session.is_some_and(|s| !s.host().watches.of_topic(topic).is_empty());
        let message = topic::Message {
            number: 0,
            topic: topic.into(),
            value: value.into(),
            only: None,
        };
        let session = SESSION;
        self.handle(Event::MessagePublished { session, message });
        self.rest();
        subscribed
    }

    /// A process of the recording is heard of; `false`: it was not started.
    pub fn hear_of_process(&mut self, process: u64, news: ProcessNews) -> bool {
        let Some(&process) = self.processes.get(&process) else {
            return false;
        };
        self.handle(Event::Process {
            session: SESSION,
            process,
            news,
        });
        self.rest();
        true
    }

    /// A page has announced a file, and sends it.
    pub fn upload(&mut self, number: u64, file: &File) {
        self.act(number);
        let Some(upload) = self.announced.take() else {
            return;
        };
        if let Some(content) = &file.content {
            self.answers.borrow_mut().file(upload, content.clone());
        }
        for news in upload::news(file) {
            let session = SESSION;
            self.handle(Event::Upload {
                session,
                upload,
                news,
            });
            self.rest();
        }
    }

    /// What the machine was asked and answered, for the recording.
    pub fn take_added(&mut self) -> Vec<(String, Answer)> {
        self.answers.borrow_mut().take_added()
    }

    /// Until nothing more comes of what happened: pages answer, messages arrive, and what is due now is done.
    pub fn rest(&mut self) {
        for _ in 0..ROUNDS_MAX {
            self.exchange();
            if self.over.is_some() || self.manager.next_due(self.turn.now).is_none() {
                let pages = &self.pages;
                self.errors.retain(|error| {
                    let page = pages.get(&error.page);
                    page.is_some_and(|(_, page)| error.stands(&page.store))
                });
                return;
            }
            self.handle(Event::TimersDue { session: SESSION });
        }
        self.log.push(
            "the app does not come to rest: timers of 0 ms start each other without end".into(),
        );
    }

    /// Pages show what they were told and ask for what they need, until they have it.
    fn exchange(&mut self) {
        for _ in 0..ROUNDS_MAX {
            let mut quiet = true;
            let numbers: Vec<u64> = self.pages.keys().copied().collect();
            for number in numbers {
                if let Some(page) = self.page(number) {
                    page.settle();
                }
                quiet &= !self.flush(number, false);
            }
            if let Some(message) = self.manager.take_message() {
                self.handle(message);
                quiet = false;
            }
            if quiet || self.over.is_some() {
                return;
            }
        }
    }

    /// Sends what a page has to say; `false`: nothing.
    fn flush(&mut self, number: u64, user_event: bool) -> bool {
        let Some((connection, page)) = self.pages.get_mut(&number) else {
            return false;
        };
        let connection = *connection;
        let (out, made) = page.take_out();
        if out.is_empty() {
            return false;
        }
        // There has to be something to do something to.
        let (done, first): (Vec<Message>, Vec<Message>) = out
            .into_iter()
            .partition(|message| matches!(message, Message::Update { value: Some(_), .. }));
        let messages = first.into_iter().chain(done).collect();
        self.handle(Event::BatchReceived {
            session: SESSION,
            connection,
            batch: Batch {
                user_event,
                messages,
            },
        });
        if let Some(page) = self.page(number) {
            page.answered(made);
        }
        true
    }

    fn handle(&mut self, event: Event) {
        if self.over.is_some() {
            return;
        }
        self.manager.handle_event(event, self.turn);
        while let Some(effect) = self.manager.poll_effect() {
            self.carry_out(effect);
        }
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Send { connection, batch } => {
                self.frame.clear();
                wire::write_batch(&batch, &mut self.frame);
                self.show(connection);
            }
            Effect::Outside { outgoing, .. } => self.go_out(outgoing),
            Effect::Log { text, level: 0, .. } => self.log.push(text),
            Effect::SessionFailed { description, .. } => {
                self.over = Some(format!("the session could not start: {description}"));
            }
            Effect::SessionEnded { .. } => {
                self.over = Some("the session has ended: nobody was attached for too long".into());
            }
            Effect::Close { .. }
            | Effect::Log { .. }
            | Effect::Published { .. }
            | Effect::Saved { .. }
            | Effect::Download { .. } => {}
        }
    }

    fn show(&mut self, connection: ConnectionId) {
        let mut pages = self.pages.iter_mut();
        let Some((&number, (_, page))) = pages.find(|(_, (known, _))| *known == connection) else {
            return;
        };
        let news = page.hear(&self.frame);
        if let Some(url) = news.url {
            self.url = url;
        }
        for var in news.failed {
            let error = Error::on(&page.store, number, var);
            self.errors
                .extend(error.filter(|error| !self.errors.contains(error)));
        }
    }

    fn go_out(&mut self, outgoing: Outgoing) {
        match outgoing {
            Outgoing::Called { call, at, .. } => {
                if self.answers.borrow_mut().take_missing(&call) {
                    self.unanswered.push(Unanswered { call, at });
                }
            }
            Outgoing::Process { process, action } => {
                let ProcessAction::Spawn(_) = &action else {
                    return;
                };
                let call = action.to_string();
                let found = self.answers.borrow_mut().find(&call);
                match found {
                    Some(Answer::Process(recorded)) => {
                        self.processes.insert(recorded, process);
                    }
                    Some(Answer::Host(_)) | None => {
                        self.answers.borrow_mut().take_missing(&call);
                        let at = String::new();
                        self.unanswered.push(Unanswered { call, at });
                    }
                }
            }
            Outgoing::Upload {
                upload,
                action: UploadAction::Open { .. },
            } => self.announced = Some(upload),
            Outgoing::Upload { .. } => {}
        }
    }
}
