//! Operator: what the commands `sessions`, `get`, `update` and `eval` do to a running server.
//!
//! To get is to look: no code runs and nothing changes. To update and to evaluate are events of the session like
//! those of a page: a connection of a trusted kind joins, sends a frame and leaves, and all three are written down,
//! so that a replay does the same.

use serde::Deserialize;
use serde_json::{Value, json};

use super::Server;
use super::sessions::Sid;
use super::world::World;
use crate::core::event::Event;
use crate::core::id::{ConnectionId, SessionId};
use crate::core::peek::{Held, Key, Root};
use crate::core::script::Runtime;
use crate::journal::{BLANK, RawEvent, Secrets};
use crate::net::http::{Method, Request};
use crate::net::response::{Body, Response};
use crate::replay::named::{Known, NameError, meant};
use crate::wire;

/// Fields of one object, and objects inside each other, that are shown.
const FIELDS_MAX: usize = 10_000;
const DEPTH_MAX: usize = 16;
/// What the code's last line begins with: what it gave, or why it failed.
const GAVE: &str = "=\t";
const FAILED: &str = "!\t";

/// What came of a frame of the operator's.
#[derive(Debug, Default)]
pub struct Captured {
    frames: Vec<Vec<u8>>,
    log: Vec<String>,
}

impl Captured {
    /// A frame to the operator.
    pub fn frame(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let mut frame = Vec::new();
        write(&mut frame);
        self.frames.push(frame);
    }

    /// A line that the session logged.
    pub fn line(&mut self, text: &str) {
        self.log.push(text.to_owned());
    }

    /// The first error among the frames.
    fn error(&self) -> Option<String> {
        self.frames.iter().find_map(|frame| {
            let frame: Value = serde_json::from_slice(frame).ok()?;
            let messages = match frame {
                Value::Array(messages) => messages,
                single => vec![single],
            };
            let error = messages.iter().find(|message| message["type"] == "error")?;
            Some(error["data"]["description"].as_str()?.to_owned())
        })
    }
}

/// What a command sends.
#[derive(Debug, Deserialize)]
struct Asked {
    session: String,
    #[serde(default)]
    path: String,
    #[serde(default)]
    value: Value,
    #[serde(default)]
    code: String,
}

impl<R: Runtime + Clone, W: World> Server<R, W> {
    /// Answers a request; one that is not `trusted` may ask how the server is, and nothing else.
    pub(super) fn answer_admin(
        &mut self,
        request: &Request,
        body: &[u8],
        trusted: bool,
    ) -> Response {
        match (request.method(), request.path()) {
            (Method::Get | Method::Head, "/healthz") => {
                text("text/plain; charset=utf-8", "ok\n".into())
            }
            (Method::Get | Method::Head, "/metrics") => {
                text("text/plain; version=0.0.4", self.metrics())
            }
            (Method::Get, "/sessions") if trusted => told(Ok(self.list_sessions())),
            (Method::Put, path @ ("/get" | "/update" | "/eval")) if trusted => {
                told(self.obey(path, body))
            }
            (Method::Get | Method::Head, _) => match self.show_to_operator(request) {
                Some(response) => response,
                None => nothing_here(),
            },
            _ => nothing_here(),
        }
    }

    fn obey(&mut self, path: &str, body: &[u8]) -> Result<Value, String> {
        let asked: Asked = serde_json::from_slice(body).map_err(|error| error.to_string())?;
        let session = self.session_meant(&asked.session)?;
        match path {
            "/get" => self.get(session, &asked.path),
            "/update" => self.update(session, &asked.path, &asked.value),
            _ => self.evaluate(session, &asked.code),
        }
    }

    fn session_meant(&self, name: &str) -> Result<SessionId, String> {
        if let Some(session) = Sid::parse(name).and_then(|sid| self.sessions.live(sid)) {
            return Ok(session);
        }
        let known = self.sessions.all().into_iter();
        let mut known = known.map(|(session, sid)| Known {
            sid: sid.to_string(),
            number: Some(session.0),
        });
        let sid = meant(name, &mut known).map_err(|error| error.to_string())?;
        let session = Sid::parse(&sid).and_then(|sid| self.sessions.live(sid));
        session.ok_or_else(|| NameError::Nobody(sid).to_string())
    }

