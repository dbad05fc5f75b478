//! Parse, dispatch, exit code.

use std::fmt::Display;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use clap::Parser;
use lunette::cli::{Cli, Command};
use lunette::config::{Config, Settings};
use lunette::replay;
use lunette::server::{self, ServerError};

const RUNTIME: u8 = 1;
const CONFIG: u8 = 3;
const BIND: u8 = 4;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match cli.command {
        None => serve(cli.serve.into()),
        Some(Command::Serve(flags)) => serve((*flags).into()),
        Some(Command::Replay { file }) => run_again(&file),
        Some(Command::Transcript { file }) => replay::transcript_file(&file)
            .map_err(failed(RUNTIME))
            .and_then(|text| print(&text)),
        Some(Command::Version) => print(&format!(
            "lunette {}\nrecordings: format {}\n",
            env!("CARGO_PKG_VERSION"),
            replay::FORMAT_VERSION
        )),
    };
    ExitCode::from(done.err().unwrap_or(0))
}

fn serve(settings: Settings) -> Result<(), u8> {
    let config = Config::load(settings).map_err(failed(CONFIG))?;
    let mut server = server::start(&config).map_err(|error| match error {
        ServerError::Bind { .. } => failed(BIND)(error),
        ServerError::Site(_)
        | ServerError::State(_)
        | ServerError::Record { .. }
        | ServerError::Upload { .. } => failed(CONFIG)(error),
        ServerError::Lua(_) | ServerError::System(_) => failed(RUNTIME)(error),
    })?;
    print(&format!("listening on http://{}\n", server.address()))?;
    server.run().map_err(failed(RUNTIME))
}

fn run_again(file: &Path) -> Result<(), u8> {
    let report = replay::replay_file(file).map_err(failed(RUNTIME))?;
    print(&report.to_string())?;
    match report.exit_code() {
        0 => Ok(()),
        code => Err(code),
    }
}

/// Results go to standard output; a closed one is an error like any other.
fn print(text: &str) -> Result<(), u8> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(failed(RUNTIME))
}

fn failed<E: Display>(code: u8) -> impl Fn(E) -> u8 {
    move |error| {
        let _ = writeln!(std::io::stderr(), "lunette: {error}");
        code
    }
}
