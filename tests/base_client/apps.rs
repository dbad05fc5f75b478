//! The pages of older apps speak the base protocol: each app is loaded and used through it.

use super::*;

/// The last value that variable `id` was told.
fn value_of(said: &[Value], id: u64) -> &Value {
    said.iter()
        .rev()
        .find(|message| message["data"]["varId"] == id && message["data"].get("value").is_some())
        .map(|message| &message["data"]["value"])
        .unwrap_or_else(|| panic!("variable {id} has no value in {said:?}"))
}

fn no_errors(said: &[Value]) {
    assert!(
        !said.iter().any(|message| message["type"] == "error"),
        "{said:?}"
    );
}

fn length(value: &Value) -> usize {
    value.as_array().map_or(usize::MAX, Vec::len)
}

/// A list with its items: variable `id`, and `id + 1`.
fn list(id: u64, path: &str, presenter: Option<&str>) -> [Value; 2] {
    let mut properties = json!({"path": path, "wrapper": "lua.ViewList", "elementId": "ui-9"});
    if let Some(presenter) = presenter {
        properties["itemWrapper"] = json!(presenter);
    }
    let items = create(id + 1, id, json!({"path": "items", "elementId": "ui-10"}));
    [create(id, 1, properties), items]
}

fn act(id: u64, path: &str) -> Value {
    create(id, 1, json!({"path": path, "access": "action"}))
}

fn shown(id: u64, parent: u64, path: &str) -> Value {
    create(id, parent, json!({"path": path, "access": "r"}))
}

#[test]
fn the_adder_adds() {
    let server = serve("adder");
    let (mut page, _) = Page::open(&server, &browse(&server));
    let said = page.say(&[
        create(2, 1, json!({"path": "value1"})),
        create(3, 1, json!({"path": "value2"})),
        shown(4, 1, "compute()"),
        act(5, "remember()"),
        shown(6, 1, "example()"),
    ]);
    assert_eq!(value_of(&said, 6), "1.5 + 1.5 = 3");
    page.say(&[write(2, json!("1.5"))]);
    let said = page.say(&[write(3, json!("1.5"))]);
    assert_eq!(said, [write(4, json!("3"))]);
    let said = page.act(&[press(5)]);
    assert_eq!(value_of(&said, 2), "3");
    assert_eq!(value_of(&said, 3), "");
    assert_eq!(value_of(&said, 4), "");
}

#[test]
fn a_task_is_added_and_checked() {
    let server = serve("tasks");
    let (mut page, _) = Page::open(&server, &browse(&server));
    assert!(page.viewdefs.contains("TasksApp.DEFAULT"));
    let mut creates = vec![
        create(2, 1, json!({"path": "newTitle"})),
        act(3, "add()"),
        shown(4, 1, "left()"),
    ];
    creates.extend(list(5, "tasks()", None));
    let said = page.say(&creates);
    no_errors(&said);
    assert_eq!(value_of(&said, 4), "2 tasks left");
    assert_eq!(length(value_of(&said, 6)), 3);

    page.send(true, &[write(2, json!("Buy bread")), press(3)]);
    let said = page.fence();
    assert_eq!(value_of(&said, 4), "3 tasks left");
    assert_eq!(value_of(&said, 2), "");
    assert_eq!(length(value_of(&said, 6)), 4);

    let said = page.say(&[
        create(10, 6, json!({"path": "3"})),
        create(11, 10, json!({"path": "item"})),
        shown(12, 11, "title"),
        create(13, 11, json!({"path": "done"})),
    ]);
    assert!(page.viewdefs.contains("Task.list-item"));
    assert_eq!(value_of(&said, 12), "Buy bread");
    assert_eq!(value_of(&said, 13), false);
    let said = page.say(&[write(13, json!(true))]);
    assert_eq!(said, [write(4, json!("2 tasks left"))]);
}

#[test]
fn contacts_are_found_asked_about_and_deleted() {
    let server = serve("address_book");
    let (mut page, _) = Page::open(&server, &browse(&server));
    let mut creates = vec![
        create(2, 1, json!({"path": "searchQuery"})),
        shown(3, 1, "contactCount()"),
    ];
    creates.extend(list(4, "contacts()", Some("ContactPresenter")));
    let said = page.say(&creates);
    no_errors(&said);
    assert_eq!(value_of(&said, 3), "6 contacts");
    assert_eq!(length(value_of(&said, 5)), 6);

    let said = page.say(&[write(2, json!("brandt"))]);
    assert_eq!(value_of(&said, 3), "2 of 6");
    assert_eq!(length(value_of(&said, 5)), 2);
    let said = page.say(&[
        create(10, 5, json!({"path": "1"})),
        create(11, 10, json!({"path": "item"})),
        shown(12, 11, "contact.fullName()"),
        shown(13, 11, "notConfirming()"),
        create(14, 11, json!({"path": "askDelete()", "access": "action"})),
        create(15, 11, json!({"path": "delete()", "access": "action"})),
    ]);
    assert!(page.viewdefs.contains("ContactPresenter.list-item"));
    assert_eq!(value_of(&said, 12), "Pia Brandt");
    assert_eq!(page.act(&[press(14)]), [write(13, json!(false))]);
    page.send(true, &[press(15)]);
    let said = page.fence();
    no_errors(&said);
    assert_eq!(value_of(&said, 3), "1 of 5");
    assert_eq!(length(value_of(&said, 5)), 1);
}

