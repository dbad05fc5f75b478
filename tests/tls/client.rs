//! A site with a certificate, and what speaks to it.

use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::CertificateDer;
use rustls::version::{TLS12, TLS13};

use crate::bench_client::wire::{self, Tls, Wire};
use crate::bench_client::{Http, Socket};
use crate::net::process::{Folder, Server, read_answer, status};

const MAIN: &str = "
local App = session:prototype('App', { count = 0, link = '', got = '', text = '' })
function App:add() self.count = self.count + 1 end
function App:grow() self.text = ('x'):rep(1000000) end
function App:flood() session:setInterval(function() self.count = self.count + 1 self.text = ('%08d'):format(self.count):rep(8192) end, 20) end
function App:export()
  local left = 64
  self.link = session:download('big', 'application/octet-stream', function()
    left = left - 1
    if left >= 0 then return ('%08d'):format(left):rep(8192) end
  end)
end
function App:receive(file) self.got = file.size .. ' ' .. file.sha256 end
session:createAppVariable(session:create(App))
";
const VIEWDEF: &str = "<template><p ui-value=\"count\"></p><p ui-value=\"text\"></p><p ui-value=\"got\"></p>
<button ui-action=\"add()\"></button><button ui-action=\"grow()\"></button><button ui-action=\"flood()\"></button>
<button ui-action=\"export()\"></button><a ui-download=\"link\"></a><input type=\"file\" ui-upload=\"receive(_)\"></template>";

/// What pages say first: variables 2 to 5 are count, text, got and link.
pub const OPEN: &str = r#"[{"type":"watch","data":{"varId":1}},
    {"type":"create","data":{"id":2,"parentId":1,"properties":{"path":"count"}}},
    {"type":"create","data":{"id":3,"parentId":1,"properties":{"path":"text"}}},
    {"type":"create","data":{"id":4,"parentId":1,"properties":{"path":"got"}}},
    {"type":"create","data":{"id":5,"parentId":1,"properties":{"path":"link"}}}]"#;

/// A site, its certificate and a server on it.
pub struct Place {
    pub folder: Folder,
    pub server: Server,
    flags: Vec<String>,
}

impl Place {
    pub fn new() -> Place {
        Place::with("", &[])
    }

    /// With these settings, which begin in section `[server]`.
    pub fn with(settings: &str, flags: &[&str]) -> Place {
        let folder = folder(settings);
        let flags: Vec<String> = flags.iter().map(|&flag| flag.to_owned()).collect();
        let server = start(&folder, &flags);
        Place {
            folder,
            server,
            flags,
        }
    }

    /// `kill -9`, and a new process on the same files.
    pub fn crash(&mut self) {
        self.server.child.kill().expect("it runs");
        self.server.child.wait().expect("it ends");
        self.server = start(&self.folder, &self.flags);
    }

    /// A connection on which nothing was said yet.
    pub fn tls(&self) -> Tls {
        self.tls_as(&any())
    }

    pub fn tls_as(&self, client: &Arc<ClientConfig>) -> Tls {
        wire::tls(self.server.address, client).expect("a connection")
    }

    fn wire(&self) -> Wire {
        Wire::Tls(Box::new(self.tls()))
    }

    pub fn http(&self) -> Http {
        Http::over(self.wire(), self.server.address)
    }

    /// The answer to a request on a connection of its own.
    pub fn ask(&self, request: &str) -> String {
        let mut tls = self.tls();
        tls.write_all(request.as_bytes()).expect("sent");
        read_answer(&mut tls)
    }

    pub fn get(&self, path: &str, fields: &str) -> String {
        self.ask(&format!(
            "GET {path} HTTP/1.1\r\nHost: {}\r\n{fields}\r\n",
            self.server.address
        ))
    }

    /// A new session's id.
    pub fn session(&self) -> String {
        let answer = self.get("/", "Accept: text/html\r\n");
        assert_eq!(status(&answer), "307", "{answer}");
        let location = answer.split("Location: /").nth(1).expect("an address");
        location[..32].to_owned()
    }

    /// A page of this session, which has said what it shows.
    pub fn page(&self, session: &str) -> Socket {
        let opened = Socket::over(self.wire(), self.server.address, session, "");
        let mut page = opened.expect("a connection").expect("it may");
        page.send(OPEN).expect("sent");
        page
    }

    /// Whether the server works as it should.
    pub fn serves_on(&self) {
        let mut page = self.page(&self.session());
        until(&mut page, "\"varId\":2");
    }
}

/// A site with the first certificate.
pub fn folder(settings: &str) -> Folder {
    let folder = Folder::new();
    folder.write("lua/main.lua", MAIN);
    folder.write("viewdefs/App.DEFAULT.html", VIEWDEF);
    let both = "[server]\ntls_cert = \"tls/cert.pem\"\ntls_key = \"tls/key.pem\"\n";
    folder.write("lunette.toml", format!("{both}{settings}"));
    show(&folder, "first");
    folder
}

/// Puts a certificate of the tests in its place.
pub fn show(folder: &Folder, name: &str) {
    folder.write("tls/cert.pem", read(&wire::certificate(name)));
    put_key(folder, &read(&wire::key(name)));
}

pub fn put_key(folder: &Folder, content: &[u8]) {
    folder.write("tls/key.pem", content);
    let path = folder.0.join("tls/key.pem");
    fs::set_permissions(path, Permissions::from_mode(0o600)).expect("it is ours");
}

pub fn read(path: &std::path::Path) -> Vec<u8> {
    fs::read(path).expect("a file of the tests")
}

fn start(folder: &Folder, flags: &[String]) -> Server {
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let server = Server::start(&folder.0, &flags);
    assert_eq!(server.scheme, "https");
    server
}

/// The certificate that a server has shown.
pub fn shown(tls: &Tls) -> CertificateDer<'static> {
    tls.conn.peer_certificates().expect("it was shown")[0]
        .clone()
        .into_owned()
}

/// A client that takes what it is offered.
pub fn any() -> Arc<ClientConfig> {
    wire::client(&[&TLS13, &TLS12])
}

/// Receives until a frame contains this, and returns it.
pub fn until(page: &mut Socket, wanted: &str) -> String {
    loop {
        let text = page.receive().expect("a frame");
        if text.contains(wanted) {
            return text.to_owned();
        }
    }
}

/// Calls a method of the app, by variable `id`.
pub fn call(page: &mut Socket, id: u64, method: &str) {
    let create = format!(
        r#"[{{"type":"create","data":{{"id":{id},"parentId":1,"properties":{{"path":"{method}","access":"action"}}}}}}]"#
    );
    page.send(&create).expect("sent");
    let act = format!(
        r#"{{"userEvent":true,"messages":[{{"type":"update","data":{{"varId":{id},"value":null}}}}]}}"#
    );
    page.send(&act).expect("sent");
}
