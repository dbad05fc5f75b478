//! Inspect: looking at a recording turn by turn, for the page of `lunette inspect`.
//!
//! **Contract.** An [`Inspector`] holds a recording and answers questions about it: it is what the scripts of
//! the page have in place of a machine ([`Outside`]). A question is the path of a file to read, such as
//! `variables/12`, and the answer is JSON; nothing can be written. What takes long is done in pieces: an
//! answer `{"pending": true}` means that asking again goes on, so that no question holds up the server.
//!
//! The first run of the recording fills an `index::Index`: turns, and the history of each variable. What is
//! not in there (objects) comes of running it again up to the turn (`objects`, `probe`). `journal::words` puts
//! turns into words, `shown` leaves out what is secret, `answer` puts all of it into JSON. Imports `replay` and what that stands on.

mod answer;
mod index;
mod objects;
mod probe;
mod run;
mod shown;

use crate::core::id::SessionId;
use crate::core::outside::{HostAnswer, HostCall, Outside};
use crate::journal::{Detail, Reader};
use crate::replay::{self, Divergence, ReplayError, Seen};
use index::Index;
use objects::Window;
use probe::Probe;
use run::Run;
use shown::Shown;

/// What one answer may do, in variables looked at; an event counts as `EVENT_COST`. Some tens of
/// milliseconds of work.
const WORK_PER_ANSWER: usize = 60_000;
const EVENT_COST: usize = 60;

/// A recording that can be asked about. See the module.
pub struct Inspector {
    /// The file's name, for the page.
    name: String,
    reader: Reader,
    shown: Shown,
    notes: Vec<String>,
    index: Index,
    /// The run that fills the index, until it is full.
    first_run: Option<Run>,
    divergence: Option<Box<Divergence>>,
    window: Window,
    probe: Option<Probe>,
}

impl std::fmt::Debug for Inspector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inspector")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Inspector {
    /// Of a recording that the page calls `name`.
    ///
    /// # Errors
    /// When this engine cannot run it.
    pub fn new(name: String, reader: Reader) -> Result<Inspector, ReplayError> {
        let first_run = Run::new(&reader)?;
        let mut notes = replay::notes(reader.header());
        notes.extend(replay::space_note(reader.header()));
        if reader.header().detail == Detail::Digest {
            notes.push(
                "this is a journal, which has digests of what was sent: the frames are those of the session run \
                 again, and give these digests"
                    .into(),
            );
        }
        if let Some(last) = reader.interrupted() {
            notes.push(format!(
                "the server ended while this was being done, in an event that is left out: {}",
                last.call
            ));
        }
        if reader.torn_bytes() > 0 {
            let torn = reader.torn_bytes();
            notes.push(format!(
                "the file ends in an unfinished record ({torn} bytes), left out"
            ));
        }
        Ok(Inspector {
            name,
            notes,
            index: Index::new(reader.header()),
            shown: Shown::new(reader.header()),
            first_run: Some(first_run),
            divergence: None,
            window: Window::default(),
            probe: None,
            reader,
        })
    }

    /// Goes on with the first run for as long as one answer may take. Returns whether it is over.
    fn fill_index(&mut self) -> bool {
        let Some(run) = &mut self.first_run else {
            return true;
        };
        let mut work = 0;
        while work < WORK_PER_ANSWER {
            let place = run.place();
            let (index, digested) = (
                &mut self.index,
                self.reader.header().detail == Detail::Digest,
            );
            let mut seen = |seen: Seen<'_>| match seen {
                Seen::Event(event) => index.note_event(event),
                Seen::Output(output) if digested => index.note_output(output),
                Seen::Output(_) => {}
                Seen::Line { level, text } => index.note_line(level, text),
            };
            let Some(events) = run.turn(&self.reader, &mut seen) else {
                return self.end_first_run();
            };
            let looked_at = self.index.take_turn(&self.reader, place, run);
            work += looked_at + events * EVENT_COST;
            if run.divergence().is_some() || self.index.is_full() {
                return self.end_first_run();
            }
        }
        false
    }

    fn end_first_run(&mut self) -> bool {
        let Some(run) = self.first_run.take() else {
            return true;
        };
        if self.index.is_full() {
            let turns = self.index.turns.len();
            self.notes.push(format!(
                "the recording goes on after turn {turns}, but there is no memory here to look at more"
            ));
        }
        self.divergence = run.into_divergence();
        true
    }

    /// The answer to a question, or why there is none.
    fn answer(&mut self, question: &str) -> Result<String, String> {
        let (what, rest) = question.split_once('/').unwrap_or((question, ""));
        if what == "recording" {
            let done = self.fill_index();
            return Ok(answer::recording(self, done).to_string());
        }
        if self.first_run.is_some() {
            return Err("the recording is still being read".into());
        }
        let answer = match what {
            "turns" => answer::turns(self, rest),
            "turn" => answer::turn(self, rest),
            "variables" => answer::variables(self, rest),
            "history" => answer::history(self, rest),
            "objects" => answer::objects(self, rest),
            "field" => answer::field(self, rest),
            "find" => answer::find(self, rest),
            _ => None,
        };
        match answer {
            Some(answer) => Ok(answer.to_string()),
            None => Err(format!("there is no answer to {question}")),
        }
    }
}

impl Outside for Inspector {
    fn call(&mut self, _: SessionId, call: &HostCall) -> HostAnswer {
        let answer = match call {
            HostCall::Read { path } => self.answer(&String::from_utf8_lossy(path)),
            _ => Err("a recording can only be read".into()),
        };
        match answer {
            Ok(answer) => HostAnswer::Bytes(answer.into_bytes()),
            Err(text) => HostAnswer::Failed { code: 0, text },
        }
    }
}

#[cfg(test)]
mod tests;
