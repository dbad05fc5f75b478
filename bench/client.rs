//! The smallest client that speaks to the server: HTTP/1.1 requests and WebSocket text frames over
//! blocking sockets, with TLS or without, shared by the load generator and the tests (through `#[path]`).
//!
//! It owns no protocol knowledge above the frame: callers send and receive JSON text. Every read has a
//! deadline, so that a server that says nothing is a failure and never a hang.

#[path = "wire.rs"]
pub mod wire;

use std::io::{self, Error, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, RawFd};

pub use wire::Wire;

/// The first reservation of a socket's inbox: a thousand idle sockets must stay cheap.
const INBOX_BYTES: usize = 2048;
/// Any mask is as good as another on loopback; a constant one keeps runs alike.
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
/// The key of RFC 6455 section 1.3.
const WEBSOCKET_KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

/// An HTTP answer, its body as it came over the wire (perhaps compressed).
#[derive(Debug)]
pub struct Response {
    pub status: u16,
    /// Names in lower case, in the order of arrival.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// Head and body together.
    pub wire_bytes: usize,
}

impl Response {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The session id that a redirect to `/{SID}` names.
    pub fn session_id(&self) -> Option<String> {
        let location = self.header("location")?;
        let path = match location.split_once("://") {
            Some((_, rest)) => &rest[rest.find('/')?..],
            None => location,
        };
        let id = path.trim_start_matches('/').split(['/', '?']).next()?;
        (!id.is_empty()).then(|| id.to_owned())
    }
}

/// One keep-alive HTTP connection.
pub struct Http {
    stream: Wire,
    address: SocketAddr,
    inbox: Vec<u8>,
}

impl Http {
    pub fn connect(address: SocketAddr) -> io::Result<Http> {
        Ok(Http::over(Wire::open(address)?, address))
    }

    /// On a connection that there is.
    pub fn over(stream: Wire, address: SocketAddr) -> Http {
        let inbox = Vec::new();
        Http {
            stream,
            address,
            inbox,
        }
    }

    /// Sends one request without a body and reads the whole answer. `headers` are complete lines, each ended
    /// with CR LF. A connection that the server has closed meanwhile is opened again.
    pub fn request(&mut self, method: &str, path: &str, headers: &str) -> io::Result<Response> {
        match self.request_once(method, path, headers) {
            Err(error) if is_gone(&error) && matches!(self.stream, Wire::Plain(_)) => {
                *self = Http::connect(self.address)?;
                self.request_once(method, path, headers)
            }
            other => other,
        }
    }

    fn request_once(&mut self, method: &str, path: &str, headers: &str) -> io::Result<Response> {
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\n{headers}\r\n",
            self.address
        );
        self.stream.write_all(head.as_bytes())?;
        let (mut response, head_bytes) = read_head(&mut self.stream, &mut self.inbox)?;
        let no_body = method == "HEAD" || matches!(response.status, 101 | 204 | 304);
        let length = if no_body {
            Some(0)
        } else {
            response
                .header("content-length")
                .map(parse_length)
                .transpose()?
        };
        match length {
            Some(length) => {
                while self.inbox.len() < length {
                    fill(&mut self.stream, &mut self.inbox)?;
                }
                response.body = self.inbox.drain(..length).collect();
            }
            None => {
                self.stream.read_to_end(&mut self.inbox)?;
                response.body = std::mem::take(&mut self.inbox);
            }
        }
        response.wire_bytes = head_bytes + response.body.len();
        Ok(response)
    }
}

/// One GET on a connection of its own.
pub fn get(address: SocketAddr, path: &str, headers: &str) -> io::Result<Response> {
    Http::connect(address)?.request("GET", path, headers)
}

/// Reserves a session: `GET /` and the id it redirects to.
pub fn new_session(address: SocketAddr) -> io::Result<String> {
    let response = get(address, "/", "")?;
    match (response.status, response.session_id()) {
        (307, Some(id)) => Ok(id),
        (status, _) => Err(Error::other(format!(
            "GET / answered {status}, not a redirect to a session"
        ))),
    }
}

/// What the server says on a WebSocket.
#[derive(Debug, PartialEq)]
pub enum Frame<'a> {
    Text(&'a str),
    /// The code is 1005 when the close frame carried none, as in RFC 6455 section 7.1.5.
    Close {
        code: u16,
        reason: &'a str,
    },
}

/// One WebSocket. Pings are answered on the way; nothing else happens behind the caller's back.
pub struct Socket {
    stream: Wire,
    inbox: Vec<u8>,
    /// Bytes of `inbox` that were handed out already.
    taken: usize,
    /// Where in `inbox` the frame is that was handed out last.
    last: (usize, usize),
    /// Reused for every frame that is sent.
    outbox: Vec<u8>,
    /// Payload bytes of text frames received so far.
    pub text_bytes: usize,
}

