//! What somebody is told who starts a server for the first time and gets something wrong: each message says where it
//! is and what to do. A server whose site has mistakes serves all the same, and says them at once.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

use super::{complaint, lunette};
use crate::net::process::{Folder, Server, site};

/// A folder with sites that are wrong in one way each.
fn sites() -> Folder {
    let folder = Folder::new();
    for (name, content) in [
        ("empty/readme", ""),
        ("flat/main.lua", ""),
        (
            "good/lua/main.lua",
            "session:createAppVariable({ type = 'App' })",
        ),
        (
            "good/viewdefs/App.DEFAULT.html",
            "<template><p></p></template>",
        ),
        ("twice/lua/main.lua", ""),
        ("twice/lunette.toml", "[server]\nport = 1\nport = 2\n"),
        ("key/lua/main.lua", ""),
        ("key/lunette.toml", "[server]\n\nprot = 8080\n"),
        ("file", ""),
    ] {
        folder.write(name, content);
    }
    folder
}

/// Exit code, arguments, and what is told.
type Case<'a> = (i32, &'a [&'a str], &'a [&'a str]);

const CASES: &[Case<'static>] = &[
    (
        3,
        &["--dir", "nowhere"],
        &["nowhere: No such file", "--dir must name a directory"],
    ),
    (
        3,
        &["--dir", "file"],
        &["file: Not a directory", "--dir must name a directory"],
    ),
    (
        3,
        &["--dir", "empty"],
        &["empty/lua/main.lua is no file", "lunette new DIR"],
    ),
    (
        3,
        &["--dir", "flat"],
        &[
            "flat/lua/main.lua is no file",
            "move it into the folder lua",
        ],
    ),
    (
        3,
        &["--dir", "good/lua"],
        &["good/lua/lua/main.lua is no file", "--dir good"],
    ),
    (
        3,
        &["--dir", "good/viewdefs/"],
        &["is no file", "--dir good"],
    ),
    (
        3,
        &["--dir", "twice"],
        &["twice/lunette.toml:3: ", "duplicate key"],
    ),
    (
        3,
        &["--dir", "key"],
        &["key/lunette.toml:3: ", "did you mean port?"],
    ),
    (
        2,
        &["--port", "70000"],
        &["a port is a number from 0 to 65535"],
    ),
    (
        2,
        &["--port", "-1"],
        &["a port is a number from 0 to 65535"],
    ),
    (
        2,
        &["--port", "http"],
        &["a port is a number from 0 to 65535"],
    ),
    (2, &["--gas", "much"], &["write a whole number"]),
    (2, &["--admin-listen", "9100"], &["such as 127.0.0.1:9100"]),
    (
        3,
        &["--host", "0.0.0.0"],
        &["host 0.0.0.0 can be reached", "--insecure-no-auth"],
    ),
    (
        4,
        &["--host", "192.0.2.1", "--insecure-no-auth"],
        &["an address of this machine"],
    ),
    (
        3,
        &["--state", "file"],
        &["file", "--state must name a directory that can be written"],
    ),
    (
        3,
        &["--record", "file"],
        &["cannot record into file", "--record must name a directory"],
    ),
    (
        2,
        &["good"],
        &["tip: a site is named by an option: lunette --dir good"],
    ),
    (2, &["serve", "good"], &["lunette --dir good"]),
    (2, &["--dev", "good"], &["lunette --dir good"]),
    (2, &["sevre"], &["did you mean serve?"]),
    (2, &["--hotlaod"], &["did you mean --hotload?"]),
    (2, &["--prot", "80"], &["did you mean --port?"]),
    (2, &["--recover", "sometimes"], &["lazy, eager, none"]),
    (
        1,
        &["replay", "bug.lnt"],
        &[
            "bug.lnt: No such file",
            "a file that --record or export made",
        ],
    ),
    (1, &["new", "good"], &["good is not empty"]),
];

#[test]
fn a_start_that_cannot_be_says_why_and_what_to_do() {
    let folder = sites();
    let busy = Server::start(&site("counter"), &[]);
    let port = busy.address.port().to_string();
    let state = folder.0.join("state").to_string_lossy().into_owned();
    let _holder = Server::start(&site("counter"), &["--state", &state]);
    let dynamic: [Case; 2] = [
        (
            4,
            &["--port", &port],
            &["has this port: stop it, or take another with --port"],
        ),
        (
            3,
            &["--state", &state],
            &["another lunette that is running", "--state DIR"],
        ),
    ];
    for (code, arguments, told) in CASES.iter().chain(&dynamic) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lunette"));
        command.current_dir(&folder.0).args(*arguments);
        let serves = arguments[0].starts_with("--");
        if serves && !arguments.contains(&"--state") && *code != 2 {
            command.args(["--state", "none"]);
        }
        if serves && !arguments.contains(&"--port") && *code != 2 {
            command.args(["--port", "0"]);
        }
        let errors = complaint(&command.output().expect("it runs"), *code);
        for part in *told {
            assert!(
                errors.contains(part),
                "{arguments:?}: no {part:?} in {errors}"
            );
        }
    }
}

#[test]
fn what_may_not_be_read_is_named() {
    let folder = sites();
    for (name, mode) in [("good/lua/main.lua", 0o000), ("empty", 0o000)] {
        let permissions = PermissionsExt::from_mode(mode);
        std::fs::set_permissions(folder.0.join(name), permissions).expect("mine");
    }
    let as_anybody = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lunette"));
        command.current_dir(&folder.0).args(arguments);
        // Root may read everything.
        if rustix::process::geteuid().is_root() {
            command.uid(65534);
        }
        command.output()
    };
    if as_anybody(&["version"]).is_ok_and(|output| output.status.success()) {
        for (dir, told) in [
            ("good", "good/lua/main.lua: Permission denied"),
            ("empty", "empty: Permission denied"),
        ] {
            let output = as_anybody(&["--dir", dir, "--state", "none", "--port", "0"]);
            let errors = complaint(&output.expect("it runs"), 3);
            assert!(errors.contains(told), "{errors}");
        }
    } else {
        println!("skipped: not everybody can run the program where it lies");
    }
    let permissions = PermissionsExt::from_mode(0o700);
    std::fs::set_permissions(folder.0.join("empty"), permissions).expect("mine");
}

