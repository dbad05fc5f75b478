//! Where two values differ, told so that a person sees it: only the paths that differ.

use serde_json::Value;

use super::store::same;

/// Differences that are told; of more, how many there are.
const TOLD_MAX: usize = 10;
/// Characters of a value that are told.
const VALUE_CHARS_MAX: usize = 300;

/// One place where they differ; `None`: it has nothing there.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    pub path: String,
    pub expected: Option<Value>,
    pub actual: Option<Value>,
}

/// All places where `actual` is not as expected, by their paths from `path` on.
pub fn differences(path: &str, expected: &Value, actual: &Value) -> Vec<Difference> {
    let mut found = Vec::new();
    compare(path, Some(expected), Some(actual), &mut found);
    found
}

fn compare(
    path: &str,
    expected: Option<&Value>,
    actual: Option<&Value>,
    found: &mut Vec<Difference>,
) {
    match (expected, actual) {
        (Some(a), Some(b)) if same(a, b) => {}
        (Some(Value::Array(a)), Some(Value::Array(b))) => {
            for at in 0..a.len().max(b.len()) {
                compare(&format!("{path}.{at}"), a.get(at), b.get(at), found);
            }
        }
        (Some(Value::Object(a)), Some(Value::Object(b))) => {
            let names = a
                .keys()
                .chain(b.keys().filter(|name| !a.contains_key(*name)));
            for name in names {
                compare(&format!("{path}.{name}"), a.get(name), b.get(name), found);
            }
        }
        (expected, actual) => found.push(Difference {
            path: path.into(),
            expected: expected.cloned(),
            actual: actual.cloned(),
        }),
    }
}

/// The differences as lines; those of the expected path itself do not repeat it.
pub fn show(path: &str, differences: &[Difference]) -> Vec<String> {
    let mut lines = Vec::new();
    for difference in differences.iter().take(TOLD_MAX) {
        if difference.path != path {
            lines.push(format!("at {}", difference.path));
        }
        lines.push(format!("expected  {}", shown(difference.expected.as_ref())));
        lines.push(format!("is        {}", shown(difference.actual.as_ref())));
    }
    if differences.len() > TOLD_MAX {
        lines.push(format!(
            "and {} more differences",
            differences.len() - TOLD_MAX
        ));
    }
    lines
}

fn shown(value: Option<&Value>) -> String {
    let text = value.map_or("nothing".into(), Value::to_string);
    match text.char_indices().nth(VALUE_CHARS_MAX) {
        Some((cut, _)) => format!("{} ...", &text[..cut]),
        None => text,
    }
}

/// The lines of two texts, those that are gone and new marked as `diff -u` does, with some around them.
pub fn lines(old: &str, new: &str) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    // Lengths of the longest common parts from here on.
    let mut common = vec![vec![0usize; new.len() + 1]; old.len() + 1];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            common[i][j] = match old[i] == new[j] {
                true => common[i + 1][j + 1] + 1,
                false => common[i + 1][j].max(common[i][j + 1]),
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    let mut all = Vec::new();
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i] == new[j] {
            all.push((' ', old[i]));
            (i, j) = (i + 1, j + 1);
        } else if i < old.len() && (j == new.len() || common[i + 1][j] >= common[i][j + 1]) {
            all.push(('-', old[i]));
            i += 1;
        } else {
            all.push(('+', new[j]));
            j += 1;
        }
    }
    let near = |at: usize| {
        all[at.saturating_sub(2)..(at + 3).min(all.len())]
            .iter()
            .any(|(mark, _)| *mark != ' ')
    };
    let mut out = String::new();
    for (at, (mark, line)) in all.iter().enumerate().filter(|(at, _)| near(*at)) {
        if at > 0 && !near(at - 1) {
            out.push_str("...\n");
        }
        out.push_str(format!("{mark} {line}").trim_end());
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_what_differs_is_told() {
        let found = differences(
            "a",
            &json!({"x": [1, 2], "y": 3}),
            &json!({"x": [1, 4, 5], "y": 3.0}),
        );
        assert_eq!(
            show("a", &found),
            [
                "at a.x.1",
                "expected  2",
                "is        4",
                "at a.x.2",
                "expected  nothing",
                "is        5"
            ]
        );
        let found = differences("n", &json!(1), &json!("1"));
        assert_eq!(show("n", &found), ["expected  1", "is        \"1\""]);
    }

    #[test]
    fn texts_are_compared_by_lines() {
        let old = "a\nb\nc\nd\ne\nf\ng\nh\ni";
        let new = "a\nB\nc\nd\ne\nf\ng\nh\ni\nj";
        assert_eq!(
            lines(old, new),
            "  a\n- b\n+ B\n  c\n  d\n...\n  h\n  i\n+ j\n"
        );
    }
}
