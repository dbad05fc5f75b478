//! Who has their turn when: a whole server in a world of pipes, where each turn is taken by hand. What one session
//! takes of the server is told by what the others get meanwhile, in turns and frames; nothing here is timed.

use std::cell::{RefCell, RefMut};
use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use lunette::config::quotas::QuotaSettings;
use lunette::config::state::{StateDir, StateSettings};
#[cfg(feature = "tls")]
use lunette::config::tls::TlsFiles;
use lunette::config::{Config, Settings};
use lunette::core::event::Turn;
use lunette::core::id::Timestamp;
use lunette::core::limits::SessionLimits;
use lunette::core::site::Site;
use lunette::journal::{RawEvent, Reader};
use lunette::lua::LuaRuntime;
use lunette::replay::replay;
use lunette::server::Server;
use lunette::server::files::StaticFiles;
use lunette::server::log::Logger;
use lunette::server::random::Random;
use lunette::server::signals::Asked;
#[cfg(feature = "tls")]
use lunette::server::tls::Certificate;
use lunette::server::world::{LISTENER, Ready, World};
use mio::{Poll, Registry, Token};
#[cfg(feature = "tls")]
use rustls::{ClientConnection, version::TLS13};

#[cfg(feature = "tls")]
use crate::bench_client::wire;
use crate::net::process::Folder;
use crate::net::websocket::frame;

/// What passes between turns: every flush is due in the next one.
const TURN_MS: u64 = 20;
/// Turns in which anything that anybody asks for has to be there.
const TURNS_MAX: usize = 2_000;

/// One connection.
#[derive(Default)]
struct Pipe {
    to_server: VecDeque<u8>,
    to_client: Vec<u8>,
    token: Option<Token>,
}

#[derive(Default)]
struct Pipes {
    all: Vec<Pipe>,
    backlog: VecDeque<usize>,
    now: Timestamp,
}

type Shared = Rc<RefCell<Pipes>>;

struct Pipeworks {
    pipes: Shared,
    random: Random,
    poll: Poll,
}

struct End {
    pipes: Shared,
    at: usize,
}

impl End {
    fn pipe(&self) -> RefMut<'_, Pipe> {
        RefMut::map(self.pipes.borrow_mut(), |pipes| &mut pipes.all[self.at])
    }
}

impl Read for End {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self.pipe().to_server.read(into)? {
            0 => Err(io::ErrorKind::WouldBlock.into()),
            n => Ok(n),
        }
    }
}

impl Write for End {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.pipe().to_client.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl World for Pipeworks {
    type Stream = End;

    fn wait(&mut self, _: Option<Duration>, ready: &mut Vec<Ready>) -> io::Result<()> {
        let mut pipes = self.pipes.borrow_mut();
        pipes.now += TURN_MS;
        let waiting = pipes.all.iter().filter(|pipe| !pipe.to_server.is_empty());
        let tokens = waiting.filter_map(|pipe| pipe.token);
        let listener = (!pipes.backlog.is_empty()).then_some(LISTENER);
        ready.extend(tokens.chain(listener).map(|token| Ready {
            token,
            readable: true,
            ended: false,
            writable: false,
        }));
        Ok(())
    }

    fn turn(&mut self) -> Turn {
        let now = self.now();
        Turn {
            now,
            wall: 1_715_000_000_000 + now as i64,
        }
    }

    fn now(&self) -> Timestamp {
        self.pipes.borrow().now
    }

    fn accept(&mut self) -> io::Result<End> {
        let at = self.pipes.borrow_mut().backlog.pop_front();
        let at = at.ok_or(io::ErrorKind::WouldBlock)?;
        let pipes = self.pipes.clone();
        Ok(End { pipes, at })
    }

    fn peer_address(&self, _: &End) -> Option<IpAddr> {
        None
    }

    fn stop_listening(&mut self) {}

    fn watch(&mut self, stream: &mut End, token: Token) -> io::Result<()> {
        stream.pipe().token = Some(token);
        Ok(())
    }

    fn watch_writable(&mut self, _: &mut End, _: Token, _: bool) -> io::Result<()> {
        Ok(())
    }

