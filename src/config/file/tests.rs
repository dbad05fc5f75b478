//! What the file can say, and each way to get it wrong with what is said of it.

use super::*;
use crate::config::Config;
use crate::config::net::NetSettings;

/// Settings in which nothing is wrong.
fn understood(name: &str, content: &str) -> Settings {
    let settings = parse(name, content);
    assert_eq!(settings.wrong, [], "{content}");
    settings
}

/// What is wrong with a file called `f`.
fn mistakes(content: &str) -> Vec<String> {
    let wrong = parse("f", content).wrong;
    wrong.iter().map(ToString::to_string).collect()
}

#[test]
fn every_key_is_understood() {
    let settings = understood(
        "lunette.toml",
        r#"
        [server]
        host = "127.0.0.2"
        port = 0x1F90
        allowed_hosts = ["a.example", "b.example"]
        allowed_origins = ["https://a.example"]
        insecure_no_auth = true
        verbosity = 2
        record = "recordings"
        [journal]
        secret = ["login.pin", "users.*.pin"]
        [limits]
        lua_memory = "32M"
        gc_pause = 130
        gas = 20_000_000
        session_timeout = "1h30m"
        resume_window = "5m"
        resume_bytes = "64K"
        [net]
        connections = 100
        head_bytes = "8K"
        headers = 32
        head_timeout = "5s"
        idle_timeout = "6s"
        stall_timeout = "7s"
        message_bytes = "2M"
        message_rate = 50
        messages_per_turn = 16
        output_bytes = "512K"
        ping_interval = "20s"
        missed_pongs = 3
        connections_per_address = 9
        [lua]
        allow = ["io", "os", "files", "spawn", "blocking"]
        read = ["/proc", "assets"]
        write = ["data"]
        commands = ["/usr/bin/uptime", "df"]
        remote_code = true
        [upload]
        dir = "incoming"
        max_bytes = "20M"
        [security]
        private_paths = true
        [web]
        csp = "compat"
        allow_scripts = true
        allow_raw_html = true
        "#,
    );
    let config = Config::resolve(settings).unwrap();
    assert_eq!((config.host.as_str(), config.port), ("127.0.0.2", 8080));
    assert_eq!(config.allowed_hosts, ["a.example", "b.example"]);
    assert_eq!(config.allowed_origins, ["https://a.example"]);
    assert_eq!(config.verbosity, 2);
    assert_eq!(config.secret, ["login.pin", "users.*.pin"]);
    assert_eq!(config.record.as_deref(), Some(Path::new("recordings")));
    let limits = &config.limits;
    assert_eq!((limits.lua_memory, limits.gas), (32 << 20, 20_000_000));
    assert_eq!(
        (limits.gc_pause, limits.session_timeout_ms),
        (130, 5_400_000)
    );
    assert!(limits.remote_code && limits.private_paths);
    let net = NetSettings {
        connections: Some(100),
        connections_per_address: Some(9),
        head_bytes: Some(8 << 10),
        headers: Some(32),
        head_timeout_ms: Some(5_000),
        idle_timeout_ms: Some(6_000),
        stall_timeout_ms: Some(7_000),
        message_bytes: Some(2 << 20),
        message_rate: Some(50),
        messages_per_turn: Some(16),
        output_bytes: Some(512 << 10),
        ping_interval_ms: Some(20_000),
        missed_pongs: Some(3),
        resume_window_ms: Some(300_000),
        resume_bytes: Some(64 << 10),
    };
    assert_eq!(config.net, net);
    let pages = &config.pages;
    assert_eq!(pages.policy, Some(Policy::Compat));
    assert!(pages.scripts && pages.raw_html && !pages.dev);
    let grants = &limits.grants;
    assert!(grants.io && grants.os && grants.files && grants.spawn && grants.blocking);
    assert_eq!(grants.commands, ["/usr/bin/uptime".into(), "df".into()]);
    let (read, write) = (&config.directories.read, &config.directories.write);
    assert_eq!(read, &[PathBuf::from("/proc"), PathBuf::from("assets")]);
    assert_eq!(write, &[PathBuf::from("data")]);
    let upload = config.upload.unwrap();
    assert_eq!(upload.dir, PathBuf::from("incoming"));
    assert_eq!(upload.max_bytes, 20 << 20);
}

