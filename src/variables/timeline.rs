//! Timeline: the last turns of a session, each with what happened and what it did to variables.

use std::collections::VecDeque;

use serde::Serialize;

use super::rows::{Change, ChangeKind};
use crate::core::event::Turn;
use crate::journal::RawEvent;
use crate::journal::words::{join_labels, shorten};

/// Turns that are kept, and bytes of them, about.
const TURNS_MAX: usize = 200;
const BYTES_MAX: usize = 512 << 10;
/// Changes of a turn that are kept, of them variables that came or went, and lines that it logged.
const CHANGES_MAX: usize = 40;
const COMINGS_MAX: usize = 10;
const LINES_MAX: usize = 5;
const LINE_MAX: usize = 300;
/// Events of one turn that are told in words.
const LABELS_MAX: usize = 20;
/// What a turn or a change takes besides its texts, about.
const RECORD_BYTES: usize = 120;

/// See the module's description.
#[derive(Debug, Default)]
pub struct Timeline {
    moments: VecDeque<Moment>,
    bytes: usize,
    /// The newest of them goes on.
    is_open: bool,
    last: u64,
    /// What was told until now is older than this.
    pub revision: u64,
    sent: (u32, usize),
    lines: Vec<(u8, Box<str>)>,
}

/// One turn, or several in a row in which the same happened and nothing changed.
#[derive(Debug, Default, Serialize)]
pub struct Moment {
    pub turn: u64,
    #[serde(skip)]
    revision: u64,
    /// Milliseconds since 1970.
    at: i64,
    times: u32,
    /// What happened, in a few words.
    label: String,
    #[serde(skip)]
    labels: Vec<String>,
    gas: u64,
    frames_in: u32,
    bytes_in: usize,
    frames_out: u32,
    bytes_out: usize,
    made: u32,
    changed: u32,
    gone: u32,
    errors: u32,
    changes: Vec<Change>,
    /// Changes that are not among them.
    left_out: u32,
    /// What was logged: level and text.
    lines: Vec<(u8, Box<str>)>,
}

impl Timeline {
    /// A frame of so many bytes goes to a page.
    pub fn note_frame(&mut self, bytes: usize) {
        self.sent.0 += 1;
        self.sent.1 += bytes;
    }

    /// A line is logged.
    pub fn note_line(&mut self, level: u8, text: &str) {
        if self.lines.len() < LINES_MAX {
            let text = shorten(text.as_bytes(), LINE_MAX).into();
            self.lines.push((level, text));
        }
    }

    /// The turn that goes on, or a new one, with what was sent and logged meanwhile.
    pub fn moment(&mut self, turn: Turn) -> &mut Moment {
        if !std::mem::replace(&mut self.is_open, true) {
            self.last += 1;
            self.moments.push_back(Moment {
                turn: self.last,
                at: turn.wall,
                times: 1,
                ..Moment::default()
            });
        }
        self.revision += 1;
        let at = self.moments.len() - 1;
        let moment = &mut self.moments[at];
        moment.revision = self.revision;
        let (frames, bytes) = std::mem::take(&mut self.sent);
        moment.frames_out += frames;
        moment.bytes_out += bytes;
        let room = LINES_MAX.saturating_sub(moment.lines.len());
        moment.lines.extend(self.lines.drain(..).take(room));
        moment
    }

    /// What happens next is another turn.
    pub fn end_turn(&mut self) {
        if !std::mem::take(&mut self.is_open) {
            return;
        }
        self.join_quiet();
        self.bytes += self.moments.back().map_or(0, Moment::bytes);
        while self.moments.len() > TURNS_MAX || self.bytes > BYTES_MAX {
            let Some(oldest) = self.moments.pop_front() else {
                break;
            };
            self.bytes -= oldest.bytes().min(self.bytes);
        }
    }

    /// A turn that is like the one before it, and changed nothing as that, is told with it.
    fn join_quiet(&mut self) {
        let newest = self.moments.len() - 1;
        let Some(before) = newest.checked_sub(1).map(|at| &self.moments[at]) else {
            return;
        };
        let now = &self.moments[newest];
        if !(now.is_quiet() && before.is_quiet() && now.label == before.label) {
            return;
        }
        let times = before.times + now.times;
        let (turn, revision) = (before.turn, now.revision);
        let Some(joined) = self.moments.pop_back() else {
            return;
        };
        if let Some(before) = self.moments.pop_back() {
            self.bytes -= before.bytes().min(self.bytes);
        }
        self.last = turn;
        self.moments.push_back(Moment {
            turn,
            revision,
            times,
            ..joined
        });
    }

    /// Turns with something that was not told at `revision`.
    pub fn since(&self, revision: u64) -> impl Iterator<Item = &Moment> {
        let moments = self.moments.iter();
        moments.filter(move |moment| moment.revision > revision)
    }
}

