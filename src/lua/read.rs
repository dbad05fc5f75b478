//! Reading variables: following paths and noticing what differs from last time.

use std::ffi::{c_int, c_void};
use std::ptr::NonNull;

use mlua::ffi::{self, lua_State};

use super::arrays::encode_again;
use super::bind::quick_of;
use super::cell::{Cell, Quick, Seen, Source};
use super::encode::{Flaw, encode, is_array};
use super::kernel::{KEY_TYPE, KEYS, Kernel, VALUES, bytes_at, current, pay, push_ref};
use super::objects::{Address, Held, ShownArray};
use super::route::{Origin, Step, follow, negate, push_origin, special_of};
use super::wrapper;
use crate::core::change::Change;
use crate::core::script::{ErrorCode, ScriptError};
use crate::core::variable::Slot;

/// Stack index of what the last step of a path is taken from.
const CONTAINER: c_int = 3;
/// Stack index of the value just read.
pub(super) const NEW: c_int = 4;

/// Reads every variable of `call.order` from `call.cursor` on. An error jumps out with the cursor
/// at the variable that raised it.
///
/// # Safety
/// Called by Lua under [`Kernel::enter`].
pub(super) unsafe extern "C-unwind" fn detect_op(l: *mut lua_State) -> c_int {
    // SAFETY: the kernel stays where it is while Lua runs; cells are fetched anew after each call
    // into Lua, because the API may add some.
    unsafe {
        let k = current();
        (*k).push_tables(l);
        let order = (*k).call.order;
        let attended = (*(*k).host).vars.is_attended();
        while (*k).call.cursor < order.len() {
            let slot = (&(*order))[(*k).call.cursor];
            (*k).call.slot = slot;
            (*(*k).host).current = Some(slot);
            if attended {
                (*k).call.began = (*(*k).state).budget().used_exactly();
            }
            let quick: &[Quick] = &(*k).quick;
            match quick.get(slot as usize) {
                Some(&Quick { parent, key }) if key != 0 => quick_look(l, k, slot, parent, key),
                _ => detect_one(l, k, slot),
            }
            ffi::lua_settop(l, KEYS);
            if attended {
                (*k).note_cost(&mut *(*k).host, slot);
            }
            (*k).call.cursor += 1;
        }
        0
    }
}

/// Reads a field of the parent, as most variables are: as few calls as it can be done with.
unsafe fn quick_look(l: *mut lua_State, k: *mut Kernel, slot: Slot, parent: Slot, key: u32) {
    // SAFETY: see `detect_op`.
    unsafe {
        if ffi::lua_rawgeti(l, VALUES, value_key(parent)) == ffi::LUA_TNIL {
            ffi::lua_pushnil(l);
        } else {
            ffi::lua_rawgeti(l, KEYS, key.into());
            ffi::lua_gettable(l, CONTAINER);
        }
        ffi::lua_rawgeti(l, VALUES, value_key(slot));
        let same = ffi::lua_rawequal(l, NEW, -1) != 0;
        if !same || ffi::lua_type(l, NEW) >= ffi::LUA_TTABLE {
            notice(l, k, slot);
        }
    }
}

unsafe fn detect_one(l: *mut lua_State, k: *mut Kernel, slot: Slot) {
    // SAFETY: see `detect_op`.
    unsafe {
        let Some(cell) = cell_of(k, slot) else {
            return;
        };
        match (*cell).source {
            Source::Nothing => return,
            Source::Held => {
                ffi::lua_pushnil(l);
                push_aux(l, k, held_key(slot));
            }
            Source::Path => {
                if (*cell).action {
                    return;
                }
                read_path(l, k, cell);
            }
        }
        let Some(cell) = cell_of(k, slot) else {
            return;
        };
        if (*cell).wrapped.is_some() {
            wrapper::present(l, k, slot);
        } else {
            ffi::lua_rawgeti(l, VALUES, value_key(slot));
            notice(l, k, slot);
        }
    }
}

