//! Complaints: lines about those who were refused. Whoever is refused again and again writes no more lines than a log
//! can bear: beyond a few in a minute they are counted.

use std::collections::BTreeMap;

use crate::core::id::Timestamp;
use crate::server::origin::Origin;

/// Lines that one may cause in a minute.
const LINES_MAX: u64 = 20;
const PERIOD_MS: u64 = 60_000;
/// Who is told from others in a minute; all beyond are one.
const KNOWN_MAX: usize = 256;
/// Bytes of what somebody else wrote, in a line.
const QUOTED_MAX: usize = 200;

/// See the module's description.
#[derive(Debug, Default)]
pub struct Complaints {
    since: Timestamp,
    counts: BTreeMap<Option<Origin>, u64>,
}

impl Complaints {
    /// Whether one more line about this origin is to be written.
    pub fn may_tell(&mut self, origin: Option<Origin>, now: Timestamp) -> bool {
        if self.counts.is_empty() {
            self.since = now;
        }
        let is_known = self.counts.contains_key(&origin);
        let origin = origin.filter(|_| is_known || self.counts.len() < KNOWN_MAX);
        let count = self.counts.entry(origin).or_default();
        *count += 1;
        *count <= LINES_MAX
    }

    /// When a minute is over: how many lines were not written in it, and of how many origins.
    pub fn take_untold(&mut self, now: Timestamp) -> Option<(u64, usize)> {
        if self.counts.is_empty() || now < self.since + PERIOD_MS {
            return None;
        }
        let counts = std::mem::take(&mut self.counts);
        let over = counts.values().filter(|&&count| count > LINES_MAX);
        let untold: u64 = over.clone().map(|count| count - LINES_MAX).sum();
        (untold > 0).then(|| (untold, over.count()))
    }
}

/// The beginning of what somebody else wrote.
pub fn quoted(text: &str) -> String {
    if text.len() <= QUOTED_MAX {
        return format!("{text:?}");
    }
    let cut = (0..=QUOTED_MAX).rev().find(|&at| text.is_char_boundary(at));
    format!("{:?}... ({} bytes)", &text[..cut.unwrap_or(0)], text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_told_is_counted() {
        let of = |n: u32| Some(Origin::of(n.to_be_bytes().into()));
        let mut complaints = Complaints::default();
        let told = (0..100).filter(|_| complaints.may_tell(of(1), 5)).count();
        assert_eq!(told as u64, LINES_MAX);
        assert!(complaints.may_tell(of(2), 6), "others are told of");
        assert_eq!(complaints.take_untold(60_004), None);
        assert_eq!(complaints.take_untold(60_005), Some((80, 1)));
        assert!(complaints.may_tell(of(1), 60_005));
        let many = (0..100_000).filter(|&n| complaints.may_tell(of(n), 60_006));
        assert!(many.count() < KNOWN_MAX + 2 * LINES_MAX as usize);
        assert!(complaints.counts.len() <= KNOWN_MAX + 1);
    }

    #[test]
    fn long_texts_are_cut_between_letters() {
        assert_eq!(quoted("a\"b"), "\"a\\\"b\"");
        let long = "ä".repeat(5_000);
        let cut = quoted(&long);
        assert!(cut.len() < 250 && cut.ends_with("(10000 bytes)"), "{cut}");
    }
}
