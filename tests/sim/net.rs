//! The network and the clocks: byte pipes with latency, arbitrary cuts into chunks, bounded buffers, and
//! connections that break after any byte. One agenda says what happens when; time goes from one entry to the next.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Arguments;
use std::io::{Error, ErrorKind, Result};

use lunette::server::world::{LISTENER, Ready};
use mio::Token;

use super::disk::Life;
use crate::dice::Dice;

pub type WireId = u64;
pub type TabId = usize;

/// The calendar at the beginning: some day of 2024.
const WALL_AT_ZERO: i64 = 1_715_000_000_000;
/// What the system buffers of what a client has not read.
const CLIENT_BUFFERS: [usize; 4] = [700, 4 << 10, 64 << 10, 256 << 10];
/// Latencies one way, ms.
const LATENCIES: [u64; 4] = [0, 1, 20, 150];

/// What reaches one end of a connection.
#[derive(Debug)]
pub enum Parcel {
    Opened,
    Bytes(Vec<u8>),
    /// The other side sends nothing more.
    End,
    /// The connection is no more.
    Reset,
}

/// What is on the agenda.
#[derive(Debug)]
pub enum Happening {
    ToServer(WireId, Parcel),
    ToClient(WireId, Parcel),
    /// A slow reader reads.
    Drain(WireId),
    /// A tab wanted to be called; which of its calls this is.
    Tab(TabId, Alarm, u64),
    /// Somebody does something.
    Act,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alarm {
    Connect,
    Flush,
    Beat,
}

#[derive(Debug)]
struct Wire {
    tab: TabId,
    latency: u64,
    /// When the last parcel of each direction arrives: nothing overtakes.
    up_at: u64,
    down_at: u64,
    /// Bytes that may still pass before the connection breaks.
    up_left: Option<usize>,
    down_left: Option<usize>,
    /// Nothing passes any more, and nobody is told.
    silent: bool,

    token: Option<Token>,
    arrived: VecDeque<u8>,
    ended: bool,
    reset: bool,
    wants_writable: bool,
    /// The poll has something to tell.
    tell_readable: bool,
    tell_writable: bool,
    server_gone: bool,

    /// Bytes under way to the client or unread by it.
    unread: usize,
    room: usize,
    was_full: bool,
    /// What has arrived and the client has not read: only of slow readers.
    unread_bytes: VecDeque<u8>,
    end_unread: bool,
    /// So many bytes, so often (ms).
    pace: Option<(usize, u64)>,
    client_gone: bool,
}

pub struct Net {
    pub now: u64,
    pub wall_offset: i64,
    pub dice: Dice,
    /// Nothing breaks and nobody is slow.
    pub calm: bool,
    pub listening: bool,
    /// Of the server's process.
    pub life: Life,
    trace: bool,
    agenda: BTreeMap<(u64, u64), Happening>,
    order: u64,
    wires: BTreeMap<WireId, Wire>,
    last: WireId,
    backlog: VecDeque<WireId>,
    tell_backlog: bool,
    tells: BTreeSet<WireId>,
    pub bytes: u64,
}

impl Net {
    pub fn new(seed: u64) -> Net {
        Net {
            now: 0,
            wall_offset: 0,
            dice: Dice::seeded(seed),
            calm: false,
            listening: false,
            life: Life::default(),
            trace: std::env::var_os("LUNETTE_TRACE").is_some(),
            agenda: BTreeMap::new(),
            order: 0,
            wires: BTreeMap::new(),
            last: 0,
            backlog: VecDeque::new(),
            tell_backlog: false,
            tells: BTreeSet::new(),
            bytes: 0,
        }
    }

    pub fn wall(&self) -> i64 {
        WALL_AT_ZERO + self.now as i64 + self.wall_offset
    }

    /// Whether there is an event trace.
    pub fn traces(&self) -> bool {
        self.trace
    }

    /// A line of the event trace.
    pub fn trace(&self, what: Arguments<'_>) {
        if self.trace {
            println!("{:>9} {what}", self.now);
        }
    }

    pub fn at(&mut self, at: u64, happening: Happening) {
        self.order += 1;
        self.agenda.insert((at, self.order), happening);
    }

    pub fn after(&mut self, ms: u64, happening: Happening) {
        self.at(self.now + ms, happening);
    }

    pub fn next_at(&self) -> Option<u64> {
        self.agenda.first_key_value().map(|((at, _), _)| *at)
    }

