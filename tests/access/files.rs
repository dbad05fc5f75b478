//! `session:readFile` and `session:writeFile`: what they give, and that nothing leads out.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use lunette::journal::{Output, Reader, Writer};

use super::{Site, lunette};

const SHOW: &str = r#"
    local function show(...) print(...) end
    local function read(path) print(path, session:readFile(path)) end
    local function write(path, text) print(path, session:writeFile(path, text)) end
"#;
const OUTSIDE: &str =
    "not inside the directories that read and write of [lua] in lunette.toml name\t13";

fn site(settings: &str, main: &str) -> Site {
    let settings = format!("allow = [\"files\"]\n{settings}");
    Site::new(&settings, &format!("{}{main}", SHOW.replace('\n', " ")))
}

#[test]
fn files_are_read_and_written_whole() {
    let main = r#"
        read("data/none")
        write("data/new/deep", "x")
        write("data/a.txt", "one\0two\255")
        print(#session:readFile("data/a.txt"), session:readFile("data/a.txt") == "one\0two\255")
        write("data/a.txt", "shorter")
        read("data/a.txt")
        read("data/./sub/../a.txt")
        write("data/empty", "")
        read("data/empty")
        print(pcall(session.readFile, session))
        print(pcall(session.writeFile, session, "data/x"))
    "#;
    let site = site("", main);
    assert!(
        !site.path("data").exists(),
        "made when it is first written to"
    );
    let running = site.run();
    assert_eq!(
        running.told(),
        [
            "data/none\tnil\tdata/none: No such file or directory\t2",
            "data/new/deep\tnil\tdata/new/deep: No such file or directory\t2",
            "data/a.txt\ttrue",
            "8\ttrue",
            "data/a.txt\ttrue",
            "data/a.txt\tshorter",
            "data/./sub/../a.txt\tshorter",
            "data/empty\ttrue",
            "data/empty",
            "false\tbad argument #2 to '?' (string expected, got no value)",
            "false\tbad argument #3 to '?' (string expected, got no value)",
        ]
    );
    assert_eq!(running.site.read("data/a.txt"), "shorter");
    let left = fs::read_dir(running.site.path("data")).expect("the directory");
    let mut left: Vec<_> = left
        .map(|entry| entry.expect("an entry").file_name())
        .collect();
    left.sort();
    assert_eq!(left, ["a.txt", "empty"], "nothing temporary stays");
    running.replays();
}

#[test]
fn nothing_leads_out_of_the_granted_directories() {
    let main = r#"
        for _, path in ipairs {
            "lua/main.lua", "/etc/passwd", "data/../lua/main.lua", "data/../../secret", "../secret",
            "data", "data/", "", ".", "data/\0x",
            "data/chain", "data/file-out", "data/dir-out/secret", "data/absolute", "data/up/secret",
            "data/loop", "/proc/self/root/etc/passwd", "data/proc",
        } do
            local content, why = session:readFile(path)
            local written, why2 = session:writeFile(path, "overwritten")
            print(path, content, why, written, why2)
        end
        read("data/inside")
        read("data/dir-in/here")
        write("data/dir-in/here", "changed")
        read("data/inside")
    "#;
    let site = site("", main);
    site.write("../secret", "secret");
    site.write("data/sub/here", "here");
    let link = |to: &str, name: &str| symlink(to, site.path(name)).expect("a link");
    link("../../secret", "data/file-out");
    link("../..", "data/dir-out");
    link("/etc/passwd", "data/absolute");
    link("../..", "data/up");
    link("loop", "data/loop");
    link("file-out", "data/chain");
    link("/proc/self/root", "data/proc");
    link("sub/here", "data/inside");
    link("sub", "data/dir-in");
    let before = site.read("lua/main.lua");
    let running = site.run();
    let told = running.told();
    assert_eq!(told.len(), 22, "{told:#?}");
    for line in &told[..18] {
        let parts: Vec<&str> = line.split('\t').collect();
        assert_eq!((parts[1]), "nil", "{line}");
        // A link itself may be replaced by a file; what it points to stays.
        let link = matches!(
            parts[0],
            "data/file-out" | "data/absolute" | "data/loop" | "data/chain"
        ) || parts[0] == "data/up"
            || parts[0] == "data/proc";
        assert_eq!(parts[3] == "nil", !link, "{line}");
        assert!(
            !line.contains("root:") && !line.contains("\tsecret"),
            "{line}"
        );
    }
    assert_eq!(
        told[18..],
        [
            "data/inside\there",
            "data/dir-in/here\there",
            "data/dir-in/here\ttrue",
            "data/inside\tchanged",
        ]
    );
    assert_eq!(running.site.read("../secret"), "secret");
    assert_eq!(running.site.read("lua/main.lua"), before);
    assert_eq!(running.site.read("data/sub/here"), "changed");
    running.replays();
}

#[test]
fn nobody_gets_out_while_links_change_meanwhile() {
    let main = r#"
        local tries, inside, out = 0, 0, 0
        local function try()
            for _ = 1, 200 do
                local text = session:readFile("data/flip/file")
                if text == "inside" then inside = inside + 1 elseif text then out = out + 1 end
                if session:writeFile("data/flip/new", "x") then inside = inside + 1 end
                session:writeFile("data/flip/file", "inside")
            end
            tries = tries + 1
            if tries < 20 then session:setImmediate(try) else print("tried", inside > 0, out) end
        end
        session:setTimeout(try, 50)
    "#;
    let site = site("", main);
    site.write("data/real/file", "inside");
    site.write("outside/file", "secret");
    let (link, out) = (site.path("data/flip"), site.path("outside"));
    symlink("real", &link).expect("a link");
    let running = site.run();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let next = link.with_extension("next");
            while !stop.load(Ordering::Relaxed) {
                for to in [&out, Path::new("real")] {
                    symlink(to, &next).expect("a link");
                    fs::rename(&next, &link).expect("it takes the place of the other");
                }
            }
        });
        let told = running.wait_for("tried");
        stop.store(true, Ordering::Relaxed);
        assert_eq!(told, "tried\ttrue\t0");
    });
    assert_eq!(running.site.read("outside/file"), "secret");
    let left = fs::read_dir(running.site.path("outside")).expect("the directory");
    assert_eq!(left.count(), 1, "nothing was written there");
    running.replays();
}

