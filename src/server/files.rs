//! A site on disk, or a built-in one: its inputs as a value, its static files as they are.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use super::scan::{DEPTH_MAX, FILE_BYTES_MAX, INPUTS, Nobody, Scan};
use crate::core::gather::gather;
use crate::core::site::Site;
use crate::net::response::Body;
use crate::web::Folder;

/// Why a site cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum SiteError {
    #[error("{path}: {source}. --dir must name a directory with lua/main.lua in it")]
    Directory { path: PathBuf, source: io::Error },
    #[error("{path} is no file. {advice}")]
    NoMain { path: PathBuf, advice: String },
    #[error("{path}: {source}. Make it readable or remove it")]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("{path}: the name is not UTF-8. Rename it")]
    Name { path: PathBuf },
    #[error("{path}: larger than {FILE_BYTES_MAX} bytes, too large for code or a viewdef")]
    TooLarge { path: PathBuf },
    #[error(
        "{path}: directories are nested deeper than {DEPTH_MAX}; is there a symlink to a parent?"
    )]
    TooDeep { path: PathBuf },
}

/// Reads all files of the site in `dir` that sessions depend on, once.
///
/// # Errors
/// When there is no such site, or a file of it cannot be read.
pub fn load_site(dir: &Path) -> Result<Site, SiteError> {
    let (site, problems) = look_through(dir)?;
    match problems.into_iter().next() {
        Some(error) => Err(error),
        None => Ok(site),
    }
}

/// The site in `dir`, as far as it can be read, and all that is wrong with the rest.
///
/// # Errors
/// When there is no such site.
pub fn look_through(dir: &Path) -> Result<(Site, Vec<SiteError>), SiteError> {
    let unreadable = |source| SiteError::Directory {
        path: dir.into(),
        source,
    };
    fs::read_dir(dir).map_err(unreadable)?;
    let main = dir.join("lua/main.lua");
    let metadata = fs::metadata(&main);
    if let Err(source) = &metadata
        && source.kind() == io::ErrorKind::PermissionDenied
    {
        let (path, source) = (main, source.kind().into());
        return Err(SiteError::Unreadable { path, source });
    }
    if !metadata.is_ok_and(|metadata| metadata.is_file()) {
        let advice = where_main_may_be(dir);
        return Err(SiteError::NoMain { path: main, advice });
    }
    let scan = Scan::new(dir, &mut Nobody);
    let problems = scan.problems.into_iter().map(|(_, error)| error);
    Ok((Site::new(scan.files), problems.collect()))
}

/// What to do where there is no `lua/main.lua`.
fn where_main_may_be(dir: &Path) -> String {
    let is_inside = dir
        .file_name()
        .is_some_and(|name| name == "lua" || name == "viewdefs");
    if let Some(parent) = dir.parent().filter(|_| is_inside)
        && parent.join("lua/main.lua").is_file()
    {
        let parent = match parent.as_os_str().is_empty() {
            true => Path::new("."),
            false => parent,
        };
        return format!(
            "Name the site, not a folder in it: --dir {}",
            parent.display()
        );
    }
    if dir.join("main.lua").is_file() {
        return "There is a main.lua beside it: move it into the folder lua".into();
    }
    "A site begins with lua/main.lua: create it, or have a whole site made by lunette new DIR"
        .into()
}

/// The inputs of a built-in site.
pub fn built_in(folder: &Folder) -> Site {
    let files = folder.files().into_iter();
    let inputs = files
        .filter(|(path, _)| INPUTS.iter().any(|i| path.starts_with(i)))
        .map(|(path, content)| (path.to_owned(), content));
    Site::new(gather(inputs))
}

/// The files under a site's `html/`, on disk; the path has no symlink left in it. `None`: there is no such folder.
#[derive(Clone, Debug)]
pub struct StaticFiles(Option<PathBuf>);

/// A static file, opened.
pub struct StaticFile {
    pub content_type: &'static str,
    pub etag: String,
    pub body: Body,
}

impl StaticFiles {
    /// Those of the site in `dir`.
    pub fn of_site(dir: &Path) -> StaticFiles {
        StaticFiles(fs::canonicalize(dir.join("html")).ok())
    }

    /// Those of a site that is not on disk.
    pub fn none() -> StaticFiles {
        StaticFiles(None)
    }

    /// Whether the site has a page of its own.
    pub fn has_index(&self) -> bool {
        self.open("index.html").is_some()
    }

