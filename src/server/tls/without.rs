//! In place of TLS in a build without it: types of which nothing can exist.

use std::io::{self, Write};

use super::{Heard, Loaded, TlsError, Written};
use crate::config::tls::TlsFiles;

#[derive(Clone, Debug)]
pub enum Certificate {}

impl Certificate {
    /// There is none.
    ///
    /// # Errors
    /// Always.
    pub fn load(_: &TlsFiles) -> Result<Loaded, TlsError> {
        Err(TlsError::Absent)
    }
}

#[derive(Debug)]
pub enum Channel {}

impl Channel {
    pub fn new(certificate: &Certificate) -> Result<Channel, TlsError> {
        match *certificate {}
    }

    pub fn is_agreeing(&self) -> bool {
        match *self {}
    }

    pub fn receive(&mut self, _: &[u8], _: impl FnMut(&[u8])) -> Heard {
        match *self {}
    }

    pub fn has_output(&self, _: &[u8]) -> bool {
        match *self {}
    }

    pub fn send(&mut self, _: &mut impl Write, _: &[u8]) -> io::Result<Written> {
        match *self {}
    }

    pub fn say_end(&mut self) {
        match *self {}
    }

    pub fn waiting_bytes(&self) -> usize {
        match *self {}
    }
}
