//! Logging in and out, with a password or a token, and what is refused.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::client::{ADD, CREATE, Place, cookie, say, value_of};
use crate::net::process::status;
use crate::net::websocket::close_code;
use crate::operate::{complaint, lunette};

#[test]
fn strangers_get_a_form_and_nothing_else() {
    let place = Place::of_users();
    place.folder.write("html/own.html", "the site's own");
    let stranger = place.stranger();
    for path in [
        "/",
        "/own.html",
        "/a/b?c=d",
        "/0123456789abcdef0123456789abcdef",
        "/_lunette/allowed.js",
    ] {
        let answer = stranger.get(path);
        assert_eq!(status(&answer), "401", "{path}: {answer}");
        assert!(
            answer.contains("<form") && !answer.contains("the site's own"),
            "{answer}"
        );
        assert!(!answer.contains("ui-session"), "{answer}");
        assert!(answer.contains("Content-Security-Policy: default-src 'none'"));
        let plain = stranger.get_as(path, "*/*");
        assert_eq!(status(&plain), "401");
        assert!(
            plain.contains("WWW-Authenticate: ") && !plain.contains("<form"),
            "{plain}"
        );
    }
    assert!(
        stranger
            .get("/a/b?c=d")
            .contains("name=\"next\" value=\"/a/b?c=d\"")
    );
    let refused = stranger.attach("0123456789abcdef0123456789abcdef");
    assert_eq!(status(&refused.unwrap_err()), "401");
    let theme = stranger.get("/_lunette/theme.css");
    assert_eq!(status(&theme), "200", "the form is pretty");
    assert!(
        !place
            .folder
            .0
            .join("state/sessions")
            .read_dir()
            .unwrap()
            .any(|_| true)
    );
}

#[test]
fn a_password_lets_in_and_a_wrong_one_does_not() {
    let place = Place::of_users();
    let mut client = place.stranger();
    let wrong = client.log_in("ann", "battery staple", "/a");
    assert_eq!(status(&wrong), "401");
    assert!(
        wrong.contains("role=\"alert\"") && wrong.contains("value=\"ann\""),
        "{wrong}"
    );
    assert!(
        wrong.contains("value=\"/a\"") && cookie(&wrong).is_none(),
        "{wrong}"
    );
    assert!(!wrong.contains("staple"), "{wrong}");
    let unknown = client.log_in("eve", "battery staple", "/a");
    let text = |answer: &str| {
        answer
            .split("role=\"alert\">")
            .nth(1)
            .unwrap()
            .split('<')
            .next()
            .unwrap()
            .to_owned()
    };
    assert_eq!(
        text(&wrong),
        text(&unknown),
        "who is there is nobody's business"
    );
    let right = client.log_in("ann", "correct horse", "/a");
    assert_eq!(status(&right), "303");
    assert!(right.contains("Location: /a\r\n"), "{right}");
    let set = right
        .split("Set-Cookie: ")
        .nth(1)
        .unwrap()
        .split("\r\n")
        .next()
        .unwrap();
    assert!(
        set.ends_with("; Path=/; Max-Age=604800; HttpOnly; SameSite=Lax"),
        "{set}"
    );
    let session = client.session();
    assert_eq!(client.who(&session), "\"ann//-\"");
    let away = client.log_in("ann", "correct horse", "//evil.example/");
    assert!(away.contains("Location: /\r\n"), "{away}");
    let log = place.server().log();
    assert!(
        log.contains("refused a login as \"eve\" from 127.0.0.1"),
        "{log}"
    );
    assert!(log.contains("\"ann\" logged in from 127.0.0.1"), "{log}");
    assert!(!log.contains("horse") && !log.contains("staple"), "{log}");
}

#[test]
fn other_sites_pages_log_nobody_in_or_out() {
    let place = Place::of_users();
    let evil = place.stranger().with("Origin: https://evil.example\r\n");
    let body = "name=ann&password=correct+horse";
    assert_eq!(status(&evil.post("/login", body)), "403");
    let ann = place.ann();
    let session = ann.session();
    assert_eq!(
        status(
            &ann.with("Origin: https://evil.example\r\n")
                .post("/logout", "")
        ),
        "403"
    );
    assert_eq!(ann.who(&session), "\"ann//-\"");
    let own = format!("Origin: http://{}\r\n", place.server().address);
    assert_eq!(status(&ann.with(&own).post("/logout", "")), "303");
}

