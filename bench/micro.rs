//! In-process benches of what one turn is made of: reading a frame, detection, encoding, crossing into Lua, and a
//! fresh session; of pages with tens of thousands of variables; of what journals write and cost; of what it costs to be looked at; of freezing and thawing sessions; and of other designs of the inner loop. `cargo bench --bench micro`; `-- --smoke` runs each once, `-- WORD` those whose name contains it.
//!
//! Each is run in rounds long enough for the clock; the fastest round and the middle one are printed. The fastest is
//! the figure to compare: noise only ever adds.

mod checkpoints;
#[path = "../tests/dice.rs"]
mod dice;
mod images;
mod inner_loop;
mod journal;
#[allow(dead_code, reason = "tests use the rest")]
#[path = "disk.rs"]
mod memory_disk;
#[allow(dead_code, reason = "the tests use the rest")]
#[path = "../tests/monkey.rs"]
mod monkey;
mod outside;
mod recording;
mod scale;
mod tests;
mod turns;
mod variables;

use std::hint::black_box;
use std::time::{Duration, Instant};

use lunette::core::batch::{OutgoingBatch, OutgoingMessage};
use lunette::core::json;
use lunette::wire::{read_batch, write_batch};

const ROUNDS: usize = 15;
const ROUND_TIME: Duration = Duration::from_millis(10);

const ACTION: &str =
    r#"{"userEvent":true,"messages":[{"type":"update","data":{"varId":4,"value":null}}]}"#;

/// Runs and prints benches.
struct Harness {
    smoke: bool,
    wanted: Option<String>,
}

impl Harness {
    fn wants(&self, name: &str) -> bool {
        self.wanted
            .as_ref()
            .is_none_or(|wanted| name.contains(wanted))
    }

    /// Prints what `call` takes when `prepare` comes before it, uncounted.
    fn bench_prepared<T>(&self, name: &str, state: &mut T, prepare: fn(&mut T), call: fn(&mut T)) {
        if !self.wants(name) {
            return;
        }
        let rounds = if self.smoke { 1 } else { ROUNDS };
        let mut times: Vec<f64> = (0..rounds)
            .map(|_| {
                prepare(state);
                let started = Instant::now();
                call(state);
                started.elapsed().as_secs_f64() * 1e6
            })
            .collect();
        times.sort_by(f64::total_cmp);
        print_line(name, times[0], times[times.len() / 2], "us");
    }

    /// Prints what one of `per_call` things that `call` does takes.
    fn bench(&self, name: &str, per_call: usize, mut call: impl FnMut()) {
        if !self.wants(name) {
            return;
        }
        let calls = if self.smoke {
            1
        } else {
            calls_for_round(&mut call)
        };
        let rounds = if self.smoke { 1 } else { ROUNDS };
        let mut times: Vec<f64> = (0..rounds)
            .map(|_| {
                let started = Instant::now();
                (0..calls).for_each(|_| call());
                started.elapsed().as_secs_f64() * 1e9 / (calls * per_call) as f64
            })
            .collect();
        times.sort_by(f64::total_cmp);
        print_line(name, times[0], times[times.len() / 2], "ns");
    }
}

/// How many calls fill a round.
fn calls_for_round(call: &mut impl FnMut()) -> usize {
    let mut calls = 1;
    loop {
        let started = Instant::now();
        (0..calls).for_each(|_| call());
        if started.elapsed() * 2 >= ROUND_TIME {
            return calls;
        }
        calls *= 2;
    }
}

fn print_line(name: &str, least: f64, middle: f64, unit: &str) {
    println!("{name:<52} {least:>10.1} {middle:>10.1} {unit}");
}

fn main() {
    let mut harness = Harness {
        smoke: false,
        wanted: None,
    };
    for argument in std::env::args().skip(1) {
        match argument.as_str() {
            "--bench" => {}
            "--smoke" => harness.smoke = true,
            word => harness.wanted = Some(word.to_owned()),
        }
    }
    println!("{:<52} {:>10} {:>10}", "", "fastest", "middle");
    wire(&harness);
    encode(&harness);
    crossing(&harness);
    turns::run(&harness);
    scale::run(&harness);
    images::run(&harness);
    inner_loop::run(&harness);
    outside::run(&harness);
    checkpoints::run(&harness);
    recording::run(&harness);
    variables::run(&harness);
    tests::run_all(&harness);
}

fn wire(harness: &Harness) {
    harness.bench("wire: read the frame of an action", 1, || {
        black_box(read_batch(black_box(ACTION)));
    });
    let create = r#"{"type":"create","data":{"id":9,"parentId":1,"properties":{"path":"item","elementId":"ui-14","fallbackNamespace":"list-item"}}}"#;
    let creates = format!(
        r#"{{"userEvent":false,"messages":[{}]}}"#,
        vec![create; 1000].join(",")
    );
    harness.bench("wire: read a create, in a batch of 1,000", 1000, || {
        black_box(read_batch(black_box(&creates)));
    });
    let one = updates(1);
    let many = updates(1000);
    let mut out = Vec::new();
    harness.bench("wire: write the frame of one update", 1, || {
        out.clear();
        write_batch(black_box(&one), &mut out);
    });
    harness.bench("wire: write an update, in a batch of 1,000", 1000, || {
        out.clear();
        write_batch(black_box(&many), &mut out);
    });
}

fn updates(count: i64) -> OutgoingBatch {
    let mut batch = OutgoingBatch::default();
    for var in 2..2 + count {
        let value = Some(batch.put(|out| json::push_int(out, var)));
        batch.messages.push(OutgoingMessage::Update {
            var,
            value,
            pieces: false,
            properties: None,
        });
    }
    batch
}

fn encode(harness: &Harness) {
    let mut out = Vec::new();
    let plain = "a".repeat(1000);
    harness.bench("json: a text of 1,000 plain bytes", 1, || {
        out.clear();
        json::push_str(&mut out, black_box(plain.as_bytes()));
    });
    let marked = "<b>\"x\"</b>\n".repeat(90);
    harness.bench("json: a text of 990 bytes, 270 to escape", 1, || {
        out.clear();
        json::push_str(&mut out, black_box(marked.as_bytes()));
    });
    harness.bench("json: an integer", 1, || {
        out.clear();
        json::push_int(&mut out, black_box(1_234_567));
    });
    harness.bench("json: a float with a fraction", 1, || {
        out.clear();
        json::push_float(&mut out, black_box(1234.567));
    });
}

/// What mlua takes for the same as a bench of whole turns does: for comparison.
fn crossing(harness: &Harness) {
    let lua = mlua::Lua::new();
    let increment: mlua::Function = lua
        .load("local count = 0 return function() count = count + 1 return count end")
        .eval()
        .expect("the chunk is good");
    harness.bench("lua: one protected call through mlua", 1, || {
        black_box(increment.call::<i64>(()).expect("the function is good"));
    });
    harness.bench(
        "lua: a fresh mlua state with all libraries, closed",
        1,
        || {
            black_box(mlua::Lua::new());
        },
    );
}
