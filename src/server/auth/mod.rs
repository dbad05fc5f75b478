//! Auth: who somebody is. Before that is known there is no session, and nothing of the site is told.
//!
//! **Contract.** [`Auth::identify`] decides by one request alone: a cookie that this server sealed (`seal`), a
//! secret in `Authorization`, or what a trusted proxy says. `users` is the file of names and passwords, `attempts`
//! bounds how often they are tried, `page` is the page with the form, `passwd` the command that sets passwords, `door` is what happens at the server's door:
//! forms that come in, one password checked in a turn, logging out. `audit` writes
//! down what is done.

mod attempts;
pub mod audit;
mod complaints;
mod door;
mod notes;
mod page;
pub mod passwd;
mod refresh;
mod seal;
pub mod users;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::rc::Rc;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::ServerError;
use super::keeper::Keeper;
use super::random::Random;
use crate::config::auth::{AuthConfig, Fields, Network, Way};
use crate::core::gather::gather;
use crate::core::id::Timestamp;
use crate::net::http::Request;
use attempts::Attempts;
pub use complaints::quoted;
pub use door::{Door, Form};
use seal::{COOKIE, Claim, Key, Sealed};
use users::Users;

/// Where the state directory keeps what seals cookies, and the logins that were ended before their time.
const KEY_NAME: &str = "login-key";
const ENDED_NAME: &str = "logouts";
/// Logins that are remembered as ended: who logs out that often within the time of a login ends the oldest.
const ENDED_MAX: usize = 10_000;

/// The name of all who know the token.
const TOKEN_USER: &str = "token";
/// Names and groups that a proxy tells: longer ones are none.
const FIELD_BYTES_MAX: usize = 1_024;

/// Somebody who is known.
#[derive(Debug, PartialEq, Eq)]
pub struct Login {
    pub name: Box<str>,
    /// As `session.user` has it.
    pub user: Box<str>,
    /// Of the one login; 0: it stands in every request.
    pub id: u128,
    /// When it is over, in milliseconds since 1970-01-01 UTC.
    pub until: i64,
    /// What it was made with.
    credential: Box<str>,
}

/// Why somebody is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stranger {
    /// Has not said.
    Unnamed,
    /// What was said is wrong, or not any more right.
    Wrong,
    /// Comes past the proxy.
    Elsewhere,
    /// The proxy has not said.
    Unproxied,
}

/// See the module's description.
pub struct Auth {
    way: Way,
    max_age_ms: i64,
    key: Key,
    /// With a file of them.
    users: Option<Users>,
    attempts: Attempts,
    /// Logins that were ended before their time, and when that is.
    ended: BTreeMap<u128, i64>,
}

impl Auth {
    /// Asks people as configured. What seals their cookies is kept where sessions are, if they are kept.
    ///
    /// # Errors
    /// When the users cannot be read, or the state directory or the system refuses.
    pub fn new(
        config: &AuthConfig,
        keeper: Option<&Keeper>,
        random: &mut Random,
        wall: i64,
    ) -> Result<Auth, ServerError> {
        let users = match &config.way {
            Way::Users(path) => Some(Users::read(path)?),
            Way::Token(_) | Way::Proxy(_) => None,
        };
        let stored = keeper.map(|keeper| keeper.store.archive().get(KEY_NAME));
        let stored = stored.transpose()?.flatten();
        let key: [u8; 32] = match stored.and_then(|bytes| bytes.try_into().ok()) {
            Some(key) => key,
            None => {
                let mut key = [0; 32];
                for half in key.chunks_mut(16) {
                    let bytes = random.id().map_err(std::io::Error::from)?;
                    half.copy_from_slice(&bytes.to_le_bytes());
                }
                if let Some(keeper) = keeper {
                    keeper.store.put(KEY_NAME, &key)?;
                }
                key
            }
        };
        let ended = keeper.map(|keeper| keeper.store.archive().get(ENDED_NAME));
        let ended = ended.transpose()?.flatten().unwrap_or_default();
        Ok(Auth {
            way: config.way.clone(),
            max_age_ms: i64::try_from(config.max_age_ms).unwrap_or(i64::MAX / 2),
            key: Key::new(key),
            users,
            attempts: Attempts::default(),
            ended: read_ended(&String::from_utf8_lossy(&ended), wall),
        })
    }

