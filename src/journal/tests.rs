//! Recordings written and read back, whole and damaged.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use super::*;
use crate::core::event::{Opening, Turn};
use crate::core::id::SessionId;
use crate::core::limits::SessionLimits;
use crate::core::outside::{Grants, Stream};
use crate::core::site::Edits;
use crate::core::site::Site;

const OPENING: Opening<&str> = Opening {
    seed: u64::MAX - 1,
    url: "/a?b=c",
    address: "/0123",
    locale: "de-CH",
    timezone: "Europe/Zurich",
    saved: "",
    notice: "",
    user: "",
};
const A: ConnectionId = ConnectionId(701);
const B: ConnectionId = ConnectionId(33);

const EXIT: RawExit<'static> = RawExit {
    code: Some(-1),
    signal: Some(9),
    timeout: true,
    interrupted: true,
    error: Some("why"),
};
const ANSWERS: [(&str, RawAnswer<'static>); 6] = [
    ("a", RawAnswer::Done),
    ("b", RawAnswer::Nothing),
    ("c", RawAnswer::Bytes(b"\0\xff")),
    (
        "d",
        RawAnswer::Failed {
            code: -2,
            text: "no",
        },
    ),
    (
        "e",
        RawAnswer::Ran {
            output: b"out",
            exit: EXIT,
        },
    ),
    ("f", RawAnswer::Bytes(b"")),
];
const NEWS: [RawNews<'static>; 4] = [
    RawNews::Lines {
        stream: Stream::Out,
        text: b"a\n\xff\n",
    },
    RawNews::Lines {
        stream: Stream::Err,
        text: b"no line feed",
    },
    RawNews::Exited(EXIT),
    RawNews::Exited(RawExit {
        code: Some(0),
        signal: None,
        timeout: false,
        interrupted: false,
        error: None,
    }),
];

fn temp_path() -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let n = COUNT.fetch_add(1, Ordering::Relaxed);
    std::env::temp_dir().join(format!("lunette-journal-{}-{n}.lnt", std::process::id()))
}

fn header() -> Header {
    let files = [("lua/main.lua", "x = 1"), ("viewdefs/A.B.html", "\u{e9}\0")];
    let files = files.map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec()));
    let limits = SessionLimits {
        gas: 77,
        dev: true,
        grants: Grants {
            os: true,
            blocking: true,
            commands: vec!["df".into(), "/bin/x".into()],
            ..Grants::default()
        },
        ..SessionLimits::default()
    };
    let site = Site::new(files.into_iter().collect());
    Header::here(SessionId(9), site, limits, 24, "lua54")
}

fn turn(now: u64) -> Turn {
    Turn {
        now,
        wall: 1_700_000_000_000 - now as i64,
    }
}

/// Three turns: the second with two events.
fn recording() -> Vec<u8> {
    recording_of(Detail::Full)
}

