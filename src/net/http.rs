//! Request heads: strict reading of what a peer sent.
//!
//! httparse splits the head into lines and names; everything it tolerates and RFC 9112 or caution
//! forbids is refused here, before and after. A refusal depends only on the bytes, never on the
//! portions they came in.

use std::net::IpAddr;
use std::ops::Range;

use super::limits::{HEADERS_MAX, NetLimits};

/// Why a request gets no answer but an error. Anything from 400 up closes the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{status}: {reason}")]
pub struct Refusal {
    /// The HTTP status code.
    pub status: u16,
    /// One line for the peer and the log.
    pub reason: &'static str,
}

/// The methods that are served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    Get,
    Head,
    /// For the addresses of uploads, and for the Record button, only.
    Put,
    /// For the forms to log in and out only.
    Post,
}

/// The head of a request. Only PUT and POST have a body, whose length they say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The head's bytes; the ranges point into it. Heads are far below 4 GiB.
    head: Box<[u8]>,
    method: Method,
    http_1_0: bool,
    path: Range<u32>,
    query: Option<Range<u32>>,
    headers: Vec<(Range<u32>, Range<u32>)>,
    body_bytes: u64,
    /// Set by whoever knows.
    pub passage: Passage,
}

/// How a request came, which is not known from its head alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Passage {
    /// Where the browser is, if it came over a network.
    pub from: Option<IpAddr>,
    /// The browser sent it over TLS.
    pub is_secure: bool,
}

/// Reads the request head at the start of `input`, as long as `limits` allow. `None`: more
/// bytes are needed. Else the request and how many bytes it took.
///
/// # Errors
/// When the head can never become an acceptable one.
pub fn parse_head(input: &[u8], limits: &NetLimits) -> Result<Option<(Request, usize)>, Refusal> {
    let window = &input[..input.len().min(limits.head_bytes)];
    let Some((line, len)) = scan_lines(window, limits)? else {
        if input.len() >= limits.head_bytes {
            return Err(refuse(431, "the request head is too long"));
        }
        return Ok(None);
    };
    let head = &input[..len];
    // Lines were counted: all fields have room.
    let mut table = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut parsed = httparse::Request::new(&mut table);
    match parsed.parse(head) {
        Ok(httparse::Status::Complete(n)) if n == len => {}
        Err(httparse::Error::TooManyHeaders) => return Err(TOO_MANY_HEADERS),
        Ok(_) | Err(_) => return Err(refuse(400, "the request head is malformed")),
    }
    let base = head.as_ptr() as usize;
    let range = |part: &[u8]| {
        let start = part.as_ptr() as usize - base;
        start as u32..(start + part.len()) as u32
    };
    let headers: Vec<_> = parsed
        .headers
        .iter()
        .map(|h| (range(h.name.as_bytes()), range(h.value)))
        .collect();
    let mut request = Request {
        head: head.into(),
        method: line.method,
        http_1_0: line.http_1_0,
        path: line.path,
        query: line.query,
        headers,
        body_bytes: 0,
        passage: Passage::default(),
    };
    request.body_bytes = request.check_framing()?;
    request.check_host()?;
    Ok(Some((request, len)))
}

const fn refuse(status: u16, reason: &'static str) -> Refusal {
    Refusal { status, reason }
}

const TOO_MANY_HEADERS: Refusal = refuse(431, "too many header fields");

/// Walks the lines up to the blank one, checking bytes in the order they came. Returns the request
/// line and the length of the head with its blank line.
fn scan_lines(window: &[u8], limits: &NetLimits) -> Result<Option<(RequestLine, usize)>, Refusal> {
    let mut first: Option<RequestLine> = None;
    let mut lines = 0;
    let mut at = 0;
    loop {
        let rest = &window[at..];
        let end = rest.iter().position(|&b| matches!(b, b'\r' | b'\n' | 0));
        let Some(end) = end else { return Ok(None) };
        match (rest[end], rest.get(end + 1)) {
            (0, _) => return Err(refuse(400, "NUL in the request head")),
            (b'\n', _) => return Err(refuse(400, "a line ends without carriage return")),
            (_, None) => return Ok(None),
            (_, Some(b'\n')) => {}
            (_, Some(_)) => return Err(refuse(400, "a carriage return inside a line")),
        }
        let line = &rest[..end];
        at += end + 2;
        match (first.take(), line.first()) {
            (None, None) => return Err(refuse(400, "an empty line before the request")),
            (None, Some(_)) => first = Some(parse_request_line(line, limits.puts)?),
            (Some(request_line), None) => return Ok(Some((request_line, at))),
            (Some(_), Some(b' ' | b'\t')) => {
                return Err(refuse(400, "header fields must not be folded"));
            }
            (request_line, Some(_)) => first = request_line,
        }
        lines += 1;
        if lines > limits.headers + 1 {
            return Err(TOO_MANY_HEADERS);
        }
    }
}

