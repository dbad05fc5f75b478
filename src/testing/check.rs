//! `lunette check`: what is wrong with a site, found without a browser and without changing anything: code that does
//! not compile, files that are no templates, paths that are none, and what a first page would meet.

use super::answers::Answers;
use super::attributes;
use super::html::parse_template;
use super::path::split;
use super::script::Header;
use super::stage::Stage;
use super::store::{Error, Fault};
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
    /// Whether a page was looked at: not where what is wrong would only be told of twice.
    pub ran: bool,
}

/// All that is wrong with a site. `allowed`: what its sessions may do, and the machine that is asked for files that code
/// reads; `None`: that is not known, and no code runs.
///
/// # Errors
/// When Lua cannot run here.
pub fn check(
    site: &Site,
    allowed: Option<(&SessionLimits, Box<dyn Outside>)>,
) -> Result<Found, StateError> {
    let runtime = LuaRuntime::new()?;
    let mut found = Found {
        problems: problems(&runtime, site),
        remarks: lacking(site).map(str::to_owned).into_iter().collect(),
        ran: false,
    };
    // Code that does not compile would only be told of twice.
    let allowed = allowed.filter(|_| found.problems.is_empty());
    if let Some((limits, machine)) = allowed {
        found.ran = true;
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
        bad_bindings(path, content, &mut problems);
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

/// Bindings to what is no path, and attributes that bind nothing, if the file is a template.
pub fn bad_bindings(file: &str, content: &[u8], problems: &mut Vec<String>) {
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
    for (at, told) in attributes::unknown(&parse_template(text)) {
        let before = text.as_bytes()[..at].iter();
        let line = 1 + before.filter(|&&byte| byte == b'\n').count();
        problems.push(format!("{file}:{line}: {told}"));
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
    let errors = std::mem::take(&mut stage.errors);
    // The log has them, too.
    let is_told = |line: &String| errors.iter().any(|error| line.contains(&error.fault.text));
    let log = std::mem::take(&mut stage.log).into_iter();
    found.remarks.extend(log.filter(|line| !is_told(line)));
    found.problems.extend(each_once(site, errors));
    if let Some(page) = stage.page(PAGE) {
        let lacking = page.lacking.iter();
        found.remarks.extend(lacking.map(|name| {
            format!("there is no template for type {name}: write viewdefs/{name}.DEFAULT.html")
        }));
    }
    Ok(())
}

/// One text for each error, wherever it shows.
fn each_once(site: &Site, errors: Vec<Error>) -> Vec<String> {
    let mut once: Vec<(Fault, Vec<String>)> = Vec::new();
    for Error { fault, path, .. } in errors {
        match once.iter_mut().find(|(known, _)| *known == fault) {
            Some((_, paths)) => paths.push(path),
            None => once.push((fault, vec![path])),
        }
    }
    let told = once.into_iter().map(|(fault, paths)| {
        let at = match (&*paths[0], paths.len() - 1) {
            ("", _) => "the app shows".to_owned(),
            (path, 0) => format!("the path {path} shows"),
            (path, more) => format!("the path {path} and {more} more show"),
        };
        // Calls are spelled as nothing else in a template is.
        let call = split(&paths[0]).pop().filter(|last| last.ends_with(')'));
        let place = call.and_then(|call| site.place_in_viewdefs(call));
        let place = place.map(|place| format!("{place}: ")).unwrap_or_default();
        let mut told = format!("{place}{at} an error: {}", fault.text);
        let lines = fault.traceback.iter().flat_map(|text| text.lines());
        for line in lines.filter(|line| *line != fault.text) {
            told.push_str("\n  ");
            told.push_str(line);
        }
        told
    });
    told.collect()
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
