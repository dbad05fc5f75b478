//! Section 8.1: texts are UTF-8, however they are cut, and one that is not is refused with the first frame that shows it.

use super::client::{Case, TEXT, fragments};

const VALID: &[&str] = &[
    "Hello",
    "\u{3ba}\u{1f79}\u{3c3}\u{3bc}\u{3b5}",
    "\0",
    "\u{7f}",
    "\u{80}",
    "\u{7ff}",
    "\u{800}",
    "\u{d7ff}",
    "\u{e000}",
    "\u{fffd}",
    "\u{fffe}",
    "\u{ffff}",
    "\u{10000}",
    "\u{1fffe}",
    "\u{8ffff}",
    "\u{10fffe}",
    "\u{10ffff}",
    "\u{feff}a byte order mark stays",
];

const INVALID: &[(&str, &[u8])] = &[
    ("a continuation alone", b"\x80"),
    ("the last continuation alone", b"\xbf"),
    ("continuations", b"\x80\xbf\x80\xbf"),
    ("a start of two and a blank", b"\xc3 "),
    ("a start of three and a blank", b"\xe1 "),
    ("a start of four and a blank", b"\xf1 "),
    ("two of three", b"\xe1\x80 "),
    ("three of four", b"\xf1\x80\x80 "),
    ("the end is missing", b"abc\xce\xba\xe1\xbd"),
    ("fe", b"\xfe"),
    ("ff", b"\xff"),
    ("fe fe ff ff", b"\xfe\xfe\xff\xff"),
    ("overlong slash in two", b"\xc0\xaf"),
    ("overlong slash in three", b"\xe0\x80\xaf"),
    ("overlong slash in four", b"\xf0\x80\x80\xaf"),
    ("overlong in five", b"\xf8\x80\x80\x80\xaf"),
    ("overlong in six", b"\xfc\x80\x80\x80\x80\xaf"),
    ("overlong 7f", b"\xc1\xbf"),
    ("overlong 7ff", b"\xe0\x9f\xbf"),
    ("overlong ffff", b"\xf0\x8f\xbf\xbf"),
    ("overlong NUL", b"\xc0\x80"),
    ("the first surrogate", b"\xed\xa0\x80"),
    ("the last surrogate", b"\xed\xbf\xbf"),
    ("a pair of surrogates", b"\xed\xa0\x80\xed\xb0\x80"),
    ("beyond the last", b"\xf4\x90\x80\x80"),
    ("five bytes", b"\xf8\x88\x80\x80\x80"),
    ("six bytes", b"\xfc\x84\x80\x80\x80\x80"),
];

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for text in VALID {
        let bytes = text.as_bytes();
        let case = || Case::new(format!("valid {text:?}"));
        cases.push(case().echo(TEXT, bytes));
        cases.push(
            case()
                .send_raw(&fragments(TEXT, bytes, 1))
                .expect(TEXT, bytes),
        );
    }
    for (what, bad) in INVALID {
        let case = || Case::new(*what);
        cases.push(case().send(TEXT, bad).fails(1007));
        let inside = [&b"\xce\xba before "[..], bad, b" after"].concat();
        cases.push(case().send(TEXT, &inside).fails(1007));
        cases.push(case().send_raw(&fragments(TEXT, &inside, 1)).fails(1007));
        // Nothing follows: whoever waits for the end of the message never answers.
        cases.push(case().send(0x01, &inside).fails(1007));
        cases.push(case().send(0x01, b"a").send(0, &inside).fails(1007));
    }
    // Every way to cut a character over frames.
    let character = "\u{1f600}".as_bytes();
    for cut in 1..4 {
        let (one, two) = character.split_at(cut);
        let case = Case::new(format!("a character cut after {cut}"));
        cases.push(case.send(0x01, one).send(0x80, two).expect(TEXT, character));
        let case = Case::new(format!("a character that ends after {cut}"));
        cases.push(case.send(0x01, b"a").send(0x80, one).fails(1007));
    }
    // Bytes are not looked at.
    cases.push(Case::new("anything as bytes").echo(0x82, b"\xff\xfe\x80"));
    cases
}
