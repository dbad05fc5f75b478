//! What a recording says before its first event.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256 as Hasher};

use super::{FORMAT_VERSION, JournalError, MAGIC, OLDEST_VERSION};
use crate::core::code::{Decoder, push_bytes, push_signed, push_varint};
use crate::core::id::SessionId;
use crate::core::limits::{GC_PAUSE, SessionLimits};
use crate::core::outside::Grants;
use crate::core::site::Site;
use crate::core::upload::Sha256;

/// Magic, version, length and checksum.
pub(super) const FIXED: usize = 8 + 2 + 4 + 4;

/// What differs between builds that may behave differently: of the sources that decide what a session does.
pub const BUILD: &str = env!("LUNETTE_BUILD");

/// All that a session depends on besides its events.
#[derive(Clone, Debug, PartialEq)]
pub struct Header {
    /// Version of the engine that recorded, and [`BUILD`] of it; empty in files of format 2.
    pub engine: String,
    pub build: String,
    pub arch: String,
    pub pointer_bits: u32,
    /// Bytes of address space that a Lua state's memory has, which decides where its objects lie.
    pub arena_class: u64,
    /// Which Lua.
    pub dialect: String,
    /// The session's 128-bit id as in its address; empty: not known.
    pub sid: String,
    /// When it began, in milliseconds since 1970-01-01 UTC; 0: not known.
    pub started: i64,
    pub detail: Detail,
    pub session: SessionId,
    pub limits: SessionLimits,
    pub site: Site,
    /// Paths whose values are not for other eyes, see [`Secrets`](super::Secrets).
    pub secret: Vec<String>,
    /// The name of the user who alone may come back to it; empty: nobody logged in.
    pub owner: String,
}

/// How much is kept of what a session sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Detail {
    /// All of it.
    #[default]
    Full,
    /// A digest an event, by which a replay is compared, and all that a replay needs.
    Digest,
}

/// A file of the site as a header names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum SiteFile {
    Inline(Vec<u8>),
    /// The content is elsewhere, under its checksum.
    Named {
        sha256: Sha256,
        bytes: u64,
    },
}

/// Finds the content of a file of the site by its path, checksum and length.
pub(super) type LookUp<'a> = dyn FnMut(&str, &Sha256, u64) -> Result<Vec<u8>, JournalError> + 'a;

/// A header as it stands in the file; its site may have to be looked up.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct RawHeader {
    pub format: u16,
    /// With an empty site.
    pub header: Header,
    pub files: Vec<(String, SiteFile)>,
    /// Where the first record begins.
    pub end: usize,
    /// The checksum from which those of records go on.
    pub check: u32,
}

/// The checksum that names a content.
pub(super) fn sha256(content: &[u8]) -> Sha256 {
    Hasher::digest(content).into()
}

impl Header {
    /// The header of a session on this engine and machine, whose outputs are all kept.
    pub fn here(
        session: SessionId,
        site: Site,
        limits: SessionLimits,
        arena_class: u64,
        dialect: &str,
    ) -> Header {
        Header {
            engine: env!("CARGO_PKG_VERSION").into(),
            build: BUILD.into(),
            arch: std::env::consts::ARCH.into(),
            pointer_bits: usize::BITS,
            arena_class,
            dialect: dialect.into(),
            sid: String::new(),
            started: 0,
            detail: Detail::Full,
            session,
            limits,
            site,
            secret: Vec::new(),
            owner: String::new(),
        }
    }

    /// The header with the site's files inside, as it stands in the file. Returns its checksum, too.
    pub(super) fn encode(&self) -> (Vec<u8>, u32) {
        let files = self.site.files();
        let files = files.map(|(path, content)| (path, FileRef::Inline(content)));
        self.encode_with(&files.collect::<Vec<_>>())
    }

