//! Sessions that are frozen and thawed before every single event: nothing that comes of any event may differ
//! from a session that never was. Other tests replay their recordings this way, too ([`replay_frozen`]).

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::rc::Rc;
use std::time::Instant;

use lunette::core::change::Changes;
use lunette::core::event::{Opening, Turn};
use lunette::core::host::Host;
use lunette::core::id::{ConnectionId, SessionId, TimerId};
use lunette::core::limits::SessionLimits;
use lunette::core::manager::{ManagerConfig, SessionManager};
use lunette::core::message::Json;
use lunette::core::outside::ProcessId;
use lunette::core::path::Path;
use lunette::core::script::{Runtime, Script, ScriptError, ToldOfProcess, WatchedValue};
use lunette::core::site::Site;
use lunette::core::upload::Received;
use lunette::core::variable::Slot;
use lunette::core::watch::WatchHandle;
use lunette::journal::{Output, RawEvent, Reader};
use lunette::lua::{LuaRuntime, LuaSession, image};
use lunette::replay::{Report, replay, to_event};

/// Replays a recording in a session that is frozen and thawed again and again. What is wrong with it.
pub fn replay_frozen(reader: &Reader, often: Often) -> Option<String> {
    let report: Report = replay(reader, |_| Freezing::new(often));
    (report.exit_code() != 0).then(|| format!("frozen and thawed, it differs: {report}"))
}

/// Before which events a session is frozen and thawed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Often {
    /// Before every one of them.
    Always,
    /// Before the first ones and some later ones, where each takes a while.
    Sometimes,
}

impl Often {
    fn is_due(self, event: u32) -> bool {
        self == Often::Always || event < 6 || event % 16 == 0
    }
}

/// Makes sessions that are frozen and thawed before events.
pub struct Freezing {
    runtime: Rc<RefCell<LuaRuntime>>,
    often: Often,
}

impl Freezing {
    fn new(often: Often) -> Freezing {
        let runtime = LuaRuntime::new().expect("a runtime can be made");
        Freezing {
            runtime: Rc::new(RefCell::new(runtime)),
            often,
        }
    }
}

impl Runtime for Freezing {
    type Script = Sleeper;

    fn create_session(&mut self, id: SessionId, host: &mut Host) -> Result<Sleeper, ScriptError> {
        let session = self.runtime.borrow_mut().create_session(id, host)?;
        Ok(Sleeper {
            id,
            runtime: self.runtime.clone(),
            often: self.often,
            session: Some(session),
            events: 0,
            is_due: true,
        })
    }

    fn thaw(&mut self, _: SessionId, _: &mut Host, _: &[u8]) -> Result<Sleeper, String> {
        Err("it freezes and thaws by itself".into())
    }
}

/// A session with an event's first look at the host before which it is frozen and thawed.
pub struct Sleeper {
    id: SessionId,
    runtime: Rc<RefCell<LuaRuntime>>,
    often: Often,
    session: Option<LuaSession>,
    events: u32,
    is_due: bool,
}

impl Sleeper {
    fn awake(&mut self) -> &mut LuaSession {
        self.session.as_mut().expect("it was thawed")
    }

    fn next(&mut self, host: &mut Host) -> &mut LuaSession {
        if std::mem::take(&mut self.is_due) {
            let mut image = Vec::new();
            let mut before = self.session.take().expect("it was thawed");
            let used = (before.memory_used(), before.gas_used());
            before.freeze(&mut image).expect("it can be carried");
            drop(before);
            let mut thawed = self
                .runtime
                .borrow_mut()
                .thaw(self.id, host, &image)
                .expect("it is just there");
            assert_eq!((thawed.memory_used(), thawed.gas_used()), used);
            if self.often == Often::Always {
                let mut again = Vec::new();
                thawed.freeze(&mut again).expect("it still can be carried");
                assert!(image == again, "the image of what was thawed is another");
            }
            image::forget(&image);
            self.session = Some(thawed);
        }
        self.awake()
    }
}

impl Script for Sleeper {
    fn begin_event(&mut self, gas: u64) {
        self.events += 1;
        self.is_due = self.often.is_due(self.events);
        self.awake().begin_event(gas);
    }

    fn begin_detection(&mut self) {
        self.awake().begin_detection();
    }

    fn end_detection(&mut self) {
        self.awake().end_detection();
    }

    fn is_exhausted(&self) -> bool {
        self.session.as_ref().is_some_and(LuaSession::is_exhausted)
    }

    fn start(&mut self, host: &mut Host) -> Result<(), ScriptError> {
        self.next(host).start(host)
    }

    fn run_code(&mut self, host: &mut Host, code: &str) -> Result<(), ScriptError> {
        self.next(host).run_code(host, code)
    }

    fn reload(&mut self, host: &mut Host, paths: &[Box<str>]) -> Option<Vec<ScriptError>> {
        self.next(host).reload(host, paths)
    }

    fn bind(
        &mut self,
        host: &mut Host,
        slot: Slot,
        path: Path,
        value: Option<&Json>,
    ) -> Result<(), ScriptError> {
        self.next(host).bind(host, slot, path, value)
    }

    fn unbind(&mut self, host: &mut Host, slot: Slot) {
        self.next(host).unbind(host, slot);
    }

    fn detect(&mut self, host: &mut Host, order: &[Slot], changes: &mut Changes) {
        self.next(host).detect(host, order, changes);
    }

    fn encode(&mut self, slot: Slot, out: &mut Vec<u8>) {
        self.awake().encode(slot, out);
    }

    fn write(&mut self, host: &mut Host, slot: Slot, value: &Json) -> Result<(), ScriptError> {
        self.next(host).write(host, slot, value)
    }

    fn receive_file(
        &mut self,
        host: &mut Host,
        slot: Slot,
        file: &Received,
    ) -> Result<(), ScriptError> {
        self.next(host).receive_file(host, slot, file)
    }

    fn fire(&mut self, host: &mut Host, timer: TimerId, keep: bool) -> Result<(), ScriptError> {
        self.next(host).fire(host, timer, keep)
    }

    fn notify(
        &mut self,
        host: &mut Host,
        watch: WatchHandle,
        value: WatchedValue<'_>,
    ) -> Result<(), ScriptError> {
        self.next(host).notify(host, watch, value)
    }

    fn next_piece(
        &mut self,
        host: &mut Host,
        maker: WatchHandle,
    ) -> Result<Option<Vec<u8>>, ScriptError> {
        self.next(host).next_piece(host, maker)
    }

    fn forget_watch(&mut self, host: &mut Host, watch: WatchHandle) {
        self.next(host).forget_watch(host, watch);
    }

    fn tell_process(
        &mut self,
        host: &mut Host,
        process: ProcessId,
        told: ToldOfProcess<'_>,
    ) -> Result<(), ScriptError> {
        self.next(host).tell_process(host, process, told)
    }

    fn objects(&mut self, host: &mut Host, numbers: &[u64], out: &mut Vec<u8>) -> Vec<u64> {
        self.next(host).objects(host, numbers, out)
    }

    fn memory_used(&self) -> usize {
        self.session.as_ref().map_or(0, LuaSession::memory_used)
    }

    fn gas_used(&self) -> u64 {
        self.session.as_ref().map_or(0, LuaSession::gas_used)
    }

    fn freeze(&mut self, out: &mut Vec<u8>) -> Result<(), String> {
        self.awake().freeze(out)
    }
}
