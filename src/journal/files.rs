//! Files: the journals that are being written, with a bounded number of them open at a time, and with a tail
//! in which waits what shall not cost each of them a write.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::disk::{Disk, DiskFile, write_all};
use super::tail::{Piece, Tail, complete, parse_sid};

/// Journals open at once; who was not written to for the longest time is closed, and opened when needed.
/// Enough for all sessions that are busy in one turn, and few against the 1,024 that a process may have.
pub(super) const OPEN_MAX: usize = 64;

/// Shared by all writers of a directory.
pub(super) struct Files {
    disk: Rc<dyn Disk>,
    /// The one written to last is at the end.
    open: RefCell<Vec<(u64, Box<dyn DiskFile>)>>,
    last_id: Cell<u64>,
    /// Bytes of all journals of the directory, and of what goes with them.
    total: Cell<u64>,
    tail: Option<RefCell<Tail>>,
    /// The journals that the tail has something of.
    waiting: RefCell<Vec<Rc<Journal>>>,
    /// What the name of a journal ends in that could not take what waited.
    lost: &'static str,
    /// One of them could not, and nobody was told.
    failed: Cell<bool>,
}

/// What is known of one of them.
struct Journal {
    id: u64,
    path: PathBuf,
    /// By what it is told from the others in the tail; without one, it does not use that.
    sid: Option<u128>,
    /// Bytes that are in the file, and bytes that wait behind them.
    written: Cell<u64>,
    waiting: Cell<u64>,
    /// What could not be written is lost, and the journal of no use any more.
    failed: RefCell<Option<io::Error>>,
}

/// One journal of them, as whoever writes it has it.
pub(super) struct File {
    files: Rc<Files>,
    journal: Rc<Journal>,
}

impl Files {
    pub fn new(disk: Rc<dyn Disk>) -> Files {
        Files {
            disk,
            open: RefCell::default(),
            last_id: Cell::new(0),
            total: Cell::new(0),
            tail: None,
            waiting: RefCell::default(),
            lost: "",
            failed: Cell::new(false),
        }
    }

    /// What is written waits in this tail from now on. A journal that cannot take what waited gets another
    /// ending, since it must not be taken for what happened.
    pub fn with_tail(self, tail: Tail, lost: &'static str) -> Files {
        Files {
            tail: Some(RefCell::new(tail)),
            lost,
            ..self
        }
    }

    pub fn disk(&self) -> &dyn Disk {
        &*self.disk
    }

    pub fn total(&self) -> u64 {
        self.total.get()
    }

    pub fn set_total(&self, bytes: u64) {
        self.total.set(bytes);
    }

    fn count(&self, bytes: &[u8]) {
        self.total.set(self.total.get() + bytes.len() as u64);
    }

    /// Makes the file at `path`, which must not be there.
    pub fn create(self: &Rc<Files>, path: &Path) -> io::Result<File> {
        let open = self.disk.create(path)?;
        let file = self.file(path, 0);
        if let (Some(tail), Some(sid)) = (&self.tail, file.journal.sid) {
            self.make_room(tail, 0);
            let (offset, bytes) = (0, &[][..]);
            tail.borrow_mut().push(sid, Piece { offset, bytes });
        }
        self.keep(file.journal.id, open);
        Ok(file)
    }

    /// A file that is there and has so many bytes; it is opened when it is written to.
    pub fn file(self: &Rc<Files>, path: &Path, bytes: u64) -> File {
        self.last_id.set(self.last_id.get() + 1);
        let stem = path.file_stem().and_then(|stem| stem.to_str());
        let journal = Journal {
            id: self.last_id.get(),
            path: path.into(),
            sid: stem.and_then(parse_sid),
            written: Cell::new(bytes),
            waiting: Cell::new(0),
            failed: RefCell::default(),
        };
        File {
            files: Rc::clone(self),
            journal: Rc::new(journal),
        }
    }

    /// Writes what waits for the journal at `path`, if anything.
    pub fn settle_at(&self, path: &Path) -> io::Result<()> {
        let waiting = self.waiting.borrow();
        let journal = waiting.iter().find(|journal| journal.path == path).cloned();
        drop(waiting);
        journal.map_or(Ok(()), |journal| self.settle(&journal))
    }

    /// Writes what waits for any journal, and begins the tail anew.
    pub fn settle_all(&self) {
        let Some(tail) = &self.tail else {
            return;
        };
        let tail = &mut *tail.borrow_mut();
        let pieces = tail.pieces();
        for journal in self.waiting.take() {
            let of_it = journal.sid.and_then(|sid| pieces.get(&sid));
            if let Err(error) = self.write_waiting(&journal, of_it.map_or(&[], Vec::as_slice)) {
                // Before the tail is gone, which has what is missing.
                let lost = journal.path.with_extension(self.lost);
                let _ = self.disk.rename(&journal.path, &lost);
                journal.failed.replace(Some(error));
                self.failed.set(true);
            }
        }
        tail.clear();
    }

