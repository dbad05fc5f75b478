//! Scenarios about what is on the page: a long list, many running timers, the first load of the demo, the binary.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::io::{self, Error};
use std::time::{Duration, Instant};

use crate::Scale;
use crate::client::{Http, Socket, new_session};
use crate::process::Server;
use crate::report::Better::Less;
use crate::report::{Figure, Report, median};
use crate::scenarios::{acting, action, millis, receive_until};
use crate::subject::Subject;
use crate::system::Waiting;

const OPEN_LIST: &str = concat!(
    r#"{"userEvent":false,"messages":[{"type":"watch","data":{"varId":1}},"#,
    r#"{"type":"create","data":{"id":2,"parentId":1,"properties":{"path":"size"}}},"#,
    r#"{"type":"create","data":{"id":3,"parentId":1,"properties":{"path":"fill()","access":"action"}}},"#,
    r#"{"type":"create","data":{"id":4,"parentId":1,"properties":{"path":"touch()","access":"action"}}},"#,
    r#"{"type":"create","data":{"id":5,"parentId":1,"properties":{"path":"append()","access":"action"}}}]}"#,
);
pub const OPEN_TICKS: &str = concat!(
    r#"{"userEvent":false,"messages":[{"type":"watch","data":{"varId":1}},"#,
    r#"{"type":"create","data":{"id":2,"parentId":1,"properties":{"path":"count","access":"r"}}}]}"#,
);
/// The list variable; its items variable is the next.
const ROWS_ID: usize = 6;
const FIRST_ITEM_ID: usize = 8;
/// The most assets that a first load is followed through.
const ASSETS_MAX: usize = 50;

pub fn list(subject: &Subject, scale: &Scale, report: &mut Report) -> io::Result<()> {
    let server = subject.site("list", &[])?;
    let mut renders = Vec::new();
    let mut bytes = 0;
    let mut rendered = None;
    for _ in 0..scale.renders {
        let mut socket = Socket::attach(server.address, &new_session(server.address)?)?;
        fill_rows(&mut socket, scale.rows)?;
        let (cpu, before) = (server.cpu()?, socket.text_bytes);
        render_rows(&mut socket, scale.rows)?;
        renders.push(millis(server.cpu()? - cpu));
        bytes = socket.text_bytes - before;
        rendered = Some(socket);
    }
    let mut socket = rendered.ok_or_else(|| Error::other("nothing was rendered"))?;
    let (touch_ms, touch_bytes) = action_cost(&server, &mut socket, scale.touches)?;
    report.server_cpu(server.cpu()?.as_secs_f64());
    let floor = subject.floor("echo")?;
    let (floor_ms, _) = action_cost(&floor, &mut acting(floor.address)?, scale.touches)?;

    let first = renders[0];
    let render = Figure::new(
        "page of 4,007 variables",
        "ms CPU",
        Less,
        median(&mut renders),
    );
    report.add(render.target(20.0).before(155.0));
    let touch = Figure::new("... one row touched", "ms CPU", Less, touch_ms);
    report.add(touch.floor(floor_ms).target(0.4).before(5.3));
    report.add(Figure::new("... bytes out for it", "B", Less, touch_bytes).target(100.0));
    report.note(format!(
        "{} variables, {bytes} bytes to the page, the very first {first:.1} ms",
        4 * scale.rows + 7
    ));
    Ok(())
}

