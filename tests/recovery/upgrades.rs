//! Upgrades: a server is started again with other Lua code, other templates, or as another build, and a hundred
//! sessions are there. What can be rebuilt goes on; what cannot says so, and has what its app saved.

use std::fs;
use std::path::{Path, PathBuf};

use lunette::journal::{BUILD, Header, Output, RawEvent, Reader, Writer};
use serde_json::{Value, json};

use super::lost::settle;
use super::page::Page;
use super::survives::{ADD, CREATE, MAIN, Place};

const SESSIONS: usize = 100;
const VIEWDEF: &str = "<template><b ui-value=\"count\"></b></template>";

/// An app that saves what it counts.
fn saving() -> String {
    MAIN.replace(
        "session:createAppVariable(session:create(App))",
        "local app = session:create(App)\n\
         session:checkpoint(function() return { kept = app.count } end, function(saved) app.count = 100 + saved.kept end)\n\
         session:createAppVariable(app)",
    )
}

/// A hundred sessions; number n was clicked n % 5 + 1 times. The server is gone.
fn hundred(main: &str) -> (Place, Vec<Page>) {
    let mut place = Place::new(main, &[]);
    place
        .folder
        .write("site/viewdefs/App.DEFAULT.html", VIEWDEF);
    let mut pages: Vec<Page> = (0..SESSIONS).map(|_| place.page()).collect();
    for (n, page) in pages.iter_mut().enumerate() {
        page.act(CREATE).expect("acknowledged");
        for _ in 0..clicks(n) {
            page.act(ADD).expect("acknowledged");
        }
    }
    // Apps save themselves some time after they were used.
    let saves = main.contains("session:checkpoint");
    for (n, page) in pages.iter().enumerate().filter(|_| saves) {
        let journal = place
            .folder
            .0
            .join(format!("state/sessions/{}.lnt", page.session));
        let saved = format!("{{\"kept\":{}}}", clicks(n));
        let is_saved = || {
            let reader = Reader::open(&journal).expect("a journal");
            let outputs = reader.records().flat_map(|record| record.outputs);
            outputs
                .into_iter()
                .any(|output| matches!(output, Output::Saved { data } if data == saved))
        };
        while !is_saved() {
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
    }
    // SIGTERM, as an upgrade does.
    place.stop();
    (place, pages)
}

fn clicks(n: usize) -> usize {
    n % 5 + 1
}

/// Every page goes on with the view it had, and one click gives what it should.
fn all_go_on(place: &mut Place, pages: &mut [Page], after_click: impl Fn(usize) -> Value) {
    let address = place.start().address;
    for (n, page) in pages.iter_mut().enumerate() {
        page.resume(address).expect("it is there again");
        assert_eq!(page.greeting["resumed"], true, "{}", place.server().log());
        page.act(ADD).expect("acknowledged");
        assert_eq!(page.value(2), Some(after_click(n)), "session {n}");
    }
    let log = place.server().log();
    assert!(log.contains("100 sessions of before are here"), "{log}");
    assert!(!log.contains("cannot be rebuilt"), "{log}");
}

fn journals(place: &Place, ending: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(place.folder.0.join("state/sessions")).expect("readable");
    let paths = entries.map(|entry| entry.expect("readable").path());
    let mut paths: Vec<PathBuf> = paths
        .filter(|path| path.extension().is_some_and(|e| e == ending))
        .collect();
    paths.sort();
    paths
}

/// What is in a state directory for contents of sites.
fn contents(place: &Place) -> usize {
    fs::read_dir(place.folder.0.join("state/site"))
        .expect("readable")
        .count()
}

/// Makes all journals and checkpoints those of another build. `lie`: of one that behaves in another way, by the
/// texts of its outputs.
fn of_another_build(place: &Place, lie: bool) {
    for journal in journals(place, "lnt") {
        rewrite(&journal, lie);
    }
    // A frozen session is of use to the very build that froze it.
    for entry in fs::read_dir(place.folder.0.join("state/values")).expect("readable") {
        let path = entry.expect("readable").path();
        if path.extension().is_some_and(|e| e == "checkpoint") {
            fs::remove_file(path).expect("removed");
        }
    }
}

fn rewrite(journal: &Path, lie: bool) {
    let reader = Reader::open(journal).expect("a journal");
    let header = reader.header();
    assert_eq!(header.build, BUILD);
    let header = Header {
        build: "0123456789abcdef".into(),
        engine: "0.0.9".into(),
        ..header.clone()
    };
    fs::remove_file(journal).expect("removed");
    let mut writer = Writer::create(journal, &header).expect("written");
    let mut turn = 0;
    for record in reader.records() {
        if std::mem::replace(&mut turn, record.turn_number) != record.turn_number {
            writer.commit().expect("written");
        }
        writer.event(record.turn, &record.event);
        for output in &record.outputs {
            writer.output(output);
        }
        let lies = lie && matches!(record.event, RawEvent::FrontendJoined { .. });
        match record.digest {
            Some(mut digest) => {
                digest.check ^= u32::from(lies);
                writer.set_digest(digest);
            }
            None if lies => writer.output(&Output::Saved {
                data: "{\"kept\":0}",
            }),
            None => {}
        }
    }
    writer.flush().expect("written");
}

#[test]
fn other_lua_code_reaches_every_session_and_is_kept_once() {
    let long = format!("{MAIN}\n--{}", "x".repeat(20_000));
    let (mut place, mut pages) = hundred(&long);
    let before = contents(&place);
    let ten = long.replace("self.count + 1 end", "self.count + 10 end");
    place.folder.write("site/lua/main.lua", &ten);
    all_go_on(&mut place, &mut pages, |n| json!(clicks(n) + 10));
    place.kill();
    // The edit is in a hundred journals by its name, and once as a file.
    assert_eq!(contents(&place), before + 1);
    let longest = journals(&place, "lnt");
    let longest = longest
        .iter()
        .map(|j| fs::metadata(j).expect("there").len());
    let longest = longest.max().expect("journals");
    assert!(longest < 3_000, "{longest} bytes");
    // Killed, they are rebuilt over the edit, by the checkpoints of neither.
    all_go_on(&mut place, &mut pages, |n| json!(clicks(n) + 20));
    place.kill();
    // And a file that is taken along needs nothing else.
    let session = &pages[7].session;
    let state = place.folder.0.join("state");
    let file = place.folder.0.join("bug.lnt");
    let (code, said) = lunette(&[
        "export",
        session,
        "--state",
        text(&state),
        "-o",
        text(&file),
    ]);
    assert_eq!(code, Some(0), "{said}");
    fs::remove_dir_all(&state).expect("removed");
    let (code, said) = lunette(&["replay", text(&file)]);
    assert_eq!(code, Some(0), "{said}");
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

fn lunette(arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_lunette"));
    let output = command.args(arguments).output().expect("it runs");
    let said = [output.stdout, output.stderr].concat();
    (
        output.status.code(),
        String::from_utf8_lossy(&said).into_owned(),
    )
}

#[test]
fn other_templates_reach_every_page() {
    let (mut place, mut pages) = hundred(MAIN);
    let other = "<template><b ui-value=\"count\"></b><i>new</i></template>";
    place.folder.write("site/viewdefs/App.DEFAULT.html", other);
    all_go_on(&mut place, &mut pages, |n| json!(clicks(n) + 1));
    place.kill();
    all_go_on(&mut place, &mut pages, |n| json!(clicks(n) + 2));
}

/// What it does is compared, not what it is called.
#[test]
fn another_build_that_behaves_the_same_goes_on() {
    let (mut place, mut pages) = hundred(MAIN);
    of_another_build(&place, false);
    all_go_on(&mut place, &mut pages, |n| json!(clicks(n) + 1));
    // Somebody who looks at one is told, too.
    let journal = &journals(&place, "lnt")[0];
    let (code, said) = lunette(&["replay", text(journal)]);
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.starts_with("note: recorded by lunette 0.0.9, this is "),
        "{said}"
    );
}

/// Another build that does something else: each session begins anew under its address, with what its app saved, and
/// its page says so; what it was is there to be looked at.
#[test]
fn another_build_that_behaves_in_another_way_begins_anew_with_what_was_saved() {
    let (mut place, mut pages) = hundred(&saving());
    of_another_build(&place, true);
    let address = place.start().address;
    for (n, page) in pages.iter_mut().enumerate() {
        page.resume(address).expect("it is answered");
        assert_eq!(page.greeting["resumed"], false, "{}", page.greeting);
        page.frames.clear();
        page.begin_again(CREATE);
        let told = page.frames.join("\n");
        assert_eq!(page.value(2), Some(json!(100 + clicks(n))), "{told}");
        assert!(told.contains("had saved last"), "{told}");
        page.act(ADD).expect("acknowledged");
    }
    let log = place.server().log();
    // Each is told of once, also if it was tried before its page came.
    let told = |what: &str| log.matches(what).count();
    let lost = told("cannot be rebuilt: it does not come out as it did");
    assert_eq!(lost, SESSIONS, "{log}");
    assert_eq!(told("begins anew; its journal is set aside"), SESSIONS);
    assert_eq!(told("it does not come out as it did"), SESSIONS, "{log}");
    assert_eq!(journals(&place, "lost").len(), SESSIONS);
    place.kill();
    // The new ones are of this build, and go on.
    all_go_on(&mut place, &mut pages, |n| json!(100 + clicks(n) + 2));
    let (code, said) = lunette(&["replay", text(&journals(&place, "lost")[0])]);
    assert_eq!(code, Some(5), "{said}");
}

/// Of another kind of Lua, or of a format of tomorrow, nothing can be run.
#[test]
fn what_another_engine_alone_can_run_is_refused_and_kept() {
    let mut place = Place::new(MAIN, &[]);
    let mut page = place.page();
    page.act(CREATE).expect("acknowledged");
    place.kill();
    settle(&place);
    let journal = journals(&place, "lnt").pop().expect("a journal");
    let mut bytes = fs::read(&journal).expect("readable");
    bytes[8] = 77;
    fs::write(&journal, &bytes).expect("written");
    let address = place.start().address;
    page.resume(address).expect("it is answered");
    assert_eq!(page.greeting["resumed"], false, "{}", page.greeting);
    let log = place.server().log();
    assert!(
        log.contains("has format 77, this engine reads formats"),
        "{log}"
    );
    let kept = journals(&place, "lost").pop().expect("set aside");
    assert_eq!(fs::read(kept).expect("readable"), bytes);
}

/// What an app may do outside is what it may do now, not when its sessions began; amounts go on as they were.
#[test]
fn what_is_not_allowed_any_more_is_not_done_any_more() {
    let main = format!(
        "{}\nfunction App:read() self.text = tostring(session:readFile('data/a')) end",
        saving().replace("local App =", "App =")
    );
    let read = r#"{"userEvent":true,"messages":[{"type":"create","data":{"id":9,"parentId":1,"properties":{"path":"read()","access":"action"}}},
        {"type":"update","data":{"varId":9,"value":null}}]}"#;
    let mut place = Place::new(&main, &[]);
    place.kill();
    place.folder.write("site/data/a", "content");
    place
        .folder
        .write("site/lunette.toml", "[lua]\nallow = [\"files\"]");
    place.start();
    let mut page = place.page();
    page.act(CREATE).expect("acknowledged");
    page.act(ADD).expect("acknowledged");
    page.act(read).expect("acknowledged");
    assert_eq!(page.value(4), Some(json!("content")));
    // Less work for an event: it goes on with what it had.
    place.kill();
    let less = "[lua]\nallow = [\"files\"]\n[limits]\ngas = 20000";
    place.folder.write("site/lunette.toml", less);
    let address = place.start().address;
    page.resume(address).expect("it is there again");
    assert_eq!(page.greeting["resumed"], true, "{}", place.server().log());
    // No files any more: it begins anew.
    place.kill();
    place.folder.write("site/lunette.toml", "");
    let address = place.start().address;
    page.resume(address).expect("it is answered");
    assert_eq!(page.greeting["resumed"], false, "{}", page.greeting);
    let log = place.server().log();
    assert!(
        log.contains("it began with files, which is not allowed any more"),
        "{log}"
    );
    page.frames.clear();
    page.begin_again(CREATE);
    page.act(read).expect("acknowledged");
    let told = page.frames.join("\n");
    assert!(told.contains("allow = [\\\"files\\\"]"), "{told}");
}

