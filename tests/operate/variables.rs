//! Looking into sessions that run: who may, what is told, in which pieces, and that it leaves no trace.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::TcpStream;

use serde_json::Value;

use super::admin::by_socket;
use super::{lunette, printed};
use crate::access::eventually;
use crate::net::process::{Folder, Server, read_all, status};
use crate::net::websocket::{WATCH_APP, attach, frame, new_session, receive};

const MAIN: &str = "
local App = session:prototype('App', { count = 0, pin = '1234', word = 'hidden', fails = false })
function App:add() self.count = self.count + 1 end
function App:doubled() diag(1, 'twice ' .. self.count) return self.count * 2 end
function App:risky() if self.fails then error('it broke') end return 'fine' end
function App:work() local n = 0 for i = 1, 5000 do n = n + i end return n end
local app = session:create(App, { rows = {} })
function app:fill() for i = 1, 12000 do self['field' .. i] = i end end
session:createAppVariable(app)
";
const VIEWDEF: &str =
    "<template><input type=password ui-value=\"word\"><b ui-value=\"count\"></b></template>";
const CREATE: &str = r#"[{"type":"create","data":{"id":2,"parentId":1,"properties":{"path":"count"}}},
{"type":"create","data":{"id":3,"parentId":1,"properties":{"path":"add()","access":"action"}}},
{"type":"create","data":{"id":4,"parentId":1,"properties":{"path":"doubled()","class":"big"}}},
{"type":"create","data":{"id":5,"parentId":1,"properties":{"path":"risky()"}}},
{"type":"create","data":{"id":6,"parentId":1,"properties":{"path":"fails"}}},
{"type":"create","data":{"id":7,"parentId":1,"properties":{"path":"pin"}}},
{"type":"create","data":{"id":8,"parentId":1,"properties":{"path":"word"}}},
{"type":"create","data":{"id":9,"parentId":1,"properties":{"path":"work()"}}}]"#;

/// A session of a small site, with a page on it.
struct Session {
    server: Server,
    id: String,
    page: TcpStream,
    folder: Folder,
}

impl Session {
    fn of(flags: &[&str]) -> Session {
        Session::with(flags, "")
    }

    /// The same with more settings of its journal.
    fn with(flags: &[&str], more: &str) -> Session {
        let folder = Folder::new();
        let settings = format!("[journal]\nsecret = [\"pin\"]\n{more}");
        folder.write("site/lunette.toml", settings);
        folder.write("site/lua/main.lua", MAIN);
        folder.write("site/viewdefs/App.DEFAULT.html", VIEWDEF);
        let state = folder.0.join("state");
        let mut all = vec!["--state", state.to_str().expect("UTF-8")];
        all.extend(flags);
        let server = Server::start(&folder.0.join("site"), &all);
        let id = new_session(&server);
        let mut page = attach(&server, &id);
        say(&mut page, WATCH_APP);
        receive(&mut page);
        say(&mut page, CREATE);
        receive(&mut page);
        Session {
            server,
            id,
            page,
            folder,
        }
    }

    /// Does what answers with a frame.
    fn act(&mut self, text: &str) {
        say(&mut self.page, text);
        receive(&mut self.page);
    }

    fn add(&mut self) {
        self.act(&update(3, "null"));
    }

    /// What is told at the public address.
    fn ask(&self, query: &str) -> Value {
        json(&self.get(&format!("/{}/variables.json{query}", self.id)))
    }

    fn get(&self, path: &str) -> String {
        get(self.server.address.to_string(), path)
    }

    /// The server stops, and the session replays.
    fn replays(mut self) {
        drop(self.page);
        self.server.signal("TERM");
        self.server.child.wait().expect("it ends");
        let state = self.folder.0.join("state").display().to_string();
        let replayed = printed(&lunette(&["replay", &self.id, "--state", &state]));
        assert!(replayed.ends_with("all as recorded\n"), "{replayed}");
    }
}

fn say(page: &mut TcpStream, text: &str) {
    page.write_all(&frame(0x81, text.as_bytes())).expect("sent");
}

fn update(id: u64, value: &str) -> String {
    format!(
        r#"{{"userEvent":true,"messages":[{{"type":"update","data":{{"varId":{id},"value":{value}}}}}]}}"#
    )
}

