//! Where settings come from, and what is said of those that are wrong and of sites that are.

use serde_json::Value;

use super::{complaint, counting, lunette, lunette_in, printed};
use crate::net::process::{Folder, Server, site};

#[test]
fn each_value_is_told_with_its_origin_and_can_be_read_again() {
    let folder = counting("[limits]\ngas = 20_000_000\n[net]\nheaders = 32\n[server]\nport = 1\n");
    let dir = folder.0.join("site").to_string_lossy().into_owned();
    let arguments = ["dump-config", "--dir", &dir, "--port", "7000", "-vv"];
    let variables = [
        ("LUNETTE_NET_HEADERS", "48"),
        ("LUNETTE_PORT", "6000"),
        ("LUNETTE_LUA_ALLOW", "files, spawn"),
    ];
    let dump = printed(&lunette_in(&arguments, &variables));
    for line in [
        "port = 7000  # --port".to_owned(),
        "verbosity = 2  # -v".into(),
        "headers = 48  # LUNETTE_NET_HEADERS".into(),
        "allow = [\"files\", \"spawn\"]  # LUNETTE_LUA_ALLOW".into(),
        format!("gas = 20_000_000  # {dir}/lunette.toml:2"),
        "connections = 1024  # default".into(),
    ] {
        assert!(dump.lines().any(|found| found == line), "{line}\n{dump}");
    }
    // What is printed is a file that sets the same.
    folder.write("again/lunette.toml", &dump);
    let again = folder.0.join("again").to_string_lossy().into_owned();
    let again: Value = serde_json::from_str(&printed(&lunette(&[
        "dump-config",
        "--dir",
        &again,
        "--json",
    ])))
    .expect("JSON");
    assert_eq!(again["server"]["port"]["value"], 7000);
    assert_eq!(again["net"]["headers"]["value"], 48);
    assert_eq!(again["lua"]["allow"]["value"][1], "spawn");
    assert_eq!(again["limits"]["gas"]["value"], 20_000_000);
    assert_eq!(again["server"]["record"]["origin"], "not set");
}

#[cfg(not(feature = "tls"))]
#[test]
fn a_build_without_tls_says_what_to_do() {
    let folder = counting("[server]\ntls_cert = \"c.pem\"\ntls_key = \"k.pem\"\n");
    let dir = folder.0.join("site").to_string_lossy().into_owned();
    for command in [&["serve", "--dir", &dir][..], &["check", &dir]] {
        let told = complaint(&lunette(command), 3);
        assert!(told.contains("built without TLS"), "{told}");
        assert!(told.contains("--features tls"), "{told}");
    }
}

#[test]
fn the_environment_sets_what_a_server_does() {
    let server = Server::start_in(&site("counter"), &[], &[("LUNETTE_VERBOSITY", "2")]);
    drop(server.connect());
    let folder = counting("");
    let dir = folder.0.join("site").to_string_lossy().into_owned();
    let wrong =
        |name, value| complaint(&lunette_in(&["serve", "--dir", &dir], &[(name, value)]), 3);
    let unknown = wrong("LUNETTE_LIMITS_GASS", "5");
    assert!(
        unknown.contains("did you mean LUNETTE_LIMITS_GAS?"),
        "{unknown}"
    );
    let low = wrong("LUNETTE_LIMITS_GAS", "5");
    assert!(low.contains("LUNETTE_LIMITS_GAS: gas is 5"), "{low}");
    let open = wrong("LUNETTE_ADMIN_LISTEN", "0.0.0.0:9100");
    assert!(
        open.contains("LUNETTE_ADMIN_LISTEN: admin_listen 0.0.0.0:9100"),
        "{open}"
    );
}

#[test]
fn a_check_tells_everything_that_is_wrong_with_its_place() {
    let folder = counting("");
    let dir = folder.0.join("site").to_string_lossy().into_owned();
    assert!(printed(&lunette(&["check", &dir])).contains("all is well"));
    folder.write("site/lua/broken.lua", "local x = = 1\n");
    folder.write("site/viewdefs/A.DEFAULT.html", "\n<p>no template</p>\n");
    folder.write(
        "site/viewdefs/B.DEFAULT.html",
        "<template>\n<p ui-value=\"a..b(\"></p>\n<b\n ui-vlaue=\"x\" ui-class-a=\"x\"></b></template>\n",
    );
    let told = complaint(&lunette(&["check", &dir]), 3);
    for part in [
        "lua/broken.lua:1: unexpected symbol",
        "viewdefs/A.DEFAULT.html:2: not a viewdef",
        "put it around what is here",
        "viewdefs/B.DEFAULT.html:2: the path \"a..b(\" is none",
        "viewdefs/B.DEFAULT.html:4: there is no attribute ui-vlaue; did you mean ui-value?",
        "4 problems; the first page is looked at when there are none",
    ] {
        assert!(told.contains(part), "{part}\n{told}");
    }
    folder.write(
        "site/lunette.toml",
        "[lua]\n\nalow = []\n[server]\nport = \"x\"\n[net]\nping_interval = \"0\"\n",
    );
    let wrong_settings = [
        "lunette.toml:3: [lua] has no alow; did you mean allow?",
        "lunette.toml:5: port must be a number",
        "lunette.toml:7: ping_interval is 0: it must be from 100ms to 24h",
    ];
    let told = complaint(&lunette(&["check", &dir]), 3);
    for part in wrong_settings
        .iter()
        .chain(&["lua/broken.lua:1: ", "7 problems"])
    {
        assert!(told.contains(part), "{part}\n{told}");
    }
    // A server that cannot start says the same of its settings.
    let told = complaint(&lunette(&["serve", "--dir", &dir]), 3);
    for part in wrong_settings {
        assert!(
            told.contains(&format!("lunette: {dir}/{part}")),
            "{part}\n{told}"
        );
    }
}

