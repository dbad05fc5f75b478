//! Uploads over real sockets: whole ones, ones that are cut off, and everything that is refused.

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::process::{Folder, Server, read_all, read_answer, status};
use crate::bench_client::{Http, Response, Socket, new_session};

const MAIN: &str = "
local app = { calls = 0, last = '', got = '' }
function app:receive(file)
  self.calls = self.calls + 1
  self.last = table.concat({ file.name, file.size, file.type, file.sha256 }, ' ')
  self.got = file:read(2, 3)
end
function app:keep(file)
  self:receive(file)
  self.got = tostring(file:moveTo('data/kept')) .. ' ' .. tostring(select(2, file:moveTo('data/again')))
end
function app:outside(file)
  local moved, why = file:moveTo('../stolen')
  self.got = tostring(moved) .. ' ' .. why
end
function app:refuse(file) return nil, 'no ' .. file.name .. ' here' end
session:createAppVariable(app)
";
const CONFIG: &str = "[upload]\ndir = \"incoming\"\nmax_bytes = \"32M\"\n";
const CALLS: i64 = 2;
const LAST: i64 = 3;
const GOT: i64 = 4;

struct Site {
    folder: Folder,
    server: Server,
}

impl Site {
    fn start(config: &str) -> Site {
        let folder = Folder::new();
        folder.write("site/lua/main.lua", MAIN);
        folder.write("site/lunette.toml", config);
        let recordings = folder.0.join("recordings");
        let flags = ["--record", recordings.to_str().expect("a path of ours")];
        let server = Server::start(&folder.0.join("site"), &flags);
        Site { folder, server }
    }

    fn address(&self) -> SocketAddr {
        self.server.address
    }

    /// The files that the server has taken in and not given away.
    fn incoming(&self) -> Vec<PathBuf> {
        let places = entries(&self.folder.0.join("site/incoming"));
        places.iter().flat_map(|place| entries(place)).collect()
    }
}

fn entries(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

/// A page with one upload after the other.
struct Page {
    socket: Socket,
    session: String,
    last: i64,
    values: Vec<(i64, Value)>,
    address: String,
    error: String,
}

impl Page {
    fn open(site: &Site) -> Page {
        let session = new_session(site.address()).expect("a session");
        Page::attach(site, session)
    }

    fn attach(site: &Site, session: String) -> Page {
        let socket = Socket::attach(site.address(), &session).expect("the socket opens");
        let mut page = Page {
            socket,
            session,
            last: 10,
            values: Vec::new(),
            address: String::new(),
            error: String::new(),
        };
        let create = |id: i64, path: &str| {
            json!({"type": "create", "data": {"id": id, "parentId": 1,
                "properties": {"path": path, "access": "r"}}})
        };
        let open = json!([
            {"type": "watch", "data": {"varId": 1}},
            create(CALLS, "calls"),
            create(LAST, "last"),
            create(GOT, "got"),
        ]);
        page.socket.send(&open.to_string()).expect("sent");
        page
    }

    /// Announces a file and returns its variable.
    fn announce(&mut self, method: &str, size: usize, more: &Value) -> i64 {
        self.last += 1;
        self.address.clear();
        self.error.clear();
        let mut properties = json!({"path": method, "access": "action", "upload": size.to_string(),
            "uploadName": "a b.bin", "uploadType": "text/x"});
        for (name, value) in more.as_object().into_iter().flatten() {
            properties[name] = value.clone();
        }
        let create = json!({"type": "create",
            "data": {"id": self.last, "parentId": 1, "properties": properties}});
        let frame = json!({"userEvent": true, "messages": [create]});
        self.socket.send(&frame.to_string()).expect("sent");
        self.last
    }

    /// The same, and where the content goes.
    fn upload(&mut self, method: &str, size: usize) -> String {
        self.announce(method, size, &json!({}));
        self.wait_for(|page| page.address.contains("/upload/"));
        let token = self.address.rsplit('/').next().expect("a token");
        assert_eq!(self.address, format!("/{}/upload/{token}", self.session));
        self.address.clone()
    }

    fn wait_for(&mut self, holds: impl Fn(&Page) -> bool) {
        while !holds(self) {
            let text = self.socket.receive().expect("a frame comes").to_owned();
            let frame: Value = serde_json::from_str(&text).expect("it is JSON");
            let messages = match frame {
                Value::Array(messages) => messages,
                one => vec![one],
            };
            for message in messages {
                self.hear(&message);
            }
        }
    }

    fn hear(&mut self, message: &Value) {
        let data = &message["data"];
        let id = data["varId"].as_i64().unwrap_or(0);
        if message["type"] == "error" {
            self.error = data["description"].as_str().unwrap_or_default().into();
        }
        if let Some(value) = data.get("value") {
            self.values.push((id, value.clone()));
        }
        if id == self.last
            && let Some(address) = data["properties"]["uploadAt"].as_str()
        {
            self.address = address.into();
        }
    }

    fn value(&self, id: i64) -> Value {
        let mut of = self.values.iter().rev().filter(|(at, _)| *at == id);
        of.next().map_or(Value::Null, |(_, value)| value.clone())
    }

    fn wait_until_done(&mut self) {
        self.wait_for(|page| page.address == "done");
    }
}

fn put(path: &str, length: usize, more: &str) -> String {
    format!("PUT {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n{more}\r\n")
}

fn send(stream: &mut TcpStream, head: &str, body: &[u8]) {
    stream.write_all(head.as_bytes()).expect("sent");
    stream.write_all(body).expect("sent");
}

fn ask(site: &Site, path: &str) -> Response {
    let mut http = Http::connect(site.address()).expect("a connection");
    http.request("HEAD", path, "").expect("an answer")
}

fn offset(site: &Site, path: &str) -> usize {
    let answer = ask(site, path);
    let offset = answer.header("upload-offset").expect("an offset");
    offset.parse().expect("a number")
}

/// Bytes that look like nothing else.
fn content(size: usize) -> Vec<u8> {
    let mut state = 7u64;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 56) as u8
    };
    (0..size).map(|_| next()).collect()
}

