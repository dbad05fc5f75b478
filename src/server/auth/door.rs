//! The door: what happens to requests before anybody is known: the forms of logging in and out, and the check of one
//! password in a turn of the loop.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;

use super::audit::Audit;
use super::complaints::Complaints;
use super::page::{self, Shown};
use super::seal::COOKIE;
use super::users::{NAME_BYTES_MAX, PASSWORD_BYTES_MAX};
use super::{Auth, Login, Stranger};
use crate::config::Config;
use crate::config::auth::Network;
use crate::config::quotas::Quotas;
use crate::core::id::Timestamp;
use crate::core::script::Runtime;
use crate::net::http::{Method, Passage, Request};
use crate::net::response::Response;
use crate::net::websocket::close_code;
use crate::server::keeper::Keeper;
use crate::server::origin::Origin;
use crate::server::random::Random;
use crate::server::world::World;
use crate::server::{Server, ServerError};
use crate::web;

const LOGIN: &str = "/login";
const LOGOUT: &str = "/logout";

/// Of a form's body: a name, a password and an address, each letter of which may take three.
const FORM_BYTES_MAX: u64 = 8 << 10;
/// Where to go after logging in, at most.
const NEXT_BYTES_MAX: usize = 2048;
/// Passwords that wait to be checked, one each turn: with more, the last would wait for a second and more.
const WAITING_MAX: usize = 32;

/// A form that comes in.
#[derive(Debug)]
pub struct Form {
    request: Box<Request>,
    body: Vec<u8>,
}

/// A password that waits to be checked.
struct Waiting {
    key: usize,
    request: Box<Request>,
    typed: Typed,
}

/// What stands in a form.
#[derive(Debug, Default, PartialEq, Eq)]
struct Typed {
    name: String,
    password: String,
    next: String,
}

/// See the module's description.
pub struct Door {
    pub proxies: Vec<Network>,
    /// `None`: everybody may come in.
    pub auth: Option<Auth>,
    pub audit: Option<Audit>,
    /// What all sessions together may use, and when it was last told that there is no more.
    pub room: Quotas,
    pub told_full: Option<Timestamp>,
    /// Lines of the log, and of the audit log, about those who were refused.
    pub complaints: Complaints,
    pub refusals: Complaints,
    waiting: VecDeque<Waiting>,
}

impl Door {
    /// As configured; `wall` is now.
    ///
    /// # Errors
    /// When what it needs cannot be read or written.
    pub fn new(
        config: &Config,
        keeper: Option<&Keeper>,
        random: &mut Random,
        wall: i64,
    ) -> Result<Door, ServerError> {
        let auth = config.auth.as_ref();
        let auth = auth.map(|auth| Auth::new(auth, keeper, random, wall));
        let audit = config.audit.as_deref().map(|path| {
            Audit::open(path).map_err(|source| ServerError::Audit {
                path: path.into(),
                source,
            })
        });
        Ok(Door {
            proxies: config.trusted_proxies.clone(),
            auth: auth.transpose()?,
            audit: audit.transpose()?,
            room: config.quotas,
            told_full: None,
            complaints: Complaints::default(),
            refusals: Complaints::default(),
            waiting: VecDeque::new(),
        })
    }

