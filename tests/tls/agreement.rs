//! How server and peer come to agree, and how they part.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::process::{Command, Stdio};
use std::sync::Arc;

use rustls::version::{TLS12, TLS13};
use rustls::{HandshakeKind, ProtocolVersion};

use super::client::{Place, any, shown};
use crate::bench_client::wire::{self, Tls};
use crate::net::process::{read_all, read_answer, status};

const HEAD: &[u8] = b"HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n";

fn head(tls: &mut Tls) -> String {
    tls.write_all(HEAD).expect("sent");
    let mut bytes = Vec::new();
    let mut byte = [0];
    while !bytes.ends_with(b"\r\n\r\n") {
        tls.read_exact(&mut byte).expect("a head");
        bytes.push(byte[0]);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[test]
fn both_versions_are_spoken_and_only_http_1() {
    let place = Place::new();
    for (version, expected) in [
        (&TLS13, ProtocolVersion::TLSv1_3),
        (&TLS12, ProtocolVersion::TLSv1_2),
    ] {
        let mut tls = place.tls_as(&wire::client(&[version]));
        assert_eq!(status(&head(&mut tls)), "200");
        // A second request on the same connection.
        assert_eq!(status(&head(&mut tls)), "200");
        assert_eq!(tls.conn.protocol_version(), Some(expected));
        assert_eq!(tls.conn.alpn_protocol(), Some(&b"http/1.1"[..]));
        assert_eq!(shown(&tls), wire::der("first"));
    }
    let mut old = wire::client(&[&TLS13]);
    Arc::get_mut(&mut old).expect("ours alone").alpn_protocols = vec![b"h2".to_vec()];
    let mut tls = place.tls_as(&old);
    assert!(
        tls.write_all(HEAD)
            .and_then(|()| tls.read(&mut [0]))
            .is_err()
    );
}

#[test]
fn who_comes_back_agrees_in_fewer_words() {
    let place = Place::new();
    for version in [&TLS13, &TLS12] {
        let client = wire::client(&[version]);
        let mut kinds = Vec::new();
        for _ in 0..2 {
            let mut tls = place.tls_as(&client);
            head(&mut tls);
            kinds.push(tls.conn.handshake_kind());
        }
        assert_eq!(
            kinds,
            [Some(HandshakeKind::Full), Some(HandshakeKind::Resumed)]
        );
    }
}

#[test]
fn the_end_is_said_by_tls_and_heard() {
    let place = Place::new();
    let close = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    for version in [&TLS13, &TLS12] {
        // An end that nobody said would be an error here.
        let mut tls = place.tls_as(&wire::client(&[version]));
        tls.write_all(close.as_bytes()).expect("sent");
        assert_eq!(status(&read_all(&mut tls)), "307");
        // Who says that nothing more comes gets the answer all the same.
        let mut tls = place.tls_as(&wire::client(&[version]));
        tls.write_all(b"GET /_lunette/theme.css HTTP/1.1\r\nHost: localhost\r\n\r\n")
            .expect("sent");
        tls.conn.send_close_notify();
        tls.flush().expect("sent");
        let answer = read_all(&mut tls);
        assert!(
            status(&answer) == "200" && answer.trim_end().ends_with('}'),
            "{answer}"
        );
        // So does who only shuts the socket.
        let mut tls = place.tls_as(&wire::client(&[version]));
        tls.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            .expect("sent");
        tls.sock.shutdown(Shutdown::Write).expect("shut");
        assert_eq!(status(&read_all(&mut tls)), "307");
    }
}

#[test]
fn idle_connections_are_ended_by_tls() {
    let place = Place::with(
        "[net]\nidle_timeout = \"300ms\"\nhead_timeout = \"1s\"\n",
        &[],
    );
    let mut tls = place.tls();
    head(&mut tls);
    assert_eq!(read_all(&mut tls), "");
    // With an agreement and no request it is the head that is waited for.
    let mut tls = place.tls();
    tls.flush().expect("agreed");
    assert_eq!(read_all(&mut tls), "");
}

#[test]
fn a_peer_may_take_byte_after_byte() {
    let place = Place::new();
    let mut tls = place.tls();
    let mut bytes = Vec::new();
    let mut request = false;
    while !request || tls.conn.wants_write() {
        if tls.conn.wants_write() {
            bytes.clear();
            tls.conn.write_tls(&mut bytes).expect("into memory");
            for byte in &bytes {
                tls.sock.write_all(&[*byte]).expect("sent");
            }
        } else if tls.conn.is_handshaking() {
            let mut byte = [0];
            tls.sock.read_exact(&mut byte).expect("an answer");
            tls.conn.read_tls(&mut &byte[..]).expect("from memory");
            tls.conn.process_new_packets().expect("TLS");
        } else {
            request = true;
            tls.conn.writer().write_all(HEAD).expect("into memory");
        }
    }
    let mut start = [0; 12];
    tls.read_exact(&mut start).expect("an answer");
    assert_eq!(&start, b"HTTP/1.1 200");
}

#[test]
fn too_many_connections_are_told_so_after_the_agreement() {
    let place = Place::with("[net]\nconnections = 2\n", &[]);
    let mut two = [place.tls(), place.tls()];
    for tls in &mut two {
        head(tls);
    }
    let mut third = place.tls();
    assert_eq!(status(&read_answer(&mut third)), "503");
    drop(third);
    head(&mut two[0]);
}

#[test]
fn keys_that_are_changed_on_the_way_change_nothing() {
    let place = Place::new();
    let mut tls = place.tls_as(&wire::client(&[&TLS13]));
    for _ in 0..5 {
        head(&mut tls);
        tls.conn.refresh_traffic_keys().expect("version 1.3");
    }
    head(&mut tls);
}

#[test]
fn common_programs_speak_with_it() {
    let place = Place::new();
    let port = place.server.address.port();
    let cert = wire::certificate("first");
    let curl = Command::new("curl")
        .args(["-sS", "--http1.1", "--cacert"])
        .arg(&cert)
        .arg(format!("https://localhost:{port}/_lunette/theme.css"))
        .output();
    match curl {
        Err(_) => println!("skipped: curl is not installed"),
        Ok(output) => {
            let told = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.success(), "{told}");
            assert_eq!(
                output.stdout.len(),
                place.theme().len(),
                "the whole of it: {told}"
            );
        }
    }
    let openssl = |version: &str| {
        Command::new("openssl")
            .args(["s_client", "-brief", "-verify_return_error", version])
            .args(["-connect", &format!("localhost:{port}"), "-CAfile"])
            .arg(&cert)
            .stdin(Stdio::null())
            .output()
    };
    for version in ["-tls1_3", "-tls1_2"] {
        match openssl(version) {
            Err(_) => println!("skipped: openssl is not installed"),
            Ok(output) => {
                let told = String::from_utf8_lossy(&output.stderr).into_owned();
                assert!(
                    output.status.success() && told.contains("Verification: OK"),
                    "{told}"
                );
            }
        }
    }
    // What is older is not spoken, and nobody else is believed to be this server.
    if let Ok(output) = openssl("-tls1_1") {
        assert!(!output.status.success());
    }
    let mut tls = place.tls_as(&wire::client_of(&[&TLS13], &[]));
    assert!(tls.write_all(HEAD).is_err());
    assert!(head(&mut place.tls_as(&any())).contains("200"));
}

impl Place {
    fn theme(&self) -> Vec<u8> {
        let mut http = self.http();
        http.request("GET", "/_lunette/theme.css", "")
            .expect("an answer")
            .body
    }
}
