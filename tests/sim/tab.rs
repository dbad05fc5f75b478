//! A tab of somebody's browser: it fetches the page, opens a WebSocket, shows and does things, loses its connection
//! and comes back.

use serde_json::{Value, json};

use super::input::{Fate, Input};
use super::link::{Heard, Link, Past};
use super::net::{Alarm, Happening, Net, Parcel, TabId, WireId};
use super::page::{Page, Role};
use super::socket::{self, Answer, Frame};

/// A tab without an answer for so long takes its connection for lost.
const PATIENCE_MS: u64 = 10_000;
/// Until the next try, more each time.
const RETRY_MS: u64 = 200;
const RETRY_MS_MAX: u64 = 5_000;
const BEAT_MS: u64 = 5_000;
/// Frames after which the server is told how far we have got.
const ACK_FRAMES: u64 = 16;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Linked,
    /// Of the base protocol.
    Base,
    /// Says what no client says.
    Vandal,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Away,
    /// `GET /` is under way.
    Root,
    /// The page is.
    Page,
    /// The WebSocket's handshake is.
    Upgrade,
    Open,
}

/// What became of a tab's session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// The server does not know it.
    SessionGone,
}

pub struct Tab {
    pub id: TabId,
    pub user: usize,
    pub kind: Kind,
    pub sid: Option<String>,
    pub page: Page,
    pub inputs: Vec<Input>,
    /// It was closed.
    pub gone: bool,
    /// Opened to look, when all is quiet.
    pub checks: bool,
    pub fetched: bool,
    pub wire: Option<WireId>,
    pub link: Link,
    /// What a base client said and heard, by connection.
    past: Vec<Past>,
    phase: Phase,
    inbox: Vec<u8>,
    serial: u64,
    failures: u32,
    asked_at: Option<u64>,
    /// Nobody knows whether all has arrived that was said.
    pub unfenced: bool,
    /// How long until the next try.
    pub away_ms: Option<u64>,
    pub views: u64,
    /// Paths that are shown beside what the templates show.
    pub asks: Vec<String>,
}

impl Tab {
    pub fn new(id: TabId, user: usize, kind: Kind, sid: Option<String>) -> Tab {
        Tab {
            id,
            user,
            kind,
            sid,
            page: Page::new(kind == Kind::Linked),
            inputs: Vec::new(),
            gone: false,
            checks: false,
            fetched: false,
            wire: None,
            link: Link::default(),
            past: Vec::new(),
            phase: Phase::Away,
            inbox: Vec::new(),
            serial: 0,
            failures: 0,
            asked_at: None,
            unfenced: false,
            away_ms: None,
            views: 0,
            asks: Vec::new(),
        }
    }

    pub fn is_open(&self) -> bool {
        self.phase == Phase::Open && (self.kind != Kind::Linked || self.link.greeted)
    }

    /// Nothing of it is under way.
    pub fn is_quiet(&self) -> bool {
        let waits = self.inputs.iter().any(|input| input.fate == Fate::Waiting);
        let page = self.page.out.is_empty() && !self.page.is_probing();
        self.is_open() && !waits && !self.link.waits() && !self.unfenced && page
    }

    /// What keeps it from being quiet.
    pub fn under_way(&self) -> String {
        let Tab {
            phase,
            link,
            page,
            asked_at,
            ..
        } = self;
        format!(
            "{phase:?}, waits {}, probes {}, asked {asked_at:?}",
            link.waits(),
            page.is_probing()
        )
    }

    /// All that it said and heard, by view.
    pub fn take_past(&mut self) -> Vec<Past> {
        let mut past = std::mem::take(&mut self.past);
        past.extend(std::mem::take(&mut self.link).into_past());
        past
    }

    // ---- connections ------------------------------------------------------------------------------

    pub fn connect(&mut self, net: &mut Net) {
        if self.gone || self.wire.is_some() {
            return;
        }
        self.phase = match (&self.sid, self.fetched) {
            (None, _) => Phase::Root,
            (Some(_), false) => Phase::Page,
            (Some(_), true) => Phase::Upgrade,
        };
        self.inbox.clear();
        self.asked_at = Some(net.now);
        self.wire = Some(net.connect(self.id));
        self.call_later(net, Alarm::Beat, BEAT_MS);
    }

    fn call_later(&mut self, net: &mut Net, alarm: Alarm, ms: u64) {
        net.after(ms, Happening::Tab(self.id, alarm, self.serial));
    }