    /// Whether a password waits to be checked.
    pub fn has_work(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// The peer is gone.
    pub fn forget(&mut self, key: usize) {
        self.waiting.retain(|waiting| waiting.key != key);
    }

    pub fn trusts(&self, at: IpAddr) -> bool {
        self.proxies.iter().any(|network| network.contains(at))
    }

    /// How a request came that a peer at `address` sent, over TLS or not. What was in front of a trusted proxy it tells.
    pub fn passage(&self, request: &Request, address: Option<IpAddr>, over_tls: bool) -> Passage {
        let told = match address.is_some_and(|at| self.trusts(at)) {
            true => request.only("x-forwarded-proto"),
            false => None,
        };
        Passage {
            from: address.map(|at| self.before(request, at)),
            is_secure: told.map_or(over_tls, |scheme| scheme == "https"),
        }
    }

    /// Where a request began that came from `at`: each proxy appends whom it has it from, so that the last one who is
    /// not trusted is as far as anything is known. It is a field or several, whatever the browser itself had put there.
    fn before(&self, request: &Request, mut at: IpAddr) -> IpAddr {
        for before in request.items("x-forwarded-for").rev() {
            match address(before) {
                Some(before) if self.trusts(at) => at = before,
                Some(_) | None => break,
            }
        }
        at
    }
}

/// An address, perhaps with brackets and a port.
fn address(text: &str) -> Option<IpAddr> {
    let bare = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    let with_port = || Some(text.parse::<SocketAddr>().ok()?.ip());
    let address = text.parse().ok().or_else(with_port).or_else(bare);
    address.map(|address: IpAddr| address.to_canonical())
}

impl<R: Runtime + Clone, W: World> Server<R, W> {
    /// Lets a request in whose sender is known, if that matters; all others are answered here.
    pub(in crate::server) fn pass_door(
        &mut self,
        key: usize,
        request: Box<Request>,
    ) -> Option<Box<Request>> {
        let origin = request.passage.from;
        let peer = &mut self.peers[key];
        (peer.login, peer.origin) = (None, origin);
        let served = self.routes.guard().allows_host(request.host());
        let Some(auth) = self.door.auth.as_ref().filter(|_| served) else {
            // Who may be here at all is for the routes.
            return Some(request);
        };
        let address = self.peers[key].address;
        let from = address_of(&request);
        let known = match auth.has_no_try(&request, from, self.turn.now) {
            true => Err(Stranger::Wrong),
            false => auth.identify(&request, (address, &self.door.proxies), self.turn.wall),
        };
        let form = auth.has_form();
        match (request.path(), request.method()) {
            (LOGIN, Method::Post) if form => {
                self.take_form_in(key, request);
                return None;
            }
            (LOGIN, Method::Get) if form => {
                let shown = self.shown(None, "", "/");
                let page = page::login(200, shown);
                self.reply_at_door(key, &request, page);
                return None;
            }
            (LOGOUT, Method::Post) => {
                self.log_out(key, &request, known.ok());
                return None;
            }
            (LOGOUT, Method::Get) => {
                self.reply_at_door(key, &request, page::logout());
                return None;
            }
            _ => {}
        }
        match known {
            Ok(login) => {
                self.peers[key].login = Some(login);
                Some(request)
            }
            // Part of every copy of the program, and of the login page.
            Err(_) if web::asset(request.path()).is_some() => Some(request),
            Err(stranger) => {
                let response = self.send_away(&request, stranger);
                self.reply_at_door(key, &request, response);
                None
            }
        }
    }

    /// What somebody gets who is not known.
    fn send_away(&mut self, request: &Request, stranger: Stranger) -> Response {
        let tell = |status, text| match request.accepts_html() {
            true => Response::error_page(status, text),
            false => Response::error_text(status, text),
        };
        match stranger {
            Stranger::Elsewhere => {
                let address = address_of(request);
                let line = format_args!(
                    "refused a request from {address}, which is no proxy of trusted_proxies"
                );
                self.complain(request.passage.from, line);
                return tell(403, "this server is reached through its proxy only");
            }
            Stranger::Unproxied => {
                let line =
                    "refused a request: the proxy did not say whose it is (header_user of [auth])";
                self.complain(request.passage.from, format_args!("{line}"));
                return tell(
                    403,
                    "the proxy in front of this server did not say who you are",
                );
            }
            Stranger::Unnamed | Stranger::Wrong => {}
        }
        if stranger == Stranger::Wrong && request.header("authorization").is_some() {
            let (address, now) = (address_of(request), self.turn.now);
            let tries = self
                .door
                .auth
                .as_mut()
                .map(|auth| auth.attempts.spend(address, "", now));
            if let Some(Err(wait_ms)) = tries {
                return tell(429, "too many wrong tokens; try again later")
                    .field("Retry-After", &seconds(wait_ms).to_string());
            }
            self.complain(
                request.passage.from,
                format_args!("refused a token from {address}"),
            );
        }
        let wants_page = request.method() == Method::Get && request.accepts_html();
        if !wants_page {
            return Response::error_text(401, "log in first, at /login")
                .field("WWW-Authenticate", "Bearer realm=\"lunette\"");
        }
        let mut next = request.path().to_owned();
        if let Some(query) = request.query() {
            next.push('?');
            next.push_str(query);
        }
        page::login(401, self.shown(None, "", place(&next)))
    }

