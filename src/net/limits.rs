//! What one peer may use of the server, each with the reason for its number.

/// Caps and deadlines of connections. The defaults are those of the protocol document, section 7.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetLimits {
    /// Bytes of a request head, request line to blank line. Browsers send 1 to 2 KiB; cookies of
    /// other apps on the same host can bring it to 8; the usual servers allow 8 to 16.
    pub head_bytes: usize,
    /// Fields in it, at most [`HEADERS_MAX`]. Browsers send about 20, a chain of proxies adds some.
    pub headers: usize,
    /// Bytes of a WebSocket frame and of a message. One number for both, since a frame header
    /// alone makes the reader reserve this much. A pasted document fits, a film does not.
    pub message_bytes: usize,
    /// Messages taken from one connection in a turn, so that a flood from one does not keep the
    /// others waiting for more than some milliseconds.
    pub messages_per_turn: usize,
    /// Messages that one connection may send in a second for long, pings and pongs too; 0: any number. A page gathers for
    /// 10 ms what its user does and sends at most some hundreds, a tool at its fastest some thousands for a moment:
    /// [`BURST_SECONDS`] of it may come at once. What is gathered in one is not counted: its bytes are bounded, its gas, and
    /// that others wait for one of them at the most.
    pub message_rate: u64,
    /// Bytes waiting to be sent on one connection. A frame larger than this is still taken when
    /// nothing else waits, so that a large page can load.
    pub output_bytes: usize,
    /// A request head, and the handshake with it, must be complete this long after its start:
    /// generous for a phone on a bad link, short for somebody who only holds connections.
    pub head_timeout_ms: u64,
    /// How long a connection without a request is kept open for the next one.
    pub idle_timeout_ms: u64,
    /// How long a peer may take nothing of an HTTP answer before it is given up.
    pub stall_timeout_ms: u64,
    /// How long to wait for the peer's part of a close after ours was sent; less than the
    /// 5 seconds within which a server that is told to stop has to be gone.
    pub close_timeout_ms: u64,
    /// Time between pings: proxies commonly drop what was silent for 30 to 60 seconds.
    pub ping_interval_ms: u64,
    /// Pings in a row without any answer after which the peer counts as dead.
    pub missed_pongs: usize,
    /// How long a view that has lost its connection is kept for its page to come back: longer than a
    /// train's tunnel or a router's restart. It costs what a connected one costs, so not for ever.
    pub resume_window_ms: u64,
    /// Bytes of frames that are kept for one view until its page has acknowledged them. More is only
    /// missing after a long break, when the present state is less to tell than all of its history.
    pub resume_bytes: usize,
    /// PUT may go to any address: only where those ask who run the server.
    pub puts: bool,
    /// Connections at once; more get 503. Below the usual 1,024 descriptors only because the
    /// server raises that limit itself.
    pub connections: usize,
    /// Of them, from one address: as many pages as a school may have open behind one. 0: any number.
    pub connections_per_address: usize,
}

/// The most header fields that can be configured: the table for them is on the stack.
pub const HEADERS_MAX: usize = 128;

/// How much of its `message_rate` a connection may use up at once: what a page has kept while its network was
/// away, and a list that is built up.
pub const BURST_SECONDS: u64 = 10;

/// Buffers of a connection that are larger than this are given back as soon as they are empty.
/// Most frames of a user interface are below it, so that they cost no allocation.
pub const BUFFER_KEPT_BYTES: usize = 512;

/// Requests that follow each other without waiting are not answered while this much is unsent.
pub const PIPELINE_BACKLOG_BYTES: usize = 64 * 1024;

/// Into so many parts the time between pings is divided: they go at the ends of those.
const PING_TIMES: u64 = 8;

impl NetLimits {
    /// When a peer that has been pinged now, or has just come, is pinged next: up to an eighth of the time early, together
    /// with others, since each ping by itself wakes a machine on which nothing else happens.
    pub fn next_ping(&self, now: u64) -> u64 {
        let part = (self.ping_interval_ms / PING_TIMES).max(1);
        (now + self.ping_interval_ms) / part * part
    }
}

impl Default for NetLimits {
    fn default() -> Self {
        NetLimits {
            head_bytes: 16 * 1024,
            headers: 64,
            message_bytes: 1 << 20,
            messages_per_turn: 256,
            message_rate: 1_000,
            output_bytes: 1 << 20,
            head_timeout_ms: 10_000,
            idle_timeout_ms: 15_000,
            stall_timeout_ms: 20_000,
            close_timeout_ms: 3_000,
            ping_interval_ms: 25_000,
            missed_pongs: 2,
            resume_window_ms: 10 * 60_000,
            resume_bytes: 256 << 10,
            puts: false,
            connections: 1_024,
            connections_per_address: 256,
        }
    }
}