    pub fn alarm(&mut self, net: &mut Net, alarm: Alarm, serial: u64) {
        if serial != self.serial || self.gone {
            return;
        }
        match alarm {
            Alarm::Connect => self.connect(net),
            Alarm::Flush => self.flush(net),
            Alarm::Beat => self.beat(net),
        }
    }

    fn beat(&mut self, net: &mut Net) {
        let late = self.asked_at.is_some_and(|at| net.now > at + PATIENCE_MS);
        if late && self.wire.is_some() {
            net.trace(format_args!("tab {} hears nothing", self.id));
            return self.lose(net);
        }
        if self.is_open()
            && self.kind == Kind::Linked
            && self.asked_at.is_none()
            && net.dice.roll(4) == 0
        {
            let ask = self.link.acknowledgement(true);
            self.asked_at = Some(net.now);
            self.say(net, &ask);
        }
        self.call_later(net, Alarm::Beat, BEAT_MS);
    }

    /// The connection is lost, or of no use.
    pub fn lose(&mut self, net: &mut Net) {
        let Some(wire) = self.wire.take() else {
            return;
        };
        net.hang_up(wire);
        self.phase = Phase::Away;
        self.serial += 1;
        self.link.lost();
        if self.kind != Kind::Linked {
            self.begin_view();
            self.doubt_all();
        }
        if self.kind == Kind::Vandal {
            self.gone = true;
        }
        let patience = (RETRY_MS << self.failures.min(10)).min(RETRY_MS_MAX);
        self.failures += 1;
        let away = self.away_ms.take().unwrap_or(patience);
        self.call_later(net, Alarm::Connect, away);
    }

    fn doubt_all(&mut self) {
        for input in &mut self.inputs {
            if input.fate == Fate::Said {
                input.fate = Fate::Doubt;
            }
        }
    }

    /// The user closes the tab; `politely`: the page says so.
    pub fn leave(&mut self, net: &mut Net, politely: bool) {
        self.gone = true;
        self.serial += 1;
        if let Some(wire) = self.wire.take() {
            if self.phase == Phase::Open && politely {
                net.send(wire, &socket::close(1001));
            }
            net.hang_up(wire);
        }
        self.phase = Phase::Away;
        self.doubt_all();
        for input in &mut self.inputs {
            if input.fate == Fate::Waiting {
                input.fate = Fate::Dropped;
            }
        }
    }

    // ---- what arrives -----------------------------------------------------------------------------

    pub fn take(&mut self, net: &mut Net, wire: WireId, parcel: Parcel) -> Option<News> {
        if self.wire != Some(wire) {
            return None;
        }
        match parcel {
            Parcel::Opened => self.ask(net, wire),
            Parcel::End | Parcel::Reset => self.lose(net),
            Parcel::Bytes(bytes) => {
                self.inbox.extend(bytes);
                self.failures = 0;
                while self.wire == Some(wire) {
                    if self.phase != Phase::Open {
                        let answer = socket::take_answer(&mut self.inbox)?;
                        if let Some(news) = self.answered(net, wire, &answer) {
                            return Some(news);
                        }
                        continue;
                    }
                    let frame = socket::take_frame(&mut self.inbox)?;
                    self.hear(net, wire, frame);
                }
            }
        }
        None
    }

    fn ask(&mut self, net: &mut Net, wire: WireId) {
        let sid = self.sid.clone().unwrap_or_default();
        let request = match self.phase {
            Phase::Root => socket::get("/", ""),
            Phase::Page => socket::get(&format!("/{sid}"), ""),
            _ => {
                let query = match self.kind {
                    Kind::Linked => self.link.query(),
                    Kind::Base | Kind::Vandal => String::new(),
                };
                socket::upgrade(&format!("/ws/{sid}{query}"), self.kind == Kind::Linked)
            }
        };
        net.send(wire, &request);
    }

    fn answered(&mut self, net: &mut Net, wire: WireId, answer: &Answer) -> Option<News> {
        match (self.phase, answer.status) {
            (Phase::Root, 307) => {
                let location = answer
                    .header("location")
                    .expect("a redirect has a location");
                self.sid = Some(location.trim_start_matches('/').to_owned());
                self.phase = Phase::Page;
                self.ask(net, wire);
            }
            (Phase::Page, 200) => {
                self.fetched = true;
                net.hang_up(wire);
                self.wire = None;
                self.serial += 1;
                self.connect(net);
            }
            (Phase::Page, 307) | (Phase::Upgrade, 404) => return Some(News::SessionGone),
            (Phase::Upgrade, 101) => {
                self.phase = Phase::Open;
                self.asked_at = (self.kind == Kind::Linked).then_some(net.now);
                if self.kind != Kind::Linked {
                    self.begin_view();
                    self.flush(net);
                }
            }
            // The machine slept, or there are too many.
            (_, 408 | 503) => self.lose(net),
            (phase, status) => panic!("tab {}: {status} in {phase:?}: {}", self.id, answer.head),
        }
        None
    }

