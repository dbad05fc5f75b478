//! The in-flight cell: which session's event runs at this moment, so that the next process knows whom
//! to blame if this one dies of it.
//!
//! It is a word of a mapped file: setting it costs a store, and it is there however the process ends.

use std::io;
use std::path::Path;

use crate::core::id::SessionId;
use crate::journal::{MappedFile, Mapping};

const BYTES: usize = size_of::<u64>();

/// See the module's description.
#[derive(Debug)]
pub struct Inflight {
    /// `None`: nobody is blamed on a file system that cannot be mapped.
    cell: Option<MappedFile>,
}

impl Inflight {
    /// Maps the file at `path`. Also returns whose event ran when the process before this one ended.
    ///
    /// # Errors
    /// When the file cannot be made or mapped.
    pub fn open(path: &Path) -> io::Result<(Inflight, Option<SessionId>)> {
        let cell = MappedFile::open(path, BYTES)?;
        let before = cell.as_ref().map_or(0, |cell| {
            let word = cell.bytes().first_chunk::<BYTES>();
            word.map_or(0, |word| u64::from_ne_bytes(*word))
        });
        let mut inflight = Inflight { cell };
        inflight.end();
        Ok((inflight, (before != 0).then_some(SessionId(before))))
    }

    /// An event of this session begins to run.
    pub fn begin(&mut self, session: SessionId) {
        self.store(session.0);
    }

    /// Nothing runs.
    pub fn end(&mut self) {
        self.store(0);
    }

    fn store(&mut self, word: u64) {
        if let Some(cell) = &mut self.cell {
            cell.store_word(0, word);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ran_is_there_for_whoever_comes_next() {
        let dir = std::env::temp_dir().join(format!("lunette-inflight-{}", std::process::id()));
        let open = || Inflight::open(&dir).unwrap();
        let (mut cell, before) = open();
        assert_eq!(before, None);
        cell.begin(SessionId(7));
        drop(cell);
        let (mut cell, before) = open();
        assert_eq!(before, Some(SessionId(7)));
        cell.begin(SessionId(8));
        cell.end();
        drop(cell);
        assert_eq!(open().1, None);
        std::fs::write(&dir, b"x\0\0\0\0\0\0\0").unwrap();
        assert_eq!(open().1, Some(SessionId(u64::from(b'x'))));
        std::fs::remove_file(&dir).unwrap();
    }
}