struct RequestLine {
    method: Method,
    http_1_0: bool,
    path: Range<u32>,
    query: Option<Range<u32>>,
}

fn parse_request_line(line: &[u8], puts: bool) -> Result<RequestLine, Refusal> {
    let mut parts = line.split(|&b| b == b' ');
    let (method, target, version) = (parts.next(), parts.next(), parts.next());
    let (Some(method), Some(target), Some(version), None) = (method, target, version, parts.next())
    else {
        return Err(refuse(400, "the request line is not METHOD TARGET VERSION"));
    };
    let http_1_0 = match version {
        b"HTTP/1.1" => false,
        b"HTTP/1.0" => true,
        other if other.starts_with(b"HTTP/") => {
            return Err(refuse(505, "only HTTP/1.0 and HTTP/1.1 are spoken here"));
        }
        _ => return Err(refuse(400, "the request line has no HTTP version")),
    };
    let method = match method {
        b"GET" => Method::Get,
        b"HEAD" => Method::Head,
        b"PUT" if puts || is_upload(target) || is_record(target) => Method::Put,
        b"POST" if target.ends_with(b"/login") || target.ends_with(b"/logout") => Method::Post,
        b"POST" | b"PUT" | b"DELETE" | b"OPTIONS" | b"PATCH" | b"TRACE" | b"CONNECT" => {
            return Err(refuse(405, "only GET and HEAD are allowed here"));
        }
        _ => return Err(refuse(501, "unknown method")),
    };
    if target.first() != Some(&b'/') {
        return Err(refuse(400, "the request target must start with /"));
    }
    if let Some(bad) = target.iter().find(|b| !is_target_byte(**b)) {
        return Err(match bad {
            b'#' => refuse(400, "a fragment in the request target"),
            _ => refuse(
                400,
                "the request target has characters that must be encoded",
            ),
        });
    }
    let start = line.len() - version.len() - 1 - target.len();
    let end = (start + target.len()) as u32;
    let mark = target.iter().position(|&b| b == b'?').map(|i| start + i);
    Ok(RequestLine {
        method,
        http_1_0,
        path: start as u32..mark.map_or(end, |m| m as u32),
        query: mark.map(|m| m as u32 + 1..end),
    })
}

/// Where the Record button of `--dev` is pressed.
const RECORD: &[u8] = b"/_lunette/record/";

/// `/SESSION/upload/TOKEN`, below whatever path the server has behind a proxy: nothing else takes what a peer sends.
fn is_upload(target: &[u8]) -> bool {
    let hex = |part: &[u8]| {
        part.len() == 32 && part.iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    };
    let mut parts = target.rsplit(|&b| b == b'/');
    target.starts_with(b"/")
        && parts.next().is_some_and(hex)
        && parts.next() == Some(b"upload")
        && parts.next().is_some_and(hex)
}

fn is_record(target: &[u8]) -> bool {
    target.windows(RECORD.len()).any(|part| part == RECORD)
}

fn is_target_byte(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'"' | b'<' | b'>' | b'#' | b'\\')
}

