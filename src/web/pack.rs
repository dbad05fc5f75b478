//! Makes one small script out of the client's ES modules, at build time.
//!
//! [`join`] puts modules into one scope in dependency order; [`minify_js`] and
//! [`minify_css`] drop comments and needless white space, nothing more: names
//! stay, so an error in the browser still reads like the source. It understands
//! the JavaScript that this project writes, and refuses what it does not:
//! imports and exports stand at the start of a line, without renaming or
//! defaults; no two modules declare the same name at top level; a regular
//! expression never follows `)` or `}` directly.

use std::collections::BTreeMap;

/// An ES module: `name` is its file name, `text` its source.
pub struct Module {
    pub name: String,
    pub text: String,
}

/// One script of all modules that `entry` reaches, wrapped so that none of its
/// names is visible outside. `Err` says which module breaks which rule.
pub fn join(modules: &[Module], entry: &str) -> Result<String, String> {
    let parsed: BTreeMap<&str, Parsed> = modules
        .iter()
        .map(|m| Ok((m.name.as_str(), parse(m)?)))
        .collect::<Result<_, String>>()?;
    check(&parsed)?;
    let mut order = Vec::new();
    visit(entry, &parsed, &mut Vec::new(), &mut order)?;
    let mut out = String::from("(()=>{'use strict';\n");
    for name in order {
        out.push_str(&minify_js(&parsed[name.as_str()].body));
        out.push('\n');
    }
    out.push_str("})();\n");
    Ok(out)
}

/// The modules that are loaded when first used, by `import('./name.js')`. They
/// stand alone: what they import would run twice, once here and once there.
pub fn lazy(modules: &[Module]) -> Result<Vec<&Module>, String> {
    // Comments speak of modules in the same words, for types.
    let code: Vec<String> = modules.iter().map(|m| minify_js(&m.text)).collect();
    let used = |name: &str| {
        code.iter()
            .any(|text| text.contains(&format!("import('./{name}')")))
    };
    let found: Vec<&Module> = modules.iter().filter(|m| used(&m.name)).collect();
    for module in &found {
        if !parse(module)?.imports.is_empty() {
            return Err(format!(
                "{}: a module that is loaded when first used imports nothing",
                module.name
            ));
        }
    }
    Ok(found)
}

struct Parsed {
    /// The source without `import` statements and `export` keywords.
    body: String,
    /// `(module, name)`
    imports: Vec<(String, String)>,
    exports: Vec<String>,
    /// Every name declared at top level.
    names: Vec<String>,
}

fn parse(module: &Module) -> Result<Parsed, String> {
    let fail = |what: &str| format!("{}: {what}", module.name);
    let mut parsed = Parsed {
        body: String::new(),
        imports: Vec::new(),
        exports: Vec::new(),
        names: Vec::new(),
    };
    let mut lines = module.text.lines();
    while let Some(line) = lines.next() {
        if line.starts_with("import ") {
            let mut statement = line.to_owned();
            while !statement.trim_end().ends_with(';') {
                statement.push_str(lines.next().ok_or_else(|| fail("import without end"))?);
            }
            parse_import(&statement, &mut parsed.imports).map_err(|what| fail(&what))?;
            continue;
        }
        let exported = line.strip_prefix("export ");
        let code = exported.unwrap_or(line);
        if let Some(name) = declared(code) {
            parsed.names.push(name.to_owned());
            if exported.is_some() {
                parsed.exports.push(name.to_owned());
            }
        } else if exported.is_some() {
            return Err(fail("only declarations can be exported"));
        }
        parsed.body.push_str(code);
        parsed.body.push('\n');
    }
    Ok(parsed)
}

/// `import { a, b } from './module.js';`
fn parse_import(statement: &str, imports: &mut Vec<(String, String)>) -> Result<(), String> {
    let parts = statement
        .split_once('{')
        .and_then(|(_, rest)| rest.split_once('}'));
    let Some((names, from)) = parts else {
        return Err(format!(
            "write imports as {{ names }} from a module: {statement}"
        ));
    };
    let Some(module) = from
        .split('\'')
        .nth(1)
        .and_then(|path| path.strip_prefix("./"))
    else {
        return Err(format!("import from './name.js': {statement}"));
    };
    for name in names
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty())
    {
        if name.contains(' ') {
            return Err(format!("imports keep their names: {name}"));
        }
        imports.push((module.to_owned(), name.to_owned()));
    }
    Ok(())
}

/// The name that a line at top level declares.
fn declared(line: &str) -> Option<&str> {
    let rest = ["async function ", "function ", "class ", "const ", "let "]
        .iter()
        .find_map(|k| line.strip_prefix(k))?;
    let end = rest.find(|c: char| !is_name(c)).unwrap_or(rest.len());
    Some(&rest[..end])
}