fn sha256(content: &[u8]) -> String {
    let digest = Sha256::digest(content);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn replay(site: &Site, session: &str) -> bool {
    let recording = site.folder.0.join(format!("recordings/{session}.lnt"));
    let replayed = Command::new(env!("CARGO_BIN_EXE_lunette"))
        .arg("replay")
        .arg(recording)
        .status();
    replayed.expect("lunette runs").success()
}

#[test]
fn a_file_reaches_its_method_and_the_connection_goes_on() {
    let site = Site::start(CONFIG);
    let mut page = Page::open(&site);
    let body = b"0123456789";
    let path = page.upload("receive(_)", body.len());
    assert_eq!(ask(&site, &path).header("upload-complete"), Some("?0"));
    let asset = "GET /_lunette/client.js HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let mut stream = site.server.connect();
    let whole = format!("{}0123456789{asset}", put(&path, body.len(), ""));
    stream.write_all(whole.as_bytes()).expect("sent");
    let answers = read_all(&mut stream);
    assert!(
        answers.starts_with("HTTP/1.1 204 No Content\r\n"),
        "{answers}"
    );
    assert!(answers.contains("Upload-Offset: 10\r\n"), "{answers}");
    assert!(answers.contains("Upload-Complete: ?1\r\n"), "{answers}");
    assert!(answers.contains("HTTP/1.1 200 OK\r\n"), "{answers}");
    page.wait_until_done();
    let last = format!("a b.bin 10 text/x {}", sha256(body));
    page.wait_for(|page| page.value(LAST) == json!(last) && page.value(GOT) == json!("234"));
    assert_eq!(page.value(CALLS), json!(1));
    assert_eq!(site.incoming().len(), 1);

    let empty = page.upload("receive(_)", 0);
    assert_eq!(
        status(
            &site
                .server
                .ask(put(&empty, 0, "Connection: close\r\n").as_bytes())
        ),
        "204"
    );
    page.wait_until_done();
    page.wait_for(|page| page.value(CALLS) == json!(2));
}

#[test]
fn files_are_moved_where_the_site_grants_it_and_nowhere_else() {
    let site = Site::start(CONFIG);
    let mut page = Page::open(&site);
    let path = page.upload("keep(_)", 5);
    site.server
        .ask((put(&path, 5, "Connection: close\r\n") + "hello").as_bytes());
    page.wait_until_done();
    page.wait_for(|page| {
        page.value(GOT)
            .as_str()
            .is_some_and(|got| got.starts_with("true "))
    });
    assert!(
        page.value(GOT)
            .as_str()
            .is_some_and(|got| got.contains("it was moved"))
    );
    let kept = site.folder.0.join("site/data/kept");
    assert_eq!(fs::read(&kept).expect("it is there"), b"hello");
    assert_eq!(site.incoming(), [] as [PathBuf; 0]);
    assert_eq!(ask(&site, &path).status, 404);

    let path = page.upload("outside(_)", 5);
    site.server
        .ask((put(&path, 5, "Connection: close\r\n") + "hello").as_bytes());
    page.wait_until_done();
    page.wait_for(|page| {
        page.value(GOT)
            .as_str()
            .is_some_and(|got| got.starts_with("nil "))
    });
    let got = page.value(GOT);
    assert!(
        got.as_str()
            .is_some_and(|got| got.contains("write of [lua]")),
        "{got}"
    );

    let path = page.upload("refuse(_)", 5);
    site.server
        .ask((put(&path, 5, "Connection: close\r\n") + "hello").as_bytes());
    page.wait_until_done();
    assert_eq!(page.error, "no a b.bin here");

    let session = page.session.clone();
    drop(page);
    let Site { folder, server } = site;
    drop(server);
    fs::remove_dir_all(folder.0.join("site")).expect("all files are gone");
    let folder = folder.0.join("recordings").join(format!("{session}.lnt"));
    let replayed = Command::new(env!("CARGO_BIN_EXE_lunette"))
        .arg("replay")
        .arg(folder)
        .status();
    assert!(replayed.expect("lunette runs").success());
}

#[test]
fn twenty_megabytes_cut_at_any_point_arrive_whole_and_once_in_little_memory() {
    let site = Site::start(CONFIG);
    let mut page = Page::open(&site);
    let body = content(20_000_000);
    let path = page.upload("receive(_)", body.len());
    let before = peak_kib(&site.server);
    let mut cut = 12_345;
    for _ in 0..12 {
        let from = offset(&site, &path);
        cut = cut * 31 % 3_000_017;
        let until = (from + cut).min(body.len() - 1);
        let mut stream = site.server.connect();
        let head = put(
            &path,
            body.len() - from,
            &format!("Upload-Offset: {from}\r\n"),
        );
        send(&mut stream, &head, &body[from..until]);
        // Half of them say so, half of them just go: what the server has is what it says next.
        if cut % 2 == 0 {
            let _ = stream.shutdown(Shutdown::Both);
        } else {
            drop(stream);
        }
    }
    let from = offset(&site, &path);
    assert!(from > 0 && from < body.len(), "{from}");
    let mut stream = site.server.connect();
    let head = put(
        &path,
        body.len() - from,
        &format!("Upload-Offset: {from}\r\n"),
    );
    send(&mut stream, &head, &body[from..]);
    assert_eq!(status(&read_answer(&mut stream)), "204");
    page.wait_until_done();
    let last = format!("a b.bin {} text/x {}", body.len(), sha256(&body));
    page.wait_for(|page| page.value(LAST) == json!(last));
    assert_eq!(page.value(CALLS), json!(1));
    let grown = peak_kib(&site.server) - before;
    assert!(grown < 6_000, "{grown} KiB more for 20 MB");

    let recording = site
        .folder
        .0
        .join(format!("recordings/{}.lnt", page.session));
    let recorded = fs::read(&recording).expect("a recording").len();
    assert!(
        recorded < 20_000,
        "{recorded} bytes: the content is not in there"
    );
    for file in site.incoming() {
        fs::remove_file(file).expect("it is there");
    }
    let session = page.session.clone();
    drop(page);
    assert!(replay(&site, &session));
}

fn peak_kib(server: &Server) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", server.child.id()));
    let status = status.expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let digits: String = line
        .expect("a peak")
        .chars()
        .filter(char::is_ascii_digit)
        .collect();
    digits.parse().expect("a number")
}