fn get(address: String, path: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("a connection");
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("sent");
    read_all(&mut stream)
}

fn json(answer: &str) -> Value {
    assert_eq!(status(answer), "200", "{answer}");
    let (_, body) = answer.split_once("\r\n\r\n").expect("a body");
    serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {body}"))
}

/// The row with this path.
fn row<'a>(answer: &'a Value, path: &str) -> &'a Value {
    let rows = answer["rows"].as_array().expect("rows");
    let found = rows.iter().find(|row| row["path"] == path);
    found.unwrap_or_else(|| panic!("no row {path}: {answer}"))
}

/// What asks for what is new after this answer.
fn after(answer: &Value) -> String {
    let board = answer["board"].as_str().expect("a name");
    let (revision, turns) = (&answer["revision"], &answer["turn_revision"]);
    format!("?board={board}&since={revision}&turns={turns}")
}

#[test]
fn variables_are_told_as_they_are() {
    let it = Session::of(&["--dev"]);
    let first = it.ask("");
    assert_eq!(
        (&first["variables"], &first["more"]),
        (&9.into(), &false.into())
    );
    let count = row(&first, "count");
    assert_eq!(
        (&count["value"], &count["access"]),
        (&"0".into(), &"rw".into())
    );
    assert_eq!(
        (&count["page"], &count["parent"], &count["wire"]),
        (&1.into(), &1.into(), &2.into())
    );
    let doubled = row(&first, "doubled()");
    assert_eq!(doubled["properties"]["class"], "big");
    assert_eq!(doubled["diagnostics"][0][1], "twice 0");
    assert_eq!(row(&first, "")["type"], "App");
    assert_eq!(row(&first, "")["value"], "App #2");
    let gas = |path: &str| row(&first, path)["gas"].as_u64().expect("a number");
    assert!(gas("count") < 10, "a plain field costs next to nothing");
    assert!(
        (5_000..50_000).contains(&gas("work()")),
        "{}",
        gas("work()")
    );
    assert!((1..500).contains(&gas("risky()")), "{}", gas("risky()"));
    for secret in ["pin", "word"] {
        assert_eq!(row(&first, secret)["value"], "\"***\"");
    }
    let mut last = first;
    eventually("nothing is new", || {
        last = it.ask(&after(&last));
        last["rows"] == Value::Array(vec![]) && last["turns"] == Value::Array(vec![])
    });
    it.replays();
}

#[test]
fn turns_tell_what_was_and_what_is() {
    let mut it = Session::of(&["--dev"]);
    let first = it.ask("");
    it.add();
    let then = it.ask(&after(&first));
    assert_eq!(then["reset"], false);
    assert_eq!(
        (
            &row(&then, "count")["value"],
            &row(&then, "count")["changes"]
        ),
        (&"1".into(), &1.into())
    );
    let turns = then["turns"].as_array().expect("turns");
    let turn = turns.iter().find(|turn| turn["label"] == "call add()");
    let turn = turn.unwrap_or_else(|| panic!("{turns:?}"));
    let changes = turn["changes"].as_array().expect("changes");
    let change = changes.iter().find(|change| change["path"] == "count");
    let change = change.unwrap_or_else(|| panic!("{turn}"));
    assert_eq!(
        (&change["was"], &change["now"], &change["kind"]),
        (&"0".into(), &"1".into(), &"changed".into())
    );
    assert!(
        turn["gas"].as_u64().is_some_and(|gas| gas > 5_000),
        "{turn}"
    );
    assert!(
        turn["bytes_in"].as_u64().is_some_and(|bytes| bytes > 50),
        "{turn}"
    );
    assert!(
        turn["bytes_out"].as_u64().is_some_and(|bytes| bytes > 50),
        "{turn}"
    );
    it.replays();
}

