use super::*;

fn endpoint(message_bytes: usize) -> WebSocketEndpoint {
    let limits = NetLimits {
        message_bytes,
        ..NetLimits::default()
    };
    WebSocketEndpoint::new(OutputQueue::default(), b"", &limits)
}

/// A client's frame, masked.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![first];
    match payload.len() {
        n @ 0..126 => out.push(0x80 | n as u8),
        n @ 126..65536 => {
            out.push(0x80 | 126);
            out.extend_from_slice(&(n as u16).to_be_bytes());
        }
        n => {
            out.push(0x80 | 127);
            out.extend_from_slice(&(n as u64).to_be_bytes());
        }
    }
    let mask = [0x12, 0x34, 0x56, 0x78];
    out.extend_from_slice(&mask);
    out.extend(payload.iter().zip(mask.iter().cycle()).map(|(b, m)| b ^ m));
    out
}

fn drain(endpoint: &mut WebSocketEndpoint) -> Vec<Incoming> {
    std::iter::from_fn(|| endpoint.read()).collect()
}

fn sent(endpoint: &mut WebSocketEndpoint) -> Vec<u8> {
    let bytes = endpoint.output().pending().to_vec();
    endpoint.output().consume(bytes.len());
    bytes
}

/// Feeds `bytes` in portions of `next_len()` and returns what came and what went.
fn run(bytes: &[u8], mut next_len: impl FnMut() -> usize) -> (Vec<Incoming>, Vec<u8>) {
    let mut endpoint = endpoint(100_000);
    let mut events = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let (part, after) = rest.split_at(next_len().clamp(1, rest.len()));
        endpoint.feed(part);
        events.extend(drain(&mut endpoint));
        rest = after;
    }
    (events, sent(&mut endpoint))
}

#[test]
fn texts_whole_in_bytes_and_in_random_portions_give_the_same() {
    let mut bytes = Vec::new();
    for len in [
        0, 1, 125, 126, 1023, 1024, 1025, 5000, 65535, 65536, 100_000,
    ] {
        bytes.extend(frame(0x81, "ä".repeat(len / 2).as_bytes()));
        bytes.extend(frame(0x89, b"ping"));
        bytes.extend(frame(0x01, b"in "));
        bytes.extend(frame(0x8a, b""));
        bytes.extend(frame(0x00, b""));
        bytes.extend(frame(0x80, b"pieces"));
    }
    bytes.extend(frame(0x88, &[0x03, 0xe8]));
    bytes.extend(frame(0x81, b"after the close"));
    let whole = run(&bytes, || usize::MAX);
    assert_eq!(whole.0.len(), 11 * 4 + 1);
    assert_eq!(
        whole.0.last(),
        Some(&Incoming::Closed {
            code: 1000,
            reason: "closed by the peer"
        })
    );
    assert!(whole.1.starts_with(b"\x8a\x04ping") && whole.1.ends_with(b"\x88\x02\x03\xe8"));
    assert!(whole == run(&bytes, || 1));
    for seed in 1..60u64 {
        let mut state = seed;
        let random = || {
            state = state
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            let width = state >> 60;
            (state >> 33) as usize % (1 << width)
        };
        assert!(whole == run(&bytes, random), "seed {seed}");
    }
}

#[test]
fn every_error_has_its_close_code() {
    let mut unmasked = frame(0x81, b"abc");
    unmasked[1] &= 0x7f;
    let table: &[(u16, Vec<u8>)] = &[
        (1002, unmasked),
        (1002, frame(0xc1, b"reserved bit")),
        (1002, frame(0x83, b"reserved opcode")),
        (1002, frame(0x8b, b"reserved control")),
        (1002, frame(0x09, b"fragmented ping")),
        (1002, frame(0x89, &[0; 126])),
        (1002, frame(0x80, b"nothing to continue")),
        (1002, [frame(0x01, b"a"), frame(0x81, b"b")].concat()),
        (1002, frame(0x88, &[3])),
        (1007, frame(0x81, b"\xff")),
        (1007, [frame(0x01, b"\xc3"), frame(0x80, b"x")].concat()),
        (1007, frame(0x88, b"\x03\xe8\xff")),
        (1009, frame(0x81, &vec![b'x'; 1001])),
        (1009, frame(0x81, &[b'x'; 1001])[..8].to_vec()),
        (
            1009,
            [frame(0x01, &[b'x'; 600]), frame(0x80, &[b'x'; 600])].concat(),
        ),
    ];
    for (code, bytes) in table {
        let mut endpoint = endpoint(1000);
        endpoint.feed(bytes);
        endpoint.feed(&frame(0x81, b"more"));
        let events = drain(&mut endpoint);
        assert!(
            matches!(events[..], [Incoming::Closed { code: c, .. }] if c == *code),
            "{code}: {events:?}"
        );
        let out = sent(&mut endpoint);
        assert_eq!((out[0], &out[2..4]), (0x88, &code.to_be_bytes()[..]));
        assert!(endpoint.is_closed() && !endpoint.has_input());
    }
}

