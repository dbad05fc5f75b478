//! Behind a proxy of Debian's that ends TLS, has idle timeouts and gives the site a path of its own: nginx, and
//! HAProxy; people who log in through them, and pages that are silent for longer than they are patient. Where one of them
//! is not installed its tests say so and pass.

use std::fs::{self, File};
use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use lunette::server::auth::users::set_password;
use rustix::net::{AddressFamily, SocketType, bind, connect, socket};
use serde_json::json;

use super::cdp::{Browser, Page};
use super::server::Server;
use crate::net::process::{Folder, read_answer, status};
use crate::net::websocket::{WATCH_APP, frame, handshake, try_receive};

const LOCKED: &str = r#"
local App = session:prototype("App", {})
function App:who() return session.user.name end
session:createAppVariable(session:create(App))
"#;
const LOCKED_VIEWDEF: &str = r#"<template><h1>Hello <span id="who" ui-value="who()"></span></h1>
<form method="post" action="/logout"><button id="out">Log out</button></form></template>"#;

const STARTS_MAX: u32 = 1_000;
const PAUSE: Duration = Duration::from_millis(10);

/// A proxy that runs, on its own port.
struct Proxy {
    child: Child,
    port: u16,
    log: PathBuf,
    _folder: Folder,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // Its workers end with it only when it is told to end.
        let pid = self.child.id().to_string();
        let _ = Command::new("kill").args(["-TERM", &pid]).status();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!(
                "--- the proxy ---\n{}",
                fs::read_to_string(&self.log).unwrap_or_default()
            );
        }
    }
}

fn installed(program: &str) -> Option<PathBuf> {
    let places = ["/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin"];
    let found = places
        .iter()
        .map(|place| Path::new(place).join(program))
        .find(|path| path.is_file());
    if found.is_none() {
        println!("skipped: {program} is not installed");
    }
    found
}

/// A certificate for localhost, if there is something to make one.
fn certificate(folder: &Path) -> bool {
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
        ])
        .args([
            "-days",
            "2",
            "-subj",
            "/CN=localhost",
            "-addext",
            "subjectAltName=DNS:localhost",
        ])
        .arg("-keyout")
        .arg(folder.join("key.pem"))
        .arg("-out")
        .arg(folder.join("cert.pem"))
        .output();
    let made = made.is_ok_and(|output| output.status.success());
    if made {
        let both = ["cert.pem", "key.pem"].map(|name| fs::read(folder.join(name)).expect("made"));
        fs::write(folder.join("both.pem"), both.concat()).expect("written");
    } else {
        println!("skipped: openssl is not installed");
    }
    made
}

/// A port that nobody has.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}

impl Proxy {
    /// Runs with this configuration, made of its folder and port.
    fn start(
        program: &Path,
        arguments: &[&str],
        folder: Folder,
        config: impl Fn(&Path, u16) -> String,
    ) -> Proxy {
        let port = free_port();
        let path = folder.0.join("proxy.conf");
        fs::write(&path, config(&folder.0, port)).expect("written");
        let log = folder.0.join("proxy.log");
        let child = Command::new(program)
            .args(arguments)
            .arg(&path)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log).expect("a log"))
            .spawn()
            .expect("the proxy starts");
        let proxy = Proxy {
            child,
            port,
            log,
            _folder: folder,
        };
        for _ in 0..STARTS_MAX {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return proxy;
            }
            sleep(PAUSE);
        }
        panic!("the proxy does not listen");
    }

    fn url(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.port)
    }
}

/// The demo's page by TLS below `/apps/book`: opened, used and reloaded.
fn use_it(proxy: &Proxy, browser: &Browser) {
    let mut page: Page = browser.blank();
    page.trust_everybody();
    page.goto(&proxy.url("/apps/book/"));
    page.wait_for("document.querySelectorAll('.contact-row').length === 25");
    page.wait_for("/^\\/apps\\/book\\/[0-9a-f]{32}(\\/|$)/.test(location.pathname)");
    page.wait_for("[...document.styleSheets].some(sheet => sheet.href && sheet.href.includes('/apps/book/_lunette/'))");
    // What is typed reaches the server and comes back.
    page.click("#search");
    page.type_text("akes");
    page.wait_for("[...document.querySelectorAll('.contact-row')].every(row => /[åa]kes/i.test(row.textContent))");
    page.reload();
    page.wait_for("document.querySelectorAll('.contact-row').length > 0");
    page.wait_for("location.pathname.startsWith('/apps/book/')");
}

