//! What a server does about its certificate: shows it, reads it again, and says so where passwords would go without.

use super::{Certificate, TlsError};
use crate::config::Config;
use crate::core::script::Runtime;
use crate::server::Server;
use crate::server::world::World;

/// A certificate, and what there is to say about its files.
pub type Loaded = (Certificate, Vec<String>);

/// The certificate that is configured, if one is.
///
/// # Errors
/// As for [`Certificate::load`].
pub fn load(config: &Config) -> Result<Option<Loaded>, TlsError> {
    config.tls.as_ref().map(Certificate::load).transpose()
}

impl<R: Runtime + Clone, W: World> Server<R, W> {
    /// What browsers are to be told of where it listens.
    pub fn url(&self) -> String {
        let scheme = match self.certificate {
            Some(_) => "https",
            None => "http",
        };
        format!("{scheme}://{}", self.address())
    }

    /// Connections that begin from now on are shown this certificate.
    pub fn show(&mut self, loaded: Option<Loaded>) {
        let Some((certificate, remarks)) = loaded else {
            return;
        };
        for remark in remarks {
            self.log.line(0, format_args!("{remark}"));
        }
        self.certificate = Some(certificate);
    }

    /// The files may be others than before. Those that are of no use change nothing.
    pub(in crate::server) fn reread_certificate(&mut self) {
        match load(&self.config) {
            Ok(None) => {}
            Ok(loaded) => {
                self.show(loaded);
                self.log
                    .line(0, format_args!("the certificate was read again"));
            }
            Err(error) => {
                let text = "the certificate of before stays in use";
                self.log.line(0, format_args!("{error}; {text}"));
            }
        }
    }

    /// Passwords that everybody on the way can read are no secret.
    pub(in crate::server) fn warn_of_clear_passwords(&self) {
        let address = self.world.address();
        let is_clear = self.certificate.is_none() && self.config.trusted_proxies.is_empty();
        if is_clear && self.config.auth.is_some() && !address.ip().is_loopback() {
            self.log.line(
                0,
                format_args!(
                    "passwords go over the network as they were typed: {address} can be reached from other machines, and \
                     without TLS. Set tls_cert and tls_key of [server], or let a proxy in front end TLS and name it in \
                     trusted_proxies"
                ),
            );
        }
    }
}
