//! The process: one headless Chromium for all that is tested here, started when the first test wants it.
//!
//! Starting one for each test costs more than most tests do. They do not see each other: each has a profile of its own
//! in it, see [`super::cdp::Browser`]. It ends by itself when the tests do, however they end.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::thread::sleep;

use super::cdp::{POLL_PAUSE, POLLS_MAX};

static CHROMIUM: LazyLock<Chromium> = LazyLock::new(Chromium::start);

/// Chromium reads commands from its third descriptor, too, and ends when nobody can send any there: the other end is
/// ours, and closed by the system. Then its files are removed.
const UNTIL_WE_END: &str = r#"files=$1; shift; "$@" 3<&0 4>/dev/null </dev/null; rm -rf "$files""#;

pub struct Chromium {
    /// Where it speaks the DevTools protocol, on loopback.
    pub port: u16,
    /// The path there under which it takes commands that are about no page.
    pub path: String,
    /// Its parent, whose input stays open as long as we live.
    _parent: Child,
}

impl Chromium {
    /// The one that runs.
    pub fn running() -> &'static Chromium {
        &CHROMIUM
    }

    /// Starts the one in `CHROMIUM`, else the one that Debian installs.
    fn start() -> Chromium {
        let program = std::env::var("CHROMIUM").unwrap_or_else(|_| "/usr/bin/chromium".into());
        assert!(
            Path::new(&program).exists(),
            "there is no {program}. These tests need Chromium; install it with\n    \
             apt-get install -y chromium fonts-dejavu\nor set CHROMIUM to the path of one"
        );
        let files = std::env::temp_dir().join(format!("lunette-chromium-{}", std::process::id()));
        let _ = fs::remove_dir_all(&files);
        fs::create_dir_all(&files).expect("a directory for Chromium's files can be made");
        let mut parent = Command::new("sh")
            .args(["-c", UNTIL_WE_END, "sh"])
            .arg(&files)
            .arg(&program)
            .args([
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
                "--disable-dev-shm-usage",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                "--disable-breakpad",
                "--hide-scrollbars",
                // Tabs are used side by side: none is slower because another one is in front of it.
                "--disable-background-timer-throttling",
                "--disable-backgrounding-occluded-windows",
                "--disable-renderer-backgrounding",
                // What the address bar of each window drops down would be a page that costs as much as the one under test.
                "--disable-features=WebUIOmniboxAimPopup,WebUIOmniboxPopup,PreloadTopChromeWebUI",
                "--remote-debugging-port=0",
                "--remote-debugging-pipe",
            ])
            .arg(format!("--user-data-dir={}", files.display()))
            .arg("about:blank")
            // What it leaves behind goes away with its files.
            .env("TMPDIR", &files)
            .env("XDG_CONFIG_HOME", &files)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("a shell starts");
        let (port, path) = devtools_address(&files, &mut parent);
        Chromium {
            port,
            path,
            _parent: parent,
        }
    }
}

/// Where the started browser listens: it writes the port and the path of its control socket into its profile.
fn devtools_address(files: &Path, parent: &mut Child) -> (u16, String) {
    for _ in 0..POLLS_MAX {
        let text = fs::read_to_string(files.join("DevToolsActivePort")).unwrap_or_default();
        if let Some((port, path)) = text.split_once('\n')
            && let Ok(port) = port.parse()
        {
            return (port, path.trim().to_owned());
        }
        if let Ok(Some(status)) = parent.try_wait() {
            panic!("Chromium ended at once ({status})");
        }
        sleep(POLL_PAUSE);
    }
    panic!("Chromium never said where it listens");
}
