//! Sections 5.5.1 and 7: closes with every code and payload, and that nothing follows them.

use super::client::{CLOSE, Case, PING, TEXT};

pub fn cases() -> Vec<Case> {
    let payload = |code: u16, reason: &str| [&code.to_be_bytes(), reason.as_bytes()].concat();
    let normal = payload(1000, "");
    let mut cases = vec![
        Case::new("after a text").echo(TEXT, b"Hello"),
        Case::new("without a code").send(CLOSE, b"").closes(b""),
        Case::new("with one byte").send(CLOSE, b"a").fails(1002),
        Case::new("two of them")
            .send(CLOSE, &normal)
            .send(CLOSE, &normal)
            .closes(&normal),
        Case::new("then a ping")
            .send(CLOSE, &normal)
            .send(PING, b"p")
            .closes(&normal),
        Case::new("then a text")
            .send(CLOSE, &normal)
            .send(TEXT, b"late")
            .closes(&normal),
        Case::new("in the middle of a message")
            .send(0x01, b"part")
            .send(CLOSE, &normal)
            .closes(&normal),
        Case::new("with a reason")
            .send(CLOSE, &payload(1000, "Hello, world!"))
            .closes(&normal),
        Case::new("with the longest reason")
            .send(CLOSE, &payload(1000, &"*".repeat(123)))
            .closes(&normal),
        Case::new("with a reason that is too long")
            .send(CLOSE, &payload(1000, &"*".repeat(124)))
            .fails(1002),
        Case::new("with a reason that is no text")
            .send(CLOSE, b"\x03\xe8\xce\xba\xe1\xbd\xb9\xcf\x83\xed\xa0\x80")
            .fails(1007),
    ];
    let good = [
        1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 3000, 3999, 4000, 4999,
    ];
    for code in good {
        let case = Case::new(format!("code {code}"));
        cases.push(case.send(CLOSE, &payload(code, "")).fails(code));
    }
    for code in [
        0, 1, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999, 5000, 65_535,
    ] {
        let case = Case::new(format!("forbidden code {code}"));
        cases.push(case.send(CLOSE, &payload(code, "")).fails(1002));
    }
    cases
}