fn check(parsed: &BTreeMap<&str, Parsed>) -> Result<(), String> {
    let mut owner: BTreeMap<&str, &str> = BTreeMap::new();
    for (module, one) in parsed {
        for name in &one.names {
            if let Some(other) = owner.insert(name, module) {
                return Err(format!(
                    "{module} and {other} both declare {name}: they share one scope"
                ));
            }
        }
        for (from, name) in &one.imports {
            let known = parsed
                .get(from.as_str())
                .is_some_and(|m| m.exports.contains(name));
            if !known {
                return Err(format!("{module}: {from} does not export {name}"));
            }
        }
    }
    Ok(())
}

/// Depth first: what is imported comes before what imports it. A cycle is cut
/// where it closes; its members may use each other only once all have run.
fn visit(
    name: &str,
    parsed: &BTreeMap<&str, Parsed>,
    open: &mut Vec<String>,
    order: &mut Vec<String>,
) -> Result<(), String> {
    if open.iter().chain(order.iter()).any(|known| known == name) {
        return Ok(());
    }
    let module = parsed
        .get(name)
        .ok_or_else(|| format!("no module {name}"))?;
    open.push(name.to_owned());
    for (from, _) in &module.imports {
        visit(from, parsed, open, order)?;
    }
    open.pop();
    order.push(name.to_owned());
    Ok(())
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '$' | '#') || !c.is_ascii()
}

/// JavaScript without comments and needless white space. Line ends stay where
/// they might end a statement.
pub fn minify_js(source: &str) -> String {
    let mut scan = Scan {
        text: source.as_bytes(),
        at: 0,
        out: Vec::with_capacity(source.len()),
        templates: Vec::new(),
        depth: 0,
    };
    scan.run();
    String::from_utf8(scan.out).expect("cut only at ASCII")
}

struct Scan<'a> {
    text: &'a [u8],
    at: usize,
    out: Vec<u8>,
    /// Brace depth at which each open `${` ends.
    templates: Vec<usize>,
    depth: usize,
}

impl Scan<'_> {
    fn run(&mut self) {
        while let Some(&c) = self.text.get(self.at) {
            let next = self.text.get(self.at + 1).copied();
            match c {
                b' ' | b'\t' | b'\r' | b'\n' => self.gap(),
                b'/' if matches!(next, Some(b'/' | b'*')) => self.gap(),
                b'/' if self.regex_may_start() => self.regex(),
                b'\'' | b'"' => self.string(c),
                b'`' => self.template(),
                b'}' if self.templates.last() == Some(&self.depth) => {
                    self.templates.pop();
                    self.template();
                }
                _ => {
                    match c {
                        b'{' => self.depth += 1,
                        b'}' => self.depth = self.depth.saturating_sub(1),
                        _ => {}
                    }
                    self.out.push(c);
                    self.at += 1;
                }
            }
        }
    }

    /// White space and comments: nothing, a space or a line end.
    fn gap(&mut self) {
        let mut line_end = false;
        loop {
            let rest = &self.text[self.at..];
            let step = if rest.starts_with(b"//") {
                rest.iter().position(|&c| c == b'\n').unwrap_or(rest.len())
            } else if rest.starts_with(b"/*") {
                let end = rest
                    .windows(2)
                    .skip(2)
                    .position(|w| w == b"*/")
                    .map_or(rest.len(), |p| p + 4);
                line_end |= rest[..end].contains(&b'\n');
                end
            } else if rest.first().is_some_and(u8::is_ascii_whitespace) {
                line_end |= rest[0] == b'\n';
                1
            } else {
                break;
            };
            self.at += step;
        }
        let (Some(&before), Some(&after)) = (self.out.last(), self.text.get(self.at)) else {
            return;
        };
        if line_end {
            let joins = b"{([,;=&|?:<*%^!~\n".contains(&before) || b"})],;.?:".contains(&after);
            if !joins {
                self.out.push(b'\n');
            }
            return;
        }
        let names = |c: u8| is_name(c as char) || c >= 0x80;
        // Without the space these would read as one sign, or as a comment.
        let signs = before == after && b"+-/".contains(&before);
        if (names(before) && names(after)) || signs {
            self.out.push(b' ');
        }
    }

    /// After a value a slash divides; anywhere else it begins an expression.
    fn regex_may_start(&self) -> bool {
        let end = self
            .out
            .iter()
            .rposition(|c| !c.is_ascii_whitespace())
            .map_or(0, |p| p + 1);
        let Some(&last) = self.out[..end].last() else {
            return true;
        };
        if !is_name(last as char) {
            return !b")]}'\"`".contains(&last);
        }
        let start = self.out[..end]
            .iter()
            .rposition(|&c| !is_name(c as char))
            .map_or(0, |p| p + 1);
        matches!(
            &self.out[start..end],
            b"return"
                | b"typeof"
                | b"case"
                | b"in"
                | b"of"
                | b"void"
                | b"else"
                | b"await"
                | b"yield"
                | b"throw"
        )
    }

    fn regex(&mut self) {
        let mut class = false;
        let start = self.at;
        self.at += 1;
        while let Some(&c) = self.text.get(self.at) {
            self.at += 1;
            match c {
                b'\\' => self.at += 1,
                b'[' => class = true,
                b']' => class = false,
                b'/' if !class => break,
                b'\n' => break,
                _ => {}
            }
        }
        self.out.extend_from_slice(&self.text[start..self.at]);
    }

    fn string(&mut self, quote: u8) {
        let start = self.at;
        self.at += 1;
        while let Some(&c) = self.text.get(self.at) {
            self.at += 1;
            match c {
                b'\\' => self.at += 1,
                c if c == quote => break,
                _ => {}
            }
        }
        self.out.extend_from_slice(&self.text[start..self.at]);
    }

    /// From a backquote, or from the brace that ends a `${`, to the next of either.
    fn template(&mut self) {
        let start = self.at;
        self.at += 1;
        while let Some(&c) = self.text.get(self.at) {
            self.at += 1;
            match c {
                b'\\' => self.at += 1,
                b'`' => break,
                b'$' if self.text.get(self.at) == Some(&b'{') => {
                    self.at += 1;
                    self.templates.push(self.depth);
                    break;
                }
                _ => {}
            }
        }
        self.out.extend_from_slice(&self.text[start..self.at]);
    }
}

