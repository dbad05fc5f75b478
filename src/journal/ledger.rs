//! Ledgers: small files of checked entries that are appended to, and written anew when they have grown.

use std::io;
use std::rc::Rc;

use super::disk::{DiskFile, write_all};
use super::{Store, StoreError};
use crate::core::code::{Decoder, Sink, push_bytes};

/// A file below `values` of a state directory: for each entry its checksum, its length and itself.
#[derive(Debug)]
pub struct Ledger {
    store: Rc<Store>,
    name: &'static str,
    file: Option<Box<dyn DiskFile>>,
    bytes: u64,
    /// When it was last written anew.
    bytes_then: u64,
    /// Something could not be appended, and what stands behind it could not be read.
    is_broken: bool,
}

impl Ledger {
    /// The ledger of this name, and the entries that are in it: up to one of which not all came to be written.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub fn open(
        store: &Rc<Store>,
        name: &'static str,
    ) -> Result<(Ledger, Vec<Vec<u8>>), StoreError> {
        let content = store.archive().get(name)?.unwrap_or_default();
        let (entries, whole) = read(&content);
        let mut ledger = Ledger {
            store: Rc::clone(store),
            name,
            file: None,
            bytes: whole as u64,
            bytes_then: 0,
            is_broken: false,
        };
        if whole < content.len() {
            ledger.replace(entries.iter().map(Vec::as_slice))?;
        }
        Ok((ledger, entries))
    }

    /// The entries that are in it now.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn entries(&self) -> Result<Vec<Vec<u8>>, StoreError> {
        let content = self.store.archive().get(self.name)?;
        Ok(read(&content.unwrap_or_default()).0)
    }

    /// Appends an entry.
    ///
    /// # Errors
    /// Once, when the disk says no: nothing is appended from then on until it is written anew.
    pub fn append(&mut self, entry: &[u8]) -> Result<(), StoreError> {
        if self.is_broken {
            return Ok(());
        }
        let mut out = Vec::new();
        push_entry(entry, &mut out);
        let appended = self.write(&out);
        self.is_broken = appended.is_err();
        self.bytes += out.len() as u64;
        appended.map_err(|error| self.store.of_value(self.name, error))
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            None => self.file.insert(self.store.append_to(self.name)?),
        };
        write_all(&mut **file, bytes)?;
        match self.store.is_power_safe() {
            true => file.sync(),
            false => Ok(()),
        }
    }

    /// Writes it anew with these entries.
    ///
    /// # Errors
    /// When the disk says no; all is as it was then.
    pub fn replace<'e>(
        &mut self,
        entries: impl Iterator<Item = &'e [u8]>,
    ) -> Result<(), StoreError> {
        let mut out = Vec::new();
        entries.for_each(|entry| push_entry(entry, &mut out));
        self.store.put(self.name, &out)?;
        self.file = None;
        self.is_broken = false;
        self.bytes = out.len() as u64;
        self.bytes_then = self.bytes;
        Ok(())
    }

    /// Whether it has more than so many bytes and twice as many as when it was last written anew.
    pub fn has_outgrown(&self, bytes: u64) -> bool {
        self.bytes > bytes && self.bytes > 2 * self.bytes_then
    }
}

fn push_entry(entry: &[u8], out: &mut Vec<u8>) {
    out.put(&crc32c::crc32c(entry).to_le_bytes());
    push_bytes(out, entry);
}

/// The whole entries at the beginning, and how many bytes they have.
fn read(content: &[u8]) -> (Vec<Vec<u8>>, usize) {
    let mut from = Decoder::new(content);
    let mut entries = Vec::new();
    let mut whole = 0;
    while let Some(entry) = read_entry(&mut from) {
        entries.push(entry.to_vec());
        whole = content.len() - from.rest().len();
    }
    (entries, whole)
}

fn read_entry<'a>(from: &mut Decoder<'a>) -> Option<&'a [u8]> {
    let check = from.u32()?;
    let entry = from.bytes()?;
    (crc32c::crc32c(entry) == check).then_some(entry)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, OpenOptions};
    use std::io::Write;

    use super::super::{RealDisk, Rules};
    use super::*;

    #[test]
    fn entries_stay_up_to_one_that_was_not_written_to_its_end() {
        let dir = std::env::temp_dir().join(format!("lunette-ledger-{}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        let open = || {
            let store = Store::open(Rc::new(RealDisk), &dir, Rules::default()).unwrap();
            Ledger::open(&Rc::new(store), "entries").unwrap()
        };
        let (mut ledger, entries) = open();
        assert!(entries.is_empty());
        let written: [&[u8]; 3] = [b"one", b"", &[7; 3000]];
        written.iter().for_each(|e| ledger.append(e).unwrap());
        drop(ledger);
        let file = dir.join("values/entries");
        let mut torn = OpenOptions::new().append(true).open(&file).unwrap();
        torn.write_all(&[1, 2, 3, 4, 100, 1]).unwrap();
        let (mut ledger, entries) = open();
        assert_eq!(entries, written);
        assert!(!ledger.has_outgrown(1));
        ledger.append(&[8; 4000]).unwrap();
        assert_eq!(ledger.entries().unwrap().len(), 4);
        assert!(ledger.has_outgrown(7000) && !ledger.has_outgrown(8000));
        ledger.replace([b"five".as_slice()].into_iter()).unwrap();
        ledger.append(b"six").unwrap();
        assert!(!ledger.has_outgrown(1));
        drop(ledger);
        assert_eq!(open().1, [b"five".as_slice(), b"six"]);
        fs::remove_dir_all(&dir).unwrap();
    }
}
