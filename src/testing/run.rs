//! Runs one recording against a site: step after step, what each led to compared with what is expected.

mod expect;

use serde_json::Value;

use super::answers::{Answer, Answers};
use super::find::{Missing, Target};
use super::page::Page;
use super::script::{Recording, Step};
use super::stage::Stage;
use super::store::{Error, VarNo, same};
use super::template::DeedKind;
use super::upload::File;
use crate::config::nearest::nearest;
use crate::core::limits::SessionLimits;
use crate::core::outside::Outside;
use crate::core::site::Site;
use crate::core::upload::{NAME, SIZE, TYPE};
use crate::lua::state::StateError;

/// What a recording runs against, and how.
#[derive(Clone, Debug)]
pub struct Setting {
    pub site: Site,
    pub limits: SessionLimits,
    /// Paths whose values are not compared.
    pub ignored: Vec<Vec<String>>,
    /// Paths whose values are not told, see [`Secrets`](crate::journal::Secrets).
    pub secret: Vec<String>,
    /// Expectations are written anew, not complained about.
    pub update: bool,
}

/// A step at which something was not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// From 1, in the file.
    pub line: usize,
    pub step: String,
    /// What was expected and what is.
    pub told: Vec<String>,
}

/// What came of a run.
#[derive(Debug, Default)]
pub struct Outcome {
    pub steps: usize,
    pub failures: Vec<Failure>,
    /// The recording with its expectations as they are now.
    pub updated: Vec<String>,
    /// What the machine was asked, with its answers.
    pub added: Vec<(String, Answer)>,
}

/// Runs a recording. What it does not answer is asked of `machine`, if there is one.
///
/// # Errors
/// When Lua cannot run here.
pub fn run(
    recording: &Recording,
    setting: &Setting,
    machine: Option<Box<dyn Outside>>,
) -> Result<Outcome, StateError> {
    let answers = recording.lines.iter().filter_map(|line| match &line.step {
        Some(Step::Answer { call, answer }) => Some((call.clone(), answer.clone())),
        _ => None,
    });
    let answers = Answers::new(answers.collect(), machine);
    let mut stage = Stage::new(&setting.site, &setting.limits, &recording.header, answers)?;
    stage.attach(1);
    let mut run = Run {
        stage,
        setting,
        page: 1,
        acted: (1, "the session begins".into()),
        outcome: Outcome::default(),
    };
    run.all(recording);
    run.outcome.added = run.stage.take_added();
    Ok(run.outcome)
}

struct Run<'s> {
    stage: Stage,
    setting: &'s Setting,
    /// The page on which things are done.
    page: u64,
    /// The last line that did something, and what.
    acted: (usize, String),
    outcome: Outcome,
}

type Told = Result<(), Vec<String>>;