/// What is sent and the status that must come, with two of five bytes there.
fn refusals(path: &str) -> Vec<(&'static str, String)> {
    let put = |length, fields: &str| put(path, length, fields);
    let bare = |method: &str, fields: &str| {
        format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n")
    };
    vec![
        ("409", put(5, "")),
        ("409", put(3, "Upload-Offset: 1\r\n")),
        ("409", put(1, "Upload-Offset: 4\r\n")),
        ("409", put(0, "")),
        ("413", put(4, "Upload-Offset: 2\r\n")),
        (
            "413",
            bare("PUT", "Content-Length: 99999999999999999999\r\n"),
        ),
        (
            "403",
            put(3, "Upload-Offset: 2\r\nOrigin: http://evil.example\r\n"),
        ),
        ("403", put(3, "Upload-Offset: 2\r\nOrigin: null\r\n")),
        ("400", put(3, "Upload-Offset: -2\r\n")),
        ("400", put(3, "Upload-Offset: 2\r\nUpload-Offset: 2\r\n")),
        ("400", put(3, "Content-Length: 3\r\nUpload-Offset: 2\r\n")),
        ("400", put(3, "Transfer-Encoding: chunked\r\n")),
        ("400", bare("PUT", "Transfer-Encoding: chunked\r\n")),
        ("411", bare("PUT", "")),
        ("417", put(3, "Expect: more\r\n")),
        ("421", put(3, "").replace("localhost", "rebound.example")),
        ("405", self::put("/", 3, "")),
        ("405", self::put(&format!("{path}/x"), 3, "")),
        ("405", self::put(&format!("{path}?x"), 3, "")),
        ("405", bare("POST", "Content-Length: 3\r\n")),
        ("405", bare("PATCH", "Content-Length: 3\r\n")),
        ("405", bare("DELETE", "")),
        ("400", bare("GET", "Content-Length: 3\r\n")),
    ]
}

