//! Which request gets what. The table is in section 1 of the protocol document.

use super::auth::quoted;
use super::files::{StaticFile, StaticFiles};
use super::guard::Guard;
use super::looking;
use super::origin::Origin;
use super::pages::{CSP_FIELD, Pages};
use super::random::Random;
use super::sessions::{Found, NO_SPACE, SessionTable, Sid, URL_MAX};
use super::system;
use crate::config::PageRules;
use crate::config::quotas::Quotas;
use crate::core::download::Token;
use crate::core::id::Timestamp;
use crate::net::http::{Method, Refusal, Request};
use crate::net::link::{Resume, SUBPROTOCOL, parse_number};
use crate::net::response::{Body, CSP_DOCUMENT, Response};
use crate::net::static_path::static_name;
use crate::web::{self, Asset};

/// What to do with a request.
pub enum Answer<'r> {
    Response(Response),
    /// Turn the connection into a WebSocket of a session.
    WebSocket(Joining<'r>),
    /// Send what the session offered under this token.
    Download {
        sid: Sid,
        token: Token,
    },
    /// Take in more of an upload, or tell how much there is of it.
    Upload {
        sid: Sid,
        token: Token,
    },
    /// What is new of a session's variables, for who looks into it.
    Variables(Sid),
    /// The Record button was pressed; what is wanted follows the session in the address.
    Record {
        sid: Sid,
        wish: &'r str,
    },
}

/// A frontend that wants to join a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Joining<'r> {
    pub sid: Sid,
    /// The key of its handshake.
    pub secret: &'r str,
    pub place: Place<'r>,
    /// It wants a link.
    pub linked: bool,
    /// The view that it wants to go on with.
    pub resume: Option<Resume>,
}

impl<'r> Joining<'r> {
    fn of(request: &'r Request, sid: Sid, secret: &'r str) -> Joining<'r> {
        let linked = request.subprotocols().any(|name| name == SUBPROTOCOL);
        let number = |name| query_value(request, name).and_then(parse_number);
        let check = number("check").and_then(|check| u32::try_from(check).ok());
        let resume = number("view").filter(|_| linked).map(|view| Resume {
            view,
            received: number("received").zip(check),
        });
        Joining {
            sid,
            secret,
            place: Place::of(request),
            linked,
            resume,
        }
    }
}

/// The value of this name in the query, as sent.
pub(super) fn query_value<'r>(request: &'r Request, wanted: &str) -> Option<&'r str> {
    let pairs = request.query().unwrap_or("").split('&');
    let mut pairs = pairs.filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.find(|(name, _)| *name == wanted)?;
    Some(value)
}

/// Where the browser is, as far as it says: empty when it does not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place<'r> {
    pub locale: &'r str,
    pub timezone: &'r str,
}

impl<'r> Place<'r> {
    /// From the query of the WebSocket's address, `?locale=de-CH&timezone=Europe/Zurich`, or the
    /// first language that the browser prefers.
    fn of(request: &'r Request) -> Place<'r> {
        let named = |wanted| query_value(request, wanted).filter(|value| is_place(value));
        let preferred = || {
            let languages = request.header("accept-language")?;
            let first = languages.split([',', ';']).next()?.trim();
            is_place(first).then_some(first)
        };
        Place {
            locale: named("locale").or_else(preferred).unwrap_or(""),
            timezone: named("timezone").unwrap_or(""),
        }
    }
}

/// Whether this can be a language tag (RFC 5646) or the name of a time zone.
fn is_place(text: &str) -> bool {
    let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'/' | b'+');
    !text.is_empty() && text.len() <= 64 && text.bytes().all(good)
}

/// What all requests have in common.
pub struct Routes {
    guard: Guard,
    files: StaticFiles,
    pages: Pages,
    /// Names this run of the server.
    boot: Box<str>,
    /// What all addresses begin with.
    base: Box<str>,
}

/// What answering needs beyond the request.
pub struct Desk<'a> {
    pub sessions: &'a mut SessionTable,
    /// Who asks, if people have to log in.
    pub owner: Option<&'a str>,
    pub random: &'a mut Random,
    pub now: Timestamp,
    /// What all sessions together may use, and bytes that they do.
    /// Where the request comes from.
    pub origin: Option<Origin>,
    pub room: Quotas,
    pub memory: u64,
    /// Set when there is no room for one more session.
    pub full: Option<&'static str>,
    /// Set when the answer is worth a line in the log.
    pub notice: Option<String>,
}

