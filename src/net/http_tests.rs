use super::*;

const MAX: usize = 16 * 1024;

fn read(head: &str) -> Result<Request, Refusal> {
    let parsed = parse_head(head.as_bytes(), &NetLimits::default())?;
    let (request, len) = parsed.expect("the head is complete");
    assert_eq!(len, head.len());
    Ok(request)
}

fn status(head: &[u8]) -> u16 {
    match parse_head(head, &NetLimits::default()) {
        Err(refusal) => refusal.status,
        Ok(None) => 0,
        Ok(Some(_)) => 200,
    }
}

#[test]
fn an_ordinary_request() {
    let request = read(
        "GET /a/b?c=d&e?f HTTP/1.1\r\nHost: localhost:8080\r\nAccept: text/html;q=0.9, */*\r\n\
         Accept-Encoding: br, gzip\r\nCookie: a=b; ui-session=00ff; c=\r\nIf-None-Match: \"x\", W/\"y\"\r\n\
         Origin: http://localhost:8080\r\n\r\n",
    )
    .unwrap();
    assert_eq!(request.method(), Method::Get);
    assert_eq!(request.path(), "/a/b");
    assert_eq!(request.query(), Some("c=d&e?f"));
    assert_eq!(request.host(), "localhost:8080");
    assert_eq!(request.origin(), Some("http://localhost:8080"));
    assert_eq!(request.cookie("ui-session"), Some("00ff"));
    assert_eq!(request.cookie("c"), Some(""));
    assert_eq!(request.cookie("d"), None);
    assert!(request.accepts_html() && request.accepts_gzip() && request.keep_alive());
    assert!(request.has_etag("\"x\"") && request.has_etag("\"y\"") && !request.has_etag("\"z\""));
    assert_eq!(request.websocket_key(), Ok(None));
}

#[test]
fn preferences_of_zero_are_refusals() {
    let request = read(
        "HEAD / HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip;q=0\r\nAccept: text/html; q=0.0\r\n\
         Connection: keep-alive, Close\r\n\r\n",
    )
    .unwrap();
    assert_eq!(request.method(), Method::Head);
    assert!(!request.accepts_gzip() && !request.accepts_html() && !request.keep_alive());
    let old = read("GET / HTTP/1.0\r\nHost: a\r\n\r\n").unwrap();
    assert!(!old.keep_alive());
}

