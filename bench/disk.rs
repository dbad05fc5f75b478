//! A disk in memory: it counts what is asked of it, fails at the call it is told to, and loses what was not
//! made to last when the power goes. Shared by the bench and the tests (through `#[path]`).

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use lunette::journal::{Disk, DiskFile, Entry, Lock, Mapping};

/// What happens at a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Half of it fits; from then on the disk is full.
    Full,
    /// The call fails.
    Broken,
    /// Half of it is written, which is no error.
    Short,
    Interrupted,
    /// The power goes: this and all later calls fail.
    PowerCut,
}

/// What became of bytes that were not made to last when the power went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsynced {
    Gone,
    Half,
    There,
    /// The file is as long as it was, with zeros in it.
    Zeros,
}

/// What something wrote.
#[derive(Clone, Copy, Debug, Default)]
pub struct Written {
    /// Calls of `write`, and bytes they wrote.
    pub calls: usize,
    pub bytes: usize,
    /// Bytes that were stored in mappings.
    pub stored: usize,
}

#[derive(Clone, Debug, Default)]
pub struct MemoryDisk {
    state: Rc<RefCell<State>>,
}

#[derive(Debug, Default)]
struct State {
    files: BTreeMap<PathBuf, Content>,
    locked: BTreeSet<PathBuf>,
    fault: Option<(usize, Fault)>,
    calls: usize,
    written: Written,
    full: bool,
    off: bool,
    unmapped: bool,
    broken: BTreeSet<PathBuf>,
}

#[derive(Clone, Debug, Default)]
struct Content {
    bytes: Vec<u8>,
    /// So many of them would survive; and whether the name would.
    synced: usize,
    named: bool,
}

impl MemoryDisk {
    /// At the call of that number (1: the first from now on) this happens.
    pub fn fail_at(&self, call: usize, fault: Fault) {
        let mut state = self.state.borrow_mut();
        state.fault = Some((state.calls + call, fault));
    }

    /// Whether the fault has not happened yet.
    pub fn is_waiting(&self) -> bool {
        self.state.borrow().fault.is_some()
    }

    /// The disk is good again.
    pub fn mend(&self) {
        let mut state = self.state.borrow_mut();
        (state.fault, state.full, state.off) = (None, false, false);
        state.locked.clear();
    }

    /// It is one of those that have no mappings.
    pub fn without_mappings(self) -> MemoryDisk {
        self.state.borrow_mut().unmapped = true;
        self
    }

    /// From now on all that is done to this file fails.
    pub fn break_file(&self, path: &Path) {
        self.state.borrow_mut().broken.insert(path.into());
    }

    /// The power comes back.
    pub fn restart(&self, unsynced: Unsynced) {
        self.mend();
        let mut state = self.state.borrow_mut();
        if unsynced == Unsynced::Gone {
            state.files.retain(|_, content| content.named);
        }
        for content in state.files.values_mut() {
            let (synced, length) = (content.synced, content.bytes.len());
            match unsynced {
                Unsynced::Gone => content.bytes.truncate(synced),
                Unsynced::Half => content.bytes.truncate(synced + (length - synced) / 2),
                Unsynced::There => {}
                Unsynced::Zeros => content.bytes[synced..].fill(0),
            }
        }
    }

    pub fn written(&self) -> Written {
        self.state.borrow().written
    }

    pub fn content(&self, path: &Path) -> Option<Vec<u8>> {
        let state = self.state.borrow();
        state.files.get(path).map(|content| content.bytes.clone())
    }

    pub fn set_content(&self, path: &Path, bytes: Vec<u8>) {
        let synced = bytes.len();
        let named = true;
        self.state.borrow_mut().files.insert(
            path.into(),
            Content {
                bytes,
                synced,
                named,
            },
        );
    }

    fn call<T>(&self, act: impl FnOnce(&mut State) -> io::Result<T>) -> io::Result<T> {
        let mut state = self.state.borrow_mut();
        match state.strike()? {
            None | Some(Fault::Short) => act(&mut state),
            Some(fault) => Err(fault.error()),
        }
    }
}

impl State {
    /// Counts a call; what happens at it.
    fn strike(&mut self) -> io::Result<Option<Fault>> {
        self.calls += 1;
        if self.off {
            return Err(Fault::PowerCut.error());
        }
        let struck = self.fault.take_if(|(call, _)| *call == self.calls);
        let fault = struck.map(|(_, fault)| fault);
        self.full |= fault == Some(Fault::Full);
        self.off |= fault == Some(Fault::PowerCut);
        Ok(fault)
    }
}

impl Fault {
    fn error(self) -> io::Error {
        match self {
            Fault::Full => ErrorKind::StorageFull.into(),
            Fault::Interrupted => ErrorKind::Interrupted.into(),
            Fault::Broken | Fault::Short | Fault::PowerCut => {
                io::Error::other("input/output error")
            }
        }
    }
}

fn missing() -> io::Error {
    ErrorKind::NotFound.into()
}

