//! Links over real sockets: a view goes on over another connection, each frame takes effect once, and what cannot
//! go on is told how far it had got.

use std::io::Write;
use std::net::{Shutdown, TcpStream};

use serde_json::{Value, json};

use super::process::{Folder, Server, read_answer};
use super::websocket::{close_code, frame, new_session, receive};

const MAIN: &str = r#"
local App = session:prototype("App", { count = 0, text = "" })
function App:add() self.count = self.count + 1 end
session:createAppVariable(session:create(App))
"#;
const CREATE: &str = r#"[{"type":"watch","data":{"varId":1}},
    {"type":"create","data":{"id":2,"parentId":1,"properties":{"path":"count"}}},
    {"type":"create","data":{"id":3,"parentId":1,"properties":{"path":"add()","access":"action"}}},
    {"type":"create","data":{"id":4,"parentId":1,"properties":{"path":"text"}}}]"#;
const ADD: &str =
    r#"{"userEvent":true,"messages":[{"type":"update","data":{"varId":3,"value":null}}]}"#;

fn serve(settings: &str) -> (Folder, Server) {
    let folder = Folder::new();
    folder.write("lua/main.lua", MAIN);
    folder.write("lunette.toml", settings);
    let server = Server::start(&folder.0, &[]);
    (folder, server)
}

/// A connection with a link, and the greeting.
struct Linked {
    stream: TcpStream,
    greeting: Value,
    check: u32,
}

