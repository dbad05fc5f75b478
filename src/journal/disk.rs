//! Disk: all that journals and their store do to files, so that a simulator can have another one.
//!
//! A path is absolute or relative to the process. What is made is for its owner only: directories 0700,
//! files 0600. Nothing here retries, continues or hides anything: a short write and an interrupted one are
//! results like others, and who calls has to deal with them.

use std::fmt;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::thread;
use std::time::{Duration, UNIX_EPOCH};

use super::mapped::MappedFile;

/// How often a lock is tried for, and how long between.
const LOCK_TRIES: u32 = 20;
const LOCK_PAUSE: Duration = Duration::from_millis(20);

/// A file system as journals use it.
pub trait Disk: fmt::Debug {
    /// Makes a new file to append to.
    ///
    /// # Errors
    /// `AlreadyExists` when there is one; else what the system says.
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;

    /// Opens a file that is there to append to it.
    ///
    /// # Errors
    /// What the system says.
    fn append(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;

    /// Reads a file; of a longer one its first `most` bytes.
    ///
    /// # Errors
    /// What the system says.
    fn read(&self, path: &Path, most: u64) -> io::Result<Vec<u8>>;

    /// Reads what stands in a file behind its first `offset` bytes.
    ///
    /// # Errors
    /// What the system says.
    fn read_behind(&self, path: &Path, offset: u64) -> io::Result<Vec<u8>>;

    /// How many bytes a file has.
    ///
    /// # Errors
    /// `NotFound` when there is none; else what the system says.
    fn length(&self, path: &Path) -> io::Result<u64>;

    /// What is in a directory, in no order; of one that is not there: nothing.
    ///
    /// # Errors
    /// What the system says.
    fn list(&self, dir: &Path) -> io::Result<Vec<Entry>>;

    /// Makes a directory and those above it, unless it is there.
    ///
    /// # Errors
    /// What the system says.
    fn make_dir(&self, dir: &Path) -> io::Result<()>;

    /// Makes sure that a directory is ours and nobody else can get into it, and that what is in it is ours. A disk
    /// that knows no owners has nothing to do.
    ///
    /// # Errors
    /// `PermissionDenied` when it is somebody else's; else what the system says.
    fn own_dir(&self, _dir: &Path) -> io::Result<()> {
        Ok(())
    }

    /// Gives a file another name, taking the place of what has that.
    ///
    /// # Errors
    /// What the system says.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// What the system says.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Cuts a file off after `length` bytes.
    ///
    /// # Errors
    /// What the system says.
    fn truncate(&self, path: &Path, length: u64) -> io::Result<()>;

    /// Makes names in a directory last: of files made, renamed and removed.
    ///
    /// # Errors
    /// What the system says.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;

    /// Makes the file at `path`, if it is missing, at least `bytes` long, and its first `bytes` bytes memory of
    /// this process. `None`: this disk cannot, and the file, if there is one, is as it was.
    ///
    /// # Errors
    /// What the system says.
    fn map(&self, path: &Path, bytes: usize) -> io::Result<Option<Box<dyn Mapping>>>;

    /// Makes the file at `path` ours alone until the lock is dropped or the process ends.
    ///
    /// # Errors
    /// `WouldBlock` when it is somebody else's; else what the system says.
    fn lock(&self, path: &Path) -> io::Result<Box<dyn Lock>>;
}

/// A file that is open for appending.
pub trait DiskFile: fmt::Debug {
    /// Appends some of `bytes`; returns how many.
    ///
    /// # Errors
    /// What the system says, `Interrupted` included.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize>;

    /// Waits until all that was written would survive a power cut.
    ///
    /// # Errors
    /// What the system says. What was written before may be lost then, and another try would not tell.
    fn sync(&mut self) -> io::Result<()>;
}

/// Bytes of a file that are memory: what is stored is in the file, however the process ends then.
pub trait Mapping: fmt::Debug {
    /// All of them.
    fn bytes(&self) -> &[u8];

    /// Stores bytes from `at` on. When the process ends meanwhile, any of them may be missing.
    fn store(&mut self, at: usize, bytes: &[u8]);

