//! Attempts: how often somebody may try a password.
//!
//! Who tries is known by address, and by address and name. Each may try some times at once and then again every few
//! seconds, for ever: nobody is locked out for long, least of all by others who try their name from elsewhere.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::core::id::Timestamp;
use crate::server::origin::Origin;

/// Tries at one name from one address: five at once, then one every 12 seconds.
const OF_NAME: Pace = Pace {
    each_ms: 12_000,
    burst: 5,
};
/// Tries at all names from one address. Many people can be behind one.
const OF_ADDRESS: Pace = Pace {
    each_ms: 2_000,
    burst: 30,
};

/// Who tried lately. Beyond that, those are forgotten who could try again soonest.
const KNOWN_MAX: usize = 4_096;
/// Of a name, so many bytes tell it from others.
const NAME_BYTES: usize = 64;

#[derive(Clone, Copy)]
struct Pace {
    each_ms: u64,
    burst: u64,
}

/// Somebody, and a name or all of them.
type Who = (Origin, Option<Box<str>>);

/// See the module's description.
#[derive(Debug, Default)]
pub struct Attempts {
    /// When each would have all of its tries again.
    full_at: BTreeMap<Who, Timestamp>,
}

impl Attempts {
    /// Takes one try, or tells in how many milliseconds there is one.
    ///
    /// # Errors
    /// When there is none now.
    pub fn spend(&mut self, address: IpAddr, name: &str, now: Timestamp) -> Result<(), u64> {
        self.check(address, name, now)?;
        for (who, pace) in whos(address, name) {
            let full_at = self.full_at.entry(who).or_insert(now);
            *full_at = (*full_at).max(now) + pace.each_ms;
        }
        self.bound(now);
        Ok(())
    }

    /// Tells in how many milliseconds there is a try, if there is none now.
    ///
    /// # Errors
    /// When there is none.
    pub fn check(&self, address: IpAddr, name: &str, now: Timestamp) -> Result<(), u64> {
        for (who, pace) in &whos(address, name) {
            let full_at = self.full_at.get(who).map_or(now, |&at| at.max(now));
            let room = now + pace.each_ms * (pace.burst - 1);
            if full_at > room {
                return Err(full_at - room);
            }
        }
        Ok(())
    }

    /// The try was right: it does not count, and those before it at this name neither.
    pub fn give_back(&mut self, address: IpAddr, name: &str) {
        let [(of_name, _), (of_address, pace)] = whos(address, name);
        self.full_at.remove(&of_name);
        if let Some(full_at) = self.full_at.get_mut(&of_address) {
            *full_at = full_at.saturating_sub(pace.each_ms);
        }
    }

    fn bound(&mut self, now: Timestamp) {
        if self.full_at.len() <= KNOWN_MAX {
            return;
        }
        self.full_at.retain(|_, full_at| *full_at > now);
        while self.full_at.len() > KNOWN_MAX {
            let soonest = self.full_at.iter().min_by_key(|(_, at)| **at);
            let Some(soonest) = soonest.map(|(who, _)| who.clone()) else {
                return;
            };
            self.full_at.remove(&soonest);
        }
    }
}

fn whos(address: IpAddr, name: &str) -> [(Who, Pace); 2] {
    let origin = Origin::of(address);
    let end = (0..=NAME_BYTES.min(name.len())).rev();
    let cut = end.into_iter().find(|&at| name.is_char_boundary(at));
    let name = &name[..cut.unwrap_or(0)];
    // A token is nobody's in particular, and too long to be guessed soon.
    let pace = if name.is_empty() { OF_ADDRESS } else { OF_NAME };
    [
        ((origin, Some(name.into())), pace),
        ((origin, None), OF_ADDRESS),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(n: u32) -> IpAddr {
        IpAddr::from(n.to_be_bytes())
    }

    #[test]
    fn who_fails_waits_and_is_never_locked_out() {
        let mut attempts = Attempts::default();
        for _ in 0..5 {
            assert_eq!(attempts.spend(address(1), "ann", 0), Ok(()));
        }
        assert_eq!(attempts.spend(address(1), "ann", 0), Err(12_000));
        assert_eq!(attempts.spend(address(1), "bob", 0), Ok(()), "another name");
        assert_eq!(
            attempts.spend(address(2), "ann", 0),
            Ok(()),
            "from elsewhere"
        );
        assert_eq!(attempts.spend(address(1), "ann", 11_999), Err(1));
        assert_eq!(attempts.spend(address(1), "ann", 12_000), Ok(()));
        assert_eq!(attempts.spend(address(1), "ann", 12_000), Err(12_000));
        attempts.give_back(address(1), "ann");
        assert_eq!(attempts.spend(address(1), "ann", 12_000), Ok(()));
    }

    #[test]
    fn an_address_cannot_try_all_names() {
        let mut attempts = Attempts::default();
        let taken = (0..1_000).filter(|n| attempts.spend(address(1), &n.to_string(), 0).is_ok());
        assert_eq!(taken.count(), 30);
        let six = |text: &str| text.parse::<IpAddr>().unwrap();
        for n in 0..30 {
            let own = six(&format!("2001:db8::{n}"));
            assert_eq!(attempts.spend(own, &n.to_string(), 0), Ok(()));
        }
        assert!(attempts.spend(six("2001:db8::ffff"), "x", 0).is_err());
    }

    #[test]
    fn the_table_is_bounded() {
        let mut attempts = Attempts::default();
        for n in 0..20_000 {
            let _ = attempts.spend(address(n), "ann", u64::from(n / 10_000));
        }
        assert!(attempts.full_at.len() <= KNOWN_MAX);
    }
}
