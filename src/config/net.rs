//! What one peer may use of the server: section `[net]`, and what pages get that lose their connection. The defaults,
//! with the reasons for them, stand where the numbers are used, in `net::limits`.

use std::ops::RangeInclusive;

use super::units::{bytes, duration};

/// What one source sets; `None`: nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NetSettings {
    /// Bytes of a request head, and fields in it.
    pub head_bytes: Option<usize>,
    pub headers: Option<usize>,
    /// Bytes of a WebSocket message, and of a frame.
    pub message_bytes: Option<usize>,
    /// Messages taken from a connection in a turn, and in a second (0: any number).
    pub messages_per_turn: Option<usize>,
    pub message_rate: Option<u64>,
    /// Bytes that may wait for a peer that does not read.
    pub output_bytes: Option<usize>,
    pub head_timeout_ms: Option<u64>,
    pub idle_timeout_ms: Option<u64>,
    pub stall_timeout_ms: Option<u64>,
    pub ping_interval_ms: Option<u64>,
    pub missed_pongs: Option<usize>,
    /// Connections at once.
    pub connections: Option<usize>,
    /// Of them, from one address (0: any number).
    pub connections_per_address: Option<usize>,
    /// How long a view is kept for a page that has lost its connection, ms; and bytes of what it missed.
    pub resume_window_ms: Option<u64>,
    pub resume_bytes: Option<usize>,
}

/// A number that makes a server nobody can use, or none that withstands anything.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name} is {value}: it must be from {least} to {most}")]
pub struct OutOfRange {
    pub name: &'static str,
    value: String,
    least: String,
    most: String,
}

fn number(number: u64) -> String {
    number.to_string()
}

impl NetSettings {
    /// These, and `others` where these say nothing.
    #[must_use]
    pub fn or(self, others: NetSettings) -> NetSettings {
        NetSettings {
            head_bytes: self.head_bytes.or(others.head_bytes),
            headers: self.headers.or(others.headers),
            message_bytes: self.message_bytes.or(others.message_bytes),
            messages_per_turn: self.messages_per_turn.or(others.messages_per_turn),
            message_rate: self.message_rate.or(others.message_rate),
            output_bytes: self.output_bytes.or(others.output_bytes),
            head_timeout_ms: self.head_timeout_ms.or(others.head_timeout_ms),
            idle_timeout_ms: self.idle_timeout_ms.or(others.idle_timeout_ms),
            stall_timeout_ms: self.stall_timeout_ms.or(others.stall_timeout_ms),
            ping_interval_ms: self.ping_interval_ms.or(others.ping_interval_ms),
            missed_pongs: self.missed_pongs.or(others.missed_pongs),
            connections: self.connections.or(others.connections),
            connections_per_address: self
                .connections_per_address
                .or(others.connections_per_address),
            resume_window_ms: self.resume_window_ms.or(others.resume_window_ms),
            resume_bytes: self.resume_bytes.or(others.resume_bytes),
        }
    }

    /// Those that no server can work with.
    pub fn out_of_range(&self) -> Vec<OutOfRange> {
        let size = |bytes: Option<usize>| bytes.map(|bytes| bytes as u64);
        let day = 86_400_000;
        type Row = (
            &'static str,
            Option<u64>,
            fn(u64) -> String,
            RangeInclusive<u64>,
        );
        let all: [Row; 13] = [
            // A browser's request must fit, and a head is read into memory before it is understood.
            (
                "head_bytes",
                size(self.head_bytes),
                bytes,
                1 << 10..=1 << 20,
            ),
            ("headers", size(self.headers), number, 8..=128),
            (
                "message_bytes",
                size(self.message_bytes),
                bytes,
                1 << 10..=1 << 30,
            ),
            (
                "messages_per_turn",
                size(self.messages_per_turn),
                number,
                1..=1 << 20,
            ),
            ("message_rate", self.message_rate, number, 0..=1 << 30),
            (
                "output_bytes",
                size(self.output_bytes),
                bytes,
                1 << 10..=1 << 30,
            ),
            ("head_timeout", self.head_timeout_ms, duration, 100..=day),
            ("idle_timeout", self.idle_timeout_ms, duration, 100..=day),
            ("stall_timeout", self.stall_timeout_ms, duration, 100..=day),
            ("ping_interval", self.ping_interval_ms, duration, 100..=day),
            ("missed_pongs", size(self.missed_pongs), number, 1..=100),
            ("connections", size(self.connections), number, 1..=1 << 20),
            (
                "connections_per_address",
                size(self.connections_per_address),
                number,
                0..=1 << 20,
            ),
        ];
        let all = all.into_iter();
        let wrong = all.filter_map(|(name, value, unit, range)| {
            let value = value.filter(|value| !range.contains(value))?;
            Some(OutOfRange {
                name,
                value: unit(value),
                least: unit(*range.start()),
                most: unit(*range.end()),
            })
        });
        wrong.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_could_use_is_refused_with_what_there_may_be() {
        let none = NetSettings::default();
        assert_eq!(none.out_of_range(), []);
        let wrong = NetSettings {
            headers: Some(129),
            message_rate: Some(0),
            head_bytes: Some(1),
            ping_interval_ms: Some(90),
            ..none
        };
        let told = wrong.out_of_range();
        let told: Vec<String> = told.iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "head_bytes is 1: it must be from 1K to 1M",
                "headers is 129: it must be from 8 to 128",
                "ping_interval is 90ms: it must be from 100ms to 24h",
            ]
        );
    }
}