/// CSS without comments and needless white space.
pub fn minify_css(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(c) = rest.chars().next() {
        if rest.starts_with("/*") {
            rest = rest.find("*/").map_or("", |end| &rest[end + 2..]);
        } else if c == '"' || c == '\'' {
            let end = rest[1..].find(c).map_or(rest.len(), |p| p + 2);
            out.push_str(&rest[..end]);
            rest = &rest[end..];
        } else if c.is_whitespace() {
            rest = rest.trim_start();
            let after = rest.chars().next().unwrap_or('}');
            let tight = out.is_empty()
                || out.ends_with(['{', '}', ';', ',', ':', ' '])
                || matches!(after, '{' | '}' | ';' | ',');
            if !tight {
                out.push(' ');
            }
        } else {
            if c == '}' && out.ends_with(';') {
                out.pop();
            }
            out.push(c);
            rest = &rest[c.len_utf8()..];
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_go_and_what_only_looks_like_one_stays() {
        let source = "const a = 'http://x'; // gone\nconst b = /[/*]'/g.test(`//${ a /* gone */ + `}` }`);\n";
        assert_eq!(
            minify_js(source),
            "const a='http://x';const b=/[/*]'/g.test(`//${a+`}`}`);"
        );
    }

    #[test]
    fn line_ends_that_may_end_a_statement_stay() {
        assert_eq!(
            minify_js("let a = 1\nlet b = a\n++a\nreturn\n(b)"),
            "let a=1\nlet b=a\n++a\nreturn\n(b)"
        );
        assert_eq!(minify_js("f(\n  a,\n  b,\n)\n  .then()"), "f(a,b,).then()");
    }

    #[test]
    fn words_and_signs_stay_apart() {
        assert_eq!(
            minify_js("typeof x in y; a + +b; a - -b; 4 / 2; a = b / c / d"),
            "typeof x in y;a+ +b;a- -b;4/2;a=b/c/d"
        );
    }

    fn module(name: &str, text: &str) -> Module {
        Module {
            name: name.into(),
            text: text.into(),
        }
    }

    #[test]
    fn modules_are_joined_after_what_they_import() {
        let main = module("main.js", "import { one } from './one.js';\nstart(one);\n");
        let one = module("one.js", "export const one = 1;\n");
        assert_eq!(
            join(&[main, one], "main.js").unwrap(),
            "(()=>{'use strict';\nconst one=1;\nstart(one);\n})();\n"
        );
    }

    #[test]
    fn names_that_would_clash_or_are_missing_are_refused() {
        let a = || module("a.js", "import { x } from './b.js';\nconst y = x;\n");
        assert!(
            join(
                &[a(), module("b.js", "export const x = 1;\nlet y;\n")],
                "a.js"
            )
            .unwrap_err()
            .contains("both declare y")
        );
        assert!(
            join(&[a(), module("b.js", "const x = 1;\n")], "a.js")
                .unwrap_err()
                .contains("does not export x")
        );
    }

    #[test]
    fn css_loses_comments_only() {
        assert_eq!(
            minify_css("/* a */ a > b , c { color : red ; content: ' /* x */ ' }"),
            "a > b,c{color :red;content:' /* x */ '}"
        );
    }
}
