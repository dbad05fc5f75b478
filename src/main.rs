//! Parse, dispatch, exit code.

use std::fmt::Display;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use lunette::cli::{self, completions, man};
use lunette::cli::{
    Cli, Command, InspectFlags, RecordingFlags, RunFlags, SessionFlags, SessionsAction, StateFlags,
    System, TestFlags,
};
use lunette::config::auth::Way;
use lunette::config::state::{StateDir, StateSettings};
use lunette::config::{Config, ConfigError, Settings, dump};
use lunette::core::legible::legible;
use lunette::core::outside::Outside;
use lunette::inspect::Inspector;
use lunette::operator;
use lunette::replay::{self, Reader};
use lunette::scaffold;
use lunette::server::auth::passwd;
use lunette::server::auth::users::Users;
use lunette::server::clock;
use lunette::server::log::Logger;
use lunette::server::outside::Machine;
use lunette::server::{self, Program, ServerError};
use lunette::testing::check;
use lunette::testing::path::pattern;
use lunette::testing::run::Setting;
use lunette::testing::suite::{Suite, SuiteError, Wishes};
use lunette::web;
use serde_json::{Value, json};

const RUNTIME: u8 = 1;
const USAGE: u8 = 2;
const CONFIG: u8 = 3;
const BIND: u8 = 4;

fn main() -> ExitCode {
    let is_dir = |name: &str| Path::new(name).is_dir();
    let cli = Cli::try_parse_from(std::env::args_os());
    let cli = cli.unwrap_or_else(|error| cli::with_tip(error, is_dir).exit());
    let done = match cli.command {
        None => serve(cli.serve.into(), None),
        Some(Command::Serve(flags)) => serve((*flags).into(), None),
        Some(Command::Replay(flags)) => run_again(flags),
        Some(Command::Transcript(flags)) => {
            open(flags).and_then(|reader| print(&replay::transcript(&reader)))
        }
        Some(Command::Export { recording, output }) => export(recording, &output),
        Some(Command::Sessions {
            action,
            json,
            state,
        }) => sessions(action, json, state),
        Some(Command::New { dir }) => new(&dir),
        Some(Command::Get { of, path }) => get(of, &path),
        Some(Command::Update { of, path, value }) => update(of, &path, &value),
        Some(Command::Eval { of, code }) => evaluate(of, &code),
        Some(Command::Service {
            system,
            dir,
            state,
            port,
        }) => service(system, &dir, &state, port),
        Some(Command::Inspect(flags)) => inspect(flags),
        Some(Command::Test(flags)) => test(flags),
        Some(Command::Passwd { file, name }) => {
            passwd::ask_and_set(&file, &name).map_err(failed(RUNTIME))
        }
        Some(Command::Check { dir }) => check(&dir),
        Some(Command::DumpConfig { serve, json }) => dump_config((*serve).into(), json),
        Some(Command::Completions { shell }) => print(completions::script(shell)),
        Some(Command::Complete { words }) => print(&completions::complete(&words)),
        Some(Command::Man) => print(&man::page()),
        Some(Command::Version) => print(&format!(
            "lunette {}\nrecordings: format {}\n",
            env!("CARGO_PKG_VERSION"),
            replay::FORMAT_VERSION
        )),
    };
    ExitCode::from(done.err().unwrap_or(0))
}

/// Serves a site, or the page of a recording.
fn serve(settings: Settings, recording: Option<Inspector>) -> Result<(), u8> {
    let for_site = recording.is_none();
    let config = match recording {
        None => Config::load(settings.clone()),
        // It is for this machine only, whatever the environment says of sites.
        Some(_) => Config::resolve(settings.clone()),
    };
    let config = config.map_err(misconfigured)?;
    let log = Logger::of(&config);
    let server = match recording {
        None => Program::start(&config),
        Some(inspector) => Program::start_with(&config, &web::INSPECT_SITE, Box::new(inspector)),
    };
    let mut server = server.map_err(|error| {
        log.started(Err(&error.to_string()));
        failed(code_of(&error))(error)
    })?;
    let listening = format!("listening on {}\n", server.url());
    log.started(Ok(&listening));
    print(&listening)?;
    if let Some(address) = server.admin_address() {
        print(&format!("health and metrics on http://{address}\n"))?;
    }
    if for_site {
        server.set_reread(Box::new(move || {
            Config::load(settings.clone()).map_err(|error| error.to_string())
        }));
    }
    server.run().map_err(failed(RUNTIME))
}

