//! The town around a server: people with tabs, what they do, what befalls their connections, and the questions that
//! are asked when all is quiet.

use std::collections::{BTreeSet, VecDeque};

use super::app::App;
use super::evidence;
use super::input::{Fate, Input};
use super::link::Past;
use super::net::{Happening, Net, TabId};
use super::page::Role;
use super::tab::{Kind, News, Tab};
use super::values::difference;
use lunette::server::world::{Ready, SIGNALS};

/// When nothing has happened for so long all is quiet.
const QUIET_MS: u64 = 4_000;
/// It must be quiet so long after the last fault.
const RESTLESS_MS_MAX: u64 = 30 * 60_000;
/// A server that nothing wakes is looked at as often.
const LONGEST_MS: u64 = 86_400_000;
/// Pauses between two deeds, ms.
const PAUSES: [u64; 8] = [0, 1, 5, 20, 100, 700, 4_000, 30_000];
/// Somebody with a session.
#[derive(Default)]
pub struct User {
    pub sid: Option<String>,
    /// When their session began at the latest.
    pub since: Option<u64>,
    /// Somebody has done something that the server has acknowledged.
    used: bool,
}

/// What was said and heard in one view, and by whom.
pub struct Heard {
    pub sid: String,
    pub tab: TabId,
    pub past: Past,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// So many deeds are left.
    Busy(usize),
    /// No more faults: waits until nothing is under way. Since when, and since when nothing was.
    Calm(u64, Option<u64>),
    /// Each tab asks for everything; then tabs are opened that see all for the first time.
    Probe(u64),
    Look(u64),
    Over,
}

/// What the driver is asked to do between two turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    Edit,
    /// The server's process ends in one of its next writes.
    Kill,
    /// The server is told to stop.
    Stop,
    /// All questions are answered.
    End,
}

pub struct Town {
    pub net: Net,
    pub app: &'static App,
    pub users: Vec<User>,
    pub tabs: Vec<Tab>,
    pub heard: Vec<Heard>,
    pub wishes: VecDeque<Wish>,
    /// All sessions that there ever were.
    pub sids: BTreeSet<String>,
    pub tally: Tally,
    /// What was done outside of the server.
    pub outside: Vec<String>,
    /// A signal tells the server to stop.
    pub signal: bool,
    stage: Stage,
    rounds_left: usize,
    pub plan: Plan,
    /// What the server had written when all became quiet.
    pub writes: u64,
}

/// How much there is to happen.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Deeds between two silences, and silences.
    pub deeds: usize,
    pub rounds: usize,
    /// One user does things, and nothing else happens.
    pub is_kind: bool,
}

/// What there was of everything.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    pub inputs: u64,
    pub cuts: u64,
    pub views: u64,
    pub frames: u64,
    pub tabs: u64,
    /// Things done outside.
    pub outside: u64,
}

impl Tally {
    pub fn add(&mut self, one: &Tally) {
        self.inputs += one.inputs;
        self.cuts += one.cuts;
        self.views += one.views;
        self.frames += one.frames;
        self.tabs += one.tabs;
        self.outside += one.outside;
    }
}

impl Town {
    pub fn new(seed: u64, app: &'static App, plan: Plan) -> Town {
        let Plan {
            deeds,
            rounds,
            is_kind,
        } = plan;
        let mut net = Net::new(seed);
        let users = if is_kind { 1 } else { 1 + net.dice.roll(4) };
        net.at(1, Happening::Act);
        let mut town = Town {
            net,
            app,
            users: (0..users).map(|_| User::default()).collect(),
            tabs: Vec::new(),
            heard: Vec::new(),
            wishes: VecDeque::new(),
            sids: BTreeSet::new(),
            tally: Tally::default(),
            outside: Vec::new(),
            signal: false,
            stage: Stage::Busy(deeds),
            rounds_left: rounds,
            plan,
            writes: 0,
        };
        for user in 0..users {
            town.open(user, Kind::Linked);
        }
        town
    }

    /// For so long (ms) there is no server.
    pub fn pass_without_server(&mut self, ms: u64) {
        let until = self.net.now + ms;
        while self.net.next_at().is_some_and(|at| at <= until) {
            self.net.now = self.net.now.max(self.net.next_at().unwrap_or(0));
            while let Some(happening) = self.net.take_due() {
                self.happen(happening);
            }
        }
        self.net.now = until;
    }

