//! Recordings of those who want them never to end: whoever runs one knows before, and has a way out.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use lunette::core::event::{Opening, Turn};
use lunette::core::limits::SessionLimits;
use lunette::core::site::Site;
use lunette::journal::{Detail, Header, RawEvent, Writer};
use lunette::lua::DIALECT;

use super::Scratch;
use super::faults::header;
use crate::access::eventually;
use crate::net::process::{read_answer, status};
use crate::net::websocket::{WATCH_APP, frame, handshake};

/// A recording of a session whose code never ends, and may go on for this much gas.
fn endless(path: &Path, gas: u64) {
    let files = [("lua/main.lua", "while true do end")];
    let files = files.map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec()));
    let header = Header {
        site: Site::new(files.into_iter().collect()),
        dialect: DIALECT.into(),
        limits: SessionLimits {
            gas,
            ..SessionLimits::default()
        },
        ..header(Detail::Full)
    };
    let mut writer = Writer::create(path, &header).expect("written");
    let opened = RawEvent::SessionOpened(Opening {
        url: "/",
        ..Opening::default()
    });
    let turn = Turn { now: 1, wall: 1 };
    writer.event(turn, &opened);
    writer.commit().expect("written");
}

/// Like a command in a terminal: what runs in the background of a shell has Ctrl-C ignored, and so have its children.
fn start(arguments: &[&str]) -> Child {
    Command::new("env")
        .arg("--default-signal=INT")
        .arg(env!("CARGO_BIN_EXE_lunette"))
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts")
}

fn first_line(from: impl std::io::Read) -> String {
    let mut line = String::new();
    BufReader::new(from).read_line(&mut line).expect("a line");
    line
}

fn interrupt(child: &Child) {
    let pid = child.id().to_string();
    let sent = Command::new("kill").args(["-INT", &pid]).status();
    assert!(sent.is_ok_and(|sent| sent.success()));
}

#[test]
fn a_recording_that_never_ends_is_told_before_and_can_be_left() {
    let scratch = Scratch::new();
    let file = scratch.path("endless.lnt");
    let name = file.to_str().expect("UTF-8");
    endless(&file, 1 << 62);
    let mut replay = start(&["replay", name]);
    let note = first_line(replay.stderr.take().expect("it is piped"));
    assert!(
        note.contains("4611686018427387904 gas") && note.contains("--gas N"),
        "{note}"
    );
    interrupt(&replay);
    let ended = replay.wait().expect("it ends");
    assert_eq!(ended.signal(), Some(2), "{ended}");
    // A page that runs it keeps its server busy, which ends all the same.
    let mut inspect = start(&["inspect", name]);
    let note = first_line(inspect.stderr.take().expect("it is piped"));
    assert!(note.contains("twice for inspect"), "{note}");
    let url = first_line(inspect.stdout.take().expect("it is piped"));
    let address = url.trim().rsplit('/').next().expect("an address");
    let mut page = TcpStream::connect(address).expect("a connection");
    let ask = "GET / HTTP/1.1\r\nHost: localhost\r\nAccept: text/html\r\nConnection: close\r\n\r\n";
    page.write_all(ask.as_bytes()).expect("sent");
    let answer = read_answer(&mut page);
    let session = &answer.split("Location: /").nth(1).expect("a session")[..32];
    let mut page = TcpStream::connect(address).expect("a connection");
    let ask = handshake(session, "localhost", "");
    page.write_all(ask.as_bytes()).expect("sent");
    assert_eq!(status(&read_answer(&mut page)), "101");
    page.write_all(&frame(0x81, WATCH_APP.as_bytes()))
        .expect("sent");
    // Two that come at once may be one.
    let mut ended = None;
    eventually("it ends", || {
        interrupt(&inspect);
        ended = inspect.try_wait().expect("it is ours");
        ended.is_some()
    });
    let ended = ended.expect("it has ended");
    assert!(matches!(ended.code(), Some(0 | 130)), "{ended}");
}

#[test]
fn gas_of_a_replay_can_be_bounded() {
    let scratch = Scratch::new();
    let file = scratch.path("endless.lnt");
    let name = file.to_str().expect("UTF-8");
    endless(&file, 1 << 62);
    let ended = start(&["replay", name, "--gas", "1000000"])
        .wait_with_output()
        .expect("it ends");
    let told = String::from_utf8_lossy(&ended.stdout);
    // A session that cannot start tells nobody, now as then.
    assert_eq!(ended.status.code(), Some(0), "{told}");
    let bound = "note: an event may use 1000000 gas, by --gas, and could use 4611686018427387904";
    assert!(told.contains(bound), "{told}");
    assert!(ended.stderr.is_empty(), "nothing takes long then");
    // Of one that ends by itself nothing is said, and more gas changes nothing.
    let file = scratch.path("usual.lnt");
    let name = file.to_str().expect("UTF-8");
    endless(&file, SessionLimits::default().gas);
    let run = |flags: &[&str]| {
        let arguments = [&["replay", name], flags].concat();
        start(&arguments).wait_with_output().expect("it ends")
    };
    let (plain, bounded) = (run(&[]), run(&["--gas", "99000000"]));
    assert_eq!(plain.status.code(), Some(0));
    assert_eq!(plain.stdout, bounded.stdout);
    assert!(plain.stderr.is_empty() && bounded.stderr.is_empty());
}
