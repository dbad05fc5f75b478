//! The kernel: what a session keeps about its variables on the Lua side, and the way in and out.
//!
//! Crossing into Lua costs more than the work there, so everything that touches many variables runs
//! inside *one* protected C call per event (`Kernel::enter`), over parallel tables: slot `s` of the
//! VariableStore has its presented value at `VALUES[s + 1]`. A Lua error jumps out to `enter`; that
//! is why code between here and there holds nothing that needs dropping across a call that can
//! raise, and keeps its buffers in the `Kernel` itself.

use std::cell::Cell as StdCell;
use std::ffi::{c_char, c_int};
use std::ptr;
use std::rc::Rc;

use mlua::ffi::{self, lua_CFunction, lua_State};

use super::budget;
use super::cell::{Cell, Quick};
use super::modules::ChunkCache;
use super::objects::Objects;
use super::sandbox::clock::{TurnTime, set_turn};
use super::state::State;
use crate::core::change::Changes;
use crate::core::host::Host;
use crate::core::outside::SpawnOrder;
use crate::core::runs::Started;
use crate::core::script::{ErrorCode, ScriptError, ToldOfProcess};
use crate::core::upload::Received;
use crate::core::variable::{Slot, make_room};

/// Stack index of the table of presented values while a kernel operation runs.
pub(super) const VALUES: c_int = 1;
/// Stack index of the table of key strings.
pub(super) const KEYS: c_int = 2;

/// `KEYS[1]` is always "type".
pub(super) const KEY_TYPE: u32 = 1;

/// What is said of work for which its event has no gas left.
pub(super) const GAS_SPENT: &str = "gas limit: the same event used up its whole budget before this";

/// Bytes of an error's message that are told.
pub(super) const MESSAGE_MAX: usize = 1_000;

/// What the C side says when memory runs out (`MEMERRMSG` in c/lunette_lua.h).
const OUT_OF_MEMORY: &str = "not enough memory: this session used up its Lua memory";

/// References into the registry.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tables {
    pub values: c_int,
    pub keys: c_int,
    /// `AUX[2s + 1]`: what slot `s` holds itself; `AUX[2s + 2]`: the value its wrapper wraps.
    pub aux: c_int,
    /// Object number to object: keeps alive what variables show.
    pub anchors: c_int,
    /// Functions of timers (by id) and watches (by negated handle).
    pub functions: c_int,
    /// Type names that were seen.
    pub types: c_int,
    /// `require`d files.
    pub loaded: c_int,
    /// Types by name: registered by the app, and prototypes.
    pub registered: c_int,
    /// The defaults that prototypes were made with, by name.
    pub stored: c_int,
    /// The file that registered a type, by the type's name.
    pub owners: c_int,
    /// The global `EMPTY`.
    pub empty: c_int,
    pub session: c_int,
    /// The metatable of variable handles.
    pub handle: c_int,
    /// The global `io`; 0: not granted.
    pub io: c_int,
    /// The functions of processes, `onLine` at twice the id, `onExit` behind it; 0: none yet.
    pub processes: c_int,
    /// The metatable of process handles; 0: none yet.
    pub process: c_int,
    /// The metatable of uploaded files; 0: none yet.
    pub upload: c_int,
}

/// What goes into and comes out of the operation that runs.
pub(super) struct Call {
    pub slot: Slot,
    pub number: i64,
    pub text: *const str,
    pub incoming: Option<serde_json::Value>,
    pub order: *const [Slot],
    pub cursor: usize,
    pub changes: *mut Changes,
    pub told: *const ToldOfProcess<'static>,
    pub file: *const Received,
    /// Gas used when the read of a variable began, while somebody looks on.
    pub began: u64,
}