fn code_of(error: &ServerError) -> u8 {
    match error {
        ServerError::Bind { .. } | ServerError::Admin { .. } => BIND,
        ServerError::Site(_)
        | ServerError::State(_)
        | ServerError::Users(_)
        | ServerError::Tls(_)
        | ServerError::Audit { .. }
        | ServerError::Exposed(_)
        | ServerError::Record { .. }
        | ServerError::Upload { .. } => CONFIG,
        ServerError::Lua(_) | ServerError::System(_) => RUNTIME,
    }
}

fn inspect(flags: InspectFlags) -> Result<(), u8> {
    let recording = &flags.run.recording.recording;
    let name = recording.file_name().unwrap_or(recording.as_os_str());
    let name = name.to_string_lossy().into_owned();
    let (reader, _) = open_to_run(flags.run.clone())?;
    let inspector = Inspector::new(name, reader).map_err(failed(RUNTIME))?;
    serve(flags.into(), Some(inspector))
}

/// The recording that is meant, which knows all that is secret in it.
fn open(flags: RecordingFlags) -> Result<Reader, u8> {
    let recording = flags.recording.clone();
    let settings = Settings::from(flags)
        .with_sources()
        .map_err(misconfigured)?;
    let reader = match replay::session_named(&recording) {
        None => replay::read_file(&recording).map_err(failed(RUNTIME)),
        Some(session) => {
            let place = settings.state.place(settings.dir.as_deref());
            let place = place.map_err(failed(CONFIG))?;
            replay::read_session(&place, session).map_err(failed(RUNTIME))
        }
    };
    let mut reader = reader?;
    reader.keep_secret(&settings.secret);
    Ok(reader)
}

/// The same to be run, which whoever recorded it may have meant to take for ever; and what to say of its bound.
fn open_to_run(flags: RunFlags) -> Result<(Reader, Option<String>), u8> {
    let mut reader = open(flags.recording)?;
    let recorded = flags.gas.map(|gas| reader.bound_gas(gas));
    let bound = recorded.and_then(|gas| replay::bound_note(reader.header(), gas));
    tell_if_endless(&reader);
    Ok((reader, bound))
}

fn tell_if_endless(reader: &Reader) {
    if let Some(note) = replay::gas_note(reader.header()) {
        failed(RUNTIME)(format!("note: {note}"));
    }
}

fn run_again(flags: RunFlags) -> Result<(), u8> {
    let (reader, bound) = open_to_run(flags)?;
    let mut report = replay::replay_here(&reader).map_err(failed(RUNTIME))?;
    report.notes.extend(bound);
    print(&report.to_string())?;
    match report.exit_code() {
        0 => Ok(()),
        code => Err(code),
    }
}

fn new(dir: &Path) -> Result<(), u8> {
    let made = scaffold::site(dir).map_err(failed(RUNTIME))?;
    let mut text = String::new();
    for path in made {
        text += &format!("wrote {}\n", path.display());
    }
    let dir = dir.display();
    print(&format!(
        "{text}\nNow:\n  lunette --dir {dir} --dev     serves it; edits take effect at once\n  \
         lunette test {dir}          runs its tests\n  lunette check {dir}         looks for mistakes\n"
    ))
}

/// Asks the server in which a session runs.
fn ask(of: SessionFlags, path: &str, mut body: Value) -> Result<Value, u8> {
    body["session"] = of.session.into();
    let state = place(of.state)?;
    operator::ask(&state, path, Some(&body)).map_err(failed(RUNTIME))
}

fn get(of: SessionFlags, path: &str) -> Result<(), u8> {
    let json = of.json;
    let value = ask(of, "/get", json!({ "path": path }))?;
    match value {
        Value::String(text) if !json => print(&format!("{text}\n")),
        value if json => print(&format!("{value}\n")),
        value => print(&format!("{value:#}\n")),
    }
}

fn update(of: SessionFlags, path: &str, value: &str) -> Result<(), u8> {
    let body = json!({ "path": path, "value": operator::value(value) });
    let json = of.json;
    let answer = ask(of, "/update", body)?;
    print_log(&answer, json)
}

