use std::collections::BTreeSet;

use super::super::response::Body;
use super::*;

const GET: &[u8] = b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n";
const UPGRADE: &[u8] =
    b"GET /ws/x HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

struct Peer {
    connection: Connection,
    limits: NetLimits,
    now: u64,
}

impl Peer {
    fn new() -> Peer {
        let limits = NetLimits::default();
        Peer {
            connection: Connection::new(&limits, 0),
            limits,
            now: 0,
        }
    }

    fn turn(&self) -> Turn {
        Turn {
            now: self.now,
            wall: 0,
        }
    }

    fn feed(&mut self, bytes: &[u8]) {
        self.connection.receive(bytes, &self.limits, self.now);
    }

    fn next(&mut self) -> Option<Action> {
        self.connection.next(&self.limits, self.turn())
    }

    /// Answers requests as a server would; returns what else happened.
    fn serve(&mut self) -> Vec<String> {
        let mut seen = Vec::new();
        while let Some(action) = self.next() {
            match action {
                Action::Request(request) => {
                    seen.push(format!("request {}", request.path()));
                    match request.websocket_key() {
                        Ok(Some(key)) => {
                            self.connection.upgrade(key, None, &self.limits, self.now);
                        }
                        _ => {
                            let response = Response::new(200).body(Body::Static(b"body"));
                            self.respond(&request, response);
                        }
                    }
                }
                Action::Text(text) => seen.push(format!("text {text}")),
                other => seen.push(format!("{other:?}")),
            }
        }
        seen
    }

    fn respond(&mut self, request: &Request, response: Response) {
        self.connection
            .respond(Some(request), response, &self.limits, self.turn());
    }

    fn take_output(&mut self) -> Vec<u8> {
        let mut all = Vec::new();
        while !self.connection.pending().is_empty() {
            let bytes = self.connection.pending().to_vec();
            self.connection.sent(bytes.len(), &self.limits, self.now);
            all.extend(bytes);
        }
        all
    }

    fn wait_for_deadline(&mut self) -> Option<Action> {
        self.now = self.connection.deadline();
        self.connection.handle_timeout(&self.limits, self.turn())
    }
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let mut peer = Peer::new();
    peer.feed(&[GET, GET, &GET[..10]].concat());
    assert_eq!(peer.serve(), ["request /a", "request /a"]);
    let out = String::from_utf8(peer.take_output()).unwrap();
    assert_eq!(out.matches("HTTP/1.1 200 OK").count(), 2);
    peer.feed(&GET[10..]);
    assert_eq!(peer.serve(), ["request /a"]);
}

#[test]
fn portions_do_not_matter() {
    let text = b"\x81\x83\0\0\0\0abc\x88\x80\0\0\0\0";
    for bytes in [
        [GET, GET, UPGRADE, text].concat(),
        [GET, b"get / HTTP/1.1\r\n\r\n", GET].concat(),
        [GET, b"GET / HTTP/1.1\n\n"].concat(),
        [&b"X".repeat(20_000), GET].concat(),
        [UPGRADE, b"\x01\x80\0\0\0\0\xff"].concat(),
    ] {
        let run = |size: usize| {
            let mut peer = Peer::new();
            let mut seen = Vec::new();
            for part in bytes.chunks(size) {
                peer.feed(part);
                seen.extend(peer.serve());
            }
            peer.connection.receive_end();
            seen.extend(peer.serve());
            (seen, peer.take_output())
        };
        let whole = run(usize::MAX);
        for size in [1, 2, 3, 7, 64, 1000] {
            assert!(whole == run(size), "{size}: {whole:?} {:?}", run(size));
        }
    }
}

#[test]
fn a_refusal_is_sent_and_then_the_end_is_awaited() {
    let mut peer = Peer::new();
    peer.feed(b"POST / HTTP/1.1\r\nHost: a\r\n\r\nbody");
    assert!(matches!(peer.next(), Some(Action::Refused(r)) if r.status == 405));
    assert_eq!(peer.next(), None);
    assert!(!peer.connection.take_shutdown(), "first the answer");
    assert!(peer.take_output().starts_with(b"HTTP/1.1 405 "));
    assert!(peer.connection.take_shutdown() && !peer.connection.take_shutdown());
    peer.feed(b"more body");
    assert!(!peer.connection.is_finished());
    peer.connection.receive_end();
    assert!(peer.connection.is_finished());
}

