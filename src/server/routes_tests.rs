use super::*;
use crate::config::PageRules;
use crate::net::http::parse_head;

struct Front {
    routes: Routes,
    sessions: SessionTable,
    random: Random,
    notice: Option<String>,
}

impl Front {
    fn new() -> Front {
        Front::with(PageRules::default())
    }

    fn with(rules: PageRules) -> Front {
        Front {
            routes: Routes::new(
                Guard::new("127.0.0.1", &[], &[]),
                StaticFiles::none(),
                rules,
                "boot",
            ),
            sessions: SessionTable::default(),
            random: Random::default(),
            notice: None,
        }
    }

    fn ask(&mut self, line: &str, fields: &str) -> String {
        let head = format!("{line} HTTP/1.1\r\n{fields}\r\n");
        let (request, _) = parse_head(head.as_bytes(), &crate::net::limits::NetLimits::default())
            .unwrap()
            .unwrap();
        let mut desk = Desk {
            sessions: &mut self.sessions,
            owner: None,
            origin: None,
            room: Quotas {
                sessions: 100_000,
                sessions_per_user: 100,
                sessions_per_address: 0,
                total_memory: 1 << 30,
            },
            memory: 0,
            full: None,
            random: &mut self.random,
            now: 0,
            notice: None,
        };
        let answer = self.routes.answer(&request, &mut desk);
        self.notice = desk.notice;
        match answer {
            Answer::WebSocket(Joining { sid, place, .. }) => {
                let Place { locale, timezone } = place;
                format!("websocket {sid} {locale} {timezone}")
            }
            Answer::Record { sid, wish } => format!("record {sid} {wish}"),
            Answer::Variables(sid) => format!("variables {sid}"),
            Answer::Download { sid, token } => format!("download {sid} {token:x}"),
            Answer::Upload { sid, token } => format!("upload {sid} {token:x}"),
            Answer::Response(response) => {
                let mut out = Vec::new();
                response.write(Some(&request), 0, &mut out);
                String::from_utf8_lossy(&out).into_owned()
            }
        }
    }

    fn get(&mut self, path: &str) -> String {
        self.ask(
            &format!("GET {path}"),
            "Host: localhost\r\nAccept: text/html\r\n",
        )
    }

    fn redirected(&mut self, path: &str) -> String {
        let got = self.get(path);
        assert!(got.starts_with("HTTP/1.1 307 "), "{path}: {got}");
        let location = got.split("Location: ").nth(1).unwrap();
        location.split("\r\n").next().unwrap().to_owned()
    }

    fn status(&mut self, line: &str, fields: &str) -> String {
        let got = self.ask(line, fields);
        got.split(' ').nth(1).unwrap().to_owned()
    }
}

#[test]
fn a_new_session_has_a_page_with_its_cookie() {
    let mut front = Front::new();
    let location = front.redirected("/");
    let sid = location.strip_prefix('/').unwrap().to_owned();
    assert!(Sid::parse(&sid).is_some());
    for rest in ["", "/", "/any/thing?x"] {
        let page = front.get(&format!("{location}{rest}"));
        assert!(page.starts_with("HTTP/1.1 200 OK\r\n"), "{page}");
        assert!(page.contains(&format!(
            "Set-Cookie: ui-session={sid}; Path=/; SameSite=Lax\r\n"
        )));
        assert!(page.contains("Content-Security-Policy: default-src 'none'; script-src 'self';"));
        assert!(page.contains("Cache-Control: no-store\r\n"));
    }
}

#[test]
fn head_reserves_nothing() {
    let mut front = Front::new();
    let got = front.ask("HEAD /", "Host: localhost\r\n");
    assert!(got.starts_with("HTTP/1.1 200 ") && got.ends_with("\r\n\r\n"));
    assert_eq!(front.sessions.next_purge(), None);
}

#[test]
fn links_lead_to_a_new_session_at_the_same_place() {
    let mut front = Front::new();
    let location = front.redirected("/contacts/7?tab=1");
    assert!(location.ends_with("/contacts/7?tab=1") && Sid::parse(&location[1..33]).is_some());
    let old = "0123456789abcdef0123456789abcdef";
    let again = front.redirected(&format!("/{old}/contacts/7?tab=1"));
    assert!(again.ends_with("/contacts/7?tab=1") && !again.contains(old));
    assert_eq!(front.redirected(&format!("/{old}")).len(), 33);
    let host = "Host: localhost\r\n";
    let page = "Host: localhost\r\nAccept: text/html\r\n";
    assert_eq!(front.status("GET /favicon.ico", page), "404");
    assert_eq!(front.status("GET /contacts", host), "404");
    assert_eq!(front.status(&format!("GET /{old}"), host), "404");
    assert_eq!(front.status("GET /../etc", page), "400");
    assert_eq!(front.status("GET /.env", page), "404");
    assert_eq!(front.status("GET /_lunette/none.js", page), "404");
}

