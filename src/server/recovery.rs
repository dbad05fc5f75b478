//! Recovery: sessions that earlier processes left behind, or that were put to sleep, are run again from
//! their journals when something happens to them.
//!
//! Events go in at the times at which they came; what comes out is compared with what came out then, and
//! goes nowhere but into the links of the views, so that pages can go on. Only what could be rebuilt
//! exactly goes on; all else begins anew and says so.

use std::collections::BTreeMap;

use super::Server;
use super::inbox::Input;
use super::sessions::Sid;
use super::world::World;
use crate::core::effect::Effect;
use crate::core::event::{Event, Opening};
use crate::core::id::{ConnectionId, SessionId};
use crate::core::outside::{ProcessExit, ProcessNews};
use crate::core::script::Runtime;
use crate::core::upload::UploadNews;
use crate::journal::{JournalError, Output, RawEvent, Reader, Record, encode_edits};
use crate::replay::{Recorded, to_event};

/// Why a session cannot be rebuilt.
#[derive(Debug, thiserror::Error)]
pub(super) enum Lost {
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error("turn {turn} did not come out as it did before")]
    Diverged { turn: u64 },
}

/// Connections as a journal numbers them, and as they are called here.
#[derive(Debug, Default)]
struct Connections {
    here: BTreeMap<ConnectionId, ConnectionId>,
    recorded: BTreeMap<ConnectionId, ConnectionId>,
}