#[test]
fn errors_secrets_and_pages_that_go_are_told() {
    let mut it = Session::of(&["--dev"]);
    let then = it.ask("");
    // An error stands on its variable until it is mended.
    it.act(&update(6, "true"));
    let broken = it.ask(&after(&then));
    let error = row(&broken, "risky()")["error"].as_str().expect("an error");
    assert!(error.contains("it broke"), "{error}");
    let turns = broken["turns"].as_array().expect("turns");
    assert!(turns.iter().any(|turn| turn["errors"] == 1), "{turns:?}");
    it.act(&update(6, "false"));
    assert_eq!(
        row(&it.ask(&after(&broken)), "risky()")["error"],
        Value::Null
    );

    // What a page writes into a secret is not told either, nor by the turn.
    say(&mut it.page, &update(7, "\"secret-4711\""));
    it.add();
    let whole = it.ask("");
    assert!(!whole.to_string().contains("4711"), "{whole}");
    assert!(
        whole.to_string().contains("set pin = \\\"***\\\""),
        "{whole}"
    );

    // A page that goes takes its variables with it.
    let all = it.ask("");
    it.page = attach(&it.server, &it.id);
    eventually("the first page is gone", || {
        let gone = it.ask(&after(&all))["gone"]
            .as_array()
            .expect("a list")
            .len();
        gone == 8
    });
    it.replays();
}

#[test]
fn without_dev_it_is_for_the_operator_only() {
    let mut it = Session::of(&["--admin-listen", "127.0.0.1:0"]);
    let line = it.server.next_line();
    let admin = line.trim().strip_prefix("health and metrics on http://");
    let admin = admin.unwrap_or_else(|| panic!("{line}")).to_owned();
    for path in ["variables", "variables.json"] {
        let refused = it.get(&format!("/{}/{path}", it.id));
        assert_eq!(status(&refused), "404", "{refused}");
    }
    let ask = |path: &str| get(admin.clone(), path);
    let page = ask(&format!("/{}/variables", it.id));
    assert!(
        page.contains("default-src 'none'; script-src 'self'"),
        "{page}"
    );
    let assets = page
        .split('"')
        .filter(|part| part.starts_with("/_lunette/"));
    let assets: Vec<&str> = assets.collect();
    assert_eq!(assets.len(), 3, "{assets:?}");
    for asset in assets {
        assert_eq!(status(&ask(asset)), "200", "{asset}");
    }
    let first = json(&ask(&format!("/{}/variables.json", it.id)));
    assert_eq!(row(&first, "count")["value"], "0");
    assert_eq!(row(&first, "pin")["value"], "\"***\"");
    it.add();
    let then = json(&ask(&format!("/{}/variables.json{}", it.id, after(&first))));
    assert_eq!(row(&then, "count")["value"], "1");
    assert_eq!(then["turns"][0]["label"], "call add()");

    // Who does not know the session learns nothing; the socket is the same.
    for path in ["0123456789abcdef0123456789abcdef", &it.id[1..]] {
        assert_eq!(status(&ask(&format!("/{path}/variables.json"))), "404");
        assert_eq!(status(&ask(&format!("/{path}/variables"))), "404");
    }
    let state = it.folder.0.join("state");
    let by_socket = by_socket(&state, &format!("/{}/variables.json", it.id));
    assert_eq!(row(&json(&by_socket), "count")["value"], "1");
    it.replays();
}

#[test]
fn to_look_leaves_no_trace() {
    // Gas that runs out does so at the same place, looked at or not: both have the same journal.
    let journal = |looks: bool| {
        let mut it = Session::of(&["--admin-listen", "127.0.0.1:0"]);
        let state = it.folder.0.join("state");
        let path = format!("/{}/variables.json", it.id);
        let mut query = String::new();
        for _ in 0..5 {
            if looks {
                query = after(&json(&by_socket(&state, &format!("{path}{query}"))));
            }
            it.add();
        }
        it.act(&update(6, "true"));
        let folder = state.display().to_string();
        let transcript = printed(&lunette(&["transcript", &it.id, "--state", &folder]));
        let digests = transcript.lines().filter(|line| line.contains("digest "));
        let digests: Vec<String> = digests.map(str::to_owned).collect();
        it.replays();
        // Each action was answered in its own turn; what came before may have been told together.
        digests[digests.len() - 6..].to_vec()
    };
    assert_eq!(journal(true), journal(false));
}

