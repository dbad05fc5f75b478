//! SessionManager: all sessions of a server, and the seam between core and its shell.

mod dormant;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use slab::Slab;

pub use dormant::{Dormant, Usage};

use super::batch::OutgoingBatch;
use super::download::{Demand, Piece, Token};
use super::effect::Effect;
use super::event::{Event, Opening, Turn};
use super::host::Host;
use super::id::{APP, ConnectionId, SessionId, Timestamp};
use super::limits::SessionLimits;
use super::outside::{Nowhere, Outgoing, Outside};
use super::script::{Runtime, Script, ScriptError};
use super::session::Session;
use super::site::Site;
use super::topic::{Message, TopicNews, Topics};
use super::viewdef::Viewdefs;

/// RFC 6455: the server met a condition that keeps it from going on.
const CLOSE_INTERNAL_ERROR: u16 = 1011;
const CLOSE_POLICY: u16 = 1008;

/// What all sessions of a manager have in common.
#[derive(Clone, Debug, Default)]
pub struct ManagerConfig {
    pub site: Site,
    pub limits: SessionLimits,
    /// Log lines above this level are not made at all. Changes nothing else.
    pub verbosity: u8,
}

/// Owns the sessions. Feed it events, then take effects until there are none.
#[derive(Debug)]
pub struct SessionManager<R: Runtime> {
    runtime: R,
    config: ManagerConfig,
    viewdefs: Viewdefs,
    sessions: Slab<Session<R::Script>>,
    by_id: BTreeMap<SessionId, usize>,
    /// Sessions that sleep, and whether all that is due for them is their end.
    dormant: BTreeMap<SessionId, bool>,
    /// Sessions whose `main.lua` failed, until somebody was told why.
    failed: BTreeMap<SessionId, ScriptError>,
    deadlines: BTreeSet<(Timestamp, SessionId)>,
    deadline_of: BTreeMap<SessionId, Timestamp>,
    topics: Topics,
    effects: VecDeque<Effect>,
    /// Sessions tell what pages do.
    audited: bool,
    /// Lent to the session whose event runs.
    outside: Option<Box<dyn Outside>>,
    /// Events that were cut because their gas was used up.
    cuts: u64,
}

impl<R: Runtime> SessionManager<R> {
    /// A manager without sessions.
    pub fn new(runtime: R, config: ManagerConfig) -> SessionManager<R> {
        SessionManager {
            runtime,
            viewdefs: Viewdefs::new(&config.site),
            config,
            sessions: Slab::new(),
            by_id: BTreeMap::new(),
            dormant: BTreeMap::new(),
            failed: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            deadline_of: BTreeMap::new(),
            topics: Topics::default(),
            effects: VecDeque::new(),
            audited: false,
            outside: Some(Box::new(Nowhere)),
            cuts: 0,
        }
    }

    /// Who answers what scripts ask of the machine from now on; at first it is [`Nowhere`].
    pub fn set_outside(&mut self, outside: Box<dyn Outside>) {
        self.outside = Some(outside);
    }

    /// Who answers from now on, in place of whoever did.
    pub fn replace_outside(
        &mut self,
        outside: Option<Box<dyn Outside>>,
    ) -> Option<Box<dyn Outside>> {
        std::mem::replace(&mut self.outside, outside)
    }