    /// Time goes on until the server has something to do, at most for so long (ms).
    pub fn pass(&mut self, timeout: Option<u64>, ready: &mut Vec<Ready>) {
        let until = self.net.now + timeout.unwrap_or(LONGEST_MS).min(LONGEST_MS);
        // What a turn takes.
        self.net.now += [0, 0, 0, 1, 3][self.net.dice.roll(5)];
        loop {
            while let Some(happening) = self.net.take_due() {
                self.happen(happening);
            }
            self.net.take_ready(ready);
            if std::mem::take(&mut self.signal) {
                ready.push(Ready {
                    token: SIGNALS,
                    readable: true,
                    ended: false,
                    writable: false,
                });
            }
            if !ready.is_empty() || !self.wishes.is_empty() {
                return;
            }
            let next = self.net.next_at().unwrap_or(u64::MAX);
            if next > until || self.net.now >= until {
                self.net.now = self.net.now.max(until);
                return;
            }
            self.net.now = self.net.now.max(next);
        }
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::ToServer(wire, parcel) => self.net.reach_server(wire, parcel),
            Happening::ToClient(wire, parcel) => {
                if let Some((tab, parcel)) = self.net.reach_client(wire, parcel) {
                    let news = self.tabs[tab].take(&mut self.net, wire, parcel);
                    self.told(tab, news);
                }
            }
            Happening::Drain(wire) => {
                for (tab, parcel) in self.net.drain(wire) {
                    let news = self.tabs[tab].take(&mut self.net, wire, parcel);
                    self.told(tab, news);
                }
            }
            Happening::Tab(tab, alarm, serial) => {
                self.tabs[tab].alarm(&mut self.net, alarm, serial)
            }
            Happening::Act => self.act(),
        }
    }

    fn told(&mut self, tab: TabId, news: Option<News>) {
        let user = self.tabs[tab].user;
        let sid = self.tabs[tab].sid.clone();
        self.sids.extend(sid.clone());
        if self.users[user].sid.is_none() && self.tabs[tab].kind != Kind::Vandal {
            self.users[user].sid = sid.clone();
        }
        // One that came before anybody has a session of its own, which nobody else comes to.
        let of_user = self.users[user].sid == sid;
        if of_user && self.tabs[tab].is_open() && self.users[user].since.is_none() {
            self.users[user].since = Some(self.net.now);
        }
        if news == Some(News::SessionGone) {
            self.session_gone(tab);
        }
    }

    /// A session that somebody has used lives as long as anybody is there, and a day longer.
    fn session_gone(&mut self, tab: TabId) {
        let user = self.tabs[tab].user;
        let sid = self.tabs[tab].sid.clone();
        let of_session = self.tabs.iter().filter(|t| t.user == user && t.sid == sid);
        let used =
            self.users[user].used || of_session.clone().any(|t| t.inputs.iter().any(is_done));
        assert!(!used, "a session that was used is gone: {sid:?}");
        self.net
            .trace(format_args!("session {sid:?} of user {user} is gone"));
        let of_session: Vec<TabId> = of_session.filter(|t| !t.gone).map(|t| t.id).collect();
        for tab in of_session {
            self.close(tab, false);
        }
        if self.users[user].sid == sid {
            self.users[user].sid = None;
            self.users[user].since = None;
            self.open(user, Kind::Linked);
        }
    }

    // ---- tabs -------------------------------------------------------------------------------------

    pub fn open(&mut self, user: usize, kind: Kind) -> TabId {
        let id = self.tabs.len();
        self.net
            .trace(format_args!("user {user} opens tab {id}: {kind:?}"));
        let mut tab = Tab::new(id, user, kind, self.users[user].sid.clone());
        tab.connect(&mut self.net);
        self.tabs.push(tab);
        self.tally.tabs += 1;
        id
    }

    pub fn close(&mut self, tab: TabId, politely: bool) {
        let tab = &mut self.tabs[tab];
        self.net.trace(format_args!("tab {} is closed", tab.id));
        self.users[tab.user].used |= tab.inputs.iter().any(is_done);
        tab.leave(&mut self.net, politely);
        if tab.kind == Kind::Vandal {
            return;
        }
        self.tally.views += tab.views;
        for past in tab.take_past() {
            self.tally.frames += past.heard.len() as u64;
            self.heard.push(Heard {
                sid: tab.sid.clone().unwrap_or_default(),
                tab: tab.id,
                past,
            });
        }
    }

    pub fn open_tabs(&self) -> Vec<TabId> {
        let open = self
            .tabs
            .iter()
            .filter(|tab| !tab.gone && tab.kind != Kind::Vandal);
        open.map(|tab| tab.id).collect()
    }

    // ---- deeds ------------------------------------------------------------------------------------

    fn act(&mut self) {
        let now = self.net.now;
        if !matches!(self.stage, Stage::Busy(_)) {
            self.fence();
        }
        let pause = match self.stage {
            Stage::Busy(0) => {
                self.calm_down();
                1_000
            }
            Stage::Busy(left) => {
                self.stage = Stage::Busy(left - 1);
                self.deed();
                PAUSES[self.net.dice.roll(8)]
            }
            Stage::Calm(since, quiet) => {
                let is_quiet = self.tabs.iter().all(|tab| tab.gone || tab.is_quiet());
                let late = now - since > RESTLESS_MS_MAX;
                assert!(!late, "it does not become quiet: {}", self.restless());
                let quiet = is_quiet.then(|| quiet.unwrap_or(now));
                self.stage = Stage::Calm(since, quiet);
                if quiet.is_some_and(|at| now - at >= QUIET_MS) {
                    self.probe();
                }
                1_000
            }
            Stage::Probe(at)
                if now - at >= QUIET_MS
                    && self.tabs.iter().all(|tab| tab.gone || tab.is_quiet()) =>
            {
                self.look();
                1_000
            }
            Stage::Look(at)
                if now - at >= QUIET_MS
                    && self.tabs.iter().all(|tab| tab.gone || tab.is_quiet()) =>
            {
                self.compare();
                1_000
            }
            Stage::Look(at) | Stage::Probe(at) => {
                assert!(now - at < RESTLESS_MS_MAX, "no answer: {}", self.restless());
                1_000
            }
            Stage::Over => return self.wishes.push_back(Wish::End),
        };
        self.net.after(pause, Happening::Act);
    }

    fn restless(&self) -> String {
        let restless = self.tabs.iter().filter(|tab| !tab.gone && !tab.is_quiet());
        let told: Vec<String> = restless
            .map(|tab| format!("tab {} of {:?}, {}", tab.id, tab.sid, tab.under_way()))
            .collect();
        told.join("; ")
    }

    // ---- questions --------------------------------------------------------------------------------

    fn calm_down(&mut self) {
        self.net.trace(format_args!("--- no more faults"));
        self.writes = self.net.life.written();
        self.net.calm_down();
        for tab in &mut self.tabs {
            tab.unfenced = true;
        }
        for tab in 0..self.tabs.len() {
            if self.tabs[tab].kind == Kind::Vandal && !self.tabs[tab].gone {
                self.close(tab, false);
            }
        }
        self.stage = Stage::Calm(self.net.now, None);
    }

    fn fence(&mut self) {
        let Town { net, tabs, .. } = self;
        for tab in tabs.iter_mut().filter(|tab| !tab.gone) {
            tab.fence(net);
        }
    }

    fn probe(&mut self) {
        self.net
            .trace(format_args!("--- all is quiet: is everything known?"));
        let Town { net, tabs, app, .. } = self;
        for tab in tabs.iter_mut().filter(|tab| !tab.gone) {
            tab.probe(net, app.moving);
        }
        self.stage = Stage::Probe(self.net.now);
    }

    /// Everything was told again. Now somebody looks who sees it for the first time.
    fn look(&mut self) {
        self.net
            .trace(format_args!("--- does somebody else see the same?"));
        for tab in self.tabs.iter_mut().filter(|tab| !tab.gone) {
            tab.all_is_done();
        }
        for user in 0..self.users.len() {
            if self.users[user].sid.is_some() {
                let checker = self.open(user, Kind::Linked);
                let tab = &mut self.tabs[checker];
                tab.checks = true;
                if self.app.keeps_log {
                    let sid = tab.sid.clone();
                    self.tabs[checker].asks = evidence::asked(&self.tabs, &sid);
                }
            }
        }
        self.stage = Stage::Look(self.net.now);
    }

    fn compare(&mut self) {
        let left_out: Vec<&str> = self
            .app
            .moving
            .iter()
            .chain(self.app.private)
            .copied()
            .collect();
        for user in 0..self.users.len() {
            let mut checkers = self
                .tabs
                .iter()
                .filter(|tab| tab.checks && !tab.gone && tab.user == user);
            let Some(checker) = checkers.next().map(|tab| tab.id) else {
                continue;
            };
            for tab in self.tabs.iter().filter(|tab| !tab.gone && tab.user == user) {
                if tab
                    .page
                    .all(Role::Shown)
                    .iter()
                    .any(|id| tab.page.vars[id].unsure)
                {
                    continue;
                }
                // Without numbers nobody knows which of two writes was the last.
                let fields = tab.kind == Kind::Linked;
                let shown = tab.page.snapshot(&left_out, fields);
                let fresh = self.tabs[checker].page.snapshot(&left_out, fields);
                if let Some(difference) = difference(&shown, &fresh) {
                    panic!(
                        "tab {} shows something else than a new tab, {checker}: {difference}",
                        tab.id
                    );
                }
            }
            if self.app.keeps_log {
                evidence::check(self, user, checker);
            }
            self.close(checker, true);
        }
        self.rounds_left -= 1;
        self.stage = match self.rounds_left {
            0 => Stage::Over,
            _ => {
                self.net.calm = false;
                Stage::Busy(self.plan.deeds)
            }
        };
    }

    /// The town is left: everything that was heard is put away.
    pub fn end(&mut self) {
        self.tally.outside = self.outside.len() as u64;
        for tab in self.open_tabs() {
            self.close(tab, false);
        }
    }
}

fn is_done(input: &Input) -> bool {
    input.fate == Fate::Done
}
