//! Prepares what the binary carries inside it: the browser client (joined,
//! hashed, compressed) and the built-in sites.
//!
//! Writes `OUT_DIR/web.rs`, which `src/web/mod.rs` includes.

#[path = "src/web/pack.rs"]
mod pack;

use flate2::{Compression, write::GzEncoder};
use pack::Module;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

const JS: &str = "text/javascript; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";

/// What decides how a session behaves: builds that differ in none of this replay each other's recordings.
const DECISIVE: [&str; 6] = [
    ".cargo/config.toml",
    "Cargo.lock",
    "lua",
    "src/core",
    "src/lua",
    "src/wire.rs",
];

fn main() {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let out = PathBuf::from(env::var("OUT_DIR").expect("cargo sets it"));
    // Cargo looks through folders by itself; new and removed files count.
    for watched in ["build.rs", "src/web", "lua"].iter().chain(&DECISIVE) {
        println!("cargo:rerun-if-changed={watched}");
    }
    println!("cargo:rustc-env=LUNETTE_BUILD={}", build_id(&root));
    let mut generated = Generated {
        out: out.clone(),
        text: String::new(),
        packed: BTreeSet::new(),
    };
    client(&root.join("src/web"), &mut generated);
    for (name, about, folder) in [
        ("DEMO_SITE", "The built-in demo site", "lua/demo"),
        ("NEW_SITE", "What `lunette new` makes", "lua/new"),
        (
            "INSPECT_SITE",
            "The site of `lunette inspect`",
            "lua/inspect",
        ),
    ] {
        embedded(name, about, &root.join(folder), &mut generated);
    }
    fs::write(out.join("web.rs"), generated.text).expect("OUT_DIR is writable");
}

/// A number of all that is [`DECISIVE`].
fn build_id(root: &Path) -> String {
    let mut paths: Vec<PathBuf> = DECISIVE.iter().map(|path| root.join(path)).collect();
    let mut files = Vec::new();
    while let Some(path) = paths.pop() {
        if path.is_dir() {
            let entries = fs::read_dir(&path).expect("the sources are readable");
            paths.extend(entries.map(|entry| entry.expect("the sources are readable").path()));
        } else {
            files.push(path);
        }
    }
    files.sort();
    let mut all = Vec::new();
    for path in files {
        // A package has no .cargo; its flags are told by a build script's own check.
        let content = fs::read(&path).unwrap_or_default();
        let name = path.strip_prefix(root).unwrap_or(&path);
        write!(all, "{} {} ", name.display(), content.len()).expect("memory");
        all.extend(content);
    }
    hash(&all)
}

/// The Rust file that is being written, and the files it includes.
struct Generated {
    out: PathBuf,
    text: String,
    packed: BTreeSet<String>,
}

impl Generated {
    /// An `Asset { .. }` expression. The compressed bytes become a file and a static, which those of the
    /// same content share.
    fn asset(&mut self, path: &str, mime: &str, body: &str, immutable: bool) -> String {
        let hash = hash(body.as_bytes());
        let name = format!("GZIP_{}", hash.to_uppercase());
        let file = self.out.join(format!("{hash}.gz"));
        if self.packed.insert(name.clone()) {
            fs::write(&file, compressed(body.as_bytes())).expect("OUT_DIR is writable");
            let _ = writeln!(
                self.text,
                "static {name}: &[u8] = include_bytes!({file:?});"
            );
        }
        let len = body.len();
        format!(
            "Asset {{ path: {path:?}, mime: {mime:?}, gzip: {name}, len: {len}, etag: \"\\\"{hash}\\\"\", immutable: {immutable} }}"
        )
    }
}