/// A recording of `--record` ends where its session is rebuilt, and the log says where the rest is.
#[test]
fn a_session_that_was_rebuilt_is_exported_in_place_of_its_recording() {
    let recordings = std::env::temp_dir().join(format!("lunette-rebuilt-{}", std::process::id()));
    let flags = ["--record", recordings.display().to_string().leak()];
    let mut place = Place::new(MAIN, &flags);
    let mut page = place.page();
    page.act(CREATE).expect("acknowledged");
    page.act(ADD).expect("acknowledged");
    let address = place.crash().address;
    page.resume(address).expect("it is there again");
    page.act(ADD).expect("acknowledged");
    let log = place.server().log();
    let told = format!("lunette export {}", page.session);
    assert!(log.contains(&told), "{log}");
    let state = place.folder.0.join("state");
    let file = place.folder.0.join("all.lnt");
    let export = [
        "export",
        &page.session,
        "--state",
        text(&state),
        "-o",
        text(&file),
    ];
    let (code, said) = lunette(&export);
    assert_eq!(code, Some(0), "{said}");
    let clicks = |file: &Path| {
        let (code, said) = lunette(&["replay", text(file)]);
        assert_eq!(code, Some(0), "{said}");
        let (_, told) = lunette(&["transcript", text(file)]);
        told.matches("\"varId\":3,\"value\":null").count()
    };
    let first = recordings.join(format!("{}.lnt", page.session));
    assert_eq!((clicks(&first), clicks(&file)), (1, 2));
    fs::remove_dir_all(recordings).expect("removed");
}
