//! A server on a small host: when no more fits it says so, and those who are there go on.

use std::fs;

use crate::bench_client::{Socket, get, new_session};
use crate::net::process::{Folder, Server};

const SMALL: &str = include_str!("small.toml");
/// An app with a few hundred kilobytes, as one in use has.
const MAIN: &str = "
local App = session:prototype('App', { count = 0, rows = EMPTY })
function App:add() self.count = self.count + 1 end
local app = session:create(App, { rows = {} })
for i = 1, 3000 do app.rows[i] = { name = 'row ' .. i } end
session:createAppVariable(app)
";
const OPEN: &str = concat!(
    r#"[{"type":"watch","data":{"varId":1}},"#,
    r#"{"type":"create","data":{"id":2,"parentId":1,"properties":{"path":"count"}}},"#,
    r#"{"type":"create","data":{"id":3,"parentId":1,"properties":{"path":"add()","access":"action"}}}]"#,
);
const ADD: &str =
    r#"{"userEvent":true,"messages":[{"type":"update","data":{"varId":3,"value":null}}]}"#;
/// More than fit.
const TOO_MANY: usize = 1000;

/// Opens pages until somebody is refused: with what, and who is there.
fn fill(server: &Server) -> (String, Vec<Socket>) {
    let mut pages = Vec::new();
    while pages.len() < TOO_MANY {
        let answer = get(server.address, "/", "").expect("an answer");
        if answer.status == 503 {
            return (answer.text(), pages);
        }
        let session = new_session(server.address).expect("a session");
        let mut page = Socket::attach(server.address, &session).expect("it is let in");
        page.send(OPEN).expect("sent");
        while !page.receive().expect("a frame").contains("\"varId\":2") {}
        pages.push(page);
    }
    panic!("nobody is ever refused");
}

fn act(page: &mut Socket) {
    page.send(ADD).expect("sent");
    while !page.receive().expect("an answer").contains("\"varId\":2") {}
}

fn site(settings: &str) -> Folder {
    let folder = Folder::new();
    folder.write("lua/main.lua", MAIN);
    folder.write("viewdefs/App.DEFAULT.html", "<template><p></p></template>");
    folder.write("lunette.toml", settings);
    folder
}

#[test]
fn who_does_not_fit_is_told_and_the_others_go_on() {
    let folder = site(SMALL);
    let mut server = Server::start(&folder.0, &[]);
    let (told, mut pages) = fill(&server);
    assert!(told.contains("total_memory of [limits]"), "{told}");
    assert!(pages.len() > 20, "{}", pages.len());
    pages.iter_mut().for_each(act);
    // When somebody leaves for good there is room again; without a state directory that is when the session ends.
    assert!(server.child.try_wait().is_ok_and(|ended| ended.is_none()));
}

#[test]
fn an_address_space_that_is_used_up_ends_nobody() {
    let folder = site("");
    // Unoptimised, the program itself takes more than a small host has.
    let program = fs::metadata(env!("CARGO_BIN_EXE_lunette"))
        .expect("it is built")
        .len();
    let limit = (program >> 10) + (96 << 10);
    let mut server = Server::start_limited(&folder.0, &format!("-v {limit}"), &[]);
    let (told, mut pages) = fill(&server);
    assert!(told.contains("ulimit -v"), "{told}");
    pages.iter_mut().for_each(act);
    assert!(server.child.try_wait().is_ok_and(|ended| ended.is_none()));
}
