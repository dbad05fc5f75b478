//! What disks do to journals: whatever happens, what is read back is what was told up to some event, all that
//! was acknowledged included, or the file is refused; a session goes on without its journal and hears of it once.

use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use lunette::core::event::{Opening, Turn};
use lunette::core::id::{ConnectionId, SessionId};
use lunette::core::limits::SessionLimits;
use lunette::core::site::Site;
use lunette::journal::{
    Detail, Durability, Header, JournalError, Output, Policy, RawAnswer, RawEvent, Reader, Rules,
    Standing, Store, StoreError, Writer,
};

use super::Scratch;
use crate::memory_disk::{Fault, MemoryDisk, Unsynced};

const SID: &str = "0123456789abcdef0123456789abcdef";
const TURNS: u64 = 12;

pub(super) fn header(detail: Detail) -> Header {
    let files = [
        ("lua/main.lua", "x = 1"),
        ("viewdefs/A.B.html", "<template></template>"),
    ];
    let files = files.map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec()));
    let site = Site::new(files.into_iter().collect());
    Header {
        sid: SID.into(),
        started: 1_700_000_000_000,
        detail,
        ..Header::here(SessionId(3), site, SessionLimits::default(), 0, "none")
    }
}

fn turn(number: u64) -> Turn {
    Turn {
        now: number * 1000,
        wall: 1_700_000_000_000 + number as i64 * 1001,
    }
}

const A: ConnectionId = ConnectionId(77);

