//! The cookie of a login: who, until when, and a seal over both that only this server can make.
//!
//! What somebody logged in with is part of what is sealed, so that a login ends when the password changes or the
//! user is gone, and nothing about logins has to be kept.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::core::code::{hex, unhex};

/// Its name. The page's scripts cannot read it.
pub const COOKIE: &str = "lunette-login";

/// Longer ones are none of ours.
const COOKIE_BYTES_MAX: usize = 1024;

/// What seals.
pub struct Key([u8; 32]);

/// What a cookie says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    pub name: String,
    /// Names this one login.
    pub id: u128,
    /// When it is over, in milliseconds since 1970-01-01 UTC.
    pub until: i64,
}

/// A cookie that was read, and not believed yet.
pub struct Sealed {
    pub claim: Claim,
    text: String,
    seal: Vec<u8>,
}

impl Key {
    pub fn new(bytes: [u8; 32]) -> Key {
        Key(bytes)
    }

    fn over(&self, text: &str, credential: &str) -> Option<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).ok()?;
        mac.update(text.as_bytes());
        // No text that is sealed has a NUL.
        mac.update(b"\0");
        mac.update(credential.as_bytes());
        Some(mac)
    }

    /// The cookie's value for this login with this password's hash, or this secret.
    pub fn seal(&self, claim: &Claim, credential: &str) -> Option<String> {
        let Claim { name, id, until } = claim;
        let text = format!("1.{}.{id:032x}.{until}", hex(name.as_bytes()));
        let seal = self.over(&text, credential)?.finalize().into_bytes();
        Some(format!("{text}.{}", hex(&seal)))
    }

    /// Whether this server sealed it, for somebody with this credential. Takes as long for every wrong seal.
    pub fn made(&self, sealed: &Sealed, credential: &str) -> bool {
        let over = self.over(&sealed.text, credential);
        over.is_some_and(|mac| mac.verify_slice(&sealed.seal).is_ok())
    }
}

impl Sealed {
    /// Reads a cookie's value.
    pub fn read(cookie: &str) -> Option<Sealed> {
        if cookie.len() > COOKIE_BYTES_MAX {
            return None;
        }
        let (text, seal) = cookie.rsplit_once('.')?;
        let mut parts = text.strip_prefix("1.")?.split('.');
        let name = String::from_utf8(unhex(parts.next()?)?).ok()?;
        let id = u128::from_str_radix(parts.next()?, 16).ok()?;
        let until = parts.next()?.parse().ok()?;
        if parts.next().is_some() {
            return None;
        }
        Some(Sealed {
            claim: Claim { name, id, until },
            text: text.into(),
            seal: unhex(seal)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_sealed_here_is_believed() {
        let key = Key::new([7; 32]);
        let claim = Claim {
            name: "Ann Ü; a=b".into(),
            id: 5,
            until: 1_000,
        };
        let cookie = key.seal(&claim, "hash").unwrap();
        assert!(cookie.bytes().all(|b| b.is_ascii_hexdigit() || b == b'.'));
        let read = Sealed::read(&cookie).unwrap();
        assert_eq!(read.claim, claim);
        assert!(key.made(&read, "hash"));
        assert!(!key.made(&read, "another hash"), "the password was changed");
        assert!(!Key::new([8; 32]).made(&read, "hash"));
        for at in 0..cookie.len() {
            let mut altered = cookie.clone().into_bytes();
            altered[at] = if altered[at] == b'1' { b'2' } else { b'1' };
            let altered = String::from_utf8(altered).unwrap();
            let believed = Sealed::read(&altered).is_some_and(|read| key.made(&read, "hash"));
            assert!(!believed, "{altered}");
        }
        for cut in 0..cookie.len() {
            let believed = Sealed::read(&cookie[..cut]).is_some_and(|read| key.made(&read, "hash"));
            assert!(!believed, "{cut}");
        }
    }
}
