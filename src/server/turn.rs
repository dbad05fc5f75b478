//! The turn: sleep, read, run, commit, write. The order is what makes replies durable and sessions
//! deterministic: time is read once, all input is in before any is handled, and nothing is sent
//! before its record is written.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use super::inbox::{Inbox, Input};
use super::peers::AGREEMENTS_PER_TURN;
use super::sessions::Sid;
use super::watch::Watcher;
use super::world::{EDITS, FIRST_PEER, LISTENER, Ready, SIGNALS, World};
use super::{STOP_MS, Server, admin, process, system};
use crate::core::event::{Event, Opening};
use crate::core::id::{SessionId, Timestamp};
use crate::core::limits::SessionLimits;
use crate::core::outside::{ProcessId, ProcessNews};
use crate::core::script::Runtime;
use crate::core::session::Session;
use crate::core::upload::{UploadId, UploadNews};
use crate::journal::RawEvent;
use crate::net::websocket::close_code;
use crate::wire;

/// Published messages that arrive in one turn: then sockets are looked at again.
const MESSAGES_PER_TURN: usize = 64;
/// Gas that what a session's pages sent may take in a turn: about a millisecond. When it is used up the rest waits,
/// so that the others wait for one event of each session at the most.
const SHARE: u64 = 100_000;
/// Less is not counted: a turn reads too few messages for that to matter.
const SHARE_COUNTED: u64 = SHARE / 500;
/// Looking at a variable takes about as long as so many instructions.
const GAS_PER_LOOK: u64 = 4;

/// When so many bytes (8 MiB) have been dropped that nobody read, what the allocator keeps of them is given back.
const DROPPED_MUCH: usize = 8 << 20;

impl<R: Runtime + Clone, W: World> Server<R, W> {
    /// One turn: waits until something is to be done, and does it. [`Server::run`] is this again and
    /// again; whoever has a world of its own decides when.
    ///
    /// # Errors
    /// When the world cannot wait any more.
    pub fn take_turn(&mut self) -> io::Result<()> {
        self.sleep()?;
        let began = self.world.micros();
        self.read();
        self.run_core();
        self.commit();
        self.write();
        self.end_looks();
        self.counters
            .note_turn(self.world.micros().saturating_sub(began));
        self.flush_audit();
        Ok(())
    }

    /// Until a socket has something or the next deadline. Then reads the clock, once.
    fn sleep(&mut self) -> io::Result<()> {
        let timeout = self.sleep_time();
        self.woken.clear();
        self.world.wait(timeout, &mut self.woken)?;
        self.turn = self.world.turn();
        self.turn.now += self.epoch;
        Ok(())
    }

    fn sleep_time(&self) -> Option<Duration> {
        let work_left =
            !(self.inbox.is_empty() && self.ready.is_empty() && self.touched.is_empty())
                || self.accepting.goes_on()
                || self.core.messages_waiting() > 0
                || !self.due.is_empty()
                || !self.unslept.is_empty()
                || self.processes.has_work()
                || self.door.has_work();
        if work_left {
            return Some(Duration::ZERO);
        }
        let due = [
            self.core.poll_timeout(),
            self.deadlines.first().map(|&(due, _)| due),
            self.sessions.next_purge(),
            self.accepting.retry_at(),
            self.processes.next_due(),
            self.uploads.next_due(),
            self.links.next_due(),
            self.stop_at,
            self.admin.next_due(),
            self.supervisor.due(),
            self.watcher.as_ref().and_then(Watcher::due),
            self.rest.due(),
            self.users_due(),
            self.keeper
                .as_ref()
                .and_then(|keeper| keeper.retained_due(self.core.retained_changes())),
            self.recordings.borrow().flush_due(),
        ];
        let due: Timestamp = due.into_iter().flatten().min()?;
        Some(Duration::from_millis(
            due.saturating_sub(self.epoch + self.world.now()),
        ))
    }

