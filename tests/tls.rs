//! HTTPS by the server itself: agreements with peers of all kinds, and that all else is as without TLS. Clients are
//! rustls's, which trust the certificates in `tests/tls/` and verify them, curl and openssl where they are installed, and
//! Chromium.

mod agreement;
mod browser;
mod client;
mod files;
mod hostile;
mod pages;
