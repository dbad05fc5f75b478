//! What the page of `--dev` tells those who write a site of their mistakes, where they are, and that it goes on by itself
//! when they are mended. Pictures of it are left in `target/screenshots/`.

use super::cdp::{Browser, Page};
use super::pictures::picture;
use super::server::Server;
use crate::net::process::Folder;

const MAIN: &str = "local App = session:prototype('App', { count = 0, rows = EMPTY })

local function total(rows)
  local sum = 0
  for _, row in ipairs(rows) do sum = sum + row.price end
  return sum
end

function App:add() self.count = self.count + 1 end
function App:sum()
  local sum = total(self.rows)
  return sum
end

session:createAppVariable(session:create(App, { rows = { { price = 5 } } }))
";
const VIEWDEF: &str = "<template>
  <main>
    <h1>A shop</h1>
    <p>Sold: <output ui-value=\"count\"></output>, for <b ui-value=\"sum()\"></b></p>
    <button class=\"primary\" ui-action=\"add()\">Sell one</button>
  </main>
</template>
";

/// A file with a mistake in it, and what is told of it, first in the heading of its box and then anywhere in it.
struct Mistake {
    name: &'static str,
    file: &'static str,
    content: fn() -> String,
    told: &'static [&'static str],
}

const VIEWDEF_FILE: &str = "viewdefs/App.DEFAULT.html";

const MISTAKES: [Mistake; 5] = [
    Mistake {
        name: "syntax",
        file: "lua/main.lua",
        content: || MAIN.replace("sum = sum +", "sum = = sum +"),
        told: &[
            "main.lua:5",
            "unexpected symbol near '='",
            "sum = = sum + row.price",
        ],
    },
    Mistake {
        name: "runtime",
        file: "lua/main.lua",
        content: || MAIN.replace("row.price end", "row.prize end"),
        told: &[
            "main.lua:5",
            "field 'prize'",
            "sum = sum + row.prize",
            "main.lua:11: in",
        ],
    },
    Mistake {
        name: "template",
        file: VIEWDEF_FILE,
        content: || VIEWDEF.replace("<template>", "").replace("</template>", ""),
        told: &["viewdefs/App.DEFAULT.html:2", "put it around what is here"],
    },
    Mistake {
        name: "path",
        file: VIEWDEF_FILE,
        content: || VIEWDEF.replace("sum()", "sum("),
        told: &[
            "viewdefs/App.DEFAULT.html:4",
            "a call is not closed",
            "ui-value=\"sum(\"",
        ],
    },
    Mistake {
        name: "method",
        file: VIEWDEF_FILE,
        content: || VIEWDEF.replace("sum()", "sumary()"),
        told: &["there is no method sumary() on this object"],
    },
];

fn site() -> Folder {
    let folder = Folder::new();
    folder.write("lua/main.lua", MAIN);
    folder.write(VIEWDEF_FILE, VIEWDEF);
    folder
}

const BOX: &str = "document.querySelector('.ui-dev-errors')";

fn is_told(page: &mut Page, mistake: &Mistake, name: &str) {
    for part in mistake.told {
        let part = serde_json::to_string(part).expect("JSON");
        page.wait_for(&format!("{BOX}?.textContent.includes({part})"));
    }
    page.eval(&format!(
        "{BOX}.querySelectorAll('details').forEach((it) => {{ it.open = true }})"
    ));
    is_laid_out(page);
    page.screenshot(&picture(&format!("dev-{name}-{}", mistake.name)));
}

/// Nothing is said twice in a line, and each box keeps its distance from the one above.
fn is_laid_out(page: &mut Page) {
    let line = page.eval(&format!("{BOX}.querySelector('article p').textContent"));
    let line = line.as_str().expect("a text");
    assert!(line.matches("sumary()").count() <= 1, "{line}");
    let gaps = page.eval(&format!(
        "[...{BOX}.querySelectorAll('article > * + *')].map((it) => it.getBoundingClientRect().top - \
         it.previousElementSibling.getBoundingClientRect().bottom)"
    ));
    let gaps = gaps.as_array().expect("a list").iter();
    let gaps: Vec<f64> = gaps.filter_map(serde_json::Value::as_f64).collect();
    assert!(gaps.iter().all(|gap| *gap >= 4.0), "{gaps:?}");
}

fn is_well(page: &mut Page) {
    page.wait_for(&format!("!{BOX}"));
    page.wait_for_text("main b", "5");
}

#[test]
fn a_mistake_in_an_edit_is_told_until_it_is_mended() {
    let (folder, browser) = (site(), Browser::start());
    let server = Server::with_flags(&folder.0, &["--dev"]);
    let mut page = browser.open(&server.url("/"));
    page.size(900, 560);
    is_well(&mut page);
    for mistake in &MISTAKES {
        let good = if mistake.file == VIEWDEF_FILE {
            VIEWDEF
        } else {
            MAIN
        };
        folder.write(mistake.file, (mistake.content)());
        is_told(&mut page, mistake, "edit");
        folder.write(mistake.file, good);
        is_well(&mut page);
    }
    page.screenshot(&picture("dev-well"));
}

#[test]
fn a_mistake_at_the_start_is_told_until_it_is_mended() {
    for mistake in &MISTAKES {
        let (folder, browser) = (site(), Browser::start());
        let good = if mistake.file == VIEWDEF_FILE {
            VIEWDEF
        } else {
            MAIN
        };
        folder.write(mistake.file, (mistake.content)());
        let server = Server::with_flags(&folder.0, &["--dev"]);
        let mut page = browser.blank();
        page.server_may_be_away(); // a session that cannot start has no socket
        page.size(900, 560);
        page.goto(&server.url("/"));
        is_told(&mut page, mistake, "start");
        folder.write(mistake.file, good);
        is_well(&mut page);
    }
}
