//! The command line: what can be typed. No I/O; what it means is for `config`.

use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};

use crate::config::Settings;

/// Shows live Lua objects as web pages. Without a command it serves; without --dir, the built-in
/// demo.
#[derive(Debug, Parser)]
#[command(name = "lunette", args_conflicts_with_subcommands = true)]
#[command(
    after_help = "Exit codes: 0 ok, 1 runtime error, 2 usage, 3 configuration or site, \
    4 cannot listen, 5 a replay diverged."
)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Option<Command>,
    #[command(flatten)]
    pub serve: ServeFlags,
}

/// What can be done.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve a site (the default)
    Serve(Box<ServeFlags>),
    /// Run a recording again and compare every frame
    Replay {
        /// A file that --record made
        file: PathBuf,
    },
    /// Print a recording as text
    Transcript {
        /// A file that --record made
        file: PathBuf,
    },
    /// Print the version and the format of recordings
    Version,
}

/// Flags of `serve`.
#[derive(Args, Clone, Debug, Default)]
pub struct ServeFlags {
    /// The site: a directory with lua/main.lua [default: the built-in demo]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Port to listen on; 0 takes any free one [default: 8080]
    #[arg(long, value_name = "N")]
    port: Option<u16>,
    /// Address to listen on [default: 127.0.0.1]
    #[arg(long, value_name = "H")]
    host: Option<String>,
    /// Where sessions survive a restart: "none" is all there is yet [default: none]
    #[arg(long, value_name = "none")]
    state: Option<StateSetting>,
    /// Record every session into a file of this directory
    #[arg(long, value_name = "DIR")]
    record: Option<PathBuf>,
    /// End sessions nobody was attached to for this long: 90s, 30m, 24h; 0 never [default: 24h]
    #[arg(long, value_name = "TIME", value_parser = parse_duration_ms)]
    session_timeout: Option<u64>,
    /// Lua memory of a session: bytes, or with K, M [default: 16M]
    #[arg(long, value_name = "SIZE", value_parser = parse_bytes)]
    lua_memory: Option<usize>,
    /// Work an event may do, in about Lua instructions [default: 10000000]
    #[arg(long, value_name = "N")]
    gas: Option<u64>,
    /// For developing: hot reload, errors with tracebacks on the page, code from the page
    #[arg(long)]
    dev: bool,
    /// Run edited Lua files and templates at once, keeping what sessions hold
    #[arg(long)]
    hotload: bool,
    /// Further host names browsers may use, comma-separated
    #[arg(long, value_name = "HOST", value_delimiter = ',')]
    allowed_hosts: Vec<String>,
    /// Further origins whose pages may connect, comma-separated
    #[arg(long, value_name = "ORIGIN", value_delimiter = ',')]
    allowed_origins: Vec<String>,
    /// Let other machines in although nobody has to log in
    #[arg(long)]
    insecure_no_auth: bool,
    /// Log more; up to -vvvv
    #[arg(short, action = ArgAction::Count)]
    verbose: u8,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum StateSetting {
    None,
}

impl From<ServeFlags> for Settings {
    fn from(flags: ServeFlags) -> Settings {
        match flags.state {
            Some(StateSetting::None) | None => {}
        }
        Settings {
            dir: flags.dir,
            host: flags.host,
            port: flags.port,
            record: flags.record,
            allowed_hosts: flags.allowed_hosts,
            allowed_origins: flags.allowed_origins,
            insecure_no_auth: flags.insecure_no_auth,
            dev: flags.dev,
            hotload: flags.hotload,
            verbosity: flags.verbose,
            lua_memory: flags.lua_memory,
            gas: flags.gas,
            session_timeout_ms: flags.session_timeout,
        }
    }
}

/// `0`, `500ms`, `90s`, `30m`, `24h`, `7d`, and sums of them such as `1h30m`.
fn parse_duration_ms(text: &str) -> Result<u64, String> {
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
fn parse_bytes(text: &str) -> Result<usize, String> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definition_is_sound_and_its_help_fits_a_screen() {
        Cli::command().debug_assert();
        let help = Cli::command().render_help().to_string();
        assert!(help.lines().count() <= 50, "{help}");
    }

    #[test]
    fn serving_is_the_default() {
        let read = |line: &str| Cli::try_parse_from(line.split(' '));
        let bare = read("lunette --port 0 -vv").unwrap();
        assert!(bare.command.is_none() && bare.serve.port == Some(0) && bare.serve.verbose == 2);
        let named = read("lunette serve --dir x --state none --session-timeout 1h30m").unwrap();
        let Some(Command::Serve(flags)) = named.command else {
            panic!("{named:?}");
        };
        assert_eq!(flags.session_timeout, Some(5_400_000));
        assert!(read("lunette serve --state somewhere").is_err());
        assert!(read("lunette replay").is_err());
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
