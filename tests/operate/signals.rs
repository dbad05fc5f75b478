//! What signals do to a server that serves.

use std::io::Write;

use super::counting;
use crate::access::eventually;
use crate::net::process::{Server, site, status};
use crate::net::websocket::{WATCH_APP, attach, close_code, frame, new_session, receive};

#[test]
fn a_page_that_does_not_answer_is_not_waited_for_for_ever() {
    let mut server = Server::start(&site("counter"), &[]);
    let mut page = attach(&server, &new_session(&server));
    server.signal("TERM");
    assert_eq!(close_code(&mut page), 1012);
    let status = server.child.wait().expect("it ends by itself");
    assert_eq!(status.code(), Some(0));
}

#[test]
fn hup_has_settings_and_site_read_again() {
    let folder = counting("");
    let server = Server::start(&folder.0.join("site"), &[]);
    let mut page = attach(&server, &new_session(&server));
    page.write_all(&frame(0x81, WATCH_APP.as_bytes()))
        .expect("sent");
    receive(&mut page);
    let ask = |host: &str| {
        let request = format!("HEAD / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        status(&server.ask(request.as_bytes())).to_owned()
    };
    assert_eq!(ask("app.example"), "421");
    folder.write(
        "site/lunette.toml",
        "[server]\nallowed_hosts = [\"app.example\"]\nrecord = \"r\"\n",
    );
    folder.write(
        "site/viewdefs/App.DEFAULT.html",
        "<template><h1>anew</h1></template>",
    );
    server.signal("HUP");
    eventually("the settings are in force", || ask("app.example") == "200");
    let (_, told) = receive(&mut page);
    let told = String::from_utf8_lossy(&told).into_owned();
    assert!(told.contains("anew"), "{told}");
    let log = server.log();
    assert!(log.contains("not taken over: record;"), "{log}");
    // What is wrong changes nothing.
    folder.write("site/lunette.toml", "[server]\nalowed_hosts = []\n");
    folder.write("site/viewdefs/App.DEFAULT.html", "<p>");
    server.signal("HUP");
    eventually("the mistakes are told", || {
        let log = server.log();
        log.contains("lunette.toml:2: ") && log.contains("not a viewdef")
    });
    assert!(server.log().contains("the settings of before stay in use"));
    assert_eq!(ask("app.example"), "200");
}

#[test]
fn what_needs_a_new_start_is_named_with_each_hup() {
    let folder = counting("[server]\nlog_format = \"text\"\n");
    let server = Server::start(&folder.0.join("site"), &[]);
    let mut times = 0;
    let mut hup = |settings: &str| {
        folder.write("site/lunette.toml", settings);
        times += 1;
        server.signal("HUP");
        let read = "settings were read again";
        eventually("they are read", || {
            server.log().matches(read).count() == times
        });
        server
            .log()
            .matches("changed, but not taken over: ")
            .count()
    };
    let other = "[server]\nport = 8099\nbase_path = \"/x\"\nlog_format = \"json\"\nrecord = \"r\"\nstate = \"s\"\n\
                 trusted_proxies = [\"127.0.0.1\"]\nadmin_listen = \"127.0.0.1:9\"\n[audit]\nfile = \"a\"\n\
                 [limits]\nsessions = 7\n[upload]\ndir = \"u\"\n[auth]\nmode = \"token\"\ntoken = \"0123456789abcdef\"\n";
    assert_eq!(hup(other), 1);
    assert_eq!(hup(other), 2);
    let log = server.log();
    let mut told = log.lines().filter(|line| line.contains("not taken over"));
    let first = told.next().expect("a line");
    let all = "base_path, admin_listen, log_format, [auth], trusted_proxies, [audit], sessions and memory of all, record, \
               [upload]; start the server anew for that";
    assert!(first.ends_with(all), "{first}");
    assert_eq!(told.next(), Some(first), "all of it");
    assert_eq!(
        hup("[server]\nlog_format = \"text\"\n"),
        2,
        "nothing differs"
    );
}

#[test]
fn usr2_puts_statistics_into_the_log() {
    let server = Server::start(&site("counter"), &[]);
    let _page = attach(&server, &new_session(&server));
    server.signal("USR2");
    eventually("they are there", || {
        server
            .log()
            .contains("statistics: 1 sessions attached, 0 waiting, 0 asleep;")
    });
}
