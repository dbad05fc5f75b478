//! Export: a session's journal as one file that needs nothing else, with all frames, to be replayed elsewhere.

use std::fmt;
use std::path::Path;

use super::{ReplayError, Report, config_of, replay, runtime_for, to_event};
use crate::core::id::ConnectionId;
use crate::core::manager::SessionManager;
use crate::core::script::Runtime;
use crate::journal::{Detail, Header, Output, Paths, RawEvent, Reader, Record, Secrets, Writer};

/// What is in the file that was made.
#[derive(Debug)]
pub struct Exported {
    pub events: u64,
    /// Frames sent are in it, not only their digests.
    pub frames: bool,
    /// Why not, as a replay tells it.
    pub divergence: Option<Report>,
    /// Secrets left out.
    pub blanked: u64,
    /// The last event, whose end the journal does not tell, is not in it.
    pub interrupted: bool,
}

/// Writes the journal in `reader` into a new file at `out`. `secret` are patterns of paths, see
/// [`Secrets::of`].
///
/// # Errors
/// When it cannot be replayed here at all, or the file is there already or cannot be written.
pub fn export(reader: &Reader, secret: &[String], out: &Path) -> Result<Exported, ReplayError> {
    let recorded = reader.header();
    let (divergence, detail) = match recorded.detail {
        Detail::Full => (None, Detail::Full),
        Detail::Digest => {
            let runtime = runtime_for(recorded)?;
            let report = replay(reader, |_| runtime);
            match report.divergence {
                Some(_) => (Some(report), Detail::Digest),
                None => (None, Detail::Full),
            }
        }
    };
    let header = Header {
        detail,
        ..recorded.clone()
    };
    let writer = Writer::create(out, &header).map_err(|source| ReplayError::Output {
        path: out.into(),
        source,
    })?;
    let mut copy = Copy {
        writer,
        paths: Paths::default(),
        secrets: Secrets::of(&recorded.site, secret),
    };
    let written = match (recorded.detail, detail) {
        (Detail::Digest, Detail::Full) => copy.run_again(reader)?,
        _ => copy.as_recorded(reader),
    };
    written.map_err(|stopped| ReplayError::Output {
        path: out.into(),
        source: std::io::Error::other(stopped.to_string()),
    })?;
    Ok(Exported {
        events: reader.records().count() as u64,
        frames: detail == Detail::Full,
        divergence,
        blanked: copy.secrets.blanked,
        interrupted: reader.interrupted().is_some(),
    })
}

type Written = Result<(), crate::journal::Stopped>;

/// A file that is being made.
struct Copy {
    writer: Writer,
    paths: Paths,
    secrets: Secrets,
}

impl Copy {
    /// Stores what is in the journal.
    fn as_recorded(&mut self, reader: &Reader) -> Written {
        let mut turn_number = 0;
        for record in reader.records() {
            self.begin(&record, &mut turn_number)?;
            for output in &record.outputs {
                self.output(output);
            }
            if let Some(digest) = record.digest {
                self.writer.set_digest(digest);
            }
        }
        self.writer.flush()
    }

    /// Stores what comes out when the journal is run again, which is what came out then.
    fn run_again(&mut self, reader: &Reader) -> Result<Written, ReplayError> {
        let header = reader.header();
        let mut manager = SessionManager::new(runtime_for(header)?, config_of(header));
        Ok(self.copy_running(reader, &mut manager))
    }

    fn copy_running<R: Runtime>(
        &mut self,
        reader: &Reader,
        manager: &mut SessionManager<R>,
    ) -> Written {
        let session = reader.header().session;
        let mut turn_number = 0;
        let mut frame = Vec::new();
        for record in reader.records() {
            self.begin(&record, &mut turn_number)?;
            manager.set_outside(Box::new(super::Recorded::of(&record)));
            let event = to_event(&record.event, session, manager.site());
            manager.handle_event(event, record.turn);
            while let Some(effect) = manager.poll_effect() {
                if let Some(output) = Output::of(&effect, &mut frame) {
                    self.output(&output);
                }
            }
        }
        self.writer.flush()
    }

    fn begin(&mut self, record: &Record<'_>, turn_number: &mut u64) -> Written {
        if std::mem::replace(turn_number, record.turn_number) != record.turn_number {
            self.writer.commit()?;
        }
        self.secrets.hear(&record.event);
        self.paths.hear(&record.event);
        match record.event {
            RawEvent::Frame { connection, text } => {
                let text = self.blank(connection, text.as_bytes());
                // Blanks are texts, and so are frames.
                let text = std::str::from_utf8(&text).unwrap_or_default();
                let event = RawEvent::Frame { connection, text };
                self.writer.event(record.turn, &event);
            }
            event => self.writer.event(record.turn, &event),
        }
        Ok(())
    }

    fn output(&mut self, output: &Output<'_>) {
        match *output {
            Output::Frame { connection, text } => {
                let text = &self.blank(connection, text);
                self.writer.output(&Output::Frame { connection, text });
            }
            _ => self.writer.output(output),
        }
    }

    fn blank(&mut self, connection: ConnectionId, frame: &[u8]) -> Vec<u8> {
        let Copy { paths, secrets, .. } = self;
        secrets.blank(paths, connection, frame).into_owned()
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
