//! The disk: files in memory, with what happens to them when the process is killed or the power fails; and the death
//! of the process itself, between any two writes to files and sockets, or in the middle of one.
//!
//! One call of the disk may go wrong, too, without anybody dying.
//!
//! Killed, a process leaves all that it wrote. Without power what was not synced may be gone: of a file any part of
//! what was appended since, of a directory the names since it was synced.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use lunette::journal::{Disk, DiskFile, Entry, Lock, Mapping};

use crate::dice::Dice;

/// Whether the process lives; shared by all it writes to.
#[derive(Clone, Debug, Default)]
pub struct Life {
    dead: Rc<Cell<bool>>,
    /// After so many more writes it dies.
    left: Rc<Cell<Option<u64>>>,
    written: Rc<Cell<u64>>,
}

impl Life {
    pub fn is_over(&self) -> bool {
        self.dead.get()
    }

    /// It dies in the `writes`th write from now on.
    pub fn ends_after(&self, writes: u64) {
        self.left.set(Some(writes));
    }

    /// It does not die any more of what was said before.
    pub fn is_spared(&self) {
        self.left.set(None);
    }

    pub fn begin(&self) {
        self.dead.set(false);
        self.left.set(None);
    }

    /// Writes of all lives.
    pub fn written(&self) -> u64 {
        self.written.get()
    }

    /// Something is written. Whether the process lives on: else only a part of it is.
    pub fn write(&self) -> bool {
        if self.dead.get() {
            return false;
        }
        self.written.set(self.written.get() + 1);
        match self.left.get() {
            None => true,
            Some(0 | 1) => {
                self.dead.set(true);
                false
            }
            Some(left) => {
                self.left.set(Some(left - 1));
                true
            }
        }
    }
}

/// What a call of the disk comes to when it goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// EIO.
    Broken,
    /// ENOSPC, after a part was written.
    Full,
    /// A write takes a part.
    Short,
    /// A write is interrupted: EINTR.
    Interrupted,
}

pub const TROUBLES: [Trouble; 4] = [
    Trouble::Broken,
    Trouble::Full,
    Trouble::Short,
    Trouble::Interrupted,
];

impl Trouble {
    /// Whether who wrote can go on as if nothing had been.
    pub fn is_nothing(self) -> bool {
        matches!(self, Trouble::Short | Trouble::Interrupted)
    }

    fn error(self) -> io::Error {
        match self {
            Trouble::Broken => io::Error::from_raw_os_error(5),
            Trouble::Full => ErrorKind::StorageFull.into(),
            Trouble::Short | Trouble::Interrupted => ErrorKind::Interrupted.into(),
        }
    }
}

#[derive(Debug, Default)]
struct Calls {
    made: Cell<u64>,
    /// In which one there is trouble.
    trouble: Cell<Option<(u64, Trouble)>>,
    had_trouble: Cell<bool>,
}

#[derive(Debug, Default)]
struct Inode {
    content: Vec<u8>,
    synced: usize,
    /// Of a file that is mapped: what the disk had when it was.
    unmapped: Option<Vec<u8>>,
    modified: i64,
}

/// What the disk takes of a mapping at once.
const PAGE: usize = 4096;

#[derive(Debug, Default)]
struct Files {
    inodes: BTreeMap<u64, Inode>,
    last: u64,
    names: BTreeMap<PathBuf, u64>,
    /// As they would be without power.
    synced_names: BTreeMap<PathBuf, u64>,
    wall: i64,
    dice: Option<Dice>,
}

impl Files {
    fn inode(&mut self, path: &Path) -> io::Result<&mut Inode> {
        let id = self.names.get(path).ok_or(ErrorKind::NotFound)?;
        self.inodes.get_mut(id).ok_or(ErrorKind::NotFound.into())
    }

    /// Each page of a mapping is on the disk as it was or as it is now. False: it is none.
    fn lose_pages(&mut self, id: u64) -> bool {
        let Some(mut before) = self.inodes.get_mut(&id).and_then(|i| i.unmapped.take()) else {
            return false;
        };
        let kept: Vec<bool> = before.chunks(PAGE).map(|_| self.roll(2) == 1).collect();
        if let Some(inode) = self.inodes.get_mut(&id) {
            before.resize(inode.content.len(), 0);
            let pages = inode.content.chunks_mut(PAGE).zip(before.chunks(PAGE));
            for ((now, before), kept) in pages.zip(kept) {
                if !kept {
                    now.copy_from_slice(before);
                }
            }
        }
        true
    }

    fn roll(&mut self, sides: usize) -> usize {
        self.dice.as_mut().map_or(0, |dice| dice.roll(sides))
    }
}

#[derive(Clone, Debug)]
pub struct SimDisk {
    files: Rc<RefCell<Files>>,
    life: Life,
    calls: Rc<Calls>,
}

impl SimDisk {
    pub fn new(life: Life, dice: Dice) -> SimDisk {
        let files = Files {
            dice: Some(dice),
            ..Files::default()
        };
        SimDisk {
            files: Rc::new(RefCell::new(files)),
            life,
            calls: Rc::default(),
        }
    }