    fn shut(&mut self, _: &mut End) {}

    fn take_signal(&mut self) -> Asked {
        Asked::default()
    }

    fn random(&mut self) -> &mut Random {
        &mut self.random
    }

    fn registry(&self) -> &Registry {
        self.poll.registry()
    }

    fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], 80))
    }

    fn log(&self, _: &Config) -> Logger {
        Logger::silent()
    }
}

/// A server of one `main.lua`.
struct House {
    server: Server<LuaRuntime, Pipeworks>,
    pipes: Shared,
}

/// A page, by its place among the pipes.
#[derive(Clone, Copy)]
struct Page(usize);

impl House {
    fn new(main: &str) -> House {
        House::with(main, Settings::default())
    }

    fn with(main: &str, settings: Settings) -> House {
        let settings = Settings {
            state: StateSettings {
                dir: Some(StateDir::None),
                ..StateSettings::default()
            },
            ..settings
        };
        let config = Config::resolve(settings).expect("a configuration");
        let files = BTreeMap::from([("lua/main.lua".to_owned(), main.as_bytes().to_vec())]);
        let files = (Site::new(files), StaticFiles::none());
        let pipes = Shared::default();
        let world = Pipeworks {
            pipes: pipes.clone(),
            random: Random::seeded(1),
            poll: Poll::new().expect("a poll"),
        };
        let runtime = LuaRuntime::new().expect("a runtime");
        let server = Server::new(&config, runtime, files, world, None).expect("a server");
        House { server, pipes }
    }

    fn turn(&mut self) {
        self.server.take_turn().expect("the world goes on");
    }

    fn connect(&mut self, request: &str) -> Page {
        let mut pipes = self.pipes.borrow_mut();
        let at = pipes.all.len();
        pipes.all.push(Pipe {
            to_server: request.bytes().collect(),
            ..Pipe::default()
        });
        pipes.backlog.push_back(at);
        Page(at)
    }

    /// Bytes of a page's that the server has not read.
    fn unread(&self, page: Page) -> usize {
        self.pipes.borrow().all[page.0].to_server.len()
    }

    /// All that has come to a page.
    fn told(&self, page: Page) -> String {
        String::from_utf8_lossy(&self.pipes.borrow().all[page.0].to_client).into_owned()
    }

    /// How often a page was told this.
    fn count(&self, page: Page, text: &str) -> usize {
        self.told(page).matches(text).count()
    }

    /// Takes turns until a page was told this so many times; returns how many turns that took.
    fn wait_for(&mut self, page: Page, text: &str, times: usize) -> usize {
        for turns in 0..TURNS_MAX {
            if self.count(page, text) >= times {
                return turns;
            }
            self.turn();
        }
        panic!("never told {text:?} {times} times: {}", self.told(page));
    }

