//! What happens while it is not quiet: users do things, and everything else goes wrong.

use serde_json::json;

use super::evidence;
use super::net::TabId;
use super::page::Role;
use super::tab::Kind;
use super::town::{Town, Wish};
use super::vandal;

/// Tabs that one user has open at the most.
const TABS_MAX: usize = 5;
/// Times without a connection, ms.
const AWAY: [u64; 6] = [1, 50, 900, 8_000, 70_000, 900_000];
const WORDS: [&str; 6] = [
    "",
    "tea",
    "Zoë <b>",
    "3",
    "x@y.example",
    "a long text, said \"again\"\\n",
];

impl Town {
    /// One of the things that happen.
    pub fn deed(&mut self) {
        let open = self.open_tabs();
        if open.is_empty() {
            let user = self.net.dice.roll(self.users.len());
            self.open(user, Kind::Linked);
            return;
        }
        let tab = open[self.net.dice.roll(open.len())];
        let user = self.tabs[tab].user;
        if self.plan.is_kind {
            return self.input(tab);
        }
        match self.net.dice.roll(100) {
            0..62 => self.input(tab),
            62..72 => self.cut(tab),
            72..74 => {
                if let Some(wire) = self.tabs[tab].wire {
                    self.net.silence(wire);
                }
            }
            74..77 => self.slow_down(tab),
            77..81 => {
                let politely = self.net.dice.roll(3) > 0;
                let kind = self.tabs[tab].kind;
                self.close(tab, politely);
                self.open(user, kind);
            }
            81..86 => {
                let has = open
                    .iter()
                    .filter(|&&other| self.tabs[other].user == user)
                    .count();
                if has < TABS_MAX && self.users[user].sid.is_some() {
                    let kind = [Kind::Linked, Kind::Linked, Kind::Base][self.net.dice.roll(3)];
                    self.open(user, kind);
                }
            }
            86..88 => {
                let politely = self.net.dice.roll(2) > 0;
                self.close(tab, politely);
            }
            88 => {
                if let Some(wire) = self.tabs[tab].wire {
                    self.net.half_close(wire);
                }
            }
            89..93 => self.vandalize(user),
            93 => {
                // Between two processes only the calendar tells how long nobody was there: it does not jump so far
                // that sessions are over.
                let jump = [-86_400_000, -5_000, 2_000, 3_600_000][self.net.dice.roll(4)];
                self.net
                    .trace(format_args!("the calendar jumps by {jump} ms"));
                self.net.wall_offset += jump;
            }
            94 => {
                let stall = [100, 4_000, 100_000][self.net.dice.roll(3)];
                self.net
                    .trace(format_args!("the machine sleeps for {stall} ms"));
                self.net.now += stall;
            }
            95 => self.tabs[tab].link.spoil(),
            96 => self.wishes.push_back(Wish::Kill),
            97 => {
                let wish = [Wish::Kill, Wish::Stop][self.net.dice.roll(2)];
                self.wishes.push_back(wish);
            }
            _ => self.wishes.push_back(Wish::Edit),
        }
    }

    fn slow_down(&mut self, tab: TabId) {
        if let Some(wire) = self.tabs[tab].wire {
            let bytes = [1, 30, 1_000, 20_000][self.net.dice.roll(4)];
            let every = [1, 50, 3_000][self.net.dice.roll(3)];
            self.net.slow_down(wire, bytes, every);
        }
    }

    fn input(&mut self, tab: TabId) {
        let Town {
            net,
            tabs,
            app,
            tally,
            ..
        } = self;
        let tab = &mut tabs[tab];
        tally.inputs += 1;
        if app.keeps_log && net.dice.roll(4) > 0 {
            let calls = evidence::CALLS;
            let call = match net.dice.roll(3) {
                0 => None,
                1 => Some(calls[0]),
                _ => Some(calls[net.dice.roll(calls.len())]),
            };
            return tab.put(net, call);
        }
        let role = [Role::Field, Role::Action][net.dice.roll(2)];
        let all = tab.page.all(role);
        // What leaves a trace is said in its order only.
        let free = |id: &i64| {
            let path = tab.page.vars[id].path();
            !evidence::CALLS.contains(&path) && !path.starts_with("texts.")
        };
        let all: Vec<i64> = all.into_iter().filter(free).collect();
        if all.is_empty() {
            return;
        }
        let id = all[net.dice.roll(all.len())];
        let value = match role {
            Role::Field => json!(WORDS[net.dice.roll(WORDS.len())]),
            _ => json!(null),
        };
        tab.write(net, id, &value);
    }

    /// The connection breaks after some more bytes.
    fn cut(&mut self, tab: TabId) {
        let Some(wire) = self.tabs[tab].wire else {
            return;
        };
        self.tally.cuts += 1;
        let most = [1, 30, 400, 3_000][self.net.dice.roll(4)];
        let bytes = self.net.dice.roll(most);
        let upwards = self.net.dice.roll(2) > 0;
        self.net.trace(format_args!(
            "tab {tab} is cut after {bytes} bytes, up: {upwards}"
        ));
        self.net.cut_after(wire, upwards, bytes);
        self.tabs[tab].away_ms = Some(AWAY[self.net.dice.roll(AWAY.len())]);
    }

    fn vandalize(&mut self, user: usize) {
        let Town { net, tabs, .. } = self;
        let mut vandals = tabs
            .iter_mut()
            .filter(|tab| tab.kind == Kind::Vandal && tab.is_open());
        match vandals.next() {
            Some(tab) => {
                let bytes = vandal::something(&mut net.dice);
                tab.shout(net, &bytes);
            }
            None => drop(self.open(user, Kind::Vandal)),
        }
    }
}
