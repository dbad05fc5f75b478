//! What cannot be rebuilt, what must not run again, and what changed while nobody was there.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant};

use lunette::journal::{Detail, Header, Output, Reader, RealDisk, Rules, Store, Writer};
use serde_json::json;

use super::page::Page;
use super::survives::{ADD, CREATE, MAIN, Place};
use crate::net::process::{read_answer, status};

/// The journals of the place, of this ending.
fn journals(place: &Place, ending: &str) -> Vec<PathBuf> {
    let dir = place.folder.0.join("state/sessions");
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let paths = entries.map(|entry| entry.path());
    paths
        .filter(|path| path.extension().is_some_and(|e| e == ending))
        .collect()
}

fn with_three(place: &Place) -> Page {
    let mut page = place.page();
    page.act(CREATE).expect("acknowledged");
    for _ in 0..3 {
        page.act(ADD).expect("acknowledged");
    }
    page
}

/// Makes of a journal one that can be read and does not come out as it says, like one of an engine that behaves in
/// another way.
fn forget_outputs(journal: &PathBuf) {
    let reader = Reader::open(journal).expect("a journal");
    fs::remove_file(journal).expect("removed");
    let header = Header {
        detail: Detail::Full,
        ..reader.header().clone()
    };
    let mut writer = Writer::create(journal, &header).expect("written");
    for record in reader.records() {
        writer.event(record.turn, &record.event);
        for output in &record.outputs {
            if matches!(output, Output::Saved { .. }) {
                writer.output(output);
            }
        }
    }
    writer.commit().expect("written");
}

/// The page comes back and has a new view of a session that began anew, under the same address.
fn comes_back_anew(page: &mut Page, place: &Place) -> String {
    page.resume(place.server().address).expect("it is answered");
    assert_eq!(page.greeting["resumed"], false, "{}", page.greeting);
    page.frames.clear();
    page.begin_again(CREATE);
    page.frames.join("\n")
}

#[test]
fn a_damaged_journal_is_set_aside_and_the_session_begins_anew() {
    let mut place = Place::new(MAIN, &[]);
    let mut page = with_three(&place);
    place.kill_and_settle();
    let journal = journals(&place, "lnt").pop().expect("a journal");
    let mut bytes = fs::read(&journal).expect("readable");
    let middle = bytes.len() - 60;
    bytes[middle] ^= 4;
    fs::write(&journal, bytes).expect("written");
    place.start();
    let told = comes_back_anew(&mut page, &place);
    assert_eq!(page.value(2), Some(json!(0)), "{told}");
    assert!(told.contains("could not be rebuilt"), "{told}");
    assert_eq!(
        journals(&place, "lost").len(),
        1,
        "it is kept to be looked at"
    );
    // The new one is kept like any other.
    page.act(ADD).expect("acknowledged");
    let address = place.crash().address;
    page.resume(address).expect("it is there again");
    page.act(ADD).expect("acknowledged");
    assert_eq!(page.value(2), Some(json!(2)));
}

/// A write that was cut off was never acknowledged: what came before goes on.
#[test]
fn a_torn_tail_is_cut_off() {
    let mut place = Place::new(MAIN, &[]);
    let mut page = with_three(&place);
    place.kill_and_settle();
    let journal = journals(&place, "lnt").pop().expect("a journal");
    let bytes = fs::read(&journal).expect("readable");
    let mut torn = bytes.clone();
    torn.extend_from_slice(&bytes[bytes.len() - 9..bytes.len() - 4]);
    fs::write(&journal, [&bytes[..], &[0x7f, 1]].concat()).expect("written");
    let address = place.start().address;
    page.resume(address).expect("it is there again");
    assert_eq!(page.greeting["resumed"], true, "{}", place.server().log());
    page.act(ADD).expect("acknowledged");
    assert_eq!(page.value(2), Some(json!(4)));
}

