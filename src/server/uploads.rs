//! Uploads: what browsers send with PUT, written to files as it comes.
//!
//! Each file lies in a directory that is this server's alone until the script gives it a place; it is
//! deleted with its session at the latest. Nothing of a file is held in memory, and a peer is read only
//! as fast as its bytes are written. Cut off, an upload waits for the rest; HEAD tells how much is here,
//! and PUT goes on from there (the fields are those of the IETF's draft on resumable uploads).

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, DirBuilder, DirEntry, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use sha2::{Digest, Sha256};

use super::Server;
use super::inbox::Input;
use super::origin::Origin;
use super::random::Random;
use super::sessions::Sid;
use super::world::World;
use crate::config::UploadConfig;
use crate::core::download::Token;
use crate::core::id::{SessionId, Timestamp};
use crate::core::script::Runtime;
use crate::core::upload::{UploadAction, UploadId, UploadNews};
use crate::net::http::{Method, Request};
use crate::net::response::{Body, Response};

/// What the Record button keeps of a file.
const SMALL_BYTES_MAX: u64 = 64 << 10;

/// Files under way or not moved yet, of all sessions. Each that is under way has a descriptor.
pub const FILES_MAX: usize = 256;
/// Files of one user, or of all who come from one address and have not logged in: others find room.
const SHARE_MAX: usize = FILES_MAX / 4;
/// An upload of which nothing came for so long is given up: a phone in a tunnel comes back sooner.
const IDLE_MS: u64 = 10 * 60 * 1000;
/// One of which nothing has come at all: pages send as soon as they have announced.
const EMPTY_MS: u64 = 60 * 1000;
/// Directories of servers are named so, with 16 hexadecimal digits behind it.
const PREFIX: &str = "lunette-uploads-";
/// How often another server that starts at the same moment may be in the way.
const TRIES: u32 = 8;

/// A directory of this server alone. While the server lives it holds a lock on it, so that the next one
/// can tell it from what a crash left behind.
#[derive(Debug)]
struct Place {
    dir: PathBuf,
    _lock: File,
}

impl Place {
    fn new(parent: &Path) -> io::Result<Place> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(parent)?;
        for entry in fs::read_dir(parent)?.flatten() {
            let left_behind = is_of_a_server(&entry) && lock(&entry.path()).is_ok();
            if left_behind {
                fs::remove_dir_all(entry.path())?;
            }
        }
        let mut random = Random::default();
        for _ in 0..TRIES {
            let dir = parent.join(format!("{PREFIX}{:016x}", random.seed()?));
            DirBuilder::new().mode(0o700).create(&dir)?;
            // Between the two it looks as if it were left behind.
            if let Ok(lock) = lock(&dir)
                && dir.is_dir()
            {
                return Ok(Place { dir, _lock: lock });
            }
        }
        Err(io::Error::other("other servers are in the way"))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// Nothing of anybody else's may be taken for it: what is left behind is deleted.
fn is_of_a_server(entry: &DirEntry) -> bool {
    let name = entry.file_name();
    let digits = name.to_str().and_then(|name| name.strip_prefix(PREFIX));
    let hex = |b: u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
    digits.is_some_and(|digits| digits.len() == 16 && digits.bytes().all(hex))
        && entry.file_type().is_ok_and(|kind| kind.is_dir())
}

fn lock(dir: &Path) -> io::Result<File> {
    let file = File::open(dir)?;
    flock(&file, FlockOperation::NonBlockingLockExclusive)?;
    Ok(file)
}

/// The file of an upload in the server's directory.
pub fn file_name(session: SessionId, upload: UploadId) -> String {
    format!("{}-{upload}", session.0)
}

/// Who sends a file.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Sender {
    User(Box<str>),
    /// Somebody who has not logged in.
    From(Origin),
    /// Of whom nothing more is known.
    Session(SessionId),
}

/// One that is under way, or whole and not moved.
struct Upload {
    sender: Sender,
    token: Token,
    size: u64,
    offset: u64,
    hash: Sha256,
    /// `None`: it is whole.
    file: Option<File>,
    /// When bytes of it came last, or it was announced.
    touched: Timestamp,
}

impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} bytes", self.offset, self.size)
    }
}

impl Upload {
    /// Says that it is whole, once.
    fn finish(&mut self) -> Option<UploadNews> {
        if self.offset < self.size || self.file.take().is_none() {
            return None;
        }
        let sha256 = self.hash.finalize_reset().into();
        Some(UploadNews::Finished { sha256 })
    }

