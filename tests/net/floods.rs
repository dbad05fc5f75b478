//! Floods in small: what they bring about, not how long it takes. `bench/floods.rs` has them in full, with figures.

use std::fs;
use std::io::Write;
use std::net::TcpStream;

use super::process::{Folder, Server, read_all, read_answer, site, status};
use super::websocket::{WATCH_APP, attach, frame, new_session, receive};

/// An honest page of a session of its own still gets what it asks for.
fn serves_on(server: &Server) {
    let mut page = attach(server, &new_session(server));
    page.write_all(&frame(0x81, WATCH_APP.as_bytes()))
        .expect("sent");
    assert_eq!(receive(&mut page).0, 0x81);
}

#[test]
fn slow_heads_are_given_up_and_others_are_served_meanwhile() {
    let folder = Folder::new();
    folder.write(
        "lua/main.lua",
        "session:createAppVariable({ type = 'App' })",
    );
    folder.write("lunette.toml", "[net]\nhead_timeout = \"1s\"");
    let server = Server::start(&folder.0, &[]);
    let mut slow: Vec<TcpStream> = (0..100).map(|_| server.connect()).collect();
    for byte in b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " {
        for stream in &mut slow {
            // Those that were given up already take no more.
            let _ = stream.write_all(&[*byte]);
        }
    }
    serves_on(&server);
    for stream in &mut slow {
        assert_eq!(status(&read_all(stream)), "408");
    }
    serves_on(&server);
}

#[test]
fn what_is_only_announced_takes_no_memory() {
    // So little address space that a tenth of what is announced would be the end.
    let server = Server::start_limited(&site("counter"), "-v 163840", &[]);
    let session = new_session(&server);
    let announced = [
        &[0x81, 0xff][..],
        &(1u64 << 20).to_be_bytes(),
        &[0; 4],
        b"only this",
    ]
    .concat();
    let pages: Vec<TcpStream> = (0..400)
        .map(|_| {
            let mut page = attach(&server, &session);
            page.write_all(&announced).expect("sent");
            page
        })
        .collect();
    let field = format!("x: {}\r\n", "y".repeat(250));
    let head = format!("GET / HTTP/1.1\r\n{}", field.repeat(60));
    let heads: Vec<TcpStream> = (0..400)
        .map(|_| {
            let mut stream = server.connect();
            stream.write_all(head.as_bytes()).expect("sent");
            stream
        })
        .collect();
    serves_on(&server);
    drop((pages, heads));
    serves_on(&server);
}

/// A server with this setting that pushes 64 KiB 50 times a second, and how a page comes that watches.
fn pushing(settings: &str) -> (Server, impl Fn(&Server) -> TcpStream) {
    let folder = Folder::new();
    folder.write(
        "lua/main.lua",
        "local app = { type = 'App', text = '' }
         local n = 0
         session:setInterval(function() n = n + 1 app.text = ('%08d'):format(n):rep(8192) end, 20)
         session:createAppVariable(app)",
    );
    folder.write("lunette.toml", settings);
    let server = Server::start(&folder.0, &["-v"]);
    let session = new_session(&server);
    let watching = move |server: &Server| {
        let create =
            r#"{"type":"create","data":{"id":2,"parentId":1,"properties":{"path":"text"}}}"#;
        let mut page = attach(server, &session);
        page.write_all(&frame(0x81, create.as_bytes()))
            .expect("sent");
        // The site goes with the last who watches it.
        let _ = &folder;
        page
    };
    (server, watching)
}

#[test]
fn pages_that_never_read_are_let_go_and_others_hear_on() {
    let (server, watching) = pushing("[net]\noutput_bytes = \"512K\"");
    let watching = || watching(&server);
    let deaf: Vec<TcpStream> = (0..5).map(|_| watching()).collect();
    let mut honest = watching();
    while server.log().matches("reads too slowly").count() < deaf.len() {
        assert_eq!(receive(&mut honest).0, 0x81);
    }
    for _ in 0..10 {
        assert_eq!(receive(&mut honest).0, 0x81);
    }
    let log = server.log();
    assert_eq!(log.matches("reads too slowly").count(), deaf.len(), "{log}");
}

