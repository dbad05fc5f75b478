//! The file of users: a line for each, `NAME:HASH`, perhaps with `:GROUP,GROUP` and `:EMAIL` behind it.
//!
//! Hashes are Argon2id's, as the PHC string format writes them. 7 MiB and five passes are as hard to guess at as more
//! memory and fewer passes (they are one of the pairs that OWASP recommends), and fit on a machine with 32 MiB. One
//! takes some 25 ms, for which nobody else is served: so there is at most one in a turn of the loop, and those that
//! wait for theirs are few (`door`).

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};

const MEMORY_KIB: u32 = 7 * 1024;
const PASSES: u32 = 5;
/// What lines made by other programs may ask of us.
const MEMORY_KIB_MAX: u32 = 64 * 1024;
const PASSES_MAX: u32 = 10;
const LANES_MAX: u32 = 4;

pub const NAME_BYTES_MAX: usize = 64;
/// Longer ones would only be work.
pub const PASSWORD_BYTES_MAX: usize = 256;
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Why there are no users.
#[derive(Debug, thiserror::Error)]
pub enum UsersError {
    #[error(
        "{path}: {source}. users of [auth] must name a file that lunette passwd FILE NAME makes"
    )]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("{path}:{line}: {problem}")]
    Wrong {
        path: PathBuf,
        line: usize,
        problem: &'static str,
    },
    #[error("{0}")]
    Refused(&'static str),
    #[error("the password cannot be hashed: {0}")]
    Hash(String),
}

/// One of them.
#[derive(Clone, Debug)]
pub struct Entry {
    /// As it stands in the file.
    pub hash: String,
    pub groups: Vec<String>,
    pub email: Option<String>,
}

/// What tells one state of a file from another.
type Stamp = (u64, u64, i64, i64);

/// All of a file.
#[derive(Debug)]
pub struct Users {
    path: PathBuf,
    entries: BTreeMap<String, Entry>,
    stamp: Option<Stamp>,
    /// When it was last looked whether the file is another one, in seconds.
    looked: i64,
    /// Stands in for the hash of somebody who is not there, so that a wrong name takes as long as a wrong password.
    nobody: String,
    /// Picks whose hash stands in where there are users: as their hashes take, so take those of others.
    picks: RandomState,
}

impl Users {
    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read, or says something else.
    pub fn read(path: &Path) -> Result<Users, UsersError> {
        let (entries, stamp) = load(path)?;
        Ok(Users {
            path: path.into(),
            entries,
            stamp: Some(stamp),
            looked: 0,
            nobody: hash(b"nobody", [0; 16])?,
            picks: RandomState::new(),
        })
    }

    pub fn get(&self, name: &str) -> Option<&Entry> {
        self.entries.get(name)
    }

    /// In how many milliseconds [`Users::refresh`] looks again.
    pub fn looks_again(&self, wall: i64) -> u64 {
        let next = self.looked.saturating_add(1).saturating_mul(1_000);
        next.saturating_sub(wall).clamp(0, 1_000) as u64
    }

    /// Looks, at most once a second, whether the file was changed, and reads it then. Returns whether it was.
    ///
    /// # Errors
    /// When it says something else now; what was known stays.
    pub fn refresh(&mut self, wall: i64) -> Result<bool, UsersError> {
        let second = wall / 1000;
        if second == self.looked {
            return Ok(false);
        }
        self.looked = second;
        let now = fs::metadata(&self.path).ok().map(|meta| stamp(&meta));
        if now == self.stamp {
            return Ok(false);
        }
        // Told once, not with every request.
        self.stamp = now;
        let (entries, stamp) = load(&self.path)?;
        self.entries = entries;
        self.stamp = Some(stamp);
        Ok(true)
    }

    /// Whether this is the user's password. Takes as long if there is no such user.
    pub fn check(&self, name: &str, password: &[u8]) -> bool {
        let known = self.entries.get(name);
        let hash = known.map_or_else(|| self.stand_in(name), |entry| &entry.hash);
        let right = PasswordHash::new(hash)
            .is_ok_and(|hash| Argon2::default().verify_password(password, &hash).is_ok());
        right && known.is_some()
    }

    /// Always the same for a name, and which one nobody can know.
    fn stand_in(&self, name: &str) -> &str {
        let number = self.picks.hash_one(name) as usize;
        let picked = number.checked_rem(self.entries.len());
        let entry = picked.and_then(|at| self.entries.values().nth(at));
        entry.map_or(&self.nobody, |entry| &entry.hash)
    }
}

