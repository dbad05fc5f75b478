//! Benches of `lunette test`: steps per second, on a small page and on the demo's, whose table has 25 rows.

use std::collections::BTreeMap;
use std::time::Instant;

use lunette::core::limits::SessionLimits;
use lunette::core::site::Site;
use lunette::server::files::built_in;
use lunette::testing::run::{Setting, run};
use lunette::testing::script::Recording;
use lunette::web::DEMO_SITE;

use crate::{Harness, ROUNDS};

const LUA: &str = "
local App = session:prototype('App', { count = 0, name = '' })
function App:add() self.count = self.count + 1 end
session:createAppVariable(session:create(App))
";
const PAGE: &str = "<template><main><input ui-value='name'><b ui-value='count'></b><button ui-action='add()'></button></main></template>";
/// Short enough that some rounds of a busy machine are not interrupted, long enough that the session's start is not
/// what is measured.
const ROUNDS_OF_STEPS: usize = 1_000;

pub fn run_all(harness: &Harness) {
    let files = [("lua/main.lua", LUA), ("viewdefs/App.DEFAULT.html", PAGE)];
    let files = files.map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec()));
    let small = Site::new(BTreeMap::from(files));
    let steps =
        |n: usize| format!("call add()\nset name \"{n}\"\nexpect count {n}\nexpect name \"{n}\"\n");
    bench(harness, "test: steps on a small page", small, &steps);
    let steps = |n: usize| {
        let row = n % 25;
        format!(
            "call page.rows()[{row}].open()\nexpect page.summary() \"240 contacts\"\ncall page.panel.close()\nexpect page.rows()[{row}].selected() null\n"
        )
    };
    bench(
        harness,
        "test: steps on the demo",
        built_in(&DEMO_SITE),
        &steps,
    );
}

fn bench(harness: &Harness, name: &str, site: Site, steps: &dyn Fn(usize) -> String) {
    if !harness.wants(name) {
        return;
    }
    let (rounds, times) = if harness.smoke {
        (1, 10)
    } else {
        (ROUNDS, ROUNDS_OF_STEPS)
    };
    let lines: String = (1..=times).map(steps).collect();
    let recording = Recording::parse(&format!("recording 1\n{lines}")).expect("a recording");
    let setting = Setting {
        site,
        limits: SessionLimits::default(),
        ignored: Vec::new(),
        secret: Vec::new(),
        update: false,
    };
    let mut rates: Vec<f64> = (0..rounds)
        .map(|_| {
            let started = Instant::now();
            let outcome = run(&recording, &setting, None).expect("Lua runs");
            assert!(outcome.failures.is_empty(), "{:?}", outcome.failures);
            outcome.steps as f64 / started.elapsed().as_secs_f64()
        })
        .collect();
    rates.sort_by(|a, b| b.total_cmp(a));
    crate::print_line(name, rates[0], rates[rates.len() / 2], "/s");
}