    fn shown<'a>(&self, error: Option<&'a str>, name: &'a str, next: &'a str) -> Shown<'a> {
        let names = self
            .door
            .auth
            .as_ref()
            .is_some_and(|auth| auth.users.is_some());
        Shown {
            names,
            error,
            name,
            next,
        }
    }

    fn reply_at_door(&mut self, key: usize, request: &Request, response: Response) {
        self.log
            .line(3, format_args!("{} {}", response.status(), request.path()));
        let response = self.as_asked(request, response);
        self.note_refused(key, Some(request), response.status());
        let peer = &mut self.peers[key];
        peer.connection
            .respond(Some(request), response, &self.limits, self.turn);
        peer.touch(key, &mut self.touched);
    }

    /// Other sites' pages must not log anybody in or out: `SameSite` keeps the cookie from them, and `Origin` tells.
    fn is_of_other_site(&self, request: &Request) -> bool {
        let is_secure = request.passage.is_secure;
        let guard = self.routes.guard();
        !guard.allows_origin(request.origin(), request.host(), is_secure)
    }

    fn take_form_in(&mut self, key: usize, request: Box<Request>) {
        if self.is_of_other_site(&request) {
            let text = "this form was sent from the page of another site";
            return self.reply_at_door(key, &request, Response::error_page(403, text));
        }
        if request.body_bytes() > FORM_BYTES_MAX {
            let text = "a form to log in is shorter";
            return self.reply_at_door(key, &request, Response::error_page(413, text));
        }
        let waits = request.expects_continue().unwrap_or(false);
        let form = Form {
            request,
            body: Vec::new(),
        };
        if form.request.body_bytes() == 0 {
            return self.read_form(key, form);
        }
        let peer = &mut self.peers[key];
        peer.form = Some(form);
        let connection = &mut peer.connection;
        connection.accept_body(waits, &self.limits, self.turn.now);
    }

    /// A portion of a form's body.
    pub(in crate::server) fn take_form(
        &mut self,
        key: usize,
        mut form: Form,
        data: &[u8],
        last: bool,
    ) {
        form.body.extend_from_slice(data);
        match last {
            true => self.read_form(key, form),
            false => self.peers[key].form = Some(form),
        }
    }

    /// All of a form is here: its password waits for its turn.
    fn read_form(&mut self, key: usize, form: Form) {
        let Form { request, body } = form;
        let Some(typed) = Typed::read(&body) else {
            let text = "the form cannot be read; go back and send it again";
            return self.reply_at_door(key, &request, Response::error_page(400, text));
        };
        let address = address_of(&request);
        let full = self.door.waiting.len() >= WAITING_MAX;
        let now = self.turn.now;
        let tries = match &mut self.door.auth {
            Some(auth) if !full => auth.attempts.spend(address, &typed.name, now),
            _ => Err(1_000),
        };
        if let Err(wait_ms) = tries {
            let name = &typed.name;
            let line = format_args!("refused a login as {name:?} from {address}: too many tries");
            self.complain(request.passage.from, line);
            if self.door.refusals.may_tell(Some(Origin::of(address)), now) {
                let what = format_args!("login from={address} outcome=too-many");
                self.note(Some(&typed.name), what);
            }
            let wait = seconds(wait_ms);
            let text = format!("Too many tries. Try again in {wait} seconds.");
            let shown = self.shown(Some(&text), &typed.name, place(&typed.next));
            let response = page::login(429, shown).field("Retry-After", &wait.to_string());
            return self.reply_at_door(key, &request, response);
        }
        self.door.waiting.push_back(Waiting {
            key,
            request,
            typed,
        });
    }

    /// Checks the password that has waited longest.
    pub(in crate::server) fn check_one_login(&mut self) {
        let Some(Waiting {
            key,
            request,
            typed,
        }) = self.door.waiting.pop_front()
        else {
            return;
        };
        let Typed {
            name,
            password,
            next,
        } = &typed;
        let address = address_of(&request);
        let begun = self.begin_login(address, name, password);
        let Some((login, cookie)) = begun else {
            self.complain(
                request.passage.from,
                format_args!("refused a login as {name:?} from {address}"),
            );
            self.note(
                Some(name),
                format_args!("login from={address} outcome=wrong"),
            );
            let names = self.shown(None, "", "").names;
            let text = match names {
                true => "This name and password do not belong together.",
                false => "This is not the access token.",
            };
            let shown = self.shown(Some(text), name, place(next));
            return self.reply_at_door(key, &request, page::login(401, shown));
        };
        self.log
            .line(1, format_args!("{:?} logged in from {address}", login.name));
        self.note(
            Some(&login.name),
            format_args!("login from={address} outcome=ok"),
        );
        let age = (login.until - self.turn.wall) / 1000;
        let cookie = set_cookie(&cookie, age);
        let response = Response::see_other(place(next)).field("Set-Cookie", &cookie);
        self.reply_at_door(key, &request, response);
    }

    fn begin_login(
        &mut self,
        address: IpAddr,
        name: &str,
        password: &str,
    ) -> Option<(Login, String)> {
        let auth = self.door.auth.as_mut()?;
        if !auth.check(name, password) {
            return None;
        }
        auth.attempts.give_back(address, name);
        let id = self.world.random().id().ok()?;
        auth.begin(name, id, self.turn.wall)
    }

    fn log_out(&mut self, key: usize, request: &Request, known: Option<Rc<Login>>) {
        if self.is_of_other_site(request) {
            let text = "this form was sent from the page of another site";
            return self.reply_at_door(key, request, Response::error_page(403, text));
        }
        if let Some(login) = known.filter(|login| login.id != 0) {
            let wall = self.turn.wall;
            if let Some(auth) = &mut self.door.auth
                && let Err(error) = auth.end(&login, wall, self.keeper.as_ref())
            {
                self.log.line(
                    0,
                    format_args!("a logout is forgotten at the next start: {error}"),
                );
            }
            self.log
                .line(1, format_args!("{:?} logged out", login.name));
            self.note(Some(&login.name), format_args!("logout outcome=ok"));
            self.close_logins("logged out", |other| other.id == login.id);
        }
        let cookie = set_cookie("", 0);
        let response = Response::see_other("/").field("Set-Cookie", &cookie);
        self.reply_at_door(key, request, response);
    }

    /// Closes the WebSockets of logins that are over.
    pub(super) fn close_logins(&mut self, why: &str, is_over: impl Fn(&Login) -> bool) {
        let of = |login: &Option<Rc<Login>>| login.as_ref().is_some_and(|login| is_over(login));
        let keys: Vec<usize> = self
            .peers
            .iter()
            .filter(|(_, peer)| peer.frontend.is_some() && of(&peer.login))
            .map(|(key, _)| key)
            .collect();
        for key in keys {
            self.close(key, close_code::POLICY, why);
            self.unlink(key, close_code::ABNORMAL);
        }
    }

    /// Whether a frontend's login is over: then it is closed.
    pub(in crate::server) fn has_expired(&mut self, key: usize) -> bool {
        let wall = self.turn.wall;
        let login = &self.peers[key].login;
        let expired = login.as_ref().is_some_and(|login| login.until <= wall);
        if expired {
            self.close(key, close_code::POLICY, "the login is over");
            self.unlink(key, close_code::ABNORMAL);
        }
        expired
    }
}

