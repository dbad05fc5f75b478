//! `lunette.toml`: what it can say. Each key is in one table, with what reads it; other sources set the same keys by it.

use std::io::ErrorKind::{NotADirectory, NotFound};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue, Error};

use super::auth::{AuthMode, Network};
use super::error::{FileError, place};
use super::nearest::nearest;
use super::state::{Recover, StateDir};
use super::units::{parse_bytes, parse_duration_ms};
use super::unknown::{unknown_key, unknown_section};
use super::{Grant, LogFormat, LogTarget, Place, Policy, Settings};
use crate::journal::Durability;

/// The file's name inside a site.
const NAME: &str = "lunette.toml";

/// What a key's value does to the settings, or what it must be.
pub(super) type Reader = fn(&mut Settings, &DeValue<'_>) -> Result<(), String>;

/// Sections, keys, and what reads them, in the order in which they are told.
pub(super) const KEYS: &[(&str, &[(&str, Reader)])] = &[
    (
        "server",
        &[
            ("host", |s, v| set(&mut s.host, text(v))),
            ("port", |s, v| set(&mut s.port, port(v))),
            ("allowed_hosts", |s, v| put(&mut s.allowed_hosts, texts(v))),
            ("allowed_origins", |s, v| {
                put(&mut s.allowed_origins, texts(v))
            }),
            ("insecure_no_auth", |s, v| {
                set(&mut s.insecure_no_auth, flag(v))
            }),
            ("trusted_proxies", |s, v| {
                set(&mut s.trusted_proxies, networks(v))
            }),
            ("base_path", |s, v| set(&mut s.base_path, base_path(v))),
            ("admin_listen", |s, v| set(&mut s.admin_listen, address(v))),
            ("tls_cert", |s, v| set(&mut s.tls.cert, path(v))),
            ("tls_key", |s, v| set(&mut s.tls.key, path(v))),
            ("hsts", |s, v| set(&mut s.tls.hsts_ms, duration(v))),
            ("log", |s, v| set(&mut s.log, log_target(v))),
            ("log_format", |s, v| {
                set(&mut s.log_format, one_of(&LOG_FORMATS, v))
            }),
            ("verbosity", |s, v| set(&mut s.verbosity, verbosity(v))),
            ("record", |s, v| {
                set(&mut s.record, text(v).map(PathBuf::from))
            }),
            ("state", |s, v| set(&mut s.state.dir, state_dir(v))),
            ("recover", |s, v| {
                set(&mut s.state.recover, one_of(&RECOVER, v))
            }),
        ],
    ),
    (
        "auth",
        &[
            ("mode", |s, v| set(&mut s.auth.mode, one_of(&AUTH_MODES, v))),
            ("token", |s, v| set(&mut s.auth.token, token(v))),
            ("users", |s, v| set(&mut s.auth.users, path(v))),
            ("header_user", |s, v| {
                set(&mut s.auth.header_user, header_name(v))
            }),
            ("header_groups", |s, v| {
                set(&mut s.auth.header_groups, header_name(v))
            }),
            ("header_email", |s, v| {
                set(&mut s.auth.header_email, header_name(v))
            }),
            ("max_age", |s, v| set(&mut s.auth.max_age_ms, duration(v))),
        ],
    ),
    ("audit", &[("file", |s, v| set(&mut s.audit, path(v)))]),
    (
        "journal",
        &[
            ("durability", |s, v| {
                set(&mut s.state.durability, one_of(&DURABILITY, v))
            }),
            ("keep", |s, v| set(&mut s.state.keep_ms, duration(v))),
            ("max_total", |s, v| set(&mut s.state.max_total, size(v))),
            ("max_session", |s, v| set(&mut s.state.max_session, size(v))),
            ("flush_ms", |s, v| set(&mut s.state.flush_ms, whole(v))),
            ("hibernate_after", |s, v| {
                set(&mut s.state.hibernate_after_ms, duration(v))
            }),
            ("memory", |s, v| set(&mut s.state.memory, size(v))),
            ("secret", |s, v| put(&mut s.secret, secret(v))),
        ],
    ),
    (
        "limits",
        &[
            ("sessions", |s, v| set(&mut s.quotas.sessions, count(v))),
            ("sessions_per_user", |s, v| {
                set(&mut s.quotas.sessions_per_user, count(v))
            }),
            ("sessions_per_address", |s, v| {
                set(&mut s.quotas.sessions_per_address, count(v))
            }),
            ("total_memory", |s, v| {
                set(&mut s.quotas.total_memory, size(v))
            }),
            ("lua_memory", |s, v| set(&mut s.lua_memory, size(v))),
            ("gc_pause", |s, v| set(&mut s.gc_pause, whole(v))),
            ("gas", |s, v| set(&mut s.gas, whole(v))),
            ("session_timeout", |s, v| {
                set(&mut s.session_timeout_ms, duration(v))
            }),
            ("resume_window", |s, v| {
                set(&mut s.net.resume_window_ms, duration(v))
            }),
            ("resume_bytes", |s, v| set(&mut s.net.resume_bytes, size(v))),
        ],
    ),
    (
        "net",
        &[
            ("connections", |s, v| set(&mut s.net.connections, count(v))),
            ("connections_per_address", |s, v| {
                set(&mut s.net.connections_per_address, count(v))
            }),
            ("head_bytes", |s, v| set(&mut s.net.head_bytes, size(v))),
            ("headers", |s, v| set(&mut s.net.headers, count(v))),
            ("head_timeout", |s, v| {
                set(&mut s.net.head_timeout_ms, duration(v))
            }),
            ("idle_timeout", |s, v| {
                set(&mut s.net.idle_timeout_ms, duration(v))
            }),
            ("stall_timeout", |s, v| {
                set(&mut s.net.stall_timeout_ms, duration(v))
            }),
            ("message_bytes", |s, v| {
                set(&mut s.net.message_bytes, size(v))
            }),
            ("message_rate", |s, v| {
                set(&mut s.net.message_rate, whole(v))
            }),
            ("messages_per_turn", |s, v| {
                set(&mut s.net.messages_per_turn, count(v))
            }),
            ("output_bytes", |s, v| set(&mut s.net.output_bytes, size(v))),
            ("ping_interval", |s, v| {
                set(&mut s.net.ping_interval_ms, duration(v))
            }),
            ("missed_pongs", |s, v| {
                set(&mut s.net.missed_pongs, count(v))
            }),
        ],
    ),
    (
        "lua",
        &[
            ("allow", |s, v| set(&mut s.allow, grants(v))),
            ("read", |s, v| set(&mut s.read, paths(v))),
            ("write", |s, v| set(&mut s.write, paths(v))),
            ("commands", |s, v| set(&mut s.commands, texts(v))),
            ("remote_code", |s, v| set(&mut s.remote_code, flag(v))),
        ],
    ),
    (
        "upload",
        &[
            ("dir", |s, v| set(&mut s.upload_dir, path(v))),
            ("max_bytes", |s, v| set(&mut s.upload_max_bytes, size(v))),
        ],
    ),
    (
        "test",
        &[("ignore", |s, v| put(&mut s.test_ignore, texts(v)))],
    ),
    (
        "security",
        &[
            ("private_paths", |s, v| set(&mut s.private_paths, flag(v))),
            ("paths", |s, v| {
                set(&mut s.viewdef_paths, one_of(&PATH_RULES, v))
            }),
        ],
    ),
    (
        "web",
        &[
            ("csp", |s, v| set(&mut s.csp, policy(v))),
            ("allow_scripts", |s, v| set(&mut s.allow_scripts, flag(v))),
            ("allow_raw_html", |s, v| set(&mut s.allow_raw_html, flag(v))),
        ],
    ),
];

const GRANTS: [(&str, Grant); 5] = [
    ("io", Grant::Io),
    ("os", Grant::Os),
    ("files", Grant::Files),
    ("spawn", Grant::Spawn),
    ("blocking", Grant::Blocking),
];

const AUTH_MODES: [(&str, AuthMode); 4] = [
    ("none", AuthMode::None),
    ("token", AuthMode::Token),
    ("users", AuthMode::Users),
    ("proxy", AuthMode::Proxy),
];

const PATH_RULES: [(&str, bool); 2] = [("viewdefs", true), ("any", false)];

pub(crate) const RECOVER: [(&str, Recover); 3] = [
    ("lazy", Recover::Lazy),
    ("eager", Recover::Eager),
    ("none", Recover::None),
];

pub(crate) const LOG_FORMATS: [(&str, LogFormat); 3] = [
    ("text", LogFormat::Text),
    ("logfmt", LogFormat::Logfmt),
    ("json", LogFormat::Json),
];

const DURABILITY: [(&str, Durability); 3] = [
    ("none", Durability::None),
    ("process", Durability::Process),
    ("power", Durability::Power),
];

/// Where syslog daemons listen.
const SYSLOG: &str = "/dev/log";

/// Lines that are no TOML that are told.
const ERRORS_MAX: usize = 20;
/// A file of settings longer than this is something else.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Reads a regular file only: a pipe would wait for its other end, a device never end.
fn read_bounded(path: &Path) -> std::io::Result<String> {
    let metadata = std::fs::metadata(path)?;
    if !metadata.is_file() || metadata.len() > FILE_BYTES_MAX {
        let text = "no regular file of at most 1 MiB";
        return Err(std::io::Error::new(std::io::ErrorKind::InvalidInput, text));
    }
    std::fs::read_to_string(path)
}

/// The settings of the site in `dir`, with what is wrong with them; none if it has no such file.
pub fn read(dir: &Path) -> Settings {
    let path = dir.join(NAME);
    let shown = path.display().to_string();
    match read_bounded(&path) {
        Ok(content) => {
            let mut settings = parse(&shown, &content);
            // Its paths begin where it lies, wherever the server was started.
            settings.record = settings.record.map(|record| dir.join(record));
            settings.auth.users = settings.auth.users.map(|users| dir.join(users));
            settings.audit = settings.audit.map(|audit| dir.join(audit));
            settings.tls = settings.tls.below(dir);
            settings.upload_dir = settings.upload_dir.map(|upload| dir.join(upload));
            if let Some(StateDir::At(state)) = &mut settings.state.dir {
                *state = dir.join(&state);
            }
            settings
        }
        Err(error) => {
            let mut settings = Settings::default();
            // That the site is no directory, or none to be read, is told better by whoever reads it.
            let is_absent = matches!(error.kind(), NotFound | NotADirectory);
            if !is_absent && std::fs::read_dir(dir).is_ok() {
                settings.wrong.push(FileError::Unreadable {
                    path: shown,
                    error: error.to_string(),
                });
            }
            settings
        }
    }
}

/// The settings in the text of a file, which messages call `name`, and each place where it says what cannot be said.
pub fn parse(name: &str, content: &str) -> Settings {
    let mut settings = Settings::default();
    let mut wrong: Vec<(usize, String)> = Vec::new();
    let (document, errors) = DeTable::parse_recoverable(content);
    match errors.is_empty() {
        true => read_sections(name, content, document.get_ref(), &mut settings, &mut wrong),
        // What the rest means is not known.
        false => first_of_each_line(content, &errors, &mut wrong),
    }
    let wrong = wrong.into_iter().map(|(at, text)| FileError::Wrong {
        place: place(name, content, at),
        text,
    });
    settings.wrong.extend(wrong);
    settings
}

/// What is no TOML: where a line has begun wrong, what else is wrong in it says nothing.
fn first_of_each_line(content: &str, errors: &[Error], wrong: &mut Vec<(usize, String)>) {
    let start = |error: &Error| error.span().map_or(0, |span| span.start);
    let mut end = 0;
    while let Some(error) = errors
        .iter()
        .filter(|error| start(error) >= end)
        .min_by_key(|error| start(error))
        .filter(|_| wrong.len() < ERRORS_MAX)
    {
        let at = start(error);
        wrong.push((at, error.message().trim_end().replace('\n', ", ")));
        let rest = content.get(at..).unwrap_or_default();
        end = rest.find('\n').map_or(usize::MAX, |length| at + length + 1);
    }
}

fn read_sections(
    name: &str,
    content: &str,
    document: &DeTable<'_>,
    settings: &mut Settings,
    wrong: &mut Vec<(usize, String)>,
) {
    for (section, value) in in_order(document) {
        let (at, section) = (section.span().start, &**section.get_ref());
        let Some(&(section, keys)) = KEYS.iter().find(|(known, _)| *known == section) else {
            wrong.push((at, unknown_section(section)));
            continue;
        };
        let Some(table) = value.get_ref().as_table() else {
            wrong.push((at, format!("{section} is a section: write [{section}]")));
            continue;
        };
        for (key, value) in in_order(table) {
            let (at, key) = (key.span().start, &**key.get_ref());
            let Some(&(key, reader)) = keys.iter().find(|(known, _)| *known == key) else {
                wrong.push((at, unknown_key(section, key)));
                continue;
            };
            let literal = content.get(value.span()).unwrap_or_default().to_owned();
            let at = value.span().start.max(at);
            if let Err(expected) = reader(settings, value.get_ref()) {
                wrong.push((at, format!("{key} {expected}")));
                continue;
            }
            let at = place(name, content, at);
            settings.places.push(Place { key, at, literal });
        }
    }
}

/// What a table holds, in the order of the file.
fn in_order<'t, 'i>(
    table: &'t DeTable<'i>,
) -> Vec<(
    &'t Spanned<std::borrow::Cow<'i, str>>,
    &'t Spanned<DeValue<'i>>,
)> {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_unstable_by_key(|(key, _)| key.span().start);
    entries
}

fn set<T>(into: &mut Option<T>, value: Result<T, String>) -> Result<(), String> {
    *into = Some(value?);
    Ok(())
}

fn put<T>(into: &mut T, value: Result<T, String>) -> Result<(), String> {
    *into = value?;
    Ok(())
}

/// What a value must be, and what it is instead.
fn not(expected: &str, value: &DeValue<'_>) -> String {
    let found = match value {
        DeValue::String(text) => format!("the text \"{text}\""),
        DeValue::Integer(number) => format!("the number {number}"),
        DeValue::Float(number) => format!("the number {number}"),
        DeValue::Boolean(value) => value.to_string(),
        DeValue::Datetime(_) => "a date".into(),
        DeValue::Array(_) => "a list".into(),
        DeValue::Table(_) => "a section".into(),
    };
    format!("must be {expected}, not {found}")
}

fn text(value: &DeValue<'_>) -> Result<String, String> {
    let text = value.as_str().ok_or_else(|| not("a text", value))?;
    Ok(text.into())
}

fn flag(value: &DeValue<'_>) -> Result<bool, String> {
    value.as_bool().ok_or_else(|| not("true or false", value))
}

fn whole(value: &DeValue<'_>) -> Result<u64, String> {
    number(value).ok_or_else(|| not("a whole number that is not negative", value))
}

fn count(value: &DeValue<'_>) -> Result<usize, String> {
    let count = number(value).and_then(|number| usize::try_from(number).ok());
    count.ok_or_else(|| not("a whole number that is not negative", value))
}

fn number(value: &DeValue<'_>) -> Option<u64> {
    let number = value.as_integer()?;
    u64::from_str_radix(number.as_str(), number.radix()).ok()
}

fn port(value: &DeValue<'_>) -> Result<u16, String> {
    let port = number(value).and_then(|port| u16::try_from(port).ok());
    port.ok_or_else(|| not("a number from 0 to 65535", value))
}

fn base_path(value: &DeValue<'_>) -> Result<String, String> {
    let expected = "a path such as \"/apps/list\", or \"\"";
    let text = text(value)?;
    let base = text.trim_end_matches('/');
    let good = |b: u8| b.is_ascii_alphanumeric() || b"/-._~".contains(&b);
    let is_path = base.starts_with('/') && base.bytes().all(good) && !base.contains("//");
    match base.is_empty() || is_path {
        true => Ok(base.to_owned()),
        false => Err(not(expected, value)),
    }
}

fn address(value: &DeValue<'_>) -> Result<SocketAddr, String> {
    let address = value.as_str().and_then(|text| text.parse().ok());
    address.ok_or_else(|| not("an address with a port, such as \"127.0.0.1:9100\"", value))
}

/// What `log` can say.
pub(crate) fn parse_log_target(text: &str) -> Result<LogTarget, &'static str> {
    match text.split_once(':') {
        None if text == "stderr" => Ok(LogTarget::Stderr),
        None if text == "syslog" => Ok(LogTarget::Syslog(SYSLOG.into())),
        Some(("syslog", path)) if path.starts_with('/') => Ok(LogTarget::Syslog(path.into())),
        _ => Err("stderr, syslog, or syslog:/PATH of a daemon's socket"),
    }
}

