//! What a visitor waits for, in real Chromium: `cargo bench --bench page`. A probe inside the page measures from the
//! click to the change of the document, over loopback; beside it stands the least that any page like this must wait
//! for, one question and its answer over the same WebSocket, measured in the same run.
//!
//! `-- --smoke` runs everything in small. Needs Chromium, like the tests, whose driver it uses.

#[allow(dead_code, reason = "the tests use the rest")]
#[path = "../tests/browser/cdp.rs"]
mod cdp;
#[path = "../tests/browser/chromium.rs"]
mod chromium;
#[allow(dead_code, reason = "the tests use the rest")]
#[path = "../tests/browser/hands.rs"]
mod hands;
#[path = "../tests/browser/keys.rs"]
mod keys;
#[allow(dead_code, reason = "the load generator uses the rest")]
mod process;
#[allow(dead_code, reason = "the load generator uses the rest")]
mod report;

use std::process::{Command, ExitCode};

use cdp::{Browser, Page};
use process::Server;
use report::{Better, Figure, Report, median, quantile};
use serde_json::Value;

/// How much of everything.
struct Scale {
    clicks: usize,
    edits: usize,
    rows: usize,
    renders: usize,
    openings: usize,
}

const FULL: Scale = Scale {
    clicks: 1_000,
    edits: 300,
    rows: 1_000,
    renders: 7,
    openings: 1_000,
};
const SMOKE: Scale = Scale {
    clicks: 20,
    edits: 5,
    rows: 50,
    renders: 1,
    openings: 20,
};

/// Times from a click to the first change of what is watched, and of bare questions to the server.
const PROBE: &str = "
window.clicks = async (button, watched, times) => {
    const took = [];
    for (let i = 0; i < times; i++) {
        took.push(await new Promise((done) => {
            const began = performance.now();
            const observer = new MutationObserver(() => {
                observer.disconnect();
                done(performance.now() - began);
            });
            observer.observe(document.querySelector(watched), { childList: true, subtree: true, characterData: true });
            document.querySelector(button).click();
        }));
        await new Promise((next) => setTimeout(next, 2));
    }
    return took;
};
window.questions = async (times) => {
    const { link } = uiApp.getConnection();
    const took = [];
    const { frame } = link.hooks;
    for (let i = 0; i < times; i++) {
        took.push(await new Promise((done) => {
            const began = performance.now();
            link.hooks.frame = () => done(performance.now() - began);
            link.acknowledge(true);
        }));
    }
    link.hooks.frame = frame;
    return took;
};
window.rendered = (button, rows) => new Promise((done) => {
    const began = performance.now();
    const check = () => {
        const all = document.querySelectorAll('.rows .row');
        if (all.length < rows || ![...all].every((row) => row.textContent.trim())) return;
        observer.disconnect();
        done(performance.now() - began);
    };
    const observer = new MutationObserver(check);
    observer.observe(document.body, { childList: true, subtree: true, characterData: true });
    document.querySelector(button).click();
});";

fn main() -> ExitCode {
    let smoke = std::env::args().any(|argument| argument == "--smoke");
    let scale = if smoke { SMOKE } else { FULL };
    let browser = Browser::start();
    let mut report = Report::default();
    report.begin("clicks");
    clicks(&browser, &scale, &mut report);
    report.begin("rows");
    rows(&browser, &scale, &mut report);
    report.begin("openings");
    openings(&browser, &scale, &mut report);
    println!("{}", report.table());
    ExitCode::SUCCESS
}

fn serve(site: &str) -> Server {
    let dir = format!("{}/tests/sites/{site}", env!("CARGO_MANIFEST_DIR"));
    let mut command = Command::new(env!("CARGO_BIN_EXE_lunette"));
    command.args(["serve", "--port", "0", "--dir", &dir]);
    Server::start(&mut command).expect("the server starts")
}

fn open(browser: &Browser, server: &Server, ready: &str) -> Page {
    let mut page = browser.open(&format!("http://{}/", server.address));
    page.wait_for(ready);
    page.eval(PROBE);
    page
}

fn times(page: &mut Page, expression: &str) -> Vec<f64> {
    let took = page.eval(expression);
    let took = took.as_array().expect("a list");
    took.iter().filter_map(Value::as_f64).collect()
}