#[test]
fn a_login_ends_for_good_also_after_a_restart() {
    let mut place = Place::of_users();
    let (ann, again) = (place.ann().fields, place.ann().fields);
    let client =
        |place: &Place, fields: &str| status(&place.stranger().with(fields).get("/")).to_owned();
    assert_eq!(client(&place, &ann), "307");
    let answer = place.stranger().with(&ann).post("/logout", "");
    assert!(
        answer.contains("Set-Cookie: lunette-login=; Path=/; Max-Age=0"),
        "{answer}"
    );
    assert_eq!(
        client(&place, &ann),
        "401",
        "the cookie may still be somewhere"
    );
    assert_eq!(
        client(&place, &again),
        "307",
        "another login of the same user"
    );
    place.crash();
    assert_eq!(client(&place, &ann), "401");
    assert_eq!(client(&place, &again), "307", "logins survive the process");
    let key = place.folder.0.join("state/values/login-key");
    assert_eq!(
        fs::metadata(&key).unwrap().permissions().mode() & 0o777,
        0o600
    );
    drop(place.server.take());
    fs::remove_file(key).unwrap();
    place.start();
    assert_eq!(client(&place, &again), "401", "sealed by somebody else");
}

#[test]
fn logging_out_closes_what_is_open() {
    let place = Place::of_users();
    let ann = place.ann();
    let session = ann.session();
    let (mut own, mut other) = (
        ann.attach(&session).unwrap(),
        place.ann().attach(&session).unwrap(),
    );
    say(&mut own, CREATE);
    value_of(&mut own, 2);
    ann.post("/logout", "");
    assert_eq!(close_code(&mut own), 1008);
    say(&mut other, CREATE);
    assert_eq!(value_of(&mut other, 2), "\"ann//-\"");
    assert_eq!(status(&ann.attach(&session).unwrap_err()), "401");
}