#[test]
fn jobs_are_filtered_sorted_and_moved() {
    let server = serve("jobs");
    let (mut page, _) = Page::open(&server, &browse(&server));
    assert!(page.viewdefs.contains("JobTracker.DEFAULT"));
    let mut creates = vec![
        create(2, 1, json!({"path": "filter.query"})),
        shown(3, 1, "filter.summary()"),
        act(4, "sorting.headings.0.toggle()"),
    ];
    creates.extend(list(5, "jobTable.rows()", Some("JobTracker.Row")));
    let said = page.say(&creates);
    no_errors(&said);
    assert_eq!(value_of(&said, 3), "10 of 12 applications");
    assert_eq!(length(value_of(&said, 6)), 10);
    let said = page.say(&[
        create(10, 6, json!({"path": "0"})),
        create(11, 10, json!({"path": "item"})),
        shown(12, 11, "job.company"),
        shown(13, 11, "job.salary()"),
    ]);
    assert!(page.viewdefs.contains("JobTracker.Row.list-item"));
    assert_eq!(value_of(&said, 12), "Saltmarsh Energy");
    page.send(true, &[press(4)]);
    let said = page.fence();
    assert_eq!(value_of(&said, 12), "Blue Heron Press");
    assert_eq!(value_of(&said, 13), "55,000 to 61,000");

    let said = page.say(&[
        shown(20, 1, "board.columns.2.count()"),
        shown(21, 1, "board.columns.3.count()"),
        create(22, 1, json!({"path": "board.columns.2.jobs()", "wrapper": "lua.ViewList", "itemWrapper": "JobTracker.Card"})),
        create(23, 22, json!({"path": "items.0.item.forward()", "access": "action"})),
    ]);
    assert_eq!(
        (value_of(&said, 20), value_of(&said, 21)),
        (&json!(3), &json!(1))
    );
    page.send(true, &[press(23)]);
    let said = page.fence();
    no_errors(&said);
    assert_eq!(
        (value_of(&said, 20), value_of(&said, 21)),
        (&json!(2), &json!(2))
    );
}

/// A site with an `io` of its own: files in memory, whose texts can be seen at `files`.
const FILES: &str = r#"
JOBS_FILE = "granted/jobs.json"
local files = { ["granted/jobs.json"] = [[
{"version": 1, "jobs": [
  {"id": 7, "company": "Caf\u00e9 Zeit", "position": "Barista", "status": "applied", "applied": "2024-02-30", "salaryMin": 1.5e3, "history": []}
]}]] }
io = { open = function(name, mode)
  if mode == "w" then
    local parts = {}
    return {
      write = function(self, text) parts[#parts + 1] = text return self end,
      close = function() files[name] = table.concat(parts) end,
    }
  end
  if not files[name] then return nil, name .. ": No such file or directory" end
  return { read = function() return files[name] end, close = function() end }
end }
function savedJobs() return files[JOBS_FILE] end
"#;

#[test]
fn jobs_are_kept_in_a_file_where_io_is_granted() {
    let dir = std::env::temp_dir().join(format!("lunette-jobs-{}", std::process::id()));
    let site = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sites/jobs");
    copy(&site, &dir);
    let main = dir.join("lua/main.lua");
    let text = std::fs::read_to_string(&main).expect("main.lua is there");
    let ends = "\nfunction jobTracker:saved() return savedJobs() end\n";
    std::fs::write(&main, format!("{FILES}{text}{ends}")).expect("a changed site");

    let server = serve(dir.to_str().expect("a plain path"));
    let (mut page, _) = Page::open(&server, &browse(&server));
    let said = page.say(&[
        shown(3, 1, "summary()"),
        shown(4, 1, "data.place()"),
        create(5, 1, json!({"path": "board.columns.1.jobs()", "wrapper": "lua.ViewList", "itemWrapper": "JobTracker.Card"})),
        create(6, 5, json!({"path": "items.0.item.forward()", "access": "action"})),
        shown(7, 5, "items.0.item.job.company"),
        shown(8, 1, "saved()"),
    ]);
    assert_eq!(value_of(&said, 3), "1 application, 1 under way");
    assert_eq!(
        value_of(&said, 4),
        "Every change is saved in granted/jobs.json."
    );
    assert_eq!(value_of(&said, 7), "Café Zeit");
    page.send(true, &[press(6)]);
    let said = page.fence();
    let saved: Value = serde_json::from_str(value_of(&said, 8).as_str().expect("a text"))
        .expect("what was saved is JSON");
    let job = &saved["jobs"][0];
    assert_eq!(
        (&job["id"], &job["company"], &job["status"]),
        (&json!(7), &json!("Café Zeit"), &json!("interview"))
    );
    assert_eq!(
        (&job["salaryMin"], &job["history"][0]["to"]),
        (&json!(1500), &json!("interview"))
    );
    drop(server);
    let _ = std::fs::remove_dir_all(dir);
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).expect("a scratch directory");
    for entry in std::fs::read_dir(from).expect("the site is there") {
        let path = entry.expect("readable").path();
        let target = to.join(path.file_name().expect("a name"));
        if path.is_dir() {
            copy(&path, &target);
        } else {
            std::fs::copy(&path, &target).expect("copied");
        }
    }
}
