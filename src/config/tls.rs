//! Where the server's certificate and its key are: `tls_cert` and `tls_key` of `[server]`, files in PEM; and what browsers
//! that came by TLS remember of it.

use std::path::{Path, PathBuf};

/// What one source sets; `None`: nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsSettings {
    /// The certificate, with those that vouch for it.
    pub cert: Option<PathBuf>,
    pub key: Option<PathBuf>,
    /// How long browsers come by TLS only, ms; 0: not any more.
    pub hsts_ms: Option<u64>,
}

/// Both files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    pub cert: PathBuf,
    pub key: PathBuf,
}

/// One of them is of no use alone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{set} is set, but {missing} is not: TLS needs a certificate and its key")]
pub struct HalfTls {
    pub set: &'static str,
    missing: &'static str,
}

impl TlsSettings {
    /// These, and `others` where these say nothing.
    #[must_use]
    pub fn or(self, others: TlsSettings) -> TlsSettings {
        TlsSettings {
            cert: self.cert.or(others.cert),
            key: self.key.or(others.key),
            hsts_ms: self.hsts_ms.or(others.hsts_ms),
        }
    }

    /// The same with relative paths that begin at `dir`.
    #[must_use]
    pub fn below(self, dir: &Path) -> TlsSettings {
        TlsSettings {
            cert: self.cert.map(|cert| dir.join(cert)),
            key: self.key.map(|key| dir.join(key)),
            ..self
        }
    }

    /// The files; `None`: what is sent is not encrypted.
    ///
    /// # Errors
    /// When only one of them is named.
    pub fn resolve(&self) -> Result<Option<TlsFiles>, HalfTls> {
        let half = |set, missing| Err(HalfTls { set, missing });
        match (self.cert.clone(), self.key.clone()) {
            (Some(cert), Some(key)) => Ok(Some(TlsFiles { cert, key })),
            (None, None) => Ok(None),
            (Some(_), None) => half("tls_cert", "tls_key"),
            (None, Some(_)) => half("tls_key", "tls_cert"),
        }
    }
}