#[test]
fn a_check_tells_each_error_once() {
    let folder = Folder::new();
    folder.write(
        "lua/main.lua",
        "App = session:prototype('App', { rows = EMPTY })\n\
         function App:bad() return nothing.here end\n\
         Row = session:prototype('Row', {})\n\
         function Row:bad() error('a bad row') end\n\
         local rows = {}\n\
         for i = 1, 3 do rows[i] = session:create(Row) end\n\
         session:createAppVariable(session:create(App, { rows = rows }))\n\
         session:setImmediate(function() error('late') end)\n",
    );
    folder.write(
        "viewdefs/App.DEFAULT.html",
        "<template><main>\n<p ui-value=\"bad()\"></p>\n<ul ui-viewlist=\"rows\"></ul></main></template>",
    );
    folder.write(
        "viewdefs/Row.DEFAULT.html",
        "<template><li ui-value=\"bad()\"></li></template>",
    );
    let told = complaint(&lunette(&["check", &folder.0.to_string_lossy()]), 3);
    for (part, count) in [
        (
            "App.DEFAULT.html:2: the path bad() shows an error: main.lua:2: ",
            1,
        ),
        (
            "the path rows[0].bad() and 2 more show an error: main.lua:4: a bad row",
            1,
        ),
        ("the app shows an error: main.lua:8: late", 1),
        ("attempt to index a nil value", 1),
        ("a bad row", 2), // the line of code that is shown with it
        ("late", 2),
        ("3 problems\n", 1),
    ] {
        assert_eq!(told.matches(part).count(), count, "{part}\n{told}");
    }
}

#[test]
fn a_check_runs_the_app_and_changes_nothing() {
    let folder = Folder::new();
    folder.write(
        "lunette.toml",
        "[lua]\nallow = [\"files\"]\nread = [\"data\"]\n",
    );
    folder.write("data/greeting", "hello");
    folder.write(
        "lua/main.lua",
        "assert(session:readFile('data/greeting') == 'hello')\n\
         local done, why = session:writeFile('data/written', 'x')\n\
         assert(not done and why:find('changes nothing'), why)\n\
         session:createAppVariable({ type = 'App', part = { type = 'Part' } })\n",
    );
    folder.write(
        "viewdefs/App.DEFAULT.html",
        "<template><div><p ui-value=\"missing()\"></p><div ui-view=\"part\"></div></div></template>",
    );
    let dir = folder.0.to_string_lossy().into_owned();
    let told = complaint(&lunette(&["check", &dir]), 3);
    assert!(told.contains("the path missing() shows an error"), "{told}");
    assert!(told.contains("no template for type Part"), "{told}");
    assert!(!folder.0.join("data/written").exists());
    folder.write(
        "viewdefs/App.DEFAULT.html",
        "<template><div ui-view=\"part\"></div></template>",
    );
    let output = lunette(&["check", &dir]);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(told.contains("no template for type Part"), "{told}");
    assert_eq!(
        output.status.code(),
        Some(0),
        "what only shows nothing is no mistake: {told}"
    );
    folder.write("lua/main.lua", "local x\nprint(x.y)\n");
    let told = complaint(&lunette(&["check", &dir]), 3);
    assert!(
        told.contains("main.lua:2: attempt to index a nil value"),
        "{told}"
    );
}

#[test]
fn who_has_the_port_is_told() {
    let server = Server::start(&site("counter"), &[]);
    let port = server.address.port().to_string();
    let told = complaint(&lunette(&["serve", "--state", "none", "--port", &port]), 4);
    let holder = format!("process {} (lunette) has this port", server.child.id());
    assert!(told.contains(&holder) && told.contains("--port"), "{told}");
}

#[test]
fn a_state_directory_serves_one_server() {
    let folder = counting("");
    let (dir, state) = (folder.0.join("site"), folder.0.join("state"));
    let state = state.to_string_lossy().into_owned();
    let _server = Server::start(&dir, &["--state", &state]);
    let dir = dir.to_string_lossy().into_owned();
    let again = lunette(&["serve", "--port", "0", "--dir", &dir, "--state", &state]);
    let told = complaint(&again, 3);
    assert!(
        told.contains("uses this state directory") && told.contains("--state"),
        "{told}"
    );
}

#[test]
fn a_log_for_machines_has_one_object_a_line() {
    let server = Server::start(&site("counter"), &["-v", "--log-format", "json"]);
    server.ask(b"GET / HTTP/1.0\r\n\r\n");
    server.signal("USR2");
    crate::access::eventually("statistics are logged", || {
        server.log().contains("statistics")
    });
    for line in server.log().lines() {
        let line: Value = serde_json::from_str(line).expect(line);
        assert!(
            line["time"]
                .as_str()
                .is_some_and(|time| time.ends_with('Z')),
            "{line}"
        );
        assert!(
            line["level"].is_string() && line["text"].is_string(),
            "{line}"
        );
    }
}