    /// The same with the site's files as the caller wants them.
    pub(super) fn encode_with(&self, files: &[(&str, FileRef<'_>)]) -> (Vec<u8>, u32) {
        let mut body = Vec::new();
        push_bytes(&mut body, self.engine.as_bytes());
        push_bytes(&mut body, self.build.as_bytes());
        push_bytes(&mut body, self.arch.as_bytes());
        push_varint(&mut body, u64::from(self.pointer_bits));
        push_varint(&mut body, self.arena_class);
        push_bytes(&mut body, self.dialect.as_bytes());
        push_bytes(&mut body, self.sid.as_bytes());
        push_signed(&mut body, self.started);
        push_varint(&mut body, u64::from(self.detail == Detail::Digest));
        push_varint(&mut body, self.session.0);
        push_limits(&self.limits, &mut body);
        push_varint(&mut body, files.len() as u64);
        for (path, content) in files {
            push_bytes(&mut body, path.as_bytes());
            match content {
                FileRef::Inline(content) => {
                    push_varint(&mut body, 0);
                    push_bytes(&mut body, content);
                }
                FileRef::Named { sha256, bytes } => {
                    push_varint(&mut body, 1);
                    body.extend_from_slice(sha256);
                    push_varint(&mut body, *bytes);
                }
            }
        }
        let viewdef_paths = self.limits.viewdef_paths;
        let rules = self.limits.rules;
        let gc_pause = self.limits.gc_pause;
        let ruled = rules > 0 || gc_pause != GC_PAUSE;
        let owned = !self.owner.is_empty() || viewdef_paths || ruled;
        if !self.secret.is_empty() || owned {
            push_varint(&mut body, self.secret.len() as u64);
            for path in &self.secret {
                push_bytes(&mut body, path.as_bytes());
            }
        }
        if owned {
            push_bytes(&mut body, self.owner.as_bytes());
            push_varint(&mut body, u64::from(viewdef_paths));
        }
        if ruled {
            push_varint(&mut body, rules);
        }
        if gc_pause != GC_PAUSE {
            push_varint(&mut body, gc_pause);
        }
        let mut out = MAGIC.to_vec();
        out.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
        out.extend_from_slice(&(body.len() as u32).to_le_bytes());
        // The version is checked, too: a flipped bit must not make another format of it.
        let check = crc32c::crc32c_append(crc32c::crc32c(&out[MAGIC.len()..]), &body);
        out.extend_from_slice(&check.to_le_bytes());
        out.extend_from_slice(&body);
        (out, check)
    }
}

/// A file of the site on its way into a header.
#[derive(Clone, Copy, Debug)]
pub(super) enum FileRef<'a> {
    Inline(&'a [u8]),
    Named { sha256: Sha256, bytes: u64 },
}

impl RawHeader {
    /// Bytes of the header of a file that begins like this, all before its first record.
    pub fn length(beginning: &[u8]) -> Option<u64> {
        let length = beginning.get(MAGIC.len() + 2..MAGIC.len() + 6)?;
        let length = u32::from_le_bytes(length.try_into().ok()?);
        Some(FIXED as u64 + u64::from(length))
    }

    /// Reads the header of a file.
    pub fn read(file: &[u8]) -> Result<RawHeader, JournalError> {
        if !file.starts_with(&MAGIC) {
            return Err(match MAGIC.starts_with(file) {
                true => JournalError::NoHeader,
                false => JournalError::NotAJournal,
            });
        }
        let Some(fixed) = file.get(MAGIC.len()..FIXED) else {
            return Err(JournalError::NoHeader);
        };
        let format = u16::from_le_bytes([fixed[0], fixed[1]]);
        if !(OLDEST_VERSION..=FORMAT_VERSION).contains(&format) {
            return Err(JournalError::Version { found: format });
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
        let before = match format {
            OLDEST_VERSION => 0,
            _ => crc32c::crc32c(&fixed[..6]),
        };
        if crc32c::crc32c_append(before, body) != check {
            return Err(corrupt("the header does not match its checksum"));
        }
        let read = read_body(format, body);
        let (header, files) = read.ok_or(corrupt("the header cannot be read"))?;
        Ok(RawHeader {
            format,
            header,
            files,
            end,
            check,
        })
    }

    /// The header with its site, whose files that are elsewhere `look_up` finds.
    pub fn resolve(&self, look_up: &mut LookUp<'_>) -> Result<Header, JournalError> {
        let mut files = BTreeMap::new();
        for (path, file) in &self.files {
            let content = match file {
                SiteFile::Inline(content) => content.clone(),
                SiteFile::Named { sha256, bytes } => look_up(path, sha256, *bytes)?,
            };
            files.insert(path.clone(), content);
        }
        Ok(Header {
            site: Site::new(files),
            ..self.header.clone()
        })
    }
}

fn read_body(format: u16, body: &[u8]) -> Option<(Header, Vec<(String, SiteFile)>)> {
    let old = format == OLDEST_VERSION;
    let mut from = Decoder::new(body);
    let engine = from.text()?.to_owned();
    let build = if old { "" } else { from.text()? }.to_owned();
    let arch = from.text()?.to_owned();
    let pointer_bits = u32::try_from(from.varint()?).ok()?;
    let arena_class = from.varint()?;
    let dialect = from.text()?.to_owned();
    let sid = if old { "" } else { from.text()? }.to_owned();
    let started = if old { 0 } else { from.signed()? };
    let digest = !old && from.flag()?;
    let session = SessionId(from.varint()?);
    let mut limits = read_limits(&mut from)?;
    let mut files = Vec::new();
    for _ in 0..from.varint()? {
        let path = from.text()?.to_owned();
        let file = match !old && from.flag()? {
            false => SiteFile::Inline(from.bytes()?.to_vec()),
            true => SiteFile::Named {
                sha256: from.take(32)?.try_into().ok()?,
                bytes: from.varint()?,
            },
        };
        files.push((path, file));
    }
    let mut secret = Vec::new();
    if !old && !from.is_empty() {
        for _ in 0..from.varint()? {
            secret.push(from.text()?.to_owned());
        }
    }
    let mut owner = String::new();
    if !old && !from.is_empty() {
        owner = from.text()?.to_owned();
        limits.viewdef_paths = from.flag()?;
    }
    if !old && !from.is_empty() {
        limits.rules = from.varint()?;
    }
    if !old && !from.is_empty() {
        limits.gc_pause = from.varint()?;
    }
    let header = Header {
        engine,
        build,
        arch,
        pointer_bits,
        arena_class,
        dialect,
        sid,
        started,
        detail: if digest { Detail::Digest } else { Detail::Full },
        session,
        limits,
        site: Site::default(),
        secret,
        owner,
    };
    from.is_empty().then_some((header, files))
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
        // These stand behind the owner: they came later.
        viewdef_paths: _,
        rules: _,
        gc_pause: _,
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
        viewdef_paths: false,
        dev: from.flag()?,
        grants: read_grants(from)?,
        rules: 0,
        gc_pause: GC_PAUSE,
    })
}