/// A proxy's program, a folder with a certificate, and a server below a path; `None`: something is not installed.
fn prepared(program: &str) -> Option<(PathBuf, Folder, Server)> {
    let program = installed(program)?;
    let folder = Folder::new();
    if !certificate(&folder.0) {
        return None;
    }
    let server = Server::demo_in(&[
        ("LUNETTE_BASE_PATH", "/apps/book"),
        ("LUNETTE_TRUSTED_PROXIES", "127.0.0.1"),
        ("LUNETTE_NET_PING_INTERVAL", "1s"),
    ]);
    Some((program, folder, server))
}

/// The lines of the README's section about proxies, of the block that begins like this; the site is at another path.
fn of_readme(beginning: &str) -> String {
    let readme = include_str!("../../README.md");
    let section = readme
        .split("\n### Behind a proxy\n")
        .nth(1)
        .expect("the section");
    let mut blocks = section.split("```").skip(1).step_by(2);
    let block = blocks.find_map(|block| {
        let (_, lines) = block.split_once('\n')?;
        lines.starts_with(beginning).then_some(lines)
    });
    put(block.expect("the block"), "/apps/list", "/apps/book")
}

/// The text with something else in this place, which must be there.
fn put(text: &str, place: &str, other: &str) -> String {
    assert!(text.contains(place), "no {place} in {text}");
    text.replace(place, other)
}

/// nginx as the README has it, with TLS, in front of this port.
fn nginx(program: &Path, folder: Folder, upstream: u16) -> Proxy {
    Proxy::start(program, &["-c"], folder, |dir, port| {
        let dir = dir.display();
        let tls = format!("ssl; ssl_certificate {dir}/cert.pem; ssl_certificate_key {dir}/key.pem");
        nginx_config(&dir.to_string(), &format!("{port} {tls}"), upstream, "3s")
    })
}

fn nginx_config(dir: &str, listen: &str, upstream: u16, patience: &str) -> String {
    let lines = put(
        &of_readme("map "),
        "127.0.0.1:8080",
        &format!("127.0.0.1:{upstream}"),
    );
    let (map, location) = lines.split_once('\n').expect("the map, and the location");
    format!(
        "daemon off; pid {dir}/nginx.pid; error_log stderr; worker_processes 1;\n\
         events {{ }}\n\
         http {{\n\
         access_log off; client_body_temp_path {dir}/body; proxy_temp_path {dir}/temp;\n\
         fastcgi_temp_path {dir}/fastcgi; uwsgi_temp_path {dir}/uwsgi; scgi_temp_path {dir}/scgi;\n\
         proxy_read_timeout {patience};\n\
         {map}\n\
         server {{\n\
         listen 127.0.0.1:{listen};\n\
         {location}\
         }} }}\n"
    )
}

/// HAProxy as the README has it, listening like this in front of this port.
fn haproxy(program: &Path, folder: Folder, tls: bool, upstream: u16, patience: &str) -> Proxy {
    Proxy::start(program, &["-db", "-f"], folder, |dir, port| {
        let bind = match tls {
            true => format!("127.0.0.1:{port} ssl crt {}/both.pem", dir.display()),
            false => format!("127.0.0.1:{port}"),
        };
        let lines = put(&of_readme("frontend "), ":443 ssl crt site.pem", &bind);
        let lines = put(&lines, "127.0.0.1:8080", &format!("127.0.0.1:{upstream}"));
        let lines = put(&lines, "tunnel 60s", &format!("tunnel {patience}"));
        format!(
            "defaults\n  mode http\n  timeout connect 5s\n  timeout client 30s\n  timeout server 30s\n{lines}"
        )
    })
}

#[test]
fn nginx_ends_tls_and_gives_the_site_a_path() {
    let Some((program, folder, server)) = prepared("nginx") else {
        return;
    };
    let proxy = nginx(&program, folder, server.port());
    let browser = Browser::start();
    use_it(&proxy, &browser);
}