#[test]
fn what_was_kept_for_pages_that_never_read_goes_back_to_the_system() {
    const PAGES: usize = 40;
    let (server, watching) = pushing("[net]\nping_interval = \"1h\"");
    let watching = || watching(&server);
    let mut honest = watching();
    let before = resident_kib(&server);
    let deaf: Vec<TcpStream> = (0..PAGES).map(|_| watching()).collect();
    let mut most = 0;
    while server.log().matches("reads too slowly").count() < PAGES {
        assert_eq!(receive(&mut honest).0, 0x81);
        most = most.max(resident_kib(&server) - before);
    }
    assert!(most > 20 << 10, "{most} KiB at the most");
    // As long as some of their connections are there, so is what waits on them.
    for _ in 0..5_000 {
        assert_eq!(receive(&mut honest).0, 0x81);
        if resident_kib(&server) < before + most / 8 {
            drop(deaf);
            return;
        }
    }
    panic!("{most} KiB at the most, and much of it stays");
}

fn resident_kib(server: &Server) -> i64 {
    let status = fs::read_to_string(format!("/proc/{}/status", server.child.id()));
    let status = status.expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok());
    kib.expect("a number of kB")
}

/// A peer that pings and never reads what is answered.
#[test]
fn pongs_that_nobody_reads_are_not_kept_without_end() {
    let folder = Folder::new();
    folder.write(
        "lua/main.lua",
        "session:createAppVariable({ type = 'App' })",
    );
    folder.write(
        "lunette.toml",
        "[net]\noutput_bytes = \"64K\"\nmessage_rate = 0",
    );
    let server = Server::start(&folder.0, &["-v"]);
    let session = new_session(&server);
    let mut deaf = attach(&server, &session);
    let pings = frame(0x89, &[b'x'; 125]).repeat(1_000);
    let mut sent = 0;
    while deaf.write_all(&pings).is_ok() {
        sent += pings.len();
        assert!(sent < 1 << 30, "it takes pings for ever");
        if server.log().contains("reads too slowly") {
            break;
        }
    }
    assert!(server.log().contains("1013 reads too slowly"));
    serves_on(&server);
}

#[test]
fn who_only_asks_for_sessions_takes_none_from_others() {
    let server = Server::start(&site("counter"), &[]);
    let first = new_session(&server);
    let mut stream = server.connect();
    let request = format!(
        "GET /?{} HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "x".repeat(2000)
    );
    for _ in 0..2000 {
        stream.write_all(request.as_bytes()).expect("sent");
        assert_eq!(status(&read_answer(&mut stream)), "307");
    }
    let mut page = attach(&server, &first);
    page.write_all(&frame(0x81, WATCH_APP.as_bytes()))
        .expect("sent");
    assert_eq!(receive(&mut page).0, 0x81);
}

/// Few bytes are not answered by many, neither as errors nor as descriptions of one object again and again.
#[test]
fn a_frame_of_nothing_but_mistakes_is_answered_by_less_than_it_has() {
    let server = Server::start(&site("counter"), &[]);
    let mut page = attach(&server, &new_session(&server));
    let mistakes = format!("[{}0]", "0,".repeat(400_000));
    page.write_all(&frame(0x81, mistakes.as_bytes()))
        .expect("sent");
    let (_, answer) = receive(&mut page);
    let text = String::from_utf8_lossy(&answer);
    assert!(text.contains("399001 more errors are not told"), "{text}");
    assert!(answer.len() < mistakes.len() / 2, "{} bytes", answer.len());
    page.write_all(&frame(0x81, WATCH_APP.as_bytes()))
        .expect("sent");
    receive(&mut page);
    let asks = r#"{"type":"getObjects","data":{"objIds":[2,9]}}"#;
    let asks = format!("[{asks}{}]", format!(",{asks}").repeat(9_999));
    page.write_all(&frame(0x81, asks.as_bytes())).expect("sent");
    let (_, answer) = receive(&mut page);
    let text = String::from_utf8_lossy(&answer);
    assert_eq!(text.matches(r#"{"obj":2,"value":{"#).count(), 1);
    assert_eq!(text.matches("object 9 not found").count(), 1);
    assert!(answer.len() < 1_000, "{} bytes", answer.len());
    serves_on(&server);
}
