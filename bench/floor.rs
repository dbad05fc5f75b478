//! The floor: the least that any server of this kind must do, to hold the real one against. mio and tungstenite
//! on the socket itself, one Lua state a WebSocket, one bare Lua call a message, a constant answer. No sessions,
//! no variables, no detection, no limits. It answers the same requests as the server, so that one client
//! drives both.

use std::io::{ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use mlua::{Function, Lua, LuaOptions, StdLib};
// The C code of Lua is built with hooks that live in the crate.
use lunette as _;
use slab::Slab;
use tungstenite::handshake::derive_accept_key;
use tungstenite::protocol::{Role, WebSocketConfig};
use tungstenite::{Message, WebSocket};

const LISTENER: Token = Token(usize::MAX);
/// Sessions outlive their sockets, here as in the server; at most this many.
const PARKED_MAX: usize = 4096;
const TICK: Duration = Duration::from_millis(100);
const PAGE: &str =
    "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 13\r\n\r\n<p>floor</p>\n";
const COUNTER: &str = "local count = 0\nreturn function() count = count + 1 return count end";

enum Peer {
    Http {
        stream: TcpStream,
        head: Vec<u8>,
    },
    Socket {
        socket: Box<WebSocket<TcpStream>>,
        session: Session,
    },
}

struct Session {
    increment: Function,
    _lua: Lua,
}

struct Floor {
    poll: Poll,
    peers: Slab<Peer>,
    parked: Vec<Session>,
    sessions_reserved: u64,
}

/// Serves until it is killed. `ticking`: every socket gets an update each 100 ms, unasked.
pub fn serve(ticking: bool) -> Result<(), Box<dyn std::error::Error>> {
    let mut listener = TcpListener::bind("127.0.0.1:0".parse()?)?;
    let poll = Poll::new()?;
    poll.registry()
        .register(&mut listener, LISTENER, Interest::READABLE)?;
    println!("listening on http://{}", listener.local_addr()?);
    let mut floor = Floor {
        poll,
        peers: Slab::new(),
        parked: Vec::new(),
        sessions_reserved: 0,
    };
    let mut events = Events::with_capacity(1024);
    let mut tick_at = Instant::now() + TICK;
    loop {
        let timeout = ticking.then(|| tick_at.saturating_duration_since(Instant::now()));
        match floor.poll.poll(&mut events, timeout) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            other => other?,
        }
        if ticking && Instant::now() >= tick_at {
            tick_at += TICK;
            floor.tick();
        }
        for event in &events {
            match event.token() {
                LISTENER => floor.accept(&listener),
                Token(key) => floor.ready(key),
            }
        }
    }
}

impl Floor {
    fn accept(&mut self, listener: &TcpListener) {
        while let Ok((mut stream, _)) = listener.accept() {
            let _ = stream.set_nodelay(true);
            let entry = self.peers.vacant_entry();
            let registered =
                self.poll
                    .registry()
                    .register(&mut stream, Token(entry.key()), Interest::READABLE);
            if registered.is_ok() {
                entry.insert(Peer::Http {
                    stream,
                    head: Vec::new(),
                });
            }
        }
    }

    fn ready(&mut self, key: usize) {
        let alive = match self.peers.get_mut(key) {
            Some(Peer::Http { stream, head }) => match read_head(stream, head) {
                Some(()) if head.ends_with(b"\r\n\r\n") => self.answer(key),
                Some(()) => true,
                None => false,
            },
            Some(Peer::Socket { socket, session }) => read_socket(socket, session),
            None => return,
        };
        if !alive && let Some(peer) = self.peers.try_remove(key) {
            self.forget(peer);
        }
    }

    /// Keeps the Lua state of a socket that is gone, as a server of sessions must.
    fn forget(&mut self, peer: Peer) {
        if let Peer::Socket { session, .. } = peer {
            self.parked.push(session);
            self.parked.truncate(PARKED_MAX);
        }
    }

    fn answer(&mut self, key: usize) -> bool {
        let Some(Peer::Http { stream, head }) = self.peers.get_mut(key) else {
            return false;
        };
        let mut fields = [httparse::EMPTY_HEADER; 32];
        let mut request = httparse::Request::new(&mut fields);
        if request.parse(head).is_err() {
            return false;
        }
        let path = request.path.unwrap_or("/");
        if path == "/" {
            self.sessions_reserved += 1;
            let redirect = format!(
                "HTTP/1.1 307 Temporary Redirect\r\nLocation: /{:032x}\r\nContent-Length: 0\r\n\r\n",
                self.sessions_reserved
            );
            head.clear();
            return stream.write_all(redirect.as_bytes()).is_ok();
        }
        if !path.starts_with("/ws/") {
            head.clear();
            return stream.write_all(PAGE.as_bytes()).is_ok();
        }
        let wanted = request
            .headers
            .iter()
            .find(|field| field.name.eq_ignore_ascii_case("sec-websocket-key"));
        let accept = derive_accept_key(wanted.map_or(b"".as_slice(), |field| field.value));
        let head = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {accept}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).is_ok() && self.attach(key)
    }

    fn attach(&mut self, key: usize) -> bool {
        let Some(Peer::Http { stream, .. }) = self.peers.try_remove(key) else {
            return false;
        };
        let config = WebSocketConfig::default()
            .read_buffer_size(1024)
            .write_buffer_size(0);
        let socket = Box::new(WebSocket::from_raw_socket(
            stream,
            Role::Server,
            Some(config),
        ));
        let Ok(session) = Session::new() else {
            return false;
        };
        // The slab hands out the key that was freed last, so the token stays right.
        self.peers.insert(Peer::Socket { socket, session }) == key
    }

    fn tick(&mut self) {
        for (_, peer) in &mut self.peers {
            if let Peer::Socket { socket, session } = peer {
                session.update(socket);
            }
        }
    }
}

impl Session {
    fn new() -> mlua::Result<Session> {
        let libraries =
            StdLib::TABLE | StdLib::STRING | StdLib::MATH | StdLib::COROUTINE | StdLib::UTF8;
        let lua = Lua::new_with(libraries, LuaOptions::default())?;
        let increment = lua.load(COUNTER).eval()?;
        Ok(Session {
            increment,
            _lua: lua,
        })
    }

    /// One bare Lua call and one answer of the usual size.
    fn update(&self, socket: &mut WebSocket<TcpStream>) -> bool {
        let Ok(count) = self.increment.call::<i64>(()) else {
            return false;
        };
        let text = format!(r#"{{"type":"update","data":{{"varId":2,"value":{count}}}}}"#);
        socket.send(Message::text(text)).is_ok()
    }
}

/// `None`: the peer has gone.
fn read_head(stream: &mut TcpStream, head: &mut Vec<u8>) -> Option<()> {
    let mut chunk = [0u8; 2048];
    loop {
        match stream.read(&mut chunk) {
            Ok(0) => return None,
            Ok(count) => head.extend_from_slice(&chunk[..count]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Some(()),
            Err(_) => return None,
        }
    }
}

fn read_socket(socket: &mut WebSocket<TcpStream>, session: &Session) -> bool {
    loop {
        match socket.read() {
            Ok(Message::Text(_)) => {
                if !session.update(socket) {
                    return false;
                }
            }
            Ok(_) => {}
            Err(tungstenite::Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => {
                return true;
            }
            Err(_) => return false,
        }
    }
}