/// Sets the size and presses `fill()`; the watch after them is what answers.
fn fill_rows(socket: &mut Socket, rows: usize) -> io::Result<()> {
    socket.send(OPEN_LIST)?;
    receive_until(socket, r#""varId":2,"#)?;
    socket.send(&format!(
        r#"{{"userEvent":true,"messages":[{{"type":"update","data":{{"varId":2,"value":{rows}}}}},{{"type":"update","data":{{"varId":3,"value":null}}}},{{"type":"watch","data":{{"varId":2}}}}]}}"#
    ))?;
    receive_until(socket, r#""varId":2,"#)
}

/// The chain of creates with which a page shows the list, level by level as the values arrive.
fn render_rows(socket: &mut Socket, rows: usize) -> io::Result<()> {
    let items_id = ROWS_ID + 1;
    let (first_item, first_row) = (FIRST_ITEM_ID, FIRST_ITEM_ID + rows);
    let first_field = first_row + rows;
    let create = |batch: &mut String, id: usize, parent: usize, properties: &str| {
        let comma = if batch.is_empty() { "" } else { "," };
        let _ = write!(
            batch,
            r#"{comma}{{"type":"create","data":{{"id":{id},"parentId":{parent},"properties":{{{properties}}}}}}}"#
        );
    };
    let mut levels = [const { String::new() }; 5];
    create(
        &mut levels[0],
        ROWS_ID,
        1,
        r#""path":"rows","wrapper":"lua.ViewList","elementId":"ui-9""#,
    );
    create(
        &mut levels[1],
        items_id,
        ROWS_ID,
        r#""path":"items","elementId":"ui-10""#,
    );
    for row in 0..rows {
        let (item, element) = (first_item + row, row + 11);
        let list_item = r#""fallbackNamespace":"list-item""#;
        create(
            &mut levels[2],
            item,
            items_id,
            &format!(r#""path":"{row}","elementId":"ui-{element}",{list_item}"#),
        );
        let properties = format!(
            r#""path":"item","elementId":"ui-{}",{list_item}"#,
            element + rows
        );
        create(&mut levels[3], first_row + row, item, &properties);
        create(
            &mut levels[4],
            first_field + 2 * row,
            first_row + row,
            r#""path":"name","access":"r""#,
        );
        create(
            &mut levels[4],
            first_field + 2 * row + 1,
            first_row + row,
            r#""path":"count","access":"r""#,
        );
    }
    let last_ids = [
        ROWS_ID,
        items_id,
        first_row - 1,
        first_field - 1,
        first_field + 2 * rows - 1,
    ];
    for (level, last_id) in levels.iter().zip(last_ids) {
        socket.send(&format!(r#"{{"userEvent":false,"messages":[{level}]}}"#))?;
        // The properties of the list variable go out before its value.
        let wanted = if last_id == ROWS_ID {
            "lua.ViewList".to_owned()
        } else {
            format!(r#""varId":{last_id},"#)
        };
        receive_until(socket, &wanted)?;
    }
    Ok(())
}

/// Server CPU milliseconds and payload bytes of one action, on average over many.
fn action_cost(server: &Server, socket: &mut Socket, count: usize) -> io::Result<(f64, f64)> {
    let (cpu, bytes) = (server.cpu()?, socket.text_bytes);
    for _ in 0..count {
        action(socket)?;
    }
    let bytes = socket.text_bytes - bytes;
    Ok((
        millis(server.cpu()? - cpu) / count as f64,
        bytes as f64 / count as f64,
    ))
}

pub fn ticks(subject: &Subject, scale: &Scale, report: &mut Report) -> io::Result<()> {
    let server = subject.site("ticks", &[])?;
    let (ours, updates) = tick(&server, scale)?;
    report.server_cpu(server.cpu()?.as_secs_f64());
    let (floor, _) = tick(&subject.floor("ticks")?, scale)?;
    let cost = Figure::new("timer tick, per delivered update", "us CPU", Less, ours);
    report.add(cost.floor(floor).target(15.0).before(73.0));
    let due = scale.ticking_sessions as f64 * 10.0;
    report.note(format!(
        "{} sessions: {updates:.0} updates/s delivered of {due:.0} due",
        scale.ticking_sessions
    ));
    Ok(())
}

/// Microseconds of server CPU for each update that arrived, and how many arrived a second.
fn tick(server: &Server, scale: &Scale) -> io::Result<(f64, f64)> {
    let mut sockets = Vec::new();
    for _ in 0..scale.ticking_sessions {
        let mut socket = Socket::attach(server.address, &new_session(server.address)?)?;
        socket.send(OPEN_TICKS)?;
        receive_until(&mut socket, r#""varId":2,"#)?;
        sockets.push(socket);
    }
    let mut waiting = Waiting::new(&sockets);
    // Whatever gathered while the last sessions were opened.
    drain_ready(&mut sockets, &mut waiting)?;
    let (cpu, started) = (server.cpu()?, Instant::now());
    let mut updates = 0;
    while started.elapsed() < Duration::from_secs(scale.tick_seconds) {
        updates += drain_ready(&mut sockets, &mut waiting)?;
    }
    let used = (server.cpu()? - cpu).as_secs_f64();
    Ok((
        used * 1e6 / updates as f64,
        updates as f64 / started.elapsed().as_secs_f64(),
    ))
}

/// Waits up to 50 ms for any socket, then takes what is there; how many updates that was.
fn drain_ready(sockets: &mut [Socket], waiting: &mut Waiting) -> io::Result<usize> {
    let mut updates = 0;
    for (socket, ready) in sockets.iter_mut().zip(waiting.ready(50)?) {
        if ready {
            updates += socket.drain()?;
        }
    }
    Ok(updates)
}

pub fn first_load(subject: &Subject, _scale: &Scale, report: &mut Report) -> io::Result<()> {
    let server = subject.demo()?;
    let mut http = Http::connect(server.address)?;
    let redirect = http.request("GET", "/", "")?;
    let page_path = format!(
        "/{}",
        redirect
            .session_id()
            .ok_or_else(|| Error::other("GET / did not redirect"))?
    );
    let mut wanted = vec![page_path.clone()];
    let mut seen: BTreeSet<String> = wanted.iter().cloned().collect();
    let mut wire_bytes = redirect.wire_bytes;
    let mut requests = 0;
    let mut notes = Vec::new();
    while let Some(path) = wanted.pop() {
        let packed = http.request("GET", &path, "Accept-Encoding: gzip\r\n")?;
        if packed.status != 200 || requests == ASSETS_MAX {
            return Err(Error::other(format!(
                "GET {path} answered {} as request {requests}",
                packed.status
            )));
        }
        requests += 1;
        wire_bytes += packed.wire_bytes;
        let shown = if path == page_path { "the page" } else { &path };
        notes.push(format!(
            "{shown}: {} bytes, {}",
            packed.wire_bytes,
            packed.header("content-encoding").unwrap_or("plain")
        ));
        let plain = http.request("GET", &path, "")?;
        let kind = plain.header("content-type").unwrap_or("").to_owned();
        for link in links(&plain.text(), &kind, &path) {
            if seen.insert(link.clone()) {
                wanted.push(link);
            }
        }
    }
    report.server_cpu(server.cpu()?.as_secs_f64());
    report.add(
        Figure::new("first load of the demo", "B", Less, wire_bytes as f64).target(35.0 * 1024.0),
    );
    report.add(Figure::new("... requests", "", Less, f64::from(requests as u32)).target(4.0));
    notes.into_iter().for_each(|note| report.note(note));
    Ok(())
}

/// What a browser fetches by itself on reading this text: scripts, style sheets, icons, imported modules.
fn links(text: &str, content_type: &str, base: &str) -> Vec<String> {
    let starts: &[&str] = match content_type {
        kind if kind.contains("html") => &["src=\"", "href=\""],
        kind if kind.contains("javascript") => &[
            "from \"",
            "from\"",
            "import \"",
            "import\"",
            "from '",
            "import '",
        ],
        kind if kind.contains("css") => &["@import \"", "url(\"", "url("],
        _ => &[],
    };
    let mut found = Vec::new();
    for start in starts {
        for (at, _) in text.match_indices(start) {
            let rest = &text[at + start.len()..];
            let link = rest.split(['"', '\'', ')']).next().unwrap_or("");
            let is_link_of_text =
                content_type.contains("html") && text[..at].rfind('<') == text[..at].rfind("<a ");
            if let Some(path) = resolve(link, base).filter(|_| !is_link_of_text) {
                found.push(path);
            }
        }
    }
    found
}

fn resolve(link: &str, base: &str) -> Option<String> {
    let directory = &base[..base.rfind('/')? + 1];
    match link {
        "" => None,
        link if link.starts_with("data:") || link.starts_with('#') || link.contains("//") => None,
        link if link.starts_with('/') => Some(link.to_owned()),
        link => Some(format!("{directory}{}", link.trim_start_matches("./"))),
    }
}

pub fn binary(subject: &Subject, _scale: &Scale, report: &mut Report) -> io::Result<()> {
    let bytes = std::fs::metadata(&subject.binary)?.len();
    report.add(
        Figure::new("release binary, stripped", "MB", Less, bytes as f64 / 1e6)
            .target(if cfg!(feature = "tls") { 6.0 } else { 4.0 }),
    );
    Ok(())
}
