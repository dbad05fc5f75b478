//! Edits: files of a site that were changed, as they are recorded. Recordings have their contents inside; journals
//! name those that are in the store, where they are once for all sessions.

use super::JournalError;
use super::header::{LookUp, sha256};
use super::store::StoreError;
use crate::core::code::{Decoder, push_bytes, push_varint};
use crate::core::site::Edits;
use crate::core::upload::Sha256;

/// What stands behind a path.
const REMOVED: u64 = 0;
const INSIDE: u64 = 1;
const NAMED: u64 = 2;

/// A shorter content costs less inside than a file of its own.
const NAMED_MIN: usize = 128;

enum Content<'a> {
    Removed,
    Inside(&'a [u8]),
    Named(Sha256, u64),
}

/// Keeps a content under its checksum.
type Keep<'a> = dyn FnMut(Sha256, &[u8]) -> Result<(), StoreError> + 'a;

/// Edits as they are recorded, with their contents.
pub fn encode_edits(edits: &Edits) -> Vec<u8> {
    let mut out = Vec::new();
    push_varint(&mut out, edits.len() as u64);
    for (path, content) in edits {
        push(&mut out, path, content.as_deref());
    }
    out
}

/// What [`encode_edits`] wrote; `None`: it is something else.
pub fn decode_edits(bytes: &[u8]) -> Option<Edits> {
    let mut edits = Edits::new();
    for (path, content) in read(bytes)? {
        let content = match content {
            Content::Removed => None,
            Content::Inside(content) => Some(content.to_vec()),
            Content::Named(..) => return None,
        };
        edits.insert(path.to_owned(), content);
    }
    Some(edits)
}

/// The same edits, of whose contents the long ones are only named: `keep` has taken them.
pub(super) fn name_contents(bytes: &[u8], keep: &mut Keep<'_>) -> Result<Vec<u8>, StoreError> {
    let edits = decode_edits(bytes).unwrap_or_default();
    let mut out = Vec::new();
    push_varint(&mut out, edits.len() as u64);
    for (path, content) in &edits {
        match content {
            Some(content) if content.len() >= NAMED_MIN => {
                let check = sha256(content);
                keep(check, content)?;
                push_bytes(&mut out, path.as_bytes());
                push_varint(&mut out, NAMED);
                out.extend_from_slice(&check);
                push_varint(&mut out, content.len() as u64);
            }
            content => push(&mut out, path, content.as_deref()),
        }
    }
    Ok(out)
}

/// Whether the contents are not all inside; `None`: these are no edits.
pub(super) fn are_named(bytes: &[u8]) -> Option<bool> {
    let edits = read(bytes)?;
    Some(
        edits
            .iter()
            .any(|(_, content)| matches!(content, Content::Named(..))),
    )
}

/// The same edits with all contents inside.
pub(super) fn resolve(bytes: &[u8], look_up: &mut LookUp<'_>) -> Result<Vec<u8>, JournalError> {
    let edits = read(bytes).unwrap_or_default();
    let mut out = Vec::new();
    push_varint(&mut out, edits.len() as u64);
    for (path, content) in edits {
        match content {
            Content::Removed => push(&mut out, path, None),
            Content::Inside(content) => push(&mut out, path, Some(content)),
            Content::Named(check, size) => {
                push(&mut out, path, Some(&look_up(path, &check, size)?));
            }
        }
    }
    Ok(out)
}

fn push(out: &mut Vec<u8>, path: &str, content: Option<&[u8]>) {
    push_bytes(out, path.as_bytes());
    match content {
        None => push_varint(out, REMOVED),
        Some(content) => {
            push_varint(out, INSIDE);
            push_bytes(out, content);
        }
    }
}

fn read(bytes: &[u8]) -> Option<Vec<(&str, Content<'_>)>> {
    let mut from = Decoder::new(bytes);
    let mut edits = Vec::new();
    for _ in 0..from.varint()? {
        let path = from.text()?;
        let content = match from.varint()? {
            REMOVED => Content::Removed,
            INSIDE => Content::Inside(from.bytes()?),
            NAMED => Content::Named(from.take(32)?.try_into().ok()?, from.varint()?),
            _ => return None,
        };
        edits.push((path, content));
    }
    from.is_empty().then_some(edits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_named_is_found_again() {
        let edits: Edits = [
            ("lua/a.lua".to_owned(), Some(vec![7; NAMED_MIN])),
            ("lua/b.lua".to_owned(), Some(b"short".to_vec())),
            ("lua/c.lua".to_owned(), None),
        ]
        .into();
        let inside = encode_edits(&edits);
        assert_eq!(decode_edits(&inside), Some(edits));
        let mut kept = Vec::new();
        let named = name_contents(&inside, &mut |check, content| {
            kept.push((check, content.to_vec()));
            Ok(())
        });
        let named = named.unwrap();
        assert_eq!(kept, [(sha256(&[7; NAMED_MIN]), vec![7; NAMED_MIN])]);
        assert!(named.len() < inside.len() && decode_edits(&named).is_none());
        assert_eq!(
            (are_named(&inside), are_named(&named)),
            (Some(false), Some(true))
        );
        let found = resolve(&named, &mut |path, check, size| {
            assert_eq!((path, *check, size), ("lua/a.lua", kept[0].0, 128));
            Ok(kept[0].1.clone())
        });
        assert_eq!(found.unwrap(), inside);
        for end in 0..named.len() {
            assert!(are_named(&named[..end]).is_none());
        }
    }
}