#[test]
fn files_are_taken_where_the_site_says_where_to() {
    let resolve = |text| Config::resolve(understood("f", text));
    assert_eq!(resolve("").unwrap().upload, None);
    let upload = resolve("[upload]\ndir = \"x\"").unwrap().upload.unwrap();
    assert_eq!(upload.max_bytes, 100 << 20);
    let error = resolve("[upload]\nmax_bytes = 5").unwrap_err().to_string();
    assert!(
        error.starts_with("f:2: ") && error.contains("dir of [upload]"),
        "{error}"
    );
}

#[test]
fn limits_of_the_network_have_limits() {
    let refused = |text: &str| {
        let settings = understood("f", &format!("[net]\n{text}"));
        Config::resolve(settings).unwrap_err().to_string()
    };
    assert_eq!(
        refused("connections = 0"),
        "f:2: connections is 0: it must be from 1 to 1048576"
    );
    assert!(
        refused("message_rate = 1\nping_interval = \"1ms\"")
            .starts_with("f:3: ping_interval is 1ms: ")
    );
}

#[test]
fn flags_win_over_the_file_and_the_file_over_defaults() {
    let file = understood(
        "lunette.toml",
        "[server]\nport = 1\nallowed_hosts = [\"file\"]\n[limits]\ngas = 1\nlua_memory = \"1M\"",
    );
    let flags = Settings {
        gas: Some(50_000),
        allowed_hosts: vec!["flag".into()],
        ..Settings::default()
    };
    let config = Config::resolve(flags.or(file)).unwrap();
    assert_eq!((config.port, config.limits.gas), (1, 50_000));
    assert_eq!(config.limits.lua_memory, 1 << 20);
    assert_eq!(config.allowed_hosts, ["flag"]);
    assert_eq!(config.directories.write, [PathBuf::from("data")]);
    assert!(!config.limits.grants.files && !config.limits.remote_code);
}

#[test]
fn what_is_wrong_is_said_with_its_line_and_a_way_out() {
    for (content, message) in [
        (
            "[lua]\nalow = []",
            "f:2: [lua] has no alow; did you mean allow?",
        ),
        (
            "[luna]\n",
            "f:1: there is no section [luna]; did you mean [lua]?",
        ),
        (
            "\n[zzzzzzz]\n",
            "f:2: there is no section [zzzzzzz]; there are [server], [auth], [audit], [journal], [limits], [net], [lua], [upload], [test], [security], [web]",
        ),
        ("gas = 5", "f:1: gas belongs into the section [limits]"),
        (
            "[server]\nallow = []",
            "f:2: allow belongs into the section [lua]",
        ),
        (
            "[lua]\nqqqqqqqq = 1",
            "f:2: [lua] has no qqqqqqqq; there are allow, read, write, commands, remote_code",
        ),
        ("lua = 1", "f:1: lua is a section: write [lua]"),
        (
            "[lua]\nallow = \"io\"",
            "f:2: allow must be a list of texts, such as [\"a\", \"b\"], not the text \"io\"",
        ),
        (
            "[lua]\nallow = [\n  1]",
            "f:2: allow must be a list of texts, such as [\"a\", \"b\"], not the number 1",
        ),
        (
            "[lua]\nallow = [\"file\"]",
            "f:2: allow cannot grant \"file\"; did you mean \"files\"?",
        ),
        (
            "[lua]\nread = [\"\"]",
            "f:2: read has an empty path; \".\" is the site itself",
        ),
        (
            "[server]\nport = 65536",
            "f:2: port must be a number from 0 to 65535, not the number 65536",
        ),
        (
            "[server]\nport = -1",
            "f:2: port must be a number from 0 to 65535, not the number -1",
        ),
        (
            "[server]\nverbosity = 1.5",
            "f:2: verbosity must be a number from 0 to 4, not the number 1.5",
        ),
        (
            "[limits]\n\nsession_timeout = 90",
            "f:3: session_timeout must be a text such as \"90s\", \"30m\" or \"24h\", or 0, not the number 90",
        ),
        (
            "[limits]\nlua_memory = \"lots\"",
            "f:2: lua_memory must be a number of bytes or a text such as \"16M\", not the text \"lots\"",
        ),
        (
            "[lua]\nremote_code = \"yes\"",
            "f:2: remote_code must be true or false, not the text \"yes\"",
        ),
        (
            "[web]\ncsp = \"lax\"",
            "f:2: csp must be \"strict\", \"compat\" or the text of a Content-Security-Policy in one line, not the text \"lax\"",
        ),
    ] {
        assert_eq!(mistakes(content), [message], "{content}");
    }
}

