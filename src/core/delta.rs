//! What is new in an array since it was last told, as pieces of the old one.
//!
//! The pieces are a JSON array: two numbers `START,COUNT` are that many elements of the old array
//! from that index on (with a negative count going down from there), an array is elements that are
//! new. `[[{"obj":9}],0,4,5,3]` puts one in front and leaves out the fifth of eight.

use super::json;

/// Places in the old array at which one element is tried: equal elements may be many.
const CANDIDATES: usize = 4;
/// How far two candidates are compared.
const PROBE: usize = 8;

/// Appends the pieces that make `new` of `old`, both JSON. Returns whether there are such pieces and
/// they are shorter than `new`; else nothing is appended.
pub(super) fn push_pieces(old: &[u8], new: &[u8], out: &mut Vec<u8>) -> bool {
    let (Some(old), Some(fresh)) = (split(old), split(new)) else {
        return false;
    };
    let start = out.len();
    let mut pieces = Pieces {
        out,
        most: start + new.len(),
        run: Run::default(),
        literal: false,
    };
    pieces.out.push(b'[');
    let fits = push_all(&old, &fresh, &mut pieces);
    pieces.end();
    out.push(b']');
    let shorter = fits && out.len() - start < new.len();
    if !shorter {
        out.truncate(start);
    }
    shorter
}

fn push_all(old: &[&[u8]], new: &[&[u8]], pieces: &mut Pieces) -> bool {
    let least = old.len().min(new.len());
    let head = (0..least).take_while(|&i| old[i] == new[i]).count();
    let ends = |i: usize| old[old.len() - 1 - i] == new[new.len() - 1 - i];
    let tail = (0..least - head).take_while(|&i| ends(i)).count();
    let table = Table::new(old, head, old.len() - tail);
    pieces.copy(Run::new(0, head));
    let end = new.len() - tail;
    let mut at = head;
    while at < end {
        let run = table.find(new, at, end, pieces.run.next());
        if run.count > 0 && !pieces.is_dearer(run, &new[at..at + run.count]) {
            pieces.copy(run);
            at += run.count;
        } else {
            pieces.insert(new[at]);
            at += 1;
        }
        if pieces.out.len() > pieces.most {
            return false;
        }
    }
    pieces.copy(Run::new(old.len() - tail, tail));
    true
}

/// The elements of a JSON array; `None`: it is none.
fn split(text: &[u8]) -> Option<Vec<&[u8]>> {
    let inner = text.strip_prefix(b"[")?.strip_suffix(b"]")?;
    let mut found = Vec::new();
    if inner.is_empty() {
        return Some(found);
    }
    let (mut depth, mut start, mut at) = (0_u32, 0, 0);
    while let Some(&byte) = inner.get(at) {
        match byte {
            b'"' => at = end_of_text(inner, at),
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.checked_sub(1)?,
            b',' if depth == 0 => {
                found.push(&inner[start..at]);
                start = at + 1;
            }
            _ => {}
        }
        at += 1;
    }
    found.push(&inner[start..]);
    Some(found)
}

/// Where the text that begins at `at` has its closing quote.
fn end_of_text(text: &[u8], at: usize) -> usize {
    let mut at = at + 1;
    while let Some(&byte) = text.get(at) {
        match byte {
            b'"' => return at,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    at
}

/// Elements of the old array, one after the other, up or down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Run {
    start: usize,
    count: usize,
    down: bool,
}

impl Run {
    fn new(start: usize, count: usize) -> Run {
        Run {
            start,
            count,
            down: false,
        }
    }

    /// Where the old array would go on.
    fn next(self) -> usize {
        self.start + self.count
    }
}

/// Where each element of the changed part of the old array is, found by its hash.
struct Table<'a> {
    old: &'a [&'a [u8]],
    sorted: Vec<(u64, u32)>,
}