    /// Takes what sockets and deadlines bring; what is for sessions goes to the inbox.
    fn read(&mut self) {
        let (mut connections_wait, mut signalled, mut edited) = (false, false, false);
        for &Ready {
            token,
            readable,
            ended,
            writable,
        } in &self.woken
        {
            match token {
                LISTENER => connections_wait = true,
                SIGNALS => signalled = true,
                EDITS => edited = true,
                token if token.0 >= process::FIRST_TOKEN => self.processes.wake(token),
                token if token.0 >= admin::FIRST_TOKEN => self.admin.wake(token),
                token => {
                    let key = token.0 - FIRST_PEER;
                    let Some(peer) = self.peers.get_mut(key) else {
                        continue;
                    };
                    if readable {
                        peer.readable = true;
                        peer.hung_up |= ended;
                        peer.mark_ready(key, &mut self.ready);
                    }
                    if writable {
                        peer.touch(key, &mut self.touched);
                    }
                }
            }
        }
        if signalled {
            let asked = self.world.take_signal();
            self.heed(asked);
        }
        self.supervisor.live(self.turn.now);
        if edited && let Some(watcher) = &mut self.watcher {
            watcher.notice(self.turn.now);
        }
        self.refresh_users();
        self.accept(connections_wait);
        self.time_out_peers();
        self.time_out_views();
        self.sessions.purge(self.turn.now);
        self.time_out_uploads();
        self.agreements_left = AGREEMENTS_PER_TURN;
        let mut ready = std::mem::replace(&mut self.ready, std::mem::take(&mut self.spare));
        for key in ready.drain(..) {
            self.read_peer(key);
        }
        self.spare = ready;
        self.check_one_login();
        self.processes.read(self.turn.now, &mut self.inbox);
    }

    fn time_out_peers(&mut self) {
        while let Some(&(due, key)) = self.deadlines.first() {
            if due > self.turn.now {
                break;
            }
            self.deadlines.pop_first();
            let peer = &mut self.peers[key];
            peer.armed = None;
            let action = peer.connection.handle_timeout(&self.limits, self.turn);
            peer.touch(key, &mut self.touched);
            if let Some(action) = action {
                self.act(key, action);
            }
        }
    }

    /// Lets core handle what came, then what is due. What that brings about happens next turn.
    fn run_core(&mut self) {
        // What is published in this turn arrives in the next.
        let messages = self.core.messages_waiting().min(MESSAGES_PER_TURN);
        self.run_inbox();
        self.run_rest(messages);
    }

    /// What came, in order. Who has had its share waits with what its pages sent, and all others go on.
    fn run_inbox(&mut self) {
        let mut inbox = std::mem::take(&mut self.inbox);
        let mut left = Inbox::default();
        let mut spent: BTreeMap<SessionId, u64> = BTreeMap::new();
        for (session, input) in inbox.inputs.drain(..) {
            let has_had_its_share = spent.get(&session).is_some_and(|&gas| gas >= SHARE);
            if input.is_of_a_page() && (has_had_its_share || left.waits(session)) {
                left.keep(session, input, &inbox.texts);
                continue;
            }
            let gas = self.take_input(session, input, &inbox.texts);
            if gas >= SHARE_COUNTED {
                *spent.entry(session).or_default() += gas;
            }
        }
        inbox.clear();
        if left.is_empty() && self.inbox.is_empty() {
            self.inbox = inbox;
            return;
        }
        left.append(std::mem::replace(&mut self.inbox, inbox));
        self.inbox = left;
    }

