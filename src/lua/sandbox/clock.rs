//! `os.time`, `os.clock`, `os.date` and `os.difftime` over the time that a turn is frozen at, in UTC
//! and without the C library's clock, zone or locale.

use mlua::ffi::{self, lua_State};
use std::cell::Cell;
use std::ffi::CStr;
use std::os::raw::c_int;

/// Years beyond these are refused: their days would not fit the arithmetic below.
const YEARS: std::ops::RangeInclusive<i64> = -999_999..=999_999;
const DAY: i64 = 86_400;

/// The time of the turn that runs on this thread.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TurnTime {
    /// Milliseconds since the session began, or any other fixed moment; never goes back.
    pub now_ms: u64,
    /// Milliseconds since 1970, UTC.
    pub wall_ms: u64,
}

thread_local! {
    static TURN: Cell<TurnTime> = const { Cell::new(TurnTime { now_ms: 0, wall_ms: 0 }) };
}

/// Sets what Lua code finds the time to be until the next call. To be called with every turn.
pub fn set_turn(time: TurnTime) {
    TURN.set(time);
}

pub fn turn() -> TurnTime {
    TURN.get()
}

/// A moment as a calendar shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Civil {
    year: i64,
    /// 1 to 12
    month: i64,
    /// 1 to 31
    day: i64,
    hour: i64,
    minute: i64,
    second: i64,
    /// 0 is Sunday
    weekday: i64,
    /// 0 is the first of January
    yearday: i64,
}

/// Days since 1970 of a date, for any year and month 1 to 12 (Howard Hinnant's algorithm).
fn days_of(year: i64, month: i64, day: i64) -> i64 {
    let shifted = if month <= 2 { year - 1 } else { year };
    let era = shifted.div_euclid(400);
    let year_of_era = shifted.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

impl Civil {
    fn of(seconds: i64) -> Self {
        let (days, rest) = (seconds.div_euclid(DAY), seconds.rem_euclid(DAY));
        let shifted = days + 719_468;
        let era = shifted.div_euclid(146_097);
        let day_of_era = shifted.rem_euclid(146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_shifted = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month_shifted + 2) / 5 + 1;
        let month = if month_shifted < 10 {
            month_shifted + 3
        } else {
            month_shifted - 9
        };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        Self {
            year,
            month,
            day,
            hour: rest / 3600,
            minute: rest % 3600 / 60,
            second: rest % 60,
            weekday: (days + 4).rem_euclid(7),
            yearday: days - days_of(year, 1, 1),
        }
    }

    /// The week of the year, weeks beginning on `first` (0: Sunday).
    fn week(&self, first: i64) -> i64 {
        (self.yearday + 7 - (self.weekday - first).rem_euclid(7)) / 7
    }

    /// ISO 8601: the year that the week belongs to, and its number.
    fn iso_week(&self) -> (i64, i64) {
        let weekday = (self.weekday + 6) % 7;
        let week = (self.yearday - weekday + 10) / 7;
        let weeks = |year: i64| {
            let first = (days_of(year, 1, 1) + 3).rem_euclid(7);
            let leap = days_of(year + 1, 1, 1) - days_of(year, 1, 1) == 366;
            if first == 3 || (first == 2 && leap) {
                53
            } else {
                52
            }
        };
        if week < 1 {
            (self.year - 1, weeks(self.year - 1))
        } else if week > weeks(self.year) {
            (self.year + 1, 1)
        } else {
            (self.year, week)
        }
    }
}

const WEEKDAYS: [&str; 7] = [
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
];
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// The text of one conversion letter; `None`: there is no such letter.
fn conversion(letter: u8, at: &Civil, seconds: i64) -> Option<String> {
    let (weekday, month) = (WEEKDAYS[at.weekday as usize], MONTHS[at.month as usize - 1]);
    let hour12 = (at.hour + 11) % 12 + 1;
    Some(match letter {
        b'a' => weekday[..3].to_string(),
        b'A' => weekday.to_string(),
        b'b' | b'h' => month[..3].to_string(),
        b'B' => month.to_string(),
        b'c' => several("%a %b %e %H:%M:%S %Y", at, seconds),
        b'C' => format!("{:02}", at.year.div_euclid(100)),
        b'd' => format!("{:02}", at.day),
        b'D' | b'x' => several("%m/%d/%y", at, seconds),
        b'e' => format!("{:2}", at.day),
        b'F' => several("%Y-%m-%d", at, seconds),
        b'g' => format!("{:02}", at.iso_week().0.rem_euclid(100)),
        b'G' => at.iso_week().0.to_string(),
        b'H' => format!("{:02}", at.hour),
        b'I' => format!("{hour12:02}"),
        b'j' => format!("{:03}", at.yearday + 1),
        b'm' => format!("{:02}", at.month),
        b'M' => format!("{:02}", at.minute),
        b'n' => "\n".to_string(),
        b'p' => if at.hour < 12 { "AM" } else { "PM" }.to_string(),
        b'r' => several("%I:%M:%S %p", at, seconds),
        b'R' => several("%H:%M", at, seconds),
        b's' => seconds.to_string(),
        b'S' => format!("{:02}", at.second),
        b't' => "\t".to_string(),
        b'T' | b'X' => several("%H:%M:%S", at, seconds),
        b'u' => ((at.weekday + 6) % 7 + 1).to_string(),
        b'U' => format!("{:02}", at.week(0)),
        b'V' => format!("{:02}", at.iso_week().1),
        b'w' => at.weekday.to_string(),
        b'W' => format!("{:02}", at.week(1)),
        b'y' => format!("{:02}", at.year.rem_euclid(100)),
        b'Y' => at.year.to_string(),
        b'z' => "+0000".to_string(),
        b'Z' => "UTC".to_string(),
        b'%' => "%".to_string(),
        _ => return None,
    })
}

fn several(format: &str, at: &Civil, seconds: i64) -> String {
    format_date(format.as_bytes(), at, seconds).unwrap_or_default()
}

/// The formatted text, or the conversion that there is not.
fn format_date(format: &[u8], at: &Civil, seconds: i64) -> Result<String, u8> {
    let mut text = Vec::new();
    let mut bytes = format.iter().copied();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            text.push(byte);
            continue;
        }
        let mut letter = bytes.next().unwrap_or(b' ');
        if letter == b'E' || letter == b'O' {
            letter = bytes.next().unwrap_or(b' ');
        }
        text.extend_from_slice(conversion(letter, at, seconds).ok_or(letter)?.as_bytes());
    }
    Ok(String::from_utf8(text)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
}