    /// Lets one thing happen at `turn`. Events of sessions that are gone are ignored; those that sleep
    /// must be woken before, see [`SessionManager::must_wake`].
    pub fn handle_event(&mut self, event: Event, turn: Turn) {
        let id = event.session();
        if self.must_wake(&event, turn.now) {
            let text = "an event is lost: the session sleeps and was not woken for it";
            return self.log(id, 0, format_args!("{text}"));
        }
        match event {
            Event::SessionOpened { session, opening } => {
                self.create_session(session, opening, turn);
            }
            Event::FrontendJoined { connection, .. } if self.failed.contains_key(&id) => {
                self.refuse(id, connection);
            }
            Event::FrontendJoined { connection, .. } => {
                self.with_session(id, turn, |session| session.join(connection));
                self.log(id, 2, format_args!("connection acknowledged"));
            }
            Event::FrontendLeft { connection, .. } => {
                self.with_session(id, turn, |session| session.leave(connection));
            }
            Event::BatchReceived {
                connection, batch, ..
            } => self.with_session(id, turn, |session| session.receive(connection, batch)),
            Event::TimersDue { .. } => {
                self.with_session(id, turn, |session| session.run_timers());
                self.expire(id, turn);
            }
            Event::MessagePublished { message, .. } => {
                self.with_session(id, turn, |session| session.receive_message(&message));
            }
            Event::Download { token, demand, .. } => self.download(id, turn, token, demand),
            Event::Upload { upload, news, .. } => {
                self.with_session(id, turn, |session| session.hear_of_upload(upload, news));
            }
            Event::Process { process, news, .. } => {
                self.with_session(id, turn, |session| session.hear_of_process(process, &news));
            }
            Event::SiteChanged { change, .. } => {
                self.change_site(&change.site);
                self.with_session(id, turn, |session| session.change_site(&change));
            }
            Event::Ended { reason, .. } => self.end_told(id, &reason),
        }
        self.take_topic_news(id);
    }

    /// The oldest published message on its way to a session, as the event that brings it there. The
    /// shell records it and hands it back in.
    pub fn take_message(&mut self) -> Option<Event> {
        let (session, message) = self.topics.take()?;
        Some(Event::MessagePublished { session, message })
    }

    /// Whether a message is for this session, when it arrives. One that slept was woken for it without anybody
    /// knowing; one that is awake may have unsubscribed since.
    pub fn expects(&self, session: SessionId, message: &Message) -> bool {
        self.topics.is_subscribed(session, &message.topic)
    }

    /// The published messages on their way that have higher numbers than `number`, oldest first.
    pub fn messages_behind(&self, number: u64) -> impl Iterator<Item = &(SessionId, Message)> {
        self.topics.behind(number)
    }

    /// The number of the message that was published last.
    pub fn last_message(&self) -> u64 {
        self.topics.last()
    }

    /// How many published messages are on their way.
    pub fn messages_waiting(&self) -> usize {
        self.topics.waiting()
    }

    /// Sessions tell what pages do, by [`Effect::Done`]. Before there are any.
    pub fn audit(&mut self) {
        self.audited = true;
    }

    /// Sessions that begin from now on are of this site. Those that are alive hear of it by an event
    /// each.
    pub fn change_site(&mut self, site: &Site) {
        if !self.config.site.is(site) {
            self.viewdefs = Viewdefs::new(site);
            self.config.site = site.clone();
        }
    }

    /// The site of sessions that begin now.
    pub fn site(&self) -> &Site {
        &self.config.site
    }

    /// Sessions that begin from now on have these limits, and so much is logged.
    pub fn change_limits(&mut self, limits: &SessionLimits, verbosity: u8) {
        self.config.limits = limits.clone();
        self.config.verbosity = verbosity;
    }

    /// Events that were cut because their gas was used up.
    pub fn cuts(&self) -> u64 {
        self.cuts
    }

    /// The sessions in memory, in the order in which they began.
    pub fn session_ids(&self) -> Vec<SessionId> {
        self.by_id.keys().copied().collect()
    }