    /// A page of a new session that has been told of variable 1.
    fn open(&mut self, paths: &[(&str, &str)]) -> Page {
        let asking = self.connect(
            "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/html\r\nConnection: close\r\n\r\n",
        );
        self.wait_for(asking, "\r\n\r\n", 1);
        let answer = self.told(asking).to_lowercase();
        let (_, place) = answer.split_once("location: /").expect("a new session");
        let sid = &place[..32];
        let page = self.connect(&format!(
            "GET /ws/{sid} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        ));
        let mut messages = vec![r#"{"type":"watch","data":{"varId":1}}"#.to_owned()];
        for (at, (path, access)) in paths.iter().enumerate() {
            messages.push(create(2 + at, path, access));
        }
        self.send(page, &format!("[{}]", messages.join(",")));
        self.wait_for(page, r#""varId":1,"#, 1);
        page
    }

    fn send(&mut self, page: Page, text: &str) {
        let bytes = frame(0x81, text.as_bytes());
        let to_server = &mut self.pipes.borrow_mut().all[page.0].to_server;
        to_server.extend(bytes);
    }

    fn call(&mut self, page: Page, id: usize) {
        let call = format!(r#"{{"type":"update","data":{{"varId":{id},"value":null}}}}"#);
        self.send(
            page,
            &format!(r#"{{"userEvent":true,"messages":[{call}]}}"#),
        );
    }
}

fn create(id: usize, path: &str, access: &str) -> String {
    format!(
        r#"{{"type":"create","data":{{"id":{id},"parentId":1,"properties":{{"path":"{path}","access":"{access}"}}}}}}"#
    )
}

const N: (&str, &str) = ("n", "r");
const ADD: (&str, &str) = ("add()", "action");

const TIMERS: &str = "
local app = { n = 0, fired = 0 }
function app:add() self.n = self.n + 1 end
function app:endless()
  for i = 1, 200 do
    session:setImmediate(function() app.fired = app.fired + 1 while true do end end)
  end
end
function app:later() session:setImmediate(function() app.fired = app.fired + 1 end) end
session:createAppVariable(app)
";
const FIRED: (&str, &str) = ("fired", "r");

/// What variable `id` was told last.
fn last(told: &str, id: usize) -> u64 {
    let key = format!(r#""varId":{id},"value":"#);
    let Some((_, value)) = told.rsplit_once(&key) else {
        return 0;
    };
    let end = value.find(|c: char| !c.is_ascii_digit());
    let digits = &value[..end.unwrap_or(value.len())];
    digits.parse().expect("a number")
}

#[test]
fn a_session_whose_timers_never_end_has_one_turn_where_others_have_theirs() {
    let mut house = House::new(TIMERS);
    let honest = house.open(&[N, ADD, FIRED, ("later()", "action")]);
    for _ in 0..20 {
        house.open(&[]);
    }
    let hostile = house.open(&[FIRED, ("endless()", "action")]);
    house.call(hostile, 3);
    house.wait_for(hostile, r#""varId":2,"value":"#, 2);
    for times in 1..=5 {
        let before = last(&house.told(hostile), 2);
        house.call(honest, 3);
        let turns = house.wait_for(honest, r#""varId":2,"value":"#, 1 + times);
        let fired = last(&house.told(hostile), 2) - before;
        assert!(turns <= 2, "an action waited {turns} turns");
        assert!(fired <= 2, "it waited for {fired} endless timers");
    }
    // What is due of the others is not behind all that is due of this one.
    let before = last(&house.told(hostile), 2);
    house.call(honest, 5);
    house.wait_for(honest, r#""varId":4,"value":1"#, 1);
    let fired = last(&house.told(hostile), 2) - before;
    assert!(fired <= 4, "a timer waited for {fired} endless ones");
    assert!(last(&house.told(hostile), 2) < 200, "it was over before");
}

const FLOODED: &str = "
local app = { n = 0, called = 0 }
function app:add() self.n = self.n + 1 end
function app:work() for i = 1, 40000 do end self.called = self.called + 1 end
session:createAppVariable(app)
";
/// Variables that each frame of a flood has the server look at.
const VARIABLES: usize = 5_000;
const FLOOD: usize = 100;
/// Each frame takes more than this of what a session has in a turn: looking at a variable counts as four units of gas,
/// and there are 100,000 of them.
const AT_ONCE: usize = 5 + 1;

#[test]
fn frames_that_have_much_looked_at_wait_and_others_go_on() {
    let mut house = House::new(FLOODED);
    let honest = house.open(&[N, ADD]);
    let hostile = house.open(&[]);
    for piece in 0..VARIABLES / 500 {
        let ids = 2 + 500 * piece..2 + 500 * (piece + 1);
        let creates: Vec<String> = ids.map(|id| create(id, "n", "r")).collect();
        house.send(hostile, &format!("[{}]", creates.join(",")));
    }
    let last_made = format!(r#""varId":{},"#, 1 + VARIABLES);
    house.wait_for(hostile, &last_made, 1);
    // Each is answered, so that the answers tell how many were taken.
    let unwatch = r#"{"type":"unwatch","data":{"varId":999999}}"#;
    let unwatch = format!(r#"{{"userEvent":true,"messages":[{unwatch}]}}"#);
    for _ in 0..FLOOD {
        house.send(hostile, &unwatch);
    }
    house.call(honest, 3);
    let turns = house.wait_for(honest, r#""varId":2,"value":1"#, 1);
    let taken = house.count(hostile, "999999");
    assert!(turns <= 2, "{turns} turns");
    assert!(taken <= 2 * 2 * AT_ONCE, "it waited for {taken} frames");
    house.wait_for(hostile, "\"varId\":999999", FLOOD);
}

#[test]
fn frames_that_take_much_gas_wait_and_keep_their_order() {
    let mut house = House::new(FLOODED);
    let honest = house.open(&[N, ADD]);
    let hostile = house.open(&[("called", "r"), ("work()", "action"), N, ADD]);
    for _ in 0..FLOOD {
        house.call(hostile, 3);
    }
    house.call(hostile, 5);
    for times in 1..=10 {
        let before = last(&house.told(hostile), 2);
        house.call(honest, 3);
        let answer = format!(r#""varId":2,"value":{times}"#);
        let turns = house.wait_for(honest, &answer, 1);
        let taken = last(&house.told(hostile), 2) - before;
        assert!(turns <= 2, "{turns} turns");
        assert!(taken <= 4, "it waited for {taken} calls");
    }
    assert_eq!(house.count(hostile, r#""varId":4,"value":1"#), 0);
    house.wait_for(hostile, r#""varId":4,"value":1"#, 1);
    assert_eq!(last(&house.told(hostile), 2), FLOOD as u64);
}

/// Messages of a frame that counts as one where `message_rate` counts.
const HEAVY: usize = 10_000;
/// More than one page is read of in a turn.
const AHEAD_BYTES: usize = 2 << 20;

#[test]
fn of_frames_of_ten_thousand_messages_others_wait_for_one() {
    let write = r#"{"type":"update","data":{"varId":2,"value":7}}"#;
    let call = r#"{"type":"update","data":{"varId":3,"value":1}}"#;
    let destroy = r#"{"type":"destroy","data":{"varId":9}}"#;
    let make = format!("{},{destroy}", create(9, "n", "r"));
    let wrong = r#"{"type":"update","data":{"varId":8,"value":1}}"#;
    let answered = r#"{"type":"unwatch","data":{"varId":999999}}"#;
    for (message, count) in [
        (write, HEAVY),
        (call, HEAVY),
        (wrong, HEAVY),
        (&make, HEAVY / 2),
    ] {
        let mut house = House::new(FLOODED);
        let honest = house.open(&[N, ADD]);
        let hostile = house.open(&[("n", "rw"), ("work()", "action"), ("called", "r")]);
        let mut messages = vec![message; count];
        messages.insert(0, answered);
        let frame = format!("[{}]", messages.join(","));
        for times in 1..=10 {
            // As fast as it can: more is there than is read.
            while house.unread(hostile) < AHEAD_BYTES {
                house.send(hostile, &frame);
            }
            let before = house.count(hostile, "999999");
            house.call(honest, 3);
            let answer = format!(r#""varId":2,"value":{times}"#);
            let turns = house.wait_for(honest, &answer, 1);
            let taken = house.count(hostile, "999999") - before;
            assert!(turns <= 2, "{message}: {turns} turns");
            assert!(taken <= 2, "{message}: it waited for {taken} frames");
        }
        let frames = house.count(hostile, "999999") as u64;
        assert!(frames > 1, "{message}: frames are taken");
        // Each call takes more than 40,000, and all calls of a frame have twice the gas of one.
        let called = last(&house.told(hostile), 4);
        let calls_max = (frames + 1) * 2 * SessionLimits::default().gas / 40_000;
        assert!(called < calls_max, "{called} calls in {frames} frames");
        assert_eq!(called > 0, message == call);
        assert_eq!(house.count(hostile, "too many messages"), 0, "{message}");
    }
}

/// Those who agree on TLS at once.
#[cfg(feature = "tls")]
const AGREEING: usize = 200;
/// Of them, those who may go on in a turn.
#[cfg(feature = "tls")]
const AGREED: usize = 16;

#[cfg(feature = "tls")]
#[test]
fn agreements_of_tls_wait_and_pages_go_on() {
    let mut house = House::new(FLOODED);
    // Who was here before the certificate goes on without.
    let honest = house.open(&[N, ADD]);
    let files = TlsFiles {
        cert: wire::certificate("second"),
        key: wire::key("second"),
    };
    let certificate = Certificate::load(&files).expect("a certificate");
    house.server.show(Some(certificate));
    let mut hello = Vec::new();
    let client = wire::client(&[&TLS13]);
    let name = "localhost".try_into().expect("a name");
    let mut client = ClientConnection::new(client, name).expect("a client");
    client
        .write_tls(&mut hello)
        .expect("it has something to say");
    let hostile: Vec<Page> = (0..AGREEING).map(|_| house.connect("")).collect();
    for _ in 0..AGREEING {
        house.turn();
    }
    for page in &hostile {
        house.pipes.borrow_mut().all[page.0]
            .to_server
            .extend(&hello);
    }
    let answered = |house: &House| {
        let told = |page: &&Page| !house.pipes.borrow().all[page.0].to_client.is_empty();
        hostile.iter().filter(told).count()
    };
    for times in 1..=3 {
        let before = answered(&house);
        house.call(honest, 3);
        let answer = format!(r#""varId":2,"value":{times}"#);
        let turns = house.wait_for(honest, &answer, 1);
        let agreed = answered(&house) - before;
        assert!(turns <= 2, "{turns} turns");
        assert!(agreed <= 2 * AGREED, "it waited for {agreed}");
    }
    assert!(answered(&house) < AGREEING, "it was over before");
    for _ in 0..AGREEING {
        house.turn();
    }
    assert_eq!(answered(&house), AGREEING);
}

const GROWING: &str = "
local app = { n = 0, kept = {} }
function app:add() self.n = self.n + 1 end
function app:grow()
  self.n = self.n + 1
  self.kept[#self.kept + 1] = ('x'):rep((2 << 20) + self.n)
end
session:createAppVariable(app)
";
const GROW: (&str, &str) = ("grow()", "action");

#[test]
fn who_takes_the_most_makes_room_when_there_is_no_memory_left_and_is_told() {
    let folder = Folder::new();
    let settings = Settings {
        record: Some(folder.0.clone()),
        quotas: QuotaSettings {
            total_memory: Some(20 << 20),
            ..QuotaSettings::default()
        },
        ..Settings::default()
    };
    let mut house = House::with(GROWING, settings);
    let small = house.open(&[N, ADD]);
    let [large, other, last_straw] = [(); 3].map(|()| house.open(&[N, GROW]));
    let grow = |house: &mut House, page: Page, times: usize| {
        for time in 1..=times {
            house.call(page, 3);
            house.wait_for(page, &format!(r#""varId":2,"value":{time}"#), 1);
        }
    };
    grow(&mut house, large, 5);
    grow(&mut house, other, 3);
    grow(&mut house, last_straw, 1);
    house.turn();
    assert_eq!(house.count(large, "total_memory"), 0, "there is room");
    house.call(last_straw, 3);
    house.wait_for(large, "this one used most (total_memory)", 1);
    for page in [small, other, last_straw] {
        assert_eq!(house.count(page, "total_memory"), 0);
        let before = last(&house.told(page), 2);
        house.call(page, 3);
        house.wait_for(page, &format!(r#""varId":2,"value":{}"#, before + 1), 1);
    }
    drop(house);
    let mut ended = 0;
    let entries = fs::read_dir(&folder.0).expect("recordings");
    for entry in entries.map(|entry| entry.expect("an entry").path()) {
        let reader = Reader::open(&entry).expect("a recording");
        let end = |event: &RawEvent<'_>| matches!(event, RawEvent::Ended { .. });
        ended += reader.records().filter(|record| end(&record.event)).count();
        let report = replay(&reader, |_| LuaRuntime::new().expect("a runtime"));
        assert_eq!(report.exit_code(), 0, "{report}");
    }
    assert_eq!(ended, 1);
}