pub(crate) unsafe extern "C-unwind" fn os_clock(state: *mut lua_State) -> c_int {
    // SAFETY: a C function of Lua.
    unsafe { ffi::lua_pushnumber(state, turn().now_ms as f64 / 1000.0) };
    1
}

pub(crate) unsafe extern "C-unwind" fn os_difftime(state: *mut lua_State) -> c_int {
    // SAFETY: a C function of Lua.
    unsafe {
        let (later, earlier) = (
            ffi::luaL_checknumber(state, 1),
            ffi::luaL_optnumber(state, 2, 0.0),
        );
        ffi::lua_pushnumber(state, later - earlier);
    }
    1
}

/// A field of the table at 1 that `os.time` reads.
unsafe fn field(state: *mut lua_State, name: &'static CStr, default: Option<i64>) -> i64 {
    // SAFETY: called from C functions of Lua.
    unsafe {
        let kind = ffi::lua_getfield(state, 1, name.as_ptr());
        let mut exact = 0;
        let mut number = ffi::lua_tointegerx(state, -1, &raw mut exact);
        if exact == 0 {
            if kind == ffi::LUA_TNUMBER {
                number = ffi::lua_tonumber(state, -1) as i64;
            } else if kind != ffi::LUA_TNIL {
                ffi::luaL_error(
                    state,
                    c"field '%s' is not an integer".as_ptr(),
                    name.as_ptr(),
                );
            } else if let Some(default) = default {
                number = default;
            } else {
                ffi::luaL_error(
                    state,
                    c"field '%s' missing in date table".as_ptr(),
                    name.as_ptr(),
                );
            }
        }
        ffi::lua_pop(state, 1);
        if !(-1_000_000_000_000..=1_000_000_000_000).contains(&number) {
            ffi::luaL_error(state, c"field '%s' is out-of-bound".as_ptr(), name.as_ptr());
        }
        number
    }
}

