//! Journals: damaged in any way, and signed anew, so that what is behind the checksums is reached, too.

use lunette::journal::{Reader, transcript};

use super::class;

const MAGIC_AND_VERSION: usize = 10;
/// Then length and check of the header.
const FIXED: usize = MAGIC_AND_VERSION + 8;

pub fn corpus() -> Vec<Vec<u8>> {
    let mut corpus = Vec::new();
    for file in [
        &include_bytes!("../../replay/v3/counter.lnt")[..],
        include_bytes!("../../replay/v3/machine.lnt"),
        include_bytes!("../../replay/v3/reload.lnt"),
        include_bytes!("../../replay/v2/counter.lnt"),
    ] {
        for signed in [0, 1] {
            corpus.push([&[signed], file].concat());
        }
    }
    corpus
}

/// A journal is refused or can be read to its end, as often as one likes. The first byte says whether its checks are
/// made to fit.
pub fn journal(data: &[u8]) -> u64 {
    let Some((&signed, file)) = data.split_first() else {
        return 0;
    };
    let mut file = file.to_vec();
    if signed & 1 == 1 {
        sign(&mut file);
    }
    let mut reader = match Reader::new(file) {
        Ok(reader) => reader,
        Err(error) => {
            let text: String = error.to_string();
            let words = text.split(|c: char| !c.is_ascii_lowercase());
            return class(words.collect::<Vec<_>>());
        }
    };
    let (mut events, mut outputs) = (0, 0);
    for record in reader.records() {
        events += 1;
        outputs += record.outputs.len();
    }
    assert_eq!(events, reader.events());
    reader.keep_secret(&["a.b".into()]);
    let text = transcript(&reader);
    assert!(text.contains('\n'));
    let interrupted = reader.interrupted().is_some();
    class((
        reader.format(),
        (
            reader.torn_bytes() > 0,
            interrupted,
            reader.joined().len().min(3),
        ),
        (events.min(20), outputs.min(20)),
    ))
}

/// Makes lengths and checks of a header and of the records behind it fit, as far as there is something to sign.
fn sign(file: &mut [u8]) {
    let Some(body) = file.len().checked_sub(FIXED) else {
        return;
    };
    let version = u16::from_le_bytes([file[MAGIC_AND_VERSION - 2], file[MAGIC_AND_VERSION - 1]]);
    let place = MAGIC_AND_VERSION..MAGIC_AND_VERSION + 4;
    let told = u32::from_le_bytes(file[place.clone()].try_into().expect("four bytes")) as usize;
    let length = told.min(body);
    file[place].copy_from_slice(&(length as u32).to_le_bytes());
    let end = FIXED + length;
    let before = if version == 2 {
        0
    } else {
        crc32c::crc32c(&file[MAGIC_AND_VERSION - 2..MAGIC_AND_VERSION + 4])
    };
    let mut check = crc32c::crc32c_append(before, &file[FIXED..end]);
    file[MAGIC_AND_VERSION + 4..FIXED].copy_from_slice(&check.to_le_bytes());
    let mut at = end;
    if version != 3 {
        return;
    }
    loop {
        let Some((size, payload)) = varint(&file[at..]) else {
            return;
        };
        let start = at + size + 6;
        if start + payload > file.len() {
            return;
        }
        let head = crc32c::crc32c(&file[at..at + size]) as u16;
        check = crc32c::crc32c_append(
            crc32c::crc32c_append(check, &file[at..at + size]),
            &file[start..start + payload],
        );
        file[at + size..at + size + 2].copy_from_slice(&head.to_le_bytes());
        file[at + size + 2..start].copy_from_slice(&check.to_le_bytes());
        at = start + payload;
    }
}

/// How many bytes a number takes, and the number.
fn varint(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut value = 0usize;
    for (i, byte) in bytes.iter().take(5).enumerate() {
        value |= usize::from(byte & 0x7f) << (7 * i);
        if byte & 0x80 == 0 {
            return Some((i + 1, value));
        }
    }
    None
}
