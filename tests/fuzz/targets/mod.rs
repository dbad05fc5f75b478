//! What is fuzzed. Each target takes any bytes, panics if something does not hold that must, and tells what came of
//! them: inputs that come out in a new way are worth mutating further.

mod journal;
mod net;
mod text;

/// One of them.
pub struct Target {
    pub name: &'static str,
    pub run: fn(&[u8]) -> u64,
    pub corpus: fn() -> Vec<Vec<u8>>,
    /// What inputs are made of, to be put in anywhere.
    pub words: &'static [&'static str],
    /// Bytes of an input, if not as usual.
    pub longest: Option<usize>,
    /// Executions that take some seconds where nothing is optimised.
    pub some: u64,
    /// Kinds of outcomes that so many reach at the least.
    pub classes: usize,
}

pub const TARGETS: &[Target] = &[
    Target {
        name: "http-head",
        run: net::http_head,
        corpus: || lines(include_str!("../corpus/http-head.txt")),
        words: &[
            "\r\n",
            "GET ",
            " HTTP/1.1\r\n",
            "Host: a\r\n",
            "Content-Length: ",
            "Transfer-Encoding: chunked\r\n",
            "\r\n\r\n",
            "%2e",
            "?",
            ": ",
            ",",
        ],
        longest: None,
        some: 40_000,
        classes: 200,
    },
    Target {
        name: "websocket",
        run: net::websocket,
        corpus: || lines(include_str!("../corpus/websocket.txt")),
        words: &[
            "\u{81}",
            "\x01",
            "\0",
            "\u{88}\u{82}\0\0\0\0\x03",
            "\u{89}\u{80}\0\0\0\0",
        ],
        longest: None,
        some: 20_000,
        classes: 70,
    },
    Target {
        name: "message",
        run: text::message,
        corpus: || lines(include_str!("../corpus/message.txt")),
        words: &[
            "{",
            "}",
            "[",
            "]",
            "null",
            "true",
            "\"type\":",
            "\"data\":",
            "\"varId\":1",
            "1e999",
            "-0",
            "\\u0000",
            "\\ud800",
            "\"userEvent\":true",
            "\"messages\":",
            "{\"obj\":2}",
        ],
        longest: None,
        some: 60_000,
        classes: 280,
    },
    Target {
        name: "journal",
        run: journal::journal,
        corpus: journal::corpus,
        words: &[],
        longest: Some(16 << 10),
        some: 3_000,
        classes: 30,
    },
    Target {
        name: "static-path",
        run: text::static_path,
        corpus: || lines(include_str!("../corpus/static-path.txt")),
        words: &[
            "..", "%2e", "%2f", "%5c", "%25", "%", "/", ".", "%c3%a4", "%00",
        ],
        longest: Some(300),
        some: 100_000,
        classes: 15,
    },
    Target {
        name: "path",
        run: text::path,
        corpus: || lines(include_str!("../corpus/path.txt")),
        words: &[
            "..", ".", "!", "@", "(", ")", "_", ",", "\"", "'", "\\", "nil", "true", "-1", "1.5e3",
            "name", "(_)",
        ],
        longest: Some(1000),
        some: 60_000,
        classes: 350,
    },
    Target {
        name: "viewdef",
        run: text::viewdef,
        corpus: || lines(include_str!("../corpus/viewdef.txt")),
        words: &[
            "<template>",
            "</template>",
            "<div ",
            ">",
            "/>",
            "</div>",
            "<!--",
            "-->",
            "ui-value=\"",
            "ui-viewlist=\"rows\"",
            "\"",
            "<script>",
            "</script>",
            "<input",
            "<svg>",
            "&amp;",
            "&#0;",
            "<![CDATA[",
        ],
        longest: None,
        some: 20_000,
        classes: 150,
    },
];

/// A corpus file: an input a line, with escapes as in Rust; a line that begins with `#` is a comment.
fn lines(text: &str) -> Vec<Vec<u8>> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.map(unescape).collect()
}

/// `\r`, `\n`, `\0`, `\\` and `\xNN`.
pub fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        bytes.extend_from_slice(before.as_bytes());
        let (byte, len) = match after.as_bytes()[0] {
            b'r' => (b'\r', 1),
            b'n' => (b'\n', 1),
            b'0' => (0, 1),
            b'\\' => (b'\\', 1),
            _ => (u8::from_str_radix(&after[1..3], 16).expect("xNN"), 3),
        };
        bytes.push(byte);
        rest = &after[len..];
    }
    bytes.extend_from_slice(rest.as_bytes());
    bytes
}

/// A number for something that can be told apart.
fn class(of: impl std::hash::Hash) -> u64 {
    use std::hash::{DefaultHasher, Hasher};
    let mut hasher = DefaultHasher::new();
    of.hash(&mut hasher);
    hasher.finish()
}