impl Desk<'_> {
    /// Whether one more session may begin; `reserved`: it has its place among the user's.
    fn check_room(&mut self, reserved: bool) -> Result<(), Refusal> {
        let room = &self.room;
        let refused = match system::is_address_space_short() {
            true => Err(NO_SPACE),
            false => {
                self.sessions
                    .check_room((self.owner, self.origin), reserved, room, self.memory)
            }
        };
        refused.inspect_err(|refusal| self.full = Some(refusal.reason))
    }

    /// What `sid` stands for, for the one who asks: other people's sessions are as if they were not there.
    fn find(&self, sid: Sid) -> Found<'_> {
        match self.sessions.belongs(sid, self.owner) {
            true => self.sessions.find(sid, self.now),
            false => Found::Unknown,
        }
    }
}

pub(super) const NO_SESSION: &str = "Session not found";
const SESSION_COOKIE: &str = "ui-session";

impl Routes {
    /// Routes to these files for those whom the guard lets in.
    pub fn new(guard: Guard, files: StaticFiles, rules: PageRules, boot: &str) -> Routes {
        Routes {
            guard,
            files,
            pages: Pages::new(rules),
            boot: boot.into(),
            base: "".into(),
        }
    }

    /// Who may be here at all.
    pub fn guard(&self) -> &Guard {
        &self.guard
    }

    /// The same with addresses that begin with `base`.
    #[must_use]
    pub fn below(self, base: &str) -> Routes {
        Routes {
            pages: self.pages.below(base),
            base: base.into(),
            ..self
        }
    }

    /// What all addresses begin with.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Who may ask, and what pages may do, from now on.
    pub fn change_rules(&mut self, guard: Guard, rules: PageRules) {
        self.guard = guard;
        self.pages = Pages::new(rules).below(&self.base);
    }

    /// Decides.
    pub fn answer<'r>(&self, request: &'r Request, desk: &mut Desk<'_>) -> Answer<'r> {
        match self.find(request, desk) {
            Ok(answer) => answer,
            Err(refusal) if request.accepts_html() => {
                Answer::Response(Response::error_page(refusal.status, refusal.reason))
            }
            Err(refusal) => Answer::Response(refusal.into()),
        }
    }

    fn find<'r>(&self, request: &'r Request, desk: &mut Desk<'_>) -> Result<Answer<'r>, Refusal> {
        if !self.guard.allows_host(request.host()) {
            desk.notice = Some(format!(
                "refused a request for host {}: if this server is meant, allow the name with \
                 --allowed-hosts (setting allowed_hosts)",
                quoted(request.host())
            ));
            return Err(refuse(
                421,
                "this host name is not served here; the setting allowed_hosts would allow it",
            ));
        }
        if request.method() == Method::Post {
            return Err(refuse(405, "nobody logs in here"));
        }
        let path = request.path();
        if path == "/" {
            return self.new_session(request, desk, "");
        }
        if let Some(sid) = path.strip_prefix("/ws/") {
            return self.websocket(request, desk, sid);
        }
        let first = path[1..].split('/').next().unwrap_or_default();
        if let Some(sid) = Sid::parse(first) {
            let rest = &path[1 + first.len()..];
            let own = desk.sessions.belongs(sid, desk.owner);
            if !own && (rest.starts_with("/download/") || rest.starts_with("/upload/")) {
                return Err(refuse(404, NO_SESSION));
            }
            if matches!(rest, "/variables" | "/variables.json") {
                return self.variables(request, desk, sid, rest);
            }
            if let Some(token) = rest.strip_prefix("/download/") {
                return download(request, sid, token);
            }
            if let Some(token) = rest.strip_prefix("/upload/").and_then(Sid::parse) {
                return self.upload(request, desk, sid, token);
            }
            return self.session_page(request, desk, sid, rest);
        }
        if let Some(name) = path.strip_prefix("/_lunette/") {
            if matches!(name, "allowed.js" | "src/allowed.js") {
                return Ok(Answer::Response(self.pages.allowed()));
            }
            if let Some(wish) = name.strip_prefix("record/").filter(|_| self.pages.dev()) {
                return self.record(request, desk, wish);
            }
            let asset = web::asset(path).or_else(|| self.module(path));
            let asset = asset.ok_or(NOT_FOUND)?;
            return Ok(Answer::Response(asset_response(request, asset)));
        }
        let name = static_name(path)?;
        if let Some(file) = self.files.open(&name) {
            return self.file(file, desk);
        }
        if is_page_request(request, path) {
            return self.new_session(request, desk, path);
        }
        Err(NOT_FOUND)
    }

