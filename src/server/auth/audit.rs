//! The audit log: a line for each login and logout, each request that was refused, and each write and call of a page:
//! when, who, in which session, which path, and what came of it. Values are never told.
//!
//! Lines of a turn are written together, at its end. Whoever renames the file gets a new one under its name.

use std::fmt::{Arguments, Write as _};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::complaints::quoted;
use crate::core::deed::{Deed, DeedKind};
use crate::testing::show_time;
use crate::wire;

/// See the module's description.
#[derive(Debug)]
pub struct Audit {
    path: PathBuf,
    file: File,
    /// Device and number of the file that is written.
    which: (u64, u64),
    /// When it was last looked whether that is still the one of this name, in seconds.
    looked: i64,
    lines: String,
}

impl Audit {
    /// Goes on with the file, or makes it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn open(path: &Path) -> io::Result<Audit> {
        let (file, which) = open(path)?;
        Ok(Audit {
            path: path.into(),
            file,
            which,
            looked: 0,
            lines: String::new(),
        })
    }

    /// Adds a line.
    pub fn line(&mut self, wall: i64, user: Option<&str>, what: Arguments<'_>) {
        // Writing into a String cannot fail.
        let _ = write!(self.lines, "{} ", show_time(wall));
        let _ = match user {
            Some(user) => write!(self.lines, "user={user:?} "),
            None => Ok(()),
        };
        let _ = writeln!(self.lines, "{what}");
    }

    /// Adds what a page did.
    pub fn deed(
        &mut self,
        wall: i64,
        user: Option<&str>,
        session: impl std::fmt::Display,
        deed: &Deed,
    ) {
        let kind = match deed.kind {
            DeedKind::Write => "write",
            DeedKind::Call => "call",
            DeedKind::Path => "path",
            DeedKind::Code => "code",
        };
        let outcome = deed.refused.map_or("ok", wire::code_text);
        let path = quoted(&deed.path);
        // No user's name can look like this: names are quoted.
        let by = if deed.by_operator { "operator " } else { "" };
        self.line(
            wall,
            user,
            format_args!("{by}{kind} session={session} path={path} outcome={outcome}"),
        );
    }

    /// Writes what there is.
    ///
    /// # Errors
    /// When it cannot be written; it is lost then.
    pub fn flush(&mut self, wall: i64) -> io::Result<()> {
        if self.lines.is_empty() {
            return Ok(());
        }
        let lines = std::mem::take(&mut self.lines);
        let second = wall / 1000;
        if second != self.looked {
            self.looked = second;
            let there = fs::metadata(&self.path).map(|meta| (meta.dev(), meta.ino()));
            if there.ok() != Some(self.which) {
                (self.file, self.which) = open(&self.path)?;
            }
        }
        self.file.write_all(lines.as_bytes())
    }
}

fn open(path: &Path) -> io::Result<(File, (u64, u64))> {
    let mut options = OpenOptions::new();
    let file = options.append(true).create(true).mode(0o600).open(path)?;
    let meta = file.metadata()?;
    Ok((file, (meta.dev(), meta.ino())))
}