    /// What is due by now, one after the other.
    pub fn take_due(&mut self) -> Option<Happening> {
        let first = self.agenda.first_entry()?;
        (first.key().0 <= self.now).then(|| first.remove())
    }

    // ---- the clients' side ------------------------------------------------------------------------

    pub fn connect(&mut self, tab: TabId) -> WireId {
        self.last += 1;
        let wire = Wire {
            tab,
            latency: LATENCIES[self.dice.roll(4)],
            up_at: 0,
            down_at: 0,
            up_left: None,
            down_left: None,
            silent: false,
            token: None,
            arrived: VecDeque::new(),
            ended: false,
            reset: false,
            wants_writable: false,
            tell_readable: false,
            tell_writable: false,
            server_gone: false,
            unread: 0,
            room: CLIENT_BUFFERS[self.dice.roll(4)],
            was_full: false,
            unread_bytes: VecDeque::new(),
            end_unread: false,
            pace: None,
            client_gone: false,
        };
        let id = self.last;
        self.wires.insert(id, wire);
        self.send_parcel(id, true, Parcel::Opened);
        id
    }

    /// Bytes for the server, in chunks as the dice have it.
    pub fn send(&mut self, id: WireId, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let n = self.chunk(rest.len());
            self.send_parcel(id, true, Parcel::Bytes(rest[..n].to_vec()));
            rest = &rest[n..];
        }
    }

    fn chunk(&mut self, most: usize) -> usize {
        let n = match self.dice.roll(6) {
            0 => 1 + self.dice.roll(3),
            1 => 1 + self.dice.roll(40),
            2 => 1 + self.dice.roll(2000),
            _ => most,
        };
        n.min(most)
    }

    /// The client sends nothing more and goes on reading.
    pub fn half_close(&mut self, id: WireId) {
        self.send_parcel(id, true, Parcel::End);
    }

    /// The client has closed its socket.
    pub fn hang_up(&mut self, id: WireId) {
        self.send_parcel(id, true, Parcel::Reset);
        if let Some(wire) = self.wires.get_mut(&id) {
            wire.client_gone = true;
        }
        self.forget_if_over(id);
    }

    /// The connection breaks when so many more bytes have passed.
    pub fn cut_after(&mut self, id: WireId, upwards: bool, bytes: usize) {
        if let Some(wire) = self.wires.get_mut(&id) {
            let left = match upwards {
                true => &mut wire.up_left,
                false => &mut wire.down_left,
            };
            *left = Some(bytes);
            if bytes == 0 {
                self.snap(id);
            }
        }
    }

    /// Nothing passes any more and nobody is told.
    pub fn silence(&mut self, id: WireId) {
        if let Some(wire) = self.wires.get_mut(&id) {
            wire.silent = true;
        }
    }

    /// From now on the client reads so many bytes so often (ms).
    pub fn slow_down(&mut self, id: WireId, bytes: usize, every: u64) {
        if let Some(wire) = self.wires.get_mut(&id)
            && wire.pace.replace((bytes, every)).is_none()
        {
            self.after(every, Happening::Drain(id));
        }
    }

    /// No more faults: what is about to break holds, who is slow hurries. What is silent stays so until
    /// somebody notices.
    pub fn calm_down(&mut self) {
        self.calm = true;
        self.life.is_spared();
        for wire in self.wires.values_mut() {
            wire.up_left = None;
            wire.down_left = None;
        }
    }

    fn send_parcel(&mut self, id: WireId, upwards: bool, parcel: Parcel) {
        let jitter = match self.dice.roll(8) {
            0 => self.dice.roll(30) as u64,
            1 => 1,
            _ => 0,
        };
        let now = self.now;
        let Some(wire) = self.wires.get_mut(&id) else {
            return;
        };
        let last = match upwards {
            true => &mut wire.up_at,
            false => &mut wire.down_at,
        };
        *last = (*last).max(now + wire.latency + jitter);
        let at = *last;
        let happening = match upwards {
            true => Happening::ToServer(id, parcel),
            false => Happening::ToClient(id, parcel),
        };
        self.at(at, happening);
    }

    /// Both ends lose the connection at once; what is under way is lost.
    fn snap(&mut self, id: WireId) {
        self.trace(format_args!("wire {id} breaks"));
        if let Some(wire) = self.wires.get_mut(&id) {
            wire.silent = true;
            wire.reset = true;
            wire.tell_readable = true;
            if !wire.server_gone {
                self.tells.insert(id);
            }
            self.after(0, Happening::ToClient(id, Parcel::Reset));
        }
    }

