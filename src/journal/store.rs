//! Store: the state directory of one site, with the journals of its sessions.
//!
//! ```text
//! lock                 locked by the one server that writes here
//! tail                 what was committed last, not in the journals yet (see `tail`)
//! sessions/SID.lnt     a journal; SID.ended, SID.quarantined, SID.lost: one that is not gone on with
//! site/SHA256          a file of the site, once for all journals that name it
//! values/NAME          small things the server keeps
//! ```
//!
//! [`Archive`] reads, whoever writes meanwhile; [`Store`] is the one that writes. A file is either as it was
//! or as it shall be: what is not a journal is written beside its place and renamed.

mod archive;
mod room;

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::disk::{Disk, DiskFile, Lock, write_all};
use super::edits::name_contents;
use super::files::Files;
use super::header::{FileRef, sha256};
use super::tail::{self, Piece, TAIL_BYTES, Tail};
use super::writer::{Durability, Policy, Writer};
use super::{Header, JournalError, Reader};
use crate::core::code::{hex, unhex};
use crate::core::gather::gather;
use crate::core::id::ConnectionId;
use crate::core::site::Site;
use crate::core::upload::Sha256;

pub use archive::{Archive, Listed, Standing, StoreError, is_sid};
pub(super) use archive::{read_journal, site_file_beside};

const SESSIONS: &str = "sessions";
const SITE: &str = "site";
const VALUES: &str = "values";
const LOCK: &str = "lock";
const TAIL: &str = "tail";
/// Somebody may want to know why a session was lost.
const LOST_MS: i64 = 7 * 24 * 60 * 60 * 1000;
/// What a name ends in while its file is written.
const UNFINISHED: &str = ".new";

/// What a store is told once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    pub policy: Policy,
    /// How long journals of ended sessions stay, ms; 0: they are removed at once. Those of lost ones stay for a
    /// week at least.
    pub keep_ms: u64,
    /// Bytes of all journals and checkpoints: [`Store::make_room`].
    pub max_total: u64,
}

impl Default for Rules {
    fn default() -> Rules {
        Rules {
            policy: Policy::default(),
            keep_ms: 0,
            max_total: u64::MAX,
        }
    }
}

/// The state directory of the one server that writes to it.
#[derive(Debug)]
pub struct Store {
    archive: Archive,
    files: Rc<Files>,
    rules: Rules,
    /// From so many bytes on there is too little room.
    full_at: Cell<u64>,
    /// Contents of site files that are known to be there.
    there: RefCell<BTreeSet<Sha256>>,
    /// Those that edits name: what names them may not be written yet.
    edited: RefCell<BTreeSet<Sha256>>,
    /// The last edits, and how journals have them: all sessions hear of the same.
    edits: RefCell<(Vec<u8>, Vec<u8>)>,
    _lock: Box<dyn Lock>,
}

