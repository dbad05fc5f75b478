//! Chromium, driven through its DevTools protocol: JSON over a WebSocket, one per tab.
//!
//! [`Browser`] is what one visitor has on the screen, [`Page`] a tab of it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::TcpStream;
use std::thread::sleep;
use std::time::Duration;

use serde_json::{Value, json};
use tungstenite::{Message, WebSocket};

use super::chromium::Chromium;

/// How often a condition is asked before the test gives up, and the pause between. Generous: it bounds a failure, it
/// measures nothing.
pub const POLLS_MAX: u32 = 3_000;
pub const POLL_PAUSE: Duration = Duration::from_millis(20);
/// A browser that does not answer a command for this long has hung.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// What one test uses: a profile of its own in the running Chromium, with no cookie, store or cache of another one.
pub struct Browser {
    control: RefCell<Connection>,
    /// What the protocol calls the profile.
    context: String,
}

impl Browser {
    /// A browser that has been nowhere. It goes away with its tabs when it is dropped: its connection takes it along.
    pub fn start() -> Browser {
        let Chromium { port, path, .. } = Chromium::running();
        let mut control = Connection::open(*port, path);
        let made = control.command(
            "Target.createBrowserContext",
            json!({ "disposeOnDetach": true }),
        );
        Browser {
            control: RefCell::new(control),
            context: text(&made["browserContextId"]).to_owned(),
        }
    }

    /// A new tab that shows `url`.
    pub fn open(&self, url: &str) -> Page {
        let mut page = self.blank();
        page.goto(url);
        page
    }

    /// A new empty tab, to be prepared before it goes anywhere.
    pub fn blank(&self) -> Page {
        let made = self.control.borrow_mut().command(
            "Target.createTarget",
            json!({ "url": "about:blank", "browserContextId": self.context, "newWindow": true }),
        );
        let target = made["targetId"].as_str().expect("a target id");
        let port = Chromium::running().port;
        let mut page = Page {
            connection: Connection::open(port, &format!("/devtools/page/{target}")),
            context: self.context.clone(),
            closed: false,
        };
        for domain in ["Page", "Runtime", "Log", "Network", "Accessibility"] {
            page.connection
                .command(&format!("{domain}.enable"), json!({}));
        }
        // Each tab is the one that its user looks at and types into, whatever stands in front of it.
        page.connection.command(
            "Emulation.setFocusEmulationEnabled",
            json!({ "enabled": true }),
        );
        page.size(1280, 900);
        page
    }

    /// The addresses of all tabs.
    pub fn addresses(&self) -> Vec<String> {
        let mut control = self.control.borrow_mut();
        let mut answer = control.command("Target.getTargets", json!({}));
        let targets = answer["targetInfos"].take();
        let pages = targets.as_array().into_iter().flatten();
        let pages = pages.filter(|target| {
            target["type"] == "page" && target["browserContextId"] == self.context.as_str()
        });
        pages
            .map(|target| text(&target["url"]).to_owned())
            .collect()
    }
}

/// One finished HTTP request of a page.
#[derive(Debug, Clone)]
pub struct Request {
    pub url: String,
    pub status: u64,
    /// Head and body as they came over the wire.
    pub bytes: u64,
    pub redirect: bool,
}

/// What a page has reported so far.
#[derive(Default)]
struct Reports {
    errors: Vec<String>,
    warnings: Vec<String>,
    /// While set, failed connections are part of the test and no errors.
    server_may_be_away: bool,
    /// By request id: the protocol tells of a request in several events.
    open: BTreeMap<String, Request>,
    finished: Vec<Request>,
    socket_bytes: u64,
    socket_frames: u64,
    loads: u32,
}

/// A DevTools WebSocket: commands out, answers and events in.
pub struct Connection {
    socket: WebSocket<TcpStream>,
    last_id: u64,
    reports: Reports,
}

