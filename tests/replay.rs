//! Recordings of a real server, replayed by other processes: the same bytes come out, whatever else the
//! server did, wherever memory lies and whatever became of the site; damage and changes are told.

mod endless;
mod faults;
mod room;
mod secrets;
mod sizes;
mod store;
mod tail;
mod versions;
mod walk;

use crate::bench_client as client;
use crate::bench_process as process;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::sleep;
use std::time::Duration;

use client::{Socket, new_session};
use lunette::journal::{self, RawEvent, Reader, Writer};
use process::Server;

/// Shows whatever an address, a hash seed, a clock or a collection could make differ.
const MAIN: &str = r#"
App = session:prototype("App", { count = 0, ticks = 0, rows = EMPTY, order = "", name = "", heard = "" })
Row = session:prototype("Row", { name = "" })
local app = session:create(App)
app.rows = {}
local weak = setmetatable({}, { __mode = "k" })
function app:act()
  self.count = self.count + math.random(100)
  table.insert(self.rows, math.random(#self.rows + 1), session:create(Row, { name = tostring({}) }))
  local set = { [{}] = 1, [{}] = 2, [print] = 3, [function() end] = 4, [self] = 5, x = 6, y = 7 }
  local order = {}
  for _, n in pairs(set) do order[#order + 1] = n end
  self.order = table.concat(order, " ") .. " " .. os.time() .. " " .. tostring(print)
  weak[{}] = true
  local left = 0
  for _ in pairs(weak) do left = left + 1 end
  self.left = left
  session:publish("acts", { from = session.id, count = self.count }, { retain = true })
  table.sort(self.rows, function(a, b) return #a.name < #b.name end)
end
function app:fail() error("as " .. tostring({})) end
session:createAppVariable(app)
session:subscribe("acts", function(act) app.heard = act.from .. " has " .. act.count end)
session:setInterval(function() app.ticks = app.ticks + 1 end, 7)
"#;

const OPEN: &str = r#"[{"type":"watch","data":{"varId":1}},
{"type":"create","data":{"id":2,"parentId":1,"properties":{"path":"count"}}},
{"type":"create","data":{"id":3,"parentId":1,"properties":{"path":"act()","access":"action"}}},
{"type":"create","data":{"id":4,"parentId":1,"properties":{"path":"order"}}},
{"type":"create","data":{"id":5,"parentId":1,"properties":{"path":"rows","wrapper":"lua.ViewList"}}},
{"type":"create","data":{"id":6,"parentId":5,"properties":{"path":"items"}}},
{"type":"create","data":{"id":7,"parentId":6,"properties":{"path":"0.item.name"}}},
{"type":"create","data":{"id":8,"parentId":1,"properties":{"path":"fail()","access":"action"}}},
{"type":"create","data":{"id":9,"parentId":1,"properties":{"path":"left"}}},
{"type":"create","data":{"id":10,"parentId":1,"properties":{"path":"name"}}},
{"type":"create","data":{"id":11,"parentId":1,"properties":{"path":"ticks"}}},
{"type":"create","data":{"id":12,"parentId":1,"properties":{"path":"heard"}}}]"#;
const ACT: &str =
    r#"{"userEvent":true,"messages":[{"type":"update","data":{"varId":3,"value":null}}]}"#;
const FAIL: &str =
    r#"{"userEvent":true,"messages":[{"type":"update","data":{"varId":8,"value":null}}]}"#;
const ODD: &str = "{\"userEvent\":tru\n\u{e9}";

/// A directory of one test, removed at its end.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Scratch {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let n = COUNT.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("lunette-record-{}-{n}", std::process::id()));
        fs::create_dir_all(&dir).expect("a scratch directory");
        Scratch(dir)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Writes a site with this `main.lua`.
    fn site(&self, main: &str) -> PathBuf {
        let site = self.path("site");
        fs::create_dir_all(site.join("lua")).expect("a site");
        fs::create_dir_all(site.join("viewdefs")).expect("a site");
        fs::write(site.join("lua/main.lua"), main).expect("a site");
        let viewdef = "<template><b ui-value=\"count\"></b></template>";
        fs::write(site.join("viewdefs/App.DEFAULT.html"), viewdef).expect("a site");
        site
    }

    fn serve(&self, site: &Path) -> Server {
        let mut command = lunette("serve");
        command.args(["--port", "0", "--state", "none", "--dir"]);
        command
            .arg(site)
            .arg("--record")
            .arg(self.path("recordings"));
        Server::start(command.stderr(Stdio::null())).expect("the server starts")
    }

    fn recording(&self, sid: &str) -> PathBuf {
        self.path("recordings").join(format!("{sid}.lnt"))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn lunette(command: &str) -> Command {
    let mut lunette = Command::new(env!("CARGO_BIN_EXE_lunette"));
    lunette.arg(command);
    lunette
}

/// Runs `lunette COMMAND FILE`; its exit code and all it said.
fn run(command: &str, file: &Path) -> (i32, String) {
    let output: Output = lunette(command).arg(file).output().expect("lunette runs");
    let said = [output.stdout, output.stderr].concat();
    let code = output.status.code().expect("it is not killed");
    (code, String::from_utf8(said).expect("it says UTF-8"))
}

/// A tab that keeps what it is told.
struct Tab {
    socket: Socket,
    told: Vec<String>,
    fences: u32,
}

impl Tab {
    fn open(server: &Server, sid: &str) -> Tab {
        let socket = Socket::attach(server.address, sid).expect("the socket opens");
        let mut tab = Tab {
            socket,
            told: Vec::new(),
            fences: 0,
        };
        tab.send(OPEN);
        tab
    }

    fn send(&mut self, text: &str) {
        self.socket.send(text).expect("the frame is sent");
    }

    /// Waits until the server has answered all that was sent.
    fn fence(&mut self) {
        self.fences += 1;
        let id = 90_000 + self.fences;
        self.send(&format!(
            r#"{{"userEvent":true,"messages":[{{"type":"watch","data":{{"varId":{id}}}}}]}}"#
        ));
        loop {
            let frame = self.socket.receive().expect("an answer").to_owned();
            let last = frame.contains(&format!(r#""varId":{id},"code""#));
            self.told.push(frame);
            if last {
                return;
            }
        }
    }
}

/// Three sessions with two tabs each, all at once. Returns the SIDs and what the tabs were told.
fn busy_day(server: &Server) -> Vec<(String, Vec<Vec<String>>)> {
    let sids: Vec<String> = (0..3)
        .map(|_| new_session(server.address).expect("a session"))
        .collect();
    let mut tabs: Vec<Tab> = Vec::new();
    for sid in sids.iter().chain(sids.iter().rev()) {
        tabs.push(Tab::open(server, sid));
        tabs.iter_mut().for_each(|tab| tab.send(ACT));
    }
    for round in 0..20 {
        for (i, tab) in tabs.iter_mut().enumerate() {
            tab.send(match (round + i) % 5 {
                0 => FAIL,
                1 => ODD,
                _ => ACT,
            });
        }
        sleep(Duration::from_millis(3));
    }
    tabs.iter_mut().for_each(Tab::fence);
    // The first tab of each session goes, another one comes.
    let mut gone: Vec<Tab> = tabs.drain(..3).collect();
    gone.iter_mut()
        .for_each(|tab| tab.socket.send(ACT).expect("sent"));
    let told_before: Vec<Vec<String>> = gone.into_iter().map(|tab| tab.told).collect();
    let mut late: Vec<Tab> = sids.iter().map(|sid| Tab::open(server, sid)).collect();
    late.iter_mut().for_each(|tab| tab.send(ACT));
    late.iter_mut().chain(&mut tabs).for_each(Tab::fence);
    let told = |tab: &Tab| tab.told.clone();
    sids.iter()
        .enumerate()
        .map(|(i, sid)| {
            let second = told(&tabs[2 - i]);
            let all = vec![told_before[i].clone(), second, told(&late[i])];
            (sid.clone(), all)
        })
        .collect()
}

#[test]
fn what_a_server_recorded_replays_in_other_processes() {
    let scratch = Scratch::new();
    let server = scratch.serve(&scratch.site(MAIN));
    let sessions = busy_day(&server);
    drop(server);
    // The recording needs nothing but itself.
    fs::write(scratch.path("site/lua/main.lua"), "error('changed')").expect("written");
    for (sid, tabs) in &sessions {
        let file = scratch.recording(sid);
        let (code, said) = run("replay", &file);
        assert_eq!(code, 0, "{said}");
        assert!(said.ends_with("all as recorded\n"), "{said}");
        assert_eq!(
            run("replay", &file),
            (0, said),
            "another process says the same"
        );
        let (code, transcript) = run("transcript", &file);
        assert_eq!(code, 0, "{transcript}");
        assert_eq!(run("transcript", &file), (0, transcript.clone()));
        assert!(transcript.contains("file lua/main.lua "), "{transcript}");
        tabs.iter().for_each(|told| was_recorded(&file, told));
    }
    fs::remove_dir_all(scratch.path("site")).expect("removed");
    let (code, said) = run("replay", &scratch.recording(&sessions[0].0));
    assert_eq!(code, 0, "{said}");
}

/// What one tab was told is, byte for byte, what one connection of the recording was sent.
fn was_recorded(file: &Path, told: &[String]) {
    let reader = Reader::open(file).expect("a whole recording");
    let mut sent: Vec<Vec<&[u8]>> = vec![Vec::new(); 4];
    for record in reader.records() {
        for output in record.outputs {
            if let journal::Output::Frame { connection, text } = output {
                sent[connection.0 as usize].push(text);
            }
        }
    }
    let same = |sent: &Vec<&[u8]>| {
        sent.len() >= told.len() && told.iter().zip(sent).all(|(a, b)| a.as_bytes() == *b)
    };
    assert!(sent.iter().any(same), "not in {}: {told:?}", file.display());
}

#[test]
fn a_session_that_could_not_start_is_recorded_too() {
    let scratch = Scratch::new();
    let server = scratch.serve(&scratch.site("error('at ' .. tostring({}))"));
    let sid = new_session(server.address).expect("a session");
    let mut socket = Socket::attach(server.address, &sid).expect("the socket opens");
    assert!(
        socket
            .receive()
            .expect("an error")
            .contains("main.lua:1: at table")
    );
    assert!(socket.receive().is_err(), "closed");
    drop(server);
    let file = scratch.recording(&sid);
    let (code, said) = run("replay", &file);
    assert_eq!(code, 0, "{said}");
    let (_, transcript) = run("transcript", &file);
    assert!(transcript.contains("\n  1 closed 1011 "), "{transcript}");
    assert!(
        transcript.contains("\n  session failed: main.lua:1: at table"),
        "{transcript}"
    );
}

/// A short recording: its file in `scratch`.
fn recorded(scratch: &Scratch) -> PathBuf {
    let server = scratch.serve(&scratch.site(MAIN));
    let sid = new_session(server.address).expect("a session");
    let mut tab = Tab::open(&server, &sid);
    for _ in 0..5 {
        tab.send(ACT);
        tab.fence();
    }
    scratch.recording(&sid)
}

/// The recording again with every frame sent changed by `change`, checksums and all.
fn tampered(file: &Path, change: impl Fn(&str) -> String) -> PathBuf {
    let reader = Reader::open(file).expect("a whole recording");
    let path = file.with_extension("tampered");
    let mut writer = Writer::create(&path, reader.header()).expect("written");
    let mut turn_number = 0;
    for record in reader.records() {
        if record.turn_number != turn_number {
            writer.commit().expect("written");
            turn_number = record.turn_number;
        }
        writer.event(record.turn, &record.event);
        for output in &record.outputs {
            if let journal::Output::Frame { connection, text } = *output {
                let text = change(std::str::from_utf8(text).expect("frames are UTF-8"));
                let text = text.as_bytes();
                writer.output(&journal::Output::Frame { connection, text });
            } else {
                writer.output(output);
            }
        }
    }
    writer.commit().expect("written");
    path
}

#[test]
fn a_frame_that_differs_is_told_with_its_variable() {
    let scratch = Scratch::new();
    let file = recorded(&scratch);
    // What is on screen of the first row is another table than the one that was recorded.
    let file = tampered(&file, |text| text.replace("\"table: 0x", "\"table: 1x"));
    let (code, said) = run("replay", &file);
    assert_eq!(code, 5, "{said}");
    let told = "  variable 7 (rows.items.0.item.name), value: recorded \"table: 1x";
    assert!(said.contains(told), "{said}");
    assert!(
        said.contains("\n  event     1 > {\"userEvent\":true"),
        "{said}"
    );
    assert!(said.contains("\n  recorded  1 < [{"), "{said}");
    assert!(said.contains("\n  replayed  1 < [{"), "{said}");
    assert!(said.starts_with("diverged in turn "), "{said}");
}

#[test]
fn an_event_that_is_missing_makes_the_rest_differ() {
    let scratch = Scratch::new();
    let file = recorded(&scratch);
    let reader = Reader::open(&file).expect("a whole recording");
    let path = file.with_extension("shorter");
    let mut writer = Writer::create(&path, reader.header()).expect("written");
    let acts = |event: &RawEvent| matches!(event, RawEvent::Frame { text, .. } if *text == ACT);
    let first = reader.records().position(|record| acts(&record.event));
    for (i, record) in reader.records().enumerate() {
        if Some(i) != first {
            writer.event(record.turn, &record.event);
            record
                .outputs
                .iter()
                .for_each(|output| writer.output(output));
            writer.commit().expect("written");
        }
    }
    let (code, said) = run("replay", &path);
    assert_eq!(code, 5, "{said}");
}

#[test]
fn a_torn_tail_is_left_out_and_said() {
    let scratch = Scratch::new();
    let file = recorded(&scratch);
    let whole = fs::read(&file).expect("read");
    fs::write(&file, &whole[..whole.len() - 3]).expect("written");
    let (code, said) = run("replay", &file);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("unfinished record"), "{said}");
    let (code, transcript) = run("transcript", &file);
    assert_eq!(code, 0, "{transcript}");
    assert!(transcript.contains("\ntorn: "), "{transcript}");
}

#[test]
fn damage_is_refused_with_its_place() {
    let scratch = Scratch::new();
    let file = recorded(&scratch);
    let whole = fs::read(&file).expect("read");
    let header = Reader::new(whole.clone()).expect("whole").header_bytes();
    for at in [
        header + 2,
        header + 30,
        header + (whole.len() - header) / 2,
        whole.len() - 1,
    ] {
        let mut bad = whole.clone();
        bad[at] ^= 4;
        fs::write(&file, bad).expect("written");
        for command in ["replay", "transcript"] {
            let (code, said) = run(command, &file);
            assert_eq!(code, 1, "{said}");
            assert!(said.contains("damaged at byte "), "byte {at}: {said}");
        }
    }
    fs::write(&file, "print('hello')").expect("written");
    let (code, said) = run("replay", &file);
    assert_eq!(code, 1);
    assert!(said.contains("not a recording"), "{said}");
    let (code, _) = run("replay", &scratch.path("nothing-here.lnt"));
    assert_eq!(code, 1);
}
