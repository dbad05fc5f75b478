//! Server: sockets, sessions and files in one poll loop on one thread.
//!
//! **Contract.** The server is the shell around core: it alone reads clocks ([`clock`]), randomness
//! ([`random`]) and files ([`files`]), owns all sockets, and does everything in turns of five steps
//! ([`turn`]). It sleeps until a socket or a deadline wakes it; idle, it never wakes.
//!
//! Reading order: [`turn`] is the loop; `peers` is what happens on one socket, `frontends` how it becomes
//! one of a session and what happens when it is lost; `effects` is what
//! happens between inputs and core; [`world`] is the machine's sockets and clocks; [`outside`] answers what scripts ask of the machine, `process` and
//! `command` are its children; [`routes`] answers HTTP, `downloads` what Lua code makes piece by piece,
//! and `uploads` takes files in; [`tls`] is between sockets and connections; [`auth`] knows who asks, `origin` from where; `record_button` makes tests of what is done in a browser, `looking` shows what variables do meanwhile; [`sessions`] knows the ids in the address bar; [`guard`] decides who may ask; `watch` notices
//! edits of the site and `reload` tells the sessions of them. [`signals`] and `reconfigure` are for those who run the
//! server, [`admin`], `operator` and `metrics` answer them; `supervisor` is who started it, `syslog` who may
//! keep the log; [`Program`] is all of it as the program runs it.
//! What outlives the process is in `keeper` and `recording`, what wakes those who sleep in `sleepers`, and messages
//! between them in `mail` and `post`; `recovery` runs sessions again.

mod accept;
pub mod admin;
pub mod auth;
mod checkpoint;
pub mod clock;
mod command;
#[cfg(test)]
mod defaults_tests;
mod downloads;
mod effects;
mod error;
pub mod files;
mod frontends;
pub mod guard;
mod hibernation;
mod holder;
mod inbox;
mod inflight;
pub mod keeper;
pub mod log;
mod looking;
mod lost;
mod mail;
mod metrics;
mod operator;
mod origin;
pub mod outside;
mod pages;
mod peers;
mod post;
mod process;
mod program;
pub mod random;
mod reconfigure;
mod record_button;
mod recording;
mod recovery;
mod reload;
pub mod routes;
mod scan;
pub mod sessions;
pub mod signals;
mod sleepers;
mod supervisor;
mod syslog;
mod system;
pub mod tls;
pub mod turn;
mod uploads;
mod watch;
pub mod world;

pub use program::Program;

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;

use mio::Registry;
use slab::Slab;

use crate::config::Config;
use crate::core::event::Turn;
use crate::core::id::{ConnectionId, SessionId, Timestamp};
use crate::core::manager::{ManagerConfig, SessionManager};
use crate::core::outside::{ProcessAction, ProcessId};
use crate::core::script::Runtime;
use crate::core::site::Site;
use crate::journal::{RealDisk, Store};
use crate::net::limits::NetLimits;
use crate::net::links::Links;
use crate::web;
pub use error::ServerError;

use accept::Accepting;
use admin::Admin;
use auth::Door;
use files::{SiteError, StaticFiles, built_in, load_site};
use guard::Guard;
use hibernation::Rest;
use inbox::Inbox;
use keeper::Keeper;
use log::{Logger, Quotas};
use looking::Looking;
use metrics::Counters;
use operator::Captured;
use origin::Shares;
use outside::Machine;
use peers::Peer;
use process::{PROCESSES_MAX, Processes};
use reconfigure::Reread;
use record_button::RecordButton;
use recording::{Journaled, NoRecordings, Recordings};
use routes::Routes;
use sessions::SessionTable;
use supervisor::Supervisor;
use tls::Certificate;
use uploads::{FILES_MAX, Uploads};
use watch::Watcher;
use world::{EDITS, Live, NoWorld, Ready, World};

/// Bytes taken from a socket at a time. One buffer serves all of them.
const READ_BYTES: usize = 64 * 1024;
/// Descriptors besides those of connections: files, the loop's own, one for each upload, four for each
/// process.
const SPARE_DESCRIPTORS: u64 = 64 + FILES_MAX as u64 + 4 * PROCESSES_MAX as u64;
/// A server that is told to stop is gone after 5 seconds; this leaves some for the last turn.
const STOP_MS: u64 = 4_500;

/// What a server has at a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Census {
    pub sessions: usize,
    pub connections: usize,
    /// Views with a link, and those of them that are without a connection.
    pub views: usize,
    pub detached: usize,
}