    /// Opens the file of a name that `net::static_path` made. Anything but a regular file really
    /// inside the folder is not there.
    pub fn open(&self, name: &str) -> Option<StaticFile> {
        if name.is_empty() {
            return None;
        }
        open_in(self.0.as_deref()?, name)
    }
}

fn open_in(root: &Path, name: &str) -> Option<StaticFile> {
    // Symlinks that stay inside are followed, others lead nowhere.
    let path = fs::canonicalize(root.join(name)).ok()?;
    if !path.starts_with(root) {
        return None;
    }
    // Looked at before it is opened: opening a pipe would wait for its other end.
    if !fs::metadata(&path).ok()?.is_file() {
        return None;
    }
    let file = File::open(&path).ok()?;
    let metadata = file.metadata().ok()?;
    let modified = metadata.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some(StaticFile {
        content_type: content_type(name),
        etag: format!("\"{:x}-{:x}\"", modified.as_nanos(), metadata.len()),
        body: Body::Stream {
            len: metadata.len(),
            reader: Box::new(file),
        },
    })
}

/// The MIME type by the name's ending. Unknown ones are never guessed to be pages or scripts.
pub fn content_type(name: &str) -> &'static str {
    let extension = name.rsplit_once('.').map_or("", |(_, e)| e);
    match extension.to_ascii_lowercase().as_str() {
        "html" | "htm" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "txt" | "md" => "text/plain; charset=utf-8",
        "xml" => "application/xml",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "avif" => "image/avif",
        "ico" => "image/x-icon",
        "woff" => "font/woff",
        "woff2" => "font/woff2",
        "ttf" => "font/ttf",
        "otf" => "font/otf",
        "wasm" => "application/wasm",
        "pdf" => "application/pdf",
        "mp3" => "audio/mpeg",
        "ogg" => "audio/ogg",
        "mp4" => "video/mp4",
        "webm" => "video/webm",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    struct SiteDir(PathBuf);

    impl SiteDir {
        fn new(name: &str) -> SiteDir {
            let path = std::env::temp_dir().join(format!("lunette-{name}-{}", std::process::id()));
            let _ = fs::remove_dir_all(&path);
            fs::create_dir_all(path.join("html/sub")).unwrap();
            fs::create_dir_all(path.join("lua/more")).unwrap();
            SiteDir(path)
        }

        fn write(&self, name: &str, content: &str) {
            fs::write(self.0.join(name), content).unwrap();
        }
    }

    impl Drop for SiteDir {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn the_inputs_of_a_site_are_read_once() {
        let folder = SiteDir::new("site");
        assert!(matches!(
            load_site(&folder.0),
            Err(SiteError::NoMain { .. })
        ));
        assert!(matches!(
            load_site(&folder.0.join("none")),
            Err(SiteError::Directory { .. })
        ));
        folder.write("lua/main.lua", "x");
        folder.write("lua/more/a.lua", "y");
        folder.write("lua/.main.lua.swp", "z");
        folder.write("html/index.html", "page");
        folder.write("beside.lua", "b");
        let site = load_site(&folder.0).unwrap();
        let names: Vec<&str> = site.files().map(|(name, _)| name).collect();
        assert_eq!(names, ["beside.lua", "lua/main.lua", "lua/more/a.lua"]);
        symlink(&folder.0, folder.0.join("lua/ring")).unwrap();
        assert!(matches!(
            load_site(&folder.0),
            Err(SiteError::TooDeep { .. })
        ));
    }

    #[test]
    fn static_files_are_only_those_inside() {
        let folder = SiteDir::new("static");
        folder.write("secret.txt", "secret");
        folder.write("html/a.css", "a{}");
        symlink("a.css", folder.0.join("html/inside.css")).unwrap();
        symlink("../secret.txt", folder.0.join("html/outside.txt")).unwrap();
        symlink("/etc", folder.0.join("html/etc")).unwrap();
        let files = StaticFiles::of_site(&folder.0);
        assert!(!files.has_index());
        assert_eq!(
            files.open("a.css").unwrap().content_type,
            "text/css; charset=utf-8"
        );
        assert!(files.open("inside.css").is_some());
        for name in [
            "",
            "sub",
            "none",
            "outside.txt",
            "etc/passwd",
            "../secret.txt",
            "/etc/passwd",
        ] {
            assert!(files.open(name).is_none(), "{name}");
        }
        assert!(StaticFiles::none().open("a.css").is_none());
    }
}
