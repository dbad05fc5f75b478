//! An hour of a busy server in minutes: pages that act, reload, lose their connections, leave, and new ones that come.
//! In the end it uses as much memory and as many descriptors as in the beginning. `LUNETTE_LONG` plays it with 500 pages,
//! after another hour in which tables and allocator find their sizes; without it there are a few minutes with some.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::bench_client::{Socket, new_session};
use crate::bench_process::Server;
use crate::dice::Dice;
use crate::net::process::Folder;

const MAIN: &str = "
local App = session:prototype('App', { rows = EMPTY, n = 0, text = '' })
function App:add()
  self.n = self.n + 1
  table.insert(self.rows, { type = 'Row', name = 'row ' .. self.n .. self.text })
  if #self.rows > 20 then table.remove(self.rows, 1) end
end
local app = session:create(App, { rows = {} })
session:setInterval(function() app.text = app.text == '' and ' ticked' or '' end, 1000)
session:createAppVariable(app)
";
const OPEN: &str = concat!(
    r#"{"userEvent":false,"messages":[{"type":"watch","data":{"varId":1}},"#,
    r#"{"type":"create","data":{"id":2,"parentId":1,"properties":{"path":"n"}}},"#,
    r#"{"type":"create","data":{"id":3,"parentId":1,"properties":{"path":"rows"}}},"#,
    r#"{"type":"create","data":{"id":4,"parentId":1,"properties":{"path":"add()","access":"action"}}}]}"#,
);
const ADD: &str =
    r#"{"userEvent":true,"messages":[{"type":"update","data":{"varId":4,"value":null}}]}"#;
/// One every five seconds.
const ACTIONS_PER_MINUTE: usize = 12;
/// How often it is looked at what the server uses.
const MINUTES_PER_SAMPLE: usize = 5;
/// What a server has open beside its connections: journals that were written last, the site, its own.
const SPARE_DESCRIPTORS: usize = 90;

struct Scale {
    pages: usize,
    minutes: usize,
}

/// A page, and the session that it shows.
struct Page {
    session: String,
    socket: Socket,
}

impl Page {
    fn open(server: &Server, session: String) -> Page {
        let mut socket = Socket::attach(server.address, &session).expect("it is let in");
        socket.send(OPEN).expect("sent");
        while !socket.receive().expect("a frame").contains("\"varId\":3") {}
        Page { session, socket }
    }

    fn new(server: &Server) -> Page {
        let session = new_session(server.address).expect("a session");
        Page::open(server, session)
    }

    fn act(&mut self) {
        self.socket.send(ADD).expect("sent");
        // What the timer changed may come in between.
        while !self
            .socket
            .receive()
            .expect("an answer")
            .contains("\"varId\":2")
        {}
    }
}

#[test]
fn an_hour_leaves_no_more_memory_and_descriptors_in_use_than_its_first_minutes() {
    let long = std::env::var_os("LUNETTE_LONG").is_some();
    let scale = match long {
        true => Scale {
            pages: 500,
            minutes: 120,
        },
        false => Scale {
            pages: 10,
            minutes: 10,
        },
    };
    let folder = Folder::new();
    folder.write("site/lua/main.lua", MAIN);
    // One thread plays all pages: on a busy machine most of them are silent for long.
    folder.write("site/lunette.toml", "[net]\nping_interval = \"1h\"");
    let server = serve(&folder);
    let mut dice = Dice::seeded(7);
    let mut pages: Vec<_> = (0..scale.pages).map(|_| Page::new(&server)).collect();
    let state = folder.0.join("state/sessions");
    let settle = || {
        // Whoever left is gone when their journals are.
        while journals(&state) > scale.pages {
            std::thread::sleep(Duration::from_millis(20));
        }
        descriptors(&server, scale.pages + SPARE_DESCRIPTORS);
    };
    settle();
    let mut samples = Vec::new();
    for minute in 1..=scale.minutes {
        for page in &mut pages {
            live_a_minute(&server, page, &mut dice);
        }
        if minute % MINUTES_PER_SAMPLE == 0 {
            settle();
            samples.push(server.rss_kib().expect("it runs") as f64);
        }
    }
    if !long {
        return;
    }
    let settled = &samples[samples.len() / 2..];
    let grown = slope(settled) * settled.len() as f64 / settled[0] * 100.0;
    println!("memory {samples:?} KiB, {grown:.2} % in the second half");
    assert!(grown < 1.0, "memory grows by {grown:.2} %: {samples:?}");
}

fn serve(folder: &Folder) -> Server {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lunette"));
    command.args([
        "--port",
        "0",
        "--session-timeout",
        "3s",
        "--message-rate",
        "0",
    ]);
    command.arg("--dir").arg(folder.0.join("site"));
    command.arg("--state").arg(folder.0.join("state"));
    Server::start(command.stderr(Stdio::null())).expect("the server starts")
}

fn live_a_minute(server: &Server, page: &mut Page, dice: &mut Dice) {
    for _ in 0..ACTIONS_PER_MINUTE {
        page.act();
    }
    match dice.roll(100) {
        // The page is reloaded.
        0..5 => {
            let again = Page::open(server, page.session.clone());
            let before = std::mem::replace(page, again);
            before.socket.close().expect("it says goodbye");
        }
        // The connection is lost, and there is another.
        5..10 => {
            let again = Page::open(server, page.session.clone());
            *page = again;
        }
        // Somebody leaves, and somebody else comes.
        10..15 => {
            let other = Page::new(server);
            let before = std::mem::replace(page, other);
            before.socket.close().expect("it says goodbye");
        }
        // A frame that is none.
        15..17 => {
            let bad = [0x81, 0x80, 0, 0, 0, 0];
            page.socket.send_raw(&bad).expect("sent");
            page.socket.receive().expect("an error");
        }
        _ => {}
    }
}

fn journals(sessions: &Path) -> usize {
    let files = fs::read_dir(sessions).into_iter().flatten().flatten();
    let names = files.map(|file| file.file_name());
    names
        .filter(|name| name.to_string_lossy().ends_with(".lnt"))
        .count()
}

/// Waits until those of connections that are over are free.
fn descriptors(server: &Server, at_most: usize) {
    let fds = format!("/proc/{}/fd", server.id());
    let count = || fs::read_dir(&fds).map_or(0, Iterator::count);
    let deadline = Instant::now() + Duration::from_secs(30);
    while count() > at_most {
        assert!(
            Instant::now() < deadline,
            "{} descriptors, at most {at_most} are needed",
            count()
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// By how much values grow from one to the next (least squares).
fn slope(values: &[f64]) -> f64 {
    let n = values.len() as f64;
    let middle = (n - 1.0) / 2.0;
    let mean = values.iter().sum::<f64>() / n;
    let places = values
        .iter()
        .enumerate()
        .map(|(i, value)| (i as f64 - middle, value - mean));
    let (products, squares) = places.fold((0.0, 0.0), |(p, s), (x, y)| (p + x * y, s + x * x));
    products / squares
}
