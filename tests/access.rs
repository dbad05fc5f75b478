//! What Lua code can reach of the machine, with real files and real processes behind a real server: what
//! is granted works, what is not says which setting would grant it, nothing leads out of the granted
//! directories or makes the server wait, and every session replays where none of it exists any more.

mod blocking;
mod files;
mod grants;
mod library;
mod processes;

use std::fs;
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use crate::net::process::{Folder, Server};
use crate::net::websocket::{attach, new_session};

/// How often a condition is asked before the test gives up, and the pause between.
const POLLS_MAX: u32 = 3_000;
const PAUSE: Duration = Duration::from_millis(10);

/// A site with a session that tells through its log what it found.
struct Site {
    folder: Folder,
}

/// A served site with a page attached to its one session.
struct Running {
    server: Server,
    site: Site,
    page: Option<TcpStream>,
}

impl Site {
    /// A site of this `[lua]` section and this `main.lua`, which is made whole by an app.
    fn new(settings: &str, main: &str) -> Site {
        let folder = Folder::new();
        folder.write("site/lunette.toml", format!("[lua]\n{settings}\n"));
        let app = "\nsession:createAppVariable({ type = 'App' })\nprint('begun')\n";
        folder.write("site/lua/main.lua", format!("{main}{app}"));
        // Nobody looks at it, but a site without templates is told so.
        folder.write("site/viewdefs/App.DEFAULT.html", "<template></template>");
        Site { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.0.join("site").join(name)
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        self.folder.write(&format!("site/{name}"), content);
    }

    fn read(&self, name: &str) -> String {
        let path = self.path(name);
        let content = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        String::from_utf8_lossy(&content).into_owned()
    }

    /// Serves it and opens its page.
    fn run(self) -> Running {
        self.run_with(&[])
    }

    fn run_with(self, flags: &[&str]) -> Running {
        let recordings = self.folder.0.join("recordings");
        let recordings = recordings.to_string_lossy();
        let mut all = vec!["--record", &recordings];
        all.extend(flags);
        let server = Server::start(&self.path(""), &all);
        let page = attach(&server, &new_session(&server));
        let running = Running {
            server,
            site: self,
            page: Some(page),
        };
        running.wait_for("begun");
        running
    }
}

impl Running {
    /// What the session has printed.
    fn told(&self) -> Vec<String> {
        let log = self.server.log();
        let lines = log.lines();
        let own = lines.map(|line| line.strip_prefix("session 1: ").unwrap_or(line).to_owned());
        own.filter(|line| line != "begun").collect()
    }

    /// Waits until the session has printed a line that begins like this; returns the line.
    fn wait_for(&self, beginning: &str) -> String {
        let prefix = format!("session 1: {beginning}");
        for _ in 0..POLLS_MAX {
            let log = self.server.log();
            // The last line may not be whole yet.
            let whole = log.rfind('\n').map_or("", |end| &log[..end]);
            if let Some(line) = whole.lines().find(|line| line.starts_with(&prefix)) {
                return line["session 1: ".len()..].to_owned();
            }
            sleep(PAUSE);
        }
        panic!("nothing begins with {beginning:?}");
    }

    /// Ends the server, takes away all that was outside, and replays the session: all is as it was.
    fn replays(mut self) -> String {
        self.page = None;
        self.server.signal("TERM");
        let status = self.server.child.wait().expect("it ends");
        assert!(status.success(), "{status}");
        fs::remove_dir_all(self.site.path("")).expect("the site is removed");
        let file = self.recording();
        let output = lunette(&["replay", &file]);
        assert!(
            output.0 && output.1.ends_with("all as recorded\n"),
            "{}\n{}",
            output.1,
            lunette(&["transcript", &file]).1
        );
        lunette(&["transcript", &file]).1
    }

    fn recording(&self) -> String {
        let dir = fs::read_dir(self.site.folder.0.join("recordings")).expect("recordings");
        let mut files = dir.map(|entry| entry.expect("an entry").path());
        let file = files.next().expect("a recording");
        file.to_string_lossy().into_owned()
    }
}

/// Runs the program; whether it succeeded, and what it said.
fn lunette(arguments: &[&str]) -> (bool, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lunette"));
    let output = command.args(arguments).output().expect("lunette runs");
    let said = [output.stdout, output.stderr].concat();
    (
        output.status.success(),
        String::from_utf8_lossy(&said).into_owned(),
    )
}

/// Waits for something to become true.
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..POLLS_MAX {
        if holds() {
            return;
        }
        sleep(PAUSE);
    }
    panic!("it never happened that {what}");
}
