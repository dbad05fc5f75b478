//! Sessions that nobody looks at sleep, and wake as they were.

use serde_json::{Value, json};
use std::io::Write;
use std::net::TcpStream;

use super::page::Page;
use super::survives::{ADD, CREATE, MAIN, Place};
use crate::net::process::{Folder, Server};
use crate::net::websocket::{attach, frame, new_session, receive};

const LATER: &str =
    r#"{"userEvent":true,"messages":[{"type":"update","data":{"varId":5,"value":null}}]}"#;
pub const SOON: &str = "[journal]\nhibernate_after = \"50ms\"\n";

pub fn sleepy(main: &str, settings: &str) -> Place {
    let mut place = Place::new(main, &[]);
    place.kill();
    place.folder.write("site/lunette.toml", settings);
    place.start();
    place
}

/// Until the log says this so many times.
pub fn wait_for(place: &Place, said: &str, times: usize) {
    while place.server().log().matches(said).count() < times {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}

pub fn leave(mut page: Page) -> String {
    page.leave();
    page.session
}

#[test]
fn a_session_that_sleeps_wakes_as_it_was() {
    let place = sleepy(MAIN, SOON);
    let mut page = place.page();
    page.act(CREATE).expect("acknowledged");
    page.act(ADD).expect("acknowledged");
    let session = leave(page);
    wait_for(&place, "sleeps", 1);
    let mut page = Page::open(place.server().address, &session);
    page.act(CREATE).expect("acknowledged");
    page.act(ADD).expect("acknowledged");
    assert_eq!(page.value(2), Some(json!(2)));
    let log = place.server().log();
    assert!(log.contains("rebuilt from"), "{log}");
}

#[test]
fn a_timer_wakes_the_session_that_set_it() {
    let main = MAIN.replace("self.fired + 1 end, 50)", "self.fired + 1 end, 500)");
    let place = sleepy(&main, SOON);
    let mut page = place.page();
    page.act(CREATE).expect("acknowledged");
    page.act(LATER).expect("acknowledged");
    let session = leave(page);
    wait_for(&place, "sleeps", 1);
    wait_for(&place, "rebuilt from", 1);
    let mut page = Page::open(place.server().address, &session);
    page.act(CREATE).expect("acknowledged");
    assert_eq!(page.value(6), Some(json!(1)));
}

/// Connections are many and want nothing: sessions still wake, and what happens in them is written down.
#[test]
fn a_timer_wakes_its_session_while_connections_wait_for_descriptors() {
    let folder = Folder::new();
    let main = MAIN.replace("self.fired + 1 end, 50)", "self.fired + 1 end, 1500)");
    folder.write("site/lua/main.lua", &main);
    folder.write("site/lunette.toml", SOON);
    let site = folder.0.join("site");
    let state = folder.0.join("state").display().to_string();
    let flags = ["-v", "--state", &state];
    let server = Server::start_limited(&site, "-n 40", &flags);
    let session = new_session(&server);
    let mut page = Page::open(server.address, &session);
    page.act(CREATE).expect("acknowledged");
    page.act(LATER).expect("acknowledged");
    page.leave();
    let flood: Vec<TcpStream> = (0..60).map(|_| server.connect()).collect();
    let until = |said: &str| {
        while !server.log().contains(said) {
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    };
    until("cannot take more connections");
    until("rebuilt from");
    let log = server.log();
    assert!(log.contains("sleeps"), "{log}");
    assert!(!log.contains("cannot be rebuilt"), "{log}");
    drop(flood);
    drop(server);
    let server = Server::start(&site, &flags);
    let mut page = Page::open(server.address, &session);
    page.act(CREATE).expect("acknowledged");
    assert_eq!(page.value(6), Some(json!(1)));
}

#[test]
fn a_message_wakes_those_who_wait_for_it() {
    let main = r#"
local App = session:prototype("App", { count = 0 })
function App:add() session:publish("news", "x") end
local app = session:create(App)
session:subscribe("news", function() app.count = app.count + 1 end)
session:createAppVariable(app)
"#;
    let place = sleepy(main, SOON);
    let create = r#"[{"type":"watch","data":{"varId":1}},
        {"type":"create","data":{"id":2,"parentId":1,"properties":{"path":"count"}}},
        {"type":"create","data":{"id":3,"parentId":1,"properties":{"path":"add()","access":"action"}}}]"#;
    let mut first = place.page();
    first.act(create).expect("acknowledged");
    let first = leave(first);
    wait_for(&place, "session 1: sleeps", 1);
    let mut second = place.page();
    second.act(create).expect("acknowledged");
    second.act(ADD).expect("acknowledged");
    wait_for(&place, "session 1: rebuilt from", 1);
    let mut first = Page::open(place.server().address, &first);
    first.act(create).expect("acknowledged");
    assert_eq!(first.value(2), Some(json!(1)));
}

#[test]
fn those_used_longest_ago_make_room_when_memory_is_short() {
    let place = sleepy(
        MAIN,
        "[journal]\nhibernate_after = \"1h\"\nmemory = \"200K\"\n",
    );
    let server = place.server();
    let mut first = None;
    for n in 0..64 {
        let session = new_session(server);
        let mut stream = attach(server, &session);
        stream
            .write_all(&frame(0x81, CREATE.as_bytes()))
            .expect("sent");
        let (_, told) = receive(&mut stream);
        let told: Value = serde_json::from_slice(&told).expect("JSON");
        assert!(told.is_array(), "{told}");
        if n == 0 {
            stream
                .write_all(&frame(0x81, ADD.as_bytes()))
                .expect("sent");
            receive(&mut stream);
            first = Some(session);
        }
        stream
            .write_all(&frame(0x88, &1001u16.to_be_bytes()))
            .expect("sent");
        receive(&mut stream);
    }
    wait_for(&place, "session 1: sleeps", 1);
    let mut page = Page::open(server.address, &first.expect("the first"));
    page.act(CREATE).expect("acknowledged");
    assert_eq!(page.value(2), Some(json!(1)));
}