fn recording_of(detail: Detail) -> Vec<u8> {
    let path = temp_path();
    let header = Header { detail, ..header() };
    let mut writer = Writer::create(&path, &header).unwrap();
    writer.event(turn(5), &RawEvent::SessionOpened(OPENING));
    writer.event(turn(5), &RawEvent::FrontendJoined { connection: A });
    writer.commit().unwrap();
    writer.event(turn(30), &RawEvent::FrontendJoined { connection: B });
    writer.event(
        turn(30),
        &RawEvent::Frame {
            connection: B,
            text: "[1,\n2]",
        },
    );
    writer.output(&Output::Frame {
        connection: B,
        text: b"[{\"a\":1},{}]",
    });
    writer.output(&Output::Frame {
        connection: A,
        text: b"{}",
    });
    writer.commit().unwrap();
    writer.commit().unwrap();
    writer.event(turn(30), &RawEvent::FrontendLeft { connection: A });
    writer.output(&Output::Close {
        connection: B,
        code: 1011,
        reason: "why",
    });
    writer.output(&Output::SessionFailed { description: "x" });
    writer.commit().unwrap();
    writer.event(turn(20), &RawEvent::TimersDue);
    for (call, answer) in ANSWERS {
        writer.output(&Output::HostCalled { call, answer });
    }
    writer.output(&Output::Process {
        process: 300,
        action: "spawn \"df\"",
    });
    writer.commit().unwrap();
    for news in NEWS {
        writer.event(turn(20), &RawEvent::Process { process: 300, news });
    }
    writer.output(&Output::SessionEnded);
    writer.commit().unwrap();
    let bytes = std::fs::read(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    bytes
}

#[test]
fn what_was_written_is_read_with_connections_renumbered() {
    let reader = Reader::new(recording()).unwrap();
    assert_eq!(*reader.header(), header());
    assert_eq!(reader.torn_bytes(), 0);
    let records: Vec<Record> = reader.records().collect();
    let turns: Vec<_> = records.iter().map(|r| (r.turn_number, r.turn)).collect();
    let expected = [(1, 5), (1, 5), (2, 30), (2, 30), (3, 30), (4, 20)];
    let last = [(5, 20); NEWS.len()];
    let expected: Vec<_> = expected.into_iter().chain(last).collect();
    let expected = expected.into_iter().map(|(n, now)| (n, turn(now)));
    assert_eq!(turns, expected.collect::<Vec<_>>());
    assert_eq!(records[0].event, RawEvent::SessionOpened(OPENING));
    assert_eq!(
        records[3].event,
        RawEvent::Frame {
            connection: ConnectionId(2),
            text: "[1,\n2]"
        }
    );
    assert_eq!(
        records[3].outputs[1],
        Output::Frame {
            connection: ConnectionId(1),
            text: b"{}"
        }
    );
    assert_eq!(records[4].outputs.len(), 2);
    let called = ANSWERS.map(|(call, answer)| Output::HostCalled { call, answer });
    assert_eq!(records[5].outputs[..called.len()], called);
    let action = "spawn \"df\"";
    let process = 300;
    assert_eq!(
        records[5].outputs[called.len()..],
        [Output::Process { process, action }]
    );
    let heard: Vec<RawEvent> = records[6..].iter().map(|record| record.event).collect();
    assert_eq!(heard, NEWS.map(|news| RawEvent::Process { process, news }));
    assert_eq!(records[9].outputs, [Output::SessionEnded]);
    assert_eq!(records[9].sequence, 10);
}

#[test]
fn of_uploads_there_is_all_but_the_content() {
    let progress = [
        RawProgress::Ready,
        RawProgress::Finished { sha256: [0xab; 32] },
        RawProgress::Failed("no\nroom"),
    ];
    let output = Output::Upload {
        upload: 300,
        action: "take in 5 bytes",
    };
    let path = temp_path();
    let mut writer = Writer::create(&path, &header()).unwrap();
    for news in progress {
        writer.event(turn(5), &RawEvent::Upload { upload: 300, news });
        writer.output(&output);
    }
    writer.commit().unwrap();
    let reader = Reader::open(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    let records: Vec<Record> = reader.records().collect();
    for (record, news) in records.iter().zip(progress) {
        assert_eq!(record.event, RawEvent::Upload { upload: 300, news });
        assert_eq!(record.outputs, [output]);
    }
    let text = transcript(&reader);
    assert!(
        text.contains(&format!("upload 300 is whole: {}\n", "ab".repeat(32))),
        "{text}"
    );
    assert!(text.contains("upload 300 failed: no\\nroom\n"), "{text}");
    assert!(text.contains("upload 300: take in 5 bytes\n"), "{text}");
}

#[test]
fn the_transcript_shows_every_byte_of_a_frame() {
    let text = transcript(&Reader::new(recording()).unwrap());
    assert!(
        text.contains("opened seed fffffffffffffffe at /a?b=c\n"),
        "{text}"
    );
    assert!(
        text.contains("2 > [1,\\n2]\n  2 < [{\"a\":1},\n       {}]\n  1 < {}\n"),
        "{text}"
    );
    assert!(text.contains("turn 3 now 30 wall 1699999999970\n1 left\n  2 closed 1011 why\n"));
    assert!(
        text.ends_with(
            "turn 4 now 20 wall 1699999999980\ntimers due\n  host: a -> done\n  host: b -> nothing\n  \
             host: c -> 2 bytes: \\u{0}\u{fffd}\n  host: d -> error -2: no\n  \
             host: e -> code -1, signal 9, timeout, interrupted, \"why\", 3 bytes: out\n  \
             host: f -> 0 bytes: \n  process 300: spawn \"df\"\n\n\
             turn 5 now 20 wall 1699999999980\nprocess 300 stdout: a\\n\u{fffd}\\n\n\
             process 300 stderr: no line feed\n\
             process 300 exited: code -1, signal 9, timeout, interrupted, \"why\"\n\
             process 300 exited: code 0\n  session ended\n"
        ),
        "{text}"
    );
}

#[test]
fn a_file_cut_anywhere_is_read_up_to_its_last_whole_record() {
    let whole = recording();
    let first = Reader::new(whole.clone()).unwrap().header_bytes();
    let mut seen = 0;
    for end in 0..whole.len() {
        let cut = Reader::new(whole[..end].to_vec());
        if end < first {
            assert!(cut.is_err(), "cut at {end} in the header");
            continue;
        }
        let cut = cut.unwrap_or_else(|e| panic!("cut at {end}: {e}"));
        let count = cut.records().count();
        assert!(
            count >= seen && count < 10,
            "cut at {end}: {count} after {seen}"
        );
        seen = count;
    }
    let mut zeros = whole.clone();
    zeros.extend([0; 40]);
    let reader = Reader::new(zeros).unwrap();
    assert_eq!((reader.records().count(), reader.torn_bytes()), (10, 40));
    assert_eq!(reader.whole_bytes(), whole.len());
}

#[test]
fn a_flipped_bit_anywhere_is_refused_with_its_place() {
    for detail in [Detail::Full, Detail::Digest] {
        flip_all_of(&recording_of(detail));
    }
}

fn flip_all_of(whole: &[u8]) {
    let first = Reader::new(whole.to_vec()).unwrap().header_bytes();
    for at in 0..whole.len() {
        for bit in 0..8 {
            let mut bad = whole.to_vec();
            bad[at] ^= 1 << bit;
            match Reader::new(bad) {
                Ok(_) => panic!("bit {bit} of byte {at} flipped and not noticed"),
                Err(JournalError::Corrupt { offset, .. }) => {
                    assert!(offset <= at as u64 || at < first, "{offset} for {at}");
                }
                Err(JournalError::NotAJournal) => assert!(at < 8),
                Err(JournalError::Version { .. }) => assert!((8..10).contains(&at)),
                Err(JournalError::NoHeader) => assert!((10..14).contains(&at)),
                Err(error @ (JournalError::Io { .. } | JournalError::SiteFile { .. })) => {
                    panic!("{error}")
                }
            }
        }
    }
}

#[test]
fn a_record_taken_out_is_missed() {
    let whole = recording();
    let reader = Reader::new(whole.clone()).unwrap();
    let (first, length) = (
        reader.header_bytes(),
        whole[reader.header_bytes()] as usize + 7,
    );
    let mut bad = whole;
    bad.drain(first..first + length);
    let error = Reader::new(bad).unwrap_err().to_string();
    assert!(error.contains("missing"), "{error}");
}

#[test]
fn other_files_and_other_versions_are_refused_clearly() {
    let error = |bytes: &[u8]| Reader::new(bytes.to_vec()).unwrap_err().to_string();
    assert!(error(b"").contains("nothing was recorded"));
    assert!(error(b"print('hello, I am no recording')").contains("not a recording"));
    let mut newer = recording();
    newer[8] = FORMAT_VERSION as u8 + 1;
    let said = format!("format {}", FORMAT_VERSION + 1);
    assert!(error(&newer).contains(&said), "{}", error(&newer));
}

#[cfg(unix)]
#[test]
fn recordings_are_for_their_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let dir = temp_path().with_extension("dir");
    let recorder = Recorder::new(&dir).unwrap();
    let sid = "0123456789abcdef0123456789abcdef".to_owned();
    let path = recorder.path(&sid);
    let header = Header { sid, ..header() };
    recorder.begin(&header).unwrap();
    assert!(recorder.begin(&header).is_err(), "never overwrites");
    let mode =
        |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&dir), mode(&path)), (0o700, 0o600));
    std::fs::remove_dir_all(&dir).unwrap();
}

