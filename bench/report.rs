//! Figures, and the one table (or JSON) they are printed as.

use std::fmt::Write;

/// Which way a figure should go.
#[derive(Clone, Copy, PartialEq)]
pub enum Better {
    Less,
    More,
}

/// One line of the table.
pub struct Figure {
    pub name: String,
    pub unit: &'static str,
    pub better: Better,
    pub value: f64,
    /// The same figure of the floor, where the floor has such a thing.
    pub floor: Option<f64>,
    pub target: Option<f64>,
    /// What the system that Lunette replaces does.
    pub before: Option<f64>,
}

impl Figure {
    pub fn new(name: impl Into<String>, unit: &'static str, better: Better, value: f64) -> Figure {
        Figure {
            name: name.into(),
            unit,
            better,
            value,
            floor: None,
            target: None,
            before: None,
        }
    }

    pub fn floor(mut self, floor: f64) -> Figure {
        self.floor = Some(floor);
        self
    }

    pub fn target(mut self, target: f64) -> Figure {
        self.target = Some(target);
        self
    }

    pub fn before(mut self, before: f64) -> Figure {
        self.before = Some(before);
        self
    }

    /// How many times the cost of the floor.
    fn ratio(&self) -> Option<f64> {
        let floor = self.floor?;
        let ratio = if self.better == Better::Less {
            self.value / floor
        } else {
            floor / self.value
        };
        ratio.is_finite().then_some(ratio)
    }

    /// `ok`, or by how much the target is missed.
    fn verdict(&self) -> String {
        let Some(target) = self.target else {
            return String::new();
        };
        match self.better {
            Better::Less if self.value <= target => "ok".to_owned(),
            Better::More if self.value >= target => "ok".to_owned(),
            Better::Less if target == 0.0 => "missed".to_owned(),
            Better::Less => format!("missed by {:.0} %", (self.value / target - 1.0) * 100.0),
            Better::More => format!("missed by {:.0} %", (1.0 - self.value / target) * 100.0),
        }
    }
}

#[derive(Default)]
pub struct Report {
    scenarios: Vec<Scenario>,
}

#[derive(Default)]
struct Scenario {
    name: &'static str,
    figures: Vec<Figure>,
    notes: Vec<String>,
    server_cpu_s: f64,
    client_cpu_s: f64,
    wall_s: f64,
}

impl Report {
    pub fn begin(&mut self, name: &'static str) {
        eprintln!("{name} ...");
        self.scenarios.push(Scenario {
            name,
            ..Scenario::default()
        });
    }

    pub fn end(&mut self, client_cpu_s: f64, wall_s: f64) {
        let scenario = self.current();
        scenario.client_cpu_s = client_cpu_s;
        scenario.wall_s = wall_s;
    }

    pub fn add(&mut self, figure: Figure) {
        self.current().figures.push(figure);
    }

    pub fn note(&mut self, note: String) {
        self.current().notes.push(note);
    }

    /// Processor time that the server itself (not the floor) used in this scenario.
    pub fn server_cpu(&mut self, seconds: f64) {
        self.current().server_cpu_s += seconds;
    }

    fn current(&mut self) -> &mut Scenario {
        self.scenarios.last_mut().expect("a scenario has begun")
    }

    pub fn table(&self) -> String {
        let mut lines = vec![
            [
                "figure", "unit", "lunette", "floor", "x floor", "target", "before", "",
            ]
            .map(str::to_owned),
        ];
        lines.push(["---", "---", "--:", "--:", "--:", "--:", "--:", "---"].map(str::to_owned));
        for figure in self.scenarios.iter().flat_map(|scenario| &scenario.figures) {
            let bound = if figure.better == Better::Less {
                "<= "
            } else {
                ">= "
            };
            lines.push([
                figure.name.clone(),
                figure.unit.to_owned(),
                number(figure.value),
                figure.floor.map(number).unwrap_or_default(),
                figure
                    .ratio()
                    .map(|ratio| format!("{ratio:.2}"))
                    .unwrap_or_default(),
                figure
                    .target
                    .map(|target| format!("{bound}{}", number(target)))
                    .unwrap_or_default(),
                figure.before.map(number).unwrap_or_default(),
                figure.verdict(),
            ]);
        }
        let mut text = aligned(&lines);
        text.push('\n');
        for scenario in &self.scenarios {
            let Scenario {
                name,
                server_cpu_s,
                client_cpu_s,
                wall_s,
                ..
            } = scenario;
            let _ = writeln!(
                text,
                "{name}: server CPU {server_cpu_s:.2} s, client CPU {client_cpu_s:.2} s, wall {wall_s:.1} s"
            );
            for note in &scenario.notes {
                let _ = writeln!(text, "  {note}");
            }
        }
        text
    }

    pub fn json(&self) -> String {
        let scenarios: Vec<_> = self
            .scenarios
            .iter()
            .map(|scenario| {
                let figures: Vec<_> = scenario.figures.iter().map(figure_json).collect();
                serde_json::json!({
                    "scenario": scenario.name,
                    "figures": figures,
                    "notes": scenario.notes,
                    "server_cpu_s": scenario.server_cpu_s,
                    "client_cpu_s": scenario.client_cpu_s,
                    "wall_s": scenario.wall_s,
                })
            })
            .collect();
        format!("{:#}\n", serde_json::Value::from(scenarios))
    }
}

fn figure_json(figure: &Figure) -> serde_json::Value {
    serde_json::json!({
        "name": figure.name,
        "unit": figure.unit,
        "value": figure.value,
        "floor": figure.floor,
        "times_floor": figure.ratio(),
        "target": figure.target,
        "before": figure.before,
        "verdict": figure.verdict(),
    })
}

/// A Markdown table whose columns line up in plain text too.
fn aligned(lines: &[[String; 8]]) -> String {
    let widths: Vec<usize> = (0..8)
        .map(|column| {
            lines
                .iter()
                .map(|line| line[column].len())
                .max()
                .unwrap_or(0)
        })
        .collect();
    let mut text = String::new();
    for line in lines {
        for (column, (cell, width)) in line.iter().zip(&widths).enumerate() {
            let right = (2..7).contains(&column);
            let _ = if right {
                write!(text, "| {cell:>width$} ")
            } else {
                write!(text, "| {cell:<width$} ")
            };
        }
        text.push_str("|\n");
    }
    text
}

/// Three significant digits, thousands apart.
fn number(value: f64) -> String {
    let magnitude = value.abs();
    if magnitude >= 10_000.0 {
        let rounded = (value / 100.0).round() as i64 * 100;
        return format!("{},{:03}", rounded / 1000, rounded % 1000);
    }
    match magnitude {
        m if m >= 1000.0 => format!("{},{:03}", value as i64 / 1000, value as i64 % 1000),
        m if m >= 100.0 || value.fract() == 0.0 => format!("{value:.0}"),
        m if m >= 10.0 => format!("{value:.1}"),
        m if m >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

/// The middle one; sorts in place.
pub fn median(values: &mut [f64]) -> f64 {
    quantile(values, 0.5)
}

/// The value below which this part of all lie; sorts in place. Not a number without values.
pub fn quantile(values: &mut [f64], part: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let at = (values.len() as f64 * part) as usize;
    values
        .get(at.min(values.len().saturating_sub(1)))
        .copied()
        .unwrap_or(f64::NAN)
}
