//! A proxy between the browser and the server, which the test controls: it delays, cuts, refuses, and plays a login
//! in front of the server. Threads, since both directions of each connection wait on their own.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{sleep, spawn};
use std::time::{Duration, Instant};

/// How often a thread that waits looks whether it shall stop.
const PAUSE: Duration = Duration::from_millis(5);

struct Shared {
    target: SocketAddr,
    latency_ms: AtomicU64,
    /// New connections are accepted, and say nothing.
    dark: AtomicBool,
    /// To requests with one of these texts in their head, this is answered in place of the server.
    refusal: Mutex<Option<(Vec<String>, String)>>,
    uploads: Mutex<Cuts>,
    open: Mutex<Vec<TcpStream>>,
    stopped: AtomicBool,
}

/// What happens to connections on which a file goes.
#[derive(Default)]
struct Cuts {
    /// So many are still to break, each after some more bytes than the one before.
    left: usize,
    /// All others with them.
    all: bool,
}

pub struct Proxy {
    shared: Arc<Shared>,
    port: u16,
}

static NUMBER: AtomicU64 = AtomicU64::new(0);

impl Proxy {
    /// A number that no other part of the tests has got from here.
    pub fn next_number() -> u64 {
        NUMBER.fetch_add(1, Ordering::Relaxed)
    }

    /// A proxy to this port on loopback.
    pub fn to(port: u16) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let own = listener.local_addr().expect("an address").port();
        let shared = Arc::new(Shared {
            target: SocketAddr::from(([127, 0, 0, 1], port)),
            latency_ms: AtomicU64::new(0),
            dark: AtomicBool::new(false),
            refusal: Mutex::new(None),
            uploads: Mutex::default(),
            open: Mutex::new(Vec::new()),
            stopped: AtomicBool::new(false),
        });
        let accepting = Arc::clone(&shared);
        listener.set_nonblocking(true).expect("it can be polled");
        spawn(move || accept(&listener, &accepting));
        Proxy { shared, port: own }
    }

    /// The address of `path` through the proxy.
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// Each byte takes so long, in each direction.
    pub fn delay(&self, ms: u64) {
        self.shared.latency_ms.store(ms, Ordering::Relaxed);
    }

    /// All connections break, and nobody gets through until [`Proxy::mend`].
    pub fn cut(&self) {
        self.shared.dark.store(true, Ordering::Relaxed);
        self.drop_all();
    }

    pub fn mend(&self) {
        self.shared.dark.store(false, Ordering::Relaxed);
        self.drop_all();
    }

    /// All connections break; new ones get through.
    pub fn drop_all(&self) {
        self.shared.drop_all();
    }

    /// The next connections on which a file goes break on their way; `all`: and all others with them.
    pub fn cut_uploads(&self, times: usize, all: bool) {
        *lock(&self.shared.uploads) = Cuts { left: times, all };
    }

    /// How many of them have not come yet.
    pub fn cuts_left(&self) -> usize {
        lock(&self.shared.uploads).left
    }

    /// From now on requests with one of `needles` in their head are answered like this.
    pub fn refuse(&self, needles: &[&str], answer: &str) {
        let needles = needles.iter().map(|needle| (*needle).to_owned()).collect();
        *lock(&self.shared.refusal) = Some((needles, answer.to_owned()));
        self.drop_all();
    }

    /// All get through again.
    pub fn allow(&self) {
        *lock(&self.shared.refusal) = None;
        self.drop_all();
    }
}

impl Shared {
    fn drop_all(&self) {
        for stream in lock(&self.open).drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// So many bytes of a file have come over a connection: whether it breaks now.
    fn cuts(&self, bytes: usize) -> bool {
        let mut cuts = lock(&self.uploads);
        if cuts.left == 0 || bytes <= 5_000_000 - 1_000_000 * cuts.left {
            return false;
        }
        cuts.left -= 1;
        let all = cuts.all;
        drop(cuts);
        if all {
            self.drop_all();
        }
        true
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::Relaxed);
        self.drop_all();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    while !shared.stopped.load(Ordering::Relaxed) {
        match listener.accept() {
            Ok((stream, _)) => {
                let shared = Arc::clone(shared);
                spawn(move || serve(stream, &shared));
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => sleep(PAUSE),
            Err(_) => return,
        }
    }
}

fn serve(browser: TcpStream, shared: &Arc<Shared>) {
    let keep = |stream: &TcpStream| {
        if let Ok(copy) = stream.try_clone() {
            lock(&shared.open).push(copy);
        }
    };
    let _ = browser.set_nonblocking(false);
    keep(&browser);
    if shared.dark.load(Ordering::Relaxed) {
        // Accepted by the kernel before it was known: no answer until it is cut.
        return;
    }
    let refusal = lock(&shared.refusal).clone();
    let mut browser = browser;
    let mut head = Vec::new();
    if let Some((needles, answer)) = refusal {
        head = read_head(&mut browser);
        let text = String::from_utf8_lossy(&head);
        if needles.iter().any(|needle| text.contains(needle.as_str())) {
            let _ = browser.write_all(answer.as_bytes());
            let _ = browser.shutdown(Shutdown::Both);
            return;
        }
    }
    let Ok(mut server) = TcpStream::connect(shared.target) else {
        let _ = browser.shutdown(Shutdown::Both);
        return;
    };
    let _ = server.write_all(&head);
    keep(&server);
    let (Ok(browser_out), Ok(server_out)) = (browser.try_clone(), server.try_clone()) else {
        return;
    };
    pump(browser, server_out, Arc::clone(shared));
    pump(server, browser_out, Arc::clone(shared));
}

fn read_head(browser: &mut TcpStream) -> Vec<u8> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && matches!(browser.read(&mut byte), Ok(1)) {
        head.push(byte[0]);
    }
    head
}

/// Carries bytes from one side to the other, each piece as late as it was set when it came.
fn pump(mut from: TcpStream, mut to: TcpStream, shared: Arc<Shared>) {
    let (sender, receiver): (Sender<(Instant, Vec<u8>)>, Receiver<_>) = channel();
    spawn(move || {
        while let Ok((due, bytes)) = receiver.recv() {
            sleep(due.saturating_duration_since(Instant::now()));
            if to.write_all(&bytes).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Write);
    });
    spawn(move || {
        let mut buffer = [0; 64 << 10];
        let mut file: Option<usize> = None;
        while let Ok(n) = from.read(&mut buffer) {
            let latency = Duration::from_millis(shared.latency_ms.load(Ordering::Relaxed));
            if n == 0
                || sender
                    .send((Instant::now() + latency, buffer[..n].to_vec()))
                    .is_err()
            {
                break;
            }
            if buffer.starts_with(b"PUT ") {
                file = Some(0);
            }
            let bytes = file.as_mut().map(|bytes| {
                *bytes += n;
                *bytes
            });
            if bytes.is_some_and(|bytes| shared.cuts(bytes)) {
                let _ = from.shutdown(Shutdown::Both);
                break;
            }
        }
    });
}
