//! Durations and sizes as people write them.

/// `0`, `500ms`, `90s`, `30m`, `24h`, `7d`, and sums of them such as `1h30m`.
///
/// # Errors
/// When it is none of these.
pub fn parse_duration_ms(text: &str) -> Result<u64, String> {
    let bad = || format!("{text:?} is no duration: write 90s, 30m, 24h, or 0");
    if text == "0" {
        return Ok(0);
    }
    let mut total = 0u64;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let number: u64 = rest[..digits].parse().map_err(|_| bad())?;
        let unit_end = rest[digits..]
            .find(|c: char| c.is_ascii_digit())
            .map_or(rest.len(), |i| digits + i);
        let unit_ms = match &rest[digits..unit_end] {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return Err(bad()),
        };
        total = number
            .checked_mul(unit_ms)
            .and_then(|ms| total.checked_add(ms))
            .ok_or_else(bad)?;
        rest = &rest[unit_end..];
    }
    match text.is_empty() {
        true => Err(bad()),
        false => Ok(total),
    }
}

/// `1048576`, `512K`, `16M`.
///
/// # Errors
/// When it is none of these.
pub fn parse_bytes(text: &str) -> Result<usize, String> {
    let bad = || format!("{text:?} is no size: write bytes, or 512K, 16M, 1G");
    let (digits, factor) = match text.char_indices().last() {
        Some((at, 'K' | 'k')) => (&text[..at], 1 << 10),
        Some((at, 'M' | 'm')) => (&text[..at], 1 << 20),
        Some((at, 'G' | 'g')) => (&text[..at], 1 << 30),
        _ => (text, 1),
    };
    let number: usize = digits.parse().map_err(|_| bad())?;
    number.checked_mul(factor).ok_or_else(bad)
}

/// A duration as it can be written.
pub fn duration(ms: u64) -> String {
    match ms {
        0 => "0".into(),
        ms if ms % 3_600_000 == 0 => format!("{}h", ms / 3_600_000),
        ms if ms % 60_000 == 0 => format!("{}m", ms / 60_000),
        ms if ms % 1_000 == 0 => format!("{}s", ms / 1_000),
        ms => format!("{ms}ms"),
    }
}

/// A size as it can be written.
pub fn bytes(bytes: u64) -> String {
    match bytes.trailing_zeros() {
        _ if bytes == 0 => "0".into(),
        30.. => format!("{}G", bytes >> 30),
        20.. => format!("{}M", bytes >> 20),
        10.. => format!("{}K", bytes >> 10),
        _ => bytes.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_can_be_written() {
        for ms in [0, 1, 999, 1_000, 61_000, 90_000, 3_600_000, 86_400_000] {
            assert_eq!(parse_duration_ms(&duration(ms)), Ok(ms));
        }
        for size in [0, 1, 1 << 10, (1 << 10) + 1, 5 << 20, 1 << 30, 3 << 40] {
            assert_eq!(parse_bytes(&bytes(size as u64)), Ok(size));
        }
        assert_eq!(
            (duration(86_400_000), bytes(1 << 20)),
            ("24h".into(), "1M".into())
        );
    }

    #[test]
    fn durations_and_sizes() {
        assert_eq!(parse_duration_ms("0"), Ok(0));
        assert_eq!(parse_duration_ms("250ms"), Ok(250));
        assert_eq!(parse_duration_ms("24h"), Ok(86_400_000));
        for bad in ["", "5", "h", "1x", "-1s", "99999999999999999999d", "1.5h"] {
            assert!(parse_duration_ms(bad).is_err(), "{bad}");
        }
        assert_eq!(parse_bytes("16M"), Ok(16 << 20));
        assert_eq!(parse_bytes("1000"), Ok(1000));
        for bad in ["", "M", "-1", "1T", "99999999999999999999K"] {
            assert!(parse_bytes(bad).is_err(), "{bad}");
        }
    }
}
