//! What no client says.

use super::socket;
use crate::dice::Dice;

const TEXTS: [&str; 14] = [
    "",
    "{",
    "[1,2,{}]",
    "0 0",
    "7 3 {\"type\":\"watch\",\"data\":{\"varId\":1}}",
    "{\"userEvent\":true,\"messages\":[{\"type\":\"watch\",\"data\":{\"varId\":1}}]}",
    "{\"type\":\"create\",\"data\":{\"id\":2,\"parentId\":1,\"properties\":{\"path\":\"a..b[\"}}}",
    "{\"type\":\"create\",\"data\":{\"id\":2,\"parentId\":9999,\"properties\":{\"path\":\"x\"}}}",
    "{\"type\":\"create\",\"data\":{\"id\":-7,\"parentId\":1,\"properties\":{\"path\":\"count\"}}}",
    "{\"type\":\"update\",\"data\":{\"varId\":1,\"value\":{\"obj\":77777}}}",
    "{\"type\":\"update\",\"data\":{\"varId\":424242,\"value\":[[[[null]]]]}}",
    "{\"type\":\"destroy\",\"data\":{\"varId\":1}}",
    "{\"type\":\"destroy\",\"data\":{\"varId\":-1}}",
    "{\"type\":\"getObjects\",\"data\":{\"objIds\":[0,1,2,18446744073709551615]}}",
];

/// Bytes for a WebSocket that is open.
pub fn something(dice: &mut Dice) -> Vec<u8> {
    match dice.roll(12) {
        0 => (0..1 + dice.roll(60)).map(|_| dice.next() as u8).collect(),
        1 => {
            // A head that promises more than any message may have.
            let mut head = vec![0x81, 0xff];
            head.extend_from_slice(&(1_u64 << (20 + dice.roll(43))).to_be_bytes());
            head
        }
        2 => socket::text(&"[".repeat(20_000), 1),
        3 => socket::text(&format!("{{\"type\":\"{}\"}}", "x".repeat(200_000)), 3),
        4 => vec![0x81, 0x05, b'h', b'e', b'l', b'l', b'o'],
        5 => socket::close(dice.next() as u16),
        6 => socket::ping().repeat(1 + dice.roll(300)),
        _ => socket::text(TEXTS[dice.roll(TEXTS.len())], 1 + dice.roll(3)),
    }
}
