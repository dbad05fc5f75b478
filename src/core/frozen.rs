//! Frozen sessions: all that core and its script keep of a session, as bytes, from which the same
//! session can be made again, in this process or another of the same build. What comes of every later
//! event is then the same, byte for byte.
//!
//! ```text
//! frozen  = version check length core script
//! version = u16              VERSION, little-endian like all here
//! check   = u32              CRC32C of what follows
//! length  = varint           bytes of core
//! core    = session host     see `Session` and `Host` below; each field in the order given there
//! script  = the rest         what `Script::freeze` wrote
//! ```
//!
//! Not in there: the site and the limits, which recordings have; the numbers of connections, which get
//! those that they have in a recording; and what is on its way out during an event, since sessions are
//! frozen between two. Everything else is carried, also what somebody outside has a part of: a process that
//! runs, a download or an upload in the middle. Who thaws such a session in another process owes it the
//! same news as one that was run again from its recording: `FrontendLeft` for [`Session::connections`],
//! `ProcessNews::Exited` for [`Processes::ids`], `Demand::Dropped` for [`Downloads::begun`] and
//! `UploadNews::Failed` for those of [`Uploads::ids`] whose file is gone.
//!
//! [`Processes::ids`]: super::outside::Processes::ids
//! [`Downloads::begun`]: super::download::Downloads::begun
//! [`Uploads::ids`]: super::upload::Uploads::ids

use super::carry::Carry;
use super::code::{Decoder, push_bytes};
use super::host::Host;
use super::id::{ConnectionId, SessionId};
use super::limits::SessionLimits;
use super::saving::Saving;
use super::script::{Runtime, Script};
use super::session::Session;
use super::site::Site;
use super::variable::VariableStore;

/// Raised with every change of what is written; tests know the bytes of one session.
const VERSION: u16 = 3;
/// Bytes of the version, and of it with the checksum.
const VERSION_LEN: usize = size_of::<u16>();
const HEAD_LEN: usize = VERSION_LEN + size_of::<u32>();

/// What a thawed session needs besides its bytes.
pub(super) struct Surroundings {
    pub session: SessionId,
    pub site: Site,
    pub limits: SessionLimits,
    pub verbosity: u8,
}

impl<S: Script> Session<S> {
    /// The connections of its views, in the order in which they joined.
    pub fn connections(&self) -> impl Iterator<Item = ConnectionId> {
        self.outbox.views.iter().map(|view| view.connection)
    }

    /// See the module's description.
    ///
    /// # Errors
    /// Why it cannot be frozen, in words for the log.
    pub(super) fn freeze(&mut self) -> Result<Vec<u8>, String> {
        let mut core = Vec::new();
        let Session {
            script,
            host,
            outbox,
            used,
            urgent,
            acting,
            field_faults,
            looks_left,
            fresh,
            site_faults,
            complaints,
            last_flush,
            unattached_since,
            saving,
        } = self;
        if acting.is_some() || fresh.is_some() || saving.data.is_some() {
            return Err(BETWEEN.into());
        }
        host.freeze(&mut core)?;
        outbox.freeze(&mut core);
        used.freeze(&mut core);
        urgent.freeze(&mut core);
        field_faults.freeze(&mut core);
        looks_left.freeze(&mut core);
        site_faults.freeze(&mut core);
        complaints.freeze(&mut core);
        last_flush.freeze(&mut core);
        unattached_since.freeze(&mut core);
        saving.due.freeze(&mut core);
        let mut out = vec![0; HEAD_LEN];
        push_bytes(&mut out, &core);
        script.freeze(&mut out)?;
        let check = crc32c::crc32c(&out[HEAD_LEN..]);
        out[..VERSION_LEN].copy_from_slice(&VERSION.to_le_bytes());
        out[VERSION_LEN..HEAD_LEN].copy_from_slice(&check.to_le_bytes());
        Ok(out)
    }

    /// The session that [`Session::freeze`] wrote down.
    ///
    /// # Errors
    /// Why it cannot be had, in words for the log.
    pub(super) fn thaw<R: Runtime<Script = S>>(
        runtime: &mut R,
        frozen: &[u8],
        surroundings: Surroundings,
    ) -> Result<Session<S>, String> {
        let (core, image) = parts(frozen)?;
        let mut from = Decoder::new(core);
        let session = surroundings.session;
        let host = Host::thaw(&mut from, surroundings).ok_or(DAMAGED)?;
        if host.session != session {
            return Err(format!(
                "the frozen session is session {}, not {session}",
                host.session
            ));
        }
        let mut host = Box::new(host);
        let script = runtime.thaw(session, &mut host, image)?;
        let session = Session::around(script, host, &mut from).filter(|_| from.is_empty());
        session.ok_or_else(|| DAMAGED.into())
    }