    /// A file of the site. Pages have the policy of pages; other documents in which scripts can stand are pictures
    /// or data, and none of them runs: they may be what somebody uploaded.
    fn file(&self, file: StaticFile, desk: &mut Desk<'_>) -> Result<Answer<'static>, Refusal> {
        let response = Response::new(200)
            .field("Content-Type", file.content_type)
            .field("Cache-Control", "no-cache")
            .etag(&file.etag)
            .body(file.body);
        let response = match file.content_type {
            "text/html; charset=utf-8" => self.pages.protect(response, desk.random)?,
            "image/svg+xml" | "application/xml" => response.field(CSP_FIELD, CSP_DOCUMENT),
            _ => response,
        };
        Ok(Answer::Response(response))
    }

    /// Reserves a session and sends the browser there; `rest` is where inside.
    fn new_session(
        &self,
        request: &Request,
        desk: &mut Desk<'_>,
        rest: &str,
    ) -> Result<Answer<'static>, Refusal> {
        if request.method() == Method::Head {
            // Reserves nothing, so there is nowhere to redirect to.
            return Ok(Answer::Response(self.pages.page(
                request,
                &self.files,
                desk.random,
            )?));
        }
        let mut url = if rest.is_empty() { "/" } else { rest }.to_owned();
        if let Some(query) = request.query() {
            url.push('?');
            url.push_str(query);
        }
        if url.len() > URL_MAX {
            return Err(refuse(
                414,
                "a session cannot begin at an address this long",
            ));
        }
        desk.check_room(false)?;
        let Ok(id) = desk.random.id() else {
            desk.notice = Some("the operating system gives no randomness".into());
            return Err(NO_RANDOMNESS);
        };
        let sid = Sid(id);
        desk.sessions.reserve(sid, &url, desk.owner, desk.now);
        // The bare address stays as short as it was asked for.
        let place = if rest.is_empty() { &url[1..] } else { &url };
        let location = format!("/{sid}{place}");
        Ok(Answer::Response(Response::redirect(&location)))
    }

    /// The page of a session, whatever follows its id: the app knows its own paths.
    fn session_page(
        &self,
        request: &Request,
        desk: &mut Desk<'_>,
        sid: Sid,
        rest: &str,
    ) -> Result<Answer<'static>, Refusal> {
        match desk.find(sid) {
            Found::Usable => {
                if desk.sessions.live(sid).is_none() {
                    desk.check_room(true)?;
                }
                let cookie = format!("{SESSION_COOKIE}={sid}; Path=/; SameSite=Lax");
                let page = self.pages.page(request, &self.files, desk.random)?;
                let page = page.field("Set-Cookie", &cookie);
                Ok(Answer::Response(page))
            }
            Found::Failed(reason) => {
                let text = format!("This session could not start:\n\n{reason}");
                let page = Response::error_page(500, &text);
                Ok(Answer::Response(match self.pages.dev() {
                    // Whoever mends it looks at this page.
                    true => page.field("Refresh", "1"),
                    false => page,
                }))
            }
            Found::Stopped(reason) if request.accepts_html() => {
                Ok(Answer::Response(Response::error_page(410, reason)))
            }
            Found::Stopped(reason) => {
                // A page that has lost its connection asks.
                Ok(Answer::Response(Response::error_text(410, reason)))
            }
            Found::Unknown if is_page_request(request, rest) => {
                self.new_session(request, desk, rest)
            }
            Found::Unknown => {
                // A page that has lost its connection asks, and whether the server is another one.
                let answer = Response::error_text(404, NO_SESSION);
                let answer = answer.field("Lunette-Server", &self.boot);
                Ok(Answer::Response(answer.field("Cache-Control", "no-store")))
            }
        }
    }

    /// A module of the client, as it was written.
    fn module(&self, path: &str) -> Option<&'static Asset> {
        let mut modules = web::modules().iter().filter(|_| self.pages.dev());
        modules.find(|module| module.path == path)
    }

    /// A session's variables are for those who develop its site, and of its own user.
    fn variables(
        &self,
        request: &Request,
        desk: &mut Desk<'_>,
        sid: Sid,
        rest: &str,
    ) -> Result<Answer<'static>, Refusal> {
        if !self.pages.dev() {
            return Err(NOT_FOUND);
        }
        match desk.find(sid) {
            Found::Usable if rest == "/variables" => Ok(Answer::Response(looking::page())),
            Found::Usable => Ok(Answer::Variables(sid)),
            Found::Failed(_) | Found::Stopped(_) => self.session_page(request, desk, sid, rest),
            Found::Unknown => Err(refuse(404, NO_SESSION)),
        }
    }

    /// Other sites' pages must not fill the disk, nor learn what is there.
    fn upload(
        &self,
        request: &Request,
        desk: &mut Desk<'_>,
        sid: Sid,
        Sid(token): Sid,
    ) -> Result<Answer<'static>, Refusal> {
        self.check_origin(request, desk, "an upload")?;
        request.number("upload-offset")?;
        request.expects_continue()?;
        Ok(Answer::Upload { sid, token })
    }

    /// Other sites' pages must not write into the site.
    fn record<'r>(
        &self,
        request: &Request,
        desk: &mut Desk<'_>,
        wish: &'r str,
    ) -> Result<Answer<'r>, Refusal> {
        self.check_origin(request, desk, "a recording")?;
        let (sid, wish) = wish.split_at_checked(32).ok_or(NOT_FOUND)?;
        let sid = Sid::parse(sid).ok_or(NOT_FOUND)?;
        if !desk.sessions.belongs(sid, desk.owner) {
            return Err(NOT_FOUND);
        }
        Ok(Answer::Record { sid, wish })
    }

    fn check_origin(
        &self,
        request: &Request,
        desk: &mut Desk<'_>,
        what: &str,
    ) -> Result<(), Refusal> {
        let (origin, is_secure) = (request.origin(), request.passage.is_secure);
        if self.guard.allows_origin(origin, request.host(), is_secure) {
            return Ok(());
        }
        desk.notice = Some(format!(
            "refused {what} from a page of {}: if that site may use this server, allow it with \
             --allowed-origins (setting allowed_origins)",
            quoted(origin.unwrap_or_default())
        ));
        Err(refuse(
            403,
            "pages of this origin may not connect; the setting allowed_origins would allow it",
        ))
    }

    fn websocket<'r>(
        &self,
        request: &'r Request,
        desk: &mut Desk<'_>,
        sid: &str,
    ) -> Result<Answer<'r>, Refusal> {
        let Some(key) = request.websocket_key()? else {
            return Err(refuse(426, "this address is for WebSockets"));
        };
        self.check_origin(request, desk, "a WebSocket")?;
        match Sid::parse(sid) {
            Some(sid) if desk.find(sid) == Found::Usable => {
                Ok(Answer::WebSocket(Joining::of(request, sid, key)))
            }
            _ => Err(refuse(404, NO_SESSION)),
        }
    }
}

