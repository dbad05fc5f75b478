//! From the path of a request to the name of a file inside a directory.

use super::http::Refusal;

/// The name inside a site's `html/` that a request path means: no leading `/`, `/` between the
/// parts, nothing that leads elsewhere. `/` itself gives the empty name.
///
/// # Errors
/// 400 for encodings that only somebody probing sends, 404 for what is never served.
pub fn static_name(path: &str) -> Result<String, Refusal> {
    let decoded = decode(path.strip_prefix('/').unwrap_or(path))?;
    if decoded.is_empty() {
        return Ok(decoded);
    }
    for part in decoded.split('/') {
        match part {
            "." | ".." => return Err(refuse(400, "the path leads out of the site")),
            "" => return Err(refuse(404, "not found")),
            hidden if hidden.starts_with('.') => return Err(refuse(404, "not found")),
            _ => {}
        }
    }
    Ok(decoded)
}

const fn refuse(status: u16, reason: &'static str) -> Refusal {
    Refusal { status, reason }
}

/// Percent-decodes once. What stays encoded after that, or decodes to a separator or a control
/// character, is refused: no file needs it and every way around a check does.
fn decode(path: &str) -> Result<String, Refusal> {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        if byte != b'%' {
            bytes.push(byte);
            rest = after;
            continue;
        }
        let (Some(high), Some(low)) = (hex(after.first()), hex(after.get(1))) else {
            return Err(refuse(
                400,
                "a percent sign without two hex digits in the path",
            ));
        };
        let decoded = high << 4 | low;
        if matches!(decoded, b'/' | b'\\' | 0..=0x1f | 0x7f) {
            return Err(refuse(
                400,
                "an encoded separator or control character in the path",
            ));
        }
        bytes.push(decoded);
        rest = &after[2..];
    }
    let encoded_twice = bytes
        .windows(3)
        .any(|w| w[0] == b'%' && hex(w.get(1)).is_some() && hex(w.get(2)).is_some());
    if encoded_twice {
        return Err(refuse(400, "the path is encoded twice"));
    }
    String::from_utf8(bytes).map_err(|_| refuse(400, "the path is not UTF-8"))
}

fn hex(digit: Option<&u8>) -> Option<u8> {
    match digit? {
        d @ b'0'..=b'9' => Some(d - b'0'),
        d @ b'a'..=b'f' => Some(d - b'a' + 10),
        d @ b'A'..=b'F' => Some(d - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_decoded_once() {
        let ok = |path| static_name(path).unwrap();
        assert_eq!(ok("/"), "");
        assert_eq!(ok("/a/b.css"), "a/b.css");
        assert_eq!(ok("/a%20b%C3%BC.txt"), "a bü.txt");
        assert_eq!(ok("/100%25.txt"), "100%.txt");
        assert_eq!(ok("/a..b"), "a..b");
    }

    #[test]
    fn nothing_leads_out_of_the_directory() {
        let status = |path| static_name(path).unwrap_err().status;
        for path in [
            "/..",
            "/../x",
            "/a/../../x",
            "/.",
            "/%2e%2e/x",
            "/%2E%2e/x",
            "/a%2f..%2fb",
            "/a%5cb",
            "/%252e%252e/x",
            "/a%00.txt",
            "/a%0a",
            "/%",
            "/%4",
            "/%zz",
            "/%ff",
        ] {
            assert_eq!(status(path), 400, "{path}");
        }
        for path in [
            "//x",
            "/a//b",
            "/a/",
            "/.git/config",
            "/a/.env",
            "/%2egit",
            "/...",
        ] {
            assert_eq!(status(path), 404, "{path}");
        }
    }
}
