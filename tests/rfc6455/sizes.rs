//! Large messages, in one frame and in many, and many messages after each other.

use super::client::{BINARY, Case, TEXT, fragments};

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

/// All of them; what has messages of more than `limit` bytes must be refused.
pub fn cases(limit: usize) -> Vec<Case> {
    let largest = if std::env::var_os("LUNETTE_LONG").is_some() {
        16 * MIB
    } else {
        4 * MIB
    };
    let mut cases = Vec::new();
    let mut add = |case: Case, first: u8, payload: &[u8]| {
        let mut case = match payload.len() > limit {
            true => case.fails(1009),
            false => case.expect(first, payload),
        };
        case.bytes = payload.len();
        cases.push(case);
    };
    for bytes in [64 * KIB, 256 * KIB, MIB, 4 * MIB, 8 * MIB, 16 * MIB] {
        if bytes > largest {
            continue;
        }
        for (what, first) in [("text", TEXT), ("bytes", BINARY)] {
            let payload = vec![b'*'; bytes];
            let case = Case::new(format!("{what} of {bytes}"));
            add(case.send(first, &payload), first, &payload);
        }
    }
    for size in [
        64,
        256,
        KIB,
        4 * KIB,
        16 * KIB,
        64 * KIB,
        256 * KIB,
        MIB,
        4 * MIB,
    ] {
        // Tens of thousands of frames for a megabyte are enough.
        let bytes = if size < KIB { MIB } else { 4 * MIB };
        let first = if size.ilog2() % 4 == 0 { TEXT } else { BINARY };
        let payload = vec![b'*'; bytes];
        let case = Case::new(format!("{bytes} in frames of {size}"));
        add(
            case.send_raw(&fragments(first, &payload, size)),
            first,
            &payload,
        );
    }
    for size in [1300, 50_000] {
        let payload = vec![b'*'; 65_536];
        let case = Case::new(format!("65536 in frames of {size}"));
        add(
            case.send_raw(&fragments(TEXT, &payload, size)),
            TEXT,
            &payload,
        );
    }
    for len in [0, 16, 64, 256, 1024, 4096] {
        let payload = vec![b'*'; len];
        let name = format!("a thousand messages of {len}");
        cases.push((0..1000).fold(Case::new(name), |case, _| case.echo(TEXT, &payload)));
    }
    cases
}
