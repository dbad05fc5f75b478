//! What goes first when a state directory is full, and who has a hand in it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use lunette::core::id::SessionId;
use lunette::journal::{Detail, Header, RawEvent, RealDisk, Rules, Standing, Store, Writer};

use super::Scratch;
use super::faults::header;
use super::store::{mode, turn};
use crate::memory_disk::MemoryDisk;

const MOST: u64 = 64 << 10;

fn open(disk: &MemoryDisk) -> Store {
    let rules = Rules {
        keep_ms: 1_000,
        max_total: MOST,
        ..Rules::default()
    };
    Store::open(Rc::new(disk.clone()), Path::new("state"), rules).expect("a store")
}

fn sid(number: u64) -> String {
    format!("{number:032x}")
}

/// A journal of about so many kilobytes.
fn begin(store: &Store, number: u64, owner: &str, kilobytes: usize) -> Writer {
    let header = Header {
        sid: sid(number),
        session: SessionId(number),
        owner: owner.into(),
        ..header(Detail::Digest)
    };
    let mut writer = store.create(&header).expect("a journal");
    let event = RawEvent::MessagePublished {
        topic: "t",
        value: &"x".repeat(kilobytes << 10),
        only: None,
    };
    writer.event(turn(number), &event);
    writer.commit().expect("written");
    writer
}

fn there(store: &Store) -> Vec<(String, Standing)> {
    let listed = store.archive().sessions().expect("listed");
    listed.into_iter().map(|l| (l.sid, l.standing)).collect()
}

#[test]
fn what_is_over_goes_before_what_lives_and_ended_before_lost() {
    let disk = MemoryDisk::default();
    let store = open(&disk);
    let live = begin(&store, 1, "", 20);
    drop(begin(&store, 2, "", 20));
    store.set_aside(&sid(2), Standing::Lost).expect("lost");
    drop(begin(&store, 3, "", 20));
    store.end(&sid(3)).expect("ended");
    assert!(!store.is_full());
    drop(begin(&store, 4, "", 10));
    assert!(store.is_full());
    assert!(store.make_room().expect("made").is_empty());
    let left = [
        (sid(1), Standing::Live),
        (sid(2), Standing::Lost),
        (sid(4), Standing::Live),
    ];
    assert_eq!(there(&store), left);
    drop(begin(&store, 5, "", 20));
    assert!(store.make_room().expect("made").is_empty());
    assert!(store.total() < MOST && !store.is_full());
    assert_eq!(there(&store).len(), 3, "the lost one is gone");
    assert!(live.is_on());
}

/// Somebody with many small sessions is no better off than with a large one.
#[test]
fn of_those_that_live_the_largest_of_who_has_most_goes() {
    let disk = MemoryDisk::default();
    let store = open(&disk);
    let _ann = begin(&store, 1, "ann", 15);
    let _nobody = begin(&store, 2, "", 16);
    let _many: Vec<Writer> = (3..10)
        .map(|number| begin(&store, number, "mallory", 5 + usize::from(number == 5)))
        .collect();
    assert!(store.is_full());
    assert_eq!(store.make_room().expect("made"), [sid(5), sid(3)]);
    assert!(store.total() <= MOST - MOST / 16);
}

#[test]
fn checkpoints_count_and_go_with_their_journals() {
    let disk = MemoryDisk::default();
    let store = open(&disk);
    let large = begin(&store, 1, "", 20);
    let _small = begin(&store, 2, "", 20);
    let before = store.total();
    store.put_checkpoint(&sid(1), &[1; 9_000]).expect("put");
    store.put_checkpoint(&sid(1), &[1; 10_000]).expect("put");
    assert_eq!(store.total(), before + 10_000);
    let refused = store.put_checkpoint(&sid(2), &[1; 20_000]);
    let told = refused.expect_err("no room").to_string();
    assert!(told.contains("max_total"), "{told}");
    let _more = begin(&store, 3, "", 20);
    assert_eq!(store.make_room().expect("made"), [sid(1)]);
    store.drop_checkpoint(&sid(1)).expect("dropped");
    assert_eq!(store.total(), before, "the third is as large as the first");
    drop(large);
    // Of one whose journal is gone nothing stays beyond the next start.
    store.put_checkpoint(&sid(1), &[1; 10]).expect("put");
    drop((store, _small, _more));
    let total = open(&disk).total();
    assert_eq!(total, before);
    let path = PathBuf::from("state/values").join(format!("{}.checkpoint", sid(1)));
    assert!(disk.content(&path).is_none());
}

#[test]
fn lost_journals_stay_for_a_week_and_no_longer() {
    let disk = MemoryDisk::default();
    let store = open(&disk);
    drop(begin(&store, 1, "", 1));
    store.set_aside(&sid(1), Standing::Lost).expect("lost");
    let written = store.archive().sessions().expect("listed")[0].modified;
    let week = 7 * 86_400_000;
    assert_eq!(store.expire(written + week - 1).expect("nothing yet"), 0);
    assert_eq!(store.expire(written + week).expect("one"), 1);
    assert!(there(&store).is_empty());
}

/// A directory that others made, or may write to.
#[test]
fn nobody_else_has_a_hand_in_it() {
    let real = |dir: &Path| Store::open(Rc::new(RealDisk), dir, Rules::default());
    let scratch = Scratch::new();
    let dir = scratch.path("state");
    fs::create_dir_all(dir.join("values")).expect("made");
    for at in [dir.clone(), dir.join("values")] {
        fs::set_permissions(&at, fs::Permissions::from_mode(0o777)).expect("for everybody");
    }
    drop(real(&dir).expect("a store"));
    assert_eq!((mode(&dir), mode(&dir.join("values"))), (0o700, 0o700));
    let planted = dir.join("values/login-key");
    fs::write(&planted, [7; 32]).expect("written");
    // Only the superuser can give a file away.
    if std::os::unix::fs::chown(&planted, Some(65534), None).is_ok() {
        let told = real(&dir).expect_err("it is another user's").to_string();
        assert!(told.contains("belongs to another user"), "{told}");
    }
}
