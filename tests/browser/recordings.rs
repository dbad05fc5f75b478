//! What is done in a real browser becomes a test, which fails when the code breaks and only then.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};

use super::cdp::{Browser, Page};
use super::server::Server;
use crate::net::process::Folder;

/// The chapter whose commands are run.
const CHAPTER: &str = "## From a bug in the field to a regression test in two minutes";

static NEXT: AtomicU32 = AtomicU32::new(1);

/// Keys that are held.
const ALT: u32 = 1;
const SHIFT: u32 = 8;

/// A copy of a site of the package, without its recordings.
pub struct Copy(pub PathBuf);

impl Copy {
    pub fn of(site: &str) -> Copy {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("copy-{}-{number}", std::process::id());
        let copy = Copy(PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name));
        copy_files(&Path::new(env!("CARGO_MANIFEST_DIR")).join(site), &copy.0);
        let _ = fs::remove_dir_all(copy.0.join("tests"));
        copy
    }

    /// Puts one text in the place of another, which is there once.
    fn edit(&self, file: &str, old: &str, new: &str) {
        let path = self.0.join(file);
        let text = fs::read_to_string(&path).expect("it is there");
        assert_eq!(text.matches(old).count(), 1, "{old} in {file}");
        fs::write(path, text.replace(old, new)).expect("it can be written");
    }

    /// What `lunette test` of it gives: the exit code, and what it says.
    fn test(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let Output {
            status,
            stdout,
            stderr,
        } = Command::new(env!("CARGO_BIN_EXE_lunette"))
            .arg("test")
            .arg(&self.0)
            .args(arguments)
            .output()
            .expect("lunette runs");
        let said = [stdout, stderr].map(|said| String::from_utf8_lossy(&said).into_owned());
        (status.code(), said.concat())
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn copy_files(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder can be made");
    for entry in fs::read_dir(from).expect("it is there").flatten() {
        let (path, to) = (entry.path(), to.join(entry.file_name()));
        match path.is_dir() {
            true => copy_files(&path, &to),
            false => drop(fs::copy(path, to).expect("it can be copied")),
        }
    }
}

impl Page {
    /// What is inside of the Record button's box.
    fn recorder(&self, selector: &str) -> String {
        format!("document.querySelector('ui-record').shadowRoot.querySelector('{selector}')")
    }

    /// Presses Record and waits for the new session.
    pub fn record(&mut self) {
        self.wait_for("document.querySelector('ui-record')");
        let before = self.eval("location.pathname");
        let press = format!("{}.click()", self.recorder("button"));
        self.eval(&press);
        self.wait_for(&format!("location.pathname !== {before}"));
        let on = format!(
            "document.querySelector('ui-record') && {}",
            self.recorder("div.on")
        );
        self.wait_for(&on);
    }

    /// Gives the test a name, and stops.
    pub fn save_recording(&mut self, name: &str) {
        let (field, button) = (self.recorder("input"), self.recorder("button"));
        self.eval(&format!("{field}.value = '{name}'; {button}.click()"));
        let said = self.recorder("p");
        self.wait_for(&format!("{said}.textContent.startsWith('Saved ')"));
    }

    /// Marks what is shown there as expected.
    pub fn expect(&mut self, selector: &str, held: u32) {
        let said = self.recorder("p");
        let before = self.eval(&format!("{said}.textContent"));
        self.click_holding(selector, held);
        self.wait_for(&format!("{said}.textContent !== {before}"));
    }
}

#[test]
fn what_is_done_becomes_a_test() {
    let copy = Copy::of("lua/demo");
    {
        let server = Server::with_flags(&copy.0, &["--dev"]);
        let browser = Browser::start();
        let mut page = browser.open(&server.url("/"));
        page.record();
        page.wait_for("document.querySelectorAll('.contact-row').length === 25");
        page.click("#add-contact");
        page.fill("#field-name", "Zoe Adler");
        page.fill("#field-email", "zoe@example.org");
        page.click("#save-contact");
        page.wait_for_text(".card h2", "Zoe Adler");
        page.expect(".contacts-head output", ALT);
        page.expect(".card h2", ALT);
        page.fill("#search", "zoe");
        page.wait_for(
            "(rows => rows.length && rows.every(row => /^zo[eë]/i.test(row.textContent)))\
             ([...document.querySelectorAll('.contact-row button')])",
        );
        page.expect(".contact-row button", ALT);
        page.expect(".contact-row button", ALT + SHIFT);
        page.save_recording("add-contact");
        assert_eq!(server.log(), "", "nothing to complain about");
    }
    let text = fs::read_to_string(copy.0.join("tests/add-contact.lunette")).expect("it was saved");
    for line in [
        "call page.add()",
        "set page.panel.name.value \"Zoe Adler\"",
        "call page.panel.save()",
        "expect page.summary() \"241 contacts\"",
        "expect page.panel.contact.name \"Zoe Adler\"",
        "set page.query \"zoe\"",
    ] {
        assert!(text.lines().any(|known| known == line), "{line} in\n{text}");
    }
    assert!(text.contains("expect-count page.rows() "), "{text}");
    assert!(
        text.contains("expect page.rows()[contact.email="),
        "rows by their key:\n{text}"
    );
    let (code, said) = copy.test(&[]);
    assert_eq!(code, Some(0), "{said}\n{text}");
    assert!(said.contains("ok    add-contact ("), "{said}");
    it_fails_when_the_code_breaks(&copy);
    it_survives_other_templates(&copy);
    it_is_accepted_as_it_is_now(&copy);
}

#[test]
fn a_form_whose_method_takes_nothing_is_submitted_again() {
    let copy = Copy::of("lua/new");
    {
        let server = Server::with_flags(&copy.0, &["--dev"]);
        let browser = Browser::start();
        let mut page = browser.open(&server.url("/"));
        page.record();
        page.wait_for_text(".badge", "1 of 2 to do");
        page.fill("#draft", "water the plants");
        page.click("button.primary");
        page.wait_for_text(".badge", "2 of 3 to do");
        page.expect(".badge", ALT);
        let session = page.eval("location.pathname.slice(1)");
        page.save_recording("by-hand");
        let journal = server.recording_of(session.as_str().expect("a session"));
        let journal = journal.display().to_string();
        let (code, said) = copy.test(&["from-a-journal", "--from", &journal]);
        assert_eq!(code, Some(0), "{said}");
        // A shell puts all recordings of a folder there.
        let (code, said) = copy.test(&["--from", &journal, &journal, &journal]);
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains("name the recording that is meant"), "{said}");
    }
    for name in ["by-hand", "from-a-journal"] {
        let text = fs::read_to_string(copy.0.join(format!("tests/{name}.lunette"))).expect(name);
        assert!(text.lines().any(|line| line == "submit add() {}"), "{text}");
    }
    let (code, said) = copy.test(&[]);
    assert_eq!(code, Some(0), "{said}");
}

