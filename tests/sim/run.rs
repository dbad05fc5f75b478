//! One simulation: a server in a town, from its start to its end, and what must hold at every turn and afterwards.

use std::cell::RefCell;
use std::path::PathBuf;
use std::rc::Rc;

use lunette::config::net::NetSettings;
use lunette::config::state::{Recover, StateConfig, StateDir, StateSettings};
use lunette::config::{Config, Settings};
use lunette::core::site::Site;
use lunette::journal::{Archive, Durability};
use lunette::lua::LuaRuntime;
use lunette::server::Server;
use lunette::server::files::StaticFiles;
use lunette::server::keeper::Keeper;

use super::app::{self, App};
use super::disk::SimDisk;
use super::recordings;
use super::town::{Plan, Tally, Town, Wish};
use super::world::{Shared, SimWorld};
use crate::dice::Dice;

/// Views of a session, and of all, that are kept without a connection: src/net/links.rs says so.
const DETACHED_OF_SESSION_MAX: usize = 16;
/// Turns without any time passing, after which nothing ever will.
const TURNS_AT_ONCE_MAX: u64 = 20_000;
/// Turns that two days without anybody take at the most: apps tick until their last views are given up.
const IDLE_TURNS_MAX: u64 = 40_000;
const DAY_MS: u64 = 86_400_000;

/// What a simulation came to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Outcome {
    pub tally: Tally,
    pub simulated_ms: u64,
    pub turns: u64,
    /// Processes.
    pub lives: u64,
    pub events: u64,
    pub bytes: u64,
    /// To files and sockets, before all became quiet.
    pub writes: u64,
}

impl Outcome {
    pub fn add(&mut self, one: &Outcome) {
        self.tally.add(&one.tally);
        self.simulated_ms += one.simulated_ms;
        self.turns += one.turns;
        self.events += one.events;
        self.bytes += one.bytes;
        self.lives += one.lives;
        self.writes += one.writes;
    }
}

type SimServer = Server<LuaRuntime, SimWorld>;

pub struct Simulation {
    seed: u64,
    town: Shared,
    disk: SimDisk,
    config: Config,
    /// `None`: its process has ended.
    server: Option<SimServer>,
    site: Site,
    dice: Dice,
    turns: u64,
    lives: u64,
    at_once: u64,
    ended: bool,
}

impl Simulation {
    pub fn new(seed: u64, plan: Plan) -> Simulation {
        let app = App::of_seed(seed);
        let town = Town::new(seed, app, plan);
        let disk = SimDisk::new(town.net.life.clone(), Dice::seeded(seed ^ 0xd15c));
        let mut dice = Dice::seeded(seed ^ 0xd1ce);
        let mut simulation = Simulation {
            seed,
            town: Rc::new(RefCell::new(town)),
            disk,
            config: config(&mut dice),
            server: None,
            site: app.site(),
            dice,
            turns: 0,
            lives: 0,
            at_once: 0,
            ended: false,
        };
        simulation.begin();
        simulation
    }

    /// The first process ends in this one of its writes.
    pub fn dies_in(self, write: u64) -> Simulation {
        let life = self.town.borrow().net.life.clone();
        life.ends_after(write.saturating_sub(life.written()));
        self
    }

    /// A process begins.
    fn begin(&mut self) {
        self.lives += 1;
        let wall = self.town.borrow().net.wall();
        self.disk.set_wall(wall);
        self.town.borrow().net.life.begin();
        let keeper = Keeper::open(self.state(), Rc::new(self.disk.clone()), None)
            .expect("a state directory");
        for listed in keeper
            .store
            .archive()
            .sessions()
            .expect("a list of sessions")
        {
            let net = &self.town.borrow().net;
            net.trace(format_args!(
                "there is {} {:?}",
                listed.sid, listed.standing
            ));
        }
        let world = SimWorld::new(&self.town, self.seed ^ self.lives << 32);
        let runtime = LuaRuntime::new().expect("a runtime");
        let files = (self.site.clone(), StaticFiles::BuiltIn);
        let server =
            Server::new(&self.config, runtime, files, world, Some(keeper)).expect("a server");
        self.server = Some(server);
    }

    fn state(&self) -> &StateConfig {
        self.config
            .state
            .as_ref()
            .expect("sessions outlive their process")
    }

