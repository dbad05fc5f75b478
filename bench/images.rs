//! Benches of sessions that are written down and put back: how long that takes, and how many bytes it is.

use crate::Harness;
use crate::turns::Page;

const COUNTER: &str = "
local Counter = session:prototype('Counter', { n = 0 })
function Counter:increment() self.n = self.n + 1 end
session:createAppVariable(session:create(Counter))
";

const ROWS: &str = "
local app = { rows = {} }
for i = 1, 100000 do app.rows[i] = { id = i, name = 'row ' .. i } end
session:createAppVariable(app)
";

pub fn run(harness: &Harness) {
    for (name, main) in [("a counter", COUNTER), ("100,000 rows", ROWS)] {
        let [freezing, thawing] = ["freeze", "thaw"].map(|what| format!("images: {what} {name}"));
        if !harness.wants(&freezing) && !harness.wants(&thawing) {
            continue;
        }
        let paths = ["n", "name"].map(|path| (1, path.to_owned()));
        let mut page = Page::open_app(main, paths.into_iter());
        // Only sessions at which nobody looks sleep.
        page.leave();
        let frozen = page.freeze();
        println!("images: {name} takes {} bytes", frozen.len());
        harness.bench_prepared(&freezing, &mut page, |_| {}, |page| drop(page.freeze()));
        let mut asleep = (page, frozen);
        harness.bench_prepared(
            &thawing,
            &mut asleep,
            |(page, _)| page.sleep(),
            |(page, frozen)| page.wake(frozen),
        );
    }
}