/// Keeps what its form holds, and does nothing with it.
const KEEPS_A_FORM: &str = "
App = session:prototype('App', { order = EMPTY })
function App:told() return (self.order.dish or 'nothing') .. ' for ' .. (self.order.guests or 'nobody') end
session:createAppVariable(session:create(App, { order = {} }))
";

#[test]
fn a_form_that_is_bound_to_a_field_keeps_its_fields() {
    let folder = Folder::new();
    folder.write("site/lua/main.lua", KEEPS_A_FORM);
    folder.write(
        "site/viewdefs/App.DEFAULT.html",
        "<template><main><form ui-submit=\"order\"><input name=\"dish\"> \
         <input name=\"guests\" type=\"number\"> <button>Order</button></form>\
         <b ui-value=\"told()\"></b></main></template>",
    );
    let copy = Copy(folder.0.join("site"));
    {
        let server = Server::with_flags(&copy.0, &["--dev"]);
        let browser = Browser::start();
        let mut page = browser.open(&server.url("/"));
        page.record();
        page.wait_for_text("b", "nothing for nobody");
        page.fill("[name=dish]", "soup");
        page.fill("[name=guests]", "4");
        page.click("form button");
        page.wait_for_text("b", "soup for 4");
        page.expect("b", ALT);
        let session = page.eval("location.pathname.slice(1)");
        page.save_recording("by-hand");
        let journal = server.recording_of(session.as_str().expect("a session"));
        let journal = journal.display().to_string();
        let (code, said) = copy.test(&["from-a-journal", "--from", &journal]);
        assert_eq!(code, Some(0), "{said}");
    }
    for name in ["by-hand", "from-a-journal"] {
        let text = fs::read_to_string(copy.0.join(format!("tests/{name}.lunette"))).expect(name);
        let line = "submit order {\"dish\":\"soup\",\"guests\":4}";
        assert!(text.lines().any(|known| known == line), "{line} in\n{text}");
        assert!(text.contains("expect told() \"soup for 4\""), "{text}");
    }
    let (code, said) = copy.test(&[]);
    assert_eq!(code, Some(0), "{said}");
}

