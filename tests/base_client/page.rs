//! One page of a base client, and the messages it sends.

use std::collections::BTreeSet;
use std::fs;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::bench_client as client;
use crate::bench_process as process;
use crate::browser::server::replay_all;
use client::Frame;
pub use client::{Socket, get};
pub use process::Server;
use serde_json::{Value, json};

/// A server whose sessions are recorded. When it is dropped they are replayed, and must come out the same.
pub struct Recorded {
    server: Option<Server>,
    recordings: PathBuf,
}

impl Deref for Recorded {
    type Target = Server;

    fn deref(&self) -> &Server {
        self.server.as_ref().expect("it runs until it is dropped")
    }
}

impl Drop for Recorded {
    fn drop(&mut self) {
        self.server = None;
        let diverged = replay_all(&self.recordings);
        let _ = fs::remove_dir_all(&self.recordings);
        if !std::thread::panicking() {
            assert!(diverged.is_empty(), "{diverged}");
        }
    }
}

pub fn serve(site: &str) -> Recorded {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let recordings = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join(format!("base-{}-{number}", std::process::id()));
    let dir = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/sites")
        .join(site);
    let mut command = Command::new(env!("CARGO_BIN_EXE_lunette"));
    command
        .args(["serve", "--port", "0", "--state", "none", "--dir"])
        .arg(dir)
        .arg("--record")
        .arg(&recordings)
        .stderr(Stdio::null());
    let server = Server::start(&mut command).expect("the server starts");
    Recorded {
        server: Some(server),
        recordings,
    }
}

/// `GET /` and the page it leads to; the session id as base clients find it, in the cookie.
pub fn browse(server: &Server) -> String {
    let redirect = get(server.address, "/", "").expect("GET / is answered");
    assert_eq!(redirect.status, 307);
    let location = redirect.session_id().expect("a session in the Location");
    let page = get(
        server.address,
        &format!("/{location}"),
        "Accept: text/html\r\n",
    )
    .expect("the page is answered");
    assert_eq!(page.status, 200);
    let cookie = page
        .header("set-cookie")
        .expect("the page sets a cookie")
        .to_owned();
    assert_eq!(
        cookie,
        format!("ui-session={location}; Path=/; SameSite=Lax")
    );
    let (_, value) = cookie.split_once('=').expect("a name and a value");
    value.split(';').next().unwrap_or_default().to_owned()
}

/// One open page.
pub struct Page {
    socket: Socket,
    /// Keys of all viewdefs that came.
    pub viewdefs: BTreeSet<String>,
}

impl Page {
    /// Attaches and watches variable 1; returns what the server said first.
    pub fn open(server: &Server, session: &str) -> (Page, Vec<Value>) {
        let socket = Socket::attach(server.address, session).expect("the socket opens");
        let mut page = Page {
            socket,
            viewdefs: BTreeSet::new(),
        };
        page.send(false, &[watch(1)]);
        let mut said = Vec::new();
        while !said.iter().any(is_value_of_app) {
            said.extend(page.frame());
        }
        (page, said)
    }

    /// A page of a fresh session of the counter site with count (2), name (3) and increment (4).
    pub fn counter(server: &Server, session: &str) -> Page {
        let (mut page, _) = Page::open(server, session);
        page.say(&[
            create(2, 1, json!({"path": "count", "access": "r", "elementId": "ui-1"})),
            create(3, 1, json!({"path": "name", "elementId": "ui-2"})),
            create(
                4,
                1,
                json!({"path": "increment()", "access": "action", "priority": "low", "elementId": "ui-3"}),
            ),
        ]);
        page
    }

    pub fn send(&mut self, user_event: bool, messages: &[Value]) {
        self.send_text(&json!({"userEvent": user_event, "messages": messages}).to_string());
    }

    pub fn send_text(&mut self, text: &str) {
        self.socket.send(text).expect("the frame is sent");
    }

    /// Sends a batch that no user caused; everything the server says to it.
    pub fn say(&mut self, messages: &[Value]) -> Vec<Value> {
        self.send(false, messages);
        self.fence()
    }