/// A site below a path, behind a proxy of this machine, where people log in.
fn locked_site() -> Folder {
    let place = Folder::new();
    place.write("lua/main.lua", LOCKED);
    place.write("viewdefs/App.DEFAULT.html", LOCKED_VIEWDEF);
    place.write(
        "lunette.toml",
        "[server]\nbase_path = \"/apps/book\"\ntrusted_proxies = [\"127.0.0.1\"]\n\
         [auth]\nmode = \"users\"\nusers = \"users\"\n",
    );
    place
}

#[test]
fn people_log_in_and_out_below_a_path_behind_nginx() {
    let Some(program) = installed("nginx") else {
        return;
    };
    let folder = Folder::new();
    if !certificate(&folder.0) {
        return;
    }
    let place = locked_site();
    let users = place.0.join("users");
    set_password(&users, "ann", b"correct horse").expect("a user");
    let server = Server::with_flags(&place.0, &["-v"]);
    let proxy = nginx(&program, folder, server.port());
    let browser = Browser::start();
    let mut page = browser.blank();
    page.trust_everybody();
    // That it answers 401 is no error here.
    page.server_may_be_away();
    page.goto(&proxy.url("/apps/book/notes?a=1"));
    let log_in = |page: &mut Page| {
        page.wait_for("document.querySelector('form.card')");
        assert_eq!(
            page.eval("document.querySelector('form.card').getAttribute('action')"),
            "/apps/book/login"
        );
        page.fill("[name=name]", "ann");
        page.fill("[name=password]", "correct horse");
        page.press("Enter");
        page.wait_for_text("#who", "ann");
    };
    log_in(&mut page);
    page.wait_for("/^\\/apps\\/book\\/[0-9a-f]{32}\\/notes$/.test(location.pathname)");
    assert_eq!(page.eval("location.search"), "?a=1");
    let cookie = |page: &mut Page| {
        let all = page.connection.command("Network.getCookies", json!({}));
        let all = all["cookies"].as_array().cloned().unwrap_or_default();
        all.into_iter().find(|one| one["name"] == "lunette-login")
    };
    let login = cookie(&mut page).expect("a login");
    assert_eq!(login["path"], "/apps/book/");
    assert_eq!(
        (&login["secure"], &login["httpOnly"]),
        (&json!(true), &json!(true))
    );
    assert!(server.log().contains("\"ann\" logged in from 127.0.0.1"));
    // By the button of the site's own template, and by the page with the button.
    page.click("#out");
    page.wait_for("document.querySelector('form.card')");
    page.wait_for("location.pathname === '/apps/book/'");
    assert_eq!(cookie(&mut page), None);
    log_in(&mut page);
    page.goto(&proxy.url("/apps/book/logout"));
    page.click("button");
    page.wait_for("location.pathname === '/apps/book/' && document.querySelector('form.card')");
    assert_eq!(cookie(&mut page), None);
}

/// Whether a connection outlives so many pings, each of which is answered: to its end it is still one.
fn outlives(proxy: &Proxy, pings: usize) -> bool {
    let connect = || {
        let stream = TcpStream::connect(("127.0.0.1", proxy.port)).expect("a connection");
        let patience = Some(Duration::from_secs(30));
        stream.set_read_timeout(patience).expect("a deadline");
        stream
    };
    let mut stream = connect();
    stream
        .write_all(b"GET /apps/book/ HTTP/1.1\r\nHost: localhost\r\nAccept: text/html\r\n\r\n")
        .expect("sent");
    let answer = read_answer(&mut stream);
    let session = answer
        .split("/apps/book/")
        .nth(1)
        .unwrap_or_else(|| panic!("{answer}"));
    let mut stream = connect();
    let request = handshake(&session[..32], "localhost", "").replace("/ws/", "/apps/book/ws/");
    stream.write_all(request.as_bytes()).expect("sent");
    assert_eq!(status(&read_answer(&mut stream)), "101");
    for _ in 0..pings {
        match try_receive(&mut stream) {
            Ok((0x89, payload)) => stream.write_all(&frame(0x8a, &payload)).expect("sent"),
            Ok((first, _)) => panic!("a frame of kind {first}"),
            Err(_) => return false,
        }
    }
    stream
        .write_all(&frame(0x81, WATCH_APP.as_bytes()))
        .expect("sent");
    loop {
        match try_receive(&mut stream) {
            Ok((0x81, _)) => return true,
            Ok(_) => {}
            Err(_) => return false,
        }
    }
}