/// What happens in a turn: of everything something.
fn take_turn(writer: &mut Writer, number: u64) -> Result<(), lunette::journal::Stopped> {
    let text = format!(r#"{{"type":"update","data":{{"varId":7,"value":{number}}}}}"#);
    let event = match number {
        0 => RawEvent::SessionOpened(Opening {
            seed: 5,
            url: "/",
            ..Opening::default()
        }),
        1 => RawEvent::FrontendJoined { connection: A },
        _ if number % 4 == 3 => RawEvent::TimersDue,
        _ => RawEvent::Frame {
            connection: A,
            text: &text,
        },
    };
    writer.event(turn(number), &event);
    if number % 8 == 3 {
        return writer.commit();
    }
    let answer = RawAnswer::Bytes(b"what is in there");
    if number % 4 == 2 {
        writer.answer("read \"a\"", &answer);
        writer.intent("write \"b\"")?;
        writer.answer("write \"b\"", &RawAnswer::Done);
        writer.output(&Output::HostCalled {
            call: "read \"a\"",
            answer,
        });
        writer.output(&Output::HostCalled {
            call: "write \"b\"",
            answer: RawAnswer::Done,
        });
    }
    writer.output(&Output::Frame {
        connection: A,
        text: text.as_bytes(),
    });
    writer.commit()
}

/// What a reader says of every event, in order.
pub(super) fn told(reader: &Reader) -> Vec<String> {
    let records = reader.records().map(|record| format!("{record:?}"));
    let last = reader
        .interrupted()
        .map(|last| format!("{} interrupted", last.sequence));
    records.chain(last).collect()
}

/// A whole journal of all turns, and what it tells.
fn whole(detail: Detail) -> (Vec<u8>, Vec<String>) {
    let scratch = Scratch::new();
    let path = scratch.path("whole.lnt");
    let mut writer = Writer::create(&path, &header(detail)).expect("it can be made");
    for number in 0..TURNS {
        take_turn(&mut writer, number).expect("written");
    }
    writer.flush().expect("written");
    let bytes = fs::read(&path).expect("read");
    let told = told(&Reader::new(bytes.clone()).expect("whole"));
    assert_eq!(told.len(), TURNS as usize);
    (bytes, told)
}

fn is_prefix(short: &[String], long: &[String]) -> bool {
    let whole = short.len() - usize::from(short.last().is_some_and(|s| s.ends_with("interrupted")));
    whole <= long.len() && short[..whole] == long[..whole]
}

#[test]
fn a_file_torn_at_any_byte_is_read_up_to_there() {
    let scratch = Scratch::new();
    for detail in [Detail::Full, Detail::Digest] {
        let (bytes, all) = whole(detail);
        let path = scratch.path("torn.lnt");
        let first = Reader::new(bytes.clone()).expect("whole").header_bytes();
        let mut before = 0;
        for end in 0..bytes.len() {
            fs::write(&path, &bytes[..end]).expect("written");
            match Reader::open(&path) {
                Ok(reader) => {
                    let seen = told(&reader);
                    assert!(is_prefix(&seen, &all), "cut at {end}");
                    assert!(seen.len() >= before, "cut at {end}");
                    assert_eq!(reader.whole_bytes() + reader.torn_bytes(), end);
                    before = seen.len();
                }
                Err(JournalError::NoHeader) => assert!(end < first),
                Err(error) => panic!("cut at {end}: {error}"),
            }
        }
        assert!(before >= all.len() - 1);
    }
}

#[test]
fn a_flipped_bit_in_any_byte_is_found() {
    let scratch = Scratch::new();
    let path = scratch.path("flipped.lnt");
    for detail in [Detail::Full, Detail::Digest] {
        let (bytes, _) = whole(detail);
        for at in 0..bytes.len() {
            // All bits of every byte are turned where the format is tested, without a disk.
            let mut bad = bytes.clone();
            bad[at] ^= 1 << (at % 8);
            fs::write(&path, bad).expect("written");
            assert!(Reader::open(&path).is_err(), "byte {at} was not missed");
        }
    }
}

#[test]
fn sectors_that_never_reached_the_disk_are_a_torn_tail() {
    let (mut bytes, all) = whole(Detail::Full);
    let at = bytes.len();
    // A record of several sectors, of which the last are zeros.
    let scratch = Scratch::new();
    let path = scratch.path("sectors.lnt");
    fs::write(&path, &bytes).expect("written");
    let mut writer =
        Writer::create(&scratch.path("more.lnt"), &header(Detail::Full)).expect("made");
    for number in 0..TURNS {
        take_turn(&mut writer, number).expect("written");
    }
    let text = "x".repeat(4000);
    writer.event(
        turn(TURNS),
        &RawEvent::Frame {
            connection: A,
            text: &text,
        },
    );
    writer.commit().expect("written");
    let long = fs::read(scratch.path("more.lnt")).expect("read");
    bytes = long.clone();
    for sectors in 1..4 {
        let from = (bytes.len() - sectors * 512).next_multiple_of(512);
        let mut zeroed = long.clone();
        zeroed[from..].fill(0);
        let reader = Reader::new(zeroed).unwrap_or_else(|e| panic!("{sectors} sectors: {e}"));
        assert_eq!(reader.whole_bytes(), at);
        assert_eq!(told(&reader), all);
    }
    // Zeros with something behind them are damage.
    bytes[at + 600..at + 1600].fill(0);
    assert!(Reader::new(bytes).is_err());
}

/// What became of a session on a disk that fails.
struct Ran {
    created: bool,
    /// Turns whose frames would have gone out as recorded ones.
    acknowledged: usize,
    stopped: usize,
}

fn rules(durability: Durability) -> Rules {
    Rules {
        policy: Policy {
            durability,
            ..Policy::default()
        },
        keep_ms: 1000,
        ..Rules::default()
    }
}

fn open(disk: &MemoryDisk, durability: Durability) -> Result<Store, StoreError> {
    Store::open(Rc::new(disk.clone()), dir(), rules(durability))
}

fn dir() -> &'static Path {
    Path::new("state")
}

fn run(disk: &MemoryDisk, durability: Durability, detail: Detail) -> Ran {
    let mut ran = Ran {
        created: false,
        acknowledged: 0,
        stopped: 0,
    };
    let Ok(store) = open(disk, durability) else {
        return ran;
    };
    let _ = store.put("clock", b"5");
    let Ok(mut writer) = store.create(&header(detail)) else {
        return ran;
    };
    ran.created = true;
    for number in 0..TURNS {
        let committed = take_turn(&mut writer, number).and_then(|()| match durability {
            Durability::Power => writer.sync(),
            Durability::None | Durability::Process => Ok(()),
        });
        match committed {
            Ok(()) if writer.is_on() => ran.acknowledged += 1,
            Ok(()) => {}
            Err(_) => {
                ran.stopped += 1;
                assert!(!writer.is_on());
            }
        }
    }
    if writer.flush().is_err() {
        ran.stopped += 1;
    }
    ran
}

