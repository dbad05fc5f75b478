//! The libraries `io` and `os` where they are granted: as in Lua, for code of 5.1 and of 5.4.

use super::Site;

fn told(settings: &str, main: &str) -> (Vec<String>, super::Running) {
    let running = Site::new(settings, main).run();
    (running.told(), running)
}

#[test]
fn files_are_written_and_read_back_in_every_way() {
    let main = r#"
        local f = assert(io.open("data/a.txt", "w"))
        print(io.type(f), tostring(f), f:write("one\n", 2, "\n", 3.5, "\nlast") == f)
        print(f:close(), io.type(f), tostring(f), io.type(42))
        f = io.open("data/a.txt")
        print(f:read("n"), f:read(), f:read("*n"), f:read("n"), f:read("l"), f:read("a"), f:read("a"), f:read("l"))
        print(f:seek("set", 1), f:read(2), f:seek("cur"), f:seek("end"), f:read(1), f:read(0), f:seek("set", -1))
        print(f:write("x"))
        f:close()
        for line in io.lines("data/a.txt") do print("line", line) end
        for a, b in io.lines("data/a.txt", 1, "L") do print("pair", a, b) end
        f = io.open("data/a.txt", "a")
        f:write("!\n", "end")
        print(f:flush() == f, f:seek("end"), f:read())
        f:close()
        f = io.open("data/a.txt", "r+")
        print(f:read("*a"))
        f:seek("set", 0); f:write("ONE"); f:seek("end"); f:write("."); f:seek("set", 2); print(f:read("*l"))
        f:close()
        print(io.open("data/a.txt"):read("*all"))
        f = io.open("data/b.txt", "w+b")
        f:write("abc"); f:seek("set", 5); f:write("x"); f:seek("set"); print((f:read("a"):gsub("%z", "0")))
        f:close()
        f = io.open("data/b.txt", "a+"); print(#f:read("a")); f:seek("set"); f:write("end"); f:seek("set", 5); print(f:read("a")); f:close()
        print(f:setvbuf == nil, pcall(f.read, f))
        print(#io.open("data/b.txt"):read(100))
    "#;
    let main = main.replace("f:setvbuf == nil", "f.setvbuf == nil");
    let (told, running) = told("allow = [\"io\"]", &main);
    assert_eq!(
        told,
        [
            "file\tfile (data/a.txt)\ttrue",
            "true\tclosed file\tfile (closed)\tnil",
            "nil\tone\t2\t3.5\t\tlast\t\tnil",
            "1\tne\t3\t14\tnil\tnil\tnil\tInvalid argument\t22",
            "nil\tBad file descriptor\t9",
            "line\tone",
            "line\t2",
            "line\t3.5",
            "line\tlast",
            "pair\to\tne",
            "pair\t2",
            "pair\t3\t.5",
            "pair\tl\tast",
            "true\t19\tnil\tBad file descriptor\t9",
            "one",
            "    2",
            "    3.5",
            "    last!",
            "    end",
            "E",
            "ONE",
            "    2",
            "    3.5",
            "    last!",
            "    end.",
            "abc00x",
            "6",
            "xend",
            "false\tfalse\tattempt to use a closed file",
            "9",
        ]
    );
    running.replays();
}

#[test]
fn errors_are_as_in_lua() {
    let main = r#"
        print(io.open("data/none"))
        print(io.open("data/no/where", "w"))
        print(io.open("lua/main.lua"))
        print(pcall(io.lines, "data/none"))
        print(pcall(io.open, "data/a", "rw"))
        print(pcall(io.open))
        local f = io.open("data/a", "w")
        print(pcall(f.write, f, {}))
        print(pcall(f.seek, f, "somewhere"))
        print(pcall(f.read, f, "x"))
        print(select(2, pcall(function() io.open("data/none"):read() end)))
        f:write("kept")
        print(io.open("data/a", "w+"):read(), f:close())
        print(getmetatable(f), io.tmpfile():write("x"):seek("set"))
    "#;
    let (told, running) = told("allow = [\"io\"]", main);
    assert_eq!(
        told,
        [
            "nil\tdata/none: No such file or directory\t2",
            "nil\tdata/no/where: No such file or directory\t2",
            "nil\tlua/main.lua: not inside the directories that read and write of [lua] in lunette.toml name\t13",
            "false\tdata/none: No such file or directory",
            "false\tmain.lua:6: bad argument #2 to 'open' (invalid mode)",
            "false\tmain.lua:7: bad argument #1 to 'open' (string expected, got nil)",
            "false\tbad argument #1 to 'write' (string expected, got table)",
            "false\tbad argument #1 to 'seek' (invalid option 'somewhere')",
            "true\tnil\tBad file descriptor\t9",
            "main.lua:12: attempt to index a nil value",
            "nil\ttrue",
            "false\t0",
        ]
    );
    assert_eq!(running.site.read("data/a"), "kept");
    running.replays();
}

#[test]
fn what_nobody_closes_is_written_after_the_event() {
    let main = r#"
        io.open("data/a", "w"):write("not closed")
        local f = io.open("data/log", "a")
        local n = 0
        session:setInterval(function()
            n = n + 1
            f:write(n, "\n")
            if n == 3 then print("written") end
        end, 1)
        io.write("to the ", "log\nand ", 5, "\n")
        io.stdout:write("without end")
        io.stderr:write("error\n")
        io.stdout:flush()
        print(io.read(), io.stdin:read("a"), io.output() == io.stdout, io.stdout:close())
    "#;
    let (told, running) = told("allow = [\"io\"]", main);
    running.wait_for("written");
    assert_eq!(
        told[..5],
        [
            "to the log",
            "and 5",
            "error",
            "without end",
            "nil\t\ttrue\tnil\tstandard files stay open",
        ]
    );
    super::eventually("both files are written", || {
        running.site.read("data/a") == "not closed"
            && running.site.read("data/log").starts_with("1\n2\n3\n")
    });
    running.replays();
}

#[test]
fn io_can_read_and_write_by_default_files() {
    let main = r#"
        io.output("data/out"); io.write("a\nb\n"); io.close()
        io.output(io.stdout)
        io.input("data/out")
        print(io.read("L"), io.read("l"), io.read("l"))
        io.input("data/out")
        for line in io.lines() do print(line) end
    "#;
    let (told, running) = told("allow = [\"io\"]", main);
    assert_eq!(told, ["a", "    \tb\tnil", "a", "b"]);
    running.replays();
}

#[test]
fn os_moves_and_removes_files_and_knows_the_environment() {
    let main = r#"
        print(session:writeFile("data/a", "x"), os.rename("data/a", "data/b"), session:readFile("data/b"))
        print(os.rename("data/none", "data/c"))
        print(os.rename("data/b", "lua/b"))
        print(os.remove("data/b"), os.remove("data/b"))
        print(os.remove("data/sub"), os.remove("data/full"), os.remove("data"))
        local name = os.tmpname()
        print(name:match("^data/tmp%-%x+$") == name, session:readFile(name), name ~= os.tmpname())
        print(type(os.getenv("PATH")), os.getenv("LUNETTE_NO_SUCH"), os.getenv(""), os.getenv("a=b"))
    "#;
    let site = Site::new("allow = [\"os\", \"files\"]", main);
    site.write("data/full/x", "");
    std::fs::create_dir(site.path("data/sub")).expect("a directory");
    let running = site.run();
    assert_eq!(
        running.told(),
        [
            "true\ttrue\tx",
            "nil\tdata/none: No such file or directory\t2",
            "nil\tdata/b: not inside the directories that read and write of [lua] in lunette.toml name\t13",
            "true\tnil\tdata/b: No such file or directory\t2",
            "true\tnil\tnil\tdata: is itself what is granted\t13",
            "true\t\ttrue",
            "string\tnil\tnil\tnil",
        ]
    );
    running.replays();
}
