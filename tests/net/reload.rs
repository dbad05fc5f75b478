//! Hot reload against real files: however an editor writes, and wherever a file comes from.
//!
//! Nothing is timed: a change is awaited as the frame that shows it.

use std::fs::{self, File};
use std::io::Write;
use std::net::TcpStream;
use std::os::unix::fs::symlink;
use std::process::Command;

use super::process::{Folder, Server};
use super::websocket::{attach, close_code, frame, new_session, receive};

const MAIN: &str = r#"
local App = session:prototype("App", { count = 0 })
function App:text() return "one " .. self.count end
function App:add() self.count = self.count + 1 end
session:createAppVariable(session:create(App))
"#;
const VIEWDEF: &str = "<template><p ui-value=\"text()\"></p></template>";
const CREATE: &str = r#"[{"type":"watch","data":{"varId":1}},
    {"type":"create","data":{"id":2,"parentId":1,"properties":{"path":"text()"}}},
    {"type":"create","data":{"id":3,"parentId":1,"properties":{"path":"add()","access":"action"}}}]"#;
const ADD: &str =
    r#"{"userEvent":true,"messages":[{"type":"update","data":{"varId":3,"value":null}}]}"#;

/// A site that can be edited, its server and a page that shows it.
struct Edited {
    folder: Folder,
    server: Server,
    session: String,
    page: TcpStream,
}

impl Edited {
    fn new(flags: &[&str]) -> Edited {
        let folder = Folder::new();
        folder.write("site/lua/main.lua", MAIN);
        folder.write("site/viewdefs/App.DEFAULT.html", VIEWDEF);
        let server = Server::start(&folder.0.join("site"), flags);
        let session = new_session(&server);
        let mut page = attach(&server, &session);
        page.write_all(&frame(0x81, CREATE.as_bytes()))
            .expect("sent");
        let mut edited = Edited {
            folder,
            server,
            session,
            page,
        };
        edited.wait_for("one 0");
        edited.send(ADD);
        edited.wait_for("one 1");
        edited
    }

    fn send(&mut self, text: &str) {
        self.page
            .write_all(&frame(0x81, text.as_bytes()))
            .expect("sent");
    }

    /// Reads frames up to the one that contains this text.
    fn wait_for(&mut self, wanted: &str) -> String {
        loop {
            let (first, payload) = receive(&mut self.page);
            assert_eq!(
                first,
                0x81,
                "waiting for {wanted:?}: {:?}",
                self.server.log()
            );
            let text = String::from_utf8(payload).expect("JSON");
            if text.contains(wanted) {
                return text;
            }
        }
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.0.join(name)
    }
}

fn main_with(word: &str) -> String {
    MAIN.replace("\"one \"", &format!("\"{word} \""))
}

#[test]
fn however_an_editor_writes_the_page_shows_it() {
    let mut site = Edited::new(&["--hotload"]);
    let main = site.path("site/lua/main.lua");
    // In place.
    site.folder.write("site/lua/main.lua", main_with("two"));
    site.wait_for("two 1");
    // Into a new file that takes the place of the old one, with what editors leave beside it.
    site.folder.write("site/lua/.main.lua.swp", "not Lua");
    site.folder
        .write("site/lua/main.lua.new~", main_with("three"));
    fs::rename(site.path("site/lua/main.lua.new~"), &main).expect("renamed");
    site.wait_for("three 1");
    // Removed and made again.
    fs::remove_file(&main).expect("removed");
    site.folder.write("site/lua/main.lua", main_with("four"));
    site.wait_for("four 1");
    // Emptied, and written by and by.
    let mut file = File::create(&main).expect("emptied");
    for line in main_with("five").lines() {
        writeln!(file, "{line}").expect("written");
        file.flush().expect("written");
    }
    drop(file);
    site.wait_for("five 1");
    assert!(
        !site.server.log().contains("error"),
        "{}",
        site.server.log()
    );
}

#[test]
fn symlinks_new_files_and_new_folders_count() {
    let mut site = Edited::new(&["--hotload"]);
    // A file that was not there, required by one that was edited.
    site.folder.write("site/lua/word.lua", "return 'new file'");
    let requiring = MAIN.replace("\"one \"", "require('word') .. ' '");
    site.folder.write("site/lua/main.lua", &requiring);
    site.wait_for("new file 1");
    site.folder.write("site/lua/word.lua", "return 'edited'");
    // The module runs again; who asks for it anew gets what it returns now.
    site.wait_for("edited 1");
    // A folder made later, and one in it.
    site.folder
        .write("site/lua/deep/er/word.lua", "return 'deep'");
    let deep = MAIN.replace("\"one \"", "require('deep.er.word') .. ' '");
    site.folder.write("site/lua/main.lua", &deep);
    site.wait_for("deep 1");
    site.folder
        .write("site/lua/deep/er/word.lua", "return 'deeper'");
    site.wait_for("deeper 1");
    // Symlinks: to a file elsewhere, through another symlink, and to a folder elsewhere.
    site.folder.write("away/real.lua", "return 'linked'");
    symlink(site.path("away/real.lua"), site.path("hop.lua")).expect("a symlink");
    symlink("../../hop.lua", site.path("site/lua/linked.lua")).expect("a symlink");
    site.folder.write("far/part.lua", "return 'far'");
    symlink(site.path("far"), site.path("site/lua/far")).expect("a symlink");
    let linked = MAIN.replace(
        "\"one \"",
        "require('linked') .. require('far.part') .. ' '",
    );
    site.folder.write("site/lua/main.lua", &linked);
    site.wait_for("linkedfar 1");
    site.folder.write("away/real.lua", "return 'relinked'");
    site.wait_for("relinkedfar 1");
    site.folder.write("far/part.lua", "return 'further'");
    site.wait_for("relinkedfurther 1");
    site.folder.write("away/other.lua", "return 'swapped'");
    fs::remove_file(site.path("hop.lua")).expect("removed");
    symlink(site.path("away/other.lua"), site.path("hop.lua")).expect("a symlink");
    site.wait_for("swappedfurther 1");
}