#[test]
fn many_variables_come_in_pieces() {
    let mut it = Session::of(&["--dev"]);
    it.act(&update(2, "5"));
    let fill = r#"{"userEvent":true,"messages":[{"type":"create","data":{"id":10,"parentId":1,"properties":{"path":"fill()","access":"action"}}},{"type":"update","data":{"varId":10,"value":null}}]}"#;
    say(&mut it.page, fill);
    let many: Vec<String> = (1..=10_000)
        .map(|n| {
            let id = n + 10;
            format!(r#"{{"type":"create","data":{{"id":{id},"parentId":1,"properties":{{"path":"field{n}"}}}}}}"#)
        })
        .collect();
    it.act(&format!("[{}]", many[..5_000].join(",")));
    it.act(&format!("[{}]", many[5_000..].join(",")));
    let mut known = BTreeMap::new();
    let mut query = String::new();
    for pieces in 0.. {
        let text = it.get(&format!("/{}/variables.json{query}", it.id));
        assert!(text.len() < 400_000, "{}", text.len());
        let answer = json(&text);
        let rows = answer["rows"].as_array().expect("rows");
        assert!(rows.len() <= 500);
        for row in rows {
            known.insert(row["id"].as_i64(), row.clone());
        }
        if answer["more"] == false {
            assert!(pieces >= 20, "{pieces}");
            break;
        }
        query = after(&answer);
    }
    assert_eq!(known.len(), 10_010);
    let values = known.values().filter(|row| {
        let path = row["path"].as_str().unwrap_or("");
        path.strip_prefix("field") == row["value"].as_str()
    });
    assert_eq!(values.count(), 10_000);
    it.replays();
}

#[test]
fn what_is_known_of_another_board_is_of_no_use() {
    let mut it = Session::of(&["--dev"]);
    let first = it.ask("");
    it.add();
    let other = it.ask("?board=none&since=1000000&turns=1000000");
    assert_eq!(other["reset"], true);
    assert_eq!(other["rows"].as_array().map(Vec::len), Some(9));
    assert_eq!(other["board"], first["board"]);
    for odd in [
        "?since=x",
        "?board=%00&since=-1",
        "?turns=99999999999999999999",
    ] {
        assert_eq!(
            it.ask(odd)["rows"].as_array().map(Vec::len),
            Some(9),
            "{odd}"
        );
    }
    it.replays();
}

#[test]
fn a_session_that_sleeps_is_woken_by_a_first_look_only() {
    let mut it = Session::with(&["--dev"], "hibernate_after = \"50ms\"\n");
    let first = it.ask("");
    it.add();
    it.page = TcpStream::connect(it.server.address).expect("a connection");
    eventually("it sleeps", || it.ask(&after(&first))["sleeps"] == true);
    let woken = it.ask("");
    assert_eq!(woken["reset"], true);
    assert_eq!(woken["variables"], 1, "the page took its own with it");
    it.replays();
}

#[test]
fn quiet_turns_are_told_as_one() {
    let folder = Folder::new();
    folder.write(
        "lua/main.lua",
        "session:createAppVariable({ type = 'App' })\n\
         session:setInterval(function() end, 5, { background = true })\n",
    );
    folder.write("viewdefs/App.DEFAULT.html", "<template><p></p></template>");
    let server = Server::start(&folder.0, &["--dev"]);
    let id = new_session(&server);
    let _page = attach(&server, &id);
    eventually("some ticks", || {
        let answer = json(&get(
            server.address.to_string(),
            &format!("/{id}/variables.json"),
        ));
        let turns = answer["turns"].as_array().cloned().unwrap_or_default();
        assert!(turns.len() < 5, "{turns:?}");
        turns
            .iter()
            .any(|turn| turn["label"] == "timer" && turn["times"].as_u64() > Some(10))
    });
}

#[test]
fn its_page_may_be_below_a_path() {
    let folder = Folder::new();
    folder.write("lunette.toml", "[server]\nbase_path = \"/apps\"\n");
    folder.write("lua/main.lua", MAIN);
    folder.write("viewdefs/App.DEFAULT.html", VIEWDEF);
    let server = Server::start(&folder.0, &["--dev"]);
    let ask = |path: &str| get(server.address.to_string(), path);
    let begun = ask("/apps/");
    let id = begun.split("Location: /apps/").nth(1).expect("a session");
    let id = &id[..32];
    let page = ask(&format!("/apps/{id}/variables"));
    assert!(
        page.contains("src=\"/apps/_lunette/variables.js\""),
        "{page}"
    );
    assert_eq!(status(&ask("/apps/_lunette/variables.js")), "200");
    assert_eq!(
        json(&ask(&format!("/apps/{id}/variables.json")))["waits"],
        true
    );
}