/// Counts the lines of a file, which it keeps.
const TAKES_FILES: &str = "
App = session:prototype('App', { lines = 0, name = '' })
function App:receive(file)
  local text = file:read(0, file.size)
  self.name = file.name
  self.lines = select(2, text:gsub('\\n', ''))
  assert(file:moveTo('kept/' .. file.name))
end
session:createAppVariable(session:create(App))
";

#[test]
fn a_file_that_is_uploaded_is_a_part_of_the_test() {
    let folder = Folder::new();
    folder.write("site/lua/main.lua", TAKES_FILES);
    folder.write(
        "site/viewdefs/App.DEFAULT.html",
        "<template><main><input id=\"pick\" type=\"file\" ui-upload=\"receive(_)\">\
         <b id=\"name\" ui-value=\"name\"></b> <b id=\"lines\" ui-value=\"lines\"></b></main></template>",
    );
    folder.write(
        "site/lunette.toml",
        "[upload]\ndir = \"incoming\"\n[lua]\nwrite = [\"kept\"]\n",
    );
    folder.write("people.csv", "Zoë;1\nBo;2\n");
    let copy = Copy(folder.0.join("site"));
    let session = {
        let server = Server::with_flags(&copy.0, &["--dev"]);
        let browser = Browser::start();
        let mut page = browser.open(&server.url("/"));
        page.record();
        page.wait_for("document.querySelector('#pick')");
        let file = folder.0.join("people.csv");
        page.choose_files("document.querySelector('#pick')", &[&file]);
        page.wait_for_text("#name", "people.csv");
        page.expect("#lines", ALT);
        let session = page.eval("location.pathname.slice(1)");
        page.save_recording("by-hand");
        // What was recorded otherwise has no contents, but the app has read all of this one.
        let file = server.recording_of(session.as_str().expect("a session"));
        let made = copy.test(&["from-a-journal", "--from", &file.display().to_string()]);
        assert_eq!(made.0, Some(0), "{}", made.1);
        let settings = "[upload]\ndir = \"incoming\"\n[journal]\nsecret = [\"receive(_)\"]\n";
        folder.write("site/lunette.toml", settings);
        let made = copy.test(&["secret", "--from", &file.display().to_string()]);
        assert_eq!(made.0, Some(0), "{}", made.1);
        let secret = copy.0.join("tests/secret.lunette");
        let text = fs::read_to_string(&secret).expect("a recording");
        assert!(text.contains("upload receive(_) {"), "{text}");
        assert!(!text.contains("Zoë"), "{text}");
        fs::remove_file(secret).expect("it is there");
        session
    };
    assert!(session.is_string());
    fs::remove_dir_all(copy.0.join("kept")).expect("what was kept");
    for name in ["by-hand", "from-a-journal"] {
        let text = fs::read_to_string(copy.0.join(format!("tests/{name}.lunette"))).expect(name);
        let line = "upload receive(_) {\"name\":\"people.csv\",\"text\":\"Zoë;1\\nBo;2\\n\",\"type\":\"text/csv\"}";
        assert!(text.lines().any(|known| known == line), "{line} in\n{text}");
        assert!(text.contains("expect lines 2"), "{text}");
        assert!(!text.contains("answer"), "{text}");
    }
    let (code, said) = copy.test(&[]);
    assert_eq!(code, Some(0), "{said}");
    copy.edit("lua/main.lua", "select(2, ", "1 + select(2, ");
    let (code, said) = copy.test(&[]);
    assert_eq!(code, Some(5), "{said}");
}

