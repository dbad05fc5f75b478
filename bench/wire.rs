//! What a client's bytes go over: a socket, or TLS on one.

use std::io::{self, Error, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion,
};

/// How long any one read may take before it counts as a failure.
const READ_TIMEOUT: Duration = Duration::from_secs(20);
/// Who servers of tests say they are.
pub const NAME: &str = "localhost";

pub type Tls = StreamOwned<ClientConnection, TcpStream>;

/// See the module's description.
pub enum Wire {
    Plain(TcpStream),
    Tls(Box<Tls>),
}

impl Wire {
    pub fn open(address: SocketAddr) -> io::Result<Wire> {
        Ok(Wire::Plain(connect(address)?))
    }

    /// The agreement is made with the first read or write.
    pub fn tls(address: SocketAddr, client: &Arc<ClientConfig>) -> io::Result<Wire> {
        Ok(Wire::Tls(Box::new(tls(address, client)?)))
    }

    pub fn tcp(&self) -> &TcpStream {
        match self {
            Wire::Plain(stream) => stream,
            Wire::Tls(tls) => &tls.sock,
        }
    }
}

impl Read for Wire {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Wire::Plain(stream) => stream.read(into),
            Wire::Tls(tls) => tls.read(into),
        }
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Wire::Plain(stream) => stream.write(bytes),
            Wire::Tls(tls) => tls.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Wire::Plain(stream) => stream.flush(),
            Wire::Tls(tls) => tls.flush(),
        }
    }
}

fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(READ_TIMEOUT))?;
    Ok(stream)
}

/// A connection by TLS on which nothing was said yet.
pub fn tls(address: SocketAddr, client: &Arc<ClientConfig>) -> io::Result<Tls> {
    let name = ServerName::try_from(NAME).map_err(Error::other)?;
    let session = ClientConnection::new(client.clone(), name).map_err(Error::other)?;
    Ok(StreamOwned::new(session, connect(address)?))
}

/// A client that trusts the certificates of `tests/tls`.
pub fn client(versions: &[&'static SupportedProtocolVersion]) -> Arc<ClientConfig> {
    client_of(versions, &["first", "second"])
}

/// A client that trusts these certificates, and nobody else.
pub fn client_of(
    versions: &[&'static SupportedProtocolVersion],
    trusted: &[&str],
) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for name in trusted {
        roots.add(der(name)).expect("it can be trusted");
    }
    let mut client = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(versions)
        .expect("versions that there are")
        .with_root_certificates(roots)
        .with_no_client_auth();
    client.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Arc::new(client)
}

/// A certificate of the tests.
pub fn certificate(name: &str) -> PathBuf {
    folder().join(format!("{name}.cert.pem"))
}

/// The same as it is shown.
pub fn der(name: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_file(certificate(name)).expect("a certificate of the tests")
}

/// Its key.
pub fn key(name: &str) -> PathBuf {
    folder().join(format!("{name}.key.pem"))
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tls")
}
