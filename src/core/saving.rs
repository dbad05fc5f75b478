//! `session:checkpoint`: an app says now and then what it would need to begin again from, should it ever
//! be impossible to rebuild its session.

use super::effect::Effect;
use super::id::Timestamp;
use super::script::Script;
use super::session::Session;

/// An app saves itself so long after something happened to it: what comes meanwhile is saved with it.
const SAVE_MS: u64 = 2_000;

/// When to save, and what was saved.
#[derive(Debug, Default)]
pub(super) struct Saving {
    /// Something happened to the app: when it is to save itself.
    pub due: Option<Timestamp>,
    /// What it has just saved.
    pub data: Option<Box<str>>,
}

impl<S: Script> Session<S> {
    /// Has the app save itself, if it is time.
    pub(super) fn save(&mut self) {
        let now = self.host.turn.now;
        if self.saving.due.is_none_or(|at| at > now) {
            return;
        }
        self.saving.due = None;
        let Some(saver) = self.host.saver else {
            return;
        };
        match self.script.save(&mut self.host, saver) {
            Ok(data) => self.saving.data = Some(data),
            Err(error) => self.blame(None, format_args!("save() of session:checkpoint"), error),
        }
        self.settle();
    }

    /// Hands over what the app has saved, and sees to it that it saves what the present event did.
    pub(super) fn finish_saving(&mut self, effects: &mut dyn FnMut(Effect)) {
        let session = self.host.session;
        if let Some(data) = self.saving.data.take() {
            effects(Effect::Saved { session, data });
        } else if self.urgent && self.host.saver.is_some() && self.saving.due.is_none() {
            self.saving.due = Some(self.host.turn.now + SAVE_MS);
        }
    }
}
