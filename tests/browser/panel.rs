//! The example that shows the state of the machine: real numbers, which move.

use std::fs;

use super::cdp::Browser;
use super::pictures::picture;
use super::server::Server;

const WIDTHS: [u32; 2] = [360, 1440];

#[test]
fn the_panel_shows_this_machine_and_moves() {
    let server = Server::folder("lua/examples/panel");
    let browser = Browser::start();
    let mut page = browser.open(&server.url("/"));
    let host = fs::read_to_string("/proc/sys/kernel/hostname").expect("Linux");
    page.wait_for_text("#host", host.trim());
    page.wait_for("/^[0-9]+[.][0-9]{2}$/.test(document.querySelector('#load').textContent)");
    page.wait_for(
        "/^[0-9.]+ [KMGT]iB of [0-9]/.test(document.querySelector('#memory').textContent)",
    );
    page.wait_for("document.querySelectorAll('#disks li meter').length > 0");
    page.wait_for("/ of [0-9.]+ [MGT]iB, [0-9]+ %$/.test(document.querySelector('#disks .gauge-amount').textContent)");
    // Three charts, each with a second point by now.
    page.wait_for("document.querySelectorAll('ui-chart .ui-line').length === 3");
    page.wait_for(
        "document.querySelectorAll('ui-chart .ui-line')[1].getAttribute('d').length > 20",
    );
    page.wait_for("document.querySelector('[role=status]').hidden");
    assert_eq!(server.log(), "", "nothing to complain about");
    for width in WIDTHS {
        page.size(width, 900);
        assert_eq!(
            page.eval("document.documentElement.scrollWidth <= innerWidth"),
            true,
            "nothing sticks out at {width} px"
        );
        for theme in ["light", "dark"] {
            page.dark(theme == "dark");
            page.screenshot(&picture(&format!("panel-{width}-{theme}")));
        }
    }
}