impl Socket {
    /// Attaches to a session. `headers` are extra complete lines (`Origin: ...\r\n`). A refusal is returned as
    /// the HTTP answer it was, inside `Ok`.
    pub fn open(
        address: SocketAddr,
        session: &str,
        headers: &str,
    ) -> io::Result<Result<Socket, Response>> {
        Socket::over(Wire::open(address)?, address, session, headers)
    }

    /// The same on a connection that there is.
    pub fn over(
        mut stream: Wire,
        address: SocketAddr,
        session: &str,
        headers: &str,
    ) -> io::Result<Result<Socket, Response>> {
        let head = format!(
            "GET /ws/{session} HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {WEBSOCKET_KEY}\r\n{headers}\r\n"
        );
        stream.write_all(head.as_bytes())?;
        let mut inbox = Vec::with_capacity(INBOX_BYTES);
        let (mut response, head_bytes) = read_head(&mut stream, &mut inbox)?;
        if response.status != 101 {
            let length = response
                .header("content-length")
                .map_or(Ok(0), parse_length)?;
            while inbox.len() < length {
                fill(&mut stream, &mut inbox)?;
            }
            response.body = inbox;
            response.wire_bytes = head_bytes + response.body.len();
            return Ok(Err(response));
        }
        Ok(Ok(Socket {
            stream,
            inbox,
            taken: 0,
            last: (0, 0),
            outbox: Vec::new(),
            text_bytes: 0,
        }))
    }

    /// Attaches to a session of which the caller knows that it exists.
    pub fn attach(address: SocketAddr, session: &str) -> io::Result<Socket> {
        Socket::open(address, session, "")?.map_err(|response| {
            Error::other(format!("the WebSocket was refused: {}", response.status))
        })
    }

    pub fn send(&mut self, text: &str) -> io::Result<()> {
        self.send_frame(0x81, text.as_bytes())
    }

    /// The next text frame; a close or the end of the stream is an error.
    pub fn receive(&mut self) -> io::Result<&str> {
        match self.receive_frame()? {
            Frame::Text(text) => Ok(text),
            Frame::Close { code, reason } => Err(Error::other(format!(
                "closed by the server: {code} {reason}"
            ))),
        }
    }

    /// The text frame that was received last, as long as nothing else was.
    #[allow(dead_code, reason = "the load generator asks, the tests do not")]
    pub fn last_text(&self) -> &str {
        let (start, end) = self.last;
        std::str::from_utf8(&self.inbox[start..end]).unwrap_or("")
    }

