//! Paths: where in a session's objects the variables of its pages are, as their creates told.

use std::collections::BTreeMap;

use super::RawEvent;
use crate::core::id::{APP, ConnectionId, WireId};
use crate::core::message::Message;
use crate::wire;

/// What was told of variables so far. Takes one event after the other.
#[derive(Debug, Default)]
pub struct Paths {
    known: BTreeMap<(ConnectionId, WireId), Place>,
}

#[derive(Debug)]
struct Place {
    parent: WireId,
    path: Box<str>,
}

impl Paths {
    /// Learns from an event: of variables created and destroyed, and connections that left.
    pub fn hear(&mut self, event: &RawEvent<'_>) {
        match *event {
            RawEvent::Frame { connection, text } => {
                for message in wire::read_batch(text).messages {
                    self.hear_message(connection, message);
                }
            }
            RawEvent::FrontendLeft { connection } => {
                self.known.retain(|(of, _), _| *of != connection);
            }
            _ => {}
        }
    }

    fn hear_message(&mut self, connection: ConnectionId, message: Message) {
        match message {
            Message::Create {
                id,
                parent,
                properties,
                ..
            } => {
                let path = properties.into_iter().find(|(name, _)| &**name == "path");
                let path = path.map_or(Box::default(), |(_, path)| path);
                self.known.insert((connection, id), Place { parent, path });
            }
            Message::Destroy { var } => {
                self.known.remove(&(connection, var));
            }
            _ => {}
        }
    }

    /// The path from variable 1 of what a connection calls `var`; `None`: it was not created so.
    pub fn of(&self, connection: ConnectionId, var: WireId) -> Option<String> {
        let mut at = var;
        let mut parts = Vec::new();
        while at != APP.0 {
            let place = self.known.get(&(connection, at))?;
            if parts.len() > self.known.len() {
                return None;
            }
            parts.push(&*place.path);
            at = place.parent;
        }
        parts.retain(|part| !part.is_empty());
        parts.reverse();
        (!parts.is_empty()).then(|| parts.join("."))
    }

    /// The path with which the variable was created, from its parent.
    pub fn last_part(&self, connection: ConnectionId, var: WireId) -> Option<&str> {
        Some(&*self.known.get(&(connection, var))?.path)
    }
}
