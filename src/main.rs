//! Parse, dispatch, exit code.

use std::fmt::Display;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use lunette::cli::{Cli, Command, SecretFlags, SessionsAction, StateFlags};
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
        Some(Command::Transcript { file, secrets }) => {
            replay::transcript_file(&file, &secrets.secret)
                .map_err(failed(RUNTIME))
                .and_then(|text| print(&text))
        }
        Some(Command::Export {
            sid,
            output,
            state,
            secrets,
        }) => export(&sid, &output, state, &secrets),
        Some(Command::Sessions { action, state }) => sessions(action, state),
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

fn export(sid: &str, output: &Path, state: StateFlags, secrets: &SecretFlags) -> Result<(), u8> {
    let state = state_of(state)?;
    let reader = replay::read_session(&state, sid).map_err(failed(RUNTIME))?;
    let exported = replay::export(&reader, &secrets.secret, output).map_err(failed(RUNTIME))?;
    print(&exported.to_string())
}

fn sessions(action: Option<SessionsAction>, state: StateFlags) -> Result<(), u8> {
    let state = state_of(state)?;
    match action {
        None => replay::list_sessions(&state)
            .map_err(failed(RUNTIME))
            .and_then(|text| print(&text)),
        Some(SessionsAction::Drop { sid }) => {
            replay::drop_session(&state, &sid).map_err(failed(RUNTIME))
        }
    }
}

fn state_of(flags: StateFlags) -> Result<PathBuf, u8> {
    let default = || replay::state_dir(flags.dir.as_deref(), |name| std::env::var_os(name));
    flags.state.or_else(default).ok_or_else(|| {
        failed(CONFIG)(
            "neither HOME nor XDG_STATE_HOME is set: say where the state is by --state DIR",
        )
    })
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