    /// Stores a word in the machine's own order at `at`, a multiple of eight: whole or not at all.
    fn store_word(&mut self, at: usize, word: u64);
}

/// Something that is held until it is dropped.
pub trait Lock: fmt::Debug {}

/// One name in a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub name: String,
    pub bytes: u64,
    /// Milliseconds since 1970-01-01 UTC.
    pub modified: i64,
}

/// Appends all of `bytes`, however often it takes.
pub(super) fn write_all(file: &mut dyn DiskFile, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match file.write(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// The machine's own file system.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealDisk;

#[derive(Debug)]
struct RealFile(File);

#[derive(Debug)]
struct RealLock {
    /// Closing it unlocks.
    _file: File,
}

impl Disk for RealDisk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let mut options = OpenOptions::new();
        let file = options.append(true).create_new(true).mode(0o600);
        Ok(Box::new(RealFile(file.open(path)?)))
    }

    fn append(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let file = OpenOptions::new().append(true).open(path)?;
        Ok(Box::new(RealFile(file)))
    }

    fn read(&self, path: &Path, most: u64) -> io::Result<Vec<u8>> {
        let mut content = Vec::new();
        File::open(path)?.take(most).read_to_end(&mut content)?;
        Ok(content)
    }

    fn read_behind(&self, path: &Path, offset: u64) -> io::Result<Vec<u8>> {
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(offset))?;
        let mut content = Vec::new();
        file.read_to_end(&mut content)?;
        Ok(content)
    }

    fn length(&self, path: &Path) -> io::Result<u64> {
        fs::metadata(path).map(|about| about.len())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<Entry>> {
        let found = match fs::read_dir(dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            found => found?,
        };
        let mut entries = Vec::new();
        for entry in found {
            let entry = entry?;
            let about = match entry.metadata() {
                // Removed since.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                about => about?,
            };
            let modified = about.modified()?.duration_since(UNIX_EPOCH);
            // A name that is no text is none of ours.
            if let Ok(name) = entry.file_name().into_string() {
                entries.push(Entry {
                    name,
                    bytes: about.len(),
                    modified: modified.map_or(0, |since| since.as_millis() as i64),
                });
            }
        }
        Ok(entries)
    }

    fn make_dir(&self, dir: &Path) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(dir)
    }

    fn own_dir(&self, dir: &Path) -> io::Result<()> {
        let us = rustix::process::geteuid().as_raw();
        let check = |about: &fs::Metadata| match about.uid() == us {
            true => Ok(()),
            false => {
                let text = "it belongs to another user, who could change what is kept there: chown it, or give the server a directory of its own by --state DIR";
                Err(io::Error::new(io::ErrorKind::PermissionDenied, text))
            }
        };
        let about = fs::metadata(dir)?;
        check(&about)?;
        if about.mode() & 0o077 != 0 {
            fs::set_permissions(dir, fs::Permissions::from_mode(0o700))?;
        }
        for entry in fs::read_dir(dir)? {
            match entry?.metadata() {
                // Removed since.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                about => check(&about?)?,
            }
        }
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn truncate(&self, path: &Path, length: u64) -> io::Result<()> {
        OpenOptions::new().write(true).open(path)?.set_len(length)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }

    fn map(&self, path: &Path, bytes: usize) -> io::Result<Option<Box<dyn Mapping>>> {
        let mapped = MappedFile::open(path, bytes)?;
        Ok(mapped.map(|mapped| Box::new(mapped) as Box<dyn Mapping>))
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Lock>> {
        let mut options = OpenOptions::new();
        let file = options.append(true).create(true).mode(0o600).open(path)?;
        for attempt in 1.. {
            match file.try_lock() {
                Ok(()) => break,
                // A child that whoever had it is just starting has it for a moment longer.
                Err(TryLockError::WouldBlock) if attempt < LOCK_TRIES => thread::sleep(LOCK_PAUSE),
                Err(TryLockError::WouldBlock) => return Err(io::ErrorKind::WouldBlock.into()),
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
        Ok(Box::new(RealLock { _file: file }))
    }
}

impl DiskFile for RealFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.0.sync_data()
    }
}

impl Lock for RealLock {}