#[test]
fn each_refusal_is_told_and_closes() {
    let site = Site::start(CONFIG);
    let mut page = Page::open(&site);
    let path = page.upload("receive(_)", 5);
    let mut stream = site.server.connect();
    send(&mut stream, &put(&path, 2, ""), b"ab");
    assert!(read_answer(&mut stream).contains("Upload-Offset: 2\r\n"));
    let other = new_session(site.address()).expect("a session");
    let elsewhere = path.replace(&page.session, &other);
    let unknown = format!("/{}/upload/{}", page.session, "0".repeat(32));
    let mut refusals = refusals(&path);
    refusals.extend([
        ("404", put(&unknown, 3, "")),
        ("404", put(&elsewhere, 3, "")),
    ]);
    for (expected, head) in refusals {
        let request =
            format!("{head}cdeGET /_lunette/client.js HTTP/1.1\r\nHost: localhost\r\n\r\n");
        let answer = site.server.ask(request.as_bytes());
        assert_eq!(status(&answer), expected, "{head}: {answer}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{head}: {answer}");
        assert!(answer.contains("Connection: close\r\n"), "{head}: {answer}");
        assert_eq!(
            answer.contains("Upload-Offset: 2\r\n"),
            answer.contains("Upload-Length"),
            "{answer}"
        );
    }
    assert!(
        site.server.log().contains("allowed_origins"),
        "{}",
        site.server.log()
    );
    assert_eq!(offset(&site, &path), 2, "none of it has changed anything");
}

#[test]
fn what_is_too_large_or_not_configured_is_told_before_anything_is_sent() {
    let site = Site::start(CONFIG);
    let mut page = Page::open(&site);
    page.announce("receive(_)", 33 << 20, &json!({}));
    page.wait_for(|page| page.error.contains("max_bytes of [upload]"));
    for (properties, expected) in [
        (json!({"upload": "-1"}), "size of the file"),
        (json!({"path": "calls", "access": "rw"}), "receive(_)"),
    ] {
        page.announce("receive(_)", 1, &properties);
        page.wait_for(|page| page.error.contains(expected));
    }
    for _ in 0..8 {
        page.upload("receive(_)", 1);
    }
    page.announce("receive(_)", 1, &json!({}));
    page.wait_for(|page| page.error.contains("too many files at once"));

    let site = Site::start("");
    let mut page = Page::open(&site);
    page.announce("receive(_)", 1, &json!({}));
    page.wait_for(|page| page.error.contains("dir of [upload] in lunette.toml"));
}

/// By many sessions of one address, which send nothing.
#[test]
fn one_address_takes_a_share_of_the_places_and_no_more() {
    let site = Site::start(CONFIG);
    let mut pages: Vec<Page> = (0..8).map(|_| Page::open(&site)).collect();
    for page in &mut pages {
        for _ in 0..8 {
            page.upload("receive(_)", 1);
        }
    }
    let mut page = Page::open(&site);
    page.announce("receive(_)", 1, &json!({}));
    page.wait_for(|page| page.error.contains("you have too many files"));
    assert_eq!(site.incoming().len(), 64);
}