fn load(path: &Path) -> Result<(BTreeMap<String, Entry>, Stamp), UsersError> {
    let unreadable = |source| UsersError::Unreadable {
        path: path.into(),
        source,
    };
    let meta = fs::metadata(path).map_err(unreadable)?;
    if !meta.is_file() || meta.len() > FILE_BYTES_MAX {
        let text = "no regular file of at most 1 MiB";
        let error = io::Error::new(io::ErrorKind::InvalidInput, text);
        return Err(unreadable(error));
    }
    if meta.mode() & 0o002 != 0 {
        let text = "everybody may write to it: chmod 600";
        return Err(unreadable(io::Error::new(
            io::ErrorKind::PermissionDenied,
            text,
        )));
    }
    if let Some(dir) = open_directory(path) {
        let text = format!("everybody may put another file into its place: chmod o-w {dir:?}");
        return Err(unreadable(io::Error::new(
            io::ErrorKind::PermissionDenied,
            text,
        )));
    }
    let text = fs::read_to_string(path).map_err(unreadable)?;
    Ok((parse(path, &text)?, stamp(&meta)))
}

/// The directory, of the file or of a symlink that leads to it, whose files everybody may replace.
fn open_directory(path: &Path) -> Option<PathBuf> {
    let target = fs::canonicalize(path).ok();
    let paths = [Some(path), target.as_deref()].into_iter().flatten();
    let mut dirs = paths.filter_map(|path| match path.parent()? {
        here if here.as_os_str().is_empty() => Some(Path::new(".")),
        dir => Some(dir),
    });
    // With the sticky bit each may replace what is theirs.
    let is_open = |dir: &&Path| fs::metadata(dir).is_ok_and(|meta| meta.mode() & 0o1002 == 0o002);
    dirs.find(is_open).map(Path::to_owned)
}

fn stamp(meta: &fs::Metadata) -> Stamp {
    (meta.ino(), meta.len(), meta.mtime(), meta.mtime_nsec())
}

fn parse(path: &Path, text: &str) -> Result<BTreeMap<String, Entry>, UsersError> {
    let mut entries = BTreeMap::new();
    for (at, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let wrong = |problem| UsersError::Wrong {
            path: path.into(),
            line: at + 1,
            problem,
        };
        let (name, entry) = parse_line(line).map_err(wrong)?;
        if entries.insert(name.to_owned(), entry).is_some() {
            return Err(wrong("the user has another line above"));
        }
    }
    Ok(entries)
}

fn parse_line(line: &str) -> Result<(&str, Entry), &'static str> {
    let mut parts = line.split(':');
    let name = parts.next().unwrap_or_default();
    check_name(name)?;
    let hash = parts
        .next()
        .ok_or("write NAME:HASH, as lunette passwd FILE NAME does")?;
    check_hash(hash)?;
    let groups = parts.next().unwrap_or_default().split(',').map(str::trim);
    let groups = groups.filter(|group| !group.is_empty());
    let email = parts.next().filter(|email| !email.is_empty());
    if parts.next().is_some() {
        return Err("there is more than NAME:HASH:GROUPS:EMAIL");
    }
    let entry = Entry {
        hash: hash.into(),
        groups: groups.map(str::to_owned).collect(),
        email: email.map(str::to_owned),
    };
    Ok((name, entry))
}

fn check_name(name: &str) -> Result<(), &'static str> {
    let bad = |c: char| c.is_control() || c == ':' || c == '#';
    match name.is_empty()
        || name.len() > NAME_BYTES_MAX
        || name.trim() != name
        || name.contains(bad)
    {
        true => Err("a name has 1 to 64 bytes, no colon, no # and no spaces around it"),
        false => Ok(()),
    }
}

/// Whether checking a password against it takes a time that may be taken.
fn check_hash(hash: &str) -> Result<(), &'static str> {
    let hash = PasswordHash::new(hash);
    let hash =
        hash.map_err(|_| "the password's hash cannot be read; lunette passwd FILE NAME makes one")?;
    let params = Params::try_from(&hash).map_err(|_| "the hash has no parameters of Argon2")?;
    let argon2id = hash.algorithm.as_str() == Algorithm::Argon2id.as_str();
    if !argon2id || hash.salt.is_none() || hash.hash.is_none() {
        return Err("the hash is not one of argon2id");
    }
    let fits = params.m_cost() <= MEMORY_KIB_MAX
        && params.t_cost() <= PASSES_MAX
        && params.p_cost() <= LANES_MAX;
    match fits {
        true => Ok(()),
        false => {
            Err("checking this hash would take too long: m may be 65536, t 10 and p 4 at the most")
        }
    }
}

