//! The protocol's messages, typed. `crate::wire` is the only place that knows how they are spelled.

use super::id::WireId;

/// JSON text of one value as it came from a frontend: valid JSON, not interpreted by core.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Json(pub Box<str>);

/// One frame from a frontend.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    /// The user did something: the answer goes out in the same turn.
    pub user_event: bool,
    pub messages: Vec<Message>,
}

/// Property names and values as sent; an empty value unsets.
pub type PropertyList = Vec<(Box<str>, Box<str>)>;

/// One message of a [`Batch`]. Each stands alone: its failure is one `error` and hurts no other.
#[derive(Clone, Debug, PartialEq)]
pub enum Message {
    Create {
        id: WireId,
        parent: WireId,
        properties: PropertyList,
        /// Do not watch the new variable yet.
        nowatch: bool,
        /// With a path: written through it. Without: the value of an unbound variable.
        value: Option<Json>,
    },
    Update {
        var: WireId,
        value: Option<Json>,
        properties: PropertyList,
    },
    Watch {
        var: WireId,
    },
    Unwatch {
        var: WireId,
    },
    Destroy {
        var: WireId,
    },
    Get {
        vars: Vec<WireId>,
    },
    GetObjects {
        objects: Vec<u64>,
    },
    /// The client itself failed to show a variable; for the log.
    Complaint {
        var: WireId,
        description: String,
    },
    /// Could not be read; answered by one `bad-message` error about `var` (0: none could be told).
    Bad {
        var: WireId,
        description: String,
    },
    /// Stands behind as many as are told at once that could not be read: how many more there were.
    Unread {
        count: usize,
    },
}
