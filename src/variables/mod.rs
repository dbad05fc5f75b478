//! Variables: what somebody sees who looks into a session while it runs. Its variables as they are, and what
//! its last turns did to them.
//!
//! **Contract.** A [`Board`] is of one session. It is told of each event of that session, before and after,
//! and asked by those who look. Nothing it does is an event, runs code or changes anything in the session,
//! and nothing of it is recorded. It keeps a bounded amount, and what takes long is done in pieces: an
//! answer reads and tells so many variables and says whether there are more. `rows` are the variables,
//! `timeline` the turns, `answer` puts both into JSON. Imports `journal` and `core` only.

mod answer;
mod rows;
mod timeline;

use crate::core::event::Turn;
use crate::core::id::{ConnectionId, Timestamp, WireId};
use crate::core::script::Script;
use crate::core::session::Session;
use crate::journal::words::{self, Names};
use crate::journal::{BLANK, RawEvent, Secrets, decode_edits};

pub use answer::Asked;
use rows::Rows;
use timeline::Timeline;

/// Variables that are compared with what they were after one event; of the rest it is only known that they
/// may have changed. Less than ten milliseconds of work.
const COMPARED_MAX: usize = 2_000;

/// See the module's description.
#[derive(Debug)]
pub struct Board {
    /// Tells it from all others of this server and of earlier ones.
    name: Box<str>,
    /// When somebody asked last.
    pub asked: Timestamp,
    secrets: Secrets,
    rows: Rows,
    timeline: Timeline,
    /// The numbers of pages in the session, also of those that the present event ends.
    pages: Vec<(ConnectionId, u64)>,
}

impl Board {
    /// Begins to look into a session. `secret`: paths whose values nobody sees, beside those of password
    /// fields.
    pub fn new<S: Script>(name: String, session: &mut Session<S>, secret: &[String]) -> Board {
        session.attend(true);
        Board {
            name: name.into(),
            asked: session.host().turn.now,
            secrets: Secrets::of_site(&session.host().site, secret),
            rows: Rows::of(session),
            timeline: Timeline::default(),
            pages: session.pages().collect(),
        }
    }

    /// An event is about to happen.
    pub fn begin_event<S: Script>(&mut self, session: &Session<S>) {
        self.pages = session.pages().collect();
    }

    /// A frame of so many bytes goes to a page.
    pub fn note_frame(&mut self, bytes: usize) {
        self.timeline.note_frame(bytes);
    }

    /// The session logs a line.
    pub fn note_line(&mut self, level: u8, text: &str) {
        self.timeline.note_line(level, text);
    }

    /// The event has happened.
    pub fn end_event<S: Script>(
        &mut self,
        session: &mut Session<S>,
        turn: Turn,
        event: &RawEvent<'_>,
    ) {
        self.pages.extend(session.pages());
        if let RawEvent::SiteChanged { edits } = event
            && decode_edits(edits).is_some()
        {
            self.secrets.hear(event);
        }
        let mut witnessed = session.take_witnessed();
        if matches!(event, RawEvent::SessionOpened(_)) {
            // There was nobody to look while it began.
            self.rows = Rows::default();
            witnessed.touched = session.host().vars.iter().map(|(id, _)| id).collect();
            witnessed.gas = session.gas_used();
        }
        let moment = self.timeline.moment(turn);
        moment.note_event(event, witnessed.gas);
        for (at, &id) in witnessed.touched.iter().enumerate() {
            if at >= COMPARED_MAX {
                self.rows.defer(id);
            } else if let Some(change) = self.rows.look(session, &self.secrets, id) {
                moment.note_change(change);
            }
        }
        for &(id, gas) in &witnessed.costs {
            self.rows.note_cost(id, gas);
        }
        let names = NamesNow {
            board: self,
            session,
        };
        let label = words::label(&names.renumbered(event), &names);
        self.timeline.moment(turn).note_label(label);
        self.rows.forget_gone();
        self.rows.note_all_known(session);
    }

    /// The turn is over: what happens next is another.
    pub fn end_turn(&mut self) {
        self.timeline.end_turn();
    }
}

/// What pages' variables are right now, or were before the event that ended them.
struct NamesNow<'a, S> {
    board: &'a Board,
    session: &'a Session<S>,
}

impl<S: Script> NamesNow<'_, S> {
    /// The event with the numbers that pages have in the session.
    fn renumbered<'e>(&self, event: &RawEvent<'e>) -> RawEvent<'e> {
        let numbered = |connection: ConnectionId| {
            let mut pages = self.board.pages.iter();
            let known = pages.find(|(of, _)| *of == connection);
            let trusted = connection.0 & ConnectionId::TRUSTED;
            known.map_or(connection, |(_, number)| ConnectionId(number | trusted))
        };
        match *event {
            RawEvent::FrontendJoined { connection } => RawEvent::FrontendJoined {
                connection: numbered(connection),
            },
            RawEvent::FrontendLeft { connection } => RawEvent::FrontendLeft {
                connection: numbered(connection),
            },
            RawEvent::Frame { connection, text } => RawEvent::Frame {
                connection: numbered(connection),
                text,
            },
            other => other,
        }
    }
}

impl<S: Script> Names for NamesNow<'_, S> {
    fn path(&self, page: ConnectionId, var: WireId) -> Option<String> {
        match self.session.named(page.count(), var) {
            Some(slot) => Some(self.session.host().vars.full_path(slot)),
            None => self.board.rows.path_of_gone(page.count(), var),
        }
    }

    fn shown(&self, page: ConnectionId, var: WireId, value: &str) -> String {
        let secrets = &self.board.secrets;
        match self.path(page, var) {
            Some(path) => rows::blanked(secrets, &path, value).into_owned(),
            None if secrets.are_there() => BLANK.into(),
            None => value.to_owned(),
        }
    }
}
