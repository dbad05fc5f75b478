//! The job tracker: nearly two thousand lines of Lua in thirteen files.

use super::*;

const COMPANIES: &str = ".jt-row .jt-company";

fn open(page: &mut Page) {
    page.wait_for_text(
        "#summary",
        "12 applications, 10 under way, 3 follow-ups due",
    );
}

fn wait_for_rows(page: &mut Page, count: u32) {
    page.wait_for(&format!(
        "document.querySelectorAll('.jt-row').length === {count}"
    ));
}

#[test]
fn the_table_filters_searches_and_sorts_by_several_columns() {
    visit("jobs", |page| {
        open(page);
        wait_for_rows(page, 10);
        look(page, "jobs-table");
        page.wait_for_text(COMPANIES, "Saltmarsh Energy");
        page.wait_for_text("#order", "by date ↓, then by company ↑");
        page.click("#sort-company");
        page.wait_for_text(COMPANIES, "Blue Heron Press");
        page.click("#sort-status");
        page.wait_for_text("#order", "by status ↑, then by company ↑, then by date ↓");
        wait_for_texts(
            page,
            COMPANIES,
            &[
                "Fernbank Clinic",
                "Saltmarsh Energy",
                "Blue Heron Press",
                "Oak & Iron",
                "Quillworks",
                "Tideline",
                "Harbour & Sons",
                "Lantern Games",
                "Northlight",
                "Larkspur Labs",
            ],
        );
        page.click("#sort-salary");
        page.wait_for_text(COMPANIES, "Oak & Iron");
        page.wait_for(
            "document.querySelector('th:nth-child(4)').getAttribute('aria-sort') === 'descending'",
        );

        page.click("#group-closed");
        wait_for_texts(page, COMPANIES, &["Copperfield Rail", "Morrow Media"]);
        page.click("#group-all");
        page.wait_for_text("#shown", "12 applications");
        page.click("#query");
        page.type_text("lua");
        wait_for_rows(page, 3);
        page.type_text(" back");
        wait_for_texts(page, COMPANIES, &["Larkspur Labs"]);
        page.wait_for_text("#shown", "1 of 12 applications");
        page.press("Escape");
        wait_for_rows(page, 12);
        choose(page, "#status-filter", "Int");
        wait_for_rows(page, 3);
        page.click("#only-remote");
        wait_for_texts(page, COMPANIES, &["Lantern Games"]);
        page.click("#clear-filter");
        page.fill("#min-salary", "75000");
        wait_for_texts(
            page,
            COMPANIES,
            &["Oak & Iron", "Larkspur Labs", "Saltmarsh Energy"],
        );
        page.fill("#query", "oak");
        page.press("Enter");
        page.wait_for_text("#detail-company", "Oak & Iron");
    });
}

#[test]
fn a_row_asks_before_it_goes() {
    visit("jobs", |page| {
        open(page);
        page.click(".jt-row:nth-child(2) .jt-ask");
        wait_for_sight(page, ".jt-row:nth-child(2) .jt-delete", true);
        page.click("#sort-company");
        page.wait_for_text(COMPANIES, "Blue Heron Press");
        // The question went along with its row.
        page.wait_for("[...document.querySelectorAll('.jt-delete')].filter(e => e.checkVisibility()).length === 1");
        page.eval("window.asked = [...document.querySelectorAll('.jt-row')].find(r => r.querySelector('.jt-delete').checkVisibility()).querySelector('.jt-company').textContent");
        page.click(".jt-delete:not([hidden])");
        wait_for_rows(page, 9);
        page.wait_for("document.querySelector('#notice').textContent.includes(window.asked)");
        page.wait_for("!document.querySelector('tbody').textContent.includes(window.asked)");
    });
}

