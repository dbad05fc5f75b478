//! The apps that are simulated: their files, what in them moves by itself, and what is a tab's own.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use lunette::core::site::{Edits, Site};

use crate::dice::Dice;

pub struct App {
    dir: &'static str,
    /// Paths whose values change without anybody doing anything.
    pub moving: &'static [&'static str],
    /// Paths of what each tab has for itself.
    pub private: &'static [&'static str],
    /// It writes down what is done to it.
    pub keeps_log: bool,
}

/// One seed in two is for the ledger, the others take turns.
pub const APPS: [App; 7] = [
    App {
        moving: &["ticks"],
        keeps_log: true,
        ..App::plain("tests/sim/site")
    },
    App::plain("tests/sites/counter"),
    App {
        private: &["confirming", "notConfirming()"],
        ..App::plain("tests/sites/address_book")
    },
    App::plain("tests/sites/tasks"),
    App::plain("tests/sites/list"),
    App::plain("tests/sites/messages"),
    App {
        moving: &["count"],
        ..App::plain("tests/sites/ticks")
    },
];

impl App {
    /// An app in which nothing moves and nothing is a tab's own.
    const fn plain(dir: &'static str) -> App {
        App {
            dir,
            moving: &[],
            private: &[],
            keeps_log: false,
        }
    }

    pub fn of_seed(seed: u64) -> &'static App {
        let others = APPS.len() as u64 - 1;
        match seed % 2 {
            0 => &APPS[0],
            _ => &APPS[1 + (seed / 2 % others) as usize],
        }
    }

    pub fn site(&self) -> Site {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(self.dir);
        let mut files = BTreeMap::new();
        for part in ["lua", "viewdefs"] {
            collect(&root.join(part), part, &mut files);
        }
        Site::new(files)
    }
}

fn collect(dir: &Path, name: &str, into: &mut BTreeMap<String, Vec<u8>>) {
    for entry in fs::read_dir(dir).expect("a site's directory") {
        let path = entry.expect("a file of a site").path();
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        let name = format!("{name}/{file}");
        match path.is_dir() {
            true => collect(&path, &name, into),
            false => drop(into.insert(name, fs::read(&path).expect("a file of a site"))),
        }
    }
}

/// Somebody edits a file: says the same in other words, writes a template that is none, or puts it right again.
pub fn edit(site: &Site, dice: &mut Dice) -> Edits {
    let files: Vec<(&str, &[u8])> = site.files().collect();
    let (path, content) = files[dice.roll(files.len())];
    let mark = dice.roll(1000);
    let text = String::from_utf8_lossy(content);
    let edited = if path.ends_with(".lua") {
        format!("{}\n-- {mark}", text.trim_end())
    } else if dice.roll(4) == 0 {
        "<p>not a template".to_owned()
    } else {
        text.replace("</template>", &format!("<!-- {mark} --></template>"))
    };
    Edits::from([(path.to_owned(), Some(edited.into_bytes()))])
}
