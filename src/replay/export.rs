//! Export: a session's journal as one file that needs nothing else, with all frames, to be replayed elsewhere.

use std::fmt;
use std::io;
use std::path::Path;

use super::{ReplayError, Report, Seen, config_of, rerun, runtime_for};
use crate::core::manager::SessionManager;
use crate::core::script::Runtime;
use crate::journal::{Detail, Header, Output, Reader, Record, Secrets, Stopped, Writer};

/// What is in the file that was made.
#[derive(Debug)]
pub struct Exported {
    pub events: u64,
    /// Why only digests of what was sent are in it, as a replay tells it.
    pub divergence: Option<Report>,
    /// Secrets left out.
    pub blanked: u64,
    /// The last event, whose end the journal does not tell, is not in it.
    pub interrupted: bool,
}

/// Writes the journal in `reader` into a new file at `out`, without its secrets.
///
/// # Errors
/// When it cannot be run here at all, or the file is there already or cannot be written.
pub fn export(reader: &Reader, out: &Path) -> Result<Exported, ReplayError> {
    let header = reader.header();
    let failed = |source| ReplayError::Output {
        path: out.into(),
        source,
    };
    let begin = |detail| {
        let header = Header {
            detail,
            ..header.clone()
        };
        let writer = Writer::create(out, &header).map_err(failed)?;
        Ok::<_, ReplayError>(Copy {
            writer,
            stopped: None,
            turn_number: 0,
            secrets: Secrets::of(&header),
        })
    };
    let mut copy = begin(Detail::Full)?;
    let mut divergence = None;
    if header.detail == Detail::Digest {
        let mut manager = SessionManager::new(runtime_for(header)?, config_of(header));
        let report = copy.run_again(reader, &mut manager);
        divergence = report.divergence.is_some().then_some(report);
    }
    if divergence.is_some() {
        std::fs::remove_file(out).map_err(failed)?;
        copy = begin(Detail::Digest)?;
    }
    if divergence.is_some() || header.detail == Detail::Full {
        copy.as_recorded(reader);
    }
    let flushed = copy.writer.flush();
    if let Some(stopped) = copy.stopped.take().or(flushed.err()) {
        return Err(failed(io::Error::other(stopped.to_string())));
    }
    Ok(Exported {
        events: reader.records().count() as u64,
        divergence,
        blanked: copy.secrets.blanked,
        interrupted: reader.interrupted().is_some(),
    })
}

/// A file that is being made.
struct Copy {
    writer: Writer,
    /// Why the file could not be written, if so.
    stopped: Option<Stopped>,
    turn_number: u64,
    secrets: Secrets,
}

impl Copy {
    /// Stores what is in the journal.
    fn as_recorded(&mut self, reader: &Reader) {
        for record in reader.records() {
            self.begin(&record);
            for output in &record.outputs {
                self.output(output);
            }
            if let Some(digest) = record.digest {
                self.writer.set_digest(digest);
            }
        }
    }

    /// Stores what comes out when the journal is run again, as long as it is what came out then.
    fn run_again<R: Runtime>(
        &mut self,
        reader: &Reader,
        manager: &mut SessionManager<R>,
    ) -> Report {
        let mut records = reader.records();
        rerun(manager, reader, &mut |seen| match seen {
            Seen::Event(_) => {
                if let Some(record) = records.next() {
                    self.begin(&record);
                }
            }
            Seen::Output(output) => self.output(output),
            Seen::Line { .. } => {}
        })
    }

    fn begin(&mut self, record: &Record<'_>) {
        if std::mem::replace(&mut self.turn_number, record.turn_number) != record.turn_number {
            let committed = self.writer.commit();
            self.stopped = self.stopped.take().or(committed.err());
        }
        let Copy {
            writer, secrets, ..
        } = self;
        secrets.hear(&record.event);
        secrets.event(&record.event, |event| writer.event(record.turn, event));
    }

    fn output(&mut self, output: &Output<'_>) {
        let Copy {
            writer, secrets, ..
        } = self;
        secrets.output(output, |output| writer.output(output));
    }
}

impl fmt::Display for Exported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let events = self.events;
        match &self.divergence {
            None => writeln!(f, "exported {events} events with all frames")?,
            Some(report) => writeln!(
                f,
                "exported {events} events without the frames that were sent, of which the journal has digests \
                 only: run again they do not come out as they were\n{report}"
            )?,
        }
        if self.interrupted {
            writeln!(
                f,
                "note: the last event is left out: the server ended in the middle of it"
            )?;
        }
        match self.blanked {
            0 => Ok(()),
            blanked => writeln!(
                f,
                "note: {blanked} secret values are blanked: where the app's code looks at them, a replay \
                 diverges"
            ),
        }
    }
}