impl Connection {
    fn open(port: u16, path: &str) -> Connection {
        let stream =
            TcpStream::connect(("127.0.0.1", port)).expect("Chromium's DevTools port answers");
        stream
            .set_read_timeout(Some(ANSWER_TIMEOUT))
            .expect("a timeout can be set");
        stream.set_nodelay(true).expect("delays can be turned off");
        let url = format!("ws://127.0.0.1:{port}{path}");
        let (socket, _) = tungstenite::client(url, stream).expect("Chromium speaks WebSocket");
        Connection {
            socket,
            last_id: 0,
            reports: Reports::default(),
        }
    }

    /// Sends a command without waiting for its answer.
    fn post(&mut self, method: &str, params: Value) -> u64 {
        self.last_id += 1;
        let text = json!({ "id": self.last_id, "method": method, "params": params }).to_string();
        let _ = self.socket.send(Message::text(text)); // a lost browser shows at the next read
        self.last_id
    }

    /// Sends a command and returns its result; what the page reports meanwhile is kept.
    pub fn command(&mut self, method: &str, params: Value) -> Value {
        self.attempt(method, params)
            .unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    /// Like [`Connection::command`], for what may fail while a page goes and the next one comes.
    pub fn attempt(&mut self, method: &str, params: Value) -> Result<Value, Value> {
        let id = self.post(method, params);
        loop {
            let message = self
                .socket
                .read()
                .unwrap_or_else(|error| panic!("{method}: Chromium is gone: {error}"));
            let Message::Text(text) = message else {
                continue;
            };
            let mut value: Value =
                serde_json::from_str(text.as_str()).expect("DevTools sends JSON");
            if value["id"] == id {
                return match value.get_mut("error") {
                    Some(error) => Err(error.take()),
                    None => Ok(value["result"].take()),
                };
            }
            if let Some(event) = value["method"].as_str() {
                self.reports.take(event, &value["params"]);
            }
        }
    }
}

impl Reports {
    fn take(&mut self, event: &str, params: &Value) {
        match event {
            "Runtime.exceptionThrown" => {
                let details = &params["exceptionDetails"];
                self.errors.push(format!(
                    "exception: {} {}",
                    details["text"], details["exception"]["description"]
                ));
            }
            "Runtime.consoleAPICalled" if params["type"] == "error" => {
                self.errors
                    .push(format!("console.error: {}", params["args"]));
            }
            "Runtime.consoleAPICalled" if params["type"] == "warning" => {
                let said = &params["args"][0]["value"];
                self.warnings.push(text(said).to_owned());
            }
            "Log.entryAdded" if params["entry"]["level"] == "error" => {
                let entry = &params["entry"];
                if !(self.server_may_be_away && entry["source"] == "network") {
                    self.errors.push(format!(
                        "{}: {} {}",
                        entry["source"], entry["text"], entry["url"]
                    ));
                }
            }
            "Page.loadEventFired" => self.loads += 1,
            "Network.webSocketFrameReceived" => {
                self.socket_frames += 1;
                self.socket_bytes += text(&params["response"]["payloadData"]).len() as u64;
            }
            _ => self.take_request(event, params),
        }
    }

    fn take_request(&mut self, event: &str, params: &Value) {
        let id = text(&params["requestId"]).to_owned();
        match event {
            "Network.requestWillBeSent" => {
                let redirect = &params["redirectResponse"];
                if redirect.is_object() {
                    self.finished.push(request(redirect, true));
                }
            }
            "Network.responseReceived" => {
                self.open.insert(id, request(&params["response"], false));
            }
            "Network.loadingFinished" => {
                if let Some(mut request) = self.open.remove(&id) {
                    request.bytes = params["encodedDataLength"].as_f64().unwrap_or(0.0) as u64;
                    self.finished.push(request);
                }
            }
            _ => {}
        }
    }
}

fn request(response: &Value, redirect: bool) -> Request {
    Request {
        url: text(&response["url"]).to_owned(),
        status: response["status"].as_u64().unwrap_or(0),
        bytes: response["encodedDataLength"].as_f64().unwrap_or(0.0) as u64,
        redirect,
    }
}

pub fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("")
}

/// What a page weighs: its heap, the nodes of its documents, its listeners.
pub struct Weight {
    #[allow(dead_code, reason = "the bench measures it, the tests count")]
    pub heap_bytes: f64,
    pub nodes: u64,
    pub listeners: u64,
}