#[test]
fn a_forbidden_close_code_is_answered_with_a_protocol_error() {
    for code in [0u16, 999, 1004, 1005, 1006, 1016, 2999, 5000] {
        let mut endpoint = endpoint(1000);
        endpoint.feed(&frame(0x88, &code.to_be_bytes()));
        assert_eq!(drain(&mut endpoint).len(), 1);
        assert_eq!(sent(&mut endpoint)[2..4], 1002u16.to_be_bytes(), "{code}");
    }
    let mut endpoint = endpoint(1000);
    endpoint.feed(&frame(0x88, b""));
    assert!(matches!(
        drain(&mut endpoint)[..],
        [Incoming::Closed { code: 1005, .. }]
    ));
    assert_eq!(sent(&mut endpoint), [0x88, 0]);
}

#[test]
fn our_close_waits_for_the_peers() {
    let mut endpoint = endpoint(1000);
    endpoint.send_text(|out| out.extend_from_slice(b"last"));
    endpoint.close(1012, &"ü".repeat(100));
    endpoint.send_text(|out| out.extend_from_slice(b"too late"));
    endpoint.ping();
    let out = sent(&mut endpoint);
    assert!(out.starts_with(b"\x81\x04last\x88\x7c\x03\xf4"));
    assert_eq!(out.len(), 6 + 2 + 124);
    endpoint.feed(&frame(0x81, b"ignored"));
    endpoint.feed(&frame(0x88, &1012u16.to_be_bytes()));
    assert!(matches!(
        drain(&mut endpoint)[..],
        [Incoming::Closed { code: 1012, .. }]
    ));
    assert!(endpoint.is_closed());
    assert_eq!(sent(&mut endpoint), b"");
}

#[test]
fn frames_to_the_peer_have_the_shortest_header() {
    for len in [0, 1, 125, 126, 127, 65535, 65536, 200_000] {
        let text: Vec<u8> = (0..len).map(|i| b'a' + (i % 23) as u8).collect();
        let mut out = b"before".to_vec();
        push_text(&mut out, |out| out.extend_from_slice(&text));
        let header: &[u8] = match len {
            0..126 => &[0x81, len as u8],
            126..65536 => &[0x81, 126, (len >> 8) as u8, len as u8],
            _ => &[
                0x81,
                127,
                0,
                0,
                0,
                0,
                0,
                (len >> 16) as u8,
                (len >> 8) as u8,
                len as u8,
            ],
        };
        assert_eq!(out, [b"before", header, &text].concat(), "{len}");
    }
}

#[test]
fn large_messages_leave_no_large_buffers() {
    let mut endpoint = endpoint(1 << 20);
    for _ in 0..3 {
        endpoint.feed(&frame(0x81, &vec![b'x'; 1 << 20]));
        assert_eq!(drain(&mut endpoint).len(), 1);
        assert!(!endpoint.pipe().frames.was_large);
        assert_eq!(endpoint.pipe().input.capacity(), 0);
    }
    endpoint.feed(&frame(0x01, &[b'x'; 5000]));
    assert_eq!(drain(&mut endpoint), []);
    assert!(
        endpoint.pipe().frames.was_large,
        "kept: a message is under way"
    );
    endpoint.feed(&frame(0x80, b"end"));
    assert_eq!(drain(&mut endpoint).len(), 1);
    assert!(!endpoint.pipe().frames.was_large);
}

#[test]
fn the_handshake_of_rfc_6455() {
    let mut out = Vec::new();
    write_handshake("dGhlIHNhbXBsZSBub25jZQ==", Some("p"), &mut out);
    let text = String::from_utf8(out).unwrap();
    assert!(text.starts_with("HTTP/1.1 101 "));
    assert!(text.contains("\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
    assert!(text.ends_with("\r\nSec-WebSocket-Protocol: p\r\n\r\n"));
}

#[test]
fn a_header_alone_takes_no_room_and_a_frame_that_is_too_large_none_either() {
    let large = frame(0x81, &vec![b'x'; 1 << 20]);
    for header in [&large[..1], &large[..9], &large[..14], &large[..500]] {
        let mut endpoint = endpoint(1 << 20);
        for byte in header {
            endpoint.feed(&[*byte]);
            assert_eq!(drain(&mut endpoint), []);
            assert!(!endpoint.has_input(), "it would be asked again and again");
        }
        assert!(!endpoint.pipe().frames.was_large);
        assert!(endpoint.pipe().input.capacity() <= 1024);
        endpoint.feed(&large[header.len()..]);
        assert_eq!(drain(&mut endpoint).len(), 1);
    }
    let mut small = endpoint(1 << 19);
    small.feed(&large[..14]);
    assert!(matches!(
        drain(&mut small)[..],
        [Incoming::Closed { code: 1009, .. }]
    ));
}