/// A finalizer would run outside every budget. One that is put into a metatable afterwards does not count, also when a
/// reload passes the metatable on.
#[test]
fn a_reload_gives_no_object_a_finalizer() {
    const MODULE: &str = "local mt = {}
        local m = setmetatable({ v = 'first' }, mt)
        mt.__gc = function() finalized = true end
        return m";
    const HOLDER: &str = "seen = seen or setmetatable({}, { __mode = 'v' })
        seen.m = require('m')
        local App = session:prototype('App', { count = 0 })
        function App:text() return (seen.m and seen.m.v or 'gone, finalized: ' .. tostring(finalized)) .. ' ' .. self.count end
        function App:add()
          self.count = self.count + 1
          session:unloadModule('m')
          for i = 1, 200000 do local garbage = {} end
        end
        session:createAppVariable(session:create(App))";
    let mut site = Edited::new(&["--hotload"]);
    site.folder.write("site/lua/m.lua", MODULE);
    site.folder.write("site/lua/main.lua", HOLDER);
    site.wait_for("first 1");
    let second = MODULE.replace("first", "second");
    site.folder.write("site/lua/m.lua", second);
    site.wait_for("second 1");
    site.send(ADD);
    site.wait_for("gone, finalized: nil 2");
}

#[test]
fn a_whole_site_is_put_in_place_of_another() {
    let mut site = Edited::new(&["--hotload"]);
    for (word, old) in [("next", "old1"), ("last", "old2")] {
        site.folder.write("new/lua/main.lua", main_with(word));
        site.folder.write("new/viewdefs/App.DEFAULT.html", VIEWDEF);
        fs::rename(site.path("site"), site.path(old)).expect("renamed");
        fs::rename(site.path("new"), site.path("site")).expect("renamed");
        site.wait_for(&format!("{word} 1"));
    }
    // As deployments do it: by a symlink.
    let link = site.path("current");
    symlink(site.path("old1"), &link).expect("a symlink");
    let server = Server::start(&link, &["--hotload"]);
    let mut page = attach(&server, &new_session(&server));
    page.write_all(&frame(0x81, CREATE.as_bytes()))
        .expect("sent");
    receive(&mut page);
    symlink(site.path("old2"), site.path("following")).expect("a symlink");
    fs::rename(site.path("following"), &link).expect("renamed");
    loop {
        let (_, text) = receive(&mut page);
        if String::from_utf8_lossy(&text).contains("next 0") {
            return;
        }
    }
}

#[test]
fn a_syntax_error_leaves_the_old_code_running_and_is_told() {
    let mut site = Edited::new(&["--dev"]);
    site.folder
        .write("site/lua/main.lua", "local App = session:prototype(");
    let told = site.wait_for("main.lua:1:");
    assert!(
        told.contains("\"varId\":1") && told.contains("\"source\":\"local App"),
        "{told}"
    );
    assert!(site.server.log().contains("main.lua:1:"));
    site.send(ADD);
    site.wait_for("one 2");
    site.folder.write("site/lua/main.lua", main_with("mended"));
    let told = site.wait_for("mended 2");
    assert!(told.contains("\"varId\":1,\"value\""), "{told}");
    // Who begins while the site is broken hears of it, and begins when it is mended.
    site.folder.write("site/lua/main.lua", "error('no start')");
    site.wait_for("no start");
    let session = new_session(&site.server);
    let mut late = attach(&site.server, &session);
    let (_, text) = receive(&mut late);
    assert!(String::from_utf8_lossy(&text).contains("no start"));
    assert_eq!(close_code(&mut late), 1011);
    site.folder.write("site/lua/main.lua", main_with("back"));
    site.wait_for("back 2");
    attach(&site.server, &new_session(&site.server));
}

