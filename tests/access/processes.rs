//! `session:spawn`: lines, input, ends of every kind, floods, and that nothing is left behind.

use std::fs;

use super::{Running, Site, eventually};
use crate::net::process::Server;
use crate::net::websocket::{attach, close_code, new_session};

/// Whether a process of this number runs, and not just waits to be asked how it ended.
pub fn is_alive(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit(')').next().unwrap_or_default().trim_start();
    !state.is_empty() && !state.starts_with('Z')
}

/// Tells lines and ends; ends with a line that begins with `exit NAME`.
const SPAWN: &str = r#"
local function spawn(name, options)
    options.onLine = options.onLine or function(line, stream) print(name, stream, line) end
    options.onExit = options.onExit or function(e)
        print("exit " .. name, e.code, e.signal, e.timeout, e.interrupted, e.error)
    end
    return session:spawn(options)
end
"#;

fn site(main: &str) -> Site {
    let commands = r#"commands = ["sh", "cat", "echo", "yes", "sleep", "true", "no-such-command", "/bin/echo", "./tool"]"#;
    Site::new(
        &format!("allow = [\"spawn\"]\n{commands}"),
        &format!("{SPAWN}{main}"),
    )
}

fn descriptors(running: &Running) -> usize {
    let path = format!("/proc/{}/fd", running.server.child.id());
    fs::read_dir(path).expect("the server runs").count()
}

/// The children of the server, dead ones that wait to be asked among them.
fn children(running: &Running) -> usize {
    let id = running.server.child.id();
    let path = format!("/proc/{id}/task/{id}/children");
    let children = fs::read_to_string(path).expect("the server runs");
    children.split_whitespace().count()
}

#[test]
fn lines_come_with_their_stream_and_the_end_comes_last() {
    let running = site(
        r#"
        local p
        p = spawn("a", { cmd = "sh", onLine = function(line, stream) print("a", stream, line) p:write("\n") end,
            args = { "-c", "echo one; read x; echo two >&2; read x; printf 'last\\0\\377'; exit 3" } })
        "#,
    )
    .run();
    running.wait_for("exit a");
    assert_eq!(
        running.told(),
        [
            "a\tstdout\tone",
            "a\tstderr\ttwo",
            "a\tstdout\tlast\\u{0}\u{fffd}",
            "exit a\t3\tnil\tnil\tnil\tnil",
        ]
    );
    let transcript = running.replays();
    assert!(
        transcript.contains("process 1: spawn \"sh\" \"-c\" "),
        "{transcript}"
    );
    assert!(
        transcript.contains("process 1 stdout: one\\n"),
        "{transcript}"
    );
    assert!(
        transcript.contains("process 1 exited: code 3"),
        "{transcript}"
    );
}

