//! The tail: what was committed and is in no journal yet is read, found again and never confused.

use std::path::Path;
use std::rc::Rc;

use lunette::core::id::SessionId;
use lunette::journal::{
    Archive, Detail, Disk, Durability, Header, Policy, RawEvent, Rules, Standing, Store,
    StoreError, Writer,
};

use super::faults::{header, told};
use super::store::turn;
use crate::memory_disk::{Fault, MemoryDisk};

const DIR: &str = "state";

fn open(disk: &MemoryDisk) -> Result<Store, StoreError> {
    Store::open(Rc::new(disk.clone()), Path::new(DIR), Rules::default())
}

fn sid(number: u64) -> String {
    format!("{number:032x}")
}

fn begin(store: &Store, number: u64) -> Writer {
    let header = Header {
        sid: sid(number),
        session: SessionId(number),
        ..header(Detail::Digest)
    };
    store.create(&header).expect("a journal")
}

/// A turn whose record has about so many bytes.
fn publish(writer: &mut Writer, now: u64, bytes: usize) {
    let value = format!("\"{}\"", "x".repeat(bytes));
    let event = RawEvent::MessagePublished {
        topic: "t",
        value: &value,
        only: None,
    };
    writer.event(turn(now), &event);
}

/// Writers and store go as a killed process has them go: nothing more is written.
fn die(disk: &MemoryDisk, writers: Vec<Writer>, store: Store) {
    disk.fail_at(1, Fault::PowerCut);
    disk.length(Path::new(DIR)).expect_err("it is off");
    drop((writers, store));
    disk.mend();
}

#[test]
fn who_reads_meanwhile_and_who_comes_next_finds_all_that_was_committed() {
    let disk = MemoryDisk::default();
    let store = open(&disk).expect("a store");
    let mut writers: Vec<Writer> = (1..4).map(|number| begin(&store, number)).collect();
    let header_only = disk.written();
    for now in 1..20 {
        for writer in &mut writers {
            publish(writer, now, 10);
            writer.commit().expect("stored");
        }
    }
    assert_eq!(disk.written().calls, header_only.calls, "no writes yet");
    let reading = Archive::new(Rc::new(disk.clone()), Path::new(DIR));
    let events = |number| told(&reading.read(&sid(number)).expect("whole")).len();
    assert_eq!([1, 2, 3].map(events), [19; 3]);
    // One of them writes its own meanwhile: nothing is twice or missing.
    writers[1].flush().expect("written");
    publish(&mut writers[1], 20, 10);
    writers[1].commit().expect("stored");
    assert_eq!([1, 2, 3].map(events), [19, 20, 19]);

    die(&disk, writers, store);
    let store = open(&disk).expect("nobody has it");
    let events = |number| told(&store.archive().read(&sid(number)).expect("whole")).len();
    assert_eq!([1, 2, 3].map(events), [19, 20, 19]);
}

#[test]
fn when_it_is_full_journals_get_their_pieces_and_it_begins_anew() {
    let disk = MemoryDisk::default();
    let store = open(&disk).expect("a store");
    let mut writers: Vec<Writer> = (1..4).map(|number| begin(&store, number)).collect();
    let before = disk.written().calls;
    for now in 1..1001 {
        for writer in &mut writers {
            publish(writer, now, 1000);
            writer.commit().expect("stored");
        }
    }
    let calls = disk.written().calls - before;
    assert!((3 * 10..3 * 15).contains(&calls), "{calls} for 3 MB");
    // More than it would take goes to the journal itself.
    publish(&mut writers[0], 2000, 100_000);
    writers[0].commit().expect("written");
    assert_eq!(disk.written().calls, before + calls + 2);
    die(&disk, writers, store);
    let store = open(&disk).expect("nobody has it");
    let events = |number| told(&store.archive().read(&sid(number)).expect("whole")).len();
    assert_eq!([1, 2, 3].map(events), [1001, 1000, 1000]);
}

