//! Which process has a port, for the message that says it cannot be had.

use std::fs;
use std::path::Path;

/// The state of a socket that listens, in the tables of the kernel.
const LISTENS: &str = "0A";

/// Whoever listens on this port, as `process 123 (name)`; `None`: that cannot be seen.
pub fn holder(port: u16) -> Option<String> {
    let socket = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .find_map(|table| listening(&fs::read_to_string(table).ok()?, port).map(str::to_owned))?;
    let target = format!("socket:[{socket}]");
    let processes = fs::read_dir("/proc").ok()?.flatten();
    let process = processes
        .map(|entry| entry.path())
        .filter(|process| is_process(process))
        .find(|process| has(process, &target))?;
    let pid = process.file_name()?.to_str()?.to_owned();
    let name = fs::read_to_string(process.join("comm")).unwrap_or_default();
    Some(format!("process {pid} ({})", name.trim()))
}

/// The number of the socket that listens on this port.
fn listening(table: &str, port: u16) -> Option<&str> {
    let port = format!(":{port:04X}");
    table.lines().find_map(|line| {
        let mut fields = line.split_whitespace();
        let local = fields.nth(1)?;
        let state = fields.nth(1)?;
        (local.ends_with(&port) && state == LISTENS).then(|| fields.nth(5))?
    })
}

/// There are other things beside processes, and other names for them.
fn is_process(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    name.is_some_and(|name| name.bytes().all(|b| b.is_ascii_digit()))
}

fn has(process: &Path, target: &str) -> bool {
    let descriptors = fs::read_dir(process.join("fd")).into_iter().flatten();
    let leads = |path: &Path| fs::read_link(path).is_ok_and(|to| to.as_os_str() == target);
    descriptors.flatten().any(|entry| leads(&entry.path()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn this_process_holds_the_port_that_it_listens_on() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let holder = holder(listener.local_addr().unwrap().port());
        let own = format!("process {} (", std::process::id());
        assert!(
            holder.as_deref().is_some_and(|h| h.starts_with(&own)),
            "{holder:?}"
        );
    }
}
