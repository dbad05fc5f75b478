//! Origin: whom an address stands for, and how much each of them has of something that all share.

use std::collections::HashMap;
use std::net::IpAddr;

/// The network of a household: everybody with one address of version 6 has 2^64 of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin(u128);

impl Origin {
    pub fn of(address: IpAddr) -> Origin {
        match address.to_canonical() {
            IpAddr::V4(address) => Origin(u128::from(address.to_bits())),
            IpAddr::V6(address) => Origin(address.to_bits() >> 64 << 64),
        }
    }
}

/// How many each has.
#[derive(Debug, Default)]
pub struct Shares {
    counts: HashMap<Origin, usize>,
}

impl Shares {
    pub fn of(&self, origin: Origin) -> usize {
        self.counts.get(&origin).copied().unwrap_or(0)
    }

    pub fn take(&mut self, origin: Origin) {
        *self.counts.entry(origin).or_default() += 1;
    }

    pub fn give_back(&mut self, origin: Origin) {
        if let Some(count) = self.counts.get_mut(&origin) {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(&origin);
            }
        }
        if self.counts.is_empty() {
            self.counts.shrink_to_fit();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_household_is_one_and_others_are_others() {
        let of = |text: &str| Origin::of(text.parse().unwrap());
        assert_eq!(of("192.0.2.1"), of("::ffff:192.0.2.1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
        assert_eq!(of("2001:db8::1"), of("2001:db8::2:3"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        let mut shares = Shares::default();
        shares.take(of("192.0.2.1"));
        shares.take(of("192.0.2.1"));
        shares.give_back(of("192.0.2.1"));
        assert_eq!(shares.of(of("192.0.2.1")), 1);
        shares.give_back(of("192.0.2.1"));
        assert_eq!(shares.of(of("192.0.2.1")), 0);
        assert!(shares.counts.is_empty());
    }
}
