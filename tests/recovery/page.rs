//! A page over a link that comes back whenever its connection is lost, as the browser's client does.

use std::io::{self, Error, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

use crate::net::process::read_answer;
use crate::net::websocket::{frame, try_receive};

/// Longer than anything takes: silence is a failure and never a hang.
const SILENCE: Duration = Duration::from_secs(30);

pub struct Page {
    pub address: SocketAddr,
    pub session: String,
    pub greeting: Value,
    stream: Option<TcpStream>,
    /// The last of the server's frames that it has, and the check of all.
    received: u64,
    check: u32,
    /// Frames of its own that are not acknowledged, with their numbers.
    kept: Vec<(u64, String)>,
    sent: u64,
    /// The last of its own that took effect.
    pub acked: u64,
    /// What the server said, oldest first.
    pub frames: Vec<String>,
}

impl Page {
    /// A page of this session with a view of its own.
    pub fn open(address: SocketAddr, session: &str) -> Page {
        let mut page = Page {
            address,
            session: session.into(),
            greeting: Value::Null,
            stream: None,
            received: 0,
            check: 0,
            kept: Vec::new(),
            sent: 0,
            acked: 0,
            frames: Vec::new(),
        };
        page.connect("").expect("a connection");
        assert_eq!(page.greeting["resumed"], false);
        page
    }

    fn connect(&mut self, query: &str) -> io::Result<()> {
        let mut stream = TcpStream::connect(self.address)?;
        stream.set_read_timeout(Some(SILENCE))?;
        let request = format!(
            "GET /ws/{}?{query} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             Sec-WebSocket-Protocol: lunette.1\r\n\r\n",
            self.session
        );
        stream.write_all(request.as_bytes())?;
        let head = read_answer(&mut stream);
        if !head.starts_with("HTTP/1.1 101 ") {
            return Err(Error::other(head));
        }
        self.stream = Some(stream);
        let greeting = self.text()?;
        self.greeting = serde_json::from_str(&greeting)?;
        Ok(())
    }

    /// Comes back for its view, wherever the server listens now, and sends again what did not take effect.
    pub fn resume(&mut self, address: SocketAddr) -> io::Result<()> {
        self.address = address;
        let query = format!(
            "view={}&received={}&check={}",
            self.greeting["view"], self.received, self.check
        );
        self.connect(&query)?;
        if self.greeting["resumed"] != true {
            return Ok(());
        }
        let handled = self.greeting["handled"].as_u64().expect("a number");
        for (number, frame) in self.kept.clone() {
            if number > handled {
                self.write(&format!("{number} {} {frame}", self.received))?;
            }
        }
        Ok(())
    }

    /// The view is lost: it begins a new one, with nothing of its own on its way.
    pub fn begin_again(&mut self, create: &str) {
        (self.received, self.check) = (0, 0);
        (self.sent, self.acked) = (0, 0);
        self.kept.clear();
        self.act(create).expect("acknowledged");
    }

    /// The page is left for good.
    pub fn leave(&mut self) {
        let stream = self.stream.as_mut().expect("a connection");
        let left = frame(0x88, &1001u16.to_be_bytes());
        stream.write_all(&left).expect("sent");
        // The answer says that the view is over.
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
    }

    /// Sends a frame without waiting for anything.
    pub fn send(&mut self, frame: &str) -> io::Result<()> {
        self.sent += 1;
        self.kept.push((self.sent, frame.into()));
        self.write(&format!("{} {} {frame}", self.sent, self.received))
    }

    /// Sends a frame and waits until it is acknowledged.
    pub fn act(&mut self, frame: &str) -> io::Result<()> {
        self.send(frame)?;
        self.settle()
    }

    /// Waits until all that it sent is acknowledged: then it has been told of all that came of it, too.
    pub fn settle(&mut self) -> io::Result<()> {
        while self.acked < self.sent {
            self.take()?;
        }
        Ok(())
    }

    /// One text of the server's.
    pub fn take(&mut self) -> io::Result<()> {
        let text = self.text()?;
        let mut parts = text.splitn(3, ' ');
        let mut number = || parts.next().and_then(|part| part.parse::<u64>().ok());
        let (Some(number), Some(ack)) = (number(), number()) else {
            return Err(Error::other(text));
        };
        if number > 0 {
            let frame = parts.next().unwrap_or_default();
            assert_eq!(number, self.received + 1, "each frame once, in order");
            self.received = number;
            self.check = crc32c::crc32c_append(self.check, frame.as_bytes());
            self.frames.push(frame.into());
        }
        self.take_ack(ack);
        Ok(())
    }

    fn take_ack(&mut self, ack: u64) {
        assert!(ack >= self.acked, "what was acknowledged stays so");
        self.acked = ack;
        self.kept.retain(|(number, _)| *number > ack);
    }

    /// The last value that the server told of this variable.
    pub fn value(&self, var: i64) -> Option<Value> {
        let told = |frame: &String| {
            let batch: Value = serde_json::from_str(frame).expect("JSON");
            let messages = match batch {
                Value::Array(messages) => messages,
                message => vec![message],
            };
            let of = |m: &&Value| m["type"] == "update" && m["data"]["varId"] == var;
            let last = messages.iter().rev().find(of)?;
            last["data"].get("value").cloned()
        };
        self.frames.iter().rev().find_map(told)
    }

    fn write(&mut self, text: &str) -> io::Result<()> {
        let stream = self.stream.as_mut().ok_or(io::ErrorKind::NotConnected)?;
        stream.write_all(&frame(0x81, text.as_bytes()))
    }

    fn text(&mut self) -> io::Result<String> {
        let stream = self.stream.as_mut().ok_or(io::ErrorKind::NotConnected)?;
        let (first, payload) = try_receive(stream)?;
        match first {
            0x81 => Ok(String::from_utf8_lossy(&payload).into_owned()),
            other => Err(Error::other(format!("a frame of kind {other:#x}"))),
        }
    }
}
