//! Archive: what is in a state directory, for everybody who may read it.

use std::cell::RefCell;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use thiserror::Error;

use super::super::disk::Disk;
use super::super::files::Files;
use super::super::header::{RawHeader, SiteFile, sha256};
use super::super::tail;
use super::super::{Header, JournalError, Mark, Reader};
use super::{SESSIONS, SITE, TAIL, VALUES};
use crate::core::code::hex;
use crate::core::site::Site;
use crate::core::upload::Sha256;

/// What is read of a journal at first: most headers are shorter.
const HEADER_GUESS: u64 = 4 << 10;
/// Sites that are remembered: the present one, and those before it that sessions still have.
const SITES_MAX: usize = 4;

/// Whether and how a journal is gone on with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// Its session lives, or shall when the server starts again.
    Live,
    /// Its session is over.
    Ended,
    /// Its session made the server end, twice.
    Quarantined,
    /// Its session went on without it: the disk was full, or broken, or a cap was reached.
    Lost,
}

pub(super) const STANDINGS: [(Standing, &str); 4] = [
    (Standing::Live, "lnt"),
    (Standing::Ended, "ended"),
    (Standing::Quarantined, "quarantined"),
    (Standing::Lost, "lost"),
];

impl Standing {
    /// As names of files and lists have it.
    pub fn name(self) -> &'static str {
        match self {
            Standing::Live => "lnt",
            Standing::Ended => "ended",
            Standing::Quarantined => "quarantined",
            Standing::Lost => "lost",
        }
    }
}

/// A journal of the directory.
#[derive(Debug)]
pub struct Listed {
    pub sid: String,
    pub standing: Standing,
    pub bytes: u64,
    /// When it was written to last, in milliseconds since 1970-01-01 UTC.
    pub modified: i64,
    /// Without its site.
    pub header: Result<Header, JournalError>,
}

/// Why the state directory is of no use.
#[derive(Debug, Error)]
pub enum StoreError {
    #[error(
        "{dir}: another lunette that is running uses this state directory: stop it, or give this one another by --state DIR"
    )]
    InUse { dir: PathBuf },
    #[error("{path}: {source}")]
    Io { path: PathBuf, source: io::Error },
    #[error("{sid}: there is no such session in {dir}; lunette sessions lists those there are")]
    NoSession { sid: String, dir: PathBuf },
    #[error("there is no room for {bytes} bytes: max_total in section [journal] of lunette.toml")]
    NoRoom { bytes: u64 },
    #[error(transparent)]
    Journal(#[from] JournalError),
}

impl StoreError {
    pub(super) fn io(path: &Path) -> impl Fn(io::Error) -> StoreError {
        move |source| StoreError::Io {
            path: path.into(),
            source,
        }
    }
}

/// Reads a state directory; nothing in it is changed.
#[derive(Debug)]
pub struct Archive {
    disk: Rc<dyn Disk>,
    pub(super) dir: PathBuf,
    pub(super) sites: RefCell<Vec<KnownSite>>,
    /// Whose writers are in this process: what they have not written yet is written before it is read. `None`:
    /// another process may be writing.
    pub(super) write_first: Option<Rc<Files>>,
}

/// A site and the names of its files' contents: sessions of one site share it.
#[derive(Debug)]
pub(super) struct KnownSite {
    pub files: Vec<(String, Sha256, u64)>,
    pub site: Site,
}

impl Archive {
    /// The state directory `dir`, there or not.
    pub fn new(disk: Rc<dyn Disk>, dir: &Path) -> Archive {
        Archive {
            disk,
            dir: dir.into(),
            sites: RefCell::default(),
            write_first: None,
        }
    }

    /// The directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Where a session's journal is, or would be.
    pub fn path(&self, sid: &str, standing: Standing) -> PathBuf {
        let name = format!("{sid}.{}", standing.name());
        self.dir.join(SESSIONS).join(name)
    }

