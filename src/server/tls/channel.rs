//! One connection's TLS: what was agreed on with the peer, and the record that is on its way.

use std::io::{self, BufRead, Write};

use rustls::ServerConnection;

use super::{Certificate, Heard, TlsError, Written};

/// What is encrypted at a time: as much as a record holds. Little enough to wait beside a connection's queue when the
/// peer does not read.
const RECORD_BYTES: usize = 16 << 10;
/// What a peer may send before there is an agreement. Browsers need some 2 KiB; nobody has to show a certificate.
const HANDSHAKE_BYTES_MAX: usize = 16 << 10;

/// See the module's description.
#[derive(Debug)]
pub struct Channel {
    session: ServerConnection,
    /// Bytes that came before there was an agreement.
    handshake_bytes: usize,
    /// Bytes of the connection's queue that are encrypted and not yet all written.
    promised: usize,
    /// Encrypted bytes that the socket did not take.
    waiting: usize,
    has_ended: bool,
    is_broken: bool,
}

impl Channel {
    /// For a connection that was accepted now.
    ///
    /// # Errors
    /// When the library has no use for the certificate.
    pub fn new(certificate: &Certificate) -> Result<Channel, TlsError> {
        let session = ServerConnection::new(certificate.config.clone());
        let session = session.map_err(|error| TlsError::Other(error.to_string()))?;
        Ok(Channel {
            session,
            handshake_bytes: 0,
            promised: 0,
            waiting: 0,
            has_ended: false,
            is_broken: false,
        })
    }

    /// Whether there is no agreement yet: making one takes the server longer than most requests do.
    pub fn is_agreeing(&self) -> bool {
        self.session.is_handshaking() && !self.is_broken
    }

    /// Takes what the socket brought, and hands on what is in it.
    pub fn receive(&mut self, mut bytes: &[u8], mut take: impl FnMut(&[u8])) -> Heard {
        if self.is_broken {
            return Heard::Fine;
        }
        // No record begins with a letter, and every request does.
        if self.handshake_bytes == 0 && bytes.first().is_some_and(u8::is_ascii_alphabetic) {
            return Heard::PlainHttp;
        }
        let mut has_ended = false;
        while !bytes.is_empty() {
            let before = bytes.len();
            // Reading from memory fails only if what was decrypted before had not been taken. What comes after the
            // peer's end is not looked at.
            if !matches!(self.session.read_tls(&mut bytes), Ok(1..)) {
                break;
            }
            if self.session.is_handshaking() {
                self.handshake_bytes += before - bytes.len();
            }
            match self.session.process_new_packets() {
                Ok(state) => has_ended = state.peer_has_closed(),
                Err(error) => return self.give_up(error.to_string()),
            }
            self.hand_on(&mut take);
            if self.session.is_handshaking() && self.handshake_bytes > HANDSHAKE_BYTES_MAX {
                return self.give_up("a handshake this long is none".into());
            }
        }
        match has_ended {
            true => Heard::End,
            false => Heard::Fine,
        }
    }

    fn hand_on(&mut self, take: &mut impl FnMut(&[u8])) {
        let mut reader = self.session.reader();
        // Without anything it is an error that there is nothing yet, or the peer's end.
        while let Ok(plain) = reader.fill_buf()
            && !plain.is_empty()
        {
            let len = plain.len();
            take(plain);
            reader.consume(len);
        }
    }

    fn give_up(&mut self, why: String) -> Heard {
        self.is_broken = true;
        Heard::Broken(why)
    }

    fn is_open(&self) -> bool {
        !(self.session.is_handshaking() || self.has_ended || self.is_broken)
    }

    /// Whether [`Channel::send`] has something for the socket, when so much of the connection's queue is `pending`.
    pub fn has_output(&self, pending: &[u8]) -> bool {
        self.session.wants_write() || (self.is_open() && !pending.is_empty())
    }

    /// Writes what the socket takes: what is encrypted, and if nothing is, the next record of `pending`.
    ///
    /// # Errors
    /// The socket's.
    pub fn send(&mut self, stream: &mut impl Write, pending: &[u8]) -> io::Result<Written> {
        if !self.session.wants_write() && self.is_open() {
            let record = &pending[..pending.len().min(RECORD_BYTES)];
            self.promised = self.session.writer().write(record)?;
        }
        let written = self.session.write_tls(stream);
        let is_done = !self.session.wants_write();
        self.waiting = match self.session.process_new_packets() {
            Ok(state) if !is_done => state.tls_bytes_to_write(),
            Ok(_) | Err(_) => 0,
        };
        let sent = match is_done {
            true => std::mem::take(&mut self.promised),
            false => 0,
        };
        let bytes = written?;
        Ok(Written { bytes, sent })
    }

    /// Nothing more will be sent, which the peer is to be told.
    pub fn say_end(&mut self) {
        if !(self.has_ended || self.is_broken) {
            self.has_ended = true;
            self.session.send_close_notify();
        }
    }

    /// Bytes that wait here for the peer to read, beside those in the connection's queue.
    pub fn waiting_bytes(&self) -> usize {
        self.waiting
    }
}