#[test]
fn messages_and_downloads_survive() {
    let path = temp_path();
    let mut writer = Writer::create(&path, &header()).unwrap();
    let events = [
        RawEvent::MessagePublished {
            topic: "t",
            value: "[1]",
            only: Some(7),
        },
        RawEvent::MessagePublished {
            topic: "t",
            value: "null",
            only: None,
        },
        RawEvent::Download {
            token: u128::MAX - 1,
            demand: Demand::Next,
        },
        RawEvent::Download {
            token: 5,
            demand: Demand::Dropped,
        },
    ];
    let pieces = [
        RawPiece::Begin {
            name: "a b",
            mime: "text/csv",
        },
        RawPiece::Data(&[0, 255]),
        RawPiece::End,
        RawPiece::Failed("why"),
    ];
    let mut outputs: Vec<Output<'_>> = pieces
        .map(|piece| Output::Download { token: 3, piece })
        .into();
    outputs.push(Output::Published {
        topic: "t",
        value: "{}",
        retain: true,
    });
    for event in &events {
        writer.event(turn(5), event);
        outputs.iter().for_each(|output| writer.output(output));
    }
    writer.commit().unwrap();
    let reader = Reader::new(std::fs::read(&path).unwrap()).unwrap();
    std::fs::remove_file(&path).unwrap();
    let records: Vec<Record<'_>> = reader.records().collect();
    assert_eq!(records.len(), events.len());
    for (record, event) in records.iter().zip(events) {
        assert_eq!(record.event, event);
        assert_eq!(record.outputs, outputs);
    }
}