/// See the module's description.
pub(super) struct Kernel {
    pub raw: *mut lua_State,
    pub state: *const State,
    /// Lent for the call that runs; null outside.
    pub host: *mut Host,
    pub cells: Vec<Cell>,
    /// By slot, as `cells`: few enough bytes to stay in the processor's cache.
    pub quick: Vec<Quick>,
    pub objects: Objects,
    pub keys: super::keys::Keys,
    pub binding: super::bind::Binding,
    pub tables: Tables,
    pub chunks: Rc<ChunkCache>,
    pub call: Call,
    /// JSON being written; kept to save allocations.
    pub scratch: Vec<u8>,
    pub scratch_objects: Vec<u64>,
    /// What `ui.json_encode` writes, which may run while a value is being written to `scratch`.
    pub encoded: Vec<u8>,
    /// The kind and the message of the error that was raised last, if it was not simply Lua's. A
    /// script may have caught it.
    pub code: Option<(ErrorCode, String)>,
    /// The message of an error on its way to Lua.
    pub said: String,
    /// Variables that nothing has read yet, on the way to one that is read or written.
    pub chain: Vec<Slot>,
    /// What a method refused, field by field.
    pub fields: Vec<(Box<str>, Box<str>)>,
    /// Message and traceback of the last error.
    pub error: Option<(String, String)>,
    /// Names being sorted, each with its place in a Lua table that keeps it alive.
    pub names: Vec<(*const [u8], i64)>,
    /// The text of the type name that was found to be new last.
    pub type_text: String,
    /// A value of `ui.json_decode` on its way into Lua.
    pub decoded: Option<serde_json::Value>,
    /// A process on its way out of Lua.
    pub order: Option<SpawnOrder>,
    /// What is left of the gas of the event, or of the pass of detection, that runs.
    pub gas_left: u64,
    /// Counts the detections; each may take several rounds.
    pub detection: u64,
    /// Set aside for detection.
    pub gas_for_detection: u64,
    /// What is left for calls of destroy() in this event.
    pub gas_for_upkeep: u64,
    /// Something of this event was cut for its gas.
    pub exhausted: bool,
    /// By all events so far.
    pub gas_used: u64,
    /// Prototypes changed whose instances have not been moved along yet.
    pub mutations: bool,
    /// The collector is stopped for a moment.
    pub collector_stopped: bool,
    /// What `mutate` methods raised.
    pub failures: Vec<(String, String)>,
    /// Files being unloaded, and what they had started.
    pub unloading: Vec<Box<str>>,
    pub ending: Vec<Started>,
}

thread_local! {
    /// The kernel whose Lua state runs on this thread. C functions find their session here.
    static CURRENT: StdCell<*mut Kernel> = const { StdCell::new(ptr::null_mut()) };
}

/// The kernel of the running state.
///
/// Valid while Lua runs: C functions of the API are only reachable from inside [`Kernel::enter`].
pub(super) fn current() -> *mut Kernel {
    CURRENT.get()
}

/// The host of the running state, for one statement.
///
/// # Safety
/// Only inside a C function called by Lua under [`Kernel::enter`]; the reference must not live
/// across a call into Lua.
pub(super) unsafe fn host<'a>() -> &'a mut Host {
    // SAFETY: `enter` set both pointers and keeps them valid until it returns.
    unsafe { &mut *(*current()).host }
}

impl Kernel {
    /// The kernel of a state in which nothing has run yet.
    pub fn new(state: &State, chunks: Rc<ChunkCache>, gas: u64) -> Kernel {
        Kernel {
            raw: state.raw(),
            state,
            host: ptr::null_mut(),
            cells: Vec::new(),
            quick: Vec::new(),
            objects: Objects::new(0),
            keys: Default::default(),
            binding: Default::default(),
            tables: Tables::default(),
            chunks,
            call: Call {
                slot: 0,
                number: 0,
                text: "",
                incoming: None,
                order: &[],
                cursor: 0,
                changes: ptr::null_mut(),
                told: ptr::null(),
                file: ptr::null(),
                began: 0,
            },
            scratch: Vec::new(),
            scratch_objects: Vec::new(),
            encoded: Vec::new(),
            code: None,
            error: None,
            said: String::new(),
            chain: Vec::new(),
            fields: Vec::new(),
            names: Vec::new(),
            type_text: String::new(),
            decoded: None,
            order: None,
            gas_left: gas,
            detection: 0,
            gas_for_detection: gas,
            gas_for_upkeep: gas,
            exhausted: false,
            gas_used: 0,
            mutations: false,
            collector_stopped: false,
            failures: Vec::new(),
            unloading: Vec::new(),
            ending: Vec::new(),
        }
    }

