//! The page of a session: the built-in one or the site's own, with the policy that says what it may
//! load and run, and what the client is told of that.
//!
//! Scripts in templates run where the site allows them: under a strict policy by a number (nonce) that
//! is new for every page. Whoever writes markup into a page cannot know it.

use std::io::Read;

use super::files::StaticFiles;
use super::random::Random;
use super::routes::{NO_RANDOMNESS, encoded};
use crate::config::{PageRules, Policy};
use crate::net::http::{Refusal, Request};
use crate::net::response::{Body, CSP_COMPAT, CSP_STRICT, NONCE, Response};
use crate::web;

/// A page of more bytes than this is sent as it is: it is no page that a person wrote.
const PAGE_BYTES_MAX: u64 = 1 << 20;

pub const CSP_FIELD: &str = "Content-Security-Policy";

/// Pages by these rules.
pub struct Pages {
    rules: PageRules,
    /// Addresses in pages are not what they were built with.
    moved: bool,
}

impl Pages {
    pub fn new(rules: PageRules) -> Pages {
        let moved = false;
        Pages { rules, moved }
    }

    /// The same below this path.
    #[must_use]
    pub fn below(self, base: &str) -> Pages {
        let moved = !base.is_empty();
        Pages { moved, ..self }
    }

    /// Whether pages are for those who develop: their modules unjoined.
    pub fn dev(&self) -> bool {
        self.rules.dev
    }

    /// The page that every session shows.
    ///
    /// # Errors
    /// When it needs a random number and there is none.
    pub fn page(
        &self,
        request: &Request,
        files: &StaticFiles,
        random: &mut Random,
    ) -> Result<Response, Refusal> {
        let own = files.open("index.html");
        let (policy, nonce) = self.policy(own.is_some(), random)?;
        let (response, body) = match own {
            Some(file) => {
                let response = Response::new(200).field("Content-Type", file.content_type);
                (response, file.body)
            }
            None => {
                let index = match self.rules.dev {
                    true => web::dev_index(),
                    false => web::index(),
                };
                let (response, body) = match nonce {
                    None if self.moved => (Response::new(200), Body::Bytes(index.body())),
                    Some(_) => (Response::new(200), Body::Bytes(index.body())),
                    None => encoded(request, index),
                };
                (response.field("Content-Type", index.mime), body)
            }
        };
        let body = match nonce {
            Some(nonce) => numbered(body, &nonce),
            None => body,
        };
        Ok(response
            .field(CSP_FIELD, &policy)
            .field("Cache-Control", "no-store")
            .body(body))
    }

    /// Another page of the site, as it is: its scripts have no number.
    ///
    /// # Errors
    /// When a random number is needed and there is none.
    pub fn protect(&self, response: Response, random: &mut Random) -> Result<Response, Refusal> {
        let (policy, _) = self.policy(true, random)?;
        Ok(response.field(CSP_FIELD, &policy))
    }

    /// The module by which the client learns what is allowed. It is no part of the page, so that
    /// nothing in the page can say otherwise.
    pub fn allowed(&self) -> Response {
        let PageRules {
            scripts,
            raw_html,
            dev,
            ..
        } = self.rules;
        let text = format!(
            "export const scripts = {scripts};\nexport const rawHtml = {raw_html};\nexport const dev = {dev};\n"
        );
        Response::new(200)
            .field("Content-Type", "text/javascript; charset=utf-8")
            .field("Cache-Control", "no-store")
            .body(Body::Bytes(text.into_bytes()))
    }

    /// The policy, `own`: of a page of the site's own, and the number in it.
    fn policy(&self, own: bool, random: &mut Random) -> Result<(String, Option<String>), Refusal> {
        let policy = match (&self.rules.policy, own) {
            (Some(Policy::Own(text)), _) => text.clone(),
            (Some(Policy::Compat), _) | (None, true) => CSP_COMPAT.into(),
            (Some(Policy::Strict), _) | (None, false) if self.rules.scripts => CSP_STRICT.replace(
                "script-src 'self'",
                &format!("script-src 'self' 'nonce-{NONCE}'"),
            ),
            (Some(Policy::Strict), _) | (None, false) => CSP_STRICT.into(),
        };
        if !policy.contains(NONCE) {
            return Ok((policy, None));
        }
        let nonce = random.id().map_err(|_| NO_RANDOMNESS)?;
        let nonce = format!("{nonce:032x}");
        Ok((policy.replace(NONCE, &nonce), Some(nonce)))
    }
}

/// The page with the number on all its scripts.
fn numbered(body: Body, nonce: &str) -> Body {
    let page = match body {
        Body::Stream { mut reader, len } if len <= PAGE_BYTES_MAX => {
            let mut page = Vec::new();
            // What cannot be read any more is missing, as when it is sent piece by piece.
            let _ = reader.by_ref().take(len).read_to_end(&mut page);
            page
        }
        Body::Static(page) => page.to_vec(),
        Body::Bytes(page) => page,
        whole => return whole,
    };
    const TAG: &[u8] = b"<script";
    let mut out = Vec::with_capacity(page.len() + 64);
    let mut at = 0;
    while at < page.len() {
        let rest = &page[at..];
        let is_tag = rest.len() > TAG.len()
            && rest[..TAG.len()].eq_ignore_ascii_case(TAG)
            && (rest[TAG.len()].is_ascii_whitespace() || rest[TAG.len()] == b'>');
        if is_tag {
            out.extend_from_slice(TAG);
            out.extend_from_slice(format!(" nonce=\"{nonce}\"").as_bytes());
            at += TAG.len();
        } else {
            out.push(page[at]);
            at += 1;
        }
    }
    Body::Bytes(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(rules: PageRules, own: bool) -> (String, Option<String>) {
        let made = Pages::new(rules).policy(own, &mut Random::default());
        made.unwrap_or_else(|refusal| panic!("{}", refusal.reason))
    }

    #[test]
    fn a_policy_is_only_as_wide_as_it_must_be() {
        let strict = policy(PageRules::default(), false);
        assert_eq!(strict, (CSP_STRICT.to_owned(), None));
        let compat = policy(PageRules::default(), true);
        assert_eq!(compat, (CSP_COMPAT.to_owned(), None));
        let rules = PageRules {
            scripts: true,
            ..PageRules::default()
        };
        let (text, nonce) = policy(rules.clone(), false);
        let nonce = nonce.expect("a number");
        assert!(text.contains(&format!("script-src 'self' 'nonce-{nonce}';")));
        assert!(!text.contains("unsafe"));
        assert_ne!(policy(rules, false).0, text, "each page has its own");
        let rules = PageRules {
            policy: Some(Policy::Own("script-src 'nonce-{nonce}'".into())),
            ..PageRules::default()
        };
        let (text, nonce) = policy(rules, true);
        assert_eq!(text, format!("script-src 'nonce-{}'", nonce.unwrap()));
    }

    #[test]
    fn all_scripts_of_a_page_get_the_number() {
        let page = b"<SCRIPT>a</script><script src=x></script><scripted>";
        let Body::Bytes(out) = numbered(Body::Bytes(page.to_vec()), "7") else {
            panic!("a page in memory");
        };
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "<script nonce=\"7\">a</script><script nonce=\"7\" src=x></script><scripted>"
        );
    }
}
