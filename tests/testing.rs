//! `lunette test`, as a build server runs it: the real binary on sites and recordings written for it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

static NEXT: AtomicU32 = AtomicU32::new(1);

/// A site of one test.
struct Site(PathBuf);

impl Site {
    /// With this `main.lua` and template of `App`.
    fn new(lua: &str, template: &str) -> Site {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("testing-{}-{number}", std::process::id());
        let site = Site(PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name));
        let create = "\nsession:createAppVariable(session:create(App))\n";
        site.write("lua/main.lua", &format!("{lua}{create}"));
        site.write(
            "viewdefs/App.DEFAULT.html",
            &format!("<template><main>{template}</main></template>"),
        );
        site
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().expect("inside the site")).expect("a folder");
        fs::write(path, text).expect("a file");
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.0.join(name)).unwrap_or_default()
    }

    /// Runs one recording of these lines.
    fn steps(&self, lines: &str) -> (Option<i32>, String) {
        self.write("tests/a.lunette", &format!("recording 1\n{lines}\n"));
        self.test(&[])
    }

    fn test(&self, arguments: &[&str]) -> (Option<i32>, String) {
        lunette_test(&self.0, arguments)
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn lunette_test(dir: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let done = Command::new(env!("CARGO_BIN_EXE_lunette"))
        .arg("test")
        .arg(dir)
        .args(arguments)
        .output();
    let done = done.expect("lunette runs");
    let said = [done.stdout, done.stderr].map(|said| String::from_utf8_lossy(&said).into_owned());
    (done.status.code(), said.concat())
}

fn passes((code, said): (Option<i32>, String)) {
    assert_eq!(code, Some(0), "{said}");
}

#[track_caller]
fn fails((code, said): (Option<i32>, String), told: &str) {
    assert_eq!(code, Some(5), "{said}");
    assert!(said.contains(told), "{told}\nis not in\n{said}");
}

#[test]
fn the_committed_recordings_pass() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for site in ["lua/demo", "tests/sites/tasks"] {
        passes(lunette_test(&root.join(site), &["--ci"]));
    }
}

#[test]
fn a_disabled_button_is_pressed_by_nobody() {
    let site = Site::new(
        "App = session:prototype('App', { name = '', sent = 0 }) function App:empty() return self.name == '' end \
         function App:send() self.sent = self.sent + 1 end",
        "<input ui-value='name'><button ui-action='send()' ui-attr-disabled='empty()'></button><b ui-value='sent'></b>",
    );
    fails(site.steps("call send()"), "its element is disabled now");
    passes(site.steps("set name \"x\"\ncall send()\nexpect sent 1"));
    fails(
        site.steps("set sent 3"),
        "sent is shown, but no field lets the user change it",
    );
    fails(
        site.steps("call name"),
        "name is shown, but nothing on the page calls it",
    );
    fails(site.steps("call send() 1"), "send() takes no value");
}

#[test]
fn forms_have_the_fields_that_they_have() {
    let site = Site::new(
        "App = session:prototype('App', { last = '' }) function App:save(form) \
         if form.mail == 'taken' then return nil, { mail = 'It is taken' } end self.last = form.mail end",
        "<form ui-submit='save(_)'><input name='mail'></form><b ui-value='last'></b>",
    );
    passes(site.steps("submit save(_) {\"mail\":\"a\"}\nexpect last \"a\""));
    fails(
        site.steps("submit save(_) {\"mall\":\"a\"}"),
        "the form has no field mall; did you mean mail?",
    );
    fails(
        site.steps("call save(_) 1"),
        "save(_) is a form: write submit save(_) {..}",
    );
    fails(
        site.steps("submit save(_) {\"mail\":\"taken\"}"),
        "error at save(_): mail: It is taken",
    );
    passes(site.steps("submit save(_) {\"mail\":\"taken\"}\nexpect-error save(_) \"taken\""));
    fails(
        site.steps("submit save(_) {\"mail\":\"a\"}\nexpect-error save(_) \"taken\""),
        "expected  an error at save(_) with the text \"taken\"\n        is        no error",
    );
}

#[test]
fn a_form_that_is_bound_to_a_field_writes_it() {
    let site = Site::new(
        "App = session:prototype('App', { order = EMPTY }) function App:dish() return self.order and self.order.dish end",
        "<form ui-submit='order'><input name='dish'></form><b ui-value='dish()'></b>",
    );
    passes(site.steps("submit order {\"dish\":\"soup\"}\nexpect dish() \"soup\""));
    fails(
        site.steps("submit order {\"dishes\":\"soup\"}"),
        "the form has no field dishes; did you mean dish?",
    );
}