#[test]
fn reading_and_writing_are_granted_apart() {
    let main = r#"
        read("shown/a")
        write("shown/a", "x")
        read("one.txt")
        read("two.txt")
        write("one.txt", "x")
        write("data/a", "x")
        write("kept/b", "x")
        local here = session:readFile("/proc/loadavg")
        print(here:match("^%d+%.%d+ %d+%.%d+ ") ~= nil)
        read("/proc/self/environ/x")
        write("/proc/version", "x")
    "#;
    let site = site(
        "read = [\"shown\", \"one.txt\", \"/proc\"]\nwrite = [\"kept\"]",
        main,
    );
    site.write("shown/a", "content");
    site.write("one.txt", "one");
    site.write("two.txt", "two");
    let running = site.run();
    let read_only =
        "may be read, but not written: write of [lua] in lunette.toml does not name it\t13";
    assert_eq!(
        running.told(),
        [
            "shown/a\tcontent".to_owned(),
            format!("shown/a\tnil\tshown/a: {read_only}"),
            "one.txt\tone".into(),
            format!("two.txt\tnil\ttwo.txt: {OUTSIDE}"),
            format!("one.txt\tnil\tone.txt: {read_only}"),
            format!("data/a\tnil\tdata/a: {OUTSIDE}"),
            "kept/b\ttrue".into(),
            "true".into(),
            "/proc/self/environ/x\tnil\t/proc/self/environ/x: Not a directory\t20".into(),
            format!("/proc/version\tnil\t/proc/version: {read_only}"),
        ]
    );
    running.replays();
}