/// With the value read at `NEW` and the one before on top: reports what differs, and remembers it.
///
/// # Safety
/// Inside a protected call of this kernel; `slot` has a cell.
pub(super) unsafe fn notice(l: *mut lua_State, k: *mut Kernel, slot: Slot) {
    // SAFETY: see `detect_op`.
    unsafe {
        let same = ffi::lua_rawequal(l, NEW, -1) != 0;
        let cell = &raw mut (&mut (*k).cells)[slot as usize];
        let recovered = (*cell).failed.take().is_some();
        if recovered {
            (&mut (*k).quick)[slot as usize] = quick_of(&*cell);
        }
        let kind = ffi::lua_type(l, NEW);
        if kind != ffi::LUA_TTABLE {
            if same && !recovered {
                return;
            }
            let nan =
                |i| ffi::lua_type(l, i) == ffi::LUA_TNUMBER && ffi::lua_rawequal(l, i, i) == 0;
            if nan(NEW) && nan(-1) && !recovered {
                return;
            }
        }
        let type_name = if kind == ffi::LUA_TTABLE {
            type_of(l, k, NEW, (*cell).seen.type_name)
        } else {
            None
        };
        let cell = &raw mut (&mut (*k).cells)[slot as usize];
        let array = kind == ffi::LUA_TTABLE && type_name.is_none() && is_array(l, NEW);
        let seen = &raw const (*cell).seen;
        if same && !recovered && !array && (*seen).type_name == type_name {
            // The same object; unless it was an array until now.
            if !matches!((*seen).held, Held::Array(_)) {
                return;
            }
        }
        if !same {
            ffi::lua_pushvalue(l, NEW);
            ffi::lua_rawseti(l, VALUES, value_key(slot));
        }
        if array
            && !recovered
            && let Held::Array(shown) = &(*seen).held
            && shown.has_same_objects(l, NEW)
        {
            return;
        }
        let changed = remember(l, k, NEW, array, type_name, |k| {
            &raw mut (&mut (*k).cells)[slot as usize].seen
        });
        if changed.value || recovered {
            report(k, slot, changed.flaw);
        }
        if changed.type_name {
            report_type(k, slot, type_name.is_some());
        }
    }
}

/// What [`remember`] found.
pub(super) struct Difference {
    pub value: bool,
    pub type_name: bool,
    pub flaw: Option<Flaw>,
}

/// Encodes the value at `index` into the kernel's scratch and keeps in `seen` what it refers to.
///
/// # Safety
/// Inside a protected call of this kernel. `seen` gives the place to keep it at.
pub(super) unsafe fn remember(
    l: *mut lua_State,
    k: *mut Kernel,
    index: c_int,
    array: bool,
    type_name: Option<NonNull<c_void>>,
    seen: impl Fn(*mut Kernel) -> *mut Seen,
) -> Difference {
    // SAFETY: see `detect_op`.
    unsafe {
        (*k).scratch.clear();
        (*k).scratch_objects.clear();
        let flaw = if array {
            encode_again(l, k, index, &seen)
        } else {
            encode(l, k, index, 0)
        };
        let old = seen(k);
        let value = match &(*old).held {
            Held::Array(was) => was.json != (*k).scratch,
            Held::One(number) => array || (&(*k).scratch_objects)[..] != [*number],
            Held::Nothing => true,
        };
        if value {
            let objects = &(*k).scratch_objects;
            let held = if array {
                Held::Array(Box::new(ShownArray {
                    json: (*k).scratch.clone(),
                    objects: objects.clone(),
                    addresses: addresses(l, index, objects.len()),
                }))
            } else {
                objects.first().map_or(Held::Nothing, |&n| Held::One(n))
            };
            (*k).objects.exchange(l, &mut (*old).held, held);
        }
        let type_differs = (*old).type_name != type_name;
        (*old).type_name = type_name;
        Difference {
            value,
            type_name: type_differs,
            flaw,
        }
    }
}

/// The addresses of an array's elements, if all of them are objects, of which it has `objects` in all.
unsafe fn addresses(l: *mut lua_State, index: c_int, objects: usize) -> Vec<Address> {
    // SAFETY: reading by index neither raises nor needs Lua memory.
    unsafe {
        if ffi::lua_rawlen(l, index) != objects {
            return Vec::new();
        }
        let mut found = Vec::with_capacity(objects);
        for i in 1..=objects {
            ffi::lua_rawgeti(l, index, i as i64);
            let address = ffi::lua_topointer(l, -1) as usize;
            // Text has an address too, but nothing keeps it alive; nor does anything the elements
            // of an array in the array.
            let object = ffi::lua_type(l, -1) >= ffi::LUA_TTABLE;
            let numbered = object && (*current()).objects.has_address(address);
            ffi::lua_settop(l, -2);
            if !numbered {
                return Vec::new();
            }
            found.push(Address(address));
        }
        found
    }
}