    /// The next thing the shell shall do.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// When a session next has something due; `None`: only events move anything.
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        self.deadlines.first().map(|&(due, _)| due)
    }

    /// A session with something due at `now`. The shell turns it into [`Event::TimersDue`], which
    /// moves its deadline on.
    pub fn next_due(&self, now: Timestamp) -> Option<SessionId> {
        let &(due, session) = self.deadlines.first()?;
        (due <= now).then_some(session)
    }

    /// All sessions with something due at `now`, who has waited longest first.
    pub fn all_due(&self, now: Timestamp) -> Vec<SessionId> {
        let due = self.deadlines.range(..=(now, SessionId(u64::MAX)));
        due.map(|&(_, session)| session).collect()
    }

    /// Whether this one has something due at `now`.
    pub fn is_due(&self, session: SessionId, now: Timestamp) -> bool {
        self.deadline_of
            .get(&session)
            .is_some_and(|&due| due <= now)
    }

    /// Sessions in memory.
    pub fn len(&self) -> usize {
        self.sessions.len()
    }

    /// Whether no session is in memory.
    pub fn is_empty(&self) -> bool {
        self.sessions.is_empty()
    }

    /// A session in memory.
    pub fn session(&self, id: SessionId) -> Option<&Session<R::Script>> {
        self.sessions.get(*self.by_id.get(&id)?)
    }

    /// The same, to look into it: what that does is no event and changes nothing.
    pub fn look_into(&mut self, id: SessionId) -> Option<&mut Session<R::Script>> {
        self.sessions.get_mut(*self.by_id.get(&id)?)
    }

    /// The seed sequence from createSession to setLuaSession.
    fn create_session(&mut self, id: SessionId, opening: Opening, turn: Turn) {
        self.log(id, 2, format_args!("SessionManager.createSession"));
        self.log(id, 2, format_args!("Session.create({id})"));
        let ManagerConfig { site, limits, .. } = self.config.clone();
        let mut host = Box::new(Host::new(id, opening, turn, site, limits));
        host.verbosity = self.config.verbosity;
        host.audited = self.audited;
        host.outside = self.outside.take();
        host.log(2, format_args!("LuaRuntime.createLuaSession({id})"));
        let started = match self.runtime.create_session(id, &mut host) {
            Ok(script) => {
                let mut session = Session::new(script, host);
                let started = session.start();
                session.host.log(2, format_args!("luaSession returned"));
                session
                    .host
                    .log(2, format_args!("Session.setLuaSession(luaSession)"));
                self.outside = session.host.outside.take();
                if started.is_err() {
                    // Nobody is left who could hear of processes: none is started.
                    let called = |out: &Outgoing| matches!(out, Outgoing::Called { .. });
                    session.host.outgoing.retain(called);
                }
                let effects = &mut self.effects;
                session.hand_over(&mut |effect| effects.push_back(effect));
                started.map(|()| session)
            }
            Err(error) => {
                self.outside = host.outside.take();
                Err(error)
            }
        };
        match started {
            Ok(session) => {
                let key = self.sessions.insert(session);
                self.by_id.insert(id, key);
                self.reschedule(id, key);
            }
            Err(error) => {
                let text = error.traceback.as_deref().unwrap_or(&error.message);
                self.log(id, 0, format_args!("main.lua failed: {text}"));
                self.failed.insert(id, error);
            }
        }
    }

    /// Tells the first frontend of a session that could not start why, and forgets the session.
    fn refuse(&mut self, session: SessionId, connection: ConnectionId) {
        let Some(error) = self.failed.remove(&session) else {
            return;
        };
        let dev = self.config.limits.dev;
        let detail = dev.then(|| self.config.site.explain(&error)).flatten();
        let mut batch = OutgoingBatch::default();
        batch.push_error(APP.0, error.code, &error.message, detail.as_deref());
        let description = match error.traceback {
            Some(traceback) if dev => traceback,
            _ => error.message,
        };
        self.effects.push_back(Effect::Send { connection, batch });
        self.effects.push_back(Effect::Close {
            connection,
            code: CLOSE_INTERNAL_ERROR,
            reason: "main.lua failed".into(),
        });
        self.effects.push_back(Effect::SessionFailed {
            session,
            description,
        });
    }

    fn with_session(
        &mut self,
        id: SessionId,
        turn: Turn,
        act: impl FnOnce(&mut Session<R::Script>),
    ) {
        let Some(&key) = self.by_id.get(&id) else {
            return;
        };
        let session = &mut self.sessions[key];
        session.begin(turn);
        session.host.outside = self.outside.take();
        act(session);
        self.cuts += u64::from(session.script.is_exhausted());
        let effects = &mut self.effects;
        session.finish(&self.viewdefs, &mut |effect| effects.push_back(effect));
        self.outside = session.host.outside.take();
        self.reschedule(id, key);
    }

    /// Asks a session for the next piece of a download. One that is gone has none.
    fn download(&mut self, id: SessionId, turn: Turn, token: Token, demand: Demand) {
        let mut pieces = Vec::new();
        match self.by_id.contains_key(&id) {
            true => self.with_session(id, turn, |session| {
                session.download(token, demand, &mut |piece| pieces.push(piece));
            }),
            false => pieces.push(Piece::Failed("the session is over".into())),
        }
        for piece in pieces {
            self.effects.push_back(Effect::Download {
                session: id,
                token,
                piece,
            });
        }
    }

    /// What the session that has just run did with topics.
    fn take_topic_news(&mut self, id: SessionId) {
        let Some(&key) = self.by_id.get(&id) else {
            return;
        };
        for news in self.sessions[key].take_topic_news() {
            if let TopicNews::Published {
                topic,
                value,
                retain,
            } = &news
            {
                self.effects.push_back(Effect::Published {
                    session: id,
                    topic: topic.clone(),
                    value: value.clone(),
                    retain: *retain,
                });
            }
            if let Err(text) = self.topics.take_news(id, news) {
                self.log(id, 0, format_args!("{text}"));
            }
        }
    }

    fn reschedule(&mut self, id: SessionId, key: usize) {
        let due = self.sessions[key].next_due();
        self.set_deadline(id, due);
    }

    fn set_deadline(&mut self, id: SessionId, due: Option<Timestamp>) {
        let old = self.deadline_of.get(&id).copied();
        if old == due {
            return;
        }
        if let Some(old) = old {
            self.deadlines.remove(&(old, id));
        }
        match due {
            Some(due) => {
                self.deadlines.insert((due, id));
                self.deadline_of.insert(id, due);
            }
            None => {
                self.deadline_of.remove(&id);
            }
        }
    }

    fn expire(&mut self, id: SessionId, turn: Turn) {
        let expired = match self.by_id.get(&id) {
            Some(&key) => {
                let expires = self.sessions[key].expires();
                expires.is_some_and(|at| at <= turn.now)
            }
            // It was not woken for anything else.
            None => self.is_dormant(id),
        };
        if expired {
            self.end(id, "session expired");
        }
    }

    /// Ends a session and tells its pages why.
    fn end_told(&mut self, id: SessionId, reason: &str) {
        let connections = self.session(id).map(|of| of.connections().collect());
        let connections: Vec<ConnectionId> = connections.unwrap_or_default();
        for connection in connections {
            self.effects.push_back(Effect::Close {
                connection,
                code: CLOSE_POLICY,
                reason: reason.into(),
            });
        }
        self.end(id, reason);
    }

    /// Ends a session, in memory or dormant, for a reason that the log has.
    pub fn end(&mut self, id: SessionId, reason: &str) {
        let awake = self.by_id.remove(&id);
        if awake.is_none() && self.dormant.remove(&id).is_none() {
            return;
        }
        if let Some(key) = awake {
            self.sessions.remove(key);
        }
        self.topics.forget(id);
        self.set_deadline(id, None);
        if self.sessions.is_empty() {
            self.sessions.shrink_to_fit();
        }
        self.log(id, 1, format_args!("{reason}"));
        self.effects.push_back(Effect::SessionEnded { session: id });
    }

    fn log(&mut self, session: SessionId, level: u8, text: std::fmt::Arguments<'_>) {
        if level <= self.config.verbosity {
            let text = text.to_string();
            self.effects.push_back(Effect::Log {
                session,
                level,
                text,
            });
        }
    }
}
