//! Without a grant: errors that name the setting, and a way round for code that asks first.

use super::{Site, lunette};

#[test]
fn what_is_not_granted_says_which_setting_grants_it() {
    let main = r#"
        local function try(name, f, ...) print(name, (select(2, pcall(f, ...)))) end
        try("readFile", function() return session:readFile("data/a") end)
        try("writeFile", session.writeFile, session, "data/a", "")
        try("spawn", session.spawn, session, { cmd = "true" })
        try("remove", os.remove, "data/a")
        try("rename", os.rename, "data/a", "data/b")
        try("tmpname", os.tmpname)
        try("getenv", os.getenv, "HOME")
        try("execute", os.execute, "true")
        print(os.exit, os.time() > 1e9, os.clock() >= 0, os.date("%Y") > "2000", math.random(1, 1))
    "#;
    let running = Site::new("", main).run();
    let granted = |name: &str, grant: &str| {
        format!("{name} is not granted: add allow = [\"{grant}\"] to [lua] in lunette.toml")
    };
    let expected = [
        format!("readFile\tmain.lua:3: {}", granted("session:readFile", "files")),
        format!("writeFile\t{}", granted("session:writeFile", "files")),
        format!("spawn\t{}", granted("session:spawn", "spawn")),
        format!("remove\t{}", granted("os.remove", "os")),
        format!("rename\t{}", granted("os.rename", "os")),
        format!("tmpname\t{}", granted("os.tmpname", "os")),
        format!("getenv\t{}", granted("os.getenv", "os")),
        "execute\tos.execute would block everyone: use session:spawn, or add allow = [\"blocking\"] to \
         [lua] in lunette.toml"
            .into(),
        "nil\ttrue\ttrue\ttrue\t1".into(),
    ];
    assert_eq!(running.told(), expected);
    running.replays();
}

#[test]
fn without_the_grant_io_is_nil_and_errors_about_that_say_so() {
    let main = r#"
        local function try(name, f) print(name, select(2, pcall(f))) end
        print(io, io and io.open and "asked first")
        try("global", function() return io.open("data/a") end)
        local io = io
        try("upvalue", function() return io.open("data/a") end)
        try("local", function() local io = _G.io; return io.open("data/a") end)
        try("wrap", coroutine.wrap(function() return io.open("data/a") end))
        print(coroutine.resume(coroutine.create(function() return io.open("data/a") end)))
        print(xpcall(function() return io.open("a") end, function(text) return "handled " .. text end))
        try("other", function() return nothing.open("data/a") end)
        try("mention", function() error("(global 'io')") end)
        session:setImmediate(function() print(#io) end)
    "#;
    let running = Site::new("allow = [\"os\", \"files\"]", main).run();
    running.wait_for("error in timer");
    let nil = "attempt to index a nil value";
    let hint = "io is not granted: add allow = [\"io\"] to [lua] in lunette.toml; instead of io.popen use session:spawn";
    let told = running.told();
    assert_eq!(
        told[..9],
        [
            "nil\tnil".to_owned(),
            format!("global\tmain.lua:4: {nil} (global 'io'): {hint}"),
            format!("upvalue\tmain.lua:6: {nil} (upvalue 'io'): {hint}"),
            format!("local\tmain.lua:7: {nil} (local 'io'): {hint}"),
            format!("wrap\tmain.lua:8: {nil} (upvalue 'io'): {hint}"),
            format!("false\tmain.lua:9: {nil} (upvalue 'io'): {hint}"),
            format!("false\thandled main.lua:10: {nil} (upvalue 'io'): {hint}"),
            format!("other\tmain.lua:11: {nil} (global 'nothing')"),
            format!("mention\tmain.lua:12: (global 'io'): {hint}"),
        ]
    );
    assert!(told[9].contains("attempt to get length of a nil value (upvalue 'io')"));
    assert!(told[9].ends_with(hint), "{}", told[9]);
    running.replays();
}

#[test]
fn one_grant_is_not_another() {
    let main = r#"
        print(type(io), select(2, pcall(function() return io.open("data/a") end)))
        print(select(2, pcall(function() return io.lines("data/a") end)))
        print(io.popen("echo yes"):read())
    "#;
    let running = Site::new("allow = [\"blocking\"]", main).run();
    let not =
        |name| format!("{name} is not granted: add allow = [\"io\"] to [lua] in lunette.toml");
    assert_eq!(
        running.told(),
        [
            format!("table\tmain.lua:2: {}", not("io.open")),
            format!("main.lua:3: {}", not("io.lines")),
            "yes".into(),
        ]
    );
    running.replays();
    let main = "print(select(2, pcall(function() return io.popen('true') end)))";
    let running = Site::new("allow = [\"io\"]", main).run();
    assert_eq!(
        running.told(),
        [
            "main.lua:1: io.popen would block everyone: use session:spawn, or add allow = [\"blocking\"] to [lua] in lunette.toml"
        ]
    );
}

#[test]
fn a_bad_file_of_settings_ends_with_its_place_and_exit_code_3() {
    let site = Site::new("alow = [\"io\"]", "");
    let dir = site.path("").to_string_lossy().into_owned();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_lunette"))
        .args(["serve", "--dir", &dir])
        .output()
        .expect("lunette runs");
    assert_eq!(output.status.code(), Some(3));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.ends_with("lunette.toml:2: [lua] has no alow; did you mean allow?\n"),
        "{said}"
    );
    let (done, said) = lunette(&["serve", "--dir", &format!("{dir}/lunette.toml")]);
    assert!(
        !done && said.contains("--dir must name a directory"),
        "{said}"
    );
}