    /// In its `call`th call there is trouble.
    pub fn has_trouble(&self, call: u64, trouble: Trouble) {
        self.calls.trouble.set(Some((call, trouble)));
    }

    /// What was to go wrong will not any more.
    pub fn has_no_trouble(&self) {
        self.calls.trouble.set(None);
    }

    /// Whether there was.
    pub fn had_trouble(&self) -> bool {
        self.calls.had_trouble.get()
    }

    pub fn calls(&self) -> u64 {
        self.calls.made.get()
    }

    /// A call is made.
    fn call(&self) -> Option<Trouble> {
        let calls = &self.calls;
        calls.made.set(calls.made.get() + 1);
        let (call, trouble) = calls.trouble.get()?;
        let now = call == calls.made.get();
        calls.had_trouble.set(calls.had_trouble.get() || now);
        now.then_some(trouble)
    }

    /// A call that does nothing when it goes wrong; only writes are done in part.
    fn call_or_not(&self) -> io::Result<()> {
        match self.call() {
            Some(trouble) if !trouble.is_nothing() => Err(trouble.error()),
            _ => Ok(()),
        }
    }

    /// What time it is for what is written from now on.
    pub fn set_wall(&self, wall: i64) {
        self.files.borrow_mut().wall = wall;
    }

    /// The power fails.
    pub fn lose_power(&self) {
        let files = &mut *self.files.borrow_mut();
        let dirs: std::collections::BTreeSet<PathBuf> = files
            .names
            .keys()
            .chain(files.synced_names.keys())
            .filter_map(|p| p.parent())
            .map(Path::to_owned)
            .collect();
        for dir in dirs {
            if files.roll(2) == 0 {
                continue;
            }
            files.names.retain(|path, _| path.parent() != Some(&dir));
            let synced = files
                .synced_names
                .iter()
                .filter(|(path, _)| path.parent() == Some(&dir));
            files
                .names
                .extend(synced.map(|(path, id)| (path.clone(), *id)));
        }
        let ids: Vec<u64> = files.inodes.keys().copied().collect();
        for id in ids {
            if files.lose_pages(id) {
                continue;
            }
            let (length, synced) = files
                .inodes
                .get(&id)
                .map_or((0, 0), |i| (i.content.len(), i.synced));
            let kept = synced + files.roll(length - synced + 1);
            if let Some(inode) = files.inodes.get_mut(&id) {
                inode.content.truncate(kept);
                inode.synced = kept;
            }
        }
        files.synced_names = files.names.clone();
    }

    /// A change that happens as a whole or not at all; whether it does.
    fn change(&self) -> io::Result<()> {
        match self.life.write() {
            true => Ok(()),
            false => Err(dead()),
        }
    }

    fn open(&self, id: u64) -> Box<dyn DiskFile> {
        Box::new(SimFile {
            disk: self.clone(),
            id,
        })
    }
}

fn dead() -> io::Error {
    io::Error::other("the process has ended")
}

#[derive(Debug)]
struct SimFile {
    disk: SimDisk,
    id: u64,
}

#[derive(Debug)]
struct SimMapping {
    disk: SimDisk,
    id: u64,
    bytes: Vec<u8>,
}

impl SimMapping {
    /// Of what is stored in its last moment, a dying process leaves some of the bytes, in any order.
    fn put(&mut self, at: usize, bytes: &[u8], is_word: bool) {
        let was_over = self.disk.life.is_over();
        let lives = self.disk.life.write();
        self.bytes[at..at + bytes.len()].copy_from_slice(bytes);
        let files = &mut *self.disk.files.borrow_mut();
        let torn = files.roll(bytes.len() + 1);
        let from_behind = files.roll(2) == 1;
        let Some(inode) = files.inodes.get_mut(&self.id).filter(|_| !was_over) else {
            return;
        };
        let (from, to) = match (lives, is_word) {
            (true, _) => (0, bytes.len()),
            (false, true) => (0, bytes.len() * (torn % 2)),
            (false, false) if from_behind => (torn, bytes.len()),
            (false, false) => (0, torn),
        };
        inode.content[at + from..at + to].copy_from_slice(&bytes[from..to]);
    }
}

impl Mapping for SimMapping {
    fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn store(&mut self, at: usize, bytes: &[u8]) {
        self.put(at, bytes, false);
    }

    fn store_word(&mut self, at: usize, word: u64) {
        self.put(at, &word.to_ne_bytes(), true);
    }
}

#[derive(Debug)]
struct SimLock;

impl Lock for SimLock {}

