//! Files to the session and from it: chosen, dropped, cut off on their way, saved.

use std::fs;
use std::path::PathBuf;

use serde_json::json;
use sha2::{Digest, Sha256};

use super::cdp::{Browser, Page};
use super::proxy::Proxy;
use super::server::Server;
use crate::net::process::Folder;

const MAIN: &str = "
local app = { type = 'App', calls = 0, got = '', saved = nil }
function app:receive(file)
  self.calls = self.calls + 1
  self.got = self.got .. file.name .. ' ' .. file.size .. ' ' .. file.sha256 .. ';'
end
function app:refuse(file) return nil, 'no ' .. file.name .. ' here' end
function app:save()
  local left = 3
  self.saved = session:download('three.txt', 'text/plain', function()
    left = left - 1
    if left >= 0 then return 'piece ' .. left .. '\\n' end
  end)
end
session:createAppVariable(app)
";
const VIEWDEF: &str = "<template><main>
  <h1>Files</h1>
  <label>Files <input id=\"pick\" type=\"file\" multiple ui-upload=\"receive(_)\"></label>
  <div id=\"zone\" multiple ui-upload=\"receive(_)\">Drop here <progress id=\"own\"></progress></div>
  <button id=\"refuse\" ui-upload=\"refuse(_)\">Another</button>
  <p id=\"calls\" ui-value=\"calls\"></p>
  <p id=\"got\" ui-value=\"got\"></p>
  <button id=\"make\" ui-action=\"save()\">Make</button>
  <a id=\"link\" ui-download=\"saved\">three</a>
  <button id=\"save\" ui-download=\"saved\">Save</button>
</main></template>";

struct Site {
    folder: Folder,
    server: Server,
    browser: Browser,
}

impl Site {
    fn start() -> Site {
        Site::with("")
    }

    /// With these settings besides those of uploads.
    fn with(settings: &str) -> Site {
        let folder = Folder::new();
        folder.write("site/lua/main.lua", MAIN);
        folder.write("site/viewdefs/App.DEFAULT.html", VIEWDEF);
        folder.write(
            "site/lunette.toml",
            format!("[upload]\ndir = \"incoming\"\nmax_bytes = \"32M\"\n{settings}"),
        );
        let server = Server::with_flags(&folder.0.join("site"), &[]);
        Site {
            folder,
            server,
            browser: Browser::start(),
        }
    }

    /// A file of so many bytes, and how it is told when it has arrived.
    fn file(&self, name: &str, size: usize) -> (PathBuf, String) {
        let mut state = size as u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        let content: Vec<u8> = (0..size).map(|_| next()).collect();
        self.folder.write(name, &content);
        let digest = Sha256::digest(&content);
        let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        (self.folder.0.join(name), format!("{name} {size} {hex};"))
    }
}

/// A page behind a proxy that cuts uploads.
fn open_behind(proxy: &Proxy, site: &Site) -> Page {
    let mut page = site.browser.open(&proxy.url("/"));
    page.server_may_be_away();
    page.wait_for_text("#calls", "0");
    watch_progress(&mut page);
    page
}

/// Keeps what is told of the progress, and where the content was sent.
fn watch_progress(page: &mut Page) {
    page.eval(
        "window.sent = []; const open = XMLHttpRequest.prototype.open; XMLHttpRequest.prototype.open = \
            function (...a) { window.sent.push(a[0] + a[1]); return open.apply(this, a) }; 0",
    );
    page.eval(
        "window.progress = []; document.addEventListener('ui-upload-progress', event => \
            window.progress.push({ ...event.detail, bar: document.querySelector('.ui-upload-progress')?.value, \
                busy: event.target.getAttribute('aria-busy') }))",
    );
}

