//! One schedule: what a user does, what the network does to it, and what must hold when all is quiet again.

use std::collections::BTreeSet;

use serde_json::json;

use super::engine::Engine;
use super::shell::Shell;
use crate::dice::Dice;

/// How many things the user does in one schedule.
const STEPS: usize = 60;
/// The page that is used; the one that looks at the end was never cut.
const USED: usize = 0;
const NEVER_CUT: usize = 1;

/// What the network does.
pub struct Faults {
    /// One step in so many is followed by a cut.
    cut_in: usize,
    /// How long until there is a connection again, ms.
    away_ms: [u64; 4],
    resume_bytes: usize,
    /// One cut in so many leaves the ends with different histories; 0: none.
    spoil_in: usize,
    anew: bool,
}

impl Faults {
    pub const CUTS: Faults = Faults {
        cut_in: 6,
        away_ms: [10, 5_000, 60_000, 300_000],
        resume_bytes: 16 << 20,
        spoil_in: 0,
        anew: false,
    };
    pub const ANEW: Faults = Faults {
        cut_in: 8,
        away_ms: [50, 5_000, 400_000, 700_000],
        resume_bytes: 1 << 10,
        spoil_in: 3,
        anew: true,
    };

    /// The schedules must have met what they are for.
    pub fn check(&self, totals: &Totals) {
        assert!(totals.cuts > 1_000, "{totals:?}");
        let began = totals.schedules;
        match self.anew {
            true => assert!(totals.views > 2 * began, "{totals:?}"),
            false => assert_eq!(totals.views, began, "a view was not resumed: {totals:?}"),
        }
    }
}

/// What all schedules of a battery came to.
#[derive(Debug, Default)]
pub struct Totals {
    schedules: u64,
    cuts: u64,
    views: u64,
    calls: usize,
    keys: usize,
    doubts: u64,
}

impl Totals {
    pub fn add(&mut self, one: &Totals) {
        self.schedules += one.schedules;
        self.cuts += one.cuts;
        self.views += one.views;
        self.calls += one.calls;
        self.keys += one.keys;
        self.doubts += one.doubts;
    }
}

/// Something on its way, in the order in which it arrives.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Arrival {
    ToServer {
        key: u64,
        text: String,
    },
    ToPage {
        page: usize,
        key: u64,
        text: Option<String>,
    },
    /// The server notices the end of a connection.
    ServerLoses {
        key: u64,
    },
    Connect {
        page: usize,
    },
    Step,
}

pub struct Schedule<'f> {
    seed: u64,
    dice: Dice,
    faults: &'f Faults,
    engine: Engine,
    shell: Shell,
    now: u64,
    /// By time, then by order.
    arrivals: BTreeSet<(u64, u64, Arrival)>,
    order: u64,
    /// The connection of each page, 0: none.
    keys: [u64; 2],
    last_key: u64,
    /// When the last text of each direction of the used page arrives: they do not overtake.
    latest: [u64; 2],
    steps_left: usize,
    texts: [String; 2],
    calls: Vec<String>,
    totals: Totals,
    /// When a timer of a page is due.
    timer_due: u64,
}