fn log_target(value: &DeValue<'_>) -> Result<LogTarget, String> {
    let text = value.as_str().unwrap_or_default();
    parse_log_target(text).map_err(|expected| not(expected, value))
}

fn verbosity(value: &DeValue<'_>) -> Result<u8, String> {
    let verbosity = number(value).and_then(|number| u8::try_from(number).ok());
    let verbosity = verbosity.filter(|verbosity| *verbosity <= 4);
    verbosity.ok_or_else(|| not("a number from 0 to 4", value))
}

fn size(value: &DeValue<'_>) -> Result<usize, String> {
    if let Some(bytes) = number(value).and_then(|bytes| usize::try_from(bytes).ok()) {
        return Ok(bytes);
    }
    let text = value.as_str().and_then(|text| parse_bytes(text).ok());
    text.ok_or_else(|| not("a number of bytes or a text such as \"16M\"", value))
}

fn duration(value: &DeValue<'_>) -> Result<u64, String> {
    if number(value) == Some(0) {
        return Ok(0);
    }
    let text = value.as_str().and_then(|text| parse_duration_ms(text).ok());
    text.ok_or_else(|| not("a text such as \"90s\", \"30m\" or \"24h\", or 0", value))
}

fn texts(value: &DeValue<'_>) -> Result<Vec<String>, String> {
    let expected = "a list of texts, such as [\"a\", \"b\"]";
    let list = value.as_array().ok_or_else(|| not(expected, value))?;
    let text = |item: &Spanned<DeValue<'_>>| {
        let item = item.get_ref();
        item.as_str()
            .map(str::to_owned)
            .ok_or_else(|| not(expected, item))
    };
    list.iter().map(text).collect()
}