    /// Sessions, oldest first.
    fn list_sessions(&self) -> Value {
        let now = self.turn.now;
        let listed = self
            .keeper
            .as_ref()
            .map(|keeper| keeper.store.archive().sessions());
        let listed = listed.and_then(Result::ok).unwrap_or_default();
        let usage: Vec<_> = self.core.usage().collect();
        let session = |(session, sid): (SessionId, Sid)| {
            let name = sid.to_string();
            let journal = listed.iter().find(|listed| listed.sid == name);
            let header = journal.and_then(|listed| listed.header.as_ref().ok());
            let awake = usage.iter().find(|usage| usage.session == session);
            let connections = self.peers.iter().filter(|(_, peer)| {
                let frontend = peer.frontend;
                frontend.is_some_and(|(of, _)| of == session)
            });
            json!({
                "session": name,
                "number": session.0,
                "state": match awake {
                    None => "asleep",
                    Some(usage) if usage.attached => "attached",
                    Some(_) => "waiting",
                },
                "connections": connections.count(),
                "memory": awake.map_or(0, |usage| usage.memory),
                "idle_ms": awake.map(|usage| now.saturating_sub(usage.last_event)),
                "begun_ms": header.map(|header| header.started),
                "journal": journal.map(|listed| listed.bytes),
            })
        };
        self.sessions.all().into_iter().map(session).collect()
    }

    /// What is at a path of the app.
    fn get(&mut self, session: SessionId, path: &str) -> Result<Value, String> {
        self.wake(session).map_err(|lost| lost.to_string())?;
        let keys = keys(path)?;
        let value = self.look(session, &keys, &mut Vec::new());
        let value = value.ok_or_else(|| format!("the app has nothing at {path}"))?;
        let site = self.core.site();
        let secrets = Secrets::of_site(site, self.recordings.borrow().secret());
        if !secrets.are_there() {
            return Ok(value);
        }
        let names: Vec<&str> = path.split('.').filter(|name| !name.is_empty()).collect();
        if secrets.is_secret(&names, "") || names.iter().any(|name| secrets.is_name(name)) {
            return Ok(serde_json::from_str(BLANK).unwrap_or_default());
        }
        let text = value.to_string();
        let shown = secrets.value(&names, "", &text);
        serde_json::from_str(&shown).map_err(|error| error.to_string())
    }

    /// The value there as JSON; an object inside of itself, or too deep, is told by its type.
    fn look(&mut self, session: SessionId, way: &[Key], above: &mut Vec<usize>) -> Option<Value> {
        let plain = match way.split_last() {
            Some((key, before)) => {
                let parent = self.core.look_into(session)?;
                let parent = parent.object_at(Root::App, before, FIELDS_MAX)?;
                match parent.field(key)? {
                    Held::Plain(json) => Some(serde_json::from_str(json).unwrap_or(Value::Null)),
                    Held::Opaque(kind) => Some(json!({ "kind": kind })),
                    Held::Object { .. } => None,
                }
            }
            None => None,
        };
        if plain.is_some() {
            return plain;
        }
        let object = self.core.look_into(session)?;
        let object = object.object_at(Root::App, way, FIELDS_MAX)?;
        if above.contains(&object.identity) || above.len() >= DEPTH_MAX {
            return Some(json!({ "type": object.type_name, "above": true }));
        }
        above.push(object.identity);
        let is_array = object.length > 0 && object.fields.len() == object.length;
        let mut fields = serde_json::Map::new();
        let mut items = Vec::new();
        let mut way = way.to_vec();
        for (key, _) in object.fields {
            let name = match &key {
                Key::Index(index) => index.to_string(),
                Key::Name(name) | Key::Other(name) => name.to_string(),
            };
            way.push(key);
            let value = self.look(session, &way, above).unwrap_or(Value::Null);
            way.pop();
            match is_array {
                true => items.push(value),
                false => {
                    fields.insert(name, value);
                }
            }
        }
        above.pop();
        Some(match is_array {
            true => items.into(),
            false => fields.into(),
        })
    }

    /// Writes to a path of the app, or calls what it ends in, as a page would.
    fn update(&mut self, session: SessionId, path: &str, value: &Value) -> Result<Value, String> {
        let access = if path.ends_with(')') { "action" } else { "w" };
        let frame = json!({ "userEvent": true, "messages": [
            { "type": "create", "data": { "id": 2, "parentId": 1, "properties": { "path": path, "access": access } } },
            { "type": "update", "data": { "varId": 2, "value": value } },
        ] });
        let captured = self.send_trusted(session, &frame.to_string())?;
        match captured.error() {
            Some(error) => Err(error),
            None => Ok(json!({ "log": captured.log })),
        }
    }