/// See the module's description.
pub struct Server<R: Runtime, W: World> {
    core: SessionManager<R>,
    routes: Routes,
    sessions: SessionTable,
    door: Door,
    /// `None`: what is sent is not encrypted.
    certificate: Option<Certificate>,
    /// Shared with whoever answers scripts: what they do outside is written down before it is done.
    recordings: Rc<RefCell<Recordings>>,
    record_button: RecordButton,
    looking: Looking,
    /// `None`: sessions end with the process.
    keeper: Option<Keeper>,
    /// Whether there is a journal or a recording of anything.
    is_written_down: bool,
    rest: Rest,
    /// Sessions of an earlier process that were awake when it ended, to be run again one after the other.
    unslept: VecDeque<SessionId>,
    /// The log has why they cannot be rebuilt.
    told_lost: BTreeSet<SessionId>,
    /// How far sessions in memory had come when they were last frozen.
    progress: HashMap<SessionId, checkpoint::Progress>,
    session_timeout_ms: u64,
    limits: NetLimits,
    log: Logger,
    quotas: Quotas,
    /// With `--dev` or `--hotload`.
    watcher: Option<Watcher>,

    world: W,
    /// What woke it.
    woken: Vec<Ready>,
    turn: Turn,
    /// Added to the world's `now`: it goes on where earlier processes left off.
    epoch: Timestamp,
    accepting: Accepting,
    /// What one event may use.
    gas_per_event: u64,
    /// Told to stop: when to be gone at the latest.
    stop_at: Option<Timestamp>,
    supervisor: Supervisor,
    admin: Admin,
    /// What comes of the operator's frame that is being handled.
    captured: Option<Captured>,
    counters: Counters,
    /// As it is in force.
    config: Config,
    reread: Option<Reread>,

    peers: Slab<Peer<W::Stream>>,
    /// How many of them each address has.
    crowd: Shares,
    /// Agreements of TLS that may still go on in this turn.
    agreements_left: usize,
    by_connection: HashMap<ConnectionId, usize>,
    links: Links,
    /// Names this run of the server: pages notice when it is another one.
    boot: String,
    last_connection: u64,
    processes: Processes,
    /// What scripts told processes this turn: done when the turn is recorded.
    orders: Vec<(SessionId, ProcessId, ProcessAction)>,
    uploads: Uploads,
    inbox: Inbox,
    /// Sessions with something due that have not had their turn since that was looked at.
    due: VecDeque<SessionId>,
    /// Peers with something to read, in their sockets or already here.
    ready: Vec<usize>,
    /// Peers to look at in step "write".
    touched: Vec<usize>,
    /// Takes the place of `ready` or `touched` while that is worked through, so that neither
    /// loses its room.
    spare: Vec<usize>,
    deadlines: BTreeSet<(Timestamp, usize)>,
    scratch: Box<[u8]>,
    /// Sessions ended since memory was last given back.
    ended: usize,
    /// Bytes, at the most, that were waiting for peers which have ended since.
    dropped: usize,
    /// A frame for a recording, before it goes to its connection.
    frame: Vec<u8>,
}

impl<R: Runtime + Clone> Server<R, Live> {
    /// A server that listens as configured. Nothing is answered before [`Server::run`].
    ///
    /// # Errors
    /// When the site cannot be read, the address cannot be had, or the system lacks what is needed.
    pub fn bind(config: &Config, runtime: R) -> Result<Server<R, Live>, ServerError> {
        let limits = net_limits(config);
        let wanted = limits.connections as u64 + SPARE_DESCRIPTORS;
        let descriptors = system::raise_descriptor_limit(limits.connections as u64 + wanted);
        let site = site(config)?;
        let certificate = tls::load(config)?;
        let passed = system::passed_listener(|name| std::env::var_os(name))?;
        if let Some(address) = passed.as_ref().and_then(|passed| passed.local_addr().ok())
            && !(address.ip().is_loopback() || config.insecure_no_auth || config.auth.is_some())
        {
            return Err(ServerError::Exposed(address));
        }
        let world =
            Live::listen(&config.host, config.port, passed).map_err(|error| match error {
                NoWorld::Bind(source) => ServerError::Bind {
                    address: format!("{}:{}", config.host, config.port),
                    port: config.port,
                    source,
                },
                NoWorld::System(error) => ServerError::System(error),
            })?;
        let keeper = config.state.as_ref().map(|state| {
            let cell = state.dir.join("inflight");
            Keeper::open(state, Rc::new(RealDisk), Some(&cell))
        });
        let mut server = Server::new(config, runtime, site, world, keeper.transpose()?)?;
        if descriptors < wanted {
            server.log.line(
                0,
                format_args!(
                    "the system allows {descriptors} open files: {} connections need {wanted}. Raise the hard limit \
                     (ulimit -Hn), or lower connections of [net]",
                    limits.connections
                ),
            );
        }
        server.show(certificate);
        server.warn_of_clear_passwords();
        server.watcher = watch_site(config, &server.log, server.world.registry())?;
        server.open_admin(config)?;
        server.supervisor = Supervisor::of(|name| std::env::var_os(name));
        let left = (descriptors as usize).saturating_sub(system::descriptors_in_use());
        server.accepting.share(left);
        Ok(server)
    }