impl Moment {
    /// What the turn's events have in common with all others.
    pub fn note_event(&mut self, event: &RawEvent<'_>, gas: u64) {
        self.gas += gas;
        if let RawEvent::Frame { text, .. } = event {
            self.frames_in += 1;
            self.bytes_in += text.len();
        }
    }

    /// One more event, in words.
    pub fn note_label(&mut self, label: String) {
        if self.labels.len() < LABELS_MAX {
            self.labels.push(label);
            self.label = join_labels(&self.labels);
        }
    }

    /// What it did to a variable.
    pub fn note_change(&mut self, change: Change) {
        // Of several events in one turn: from what it was before to what it is behind them.
        let mut known = self.changes.iter_mut();
        let known = known.find(|known| known.id == change.id && known.kind == ChangeKind::Changed);
        if let (Some(known), ChangeKind::Changed) = (known, change.kind) {
            self.errors += u32::from(change.failed && !known.failed);
            known.failed |= change.failed;
            known.now = change.now;
            return;
        }
        let count = match change.kind {
            ChangeKind::New => &mut self.made,
            ChangeKind::Changed => &mut self.changed,
            ChangeKind::Gone => &mut self.gone,
        };
        *count += 1;
        self.errors += u32::from(change.failed);
        let most = match change.kind == ChangeKind::Changed || change.failed {
            true => CHANGES_MAX,
            false => COMINGS_MAX,
        };
        if self.changes.len() < most {
            self.changes.push(change);
        } else {
            self.left_out += 1;
        }
    }

    fn is_quiet(&self) -> bool {
        let counts = [self.made, self.changed, self.gone, self.errors];
        counts == [0; 4] && self.lines.is_empty()
    }

    fn bytes(&self) -> usize {
        let text = |text: &Option<Box<str>>| text.as_ref().map_or(0, |text| text.len());
        let change = |c: &Change| RECORD_BYTES + c.path.len() + text(&c.was) + text(&c.now);
        let changes: usize = self.changes.iter().map(change).sum();
        let lines: usize = self.lines.iter().map(|(_, text)| text.len()).sum();
        RECORD_BYTES + self.label.len() + changes + lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turn(timeline: &mut Timeline, label: &str, changes: usize) {
        let moment = timeline.moment(Turn::default());
        moment.note_label(label.into());
        for id in 0..changes as i64 {
            let text = || Some("x".repeat(400).into());
            moment.note_change(Change {
                id,
                path: "a.path".into(),
                kind: ChangeKind::Changed,
                was: text(),
                now: text(),
                failed: false,
            });
        }
        timeline.end_turn();
    }

    #[test]
    fn turns_are_told_once_and_quiet_ones_together() {
        let mut timeline = Timeline::default();
        turn(&mut timeline, "call a()", 1);
        let known = timeline.revision;
        for _ in 0..3 {
            turn(&mut timeline, "timer", 0);
        }
        turn(&mut timeline, "call a()", 0);
        let told: Vec<_> = timeline.since(known).collect();
        let told: Vec<_> = told.iter().map(|m| (m.turn, &*m.label, m.times)).collect();
        assert_eq!(told, [(2, "timer", 3), (3, "call a()", 1)]);
        assert_eq!(timeline.since(timeline.revision).count(), 0);
    }

    #[test]
    fn what_a_turn_changes_twice_is_told_once() {
        let mut timeline = Timeline::default();
        let moment = timeline.moment(Turn::default());
        for (was, now) in [("1", "2"), ("2", "3")] {
            for id in 0..CHANGES_MAX as i64 {
                moment.note_change(Change {
                    id,
                    path: "a".into(),
                    kind: ChangeKind::Changed,
                    was: Some(was.into()),
                    now: Some(now.into()),
                    failed: now == "3" && id == 0,
                });
            }
        }
        let all = &moment.changes;
        let merged = |c: &Change| (c.was.as_deref(), c.now.as_deref()) == (Some("1"), Some("3"));
        assert!(all.len() == CHANGES_MAX && all.iter().all(merged));
        let counts = (moment.changed, moment.left_out, moment.errors);
        assert_eq!(counts, (CHANGES_MAX as u32, 0, 1));
    }

    #[test]
    fn turns_take_a_bounded_amount() {
        let mut timeline = Timeline::default();
        for n in 0..3 * TURNS_MAX {
            turn(&mut timeline, &n.to_string(), 1);
        }
        assert_eq!(timeline.moments.len(), TURNS_MAX);
        for n in 0..TURNS_MAX {
            turn(&mut timeline, &n.to_string(), 1_000);
        }
        let bytes: usize = timeline.moments.iter().map(Moment::bytes).sum();
        assert_eq!(bytes, timeline.bytes);
        assert!(bytes <= BYTES_MAX && timeline.moments.len() < TURNS_MAX);
        let last = timeline
            .moments
            .back()
            .map(|m| (m.changes.len(), m.left_out));
        assert_eq!(last, Some((CHANGES_MAX, 1_000 - CHANGES_MAX as u32)));
    }
}