    /// Runs code in the session: what it gives, and what it logged.
    fn evaluate(&mut self, session: SessionId, code: &str) -> Result<Value, String> {
        let frame = json!({ "userEvent": true, "messages": [
            { "type": "update", "data": { "varId": 1, "properties": { "lua": wrapped(code) } } },
        ] });
        let mut captured = self.send_trusted(session, &frame.to_string())?;
        if let Some(error) = captured.error() {
            return Err(error);
        }
        let last = captured.log.pop().unwrap_or_default();
        if let Some(gave) = last.strip_prefix(GAVE) {
            return Ok(json!({ "value": gave, "log": captured.log }));
        }
        Err(match last.strip_prefix(FAILED) {
            Some(why) => why.to_owned(),
            None if last.is_empty() => {
                "it was cut off before it ended: it takes too much gas or memory".into()
            }
            None => last,
        })
    }

    /// A connection of the operator's joins, sends this and leaves, in one turn.
    fn send_trusted(&mut self, session: SessionId, text: &str) -> Result<Captured, String> {
        if !self.recordings.borrow().takes_input(session) {
            return Err("the disk takes nothing, so that this could not be written down".into());
        }
        self.wake(session).map_err(|lost| lost.to_string())?;
        self.last_connection += 1;
        let connection = ConnectionId(self.last_connection | ConnectionId::TRUSTED);
        let joined = Event::FrontendJoined {
            session,
            connection,
        };
        self.handle(joined, &RawEvent::FrontendJoined { connection });
        self.captured = Some(Captured::default());
        let batch = wire::read_batch(text);
        let received = Event::BatchReceived {
            session,
            connection,
            batch,
        };
        self.handle(received, &RawEvent::Frame { connection, text });
        let captured = self.captured.take().unwrap_or_default();
        let left = Event::FrontendLeft {
            session,
            connection,
        };
        self.handle(left, &RawEvent::FrontendLeft { connection });
        Ok(captured)
    }
}

/// The way to a path of fields and places: `users.0.name`.
fn keys(path: &str) -> Result<Vec<Key>, String> {
    if path.is_empty() {
        return Ok(Vec::new());
    }
    let key = |name: &str| match name.parse::<u32>() {
        // Places count from 0 in paths, from 1 in Lua.
        Ok(index) => Ok(Key::Index(i64::from(index) + 1)),
        Err(_) if name.is_empty() || name.contains(['(', '@', '!']) => Err(format!(
            "{path:?} is no path of fields, such as users.0.name: to get runs no code; lunette eval does"
        )),
        Err(_) => Ok(Key::Name(name.into())),
    };
    path.split('.').map(key).collect()
}

/// Code that runs `code`, as an expression if it is one, and logs what came of it.
fn wrapped(code: &str) -> String {
    let quoted = quoted(code);
    format!(
        "local code = {quoted}\n\
         local run, why = load(\"return \" .. code, \"=eval\", \"t\", _ENV)\n\
         if not run then run, why = load(code, \"=eval\", \"t\", _ENV) end\n\
         local told = {{ false, why, n = 2 }}\n\
         if run then told = table.pack(pcall(run)) end\n\
         for i = 2, told.n do told[i] = tostring(told[i]) end\n\
         local text = table.concat(told, \"\\t\", 2, told.n)\n\
         print((told[1] and \"=\" or \"!\") .. \"\\t\" .. text)"
    )
}

/// A text as Lua has it between quotes.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => out.extend(['\\', char::from(byte)]),
            b' '..=b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("\\{byte:03}")),
        }
    }
    out.push('"');
    out
}

fn text(kind: &str, text: String) -> Response {
    let response = Response::new(200).field("Content-Type", kind);
    response
        .field("Cache-Control", "no-store")
        .body(Body::Bytes(text.into_bytes()))
}

fn nothing_here() -> Response {
    Response::error_text(404, "there is nothing at this address")
}

fn told(answer: Result<Value, String>) -> Response {
    let (status, value) = match answer {
        Ok(value) => (200, value),
        Err(error) => (409, json!({ "error": error })),
    };
    Response::new(status)
        .field("Content-Type", "application/json")
        .body(Body::Bytes(format!("{value}\n").into_bytes()))
}