/// Reports what [`remember`] left in the scratch buffer.
///
/// # Safety
/// Inside a detection pass of this kernel.
pub(super) unsafe fn report(k: *mut Kernel, slot: Slot, flaw: Option<Flaw>) {
    // SAFETY: `changes` is lent for the pass.
    unsafe {
        let changes = &mut *(*k).call.changes;
        let start = changes.json.len();
        changes.json.extend_from_slice(&(*k).scratch);
        changes.value(slot, start);
        if let Some(flaw) = flaw {
            let error = ScriptError::new(ErrorCode::BadValue, flaw.text());
            changes.list.push((slot, Change::Failed(error)));
        }
    }
}

/// Reports the type name that [`type_of`] found last, or that there is none.
///
/// # Safety
/// Inside a detection pass of this kernel.
pub(super) unsafe fn report_type(k: *mut Kernel, slot: Slot, typed: bool) {
    // SAFETY: `changes` is lent for the pass.
    unsafe {
        let name = if typed {
            (&(*k).type_text)[..].into()
        } else {
            "".into()
        };
        (*(*k).call.changes).list.push((slot, Change::Type(name)));
    }
}

/// The type name of the table at `index`, own or through its metatable. If it is not the `known` one,
/// keeps the string alive, so that its address names it, and copies its text into `type_text`.
///
/// # Safety
/// Inside a protected call of this kernel; a metamethod may run.
pub(super) unsafe fn type_of(
    l: *mut lua_State,
    k: *mut Kernel,
    index: c_int,
    known: Option<NonNull<c_void>>,
) -> Option<NonNull<c_void>> {
    // SAFETY: see `detect_op`.
    unsafe {
        let index = ffi::lua_absindex(l, index);
        ffi::lua_rawgeti(l, KEYS, KEY_TYPE.into());
        ffi::lua_gettable(l, index);
        let mut found = None;
        if ffi::lua_type(l, -1) == ffi::LUA_TSTRING {
            found = NonNull::new(ffi::lua_topointer(l, -1).cast_mut());
            if found != known {
                anchor_type(l, k);
            }
        }
        ffi::lua_settop(l, -2);
        found
    }
}

/// With a type name on top: makes its address lasting and copies its text.
unsafe fn anchor_type(l: *mut lua_State, k: *mut Kernel) {
    // SAFETY: see `detect_op`.
    unsafe {
        push_ref(l, (*k).tables.types);
        ffi::lua_pushvalue(l, -2);
        if ffi::lua_rawget(l, -2) == ffi::LUA_TNIL {
            ffi::lua_pushvalue(l, -3);
            ffi::lua_pushboolean(l, 1);
            ffi::lua_rawset(l, -4);
        }
        ffi::lua_settop(l, -3);
        let text = bytes_at(l, -1).unwrap_or_default();
        (*k).type_text.clear();
        (*k).type_text.push_str(&String::from_utf8_lossy(text));
    }
}

/// Puts what a cell's path leads to at `NEW`, or nil if there is a nil on the way.
///
/// # Safety
/// Inside a protected call of this kernel; Lua code may run.
pub(super) unsafe fn read_path(l: *mut lua_State, k: *mut Kernel, cell: *mut Cell) {
    // SAFETY: see `detect_op`; the prefix belongs to the cell, which a destroy inside a getter
    // only marks dead until the call is over.
    unsafe {
        push_origin(l, k, (*cell).origin);
        read_on(l, k, cell);
    }
}

