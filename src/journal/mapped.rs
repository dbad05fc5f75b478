//! Files whose bytes are memory of the process: what is stored there is in the file at once, and stays there
//! however the process ends. A store costs a copy, where a write would cost a call of the system.
//!
//! `unsafe` because mappings are made so.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::ptr::{self, NonNull};
use std::slice;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{Advice, fadvise, fstatfs};
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

use super::disk::Mapping;

/// File systems that write where they wrote before: ext2 to ext4, XFS, tmpfs. Others need room for what is
/// only written again, and the system ends a process that stores into a mapping when there is none.
const IN_PLACE: [i64; 3] = [0xef53, 0x5846_5342, 0x0102_1994];

/// The system keeps a file in memory in pieces as large as it was written or read in, and a byte that is stored has the
/// whole piece written to the disk: 256 kB each half minute, where a page is enough.
const PIECE: usize = 4096;

/// A mapped file that nobody else writes to or makes shorter.
#[derive(Debug)]
pub struct MappedFile {
    start: NonNull<u8>,
    bytes: usize,
}

impl MappedFile {
    /// Maps the first `bytes` bytes of the file at `path`. It is made for its owner only if it is missing, and
    /// filled up with zeros. `None`: the file system is none of those that can be trusted with that.
    ///
    /// # Errors
    /// When it cannot be made, filled up or mapped.
    pub fn open(path: &Path, bytes: usize) -> io::Result<Option<MappedFile>> {
        let file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .mode(0o600)
            .open(path)?;
        if !IN_PLACE.contains(&(fstatfs(&file)?.f_type as i64)) {
            return Ok(None);
        }
        fill(&file, bytes)?;
        let (protection, flags) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED);
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        fadvise(&file, 0, None, Advice::Random)?;
        // SAFETY: a new mapping, at a place of the system's choice, of a file that has the bytes; whoever
        // uses a state directory has it locked, so nobody makes the file shorter.
        let start = unsafe { mmap(ptr::null_mut(), bytes, protection, flags, &file, 0) }?;
        let Some(start) = NonNull::new(start.cast()) else {
            return Err(io::Error::other("the system mapped a file at address 0"));
        };
        Ok(Some(MappedFile { start, bytes }))
    }
}

/// Makes the file so long. The zeros are written, so that storing there needs no more room on the disk.
fn fill(mut file: &File, bytes: usize) -> io::Result<()> {
    let there = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX);
    let mut missing = bytes.saturating_sub(there);
    while missing > 0 {
        let piece = missing.min(PIECE);
        file.write_all(&[0; PIECE][..piece])?;
        missing -= piece;
    }
    Ok(())
}

impl Mapping for MappedFile {
    fn bytes(&self) -> &[u8] {
        // SAFETY: the mapping has so many bytes and lives as long as `self`; it is written to by `store` and
        // `store_word` only, which need `self` for themselves.
        unsafe { slice::from_raw_parts(self.start.as_ptr(), self.bytes) }
    }

    fn store(&mut self, at: usize, bytes: &[u8]) {
        // SAFETY: as in `bytes`.
        let all = unsafe { slice::from_raw_parts_mut(self.start.as_ptr(), self.bytes) };
        all[at..at + bytes.len()].copy_from_slice(bytes);
    }

    fn store_word(&mut self, at: usize, word: u64) {
        assert!(at.is_multiple_of(size_of::<u64>()) && at + size_of::<u64>() <= self.bytes);
        // SAFETY: it lies in the mapping and is aligned, since a mapping begins at a page.
        let cell = unsafe { self.start.add(at).cast::<AtomicU64>().as_ref() };
        cell.store(word, Ordering::Relaxed);
    }
}

impl Drop for MappedFile {
    fn drop(&mut self) {
        // SAFETY: the mapping was made in `open` and nothing refers to it any more.
        let _ = unsafe { munmap(self.start.as_ptr().cast(), self.bytes) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_is_in_the_file_and_there_for_whoever_comes_next() {
        let path = std::env::temp_dir().join(format!("lunette-mapped-{}", std::process::id()));
        let open = |bytes| MappedFile::open(&path, bytes).unwrap();
        let Some(mut mapped) = open(20) else {
            println!("skipped: the temporary directory is on a file system that is not mapped");
            return std::fs::remove_file(&path).unwrap();
        };
        assert_eq!(mapped.bytes(), [0; 20]);
        mapped.store(16, b"abcd");
        mapped.store_word(8, u64::from_le_bytes(*b"12345678"));
        let stored = b"\0\0\0\0\0\0\0\x0012345678abcd";
        assert_eq!(mapped.bytes(), stored);
        assert_eq!(std::fs::read(&path).unwrap(), stored);
        drop(mapped);
        let mapped = open(24).expect("as before");
        assert_eq!(mapped.bytes()[..20], *stored);
        assert_eq!(mapped.bytes()[20..], [0; 4]);
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    #[should_panic(expected = "range end index")]
    fn nothing_is_stored_behind_the_end() {
        let path = std::env::temp_dir().join(format!("lunette-mapped-end-{}", std::process::id()));
        let mapped = MappedFile::open(&path, 4).unwrap();
        std::fs::remove_file(&path).unwrap();
        match mapped {
            Some(mut mapped) => mapped.store(2, b"abc"),
            None => panic!("range end index: skipped, the file system is not mapped"),
        }
    }
}
