//! The machine as scripts reach it: files inside granted directories, the environment, commands.
//!
//! A path is made absolute and cleaned without asking the file system; then it must lie below a granted
//! directory, and from there the kernel itself resolves it, refusing whatever leads outside (symlinks,
//! `..`, the magic links of /proc) however quickly somebody changes links meanwhile. Only regular files
//! are read and written, opened so that nothing (pipes, devices) can make the server wait.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{
    AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags, fstat, ftruncate, open, openat, openat2,
    renameat, statat, unlinkat,
};
use rustix::io::Errno;

use super::command;
use super::random::Random;
use super::uploads;
use crate::config::Directories;
use crate::core::id::SessionId;
use crate::core::outside::{FILE_BYTES_MAX, HostAnswer, HostCall, Outside, WriteMode};
use crate::core::upload::UploadId;

/// A directory (or one file) that the configuration grants.
#[derive(Debug)]
struct Root {
    /// Absolute, as it was written, and without symlinks: a script may know it as either.
    spelled: PathBuf,
    real: PathBuf,
    /// As it was written, for names that scripts are told.
    shown: PathBuf,
    writable: bool,
}

/// What all sessions of a site may reach.
#[derive(Debug)]
pub struct Machine {
    /// Where relative paths begin and commands run: the site's directory.
    base: PathBuf,
    roots: Vec<Root>,
    /// Where files are that were uploaded.
    uploads: Option<PathBuf>,
    random: Random,
}

/// Why a call failed, as scripts are told.
struct Refusal {
    code: i32,
    text: String,
}

type Outcome<T> = Result<T, Refusal>;

/// How many names are tried for a new file before something else must be wrong.
const NAMES_TRIED: u32 = 16;
/// The kernel asks for another try when somebody renames directories meanwhile.
const RACES_MAX: u32 = 16;

impl From<Errno> for Refusal {
    fn from(error: Errno) -> Refusal {
        let code = error.raw_os_error();
        if matches!(error, Errno::XDEV | Errno::LOOP) {
            return outside(code);
        }
        io::Error::from(error).into()
    }
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Refusal {
        let code = error.raw_os_error().unwrap_or(0);
        let mut text = error.to_string();
        if let Some(end) = text.find(" (os error ") {
            text.truncate(end);
        }
        Refusal { code, text }
    }
}

impl From<getrandom::Error> for Refusal {
    fn from(error: getrandom::Error) -> Refusal {
        let text = error.to_string();
        Refusal { code: 0, text }
    }
}

fn refusal(error: Errno, text: &str) -> Refusal {
    Refusal {
        code: error.raw_os_error(),
        text: text.into(),
    }
}

fn outside(code: i32) -> Refusal {
    let text = "not inside the directories that read and write of [lua] in lunette.toml name";
    Refusal {
        code,
        text: text.into(),
    }
}

impl Root {
    /// Points at it. A directory to write to need not be there before the first file is.
    fn open(&self, write: bool) -> Outcome<OwnedFd> {
        let flags = POINT | OFlags::CLOEXEC;
        match open(&self.spelled, flags, Mode::empty()) {
            Err(Errno::NOENT) if write => {
                fs::create_dir_all(&self.spelled)?;
                Ok(open(&self.spelled, flags, Mode::empty())?)
            }
            opened => Ok(opened?),
        }
    }

    /// The directory it lies in, and its name there.
    fn entry(&self) -> Outcome<(OwnedFd, PathBuf)> {
        let (Some(parent), Some(name)) = (self.spelled.parent(), self.spelled.file_name()) else {
            return Err(Errno::ISDIR.into());
        };
        let dir = open(parent, POINT | OFlags::CLOEXEC, Mode::empty())?;
        Ok((dir, name.into()))
    }
}

impl Machine {
    /// The machine as seen from a site in `dir` with these directories granted.
    pub fn new(dir: Option<&Path>, granted: &Directories) -> Machine {
        let base = dir.unwrap_or(Path::new("/"));
        let base = fs::canonicalize(base).unwrap_or_else(|_| base.into());
        let root = |shown: &PathBuf, writable| {
            let spelled = clean(&base.join(shown));
            Root {
                real: fs::canonicalize(&spelled).unwrap_or_else(|_| spelled.clone()),
                spelled,
                shown: shown.clone(),
                writable,
            }
        };
        let write = granted.write.iter().map(|dir| root(dir, true));
        let read = granted.read.iter().map(|dir| root(dir, false));
        Machine {
            roots: write.chain(read).collect(),
            base,
            uploads: None,
            random: Random::default(),
        }
    }