    fn hear(&mut self, net: &mut Net, wire: WireId, frame: Frame) {
        match frame {
            Frame::Ping(payload) => net.send(wire, &socket::pong(&payload)),
            Frame::Pong => {}
            Frame::Close(code) => {
                net.trace(format_args!("tab {} is closed with {code}", self.id));
                let known = [1001, 1011, 1012, 1013];
                let fine = known.contains(&code) || self.kind == Kind::Vandal;
                assert!(
                    fine,
                    "tab {} did nothing wrong and is closed with {code}",
                    self.id
                );
                self.lose(net);
            }
            Frame::Text(text) => match self.kind {
                Kind::Linked => self.hear_linked(net, &text),
                Kind::Base => {
                    self.asked_at = None;
                    if let Some(past) = self.past.last_mut() {
                        past.heard.push(text.clone());
                    }
                    self.page.hear(&text, None);
                    self.after_hearing(net);
                }
                Kind::Vandal => {}
            },
        }
    }

    fn hear_linked(&mut self, net: &mut Net, text: &str) {
        net.trace(format_args!("tab {} < {text:.300}", self.id));
        self.asked_at = None;
        match self.link.take(text) {
            Heard::Acknowledged => self.unfenced = false,
            Heard::Frame { text, ack } => {
                self.page.hear(&text, Some(ack));
                if self.link.unacknowledged >= ACK_FRAMES {
                    let ack = self.link.acknowledgement(false);
                    self.say(net, &ack);
                }
            }
            Heard::Resumed(again) => {
                net.trace(format_args!(
                    "tab {} goes on with view {}",
                    self.id, self.link.view
                ));
                for text in again {
                    self.say(net, &text);
                }
                self.unfenced = false;
                self.flush(net);
            }
            Heard::Anew { lost, doubt } => {
                net.trace(format_args!(
                    "tab {} has view {}, to say again {lost:?}",
                    self.id, self.link.view
                ));
                self.views += 1;
                for input in lost {
                    self.inputs[input].fate = Fate::Waiting;
                }
                for input in doubt {
                    self.inputs[input].fate = Fate::Doubt;
                }
                self.page = Page::new(true);
                self.unfenced = false;
                self.flush(net);
            }
        }
        for input in std::mem::take(&mut self.link.done) {
            self.inputs[input].fate = Fate::Done;
        }
        if self.link.waits() {
            self.asked_at = Some(net.now);
        }
        self.after_hearing(net);
    }

    /// A page that has heard something may have to say something.
    fn after_hearing(&mut self, net: &mut Net) {
        self.watch_spares();
        if self.page.out.is_empty() {
            return;
        }
        match net.dice.roll(3) {
            0 => self.call_later(net, Alarm::Flush, 10),
            _ => self.flush(net),
        }
    }

    /// Variables that the app says it has made are watched.
    fn watch_spares(&mut self) {
        let spares = self
            .page
            .find("spares()")
            .map(|id| self.page.vars[&id].value.clone());
        let ids = spares.as_ref().and_then(Value::as_str).unwrap_or("");
        for id in ids.split_whitespace().filter_map(|id| id.parse().ok()) {
            if !self.page.vars.contains_key(&id) {
                self.page.watch_server(id);
            }
        }
    }

    fn begin_view(&mut self) {
        self.page = Page::new(self.kind == Kind::Linked);
        self.unfenced = false;
        self.past.push(Past {
            view: 0,
            heard: Vec::new(),
            said: Vec::new(),
            handled: 0,
        });
    }

    // ---- what is said -----------------------------------------------------------------------------

    fn say(&mut self, net: &mut Net, text: &str) {
        net.trace(format_args!("tab {} > {text:.300}", self.id));
        let parts = match net.dice.roll(8) {
            0 => 2 + net.dice.roll(3),
            _ => 1,
        };
        let mut bytes = socket::text(text, parts);
        if net.dice.roll(40) == 0 {
            bytes.extend(socket::ping());
        }
        if let Some(wire) = self.wire {
            net.send(wire, &bytes);
        }
    }