impl Run<'_> {
    fn all(&mut self, recording: &Recording) {
        for (at, line) in recording.lines.iter().enumerate() {
            let Some(step) = &line.step else {
                self.outcome.updated.push(line.text.clone());
                continue;
            };
            if matches!(step, Step::Answer { .. }) {
                self.outcome.updated.push(line.text.clone());
                continue;
            }
            self.outcome.steps += 1;
            if is_expectation(step) {
                self.expect(at + 1, &line.text, step);
                continue;
            }
            if !self.finish_step() {
                return;
            }
            self.acted = (at + 1, step.to_string());
            self.outcome.updated.push(line.text.clone());
            if let Err(told) = self.act(step) {
                self.fail(told);
                return;
            }
        }
        self.finish_step();
    }

    fn fail(&mut self, told: Vec<String>) {
        let (line, step) = self.acted.clone();
        self.outcome.failures.push(Failure { line, step, told });
    }

    /// What came of the last step and nobody expected. Returns whether to go on.
    fn finish_step(&mut self) -> bool {
        for unanswered in std::mem::take(&mut self.stage.unanswered) {
            let mut told = vec![format!(
                "the recording has no answer to: {}",
                unanswered.call
            )];
            if !unanswered.at.is_empty() {
                told.push(format!("asked at {}", unanswered.at));
            }
            told.push(
                "write a line \"answer CALL => ANSWER\", or let --record-missing ask the machine"
                    .into(),
            );
            self.fail(told);
        }
        let errors = std::mem::take(&mut self.stage.errors);
        if self.setting.update {
            for error in errors {
                let line = Step::ExpectError {
                    path: error.path,
                    text: error.fault.text,
                };
                self.outcome.updated.push(line.to_string());
            }
        } else {
            for error in errors {
                self.fail(told_of(&error));
            }
        }
        if let Some(over) = self.stage.over.take() {
            self.fail(over.lines().map(str::to_owned).collect());
            return false;
        }
        if self.outcome.failures.is_empty() {
            self.stage.log.clear();
        }
        self.outcome.failures.is_empty()
    }

    // ---- what is done --------------------------------------------------------

    fn act(&mut self, step: &Step) -> Told {
        match step {
            Step::Set { path, value } => self.set(path, value)?,
            Step::Call { path, argument } => self.call(path, argument.as_ref())?,
            Step::Submit { path, fields } => self.submit(path, fields)?,
            Step::Upload { path, file } => self.upload(path, file)?,
            Step::Go { url } => {
                self.open_page()?;
                self.stage.go(self.page, url);
            }
            Step::Advance { ms } => self.stage.advance(*ms),
            Step::Attach { page } => {
                self.page = *page;
                if self.stage.page(*page).is_none() {
                    self.stage.attach(*page);
                }
            }
            Step::Detach { page } => {
                let page = page.unwrap_or(self.page);
                if !self.stage.detach(page) {
                    return Err(vec![format!(
                        "page {page} is not open: write attach {page} before"
                    )]);
                }
            }
            Step::Publish { topic, value } => {
                if !self.stage.publish(topic, &value.to_string()) {
                    return Err(vec![format!(
                        "nothing in the session subscribes to {topic:?} any more"
                    )]);
                }
            }
            Step::Process { process, news } => {
                if !self.stage.hear_of_process(*process, news.0.clone()) {
                    let text = format!(
                        "process {process} was not started: no call had the answer \"process {process}\""
                    );
                    return Err(vec![text]);
                }
            }
            Step::Answer { .. }
            | Step::Expect { .. }
            | Step::ExpectError { .. }
            | Step::ExpectCount { .. }
            | Step::ExpectNone { .. } => {}
        }
        Ok(())
    }

    fn open_page(&mut self) -> Result<&mut Page, Vec<String>> {
        let number = self.page;
        let closed = || {
            vec![format!(
                "page {number} is not open: write attach {number} before"
            )]
        };
        self.stage.page(number).ok_or_else(closed)
    }

    fn set(&mut self, path: &str, value: &Value) -> Told {
        let targets = self.locate(path, "to be set", |page, target| match target {
            Target::Shown { editable, .. } => editable,
            Target::Deed { view, deed } => page.deed_kind(view, deed) == Some(DeedKind::Write),
            Target::View { .. } => false,
        })?;
        let page = self.open_page()?;
        let target = targets.iter().find_map(|&target| match target {
            Target::Shown {
                var,
                editable: true,
            } => Some((target, Some(var))),
            Target::Deed { view, deed } if page.deed_kind(view, deed) == Some(DeedKind::Write) => {
                Some((target, None))
            }
            _ => None,
        });
        match target {
            Some((_, Some(var))) => {
                let known = &page.store.vars[&var];
                let unchanged = known.fault.is_none()
                    && known.value.as_ref().is_some_and(|known| same(known, value));
                // A field that says what it said before tells nobody.
                if !unchanged {
                    page.write(var, value, true);
                }
            }
            Some((Target::Deed { view, deed }, None)) => {
                let var = deed_var(page, view, deed)?;
                page.write(var, value, false);
            }
            _ => {
                return Err(vec![format!(
                    "{path} is shown, but no field lets the user change it"
                )]);
            }
        }
        self.stage.act(self.page);
        Ok(())
    }

    fn call(&mut self, path: &str, argument: Option<&Value>) -> Told {
        let (view, deed) = self.deed(path, DeedKind::Call)?;
        let takes = takes_a_value(path);
        if argument.is_some() && !takes {
            return Err(vec![format!(
                "{path} takes no value: only a call with _ does, as in name(_)"
            )]);
        }
        self.perform(view, deed, argument.unwrap_or(&Value::Null))
    }

    fn submit(&mut self, path: &str, fields: &Value) -> Told {
        let (view, deed) = self.deed(path, DeedKind::Submit)?;
        let page = self.open_page()?;
        let template = page.views[view].template.clone();
        let known = template
            .as_ref()
            .and_then(|t| t.deeds[deed].fields.as_ref());
        if let (Some(known), Some(fields)) = (known, fields.as_object())
            && let Some(field) = fields.keys().find(|field| !known.contains(field))
        {
            let near = nearest(field, known.iter().map(String::as_str), "", "");
            return Err(vec![format!("the form has no field {field}{near}")]);
        }
        let sends_none = path.ends_with(')') && !takes_a_value(path);
        self.perform(view, deed, if sends_none { &Value::Null } else { fields })
    }

    fn deed(&mut self, path: &str, kind: DeedKind) -> Result<(usize, usize), Vec<String>> {
        let what = match kind {
            DeedKind::Submit => "to be submitted",
            DeedKind::Upload => "that takes a file",
            DeedKind::Call | DeedKind::Write => "to be called",
        };
        let targets = self.locate(path, what, move |page, target| match target {
            Target::Deed { view, deed } => page.deed_kind(view, deed) == Some(kind),
            Target::Shown { .. } | Target::View { .. } => false,
        })?;
        let page = self.open_page()?;
        let mut other = false;
        for &target in &targets {
            if let Target::Deed { view, deed } = target {
                if page.deed_kind(view, deed) == Some(kind) {
                    return Ok((view, deed));
                }
                other = true;
            }
        }
        Err(vec![match (kind, other) {
            (DeedKind::Submit, true) => format!("{path} is no form: write call {path}"),
            (DeedKind::Upload, _) => {
                format!("{path} is shown, but nothing on the page takes files for it (ui-upload)")
            }
            (_, true) => format!("{path} is a form: write submit {path} {{..}}"),
            (DeedKind::Submit, false) => {
                format!("{path} is shown, but no form with ui-submit is there")
            }
            (_, false) => format!(
                "{path} is shown, but nothing on the page calls it (ui-action, ui-event-..)"
            ),
        }])
    }

    fn perform(&mut self, view: usize, deed: usize, argument: &Value) -> Told {
        self.check_enabled(view, deed)?;
        let page = self.open_page()?;
        let var = deed_var(page, view, deed)?;
        page.write(var, argument, false);
        self.stage.act(self.page);
        Ok(())
    }

    fn upload(&mut self, path: &str, file: &File) -> Told {
        let (view, deed) = self.deed(path, DeedKind::Upload)?;
        self.check_enabled(view, deed)?;
        let page = self.open_page()?;
        let (of, template) = (page.views[view].var, page.views[view].template.clone());
        let props = template.map(|template| template.deeds[deed].props.clone());
        let mut props = props.unwrap_or_default();
        let size = file.size.to_string();
        for (name, value) in [(SIZE, &size), (NAME, &file.name), (TYPE, &file.mime)] {
            props.insert(name.into(), value.clone());
        }
        // As a browser does, one for each file.
        page.create(of, props, None);
        self.stage.upload(self.page, file);
        Ok(())
    }

    fn check_enabled(&mut self, view: usize, deed: usize) -> Told {
        let page = self.open_page()?;
        let template = page.views[view].template.clone();
        let offered = template.as_ref().map(|template| &template.deeds[deed]);
        if let Some(offered) = offered {
            let says = offered
                .disabled
                .and_then(|slot| page.store.vars[&page.views[view].slots[slot]].value.clone());
            let disabled =
                says.is_some_and(|value| !value.is_null() && value != Value::Bool(false));
            if disabled || offered.always_disabled {
                return Err(vec![
                    "its element is disabled now: nobody could do this".into(),
                ]);
            }
        }
        Ok(())
    }

    /// What is at a path; lists with a window are scrolled to it.
    fn locate(
        &mut self,
        path: &str,
        what: &str,
        fits: impl Fn(&Page, Target) -> bool,
    ) -> Result<Vec<Target>, Vec<String>> {
        let mut scrolled = None;
        loop {
            let page = self.open_page()?;
            match page.find(path) {
                Ok(targets) => return Ok(targets),
                Err(Missing::Wrong(text)) => return Err(vec![text]),
                Err(Missing::Elsewhere { list, index }) => {
                    let next = next_part(page, list, index, scrolled);
                    let Some(first) = next else {
                        return Err(vec![format!("the list has no such row: {path}")]);
                    };
                    scrolled = Some(first);
                    let range = format!("{first}-{}", first + window_of(page, list) - 1);
                    page.tell_properties(list, &[("range", &range)]);
                    self.stage.rest();
                }
                Err(Missing::Nothing) => return Err(nothing_at(page, path, what, fits)),
            }
        }
    }
}

