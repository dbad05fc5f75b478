//! The browser client: every file a page needs, inside the binary; and the built-in sites.
//!
//! `build.rs` joins the ES modules of this folder into one script, hashes and
//! compresses it, and writes the lists that are included here. Nothing is read
//! from disk at run time.

use flate2::bufread::DeflateDecoder;
use std::io::Read;

/// A file as it is served. The binary holds it once, compressed: that is how browsers want it.
pub struct Asset {
    /// Path of its URL: `/_lunette/client.HASH.js`.
    pub path: &'static str,
    pub mime: &'static str,
    pub gzip: &'static [u8],
    /// Bytes of it uncompressed.
    pub len: u64,
    /// Quoted, as the header wants it.
    pub etag: &'static str,
    /// The path names the content: a browser need never ask again.
    pub immutable: bool,
}

impl Asset {
    /// What it holds, uncompressed piece by piece.
    pub fn reader(&self) -> impl Read + use<> {
        decoder(self.gzip)
    }

    /// All of it.
    pub fn body(&self) -> Vec<u8> {
        inflated(self.gzip)
    }
}

/// The files of a site, compressed as one.
pub struct Folder {
    /// Path inside the site, and bytes of its content; sorted.
    files: &'static [(&'static str, usize)],
    gzip: &'static [u8],
}

impl Folder {
    /// Path inside the site, and content.
    pub fn files(&self) -> Vec<(&'static str, Vec<u8>)> {
        let contents = inflated(self.gzip);
        let mut left = &contents[..];
        let files = self.files.iter().map(|&(path, len)| {
            let (content, behind) = left.split_at(len);
            left = behind;
            (path, content.to_vec())
        });
        files.collect()
    }
}

/// Bytes around what is compressed: what the build makes has no names, dates or the like in its head.
const GZIP_HEAD: usize = 10;
const GZIP_TAIL: usize = 8;

/// Without a look at the sum at its end, which is for what travels.
fn decoder(gzip: &[u8]) -> DeflateDecoder<&[u8]> {
    DeflateDecoder::new(&gzip[GZIP_HEAD..gzip.len() - GZIP_TAIL])
}

fn inflated(gzip: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    // The build made it, and a test read all of them.
    let _ = decoder(gzip).read_to_end(&mut bytes);
    bytes
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
    use flate2::bufread::GzDecoder;

    fn all() -> impl Iterator<Item = &'static Asset> {
        ASSETS.iter().chain([&INDEX, &DEV_INDEX]).chain(MODULES)
    }

    #[test]
    fn every_asset_inflates_to_its_length() {
        for asset in all() {
            let mut body = Vec::new();
            asset.reader().read_to_end(&mut body).unwrap();
            assert_eq!(body.len() as u64, asset.len, "{}", asset.path);
            let mut checked = Vec::new();
            let mut gzip = GzDecoder::new(asset.gzip);
            gzip.read_to_end(&mut checked).unwrap();
            assert!(body == checked, "{}", asset.path);
            assert!(!body.is_empty(), "{}", asset.path);
            assert!(std::str::from_utf8(&body).is_ok(), "{}", asset.path);
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
                assert_eq!(a.etag == b.etag, a.gzip == b.gzip, "{} {}", a.path, b.path);
            }
        }
    }

    #[test]
    fn everything_the_page_names_is_there_under_an_immutable_name() {
        let page = String::from_utf8(index().body()).unwrap();
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
            [index(), dev_index()].map(|page| String::from_utf8(page.body()).unwrap());
        for text in [&index, &dev, VARIABLES_PAGE, LOGIN_PAGE] {
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
        let page = String::from_utf8(index().body()).unwrap();
        let files = page.split('"').filter_map(asset);
        let bytes = index().gzip.len() + files.map(|a| a.gzip.len()).sum::<usize>();
        println!("first load: {bytes} bytes, compressed");
        assert!(bytes < 33_000, "{bytes}");
    }

    #[test]
    fn the_theme_is_small() {
        let theme = asset("/_lunette/theme.css").unwrap();
        assert!(theme.gzip.len() < 6_000, "{}", theme.gzip.len());
    }

    #[test]
    fn built_in_sites_are_sorted_relative_and_whole() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("lua");
        for (name, site) in [
            ("demo", &DEMO_SITE),
            ("new", &NEW_SITE),
            ("inspect", &INSPECT_SITE),
        ] {
            let files = site.files();
            assert!(files.windows(2).all(|pair| pair[0].0 < pair[1].0));
            assert!(files.iter().any(|(path, _)| *path == "lua/main.lua"));
            for (path, content) in files {
                assert!(!path.starts_with('/') && !path.contains(".."), "{path}");
                let source = std::fs::read(root.join(name).join(path)).unwrap();
                assert!(content == source, "{name}/{path}");
            }
        }
    }
}
