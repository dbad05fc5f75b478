//! A site's files as core and scripts see them: a value, read by somebody else beforehand.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use sha2::{Digest, Sha256 as Hasher};

use super::script::{ErrorCode, ScriptError};
use super::upload::Sha256;
use super::variable::Detail;
use super::{json, viewdef};

/// The files of a site that are inputs of its sessions: `lua/...`, `viewdefs/...` and Lua files beside
/// them, by their path inside the site with `/` between the parts. Static files of `html/` are not in
/// here.
///
/// Cheap to clone: sessions share one copy.
#[derive(Clone, Debug, Default)]
pub struct Site {
    shared: Rc<SharedFiles>,
}

#[derive(Debug, Default)]
struct SharedFiles {
    files: Files,
    check: OnceCell<Sha256>,
}

type Files = BTreeMap<String, Rc<[u8]>>;

impl PartialEq for Site {
    fn eq(&self, other: &Site) -> bool {
        self.is(other) || self.shared.files == other.shared.files
    }
}

impl From<Files> for Site {
    fn from(files: Files) -> Site {
        let check = OnceCell::new();
        Site {
            shared: Rc::new(SharedFiles { files, check }),
        }
    }
}

/// Files that were edited, by path; `None`: removed.
pub type Edits = BTreeMap<String, Option<Vec<u8>>>;

/// A site after an edit, and what was edited. Cheap to clone: one for all sessions.
#[derive(Clone, Debug, PartialEq)]
pub struct SiteChange {
    pub site: Site,
    /// The paths of all files that were edited, sorted.
    pub paths: Rc<[Box<str>]>,
    /// Those that are of no use, each with the reason; the site keeps their last good version.
    pub problems: Rc<BTreeMap<Box<str>, Box<str>>>,
}

impl Site {
    /// A site of these files.
    pub fn new(files: BTreeMap<String, Vec<u8>>) -> Site {
        let files = files.into_iter();
        let files = files.map(|(path, content)| (path, content.into()));
        files.collect::<Files>().into()
    }

    /// The content of the file at `path`, such as `lua/main.lua`.
    pub fn read(&self, path: &str) -> Option<&[u8]> {
        self.shared.files.get(path).map(|content| &**content)
    }

    /// The path as the site itself keeps it, and the content, of the file at `path`.
    pub fn entry(&self, path: &str) -> Option<(&str, &[u8])> {
        let (path, content) = self.shared.files.get_key_value(path)?;
        Some((path, content))
    }

    /// All files, sorted by path.
    pub fn files(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.shared.files.iter().map(|(k, v)| (k.as_str(), &**v))
    }

    /// Whether both are the same copy.
    pub fn is(&self, other: &Site) -> bool {
        Rc::ptr_eq(&self.shared, &other.shared)
    }

    /// What its files are, in 32 bytes. Each copy is looked through once.
    pub fn check(&self) -> &Sha256 {
        self.shared.check.get_or_init(|| {
            let mut sum = Hasher::new();
            for (path, content) in self.files() {
                for part in [path.as_bytes(), content] {
                    sum.update((part.len() as u64).to_le_bytes());
                    sum.update(part);
                }
            }
            sum.finalize().into()
        })
    }

    /// This site with files edited. A file in a folder of viewdefs that is none leaves the site as it
    /// was: what sessions show stays, and a session that begins later shows the same.
    pub fn edit(&self, edits: Edits) -> SiteChange {
        let mut files = self.shared.files.clone();
        let paths = edits.keys().map(|path| path.as_str().into()).collect();
        let mut problems = BTreeMap::new();
        for (path, content) in edits {
            let Some(content) = content else {
                files.remove(&path);
                continue;
            };
            match viewdef::problem(&path, &content) {
                Some(reason) => {
                    problems.insert(path.into(), reason.into());
                }
                None => {
                    files.insert(path, content.into());
                }
            }
        }
        SiteChange {
            site: files.into(),
            paths,
            problems: Rc::new(problems),
        }
    }

    /// What has to be edited so that this site becomes the other one.
    pub fn edits_to(&self, other: &Site) -> Edits {
        let (had, has) = (&self.shared.files, &other.shared.files);
        let gone = had.keys().filter(|path| !has.contains_key(*path));
        let mut edits: Edits = gone.map(|path| (path.clone(), None)).collect();
        for (path, content) in has {
            if had.get(path) != Some(content) {
                edits.insert(path.clone(), Some(content.to_vec()));
            }
        }
        edits
    }