    /// Whether people come by a form.
    fn has_form(&self) -> bool {
        !matches!(self.way, Way::Proxy(_))
    }

    /// Who sent this request, which came from `address`.
    ///
    /// # Errors
    /// Why that is not known.
    pub fn identify(
        &self,
        request: &Request,
        (address, proxies): (Option<IpAddr>, &[Network]),
        wall: i64,
    ) -> Result<Rc<Login>, Stranger> {
        match &self.way {
            Way::Proxy(fields) => {
                let trusted = |at| proxies.iter().any(|network| network.contains(at));
                if !address.is_some_and(trusted) {
                    return Err(Stranger::Elsewhere);
                }
                of_proxy(request, fields).map(Rc::new)
            }
            Way::Token(token) => match request.header("authorization") {
                Some(_) => match bearer(request) {
                    Some(said) if same(said, token) => Ok(Rc::new(self.lasting())),
                    _ => Err(Stranger::Wrong),
                },
                None => self.of_cookie(request, wall),
            },
            Way::Users(_) => self.of_cookie(request, wall),
        }
    }

    /// Whether a token stands in this request, and too many wrong ones came from there: then it is not looked at.
    fn has_no_try(&self, request: &Request, address: IpAddr, now: Timestamp) -> bool {
        matches!(self.way, Way::Token(_))
            && request.header("authorization").is_some()
            && self.attempts.check(address, "", now).is_err()
    }

    fn of_cookie(&self, request: &Request, wall: i64) -> Result<Rc<Login>, Stranger> {
        let cookie = request.cookie(COOKIE).ok_or(Stranger::Unnamed)?;
        let sealed = Sealed::read(cookie).ok_or(Stranger::Wrong)?;
        let claim = &sealed.claim;
        let credential = self.credential(&claim.name).ok_or(Stranger::Wrong)?;
        let good = self.key.made(&sealed, credential)
            && claim.until > wall
            // One that was made for longer than logins may last now.
            && claim.until <= wall.saturating_add(self.max_age_ms)
            && !self.ended.contains_key(&claim.id);
        match good {
            true => Ok(Rc::new(self.login(claim, credential))),
            false => Err(Stranger::Wrong),
        }
    }

    /// What a user of this name logs in with, as far as the server knows it.
    fn credential(&self, name: &str) -> Option<&str> {
        match (&self.way, &self.users) {
            (Way::Token(token), _) => (name == TOKEN_USER).then_some(token),
            (_, Some(users)) => users.get(name).map(|entry| &*entry.hash),
            (Way::Users(_) | Way::Proxy(_), None) => None,
        }
    }

    fn login(&self, claim: &Claim, credential: &str) -> Login {
        let entry = self.users.as_ref().and_then(|users| users.get(&claim.name));
        let groups = entry.map_or(&[][..], |entry| &entry.groups);
        let email = entry.and_then(|entry| entry.email.as_deref());
        Login {
            name: claim.name.as_str().into(),
            user: user(&claim.name, groups, email),
            id: claim.id,
            until: claim.until,
            credential: credential.into(),
        }
    }

    /// Of somebody who says the token with every request.
    fn lasting(&self) -> Login {
        let claim = Claim {
            name: TOKEN_USER.into(),
            id: 0,
            until: i64::MAX,
        };
        let credential = self.credential(TOKEN_USER).unwrap_or_default();
        self.login(&claim, credential)
    }

