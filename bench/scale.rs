//! Benches of large pages: tens of thousands of variables that do not change, pages that are opened and closed, and
//! variables that come and go among many others.

use crate::Harness;
use crate::turns::{NOTHING, Page, creates};

const ROWS: usize = 10_000;
/// What a row shows.
const FIELDS: [&str; 3] = ["name", "count", "done"];

/// A row has an object, three fields and two methods.
const APP: &str = "
local Row = {}
Row.__index = Row
function Row:label() return self.name end
function Row:total() return self.count end
local app = { rows = {} }
for i = 1, 10000 do
  app.rows[i] = setmetatable({ name = 'row ' .. i, count = i, done = false }, Row)
end
for i = 1, 40000 do app['field' .. i] = i end
function app:two() return 2 end
function app:add(a, b) return a + b end
session:createAppVariable(app)
session:registerVariable('app', app)
";

const PAGES: [&str; 3] = [
    "scale: open a page of 6,000 variables",
    "scale: close that page by one destroy",
    "scale: close that page by leaving",
];
const AMONG_MANY: [&str; 3] = [
    "scale: an event among 50,000 variables",
    "scale: the same, one of them is made",
    "scale: the same, one of them is destroyed",
];

pub fn run(harness: &Harness) {
    let count = if harness.smoke { 400 } else { 40_000 };
    let bench = |name: &str, variables: &mut dyn Iterator<Item = (usize, String)>| {
        if harness.wants(name) {
            let mut page = Page::open_app(APP, variables);
            harness.bench(name, count, || page.receive(NOTHING));
        }
    };
    let fields = |i: usize| (1, format!("field{}", i + 1));
    bench(
        "scale: an unchanged field of one object, of 40,000",
        &mut (0..count).map(fields),
    );
    let rows = (0..count / 4).flat_map(row);
    bench(
        "scale: an unchanged row or field of it, of 40,000",
        &mut rows.into_iter(),
    );
    let method = |path: &'static str| (0..count).map(move |_| (1, path.to_owned()));
    bench(
        "scale: an unchanged method path, of 40,000",
        &mut method("two()"),
    );
    bench(
        "scale: the same with two arguments",
        &mut method("add(field1, 2)"),
    );
    bench(
        "scale: an unchanged negated field, of 40,000",
        &mut method("!field1"),
    );
    bench(
        "scale: an unchanged field of a registered one",
        &mut method("@app.field1"),
    );
    pages(harness);
    comings_and_goings(harness);
}

/// A row of a list and what it shows: four variables, the first with an id that the other three know.
fn row(i: usize) -> impl Iterator<Item = (usize, String)> {
    let object = (1, format!("rows.{}", i % ROWS));
    let fields = FIELDS.map(|field| (2 + 4 * i, field.to_owned()));
    std::iter::once(object).chain(fields)
}

/// A page that can be opened and closed again and again.
struct Opened {
    page: Page,
    open: String,
    close: &'static str,
}

/// A page of 6,000 variables below variable 2, as a view has them.
fn pages(harness: &Harness) {
    let [open_name, destroy_name, leave_name] = PAGES;
    if !PAGES.iter().any(|name| harness.wants(name)) {
        return;
    }
    let rows = if harness.smoke { 15 } else { 1_500 };
    let below = (0..rows).flat_map(row).map(|(parent, path)| match parent {
        1 => (2, path),
        row => (row + 1, path),
    });
    let mut opened = Opened {
        page: Page::open_app(APP, std::iter::empty()),
        open: creates(2, std::iter::once((1, String::new())).chain(below)),
        close: r#"{"userEvent":true,"messages":[{"type":"destroy","data":{"varId":2}}]}"#,
    };
    let open = |o: &mut Opened| o.page.receive(&o.open);
    let close = |o: &mut Opened| o.page.receive(o.close);
    harness.bench_prepared(open_name, &mut opened, close, open);
    harness.bench_prepared(destroy_name, &mut opened, open, close);
    let open = |o: &mut Opened| {
        o.page.join();
        o.page.receive(&o.open);
    };
    let leave = |o: &mut Opened| o.page.leave();
    opened.page.leave();
    harness.bench_prepared(leave_name, &mut opened, open, leave);
}

/// Events that make or destroy one variable among many.
fn comings_and_goings(harness: &Harness) {
    let [nothing_name, made_name, destroyed_name] = AMONG_MANY;
    if !AMONG_MANY.iter().any(|name| harness.wants(name)) {
        return;
    }
    let count = if harness.smoke { 500 } else { 50_000 };
    let mut page = Page::open_app(
        APP,
        (0..count).map(|i| (1, format!("field{}", i % 40_000 + 1))),
    );
    harness.bench(nothing_name, 1, || {
        page.receive(NOTHING);
    });
    let mut next = count + 2;
    harness.bench(made_name, 1, || {
        let frame = creates(next, std::iter::once((1, "field1".to_owned())));
        page.receive(
            &frame
                .replacen('[', r#"{"userEvent":true,"messages":["#, 1)
                .replace("}}}]", "}}}]}"),
        );
        next += 1;
    });
    let mut gone = 2;
    harness.bench(destroyed_name, 1, || {
        page.receive(&format!(
            r#"{{"userEvent":true,"messages":[{{"type":"destroy","data":{{"varId":{gone}}}}}]}}"#
        ));
        gone += 1;
    });
}