fn evaluate(of: SessionFlags, code: &str) -> Result<(), u8> {
    let json = of.json;
    let answer = ask(of, "/eval", json!({ "code": code }))?;
    print_log(&answer, json)?;
    match answer["value"].as_str() {
        Some(value) if !json && !value.is_empty() => print(&format!("{value}\n")),
        Some(_) | None => Ok(()),
    }
}

/// What a session logged on the operator's behalf, or the whole answer.
fn print_log(answer: &Value, json: bool) -> Result<(), u8> {
    if json {
        return print(&format!("{answer}\n"));
    }
    let lines = answer["log"].as_array().into_iter().flatten();
    for line in lines.filter_map(Value::as_str) {
        print(&format!("{line}\n"))?;
    }
    Ok(())
}

fn service(system: System, dir: &Path, state: &Path, port: u16) -> Result<(), u8> {
    let program = std::env::current_exe().map_err(failed(RUNTIME))?;
    let site = std::path::absolute(dir).map_err(failed(RUNTIME))?;
    server::files::look_through(&site).map_err(failed(CONFIG))?;
    let service = scaffold::Service {
        program: &program,
        site: &site,
        state,
        port,
    };
    if let (System::Systemd, Some(told)) = (system, service.hidden()) {
        failed(CONFIG)(format!("note: {told}"));
    }
    print(&match system {
        System::Systemd => service.systemd(),
        System::Procd => service.procd(),
    })
}

fn export(flags: RecordingFlags, output: &Path) -> Result<(), u8> {
    let reader = open(flags)?;
    tell_if_endless(&reader);
    let exported = replay::export(&reader, output).map_err(failed(RUNTIME))?;
    print(&exported.to_string())
}

/// The state directory that is meant.
fn place(flags: StateFlags) -> Result<PathBuf, u8> {
    let settings = Settings::from(flags).with_sources();
    let settings = settings.map_err(misconfigured)?;
    let place = settings.state.place(settings.dir.as_deref());
    place.map_err(failed(CONFIG))
}

fn sessions(action: Option<SessionsAction>, json: bool, flags: StateFlags) -> Result<(), u8> {
    let state = place(flags)?;
    match action {
        None => match operator::ask(&state, "/sessions", None) {
            Ok(live) if json => print(&format!("{live:#}\n")),
            Ok(live) => print(&operator::table(&live, clock::wall())),
            Err(error) if error.is_absence() => {
                let listed = match json {
                    true => replay::sessions_json(&state),
                    false => replay::list_sessions(&state),
                };
                print(&listed.map_err(failed(RUNTIME))?)
            }
            Err(error) => Err(failed(RUNTIME)(error)),
        },
        Some(SessionsAction::Drop { session }) => {
            replay::drop_session(&state, &session).map_err(failed(RUNTIME))
        }
    }
}

/// For looking at a site; nothing is kept.
fn stateless(dir: &Path) -> Settings {
    Settings {
        dir: Some(dir.to_owned()),
        state: StateSettings {
            dir: Some(StateDir::None),
            ..StateSettings::default()
        },
        ..Settings::default()
    }
}

fn check(dir: &Path) -> Result<(), u8> {
    let (site, unreadable) = server::files::look_through(dir).map_err(failed(CONFIG))?;
    let (config, mut problems) = match Config::load(stateless(dir)) {
        Ok(config) => (Some(config), Vec::new()),
        Err(error) => (None, error.each().iter().map(ToString::to_string).collect()),
    };
    problems.extend(unreadable.iter().map(ToString::to_string));
    let allowed = config.as_ref().map(|config| {
        let machine = Machine::new(config.dir.as_deref(), &config.directories);
        let machine: Box<dyn Outside> = Box::new(machine);
        (&config.limits, machine)
    });
    let found = check::check(&site, allowed).map_err(failed(RUNTIME))?;
    problems.extend(found.problems);
    let mut remarks = found.remarks;
    if let Some(config) = &config {
        check_files(config, &mut problems, &mut remarks);
    }
    for told in problems.iter().chain(&remarks) {
        failed(CONFIG)(told);
    }
    let dir = dir.display();
    let count = match problems.len() {
        0 if remarks.is_empty() => return print(&format!("{dir}: all is well\n")),
        0 => return print(&format!("{dir}: no mistakes; see what is said above\n")),
        1 => "1 problem".to_owned(),
        count => format!("{count} problems"),
    };
    let more = match found.ran {
        true => "",
        false => "; the first page is looked at when there are none",
    };
    Err(failed(CONFIG)(format!("{count}{more}")))
}