#[test]
fn cards_move_over_the_board() {
    visit("jobs", |page| {
        open(page);
        page.click("#to-board");
        page.wait_for("document.querySelectorAll('.jt-card').length === 12");
        page.wait_for_text("[data-key=offer] output", "1");
        look(page, "jobs-board");
        page.wait_for_text("[data-key=interview] .jt-open", "Lantern Games");
        page.click("[data-key=interview] .jt-card:first-child .jt-forward");
        page.wait_for_text("[data-key=offer] output", "2");
        page.wait_for_text("[data-key=interview] output", "2");
        page.wait_for_text("[data-key=offer] .jt-open", "Lantern Games");
        page.wait_for_text(
            "#notice",
            "Scripting engineer, Lantern Games is now in Offer.",
        );
        page.wait_for("document.querySelector('[data-key=offer] .jt-forward').disabled");
        page.click("[data-key=rejected] .jt-back");
        page.wait_for_text("[data-key=rejected] output", "0");
        wait_for_sight(page, "[data-key=rejected] .jt-none", true);
        page.click("[data-key=offer] .jt-open");
        page.wait_for_text("#detail-company", "Lantern Games");
        page.wait_for_text(".jt-event span", "Interview → Offer");
        page.click("#back");
        wait_for_sight(page, ".jt-board", true);
    });
}

#[test]
fn details_take_notes_reminders_and_another_status() {
    visit("jobs", |page| {
        open(page);
        page.fill("#query", "northlight");
        page.wait_for("document.querySelectorAll('.jt-row').length === 1");
        page.click(".jt-row .jt-company");
        page.wait_for_text("#detail-position", "Embedded developer");
        page.wait_for_text("#follow-up", "Follow up today");
        wait_for_texts(page, ".jt-tag", &["c", "lua", "embedded"]);
        page.wait_for("document.querySelector('#detail-status').value === 'interview'");
        page.click("#note-text");
        page.type_text("Sent my code");
        page.press("Enter");
        page.wait_for_text(".jt-event span", "Sent my code");
        page.wait_for("document.querySelector('#note-text').value === ''");
        page.type_text("and a letter");
        page.click("#add-note");
        wait_for_texts(
            page,
            ".jt-event span",
            &[
                "and a letter",
                "Sent my code",
                "Talked on the phone; they were friendly.",
                "Applied → Interview",
                "Bookmarked → Applied",
                "Added to the list",
            ],
        );
        page.click("#only-notes");
        page.wait_for("document.querySelectorAll('.jt-event').length === 3");
        page.click(".jt-event:nth-child(2) .danger");
        wait_for_texts(
            page,
            ".jt-event span",
            &["and a letter", "Talked on the phone; they were friendly."],
        );
        page.click("#only-notes");
        page.click("#remind-week");
        page.wait_for_text("#follow-up", "Follow up in 7 days");
        look(page, "jobs-detail");
        choose(page, "#detail-status", "Rej");
        page.wait_for_text(".jt-event span", "Interview → Rejected");
        page.wait_for_text("#notice", "Status: Rejected.");
        wait_for_sight(page, "#follow-up", false);
        page.wait_for_text("#summary", "12 applications, 9 under way, 2 follow-ups due");
        page.click("#ask-delete");
        page.click("#really-delete");
        page.wait_for_text("#notice", "Deleted Embedded developer, Northlight.");
        page.wait_for_text(
            "#empty",
            "No application matches. Clear the filters to see more.",
        );
    });
}

#[test]
fn a_new_job_is_checked_saved_and_counted() {
    visit("jobs", |page| {
        open(page);
        page.click("#add-job");
        page.wait_for_text("#form-title", "New application");
        page.click("#save-job");
        page.wait_for_text("#p-company", "Which company is it?");
        page.wait_for_text("#advice", "2 fields need another look.");
        page.fill("#f-company", "Étoile, \"Fils\" & Cie");
        page.fill("#f-position", "Astronomer");
        page.fill("#f-min", "90,000");
        page.fill("#f-max", "80000");
        page.fill("#f-url", "etoile.example");
        page.click("#save-job");
        page.wait_for_text("#p-max", "This is less than the other end.");
        page.wait_for_text("#p-url", "An address begins with http:// or https://.");
        page.wait_for_text("#p-company", "");
        look(page, "jobs-form");
        page.fill("#f-max", "95000");
        page.fill("#f-url", "https://etoile.example/jobs?id=1");
        choose(page, "#f-status", "App");
        // What was wrong takes room; the button stands still when it is gone.
        page.wait_for_text("#advice", "");
        page.click("#f-remote");
        page.click("#save-job");
        page.wait_for_text("#detail-company", "Étoile, \"Fils\" & Cie");
        page.wait_for_text("#detail-salary", "90,000 to 95,000");
        page.wait_for_text(".jt-event span", "Bookmarked → Applied");
        page.wait_for_text(
            "#summary",
            "13 applications, 11 under way, 3 follow-ups due",
        );
        page.click("#edit-job");
        page.wait_for("document.querySelector('#f-min')?.value === '90000' && document.querySelector('#f-status').value === 'applied'");
        page.fill("#f-position", "Senior astronomer");
        page.press("Enter");
        page.wait_for_text("#detail-position", "Senior astronomer");
    });
}