/// A server below a path that pings so often.
fn pinging(interval: &'static str) -> Server {
    Server::demo_in(&[
        ("LUNETTE_BASE_PATH", "/apps/book"),
        ("LUNETTE_NET_PING_INTERVAL", interval),
    ])
}

#[test]
fn pings_keep_idle_pages_connected_through_nginx() {
    let Some(program) = installed("nginx") else {
        return;
    };
    let start = |server: &Server| {
        Proxy::start(&program, &["-c"], Folder::new(), |dir, port| {
            let dir = dir.display().to_string();
            nginx_config(&dir, &port.to_string(), server.port(), "1s")
        })
    };
    // Pings that come more seldom than the proxy is patient do not help.
    let seldom = pinging("10s");
    assert!(!outlives(&start(&seldom), 1));
    let often = pinging("300ms");
    assert!(outlives(&start(&often), 10));
}

#[test]
fn pings_keep_idle_pages_connected_through_haproxy() {
    let Some(program) = installed("haproxy") else {
        return;
    };
    let start = |server: &Server| haproxy(&program, Folder::new(), false, server.port(), "1s");
    let seldom = pinging("10s");
    assert!(!outlives(&start(&seldom), 1));
    let often = pinging("300ms");
    assert!(outlives(&start(&often), 10));
}

#[test]
fn haproxy_ends_tls_and_gives_the_site_a_path() {
    let Some((program, folder, server)) = prepared("haproxy") else {
        return;
    };
    let proxy = haproxy(&program, folder, true, server.port(), "3s");
    let browser = Browser::start();
    use_it(&proxy, &browser);
}

/// A connection from another address of this machine: not from one that the server trusts as a proxy.
fn from_elsewhere(port: u16) -> TcpStream {
    let fd = socket(AddressFamily::INET, SocketType::STREAM, None).expect("a socket");
    bind(&fd, &SocketAddr::from(([127, 0, 0, 2], 0))).expect("an address of this machine");
    connect(&fd, &SocketAddr::from(([127, 0, 0, 1], port))).expect("a connection");
    let stream = TcpStream::from(fd);
    let patience = Some(Duration::from_secs(30));
    stream.set_read_timeout(patience).expect("a deadline");
    stream
}

#[test]
fn behind_the_proxies_of_the_readme_nobody_says_where_they_are() {
    let place = locked_site();
    set_password(&place.0.join("users"), "ann", b"correct horse").expect("a user");
    let nginx_plain = |program: &Path, upstream: u16| {
        Proxy::start(program, &["-c"], Folder::new(), |dir, port| {
            nginx_config(
                &dir.display().to_string(),
                &port.to_string(),
                upstream,
                "3s",
            )
        })
    };
    let haproxy_plain =
        |program: &Path, upstream: u16| haproxy(program, Folder::new(), false, upstream, "3s");
    type Start<'a> = &'a dyn Fn(&Path, u16) -> Proxy;
    for (name, start) in [
        ("nginx", &nginx_plain as Start<'_>),
        ("haproxy", &haproxy_plain),
    ] {
        let Some(program) = installed(name) else {
            continue;
        };
        let server = Server::with_flags(&place.0, &["-v"]);
        let proxy = start(&program, server.port());
        let mut stream = from_elsewhere(proxy.port);
        let body = "name=eve&password=guess";
        let request = format!(
            "POST /apps/book/login HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: 192.0.2.9\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).expect("sent");
        assert_eq!(status(&read_answer(&mut stream)), "401");
        let log = server.log();
        assert!(
            log.contains("refused a login as \"eve\" from 127.0.0.2") && !log.contains("192.0.2.9"),
            "{name}: {log}"
        );
    }
}
