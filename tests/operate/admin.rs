//! Health, metrics, and the commands that ask a running server. What they do to a session is in its journal.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use serde_json::Value;

use super::{complaint, counting, lunette, printed};
use crate::access::eventually;
use crate::net::process::{Folder, Server, read_all, site};
use crate::net::websocket::{WATCH_APP, attach, frame, new_session, receive};

/// A server that keeps its sessions, with a page on one of them.
struct Running {
    server: Server,
    session: String,
    page: TcpStream,
    state: PathBuf,
    folder: Folder,
}

impl Running {
    fn new() -> Running {
        let folder = counting("[journal]\nsecret = [\"pin\"]\n");
        let state = folder.0.join("state");
        let server = Server::start(
            &folder.0.join("site"),
            &["--state", state.to_str().expect("UTF-8")],
        );
        let session = new_session(&server);
        let mut page = attach(&server, &session);
        page.write_all(&frame(0x81, WATCH_APP.as_bytes()))
            .expect("sent");
        receive(&mut page);
        let watch =
            r#"[{"type":"create","data":{"id":2,"parentId":1,"properties":{"path":"count"}}}]"#;
        page.write_all(&frame(0x81, watch.as_bytes()))
            .expect("sent");
        receive(&mut page);
        Running {
            server,
            session,
            page,
            state,
            folder,
        }
    }

    /// A command on the session.
    fn run(&self, command: &str, rest: &[&str]) -> std::process::Output {
        let state = self.state.to_string_lossy();
        let mut arguments = vec![command, &self.session, "--state", &state];
        arguments.extend(rest);
        lunette(&arguments)
    }

    /// Neither the page that is there nor one that comes.
    fn no_page_is_told_of_errors(&mut self) {
        printed(&self.run("update", &["count", "43"]));
        let text = |page: &mut TcpStream| String::from_utf8_lossy(&receive(page).1).into_owned();
        let told = text(&mut self.page);
        assert!(told.contains("\"value\":43"), "{told}");
        let mut other = attach(&self.server, &self.session);
        other
            .write_all(&frame(0x81, WATCH_APP.as_bytes()))
            .expect("sent");
        let told = text(&mut other);
        assert!(!told.contains("error"), "{told}");
    }

    /// Stops the server; the session replays.
    fn replays(mut self) -> String {
        drop(self.page);
        self.server.signal("TERM");
        self.server.child.wait().expect("it ends");
        let state = self.state.to_string_lossy().into_owned();
        let replayed = printed(&lunette(&["replay", &self.session, "--state", &state]));
        assert!(replayed.ends_with("all as recorded\n"), "{replayed}");
        printed(&lunette(&["transcript", &self.session, "--state", &state]))
    }
}

#[test]
fn a_session_is_read_written_and_worked_and_replays() {
    let mut it = Running::new();
    assert_eq!(printed(&it.run("get", &["count"])), "0\n");
    assert_eq!(printed(&it.run("get", &["rows.1.name"])), "b\n");
    let whole: Value = serde_json::from_str(&printed(&it.run("get", &["--json"]))).expect("JSON");
    assert_eq!(whole["rows"][0]["name"], "a");
    assert_eq!(whole["pin"], "***", "what is secret stays so");
    assert_eq!(printed(&it.run("get", &["pin"])), "***\n");
    printed(&it.run("update", &["count", "41"]));
    let seen = |page: &mut TcpStream| String::from_utf8_lossy(&receive(page).1).into_owned();
    assert!(seen(&mut it.page).contains("\"value\":41"));
    printed(&it.run("update", &["add()"]));
    assert!(seen(&mut it.page).contains("\"value\":42"));
    printed(&it.run("update", &["rows.0.name", "anna"]));
    let sum = "print('adding'); local n = 0; for i = 1, 4 do n = n + i end; return n, 'x'";
    assert_eq!(printed(&it.run("eval", &[sum])), "adding\n10\tx\n");
    assert_eq!(printed(&it.run("eval", &["1 + 1"])), "2\n");
    let json = printed(&it.run("eval", &["'a\"b\\n'", "--json"]));
    let json: Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json["value"], "a\"b\n");
    assert_eq!(printed(&it.run("get", &["rows.0.name"])), "anna\n");
    for (command, rest, text) in [
        (
            "get",
            &["nothing.here"][..],
            "the app has nothing at nothing.here",
        ),
        ("get", &["add()"], "to get runs no code"),
        ("update", &["none()"], "none"),
        ("eval", &["error('no')"], "no"),
        ("eval", &["= ="], "unexpected symbol"),
        ("eval", &["while true do end"], "gas limit"),
    ] {
        let told = complaint(&it.run(command, rest), 1);
        assert!(told.contains(text), "{command} {rest:?}: {told}");
        assert!(!told.contains("traceback"), "{command} {rest:?}: {told}");
    }
    it.no_page_is_told_of_errors();
    let transcript = it.replays();
    assert!(
        transcript.contains("operator ") && transcript.contains("add()"),
        "{transcript}"
    );
}