    /// One input. Returns the gas that it took; to read a byte of a frame takes about as long as an instruction.
    fn take_input(&mut self, session: SessionId, input: Input, texts: &str) -> u64 {
        let mut reading = 0;
        let (raw, event) = match input {
            Input::Open(sid, opening) => {
                self.open(session, sid, *opening);
                return 0;
            }
            Input::Join(connection, asked) => {
                self.greet(connection, false, asked);
                (
                    RawEvent::FrontendJoined { connection },
                    Event::FrontendJoined {
                        session,
                        connection,
                    },
                )
            }
            Input::Leave(connection) => (
                RawEvent::FrontendLeft { connection },
                Event::FrontendLeft {
                    session,
                    connection,
                },
            ),
            Input::Frame(connection, text) => {
                self.links.handle(connection);
                let text = &texts[text];
                reading = text.len() as u64;
                let limits = self.core.session(session).map(|of| &of.host().limits);
                let errors = limits.map_or(usize::MAX, SessionLimits::errors_at_once);
                let batch = wire::read_batch_with(text, errors);
                (
                    RawEvent::Frame { connection, text },
                    Event::BatchReceived {
                        session,
                        connection,
                        batch,
                    },
                )
            }
            Input::Download(token, demand) => (
                RawEvent::Download { token, demand },
                Event::Download {
                    session,
                    token,
                    demand,
                },
            ),
            Input::Upload(upload, news) => {
                self.hear_of_upload(session, upload, news);
                return 0;
            }
            Input::Process(process, news) => {
                self.hear_of_process(session, process, news);
                return 0;
            }
        };
        reading + self.handle_counted(event, &raw)
    }

    /// Lets one event happen. Returns the gas that it took, and that its looks at variables are worth.
    fn handle_counted(&mut self, event: Event, raw: &RawEvent<'_>) -> u64 {
        let session = event.session();
        let before = self.core.session(session).map_or(0, Session::gas_used);
        self.handle(event, raw);
        let Some(after) = self.core.session(session) else {
            return 0;
        };
        after.gas_used().saturating_sub(before) + GAS_PER_LOOK * after.looks() as u64
    }

    /// What happens without input of sessions' own.
    fn run_rest(&mut self, messages: usize) {
        self.reload();
        self.serve_admin();
        self.run_timers();
        self.deliver_all(messages);
        self.wake_unslept();
        self.rest();
        self.acknowledge();
    }

    /// What is due, each session once before any has its next turn, until they have used the gas of an event: the rest
    /// waits until sockets had their turn.
    fn run_timers(&mut self) {
        let now = self.turn.now;
        if self.due.is_empty() {
            self.due = self.core.all_due(now).into();
        }
        let mut gas = 0;
        while gas <= self.gas_per_event
            && let Some(session) = self.due.pop_front()
        {
            // It may have done it meanwhile, or be gone.
            if self.core.is_due(session, now) {
                gas += self.handle_counted(Event::TimersDue { session }, &RawEvent::TimersDue);
            }
        }
    }

    /// Published messages, at most so many, until they have used the gas of an event: the rest waits
    /// until sockets had their turn.
    fn deliver_all(&mut self, messages: usize) {
        let mut gas = 0;
        for _ in 0..messages {
            gas += self.deliver();
            if gas > self.gas_per_event {
                break;
            }
        }
    }

    /// A session begins with its first attach.
    fn open(&mut self, session: SessionId, sid: Sid, opening: Opening) {
        let wall = self.turn.wall;
        let owner = self.sessions.owner(sid);
        let mut recordings = self.recordings.borrow_mut();
        recordings.begin(session, sid, owner, wall);
        drop(recordings);
        self.record_button.begin(session, sid, self.core.site());
        self.note_arrival();
        let line = "frontend connects to WebSocketEndpoint (new session)";
        self.log.session(2, session, format_args!("{line}"));
        let recorded = opening.clone();
        let raw = RawEvent::SessionOpened(recorded.map(|text| text));
        self.handle(Event::SessionOpened { session, opening }, &raw);
    }

    /// One published message reaches a session. Returns the gas that it took.
    fn deliver(&mut self) -> u64 {
        let Some(event) = self.core.take_message() else {
            return 0;
        };
        let Event::MessagePublished { session, message } = &event else {
            return 0;
        };
        let session = *session;
        let message = message.clone();
        if self.core.must_wake(&event, self.turn.now) && self.wake(session).is_err() {
            self.let_sleep(session);
            return 0;
        }
        let is_for_nobody = !self.core.expects(session, &message);
        self.recordings
            .borrow_mut()
            .hand_over(message.number, session, is_for_nobody);
        if is_for_nobody {
            return 0;
        }
        let raw = RawEvent::MessagePublished {
            topic: &message.topic,
            value: &message.value,
            only: message.only,
        };
        self.handle_counted(event, &raw)
    }

