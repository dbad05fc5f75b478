//! What travels: heads of requests, and WebSockets, the same in all portions.

use lunette::core::event::Turn;
use lunette::net::connection::{Action, Connection};
use lunette::net::http::{Method, Refusal, Request, parse_head};
use lunette::net::limits::NetLimits;
use lunette::net::static_path::static_name;

use super::super::generator::Dice;
use super::class;

/// A head is read the same whether more of it is there or not, and what can be asked of it has an answer.
pub fn http_head(data: &[u8]) -> u64 {
    let limits = NetLimits::default();
    let whole = parse_head(data, &limits);
    let cut = crc32c::crc32c(data) as usize % (data.len() + 1);
    let early = parse_head(&data[..cut], &limits);
    match (&whole, &early) {
        (Ok(Some((_, len))), Ok(None)) => assert!(cut < *len, "complete at {len}, not at {cut}"),
        (_, Ok(None)) => {}
        (whole, early) => assert_eq!(whole, early, "cut at {cut}"),
    }
    match whole {
        Ok(None) => 0,
        Err(refusal) => class(refusal.reason),
        Ok(Some((request, len))) => {
            assert!(len <= data.len() && data[..len].ends_with(b"\r\n\r\n"));
            class(ask(&request))
        }
    }
}

fn ask(request: &Request) -> impl std::hash::Hash + use<> {
    let status = |refusal: Refusal| {
        assert!(refusal.status >= 400);
        refusal.reason
    };
    assert!(
        request.path().starts_with('/') && request.path().bytes().all(|b| b.is_ascii_graphic())
    );
    assert!(!request.host().is_empty());
    assert!(request.body_bytes() == 0 || request.method() == Method::Put);
    let _ = (
        request.origin(),
        request.cookie("ui-session"),
        request.query(),
    );
    (
        static_name(request.path()).map(drop).map_err(status),
        request
            .websocket_key()
            .map(|key| key.is_some())
            .map_err(status),
        request
            .number("upload-offset")
            .map(|n| n.is_some())
            .map_err(status),
        request.expects_continue().map_err(status),
        (
            request.accepts_html(),
            request.accepts_gzip(),
            request.keep_alive(),
        ),
        (
            request.has_etag("\"x\""),
            request.subprotocols().count().min(3),
        ),
    )
}

const UPGRADE: &[u8] =
    b"GET /ws/x HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// A WebSocket whose peer sends these bytes: whole, in random portions, and to a connection that gets rid of what it
/// sends only now and then, the same happens and the same is sent.
pub fn websocket(data: &[u8]) -> u64 {
    let whole = Played::of(data, || usize::MAX, || usize::MAX);
    let seed = u64::from(crc32c::crc32c(data)) | 1;
    let mut dice = Dice(seed);
    let portions = Played::of(data, || 1 << dice.roll(8), || usize::MAX);
    assert_eq!(whole, portions, "in portions of seed {seed}");
    let (mut dice, mut stalls) = (Dice(seed + 2), Dice(seed + 4));
    let sent = || stalls.roll(3) * stalls.roll(40);
    let stalled = Played::of(data, || 1 << dice.roll(10), sent);
    assert_eq!(whole, stalled, "stalled with seed {seed}");
    let kinds: Vec<_> = whole
        .events
        .iter()
        .map(|event| event.split(' ').next().map(str::to_owned))
        .collect();
    let last = whole.events.last().cloned();
    class((
        kinds.len().min(6),
        kinds.last().cloned(),
        last,
        whole.out.len().min(16),
    ))
}

#[derive(Debug, PartialEq)]
struct Played {
    events: Vec<String>,
    out: Vec<u8>,
}

impl Played {
    /// What comes of these bytes, fed in portions of so many, with so many of what waits sent in between.
    fn of(
        data: &[u8],
        mut portion: impl FnMut() -> usize,
        mut sent: impl FnMut() -> usize,
    ) -> Played {
        let limits = NetLimits {
            message_bytes: 2048,
            message_rate: 0,
            output_bytes: usize::MAX,
            ..NetLimits::default()
        };
        let turn = Turn::default();
        let mut played = Played {
            events: Vec::new(),
            out: Vec::new(),
        };
        let mut connection = Connection::new(&limits, 0);
        connection.receive(UPGRADE, &limits, 0);
        let mut rest = data;
        let mut ended = false;
        loop {
            while let Some(action) = connection.next(&limits, turn) {
                played.take(&mut connection, action, &limits, turn);
            }
            let n = sent().min(connection.pending().len());
            played.out.extend_from_slice(&connection.pending()[..n]);
            connection.sent(n, &limits, 0);
            if ended {
                break;
            }
            if connection.wants_input() && !rest.is_empty() {
                let (part, after) = rest.split_at(portion().clamp(1, rest.len()));
                connection.receive(part, &limits, 0);
                rest = after;
            } else {
                // What a peer that hangs up has not taken is nobody's.
                played.out.extend_from_slice(connection.pending());
                connection.sent(connection.pending().len(), &limits, 0);
                assert!(
                    connection.wants_input(),
                    "it neither has work nor wants more"
                );
                connection.receive_end();
                ended = true;
            }
        }
        played.out.extend_from_slice(connection.pending());
        played
    }

    fn take(
        &mut self,
        connection: &mut Connection,
        action: Action,
        limits: &NetLimits,
        turn: Turn,
    ) {
        match action {
            Action::Request(request) => {
                let key = request.websocket_key().expect("it is a handshake");
                connection.upgrade(key.expect("with a key"), None, limits, turn.now);
            }
            Action::Text(text) => {
                self.events.push(format!("text {text}"));
                let fits =
                    connection.send_text(limits, |out| out.extend_from_slice(text.as_bytes()));
                assert!(fits);
            }
            Action::Alive => self.events.push("alive".into()),
            Action::Left { code, reason } => self.events.push(format!("left {code} {reason}")),
            other => panic!("{other:?}"),
        }
    }
}