/// The same from what is on top, which is where the path starts.
///
/// # Safety
/// As for [`read_path`].
pub(super) unsafe fn read_on(l: *mut lua_State, k: *mut Kernel, cell: *mut Cell) {
    // SAFETY: as for `read_path`.
    unsafe {
        let special = special_of(&(*cell).special);
        let last = (*cell).last;
        let prefix: Option<*const [Step]> = (*cell).prefix.as_deref().map(|p| &raw const *p);
        if let Some(prefix) = prefix {
            for i in 0..prefix.len() {
                if ffi::lua_type(l, CONTAINER) == ffi::LUA_TNIL {
                    break;
                }
                follow(l, k, (&(*prefix))[i], special);
            }
        }
        ffi::lua_pushvalue(l, CONTAINER);
        if let Some(step) = last
            && ffi::lua_type(l, CONTAINER) != ffi::LUA_TNIL
        {
            follow(l, k, step, special);
        }
        negate(l, special);
    }
}

/// Pushes what a path starts from, also when no detection has looked there yet: variables that were
/// made by this very event.
///
/// # Safety
/// Inside a protected call of this kernel, with its tables at their places; Lua code may run.
pub(super) unsafe fn push_origin_now(l: *mut lua_State, k: *mut Kernel, origin: Origin) {
    // SAFETY: see `detect_op`. The chain is the kernel's: code that runs here may come by again, and
    // leaves what is below its own part alone.
    unsafe {
        let begin = (*k).chain.len();
        let mut origin = origin;
        push_origin(l, k, origin);
        while let Origin::Variable(slot) = origin
            && ffi::lua_type(l, -1) == ffi::LUA_TNIL
            && let Some(cell) = cell_of(k, slot)
            && (*cell).wrapped.is_none()
            && !(*cell).action
        {
            pay(l, 64);
            ffi::lua_settop(l, -2);
            if (*cell).source == Source::Held {
                push_aux(l, k, held_key(slot));
                break;
            }
            (*k).chain.push(slot);
            origin = (*cell).origin;
            push_origin(l, k, origin);
        }
        while (*k).chain.len() > begin
            && let Some(slot) = (*k).chain.pop()
            && let Some(cell) = cell_of(k, slot)
        {
            let special = special_of(&(*cell).special);
            let last = (*cell).last;
            let prefix: *const [Step] = (*cell).prefix.as_deref().unwrap_or_default();
            for step in (&(*prefix)).iter().chain(last.as_slice()) {
                if ffi::lua_type(l, -1) != ffi::LUA_TNIL {
                    follow(l, k, *step, special);
                }
            }
            negate(l, special);
        }
    }
}

/// The cell of a slot, if a variable lives there.
///
/// # Safety
/// `k` is the running kernel. The pointer is good until cells are added.
pub(super) unsafe fn cell_of(k: *mut Kernel, slot: Slot) -> Option<*mut Cell> {
    // SAFETY: as promised by the caller.
    unsafe {
        let cells = &mut (*k).cells;
        cells.get_mut(slot as usize).map(|cell| &raw mut *cell)
    }
}

/// Where a slot's presented value is in `VALUES`.
pub(super) fn value_key(slot: Slot) -> i64 {
    i64::from(slot) + 1
}

/// Where what a slot holds itself is in `AUX`.
pub(super) fn held_key(slot: Slot) -> i64 {
    2 * i64::from(slot) + 1
}

/// Where the value that a slot's wrapper wraps is in `AUX`.
pub(super) fn raw_key(slot: Slot) -> i64 {
    2 * i64::from(slot) + 2
}

/// Pushes an entry of `AUX`.
///
/// # Safety
/// Inside a protected call of this kernel.
pub(super) unsafe fn push_aux(l: *mut lua_State, k: *mut Kernel, key: i64) {
    // SAFETY: as promised by the caller.
    unsafe {
        push_ref(l, (*k).tables.aux);
        ffi::lua_rawgeti(l, -1, key);
        ffi::lua_copy(l, -1, -2);
        ffi::lua_settop(l, -2);
    }
}

/// Stores the value on top in `AUX` and takes it off the stack.
///
/// # Safety
/// Inside a protected call of this kernel.
pub(super) unsafe fn set_aux(l: *mut lua_State, k: *mut Kernel, key: i64) {
    // SAFETY: as promised by the caller.
    unsafe {
        push_ref(l, (*k).tables.aux);
        ffi::lua_rotate(l, -2, 1);
        ffi::lua_rawseti(l, -2, key);
        ffi::lua_settop(l, -2);
    }
}
