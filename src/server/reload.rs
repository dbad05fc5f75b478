//! An edit of the site reaches its sessions.

use super::Server;
use super::world::World;
use crate::core::event::Event;
use crate::core::script::Runtime;
use crate::core::site::{Edits, SiteChange};
use crate::journal::{RawEvent, encode_edits};
use crate::testing::check;

impl<R: Runtime + Clone, W: World> Server<R, W> {
    /// Runs what was edited on the disk, if the site is watched.
    pub(super) fn reload(&mut self) {
        let Some(watcher) = &mut self.watcher else {
            return;
        };
        let edits = watcher.edits(self.core.site(), self.turn.now);
        if edits.is_empty() {
            return;
        }
        let change = self.edit(edits.clone());
        if let Some(watcher) = &mut self.watcher {
            watcher.settle(edits, |path| change.problems.contains_key(path));
        }
    }

    /// Tells all sessions of these edits: one after the other, so that none sends anything in between.
    pub fn edit(&mut self, edits: Edits) -> SiteChange {
        let recorded = encode_edits(&edits);
        let change = self.core.site().edit(edits);
        for problem in change.problems.values() {
            self.log.line(0, format_args!("{problem}"));
        }
        for problem in bad_bindings(&change) {
            self.log.line(0, format_args!("{problem}"));
        }
        self.log
            .line(1, format_args!("edited: {}", change.paths.join(", ")));
        self.core.change_site(&change.site);
        self.recordings.borrow_mut().change_site(&change.site);
        // What could not start may start now.
        self.sessions.forget_failures();
        for session in self.core.session_ids() {
            let event = Event::SiteChanged {
                session,
                change: change.clone(),
            };
            self.handle(event, &RawEvent::SiteChanged { edits: &recorded });
        }
        change
    }
}

/// Bindings to what is no path, in templates that were edited.
fn bad_bindings(change: &SiteChange) -> Vec<String> {
    let mut problems = Vec::new();
    for path in change.paths.iter() {
        if let Some(content) = change.site.read(path) {
            check::bad_bindings(path, content, &mut problems);
        }
    }
    problems
}