/// What is on the disk afterwards, by another store.
fn found(disk: &MemoryDisk, durability: Durability) -> Result<Vec<String>, StoreError> {
    let store = open(disk, durability).expect("the disk is good again");
    let reader = store.archive().read(SID)?;
    let told = told(&reader);
    // And it can be gone on with.
    let mut writer = store.resume(SID, &reader, |_| A)?;
    writer.event(turn(99), &RawEvent::TimersDue);
    writer.output(&Output::SessionEnded);
    writer.flush().expect("the disk is good again");
    let again = store.archive().read(SID).expect("as good as before");
    assert_eq!(again.torn_bytes(), 0);
    assert!(again.interrupted().is_none());
    assert!(again.records().last().is_some_and(|r| r.turn == turn(99)));
    Ok(told)
}

#[test]
fn a_disk_that_fails_at_any_call_leaves_a_clean_prefix() {
    let (_, all_full) = whole(Detail::Full);
    let (_, all_digest) = whole(Detail::Digest);
    for (durability, is_mapped) in [
        (Durability::None, true),
        (Durability::Process, true),
        (Durability::Process, false),
        (Durability::Power, true),
    ] {
        for (detail, all) in [(Detail::Full, &all_full), (Detail::Digest, &all_digest)] {
            for fault in [Fault::Full, Fault::Broken, Fault::Short, Fault::Interrupted] {
                let mut struck = 0;
                for call in 1.. {
                    let disk = match is_mapped {
                        true => MemoryDisk::default(),
                        false => MemoryDisk::default().without_mappings(),
                    };
                    disk.fail_at(call, fault);
                    let ran = run(&disk, durability, detail);
                    if disk.is_waiting() {
                        break;
                    }
                    struck += 1;
                    disk.mend();
                    let at = format!(
                        "{fault:?} at call {call}, {durability:?}, {detail:?}, mapped: {is_mapped}"
                    );
                    assert!(ran.stopped <= 1, "{at}: told {} times", ran.stopped);
                    match found(&disk, durability) {
                        Ok(told) => {
                            assert!(is_prefix(&told, all), "{at}");
                            let least = least(&ran, durability);
                            assert!(told.len() >= least, "{at}: {} of {least}", told.len());
                        }
                        Err(StoreError::NoSession { .. }) => assert!(!ran.created, "{at}"),
                        Err(StoreError::Journal(JournalError::NoHeader)) => {
                            assert!(!ran.created, "{at}");
                        }
                        Err(error) => panic!("{at}: {error}"),
                    }
                }
                assert!(struck > 10, "{struck}");
            }
        }
    }
}

/// Events that must be there: a tick waits for something to be written with.
fn least(ran: &Ran, durability: Durability) -> usize {
    match durability {
        Durability::None => 0,
        _ if ran.acknowledged % 8 == 4 => ran.acknowledged - 1,
        _ => ran.acknowledged,
    }
}

#[test]
fn after_a_power_cut_all_that_was_synced_is_there() {
    let durability = Durability::Power;
    let (_, all) = whole(Detail::Digest);
    for unsynced in [
        Unsynced::Gone,
        Unsynced::Half,
        Unsynced::There,
        Unsynced::Zeros,
    ] {
        for call in 1.. {
            let disk = MemoryDisk::default();
            disk.fail_at(call, Fault::PowerCut);
            let ran = run(&disk, durability, Detail::Digest);
            if disk.is_waiting() {
                break;
            }
            disk.restart(unsynced);
            let at = format!("power cut at call {call}, {unsynced:?}");
            match found(&disk, durability) {
                Ok(told) => {
                    assert!(is_prefix(&told, &all), "{at}");
                    assert!(told.len() >= least(&ran, durability), "{at}");
                }
                Err(StoreError::Journal(error)) if !ran.created => {
                    assert!(!error.to_string().is_empty());
                }
                Err(StoreError::NoSession { .. }) => assert!(!ran.created, "{at}"),
                Err(error) => panic!("{at}: {error}"),
            }
        }
    }
}