fn client(folder: &Path, generated: &mut Generated) {
    let read = |name: &str| {
        fs::read_to_string(folder.join(name)).unwrap_or_else(|e| panic!("src/web/{name}: {e}"))
    };
    let modules: Vec<Module> = files(folder)
        .into_iter()
        .filter(|path| path.ends_with(".js"))
        .map(|name| Module {
            text: read(&name),
            name,
        })
        .collect();
    let join = |entry| pack::join(&modules, entry).unwrap_or_else(|e| panic!("src/web: {e}"));
    let mut script = join("client.js");
    let mut assets = Vec::new();
    for module in pack::lazy(&modules).unwrap_or_else(|e| panic!("src/web: {e}")) {
        // The server answers for this one, see src/server/pages.rs.
        if module.name == "allowed.js" {
            continue;
        }
        let text = pack::minify_js(&module.text);
        let name = module
            .name
            .replace(".js", &format!(".{}.js", hash(text.as_bytes())));
        script = script.replace(
            &format!("import('./{}')", module.name),
            &format!("import('./{name}')"),
        );
        assets.push(generated.asset(&format!("/_lunette/{name}"), JS, &text, true));
    }
    let (looking, looks) = (
        join("variables.js"),
        pack::minify_css(&read("variables.css")),
    );
    let style = pack::minify_css(&read("theme.css"));
    let script_path = format!("/_lunette/client.{}.js", hash(script.as_bytes()));
    let style_path = format!("/_lunette/theme.{}.css", hash(style.as_bytes()));
    let page = read("index.html");
    let index = page
        .replace("/_lunette/client.js", &script_path)
        .replace("/_lunette/theme.css", &style_path);
    let dev = developed(&page);

    assets.extend([
        generated.asset(&script_path, JS, &script, true),
        generated.asset(&style_path, CSS, &style, true),
        generated.asset("/_lunette/client.js", JS, &script, false),
        generated.asset("/_lunette/theme.css", CSS, &style, false),
        generated.asset("/_lunette/variables.js", JS, &looking, false),
        generated.asset("/_lunette/variables.css", CSS, &looks, false),
    ]);
    let index = generated.asset("/index.html", HTML, &index, false);
    let dev = generated.asset("/index.html", HTML, &dev, false);
    let modules: Vec<String> = modules
        .iter()
        // Those of the variable browser are a page of their own, the same with and without `--dev`.
        .filter(|m| !m.name.starts_with("variables"))
        .map(|m| generated.asset(&format!("/_lunette/src/{}", m.name), JS, &m.text, false))
        .collect();
    let text = &mut generated.text;
    for (name, assets) in [("ASSETS", assets), ("MODULES", modules)] {
        let assets = assets.join(",\n");
        let _ = writeln!(text, "static {name}: &[Asset] = &[\n{assets}\n];");
    }
    for (name, asset) in [("INDEX", index), ("DEV_INDEX", dev)] {
        let _ = writeln!(text, "static {name}: Asset = {asset};");
    }
}

/// The page for those who develop a site: they can record tests of it, and see where its variables are.
fn developed(page: &str) -> String {
    page.replace(
        "src=\"/_lunette/client.js\" defer></script>",
        "src=\"/_lunette/src/client.js\" type=\"module\"></script>\n\
         <script src=\"/_lunette/src/record.js\" type=\"module\"></script>\n\
         <script src=\"/_lunette/src/outline.js\" type=\"module\"></script>",
    )
}

/// A site: the names of its files and, compressed as one, what is in them.
fn embedded(name: &str, about: &str, folder: &Path, generated: &mut Generated) {
    let beside = ["gitignore", "lunette.toml"].map(str::to_owned);
    let beside = beside
        .into_iter()
        .filter(|name| folder.join(name).is_file());
    let mut folders = vec!["lua", "viewdefs"];
    // What is there in other sites is for their developers.
    if name == "NEW_SITE" {
        folders.push("tests");
    }
    let mut paths: Vec<String> = folders
        .iter()
        .flat_map(|part| {
            files(&folder.join(part))
                .into_iter()
                .map(move |name| format!("{part}/{name}"))
        })
        .chain(beside)
        .collect();
    paths.sort();
    let mut contents = Vec::new();
    let mut lens = Vec::new();
    for path in paths {
        let content = fs::read(folder.join(&path)).expect("the sources are readable");
        lens.push((path, content.len()));
        contents.extend(content);
    }
    let file = generated.out.join(format!("{name}.gz"));
    fs::write(&file, compressed(&contents)).expect("OUT_DIR is writable");
    let _ = writeln!(
        generated.text,
        "/// {about}.\npub static {name}: Folder = Folder {{ files: &{lens:?}, gzip: include_bytes!({file:?}) }};"
    );
}

fn compressed(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    gzip.write_all(bytes).expect("memory");
    gzip.finish().expect("memory")
}

/// Files below a folder, relative, with `/`, sorted; none if it is not there.
/// Hidden files (editors leave some) are passed over.
fn files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry
            .file_name()
            .into_string()
            .expect("file names are UTF-8");
        if name.starts_with('.') || name.ends_with('~') {
            continue;
        }
        if entry.path().is_dir() {
            found.extend(
                files(&entry.path())
                    .into_iter()
                    .map(|inner| format!("{name}/{inner}")),
            );
        } else {
            found.push(name);
        }
    }
    found.sort();
    found
}

/// FNV-1a, 64 bits: tells versions apart, guards nothing.
fn hash(bytes: &[u8]) -> String {
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |h, &b| {
        (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{hash:016x}")
}
