//! A site with a lock, and people in front of it.

use std::io::Write;
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::net::process::{Folder, Server, read_answer, status};
use crate::net::websocket::{frame, receive};

const MAIN: &str = r#"
local App = session:prototype("App", { count = 0 })
function App:who()
  local user = session.user
  if not user then return "nobody" end
  return table.concat({ user.name, table.concat(user.groups, "+"), user.email or "-" }, "/")
end
function App:add() self.count = self.count + 1 end
function App:export()
  self.link = session:download("a.txt", "text/plain", function() return nil end)
end
function App:fail() error("no") end
session:createAppVariable(session:create(App))
"#;
const VIEWDEF: &str = r#"<template><p ui-value="who()"></p><input ui-value="count"><button ui-action="add()"></button>
<button ui-action="export()"></button><a ui-download="link"></a><button ui-action="fail()"></button></template>"#;

/// Shows who it is, and makes the same page again for each view.
pub const CREATE: &str = r#"[{"type":"watch","data":{"varId":1}},
    {"type":"create","data":{"id":2,"parentId":1,"properties":{"path":"who()"}}},
    {"type":"create","data":{"id":3,"parentId":1,"properties":{"path":"count"}}},
    {"type":"create","data":{"id":4,"parentId":1,"properties":{"path":"add()","access":"action"}}}]"#;
pub const ADD: &str =
    r#"{"userEvent":true,"messages":[{"type":"update","data":{"varId":4,"value":null}}]}"#;

/// What a fresh page says when it has nothing.
pub const FORM: &str = "application/x-www-form-urlencoded";

/// A site, its state and a server on both.
pub struct Place {
    pub folder: Folder,
    pub server: Option<Server>,
    flags: Vec<String>,
}

impl Place {
    /// With these settings; `ann` and `bob` have passwords in `users`.
    pub fn new(settings: &str, flags: &[&str]) -> Place {
        let folder = Folder::new();
        folder.write("lua/main.lua", MAIN);
        folder.write("viewdefs/App.DEFAULT.html", VIEWDEF);
        folder.write("lunette.toml", settings);
        let flags = flags.iter().map(|&flag| flag.to_owned()).collect();
        let mut place = Place {
            folder,
            server: None,
            flags,
        };
        for (name, password) in [("ann", "correct horse"), ("bob", "battery staple")] {
            let set = place.passwd(name, password);
            assert!(set.status.success(), "{set:?}");
        }
        place.start();
        place
    }

    /// Users with a password each, and sessions that are kept.
    pub fn of_users() -> Place {
        Place::new("[auth]\nmode = \"users\"\nusers = \"users\"\n", &["-v"])
    }

    pub fn start(&mut self) -> &Server {
        let state = self.folder.0.join("state").display().to_string();
        let mut flags: Vec<&str> = self.flags.iter().map(String::as_str).collect();
        if !flags.contains(&"--state") {
            flags.extend(["--state", &state]);
        }
        self.server = Some(Server::start(&self.folder.0, &flags));
        self.server()
    }

    pub fn server(&self) -> &Server {
        self.server.as_ref().expect("it runs")
    }

    /// `kill -9`, and a new process on the same files.
    pub fn crash(&mut self) {
        drop(self.server.take());
        self.start();
    }

    pub fn users(&self) -> PathBuf {
        self.folder.0.join("users")
    }

    /// `lunette passwd`, with a password that is piped in.
    pub fn passwd(&self, name: &str, password: &str) -> Output {
        let mut child = Command::new(env!("CARGO_BIN_EXE_lunette"))
            .arg("passwd")
            .arg(self.users())
            .arg(name)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut stdin = child.stdin.take().expect("it is piped");
        stdin.write_all(password.as_bytes()).expect("sent");
        drop(stdin);
        child.wait_with_output().expect("it ends")
    }

    pub fn stranger(&self) -> Client<'_> {
        Client {
            server: self.server(),
            fields: String::new(),
        }
    }

    pub fn login(&self, name: &str, password: &str) -> Client<'_> {
        let mut client = self.stranger();
        let answer = client.log_in(name, password, "/");
        assert_eq!(status(&answer), "303", "{answer}");
        client
    }

    pub fn ann(&self) -> Client<'_> {
        self.login("ann", "correct horse")
    }

    pub fn bob(&self) -> Client<'_> {
        self.login("bob", "battery staple")
    }
}