    /// What those who develop the site are told of an error besides its message: where it came from.
    pub fn explain(&self, error: &ScriptError) -> Detail {
        use ErrorCode::{BadValue, Limit, LuaError};
        if !matches!(error.code, LuaError | Limit | BadValue) {
            return None;
        }
        let source = self.line_of(&error.message);
        let mut out = b"{\"traceback\":".to_vec();
        let traceback = error.traceback.as_deref().unwrap_or_default();
        json::push_str(&mut out, traceback.as_bytes());
        out.extend_from_slice(b",\"source\":");
        json::push_str(&mut out, source.unwrap_or_default().as_bytes());
        out.push(b'}');
        Some(String::from_utf8_lossy(&out).into())
    }

    /// The line of code that a message `FILE.lua:LINE: ...` speaks of.
    pub fn line_of(&self, message: &str) -> Option<&str> {
        let (file, rest) = message.split_once(".lua:")?;
        let (line, _) = rest.split_once(':')?;
        let number: usize = line.parse().ok()?;
        let content = self
            .read(&format!("lua/{file}.lua"))
            .or_else(|| self.read(&format!("{file}.lua")))?;
        let line = content.split(|&b| b == b'\n').nth(number.checked_sub(1)?)?;
        let line = std::str::from_utf8(line).ok()?.trim();
        let cut = (0..=LINE_MAX).rev().find(|&at| line.is_char_boundary(at));
        line.get(..cut.unwrap_or(0).min(line.len()))
    }
}

/// A line of code is shown to this many bytes: a generated file may be a single line.
const LINE_MAX: usize = 300;

#[cfg(test)]
mod tests {
    use super::*;

    fn site(files: &[(&str, &str)]) -> Site {
        let files = files.iter();
        Site::new(
            files
                .map(|(k, v)| ((*k).into(), v.as_bytes().to_vec()))
                .collect(),
        )
    }

    #[test]
    fn an_edit_replaces_adds_and_removes() {
        let before = site(&[("lua/a.lua", "1"), ("lua/b.lua", "2")]);
        let edits = [
            ("lua/a.lua".to_owned(), Some(b"3".to_vec())),
            ("lua/b.lua".to_owned(), None),
            ("lua/c.lua".to_owned(), Some(b"4".to_vec())),
        ];
        let change = before.edit(edits.into_iter().collect());
        assert_eq!(change.site, site(&[("lua/a.lua", "3"), ("lua/c.lua", "4")]));
        assert_eq!(change.paths.len(), 3);
        assert!(change.problems.is_empty());
        assert!(!change.site.is(&before) && before.clone().is(&before));
        assert_ne!(change.site.check(), before.check());
    }

    #[test]
    fn edits_lead_from_one_site_to_another() {
        let before = site(&[("lua/a.lua", "1"), ("lua/b.lua", "2"), ("lua/d.lua", "5")]);
        let after = site(&[("lua/a.lua", "3"), ("lua/c.lua", "4"), ("lua/d.lua", "5")]);
        let edits = before.edits_to(&after);
        assert_eq!(edits.len(), 3, "{edits:?}");
        let edited = before.edit(edits).site;
        assert_eq!(edited, after);
        assert_eq!(edited.check(), after.check());
        assert_ne!(before.check(), after.check());
        // Where one file ends and the next begins is part of it.
        let [one, other] = [("ab", "c"), ("a", "bc")].map(|file| site(&[file]));
        assert_ne!(one.check(), other.check());
        assert!(after.edits_to(&after).is_empty());
    }

    #[test]
    fn what_is_no_viewdef_leaves_the_last_good_one() {
        let before = site(&[("viewdefs/App.DEFAULT.html", "<template>a</template>")]);
        let edits = [(
            "viewdefs/App.DEFAULT.html".to_owned(),
            Some(b"<tem".to_vec()),
        )];
        let change = before.edit(edits.into_iter().collect());
        assert_eq!(change.site, before);
        assert_eq!(change.problems.len(), 1);
    }

    #[test]
    fn messages_lead_to_their_line() {
        let site = site(&[("lua/a/b.lua", "one\n  two\nthree")]);
        assert_eq!(site.line_of("a/b.lua:2: attempt to"), Some("two"));
        for message in [
            "a/b.lua:0: x",
            "a/b.lua:9: x",
            "c.lua:1: x",
            "nothing",
            "a/b.lua:1",
        ] {
            assert_eq!(site.line_of(message), None, "{message}");
        }
    }
}
