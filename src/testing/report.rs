//! What is told of the recordings that ran: to a person, and to a build server (JUnit's XML).

use std::fmt::Write;

use super::run::{Failure, Outcome};

/// One recording and what came of it.
#[derive(Debug)]
pub struct Result {
    pub name: String,
    /// The file, as it is told.
    pub file: String,
    pub seconds: f64,
    pub outcome: Outcome,
}

impl Result {
    /// The lines about it.
    pub fn tell(&self, verbose: bool) -> String {
        let Outcome {
            steps, failures, ..
        } = &self.outcome;
        let mut text = String::new();
        if failures.is_empty() {
            let _ = writeln!(text, "ok    {} ({})", self.name, count(*steps, "step"));
        } else {
            let _ = writeln!(text, "FAIL  {}", self.name);
        }
        if verbose {
            for (at, line) in self
                .outcome
                .updated
                .iter()
                .enumerate()
                .filter(|(_, line)| !line.trim().is_empty())
            {
                let _ = writeln!(text, "  {:>4}  {line}", at + 1);
            }
        }
        for failure in failures {
            let _ = writeln!(text, "      {}", self.headline(failure));
            for line in &failure.told {
                let _ = writeln!(text, "        {line}");
            }
        }
        text
    }

    fn headline(&self, failure: &Failure) -> String {
        format!("{}:{}: {}", self.file, failure.line, failure.step)
    }
}

/// The last line.
pub fn summary(results: &[Result]) -> String {
    let steps = results.iter().map(|result| result.outcome.steps).sum();
    let failed = results
        .iter()
        .filter(|result| !result.outcome.failures.is_empty())
        .count();
    format!(
        "{}, {}: {} passed, {failed} failed\n",
        count(results.len(), "recording"),
        count(steps, "step"),
        results.len() - failed
    )
}

/// `1 step`, `2 steps`.
pub fn count(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

/// JUnit's XML.
pub fn junit(suite: &str, results: &[Result]) -> String {
    let failed = results
        .iter()
        .filter(|result| !result.outcome.failures.is_empty())
        .count();
    let seconds: f64 = results.iter().map(|result| result.seconds).sum();
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let _ = writeln!(
        xml,
        "<testsuite name=\"{}\" tests=\"{}\" failures=\"{failed}\" errors=\"0\" time=\"{seconds:.3}\">",
        escaped(suite),
        results.len()
    );
    for result in results {
        let (name, file) = (escaped(&result.name), escaped(&result.file));
        let _ = write!(
            xml,
            "  <testcase name=\"{name}\" file=\"{file}\" time=\"{:.3}\"",
            result.seconds
        );
        if result.outcome.failures.is_empty() {
            xml.push_str("/>\n");
            continue;
        }
        xml.push_str(">\n");
        for failure in &result.outcome.failures {
            let (headline, told) = (
                escaped(&result.headline(failure)),
                escaped(&failure.told.join("\n")),
            );
            let _ = writeln!(xml, "    <failure message=\"{headline}\">{told}</failure>");
        }
        xml.push_str("  </testcase>\n");
    }
    xml.push_str("</testsuite>\n");
    xml
}

/// XML has no way to write most control characters.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\t' => out.push(c),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_build_server_can_read_it() {
        let outcome = Outcome {
            failures: vec![Failure {
                line: 3,
                step: "expect a \"<&\u{1}\"".into(),
                told: vec!["expected  1".into(), "is        2".into()],
            }],
            ..Outcome::default()
        };
        let result = Result {
            name: "one".into(),
            file: "tests/one.lunette".into(),
            seconds: 0.0,
            outcome,
        };
        let xml = junit("site", &[result]);
        assert!(
            xml.contains("message=\"tests/one.lunette:3: expect a &quot;&lt;&amp;\u{fffd}&quot;\""),
            "{xml}"
        );
        assert!(xml.contains(">expected  1\nis        2</failure>"));
        assert!(xml.contains("tests=\"1\" failures=\"1\""));
    }
}