#[test]
fn templates_are_sent_again_and_broken_ones_are_not() {
    let mut site = Edited::new(&["--dev"]);
    let write = |site: &Edited, text: &str| {
        site.folder.write("site/viewdefs/App.DEFAULT.html", text);
    };
    write(&site, "<template><h1 ui-value=\"text()\"></h1></template>");
    site.wait_for("<h1 ui-value");
    write(&site, "<h2 ui-value=\"text()\">");
    let told = site.wait_for("viewdefs/App.DEFAULT.html");
    assert!(
        told.contains("\"type\":\"error\"") && !told.contains("<h2"),
        "{told}"
    );
    assert!(site.server.log().contains("viewdefs/App.DEFAULT.html"));
    let mut late = attach(&site.server, &new_session(&site.server));
    late.write_all(&frame(0x81, CREATE.as_bytes()))
        .expect("sent");
    let (_, text) = receive(&mut late);
    assert!(String::from_utf8_lossy(&text).contains("<h1 ui-value"));
    // Back to what is shown: nothing to send, but all is well again.
    write(&site, "<template><h1 ui-value=\"text()\"></h1></template>");
    site.wait_for("\"varId\":1,\"value\"");
    // A folder of templates that comes later.
    site.folder.write(
        "site/html/viewdefs/App.other.html",
        "<template><b>other</b></template>",
    );
    site.wait_for("<b>other");
}

#[test]
fn a_recording_goes_through_reloads_and_survives_a_kill() {
    let records = Folder::new();
    let dir = records.0.to_string_lossy().into_owned();
    let mut site = Edited::new(&["--dev", "--record", &dir]);
    site.folder.write("site/lua/main.lua", "broken(");
    site.wait_for("main.lua:1:");
    site.folder
        .write("site/lua/main.lua", main_with("recorded"));
    site.wait_for("recorded 1");
    site.folder
        .write("site/viewdefs/App.DEFAULT.html", "no template");
    site.wait_for("not a viewdef");
    // One that begins now has the site as it is now in its recording, the last good template in it.
    let late = new_session(&site.server);
    let mut page = attach(&site.server, &late);
    page.write_all(&frame(0x81, CREATE.as_bytes()))
        .expect("sent");
    receive(&mut page);
    site.server.child.kill().expect("killed");
    site.server.child.wait().expect("it ends");
    for session in [&site.session, &late] {
        let output = Command::new(env!("CARGO_BIN_EXE_lunette"))
            .args(["replay", &format!("{dir}/{session}.lnt")])
            .output()
            .expect("the program runs");
        let report = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.code(), Some(0), "{report}");
    }
    let output = Command::new(env!("CARGO_BIN_EXE_lunette"))
        .args(["transcript", &format!("{dir}/{}.lnt", site.session)])
        .output()
        .expect("the program runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        text.contains("site changed\n  file lua/main.lua 7 bytes"),
        "{text}"
    );
}

#[test]
fn without_the_flags_edits_change_nothing() {
    let mut site = Edited::new(&[]);
    site.folder.write("site/lua/main.lua", main_with("unseen"));
    // A page that comes later than the edit by a whole reload.
    let mut watching = Edited::new(&["--hotload"]);
    watching
        .folder
        .write("site/lua/main.lua", main_with("seen"));
    watching.wait_for("seen 1");
    site.send(ADD);
    site.wait_for("one 2");
    let mut late = attach(&site.server, &new_session(&site.server));
    late.write_all(&frame(0x81, CREATE.as_bytes()))
        .expect("sent");
    let (_, text) = receive(&mut late);
    assert!(String::from_utf8_lossy(&text).contains("one 0"));
}

#[test]
fn what_a_file_spawned_ends_when_it_runs_again() {
    let folder = Folder::new();
    let main = |word: &str, rest: &str| {
        format!(
            r#"
local App = session:prototype("App", {{}})
app = app or session:create(App)
said = said or ""
function App:text() return "{word} " .. said end
function App:write() cat:write("hello\n") end
session:createAppVariable(app)
cat = session:spawn {{ cmd = "cat",
  onLine = function(line) said = said .. "[{word}: " .. line .. "]" end,
  onExit = function() said = said .. "[{word} ends]" end }}
{rest}
"#
        )
    };
    folder.write("site/lua/main.lua", main("v0", ""));
    let grant = "[lua]\nallow = [\"spawn\"]\ncommands = [\"cat\"]\n";
    folder.write("site/lunette.toml", grant);
    let server = Server::start(&folder.0.join("site"), &["--hotload"]);
    let session = new_session(&server);
    let mut page = attach(&server, &session);
    let create = CREATE.replace("add()", "write()");
    page.write_all(&frame(0x81, create.as_bytes()))
        .expect("sent");
    let mut site = Edited {
        folder,
        server,
        session,
        page,
    };
    site.wait_for("v0");
    // More often than a session may have processes.
    for n in 1..=20 {
        site.folder
            .write("site/lua/main.lua", main(&format!("v{n}"), ""));
        site.wait_for(&format!("v{n} "));
    }
    // One that fails ends what it started itself, and nothing else.
    site.folder.write(
        "site/lua/main.lua",
        main("bad", "keep = cat; error('oh no')"),
    );
    site.wait_for("oh no");
    site.folder.write("site/lua/main.lua", main("last", ""));
    site.wait_for("last ");
    site.send(ADD);
    site.wait_for("\"last [last: hello]\"");
}
