//! What is there again after `kill -9`.

use std::fs;
use std::path::PathBuf;
use std::rc::Rc;

use lunette::journal::{RealDisk, Rules, Store};
use serde_json::json;

use super::page::Page;
use crate::net::process::{Folder, Server, read_answer, status};
use crate::net::websocket::new_session;
use std::io::Write;

pub const MAIN: &str = r#"
local App = session:prototype("App", { count = 0, text = "", fired = 0, log = EMPTY })
function App:add() self.count = self.count + 1 end
function App:later() session:setTimeout(function() self.fired = self.fired + 1 end, 50) end
function App:whoami() return math.random(1000000) .. " " .. tostring({}) .. " " .. os.time() end
session:createAppVariable(session:create(App))
"#;
pub const CREATE: &str = r#"[{"type":"watch","data":{"varId":1}},
    {"type":"create","data":{"id":2,"parentId":1,"properties":{"path":"count"}}},
    {"type":"create","data":{"id":3,"parentId":1,"properties":{"path":"add()","access":"action"}}},
    {"type":"create","data":{"id":4,"parentId":1,"properties":{"path":"text"}}},
    {"type":"create","data":{"id":5,"parentId":1,"properties":{"path":"later()","access":"action"}}},
    {"type":"create","data":{"id":6,"parentId":1,"properties":{"path":"fired"}}}]"#;
pub const ADD: &str =
    r#"{"userEvent":true,"messages":[{"type":"update","data":{"varId":3,"value":null}}]}"#;

pub fn type_text(text: &str) -> String {
    json!({"userEvent": true, "messages": [{"type": "update", "data": {"varId": 4, "value": text}}]})
        .to_string()
}

/// A site, a state directory, and a server on them that can be killed.
pub struct Place {
    pub folder: Folder,
    pub server: Option<Server>,
    flags: Vec<&'static str>,
}

impl Place {
    pub fn new(main: &str, flags: &[&'static str]) -> Place {
        let folder = Folder::new();
        folder.write("site/lua/main.lua", main);
        let mut place = Place {
            folder,
            server: None,
            flags: flags.to_vec(),
        };
        place.start();
        place
    }

    pub fn start(&mut self) -> &Server {
        let state = self.folder.0.join("state").display().to_string();
        let mut flags = vec!["-v", "--state", &state];
        flags.extend(&self.flags);
        self.server = Some(Server::start(&self.folder.0.join("site"), &flags));
        self.server()
    }

    pub fn server(&self) -> &Server {
        self.server.as_ref().expect("it runs")
    }

    /// `kill -9`, and a new process on the same files.
    pub fn crash(&mut self) -> &Server {
        self.kill();
        self.start()
    }

    /// SIGTERM, and the end.
    pub fn stop(&mut self) {
        let mut server = self.server.take().expect("it runs");
        server.signal("TERM");
        let _ = server.child.wait();
    }

    pub fn kill(&mut self) {
        drop(self.server.take());
    }

    /// The same, and what the process left in the tail is in the journals, as whoever comes next finds it first.
    pub fn kill_and_settle(&mut self) {
        self.kill();
        let state = self.folder.0.join("state");
        Store::open(Rc::new(RealDisk), &state, Rules::default()).expect("nobody has it");
    }

    /// Where a session's checkpoint is, if it has one.
    pub fn checkpoint(&self, session: &str) -> PathBuf {
        let values = self.folder.0.join("state/values");
        values.join(format!("{session}.checkpoint"))
    }

    pub fn page(&self) -> Page {
        let server = self.server();
        Page::open(server.address, &new_session(server))
    }
}

fn open(place: &Place) -> Page {
    let mut page = place.page();
    page.act(CREATE).expect("acknowledged");
    page
}

#[test]
fn a_page_goes_on_with_the_view_it_had() {
    let mut place = Place::new(MAIN, &[]);
    let mut page = open(&place);
    page.act(ADD).expect("acknowledged");
    page.act(&type_text("half a sen")).expect("acknowledged");
    let address = place.crash().address;
    page.resume(address).expect("it is there again");
    assert_eq!(page.greeting["resumed"], true, "{}", page.greeting);
    page.act(ADD).expect("acknowledged");
    assert_eq!(page.value(2), Some(json!(2)));
    // A second time, with more behind it.
    page.act(ADD).expect("acknowledged");
    let address = place.crash().address;
    page.resume(address).expect("it is there again");
    page.act(ADD).expect("acknowledged");
    assert_eq!(page.value(2), Some(json!(4)));
    // A new tab sees the same.
    let mut other = Page::open(address, &page.session);
    other.act(CREATE).expect("acknowledged");
    assert_eq!(other.value(2), Some(json!(4)));
    assert_eq!(other.value(4), Some(json!("half a sen")));
}

#[test]
fn what_was_on_its_way_takes_effect_once() {
    let mut place = Place::new(MAIN, &[]);
    let mut page = open(&place);
    for _ in 0..20 {
        page.send(ADD).expect("sent");
    }
    page.take().expect("at least one is handled");
    let address = place.crash().address;
    page.resume(address).expect("it is there again");
    page.settle().expect("acknowledged");
    assert_eq!(page.value(2), Some(json!(20)));
}

#[test]
fn timers_that_became_due_meanwhile_fire_once() {
    let mut place = Place::new(MAIN, &[]);
    let mut page = open(&place);
    let later =
        r#"{"userEvent":true,"messages":[{"type":"update","data":{"varId":5,"value":null}}]}"#;
    page.act(later).expect("acknowledged");
    place.kill();
    std::thread::sleep(std::time::Duration::from_millis(100));
    let address = place.start().address;
    page.resume(address).expect("it is there again");
    while page.value(6) != Some(json!(1)) {
        page.take().expect("it fires");
    }
    page.act(ADD).expect("acknowledged");
    assert_eq!(page.value(6), Some(json!(1)));
}

/// The page is fetched before its WebSocket comes: the address must be known.
#[test]
fn the_address_of_a_session_is_known_again_and_new_ones_get_other_numbers() {
    let main = r#"
local App = session:prototype("App", { number = 0 })
session:createAppVariable(session:create(App, { number = session.id }))
"#;
    let create = r#"[{"type":"watch","data":{"varId":1}},
        {"type":"create","data":{"id":2,"parentId":1,"properties":{"path":"number"}}}]"#;
    let mut place = Place::new(main, &[]);
    let mut page = place.page();
    page.act(create).expect("acknowledged");
    let number = page.value(2);
    let server = place.crash();
    let mut stream = server.connect();
    let request = format!("GET /{} HTTP/1.1\r\nHost: localhost\r\n\r\n", page.session);
    stream.write_all(request.as_bytes()).expect("sent");
    assert_eq!(status(&read_answer(&mut stream)), "200");
    let mut other = Page::open(server.address, &new_session(server));
    other.act(create).expect("acknowledged");
    assert_ne!(other.value(2), number);
    page.resume(server.address).expect("it is there again");
    assert_eq!(page.greeting["resumed"], true);
}

