//! One simulation: a server in a town, from its start to its end, and what must hold at every turn and afterwards.

use std::cell::RefCell;
use std::path::PathBuf;
use std::rc::Rc;

use lunette::config::net::NetSettings;
use lunette::config::state::{Recover, StateConfig, StateDir, StateSettings};
use lunette::config::{Config, Grant, Settings};
use lunette::core::site::Site;
use lunette::journal::{Archive, Durability};
use lunette::lua::LuaRuntime;
use lunette::server::files::StaticFiles;
use lunette::server::keeper::Keeper;
use lunette::server::{Server, ServerError};

use super::app::{self, App};
use super::disk::{SimDisk, Trouble};
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
/// Turns after which somebody starts a server again that takes nothing.
const TURNS_REFUSED: u64 = 100;
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
    /// Of the disk.
    pub calls: u64,
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
        self.calls += one.calls;
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
    /// That the disk has once.
    trouble: Option<Trouble>,
    /// Turns since then, if nothing may be taken.
    refused: u64,
}

impl Simulation {
    pub fn new(seed: u64, plan: Plan) -> Simulation {
        let mut simulation = Simulation::planned(seed, plan);
        simulation.begin();
        simulation
    }

    /// The same with trouble in this call of the disk, and what records survive.
    pub fn with_trouble(
        seed: u64,
        plan: Plan,
        durability: Durability,
        (call, trouble): (u64, Trouble),
    ) -> Simulation {
        let mut simulation = Simulation::planned(seed, plan);
        if let Some(state) = &mut simulation.config.state {
            state.durability = durability;
        }
        simulation.disk.has_trouble(call, trouble);
        simulation.trouble = Some(trouble);
        simulation.begin();
        simulation
    }

    fn planned(seed: u64, plan: Plan) -> Simulation {
        let app = App::of_seed(seed);
        let town = Town::new(seed, app, plan);
        let disk = SimDisk::new(town.net.life.clone(), Dice::seeded(seed ^ 0xd15c));
        let mut dice = Dice::seeded(seed ^ 0xd1ce);
        Simulation {
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
            trouble: None,
            refused: 0,
        }
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
        let server = match self.try_to_begin() {
            Err(error) => {
                assert!(self.disk.had_trouble(), "{error}");
                self.try_to_begin()
                    .expect("a server when the trouble is over")
            }
            Ok(server) => server,
        };
        self.server = Some(server);
    }

    fn try_to_begin(&mut self) -> Result<SimServer, ServerError> {
        let keeper = Keeper::open(self.state(), Rc::new(self.disk.clone()), None)?;
        for listed in keeper.store.archive().sessions()? {
            let net = &self.town.borrow().net;
            net.trace(format_args!(
                "there is {} {:?}",
                listed.sid, listed.standing
            ));
        }
        let world = SimWorld::new(&self.town, self.seed ^ self.lives << 32);
        let runtime = LuaRuntime::new().expect("a runtime");
        let files = (self.site.clone(), StaticFiles::none());
        Server::new(&self.config, runtime, files, world, Some(keeper))
    }

    fn state(&self) -> &StateConfig {
        self.config
            .state
            .as_ref()
            .expect("sessions outlive their process")
    }

    /// The process is told to stop, and there is another one after a while.
    fn stop(&mut self) {
        self.town.borrow_mut().signal = true;
        let server = self.server.as_mut().expect("a process");
        server.run().expect("the world goes on");
        let was_killed = self.town.borrow().net.life.is_over();
        self.begin_again(was_killed);
    }

    /// The process has ended. After a while there is another one.
    fn begin_again(&mut self, was_killed: bool) {
        self.server = None;
        let power = self.state().durability == Durability::Power;
        if power && was_killed && self.dice.roll(2) == 0 {
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
        let calls = self.disk.calls();
        self.disk.has_no_trouble();
        let archive = Archive::new(Rc::new(self.disk.clone()), &self.state().dir);
        let town = self.town.borrow();
        let is_strict = self.state().durability == Durability::Power;
        let may_stop = !is_strict && self.trouble.is_some_and(|trouble| !trouble.is_nothing());
        Outcome {
            tally: town.tally,
            simulated_ms,
            turns: self.turns,
            lives: self.lives,
            events: recordings::check(&archive, &town, may_stop),
            bytes: town.net.bytes,
            writes: town.writes,
            calls,
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
            return self.begin_again(true);
        }
        if self.has_refused_long() {
            return self.begin_again(true);
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

    /// Since there was trouble nothing is taken that would not survive a power cut: only another process helps.
    fn has_refused_long(&mut self) -> bool {
        let is_strict = self.state().durability == Durability::Power;
        self.refused += u64::from(is_strict && self.disk.had_trouble());
        self.refused == TURNS_REFUSED
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
                // What waits to be written is lost then, and nothing can be said of it.
                Wish::Kill if self.state().durability == Durability::None => self.stop(),
                Wish::Stop => self.stop(),
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
            [
                Durability::Process,
                Durability::Process,
                Durability::Power,
                Durability::None,
            ][dice.roll(4)],
        ),
        keep_ms: Some(1_000 * DAY_MS),
        hibernate_after_ms: Some([2_000, 600_000][dice.roll(2)]),
        ..StateSettings::default()
    };
    let settings = Settings {
        state,
        allow: Some(vec![Grant::Io, Grant::Os, Grant::Blocking]),
        write: Some(vec![PathBuf::from(".")]),
        net: NetSettings {
            resume_window_ms: Some([5_000, 60_000, 600_000][dice.roll(3)]),
            resume_bytes: Some([2 << 10, 64 << 10, 256 << 10][dice.roll(3)]),
            ..NetSettings::default()
        },
        ..Settings::default()
    };
    Config::resolve(settings).expect("a configuration")
}
