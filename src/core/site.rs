//! A site's files as core and scripts see them: a value, read by somebody else beforehand.

use std::collections::BTreeMap;
use std::rc::Rc;

/// The files of a site that are inputs of its sessions: `lua/...` and `viewdefs/...`, by their path
/// inside the site with `/` between the parts. Static files of `html/` are not in here.
///
/// Cheap to clone: sessions share one copy.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Site {
    files: Rc<BTreeMap<String, Vec<u8>>>,
}

impl Site {
    /// A site of these files.
    pub fn new(files: BTreeMap<String, Vec<u8>>) -> Site {
        Site {
            files: Rc::new(files),
        }
    }

    /// The content of the file at `path`, such as `lua/main.lua`.
    pub fn read(&self, path: &str) -> Option<&[u8]> {
        self.files.get(path).map(Vec::as_slice)
    }

    /// The path as the site itself keeps it, and the content, of the file at `path`.
    pub fn entry(&self, path: &str) -> Option<(&str, &[u8])> {
        let (path, content) = self.files.get_key_value(path)?;
        Some((path, content))
    }

    /// All files, sorted by path.
    pub fn files(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.files.iter().map(|(k, v)| (k.as_str(), v.as_slice()))
    }
}