    /// Whether a journal could not take what waited since this was asked last: [`File::check`] tells which.
    pub fn take_failed(&self) -> bool {
        self.failed.take()
    }

    fn settle(&self, journal: &Journal) -> io::Result<()> {
        let Some(tail) = self.tail.as_ref().filter(|_| journal.waiting.get() > 0) else {
            return Ok(());
        };
        let tail = &mut *tail.borrow_mut();
        let of_it = journal.sid.map_or(Vec::new(), |sid| tail.pieces_of(sid));
        self.write_waiting(journal, &of_it)?;
        let waiting = &mut *self.waiting.borrow_mut();
        waiting.retain(|w| w.id != journal.id);
        if waiting.is_empty() {
            tail.clear();
        }
        Ok(())
    }

    fn write_waiting(&self, journal: &Journal, pieces: &[Piece<'_>]) -> io::Result<()> {
        let bytes = complete(Vec::new(), journal.written.get(), pieces);
        journal.waiting.set(0);
        self.append(journal, &bytes)
    }

    fn append(&self, journal: &Journal, bytes: &[u8]) -> io::Result<()> {
        self.with(journal, |file| write_all(file, bytes))?;
        journal
            .written
            .set(journal.written.get() + bytes.len() as u64);
        Ok(())
    }

    fn make_room(&self, tail: &RefCell<Tail>, bytes: usize) {
        if !tail.borrow().has_room_for(bytes) {
            self.settle_all();
        }
    }

    fn keep(&self, id: u64, file: Box<dyn DiskFile>) {
        let mut open = self.open.borrow_mut();
        if open.len() >= OPEN_MAX {
            open.remove(0);
        }
        open.push((id, file));
    }

    fn with(
        &self,
        journal: &Journal,
        act: impl FnOnce(&mut dyn DiskFile) -> io::Result<()>,
    ) -> io::Result<()> {
        let place = {
            let open = self.open.borrow();
            open.iter().rposition(|(id, _)| *id == journal.id)
        };
        match place {
            Some(place) => self.open.borrow_mut()[place..].rotate_left(1),
            None => self.keep(journal.id, self.disk.append(&journal.path)?),
        }
        match self.open.borrow_mut().last_mut() {
            Some((_, file)) => act(&mut **file),
            None => Ok(()),
        }
    }
}

impl File {
    /// Appends all of `bytes`: to the tail, if there is one.
    pub fn write(&self, bytes: &[u8]) -> io::Result<()> {
        let (files, journal) = (&self.files, &self.journal);
        match (&files.tail, journal.sid) {
            (Some(tail), Some(sid)) if !Tail::is_much(bytes.len()) => {
                files.make_room(tail, bytes.len());
                self.check()?;
                let waiting = journal.waiting.get();
                if waiting == 0 {
                    files.waiting.borrow_mut().push(Rc::clone(journal));
                }
                let offset = journal.written.get() + waiting;
                tail.borrow_mut().push(sid, Piece { offset, bytes });
                journal.waiting.set(waiting + bytes.len() as u64);
                files.count(bytes);
                Ok(())
            }
            _ => self.write_through(bytes),
        }
    }

    /// Appends all of `bytes` to the file itself.
    pub fn write_through(&self, bytes: &[u8]) -> io::Result<()> {
        self.settle()?;
        self.files.append(&self.journal, bytes)?;
        self.files.count(bytes);
        Ok(())
    }

    /// Whether all that was written can still get into the file.
    pub fn check(&self) -> io::Result<()> {
        self.journal.failed.take().map_or(Ok(()), Err)
    }

    /// Has all that was written in the file itself.
    pub fn settle(&self) -> io::Result<()> {
        self.check()?;
        self.files.settle(&self.journal)
    }

    /// Waits until what was written would survive a power cut.
    pub fn sync(&self) -> io::Result<()> {
        self.settle()?;
        self.files.with(&self.journal, |file| file.sync())
    }
}

impl Drop for File {
    fn drop(&mut self) {
        // Who reads the file next finds all of it; when that cannot be, the tail has it still.
        let _ = self.settle();
        let id = self.journal.id;
        self.files.open.borrow_mut().retain(|(open, _)| *open != id);
        self.files.waiting.borrow_mut().retain(|w| w.id != id);
    }
}

impl fmt::Debug for Files {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (open, waiting) = (self.open.borrow().len(), self.waiting.borrow().len());
        let total = self.total.get();
        write!(
            f,
            "Files({open} open, {waiting} with something in the tail, {total} bytes)"
        )
    }
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "File({})", self.journal.path.display())
    }
}
