//! Password fields: what templates say of them.

/// What `<input type="password">` elements of a template write to, and their names.
pub(super) fn password_fields(template: &str) -> Vec<String> {
    let mut fields = Vec::new();
    for tag in template.split('<').skip(1) {
        let name = tag.split(|c: char| c.is_whitespace()).next();
        if !name.is_some_and(|name| name.eq_ignore_ascii_case("input")) {
            continue;
        }
        let attributes = attributes(&tag["input".len()..]);
        let value = |of: &str| {
            let found = attributes.iter().find(|(name, _)| name == of);
            found.map(|(_, value)| value.as_str())
        };
        if !value("type").is_some_and(|kind| kind.eq_ignore_ascii_case("password")) {
            continue;
        }
        fields.extend(value("name").map(str::to_owned));
        if let Some(path) = value("ui-value").map(super::bare) {
            fields.push(path.to_owned());
            fields.extend(path.rsplit('.').next().map(str::to_owned));
        }
    }
    fields
}

/// Names, in lower case, and values of a tag's attributes, from behind its name on.
fn attributes(mut rest: &str) -> Vec<(String, String)> {
    let mut all = Vec::new();
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == '/');
        let end = rest.find(|c: char| c.is_whitespace() || matches!(c, '=' | '>' | '/'));
        let (name, behind) = rest.split_at(end.unwrap_or(rest.len()));
        if name.is_empty() {
            return all;
        }
        rest = behind.trim_start();
        let mut value = "";
        if let Some(given) = rest.strip_prefix('=') {
            let given = given.trim_start();
            let quote = given.chars().next().filter(|c| matches!(c, '"' | '\''));
            let (text, ends): (&str, Option<usize>) = match quote {
                Some(quote) => (&given[1..], given[1..].find(quote)),
                None => (given, given.find(|c: char| c.is_whitespace() || c == '>')),
            };
            value = &text[..ends.unwrap_or(text.len())];
            rest = &text[value.len()..];
            rest = rest.strip_prefix(['"', '\'']).unwrap_or(rest);
        }
        all.push((name.to_ascii_lowercase(), value.to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn password_fields_are_found_however_they_are_written() {
        let template = "<template><INPUT TYPE=Password ui-value='login.word?keypress'><input\n  \
             type=\"password\" name=\"pin\"/><input name=\"mail\"><input type=password name=x></template>";
        let fields = password_fields(template);
        assert_eq!(fields, ["login.word", "word", "pin", "x"]);
    }
}