    /// Files that were uploaded are in `dir` from now on.
    pub fn set_uploads(&mut self, dir: Option<&Path>) {
        self.uploads = dir.map(Path::to_owned);
    }

    /// The site's directory.
    pub fn base(&self) -> &Path {
        &self.base
    }

    /// The granted directory that a path lies in, and the rest of the path. What is granted itself has
    /// no rest.
    fn locate(&self, path: &[u8], write: bool) -> Outcome<(&Root, PathBuf)> {
        let path = clean(&self.base.join(OsStr::from_bytes(path)));
        let below = |root: &&Root| path.starts_with(&root.spelled) || path.starts_with(&root.real);
        let mut roots = self.roots.iter().filter(below);
        let Some(root) = roots.clone().find(|root| root.writable || !write) else {
            return Err(match roots.next() {
                Some(_) => refusal(
                    Errno::ACCESS,
                    "may be read, but not written: write of [lua] in lunette.toml does not name it",
                ),
                None => outside(Errno::ACCESS.raw_os_error()),
            });
        };
        let rest = path
            .strip_prefix(&root.spelled)
            .or_else(|_| path.strip_prefix(&root.real))
            .unwrap_or(Path::new(""));
        Ok((root, rest.into()))
    }

    /// The directory of what a path names, and its name in there.
    fn locate_entry(&self, path: &[u8]) -> Outcome<(OwnedFd, PathBuf)> {
        let (root, rest) = self.locate(path, true)?;
        let Some(name) = rest.file_name() else {
            return Err(refusal(Errno::ACCESS, "is itself what is granted"));
        };
        let top = root.open(true)?;
        let dir = match rest.parent() {
            Some(parent) if parent != Path::new("") => open_below(&top, parent, POINT)?,
            _ => top,
        };
        Ok((dir, name.into()))
    }

    /// Opens a regular file.
    fn open(&self, path: &[u8], write: bool, flags: OFlags) -> Outcome<File> {
        let (root, rest) = self.locate(path, write)?;
        let flags = flags | OFlags::NONBLOCK | OFlags::NOCTTY;
        let opened = if rest == Path::new("") {
            open(&root.spelled, flags | OFlags::CLOEXEC, mode_for(flags))?
        } else {
            open_below(&root.open(write)?, &rest, flags)?
        };
        match FileType::from_raw_mode(fstat(&opened)?.st_mode) {
            FileType::RegularFile => Ok(File::from(opened)),
            FileType::Directory => Err(Errno::ISDIR.into()),
            _ => Err(refusal(Errno::INVAL, "is no regular file")),
        }
    }

    fn read(&self, path: &[u8]) -> Outcome<HostAnswer> {
        let file = self.open(path, false, OFlags::RDONLY)?;
        let mut content = Vec::new();
        let most = FILE_BYTES_MAX as u64 + 1;
        file.take(most).read_to_end(&mut content)?;
        if content.len() > FILE_BYTES_MAX {
            let text = format!("is larger than {FILE_BYTES_MAX} bytes");
            return Err(refusal(Errno::FBIG, &text));
        }
        Ok(HostAnswer::Bytes(content))
    }

    fn write(&mut self, path: &[u8], mode: WriteMode, content: &[u8]) -> Outcome<HostAnswer> {
        let flags = OFlags::WRONLY | OFlags::CREATE;
        match mode {
            WriteMode::Truncate => {
                // Emptied only when it is known to be a regular file.
                let mut file = self.open(path, true, flags)?;
                ftruncate(&file, 0)?;
                file.write_all(content)?;
            }
            WriteMode::Append => {
                let mut file = self.open(path, true, flags | OFlags::APPEND)?;
                file.write_all(content)?;
            }
            WriteMode::Replace => self.replace(path, content)?,
        }
        Ok(HostAnswer::Done)
    }

    /// The directory and the name of a file to put in place of what is there.
    fn locate_target(&self, path: &[u8]) -> Outcome<(OwnedFd, PathBuf)> {
        match self.locate(path, true)? {
            // A file that is granted itself: beside it is where the new one has to be.
            (root, rest) if rest == Path::new("") => root.entry(),
            _ => self.locate_entry(path),
        }
    }