#[test]
fn mistakes_in_a_site_are_told_at_the_start_with_their_place() {
    let folder = Folder::new();
    for (name, content) in [
        ("lua/main.lua", "local x = 1\nlocal y = = 2\n"),
        ("lua/other.lua", "function\n"),
        ("viewdefs/App.DEFAULT.html", "\n<p>no template</p>\n"),
        ("viewdefs/Part.html", "<template></template>"),
        (
            "viewdefs/Row.DEFAULT.html",
            "<template>\n<p ui-value=\"a..b(\"></p>\n</template>\n",
        ),
    ] {
        folder.write(name, content);
    }
    let server = Server::start(&folder.0, &[]);
    let log = server.log();
    for told in [
        "lua/main.lua:2: unexpected symbol near '='",
        "lua/other.lua:2: ",
        "viewdefs/App.DEFAULT.html:2: not a viewdef",
        "put it around what is here",
        "viewdefs/Part.html: not a viewdef: the name must be TYPE.NAMESPACE.html",
        "viewdefs/Row.DEFAULT.html:2: the path \"a..b(\" is none",
    ] {
        assert!(log.contains(told), "no {told:?} in {log}");
    }
    let bare = Folder::new();
    bare.write(
        "lua/main.lua",
        "session:createAppVariable({ type = 'App' })",
    );
    let log = Server::start(&bare.0, &[]).log();
    assert!(
        log.contains("no templates: write viewdefs/TYPE.DEFAULT.html"),
        "{log}"
    );
    // A site without mistakes is served without a word.
    assert_eq!(Server::start(&site("counter"), &[]).log(), "");
    let output = lunette(&["check", &bare.0.to_string_lossy()]);
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("no templates"),
        "{output:?}"
    );
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        said.contains("no mistakes; see what is said above"),
        "{said}"
    );
}