impl Store {
    /// Makes the directory if it is missing, for its owner only, and locks it.
    ///
    /// # Errors
    /// When another process has it locked, or it cannot be made or read.
    pub fn open(disk: Rc<dyn Disk>, dir: &Path, rules: Rules) -> Result<Store, StoreError> {
        for part in ["", SESSIONS, SITE, VALUES] {
            let dir = dir.join(part);
            disk.make_dir(&dir).map_err(StoreError::io(&dir))?;
            disk.own_dir(&dir).map_err(StoreError::io(&dir))?;
        }
        let lock = dir.join(LOCK);
        let lock = match disk.lock(&lock) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                return Err(StoreError::InUse { dir: dir.into() });
            }
            locked => locked.map_err(StoreError::io(&lock))?,
        };
        let mut archive = Archive::new(Rc::clone(&disk), dir);
        let tail = open_tail(&archive, &*disk)?;
        let mut files = Files::new(disk);
        if let (Some(tail), Durability::Process) = (tail, rules.policy.durability) {
            files = files.with_tail(tail, Standing::Lost.name());
        }
        let files = Rc::new(files);
        archive.write_first = Some(Rc::clone(&files));
        let store = Store {
            archive,
            files,
            rules,
            full_at: Cell::new(rules.max_total),
            there: RefCell::default(),
            edited: RefCell::default(),
            edits: RefCell::default(),
            _lock: lock,
        };
        store.count()?;
        Ok(store)
    }

    /// What is there to read.
    pub fn archive(&self) -> &Archive {
        &self.archive
    }

    /// Bytes of all journals and checkpoints.
    pub fn total(&self) -> u64 {
        self.files.total()
    }

    /// Whether a journal could not take what waited for it since this was asked last: [`Writer::check`] tells
    /// which.
    pub fn take_failed(&self) -> bool {
        self.files.take_failed()
    }

    /// Begins the journal of the session with the header's SID.
    ///
    /// # Errors
    /// When it has one already, or the disk says no; nothing is left of it then.
    pub fn create(&self, header: &Header) -> Result<Writer, StoreError> {
        let named = self.keep_site(&header.site)?;
        let refs = named.iter().map(|(path, sha256, bytes)| {
            let (sha256, bytes) = (*sha256, *bytes);
            (path.as_str(), FileRef::Named { sha256, bytes })
        });
        let (bytes, check) = header.encode_with(&refs.collect::<Vec<_>>());
        let path = self.archive.path(&header.sid, Standing::Live);
        let file = self.files.create(&path).map_err(StoreError::io(&path))?;
        let begun = Writer::begin(file, &bytes, check, header.detail, self.rules.policy);
        let begun = begun.and_then(|mut writer| {
            if self.is_power_safe() {
                writer.sync().map_err(io::Error::other)?;
                self.disk().sync_dir(&self.archive.dir.join(SESSIONS))?;
            }
            Ok(writer)
        });
        begun.map_err(|error| {
            let _ = self.disk().remove(&path);
            StoreError::io(&path)(error)
        })
    }

    /// Goes on with a journal where it ends, its torn tail cut off. `live` tells how the connections that are
    /// still there ([`Reader::joined`]) are called from now on.
    ///
    /// # Errors
    /// When it cannot be cut or is of an older format.
    pub fn resume(
        &self,
        sid: &str,
        reader: &Reader,
        live: impl Fn(ConnectionId) -> ConnectionId,
    ) -> Result<Writer, StoreError> {
        if reader.format() != super::FORMAT_VERSION {
            return Err(JournalError::Version {
                found: reader.format(),
            }
            .into());
        }
        let path = self.archive.path(sid, Standing::Live);
        let io = StoreError::io(&path);
        if reader.torn_bytes() > 0 {
            let disk = self.disk();
            // What would be cut off must not come again from the tail.
            self.files.settle_all();
            disk.truncate(&path, reader.whole_bytes() as u64)
                .map_err(&io)?;
            let total = self.files.total();
            self.files
                .set_total(total.saturating_sub(reader.torn_bytes() as u64));
        }
        let detail = reader.header().detail;
        let progress = reader.progress(live);
        let file = self.files.file(&path, progress.bytes);
        Ok(Writer::resume(file, progress, detail, self.rules.policy))
    }

    /// The session is over: its journal stays for as long as the rules say. The writer must be gone.
    ///
    /// # Errors
    /// When the disk says no.
    pub fn end(&self, sid: &str) -> Result<(), StoreError> {
        match self.rules.keep_ms {
            0 => self.remove(sid),
            _ => self.set_aside(sid, Standing::Ended),
        }
    }

    /// Gives the session's journal another standing; [`Standing::Live`] brings it back.
    ///
    /// # Errors
    /// When there is none, or the disk says no.
    pub fn set_aside(&self, sid: &str, standing: Standing) -> Result<(), StoreError> {
        let from = self.archive.path(sid, self.archive.standing(sid)?);
        let to = self.archive.path(sid, standing);
        self.disk()
            .rename(&from, &to)
            .and_then(|()| self.sync_sessions())
            .map_err(StoreError::io(&from))
    }

    /// Removes a session's journal; a checkpoint of it is of no use then.
    ///
    /// # Errors
    /// When there is none, or the disk says no.
    pub fn remove(&self, sid: &str) -> Result<(), StoreError> {
        let (standing, bytes) = self.archive.find(sid)?;
        let path = self.archive.path(sid, standing);
        let io = StoreError::io(&path);
        self.disk().remove(&path).map_err(&io)?;
        self.files
            .set_total(self.files.total().saturating_sub(bytes));
        self.sync_sessions().map_err(io)
    }

    /// Removes journals of sessions that ended or were lost longer ago than the rules keep them; `wall` is
    /// now, in milliseconds since 1970-01-01 UTC. Returns how many.
    ///
    /// # Errors
    /// When the disk says no.
    pub fn expire(&self, wall: i64) -> Result<usize, StoreError> {
        let keep = i64::try_from(self.rules.keep_ms).unwrap_or(i64::MAX);
        let keep_of = |standing| match standing {
            Standing::Ended => Some(keep),
            Standing::Lost => Some(keep.max(LOST_MS)),
            Standing::Live | Standing::Quarantined => None,
        };
        let sessions = self.archive.sessions()?;
        let old = |s: &&Listed| {
            keep_of(s.standing).is_some_and(|keep| wall.saturating_sub(s.modified) >= keep)
        };
        let old: Vec<&Listed> = sessions.iter().filter(old).collect();
        for session in &old {
            self.remove(&session.sid)?;
        }
        Ok(old.len())
    }

    /// Edits of a site as journals have them: the contents are in the store, once for all.
    ///
    /// # Errors
    /// When the disk says no.
    pub fn name_edits(&self, edits: &[u8]) -> Result<Vec<u8>, StoreError> {
        let mut last = self.edits.borrow_mut();
        if last.0 != edits {
            let named = name_contents(edits, &mut |check, content| {
                self.edited.borrow_mut().insert(check);
                self.keep_file(check, content)
            })?;
            *last = (edits.to_vec(), named);
        }
        Ok(last.1.clone())
    }

    /// Removes files of sites that no journal names any more, and what was left unfinished. Returns how many.
    ///
    /// # Errors
    /// When the disk says no.
    pub fn collect(&self) -> Result<usize, StoreError> {
        let sessions = self.archive.dir.join(SESSIONS);
        let journals = self.disk().list(&sessions);
        let journals = journals.map_err(StoreError::io(&sessions))?;
        let journals: Vec<PathBuf> = journals.iter().map(|j| sessions.join(&j.name)).collect();
        let mut named: BTreeSet<String> =
            gather(self.edited.borrow().iter().map(|check| hex(check)));
        for journal in &journals {
            match self.archive.raw_header(journal) {
                Ok(raw) => named.extend(
                    raw.files
                        .iter()
                        .filter_map(archive::named)
                        .map(|f| hex(&f.1)),
                ),
                // Another engine's: what it needs is not known here.
                Err(JournalError::Version { .. }) => return Ok(0),
                Err(_) => {}
            }
        }
        let dir = self.archive.dir.join(SITE);
        let files = self.disk().list(&dir).map_err(StoreError::io(&dir))?;
        let mut left: Vec<String> = files.into_iter().map(|file| file.name).collect();
        left.retain(|name| !named.contains(name));
        // What names a content may still wait for its journal.
        if !left.is_empty() {
            self.files.settle_all();
        }
        for journal in &journals {
            if left.is_empty() {
                break;
            }
            // Edits name contents, too, somewhere in the journal. Most have none, and there is mostly nothing left.
            let bytes = self.disk().read(journal, u64::MAX);
            let bytes = bytes.map_err(StoreError::io(journal))?;
            left.retain(|name| !names(&bytes, name));
        }
        for name in &left {
            let path = dir.join(name);
            self.disk().remove(&path).map_err(StoreError::io(&path))?;
        }
        let there = self.there.take().into_iter();
        let there = gather(there.filter(|sha256| !left.contains(&hex(sha256))));
        self.there.replace(there);
        // A site that is remembered may have lost files.
        self.archive.sites.borrow_mut().clear();
        Ok(left.len())
    }

    /// Keeps a small thing under a name, in place of what was there.
    ///
    /// # Errors
    /// When the disk says no; what was there is there, then.
    pub fn put(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        self.replace(&self.archive.dir.join(VALUES), name, bytes)
    }

    /// Drops what is kept under a name, if anything is.
    ///
    /// # Errors
    /// When the disk says no.
    pub fn drop_value(&self, name: &str) -> Result<(), StoreError> {
        let path = self.archive.dir.join(VALUES).join(name);
        match self.disk().remove(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed.map_err(StoreError::io(&path)),
        }
    }

    /// What is kept under a name, to append to it.
    pub(super) fn append_to(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        let dir = self.archive.dir.join(VALUES);
        let path = dir.join(name);
        match self.disk().append(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let file = self.disk().create(&path)?;
                if self.is_power_safe() {
                    self.disk().sync_dir(&dir)?;
                }
                Ok(file)
            }
            opened => opened,
        }
    }

    pub(super) fn of_value(&self, name: &str, error: io::Error) -> StoreError {
        StoreError::io(&self.archive.dir.join(VALUES).join(name))(error)
    }

    fn disk(&self) -> &dyn Disk {
        self.files.disk()
    }

    pub(super) fn is_power_safe(&self) -> bool {
        self.rules.policy.durability == Durability::Power
    }

    fn sync_sessions(&self) -> io::Result<()> {
        match self.is_power_safe() {
            true => self.disk().sync_dir(&self.archive.dir.join(SESSIONS)),
            false => Ok(()),
        }
    }

    /// Writes the site's files that are not there, and names all of them.
    fn keep_site(&self, site: &Site) -> Result<Vec<(String, Sha256, u64)>, StoreError> {
        let known = self.archive.sites.borrow();
        if let Some(known) = known.iter().find(|known| known.site.is(site)) {
            return Ok(known.files.clone());
        }
        drop(known);
        let mut files = Vec::new();
        for (path, content) in site.files() {
            let check = sha256(content);
            self.keep_file(check, content)?;
            files.push((path.to_owned(), check, content.len() as u64));
        }
        self.archive.remember(files.clone(), site);
        Ok(files)
    }

    fn keep_file(&self, check: Sha256, content: &[u8]) -> Result<(), StoreError> {
        if self.there.borrow().contains(&check) {
            return Ok(());
        }
        let dir = self.archive.dir.join(SITE);
        let name = hex(&check);
        // A power cut may have left something else under the name.
        let found = self.disk().read(&dir.join(&name), content.len() as u64 + 1);
        if found.is_err() || found.is_ok_and(|found| found != content) {
            self.replace(&dir, &name, content)?;
        }
        self.there.borrow_mut().insert(check);
        Ok(())
    }

    fn replace(&self, dir: &Path, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let new = dir.join(format!("{name}{UNFINISHED}"));
        let disk = self.disk();
        let write = || {
            match disk.remove(&new) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                Ok(()) | Err(_) => {}
            }
            let mut file = disk.create(&new)?;
            write_all(&mut *file, bytes)?;
            if self.is_power_safe() {
                file.sync()?;
            }
            disk.rename(&new, &dir.join(name))?;
            match self.is_power_safe() {
                true => disk.sync_dir(dir),
                false => Ok(()),
            }
        };
        write().map_err(StoreError::io(&dir.join(name)))
    }
}

