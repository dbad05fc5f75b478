//! The state directory: who may use it, what is in it, how long it stays, and the commands that show it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::rc::Rc;

use lunette::core::event::{Opening, Turn};
use lunette::core::id::{ConnectionId, SessionId};
use lunette::core::manager::{ManagerConfig, SessionManager};
use lunette::core::site::Site;
use lunette::journal::{
    Detail, Header, JournalError, Output, Policy, RawEvent, RealDisk, Rules, Standing, Store,
    StoreError, Writer, encode_edits,
};
use lunette::lua::state::StateLimits;
use lunette::lua::{DIALECT, LuaRuntime};
use lunette::replay::{read_session, to_event};

use super::faults::{header, told};
use super::{Scratch, run};

fn open(dir: &Path) -> Result<Store, StoreError> {
    open_with(dir, Rules::default())
}

fn open_with(dir: &Path, rules: Rules) -> Result<Store, StoreError> {
    Store::open(Rc::new(RealDisk), dir, rules)
}

fn sid(number: u64) -> String {
    format!("{number:032x}")
}

fn begin(store: &Store, number: u64) -> Writer {
    let sid = sid(number);
    let session = SessionId(number);
    let header = Header {
        sid,
        session,
        ..header(Detail::Digest)
    };
    store.create(&header).expect("a journal")
}

pub(super) fn turn(now: u64) -> Turn {
    Turn { now, wall: 5 }
}

fn publish(writer: &mut Writer, now: u64) {
    let topic = "t";
    writer.event(
        turn(now),
        &RawEvent::MessagePublished {
            topic,
            value: "1",
            only: None,
        },
    );
    writer.commit().expect("written");
}

#[test]
fn one_process_uses_it_and_only_its_owner_reads_it() {
    let scratch = Scratch::new();
    let dir = scratch.path("state");
    let store = open(&dir).expect("a store");
    let _writer = begin(&store, 1);
    store.put("clock", b"1").expect("put");
    let told = open(&dir).expect_err("it is in use").to_string();
    assert!(told.starts_with(&dir.display().to_string()), "{told}");
    assert!(told.contains("another lunette"), "{told}");
    let mut dirs = vec![dir.clone()];
    let mut files = 0;
    while let Some(at) = dirs.pop() {
        assert_eq!(mode(&at), 0o700, "{}", at.display());
        for entry in fs::read_dir(at).expect("readable") {
            let path = entry.expect("readable").path();
            if path.is_dir() {
                dirs.push(path);
            } else {
                assert_eq!(mode(&path), 0o600, "{}", path.display());
                files += 1;
            }
        }
    }
    // Lock, tail, journal, two files of the site, one value.
    assert_eq!(files, 6);
    drop(store);
    open(&dir).expect("nobody uses it any more");
}

pub(super) fn mode(path: &Path) -> u32 {
    let about = fs::metadata(path).expect("it is there");
    about.permissions().mode() & 0o777
}