fn set_cookie(value: &str, age: i64) -> String {
    format!("{COOKIE}={value}; Path=/; Max-Age={age}; HttpOnly; SameSite=Lax")
}

/// Whose tries are counted; those who come over no network are one.
fn address_of(request: &Request) -> IpAddr {
    let from = request.passage.from;
    from.unwrap_or(Ipv4Addr::UNSPECIFIED.into())
}

fn seconds(ms: u64) -> u64 {
    ms.div_ceil(1_000)
}

/// An address of this server to go on at; any other becomes its front page.
fn place(next: &str) -> &str {
    let good = |b: u8| b.is_ascii_graphic() && !matches!(b, b'"' | b'<' | b'>' | b'\\');
    // Two slashes begin another server's name.
    let own = next.starts_with('/') && !next.starts_with("//");
    let form = [LOGIN, LOGOUT].contains(&next);
    match own && !form && next.len() <= NEXT_BYTES_MAX && next.bytes().all(good) {
        true => next,
        false => "/",
    }
}

impl Typed {
    /// Reads a body of `application/x-www-form-urlencoded`.
    fn read(body: &[u8]) -> Option<Typed> {
        let mut typed = Typed::default();
        for pair in body.split(|&b| b == b'&') {
            let at = pair.iter().position(|&b| b == b'=')?;
            let value = decode(&pair[at + 1..])?;
            match &pair[..at] {
                b"name" => typed.name = value,
                b"password" => typed.password = value,
                b"next" => typed.next = value,
                _ => {}
            }
        }
        let fits = typed.name.len() <= NAME_BYTES_MAX && typed.password.len() <= PASSWORD_BYTES_MAX;
        fits.then_some(typed)
    }
}

fn decode(text: &[u8]) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        at += 1;
        out.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits = std::str::from_utf8(text.get(at..at + 2)?).ok()?;
                at += 2;
                u8::from_str_radix(digits, 16).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_read_as_browsers_write_them() {
        let typed = Typed::read(b"next=%2Fa%3Fb&name=Ann+B&password=%C3%BC%26%3D").unwrap();
        assert_eq!(
            (&*typed.name, &*typed.password, &*typed.next),
            ("Ann B", "ü&=", "/a?b")
        );
        for bad in ["", "name", "name=%2", "name=%GG", "name=%FF"] {
            assert_eq!(Typed::read(bad.as_bytes()), None, "{bad}");
        }
        let long = format!("password={}", "x".repeat(257));
        assert_eq!(Typed::read(long.as_bytes()), None);
    }

    #[test]
    fn nobody_is_sent_to_another_server() {
        for own in ["/", "/a/b?c=//d", "/0123"] {
            assert_eq!(place(own), own);
        }
        for other in [
            "",
            "//evil.example",
            "https://evil.example",
            "/\\evil.example",
            "/a\r\nSet-Cookie: b",
            "/logout",
        ] {
            assert_eq!(place(other), "/", "{other}");
        }
    }
}