/// What a session offered for download, once: looking at it first is not possible.
fn download(request: &Request, sid: Sid, token: &str) -> Result<Answer<'static>, Refusal> {
    if request.method() == Method::Head {
        return Err(refuse(405, "a download can only be fetched"));
    }
    match Sid::parse(token) {
        Some(Sid(token)) => Ok(Answer::Download { sid, token }),
        None => Err(NOT_FOUND),
    }
}

/// What is answered when the operating system gives no randomness.
pub(super) const NO_RANDOMNESS: Refusal =
    refuse(503, "no session can be made now; try again later");

const fn refuse(status: u16, reason: &'static str) -> Refusal {
    Refusal { status, reason }
}

const NOT_FOUND: Refusal = refuse(404, "there is nothing at this address");

/// Whether a browser asks because somebody followed a link: not for a picture that is missing.
fn is_page_request(request: &Request, path: &str) -> bool {
    let last = path.rsplit('/').next().unwrap_or_default();
    request.accepts_html() && !last.contains('.')
}

pub(super) fn asset_response(request: &Request, asset: &'static Asset) -> Response {
    let caching = match asset.immutable {
        true => "public, max-age=31536000, immutable",
        false => "no-cache",
    };
    let (response, body) = encoded(request, asset);
    response
        .field("Content-Type", asset.mime)
        .field("Cache-Control", caching)
        .body(body)
}

/// A start of an answer with the asset's tag, and its body, compressed if the peer takes that.
/// The two forms have different tags: they are different bytes.
pub(super) fn encoded(request: &Request, asset: &'static Asset) -> (Response, Body) {
    let response = Response::new(200).field("Vary", "Accept-Encoding");
    if request.accepts_gzip() {
        let tag = format!("{}-gz\"", asset.etag.trim_end_matches('"'));
        let response = response.field("Content-Encoding", "gzip").etag(&tag);
        (response, Body::Static(asset.gzip))
    } else {
        let (reader, len) = (Box::new(asset.reader()), asset.len);
        (response.etag(asset.etag), Body::Stream { reader, len })
    }
}

#[cfg(test)]
#[path = "routes_tests.rs"]
mod tests;