    /// Runs `op` protected, with the host lent, on what is left of the event's gas. The stack of the
    /// operation starts empty.
    pub fn enter(&mut self, host: &mut Host, op: lua_CFunction) -> Result<(), ScriptError> {
        let gas = self.gas_left.min(host.limits.gas);
        if gas == 0 {
            return Err(ScriptError::new(ErrorCode::Limit, GAS_SPENT));
        }
        let done = self.enter_with(gas, host, op);
        // SAFETY: the state owns the session that owns this kernel.
        let used = unsafe { (*self.state).budget().used() };
        self.gas_left = self.gas_left.saturating_sub(used);
        done
    }

    /// The same on a budget of its own, for what has to be done however little is left.
    pub fn enter_with(
        &mut self,
        gas: u64,
        host: &mut Host,
        op: lua_CFunction,
    ) -> Result<(), ScriptError> {
        // SAFETY: as above.
        let state = unsafe { &*self.state };
        state.budget().refill(gas);
        set_turn(TurnTime {
            now_ms: host.turn.now,
            wall_ms: u64::try_from(host.turn.wall).unwrap_or(0),
        });
        self.host = host;
        self.code = None;
        self.error = None;
        self.fields.clear();
        let files = host.files.depth();
        let outer = CURRENT.replace(self);
        let l = self.raw;
        // SAFETY: `l` is a live state with nothing of ours on its stack; light C functions need no
        // memory; every error inside is caught by lua_pcall.
        let status = unsafe {
            ffi::lua_settop(l, 0);
            ffi::lua_pushcfunction(l, handle_message);
            ffi::lua_pushcfunction(l, op);
            let status = ffi::lua_pcall(l, 0, 0, 1);
            ffi::lua_settop(l, 0);
            status
        };
        CURRENT.set(outer);
        // An error may have come out of the middle of a file.
        host.files.leave(files);
        self.host = ptr::null_mut();
        self.gas_used += state.budget().used();
        if let Some(witness) = host.vars.witness() {
            witness.note_gas(state.budget().used_exactly());
        }
        if status == ffi::LUA_OK {
            return Ok(());
        }
        Err(self.take_error(status))
    }

    fn take_error(&mut self, status: c_int) -> ScriptError {
        if std::mem::take(&mut self.collector_stopped) {
            // SAFETY: the state is live; this only sets numbers.
            unsafe { ffi::lua_gc(self.raw, ffi::LUA_GCRESTART) };
        }
        // SAFETY: as in `enter`.
        let exhausted = unsafe { (*self.state).budget().exhausted() };
        self.exhausted |= exhausted;
        let (message, traceback) = self.error.take().unwrap_or_else(|| {
            let text = match status {
                ffi::LUA_ERRMEM => OUT_OF_MEMORY,
                _ => "an error in the handling of an error",
            };
            (text.to_owned(), text.to_owned())
        });
        let memory = status == ffi::LUA_ERRMEM || message.contains(OUT_OF_MEMORY);
        let code = match self.code.take() {
            Some((code, _)) => code,
            None if exhausted || memory => ErrorCode::Limit,
            None => ErrorCode::LuaError,
        };
        // A path that leads nowhere is no fault of any code: no traceback.
        let traceback = matches!(code, ErrorCode::LuaError | ErrorCode::Limit).then_some(traceback);
        ScriptError {
            code,
            message,
            traceback,
            // Another error may have cut off the gathering of fields.
            fields: match code {
                ErrorCode::Invalid => std::mem::take(&mut self.fields),
                _ => Vec::new(),
            },
        }
    }