    /// Sends a batch that a user caused; the one frame that answers it.
    pub fn act(&mut self, messages: &[Value]) -> Vec<Value> {
        self.send(true, messages);
        self.frame()
    }

    /// Everything the server says until it has handled all that was sent.
    pub fn fence(&mut self) -> Vec<Value> {
        self.send(true, &[json!({"type": "get", "data": {"varIds": [1]}})]);
        let mut said: Vec<Value> = Vec::new();
        loop {
            said.extend(self.frame());
            if let Some(at) = said.iter().position(is_value_of_app) {
                said.remove(at);
                return said;
            }
        }
    }

    /// The messages of the next frame: one object, or an array of several.
    pub fn frame(&mut self) -> Vec<Value> {
        let text = self.socket.receive().expect("a frame comes");
        let messages = match serde_json::from_str(text).expect("the frame is JSON") {
            Value::Array(messages) => {
                assert!(
                    messages.len() > 1,
                    "an array holds several messages: {text}"
                );
                messages
            }
            message => vec![message],
        };
        for message in &messages {
            self.note_viewdefs(message);
        }
        messages
    }

    fn note_viewdefs(&mut self, message: &Value) {
        let Some(text) = message["data"]["properties"]["viewdefs"]
            .as_str()
            .filter(|text| !text.is_empty())
        else {
            return;
        };
        assert_eq!(
            message["data"]["varId"], 1,
            "viewdefs are a property of variable 1"
        );
        let viewdefs: serde_json::Map<String, Value> =
            serde_json::from_str(text).expect("viewdefs are JSON");
        for (key, template) in viewdefs {
            let template = template.as_str().expect("a viewdef is a string");
            assert!(
                template.trim_start().starts_with("<template"),
                "{key} is a template: {template}"
            );
            self.viewdefs.insert(key);
        }
    }

    /// Leaves, and returns when the server has noticed.
    pub fn leave(mut self) {
        self.socket
            .send_frame(0x88, &1001u16.to_be_bytes())
            .expect("the close frame is sent");
        while let Ok(Frame::Text(_)) = self.socket.receive_frame() {}
    }
}

fn is_value_of_app(message: &Value) -> bool {
    message["type"] == "update"
        && message["data"]["varId"] == 1
        && message["data"].get("value").is_some()
}

/// A create as real pages send it, with the description of the widget that nobody reads.
pub fn create(id: u64, parent: u64, properties: Value) -> Value {
    let widget = json!({
        "elementId": properties["elementId"],
        "unbindHandlers": {},
        "html": "<span></span>".repeat(100),
        "parent": {"viewdef": {"key": "App.DEFAULT", "rendered": [[], {}, null]}},
    });
    json!({"type": "create", "data": {"id": id, "parentId": parent, "properties": properties, "widget": widget}})
}

pub fn watch(id: u64) -> Value {
    json!({"type": "watch", "data": {"varId": id}})
}

pub fn unwatch(id: u64) -> Value {
    json!({"type": "unwatch", "data": {"varId": id}})
}

pub fn destroy(id: u64) -> Value {
    json!({"type": "destroy", "data": {"varId": id}})
}

pub fn write(id: u64, value: Value) -> Value {
    json!({"type": "update", "data": {"varId": id, "value": value}})
}

/// A press of the button that variable `id` stands for.
pub fn press(id: u64) -> Value {
    write(id, Value::Null)
}

/// The one error among `said`: its varId and code. It always has a description.
pub fn one_error(said: &[Value]) -> (i64, String) {
    let [error] = said else {
        panic!("one error was expected: {said:?}")
    };
    assert_eq!(error["type"], "error", "{error}");
    let data = &error["data"];
    assert!(
        data["description"]
            .as_str()
            .is_some_and(|text| !text.is_empty()),
        "{error}"
    );
    let id = data["varId"]
        .as_i64()
        .unwrap_or_else(|| panic!("an error has a varId: {error}"));
    (
        id,
        data["code"]
            .as_str()
            .unwrap_or_else(|| panic!("an error has a code: {error}"))
            .to_owned(),
    )
}

pub fn expect_error(said: &[Value], id: i64, code: &str) {
    assert_eq!(one_error(said), (id, code.to_owned()), "{said:?}");
}