#[test]
fn the_files_of_a_site_are_there_once_and_missed_when_they_are_not() {
    let scratch = Scratch::new();
    let dir = scratch.path("state");
    let store = open(&dir).expect("a store");
    for number in 1..4 {
        publish(&mut begin(&store, number), 1);
    }
    let site = || fs::read_dir(dir.join("site")).expect("readable");
    assert_eq!(site().count(), 2);
    let reader = store.archive().read(&sid(2)).expect("whole");
    let other = store.archive().read(&sid(3)).expect("whole");
    assert_eq!(reader.header().site, header(Detail::Full).site);
    assert!(reader.header().site.is(&other.header().site), "one copy");
    assert_eq!(store.collect().expect("collected"), 0);

    let path = site().next().expect("a file").expect("readable").path();
    let content = fs::read(&path).expect("read");
    for (bad, why) in [
        (&b"else"[..], "is not what it was"),
        (b"", "is not what it was"),
    ] {
        fs::write(&path, bad).expect("written");
        let told = read_session(&dir, &sid(2))
            .expect_err("altered")
            .to_string();
        assert!(told.contains(why), "{told}");
        assert!(told.contains(&path.display().to_string()), "{told}");
    }
    fs::remove_file(&path).expect("removed");
    let told = read_session(&dir, &sid(2))
        .expect_err("missing")
        .to_string();
    assert!(told.contains("which the recording needs"), "{told}");
    drop(store);
    // The next server that has the same site brings it back.
    let store = open(&dir).expect("a store");
    begin(&store, 9);
    assert_eq!(fs::read(&path).expect("read"), content);
    read_session(&dir, &sid(2)).expect("whole again");

    for number in [1, 2, 3, 9] {
        store.remove(&sid(number)).expect("removed");
    }
    assert_eq!(store.collect().expect("collected"), 2);
    assert_eq!((site().count(), store.total()), (0, 0));
    // A site that was collected is written again.
    begin(&store, 10);
    assert_eq!(site().count(), 2);
}

#[test]
fn contents_that_edits_name_stay_as_long_as_their_journals() {
    let scratch = Scratch::new();
    let dir = scratch.path("state");
    let store = open(&dir).expect("a store");
    let long = vec![b'-'; 1_000];
    let edits = [
        ("lua/main.lua".to_owned(), Some(long.clone())),
        ("lua/b.lua".to_owned(), Some(b"x = 1".to_vec())),
        ("lua/c.lua".to_owned(), None),
    ];
    let edits = encode_edits(&edits.into());
    for number in 1..3 {
        let mut writer = begin(&store, number);
        let named = store.name_edits(&edits).expect("kept");
        assert!(named.len() < 100, "{} bytes", named.len());
        writer.event(turn(1), &RawEvent::SiteChanged { edits: &named });
        publish(&mut writer, 2);
        let mark = writer.mark().expect("written").expect("it records");
        writer.event(turn(3), &RawEvent::SiteChanged { edits: &named });
        writer.commit().expect("written");
        let read = store.archive().read(&sid(number)).expect("whole");
        let behind = store.archive().read_behind(&sid(number), &mark);
        let events = [read, behind.expect("there is the mark")];
        for reader in events {
            let last = reader.records().last().expect("a record");
            assert_eq!(last.event, RawEvent::SiteChanged { edits: &edits });
        }
    }
    drop(store);
    let site = || fs::read_dir(dir.join("site")).expect("readable").count();
    assert_eq!(site(), 3, "those of the header, and one of the edits");
    let store = open(&dir).expect("a store");
    store.remove(&sid(1)).expect("removed");
    assert_eq!((store.collect().expect("nothing yet"), site()), (0, 3));
    store.archive().read(&sid(2)).expect("it has all it needs");
    let content = dir.join("site").join(hex_of(&long));
    fs::remove_file(&content).expect("it is there");
    let told = store.archive().read(&sid(2)).expect_err("missing");
    assert!(
        told.to_string()
            .contains("lua/main.lua, which the recording needs")
    );
    fs::write(&content, &long).expect("back again");
    store.remove(&sid(2)).expect("removed");
    assert_eq!((store.collect().expect("all of them"), site()), (3, 0));
}