impl Request {
    /// Nothing that could make two readers disagree on where this request ends, and a body only where
    /// there must be one. Returns its length.
    fn check_framing(&self) -> Result<u64, Refusal> {
        if self.header("transfer-encoding").is_some() {
            return Err(refuse(400, "Transfer-Encoding is not accepted"));
        }
        let mut lengths = self.headers_named("content-length");
        let length = lengths.next();
        if lengths.next().is_some() {
            return Err(refuse(400, "more than one Content-Length"));
        }
        let put = matches!(self.method, Method::Put | Method::Post);
        match length {
            None if put => Err(refuse(411, "what is sent needs a Content-Length")),
            None => Ok(0),
            Some(digits) if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) => {
                Err(refuse(400, "Content-Length is not a number"))
            }
            Some(digits) if digits.iter().all(|&d| d == b'0') => Ok(0),
            Some(digits) if put => {
                let length = std::str::from_utf8(digits)
                    .ok()
                    .and_then(|d| d.parse().ok());
                length.ok_or(refuse(413, "Content-Length is beyond all files"))
            }
            Some(_) => Err(refuse(400, "GET and HEAD must not have a body")),
        }
    }

    fn check_host(&self) -> Result<(), Refusal> {
        let mut hosts = self.headers_named("host");
        match (hosts.next(), hosts.next()) {
            (None, _) => Err(refuse(400, "the Host header is missing")),
            (Some(_), Some(_)) => Err(refuse(400, "more than one Host header")),
            (Some(host), None) if is_host(host) => Ok(()),
            (Some(_), None) => Err(refuse(400, "the Host header is not a host")),
        }
    }

    /// What is to be done at the address.
    pub fn method(&self) -> Method {
        self.method
    }

    /// Bytes of the body that follows.
    pub fn body_bytes(&self) -> u64 {
        self.body_bytes
    }

    /// Takes the path's beginning away, if it is `base`: what is left begins with `/`.
    pub fn strip(&mut self, base: &str) {
        let Some(rest) = self.path().strip_prefix(base) else {
            return;
        };
        match rest.as_bytes().first() {
            Some(b'/') => self.path.start += base.len() as u32,
            // The slash that every path begins with.
            None if !base.is_empty() => self.path.end = self.path.start + 1,
            None | Some(_) => {}
        }
    }

    /// The path as sent, still percent-encoded: starts with `/`, printable ASCII.
    pub fn path(&self) -> &str {
        self.text(&self.path)
    }

    /// What follows the first `?`, as sent.
    pub fn query(&self) -> Option<&str> {
        self.query.as_ref().map(|q| self.text(q))
    }

    /// The first field of this lower-case name, if it is ASCII text.
    pub fn header(&self, name: &str) -> Option<&str> {
        let value = self.headers_named(name).next()?;
        std::str::from_utf8(value).ok()
    }

    /// Name or address and port, as sent.
    pub fn host(&self) -> &str {
        self.header("host").unwrap_or_default()
    }

    /// The value of a field that holds one number and must not be there twice.
    ///
    /// # Errors
    /// When it is there and is no number.
    pub fn number(&self, name: &str) -> Result<Option<u64>, Refusal> {
        if self.headers_named(name).next().is_none() {
            return Ok(None);
        }
        let digits = self.only(name).unwrap_or_default();
        match digits.parse() {
            Ok(number) if digits.bytes().all(|b| b.is_ascii_digit()) => Ok(Some(number)),
            _ => Err(refuse(
                400,
                "a header field that must be one number is none",
            )),
        }
    }

    /// Whether the peer waits for a word before it sends the body (RFC 9110 section 10.1.1).
    ///
    /// # Errors
    /// When it expects something else.
    pub fn expects_continue(&self) -> Result<bool, Refusal> {
        let mut expectations = self.list("expect").peekable();
        let any = expectations.peek().is_some();
        match expectations.all(|e| e.eq_ignore_ascii_case("100-continue")) {
            true => Ok(any && !self.http_1_0),
            false => Err(refuse(417, "only 100-continue can be expected here")),
        }
    }

    /// The page that caused the request, as far as the browser tells. Two of them, or what is no text, are nobody's
    /// origin, and not the lack of one.
    pub fn origin(&self) -> Option<&str> {
        let mut values = self.headers_named("origin");
        let first = values.next()?;
        match values.next() {
            None => Some(std::str::from_utf8(first).unwrap_or_default()),
            Some(_) => Some(""),
        }
    }

    /// A cookie's value.
    pub fn cookie(&self, name: &str) -> Option<&str> {
        self.headers_named("cookie")
            .filter_map(|value| std::str::from_utf8(value).ok())
            .flat_map(|value| value.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value)
    }

    /// Whether the peer wants a page, as browsers do when one follows a link.
    pub fn accepts_html(&self) -> bool {
        self.accepts("accept", "text/html")
    }

    /// Whether the answer may be compressed.
    pub fn accepts_gzip(&self) -> bool {
        self.accepts("accept-encoding", "gzip")
    }

    /// Whether the entity tag is one of those the peer already has.
    pub fn has_etag(&self, etag: &str) -> bool {
        self.list("if-none-match")
            .any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
    }

    /// Whether the connection stays open after the answer. HTTP/1.0 peers are not asked twice.
    pub fn keep_alive(&self) -> bool {
        !self.http_1_0
            && !self
                .list("connection")
                .any(|t| t.eq_ignore_ascii_case("close"))
    }

    /// Whether the answer may come in chunks: HTTP/1.0 knows none.
    pub fn takes_chunks(&self) -> bool {
        !self.http_1_0
    }

    /// The key of a WebSocket handshake; `None`: this is an ordinary request.
    ///
    /// # Errors
    /// When it asks for a WebSocket but not as RFC 6455 section 4.1 demands.
    pub fn websocket_key(&self) -> Result<Option<&str>, Refusal> {
        if !self
            .list("upgrade")
            .any(|t| t.eq_ignore_ascii_case("websocket"))
        {
            return Ok(None);
        }
        if self.method != Method::Get || self.http_1_0 {
            return Err(refuse(400, "a WebSocket starts with GET over HTTP/1.1"));
        }
        if !self
            .list("connection")
            .any(|t| t.eq_ignore_ascii_case("upgrade"))
        {
            return Err(refuse(400, "Connection: Upgrade is missing"));
        }
        if self.only("sec-websocket-version") != Some("13") {
            return Err(refuse(426, "only version 13 of WebSocket is spoken here"));
        }
        match self.only("sec-websocket-key") {
            Some(key) if is_websocket_key(key) => Ok(Some(key)),
            _ => Err(refuse(400, "Sec-WebSocket-Key is not 16 bytes of base64")),
        }
    }

    /// The WebSocket subprotocols the peer offers, best first.
    pub fn subprotocols(&self) -> impl Iterator<Item = &str> {
        self.list("sec-websocket-protocol")
    }

    fn headers_named(&self, name: &str) -> impl DoubleEndedIterator<Item = &[u8]> {
        self.headers
            .iter()
            .filter(move |(key, _)| self.text(key).eq_ignore_ascii_case(name))
            .map(|(_, value)| self.bytes(value))
    }

    /// The value of a field that must not be there twice; `None` also when it is no text.
    pub fn only(&self, name: &str) -> Option<&str> {
        let mut values = self.headers_named(name);
        match (values.next(), values.next()) {
            (Some(value), None) => std::str::from_utf8(value).ok(),
            _ => None,
        }
    }

    /// The items of a comma-separated list over all fields of the name; those that are no text are empty.
    pub fn items<'a>(&'a self, name: &'a str) -> impl DoubleEndedIterator<Item = &'a str> {
        self.headers_named(name)
            .flat_map(|value| value.split(|&b| b == b','))
            .map(|item| std::str::from_utf8(item).unwrap_or_default().trim())
    }

    fn list<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.items(name).filter(|item| !item.is_empty())
    }

    fn accepts(&self, name: &str, wanted: &str) -> bool {
        self.list(name).any(|item| {
            let mut parts = item.split(';').map(str::trim);
            parts.next().is_some_and(|t| t.eq_ignore_ascii_case(wanted))
                && !parts.any(|p| {
                    let zero = p.strip_prefix("q=").or_else(|| p.strip_prefix("Q="));
                    zero.is_some_and(|q| {
                        q.starts_with('0') && !q.contains(|c| matches!(c, '1'..='9'))
                    })
                })
        })
    }

    fn bytes(&self, range: &Range<u32>) -> &[u8] {
        &self.head[range.start as usize..range.end as usize]
    }

    fn text(&self, range: &Range<u32>) -> &str {
        // Method, target and field names were checked to be ASCII.
        std::str::from_utf8(self.bytes(range)).unwrap_or_default()
    }
}

