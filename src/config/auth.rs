//! Who may come in: section `[auth]`, and which proxies are believed.

use std::net::IpAddr;
use std::path::PathBuf;

use super::ConfigError;
use super::units::duration;

/// How people show who they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AuthMode {
    /// Nobody has to.
    #[default]
    None,
    /// By one secret for all.
    Token,
    /// By name and password, of a file.
    Users,
    /// A proxy in front has asked them.
    Proxy,
}

/// What one source sets; `None`: nothing.
#[derive(Clone, Debug, Default)]
pub struct AuthSettings {
    pub mode: Option<AuthMode>,
    pub token: Option<String>,
    pub users: Option<PathBuf>,
    pub header_user: Option<String>,
    pub header_groups: Option<String>,
    pub header_email: Option<String>,
    pub max_age_ms: Option<u64>,
}

/// A server where people have to log in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthConfig {
    pub way: Way,
    /// How long a login lasts, ms.
    pub max_age_ms: u64,
}

/// How they do, with what that takes.
#[derive(Clone, PartialEq, Eq)]
pub enum Way {
    Token(String),
    /// The file of names and passwords.
    Users(PathBuf),
    Proxy(Fields),
}

impl std::fmt::Debug for Way {
    /// A secret is no one's business, not even in a dump.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Way::Token(_) => f.write_str("Token"),
            Way::Users(file) => f.debug_tuple("Users").field(file).finish(),
            Way::Proxy(fields) => f.debug_tuple("Proxy").field(fields).finish(),
        }
    }
}

/// Header fields in which a proxy says who somebody is, in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fields {
    pub user: String,
    pub groups: Option<String>,
    pub email: Option<String>,
}

/// Addresses that begin alike: `10.0.0.0/8`, or one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

impl Network {
    /// Reads an address, with or without the bits that count.
    pub fn parse(text: &str) -> Option<Network> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse().ok()?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.unwrap_or(most);
        (bits <= most).then_some(Network { address, bits })
    }

    /// Whether this address is one of them.
    pub fn contains(&self, address: IpAddr) -> bool {
        let same = |a: &[u8], b: &[u8]| {
            let (whole, rest) = (usize::from(self.bits / 8), self.bits % 8);
            let mask = !(0xff_u8.checked_shr(rest.into()).unwrap_or(0));
            a[..whole] == b[..whole] && (rest == 0 || (a[whole] ^ b[whole]) & mask == 0)
        };
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => same(&own.octets(), &other.octets()),
            (IpAddr::V6(own), IpAddr::V6(other)) => same(&own.octets(), &other.octets()),
            _ => false,
        }
    }
}

/// Shorter ones are guessed.
const TOKEN_CHARS_MIN: usize = 16;
/// A week: people come back to it, and a machine that was lost is not let in for ever.
const MAX_AGE_MS: u64 = 7 * 24 * 60 * 60 * 1000;
const MAX_AGE_MS_MIN: u64 = 60_000;

/// What is wrong with a section `[auth]`.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    #[error(
        "mode is \"token\": set token of [auth] to a secret of at least {TOKEN_CHARS_MIN} characters"
    )]
    NoToken,
    #[error(
        "token must have at least {TOKEN_CHARS_MIN} characters, all of them printable ASCII without spaces"
    )]
    BadToken,
    #[error("mode is \"users\": set users of [auth] to a file that lunette passwd FILE NAME makes")]
    NoUsers,
    #[error(
        "mode is \"proxy\": set header_user of [auth] to the field in which the proxy says who somebody is"
    )]
    NoHeader,
    #[error(
        "mode is \"proxy\": set trusted_proxies of [server] to the addresses that are believed"
    )]
    NoProxies,
    #[error("{0} is set, but mode of [auth] is not \"{1}\": nobody would be asked for it")]
    Unused(&'static str, &'static str),
    #[error("max_age is {}: a login lasts at least a minute", duration(*.0))]
    MaxAge(u64),
}

impl AuthError {
    /// The setting that the error is about.
    pub fn name(&self) -> &'static str {
        match self {
            AuthError::NoToken
            | AuthError::NoUsers
            | AuthError::NoHeader
            | AuthError::NoProxies => "mode",
            AuthError::BadToken => "token",
            AuthError::Unused(name, _) => name,
            AuthError::MaxAge(_) => "max_age",
        }
    }
}

impl From<AuthError> for ConfigError {
    fn from(error: AuthError) -> ConfigError {
        ConfigError::Auth(error)
    }
}

impl AuthSettings {
    /// These, and `others` where these say nothing.
    #[must_use]
    pub fn or(self, others: AuthSettings) -> AuthSettings {
        AuthSettings {
            mode: self.mode.or(others.mode),
            token: self.token.or(others.token),
            users: self.users.or(others.users),
            header_user: self.header_user.or(others.header_user),
            header_groups: self.header_groups.or(others.header_groups),
            header_email: self.header_email.or(others.header_email),
            max_age_ms: self.max_age_ms.or(others.max_age_ms),
        }
    }