#[test]
fn a_login_ends_with_its_password() {
    let place = Place::of_users();
    let (ann, bob) = (place.ann(), place.bob());
    let session = ann.session();
    let mut open = ann.attach(&session).unwrap();
    say(&mut open, CREATE);
    value_of(&mut open, 2);
    assert!(place.passwd("ann", "another one").status.success());
    // The file is looked at once a second.
    while status(&ann.get("/")) != "401" {
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    assert_eq!(close_code(&mut open), 1008);
    assert_eq!(status(&bob.get("/")), "307");
    let mut client = place.stranger();
    assert_eq!(status(&client.log_in("ann", "correct horse", "/")), "401");
    assert_eq!(status(&client.log_in("ann", "another one", "/")), "303");
}

/// Nobody has to ask for anything.
#[test]
fn who_is_no_user_any_more_is_let_go() {
    let place = Place::of_users();
    let (ann, bob) = (place.ann(), place.bob());
    let (mut hers, mut his) = (
        ann.attach(&ann.session()).unwrap(),
        bob.attach(&bob.session()).unwrap(),
    );
    let users = fs::read_to_string(place.users()).unwrap();
    let left: Vec<&str> = users.lines().filter(|l| !l.starts_with("ann:")).collect();
    place.folder.write("users.new", left.join("\n"));
    fs::rename(place.folder.0.join("users.new"), place.users()).unwrap();
    assert_eq!(close_code(&mut hers), 1008);
    say(&mut his, CREATE);
    assert_eq!(value_of(&mut his, 2), "\"bob//-\"");
}

#[test]
fn a_broken_file_of_users_changes_nothing_while_the_server_runs() {
    let place = Place::of_users();
    let ann = place.ann();
    fs::write(place.users(), "ann:plain text\n").unwrap();
    while !place.server().log().contains("the users stay as they were") {
        assert_eq!(status(&ann.get("/")), "307");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    assert!(
        place.server().log().contains("users:1: "),
        "{}",
        place.server().log()
    );
    assert_eq!(status(&ann.get("/")), "307");
}

#[test]
fn users_that_everybody_may_write_are_refused() {
    let open = || Permissions::from_mode(0o606);
    let place = Place::of_users();
    let ann = place.ann();
    fs::set_permissions(place.users(), open()).unwrap();
    let lines = fs::read_to_string(place.users()).unwrap();
    fs::write(place.users(), lines.replace("bob:", "eve:")).unwrap();
    let told = "users: everybody may write to it: chmod 600";
    while !place.server().log().contains(told) {
        assert_eq!(status(&ann.get("/")), "307");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let eve = place.stranger().log_in("eve", "battery staple", "/");
    assert_eq!(status(&eve), "401");
    place.bob();
    // Nor does a server start with it.
    let dir = place.folder.0.display().to_string();
    let serve = ["serve", "--dir", &dir, "--port", "0", "--state", "none"];
    let said = complaint(&lunette(&serve), 3);
    assert!(said.contains(told), "{said}");
    let said = complaint(&lunette(&["check", &dir]), 3);
    assert!(said.contains(told) && said.contains("1 problem"), "{said}");
    fs::set_permissions(place.users(), Permissions::from_mode(0o660)).unwrap();
    assert_eq!(complaint(&lunette(&["check", &dir]), 0), "");
}

#[test]
fn users_in_a_directory_of_everybodys_are_refused() {
    let place = Place::of_users();
    let dir = place.folder.0.display().to_string();
    let check = |mode: u32, named: &Path| {
        fs::set_permissions(named, Permissions::from_mode(mode)).unwrap();
        lunette(&["check", &dir])
    };
    let told = "users: everybody may put another file into its place: chmod o-w";
    let said = complaint(&check(0o757, &place.folder.0), 3);
    assert!(said.contains(told) && said.contains(&dir), "{said}");
    let serve = ["serve", "--dir", &dir, "--port", "0", "--state", "none"];
    assert!(complaint(&lunette(&serve), 3).contains(told));
    // With the sticky bit nobody replaces what is another's.
    assert_eq!(complaint(&check(0o1777, &place.folder.0), 0), "");
    assert_eq!(complaint(&check(0o755, &place.folder.0), 0), "");
    // Where a symlink leads counts as well.
    let elsewhere = place.folder.0.join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    fs::rename(place.users(), elsewhere.join("people")).unwrap();
    std::os::unix::fs::symlink("elsewhere/people", place.users()).unwrap();
    assert_eq!(complaint(&check(0o755, &elsewhere), 0), "");
    let said = complaint(&check(0o777, &elsewhere), 3);
    assert!(
        said.contains(told) && said.contains("elsewhere\""),
        "{said}"
    );
}

#[test]
fn a_login_is_over_after_its_time() {
    let place = Place::new(
        "[auth]\nmode = \"users\"\nusers = \"users\"\nmax_age = \"1m\"\n",
        &[],
    );
    let answer = place.stranger().log_in("ann", "correct horse", "/");
    assert!(answer.contains("; Max-Age=60; "), "{answer}");
    let value = cookie(&answer).unwrap();
    let parts: Vec<&str> = value.split('.').collect();
    let until: i64 = parts[3].parse().unwrap();
    // Whoever has the cookie cannot make it last.
    let longer = value.replace(parts[3], &(until + 1).to_string());
    let with = |value: &str| {
        place
            .stranger()
            .with(&format!("Cookie: lunette-login={value}\r\n"))
    };
    assert_eq!(status(&with(value).get("/")), "307");
    assert_eq!(status(&with(&longer).get("/")), "401");
    assert_eq!(status(&with("").get("/")), "401");
    assert_eq!(status(&with(&"x".repeat(4000)).get("/")), "401");
}

#[test]
fn guessing_is_slow_and_hurts_nobody_else() {
    let place = Place::of_users();
    let mut guesser = place.stranger();
    let answers: Vec<String> = (0..7)
        .map(|n| guesser.log_in("ann", &format!("guess {n}"), "/"))
        .collect();
    let statuses: Vec<&str> = answers.iter().map(|answer| status(answer)).collect();
    assert_eq!(statuses, ["401", "401", "401", "401", "401", "429", "429"]);
    let last = &answers[6];
    assert!(
        last.contains("Retry-After: ") && last.contains("Too many tries"),
        "{last}"
    );
    assert_eq!(
        status(&guesser.log_in("ann", "correct horse", "/")),
        "429",
        "it tells nothing"
    );
    // Another one at the same address, and who is in already.
    let bob = place.bob();
    assert_eq!(status(&bob.get("/")), "307");
    let mut session = bob.attach(&bob.session()).unwrap();
    say(&mut session, CREATE);
    value_of(&mut session, 2);
    say(&mut session, ADD);
    assert_eq!(value_of(&mut session, 3), "1");
}

#[test]
fn forms_that_are_none_are_refused() {
    let place = Place::of_users();
    let client = place.stranger();
    assert_eq!(status(&client.post("/login", "")), "400");
    assert_eq!(status(&client.post("/login", "name=%zz")), "400");
    assert_eq!(
        status(&client.post("/login", &format!("name=ann&password={}", "x".repeat(300)))),
        "400"
    );
    assert_eq!(status(&client.post("/login", &"x".repeat(9000))), "413");
    assert_eq!(status(&client.post("/login?a", "name=a")), "405");
    assert_eq!(status(&client.post("/", "name=a")), "405");
    // A form in pieces, and one that never ends.
    let mut stream = place.server().connect();
    use std::io::Write;
    let body = "name=ann&password=correct+horse";
    let head = format!(
        "POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    for byte in head.bytes().chain(body.bytes()) {
        stream.write_all(&[byte]).unwrap();
    }
    assert_eq!(
        status(&crate::net::process::read_answer(&mut stream)),
        "303"
    );
}

#[test]
fn a_token_lets_programs_and_people_in() {
    let secret = "9f3a77c0d1e24b5688aa";
    let settings = format!("[auth]\nmode = \"token\"\ntoken = \"{secret}\"\n");
    let place = Place::new(&settings, &["-vvv"]);
    let program = place
        .stranger()
        .with(&format!("Authorization: Bearer {secret}\r\n"));
    let session = program.session();
    assert_eq!(program.who(&session), "\"token//-\"");
    let mut person = place.stranger();
    assert!(person.get("/").contains("Access token"));
    assert_eq!(status(&person.log_in("", "wrong wrong wrong", "/")), "401");
    assert_eq!(status(&person.log_in("", secret, "/")), "303");
    assert_eq!(person.who(&session), "\"token//-\"", "the same session");
    for wrong in ["Bearer", "Bearer ", "Bearer wrong", "Basic dG9rZW4="] {
        let wrong = place
            .stranger()
            .with(&format!("Authorization: {wrong}\r\n"));
        assert_eq!(status(&wrong.get_as("/", "*/*")), "401");
    }
    let in_address = place.stranger().get(&format!("/?token={secret}"));
    assert_eq!(status(&in_address), "401", "addresses end in logs");
    let log = place.server().log().replace("/?token=", "");
    assert!(!log.contains("Bearer"), "{log}");
}

/// The right one is not told from the others while there are too many.
#[test]
fn tokens_cannot_be_tried_without_end() {
    let secret = "9f3a77c0d1e24b5688aa";
    let proxy = "[server]\ntrusted_proxies = [\"127.0.0.1\"]";
    let settings = format!("[auth]\nmode = \"token\"\ntoken = \"{secret}\"\n{proxy}\n");
    let place = Place::new(&settings, &[]);
    let try_one = |from: &str, token: &str| {
        let fields = format!("Authorization: Bearer {token}\r\nX-Forwarded-For: {from}\r\n");
        status(&place.stranger().with(&fields).get("/")).to_owned()
    };
    assert_eq!(try_one("192.0.2.1", secret), "307");
    let ends = (0..200).find(|n| try_one("192.0.2.1", &format!("wrong-{n}")) == "429");
    assert!(ends.is_some_and(|tries| tries >= 30), "{ends:?}");
    // There is one try in two seconds, for which it would have to be this one's turn.
    let kept_out = (0..20).any(|_| try_one("192.0.2.1", secret) == "429");
    assert!(kept_out, "nothing is learnt from there");
    assert_eq!(
        try_one("192.0.2.2", secret),
        "307",
        "others are not kept out"
    );
}

#[test]
fn without_auth_nothing_is_asked_for() {
    let place = Place::new("", &[]);
    let anybody = place.stranger();
    assert_eq!(anybody.who(&anybody.session()), "\"nobody\"");
    assert_eq!(status(&anybody.post("/login", "name=a")), "405");
    assert_eq!(status(&anybody.get("/login")), "307", "an app's own path");
}

#[test]
fn passwords_are_set_by_a_command() {
    let place = Place::new("", &["--state", "none"]);
    let file = || fs::read_to_string(place.users()).unwrap();
    assert_eq!(
        fs::metadata(place.users()).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let before = file();
    fs::write(
        place.users(),
        before
            .replace("bob:", "# people\nbob:")
            .replace('\n', ":staff:a@b.c\n")
            .replace("# people:staff:a@b.c", "# people"),
    )
    .unwrap();
    assert!(place.passwd("bob", "new\n").status.success());
    let after = file();
    assert!(
        after.lines().nth(2).unwrap().ends_with(":staff:a@b.c"),
        "{after}"
    );
    assert_eq!(
        before
            .lines()
            .next()
            .map(|l| format!("{l}:staff:a@b.c"))
            .as_deref(),
        after.lines().next()
    );
    assert!(!after.contains("new"), "{after}");
    for (name, password) in [
        ("a:b", "x"),
        ("", "x"),
        ("ann", ""),
        ("ann", &*"x".repeat(300)),
    ] {
        let set = place.passwd(name, password);
        assert_eq!(set.status.code(), Some(1), "{set:?}");
        assert_eq!(file(), after);
    }
    fs::write(place.users(), "nonsense\n").unwrap();
    let set = place.passwd("ann", "x");
    assert!(
        String::from_utf8_lossy(&set.stderr).contains("users:1: "),
        "{set:?}"
    );
    assert_eq!(file(), "nonsense\n", "nothing is lost");
}