#[test]
fn what_the_operator_did_stands_in_a_test_as_remarks() {
    let it = Running::new();
    printed(&it.run("update", &["count", "41"]));
    printed(&it.run("update", &["pin", "'1234'"]));
    printed(&it.run("update", &["add()"]));
    printed(&it.run("eval", &["app.count = 50"]));
    let journal = it.state.join(format!("sessions/{}.lnt", it.session));
    let site = it.folder.0.join("site");
    let (site, journal) = (site.to_string_lossy(), journal.to_string_lossy());
    printed(&lunette(&["test", &site, "seen", "--from", &journal]));
    let text = fs::read_to_string(format!("{site}/tests/seen.lunette")).expect("it was made");
    for line in [
        "# the operator did this here: set count 41; no page did, and a test does what pages do",
        "# the operator did this here: set pin \"***\"; no page did, and a test does what pages do",
        "# the operator did this here: call add(); no page did, and a test does what pages do",
        "# the operator ran code here; no page did, and a test does what pages do",
        "expect count 50",
    ] {
        assert!(text.lines().any(|known| known == line), "{line} in\n{text}");
    }
    let is_deed = |line: &&str| {
        ["set", "call", "attach", "detach"]
            .iter()
            .any(|deed| line.starts_with(deed))
    };
    assert_eq!(text.lines().find(is_deed), None, "{text}");
    // It can be run, and says what is missing where it is missing.
    let run = lunette(&["test", &site]);
    let said = String::from_utf8_lossy(&run.stdout).into_owned();
    assert_eq!(run.status.code(), Some(5), "{said}");
    assert!(said.contains("expect count 41"), "{said}");
}

#[test]
fn to_look_leaves_no_trace() {
    let it = Running::new();
    // What was typed before is in the journal with the next commit, which this waits for.
    printed(&it.run("update", &["count", "1"]));
    let listed = |it: &Running| -> Value {
        let state = it.state.to_string_lossy().into_owned();
        serde_json::from_str(&printed(&lunette(&[
            "sessions", "--json", "--state", &state,
        ])))
        .expect("JSON")
    };
    let before = listed(&it);
    for _ in 0..3 {
        printed(&it.run("get", &[]));
    }
    let after = listed(&it);
    assert_eq!(before[0]["journal"], after[0]["journal"]);
    assert_eq!(after[0]["state"], "attached");
    assert_eq!(after[0]["connections"], 1);
    assert!(
        after[0]["memory"]
            .as_u64()
            .is_some_and(|bytes| bytes > 1_000)
    );
    it.replays();
}

#[test]
fn code_of_pages_stays_forbidden() {
    let mut it = Running::new();
    printed(&it.run("eval", &["1"]));
    let code = r#"[{"type":"update","data":{"varId":1,"properties":{"lua":"x = 1"}}}]"#;
    it.page
        .write_all(&frame(0x81, code.as_bytes()))
        .expect("sent");
    let told = String::from_utf8_lossy(&receive(&mut it.page).1).into_owned();
    assert!(told.contains("unauthorized"), "{told}");
    it.replays();
}