    /// Writes a new file beside it and puts that in its place.
    fn replace(&mut self, path: &[u8], content: &[u8]) -> Outcome<()> {
        let (dir, name) = self.locate_target(path)?;
        let mode = match statat(&dir, &name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(before) => match FileType::from_raw_mode(before.st_mode) {
                FileType::RegularFile => Mode::from_raw_mode(before.st_mode & 0o777),
                FileType::Symlink => DEFAULT_MODE,
                FileType::Directory => return Err(Errno::ISDIR.into()),
                _ => return Err(refusal(Errno::INVAL, "is no regular file")),
            },
            Err(Errno::NOENT) => DEFAULT_MODE,
            Err(error) => return Err(error.into()),
        };
        let (mut file, new) = self.create(&dir, ".lunette-", mode)?;
        let written = file
            .write_all(content)
            .map_err(Refusal::from)
            .and_then(|()| Ok(renameat(&dir, &new, &dir, &name)?));
        if written.is_err() {
            let _ = unlinkat(&dir, &new, AtFlags::empty());
        }
        written
    }

    /// Makes a file of a name that nobody can guess.
    fn create(&mut self, dir: &OwnedFd, prefix: &str, mode: Mode) -> Outcome<(File, String)> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        for _ in 0..NAMES_TRIED {
            let name = format!("{prefix}{:016x}", self.random.seed()?);
            match openat(dir, &name, flags, mode) {
                Ok(file) => return Ok((File::from(file), name)),
                Err(Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Errno::EXIST.into())
    }

    fn remove(&self, path: &[u8]) -> Outcome<HostAnswer> {
        let (dir, name) = self.locate_entry(path)?;
        match unlinkat(&dir, &name, AtFlags::empty()) {
            Err(Errno::ISDIR) => unlinkat(&dir, &name, AtFlags::REMOVEDIR)?,
            removed => removed?,
        }
        Ok(HostAnswer::Done)
    }

    fn rename(&self, from: &[u8], to: &[u8]) -> Outcome<HostAnswer> {
        let (from_dir, from) = self.locate_entry(from)?;
        let (to_dir, to) = self.locate_entry(to)?;
        renameat(&from_dir, &from, &to_dir, &to)?;
        Ok(HostAnswer::Done)
    }

    fn temp_name(&mut self) -> Outcome<HostAnswer> {
        let Some(root) = self.roots.iter().find(|root| root.writable) else {
            return Err(outside(Errno::ACCESS.raw_os_error()));
        };
        let shown = root.shown.clone();
        let dir = root.open(true)?;
        let (_, name) = self.create(&dir, "tmp-", Mode::RUSR | Mode::WUSR)?;
        let path = shown.join(name).into_os_string();
        Ok(HostAnswer::Bytes(path.into_vec()))
    }

    fn upload(&self, session: SessionId, upload: UploadId) -> Outcome<PathBuf> {
        let dir = self.uploads.as_ref().ok_or(Errno::NOENT)?;
        Ok(dir.join(uploads::file_name(session, upload)))
    }

    fn read_upload(&self, file: &Path, offset: u64, length: u64) -> Outcome<HostAnswer> {
        let mut file = File::open(file)?;
        file.seek(SeekFrom::Start(offset))?;
        let mut content = Vec::new();
        file.take(length).read_to_end(&mut content)?;
        Ok(HostAnswer::Bytes(content))
    }

    fn move_upload(&self, file: &Path, to: &[u8]) -> Outcome<HostAnswer> {
        let (dir, name) = self.locate_target(to)?;
        match renameat(CWD, file, &dir, &name) {
            // Copying it would make everybody wait.
            Err(Errno::XDEV) => Err(refusal(
                Errno::XDEV,
                "is on another file system than dir of [upload] in lunette.toml: name one on the same",
            )),
            moved => Ok(moved.map(|()| HostAnswer::Done)?),
        }
    }

    fn answer(&mut self, session: SessionId, call: &HostCall) -> Outcome<HostAnswer> {
        match call {
            HostCall::Read { path } => self.read(path),
            HostCall::Write {
                path,
                mode,
                content,
            } => self.write(path, *mode, content),
            HostCall::Remove { path } => self.remove(path),
            HostCall::Rename { from, to } => self.rename(from, to),
            HostCall::TempName => self.temp_name(),
            HostCall::Environment { name } => Ok(environment(name)),
            HostCall::Run {
                command: line,
                input,
            } => Ok(command::run(line, input, &self.base)?),
            HostCall::ReadUpload {
                upload,
                offset,
                length,
            } => self.read_upload(&self.upload(session, *upload)?, *offset, *length),
            HostCall::MoveUpload { upload, to } => {
                self.move_upload(&self.upload(session, *upload)?, to)
            }
        }
    }
}

impl Outside for Machine {
    fn call(&mut self, session: SessionId, call: &HostCall) -> HostAnswer {
        self.answer(session, call).unwrap_or_else(|refusal| {
            let Refusal { code, text } = refusal;
            HostAnswer::Failed { code, text }
        })
    }
}

/// What the process's umask leaves of this.
const DEFAULT_MODE: Mode = Mode::from_raw_mode(0o666);

/// Just to point at a directory.
const POINT: OFlags = OFlags::PATH.union(OFlags::DIRECTORY);

/// The kernel wants no mode where nothing is made.
fn mode_for(flags: OFlags) -> Mode {
    match flags.contains(OFlags::CREATE) {
        true => DEFAULT_MODE,
        false => Mode::empty(),
    }
}

/// Opens a path below an open directory; whatever leads out of it is an error.
fn open_below(root: &OwnedFd, path: &Path, flags: OFlags) -> Outcome<OwnedFd> {
    let flags = flags | OFlags::CLOEXEC;
    let mode = mode_for(flags);
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    for _ in 0..RACES_MAX {
        match openat2(root, path, flags, mode, resolve) {
            Err(Errno::AGAIN) => {}
            // Before Linux 5.6, or forbidden by a container that does not know it.
            Err(Errno::NOSYS | Errno::PERM) => return open_without_links(root, path, flags, mode),
            opened => return Ok(opened?),
        }
    }
    Err(Errno::AGAIN.into())
}

/// The same where the kernel has no help: step by step, following no symlink at all.
fn open_without_links(root: &OwnedFd, path: &Path, flags: OFlags, mode: Mode) -> Outcome<OwnedFd> {
    let mut names = path.components().peekable();
    let mut dir: Option<OwnedFd> = None;
    while let Some(name) = names.next() {
        let at = dir.as_ref().unwrap_or(root);
        let last = names.peek().is_none();
        let step = match last {
            true => flags | OFlags::NOFOLLOW,
            false => OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC,
        };
        let mode = if last { mode } else { Mode::empty() };
        dir = Some(openat(at, name.as_os_str(), step, mode)?);
    }
    dir.ok_or_else(|| Errno::NOENT.into())
}

/// The path without `.` and with each `..` taking away the part before it.
fn clean(path: &Path) -> PathBuf {
    let mut clean = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                clean.pop();
            }
            Component::CurDir => {}
            Component::Prefix(_) | Component::RootDir | Component::Normal(_) => clean.push(part),
        }
    }
    clean
}