    /// Bytes as they are: of vandals.
    pub fn shout(&mut self, net: &mut Net, bytes: &[u8]) {
        if let Some(wire) = self.wire {
            net.send(wire, bytes);
        }
    }

    /// The user does something.
    pub fn put(&mut self, net: &mut Net, call: Option<&'static str>) {
        let token = format!("t{}.{}", self.id, self.inputs.len());
        net.trace(format_args!("{token}: {}", call.unwrap_or("a text")));
        self.inputs.push(Input {
            token,
            call,
            fate: Fate::Waiting,
            at: net.now,
        });
        match net.dice.roll(5) {
            0 => self.call_later(net, Alarm::Flush, 10),
            _ => self.flush(net),
        }
    }

    /// The user writes to a variable, or presses it.
    pub fn write(&mut self, net: &mut Net, id: i64, value: &Value) {
        if self.is_open() {
            net.trace(format_args!(
                "tab {} writes {value} to {:?}",
                self.id, self.page.vars[&id].props
            ));
            self.frame(
                net,
                true,
                vec![write(id, value)],
                vec![(id, value.clone())],
                Vec::new(),
            );
        }
    }

    /// Asks for an answer, after which all that was said before has arrived: connections that died without
    /// a sign are noticed, too.
    pub fn fence(&mut self, net: &mut Net) {
        if !self.unfenced || !self.is_open() || self.asked_at.is_some() {
            return;
        }
        self.asked_at = Some(net.now);
        if self.kind == Kind::Linked {
            let ask = self.link.acknowledgement(true);
            return self.say(net, &ask);
        }
        self.page.probe_app();
        self.flush(net);
        self.unfenced = false;
    }

    /// Asks for everything again.
    pub fn probe(&mut self, net: &mut Net, moving: &[&str]) {
        self.asked_at.get_or_insert(net.now);
        self.page.probe(moving);
        self.flush(net);
    }

    /// Says all that waits.
    pub fn flush(&mut self, net: &mut Net) {
        if !self.is_open() || self.kind == Kind::Vandal {
            return;
        }
        let mut messages = Vec::new();
        let mut written = Vec::new();
        let mut inputs = Vec::new();
        for at in 0..self.inputs.len() {
            if self.inputs[at].fate != Fate::Waiting {
                continue;
            }
            let id = self.variable_of(self.inputs[at].call);
            let value = json!(self.inputs[at].token);
            messages.push(write(id, &value));
            written.push((id, value));
            inputs.push(at);
            self.inputs[at].fate = Fate::Said;
        }
        for path in &self.asks {
            if self.page.find(path).is_none() {
                self.page.make(Role::Shown, path);
            }
        }
        let mut all = std::mem::take(&mut self.page.out);
        all.extend(messages);
        if !all.is_empty() {
            self.frame(net, !inputs.is_empty(), all, written, inputs);
        }
    }

    fn variable_of(&mut self, call: Option<&'static str>) -> i64 {
        let own = format!("texts.t{}", self.id);
        let (role, path) = match call {
            Some(path) => (Role::Action, path),
            None => (Role::Field, own.as_str()),
        };
        let found = self.page.find(path);
        found.unwrap_or_else(|| self.page.make(role, path))
    }

    fn frame(
        &mut self,
        net: &mut Net,
        user_event: bool,
        messages: Vec<Value>,
        written: Vec<(i64, Value)>,
        inputs: Vec<usize>,
    ) {
        let text = json!({"userEvent": user_event, "messages": messages}).to_string();
        let text = match self.kind {
            Kind::Linked => {
                self.asked_at.get_or_insert(net.now);
                self.link.send(&text, inputs)
            }
            Kind::Base | Kind::Vandal => {
                if let Some(past) = self.past.last_mut() {
                    past.said.push(text.clone());
                }
                self.unfenced = true;
                text
            }
        };
        for (id, value) in written {
            self.page.written(id, &value, self.link.sent);
        }
        self.say(net, &text);
    }

    /// All is quiet: what was said has taken effect.
    pub fn all_is_done(&mut self) {
        for input in &mut self.inputs {
            if input.fate == Fate::Said {
                assert_eq!(
                    self.kind,
                    Kind::Base,
                    "a quiet link has acknowledged everything"
                );
                input.fate = Fate::Done;
            }
        }
    }
}

fn write(id: i64, value: &Value) -> Value {
    json!({"type": "update", "data": {"varId": id, "value": value}})
}