    /// When it is given up.
    fn due(&self) -> Option<Timestamp> {
        let patience = if self.offset == 0 { EMPTY_MS } else { IDLE_MS };
        self.file.as_ref().map(|_| self.touched + patience)
    }

    fn write(&mut self, data: &[u8]) -> io::Result<()> {
        let Some(file) = &mut self.file else {
            return Err(io::Error::other("it is whole"));
        };
        file.write_all(data)?;
        self.hash.update(data);
        self.offset += data.len() as u64;
        Ok(())
    }
}

/// All of a server.
#[derive(Debug)]
pub struct Uploads {
    /// `None`: there are none on this server.
    place: Option<Place>,
    bytes_max: u64,
    all: BTreeMap<(SessionId, UploadId), Upload>,
}

impl Uploads {
    /// None yet; they will lie below the directory that is configured, if any is.
    ///
    /// # Errors
    /// When that cannot be made or written to.
    pub fn new(config: Option<&UploadConfig>) -> io::Result<Uploads> {
        let place = config.map(|config| Place::new(&config.dir)).transpose()?;
        Ok(Uploads {
            place,
            bytes_max: config.map_or(0, |config| config.max_bytes),
            all: BTreeMap::new(),
        })
    }

    /// What is in a file, if it is small enough to be a part of a text.
    pub fn small_content(&self, session: SessionId, upload: UploadId) -> Option<Vec<u8>> {
        let path = self.dir()?.join(file_name(session, upload));
        let is_small = fs::metadata(&path).is_ok_and(|about| about.len() <= SMALL_BYTES_MAX);
        is_small.then(|| fs::read(&path).ok()).flatten()
    }

    /// Where the files are.
    pub fn dir(&self) -> Option<&Path> {
        self.place.as_ref().map(|place| &*place.dir)
    }

    /// Whether anything of it is here.
    pub fn knows(&self, session: SessionId, upload: UploadId) -> bool {
        self.all.contains_key(&(session, upload))
    }

    /// A place for one that was announced, or why there is none.
    fn open(
        &mut self,
        (session, upload): (SessionId, UploadId),
        (token, size): (Token, u64),
        sender: Sender,
        now: Timestamp,
    ) -> UploadNews {
        let most = self.bytes_max;
        let Some(place) = &self.place else {
            let text = "this server takes no files: dir of [upload] in lunette.toml says where to put them";
            return UploadNews::Failed(text.into());
        };
        if size > most {
            let text = format!(
                "the file has {size} bytes, and at most {most} are taken (max_bytes of [upload] in lunette.toml)"
            );
            return UploadNews::Failed(text);
        }
        if self.all.len() >= FILES_MAX {
            return UploadNews::Failed("too many files are on their way: try again later".into());
        }
        let of_sender = self.all.values().filter(|of| of.sender == sender);
        if of_sender.count() >= SHARE_MAX {
            let text = "you have too many files on their way: wait until they are through";
            return UploadNews::Failed(text.into());
        }
        let path = place.dir.join(file_name(session, upload));
        let file = OpenOptions::new()
            .append(true)
            .create_new(true)
            .mode(0o666)
            .open(path);
        match file {
            Ok(file) => {
                let upload_of = Upload {
                    sender,
                    token,
                    size,
                    offset: 0,
                    hash: Sha256::new(),
                    file: Some(file),
                    touched: now,
                };
                self.all.insert((session, upload), upload_of);
                UploadNews::Ready
            }
            Err(error) => UploadNews::Failed(format!("there is no room for the file: {error}")),
        }
    }

    fn find(&mut self, session: SessionId, token: Token) -> Option<(UploadId, &mut Upload)> {
        let range = (session, 0)..=(session, UploadId::MAX);
        let mut of_session = self.all.range_mut(range);
        let (&(_, id), upload) = of_session.find(|(_, upload)| upload.token == token)?;
        Some((id, upload))
    }

    /// Forgets one and deletes what is there of it: if it was moved, nothing.
    fn remove(&mut self, session: SessionId, upload: UploadId) {
        if self.all.remove(&(session, upload)).is_some()
            && let Some(place) = &self.place
        {
            let _ = fs::remove_file(place.dir.join(file_name(session, upload)));
        }
    }

    /// When one is to be given up.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.all.values().filter_map(Upload::due).min()
    }

    fn overdue(&self, now: Timestamp) -> Vec<(SessionId, UploadId)> {
        let overdue = |upload: &Upload| upload.due().is_some_and(|due| due <= now);
        let all = self.all.iter();
        all.filter(|(_, u)| overdue(u)).map(|(&id, _)| id).collect()
    }
}