fn environment(name: &[u8]) -> HostAnswer {
    let possible = !name.is_empty() && !name.contains(&b'=') && !name.contains(&0);
    let value = possible.then(|| std::env::var_os(OsStr::from_bytes(name)));
    match value.flatten() {
        Some(value) => HostAnswer::Bytes(value.into_vec()),
        None => HostAnswer::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What old kernels get: links are not followed at all, and nothing leads out.
    #[test]
    fn without_the_kernels_help_no_link_is_followed() {
        use std::os::unix::fs::symlink;
        let dir = std::env::temp_dir().join(format!("lunette-outside-{}", std::process::id()));
        fs::create_dir_all(dir.join("root/sub")).unwrap();
        fs::write(dir.join("secret"), "secret").unwrap();
        fs::write(dir.join("root/sub/file"), "inside").unwrap();
        symlink("..", dir.join("root/up")).unwrap();
        symlink("../secret", dir.join("root/link")).unwrap();
        symlink("sub", dir.join("root/in")).unwrap();
        let flags = OFlags::PATH | OFlags::DIRECTORY;
        let root = open(dir.join("root"), flags, Mode::empty()).unwrap();
        let read = |path: &str| {
            let flags = OFlags::RDONLY | OFlags::CLOEXEC;
            let opened = open_without_links(&root, Path::new(path), flags, Mode::empty());
            opened
                .ok()
                .map(|file| io::read_to_string(File::from(file)).unwrap())
        };
        assert_eq!(read("sub/file").as_deref(), Some("inside"));
        for path in ["link", "up/secret", "in/file", "none", ""] {
            assert_eq!(read(path), None, "{path}");
        }
        fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn paths_are_cleaned_without_looking() {
        for (path, cleaned) in [
            ("/a/./b//c/", "/a/b/c"),
            ("/a/../../b", "/b"),
            ("/..", "/"),
            ("/a/b/../c", "/a/c"),
        ] {
            assert_eq!(clean(Path::new(path)), Path::new(cleaned), "{path}");
        }
    }
}