impl Disk for MemoryDisk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.call(|state| {
            if state.full {
                return Err(Fault::Full.error());
            }
            if state.files.contains_key(path) {
                return Err(ErrorKind::AlreadyExists.into());
            }
            state.files.insert(path.into(), Content::default());
            Ok(())
        })?;
        self.append_unasked(path)
    }

    fn append(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.call(|state| match state.files.contains_key(path) {
            true => Ok(()),
            false => Err(missing()),
        })?;
        self.append_unasked(path)
    }

    fn read(&self, path: &Path, most: u64) -> io::Result<Vec<u8>> {
        self.call(|state| {
            let content = state.files.get(path).ok_or_else(missing)?;
            let end = content
                .bytes
                .len()
                .min(usize::try_from(most).unwrap_or(usize::MAX));
            Ok(content.bytes[..end].to_vec())
        })
    }

    fn length(&self, path: &Path) -> io::Result<u64> {
        self.call(|state| {
            let content = state.files.get(path).ok_or_else(missing)?;
            Ok(content.bytes.len() as u64)
        })
    }

    fn read_behind(&self, path: &Path, offset: u64) -> io::Result<Vec<u8>> {
        let bytes = self.read(path, u64::MAX)?;
        let at = usize::try_from(offset).unwrap_or(usize::MAX);
        Ok(bytes.get(at..).unwrap_or_default().to_vec())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<Entry>> {
        self.call(|state| {
            let inside = state
                .files
                .iter()
                .filter(|(path, _)| path.parent() == Some(dir));
            let entry = |(path, content): (&PathBuf, &Content)| Entry {
                name: path
                    .file_name()
                    .unwrap_or_default()
                    .to_string_lossy()
                    .into_owned(),
                bytes: content.bytes.len() as u64,
                modified: 0,
            };
            Ok(inside.map(entry).collect())
        })
    }

    fn make_dir(&self, _: &Path) -> io::Result<()> {
        self.call(|_| Ok(()))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.call(|state| {
            let content = state.files.remove(from).ok_or_else(missing)?;
            state.files.insert(to.into(), content);
            Ok(())
        })
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.call(|state| state.files.remove(path).map(|_| ()).ok_or_else(missing))
    }

    fn truncate(&self, path: &Path, length: u64) -> io::Result<()> {
        self.call(|state| {
            let content = state.files.get_mut(path).ok_or_else(missing)?;
            content.bytes.truncate(length as usize);
            content.synced = content.synced.min(content.bytes.len());
            Ok(())
        })
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.call(|state| {
            for (path, content) in &mut state.files {
                content.named |= path.parent() == Some(dir);
            }
            Ok(())
        })
    }

    fn map(&self, path: &Path, bytes: usize) -> io::Result<Option<Box<dyn Mapping>>> {
        let there = self.call(|state| {
            if state.full {
                return Err(Fault::Full.error());
            }
            if state.unmapped {
                return Ok(None);
            }
            let content = state.files.entry(path.into()).or_default();
            let length = content.bytes.len().max(bytes);
            content.bytes.resize(length, 0);
            Ok(Some(content.bytes[..bytes].to_vec()))
        })?;
        Ok(there.map(|bytes| {
            let (disk, path) = (self.clone(), path.into());
            Box::new(MemoryMapping { disk, path, bytes }) as Box<dyn Mapping>
        }))
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Lock>> {
        self.call(|state| match state.locked.insert(path.into()) {
            true => Ok(()),
            false => Err(ErrorKind::WouldBlock.into()),
        })?;
        Ok(Box::new(MemoryLock {
            disk: self.clone(),
            path: path.into(),
        }))
    }
}

impl MemoryDisk {
    fn append_unasked(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(MemoryFile {
            disk: self.clone(),
            path: path.into(),
        }))
    }
}

#[derive(Debug)]
struct MemoryLock {
    disk: MemoryDisk,
    path: PathBuf,
}

impl Lock for MemoryLock {}

impl Drop for MemoryLock {
    fn drop(&mut self) {
        self.disk.state.borrow_mut().locked.remove(&self.path);
    }
}

/// Bytes of a file that are memory. Stores are no calls of the system, and cannot fail; without power they
/// change nothing.
#[derive(Debug)]
struct MemoryMapping {
    disk: MemoryDisk,
    path: PathBuf,
    bytes: Vec<u8>,
}

impl Mapping for MemoryMapping {
    fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn store(&mut self, at: usize, bytes: &[u8]) {
        let mut state = self.disk.state.borrow_mut();
        self.bytes[at..at + bytes.len()].copy_from_slice(bytes);
        if state.off {
            return;
        }
        state.written.stored += bytes.len();
        if let Some(content) = state.files.get_mut(&self.path) {
            content.bytes[at..at + bytes.len()].copy_from_slice(bytes);
        }
    }

    fn store_word(&mut self, at: usize, word: u64) {
        self.store(at, &word.to_ne_bytes());
    }
}

#[derive(Debug)]
struct MemoryFile {
    disk: MemoryDisk,
    path: PathBuf,
}

impl DiskFile for MemoryFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut state = self.disk.state.borrow_mut();
        if state.broken.contains(&self.path) {
            return Err(Fault::Broken.error());
        }
        let was_full = state.full;
        let fault = state.strike()?;
        let count = match fault {
            None if was_full => return Err(Fault::Full.error()),
            None => bytes.len(),
            Some(Fault::Short | Fault::Full) => bytes.len().div_ceil(2),
            // What the disk had taken of it already is there.
            Some(fault @ (Fault::Broken | Fault::PowerCut)) => {
                let half = &bytes[..bytes.len() / 2];
                state.append(&self.path, half)?;
                return Err(fault.error());
            }
            Some(fault @ Fault::Interrupted) => return Err(fault.error()),
        };
        state.written.calls += 1;
        state.written.bytes += count;
        state.append(&self.path, &bytes[..count])?;
        Ok(count)
    }

    fn sync(&mut self) -> io::Result<()> {
        let path = self.path.clone();
        self.disk.call(|state| {
            let content = state.files.get_mut(&path).ok_or_else(missing)?;
            content.synced = content.bytes.len();
            Ok(())
        })
    }
}

impl State {
    fn append(&mut self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let content = self.files.get_mut(path).ok_or_else(missing)?;
        content.bytes.extend_from_slice(bytes);
        Ok(())
    }
}