    // ---- arrivals ---------------------------------------------------------------------------------

    pub fn reach_server(&mut self, id: WireId, parcel: Parcel) {
        let listening = self.listening;
        let Some(wire) = self.wires.get_mut(&id) else {
            return;
        };
        if wire.silent {
            return;
        }
        match parcel {
            Parcel::Opened if listening => {
                self.backlog.push_back(id);
                self.tell_backlog = true;
                return self.send_parcel(id, false, Parcel::Opened);
            }
            Parcel::Opened => {
                wire.server_gone = true;
                return self.snap(id);
            }
            Parcel::Bytes(mut bytes) => {
                let passing = wire
                    .up_left
                    .map_or(bytes.len(), |left| left.min(bytes.len()));
                let snaps = wire.up_left.is_some_and(|left| left <= bytes.len());
                bytes.truncate(passing);
                if let Some(left) = &mut wire.up_left {
                    *left -= passing;
                }
                self.bytes += bytes.len() as u64;
                wire.arrived.extend(bytes);
                if snaps {
                    self.snap(id);
                }
            }
            Parcel::End => wire.ended = true,
            Parcel::Reset => wire.reset = true,
        }
        if let Some(wire) = self.wires.get_mut(&id) {
            wire.tell_readable = true;
            self.tells.insert(id);
        }
    }

    /// What of this the client gets to read now, if it is there.
    pub fn reach_client(&mut self, id: WireId, parcel: Parcel) -> Option<(TabId, Parcel)> {
        let wire = self.wires.get_mut(&id)?;
        let tab = wire.tab;
        let gone = wire.client_gone;
        let parcel = match parcel {
            Parcel::Reset => {
                wire.reset = true;
                wire.client_gone = true;
                self.forget_if_over(id);
                return (!gone).then_some((tab, Parcel::Reset));
            }
            _ if wire.silent || gone => return None,
            Parcel::Bytes(mut bytes) => {
                let passing = wire
                    .down_left
                    .map_or(bytes.len(), |left| left.min(bytes.len()));
                let snaps = wire.down_left.is_some_and(|left| left <= bytes.len());
                bytes.truncate(passing);
                if let Some(left) = &mut wire.down_left {
                    *left -= passing;
                }
                self.bytes += bytes.len() as u64;
                if wire.pace.is_some() || !wire.unread_bytes.is_empty() {
                    wire.unread_bytes.extend(bytes);
                    bytes = Vec::new();
                }
                if snaps {
                    self.snap(id);
                }
                self.was_read(id, bytes.len());
                Parcel::Bytes(bytes)
            }
            Parcel::End if !wire.unread_bytes.is_empty() => {
                wire.end_unread = true;
                return None;
            }
            other => other,
        };
        Some((tab, parcel))
    }

    /// A slow reader reads.
    pub fn drain(&mut self, id: WireId) -> Vec<(TabId, Parcel)> {
        let calm = self.calm;
        let Some(wire) = self.wires.get_mut(&id) else {
            return Vec::new();
        };
        let (most, every) = wire.pace.filter(|_| !calm).unwrap_or((usize::MAX, 0));
        let n = most.min(wire.unread_bytes.len());
        let bytes: Vec<u8> = wire.unread_bytes.drain(..n).collect();
        let tab = wire.tab;
        let mut read = Vec::new();
        if wire.silent {
            return read;
        }
        if n > 0 {
            read.push((tab, Parcel::Bytes(bytes)));
        }
        if wire.end_unread && wire.unread_bytes.is_empty() {
            wire.end_unread = false;
            read.push((tab, Parcel::End));
        }
        if calm {
            wire.pace = None;
        } else {
            self.after(every.max(1), Happening::Drain(id));
        }
        self.was_read(id, n);
        read
    }

    fn was_read(&mut self, id: WireId, bytes: usize) {
        if let Some(wire) = self.wires.get_mut(&id) {
            wire.unread -= bytes;
            if wire.was_full && wire.unread < wire.room {
                wire.was_full = false;
                if wire.wants_writable {
                    wire.tell_writable = true;
                    self.tells.insert(id);
                }
            }
        }
    }

    fn forget_if_over(&mut self, id: WireId) {
        let over = |wire: &Wire| wire.client_gone && wire.server_gone;
        if self.wires.get(&id).is_some_and(over) {
            self.wires.remove(&id);
            self.tells.remove(&id);
        }
    }