    /// Who is asked for what; `None`: nobody for anything.
    ///
    /// # Errors
    /// When it would let in others than those that are meant.
    pub fn resolve(self, proxies: &[Network]) -> Result<Option<AuthConfig>, AuthError> {
        let mode = self.mode.unwrap_or_default();
        // A secret that is not asked for looks like protection and is none.
        let unused = [
            (
                "token",
                "token",
                self.token.is_some() && mode != AuthMode::Token,
            ),
            (
                "users",
                "users",
                self.users.is_some() && mode != AuthMode::Users,
            ),
            (
                "header_user",
                "proxy",
                self.header_user.is_some() && mode != AuthMode::Proxy,
            ),
        ];
        if let Some(&(name, wanted, _)) = unused.iter().find(|(.., unused)| *unused) {
            return Err(AuthError::Unused(name, wanted));
        }
        let way = match mode {
            AuthMode::None => return Ok(None),
            AuthMode::Token => {
                let token = self.token.ok_or(AuthError::NoToken)?;
                let good = token.bytes().all(|b| b.is_ascii_graphic());
                if !good || token.len() < TOKEN_CHARS_MIN {
                    return Err(AuthError::BadToken);
                }
                Way::Token(token)
            }
            AuthMode::Users => Way::Users(self.users.ok_or(AuthError::NoUsers)?),
            AuthMode::Proxy => {
                if proxies.is_empty() {
                    return Err(AuthError::NoProxies);
                }
                let lower = |name: String| name.to_ascii_lowercase();
                Way::Proxy(Fields {
                    user: self.header_user.map(lower).ok_or(AuthError::NoHeader)?,
                    groups: self.header_groups.map(lower),
                    email: self.header_email.map(lower),
                })
            }
        };
        let max_age_ms = self.max_age_ms.unwrap_or(MAX_AGE_MS);
        if max_age_ms < MAX_AGE_MS_MIN {
            return Err(AuthError::MaxAge(max_age_ms));
        }
        Ok(Some(AuthConfig { way, max_age_ms }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_read_and_hold_their_addresses() {
        let holds = |network: &str, address: &str| {
            Network::parse(network)
                .unwrap()
                .contains(address.parse().unwrap())
        };
        assert!(holds("10.1.2.3", "10.1.2.3") && !holds("10.1.2.3", "10.1.2.4"));
        assert!(holds("10.0.0.0/8", "10.255.0.1") && !holds("10.0.0.0/8", "11.0.0.1"));
        assert!(
            holds("192.168.4.0/22", "192.168.7.255") && !holds("192.168.4.0/22", "192.168.8.0")
        );
        assert!(holds("0.0.0.0/0", "1.2.3.4") && !holds("0.0.0.0/0", "::1"));
        assert!(
            holds("127.0.0.1", "::ffff:127.0.0.1"),
            "as a socket of both kinds tells it"
        );
        assert!(
            holds("2001:db8::/33", "2001:db8::1") && !holds("2001:db8::/33", "2001:db8:8000::")
        );
        for bad in [
            "",
            "10.0.0.0/33",
            "::/129",
            "a.example",
            "10.0.0.0/-1",
            "10.0.0/8",
        ] {
            assert_eq!(Network::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn what_would_let_everybody_in_is_refused() {
        let local = [Network::parse("127.0.0.1").unwrap()];
        let of = |mode| AuthSettings {
            mode: Some(mode),
            ..AuthSettings::default()
        };
        assert_eq!(AuthSettings::default().resolve(&[]), Ok(None));
        assert_eq!(of(AuthMode::Token).resolve(&[]), Err(AuthError::NoToken));
        let short = AuthSettings {
            token: Some("short".into()),
            ..of(AuthMode::Token)
        };
        assert_eq!(short.resolve(&[]), Err(AuthError::BadToken));
        assert_eq!(of(AuthMode::Users).resolve(&[]), Err(AuthError::NoUsers));
        assert_eq!(of(AuthMode::Proxy).resolve(&[]), Err(AuthError::NoProxies));
        assert_eq!(
            of(AuthMode::Proxy).resolve(&local),
            Err(AuthError::NoHeader)
        );
        let unused = AuthSettings {
            token: Some("x".into()),
            ..AuthSettings::default()
        };
        assert_eq!(
            unused.resolve(&[]),
            Err(AuthError::Unused("token", "token"))
        );
        let brief = AuthSettings {
            max_age_ms: Some(5),
            users: Some("u".into()),
            ..of(AuthMode::Users)
        };
        assert_eq!(brief.resolve(&[]), Err(AuthError::MaxAge(5)));
    }
}
