//! The recordings of a site: `tests/NAME.lunette` in its directory, read, run, and written anew.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::convert::convert;
use super::diff;
use super::report::{self, count};
use super::run::{Outcome, Setting, run};
use super::script::{Recording, ScriptError, Step};
use super::take::Take;
use crate::config::nearest::nearest;
use crate::core::outside::Outside;
use crate::journal::Reader;
use crate::lua::DIALECT;
use crate::lua::state::StateError;

/// Where a site's recordings are.
pub const FOLDER: &str = "tests";
/// What their names end in.
pub const ENDING: &str = ".lunette";
/// Recordings that wait to be accepted.
const NEW: &str = ".new";

/// What is wanted of the recordings.
#[derive(Clone, Debug, Default)]
pub struct Wishes {
    /// Parts of names; all recordings, if there are none.
    pub names: Vec<String>,
    pub verbose: bool,
    pub record_missing: bool,
    /// Nothing is written but the report, and nothing may wait to be accepted.
    pub ci: bool,
    pub junit: Option<PathBuf>,
}

/// Why recordings did not run, or not all.
#[derive(Debug, thiserror::Error)]
pub enum SuiteError {
    #[error(
        "there are no recordings in {0}: make one with the Record button of lunette --dir {1} --dev, or of a recording \
         with lunette test {1} NAME --from FILE.lnt"
    )]
    None(String, String),
    #[error("no recording is called {0}{1}")]
    NoSuch(String, String),
    #[error("{path}: {source}")]
    Io { path: String, source: io::Error },
    #[error("the recording is of {0}, this engine runs {DIALECT}")]
    Dialect(String),
    #[error("{0} is there already: give another name, or remove it")]
    Exists(String),
    #[error("{0} is no name for a file: use letters, digits, - and _")]
    Name(String),
    #[error("nothing waits to be accepted as {0}: lunette test --update makes such files")]
    NothingNew(String),
    #[error(transparent)]
    Lua(#[from] StateError),
}

/// The recordings in the directory of a site.
#[derive(Debug)]
pub struct Suite {
    dir: PathBuf,
}

fn io_error(path: &Path) -> impl Fn(io::Error) -> SuiteError {
    move |source| SuiteError::Io {
        path: path.display().to_string(),
        source,
    }
}

impl Suite {
    /// Those of the site in `dir`.
    pub fn of_site(dir: &Path) -> Suite {
        Suite { dir: dir.into() }
    }

    fn folder(&self) -> PathBuf {
        self.dir.join(FOLDER)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder().join(format!("{name}{ENDING}"))
    }

    /// The names of all files with this ending, sorted.
    fn names(&self, ending: &str) -> Vec<String> {
        let entries = fs::read_dir(self.folder()).into_iter().flatten().flatten();
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        let mut names: Vec<String> = names
            .filter_map(|name| name.strip_suffix(ending).map(str::to_owned))
            .collect();
        names.sort_unstable();
        names
    }

    fn chosen(&self, wanted: &[String]) -> Result<Vec<String>, SuiteError> {
        let all = self.names(ENDING);
        if all.is_empty() {
            let (folder, dir) = (self.folder(), &self.dir);
            return Err(SuiteError::None(
                folder.display().to_string(),
                dir.display().to_string(),
            ));
        }
        for part in wanted {
            if !all.iter().any(|name| name.contains(part.as_str())) {
                let near = nearest(part, all.iter().map(String::as_str), "", "");
                return Err(SuiteError::NoSuch(part.clone(), near));
            }
        }
        let is_wanted = |name: &String| {
            wanted.is_empty() || wanted.iter().any(|part| name.contains(part.as_str()))
        };
        Ok(all.into_iter().filter(is_wanted).collect())
    }

    /// Runs recordings and tells what came of them. Returns the exit code: 0, 5 when a test failed, 1 when
    /// a recording cannot be read.
    ///
    /// # Errors
    /// When none could run.
    pub fn test(
        &self,
        setting: &Setting,
        wishes: &Wishes,
        machine: &dyn Fn() -> Box<dyn Outside>,
        out: &mut dyn Write,
    ) -> Result<u8, SuiteError> {
        let mut code = 0;
        let mut results = Vec::new();
        for name in self.chosen(&wishes.names)? {
            let path = self.path(&name);
            let file = format!("{FOLDER}/{name}{ENDING}");
            let text = fs::read_to_string(&path).map_err(io_error(&path))?;
            let recording = match Recording::parse(&text) {
                Ok(recording) => recording,
                Err(ScriptError { line, text }) => {
                    code = 1;
                    tell(out, &format!("FAIL  {name}\n      {file}:{line}: {text}\n"))?;
                    continue;
                }
            };
            let started = Instant::now();
            let ask = (wishes.record_missing && !wishes.ci).then(machine);
            let outcome = run(&recording, setting, ask)?;
            let result = report::Result {
                name,
                file,
                seconds: started.elapsed().as_secs_f64(),
                outcome,
            };
            tell(out, &result.tell(wishes.verbose))?;
            self.write_anew(&result, &text, setting.update, out)?;
            results.push(result);
        }
        tell(out, &report::summary(&results))?;
        if let Some(file) = &wishes.junit {
            let suite = self.dir.display().to_string();
            fs::write(file, report::junit(&suite, &results)).map_err(io_error(file))?;
        }
        let failed = results
            .iter()
            .any(|result| !result.outcome.failures.is_empty());
        let waits = self.tell_waiting(wishes.ci, out)?;
        Ok(match code {
            0 if failed || (waits && wishes.ci) => 5,
            code => code,
        })
    }