/// Without an argument the turn's time; with a table its moment, the table put in order.
pub(crate) unsafe extern "C-unwind" fn os_time(state: *mut lua_State) -> c_int {
    // SAFETY: a C function of Lua that holds nothing to drop.
    unsafe {
        if ffi::lua_isnoneornil(state, 1) != 0 {
            ffi::lua_pushinteger(state, (turn().wall_ms / 1000) as i64);
            return 1;
        }
        ffi::luaL_checktype(state, 1, ffi::LUA_TTABLE);
        ffi::lua_settop(state, 1);
        let months = field(state, c"month", None) - 1;
        let year = field(state, c"year", None) + months.div_euclid(12);
        if !YEARS.contains(&year) {
            return ffi::luaL_error(
                state,
                c"time result cannot be represented: the year is out of range".as_ptr(),
            );
        }
        let days = days_of(year, months.rem_euclid(12) + 1, 1) + field(state, c"day", None) - 1;
        let minutes = field(state, c"hour", Some(12)) * 60 + field(state, c"min", Some(0));
        let seconds = days * DAY + minutes * 60 + field(state, c"sec", Some(0));
        let at = Civil::of(seconds);
        if !YEARS.contains(&at.year) {
            return ffi::luaL_error(
                state,
                c"time result cannot be represented: the year is out of range".as_ptr(),
            );
        }
        set_fields(state, &at);
        ffi::lua_pushinteger(state, seconds);
        1
    }
}

/// Sets the fields of the table on top.
unsafe fn set_fields(state: *mut lua_State, at: &Civil) {
    let fields = [
        (c"year", at.year),
        (c"month", at.month),
        (c"day", at.day),
        (c"hour", at.hour),
        (c"min", at.minute),
        (c"sec", at.second),
        (c"yday", at.yearday + 1),
        (c"wday", at.weekday + 1),
    ];
    // SAFETY: called from C functions of Lua.
    unsafe {
        for (name, value) in fields {
            ffi::lua_pushinteger(state, value);
            ffi::lua_setfield(state, -2, name.as_ptr());
        }
        ffi::lua_pushboolean(state, 0);
        ffi::lua_setfield(state, -2, c"isdst".as_ptr());
    }
}

pub(crate) unsafe extern "C-unwind" fn os_date(state: *mut lua_State) -> c_int {
    // SAFETY: a C function of Lua; what needs dropping is gone before an error may jump out.
    unsafe {
        let mut length = 0;
        let text = ffi::luaL_optlstring(state, 1, c"%c".as_ptr(), &raw mut length);
        let format = std::slice::from_raw_parts(text.cast::<u8>(), length);
        let format = format.strip_prefix(b"!").unwrap_or(format);
        // A letter may stand for a whole date.
        crate::lua::budget::charge(state, 16 * length as u64);
        let seconds = if ffi::lua_isnoneornil(state, 2) != 0 {
            (turn().wall_ms / 1000) as i64
        } else {
            let mut exact = 0;
            match ffi::lua_tointegerx(state, 2, &raw mut exact) {
                number if exact != 0 => number,
                _ => ffi::luaL_checknumber(state, 2).floor() as i64,
            }
        };
        let span = 366 * DAY * 999_998;
        if !(-span..=span).contains(&seconds) {
            return ffi::luaL_error(
                state,
                c"date result cannot be represented: the year is out of range".as_ptr(),
            );
        }
        let at = Civil::of(seconds);
        if format.starts_with(b"*t") {
            ffi::lua_createtable(state, 0, 9);
            set_fields(state, &at);
            return 1;
        }
        push_date(state, format, &at, seconds)
    }
}

/// Pushes the text, or raises an error about a letter that there is not.
unsafe fn push_date(state: *mut lua_State, format: &[u8], at: &Civil, seconds: i64) -> c_int {
    // SAFETY: called from a C function of Lua. The text would leak if pushing it ran out of memory, so
    // it is first copied into a buffer of Lua's own.
    unsafe {
        let wrong = match format_date(format, at, seconds) {
            Ok(text) => {
                return push_owned(state, text);
            }
            Err(letter) => letter,
        };
        let text = c"bad argument #1 to 'date' (invalid conversion specifier '%%%c')";
        ffi::luaL_error(state, text.as_ptr(), c_int::from(wrong))
    }
}

/// Pushes a Rust string; it is freed even when Lua has no memory for it.
unsafe fn push_owned(state: *mut lua_State, text: String) -> c_int {
    unsafe extern "C-unwind" fn push(state: *mut lua_State) -> c_int {
        // SAFETY: the pointer is to a string that outlives the protected call.
        unsafe {
            let text = &*ffi::lua_touserdata(state, 1).cast::<String>();
            ffi::lua_pushlstring(state, text.as_ptr().cast(), text.len());
        }
        1
    }
    // SAFETY: called from a C function of Lua; the protected call lets no error past `text`.
    unsafe {
        ffi::lua_pushcfunction(state, push);
        ffi::lua_pushlightuserdata(state, (&raw const text).cast_mut().cast());
        let status = ffi::lua_pcall(state, 1, 1, 0);
        drop(text);
        if status == ffi::LUA_OK {
            1
        } else {
            ffi::lua_error(state)
        }
    }
}