#[test]
fn files_are_uploaded_without_a_browser() {
    let site = Site::new(
        "App = session:prototype('App', { got = '', kept = '' })\n\
         function App:receive(file)\n\
           if file.name == 'bad' then return nil, 'not this' end\n\
           local text = file:read(0, 100) or 'nothing'\n\
           self.got = file.name .. ' ' .. file.type .. ' ' .. file.size .. ' ' .. file.sha256:sub(1, 8) .. ' ' .. text:sub(2, 4)\n\
           local moved, why = file:moveTo('kept/' .. file.name)\n\
           self.kept = moved and 'moved' or why\n\
         end",
        "<input type='file' ui-upload='receive(_)'><b ui-value='got'></b><b ui-value='kept'></b>",
    );
    let upload =
        "upload receive(_) {\"name\":\"a.txt\",\"type\":\"text/plain\",\"text\":\"abcdef\"}";
    passes(site.steps(&format!(
        "{upload}\nexpect got \"a.txt text/plain 6 bef57ec7 bcd\"\nexpect kept \"moved\""
    )));
    let full = "answer move upload 1 to \"kept/a.txt\" => error 28 \"No space left\"";
    let (code, said) = site.steps(&format!("{full}\n{upload}\nexpect kept \"moved\""));
    assert_eq!(code, Some(5));
    assert!(said.contains("No space left"), "{said}");
    let bad = "upload receive(_) {\"name\":\"bad\",\"hex\":\"00ff\"}";
    passes(site.steps(&format!("{bad}\nexpect-error receive(_) \"not this\"")));
    fails(site.steps(bad), "not this");
    // Of a file that is not known there are answers.
    let digits = "ab".repeat(32);
    let unknown =
        format!("upload receive(_) {{\"name\":\"b\",\"size\":9,\"sha256\":\"{digits}\"}}");
    fails(
        site.steps(&unknown),
        "the recording has no answer to: read upload 1 from 0, at most 100 bytes",
    );
    passes(site.steps(&format!(
        "answer read upload 1 from 0, at most 100 bytes => bytes \"123456789\"\n\
         answer move upload 1 to \"kept/b\" => done\n{unknown}\nexpect got \"b  9 abababab 234\""
    )));
    fails(
        site.steps("upload got {\"name\":\"a\",\"text\":\"\"}"),
        "nothing on the page takes files for it",
    );
    let (code, said) = site.steps("upload receive(_) \"a.txt\"");
    assert_eq!(code, Some(1));
    assert!(said.contains("write upload PATH {"), "{said}");
}

#[test]
fn the_machine_answers_as_it_did() {
    let site = Site::new(
        "App = session:prototype('App', { text = '', line = '', code = 0 })\n\
         function App:load() self.text = session:readFile('data/x') or 'nothing' end\n\
         function App:run() session:spawn { cmd = 'df', onLine = function(l) self.line = l end, \
         onExit = function(e) self.code = e.code end } end",
        "<b ui-value='text'></b><b ui-value='line'></b><b ui-value='code'></b>\
         <button ui-action='load()'></button><button ui-action='run()'></button>",
    );
    site.write(
        "lunette.toml",
        "[lua]\nallow = [\"files\", \"spawn\"]\nread = [\"data\"]\ncommands = [\"df\"]\n",
    );
    fails(
        site.steps("call load()\nexpect text \"nothing\""),
        "a.lunette:2: call load()\n        the recording has no answer to: read \"data/x\"\n        asked at main.lua:2",
    );
    passes(
        site.steps("answer read \"data/x\" => bytes \"then\"\ncall load()\nexpect text \"then\""),
    );
    passes(site.steps(
        "answer read \"data/* => error 2 \"No such file\"\ncall load()\nexpect text \"nothing\"",
    ));
    // Asked of this machine, it stands in the recording from then on.
    site.write("data/x", "now");
    site.write(
        "tests/a.lunette",
        "recording 1\n\ncall load()\nexpect text \"now\"\n",
    );
    let (code, said) = site.test(&["--record-missing"]);
    assert!(
        code == Some(0) && said.contains("added 1 answer to tests/a.lunette"),
        "{said}"
    );
    site.write("data/x", "later");
    passes(site.test(&["--ci"]));
    assert_eq!(
        site.read("tests/a.lunette"),
        "recording 1\nanswer read \"data/x\" => bytes \"now\"\n\ncall load()\nexpect text \"now\"\n"
    );
    passes(site.steps(
        "answer spawn \"df\" => process 1\ncall run()\nprocess 1 stdout \"half\\n\"\nexpect line \"half\"\n\
         process 1 exit {\"code\":3}\nexpect code 3",
    ));
    fails(
        site.steps("call run()"),
        "the recording has no answer to: spawn \"df\"",
    );
}

