//! Downloads: files that Lua makes piece by piece, each fetched once by the browser.
//!
//! The shell asks for one piece after the other, as fast as the browser takes them: each is an event
//! ([`super::event::Event::Download`]) and answered by an effect.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use super::carry::carry;
use super::event::Opening;
use super::watch::WatchHandle;

/// Names a download in its address. Nobody can guess it who does not know the session's own address and seed.
pub type Token = u128;

/// What a session's tokens are made of by the rule
/// [`TOKENS_TELL_NOTHING`](super::limits::TOKENS_TELL_NOTHING): neither they nor `math.random` tell it. A session
/// of before has none: who knew one of its tokens could compute the others.
#[derive(Clone, Debug)]
pub struct Secret([u8; 32]);

impl Secret {
    /// That of a session which was opened like this.
    pub fn of(opening: &Opening) -> Secret {
        let hash = Sha256::new().chain_update(b"tokens of a session\n");
        let hash = hash.chain_update(opening.seed.to_le_bytes());
        Secret(
            hash.chain_update(opening.address.as_bytes())
                .finalize()
                .into(),
        )
    }

    /// The token of the `vended`th thing of a `kind`.
    pub(super) fn token(&self, kind: &str, vended: u64) -> Token {
        let hash = Sha256::new().chain_update(self.0);
        let hash = hash.chain_update(vended.to_le_bytes());
        let hash: [u8; 32] = hash.chain_update(kind.as_bytes()).finalize().into();
        hash.iter()
            .take(16)
            .fold(0, |token, &byte| token << 8 | Token::from(byte))
    }
}

/// Downloads that were offered and not fetched: the oldest makes room.
const OFFERED_MAX: usize = 100;
/// Bytes of one piece.
pub const PIECE_MAX: usize = 1 << 20;
/// Empty pieces in a row: each is a turn at once that brings nothing, so without end they would keep
/// the processor busy for as long as the browser waits.
const EMPTY_MAX: usize = 1_000;

/// What the shell says of a download.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Demand {
    /// The browser takes the next piece; with the first, the download begins.
    Next,
    /// The browser is gone, or the download is over for another reason.
    Dropped,
}

/// What the shell shall send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Comes before the first piece.
    Begin {
        name: Box<str>,
        mime: Box<str>,
    },
    Data(Vec<u8>),
    End,
    /// It cannot go on, or never began.
    Failed(String),
}

/// A download that has not ended.
#[derive(Clone, Debug)]
pub struct Download {
    pub name: Box<str>,
    pub mime: Box<str>,
    /// Keeps the function that makes the pieces.
    pub maker: WatchHandle,
    pub begun: bool,
    /// Empty pieces since the last one that was not.
    empty: usize,
}

/// Those of one session.
#[derive(Debug)]
pub struct Downloads {
    seed: u64,
    vended: u64,
    all: BTreeMap<Token, Download>,
    /// In order of their offer: those that nobody has fetched yet.
    offered: BTreeMap<u64, Token>,
}

impl Downloads {
    /// None yet; without a [`Secret`] tokens are made from `seed`.
    pub fn new(seed: u64) -> Downloads {
        Downloads {
            seed,
            vended: 0,
            all: BTreeMap::new(),
            offered: BTreeMap::new(),
        }
    }

    /// Offers one. Returns its token, and the one that had to make room, whose maker is free.
    pub fn offer(
        &mut self,
        secret: Option<&Secret>,
        name: &str,
        mime: &str,
        maker: WatchHandle,
    ) -> (Token, Option<Download>) {
        self.vended += 1;
        let token = match secret {
            Some(secret) => secret.token("download", self.vended),
            None => token(self.seed, self.vended),
        };
        let download = Download {
            name: name.into(),
            mime: mime.into(),
            maker,
            begun: false,
            empty: 0,
        };
        self.all.insert(token, download);
        self.offered.insert(self.vended, token);
        let mut out = None;
        if self.offered.len() > OFFERED_MAX
            && let Some((_, oldest)) = self.offered.pop_first()
        {
            out = self.all.remove(&oldest);
        }
        (token, out)
    }

    /// The download with this token, if it has not ended; from now on it is begun. Says whether it
    /// was before.
    pub fn take(&mut self, token: Token) -> Option<(Download, bool)> {
        let download = self.all.get_mut(&token)?;
        let was = std::mem::replace(&mut download.begun, true);
        let download = download.clone();
        if !was {
            self.offered.retain(|_, offered| *offered != token);
        }
        Some((download, was))
    }

    /// A piece of so many bytes was made. Returns whether the download may go on.
    pub fn note_piece(&mut self, token: Token, bytes: usize) -> bool {
        let Some(download) = self.all.get_mut(&token) else {
            return true;
        };
        download.empty = if bytes == 0 { download.empty + 1 } else { 0 };
        download.empty <= EMPTY_MAX
    }

    /// Those that a browser has begun to fetch.
    pub fn begun(&self) -> impl Iterator<Item = Token> {
        let begun = self.all.iter().filter(|(_, download)| download.begun);
        begun.map(|(&token, _)| token)
    }

    /// It is over.
    pub fn end(&mut self, token: Token) -> Option<Download> {
        self.offered.retain(|_, offered| *offered != token);
        self.all.remove(&token)
    }
}

/// The token of the `vended`th thing that a session with this seed gives an address, without a [`Secret`].
pub(super) fn token(seed: u64, vended: u64) -> Token {
    let low = mix(seed ^ mix(vended));
    let high = mix(low ^ mix(seed.rotate_left(32) ^ !vended));
    u128::from(high) << 64 | u128::from(low)
}

/// Mixes all bits of a number into all others (the finalizer of SplitMix64).
fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

carry!(struct Download { name, mime, maker, begun, empty });
carry!(struct Downloads { seed, vended, all, offered });

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_differ_and_the_oldest_offer_makes_room() {
        let mut downloads = Downloads::new(7);
        let (first, _) = downloads.offer(None, "a", "text/plain", 1);
        let (second, _) = downloads.offer(None, "b", "text/plain", 2);
        assert_ne!(first, second);
        assert!(!downloads.take(second).unwrap().1);
        assert!(downloads.take(second).unwrap().1);
        for n in 0..OFFERED_MAX as u64 - 1 {
            assert!(downloads.offer(None, "c", "text/plain", n).1.is_none());
        }
        let (_, out) = downloads.offer(None, "d", "text/plain", 1);
        assert_eq!(&*out.unwrap().name, "a");
        assert!(downloads.take(first).is_none());
        assert_eq!(downloads.end(second).unwrap().maker, 2);
        assert!(downloads.take(second).is_none());
        assert_ne!(Downloads::new(8).offer(None, "a", "", 1).0, first);
    }

    #[test]
    fn with_a_secret_neither_a_seed_nor_another_token_tells_one() {
        let opening = |seed, address: &str| Opening {
            seed,
            address: address.into(),
            ..Opening::default()
        };
        let secret = |seed, address| Secret::of(&opening(seed, address));
        let first = |secret: Option<&Secret>| Downloads::new(7).offer(secret, "a", "", 1).0;
        let mut all = vec![
            first(None),
            first(Some(&secret(7, "/a"))),
            first(Some(&secret(7, "/b"))),
            first(Some(&secret(8, "/a"))),
            secret(7, "/a").token("download", 2),
            secret(7, "/a").token("upload", 1),
        ];
        assert_eq!(
            all[1], 0x9c3a35dd_4655b127_d763c464_bd1fe350,
            "made once and for all: recordings have them"
        );
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 6);
    }
}
