//! Sessions that have lived long: they wake by a checkpoint and a little of their journal, and nobody can tell.

use std::process::Command;

use serde_json::json;

use super::page::Page;
use super::sleeps::{SOON, leave, sleepy, wait_for};
use super::survives::{ADD, CREATE, MAIN, Place, type_text};

/// Some more than the events behind which a checkpoint is due.
const MANY: usize = 2_300;

fn old(place: &Place) -> Page {
    let mut page = place.page();
    page.act(CREATE).expect("acknowledged");
    for n in 0..MANY {
        page.send(ADD).expect("sent");
        if n % 50 == 49 {
            page.settle().expect("acknowledged");
        }
    }
    page
}

/// Runs the whole journal of the place again, from its beginning.
fn replay(place: &Place, session: &str) {
    let journal = place.folder.0.join(format!("state/sessions/{session}.lnt"));
    let replayed = Command::new(env!("CARGO_BIN_EXE_lunette"))
        .arg("replay")
        .arg(journal)
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&replayed.stdout);
    assert!(replayed.status.success(), "{said}");
}

#[test]
fn an_old_session_wakes_by_a_checkpoint_and_is_the_same() {
    let mut place = Place::new(MAIN, &[]);
    let mut page = old(&place);
    page.act(&type_text("before")).expect("acknowledged");
    let address = place.crash().address;
    page.resume(address).expect("it is there again");
    assert_eq!(page.greeting["resumed"], true, "{}", place.server().log());
    let log = place.server().log();
    assert!(log.contains("behind a checkpoint"), "{log}");
    page.act(ADD).expect("acknowledged");
    assert_eq!(page.value(2), Some(json!(MANY + 1)));
    let mut other = Page::open(address, &page.session);
    other.act(CREATE).expect("acknowledged");
    assert_eq!(other.value(4), Some(json!("before")));
    // What it did since is what it would have done without.
    place.kill();
    replay(&place, &page.session);
}

/// Told to stop, the server leaves checkpoints of all that have come some way.
#[test]
fn a_server_that_is_stopped_leaves_little_to_do_for_the_next() {
    let mut place = Place::new(MAIN, &[]);
    let mut page = place.page();
    page.act(CREATE).expect("acknowledged");
    for _ in 0..150 {
        page.act(ADD).expect("acknowledged");
    }
    place.stop();
    let address = place.start().address;
    page.resume(address).expect("it is there again");
    page.act(ADD).expect("acknowledged");
    assert_eq!(page.value(2), Some(json!(151)));
    let log = place.server().log();
    assert!(log.contains("1 session of before is here\n"), "{log}");
    assert!(log.contains("behind a checkpoint"), "{log}");
    place.kill();
    replay(&place, &page.session);
}

/// Disks are spared big checkpoints, but not for so long that a burst makes waking slow.
#[test]
fn however_much_happens_at_once_little_is_behind_the_last_checkpoint() {
    // So big that it is not due again before this test is over, with actions of 500,000 units of gas and more.
    let main = MAIN.replace(
        "function App:add() ",
        "function App:add() self.big = self.big or string.rep('x', 1 << 20) for i = 1, 500000 do end ",
    );
    assert_ne!(main, MAIN);
    let mut place = Place::new(&main, &[]);
    let mut page = place.page();
    page.act(CREATE).expect("acknowledged");
    for burst in [20, 80] {
        for _ in 0..burst {
            page.send(ADD).expect("sent");
        }
        page.settle().expect("acknowledged");
    }
    let address = place.crash().address;
    page.resume(address).expect("it is there again");
    let log = place.server().log();
    let said = "rebuilt from ";
    let rebuilt = log.find(said).map(|at| &log[at + said.len()..]);
    let (events, rest) = rebuilt
        .and_then(|text| text.split_once(' '))
        .expect("it was");
    assert!(rest.starts_with("events behind a checkpoint"), "{log}");
    let events: usize = events.parse().expect("a number");
    assert!(events < 32, "{events} events were run again");
    page.act(ADD).expect("acknowledged");
    assert_eq!(page.value(2), Some(json!(101)));
}

/// A checkpoint is a shortcut: damaged or gone, it takes longer, and that is all.
#[test]
fn without_its_checkpoint_a_session_is_run_again_from_the_beginning() {
    let mut place = Place::new(MAIN, &[]);
    let mut page = old(&place);
    let checkpoint = place.checkpoint(&page.session);
    // In what is read when a server starts, and in what is read when a session is woken.
    let (head, middle) = (|_| 8, |length| length / 2);
    let places: [fn(usize) -> usize; 2] = [head, middle];
    for (times, at) in places.into_iter().enumerate() {
        place.kill();
        let mut bytes = std::fs::read(&checkpoint).expect("a checkpoint");
        let at = at(bytes.len());
        bytes[at] ^= 1;
        std::fs::write(&checkpoint, &bytes).expect("written");
        let address = place.start().address;
        page.resume(address).expect("it is there again");
        page.act(ADD).expect("acknowledged");
        assert_eq!(page.value(2), Some(json!(MANY + 1 + times)));
        let log = place.server().log();
        assert!(log.contains("its checkpoint is of no use"), "{log}");
        assert!(
            log.contains("rebuilt from") && !log.contains("behind"),
            "{log}"
        );
        // The next time it has another one.
        assert!(std::fs::read(&checkpoint).expect("a checkpoint") != bytes);
    }
}

/// A checkpoint of which a session was woken is good for the next time, too, if little was done meanwhile: flash
/// bears only so many.
#[test]
fn a_session_that_was_woken_for_little_keeps_its_checkpoint() {
    let place = sleepy(MAIN, SOON);
    let mut page = place.page();
    page.act(CREATE).expect("acknowledged");
    for _ in 0..150 {
        page.send(ADD).expect("sent");
    }
    page.settle().expect("acknowledged");
    let session = leave(page);
    wait_for(&place, "sleeps", 1);
    let file = place.checkpoint(&session);
    let written = std::fs::read(&file).expect("a checkpoint");
    for times in 2..4 {
        let mut page = Page::open(place.server().address, &session);
        page.act(CREATE).expect("acknowledged");
        page.act(ADD).expect("acknowledged");
        assert_eq!(page.value(2), Some(json!(149 + times)));
        leave(page);
        wait_for(&place, "sleeps", times);
        assert!(std::fs::read(&file).expect("a checkpoint") == written);
    }
    wait_for(&place, "behind a checkpoint", 2);
    // Much was done: there is another one.
    let mut page = Page::open(place.server().address, &session);
    page.act(CREATE).expect("acknowledged");
    for _ in 0..150 {
        page.send(ADD).expect("sent");
    }
    page.settle().expect("acknowledged");
    leave(page);
    wait_for(&place, "sleeps", 4);
    assert!(std::fs::read(&file).expect("a checkpoint") != written);
}