fn clicks(browser: &Browser, scale: &Scale, report: &mut Report) {
    let server = serve("counter");
    let mut page = open(
        browser,
        &server,
        "document.querySelector('span')?.textContent === '0'",
    );
    let times_of =
        |page: &mut Page, n: usize| times(page, &format!("clicks('button', 'span', {n})"));
    times_of(&mut page, scale.clicks / 10 + 1);
    let mut took = times_of(&mut page, scale.clicks);
    let mut bare = times(&mut page, &format!("questions({})", scale.clicks));
    let mut figure = |name, share, target| {
        Figure::new(name, "ms", Better::Less, quantile(&mut took, share))
            .floor(quantile(&mut bare, share))
            .target(target)
    };
    report.add(figure("click to changed document, p50", 0.5, 3.0));
    report.add(figure("click to changed document, p99", 0.99, 15.0));
}

fn rows(browser: &Browser, scale: &Scale, report: &mut Report) {
    let server = serve("longlist");
    let mut page = open(browser, &server, "document.querySelector('#size')");
    page.fill("#size", &scale.rows.to_string());
    page.click("#fill");
    page.fill("#at", "-1");
    page.press("Tab");
    let mut renders: Vec<f64> = Vec::new();
    for _ in 0..scale.renders {
        let took = page.eval(&format!("rendered('#plain', {})", scale.rows));
        renders.push(took.as_f64().expect("a time"));
        page.press_button("#windowed");
        page.wait_for("!document.querySelector('.rows:not([tabindex])') || document.querySelectorAll('.rows .row').length < 300");
    }
    page.eval(&format!("rendered('#plain', {})", scale.rows));
    let name = "a list of 1,000 rows, first shown";
    let first = Figure::new(name, "ms", Better::Less, median(&mut renders));
    report.add(first.target(150.0));

    let (frames, bytes) = page.socket_traffic();
    let touch = format!("clicks('#touch', '.rows', {})", scale.edits);
    let mut took = times(&mut page, &touch);
    let (frames_after, bytes_after) = page.socket_traffic();
    let mut bare = times(&mut page, &format!("questions({})", scale.edits));
    let per_edit = (bytes_after - bytes) as f64 / scale.edits as f64;
    report.note(format!(
        "{} frames came for {} edits",
        frames_after - frames,
        scale.edits
    ));
    let edit = Figure::new(
        "one row of them edited, p50",
        "ms",
        Better::Less,
        median(&mut took),
    );
    report.add(edit.floor(median(&mut bare)).target(3.0));
    let bytes = Figure::new("... bytes that come", "B", Better::Less, per_edit);
    report.add(bytes.target(100.0));
}

/// Views are opened and closed, each time with a list in it.
fn openings(browser: &Browser, scale: &Scale, report: &mut Report) {
    let server = serve("longlist");
    let mut page = open(browser, &server, "document.querySelector('#size')");
    page.fill("#size", "30");
    page.click("#fill");
    let turn = |page: &mut Page, times: usize| {
        page.eval(&format!(
            "(async () => {{ for (let i = 0; i < {times}; i++) {{ await rendered('#plain', 30); await rendered('#table', 30) }} }})()"
        ));
        page.eval("new Promise((done) => setTimeout(done, 300))");
    };
    // The first of them teach the engine what the code is like.
    turn(&mut page, scale.openings * 5 / 4 + 1);
    let mut weights = vec![page.weight()];
    for _ in 0..8 {
        turn(&mut page, scale.openings / 8 + 1);
        weights.push(page.weight());
    }
    let heaps = weights
        .iter()
        .map(|w| format!("{:.0}", w.heap_bytes / 1024.0));
    report.note(format!(
        "heap, KiB, after each eighth: {}",
        heaps.collect::<Vec<_>>().join(" ")
    ));
    let (before, after) = (&weights[0], &weights[8]);
    let growth = |after: f64, before: f64| (after / before - 1.0) * 100.0;
    let figure = |name, after, before| {
        Figure::new(name, "%", Better::Less, growth(after, before)).target(3.0)
    };
    let name = "heap after 2,000 views opened and closed, over before";
    report.add(figure(name, after.heap_bytes, before.heap_bytes));
    let name = "... nodes of the document, over before";
    report.add(figure(name, after.nodes as f64, before.nodes as f64));
    let name = "... listeners, over before";
    report.add(figure(
        name,
        after.listeners as f64,
        before.listeners as f64,
    ));
}
