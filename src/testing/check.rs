//! `lunette check`: what is wrong with a site, found without a browser and without changing anything: code that does
//! not compile, files that are no templates, paths that are none, and what a first page would meet.

use super::answers::Answers;
use super::script::Header;
use super::stage::Stage;
use super::template::Template;
use crate::core::id::SessionId;
use crate::core::limits::SessionLimits;
use crate::core::outside::{HostAnswer, HostCall, Outside};
use crate::core::path::Path;
use crate::core::site::Site;
use crate::core::viewdef::{Viewdefs, template_text};
use crate::lua::LuaRuntime;
use crate::lua::state::StateError;

/// The number of the error "Read-only file system".
const READ_ONLY: i32 = 30;
/// The page that looks.
const PAGE: u64 = 1;

/// What was found, one text each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// What cannot work.
    pub problems: Vec<String>,
    /// What may be meant.
    pub remarks: Vec<String>,
}

/// All that is wrong with a site. `machine` is asked for files that code reads.
///
/// # Errors
/// When Lua cannot run here.
pub fn check(
    site: &Site,
    limits: &SessionLimits,
    machine: Box<dyn Outside>,
) -> Result<Found, StateError> {
    let runtime = LuaRuntime::new()?;
    let mut found = Found {
        problems: problems(&runtime, site),
        remarks: lacking(site).map(str::to_owned).into_iter().collect(),
    };
    // Code that does not compile would only be told of twice.
    if found.problems.is_empty() {
        first_page(site, limits, machine, &mut found)?;
    }
    Ok(found)
}

/// What can be told without running anything: `FILE:LINE: ...`, and what to do.
pub fn problems(runtime: &LuaRuntime, site: &Site) -> Vec<String> {
    let scripts = site.files().filter(|(path, _)| path.ends_with(".lua"));
    let mut problems: Vec<String> = scripts
        .filter_map(|(path, text)| runtime.problem(path, text))
        .collect();
    problems.extend(Viewdefs::new(site).problems);
    for (path, content) in site.files() {
        bad_paths(path, content, &mut problems);
    }
    problems
}

/// What is missing, and need not be: pages may be made by somebody else.
pub fn lacking(site: &Site) -> Option<&'static str> {
    let is_template = |(path, content)| template_text(path, content).is_some();
    let text = "there are no templates: write viewdefs/TYPE.DEFAULT.html, with the type of the app's object, or pages \
        stay empty";
    (!site.files().any(is_template)).then_some(text)
}

/// Bindings to what is no path, if the file is a template.
pub fn bad_paths(file: &str, content: &[u8], problems: &mut Vec<String>) {
    let Some(text) = template_text(file, content) else {
        return;
    };
    let template = Template::compile(text);
    let slots = template.slots.iter().map(|slot| &slot.props);
    let deeds = template.deeds.iter().map(|deed| &deed.props);
    let props = slots.chain(deeds).filter_map(|props| props.get("path"));
    let views = template.views.iter().map(|view| &view.path);
    for path in props.chain(views) {
        if let Err(error) = Path::parse(path) {
            let line = text.lines().position(|line| line.contains(path.as_str()));
            let line = line.map_or(1, |at| at + 1);
            problems.push(format!("{file}:{line}: the path {path:?} is none: {error}"));
        }
    }
}

/// A session begins, and a page shows it.
fn first_page(
    site: &Site,
    limits: &SessionLimits,
    machine: Box<dyn Outside>,
    found: &mut Found,
) -> Result<(), StateError> {
    let answers = Answers::new(Vec::new(), Some(Box::new(ReadOnly(machine))));
    let mut stage = Stage::new(site, limits, &Header::default(), answers)?;
    stage.attach(PAGE);
    if let Some(over) = stage.over.take() {
        found.problems.push(over);
        return Ok(());
    }
    found.remarks.append(&mut stage.log);
    for error in std::mem::take(&mut stage.errors) {
        let at = match error.path.is_empty() {
            true => "the app".to_owned(),
            false => format!("the path {}", error.path),
        };
        let mut told = format!("{at} shows an error: {}", error.fault.text);
        for line in error.fault.traceback.iter().flat_map(|text| text.lines()) {
            told.push_str("\n  ");
            told.push_str(line);
        }
        found.problems.push(told);
    }
    if let Some(page) = stage.page(PAGE) {
        let lacking = page.lacking.iter();
        found.remarks.extend(lacking.map(|name| {
            format!("there is no template for type {name}: write viewdefs/{name}.DEFAULT.html")
        }));
    }
    Ok(())
}

/// The machine, as long as nothing changes by it.
#[derive(Debug)]
struct ReadOnly(Box<dyn Outside>);

impl Outside for ReadOnly {
    fn call(&mut self, session: SessionId, call: &HostCall) -> HostAnswer {
        match call.is_effectful() {
            false => self.0.call(session, call),
            true => HostAnswer::Failed {
                code: READ_ONLY,
                text: "lunette check changes nothing".into(),
            },
        }
    }
}