/// One browser, or something like one.
#[derive(Clone)]
pub struct Client<'a> {
    pub server: &'a Server,
    /// Sent with each request.
    pub fields: String,
}

impl<'a> Client<'a> {
    pub fn with(&self, fields: &str) -> Client<'a> {
        let fields = format!("{}{fields}", self.fields);
        Client {
            server: self.server,
            fields,
        }
    }

    fn ask(&self, request: &str) -> String {
        let mut stream = self.server.connect();
        stream.write_all(request.as_bytes()).expect("sent");
        read_answer(&mut stream)
    }

    /// As a browser that follows a link.
    pub fn get(&self, path: &str) -> String {
        self.get_as(path, "text/html")
    }

    pub fn get_as(&self, path: &str, accept: &str) -> String {
        let host = self.server.address;
        let fields = &self.fields;
        self.ask(&format!(
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nAccept: {accept}\r\n{fields}\r\n"
        ))
    }

    pub fn post(&self, path: &str, body: &str) -> String {
        let host = self.server.address;
        let (fields, length) = (&self.fields, body.len());
        self.ask(&format!(
            "POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: {FORM}\r\nContent-Length: {length}\r\n{fields}\r\n{body}"
        ))
    }

    /// Sends the form, and keeps the cookie that comes of it.
    pub fn log_in(&mut self, name: &str, password: &str, next: &str) -> String {
        let plus = |text: &str| text.replace(' ', "+");
        let body = format!(
            "next={next}&name={}&password={}",
            plus(name),
            plus(password)
        );
        let answer = self.post("/login", &body);
        if let Some(cookie) = cookie(&answer) {
            self.fields = format!("Cookie: other=1; lunette-login={cookie}\r\n");
        }
        answer
    }

    /// A new session's id.
    pub fn session(&self) -> String {
        let answer = self.get("/");
        let location = answer.split("Location: /").nth(1);
        location.unwrap_or_else(|| panic!("{answer}"))[..32].to_owned()
    }

    /// A WebSocket of this session, or the answer in its place.
    pub fn attach(&self, session: &str) -> Result<TcpStream, String> {
        let mut stream = self.server.connect();
        let (host, fields) = (self.server.address, &self.fields);
        let request = format!(
            "GET /ws/{session} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{fields}\r\n"
        );
        stream.write_all(request.as_bytes()).expect("sent");
        let answer = read_answer(&mut stream);
        match status(&answer) {
            "101" => Ok(stream),
            _ => Err(answer),
        }
    }

    /// What a page of this session shows of its user.
    pub fn who(&self, session: &str) -> String {
        let mut stream = self.attach(session).expect("it may");
        say(&mut stream, CREATE);
        value_of(&mut stream, 2)
    }
}

pub fn say(stream: &mut TcpStream, text: &str) {
    stream
        .write_all(&frame(0x81, text.as_bytes()))
        .expect("sent");
}

/// What a frame says.
pub fn messages(payload: &[u8]) -> Vec<Value> {
    match serde_json::from_slice(payload).expect("JSON") {
        Value::Array(messages) => messages,
        one => vec![one],
    }
}

/// The next value that is told of a variable, as JSON, or the error.
pub fn value_of(stream: &mut TcpStream, variable: u64) -> String {
    loop {
        let (first, payload) = receive(stream);
        assert_eq!(first, 0x81, "{}", String::from_utf8_lossy(&payload));
        for message in messages(&payload) {
            let data = &message["data"];
            if data["varId"] == variable && !data["description"].is_null() {
                return data["description"].to_string();
            }
            if data["varId"] == variable && !data["value"].is_null() {
                return data["value"].to_string();
            }
        }
    }
}

/// The value of the login's cookie that an answer sets.
pub fn cookie(answer: &str) -> Option<&str> {
    let value = answer.split("Set-Cookie: lunette-login=").nth(1)?;
    value.split(';').next()
}