    fn open_admin(&mut self, config: &Config) -> Result<(), ServerError> {
        let registry = self.world.registry();
        if let Some(state) = &config.state
            && let Err(error) = self.admin.open_socket(&state.dir, registry)
        {
            let text = "lunette sessions, get, update and eval cannot ask this server";
            let path = state.dir.join(admin::SOCKET);
            let path = path.display();
            self.log.line(0, format_args!("{path}: {error}: {text}"));
        }
        if let Some(address) = config.admin_listen {
            let listened = self.admin.listen(address, registry);
            listened.map_err(|source| ServerError::Admin { address, source })?;
        }
        Ok(())
    }
}

impl<R: Runtime + Clone, W: World> Server<R, W> {
    /// A server of this site in this world.
    ///
    /// # Errors
    /// When directories that it needs cannot be had.
    pub fn new(
        config: &Config,
        runtime: R,
        (site, files): (Site, StaticFiles),
        mut world: W,
        keeper: Option<Keeper>,
    ) -> Result<Server<R, W>, ServerError> {
        let log = world.log(config);
        let store = keeper.as_ref().map(|keeper| Rc::clone(&keeper.store));
        let recordings = Rc::new(RefCell::new(recordings(config, store, &site, &log)?));
        let uploads = uploads(config)?;
        let machine = machine(config, &uploads);
        let processes = Processes::new(machine.base().into());
        let outside = Journaled {
            machine: world.outside(machine),
            recordings: Rc::clone(&recordings),
        };
        let core = sessions_of(config, runtime, site, outside);
        let wall = world.turn().wall;
        let door = Door::new(config, keeper.as_ref(), world.random(), wall)?;
        let boot = boot_name(&mut world)?;
        let mut server = Server {
            core,
            routes: routes(config, files, &boot),
            sessions: SessionTable::default(),
            door,
            certificate: None,
            recordings,
            record_button: RecordButton::new(config),
            looking: Looking::new(config.pages.dev),
            is_written_down: config.record.is_some() || keeper.is_some(),
            keeper,
            rest: Rest::default(),
            unslept: VecDeque::new(),
            told_lost: BTreeSet::new(),
            progress: HashMap::new(),
            session_timeout_ms: config.limits.session_timeout_ms,
            limits: net_limits(config),
            log,
            quotas: Quotas::default(),
            watcher: None,
            world,
            woken: Vec::new(),
            turn: Turn::default(),
            epoch: 0,
            accepting: Accepting::default(),
            gas_per_event: config.limits.gas,
            stop_at: None,
            supervisor: Supervisor::default(),
            admin: Admin::default(),
            captured: None,
            counters: Counters::default(),
            config: config.clone(),
            reread: None,
            peers: Slab::new(),
            crowd: Shares::default(),
            agreements_left: 0,
            by_connection: HashMap::new(),
            links: Links::default(),
            boot,
            last_connection: 0,
            processes,
            orders: Vec::new(),
            uploads,
            inbox: Inbox::default(),
            due: VecDeque::new(),
            ready: Vec::new(),
            touched: Vec::new(),
            spare: Vec::new(),
            deadlines: BTreeSet::new(),
            scratch: vec![0; READ_BYTES].into_boxed_slice(),
            ended: 0,
            dropped: 0,
            frame: Vec::new(),
        };
        server.recover()?;
        Ok(server)
    }

    /// Where it listens, with the port that was found if 0 was asked for.
    pub fn address(&self) -> SocketAddr {
        self.world.address()
    }

    /// Where it tells how it is, if it was told to.
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin.address()
    }

    /// Serves until a signal tells it to stop.
    ///
    /// # Errors
    /// When the poll loop itself fails.
    pub fn run(&mut self) -> Result<(), ServerError> {
        self.supervisor.ready("serving");
        while !self.is_stopped() {
            self.take_turn()?;
        }
        self.leave();
        Ok(())
    }

    /// How much of everything there is.
    pub fn census(&self) -> Census {
        let (views, detached) = self.links.count();
        Census {
            sessions: self.core.len(),
            connections: self.peers.len(),
            views,
            detached,
        }
    }

    fn is_stopped(&self) -> bool {
        let idle = self.peers.is_empty() && self.processes.is_empty();
        self.stop_at.is_some_and(|at| idle || self.turn.now >= at)
    }
}

