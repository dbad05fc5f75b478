//! Where a site's state is unless somebody says otherwise.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::header::sha256;
use crate::core::code::hex;

/// Hexadecimal digits that tell sites of one name apart.
const DIGITS: usize = 16;

/// The state directory of the site in `site` (`None`: the built-in demo): below `$XDG_STATE_HOME`, or else the
/// user's `~/.local/state`. `variable` reads the environment. `None`: it tells neither.
pub fn state_dir(
    site: Option<&Path>,
    variable: impl Fn(&str) -> Option<OsString>,
) -> Option<PathBuf> {
    let path = |name: &str| variable(name).map(PathBuf::from);
    let absolute = |dir: &PathBuf| dir.is_absolute();
    let base = path("XDG_STATE_HOME").filter(absolute).or_else(|| {
        let home = path("HOME").filter(absolute)?;
        Some(home.join(".local/state"))
    })?;
    let Some(site) = site else {
        return Some(base.join("lunette/demo"));
    };
    let site = fs::canonicalize(site)
        .or_else(|_| std::path::absolute(site))
        .unwrap_or_else(|_| site.into());
    // However it was spelled.
    let site: PathBuf = site.components().collect();
    let name = site.file_name().unwrap_or_default().to_string_lossy();
    let digest = hex(&sha256(site.as_os_str().as_bytes()));
    Some(base.join(format!("lunette/{name}-{}", &digest[..DIGITS])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_site_has_its_own_directory() {
        let home = |name: &str| (name == "HOME").then(|| "/h".into());
        let xdg = |name: &str| (name == "XDG_STATE_HOME").then(|| "/s".into());
        let relative = |name: &str| (name == "XDG_STATE_HOME").then(|| "s".into());
        let dir = |site: Option<&str>| state_dir(site.map(Path::new), xdg).unwrap();
        assert_eq!(dir(None), Path::new("/s/lunette/demo"));
        assert_ne!(dir(Some("/none/a/site")), dir(Some("/none/b/site")));
        assert_eq!(dir(Some("/none/a/site")), dir(Some("/none/a/site/")));
        let at = state_dir(Some(Path::new("/none/a/site")), home).unwrap();
        let at = at.to_str().unwrap();
        assert!(at.starts_with("/h/.local/state/lunette/site-"), "{at}");
        assert_eq!(state_dir(None, relative), None);
    }
}