#[test]
fn a_peer_that_shuts_its_side_still_gets_its_answer() {
    let mut peer = Peer::new();
    peer.feed(GET);
    peer.connection.receive_end();
    assert_eq!(peer.serve(), ["request /a"]);
    assert!(!peer.connection.is_finished());
    assert!(peer.take_output().ends_with(b"body"));
    assert!(peer.connection.take_shutdown() && peer.connection.is_finished());
}

#[test]
fn slow_heads_and_idle_connections_end() {
    let mut silent = Peer::new();
    assert_eq!(silent.connection.deadline(), 10_000);
    assert_eq!(silent.wait_for_deadline(), None);
    assert!(silent.connection.is_finished());

    let mut slow = Peer::new();
    slow.now = 9_000;
    slow.feed(b"GET / HT");
    assert!(matches!(slow.wait_for_deadline(), Some(Action::Refused(r)) if r.status == 408));
    assert_eq!(slow.now, 10_000);
    assert!(slow.take_output().starts_with(b"HTTP/1.1 408 "));

    let mut idle = Peer::new();
    idle.feed(GET);
    idle.serve();
    idle.now = 5_000;
    idle.take_output();
    assert_eq!(idle.connection.deadline(), 20_000);
    assert_eq!(idle.wait_for_deadline(), None);
    assert!(idle.connection.is_finished());

    let mut late = Peer::new();
    late.feed(GET);
    late.serve();
    late.take_output();
    late.now = 14_999;
    late.feed(b"GET");
    assert_eq!(late.connection.deadline(), 24_999);

    let mut stuck = Peer::new();
    stuck.feed(GET);
    stuck.serve();
    assert_eq!(stuck.connection.deadline(), 20_000);
    assert_eq!(stuck.wait_for_deadline(), None);
    assert!(stuck.connection.is_finished());
}

#[test]
fn pings_and_the_death_of_a_silent_peer() {
    let mut peer = Peer::new();
    peer.feed(UPGRADE);
    peer.serve();
    assert!(peer.take_output().starts_with(b"HTTP/1.1 101 "));
    for _ in 0..5 {
        assert_eq!(peer.wait_for_deadline(), None);
        assert_eq!(peer.take_output(), b"\x89\0");
        peer.feed(b"\x8a\x80\0\0\0\0");
        assert_eq!(peer.serve(), ["Alive"]);
    }
    assert_eq!(peer.wait_for_deadline(), None);
    assert_eq!(peer.wait_for_deadline(), None);
    assert!(matches!(
        peer.wait_for_deadline(),
        Some(Action::Left { code: 1006, .. })
    ));
    assert_eq!(peer.now, 8 * 25_000);
    assert!(peer.connection.is_finished());
}

#[test]
fn peers_that_came_one_after_the_other_are_pinged_together() {
    let come_at = |now| {
        let mut peer = Peer::new();
        peer.now = now;
        peer.feed(UPGRADE);
        peer.serve();
        peer.connection.deadline()
    };
    let times: BTreeSet<u64> = (0..50_000).step_by(200).map(come_at).collect();
    let times: Vec<u64> = times.into_iter().collect();
    assert_eq!(times.len(), 16, "eight in each interval: {times:?}");
    assert!(times.windows(2).all(|pair| pair[1] - pair[0] == 25_000 / 8));
    let early = (0..50_000)
        .step_by(200)
        .map(|now| now + 25_000 - come_at(now));
    assert!(early.max() < Some(25_000 / 8));
}

#[test]
fn the_output_is_capped_but_one_large_frame_fits() {
    let mut peer = Peer::new();
    peer.limits.output_bytes = 1000;
    peer.feed(UPGRADE);
    peer.serve();
    peer.take_output();
    let send = |peer: &mut Peer, n: usize| {
        let Peer {
            connection, limits, ..
        } = peer;
        connection.send_text(limits, |out| out.extend(std::iter::repeat_n(b'x', n)))
    };
    assert!(send(&mut peer, 5000));
    assert!(!send(&mut peer, 1));
    assert_eq!(peer.take_output().len(), 5004);
    assert!(send(&mut peer, 500) && !send(&mut peer, 500));
    peer.connection.close(1013, "slow", &peer.limits, 7);
    assert_eq!(peer.connection.deadline(), 3_007);
    let out = peer.take_output();
    assert_eq!(&out[504..], b"\x88\x06\x03\xf5slow");
    assert!(matches!(
        peer.wait_for_deadline(),
        Some(Action::Left { .. })
    ));
}

