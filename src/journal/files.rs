//! Files: the journals that are being written, with a bounded number of them open at a time.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::disk::{Disk, DiskFile, write_all};

/// Journals open at once; who was not written to for the longest time is closed, and opened when needed.
/// Enough for all sessions that are busy in one turn, and few against the 1,024 that a process may have.
pub(super) const OPEN_MAX: usize = 64;

/// Shared by all writers of a directory.
pub(super) struct Files {
    disk: Rc<dyn Disk>,
    /// The one written to last is at the end.
    open: RefCell<Vec<(u64, Box<dyn DiskFile>)>>,
    last_id: Cell<u64>,
    /// Bytes of all journals of the directory.
    total: Cell<u64>,
}

/// One journal of them.
pub(super) struct File {
    files: Rc<Files>,
    id: u64,
    path: PathBuf,
}

impl Files {
    pub fn new(disk: Rc<dyn Disk>) -> Rc<Files> {
        Rc::new(Files {
            disk,
            open: RefCell::default(),
            last_id: Cell::new(0),
            total: Cell::new(0),
        })
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

    /// Makes the file at `path`, which must not be there.
    pub fn create(self: &Rc<Files>, path: &Path) -> io::Result<File> {
        let open = self.disk.create(path)?;
        let file = self.file(path);
        self.keep(file.id, open);
        Ok(file)
    }

    /// A file that is there; it is opened when it is written to.
    pub fn file(self: &Rc<Files>, path: &Path) -> File {
        self.last_id.set(self.last_id.get() + 1);
        File {
            files: Rc::clone(self),
            id: self.last_id.get(),
            path: path.into(),
        }
    }

    fn keep(&self, id: u64, file: Box<dyn DiskFile>) {
        let mut open = self.open.borrow_mut();
        if open.len() >= OPEN_MAX {
            open.remove(0);
        }
        open.push((id, file));
    }
}

impl File {
    /// Bytes of all journals of the directory.
    pub fn total(&self) -> u64 {
        self.files.total()
    }

    /// Appends all of `bytes`.
    pub fn write(&self, bytes: &[u8]) -> io::Result<()> {
        self.with(|file| write_all(file, bytes))?;
        let total = &self.files.total;
        total.set(total.get() + bytes.len() as u64);
        Ok(())
    }

    /// Waits until what was written would survive a power cut.
    pub fn sync(&self) -> io::Result<()> {
        self.with(|file| file.sync())
    }

    fn with(&self, act: impl FnOnce(&mut dyn DiskFile) -> io::Result<()>) -> io::Result<()> {
        let place = {
            let open = self.files.open.borrow();
            open.iter().rposition(|(id, _)| *id == self.id)
        };
        match place {
            Some(place) => {
                let mut open = self.files.open.borrow_mut();
                open[place..].rotate_left(1);
            }
            None => self
                .files
                .keep(self.id, self.files.disk.append(&self.path)?),
        }
        match self.files.open.borrow_mut().last_mut() {
            Some((_, file)) => act(&mut **file),
            None => Ok(()),
        }
    }
}

impl Drop for File {
    fn drop(&mut self) {
        self.files
            .open
            .borrow_mut()
            .retain(|(id, _)| *id != self.id);
    }
}

impl fmt::Debug for Files {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let open = self.open.borrow().len();
        write!(f, "Files({open} open, {} bytes)", self.total.get())
    }
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "File({})", self.path.display())
    }
}