/// `name`, `1.2.3.4` or `[::1]`, with or without a port.
fn is_host(host: &[u8]) -> bool {
    let (name, port) = match host.first() {
        Some(b'[') => match host.iter().position(|&b| b == b']') {
            Some(end) => host.split_at(end + 1),
            None => return false,
        },
        _ => host.split_at(host.iter().position(|&b| b == b':').unwrap_or(host.len())),
    };
    let inside = name.strip_prefix(b"[").and_then(|n| n.strip_suffix(b"]"));
    let good_name = match inside {
        Some(address) => {
            !address.is_empty()
                && address
                    .iter()
                    .all(|b| b.is_ascii_hexdigit() || matches!(b, b':' | b'.'))
        }
        None => {
            !name.is_empty()
                && name
                    .iter()
                    .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'))
        }
    };
    let good_port = match port.split_first() {
        None => true,
        Some((b':', digits)) => digits.len() <= 5 && digits.iter().all(u8::is_ascii_digit),
        Some(_) => false,
    };
    good_name && good_port
}

/// Sixteen bytes are 22 characters of base64 and two of padding.
fn is_websocket_key(key: &str) -> bool {
    key.len() == 24
        && key.strip_suffix("==").is_some_and(|k| {
            k.bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/'))
        })
}

#[cfg(test)]
#[path = "http_tests.rs"]
mod tests;
