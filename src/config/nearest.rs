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

/// How many letters must be added, left out, changed or exchanged with their neighbour to make one of the other.
pub fn distance(a: &str, b: &str) -> usize {
    let [a, b] = [a, b].map(|text| text.chars().collect::<Vec<char>>());
    let mut last: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut next = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let changed = row[j] + usize::from(x != y);
            let mut least = changed.min(row[j + 1] + 1).min(next[j] + 1);
            if i > 0 && j > 0 && *x == b[j - 1] && a[i - 1] == *y {
                least = least.min(last[j - 1] + 1);
            }
            next.push(least);
        }
        last = std::mem::replace(&mut row, next);
    }
    row[b.len()]
}
