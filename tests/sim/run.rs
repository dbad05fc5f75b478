//! One simulation: a server in a town, from its start to its end, and what must hold at every turn and afterwards.

use std::cell::RefCell;
use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use lunette::config::{Config, Settings};
use lunette::core::site::Site;
use lunette::lua::LuaRuntime;
use lunette::server::Server;
use lunette::server::files::StaticFiles;

use super::app::{self, App};
use super::recordings;
use super::town::{Tally, Town, Wish};
use super::world::{Shared, SimWorld};
use crate::dice::Dice;

/// Views of a session, and of all, that are kept without a connection: src/net/links.rs says so.
const DETACHED_OF_SESSION_MAX: usize = 16;
/// Turns without any time passing, after which nothing ever will.
const TURNS_AT_ONCE_MAX: u64 = 20_000;
const DAY_MS: u64 = 86_400_000;

/// What a simulation came to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Outcome {
    pub tally: Tally,
    pub simulated_ms: u64,
    pub turns: u64,
    pub events: u64,
    pub bytes: u64,
}

impl Outcome {
    pub fn add(&mut self, one: &Outcome) {
        self.tally.add(&one.tally);
        self.simulated_ms += one.simulated_ms;
        self.turns += one.turns;
        self.events += one.events;
        self.bytes += one.bytes;
    }
}

type SimServer = Server<LuaRuntime, SimWorld>;

pub struct Simulation {
    town: Shared,
    server: SimServer,
    site: Site,
    dice: Dice,
    recordings: PathBuf,
    turns: u64,
    at_once: u64,
    ended: bool,
}

impl Simulation {
    pub fn new(seed: u64, deeds: usize, rounds: usize) -> Simulation {
        let app = App::of_seed(seed);
        let town = Rc::new(RefCell::new(Town::new(seed, app, deeds, rounds)));
        let name = format!("sim-{}-{seed}", std::process::id());
        let recordings = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let _ = fs::remove_dir_all(&recordings);
        let site = app.site();
        let mut dice = Dice::seeded(seed ^ 0xd1ce);
        let config = config(&recordings, &mut dice);
        let world = SimWorld::new(&town, seed);
        let runtime = LuaRuntime::new().expect("a runtime");
        let files = (site.clone(), StaticFiles::BuiltIn);
        let server = Server::new(&config, runtime, files, world).expect("a server");
        Simulation {
            town,
            server,
            site,
            dice,
            recordings,
            turns: 0,
            at_once: 0,
            ended: false,
        }
    }

    /// Runs it to its end; panics when something does not hold.
    pub fn run(mut self) -> Outcome {
        while !self.ended {
            self.turn();
            self.grant_wishes();
        }
        self.town.borrow_mut().end();
        let simulated_ms = self.town.borrow().net.now;
        self.outlive();
        let Simulation {
            town,
            server,
            recordings,
            turns,
            ..
        } = self;
        drop(server);
        let town = town.borrow();
        let events = recordings::check(&recordings, &town);
        let _ = fs::remove_dir_all(&recordings);
        Outcome {
            tally: town.tally,
            simulated_ms,
            turns,
            events,
            bytes: town.net.bytes,
        }
    }

    fn turn(&mut self) {
        let before = self.town.borrow().net.now;
        self.server.take_turn().expect("the world goes on");
        self.turns += 1;
        let after = self.town.borrow().net.now;
        self.at_once = if after > before { 0 } else { self.at_once + 1 };
        assert!(self.at_once < TURNS_AT_ONCE_MAX, "the server turns and time stands still");
        let census = self.server.census();
        let town = self.town.borrow();
        assert!(census.sessions <= town.sids.len(), "{census:?}");
        assert!(census.detached <= census.views, "{census:?}");
        assert!(census.detached <= DETACHED_OF_SESSION_MAX * census.sessions.max(1), "{census:?}");
    }

    fn grant_wishes(&mut self) {
        let wishes = std::mem::take(&mut self.town.borrow_mut().wishes);
        for wish in wishes {
            match wish {
                Wish::End => self.ended = true,
                Wish::Edit => {
                    let edits = app::edit(&self.site, &mut self.dice);
                    self.town.borrow().net.trace(format_args!("edited: {:?}", edits.keys()));
                    self.site = self.site.edit(edits.clone()).site;
                    self.server.edit(edits);
                }
            }
        }
    }

    /// Nobody is there any more: a day later nothing is left.
    fn outlive(&mut self) {
        let until = self.town.borrow().net.now + 2 * DAY_MS;
        while self.town.borrow().net.now < until {
            self.turn();
        }
        let left = self.server.census();
        let nothing = [left.sessions, left.connections, left.views, left.detached] == [0; 4];
        assert!(nothing, "nobody has been there for two days: {left:?}");
    }
}

fn config(recordings: &Path, dice: &mut Dice) -> Config {
    let settings = Settings {
        record: Some(recordings.to_owned()),
        resume_window_ms: Some([5_000, 60_000, 600_000][dice.roll(3)]),
        resume_bytes: Some([2 << 10, 64 << 10, 256 << 10][dice.roll(3)]),
        ..Settings::default()
    };
    Config::resolve(settings).expect("a configuration")
}