impl DiskFile for SimFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let trouble = self.disk.call();
        if matches!(trouble, Some(Trouble::Broken | Trouble::Interrupted)) {
            return Err(trouble.map_or(dead(), Trouble::error));
        }
        let bytes = &bytes[..bytes.len() - trouble.map_or(0, |_| bytes.len() / 2)];
        let was_over = self.disk.life.is_over();
        let lives = self.disk.life.write();
        let files = &mut *self.disk.files.borrow_mut();
        let torn = files.roll(bytes.len() + 1);
        let wall = files.wall;
        let Some(inode) = files.inodes.get_mut(&self.id).filter(|_| !was_over) else {
            return Err(dead());
        };
        let length = if lives { bytes.len() } else { torn };
        inode.content.extend_from_slice(&bytes[..length]);
        inode.modified = wall;
        match trouble {
            _ if !lives => Err(dead()),
            Some(Trouble::Full) => Err(Trouble::Full.error()),
            _ => Ok(length),
        }
    }

    fn sync(&mut self) -> io::Result<()> {
        self.disk.call_or_not()?;
        self.disk.change()?;
        if let Some(inode) = self.disk.files.borrow_mut().inodes.get_mut(&self.id) {
            inode.synced = inode.content.len();
        }
        Ok(())
    }
}

impl Disk for SimDisk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.call_or_not()?;
        if self.files.borrow().names.contains_key(path) {
            return Err(ErrorKind::AlreadyExists.into());
        }
        self.change()?;
        let files = &mut *self.files.borrow_mut();
        files.last += 1;
        let inode = Inode {
            modified: files.wall,
            ..Inode::default()
        };
        files.inodes.insert(files.last, inode);
        files.names.insert(path.into(), files.last);
        Ok(self.open(files.last))
    }

    fn append(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.call_or_not()?;
        let files = self.files.borrow();
        let id = files.names.get(path).ok_or(ErrorKind::NotFound)?;
        Ok(self.open(*id))
    }

    fn read(&self, path: &Path, most: u64) -> io::Result<Vec<u8>> {
        self.call_or_not()?;
        let files = &mut *self.files.borrow_mut();
        let content = &files.inode(path)?.content;
        Ok(content[..content.len().min(most as usize)].to_vec())
    }

    fn read_behind(&self, path: &Path, offset: u64) -> io::Result<Vec<u8>> {
        let content = self.read(path, u64::MAX)?;
        Ok(content.get(offset as usize..).unwrap_or_default().to_vec())
    }

    fn length(&self, path: &Path) -> io::Result<u64> {
        self.call_or_not()?;
        let files = &mut *self.files.borrow_mut();
        Ok(files.inode(path)?.content.len() as u64)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<Entry>> {
        self.call_or_not()?;
        let files = self.files.borrow();
        let inside = files
            .names
            .iter()
            .filter(|(path, _)| path.parent() == Some(dir));
        let entries = inside.map(|(path, id)| {
            let inode = &files.inodes[id];
            Entry {
                name: path
                    .file_name()
                    .unwrap_or_default()
                    .to_string_lossy()
                    .into_owned(),
                bytes: inode.content.len() as u64,
                modified: inode.modified,
            }
        });
        Ok(entries.collect())
    }

    fn make_dir(&self, _: &Path) -> io::Result<()> {
        self.call_or_not()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.call_or_not()?;
        self.files.borrow_mut().inode(from)?;
        self.change()?;
        let files = &mut *self.files.borrow_mut();
        if let Some(id) = files.names.remove(from) {
            files.names.insert(to.into(), id);
        }
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.call_or_not()?;
        self.files.borrow_mut().inode(path)?;
        self.change()?;
        self.files.borrow_mut().names.remove(path);
        Ok(())
    }

    fn truncate(&self, path: &Path, length: u64) -> io::Result<()> {
        self.call_or_not()?;
        self.change()?;
        let files = &mut *self.files.borrow_mut();
        let inode = files.inode(path)?;
        inode.content.truncate(length as usize);
        inode.synced = inode.synced.min(length as usize);
        Ok(())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.call_or_not()?;
        self.change()?;
        let files = &mut *self.files.borrow_mut();
        files
            .synced_names
            .retain(|path, _| path.parent() != Some(dir));
        let inside = files
            .names
            .iter()
            .filter(|(path, _)| path.parent() == Some(dir));
        files
            .synced_names
            .extend(inside.map(|(path, id)| (path.clone(), *id)));
        Ok(())
    }

    fn map(&self, path: &Path, bytes: usize) -> io::Result<Option<Box<dyn Mapping>>> {
        self.call_or_not()?;
        self.change()?;
        let files = &mut *self.files.borrow_mut();
        let id = *files.names.entry(path.into()).or_insert_with(|| {
            files.last += 1;
            files.last
        });
        let inode = files.inodes.entry(id).or_default();
        let content = &mut inode.content;
        content.resize(content.len().max(bytes), 0);
        inode.unmapped.get_or_insert_with(|| content.clone());
        Ok(Some(Box::new(SimMapping {
            disk: self.clone(),
            id,
            bytes: content[..bytes].to_vec(),
        })))
    }

    fn lock(&self, _: &Path) -> io::Result<Box<dyn Lock>> {
        self.call_or_not()?;
        Ok(Box::new(SimLock))
    }
}
