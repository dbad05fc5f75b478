//! Real Lua sessions whose image is either their own or, so that core can be tested by itself, the
//! session as it is: put on a shelf when it is frozen, taken from it when it is thawed.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;

use lunette::core::change::Changes;
use lunette::core::host::Host;
use lunette::core::id::{SessionId, TimerId};
use lunette::core::message::Json;
use lunette::core::outside::ProcessId;
use lunette::core::path::Path;
use lunette::core::script::{Runtime, Script, ScriptError, ToldOfProcess, WatchedValue};
use lunette::core::upload::Received;
use lunette::core::variable::Slot;
use lunette::core::watch::WatchHandle;
use lunette::lua::{LuaRuntime, LuaSession};

/// How scripts are carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// As they are, over the shelf. A session that was frozen must not go on.
    Moved,
    /// As their own images.
    Image,
    /// Not at all: a new one takes its place.
    Fresh,
}

type Shelf = Rc<RefCell<BTreeMap<u64, LuaSession>>>;

/// See the module's description.
#[derive(Clone)]
pub struct Shelving {
    lua: LuaRuntime,
    way: Way,
    shelf: Shelf,
}

impl Shelving {
    pub fn new(way: Way) -> Shelving {
        Shelving {
            lua: LuaRuntime::new().expect("a runtime can be made"),
            way,
            shelf: Shelf::default(),
        }
    }
}

pub struct Shelved {
    lua: Option<LuaSession>,
    way: Way,
    shelf: Shelf,
}

impl Shelved {
    fn lua(&mut self) -> &mut LuaSession {
        self.lua.as_mut().expect("it was not frozen")
    }
}

/// Scripts are alike if what they say is: that is told by their frames.
impl fmt::Debug for Shelved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("script")
    }
}

impl Runtime for Shelving {
    type Script = Shelved;

    fn create_session(&mut self, id: SessionId, host: &mut Host) -> Result<Shelved, ScriptError> {
        let lua = self.lua.create_session(id, host)?;
        Ok(Shelved {
            lua: Some(lua),
            way: self.way,
            shelf: self.shelf.clone(),
        })
    }

    fn thaw(&mut self, id: SessionId, host: &mut Host, image: &[u8]) -> Result<Shelved, String> {
        let lua = match self.way {
            Way::Image => self.lua.thaw(id, host, image)?,
            Way::Fresh => {
                let made = self.lua.create_session(id, host);
                made.map_err(|error| error.message)?
            }
            Way::Moved => {
                let place = image.try_into().map_err(|_| "no place on the shelf")?;
                let place = u64::from_le_bytes(place);
                let taken = self.shelf.borrow_mut().remove(&place);
                taken.ok_or("nothing there")?
            }
        };
        Ok(Shelved {
            lua: Some(lua),
            way: self.way,
            shelf: self.shelf.clone(),
        })
    }
}

impl Script for Shelved {
    fn freeze(&mut self, out: &mut Vec<u8>) -> Result<(), String> {
        match self.way {
            Way::Image => return self.lua().freeze(out),
            Way::Fresh => return Ok(()),
            Way::Moved => {}
        }
        let mut shelf = self.shelf.borrow_mut();
        let place = shelf.last_key_value().map_or(0, |(place, _)| place + 1);
        shelf.insert(place, self.lua.take().expect("it was not frozen"));
        out.extend_from_slice(&place.to_le_bytes());
        Ok(())
    }

    fn begin_event(&mut self, gas: u64) {
        self.lua().begin_event(gas);
    }

    fn begin_detection(&mut self) {
        self.lua().begin_detection();
    }

    fn end_detection(&mut self) {
        self.lua().end_detection();
    }

    fn is_exhausted(&self) -> bool {
        self.lua.as_ref().is_some_and(Script::is_exhausted)
    }

    fn start(&mut self, host: &mut Host) -> Result<(), ScriptError> {
        self.lua().start(host)
    }

    fn run_code(&mut self, host: &mut Host, code: &str) -> Result<(), ScriptError> {
        self.lua().run_code(host, code)
    }

    fn reload(&mut self, host: &mut Host, paths: &[Box<str>]) -> Option<Vec<ScriptError>> {
        self.lua().reload(host, paths)
    }

    fn bind(
        &mut self,
        host: &mut Host,
        slot: Slot,
        path: Path,
        value: Option<&Json>,
    ) -> Result<(), ScriptError> {
        self.lua().bind(host, slot, path, value)
    }

    fn unbind(&mut self, host: &mut Host, slot: Slot) {
        self.lua().unbind(host, slot);
    }

    fn detect(&mut self, host: &mut Host, order: &[Slot], changes: &mut Changes) {
        self.lua().detect(host, order, changes);
    }

    fn encode(&mut self, slot: Slot, out: &mut Vec<u8>) {
        self.lua().encode(slot, out);
    }

    fn write(&mut self, host: &mut Host, slot: Slot, value: &Json) -> Result<(), ScriptError> {
        self.lua().write(host, slot, value)
    }

    fn receive_file(
        &mut self,
        host: &mut Host,
        slot: Slot,
        file: &Received,
    ) -> Result<(), ScriptError> {
        self.lua().receive_file(host, slot, file)
    }

    fn fire(&mut self, host: &mut Host, timer: TimerId, keep: bool) -> Result<(), ScriptError> {
        self.lua().fire(host, timer, keep)
    }

    fn notify(
        &mut self,
        host: &mut Host,
        watch: WatchHandle,
        value: WatchedValue<'_>,
    ) -> Result<(), ScriptError> {
        self.lua().notify(host, watch, value)
    }

    fn next_piece(
        &mut self,
        host: &mut Host,
        maker: WatchHandle,
    ) -> Result<Option<Vec<u8>>, ScriptError> {
        self.lua().next_piece(host, maker)
    }

    fn save(&mut self, host: &mut Host, saver: WatchHandle) -> Result<Box<str>, ScriptError> {
        self.lua().save(host, saver)
    }

    fn forget_watch(&mut self, host: &mut Host, watch: WatchHandle) {
        self.lua().forget_watch(host, watch);
    }

    fn tell_process(
        &mut self,
        host: &mut Host,
        process: ProcessId,
        news: ToldOfProcess<'_>,
    ) -> Result<(), ScriptError> {
        self.lua().tell_process(host, process, news)
    }

    fn objects(&mut self, host: &mut Host, numbers: &[u64], out: &mut Vec<u8>) -> Vec<u64> {
        self.lua().objects(host, numbers, out)
    }

    fn memory_used(&self) -> usize {
        self.lua.as_ref().map_or(0, Script::memory_used)
    }

    fn gas_used(&self) -> u64 {
        self.lua.as_ref().map_or(0, Script::gas_used)
    }
}