/// Sessions that ask `outside`.
fn sessions_of<R: Runtime>(
    config: &Config,
    runtime: R,
    site: Site,
    outside: Journaled,
) -> SessionManager<R> {
    let mut core = SessionManager::new(runtime, manager_config(config, site));
    core.set_outside(Box::new(outside));
    if config.audit.is_some() {
        core.audit();
    }
    core
}

fn routes(config: &Config, files: StaticFiles, boot: &str) -> Routes {
    let routes = Routes::new(guard(config), files, config.pages.clone(), boot);
    routes.below(&config.base_path)
}

/// What pages know this run of the server by.
fn boot_name(world: &mut impl World) -> io::Result<String> {
    let seed = world.random().seed()?;
    Ok(format!("{seed:016x}"))
}

fn guard(config: &Config) -> Guard {
    Guard::new(&config.host, &config.allowed_hosts, &config.allowed_origins)
}

fn machine(config: &Config, uploads: &Uploads) -> Machine {
    let mut machine = Machine::new(config.dir.as_deref(), &config.directories);
    machine.set_uploads(uploads.dir());
    machine
}

fn manager_config(config: &Config, site: Site) -> ManagerConfig {
    ManagerConfig {
        site,
        limits: config.limits.clone(),
        verbosity: config.verbosity,
    }
}

fn net_limits(config: &Config) -> NetLimits {
    let usual = NetLimits::default();
    let net = &config.net;
    let or = |set: Option<usize>, usual| set.unwrap_or(usual);
    let or_ms = |set: Option<u64>, usual| set.unwrap_or(usual);
    NetLimits {
        head_bytes: or(net.head_bytes, usual.head_bytes),
        headers: or(net.headers, usual.headers),
        message_bytes: or(net.message_bytes, usual.message_bytes),
        messages_per_turn: or(net.messages_per_turn, usual.messages_per_turn),
        message_rate: net.message_rate.unwrap_or(usual.message_rate),
        output_bytes: or(net.output_bytes, usual.output_bytes),
        head_timeout_ms: or_ms(net.head_timeout_ms, usual.head_timeout_ms),
        idle_timeout_ms: or_ms(net.idle_timeout_ms, usual.idle_timeout_ms),
        stall_timeout_ms: or_ms(net.stall_timeout_ms, usual.stall_timeout_ms),
        close_timeout_ms: usual.close_timeout_ms,
        ping_interval_ms: or_ms(net.ping_interval_ms, usual.ping_interval_ms),
        missed_pongs: or(net.missed_pongs, usual.missed_pongs),
        resume_window_ms: or_ms(net.resume_window_ms, usual.resume_window_ms),
        resume_bytes: or(net.resume_bytes, usual.resume_bytes),
        puts: usual.puts,
        connections: or(net.connections, usual.connections),
        connections_per_address: or(net.connections_per_address, usual.connections_per_address),
    }
}

fn site(config: &Config) -> Result<(Site, StaticFiles), SiteError> {
    Ok(match &config.dir {
        Some(dir) => (load_site(dir)?, StaticFiles::of_site(dir)),
        None => (built_in(&web::DEMO_SITE), StaticFiles::none()),
    })
}

/// With `--dev` or `--hotload`, and a site that can be edited.
fn watch_site(config: &Config, log: &Logger, registry: &Registry) -> io::Result<Option<Watcher>> {
    let Some(dir) = config.dir.as_ref().filter(|_| config.hotload) else {
        return Ok(None);
    };
    let watcher = Watcher::new(dir, log.clone()).map_err(|error| {
        let text = "the site cannot be watched for edits; start without --dev and --hotload";
        io::Error::new(error.kind(), format!("{text}: {error}"))
    })?;
    watcher.register(registry, EDITS)?;
    Ok(Some(watcher))
}

fn recordings(
    config: &Config,
    store: Option<Rc<Store>>,
    site: &Site,
    log: &Logger,
) -> Result<Recordings, ServerError> {
    let (dir, limits) = (config.record.as_deref(), config.limits.clone());
    let durability = config.state.as_ref().map(|state| state.durability);
    let recordings = Recordings::new(
        store.zip(durability),
        dir,
        site.clone(),
        limits,
        log.clone(),
    );
    let recordings = recordings.map_err(|why| match why {
        NoRecordings::Dir(source) => ServerError::Record {
            path: config.record.clone().unwrap_or_default(),
            source,
        },
        NoRecordings::State(error) => error.into(),
    })?;
    Ok(recordings.with_secret(config.secret.clone()))
}

fn uploads(config: &Config) -> Result<Uploads, ServerError> {
    let upload = config.upload.as_ref();
    Uploads::new(upload).map_err(|source| ServerError::Upload {
        path: upload.map(|upload| upload.dir.clone()).unwrap_or_default(),
        source,
    })
}
