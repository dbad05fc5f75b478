//! LuaSession: one session's Lua state, as core's `Script`.

use std::collections::BTreeSet;
use std::ffi::c_int;
use std::fmt;
use std::ptr;
use std::rc::Rc;

use mlua::ffi::{self, lua_State};

use super::cell::{Quick, Source};
use super::kernel::{GAS_SPENT, Kernel, Tables, current, host, push_ref};
use super::modules::ChunkCache;
use super::objects::Objects;
use super::read::{detect_op, push_aux, raw_key, value_key};
use super::state::{State, StateLimits};
use super::{
    api, bind, describe, files, handle, image, messages, modules, peek, process, prototype, reload,
    ui, upload, write,
};
use crate::core::change::{Change, Changes};
use crate::core::host::Host;
use crate::core::id::TimerId;
use crate::core::message::Json;
use crate::core::outside::ProcessId;
use crate::core::path::Path;
use crate::core::peek::{Key, Object, Root};
use crate::core::script::{ErrorCode, Script, ScriptError, ToldOfProcess, WatchedValue};
use crate::core::upload::Received;
use crate::core::variable::Slot;
use crate::core::watch::WatchHandle;

/// Messages of one event together may use this many times the gas of one of them.
const GAS_PER_EVENT: u64 = 2;

/// Forgetting a variable or a watch is never refused; a wrapper's destroy() must make do with this.
const GAS_FOR_UPKEEP: u64 = 100_000;

/// Bytes of each buffer that an idle session keeps.
const BUFFER_KEPT: usize = 512;

/// What is left for each when those of one event together have used up the gas of a message.
const LEAST_UPKEEP: u64 = 2_000;

/// A session's Lua state and what belongs to it.
pub struct LuaSession {
    // Before the state: objects in it are of no use without it.
    kernel: Box<Kernel>,
    state: Box<State>,
    /// Files that could not be run again: tried again with the next edit.
    pending: BTreeSet<Box<str>>,
}

/// What is in a state is for Lua to tell.
impl fmt::Debug for LuaSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LuaSession").finish_non_exhaustive()
    }
}

impl LuaSession {
    /// A state with all globals in place, in which nothing has run yet.
    pub(super) fn new(host: &mut Host, chunks: Rc<ChunkCache>) -> Result<LuaSession, ScriptError> {
        let limits = StateLimits::from(&host.limits);
        let state = State::new(host.opening.seed, limits)
            .map_err(|error| ScriptError::new(ErrorCode::Limit, error.to_string()))?;
        let state = Box::new(state);
        host.log(2, format_args!("own Lua state"));
        let kernel = Box::new(Kernel::new(&state, chunks, host.limits.gas));
        let mut session = LuaSession {
            kernel,
            state,
            pending: BTreeSet::new(),
        };
        session.kernel.enter(host, set_up)?;
        host.log(2, format_args!("global \"session\" set"));
        Ok(session)
    }

    /// The session whose image this is.
    pub(super) fn thaw(image: &[u8], chunks: Rc<ChunkCache>) -> Result<LuaSession, String> {
        let image::Thawed {
            state,
            kernel,
            pending,
        } = image::thaw(image, chunks)?;
        Ok(LuaSession {
            kernel,
            state,
            pending,
        })
    }

    fn detect_rest(&mut self, host: &mut Host, order: &[Slot]) {
        while self.kernel.call.cursor < order.len() {
            // Without gas plain fields are still read; what runs code fails at once.
            let gas = self.kernel.gas_left.min(host.limits.gas);
            let done = self.kernel.enter_with(gas, host, detect_op);
            self.kernel.gas_left -= self.state.budget().used().min(gas);
            let Err(mut error) = done else {
                return;
            };
            if gas == 0 && error.code == ErrorCode::Limit {
                error = ScriptError::new(ErrorCode::Limit, GAS_SPENT);
            }
            if let Some(&slot) = order.get(self.kernel.call.cursor) {
                self.kernel.note_cost(host, slot);
                self.read_failed(host, slot, error);
            }
            self.kernel.call.cursor += 1;
        }
    }

