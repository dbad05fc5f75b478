//! Which session is meant by who names one: by its id, by the beginning of it, or by the number that logs give it. Never
//! one of several, and never one that only might be meant: what is done to it cannot be taken back.

use std::fmt::Write;

/// Characters of an id that are a beginning: fewer are too easily those of another session.
const BEGINNING_MIN: usize = 4;
/// So many digits alone are a number: of a session that is over no other may be meant, whose id begins alike.
const NUMBER_MAX: usize = 7;
/// Ids that are told of those that may be meant.
const TOLD_MAX: usize = 8;

/// A session that there is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    pub sid: String,
    /// What its log lines begin with; `None`: that cannot be read any more.
    pub number: Option<u64>,
}

/// Why nobody knows which session is meant.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    #[error("{0}: there is no such session; lunette sessions lists those there are")]
    Nobody(String),
    #[error("{name}: this may be {}; write more of the id", listed(.may_be))]
    Several { name: String, may_be: Vec<Known> },
}

fn listed(sessions: &[Known]) -> String {
    let mut out = String::new();
    for (at, session) in sessions.iter().take(TOLD_MAX).enumerate() {
        out.push_str(if at == 0 { "" } else { ", or " });
        out.push_str(&session.sid);
        if let Some(number) = session.number {
            // Writing into a String cannot fail.
            let _ = write!(out, " (session {number})");
        }
    }
    if let more @ 1.. = sessions.len().saturating_sub(TOLD_MAX) {
        let _ = write!(out, ", or one of {more} more");
    }
    out
}

/// The id of the session that `name` means.
///
/// # Errors
/// When it means none of them, or more than one.
pub fn meant(name: &str, known: &mut dyn Iterator<Item = Known>) -> Result<String, NameError> {
    let number = name.bytes().all(|b| b.is_ascii_digit()).then_some(name);
    let number: Option<u64> = number.and_then(|digits| digits.parse().ok());
    let may_begin = name.len() >= BEGINNING_MIN && (number.is_none() || name.len() > NUMBER_MAX);
    let (mut numbered, mut begun) = (Vec::<Known>::new(), Vec::<Known>::new());
    for session in known {
        if session.sid == name {
            return Ok(session.sid);
        }
        let meant = match number.is_some() && session.number == number {
            true => &mut numbered,
            false if may_begin && session.sid.starts_with(name) => &mut begun,
            false => continue,
        };
        // One that began anew beside the journal it lost is there twice.
        if meant.iter().all(|known| known.sid != session.sid) {
            meant.push(session);
        }
    }
    let mut may_be = if numbered.is_empty() { begun } else { numbered };
    let name = name.to_owned();
    match may_be.len() {
        0 => Err(NameError::Nobody(name)),
        1 => Ok(may_be.swap_remove(0).sid),
        _ => Err(NameError::Several { name, may_be }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn among(name: &str) -> Result<String, String> {
        let known = [
            ("12ab0000", Some(3)),
            ("12ab1111", Some(1234)),
            ("12345678", Some(5)),
            ("1234ffff", Some(12_345_678)),
            ("5eee0000", None),
            ("5eee0000", Some(6)),
        ];
        let known = known.map(|(sid, number)| Known {
            sid: sid.into(),
            number,
        });
        meant(name, &mut known.into_iter()).map_err(|error| error.to_string())
    }

    #[test]
    fn ids_beginnings_and_numbers_name_one_session_or_none() {
        for (name, sid) in [
            ("12ab0000", "12ab0000"),
            ("12ab0", "12ab0000"),
            ("3", "12ab0000"),
            ("1234", "12ab1111"),
            ("1234f", "1234ffff"),
            ("12345678", "12345678"),
            ("5eee", "5eee0000"),
            ("6", "5eee0000"),
        ] {
            assert_eq!(among(name).as_deref(), Ok(sid), "{name}");
        }
        for name in ["", "5ee", "123", "12345", "12abc", "99", "-3"] {
            let told = among(name).unwrap_err();
            assert!(told.contains("no such session"), "{name}: {told}");
        }
        assert_eq!(
            among("12ab").unwrap_err(),
            "12ab: this may be 12ab0000 (session 3), or 12ab1111 (session 1234); write more of the id"
        );
    }
}