fn hex_of(content: &[u8]) -> String {
    use sha2::Digest;
    let check = sha2::Sha256::digest(content);
    check.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn more_sessions_than_files_may_be_open() {
    let scratch = Scratch::new();
    let dir = scratch.path("state");
    let store = open(&dir).expect("a store");
    let mut writers: Vec<Writer> = (0..200).map(|number| begin(&store, number)).collect();
    for now in 1..4 {
        writers.iter_mut().for_each(|writer| publish(writer, now));
    }
    let open = fs::read_dir("/proc/self/fd")
        .expect("readable")
        .filter(|fd| {
            let fd = fd.as_ref().expect("readable").path();
            fs::read_link(fd).is_ok_and(|to| to.starts_with(dir.join("sessions")))
        });
    assert_eq!(open.count(), 64);
    for number in 0..200 {
        let reader = store.archive().read(&sid(number)).expect("whole");
        assert_eq!(reader.records().count(), 3);
    }
    // A journal that somebody took away ends its recording, and nothing else.
    fs::remove_file(store.archive().path(&sid(0), Standing::Live)).expect("removed");
    writers[0].event(turn(9), &RawEvent::TimersDue);
    writers[0].output(&Output::SessionEnded);
    let written = writers[0].commit().and_then(|()| writers[0].flush());
    assert!(written.is_err());
    publish(&mut writers[1], 9);
}

#[test]
fn a_journal_goes_on_where_it_was_torn() {
    let scratch = Scratch::new();
    let dir = scratch.path("state");
    let store = open(&dir).expect("a store");
    let mut writer = begin(&store, 1);
    let (a, b) = (ConnectionId(40), ConnectionId(50));
    for connection in [a, b] {
        writer.event(turn(10), &RawEvent::FrontendJoined { connection });
    }
    writer.event(turn(10), &RawEvent::FrontendLeft { connection: a });
    writer.commit().expect("written");
    publish(&mut writer, 20);
    drop(writer);
    let path = store.archive().path(&sid(1), Standing::Live);
    let bytes = fs::read(&path).expect("read");
    fs::write(&path, &bytes[..bytes.len() - 1]).expect("torn");
    let reader = store
        .archive()
        .read(&sid(1))
        .expect("a torn tail is none of its events");
    assert!(reader.torn_bytes() > 0);
    let before = told(&reader);
    assert_eq!(reader.joined(), [ConnectionId(2)]);
    let (again, new) = (ConnectionId(7), ConnectionId(8));
    let mut writer = store
        .resume(&sid(1), &reader, |_| again)
        .expect("it goes on");
    for connection in [again, new] {
        let text = "{}";
        writer.event(turn(30), &RawEvent::Frame { connection, text });
    }
    writer.commit().expect("written");
    let reader = store.archive().read(&sid(1)).expect("whole");
    assert_eq!(reader.torn_bytes(), 0);
    let after = told(&reader);
    assert_eq!(after[..before.len()], before);
    let records: Vec<_> = reader.records().collect();
    let of = |i: usize| match records[i].event {
        RawEvent::Frame { connection, .. } => (connection.0, records[i].turn, records[i].sequence),
        other => panic!("{other:?}"),
    };
    assert_eq!((of(3), of(4)), ((2, turn(30), 4), (3, turn(30), 5)));
    assert_eq!(writer.bytes(), fs::metadata(&path).expect("there").len());
}

#[test]
fn a_journal_that_was_cut_before_a_mark_does_not_go_on_there() {
    let scratch = Scratch::new();
    let dir = scratch.path("state");
    let store = open(&dir).expect("a store");
    let mut writer = begin(&store, 1);
    publish(&mut writer, 10);
    publish(&mut writer, 20);
    let mark = writer.mark().expect("written").expect("it records");
    drop(writer);
    let behind = store.archive().read_behind(&sid(1), &mark);
    assert_eq!(behind.expect("there is the mark").records().count(), 0);
    let path = store.archive().path(&sid(1), Standing::Live);
    let bytes = fs::read(&path).expect("read");
    fs::write(&path, &bytes[..bytes.len() - 1]).expect("cut");
    let behind = store.archive().read_behind(&sid(1), &mark);
    let refused = matches!(
        behind,
        Err(StoreError::Journal(JournalError::Corrupt { .. }))
    );
    assert!(refused, "{behind:?}");
    let whole = store
        .archive()
        .read(&sid(1))
        .expect("its beginning is whole");
    assert_eq!(whole.records().count(), 1);
}

#[test]
fn journals_of_ended_sessions_stay_as_long_as_they_shall() {
    let scratch = Scratch::new();
    let dir = scratch.path("state");
    let store = open(&dir).expect("a store");
    drop(begin(&store, 1));
    store.end(&sid(1)).expect("ended");
    assert!(store.archive().sessions().expect("listed").is_empty());
    assert!(matches!(
        store.end(&sid(1)),
        Err(StoreError::NoSession { .. })
    ));
    assert!(store.archive().read("../lock").is_err(), "a SID is no path");
    drop(store);

    let keep_ms = 60_000;
    let policy = Policy::default();
    let store = open_with(
        &dir,
        Rules {
            policy,
            keep_ms,
            ..Rules::default()
        },
    )
    .expect("a store");
    drop(begin(&store, 2));
    drop(begin(&store, 3));
    store.end(&sid(2)).expect("ended");
    store
        .set_aside(&sid(3), Standing::Quarantined)
        .expect("set aside");
    let listed = store.archive().sessions().expect("listed");
    let standings: Vec<_> = listed.iter().map(|l| (l.sid.clone(), l.standing)).collect();
    let expected = [(sid(2), Standing::Ended), (sid(3), Standing::Quarantined)];
    assert_eq!(standings, expected);
    let header = listed[0].header.as_ref().expect("a header");
    assert_eq!((header.session, header.sid.clone()), (SessionId(2), sid(2)));
    let written = listed[0].modified;
    assert_eq!(store.expire(written + 59_999).expect("nothing yet"), 0);
    assert_eq!(store.expire(written + 60_000).expect("one"), 1);
    store.set_aside(&sid(3), Standing::Live).expect("back");
    store.archive().read(&sid(3)).expect("whole");
}

#[test]
fn values_are_replaced_as_a_whole() {
    let scratch = Scratch::new();
    let dir = scratch.path("state");
    let store = open(&dir).expect("a store");
    assert_eq!(store.archive().get("clock").expect("none yet"), None);
    for value in [&b"first"[..], b"second", b""] {
        store.put("clock", value).expect("put");
        let got = store.archive().get("clock").expect("there");
        assert_eq!(got.as_deref(), Some(value));
    }
    assert_eq!(
        fs::read_dir(dir.join("values")).expect("readable").count(),
        1
    );
}

const MAIN: &str = "local App = session:prototype('App', { word = '', last = '', ticks = 0 })
local app = session:create(App)
function app:check(form) self.last = form.mail .. ' ' .. #form.pin end
session:createAppVariable(app)
session:setInterval(function() app.ticks = app.ticks + 1 end, 1000)";
const TEMPLATE: &str =
    "<template><input type=\"password\" name=\"pin\" ui-value=\"word\"></template>";
const STEPS: [&str; 3] = [
    r#"[{"type":"watch","data":{"varId":1}},{"type":"create","data":{"id":2,"parentId":1,"properties":{"path":"word"}}},{"type":"create","data":{"id":3,"parentId":1,"properties":{"path":"check(_)"}}},{"type":"create","data":{"id":4,"parentId":1,"properties":{"path":"last"}}}]"#,
    r#"{"userEvent":true,"messages":[{"type":"update","data":{"varId":2,"value":"hunter2"}}]}"#,
    r#"{"userEvent":true,"messages":[{"type":"update","data":{"varId":3,"value":{"mail":"a@b","pin":"1234"}}}]}"#,
];

/// A session of a real app in a state directory. `lie` is told to the journal in place of what came out.
fn live(dir: &Path, number: u64, lie: Option<&str>) {
    let files = [
        ("lua/main.lua".to_owned(), MAIN.into()),
        ("viewdefs/App.DEFAULT.html".to_owned(), TEMPLATE.into()),
    ];
    let config = ManagerConfig {
        site: Site::new(files.into_iter().collect()),
        ..ManagerConfig::default()
    };
    let limits = config.limits.clone();
    let class = StateLimits::from(&limits);
    let (session, connection) = (SessionId(number), ConnectionId(90));
    let header = Header {
        sid: sid(number),
        started: 1_700_000_000_000,
        detail: Detail::Digest,
        ..Header::here(
            session,
            config.site.clone(),
            limits,
            class.class() as u64,
            DIALECT,
        )
    };
    let store = open(dir).expect("a store");
    let mut writer = store.create(&header).expect("a journal");
    let mut manager = SessionManager::new(LuaRuntime::new().expect("a runtime"), config);
    let opening = Opening {
        seed: 1,
        url: "/",
        ..Opening::default()
    };
    let mut events = vec![
        RawEvent::SessionOpened(opening),
        RawEvent::FrontendJoined { connection },
    ];
    events.extend(STEPS.map(|text| RawEvent::Frame { connection, text }));
    events.extend([RawEvent::TimersDue; 5]);
    let mut frame = Vec::new();
    for (i, event) in events.iter().enumerate() {
        let now = i as u64 * 1000;
        let wall = 1_700_000_000_000 + now as i64;
        writer.event(Turn { now, wall }, event);
        let event = to_event(event, session, manager.site());
        manager.handle_event(event, Turn { now, wall });
        while let Some(effect) = manager.poll_effect() {
            match (Output::of(&effect, &mut frame), lie) {
                (Some(Output::Frame { connection, .. }), Some(lie)) => {
                    let text = lie.as_bytes();
                    writer.output(&Output::Frame { connection, text });
                }
                (Some(output), _) => writer.output(&output),
                (None, _) => {}
            }
        }
        writer.commit().expect("written");
    }
    writer.flush().expect("written");
}

/// Runs `lunette ARGUMENTS --state DIR`; its exit code and all it said.
fn lunette(arguments: &[&str], state: &Path) -> (i32, String) {
    let mut lunette = Command::new(env!("CARGO_BIN_EXE_lunette"));
    let output = lunette.args(arguments).arg("--state").arg(state);
    let output = output.output().expect("lunette runs");
    let said = [output.stdout, output.stderr].concat();
    let code = output.status.code().expect("it is not killed");
    (code, String::from_utf8(said).expect("it says UTF-8"))
}

#[test]
fn a_journal_replays_where_it_is_and_exports_with_its_frames() {
    let scratch = Scratch::new();
    let dir = scratch.path("state");
    live(&dir, 1, None);
    let journal = dir.join(format!("sessions/{}.lnt", sid(1)));
    let (code, said) = run("replay", &journal);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("10 events: "), "{said}");
    let (code, shown) = run("transcript", &journal);
    assert_eq!(code, 0, "{shown}");
    assert!(
        shown.contains("outputs, digest ") || shown.contains("output, digest "),
        "{shown}"
    );
    assert!(
        !shown.contains("hunter2") && !shown.contains("1234"),
        "{shown}"
    );
    assert!(
        shown.contains("(2 is word)") && shown.contains("\"mail\":\"a@b\""),
        "{shown}"
    );

    let bug = scratch.path("bug.lnt");
    let bug_name = bug.to_str().expect("UTF-8");
    let (code, said) = lunette(&["export", &sid(1), "-o", bug_name], &dir);
    assert_eq!(code, 0, "{said}");
    assert!(
        said.starts_with("exported 10 events with all frames\n"),
        "{said}"
    );
    assert!(said.contains("secret values are blanked"), "{said}");
    let (code, again) = lunette(&["export", &sid(1), "-o", bug_name], &dir);
    assert_eq!(code, 1, "never overwrites: {again}");
    fs::remove_dir_all(&dir).expect("the file needs nothing else");
    let bytes = fs::read(&bug).expect("read");
    let has = |text: &str| bytes.windows(text.len()).any(|w| w == text.as_bytes());
    assert!(!has("hunter2") && !has("1234") && has("a@b 4"));
    let (code, shown) = run("transcript", &bug);
    assert_eq!(code, 0, "{shown}");
    assert!(
        shown.contains("\"value\":\"a@b 4\""),
        "the frame is in it: {shown}"
    );
    assert!(shown.contains("(4 is last)"), "{shown}");
    // The app looked at the length of a secret, which is another one now.
    let (code, said) = run("replay", &bug);
    assert_eq!(code, 5, "{said}");
    assert!(
        said.contains("(last), value: recorded \"a@b 4\", replayed \"a@b 3\""),
        "{said}"
    );
}