    /// Reads what [`Session::freeze`] wrote behind the host.
    fn around(script: S, host: Box<Host>, from: &mut Decoder<'_>) -> Option<Session<S>> {
        Some(Session {
            script,
            host,
            outbox: Carry::thaw(from)?,
            used: Carry::thaw(from)?,
            urgent: Carry::thaw(from)?,
            acting: None,
            field_faults: Carry::thaw(from)?,
            looks_left: Carry::thaw(from)?,
            fresh: None,
            site_faults: Carry::thaw(from)?,
            complaints: Carry::thaw(from)?,
            last_flush: Carry::thaw(from)?,
            unattached_since: Carry::thaw(from)?,
            saving: Saving {
                due: Carry::thaw(from)?,
                data: None,
            },
        })
    }
}

const BETWEEN: &str = "the session is in the middle of an event";
const DAMAGED: &str = "the frozen session is damaged";

/// Core's part and the script's.
fn parts(frozen: &[u8]) -> Result<(&[u8], &[u8]), String> {
    let (version, rest) = frozen.split_first_chunk().ok_or(DAMAGED)?;
    let version = u16::from_le_bytes(*version);
    if version != VERSION {
        return Err(format!(
            "the frozen session has version {version}, this engine reads version {VERSION}"
        ));
    }
    let (check, body) = rest.split_first_chunk().ok_or(DAMAGED)?;
    if crc32c::crc32c(body) != u32::from_le_bytes(*check) {
        return Err(DAMAGED.into());
    }
    let mut from = Decoder::new(body);
    let core = from.bytes().ok_or(DAMAGED)?;
    Ok((core, from.rest()))
}

impl Host {
    fn freeze(&self, out: &mut Vec<u8>) -> Result<(), String> {
        let Host {
            session,
            opening,
            turn,
            site: _,
            limits: _,
            vars,
            watches,
            timers,
            processes,
            outside,
            outgoing,
            outgoing_bytes,
            files,
            logs,
            logged,
            work,
            topic_news,
            downloads,
            uploads,
            saver,
            event,
            current,
            verbosity: _,
            audited: _,
            deeds,
        } = self;
        let between = outside.is_none()
            && outgoing.is_empty()
            && logs.is_empty()
            && topic_news.is_empty()
            && deeds.is_empty();
        if !between {
            return Err(BETWEEN.into());
        }
        session.freeze(out);
        opening.freeze(out);
        turn.freeze(out);
        vars.freeze(out);
        watches.freeze(out);
        timers.freeze(out);
        processes.freeze(out);
        outgoing_bytes.freeze(out);
        files.freeze(out);
        logged.freeze(out);
        work.freeze(out);
        downloads.freeze(out);
        uploads.freeze(out);
        saver.freeze(out);
        event.freeze(out);
        current.freeze(out);
        Ok(())
    }

    /// Reads what [`Host::freeze`] wrote.
    fn thaw(from: &mut Decoder<'_>, surroundings: Surroundings) -> Option<Host> {
        let Surroundings {
            session: _,
            site,
            limits,
            verbosity,
        } = surroundings;
        Some(Host {
            session: Carry::thaw(from)?,
            opening: Carry::thaw(from)?,
            turn: Carry::thaw(from)?,
            site,
            limits,
            vars: Carry::thaw(from).filter(VariableStore::is_sound)?,
            watches: Carry::thaw(from)?,
            timers: Carry::thaw(from)?,
            processes: Carry::thaw(from)?,
            outside: None,
            outgoing: Vec::new(),
            outgoing_bytes: Carry::thaw(from)?,
            files: Carry::thaw(from)?,
            logs: Vec::new(),
            logged: Carry::thaw(from)?,
            work: Carry::thaw(from)?,
            topic_news: Vec::new(),
            downloads: Carry::thaw(from)?,
            uploads: Carry::thaw(from)?,
            saver: Carry::thaw(from)?,
            event: Carry::thaw(from)?,
            current: Carry::thaw(from)?,
            verbosity,
            audited: false,
            deeds: Vec::new(),
        })
    }
}