impl Linked {
    fn open(server: &Server, session: &str, query: &str) -> Linked {
        let mut stream = server.connect();
        let host = server.address;
        let request = format!(
            "GET /ws/{session}?{query} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             Sec-WebSocket-Protocol: other, lunette.1\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).expect("sent");
        let head = read_answer(&mut stream);
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        assert!(
            head.contains("\r\nSec-WebSocket-Protocol: lunette.1\r\n"),
            "{head}"
        );
        let (_, greeting) = receive(&mut stream);
        let greeting = serde_json::from_slice(&greeting).expect("a greeting");
        Linked {
            stream,
            greeting,
            check: 0,
        }
    }

    /// A new view with its variables made.
    fn new(server: &Server, session: &str) -> Linked {
        let mut linked = Linked::open(server, session, "");
        assert_eq!(linked.greeting["resumed"], false);
        assert_eq!(linked.greeting["handled"], Value::Null);
        linked.send(&format!("1 0 {CREATE}"));
        linked.frame(1, 1);
        linked
    }

    fn send(&mut self, text: &str) {
        self.stream
            .write_all(&frame(0x81, text.as_bytes()))
            .expect("sent");
    }

    fn text(&mut self) -> String {
        let (first, payload) = receive(&mut self.stream);
        let text = String::from_utf8(payload).expect("UTF-8");
        assert_eq!(first, 0x81, "{text}");
        text
    }

    /// The next text is this frame with this acknowledgement. Returns the frame.
    fn frame(&mut self, number: u64, ack: u64) -> String {
        let text = self.text();
        let frame = text
            .strip_prefix(&format!("{number} {ack} "))
            .unwrap_or_else(|| panic!("frame {number} with {ack} was expected: {text}"));
        self.check = crc32c::crc32c_append(self.check, frame.as_bytes());
        frame.to_owned()
    }

    /// The connection breaks without a word.
    fn cut(&self) {
        self.stream.shutdown(Shutdown::Both).expect("shut");
    }
}

fn count(text: &str) -> Value {
    let message: Value = serde_json::from_str(text).expect("JSON");
    message["data"]["value"].clone()
}

#[test]
fn a_view_goes_on_where_it_was_and_each_frame_takes_effect_once() {
    let (_folder, server) = serve("");
    let session = new_session(&server);
    let mut before = Linked::new(&server, &session);
    let view = before.greeting["view"].clone();
    before.send(&format!("2 1 {ADD}"));
    before.send(&format!("3 1 {ADD}"));
    assert_eq!(count(&before.frame(2, 2)), 1);
    let check = before.check;
    // The answer to the third gets lost with the connection.
    before.cut();

    let query = format!("view={view}&received=2&check={check}");
    let mut after = Linked::open(&server, &session, &query);
    let mine = [CREATE, ADD, ADD].concat();
    assert_eq!(
        after.greeting,
        json!({"view": view, "resumed": true, "handled": 3, "check": crc32c::crc32c(mine.as_bytes()),
               "server": before.greeting["server"]})
    );
    assert_eq!(count(&after.frame(3, 3)), 2);
    assert_eq!(after.text(), "0 3");
    // What was handled already is not handled again; an acknowledgement can be asked for.
    after.send(&format!("3 3 {ADD}"));
    after.send(&format!("4 3 {ADD}"));
    assert_eq!(count(&after.frame(4, 4)), 3);
    after.send("0 4 ?");
    assert_eq!(after.text(), "0 4");
}

#[test]
fn what_brings_no_answer_is_acknowledged() {
    let (_folder, server) = serve("");
    let mut page = Linked::new(&server, &new_session(&server));
    let write =
        r#"{"userEvent":true,"messages":[{"type":"update","data":{"varId":4,"value":"typed"}}]}"#;
    page.send(&format!("2 1 {write}"));
    assert_eq!(page.text(), "0 2");
    page.send("3 1 []");
    assert_eq!(page.text(), "0 3");
}

#[test]
fn a_connection_that_is_not_yet_known_to_be_lost_is_replaced() {
    let (_folder, server) = serve("");
    let session = new_session(&server);
    let mut before = Linked::new(&server, &session);
    let query = format!(
        "view={}&received=1&check={}",
        before.greeting["view"], before.check
    );
    let mut after = Linked::open(&server, &session, &query);
    assert_eq!(after.greeting["resumed"], true);
    assert_eq!(close_code(&mut before.stream), 1013);
    assert_eq!(after.text(), "0 1");
    after.send(&format!("2 1 {ADD}"));
    assert_eq!(count(&after.frame(2, 2)), 1);
}

#[test]
fn another_history_is_no_ground_to_go_on() {
    let (_folder, server) = serve("");
    let session = new_session(&server);
    let before = Linked::new(&server, &session);
    let view = before.greeting["view"].as_u64().expect("a number");
    before.cut();
    let wrong = before.check ^ 1;
    let mut after = Linked::open(
        &server,
        &session,
        &format!("view={view}&received=1&check={wrong}"),
    );
    assert_eq!(after.greeting["resumed"], false);
    assert_eq!(
        after.greeting["handled"], 1,
        "one of the old view's frames took effect"
    );
    assert_eq!(after.greeting["view"], view + 1);
    // The numbers begin anew, and so do the names of variables.
    after.send(&format!("1 0 {CREATE}"));
    after.frame(1, 1);
    // The view of before is over; what it had done is still known.
    after.cut();
    let again = Linked::open(
        &server,
        &session,
        &format!("view={view}&received=1&check={}", before.check),
    );
    assert_eq!(again.greeting["resumed"], false);
    assert_eq!(again.greeting["handled"], 1);
    // What never was, nobody knows of.
    let never = Linked::open(&server, &session, "view=77&received=1&check=0");
    assert_eq!(never.greeting["handled"], Value::Null);
}

#[test]
fn a_view_is_kept_for_as_long_as_it_is_set_and_ends_at_once_when_its_page_is_left() {
    let (_folder, server) = serve("[limits]\nresume_window = \"50ms\"\n");
    let session = new_session(&server);
    let before = Linked::new(&server, &session);
    let query = format!(
        "view={}&received=1&check={}",
        before.greeting["view"], before.check
    );
    before.cut();
    // Until the window is over it can be resumed; then, for good, it cannot.
    let mut tries = 0;
    let last = loop {
        std::thread::sleep(std::time::Duration::from_millis(200));
        let again = Linked::open(&server, &session, &query);
        tries += 1;
        if again.greeting["resumed"] == false {
            break again;
        }
        assert!(tries < 100, "the view is kept for ever");
        again.cut();
    };
    assert_eq!(last.greeting["handled"], 1);

    let (_folder, server) = serve("");
    let session = new_session(&server);
    let mut left = Linked::new(&server, &session);
    let query = format!(
        "view={}&received=1&check={}",
        left.greeting["view"], left.check
    );
    left.stream
        .write_all(&frame(0x88, &1001u16.to_be_bytes()))
        .expect("sent");
    assert_eq!(close_code(&mut left.stream), 1001);
    let again = Linked::open(&server, &session, &query);
    assert_eq!(again.greeting["resumed"], false);
}

#[test]
fn more_than_is_kept_is_told_as_the_present_state() {
    let (_folder, server) = serve("[limits]\nresume_bytes = 1000\n");
    let session = new_session(&server);
    let mut before = Linked::new(&server, &session);
    let mut neighbour = Linked::open(&server, &session, "");
    neighbour.send(&format!("1 0 {CREATE}"));
    neighbour.frame(1, 1);
    let query = format!(
        "view={}&received=1&check={}",
        before.greeting["view"], before.check
    );
    before.send("0 1");
    before.cut();
    for n in 2..60 {
        neighbour.send(&format!("{n} {} {ADD}", n - 1));
        assert_eq!(count(&neighbour.frame(n, n)), n - 1);
    }
    let mut after = Linked::open(&server, &session, &query);
    assert_eq!(after.greeting["resumed"], false);
    assert_eq!(after.greeting["handled"], 1);
    after.send(&format!("1 0 {CREATE}"));
    assert!(after.frame(1, 1).contains("58"));
}

#[test]
fn what_no_link_can_say_closes_the_connection_and_leaves_the_view() {
    let (_folder, server) = serve("");
    let session = new_session(&server);
    let mut page = Linked::new(&server, &session);
    for nonsense in [
        format!("3 1 {ADD}"),
        format!("2 9 {ADD}"),
        ADD.to_owned(),
        String::new(),
        "0 1 x".into(),
        "2 1".into(),
    ] {
        page.send(&nonsense);
        assert_eq!(close_code(&mut page.stream), 1002, "{nonsense:?}");
        let query = format!(
            "view={}&received=1&check={}",
            page.greeting["view"], page.check
        );
        let check = page.check;
        page = Linked::open(&server, &session, &query);
        page.check = check;
        assert_eq!(page.greeting["resumed"], true, "{nonsense:?}");
        assert_eq!(page.text(), "0 1");
    }
    page.send(&format!("2 1 {ADD}"));
    assert_eq!(count(&page.frame(2, 2)), 1);
}

/// Pages of the base protocol see nothing of links, and a lost connection ends their view.
#[test]
fn who_does_not_ask_for_a_link_has_none() {
    let (_folder, server) = serve("");
    let session = new_session(&server);
    let mut page = super::websocket::attach(&server, &session);
    page.write_all(&frame(0x81, CREATE.as_bytes()))
        .expect("sent");
    let (_, first) = receive(&mut page);
    assert!(first.starts_with(b"[{\"type\":\"update\""), "{first:?}");
}

/// Dropped without a word, again and again: as many views are kept as a user has tabs, and no more.
#[test]
fn views_that_are_dropped_are_kept_in_a_bounded_number() {
    let (_folder, server) = serve("");
    let session = new_session(&server);
    let mut dropped = Vec::new();
    for _ in 0..60 {
        let page = Linked::new(&server, &session);
        page.cut();
        dropped.push((page.greeting["view"].clone(), page.check));
    }
    let mut kept = 0;
    let mut open = Vec::new();
    for (view, check) in dropped.iter().rev() {
        let query = format!("view={view}&received=1&check={check}");
        let page = Linked::open(&server, &session, &query);
        kept += usize::from(page.greeting["resumed"] == true);
        open.push(page);
    }
    // One may just have been cut without the server having seen it.
    assert!((16..=18).contains(&kept), "{kept} views were kept");
}