#[test]
fn numbers_and_data_go_out_and_come_back() {
    visit("jobs", |page| {
        open(page);
        page.click("#to-stats");
        wait_for_texts(page, "#by-status output", &["2", "4", "3", "1", "1", "1"]);
        page.wait_for("document.querySelector('#by-status .fill.accent').style.width === '100%'");
        page.wait_for_text("#answered", "50%");
        page.wait_for_text("#median", "3 days");
        page.wait_for_text(
            "#top-tags",
            "lua (3), backend (2), data (2), docs (2), embedded (2)",
        );
        look(page, "jobs-stats");

        page.click("#to-data");
        page.wait_for("document.querySelector('#place').textContent.startsWith('Nothing is saved: this site may not use files.')");
        page.wait_for("document.querySelector('#output').value.startsWith('Company,Position,Location,Status,')");
        page.wait_for("document.querySelector('#output').value.includes('Blue Heron Press,\"Developer, tools\",Ghent / remote,Applied,')");
        choose(page, "#format", "Rep");
        page.wait_for("/^Interview {6}3 {2}#{18}$/m.test(document.querySelector('#output').value)");
        choose(page, "#format", "Ev");
        page.wait_for("JSON.parse(document.querySelector('#output').value).jobs.length === 12");
        page.click("#import");
        page.wait_for_text(
            "#import-problem",
            "Paste what was copied as “Everything (JSON)” first.",
        );
        import(page, "{ \"jobs\": [\n  { \"company\": 1 } ] }");
        page.wait_for_text(
            "#import-problem",
            "This cannot be read: job 1 has no company.",
        );
        import(page, "{ \"jobs\": [\n  x ] }");
        page.wait_for_text(
            "#import-problem",
            "This cannot be read: line 2: unexpected x.",
        );
        look(page, "jobs-data");
        page.eval("window.whole = document.querySelector('#output').value");
        import(
            page,
            r#"{"jobs":[{"company":"Caf\u00e9 \"Zeit\"","position":"Barista","tags":"a\/b","salaryMin":1.5e3}]}"#,
        );
        page.wait_for_text("#notice", "Brought in 1 application.");
        page.wait_for(
            "JSON.parse(document.querySelector('#output').value).jobs[0].salaryMin === 1500",
        );
        page.eval("document.querySelector('#input').value = window.whole; document.querySelector('#input').dispatchEvent(new Event('change'))");
        page.click("#import");
        page.wait_for_text("#notice", "Brought in 12 applications.");
        page.wait_for("document.querySelector('#output').value === window.whole");
    });
}

fn import(page: &mut Page, text: &str) {
    page.eval(&format!(
        "document.querySelector('#input').value = {}; document.querySelector('#input').dispatchEvent(new Event('change'))",
        json!(text)
    ));
    page.click("#import");
}

/// It is as large as the apps it stands for.
#[test]
fn the_tracker_is_a_real_app() {
    let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sites/jobs/lua");
    let mut lines = 0;
    for dir in [dir.join("tracker"), dir] {
        for file in std::fs::read_dir(dir).expect("the site is there") {
            let path = file.expect("readable").path();
            if path.extension().is_some_and(|e| e == "lua") {
                let text = std::fs::read_to_string(path).expect("readable");
                lines += text.lines().count();
            }
        }
    }
    assert!(lines >= 1300, "{lines} lines");
}
