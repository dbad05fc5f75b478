//! The pages of logging in and out. They work without scripts: nobody has logged in yet whose scripts could run.

use crate::net::response::{Body, CSP_STRICT, Response, push_escaped};
use crate::web;

/// What a login page shows.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a> {
    /// Whether names are asked for, too.
    pub names: bool,
    /// What went wrong before.
    pub error: Option<&'a str>,
    /// What was typed as a name.
    pub name: &'a str,
    /// Where to go then.
    pub next: &'a str,
}

/// A page with a form to log in.
pub fn login(status: u16, shown: Shown<'_>) -> Response {
    let mut form = String::new();
    let (invalid, describes) = match shown.error {
        Some(error) => {
            form.push_str("<p id=\"login-error\" class=\"login-error\" role=\"alert\">");
            push_escaped(&mut form, error);
            form.push_str("</p>\n");
            (
                " aria-invalid=\"true\"",
                " aria-describedby=\"login-error\"",
            )
        }
        None => ("", ""),
    };
    form.push_str("<input type=\"hidden\" name=\"next\" value=\"");
    push_escaped(&mut form, shown.next);
    form.push_str("\">\n");
    let focus = |on: bool| if on { " autofocus" } else { "" };
    let named = !shown.name.is_empty();
    if shown.names {
        form.push_str("<label>Name<input name=\"name\" autocomplete=\"username\" autocapitalize=\"none\" spellcheck=\"false\" maxlength=\"64\" required value=\"");
        push_escaped(&mut form, shown.name);
        form.push_str(&format!(
            "\"{invalid}{describes}{}></label>\n",
            focus(!named)
        ));
    }
    let label = if shown.names {
        "Password"
    } else {
        "Access token"
    };
    form.push_str(&format!(
        "<label>{label}<input name=\"password\" type=\"password\" autocomplete=\"current-password\" maxlength=\"256\" required{invalid}{describes}{}></label>\n",
        focus(!shown.names || named),
    ));
    page(status, "Log in", "/login", &form)
}

/// A page with a button to log out.
pub fn logout() -> Response {
    page(
        200,
        "Log out",
        "/logout",
        "<p>Your work stays where it is until you come back.</p>\n",
    )
}

fn page(status: u16, title: &str, action: &str, form: &str) -> Response {
    let page = web::LOGIN_PAGE
        .replace("{title}", title)
        .replace("{action}", action)
        .replace("{form}", form);
    Response::new(status)
        .field("Content-Type", "text/html; charset=utf-8")
        .field("Content-Security-Policy", CSP_STRICT)
        .field("Cache-Control", "no-store")
        .close(false)
        .body(Body::Bytes(page.into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_strangers_typed_stays_text() {
        let shown = Shown {
            names: true,
            error: Some("<b>"),
            name: "\"><script>{form}",
            next: "/\"x",
        };
        let mut out = Vec::new();
        login(401, shown).write(None, 0, &mut out);
        let text = String::from_utf8(out).unwrap();
        assert!(text.contains("&lt;b&gt;") && text.contains("&quot;&gt;&lt;script&gt;"));
        assert!(!text.contains("<script") && text.contains("role=\"alert\""));
        assert!(text.contains("value=\"/&quot;x\""));
    }
}
