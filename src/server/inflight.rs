//! The in-flight cell: which session's event runs at this moment, so that the next process knows whom
//! to blame if this one dies of it.
//!
//! It is a word of a mapped file: setting it costs a store, and it is there however the process ends.
//! `unsafe` because mappings are made so.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

use crate::core::id::SessionId;

const BYTES: usize = size_of::<u64>();

/// See the module's description.
#[derive(Debug)]
pub struct Inflight {
    cell: NonNull<AtomicU64>,
}

impl Inflight {
    /// Maps the file at `path`. Also returns whose event ran when the process before this one ended.
    ///
    /// # Errors
    /// When the file cannot be made or mapped.
    pub fn open(path: &Path) -> io::Result<(Inflight, Option<SessionId>)> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)?;
        file.set_len(BYTES as u64)?;
        let (protection, flags) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED);
        // SAFETY: a new mapping, at a place of the system's choice, of a file that has the bytes; the
        // state directory is locked, so nobody makes it shorter.
        let start = unsafe { mmap(ptr::null_mut(), BYTES, protection, flags, &file, 0) }?;
        let Some(cell) = NonNull::new(start.cast()) else {
            return Err(io::Error::other("the system mapped a file at address 0"));
        };
        let inflight = Inflight { cell };
        let before = inflight.word().swap(0, Ordering::Relaxed);
        Ok((inflight, (before != 0).then_some(SessionId(before))))
    }

    fn word(&self) -> &AtomicU64 {
        // SAFETY: the mapping lives as long as `self`, begins at a page, and is only ever used as this
        // atomic word.
        unsafe { self.cell.as_ref() }
    }

    /// An event of this session begins to run.
    pub fn begin(&self, session: SessionId) {
        self.word().store(session.0, Ordering::Relaxed);
    }

    /// Nothing runs.
    pub fn end(&self) {
        self.word().store(0, Ordering::Relaxed);
    }
}

impl Drop for Inflight {
    fn drop(&mut self) {
        // SAFETY: the mapping was made in `open` and nothing refers to it any more.
        let _ = unsafe { munmap(self.cell.as_ptr().cast(), BYTES) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ran_is_there_for_whoever_comes_next() {
        let dir = std::env::temp_dir().join(format!("lunette-inflight-{}", std::process::id()));
        let open = || Inflight::open(&dir).unwrap();
        let (cell, before) = open();
        assert_eq!(before, None);
        cell.begin(SessionId(7));
        drop(cell);
        let (cell, before) = open();
        assert_eq!(before, Some(SessionId(7)));
        cell.begin(SessionId(8));
        cell.end();
        drop(cell);
        assert_eq!(open().1, None);
        std::fs::write(&dir, b"x").unwrap();
        assert_eq!(open().1, Some(SessionId(u64::from(b'x'))));
        std::fs::remove_file(&dir).unwrap();
    }
}