    /// The variable that was being read raised: its value is gone, and its error is told once.
    fn read_failed(&mut self, host: &mut Host, slot: Slot, error: ScriptError) {
        let known = &mut self.kernel.cell_mut(slot).failed;
        if known.as_deref() == Some(&*error.message) {
            return;
        }
        *known = Some(error.message.as_str().into());
        // Only the cell knows that its next value is news whatever it is.
        self.kernel.quick[slot as usize] = Quick::default();
        // SAFETY: `changes` is lent for the whole of `detect`.
        let changes = unsafe { &mut *self.kernel.call.changes };
        changes.list.push((slot, Change::Failed(error)));
        self.kernel.call.slot = slot;
        // Without memory even for that, the old value stays alive a little longer.
        let _ = self
            .kernel
            .enter_with(GAS_FOR_UPKEEP, host, write::clear_op);
    }
}

impl Script for LuaSession {
    fn begin_event(&mut self, gas: u64) {
        self.kernel.chain = Vec::new();
        self.kernel.gas_left = gas.saturating_mul(GAS_PER_EVENT);
        self.kernel.gas_for_detection = gas;
        self.kernel.gas_for_upkeep = gas;
        self.kernel.exhausted = false;
    }

    fn begin_detection(&mut self) {
        self.kernel.detection += 1;
        // A pass has a budget of its own: what a message used up must not blind the page.
        std::mem::swap(
            &mut self.kernel.gas_left,
            &mut self.kernel.gas_for_detection,
        );
    }

    fn end_detection(&mut self) {
        std::mem::swap(
            &mut self.kernel.gas_left,
            &mut self.kernel.gas_for_detection,
        );
        // What a large event needed is not kept for ever.
        self.kernel.scratch.shrink_to(BUFFER_KEPT);
        self.kernel.scratch_objects.shrink_to(BUFFER_KEPT / 8);
        self.kernel.names.shrink_to(BUFFER_KEPT / 32);
    }

    fn is_exhausted(&self) -> bool {
        self.kernel.exhausted
    }

    fn start(&mut self, host: &mut Host) -> Result<(), ScriptError> {
        self.kernel.enter(host, modules::main_op)?;
        reload::mutate_all(&mut self.kernel, host)
    }

    fn run_code(&mut self, host: &mut Host, code: &str) -> Result<(), ScriptError> {
        self.kernel.call.text = code;
        self.kernel.enter(host, modules::code_op)?;
        reload::mutate_all(&mut self.kernel, host)
    }

    fn reload(&mut self, host: &mut Host, paths: &[Box<str>]) -> Option<Vec<ScriptError>> {
        reload::reload(&mut self.kernel, &mut self.pending, host, paths)
    }

    fn bind(
        &mut self,
        host: &mut Host,
        slot: Slot,
        path: Path,
        value: Option<&Json>,
    ) -> Result<(), ScriptError> {
        self.kernel.call.slot = slot;
        self.kernel.binding.parsed = Some(path);
        let bound = self.kernel.enter(host, bind::bind_op);
        self.kernel.binding.parsed = None;
        bound?;
        let Some(value) = value else {
            return Ok(());
        };
        self.kernel.call.incoming = Some(parse(&value.0)?);
        let held = self.kernel.enter(host, write::hold_op);
        self.kernel.call.incoming = None;
        held
    }

    fn unbind(&mut self, host: &mut Host, slot: Slot) {
        if slot as usize >= self.kernel.cells.len() {
            return;
        }
        self.kernel.call.slot = slot;
        let gas = self
            .kernel
            .gas_for_upkeep
            .clamp(LEAST_UPKEEP, GAS_FOR_UPKEEP);
        let unbound = self.kernel.enter_with(gas, host, write::unbind_op);
        let used = self.state.budget().used();
        self.kernel.gas_for_upkeep = self.kernel.gas_for_upkeep.saturating_sub(used);
        if let Err(error) = unbound {
            host.log(
                0,
                format_args!("error in a wrapper's destroy(): {}", error.message),
            );
        }
        self.kernel.quick[slot as usize] = Quick::default();
        let cell = std::mem::replace(self.kernel.cell_mut(slot), super::cell::Cell::EMPTY);
        bind::release_names(&mut self.kernel, &cell);
    }

    fn detect(&mut self, host: &mut Host, order: &[Slot], changes: &mut Changes) {
        self.kernel.call.order = order;
        self.kernel.call.cursor = 0;
        self.kernel.call.changes = changes;
        self.detect_rest(host, order);
        host.current = None;
        self.kernel.call.order = &[];
        self.kernel.call.changes = ptr::null_mut();
    }

