//! The browser client: every file a page needs, inside the binary.
//!
//! `build.rs` joins the ES modules of this folder into one script, hashes and
//! compresses it, and writes the lists that are included here. Nothing is read
//! from disk at run time.

/// A file as it is served. `gzip` is the same bytes, compressed.
pub struct Asset {
    /// Path of its URL: `/_lunette/client.HASH.js`.
    pub path: &'static str,
    pub mime: &'static str,
    pub body: &'static [u8],
    pub gzip: &'static [u8],
    /// Quoted, as the header wants it.
    pub etag: &'static str,
    /// The path names the content: a browser need never ask again.
    pub immutable: bool,
}

include!(concat!(env!("OUT_DIR"), "/web.rs"));

/// The asset at a URL path: content-hashed names (immutable) and the stable
/// `/_lunette/client.js` and `/_lunette/theme.css`.
pub fn asset(path: &str) -> Option<&'static Asset> {
    ASSETS.iter().find(|asset| asset.path == path)
}

/// The page of a site that has no `html/index.html` of its own.
pub fn index() -> &'static Asset {
    &INDEX
}

/// The page of the variable browser.
pub const VARIABLES_PAGE: &str = include_str!("variables.html");

/// The page of a form to log in or out, with `{title}`, `{action}` and `{form}` for what differs.
pub const LOGIN_PAGE: &str = include_str!("login.html");

/// The page for `--dev`: the same, with the modules unjoined.
pub fn dev_index() -> &'static Asset {
    &DEV_INDEX
}

/// The unjoined ES modules under `/_lunette/src/NAME.js`, for `--dev`.
pub fn modules() -> &'static [Asset] {
    MODULES
}

#[cfg(test)]
#[allow(dead_code, reason = "the build script uses all of it")]
mod pack;

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    fn all() -> impl Iterator<Item = &'static Asset> {
        ASSETS.iter().chain([&INDEX, &DEV_INDEX]).chain(MODULES)
    }

    #[test]
    fn gzip_inflates_to_the_body() {
        for asset in all() {
            let mut body = Vec::new();
            flate2::read::GzDecoder::new(asset.gzip)
                .read_to_end(&mut body)
                .unwrap();
            assert!(body == asset.body, "{}", asset.path);
            assert!(!body.is_empty(), "{}", asset.path);
        }
    }

    #[test]
    fn tags_are_quoted_and_differ_with_the_content() {
        for a in all() {
            assert!(
                a.etag.len() > 10 && a.etag.starts_with('"') && a.etag.ends_with('"'),
                "{}",
                a.etag
            );
            for b in all() {
                assert_eq!(a.etag == b.etag, a.body == b.body, "{} {}", a.path, b.path);
            }
        }
    }

    #[test]
    fn everything_the_page_names_is_there_under_an_immutable_name() {
        let page = std::str::from_utf8(index().body).unwrap();
        let names: Vec<&str> = page
            .split('"')
            .filter(|part| part.starts_with("/_lunette/"))
            .collect();
        assert_eq!(names.len(), 2, "one script and one style sheet: {names:?}");
        for name in names {
            let asset = asset(name).unwrap_or_else(|| panic!("no asset {name}"));
            assert!(asset.immutable);
        }
        assert!(asset("/_lunette/client.js").is_some_and(|a| !a.immutable));
        assert!(asset("/_lunette/theme.css").is_some_and(|a| !a.immutable));
        assert!(asset("/_lunette/nothing.js").is_none());
    }

    #[test]
    fn the_page_obeys_the_strict_content_security_policy() {
        let [index, dev] =
            [index(), dev_index()].map(|page| std::str::from_utf8(page.body).unwrap());
        for text in [index, dev, VARIABLES_PAGE, LOGIN_PAGE] {
            for banned in [
                "style=", "<style", "onload=", "onclick=", "http://", "https://",
            ] {
                let text = text.replace("http://www.w3.org/2000/svg", "");
                assert!(!text.contains(banned), "{banned} in {text}");
            }
        }
    }

    #[test]
    fn every_source_file_is_a_module() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/web");
        for entry in std::fs::read_dir(folder).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            if name.ends_with(".js") && !name.starts_with("variables") {
                let path = format!("/_lunette/src/{name}");
                assert!(modules().iter().any(|m| m.path == path), "{path}");
            }
        }
    }

    #[test]
    fn the_first_load_is_small() {
        let page = std::str::from_utf8(index().body).unwrap();
        let files = page.split('"').filter_map(asset);
        let bytes = index().gzip.len() + files.map(|a| a.gzip.len()).sum::<usize>();
        println!("first load: {bytes} bytes, compressed");
        assert!(bytes < 32_500, "{bytes}");
    }

    #[test]
    fn the_theme_is_small() {
        let theme = asset("/_lunette/theme.css").unwrap();
        assert!(theme.gzip.len() < 6_000, "{}", theme.gzip.len());
    }

    #[test]
    fn the_demo_site_is_sorted_and_relative() {
        assert!(DEMO_SITE.windows(2).all(|pair| pair[0].0 < pair[1].0));
        let inside = |path: &str| !path.starts_with('/') && !path.contains("..");
        assert!(DEMO_SITE.iter().all(|(path, _)| inside(path)));
    }
}