#[test]
fn twenty_megabytes_arrive_once_through_a_link_that_is_cut() {
    let site = Site::start();
    let proxy = Proxy::to(site.server.port());
    proxy.cut_uploads(3, false);
    let mut page = open_behind(&proxy, &site);
    let (file, told) = site.file("film.bin", 20_000_000);
    page.choose_files("document.querySelector('#pick')", &[&file]);
    page.wait_for_text("#got", &told);
    page.wait_for(
        "!document.querySelector('.ui-upload-progress') && !document.querySelector('[aria-busy]')",
    );
    assert_eq!(proxy.cuts_left(), 0);
    assert_eq!(page.text("#calls"), "1");
    // It was seen on its way, by the bar too, and went on instead of beginning anew.
    let between = "window.progress.filter(p => p.loaded > 0 && p.loaded < p.total)";
    assert!(page.eval(&format!("{between}.length")).as_u64() > Some(0));
    assert_eq!(
        page.eval(&format!(
            "{between}.every(p => p.busy === 'true' && p.bar === p.loaded && p.name === 'film.bin')"
        )),
        true
    );
    went_on(&mut page);
    let last = "window.progress.at(-1)";
    assert_eq!(page.eval(&format!("{last}.loaded === {last}.total")), true);
    assert_eq!(page.value("#pick"), "");
}

#[test]
fn an_upload_goes_on_while_the_page_connects_anew() {
    upload_with_lost_links(&Site::start());
}

#[test]
fn an_upload_goes_on_when_the_server_has_forgotten_the_page() {
    upload_with_lost_links(&Site::with("[limits]\nresume_window = \"1ms\"\n"));
}

fn upload_with_lost_links(site: &Site) {
    let proxy = Proxy::to(site.server.port());
    proxy.cut_uploads(3, true);
    let mut page = open_behind(&proxy, site);
    let (file, told) = site.file("film.bin", 20_000_000);
    page.choose_files("document.querySelector('#pick')", &[&file]);
    page.wait_for_text("#got", &told);
    page.wait_for_text("#calls", "1");
    page.wait_for("!document.querySelector('[aria-busy]')");
    assert_eq!(proxy.cuts_left(), 0);
    went_on(&mut page);
}

/// It was sent in several parts (the browser itself sends some again), and none of them began anew.
fn went_on(page: &mut Page) {
    let puts = "window.sent.filter(sent => sent.startsWith('PUT'))";
    assert!(page.eval(&format!("{puts}.length")).as_u64() > Some(1));
    assert_eq!(page.eval(&format!("new Set({puts}).size")), 1);
}

#[test]
fn files_are_dropped_and_chosen_by_a_click_one_call_each() {
    let site = Site::start();
    let mut page = site.browser.open(&site.server.url("/"));
    page.wait_for_text("#calls", "0");
    let (first, first_told) = site.file("a.txt", 10);
    let (second, second_told) = site.file("b.txt", 70_000);
    page.drop_files("#zone", &[&first, &second]);
    page.wait_for_text("#got", &format!("{first_told}{second_told}"));
    page.wait_for_text("#calls", "2");
    // The author's bar is used, and nothing is added to the page.
    assert_eq!(page.eval("document.querySelector('#own').value"), 70_000);
    assert_eq!(page.eval("document.querySelectorAll('progress').length"), 1);
    assert_eq!(page.eval("document.querySelector('.ui-drop')"), json!(null));
    assert_eq!(
        page.eval("document.querySelector('#zone').getAttribute('role')"),
        "button"
    );
    page.eval("HTMLInputElement.prototype.click = function () { window.chooser = this }; 0");
    page.eval("document.querySelector('#zone').focus()");
    page.press("Enter");
    page.wait_for("window.chooser?.type === 'file' && window.chooser.multiple");
    page.choose_files("window.chooser", &[&first]);
    page.wait_for_text("#calls", "3");
    assert_eq!(page.errors(), Vec::<String>::new());
}

