//! What one flush tells one view, ready to be encoded.

use super::id::WireId;
use super::script::ErrorCode;
use super::variable::Span;

/// The messages of one frame. JSON texts lie one after the other in `data`; `crate::wire` puts the
/// protocol's own words around them.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct OutgoingBatch {
    pub data: Vec<u8>,
    pub messages: Vec<OutgoingMessage>,
}

/// One message of an [`OutgoingBatch`]; spans are parts of its `data`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutgoingMessage {
    Update {
        var: WireId,
        /// JSON of the value; absent when it is unchanged.
        value: Option<Span>,
        /// That JSON is the pieces which make the value of the one that was told last (`delta`).
        pieces: bool,
        /// A JSON object of strings.
        properties: Option<Span>,
    },
    Destroy {
        var: WireId,
    },
    Error {
        var: WireId,
        code: ErrorCode,
        /// Plain text.
        description: Span,
        /// A JSON object: where it came from, or the fields that were refused.
        detail: Option<Span>,
    },
    Objects {
        /// A JSON array of `{"obj":N,"value":{...}}`.
        objects: Span,
    },
}

impl OutgoingBatch {
    /// Appends to `data` what `write` writes.
    pub fn put(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Span {
        let start = self.data.len() as u32;
        write(&mut self.data);
        Span {
            start,
            end: self.data.len() as u32,
        }
    }

    /// Appends an error.
    pub fn push_error(
        &mut self,
        var: WireId,
        code: ErrorCode,
        description: &str,
        detail: Option<&str>,
    ) {
        let description = self.put(|out| out.extend_from_slice(description.as_bytes()));
        let detail = detail.map(|json| self.put(|out| out.extend_from_slice(json.as_bytes())));
        self.messages.push(OutgoingMessage::Error {
            var,
            code,
            description,
            detail,
        });
    }
}