    pub(super) fn hear_of_upload(
        &mut self,
        session: SessionId,
        upload: UploadId,
        news: UploadNews,
    ) {
        // Before the app can move it.
        let is_whole = matches!(news, UploadNews::Finished { .. });
        let content = match is_whole && self.record_button.records(session) {
            true => self.uploads.small_content(session, upload),
            false => None,
        };
        let event = Event::Upload {
            session,
            upload,
            news: news.clone(),
        };
        let news = (&news).into();
        self.handle(event, &RawEvent::Upload { upload, news });
        if let Some(content) = content {
            self.record_button.file(session, upload, content);
        }
    }

    pub(super) fn hear_of_process(
        &mut self,
        session: SessionId,
        process: ProcessId,
        news: ProcessNews,
    ) {
        let event = Event::Process {
            session,
            process,
            news: news.clone(),
        };
        let news = (&news).into();
        self.handle(event, &RawEvent::Process { process, news });
    }

    /// Recordings first; replies, and what is done to processes, after: what a crash leaves unrecorded
    /// did not happen.
    pub(super) fn commit(&mut self) {
        let mut recordings = self.recordings.borrow_mut();
        let committed = recordings.commit();
        recordings.flush(self.turn.now);
        let stopped = recordings.take_stopped();
        let given_up = recordings.take_given_up();
        drop(recordings);
        for sid in given_up {
            self.drop_checkpoint(Some(sid));
        }
        self.tell_stopped(&stopped);
        self.keep_retained(self.turn.now);
        self.tidy_mail(false);
        for &session in &committed {
            self.checkpoint_if_far(session);
        }
        self.recordings.borrow_mut().give_back(committed);
        for (session, process, action) in std::mem::take(&mut self.orders) {
            let registry = self.world.registry();
            self.processes
                .act(session, process, action, self.turn.now, registry);
        }
    }

    /// Sends what each socket takes, then closes what is finished.
    fn write(&mut self) {
        let mut finished = Vec::new();
        let mut touched = std::mem::replace(&mut self.touched, std::mem::take(&mut self.spare));
        for key in touched.drain(..) {
            if self.write_peer(key) {
                finished.push(key);
            }
        }
        self.spare = touched;
        self.write_admin();
        for &key in &finished {
            self.free(key);
        }
        if !finished.is_empty() && self.peers.is_empty() {
            self.peers.shrink_to_fit();
            self.by_connection.shrink_to_fit();
            self.spare = Vec::new();
        }
        // When as many sessions have ended as are left: often enough to matter, and so rarely that
        // looking through all memory costs each of them next to nothing. The same for what nobody has read.
        let sessions_ended = self.ended > 0 && self.ended >= self.core.len();
        if sessions_ended || self.dropped >= DROPPED_MUCH {
            (self.ended, self.dropped) = (0, 0);
            system::give_memory_back();
        }
    }

    /// The first signal: no new connections, a close for all there are.
    pub(super) fn stop(&mut self) {
        if self.stop_at.is_some() {
            return;
        }
        self.log.line(1, format_args!("stopping"));
        self.supervisor.stopping();
        self.admin.close();
        let now = self.turn.now;
        self.stop_at = Some(now + STOP_MS);
        self.recordings.borrow_mut().flush_all();
        self.keep_retained(Timestamp::MAX);
        // The next process has less to do then.
        for session in self.core.session_ids() {
            self.checkpoint_for_sleep(session);
        }
        self.world.stop_listening();
        self.processes.end_all(now);
        for (key, peer) in &mut self.peers {
            peer.connection.finish(
                close_code::RESTARTING,
                "the server stops",
                &self.limits,
                now,
            );
            peer.touch(key, &mut self.touched);
        }
    }
}
