//! Times as they are written: `2026-01-31T12:00:00Z`, with milliseconds if there are any.

const DAY_MS: i64 = 86_400_000;

/// Milliseconds since 1970-01-01 UTC; `None`: it is no time, or not UTC.
pub fn parse_time(text: &str) -> Option<i64> {
    let (date, clock) = text.strip_suffix('Z')?.split_once('T')?;
    let [year, month, day] = numbers(date, '-')?;
    let (clock, milliseconds) = clock.split_once('.').unwrap_or((clock, "000"));
    let [hour, minute, second] = numbers(clock, ':')?;
    let milliseconds: i64 = match milliseconds.len() {
        3 => milliseconds.parse().ok()?,
        _ => return None,
    };
    let fits = (0..24).contains(&hour) && (0..60).contains(&minute) && (0..60).contains(&second);
    let days = days_before(year, month)? + day - 1;
    // The day after the last one of a month would be written otherwise.
    let is_day = day >= 1 && days < days_before(year + month / 12, month % 12 + 1)?;
    let ms = (hour * 3600 + minute * 60 + second) * 1000 + milliseconds;
    (fits && is_day).then_some(days * DAY_MS + ms)
}

/// A time as recordings have it: `2026-01-31T12:00:00.250Z`.
pub fn show_time(ms: i64) -> String {
    let (days, rest) = (ms.div_euclid(DAY_MS), ms.rem_euclid(DAY_MS));
    // At least one day of a year, and never too late.
    let mut year = 1970 + days.div_euclid(366).min(days.div_euclid(365));
    while days_before(year + 1, 1).is_some_and(|first| first <= days) {
        year += 1;
    }
    let mut month = 1;
    while month < 12 && days_before(year, month + 1).is_some_and(|first| first <= days) {
        month += 1;
    }
    let day = days - days_before(year, month).unwrap_or(days) + 1;
    let (seconds, milliseconds) = (rest / 1000, rest % 1000);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let fraction = match milliseconds {
        0 => String::new(),
        ms => format!(".{ms:03}"),
    };
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}Z")
}

fn numbers(text: &str, between: char) -> Option<[i64; 3]> {
    let mut parts = text.split(between).map(|part| {
        let digits = part.bytes().all(|b| b.is_ascii_digit());
        part.parse::<i64>()
            .ok()
            .filter(|_| digits && part.len() <= 4)
    });
    let three = [parts.next()??, parts.next()??, parts.next()??];
    parts.next().is_none().then_some(three)
}

/// Days from 1970-01-01 to the first of a month.
fn days_before(year: i64, month: i64) -> Option<i64> {
    const BEFORE: [i64; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
    let before = BEFORE.get(usize::try_from(month - 1).ok()?)?;
    let leaps = |year: i64| year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    let is_leap = leaps(year) != leaps(year - 1);
    let years = (year - 1970) * 365 + leaps(year - 1) - leaps(1969);
    Some(years + before + i64::from(is_leap && month > 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_they_are_shown() {
        let known = [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400_000, "2000-02-29T00:00:00Z"),
            (1_767_225_599_999, "2025-12-31T23:59:59.999Z"),
            (1_772_323_200_000, "2026-03-01T00:00:00Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
        ];
        for (ms, text) in known {
            assert_eq!(show_time(ms), text);
            assert_eq!(parse_time(text), Some(ms));
        }
        for day in -30_000..60_000 {
            let ms = day * DAY_MS + 1;
            assert_eq!(parse_time(&show_time(ms)), Some(ms));
        }
        for wrong in [
            "",
            "2026-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-01-01T24:00:00Z",
            "2026-01-01 00:00:00Z",
            "2026-01-01T00:00:00",
            "2026-01-01T00:00:00.1Z",
        ] {
            assert_eq!(parse_time(wrong), None, "{wrong}");
        }
    }
}