/// A tab.
pub struct Page {
    pub(super) connection: Connection,
    /// The profile of its browser.
    pub(super) context: String,
    closed: bool,
}

impl Page {
    /// Goes to `url` and waits until it has loaded.
    pub fn goto(&mut self, url: &str) {
        let loads = self.connection.reports.loads;
        let answer = self
            .connection
            .command("Page.navigate", json!({ "url": url }));
        assert!(
            answer.get("errorText").is_none(),
            "{url}: {}",
            answer["errorText"]
        );
        self.wait_for_load(loads);
    }

    pub fn reload(&mut self) {
        let loads = self.connection.reports.loads;
        self.connection.command("Page.reload", json!({}));
        self.wait_for_load(loads);
    }

    fn wait_for_load(&mut self, loads_before: u32) {
        for _ in 0..POLLS_MAX {
            self.connection.command("Page.getFrameTree", json!({})); // takes in the events that have come
            if self.connection.reports.loads > loads_before {
                return;
            }
            sleep(POLL_PAUSE);
        }
        panic!("the page never finished loading");
    }

    /// The value of a JavaScript expression.
    pub fn eval(&mut self, expression: &str) -> Value {
        let mut answer = self.connection.command(
            "Runtime.evaluate",
            json!({ "expression": expression, "returnByValue": true, "awaitPromise": true }),
        );
        assert!(
            answer.get("exceptionDetails").is_none(),
            "{expression}: {}",
            answer["exceptionDetails"]
        );
        answer["result"]["value"].take()
    }

    /// Asks until `condition` is true. One that throws is not true yet: what it looks for may still be missing.
    pub fn wait_for(&mut self, condition: &str) {
        let asked = json!({ "expression": format!("Boolean({condition})"), "returnByValue": true });
        for _ in 0..POLLS_MAX {
            let answer = self.connection.attempt("Runtime.evaluate", asked.clone());
            if answer.is_ok_and(|answer| answer["result"]["value"] == true) {
                return;
            }
            sleep(POLL_PAUSE);
        }
        let shown = self.eval("document.body?.innerText.slice(0, 1500)");
        panic!(
            "never came true: {condition}\nthe page shows:\n{}\nerrors: {:?}",
            text(&shown),
            self.errors()
        );
    }

    /// The text of the first element that matches.
    pub fn text(&mut self, selector: &str) -> String {
        let found = self.eval(&format!(
            "document.querySelector({})?.textContent ?? null",
            json!(selector)
        ));
        text_or_panic(found, selector)
    }

    /// The `value` of the first element that matches.
    pub fn value(&mut self, selector: &str) -> String {
        let found = self.eval(&format!(
            "String(document.querySelector({}).value)",
            json!(selector)
        ));
        text_or_panic(found, selector)
    }

    /// Waits until the text of `selector` is `expected`.
    pub fn wait_for_text(&mut self, selector: &str, expected: &str) {
        self.wait_for(&format!(
            "document.querySelector({})?.textContent.trim() === {}",
            json!(selector),
            json!(expected)
        ));
    }

    /// Another tab that shows the same address, with what this one has stored for its tab.
    pub fn duplicate(&mut self, browser: &Browser) -> Page {
        let stored = self.eval("JSON.stringify(sessionStorage)");
        let address = self.eval("location.href");
        let mut page = browser.blank();
        page.goto(text(&address));
        page.eval(&format!(
            "Object.assign(sessionStorage, JSON.parse({stored}))"
        ));
        page.reload();
        page
    }

    /// What the page weighs, after a collection.
    pub fn weight(&mut self) -> Weight {
        let mut ask = |command: &str| self.connection.command(command, json!({}));
        ask("HeapProfiler.collectGarbage");
        let heap_bytes = ask("Runtime.getHeapUsage")["usedSize"].as_f64();
        let counters = ask("Memory.getDOMCounters");
        let count = |name: &str| counters[name].as_u64().expect("a counter");
        Weight {
            heap_bytes: heap_bytes.expect("a heap"),
            nodes: count("nodes"),
            listeners: count("jsEventListeners"),
        }
    }