    fn encode(&mut self, slot: Slot, out: &mut Vec<u8>) {
        describe::encode_now(&mut self.kernel, slot, out);
    }

    fn write(&mut self, host: &mut Host, slot: Slot, value: &Json) -> Result<(), ScriptError> {
        self.kernel.call.incoming = Some(parse(&value.0)?);
        self.kernel.call.slot = slot;
        host.current = Some(slot);
        let written = self.kernel.enter(host, write::write_op);
        host.current = None;
        self.kernel.call.incoming = None;
        written
    }

    fn receive_file(
        &mut self,
        host: &mut Host,
        slot: Slot,
        file: &Received,
    ) -> Result<(), ScriptError> {
        self.kernel.call.file = file;
        self.kernel.call.slot = slot;
        host.current = Some(slot);
        let received = self.kernel.enter(host, upload::receive_op);
        host.current = None;
        self.kernel.call.file = ptr::null();
        received
    }

    fn fire(&mut self, host: &mut Host, timer: TimerId, keep: bool) -> Result<(), ScriptError> {
        self.kernel.call.number = timer as i64;
        self.kernel.call.slot = Slot::from(keep);
        self.kernel.enter(host, fire_op)
    }

    fn notify(
        &mut self,
        host: &mut Host,
        watch: WatchHandle,
        value: WatchedValue<'_>,
    ) -> Result<(), ScriptError> {
        self.kernel.call.number = -(watch as i64);
        match value {
            WatchedValue::Property(text) => {
                self.kernel.call.text = text;
                self.kernel.enter(host, tell_text_op)
            }
            WatchedValue::Variable(slot) => {
                self.kernel.call.slot = slot;
                self.kernel.enter(host, tell_value_op)
            }
            WatchedValue::Message { topic, value } => {
                self.kernel.call.text = topic;
                self.kernel.call.incoming = Some(parse(value)?);
                let told = self.kernel.enter(host, tell_message_op);
                self.kernel.call.incoming = None;
                told
            }
        }
    }

    fn next_piece(
        &mut self,
        host: &mut Host,
        maker: WatchHandle,
    ) -> Result<Option<Vec<u8>>, ScriptError> {
        self.kernel.call.number = -(maker as i64);
        self.kernel.enter(host, messages::next_piece_op)?;
        let piece = std::mem::take(&mut self.kernel.encoded);
        Ok((self.kernel.call.slot == 1).then_some(piece))
    }

    fn save(&mut self, host: &mut Host, saver: WatchHandle) -> Result<Box<str>, ScriptError> {
        self.kernel.call.number = -(saver as i64);
        self.kernel.enter(host, messages::save_op)?;
        Ok(String::from_utf8_lossy(&self.kernel.encoded).into())
    }

    fn forget_watch(&mut self, host: &mut Host, watch: WatchHandle) {
        self.kernel.call.number = -(watch as i64);
        // Writing nil needs no memory and runs no code.
        let _ = self.kernel.enter_with(GAS_FOR_UPKEEP, host, forget_op);
    }

    fn tell_process(
        &mut self,
        host: &mut Host,
        process: ProcessId,
        told: ToldOfProcess<'_>,
    ) -> Result<(), ScriptError> {
        self.kernel.call.number = process as i64;
        self.kernel.call.told = (&raw const told).cast();
        let done = match told {
            ToldOfProcess::Line { .. } => self.kernel.enter(host, process::line_op),
            // However much the lines before it cost, an end is heard of.
            ToldOfProcess::Exit(_) => {
                let gas = self.kernel.gas_left.max(GAS_FOR_UPKEEP);
                let gas = gas.min(host.limits.gas);
                self.kernel.enter_with(gas, host, process::exit_op)
            }
        };
        self.kernel.call.told = ptr::null();
        done
    }

    fn objects(&mut self, host: &mut Host, numbers: &[u64], out: &mut Vec<u8>) -> Vec<u64> {
        describe::objects(&mut self.kernel, host, numbers, out)
    }

    fn object_at(&mut self, host: &Host, root: Root, path: &[Key], most: usize) -> Option<Object> {
        peek::object_at(&mut self.kernel, host, root, path, most)
    }