fn it_fails_when_the_code_breaks(copy: &Copy) {
    const RIGHT: &str = "    contact = Contact:new(fields)\n";
    let code = "lua/contacts.lua";
    copy.edit(code, RIGHT, "    contact = Contact:new(field.values)\n");
    let (exit, said) = copy.test(&[]);
    assert_eq!(exit, Some(5), "{said}");
    let step = said
        .lines()
        .position(|line| line.ends_with(": call page.panel.save()"));
    let step = step.unwrap_or_else(|| panic!("the step that failed in\n{said}"));
    let told = said.lines().nth(step + 1).unwrap_or_default();
    assert!(
        told.starts_with("        error at page.panel.save(): contacts.lua:"),
        "{said}"
    );
    assert!(told.contains("field"), "{said}");
    copy.edit(code, "    contact = Contact:new(field.values)\n", RIGHT);
    // A wrong value is told with what it should be.
    copy.edit(code, "return all .. noun end", "return all - 1 .. noun end");
    let (exit, said) = copy.test(&[]);
    assert_eq!(exit, Some(5), "{said}");
    assert!(
        said.contains(
            ": expect page.summary() \"241 contacts\"\n        expected  \"241 contacts\"\n        is        \"240 contacts\"\n"
        ),
        "{said}"
    );
    copy.edit(code, "return all - 1 .. noun end", "return all .. noun end");
}

fn it_survives_other_templates(copy: &Copy) {
    let card = "viewdefs/ContactCard.DEFAULT.html";
    copy.edit(
        card,
        "<h2 ui-value=\"contact.name\" ui-attr-autofocus=\"opened\"></h2>",
        "",
    );
    copy.edit(
        card,
        "<footer class=\"card-actions\">",
        "<footer><em ui-value=\"contact.name\"></em>",
    );
    let form = "viewdefs/ContactForm.DEFAULT.html";
    copy.edit(
        form,
        "id=\"save-contact\" ui-action",
        "name=\"store\" ui-action",
    );
    copy.edit(
        form,
        "<input id=\"field-name\"",
        "<input name=\"who\" id=\"other\"",
    );
    let (code, said) = copy.test(&["--ci"]);
    assert_eq!(code, Some(0), "{said}");
    // What cannot be done any more is not done.
    copy.edit(form, "ui-action=\"save()\"", "ui-action=\"store()\"");
    let (code, said) = copy.test(&[]);
    assert_eq!(code, Some(5), "{said}");
    assert!(said.contains("nothing on the page is at page.panel.save() to be called\n        nearest   page.panel."), "{said}");
    copy.edit(form, "ui-action=\"store()\"", "ui-action=\"save()\"");
}

