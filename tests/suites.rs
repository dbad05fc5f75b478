//! Suites written in Lua, `tests/lua/NAME.lua`: each runs inside a session of a real server, over a real socket, and
//! every session is recorded and replayed.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::base_client::page::{Page, create, write};
use crate::bench_client::get;
use crate::bench_process::Server;

const NAMES: u64 = 2;
const RUN: u64 = 3;
const RESULT: u64 = 4;

#[test]
fn suites_pass_inside_real_sessions() {
    let suites = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lua");
    let scratch = Scratch::new();
    let site = scratch.0.join("site");
    fs::create_dir_all(&site).expect("a site can be made");
    symlink(&suites, site.join("lua")).expect("a link can be made");
    let recordings = scratch.0.join("recordings");
    let mut command = Command::new(env!("CARGO_BIN_EXE_lunette"));
    command.args(["serve", "--port", "0", "--state", "none"]);
    command.arg("--dir").arg(&site);
    command.arg("--record").arg(&recordings);
    let server = Server::start(command.stderr(Stdio::null())).expect("the server starts");
    let mut failures = Vec::new();
    let mut count = 0;
    for name in names(&suites) {
        count += run_suite(&server, &name, &mut failures);
    }
    drop(server);
    assert!(count >= 30, "only {count} tests were found");
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
    replay(&recordings);
}

/// The suites, without their runner.
fn names(suites: &Path) -> Vec<String> {
    let entries = fs::read_dir(suites).expect("the suites are there");
    let mut names: Vec<String> = entries
        .filter_map(|entry| {
            entry
                .expect("they can be read")
                .file_name()
                .into_string()
                .ok()
        })
        .filter_map(|name| name.strip_suffix(".lua").map(str::to_owned))
        .filter(|name| name != "main")
        .collect();
    names.sort();
    names
}

fn run_suite(server: &Server, suite: &str, failures: &mut Vec<String>) -> usize {
    let path = format!("/{suite}");
    let redirect = get(server.address, &path, "Accept: text/html\r\n").expect("an answer");
    let session = redirect.session_id().expect("a session in the Location");
    let (mut page, _) = Page::open(server, &session);
    let said = page.say(&[
        create(NAMES, 1, json!({"path": "names"})),
        create(RUN, 1, json!({"path": "run(_)"})),
        create(RESULT, 1, json!({"path": "result"})),
    ]);
    let names = said.iter().find(|m| m["data"]["varId"] == NAMES);
    let names = names.and_then(|m| m["data"]["value"].as_array().cloned());
    let names = names.unwrap_or_else(|| panic!("suite {suite} does not load: {said:?}"));
    for name in &names {
        page.send(true, &[write(RUN, name.clone())]);
        let name = name.as_str().expect("names are texts");
        let result = wait_for_result(&mut page, name);
        if result != "ok" {
            failures.push(format!("tests/lua/{suite}.lua: {name}: {result}"));
        }
    }
    page.leave();
    names.len()
}

/// The result of a test, which may take some turns.
fn wait_for_result(page: &mut Page, name: &str) -> String {
    loop {
        for message in page.frame() {
            let data = &message["data"];
            // Errors of timers that a test started are told on `run`, too: only a cut ends it.
            if data["varId"] == RUN && data["code"] == "limit" {
                return data["description"].to_string();
            }
            let result = match &data["value"] {
                Value::String(text) if data["varId"] == RESULT => text,
                _ => continue,
            };
            if let Some(result) = result.strip_prefix(name).and_then(|r| r.strip_prefix(": ")) {
                return result.to_owned();
            }
        }
    }
}

fn replay(recordings: &Path) {
    for entry in fs::read_dir(recordings).expect("there are recordings") {
        let file = entry.expect("they can be read").path();
        let replayed = Command::new(env!("CARGO_BIN_EXE_lunette"))
            .arg("replay")
            .arg(file)
            .output()
            .expect("lunette runs");
        let said = String::from_utf8_lossy(&replayed.stdout).into_owned();
        assert!(replayed.status.success(), "{said}");
    }
}

struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Scratch {
        let name = format!("suites-{}", std::process::id());
        Scratch(PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