/// A peer whose request brings a part of an upload.
#[derive(Debug)]
pub struct Put {
    session: SessionId,
    upload: UploadId,
    request: Box<Request>,
}

impl<R: Runtime + Clone, W: World> Server<R, W> {
    /// Does what a session wants of an upload.
    pub(super) fn act_on_upload(
        &mut self,
        session: SessionId,
        upload: UploadId,
        action: UploadAction,
    ) {
        match action {
            UploadAction::Open { token, size } => {
                let (which, wanted) = ((session, upload), (token, size));
                let sender = self.sender(session);
                let news = self.uploads.open(which, wanted, sender, self.turn.now);
                self.inbox.push(session, Input::Upload(upload, news));
            }
            UploadAction::Drop => {
                self.cut_off(|put| put.session == session && put.upload == upload);
                self.uploads.remove(session, upload);
            }
        }
    }

    /// Who sends what a session is sent.
    fn sender(&self, session: SessionId) -> Sender {
        let owner = self.sessions.sid(session);
        if let Some(owner) = owner.and_then(|sid| self.sessions.owner(sid)) {
            return Sender::User(owner.into());
        }
        let connections = self.core.session(session).map(|of| of.connections());
        let origin = connections.into_iter().flatten().find_map(|connection| {
            let key = *self.by_connection.get(&connection)?;
            self.peers[key].origin
        });
        origin.map_or(Sender::Session(session), |at| Sender::From(Origin::of(at)))
    }

    /// The session is over, and what it was sent with it.
    pub(super) fn end_uploads(&mut self, session: SessionId) {
        self.cut_off(|put| put.session == session);
        let range = (session, 0)..=(session, UploadId::MAX);
        let all: Vec<UploadId> = self.uploads.all.range(range).map(|(id, _)| id.1).collect();
        for upload in all {
            self.uploads.remove(session, upload);
        }
    }

    /// Gives up those of which nothing came for long.
    pub(super) fn time_out_uploads(&mut self) {
        for (session, upload) in self.uploads.overdue(self.turn.now) {
            self.uploads.remove(session, upload);
            let text = "nothing more of the file came: choose it again".into();
            let news = UploadNews::Failed(text);
            self.inbox.push(session, Input::Upload(upload, news));
        }
    }

    /// Ends the connections of these peers. What came over them is kept.
    fn cut_off(&mut self, which: impl Fn(&Put) -> bool) {
        for (key, peer) in &mut self.peers {
            if peer.put.as_ref().is_some_and(&which) {
                peer.put = None;
                peer.connection.abort();
                peer.touch(key, &mut self.touched);
            }
        }
    }

    /// A request at the address of an upload: how much is here, or more of it.
    pub(super) fn answer_upload(
        &mut self,
        key: usize,
        sid: Sid,
        token: Token,
        request: Box<Request>,
    ) {
        let session = self.sessions.live(sid);
        let found = session.and_then(|session| {
            let (upload, _) = self.uploads.find(session, token)?;
            Some((session, upload))
        });
        let Some((session, upload)) = found else {
            let gone = Response::error_text(404, "there is no such upload: announce it again");
            return self.reply(key, &request, gone);
        };
        // Who asks has lost the connection before, even if that is not known here yet.
        self.cut_off(|put| put.session == session && put.upload == upload);
        let Some((_, entry)) = self.uploads.find(session, token) else {
            return;
        };
        let refused = match request.method() {
            Method::Put => refusal(entry, &request),
            Method::Get | Method::Head | Method::Post => Some(progress(204, entry)),
        };
        if let Some(refused) = refused {
            return self.reply(key, &request, refused);
        }
        if request.body_bytes() == 0 {
            return self.take_part(key, session, upload, request, &[]);
        }
        let waits = request.expects_continue().unwrap_or(false);
        let peer = &mut self.peers[key];
        peer.connection
            .accept_body(waits, &self.limits, self.turn.now);
        peer.put = Some(Put {
            session,
            upload,
            request,
        });
    }

    /// A portion of a body; with the `last` of the request it is answered.
    pub(super) fn take_body(&mut self, key: usize, data: &[u8], last: bool) {
        let Some(put) = self.peers[key].put.take() else {
            return;
        };
        let Put {
            session,
            upload,
            request,
        } = put;
        if last {
            return self.take_part(key, session, upload, request, data);
        }
        match self.write_part(session, upload, data) {
            Ok(()) => {
                self.peers[key].put = Some(Put {
                    session,
                    upload,
                    request,
                });
            }
            Err(refused) => self.reply(key, &request, refused),
        }
    }

