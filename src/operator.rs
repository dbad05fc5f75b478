//! Operator: the commands that ask a running server, through the socket in its state directory.

use std::fmt::Write as _;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::server::admin::SOCKET;

/// Why there is no answer, or none that is wanted.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    #[error(
        "no server runs on {dir}: start it, or say by --dir or --state which one is meant. A server with --state none \
         cannot be asked"
    )]
    NoServer { dir: PathBuf },
    #[error("{path}: {source}")]
    Io { path: PathBuf, source: io::Error },
    /// What the server said.
    #[error("{0}")]
    Refused(String),
}

impl AskError {
    /// Whether nobody is there who could answer.
    pub fn is_absence(&self) -> bool {
        matches!(self, AskError::NoServer { .. })
    }
}

/// Asks the server whose state directory this is for what is at `path`, with `body` if there is one.
///
/// # Errors
/// When none runs, or it refuses.
pub fn ask(state: &Path, path: &str, body: Option<&Value>) -> Result<Value, AskError> {
    let socket = state.join(SOCKET);
    let wrong = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => AskError::NoServer {
            dir: state.to_owned(),
        },
        _ => AskError::Io {
            path: socket.clone(),
            source,
        },
    };
    let mut stream = UnixStream::connect(&socket).map_err(wrong)?;
    let end = "Host: lunette\r\nConnection: close\r\n";
    let request = match body {
        None => format!("GET {path} HTTP/1.1\r\n{end}\r\n"),
        Some(body) => {
            let body = body.to_string();
            let length = body.len();
            format!("PUT {path} HTTP/1.1\r\n{end}Content-Length: {length}\r\n\r\n{body}")
        }
    };
    stream.write_all(request.as_bytes()).map_err(wrong)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).map_err(wrong)?;
    let answer = String::from_utf8_lossy(&answer);
    let garbled = || {
        wrong(io::Error::other(
            "it does not answer as a lunette of this version",
        ))
    };
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(garbled)?;
    let value: Value = match serde_json::from_str(body) {
        Ok(value) => value,
        Err(_) if !head.contains(" 200 ") => return Err(AskError::Refused(body.trim().into())),
        Err(_) => return Err(garbled()),
    };
    match value["error"].as_str() {
        Some(error) if !head.contains(" 200 ") => Err(AskError::Refused(error.into())),
        _ => Ok(value),
    }
}

/// A server's sessions as a table; `now_ms` is the calendar's time.
pub fn table(sessions: &Value, now_ms: i64) -> String {
    let mut out = format!(
        "{:>6}  {:<32}  {:<8}  {:>5}  {:>11}  {:>9}  {:>9}\n",
        "number", "session", "state", "pages", "memory", "age", "quiet for"
    );
    for session in sessions.as_array().into_iter().flatten() {
        let text = |name: &str| session[name].as_str().unwrap_or("-").to_owned();
        let count = |name: &str| session[name].as_u64().map_or("-".into(), |n| n.to_string());
        let age = session["begun_ms"]
            .as_i64()
            .map(|begun| now_ms.saturating_sub(begun));
        let quiet = session["idle_ms"].as_i64();
        // Writing into a String cannot fail.
        let _ = writeln!(
            out,
            "{:>6}  {:<32}  {:<8}  {:>5}  {:>11}  {:>9}  {:>9}",
            count("number"),
            text("session"),
            text("state"),
            count("connections"),
            count("memory"),
            age.map_or("-".into(), duration),
            quiet.map_or("-".into(), duration),
        );
    }
    out
}

/// The two largest units.
fn duration(ms: i64) -> String {
    let seconds = ms.max(0) / 1000;
    match (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, minutes) => format!("{minutes}m{}s", seconds % 60),
        (0, hours, minutes) => format!("{hours}h{minutes}m"),
        (days, hours, _) => format!("{days}d{hours}h"),
    }
}

/// A text from the command line: JSON if it is any, else itself.
pub fn value(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| text.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn sessions_are_told_in_a_table() {
        let sessions = json!([
            { "session": "a", "number": 57, "state": "attached", "connections": 2, "memory": 70000, "begun_ms": 0, "idle_ms": 61_000 },
            { "session": "b", "number": 58, "state": "asleep", "connections": 0, "memory": 0, "begun_ms": null, "idle_ms": null },
        ]);
        let table = table(&sessions, 90_000_000);
        let rows: Vec<Vec<&str>> = table
            .lines()
            .map(|l| l.split_whitespace().collect())
            .collect();
        assert_eq!(
            rows[1],
            ["57", "a", "attached", "2", "70000", "1d1h", "1m1s"]
        );
        assert_eq!(rows[2], ["58", "b", "asleep", "0", "0", "-", "-"]);
        assert_eq!((value("5"), value("five")), (json!(5), json!("five")));
    }
}