#[test]
fn sessions_are_listed_by_the_server_or_by_their_journals() {
    let mut it = Running::new();
    let state = it.state.to_string_lossy().into_owned();
    let live = printed(&lunette(&["sessions", "--state", &state]));
    assert!(
        live.contains(&it.session) && live.contains("attached"),
        "{live}"
    );
    it.server.signal("TERM");
    drop(it.page);
    it.server.child.wait().expect("it ends");
    assert!(!it.state.join("admin.sock").exists());
    let kept = printed(&lunette(&["sessions", "--state", &state]));
    assert!(
        kept.contains(&it.session) && kept.contains("whole"),
        "{kept}"
    );
    let kept: Value = serde_json::from_str(&printed(&lunette(&[
        "sessions", "--json", "--state", &state,
    ])))
    .expect("JSON");
    assert_eq!(kept[0]["session"], it.session.as_str());
    let told = complaint(&lunette(&["get", &it.session, "--state", &state]), 1);
    assert!(told.contains("no server runs on"), "{told}");
}

#[test]
fn a_session_is_named_by_its_id_its_beginning_or_its_number() {
    let mut it = Running::new();
    let state = it.state.to_string_lossy().into_owned();
    let run = |command: &str, session: &str, rest: &[&str]| {
        lunette(&[&[command, session][..], rest, &["--state", &state]].concat())
    };
    let table = printed(&lunette(&["sessions", "--state", &state]));
    let row: Vec<&str> = table.lines().nth(1).expect("a row").split(' ').collect();
    let row: Vec<&str> = row.into_iter().filter(|cell| !cell.is_empty()).collect();
    assert_eq!(row[1], it.session);
    let number = row[0].to_owned();
    let (beginning, _) = it.session.split_at(31);
    assert_eq!(printed(&run("get", beginning, &["count"])), "0\n");
    printed(&run("update", &number, &["count", "5"]));
    assert_eq!(printed(&run("eval", &number, &["app.count"])), "5\n");
    for nobody in ["4711", "zzzz", "a"] {
        let told = complaint(&run("get", nobody, &[]), 1);
        assert!(told.contains("there is no such session"), "{told}");
    }
    // The log says the same number.
    printed(&run("eval", &number, &["print('here')"]));
    let transcripts = [&number, beginning, &it.session].map(|name| run("transcript", name, &[]));
    let [first, others @ ..] = transcripts.map(|output| printed(&output));
    assert!(first.contains("here"), "{first}");
    others.iter().for_each(|other| assert_eq!(*other, first));
    drop(it.page);
    it.server.signal("TERM");
    it.server.child.wait().expect("it ends");
    // Another one whose id begins alike.
    let other = format!(
        "{beginning}{}",
        if it.session.ends_with('0') { 1 } else { 0 }
    );
    let journal = |sid: &str| it.state.join(format!("sessions/{sid}.lnt"));
    fs::copy(journal(&it.session), journal(&other)).expect("copied");
    for several in [beginning, &number] {
        let told = complaint(&run("replay", several, &[]), 1);
        assert!(told.contains("this may be"), "{told}");
        for sid in [&it.session, &other] {
            assert!(told.contains(sid), "{told}");
        }
    }
    printed(&lunette(&["sessions", "drop", &other, "--state", &state]));
    assert!(journal(&it.session).exists());
    printed(&lunette(&[
        "sessions", "drop", beginning, "--state", &state,
    ]));
    assert!(!journal(&it.session).exists());
}

/// What a request by the socket is answered.
pub(super) fn by_socket(state: &std::path::Path, path: &str) -> String {
    let mut stream = UnixStream::connect(state.join("admin.sock")).expect("the socket");
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}

