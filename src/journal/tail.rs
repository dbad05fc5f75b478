//! The tail of a store: what was committed last, of all its journals, in one mapped file.
//!
//! A commit is a copy into memory that outlives the process, in place of a write to a file of its own; journals
//! get theirs in larger pieces. That is also kinder to flash: sessions that do a little share a page.
//!
//! ```text
//! tail   = magic(8 bytes) lap(u64) piece*
//! piece  = check(u32: CRC32C of the rest of it, begun with that of lap) length(u32) offset(u64)
//!          sid(u128) bytes
//! ```
//!
//! All little-endian. The pieces end where one does not check: what stands behind is of an earlier lap, or was
//! being stored when the process ended. A piece belongs at its offset of its session's journal and may be there
//! already, in part or whole. A piece of no bytes: a journal begins anew here, and what is told of the SID before
//! is another's.

use std::collections::BTreeMap;

use super::disk::Mapping;

/// How much is kept here before it goes to the journals: thousands of actions, and less than one session.
pub(super) const TAIL_BYTES: usize = 256 << 10;
/// More than that of one turn goes to its journal at once.
const PIECE_MAX: usize = TAIL_BYTES / 8;

const MAGIC: [u8; 8] = *b"lnttail1";
const LAP_AT: usize = 8;
const HEAD: usize = 16;
const PIECE_HEAD: usize = 32;

/// See the module's description.
#[derive(Debug)]
pub(super) struct Tail {
    memory: Box<dyn Mapping>,
    lap: u64,
    used: usize,
    piece: Vec<u8>,
}

/// What belongs at an offset of a journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Piece<'a> {
    pub offset: u64,
    pub bytes: &'a [u8],
}

/// Pieces by the SID of their journal, in their order.
pub(super) type Pieces<'a> = BTreeMap<u128, Vec<Piece<'a>>>;

impl Tail {
    /// Begins a lap: what is in the memory must have been read.
    pub fn new(memory: Box<dyn Mapping>) -> Tail {
        let mut tail = Tail {
            lap: lap(memory.bytes()).unwrap_or(0),
            memory,
            used: HEAD,
            piece: Vec::new(),
        };
        tail.clear();
        tail.memory.store_word(0, u64::from_ne_bytes(MAGIC));
        tail
    }

    /// Everything is in the journals.
    pub fn clear(&mut self) {
        self.lap = self.lap.wrapping_add(1);
        self.used = HEAD;
        self.memory.store_word(LAP_AT, self.lap.to_le());
    }

    pub fn has_room_for(&self, bytes: usize) -> bool {
        self.used + PIECE_HEAD + bytes <= self.memory.bytes().len()
    }

    /// Whether so many bytes are better written at once.
    pub fn is_much(bytes: usize) -> bool {
        bytes > PIECE_MAX
    }

    /// Appends a piece, for which there must be room.
    pub fn push(&mut self, sid: u128, piece: Piece<'_>) {
        let out = &mut self.piece;
        out.clear();
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&(piece.bytes.len() as u32).to_le_bytes());
        out.extend_from_slice(&piece.offset.to_le_bytes());
        out.extend_from_slice(&sid.to_le_bytes());
        out.extend_from_slice(piece.bytes);
        let check = crc32c::crc32c_append(seed(self.lap), &out[4..]);
        out[..4].copy_from_slice(&check.to_le_bytes());
        self.memory.store(self.used, out);
        self.used += out.len();
    }

    /// What was pushed since the lap began.
    pub fn pieces(&self) -> Pieces<'_> {
        let mut found = Pieces::new();
        for (sid, piece) in self.walk() {
            note(&mut found, sid, piece);
        }
        found
    }

    /// What was pushed for this journal since the lap began.
    pub fn pieces_of(&self, sid: u128) -> Vec<Piece<'_>> {
        let of_it = self.walk().filter(|&(of, _)| of == sid);
        of_it.map(|(_, piece)| piece).collect()
    }

    fn walk(&self) -> impl Iterator<Item = (u128, Piece<'_>)> {
        let mut rest = &self.memory.bytes()[HEAD..self.used];
        std::iter::from_fn(move || {
            let (_, sid, piece) = next(&mut rest)?;
            Some((sid, piece))
        })
    }
}