#[test]
fn with_eager_recovery_all_sessions_are_there_before_anybody_asks() {
    let mut place = Place::new(MAIN, &["--recover", "eager"]);
    let mut page = open(&place);
    page.act(ADD).expect("acknowledged");
    let server = place.crash();
    assert!(
        server.log().contains("rebuilt 1 session"),
        "{}",
        server.log()
    );
    page.resume(server.address).expect("it is there again");
    page.act(ADD).expect("acknowledged");
    assert_eq!(page.value(2), Some(json!(2)));
}

#[test]
fn without_recovery_nothing_is_left() {
    let mut place = Place::new(MAIN, &["--recover", "none"]);
    let mut page = open(&place);
    page.act(ADD).expect("acknowledged");
    let address = place.crash().address;
    let refused = page.resume(address).expect_err("it is not known any more");
    assert!(refused.to_string().contains("404"), "{refused}");
}

#[test]
fn a_state_directory_serves_one_process_and_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new(MAIN, &[]);
    let _page = open(&place);
    let state = place.folder.0.join("state");
    let mode = |path: &std::path::Path| fs::metadata(path).expect("there").permissions().mode();
    assert_eq!(mode(&state) & 0o777, 0o700);
    let text = state.display().to_string();
    let site = place.folder.0.join("site").display().to_string();
    let second = std::process::Command::new(env!("CARGO_BIN_EXE_lunette"))
        .args(["serve", "--port", "0", "--dir", &site, "--state", &text])
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&second.stderr);
    assert_eq!(second.status.code(), Some(3), "{said}");
    assert!(said.contains(&text) && said.contains("another"), "{said}");
}

#[test]
fn what_topics_retain_is_there_for_those_who_come_later() {
    let main = r#"
local App = session:prototype("App", { heard = "nothing" })
function App:add() session:publish("sky", "clear", { retain = true }) end
local app = session:create(App)
session:subscribe("sky", function(value) app.heard = value end)
session:createAppVariable(app)
"#;
    let create = r#"[{"type":"watch","data":{"varId":1}},
        {"type":"create","data":{"id":2,"parentId":1,"properties":{"path":"heard"}}},
        {"type":"create","data":{"id":3,"parentId":1,"properties":{"path":"add()","access":"action"}}}]"#;
    let mut place = Place::new(main, &[]);
    let mut page = place.page();
    page.act(create).expect("acknowledged");
    page.act(ADD).expect("acknowledged");
    let mut before = place.page();
    before.act(create).expect("acknowledged");
    while before.value(2) != Some(json!("clear")) {
        before.take().expect("it is told");
    }
    place.crash();
    let mut after = place.page();
    after.act(create).expect("acknowledged");
    while after.value(2) != Some(json!("clear")) {
        after.take().expect("it is told");
    }
}
