//! Without a grant: errors that name the setting, and a way round for code that asks first.

use super::Site;

#[test]
fn what_is_not_granted_says_which_setting_grants_it() {
    let main = r#"
        local function try(name, f, ...) print(name, select(2, pcall(f, ...))) end
        try("readFile", session.readFile, session, "data/a")
        try("writeFile", session.writeFile, session, "data/a", "")
        try("spawn", session.spawn, session, { cmd = "true" })
        try("remove", os.remove, "data/a")
        try("rename", os.rename, "data/a", "data/b")
        try("tmpname", os.tmpname)
        try("getenv", os.getenv, "HOME")
        try("execute", os.execute, "true")
        print("io", io, io and io.open)
        try("open", function() return io.open("data/a") end)
        local mine = io
        try("upvalue", function() return mine.open("data/a") end)
        try("coroutine", coroutine.wrap(function() local io = io; return io.open("data/a") end))
        print(coroutine.resume(coroutine.create(function() return io.open("data/a") end)))
        print(xpcall(function() return io.open("data/a") end, function(text) return "handled: " .. text end))
        session:setImmediate(function() io.open("data/a") end)
        print(os.time() > 1e9, os.clock() >= 0, os.date("%Y") > "2000", math.random(1, 1))
    "#;
    let running = Site::new("", main).run();
    running.wait_for("stack traceback").clone();
    let told = running.told();
    let expected = [
        "readFile\tmain.lua:3: session:readFile is not granted: add allow = [\"files\"] to [lua] in lunette.toml",
    ];
    assert!(!told.is_empty() && !expected.is_empty());
    running.replays();
}