    /// The last portion of a request.
    fn take_part(
        &mut self,
        key: usize,
        session: SessionId,
        upload: UploadId,
        request: Box<Request>,
        data: &[u8],
    ) {
        let written = self.write_part(session, upload, data);
        let entry = self.uploads.all.get_mut(&(session, upload));
        let response = match (written, entry) {
            (Err(refused), _) => refused,
            (Ok(()), None) => Response::error_text(404, "the upload is over"),
            (Ok(()), Some(entry)) => {
                if let Some(news) = entry.finish() {
                    self.inbox.push(session, Input::Upload(upload, news));
                }
                progress(204, entry)
            }
        };
        self.reply(key, &request, response);
    }

    fn write_part(
        &mut self,
        session: SessionId,
        upload: UploadId,
        data: &[u8],
    ) -> Result<(), Response> {
        let Some(entry) = self.uploads.all.get_mut(&(session, upload)) else {
            return Err(Response::error_text(404, "the upload is over"));
        };
        if data.is_empty() {
            return Ok(());
        }
        entry.touched = self.turn.now;
        entry.write(data).map_err(|error| {
            self.uploads.remove(session, upload);
            let text = format!("there is no room for the file: {error}");
            self.log
                .session(0, session, format_args!("upload {upload}: {text}"));
            let response = Response::error_text(507, &text);
            let news = UploadNews::Failed(text);
            self.inbox.push(session, Input::Upload(upload, news));
            response
        })
    }

    fn reply(&mut self, key: usize, request: &Request, response: Response) {
        self.log
            .line(3, format_args!("{} an upload", response.status()));
        let connection = &mut self.peers[key].connection;
        connection.respond(Some(request), response, &self.limits, self.turn);
    }
}

/// Why this part of an upload is not taken.
fn refusal(entry: &Upload, request: &Request) -> Option<Response> {
    let offset = request.number("upload-offset").ok().flatten();
    if offset.unwrap_or(0) != entry.offset {
        let text = format!("{} bytes are here: send what follows them\n", entry.offset);
        let body = Body::Bytes(text.into_bytes());
        return Some(progress(409, entry).body(body));
    }
    // Told before it is read: what is too much is too much from the start.
    if request.body_bytes() > entry.size - entry.offset {
        let text = format!(
            "a file of {} bytes was announced, this is more\n",
            entry.size
        );
        let body = Body::Bytes(text.into_bytes());
        return Some(progress(413, entry).body(body));
    }
    None
}

/// How much is here.
fn progress(status: u16, entry: &Upload) -> Response {
    let whole = if entry.file.is_none() { "?1" } else { "?0" };
    Response::new(status)
        .field("Upload-Offset", &entry.offset.to_string())
        .field("Upload-Length", &entry.size.to_string())
        .field("Upload-Complete", whole)
        .field("Cache-Control", "no-store")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_takes_all_places_and_empty_ones_are_free_soon() {
        let dir = std::env::temp_dir().join(format!("lunette-share-{}", std::process::id()));
        let config = UploadConfig {
            dir: dir.clone(),
            max_bytes: 1 << 20,
        };
        let mut uploads = Uploads::new(Some(&config)).unwrap();
        let mut announce = |number: u64, sender: Sender, now| {
            let which = (SessionId(number), 1);
            let news = uploads.open(which, (u128::from(number), 10), sender, now);
            matches!(news, UploadNews::Ready)
        };
        let from = |n: u8| Sender::From(Origin::of([192, 0, 2, n].into()));
        let taken = (0..300).filter(|&n| announce(n, from(1), 0)).count();
        assert_eq!(taken, SHARE_MAX);
        assert!(announce(300, from(2), 0));
        assert!(announce(301, Sender::User("ann".into()), 0));
        assert!(announce(302, Sender::Session(SessionId(302)), 0));
        uploads.all.get_mut(&(SessionId(0), 1)).unwrap().offset = 1;
        assert_eq!(uploads.next_due(), Some(EMPTY_MS));
        assert_eq!(uploads.overdue(EMPTY_MS).len(), SHARE_MAX + 2);
        assert_eq!(uploads.overdue(IDLE_MS).len(), SHARE_MAX + 3);
        drop(uploads);
        fs::remove_dir_all(&dir).unwrap();
    }
}