#[test]
fn edits_of_the_site_survive() {
    let edits = Edits::from([
        ("lua/a.lua".to_owned(), Some(b"x = 1\0".to_vec())),
        ("lua/b.lua".to_owned(), None),
        ("viewdefs/A.B.html".to_owned(), Some(Vec::new())),
    ]);
    let bytes = encode_edits(&edits);
    assert_eq!(decode_edits(&bytes), Some(edits));
    for cut in 0..bytes.len() {
        assert_eq!(decode_edits(&bytes[..cut]), None, "{cut}");
    }
    let path = temp_path();
    let mut writer = Writer::create(&path, &header()).unwrap();
    writer.event(turn(1), &RawEvent::SiteChanged { edits: &bytes });
    writer.event(turn(2), &RawEvent::SiteChanged { edits: b"\xff" });
    writer.commit().unwrap();
    let file = std::fs::read(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    let error = Reader::new(file).unwrap_err().to_string();
    assert!(error.contains("checks but cannot be read"), "{error}");
}

#[test]
fn whose_a_session_is_survives_and_others_have_it_no_longer() {
    let user = r#"{"groups":[],"name":"ann"}"#;
    for (secret, owner, viewdef_paths, gc_pause) in [
        (vec![], "", true, 200),
        (vec![], "ann", false, 130),
        (vec!["a.b".to_owned()], "ann", true, 1000),
    ] {
        let path = temp_path();
        let limits = SessionLimits {
            viewdef_paths,
            gc_pause,
            ..header().limits
        };
        let header = Header {
            secret,
            owner: owner.to_owned(),
            limits,
            ..header()
        };
        let opening = Opening { user, ..OPENING };
        let mut writer = Writer::create(&path, &header).unwrap();
        writer.event(turn(5), &RawEvent::SessionOpened(opening));
        writer.commit().unwrap();
        let file = std::fs::read(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let reader = Reader::new(file).unwrap();
        assert_eq!(*reader.header(), header);
        let first = reader.records().next().unwrap();
        assert_eq!(first.event, RawEvent::SessionOpened(opening));
    }
    // Without any of it, the bytes are as they always were.
    let mut plain = header();
    plain.limits.rules = 0;
    let named = Header {
        owner: "ann".into(),
        ..plain.clone()
    };
    let plain = plain.encode().0;
    assert_eq!(named.encode().0.len(), plain.len() + 1 + 4 + 1);
}
