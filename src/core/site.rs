//! A site's files as core and scripts see them: a value, read by somebody else beforehand.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use sha2::{Digest, Sha256 as Hasher};

use super::allowed::Allowed;
use super::gather::gather;
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
    allowed: OnceCell<Allowed>,
}

type Files = BTreeMap<String, Rc<[u8]>>;

impl PartialEq for Site {
    fn eq(&self, other: &Site) -> bool {
        self.is(other) || self.shared.files == other.shared.files
    }
}

impl From<Files> for Site {
    fn from(files: Files) -> Site {
        Site {
            shared: Rc::new(SharedFiles {
                files,
                ..SharedFiles::default()
            }),
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
    /// Those that are of no use, each with what is wrong and where; the site keeps their last good version.
    pub problems: Rc<BTreeMap<Box<str>, Box<str>>>,
}

impl Site {
    /// A site of these files.
    pub fn new(files: BTreeMap<String, Vec<u8>>) -> Site {
        let files = files.into_iter();
        let files = files.map(|(path, content)| (path, content.into()));
        gather::<_, Files>(files).into()
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

    /// What its viewdefs let pages ask for. Each copy is looked through once.
    pub(super) fn allowed(&self) -> &Allowed {
        self.shared.allowed.get_or_init(|| Allowed::by(self))
    }

    /// This site with files edited. A file in a folder of viewdefs that is none leaves the site as it
    /// was: what sessions show stays, and a session that begins later shows the same.
    pub fn edit(&self, edits: Edits) -> SiteChange {
        let paths = edits.keys().map(|path| path.as_str().into()).collect();
        let is_removed = |path: &String| matches!(edits.get(path), Some(None));
        let stay = self.shared.files.iter();
        let stay = stay.filter(|(path, _)| !is_removed(path));
        let mut files: Files = gather(stay.map(|(path, content)| (path.clone(), content.clone())));
        let mut problems = BTreeMap::new();
        for (path, content) in edits {
            let Some(content) = content else {
                continue;
            };
            match viewdef::problem(&path, &content) {
                Some(problem) => {
                    let stays = match files.contains_key(&path) {
                        true => "; the version before it stays in use",
                        false => "",
                    };
                    problems.insert(path.into(), format!("{problem}{stays}").into());
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
        let mut edits: Edits = gather(gone.map(|path| (path.clone(), None)));
        for (path, content) in has {
            if had.get(path) != Some(content) {
                edits.insert(path.clone(), Some(content.to_vec()));
            }
        }
        edits
    }

    /// What those who develop the site are told of an error besides its message: where it came from.
    pub fn explain(&self, error: &ScriptError) -> Detail {
        use ErrorCode::{BadValue, Limit, LuaError, PathFailure};
        // A file that is no viewdef is not the one that the site has.
        let is_kept = error.code != BadValue;
        let source = self.line_of(&error.message).filter(|_| is_kept);
        let is_placed = error.code == PathFailure && source.is_some();
        if !is_placed && !matches!(error.code, LuaError | Limit | BadValue) {
            return None;
        }
        let mut out = b"{\"traceback\":".to_vec();
        let traceback = error.traceback.as_deref().unwrap_or_default();
        json::push_str(&mut out, traceback.as_bytes());
        out.extend_from_slice(b",\"source\":");
        json::push_str(&mut out, source.unwrap_or_default().as_bytes());
        out.push(b'}');
        Some(String::from_utf8_lossy(&out).into())
    }

    /// Where a template has this text, as `FILE:LINE`.
    pub fn place_in_viewdefs(&self, text: &str) -> Option<String> {
        let templates = self
            .files()
            .filter_map(|(path, content)| Some((path, viewdef::template_text(path, content)?)));
        templates.into_iter().find_map(|(path, template)| {
            let line = template.lines().position(|line| line.contains(text))?;
            Some(format!("{path}:{}", line + 1))
        })
    }

    /// The line of code or of a template that a message `FILE:LINE: ...` speaks of.
    pub fn line_of(&self, message: &str) -> Option<&str> {
        let end = [".lua:", ".html:"]
            .iter()
            .find_map(|end| Some(message.find(end)? + end.len() - 1))?;
        let (file, rest) = (&message[..end], &message[end + 1..]);
        let (line, _) = rest.split_once(':')?;
        let number: usize = line.parse().ok()?;
        let content = self
            .read(&format!("lua/{file}"))
            .or_else(|| self.read(file))?;
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
        let problem = change.problems.values().next().map(|problem| &**problem);
        let problem = problem.unwrap_or_default();
        assert!(
            problem.starts_with("viewdefs/App.DEFAULT.html:1: not a viewdef")
                && problem.ends_with("the version before it stays in use"),
            "{problem}"
        );
    }

    #[test]
    fn messages_lead_to_their_line() {
        let template = "<template>\n <p ui-value='a..b'>\n</template>";
        let site = site(&[
            ("lua/a/b.lua", "one\n  two\nthree"),
            ("viewdefs/A.DEFAULT.html", template),
        ]);
        assert_eq!(site.line_of("a/b.lua:2: attempt to"), Some("two"));
        let place = site.place_in_viewdefs("a..b").unwrap_or_default();
        assert_eq!(place, "viewdefs/A.DEFAULT.html:2");
        assert_eq!(
            site.line_of(&format!("{place}: x")),
            Some("<p ui-value='a..b'>")
        );
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
