//! What everybody behind one address may take, so that others find room. A proxy that is trusted tells where the
//! others are.

use std::io::Write;
use std::net::TcpStream;

use super::process::{Folder, Server, read_answer, status};

struct Site {
    server: Server,
    _folder: Folder,
}

impl Site {
    fn new(settings: &str) -> Site {
        let folder = Folder::new();
        folder.write(
            "lua/main.lua",
            "session:createAppVariable({ type = 'App' })",
        );
        let proxies = "[server]\ntrusted_proxies = [\"127.0.0.1\"]\n";
        folder.write("lunette.toml", format!("{proxies}{settings}"));
        Site {
            server: Server::start(&folder.0, &[]),
            _folder: folder,
        }
    }

    fn ask(&self, from: &str, path: &str, fields: &str) -> (TcpStream, String) {
        let mut stream = self.server.connect();
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: {from}\r\n{fields}\r\n"
        );
        stream.write_all(request.as_bytes()).expect("sent");
        let answer = read_answer(&mut stream);
        (stream, answer)
    }

    fn session(&self, from: &str) -> Result<String, String> {
        let (_, answer) = self.ask(from, "/", "");
        let location = answer.split("Location: /").nth(1);
        location.map(|at| at[..32].to_owned()).ok_or(answer)
    }

    fn attach(&self, from: &str, session: &str) -> Result<TcpStream, String> {
        let upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
        let (stream, answer) = self.ask(from, &format!("/ws/{session}"), upgrade);
        match status(&answer) {
            "101" => Ok(stream),
            _ => Err(answer),
        }
    }
}

#[test]
fn an_address_has_so_many_connections_and_no_more() {
    let site = Site::new("[net]\nconnections_per_address = 2\n");
    let session = site.session("192.0.2.1").expect("a session");
    // What passes through a proxy is nobody's connection until it is a page's.
    let passing: Vec<TcpStream> = (0..8).map(|_| site.ask("192.0.2.1", "/", "").0).collect();
    let mut pages: Vec<TcpStream> = (0..2)
        .map(|_| site.attach("192.0.2.1", &session).expect("room"))
        .collect();
    let refused = site.attach("192.0.2.1", &session).expect_err("too many");
    assert_eq!(status(&refused), "503");
    let log = site.server.log();
    assert!(log.contains("connections_per_address of [net]"), "{log}");
    // Others are not concerned, nor is the same one when a page was left.
    site.attach("192.0.2.2", &session).expect("room");
    pages.pop();
    while site.attach("192.0.2.1", &session).is_err() {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    drop((passing, pages));
}

#[test]
fn an_address_begins_so_many_sessions_and_no_more() {
    let site = Site::new("[limits]\nsessions_per_address = 2\n");
    let begin = |from| {
        let session = site.session(from)?;
        site.attach(from, &session)
    };
    // An address that was handed out is no session yet.
    let spare = site.session("192.0.2.1").expect("an address");
    for _ in 0..2 {
        begin("192.0.2.1").expect("room");
    }
    let refused = begin("192.0.2.1").expect_err("too many, though nobody is there");
    assert_eq!(status(&refused), "429");
    assert!(refused.contains("sessions_per_address"), "{refused}");
    let refused = site.attach("192.0.2.1", &spare).expect_err("too many");
    assert_eq!(status(&refused), "503");
    begin("2001:db8::1").expect("room for others");
    begin("2001:db8::2").expect("room for others");
    begin("2001:db8::3").expect_err("it is one household");
}
