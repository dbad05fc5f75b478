//! The scenario `upload`: what it costs the server to take a file in, checksum and all.

use std::fs;
use std::io::{self, Error, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::time::Duration;

use crate::Scale;
use crate::client::{Socket, new_session};
use crate::report::Better::{Less, More};
use crate::report::{Figure, Report, median};
use crate::subject::Subject;

const MAIN: &str = "
local app = {}
function app:receive(file) end
session:createAppVariable(app)
";
const CONFIG: &str = "[upload]\ndir = \"incoming\"\nmax_bytes = \"1G\"\n";
/// Bytes that are written to the socket at a time.
const PORTION: usize = 256 << 10;

/// A folder that is removed afterwards.
struct Site(PathBuf);

impl Site {
    fn new() -> io::Result<Site> {
        let name = format!("lunette-upload-{}", std::process::id());
        let site = Site(std::env::temp_dir().join(name));
        fs::create_dir_all(site.0.join("lua"))?;
        fs::write(site.0.join("lua/main.lua"), MAIN)?;
        fs::write(site.0.join("lunette.toml"), CONFIG)?;
        Ok(site)
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub fn upload(subject: &Subject, scale: &Scale, report: &mut Report) -> io::Result<()> {
    let site = Site::new()?;
    let server = subject.folder(&site.0, &[])?;
    let session = new_session(server.address)?;
    let mut page = Socket::attach(server.address, &session)?;
    page.send(r#"{"type":"watch","data":{"varId":1}}"#)?;
    page.receive()?;
    let mut stream = TcpStream::connect(server.address)?;
    let portion = vec![b'x'; PORTION];
    let size = scale.upload_mib << 20;
    let before = server.rss_kib()?;
    let mut most = before;
    let mut samples = Vec::new();
    for id in 2..2 + scale.uploads {
        let path = announce(&mut page, id, size)?;
        let cpu = server.cpu()?;
        write!(
            stream,
            "PUT {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {size}\r\n\r\n"
        )?;
        for _ in 0..size / PORTION {
            stream.write_all(&portion)?;
        }
        answer(&mut stream)?;
        while !page.receive()?.contains("done") {}
        let used = server
            .cpu()?
            .saturating_sub(cpu)
            .max(Duration::from_micros(1));
        samples.push(size as f64 / 1e6 / used.as_secs_f64());
        most = most.max(server.rss_kib()?);
    }
    report.server_cpu(server.cpu()?.as_secs_f64());
    let rate = median(&mut samples);
    report.add(Figure::new(
        "upload, per server CPU second",
        "MB/s",
        More,
        rate,
    ));
    let grown = (most - before) as f64;
    report.add(Figure::new("... RSS over idle", "KiB", Less, grown));
    Ok(())
}

/// Announces a file; returns where its content goes.
fn announce(page: &mut Socket, id: usize, size: usize) -> io::Result<String> {
    page.send(&format!(
        r#"{{"userEvent":true,"messages":[{{"type":"create","data":{{"id":{id},"parentId":1,"properties":{{"path":"receive(_)","access":"action","upload":"{size}","uploadName":"a"}}}}}}]}}"#
    ))?;
    loop {
        let text = page.receive()?;
        if let Some((_, rest)) = text.split_once("\"uploadAt\":\"") {
            let end = rest.find('"').unwrap_or(rest.len());
            return Ok(rest[..end].to_owned());
        }
        if text.contains("\"error\"") {
            return Err(Error::other(text.to_owned()));
        }
    }
}

/// The head of an answer that has no body.
fn answer(stream: &mut TcpStream) -> io::Result<()> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    match head.starts_with(b"HTTP/1.1 204 ") {
        true => Ok(()),
        false => Err(Error::other(String::from_utf8_lossy(&head).into_owned())),
    }
}
