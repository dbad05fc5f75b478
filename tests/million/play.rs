//! Monkeys in a hundred sessions of several apps, all from one seed; and the same inputs again, the sessions
//! in another order among each other.

use std::collections::BTreeMap;
use std::iter::Peekable;
use std::path::Path;

use lunette::core::event::{Event, Opening, Turn};
use lunette::core::id::{ConnectionId, SessionId};
use lunette::core::limits::SessionLimits;
use lunette::core::site::{Edits, Site};
use lunette::journal::{RawEvent, Reader, Records, encode_edits};

use super::stage::{Stage, file};
use crate::dice::Dice;
use crate::monkey::{Monkey, site, site_in};

const SESSIONS: usize = 100;
const PAGES_MAX: usize = 2;
/// One in so many steps: somebody edits the site of an app; an app gets another manager; nothing happens
/// for so long that sessions end at which nobody looks.
const EDIT_IN: usize = 4_000;
const MOVE_IN: usize = 2_500;
const PAUSE_IN: usize = 30_000;
const PAUSE_MS: u64 = 100_000;
/// 2024-01-01.
const WALL_AT_FIRST: i64 = 1_704_067_200_000;

/// The apps, without those that are about being hostile or huge.
pub fn sites() -> Vec<Site> {
    let small = [
        "adder",
        "address_book",
        "counter",
        "fickle",
        "jobs",
        "list",
        "messages",
        "paths",
        "tasks",
        "ticks",
        "typing",
    ];
    let small = small.into_iter().map(site);
    small.chain([site_in("lua/demo")]).collect()
}

fn limits() -> SessionLimits {
    SessionLimits {
        session_timeout_ms: 60_000,
        unused_timeout_ms: 30_000,
        ..SessionLimits::default()
    }
}

/// What was played.
#[derive(Debug)]
pub struct Played {
    /// Each session's app, in the order in which they began.
    pub sessions: Vec<(SessionId, usize)>,
    /// When sites were edited.
    edits: Vec<u64>,
    /// What came out, and how often a session was thawed.
    pub frames: u64,
    pub thawed: u64,
}

/// A place at which a session is, and after its end another one of the same app.
struct Seat {
    app: usize,
    session: SessionId,
    joined: u64,
    pages: Vec<(ConnectionId, Monkey)>,
}

struct Play {
    stage: Stage,
    dice: Dice,
    turn: Turn,
    seats: Vec<Seat>,
    actions: usize,
    played: Played,
}

/// Plays so many actions: each is one thing that a page asks for, of which a frame may have several. What a page
/// asks for when it opens is not among them.
pub fn play(seed: u64, actions: usize, folder: &Path) -> Played {
    let sites = sites();
    let mut play = Play {
        stage: Stage::new(&sites, &limits(), folder),
        dice: Dice::seeded(seed),
        turn: Turn {
            now: 1_000,
            wall: WALL_AT_FIRST,
        },
        seats: Vec::new(),
        actions: 0,
        played: Played {
            sessions: Vec::new(),
            edits: Vec::new(),
            frames: 0,
            thawed: 0,
        },
    };
    for number in 0..SESSIONS {
        play.seats.push(Seat {
            app: number % sites.len(),
            session: SessionId(0),
            joined: 0,
            pages: Vec::new(),
        });
        play.begin(number);
    }
    while play.actions < actions {
        play.step();
    }
    play.stage.finish();
    play.played.frames = play.stage.frames;
    play.played.thawed = play.stage.thawed;
    play.played
}

impl Play {
    fn step(&mut self) {
        self.pass_time();
        let at = self.dice.roll(SESSIONS);
        let (session, pages) = (self.seats[at].session, self.seats[at].pages.len());
        match self.dice.roll(30) {
            0 if pages < PAGES_MAX => self.join(at),
            1 if pages > 0 => self.leave(at),
            2..10 if pages == 0 => self.join(at),
            _ if pages == 0 => self.stage.rest(session),
            _ => self.act(at),
        }
        if self.dice.roll(EDIT_IN) == 0 {
            self.edit();
        }
        if self.dice.roll(MOVE_IN) == 0 {
            let app = self.seats[at].app;
            self.settle(app);
            self.stage.move_all(app);
        }
        self.settle(self.seats[at].app);
    }

    fn pass_time(&mut self) {
        let mut passed = match self.dice.roll(10) {
            0 => self.dice.roll(20) as u64,
            _ => 0,
        };
        if self.dice.roll(PAUSE_IN) == 0 {
            passed += PAUSE_MS;
        }
        // The clock on the wall drifts.
        self.turn.wall += passed as i64 + i64::from(self.dice.roll(200) == 0);
        self.turn.now += passed;
        if passed > 0 {
            (0..self.apps()).for_each(|app| self.settle(app));
        }
    }

    fn apps(&self) -> usize {
        self.seats
            .iter()
            .map(|seat| seat.app + 1)
            .max()
            .unwrap_or(0)
    }

    fn begin(&mut self, at: usize) {
        let id = SessionId(self.played.sessions.len() as u64 + 1);
        let seat = &mut self.seats[at];
        seat.session = id;
        seat.joined = 0;
        seat.pages.clear();
        self.stage.open(id, seat.app);
        self.played.sessions.push((id, seat.app));
        let opening = Opening {
            seed: self.dice.next(),
            url: ["/", "/about", "/a/b?c=d"][self.dice.roll(3)],
            address: "/0123456789abcdef0123456789abcdef",
            locale: ["", "de-CH", "en"][self.dice.roll(3)],
            timezone: ["", "Europe/Zurich", "UTC"][self.dice.roll(3)],
            ..Opening::default()
        };
        self.happens(id, &RawEvent::SessionOpened(opening));
        self.join(at);
    }