#[test]
fn pongs_wait_like_everything_else_and_no_longer() {
    let mut peer = Peer::new();
    peer.limits.output_bytes = 1000;
    peer.feed(UPGRADE);
    peer.serve();
    peer.take_output();
    let ping = [&[0x89, 0xfd, 0, 0, 0, 0][..], &[b'x'; 125]].concat();
    for _ in 0..100 {
        peer.feed(&ping);
        assert_eq!(peer.serve(), ["Alive"]);
        assert_eq!(peer.take_output().len(), 127);
    }
    peer.feed(&ping.repeat(20));
    let seen = peer.serve();
    assert!(seen.len() < 10, "{seen:?}");
    assert!(seen[seen.len() - 1].contains("1013"), "{seen:?}");
    assert!(peer.connection.pending().len() < 1_200);
}

#[test]
fn a_streamed_body_is_read_as_it_is_taken() {
    let bytes: Vec<u8> = (0..200_000u32).map(|i| i as u8).collect();
    for missing in [0, 1] {
        let mut peer = Peer::new();
        peer.feed(&[GET, GET].concat());
        let Some(Action::Request(request)) = peer.next() else {
            panic!("no request");
        };
        let reader = Box::new(std::io::Cursor::new(bytes.clone()));
        let len = bytes.len() as u64 + missing;
        peer.respond(
            &request,
            Response::new(200).body(Body::Stream { reader, len }),
        );
        assert!(peer.connection.pending().len() < 70_000);
        assert_eq!(peer.next(), None, "the next request waits");
        let out = peer.take_output();
        if missing == 0 {
            assert!(out.ends_with(&bytes));
            assert_eq!(peer.serve(), ["request /a"]);
        } else {
            assert!(peer.connection.is_finished());
        }
    }
}

#[test]
fn an_abort_is_reported_once() {
    let mut peer = Peer::new();
    peer.feed(UPGRADE);
    peer.serve();
    peer.connection.abort();
    assert!(matches!(peer.next(), Some(Action::Left { code: 1006, .. })));
    assert_eq!(peer.next(), None);
    assert!(peer.connection.is_finished());
}

#[test]
fn a_body_of_unknown_length_comes_in_pieces() {
    for (head, framed) in [("GET /a HTTP/1.1", true), ("GET /a HTTP/1.0", false)] {
        let mut peer = Peer::new();
        peer.feed(format!("{head}\r\nHost: localhost\r\n\r\n").as_bytes());
        let Some(Action::Request(request)) = peer.next() else {
            panic!("no request");
        };
        let Peer {
            connection, limits, ..
        } = &mut peer;
        let turn = Turn { now: 5, wall: 0 };
        connection.begin_chunks(Some(&request), Response::new(200), limits, turn);
        connection.push_chunk(b"hello");
        connection.push_chunk(b"");
        connection.push_chunk(b" you");
        connection.end_chunks(limits, 5);
        connection.push_chunk(b"too late");
        let out = String::from_utf8(peer.take_output()).unwrap();
        let (fields, body) = out.split_once("\r\n\r\n").unwrap();
        assert!(!fields.contains("Content-Length"), "{fields}");
        assert_eq!(fields.contains("Transfer-Encoding: chunked"), framed);
        let expected = match framed {
            true => "5\r\nhello\r\n4\r\n you\r\n0\r\n\r\n",
            false => "hello you",
        };
        assert_eq!(body, expected);
        // Without lengths only the end of the connection tells that all has come.
        assert_eq!(peer.connection.take_shutdown(), !framed);
        if framed {
            peer.feed(GET);
            assert_eq!(peer.serve(), ["request /a"]);
        }
    }
}

const PUT: &[u8] =
    b"PUT /0123456789abcdef0123456789abcdef/upload/00000000000000000000000000000001 HTTP/1.1\r\n\
    Host: a\r\nContent-Length: 10\r\n\r\n";

impl Peer {
    /// Takes the head of a request with a body.
    fn take_put(&mut self) -> Box<Request> {
        match self.next() {
            Some(Action::Request(request)) => request,
            other => panic!("{other:?}"),
        }
    }

    /// Takes a body to its end.
    fn take_body(&mut self) -> (Vec<u8>, bool) {
        let mut body = Vec::new();
        while let Some(action) = self.next() {
            let Action::Body { data, last } = action else {
                panic!("{action:?}");
            };
            body.extend(data);
            if last {
                return (body, true);
            }
        }
        (body, false)
    }
}

