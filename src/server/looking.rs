//! Looking: the variable browser. Each session that somebody looks into has a board; with `--dev` those that were
//! used last have one from their beginning. Where nobody looks nothing is noted.
//!
//! `GET /SESSION/variables` is the page, `/SESSION/variables.json?board=...&since=...&turns=...` what is new to one
//! who knows that much. On the public listener with `--dev` only, for a session's own user; on those of admin for
//! whoever runs the server.

use serde_json::json;

use super::Server;
use super::routes::{asset_response, query_value};
use super::sessions::Sid;
use super::world::World;
use crate::core::id::{SessionId, Timestamp};
use crate::core::script::Runtime;
use crate::core::session::Session;
use crate::journal::RawEvent;
use crate::net::http::Request;
use crate::net::response::{Body, CSP_STRICT, Response};
use crate::variables::{Asked, Board};
use crate::web;

/// Sessions that are looked into at a time.
const BOARDS_MAX: usize = 16;
/// Who has not asked for so long does not look any more.
const LOOKS_FOR_MS: Timestamp = 60_000;

/// Who is looked into.
#[derive(Debug, Default)]
pub struct Looking {
    /// Sessions are looked into from the start.
    dev: bool,
    boards: Vec<(SessionId, Board)>,
    /// Boards that there were so far.
    count: u64,
}

impl Looking {
    pub fn new(dev: bool) -> Looking {
        Looking {
            dev,
            ..Looking::default()
        }
    }

    /// Whether this session is looked into.
    pub fn looks_into(&self, session: SessionId) -> bool {
        self.boards.iter().any(|(of, _)| *of == session)
    }

    fn board(&mut self, session: SessionId) -> Option<&mut Board> {
        let mut boards = self.boards.iter_mut();
        boards.find_map(|(of, board)| (*of == session).then_some(board))
    }

    /// A frame of so many bytes goes to a page.
    pub fn note_frame(&mut self, session: SessionId, bytes: usize) {
        if let Some(board) = self.board(session) {
            board.note_frame(bytes);
        }
    }

    /// A session logs a line.
    pub fn note_line(&mut self, session: SessionId, level: u8, text: &str) {
        if let Some(board) = self.board(session) {
            board.note_line(level, text);
        }
    }

    /// The session is over, or sleeps.
    pub fn end(&mut self, session: SessionId) {
        self.boards.retain(|(of, _)| *of != session);
    }
}

impl<R: Runtime + Clone, W: World> Server<R, W> {
    /// An event of a session is about to happen.
    #[cold]
    #[inline(never)]
    pub(super) fn begin_look(&mut self, session: SessionId) {
        let Some(board) = self.looking.board(session) else {
            return;
        };
        if let Some(of) = self.core.session(session).filter(|of| of.is_attended()) {
            return board.begin_event(of);
        }
        // It was asleep, and is another now.
        self.looking.end(session);
    }

    /// The event has happened.
    #[cold]
    #[inline(never)]
    pub(super) fn end_look(&mut self, session: SessionId, event: &RawEvent<'_>) {
        if !self.looking.looks_into(session) {
            if !self.looking.dev {
                return;
            }
            self.look_into(session);
        }
        let Some(board) = self.looking.board(session) else {
            return;
        };
        match self.core.look_into(session) {
            Some(of) => board.end_event(of, self.turn, event),
            None => self.looking.end(session),
        }
    }

    /// The turn is over. Who has looked long enough is let go.
    pub(super) fn end_looks(&mut self) {
        if self.looking.boards.is_empty() {
            return;
        }
        let mut left = Vec::new();
        for (session, board) in &mut self.looking.boards {
            board.end_turn();
            if !self.looking.dev && board.asked + LOOKS_FOR_MS < self.turn.now {
                left.push(*session);
            }
        }
        for session in left {
            self.look_away(session);
        }
    }

    /// Begins to look into a session that is in memory.
    fn look_into(&mut self, session: SessionId) {
        let Some(of) = self.core.look_into(session) else {
            return;
        };
        self.looking.count += 1;
        let name = format!("{}-{}", self.boot, self.looking.count);
        let recordings = self.recordings.borrow();
        let board = Board::new(name, of, recordings.secret());
        drop(recordings);
        self.looking.boards.push((session, board));
        if self.looking.boards.len() > BOARDS_MAX {
            let used = |(session, board): &&(SessionId, Board)| {
                let last = self.core.session(*session).map(|of| of.host().turn.now);
                board.asked.max(last.unwrap_or(0))
            };
            let others = self.looking.boards.iter().filter(|(of, _)| *of != session);
            let oldest = others.min_by_key(used).map(|(of, _)| *of);
            if let Some(oldest) = oldest {
                self.look_away(oldest);
            }
        }
    }

    /// What happens to a session is noted no longer.
    fn look_away(&mut self, session: SessionId) {
        self.looking.end(session);
        if let Some(of) = self.core.look_into(session) {
            of.attend(false);
        }
    }

    /// What is new of a session's variables. To look wakes one that sleeps; to go on looking does not.
    pub(super) fn tell_variables(&mut self, request: &Request, sid: Sid) -> Response {
        let number = |name| query_value(request, name).and_then(|text| text.parse().ok());
        let asked = Asked {
            board: query_value(request, "board").unwrap_or(""),
            since: number("since").unwrap_or(0),
            turns: number("turns").unwrap_or(0),
        };
        let Some(session) = self.sessions.live(sid) else {
            return told(json!({ "waits": true }).to_string().into_bytes());
        };
        if self.core.is_dormant(session) {
            if !asked.board.is_empty() {
                return told(json!({ "sleeps": true }).to_string().into_bytes());
            }
            if let Err(lost) = self.wake(session) {
                return Response::error_text(409, &lost.to_string());
            }
        }
        let attended = self.core.session(session).is_some_and(Session::is_attended);
        if !attended || !self.looking.looks_into(session) {
            self.look_into(session);
        }
        let board = self.looking.board(session);
        match board.zip(self.core.look_into(session)) {
            Some((board, of)) => told(board.answer(of, asked, self.turn.now)),
            None => Response::error_text(404, "Session not found"),
        }
    }

    /// What those who run the server get at an address of the variable browser.
    pub(super) fn show_to_operator(&mut self, request: &Request) -> Option<Response> {
        let path = request.path();
        if path.starts_with("/_lunette/") {
            return Some(asset_response(request, web::asset(path)?));
        }
        let (sid, rest) = path.get(1..)?.split_once('/')?;
        let sid = Sid::parse(sid)?;
        let is_there = self.sessions.live(sid).is_some();
        match rest {
            "variables" if is_there => Some(page()),
            "variables.json" if is_there => Some(self.tell_variables(request, sid)),
            _ => None,
        }
    }
}

/// The page.
pub fn page() -> Response {
    Response::new(200)
        .field("Content-Type", "text/html; charset=utf-8")
        .field("Content-Security-Policy", CSP_STRICT)
        .field("Cache-Control", "no-store")
        .body(Body::Static(web::VARIABLES_PAGE.as_bytes()))
}

fn told(json: Vec<u8>) -> Response {
    Response::new(200)
        .field("Content-Type", "application/json")
        .field("Cache-Control", "no-store")
        .body(Body::Bytes(json))
}