/// A process that dies in its third turn, behind the intent to write.
fn die_while_writing(store: &Store, read: &RawAnswer<'_>) {
    let mut writer = store.create(&header(Detail::Digest)).expect("made");
    for number in 0..2 {
        take_turn(&mut writer, number).expect("written");
    }
    let event = RawEvent::Frame {
        connection: A,
        text: "act",
    };
    writer.event(turn(2), &event);
    writer.answer("read \"a\"", read);
    writer.intent("write \"b\"").expect("written");
}

#[test]
fn an_intent_without_an_answer_is_told_and_gone_on_with() {
    let store = open(&MemoryDisk::default(), Durability::Process).expect("a store");
    let read = RawAnswer::Bytes(b"1");
    die_while_writing(&store, &read);
    let reader = store.archive().read(SID).expect("whole");
    assert_eq!(reader.records().count(), 2);
    let last = reader
        .interrupted()
        .expect("it was in the middle of something");
    assert_eq!(
        (last.sequence, last.turn_number, last.turn),
        (3, 3, turn(2))
    );
    assert_eq!(last.call, "write \"b\"");
    let asked = Output::HostCalled {
        call: "read \"a\"",
        answer: read,
    };
    assert_eq!(last.answered, [asked]);
    let here = ConnectionId(1);
    assert_eq!(reader.joined(), [here]);

    let live = ConnectionId(900);
    let mut writer = store.resume(SID, &reader, |_| live).expect("it goes on");
    let failed = RawAnswer::Failed {
        code: 4,
        text: "interrupted",
    };
    writer.answer("write \"b\"", &failed);
    let then = Output::HostCalled {
        call: "write \"b\"",
        answer: failed,
    };
    let frame = Output::Frame {
        connection: live,
        text: b"{}",
    };
    for output in [&asked, &then, &frame] {
        writer.output(output);
    }
    writer.commit().expect("written");
    take_turn(&mut writer, 4).expect("written");
    let reader = store.archive().read(SID).expect("whole");
    assert!(reader.interrupted().is_none());
    let records: Vec<_> = reader.records().collect();
    assert_eq!(records[2].outputs, [asked, then]);
    let mut digest = lunette::journal::Digest::default();
    let frame = Output::Frame {
        connection: here,
        text: b"{}",
    };
    for output in [&asked, &then, &frame] {
        digest.add(output);
    }
    assert_eq!(records[2].digest, Some(digest));
    // A connection that was not there before has a number of its own.
    let RawEvent::Frame { connection, .. } = records[3].event else {
        panic!("{:?}", records[3]);
    };
    assert_eq!(connection, ConnectionId(2));
}

#[test]
fn a_cap_is_told_once_and_what_is_there_stays() {
    let disk = MemoryDisk::default();
    let policy = Policy {
        max_session: 1500,
        ..Policy::default()
    };
    let rules = Rules {
        policy,
        ..Rules::default()
    };
    let store = Store::open(Rc::new(disk.clone()), dir(), rules).expect("a store");
    let mut writer = store.create(&header(Detail::Full)).expect("made");
    let mut stops = Vec::new();
    for number in 0..200 {
        if let Err(stop) = take_turn(&mut writer, number) {
            stops.push(stop.to_string());
        }
    }
    assert_eq!(stops.len(), 1, "{stops:?}");
    assert!(stops[0].contains(" bytes, more than "), "{stops:?}");
    assert!(!writer.is_on());
    let bytes = store.total();
    assert!((1500..1900).contains(&bytes), "{bytes}");
    let reader = store.archive().read(SID).expect("whole");
    assert_eq!(reader.torn_bytes(), 0);
    store.set_aside(SID, Standing::Lost).expect("renamed");
    assert_eq!(store.archive().standing(SID).ok(), Some(Standing::Lost));
    let path: PathBuf = store.archive().path(SID, Standing::Lost);
    assert!(disk.content(&path).is_some());
}