/// Status (0: more is needed) and head.
const TABLE: &[(u16, &str)] = &[
    (
        200,
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
    ),
    (200, "GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n"),
    (200, "GET / HTTP/1.0\r\nHost: a\r\n\r\n"),
    (0, "GET / HTTP/1.1\r\nHost: a\r\n"),
    (0, "GET / HTTP/1.1\r\nHost: a\r\n\r"),
    (0, ""),
    // Framing.
    (
        400,
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n",
    ),
    (
        400,
        "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n",
    ),
    (
        400,
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n",
    ),
    (
        400,
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\n",
    ),
    (
        400,
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 5\r\n\r\n",
    ),
    (400, "GET / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n"),
    (
        400,
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n",
    ),
    // Host.
    (400, "GET / HTTP/1.1\r\n\r\n"),
    (400, "GET / HTTP/1.0\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\nHost:\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\nHost: a:b\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n"),
    // The request line.
    (400, "GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n"),
    (405, "CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, "GET a:80 HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, "GET * HTTP/1.1\r\nHost: a\r\n\r\n"),
    (405, "POST / HTTP/1.1\r\nHost: a\r\n\r\n"),
    (501, "get / HTTP/1.1\r\nHost: a\r\n\r\n"),
    (501, "BREW / HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, "GET /\r\n"),
    (400, "GET / \r\n"),
    (400, "GET  / HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, "GET / FTP/1.1\r\nHost: a\r\n\r\n"),
    (505, "GET / HTTP/2.0\r\nHost: a\r\n\r\n"),
    (505, "PRI * HTTP/2.0\r\n\r\n"),
    (400, "GET /\u{e4} HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, "GET /\" HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, "GET /< HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, "GET /> HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, "GET /# HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, "GET /\\ HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, "GET /?\\ HTTP/1.1\r\nHost: a\r\n\r\n"),
    // Lines.
    (400, "GET / HTTP/1.1\nHost: a\n\n"),
    (400, "GET / HTTP/1.1\r\nHost: a\n\r\n"),
    (400, "GET / HTTP/1.1\r\nHost: a\rb: c\r\n\r\n"),
    (400, "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, "\nGET"),
    (400, "GET /\0"),
    (400, "GET / HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\nHost: a\r\n folded: x\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\nHost: a\r\n: empty\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\nHost: a\r\nX: \u{1}\r\n\r\n"),
];

const UPLOAD: &str = "/0123456789abcdef0123456789abcdef/upload/00000000000000000000000000000001";

#[test]
fn only_uploads_have_a_body_and_say_how_long_it_is() {
    let head =
        |target: &str, fields: &str| format!("PUT {target} HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
    let put = read(&head(UPLOAD, "Content-Length: 12345678901\r\n")).unwrap();
    assert_eq!(
        (put.method(), put.body_bytes()),
        (Method::Put, 12_345_678_901)
    );
    assert_eq!(
        read(&head(UPLOAD, "Content-Length: 000\r\n"))
            .unwrap()
            .body_bytes(),
        0
    );
    for (expected, fields) in [
        (411, ""),
        (400, "Content-Length: +5\r\n"),
        (400, "Content-Length: 5, 5\r\n"),
        (400, "Content-Length: 5\r\nContent-Length: 5\r\n"),
        (400, "Transfer-Encoding: chunked\r\n"),
        (400, "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"),
        (413, "Content-Length: 18446744073709551616\r\n"),
    ] {
        assert_eq!(
            status(head(UPLOAD, fields).as_bytes()),
            expected,
            "{fields}"
        );
    }
    for target in [
        "/",
        "/upload/00000000000000000000000000000001",
        &UPLOAD.replace("upload", "download"),
        &UPLOAD.to_uppercase(),
        &format!("{UPLOAD}/"),
        &format!("{UPLOAD}?a"),
    ] {
        let refused = status(head(target, "Content-Length: 5\r\n").as_bytes());
        assert_eq!(refused, 405, "{target}");
    }
    // Behind a proxy a server may have a path of its own.
    let below = head(&format!("/a{UPLOAD}"), "Content-Length: 5\r\n");
    assert_eq!(status(below.as_bytes()), 200);
}

#[test]
fn numbers_and_expectations_are_exact() {
    let get = |fields: &str| read(&format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n")).unwrap();
    assert_eq!(get("").number("upload-offset"), Ok(None));
    assert_eq!(
        get("Upload-Offset: 17\r\n").number("upload-offset"),
        Ok(Some(17))
    );
    for bad in [
        "",
        "+1",
        "1 2",
        "-1",
        "x",
        "18446744073709551616",
        "1\r\nUpload-Offset: 1",
    ] {
        let request = get(&format!("Upload-Offset: {bad}\r\n"));
        let status = request
            .number("upload-offset")
            .map_err(|refusal| refusal.status);
        assert_eq!(status, Err(400), "{bad}");
    }
    assert_eq!(get("").expects_continue(), Ok(false));
    assert_eq!(get("Expect: 100-Continue\r\n").expects_continue(), Ok(true));
    assert!(
        get("Expect: 100-continue, x\r\n")
            .expects_continue()
            .is_err()
    );
}

#[test]
fn every_refusal() {
    for (expected, head) in TABLE {
        assert_eq!(status(head.as_bytes()), *expected, "{head:?}");
        for cut in 0..head.len() {
            let early = status(&head.as_bytes()[..cut]);
            assert!(
                early == 0 || early == *expected,
                "{head:?} cut at {cut}: {early}"
            );
        }
    }
}

#[test]
fn too_much_of_everything() {
    let start = "GET / HTTP/1.1\r\nHost: a\r\n";
    let fields = |n| (0..n).map(|i| format!("x{i}: y\r\n")).collect::<String>();
    assert_eq!(status(format!("{start}{}\r\n", fields(63)).as_bytes()), 200);
    assert_eq!(status(format!("{start}{}\r\n", fields(64)).as_bytes()), 431);
    assert_eq!(status(format!("{start}{}", fields(80)).as_bytes()), 431);
    let long = |n| format!("{start}x: {}\r\n\r\n", "y".repeat(n - start.len() - 7));
    assert_eq!(long(MAX).len(), MAX);
    assert_eq!(status(long(MAX).as_bytes()), 200);
    assert_eq!(status(long(MAX + 1).as_bytes()), 431);
    assert_eq!(status("G".repeat(MAX - 1).as_bytes()), 0);
    assert_eq!(status("G".repeat(MAX).as_bytes()), 431);
}

#[test]
fn what_follows_the_head_is_left() {
    let two = "GET /a HTTP/1.1\r\nHost: a\r\n\r\nGET /b HTTP/1.1\r\nHost: a\r\n\r\n";
    let (first, n) = parse_head(two.as_bytes(), &NetLimits::default())
        .unwrap()
        .unwrap();
    assert_eq!(first.path(), "/a");
    let (second, m) = parse_head(&two.as_bytes()[n..], &NetLimits::default())
        .unwrap()
        .unwrap();
    assert_eq!(second.path(), "/b");
    assert_eq!(n + m, two.len());
}

#[test]
fn a_websocket_handshake_is_exact() {
    let ask = |fields: &str| {
        let head = format!("GET /ws/x HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
        let request = read(&head).unwrap();
        request
            .websocket_key()
            .map(|k| k.map(str::to_owned))
            .map_err(|r| r.status)
    };
    let good =
        "Upgrade: WebSocket\r\nConnection: keep-alive, upgrade\r\nSec-WebSocket-Version: 13\r\n";
    let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    assert_eq!(
        ask(&format!("{good}{key}")),
        Ok(Some("dGhlIHNhbXBsZSBub25jZQ==".to_owned()))
    );
    assert_eq!(ask(""), Ok(None));
    assert_eq!(ask("Upgrade: h2c\r\nConnection: upgrade\r\n"), Ok(None));
    assert_eq!(ask(good), Err(400));
    assert_eq!(ask(&format!("{good}{key}{key}")), Err(400));
    assert_eq!(
        ask(&format!("{good}Sec-WebSocket-Key: short\r\n")),
        Err(400)
    );
    let no_connection = good.replace("upgrade\r\n", "x\r\n");
    assert_eq!(ask(&format!("{no_connection}{key}")), Err(400));
    for version in ["8", "", "13, 13"] {
        let other = good.replace("13", version);
        assert_eq!(ask(&format!("{other}{key}")), Err(426), "{version}");
    }
    let offers = read(
        "GET / HTTP/1.1\r\nHost: a\r\nSec-WebSocket-Protocol: a,b\r\nSec-WebSocket-Protocol: c\r\n\r\n",
    )
    .unwrap();
    assert!(offers.subprotocols().eq(["a", "b", "c"]));
}