#[test]
fn single_files_can_be_granted() {
    let main = r#"
        read("jobs.json")
        write("jobs.json", "[]")
        read("jobs.json")
        read("other.json")
        write("jobs.json/x", "")
        write("dir", "x")
        local f = io.open("log.txt", "a")
        f:write("line\n")
        f:close()
        print(os.remove("jobs.json"))
        print(os.rename("log.txt", "data/log"))
        print(io.open("log.txt"):read("a"))
    "#;
    let settings = "write = [\"jobs.json\", \"log.txt\", \"dir\"]";
    let site = Site::new(
        &format!("allow = [\"files\", \"io\", \"os\"]\n{settings}"),
        &format!("{}{main}", SHOW.replace('\n', " ")),
    );
    fs::create_dir(site.path("dir")).expect("a directory");
    let running = site.run();
    assert_eq!(
        running.told(),
        [
            "jobs.json\tnil\tjobs.json: No such file or directory\t2".to_owned(),
            "jobs.json\ttrue".into(),
            "jobs.json\t[]".into(),
            format!("other.json\tnil\tother.json: {OUTSIDE}"),
            "jobs.json/x\tnil\tjobs.json/x: Not a directory\t20".into(),
            "dir\tnil\tdir: Is a directory\t21".into(),
            "nil\tjobs.json: is itself what is granted\t13".into(),
            "nil\tlog.txt: is itself what is granted\t13".into(),
            "line".into(),
        ]
    );
    running.replays();
}

