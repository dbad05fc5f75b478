//! The certificate and its key: mistakes that are told before anybody is served, and new ones while the server runs.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use lunette::server::clock::wall;
use lunette::testing::time::show_time;

use super::client::{Place, call, folder, put_key, read, show, shown, until};
use crate::access::eventually;
use crate::bench_client::wire;
use crate::net::process::Folder;
use crate::operate::{complaint, lunette, printed};

fn dir(folder: &Folder) -> String {
    folder.0.to_string_lossy().into_owned()
}

/// A mistake, and what is said of it.
type Mistake = (fn(&Folder), &'static str);

const MISTAKES: [Mistake; 12] = [
    (
        |folder| put_key(folder, &read(&wire::key("second"))),
        "tls/key.pem: this is not the key of the certificate in ",
    ),
    (
        |folder| put_key(folder, b""),
        "tls/key.pem: there is no private key in it",
    ),
    (
        |folder| put_key(folder, &read(&wire::certificate("first"))),
        "tls/key.pem: there is no private key in it",
    ),
    (
        |folder| put_key(folder, &read(&wire::key("encrypted"))),
        "tls/key.pem: the key is encrypted",
    ),
    (
        |folder| {
            put_key(
                folder,
                b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
            );
        },
        "tls/key.pem: the key cannot be used",
    ),
    (
        |folder| {
            put_key(
                folder,
                b"-----BEGIN PRIVATE KEY-----\nA*A\n-----END PRIVATE KEY-----\n",
            );
        },
        "tls/key.pem: it is no PEM file",
    ),
    (
        |folder| fs::remove_file(folder.0.join("tls/key.pem")).expect("removed"),
        "tls/key.pem: No such file or directory (os error 2). tls_key of [server] must name",
    ),
    (
        |folder| folder.write("tls/cert.pem", ""),
        "tls/cert.pem: there is no certificate in it",
    ),
    (
        |folder| folder.write("tls/cert.pem", read(&wire::key("first"))),
        "tls/cert.pem: there is no certificate in it",
    ),
    (
        |folder| {
            let text = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
            folder.write("tls/cert.pem", text);
        },
        "tls/cert.pem: the certificate cannot be used",
    ),
    (
        |folder| {
            let (first, second) = (wire::certificate("first"), wire::certificate("second"));
            folder.write("tls/cert.pem", [read(&second), read(&first)].concat());
        },
        "or the server's own certificate is not the first one there",
    ),
    (
        |folder| {
            fs::remove_file(folder.0.join("tls/cert.pem")).expect("removed");
            fs::create_dir(folder.0.join("tls/cert.pem")).expect("made");
        },
        "tls/cert.pem: no regular file of at most 1 MiB",
    ),
];

#[test]
fn mistakes_are_told_with_the_file_before_anybody_is_served() {
    for (spoil, told) in MISTAKES {
        let folder = folder("");
        spoil(&folder);
        let dir = dir(&folder);
        let serve = lunette(&["serve", "--dir", &dir, "--port", "0", "--state", "none"]);
        let said = complaint(&serve, 3);
        assert!(said.contains(told), "{told}\n{said}");
        let said = complaint(&lunette(&["check", &dir]), 3);
        assert!(
            said.contains(told) && said.contains("1 problem"),
            "{told}\n{said}"
        );
    }
    let folder = folder("");
    assert!(printed(&lunette(&["check", &dir(&folder)])).contains("all is well"));
    folder.write("lunette.toml", "[server]\ntls_cert = \"tls/cert.pem\"\n");
    let said = complaint(&lunette(&["check", &dir(&folder)]), 3);
    assert!(
        said.contains("lunette.toml:2: tls_cert is set, but tls_key is not"),
        "{said}"
    );
    folder.write("lunette.toml", "");
    let key = wire::key("first").to_string_lossy().into_owned();
    let said = complaint(
        &lunette(&["serve", "--dir", &dir(&folder), "--tls-key", &key]),
        3,
    );
    assert!(
        said.contains("--tls-key: tls_key is set, but tls_cert is not"),
        "{said}"
    );
}

#[test]
fn a_key_that_everybody_may_read_is_told() {
    let folder = folder("");
    let path = folder.0.join("tls/key.pem");
    fs::set_permissions(&path, Permissions::from_mode(0o644)).expect("it is ours");
    let checked = lunette(&["check", &dir(&folder)]);
    let said = complaint(&checked, 0);
    assert!(said.contains("can read this key: chmod o-r "), "{said}");
    fs::set_permissions(&path, Permissions::from_mode(0o640)).expect("it is ours");
    assert_eq!(complaint(&lunette(&["check", &dir(&folder)]), 0), "");
}

/// A certificate from `from` to `to` days from now, by openssl, which makes one of any time as an authority only.
fn dated(folder: &Folder, from: i64, to: i64) -> Option<String> {
    let day = |days: i64| {
        let text = show_time((wall() / 1000 + days * 86_400) * 1000);
        text.replace(['-', ':', 'T'], "")
    };
    folder.write("ca/index", "");
    let config = "[ca]\ndefault_ca = own\n[own]\ndatabase = ca/index\nnew_certs_dir = ca\nrand_serial = yes\n\
                  default_md = sha256\npolicy = any\nx509_extensions = more\n[any]\ncommonName = supplied\n\
                  [more]\nsubjectAltName = DNS:localhost\n";
    folder.write("ca/config", config);
    let openssl = |arguments: &[&str]| {
        let ran = Command::new("openssl")
            .args(arguments)
            .current_dir(&folder.0)
            .output();
        ran.is_ok_and(|output| output.status.success())
    };
    let key = "tls/key.pem";
    let asked = [
        "req",
        "-new",
        "-key",
        key,
        "-subj",
        "/CN=localhost",
        "-out",
        "ca/csr",
    ];
    let (from, to) = (day(from), day(to));
    let signed = [
        "ca",
        "-batch",
        "-selfsign",
        "-notext",
        "-config",
        "ca/config",
        "-keyfile",
        key,
        "-in",
        "ca/csr",
        "-startdate",
        &from,
        "-enddate",
        &to,
        "-out",
        "tls/cert.pem",
    ];
    if !(openssl(&asked) && openssl(&signed)) {
        println!("skipped: there is no openssl that makes certificates");
        return None;
    }
    Some(format!("{}-{}-{}T", &to[..4], &to[4..6], &to[6..8]))
}

#[test]
fn a_certificate_whose_time_is_over_or_soon_is_told() {
    for (from, to, told) in [
        (
            -30,
            -2,
            "tls/cert.pem: certificate 1 in it has expired: it was good until ",
        ),
        (2, 30, "tls/cert.pem: certificate 1 in it is good from "),
        (-30, 5, "tls/cert.pem: certificate 1 in it is good until "),
        (-30, 20, ""),
    ] {
        let folder = folder("");
        let Some(ends) = dated(&folder, from, to) else {
            return;
        };
        let said = complaint(&lunette(&["check", &dir(&folder)]), 0);
        let server = crate::net::process::Server::start(&folder.0, &[]);
        for said in [said, server.log()] {
            assert!(said.contains(told), "{told}: {said}");
            assert_eq!(said.contains("certificate 1"), !told.is_empty(), "{said}");
            let is_end = told.contains("until");
            assert!(!is_end || said.contains(&ends), "{ends}: {said}");
        }
    }
}

#[test]
fn settings_come_from_flags_and_environment_as_well() {
    let folder = folder("");
    folder.write("lunette.toml", "");
    let path = |path: &Path| path.to_string_lossy().into_owned();
    let (cert, key) = (wire::certificate("second"), wire::key("second"));
    let flags = ["--tls-cert", &path(&cert), "--tls-key", &path(&key)].map(str::to_owned);
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let server = crate::net::process::Server::start(&folder.0, &flags);
    assert_eq!(server.scheme, "https");
    let (cert, key) = (path(&cert), path(&key));
    let variables = [
        ("LUNETTE_TLS_CERT", cert.as_str()),
        ("LUNETTE_TLS_KEY", key.as_str()),
    ];
    let server = crate::net::process::Server::start_in(&folder.0, &[], &variables);
    assert_eq!(server.scheme, "https");
}

#[test]
fn hup_brings_a_new_certificate_and_a_bad_one_changes_nothing() {
    let place = Place::new();
    let session = place.session();
    let mut page = place.page(&session);
    until(&mut page, "\"varId\":2");
    let now = || {
        let mut tls = place.tls();
        std::io::Write::flush(&mut tls).expect("agreed");
        shown(&tls)
    };
    assert_eq!(now(), wire::der("first"));
    show(&place.folder, "second");
    place.server.signal("HUP");
    eventually("the new one is shown", || now() == wire::der("second"));
    // Who is here goes on.
    call(&mut page, 10, "add()");
    until(&mut page, "\"value\":1");
    for (number, (spoil, told)) in MISTAKES.into_iter().enumerate() {
        if told.contains("no regular file") {
            continue;
        }
        show(&place.folder, "first");
        spoil(&place.folder);
        place.server.signal("HUP");
        eventually("the mistake is told", || {
            let log = place.server.log();
            log.matches("the certificate of before stays in use")
                .count()
                > number
        });
        let log = place.server.log();
        assert!(log.contains(told), "{told}\n{log}");
        assert_eq!(now(), wire::der("second"));
    }
    // Settings that cannot be read do not keep a certificate from being renewed, and what needs a new start is told.
    show(&place.folder, "first");
    place.folder.write("lunette.toml", "[server\n");
    place.server.signal("HUP");
    eventually("the new one is shown", || now() == wire::der("first"));
    place.folder.write("lunette.toml", "");
    place.server.signal("HUP");
    eventually("it is told", || {
        place
            .server
            .log()
            .contains("not taken over: tls_cert and tls_key;")
    });
    assert_eq!(now(), wire::der("first"));
    call(&mut page, 11, "add()");
    until(&mut page, "\"value\":2");
}

#[test]
fn passwords_without_tls_are_warned_of_where_others_can_hear_them() {
    let auth = "[auth]\nmode = \"token\"\ntoken = \"0123456789abcdef\"\n";
    let warned = |settings: &str, flags: &[&str]| {
        let folder = folder("");
        folder.write("lunette.toml", settings);
        let server = crate::net::process::Server::start(&folder.0, flags);
        server.log().matches("as they were typed").count()
    };
    let open = ["--host", "0.0.0.0"];
    assert_eq!(warned(auth, &open), 1);
    assert_eq!(warned(auth, &[]), 0);
    let proxied = format!("[server]\ntrusted_proxies = [\"127.0.0.1\"]\n{auth}");
    assert_eq!(warned(&proxied, &open), 0);
    let tls = Place::with(auth, &open);
    assert!(!tls.server.log().contains("as they were typed"));
}