    fn memory_used(&self) -> usize {
        self.state.memory_used()
    }

    fn memory_held(&self) -> usize {
        self.state.memory_held() + self.kernel.bytes()
    }

    fn give_back(&mut self) {
        self.state.give_back();
    }

    fn gas_used(&self) -> u64 {
        self.kernel.gas_used
    }

    fn freeze(&mut self, out: &mut Vec<u8>) -> Result<(), String> {
        image::freeze(&self.state, &self.kernel, &self.pending, out)
    }

    fn claim(&self) -> Vec<u8> {
        image::claim(&self.state)
    }
}

fn parse(json: &str) -> Result<serde_json::Value, ScriptError> {
    serde_json::from_str(json).map_err(|error| {
        let text = format!("the value cannot be read: {error}");
        ScriptError::new(ErrorCode::BadMessage, text)
    })
}

/// Makes the tables of the kernel and the globals.
unsafe extern "C-unwind" fn set_up(l: *mut lua_State) -> c_int {
    // SAFETY: called by Lua under `enter` on a new state.
    unsafe {
        let k = current();
        let table = |array: c_int| {
            ffi::lua_createtable(l, array, 0);
            ffi::luaL_ref(l, ffi::LUA_REGISTRYINDEX)
        };
        let mut tables = Tables {
            values: table(4),
            keys: table(4),
            aux: table(0),
            anchors: table(0),
            functions: table(0),
            types: table(0),
            loaded: table(0),
            registered: table(0),
            stored: table(0),
            owners: table(0),
            empty: table(0),
            ..Tables::default()
        };
        handle::push_metatable(l);
        tables.handle = ffi::luaL_ref(l, ffi::LUA_REGISTRYINDEX);
        push_ref(l, tables.keys);
        ffi::lua_pushstring(l, c"type".as_ptr());
        ffi::lua_rawseti(l, -2, super::kernel::KEY_TYPE.into());
        push_indexed(l, api::index);
        ffi::lua_getmetatable(l, -1);
        ffi::lua_pushcfunction(l, api::new_index);
        ffi::lua_setfield(l, -2, c"__newindex".as_ptr());
        ffi::lua_settop(l, -2);
        ffi::lua_pushvalue(l, -1);
        tables.session = ffi::luaL_ref(l, ffi::LUA_REGISTRYINDEX);
        ffi::lua_setglobal(l, c"session".as_ptr());
        push_indexed(l, ui::index);
        ffi::lua_setglobal(l, c"ui".as_ptr());
        push_ref(l, tables.empty);
        ffi::lua_setglobal(l, c"EMPTY".as_ptr());
        ffi::lua_pushcfunction(l, modules::require);
        ffi::lua_setglobal(l, c"require".as_ptr());
        ffi::lua_pushcfunction(l, api::print);
        ffi::lua_setglobal(l, c"print".as_ptr());
        ffi::lua_pushcfunction(l, messages::diag);
        ffi::lua_setglobal(l, c"diag".as_ptr());
        let grants = &host().limits.grants;
        if grants.io || grants.blocking {
            push_indexed(l, files::io_index);
            ffi::lua_pushvalue(l, -1);
            tables.io = ffi::luaL_ref(l, ffi::LUA_REGISTRYINDEX);
            ffi::lua_setglobal(l, c"io".as_ptr());
        }
        (*k).objects = Objects::new(tables.anchors);
        (*k).tables = tables;
        0
    }
}

/// Pushes an empty table whose fields a function looks up. Scripts do not get at the function, nor take it away.
unsafe fn push_indexed(l: *mut lua_State, index: ffi::lua_CFunction) {
    // SAFETY: as for `set_up`.
    unsafe {
        ffi::lua_createtable(l, 0, 0);
        ffi::lua_createtable(l, 0, 2);
        ffi::lua_pushcfunction(l, index);
        ffi::lua_setfield(l, -2, c"__index".as_ptr());
        ffi::lua_pushboolean(l, 0);
        ffi::lua_setfield(l, -2, c"__metatable".as_ptr());
        ffi::lua_setmetatable(l, -2);
    }
}

