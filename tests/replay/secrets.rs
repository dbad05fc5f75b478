//! What `[journal] secret` of a site names is shown by no command, whichever way one looks at a session.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::bench_client::{Socket, new_session};
use crate::bench_process::Server;

use super::Scratch;

const MAIN: &str = r#"
App = session:prototype("App", { login = EMPTY, users = EMPTY, seen = 0, told = "" })
Login = session:prototype("Login", { name = "", pin = "" })
local app = session:create(App)
app.login = session:create(Login)
app.users = { session:create(Login, { name = "Bo", pin = "" }) }
function app:known() return #self.login.pin end
session:subscribe("logins", function(login) app.told = login.name end)
function app:tell() session:publish("logins", { name = self.login.name, pin = self.login.pin }) end
session:createAppVariable(app)
"#;
const APP: &str = "<template><main><div ui-view='login'></div><div ui-viewlist='users'></div><b ui-value='known()'></b>\
    <b ui-value='told'></b><button ui-action='tell()'></button></main></template>";
const LOGIN: &str =
    "<template><p><input ui-value='name'><input ui-value='pin?keypress'></p></template>";
const ROW: &str =
    "<template><p><input ui-value='item.name'><input ui-value='item.pin'></p></template>";
const CONFIG: &str =
    "[server]\nstate = \"kept\"\n[journal]\nsecret = [\"login.pin\", \"users.*.pin\"]\n";

/// What a page sends that shows the app and types into it.
const FRAMES: [&str; 6] = [
    r#"[{"type":"watch","data":{"varId":1}},{"type":"create","data":{"id":2,"parentId":1,"properties":{"path":"login"}}},
{"type":"create","data":{"id":3,"parentId":2,"properties":{"path":"name"}}},{"type":"create","data":{"id":4,"parentId":2,"properties":{"path":"pin"}}},
{"type":"create","data":{"id":5,"parentId":1,"properties":{"path":"users","wrapper":"lua.ViewList"}}},{"type":"create","data":{"id":6,"parentId":5,"properties":{"path":"items"}}},
{"type":"create","data":{"id":7,"parentId":6,"properties":{"path":"0"}}},{"type":"create","data":{"id":8,"parentId":7,"properties":{"path":"item.pin"}}},
{"type":"create","data":{"id":9,"parentId":1,"properties":{"path":"tell()","access":"action"}}},{"type":"create","data":{"id":10,"parentId":1,"properties":{"path":"known()"}}}]"#,
    r#"{"userEvent":true,"messages":[{"type":"update","data":{"varId":3,"value":"Ann"}}]}"#,
    r#"{"userEvent":true,"messages":[{"type":"update","data":{"varId":4,"value":"hunter2"}}]}"#,
    r#"{"userEvent":true,"messages":[{"type":"update","data":{"varId":8,"value":"swordfish"}}]}"#,
    r#"{"userEvent":true,"messages":[{"type":"update","data":{"varId":9,"value":null}}]}"#,
    r#"[{"type":"create","data":{"id":11,"parentId":2,"properties":{"path":"pin"}}}]"#,
];

/// A site whose session has been used, the session's id, and the site's directory.
struct Used {
    scratch: Scratch,
    site: PathBuf,
    sid: String,
}

impl Used {
    fn new() -> Used {
        let scratch = Scratch::new();
        let site = scratch.site(MAIN);
        for (name, text) in [
            ("viewdefs/App.DEFAULT.html", APP),
            ("viewdefs/Login.DEFAULT.html", LOGIN),
            ("viewdefs/Login.list-item.html", ROW),
            ("lunette.toml", CONFIG),
        ] {
            fs::write(site.join(name), text).expect("a file of the site");
        }
        let mut serve = Command::new(env!("CARGO_BIN_EXE_lunette"));
        serve.args(["--port", "0", "--dir"]).arg(&site);
        serve.arg("--record").arg(scratch.path("recordings"));
        let server = Server::start(&mut serve).expect("the server starts");
        let sid = new_session(server.address).expect("a session");
        let mut socket = Socket::attach(server.address, &sid).expect("the socket opens");
        for frame in FRAMES {
            socket.send(frame).expect("sent");
        }
        let mut told = String::new();
        while !told.contains("\"varId\":99,") {
            if told.is_empty() {
                socket
                    .send(r#"[{"type":"watch","data":{"varId":99}}]"#)
                    .expect("sent");
            }
            told = socket.receive().expect("an answer").to_owned();
        }
        drop(server);
        Used { scratch, site, sid }
    }

    fn recording(&self) -> PathBuf {
        self.scratch.recording(&self.sid)
    }

    /// Runs a command of the site; its exit code and all it said, which are no secrets.
    fn lunette(&self, arguments: &[&str]) -> (i32, String) {
        let (code, said) = lunette(arguments, Some(&self.site));
        no_secrets(&said);
        (code, said)
    }
}

fn lunette(arguments: &[&str], site: Option<&Path>) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lunette"));
    command.args(arguments);
    if let Some(site) = site {
        command.arg("--dir").arg(site);
    }
    let output = command.output().expect("lunette runs");
    let said = [output.stdout, output.stderr].concat();
    let code = output.status.code().expect("it is not killed");
    (code, String::from_utf8(said).expect("it says UTF-8"))
}