#[test]
fn what_is_no_regular_file_makes_nobody_wait() {
    let main = r#"
        read("data/pipe")
        write("data/pipe", "x")
        read("/dev/zero")
        read("/dev/tty")
        write("/dev/null", "x")
        read("data/sub")
        write("data/sub", "x")
        read("data/socket")
        read("data/big")
        print(#session:readFile("data/largest"))
        print(select(2, pcall(session.writeFile, session, "data/new", ("x"):rep(8 * 1024 * 1024 + 1))))
        read(("x"):rep(300) .. "/a")
        print(select(2, pcall(session.readFile, session, ("x"):rep(5000))))
    "#;
    let site = site("read = [\"/dev\"]\nwrite = [\"data\", \"/dev\"]", main);
    site.write("data/sub/x", "");
    let made = Command::new("mkfifo").arg(site.path("data/pipe")).status();
    assert!(made.is_ok_and(|status| status.success()));
    let socket = site.path("data/socket");
    let socket = std::os::unix::net::UnixListener::bind(&socket).map(|_| ());
    let with_socket = socket.is_ok();
    let file = |name: &str, length| {
        let file = fs::File::create(site.path(name)).expect("a file");
        file.set_len(length).expect("its length");
    };
    file("data/big", (8 << 20) + 1);
    file("data/largest", 8 << 20);
    let running = site.run_with(&["--lua-memory", "64M"]);
    let told = running.told();
    let expected = [
        "data/pipe\tnil\tdata/pipe: is no regular file\t22",
        "data/pipe\tnil\tdata/pipe: is no regular file\t22",
        "/dev/zero\tnil\t/dev/zero: is no regular file\t22",
        "/dev/tty\tnil\t/dev/tty: ",
        "/dev/null\tnil\t/dev/null: is no regular file\t22",
        "data/sub\tnil\tdata/sub: Is a directory\t21",
        "data/sub\tnil\tdata/sub: Is a directory\t21",
        "data/socket\tnil\tdata/socket: ",
        "data/big\tnil\tdata/big: is larger than 8388608 bytes\t27",
        "8388608",
        "files have at most 8388608 bytes, this would be larger",
    ];
    for (line, expected) in told.iter().zip(expected) {
        assert!(line.starts_with(expected), "{line} is not {expected}");
    }
    assert!(with_socket && told[11].ends_with(OUTSIDE), "{}", told[11]);
    assert_eq!(told[12], "the path has more than 4096 bytes");
    running.replays();
}

#[test]
fn a_replaced_file_keeps_its_mode_and_is_never_half_there() {
    let main = r#"
        write("data/a", "new")
        write("locked/a", "new")
    "#;
    let site = site("write = [\"data\", \"locked\"]", main);
    site.write("data/a", "old");
    site.write("locked/a", "old");
    let mode = |name: &str, mode| {
        let permissions = fs::Permissions::from_mode(mode);
        fs::set_permissions(site.path(name), permissions).expect("its mode");
    };
    mode("data/a", 0o640);
    // Somebody who holds the old file open goes on reading it.
    let old = fs::File::open(site.path("data/a")).expect("the old file");
    let running = site.run();
    assert_eq!(running.told()[0], "data/a\ttrue");
    assert_eq!(running.site.read("data/a"), "new");
    assert_eq!(
        std::io::read_to_string(old).expect("the old content"),
        "old"
    );
    let metadata = fs::metadata(running.site.path("data/a")).expect("the file");
    assert_eq!(metadata.permissions().mode() & 0o777, 0o640);
    running.replays();
}

#[test]
fn what_one_event_may_read_is_bounded() {
    let main = r#"
        for i = 1, 6 do
            local done, text = pcall(session.readFile, session, "data/largest")
            print(i, done, done and #text or text)
            text = nil
            collectgarbage()
        end
        session:setImmediate(function() print("later", #session:readFile("data/largest")) end)
    "#;
    let site = site("", main);
    site.write("data/x", "");
    let file = fs::File::create(site.path("data/largest")).expect("a file");
    file.set_len(8 << 20).expect("its length");
    let running = site.run_with(&["--lua-memory", "128M"]);
    running.wait_for("later");
    let whole = |i| format!("{i}\ttrue\t8388608");
    let refused = "false\tone event may read, and write to processes, 33554432 bytes";
    let mut expected: Vec<String> = (1..=5).map(whole).collect();
    expected.push(format!("6\t{refused}"));
    expected.push("later\t8388608".into());
    assert_eq!(running.told(), expected);
    running.replays();
}

#[test]
fn a_transcript_shows_calls_and_a_changed_one_is_told_with_its_line() {
    let running = site("", "write('data/a', 'x')\nread('data/a')").run();
    let file = running.recording();
    let transcript = lunette(&["transcript", &file]).1;
    assert!(
        transcript.contains("\n  host: replace \"data/a\" 1 bytes "),
        "{transcript}"
    );
    assert!(
        transcript.contains("\n  host: read \"data/a\" -> 1 bytes: x"),
        "{transcript}"
    );
    let changed = tampered(&file);
    let (done, said) = lunette(&["replay", &changed]);
    fs::remove_file(&changed).expect("removed");
    assert!(!done, "{said}");
    for part in [
        "\n  recorded  host: read \"data/b\" -> 1 bytes: x\n",
        "\n  replayed  host: read \"data/a\" -> error 0: the recording has no answer to this\n",
        "\n  asked at  main.lua:1\n",
    ] {
        assert!(said.contains(part), "{said}");
    }
    running.replays();
}

/// The recording with another file read than was.
fn tampered(file: &str) -> String {
    let reader = Reader::open(Path::new(file)).expect("a whole recording");
    let path = format!("{file}.tampered");
    let mut writer = Writer::create(Path::new(&path), reader.header()).expect("written");
    for record in reader.records() {
        writer.event(record.turn, &record.event);
        for output in &record.outputs {
            match *output {
                Output::HostCalled { call, answer } => {
                    let call = call.replace("read \"data/a\"", "read \"data/b\"");
                    let call = &*call;
                    writer.output(&Output::HostCalled { call, answer });
                }
                ref output => writer.output(output),
            }
        }
    }
    writer.commit().expect("written");
    path
}
