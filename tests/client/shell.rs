//! The server's side without sockets: real core, real links, and what the server does between them. Whoever has
//! the network feeds texts and takes texts.

use std::collections::BTreeMap;

use lunette::core::effect::Effect;
use lunette::core::event::{Event, Opening, Turn};
use lunette::core::id::{ConnectionId, SessionId};
use lunette::core::limits::SessionLimits;
use lunette::core::manager::{ManagerConfig, SessionManager};
use lunette::core::site::Site;
use lunette::lua::LuaRuntime;
use lunette::net::limits::NetLimits;
use lunette::net::link::{Resume, Taken, parse_number};
use lunette::net::links::{Links, Resumed};
use lunette::wire::{read_batch, write_batch};

const SESSION: SessionId = SessionId(1);

pub struct Shell {
    core: SessionManager<LuaRuntime>,
    links: Links,
    pub limits: NetLimits,
    /// Which frontend a connection carries, and back.
    carried: BTreeMap<u64, ConnectionId>,
    last: u64,
    now: u64,
    /// Texts for connections; `None`: it is closed.
    pub out: Vec<(u64, Option<String>)>,
}

impl Shell {
    pub fn start(main: &str, seed: u64) -> Shell {
        let files = [("lua/main.lua".to_owned(), main.as_bytes().to_vec())];
        let config = ManagerConfig {
            site: Site::new(files.into_iter().collect()),
            // The session outlives the longest time away, also if nothing was done before.
            limits: SessionLimits {
                unused_timeout_ms: 24 * 60 * 60_000,
                ..SessionLimits::default()
            },
            ..ManagerConfig::default()
        };
        let runtime = LuaRuntime::new().expect("a runtime");
        let mut shell = Shell {
            core: SessionManager::new(runtime, config),
            links: Links::default(),
            limits: NetLimits::default(),
            carried: BTreeMap::new(),
            last: 0,
            now: 0,
            out: Vec::new(),
        };
        let url = "/".into();
        let opening = Opening {
            seed,
            url,
            ..Opening::default()
        };
        shell.handle(Event::SessionOpened {
            session: SESSION,
            opening,
        });
        shell
    }

    fn handle(&mut self, event: Event) {
        let turn = Turn {
            now: self.now,
            wall: self.now as i64,
        };
        self.core.handle_event(event, turn);
        while let Some(effect) = self.core.poll_effect() {
            if let Effect::Send { connection, batch } = effect {
                let key = self.key_of(connection);
                let Some(link) = self.links.get_mut(connection) else {
                    continue;
                };
                link.push(|out| write_batch(&batch, out));
                let mut text = Vec::new();
                if key.is_some() {
                    link.write_last(&mut text);
                }
                let fits = link.trim(self.limits.resume_bytes);
                match key {
                    Some(key) => self.send(key, text),
                    None if !fits => self.leave(connection),
                    None => {}
                }
            }
        }
    }

    fn key_of(&self, connection: ConnectionId) -> Option<u64> {
        let mut all = self.carried.iter();
        all.find(|(_, c)| **c == connection).map(|(key, _)| *key)
    }

    fn send(&mut self, key: u64, text: Vec<u8>) {
        let text = String::from_utf8(text).expect("texts are UTF-8");
        self.out.push((key, Some(text)));
    }

    fn leave(&mut self, connection: ConnectionId) {
        self.part(connection);
        self.links.end(connection);
        self.handle(Event::FrontendLeft {
            session: SESSION,
            connection,
        });
    }

    fn part(&mut self, connection: ConnectionId) {
        if let Some(key) = self.key_of(connection) {
            self.carried.remove(&key);
            self.out.push((key, None));
        }
    }

    /// A page opens connection `key` with this in its address.
    pub fn connect(&mut self, key: u64, query: &str, now: u64) {
        self.now = now;
        let value = |name: &str| {
            let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            pairs.find(|(n, _)| *n == name).map(|(_, value)| value)
        };
        let number = |name| value(name).and_then(parse_number);
        let mut asked = None;
        if let Some(view) = number("view") {
            let received = number("received").zip(number("check").map(|check| check as u32));
            match self.links.resume(SESSION, Resume { view, received }) {
                Resumed::Again(connection) => {
                    self.part(connection);
                    self.carried.insert(key, connection);
                    self.greet(key, connection, true, None);
                    let mut missing = Vec::new();
                    let received = received.map_or(0, |(number, _)| number);
                    self.links
                        .resend(connection, received, |text| missing.push(text.to_vec()));
                    return missing.into_iter().for_each(|text| self.send(key, text));
                }
                Resumed::Anew { handled, replaces } => {
                    asked = handled;
                    if let Some(before) = replaces {
                        self.leave(before);
                    }
                }
            }
        }
        self.last += 1;
        let connection = ConnectionId(self.last);
        self.links.join(SESSION, connection, true);
        self.carried.insert(key, connection);
        self.greet(key, connection, false, asked);
        self.handle(Event::FrontendJoined {
            session: SESSION,
            connection,
        });
    }

    fn greet(&mut self, key: u64, connection: ConnectionId, resumed: bool, asked: Option<u64>) {
        let greeting = self.links.greeting(connection, resumed, asked, "server");
        self.out.push((key, greeting));
    }

    /// A text arrives.
    pub fn text(&mut self, key: u64, text: &str, now: u64) {
        self.now = now;
        let Some(&connection) = self.carried.get(&key) else {
            return;
        };
        match self.links.take(connection, text).expect("it has a link") {
            Taken::Frame(frame) => {
                self.links.handle(connection);
                self.handle(Event::BatchReceived {
                    session: SESSION,
                    connection,
                    batch: read_batch(frame),
                });
            }
            Taken::Nothing | Taken::Question => {}
            Taken::Broken(reason) => panic!("{reason}: {text}"),
        }
        self.acknowledge();
    }

    /// The server notices that a connection is lost.
    pub fn lost(&mut self, key: u64, now: u64) {
        self.now = now;
        if let Some(connection) = self.carried.remove(&key) {
            self.links.detach(connection, &self.limits, now);
        }
    }

    /// What is due by now.
    pub fn advance(&mut self, now: u64) {
        self.now = now;
        while let Some((_, connection)) = self.links.overdue(now) {
            self.leave(connection);
        }
        while let Some(session) = self.core.next_due(now) {
            self.handle(Event::TimersDue { session });
        }
        self.acknowledge();
    }

    pub fn next_due(&self) -> Option<u64> {
        let due = [self.core.poll_timeout(), self.links.next_due()];
        due.into_iter().flatten().min()
    }

    fn acknowledge(&mut self) {
        for (session, connection) in self.links.take_owing() {
            let session = self.core.session(session);
            if session.is_some_and(|session| session.has_news()) {
                self.links.owe(connection);
                continue;
            }
            let key = self.key_of(connection);
            if let (Some(link), Some(key)) = (self.links.get_mut(connection), key)
                && link.owes()
            {
                let mut text = Vec::new();
                link.write_ack(&mut text);
                self.send(key, text);
            }
        }
    }
}