    fn happens(&mut self, session: SessionId, event: &RawEvent<'_>) {
        if self.stage.happens(session, event, self.turn) {
            let at = self.seats.iter().position(|s| s.session == session);
            self.begin(at.expect("it has a seat"));
        }
    }

    fn join(&mut self, at: usize) {
        let seat = &mut self.seats[at];
        seat.joined += 1;
        let connection = ConnectionId(seat.joined);
        let session = seat.session;
        let mut monkey = Monkey::new(self.stage.manager(seat.app).site());
        let text = monkey.greeting();
        seat.pages.push((connection, monkey));
        self.happens(session, &RawEvent::FrontendJoined { connection });
        let text = &text;
        self.happens(session, &RawEvent::Frame { connection, text });
    }

    fn leave(&mut self, at: usize) {
        let seat = &mut self.seats[at];
        let gone = self.dice.roll(seat.pages.len());
        let (connection, _) = seat.pages.swap_remove(gone);
        let session = seat.session;
        self.happens(session, &RawEvent::FrontendLeft { connection });
    }

    fn act(&mut self, at: usize) {
        let seat = &mut self.seats[at];
        let page = self.dice.roll(seat.pages.len());
        let (connection, monkey) = &mut seat.pages[page];
        let (session, connection) = (seat.session, *connection);
        let mut text = match self.dice.roll(2) {
            0 => monkey.act(&mut self.dice),
            _ => monkey.frame(&mut self.dice),
        };
        self.actions += text.matches(r#""type":"#).count();
        if self.dice.roll(500) == 0 {
            text = text.chars().take(self.dice.roll(text.len())).collect();
        }
        let text = &text;
        self.happens(session, &RawEvent::Frame { connection, text });
    }

    /// A file of an app's site is edited, or restored: all its sessions hear of it in one turn, in which
    /// nothing else happens.
    fn edit(&mut self) {
        self.turn.now += 1;
        let app = self.dice.roll(self.apps());
        let site = self.stage.manager(app).site();
        let files: Vec<(&str, &[u8])> = site.files().collect();
        let (path, content) = files[self.dice.roll(files.len())];
        let mut content = content.to_vec();
        if self.dice.roll(2) == 0 && path.ends_with(".lua") {
            content.extend_from_slice(b"\n-- edited\n");
        }
        let edits = Edits::from([(path.to_owned(), Some(content))]);
        let edits = &encode_edits(&edits);
        self.played.edits.push(self.turn.now);
        for session in self.stage.sessions_of(app) {
            self.happens(session, &RawEvent::SiteChanged { edits });
        }
        self.turn.now += 1;
        self.settle(app);
    }

    /// What was published arrives, and what is due happens.
    fn settle(&mut self, app: usize) {
        loop {
            while let Some(event) = self.stage.manager(app).take_message() {
                let Event::MessagePublished { session, message } = event else {
                    panic!("{event:?} is no message");
                };
                let event = RawEvent::MessagePublished {
                    topic: &message.topic,
                    value: &message.value,
                    only: message.only,
                };
                self.happens(session, &event);
            }
            let now = self.turn.now;
            match self.stage.manager(app).next_due(now) {
                Some(session) => self.happens(session, &RawEvent::TimersDue),
                None => break,
            }
        }
    }
}

/// A recording whose events happen again.
struct Again<'a> {
    session: SessionId,
    app: usize,
    records: Peekable<Records<'a>>,
}

/// Lets all events of `played`, recorded in `from`, happen again, each session's in their order and at their
/// times, but the sessions in another order among each other, and others of them frozen.
///
/// Only edits of sites happen to all sessions at once, as ever.
pub fn play_again(played: &Played, seed: u64, from: &Path, folder: &Path) {
    let mut stage = Stage::new(&sites(), &limits(), folder);
    let mut dice = Dice::seeded(!seed);
    let open = |&(session, app): &(SessionId, usize)| {
        let reader = Reader::open(&file(from, session));
        (
            session,
            app,
            reader.unwrap_or_else(|error| panic!("{error}")),
        )
    };
    let readers: Vec<_> = played.sessions.iter().map(open).collect();
    let mut waiting: Vec<Again<'_>> = Vec::new();
    for (session, app, reader) in &readers {
        waiting.push(Again {
            session: *session,
            app: *app,
            records: reader.records().peekable(),
        });
    }
    let mut over = BTreeMap::new();
    let edits = played.edits.iter().flat_map(|&at| [at, at + 1]);
    for end in edits.chain([u64::MAX]) {
        let mut ready: Vec<usize> = (0..waiting.len()).collect();
        loop {
            ready.retain(|&at| waiting[at].records.peek().is_some_and(|r| r.turn.now < end));
            if ready.is_empty() {
                break;
            }
            let again = &mut waiting[ready[dice.roll(ready.len())]];
            for _ in 0..=dice.roll(40) {
                let Some(record) = again.records.next_if(|record| record.turn.now < end) else {
                    break;
                };
                if matches!(record.event, RawEvent::SessionOpened(_)) {
                    stage.open(again.session, again.app);
                }
                let ended = stage.happens(again.session, &record.event, record.turn);
                over.insert(again.session, ended);
                // What it says to others they have in their recordings.
                while stage.manager(again.app).take_message().is_some() {}
            }
            if dice.roll(4) == 0 && !over[&again.session] {
                stage.rest(again.session);
            }
            if dice.roll(MOVE_IN / 20) == 0 {
                stage.move_all(again.app);
            }
        }
    }
    stage.finish();
}
