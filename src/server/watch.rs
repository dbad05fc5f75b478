//! `--dev` and `--hotload`: notices that files of the site were edited.
//!
//! The kernel tells of every folder that a scan has read, and of what symlinks lead to. When it has
//! been quiet for a moment the site is scanned again as a whole and compared: how an editor writes,
//! and what was missed, makes no difference. Without an edit nothing ever wakes.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use inotify::{EventMask, Inotify, WatchDescriptor, WatchMask};
use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};

use super::files::SiteError;
use super::log::Logger;
use super::scan::{Scan, Visitor, is_wanted};
use crate::core::gather::gather;
use crate::core::id::Timestamp;
use crate::core::site::{Edits, Site};

/// An editor writes a file in several steps; so long after the last one it is done.
const QUIET_MS: u64 = 50;
/// Something that writes without end does not keep edits from being seen.
const LATEST_MS: u64 = 500;
/// A file that has become empty may be about to be written.
const EMPTY_MS: u64 = 200;
/// Bytes of events taken at a time.
const EVENTS_BYTES: usize = 16 << 10;

/// Watches the folders of one site.
pub(super) struct Watcher {
    dir: PathBuf,
    inotify: Inotify,
    /// What is watched; `Some`: of a folder outside the site only these names matter.
    watched: HashMap<WatchDescriptor, Option<BTreeSet<OsString>>>,
    /// When the first and the last event came that no scan has followed yet.
    noticed: Option<(Timestamp, Timestamp)>,
    /// When to look again although nothing was noticed.
    again_at: Option<Timestamp>,
    /// Files that were found empty: the next time they are.
    emptied: BTreeSet<String>,
    /// Files that are of no use as they are on disk, and that the site therefore lacks.
    broken: BTreeMap<String, Vec<u8>>,
    /// What could not be read at the last scan, as it was logged.
    unreadable: BTreeSet<String>,
    log: Logger,
}

impl Watcher {
    /// Watches the site in `dir`, which has just been read.
    ///
    /// # Errors
    /// When the system has no watches to give.
    pub fn new(dir: &Path, log: Logger) -> io::Result<Watcher> {
        let mut watcher = Watcher {
            dir: std::path::absolute(dir)?,
            inotify: Inotify::init()?,
            watched: HashMap::new(),
            noticed: None,
            // What was edited since the site was read is noticed in the first turn.
            again_at: Some(0),
            emptied: BTreeSet::new(),
            broken: BTreeMap::new(),
            unreadable: BTreeSet::new(),
            log,
        };
        watcher.scan();
        Ok(watcher)
    }

    /// Makes the poll loop wake when there is something to [`Watcher::notice`].
    ///
    /// # Errors
    /// When the poll loop takes nothing more.
    pub fn register(&self, registry: &Registry, token: Token) -> io::Result<()> {
        let descriptor = self.inotify.as_raw_fd();
        registry.register(&mut SourceFd(&descriptor), token, Interest::READABLE)
    }

    /// Takes what the kernel has to tell.
    pub fn notice(&mut self, now: Timestamp) {
        let mut buffer = [0; EVENTS_BYTES];
        let mut matters = false;
        // Until there is nothing left, as the poll loop wants it.
        while let Ok(events) = self.inotify.read_events(&mut buffer) {
            for event in events {
                matters |= event.mask.contains(EventMask::Q_OVERFLOW)
                    || concerns(&self.watched, &event.wd, event.name);
            }
        }
        if matters {
            let first = self.noticed.map_or(now, |(first, _)| first);
            self.noticed = Some((first, now));
        }
    }

    /// When to look what has become of the site.
    pub fn due(&self) -> Option<Timestamp> {
        let noticed = self
            .noticed
            .map(|(first, last)| (last + QUIET_MS).min(first + LATEST_MS));
        [noticed, self.again_at].into_iter().flatten().min()
    }