    /// The next text or close frame, waiting for it.
    pub fn receive_frame(&mut self) -> io::Result<Frame<'_>> {
        loop {
            if let Some((opcode, start, end)) = self.take_frame()? {
                if let Some(frame) = self.frame_of(opcode, start, end)? {
                    self.last = (start, end);
                    return frame_at(&self.inbox, frame);
                }
                continue;
            }
            self.make_room();
            fill(&mut self.stream, &mut self.inbox)?;
        }
    }

    /// The text frames that are here already, without waiting; how many there were.
    pub fn drain(&mut self) -> io::Result<usize> {
        self.make_room();
        self.stream.tcp().set_nonblocking(true)?;
        let filled = fill(&mut self.stream, &mut self.inbox);
        self.stream.tcp().set_nonblocking(false)?;
        match filled {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(0),
            Err(error) => return Err(error),
        }
        let mut count = 0;
        while let Some((opcode, start, end)) = self.take_frame()? {
            match self.frame_of(opcode, start, end)? {
                Some((1, ..)) => count += 1,
                Some(_) => return Err(Error::other("closed by the server")),
                None => {}
            }
        }
        Ok(count)
    }

    /// Leaves as a browser does: a close frame, then the end of the stream.
    pub fn close(mut self) -> io::Result<()> {
        self.send_frame(0x88, &1001u16.to_be_bytes())
    }

    /// Sends bytes as they are, for frames that no honest client makes.
    pub fn send_raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// One masked frame; `first` is the byte of FIN bit and opcode.
    pub fn send_frame(&mut self, first: u8, payload: &[u8]) -> io::Result<()> {
        self.outbox.clear();
        self.outbox.push(first);
        match payload.len() {
            length @ 0..=125 => self.outbox.push(0x80 | length as u8),
            length @ 126..=0xffff => {
                self.outbox.push(0x80 | 126);
                self.outbox
                    .extend_from_slice(&(length as u16).to_be_bytes());
            }
            length => {
                self.outbox.push(0x80 | 127);
                self.outbox
                    .extend_from_slice(&(length as u64).to_be_bytes());
            }
        }
        self.outbox.extend_from_slice(&MASK);
        self.outbox.extend(
            payload
                .iter()
                .zip(MASK.iter().cycle())
                .map(|(byte, mask)| byte ^ mask),
        );
        self.stream.write_all(&self.outbox)
    }

    /// The next whole frame of the inbox: opcode and where its payload lies.
    fn take_frame(&mut self) -> io::Result<Option<(u8, usize, usize)>> {
        let bytes = &self.inbox[self.taken..];
        let [first, second, rest @ ..] = bytes else {
            return Ok(None);
        };
        if second & 0x80 != 0 {
            return Err(Error::other("the server masked a frame"));
        }
        let (length, header) = match (second, rest) {
            (126, [a, b, ..]) => (u64::from(u16::from_be_bytes([*a, *b])), 4),
            (127, [a, b, c, d, e, f, g, h, ..]) => {
                (u64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h]), 10)
            }
            (126 | 127, _) => return Ok(None),
            (length, _) => (u64::from(*length), 2),
        };
        let length = usize::try_from(length).map_err(Error::other)?;
        if bytes.len() < header + length {
            return Ok(None);
        }
        if first & 0x80 == 0 {
            return Err(Error::other(
                "the server sent a fragment, which this client does not join",
            ));
        }
        let start = self.taken + header;
        self.taken = start + length;
        Ok(Some((first & 0x0f, start, self.taken)))
    }

    /// Answers a ping; says where a frame for the caller lies.
    fn frame_of(
        &mut self,
        opcode: u8,
        start: usize,
        end: usize,
    ) -> io::Result<Option<(u8, usize, usize)>> {
        match opcode {
            1 => {
                self.text_bytes += end - start;
                Ok(Some((opcode, start, end)))
            }
            8 => Ok(Some((opcode, start, end))),
            9 => {
                let payload = self.inbox[start..end].to_vec();
                self.send_frame(0x8a, &payload)?;
                Ok(None)
            }
            10 => Ok(None),
            other => Err(Error::other(format!("the server sent opcode {other}"))),
        }
    }

    fn make_room(&mut self) {
        self.inbox.drain(..self.taken);
        self.taken = 0;
    }
}

impl AsRawFd for Socket {
    fn as_raw_fd(&self) -> RawFd {
        self.stream.tcp().as_raw_fd()
    }
}

fn frame_at(inbox: &[u8], (opcode, start, end): (u8, usize, usize)) -> io::Result<Frame<'_>> {
    let payload = &inbox[start..end];
    if opcode == 1 {
        return std::str::from_utf8(payload)
            .map(Frame::Text)
            .map_err(Error::other);
    }
    match payload {
        [high, low, reason @ ..] => Ok(Frame::Close {
            code: u16::from_be_bytes([*high, *low]),
            reason: std::str::from_utf8(reason).map_err(Error::other)?,
        }),
        _ => Ok(Frame::Close {
            code: 1005,
            reason: "",
        }),
    }
}

/// Reads up to the blank line; what follows it stays in `inbox`.
fn read_head(stream: &mut Wire, inbox: &mut Vec<u8>) -> io::Result<(Response, usize)> {
    let end = loop {
        if let Some(at) = inbox.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        fill(stream, inbox)?;
    };
    let head = String::from_utf8_lossy(&inbox[..end]).into_owned();
    inbox.drain(..end);
    let mut lines = head.lines();
    let status = lines
        .next()
        .and_then(|line| line.split(' ').nth(1))
        .and_then(|code| code.parse().ok());
    let status = status.ok_or_else(|| Error::other(format!("not an HTTP answer: {head:?}")))?;
    let headers = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    Ok((
        Response {
            status,
            headers,
            body: Vec::new(),
            wire_bytes: end,
        },
        end,
    ))
}

/// One read, appended to `inbox`; the end of the stream is an error.
fn fill(stream: &mut Wire, inbox: &mut Vec<u8>) -> io::Result<()> {
    let mut chunk = [0u8; 16 * 1024];
    let count = stream.read(&mut chunk)?;
    if count == 0 {
        return Err(Error::new(
            ErrorKind::UnexpectedEof,
            "the server closed the connection",
        ));
    }
    inbox.extend_from_slice(&chunk[..count]);
    Ok(())
}

fn is_gone(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::UnexpectedEof | ErrorKind::BrokenPipe | ErrorKind::ConnectionReset
    )
}

fn parse_length(value: &str) -> io::Result<usize> {
    value.parse().map_err(Error::other)
}
