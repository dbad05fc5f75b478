//! What several commands take, and the kinds of arguments there are.

use std::net::SocketAddr;
use std::str::FromStr;

use clap::builder::{PossibleValuesParser, TypedValueParser, ValueParser};
use clap::{Arg, ArgAction, ArgMatches};

use super::{RecordingFlags, RunFlags, ServeFlags, SessionFlags, StateFlags, TestFlags};
use crate::config::LogTarget;
use crate::config::file::{LOG_FORMATS, RECOVER, parse_log_target};
use crate::config::units::{parse_bytes, parse_duration_ms};

pub(super) const AS_JSON: &str = "As JSON";
pub(super) const SESSION: &str =
    "The session's id, as in its address, the beginning of it, or its number in the log";

pub(super) fn serve_args() -> impl Iterator<Item = Arg> {
    site_args().into_iter().chain(access_args())
}

fn site_args() -> [Arg; 11] {
    [
        path_option("dir", "DIR", "The site: a directory with lua/main.lua and perhaps lunette.toml [default: the built-in demo]"),
        port_option("Port to listen on; 0 takes any free one [default: 8080]"),
        option("host", "H", "Address to listen on [default: 127.0.0.1]"),
        path_option("state", "DIR|none", "Where sessions survive the process; none: nowhere [default: below the user's state directory]"),
        option("recover", "WHEN", "Rebuild sessions of before: lazy (when something happens to them), eager, none [default: lazy]")
            .value_parser(one_of(&RECOVER))
            .hide_possible_values(true),
        path_option("record", "DIR", "Record every session into a file of this directory"),
        option("session-timeout", "TIME", "End sessions nobody was attached to for this long: 90s, 30m, 24h; 0 never [default: 24h]")
            .value_parser(parse_duration_ms),
        option("lua-memory", "SIZE", "Lua memory of a session: bytes, or with K, M [default: 16M]").value_parser(parse_bytes),
        option("gas", "N", "Work an event may do, in about Lua instructions [default: 10000000]").value_parser(parse_whole::<u64>),
        option("connections", "N", "Connections at once; more are told to come later [default: 1024]").value_parser(parse_whole::<usize>),
        option("message-rate", "N", "Messages a second that a page may send for long; 0 any number [default: 1000]")
            .value_parser(parse_whole::<u64>)
            .hide(true),
    ]
}

fn access_args() -> [Arg; 11] {
    [
        switch(
            "dev",
            "For developing: hot reload, errors with tracebacks on the page, the variable browser, code from the page",
        ),
        switch(
            "hotload",
            "Run edited Lua files and templates at once, keeping what sessions hold",
        ),
        list_option(
            "allowed-hosts",
            "HOST",
            "Further host names browsers may use, comma-separated",
        )
        .value_delimiter(','),
        list_option(
            "allowed-origins",
            "ORIGIN",
            "Further origins whose pages may connect, comma-separated",
        )
        .value_delimiter(','),
        option(
            "admin-listen",
            "ADDRESS",
            "Tell health and metrics to this machine at ADDRESS, such as 127.0.0.1:9100",
        )
        .value_parser(parse_address),
        path_option(
            "tls-cert",
            "FILE",
            "Be reached by https, with the certificate in this PEM file",
        ),
        path_option("tls-key", "FILE", "The certificate's key, a PEM file"),
        option(
            "log",
            "WHERE",
            "Where the log goes: stderr, syslog, or syslog:/PATH of its socket [default: stderr]",
        )
        .value_parser(parse_log),
        option(
            "log-format",
            "FORMAT",
            "Lines of the log: text, logfmt, json [default: text]",
        )
        .value_parser(one_of(&LOG_FORMATS))
        .hide_possible_values(true),
        switch(
            "insecure-no-auth",
            "Let other machines in although nobody has to log in",
        ),
        Arg::new("verbose")
            .short('v')
            .action(ArgAction::Count)
            .help("Log more; up to -vvvv"),
    ]
}

