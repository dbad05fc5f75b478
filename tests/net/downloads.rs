//! Downloads over real sockets: whole ones, slow ones, ones that are given up.

use std::io::{Read, Write};
use std::process::Command;

use serde_json::{Value, json};

use super::process::{Folder, Server, site, status};
use crate::bench_client::{Http, Socket, get, new_session};

const MAIN: &str = "
local app = { pieces = 0, link = '' }
local piece = string.rep('x', 262144)
function app:offer()
  self.link = session:download('endless', 'application/octet-stream', function()
    app.pieces = app.pieces + 1
    return piece
  end)
end
function app:nothing()
  self.link = session:download('nothing', 'text/plain', function() return '' end)
end
session:createAppVariable(app)
";
const PIECES: i64 = 2;
const OFFER: i64 = 3;
const LINK: i64 = 4;

/// A page that has been offered a download; its socket and the address.
fn offered(server: &Server, session: &str, action: &str, link: &str) -> (Socket, String) {
    let mut socket = Socket::attach(server.address, session).expect("the socket opens");
    let create = |id: i64, path: &str, access: &str| {
        json!({"type": "create", "data": {"id": id, "parentId": 1,
            "properties": {"path": path, "access": access}}})
    };
    let open = json!([
        {"type": "watch", "data": {"varId": 1}},
        create(PIECES, "pieces", "r"),
        create(OFFER, action, "action"),
        create(LINK, link, "r"),
    ]);
    socket.send(&open.to_string()).expect("sent");
    let call = json!({"userEvent": true,
        "messages": [{"type": "update", "data": {"varId": OFFER, "value": null}}]});
    socket.send(&call.to_string()).expect("sent");
    loop {
        for (id, value) in values(&mut socket) {
            if let (LINK, Some(url)) = (id, value.as_str())
                && url.contains("/download/")
            {
                return (socket, url.to_owned());
            }
        }
    }
}

/// The values in the next frame.
fn values(socket: &mut Socket) -> Vec<(i64, Value)> {
    let text = socket.receive().expect("a frame comes");
    let frame: Value = serde_json::from_str(text).expect("it is JSON");
    let messages = match frame {
        Value::Array(messages) => messages,
        one => vec![one],
    };
    let data = messages.into_iter().map(|mut m| m["data"].take());
    data.filter_map(|mut d| Some((d["varId"].as_i64()?, d.get_mut("value")?.take())))
        .collect()
}

/// How many pieces were made by the time that so many turns have passed.
fn pieces_after(socket: &mut Socket, turns: usize) -> i64 {
    let ask = json!({"userEvent": true,
        "messages": [{"type": "get", "data": {"varIds": [PIECES]}}]});
    let mut pieces = 0;
    for _ in 0..turns {
        socket.send(&ask.to_string()).expect("sent");
        let told = values(socket).into_iter().filter(|(id, _)| *id == PIECES);
        pieces = told
            .filter_map(|(_, v)| v.as_i64())
            .next_back()
            .unwrap_or(pieces);
    }
    pieces
}

#[test]
fn a_download_comes_whole_and_once_and_the_connection_goes_on() {
    let server = Server::start(&site("messages"), &[]);
    let session = new_session(server.address).expect("a session");
    let (_page, url) = offered(&server, &session, "save()", "saved");
    assert!(url.starts_with(&format!("/{session}/download/")), "{url}");
    let other = new_session(server.address).expect("a session");
    let elsewhere = url.replace(&session, &other);
    assert_eq!(get(server.address, &elsewhere, "").unwrap().status, 404);
    let head = format!("HEAD {url} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    assert_eq!(status(&server.ask(head.as_bytes())), "405");

    let old = format!("GET {url} HTTP/1.0\r\nHost: localhost\r\n\r\n");
    let answer = server.ask(old.as_bytes());
    let (fields, body) = answer.split_once("\r\n\r\n").expect("a head");
    assert!(fields.starts_with("HTTP/1.1 200"), "{fields}");
    assert!(
        fields.contains("Content-Disposition: attachment; filename=\"room.txt\""),
        "{fields}"
    );
    assert!(!fields.contains("Transfer-Encoding"), "{fields}");
    assert_eq!(body.lines().count(), 200_000);
    assert!(body.ends_with("line 200\n"));
    let mut again = Http::connect(server.address).expect("a connection");
    assert_eq!(again.request("GET", &url, "").unwrap().status, 404);
}

#[test]
fn a_slow_reader_costs_a_piece_and_one_that_leaves_ends_it() {
    let folder = Folder::new();
    folder.write("site/lua/main.lua", MAIN);
    let recordings = folder.0.join("recordings");
    let flags = ["--record", recordings.to_str().expect("a path of ours")];
    let server = Server::start(&folder.0.join("site"), &flags);
    let session = new_session(server.address).expect("a session");
    let (mut page, url) = offered(&server, &session, "offer()", "link");
    let mut reader = server.connect();
    write!(reader, "GET {url} HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("sent");
    let mut byte = [0];
    reader.read_exact(&mut byte).expect("it begins");
    // What the sockets' own buffers take is made, and no more: a piece a turn would be thousands.
    let made = pieces_after(&mut page, 3000);
    assert!((1..500).contains(&made), "{made} pieces were made");
    drop(reader);
    let recording = recordings.join(format!("{session}.lnt"));
    let dropped = (0..500).any(|_| {
        pieces_after(&mut page, 10);
        let transcript = Command::new(env!("CARGO_BIN_EXE_lunette"))
            .arg("transcript")
            .arg(&recording)
            .output()
            .expect("lunette runs");
        String::from_utf8_lossy(&transcript.stdout).contains("download: dropped")
    });
    assert!(dropped, "the session hears that nobody reads any more");
    assert_eq!(get(server.address, &url, "").unwrap().status, 404);
    drop(server);
    let replayed = Command::new(env!("CARGO_BIN_EXE_lunette"))
        .arg("replay")
        .arg(&recording)
        .status();
    assert!(replayed.expect("lunette runs").success());
}

#[test]
fn two_connections_do_not_share_a_download() {
    let folder = Folder::new();
    folder.write("site/lua/main.lua", MAIN);
    let server = Server::start(&folder.0.join("site"), &[]);
    let session = new_session(server.address).expect("a session");
    let (_page, url) = offered(&server, &session, "offer()", "link");
    let request = format!("GET {url} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let mut first = server.connect();
    first.write_all(request.as_bytes()).expect("sent");
    let mut head = [0; 15];
    first.read_exact(&mut head).expect("it begins");
    assert_eq!(&head, b"HTTP/1.1 200 OK");
    // It would get every other piece.
    let second = server.ask(request.as_bytes());
    assert_eq!(status(&second), "404");
    assert!(second.contains("fetched already"), "{second}");
    let mut piece = vec![0; 300_000];
    first.read_exact(&mut piece).expect("the first goes on");
}

#[test]
fn one_of_empty_pieces_only_is_cut_off_and_says_why() {
    let folder = Folder::new();
    folder.write("site/lua/main.lua", MAIN);
    let server = Server::start(&folder.0.join("site"), &[]);
    let session = new_session(server.address).expect("a session");
    let (_page, url) = offered(&server, &session, "nothing()", "link");
    let request = format!("GET {url} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let answer = server.ask(request.as_bytes());
    assert!(answer.ends_with("\r\n\r\n"), "{answer}");
    assert!(!answer.contains("\r\n0\r\n"), "it looks whole: {answer}");
    let log = server.log();
    assert!(log.contains("return nil at the end"), "{log}");
}
