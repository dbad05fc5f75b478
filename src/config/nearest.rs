//! What somebody probably meant: names like the one that there is not.

/// What was probably meant, and otherwise all there is.
pub fn nearest<'k>(
    wrong: &str,
    known: impl Iterator<Item = &'k str> + Clone,
    before: &str,
    after: &str,
) -> String {
    match closest(wrong, known.clone()) {
        Some(name) => format!("; did you mean {before}{name}{after}?"),
        None => {
            let all: Vec<String> = known.map(|name| format!("{before}{name}{after}")).collect();
            format!("; there are {}", all.join(", "))
        }
    }
}

/// What was probably meant.
pub fn closest<'k>(wrong: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    let closest = known.map(|name| (distance(wrong, name), name)).min();
    let closest = closest.filter(|&(distance, name)| distance <= 1 + name.len() / 3);
    closest.map(|(_, name)| name)
}

/// How many letters must be added, left out or changed to make one of the other.
pub fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, &y) in b.iter().enumerate() {
            let changed = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}
