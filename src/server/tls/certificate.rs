//! The server's certificate and key, read from their files.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, ring};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::version::{TLS12, TLS13};
use rustls::{Error, InconsistentKeys, ServerConfig};

use super::{Loaded, TlsError, validity};
use crate::config::tls::TlsFiles;
use crate::server::clock;

/// A chain of certificates has some KiB; this is something else.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// Everybody on the machine may read.
const READ_BY_ALL: u32 = 0o004;

/// What connections that begin now are shown.
#[derive(Clone, Debug)]
pub struct Certificate {
    // Shared with connections, as the library wants it.
    pub(super) config: Arc<ServerConfig>,
}

impl Certificate {
    /// Reads it, and tells what else there is to say about the files.
    ///
    /// # Errors
    /// When they cannot be read, or are not what they should be, or do not belong together.
    pub fn load(files: &TlsFiles) -> Result<Loaded, TlsError> {
        let chain = chain(&files.cert)?;
        let remarks = remarks(files, &chain);
        let key = key(&files.key)?;
        let provider = Arc::new(provider());
        provider
            .key_provider
            .load_private_key(key.clone_key())
            .map_err(|error| TlsError::BadKey {
                path: files.key.clone(),
                error: error.to_string(),
            })?;
        let other = |error: Error| TlsError::Other(error.to_string());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13, &TLS12])
            .map_err(other)?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(|error| match error {
                Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => TlsError::Mismatch {
                    cert: files.cert.clone(),
                    key: files.key.clone(),
                },
                error => TlsError::BadCertificate {
                    path: files.cert.clone(),
                    error: error.to_string(),
                },
            })?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        // Who comes back brings what is to be remembered of the time before: nothing is kept here.
        config.ticketer = ring::Ticketer::new().map_err(other)?;
        let certificate = Certificate {
            config: Arc::new(config),
        };
        Ok((certificate, remarks))
    }
}

/// All that servers need; nobody's certificate is verified.
fn provider() -> CryptoProvider {
    CryptoProvider {
        signature_verification_algorithms: WebPkiSupportedAlgorithms {
            all: &[],
            mapping: &[],
        },
        ..ring::default_provider()
    }
}

fn read(path: &Path, setting: &'static str) -> Result<Vec<u8>, TlsError> {
    let read = || {
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        // A pipe would wait for its other end, a device never end.
        if !metadata.is_file() || metadata.len() > FILE_BYTES_MAX {
            let text = "no regular file of at most 1 MiB";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        let mut content = Vec::new();
        file.take(FILE_BYTES_MAX).read_to_end(&mut content)?;
        Ok(content)
    };
    read().map_err(|error| TlsError::Unreadable {
        path: path.into(),
        error,
        setting,
    })
}

fn chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let content = read(path, "tls_cert")?;
    let chain: Result<Vec<_>, pem::Error> = CertificateDer::pem_slice_iter(&content).collect();
    match chain {
        Ok(chain) if chain.is_empty() => Err(TlsError::NoCertificate(path.into())),
        Ok(chain) => Ok(chain),
        Err(error) => Err(no_pem(path, &error)),
    }
}

fn key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let content = read(path, "tls_key")?;
    let is_encrypted = || {
        let text = String::from_utf8_lossy(&content);
        text.contains("BEGIN ENCRYPTED PRIVATE KEY") || text.contains("Proc-Type: 4,ENCRYPTED")
    };
    if is_encrypted() {
        return Err(TlsError::EncryptedKey(path.into()));
    }
    PrivateKeyDer::from_pem_slice(&content).map_err(|error| match error {
        pem::Error::NoItemsFound => TlsError::NoKey(path.into()),
        error => no_pem(path, &error),
    })
}

fn no_pem(path: &Path, error: &pem::Error) -> TlsError {
    TlsError::NoPem {
        path: path.into(),
        error: error.to_string(),
    }
}

/// What is wrong with the files although they can be used.
fn remarks(files: &TlsFiles, chain: &[CertificateDer<'_>]) -> Vec<String> {
    let mut remarks = Vec::new();
    let mode = fs::metadata(&files.key).map_or(0, |meta| meta.permissions().mode());
    if mode & READ_BY_ALL != 0 {
        let path = files.key.display();
        remarks.push(format!(
            "{path}: everybody on this machine can read this key: chmod o-r {path}"
        ));
    }
    let now = clock::wall();
    for (at, certificate) in chain.iter().enumerate() {
        if let Some(told) = validity::complaint(certificate, now) {
            let (path, number) = (files.cert.display(), at + 1);
            remarks.push(format!("{path}: certificate {number} in it {told}"));
        }
    }
    remarks
}