    /// What was edited since `site`, if it is time to look.
    pub fn edits(&mut self, site: &Site, now: Timestamp) -> Edits {
        if self.due().is_none_or(|due| due > now) {
            return Edits::new();
        }
        self.noticed = None;
        self.again_at = None;
        let scan = self.scan();
        self.tell_problems(&scan.problems);
        let hidden = |path: &str| {
            let below = |part: &str| path.strip_prefix(part);
            let of = |part: &str| below(part).is_some_and(|r| r.is_empty() || r.starts_with('/'));
            scan.problems.iter().any(|(part, _)| of(part))
        };
        let gone = site
            .files()
            .filter(|(path, _)| !scan.files.contains_key(*path) && !hidden(path))
            .map(|(path, _)| (path.to_owned(), None));
        let mut edits: Edits = gather(gone);
        let waiting = std::mem::take(&mut self.emptied);
        for (path, content) in scan.files {
            let known = self.broken.get(&path).map(Vec::as_slice);
            if known.or(site.read(&path)) == Some(&*content) {
                continue;
            }
            if content.is_empty() && !waiting.contains(&path) && site.read(&path).is_some() {
                self.emptied.insert(path);
                self.again_at = Some(now + EMPTY_MS);
                continue;
            }
            edits.insert(path, Some(content));
        }
        edits
    }

    /// The site has taken these edits, except for those at `problems`.
    pub fn settle(&mut self, edits: Edits, is_problem: impl Fn(&str) -> bool) {
        for (path, content) in edits {
            match content {
                Some(content) if is_problem(&path) => {
                    self.broken.insert(path, content);
                }
                _ => {
                    self.broken.remove(&path);
                }
            }
        }
    }

    /// Reads the site and watches what it consists of now.
    fn scan(&mut self) -> Scan {
        let mut places = Places {
            inotify: &self.inotify,
            found: HashMap::new(),
            refused: None,
        };
        let scan = Scan::new(&self.dir, &mut places);
        let Places { found, refused, .. } = places;
        if let Some((path, error)) = refused {
            let text = "edits there go unseen; the system's limit is fs.inotify.max_user_watches";
            let path = path.display();
            self.log
                .line(0, format_args!("cannot watch {path}: {error}: {text}"));
        }
        for (old, _) in std::mem::replace(&mut self.watched, found) {
            if !self.watched.contains_key(&old) {
                // Gone already if the folder is.
                let _ = self.inotify.watches().remove(old);
            }
        }
        scan
    }

    fn tell_problems(&mut self, problems: &[(String, SiteError)]) {
        let texts: BTreeSet<String> = gather(problems.iter().map(|(_, e)| e.to_string()));
        for text in texts.difference(&self.unreadable) {
            self.log.line(
                0,
                format_args!("{text}; until then the version before it stays in use"),
            );
        }
        self.unreadable = texts;
    }
}

/// Whether an event may have changed the site.
fn concerns(
    watched: &HashMap<WatchDescriptor, Option<BTreeSet<OsString>>>,
    folder: &WatchDescriptor,
    name: Option<&OsStr>,
) -> bool {
    match (watched.get(folder), name) {
        (None, _) => false,
        (Some(Some(names)), Some(name)) => names.contains(name),
        (Some(None), Some(name)) => name.to_str().is_none_or(is_wanted),
        (Some(_), None) => true,
    }
}

/// Puts watches where a scan comes by.
struct Places<'a> {
    inotify: &'a Inotify,
    found: HashMap<WatchDescriptor, Option<BTreeSet<OsString>>>,
    refused: Option<(PathBuf, io::Error)>,
}

impl Places<'_> {
    fn watch(&mut self, path: &Path) -> Option<WatchDescriptor> {
        let mask = WatchMask::CREATE
            | WatchMask::MODIFY
            | WatchMask::CLOSE_WRITE
            | WatchMask::ATTRIB
            | WatchMask::DELETE
            | WatchMask::MOVE
            | WatchMask::DELETE_SELF
            | WatchMask::MOVE_SELF
            | WatchMask::ONLYDIR;
        match self.inotify.watches().add(path, mask) {
            Ok(descriptor) => Some(descriptor),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                self.refused.get_or_insert((path.into(), error));
                None
            }
        }
    }
}

impl Visitor for Places<'_> {
    fn folder(&mut self, path: &Path) {
        if let Some(descriptor) = self.watch(path) {
            self.found.insert(descriptor, None);
        }
    }

    fn target(&mut self, path: &Path) {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return;
        };
        if let Some(descriptor) = self.watch(parent)
            && let Some(names) = self
                .found
                .entry(descriptor)
                .or_insert_with(|| Some(BTreeSet::new()))
        {
            names.insert(name.into());
        }
    }
}