/// The hash of a password, to stand in a file.
///
/// # Errors
/// When it is too long, or there is no memory.
pub fn hash(password: &[u8], salt: [u8; 16]) -> Result<String, UsersError> {
    if password.is_empty() || password.len() > PASSWORD_BYTES_MAX {
        return Err(UsersError::Refused("a password has 1 to 256 bytes"));
    }
    let params = Params::new(MEMORY_KIB, PASSES, 1, None);
    let params = params.map_err(|error| UsersError::Hash(error.to_string()))?;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let hash: Result<PasswordHash, _> = argon2.hash_password_with_salt(password, &salt);
    hash.map(|hash| hash.to_string())
        .map_err(|error| UsersError::Hash(error.to_string()))
}

/// Gives a user of the file this password; both are made if they are missing.
///
/// # Errors
/// When the file cannot be read or written, or the name is none.
pub fn set_password(path: &Path, name: &str, password: &[u8]) -> Result<(), UsersError> {
    check_name(name).map_err(UsersError::Refused)?;
    let io = |source| UsersError::Unreadable {
        path: path.into(),
        source,
    };
    let mut salt = [0; 16];
    getrandom::fill(&mut salt).map_err(|error| io(error.into()))?;
    let hash = hash(password, salt)?;
    let before = match fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        read => read.map_err(io)?,
    };
    parse(path, &before)?;
    let mut found = false;
    let mut after = String::new();
    for line in before.lines() {
        let trimmed = line.trim();
        let of_user = trimmed.split(':').next() == Some(name) && trimmed.contains(':');
        if of_user {
            found = true;
            let rest = trimmed.splitn(3, ':').nth(2);
            let rest = rest.map(|rest| format!(":{rest}")).unwrap_or_default();
            after.push_str(&format!("{name}:{hash}{rest}\n"));
        } else {
            after.push_str(line);
            after.push('\n');
        }
    }
    if !found {
        after.push_str(&format!("{name}:{hash}\n"));
    }
    write_whole(path, &after).map_err(io)
}

/// In one step: a server may be reading it.
fn write_whole(path: &Path, text: &str) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}", std::process::id()));
    let new = path.with_file_name(name);
    let mode = fs::metadata(path).map_or(0o600, |meta| meta.mode() & 0o777);
    let mut options = OpenOptions::new();
    let mut file: File = options.write(true).create_new(true).mode(mode).open(&new)?;
    let written = file
        .write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        .and_then(|()| fs::rename(&new, path));
    if written.is_err() {
        let _ = fs::remove_file(&new);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_not_there_takes_as_long_as_one_of_those_who_are() {
        let entry = |hash: &str| Entry {
            hash: hash.into(),
            groups: Vec::new(),
            email: None,
        };
        let mut users = Users {
            path: PathBuf::new(),
            entries: BTreeMap::new(),
            stamp: None,
            looked: 0,
            nobody: "usual".into(),
            picks: RandomState::new(),
        };
        assert_eq!(users.stand_in("x"), "usual");
        users.entries.insert("ann".into(), entry("cheap"));
        users.entries.insert("bob".into(), entry("costly"));
        let names: Vec<String> = (0..200).map(|n| n.to_string()).collect();
        let picked: Vec<&str> = names.iter().map(|name| users.stand_in(name)).collect();
        assert!(picked.contains(&"cheap") && picked.contains(&"costly"));
        let again: Vec<&str> = names.iter().map(|name| users.stand_in(name)).collect();
        assert_eq!(picked, again);
    }

    #[test]
    fn lines_are_read_and_bad_ones_named() {
        let hash = hash(b"secret", [1; 16]).unwrap();
        let path = Path::new("users");
        let text = format!("# people\n\nann:{hash}\nBob B:{hash}:staff, admin:bob@example.org\n");
        let users = parse(path, &text).unwrap();
        assert_eq!(users["Bob B"].groups, ["staff", "admin"]);
        assert_eq!(users["Bob B"].email.as_deref(), Some("bob@example.org"));
        assert!(users["ann"].groups.is_empty() && users["ann"].email.is_none());
        let strong = hash.replace("m=7168", "m=4000000");
        let other = hash.replace("argon2id", "argon2i");
        for bad in [
            "ann".into(),
            "ann:secret".into(),
            format!(":{hash}"),
            format!("ann:{strong}"),
            format!("ann:{other}"),
            format!("ann:{hash}:a:b:c"),
            format!("ann:{hash}\nann:{hash}"),
        ] {
            let error = parse(path, &format!("\n{bad}")).unwrap_err().to_string();
            assert!(
                error.starts_with("users:2: ") || error.starts_with("users:3: "),
                "{error}"
            );
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
