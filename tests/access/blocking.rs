//! `os.execute` and `io.popen` for old apps, where a site grants that they stop everybody.

use super::Site;

#[test]
fn commands_run_to_their_end_and_give_their_output() {
    let main = r#"
        print(os.execute())
        print(os.execute("true"))
        print(os.execute("exit 3"))
        print(os.execute("kill -9 $$"))
        print(os.execute("no-such-command"))
        local p = io.popen("echo one; echo two; pwd; exit 5")
        print(io.type(p), p:read(), p:read("L"), p:read("a"):match("/site\n$") ~= nil)
        print(p:close())
        p = io.popen("cat > data/out", "w")
        p:write("in", "put")
        print(p:close())
        print(io.type(p))
        for line in io.popen("cat data/out; echo; cat"):lines() do print("line", line) end
        print(#io.popen("head -c 3000000 /dev/zero"):read("a"))
        print(pcall(io.popen, "true", "x"))
    "#;
    let site = Site::new("allow = [\"io\", \"blocking\"]", main);
    site.write("data/x", "");
    let running = site.run();
    assert_eq!(
        running.told(),
        [
            "true",
            "true\texit\t0",
            "nil\texit\t3",
            "nil\tsignal\t9",
            "nil\texit\t127",
            "file\tone\ttwo",
            "    \ttrue",
            "nil\texit\t5",
            "true\texit\t0",
            "closed file",
            "line\tinput",
            "1048576",
            "false\tmain.lua:16: bad argument #2 to 'popen' (invalid mode)",
        ]
    );
    running.replays();
}

#[test]
fn a_command_that_does_not_end_is_ended_and_so_is_what_it_started() {
    let main = r#"
        print(os.execute("sleep 1000 & echo $! > data/pid; wait"))
    "#;
    let site = Site::new("allow = [\"blocking\"]", main);
    site.write("data/x", "");
    let running = site.run();
    assert_eq!(running.told(), ["nil\tsignal\t9"]);
    let pid = running.site.read("data/pid");
    super::eventually("the grandchild is gone", || {
        !super::processes::is_alive(pid.trim())
    });
    running.replays();
}
