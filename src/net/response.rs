//! HTTP answers: status line, fields and body, written into a connection's output.

use std::fmt::Write as _;
use std::io::Read;
use std::rc::Rc;
use std::time::{Duration, UNIX_EPOCH};

use super::http::{Method, Refusal, Request};

/// The body of an answer.
pub enum Body {
    Empty,
    Bytes(Vec<u8>),
    /// Part of the executable.
    Static(&'static [u8]),
    /// Shared with other connections.
    Shared(Rc<[u8]>),
    /// `len` bytes to be read piece by piece, as the peer takes them.
    Stream {
        reader: Box<dyn Read>,
        len: u64,
    },
    /// Comes later, in pieces; `framed`: each with its length (chunked transfer coding).
    Chunks {
        framed: bool,
    },
}

impl Body {
    /// Bytes of the body, as far as they are known.
    pub fn len(&self) -> u64 {
        match self {
            Body::Empty | Body::Chunks { .. } => 0,
            Body::Bytes(bytes) => bytes.len() as u64,
            Body::Static(bytes) => bytes.len() as u64,
            Body::Shared(bytes) => bytes.len() as u64,
            Body::Stream { len, .. } => *len,
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// One answer. Fields that every answer has are added when it is written.
pub struct Response {
    status: u16,
    /// `Name: value` lines, each with its line end.
    fields: String,
    etag: Option<String>,
    body: Body,
    close: bool,
}

/// Where in a policy the number goes that the scripts of one page have in common.
pub const NONCE: &str = "{nonce}";

/// The policy for pages whose scripts and styles are all files of their own.
pub const CSP_STRICT: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
    connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// The policy for a site's own page: inline scripts and styles, and libraries from elsewhere over
/// https, as pages written for older servers have them; still nobody else's frames or plug-ins.
pub const CSP_COMPAT: &str = "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' https:; \
    style-src 'self' 'unsafe-inline' https:; img-src 'self' data: blob: https:; font-src 'self' data: https:; \
    media-src 'self' data: blob: https:; connect-src 'self' data: blob: https:; object-src 'none'; base-uri 'self'; \
    frame-ancestors 'self'";

/// The policy for files that Lua made: whatever they are, no script in them runs.
pub const CSP_SANDBOX: &str = "default-src 'none'; sandbox";

/// The policy for vector images and other XML of a site, shown on their own: they look as they shall, and no script in
/// them runs. Where they are parts of a page, the page's policy counts.
pub const CSP_DOCUMENT: &str = "default-src 'none'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; sandbox";

impl Response {
    /// An answer without a body.
    pub fn new(status: u16) -> Response {
        Response {
            status,
            fields: String::new(),
            etag: None,
            body: Body::Empty,
            close: status >= 400,
        }
    }

    /// A temporary redirection.
    pub fn redirect(location: &str) -> Response {
        Response::new(307)
            .field("Location", location)
            .field("Cache-Control", "no-store")
    }

    /// Sends the browser there after a form was taken in: with GET, whatever the form's method was.
    pub fn see_other(location: &str) -> Response {
        Response::new(303)
            .field("Location", location)
            .field("Cache-Control", "no-store")
    }

    /// A readable error for people: a small page without scripts. Closes the connection.
    pub fn error_page(status: u16, text: &str) -> Response {
        let title = reason(status);
        let mut page = String::with_capacity(256 + text.len());
        let _ = write!(
            page,
            "<!DOCTYPE html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width\">\n<title>{status} {title}</title>\n\
             <link rel=\"stylesheet\" href=\"/_lunette/theme.css\">\n<main>\n<h1>{title}</h1>\n<pre>"
        );
        push_escaped(&mut page, text);
        page.push_str("</pre>\n<p><a href=\"/\">Start a new session</a></p>\n</main>\n</html>\n");
        Response::new(status)
            .field("Content-Type", "text/html; charset=utf-8")
            .field("Content-Security-Policy", CSP_STRICT)
            .field("Cache-Control", "no-store")
            .body(Body::Bytes(page.into_bytes()))
    }

    /// An error for programs: one line of text. Closes the connection.
    pub fn error_text(status: u16, text: &str) -> Response {
        Response::new(status)
            .field("Content-Type", "text/plain; charset=utf-8")
            .field("Cache-Control", "no-store")
            .body(Body::Bytes(format!("{text}\n").into_bytes()))
    }

    /// Adds a field. Names and values come from this program or were checked when read.
    pub fn field(mut self, name: &str, value: &str) -> Response {
        debug_assert!(!name.contains(['\r', '\n', ':']) && !value.contains(['\r', '\n', '\0']));
        let _ = write!(self.fields, "{name}: {value}\r\n");
        self
    }

    /// The entity tag with its quotes; a peer that has it gets 304 instead of the body.
    pub fn etag(mut self, etag: &str) -> Response {
        self.etag = Some(etag.to_owned());
        self
    }

    /// Sets the body.
    pub fn body(mut self, body: Body) -> Response {
        self.body = body;
        self
    }

    /// Keeps the connection although the status is an error, or not although it is none.
    pub fn close(mut self, close: bool) -> Response {
        self.close = close;
        self
    }

    /// The same for a server all of whose addresses begin with `base`: where it sends browsers, where cookies go, and
    /// what its own pages need.
    #[must_use]
    pub fn below(mut self, base: &str) -> Response {
        if base.is_empty() {
            return self;
        }
        for (root, below) in [
            ("Location: /", format!("Location: {base}/")),
            ("; Path=/", format!("; Path={base}/")),
        ] {
            self.fields = self.fields.replace(root, &below);
        }
        if !self.fields.contains("Content-Type: text/html") {
            return self;
        }
        let page = match &self.body {
            Body::Bytes(page) => &page[..],
            Body::Static(page) => page,
            Body::Empty | Body::Shared(_) | Body::Stream { .. } | Body::Chunks { .. } => {
                return self;
            }
        };
        if let Ok(page) = std::str::from_utf8(page) {
            let page = page.replace("=\"/_lunette/", &format!("=\"{base}/_lunette/"));
            let page = page.replace("href=\"/\"", &format!("href=\"{base}/\""));
            let page = page.replace("action=\"/", &format!("action=\"{base}/"));
            self.body = Body::Bytes(page.into_bytes());
        }
        self
    }

    /// The same for a browser that asked over TLS: it sends its cookies no other way, and if it is told so comes no other
    /// way for so long (RFC 6797 section 6.1).
    #[must_use]
    pub fn over_tls(mut self, hsts_ms: Option<u64>) -> Response {
        self.fields = self
            .fields
            .replace("; SameSite=Lax", "; SameSite=Lax; Secure");
        match hsts_ms {
            Some(ms) => {
                let age = format!("max-age={}", ms / 1_000);
                self.field("Strict-Transport-Security", &age)
            }
            None => self,
        }
    }

    /// The status code.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Appends the head, and the body as far as it is in memory. `request`: what is answered;
    /// `None` when it could not be read. `wall`: milliseconds since 1970, for the `Date` that a server
    /// with a clock must tell (RFC 9110 section 6.6.1).
    pub fn write(mut self, request: Option<&Request>, wall: i64, out: &mut Vec<u8>) -> Written {
        let fresh = match (request, &self.etag) {
            (Some(request), Some(etag)) => self.status == 200 && request.has_etag(etag),
            _ => false,
        };
        if fresh {
            self.status = 304;
        }
        let keep_alive = !self.close && request.is_some_and(Request::keep_alive);
        let mut head = String::with_capacity(self.fields.len() + 256);
        let _ = write!(head, "HTTP/1.1 {} {}\r\n", self.status, reason(self.status));
        push_date(wall, &mut head);
        head.push_str(&self.fields);
        if let Some(etag) = &self.etag {
            let _ = write!(head, "ETag: {etag}\r\n");
        }
        match &self.body {
            // Neither has a body that could have a length.
            _ if fresh || self.status == 204 => {}
            Body::Chunks { framed: true } => head.push_str("Transfer-Encoding: chunked\r\n"),
            Body::Chunks { framed: false } => {}
            body => {
                let _ = write!(head, "Content-Length: {}\r\n", body.len());
            }
        }
        head.push_str("X-Content-Type-Options: nosniff\r\nReferrer-Policy: same-origin\r\n");
        if !keep_alive {
            head.push_str("Connection: close\r\n");
        }
        head.push_str("\r\n");
        out.extend_from_slice(head.as_bytes());
        let no_body = fresh || request.is_some_and(|r| r.method() == Method::Head);
        let mut stream = None;
        match self.body {
            _ if no_body => {}
            Body::Empty | Body::Chunks { .. } => {}
            Body::Bytes(bytes) => out.extend_from_slice(&bytes),
            Body::Static(bytes) => out.extend_from_slice(bytes),
            Body::Shared(bytes) => out.extend_from_slice(&bytes),
            Body::Stream { reader, len } => stream = Some((reader, len)),
        }
        Written { keep_alive, stream }
    }
}

impl From<Refusal> for Response {
    fn from(refusal: Refusal) -> Response {
        let response = Response::error_text(refusal.status, refusal.reason);
        match refusal.status {
            405 => response.field("Allow", "GET, HEAD"),
            426 => response
                .field("Upgrade", "websocket")
                .field("Sec-WebSocket-Version", "13"),
            _ => response,
        }
    }
}

/// What is left to do after [`Response::write`].
pub struct Written {
    /// Another request may follow on the connection.
    pub keep_alive: bool,
    /// The rest of the body and how many bytes of it belong to the answer.
    pub stream: Option<(Box<dyn Read>, u64)>,
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        204 => "No Content",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        411 => "Length Required",
        413 => "Content Too Large",
        414 => "URI Too Long",
        417 => "Expectation Failed",
        421 => "Misdirected Request",
        426 => "Upgrade Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        505 => "HTTP Version Not Supported",
        507 => "Insufficient Storage",
        _ => "Error",
    }
}

/// A calendar that stands before 1970 or after 9999 is no clock.
fn push_date(wall: i64, head: &mut String) {
    const END_MS: u64 = 253_402_300_800_000;
    if let Ok(ms) = u64::try_from(wall)
        && ms < END_MS
    {
        let date = httpdate::HttpDate::from(UNIX_EPOCH + Duration::from_millis(ms));
        let _ = write!(head, "Date: {date}\r\n");
    }
}

/// Appends a text so that it stays one inside of an element or a quoted attribute.
pub fn push_escaped(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::http::parse_head;
    use super::super::limits::NetLimits;
    use super::*;

    fn request(line: &str, fields: &str) -> Request {
        let head = format!("{line} HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
        parse_head(head.as_bytes(), &NetLimits::default())
            .unwrap()
            .unwrap()
            .0
    }

    const WALL: i64 = 784_111_777_123;

    fn written(response: Response, request: &Request) -> (String, bool) {
        let mut out = Vec::new();
        let written = response.write(Some(request), WALL, &mut out);
        (String::from_utf8(out).unwrap(), written.keep_alive)
    }

    fn page() -> Response {
        Response::new(200)
            .etag("\"e\"")
            .body(Body::Static(b"hello"))
    }

    #[test]
    fn head_get_and_not_modified() {
        let (got, kept) = written(page(), &request("GET /", ""));
        assert!(
            kept && got.starts_with("HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n")
        );
        assert!(got.contains("\r\nETag: \"e\"\r\nContent-Length: 5\r\n"));
        assert!(got.ends_with("\r\n\r\nhello") && got.contains("nosniff"));
        let (head, _) = written(page(), &request("HEAD /", ""));
        assert!(head.contains("Content-Length: 5") && head.ends_with("\r\n\r\n"));
        let (fresh, _) = written(page(), &request("GET /", "If-None-Match: \"e\"\r\n"));
        assert!(fresh.starts_with("HTTP/1.1 304") && fresh.ends_with("\r\n\r\n"));
        assert!(!fresh.contains("Content-Length"));
    }

    #[test]
    fn a_clock_that_was_never_set_tells_no_date() {
        for wall in [-1, i64::MIN, 253_402_300_800_000, i64::MAX] {
            let mut out = Vec::new();
            page().write(None, wall, &mut out);
            assert!(out.starts_with(b"HTTP/1.1 200 OK\r\nETag"), "{wall}");
        }
    }

    #[test]
    fn who_closes() {
        let (got, kept) = written(page(), &request("GET /", "Connection: close\r\n"));
        assert!(!kept && got.contains("Connection: close\r\n"));
        let refusal = Refusal {
            status: 405,
            reason: "no",
        };
        let (got, kept) = written(refusal.into(), &request("GET /", ""));
        assert!(!kept && got.contains("Allow: GET, HEAD\r\n") && got.ends_with("no\n"));
    }

    #[test]
    fn error_pages_escape_what_they_show() {
        let (got, _) = written(Response::error_page(500, "<b>&\""), &request("GET /", ""));
        assert!(got.contains("<pre>&lt;b&gt;&amp;&quot;</pre>"));
        assert!(got.contains("Content-Security-Policy: default-src 'none'"));
    }
}