impl<'a> Table<'a> {
    fn new(old: &'a [&'a [u8]], from: usize, to: usize) -> Table<'a> {
        let entries = old[from..to].iter().zip(from..);
        let mut sorted: Vec<(u64, u32)> = entries.map(|(e, at)| (hash(e), at as u32)).collect();
        sorted.sort_unstable();
        Table { old, sorted }
    }

    /// The longest run of the old array with which the new one goes on at `at`, among a few.
    /// `likely` is where it went on before.
    fn find(&self, new: &[&[u8]], at: usize, end: usize, likely: usize) -> Run {
        let new = &new[at..end];
        let mut best = (0, 0);
        for place in self.places(new[0]) {
            let length = self.up(new, place, PROBE);
            if length > best.0 {
                best = (length, place);
            }
        }
        // After an element that was replaced.
        if self.up(new, likely, PROBE) > best.0 {
            best = (1, likely);
        }
        if best.0 == 0 {
            return Run::default();
        }
        let start = best.1;
        let up = self.up(new, start, new.len());
        let down = self.down(new, start);
        Run {
            start,
            count: up.max(down),
            down: down > up,
        }
    }

    fn places(&self, element: &[u8]) -> impl Iterator<Item = usize> {
        let key = hash(element);
        let first = self.sorted.partition_point(|&(hash, _)| hash < key);
        let same = self.sorted[first..].iter().take(CANDIDATES);
        same.take_while(move |&&(hash, _)| hash == key)
            .map(|&(_, at)| at as usize)
    }

    fn up(&self, new: &[&[u8]], start: usize, most: usize) -> usize {
        let old = self.old.iter().skip(start);
        let same = new.iter().zip(old).take(most);
        same.take_while(|(a, b)| a == b).count()
    }

    fn down(&self, new: &[&[u8]], start: usize) -> usize {
        let old = self.old[..=start].iter().rev();
        new.iter().zip(old).take_while(|(a, b)| a == b).count()
    }
}

/// FNV-1a: equal hashes are looked at again, so that it only has to be quick.
fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// The pieces being written.
struct Pieces<'a> {
    out: &'a mut Vec<u8>,
    /// Longer than this is of no use.
    most: usize,
    /// Found, but not written yet: the next may be its continuation.
    run: Run,
    /// New elements are being written.
    literal: bool,
}