impl ServeFlags {
    pub(super) fn read(m: &mut ArgMatches) -> ServeFlags {
        ServeFlags {
            dir: m.remove_one("dir"),
            port: m.remove_one("port"),
            host: m.remove_one("host"),
            state: m.remove_one("state"),
            recover: m.remove_one("recover"),
            record: m.remove_one("record"),
            session_timeout: m.remove_one("session-timeout"),
            lua_memory: m.remove_one("lua-memory"),
            gas: m.remove_one("gas"),
            connections: m.remove_one("connections"),
            message_rate: m.remove_one("message-rate"),
            dev: m.get_flag("dev"),
            hotload: m.get_flag("hotload"),
            allowed_hosts: all(m, "allowed-hosts"),
            allowed_origins: all(m, "allowed-origins"),
            admin_listen: m.remove_one("admin-listen"),
            tls_cert: m.remove_one("tls-cert"),
            tls_key: m.remove_one("tls-key"),
            log: m.remove_one("log"),
            log_format: m.remove_one("log-format"),
            insecure_no_auth: m.get_flag("insecure-no-auth"),
            verbose: m.get_count("verbose"),
        }
    }
}

pub(super) fn state_args() -> [Arg; 2] {
    [
        path_option(
            "state",
            "DIR",
            "The state directory [default: that of the site]",
        )
        .global(true),
        path_option("dir", "DIR", "The site [default: the built-in demo]").global(true),
    ]
}

impl StateFlags {
    pub(super) fn read(m: &mut ArgMatches) -> StateFlags {
        StateFlags {
            state: m.remove_one("state"),
            dir: m.remove_one("dir"),
        }
    }
}

pub(super) fn recording_args() -> [Arg; 4] {
    let [state, dir] = state_args();
    [
        path(
            "FILE|SESSION",
            "A file that --record or export made, or a session: by its id, the beginning of it, or its number",
        ),
        state,
        dir,
        list_option(
            "secret",
            "PATH",
            "Do not show values at this path, such as login.pin or users.*.pin; may be repeated",
        ),
    ]
}

impl RecordingFlags {
    pub(super) fn read(m: &mut ArgMatches) -> RecordingFlags {
        RecordingFlags {
            recording: one(m, "FILE|SESSION"),
            state: StateFlags::read(m),
            secret: all(m, "secret"),
        }
    }
}

pub(super) fn run_args() -> impl Iterator<Item = Arg> {
    let gas = option(
        "gas",
        "N",
        "Let no event use more gas than this, about an instruction of Lua each [default: as when it was recorded]",
    );
    let gas = gas.value_parser(parse_whole::<u64>);
    recording_args().into_iter().chain([gas])
}

impl RunFlags {
    pub(super) fn read(m: &mut ArgMatches) -> RunFlags {
        RunFlags {
            recording: RecordingFlags::read(m),
            gas: m.remove_one("gas"),
        }
    }
}

pub(super) fn session_args() -> [Arg; 4] {
    let [state, dir] = state_args();
    let session = positional("SESSION", SESSION);
    [session, state, dir, switch("json", AS_JSON)]
}

impl SessionFlags {
    pub(super) fn read(m: &mut ArgMatches) -> SessionFlags {
        SessionFlags {
            session: one(m, "SESSION"),
            state: StateFlags::read(m),
            json: m.get_flag("json"),
        }
    }
}