/// Writes what the tail holds to the journals it belongs to; then, where that can be, there is a new one.
fn open_tail(archive: &Archive, disk: &dyn Disk) -> Result<Option<Tail>, StoreError> {
    let path = archive.dir.join(TAIL);
    let io = StoreError::io(&path);
    let content = match disk.read(&path, u64::MAX) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        content => content.map_err(&io)?,
    };
    if !tail::is_known(&content) {
        let text = "what it holds belongs to journals, and this lunette cannot read it: start the one that wrote it, or remove the file to go on without";
        return Err(io(io::Error::new(io::ErrorKind::InvalidData, text)));
    }
    for (sid, pieces) in tail::pieces(&content) {
        let sid = format!("{sid:032x}");
        let standing = match archive.find(&sid) {
            Err(StoreError::NoSession { .. }) => continue,
            found => found?.0,
        };
        let path = archive.path(&sid, standing);
        settle(disk, &path, &pieces).map_err(StoreError::io(&path))?;
    }
    let memory = disk.map(&path, TAIL_BYTES).map_err(&io)?;
    match memory {
        Some(memory) => Ok(Some(Tail::new(memory))),
        None => {
            // What was just done must not be done again.
            match disk.remove(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                removed => removed.map(|()| None).map_err(io),
            }
        }
    }
}

/// Makes a journal what the pieces say it is.
fn settle(disk: &dyn Disk, path: &Path, pieces: &[Piece<'_>]) -> io::Result<()> {
    let Some(first) = pieces.first() else {
        return Ok(());
    };
    if disk.length(path)? < first.offset {
        return Ok(());
    }
    let there = disk.read_behind(path, first.offset)?;
    let whole = tail::complete(there.clone(), first.offset, pieces);
    let same = there.iter().zip(&whole).take_while(|(a, b)| a == b).count();
    if same < there.len() {
        disk.truncate(path, first.offset + same as u64)?;
    }
    match &whole[same..] {
        [] => Ok(()),
        rest => write_all(&mut *disk.append(path)?, rest),
    }
}

/// Whether a journal has the checksum that a content is called by.
fn names(journal: &[u8], content: &str) -> bool {
    unhex(content).is_some_and(|check| journal.windows(check.len()).any(|part| part == check))
}
