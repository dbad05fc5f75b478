//! What a session does when files of its site were edited.

use std::collections::BTreeMap;

use super::carry::carry;
use super::gather::gather;
use super::script::{ErrorCode, Script, ScriptError};
use super::session::Session;
use super::site::SiteChange;
use super::viewdef;

/// What is wrong with the site as it is now, as far as this session has met it.
#[derive(Debug, Default)]
pub(super) struct SiteFaults {
    /// Code that could not be run again; the old goes on.
    code: Option<ScriptError>,
    /// Files that are no viewdefs, with what is wrong with them.
    viewdefs: BTreeMap<Box<str>, Box<str>>,
    /// The message of the error that stands on variable 1 for one of these.
    told: Option<String>,
}

impl SiteFaults {
    fn first(&self, dev: bool) -> Option<ScriptError> {
        if self.code.is_some() {
            return self.code.clone();
        }
        // Templates are told to those who write them only.
        let problem = self.viewdefs.values().next().filter(|_| dev)?;
        Some(ScriptError::new(ErrorCode::BadValue, &**problem))
    }
}

impl<S: Script> Session<S> {
    /// Files of the site were edited: code that has run runs again, templates that were sent are sent
    /// again. What the session holds stays.
    pub(super) fn change_site(&mut self, change: &SiteChange) {
        // Whoever edits is looking at the page: nothing waits to be gathered with more.
        self.urgent = true;
        self.host.site = change.site.clone();
        let is_good = |path: &&str| !change.problems.contains_key(*path);
        let paths = || change.paths.iter().map(|path| &**path);
        for name in paths().filter(is_good).filter_map(viewdef::type_of) {
            for view in &mut self.outbox.views {
                if view.types.contains(name) {
                    view.renewed.insert(name.into());
                }
            }
        }
        if let Some(errors) = self.script.reload(&mut self.host, &change.paths) {
            let mut errors = errors.into_iter();
            self.site_faults.code = errors.next();
            for error in self.site_faults.code.iter().chain(errors.as_slice()) {
                let text = error.traceback.as_deref().unwrap_or(&error.message);
                self.host.log(0, format_args!("reload: {text}"));
            }
        }
        for path in paths() {
            self.site_faults.viewdefs.remove(path);
        }
        let problems = change.problems.iter();
        let problems = problems.map(|(path, reason)| (path.clone(), reason.clone()));
        self.site_faults.viewdefs.extend(problems);
        self.settle();
        self.tell_site_fault();
    }

    /// Those who write a site see in the first page what is wrong with its templates.
    pub(super) fn look_at_viewdefs(&mut self) {
        if !self.host.limits.dev {
            return;
        }
        let files = self.host.site.files();
        let problems = files.filter_map(|(path, content)| {
            let problem = viewdef::problem(path, content)?;
            Some((path.into(), problem.into()))
        });
        self.site_faults.viewdefs = gather(problems);
        self.tell_site_fault();
    }

    /// Puts what is wrong with the site on variable 1, or takes it off again.
    fn tell_site_fault(&mut self) {
        let fault = self.site_faults.first(self.host.limits.dev);
        let Some(app) = self.host.vars.app() else {
            return;
        };
        if let Some(error) = fault {
            self.site_faults.told = Some(error.message.clone());
            let fault = self.host.fault(&error);
            self.outbox.fault(&mut self.host, app, fault);
            return;
        }
        let Some(told) = self.site_faults.told.take() else {
            return;
        };
        let Some(variable) = self.host.vars.get_mut(app) else {
            return;
        };
        // The first value of all took it off already, here and not on the page; another error stays.
        if variable.error.as_ref().is_some_and(|e| e.message != told) {
            return;
        }
        variable.error = None;
        // A value says that all is well again.
        let id = variable.id;
        for view in &mut self.outbox.views {
            if view.watches(app, &self.host.vars) {
                view.echoes.push(id);
            }
        }
    }
}

carry!(struct SiteFaults { code, viewdefs, told });