#[test]
fn what_goes_wrong_is_marked_until_the_next_file() {
    let site = Site::start();
    let mut page = site.browser.open(&site.server.url("/"));
    page.wait_for_text("#calls", "0");
    page.eval("HTMLInputElement.prototype.click = function () { window.chooser = this }; 0");
    let (small, told) = site.file("small.txt", 10);
    let (large, _) = site.file("large.bin", 33 << 20);
    page.click("#refuse");
    page.choose_files("window.chooser", &[&small]);
    page.wait_for("document.querySelector('#refuse.ui-error')?.title === 'no small.txt here'");
    page.wait_for("!document.querySelector('[aria-busy]')");
    page.choose_files("document.querySelector('#pick')", &[&large]);
    page.wait_for("document.querySelector('#pick.ui-error')?.title.includes('max_bytes')");
    page.choose_files("document.querySelector('#pick')", &[&small]);
    page.wait_for_text("#got", &told);
    page.wait_for("!document.querySelector('#pick.ui-error')");
    assert_eq!(
        page.eval("document.querySelector('#refuse').title"),
        "no small.txt here"
    );
}

#[test]
fn links_and_buttons_save_what_the_session_offers() {
    let site = Site::start();
    let mut page = site.browser.open(&site.server.url("/"));
    page.wait_for(
        "document.querySelector('#save').disabled && !document.querySelector('#link[href]')",
    );
    let folder = site.folder.0.join("downloads");
    page.download_to(&folder);
    page.click("#make");
    page.wait_for("document.querySelector('#link[download]')?.href.includes('/download/')");
    page.click("#link");
    let file = folder.join("three.txt");
    let whole = b"piece 2\npiece 1\npiece 0\n";
    assert_eq!(page.wait_for_file(&file), whole);
    fs::remove_file(&file).expect("it is there");
    let before = page.eval("document.querySelector('#link').href");
    page.click("#make");
    page.wait_for(&format!(
        "document.querySelector('#link').href !== {before}"
    ));
    page.click("#save");
    assert_eq!(page.wait_for_file(&file), whole);
    assert_eq!(page.text("h1"), "Files", "the page is still there");
}

/// Chooses a file, and drops another, in the moment in which there is a place for it.
const CHOOSE_AT_ONCE: &str = "new MutationObserver(() => {
  const [pick, zone] = ['#late', '#zone'].map((id) => document.querySelector(id));
  if (!pick || pick.files.length) return;
  const file = (name) => {
    const data = new DataTransfer();
    data.items.add(new File(['abc'], name));
    return data;
  };
  pick.files = file('a.txt').files;
  pick.dispatchEvent(new Event('change', { bubbles: true }));
  window.kept = ['dragover', 'drop'].map((type) =>
    zone.dispatchEvent(new DragEvent(type, { bubbles: true, cancelable: true, dataTransfer: file('b.txt') })));
}).observe(document.body, { childList: true, subtree: true })";

#[test]
fn a_file_that_is_chosen_at_once_is_not_lost() {
    let folder = Folder::new();
    folder.write(
        "site/lua/main.lua",
        "local Part = session:prototype('Part', { got = '', dropped = '' })\n\
         function Part:receive(file) self.got = file.name .. ' ' .. file.size end\n\
         function Part:take(file) self.dropped = file.name .. ' ' .. file.size end\n\
         local App = session:prototype('App', {})\n\
         function App:show() self.part = session:create(Part) end\n\
         session:createAppVariable(session:create(App))\n",
    );
    folder.write(
        "site/viewdefs/App.DEFAULT.html",
        "<template><main><button ui-action=\"show()\">Show</button><div ui-view=\"part\"></div></main></template>",
    );
    folder.write(
        "site/viewdefs/Part.DEFAULT.html",
        "<template><div><input id=\"late\" type=\"file\" ui-upload=\"receive(_)\"><b ui-value=\"got\"></b>\
         <p id=\"zone\" ui-upload=\"take(_)\">Here</p><i ui-value=\"dropped\"></i></div></template>",
    );
    folder.write("site/lunette.toml", "[upload]\ndir = \"incoming\"\n");
    let server = Server::with_flags(&folder.0.join("site"), &[]);
    let browser = Browser::start();
    let mut page = browser.open(&server.url("/"));
    page.wait_for("document.querySelector('main button')");
    page.eval(CHOOSE_AT_ONCE);
    page.click("main button");
    page.wait_for_text("b", "a.txt 3");
    page.wait_for_text("i", "b.txt 3");
    assert_eq!(
        page.eval("window.kept.includes(true)"),
        false,
        "the browser would leave the page for it"
    );
}