pub(super) fn test_args() -> [Arg; 9] {
    [
        path("DIR", "The site").required(false).default_value("."),
        Arg::new("NAMES")
            .value_name("NAMES")
            .help("Parts of the names of those to run [default: all]; with --from, the name of the new one")
            .action(ArgAction::Append)
            .num_args(1..),
        path_option("from", "FILE|SESSION", "Make a recording of a file that --record or export made, or of a session of the site")
            .conflicts_with_all(["update", "accept", "ci", "record-missing"]),
        switch("update", "Write recordings with what is now, as NAME.lunette.new").conflicts_with_all(["ci", "accept"]),
        option("accept", "NAME", "Take over what --update wrote, and show what that changes")
            .conflicts_with_all(["ci", "record-missing"]),
        switch("record-missing", "Ask this machine what a recording does not answer, and add the answers to it").conflicts_with("ci"),
        switch("ci", "Write nothing, and fail when something waits to be accepted"),
        path_option("junit", "FILE", "Write a report in JUnit's format"),
        Arg::new("verbose").short('v').action(ArgAction::SetTrue).help("Show each step"),
    ]
}

impl TestFlags {
    pub(super) fn read(m: &mut ArgMatches) -> TestFlags {
        TestFlags {
            dir: one(m, "DIR"),
            names: all(m, "NAMES"),
            from: m.remove_one("from"),
            update: m.get_flag("update"),
            accept: m.remove_one("accept"),
            record_missing: m.get_flag("record-missing"),
            ci: m.get_flag("ci"),
            junit: m.remove_one("junit"),
            verbose: m.get_flag("verbose"),
        }
    }
}

/// What is required, or has a default: it is there.
pub(super) fn one<T: Default + Clone + Send + Sync + 'static>(m: &mut ArgMatches, name: &str) -> T {
    m.remove_one(name).unwrap_or_default()
}

pub(super) fn all(m: &mut ArgMatches, name: &str) -> Vec<String> {
    m.remove_many(name)
        .map(Iterator::collect)
        .unwrap_or_default()
}

pub(super) fn command(name: &'static str, about: &'static str) -> clap::Command {
    clap::Command::new(name).about(about)
}

/// `--NAME VALUE`.
fn option(name: &'static str, value: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).value_name(value).help(help)
}

pub(super) fn path_option(name: &'static str, value: &'static str, help: &'static str) -> Arg {
    option(name, value, help).value_parser(ValueParser::path_buf())
}

pub(super) fn port_option(help: &'static str) -> Arg {
    option("port", "N", help)
        .value_parser(parse_port)
        .allow_negative_numbers(true)
}

/// It may be repeated.
fn list_option(name: &'static str, value: &'static str, help: &'static str) -> Arg {
    option(name, value, help).action(ArgAction::Append)
}

/// `--NAME`.
pub(super) fn switch(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name)
        .long(name)
        .action(ArgAction::SetTrue)
        .help(help)
}

/// It has no name of its own, and is required.
pub(super) fn positional(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name).value_name(name).help(help).required(true)
}

pub(super) fn path(name: &'static str, help: &'static str) -> Arg {
    positional(name, help).value_parser(ValueParser::path_buf())
}

/// One of these names, which completions know.
pub(super) fn one_of<T: Copy + Send + Sync + 'static>(
    known: &'static [(&'static str, T)],
) -> impl TypedValueParser<Value = T> {
    let names = known.iter().map(|(name, _)| *name);
    PossibleValuesParser::new(names).map(|name| {
        let found = known.iter().find(|(known, _)| *known == name);
        found.map_or(known[0].1, |&(_, meant)| meant)
    })
}

fn parse_port(text: &str) -> Result<u16, String> {
    let port = text.parse();
    port.map_err(|_| "a port is a number from 0 to 65535".into())
}

fn parse_whole<T: FromStr>(text: &str) -> Result<T, String> {
    let number = text.parse();
    number.map_err(|_| "write a whole number".into())
}

fn parse_address(text: &str) -> Result<SocketAddr, String> {
    let address = text.parse();
    address.map_err(|_| "write an address with a port, such as 127.0.0.1:9100".into())
}

fn parse_log(text: &str) -> Result<LogTarget, String> {
    parse_log_target(text).map_err(|expected| format!("write {expected}"))
}