    /// Notes what the read of a variable took that began at `call.began`, for somebody who looks on.
    pub fn note_cost(&self, host: &mut Host, slot: Slot) {
        if let Some(witness) = host.vars.witness() {
            // SAFETY: the state owns the session that owns this kernel.
            let used = unsafe { (*self.state).budget().used_exactly() };
            witness.note_cost(slot, used.saturating_sub(self.call.began));
        }
    }

    /// The cell of `slot`, made if it is not there yet.
    pub fn cell_mut(&mut self, slot: Slot) -> &mut Cell {
        let at = slot as usize;
        if at >= self.cells.len() {
            let more = at + 1 - self.cells.len();
            make_room(&mut self.cells, more);
            make_room(&mut self.quick, more);
            self.cells.resize_with(at + 1, || Cell::EMPTY);
            self.quick.resize(at + 1, Quick::default());
        }
        &mut self.cells[at]
    }

    /// Bytes of what it knows of variables and objects, roughly.
    pub fn bytes(&self) -> usize {
        let of_slot = size_of::<Cell>() + size_of::<Quick>();
        self.cells.capacity() * of_slot + self.objects.bytes()
    }

    /// Puts `VALUES` and `KEYS` at their places on an empty stack.
    ///
    /// # Safety
    /// Inside a protected call of this kernel's state.
    pub unsafe fn push_tables(&self, l: *mut lua_State) {
        // SAFETY: both references were made when the state was.
        unsafe {
            ffi::lua_settop(l, 0);
            ffi::luaL_checkstack(l, 60, ptr::null());
            ffi::lua_rawgeti(l, ffi::LUA_REGISTRYINDEX, self.tables.values.into());
            ffi::lua_rawgeti(l, ffi::LUA_REGISTRYINDEX, self.tables.keys.into());
        }
    }
}

/// Pushes a table of [`Tables`].
///
/// # Safety
/// `reference` is one of this state's and one stack slot is free.
pub(super) unsafe fn push_ref(l: *mut lua_State, reference: c_int) {
    // SAFETY: as promised by the caller.
    unsafe {
        ffi::lua_rawgeti(l, ffi::LUA_REGISTRYINDEX, reference.into());
    }
}

/// Pushes a string.
///
/// # Safety
/// Inside a protected call: there may be no memory for it.
pub(super) unsafe fn push_str(l: *mut lua_State, text: &str) {
    // SAFETY: Lua copies the bytes.
    unsafe {
        ffi::lua_pushlstring(l, text.as_ptr().cast::<c_char>(), text.len());
    }
}

/// The bytes of the string at `index`, converting a number in place.
///
/// # Safety
/// The value must stay on the stack while the slice is used.
pub(super) unsafe fn bytes_at<'a>(l: *mut lua_State, index: c_int) -> Option<&'a [u8]> {
    let mut len = 0usize;
    // SAFETY: lua_tolstring gives a pointer to `len` bytes owned by the value on the stack.
    unsafe {
        let text = ffi::lua_tolstring(l, index, &mut len);
        (!text.is_null()).then(|| std::slice::from_raw_parts(text.cast::<u8>(), len))
    }
}

/// Charges the running event for work on `bytes` bytes that Lua's own counting does not see; raises
/// if that is too much.
///
/// # Safety
/// As for [`raise`].
pub(super) unsafe fn pay(l: *mut lua_State, bytes: usize) {
    // SAFETY: as promised by the caller.
    unsafe { budget::charge(l, 1 + bytes as u64 / BYTES_PER_GAS) }
}

/// Copying or looking through so many bytes takes about as long as an instruction.
const BYTES_PER_GAS: u64 = 16;

/// Raises an error of this kind. The message is complete: no position is added.
///
/// # Safety
/// Inside a protected call, with nothing on the Rust stack that needs dropping.
pub(super) unsafe fn raise(l: *mut lua_State, code: ErrorCode, message: String) -> ! {
    // SAFETY: as promised by the caller; the String lives in the kernel, which outlives the jump.
    unsafe {
        (*current()).code = Some((code, message));
        let message: *const str = match &(*current()).code {
            Some((_, message)) => &raw const **message,
            None => "",
        };
        push_str(l, &*message);
        ffi::lua_error(l)
    }
}

