//! What sessions do outside is not done again when the process dies in the middle of it.

use std::fs;

use serde_json::json;

use super::page::Page;
use super::survives::Place;

const MAIN: &str = r#"
local App = session:prototype("App", { lines = 0, said = "" })
function App:append()
  self.lines = self.lines + 1
  local file = io.open("data/log", "a")
  file:write(self.lines .. "\n")
  file:close()
end
function App:run()
  local done, why = os.execute("echo started >> data/runs; sleep 20")
  self.said = tostring(done) .. " " .. tostring(why)
  session:writeFile("data/after", "written")
end
session:createAppVariable(session:create(App))
"#;
const CREATE: &str = r#"[{"type":"watch","data":{"varId":1}},
    {"type":"create","data":{"id":2,"parentId":1,"properties":{"path":"lines"}}},
    {"type":"create","data":{"id":3,"parentId":1,"properties":{"path":"append()","access":"action"}}},
    {"type":"create","data":{"id":4,"parentId":1,"properties":{"path":"run()","access":"action"}}},
    {"type":"create","data":{"id":5,"parentId":1,"properties":{"path":"said"}}}]"#;
const APPEND: &str =
    r#"{"userEvent":true,"messages":[{"type":"update","data":{"varId":3,"value":null}}]}"#;
const RUN: &str =
    r#"{"userEvent":true,"messages":[{"type":"update","data":{"varId":4,"value":null}}]}"#;

fn place() -> (Place, Page) {
    let mut place = Place::new("session:createAppVariable({})", &[]);
    place.kill();
    place.folder.write("site/lua/main.lua", MAIN);
    let settings = "[lua]\nallow = [\"io\", \"os\", \"files\", \"blocking\"]\n";
    place.folder.write("site/lunette.toml", settings);
    fs::create_dir_all(place.folder.0.join("site/data")).expect("a folder");
    place.start();
    let mut page = place.page();
    page.act(CREATE).expect("acknowledged");
    (place, page)
}

#[test]
fn a_command_in_which_the_process_died_is_not_run_again() {
    let (mut place, mut page) = place();
    page.send(RUN).expect("sent");
    let runs = place.folder.0.join("site/data/runs");
    while fs::read_to_string(&runs).unwrap_or_default().is_empty() {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let address = place.crash().address;
    page.resume(address).expect("it is there again");
    page.settle().expect("acknowledged");
    let said = page.value(5).expect("a value").to_string();
    assert!(said.contains("interrupted"), "{said}");
    assert_eq!(fs::read_to_string(&runs).expect("there"), "started\n");
    // What came behind it in the same function is done.
    let after = place.folder.0.join("site/data/after");
    assert_eq!(fs::read_to_string(&after).expect("there"), "written");
    // All of that is in the journal.
    fs::remove_file(&after).expect("removed");
    let address = place.crash().address;
    page.resume(address).expect("it is there again");
    page.act(APPEND).expect("acknowledged");
    assert!(!after.exists());
    assert_eq!(fs::read_to_string(&runs).expect("there"), "started\n");
}

#[test]
fn what_was_appended_is_there_once() {
    let (mut place, mut page) = place();
    for crash in 0..10 {
        for _ in 0..5 {
            page.send(APPEND).expect("sent");
        }
        std::thread::sleep(std::time::Duration::from_micros(300 * crash));
        let address = place.crash().address;
        page.resume(address).expect("it is there again");
        page.settle().expect("acknowledged");
        assert_eq!(page.value(2), Some(json!(5 * (crash + 1))));
        let log = fs::read_to_string(place.folder.0.join("site/data/log")).expect("there");
        let mut lines: Vec<&str> = log.lines().collect();
        let all = lines.len();
        lines.sort_unstable();
        lines.dedup();
        assert_eq!(lines.len(), all, "twice: {log}");
    }
}