/// Files that the settings name.
fn check_files(config: &Config, problems: &mut Vec<String>, remarks: &mut Vec<String>) {
    match server::tls::load(config) {
        Ok(loaded) => remarks.extend(loaded.into_iter().flat_map(|(_, told)| told)),
        Err(error) => problems.push(error.to_string()),
    }
    if let Some(Way::Users(path)) = config.auth.as_ref().map(|auth| &auth.way) {
        problems.extend(Users::read(path).err().map(|error| error.to_string()));
    }
}

fn dump_config(settings: Settings, json: bool) -> Result<(), u8> {
    let settings = settings.with_sources().map_err(misconfigured)?;
    print(&match json {
        true => dump::json(&settings),
        false => dump::toml(&settings),
    })?;
    // What is shown may still make no configuration.
    Config::resolve(settings).map_err(misconfigured)?;
    Ok(())
}

fn test(flags: TestFlags) -> Result<(), u8> {
    let config = Config::load(stateless(&flags.dir)).map_err(misconfigured)?;
    let ignored: Vec<_> = config
        .test_ignore
        .iter()
        .map(|text| pattern(text))
        .collect();
    let suite = Suite::of_site(&flags.dir);
    let told = |error: SuiteError| {
        let code = match error {
            SuiteError::NoSuch(..) | SuiteError::Name(_) | SuiteError::NothingNew(_) => USAGE,
            SuiteError::None(..) => CONFIG,
            _ => RUNTIME,
        };
        failed(code)(error)
    };
    if let Some(recording) = &flags.from {
        if let [_, more, ..] = &flags.names[..] {
            return Err(failed(USAGE)(format!(
                "--from makes one test of one recording, and here is {more}, too: name the recording that is meant"
            )));
        }
        let stem = recording
            .file_stem()
            .map(|stem| stem.to_string_lossy().into_owned());
        let name = flags.names.first().cloned().or(stem).unwrap_or_default();
        let reader = open(RecordingFlags {
            recording: recording.clone(),
            state: StateFlags {
                dir: Some(flags.dir.clone()),
                state: None,
            },
            secret: Vec::new(),
        })?;
        tell_if_endless(&reader);
        let file = suite.add_journal(&name, &reader, &ignored).map_err(told)?;
        return print(&format!("wrote {}\n", flags.dir.join(file).display()));
    }
    let mut out = Shown(std::io::stdout().lock());
    if let Some(name) = &flags.accept {
        return suite.accept(name, &mut out).map_err(told);
    }
    let setting = Setting {
        site: server::files::load_site(&flags.dir).map_err(failed(CONFIG))?,
        limits: config.limits.clone(),
        ignored,
        secret: config.secret.clone(),
        update: flags.update,
    };
    let wishes = Wishes {
        names: flags.names,
        verbose: flags.verbose,
        record_missing: flags.record_missing,
        ci: flags.ci,
        junit: flags.junit,
    };
    let machine = || -> Box<dyn Outside> {
        Box::new(Machine::new(config.dir.as_deref(), &config.directories))
    };
    match suite
        .test(&setting, &wishes, &machine, &mut out)
        .map_err(told)?
    {
        0 => Ok(()),
        code => Err(code),
    }
}

/// Results go to standard output; a closed one is an error like any other.
fn print(text: &str) -> Result<(), u8> {
    let mut out = Shown(std::io::stdout().lock());
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(failed(RUNTIME))
}

fn failed<E: Display>(code: u8) -> impl Fn(E) -> u8 {
    move |error| {
        let line = format!("lunette: {error}\n");
        let _ = Shown(std::io::stderr()).write_all(line.as_bytes());
        code
    }
}

/// Each mistake in a line of its own.
fn misconfigured(error: ConfigError) -> u8 {
    for error in error.each() {
        failed(CONFIG)(error);
    }
    CONFIG
}

/// What is printed quotes what others wrote: where a person looks, nothing of it may be a command to the terminal.
struct Shown<W>(W);

impl<W: Write + IsTerminal> Write for Shown<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self.0.is_terminal() {
            true => {
                let text = legible(&String::from_utf8_lossy(bytes), &['\n', '\t']);
                self.0.write_all(text.as_bytes())?;
            }
            false => self.0.write_all(bytes)?,
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.flush()
    }
}