#[test]
fn an_app_gets_back_what_it_saved_when_its_session_is_lost() {
    let main = MAIN.replace(
        "session:createAppVariable(session:create(App))",
        "local app = session:create(App)\n\
         local function save() return { kept = app.count } end\n\
         session:checkpoint(save, function(saved) app.count = 100 + saved.kept end)\n\
         session:createAppVariable(app)",
    );
    let mut place = Place::new(&main, &[]);
    let mut page = with_three(&place);
    let journal = journals(&place, "lnt").pop().expect("a journal");
    let saved = || {
        let reader = Reader::open(&journal).expect("a journal");
        let kept = Output::Saved {
            data: "{\"kept\":3}",
        };
        reader
            .records()
            .any(|record| record.outputs.contains(&kept))
    };
    while !saved() {
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    // It is more than what was saved that is lost.
    page.act(ADD).expect("acknowledged");
    place.kill_and_settle();
    forget_outputs(&journal);
    place.start();
    let told = comes_back_anew(&mut page, &place);
    assert_eq!(page.value(2), Some(json!(103)), "{told}");
    assert!(told.contains("had saved last"), "{told}");
}

#[test]
fn edits_made_while_the_server_was_away_are_applied() {
    let mut place = Place::new(MAIN, &[]);
    let mut page = with_three(&place);
    place.kill();
    let twice = MAIN.replace("self.count + 1 end", "self.count + 10 end");
    place.folder.write("site/lua/main.lua", twice);
    let address = place.start().address;
    page.resume(address).expect("it is there again");
    assert_eq!(page.greeting["resumed"], true, "{}", place.server().log());
    page.act(ADD).expect("acknowledged");
    assert_eq!(page.value(2), Some(json!(13)));
    // The edit is part of the journal now.
    let address = place.crash().address;
    page.resume(address).expect("it is there again");
    page.act(ADD).expect("acknowledged");
    assert_eq!(page.value(2), Some(json!(23)));
}

#[test]
fn an_edit_that_fails_leaves_the_session_as_it_was() {
    let mut place = Place::new(MAIN, &[]);
    let mut page = with_three(&place);
    place.kill();
    place.folder.write(
        "site/lua/main.lua",
        format!("{MAIN}\nerror('not like this')"),
    );
    let address = place.start().address;
    page.resume(address).expect("it is there again");
    page.act(ADD).expect("acknowledged");
    assert_eq!(page.value(2), Some(json!(4)));
    assert!(
        place.server().log().contains("not like this"),
        "{}",
        place.server().log()
    );
}

/// An endless loop that gas would end, were there less of it: the process is killed in the middle, twice.
#[test]
fn a_session_in_whose_events_the_process_ended_twice_is_stopped() {
    let main = MAIN.replace(
        "function App:whoami()",
        "function App:spin() local n = 0 while true do n = n + 1 end end\nfunction App:whoami()",
    );
    let mut place = Place::new(&main, &["--gas", "100000000000"]);
    let mut other = with_three(&place);
    let mut page = place.page();
    let create = CREATE.replace("later()", "spin()");
    page.act(&create).expect("acknowledged");
    let spin =
        r#"{"userEvent":true,"messages":[{"type":"update","data":{"varId":5,"value":null}}]}"#;
    let cell = place.folder.0.join("state/inflight");
    let spins = |cell: &PathBuf| {
        while fs::read(cell).expect("the cell").iter().all(|&b| b == 0) {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
    };
    page.send(spin).expect("sent");
    spins(&cell);
    let address = place.crash().address;
    // The page sends again what was not acknowledged.
    page.resume(address).expect("it is there again");
    spins(&cell);
    let server = place.crash();
    let mut stream = server.connect();
    let request = format!(
        "GET /{} HTTP/1.1\r\nHost: localhost\r\nAccept: text/html\r\n\r\n",
        page.session
    );
    stream.write_all(request.as_bytes()).expect("sent");
    let answer = read_answer(&mut stream);
    assert_eq!(status(&answer), "410", "{answer}");
    assert!(
        answer.contains("ended twice") && answer.contains("Start"),
        "{answer}"
    );
    assert!(page.resume(server.address).is_err());
    // Nobody else is the worse for it.
    other.resume(server.address).expect("it is there again");
    other.act(ADD).expect("acknowledged");
    assert_eq!(other.value(2), Some(json!(4)));
    assert_eq!(journals(&place, "quarantined").len(), 1);
}

/// A journal that has no room for more is not taken for the session: it went on without.
#[test]
fn a_session_whose_journal_has_stopped_says_so_and_ends_with_the_process() {
    let mut place = Place::new(MAIN, &[]);
    place.kill();
    place
        .folder
        .write("site/lunette.toml", "[journal]\nmax_session = \"1K\"\n");
    place.start();
    let mut page = place.page();
    page.act(CREATE).expect("acknowledged");
    let told = |page: &Page| {
        page.frames
            .iter()
            .any(|f| f.contains("cannot write to its disk"))
    };
    for _ in 0..100 {
        page.act(ADD).expect("acknowledged");
    }
    while !told(&page) {
        page.take().expect("it is told");
    }
    assert_eq!(page.value(2), Some(json!(100)), "it goes on");
    assert!(place.server().log().contains("its journal has stopped"));
    assert_eq!(journals(&place, "lost").len(), 1);
    let address = place.crash().address;
    let refused = page.resume(address).expect_err("it is not known any more");
    assert!(refused.to_string().contains("404"), "{refused}");
}

/// A hundred sessions, some of which nobody comes back to, and another site: code, a template and a new file.
#[test]
fn a_hundred_sessions_survive_an_upgrade_of_their_site() {
    let mut place = Place::new(MAIN, &[]);
    place.kill();
    let template = "<template><p ui-value=\"count\"></p></template>";
    place
        .folder
        .write("site/viewdefs/App.DEFAULT.html", template);
    place.start();
    let mut pages: Vec<Page> = (0..100).map(|_| with_three(&place)).collect();
    place.kill();
    let other = MAIN.replace("self.count + 1 end", "self.count + require('step') end");
    place.folder.write("site/lua/main.lua", other);
    place.folder.write("site/lua/step.lua", "return 10");
    place.folder.write(
        "site/viewdefs/App.DEFAULT.html",
        template.replace("<p ", "<p id=seen_anew "),
    );
    let address = place.start().address;
    for page in pages.iter_mut().skip(10) {
        page.resume(address).expect("it is there again");
        assert_eq!(page.greeting["resumed"], true);
        page.act(ADD).expect("acknowledged");
        assert_eq!(page.value(2), Some(json!(13)));
        let told = page.frames.join("\n");
        assert!(
            told.contains("seen_anew"),
            "the template is told anew: {told}"
        );
    }
    let address = place.crash().address;
    for page in &mut pages {
        page.resume(address).expect("it is there again");
        page.act(ADD).expect("acknowledged");
    }
    assert_eq!(pages[0].value(2), Some(json!(13)));
    assert_eq!(pages[99].value(2), Some(json!(23)));
}

/// What was committed last goes to the journals, as when a server begins.
pub fn settle(place: &Place) {
    let state = place.folder.0.join("state");
    Store::open(Rc::new(RealDisk), &state, Rules::default()).expect("nobody uses it");
}

/// Journals of ended sessions stay for as long as they shall, and no longer.
#[test]
fn journals_of_ended_sessions_go_when_they_are_old_enough() {
    let mut place = Place::new(MAIN, &[]);
    let pages = [with_three(&place), with_three(&place), with_three(&place)];
    // What waited in the tail is in the journals then, and leaves them alone.
    place.crash();
    place.kill();
    settle(&place);
    place
        .folder
        .write("site/lunette.toml", "[journal]\nkeep = \"1h\"\n");
    let hour = std::time::Duration::from_secs(3_600);
    for (page, age) in pages.iter().zip([0, 2]) {
        let of = |ending: &str| {
            place
                .folder
                .0
                .join(format!("state/sessions/{}.{ending}", page.session))
        };
        fs::rename(of("lnt"), of("ended")).expect("renamed");
        let file = fs::File::options().append(true).open(of("ended"));
        let then = std::time::SystemTime::now() - age * hour;
        file.expect("it is there")
            .set_modified(then)
            .expect("older");
    }
    place.start();
    let ended = journals(&place, "ended");
    assert_eq!(ended.len(), 1, "{ended:?}");
    assert!(ended[0].to_string_lossy().contains(&pages[0].session));
    assert_eq!(journals(&place, "lnt").len(), 1);
}

#[test]
fn a_session_that_had_ended_is_put_away_when_its_process_could_not() {
    let mut place = Place::new(MAIN, &["--session-timeout", "1s"]);
    place
        .folder
        .write("site/lunette.toml", "[journal]\nkeep = \"1h\"\n");
    place.crash();
    let mut page = with_three(&place);
    page.leave();
    wait_until(|| !journals(&place, "ended").is_empty());
    place.kill_and_settle();
    let [ended] = &journals(&place, "ended")[..] else {
        panic!("there was one session");
    };
    // The process died between the two.
    fs::rename(ended, ended.with_extension("lnt")).expect("renamed");
    place.start();
    wait_until(|| ended.exists());
    assert!(journals(&place, "lnt").is_empty());
    let session = &page.session;
    let request =
        format!("GET /{session} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    assert_eq!(status(&place.server().ask(request.as_bytes())), "404");
    assert!(!place.server().log().contains("cannot be rebuilt"));
}

fn wait_until(holds: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !holds() {
        assert!(Instant::now() < deadline, "it does not come to that");
        std::thread::sleep(Duration::from_millis(10));
    }
}