/// The number of a metric.
fn metric(text: &str, name: &str) -> f64 {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.and_then(|n| n.parse().ok())
        .unwrap_or_else(|| panic!("{name}\n{text}"))
}

#[test]
fn health_and_metrics_are_told_and_count() {
    let it = Running::new();
    let mode = fs::metadata(it.state.join("admin.sock"))
        .expect("the socket")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(by_socket(&it.state, "/healthz").starts_with("HTTP/1.1 200"));
    let text = by_socket(&it.state, "/metrics");
    assert_eq!(
        metric(&text, "lunette_sessions{state=\"attached\"}"),
        1.0,
        "{text}"
    );
    for name in [
        "lua_bytes",
        "journal_bytes",
        "bytes_in_total",
        "bytes_out_total",
        "events_total",
    ] {
        assert!(
            metric(&text, &format!("lunette_{name}")) > 0.0,
            "{name}\n{text}"
        );
    }
    let turns = metric(&text, "lunette_turn_seconds_count");
    assert_eq!(
        metric(&text, "lunette_turn_seconds_bucket{le=\"+Inf\"}"),
        turns
    );
    complaint(&it.run("eval", &["while true do end"]), 1);
    let text = by_socket(&it.state, "/metrics");
    assert_eq!(metric(&text, "lunette_quota_kills_total"), 1.0, "{text}");
    assert!(metric(&text, "lunette_turn_seconds_count") > turns);
    it.replays();
}

/// Whoever is on this machine may hold connections to the address; the owner is answered all the same.
#[test]
fn connections_to_the_address_keep_nobody_from_the_socket() {
    let folder = Folder::new();
    let state = folder.0.join("state");
    let flags = [
        "--state",
        &state.display().to_string(),
        "--admin-listen",
        "127.0.0.1:0",
    ]
    .map(str::to_owned);
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let mut server = Server::start(&site("counter"), &flags);
    let line = server.next_line();
    let address = line.trim().rsplit_once("http://").expect("an address").1;
    let idle: Vec<TcpStream> = (0..40)
        .map(|_| TcpStream::connect(address).expect("a connection"))
        .collect();
    assert!(by_socket(&state, "/healthz").contains("ok"));
    drop(idle);
}

#[test]
fn an_address_tells_how_the_server_is_and_nothing_else() {
    let mut server = Server::start(&site("counter"), &["--admin-listen", "127.0.0.1:0"]);
    let line = server.next_line();
    let address = line
        .trim()
        .strip_prefix("health and metrics on http://")
        .unwrap_or_else(|| panic!("{line}"));
    let ask = |request: &str| {
        let mut stream = TcpStream::connect(address).expect("a connection");
        stream.write_all(request.as_bytes()).expect("sent");
        read_all(&mut stream)
    };
    let answer = ask("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.ends_with("ok\n"),
        "{answer}"
    );
    assert!(ask("GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").contains("lunette_sessions{"));
    assert!(ask("GET /metrics HTTP/1.1\r\nHost: evil.example\r\n\r\n").starts_with("HTTP/1.1 421"));
    assert!(ask("GET /sessions HTTP/1.1\r\nHost: localhost\r\n\r\n").starts_with("HTTP/1.1 404"));
    let put = "PUT /eval HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}";
    assert!(ask(put).starts_with("HTTP/1.1 404"));
    let mut refused = Server::start(
        &site("counter"),
        &["--connections", "1", "--admin-listen", "127.0.0.1:0"],
    );
    let line = refused.next_line();
    let address = line
        .trim()
        .strip_prefix("health and metrics on http://")
        .expect("an address")
        .to_owned();
    let _first = refused.connect();
    let _second = refused.connect();
    eventually("a refused connection is counted", || {
        let mut stream = TcpStream::connect(&address).expect("a connection");
        stream
            .write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
            .expect("sent");
        metric(&read_all(&mut stream), "lunette_connections_refused_total") >= 1.0
    });
}
