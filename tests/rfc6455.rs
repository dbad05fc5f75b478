//! RFC 6455, case by case, over real sockets: what the server's WebSocket layer does with every kind of frame, whole,
//! chopped, and byte by byte. The cases cover what the groups 1 to 7, 9 and 10 of Autobahn's test suite cover; that one
//! runs by `tests/rfc6455/autobahn` against the same echo, where there is a Python 2.7.

mod client;
mod closing;
mod echo;
mod framing;
mod sizes;
mod utf8;

use client::{Case, run};

#[test]
fn frames_pings_reserved_bits_opcodes_and_fragments() {
    check(framing::cases());
}

#[test]
fn texts_are_utf_8_and_fail_at_the_first_frame_that_is_not() {
    check(utf8::cases());
}

#[test]
fn closes_of_every_kind() {
    check(closing::cases());
}

/// With room for all of them, as the test suite is run by others; then as the server is configured, where exactly those
/// fail that are too large.
#[test]
fn sizes_with_room_and_with_the_usual_limits() {
    let mut roomy = sizes::cases(usize::MAX);
    let usual = lunette::net::limits::NetLimits::default().message_bytes;
    let too_large = roomy.iter().filter(|case| case.bytes > usual).count();
    assert!(too_large > 3 && roomy.len() > 2 * too_large, "{too_large}");
    let room = echo::start(64 << 20);
    roomy.drain(..).for_each(|case| run(room, &case));
    let address = echo::start(usual);
    sizes::cases(usual)
        .iter()
        .for_each(|case| run(address, case));
}

fn check(cases: Vec<Case>) {
    let address = echo::start(1 << 20);
    cases.iter().for_each(|case| run(address, case));
}

/// The other end for `tests/rfc6455/autobahn`: serves at the address in `LUNETTE_ECHO` until it is killed, with messages
/// of as many bytes as `LUNETTE_ECHO_BYTES` says.
#[test]
fn serves_others() {
    let Ok(address) = std::env::var("LUNETTE_ECHO") else {
        return;
    };
    let bytes = std::env::var("LUNETTE_ECHO_BYTES").ok();
    let bytes = bytes.and_then(|bytes| bytes.parse().ok());
    let bytes = bytes.unwrap_or(lunette::net::limits::NetLimits::default().message_bytes);
    let listener =
        std::net::TcpListener::bind(&address).expect("LUNETTE_ECHO is an address that is free");
    println!("echo at {address}, messages of {bytes} bytes");
    echo::serve(&listener, bytes);
}
