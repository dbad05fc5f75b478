//! Who fills the state directory is who hears of it: everybody else goes on, now and after the next start.

use serde_json::json;

use super::page::Page;
use super::survives::{ADD, CREATE, MAIN, Place, type_text};

/// A place whose `lunette.toml` says this about journals.
fn place(main: &str, journal: &str) -> Place {
    let mut place = Place::new(main, &[]);
    place.kill();
    let text = format!("[journal]\n{journal}\n");
    place.folder.write("site/lunette.toml", text);
    place.start();
    place
}

/// A text that no journal makes shorter.
fn noise(seed: u64, length: usize) -> String {
    let mut state = seed;
    let digit = |_| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        char::from(b'a' + (state >> 59) as u8 % 26)
    };
    (0..length).map(digit).collect()
}

fn open(place: &Place) -> Page {
    let mut page = place.page();
    page.act(CREATE).expect("acknowledged");
    page
}

/// Whether it was told that its journal has stopped, or is answered no more because of that.
fn is_stopped(page: &mut Page) -> bool {
    let answered = page.act(ADD).is_ok();
    let told = |frame: &String| frame.contains("cannot write to its disk");
    !answered || page.frames.iter().any(told)
}

fn each_durability(rest: &str) -> impl Iterator<Item = Place> {
    let of = move |durability| format!("durability = \"{durability}\"\n{rest}");
    let settings = ["process", "power"].map(of);
    settings.into_iter().map(|journal| place(MAIN, &journal))
}

#[test]
fn a_session_that_fills_its_journal_is_the_only_one_that_hears_of_it() {
    for mut place in each_durability("max_session = \"64K\"\nmax_total = \"512K\"") {
        let mut honest = open(&place);
        honest.act(ADD).expect("acknowledged");
        for number in 0..20 {
            let mut filler = open(&place);
            for part in 0..2 {
                let text = type_text(&noise(100 * number + part, 40_000));
                // Where nothing is acknowledged that is not on the disk it is not answered.
                let _ = filler.act(&text);
            }
            assert!(is_stopped(&mut filler), "it has more than it may");
        }
        assert!(!is_stopped(&mut honest), "{}", place.server().log());
        assert!(!is_stopped(&mut open(&place)), "nor does a new one");
        let address = place.crash().address;
        honest.resume(address).expect("it is there again");
        assert!(!is_stopped(&mut honest), "{}", place.server().log());
        assert_eq!(honest.value(2), Some(json!(3)));
        assert!(!is_stopped(&mut open(&place)), "nor does a new one");
    }
}

#[test]
fn when_all_is_full_the_largest_makes_room() {
    for mut place in each_durability("max_total = \"512K\"") {
        let mut honest = open(&place);
        honest.act(&type_text(&noise(7, 2_000))).expect("taken");
        let mut fillers: Vec<Page> = (0..12)
            .map(|number| {
                let mut filler = open(&place);
                let _ = filler.act(&type_text(&noise(number, 60_000)));
                filler
            })
            .collect();
        let stopped: Vec<bool> = fillers.iter_mut().map(is_stopped).collect();
        assert!(stopped.contains(&true) && stopped.contains(&false));
        assert!(!is_stopped(&mut honest), "{}", place.server().log());
        let address = place.crash().address;
        for (filler, stopped) in fillers.iter_mut().zip(stopped) {
            assert_eq!(filler.resume(address).is_err(), stopped);
        }
        honest.resume(address).expect("it is there again");
        assert!(!is_stopped(&mut honest), "{}", place.server().log());
        let mut other = Page::open(address, &honest.session);
        other.act(CREATE).expect("acknowledged");
        assert_eq!(other.value(4), Some(json!(noise(7, 2_000))));
    }
}

#[test]
fn a_checkpoint_for_which_there_is_no_room_is_not_written() {
    let main = MAIN.replace(
        "local App",
        "kept = {} for n = 1, 30000 do kept[n] = { n } end\nlocal App",
    );
    for (most, is_written) in [("64M", true), ("256K", false)] {
        let mut place = place(&main, &format!("max_total = \"{most}\""));
        let mut page = open(&place);
        for _ in 0..120 {
            page.act(ADD).expect("acknowledged");
        }
        place.stop();
        assert_eq!(place.checkpoint(&page.session).exists(), is_written);
        let address = place.start().address;
        page.resume(address).expect("it is there again");
        assert!(!is_stopped(&mut page), "{}", place.server().log());
        assert_eq!(page.value(2), Some(json!(121)));
    }
}
