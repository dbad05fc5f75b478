//! Sections 5.2 to 5.5: lengths, pings and pongs, reserved bits, opcodes, fragments.

use super::client::{BINARY, Case, PING, PONG, TEXT, fragments, masked};

pub fn cases() -> Vec<Case> {
    [
        lengths(),
        pings(),
        reserved_bits(),
        opcodes(),
        fragmentation(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn lengths() -> Vec<Case> {
    let mut cases = Vec::new();
    for len in [0, 1, 125, 126, 127, 128, 1023, 1024, 1025, 65_535, 65_536] {
        let text = "*".repeat(len);
        cases.push(Case::new(format!("a text of {len}")).echo(TEXT, text.as_bytes()));
        cases.push(Case::new(format!("{len} bytes")).echo(BINARY, &vec![0xfe; len]));
    }
    // Longer forms of a length than needed must not be sent, and are understood.
    let mask = [0; 4];
    let long = [&[TEXT, 0x80 | 126, 0, 2], &mask[..], b"hi"].concat();
    cases.push(
        Case::new("a length in too many bytes")
            .send_raw(&long)
            .expect(TEXT, b"hi"),
    );
    let unmasked = [TEXT, 2, b'h', b'i'];
    cases.push(Case::new("no mask").send_raw(&unmasked).fails(1002));
    cases.push(
        Case::new("no mask after a good text")
            .echo(TEXT, b"a")
            .send_raw(&unmasked)
            .fails(1002),
    );
    let endless = [&[TEXT, 0x80 | 127][..], &[0xff; 8], &mask].concat();
    cases.push(
        Case::new("a length beyond everything")
            .send_raw(&endless)
            .fails(1009),
    );
    cases
}

fn pings() -> Vec<Case> {
    let full = [0xfe; 125];
    let many = (0..10).fold(Case::new("ten pings"), |case, i| {
        let payload = format!("payload-{i}");
        case.send(PING, payload.as_bytes())
            .expect(PONG, payload.as_bytes())
    });
    vec![
        Case::new("an empty ping").send(PING, b"").expect(PONG, b""),
        Case::new("a ping")
            .send(PING, b"Hello, world!")
            .expect(PONG, b"Hello, world!"),
        Case::new("a ping of bytes")
            .send(PING, &[0, 0xff, 0xfe, 0xfd, 0xfc, 0xfb, 0, 0xff])
            .expect(PONG, &[0, 0xff, 0xfe, 0xfd, 0xfc, 0xfb, 0, 0xff]),
        Case::new("the longest ping")
            .send(PING, &full)
            .expect(PONG, &full),
        Case::new("a ping that is too long")
            .send(PING, &[0xfe; 126])
            .fails(1002),
        Case::new("a pong that is too long")
            .send(PONG, &[0xfe; 126])
            .fails(1002),
        Case::new("a pong unasked")
            .send(PONG, b"")
            .echo(TEXT, b"still here"),
        Case::new("a pong unasked, with a payload")
            .send(PONG, b"unasked")
            .echo(TEXT, b"still here"),
        Case::new("a pong unasked, then a ping")
            .send(PONG, b"unasked")
            .send(PING, b"asked")
            .expect(PONG, b"asked"),
        many,
    ]
}

fn reserved_bits() -> Vec<Case> {
    let mut cases = Vec::new();
    for bits in 1..8u8 {
        let bits = bits << 4;
        for (what, first) in [
            ("text", TEXT),
            ("bytes", BINARY),
            ("ping", PING),
            ("pong", PONG),
            ("close", 0x88),
        ] {
            let case = Case::new(format!("reserved bits {bits:x} on {what}"));
            cases.push(
                case.echo(TEXT, b"before")
                    .send(first | bits, b"")
                    .send(TEXT, b"after")
                    .fails(1002),
            );
        }
        let case = Case::new(format!("reserved bits {bits:x} on a continuation"));
        cases.push(case.send(0x01, b"a").send(0x80 | bits, b"b").fails(1002));
    }
    cases
}

fn opcodes() -> Vec<Case> {
    let mut cases = Vec::new();
    for opcode in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] {
        let first = 0x80 | opcode;
        let case = || Case::new(format!("opcode {opcode}"));
        cases.push(case().send(first, b"").fails(1002));
        cases.push(case().send(first, b"reserved").fails(1002));
        cases.push(
            case()
                .echo(TEXT, b"before")
                .send(first, b"")
                .send(PING, b"")
                .fails(1002),
        );
        cases.push(case().send(opcode, b"not the last").fails(1002));
    }
    cases
}

fn fragmentation() -> Vec<Case> {
    let text = "Hello-\u{b5}@\u{df}\u{f6}\u{e4}\u{fc}\u{e0}\u{e1}-UTF-8!!".as_bytes();
    let mut cases = Vec::new();
    for size in [1, 2, 3, 7, 100] {
        let case = Case::new(format!("a text in pieces of {size}"));
        cases.push(
            case.send_raw(&fragments(TEXT, text, size))
                .expect(TEXT, text),
        );
        let case = Case::new(format!("bytes in pieces of {size}"));
        cases.push(
            case.send_raw(&fragments(BINARY, text, size))
                .expect(BINARY, text),
        );
    }
    cases.extend(fragments_in_disorder());
    cases
}

fn fragments_in_disorder() -> Vec<Case> {
    let start = masked(0x01, b"in ");
    let case = |name| Case::new(name).send_raw(&start);
    vec![
        Case::new("a ping in pieces")
            .send(0x09, b"a")
            .send(0x80, b"b")
            .fails(1002),
        Case::new("a pong in pieces")
            .send(0x0a, b"a")
            .send(0x80, b"b")
            .fails(1002),
        Case::new("a close in pieces")
            .send(0x08, &[3, 232])
            .fails(1002),
        case("a ping between pieces")
            .send(PING, b"p")
            .send(0x80, b"two")
            .expect(PONG, b"p")
            .expect(TEXT, b"in two"),
        case("pings between many")
            .send(PING, b"1")
            .send(0, b"")
            .send(PING, b"2")
            .send(0, b"t")
            .send(0x80, b"wo")
            .expect(PONG, b"1")
            .expect(PONG, b"2")
            .expect(TEXT, b"in two"),
        case("empty pieces")
            .send(0, b"")
            .send(0, b"")
            .send(0x80, b"")
            .expect(TEXT, b"in "),
        Case::new("empty from the first")
            .send(0x01, b"")
            .send(0, b"")
            .send(0x80, b"")
            .expect(TEXT, b""),
        case("a text inside another").send(TEXT, b"b").fails(1002),
        case("pieces of two").send(0x01, b"b").fails(1002),
        case("bytes inside a text").send(BINARY, b"b").fails(1002),
        Case::new("nothing to go on with")
            .send(0x80, b"a")
            .send(TEXT, b"b")
            .fails(1002),
        Case::new("nothing to go on with, not the last")
            .send(0, b"a")
            .fails(1002),
        Case::new("going on after the end")
            .send(0x01, b"a")
            .send(0x80, b"b")
            .expect(TEXT, b"ab")
            .send(0x80, b"c")
            .fails(1002),
        case("a close between pieces")
            .send(0x88, &[3, 232])
            .closes(&[3, 232]),
    ]
}