impl Pieces<'_> {
    fn copy(&mut self, run: Run) {
        if run.count == 0 {
            return;
        }
        self.close();
        if self.run.count > 0 && !self.run.down && !run.down && self.run.next() == run.start {
            self.run.count += run.count;
            return;
        }
        self.write_run();
        self.run = run;
    }

    /// Whether these elements are shorter as they are.
    fn is_dearer(&self, run: Run, elements: &[&[u8]]) -> bool {
        if run.count > PROBE || !run.down && self.run.count > 0 && self.run.next() == run.start {
            return false;
        }
        let bytes: usize = elements.iter().map(|e| e.len() + 1).sum();
        let around = if self.literal { 0 } else { 2 };
        // A number of five digits and its count.
        8 > bytes + around
    }

    fn insert(&mut self, element: &[u8]) {
        if self.literal {
            self.out.push(b',');
        } else {
            self.write_run();
            self.separate();
            self.out.push(b'[');
            self.literal = true;
        }
        self.out.extend_from_slice(element);
        // The replaced element of the old array, if that is what it is.
        self.run.start += 1;
    }

    fn close(&mut self) {
        if self.literal {
            self.out.push(b']');
            self.literal = false;
        }
    }

    fn write_run(&mut self) {
        let Run { start, count, down } = self.run;
        if count == 0 {
            return;
        }
        self.separate();
        json::push_int(self.out, start as i64);
        self.out.push(b',');
        json::push_int(self.out, count as i64 * if down { -1 } else { 1 });
        self.run = Run::new(start + count, 0);
    }

    fn separate(&mut self) {
        if self.out.last() != Some(&b'[') {
            self.out.push(b',');
        }
    }

    fn end(&mut self) {
        self.close();
        self.write_run();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    /// What a client does with the pieces.
    fn apply(old: &str, pieces: &str) -> Value {
        let old: Vec<Value> = serde_json::from_str(old).unwrap();
        let pieces: Vec<Value> = serde_json::from_str(pieces).unwrap();
        let mut made = Vec::new();
        let mut numbers = Vec::new();
        for piece in pieces {
            match piece {
                Value::Array(new) => made.extend(new),
                number => numbers.push(number.as_i64().unwrap()),
            }
            if let [start, count] = numbers[..] {
                for i in 0..count.abs() {
                    made.push(old[(start + i * count.signum()) as usize].clone());
                }
                numbers.clear();
            }
        }
        Value::Array(made)
    }

    fn pieces(old: &str, new: &str) -> Option<String> {
        let mut out = b"before".to_vec();
        let shorter = push_pieces(old.as_bytes(), new.as_bytes(), &mut out);
        let text = std::str::from_utf8(&out[6..]).unwrap();
        if shorter {
            let wanted: Value = serde_json::from_str(new).unwrap();
            assert_eq!(apply(old, text), wanted, "{old} {text} {new}");
        }
        shorter.then(|| text.to_owned())
    }

    fn refs(numbers: impl IntoIterator<Item = usize>) -> String {
        let refs: Vec<String> = numbers
            .into_iter()
            .map(|n| format!("{{\"obj\":{n}}}"))
            .collect();
        format!("[{}]", refs.join(","))
    }

    #[test]
    fn each_edit_has_its_shortest_form() {
        let old = refs(10..20);
        let told = |new: &[usize]| pieces(&old, &refs(new.iter().copied())).unwrap();
        assert_eq!(
            told(&[9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19]),
            "[[{\"obj\":9}],0,10]"
        );
        assert_eq!(
            told(&[10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20]),
            "[0,10,[{\"obj\":20}]]"
        );
        assert_eq!(told(&[10, 11, 12, 13, 15, 16, 17, 18, 19]), "[0,4,5,5]");
        assert_eq!(
            told(&[10, 11, 12, 30, 14, 15, 16, 17, 18, 19]),
            "[0,3,[{\"obj\":30}],4,6]"
        );
        assert_eq!(
            told(&[11, 12, 13, 10, 14, 15, 16, 17, 18, 19]),
            "[1,3,0,1,4,6]"
        );
        assert_eq!(told(&[19, 18, 17, 16, 15, 14, 13, 12, 11, 10]), "[9,-10]");
        assert_eq!(told(&[10, 11]), "[0,2]");
        assert_eq!(pieces(&old, "[]"), None);
        assert_eq!(pieces("[]", &old), None);
        assert_eq!(pieces("null", &old), None);
        assert_eq!(pieces("{\"obj\":2}", &old), None);
    }

    #[test]
    fn elements_are_whole_whatever_is_in_them() {
        let old = r#"["a,b","]\\",["x",["y"]],"\"[",{"obj":7},1,2,3,4,5,6,7,8,9]"#;
        let new = r#"["a,b","]\\",["x",["z"]],"\"[",{"obj":7},1,2,3,4,5,6,7,8,9]"#;
        assert_eq!(pieces(old, new).unwrap(), r#"[0,2,[["x",["z"]]],3,11]"#);
        // A chart that goes on: many values alike.
        let points: Vec<String> = (0..60).map(|i| (i * i % 7).to_string()).collect();
        let (old, new) = (points[..50].join(","), points[1..51].join(","));
        assert_eq!(
            pieces(&format!("[{old}]"), &format!("[{new}]")).unwrap(),
            "[1,49,[1]]"
        );
    }

    #[test]
    fn any_edits_give_the_new_array() {
        let mut random = 0x9e37_79b9_7f4a_7c15_u64;
        let mut below = |end: usize| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            (random >> 11) as usize % end
        };
        for _ in 0..2_000 {
            let length = below(40);
            let spread = [3, 1_000][below(2)];
            let old: Vec<usize> = (0..length).map(|_| below(spread)).collect();
            let mut new = old.clone();
            for _ in 0..below(6) {
                let at = below(new.len() + 1);
                match below(6) {
                    0 => new.insert(at, below(spread)),
                    1 if at < new.len() => drop(new.remove(at)),
                    2 if at < new.len() => {
                        let moved = new.remove(at);
                        new.insert(below(new.len() + 1), moved);
                    }
                    3 => new[at..].reverse(),
                    4 => new[..at].sort_unstable(),
                    5 => drop(new.drain(at / 2..at)),
                    _ => {}
                }
            }
            pieces(&refs(old), &refs(new));
        }
    }
}