impl<'f> Schedule<'f> {
    pub fn new(seed: u64, faults: &'f Faults) -> Schedule<'f> {
        let mut shell = Shell::start(include_str!("main.lua"), seed);
        shell.limits.resume_bytes = faults.resume_bytes;
        Schedule {
            seed,
            dice: Dice::seeded(seed),
            faults,
            engine: Engine::start(),
            shell,
            now: 0,
            arrivals: BTreeSet::new(),
            order: 0,
            keys: [0; 2],
            last_key: 0,
            latest: [0; 2],
            steps_left: STEPS,
            texts: Default::default(),
            calls: Vec::new(),
            timer_due: 0,
            totals: Totals {
                schedules: 1,
                ..Totals::default()
            },
        }
    }

    /// Runs it and panics if something does not hold.
    pub fn run(mut self) -> Totals {
        self.engine.call("open", json!({}));
        self.at(0, Arrival::Connect { page: USED });
        self.at(50, Arrival::Step);
        while self.steps_left > 0 {
            self.turn(u64::MAX);
        }
        // All that was cut comes back, and what is on its way arrives.
        self.settle(1_000_000);
        self.engine.call("open", json!({}));
        self.at(0, Arrival::Connect { page: NEVER_CUT });
        self.settle(2_000);
        self.check();
        self.totals
    }

    fn settle(&mut self, ms: u64) {
        let until = self.now + ms;
        while self.now < until {
            self.turn(until);
        }
    }

    fn check(&mut self) {
        let seed = self.seed;
        let again = format!("LUNETTE_SEED={seed} cargo test client::");
        let used = self.engine.page(USED, "snapshot", json!({}));
        let fresh = self.engine.page(NEVER_CUT, "snapshot", json!({}));
        assert_eq!(
            used, fresh,
            "the page is not what one shows that was never cut; {again}"
        );
        assert_eq!(used["plain"], self.texts[0], "typed text is lost; {again}");
        assert_eq!(used["loud"], self.texts[1].to_uppercase(), "{again}");
        let calls = self.calls.join(" ");
        assert_eq!(
            used["calls"], calls,
            "calls were lost, made twice or out of order; {again}"
        );
        let counts = self.engine.page(USED, "counts", json!({}));
        // Of notes alone, in rows that have another object since: those are told, and not given to another.
        let doubts = counts["doubts"].as_u64().unwrap_or(0);
        assert!(doubts == 0 || self.faults.anew, "{again}");
        self.totals.doubts = doubts;
        self.totals.views = counts["views"].as_u64().unwrap_or(0);
    }

    fn at(&mut self, after: u64, arrival: Arrival) {
        self.order += 1;
        self.arrivals
            .insert((self.now + after, self.order, arrival));
    }

    /// Goes to the next moment at which something happens, but not beyond `until`.
    fn turn(&mut self, until: u64) {
        let arrival = self.arrivals.first().map_or(u64::MAX, |(at, ..)| *at);
        let due = self.shell.next_due().unwrap_or(u64::MAX);
        self.now = self
            .now
            .max(self.timer_due.min(arrival).min(due).min(until));
        if arrival <= self.now
            && let Some((_, _, arrival)) = self.arrivals.pop_first()
        {
            self.arrive(arrival);
        }
        self.shell.advance(self.now);
        self.carry();
    }

    fn arrive(&mut self, arrival: Arrival) {
        if std::env::var_os("LUNETTE_TRACE").is_some() {
            println!("{} {arrival:?}", self.now);
        }
        match arrival {
            Arrival::ToServer { key, text } => self.shell.text(key, &text, self.now),
            Arrival::ToPage { page, key, text } if self.keys[page] == key => match text {
                Some(text) => {
                    self.engine.page(page, "hear", json!({ "text": text }));
                }
                None => self.reconnect(page, 200),
            },
            Arrival::ToPage { .. } => {}
            Arrival::ServerLoses { key } => self.shell.lost(key, self.now),
            Arrival::Connect { page } => {
                self.last_key += 1;
                self.keys[page] = self.last_key;
                let query = self.engine.page(page, "query", json!({}));
                let query = query.as_str().unwrap_or("").to_owned();
                self.shell.connect(self.last_key, &query, self.now);
            }
            Arrival::Step => self.step(),
        }
    }

    /// Puts on its way what both sides want to say.
    fn carry(&mut self) {
        let moved = self.engine.call("advance", json!({ "now": self.now }));
        self.timer_due = moved["due"].as_f64().unwrap_or(1e15) as u64;
        for (page, taken) in moved["pages"].as_array().into_iter().flatten().enumerate() {
            let key = self.keys[page];
            if key == 0 {
                continue;
            }
            for text in taken["out"].as_array().into_iter().flatten() {
                let text = text.as_str().unwrap_or("").to_owned();
                let after = self.delay(0);
                self.at(after, Arrival::ToServer { key, text });
            }
            if taken["broken"] == true {
                self.at(0, Arrival::ServerLoses { key });
                self.reconnect(page, 100);
            }
        }
        for (key, text) in std::mem::take(&mut self.shell.out) {
            let page = usize::from(self.keys[NEVER_CUT] == key);
            let after = self.delay(1);
            self.at(after, Arrival::ToPage { page, key, text });
        }
    }

    /// Latency, by which nothing overtakes anything.
    fn delay(&mut self, direction: usize) -> u64 {
        let latency = [0, 3, 25, 200][self.dice.roll(4)];
        let at = self.latest[direction].max(self.now + latency);
        self.latest[direction] = at;
        at - self.now
    }

    fn reconnect(&mut self, page: usize, after: u64) {
        self.keys[page] = 0;
        self.engine.page(page, "lost", json!({}));
        self.at(after, Arrival::Connect { page });
    }

    /// The link is cut: what is on its way is lost, also when one side has not noticed yet.
    fn cut(&mut self) {
        let key = self.keys[USED];
        if key == 0 {
            return;
        }
        self.totals.cuts += 1;
        // Of what is on its way some may still arrive on either side, from the front.
        let mut spared = [self.dice.roll(4), self.dice.roll(4)];
        self.arrivals.retain(|(_, _, arrival)| {
            let direction = match arrival {
                Arrival::ToServer { key: of, .. } if *of == key => 0,
                Arrival::ToPage { key: of, .. } if *of == key => 1,
                _ => return true,
            };
            let spare = spared[direction] > 0;
            spared[direction] = spared[direction].saturating_sub(1);
            // The page takes its connection for lost at once.
            spare && direction == 0
        });
        let notices = [0, 10, 3_000, 50_000][self.dice.roll(4)];
        self.at(notices, Arrival::ServerLoses { key });
        let away = self.faults.away_ms[self.dice.roll(4)];
        if self.faults.spoil_in > 0 && self.dice.roll(self.faults.spoil_in) == 0 {
            self.engine.page(USED, "spoil", json!({}));
        }
        self.reconnect(USED, away);
    }

    /// The user does something.
    fn step(&mut self) {
        self.steps_left -= 1;
        let id = format!("{}", self.steps_left);
        let call = |schedule: &mut Self, path: &str| {
            schedule.calls.push(id.clone());
            let argument: u64 = id.parse().unwrap_or(0);
            let pressed = json!({ "path": path, "argument": argument });
            schedule.engine.page(USED, "press", pressed);
            schedule.totals.calls += 1;
        };
        match self.dice.roll(10) {
            0..=3 => self.type_key(0, "plain"),
            4 | 5 => self.type_key(1, "loud"),
            6 => {
                let row = self.dice.roll(8);
                let text = format!("note {id}");
                self.engine
                    .page(USED, "note", json!({ "row": row, "text": text }));
            }
            7 => call(self, "add(_)"),
            8 => {
                let path = ["insert(_)", "insert(_)", "reverse(_)"][self.dice.roll(3)];
                call(self, path);
            }
            _ => call(self, "delete(_)"),
        }
        if self.dice.roll(self.faults.cut_in) == 0 {
            self.cut();
        }
        let pause = [0, 1, 15, 80, 400, 6_000, 90_000][self.dice.roll(7)];
        if self.steps_left > 0 {
            self.at(pause, Arrival::Step);
        }
    }

    fn type_key(&mut self, which: usize, field: &str) {
        let letter = b'a' + self.dice.roll(26) as u8;
        self.texts[which].push(letter.into());
        self.totals.keys += 1;
        let text = &self.texts[which];
        self.engine
            .page(USED, "type", json!({ "field": field, "text": text }));
    }
}