fn note<'a>(found: &mut Pieces<'a>, sid: u128, piece: Piece<'a>) {
    let pieces = found.entry(sid).or_default();
    match piece.bytes {
        [] => pieces.clear(),
        _ => pieces.push(piece),
    }
}

/// What checks of a lap begin with, so that pieces of another one do not check.
fn seed(lap: u64) -> u32 {
    crc32c::crc32c(&lap.to_le_bytes())
}

fn word(bytes: &[u8], at: usize) -> Option<u64> {
    let bytes = bytes.get(at..at + 8)?;
    Some(u64::from_le_bytes(bytes.try_into().ok()?))
}

fn lap(content: &[u8]) -> Option<u64> {
    match content.starts_with(&MAGIC) {
        true => word(content, LAP_AT),
        false => None,
    }
}

/// Whether this is what can be read as a tail, or a file in which none was begun.
pub(super) fn is_known(content: &[u8]) -> bool {
    let magic = content.get(..MAGIC.len()).unwrap_or(content);
    magic == MAGIC || magic.iter().all(|&byte| byte == 0)
}

/// What a file has for whom.
pub(super) fn pieces(content: &[u8]) -> Pieces<'_> {
    let mut found = Pieces::new();
    let Some(lap) = lap(content) else {
        return found;
    };
    let seed = seed(lap);
    let mut rest = &content[HEAD..];
    let mut whole = rest;
    while let Some((check, sid, piece)) = next(&mut rest) {
        let checked = &whole[4..PIECE_HEAD + piece.bytes.len()];
        if crc32c::crc32c_append(seed, checked) != check {
            break;
        }
        note(&mut found, sid, piece);
        whole = rest;
    }
    found
}

/// Takes a piece off, its check and SID before it.
fn next<'a>(rest: &mut &'a [u8]) -> Option<(u32, u128, Piece<'a>)> {
    let (head, behind) = rest.split_at_checked(PIECE_HEAD)?;
    let check = u32::from_le_bytes(head[..4].try_into().ok()?);
    let length = u32::from_le_bytes(head[4..8].try_into().ok()?);
    let offset = word(head, 8)?;
    let sid = u128::from_le_bytes(head[16..].try_into().ok()?);
    let (bytes, behind) = behind.split_at_checked(length as usize)?;
    *rest = behind;
    Some((check, sid, Piece { offset, bytes }))
}

