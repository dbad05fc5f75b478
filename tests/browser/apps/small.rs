//! The adder and the task list.

use super::*;

#[test]
fn the_adder_adds_what_is_typed() {
    visit("adder", |page| {
        page.wait_for_text("hgroup p", "1.5 + 1.5 = 3");
        page.wait_for_text("#result", "");
        page.wait_for("document.querySelector('#keep').disabled");
        page.fill("#value1", "1.5");
        page.fill("#value2", "1.5");
        page.wait_for_text("#result", "3");
        page.wait_for_text("#average", "1.50");
        page.fill("#value2", "x");
        page.wait_for_text("#result", "not a number");
        page.fill("#value2", "0.25");
        page.wait_for_text("#result", "1.75");
        look(page, "adder");

        page.click("#value2");
        page.press("Enter");
        wait_for_texts(page, "#history li", &["1.5 + 0.25 = 1.75"]);
        page.wait_for("document.querySelector('#value1').value === '1.75' && document.querySelector('#value2').value === ''");
        for (n, number) in ["10", "1e3", "-2", "0x10", "7"].into_iter().enumerate() {
            page.fill("#value2", number);
            page.wait_for("!document.querySelector('#keep').disabled");
            page.click("#keep");
            page.wait_for(&format!(
                "document.querySelectorAll('#history li').length === {}",
                (n + 2).min(5)
            ));
            page.wait_for("document.querySelector('#value2').value === ''");
        }
        page.wait_for_text("#history li", "1025.75 + 7 = 1032.75");
        assert_eq!(page.value("#value1"), "1032.75");
        // Buttons that write what their attribute says: a number, or no text at all.
        page.fill("#value2", "0.5");
        page.click(".adder-presets button:nth-of-type(1)");
        page.wait_for_text("#result", "100.5");
        page.wait_for("document.querySelector('#value1').value === '100'");
        page.click(".adder-presets button:nth-of-type(2)");
        page.wait_for_text("#result", "3");
        page.click(".adder-presets button:nth-of-type(3)");
        page.wait_for_text("#result", "");
        page.wait_for("document.querySelector('#value1').value === ''");
        look(page, "adder-history");
    });
}

const TITLES: &str = ".task-title";

#[test]
fn tasks_are_added_edited_checked_and_cleared() {
    visit("tasks", |page| {
        wait_for_texts(
            page,
            TITLES,
            &["Water the plants", "Post the letter", "Call the dentist"],
        );
        page.wait_for_text("#left", "2 tasks left");
        page.wait_for("document.querySelectorAll('.task.done').length === 1");

        // Enter adds, an empty field adds nothing, the field is empty again.
        page.click("#new-task");
        page.type_text("  Feed the cat ");
        page.press("Enter");
        page.wait_for_text(".task:nth-child(4) .task-title", "Feed the cat");
        page.wait_for("document.querySelector('#new-task').value === ''");
        page.press("Enter");
        page.type_text("Sharpen <b>pencils</b>");
        page.click("#add-task");
        page.wait_for_text(".task:nth-child(5) .task-title", "Sharpen <b>pencils</b>");
        page.wait_for_text("#left", "4 tasks left");

        edit_tasks(page);
        look(page, "tasks");
        filter_tasks(page);
    });
}

/// Double click and Enter change a task, Escape does not; a task without words goes.
fn edit_tasks(page: &mut Page) {
    page.double_click(".task:nth-child(1) .task-title");
    wait_for_sight(page, ".task:nth-child(1) .task-edit", true);
    wait_for_sight(page, ".task:nth-child(1) .task-title", false);
    page.wait_for("document.querySelector('.task-edit').value === 'Water the plants'");
    page.fill(".task:nth-child(1) .task-edit", "Water the roses");
    page.press("Enter");
    page.wait_for_text(".task:nth-child(1) .task-title", "Water the roses");
    wait_for_sight(page, ".task:nth-child(1) .task-edit", false);

    page.double_click(".task:nth-child(3) .task-title");
    wait_for_sight(page, ".task:nth-child(3) .task-edit", true);
    page.fill(".task:nth-child(3) .task-edit", "Never mind");
    page.press("Escape");
    wait_for_sight(page, ".task:nth-child(3) .task-title", true);
    assert_eq!(
        page.text(".task:nth-child(3) .task-title"),
        "Call the dentist"
    );

    page.double_click(".task:nth-child(5) .task-title");
    wait_for_sight(page, ".task:nth-child(5) .task-edit", true);
    page.fill(".task:nth-child(5) .task-edit", " ");
    page.press("Enter");
    page.wait_for("document.querySelectorAll('.task').length === 4");
}

fn filter_tasks(page: &mut Page) {
    page.click(".task:nth-child(3) input[type=checkbox]");
    page.wait_for("document.querySelector('.task:nth-child(3)').classList.contains('done')");
    page.wait_for_text("#left", "2 tasks left");

    page.click("#show-done");
    wait_for_texts(page, TITLES, &["Post the letter", "Call the dentist"]);
    page.wait_for("document.querySelector('#show-done').classList.contains('active')");
    // Unchecked, it does not belong here any more.
    page.click(".task:nth-child(1) input[type=checkbox]");
    wait_for_texts(page, TITLES, &["Call the dentist"]);
    page.wait_for("document.querySelector('.task input').checked");
    page.click("#show-active");
    wait_for_texts(
        page,
        TITLES,
        &["Water the roses", "Post the letter", "Feed the cat"],
    );
    page.wait_for(
        "![...document.querySelectorAll('.task input[type=checkbox]')].some(e => e.checked)",
    );

    page.click("#show-all");
    page.wait_for("document.querySelectorAll('.task').length === 4");
    page.click(".task:nth-child(4) .danger");
    wait_for_texts(
        page,
        TITLES,
        &["Water the roses", "Post the letter", "Call the dentist"],
    );
    page.click("#toggle-all");
    page.wait_for_text("#left", "0 tasks left");
    page.wait_for("document.querySelectorAll('.task.done input:checked').length === 3");
    page.click("#clear-done");
    page.wait_for_text(".tasks-empty", "Nothing to do. Enjoy the day!");
    page.wait_for("document.querySelector('#clear-done').disabled && document.querySelector('#toggle-all').disabled");
    look(page, "tasks-empty");
}
