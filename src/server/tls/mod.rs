//! TLS: what stands between a socket and its connection, if the server has a certificate.
//!
//! **Contract.** Bytes in, bytes out, without a socket of its own: a [`Channel`] takes what a socket brought and gives
//! what is in it, and encrypts what the connection has to say, one record at a time and only when the one before is
//! written. So a connection's queue stays the whole truth about what its peer has not got, its limits and deadlines
//! hold as they do without TLS, and what waits here is at most a record beside it. A [`Certificate`] is read from the
//! files of `tls_cert` and `tls_key`; connections that are open keep the one they began with.
//!
//! A build without the feature `tls` has neither (`without`).

#[cfg(feature = "tls")]
mod certificate;
#[cfg(feature = "tls")]
mod channel;
mod server;
#[cfg(feature = "tls")]
mod validity;
#[cfg(not(feature = "tls"))]
mod without;

use std::path::PathBuf;

#[cfg(feature = "tls")]
pub use certificate::Certificate;
#[cfg(feature = "tls")]
pub use channel::Channel;
pub use server::{Loaded, load};
#[cfg(not(feature = "tls"))]
pub use without::{Certificate, Channel};

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("{path}: {error}. {setting} of [server] must name a file that the server can read")]
    Unreadable {
        path: PathBuf,
        error: std::io::Error,
        setting: &'static str,
    },
    #[error(
        "{0}: there is no certificate in it: tls_cert of [server] must name a PEM file, in which the server's own \
         certificate stands before those that vouch for it"
    )]
    NoCertificate(PathBuf),
    #[error(
        "{0}: there is no private key in it: tls_key of [server] must name a PEM file with one"
    )]
    NoKey(PathBuf),
    #[error(
        "{0}: the key is encrypted, and nobody is asked for its password: openssl pkey -in FILE -out FILE takes it away"
    )]
    EncryptedKey(PathBuf),
    #[error("{path}: it is no PEM file: {error}")]
    NoPem { path: PathBuf, error: String },
    #[error("{path}: the certificate cannot be used: {error}")]
    BadCertificate { path: PathBuf, error: String },
    #[error(
        "{path}: the key cannot be used: {error}. It must be one of RSA with 2048 bits or more, of ECDSA on P-256 or \
         P-384, or of Ed25519"
    )]
    BadKey { path: PathBuf, error: String },
    #[error(
        "{key}: this is not the key of the certificate in {cert}, or the server's own certificate is not the first one \
         there"
    )]
    Mismatch { cert: PathBuf, key: PathBuf },
    #[error(
        "tls_cert is set, but this lunette was built without TLS: build it with the feature (cargo build --release \
         --features tls), or take tls_cert and tls_key away and let a proxy in front end TLS"
    )]
    Absent,
    #[error("TLS cannot be had here: {0}")]
    Other(String),
}

/// What came of bytes that a socket brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// The connection has what was in them.
    Fine,
    /// The peer will send nothing more; it may still read.
    End,
    /// They are the beginning of a request without TLS.
    PlainHttp,
    /// No TLS that could go on. What has to be said about it is to be sent.
    Broken(String),
}

/// What was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// To the socket.
    pub bytes: usize,
    /// Of what the connection has to say: gone for good.
    pub sent: usize,
}
