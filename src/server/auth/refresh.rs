//! The file of users, looked at again: an edit counts within a second, for those who are here, too.

use crate::core::id::Timestamp;
use crate::core::script::Runtime;
use crate::server::Server;
use crate::server::world::World;

impl<R: Runtime + Clone, W: World> Server<R, W> {
    /// When to look whether the file of users was edited, though nothing else happens: once a second while
    /// somebody who logged in is here.
    pub(in crate::server) fn users_due(&self) -> Option<Timestamp> {
        let users = self.door.auth.as_ref()?.users.as_ref()?;
        let next = users.looks_again(self.turn.wall);
        (!self.by_connection.is_empty()).then(|| self.turn.now + next)
    }

    /// Takes notice of an edit of the file of users.
    pub(in crate::server) fn refresh_users(&mut self) {
        let Some(users) = self.door.auth.as_mut().and_then(|auth| auth.users.as_mut()) else {
            return;
        };
        match users.refresh(self.turn.wall) {
            Ok(false) => {}
            Ok(true) => {
                self.log.line(0, format_args!("the users were read again"));
                let Some(auth) = self.door.auth.take() else {
                    return;
                };
                self.close_logins("the login is over", |login| !auth.still_good(login));
                self.door.auth = Some(auth);
            }
            Err(error) => {
                self.log
                    .line(0, format_args!("the users stay as they were: {error}"));
            }
        }
    }
}
