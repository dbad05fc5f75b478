//! From when to when a certificate holds. Only to warn: whether one is believed is for clients to say, and one that
//! cannot be read here is none to warn of.

use crate::testing::time::{parse_time, show_time};

const DAY_MS: i64 = 86_400_000;
/// That it will end is told before: who renews certificates does so weeks ahead, and here nobody has.
const SOON_MS: i64 = 14 * DAY_MS;

/// What there is to say of a certificate's time at `now`, ms since 1970.
pub fn complaint(der: &[u8], now: i64) -> Option<String> {
    let (begins, ends) = validity(der)?;
    let days = ends.saturating_sub(now) / DAY_MS;
    if ends < now {
        Some(format!(
            "has expired: it was good until {}",
            show_time(ends)
        ))
    } else if begins > now {
        Some(format!(
            "is good from {} on, and not yet",
            show_time(begins)
        ))
    } else if ends.saturating_sub(now) < SOON_MS {
        let until = show_time(ends);
        Some(format!("is good until {until}, for {days} more days"))
    } else {
        None
    }
}

/// RFC 5280, section 4.1: a certificate begins with what is signed, and that with its version (if it is told), serial
/// number, algorithm and issuer.
fn validity(der: &[u8]) -> Option<(i64, i64)> {
    let mut signed = content(&mut { content(&mut { der }, &[SEQUENCE])? }, &[SEQUENCE])?;
    let mut rest = signed;
    if content(&mut rest, &[VERSION]).is_some() {
        signed = rest;
    }
    content(&mut signed, &[INTEGER])?;
    content(&mut signed, &[SEQUENCE])?;
    content(&mut signed, &[SEQUENCE])?;
    let mut validity = content(&mut signed, &[SEQUENCE])?;
    Some((time(&mut validity)?, time(&mut validity)?))
}

const INTEGER: u8 = 0x02;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;

/// Takes an element of one of these tags off, and gives what is in it.
fn content<'a>(der: &mut &'a [u8], tags: &[u8]) -> Option<&'a [u8]> {
    let (tag, rest) = der.split_first()?;
    let (&short, rest) = rest.split_first()?;
    // From 128 on: in how many bytes the length stands.
    let bytes = usize::from(short.saturating_sub(0x80));
    let (long, rest) = rest.split_at_checked(bytes)?;
    let length = match long {
        [] => usize::from(short),
        _ if bytes > 3 => return None,
        _ => long.iter().fold(0, |n, &byte| n << 8 | usize::from(byte)),
    };
    let (content, rest) = rest.split_at_checked(length)?;
    *der = rest;
    tags.contains(tag).then_some(content)
}

/// `YYMMDDHHMMSSZ` from 1950 to 2049, `YYYYMMDDHHMMSSZ` after.
fn time(der: &mut &[u8]) -> Option<i64> {
    let digits = str::from_utf8(content(der, &[UTC_TIME, GENERALIZED_TIME])?).ok()?;
    let digits = match digits.len() {
        13 if digits < "5" => format!("20{digits}"),
        13 => format!("19{digits}"),
        _ => digits.to_owned(),
    };
    let part = |from: usize| digits.get(from..from + 2);
    let (year, month, day) = (digits.get(..4)?, part(4)?, part(6)?);
    let (hour, minute, second) = (part(8)?, part(10)?, part(12)?);
    let zone = digits.get(14..)?;
    parse_time(&format!(
        "{year}-{month}-{day}T{hour}:{minute}:{second}{zone}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;

    fn certificate() -> Vec<u8> {
        let pem = include_bytes!("../../../tests/tls/first.cert.pem");
        let der = CertificateDer::from_pem_slice(pem).expect("a certificate");
        der.to_vec()
    }

    #[test]
    fn a_certificate_tells_its_time_in_both_ways() {
        let (begins, ends) = validity(&certificate()).expect("a time");
        assert_eq!(show_time(begins), "2020-01-01T00:00:00Z");
        assert_eq!(show_time(ends), "2120-01-01T00:00:00Z");
        let told = |now: i64| complaint(&certificate(), now).unwrap_or_default();
        assert_eq!(
            told(begins - 1),
            "is good from 2020-01-01T00:00:00Z on, and not yet"
        );
        assert_eq!(told(begins), "");
        assert_eq!(told(ends - SOON_MS), "");
        assert_eq!(
            told(ends - DAY_MS - 1),
            "is good until 2120-01-01T00:00:00Z, for 1 more days"
        );
        assert_eq!(
            told(ends + 1),
            "has expired: it was good until 2120-01-01T00:00:00Z"
        );
        assert_eq!(
            time(&mut &b"\x17\x0d491231235959Z"[..]),
            parse_time("2049-12-31T23:59:59Z")
        );
        assert_eq!(
            time(&mut &b"\x17\x0d500101000000Z"[..]),
            parse_time("1950-01-01T00:00:00Z")
        );
    }

    #[test]
    fn what_is_no_certificate_has_no_time() {
        let der = certificate();
        for length in 0..der.len() {
            assert_eq!(validity(&der[..length]), None);
        }
        // Whatever comes of it.
        for at in 0..der.len() {
            for value in [0, 0x7f, 0x80, 0x84, 0xff] {
                let mut odd = der.clone();
                odd[at] = value;
                let _ = complaint(&odd, i64::MAX);
            }
        }
        for odd in [
            &b"\x17\x0d4913312359599"[..],
            b"\x17\x0d49123123\xc3\xa99Z1",
            b"\x18\x00",
        ] {
            assert_eq!(time(&mut { odd }), None);
        }
    }
}
