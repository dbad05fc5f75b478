//! Downloads: a browser's request for what `session:download` offered, answered piece by piece.
//!
//! The next piece is asked for when most of the one before is sent: a slow browser costs one piece
//! of memory, however large the file.

use super::Server;
use super::inbox::Input;
use super::sessions::Sid;
use super::world::World;
use crate::core::download::{Demand, Piece, Token};
use crate::core::id::SessionId;
use crate::core::script::Runtime;
use crate::net::http::Request;
use crate::net::response::{CSP_SANDBOX, Response};

/// What waits on a connection when the next piece is asked for.
const LOW_BYTES: usize = 64 << 10;

/// A peer that fetches a download.
#[derive(Clone, Copy, Debug)]
pub struct Fetch {
    pub session: SessionId,
    pub token: Token,
    /// A piece was asked for and is not here yet.
    waits: bool,
}

impl<R: Runtime + Clone, W: World> Server<R, W> {
    /// Begins to answer a request with a download of a session.
    pub(super) fn fetch(&mut self, key: usize, sid: Sid, token: Token, request: Box<Request>) {
        let Some(session) = self.sessions.live(sid) else {
            return;
        };
        let fetches = |f: &Fetch| f.session == session && f.token == token;
        let taken = self
            .peers
            .iter()
            .any(|(_, p)| p.fetch.as_ref().is_some_and(fetches));
        let peer = &mut self.peers[key];
        if taken {
            // Its pieces would go to one connection or the other.
            let response = refusal(
                &request,
                "this download is being fetched already: it comes once",
            );
            peer.connection
                .respond(Some(&request), response, &self.limits, self.turn);
            return peer.touch(key, &mut self.touched);
        }
        // While a connection answers it takes no other request, so there is one at a time.
        peer.fetch = Some(Fetch {
            session,
            token,
            waits: true,
        });
        peer.fetching = Some(request);
        self.inbox
            .push(session, Input::Download(token, Demand::Next));
    }

    /// Sends a piece to whoever fetches the download.
    pub(super) fn send_piece(&mut self, session: SessionId, token: Token, piece: Piece) {
        let of = |f: &Fetch| f.session == session && f.token == token && f.waits;
        let found = self
            .peers
            .iter()
            .find(|(_, p)| p.fetch.as_ref().is_some_and(of));
        let Some((key, _)) = found else {
            return;
        };
        let now = self.turn.now;
        let peer = &mut self.peers[key];
        let connection = &mut peer.connection;
        match piece {
            Piece::Begin { name, mime } => {
                let response = Response::new(200)
                    .field("Content-Type", &mime)
                    .field("Content-Disposition", &disposition(&name))
                    .field("Content-Security-Policy", CSP_SANDBOX)
                    .field("Cache-Control", "no-store");
                let request = peer.fetching.take();
                connection.begin_chunks(request.as_deref(), response, &self.limits, self.turn);
            }
            Piece::Data(data) => {
                connection.push_chunk(&data);
                if let Some(fetch) = &mut peer.fetch {
                    fetch.waits = false;
                }
            }
            Piece::End => {
                connection.end_chunks(&self.limits, now);
                peer.fetch = None;
            }
            Piece::Failed(reason) => {
                match peer.fetching.take() {
                    Some(request) => {
                        let response = refusal(&request, &reason);
                        connection.respond(Some(&request), response, &self.limits, self.turn);
                    }
                    // Cut off in the middle: the browser sees that the file is not whole.
                    None => connection.abort(),
                }
                peer.fetch = None;
            }
        }
        peer.touch(key, &mut self.touched);
    }

    /// Asks for the next piece if this peer fetches a download and has room for it.
    pub(super) fn ask_for_piece(&mut self, key: usize) {
        let peer = &mut self.peers[key];
        let room = peer.connection.pending().len() < LOW_BYTES;
        if let Some(fetch) = &mut peer.fetch
            && !fetch.waits
            && room
        {
            fetch.waits = true;
            let (session, token) = (fetch.session, fetch.token);
            self.inbox
                .push(session, Input::Download(token, Demand::Next));
        }
    }

    /// The peer is gone: what it was fetching is over.
    pub(super) fn drop_fetch(&mut self, key: usize) {
        if let Some(fetch) = self.peers[key].fetch.take() {
            let Fetch { session, token, .. } = fetch;
            self.inbox
                .push(session, Input::Download(token, Demand::Dropped));
        }
    }
}

fn refusal(request: &Request, reason: &str) -> Response {
    match request.accepts_html() {
        true => Response::error_page(404, reason),
        false => Response::error_text(404, reason),
    }
}

/// The field that makes a browser save the file, under this name (RFC 6266, RFC 8187).
fn disposition(name: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || " .-_()".contains(c);
    let ascii: String = name
        .chars()
        .map(|c| if plain(c) { c } else { '_' })
        .collect();
    let mut field = format!("attachment; filename=\"{ascii}\"; filename*=UTF-8''");
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'_' => field.push(byte.into()),
            _ => field.push_str(&format!("%{byte:02X}")),
        }
    }
    field
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files_are_safe_in_a_field() {
        assert_eq!(
            disposition("Übersicht \"1\".csv"),
            "attachment; filename=\"_bersicht _1_.csv\"; filename*=UTF-8''%C3%9Cbersicht%20%221%22.csv"
        );
    }
}
