//! Uploads: files on their way from a browser to a method of the app.
//!
//! A frontend announces one by creating a variable for the method, with the file's size, name and type
//! in properties. The shell takes the content in and says how that goes on ([`UploadNews`]); core tells
//! the frontend the address and, when the file is whole, calls the method. The content never comes
//! here: what there is of a file is its size and checksum. An upload outlives the connection that
//! announced it: whoever announces it again under its address goes on where it was.

use std::collections::{BTreeMap, VecDeque};

use super::carry::carry;
use super::download::{self, Secret, Token};
use super::id::VarId;
use super::property::Properties;

/// Names an upload of one session: 1, 2, 3 in the order in which they were announced.
pub type UploadId = u64;

/// SHA-256 of a file.
pub type Sha256 = [u8; 32];

/// Uploads of one session that have not reached their method.
const UNDER_WAY_MAX: usize = 8;
/// Files that reached their method and were not moved: the oldest makes room.
const KEPT_MAX: usize = 32;
/// Uploads that have reached their method and are remembered, should their frontend not have heard it.
const DONE_MAX: usize = 100;
/// Bytes of a file's name and of its type, as for downloads.
const TEXT_MAX: usize = 200;
/// The largest size that a browser can count exactly.
const SIZE_MAX: u64 = 1 << 53;

/// The property that makes a new variable an upload: the file's size in bytes.
pub const SIZE: &str = "upload";
/// The file's name and type, as the browser says.
pub const NAME: &str = "uploadName";
/// See [`NAME`].
pub const TYPE: &str = "uploadType";
/// Where the content goes, told by the server; [`DONE`] when the method was called. Given by a
/// frontend that goes on with an upload.
pub const ADDRESS: &str = "uploadAt";
/// See [`ADDRESS`].
pub const DONE: &str = "done";

/// What a frontend says of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Announced {
    /// Never a path: without slashes, and not `.` or `..`.
    pub name: Box<str>,
    pub size: u64,
    /// The MIME type; empty: not known.
    pub mime: Box<str>,
    /// The upload that it wants to go on with.
    pub token: Option<Token>,
}

impl Announced {
    /// From the properties of a new variable; `None`: it is no upload.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn of(properties: &Properties) -> Option<Result<Announced, String>> {
        let size = properties.get(SIZE)?;
        let get = |name| properties.get(name).unwrap_or("");
        let digits = !size.is_empty() && size.bytes().all(|b| b.is_ascii_digit());
        let size = match size.parse() {
            Ok(size) if digits && size <= SIZE_MAX => size,
            _ => return Some(Err("upload must be the size of the file in bytes".into())),
        };
        let mime = get(TYPE);
        let known =
            mime.len() <= TEXT_MAX && mime.bytes().all(|b| b.is_ascii_graphic() || b == b' ');
        let token = get(ADDRESS).rsplit('/').next();
        Some(Ok(Announced {
            name: safe_name(get(NAME)).into(),
            size,
            mime: if known { mime.into() } else { "".into() },
            token: token.and_then(|hex| Token::from_str_radix(hex, 16).ok()),
        }))
    }
}

/// What is left of a name when it can name nothing but a file in one directory.
fn safe_name(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or("");
    let mut safe = String::new();
    for c in last.chars().filter(|c| !c.is_control()) {
        if safe.len() + c.len_utf8() > TEXT_MAX {
            break;
        }
        safe.push(c);
    }
    match safe.as_str() {
        "" | "." | ".." => "file".into(),
        _ => safe,
    }
}

/// What the shell says of an upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UploadNews {
    /// The content may come.
    Ready,
    /// All of it is here.
    Finished { sha256: Sha256 },
    /// It will never be whole; what is said to the user.
    Failed(String),
}

/// What the shell shall do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UploadAction {
    /// Take in so many bytes at the address with this token.
    Open { token: Token, size: u64 },
    /// Delete what is there of it.
    Drop,
}

/// A file that is whole, for the method that takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    pub upload: UploadId,
    pub announced: Announced,
    pub sha256: Sha256,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Announced,
    Ready,
    Finished(Sha256),
    /// Its method was called, and its file is there.
    Kept,
}

#[derive(Clone, Debug)]
struct Upload {
    token: Token,
    announced: Announced,
    state: State,
    /// Whose method takes it; `None`: the frontend is gone and may come back.
    var: Option<VarId>,
}

/// Those of one session.
#[derive(Debug)]
pub struct Uploads {
    seed: u64,
    vended: UploadId,
    all: BTreeMap<UploadId, Upload>,
    /// Those whose method was called, oldest first.
    done: VecDeque<Token>,
}

