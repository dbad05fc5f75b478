use super::*;

fn sent(link: &mut Link, text: &str) -> String {
    link.push(|out| out.extend_from_slice(text.as_bytes()));
    let mut out = Vec::new();
    link.write_last(&mut out);
    String::from_utf8(out).unwrap()
}

fn resent(link: &mut Link, received: u64) -> Vec<String> {
    let mut all = Vec::new();
    link.resend(received, |text| {
        all.push(String::from_utf8(text.to_vec()).unwrap());
    });
    all
}

#[test]
fn frames_are_numbered_and_each_is_taken_once() {
    let mut link = Link::default();
    assert_eq!(link.take("1 0 [a]"), Taken::Frame("[a]"));
    assert_eq!(link.take("1 0 [a]"), Taken::Nothing);
    assert!(!link.owes());
    link.handle();
    assert!(link.owes());
    assert_eq!(sent(&mut link, "x"), "1 1 x");
    assert!(!link.owes());
    assert_eq!(link.take("2 1 [b] c"), Taken::Frame("[b] c"));
    link.handle();
    let mut ack = Vec::new();
    link.write_ack(&mut ack);
    assert_eq!(ack, b"0 2");
    assert_eq!(link.take("0 1"), Taken::Nothing);
    assert_eq!(link.take("0 1 ?"), Taken::Question);
}

#[test]
fn nonsense_is_told_from_frames() {
    let mut link = Link::default();
    for text in [
        "",
        " ",
        "1",
        "1 ",
        "1 0",
        "0 0 x",
        "2 0 x",
        "1 1 x",
        "-1 0 x",
        "+1 0 x",
        "1  x",
        "{\"type\":\"watch\"}",
        "[]",
        "1 0x 0",
        "9999999999999999 0 x",
        "\u{0661} 0 x",
    ] {
        assert!(matches!(link.take(text), Taken::Broken(_)), "{text:?}");
    }
    assert_eq!(link.take("1 0 "), Taken::Frame(""));
}

#[test]
fn what_is_missing_is_sent_again() {
    let mut link = Link::default();
    for text in ["a", "b", "c"] {
        sent(&mut link, text);
    }
    let check = |text: &str| crc32c::crc32c(text.as_bytes());
    assert!(link.can_resume(0, 0));
    assert!(link.can_resume(2, check("ab")));
    assert!(!link.can_resume(2, check("ac")));
    assert!(link.can_resume(3, check("abc")));
    assert!(!link.can_resume(4, check("abc")));
    assert_eq!(resent(&mut link, 1), ["2 0 b", "3 0 c"]);
    // What is acknowledged is forgotten.
    assert!(!link.can_resume(0, 0));
    assert!(link.can_resume(1, check("a")));
    assert_eq!(link.take("0 3"), Taken::Nothing);
    assert_eq!(link.kept_bytes, 0);
    assert!(link.can_resume(3, check("abc")));
    assert_eq!(resent(&mut link, 3), Vec::<String>::new());
    assert!(link.owes());
}

#[test]
fn what_is_too_much_to_keep_is_not_resumed() {
    let mut link = Link::default();
    sent(&mut link, "a");
    sent(&mut link, &"b".repeat(500));
    assert!(!link.trim(100));
    assert!(!link.can_resume(0, 0));
    assert!(!link.can_resume(1, crc32c::crc32c(b"a")));
    sent(&mut link, "c");
    assert!(link.trim(100));
    let check = crc32c::crc32c(("a".to_owned() + &"b".repeat(500)).as_bytes());
    assert!(link.can_resume(2, check));
    assert_eq!(resent(&mut link, 2), ["3 0 c"]);
}

#[test]
fn a_frame_that_is_sent_again_knows_of_no_more_than_the_first_time() {
    let mut link = Link::default();
    link.take("1 0 a");
    link.handle();
    assert_eq!(sent(&mut link, "x"), "1 1 x");
    link.take("2 0 b");
    link.handle();
    assert_eq!(resent(&mut link, 0), ["1 1 x"]);
}
