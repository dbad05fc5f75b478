//! Escapes in the strings of code for Lua 5.1, where `\\d` in a string is just `d`: a syntax error in Lua 5.4.

/// The source without the backslashes that Lua 5.4 refuses; every line stays where it is.
pub(super) fn without_unknown(source: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(source.len());
    let mut at = 0;
    while at < source.len() {
        let end = match source[at] {
            b'-' if source[at..].starts_with(b"--") => comment_end(source, at),
            b'[' => long_end(source, at).unwrap_or(at + 1),
            b'"' | b'\'' => {
                at = quoted(source, at, &mut out);
                continue;
            }
            _ => at + 1,
        };
        out.extend_from_slice(&source[at..end]);
        at = end;
    }
    out
}

fn comment_end(source: &[u8], at: usize) -> usize {
    let rest = at + 2;
    if let Some(end) = long_end(source, rest) {
        return end;
    }
    let line = source[rest..].iter().position(|&byte| byte == b'\n');
    line.map_or(source.len(), |length| rest + length)
}

/// The end of the long bracket that begins here, if one does.
fn long_end(source: &[u8], at: usize) -> Option<usize> {
    let rest = source.get(at..)?.strip_prefix(b"[")?;
    let level = rest.iter().take_while(|&&byte| byte == b'=').count();
    if rest.get(level) != Some(&b'[') {
        return None;
    }
    let mut close = vec![b'='; level + 2];
    close[0] = b']';
    close[level + 1] = b']';
    let found = rest.windows(close.len()).position(|part| part == close);
    Some(found.map_or(source.len(), |start| at + 1 + start + close.len()))
}

/// Copies a quoted string; returns where it ends.
fn quoted(source: &[u8], start: usize, out: &mut Vec<u8>) -> usize {
    let quote = source[start];
    out.push(quote);
    let mut at = start + 1;
    while let Some(&byte) = source.get(at) {
        let length = match byte {
            b'\\' => escape(&source[at + 1..], out),
            _ => {
                out.push(byte);
                0
            }
        };
        at += 1 + length;
        if byte == quote || byte == b'\n' {
            break;
        }
    }
    at
}

/// Copies what follows a backslash, with it if Lua knows the escape; returns how long it is.
fn escape(rest: &[u8], out: &mut Vec<u8>) -> usize {
    let Some(&letter) = rest.first() else {
        out.push(b'\\');
        return 0;
    };
    let known = match letter {
        b'x' => rest.len() > 2 && rest[1..3].iter().all(u8::is_ascii_hexdigit),
        b'u' => rest.get(1) == Some(&b'{'),
        _ => b"abfnrtvz\\\"'\n\r0123456789".contains(&letter),
    };
    if known {
        out.push(b'\\');
    }
    out.push(letter);
    1
}

#[cfg(test)]
mod tests {
    use super::without_unknown;

    fn shown(source: &str) -> String {
        String::from_utf8(without_unknown(source.as_bytes())).expect("what was text stays text")
    }

    #[test]
    fn only_unknown_escapes_lose_their_backslash() {
        assert_eq!(
            shown(r#"x = "\d\/\n\\\"\065" .. '\.\''"#),
            r#"x = "d/\n\\\"\065" .. '.\''"#
        );
        assert_eq!(
            shown(r#""\x41\x4g\u{e9}\u00e9""#),
            r#""\x41x4g\u{e9}u00e9""#
        );
    }

    #[test]
    fn comments_and_long_strings_stay() {
        for source in [
            r#"-- it's "\d"
            "a""#,
            r#"--[[ "\d" ]] x"#,
            r#"s = [==[ "\d" ]] ]==]"#,
            r#"t[i] = a[b[1]]"#,
            "[[ no end \\d",
            "\"no end \\",
            "'no end\n",
        ] {
            assert_eq!(shown(source), source);
        }
        assert_eq!(shown("--[[ it's ]] '\\d'"), "--[[ it's ]] 'd'");
    }
}