fn is_expectation(step: &Step) -> bool {
    matches!(
        step,
        Step::Expect { .. }
            | Step::ExpectError { .. }
            | Step::ExpectCount { .. }
            | Step::ExpectNone { .. }
    )
}

fn told_of(error: &Error) -> Vec<String> {
    let at = match error.path.is_empty() {
        true => "the app".to_owned(),
        false => error.path.clone(),
    };
    let mut told = vec![format!("error at {at}: {}", error.fault.text)];
    let traceback = error.fault.traceback.iter().flat_map(|text| text.lines());
    told.extend(
        traceback
            .filter(|line| !told[0].contains(line.trim()))
            .map(|line| format!("  {line}"))
            .collect::<Vec<_>>(),
    );
    told
}

/// Whether what a path calls is given a value: `name(_)`.
fn takes_a_value(path: &str) -> bool {
    let last = super::path::split(path).last().copied().unwrap_or_default();
    crate::core::path::Path::parse(last).is_ok_and(|path| path.is_setter())
}

/// The variable of a deed, made when it is first done.
fn deed_var(page: &mut Page, view: usize, deed: usize) -> Result<VarNo, Vec<String>> {
    if let Some(&var) = page.views[view].deeds.get(&deed) {
        return Ok(var);
    }
    let (of, template) = (page.views[view].var, page.views[view].template.clone());
    let Some(template) = template else {
        return Err(vec!["its view is gone".into()]);
    };
    let var = page.create(of, template.deeds[deed].props.clone(), None);
    page.keep_deed(view, deed, var);
    Ok(var)
}

