//! Topics over real sockets: sessions that answer each other for ever hurt nobody else.

use serde_json::{Value, json};

use super::process::{Folder, Server};
use crate::bench_client::{Socket, new_session};

const MAIN: &str = "
local app = { n = 0 }
function app:add() self.n = self.n + 1 end
function app:start()
  session:subscribe('t', function(n) session:publish('t', n + 1) end)
  session:publish('t', 1)
end
session:createAppVariable(app)
";
const COUNT: i64 = 2;
const ADD: i64 = 3;
const START: i64 = 4;

fn open(server: &Server) -> Socket {
    let session = new_session(server.address).expect("a session");
    let mut socket = Socket::attach(server.address, &session).expect("the socket opens");
    let create = |id: i64, path: &str, access: &str| {
        json!({"type": "create", "data": {"id": id, "parentId": 1,
            "properties": {"path": path, "access": access}}})
    };
    let open = json!([
        {"type": "watch", "data": {"varId": 1}},
        create(COUNT, "n", "r"),
        create(ADD, "add()", "action"),
        create(START, "start()", "action"),
    ]);
    socket.send(&open.to_string()).expect("sent");
    socket.receive().expect("an answer");
    socket
}

fn call(socket: &mut Socket, id: i64) {
    let call = json!({"userEvent": true,
        "messages": [{"type": "update", "data": {"varId": id, "value": null}}]});
    socket.send(&call.to_string()).expect("sent");
}

#[test]
fn sessions_that_answer_each_other_for_ever_hurt_nobody() {
    let folder = Folder::new();
    folder.write("lua/main.lua", MAIN);
    let server = Server::start(&folder.0, &[]);
    // Each message makes five: without bounds there would be no end of them at once.
    let mut talkers: Vec<Socket> = (0..5).map(|_| open(&server)).collect();
    talkers.iter_mut().for_each(|socket| call(socket, START));
    let mut neighbour = open(&server);
    for expected in 1..=100 {
        call(&mut neighbour, ADD);
        let frame: Value =
            serde_json::from_str(neighbour.receive().expect("an answer")).expect("JSON");
        assert_eq!(frame["data"]["value"], expected, "{frame}");
    }
    let log = server.log();
    assert!(log.contains("are dropped for session"), "{log}");
    assert!(
        log.lines().count() < 100,
        "told once, not each time:\n{log}"
    );
}