/// What an announcement leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Begun {
    /// The shell is to take it in.
    New(UploadId, UploadAction),
    /// It goes on at this address.
    Resumed(Token),
    /// It was whole before the frontend came back: its method is to be called now.
    Whole(UploadId),
    /// Its method has been called.
    Done,
}

impl Uploads {
    /// None yet; without a [`Secret`] tokens are made from `seed`.
    pub fn new(seed: u64) -> Uploads {
        Uploads {
            seed,
            vended: 0,
            all: BTreeMap::new(),
            done: VecDeque::new(),
        }
    }

    /// A frontend announces a file for the method of `var`. Also returns what had to make room.
    pub fn begin(
        &mut self,
        secret: Option<&Secret>,
        var: VarId,
        announced: Announced,
    ) -> (Option<Begun>, Option<UploadId>) {
        if announced
            .token
            .is_some_and(|token| self.done.contains(&token))
        {
            return (Some(Begun::Done), None);
        }
        let wanted = |(_, upload): &(&UploadId, &mut Upload)| Some(upload.token) == announced.token;
        if let Some((&id, upload)) = self.all.iter_mut().find(wanted) {
            upload.var = Some(var);
            let begun = match upload.state {
                State::Announced | State::Ready => Begun::Resumed(upload.token),
                State::Finished(_) | State::Kept => Begun::Whole(id),
            };
            return (Some(begun), None);
        }
        let mut out = None;
        if self.under_way().count() >= UNDER_WAY_MAX {
            // Only one that nobody waits for makes room.
            let lonely = self.under_way().find(|(_, upload)| upload.var.is_none());
            let Some((&id, _)) = lonely else {
                return (None, None);
            };
            self.all.remove(&id);
            out = Some(id);
        }
        self.vended += 1;
        let (token, size) = (self.token(secret), announced.size);
        let upload = Upload {
            token,
            announced,
            state: State::Announced,
            var: Some(var),
        };
        self.all.insert(self.vended, upload);
        let action = UploadAction::Open { token, size };
        (Some(Begun::New(self.vended, action)), out)
    }

    fn under_way(&self) -> impl Iterator<Item = (&UploadId, &Upload)> {
        self.all
            .iter()
            .filter(|(_, upload)| upload.state != State::Kept)
    }

    /// Not one of those that downloads have.
    fn token(&self, secret: Option<&Secret>) -> Token {
        match secret {
            Some(secret) => secret.token("upload", self.vended),
            None => download::token(self.seed.rotate_left(17), self.vended),
        }
    }

    /// The content may come: where to, and whom to tell.
    pub fn ready(&mut self, id: UploadId) -> Option<(Token, Option<VarId>)> {
        let upload = self.all.get_mut(&id)?;
        upload.state = State::Ready;
        Some((upload.token, upload.var))
    }

    /// The content is here.
    pub fn finished(&mut self, id: UploadId, sha256: Sha256) {
        if let Some(upload) = self.all.get_mut(&id) {
            upload.state = State::Finished(sha256);
        }
    }

    /// The file for its method and the variable with the method, once, when both are there.
    pub fn take(&mut self, id: UploadId) -> Option<(VarId, Received)> {
        let upload = self.all.get_mut(&id)?;
        let (Some(var), State::Finished(sha256)) = (upload.var, upload.state) else {
            return None;
        };
        upload.state = State::Kept;
        self.done.push_back(upload.token);
        if self.done.len() > DONE_MAX {
            self.done.pop_front();
        }
        let announced = upload.announced.clone();
        let received = Received {
            upload: id,
            announced,
            sha256,
        };
        Some((var, received))
    }

    /// The oldest of the files that wait to be moved, if there are too many.
    pub fn make_room(&mut self) -> Option<UploadId> {
        let mut kept = self.all.iter().filter(|(_, u)| u.state == State::Kept);
        let oldest = *kept.next()?.0;
        if kept.count() < KEPT_MAX {
            return None;
        }
        self.all.remove(&oldest);
        Some(oldest)
    }

    /// Those of which the shell has a file, whole or not, in the order in which they were announced.
    pub fn ids(&self) -> impl Iterator<Item = UploadId> {
        self.all.keys().copied()
    }

    /// Whether its method was called and its file is there.
    pub fn is_kept(&self, id: UploadId) -> bool {
        self.all.get(&id).is_some_and(|u| u.state == State::Kept)
    }

    /// It is over. Returns the variable with its method.
    pub fn end(&mut self, id: UploadId) -> Option<VarId> {
        self.all.remove(&id)?.var
    }