    /// Whether recordings wait to be accepted: somebody has forgotten them.
    fn tell_waiting(&self, ci: bool, out: &mut dyn Write) -> Result<bool, SuiteError> {
        let waiting = self.names(&format!("{ENDING}{NEW}"));
        for name in &waiting {
            let word = if ci { "FAIL" } else { "note" };
            tell(
                out,
                &format!(
                    "{word}  {FOLDER}/{name}{ENDING}{NEW} waits: take it over with --accept {name}, or delete it\n"
                ),
            )?;
        }
        Ok(!waiting.is_empty())
    }

    fn write_anew(
        &self,
        result: &report::Result,
        old: &str,
        update: bool,
        out: &mut dyn Write,
    ) -> Result<(), SuiteError> {
        let Outcome {
            failures,
            updated,
            added,
            ..
        } = &result.outcome;
        let path = self.path(&result.name);
        if !added.is_empty() {
            let mut lines: Vec<String> = old.lines().map(str::to_owned).collect();
            let place = answers_end(old);
            let answers = added
                .iter()
                .cloned()
                .map(|(call, answer)| Step::Answer { call, answer }.to_string());
            lines.splice(place..place, answers);
            fs::write(&path, lines.join("\n") + "\n").map_err(io_error(&path))?;
            let text = format!(
                "      added {} to {}\n",
                count(added.len(), "answer"),
                result.file
            );
            return tell(out, &text);
        }
        let new = updated.join("\n") + "\n";
        if !update || !failures.is_empty() || new.trim_end() == old.trim_end() {
            return Ok(());
        }
        let beside = self.folder().join(format!("{}{ENDING}{NEW}", result.name));
        fs::write(&beside, &new).map_err(io_error(&beside))?;
        tell(out, &diff::lines(old, &new))
    }

    /// Takes over what `--update` wrote, and tells what that changes.
    ///
    /// # Errors
    /// When there is no such file, or it cannot be moved.
    pub fn accept(&self, name: &str, out: &mut dyn Write) -> Result<(), SuiteError> {
        let name = name.strip_suffix(ENDING).unwrap_or(name);
        let path = self.path(name);
        let beside = self.folder().join(format!("{name}{ENDING}{NEW}"));
        let Ok(new) = fs::read_to_string(&beside) else {
            return Err(SuiteError::NothingNew(name.into()));
        };
        let old = fs::read_to_string(&path).unwrap_or_default();
        fs::rename(&beside, &path).map_err(io_error(&beside))?;
        tell(out, &diff::lines(&old, &new))?;
        tell(out, &format!("accepted {FOLDER}/{name}{ENDING}\n"))
    }

    /// Makes a recording of a journal. Returns the file, inside the site.
    ///
    /// # Errors
    /// When the journal is of no use, or there is such a recording.
    pub fn add_journal(
        &self,
        name: &str,
        reader: &Reader,
        ignored: &[Vec<String>],
    ) -> Result<String, SuiteError> {
        if reader.header().dialect != DIALECT {
            return Err(SuiteError::Dialect(reader.header().dialect.clone()));
        }
        self.add(name, &Take::of_journal(reader), ignored)
    }

    /// Makes a recording of what a session was seen to do. Returns the file, inside the site.
    ///
    /// # Errors
    /// When there is such a recording, or it cannot be written.
    pub fn add(
        &self,
        name: &str,
        take: &Take,
        ignored: &[Vec<String>],
    ) -> Result<String, SuiteError> {
        let fits = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
        if name.is_empty() || name.starts_with('.') || name.len() > 100 || !name.chars().all(fits) {
            return Err(SuiteError::Name(format!("{name:?}")));
        }
        let path = self.path(name);
        let text = convert(take, ignored)?;
        fs::create_dir_all(self.folder()).map_err(io_error(&self.folder()))?;
        let file = fs::File::options().write(true).create_new(true).open(&path);
        let mut file = file.map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => SuiteError::Exists(path.display().to_string()),
            _ => io_error(&path)(error),
        })?;
        file.write_all(text.as_bytes()).map_err(io_error(&path))?;
        Ok(format!("{FOLDER}/{name}{ENDING}"))
    }
}

/// Behind the answers at the top of a recording, or its header.
fn answers_end(text: &str) -> usize {
    let known = [
        "recording",
        "seed",
        "time",
        "url",
        "locale",
        "timezone",
        "saved",
        "user",
        "answer",
    ];
    let is_known = |line: &str| known.contains(&line.split_whitespace().next().unwrap_or(""));
    let lines: Vec<&str> = text.lines().collect();
    let first_step = lines.iter().position(|line| {
        let line = line.trim();
        !line.is_empty() && !line.starts_with('#') && !is_known(line)
    });
    let head = &lines[..first_step.unwrap_or(lines.len())];
    head.iter()
        .rposition(|line| is_known(line))
        .map_or(0, |at| at + 1)
}

fn tell(out: &mut dyn Write, text: &str) -> Result<(), SuiteError> {
    out.write_all(text.as_bytes())
        .map_err(|source| SuiteError::Io {
            path: "standard output".into(),
            source,
        })
}