    /// All journals, by SID; of each only the header is read.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn sessions(&self) -> Result<Vec<Listed>, StoreError> {
        let dir = self.dir.join(SESSIONS);
        let entries = self.disk.list(&dir).map_err(StoreError::io(&dir))?;
        let mut listed: Vec<Listed> = entries
            .into_iter()
            .filter_map(|entry| {
                let (sid, ending) = entry.name.split_once('.')?;
                let (standing, _) = STANDINGS.iter().find(|(_, name)| *name == ending)?;
                is_sid(sid).then(|| Listed {
                    sid: sid.to_owned(),
                    standing: *standing,
                    bytes: entry.bytes,
                    modified: entry.modified,
                    header: self
                        .raw_header(&dir.join(&entry.name))
                        .map(|raw| raw.header),
                })
            })
            .collect();
        listed.sort_unstable_by(|a, b| (&a.sid, a.standing).cmp(&(&b.sid, b.standing)));
        Ok(listed)
    }

    pub(super) fn raw_header(&self, path: &Path) -> Result<RawHeader, JournalError> {
        let read = |most| {
            self.disk
                .read(path, most)
                .map_err(|source| JournalError::io(path, source))
        };
        let beginning = read(HEADER_GUESS)?;
        match RawHeader::length(&beginning) {
            Some(length) if length > beginning.len() as u64 => RawHeader::read(&read(length)?),
            _ => RawHeader::read(&beginning),
        }
    }

    /// Which standing a session's journal has.
    ///
    /// # Errors
    /// When there is none, or the directory cannot be read.
    pub fn standing(&self, sid: &str) -> Result<Standing, StoreError> {
        self.find(sid).map(|(standing, _)| standing)
    }

    /// How many bytes a session's journal has when all is written.
    ///
    /// # Errors
    /// As for [`Archive::standing`].
    pub fn bytes(&self, sid: &str) -> Result<u64, StoreError> {
        if let Some(files) = &self.write_first {
            let path = self.path(sid, Standing::Live);
            files.settle_at(&path).map_err(StoreError::io(&path))?;
        }
        self.find(sid).map(|(_, bytes)| bytes)
    }

    /// The standing of a session's journal, and its bytes. Asks for it by its names: to list a directory of
    /// many sessions would take longer than to wake one.
    pub(super) fn find(&self, sid: &str) -> Result<(Standing, u64), StoreError> {
        for &(standing, _) in STANDINGS.iter().filter(|_| is_sid(sid)) {
            let path = self.path(sid, standing);
            match self.disk.length(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                length => return Ok((standing, length.map_err(StoreError::io(&path))?)),
            }
        }
        Err(StoreError::NoSession {
            sid: sid.to_owned(),
            dir: self.dir.clone(),
        })
    }

    /// Reads a session's journal, whatever its standing.
    ///
    /// # Errors
    /// When there is none, or it or its site's files are damaged or missing.
    pub fn read(&self, sid: &str) -> Result<Reader, StoreError> {
        let path = self.path(sid, self.standing(sid)?);
        let file = match &self.write_first {
            Some(files) => files
                .settle_at(&path)
                .and_then(|()| self.disk.read(&path, u64::MAX)),
            None => read_journal(&*self.disk, &path),
        };
        let file = file.map_err(StoreError::io(&path))?;
        let raw = RawHeader::read(&file)?;
        let site = self.site(&raw, &path)?;
        let header = Header {
            site,
            ..raw.header.clone()
        };
        Ok(Reader::with_header(
            file,
            &raw,
            header,
            &mut self.look_up(&path),
        )?)
    }

    /// Reads what stands in the file of a session's journal behind a mark.
    ///
    /// # Errors
    /// As for [`Archive::read`], and when the journal does not go on from there.
    pub fn read_behind(&self, sid: &str, mark: &Mark) -> Result<Reader, StoreError> {
        let path = self.path(sid, Standing::Live);
        let raw = self.raw_header(&path)?;
        // A power cut may have taken what stood before the mark, and there is nothing to go on from then.
        if self.disk.length(&path).map_err(StoreError::io(&path))? < mark.offset {
            let reason = "it ends before the mark from which it is to be read on";
            let offset = mark.offset;
            return Err(JournalError::Corrupt { offset, reason }.into());
        }
        let rest = self.disk.read_behind(&path, mark.offset);
        let rest = rest.map_err(StoreError::io(&path))?;
        let header = Header {
            site: self.site(&raw, &path)?,
            ..raw.header.clone()
        };
        let look_up = &mut self.look_up(&path);
        Ok(Reader::behind(mark, rest, &raw, header, look_up)?)
    }

    /// Finds contents that the journal at `path` names.
    fn look_up<'a>(
        &'a self,
        path: &'a Path,
    ) -> impl FnMut(&str, &Sha256, u64) -> Result<Vec<u8>, JournalError> + 'a {
        |name, sha256, bytes| site_file_beside(&*self.disk, path, name, sha256, bytes)
    }

    /// The site of a journal; the same copy for all that have the same.
    fn site(&self, raw: &RawHeader, path: &Path) -> Result<Site, JournalError> {
        let named: Option<Vec<_>> = raw.files.iter().map(named).collect();
        let known = named.as_ref().and_then(|files| {
            let sites = self.sites.borrow();
            let known = sites.iter().find(|known| known.files == *files);
            known.map(|known| known.site.clone())
        });
        if let Some(site) = known {
            return Ok(site);
        }
        let header = raw.resolve(&mut self.look_up(path))?;
        if let Some(files) = named {
            self.remember(files, &header.site);
        }
        Ok(header.site)
    }

    pub(super) fn remember(&self, files: Vec<(String, Sha256, u64)>, site: &Site) {
        let mut sites = self.sites.borrow_mut();
        sites.truncate(SITES_MAX - 1);
        let site = site.clone();
        sites.insert(0, KnownSite { files, site });
    }

    /// What the store was given under this name, if anything.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn get(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.get_beginning(name, u64::MAX)
    }

    /// The first `most` bytes of it.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn get_beginning(&self, name: &str, most: u64) -> Result<Option<Vec<u8>>, StoreError> {
        let path = self.dir.join(VALUES).join(name);
        match self.disk.read(&path, most) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            read => read.map(Some).map_err(StoreError::io(&path)),
        }
    }
}

