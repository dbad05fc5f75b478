//! Writing value JSON straight into an output buffer.

use std::io::Write;

/// Appends `text` as a JSON string. Bad UTF-8 is replaced by U+FFFD; returns whether all was good.
pub fn push_str(out: &mut Vec<u8>, text: &[u8]) -> bool {
    match std::str::from_utf8(text) {
        Ok(text) => {
            push_escaped(out, text.as_bytes());
            true
        }
        Err(_) => {
            push_escaped(out, String::from_utf8_lossy(text).as_bytes());
            false
        }
    }
}

/// Appends valid UTF-8 as a JSON string.
fn push_escaped(out: &mut Vec<u8>, text: &[u8]) {
    out.reserve(text.len() + 2);
    out.push(b'"');
    push_escaped_inner(out, text);
    out.push(b'"');
}

/// The same without the quotes around it.
pub fn push_escaped_inner(out: &mut Vec<u8>, text: &[u8]) {
    let mut clean = 0;
    for (i, &byte) in text.iter().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.extend_from_slice(&text[clean..i]);
        clean = i + 1;
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            _ => {
                const HEX: &[u8; 16] = b"0123456789abcdef";
                out.extend_from_slice(b"\\u00");
                out.push(HEX[usize::from(byte >> 4)]);
                out.push(HEX[usize::from(byte & 15)]);
            }
        }
    }
    out.extend_from_slice(&text[clean..]);
}

/// Appends an integer.
pub fn push_int(out: &mut Vec<u8>, value: i64) {
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    let mut rest = value.unsigned_abs();
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if value < 0 {
        out.push(b'-');
    }
    out.extend_from_slice(&digits[at..]);
}

/// Appends a float: without a fraction if it has none, else the shortest text that reads back the
/// same. Returns false, and writes `null`, for NaN and the infinities, which JSON does not have.
pub fn push_float(out: &mut Vec<u8>, value: f64) -> bool {
    if !value.is_finite() {
        out.extend_from_slice(b"null");
        return false;
    }
    let size = value.abs();
    if value.fract() == 0.0 && size < 1e15 {
        push_int(out, value as i64);
        return true;
    }
    // Writing into a Vec cannot fail.
    let _ = if (1e-6..1e17).contains(&size) {
        write!(out, "{value}")
    } else {
        write!(out, "{value:e}")
    };
    true
}

/// Appends a reference to object `number`.
pub fn push_object(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(b"{\"obj\":");
    push_int(out, number as i64);
    out.push(b'}');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn float(value: f64) -> String {
        let mut out = Vec::new();
        push_float(&mut out, value);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn floats_read_back_the_same() {
        for (value, text) in [
            (3.0, "3"),
            (-0.5, "-0.5"),
            (0.1 + 0.2, "0.30000000000000004"),
            (1e300, "1e300"),
            (1e-9, "1e-9"),
            (123456789012345680.0, "1.2345678901234568e17"),
        ] {
            assert_eq!(float(value), text);
            assert_eq!(serde_json::from_str::<f64>(text).unwrap(), value);
        }
        assert_eq!(float(f64::NAN), "null");
        assert_eq!(float(f64::INFINITY), "null");
    }

    #[test]
    fn strings_are_escaped_and_bad_bytes_replaced() {
        let mut out = Vec::new();
        assert!(push_str(&mut out, b"a\"\\\n\x01<\xc3\xa9"));
        assert_eq!(out, b"\"a\\\"\\\\\\n\\u0001<\xc3\xa9\"");
        let mut out = Vec::new();
        assert!(!push_str(&mut out, b"a\xff"));
        assert_eq!(out, "\"a\u{fffd}\"".as_bytes());
    }

    #[test]
    fn integers_cover_the_whole_range() {
        for value in [0, 7, -7, i64::MAX, i64::MIN] {
            let mut out = Vec::new();
            push_int(&mut out, value);
            assert_eq!(String::from_utf8(out).unwrap(), value.to_string());
        }
    }
}