/// Before they were asked, others lost what was theirs: each is told at once, and none is taken for whole.
#[test]
fn journals_that_cannot_take_their_pieces_are_lost_and_the_others_are_not() {
    let disk = MemoryDisk::default();
    let store = open(&disk).expect("a store");
    let mut writers: Vec<Writer> = (1..4).map(|number| begin(&store, number)).collect();
    let path = store.archive().path(&sid(2), Standing::Live);
    for now in 1..100 {
        for writer in &mut writers {
            publish(writer, now, 100);
            writer.commit().expect("stored");
        }
    }
    assert!(!store.take_failed());
    disk.break_file(&path);
    let mut now = 100;
    while !store.take_failed() {
        publish(&mut writers[0], now, 1000);
        writers[0].commit().expect("stored");
        now += 1;
    }
    assert_eq!(
        store.archive().standing(&sid(2)).ok(),
        Some(Standing::Lost),
        "at once: it must not be rebuilt from what it has"
    );
    writers[0].check().expect("its journal is good");
    writers[1].check().expect_err("its journal is lost");
    writers[1].check().expect("it is told once");
    assert!(!writers[1].is_on());
    publish(&mut writers[2], now, 100);
    writers[2].commit().expect("stored");
    die(&disk, writers, store);
    let store = open(&disk).expect("nobody has it");
    let events = |number| told(&store.archive().read(&sid(number)).expect("whole")).len();
    assert_eq!([1, 3].map(events), [now as usize - 1, 100]);
}

#[test]
fn a_session_that_begins_anew_has_nothing_of_the_one_before() {
    let disk = MemoryDisk::default();
    let store = open(&disk).expect("a store");
    let mut writer = begin(&store, 1);
    publish(&mut writer, 5, 10);
    writer.commit().expect("stored");
    drop(writer);
    store.set_aside(&sid(1), Standing::Lost).expect("renamed");
    // The same bytes at the same place, had its pieces not ended.
    let mut writer = begin(&store, 1);
    publish(&mut writer, 7, 10);
    writer.commit().expect("stored");
    let path = store.archive().path(&sid(1), Standing::Live);
    die(&disk, vec![writer], store);
    let store = open(&disk).expect("nobody has it");
    let reader = store.archive().read(&sid(1)).expect("whole");
    let turns: Vec<_> = reader.records().map(|record| record.turn).collect();
    assert_eq!(turns, [turn(7)]);
    assert!(disk.content(&path).is_some());
}

#[test]
fn other_durabilities_and_disks_without_it_find_what_it_holds() {
    for (durability, is_mapped) in [
        (Durability::Power, true),
        (Durability::None, true),
        (Durability::Process, false),
    ] {
        let mut disk = MemoryDisk::default();
        let store = open(&disk).expect("a store");
        let mut writer = begin(&store, 1);
        publish(&mut writer, 5, 10);
        writer.commit().expect("stored");
        die(&disk, vec![writer], store);
        if !is_mapped {
            disk = disk.without_mappings();
        }
        let policy = Policy {
            durability,
            ..Policy::default()
        };
        let rules = Rules {
            policy,
            ..Rules::default()
        };
        for _ in 0..2 {
            let disk = Rc::new(disk.clone());
            let store = Store::open(disk, Path::new(DIR), rules).expect("nobody has it");
            let reader = store.archive().read(&sid(1)).expect("whole");
            assert_eq!(told(&reader).len(), 1);
        }
        let stored = disk.written().stored;
        let store = Store::open(Rc::new(disk.clone()), Path::new(DIR), rules).expect("a store");
        let reader = store.archive().read(&sid(1)).expect("whole");
        let mut writer = store.resume(&sid(1), &reader, |c| c).expect("it goes on");
        publish(&mut writer, 6, 10);
        writer.flush().expect("written");
        // Beginning it anew stores two words.
        let more = disk.written().stored - stored;
        assert_eq!(more, if is_mapped { 16 } else { 0 }, "{durability:?}");
        let reader = store.archive().read(&sid(1)).expect("whole");
        assert_eq!(told(&reader).len(), 2);
    }
}

#[test]
fn what_another_version_left_there_is_not_thrown_away() {
    let disk = MemoryDisk::default();
    let tail = Path::new(DIR).join("tail");
    disk.set_content(&tail, b"lnttail2 and so on".to_vec());
    let error = open(&disk).expect_err("refused").to_string();
    assert!(error.starts_with("state/tail: "), "{error}");
    assert!(error.contains("start the one that wrote it"), "{error}");
    assert!(
        disk.content(&tail)
            .is_some_and(|c| c.starts_with(b"lnttail2"))
    );
}
