//! README and lua/TEMPLATES.md are true: every example of theirs that has steps is run in the browser.
//!
//! An example is what stands before a block marked ```` ```steps ````: one ```` ```lua ```` block and one or more
//! ```` ```html ```` blocks. A block whose first line is a comment that begins with a file's name is that file of the site;
//! others are `lua/main.lua` and the inside of `viewdefs/App.DEFAULT.html`. A `main.lua` that makes no app variable gets
//! one of type `App`. The steps say what happens:
//!
//! ```text
//! see SELECTOR = TEXT      the text of the first element that matches becomes this
//! value SELECTOR = TEXT    its value does; `empty SELECTOR`: its value becomes nothing
//! is SELECTOR              there is one, after a while
//! not SELECTOR             there is none, after a while
//! type SELECTOR = TEXT     somebody types this into it, in place of what is there
//! choose SELECTOR = TEXT   somebody chooses the option with this value
//! click SELECTOR
//! press KEY
//! address TEXT             the address behind the session's own becomes this
//! ```

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::cdp::{Browser, Page};
use super::proxy::Proxy;
use super::server::Server;

/// The files of an example's site, its steps, and the line on which those begin.
#[derive(Default)]
struct Example {
    files: Vec<(String, String)>,
    steps: Vec<(usize, String)>,
}

#[test]
fn every_example_does_what_it_says() {
    let browser = Browser::start();
    for (name, least) in [("README.md", 2), ("lua/TEMPLATES.md", 8)] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
        let text = fs::read_to_string(path).expect("it is there");
        let examples = examples(&text);
        assert!(
            examples.len() >= least,
            "{name}: only {} examples",
            examples.len()
        );
        for example in &examples {
            run(&browser, name, example);
        }
    }
}

fn examples(text: &str) -> Vec<Example> {
    let mut found = Vec::new();
    let mut example = Example::default();
    let mut lines = text.lines().enumerate();
    while let Some((_, line)) = lines.next() {
        if line.starts_with('#') {
            // An example does not go over a heading.
            example = Example::default();
        }
        let Some(mark) = line.strip_prefix("```").filter(|mark| !mark.is_empty()) else {
            continue;
        };
        let block: Vec<(usize, &str)> = lines
            .by_ref()
            .take_while(|(_, line)| !line.starts_with("```"))
            .collect();
        let body: Vec<&str> = block.iter().map(|(_, line)| *line).collect();
        match mark {
            "lua" | "html" => example.files.push(file(mark, &body.join("\n"))),
            "steps" => {
                let steps = block.iter().map(|(at, line)| (at + 1, (*line).to_owned()));
                example.steps = steps.filter(|(_, step)| !step.is_empty()).collect();
                found.push(std::mem::take(&mut example));
            }
            _ => {}
        }
    }
    found
}

/// Name and content of the file that a block is.
fn file(mark: &str, body: &str) -> (String, String) {
    let comment = ["-- ", "<!-- "]
        .iter()
        .find_map(|start| body.strip_prefix(start));
    let named = comment.and_then(|rest| rest.split([':', ' ', '\n']).next());
    let named = named.filter(|name| name.starts_with("lua/") || name.starts_with("viewdefs/"));
    match (named, mark) {
        (Some(name), "lua") => (name.to_owned(), with_app(body)),
        (None, "lua") => ("lua/main.lua".to_owned(), with_app(body)),
        (Some(name), _) if body.contains("<template>") => (name.to_owned(), body.to_owned()),
        (Some(name), _) => (
            name.to_owned(),
            format!("<template>\n{body}\n</template>\n"),
        ),
        (None, _) => (
            "viewdefs/App.DEFAULT.html".to_owned(),
            format!("<template>\n<main>\n{body}\n</main>\n</template>\n"),
        ),
    }
}

fn with_app(body: &str) -> String {
    match body.contains("createAppVariable") {
        true => body.to_owned(),
        false => format!("{body}\nsession:createAppVariable(session:create(App))\n"),
    }
}

/// The folder of an example's site, removed afterwards.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn run(browser: &Browser, document: &str, example: &Example) {
    let name = format!("reference-{}-{}", std::process::id(), Proxy::next_number());
    let folder = Folder(PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name));
    for (name, content) in &example.files {
        let path = folder.0.join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("it can be made");
        fs::write(path, content).expect("a file");
    }
    let server = Server::with_flags(&folder.0, &[]);
    let mut page = browser.open(&server.url("/"));
    for (line, step) in &example.steps {
        // A step that does not come true says only what it waited for.
        println!("{document}:{line}: {step}");
        take(&mut page, step);
    }
}

fn take(page: &mut Page, step: &str) {
    let (verb, rest) = step.split_once(' ').expect("a step is a verb and more");
    let (selector, wanted) = rest.split_once(" = ").unwrap_or((rest, ""));
    let element = format!("document.querySelector({})", json!(selector));
    match verb {
        "see" => page.wait_for_text(selector, wanted),
        "value" => page.wait_for(&format!("String({element}.value) === {}", json!(wanted))),
        "empty" => page.wait_for(&format!("{element}.value === ''")),
        "is" => page.wait_for(&element),
        "not" => page.wait_for(&format!("!{element}")),
        "type" => page.fill(selector, wanted),
        "choose" => {
            page.eval(&format!(
                "{{ const e = {element}; e.value = {}; e.dispatchEvent(new Event('change', {{ bubbles: true }})) }}",
                json!(wanted)
            ));
        }
        "click" => page.click(selector),
        "press" => page.press(rest),
        "address" => page.wait_for(&format!(
            "location.pathname.slice(33) + location.search === {}",
            json!(rest)
        )),
        other => panic!("no step {other}: {step}"),
    }
}