pub(super) fn named((path, file): &(String, SiteFile)) -> Option<(String, Sha256, u64)> {
    match file {
        SiteFile::Named { sha256, bytes } => Some((path.clone(), *sha256, *bytes)),
        SiteFile::Inline(_) => None,
    }
}

/// Whether a text may be a SID: hexadecimal, and so no path.
pub fn is_sid(sid: &str) -> bool {
    !sid.is_empty() && sid.bytes().all(|b| b.is_ascii_hexdigit())
}

/// Reads a journal; where it lies in a state directory, together with what the tail there has of it.
pub fn read_journal(disk: &dyn Disk, path: &Path) -> io::Result<Vec<u8>> {
    let state = path.parent().and_then(Path::parent);
    let sid = path
        .file_stem()
        .and_then(|stem| tail::parse_sid(stem.to_str()?));
    // First: what goes from there to the journal meanwhile is found twice, and not missed.
    let tail = match (state, sid) {
        (Some(state), Some(_)) => disk.read(&state.join(TAIL), u64::MAX).unwrap_or_default(),
        _ => Vec::new(),
    };
    let file = disk.read(path, u64::MAX)?;
    // Of a session that began anew beside the journal it lost, they are the new one's.
    let live = path.with_extension(Standing::Live.name());
    let is_own = live == path || disk.length(&live).is_err();
    let sid = sid.filter(|_| is_own);
    let pieces = tail::pieces(&tail);
    let pieces = sid.and_then(|sid| pieces.get(&sid));
    Ok(tail::complete(file, 0, pieces.map_or(&[], Vec::as_slice)))
}

/// The content of a file of the site that the journal at `journal` names.
pub fn site_file_beside(
    disk: &dyn Disk,
    journal: &Path,
    name: &str,
    check: &Sha256,
    bytes: u64,
) -> Result<Vec<u8>, JournalError> {
    let state = journal.parent().and_then(Path::parent);
    let path = state.unwrap_or(Path::new("..")).join(SITE).join(hex(check));
    let wrong = |problem: String| JournalError::SiteFile {
        name: name.to_owned(),
        problem: format!("{}: {problem}", path.display()),
    };
    // One byte more tells a file that is too long.
    let content = disk
        .read(&path, bytes.saturating_add(1))
        .map_err(|error| wrong(error.to_string()))?;
    match sha256(&content) == *check {
        true => Ok(content),
        false => Err(wrong("is not what it was for the session".into())),
    }
}
