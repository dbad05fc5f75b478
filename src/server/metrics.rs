//! What the server counts, and how that is told: as the text that Prometheus reads, and as a line of the log.
//!
//! Counters are plain numbers of the one thread; all else is looked up when somebody asks.

use std::fmt::Write;

use super::Server;
use super::world::World;
use crate::core::script::Runtime;

/// Upper ends of the classes by which the work of turns is counted, in microseconds.
const BOUNDS_US: [u64; 6] = [100, 1_000, 10_000, 50_000, 250_000, 1_000_000];

/// What has happened since the start.
#[derive(Clone, Debug, Default)]
pub struct Counters {
    pub turns: u64,
    pub turn_us: u64,
    /// How many took up to each of [`BOUNDS_US`], and no less than the one before; the last: longer.
    turns_by_time: [u64; BOUNDS_US.len() + 1],
    pub events: u64,
    pub bytes_in: u64,
    pub bytes_out: u64,
    pub accepted: u64,
    /// Connections turned away because there were too many.
    pub refused: u64,
    pub requests: u64,
    pub refused_requests: u64,
    /// Pages that came back and were told everything anew.
    pub resyncs: u64,
    /// Connections let go because they did not read.
    pub slow: u64,
}

impl Counters {
    /// A turn has taken so long, without the time it waited.
    pub fn note_turn(&mut self, us: u64) {
        self.turns += 1;
        self.turn_us += us;
        let class = BOUNDS_US.iter().position(|&bound| us <= bound);
        self.turns_by_time[class.unwrap_or(BOUNDS_US.len())] += 1;
    }
}

/// What there is at this moment.
#[derive(Clone, Copy, Debug, Default)]
struct Gauges {
    attached: u64,
    idle: u64,
    asleep: u64,
    lua_bytes: u64,
    connections: u64,
    detached_views: u64,
    queue_bytes: u64,
    journal_bytes: u64,
    gas_cuts: u64,
}

/// A name, what it is, and the number.
type Told = (&'static str, &'static str, u64);

impl Gauges {
    fn told(&self) -> [Told; 5] {
        [
            ("connections", "Connections", self.connections),
            (
                "detached_views",
                "Views that wait for their pages to come back",
                self.detached_views,
            ),
            ("lua_bytes", "Memory of all sessions", self.lua_bytes),
            (
                "queue_bytes",
                "Bytes that wait for peers to read them",
                self.queue_bytes,
            ),
            ("journal_bytes", "Bytes of all journals", self.journal_bytes),
        ]
    }
}

impl Counters {
    fn told(&self) -> [Told; 9] {
        [
            ("events_total", "Events of sessions", self.events),
            (
                "bytes_in_total",
                "Bytes read from connections",
                self.bytes_in,
            ),
            (
                "bytes_out_total",
                "Bytes written to connections",
                self.bytes_out,
            ),
            (
                "connections_accepted_total",
                "Connections taken",
                self.accepted,
            ),
            (
                "connections_refused_total",
                "Connections turned away: too many",
                self.refused,
            ),
            ("requests_total", "Requests answered", self.requests),
            (
                "requests_refused_total",
                "Requests that were none",
                self.refused_requests,
            ),
            (
                "resyncs_total",
                "Pages that came back and were told everything",
                self.resyncs,
            ),
            (
                "slow_peers_total",
                "Connections let go because they did not read",
                self.slow,
            ),
        ]
    }
}

impl<R: Runtime + Clone, W: World> Server<R, W> {
    fn gauges(&self) -> Gauges {
        let mut gauges = Gauges {
            asleep: self.core.dormant_len() as u64,
            connections: self.peers.len() as u64,
            detached_views: self.links.count().1 as u64,
            queue_bytes: self
                .peers
                .iter()
                .map(|(_, peer)| {
                    let beside = peer.tls.as_ref().map_or(0, |tls| tls.waiting_bytes());
                    (peer.connection.pending().len() + beside) as u64
                })
                .sum(),
            journal_bytes: self
                .keeper
                .as_ref()
                .map_or(0, |keeper| keeper.store.total()),
            gas_cuts: self.core.cuts(),
            ..Gauges::default()
        };
        for usage in self.core.usage() {
            gauges.lua_bytes += usage.memory as u64;
            match usage.attached {
                true => gauges.attached += 1,
                false => gauges.idle += 1,
            }
        }
        gauges
    }

    /// In the text format of Prometheus.
    pub(super) fn metrics(&self) -> String {
        let (counted, there) = (&self.counters, self.gauges());
        let mut out = String::new();
        push(
            &mut out,
            "gauge",
            "sessions",
            "Sessions, by what they do",
            &[
                ("{state=\"attached\"}", there.attached),
                ("{state=\"waiting\"}", there.idle),
                ("{state=\"asleep\"}", there.asleep),
            ],
        );
        for (name, about, value) in there.told() {
            push(&mut out, "gauge", name, about, &[("", value)]);
        }
        let cut = (
            "quota_kills_total",
            "Events cut because their gas was used up",
            there.gas_cuts,
        );
        for (name, about, value) in counted.told().into_iter().chain([cut]) {
            push(&mut out, "counter", name, about, &[("", value)]);
        }
        push_turns(&mut out, counted);
        out
    }

    /// The same in short, for the log.
    pub(super) fn tell_statistics(&self) {
        let (counted, there) = (&self.counters, self.gauges());
        self.log.line(
            0,
            format_args!(
                "statistics: {} sessions attached, {} waiting, {} asleep; {} connections; {} bytes of Lua, {} queued, \
                 {} in journals; {} turns in {} ms of work, {} events, {} bytes in, {} out; {} connections refused, \
                 {} resyncs, {} slow peers, {} events cut",
                there.attached,
                there.idle,
                there.asleep,
                there.connections,
                there.lua_bytes,
                there.queue_bytes,
                there.journal_bytes,
                counted.turns,
                counted.turn_us / 1_000,
                counted.events,
                counted.bytes_in,
                counted.bytes_out,
                counted.refused,
                counted.resyncs,
                counted.slow,
                there.gas_cuts,
            ),
        );
    }
}

fn push(out: &mut String, kind: &str, name: &str, about: &str, values: &[(&str, u64)]) {
    // Writing into a String cannot fail, here and below.
    let _ = writeln!(
        out,
        "# HELP lunette_{name} {about}\n# TYPE lunette_{name} {kind}"
    );
    for (labels, value) in values {
        let _ = writeln!(out, "lunette_{name}{labels} {value}");
    }
}

fn push_turns(out: &mut String, counted: &Counters) {
    let name = "lunette_turn_seconds";
    let _ = writeln!(
        out,
        "# HELP {name} Work of a turn of the poll loop\n# TYPE {name} histogram"
    );
    let mut below = 0;
    for (bound, count) in BOUNDS_US.iter().zip(&counted.turns_by_time) {
        below += count;
        let _ = writeln!(out, "{name}_bucket{{le=\"{}\"}} {below}", seconds(*bound));
    }
    let _ = writeln!(out, "{name}_bucket{{le=\"+Inf\"}} {}", counted.turns);
    let _ = writeln!(
        out,
        "{name}_sum {}\n{name}_count {}",
        seconds(counted.turn_us),
        counted.turns
    );
}

fn seconds(us: u64) -> String {
    format!("{}.{:06}", us / 1_000_000, us % 1_000_000)
}