#[test]
fn time_and_other_sessions_are_told() {
    let site = Site::new(
        "App = session:prototype('App', { n = 0, news = '' })\nfunction App:now() return os.date('!%H:%M:%S') end\n\
         function App:start() session:setInterval(function() self.n = self.n + 1 end, 1000) \
         session:subscribe('news', function(v) self.news = v end) end",
        "<b ui-value='n'></b><b ui-value='news'></b><b ui-value='now()'></b><button ui-action='start()'></button>",
    );
    passes(site.steps("time 2026-03-01T10:00:00Z\nexpect now() \"10:00:00\"\ncall start()\nadvance 3500\nexpect n 3\nexpect now() \"10:00:03\""));
    passes(site.steps("call start()\npublish news \"late\"\nexpect news \"late\"\ndetach\nadvance 2000\nattach\nexpect n 2"));
    fails(
        site.steps("publish news 1"),
        "nothing in the session subscribes to \"news\" any more",
    );
    site.write("lunette.toml", "[test]\nignore = [\"now()\"]\n");
    passes(site.steps("expect now() \"yesterday\""));
}

#[test]
fn rows_are_found_by_their_key_wherever_they_are() {
    let site = Site::new(
        "Row = session:prototype('Row', { id = 0 }) function Row:remove() for i, r in ipairs(app.all) do \
         if r == self then table.remove(app.all, i) return end end end\n\
         App = session:prototype('App', { all = EMPTY }) app = session:create(App, { all = {} })\n\
         for i = 1, 500 do app.all[i] = session:create(Row, { id = i * 10 }) end\nApp.all = app.all",
        "<ul ui-viewlist='all?key=id&window=20'></ul>",
    );
    site.write(
        "viewdefs/Row.list-item.html",
        "<template><li><b ui-value='id'></b><button ui-action='remove()'></button></li></template>",
    );
    passes(site.steps(
        "expect-count all 500\nexpect all[3].id 40\ncall all[id=4000].remove()\nexpect-count all 499\nexpect-none all[id=4000]\n\
         expect all[399].id 4010\ncall all[0].remove()\nexpect all[id=20].id 20",
    ));
    fails(
        site.steps("expect all[id=7].id 7"),
        "the list has no such row: all[id=7]",
    );
    fails(
        site.steps("expect all[name=\"x\"].id 7"),
        "the list declares key=id",
    );
}

#[test]
fn what_cannot_be_run_is_told() {
    let site = Site::new("App = session:prototype('App', {})", "<p></p>");
    let (code, said) = site.test(&[]);
    assert!(
        code == Some(3) && said.contains("there are no recordings in"),
        "{said}"
    );
    let (code, said) = site.steps("expct a 1");
    assert!(
        code == Some(1)
            && said.contains("tests/a.lunette:2: there is no \"expct\"; did you mean expect?"),
        "{said}"
    );
    let (code, said) = site.test(&["b"]);
    assert!(
        code == Some(2) && said.contains("no recording is called b"),
        "{said}"
    );
    assert_eq!(site.test(&["--ci", "--update"]).0, Some(2));
    assert_eq!(site.test(&["--accept", "a"]).0, Some(2));
    site.write("lua/main.lua", "error('at once')");
    fails(site.steps("expect a 1"), "the session could not start");
}

#[test]
fn an_update_shows_what_it_changes() {
    let site = Site::new(
        "App = session:prototype('App', { n = 1, list = EMPTY }) function App:bad() error('oops') end",
        "<b ui-value='n'></b><button ui-action='bad()'></button>",
    );
    let old = "recording 1\n# as it was\nexpect n 2\nexpect gone 3\ncall bad()\nexpect n 1\n";
    site.write("tests/a.lunette", old);
    let junit = site.0.join("report.xml");
    let file = junit.display().to_string();
    fails(site.test(&["--junit", &file]), "FAIL  a");
    assert!(
        site.read("report.xml")
            .contains("<failure message=\"tests/a.lunette:3: expect n 2\">expected  2")
    );
    passes(site.test(&["--update"]));
    assert_eq!(site.read("tests/a.lunette"), old);
    let new = "recording 1\n# as it was\nexpect n 1\nexpect-none gone\ncall bad()\nexpect n 1\nexpect-error bad() \"main.lua:1: oops\"\n";
    assert_eq!(site.read("tests/a.lunette.new"), new);
    passes(site.test(&["--accept", "a"]));
    passes(site.test(&["--ci", "-v"]));
    assert_eq!(site.read("tests/a.lunette"), new);
}