    /// Brings the tab to the front: what is behind gets little time.
    pub fn bring_to_front(&mut self) {
        self.connection.command("Page.bringToFront", json!({}));
    }

    /// Closes the tab as its user would.
    pub fn close(mut self) {
        self.connection.command("Page.close", json!({}));
        self.connection.reports.errors.clear();
        self.closed = true;
    }

    /// Lets the page believe that nobody sees it, or that somebody does again.
    pub fn hide(&mut self, hidden: bool) {
        let state = if hidden { "hidden" } else { "visible" };
        self.eval(&format!(
            "Object.defineProperty(document, 'hidden', {{ configurable: true, get: () => {hidden} }}); \
             Object.defineProperty(document, 'visibilityState', {{ configurable: true, get: () => '{state}' }}); \
             document.dispatchEvent(new Event('visibilitychange'))"
        ));
    }

    /// The size of the window, in CSS pixels.
    pub fn size(&mut self, width: u32, height: u32) {
        self.connection.command(
            "Emulation.setDeviceMetricsOverride",
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false }),
        );
    }

    /// The nodes of the accessibility tree, as assistive programs see the page.
    pub fn accessibility(&mut self) -> Vec<Value> {
        let mut tree = self
            .connection
            .command("Accessibility.getFullAXTree", json!({}));
        match tree["nodes"].take() {
            Value::Array(nodes) => nodes,
            other => panic!("no accessibility tree: {other}"),
        }
    }

    /// The roles of controls that an assistive program could not tell the name of.
    pub fn unnamed_controls(&mut self) -> Vec<String> {
        const CONTROLS: [&str; 10] = [
            "button",
            "link",
            "textbox",
            "searchbox",
            "checkbox",
            "radio",
            "combobox",
            "slider",
            "spinbutton",
            "meter",
        ];
        let nodes = self.accessibility();
        let unnamed = nodes.iter().filter(|node| {
            let named = !text(&node["name"]["value"]).trim().is_empty();
            CONTROLS.contains(&text(&node["role"]["value"])) && node["ignored"] != true && !named
        });
        unnamed
            .map(|node| text(&node["role"]["value"]).to_owned())
            .collect()
    }

    /// The finished HTTP requests since the tab was opened.
    pub fn requests(&mut self) -> Vec<Request> {
        self.eval("0");
        self.connection.reports.finished.clone()
    }

    /// How many WebSocket frames have come, and the length of their text.
    pub fn socket_traffic(&mut self) -> (u64, u64) {
        self.eval("0");
        (
            self.connection.reports.socket_frames,
            self.connection.reports.socket_bytes,
        )
    }

    /// Certificates of servers are not verified.
    pub fn trust_everybody(&mut self) {
        let ignore = json!({ "ignore": true });
        self.connection
            .command("Security.setIgnoreCertificateErrors", ignore);
    }

    /// From here on failed connections are expected, not errors.
    pub fn server_may_be_away(&mut self) {
        self.connection.reports.server_may_be_away = true;
    }

    /// What the page warned of on the console.
    pub fn warnings(&mut self) -> Vec<String> {
        self.eval("0");
        self.connection.reports.warnings.clone()
    }

    /// What went wrong in the page so far: exceptions, errors on the console, failed requests.
    pub fn errors(&mut self) -> Vec<String> {
        self.eval("0");
        self.connection.reports.errors.clone()
    }
}

impl Drop for Page {
    /// A page must have been quiet. Its tab goes with it: it may have a clock that ticks.
    fn drop(&mut self) {
        if !std::thread::panicking() && !self.closed {
            let errors = self.errors();
            self.connection.post("Page.close", json!({}));
            assert!(
                errors.is_empty(),
                "the page reported errors:\n{}",
                errors.join("\n")
            );
        }
    }
}

fn text_or_panic(value: Value, selector: &str) -> String {
    match value {
        Value::String(text) => text.trim().to_owned(),
        _ => panic!("there is no {selector} on the page"),
    }
}
