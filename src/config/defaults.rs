//! Each key of `lunette.toml` with what is so when nobody sets it, and what it is for in a few words: for those who
//! read a dump or a new site's file. A test holds the values to those the server really has.

/// One key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    pub section: &'static str,
    pub key: &'static str,
    /// As TOML; `None`: without a value of its own.
    pub usual: Option<&'static str>,
    pub about: &'static str,
}

const fn known(
    section: &'static str,
    key: &'static str,
    usual: &'static str,
    about: &'static str,
) -> Known {
    let usual = match usual.is_empty() {
        true => None,
        false => Some(usual),
    };
    Known {
        section,
        key,
        usual,
        about,
    }
}

/// All keys, in the order in which they are told.
pub const KNOWN: &[Known] = &[
    known("server", "host", "\"127.0.0.1\"", "address to listen on"),
    known(
        "server",
        "port",
        "8080",
        "port to listen on; 0: any free one",
    ),
    known(
        "server",
        "allowed_hosts",
        "[]",
        "further host names browsers may use",
    ),
    known(
        "server",
        "allowed_origins",
        "[]",
        "further origins whose pages may connect",
    ),
    known(
        "server",
        "insecure_no_auth",
        "false",
        "let other machines in although nobody has to log in",
    ),
    known(
        "server",
        "trusted_proxies",
        "[]",
        "addresses whose word on who somebody is, and from where, is believed",
    ),
    known(
        "server",
        "base_path",
        "\"\"",
        "what addresses begin with behind a proxy, such as /apps/list",
    ),
    known(
        "server",
        "admin_listen",
        "",
        "where /healthz, /metrics and variables are told, to this machine only",
    ),
    known(
        "server",
        "tls_cert",
        "",
        "PEM file with the certificate, to be reached by https",
    ),
    known("server", "tls_key", "", "PEM file with its key"),
    known(
        "server",
        "hsts",
        "",
        "how long browsers that came by https come no other way; 0: takes that back",
    ),
    known(
        "server",
        "log",
        "\"stderr\"",
        "where the log goes: stderr, syslog, or syslog:/PATH of its socket",
    ),
    known(
        "server",
        "log_format",
        "\"text\"",
        "lines of the log: text, logfmt or json",
    ),
    known("server", "verbosity", "0", "how much is logged, up to 4"),
    known(
        "server",
        "record",
        "",
        "directory for a recording of every session",
    ),
    known(
        "server",
        "state",
        "",
        "where sessions survive the process, or \"none\"; usually below the user's state directory",
    ),
    known(
        "server",
        "recover",
        "\"lazy\"",
        "when sessions of before are rebuilt: lazy, eager, none",
    ),
    known(
        "auth",
        "mode",
        "\"none\"",
        "how people log in: none, token, users, proxy",
    ),
    known(
        "auth",
        "token",
        "",
        "the secret of mode token, at least 16 characters",
    ),
    known(
        "auth",
        "users",
        "",
        "the file of mode users; lunette passwd makes it",
    ),
    known(
        "auth",
        "header_user",
        "",
        "the field in which a proxy says who it is",
    ),
    known("auth", "header_groups", "", "and in which groups"),
    known("auth", "header_email", "", "and with which address"),
    known("auth", "max_age", "\"7d\"", "how long a login lasts"),
    known("audit", "file", "", "where to write down what is done"),
    known(
        "journal",
        "durability",
        "\"process\"",
        "what an acknowledgement survives: process, power, none",
    ),
    known(
        "journal",
        "keep",
        "0",
        "how long journals of ended sessions stay",
    ),
    known("journal", "max_total", "\"1G\"", "bytes of all journals"),
    known("journal", "max_session", "\"64M\"", "bytes of one journal"),
    known(
        "journal",
        "flush_ms",
        "60000",
        "how long turns that nobody saw may wait to be written",
    ),
    known(
        "journal",
        "hibernate_after",
        "\"10m\"",
        "a session nobody looks at sleeps after this; 0: never",
    ),
    known(
        "journal",
        "memory",
        "\"256M\"",
        "memory of all sessions, beyond which some sleep at once",
    ),
    known(
        "journal",
        "secret",
        "[]",
        "paths whose values no command shows",
    ),
    known("limits", "sessions", "100000", "sessions of all"),
    known("limits", "sessions_per_user", "200", "sessions of one user"),
    known(
        "limits",
        "sessions_per_address",
        "0",
        "sessions of all who come from one address and have not logged in; 0: any number",
    ),
    known(
        "limits",
        "total_memory",
        "\"1G\"",
        "memory of all sessions that are awake",
    ),
    known("limits", "lua_memory", "\"16M\"", "Lua memory of a session"),
    known(
        "limits",
        "gc_pause",
        "200",
        "percent of the memory in use at which Lua collects garbage again",
    ),
    known(
        "limits",
        "gas",
        "10000000",
        "work an event may do, in about Lua instructions",
    ),
    known(
        "limits",
        "session_timeout",
        "\"24h\"",
        "end sessions nobody was attached to for this long; 0: never",
    ),
    known(
        "limits",
        "resume_window",
        "\"10m\"",
        "how long a page that lost its connection finds its view",
    ),
    known(
        "limits",
        "resume_bytes",
        "\"256K\"",
        "what such a page may have missed",
    ),
    known("net", "connections", "1024", "connections at once"),
    known(
        "net",
        "connections_per_address",
        "256",
        "those from one address; 0: any number",
    ),
    known("net", "head_bytes", "\"16K\"", "bytes of a request's head"),
    known("net", "headers", "64", "fields in it"),
    known("net", "head_timeout", "\"10s\"", "how long it may take"),
    known(
        "net",
        "idle_timeout",
        "\"15s\"",
        "how long to wait for the next request",
    ),
    known(
        "net",
        "stall_timeout",
        "\"20s\"",
        "how long a peer may take nothing of an answer",
    ),
    known(
        "net",
        "message_bytes",
        "\"1M\"",
        "bytes of a WebSocket message",
    ),
    known(
        "net",
        "message_rate",
        "1000",
        "messages a second from one page; 0: any number",
    ),
    known(
        "net",
        "messages_per_turn",
        "256",
        "messages from one page before others have their turn",
    ),
    known(
        "net",
        "output_bytes",
        "\"1M\"",
        "bytes that wait for a peer that does not read",
    ),
    known("net", "ping_interval", "\"25s\"", "time between pings"),
    known(
        "net",
        "missed_pongs",
        "2",
        "pings without an answer after which a peer is dead",
    ),
    known(
        "lua",
        "allow",
        "[]",
        "what Lua code may do outside: io, os, files, spawn, blocking",
    ),
    known("lua", "read", "[]", "directories and files it may read"),
    known(
        "lua",
        "write",
        "[\"data\"]",
        "directories and files it may read and write",
    ),
    known("lua", "commands", "[]", "what session:spawn may start"),
    known("lua", "remote_code", "false", "let pages run Lua code"),
    known(
        "upload",
        "dir",
        "",
        "where files go that browsers upload; without it none are taken",
    ),
    known(
        "upload",
        "max_bytes",
        "",
        "bytes of one of them; usually \"100M\"",
    ),
    known(
        "test",
        "ignore",
        "[]",
        "paths whose values lunette test does not compare",
    ),
    known(
        "security",
        "private_paths",
        "false",
        "let pages use path segments that begin with _",
    ),
    known(
        "security",
        "paths",
        "",
        "viewdefs: pages get what templates show, usual with a login; any",
    ),
    known(
        "web",
        "csp",
        "",
        "Content-Security-Policy: strict, compat or a text; usually strict, compat for a page of the site's own",
    ),
    known(
        "web",
        "allow_scripts",
        "false",
        "let <script> in templates and ui-code run",
    ),
    known(
        "web",
        "allow_raw_html",
        "false",
        "show ui-html without sanitizing it",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Settings, file};

    #[test]
    fn every_key_is_known_and_its_usual_value_is_the_one_in_force() {
        let keys = file::KEYS.iter();
        let keys =
            keys.flat_map(|&(section, keys)| keys.iter().map(move |(key, _)| (section, *key)));
        let all: Vec<_> = KNOWN
            .iter()
            .map(|known| (known.section, known.key))
            .collect();
        assert_eq!(all, keys.collect::<Vec<_>>());
        let mut settings = Settings::default();
        for known in KNOWN.iter().filter(|known| known.section != "net") {
            let Some(usual) = known.usual else { continue };
            let one = format!("[{}]\n{} = {usual}\n", known.section, known.key);
            settings = settings.or(file::parse("f", &one));
        }
        let none = Config::resolve(Settings::default()).unwrap();
        let mut set = Config::resolve(settings).unwrap();
        // What the network gets is held to what the server has in its own test.
        set.net = none.net;
        assert_eq!(format!("{set:?}"), format!("{none:?}"));
    }
}
