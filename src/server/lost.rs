//! Sessions that cannot be rebuilt: why, and how they begin anew.

use super::Server;
use super::accept::is_exhaustion;
use super::inbox::Input;
use super::routes::Place;
use super::sessions::Sid;
use super::world::World;
use crate::core::event::Opening;
use crate::core::id::SessionId;
use crate::core::manager::Dormant;
use crate::core::script::Runtime;
use crate::journal::{JournalError, Output, RawEvent, Reader, Standing, StoreError};

const ANEW: &str = "This session could not be rebuilt and began anew. What you typed and did not send yet is still here.";
const SAVED: &str =
    "This session could not be rebuilt. It began anew with what the app had saved last.";

/// Why a session cannot be rebuilt.
#[derive(Debug, thiserror::Error)]
pub(super) enum Lost {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("it has no journal")]
    NoJournal,
    /// The process died before the journal was put away.
    #[error("it had ended")]
    Over,
    #[error("it began with {0}, which is not allowed any more")]
    NotAllowed(String),
    /// In words for the log.
    #[error("{0}")]
    Differs(String),
}

impl Lost {
    /// Whether the machine has run out of something that comes back: whoever wants the session shall try again.
    pub(super) fn passes(&self) -> bool {
        match self {
            Lost::Store(
                StoreError::Io { source, .. }
                | StoreError::Journal(JournalError::Io { source, .. }),
            ) => is_exhaustion(source),
            _ => false,
        }
    }
}

impl<R: Runtime + Clone, W: World> Server<R, W> {
    /// Whoever comes to a page tries again what was tried in the background: that is told once.
    pub(super) fn tell_lost(&mut self, session: SessionId, lost: &Lost) {
        if lost.passes() || self.told_lost.insert(session) {
            self.log
                .session(0, session, format_args!("cannot be rebuilt: {lost}"));
        }
    }

    /// A session that had ended with an earlier process, which did not come to put it away.
    pub(super) fn put_away(&mut self, session: SessionId) {
        self.core.forget_dormant(session);
        self.end_session(session);
        self.sessions.end(session);
    }

    /// A session that cannot be woken sleeps until somebody comes to its page, or for as long as it would be
    /// kept without.
    pub(super) fn let_sleep(&mut self, session: SessionId) {
        if self.sessions.sid(session).is_none() {
            return;
        }
        self.core.forget_dormant(session);
        let timeout = self.session_timeout_ms;
        let dormant = Dormant {
            due: (timeout > 0).then(|| self.turn.now + timeout),
            ends: true,
            topics: Some(Vec::new()),
        };
        self.core.restore_dormant(session, &dormant);
    }

    /// A session that cannot be woken begins anew under its address.
    pub(super) fn begin_anew(
        &mut self,
        session: SessionId,
        sid: Sid,
        place: Place<'_>,
        user: &str,
    ) {
        let mut opening = Opening {
            address: format!("{}/{sid}", self.routes.base()).into(),
            url: "/".into(),
            locale: place.locale.into(),
            timezone: place.timezone.into(),
            user: user.into(),
            ..Opening::default()
        };
        opening.notice = ANEW.into();
        let mut fate = "its journal is set aside";
        if let Some(keeper) = &self.keeper {
            let (store, name) = (&keeper.store, sid.to_string());
            let mut aside = store.set_aside(&name, Standing::Lost);
            if let Ok(reader) = store.archive().read(&name) {
                let (url, saved) = last_known(&reader);
                opening.url = url;
                // When its process ended, it was just about to begin: nothing is lost.
                if reader.events() == 0 {
                    opening.notice = "".into();
                    fate = "it had not begun";
                    aside = store.remove(&name);
                } else if !saved.is_empty() {
                    opening.saved = saved;
                    opening.notice = SAVED.into();
                }
            }
            if let Err(error) = aside {
                self.log.session(0, session, format_args!("{error}"));
            }
        }
        self.drop_checkpoint(Some(sid));
        self.told_lost.remove(&session);
        self.log
            .session(0, session, format_args!("begins anew; {fate}"));
        self.core.forget_dormant(session);
        self.links.end_session(session);
        opening.seed = match self.world.random().seed() {
            Ok(seed) => seed,
            Err(_) => return,
        };
        self.inbox
            .push(session, Input::Open(sid, Box::new(opening)));
    }
}

/// Why a session cannot be made of this: one that had ended is not lost. Its end is the last of all records, which nobody
/// who goes on should have to wait for.
pub(super) fn lost_or_over(reader: &Reader, lost: Lost) -> Lost {
    match is_over(reader) {
        true => Lost::Over,
        false => lost,
    }
}

/// Whether the session ended in its last event.
fn is_over(reader: &Reader) -> bool {
    let last = reader.records().last();
    last.is_some_and(|last| last.outputs.contains(&Output::SessionEnded))
}

/// The address at which a session was last known to be, and what its app saved last.
fn last_known(reader: &Reader) -> (Box<str>, Box<str>) {
    let mut known = (Box::from("/"), Box::from(""));
    for record in reader.records() {
        if let RawEvent::SessionOpened(opening) = record.event {
            known = (opening.url.into(), opening.saved.into());
        }
        for output in &record.outputs {
            if let Output::Saved { data } = *output {
                known.1 = data.into();
            }
        }
    }
    known
}