    // ---- the server's side ------------------------------------------------------------------------

    /// What the poll tells: once for each change, as an edge.
    pub fn take_ready(&mut self, ready: &mut Vec<Ready>) {
        if std::mem::take(&mut self.tell_backlog) {
            ready.push(Ready {
                token: LISTENER,
                readable: true,
                ended: false,
                writable: false,
            });
        }
        let wires = &mut self.wires;
        self.tells.retain(|id| {
            let Some(wire) = wires.get_mut(id) else {
                return false;
            };
            let Some(token) = wire.token else {
                return true;
            };
            ready.push(Ready {
                token,
                readable: std::mem::take(&mut wire.tell_readable),
                ended: wire.ended || wire.reset,
                writable: std::mem::take(&mut wire.tell_writable) || wire.reset,
            });
            false
        });
    }

    pub fn accept(&mut self) -> Result<WireId> {
        self.backlog.pop_front().ok_or(ErrorKind::WouldBlock.into())
    }

    pub fn watch(&mut self, id: WireId, token: Token) {
        if let Some(wire) = self.wires.get_mut(&id) {
            wire.token = Some(token);
            if wire.tell_readable || !wire.arrived.is_empty() {
                wire.tell_readable = true;
                self.tells.insert(id);
            }
        }
    }

    pub fn watch_writable(&mut self, id: WireId, on: bool) {
        if let Some(wire) = self.wires.get_mut(&id) {
            wire.wants_writable = on;
            // Registering anew tells of what is so already.
            wire.tell_writable = on && wire.unread < wire.room;
            wire.tell_readable |= !wire.arrived.is_empty() || wire.ended || wire.reset;
            if wire.tell_writable || wire.tell_readable {
                self.tells.insert(id);
            }
        }
    }

    pub fn read(&mut self, id: WireId, into: &mut [u8]) -> Result<usize> {
        let wire = self.wires.get_mut(&id).ok_or(ErrorKind::ConnectionReset)?;
        if wire.arrived.is_empty() {
            return match (wire.reset, wire.ended) {
                (true, _) => Err(ErrorKind::ConnectionReset.into()),
                (false, true) => Ok(0),
                (false, false) => Err(ErrorKind::WouldBlock.into()),
            };
        }
        let n = into.len().min(wire.arrived.len());
        for (to, byte) in into.iter_mut().zip(wire.arrived.drain(..n)) {
            *to = byte;
        }
        Ok(n)
    }

    pub fn write(&mut self, id: WireId, bytes: &[u8]) -> Result<usize> {
        if !self.life.write() {
            return Err(ErrorKind::BrokenPipe.into());
        }
        let n = self.chunk(bytes.len());
        let wire = self.wires.get_mut(&id).ok_or(ErrorKind::BrokenPipe)?;
        if wire.reset {
            return Err(Error::from(ErrorKind::BrokenPipe));
        }
        let room = wire.room.saturating_sub(wire.unread);
        if room == 0 {
            wire.was_full = true;
            return Err(ErrorKind::WouldBlock.into());
        }
        let n = n.min(room);
        wire.unread += n;
        self.send_parcel(id, false, Parcel::Bytes(bytes[..n].to_vec()));
        Ok(n)
    }

    /// The server sends nothing more.
    pub fn shut(&mut self, id: WireId) {
        if self.life.is_over() {
            return;
        }
        self.send_parcel(id, false, Parcel::End);
    }

    /// The server has closed its socket; what it has not read makes that a reset.
    pub fn close(&mut self, id: WireId) {
        if self.life.is_over() {
            return;
        }
        let Some(wire) = self.wires.get_mut(&id) else {
            return;
        };
        wire.server_gone = true;
        wire.token = None;
        let parcel = match wire.arrived.is_empty() {
            true => Parcel::End,
            false => Parcel::Reset,
        };
        self.send_parcel(id, false, parcel);
        self.forget_if_over(id);
    }

    /// The process is gone, and with it all connections.
    pub fn server_is_gone(&mut self) {
        self.listening = false;
        self.backlog.clear();
        self.tell_backlog = false;
        self.tells.clear();
        let ids: Vec<WireId> = self.wires.keys().copied().collect();
        for id in ids {
            if let Some(wire) = self.wires.get_mut(&id) {
                wire.server_gone = true;
                wire.token = None;
            }
            // What it had written arrives still.
            self.send_parcel(id, false, Parcel::Reset);
            self.forget_if_over(id);
        }
    }
}