/// Whether an error with this text is the one that was raised last, perhaps with a position in
/// front.
fn is_of(raised: &str, text: &[u8]) -> bool {
    text == raised.as_bytes() || !raised.is_empty() && text.ends_with(raised.as_bytes())
}

/// Raises an error about how the API was called, with the caller's position in front.
///
/// # Safety
/// As for [`raise`].
pub(super) unsafe fn raise_here(l: *mut lua_State, message: String) -> ! {
    // SAFETY: as promised by the caller; the String lives in the kernel, which outlives the jump. A
    // state without a session has none, nor a limit of memory that could make it jump too early.
    unsafe {
        ffi::luaL_where(l, 1);
        match current().as_mut() {
            Some(kernel) => {
                kernel.said = message;
                let said: *const str = &raw const *kernel.said;
                push_str(l, &*said);
            }
            None => {
                push_str(l, &message);
                drop(message);
            }
        }
        ffi::lua_concat(l, 2);
        ffi::lua_error(l)
    }
}

/// Raises unless argument 1 is the table that `reference` keeps. A metamethod can be called by hand, with anything, by
/// whoever gets hold of it; Lua's C functions take their callers' word for what is a table.
///
/// # Safety
/// As for [`raise`].
pub(super) unsafe fn check_own(l: *mut lua_State, reference: c_int) {
    // SAFETY: as promised by the caller; any value may be compared, and none is there without arguments.
    unsafe {
        push_ref(l, reference);
        if ffi::lua_rawequal(l, 1, -1) == 0 {
            raise_here(l, "this is no function to call by itself".into());
        }
        ffi::lua_settop(l, -2);
    }
}

/// Message handler: keeps the message and the traceback, which only exists while the stack does.
///
/// # Safety
/// Called by Lua under [`Kernel::enter`].
pub(super) unsafe extern "C-unwind" fn handle_message(l: *mut lua_State) -> c_int {
    // SAFETY: called by Lua with the error object at index 1; the strings are copied at once.
    unsafe {
        let kernel = current();
        let mut len = 0usize;
        // The address of an object tells nobody anything.
        if ffi::lua_type(l, 1) >= ffi::LUA_TTABLE
            && ffi::luaL_getmetafield(l, 1, c"__tostring".as_ptr()) == ffi::LUA_TNIL
        {
            let kind = ffi::lua_typename(l, ffi::lua_type(l, 1));
            ffi::lua_pushfstring(l, c"error object is a %s value".as_ptr(), kind);
            ffi::lua_replace(l, 1);
        }
        super::files::explain(l, 1);
        let mut text = ffi::luaL_tolstring(l, 1, &mut len);
        let whole = std::slice::from_raw_parts(text.cast::<u8>(), len);
        let code = (*kernel).code.as_ref();
        if code.is_some_and(|(_, raised)| !is_of(raised, whole)) {
            (*kernel).code = None;
            (*kernel).fields.clear();
        }
        if len > MESSAGE_MAX {
            // A script may raise the same long text thousands of times: it costs it nothing.
            ffi::lua_pushlstring(l, text, MESSAGE_MAX);
            text = bytes_at(l, -1).map_or(text, |cut| cut.as_ptr().cast());
            len = MESSAGE_MAX;
        }
        let message = std::slice::from_raw_parts(text.cast::<u8>(), len);
        let known = (*kernel).error.as_ref();
        if known.is_some_and(|(known, _)| known.as_bytes() == message) {
            // Raised again by `require`: the first traceback saw more.
            ffi::lua_settop(l, 1);
            return 1;
        }
        (*kernel).error = Some((String::from_utf8_lossy(message).into_owned(), String::new()));
        ffi::luaL_traceback(l, l, text, 1);
        if let (Some(trace), Some(error)) = (bytes_at(l, -1), (*kernel).error.as_mut()) {
            error.1 = String::from_utf8_lossy(trace).into_owned();
        }
        ffi::lua_settop(l, 1);
        1
    }
}
