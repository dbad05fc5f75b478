//! What a page is expected to show.

use serde_json::Value;

use super::{Failure, Run, Told};
use crate::journal::Secrets;
use crate::testing::diff::{self, Difference};
use crate::testing::find::Target;
use crate::testing::path::{is_ignored, seen};
use crate::testing::script::Step;
use crate::testing::store::{Error, object_of};

impl Run<'_> {
    pub(super) fn expect(&mut self, line: usize, text: &str, step: &Step) {
        let (told, now) = match step {
            Step::Expect { path, .. }
            | Step::ExpectCount { path, .. }
            | Step::ExpectNone { path }
                if is_ignored(path, &self.setting.ignored) =>
            {
                (Ok(()), None)
            }
            Step::Expect { path, value } => self.expect_value(path, value),
            Step::ExpectCount { path, count } => self.expect_count(path, *count),
            Step::ExpectNone { path } => self.expect_none(path),
            Step::ExpectError { path, text } => self.expect_error(path, text),
            _ => (Ok(()), None),
        };
        match told {
            Ok(()) => self.outcome.updated.push(text.to_owned()),
            Err(_)
                if self.setting.update
                    && now
                        .as_ref()
                        .is_none_or(|now| !now.tells_secret(&self.secrets())) =>
            {
                self.outcome
                    .updated
                    .extend(now.map(|step| step.to_string()));
            }
            Err(told) => self.outcome.failures.push(Failure {
                line,
                step: step.to_string(),
                told,
            }),
        }
    }

    fn expect_value(&mut self, path: &str, expected: &Value) -> (Told, Option<Step>) {
        let none = Some(Step::ExpectNone { path: path.into() });
        let values = match self.values(path) {
            Ok(values) => values,
            Err(told) => return (Err(told), none),
        };
        let mut best = None;
        for value in values {
            let differences = diff::differences(path, expected, &value);
            let ignored = &self.setting.ignored;
            let left: Vec<_> = differences
                .into_iter()
                .filter(|d| !is_ignored(&d.path, ignored))
                .collect();
            if left.is_empty() {
                return (Ok(()), None);
            }
            best.get_or_insert((left, value));
        }
        match best {
            Some((differences, value)) => {
                let now = Step::Expect {
                    path: path.into(),
                    value,
                };
                (Err(self.show(path, differences)), Some(now))
            }
            None => {
                let text = format!(
                    "{path} is an object or a list: expect a path inside of it, or expect-count"
                );
                (Err(vec![text]), None)
            }
        }
    }

    fn secrets(&self) -> Secrets {
        Secrets::of_site(&self.setting.site, &self.setting.secret)
    }

    /// The differences as lines, without their secrets.
    fn show(&self, path: &str, mut differences: Vec<Difference>) -> Vec<String> {
        let secrets = self.secrets();
        let mut hidden = false;
        for Difference {
            path,
            expected,
            actual,
        } in &mut differences
        {
            for value in [expected, actual].into_iter().flatten() {
                let shown = seen(&secrets, path, value);
                hidden |= shown != *value;
                *value = shown;
            }
        }
        let mut lines = diff::show(path, &differences);
        if hidden {
            lines.push("\"***\" stands for what is secret".into());
        }
        lines
    }

    /// The values that are shown at a path.
    fn values(&mut self, path: &str) -> Result<Vec<Value>, Vec<String>> {
        let targets = self.locate(path, "to be expected", |_, target| {
            !matches!(target, Target::Deed { .. })
        })?;
        let page = self.open_page()?;
        let vars = targets.iter().filter_map(|target| match target {
            Target::Shown { var, .. } | Target::View { var } => Some(*var),
            Target::Deed { .. } => None,
        });
        let value = |var| {
            page.store
                .vars
                .get(&var)
                .and_then(|var| var.value.clone())
                .unwrap_or(Value::Null)
        };
        let values: Vec<Value> = vars.map(value).collect();
        if values.is_empty() {
            return Err(vec![format!(
                "{path} can be called, but its value is not shown"
            )]);
        }
        Ok(values
            .into_iter()
            .filter(|value| object_of(value).is_none())
            .collect())
    }

    fn expect_count(&mut self, path: &str, expected: u64) -> (Told, Option<Step>) {
        let none = Some(Step::ExpectNone { path: path.into() });
        let targets = match self.locate(path, "to be counted", |_, target| {
            matches!(target, Target::View { .. })
        }) {
            Ok(targets) => targets,
            Err(told) => return (Err(told), none),
        };
        let Ok(page) = self.open_page() else {
            return (Ok(()), None);
        };
        let counts = targets.iter().filter_map(|target| match target {
            Target::View { var } => page.store.count_of(*var),
            Target::Shown { .. } | Target::Deed { .. } => None,
        });
        match counts.into_iter().next() {
            Some(count) if count == expected => (Ok(()), None),
            Some(count) => {
                let told = vec![
                    format!("expected  {expected} rows"),
                    format!("are       {count} rows"),
                ];
                let path = path.into();
                (Err(told), Some(Step::ExpectCount { path, count }))
            }
            None => (Err(vec![format!("{path} is no list")]), None),
        }
    }

    fn expect_none(&mut self, path: &str) -> (Told, Option<Step>) {
        match self.locate(path, "", |_, _| false) {
            Err(_) => (Ok(()), None),
            Ok(_) => {
                let told = vec![
                    format!("expected  nothing at {path}"),
                    "is        shown".into(),
                ];
                (Err(told), None)
            }
        }
    }

    fn expect_error(&mut self, path: &str, text: &str) -> (Told, Option<Step>) {
        let fits = |error: &Error| error.path == path && error.fault.text.contains(text);
        if let Some(at) = self.stage.errors.iter().position(fits) {
            self.stage.errors.remove(at);
            return (Ok(()), None);
        }
        let stands = self.open_page().is_ok_and(|page| {
            let faulty = page
                .store
                .vars
                .iter()
                .filter_map(|(id, var)| Some((*id, var.fault.as_ref()?)));
            let mut named = faulty.filter(|(id, _)| page.store.name(*id) == path);
            named.any(|(_, fault)| fault.text.contains(text))
        });
        if stands {
            return (Ok(()), None);
        }
        let mut told = vec![format!(
            "expected  an error at {path} with the text {:?}",
            text
        )];
        match self.stage.errors.iter().find(|error| error.path == path) {
            Some(other) => told.push(format!("is        {:?}", other.fault.text)),
            None => told.push("is        no error".into()),
        }
        (Err(told), None)
    }
}
