//! Behind a proxy of Debian's that ends TLS, has idle timeouts and gives the site a path of its own: nginx, and
//! HAProxy. Where one of them is not installed its test says so and passes.

use std::fs::{self, File};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use super::cdp::{Browser, Page};
use super::server::Server;
use crate::net::process::Folder;

const STARTS_MAX: u32 = 1_000;
const PAUSE: Duration = Duration::from_millis(10);

/// A proxy that runs, on its own port.
struct Proxy {
    child: Child,
    port: u16,
    log: PathBuf,
    _folder: Folder,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // Its workers end with it only when it is told to end.
        let pid = self.child.id().to_string();
        let _ = Command::new("kill").args(["-TERM", &pid]).status();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!(
                "--- the proxy ---\n{}",
                fs::read_to_string(&self.log).unwrap_or_default()
            );
        }
    }
}

fn installed(program: &str) -> Option<PathBuf> {
    let places = ["/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin"];
    let found = places
        .iter()
        .map(|place| Path::new(place).join(program))
        .find(|path| path.is_file());
    if found.is_none() {
        println!("skipped: {program} is not installed");
    }
    found
}

/// A certificate for localhost, if there is something to make one.
fn certificate(folder: &Path) -> bool {
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
        ])
        .args([
            "-days",
            "2",
            "-subj",
            "/CN=localhost",
            "-addext",
            "subjectAltName=DNS:localhost",
        ])
        .arg("-keyout")
        .arg(folder.join("key.pem"))
        .arg("-out")
        .arg(folder.join("cert.pem"))
        .output();
    let made = made.is_ok_and(|output| output.status.success());
    if made {
        let both = ["cert.pem", "key.pem"].map(|name| fs::read(folder.join(name)).expect("made"));
        fs::write(folder.join("both.pem"), both.concat()).expect("written");
    } else {
        println!("skipped: openssl is not installed");
    }
    made
}

/// A port that nobody has.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}

impl Proxy {
    /// Runs with this configuration, made of its folder and port.
    fn start(
        program: &Path,
        arguments: &[&str],
        folder: Folder,
        config: impl Fn(&Path, u16) -> String,
    ) -> Proxy {
        let port = free_port();
        let path = folder.0.join("proxy.conf");
        fs::write(&path, config(&folder.0, port)).expect("written");
        let log = folder.0.join("proxy.log");
        let child = Command::new(program)
            .args(arguments)
            .arg(&path)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log).expect("a log"))
            .spawn()
            .expect("the proxy starts");
        let proxy = Proxy {
            child,
            port,
            log,
            _folder: folder,
        };
        for _ in 0..STARTS_MAX {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return proxy;
            }
            sleep(PAUSE);
        }
        panic!("the proxy does not listen");
    }

    fn url(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.port)
    }
}

/// The demo's page by TLS below `/apps/book`: opened, used and reloaded.
fn use_it(proxy: &Proxy, browser: &Browser) {
    let mut page: Page = browser.blank();
    page.trust_everybody();
    page.goto(&proxy.url("/apps/book/"));
    page.wait_for("document.querySelectorAll('.contact-row').length === 25");
    page.wait_for("/^\\/apps\\/book\\/[0-9a-f]{32}(\\/|$)/.test(location.pathname)");
    page.wait_for("[...document.styleSheets].some(sheet => sheet.href && sheet.href.includes('/apps/book/_lunette/'))");
    // What is typed reaches the server and comes back.
    page.click("#search");
    page.type_text("akes");
    page.wait_for("[...document.querySelectorAll('.contact-row')].every(row => /[åa]kes/i.test(row.textContent))");
    page.reload();
    page.wait_for("document.querySelectorAll('.contact-row').length > 0");
    page.wait_for("location.pathname.startsWith('/apps/book/')");
}

/// A proxy's program, a folder with a certificate, and a server below a path; `None`: something is not installed.
fn prepared(program: &str) -> Option<(PathBuf, Folder, Server)> {
    let program = installed(program)?;
    let folder = Folder::new();
    if !certificate(&folder.0) {
        return None;
    }
    let server = Server::demo_in(&[
        ("LUNETTE_BASE_PATH", "/apps/book"),
        ("LUNETTE_NET_PING_INTERVAL", "1s"),
    ]);
    Some((program, folder, server))
}

#[test]
fn nginx_ends_tls_and_gives_the_site_a_path() {
    let Some((nginx, folder, server)) = prepared("nginx") else {
        return;
    };
    let upstream = server.port();
    let proxy = Proxy::start(&nginx, &["-c"], folder, |dir, port| {
        let dir = dir.display();
        format!(
            "daemon off; pid {dir}/nginx.pid; error_log stderr; worker_processes 1;\n\
             events {{ }}\n\
             http {{\n\
             access_log off; client_body_temp_path {dir}/body; proxy_temp_path {dir}/temp;\n\
             fastcgi_temp_path {dir}/fastcgi; uwsgi_temp_path {dir}/uwsgi; scgi_temp_path {dir}/scgi;\n\
             map $http_upgrade $connection_upgrade {{ default upgrade; '' ''; }}\n\
             server {{\n\
             listen 127.0.0.1:{port} ssl; ssl_certificate {dir}/cert.pem; ssl_certificate_key {dir}/key.pem;\n\
             location /apps/book/ {{\n\
             proxy_pass http://127.0.0.1:{upstream};\n\
             proxy_http_version 1.1; proxy_set_header Host $http_host;\n\
             proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $connection_upgrade;\n\
             proxy_read_timeout 3s;\n\
             }} }} }}\n"
        )
    });
    let browser = Browser::start();
    use_it(&proxy, &browser);
}

#[test]
fn haproxy_ends_tls_and_gives_the_site_a_path() {
    let Some((haproxy, folder, server)) = prepared("haproxy") else {
        return;
    };
    let upstream = server.port();
    let proxy = Proxy::start(&haproxy, &["-db", "-f"], folder, |dir, port| {
        let dir = dir.display();
        format!(
            "defaults\n  mode http\n  timeout connect 5s\n  timeout client 3s\n  timeout server 3s\n  timeout tunnel 3s\n\
             frontend front\n  bind 127.0.0.1:{port} ssl crt {dir}/both.pem\n  \
             use_backend site if {{ path_beg /apps/book }}\n\
             backend site\n  server one 127.0.0.1:{upstream}\n"
        )
    });
    let browser = Browser::start();
    use_it(&proxy, &browser);
}