#[test]
fn an_export_of_what_does_not_come_out_the_same_says_so() {
    let scratch = Scratch::new();
    let dir = scratch.path("state");
    live(&dir, 1, Some("[]"));
    let bug = scratch.path("bug.lnt");
    let bug_name = bug.to_str().expect("UTF-8");
    let (code, said) = lunette(&["export", &sid(1), "-o", bug_name], &dir);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("without the frames that were sent"), "{said}");
    assert!(said.contains("diverged in turn "), "{said}");
    let (code, said) = run("replay", &bug);
    assert_eq!(code, 5, "{said}");
    assert!(
        said.contains("this file has no frames, only their digests"),
        "{said}"
    );
}

#[test]
fn sessions_are_listed_and_dropped() {
    let scratch = Scratch::new();
    let dir = scratch.path("state");
    let (code, said) = lunette(&["sessions"], &dir);
    assert_eq!((code, dir.exists()), (0, false), "{said}");
    assert!(said.starts_with("no sessions in "), "{said}");
    for number in 1..5 {
        live(&dir, number, None);
    }
    let path = |number: u64| dir.join(format!("sessions/{}.lnt", sid(number)));
    let bytes = fs::read(path(2)).expect("read");
    fs::write(path(2), &bytes[..bytes.len() - 1]).expect("torn");
    let mut bad = fs::read(path(3)).expect("read");
    let middle = bad.len() - 60;
    bad[middle] ^= 1;
    fs::write(path(3), bad).expect("damaged");
    open(&dir)
        .and_then(|store| store.set_aside(&sid(4), Standing::Quarantined))
        .expect("set aside");
    let (code, said) = lunette(&["sessions"], &dir);
    assert_eq!(code, 0, "{said}");
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines.len(), 5, "{said}");
    for (line, state) in lines[1..]
        .iter()
        .zip(["whole", "torn", "damaged: ", "quarantined"])
    {
        assert!(line.contains(&format!("  {state}")), "{line}");
        assert!(line.contains("  2023-11-14T22:13:20Z  "), "{line}");
    }
    assert!(lines[1].contains("  2023-11-14T22:13:29Z  "), "{said}");
    assert!(lines[1].contains("       10  "), "{said}");

    let store = open(&dir).expect("as a server would");
    let (code, said) = lunette(&["sessions", "drop", &sid(1)], &dir);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("stop it first"), "{said}");
    drop(store);
    for number in 1..5 {
        let (code, said) = lunette(&["sessions", "drop", &sid(number)], &dir);
        assert_eq!((code, said), (0, String::new()));
    }
    let (code, said) = lunette(&["sessions", "drop", &sid(1)], &dir);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("there is no such session"), "{said}");
    assert_eq!(fs::read_dir(dir.join("site")).expect("readable").count(), 0);
}

#[test]
fn a_journal_away_from_its_site_says_what_it_needs() {
    let scratch = Scratch::new();
    let dir = scratch.path("state");
    live(&dir, 1, None);
    let alone = scratch.path("alone.lnt");
    fs::copy(dir.join(format!("sessions/{}.lnt", sid(1))), &alone).expect("copied");
    let (code, said) = run("replay", &alone);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("which the recording needs"), "{said}");
    let bytes = fs::read(&alone).expect("read");
    let error = lunette::journal::Reader::new(bytes).expect_err("its site is elsewhere");
    assert!(matches!(error, JournalError::SiteFile { .. }), "{error}");
}
