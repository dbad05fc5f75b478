//! Reading the files of a site that sessions depend on.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::files::SiteError;

/// Code and templates are kept in memory, and in every recording.
pub(super) const FILE_BYTES_MAX: u64 = 8 << 20;
/// Symlinked directories are followed; a ring of them ends here.
pub(super) const DEPTH_MAX: usize = 16;
/// The folders whose files are inputs of sessions.
pub(super) const INPUTS: [&str; 3] = ["lua", "viewdefs", "html/viewdefs"];
/// Symlinks that lead to symlinks are followed this far.
const HOPS_MAX: usize = 8;

/// What hears of the places that decide what a scan finds.
pub(super) trait Visitor {
    /// The entries of this folder are about to be read.
    fn folder(&mut self, path: &Path);
    /// This file or folder, which may not exist, is the site or what a symlink of it leads to.
    fn target(&mut self, path: &Path);
}

/// Nobody wants to know.
pub(super) struct Nobody;

impl Visitor for Nobody {
    fn folder(&mut self, _: &Path) {}
    fn target(&mut self, _: &Path) {}
}

/// The files of a site at one moment.
#[derive(Debug, Default)]
pub(super) struct Scan {
    /// By path inside the site.
    pub files: BTreeMap<String, Vec<u8>>,
    /// What could not be read, by path inside the site, with the reasons.
    pub problems: Vec<(String, SiteError)>,
}

impl Scan {
    /// Reads the site in `dir`.
    pub fn new(dir: &Path, visitor: &mut dyn Visitor) -> Scan {
        let mut scan = Scan::default();
        // It may be put in place of another as a whole.
        visitor.target(dir);
        scan.follow(dir, visitor);
        visitor.folder(dir);
        scan.beside(dir, visitor);
        for input in INPUTS {
            let folder = dir.join(input);
            if let Some((above, _)) = input.split_once('/') {
                visitor.folder(&dir.join(above));
            }
            if folder.is_dir() {
                scan.follow(&folder, visitor);
                scan.folder(&folder, input, 0, visitor);
            }
        }
        scan
    }

    /// Lua files in the site's own folder: `require` looks there, too.
    fn beside(&mut self, dir: &Path, visitor: &mut dyn Visitor) {
        for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
            let path = entry.path();
            if let Some(name) = path.file_name().and_then(|name| name.to_str())
                && name.ends_with(".lua")
                && is_wanted(name)
                && !path.is_dir()
            {
                self.file(&path, name.to_owned(), visitor);
            }
        }
    }

    fn folder(&mut self, folder: &Path, prefix: &str, depth: usize, visitor: &mut dyn Visitor) {
        let path = || folder.to_owned();
        if depth > DEPTH_MAX {
            let error = SiteError::TooDeep { path: path() };
            return self.problems.push((prefix.into(), error));
        }
        // Before it is read: what comes in between is noticed.
        visitor.folder(folder);
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(source) => {
                let error = SiteError::Unreadable {
                    path: path(),
                    source,
                };
                return self.problems.push((prefix.into(), error));
            }
        };
        for entry in entries.flatten() {
            let path = entry.path();
            let Some(name) = path.file_name().and_then(|n| n.to_str()) else {
                self.problems
                    .push((prefix.into(), SiteError::Name { path }));
                continue;
            };
            if !is_wanted(name) {
                continue;
            }
            let inside = format!("{prefix}/{name}");
            if path.is_dir() {
                self.follow(&path, visitor);
                self.folder(&path, &inside, depth + 1, visitor);
            } else {
                self.file(&path, inside, visitor);
            }
        }
    }

    fn file(&mut self, path: &Path, inside: String, visitor: &mut dyn Visitor) {
        self.follow(path, visitor);
        match read(path) {
            Ok(Some(content)) => {
                self.files.insert(inside, content);
            }
            Ok(None) => {}
            Err(error) => self.problems.push((inside, error)),
        }
    }

    /// Tells of all that a symlink leads to.
    fn follow(&self, path: &Path, visitor: &mut dyn Visitor) {
        let mut at = path.to_owned();
        for _ in 0..HOPS_MAX {
            let Ok(target) = fs::read_link(&at) else {
                return;
            };
            at = match at.parent() {
                Some(parent) => parent.join(target),
                None => target,
            };
            visitor.target(&at);
        }
    }
}

/// What editors and version control leave behind is not part of the site.
pub(super) fn is_wanted(name: &str) -> bool {
    !(name.starts_with('.') || name.ends_with('~'))
}

/// The content of a file; `None`: there is something else, a pipe for example.
fn read(path: &Path) -> Result<Option<Vec<u8>>, SiteError> {
    let path_of = || PathBuf::from(path);
    let unreadable = |source| SiteError::Unreadable {
        path: path_of(),
        source,
    };
    let metadata = fs::metadata(path).map_err(unreadable)?;
    if metadata.len() > FILE_BYTES_MAX {
        return Err(SiteError::TooLarge { path: path_of() });
    }
    if !metadata.is_file() {
        return Ok(None);
    }
    fs::read(path).map(Some).map_err(unreadable)
}
