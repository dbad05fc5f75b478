//! What sessions say to others, in the browser: topics, notices, addresses, downloads.

use super::cdp::Browser;
use super::pictures::picture;
use super::server::Server;
use crate::net::process::Folder;

#[test]
fn sessions_hear_each_other_and_late_ones_what_was_retained() {
    let (server, browser) = (Server::site("messages"), Browser::start());
    let mut anna = browser.open(&server.url("/"));
    let mut ben = browser.open(&server.url("/"));
    ben.wait_for_text("#lines", "");
    anna.fill("#draft", "hello");
    anna.click("#say");
    anna.wait_for_text("#lines", "1: hello");
    ben.wait_for_text("#lines", "1: hello");
    ben.wait_for("document.querySelector('.ui-toast-info span').textContent === 'new from 1'");
    assert_eq!(
        anna.eval("document.querySelectorAll('.ui-toast').length"),
        0
    );
    let mut late = browser.open(&server.url("/"));
    late.wait_for_text("#lines", "1: hello");
    late.fill("#draft", "here too");
    late.click("#say");
    for page in [&mut anna, &mut ben, &mut late] {
        page.wait_for_text("#lines", "1: hello | 3: here too");
        assert_eq!(page.errors(), Vec::<String>::new());
    }
}

#[test]
fn the_app_has_addresses_and_hears_of_back_and_forward() {
    let (server, browser) = (Server::site("messages"), Browser::start());
    let mut page = browser.open(&server.url("/"));
    page.wait_for_text("#page", "/");
    page.click("#about");
    page.wait_for_text("#page", "/about");
    page.wait_for("location.pathname.endsWith('/about')");
    page.click("#help");
    page.wait_for("location.search === '?topic=rooms'");
    page.eval("history.back()");
    page.wait_for_text("#page", "/about");
    page.eval("history.back()");
    page.wait_for_text("#page", "/");
    page.wait_for("/^\\/[0-9a-f]{32}$/.test(location.pathname)");
    page.eval("history.go(2)");
    page.wait_for_text("#page", "/help?topic=rooms");
    // The page of that address shows it again, and a second tab elsewhere is its own.
    page.reload();
    page.wait_for_text("#page", "/help?topic=rooms");
    page.eval("history.back()");
    page.wait_for_text("#page", "/about");
    assert_eq!(page.errors(), Vec::<String>::new());
}

#[test]
fn an_address_opens_a_session_there_and_the_browser_says_where_it_is() {
    let (server, browser) = (Server::site("messages"), Browser::start());
    let mut page = browser.open(&server.url("/help?topic=links"));
    page.wait_for_text("#page", "/help?topic=links");
    page.wait_for(
        "document.querySelector('#where').textContent === \
         navigator.language + ' ' + Intl.DateTimeFormat().resolvedOptions().timeZone",
    );
}

#[test]
fn a_download_is_fetched_once_in_pieces() {
    let (server, browser) = (Server::site("messages"), Browser::start());
    let mut page = browser.open(&server.url("/"));
    page.click("#save");
    page.wait_for("document.querySelector('#file').getAttribute('href')?.includes('/download/')");
    page.eval(
        "fetch(document.querySelector('#file').href).then(async answer => { \
            window.kind = answer.headers.get('content-type'); \
            window.size = (await answer.text()).split('\\n').length })",
    );
    page.wait_for("window.size === 200001");
    assert_eq!(page.eval("window.kind"), "text/plain; charset=utf-8");
    page.server_may_be_away(); // the second answer is an error
    page.eval("fetch(document.querySelector('#file').href).then(answer => { window.again = answer.status })");
    page.wait_for("window.again === 404");
}

#[test]
fn what_is_told_while_a_modal_dialog_is_open_is_told_in_it() {
    let folder = Folder::new();
    folder.write(
        "lua/main.lua",
        "local App = session:prototype('App', { open = false })
         function App:ask() self.open = true end
         function App:tell() session:notify('Saved.') end
         function App:refuse() session:notify('No room.', 'error') end
         session:createAppVariable(session:create(App))",
    );
    folder.write(
        "viewdefs/App.DEFAULT.html",
        "<template><main><button id=ask ui-action='ask()'>Ask</button>
           <button id=before ui-action='refuse()'>Refuse</button>
           <dialog id=modal ui-value='open'><button id=tell ui-action='tell()'>Tell</button></dialog>
         </main></template>",
    );
    let mut server = Server::keeping_of(&folder.0, &[]);
    let browser = Browser::start();
    let mut page = browser.open(&server.url("/"));
    page.click("#before");
    page.wait_for("document.querySelector('body > div > .ui-toasts > .ui-toast-error')");
    page.click("#ask");
    // Behind the dialog nobody could read it, or put it away.
    page.wait_for("document.querySelector('#modal .ui-toasts > .ui-toast-error')");
    page.click("#tell");
    page.wait_for("document.querySelector('#modal .ui-toast-info')");
    let seen = "(() => { const box = document.querySelector('.ui-toast-error').getBoundingClientRect();
        return document.elementFromPoint(box.x + 20, box.y + box.height / 2).closest('.ui-toast-error') !== null })()";
    assert_eq!(page.eval(seen), true);
    page.screenshot(&picture("toasts-in-dialog"));
    page.click(".ui-toast-error .ui-toast-close");
    page.wait_for("!document.querySelector('.ui-toast-error')");
    server.kill();
    page.server_may_be_away();
    page.wait_for("document.querySelector('#modal .ui-reconnecting')");
    server.restart();
    page.wait_for("!document.querySelector('.ui-reconnecting')");
    page.press("Escape");
    page.wait_for(
        "document.querySelector('body > div > .ui-toasts') && !document.querySelector('#modal').open",
    );
    page.click("#before");
    page.wait_for("document.querySelector('body > div > .ui-toasts > .ui-toast-error')");
    assert_eq!(page.errors(), Vec::<String>::new());
}