#[track_caller]
fn no_secrets(text: &str) {
    for secret in ["hunter2", "swordfish"] {
        assert!(!text.contains(secret), "{secret} in\n{text}");
    }
}

#[test]
fn no_command_shows_what_the_site_calls_secret() {
    let used = Used::new();
    // The state directory is the one that the site's lunette.toml names.
    let (code, said) = used.lunette(&["sessions"]);
    assert!(code == 0 && said.contains(&used.sid), "{said}");
    let recording = used.recording();
    let file = recording.to_str().expect("UTF-8");
    for what in [used.sid.as_str(), file] {
        let (code, said) = used.lunette(&["transcript", what]);
        assert_eq!(code, 0, "{said}");
        assert!(
            said.contains("(4 is login.pin)") && said.contains("Ann"),
            "{said}"
        );
        assert!(said.contains("secret login.pin, users.*.pin\n"), "{said}");
        let shown = said.matches("***").count();
        assert!(shown >= 3, "typed twice, published once: {said}");
        let (code, said) = used.lunette(&["replay", what]);
        assert_eq!(code, 0, "{said}");
    }
    // A recording knows by itself what is secret in it, wherever it is.
    let (_, said) = lunette(&["transcript", file], None);
    no_secrets(&said);
    let bug = used.scratch.path("bug.lnt");
    let bug = bug.to_str().expect("UTF-8");
    for (name, what) in [("a", &*used.sid), ("b", file)] {
        let bug = format!("{bug}{name}");
        let (code, said) = used.lunette(&["export", what, "-o", &bug]);
        assert_eq!(code, 0, "{said}");
        assert!(said.contains("secret values are blanked"), "{said}");
        no_secrets(&String::from_utf8_lossy(&fs::read(&bug).expect("read")));
        // Its code looks at the length of a secret, and that is told without any.
        let (code, said) = lunette(&["replay", &bug], None);
        assert_eq!(code, 5, "{said}");
        no_secrets(&said);
    }
}

#[test]
fn a_divergence_is_told_without_secrets() {
    let used = Used::new();
    let changed = super::tampered(&used.recording(), |frame| {
        frame
            .replace("hunter2", "hunter3")
            .replace("swordfish", "angelfish")
    });
    let changed = changed.to_str().expect("UTF-8");
    let (code, said) = used.lunette(&["replay", changed]);
    assert_eq!(code, 5, "{said}");
    assert!(
        said.contains("variable 11 (login.pin), value: recorded a secret, replayed another"),
        "{said}"
    );
    assert!(!said.contains("hunter3"), "{said}");
}

#[test]
fn a_test_made_of_a_session_has_no_secrets() {
    let used = Used::new();
    let site = used.site.to_str().expect("UTF-8");
    for from in [used.sid.as_str(), used.recording().to_str().expect("UTF-8")] {
        let (code, said) = lunette(&["test", site, "login", "--from", from], None);
        assert_eq!(code, 0, "{said}");
        let file = used.site.join("tests/login.lunette");
        let text = fs::read_to_string(&file).expect("a test");
        no_secrets(&text);
        assert!(text.contains("# \"***\" was secret"), "{text}");
        assert!(text.contains("\nset login.pin \"***\"\n"), "{text}");
        assert!(text.contains("\nset users[0].item.pin \"***\"\n"), "{text}");
        fs::remove_file(file).expect("removed");
    }
    // What a test compares is told without it, too; what somebody wrote into the test they know.
    let steps = "recording 1\nset login.pin \"hunter2\"\nexpect login.pin \"\"\n";
    fs::write(used.site.join("tests/pin.lunette"), steps).expect("written");
    let (code, said) = lunette(&["test", site, "--update"], None);
    assert_eq!(code, 5, "{said}");
    assert!(said.contains("is        \"***\""), "{said}");
    no_secrets(&said);
    assert!(!used.site.join("tests/pin.lunette.new").exists());
}