#[test]
fn a_peer_that_waits_for_a_word_gets_it() {
    let site = Site::start(CONFIG);
    let mut page = Page::open(&site);
    let path = page.upload("receive(_)", 5);
    let mut stream = site.server.connect();
    send(&mut stream, &put(&path, 5, "Expect: 100-continue\r\n"), b"");
    assert_eq!(status(&read_answer(&mut stream)), "100");
    stream.write_all(b"hello").expect("sent");
    assert_eq!(status(&read_answer(&mut stream)), "204");
    page.wait_until_done();
}

#[test]
fn the_newest_connection_goes_on_and_nobody_waits_for_a_slow_one() {
    let site = Site::start(CONFIG);
    let mut page = Page::open(&site);
    let path = page.upload("receive(_)", 6);
    let mut slow = site.server.connect();
    send(&mut slow, &put(&path, 6, ""), b"ab");
    let other = Page::open(&site).upload("receive(_)", 1);
    assert_eq!(
        status(
            &site
                .server
                .ask((put(&other, 1, "Connection: close\r\n") + "x").as_bytes())
        ),
        "204"
    );
    let from = offset(&site, &path);
    let mut end = [0; 1];
    assert_eq!(slow.read(&mut end).unwrap_or(0), 0, "it was cut off");
    let mut quick = site.server.connect();
    let head = put(&path, 6 - from, &format!("Upload-Offset: {from}\r\n"));
    send(&mut quick, &head, &b"abcdef"[from..]);
    assert_eq!(status(&read_answer(&mut quick)), "204");
    page.wait_until_done();
    page.wait_for(|page| {
        page.value(LAST) == json!(format!("a b.bin 6 text/x {}", sha256(b"abcdef")))
    });
}

#[test]
fn an_upload_outlives_the_page_and_its_method_is_called_once() {
    let site = Site::start(CONFIG);
    let mut page = Page::open(&site);
    let path = page.upload("keep(_)", 5);
    let mut stream = site.server.connect();
    send(&mut stream, &put(&path, 5, ""), b"he");
    let session = page.session.clone();
    drop(page);
    stream.write_all(b"llo").expect("sent");
    assert_eq!(status(&read_answer(&mut stream)), "204");
    let again = json!({ "uploadAt": path });
    for _ in 0..2 {
        let mut page = Page::attach(&site, session.clone());
        page.announce("keep(_)", 5, &again);
        page.wait_until_done();
        page.wait_for(|page| page.value(CALLS) == json!(1));
    }
    assert!(replay(&site, &session));
}

#[test]
fn what_is_no_longer_wanted_is_deleted_and_so_is_what_a_crash_left() {
    let mut site = Site::start(CONFIG);
    let mut page = Page::open(&site);
    let path = page.upload("receive(_)", 5);
    let mut stream = site.server.connect();
    send(&mut stream, &put(&path, 5, "Expect: 100-continue\r\n"), b"");
    assert_eq!(status(&read_answer(&mut stream)), "100");
    assert_eq!(site.incoming().len(), 1);
    let destroy = json!({"type": "destroy", "data": {"varId": page.last}});
    page.socket.send(&destroy.to_string()).expect("sent");
    assert_eq!(read_all(&mut stream), "", "it is cut off");
    assert_eq!(ask(&site, &path).status, 404);
    assert_eq!(site.incoming(), [] as [PathBuf; 0]);

    page.upload("receive(_)", 5);
    assert_eq!(site.incoming().len(), 1);
    // What only looks like a server's is somebody's.
    let mine = site.folder.0.join("site/incoming/lunette-uploads-mine");
    site.folder
        .write("site/incoming/lunette-uploads-mine/kept", "");
    site.server.child.kill().expect("it crashes");
    site.server.child.wait().expect("it is gone");
    assert_eq!(site.incoming().len(), 2);
    site.server = Server::start(&site.folder.0.join("site"), &[]);
    assert_eq!(site.incoming(), [mine.join("kept")]);
    site.server.signal("TERM");
    site.server.child.wait().expect("it stops");
    assert_eq!(entries(&site.folder.0.join("site/incoming")), [mine]);
}
