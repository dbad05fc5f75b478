//! What looking into a session costs: its events, with and without somebody who looks, and the answers, which are what
//! others wait for.

use std::hint::black_box;

use lunette::core::event::Turn;
use lunette::core::id::ConnectionId;
use lunette::journal::RawEvent;
use lunette::variables::{Asked, Board};

use crate::turns::{NOTHING, Page};
use crate::{ACTION, Harness, print_line};

const APP: &str = "
local App = session:prototype('App', { count = 0 })
function App:increment() self.count = self.count + 1 end
function App:two() return 2 end
local app = session:create(App)
for i = 1, 10000 do app['field' .. i] = i end
session:createAppVariable(app)
";
const MANY: usize = 10_000;

fn open(paths: impl Iterator<Item = String>) -> Page {
    let first = ["count", "count", "increment()"].map(str::to_owned);
    Page::open_app(APP, first.into_iter().chain(paths).map(|path| (1, path)))
}

fn looked_at(page: &mut Page) -> Board {
    let mut board = Board::new("board".into(), page.session(), &[]);
    read_all(page, &mut board);
    board
}

/// All answers until there is nothing new. Returns how many, and their bytes.
fn read_all(page: &mut Page, board: &mut Board) -> (usize, usize) {
    let (mut answers, mut bytes) = (0, 0);
    let mut since = 0;
    loop {
        let asked = Asked {
            board: "board",
            since,
            turns: 0,
        };
        let answer = board.answer(page.session(), asked, 0);
        answers += 1;
        bytes += answer.len();
        let text = String::from_utf8_lossy(&answer);
        let field = |name: &str| {
            let value = text.split(name).nth(1).expect("a field");
            value.split(',').next().expect("its value").to_owned()
        };
        since = field("\"revision\":").parse().expect("a number");
        if field("\"more\":") == "false" {
            return (answers, bytes);
        }
    }
}

/// An event, as a server has it happen to a session that is looked into.
fn receive(page: &mut Page, board: &mut Board, frame: &str) {
    board.begin_event(page.session());
    page.receive(frame);
    let event = RawEvent::Frame {
        connection: ConnectionId(1),
        text: frame,
    };
    board.end_event(page.session(), Turn::default(), &event);
    board.end_turn();
}

pub fn run(harness: &Harness) {
    let nothing = || Box::new(std::iter::empty()) as Box<dyn Iterator<Item = String>>;
    let fields = |count| Box::new((1..=count).map(|i| format!("field{i}"))) as Box<_>;
    let methods = |count| Box::new((0..count).map(|_| "two()".to_owned())) as Box<_>;
    for (what, paths, frame) in [
        ("an action", [nothing(), nothing()], ACTION),
        (
            "an event, 1,000 fields",
            [fields(1000), fields(1000)],
            NOTHING,
        ),
        (
            "an event, 1,000 methods",
            [methods(1000), methods(1000)],
            NOTHING,
        ),
    ] {
        let [first, second] = paths;
        let mut page = open(first);
        let name = format!("variables: {what}, nobody looks");
        harness.bench(&name, 1, || page.receive(frame));
        let mut page = open(second);
        let mut board = looked_at(&mut page);
        let name = format!("variables: {what}, somebody looks");
        harness.bench(&name, 1, || receive(&mut page, &mut board, frame));
    }
    answers(harness);
}

fn answers(harness: &Harness) {
    let name = "variables: an answer of the first, of 10,000";
    if !harness.wants(name) {
        return;
    }
    let mut page = open((1..=MANY).map(|i| format!("field{i}")));
    let mut board = looked_at(&mut page);
    let (answers, bytes) = read_all(&mut page, &mut board);
    let each = (bytes / answers) as f64;
    print_line("variables: bytes of such an answer", each, each, "B");
    harness.bench(name, answers, || {
        let mut board = Board::new("board".into(), page.session(), &[]);
        black_box(read_all(&mut page, &mut board));
    });
    let mut page = open((1..=MANY).map(|i| format!("field{i}")));
    let mut board = looked_at(&mut page);
    let asked = Asked {
        board: "board",
        since: u64::from(u32::MAX),
        turns: 0,
    };
    harness.bench("variables: an answer, nothing new, of 10,000", 1, || {
        black_box(board.answer(page.session(), asked, 0));
    });
}
