//! Post: what a server does so that messages between its sessions arrive, whatever becomes of its process.

use super::Server;
use super::world::World;
use crate::core::id::SessionId;
use crate::core::script::Runtime;
use crate::journal::StoreError;

impl<R: Runtime + Clone, W: World> Server<R, W> {
    /// What the event has published is on its way.
    pub(super) fn post(&mut self, from: SessionId) {
        let mut recordings = self.recordings.borrow_mut();
        let (event, last) = (recordings.events(from), self.core.last_message());
        if let Some(mail) = recordings.mail()
            && mail.last() < last
        {
            let messages = self.core.messages_behind(mail.last());
            mail.post(from, event, messages, last);
        }
    }

    /// Messages that were on their way when the process before this one ended are on their way again.
    pub(super) fn recover_mail(&mut self) -> Result<(), StoreError> {
        let Some(keeper) = &self.keeper else {
            return Ok(());
        };
        let extent = |session| keeper.extent(&self.sessions.sid(session)?.to_string());
        let left = match self.recordings.borrow_mut().mail() {
            Some(mail) => mail.left_behind(extent)?,
            None => Vec::new(),
        };
        for (session, message) in left {
            if self.core.is_dormant(session)
                && let Err(why) = self.core.restore_message(session, message)
            {
                self.log.session(0, session, format_args!("{why}"));
            }
        }
        Ok(())
    }

    /// Writes the mail anew without what has arrived, if it is worth that, or in any case.
    pub(super) fn tidy_mail(&mut self, in_any_case: bool) {
        let mut recordings = self.recordings.borrow_mut();
        let Some(mail) = recordings
            .mail()
            .filter(|mail| in_any_case || mail.is_large())
        else {
            return;
        };
        if let Err(error) = mail.write_anew(self.core.messages_behind(0)) {
            let text = "messages that have arrived stay written down";
            self.log.line(1, format_args!("{text}: {error}"));
        }
    }
}
