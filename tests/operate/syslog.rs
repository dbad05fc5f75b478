//! A syslog daemon, played by a socket of the test: it hears each line with its level, and when it is gone or does not
//! listen nothing waits for it and nothing is lost.

use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::time::Duration;

use super::{complaint, lunette, lunette_in};
use crate::access::eventually;
use crate::net::process::{Folder, Server, site};

fn daemon(path: &Path) -> UnixDatagram {
    let socket = UnixDatagram::bind(path).expect("a socket");
    let deadline = Some(Duration::from_secs(30));
    socket.set_read_timeout(deadline).expect("a deadline");
    socket
}

fn hear(socket: &UnixDatagram) -> String {
    let mut buffer = [0; 16 << 10];
    let count = socket.recv(&mut buffer).expect("a line");
    String::from_utf8_lossy(&buffer[..count]).into_owned()
}

/// Whether it looks like `<29>Jan  2 15:04:05 lunette[123]: TEXT`, with this priority and a text that begins so.
fn is_line(message: &str, priority: u8, pid: u32, text: &str) -> bool {
    let Some(rest) = message.strip_prefix(&format!("<{priority}>")) else {
        return false;
    };
    let Some((stamp, rest)) = rest.split_at_checked(15) else {
        return false;
    };
    let shape: String = stamp
        .chars()
        .map(|c| if c.is_ascii_digit() { '0' } else { c })
        .collect();
    let day = shape[3..6] == *"  0" || shape[3..6] == *" 00";
    day && &shape[6..] == " 00:00:00" && rest.starts_with(&format!(" lunette[{pid}]: {text}"))
}

#[test]
fn each_line_goes_to_the_daemon_with_its_level() {
    let folder = Folder::new();
    let path = folder.0.join("log");
    let socket = daemon(&path);
    let target = format!("syslog:{}", path.display());
    let server = Server::start(&site("counter"), &["-v", "--log", &target]);
    let pid = server.child.id();
    let first = hear(&socket);
    assert!(is_line(&first, 29, pid, "listening on http://"), "{first}");
    // A refused request is told with -v: it is information, statistics that were asked for are a notice.
    server.ask(b"NONSENSE\r\n\r\n");
    server.signal("USR2");
    let mut heard: Vec<String> = Vec::new();
    while !heard
        .iter()
        .any(|line| is_line(line, 29, pid, "statistics"))
    {
        heard.push(hear(&socket));
    }
    server.signal("HUP");
    while !heard.iter().any(|line| is_line(line, 29, pid, "settings")) {
        heard.push(hear(&socket));
    }
    assert_eq!(server.log(), "", "it is told once");
}

#[test]
fn without_a_daemon_the_log_is_where_it_was_and_a_new_one_is_found() {
    let folder = Folder::new();
    let path = folder.0.join("log");
    let target = format!("syslog:{}", path.display());
    let variables = [("LUNETTE_LOG", target.as_str())];
    let server = Server::start_in(&site("counter"), &[], &variables);
    let statistics = |log: &str| log.matches("statistics").count();
    server.signal("USR2");
    eventually("standard error has it", || statistics(&server.log()) == 1);
    let socket = daemon(&path);
    server.signal("USR2");
    assert!(hear(&socket).contains("statistics"));
    drop(socket);
    server.signal("USR2");
    eventually("and again", || statistics(&server.log()) == 2);
    std::fs::remove_file(&path).expect("the socket's place");
    let socket = daemon(&path);
    server.signal("USR2");
    assert!(hear(&socket).contains("statistics"));
}

#[test]
fn a_daemon_that_does_not_read_stops_nobody() {
    let folder = Folder::new();
    let path = folder.0.join("log");
    let socket = daemon(&path);
    let target = format!("syslog:{}", path.display());
    let server = Server::start(&site("counter"), &["--log", &target]);
    // Its queue is full at some time: then lines go to standard error, and pages are served all the while.
    eventually("a line found no room", || {
        server.signal("USR2");
        server.log().contains("statistics")
    });
    assert!(
        server
            .ask(b"GET / HTTP/1.0\r\n\r\n")
            .starts_with("HTTP/1.1 ")
    );
    drop(socket);
}

#[test]
fn a_start_that_fails_is_told_to_both() {
    let folder = Folder::new();
    let path = folder.0.join("log");
    let socket = daemon(&path);
    let target = format!("syslog:{}", path.display());
    let missing = folder.0.join("none").to_string_lossy().into_owned();
    let output = lunette(&[
        "serve", "--state", "none", "--dir", &missing, "--log", &target,
    ]);
    assert!(complaint(&output, 3).contains("--dir must name"));
    let told = hear(&socket);
    assert!(
        told.starts_with("<27>") && told.contains("--dir must name"),
        "{told}"
    );
    let wrong = complaint(&lunette(&["serve", "--log", "syslog:here"]), 2);
    assert!(wrong.contains("syslog:/PATH"), "{wrong}");
    let wrong = complaint(&lunette_in(&["serve"], &[("LUNETTE_LOG", "journal")]), 3);
    assert!(
        wrong.contains("LUNETTE_LOG: log must be stderr, syslog"),
        "{wrong}"
    );
}