fn window_of(page: &Page, list: VarNo) -> u64 {
    let text = page
        .store
        .vars
        .get(&list)
        .and_then(|var| var.props.get("window"));
    text.and_then(|text| text.parse().ok()).unwrap_or(1).max(1)
}

/// Where the part of a long list begins that is to be looked at next.
fn next_part(page: &Page, list: VarNo, index: Option<u64>, scrolled: Option<u64>) -> Option<u64> {
    let count = page.store.count_of(list)?;
    let size = window_of(page, list);
    let next = match (index, scrolled) {
        (Some(index), None) => index.saturating_sub(size / 2),
        (Some(_), Some(_)) => return None,
        (None, None) => 0,
        (None, Some(before)) => before + size,
    };
    let there = index.map_or(next < count, |index| index < count);
    there.then_some(next)
}

fn nothing_at(
    page: &Page,
    path: &str,
    what: &str,
    fits: impl Fn(&Page, Target) -> bool,
) -> Vec<String> {
    let mut told = vec![
        format!("nothing on the page is at {path} {what}")
            .trim_end()
            .to_owned(),
    ];
    let near = page.nearest(path, |target| fits(page, target));
    if !near.is_empty() {
        told.push(format!("nearest   {}", near.join("\n          ")));
    }
    for lacking in &page.lacking {
        told.push(format!("there is no template for type {lacking}"));
    }
    told
}