/// A name of one of our policies, or the text of another.
fn policy(value: &DeValue<'_>) -> Result<Policy, String> {
    let expected = "\"strict\", \"compat\" or the text of a Content-Security-Policy in one line";
    let text = value.as_str().ok_or_else(|| not(expected, value))?;
    match text {
        "strict" => Ok(Policy::Strict),
        "compat" => Ok(Policy::Compat),
        _ if text.contains("-src ") && text.bytes().all(|b| matches!(b, b' '..=b'~')) => {
            Ok(Policy::Own(text.into()))
        }
        _ => Err(not(expected, value)),
    }
}

/// The secret itself is not for an error message.
fn token(value: &DeValue<'_>) -> Result<String, String> {
    let text = value.as_str().ok_or("must be a text")?;
    Ok(text.into())
}

fn networks(value: &DeValue<'_>) -> Result<Vec<Network>, String> {
    let network = |text: String| {
        Network::parse(&text).ok_or_else(|| {
            format!("has {text:?}, which is no address: write \"127.0.0.1\" or \"10.0.0.0/8\"")
        })
    };
    texts(value)?.into_iter().map(network).collect()
}

fn header_name(value: &DeValue<'_>) -> Result<String, String> {
    let expected = "the name of a header field, such as \"X-Remote-User\"";
    let text = value.as_str().ok_or_else(|| not(expected, value))?;
    let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    match !text.is_empty() && text.bytes().all(good) {
        true => Ok(text.into()),
        false => Err(not(expected, value)),
    }
}