#[test]
fn what_is_no_toml_is_said_with_its_line() {
    for (content, line) in [
        ("[lua", "f:1: "),
        ("[lua]\nallow = [", "f:2: "),
        ("[lua]\nremote_code = true\nremote_code = true", "f:3: "),
        ("\n\n= 1", "f:3: "),
    ] {
        let errors = mistakes(content);
        let [error] = &errors[..] else {
            panic!("{content:?}: {errors:?}");
        };
        assert!(
            error.starts_with(line) && error.len() > line.len() + 5,
            "{error}"
        );
        assert!(!error.contains('\n'), "{error}");
    }
}

#[test]
fn values_out_of_range_name_the_line_they_stand_in() {
    let resolve = |content| Config::resolve(understood("f", content)).unwrap_err();
    let message = |content| resolve(content).to_string();
    assert!(message("[limits]\n\ngas = 1").starts_with("f:3: gas is 1:"));
    assert!(message("[limits]\nlua_memory = 1").starts_with("f:2: lua_memory is 1 bytes:"));
    assert!(
        message("[limits]\ngc_pause = 9").starts_with("f:2: gc_pause is 9: it is a percentage")
    );
    assert!(message("[server]\nhost = \"0.0.0.0\"").starts_with("f:2: host 0.0.0.0"));
    let flags = Settings {
        gas: Some(1),
        places: vec![Place {
            key: "gas",
            at: "--gas".into(),
            literal: "1".into(),
        }],
        ..Settings::default()
    };
    let file = understood("f", "[limits]\ngas = 50000");
    let error = Config::resolve(flags.or(file)).unwrap_err().to_string();
    assert!(error.starts_with("--gas: gas is 1:"), "{error}");
}

#[test]
fn all_that_is_wrong_is_told_at_once() {
    let content = "prot = 1\n[server]\nprot = 2\nport = \"x\"\n[sever]\n[net]\nheaders = 1\nping_interval = \"1ms\"\n\
                   [limits]\ngas = 1\n[auth]\nmode = \"usres\"\nusers = \"u\"\n";
    let error = Config::resolve(parse("f", content)).unwrap_err();
    let told = error.to_string();
    let places: Vec<&str> = told
        .lines()
        .map(|line| &line[..line.len().min(4)])
        .collect();
    // That users are named without the mode is not told: the mode is not known.
    assert_eq!(
        places,
        [
            "f:1:", "f:3:", "f:4:", "f:5:", "f:12", "f:10", "f:7:", "f:8:"
        ],
        "{told}"
    );
    assert_eq!(error.each().len(), 8);
    let lines = |content| {
        let lines = mistakes(content);
        lines
            .iter()
            .map(|line| line[..4].to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(lines("a = \n[server]\nport = = 1\n"), ["f:1:", "f:3:"]);
}