fn it_is_accepted_as_it_is_now(copy: &Copy) {
    copy.edit(
        "lua/contacts.lua",
        "\" contact\" or \" contacts\"",
        "\" person\" or \" people\"",
    );
    assert_eq!(copy.test(&["--ci"]).0, Some(5));
    let (code, said) = copy.test(&["--update"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.contains(
            "- expect page.summary() \"241 contacts\"\n+ expect page.summary() \"241 people\"\n"
        ),
        "{said}"
    );
    let (code, said) = copy.test(&["--ci"]);
    assert_eq!(
        code,
        Some(5),
        "what waits to be accepted does not pass: {said}"
    );
    assert!(
        said.contains("tests/add-contact.lunette.new waits"),
        "{said}"
    );
    let (code, said) = copy.test(&["--accept", "add-contact"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.contains("+ expect page.summary() \"241 people\""),
        "{said}"
    );
    let (code, said) = copy.test(&["--ci"]);
    assert_eq!(code, Some(0), "{said}");
}

/// The site of the README's chapter "A site of your own".
fn readme_site(readme: &str, dir: &Path) {
    let blocks = readme.split("```").skip(1).step_by(2);
    for block in blocks {
        let Some((_, body)) = block.split_once('\n') else {
            continue;
        };
        let first = body.lines().next().unwrap_or_default();
        let named = first.trim_start_matches("<!-- ").trim_start_matches("-- ");
        let name = named.split(':').next().unwrap_or_default();
        if name == "lua/main.lua" || name == "viewdefs/Counter.DEFAULT.html" {
            let path = dir.join(name);
            fs::create_dir_all(path.parent().expect("a folder")).expect("a folder can be made");
            fs::write(path, body).expect("a file can be written");
        }
    }
}

/// The lines of the chapter's blocks of commands.
fn commands(readme: &str) -> Vec<String> {
    let (_, chapter) = readme.split_once(CHAPTER).expect("the chapter");
    let chapter = chapter.split("\n## ").next().unwrap_or_default();
    let blocks = chapter.split("```").skip(1).step_by(2);
    let blocks = blocks.filter_map(|block| block.strip_prefix("sh\n"));
    blocks.flat_map(str::lines).map(str::to_owned).collect()
}

#[test]
fn the_readme_makes_a_test_of_what_happened_in_the_field() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = fs::read_to_string(readme).expect("it is there");
    let dir = Copy::of("tests/sites/typing");
    readme_site(&readme, &dir.0.join("mysite"));
    {
        // The server's own recordings are replayed when it ends; these stay.
        let field: &'static str = Box::leak(
            dir.0
                .join("recordings")
                .display()
                .to_string()
                .into_boxed_str(),
        );
        let server = Server::with_flags(&dir.0.join("mysite"), &["--record", field]);
        let browser = Browser::start();
        let mut page = browser.open(&server.url("/"));
        page.wait_for_text("h1", "Hello, world!");
        page.click("button");
        page.wait_for_text("output", "1");
        page.click("input");
        page.eval("document.querySelector('input').select()");
        page.press("Backspace");
        page.wait_for_text("h1", "Hello, !");
    }
    let commands = commands(&readme);
    assert!(commands.len() >= 6, "{commands:?}");
    let lunette = Path::new(env!("CARGO_BIN_EXE_lunette"))
        .parent()
        .expect("a folder");
    let path = format!(
        "{}:{}",
        lunette.display(),
        std::env::var("PATH").unwrap_or_default()
    );
    for command in &commands {
        let done = Command::new("sh")
            .args(["-c", command])
            .current_dir(&dir.0)
            .env("PATH", &path)
            .output();
        let Output {
            status,
            stdout,
            stderr,
        } = done.expect("a shell");
        let wanted = if command.contains("# exit 5") { 5 } else { 0 };
        let said = [stdout, stderr]
            .map(|said| String::from_utf8_lossy(&said).into_owned())
            .concat();
        assert_eq!(status.code(), Some(wanted), "{command}\n{said}");
    }
    let report = fs::read_to_string(dir.0.join("report.xml")).expect("the report");
    assert!(report.contains("<testcase name=\"no-name\""), "{report}");
}