/// One of these names.
fn one_of<T: Copy>(known: &[(&str, T)], value: &DeValue<'_>) -> Result<T, String> {
    let names: Vec<String> = known
        .iter()
        .map(|(name, _)| format!("\"{name}\""))
        .collect();
    let expected = names.join(" or ");
    let text = value.as_str().ok_or_else(|| not(&expected, value))?;
    let found = known.iter().find(|(name, _)| *name == text);
    found
        .map(|&(_, meant)| meant)
        .ok_or_else(|| not(&expected, value))
}

fn state_dir(value: &DeValue<'_>) -> Result<StateDir, String> {
    Ok(match path(value)? {
        none if none.as_os_str() == "none" => StateDir::None,
        dir => StateDir::At(dir),
    })
}

fn path(value: &DeValue<'_>) -> Result<PathBuf, String> {
    let text = text(value)?;
    match text.is_empty() {
        true => Err("is an empty path; \".\" is the site itself".into()),
        false => Ok(text.into()),
    }
}

fn paths(value: &DeValue<'_>) -> Result<Vec<PathBuf>, String> {
    let paths = texts(value)?;
    if paths.iter().any(String::is_empty) {
        return Err("has an empty path; \".\" is the site itself".into());
    }
    Ok(paths.into_iter().map(PathBuf::from).collect())
}

fn secret(value: &DeValue<'_>) -> Result<Vec<String>, String> {
    let paths = texts(value)?;
    let is_path = |path: &String| path.split('.').all(|name| !name.trim().is_empty());
    match paths.iter().find(|path| !is_path(path)) {
        Some(path) => Err(format!(
            "has {path:?}, which is no path: write \"login.pin\", or \"users.*.pin\" for all rows"
        )),
        None => Ok(paths),
    }
}

fn grants(value: &DeValue<'_>) -> Result<Vec<Grant>, String> {
    let grant = |name: String| {
        let known = GRANTS.iter().find(|(known, _)| *known == name);
        let names = GRANTS.iter().map(|(known, _)| *known);
        let (_, grant) = known
            .ok_or_else(|| format!("cannot grant {name:?}{}", nearest(&name, names, "\"", "\"")))?;
        Ok(*grant)
    };
    texts(value)?.into_iter().map(grant).collect()
}

#[cfg(test)]
mod tests;