/// A journal as the pieces say it is; `rest` is what its file has behind its first `from` bytes. Where both
/// differ the pieces are right: a write may have ended in the middle, or a power cut have left something else.
pub(super) fn complete(mut rest: Vec<u8>, from: u64, pieces: &[Piece<'_>]) -> Vec<u8> {
    for piece in pieces {
        let at = piece.offset.checked_sub(from);
        let at = at.and_then(|at| usize::try_from(at).ok());
        // None: something before it is missing, and without that it is of no use.
        if let Some(there) = at.and_then(|at| rest.get_mut(at..)) {
            let (again, new) = piece.bytes.split_at(there.len().min(piece.bytes.len()));
            there[..again.len()].copy_from_slice(again);
            rest.extend_from_slice(new);
        }
    }
    rest
}

/// The SID as it stands in pieces; `None`: it is none that a server vends.
pub(super) fn parse_sid(sid: &str) -> Option<u128> {
    let is_one = sid.len() == 32 && sid.bytes().all(|b| b.is_ascii_hexdigit());
    u128::from_str_radix(sid, 16).ok().filter(|_| is_one)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Memory(Vec<u8>);

    impl Mapping for Memory {
        fn bytes(&self) -> &[u8] {
            &self.0
        }

        fn store(&mut self, at: usize, bytes: &[u8]) {
            self.0[at..at + bytes.len()].copy_from_slice(bytes);
        }

        fn store_word(&mut self, at: usize, word: u64) {
            self.store(at, &word.to_ne_bytes());
        }
    }

    fn piece(offset: u64, bytes: &[u8]) -> Piece<'_> {
        Piece { offset, bytes }
    }

    fn tail(bytes: usize) -> Tail {
        Tail::new(Box::new(Memory(vec![0; bytes])))
    }

    #[test]
    fn a_file_torn_or_turned_at_any_byte_is_read_up_to_there() {
        let mut tail = tail(400);
        let told = [piece(0, b"abc"), piece(3, b"de"), piece(5, b"f")];
        for piece in told {
            tail.push(7, piece);
        }
        assert_eq!(tail.pieces(), pieces(tail.memory.bytes()));
        assert_eq!(tail.pieces_of(7), told);
        for at in 0..tail.used {
            let mut content = tail.memory.bytes().to_vec();
            content[at..].fill(0xaa);
            let mut turned = tail.memory.bytes().to_vec();
            turned[at] ^= 1 << (at % 8);
            for content in [content, turned] {
                let found = pieces(&content);
                let found = found.get(&7).map_or(&[][..], Vec::as_slice);
                assert!(told.starts_with(found) && found.len() < 3, "byte {at}");
            }
        }
    }

    #[test]
    fn a_lap_ends_what_was_before() {
        let mut tail = tail(100);
        assert!(tail.has_room_for(52) && !tail.has_room_for(53));
        tail.push(1, piece(0, &[1; 30]));
        assert!(!tail.has_room_for(0));
        tail.clear();
        assert!(pieces(tail.memory.bytes()).is_empty());
        assert!(tail.pieces().is_empty());
        tail.push(2, piece(9, b"x"));
        assert_eq!(pieces(tail.memory.bytes()).keys().collect::<Vec<_>>(), [&2]);
        // Another process goes on, with another lap.
        let content = tail.memory.bytes().to_vec();
        let next = Tail::new(Box::new(Memory(content.clone())));
        assert_eq!(pieces(&content).len(), 1);
        assert!(pieces(next.memory.bytes()).is_empty());
    }

    #[test]
    fn a_journal_that_begins_anew_has_nothing_of_the_one_before() {
        let mut tail = tail(400);
        tail.push(1, piece(5, b"old"));
        tail.push(1, piece(0, b""));
        tail.push(1, piece(5, b"new"));
        assert_eq!(tail.pieces()[&1], [piece(5, b"new")]);
    }

    #[test]
    fn a_journal_gets_what_it_lacks_and_nothing_behind_a_gap() {
        let told = [piece(2, b"cd"), piece(4, b"ef"), piece(8, b"z")];
        for (file, from, whole) in [
            (&b"a"[..], 0, &b"a"[..]),
            (b"ab", 0, b"abcdef"),
            (b"", 2, b"cdef"),
            (b"abc", 0, b"abcdef"),
            (b"abXX", 0, b"abcdef"),
            (b"ab\0\0\0\0\0", 0, b"abcdef\0"),
            (b"abcdefgh", 0, b"abcdefghz"),
            (b"XXgh", 4, b"efghz"),
            (b"abcdefghzij", 0, b"abcdefghzij"),
        ] {
            assert_eq!(complete(file.to_vec(), from, &told), whole, "{file:?}");
        }
    }

    #[test]
    fn another_file_has_nothing() {
        assert!(is_known(b"") && is_known(&[0; 99]) && is_known(b"lnttail1 and more"));
        assert!(!is_known(b"lnttail2") && !is_known(b"x"));
        assert!(pieces(b"lnttail1").is_empty());
        assert_eq!(parse_sid("0000000000000000000000000000000a"), Some(10));
        assert_eq!(parse_sid("a"), None);
        assert_eq!(parse_sid("+000000000000000000000000000000a"), None);
    }
}
