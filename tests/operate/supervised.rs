//! A supervisor as systemd is one: it hears over a socket how the server is, and passes on a socket that listens.
//! Without it the server does not wake.

use std::fs;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::{complaint, counting, lunette, printed};
use crate::net::process::{Folder, Server, read_all, site};

/// The next thing that the server tells.
fn hear(socket: &UnixDatagram) -> String {
    let mut buffer = [0; 512];
    let count = socket.recv(&mut buffer).expect("something is told");
    String::from_utf8_lossy(&buffer[..count]).into_owned()
}

#[test]
fn the_supervisor_hears_of_ready_alive_reload_and_stop() {
    let folder = Folder::new();
    let path = folder.0.join("notify");
    let socket = UnixDatagram::bind(&path).expect("a socket");
    socket
        .set_read_timeout(Some(Duration::from_secs(30)))
        .expect("a deadline");
    let variables = [
        ("NOTIFY_SOCKET", path.to_str().expect("UTF-8")),
        ("WATCHDOG_USEC", "200000"),
    ];
    let mut server = Server::start_in(&site("counter"), &[], &variables);
    assert!(hear(&socket).starts_with("READY=1\n"));
    for _ in 0..3 {
        assert_eq!(hear(&socket), "WATCHDOG=1");
    }
    server.signal("HUP");
    let next = |socket| loop {
        let told = hear(socket);
        if told != "WATCHDOG=1" {
            return told;
        }
    };
    assert!(next(&socket).starts_with("RELOADING=1\nMONOTONIC_USEC="));
    assert!(next(&socket).starts_with("READY=1\n"));
    server.signal("TERM");
    assert!(next(&socket).starts_with("STOPPING=1\n"));
    assert!(server.child.wait().is_ok_and(|status| status.success()));
}

#[test]
fn a_socket_that_was_passed_on_is_served() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    // The number of the process is known only in it.
    let script = "LISTEN_FDS=1 LISTEN_PID=$$ exec \"$0\" \"$@\" 3<&0 </dev/null";
    let mut child = Command::new("sh")
        .args(["-c", script, env!("CARGO_BIN_EXE_lunette")])
        .args(["--state", "none", "--port", "1"])
        .stdin(Stdio::from(OwnedFd::from(listener)))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    // The socket listens already: who comes before the server is there waits.
    let mut stream = TcpStream::connect(address).expect("a connection");
    let request = "HEAD / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).expect("sent");
    let answer = read_all(&mut stream);
    let _ = child.kill();
    let _ = child.wait();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[test]
fn sockets_for_others_and_open_to_all_are_not_taken() {
    let variables = [("LISTEN_FDS", "1"), ("LISTEN_PID", "1")];
    let server = Server::start_in(&site("counter"), &[], &variables);
    drop(server.connect());
    let listener = TcpListener::bind("0.0.0.0:0").expect("a port");
    let script = "LISTEN_FDS=1 LISTEN_PID=$$ exec \"$0\" \"$@\" 3<&0 </dev/null";
    let output = Command::new("sh")
        .args([
            "-c",
            script,
            env!("CARGO_BIN_EXE_lunette"),
            "--state",
            "none",
        ])
        .stdin(Stdio::from(OwnedFd::from(listener)))
        .output()
        .expect("it runs");
    assert!(complaint(&output, 3).contains("--insecure-no-auth"));
}

#[test]
fn a_system_is_told_how_to_run_a_site() {
    let folder = counting("");
    let dir = folder.0.join("site").to_string_lossy().into_owned();
    let unit = printed(&lunette(&[
        "service", "systemd", "--dir", &dir, "--port", "81",
    ]));
    let start = format!(
        "ExecStart={} serve --dir {dir} ",
        env!("CARGO_BIN_EXE_lunette")
    );
    assert!(
        unit.contains(&start) && unit.contains("--port 81\n"),
        "{unit}"
    );
    assert!(
        unit.contains("Type=notify\n") && unit.contains("WatchdogSec="),
        "{unit}"
    );
    let script = printed(&lunette(&["service", "procd", "--dir", &dir]));
    folder.write("init", &script);
    let checked = Command::new("sh")
        .arg("-n")
        .arg(folder.0.join("init"))
        .status();
    assert!(checked.is_ok_and(|status| status.success()), "{script}");
    // If there is a systemd here, it understands all of the unit.
    folder.write("lunette.service", &unit);
    let verify = Command::new("systemd-analyze")
        .arg("verify")
        .arg(folder.0.join("lunette.service"))
        .output();
    match verify {
        Err(_) => println!("skipped: there is no systemd-analyze here"),
        Ok(output) => {
            let told = String::from_utf8_lossy(&output.stderr);
            let ours: Vec<&str> = told
                .lines()
                .filter(|l| l.contains("lunette.service"))
                .collect();
            assert!(ours.is_empty(), "{told}");
        }
    }
    let hidden = PathBuf::from("/tmp").join(format!("lunette-unit-{}", std::process::id()));
    fs::create_dir_all(hidden.join("lua")).expect("made");
    fs::write(hidden.join("lua/main.lua"), "").expect("written");
    let output = lunette(&["service", "systemd", "--dir", &hidden.to_string_lossy()]);
    fs::remove_dir_all(&hidden).expect("removed");
    for told in [complaint(&output, 0), printed(&output)] {
        let line = told
            .lines()
            .find(|line| line.contains("the service does not see "));
        let line = line.unwrap_or_else(|| panic!("{told}"));
        assert!(
            line.contains(&format!("{hidden:?}")) && line.contains("PrivateTmp"),
            "{line}"
        );
    }
    let none = folder.0.to_string_lossy().into_owned();
    assert!(complaint(&lunette(&["service", "procd", "--dir", &none]), 3).contains("lua/main.lua"));
}