/// Calls the function of timer `call.number`; `call.slot` says whether to keep it.
unsafe extern "C-unwind" fn fire_op(l: *mut lua_State) -> c_int {
    // SAFETY: called by Lua under `enter`.
    unsafe {
        let k = current();
        let id = (*k).call.number;
        push_function(l, k);
        if (*k).call.slot == 0 {
            api::forget_function(l, id);
        }
        ffi::lua_callk(l, 0, 0, 0, None);
        0
    }
}

/// Pushes the function of a timer or watch, `call.number`.
///
/// # Safety
/// Inside a protected call of this kernel.
pub(super) unsafe fn push_function(l: *mut lua_State, k: *mut Kernel) {
    // SAFETY: as promised by the caller.
    unsafe {
        push_ref(l, (*k).tables.functions);
        ffi::lua_rawgeti(l, -1, (*k).call.number);
    }
}

/// Calls the function of a watch with the text of a property.
unsafe extern "C-unwind" fn tell_text_op(l: *mut lua_State) -> c_int {
    // SAFETY: called by Lua under `enter`; the text is lent for the call.
    unsafe {
        let k = current();
        push_function(l, k);
        super::kernel::push_str(l, &*(*k).call.text);
        ffi::lua_callk(l, 1, 0, 0, None);
        0
    }
}

/// Calls the function of a subscription with the message and its topic.
unsafe extern "C-unwind" fn tell_message_op(l: *mut lua_State) -> c_int {
    // SAFETY: called by Lua under `enter`; the text is lent for the call, the value kept in the
    // kernel.
    unsafe {
        let k = current();
        push_function(l, k);
        if let Some(value) = &(*k).call.incoming {
            write::push_value(l, k, &raw const *value, false);
        }
        super::kernel::push_str(l, &*(*k).call.text);
        ffi::lua_callk(l, 2, 0, 0, None);
        0
    }
}

/// Calls the function of a watch with the value of variable `call.slot`, before any wrapper.
unsafe extern "C-unwind" fn tell_value_op(l: *mut lua_State) -> c_int {
    // SAFETY: called by Lua under `enter`.
    unsafe {
        let k = current();
        let slot = (*k).call.slot;
        push_function(l, k);
        let cell = (*k).cell_mut(slot);
        if cell.wrapped.is_some() && cell.source != Source::Nothing {
            push_aux(l, k, raw_key(slot));
        } else {
            push_ref(l, (*k).tables.values);
            ffi::lua_rawgeti(l, -1, value_key(slot));
            ffi::lua_copy(l, -1, -2);
            ffi::lua_settop(l, -2);
        }
        ffi::lua_callk(l, 1, 0, 0, None);
        0
    }
}

/// Lets go of the function of a watch.
unsafe extern "C-unwind" fn forget_op(l: *mut lua_State) -> c_int {
    // SAFETY: called by Lua under `enter`.
    unsafe {
        api::forget_function(l, (*current()).call.number);
        0
    }
}

/// Names the API's functions, so that what Lua sees of them is the same in every process.
pub(super) fn name_functions() {
    for (i, function) in api::functions().enumerate() {
        super::determinism::name_function(&format!("session.{i}"), function);
    }
    for (i, function) in ui::functions().enumerate() {
        super::determinism::name_function(&format!("ui.{i}"), function);
    }
    for (i, function) in handle::functions().enumerate() {
        super::determinism::name_function(&format!("variable.{i}"), function);
    }
    for (i, function) in process::functions().enumerate() {
        super::determinism::name_function(&format!("process.{i}"), function);
    }
    for (i, function) in upload::functions().into_iter().enumerate() {
        super::determinism::name_function(&format!("upload.{i}"), function);
    }
    for (i, function) in files::functions().into_iter().enumerate() {
        super::determinism::name_function(&format!("files.{i}"), function);
    }
    for (i, function) in prototype::functions().into_iter().enumerate() {
        super::determinism::name_function(&format!("prototype.{i}"), function);
    }
    for (name, function) in reload::LIBRARY_FUNCTIONS {
        super::determinism::name_function(&format!("library.{name}"), *function);
    }
    let others = [
        modules::require,
        api::print,
        api::index,
        ui::index,
        api::new_index,
        messages::diag,
    ];
    for (i, function) in others.into_iter().enumerate() {
        super::determinism::name_function(&format!("runtime.{i}"), function);
    }
}