#[test]
fn a_body_comes_in_portions_and_what_follows_it_is_the_next_request() {
    let bytes = [PUT, b"0123456789", GET].concat();
    for size in [1, 7, 150, 1000] {
        let mut peer = Peer::new();
        let mut portions = bytes.chunks(size);
        let request = loop {
            peer.feed(portions.next().unwrap());
            if peer.connection.has_work()
                && let Some(Action::Request(request)) = peer.next()
            {
                break request;
            }
        };
        peer.connection.accept_body(true, &peer.limits, peer.now);
        let mut body = Vec::new();
        loop {
            let (data, last) = peer.take_body();
            body.extend(data);
            if last {
                break;
            }
            assert!(peer.connection.wants_input());
            peer.feed(portions.next().unwrap());
        }
        assert_eq!(body, b"0123456789");
        assert!(!peer.connection.wants_input(), "it waits for its answer");
        peer.respond(&request, Response::new(204));
        portions.for_each(|portion| peer.feed(portion));
        assert_eq!(peer.serve(), ["request /a"], "{size}");
        let out = String::from_utf8(peer.take_output()).unwrap();
        assert!(out.contains("HTTP/1.1 204 No Content\r\n") && !out.contains("length: 0"));
        // Only a peer that has sent nothing yet needs to be told.
        assert_eq!(
            out.contains("100 Continue"),
            PUT.len().is_multiple_of(size),
            "{size}: {out}"
        );
    }
}

#[test]
fn a_body_that_nobody_takes_ends_the_connection() {
    let mut peer = Peer::new();
    peer.feed(&[PUT, b"0123456789", GET].concat());
    let request = peer.take_put();
    peer.respond(&request, Response::new(204));
    assert_eq!(peer.next(), None, "the rest is no request");
    let out = String::from_utf8(peer.take_output()).unwrap();
    assert!(out.contains("Connection: close\r\n"), "{out}");
    assert!(peer.connection.take_shutdown());
}

#[test]
fn a_body_that_stalls_is_given_up_and_one_that_moves_is_not() {
    let mut peer = Peer::new();
    peer.feed(PUT);
    peer.take_put();
    peer.connection.accept_body(false, &peer.limits, peer.now);
    for _ in 0..5 {
        peer.now = peer.connection.deadline() - 1;
        peer.feed(b"x");
        assert_eq!(peer.take_body(), (b"x".to_vec(), false));
        assert!(
            peer.connection
                .handle_timeout(&peer.limits, peer.turn())
                .is_none()
        );
    }
    assert!(matches!(peer.wait_for_deadline(), Some(Action::Refused(r)) if r.status == 408));
    assert!(peer.take_output().starts_with(b"HTTP/1.1 408 "));

    let mut gone = Peer::new();
    gone.feed(PUT);
    gone.take_put();
    gone.connection.accept_body(false, &gone.limits, gone.now);
    gone.feed(b"abc");
    gone.connection.receive_end();
    assert_eq!(gone.take_body(), (b"abc".to_vec(), false));
    assert!(gone.connection.is_finished());
}

#[test]
fn a_flood_of_messages_ends_with_a_close_and_a_steady_stream_does_not() {
    let text: &[u8] = &[0x81, 0x82, 0, 0, 0, 0, b'{', b'}'];
    let ping: &[u8] = &[0x89, 0x80, 0, 0, 0, 0];
    let open = |rate| {
        let mut peer = Peer::new();
        peer.limits.message_rate = rate;
        peer.now = 1_000_000;
        peer.feed(UPGRADE);
        peer.serve();
        peer.take_output();
        peer
    };
    for bytes in [text, ping] {
        let mut flood = open(20);
        flood.feed(&bytes.repeat(200));
        assert_eq!(flood.serve().len(), 200, "ten seconds of it");
        flood.take_output();
        flood.feed(&bytes.repeat(3));
        let seen = flood.serve();
        assert!(seen[0].contains("1008") && seen.len() == 1, "{seen:?}");
        assert_eq!(flood.take_output()[2..4], 1008u16.to_be_bytes());
        assert!(flood.connection.take_shutdown());
    }
    let mut steady = open(20);
    for _ in 0..1000 {
        steady.now += 50;
        steady.feed(text);
        assert_eq!(steady.serve(), ["text {}"]);
    }
    let mut free = open(0);
    free.feed(&text.repeat(100_000));
    assert_eq!(free.serve().len(), 100_000);
}
