//! Frames that are nearly the one before: while somebody types, and for an action done again.
//!
//! A frame is written as what it has in common with the last one of its connection, at its beginning and at
//! its end, and what stands between. No byte of it is lost, whatever it is.

use crate::core::code::{Sink, push_bytes, push_varint};

/// A longer frame is no typing; the next one is written whole.
const KEPT_MAX: usize = 1 << 10;
/// What must be in common, so that it saves something.
const COMMON_MIN: usize = 8;

/// The last frame of each connection that is short enough, by its number.
#[derive(Debug, Default)]
pub(super) struct Recent {
    frames: Vec<(u64, Vec<u8>)>,
}

impl Recent {
    /// Appends what stands behind the connection. Returns whether it is the difference to the last frame.
    pub fn push(&mut self, connection: u64, text: &[u8], out: &mut impl Sink) -> bool {
        let place = self.frames.iter().position(|(id, _)| *id == connection);
        let Some(place) = place else {
            push_bytes(out, text);
            if text.len() <= KEPT_MAX {
                self.frames.push((connection, text.to_vec()));
            }
            return false;
        };
        let last = &mut self.frames[place].1;
        let (front, back) = common(last, text);
        let differs = front + back >= COMMON_MIN;
        if differs {
            push_varint(out, front as u64);
            push_varint(out, back as u64);
            push_bytes(out, &text[front..text.len() - back]);
        } else {
            push_bytes(out, text);
        }
        if text.len() <= KEPT_MAX {
            last.clear();
            last.extend_from_slice(text);
        } else {
            self.frames.swap_remove(place);
        }
        differs
    }

    /// The connection is gone.
    pub fn forget(&mut self, connection: u64) {
        self.frames.retain(|(id, _)| *id != connection);
    }
}

/// How many bytes two texts have in common at their beginnings, and behind that at their ends.
fn common(a: &[u8], b: &[u8]) -> (usize, usize) {
    let same = |(a, b): &(&u8, &u8)| a == b;
    let front = a.iter().zip(b).take_while(same).count();
    let (a, b) = (a[front..].iter().rev(), b[front..].iter().rev());
    (front, a.zip(b).take_while(same).count())
}

/// The frame that differs from `last` in `middle`; `None`: `last` is shorter than what is in common.
pub(super) fn rebuilt(last: &[u8], front: usize, back: usize, middle: &[u8]) -> Option<Vec<u8>> {
    let tail = last.get(front..)?;
    let end = tail.get(tail.len().checked_sub(back)?..)?;
    Some([last.get(..front)?, middle, end].concat())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::code::Decoder;

    #[test]
    fn a_frame_comes_back_from_the_one_before() {
        let long = "x".repeat(KEPT_MAX + 1);
        let frames = [
            r#"{"value":"h"}"#,
            r#"{"value":"he"}"#,
            r#"{"value":"he"}"#,
            "",
            "aaaaaaaaaaaa",
            "aaaaaaaaaaaaaaaa",
            "aaaaaaaaaa",
            &long,
            &long,
        ];
        let mut recent = Recent::default();
        let mut last = Vec::new();
        let mut short = 0;
        for text in frames {
            let mut out = Vec::new();
            let mut differs = recent.push(7, text.as_bytes(), &mut out);
            let mut from = Decoder::new(&out);
            let back = if differs {
                short += 1;
                let mut number = || from.varint().unwrap() as usize;
                let (front, back) = (number(), number());
                rebuilt(&last, front, back, from.bytes().unwrap()).unwrap()
            } else {
                from.bytes().unwrap().to_vec()
            };
            assert!(from.is_empty());
            assert_eq!(back, text.as_bytes());
            last = back;
            differs = recent.push(8, b"another connection", &mut Vec::new());
            recent.forget(8);
            assert!(!differs);
        }
        assert_eq!(short, 4);
    }

    #[test]
    fn nonsense_is_none() {
        assert_eq!(rebuilt(b"abc", 2, 2, b""), None);
        assert_eq!(rebuilt(b"abc", 4, 0, b""), None);
        assert_eq!(rebuilt(b"abc", usize::MAX, usize::MAX, b""), None);
        assert_eq!(rebuilt(b"abc", 1, 2, b"x").unwrap(), b"axbc");
    }
}