    /// The frontend is gone with this variable, and may come back.
    pub fn leave(&mut self, var: VarId) {
        if let Some((_, upload)) = self.of(var) {
            upload.var = None;
        }
    }

    /// The variable is gone for good. Returns what is over with it.
    pub fn cancel(&mut self, var: VarId) -> Option<UploadId> {
        let (&id, upload) = self.of(var)?;
        upload.var = None;
        if upload.state == State::Kept {
            return None;
        }
        self.all.remove(&id);
        Some(id)
    }

    fn of(&mut self, var: VarId) -> Option<(&UploadId, &mut Upload)> {
        self.all
            .iter_mut()
            .find(|(_, upload)| upload.var == Some(var))
    }
}

carry!(struct Announced { name, size, mime, token });
carry!(enum State { 0 => Announced, 1 => Ready, 2 => Finished(sha256), 3 => Kept });
carry!(struct Upload { token, announced, state, var });
carry!(struct Uploads { seed, vended, all, done });

#[cfg(test)]
mod tests {
    use super::*;

    fn announced(size: u64) -> Announced {
        Announced {
            name: "a".into(),
            size,
            ..Announced::default()
        }
    }

    fn begin(uploads: &mut Uploads, var: i64) -> (UploadId, Token) {
        match uploads.begin(None, VarId(var), announced(5)).0 {
            Some(Begun::New(id, UploadAction::Open { token, .. })) => (id, token),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn names_are_never_paths() {
        for (said, name) in [
            ("../../etc/passwd", "passwd"),
            ("C:\\Users\\x\\a b.txt", "a b.txt"),
            ("..", "file"),
            ("", "file"),
            ("a/", "file"),
            ("a\nb\0.txt", "ab.txt"),
        ] {
            assert_eq!(safe_name(said), name, "{said:?}");
        }
        assert!(safe_name(&"ä".repeat(500)).len() <= TEXT_MAX);
    }

    #[test]
    fn sizes_are_numbers() {
        let of = |size: &str| {
            let mut properties = Properties::default();
            properties.set(SIZE, size, None);
            Announced::of(&properties)
        };
        assert!(of("").is_none());
        assert_eq!(of("12").unwrap().unwrap().size, 12);
        for bad in ["+1", "-1", "1.5", "x", "9007199254740993"] {
            assert!(of(bad).unwrap().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_method_gets_its_file_once_whoever_comes_back() {
        let mut uploads = Uploads::new(7);
        let (id, token) = begin(&mut uploads, 2);
        assert_eq!(uploads.ready(id), Some((token, Some(VarId(2)))));
        uploads.leave(VarId(2));
        uploads.finished(id, [1; 32]);
        assert!(uploads.take(id).is_none(), "nobody is there to take it");
        let again = Announced {
            token: Some(token),
            ..announced(5)
        };
        let (begun, _) = uploads.begin(None, VarId(3), again.clone());
        assert_eq!(begun, Some(Begun::Whole(id)));
        assert_eq!(uploads.take(id).unwrap().0, VarId(3));
        assert!(uploads.take(id).is_none());
        assert_eq!(uploads.begin(None, VarId(4), again).0, Some(Begun::Done));
        assert!(uploads.is_kept(id));
        uploads.end(id);
        let moved = Announced {
            token: Some(token),
            ..announced(5)
        };
        assert_eq!(uploads.begin(None, VarId(5), moved).0, Some(Begun::Done));
    }

    #[test]
    fn only_what_nobody_waits_for_makes_room() {
        let mut uploads = Uploads::new(7);
        let first = begin(&mut uploads, 1);
        for var in 2..=UNDER_WAY_MAX as i64 {
            assert_ne!(begin(&mut uploads, var).1, first.1);
        }
        assert_eq!(uploads.begin(None, VarId(100), announced(5)), (None, None));
        uploads.leave(VarId(2));
        let (begun, out) = uploads.begin(None, VarId(100), announced(5));
        assert!(matches!(begun, Some(Begun::New(..))));
        assert_eq!(out, Some(2));
        assert_eq!(uploads.cancel(VarId(100)), Some(9));
    }

    #[test]
    fn files_that_nobody_moves_make_room() {
        let mut uploads = Uploads::new(7);
        for var in 1..=KEPT_MAX as i64 + 1 {
            assert_eq!(uploads.make_room(), None);
            let (id, _) = begin(&mut uploads, var);
            uploads.finished(id, [0; 32]);
            assert!(uploads.take(id).is_some());
        }
        assert_eq!(uploads.make_room(), Some(1));
        assert_eq!(uploads.make_room(), None);
    }
}
