//! The language of manual pages, as far as one page needs it. Texts come in escaped ([`escape`], [`bold`], [`italic`]).

/// A page that is being written.
pub struct Page(String);

impl Page {
    /// A page of this name in this section of the manual, which says at its foot what it belongs to.
    pub fn new(name: &str, section: u8, source: &str) -> Page {
        let (name, source) = (escape(name), escape(source));
        // Neither hyphens where somebody copies a command, nor words torn apart to fill a line.
        Page(format!(
            ".TH \"{name}\" {section} \"\" \"{source}\" \"User Commands\"\n.nh\n.ad l\n"
        ))
    }

    pub fn section(&mut self, title: &str) {
        self.0 += &format!(".SH {}\n", escape(title));
    }

    /// A heading within a section.
    pub fn subsection(&mut self, title: &str) {
        self.0 += &format!(".SS {title}\n");
    }

    /// A paragraph; none if there is no text.
    pub fn text(&mut self, text: &str) {
        if !text.is_empty() {
            self.0 += &format!(".PP\n{text}\n");
        }
    }

    /// Lines that stay lines.
    pub fn lines(&mut self, lines: &[String]) {
        self.0 += &format!(".PP\n.nf\n{}\n.fi\n", lines.join("\n"));
    }

    /// Something with what there is to say about it.
    pub fn item(&mut self, tag: &str, text: &str) {
        self.0 += &format!(".TP\n{tag}\n{text}\n");
    }

    pub fn finish(self) -> String {
        self.0
    }
}

/// A text that stands for itself.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    let mut begins_line = true;
    for c in text.chars() {
        match c {
            '\\' => escaped.push_str("\\e"),
            '-' => escaped.push_str("\\-"),
            '~' => escaped.push_str("\\(ti"),
            '^' => escaped.push_str("\\(ha"),
            '`' => escaped.push_str("\\(ga"),
            '\'' => escaped.push_str("\\(aq"),
            '"' => escaped.push_str("\\(dq"),
            '.' if begins_line => escaped.push_str("\\&."),
            c => escaped.push(c),
        }
        begins_line = c == '\n';
    }
    escaped
}

/// To be typed as it is.
pub fn bold(text: &str) -> String {
    format!("\\fB{}\\fR", escape(text))
}

/// To be replaced by something else.
pub fn italic(text: &str) -> String {
    format!("\\fI{}\\fR", escape(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_stand_for_themselves() {
        assert_eq!(escape(".a\n.b \\ --x"), "\\&.a\n\\&.b \\e \\-\\-x");
        assert_eq!(escape("'\"~"), "\\(aq\\(dq\\(ti");
        assert_eq!(bold("-v"), "\\fB\\-v\\fR");
    }
}
