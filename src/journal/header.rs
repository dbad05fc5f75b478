//! What a recording says before its first event.

use std::collections::BTreeMap;

use super::code::{Decoder, push_bytes, push_varint};
use super::{FORMAT_VERSION, JournalError, MAGIC};
use crate::core::id::SessionId;
use crate::core::limits::SessionLimits;
use crate::core::outside::Grants;
use crate::core::site::Site;

/// Magic, version, length and checksum.
const FIXED: usize = 8 + 2 + 4 + 4;

/// All that a session depends on besides its events.
#[derive(Clone, Debug, PartialEq)]
pub struct Header {
    /// Version of the engine that recorded.
    pub engine: String,
    pub arch: String,
    pub pointer_bits: u32,
    /// Bytes of address space that a Lua state's memory has, which decides where its objects lie.
    pub arena_class: u64,
    /// Which Lua.
    pub dialect: String,
    pub session: SessionId,
    pub limits: SessionLimits,
    pub site: Site,
}

impl Header {
    /// The header of a session on this engine and machine.
    pub fn here(
        session: SessionId,
        site: Site,
        limits: SessionLimits,
        arena_class: u64,
        dialect: &str,
    ) -> Header {
        Header {
            engine: env!("CARGO_PKG_VERSION").into(),
            arch: std::env::consts::ARCH.into(),
            pointer_bits: usize::BITS,
            arena_class,
            dialect: dialect.into(),
            session,
            limits,
            site,
        }
    }

    /// Appends the header, all that stands before the first record.
    pub(super) fn push(&self, out: &mut Vec<u8>) {
        let mut body = Vec::new();
        push_bytes(&mut body, self.engine.as_bytes());
        push_bytes(&mut body, self.arch.as_bytes());
        push_varint(&mut body, u64::from(self.pointer_bits));
        push_varint(&mut body, self.arena_class);
        push_bytes(&mut body, self.dialect.as_bytes());
        push_varint(&mut body, self.session.0);
        push_limits(&self.limits, &mut body);
        push_varint(&mut body, self.site.files().count() as u64);
        for (path, content) in self.site.files() {
            push_bytes(&mut body, path.as_bytes());
            push_bytes(&mut body, content);
        }
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
        out.extend_from_slice(&(body.len() as u32).to_le_bytes());
        out.extend_from_slice(&crc32c::crc32c(&body).to_le_bytes());
        out.extend_from_slice(&body);
    }

    /// Reads the header of a file. Returns where the first record begins, too.
    pub(super) fn read(file: &[u8]) -> Result<(Header, usize), JournalError> {
        if !file.starts_with(&MAGIC) {
            let begun = !file.is_empty() && MAGIC.starts_with(file);
            return Err(match begun {
                true => JournalError::NoHeader,
                false => JournalError::NotAJournal,
            });
        }
        let Some(fixed) = file.get(MAGIC.len()..FIXED) else {
            return Err(JournalError::NoHeader);
        };
        let found = u16::from_le_bytes([fixed[0], fixed[1]]);
        if found != FORMAT_VERSION {
            return Err(JournalError::Version { found });
        }
        let length = u32::from_le_bytes([fixed[2], fixed[3], fixed[4], fixed[5]]);
        let check = u32::from_le_bytes([fixed[6], fixed[7], fixed[8], fixed[9]]);
        let end = FIXED + length as usize;
        let Some(body) = file.get(FIXED..end) else {
            return Err(JournalError::NoHeader);
        };
        let corrupt = |reason| JournalError::Corrupt {
            offset: FIXED as u64,
            reason,
        };
        if crc32c::crc32c(body) != check {
            return Err(corrupt("the header does not match its checksum"));
        }
        let header = read_body(body).ok_or(corrupt("the header cannot be read"))?;
        Ok((header, end))
    }
}

fn read_body(body: &[u8]) -> Option<Header> {
    let mut from = Decoder::new(body);
    let engine = from.text()?.to_owned();
    let arch = from.text()?.to_owned();
    let pointer_bits = u32::try_from(from.varint()?).ok()?;
    let arena_class = from.varint()?;
    let dialect = from.text()?.to_owned();
    let session = SessionId(from.varint()?);
    let limits = read_limits(&mut from)?;
    let mut files = BTreeMap::new();
    for _ in 0..from.varint()? {
        let path = from.text()?.to_owned();
        files.insert(path, from.bytes()?.to_vec());
    }
    from.is_empty().then(|| Header {
        engine,
        arch,
        pointer_bits,
        arena_class,
        dialect,
        session,
        limits,
        site: Site::new(files),
    })
}

fn push_limits(limits: &SessionLimits, out: &mut Vec<u8>) {
    // Taken apart without `..`, so that a new limit cannot be forgotten here: it needs a new format.
    let SessionLimits {
        lua_memory,
        gas,
        variables,
        property_bytes,
        timers,
        subscriptions,
        processes,
        session_timeout_ms,
        unused_timeout_ms,
        coalesce_ms,
        remote_code,
        private_paths,
        dev,
        ref grants,
    } = *limits;
    push_varint(out, lua_memory as u64);
    push_varint(out, gas);
    push_varint(out, variables as u64);
    push_varint(out, property_bytes as u64);
    push_varint(out, timers as u64);
    push_varint(out, subscriptions as u64);
    push_varint(out, processes as u64);
    push_varint(out, session_timeout_ms);
    push_varint(out, unused_timeout_ms);
    push_varint(out, coalesce_ms);
    push_varint(out, u64::from(remote_code));
    push_varint(out, u64::from(private_paths));
    push_varint(out, u64::from(dev));
    push_grants(grants, out);
}

fn push_grants(grants: &Grants, out: &mut Vec<u8>) {
    let Grants {
        io,
        os,
        files,
        spawn,
        blocking,
        commands,
    } = grants;
    let granted = [io, os, files, spawn, blocking].into_iter().enumerate();
    push_varint(out, granted.map(|(bit, &on)| u64::from(on) << bit).sum());
    push_varint(out, commands.len() as u64);
    for command in commands {
        push_bytes(out, command.as_bytes());
    }
}

fn read_grants(from: &mut Decoder<'_>) -> Option<Grants> {
    let granted = from.varint()?;
    let has = |bit: u32| granted & 1 << bit != 0;
    let mut commands = Vec::new();
    for _ in 0..from.varint()? {
        commands.push(from.text()?.into());
    }
    Some(Grants {
        io: has(0),
        os: has(1),
        files: has(2),
        spawn: has(3),
        blocking: has(4),
        commands,
    })
}

fn read_limits(from: &mut Decoder<'_>) -> Option<SessionLimits> {
    let mut size = || {
        from.varint()
            .map(|n| usize::try_from(n).unwrap_or(usize::MAX))
    };
    let lua_memory = size()?;
    let gas = from.varint()?;
    let mut size = || {
        from.varint()
            .map(|n| usize::try_from(n).unwrap_or(usize::MAX))
    };
    Some(SessionLimits {
        lua_memory,
        gas,
        variables: size()?,
        property_bytes: size()?,
        timers: size()?,
        subscriptions: size()?,
        processes: size()?,
        session_timeout_ms: from.varint()?,
        unused_timeout_ms: from.varint()?,
        coalesce_ms: from.varint()?,
        remote_code: from.flag()?,
        private_paths: from.flag()?,
        dev: from.flag()?,
        grants: read_grants(from)?,
    })
}