#[test]
fn input_is_written_and_ended() {
    let running = site(
        r#"
        local p = spawn("cat", { cmd = "cat" })
        print(tostring(p), p:write("hello\n"), p:write("a\nb"), p:close(), p:write("ignored"))
        spawn("text", { cmd = "cat", stdin = "all\nof it\n" })
        spawn("none", { cmd = "cat", stdin = false })
        local big = ("0123456789"):rep(50000) .. "\n"
        local got = 0
        spawn("big", { cmd = "cat", stdin = big, onLine = function(line) got = got + #line end,
            onExit = function(e) print("exit big", e.code, got == #big - 1) end })
        "#,
    )
    .run();
    for name in ["cat", "text", "none", "big"] {
        running.wait_for(&format!("exit {name}"));
    }
    let mut told = running.told();
    assert_eq!(told.remove(0), "process 1\ttrue\ttrue\ttrue\ttrue");
    told.sort();
    assert_eq!(
        told,
        [
            "cat\tstdout\ta",
            "cat\tstdout\tb",
            "cat\tstdout\thello",
            "exit big\t0\ttrue",
            "exit cat\t0\tnil\tnil\tnil\tnil",
            "exit none\t0\tnil\tnil\tnil\tnil",
            "exit text\t0\tnil\tnil\tnil\tnil",
            "text\tstdout\tall",
            "text\tstdout\tof it",
        ]
    );
    running.replays();
}

#[test]
fn processes_are_killed_time_out_and_fail_to_start() {
    let running = site(
        r#"
        local killed = spawn("killed", { cmd = "sleep", args = { 1000 } })
        print(killed:kill(), killed:kill())
        spawn("late", { cmd = "sleep", args = { "1000" }, timeout = 50 })
        spawn("none", { cmd = "no-such-command" })
        spawn("stubborn", { cmd = "sh", args = { "-c", "trap '' TERM; echo ready; while :; do sleep 1000; done" },
            onLine = function() stubborn:kill() end })
        stubborn = session:getApp()
        "#,
    );
    running_kills(running);
}

fn running_kills(site: Site) {
    let main = site.read("lua/main.lua");
    let main = main.replace("stubborn = session:getApp()\n", "").replace(
        "        spawn(\"stubborn\"",
        "        stubborn = spawn(\"stubborn\"",
    );
    site.write("lua/main.lua", main);
    let running = site.run();
    for name in ["killed", "late", "none", "stubborn"] {
        running.wait_for(&format!("exit {name}"));
    }
    let mut told = running.told();
    told.sort();
    assert_eq!(
        told,
        [
            "exit killed\tnil\t15\tnil\tnil\tnil",
            "exit late\tnil\t15\ttrue\tnil\tnil",
            "exit none\tnil\tnil\tnil\tnil\tno-such-command: No such file or directory",
            "exit stubborn\tnil\t9\tnil\tnil\tnil",
            "true\ttrue",
        ]
    );
    assert_eq!(children(&running), 0);
    running.replays();
}

#[test]
fn handles_of_ended_processes_are_harmless() {
    let running = site(
        r#"
        local p
        p = spawn("a", { cmd = "true", onExit = function(e)
            print(p:write("x"), p:close(), p:kill(), tostring(p), p.nothing, getmetatable(p))
            print(pcall(p.write, {}, "x"))
            print(pcall(p.write))
            print("exit a")
        end })
        "#,
    )
    .run();
    running.wait_for("exit a");
    assert_eq!(
        running.told()[..3],
        [
            "nil\tfalse\tfalse\tprocess 1\tnil\tfalse",
            "false\tno process: call it with a colon, process:write(text)",
            "false\tno process: call it with a colon, process:write(text)",
        ]
    );
    running.replays();
}

#[test]
fn what_is_asked_for_wrongly_is_said() {
    let running = site(
        r#"
        local function try(options) print((select(2, pcall(session.spawn, session, options)))) end
        try(nil)
        try({})
        try({ cmd = "ls" })
        try({ cmd = "/usr/bin/echo" })
        try({ cmd = "echo", args = "a b" })
        try({ cmd = "echo", args = { {} } })
        try({ cmd = "echo", args = { ("x"):rep(70000) } })
        try({ cmd = "echo", timeout = "1s" })
        try({ cmd = "echo", onLine = "f" })
        for i = 1, 9 do print(pcall(session.spawn, session, { cmd = "sleep", args = { 1000 } })) end
        "#,
    )
    .run();
    let told = running.told();
    let expected = [
        "session:spawn: give it a table, such as {cmd = \"df\", onLine = print}",
        "session:spawn: cmd must be the name of a program, such as \"df\"",
        "session:spawn: \"ls\" is not granted: add it to commands of [lua] in lunette.toml",
        "session:spawn: \"/usr/bin/echo\" is not granted: add it to commands of [lua] in lunette.toml",
        "session:spawn: args must be an array, such as {\"-h\", \"/\"}; there is no shell that would split a text",
        "session:spawn: argument 1 is no text",
        "session:spawn: more than 256 arguments, or more than 65536 bytes of them: write data to its input",
        "session:spawn: timeout must be milliseconds",
        "session:spawn: onLine must be a function",
        "true\tprocess 1",
    ];
    for (line, expected) in told.iter().zip(expected) {
        assert_eq!(line, expected);
    }
    assert_eq!(
        told[17],
        "false\tthis session has 8 processes running, the most it may have"
    );
    running.replays();
}

#[test]
fn programs_run_in_the_site_with_few_variables_and_no_descriptors() {
    let site = site(
        r#"
        spawn("tool", { cmd = "./tool", onLine = function(line) print("tool " .. line) end })
        spawn("echo", { cmd = "/bin/echo", args = { "a b", "$HOME", "*", 5, 2.5 } })
        "#,
    );
    site.write("tool", "#!/bin/sh\nenv | cut -d= -f1 | sort | tr '\\n' ' '\necho\nls /proc/self/fd | tr '\\n' ' '\necho\nls\n");
    let permissions = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(site.path("tool"), permissions).expect("its mode");
    let running = site.run();
    running.wait_for("exit tool");
    running.wait_for("exit echo");
    let told = running.told();
    assert!(
        told.contains(&"echo\tstdout\ta b $HOME * 5 2.5".to_owned()),
        "{told:?}"
    );
    let tool: Vec<&str> = told
        .iter()
        .filter_map(|line| line.strip_prefix("tool "))
        .collect();
    let known = [
        "PATH", "HOME", "LANG", "LC_ALL", "TZ", "PWD", "OLDPWD", "SHLVL", "_",
    ];
    let names: Vec<&str> = tool[0].split_whitespace().collect();
    assert!(names.contains(&"PATH"), "{names:?}");
    assert!(names.iter().all(|name| known.contains(name)), "{names:?}");
    assert_eq!(tool[1].trim(), "0 1 2 3", "3 is what ls itself opened");
    assert_eq!(tool[2..], ["lua", "lunette.toml", "tool", "viewdefs"]);
    running.replays();
}

#[test]
fn a_flood_is_taken_as_fast_as_it_can_be_and_stops_nobody() {
    let running = site(
        r#"
        local lines = 0
        local flood
        flood = spawn("flood", { cmd = "yes", onLine = function()
            lines = lines + 1
            if lines == 200000 then flood:kill() end
        end, onExit = function(e) print("exit flood", e.signal, lines >= 200000) end })
        local long, pieces = 0, 0
        spawn("long", { cmd = "sh", args = { "-c", "head -c 300000 /dev/zero | tr '\\0' x" },
            onLine = function(line) long = long + #line; pieces = pieces + 1 end,
            onExit = function() print("exit long", long, pieces > 1 and pieces <= 5) end })
        session:setTimeout(function() print("timer") end, 1)
        "#,
    )
    .run();
    for line in ["exit flood", "exit long", "timer"] {
        running.wait_for(line);
    }
    let mut told = running.told();
    told.sort();
    assert_eq!(
        told,
        ["exit flood\t15\ttrue", "exit long\t300000\ttrue", "timer"]
    );
    running.replays();
}

#[test]
fn errors_of_its_functions_are_told_and_it_goes_on() {
    let running = site(
        r#"
        local n, p = 0
        p = spawn("a", { cmd = "sh", args = { "-c", "echo 1; read x; printf '2\\n3\\n'" }, onLine = function(line)
            n = n + 1
            p:write("\n")
            if n == 1 then error("no " .. line) end
            if n == 2 then while true do end end
        end, onExit = function(e) print("exit a", n); error("at the end") end })
        "#,
    )
    .run();
    running.wait_for("error in process 1: main.lua:16: at the end");
    let told = running.told().join("\n");
    assert!(
        told.contains("error in process 1: main.lua:14: no 1"),
        "{told}"
    );
    assert!(
        told.contains("error in process 1: main.lua:15: gas limit"),
        "{told}"
    );
    assert!(
        told.contains("process 1: the lines that came with it are dropped"),
        "{told}"
    );
    assert!(told.contains("exit a\t2"), "{told}");
    running.replays();
}

#[test]
fn a_session_that_cannot_start_starts_no_process() {
    let site = site(r#"spawn("a", { cmd = "sh", args = { "-c", "echo > ran" } }) error("no app")"#);
    let recordings = site.folder.0.join("recordings");
    let recordings = recordings.to_string_lossy();
    let server = Server::start(&site.path(""), &["--record", &recordings]);
    let mut page = attach(&server, &new_session(&server));
    assert_eq!(close_code(&mut page), 1011);
    let running = Running {
        server,
        site,
        page: None,
    };
    assert_eq!(children(&running), 0);
    assert!(!running.site.path("ran").exists());
    let transcript = running.replays();
    assert!(!transcript.contains("process 1"), "{transcript}");
}

#[test]
fn a_thousand_processes_leave_nothing_behind() {
    let running = site(
        r#"
        local begun, ended = 0, 0
        local function next()
            if begun == 1000 then return end
            begun = begun + 1
            session:spawn { cmd = "true", onExit = function(e)
                assert(e.code == 0)
                ended = ended + 1
                if ended == 1000 then print("exit all") end
                next()
            end }
        end
        session:setTimeout(function() print("exit none"); for _ = 1, 8 do next() end end, 300)
        "#,
    )
    .run();
    let before = descriptors(&running);
    running.wait_for("exit all");
    eventually("all are reaped", || children(&running) == 0);
    eventually("all are closed", || descriptors(&running) <= before);
    running.replays();
}

#[test]
fn what_a_process_started_goes_with_it_and_all_goes_with_the_session() {
    let main = r#"
        spawn("parent", { cmd = "sh", args = { "-c", "sleep 1000 & echo $!" } })
        spawn("stays", { cmd = "sh", args = { "-c", "sleep 1000 & echo $!; wait" } })
    "#;
    let mut running = site(main).run_with(&["--session-timeout", "100ms"]);
    running.wait_for("exit parent");
    running.wait_for("stays");
    let told = running.told();
    let pid = |name: &str| {
        let line = told
            .iter()
            .find(|line| line.starts_with(&format!("{name}\tstdout\t")));
        let line = line.unwrap_or_else(|| panic!("{told:?}"));
        line.rsplit('\t').next().unwrap_or_default().to_owned()
    };
    let (orphan, stays) = (pid("parent"), pid("stays"));
    eventually("the orphan is gone", || !is_alive(&orphan));
    assert!(is_alive(&stays));
    running.page = None;
    eventually("the session's processes are gone", || !is_alive(&stays));
    eventually("they are reaped", || children(&running) == 0);
    running.replays();
}

#[test]
fn the_server_takes_its_processes_with_it() {
    let main = r#"
        spawn("polite", { cmd = "sh", args = { "-c", "echo $$; exec sleep 1000" } })
        spawn("stubborn", { cmd = "sh", args = { "-c", "trap '' TERM; echo $$; while :; do sleep 1000; done" } })
    "#;
    for signal in ["TERM", "KILL"] {
        let mut running = site(main).run();
        let pids = ["polite", "stubborn"].map(|name| {
            let line = running.wait_for(name);
            line.rsplit('\t').next().unwrap_or_default().to_owned()
        });
        assert!(pids.iter().all(|pid| is_alive(pid)));
        running.page = None;
        running.server.signal(signal);
        running.server.child.wait().expect("it ends");
        eventually("all are gone", || !pids.iter().any(|pid| is_alive(pid)));
    }
}

#[test]
fn a_process_that_does_not_read_is_ended_when_too_much_waits() {
    let running = site(
        r#"
        local p = spawn("deaf", { cmd = "sleep", args = { 1000 } })
        local text = ("x"):rep(1024 * 1024)
        for _ = 1, 6 do assert(p:write(text)) end
        print(pcall(p.write, p, text .. "x"))
        "#,
    )
    .run();
    assert_eq!(
        running.wait_for("exit deaf"),
        "exit deaf\tnil\t15\tnil\tnil\tdoes not read its input: 4194304 bytes wait for it"
    );
    assert_eq!(
        running.told()[0],
        "false\ta process takes at most 1048576 bytes at a time"
    );
    running.replays();
}

#[test]
fn a_stopping_server_starts_no_more() {
    let mut running = site(
        r#"
        local function again(e)
            print("again", e.signal, e.error)
            if not e.error then spawn("next", { cmd = "sleep", args = { 1000 }, onExit = again }) end
        end
        again({})
        "#,
    )
    .run();
    running.server.signal("TERM");
    let status = running.server.child.wait().expect("it ends");
    assert!(status.success());
    let told = running.told();
    assert_eq!(told[0], "again\tnil\tnil");
    // Whether it still hears of them depends on when its page is gone.
    let rest = ["again\t15\tnil", "again\tnil\tsleep: the server stops"];
    assert!(
        told[1..].iter().all(|line| rest.contains(&line.as_str())),
        "{told:?}"
    );
    running.page = None;
}

#[test]
fn a_server_has_so_many_processes_and_says_so() {
    let site = site(
        r#"
        for i = 1, 8 do
            spawn("p", { cmd = "sleep", args = { 1000 }, onExit = function(e) print("exit " .. e.error) end })
        end
        "#,
    );
    let server = Server::start(&site.path(""), &[]);
    let pages: Vec<_> = (0..17)
        .map(|_| attach(&server, &new_session(&server)))
        .collect();
    let text = "exit sleep: 128 processes run, the most this server has\n";
    eventually("those that are too many are told", || {
        server.log().matches(text).count() == 8
    });
    drop(pages);
    server.signal("TERM");
}