    /// Whether this is the password, or the token. Takes its time.
    fn check(&self, name: &str, password: &str) -> bool {
        match (&self.way, &self.users) {
            (Way::Token(token), _) => same(password, token),
            (_, Some(users)) => users.check(name, password.as_bytes()),
            (Way::Users(_) | Way::Proxy(_), None) => false,
        }
    }

    /// Whether a login that was good still is: the user is there and has the same password.
    fn still_good(&self, login: &Login) -> bool {
        match self.way {
            Way::Proxy(_) => true,
            Way::Token(_) | Way::Users(_) => {
                self.credential(&login.name) == Some(&*login.credential)
            }
        }
    }

    /// A login of this user, and its cookie's value.
    fn begin(&self, name: &str, id: u128, wall: i64) -> Option<(Login, String)> {
        let name = match self.way {
            Way::Token(_) => TOKEN_USER,
            Way::Users(_) | Way::Proxy(_) => name,
        };
        let claim = Claim {
            name: name.into(),
            id,
            until: wall.saturating_add(self.max_age_ms),
        };
        let credential = self.credential(name)?;
        let cookie = self.key.seal(&claim, credential)?;
        Some((self.login(&claim, credential), cookie))
    }

    /// A login is over before its time.
    fn end(
        &mut self,
        login: &Login,
        wall: i64,
        keeper: Option<&Keeper>,
    ) -> Result<(), ServerError> {
        self.ended.retain(|_, until| *until > wall);
        self.ended.insert(login.id, login.until);
        if self.ended.len() > ENDED_MAX {
            let soonest = self.ended.iter().min_by_key(|(_, until)| **until);
            if let Some(id) = soonest.map(|(&id, _)| id) {
                self.ended.remove(&id);
            }
        }
        if let Some(keeper) = keeper {
            let lines = self
                .ended
                .iter()
                .map(|(id, until)| format!("{id:032x} {until}\n"));
            keeper
                .store
                .put(ENDED_NAME, lines.collect::<String>().as_bytes())?;
        }
        Ok(())
    }
}

fn read_ended(text: &str, wall: i64) -> BTreeMap<u128, i64> {
    let line = |line: &str| {
        let (id, until) = line.split_once(' ')?;
        Some((u128::from_str_radix(id, 16).ok()?, until.parse().ok()?))
    };
    let all = text.lines().filter_map(line);
    gather(all.filter(|&(_, until)| until > wall))
}

/// Whether two secrets are the same. How long that takes says nothing about where they differ.
fn same(said: &str, secret: &str) -> bool {
    let digest = |text: &str| Sha256::digest(text.as_bytes());
    digest(said).ct_eq(&digest(secret)).into()
}

fn bearer(request: &Request) -> Option<&str> {
    let (scheme, token) = request.only("authorization")?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn of_proxy(request: &Request, fields: &Fields) -> Result<Login, Stranger> {
    // A field that is there twice may be one of the browser's own.
    let said = |name: &str| {
        let value = request.only(name)?.trim();
        let good = !value.is_empty()
            && value.len() <= FIELD_BYTES_MAX
            && !value.contains(char::is_control);
        good.then_some(value)
    };
    let name = said(&fields.user).ok_or(Stranger::Unproxied)?;
    let groups = fields.groups.as_deref().and_then(said).unwrap_or_default();
    let groups = groups
        .split(',')
        .map(str::trim)
        .filter(|group| !group.is_empty());
    let groups: Vec<String> = groups.map(str::to_owned).collect();
    let email = fields.email.as_deref().and_then(said);
    Ok(Login {
        name: name.into(),
        user: user(name, &groups, email),
        id: 0,
        until: i64::MAX,
        credential: "".into(),
    })
}

/// A user as `session.user` has it.
fn user(name: &str, groups: &[String], email: Option<&str>) -> Box<str> {
    let mut user = serde_json::json!({ "name": name, "groups": groups });
    if let Some(email) = email {
        user["email"] = email.into();
    }
    user.to_string().into()
}