#[test]
fn assets_are_compressed_cached_and_checked() {
    let mut front = Front::new();
    let host = "Host: localhost\r\n";
    let plain = front.ask("GET /_lunette/client.js", host);
    assert!(plain.starts_with("HTTP/1.1 200 ") && plain.contains("Cache-Control: no-cache\r\n"));
    assert!(!plain.contains("Content-Encoding"));
    let gzip = format!("{host}Accept-Encoding: gzip\r\n");
    let packed = front.ask("GET /_lunette/client.js", &gzip);
    assert!(
        packed.contains("Content-Encoding: gzip\r\n")
            && packed.contains("Vary: Accept-Encoding\r\n")
    );
    let tag = packed
        .split("ETag: ")
        .nth(1)
        .unwrap()
        .split("\r\n")
        .next()
        .unwrap();
    let fresh = front.status(
        "GET /_lunette/client.js",
        &format!("{gzip}If-None-Match: {tag}\r\n"),
    );
    assert_eq!(fresh, "304");
    let other = front.status(
        "GET /_lunette/client.js",
        &format!("{host}If-None-Match: {tag}\r\n"),
    );
    assert_eq!(other, "200");
}

#[test]
fn websockets_need_a_session_and_the_right_page() {
    let mut front = Front::new();
    let sid = front.redirected("/")[1..].to_owned();
    let upgrade = "Host: localhost:8080\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let line = format!("GET /ws/{sid}");
    let from = |origin: &str| format!("{upgrade}Origin: {origin}\r\n");
    assert_eq!(front.ask(&line, upgrade), format!("websocket {sid}  "));
    assert_eq!(
        front.ask(&line, &from("http://localhost:8080")),
        format!("websocket {sid}  ")
    );
    let foreign = front.ask(&line, &from("https://evil.example"));
    assert!(foreign.starts_with("HTTP/1.1 403 ") && foreign.contains("allowed_origins"));
    let notice = front.notice.take().unwrap();
    assert!(notice.contains("https://evil.example") && notice.contains("allowed_origins"));
    let unknown = front.ask(&format!("GET /ws/{}", "0".repeat(32)), upgrade);
    assert!(unknown.starts_with("HTTP/1.1 404 ") && unknown.ends_with("Session not found\n"));
    assert_eq!(front.status(&line, "Host: localhost\r\n"), "426");
    let rebound = upgrade.replace("localhost:8080", "evil.example");
    let refused = front.ask(&line, &rebound);
    assert!(refused.starts_with("HTTP/1.1 421 ") && refused.contains("allowed_hosts"));
    assert!(front.notice.take().unwrap().contains("allowed_hosts"));
}

#[test]
fn a_failed_session_shows_why() {
    let mut front = Front::new();
    let location = front.redirected("/");
    let sid = Sid::parse(&location[1..]).unwrap();
    let (session, _) = front.sessions.attach(sid, 0).unwrap();
    front.sessions.fail(session, "main.lua:3: <oops>".into());
    let page = front.get(&location);
    assert!(page.starts_with("HTTP/1.1 500 ") && page.contains("main.lua:3: &lt;oops&gt;"));
}

#[test]
fn scripts_of_templates_are_known_by_the_number_of_their_page() {
    let mut front = Front::with(PageRules {
        scripts: true,
        ..PageRules::default()
    });
    let location = front.redirected("/");
    let mut seen = Vec::new();
    for _ in 0..2 {
        let page = front.get(&location);
        let nonce = page.split("'nonce-").nth(1).unwrap();
        let nonce = nonce.split('\'').next().unwrap().to_owned();
        assert!(
            page.contains(&format!("<script nonce=\"{nonce}\" src=")),
            "{page}"
        );
        assert!(!page.contains("unsafe"), "{page}");
        seen.push(nonce);
    }
    assert_ne!(seen[0], seen[1]);
    let allowed = front.get("/_lunette/allowed.js");
    assert!(
        allowed.contains("export const scripts = true;"),
        "{allowed}"
    );
    assert!(
        allowed.contains("export const rawHtml = false;"),
        "{allowed}"
    );
    let allowed = Front::new().get("/_lunette/allowed.js");
    assert!(
        allowed.contains("export const scripts = false;"),
        "{allowed}"
    );
}