    /// The process has ended. After a while there is another one.
    fn begin_again(&mut self) {
        self.server = None;
        let power = self.state().durability == Durability::Power;
        if power && self.dice.roll(2) == 0 {
            self.town
                .borrow()
                .net
                .trace(format_args!("the power has failed"));
            self.disk.lose_power();
        }
        let away = [10, 3_000, 100_000][self.dice.roll(3)];
        let mut town = self.town.borrow_mut();
        town.net.trace(format_args!(
            "the process has ended, for {away} ms there is none"
        ));
        town.net.server_is_gone();
        town.pass_without_server(away);
        drop(town);
        if self.dice.roll(4) == 0 {
            let edits = app::edit(&self.site, &mut self.dice);
            self.site = self.site.edit(edits).site;
        }
        self.begin();
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
        self.server = None;
        let archive = Archive::new(Rc::new(self.disk.clone()), &self.state().dir);
        let town = self.town.borrow();
        Outcome {
            tally: town.tally,
            simulated_ms,
            turns: self.turns,
            lives: self.lives,
            events: recordings::check(&archive, &town),
            bytes: town.net.bytes,
            writes: town.writes,
        }
    }

    fn turn(&mut self) {
        let before = self.town.borrow().net.now;
        let wall = self.town.borrow().net.wall();
        self.disk.set_wall(wall);
        let server = self.server.as_mut().expect("a process");
        server.take_turn().expect("the world goes on");
        let census = server.census();
        self.turns += 1;
        if self.town.borrow().net.life.is_over() {
            return self.begin_again();
        }
        let after = self.town.borrow().net.now;
        self.at_once = if after > before { 0 } else { self.at_once + 1 };
        assert!(
            self.at_once < TURNS_AT_ONCE_MAX,
            "the server turns and time stands still"
        );
        let town = self.town.borrow();
        assert!(census.sessions <= town.sids.len(), "{census:?}");
        assert!(census.detached <= census.views, "{census:?}");
        assert!(
            census.detached <= DETACHED_OF_SESSION_MAX * census.sessions.max(1),
            "{census:?}"
        );
    }

    fn grant_wishes(&mut self) {
        let wishes = std::mem::take(&mut self.town.borrow_mut().wishes);
        for wish in wishes {
            match wish {
                Wish::End => self.ended = true,
                Wish::Edit => {
                    let edits = app::edit(&self.site, &mut self.dice);
                    self.town
                        .borrow()
                        .net
                        .trace(format_args!("edited: {:?}", edits.keys()));
                    self.site = self.site.edit(edits.clone()).site;
                    if let Some(server) = &mut self.server {
                        server.edit(edits);
                    }
                }
                Wish::Kill => {
                    let writes = 1 + self.dice.roll(20) as u64;
                    let town = self.town.borrow();
                    town.net
                        .trace(format_args!("the process will end in write {writes}"));
                    town.net.life.ends_after(writes);
                }
            }
        }
    }

    /// Nobody is there any more: a day later nothing is left.
    fn outlive(&mut self) {
        let until = self.town.borrow().net.now + 2 * DAY_MS;
        let before = self.turns;
        while self.town.borrow().net.now < until {
            self.turn();
            let now = self.town.borrow().net.now;
            let turns = self.turns - before;
            assert!(
                turns < IDLE_TURNS_MAX,
                "at {now} it does not rest while nobody is there"
            );
        }
        let left = self.server.as_ref().map(Server::census).unwrap_or_default();
        let nothing = [left.sessions, left.connections, left.views, left.detached] == [0; 4];
        assert!(nothing, "nobody has been there for two days: {left:?}");
    }
}

fn config(dice: &mut Dice) -> Config {
    let state = StateSettings {
        dir: Some(StateDir::At(PathBuf::from("state"))),
        recover: Some([Recover::Lazy, Recover::Eager][dice.roll(2)]),
        durability: Some(
            [Durability::Process, Durability::Process, Durability::Power][dice.roll(3)],
        ),
        keep_ms: Some(1_000 * DAY_MS),
        hibernate_after_ms: Some([2_000, 600_000][dice.roll(2)]),
        ..StateSettings::default()
    };
    let settings = Settings {
        state,
        net: NetSettings {
            resume_window_ms: Some([5_000, 60_000, 600_000][dice.roll(3)]),
            resume_bytes: Some([2 << 10, 64 << 10, 256 << 10][dice.roll(3)]),
            ..NetSettings::default()
        },
        ..Settings::default()
    };
    Config::resolve(settings).expect("a configuration")
}
